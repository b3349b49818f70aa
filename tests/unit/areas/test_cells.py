from __future__ import annotations

import h3.api.basic_int as h3
import numpy as np
import pytest
import shapely
from made_areas import area, box, star

from groundrule.areas.index import AreaIndex

SHARE_TOLERANCE = 0.005


def shares(index, location, row):
    out = np.zeros(len(index.members))
    for member, membership in index.set_members(int(location.codes[row])):
        out[member] = membership == 1
    of_row = location.edge_rows == row
    out[location.edge_members[of_row]] = location.edge_probability[of_row]
    return out


def sampled(index, cell, rng, n=60_000):
    """Shares by points spread evenly over the sphere around the cell, kept where H3 says they are in it."""
    lat0, lon0 = h3.cell_to_latlng(cell)
    reach = (
        max(h3.great_circle_distance((lat0, lon0), corner, unit="rads") for corner in h3.cell_to_boundary(cell)) * 1.02
    )
    centre = np.array(
        [
            np.cos(np.radians(lat0)) * np.cos(np.radians(lon0)),
            np.cos(np.radians(lat0)) * np.sin(np.radians(lon0)),
            np.sin(np.radians(lat0)),
        ]
    )
    side = np.cross(centre, [0.3, 0.5, 0.8])
    side /= np.linalg.norm(side)
    z = 1 - rng.uniform(0, 1 - np.cos(reach), n)
    turn = rng.uniform(0, 2 * np.pi, n)
    across = np.sqrt(1 - z * z)
    xyz = z[:, None] * centre + across[:, None] * (
        np.cos(turn)[:, None] * side + np.sin(turn)[:, None] * np.cross(centre, side)
    )
    lat, lon = np.degrees(np.arcsin(xyz[:, 2])), np.degrees(np.arctan2(xyz[:, 1], xyz[:, 0]))
    resolution = h3.get_resolution(cell)
    kept = np.array([h3.latlng_to_cell(p, q, resolution) == cell for p, q in zip(lat, lon, strict=True)])
    codes = index.locate_exact(lat[kept], lon[kept])
    out = np.zeros(len(index.members))
    for code, count in zip(*np.unique(codes, return_counts=True), strict=True):
        for member, _ in index.set_members(int(code)):
            out[member] += count / kept.sum()
    return out


@pytest.mark.parametrize(("lat", "resolution"), [(0, 5), (52, 5), (-68, 5), (52, 9), (75, 7), (40, 3), (60, 2)])
def test_share_against_sampling(lat, resolution):
    rng = np.random.default_rng(31)
    cell = h3.latlng_to_cell(lat, 20, resolution)
    lat0, lon0 = h3.cell_to_latlng(cell)
    size = h3.average_hexagon_edge_length(resolution, "m")
    areas = [
        area(f"i{k}", star(lon0 + rng.normal(0, 0.3) * size / 111_000, lat0, 1.2 * size, 9, rng)) for k in range(3)
    ]
    areas.append(area("half", box(-170, -89, lon0, 89)))
    index = AreaIndex.build(areas)
    location = index.locate_cells(np.array([cell], dtype=np.uint64), edge_probability=1e-6)
    # Sampling itself has a standard error of 0.0025.
    assert shares(index, location, 0) == pytest.approx(sampled(index, cell, rng), abs=SHARE_TOLERANCE + 0.005)


def test_share_against_an_exact_clip():
    """Small cells near the equator: planar polygon clipping of another library is right to 1e-4."""
    rng = np.random.default_rng(32)
    shape = star(10, 1, 30_000, 40, rng)
    index = AreaIndex.build([area("islet", shape)])
    found = {
        h3.latlng_to_cell(1 + dy, 10 + dx, 6) for dx in np.linspace(-0.3, 0.3, 15) for dy in np.linspace(-0.3, 0.3, 15)
    }
    wanted = np.array(sorted(found), dtype=np.uint64)
    location = index.locate_cells(wanted, edge_probability=1e-6)
    partial = 0
    for row, cell in enumerate(wanted.tolist()):
        outline = shapely.Polygon([(lon, lat) for lat, lon in h3.cell_to_boundary(cell)])
        share = outline.intersection(shape).area / outline.area
        partial += 0 < share < 1
        assert shares(index, location, row)[0] == pytest.approx(share, abs=1e-3)
    assert partial > 20


def test_antimeridian_and_pole():
    split = shapely.MultiPolygon([box(170, 50, 180, 70), box(-180, 50, -170, 70)])
    index = AreaIndex.build(
        [
            area("split", split),
            area("east", box(170, 50, 180, 70)),
            area("cap", box(-180, 85, 180, 90)),
            area("half cap".replace(" ", "-"), box(0, 70, 180, 90)),
        ]
    )
    rng = np.random.default_rng(33)
    wanted = [
        h3.latlng_to_cell(60, 179.99, 4),
        h3.latlng_to_cell(90, 0, 4),
        h3.latlng_to_cell(85, 100, 3),
        h3.latlng_to_cell(50, -180, 5),
        h3.latlng_to_cell(90, 0, 1),
        h3.latlng_to_cell(89.7, 10, 5),
    ]
    location = index.locate_cells(np.array(wanted, dtype=np.uint64), edge_probability=1e-6)
    for row, cell in enumerate(wanted):
        want = sampled(index, cell, rng, 40_000)
        assert shares(index, location, row) == pytest.approx(want, abs=SHARE_TOLERANCE + 0.007)
    assert shares(index, location, 0)[0] == 1.0
    assert 0.2 < shares(index, location, 0)[1] < 0.8


def test_batches_duplicates_invalid_cells_and_the_cache():
    index = AreaIndex.build([area("a", box(10, 50, 11, 51))])
    inside, edge, outside = (h3.latlng_to_cell(50.5, lon, 6) for lon in (10.5, 11.0, 12.0))
    first = index.locate_cells(np.array([edge], dtype=np.uint64))
    wanted = np.array([inside, 0, edge, outside, edge, 2**64 - 1, 12345, inside], dtype=np.uint64)
    for _ in range(2):
        location = index.locate_cells(wanted)
        assert location.unknown == 3
        assert (location.codes < 0).tolist() == [False, True, False, False, False, True, True, False]
        assert location.edge_rows.tolist() == [2, 4]
        assert location.edge_probability[0] == location.edge_probability[1] == first.edge_probability[0]
        assert index.set_members(int(location.codes[0])) == ((0, 1),)
        assert index.set_members(int(location.codes[2])) == ((0, 2),)
        assert location.codes[3] == 0
    assert len(index.locate_cells(np.zeros(0, np.uint64)).codes) == 0


def test_a_cell_as_large_as_an_ocean_holds_an_islet_only_as_edge_or_not_at_all():
    rng = np.random.default_rng(34)
    cell = h3.latlng_to_cell(-20, -130, 2)
    index = AreaIndex.build([area("islet", star(-130, -20, 2000, 9, rng))])
    location = index.locate_cells(np.array([cell], dtype=np.uint64))
    assert location.codes[0] == 0  # 12 of 87,000 square kilometres is below the edge probability
