"""Enactment: the only writer of policy. What the log says takes effect here, once, in the order of the log.

1. `prepare` works the change set out on what is in force, stores new content under its digest, and writes the tables in a
   transaction that is taken back: what cannot be written is refused before it is logged.
2. The entry `enactment` is logged and the quorum of witnesses asked (`governing`).
3. `settle` writes rulebook, areas and lists in one transaction, for every enactment of the log that the witnesses have seen
   and the tables do not hold; then it announces the policy by an entry `snapshot-published`.

A crash before 2 leaves what was in force; after it, `settle` completes the enactment when governance is opened again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from groundrule.errors import IntegrityError
from groundrule.govern.logged import LoggedEnactment
from groundrule.govern.quorum import Judgement, enactment
from groundrule.govern.refusal import refuse
from groundrule.govern.signed import parse_time
from groundrule.govern.state import State
from groundrule.ledger.entry import Entry, format_time, policy_digest
from groundrule.pipeline.changes import Plan, plan
from groundrule.pipeline.home import rulebook_of, store_rulebook
from groundrule.pipeline.home_ledger import GOVERNANCE, HomeLedger
from groundrule.pipeline.list_batches import write_all
from groundrule.pipeline.list_check import list_differences
from groundrule.pipeline.policy_check import announced_of, table_differences
from groundrule.pipeline.proposal_checks import check_against_home
from groundrule.store.area_store import current_areas_digest, store_areas
from groundrule.store.home import Home
from groundrule.store.policy import (
    InForce,
    copy_pointers,
    enacting,
    history,
    in_force,
    install_guard,
)
from groundrule.store.registers import Registers


@dataclass(frozen=True, slots=True)
class Enacted:
    """What became of an enactment.

    Attributes:
        index: its entry in the log.
        proposal: digest of the proposal.
        in_force: the tables hold it; False while it waits for witnesses.
        witnessed: the quorum of witnesses has seen the entry.
        trouble: why witnesses have not.
    """

    index: int
    proposal: str
    in_force: bool
    witnessed: bool
    trouble: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Enactor:
    """Brings into force what the log holds; the caller holds the home's write lock.

    Attributes:
        home, ledger: whose.
        state: the fold of the log.
        step: called with the name of each step; tests crash there.
    """

    home: Home
    ledger: HomeLedger
    state: State
    step: Callable[[str], None]

    def done(self, proposal_id: str) -> Enacted | None:
        """Return what became of a proposal that the log holds as enacted, after settling; None if it is not."""
        for logged in self.state.enactments:
            if logged.enactment.proposal_digest == proposal_id:
                self.settle()
                stated = in_force(self.home)
                held = stated is not None and stated.log_index >= logged.index
                return Enacted(logged.index, proposal_id, held, self._covered(logged.index))
        return None

    def prepare(self, proposal_id: str, judged: Judgement, at_ns: int) -> dict[str, Any]:
        """Return the body of the enactment of a judged proposal, after rehearsing it.

        Args:
            proposal_id: digest of the proposal.
            judged: satisfied.
            at_ns: the instant that was judged, a whole millisecond [ns, UTC].
        Raises:
            ConflictError: `not_settled` while an earlier enactment waits for witnesses, `other_impact`, or why the change set
                does not apply.
        """
        self.settle()
        stated = self._in_force()
        waiting = [logged.index for logged in self.state.enactments if logged.index > stated.log_index]
        if waiting:
            raise refuse("not_settled", f"enactment {waiting[0]} waits for witnesses", help="bring them back first")
        check_against_home(self.home, self.state.proposals[proposal_id].proposal)
        body = enactment(self.state, proposal_id, judged, at_ns)
        made = self._plan(proposal_id, at_ns)
        found = policy_digest(made.rulebook.digest, made.areas.digest)
        if found != body.policy_digest_after:
            raise refuse("other_impact", "the change set leads to another policy than its impact was computed for")
        self._store(made)
        index = self.ledger.log.size + len(self.ledger.records.pending_outbox())
        with Registers.open(self.home) as registers:
            self._write(registers, made, InForce(index, proposal_id, "", "", "", at_ns), rehearsal=True)
        return body.value

    def settle(self) -> None:
        """Bring into force every charter and enactment of the log that the witnesses have seen and the tables do not hold."""
        if self.state.charter is None:
            return
        stated = in_force(self.home)
        due = [each for each in self.state.enactments if stated is None or each.index > stated.log_index]
        first = next(iter(self.state.charters))
        last = max((each.index for each in due), default=first if stated is None else -1)
        if last >= 0 and not self._covered(last):
            self.ledger.try_commit()
        if stated is None:
            if not self._covered(first):
                return
            self._begin(first)
        for logged in due:
            if not self._covered(logged.index):
                return
            self._bring_into_force(logged)
        self._announce()

    def differences(self) -> list[str]:
        """Return where the policy tables differ from the log, and lists from the objects that were enacted."""
        announced = announced_of(entry for _, entry in self._snapshots())
        found = table_differences(self.home, self.state, covered=self._covered, announced=announced)
        return found + list_differences(self.home, self.state, announced)

    # --- steps --------------------------------------------------------------------------------------------------------

    def _begin(self, first: int) -> None:
        charter = self.state.charters[first]
        rulebook, areas = rulebook_of(self.home).digest, current_areas_digest(self.home)
        if policy_digest(rulebook, areas) != charter.policy_digest:
            raise IntegrityError(
                "the policy was changed between the charter and its effect", help="restore the rulebook and areas it names"
            )
        with Registers.open(self.home) as registers:
            install_guard(registers, InForce(first, "", rulebook, areas, "", self.state.began_ns))
        self.step("tables: guarded")

    def _bring_into_force(self, logged: LoggedEnactment) -> None:
        made = self._plan(logged.enactment.proposal_digest, logged.enactment.enacted_at)
        after = policy_digest(made.rulebook.digest, made.areas.digest)
        if after != logged.enactment.policy_digest_after:
            raise IntegrityError(
                f"enactment {logged.index} leads to another policy than it names", help="restore the home from a copy"
            )
        self._store(made)
        self.step("tables: content stored")
        stated = InForce(
            logged.index, logged.enactment.proposal_digest, made.rulebook.digest, made.areas.digest, "",
            logged.enactment.enacted_at,
        )  # fmt: skip
        with Registers.open(self.home) as registers:
            self._write(registers, made, stated)
        self.step("tables: written")

    def _announce(self) -> None:
        """Log each policy that came into force and is not announced yet, and copy the last one for people."""
        said = {entry.body.get("enactment_index") for _, entry in self._snapshots()}
        held = history(self.home)
        fresh = [(seq, each) for seq, each in enumerate(held) if each.log_index not in said]
        for seq, each in fresh:
            self.ledger.queue(
                "snapshot-published",
                {
                    "areas": each.areas,
                    "enactment_index": each.log_index,
                    "governed": True,
                    "in_force_from": format_time(each.enacted_at_ns),
                    "lists": each.lists,
                    "note": "enactment" if each.proposal else "charter",
                    "policy_digest": policy_digest(each.rulebook, each.areas),
                    "proposal": each.proposal or None,
                    "rulebook": each.rulebook,
                    "seq": seq,
                },
            )
        if fresh:
            self.step("snapshot: queued")
            size = self.ledger.log.size
            self.ledger.flush()
            self._fold(size)
            self.ledger.try_commit()
            self.step("snapshot: logged")
            copy_pointers(self.home, held[-1])

    def _fold(self, size: int) -> None:
        for index, data in enumerate(self.ledger.log.tree().entries(size), size):
            entry = Entry.decode(data)
            if entry.stream == GOVERNANCE:
                self.state.apply(index, parse_time(entry.t), entry.kind, entry.body)

    def _snapshots(self) -> Iterator[tuple[int, Entry]]:
        tree = self.ledger.log.tree()
        for index in self.ledger.records.logged_in(GOVERNANCE, "snapshot-published"):
            entry = Entry.decode(next(iter(tree.entries(index, index + 1))))
            if entry.body.get("governed") is True:
                yield index, entry

    def _plan(self, proposal_id: str, at_ns: int) -> Plan:
        proposal = self.state.proposals[proposal_id].proposal
        return plan(self.home, proposal.change_set, at_ns=at_ns, until_ns=proposal.effective.until)

    def _store(self, made: Plan) -> None:
        """Store rulebook and areas under their digests; this changes nothing that is in force."""
        store_rulebook(self.home, made.rulebook)
        store_areas(self.home, made.imported, world=made.world)

    def _write(self, registers: Registers, made: Plan, stated: InForce, *, rehearsal: bool = False) -> None:
        with enacting(registers, stated, rehearsal=rehearsal) as tables:
            write_all(tables, made.writes)
            if not rehearsal:
                self.step("tables: being written")

    def _in_force(self) -> InForce:
        stated = in_force(self.home)
        if stated is None:
            raise refuse("no_charter", "the charter is not in force yet", help="its witnesses have not seen it")
        return stated

    def _covered(self, index: int) -> bool:
        return 0 <= index < self.ledger.log.accepted_size
