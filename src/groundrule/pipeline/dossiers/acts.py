"""Every act of governance as statements: what was asked, screened, proposed, signed, enacted, told, reviewed and refused.

One entry of the log gives one `Act`. What it says is `recorded`, except where the entry itself only passes on what somebody outside says:
then it is a claim, and that it was entered is the recorded part.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from groundrule.canon import parse_base64, parse_canonical
from groundrule.evidence.dossier import LASTING, PARTIES, Phrase, Standing, Times, Value
from groundrule.govern.contacts import BUSINESS_DAYS, OFFICIAL_KINDS, is_late, lateness
from groundrule.govern.logged import (
    LoggedApproval,
    LoggedContact,
    LoggedEmergency,
    LoggedEnactment,
    LoggedProposal,
    LoggedRequest,
    LoggedReview,
    LoggedScreening,
)
from groundrule.govern.objects import ContactUpdate, EmergencyClose, NilReturn, Rejection, RequestOutcome
from groundrule.govern.signed import SELF, UNKNOWN
from groundrule.govern.state import State
from groundrule.instant import format_instant
from groundrule.pipeline.dossiers.bench import Bench

NS_PER_HOUR = 3_600_000_000_000
SLOW_HOURS = 24
"""A request recorded later than this after it was received is flagged."""


ROLES_TOLD = ("covered_person", "counterparty", "reporter")
_NO_TIMES = Times()


@dataclass(frozen=True, slots=True)
class Said:
    """One sentence of an act."""

    phrase: Phrase
    standing: Standing = Standing.RECORDED
    times: Times = _NO_TIMES
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Act:
    """One entry of governance.

    Attributes:
        index: in the log. t_ns: the log's clock.
        kind: request, outcome, screening, proposal, approval, enactment, contact, contact_update, nil_return, review, conclusion,
            emergency, emergency_close, rejection or charter.
        id: of the object that it is about.
        refs: everything that it names: parties (opened where they can be), requests, proposals, contacts, reviews, objects.
        said: its sentences.
        parts: (party, role).
    """

    index: int
    t_ns: int
    kind: str
    id: str
    refs: frozenset[str]
    said: tuple[Said, ...]
    parts: tuple[tuple[str, str], ...] = field(default=())


def acts(bench: Bench) -> list[Act]:
    """Return every act of the log, in its order."""
    state = bench.state
    found: list[Act] = []
    for index, charter in state.charters.items():
        values: dict[str, Value] = {"version": charter.version, "until": format_instant(charter.expires)}
        said = _said("charter_in_force", values, Times(recorded_at_ns=state.time_of(index)))
        found.append(Act(index, state.time_of(index), "charter", f"charter/{charter.version}", frozenset(), (said,)))
    found += [_request(bench, each) for each in state.requests.values()]
    found += [_screening(bench, each) for each in state.screenings.values()]
    found += [_proposal(bench, each) for each in state.proposals.values()]
    found += [_approval(each) for some in state.approvals.values() for each in some]
    found += [_enactment(bench, each) for each in state.enactments]
    found += [_contact(bench, each) for each in state.contacts.values()]
    found += [act for each in state.reviews.values() for act in _review(bench, each)]
    found += [_emergency(each) for each in state.emergencies.values()]
    found += _rest(bench, {act.index for act in found})
    return sorted(found, key=lambda act: act.index)


def _said(
    key: str,
    values: Mapping[str, Value],
    times: Times,
    standing: Standing = Standing.RECORDED,
    flags: tuple[str, ...] = (),
) -> Said:
    return Said(Phrase(key, dict(values)), standing, times, flags)


# --- requests and screenings ------------------------------------------------------------------------------------------


def _request(bench: Bench, logged: LoggedRequest) -> Act:
    request = logged.request
    who = bench.of(request.requester)
    at = Times(observed_at_ns=request.received_at, recorded_at_ns=logged.t_ns)
    if request.appeal_of:
        return _appeal(logged, at)
    dated: dict[str, Value] = {"made": format_instant(request.occurred_at), "received": format_instant(request.received_at)}
    values: dict[str, Value] = {"who": who, "channel": f"code:channel_{request.channel}", "by": request.received_by}
    said = [_said("request_received", values | dated, at)]
    parts = [(who, "requester"), (request.received_by, "registrar")]
    for each in request.on_behalf_of:
        if each == UNKNOWN:
            said.append(_said("request_behalf_unknown", {"who": who}, at, Standing.UNKNOWN))
        elif each != SELF:
            principal = bench.of(each)
            said.append(_said("request_behalf", {"who": who, "for": principal}, at))
            parts.append((principal, "on_behalf_of"))
    if request.conveyed_by:
        carrier = bench.of(request.conveyed_by)
        said.append(_said("request_conveyed", {"by": carrier}, at))
        parts.append((carrier, "conveyed"))
    for ask in request.ask:
        values = {"what": f"code:ask_{ask.op}", "object": ask.object, "detail": ask.detail}
        said.append(_said("request_asks" if ask.detail else "request_asks_plainly", values, at))
    said.append(_said("request_purpose", {"purpose": f"code:purpose_{request.purpose}"}, at))
    basis = request.legal_basis
    if basis.kind == "none_stated":
        said.append(_said("request_basis_none", {}, at, flags=("no_basis",)))
    else:
        values = {"kind": f"code:basis_{basis.kind}", "reference": basis.reference}
        said.append(_said("request_basis" if basis.reference else "request_basis_plainly", values, at))
    hours = (request.recorded_at - request.occurred_at) // NS_PER_HOUR
    if hours > SLOW_HOURS:
        made: dict[str, Value] = {"hours": hours, "made": format_instant(request.occurred_at), "recorded": format_instant(logged.t_ns)}
        said.append(_said("request_slow", made, at, Standing.INFERENCE, ("gap",)))
    if not logged.outcomes:
        said.append(_said("request_open", {}, at, Standing.UNKNOWN, ("open",)))
    refs = {request.id, *(party for party, _ in parts), *(ask.object for ask in request.ask)}
    return Act(logged.index, logged.t_ns, "request", request.id, frozenset(refs), tuple(said), tuple(parts))


def _appeal(logged: LoggedRequest, at: Times) -> Act:
    """An owner's appeal: the log holds a commitment to the decision, and a party id drawn for this appeal alone."""
    request = logged.request
    values: dict[str, Value] = {
        "by": request.received_by, "channel": f"code:channel_{request.channel}", "received": format_instant(request.received_at)
    }  # fmt: skip
    said = [_said("appeal_received", values, at)]
    if not logged.outcomes:
        said.append(_said("appeal_open", {}, at, Standing.UNKNOWN, ("open",)))
    parts = ((request.received_by, "registrar"),)
    refs = frozenset({request.id, request.received_by, str(request.appeal_of)})
    return Act(logged.index, logged.t_ns, "request", request.id, refs, tuple(said), parts)


