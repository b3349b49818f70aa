from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import shapely
from made_areas import area, box, star

from groundrule.areas.gridfile import GridCacheWarning
from groundrule.areas.index import AreaIndex
from groundrule.errors import InputError, MalformedArea, OutOfRange


def ids(index, lat, lon):
    (code,) = index.locate_exact([lat], [lon])
    return [index.members[member].id for member, _ in index.set_members(int(code))]


def test_closed_polygons_holes_and_overlaps():
    ring = shapely.Polygon([(0, 0), (10, 0), (10, 10), (0, 10)], [[(4, 4), (6, 4), (6, 6), (4, 6)]])
    index = AreaIndex.build([area("ring", ring), area("east", box(5, -5, 20, 5)), area("enclave", box(4, 4, 6, 6))])
    assert ids(index, 5, 2) == ["ring"]
    assert ids(index, 5, 5) == ["east", "enclave"]  # the hole and, on its edge, east
    assert ids(index, 4, 5) == ["ring", "east", "enclave"]  # on the edge of the hole: both sides are closed
    assert ids(index, 0, 0) == ["ring"]
    assert ids(index, 10, 10) == ["ring"]
    assert ids(index, np.nextafter(10, 11), 10) == []
    assert ids(index, 1, 7) == ["ring", "east"]


def test_unknown_positions_are_minus_one_and_lose_nothing_beside_them():
    index = AreaIndex.build([area("a", box(0, 0, 1, 1))])
    lat = [0.5, np.nan, 91, 0.5, 0.5, -90.000001, 0.5, np.inf]
    lon = [0.5, 0.5, 0.5, 180.5, np.nan, 0.5, 0.5, 0.5]
    location = index.locate_points(lat, lon, 10.0)
    assert location.codes.tolist()[1:6] == [-1] * 5
    assert location.unknown == 6
    assert location.codes[0] == location.codes[6] > 0
    with pytest.raises(InputError):
        index.set_members(-1)


def test_the_antimeridian_is_one_line_and_the_poles_are_reached():
    index = AreaIndex.build(
        [
            area("west", box(-180, -10, -170, 10)),
            area("east", box(170, -5, 180, 5)),
            area("cap", box(-180, 80, 180, 90)),
        ]
    )
    assert ids(index, 0, 180) == ids(index, 0, -180) == ["west", "east"]
    assert ids(index, 7, 180) == ids(index, 7, -180) == ["west"]
    assert ids(index, 0, np.nextafter(180, 0)) == ["east"]
    assert ids(index, 90, 33) == ids(index, 90, -180) == ids(index, 80, 180) == ["cap"]
    assert ids(index, -90, 0) == []


def test_no_list_has_a_capacity():
    """300 areas over one point, and 800 edges that meet in one vertex."""
    stack = [area(f"s{i}", box(-1 - i / 1000, -1, 1, 1 + i / 1000)) for i in range(300)]
    turn = np.linspace(0, 2 * np.pi, 401)
    fan = [
        area(f"f{i}", shapely.Polygon([(30, 30), (30 + np.cos(a), 30 + np.sin(a)), (30 + np.cos(b), 30 + np.sin(b))]))
        for i, (a, b) in enumerate(pairwise(turn))
    ]
    index = AreaIndex.build(stack + fan)
    assert len(ids(index, 0, 0)) == 300
    assert len(ids(index, 30, 30)) == 400
    middle = (turn[:-1] + turn[1:]) / 2
    codes = index.locate_exact(30 + 1e-3 * np.sin(middle), 30 + 1e-3 * np.cos(middle))
    assert [index.set_members(int(code)) for code in codes] == [((300 + i, 1),) for i in range(400)]


def test_results_do_not_depend_on_order_or_batches():
    rng = np.random.default_rng(8)
    areas = [area(f"a{i}", star(rng.uniform(20, 21), rng.uniform(50, 51), 40_000, 9, rng)) for i in range(12)]
    index, other = AreaIndex.build(areas), AreaIndex.build(areas)
    lat, lon = rng.uniform(50, 51, 500), rng.uniform(20, 21, 500)
    whole = index.locate_points(lat, lon, 2000.0)
    one = [other.locate_points(lat[i], lon[i], 2000.0) for i in range(499, -1, -1)][::-1]
    for i, single in enumerate(one):
        assert index.set_members(int(whole.codes[i])) == other.set_members(int(single.codes[0]))
        of_row = whole.edge_rows == i
        assert whole.edge_members[of_row].tolist() == single.edge_members.tolist()
        assert whole.edge_probability[of_row].tolist() == single.edge_probability.tolist()


def test_edge_rows_and_set_contents_agree():
    index = AreaIndex.build([area("a", box(0, 0, 1, 1)), area("b", box(1, 0, 2, 1))])
    location = index.locate_points([0.5, 0.5, 0.5], [0.5, 1.0, 1.00001], 500.0)
    assert [index.set_members(int(code)) for code in location.codes] == [((0, 1),), ((0, 2), (1, 2)), ((0, 2), (1, 2))]
    assert location.edge_rows.tolist() == [1, 1, 2, 2]
    assert location.edge_members.tolist() == [0, 1, 0, 1]
    assert location.edge_probability[:2] == pytest.approx([0.5, 0.5], abs=1e-4)


