"""Runs over a home: `decide` takes observations in, `replay` shows that the stored decisions follow from them.

One run reads files, orders the observations, decides them and commits everything by one manifest. Observations may come out
of order, twice, and late: a terminal's observation up to `LATE_NS` behind what was already known of that terminal makes the
run decide that terminal's later history again, as corrections. The final decision of an observation is that of the last run
that decided it; it does not depend on the order of delivery. What comes later than that is stored, counted and not decided.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from groundrule import __version__
from groundrule.errors import GroundruleError, IntegrityError
from groundrule.instant import MIN_NS, NS_PER_S
from groundrule.pipeline.decisions import ENGINE, DecisionWriter
from groundrule.pipeline.digests import TableDigest
from groundrule.pipeline.home import basis_of
from groundrule.pipeline.judge import Basis, Judge
from groundrule.pipeline.manifests import check_chain, read_manifest, runs, write_manifest
from groundrule.pipeline.snapshots import load_state, save_state
from groundrule.records import DECISION_SCHEMA, OBSERVATION_SCHEMA
from groundrule.store.history import HistoryWriter, read_run, read_terminals, remove_uncommitted
from groundrule.store.home import Home
from groundrule.store.ordering import Ordering

LATE_NS = 72 * 3600 * NS_PER_S
"""How far behind its terminal's latest known observation a late one may lie [ns]."""

CORRECTION_TERMINALS = 2_000
"""Terminals decided again at a time; bounds memory."""

Progress = Callable[[str, int], None]
"""Called with a step's name and the rows done in it since the last call."""


def no_progress(step: str, rows: int) -> None:
    """Report nothing."""


@dataclass(slots=True)
class Counts:
    """What became of the observations of a run; all in rows.

    Attributes:
        decided: decided for the first time.
        corrected: decided again because of late observations.
        duplicates: exact repeats, dropped.
        late: behind what was known, and decided.
        over_late: too far behind; stored and not decided.
        unregistered: of terminals that are not in the register.
        answers: rows by (outcome, service state), first decisions and corrections together.
        reasons: rows by decisive reason code.
    """

    decided: int = 0
    corrected: int = 0
    duplicates: int = 0
    late: int = 0
    over_late: int = 0
    unregistered: int = 0
    answers: dict[tuple[str, str], int] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)

    def add(self, decisions: pa.Table) -> None:
        """Count the answers and decisive reasons of a decision table."""
        outcome, state = (decisions.column(name).combine_chunks() for name in ("outcome", "state"))
        outcome, state = (_single(column) for column in (outcome, state))
        pairs = outcome.indices.to_numpy().astype(np.int64) * len(state.dictionary) + state.indices.to_numpy()
        for pair, rows in zip(*np.unique(pairs, return_counts=True), strict=True):
            o, s = divmod(int(pair), len(state.dictionary))
            key = (outcome.dictionary[o].as_py(), state.dictionary[s].as_py())
            self.answers[key] = self.answers.get(key, 0) + int(rows)
        # The decisive reason comes first in every list.
        codes = pc.struct_field(pc.list_element(decisions.column("reasons"), 0), "code")
        for item in pc.value_counts(codes).to_pylist():
            self.reasons[item["values"]] = self.reasons.get(item["values"], 0) + item["counts"]


@dataclass(frozen=True, slots=True)
class Run:
    """A committed run.

    Attributes:
        number: counts from 1.
        manifest: digest of its manifest.
        counts: what became of the observations.
        decisions: digest of the decision table.
    """

    number: int
    manifest: str
    counts: Counts
    decisions: str


@dataclass(frozen=True, slots=True)
class Inputs:
    """Observations that are ready to be decided.

    Attributes:
        batches: tables of OBSERVATION_SCHEMA, bad rows already set aside.
        files: name, digest and rows of every input file, for the manifest.
        rejected: number of rows set aside by reason, read after the last batch.
    """

    batches: Iterable[pa.Table]
    files: Callable[[], list[dict[str, Any]]]
    rejected: Callable[[], dict[str, int]]


