"""What `run_all.py` keeps of benchmarks, and how docs/benchmarks.md is made from it."""
