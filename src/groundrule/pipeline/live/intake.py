"""From what was submitted to observations in the order in which they are judged, and which of them are late.

1. `hand_in` looks at the columns; `check_together` checks the rows of all submissions that wait, and sets aside with its
   reason what cannot be used.
2. They are gathered into one `Group`: one flush and one judgement serve all of them.
3. `sort_out` tells for each row whether it is new, late, or known already. Rows of one terminal are put in order of
   time first, where they are not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit
from numpy.typing import NDArray

from groundrule.errors import InputError
from groundrule.pipeline.digests import table_digest
from groundrule.pipeline.live.answers import Rejected
from groundrule.records import ATTACHED_COLUMNS, OBSERVATION_SCHEMA
from groundrule.store.observation_checks import TimeReading, check_observations
from groundrule.store.regular_rows import Measured, Regular, columns_of
from groundrule.store.rejects import Rejects

COLUMNS: Final = frozenset({*OBSERVATION_SCHEMA.names, "speed_km_h"} - {"source", "source_row", *ATTACHED_COLUMNS})
"""Columns that may be submitted; what is worked out here is never taken from outside."""
MAX_SOURCE: Final = 120
MAX_KEY: Final = 255
FRESH, LATE, KNOWN = 0, 1, 2
"""What a row is: new and in order, behind what is known, or exactly what is known."""
_TRACING: Final = frozenset({"source", "source_row"})
_NO_ROWS: Final = OBSERVATION_SCHEMA.empty_table()
_NO_PLACES: Final = np.zeros(0, np.int64)
_CONTENT: Final = tuple(
    n for n in OBSERVATION_SCHEMA.names if n not in ("terminal_id", "observed_at", "source", "source_row", *ATTACHED_COLUMNS)
)
"""What makes an observation; what is attached here, a repeat need not have."""


@dataclass(slots=True)
class Submission:
    """One submission on its way.

    Attributes:
        given: what was handed in, columns with names that are known.
        source: who sent it.
        key: digest of the idempotency key, or empty.
        store: False for a question that leaves nothing behind.
        rows: usable rows, of `OBSERVATION_SCHEMA`, once it was checked.
        places: place of each of them in what was given.
        rejected: the other rows.
        content: digest of the usable rows, where there is a key.
        future: takes the answer: `Answered`, or `Brief` where the rows came as `regular`.
        regular: rows that are plainly right, instead of `given`; they came without a key and are to be stored.
        good: says whether the credentials of `source` hold, where nobody has asked yet.
    """

    given: pa.Table
    source: str
    key: str = ""
    store: bool = True
    rows: pa.Table = field(default_factory=lambda: _NO_ROWS)
    places: NDArray[np.int64] = field(default_factory=lambda: _NO_PLACES)
    rejected: tuple[Rejected, ...] = ()
    content: str = ""
    future: Future[Any] = field(default_factory=Future)
    regular: Regular | None = None
    good: Callable[[], bool] | None = None

    def __len__(self) -> int:
        return len(self.given) if self.regular is None else len(self.regular)


def hand_in(table: pa.Table, *, source: str, key: str | None, most_rows: int, store: bool = True) -> Submission:
    """Take a submission as it is given; its rows are checked with those of others.

    Args:
        table: columns of `OBSERVATION_SCHEMA` (or `speed_km_h`) of any reasonable type; absent ones are unknown.
        source: who sent it.
        key: idempotency key.
        most_rows: more are refused as a whole.
        store: False for a question.
    Raises:
        InputError: a column is missing or unknown, or there are too many rows.
    """
    silent = [n for n in ATTACHED_COLUMNS if n in table.column_names and table.column(n).null_count == len(table)]
    table = table.drop_columns(silent)  # as in tables of history
    names, n = table.column_names, len(table)
    if n > most_rows:
        raise InputError(f"{n:,} rows in one submission", help=f"at most {most_rows:,}; send several", field="rows")
    for name in ("terminal_id", "observed_at"):
        if name not in names:
            raise InputError(f"there is no column `{name}`", help="every observation names its terminal and its time", field=name)
    if strange := [name for name in names if name not in COLUMNS and name not in _TRACING]:
        raise InputError(
            f"unknown column `{strange[0][:60]}`", help=f"known: {', '.join(sorted(COLUMNS))}", field=strange[0][:60]
        )
    if len(set(names)) < len(names):
        raise InputError("a column is given twice", help="name each column once")
    if key is not None and not 0 < len(key) <= MAX_KEY:
        raise InputError(f"an idempotency key of {len(key)} characters", help=f"1 to {MAX_KEY}", field="key")
    given = table if not _TRACING & set(names) else table.select([name for name in names if name not in _TRACING])
    digest = "" if key is None else blake2b(source.encode() + b"\0" + key.encode(), digest_size=16).hexdigest()
    return Submission(given, source[:MAX_SOURCE], digest, store)


def hand_in_few(found: Regular, *, source: str, good: Callable[[], bool] | None = None) -> Submission:
    """Take a few rows that are plainly right."""
    return Submission(_NO_ROWS, source[:MAX_SOURCE], regular=found, good=good)


def check_together(parts: Sequence[Submission], *, latest_ns: int) -> dict[str, int]:
    """Check the rows of submissions; those of one kind at once. A submission that cannot be read at all gets its error.

    Args:
        parts: as handed in; `rows`, `places`, `rejected` and `content` are filled in.
        latest_ns: rows later than this are rejected [ns, UTC].
    Returns:
        Rejected rows that were to be stored, by reason.
    """
    reasons: dict[str, int] = {}
    alike: dict[tuple[str, str], list[Submission]] = {}
    for part in parts:
        if part.regular is None:
            alike.setdefault((part.source, str(part.given.schema)), []).append(part)
    for group in alike.values():
        try:
            _check(group, latest_ns, reasons)
        except InputError as error:
            for part in group:
                try:
                    if len(group) == 1:
                        raise error
                    _check([part], latest_ns, reasons)
                except InputError as own:
                    part.future.set_exception(own)
    return reasons


def _check(parts: list[Submission], latest_ns: int, reasons: dict[str, int]) -> None:
    """Check submissions from one source with columns of the same types."""
    whole = parts[0].given if len(parts) == 1 else pa.concat_tables([part.given for part in parts])
    numbers = np.arange(len(whole), dtype=np.int64)
    rows, rejects = check_observations(
        {name: whole.column(name) for name in whole.column_names},
        source=parts[0].source,
        source_rows=numbers,
        time=TimeReading(None, False, latest_ns),
    )
    if len(parts) == 1:
        part = parts[0]
        part.rows, part.places = rows, rows.column("source_row").to_numpy() if len(rejects) else numbers
        part.rejected = rejected_of(rejects)
    else:
        _share_out(parts, rows, rejects)
    for part in parts:
        if part.key:
            part.content = _content(part.rows)
        if part.store:
            for each in part.rejected:
                reasons[each.reason] = reasons.get(each.reason, 0) + 1


def _share_out(parts: list[Submission], rows: pa.Table, rejects: Rejects) -> None:
    """Give each of several submissions its rows back."""
    starts = np.concatenate([[0], np.cumsum([len(part) for part in parts])])
    places = rows.column("source_row").to_numpy()
    cuts = np.searchsorted(places, starts)
    refused: list[list[Rejected]] = [[] for _ in parts]
    for each in rejected_of(rejects):
        number = int(np.searchsorted(starts, each.row, side="right")) - 1
        refused[number].append(replace(each, row=each.row - int(starts[number])))
    column = rows.schema.get_field_index("source_row")
    for number, part in enumerate(parts):
        mine = slice(int(cuts[number]), int(cuts[number + 1]))
        part.places = places[mine] - starts[number]
        own = rows.slice(mine.start, mine.stop - mine.start)
        part.rows = own.set_column(column, own.schema.field(column), pa.array(part.places))
        part.rejected = tuple(refused[number])


def rejected_of(rejects: Rejects) -> tuple[Rejected, ...]:
    """Return rejected rows as an answer names them."""
    if not len(rejects):
        return ()
    return tuple(
        Rejected(int(each["source_row"]), each["reason"], each["field"], each["value"], each["help"])
        for each in rejects.records()
    )


def _content(rows: pa.Table) -> str:
    """Digest of rows, for telling whether a key is used again for the same; it does not depend on what they came with."""
    said = [n for n in rows.column_names if n not in _TRACING and rows.column(n).null_count < len(rows)]
    return table_digest([rows.select(said)]) if len(rows) else ""


class Group:
    """Submissions that are flushed and judged together.

    Args:
        parts: in the order in which they came.
    Attributes:
        rows: all their rows, in that order.
        starts: where each submission begins, and the end.
        brief: nobody wants a table.
        measured: what the rows say of places and speeds, where that was read already.
    """

    def __init__(self, parts: Sequence[Submission]) -> None:
        self.parts = list(parts)
        self.brief = all(part.regular is not None for part in self.parts)
        self.measured: Measured | None = None
        if self.brief:
            found = [part.regular for part in self.parts if part.regular is not None]
            self.rows, self.measured = columns_of(found, [part.source for part in self.parts])
            self.observed = self.measured.observed_at
        else:
            tables = [columns_of([part.regular], [part.source])[0] if part.regular is not None else part.rows for part in self.parts]
            self.rows = (tables[0] if len(tables) == 1 else pa.concat_tables(tables)).combine_chunks()
            self.observed = self.rows.column("observed_at").to_numpy()
        self.starts = [0]
        for part in self.parts:
            self.starts.append(self.starts[-1] + (len(part.rows) if part.regular is None else len(part.regular)))

    def shares(self) -> Iterator[tuple[Submission, int, int]]:
        """Yield each submission with where its rows begin and end."""
        return zip(self.parts, self.starts[:-1], self.starts[1:], strict=True)

    def __len__(self) -> int:
        return len(self.rows)


def sort_out(
    terminal: NDArray[np.int32], observed: NDArray[np.int64], frontier: NDArray[np.int64]
) -> tuple[NDArray[np.uint8], NDArray[np.int64] | None]:
    """Tell which rows are later than all that is known of their terminal.

    Args:
        terminal: row of each terminal.
        observed: [ns, UTC].
        frontier: latest known observation of each terminal [ns]; advanced to what becomes known.
    Returns:
        FRESH or LATE for each row (uint8), and the order in which the rows were looked at, None for as they stand: rows
        of one terminal in one group are taken in order of time.
    """
    before = frontier[terminal]
    found = np.empty(len(terminal), np.uint8)
    if not _advance(terminal, observed, before, frontier, found):
        return found, None
    # Some terminal is out of order within the group: begin again, in order of time.
    frontier[terminal] = before
    order = np.argsort(observed, kind="stable")
    ordered = np.empty(len(terminal), np.uint8)
    _advance(terminal[order], observed[order], before[order], frontier, ordered)
    found[order] = ordered
    return found, order


@njit(cache=True, nogil=True)
def _advance(terminal, observed, before, frontier, found):  # type: ignore[no-untyped-def]  # compiled; typed by numba
    """Mark rows; true if one is late only because of another row of the same group that is later."""
    muddled = False
    for i in range(len(terminal)):
        t = observed[i]
        row = terminal[i]
        if t > frontier[row]:
            frontier[row] = t
            found[i] = 0
        else:
            found[i] = 1
            muddled |= before[i] < t < frontier[row]
    return muddled


def same_content(first: pa.Table, second: pa.Table) -> NDArray[np.bool_]:
    """Tell for each pair of rows of two tables of OBSERVATION_SCHEMA whether they say the same of one terminal and instant."""
    same = np.ones(len(first), bool)
    for name in _CONTENT:
        a, b = first.column(name), second.column(name)
        if a.null_count == len(a) and b.null_count == len(b):
            continue
        if pa.types.is_nested(a.type):
            same &= np.array([x == y for x, y in zip(a.to_pylist(), b.to_pylist(), strict=True)], bool)
            continue
        both = pc.fill_null(pc.equal(a, b), False).to_numpy(zero_copy_only=False)
        none = pc.and_(pc.is_null(a), pc.is_null(b)).to_numpy(zero_copy_only=False)
        if name == "gnss_state":
            # What was set here is not said by the terminal: a row that was suspended is met again as it first came.
            none |= pc.fill_null(pc.or_kleene(pc.equal(a, "suspended"), pc.equal(b, "suspended")), False).to_numpy(zero_copy_only=False)
        same &= both | none
    return same