def decide(
    home: Home,
    inputs: Inputs,
    *,
    recorded_at_ns: int,
    as_of_ns: int | None = None,
    out: Path | None = None,
    progress: Progress = no_progress,
    basis: Basis | None = None,
) -> Run:
    """Decide a set of observations and commit the run.

    Args:
        home: opened for writing.
        inputs: what to decide.
        recorded_at_ns: the time of the run [ns, UTC]; it goes into the manifest only.
        as_of_ns: apply rules and areas as of this instant instead of each observation's own [ns, UTC].
        out: also write the decisions into this Parquet file.
        progress: told of rows done.
        basis: what to decide under, if it is already in memory; otherwise what is in force in the home.
    Raises:
        ConflictError: another process is writing. InputError: the inputs cannot be read at all.
    """
    known = runs(home)
    number = (known[-1] if known else 0) + 1
    remove_uncommitted(home, known)
    basis = basis or basis_of(home, recorded_at_ns=recorded_at_ns)
    ordering = Ordering(home.cache / f"order-{number}")
    judge = Judge(basis)
    load_state(home, judge, lambda: replayed_state(home, basis))
    counts = Counts()
    observations = HistoryWriter(home, "observations", number)
    over_late = HistoryWriter(home, "over_late", number)
    writers = (HistoryWriter(home, "decisions", number), HistoryWriter(home, "decisions", number, corrections=True))
    digests = {"observations": TableDigest(), "decisions": TableDigest()}
    sink = pq.ParquetWriter(out, DECISION_SCHEMA, compression="zstd", compression_level=1) if out else None
    try:
        with ordering:
            ordered = ordering.sorted(_counted(inputs.batches, progress, "read"))
            if known:
                ordered = _accept(home, judge, ordered, known, counts, over_late)

            def stored(batches: Iterable[pa.Table]) -> Iterator[pa.Table]:
                for batch in batches:
                    observations.append(batch)
                    digests["observations"].update(batch)
                    yield batch

            for table, correction in decide_batches(home, judge, stored(ordered), known, as_of_ns=as_of_ns):
                writers[correction].append(table)
                digests["decisions"].update(table)
                counts.add(table)
                if correction:
                    counts.corrected += len(table)
                else:
                    counts.decided += len(table)
                if sink:
                    sink.write_table(table)
                progress("decide", len(table))
            counts.duplicates += ordering.duplicates
    finally:
        if sink:
            sink.close()
    for writer in (observations, over_late, *writers):
        writer.close()
    counts.unregistered = basis.registers.unregistered
    manifest = write_manifest(
        home,
        number,
        {
            "engine": ENGINE,
            "recorded_at_ns": str(recorded_at_ns),
            "as_of_ns": None if as_of_ns is None else str(as_of_ns),
            "inputs": inputs.files(),
            "rejected": inputs.rejected(),
            "rulebook": basis.rulebook.digest,
            "areas": basis.areas.digest,
            "registers": {
                "revision": basis.registers.revision,
                "digest": basis.registers.digest,
                "lists": basis.registers.lists_version,
            },
            "observations": {"rows": digests["observations"].rows, "digest": digests["observations"].hexdigest()},
            "decisions": {"rows": digests["decisions"].rows, "digest": digests["decisions"].hexdigest()},
            "counts": {
                "decided": counts.decided,
                "corrected": counts.corrected,
                "duplicates": counts.duplicates,
                "late": counts.late,
                "over_late": counts.over_late,
            },
            "governed": False,
        },
    )
    save_state(home, judge, manifest)
    return Run(number, manifest, counts, digests["decisions"].hexdigest())


def decide_batches(
    home: Home, judge: Judge, batches: Iterable[pa.Table], known: list[int], *, as_of_ns: int | None
) -> Iterator[tuple[pa.Table, bool]]:
    """Decide observations in time order, and decide again what late ones among them change.

    Args:
        judge: with its memory as of the last run; it is advanced.
        batches: ordered, without repeats and without over-late rows.
        known: earlier runs, whose history the corrections read.
    Returns:
        Tables of decisions and whether they are corrections; corrections come last.
    """
    frontier = judge.state.last_observed_ns().copy()
    writer = DecisionWriter(judge)
    registers = judge.basis.registers
    held: list[pa.Table] = []
    held_rows: set[int] = set()
    for batch in batches:
        if not known:
            yield writer.table(judge.judge(batch, as_of_ns=as_of_ns)), False
            continue
        # A terminal with a late row is set aside with all its rows: its memory would run ahead of them.
        rows = registers.add(batch.column("terminal_id"))
        late = _behind(frontier, rows, batch) >= 0
        held_rows.update(np.unique(rows[late]).tolist())
        aside = np.isin(rows, np.fromiter(held_rows, np.int32, len(held_rows)))
        if aside.any():
            held.append(batch.filter(pa.array(aside)))
            batch = batch.filter(pa.array(~aside))
        if len(batch):
            yield writer.table(judge.judge(batch, as_of_ns=as_of_ns)), False
    if held:
        yield from _decide_again(home, judge, pa.concat_tables(held), known, as_of_ns=as_of_ns)


