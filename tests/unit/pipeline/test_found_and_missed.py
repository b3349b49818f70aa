"""What detection found, missed and said of innocents, counted against a truth that is known."""

from __future__ import annotations

import pyarrow as pa
import pytest

from groundrule.detect.cases import cases_of
from groundrule.detect.signals import Signal
from groundrule.pipeline.found_and_missed import began, compare
from groundrule.pipeline.policies import POLICIES, policy_book
from groundrule.simulate.written import TRUTH_SCHEMA

S = 10**9
TRUTH = pa.Table.from_pylist(
    [
        {"terminal_id": "d1", "kind": "drone", "behaviours": ["drone_flight"], "innocent": False, "clone": False},
        {"terminal_id": "d2", "kind": "drone", "behaviours": ["drone_flight"], "innocent": False, "clone": False},
        {"terminal_id": "h1", "kind": "home", "behaviours": [], "innocent": True, "clone": False},
        {"terminal_id": "h2", "kind": "home", "behaviours": [], "innocent": True, "clone": False},
        {"terminal_id": "a1", "kind": "ambulance", "behaviours": [], "innocent": True, "clone": False},
        {"terminal_id": "h1", "kind": "clone_of_home", "behaviours": [], "innocent": False, "clone": True},
        {"terminal_id": "g1", "kind": "grey_russia", "behaviours": [], "innocent": False, "clone": False},
    ]
)


def signal(kind: str, terminal: str, at_s: int, strength: float = 0.8) -> Signal:
    return Signal(kind, terminal, at_s * S, at_s * S, strength)


def test_found_missed_and_false_are_counted_by_terminal() -> None:
    signals = [
        signal("drone_flight", "d1", 160), signal("drone_flight", "d1", 900), signal("over_speed", "a1", 50),
        signal("convoy", "h2", 60), signal("displaced_fix", "h1", 60), signal("used_elsewhere", "g1", 60),
    ]  # fmt: skip
    made = compare(signals, cases_of(signals), TRUTH, 0, began_ns={"d1": 100 * S})
    assert [(one.kind, one.present, one.found, one.missed, one.in_cases) for one in made.findings] == [("drone_flight", 2, 1, 1, 1)]
    assert made.findings[0].delay_s == (60.0, 60.0)
    assert [(one.kind, one.accused, one.facts, dict(one.signals)) for one in made.innocents] == [
        ("ambulance", 0, 1, {"over_speed": 1}), ("home", 1, 0, {"convoy": 1}),
    ]  # fmt: skip
    assert made.unspoken == 1
    assert (made.cases, made.false_cases) == (4, 2)
    assert made.value["findings"][0]["missed"] == 1


def test_what_is_weak_is_in_no_case() -> None:
    signals = [signal("convoy", "h2", 60, 0.15)]
    made = compare(signals, cases_of(signals), TRUTH, 0)
    assert (made.cases, made.false_cases, made.innocents[0].in_cases, made.innocents[0].accused) == (0, 0, 0, 1)
    assert made.findings[0].delay_s is None


def test_who_stood_at_the_start_began_when_it_moved() -> None:
    rows = [("d1", 0, 0.0), ("h1", 0, 0.0), ("d2", 0, 20.0), ("d1", 15, 0.2), ("d1", 30, 9.0), ("d1", 45, 40.0), ("h1", 45, 0.1)]
    table = pa.Table.from_pylist(
        [{"terminal_id": name, "observed_at": at * S, "speed_m_s": speed} for name, at, speed in rows], schema=TRUTH_SCHEMA
    )
    assert began([table], 0) == {"d1": 30 * S}


@pytest.mark.parametrize("name", POLICIES)
def test_policies_are_rulebooks_of_one_rule(name: str) -> None:
    assert [rule.id for rule in policy_book(name).rules] == [name]
