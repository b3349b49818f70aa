"""Straw registrations and risk by acquaintance, with coerced registrants, families, companies and donors beside them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundrule.detect.accounts import AccountSettings, account_signals, risks
from groundrule.detect.rows import Facts
from groundrule.detect.signals import Offending, Signal
from groundrule.detect.state import distance_m
from groundrule.detect.straw import MOST_QUOTED, Registrations, _Body
from groundrule.detect.ties import Ties
from groundrule.detect.whereabouts import Whereabouts
from place_rows import START_S, Told, facts, name, places, rows_of, stays

DAY = 86_400


def watched(told: Told, known: Facts, ties: Ties | None = None, cuts: tuple[int, ...] = ()) -> list[Signal]:
    where, watch, rows = places(), Whereabouts(), rows_of(told)
    straw = Registrations(watch, ties=None if ties is None else lambda _: ties)
    signals: list[Signal] = []
    for begin, end in zip([0, *cuts], [*cuts, len(rows)], strict=True):
        part = rows.part(begin, end)
        watch.update(part, known, where, name)
        signals += straw.update(part, known, where, name)
    return signals


def held(count: int, party: int | list[int] = 0, **about: object) -> Facts:
    """Devices of one party, registered in Lviv."""
    made = facts(count, **{"activation": "UA", "account": "UA", **about})  # type: ignore[arg-type]  # keywords of facts
    made.party[:] = party
    made.account[:] = party
    made.home_lat_deg[:], made.home_lon_deg[:] = 49.84, 24.03
    made.parties = made.accounts = [f"P-{k}" for k in range(count)]
    return made


def at_front(*rows: int) -> Told:
    return [one for row in rows for one in stays("front", row, 14, row=row, lat=47.5 + row / 100, lon=35.5)]


def at_home(*rows: int) -> Told:
    return [one for row in rows for one in stays("ukraine", row, 14, row=row, lat=49.84, lon=24.03)]


def quota(terminals: int, most: int = 1) -> Ties:
    made = Ties.unknown(terminals)
    made.quota[:] = most
    return made


def test_devices_of_one_person_that_are_first_used_at_a_front_far_away_are_told_and_the_one_at_home_is_not() -> None:
    signals = watched(at_front(0, 1, 2) + at_home(3), held(4), quota(4))
    last = {one.terminal_id: one for one in signals}
    assert set(last) == {name(0), name(1), name(2)}
    assert {one.kind for one in signals} == {"straw_registration"}
    assert last[name(0)].strength == pytest.approx(0.5)
    assert last[name(0)].group == "party:P-0"
    assert {one.terminal_id for one in last[name(0)].offending} == {None, name(1), name(2)}


@pytest.mark.parametrize(
    ("told", "known"),
    [
        (at_home(0, 1, 2, 3), held(4)),  # at home
        (at_front(0, 1), held(2)),  # two of a soldier's family
        (at_front(0, 1, 2, 3), held(4, [0, 1, 2, 3])),  # one each
        (at_front(0, 1, 2, 3), held(4, protected=True)),  # a hospital's
        ([one for row in range(4) for one in stays("poland", row, 14, row=row, lat=52.2, lon=21.0)], held(4)),  # a family that fled
        (at_front(0, 1, 2) + at_home(3, 4, 5, 6), held(7)),  # a company, most of whose devices are where they should be
        ([one for row in range(4) for one in stays("sea", row, 14, row=row, lat=45 + row)], held(4)),  # ships
        ([{**one, "gnss": 1} for one in at_front(0, 1, 2, 3)], held(4)),  # what a disturbed area shows
    ],
)
def test_who_is_no_straw_registrant(told: Told, known: Facts) -> None:
    assert watched(told, known) == []
    assert watched(told, known, quota(len(known))) == []


def test_devices_of_one_party_scattered_over_countries_are_a_weak_signal() -> None:
    told = [one for row, place in enumerate(["poland", "britain", "russia"]) for one in stays(place, row, 14, row=row, lat=50.0 + 3 * row)]
    signals = watched(told, held(3), quota(3))
    assert {one.strength for one in signals} == {0.25}
    assert watched(told, held(3)) == []  # nobody knows how many it may have
    assert watched(told, held(3), quota(3, 10)) == []  # a railway, a relief organisation
    assert watched(told, held(3), quota(3, 3)) == []


def test_devices_of_an_organisation_at_a_front_are_a_weak_signal() -> None:
    assert {one.strength for one in watched(at_front(0, 1, 2), held(3), quota(3, 10))} == {0.25}


def test_many_holders_of_one_payer_with_as_many_devices_as_they_may_have() -> None:
    known, ties = held(6, [0, 1, 2, 3, 4, 5]), Ties.unknown(6)
    ties.payer[:], ties.payers, ties.quota[:] = 0, ["party-9"], 1
    signals = watched(at_front(0, 1, 2) + at_home(3, 4, 5), known, ties)
    assert {one.strength for one in signals} == {0.25}
    assert {one.terminal_id for one in signals} == {name(0), name(1), name(2)}
    assert {one.group for one in signals} == {None}  # a payer or contact makes no case of strangers
    ties.quota[:] = 10
    assert watched(at_front(0, 1, 2) + at_home(3, 4, 5), known, ties) == []


def test_an_account_that_changed_hands_and_then_got_devices_used_elsewhere() -> None:
    known, ties = held(3), Ties.unknown(3)
    changed = START_S - 20 * DAY
    ties.changed_ns[:] = changed * 10**9
    known.activated_ns[:] = np.array([START_S - 900 * DAY, changed + 3 * DAY, changed + 4 * DAY]) * 10**9
    signals = watched(at_home(0) + at_front(1, 2), known, ties)
    assert {(one.terminal_id, one.strength) for one in signals} == {(name(1), 0.35), (name(2), 0.35)}
    known.activated_ns[0] = changed * 10**9  # a new account is no bought one
    assert watched(at_home(0) + at_front(1, 2), known, ties) == []


@given(cuts=st.lists(st.integers(0, 98), max_size=8))
@settings(max_examples=30)
def test_every_split_gives_the_same_signals(cuts: list[int]) -> None:
    told, known = at_front(0, 1, 2, 3) + at_home(4, 5, 6), held(7)
    whole = watched(told, known)
    assert whole
    assert watched(told, known, cuts=tuple(sorted(cuts))) == whole


AT = START_S * 10**9


def drone(row: int, strength: float = 0.8) -> Signal:
    return Signal("drone_flight", name(row), AT - 60 * 10**9, AT - 60 * 10**9, strength)


def row_of(terminal: str) -> int:
    return int(terminal.split("-")[1])


def test_others_of_a_risky_account_get_a_little_with_where_it_came_from() -> None:
    known = held(4, [0, 0, 0, 1])
    found = risks([drone(0), drone(1)], known, Ties.unknown(4), row_of, AT)
    assert set(found) == {0, 1, 2}
    assert found[2].strength > found[0].strength  # nobody gets what it gave
    assert {one.body for one in found[2].shares} == {"account:P-0", "party:P-0"}
    assert (found[2].shares[0].risky, found[2].shares[0].others) == (2, 2)
    signals = account_signals(found, name, AT)
    assert [one.terminal_id for one in signals] == [name(0), name(1), name(2)]
    assert max(one.strength for one in signals) <= AccountSettings().most
    assert signals[2].group == "account:P-0"


def test_one_bad_terminal_of_a_large_dealer_says_nothing() -> None:
    known, ties = held(500, list(range(500))), Ties.unknown(500)
    ties.dealer[:], ties.dealers = 0, ["dealer-1"]
    assert account_signals(risks([drone(0)], known, ties, row_of, AT), name, AT) == []


@pytest.mark.parametrize("kind", ["over_speed", "border_crossing", "straw_registration", "gnss_inhibited", "displaced_fix"])
def test_what_a_plan_does_not_allow_says_nothing_of_others(kind: str) -> None:
    assert risks([Signal(kind, name(0), AT - 1, AT - 1, 0.9)], held(4), Ties.unknown(4), row_of, AT) == {}


def test_risk_goes_no_farther_than_one_step() -> None:
    known, ties = held(3, [0, 1, 2]), Ties.unknown(3)
    known.account[:] = [0, 0, 1]
    known.party[:] = [-1, 1, 1]
    found = risks([drone(0)], known, ties, row_of, AT)
    assert set(found) == {1}  # the second's party has a third one, who gets nothing


def test_a_registrants_own_device_gets_nothing_from_those_that_were_registered_in_its_name() -> None:
    known = held(4)
    straw = [Signal("straw_registration", name(row), AT - 1, AT - 1, 0.5, group="party:P-0") for row in (0, 1, 2)]
    assert risks(straw, known, Ties.unknown(4), row_of, AT) == {}
    assert set(risks([*straw, drone(0), drone(1)], known, Ties.unknown(4), row_of, AT)) == {0, 1, 2}


def test_protected_and_lapsed_and_weak_give_nothing_and_order_makes_no_difference() -> None:
    known = held(3)
    known.protected[0] = True
    assert risks([drone(0)], known, Ties.unknown(3), row_of, AT) == {}
    known.protected[0] = False
    assert risks([drone(0)], known, Ties.unknown(3), row_of, AT + 3_600 * 10**9) == {}
    assert risks([drone(0, 0.2)], known, Ties.unknown(3), row_of, AT) == {}
    signals = [drone(0), drone(1), Signal("used_elsewhere", name(1), AT - 1, AT - 1, 0.6)]
    assert risks(signals, known, Ties.unknown(3), row_of, AT) == risks([*signals[::-1], drone(0)], known, Ties.unknown(3), row_of, AT)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.booleans()), min_size=1, max_size=12))
def test_nobody_gets_more_than_the_most_and_more_evidence_never_lowers_it(world: list[tuple[int, int, bool]]) -> None:
    known = held(len(world))
    known.account[:] = [one[0] for one in world]
    known.party[:] = [one[1] for one in world]
    known.accounts = known.parties = [str(k) for k in range(4)]
    ties = Ties.unknown(len(world))
    given_ = [drone(row) for row, one in enumerate(world) if one[2]]
    more = risks([*given_, drone(0)], known, ties, row_of, AT)
    for row, risk in risks(given_, known, ties, row_of, AT).items():
        assert 0 < risk.strength <= AccountSettings().most
        assert more[row].strength >= risk.strength - 1e-12


USES = st.lists(st.tuples(st.integers(0, 40), st.booleans(), st.booleans(), st.integers(0, 10**6), st.floats(-60, 60)), max_size=120)


@given(USES)
def test_what_is_kept_up_to_date_of_a_body_is_what_all_its_devices_give(uses: list[tuple[int, bool, bool, int, float]]) -> None:
    body, plain, order = _Body(), {}, []
    for row, far, front, t, lat in uses:
        body.take(row, Offending(t, lat, 20.0, 5.0), far, front, name)
        seen, was_far, was_front = plain.get(row, ((t, lat), False, False))
        plain[row] = seen, was_far or far, was_front or front
        if far and not was_far:
            order.append(row)
    away = {row: one for row, one in plain.items() if one[1]}
    assert body.away == order
    assert set(order) == set(away)
    assert body.at_front == sum(front for _, _, front in away.values())
    assert body.named == sorted((name(row), row) for row in away)[: MOST_QUOTED + 1]
    if away:
        assert body.first_ns == min(seen[0] for seen, _, _ in away.values())
        first = plain[order[0]][0]
        apart = [float(distance_m(first[1], 20.0, seen[1], 20.0)) for seen, _, _ in away.values()]
        assert body.apart_m == pytest.approx(max(apart))
