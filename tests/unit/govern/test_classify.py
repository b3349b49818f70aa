"""The class of a change is computed from what it changes."""

from __future__ import annotations

from typing import Any

import pytest

import governed_world as gw
from groundrule.govern.charter import CLASSES
from groundrule.govern.classify import classify, is_at_least
from groundrule.govern.objects import Change, Impact

CHARTER = gw.charter()
REACH: dict[str, Any] = {"countries": [], "conflict_areas": [], "sanctions_exceptions": [], "wartime_denials": 0}


def class_of(*objects: str, unknown: bool = False, **impact: Any) -> str:
    changes = [Change.parse(gw.change_value(each)) for each in objects]
    made = Impact.parse(gw.impact_value(gw.POLICY, gw.POLICY, **impact))
    return classify(changes, made, CHARTER, unknown_principal=unknown)


@pytest.mark.parametrize(
    ("objects", "impact", "expected"),
    [
        (["rulebook"], {}, "routine"),
        (["service/shop"], {}, "routine"),
        (["waiver/w1"], {}, "routine"),
        (["area/north"], {}, "sensitive"),
        (["list/l1"], {}, "sensitive"),
        (["programme/rail"], {}, "sensitive"),
        (["rulebook"], {"counts": {"serve": {"deny": {"a": 99}}}}, "routine"),
        (["rulebook"], {"counts": {"serve": {"deny": {"a": 99}, "review": {"a": 1}}}}, "sensitive"),
        (["rulebook"], {"counts": {"serve": {"serve": {"a": 10_000}}}}, "routine"),
        (["rulebook"], {"protected_changed": ["clinic"]}, "sensitive"),
        (["rulebook"], {"reach": REACH | {"countries": ["XX"]}}, "critical"),
        (["rulebook"], {"reach": REACH | {"conflict_areas": ["front"]}}, "critical"),
        (["list/l1"], {"reach": REACH | {"sanctions_exceptions": ["w1"]}}, "critical"),
        (["rulebook"], {"reach": REACH | {"wartime_denials": 1}}, "critical"),
        (["charter"], {"reach": REACH | {"countries": ["XX"]}}, "charter"),
    ],
)
def test_the_class_follows_from_the_change(objects: list[str], impact: dict[str, Any], expected: str) -> None:
    assert class_of(*objects, **impact) == expected


def test_a_record_is_disclosed() -> None:
    change = Change.parse(gw.change_value("record/r1", op="disclose", after=["name"], after_sha256=None))
    assert classify([change], Impact.parse(gw.impact_value(gw.POLICY, gw.POLICY)), CHARTER) == "disclosure"


def test_an_unknown_principal_raises_one_step() -> None:
    assert class_of("rulebook", unknown=True) == "sensitive"
    assert class_of("area/north", unknown=True) == "critical"
    assert class_of("rulebook", reach=REACH | {"countries": ["XX"]}, unknown=True) == "critical"


def test_the_author_may_only_raise_it() -> None:
    order = ["routine", "sensitive", "critical"]
    for chosen in CLASSES:
        for computed in CLASSES:
            expected = chosen == computed or (
                chosen in order and computed in order and order.index(chosen) > order.index(computed)
            )
            assert is_at_least(chosen, computed) == expected
