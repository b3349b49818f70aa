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
from groundrule.api.seen import Sight, decisive, sight_of
from groundrule.api.spoken import Accepted, Language, language_of, told
from groundrule.api.terminal_facts import OutcomeWord, StateWord, newest_seen, number, register_row
from groundrule.api.times import when
from groundrule.evidence.render.words import vocabulary
from groundrule.instant import format_instant
from groundrule.pipeline.classes import CLASS_WORDS
from groundrule.pipeline.decided_rows import newest_decided
from groundrule.pipeline.decisions import STATE_WORDS
from groundrule.pipeline.live import FleetView, Live
from groundrule.records import OUTCOME_WORDS
from groundrule.rules.vocabulary import Vocabulary

WAIT_S: Final = 30.0
"""How long an answer may wait for the intake [s]."""


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
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[Terminal]:
    """List terminals that were decided at least once, by id.

    An owner sees those of the own accounts, a regulator those whose last decision was in its countries.
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
    return TerminalAnswer(name, None, None, None, None, None, None, None, [], None, None, None, [], None, False, register)



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
        _areas_shown(fleet.areas_of(row), sight),
    )  # fmt: skip


def _areas_shown(areas: tuple[str, ...] | list[str], sight: Sight) -> list[str]:
    if not sight.closed:
        return list(areas)
    return [each for each in areas if sight.areas is not None and each in sight.areas]


def _of_history(name: str, row: Mapping[str, Any], sight: Sight) -> Terminal:
    areas = [each["id"] for each in row["areas"]]
    return Terminal(
        name, row["outcome"], row["state"], None if sight.closed else row["rule"], decisive(row["reasons"]),
        format_instant(row["observed_at"]), number(row["lat_deg"]), number(row["lon_deg"]), _areas_shown(areas, sight),
    )  # fmt: skip


def _answered(
    held: Terminal, row: Mapping[str, Any], sight: Sight, register: dict[str, Any] | None, say: Vocabulary, *, stored: bool
) -> TerminalAnswer:
    reason = held.reason or ""
    kind = row.get("class")
    return TerminalAnswer(
        held.id, held.outcome, held.state, held.rule, held.reason, held.observed_at, held.lat, held.lon, held.areas,
        say.reason(reason), format_instant(row["decided_at"]), when(row["valid_until"]), list(row["obligations"]),
        kind if kind in CLASS_WORDS and not sight.closed else None, stored, register,
    )  # fmt: skip


HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (terminals, terminal_)