def test_no_areas_at_all():
    index = AreaIndex.build([])
    assert index.locate_points([0, 95], [0, 0], 15.0).codes.tolist() == [0, -1]
    assert index.locate_exact([], []).tolist() == []


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ("POLYGON ((0 0, 2 2, 2 0, 0 2, 0 0))", "invalid"),
        ("POLYGON ((179 0, 181 0, 181 1, 179 0))", "lon -180 to 180"),
    ],
)
def test_a_geometry_that_cannot_be_indexed_is_named(shape, words):
    with pytest.raises(MalformedArea, match="area `bad`") as caught:
        AreaIndex.build([area("good", box(0, 0, 1, 1)), area("bad", shape)])
    assert words in str(caught.value)


@pytest.mark.parametrize("share", [0.0, 0.5, -1.0, float("nan")])
def test_edge_probability_is_checked(share):
    index = AreaIndex.build([area("a", box(0, 0, 1, 1))])
    with pytest.raises(OutOfRange):
        index.locate_points([0], [0], 15.0, edge_probability=share)


class TestCache:
    @pytest.fixture
    def areas(self):
        rng = np.random.default_rng(2)
        return [area(f"a{i}", star(rng.uniform(-30, 30), rng.uniform(-30, 30), 300_000, 30, rng)) for i in range(20)]

    def codes(self, index):
        rng = np.random.default_rng(3)
        lat, lon = rng.uniform(-30, 30, 3000), rng.uniform(-30, 30, 3000)
        return [index.set_members(int(code)) for code in index.locate_exact(lat, lon)]

    def test_a_loaded_grid_answers_like_a_built_one(self, areas, tmp_path):
        built = AreaIndex.build(areas, cache_dir=tmp_path)
        (file,) = tmp_path.glob("*.grid")
        before = file.stat().st_mtime_ns
        loaded = AreaIndex.build(areas, cache_dir=tmp_path)
        assert file.stat().st_mtime_ns == before
        assert self.codes(loaded) == self.codes(built)
        assert any(self.codes(built))

    @pytest.mark.parametrize("place", ["magic", "header", "payload", "cut", "empty"])
    def test_a_damaged_file_is_reported_and_built_again(self, areas, tmp_path, place):
        built = AreaIndex.build(areas, cache_dir=tmp_path)
        (file,) = tmp_path.glob("*.grid")
        whole = data = bytearray(file.read_bytes())
        if place == "cut":
            data = data[: len(data) // 2]
        elif place == "empty":
            data = bytearray()
        else:
            data = data.copy()
            data[{"magic": 3, "header": 40, "payload": len(data) - 999}[place]] ^= 0x15
        file.write_bytes(data)
        with pytest.warns(GridCacheWarning, match="not used"):
            again = AreaIndex.build(areas, cache_dir=tmp_path)
        assert self.codes(again) == self.codes(built)
        assert file.read_bytes() == whole

    def test_the_grid_of_other_areas_is_not_taken(self, areas, tmp_path):
        AreaIndex.build(areas, cache_dir=tmp_path)
        (file,) = tmp_path.glob("*.grid")
        other = tmp_path / "other"
        AreaIndex.build(areas[:-1], cache_dir=other)
        (wrong,) = other.glob("*.grid")
        file.write_bytes(wrong.read_bytes())
        with pytest.warns(GridCacheWarning, match="other areas"):
            AreaIndex.build(areas, cache_dir=tmp_path)

    def test_a_folder_that_cannot_be_written_costs_only_the_cache(self, areas, tmp_path):
        blocked = tmp_path / "file"
        blocked.write_text("not a folder")
        with pytest.warns(GridCacheWarning):
            index = AreaIndex.build(areas, cache_dir=blocked / "cache")
        assert any(self.codes(index))


def test_set_table_grows_past_its_first_size():
    """Thousands of distinct sets and moves from overlapping boxes."""
    rng = np.random.default_rng(5)
    corners = rng.uniform(0, 3, (60, 2))
    areas = [area(f"b{i}", box(x, y, x + 1, y + 1)) for i, (x, y) in enumerate(corners)]
    index = AreaIndex.build(areas)
    lat, lon = rng.uniform(0, 4, 30_000), rng.uniform(0, 4, 30_000)
    codes = index.locate_exact(lat, lon)
    x, y = corners[:, 0], corners[:, 1]
    inside = (lon[:, None] >= x) & (lon[:, None] <= x + 1) & (lat[:, None] >= y) & (lat[:, None] <= y + 1)
    wanted = [tuple((int(m), 1) for m in np.flatnonzero(row)) for row in inside]
    assert [index.set_members(int(code)) for code in codes] == wanted
    assert len(index.sets) > 1000
