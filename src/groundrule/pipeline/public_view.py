"""What everybody may see of a home, without a login: what stands in the public log, and what was published with small groups left out.

Three sources and no other: published daily aggregates that the log names by digest; the governing entries of the log, folded; and the
log's promises to open what is sealed. Nothing is counted anew over terminals, so nothing follows that did not follow from these.

Who asked for something stands in the log under an id or a commitment. Bodies with a public role are named in public dossiers, so how
often they asked is told by jurisdiction; of everybody else only the total is.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from groundrule.evidence.readers import PUBLIC_BODIES
from groundrule.govern.appeals import is_appeal
from groundrule.govern.emergency import COUNTED_DAYS, active, opened_in, overdue_reviews
from groundrule.govern.requests import clock, overdue
from groundrule.govern.signed import UNKNOWN, parse_time
from groundrule.govern.state import State
from groundrule.instant import NS_PER_DAY, NS_PER_S
from groundrule.ledger.reader import read_log
from groundrule.pipeline.aggregates import WHAT as AGGREGATE
from groundrule.pipeline.aggregates import aggregates_folder
from groundrule.pipeline.governance_view import read_state
from groundrule.pipeline.home_ledger import has_ledger, log_folder
from groundrule.pipeline.parties import all_parties
from groundrule.store.home import Home

DAYS_SHOWN: Final = 92


@dataclass(frozen=True, slots=True)
class Day:
    """The published aggregates of one day.

    Attributes:
        day: `YYYY-MM-DD`, UTC.
        sha256: of the file, as the log names it [64 hex digits].
        entry: of the log that names it.
        rows: area, outcome, rule and rounded number of terminals.
    """

    day: str
    sha256: str
    entry: int
    rows: tuple[tuple[str, str, str, int], ...]


@dataclass(frozen=True, slots=True)
class Disclosure:
    """Something that the log holds sealed, and the day on which it must be opened.

    Attributes:
        commitment: base64.
        kind: in public words.
        entry: of the log.
        disclose_by_ns, opened_at_ns: [ns, UTC].
        overdue_days: whole days beyond its time; None where it is not overdue.
    """

    commitment: str
    kind: str
    entry: int
    disclose_by_ns: int
    opened_at_ns: int | None
    overdue_days: int | None


@dataclass(frozen=True, slots=True)
class Power:
    """An emergency.

    Attributes:
        id, condition, direction, ops, areas: as the log says.
        terminals: how many it names; which ones nobody can tell from the log.
        opened_at_ns, until_ns, review_due_ns: [ns, UTC].
        active: it is in force.
        closed: how it ended, if it did.
        review: verdict of its review, if there is one.
        overdue: its review is.
    """

    id: str
    condition: str
    direction: str
    ops: tuple[str, ...]
    areas: tuple[str, ...]
    terminals: int
    opened_at_ns: int
    until_ns: int
    review_due_ns: int
    active: bool
    closed: str | None
    review: str | None
    overdue: bool


@dataclass(frozen=True, slots=True)
class PublicView:
    """What everybody may see.

    Attributes:
        governed: there is a charter. charter_version, charter_until_ns, policy: of it.
        days: published aggregates, newest first.
        disclosures: open ones first by their day, then those that were opened.
        reviews_overdue: ids of what waits for a review beyond its time.
        emergencies: newest first. emergencies_30_days: how many were opened in the last 30 days.
        statistics: counts by name that whoever has the log can make.
        by_basis: requests by legal basis and outcome.
        by_public_bodies: requests of bodies with a public role, by jurisdiction.
    """

    governed: bool = False
    charter_version: int | None = None
    charter_until_ns: int | None = None
    policy: str | None = None
    days: tuple[Day, ...] = ()
    disclosures: tuple[Disclosure, ...] = ()
    reviews_overdue: tuple[str, ...] = ()
    emergencies: tuple[Power, ...] = ()
    emergencies_30_days: int = 0
    statistics: Mapping[str, int] = field(default_factory=dict)
    by_basis: Mapping[tuple[str, str], int] = field(default_factory=dict)
    by_public_bodies: Mapping[str, int] = field(default_factory=dict)


def public_view(home: Home, *, now_ns: int) -> PublicView:
    """Return what everybody may see of a home at an instant [ns, UTC]; empty where there is no log.

    Raises:
        IntegrityError: the log cannot be read.
    """
    if not has_ledger(home):
        return PublicView()
    head = read_log(log_folder(home)).head
    size = 0 if head is None else head.size
    # What waits to be published is not public yet.
    state = read_state(home).as_of(size)
    charter = state.charter
    late = overdue_reviews(state, now_ns) if charter else ()
    return PublicView(
        charter is not None,
        charter.version if charter else None,
        charter.expires if charter else None,
        state.policy_digest,
        _days(home, state),
        _disclosures(state, now_ns),
        late,
        _powers(state, now_ns, late),
        opened_in(state, now_ns, COUNTED_DAYS) if charter else 0,
        _statistics(state, now_ns) if charter else {},
        Counter((each.request.legal_basis.kind, each.outcome) for each in state.requests.values() if not is_appeal(each.request)),
        _bodies(home, state),
    )


def _days(home: Home, state: State) -> tuple[Day, ...]:
    named = {
        str(each.body.get("day")): (each.index, str(each.body.get("sha256")))
        for each in state.entries
        if each.kind == "evidence" and each.body.get("what") == AGGREGATE
    }
    found = []
    for day in sorted(named, reverse=True)[:DAYS_SHOWN]:
        path = aggregates_folder(home) / f"{day}.json"
        data = path.read_bytes() if path.is_file() else b""
        index, digest = named[day]
        # What is not what the log names is not shown; `groundrule oversight` tells the operator.
        if sha256(data).hexdigest() == digest:
            rows = tuple((row["area"], row["outcome"], row["rule"], int(row["terminals"])) for row in json.loads(data)["rows"])
            found.append(Day(day, digest, index, rows))
    return tuple(found)


def _disclosures(state: State, now_ns: int) -> tuple[Disclosure, ...]:
    opened = {str(each.body["commitment"]): each.t_ns for each in state.entries if each.kind == "unsealed"}
    made = []
    for each in state.entries:
        if each.kind == "sealed":
            due, at = parse_time(str(each.body["disclose_by"])), opened.get(str(each.body["commitment"]))
            late = (now_ns - due) // NS_PER_DAY if at is None and due < now_ns else None
            made.append(Disclosure(str(each.body["commitment"]), str(each.body["kind"]), each.index, due, at, late))
    return tuple(sorted(made, key=lambda each: (each.opened_at_ns is not None, each.disclose_by_ns, each.commitment)))


def _powers(state: State, now_ns: int, late: tuple[str, ...]) -> tuple[Power, ...]:
    running = {each.id for each in active(state, now_ns)}
    found = []
    for logged in reversed(state.emergencies.values()):
        each = logged.emergency
        found.append(
            Power(
                each.id, each.condition, each.direction, tuple(each.scope.ops), tuple(each.scope.areas), len(each.scope.terminals),
                each.opened_at, each.opened_at + each.ttl_s * NS_PER_S, each.review_due, each.id in running,
                logged.closed.end if logged.closed else None, state.verdict_on(each.id), each.id in late,
            )
        )  # fmt: skip
    return tuple(found)


def _statistics(state: State, now_ns: int) -> dict[str, int]:
    requests = [each for each in state.requests.values() if not is_appeal(each.request)]
    appeals = [each for each in state.requests.values() if is_appeal(each.request)]
    clocks = [clock(state, each, now_ns) for each in requests]
    late = set(overdue(state, now_ns))
    return {
        "proposals": len(state.proposals),
        "enactments": len(state.enactments),
        "rejected_proposals": len(state.rejected),
        "refused_acts": len(state.rejections),
        "requests": len(requests),
        "requests_unanswered": sum(not each.ended for each in clocks),
        "requests_overdue": sum(each.overdue for each in clocks),
        "requests_not_to_act": sum(any(ask.op == "refrain" for ask in each.request.ask) for each in requests),
        "requests_conveyed": sum(each.request.conveyed_by is not None for each in requests),
        "requests_principal_unknown": sum(UNKNOWN in each.request.on_behalf_of for each in requests),
        "requests_without_basis": sum(each.request.legal_basis.kind == "none_stated" for each in requests),
        "requests_followed_informally": sum(each.outcome == "informally_followed" for each in requests),
        "requests_refused": sum(each.outcome == "refused" for each in requests),
        "appeals": len(appeals),
        "appeals_overdue": sum(each.request.id in late for each in appeals),
        "contacts": len(state.contacts),
        "contacts_alleged": sum(each.allegation for each in state.contacts.values()),
        "contacts_disputed": sum(each.status == "disputed" for each in state.contacts.values()),
        "screenings": len(state.screenings),
        "violations": len(state.violations),
    }


def _bodies(home: Home, state: State) -> dict[str, int]:
    """Requests of bodies with a public role by jurisdiction; `unknown` where none is registered."""
    known = {each.id: each for each in all_parties(home)}
    found: Counter[str] = Counter()
    for logged in state.requests.values():
        record = known.get(state.party_of(logged.request.requester))
        if record is not None and record.kind in PUBLIC_BODIES and not is_appeal(logged.request):
            found[record.jurisdiction or "unknown"] += 1
    return dict(sorted(found.items()))
