"""The map: drawn anywhere on earth, by colour and shape, with a scale that is true, and nothing where nothing is known."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import shapely

from groundrule.evidence.dossier import AreaVersion, Dossier, Ellipse, TrackPoint
from groundrule.evidence.marks import MARKS
from groundrule.evidence.outlines import Outlines
from groundrule.evidence.render.map_svg import MAX_MARKS, map_svg
from groundrule.evidence.render.map_view import EARTH_KM, HEIGHT, WIDTH, View
from groundrule.evidence.render.words import LANGUAGES, words
from sample_dossier import AT, NO_COAST, ONE_LAND, SQUARE, sample

SVG = "{http://www.w3.org/2000/svg}"
EN = words("en")


def bare(
    *points: tuple[float, float], outcome: str = "serve", step_s: int = 15, sigma_m: float | None = None
) -> Dossier:
    track = tuple(
        TrackPoint("t-1", AT + i * step_s * 10**9, lat, lon, sigma_m, outcome) for i, (lat, lon) in enumerate(points)
    )
    return replace(sample(with_map=False), track=track)


def drawn(dossier: Dossier, outlines: Outlines = ONE_LAND) -> ET.Element:
    made = map_svg(dossier, EN, outlines=outlines)
    assert made is not None
    return ET.fromstring(made.svg)


def circles(picture: ET.Element) -> list[tuple[float, float]]:
    found = [each for each in picture.iter(f"{SVG}circle") if each.get("fill") == "#0072B2"]
    return [(float(each.get("cx", "nan")), float(each.get("cy", "nan"))) for each in found]


def numbers(picture: ET.Element) -> np.ndarray:
    texts = [
        each.get(name, "") for each in picture.iter() for name in ("d", "points", "cx", "cy", "x", "y", "x1", "y2")
    ]
    return np.array([float(each) for text in texts for each in re.findall(r"-?\d+\.?\d*(?:e-?\d+)?", text)])


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_sample_has_everything(language: str) -> None:
    made = map_svg(sample(), words(language), outlines=ONE_LAND)
    assert made is not None
    picture = ET.fromstring(made.svg)
    text = [each.text for each in picture.iter(f"{SVG}text")]
    assert any(each and each.endswith(" km") for each in text)
    assert words(language)("page", "north") in text
    assert any(each and "survey craft" in each for each in text)
    assert any(each and "23:10:51" in each for each in text)
    assert [said for _, said in made.legend][:1] == [words(language)("page", "map_area")]
    assert {words(language)("answers", "serve"), words(language)("answers", "deny")} <= {
        said for _, said in made.legend
    }
    assert words(language)("page", "map_ellipse") in {said for _, said in made.legend}
    assert made.source == ONE_LAND.attribution
    assert np.isfinite(numbers(picture)).all()


@pytest.mark.parametrize(
    ("lat", "lon"),
    [(0, 0), (47.6, 35.4), (0, 179.99), (60, -179.99), (89.99, 10), (-89.99, -120), (90, 0), (-90, 180), (-45, 180)],
)
def test_a_single_point_is_in_the_middle_anywhere_on_earth(lat: float, lon: float) -> None:
    picture = drawn(bare((lat, lon)))
    ((x, y),) = circles(picture)
    assert x == pytest.approx(WIDTH / 2, abs=1)
    assert y == pytest.approx(HEIGHT / 2, abs=1)
    assert np.abs(numbers(picture)).max() < 5_000


def test_a_track_across_the_date_line_is_one_line() -> None:
    picture = drawn(bare((10, 179.8), (10, 179.9), (10, -180), (10, -179.9), (10, -179.8)))
    places = circles(picture)
    assert len(places) == 5
    x = [place[0] for place in places]
    assert x == sorted(x)
    assert max(np.diff(x)) < 1.5 * min(np.diff(x))


def test_a_track_over_the_pole_is_straight() -> None:
    places = circles(drawn(bare((89.6, 20), (89.8, 20), (90, 0), (89.8, -160), (89.6, -160))))
    steps = np.hypot(*np.diff(np.array(places), axis=0).T)
    assert len(places) == 5
    assert max(steps) < 1.2 * min(steps)


def test_the_scale_bar_is_true() -> None:
    picture = drawn(bare((50, 10), (50.2, 10.3)))
    text = next(each.text for each in picture.iter(f"{SVG}text") if each.text and each.text.endswith(" km"))
    bar = next(each.get("d", "") for each in picture.iter(f"{SVG}path") if re.match(r"M16 \S+v7h", each.get("d", "")))
    wide = float(re.match(r"M16 \S+v7h([\d.]+)", bar)[1])  # type: ignore[index]  # the pattern is in the line above
    (x1, y1), (x2, y2) = circles(picture)
    shown_km = np.hypot(x2 - x1, y2 - y1) / wide * float(text.split()[0].replace(",", ""))
    lat, lon = np.radians([50, 50.2]), np.radians([10, 10.3])
    true_km = EARTH_KM * np.arccos(
        np.sin(lat[0]) * np.sin(lat[1]) + np.cos(lat[0]) * np.cos(lat[1]) * np.cos(lon[1] - lon[0])
    )
    assert shown_km == pytest.approx(true_km, rel=0.01)


def test_north_is_up_and_east_is_right() -> None:
    (x1, y1), (x2, y2) = circles(drawn(bare((-30, 170), (-29, 171))))
    assert x2 > x1
    assert y2 < y1


def test_answers_differ_by_shape_and_by_colour() -> None:
    signs = {}
    for mark in MARKS:
        made = map_svg(bare((1, 1), (1, 1.1), outcome=mark.key), EN, outlines=NO_COAST)
        assert made is not None
        signs[mark.key] = made.legend[0][0]
    plain = {re.sub(r"#[0-9A-Fa-f]{6}", "#", sign) for sign in signs.values()}
    assert len(plain) == len(signs) == len({re.findall(r"#[0-9A-Fa-f]{6}", sign)[0] for sign in signs.values()})


def test_without_position_and_area_there_is_no_map() -> None:
    assert map_svg(sample(with_map=False), EN, outlines=NO_COAST) is None
    assert map_svg(bare((float("nan"), 3.0)), EN, outlines=NO_COAST) is None
    withheld = AreaVersion("withheld", "", "zone", "", None, None, b"")
    broken = replace(withheld, wkb=b"no geometry")
    assert map_svg(replace(sample(with_map=False), areas=(withheld, broken)), EN, outlines=NO_COAST) is None


def test_areas_alone_are_drawn() -> None:
    around = AreaVersion(
        "a", "Strait (invented)", "zone", "", None, None, bytes(shapely.to_wkb(shapely.box(20, 30, 22, 31)))
    )
    picture = drawn(replace(sample(with_map=False), areas=(around,)))
    assert "Strait (invented)" in [each.text for each in picture.iter(f"{SVG}text")]


def test_an_area_cut_off_around_the_track_gets_no_border_there() -> None:
    # The composer cuts areas one degree beyond the track; the strip goes on beyond the cut at 36.4 degrees east.
    cut = AreaVersion(
        "a", "Strip (invented)", "zone", "", None, None, bytes(shapely.to_wkb(shapely.box(35.0, 47.2, 36.4, 48.1)))
    )
    near = replace(bare((47.2, 35.4), (48.1, 35.4)), areas=(cut,))
    lines = [each.get("d", "") for each in drawn(near, NO_COAST).iter(f"{SVG}path") if each.get("stroke") == "#7A3E9D"]
    right = View(35.4, 47.65, 1.0).place(np.array([[36.4, 47.65]]))[0, 0] - WIDTH / 2
    assert lines
    corners = np.array([float(x) - WIDTH / 2 for d in lines for x in re.findall(r"[ML](-?[\d.]+) ", d)])
    assert right > 0
    assert corners.min() < 0
    # On the cut side only the ends of the two long borders reach the edge: no line goes along it.
    at_edge = np.isclose(corners, corners.max(), atol=1.0).sum()
    assert at_edge <= 2 + 2


def test_many_positions_are_thinned_but_no_change_of_answer_is_lost() -> None:
    points = tuple(
        TrackPoint("t-1", AT + i * 10**9, 10 + i / 1e4, 10.0, None, "deny" if i == 777 else "serve")
        for i in range(2_000)
    )
    made = map_svg(replace(sample(with_map=False), track=points), EN, outlines=NO_COAST)
    assert made is not None
    assert made.points <= MAX_MARKS
    picture = ET.fromstring(made.svg)
    assert [
        each for each in picture.iter(f"{SVG}rect") if each.get("fill") == "#C8102E" and each.get("stroke") == "#fff"
    ]


def test_hours_without_an_observation_are_dashed_and_journeys_over_the_same_ground_lie_beside_each_other() -> None:
    run = [(47.6, 35.4 + i / 100) for i in range(6)]
    first, later = bare(*run).track, bare(*run, outcome="deny").track
    track = (*first, *(replace(point, observed_at_ns=point.observed_at_ns + 35 * 3_600 * 10**9) for point in later))
    made = map_svg(replace(sample(with_map=False), track=track), EN, outlines=NO_COAST)
    assert made is not None
    assert {EN("page", "map_gap"), EN("page", "map_beside")} <= {said for _, said in made.legend}
    picture = ET.fromstring(made.svg)
    assert [each for each in picture.iter(f"{SVG}line") if each.get("stroke-dasharray") == "5 4"]
    squares = {
        float(e.get("y", 0)) + 5.85
        for e in picture.iter(f"{SVG}rect")
        if e.get("fill") == "#C8102E" and e.get("stroke") == "#fff"
    }
    assert min(squares) - max(y for _, y in circles(picture)) > 10


def test_sigma_and_ellipse_have_their_true_size() -> None:
    dossier = replace(
        bare((10, 10), (10, 10.2), sigma_m=3_000.0), ellipses=(Ellipse(AT, 10, 10.1, 4_000, 1_000, 90, "holds"),)
    )
    picture = drawn(dossier, NO_COAST)
    (x1, _), (x2, _) = circles(picture)
    per_km = (x2 - x1) / (EARTH_KM * np.radians(0.2) * np.cos(np.radians(10)))
    sigma = next(each for each in picture.iter(f"{SVG}circle") if each.get("fill-opacity") == "0.05")
    assert float(sigma.get("r", 0)) == pytest.approx(3 * per_km, rel=0.02)
    ellipse = next(picture.iter(f"{SVG}ellipse"))
    assert float(ellipse.get("ry", 0)) == pytest.approx(4 * per_km, rel=0.02)
    assert ellipse.get("transform", "").startswith("rotate(90 ")


def test_land_that_covers_the_antipode_does_not_flood_the_map() -> None:
    world = Outlines((np.array([[-180.0, -90], [180, -90], [180, 80], [-180, 80], [-180, -90]]), SQUARE), (), (), "")
    assert np.abs(numbers(drawn(bare((-60, 0.0)), world))).max() < 5_000
