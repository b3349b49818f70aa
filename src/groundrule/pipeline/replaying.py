"""Replay: the stored observations decided again, and every decision compared with the stored one.

It follows the same steps as `decide`, so that what differs was changed afterwards. Files, rulebook, areas and registers
are checked against the digests that the manifests name, and manifests and private records against the log. Whatever
somebody did to the files is reported as a fault or as the first difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from groundrule import __version__
from groundrule.errors import GroundruleError, IntegrityError
from groundrule.instant import MAX_NS, MIN_NS
from groundrule.pipeline.decisions import ENGINE
from groundrule.pipeline.digests import TableDigest, table_digest
from groundrule.pipeline.emergency_overlay import overlay_faults
from groundrule.pipeline.judge import Judge
from groundrule.pipeline.lateness import decide_batches
from groundrule.pipeline.log_check import RecordCheck, check_log
from groundrule.pipeline.manifests import check_chain, read_manifest, runs
from groundrule.pipeline.policy_check import policy_differences
from groundrule.pipeline.snapshots import (
    as_of_of,
    basis_of_run,
    carry_over,
    continues,
    remember_all,
    stored_observations,
)
from groundrule.records import DECISION_SCHEMA, OBSERVATION_SCHEMA
from groundrule.store.area_store import load_areas
from groundrule.store.history import read_exactly, run_numbers
from groundrule.store.home import Home
from groundrule.store.registers import EMPTY, Registers

Progress = Callable[[str, int], None]
"""Called with a step's name and the rows done in it since the last call."""


