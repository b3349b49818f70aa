"""A contact that somebody tells of, into the log: parties into the private register, commitments in their place in public."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from groundrule.govern.contacts import public_form
from groundrule.govern.objects import Contact, PartyRecord, new_id
from groundrule.govern.signed import COMMITTED, format_time, whole_ms
from groundrule.pipeline.governing import Governance, Logged
from groundrule.pipeline.intake import take_party
from groundrule.pipeline.parties import commit_parties, put_party, seal_evidence
from groundrule.store.policy import put_object

FIELDS: Final = frozenset(
    {
        "covered_person", "counterparty", "counterparty_kind", "capacity", "channel", "occurred_from", "occurred_to", "pattern",
        "topics", "ask_made", "reported_by", "reported_at", "basis", "status", "evidence", "disclosed_to", "sealed_until",
    }
)  # fmt: skip


def draft_contact(
    draft: Mapping[str, Any], found: dict[str, PartyRecord], *, evidence: Iterable[Mapping[str, Any]], now_ns: int
) -> Contact:
    """Make the contact that a document tells of.

    Args:
        draft: of `FIELDS`; times as signed objects write them.
        found: takes what becomes known of parties, by id.
        evidence: objects of the log.
        now_ns: when it is reported, unless the document says so [ns, UTC].
    Raises:
        InputError: a field is missing or is not what it must be.
    """
    basis, counterparty = draft.get("basis"), draft.get("counterparty")
    kind = counterparty.get("kind") if isinstance(counterparty, Mapping) else None
    return Contact.parse(
        {
            "id": new_id("contact", os.urandom(16)),
            "covered_person": draft.get("covered_person"),
            "counterparty": take_party(counterparty, found, "counterparty"),
            "counterparty_kind": draft.get("counterparty_kind") or kind or "unknown",
            "capacity": draft.get("capacity", "unknown"),
            "channel": draft.get("channel", "other"),
            "occurred_from": draft.get("occurred_from"),
            "occurred_to": draft.get("occurred_to"),
            "pattern": draft.get("pattern", "single"),
            "topics": draft.get("topics") or ["undisclosed"],
            "ask_made": draft.get("ask_made"),
            "reported_by": take_party(draft.get("reported_by"), found, "reported_by"),
            "reported_at": draft.get("reported_at") or format_time(whole_ms(now_ns)),
            "basis": basis,
            "status": draft.get("status") or ("self_reported" if basis == "self" else "alleged"),
            "evidence": [*evidence],
            "disclosed_to": draft.get("disclosed_to") or [],
            "sealed_until": draft.get("sealed_until"),
        }
    )


def lodge_contact(
    governance: Governance,
    contact: Contact,
    *,
    parties: Iterable[PartyRecord] = (),
    pages: Iterable[bytes] = (),
    open_ids: bool = False,
    sign: Callable[[Contact], Mapping[str, Any]] | None = None,
) -> tuple[Contact, Logged]:
    """Log a contact; what nobody answerable signed is an allegation, and stands in the log without its parties.

    Args:
        governance: open for acts.
        contact: in clear.
        parties: what becomes known of parties.
        pages: content of evidence.
        open_ids: log the ids of the parties openly: all of them hold public roles.
        sign: makes the signed envelope of its public form; None: nobody signs.
    """
    home = governance.home
    for record in parties:
        put_party(home, record)
    # Only a person's own, signed report is public by id; whoever is accused stands as a commitment.
    own = contact.basis == "self" and sign is not None
    hidden = set() if open_ids or own else {contact.covered_person, contact.counterparty, contact.reported_by}
    salts = commit_parties(home, sorted(hidden))
    for page in pages:
        put_object(home, page)
    if hidden and contact.evidence:
        contact = seal_evidence(home, contact)
    public = public_form(contact, salts)
    for name in ("covered_person", "counterparty", "reported_by"):
        if (commitment := getattr(public, name)).startswith(COMMITTED):
            governance.state.openings[commitment] = getattr(contact, name)
    return contact, governance.contact(public.value if sign is None else sign(public))
