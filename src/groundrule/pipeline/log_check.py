"""Is the home what its log says? Manifests, batches and private records, each compared with what was committed to.

The database and the files of a home can be changed by whoever runs the machine; the log cannot, once outsiders have seen
its head. So where they differ, the log is right.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundrule.canon import canonical_json
from groundrule.errors import GroundruleError
from groundrule.instant import format_instant
from groundrule.ledger.audit.fsck import fsck
from groundrule.ledger.batch import close_batch
from groundrule.ledger.commitment import commitments_of, record_leaf, seal_commitment
from groundrule.ledger.entry import Entry
from groundrule.ledger.log import LogReader, read_log
from groundrule.pipeline.erasing import WHAT, entry_of
from groundrule.pipeline.home_ledger import GenesisParts, has_ledger, keys_folder, log_folder, policy_of
from groundrule.pipeline.judge import Judge
from groundrule.pipeline.lateness import DecidedBatch
from groundrule.pipeline.manifests import read_manifest, runs
from groundrule.pipeline.transitions import Transitions
from groundrule.rules.classes import DECISIVE
from groundrule.store.erasures import erasures
from groundrule.store.home import Home
from groundrule.store.keys import KeyService
from groundrule.store.leaving import leaving
from groundrule.store.records import Record, RecordStore


@dataclass(frozen=True, slots=True)
class LogCheck:
    """What a comparison of a home with its log found.

    Attributes:
        faults: one sentence each.
        notes: what could not be compared, and why; no fault of the home.
    """

    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def check_log(home: Home) -> LogCheck:
    """Compare manifests and batches of a home with its log; a home without one has nothing to compare."""
    folder = keys_folder(home)
    if not has_ledger(home):
        made = folder.is_dir() and not GenesisParts.of(home).ready.exists()
        return LogCheck((f"there are keys in `{folder}`, and the log that they are for is gone",) if made else ())
    try:
        policy = policy_of(home)
        log = read_log(log_folder(home))
        with ExitStack() as stack:
            records = stack.enter_context(RecordStore.open(home.path / "records.sqlite", read_only=True))
            keys = stack.enter_context(KeyService.open(folder, read_only=True)) if folder.is_dir() else None
            # Whether witnesses have seen the newest head is said by `ledger status`; it is no fault of the home.
            faults = [f"the log: {fault}" for fault in fsck(log.folder, policy.log_keys).faults] if log.checkpoint else []
            comparison = _Comparison(home, records, keys)
            faults += comparison.faults(log)
            late, unlogged = comparison.missing_runs, comparison.missing_erasures
    except GroundruleError as error:
        return LogCheck((f"the log: {error}",))
    notes = []
    if keys is None:
        notes.append(f"the keys are not in `{folder}`, so batches could not be compared with the log; manifests were")
    if late and home.is_being_written():
        notes.append(f"run {late[0]} enters the log at this moment; look again when the writer has ended")
    else:
        faults += [f"run {run} is not in the log" for run in late]
    if unlogged and leaving(home.history) is None:
        faults += [f"erasure {number} of history is not in the log" for number in unlogged]
    return LogCheck(tuple(faults), tuple(notes))


class _Comparison:
    """Home and log, entry by entry."""

    def __init__(self, home: Home, records: RecordStore, keys: KeyService | None) -> None:
        self._home, self._records, self._keys = home, records, keys
        self._known = set(runs(home))
        self.missing_runs: list[int] = []
        self.missing_erasures: list[int] = []

    def faults(self, log: LogReader) -> list[str]:
        size = log.integrated_size
        if size is None:
            return ["the log has lost its state; restore it from a copy"]
        if (written := self._records.logged_until()) > size:
            return [f"the log ends at {size} entries, and this home wrote {written}: it was rolled back"]
        found: list[str] = []
        logged: set[int] = set()
        erased = {each.number: entry_of(each.content) for each in erasures(self._home)}
        told: set[int] = set()
        for index, data in enumerate(log.tree(size).entries()):
            entry = Entry.decode(data)
            if entry.kind == "manifest":
                logged.add(int(entry.body["run"]))
                found += self._manifest(index, entry.body)
            elif entry.kind == "decision-batch" and self._keys is not None:
                found += self._batch(self._keys, index, entry.body)
            elif entry.kind == "evidence" and entry.body.get("what") == WHAT:
                told.add(entry.body["number"])
                if erased.get(entry.body["number"]) != entry.body:
                    found.append(f"entry {index} of the log is erasure {entry.body['number']} of history, whose record is not that one")
        self.missing_runs = sorted(self._known - logged)
        self.missing_erasures = sorted(erased.keys() - told)
        return found

    def _manifest(self, index: int, body: Any) -> Sequence[str]:
        run = int(body["run"])
        proof = self._records.run_proof(run)
        if run not in self._known:
            return [f"entry {index} of the log is the manifest of run {run}, which is not there"]
        if proof is None:
            return [f"run {run}: what opens its manifest in the log is gone from the records"]
        if seal_commitment(proof.salt, read_manifest(self._home, run)) != b64decode(body["commitment"]):
            return [f"run {run}: its manifest is not the one that entry {index} of the log commits to"]
        return ()

    def _batch(self, keys: KeyService, index: int, body: Any) -> Sequence[str]:
        batch = self._records.batch_at(index)
        secret = keys.batch_secret(batch.batch_id) if batch else None
        if batch is None or secret is None:
            return [f"the records behind entry {index} of the log are gone"]
        records = self._records.batch(batch.batch_id)[1]
        inner = close_batch([record.leaf for record in records], secret)
        if inner.root != b64decode(body["inner_root"]):
            return [f"run {batch.run}: the records kept for entry {index} of the log are not those it commits to"]
        return self._contents(keys, batch.run, index, [record for record in records if record.content is not None])

    def _contents(self, keys: KeyService, run: int, index: int, records: Sequence[Record]) -> Sequence[str]:
        """Is every field of each record what its leaf commits to? The first difference of a batch only."""
        found = keys.known_subject_keys([(str(record.subject), str(record.month)) for record in records])
        for record in records:
            key = found.get((str(record.subject), str(record.month)))
            where = f"run {run}: the record of leaf {record.leaf_index} behind entry {index} of the log"
            if key is None or record.record_id is None:
                return [f"{where} cannot be opened: its key is gone"]
            try:
                encoded = {name: canonical_json(value) for name, value in json.loads(str(record.content)).items()}
                intact = record_leaf(commitments_of(key, record.record_id, encoded)) == record.leaf
            except (ValueError, AttributeError):
                intact = False
            if not intact:
                return [f"{where} is not what was committed to"]
        return ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a private record has to say, as the observations give it.

    Attributes:
        place: of the decision among those of its run, in the order in which they were stored.
        terminal_id, observed_at_ns: which decision.
        said: outcome, state, rule, decisive reasons (code, rule) and obligations, as in JSON.
    """

    place: int
    terminal_id: str
    observed_at_ns: int
    said: tuple[Any, ...]


