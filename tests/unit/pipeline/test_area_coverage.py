"""Who could cover an area, and who is cut with its cells: against counting everything by hand."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import h3.api.basic_int as h3
import numpy as np
import pytest
import shapely

from groundrule.areas.world import load_world
from groundrule.cli import commands
from groundrule.errors import InputError, OutOfRange, StaleElements
from groundrule.evidence.coverage_map import Panel, draw_coverage
from groundrule.evidence.outlines import Outlines
from groundrule.frames import enu_axes, geodetic_to_ecef
from groundrule.instant import NS_PER_S, parse_instant
from groundrule.orbit.elements import join
from groundrule.orbit.generate import generate
from groundrule.orbit.propagate import Propagator
from groundrule.pipeline.area_cells import cells_touching, points_in, shapes_of, touches
from groundrule.pipeline.coverage import coverage, providers
from groundrule.pipeline.spill_over import cut_with_cells, spill_over
from groundrule.store.home import Home
from small_home import AREAS, RECORDED, T0, observation, run, table

START_NS = parse_instant("2026-06-03T00:00Z")
OUTLINES = Outlines((np.array([[0.0, 40.0], [50.0, 40.0], [50.0, 60.0], [0.0, 60.0], [0.0, 40.0]]),), (), ())

SHAPES = {
    "crooked": shapely.Polygon([(30.0, 46.0), (33.5, 46.2), (32.0, 47.0), (33.0, 48.4), (31.0, 47.4), (30.2, 48.3)]),
    "with a hole": shapely.Polygon(shapely.box(10, 50, 12, 51.5).exterior, [shapely.box(10.5, 50.4, 11.5, 51.1).exterior]),
    "sliver": shapely.box(20.0, 60.0, 23.0, 60.002),
    "over 180": shapely.MultiPolygon([shapely.box(178.6, -18.0, 180.0, -16.4), shapely.box(-180.0, -18.0, -179.2, -16.4)]),
    "in the north": shapely.box(15.0, 78.0, 22.0, 80.0),
    "two": shapely.MultiPolygon([shapely.box(0.0, 0.0, 0.6, 0.6), shapely.box(2.0, 0.1, 2.05, 0.15)]),
}


def every_cell_near(area: shapely.Geometry, resolution: int) -> set[int]:
    """Cells of a fine net of points around the area, and their neighbours: surely more than touch it."""
    found: set[int] = set()
    reach = 3.0 * h3.average_hexagon_edge_length(resolution, "m") / 111_000.0
    for part in shapely.get_parts(area):
        west, south, east, north = part.bounds
        step = h3.average_hexagon_edge_length(resolution, "m") / 111_000.0
        for lat in np.arange(south - reach, north + reach, step):
            across = max(0.05, math.cos(math.radians(lat)))
            for lon in np.arange(west - reach / across, east + reach / across, step / across):
                found.add(h3.latlng_to_cell(float(np.clip(lat, -90, 90)), float((lon + 180) % 360 - 180), resolution))
    return found


# --- cells ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SHAPES)
def test_cells_that_touch_are_those_of_counting_all(name: str) -> None:
    area, resolution = SHAPES[name], 5
    near = np.array(sorted(every_cell_near(area, resolution)), np.uint64)
    wanted = near[[shape.intersects(area) for shape in shapes_of(near)]]
    found = cells_touching(area, resolution)
    assert found.tolist() == wanted.tolist()
    assert len(found) > 3
    mixed = near[:: max(1, len(near) // 500)]
    assert touches(area, mixed).tolist() == [int(cell) in set(wanted.tolist()) for cell in mixed]


def test_cells_around_a_pole() -> None:
    cap = shapely.box(-180.0, 88.0, 180.0, 90.0)
    found = set(cells_touching(cap, 3).tolist())
    inside = {h3.latlng_to_cell(lat, lon, 3) for lat in np.linspace(88.0, 90.0, 40) for lon in np.linspace(-180, 180, 181)}
    assert inside <= found
    assert len(found) < 3 * len(inside)


def test_points_are_spread_and_inside() -> None:
    area = SHAPES["crooked"]
    lat, lon, cells = points_in(area, 100)
    assert 100 / 7 <= len(lat) <= 100
    assert shapely.intersects_xy(area, lon, lat).all()
    assert [h3.latlng_to_cell(y, x, h3.get_resolution(int(c))) for y, x, c in zip(lat, lon, cells, strict=True)] == cells.tolist()
    # Every centre of that resolution that lies in the area is one of them.
    size = h3.get_resolution(int(cells[0]))
    near = np.array(sorted(every_cell_near(area, size)), np.uint64)
    middles = np.array([h3.cell_to_latlng(int(cell)) for cell in near])
    assert set(near[shapely.intersects_xy(area, middles[:, 1], middles[:, 0])].tolist()) == set(cells.tolist())
    tiny = shapely.box(5.0, 5.0, 5.0001, 5.0001)
    lat, lon, cells = points_in(tiny, 100)
    assert len(cells) == 1
    assert tiny.contains(shapely.Point(lon[0], lat[0]))


def test_large_countries_have_points_too() -> None:
    world = load_world()
    for name in ("country:RU", "country:UA", "country:FJ", "country:AQ", "country:VA"):
        area = world.at(name, START_NS)
        assert area is not None
        lat, lon, cells = points_in(area.geometry, 60)
        assert 1 <= len(cells) <= 60, name
        assert shapely.intersects_xy(area.geometry, lon, lat).all(), name
    russia = world.at("country:RU", START_NS)
    assert russia is not None
    with pytest.raises(OutOfRange, match="cells"):
        cells_touching(russia.geometry, 8)


# --- coverage ---------------------------------------------------------------------------------------------------------


def test_shares_and_gaps_are_those_of_testing_every_satellite() -> None:
    elements = join([generate("iridium", START_NS), generate("oneweb", START_NS)])
    area, hours, step_s, mask = SHAPES["crooked"], 3.0, 120.0, 30.0
    found = coverage(area, elements, from_ns=START_NS, hours=hours, step_s=step_s, mask_deg=mask, points=12)
    x = geodetic_to_ecef(found.lat_deg, found.lon_deg)
    up = enu_axes(found.lat_deg, found.lon_deg)[:, 2]
    times = START_NS + (np.arange(90) * step_s * NS_PER_S).astype(np.int64)
    states = Propagator(elements).at(times).r_m
    assert [row.name for row in found.constellations] == ["iridium-generated", "oneweb-generated"]
    for row in found.constellations:
        mine = elements.constellation == row.name
        number = np.zeros((len(x), len(times)), int)
        for p in range(len(x)):
            for k in range(len(times)):
                sight = states[mine, k] - x[p]
                number[p, k] = (np.degrees(np.arcsin(sight @ up[p] / np.linalg.norm(sight, axis=1))) >= mask).sum()
        assert row.satellites == row.usable == mine.sum()
        assert row.one == pytest.approx((number >= 1).mean(axis=1))
        assert row.four == pytest.approx((number >= 4).mean(axis=1))
        assert row.mean == pytest.approx(number.mean(axis=1))
        gaps = [max((len(run) for run in "".join("1" if n else "0" for n in line).split("1")), default=0) for line in number]
        assert row.gap_s.tolist() == [gap * step_s for gap in gaps]
    assert 0.1 < found.constellations[0].one.mean() < 1.0
    assert found.constellations[0].generated


def test_what_is_stale_is_left_out_or_refused() -> None:
    old, new = generate("iridium", START_NS - 30 * 86_400 * NS_PER_S), generate("oneweb", START_NS)
    found = coverage(SHAPES["two"], join([old, new]), from_ns=START_NS, hours=0.5, points=4)
    first = found.constellations[0]
    assert (first.name, first.usable, float(first.one.max())) == ("iridium-generated", 0, 0.0)
    assert found.constellations[0].gap_s.tolist() == [1_800.0] * len(found.lat_deg)
    with pytest.raises(StaleElements):
        coverage(SHAPES["two"], old, from_ns=START_NS, hours=0.5, points=4)
    with pytest.raises(OutOfRange):
        coverage(SHAPES["two"], new, from_ns=START_NS, hours=0.5, step_s=0.0)
    with pytest.raises(InputError):
        coverage(SHAPES["two"], new.select([]), from_ns=START_NS)


def test_navigation_and_satellites_of_no_constellation_are_no_providers() -> None:
    one, two, three = (generate(name, START_NS) for name in ("iridium", "oneweb", "kuiper"))
    mixed = join([one, replace(two, constellation=np.full(len(two), "gps", object)),
                  replace(three, constellation=np.full(len(three), "other", object))])  # fmt: skip
    assert set(providers(mixed).constellation.tolist()) == {"iridium-generated"}
    assert set(providers(mixed, ["gps"]).constellation.tolist()) == {"gps"}
    with pytest.raises(InputError, match="starlink"):
        providers(mixed, ["starlink"])
    with pytest.raises(InputError, match="carry traffic"):
        providers(providers(mixed, ["gps"]))


# --- spill-over -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["crooked", "over 180"])
def test_positions_cut_with_cells_are_those_whose_cell_meets_the_area(name: str) -> None:
    area = SHAPES[name]
    random = np.random.default_rng(7)
    west, south, east, north = area.bounds if name == "crooked" else (178.0, -19.0, 181.5, -15.5)
    lat, lon = random.uniform(south - 0.5, north + 0.5, 600), (random.uniform(west - 0.5, east + 0.5, 600) + 180.0) % 360.0 - 180.0
    lat[0], lon[1] = np.nan, np.nan
    cut, cells = cut_with_cells(area, lat, lon, 5)
    for i in range(2, 600):
        cell = np.array([h3.latlng_to_cell(lat[i], lon[i], 5)], np.uint64)
        assert cut[i] == shapes_of(cell)[0].intersects(area)
        assert cut[i] == (int(cell[0]) in set(cells.tolist()))
    assert not cut[:2].any()
    inside = shapely.intersects_xy(area, lon[2:], lat[2:])
    assert cut[2:][inside].all()
    assert (cut[2:] & ~inside).sum() > 10


def test_neighbours_are_counted_by_country_and_class(home: Home) -> None:
    closed = AREAS[3]  # 2 to 3 degrees east and north, in Aland
    # H3 cells of resolution 5 have a radius of some 0.1 degrees: the neighbours stand beside the border.
    places = {"car": (2.5, 2.5), "train": (2.5, 1.99), "van": (3.01, 2.4), "guest": (9.0, 9.0), "stranger": (2.2, 3.005)}
    rows = [observation(name, k, *place) for k, (name, place) in enumerate(places.items())]
    run(home, table(rows))
    found = spill_over(home, closed, at_ns=RECORDED)
    lat, lon = np.array([*places.values()]).T
    cut, cells = cut_with_cells(closed.geometry, lat, lon, 5)
    outside = ~shapely.intersects_xy(closed.geometry, lon, lat)
    assert found.terminals == 5
    assert (found.inside, found.neighbours) == (1, int((cut & outside).sum())) == (1, 3)
    assert found.by_country == {"AT": 3}
    assert found.by_class == {"ordinary": 2, "not registered": 1}
    assert found.cells == len(cells)
    assert found.border_cells == sum(not closed.geometry.contains(shape) for shape in shapes_of(cells))
    assert found.beside.shape == (3, 2)
    assert T0 < RECORDED


# --- picture and command ----------------------------------------------------------------------------------------------


def test_the_picture_is_the_same_every_time(tmp_path: Path) -> None:
    area = SHAPES["crooked"]
    _, _, cells = points_in(area, 60)
    panels = [Panel(f"panel {k}", np.linspace(0, 1, len(cells)), np.linspace(0, 1, len(cells))) for k in range(3)]
    beside = np.array([[47.0, 29.9]])
    for name in ("a.png", "b.png", "c.svg"):
        draw_coverage(area, cells, panels, tmp_path / name, title="Who", subtitle="words", neighbours=beside, outlines=OUTLINES)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    draw_coverage(area, cells, panels[:2], tmp_path / "d.png", title="Who", subtitle="words", outlines=OUTLINES)
    assert (tmp_path / "d.png").read_bytes() != (tmp_path / "a.png").read_bytes()
    assert (tmp_path / "c.svg").read_text(encoding="utf-8").startswith("<?xml")
    with pytest.raises(InputError, match="not written"):
        draw_coverage(area, cells, panels, tmp_path / "a.gif", title="Who", subtitle="words", outlines=OUTLINES)


def test_the_command_says_that_it_is_geometry(home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(home, table([observation("car", 0, 2.5, 1.99), observation("van", 1, 2.5, 2.5)]))
    commands("orbits")(["orbits", "import", "--home", str(home.path), "--generated", "iridium", "--epoch", "2026-06-03T00:00Z"],
                       standalone_mode=False)  # fmt: skip
    capsys.readouterr()
    words = ["whatif", "--coverage", "closed", "--home", str(home.path), "--at", "2026-06-03T00:00Z", "--hours", "1", "--points", "9"]
    commands("whatif")([*words, "--json"], standalone_mode=False)
    told = json.loads(capsys.readouterr().out)
    assert "no claim of licence" in told["note"]
    assert told["constellations"][0]["constellation"] == "iridium-generated"
    assert len(told["points"]) <= 9
    assert (told["spill_over"]["inside"], told["spill_over"]["neighbours_cut"]) == (1, 1)
    commands("whatif")([*words, "--own", "iridium-generated", "--map", str(tmp_path / "m.png")], standalone_mode=False)
    shown = capsys.readouterr().out
    assert "Geometry only" in shown
    assert "1 outside would lose service with the cells" in shown
    assert (tmp_path / "m.png").read_bytes()[:4] == b"\x89PNG"
    for wrong in (["--coverage", "nowhere"], [], ["--coverage", "closed", "--rules", "world-2026"], ["--coverage", "closed", "--own", "x"]):
        with pytest.raises(InputError):
            commands("whatif")(["whatif", "--home", str(home.path), *wrong], standalone_mode=False)
