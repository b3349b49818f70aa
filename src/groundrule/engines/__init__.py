"""The same pipeline on many machines: history is divided by terminal, and each part is decided by the very same functions."""