class Answers:
    """Collects what the private records of runs have to say, from what is decided again."""

    def __init__(self) -> None:
        self._last: dict[str, bytes] = {}
        self._transitions: Transitions | None = None
        self.found: list[Answer] = []

    def begin(self, judge: Judge, *, recorded: bool) -> None:
        """Begin a run.

        Args:
            judge: that decides it.
            recorded: whether it has records; one that has none was decided before there was a log.
        """
        self.found = []
        if not recorded:
            self._last = {}  # as `HomeLedger.commit_manifest` does
        self._transitions = Transitions(judge, self._last) if recorded else None

    def see(self, batch: DecidedBatch, places: NDArray[np.int64]) -> None:
        """Take note of the transitions of a batch, in the order of the run.

        Args:
            places: place of each decision among those of its run (int64, shape (n,)).
        """
        if self._transitions is None:
            return
        judged = batch.judged
        rows = self._transitions.of(judged, chosen=batch.chosen)
        names = judged.table.column("terminal_id")
        times = judged.table.column("observed_at")
        # A table of corrections holds the chosen rows alone.
        numbers = rows if batch.chosen is None else np.cumsum(batch.chosen)[rows] - 1
        for row, place in zip(rows.tolist(), places[numbers].tolist(), strict=True):
            name = names[row].as_py()
            self._last[name] = self._transitions.answer(judged, row)
            item = judged.decided.classes[int(judged.decided.klass[row])]
            decisive = [[code, rule] for code, rule, kind in item.reasons if kind == DECISIVE]
            said = (item.outcome.word, item.state.value, item.rule_id, decisive, list(item.obligations))
            self.found.append(Answer(place, name, times[row].as_py(), said))


