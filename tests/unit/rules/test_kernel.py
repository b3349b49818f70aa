"""The loops: bands at their limits, hash tables that grow, keys compared in full."""

from __future__ import annotations

import numpy as np

from groundrule.records import Outcome
from groundrule.rules import kernel
from groundrule.rules.classes import ClassTable
from groundrule.rules.model import Rule, Rulebook

LIMITS = np.array([1.0, 2.5, 7.0])


def bands(values: list[float], limits: np.ndarray = LIMITS) -> list[int]:
    out = np.empty(len(values), np.int32)
    kernel.fill_points(np.array(values), limits, np.arange(2 * len(limits) + 2, dtype=np.int32), out)
    return out.tolist()


def test_bands_are_even_between_limits_odd_on_them_and_last_for_unknown() -> None:
    assert bands([0.0, 1.0, 2.0, 2.5, 3.0, 7.0, 8.0, np.nan, -np.inf, np.inf]) == [0, 1, 2, 3, 4, 5, 6, 7, 0, 6]


def test_many_limits_give_the_same_bands_as_few() -> None:
    limits = np.arange(40, dtype=np.float64)
    values = [-1.0, 0.0, 0.5, 17.0, 17.5, 39.0, 40.0, np.nan]
    expected = [int((limits < x).sum() + (limits <= x).sum()) if not np.isnan(x) else 81 for x in values]
    assert bands(values, limits) == expected


def test_intervals_without_a_row_are_counted_and_marked() -> None:
    rows = np.full((7, 7), -1, np.int32)
    rows[0, 0] = 5
    low, high = np.array([0.0, 0.0, 3.0, np.nan]), np.array([0.5, 9.0, 2.0, np.nan])
    out = np.empty(4, np.int32)
    assert kernel.fill_numbers(low, high, LIMITS, rows, out) == 3
    assert out[0] == 5
    assert np.argwhere(rows == -2).tolist() == [[0, 6]], "a reversed interval and an unknown one are wide open"


def test_ten_thousand_classes_stay_apart_while_the_tables_grow() -> None:
    rules = tuple(Rule(f"r{i:02}", "r", "t", Outcome.REVIEW, "served") for i in range(14))
    book = Rulebook("b", 1, "b", "o", ("t",), rules, Outcome.SERVE, "served")
    table = ClassTable(book, rules, np.arange(14, dtype=np.int32), np.zeros(14, np.int32), 1)
    patterns = np.arange(2**14, dtype=np.uint64)[:, None]
    settled = np.concatenate([patterns, patterns], axis=1)
    doubt = np.zeros((2**14, kernel.PARTS), np.uint64)
    codes = np.random.default_rng(3).permutation(2**14).astype(np.int32)[None, :]
    klass = np.empty(2**14, np.int32)
    done = 0
    while done < len(klass):
        done = kernel.classify(done, codes, settled, doubt, *table.tables[0], *table.tables[1], table.counts, klass)
        table.make_room()
    table.judge_new()
    assert table.counts.tolist() == [2**14, 0, 2**14]
    assert len(np.unique(klass)) == 2**14
    for row in (0, 1, 777, 2**14 - 1):
        pattern = int(codes[0, row])
        found = [rule for _, rule, _ in table.get(int(klass[row])).reasons if rule != "default"]
        assert found == [f"r{i:02}" for i in range(14) if pattern >> i & 1]