def _decide_again(
    home: Home, judge: Judge, fresh: pa.Table, known: list[int], *, as_of_ns: int | None
) -> Iterator[tuple[pa.Table, bool]]:
    """Decide the terminals of `fresh` again from their first observation, and give what follows their earliest late row."""
    registers = judge.basis.registers
    rows = registers.add(fresh.column("terminal_id"))
    terminals = np.unique(rows)
    results: list[pa.Table] = []
    for first in range(0, len(terminals), CORRECTION_TERMINALS):
        chosen = terminals[first : first + CORRECTION_TERMINALS]
        ids = registers.ids_of(chosen.astype(np.int32))
        new = fresh.filter(pa.array(np.isin(rows, chosen)))
        old = read_terminals(home, "observations", ids, runs=known)
        whole = pa.concat_tables([old.select(OBSERVATION_SCHEMA.names).cast(OBSERVATION_SCHEMA), new]) if len(old) else new
        ordering = Ordering(home.cache / "order-again")
        with ordering:
            again = Judge(judge.basis)
            parts = [
                DecisionWriter(again).table(again.judge(batch, as_of_ns=as_of_ns)) for batch in ordering.sorted([whole])
            ]
        since = _earliest(registers.add(new.column("terminal_id")), new.column("observed_at").to_numpy())
        for part in parts:
            part_rows = registers.add(part.column("terminal_id"))
            starts = np.array([since[int(row)] for row in part_rows], np.int64)
            results.append(part.filter(pa.array(part.column("observed_at").to_numpy() >= starts)))
        judge.state.put(chosen, again.state.take(chosen))
    if results:
        merged = pa.concat_tables(results).unify_dictionaries()
        order = pc.sort_indices(merged.select(["observed_at", "terminal_id"]), [("observed_at", "ascending"), ("terminal_id", "ascending")])
        yield merged.take(order), True


def _accept(
    home: Home, judge: Judge, batches: Iterable[pa.Table], known: list[int], counts: Counts, over_late: HistoryWriter
) -> Iterator[pa.Table]:
    """Set aside over-late observations and drop those that history holds already."""
    frontier = judge.state.last_observed_ns().copy()
    registers = judge.basis.registers
    for batch in batches:
        rows = registers.add(batch.column("terminal_id"))
        behind = _behind(frontier, rows, batch)
        too_late = behind > LATE_NS
        late = (behind >= 0) & ~too_late
        repeated = np.zeros(len(batch), bool)
        if late.any() or too_late.any():
            suspects = np.flatnonzero(late | too_late)
            repeated[suspects] = _stored_already(home, batch.take(pa.array(suspects)), known)
        counts.duplicates += int(repeated.sum())
        counts.over_late += int((too_late & ~repeated).sum())
        counts.late += int((late & ~repeated).sum())
        if (too_late & ~repeated).any():
            over_late.append(batch.filter(pa.array(too_late & ~repeated)))
        kept = ~(too_late | repeated)
        if kept.any():
            yield batch if kept.all() else batch.filter(pa.array(kept))


def _behind(frontier: NDArray[np.int64], rows: NDArray[np.int32], batch: pa.Table) -> NDArray[np.int64]:
    """How far each observation lies behind what was known of its terminal [ns]; negative if it is new."""
    known = np.full(len(rows), MIN_NS, np.int64)
    present = rows < len(frontier)
    known[present] = frontier[rows[present]]
    observed = batch.column("observed_at").to_numpy()
    return np.where(known == MIN_NS, np.int64(-1), known - observed)


def _earliest(rows: NDArray[np.int32], times: NDArray[np.int64]) -> dict[int, int]:
    order = np.lexsort((times, rows))
    distinct, first = np.unique(rows[order], return_index=True)
    return dict(zip(distinct.tolist(), times[order][first].tolist(), strict=True))