class RecordCheck:
    """Compares the private records of a home with what a replay decides.

    Args:
        home: with a log; without one nothing is compared.
    """

    def __init__(self, home: Home) -> None:
        self._store = RecordStore.open(home.path / "records.sqlite", read_only=True) if has_ledger(home) else None
        self._leaving = leaving(home.history)

    def close(self) -> None:
        """Let the records go."""
        if self._store:
            self._store.close()

    def recorded(self, run: int) -> bool:
        """Has a run records? One that has no batches was decided before there was a log."""
        return self._store is not None and bool(self._store.batches(run=run))

    def faults(self, run: int, expected: Sequence[Answer], *, erased: bool = False) -> list[str]:
        """What differs in the records of a run; the first difference only, since others follow from it.

        Args:
            expected: what the observations give.
            erased: rows of the run were erased, and with them the answers of records that are empty.
        """
        if self._store is None or not self.recorded(run):
            return []
        stored = list(self._store.records_of_run(run))
        place = empty = gone = 0
        for record in stored:
            if self._has_left(record):
                if record.content is None and self._store.duties.erasure_of(record.batch_id, record.leaf_index) is None:
                    return [f"run {run}: a record is empty, and nothing says that it was erased"]
                empty += 1
                continue  # its leaf is checked with its batch
            try:
                said = _said(record)
            except (ValueError, LookupError, TypeError):
                return [f"run {run}: a record cannot be read"]
            wanted = (record.terminal_id, record.observed_at_ns, said)
            # Each empty record before this one had an answer, or none any more.
            near = expected[place + (0 if erased else empty) : place + empty + 1]
            skipped = next((n for n, each in enumerate(near) if (each.terminal_id, each.observed_at_ns, each.said) == wanted), None)
            if skipped is None:
                if not near:
                    break
                where = f"terminal {record.terminal_id} at {format_instant(int(record.observed_at_ns or 0))}"
                answer = near[0]
                given = (
                    f"{answer.said[0]} by {answer.said[2]} for terminal {answer.terminal_id} at "
                    f"{format_instant(answer.observed_at_ns)}"
                )
                return [f"run {run}: a record says {said[0]} by {said[2]} for {where}, and the observations give {given}"]
            answered = skipped if erased else empty
            gone += empty - answered
            place, empty = place + answered + 1, 0
        gone += empty - min(empty, len(expected) - place) if erased else 0
        if len(stored) - gone != len(expected):
            return [f"run {run} has {len(stored) - gone:,} records, and its observations give {len(expected):,}"]
        return []

    def _has_left(self, record: Record) -> bool:
        return record.content is None or (self._leaving is not None and record.terminal_id in self._leaving.terminals)


def _said(record: Record) -> tuple[Any, ...]:
    content = json.loads(record.content or "{}")
    decisive = [[item["code"], item["rule"]] for item in content["reasons"] if item["class"] == DECISIVE]
    return content["outcome"], content["state"], content["rule"], decisive, content["obligations"]
