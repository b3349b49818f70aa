"""`groundrule` and `python -m groundrule`: the command line, loaded without looking for garbage."""

from __future__ import annotations

import gc


def main() -> None:
    """Load every command and run the one that is asked for."""
    # What is loaded stays, and a command ends soon: looking for garbage took a tenth of the time of a dossier.
    gc.disable()
    try:
        from groundrule import cli  # noqa: PLC0415 - what this module is for: nothing is loaded before
    finally:
        gc.set_threshold(20_000, 20, 20)
        gc.enable()
    cli.main()


if __name__ == "__main__":
    main()
