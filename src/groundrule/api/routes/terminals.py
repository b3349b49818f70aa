"""Terminals, and what they were answered last."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from litestar import Response, get
from litestar.params import Parameter, QueryParameter
from litestar.types import ControllerRouterHandler

from groundrule.api.given import GivenLive, GivenPrincipal
from groundrule.api.paging import Cursor, Limit, Page, decode_cursor, encode_cursor
from groundrule.api.paths import Id, id_of, missing
from groundrule.api.problems import Refused
from groundrule.api.seen import Sight, decisive, sight_of
from groundrule.api.spoken import Accepted, Language, language_of, told
from groundrule.api.terminal_choice import Choices, Wanted, by_kind, counted, place_in
from groundrule.api.terminal_facts import OutcomeWord, StateWord, newest_seen, number, register_row
from groundrule.api.times import when
from groundrule.evidence.render.words import vocabulary
from groundrule.instant import format_instant
from groundrule.pipeline.classes import CLASS_WORDS
from groundrule.pipeline.decided_rows import newest_decided
from groundrule.pipeline.decisions import STATE_WORDS
from groundrule.pipeline.live import FleetView, Live
from groundrule.records import OUTCOME_WORDS
from groundrule.rules.evidence import Profile
from groundrule.rules.vocabulary import Vocabulary

WAIT_S: Final = 30.0
"""How long an answer may wait for the intake [s]."""


class Kind(msgspec.Struct):
    """As what a terminal is registered. Nothing here says what it is fixed to: that no register knows.

    Attributes:
        plan, purpose: of the register; null where it says nothing.
        programmes: in which it takes part.
        protected_class: hospital, emergency, …; null for none.
    """

    plan: str | None
    purpose: str | None
    programmes: list[str]
    protected_class: str | None


class Terminal(msgspec.Struct):
    """A terminal and its last answer.

    Attributes:
        id: of the terminal.
        outcome, state: of the last answer; null for one that is registered and was never decided.
        rule: deciding rule; null for readers who do not see rules.
        reason: code of the decisive reason.
        observed_at: of the observation that was answered.
        lat, lon: where it was [degree]; null if unknown.
        areas: ids of the areas in which it is, or may be; for a regulator, of its own countries.
        speed_m_s: how fast it moved then [m/s]; null if unknown, and for owners and regulators.
        kind: as what it is registered now; null where it is not registered, and for owners and regulators.
    """

    id: str
    outcome: OutcomeWord | None
    state: StateWord | None
    rule: str | None
    reason: str | None
    observed_at: str | None
    lat: float | None
    lon: float | None
    areas: list[str]
    speed_m_s: float | None
    kind: Kind | None


class TerminalAnswer(Terminal):
    """A terminal with all that a reader may see of its last answer and its place in the register.

    Attributes:
        reason_sentence: the reason in words.
        decided_at, valid_until: of the answer.
        obligations: what binds whoever is served.
        class_: what an outage may do to it: `protected`, `ordinary`, `conflict`; null for owners and regulators.
        stored: the answer is in a run; what was acknowledged a moment ago is not yet.
        register: its row in the register, as far as the reader may see it; null where it is not registered.
    """

    reason_sentence: str | None
    decided_at: str | None
    valid_until: str | None
    obligations: list[str]
    class_: Literal["protected", "ordinary", "conflict"] | None = msgspec.field(name="class")
    stored: bool
    register: dict[str, str | float | int | bool | None] | None


@get("/v1/terminals", opt={"permission": "terminals:read"}, sync_to_thread=True, summary="Terminals and their last answers")
def terminals(
    live: GivenLive,
    principal: GivenPrincipal,
    q: Annotated[str | None, Parameter(max_length=200, description="Part of an id.")] = None,
    outcome: Annotated[OutcomeWord | None, Parameter(description="Only with this outcome.")] = None,
    state_: Annotated[StateWord | None, QueryParameter(name="state", description="Only with this state.")] = None,
    area: Annotated[str | None, Parameter(max_length=200, description="Only in this area, or on its edge.")] = None,
    reason: Annotated[str | None, Parameter(max_length=100, description="Only with this code of the decisive reason.")] = None,
    rule: Annotated[str | None, Parameter(max_length=200, description="Only decided by this rule.")] = None,
    plan: Annotated[str | None, Parameter(max_length=200, description="Only registered with this plan.")] = None,
    purpose: Annotated[str | None, Parameter(max_length=200, description="Only registered for this purpose.")] = None,
    programme: Annotated[str | None, Parameter(max_length=200, description="Only in this programme; `none` is in none.")] = None,
    protected: Annotated[str | None, Parameter(max_length=200, description="Only of this protected class; `none` is of none.")] = None,
    faster: Annotated[
        float | None, QueryParameter(name="faster_than_km_h", ge=0, le=100_000, description="Only if it moved faster [km/h].")
    ] = None,
    slower: Annotated[
        float | None, QueryParameter(name="slower_than_km_h", ge=0, le=100_000, description="Only if it moved slower [km/h].")
    ] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[Terminal]:
    """List terminals that were decided at least once, by id.

    An owner sees those of the own accounts, a regulator those whose last decision was in its countries. By rule, speed and kind
    only the operator's side may choose.
    """
    fleet, sight = live.fleet(), sight_of(live, principal)
    after = decode_cursor(cursor, lambda found: isinstance(found, str))
    shown = np.ones(len(fleet), bool)
    if (seen := sight.of_fleet(fleet)) is not None:
        shown &= seen
    if outcome is not None:
        shown &= fleet.outcome == OUTCOME_WORDS.index(outcome)
    if state_ is not None:
        shown &= fleet.state == STATE_WORDS.index(state_)
    if area is not None:
        # What an area is to whom follows from who sees it: a closed reader may ask for the areas of its countries alone.
        shown &= fleet.inside(frozenset({area}) if sight.areas is None else sight.areas.intersection({area}))
        if sight.held is not None:
            shown[:] = False
    if reason is not None:
        shown &= fleet.reason == place_in(fleet.reasons, reason)
    inner = Wanted(rule, plan, purpose, programme, protected, faster, slower)
    if inner != Wanted():
        if sight.closed:
            raise Refused(
                403, "your roles do not choose terminals by rule, speed or kind", code="not_allowed", help="leave these filters out"
            )
        shown &= inner.of(fleet)
    if q:
        shown &= pc.match_substring(fleet.ids, q, ignore_case=True).to_numpy(zero_copy_only=False)
    rows = np.flatnonzero(shown)
    names = fleet.ids.take(pa.array(rows))
    if after is not None:
        rows = rows[pc.greater(names, pa.scalar(after, pa.string())).to_numpy(zero_copy_only=False)]
        names = fleet.ids.take(pa.array(rows))
    # Only one page is wanted, and a whole fleet need not be sorted for it.
    first = pc.select_k_unstable(names, k=min(limit + 1, len(names)), sort_keys=[("", "ascending")]).to_numpy() if len(names) else []
    chosen = rows[first] if len(rows) else rows
    items = [_row(fleet, int(row), sight) for row in chosen[:limit]]
    return Page(items, encode_cursor(items[-1].id) if len(chosen) > limit else None)


@get("/v1/terminal-choices", opt={"permission": "terminals:read"}, sync_to_thread=True, summary="By what terminals can be chosen")
def choices(live: GivenLive, principal: GivenPrincipal) -> Choices:
    """Count the terminals that the reader sees by all that they can be chosen by, the most frequent first."""
    fleet, sight = live.fleet(), sight_of(live, principal)
    seen = sight.of_fleet(fleet)
    reasons = counted(fleet.reasons, fleet.reason, seen)
    if sight.closed:
        return Choices(reasons)
    return Choices(
        reasons, counted(fleet.rules, fleet.rule, seen), by_kind(fleet, lambda each: (each.plan,)),
        by_kind(fleet, lambda each: (each.purpose,)), by_kind(fleet, lambda each: each.programmes),
        by_kind(fleet, lambda each: (each.protected_class,)),
    )  # fmt: skip


@get("/v1/terminals/{terminal:str}", opt={"permission": "terminals:read"}, sync_to_thread=True, summary="One terminal")
def terminal_(
    live: GivenLive, principal: GivenPrincipal, terminal: Id, language: Language = None, accepted: Accepted = None
) -> Response[TerminalAnswer]:
    """Give the last answer of a terminal, and its row in the register as far as the reader may see it."""
    wanted = language_of(language, accepted)
    return told(_one(live, id_of(terminal, "terminal"), sight_of(live, principal), vocabulary(wanted)), wanted)


def _one(live: Live, name: str, sight: Sight, say: Vocabulary) -> TerminalAnswer:
    fleet = live.fleet()
    row = sight.row_of(fleet, name)
    register = register_row(live, name, sight)
    if row >= 0:
        answer = live.present([name]).result(WAIT_S).to_pylist()[0]
        stored = not live.status().pending_rows or _stored_until(live, name) >= int(answer["observed_at"])
        return _answered(_row(fleet, row, sight), answer, sight, register, say, stored=stored)
    if sight.closed:
        # What was decided last is not seen; what was before may be.
        history, _ = newest_seen(live, name, sight, 1)
        if len(history):
            last = history.slice(len(history) - 1).to_pylist()[0]
            return _answered(_of_history(name, last, sight), last, sight, register, say, stored=True)
    if register is None:
        raise missing("terminal", name)
    return TerminalAnswer(
        name, None, None, None, None, None, None, None, [], None, None, None, None, None, [], None, False, register
    )  # fmt: skip


def _stored_until(live: Live, name: str) -> int:
    """Return when the last stored decision about a terminal was observed [ns, UTC]; 0 where there is none."""
    found, _ = newest_decided(live.home, name, 1, columns=())
    return int(found.column("observed_at")[-1].as_py()) if len(found) else 0


def _row(fleet: FleetView, row: int, sight: Sight) -> Terminal:
    closed = sight.closed
    return Terminal(
        fleet.ids[row].as_py(), OUTCOME_WORDS[fleet.outcome[row]], STATE_WORDS[fleet.state[row]],
        None if closed else fleet.rules[fleet.rule[row]], fleet.reasons[fleet.reason[row]],
        format_instant(int(fleet.observed_at_ns[row])), number(fleet.lat_deg[row]), number(fleet.lon_deg[row]),
        _areas_shown(fleet.areas_of(row), sight), None if closed else number(round(float(fleet.speed_m_s[row]), 2)),
        None if closed else _kind(fleet.registered_as(row)),
    )  # fmt: skip


def _kind(known: Profile | None) -> Kind | None:
    if known is None:
        return None
    protected = known.protected_class
    return Kind(known.plan, known.purpose, list(known.programmes), None if protected in (None, "none") else protected)


def _areas_shown(areas: tuple[str, ...] | list[str], sight: Sight) -> list[str]:
    if not sight.closed:
        return list(areas)
    return [each for each in areas if sight.areas is not None and each in sight.areas]


def _of_history(name: str, row: Mapping[str, Any], sight: Sight) -> Terminal:
    areas = [each["id"] for each in row["areas"]]
    return Terminal(
        name, row["outcome"], row["state"], None if sight.closed else row["rule"], decisive(row["reasons"]),
        format_instant(row["observed_at"]), number(row["lat_deg"]), number(row["lon_deg"]), _areas_shown(areas, sight),
        None, None,
    )  # fmt: skip


def _answered(
    held: Terminal, row: Mapping[str, Any], sight: Sight, register: dict[str, Any] | None, say: Vocabulary, *, stored: bool
) -> TerminalAnswer:
    reason = held.reason or ""
    kind = row.get("class")
    return TerminalAnswer(
        held.id, held.outcome, held.state, held.rule, held.reason, held.observed_at, held.lat, held.lon, held.areas,
        held.speed_m_s, held.kind, say.reason(reason), format_instant(row["decided_at"]), when(row["valid_until"]),
        list(row["obligations"]),
        kind if kind in CLASS_WORDS and not sight.closed else None, stored, register,
    )  # fmt: skip


HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (terminals, choices, terminal_)
