"""Does a log keep its word over time? Each run compares the log with what an earlier run saw, and remembers.

The first run reads the whole log and pins its head. Every later run reads what was added, hashes it onto the pinned tree,
and must arrive at the root that the log signs now: so nothing that was seen can have changed and nothing new is unread. If
that fails, if the log shrank, or if enough witnesses have not seen the head, the pin stays where it is.

What the entries themselves show (`conduct`) is kept as a finding and reported by every run until it is acknowledged; it
does not hold the pin, because the log records it truthfully.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from groundrule.errors import GroundruleError, InputError, ProofFailed
from groundrule.ledger.audit.conduct import Conduct, Finding, seconds_of
from groundrule.ledger.audit.heads import Head, examine
from groundrule.ledger.audit.memory import MonitorState, frontier_at
from groundrule.ledger.audit.sequence import SequenceCheck, StreamEnd
from groundrule.ledger.audit.source import Read, Source, source_of
from groundrule.ledger.audit.walk import reason
from groundrule.ledger.audit.words import time_text
from groundrule.ledger.checkpoint import Checkpoint
from groundrule.ledger.cosignature import verify_cosignature
from groundrule.ledger.note import COSIGNATURE_ML_DSA_44
from groundrule.ledger.policy import CheckedCheckpoint, Policy, existed_before, not_before
from groundrule.ledger.tiles import TILE_WIDTH, TileTree
from groundrule.ledger.tree import Frontier, leaf_hashes, verify_consistency

MAX_AGE_S = 3_600
"""Default age of a head above which the log counts as stopped [s]; a log signs within seconds of each entry."""
CHECKPOINT = "checkpoint"

HOLDING = frozenset({"checkpoint", "origin", "rollback", "rewritten", "damaged", "split-view", "quorum"})
"""Kinds of alerts after which the pin stays."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing that a person must look at.

    Attributes:
        kind: one of `HOLDING`, a kind of `Finding`, `cosignature`, `stale`, `silent-stream`, `overdue` or `other`.
        what: one line.
        index: entry concerned, or None.
        known: an earlier run reported it already.
    """

    kind: str
    what: str
    index: int | None = None
    known: bool = False


@dataclass(frozen=True, slots=True)
class MonitorReport:
    """What one run found.

    Attributes:
        alerts: what a person must look at; the log passes if there are none.
        remarks: what could not be compared, and other notes.
        origin: name of the log, or None if it shows no head.
        pinned_size: entries pinned before the run, or None in the first one.
        size: entries of the head now.
        advanced: the pin moved to this head, or was set.
        new_kinds: entries added since, by kind.
        erasures: records erased so far.
        evidence: pairs of heads that the log signed and that cannot both be true.
        state: what to keep; the earlier state if the pin stays, None if there is nothing to pin yet.
    """

    alerts: tuple[Alert, ...]
    remarks: tuple[str, ...]
    origin: str | None
    pinned_size: int | None
    size: int | None
    advanced: bool
    new_kinds: dict[str, int]
    erasures: int
    evidence: tuple[tuple[bytes, bytes], ...]
    state: MonitorState | None

    @property
    def ok(self) -> bool:
        """Nothing needs a person."""
        return not self.alerts


def monitor(
    log: Source | Read | Path | str,
    policy: Policy,
    state: MonitorState | None,
    *,
    now_s: int,
    other: Sequence[bytes] = (),
    max_age_s: int | None = MAX_AGE_S,
    progress: Callable[[int], None] | None = None,
) -> MonitorReport:
    """Compare a log with what was seen earlier; whatever is wrong with the log is an alert, nothing about it is raised.

    Args:
        log: a folder, or a function from path to bytes.
        policy: whom to trust.
        state: what the run before left; None for the first.
        now_s: present time [s since 1970, UTC].
        other: heads of this log that were shown to others.
        max_age_s: age of the newest head above which the log counts as stopped [s]; None does not ask.
        progress: called with the number of new entries done since the last call.
    Raises:
        InputError: there is no such folder, or the state is not of a log that the policy trusts.
    """
    return _Run(source_of(log), policy, state, now_s, max_age_s).run(other, progress)


@dataclass
class _Run:
    source: Source
    policy: Policy
    state: MonitorState | None
    now_s: int
    max_age_s: int | None
    alerts: list[Alert] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    evidence: list[tuple[bytes, bytes]] = field(default_factory=list)
    roots: dict[int, bytes] = field(default_factory=dict)

    def run(self, other: Sequence[bytes], progress: Callable[[int], None] | None) -> MonitorReport:
        pinned = None if self.state is None else self._pinned(self.state)
        head = self._head()
        foreign = [examine(data, self.policy, quorum=False) for data in other]
        new_state: MonitorState | None = None
        fresh: list[Finding] = []
        new_kinds: dict[str, int] = {}
        if head is not None and head.checked is not None:
            now = head.checked.checkpoint
            if self._follows(head, pinned, now):
                heads = self._witnessed([pinned, *(each.checked for each in foreign)], now.origin)
                sizes = [each.checked.checkpoint.size for each in foreign if each.checked is not None]
                new_state, fresh, new_kinds = self._read_on(head, now, pinned, heads, sizes, progress)
            self._compare_others(head, now, foreign)
            self._check_age(head.checked)
        elif foreign:
            self.remarks.append("the heads of others were not compared: the log shows no head of its own")
        if any(alert.kind in HOLDING for alert in self.alerts):
            new_state, fresh, new_kinds = None, [], {}
        kept = new_state or self.state
        if kept is not None:
            self._report_findings(kept, fresh)
        return MonitorReport(
            alerts=tuple(self.alerts),
            remarks=tuple(self.remarks),
            origin=None if head is None or head.checkpoint is None else head.checkpoint.origin,
            pinned_size=None if pinned is None else pinned.checkpoint.size,
            size=None if head is None or head.checkpoint is None else head.checkpoint.size,
            advanced=new_state is not None,
            new_kinds=new_kinds,
            erasures=0 if kept is None else kept.conduct.erasures,
            evidence=tuple(self.evidence),
            state=kept,
        )

    def alert(self, kind: str, what: str, index: int | None = None, *, known: bool = False) -> None:
        self.alerts.append(Alert(kind, what, index, known))

    # --- heads --------------------------------------------------------------------------------------------------------

    def _pinned(self, state: MonitorState) -> CheckedCheckpoint:
        try:
            checked = self.policy.check(state.checkpoint)
        except ProofFailed as error:
            raise InputError(
                f"the state is not of a log that the policy trusts: {error.message}",
                help="use the policy of the first run, with new keys added to it, or begin with a new state file",
            ) from error
        if frontier_at(checked.checkpoint.size, state.edge).root() != checked.checkpoint.root:
            raise InputError(
                "the state file is damaged: its tree is not that of its head", help="restore it from a copy"
            )
        return checked

    def _head(self) -> Head | None:
        try:
            data = self.source.read(CHECKPOINT)
        except (FileNotFoundError, LookupError):
            self.alert("checkpoint", "the log shows no checkpoint")
            return None
        except (OSError, GroundruleError) as error:
            self.alert("checkpoint", f"the checkpoint cannot be read: {reason(error)}")
            return None
        head = examine(data, self.policy)
        for problem in head.problems:
            if head.checked is None:
                self.alert("checkpoint", problem)
            else:
                self.alert("quorum" if problem.startswith("the quorum") else "cosignature", problem)
        self.remarks += head.remarks
        return head

    def _follows(self, head: Head, pinned: CheckedCheckpoint | None, now: Checkpoint) -> bool:
        """Can this head be a later state of the pinned log?"""
        if pinned is None or self.state is None:
            return True
        before = pinned.checkpoint
        if now.origin != before.origin:
            self.alert("origin", f"this is the log `{now.origin[:80]}`, and `{before.origin[:80]}` was pinned")
        elif now.size < before.size:
            self.alert("rollback", f"the log shrank: {before.size} entries were pinned, and it shows {now.size}")
        elif now.size == before.size and now.root != before.root:
            self.evidence.append((self.state.checkpoint, head.data))
            self.alert("split-view", f"the log signed two roots for {now.size} entries; both heads are in the report")
        else:
            return True
        return False

    def _compare_others(self, head: Head, now: Checkpoint, foreign: Sequence[Head]) -> None:
        for number, found in enumerate(foreign, 1):
            name = f"the head of others, number {number},"
            if found.checked is None:
                self.alert("other", f"{name} cannot be used: {found.problems[0]}")
                continue
            theirs = found.checked.checkpoint
            if theirs.origin != now.origin:
                self.alert("other", f"{name} is of another log, `{theirs.origin[:80]}`")
            elif theirs.size > now.size:
                self.remarks.append(f"{name} has {theirs.size} entries and is ahead of what this log shows; run again")
            elif theirs.size == now.size and theirs.root != now.root:
                self.evidence.append((head.data, found.data))
                self.alert("split-view", f"{name} has another root for the same {now.size} entries")
            elif (found_out := self._differs(theirs, now)) is not None:
                proved, why = found_out
                if proved:
                    self.evidence.append((head.data, found.data))
                    self.alert("split-view", f"{name} with {theirs.size} entries is not part of this log: {why}")
                else:
                    self.alert("damaged", f"{name} cannot be compared: {why}")

    def _differs(self, earlier: Checkpoint, later: Checkpoint) -> tuple[bool, str] | None:
        """Say why the later tree does not contain the earlier one, or None if it does; and whether that was shown."""
        if earlier.size in self.roots:  # hashed from the entries, up to the signed root
            return None if self.roots[earlier.size] == earlier.root else (True, "its root is another one")
        try:
            proof = TileTree(self.source.read, later.size).consistency_path(earlier.size)
            verify_consistency(earlier.size, later.size, earlier.root, later.root, proof)
        except ProofFailed as error:
            return True, error.message
        except (GroundruleError, OSError, LookupError) as error:
            return False, reason(error)
        return None

    def _witnessed(self, heads: Sequence[CheckedCheckpoint | None], origin: str) -> list[tuple[int, int]]:
        found = []
        for each in heads:
            if each is not None and each.checkpoint.origin == origin:
                time_s = not_before(each, self.policy)
                if time_s is not None:
                    found.append((each.checkpoint.size, time_s))
        return found

    def _check_age(self, checked: CheckedCheckpoint) -> None:
        if self.max_age_s is None:
            return
        time_s = _time_of(checked, self.policy)
        if time_s is None:
            self.remarks.append("the head carries no time, so its age is unknown")
        elif self.now_s - time_s > self.max_age_s:
            self.alert("stale", f"the newest head is of {time_text(time_s)}, {self.now_s - time_s} s ago")

    # --- entries ------------------------------------------------------------------------------------------------------

    def _read_on(
        self,
        head: Head,
        now: Checkpoint,
        pinned: CheckedCheckpoint | None,
        heads: Sequence[tuple[int, int]],
        sizes: Sequence[int],
        progress: Callable[[int], None] | None,
    ) -> tuple[MonitorState | None, list[Finding], dict[str, int]]:
        state = self.state
        start = 0 if pinned is None else pinned.checkpoint.size
        frontier = Frontier() if state is None else frontier_at(start, state.edge)
        before = Conduct() if state is None else state.conduct
        conduct = Conduct(
            minutes=dict(before.minutes),
            busy=set(before.busy),
            run=before.run,
            announced=set(before.announced),
            unknown=dict(before.unknown),
            seals=dict(before.seals),
            appeals=before.appeals.copy(),
            erasures=before.erasures,
            kinds=dict(before.kinds),
            heads=heads,
            trusted_keys=frozenset(
                str(key)
                for key in [*self.policy.log_keys, *(witness.key for witness in self.policy.witnesses.values())]
            ),
        )
        streams = {} if state is None else {name: StreamEnd(e.next_seq, e.t) for name, e in state.streams.items()}
        sequence = SequenceCheck(
            lambda index, kind, what: conduct.found(kind, index, what),
            conduct.take,
            streams,
        )
        try:
            tree = TileTree(self.source.read, now.size)
            for number in range(start // TILE_WIDTH, -(-now.size // TILE_WIDTH)):
                first = max(start, number * TILE_WIDTH)
                entries = tree.bundle(number)[first - number * TILE_WIDTH :]
                self._extend(frontier, leaf_hashes(entries), sizes)
                sequence.feed(first, entries)
                if progress is not None:
                    progress(len(entries))
        except (GroundruleError, OSError, LookupError) as error:
            self.alert("damaged", f"the entries since {start} cannot be read: {reason(error)}")
            return None, [], {}
        if frontier.root() != now.root:
            self.roots = {}
            self._say_what_differs(pinned, now, start)
            return None, [], {}
        new_kinds = {
            kind: count - before.kinds.get(kind, 0)
            for kind, count in sorted(conduct.kinds.items())
            if count > before.kinds.get(kind, 0)
        }
        fresh, conduct.findings = conduct.findings, []
        known = () if state is None else state.findings
        findings = (*known, *((finding, False) for finding in fresh))
        self._check_silence(head, sequence, conduct)
        return MonitorState(head.data, frontier.hashes, sequence.streams, conduct, findings), fresh, new_kinds

    def _extend(self, frontier: Frontier, leaves: list[bytes], sizes: Sequence[int]) -> None:
        """Append leaves; keep the roots at the sizes of other heads on the way."""
        start, done = frontier.size, 0
        for size in sorted({size for size in sizes if start < size <= start + len(leaves)}):
            frontier.extend(leaves[done : size - start])
            done = size - start
            self.roots[size] = frontier.root()
        frontier.extend(leaves[done:])

    def _say_what_differs(self, pinned: CheckedCheckpoint | None, now: Checkpoint, start: int) -> None:
        """The entries do not lead to the signed root: was history rewritten, or is the copy merely damaged?"""
        if pinned is not None and start:
            found = self._differs(pinned.checkpoint, now)
            if found is not None and found[0]:
                what = f"the log of {now.size} entries does not contain the {start} pinned ones: {found[1]}"
                self.alert("rewritten", what)
                return
        self.alert("damaged", f"the entries from {start} to {now.size - 1} are not those under the signed root")

    def _check_silence(self, head: Head, sequence: SequenceCheck, conduct: Conduct) -> None:
        """A stream that writes every minute and has stopped, while the log goes on."""
        if self.max_age_s is None or head.checked is None:
            return
        time_s = _time_of(head.checked, self.policy)
        for name, end in sequence.streams.items():
            if name in conduct.minutes and time_s is not None and time_s - seconds_of(end.t) > self.max_age_s:
                self.alert("silent-stream", f"stream `{name}` has recorded nothing since {end.t}")

    def _report_findings(self, kept: MonitorState, fresh: Sequence[Finding]) -> None:
        new = len(fresh)
        total = len(kept.findings)
        for place, (finding, acknowledged) in enumerate(kept.findings):
            if not acknowledged:
                self.alert(finding.kind, finding.what, finding.index, known=place < total - new)
        for seal, commitment, days in kept.conduct.overdue(self.now_s):
            what = f"sealed content {commitment[:80]} was due on {seal.disclose_by}, {days} days ago, and is not open"
            self.alert("overdue", what, seal.index)
        for name, index, late_s in kept.conduct.appeals.overdue(self.now_s):
            self.alert("overdue", f"appeal {name[:80]} has had no answer for {late_s // 3600} hours beyond its time", index)


def _time_of(checked: CheckedCheckpoint, policy: Policy) -> int | None:
    """When the head was seen by a quorum, or else signed by the log itself [s since 1970]."""
    seen = existed_before(checked, policy)
    if seen is not None:
        return seen
    for key in policy.log_keys:
        if key.type == COSIGNATURE_ML_DSA_44:
            for signature in checked.note.of(key):
                return verify_cosignature(checked.note, checked.checkpoint, key, signature)
    return max(checked.times.values(), default=None)
