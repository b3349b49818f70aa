"""Groundrule decides, on evidence and by published rule, where and for whom a satellite network serves."""

__version__ = "0.1.0"
