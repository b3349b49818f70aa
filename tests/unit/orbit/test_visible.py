"""Visibility: plain cases that can be worked out by hand, and wrong questions. Exactness: tests/properties."""

from __future__ import annotations

import numpy as np
import pytest

from groundrule.errors import InputError, OutOfRange
from groundrule.frames import geodetic_to_ecef
from groundrule.orbit.visible import VisibilityIndex


def test_a_satellite_overhead_and_one_on_the_other_side() -> None:
    r = geodetic_to_ecef([43.5, -43.5], [34.0, -146.0], 550e3)
    index = VisibilityIndex.build(r)
    seen = index.visible(43.5, 34.0)
    assert seen.of(0).tolist() == [0]
    elevation, _, distance = index.geometry(seen, 43.5, 34.0)
    assert elevation[0] == pytest.approx(90.0, abs=1e-6)
    assert distance[0] == pytest.approx(550e3, abs=1e-6)


@pytest.mark.parametrize(("east", "north", "azimuth"), [(0, 1, 0), (1, 0, 90), (0, -1, 180), (-1, 0, 270)])
def test_azimuth_runs_from_north_over_east(east: int, north: int, azimuth: float) -> None:
    r = geodetic_to_ecef([10.0 + north], [20.0 + east], 550e3)
    index = VisibilityIndex.build(r)
    _, found, _ = index.geometry(index.visible(10.0, 20.0), 10.0, 20.0)
    assert (found[0] - azimuth + 180) % 360 - 180 == pytest.approx(0.0, abs=1.0)


def test_the_mask_is_met_exactly() -> None:
    """Elevation 25 degrees by construction: on one side of it seen, on the other not."""
    point = geodetic_to_ecef(0.0, 0.0)
    for turn, seen in ((1e-9, 1), (-1e-9, 0)):
        angle = np.radians(25.0) + turn
        r = point + 1e6 * np.array([np.sin(angle), np.cos(angle), 0.0])
        assert len(VisibilityIndex.build(r[None]).visible(0.0, 0.0, mask_deg=25.0).of(0)) == seen


def test_states_and_points_that_are_no_numbers_see_nothing() -> None:
    r = np.array([geodetic_to_ecef(1.0, 1.0, 550e3), [np.nan] * 3, [np.inf, 0, 0], [0, 0, 0]])
    seen = VisibilityIndex.build(r).visible([1.0, np.nan, 1.0], [1.0, 1.0, np.nan])
    assert [seen.of(i).tolist() for i in range(3)] == [[0], [], []]
    empty = VisibilityIndex.build(np.empty((0, 3))).visible([1.0, 2.0], [1.0, 2.0])
    assert empty.offsets.tolist() == [0, 0, 0]


def test_lists_have_no_fixed_width_and_the_bound_on_their_sum_raises() -> None:
    r = np.repeat(geodetic_to_ecef([1.0], [1.0], 550e3), 5000, axis=0)
    index = VisibilityIndex.build(r)
    points = np.full(40, 1.0)
    seen = index.visible(points, points, max_entries=200_000)
    assert np.diff(seen.offsets).tolist() == [5000] * 40
    assert all(np.array_equal(np.sort(seen.of(i)), np.arange(5000)) for i in range(40))
    with pytest.raises(OutOfRange, match="more than 199,999 satellites"):
        index.visible(points, points, max_entries=199_999)


def test_wrong_questions() -> None:
    index = VisibilityIndex.build(geodetic_to_ecef([1.0], [1.0], 550e3))
    for mask in (-6.0, 91.0, float("nan")):
        with pytest.raises(OutOfRange, match="mask"):
            index.visible(1.0, 1.0, mask_deg=mask)
    with pytest.raises(OutOfRange, match="pole"):
        index.visible(91.0, 1.0)
    with pytest.raises(InputError, match="shape"):
        VisibilityIndex.build(np.zeros((2, 2)))
    with pytest.raises(InputError, match="points"):
        index.geometry(index.visible([1.0, 2.0], [1.0, 2.0]), 1.0, 1.0)
