"""Cases: what hangs together, whatever the order, and what becomes of it."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundrule.detect.case_states import STATES, Act, check_act, course_of, tally
from groundrule.detect.cases import Case, Cases, cases_of, weight_of
from groundrule.detect.signals import KINDS, Signal
from groundrule.errors import ConflictError, InputError

HOUR, DAY = 3_600 * 10**9, 86_400 * 10**9


def signal(kind: str, terminal: str = "ut-1", at: int = 0, *, strength: float = 0.5, group: str | None = None) -> Signal:
    return Signal(kind, terminal, at, at, strength, group=group)


def dismissed(case: Case, at: int, reason: str = "innocent", number: int = 1) -> Act:
    return Act(f"act-{number}", case.id, at, "vera", "dismiss", reason=reason, covers=tuple(one.id for one in case.signals))


def test_signals_of_one_terminal_make_one_case_while_they_count() -> None:
    first = [signal("drone_flight"), signal("cloned_identity", at=HOUR // 2)]
    later = signal("drone_flight", at=40 * DAY)
    cases = cases_of([*first, later, signal("drone_flight", "ut-2")])
    assert [one.terminals for one in cases] == [("ut-1",), ("ut-2",), ("ut-1",)] or len(cases) == 3
    assert {one.kinds for one in cases if one.terminals == ("ut-1",)} == {("drone_flight", "cloned_identity"), ("drone_flight",)}


def test_places_convoys_and_accounts_join_terminals_and_borders_do_not() -> None:
    joined = [signal("compound", f"ut-{k}", group="place:16.700,98.500", strength=0.3) for k in range(5)]
    assert len(cases_of(joined)) == 1
    assert cases_of(joined)[0].groups == ("place:16.700,98.500",)
    assert len(cases_of([signal("border_crossing", f"ut-{k}", group="border:PL-UA") for k in range(5)])) == 5
    drones = [signal("drone_flight", f"ut-{k}", at=k * HOUR) for k in range(5)]
    assert len(cases_of(drones)) == 5
    assert len(cases_of(drones, account_of=lambda _: "ACC-1")) == 1


def test_bad_data_makes_no_case_and_a_weak_signal_alone_is_shown_to_nobody() -> None:
    assert cases_of([signal("displaced_fix")]) == []
    assert [one.shown for one in cases_of([signal("gnss_inhibited", strength=0.15)])] == [False]
    assert [one.shown for one in cases_of([signal("gnss_inhibited", strength=0.15), signal("used_elsewhere", strength=0.15)])] == [True]


def test_weight_counts_each_cause_once() -> None:
    assert weight_of([signal("drone_flight", strength=0.5), signal("over_speed", strength=0.4)]) == 0.5
    assert weight_of([signal("drone_flight", strength=0.5), signal("straw_registration", strength=0.5)]) == 0.75


MANY = [
    signal(kind, f"ut-{terminal}", at * HOUR, group=group)
    for kind, terminal, at, group in [
        ("drone_flight", 1, 0, None), ("compound", 1, 3, "place:a"), ("compound", 2, 20, "place:a"), ("convoy", 2, 47, "convoy:b"),
        ("convoy", 3, 48, "convoy:b"), ("over_speed", 3, 49, None), ("drone_flight", 4, 50, None), ("cloned_identity", 4, 52, None),
        ("border_crossing", 5, 1, "border:x"), ("border_crossing", 1, 400, "border:x"), ("used_elsewhere", 6, 10, None),
        ("straw_registration", 6, 600, "account:c"), ("straw_registration", 7, 700, "account:c"), ("displaced_fix", 7, 1, None),
    ]
]  # fmt: skip


@given(order=st.permutations(range(len(MANY))), cut=st.integers(0, len(MANY)), again=st.lists(st.integers(0, len(MANY) - 1), max_size=9))
@settings(max_examples=100)
def test_step_by_step_in_any_order_is_the_same_as_at_once(order: list[int], cut: int, again: list[int]) -> None:
    cases = Cases()
    mixed = [MANY[one] for one in order]
    cases.extend(mixed[:cut])
    for one in mixed[cut:]:
        cases.extend([one])
    cases.extend(MANY[one] for one in again)
    assert cases.all() == cases_of(MANY)


def slow_groups(signals: list[Signal]) -> set[frozenset[str]]:
    """Compare all pairs until nothing changes."""
    groups = [{one.id} for one in signals]
    by_id = {one.id: one for one in signals}

    def touch(a: Signal, b: Signal) -> bool:
        same = a.terminal_id == b.terminal_id or (a.group is not None and a.group == b.group and not a.group.startswith("border"))
        first, second = sorted((a, b), key=lambda one: one.raised_at)
        return same and second.raised_at <= first.until_at + HOUR

    changed = True
    while changed:
        changed = False
        for a, b in itertools.combinations(groups, 2):
            if any(touch(by_id[x], by_id[y]) for x in a for y in b):
                a.update(b)
                groups.remove(b)
                changed = True
                break
    return {frozenset(one) for one in groups}


@given(
    st.lists(
        st.builds(
            signal, st.sampled_from([kind for kind in KINDS if kind != "displaced_fix"]), st.sampled_from(["ut-1", "ut-2", "ut-3"]),
            st.integers(0, 60).map(lambda day: day * DAY // 2), group=st.sampled_from([None, "place:a", "convoy:b", "border:c"]),
        ),
        max_size=14,
    )
)  # fmt: skip
@settings(max_examples=100)
def test_cases_are_those_of_comparing_all_pairs(signals: list[Signal]) -> None:
    distinct = list({one.id: one for one in signals}.values())
    assert {frozenset(one.id for one in case.signals) for case in cases_of(signals)} == slow_groups(distinct)


def test_an_id_that_a_case_once_had_still_points_to_it() -> None:
    cases = Cases()
    cases.extend([signal("drone_flight", at=HOUR)])
    before = cases.all()[0].id
    assert cases.extend([signal("cloned_identity", at=HOUR // 2)]) == {cases.all()[0].id}
    assert cases.all()[0].id != before
    assert cases.find(before) == cases.all()[0]
    assert cases.find("case-0000000000000000") is None


def test_from_open_to_dismissed_and_reopened() -> None:
    cases = Cases()
    cases.extend([signal("drone_flight", at=HOUR)])
    case = cases.all()[0]
    assert case.course.state == "open"
    cases.extend([], [Act("act-0", case.id, 2 * HOUR, "vera", "assign", to="ivo")])
    assert (cases.all()[0].course.state, cases.all()[0].course.assignee) == ("assigned", "ivo")
    cases.extend([], [dismissed(case, 3 * HOUR)])
    assert (cases.all()[0].course.state, cases.all()[0].course.reason) == ("dismissed", "innocent")
    assert [what for _, what, _ in cases.all()[0].timeline] == ["signal", "assign", "dismiss"]
    cases.extend([], [Act("act-2", case.id, 4 * HOUR, "vera", "reopen", reason="a second look")])
    assert cases.all()[0].course.state == "reopened"


def test_more_of_the_same_stays_dismissed_and_another_cause_or_terminal_reopens() -> None:
    first = signal("drone_flight", at=HOUR)
    act = dismissed(cases_of([first])[0], 2 * HOUR)
    more = signal("over_speed", at=HOUR + HOUR // 2)
    assert cases_of([first, more], [act])[0].course.state == "dismissed"
    other = signal("cloned_identity", at=HOUR + HOUR // 2)
    reopened = cases_of([first, other], [act])[0].course
    assert (reopened.state, reopened.reason) == ("reopened", "new_evidence")
    neighbour = signal("convoy", "ut-1", HOUR, group="convoy:b"), signal("convoy", "ut-2", HOUR, group="convoy:b")
    covered = dismissed(cases_of([neighbour[0]])[0], 2 * HOUR)
    assert cases_of(neighbour, [covered])[0].course.state == "reopened"


def test_a_stronger_signal_of_the_same_cause_does_not_hide_behind_a_dismissal() -> None:
    slow = signal("over_speed", at=HOUR)
    act = dismissed(cases_of([slow])[0], HOUR + HOUR // 4)
    flight = signal("drone_flight", at=HOUR + HOUR // 2, strength=0.9)
    assert cases_of([slow, flight], [act])[0].course.state == "reopened"


@pytest.mark.parametrize(
    ("act", "error"),
    [
        (Act("a", "case-1", 0, "vera", "burn"), InputError),
        (Act("a", "case-1", 0, "vera", "assign"), InputError),
        (Act("a", "case-1", 0, "vera", "dismiss", reason="bored", covers=("x",)), InputError),
        (Act("a", "case-1", 0, "vera", "dismiss", reason="innocent"), InputError),
        (Act("a", "case-1", 0, "vera", "reopen"), ConflictError),
        (Act("a", "case-1", 0, "vera", "release"), ConflictError),
    ],
)
def test_acts_that_make_no_sense_are_refused(act: Act, error: type[Exception]) -> None:
    with pytest.raises(error):
        check_act(act, course_of([signal("drone_flight")], []))


@given(
    st.permutations(
        [
            Act(f"act-{k}", "case-x", k * HOUR, "vera", what, to="ivo", reason="innocent", covers=("s",))
            for k, what in enumerate(["assign", "dismiss", "confirm", "reopen", "confirm", "note", "reopen", "assign", "release"])
        ]
    )
)
def test_the_course_does_not_depend_on_the_order_in_which_acts_are_read(acts: list[Act]) -> None:
    course = course_of([signal("drone_flight")], acts)
    assert course == course_of([signal("drone_flight")], sorted(acts, key=lambda one: one.at_ns))
    assert course.state in STATES
    assert len(course.acts) + len(course.ignored) == len(acts)


def test_decisions_count_for_the_kinds_that_they_cover() -> None:
    cases = Cases()
    cases.extend([signal("drone_flight", f"ut-{k}", at=HOUR) for k in range(5)])
    for k, case in enumerate(cases.all()):
        covers = tuple(one.id for one in case.signals)
        if k < 2:
            cases.extend([], [Act(f"c{k}", case.id, 2 * HOUR, "vera", "confirm", covers=covers)])
        elif k < 4:
            cases.extend([], [dismissed(case, 2 * HOUR, ["innocent", "cannot_tell"][k - 2], number=k)])
    cases.extend([signal("cloned_identity", cases.all()[0].terminals[0], at=HOUR)])
    counted = tally(cases.all())
    assert (counted["drone_flight"].confirmed, counted["drone_flight"].false_alarms, counted["drone_flight"].undecided) == (2, 1, 2)
    assert counted["drone_flight"].share_confirmed == pytest.approx(2 / 3)
    assert counted["cloned_identity"].share_confirmed is None
