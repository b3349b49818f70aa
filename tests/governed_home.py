"""The small home with a log and a charter: invented persons, their keys, and the acts that tests need."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from audit_logs import WITNESSES, cosigned
from governed_world import DAY, POLICY_MEMBERS, ROOT_MEMBERS, charter_value, envelope, key, member, party
from groundrule.govern.objects import Change, Impact
from groundrule.govern.signed import format_time, whole_ms
from groundrule.ledger.entry import policy_digest
from groundrule.ledger.policy import Policy
from groundrule.pipeline.changes import draft
from groundrule.pipeline.governing import Governance, Logged, draft_proposal
from groundrule.pipeline.home import rulebook_of
from groundrule.pipeline.home_ledger import HomeLedger, set_policy
from groundrule.pipeline.impact import preview
from groundrule.pipeline.runs import Run, decide
from groundrule.store.area_store import current_areas_digest
from groundrule.store.home import Home
from small_home import BOOK, LIST, RECORDED, inputs, make_home, register

START = whole_ms(RECORDED) + DAY
OTHER_BOOK = BOOK.replace("above: 75, release_below: 70", "above: 90, release_below: 85").replace("version: 1", "version: 2")


@dataclass
class Clock:
    """A clock that moves on by a millisecond each time it is read, and by hand."""

    now: int = START

    def __call__(self) -> int:
        self.now += 1_000_000
        return self.now


@dataclass
class Desk:
    """Governance of one home, with hands: what tests do again and again."""

    home: Home
    clock: Clock
    governance: Governance
    nonces: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def charter(self, **changes: Any) -> dict[str, Any]:
        digest = policy_digest(rulebook_of(self.home).digest, current_areas_digest(self.home))
        times = {"issued": format_time(START), "expires": format_time(START + 300 * DAY)}
        return charter_value(**({"policy_digest": digest} | times | changes))

    def genesis(self, *signers: str, **changes: Any) -> Logged:
        return self.governance.genesis(envelope("charter", self.charter(**changes), *(signers or ROOT_MEMBERS[:4])))

    def change(self, op: str, name: str, data: bytes | None) -> dict[str, Any]:
        return draft(self.home, op, name, data)

    def impact(self, changes: Sequence[Mapping[str, Any]], at_ns: int, until_ns: int | None = None) -> Impact:
        return preview(self.home, [Change.parse(each) for each in changes], at_ns=at_ns, until_ns=until_ns).impact

    def proposal(self, *changes: Mapping[str, Any], **fields: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        at = whole_ms(self.clock.now)
        impact = self.impact(changes, at)
        value = draft_proposal(
            changes, impact,
            **(
                {
                    "class": "sensitive", "author": party("author"), "rationale": "a test (invented)",
                    "reversal_plan": "put back what was", "effective": {"from": format_time(at), "until": None, "tz": "UTC"},
                }
                | fields
            ),
        )  # fmt: skip
        return value, impact.value

    def propose(self, *changes: Mapping[str, Any], **fields: Any) -> str:
        return self.governance.propose(*self.proposal(*changes, **fields)).id

    def approval(
        self, proposal_id: str, person: str, verdict: str = "approve", *, signer: str | None = None, **more: Any
    ) -> dict[str, Any]:
        logged = self.governance.state.proposals[proposal_id]
        charter = self.governance.state.charter
        assert charter is not None
        log = self.governance.ledger.log
        now = whole_ms(self.clock.now)
        value = {
            "proposal_digest": proposal_id,
            "impact_digest": logged.proposal.impact_digest,
            "verdict": verdict,
            "role": charter.change_class(logged.proposal.class_).role,
            "person": party(person),
            "charter_version": charter.version,
            "seen_checkpoint": {"size": log.size, "root": log.root.hex()},
            "conflict_statement": "none",
            "nonce": f"{next(self.nonces):032x}",
            "signed_at": format_time(now),
            "expires": format_time(now + 3 * DAY),
        } | more
        return envelope("approval", value, signer or person)

    def approve(self, proposal_id: str, *persons: str) -> None:
        for person in persons or POLICY_MEMBERS[:3]:
            self.governance.approve(self.approval(proposal_id, person))

    def pass_through(self, *changes: Mapping[str, Any], **fields: Any) -> str:
        """Propose, approve and enact."""
        made = self.propose(*changes, **fields)
        self.approve(made)
        assert self.governance.enact(made).in_force
        return made

    def again(self, **options: Any) -> Desk:
        """Open the same home anew, as the next process does."""
        self.governance.ledger.close()
        self.governance = _open(self.home, self.clock, **options)
        return self


def _open(home: Home, clock: Callable[[], int], witnesses: Witnesses | None = None, **options: Any) -> Governance:
    ledger = HomeLedger.open(home, clock=clock)
    if witnesses is not None:
        ledger._client = witnesses  # type: ignore[assignment]  # stands in for witnesses of other machines
    try:
        return Governance.open(home, ledger, clock, **options)
    except BaseException:
        ledger.close()
        raise


@dataclass
class Witnesses:
    """Three witnesses in this process, who cosign while they are up."""

    clock: Clock
    up: bool = True
    last: None = None

    def __call__(self, checkpoint: bytes, _consistency: object) -> bytes:
        if not self.up:
            return checkpoint
        return cosigned(checkpoint, (0, 1, 2), self.clock.now // 1_000_000_000)

    @classmethod
    def join(cls, ledger: HomeLedger, clock: Clock) -> Witnesses:
        """Let the log's policy ask for two of three of them from now on."""
        keys = [str(key) for key in ledger.policy.log_keys]
        named = [(f"w{n}", str(WITNESSES[n].verifier), None) for n in range(3)]
        ledger.policy = set_policy(ledger.home, Policy.format_simple(keys, named, 2).encode())
        return cls(clock)


def quick_folder() -> Path:
    """A fresh folder in memory where there is one: the same code and calls, without waiting for a disk at each of them."""
    memory = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix="governed-", dir=memory if os.access(memory, os.W_OK) else None))


def base_home(path: Path, **options: Any) -> Home:
    """A home with registers, a list and a log, without a charter."""
    home = make_home(path, **options)
    register(home, "list_entries", LIST)
    with home.writer(), HomeLedger.create(home, rulebook=rulebook_of(home).digest, clock=Clock(RECORDED)) as ledger:
        ledger.commit()
    return home


def decided(home: Home, *batches: pa.Table, at_ns: int) -> Run:
    """Decide batches in one run at an instant; the caller holds the write lock."""
    with HomeLedger.open(home, clock=Clock(at_ns)) as ledger:
        return decide(home, inputs(*batches), recorded_at_ns=at_ns, ledger=ledger)


@contextmanager
def desk(home: Home, clock: Clock | None = None, **options: Any) -> Iterator[Desk]:
    """Open governance of a home under its write lock."""
    clock = clock or Clock()
    with home.writer():
        made = Desk(home, clock, _open(home, clock, **options))
        try:
            yield made
        finally:
            made.governance.ledger.close()


__all__ = ["OTHER_BOOK", "START", "Clock", "Desk", "base_home", "decided", "desk", "key", "member", "party", "quick_folder"]
