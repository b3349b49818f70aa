"""Answers from what outside asked and told: requests, appeals, officials, conflicting obligations, contacts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import partial

from groundrule.evidence.dossier import Standing
from groundrule.evidence.oversight import Answer
from groundrule.govern.appeals import CORRECTED, is_appeal
from groundrule.govern.contacts import OFFICIAL_KINDS, is_late, lateness, nil_overdue
from groundrule.govern.logged import LoggedContact, LoggedRequest
from groundrule.govern.objects import RequestOutcome
from groundrule.govern.requests import clock, overdue
from groundrule.govern.signed import SELF, UNKNOWN
from groundrule.instant import format_instant
from groundrule.pipeline.oversight.sheet import Desk, Draft, not_answered

ADMINISTRATIONS = OFFICIAL_KINDS | {"international_org"}
_NOT_KNOWN = "not_known"


def _ungoverned(desk: Desk, question: str) -> Answer | None:
    if desk.bench.log is None:
        return not_answered(question, "no_log", "log")
    return None if desk.governed else not_answered(question, "no_charter", "charter")


def _requests(desk: Desk, *, appeals: bool) -> list[LoggedRequest]:
    """Requests that were logged in the interval."""
    held = desk.log.state.requests.values()
    return [each for each in held if desk.inside(each.t_ns) and is_appeal(each.request) is appeals]


def _last(logged: LoggedRequest) -> RequestOutcome | None:
    """The last outcome; the state holds nothing from after the interval."""
    return logged.outcomes[-1] if logged.outcomes else None


def _outcome(logged: LoggedRequest) -> str:
    outcome = _last(logged)
    return "pending" if outcome is None else outcome.outcome


def _kind(desk: Desk, party: str) -> str:
    return desk.bench.kind(party) or _NOT_KNOWN


def _name(desk: Desk, party: str) -> str:
    return desk.bench.name(party) or desk.bench.of(party)


def complaints(desk: Desk) -> Answer:
    """Appeals of owners: how many, what became of them, how long it took."""
    if (none := _ungoverned(desk, "complaints")) is not None:
        return none
    found = _requests(desk, appeals=True)
    draft = Draft("complaints", "how_complaints", sources=desk.log.sources("request") if found else ())
    write = partial(draft.figure, unit="appeals", open_=True)
    write("received", len(found))
    write("upheld", sum(_upheld(desk, each) for each in found))
    write("refused", sum(_outcome(each) == "refused" for each in found))
    write("withdrawn", sum(_outcome(each) == "withdrawn" for each in found))
    state = desk.log.state
    clocks = [clock(state, each, desk.until_ns) for each in found]
    write("unanswered", sum(not each.ended for each in clocks))
    write("overdue", sum(each.overdue for each in clocks))
    draft.count("by_outcome", "outcome", (_outcome(each) for each in found), open_=True)
    first = [each.outcomes[0].at - each.t_ns for each in found if each.outcomes]
    draft.seconds("answered_in", first, open_=True)
    draft.gap("complaints_elsewhere", "complaints_recorded")
    return draft.finished()


def _upheld(desk: Desk, logged: LoggedRequest) -> bool:
    """Whether an appeal led to another answer: it was corrected, or a change that names it is enacted."""
    outcome = _outcome(logged)
    state = desk.log.state
    enacted = any(
        logged.request.id in state.proposals[id_].proposal.requests for id_ in state.enacted
    )
    return outcome == CORRECTED or (outcome == "proposed" and enacted)


def upheld(desk: Desk) -> int | None:
    """Return how many appeals of the interval were upheld by its end; None where nothing tells."""
    if desk.bench.log is None or not desk.governed:
        return None
    return sum(_upheld(desk, each) for each in _requests(desk, appeals=True))


def administrations(desk: Desk) -> Answer:
    """Requests by administration: basis, terminals or areas, clock, outcome."""
    if (none := _ungoverned(desk, "administrations")) is not None:
        return none
    found = _requests(desk, appeals=False)
    draft = Draft("administrations", "how_administrations", sources=desk.log.sources("request") if found else ())
    kinds = [_kind(desk, each.request.requester) for each in found]
    draft.figure("requests", len(found), "requests", open_=True)
    draft.figure("from_administrations", sum(each in ADMINISTRATIONS for each in kinds), "requests")
    if unclear := sum(each in (_NOT_KNOWN, "unknown") for each in kinds):
        draft.gap("kind_not_known", "party_kind", str(unclear))
    ended = [clock(desk.log.state, each, desk.until_ns) for each in found]
    draft.figure("unanswered", sum(not each.ended for each in ended), "requests", open_=True)
    draft.figure("overdue", sum(each.overdue for each in ended), "requests", open_=True)
    draft.figure("without_basis", sum(each.request.legal_basis.kind == "none_stated" for each in found), "requests", open_=True)
    pairs = Counter((each.request.legal_basis.kind, _outcome(each)) for each in found)
    rows = [(basis, outcome, number) for (basis, outcome), number in sorted(pairs.items())]
    draft.table("by_basis", ("legal_basis", "outcome", "number"), rows, open_=True)
    draft.table(
        "by_administration",
        ("administration", "kind", "jurisdiction", "request", "received", "legal_basis", "reference", "asks", "terminals_named",
         "areas_named", "due", "outcome", "answered"),
        (_row(desk, each) for each in found if _kind(desk, each.request.requester) in ADMINISTRATIONS),
    )  # fmt: skip
    return draft.finished()


def _row(desk: Desk, logged: LoggedRequest) -> tuple[str | int | None, ...]:
    request, outcome = logged.request, _last(logged)
    record = desk.bench.parties.get(desk.bench.of(request.requester))
    return (
        _name(desk, request.requester),
        _kind(desk, request.requester),
        None if record is None else record.jurisdiction,
        request.id,
        format_instant(request.received_at),
        request.legal_basis.kind,
        request.legal_basis.reference,
        ", ".join(dict.fromkeys(each.op for each in request.ask)),
        len(terminals_named([logged])),
        sum(each.object.startswith(("area/", "area:", "country:")) for each in request.ask),
        format_instant(clock(desk.log.state, logged, desk.until_ns).due_ns),
        _outcome(logged),
        None if outcome is None else format_instant(outcome.at),
    )


def terminals_named(found: Iterable[LoggedRequest]) -> list[tuple[str, int]]:
    """Return the terminals that requests to deny name, each with the time of the record [ns]; `terminal/ID` or `terminal:ID`."""
    return [
        (ask.object[9:], logged.t_ns)
        for logged in found
        for ask in logged.request.ask
        if ask.op in ("deny", "restrict", "review") and ask.object.startswith(("terminal/", "terminal:")) and not is_appeal(logged.request)
    ]


def asked_to_deny(desk: Desk) -> list[tuple[str, int]] | None:
    """Return terminals that requests of the interval name to be denied; None where nothing tells."""
    if desk.bench.log is None or not desk.governed:
        return None
    return terminals_named(_requests(desk, appeals=False))


def refused_requests(desk: Desk) -> Answer:
    """Requests that were refused, because."""
    if (none := _ungoverned(desk, "refused_requests")) is not None:
        return none
    found = [
        (logged, outcome)
        for logged in desk.log.state.requests.values()
        for outcome in logged.outcomes
        if outcome.outcome == "refused" and desk.inside(outcome.at) and not is_appeal(logged.request)
    ]
    draft = Draft("refused_requests", "how_refused_requests", sources=desk.log.sources("request") if found else ())
    draft.figure("refused", len(found), "requests", open_=True)
    draft.table(
        "refused_because",
        ("administration", "request", "because", "at"),
        (
            (_name(desk, each.request.requester), each.request.id, outcome.outcome_reason, format_instant(outcome.at))
            for each, outcome in found
        ),
    )
    return draft.finished()


def conflicts(desk: Desk) -> Answer:
    """Obligations that contradict each other, and which was put first."""
    if (none := _ungoverned(desk, "conflicts")) is not None:
        return none
    found = [
        (logged, outcome)
        for logged in desk.log.state.requests.values()
        for outcome in logged.outcomes
        if outcome.conflicts and desk.inside(outcome.at)
    ]
    draft = Draft("conflicts", "how_conflicts", sources=desk.log.sources("request") if found else ())
    draft.figure("recorded_conflicts", len(found), "requests", open_=True)
    draft.table(
        "priorities",
        ("request", "legal_basis", "against", "outcome", "priority"),
        (
            (each.request.id, each.request.legal_basis.kind, ", ".join(outcome.conflicts), outcome.outcome, outcome.priority)
            for each, outcome in found
        ),
    )
    draft.gap("conflicts_not_noted", "conflicts_noted")
    return draft.finished()


def officials(desk: Desk) -> Answer:
    """Requests by officials, among them those not to act, and through whom they came."""
    if (none := _ungoverned(desk, "officials")) is not None:
        return none
    found = _requests(desk, appeals=False)
    official = [each for each in found if _kind(desk, each.request.requester) in OFFICIAL_KINDS or _behind(desk, each)]
    refrain = [each for each in found if any(ask.op == "refrain" for ask in each.request.ask)]
    draft = Draft("officials", "how_officials", sources=desk.log.sources("request") if found else ())
    draft.figure("by_officials", len(official), "requests")
    draft.figure("not_to_act", len(refrain), "requests", open_=True)
    draft.figure("not_to_act_by_officials", sum(each in official for each in refrain), "requests")
    draft.figure("conveyed", sum(each.request.conveyed_by is not None for each in found), "requests", open_=True)
    draft.figure("principal_unknown", sum(UNKNOWN in each.request.on_behalf_of for each in found), "requests", open_=True)
    draft.figure("followed_informally", sum(_outcome(each) == "informally_followed" for each in found), "requests", open_=True)
    draft.table(
        "official_requests",
        ("who", "kind", "jurisdiction", "behind", "asks", "request", "received", "outcome"),
        (_official(desk, each) for each in official),
    )
    draft.gap("own_jurisdiction", "own_jurisdiction_recorded")
    draft.gap("unrecorded_asks", "unrecorded_asks_need")
    return draft.finished()


def _behind(desk: Desk, logged: LoggedRequest) -> bool:
    return any(_kind(desk, each) in OFFICIAL_KINDS for each in logged.request.on_behalf_of if each not in (SELF, UNKNOWN))


def _official(desk: Desk, logged: LoggedRequest) -> tuple[str | None, ...]:
    request = logged.request
    record = desk.bench.parties.get(desk.bench.of(request.requester))
    behind = ", ".join(each if each in (SELF, UNKNOWN) else _name(desk, each) for each in request.on_behalf_of)
    return (
        _name(desk, request.requester),
        _kind(desk, request.requester),
        None if record is None else record.jurisdiction,
        behind,
        ", ".join(dict.fromkeys(each.op for each in request.ask)),
        request.id,
        format_instant(request.received_at),
        _outcome(logged),
    )


def contacts(desk: Desk) -> Answer:
    """The register of contacts: how many, how late, what is only alleged and what is disputed."""
    if (none := _ungoverned(desk, "contacts")) is not None:
        return none
    state = desk.log.state
    found = [each for each in state.contacts.values() if desk.inside(each.t_ns)]
    draft = Draft("contacts", "how_contacts", sources=desk.log.sources("contact", "contact-update"), cautions=("allegation_no_fact",))
    write = partial(draft.figure, unit="contacts")
    write("registered", len(found), open_=True)
    write("alleged", sum(each.allegation for each in found), open_=True)
    write("disputed", sum(each.status == "disputed" for each in found), open_=True)
    write("denied", sum(each.status == "denied" for each in found), open_=True)
    write("withdrawn", sum(each.status == "withdrawn" for each in found), open_=True)
    write("corroborated", sum(each.status == "corroborated" for each in found), open_=True)
    write("with_officials", sum(each.contact.counterparty_kind in OFFICIAL_KINDS for each in found), open_=True)
    write("told_an_authority", sum(bool(each.contact.disclosed_to) for each in found), open_=True)
    # Whether a counterparty is on a list is told by screenings of parties that an outsider knows by commitment only.
    write("late", sum(is_late(state, each) and _dated(each) for each in found), standing=Standing.INFERENCE)
    if undated := sum(not _dated(each) for each in found):
        draft.gap("contact_undated", "contact_dated", str(undated))
    draft.seconds("reported_after", [took for each in found if (took := _took(desk, each)) is not None])
    write("returns_overdue", len(nil_overdue(state, desk.until_ns)), unit="persons", standing=Standing.INFERENCE)
    draft.gap("unrecorded_contacts", "unrecorded_contacts_need")
    return draft.finished()


def _dated(logged: LoggedContact) -> bool:
    return logged.contact.occurred_from is not None or logged.contact.occurred_to is not None


def _took(desk: Desk, logged: LoggedContact) -> int | None:
    charter = desk.log.state.charter
    assert charter is not None
    return lateness(logged.contact, charter.limits, candidate=False).took_ns


def overdue_requests(desk: Desk) -> tuple[str, ...]:
    """Return requests without a final outcome after their days, at the end of the interval."""
    return overdue(desk.log.state, desk.until_ns)
