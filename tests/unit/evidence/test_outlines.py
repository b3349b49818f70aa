"""Outlines: borders are what two countries share, limits what one has alone."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from groundrule.areas.model import Area, AreaSet
from groundrule.evidence.outlines import Box, shipped_outlines, world_outlines


def country(code: str, geometry: shapely.Polygon) -> Area:
    return Area(id=f"country:{code}", kind="country", name=code, geometry=geometry, country=code)


def length(lines: tuple[np.ndarray, ...]) -> float:
    return float(sum(np.hypot(*np.diff(line, axis=0).T).sum() for line in lines))


def test_two_neighbours_share_one_border_which_is_drawn_once() -> None:
    west = shapely.Polygon([(0, 0), (10, 0), (10, 5), (10, 10), (0, 10)])
    east = shapely.Polygon([(10, 0), (20, 0), (20, 10), (10, 10), (10, 5)])
    land = Area(id="land", kind="land", name="Land", geometry=shapely.box(1, 1, 19, 9))
    made = world_outlines(AreaSet((country("AA", west), country("BB", east), land)), tolerance_deg=0.1)
    assert length(made.borders) == 10
    assert all(np.allclose(line[:, 0], 10) for line in made.borders)
    assert length(made.sea_limits) == 2 * (10 + 10 + 10)
    assert len(made.land) == 1
    assert length(made.land) == 2 * (18 + 8)


def test_the_cut_at_180_is_no_border_and_specks_are_left_out() -> None:
    fiji = shapely.box(175, -20, 180, -15)
    rest = shapely.box(-180, -20, -175, -15)
    land = Area(
        id="land", kind="land", name="Land", geometry=shapely.MultiPolygon([fiji, shapely.box(0, 0, 0.01, 0.01)])
    )
    made = world_outlines(AreaSet((country("FJ", shapely.MultiPolygon([fiji, rest])), land)), tolerance_deg=0.1)
    assert made.borders == ()
    assert not any((np.abs(line[:, 0]) == 180).all() for line in made.sea_limits)
    assert len(made.land) == 1


def test_the_shipped_outlines_are_attributed_and_near_the_true_coast() -> None:
    made = shipped_outlines(0.1)
    assert "OpenStreetMap" in made.attribution
    assert len(made.land) > 200
    assert len(made.borders) > 100
    every = np.concatenate(made.land)
    assert np.abs(every[:, 0]).max() <= 180
    assert np.abs(every[:, 1]).max() <= 90
    for lat, lon in ((44.39, 33.74), (36.0, -5.6), (-34.83, 20.0)):  # Sarych, Tarifa, Agulhas
        assert np.hypot(every[:, 0] - lon, every[:, 1] - lat).min() < 0.5


@pytest.mark.parametrize(
    "windows",
    [
        ((20.0, 40.0, 50.0, 55.0),),
        ((175.0, -25.0, 180.0, -10.0), (-180.0, -25.0, -175.0, -10.0)),  # across the date line
        ((-180.0, 78.0, 180.0, 90.0),),
        ((-30.0, -40.0, -20.0, -35.0),),  # open sea
    ],
)
def test_in_its_windows_a_part_of_the_world_is_drawn_as_the_whole_is(windows: tuple[Box, ...]) -> None:
    whole, part = shipped_outlines(), shipped_outlines(windows=windows)
    for window in (shapely.box(*each) for each in windows):

        def inside(lines: tuple[np.ndarray, ...], box: shapely.Geometry = window) -> shapely.Geometry:
            made = np.array([shapely.LineString(line) for line in lines], object)
            return shapely.union_all(shapely.clip_by_rect(made, *box.buffer(0.1).bounds))

        seen = {ring.tobytes() for ring in whole.land if shapely.box(*shapely.LineString(ring).bounds).intersects(window)}
        assert seen <= {ring.tobytes() for ring in part.land}
        for mine, theirs in ((part.borders, whole.borders), (part.sea_limits, whole.sea_limits)):
            # Where a line was cut at the window it may be simplified otherwise, within twice the tolerance.
            for one, other in ((inside(mine), inside(theirs)), (inside(theirs), inside(mine))):
                assert shapely.intersection(one, window).difference(other.buffer(0.041)).length == 0
    assert {ring.tobytes() for ring in part.land} < {ring.tobytes() for ring in whole.land}