def no_progress(step: str, rows: int) -> None:
    """Report nothing."""


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
        notes: what could not be compared, and why.
    """

    runs: int
    rows: int
    identical: bool
    difference: Difference | None
    faults: tuple[str, ...]
    notes: tuple[str, ...] = ()


def replay(
    home: Home, *, from_ns: int | None = None, until_ns: int | None = None, progress: Progress = no_progress
) -> Replay:
    """Decide the stored observations again and compare every decision with the stored one.

    All runs are replayed from the first, because what is remembered of a terminal comes from there; the bounds choose
    which decisions are compared.

    Args:
        from_ns, until_ns: compare decisions in this half-open interval of `observed_at` only [ns, UTC].
    """
    committed = runs(home)
    task = _Replaying(home, _Bounds(from_ns, until_ns), progress)
    task.faults += check_chain(home)
    log = check_log(home)
    task.faults += log.faults
    task.faults += policy_differences(home)
    task.faults += _uncommitted(home, committed)
    task.faults += _register_chain(home)
    done = 0
    try:
        for run in committed:
            done += 1
            task.replay_run(run)
            if task.difference:
                break
    except _StopReplay as stop:
        task.faults.append(str(stop))
    finally:
        task.records.close()
    task.faults += overlay_faults(home, task.manifests)
    identical = task.difference is None and not task.faults
    return Replay(done, task.compared, identical, task.difference, tuple(task.faults), log.notes)


@dataclass(frozen=True, slots=True)
class _Bounds:
    from_ns: int | None
    until_ns: int | None

    def mask(self, times: np.ndarray[Any, np.dtype[np.int64]]) -> pa.Array | None:
        """Which rows are compared; None is all."""
        if self.from_ns is None and self.until_ns is None:
            return None
        low = MIN_NS if self.from_ns is None else self.from_ns
        high = MAX_NS if self.until_ns is None else self.until_ns
        return pa.array((times >= low) & (times < high))


class _StopReplay(Exception):
    """A fault after which the later runs have no ground to stand on."""


class _Replaying:
    """A replay under way."""

    def __init__(self, home: Home, bounds: _Bounds, progress: Progress) -> None:
        self._home, self._bounds, self._progress = home, bounds, progress
        self._judge: Judge | None = None
        self._known: list[int] = []
        self._areas_read: set[str] = set()
        self.records = RecordCheck(home)
        self.faults: list[str] = []
        self.manifests: list[dict[str, Any]] = []
        self.compared = 0
        self.difference: Difference | None = None

    def replay_run(self, run: int) -> None:
        """Replay one run.

        Raises:
            _StopReplay: the run cannot be replayed.
        """
        try:
            manifest = read_manifest(self._home, run)
            self.manifests.append(manifest)
            judge = self._judge_for(run, manifest)
        except GroundruleError as error:
            raise _StopReplay(f"run {run}: {error}") from error
        if manifest["engine"] != ENGINE:
            self.faults.append(
                f"run {run} was decided by {manifest['engine']} and is replayed by groundrule/{__version__}"
            )
        observations, decisions = TableDigest(), TableDigest()

        def batches() -> Iterator[pa.Table]:
            for table in stored_observations(self._home, run):
                observations.update(table)
                yield table

        def decided() -> Iterator[tuple[pa.Table, bool]]:
            as_of_ns = as_of_of(manifest)
            for batch in decide_batches(self._home, judge, batches(), self._known, run=run, as_of_ns=as_of_ns):
                decisions.update(batch.table)
                self.records.see(batch)
                yield batch.table, batch.correction

        self.records.begin(run, judge)
        try:
            self._compare(run, decided())
            if self.difference is None:
                self._check_digests(run, manifest, observations, decisions)
                self.faults += self.records.faults(run)
            elif not self._observations_hold(run, manifest):
                self.faults.append(f"run {run}: the stored observations are not the ones that were decided")
        except IntegrityError as error:
            raise _StopReplay(f"run {run}: {error}") from error
        except (ArithmeticError, LookupError, TypeError, ValueError, pa.ArrowException) as error:
            # Rows that no reader would have let in can break any step; if they are as decided, the program is at fault.
            if self._observations_hold(run, manifest):
                raise
            raise _StopReplay(f"run {run}: the stored observations are not the ones that were decided") from error
        self._known.append(run)

    def _judge_for(self, run: int, manifest: dict[str, Any]) -> Judge:
        """Return a judge with the memory that the run began with."""
        before = self._judge
        if manifest["areas"] not in self._areas_read:
            # Read from the file, whatever this process may hold of it in memory.
            load_areas(self._home, manifest["areas"])
            self._areas_read.add(manifest["areas"])
        basis = basis_of_run(self._home, manifest, before.basis if before else None)
        if before is None or basis is not before.basis:
            if basis.registers.digest != manifest["registers"]["digest"]:
                self.faults.append(f"run {run}: the register does not have the digest that the run was decided under")
            elif basis.registers.content != manifest["registers"]["content"]:
                self.faults.append(f"run {run}: the register's rows are not those that the run was decided under")
            judge = Judge(basis)
            if before is not None and continues(manifest, before.basis):
                carry_over(before, judge)
            else:
                remember_all(self._home, judge, self._known)
            self._judge = judge
            return judge
        return before

    def _observations_hold(self, run: int, manifest: dict[str, Any]) -> bool:
        try:
            found = table_digest(stored_observations(self._home, run))
        except IntegrityError:
            return False
        return bool(found == manifest["observations"]["digest"])

    def _check_digests(
        self, run: int, manifest: dict[str, Any], observations: TableDigest, decisions: TableDigest
    ) -> None:
        over_late = TableDigest()
        for table in read_exactly(self._home, "over_late", run, OBSERVATION_SCHEMA):
            over_late.update(table)
        for what, found, name in (
            ("the stored observations are not the ones that were decided", observations, "observations"),
            ("the decisions do not have the digest in the manifest", decisions, "decisions"),
            ("the observations that came too late are not the ones that were set aside", over_late, "over_late"),
        ):
            if manifest[name] != {"rows": found.rows, "digest": found.hexdigest()}:
                self.faults.append(f"run {run}: {what}")
        counted = {
            "decided": observations.rows,
            "corrected": decisions.rows - observations.rows,
            "over_late": over_late.rows,
        }
        if {name: manifest["counts"][name] for name in counted} != counted:
            self.faults.append(f"run {run}: the counts in the manifest are not those of its rows")

    def _compare(self, run: int, fresh: Iterator[tuple[pa.Table, bool]]) -> None:
        """Compare the decisions of a run with the stored ones, up to the first difference."""
        stored = {
            correction: _Rows(read_exactly(self._home, "decisions", run, DECISION_SCHEMA, corrections=correction))
            for correction in (False, True)
        }
        row = 0
        for recomputed, correction in fresh:
            kept, expected = stored[correction].take(len(recomputed)), recomputed
            mask = self._bounds.mask(recomputed.column("observed_at").to_numpy())
            if mask is not None and len(kept) == len(expected):
                kept, expected = kept.filter(mask), expected.filter(mask)
            self.difference = _first_difference(run, row, kept, expected)
            if self.difference:
                return
            self.compared += len(expected)
            row += len(recomputed)
            self._progress("replay", len(recomputed))
        for rest in stored.values():
            extra = rest.take(1)
            if len(extra):
                item = extra.select(["terminal_id", "observed_at"]).to_pylist()[0]
                name = item["terminal_id"]
                self.difference = Difference(run, row, name, item["observed_at"], "terminal_id", name, "no decision")
                return


def _uncommitted(home: Home, committed: list[int]) -> list[str]:
    """Files of runs without a manifest: a run that was killed, or a manifest that was removed."""
    orphans = sorted(run_numbers(home) - set(committed))
    if not orphans or home.is_being_written():
        return []
    return [f"run {run} has files and no manifest: it was not finished, or its manifest was removed" for run in orphans]


def _register_chain(home: Home) -> list[str]:
    """Does every revision of the registers name the digest of the one before?"""
    try:
        with Registers.open(home) as registers:
            revisions = registers.revisions()
    except GroundruleError as error:
        return [str(error)]
    before = EMPTY
    for found in revisions:
        if found.revision != before.revision + 1 or found.previous != before.digest:
            return [f"revision {found.revision} of the registers does not follow revision {before.revision}"]
        before = found
    return []


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
        str(table.column(field_name)[position].as_py())
        if field_name in table.column_names and position < len(table)
        else "no decision"
        for table in (stored, recomputed)
    ]
    return Difference(
        run, first_row + position, where["terminal_id"], where["observed_at"], field_name, values[0], values[1]
    )


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    whole = column.combine_chunks()
    if pa.types.is_dictionary(column.type):
        whole = pa.chunked_array(
            [c.dictionary_decode() for c in column.chunks], type=column.type.value_type
        ).combine_chunks()
    return whole
