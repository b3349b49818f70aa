"""`python -m groundrule` is the command line."""

from groundrule.cli import main

if __name__ == "__main__":
    main()
