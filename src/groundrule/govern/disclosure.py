"""Opening fields of private records: what a proposal of class `disclosure` orders, and what answers a request for it.

    object         record/<first 32 hex digits of before_sha256>
    before_sha256  SHA-256 of the leaves to be opened, so that approvals bind these records and no others
    after          {openings: [{batch_index, leaf_index, leaf, fields}], recipient, legal_basis}

The log holds which fields of which committed leaves are opened, on whose request, for whom and on what basis; it holds no
value. A leaf is a salted hash: nobody finds out from it whose it is.

A request that asks to be told a place or an identity (`disclose`) is answered by an enacted disclosure and by nothing else.

Source: privacy specification 5.5; governance specification 4.4 and section 5.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Annotated, Final

from groundrule.canon import canonical_json
from groundrule.errors import InputError
from groundrule.govern.dealings import LegalBasis
from groundrule.govern.logged import LoggedRequest
from groundrule.govern.objects import Proposal
from groundrule.govern.quorum import subjects
from groundrule.govern.refusal import refuse
from groundrule.govern.signed import Digest, Party, Signed, integer, many, nested, text

if TYPE_CHECKING:
    from groundrule.govern.state import State

ASK: Final = "disclose"
CLASS: Final = "disclosure"
MAX_OPENINGS: Final = 1_000
"""Records in one dossier; more of them are several dossiers, each argued for itself."""
_NAME_DIGITS: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening(Signed):
    """Fields of one committed record.

    Attributes:
        batch_index: the log's entry of its batch.
        leaf_index: its place in the batch's inner tree.
        leaf: its leaf hash, so that no other record can take its place.
        fields: what is opened; everything else stays closed.
    """

    batch_index: Annotated[int, integer()]
    leaf_index: Annotated[int, integer()]
    leaf: Digest
    fields: Annotated[tuple[str, ...], many(text(255), least=1, most=24)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order(Signed):
    """What is opened, for whom, and on what basis.

    Attributes:
        recipient: a party concerned: requester, in the chain, or a beneficiary; so it is screened like them.
    """

    openings: Annotated[tuple[Opening, ...], many(nested(Opening), least=1, most=MAX_OPENINGS)]
    recipient: Party
    legal_basis: Annotated[LegalBasis, nested(LegalBasis)]

    def check(self) -> None:
        """Refuse one record twice."""
        if len({each.leaf for each in self.openings}) != len(self.openings):
            raise InputError("disclosure: one record twice", help="name all its fields in one opening")

    @property
    def before(self) -> str:
        """Digest of the records to be opened [64 hex digits]."""
        leaves = [[each.batch_index, each.leaf_index, each.leaf] for each in self.openings]
        return sha256(canonical_json(leaves)).hexdigest()

    @property
    def object(self) -> str:
        """Name of the object of the change."""
        return f"record/{self.before[:_NAME_DIGITS]}"


def order_of(proposal: Proposal) -> Order | None:
    """Return what a proposal orders to open; None when it is of another kind.

    Raises:
        InputError: it is a disclosure, and not what one must be.
    """
    change = proposal.change_set[0]
    return Order.parse(change.after) if change.op == ASK else None


def check_disclosure(state: State, proposal: Proposal) -> None:
    """Check a proposal that opens records; others pass.

    Raises:
        ConflictError: `other_records`, `no_disclosure_request`, `recipient_not_concerned`, `disclosure_without_basis`.
        InputError: the order cannot be read.
    """
    order = order_of(proposal)
    if order is None:
        return
    change = proposal.change_set[0]
    if (change.object, change.before_sha256) != (order.object, order.before):
        raise refuse("other_records", "the disclosure names other records than its digest", help="draft it again")
    asked = [found for id_ in proposal.requests if (found := state.requests.get(id_)) is not None]
    if not any(asks_disclosure(each) for each in asked):
        raise refuse("no_disclosure_request", "nobody asks for this disclosure", help="name the request that asks to `disclose`")
    if order.recipient not in subjects(state, proposal):
        raise refuse(
            "recipient_not_concerned", "the recipient is neither requester nor beneficiary, so nobody screens it",
            help="name the recipient in `beneficiaries`",
        )  # fmt: skip
    if order.legal_basis.kind == "none_stated":
        raise refuse("disclosure_without_basis", "fields of records are opened on a stated legal basis only")


def asks_disclosure(logged: LoggedRequest) -> bool:
    """Tell whether a request asks to be told what records hold."""
    return any(ask.op == ASK for ask in logged.request.ask)


def disclosures_of(state: State, request_id: str) -> tuple[str, ...]:
    """Return the enacted disclosures that answer a request, in the order of the log."""
    return tuple(
        each.enactment.proposal_digest
        for each in state.enactments
        if (proposal := state.proposals[each.enactment.proposal_digest].proposal).class_ == CLASS
        and request_id in proposal.requests
    )


def check_answer(state: State, logged: LoggedRequest, outcome: str) -> None:
    """Check an outcome that says that a request was followed up: one for a disclosure needs an enacted one.

    `refused` and `withdrawn` tell nobody anything; `informally_followed` puts a breach on record, and is an alert.

    Raises:
        ConflictError: `not_disclosed`.
    """
    if outcome in ("proposed", "corrected") and asks_disclosure(logged) and not disclosures_of(state, logged.request.id):
        raise refuse(
            "not_disclosed", "a place or an identity is told by an enacted disclosure only, and none names this request",
            help="propose with --disclose and enact it first, or refuse the request",
        )  # fmt: skip