_CONTENT = [name for name in OBSERVATION_SCHEMA.names if name not in ("source", "source_row")]


def _stored_already(home: Home, batch: pa.Table, known: list[int]) -> NDArray[np.bool_]:
    ids = pc.unique(batch.column("terminal_id"))
    seen: set[tuple[Any, ...]] = set()
    for kind in ("observations", "over_late"):
        old = read_terminals(home, kind, ids, runs=known)
        if len(old):
            seen.update(_row_keys(old))
    return np.array([key in seen for key in _row_keys(batch)], bool)


def _row_keys(table: pa.Table) -> list[tuple[Any, ...]]:
    columns = [table.column(name).to_pylist() for name in _CONTENT]
    return [tuple(repr(value) for value in row) for row in zip(*columns, strict=True)]


def _counted(batches: Iterable[pa.Table], progress: Progress, step: str) -> Iterator[pa.Table]:
    for batch in batches:
        progress(step, len(batch))
        yield batch


def _single(column: Any) -> pa.DictionaryArray:
    return column.chunk(0) if isinstance(column, pa.ChunkedArray) else column


# --- replay -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Difference:
    """The first place where a stored decision is not what the observations give.

    Attributes:
        run: run that stored it.
        row: its place in that run's decisions, from 0.
        terminal_id, observed_at_ns: which decision.
        field: the first column that differs.
        stored, recomputed: both values as text.
    """

    run: int
    row: int
    terminal_id: str
    observed_at_ns: int
    field: str
    stored: str
    recomputed: str


@dataclass(frozen=True, slots=True)
class Replay:
    """What a replay found.

    Attributes:
        runs: runs replayed.
        rows: decisions compared.
        identical: every stored decision is what its observations give, byte for byte, and every digest holds.
        difference: the first decision that differs, or None.
        faults: other faults, one sentence each: broken manifests, observations or files that were changed.
    """

    runs: int
    rows: int
    identical: bool
    difference: Difference | None
    faults: tuple[str, ...]


def replay(
    home: Home, *, from_ns: int | None = None, until_ns: int | None = None, progress: Progress = no_progress
) -> Replay:
    """Decide the stored observations again and compare every decision with the stored one.

    All runs are replayed from the first, because what is remembered of a terminal comes from there; the bounds choose
    which decisions are compared.

    Args:
        from_ns, until_ns: compare decisions in this half-open interval of `observed_at` only [ns, UTC].
    """
    faults = check_chain(home)
    compared = 0
    difference: Difference | None = None
    judge: Judge | None = None
    known: list[int] = []
    for run in runs(home):
        try:
            manifest = read_manifest(home, run)
            basis = basis_of(
                home, rulebook=manifest["rulebook"], areas=manifest["areas"], recorded_at_ns=int(manifest["recorded_at_ns"])
            )
        except GroundruleError as error:
            faults.append(f"run {run}: {error}")
            break
        if manifest["engine"] != ENGINE:
            faults.append(f"run {run} was decided by {manifest['engine']} and is replayed by groundrule/{__version__}")
        if basis.registers.digest != manifest["registers"]["digest"]:
            faults.append(f"run {run}: the register does not have the digest that the run was decided under")
        following = Judge(basis)
        if judge is not None:
            _carry_over(judge, following)
        judge = following
        observations = TableDigest()
        as_of = None if manifest["as_of_ns"] is None else int(manifest["as_of_ns"])

        def batches(run: int = run, content: TableDigest = observations) -> Iterator[pa.Table]:
            for table in read_run(home, "observations", run):
                exact = table.select(OBSERVATION_SCHEMA.names).cast(OBSERVATION_SCHEMA)
                content.update(exact)
                yield exact

        try:
            fresh = decide_batches(home, judge, batches(), known, as_of_ns=as_of)
            rows, difference = _compare(home, run, fresh, from_ns, until_ns, progress)
        except IntegrityError as error:
            faults.append(f"run {run}: {error}")
            break
        compared += rows
        if observations.hexdigest() != manifest["observations"]["digest"]:
            faults.append(f"run {run}: the stored observations are not the ones that were decided")
        if difference:
            break
        known.append(run)
    return Replay(len(runs(home)), compared, difference is None and not faults, difference, tuple(faults))