def _outcome(index: int, t_ns: int, outcome: RequestOutcome) -> Act:
    at = Times(decided_at_ns=outcome.at, recorded_at_ns=t_ns)
    said = [_said("request_outcome", {"outcome": f"code:outcome_{outcome.outcome}", "reason": outcome.outcome_reason}, at)]
    if outcome.outcome == "informally_followed":
        said.append(_said("request_informal", {}, at, Standing.INFERENCE, ("no_enactment",)))
    for other in outcome.conflicts:
        said.append(_said("request_conflict", {"other": other, "priority": outcome.priority or "–"}, at))
    return Act(index, t_ns, "outcome", outcome.id, frozenset({outcome.id, *outcome.conflicts}), tuple(said))


def _screening(bench: Bench, logged: LoggedScreening) -> Act:
    screening = logged.screening
    who = bench.of(screening.subject)
    at = Times(decided_at_ns=screening.performed_at, recorded_at_ns=logged.t_ns)
    lists: dict[str, Value] = {
        "lists": ", ".join(f"{each.source} ({each.date})" for each in screening.snapshots), "number": len(screening.snapshots)
    }  # fmt: skip
    said, parts = [], [(who, "screened")]
    for each in screening.candidates:
        values: dict[str, Value] = {"who": who, "entry": each.entry_uid, **lists}
        if each.disposition == "unresolved":
            said.append(_said("screening_open", values, at, flags=("open",)))
            continue
        key = "screening_true" if each.disposition == "true" else "screening_false"
        said.append(_said(key, {**values, "by": each.by or "–", "reason": each.reason}, at))
        if each.by:
            parts.append((each.by, "registrar"))
    for owner in screening.ownership:
        if owner.result == "listed":
            said.append(_said("screening_owner", {"who": who, "owner": bench.of(owner.party), "share": owner.share_bp // 100}, at))
            parts.append((bench.of(owner.party), "owner"))
    if not said:
        said.append(_said("screening_clear", {"who": who, **lists}, at))
    if not screening.ownership:
        said.append(_said("screening_owners_unknown", {"who": who}, at, Standing.UNKNOWN))
    refs = frozenset({screening.id, *(party for party, _ in parts)})
    return Act(logged.index, logged.t_ns, "screening", screening.id, refs, tuple(said), tuple(parts))


# --- changes ----------------------------------------------------------------------------------------------------------


def _proposal(bench: Bench, logged: LoggedProposal) -> Act:
    proposal, impact = logged.proposal, logged.impact
    when = Times(recorded_at_ns=logged.t_ns)
    said = [
        _said("proposal_made", {"who": proposal.author, "class": f"code:class_{proposal.class_}", "id": proposal.id[:16]}, when),
        _said("proposal_reason", {"reason": proposal.rationale}, when),
        _said("proposal_effective", {"since": format_instant(proposal.effective.from_)}, when),
    ]
    for change in proposal.change_set:
        said.append(_said("proposal_change", {"op": f"code:op_{change.op}", "object": change.object}, when))
        if change.after_sha256:
            said.append(_said("proposal_content", {"object": change.object, "digest": change.after_sha256}, when))
    parts = [(proposal.author, "author")]
    for party in proposal.beneficiaries:
        said.append(_said("proposal_gains", {"who": bench.of(party)}, when))
        parts.append((bench.of(party), "beneficiary"))
    for request in proposal.requests:
        said.append(_said("proposal_request", {"request": request}, when))
    if not proposal.requests:
        said.append(_said("proposal_no_request", {}, when))
    said.append(_said("proposal_reversal", {"plan": proposal.reversal_plan}, when))
    said += _impact(impact.counts, impact.protected_changed, when)
    said += _wanted(bench, logged, when)
    if proposal.contacts_in_scope:
        said.append(_said("proposal_scope", {"number": len(proposal.contacts_in_scope)}, when))
    refs = {proposal.id, *proposal.requests, *(change.object for change in proposal.change_set), *proposal.screenings}
    refs |= {party for party, _ in parts}
    if proposal.supersedes:
        refs.add(proposal.supersedes)
    return Act(logged.index, logged.t_ns, "proposal", proposal.id, frozenset(refs), tuple(said), tuple(parts))


def _wanted(bench: Bench, logged: LoggedProposal, at: Times) -> Iterator[Said]:
    """What the charter in force then wants for such a change, and who the persons are."""
    proposal = logged.proposal
    known = [index for index in bench.state.charters if index <= logged.index]
    if not known:
        return
    charter = bench.state.charters[max(known)]
    wanted = charter.change_class(proposal.class_)
    role = charter.role(wanted.role)
    values: dict[str, Value] = {
        "class": f"code:class_{proposal.class_}",
        "role": f"code:role_{wanted.role}",
        "needed": max(wanted.min_persons, role.minimum),
        "of": len(role.parties),
        "groups": wanted.min_groups,
        "hours": wanted.notice_hours,
        "charter": charter.version,
    }
    yield _said("proposal_wants", values, at)
    persons = PARTIES + " ".join(sorted(role.parties))
    yield _said("proposal_deciders", {"role": f"code:role_{wanted.role}", "persons": persons}, at)


def _impact(counts: Mapping[str, Mapping[str, Mapping[str, int]]], protected: tuple[str, ...], at: Times) -> Iterator[Said]:
    moved = False
    for before, row in sorted(counts.items()):
        for after, cells in sorted(row.items()):
            number = sum(cells.values())
            if before != after and number:
                moved = True
                values: dict[str, Value] = {"number": number, "before": f"code:{before}", "after": f"code:{after}"}
                yield _said("impact_moved", values, at)
    if not moved:
        yield _said("impact_none", {}, at)
    if protected:
        yield _said("impact_protected", {"which": ", ".join(protected[:20])}, at, flags=("protected",))


def _approval(logged: LoggedApproval) -> Act:
    approval = logged.approval
    at = Times(decided_at_ns=approval.signed_at, recorded_at_ns=logged.t_ns)
    values = {"who": approval.person, "role": f"code:role_{approval.role}", "proposal": approval.proposal_digest[:16]}
    said = [_said(f"approval_{approval.verdict}", values, at)]
    if approval.conflict_statement:
        said.append(_said("approval_conflict", {"who": approval.person, "contacts": ", ".join(approval.conflict_statement)}, at))
    else:
        said.append(_said("approval_no_conflict", {"who": approval.person}, at))
    refs = frozenset({approval.proposal_digest, approval.person, *approval.conflict_statement})
    verdict = {"approve": "approved", "reject": "rejected", "recuse": "recused"}[approval.verdict]
    return Act(logged.index, logged.t_ns, "approval", approval.proposal_digest, refs, tuple(said), ((approval.person, verdict),))


def _enactment(bench: Bench, logged: LoggedEnactment) -> Act:
    made = logged.enactment
    proposal = bench.state.proposals[made.proposal_digest].proposal
    at = Times(
        decided_at_ns=made.enacted_at,
        recorded_at_ns=logged.t_ns,
        effective_from_ns=made.enacted_at,
        effective_until_ns=proposal.effective.until,
    )
    charter = bench.state.charters[max(index for index in bench.state.charters if index <= logged.index)]
    wanted = charter.change_class(proposal.class_)
    role = charter.role(wanted.role)
    values: dict[str, Value] = {
        "proposal": made.proposal_digest[:16],
        "number": len(made.approvals),
        "charter": made.charter_version,
        "needed": max(wanted.min_persons, role.minimum),
        "of": len(role.parties),
    }
    refs = frozenset({made.proposal_digest})
    said = [_said("enactment_made", values, at)]
    if len(made.approvals) == values["needed"]:
        said.append(_said("enactment_tight", {}, at, Standing.INFERENCE))
    proposed = bench.state.proposals[made.proposal_digest].t_ns
    asked = [bench.state.requests[each].t_ns for each in proposal.requests if each in bench.state.requests]
    took: dict[str, Value] = {"took": lasting(logged.t_ns - proposed)}
    if asked and max(asked) <= proposed:
        took["before"] = lasting(proposed - max(asked))
    key = "enactment_pace_asked" if "before" in took else "enactment_pace"
    said.append(_said(key, took, at, Standing.INFERENCE))
    return Act(logged.index, logged.t_ns, "enactment", made.proposal_digest, refs, tuple(said))


def lasting(duration_ns: int) -> str:
    """Return a duration as a value of a phrase."""
    return f"{LASTING}{max(0, duration_ns)}"


# --- contacts ---------------------------------------------------------------------------------------------------------


def _contact(bench: Bench, logged: LoggedContact) -> Act:
    contact = logged.contact
    who, other, teller = bench.of(contact.covered_person), bench.of(contact.counterparty), bench.of(contact.reported_by)
    happened = _span(contact.occurred_from, contact.occurred_to)
    at = Times(observed_at_ns=contact.occurred_from, recorded_at_ns=logged.t_ns, happened=happened)
    told = Times(observed_at_ns=contact.reported_at, recorded_at_ns=logged.t_ns)
    values: dict[str, Value] = {
        "who": who,
        "other": other,
        "teller": teller,
        "channel": f"code:channel_{contact.channel}",
        "capacity": f"code:capacity_{contact.capacity}",
        "pattern": f"code:pattern_{contact.pattern}",
        "when": happened or None,
    }
    if contact.status == "self_reported":
        said = [_said("contact_self_reported", values, at)]
    else:
        flags = ("allegation",) if logged.allegation else ()
        said = [_said(f"contact_basis_{contact.basis}", values, at, Standing.CLAIM, flags)]
    source: dict[str, Value] = {"teller": teller, "basis": f"code:basis_{contact.basis}"}
    if logged.allegation:
        source |= {"at": format_instant(logged.t_ns), "status": f"code:status_{logged.status}"}
        said.append(_said("contact_alleged_recorded", source, told))
        if contact.counterparty_kind == "unknown":
            said.append(_said("contact_kind_unknown", {}, told, Standing.UNKNOWN))
        if not contact.ask_made:
            said.append(_said("contact_ask_unknown", {}, told, Standing.UNKNOWN))
    else:
        said.append(_said("contact_recorded", source, told))
    if contact.topics:
        said.append(_said("contact_topics", {"topics": ", ".join(contact.topics)}, at, said[0].standing))
    for each in contact.disclosed_to:
        said.append(_said("contact_told", {"authority": each.authority, "at": format_instant(each.at)}, told))
    if not contact.disclosed_to:
        said.append(_said("contact_told_nobody", {}, told, Standing.UNKNOWN))
    if is_late(bench.state, logged):
        said.append(_late(bench, logged, told))
    if bench.state.candidate(other):
        said.append(_said("contact_listed", {"other": other}, told, Standing.INFERENCE, ("listed",)))
    roles = ("covered_alleged", "counterparty_alleged", "reporter_alleged") if logged.allegation else ROLES_TOLD
    parts = tuple(zip((who, other, teller), roles, strict=True))
    refs = frozenset({contact.id, who, other, teller} | ({contact.ask_made} if contact.ask_made else set()))
    return Act(logged.index, logged.t_ns, "contact", contact.id, refs, tuple(said), parts)


def _late(bench: Bench, logged: LoggedContact, at: Times) -> Said:
    charter = bench.state.charter
    assert charter is not None  # `is_late` is false without one
    listed = bench.state.candidate(bench.of(logged.contact.counterparty))
    late = lateness(logged.contact, charter.limits, candidate=listed)
    # Whether an allegation is true is not known, and so it is not known whether anybody was late.
    more, flags = ("_if", ("alleged_late",)) if logged.allegation else ("", ("late",))
    if late.took_ns is None:
        return _said(f"contact_late_unknown{more}", {}, at, Standing.INFERENCE, flags)
    days: dict[str, Value] = {"days": late.took_ns // (24 * NS_PER_HOUR)}
    if listed or logged.contact.counterparty_kind in OFFICIAL_KINDS:
        return _said(f"contact_late_hours{more}", days | {"hours": charter.limits.contact_hours}, at, Standing.INFERENCE, flags)
    return _said(f"contact_late{more}", days | {"within": BUSINESS_DAYS}, at, Standing.INFERENCE, flags)


def _contact_update(bench: Bench, index: int, t_ns: int, update: ContactUpdate) -> Act:
    by = bench.of(update.by)
    at = Times(decided_at_ns=update.at, recorded_at_ns=t_ns)
    said = _said(f"contact_{update.status}", {"by": by, "review": update.review}, at)
    refs = frozenset({update.id, by} | ({update.review} if update.review else set()))
    return Act(index, t_ns, "contact_update", update.id, refs, (said,))


def _span(start_ns: int | None, end_ns: int | None) -> str:
    if start_ns is None and end_ns is None:
        return ""
    return "/".join(".." if each is None else format_instant(each)[:10] for each in (start_ns, end_ns))


# --- reviews, emergencies, refusals -----------------------------------------------------------------------------------


def _review(bench: Bench, logged: LoggedReview) -> Iterator[Act]:
    review = logged.review
    at = Times(recorded_at_ns=logged.t_ns)
    of = bench.state.contacts.get(review.of)
    key = "review_opened_alleged" if of is not None and of.allegation else "review_opened"
    opened = _said(key, {"of": review.of, "due": format_instant(review.due)}, at)
    late = logged.concluded is None and review.due < bench.now_ns
    more = (_said("review_overdue", {"due": format_instant(review.due)}, at, Standing.INFERENCE, ("overdue",)),) if late else ()
    yield Act(logged.index, logged.t_ns, "review", review.id, frozenset({review.id, review.of}), (opened, *more))
    concluded, index = logged.concluded, logged.concluded_index
    if concluded is None or index is None or concluded.verdict is None or index == logged.index:
        return
    t_ns = bench.state.time_of(index)
    values: dict[str, Value] = {"verdict": f"code:verdict_{concluded.verdict}", "findings": concluded.findings}
    said = _said("review_concluded", values, Times(decided_at_ns=concluded.actual, recorded_at_ns=t_ns))
    parts = tuple((person, "reviewer") for person in concluded.reviewers)
    refs = frozenset({review.id, review.of, *concluded.reviewers})
    yield Act(index, t_ns, "conclusion", review.id, refs, (said,), parts)


def _emergency(logged: LoggedEmergency) -> Act:
    opened = logged.emergency
    until = opened.opened_at + opened.ttl_s * 1_000_000_000
    at = Times(decided_at_ns=opened.opened_at, recorded_at_ns=logged.t_ns, effective_from_ns=opened.opened_at, effective_until_ns=until)
    scope = ", ".join((*opened.scope.areas, *(f"terminal/{each}" for each in opened.scope.terminals)))
    values: dict[str, Value] = {
        "direction": f"code:direction_{opened.direction}",
        "condition": opened.condition,
        "scope": scope,
        "hours": -(-opened.ttl_s // 3600),
    }
    parts = tuple((person, "opener") for person in opened.openers)
    refs = frozenset({opened.id, *opened.openers, *opened.scope.areas, *opened.scope.terminals})
    return Act(logged.index, logged.t_ns, "emergency", opened.id, refs, (_said("emergency_opened", values, at),), parts)


def _rest(bench: Bench, known: set[int]) -> Iterator[Act]:
    """Entries that the fold keeps without their place: outcomes, updates, nil returns, closings and refusals."""
    state: State = bench.state
    wrong = {each.index: each for each in state.violations}
    for entry in state.entries:
        index, t_ns, body = entry.index, entry.t_ns, entry.body
        at = Times(recorded_at_ns=t_ns)
        if index in wrong:
            values: dict[str, Value] = {"kind": entry.kind, "sentence": wrong[index].sentence}
            yield Act(index, t_ns, "violation", f"entry:{index}", frozenset(), (_said("entry_no_effect", values, at),))
        elif index in known:
            continue
        elif entry.kind == "request" and "requester" not in body:
            yield _outcome(index, t_ns, RequestOutcome.parse(body))
        elif entry.kind == "contact-update":
            yield _contact_update(bench, index, t_ns, ContactUpdate.parse(_plain(body)))
        elif entry.kind == "contact":
            nil = NilReturn.parse(_plain(body))
            span = Times(recorded_at_ns=t_ns, effective_from_ns=nil.from_, effective_until_ns=nil.until)
            said = _said("nil_return", {"who": nil.covered_person}, span)
            yield Act(index, t_ns, "nil_return", nil.covered_person, frozenset({nil.covered_person}), (said,))
        elif entry.kind == "emergency-close":
            closed = EmergencyClose.parse(_plain(body))
            ended = Times(decided_at_ns=closed.at, recorded_at_ns=t_ns)
            said = _said("emergency_closed", {"end": f"code:end_{closed.end}"}, ended)
            yield Act(index, t_ns, "emergency_close", closed.emergency, frozenset({closed.emergency}), (said,))
        elif entry.kind == "rejection":
            refused = Rejection.parse(body)
            values = {"what": f"code:act_{refused.what.replace('-', '_')}", "sentence": refused.sentence}
            said = _said("act_refused", values, at)
            yield Act(index, t_ns, "rejection", refused.digest_, frozenset({refused.digest_}), (said,))


def _plain(body: Mapping[str, object]) -> Mapping[str, object]:
    """The payload of an envelope, or the body itself where it is not signed."""
    if "payload" not in body:
        return body
    return parse_canonical(parse_base64(str(body["payload"])))
