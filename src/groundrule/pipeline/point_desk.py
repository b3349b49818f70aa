"""Deciding at an enforcement point: from what it holds, with no home, and saying what is missing.

    observations ──► judge over the last good snapshot ──► class, causes, table ──► decisions
                                                                 └── log out of reach: a row of the journal, durable first

Loading verifies everything that is loaded, and happens once. Where nothing but the bootstrap policy is left, that decides;
where not even that is left, every answer says so. What is remembered of terminals begins with the first batch, and goes on
over new snapshots (`PointDesk.renewed`).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

import pyarrow as pa

from groundrule.areas.model import AreaSet
from groundrule.errors import StoreError
from groundrule.govern.emergency import NS_PER_S
from groundrule.govern.objects import Emergency
from groundrule.ledger.entry import policy_digest
from groundrule.pipeline.causes import BOOTSTRAP, NOTHING, Causes, Seen, Staleness, causes_of, screens
from groundrule.pipeline.classes import CLASS_WORDS, Classifier
from groundrule.pipeline.counts import Counts
from groundrule.pipeline.decisions import ENGINE, DecisionWriter
from groundrule.pipeline.degraded import Cause
from groundrule.pipeline.degraded_answers import decide_under, told
from groundrule.pipeline.digests import TableDigest
from groundrule.pipeline.emergency_overlay import Clocks
from groundrule.pipeline.enforcement_point import Loaded, Point
from groundrule.pipeline.home import index_folder
from groundrule.pipeline.judge import Judge, make_basis
from groundrule.pipeline.overlay import NO_OVERLAY, Measure, Overlay
from groundrule.pipeline.point_merge import KIND, body_of
from groundrule.pipeline.snapshots import carry_over
from groundrule.records import DECISION_SCHEMA, Outcome
from groundrule.rules.compile import CompiledRulebook, compile_rulebook
from groundrule.rules.text import read_rulebook
from groundrule.store.home import Home
from groundrule.store.journal_file import JournalFile
from groundrule.store.timeline import RegisterTimeline

ANSWER_SCHEMA: Final = pa.schema([*DECISION_SCHEMA, pa.field("class", pa.dictionary(pa.int8(), pa.string()), nullable=False)])
MAX_UNWRITTEN: Final = 10_000
"""Rows that wait in memory while the journal cannot be written; the oldest go first."""
_NOTHING_LOADED: Final = """\
rulebook: nothing-loaded
version: 1
title: No policy is loaded
operator: unknown
notice: This point holds no policy; what it answers follows from that alone.
default: {outcome: serve, reason: served}
precedence: [only]
rules:
  - id: nothing-loaded
    title: Nobody knows yet where the network may serve
    tier: only
    where: anywhere
    outcome: review
    reason: rule_error
    authority: {basis: no policy has been received, illustrative: true}
