"""The replay of one bucket of terminals: every run decided again by the same functions, and compared with what is stored.

What a terminal gets depends on no other terminal, so a bucket alone gives the decisions that the whole gives. What the order of
rows among several buckets is, and everything else that concerns the whole, is looked at where all findings meet
(`engines.stored_order`).
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from groundrule.engines.slices import PLACE, Bucket
from groundrule.errors import GroundruleError
from groundrule.pipeline.comparing import Bounds, Difference, first_difference
from groundrule.pipeline.judge import Basis
from groundrule.pipeline.log_check import Answer, Answers
from groundrule.pipeline.manifests import read_manifest
from groundrule.pipeline.redeciding import Redeciding
from groundrule.pipeline.snapshots import basis_of_run
from groundrule.pipeline.stored_history import TableHistory
from groundrule.records import DECISION_SCHEMA
from groundrule.store.home import Home

BASES_BYTES: Final = 2 << 30
"""Memory that registers kept for the next bucket may take together [bytes]; further ones are read again."""
KEYS: Final = ("terminal_id", "observed_at")
"""Columns that tell decisions apart."""
_RANK_BITS: Final = 40
HELD_SCHEMA: Final = pa.schema(
    [
        pa.field("terminal_id", pa.string(), nullable=False),
        pa.field("rows", pa.int64(), nullable=False),  # observations of it up to and with this run
        pa.field("since", pa.int64(), nullable=False, metadata={"unit": "ns since 1970, UTC"}),
    ]
)
"""Terminals that a run decided again, and from which instant on."""


@dataclass(slots=True)
class Finding:
    """What the replay of one run in one bucket has shown.

    Attributes:
        run: its number.
        rows: decisions compared, inside of the bounds.
        decided: decisions recomputed.
        difference: the first that differs inside of the bounds, or None; its row is a place (`slices.place_of`).
        beyond: whether any differs outside of the bounds, or there are more or fewer than are stored.
        uneven: whether a terminal has more or fewer corrections than are stored.
        refused: what cannot be read or is not what its digest says; nothing of the run was compared.
        broke: an error of a row that no reader would have let in; likewise.
        held: terminals that were decided again, an Arrow stream of HELD_SCHEMA.
        answers: what the private records have to say, by place.
    """

    run: int
    rows: int = 0
    decided: int = 0
    difference: Difference | None = None
    beyond: bool = False
    uneven: bool = False
    refused: str | None = None
    broke: str | None = None
    held: bytes = b""
    answers: list[Answer] = field(default_factory=list)

    @property
    def held_terminals(self) -> pa.Table:
        """Terminals that were decided again (HELD_SCHEMA)."""
        return pa.ipc.open_stream(io.BytesIO(self.held)).read_all() if self.held else HELD_SCHEMA.empty_table()


class Bases:
    """What the runs of a home were decided under, kept from one bucket to the next.

    Args:
        home: a bundle that was unpacked.
    """

    def __init__(self, home: Home) -> None:
        self.home = home
        self._kept: dict[int, Basis] = {}

    def of_run(self, run: int, present: Basis | None) -> Basis:
        """Return the basis of a run; see `snapshots.basis_of_run`."""
        if run in self._kept:
            return self._kept[run]
        basis = basis_of_run(self.home, read_manifest(self.home, run), present)
        held = {id(each.registers): each.registers.nbytes for each in [*self._kept.values(), basis]}
        if sum(held.values()) <= BASES_BYTES:
            self._kept[run] = basis
        return basis


def replay_bucket(
    bucket: Bucket, bases: Bases, runs: Sequence[int], bounds: Bounds, recorded: frozenset[int]
) -> Iterator[Finding]:
    """Replay the terminals of one bucket, run after run.

    Args:
        bucket: their history.
        bases: what the runs were decided under.
        runs: all of the home, ascending.
        bounds: compare decisions in this interval only.
        recorded: runs that have private records.
    Returns:
        A finding for each run, up to the first that cannot be replayed or has a difference.
    """
    history = TableHistory(bucket.observations)
    redeciding, answers = Redeciding(history), Answers()
    basis: Basis | None = None
    for run in runs:
        found = Finding(run, refused=bucket.unreadable.get(run))
        if found.refused:
            yield found
            return
        try:
            basis = bases.of_run(run, basis)
            manifest = read_manifest(bases.home, run)
            answers.begin(redeciding.begin(manifest, basis), recorded=run in recorded)
            comparison = _Comparison(bucket, found, bounds)
            for batch in redeciding.decided(manifest, history.of_run(run)):
                answers.see(batch, found.decided + np.arange(len(batch.table)))
                comparison.see(batch.table, correction=batch.correction)
            comparison.close()
            places = comparison.places
            found.answers = [replace(each, place=int(places[each.place])) for each in answers.found]
            found.held = _held(comparison.corrected, history, [each for each in runs if each <= run])
        except GroundruleError as error:
            found.refused = str(error)
        except (ArithmeticError, LookupError, TypeError, ValueError, pa.ArrowException) as error:
            found.broke = f"{type(error).__name__}: {error}"
        yield found
        if found.difference or found.refused or found.broke:
            return


class _Comparison:
    """Recomputed decisions of one run beside the stored ones of the same terminals."""

    def __init__(self, bucket: Bucket, found: Finding, bounds: Bounds) -> None:
        empty = DECISION_SCHEMA.empty_table().append_column(PLACE, pa.array([], pa.int64()))
        self._first = bucket.decisions.get((found.run, False), empty)
        self._again = bucket.decisions.get((found.run, True), empty)
        self._found, self._bounds = found, bounds
        self._places: list[NDArray[np.int64]] = []
        self._corrected: list[pa.Table] = []

    def see(self, table: pa.Table, *, correction: bool) -> None:
        """Compare a batch; corrections wait until all of them are there."""
        taken = self._found.decided
        self._found.decided += len(table)
        if correction:
            self._corrected.append(table)
            return
        stored = self._first.slice(taken, len(table))
        self._places.append(_padded(stored.column(PLACE).to_numpy(), len(table)))
        if len(stored) < len(table):
            self._found.beyond = True
        self._compare(stored, table.slice(0, len(stored)))

    def close(self) -> None:
        """Compare the corrections; terminal by terminal where several parts of the whole run order them in another way."""
        first = self._found.decided - len(self.corrected)
        if len(self._first) > first:
            self._found.beyond = True
        recomputed = self.corrected
        if all(recomputed.column(name).equals(self._again.column(name)) for name in KEYS):
            self._places.append(self._again.column(PLACE).to_numpy())
            if self._found.difference is None:
                self._compare(self._again, recomputed)
        else:
            self._by_terminal(recomputed)

    def _by_terminal(self, recomputed: pa.Table) -> None:
        order = _order(recomputed)
        recomputed, stored = recomputed.take(pa.array(order)), self._again.take(pa.array(_order(self._again)))
        keys, wanted = _ranks(recomputed, stored)
        _, mine, theirs = np.intersect1d(keys, wanted, assume_unique=True, return_indices=True)
        if not len(mine) == len(keys) == len(wanted):
            self._found.beyond = self._found.uneven = True
        found_places = stored.column(PLACE).to_numpy()[theirs]
        places, unsorted = np.full(len(keys), -1, np.int64), np.empty(len(keys), np.int64)
        places[mine] = found_places
        # As they were recomputed, not by terminal.
        unsorted[order] = places
        self._places.append(unsorted)
        if self._found.difference is None and len(mine):
            by_place = np.argsort(found_places, kind="stable")
            self._compare(stored.take(pa.array(theirs[by_place])), recomputed.take(pa.array(mine[by_place])))

    @property
    def corrected(self) -> pa.Table:
        """All corrections that were recomputed."""
        return pa.concat_tables([DECISION_SCHEMA.empty_table(), *self._corrected])

    @property
    def places(self) -> NDArray[np.int64]:
        """Place of the stored decision beside each recomputed one, -1 where there is none (int64, shape (n,))."""
        return np.concatenate([np.zeros(0, np.int64), *self._places])

    def _compare(self, stored: pa.Table, recomputed: pa.Table) -> None:
        mask = self._bounds.mask(recomputed)
        inside = np.ones(len(recomputed), bool) if mask is None else mask
        self._found.rows += int(inside.sum())
        if self._found.difference is None:
            self._found.difference = self._differing(stored, recomputed, inside)
        if not inside.all() and self._differing(stored, recomputed, ~inside):
            self._found.beyond = True

    def _differing(self, stored: pa.Table, recomputed: pa.Table, chosen: NDArray[np.bool_]) -> Difference | None:
        if not chosen.all():
            stored, recomputed = stored.filter(pa.array(chosen)), recomputed.filter(pa.array(chosen))
        found = first_difference(self._found.run, 0, stored.select(DECISION_SCHEMA.names), recomputed)
        return None if found is None else replace(found, row=stored.column(PLACE)[found.row].as_py())


def _order(table: pa.Table) -> NDArray[np.int64]:
    """Rows by terminal, those of one terminal in their order."""
    ids = table.column("terminal_id").combine_chunks()
    coded = (ids.chunk(0) if isinstance(ids, pa.ChunkedArray) and ids.num_chunks else pa.array(ids)).dictionary_encode()
    rank = np.empty(len(coded.dictionary), np.int64)
    rank[pc.sort_indices(coded.dictionary).to_numpy()] = np.arange(len(coded.dictionary))
    return np.argsort(rank[coded.indices.to_numpy(zero_copy_only=False)], kind="stable")


def _ranks(first: pa.Table, second: pa.Table) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Number rows that stand by terminal: equal in both where they are of one terminal and of one place among its rows."""
    chunks = [chunk for table in (first, second) for chunk in table.column("terminal_id").chunks]
    ids = pa.concat_arrays([pa.array([], pa.string()), *chunks])
    codes = ids.dictionary_encode().indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return _numbered(codes[: len(first)]), _numbered(codes[len(first) :])


def _numbered(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    begins = np.flatnonzero(np.concatenate([[True], codes[1:] != codes[:-1]])) if len(codes) else np.zeros(0, np.int64)
    first = np.repeat(begins, np.diff(np.append(begins, len(codes))))
    return (codes << _RANK_BITS) + np.arange(len(codes)) - first


def _padded(places: NDArray[np.int64], rows: int) -> NDArray[np.int64]:
    return np.concatenate([places, np.full(rows - len(places), -1, np.int64)])


def _held(corrected: pa.Table, history: TableHistory, runs: Sequence[int]) -> bytes:
    if not len(corrected):
        return b""
    found = corrected.select(["terminal_id", "observed_at"]).group_by("terminal_id").aggregate([("observed_at", "min")])
    ids = found.column("terminal_id").combine_chunks()
    columns = [ids, pa.array(history.count(ids, runs)), found.column("observed_at_min")]
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, HELD_SCHEMA) as writer:
        writer.write_table(pa.table(columns, schema=HELD_SCHEMA))
    return sink.getvalue()
