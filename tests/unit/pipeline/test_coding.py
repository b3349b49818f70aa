"""Codes of distinct values: places by epoch, answers by pair, keys in order of appearance."""

from __future__ import annotations

import numpy as np
import shapely
from hypothesis import given
from hypothesis import strategies as st

from groundrule.areas.index import AreaIndex
from groundrule.areas.model import Area, ServiceInterval
from groundrule.instant import MAX_NS, MIN_NS
from groundrule.pipeline.coding import Interner, PairTable, WhereCoder


def test_a_version_counts_from_its_start_until_just_before_its_end() -> None:
    square = shapely.box(0, 0, 1, 1)
    areas = (
        Area("zone:z", "zone", "Z", square, tags=("old",), valid_until_ns=100),
        Area("zone:z", "zone", "Z", square, tags=("new",), valid_from_ns=100, valid_until_ns=200),
    )
    index = AreaIndex.build(areas)
    coder = WhereCoder(index, areas)
    now = np.array([99, 100, 199, 200], np.int64)
    codes = coder.code(index.locate_exact(np.full(4, 0.5), np.full(4, 0.5)), now)
    tags = [[tag for fact in (coder.values[code] or ()) for tag in fact.tags] for code in codes]
    assert tags == [["old"], ["new"], ["new"], []]


def test_the_service_state_is_that_of_the_instant() -> None:
    history = (ServiceInterval("never_served", MIN_NS, 10, "log"), ServiceInterval("served", 10, MAX_NS, "log"))
    areas = (Area("zone:z", "zone", "Z", shapely.box(0, 0, 1, 1), service_history=history),)
    index = AreaIndex.build(areas)
    coder = WhereCoder(index, areas)
    codes = coder.code(index.locate_exact(np.full(2, 0.5), np.full(2, 0.5)), np.array([9, 10], np.int64))
    assert [(coder.values[code] or ())[0].service for code in codes] == ["never_served", "served"]


def test_no_position_is_not_the_same_as_no_area() -> None:
    areas = (Area("zone:z", "zone", "Z", shapely.box(0, 0, 1, 1)),)
    index = AreaIndex.build(areas)
    coder = WhereCoder(index, areas)
    codes = coder.code(index.locate_points(np.array([np.nan, 5.0]), np.array([5.0, 5.0])).codes, np.zeros(2, np.int64))
    assert coder.values[codes[0]] is None
    assert coder.values[codes[1]] == ()


def test_each_pair_is_asked_for_once() -> None:
    asked: list[tuple[int, int]] = []

    def answer(a: int, b: int) -> int:
        asked.append((a, b))
        return (3 * a + b) % 7

    table = PairTable(answer)
    rng = np.random.default_rng(1)
    for limit in (3, 40, 10):
        a, b = rng.integers(0, limit, 500).astype(np.int32), rng.integers(0, limit, 500).astype(np.int32)
        assert (table.lookup(a, b) == (3 * a + b) % 7).all()
    assert len(asked) == len(set(asked))


@given(st.lists(st.integers(0, 2**62), max_size=300), st.integers(1, 50))
def test_keys_are_numbered_by_first_appearance_in_any_batches(keys: list[int], size: int) -> None:
    interner, codes = Interner(), []
    for start in range(0, len(keys), size):
        codes += interner.code(np.array(keys[start : start + size], np.int64)).tolist()
    assert interner.keys.tolist() == list(dict.fromkeys(keys))
    assert [interner.keys[code] for code in codes] == keys


def test_the_interner_grows_past_its_first_table() -> None:
    interner = Interner()
    keys = np.random.default_rng(2).permutation(200_000).astype(np.int64) * 1_000_003
    codes = interner.code(keys)
    assert (interner.keys[codes] == keys).all()
    assert len(interner.keys) == len(keys)