"""


@dataclass(frozen=True, slots=True)
class Reach:
    """What a point can reach besides what it holds; by default nothing.

    Attributes:
        store_ns: when the policy store last said that the loaded snapshot is the newest [ns]; None: it does not answer.
        log: the log takes what is decided here.
        witness_ns: when a quorum of witnesses last saw the log [ns].
        clock_offset_ms: our clock minus theirs [ms].
    """

    store_ns: int | None = None
    log: bool = False
    witness_ns: int | None = None
    clock_offset_ms: int | None = None


@dataclass(slots=True)
class Tally:
    """What became of what was decided at a point.

    Attributes:
        counts: by answer and by decisive reason, as of any run.
        by_cause: decisions by `degraded:<cause>`.
        classes: decisions by class.
        opened: served although the policy denies.
        closed: not served although the policy does not deny.
        changed: another outcome than the policy's.
        location_s: age of the oldest position that was used [s].
        journal: rows that were written to the journal.
        unwritten: rows that could not be written, and wait in memory; decisions do not wait for them.
    """

    counts: Counts = field(default_factory=Counts)
    by_cause: dict[str, int] = field(default_factory=dict)
    classes: dict[str, int] = field(default_factory=dict)
    opened: int = 0
    closed: int = 0
    changed: int = 0
    location_s: int | None = None
    journal: int = 0
    unwritten: int = 0


class PointDesk:
    """Decides at an enforcement point.

    Args:
        point: what it holds.
        clocks: of this machine, now.
        reach: what it can reach.

    Attributes:
        loaded: what it decides by.
        causes: what is down, but for locations.
        load_ms: how long loading and verifying took [ms].
    """

    def __init__(self, point: Point, clocks: Clocks, reach: Reach = Reach()) -> None:
        started = time.perf_counter()
        self.point, self._clocks, self._reach = point, clocks, reach
        self.loaded = loaded = point.load()
        self.load_ms = (time.perf_counter() - started) * 1000
        book = loaded.rulebook or read_rulebook(_NOTHING_LOADED)
        areas = loaded.areas or AreaSet(())
        running = point.running(clocks) if point.trust is not None and loaded.name not in (BOOTSTRAP, NOTHING) else []
        overlay = Overlay(tuple(map(_measure, running))) if running else NO_OVERLAY
        self.basis = make_basis(
            book, areas, RegisterTimeline.fixed(loaded.registers.view), cache_dir=_cache(point, areas), overlay=overlay
        )
        self.causes: Causes = causes_of(self._seen(loaded))
        self._bootstrap = self._bootstrap_book()
        self._judge = Judge(self.basis)
        self._classifier, self._writer = Classifier(self._judge), DecisionWriter(self._judge)
        self._journal: JournalFile | None = None
        self._unwritten: deque[tuple[dict[str, Any], int]] = deque(maxlen=MAX_UNWRITTEN)
        self.tally = Tally()

    def renewed(self, clocks: Clocks, reach: Reach) -> PointDesk:
        """Load again, after the folder has changed, and go on with what is remembered of terminals; this desk is closed.

        Under the same rules and areas all of it is; under others the last positions are, and speeds and stays begin anew.

        Args:
            clocks: of this machine, now.
            reach: what the point can reach now.
        """
        made = PointDesk(Point.open(self.point.folder), clocks, reach)
        before, after = self._judge, made._judge
        if (before.basis.rulebook.digest, before.basis.areas.digest) == (after.basis.rulebook.digest, after.basis.areas.digest):
            carry_over(before, after)
        else:
            ids = before.basis.registers.terminal_ids
            rows = after.basis.registers.add(ids)
            after.state.grow(len(after.basis.registers))
            count = min(len(ids), len(before.state))
            after.state.fixes[rows[:count]] = before.state.fixes[:count]
        made.tally = self.tally
        made._unwritten = self._unwritten
        self.close()
        return made

    def look(self, clocks: Clocks, reach: Reach) -> Causes:
        """Look again at what is down; return and keep it.

        Args:
            clocks: of this machine, now.
            reach: what the point can reach now.
        """
        self._clocks, self._reach = clocks, reach
        self.causes = causes_of(self._seen(self.loaded))
        return self.causes

    @property
    def policy(self) -> str:
        """Digest of the policy that decides [64 hex digits]."""
        snapshot = self.loaded.snapshot
        return policy_digest(self.basis.rulebook.digest, self.basis.areas.digest) if snapshot is None else snapshot.policy_digest

    @property
    def staleness(self) -> Staleness:
        """How old is what the answers so far rest on."""
        found = self.causes.staleness
        return Staleness(found.policy_s, found.screening_s, found.witness_s, self.tally.location_s, found.clock_offset_ms)

    def decide(self, table: pa.Table, *, as_of_ns: int | None = None) -> pa.Table:
        """Decide one batch.

        Args:
            table: OBSERVATION_SCHEMA; within one terminal, times must not go back, in this batch and since the last.
            as_of_ns: apply rules and areas as of this instant instead of each observation's own [ns, UTC].
        Returns:
            Decisions of ANSWER_SCHEMA; what the log cannot take is in the journal already.
        """
        judged = self._judge.judge(table, as_of_ns=as_of_ns)
        classes = self._classifier.of(judged)
        under = decide_under(self._judge, judged, classes, self.causes, bootstrap=self._bootstrap)
        made = told(self._writer.table(judged), under.degraded)
        words = pa.DictionaryArray.from_arrays(pa.array(classes.codes.astype("int8")), pa.array(CLASS_WORDS))
        made = made.append_column(ANSWER_SCHEMA.field("class"), words)
        if self.causes.degrees.get(Cause.LEDGER_DOWN, 0) == 2 and len(made):
            self._note(made, under.degraded.counts)
        tally, found = self.tally, under.degraded
        tally.counts.add(made)
        tally.counts.decided += len(made)
        _add(tally.by_cause, found.counts)
        _add(tally.classes, {word: int((classes.codes == code).sum()) for code, word in enumerate(CLASS_WORDS)})
        tally.opened, tally.closed = tally.opened + found.opened, tally.closed + found.closed
        tally.changed += int(found.changed.sum())
        oldest = under.staleness.location_s
        tally.location_s = oldest if tally.location_s is None or oldest is None else max(tally.location_s, oldest)
        return made

    def decide_all(self, batches: Iterable[pa.Table], *, as_of_ns: int | None = None) -> Iterator[pa.Table]:
        """Decide batches that are in order of time."""
        for batch in batches:
            yield self.decide(batch, as_of_ns=as_of_ns)

    def close(self) -> None:
        """Close the journal."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def _note(self, decisions: pa.Table, counts: Mapping[str, int]) -> None:
        """Write one row of the journal, which tells nothing about anybody."""
        digest = TableDigest()
        digest.update(decisions.select(DECISION_SCHEMA.names))
        about = {
            "policy_digest": self.policy, "snapshot_seq": self.loaded.seq, "degraded": sorted(counts),
            "evaluator_digest": sha256(ENGINE.encode()).hexdigest(),
        }  # fmt: skip
        at_ns = self._clocks.wall_ns
        try:
            body = body_of(self.point.folder, {"decisions": digest.hexdigest()}, len(decisions), about, at_ns)
            self._unwritten.append((body, at_ns))
            if self._journal is None:
                self._journal = JournalFile.open(self.point.folder)
            while self._unwritten:
                self._journal.write(KIND, self._unwritten[0][0], at_ns=self._unwritten[0][1])
                self._unwritten.popleft()
                self.tally.journal += 1
        except (StoreError, OSError):
            # A full disk must not cut anybody off; the rows are tried again with the next batch, and counted.
            pass
        self.tally.unwritten = len(self._unwritten)

    def _seen(self, loaded: Loaded) -> Seen:
        reach, snapshot = self._reach, loaded.snapshot
        return Seen(
            self._clocks.wall_ns,
            store_up=reach.store_ns is not None,
            loaded=loaded.name,
            newest_bad=loaded.damaged or bool(self.point.refused),
            ever_loaded=bool(self.point.accepted),
            confirmed_ns=reach.store_ns if reach.store_ns is not None else None if snapshot is None else snapshot.issued,
            expires_ns=None if snapshot is None or loaded.name == BOOTSTRAP else snapshot.expires,
            screens=screens(self.basis.rulebook),
            screening_ns=loaded.registers.screening_ns,
            log_writable=reach.log,
            witnessed=reach.witness_ns is not None,
            witness_ns=reach.witness_ns,
            clock_offset_ms=reach.clock_offset_ms,
        )

    def _bootstrap_book(self) -> CompiledRulebook | None:
        """The bootstrap policy beside a snapshot, which says where landing rights are missing."""
        if self.loaded.name in (BOOTSTRAP, NOTHING):
            return None
        found = self.point.installed()
        return None if found is None else compile_rulebook(found)


def _cache(point: Point, areas: AreaSet) -> object:
    return index_folder(Home(point.folder, ""), areas)


def _measure(emergency: Emergency) -> Measure:
    return Measure(
        emergency.id, emergency.condition, emergency.direction == "permit_only", frozenset(emergency.scope.areas),
        frozenset(emergency.scope.terminals), tuple(sorted(Outcome[word.upper()] for word in emergency.scope.ops)),
        emergency.opened_at, emergency.opened_at + emergency.ttl_s * NS_PER_S, emergency.review_due,
    )  # fmt: skip


def _add(total: dict[str, int], more: Mapping[str, int]) -> None:
    for name, count in more.items():
        if count:
            total[name] = total.get(name, 0) + count
