"""Watching sources of observations: what arrives is handed to the live desk, and acknowledged once it is durable.

A source gives arrivals (rows, rejected rows, a key). They go through `Live.submit`, are durable and judged; the position is written; then
the source is told.
"""
