"""What commands print: tables for people, JSON for programs, progress on stderr, errors in one form."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from groundrule.errors import GroundruleError

OutputJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
HomeOption = Annotated[
    Path,
    typer.Option("--home", envvar="GROUNDRULE_HOME", help="Directory that holds registers, areas, rules and history."),
]
DEFAULT_HOME = Path("groundrule-home")

PIPE_COLUMNS = 1_000
"""Width of a table that is not shown on a terminal [characters]."""
OUTCOME_STYLES = {"serve": "green", "restrict": "cyan", "review": "yellow", "deny": "red"}


_UNSEEN = {
    code: f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
    for code in (
        *(code for code in range(32) if chr(code) not in "\t\n"), *range(127, 160),
        0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A),
    )
}  # fmt: skip
"""Characters that steer a terminal or turn the order of text, and how they are shown instead."""


def visible(text: str) -> str:
    """Return text from outside so that it can only be read: nothing in it moves the cursor, colours or turns the line."""
    return text.translate(_UNSEEN)


def console() -> Console:
    """Return a console on the present standard output."""
    if sys.stdout.isatty():
        return Console(file=sys.stdout, highlight=False)
    # A pipe has no width: lines stay whole, and tables are as wide as their content.
    return Console(file=sys.stdout, highlight=False, soft_wrap=True, width=PIPE_COLUMNS)


def print_json(value: Any) -> None:
    """Print one JSON document."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False, default=str) + "\n")


def print_text(text: str = "", *, style: str = "") -> None:
    """Print a line; text from outside is never taken as markup."""
    console().print(Text(visible(text), style=style))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], *, title: str | None = None) -> None:
    """Print a table; numbers are set right, outcomes are coloured, text from outside is never taken as markup."""
    table = Table(title=title, title_justify="left", title_style="bold", header_style="bold", box=None, pad_edge=False)
    for position, name in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[position], int | float) for row in rows)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    console().print(table)


def _cell(value: Any) -> Text:
    text = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
    return Text(visible(text), style=OUTCOME_STYLES.get(text.split(" ")[0], ""))


def warn(text: str) -> None:
    """Print a remark on stderr."""
    Console(file=sys.stderr, highlight=False, soft_wrap=True).print(Text(visible(text), style="yellow"))


def fail(error: GroundruleError) -> int:
    """Print an error on stderr in the form `groundrule: what; what would be right` and return its exit code."""
    many = getattr(error, "errors", None)
    shown = Console(file=sys.stderr, highlight=False, soft_wrap=True)
    for item in many or [error]:
        shown.print(Text(visible(f"groundrule: {item}")))
    return error.exit_code


@contextmanager
def progress(total: int | None = None) -> Iterator[Callable[[str, int], None]]:
    """Show a bar per step on stderr, if stderr is a terminal; the yielded function takes (step, rows done)."""
    if not sys.stderr.isatty():
        yield lambda _step, _rows: None
        return
    tasks: dict[str, Any] = {}
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(file=sys.stderr), transient=True) as bars:

        def update(step: str, rows: int) -> None:
            if step not in tasks:
                tasks[step] = bars.add_task(step, total=total)
            bars.advance(tasks[step], rows)

        yield update
