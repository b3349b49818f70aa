"""From what a machine sees of its parts to degrees and staleness: every bound from both sides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from groundrule.errors import StoreError
from groundrule.govern.clock import Asked
from groundrule.pipeline.causes import (
    BOOTSTRAP,
    NOTHING,
    PREVIOUS,
    Seen,
    causes_of,
    offset_ms,
    screens,
    see_home,
)
from groundrule.pipeline.degraded import Cause
from groundrule.pipeline.home import rulebook_of
from groundrule.rules.text import load_rulebook
from small_home import make_home

S = 1_000_000_000
NOW = 1_790_000_000 * S
WELL: dict[str, Any] = {"confirmed_ns": NOW, "screening_ns": {"a": NOW}, "witness_ns": NOW, "clock_offset_ms": 0}


def degrees(**seen: Any) -> dict[str, int]:
    return {cause.value: degree for cause, degree in causes_of(Seen(NOW, **(WELL | seen))).degrees.items()}


def test_where_all_is_well_nothing_is_degraded() -> None:
    causes = causes_of(Seen(NOW, **WELL))
    assert (causes.degrees, causes.codes, causes.held_ns) == ({}, (), None)
    assert causes.staleness.value == {"policy_s": 0, "screening_s": 0, "witness_s": 0, "location_s": None, "clock_offset_ms": 0}


@pytest.mark.parametrize(
    ("seen", "wanted"),
    [
        ({"store_up": False, "confirmed_ns": NOW - 72 * 3600 * S + 1}, {"policy_store_down": 1}),
        ({"store_up": False, "confirmed_ns": NOW - 72 * 3600 * S}, {"policy_store_down": 2}),
        ({"store_up": False, "confirmed_ns": None}, {"policy_store_down": 2}),
        ({"store_up": False, "expires_ns": NOW}, {"policy_store_down": 2}),
        ({"store_up": False, "expires_ns": NOW + 1}, {"policy_store_down": 1}),
        ({"expires_ns": NOW - 1}, {}),
        ({"newest_bad": True}, {"snapshot_invalid": 1}),
        ({"loaded": PREVIOUS}, {"snapshot_invalid": 1}),
        ({"loaded": BOOTSTRAP}, {"snapshot_invalid": 2}),
        ({"loaded": NOTHING}, {"snapshot_invalid": 2, "no_snapshot": 2}),
        ({"loaded": BOOTSTRAP, "ever_loaded": False}, {"no_snapshot": 1}),
        ({"loaded": NOTHING, "ever_loaded": False}, {"no_snapshot": 2}),
        ({"screening_ns": {"a": NOW, "b": NOW - 24 * 3600 * S}}, {}),
        ({"screening_ns": {"a": NOW, "b": NOW - 24 * 3600 * S - 1}}, {"screening_stale": 1}),
        ({"screening_ns": {}}, {"screening_stale": 2}),
        ({"screening_ns": {}, "screens": False}, {}),
        ({"witnessed": False}, {"ledger_down": 1}),
        ({"witnessed": False, "has_witnesses": False}, {}),
        ({"log_writable": False, "witnessed": False}, {"ledger_down": 2}),
        ({"clock_offset_ms": 5_000}, {}),
        ({"clock_offset_ms": 5_001}, {"clock_doubtful": 1}),
        ({"clock_offset_ms": -5_001}, {"clock_doubtful": 1}),
        ({"clock_offset_ms": None}, {"clock_doubtful": 2}),
        ({"clock_offset_ms": None, "has_witnesses": False}, {}),
    ],
)
def test_each_degree_begins_where_the_specification_says(seen: dict[str, Any], wanted: dict[str, int]) -> None:
    assert degrees(**seen) == wanted


def test_nothing_new_holds_from_when_policy_or_clock_were_last_right() -> None:
    def held(**seen: Any) -> int | None:
        return causes_of(Seen(NOW, **(WELL | seen))).held_ns

    assert held(screening_ns={}, witnessed=False) is None
    assert held(store_up=False, confirmed_ns=NOW - 60 * S) == NOW - 60 * S
    assert held(clock_offset_ms=None, witness_ns=NOW - 9 * S) == NOW - 9 * S
    assert held(clock_offset_ms=9_000, witness_ns=None, confirmed_ns=NOW - 7 * S) == NOW - 7 * S
    assert held(store_up=False, confirmed_ns=NOW - 60 * S, clock_offset_ms=None, witness_ns=NOW - 90 * S) == NOW - 90 * S
    assert held(clock_offset_ms=-60_000, witness_ns=NOW + 60 * S) == NOW, "a clock that is behind goes no further than itself"


def test_staleness_is_whole_seconds_and_never_negative() -> None:
    seen = Seen(NOW, confirmed_ns=NOW + 5 * S, screening_ns={"a": NOW - S, "b": NOW - 1999 * S // 1000}, witness_ns=None)
    assert causes_of(seen).staleness.value == {
        "policy_s": 0, "screening_s": 1, "witness_s": None, "location_s": None, "clock_offset_ms": None,
    }  # fmt: skip


def test_a_clock_is_off_only_as_far_as_witnesses_can_tell() -> None:
    assert offset_ms(None) is None
    assert offset_ms(Asked(NOW, NOW + S, NOW, NOW)) == 0
    # They state whole seconds, and the answer took a second.
    assert offset_ms(Asked(NOW + S, NOW + 2 * S, NOW, NOW)) == 0
    assert offset_ms(Asked(NOW + 8 * S, NOW + 9 * S, NOW, NOW)) == 7_000
    assert offset_ms(Asked(NOW - 9 * S, NOW - 8 * S, NOW, NOW)) == -8_000


def test_a_home_is_looked_at(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    book = rulebook_of(home)
    seen = see_home(home, None, book, now_ns=NOW, confirmed_ns=NOW - S, asked=None)
    assert causes_of(seen).degrees == {}, "a home without a log lacks nothing, and its rules ask for no screening"
    behind = see_home(home, None, book, now_ns=NOW, confirmed_ns=NOW - S, asked=None, least_revision=99)
    assert causes_of(behind).degrees == {Cause.POLICY_STORE_DOWN: 1}, "an older copy, or an empty one in its place"
    registers = home.path / "registers.sqlite"
    registers.rename(registers.with_suffix(".away"))
    seen = see_home(home, None, book, now_ns=NOW, confirmed_ns=NOW - S, asked=None)
    assert causes_of(seen).degrees == {Cause.POLICY_STORE_DOWN: 1}
    assert causes_of(seen).staleness.policy_s == 1
    with pytest.raises(StoreError, match="gone"):
        rulebook_of(home)
    assert not registers.exists(), "looking makes no empty register"
    assert screens(load_rulebook("world-2026"))


def test_verdicts_and_ages_give_degrees_of_location() -> None:
    from types import SimpleNamespace

    from groundrule.pipeline.causes import location_degrees
    from groundrule.rules.evidence import Coded

    motion = SimpleNamespace(
        lat_deg=np.array([1.0, 1.0, np.nan, np.nan, 1.0, 1.0]),
        cell=np.array([0, 0, 0, 7, 0, 0], np.uint64),
        age_s=np.array([900.0, 900.1, np.nan, 5.0, 0.0, 0.0]),
    )
    verdict = Coded(np.array([0, 0, 0, 0, 1, 2], np.int32), ("consistent", "inconsistent", "ambiguous"))
    judged = SimpleNamespace(motion=motion, evidence=SimpleNamespace(categories={"verdict": verdict}), heard=None)
    assert location_degrees(judged, 900.0).tolist() == [0, 1, 2, 0, 2, 1]  # type: ignore[arg-type]
