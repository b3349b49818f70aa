"""What did a log truthfully record that should never have happened?

Proofs show that nothing was changed; these checks look at what was written: a minute without an entry, a policy in force
that nobody enacted, a seal that is not opened when it is due, a change dated back before heads that do not contain it.
A finding is a fact of the log's history from then on. It can be explained, not repaired.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from groundrule.canon import parse_base64
from groundrule.errors import InputError
from groundrule.ledger.audit.appeals import Appeals
from groundrule.ledger.commitment import seal_commitment
from groundrule.ledger.entry import check_body, check_time

MINUTE_S = 60
SEAL_DAYS = 180
"""A seal is opened after this many days at most (docs/privacy.md)."""
CLOCK_TOLERANCE_S = 5
"""Clocks of log and witnesses may differ by this much before a time counts as dated back [s]."""

_DAY_S = 86_400
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ANNOUNCE = {"enactment": "policy_digest_after", "snapshot-published": "policy_digest"}
_CLAIMED_TIMES = ("enacted_at", "effective_from")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that should not have happened.

    Attributes:
        kind: `gap-minute`, `gap-run`, `gap-seq`, `order`, `unknown-policy`, `backdated`, `seal`, `key` or `bad-entry`.
        index: entry that shows it.
        what: one line.
    """

    kind: str
    index: int
    what: str


_BUSY_MINUTES = 10_000


@dataclass(frozen=True, slots=True)
class Seal:
    """Sealed content that has not been opened yet."""

    index: int
    disclose_by: str


