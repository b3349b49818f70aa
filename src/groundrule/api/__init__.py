"""The service over HTTP: routes, who may use them, and nothing that decides.

Everything behind the routes lies in `pipeline.live` and the functions that the commands use, too.
"""
