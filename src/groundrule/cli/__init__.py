"""The command line: reads and writes ordinary files, holds no logic.

Exit codes: 0 done; 1 the answer is a refusal or a failed check; 2 wrong usage or bad input; 3 internal error.
"""

from __future__ import annotations

import functools
import importlib
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

import typer
from typer.main import get_command

from groundrule import __version__
from groundrule.cli.output import fail
from groundrule.errors import GroundruleError

COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("demo", "demo"),
    "init": ("home", "init"),
    "backup": ("backup", "backup"),
    "restore": ("backup", "restore"),
    "upgrade": ("upgrade", "upgrade"),
    "database": ("database", "app"),
    "areas": ("areas", "app"),
    "orbits": ("orbits", "app"),
    "verify": ("verify", "verify"),
    "interference": ("interference", "interference"),
    "detect": ("detect", "detect"),
    "cases": ("cases", "app"),
    "simulate": ("simulate", "simulate"),
    "rules": ("rules", "app"),
    "register": ("register", "app"),
    "decide": ("decide", "decide"),
    "decided": ("decide_cluster", "decided"),
    "explain": ("explain", "explain"),
    "replay": ("replay", "replay"),
    "whatif": ("replay", "whatif"),
    "history": ("history", "app"),
    "ledger": ("ledger", "app"),
    "lists": ("lists", "app"),
    "screen": ("screen", "screen"),
    "key": ("key", "app"),
    "charter": ("charter", "app"),
    "request": ("request", "app"),
    "propose": ("propose", "propose"),
    "approve": ("approve", "approve"),
    "enact": ("propose", "enact"),
    "contact": ("contact", "app"),
    "emergency": ("emergency", "app"),
    "review": ("review", "app"),
    "snapshot": ("snapshot", "app"),
    "appeal": ("appeal", "app"),
    "batch": ("batch", "app"),
    "disclosure": ("disclosure", "app"),
    "duress": ("duress", "app"),
    "govern": ("govern", "app"),
    "report": ("report", "app"),
    "dossier": ("dossier", "app"),
    "oversight": ("oversight", "oversight"),
    "watch": ("watch", "watch"),
    "serve": ("serve", "serve"),
    "access": ("access", "app"),
    "monitoring": ("monitoring", "monitoring"),
}
"""Where each command is, in the order of the help: a module of this package and a function in it, or a group of commands."""


@functools.cache
def commands(*names: str) -> typer.Typer:
    """Load some commands: all of them take two seconds to load, and a call wants one."""
    made = typer.Typer(
        name="groundrule",
        help="Decides, on evidence and by published rule, where and for whom a satellite network serves, and shows why.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for name in names:
        module, what = COMMANDS[name]
        found = getattr(importlib.import_module(f"{__name__}.{module}"), what)
        if isinstance(found, typer.Typer):
            made.add_typer(found, name=name)
        else:
            made.command(name=name)(found)
    made.callback(invoke_without_command=True)(root)
    return made


@functools.cache
def parser_of(word: str | None) -> Callable[..., Any]:
    """Build what reads a command line that begins with this word, once in a process: for all commands it takes a third of a second."""
    return get_command(commands(*((word,) if word in COMMANDS else () if word == "--version" else COMMANDS)))


def __getattr__(name: str) -> typer.Typer:
    """`app` is the whole command line, loaded when it is asked for."""
    if name == "app":
        return commands(*COMMANDS)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def root(version: bool = typer.Option(False, "--version", help="Print the version and end.", is_eager=True)) -> None:
    """Decides, on evidence and by published rule, where and for whom a satellite network serves, and shows why."""
    if version:
        print(f"groundrule {__version__}")  # noqa: T201 - this is the command's output
        raise typer.Exit


def main() -> None:
    """Run the command line and end with the exit code of the contract."""
    try:
        parser_of(sys.argv[1] if len(sys.argv) > 1 else None)()
    except GroundruleError as error:
        sys.exit(fail(error))
    except BrokenPipeError:
        # The reader of our output has gone (for instance `| head`); that is not an error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        print(  # noqa: T201 - this is the command's output
            f"groundrule: cannot use `{error.filename}`: {error.strerror}", file=sys.stderr
        )
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception:  # noqa: BLE001 - the last door: whatever comes here is a fault of ours and must say so
        traceback.print_exc()
        print(  # noqa: T201 - this is the command's output
            f"groundrule {__version__}: internal error; please report it with the lines above", file=sys.stderr
        )
        sys.exit(3)
