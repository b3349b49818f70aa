"""Cases: signals about the same thing, for a person to judge; signals; and how often each detector errs.

All of this is for the operator's own people. Owners and regulators never read it: an open case is no finding, and the name of a
detector teaches how to pass it.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import get, post
from litestar.params import JSONBody, Parameter, QueryParameter
from litestar.types import ControllerRouterHandler

from groundrule.api.given import GivenLive, GivenPrincipal, GivenService
from groundrule.api.paging import Cursor, Limit, Page, decode_cursor, encode_cursor, page_of
from groundrule.api.paths import Id, id_of, missing
from groundrule.api.times import instant_of
from groundrule.detect.case_states import DISMISSALS, OPEN, WHATS
from groundrule.detect.cases import Case
from groundrule.detect.rates import rate_of
from groundrule.detect.signals import KINDS, Signal, signals_of
from groundrule.errors import InputError
from groundrule.instant import MAX_NS, MIN_NS, format_instant
from groundrule.pipeline.case_desk import CaseDesk
from groundrule.store.signals import SIGNALS

StateWord = Literal["open", "assigned", "confirmed", "dismissed", "reopened"]
ActWord = Literal["assign", "release", "confirm", "dismiss", "reopen", "note"]
LOOKED_AT: Final = 20_000
"""Signals that are read for one page at most; a reader who sees few of them goes on with the cursor."""
MOST_SIGNALS: Final = 1_000
"""Signals that one case is shown with; all are counted."""
MAX_TEXT: Final = 2_000

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_TEXT)]


class Number(msgspec.Struct):
    """A number that a detector found, with its unit."""

    name: str
    value: float
    unit: str


class Seen(msgspec.Struct):
    """An observation that a signal rests on.

    Attributes:
        at: when. terminal: whose, where it is not the signal's own. lat, lon: position [degree].
    """

    at: str
    terminal: str | None
    lat: float | None
    lon: float | None


class SignalRow(msgspec.Struct):
    """One signal: a finding about one terminal, never a verdict.

    Attributes:
        id: digest. kind, cause: what was found, and what it rests on; two signals of one cause are one.
        terminal: whom it is about. group: what else: an account, a place, a convoy.
        raised_at, from_at, until_at: when it was raised, its first observation, and when it no longer counts.
        strength: 0 to 1. basis: `calibrated` or `rule_of_thumb`.
        lat, lon: where [degree]. found: numbers. observations: what it rests on.
    """

    id: str
    kind: str
    cause: str
    terminal: str
    group: str | None
    raised_at: str
    from_at: str
    until_at: str
    strength: float
    basis: Literal["calibrated", "rule_of_thumb"]
    lat: float | None
    lon: float | None
    found: list[Number]
    observations: list[Seen]


class CaseRow(msgspec.Struct):
    """A case.

    Attributes:
        id: names its first signal; an id that it had before it grew still finds it.
        state: where it stands. since: since when. assignee: who looks at it. reason: of its dismissal or reopening.
        weight: what its independent causes make together [0 to 1]. kinds: of its signals.
        terminals: whom it is about, the first 100. terminal_count, signal_count: of all. groups: accounts, places, convoys.
        from_at, until_at: its first observation, and when its last signal no longer counts.
        lat, lon: where its strongest signal was [degree].
    """

    id: str
    state: StateWord
    since: str
    assignee: str | None
    reason: str | None
    weight: float
    kinds: list[str]
    terminals: list[str]
    terminal_count: int
    signal_count: int
    groups: list[str]
    from_at: str
    until_at: str
    lat: float | None
    lon: float | None


class ActRow(msgspec.Struct):
    """What a person did with a case.

    Attributes:
        id: unique. at: when. by: who. what: the act. to: whom it was assigned to. reason: of a dismissal, or a note.
        covers: signals that were seen, for a decision.
    """

    id: str
    at: str
    by: str
    what: ActWord
    to: str | None
    reason: str | None
    covers: int


class CaseShown(CaseRow):
    """A case with everything that it rests on, and what can be done with it.

    Attributes:
        signals: in order of time, at most 1,000. acts: in order. can: what can be done now.
    """

    signals: list[SignalRow]
    acts: list[ActRow]
    can: list[ActWord]


class NewAct(msgspec.Struct, forbid_unknown_fields=True):
    """Something that a person does with a case.

    Attributes:
        what: the act. to: whom it is assigned to. reason: of a dismissal one of its reasons (`/v1/behaviours` lists them), else a note.
        seen: ids of the signals that the person saw; all of the case where it is not given.
    """

    what: ActWord
    to: Text | None = None
    reason: Text | None = None
    seen: Annotated[list[Annotated[str, msgspec.Meta(max_length=64)]], msgspec.Meta(max_length=100_000)] | None = None


class Measured(msgspec.Struct):
    """How often a detector errs, as measured beforehand.

    Attributes:
        false_alarms: counted. terminal_days: over so many [d]. per_day, upper95: the rate and what can be claimed [1/d].
        on: what the innocents were. recall: share of simulated misuse that was found.
        posterior: probability that a terminal with this signal is misused so, at the base rate that was asked for.
    """

    false_alarms: int
    terminal_days: float
    per_day: float
    upper95: float
    on: str
    recall: float | None
    posterior: float | None


class Behaviour(msgspec.Struct):
    """One kind of signal.

    Attributes:
        kind: its name. cause: what it rests on. lasting_s: how long it counts [s]. basis: of its strength.
        measured: beforehand; null where it was not. confirmed, false_alarms, undecided: terminals of the cases here.
    """

    kind: str
    cause: str
    lasting_s: float
    basis: Literal["calibrated", "rule_of_thumb"]
    measured: Measured | None
    confirmed: int
    false_alarms: int
    undecided: int


class Behaviours(msgspec.Struct):
    """All kinds of signals, and the reasons with which a case is dismissed, each with its sentence."""

    base_rate: float
    items: list[Behaviour]
    dismissals: dict[str, str]


States = Annotated[list[StateWord] | None, QueryParameter(name="state", description="Only in these states; else those that wait.")]
Kinds = Annotated[list[str] | None, Parameter(max_items=len(KINDS), description="Only with a signal of these kinds.")]
Terminal = Annotated[str | None, Parameter(max_length=200, description="Only about this terminal.")]


@get("/v1/cases", opt={"permission": "cases:read"}, summary="Cases, those that weigh most first", sync_to_thread=True)
def cases(
    service: GivenService,
    principal: GivenPrincipal,
    in_states: States = None,
    kind: Kinds = None,
    terminal: Terminal = None,
    assignee: Annotated[str | None, Parameter(max_length=200, description="Only those assigned to this person.")] = None,
    hidden: Annotated[bool, Parameter(description="Also those that weigh too little to be shown.")] = False,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[CaseRow]:
    """List cases."""
    _known_kinds(kind)
    found = service.case_desk(principal.tenant).cases(
        states=in_states or OPEN, kinds=kind or None, terminal=terminal, assignee=assignee, hidden=hidden
    )
    return page_of([_row(case) for case in found], limit, cursor)


@get("/v1/cases/{case_id:str}", opt={"permission": "cases:read"}, summary="One case, with what it rests on", sync_to_thread=True)
def case_(service: GivenService, principal: GivenPrincipal, case_id: Id) -> CaseShown:
    """Give one case with its signals and what was done with it."""
    return _shown(_found(service.case_desk(principal.tenant), case_id))


@post("/v1/cases/{case_id:str}/acts", opt={"permission": "cases:write"}, status_code=201, summary="Do something with a case")
async def act(data: JSONBody[NewAct], live: GivenLive, service: GivenService, principal: GivenPrincipal, case_id: Id) -> CaseShown:
    """Assign, release, confirm, dismiss or reopen a case, or write a note. Nothing is switched: what follows is a proposed change.

    Signals that a dismissal says were false alarms count for no rule from then on, until the case is opened again.
    """
    desk = service.case_desk(principal.tenant)
    if data.what not in WHATS:
        raise AssertionError(data.what)

    def done() -> CaseShown:
        case = _found(desk, case_id)
        after = desk.act(case.id, data.what, by=principal.id, at_ns=service.clock(), to=data.to, reason=data.reason, seen=data.seen)
        if live.detection is not None:
            live.detection.look_at_cases()
        return _shown(after)

    return await asyncio.to_thread(done)


@get("/v1/signals", opt={"permission": "cases:read"}, summary="Signals, the newest first", sync_to_thread=True)
def signals(
    live: GivenLive,
    kind: Kinds = None,
    terminal: Terminal = None,
    from_: Annotated[str | None, QueryParameter(name="from", max_length=40, description="Raised at this instant or later.")] = None,
    until: Annotated[str | None, Parameter(max_length=40, description="Raised before this instant.")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[SignalRow]:
    """List signals."""
    _known_kinds(kind)
    wanted = set(kind or KINDS)
    low = MIN_NS if from_ is None else instant_of(from_, "from")
    high = MAX_NS if until is None else instant_of(until, "until")
    position = decode_cursor(cursor, _is_place)
    before: tuple[int, str, str] | None = None if position is None else (position[0], position[1], position[2])
    items: list[SignalRow] = []
    looked, step = 0, max(2 * limit, 200)
    while looked < LOOKED_AT:
        found = signals_of(SIGNALS.newest(live.home, step, terminal=terminal, before=before, from_ns=low, until_ns=high))
        for signal in found:
            if len(items) == limit:
                return Page(items, encode_cursor(before))
            before = (signal.raised_at, signal.terminal_id, signal.id)
            if signal.kind in wanted:
                items.append(_signal(signal))
        looked += len(found)
        if len(found) < step:
            return Page(items, None)
    return Page(items, encode_cursor(before))


@get("/v1/behaviours", opt={"permission": "cases:read"}, summary="What detectors look for, and how often they err", sync_to_thread=True)
def behaviours(
    service: GivenService,
    principal: GivenPrincipal,
    base_rate: Annotated[
        float, Parameter(ge=0.0, le=1.0, description="Share of terminals that are misused on a day, for the posterior.")
    ] = 1e-4,
) -> Behaviours:
    """List every kind of signal with its error rates: measured beforehand, and on the cases that were decided here."""
    decided = service.case_desk(principal.tenant).rates()
    items = []
    for kind in KINDS.values():
        rate, here = rate_of(kind.name), decided.get(kind.name)
        measured = None
        if rate is not None:
            measured = Measured(
                rate.events, rate.terminal_days, rate.per_terminal_day, rate.upper95, rate.measured_on, rate.recall,
                rate.posterior(base_rate),
            )  # fmt: skip
        counts = (0, 0, 0) if here is None else (here.confirmed, here.false_alarms, here.undecided)
        items.append(Behaviour(kind.name, kind.cause, kind.lasting_s, _basis(kind.name), measured, *counts))
    return Behaviours(base_rate, items, dict(DISMISSALS))


def _found(desk: CaseDesk, case_id: str) -> Case:
    name = id_of(case_id, "case")
    try:
        return desk.find(name)
    except InputError:
        raise missing("case", name) from None


def _known_kinds(kinds: list[str] | None) -> None:
    for kind in kinds or ():
        if kind not in KINDS:
            raise InputError(f"there is no signal `{kind[:60]}`", help=f"known are {', '.join(KINDS)}", field="kind", value=kind[:60])


def _is_place(position: Any) -> bool:
    return isinstance(position, list) and len(position) == 3 and [type(each) for each in position] == [int, str, str]


def _basis(kind: str) -> Literal["calibrated", "rule_of_thumb"]:
    return "calibrated" if kind in KINDS and KINDS[kind].learned else "rule_of_thumb"


def _signal(signal: Signal) -> SignalRow:
    seen = [
        Seen(format_instant(each.observed_at), each.terminal_id, each.lat_deg, each.lon_deg) for each in signal.offending
    ]
    return SignalRow(
        signal.id, signal.kind, KINDS[signal.kind].cause, signal.terminal_id, signal.group, format_instant(signal.raised_at),
        format_instant(signal.from_at), format_instant(signal.until_at), signal.strength, _basis(signal.kind), signal.lat_deg,
        signal.lon_deg, [Number(*each) for each in signal.found], seen,
    )  # fmt: skip


def _row(case: Case) -> CaseRow:
    course = case.course
    placed = max((one for one in case.signals if one.lat_deg is not None), key=lambda one: one.strength, default=None)
    return CaseRow(
        case.id, course.state,  # type: ignore[arg-type]  # one of STATES
        format_instant(course.since_ns), course.assignee, course.reason, case.weight, list(case.kinds),
        list(case.terminals[:100]), len(case.terminals), len(case.signals), list(case.groups[:100]), format_instant(case.from_at),
        format_instant(case.until_at), None if placed is None else placed.lat_deg, None if placed is None else placed.lon_deg,
    )  # fmt: skip


def _shown(case: Case) -> CaseShown:
    acts = [
        ActRow(each.id, format_instant(each.at_ns), each.by, each.what, each.to, each.reason, len(each.covers))  # type: ignore[arg-type]  # acts that counted have such words
        for each in case.course.acts
    ]
    told = [_signal(one) for one in case.signals[:MOST_SIGNALS]]
    can: list[Any] = list(case.course.can)
    return CaseShown(**msgspec.structs.asdict(_row(case)), signals=told, acts=acts, can=can)


HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (cases, case_, act, signals, behaviours)