@dataclass(slots=True)
class Conduct:
    """What the entries so far amount to; goes on from where an earlier run ended.

    Attributes:
        minutes: last minute recorded by stream [minutes since 1970]; a stream that is between two runs has none.
        busy: minutes of decision batches since the last heartbeat; while an engine decides, nobody else may write.
        run: number of the last run whose manifest was recorded; 0 before the first.
        announced: digests of every policy that was enacted or published.
        unknown: digests used without that, with the first entry.
        seals: open seals by commitment.
        appeals: appeals of owners that wait for an answer.
        erasures: records erased so far.
        kinds: entries so far by kind.
        findings: what was found in this run.
        heads: (size, time [s]) of heads that a quorum had seen at that time: what lies behind the size came later.
        trusted_keys: vkeys that the auditor trusts.
    """

    minutes: dict[str, int] = field(default_factory=dict)
    busy: set[int] = field(default_factory=set)
    run: int = 0
    announced: set[str] = field(default_factory=set)
    unknown: dict[str, int] = field(default_factory=dict)
    seals: dict[str, Seal] = field(default_factory=dict)
    appeals: Appeals = field(default_factory=Appeals)
    erasures: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    heads: Sequence[tuple[int, int]] = field(default=(), repr=False, compare=False)
    trusted_keys: frozenset[str] = field(default=frozenset(), repr=False, compare=False)

    def take(self, index: int, entry: Mapping[str, Any]) -> None:
        """Take up the next entry, which is well formed except perhaps for its body."""
        kind, stream, body = entry["kind"], entry["stream"], entry["body"]
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        try:
            check_body(kind, body)
        except InputError as error:
            self.found("bad-entry", index, error.message)
            return
        self._check_dates(index, entry)
        if kind in ("decision-batch", "heartbeat"):
            self._minute(index, kind, stream, body["minute"])
        if kind == "manifest":
            self._run(index, stream, body["run"])
        elif kind == "decision-batch":
            self._policy(index, stream, body["policy_digest"])
        elif kind in _ANNOUNCE:
            self.announced.add(body[_ANNOUNCE[kind]])
        elif kind == "sealed":
            self._seal(index, entry["t"], body)
        elif kind == "unsealed":
            self._unseal(index, body)
        elif kind == "request":
            self.appeals.take(index, seconds_of(entry["t"]), body)
        elif kind == "erasure":
            self.erasures += 1
        elif kind == "key-event" and body["event"] in ("revoked", "compromised") and body["vkey"] in self.trusted_keys:
            name = body["vkey"].partition("+")[0]
            self.found("key", index, f"the key of `{name}`, which your policy trusts, is recorded as {body['event']}")

    def found(self, kind: str, index: int, what: str) -> None:
        """Keep a finding."""
        self.findings.append(Finding(kind, index, what))

    def overdue(self, now_s: int) -> list[tuple[Seal, str, int]]:
        """Return open seals that should have been opened: seal, commitment, days overdue (0 on the first day)."""
        late = [(seal, name, now_s - seconds_of(seal.disclose_by)) for name, seal in self.seals.items()]
        return [(seal, name, seconds // _DAY_S) for seal, name, seconds in late if seconds > 0]

    # --- checks -------------------------------------------------------------------------------------------------------

    def _minute(self, index: int, kind: str, stream: str, text: str) -> None:
        minute = seconds_of(text) // MINUTE_S
        before = self.minutes.get(stream, minute)
        if minute < before:
            self.found("gap-minute", index, f"minute {text} of stream `{stream}` comes after a later one")
            return
        missing = max(minute - before - 1, 0)
        if kind == "heartbeat":
            # A run holds the home while it decides, and its own entries show that these minutes were not suppressed.
            missing -= sum(before < each < minute for each in self.busy)
            self.busy = {each for each in self.busy if each > minute}
        else:
            self.busy.add(minute)
            if len(self.busy) > 2 * _BUSY_MINUTES:  # nobody beats; what is old will not be asked for
                self.busy = set(sorted(self.busy)[-_BUSY_MINUTES:])
        if missing > 0:
            self.found(
                "gap-minute",
                index,
                f"stream `{stream}` has no entry for {missing} {'minute' if missing == 1 else 'minutes'} before {text}",
            )
        self.minutes[stream] = minute

    def _run(self, index: int, stream: str, run: int | str) -> None:
        """A manifest ends its run: until the next one begins, no minute is missing."""
        self.minutes.pop(stream, None)
        if not isinstance(run, int):
            return
        if run != self.run + 1:
            self.found("gap-run", index, f"run {run} follows run {self.run}")
        self.run = max(run, self.run)

    def _policy(self, index: int, stream: str, digest: str) -> None:
        if digest in self.announced or digest in self.unknown:
            return
        self.unknown[digest] = index
        self.found(
            "unknown-policy",
            index,
            f"stream `{stream}` decided under policy {digest}, which no earlier entry enacted or published",
        )

    def _check_dates(self, index: int, entry: Mapping[str, Any]) -> None:
        """An entry that is not in a head came after it, whatever it says."""
        after_s = max((time_s for size, time_s in self.heads if size <= index), default=None)
        if after_s is None:
            return
        claims = [("its own time", entry["t"])]
        if entry["kind"] == "enactment":
            claims += [(f"`{name}`", entry["body"].get(name)) for name in _CLAIMED_TIMES]
        for name, text in claims:
            try:
                claimed_s = seconds_of(text) if isinstance(text, str) else None
            except InputError:
                claimed_s = None
            if claimed_s is not None and claimed_s < after_s - CLOCK_TOLERANCE_S:
                self.found(
                    "backdated",
                    index,
                    f"{name} of this {entry['kind']} is {text}, but it was recorded after a head without it "
                    f"that a quorum of witnesses saw {after_s - claimed_s} s later",
                )

    def _seal(self, index: int, t: str, body: Mapping[str, Any]) -> None:
        if seconds_of(body["disclose_by"]) > seconds_of(t) + SEAL_DAYS * _DAY_S:
            self.found("seal", index, f"sealed until {body['disclose_by']}, more than {SEAL_DAYS} days ahead")
        self.seals[body["commitment"]] = Seal(index, body["disclose_by"])

    def _unseal(self, index: int, body: Mapping[str, Any]) -> None:
        commitment = body["commitment"]
        if commitment not in self.seals:
            self.found("seal", index, f"opens {commitment[:80]}, which was never sealed or is open already")
        elif "salt" not in body or "content" not in body:
            self.found("seal", index, f"claims to open {commitment[:80]} without salt or content")
        elif not _opens(commitment, body["salt"], body["content"]):
            self.found("seal", index, f"opens {commitment[:80]} to other content than was sealed")
        else:
            del self.seals[commitment]


def _opens(commitment: str, salt: object, content: object) -> bool:
    try:
        made = seal_commitment(parse_base64(salt) if isinstance(salt, str) else b"", content)
        return commitment.removeprefix("sha256:") == made.hex() or parse_base64(commitment) == made
    except InputError:
        return False


def seconds_of(text: str) -> int:
    """Read a time of an entry as whole seconds since 1970; entries may name any year from 1 to 9999.

    Raises:
        InputError: not such a time.
    """
    check_time(text)
    since = datetime.fromisoformat(text) - _EPOCH
    return since.days * _DAY_S + since.seconds