def replayed_state(home: Home, basis: Basis) -> Judge:
    """Rebuild what is remembered of every terminal from the whole history, under the rules now in force."""
    judge = Judge(basis)
    known: list[int] = []
    for run in runs(home):
        tables = (t.select(OBSERVATION_SCHEMA.names).cast(OBSERVATION_SCHEMA) for t in read_run(home, "observations", run))
        for _ in decide_batches(home, judge, tables, known, as_of_ns=None):
            pass
        known.append(run)
    return judge


def _carry_over(before: Judge, after: Judge) -> None:
    """Hand the memory of one judge to the next, terminal by terminal: rows may be numbered anew."""
    ids = before.basis.registers.terminal_ids
    rows = after.basis.registers.add(ids)
    if len(rows) == 0:
        return
    after.state.grow(int(rows.max()) + 1)
    after.state.put(rows, before.state.take(np.arange(len(rows), dtype=np.int32)))


def _compare(
    home: Home,
    run: int,
    fresh: Iterator[tuple[pa.Table, bool]],
    from_ns: int | None,
    until_ns: int | None,
    progress: Progress,
) -> tuple[int, Difference | None]:
    stored = {correction: _Rows(read_run(home, "decisions", run, corrections=correction)) for correction in (False, True)}
    row = compared = 0
    for recomputed, correction in fresh:
        kept = stored[correction].take(len(recomputed))
        expected = recomputed.cast(DECISION_SCHEMA)
        if from_ns is not None or until_ns is not None:
            times = recomputed.column("observed_at").to_numpy()
            chosen = pa.array(
                (times >= (MIN_NS if from_ns is None else from_ns)) & (times < (np.iinfo(np.int64).max if until_ns is None else until_ns))
            )
            if len(kept) == len(expected):
                kept, expected = kept.filter(chosen), expected.filter(chosen)
        found = _first_difference(run, row, kept, expected)
        if found:
            return compared, found
        compared += len(expected)
        row += len(recomputed)
        progress("replay", len(recomputed))
    for rest in stored.values():
        extra = rest.take(1)
        if len(extra):
            item = extra.slice(0, 1).to_pylist()[0]
            return compared, Difference(run, row, item["terminal_id"], item["observed_at"], "terminal_id", item["terminal_id"], "no decision")
    return compared, None


class _Rows:
    """Takes any number of rows at a time from a stream of tables."""

    def __init__(self, tables: Iterator[pa.Table]) -> None:
        self._tables = tables
        self._rest: pa.Table | None = None

    def take(self, rows: int) -> pa.Table:
        parts: list[pa.Table] = []
        while rows > 0:
            if self._rest is None or not len(self._rest):
                self._rest = next(self._tables, None)
                if self._rest is None:
                    break
            parts.append(self._rest.slice(0, rows))
            self._rest = self._rest.slice(rows)
            rows -= len(parts[-1])
        return pa.concat_tables(parts) if parts else DECISION_SCHEMA.empty_table()


def _first_difference(run: int, first_row: int, stored: pa.Table, recomputed: pa.Table) -> Difference | None:
    shared = min(len(stored), len(recomputed))
    position, field_name = shared, "terminal_id"
    for name in DECISION_SCHEMA.names:
        if name not in stored.column_names:
            position, field_name = 0, name
            break
        a, b = stored.column(name).slice(0, shared), recomputed.column(name).slice(0, shared)
        if _plain(a).equals(_plain(b)):
            continue
        for start in range(0, position, 4096):
            x, y = a.slice(start, 4096).to_pylist(), b.slice(start, 4096).to_pylist()
            hit = next((i for i, (u, v) in enumerate(zip(x, y, strict=True)) if u != v), None)
            if hit is not None:
                if start + hit < position:
                    position, field_name = start + hit, name
                break
    if position == shared and len(stored) == len(recomputed):
        return None
    source = recomputed if position < len(recomputed) else stored
    where = source.select(["terminal_id", "observed_at"]).slice(position, 1).to_pylist()[0]
    values = [
        str(table.column(field_name)[position].as_py()) if field_name in table.column_names and position < len(table) else "no decision"
        for table in (stored, recomputed)
    ]
    return Difference(run, first_row + position, where["terminal_id"], where["observed_at"], field_name, values[0], values[1])


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    whole = column.combine_chunks()
    if pa.types.is_dictionary(column.type):
        whole = pa.chunked_array([c.dictionary_decode() for c in column.chunks], type=column.type.value_type).combine_chunks()
    return whole
