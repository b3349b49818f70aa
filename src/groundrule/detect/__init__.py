"""Detect: what is remembered of each terminal, and what its behaviour says."""
