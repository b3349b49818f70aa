"""What the commands of governance share: the home's governance opened for an act, its state for a look, ids by prefix."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from groundrule.cli.output import warn
from groundrule.errors import ConflictError, InputError
from groundrule.govern.objects import Approval, ListSnapshot
from groundrule.govern.signed import payload_type
from groundrule.govern.state import State
from groundrule.pipeline.approving import bundle_for
from groundrule.pipeline.approving import standing as standing_at
from groundrule.pipeline.governance_view import newest_lists, read_state
from groundrule.pipeline.governing import Governance, Logged
from groundrule.pipeline.home_ledger import HomeLedger
from groundrule.pipeline.parties import openings_of
from groundrule.signing import open_envelope
from groundrule.store.home import Home


@contextmanager
def governed(home: Path) -> Iterator[Governance]:
    """Open the governance of a home for an act; nobody else writes to the home meanwhile."""
    place = Home.open(home)
    with place.writer(), HomeLedger.open(place) as ledger:
        opened = Governance.open(
            place, ledger, time.time_ns, lists=newest_lists(place), openings=openings_of(place)
        )
        opened.due()
        try:
            yield opened
        finally:
            # Also what was refused is published: a refusal that nobody sees is none.
            committed = ledger.try_commit()
            if not committed.accepted:
                for line in committed.trouble or ("too few witnesses have cosigned",):
                    warn(f"  {line}")
                warn("  What was done waits for its witnesses; publish with: groundrule ledger checkpoint")


def need_charter(state: State) -> None:
    """Refuse what has no meaning without a charter."""
    if state.charter is None:
        raise ConflictError("this home has no charter", help="begin with: groundrule charter draft", refusal="no_charter")


def entry_of(logged: Logged) -> str:
    """Say where an act is in the log."""
    return "in the log already: nothing new" if logged.index < 0 else f"log entry {logged.index}"


def chosen(given: str, known: Collection[str], what: str) -> str:
    """Return the one id that is given or begins so.

    Raises:
        InputError: none or several do.
    """
    if given in known:
        return given
    found = [each for each in known if each.startswith(given) or each.partition("-")[2].startswith(given)] if given else []
    if len(found) != 1:
        raise InputError(
            f"{len(found) or 'no'} {what}s begin with `{given[:80]}`" if len(found) != 1 else "",
            help=f"give more of the id; see them with: groundrule {'govern status' if what == 'proposal' else what + ' list'}",
        )
    return found[0]


def export_bundle(home: Path, proposal: str, *, since: Iterable[int] = (), person: str | None = None) -> bytes:
    """Make the bundle of a proposal at the home, for one approver or for any."""
    place = Home.open(home)
    state = read_state(place)
    proposal_id = chosen(proposal, state.proposals, "proposal")
    if person is not None:
        assert state.charter is not None
        person = chosen(person, state.charter.parties, "person")
    return bundle_for(place, state, proposal_id, now_ns=time.time_ns(), since=since, person=person)


def receive_approval(home: Path, envelope: dict[str, Any]) -> dict[str, Any]:
    """Take an approval in; what is refused is on record, with the reason."""
    with governed(home) as governance:
        index = governance.approve(envelope).index
        payload, _ = open_envelope(envelope, (), payload_type("approval"))
        proposal_id = Approval.parse_bytes(payload).proposal_digest
        return {"index": index, "proposal": proposal_id, "standing": standing(governance.state, proposal_id, newest_lists(governance.home))}


def standing(state: State, proposal_id: str, lists: Mapping[str, ListSnapshot]) -> str:
    """Say in one sentence where a proposal stands now."""
    return standing_at(state, proposal_id, lists, time.time_ns())
