"""Importing: every format, every certain repair, every refusal with its reason; nothing good lost beside it."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
import shapely
from area_files import (
    HOLE,
    SQUARE,
    WGS84_PRJ,
    collection,
    dbf,
    feature,
    geography,
    kml,
    kml_ring,
    moved,
    parquet,
    placemark,
    polygon,
    shp,
    volume,
    zipped,
    zone,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from groundrule.areas import importing
from groundrule.areas.importing import ImportReport, read_areas
from groundrule.areas.model import service_answer
from groundrule.areas.repair import build_polygon
from groundrule.errors import InputError, MalformedArea
from groundrule.instant import MAX_NS, MIN_NS, parse_instant

Read = Callable[..., ImportReport]
UNIT = shapely.box(0, 0, 1, 1)


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read_(content: Any, name: str = "zones.geojson", **options: Any) -> ImportReport:
        data = (
            content
            if isinstance(content, bytes)
            else content.encode()
            if isinstance(content, str)
            else json.dumps(content).encode()
        )
        path = tmp_path / name
        path.write_bytes(data)
        return read_areas(path, **options)

    return read_


def one(report: ImportReport) -> Any:
    assert [str(r) for r in report.rejected] == []
    (area,) = report.areas
    return area


# --- GeoJSON ----------------------------------------------------------------------------------------------------------


def test_every_property_with_a_meaning_is_read(read: Read) -> None:
    history = [
        {"state": "served", "from": "2022-02-01T00:00Z", "until": "2022-04-01T00:00Z", "source": "log (invented)"},
        {"state": "ended", "from": "2022-04-01T00:00Z", "source": "log (invented)"},
    ]
    requests = [
        {"at": "2022-05-01", "asked": "switch_on", "answer": "refused", "source": "letter (invented)", "note": "x"}
    ]
    area = one(
        read(
            feature(
                polygon(SQUARE, HOLE), "ignored", id="zone:harbour", kind="Control Area", name="Harbour (invented)",
                country="ukr", tags=["b", "a"], valid_from="2022-01-01", valid_until="2023-01-01T00:00+02:00",
                source="survey", licence="CC0-1.0", point_of_view="UN",
                service_history=history, service_requests=requests, depth=3.0,
            )
        )
    )  # fmt: skip
    assert (area.id, area.kind, area.name, area.country) == ("zone:harbour", "control_area", "Harbour (invented)", "UA")
    assert (area.tags, area.source, area.licence, area.point_of_view) == (("a", "b"), "survey", "CC0-1.0", "UN")
    assert area.valid_from_ns == parse_instant("2022-01-01")
    assert area.valid_until_ns == parse_instant("2022-12-31T22:00Z")
    assert [i.state for i in area.service_history] == ["served", "ended"]
    assert area.service_history[1].until_ns == MAX_NS
    assert area.service_requests[0].answer == "refused"
    assert area.properties == (("depth", "3"),)
    assert area.geometry.equals(shapely.Polygon(SQUARE, [HOLE]))


def test_options_hold_where_a_feature_does_not_say(read: Read) -> None:
    report = read(
        collection(feature(polygon(SQUARE), code="A", source="own"), feature(polygon(SQUARE), code="B", kind="zone")),
        kind="control", source="options", licence="CC-BY-4.0", point_of_view="RU", id_prefix="control:",
        id_property="code", valid_from_ns=5, valid_until_ns=9,
    )  # fmt: skip
    first, second = report.areas
    assert (first.id, first.kind, first.source, first.licence) == ("control:A", "control", "own", "CC-BY-4.0")
    assert (second.id, second.kind, second.source, second.point_of_view) == ("control:B", "zone", "options", "RU")
    assert (first.valid_from_ns, first.valid_until_ns) == (5, 9)


def test_areas_without_an_id_are_named_after_file_and_place(read: Read) -> None:
    report = read(collection(feature(polygon(SQUARE)), feature(polygon(SQUARE), 17)), name="harbours.2024.json")
    assert [a.id for a in report.areas] == ["harbours-1", "17"]
    assert report.areas[0].source == "harbours.2024.json"
    assert (report.areas[0].valid_from_ns, report.areas[0].valid_until_ns) == (MIN_NS, MAX_NS)


def test_an_id_that_rules_could_not_write_is_rewritten_and_reported(read: Read) -> None:
    report = read(feature(polygon(SQUARE), "EDR 12, east"))
    assert report.areas[0].id == "EDR-12-east"
    assert "written as `EDR-12-east`" in str(report.repaired[0])


@pytest.mark.parametrize("wrap", [lambda g: g, feature, lambda g: collection(feature(g))])
def test_bare_geometry_feature_and_collection(read: Read, wrap: Callable[[Any], Any]) -> None:
    assert one(read(wrap(polygon(SQUARE)))).geometry.equals(UNIT)


def test_gzip_and_byte_order_mark(read: Read) -> None:
    data = b"\xef\xbb\xbf" + json.dumps(polygon(SQUARE)).encode()
    assert one(read(gzip.compress(data), "zones.geojson.gz")).geometry.equals(UNIT)


def test_polygons_in_a_geometry_collection_count_and_the_rest_is_reported(read: Read) -> None:
    point = {"type": "Point", "coordinates": [0, 0]}
    report = read({"type": "GeometryCollection", "geometries": [polygon(SQUARE), point, polygon(moved(SQUARE, 5))]})
    assert len(one(report).geometry.geoms) == 2
    assert "left out 1 geometries" in str(report.repaired[0])


def test_bad_features_do_not_cost_good_ones(read: Read) -> None:
    bowtie = [[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]
    bad: dict[str, Any] = {
        "latitude 91": feature(polygon([[0, 0], [1, 0], [1, 91], [0, 0]]), "b1"),
        "look swapped": feature(polygon([[10, 170], [11, 170], [11, 171], [10, 170]]), "b2"),
        "longitude 5e+06": feature(polygon([[0, 0], [5e6, 0], [5e6, 1], [0, 0]]), "b3"),
        "not a finite number": feature(polygon([[0, 0], [1, 0], [float("nan"), 1], [0, 0]]), "b4"),
        "not a list of positions": feature(polygon([[0, 0], ["1", 0], [1, 1], [0, 0]]), "b5"),
        "2 different positions": feature(polygon([[0, 0], [1, 1], [0, 0]]), "b6"),
        "self-intersection at latitude 0.500000, longitude 0.500000": feature(polygon(bowtie), "b7"),
        "less than one square metre": feature(polygon([[0, 0], [1, 0], [2, 0], [0, 0]]), "b8"),
        "a Point has no area": feature({"type": "Point", "coordinates": [0, 0]}, "b9"),
        "has no geometry": feature(None, "b10"),
        "coordinates are not a list": feature({"type": "Polygon", "coordinates": "x"}, "b11"),
        "a polygon has no ring": feature({"type": "MultiPolygon", "coordinates": [[], [SQUARE]]}, "b12"),
        "the polygon is empty": feature({"type": "MultiPolygon", "coordinates": []}, "b13"),
        "valid_from: the time `2024-01-01T00:00` has no zone": feature(
            polygon(SQUARE), "b14", valid_from="2024-01-01T00:00"
        ),
        "valid_until: `soon` is not a time": feature(polygon(SQUARE), "b15", valid_until="soon"),
        "is valid until a time at or before": feature(
            polygon(SQUARE), "b16", valid_from="2024-01-02", valid_until="2024-01-01"
        ),
        "is not a service state": feature(polygon(SQUARE), "b17", service_history=[{"state": "on", "source": "x"}]),
        "has no `source`": feature(polygon(SQUARE), "b18", service_history=[{"state": "served"}]),
        "has `untill`": feature(
            polygon(SQUARE), "b19", service_history=[{"state": "served", "untill": "x", "source": "y"}]
        ),
        "service_history is not a list": feature(polygon(SQUARE), "b20", service_history={"state": "served"}),
        "cannot be the kind": feature(polygon(SQUARE), "b21", kind="№"),
        "has the id `good-1` already": feature(polygon(moved(SQUARE, 3)), "good-1"),
        "is not an object": 5,
        "nested shells": feature({"type": "MultiPolygon", "coordinates": [[SQUARE], [HOLE]]}, "b24"),
        "a position is [longitude": feature(polygon([[0, 0], [1, 0], [10**400, 1], [0, 0]]), "b25"),
    }
    good = [feature(polygon(moved(SQUARE, 2 * n)), f"good-{n}") for n in range(1, 4)]
    report = read(collection(good[0], *list(bad.values())[:10], good[1], *list(bad.values())[10:], good[2]))
    assert [a.id for a in report.areas] == ["good-1", "good-2", "good-3"]
    assert report.features == len(bad) + 3
    assert len(report.rejected) == len(bad)
    for words, rejected in zip(bad, report.rejected, strict=True):
        assert words in str(rejected), f"{words}: {rejected}"
        assert rejected.help
        assert "\n" not in str(rejected)


def test_a_rejected_feature_names_its_line(read: Read) -> None:
    text = json.dumps(collection(feature(polygon(SQUARE)), feature(None, "lost")), indent=1)
    report = read(text)
    line = report.rejected[0].line
    assert line is not None
    assert '"lost"' in "\n".join(text.splitlines()[line - 1 :])
    assert text.splitlines()[line - 1].strip() == "{"


def test_versions_of_one_id_in_one_file(read: Read) -> None:
    report = read(
        collection(
            feature(polygon(SQUARE), "a", valid_until="2022-11-15"),
            feature(polygon(moved(SQUARE, 1)), "a", valid_from="2022-11-15"),
        )
    )
    assert len(report.area_set.versions("a")) == 2


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"type": "FeatureCollection",\n "features": [{', r"zones.geojson:2:\d+: not JSON"),
        ("[" * 200_000, "nested too deep"),
        ('{"type": "Feature", "id": ' + "9" * 5000 + "}", "number that is too long"),
        ('{"type": "Polygone"}', "not GeoJSON"),
        ('{"type": "FeatureCollection"}', "no list `features`"),
        ('{"type": "FeatureCollection", "features": [], "crs": {"properties": {"name": "EPSG:3857"}}}', "EPSG:3857"),
        (b'{"type": "\xff"}', "not UTF-8"),
        (b"", "no format"),
        (b"id;lat;lon", "no format"),
        (b"\x1f\x8b\x08\x00cut", "damaged gzip"),
        (gzip.compress(b"x" * 1000, mtime=0)[:20], "damaged gzip"),
        (b"PK\x03\x04cut", "damaged zip"),
        (zipped(readme_txt="x"), "no .shp and no .kml"),
        (b"PAR1 cut", "damaged Parquet"),
        ("<html></html>", "not KML"),
    ],
)
def test_files_that_cannot_be_read_at_all(read: Read, content: Any, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        read(content)
    assert caught.value.help
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(InputError, match="cannot be read"):
            read_areas(path)


def test_sizes_are_bounded(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "MAX_FILE_BYTES", 1000)
    bomb = gzip.compress(b" " * 100_000)
    for content in (b" " * 1001, bomb, zipped(a_shp=b"\0" * 5000)):
        with pytest.raises(InputError, match="larger than"):
            read(content)


@pytest.mark.parametrize("name", ["urn:ogc:def:crs:OGC:1.3:CRS84", "EPSG:4326", "urn:ogc:def:crs:EPSG::4326"])
def test_the_old_name_of_wgs_84_is_accepted(read: Read, name: str) -> None:
    one(read(collection(feature(polygon(SQUARE))) | {"crs": {"type": "name", "properties": {"name": name}}}))


def test_a_country_that_is_no_code_is_kept_as_text(read: Read) -> None:
    report = read(feature(polygon(SQUARE), country="Freedonia"))
    assert report.areas[0].country is None
    assert ("country", "Freedonia") in report.areas[0].properties
    assert "Freedonia" in str(report.repaired[0])


# --- repairs ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ring", "words"),
    [
        (SQUARE[:-1], "closed a ring"),
        (SQUARE[::-1], "turned 1 ring round"),
        ([SQUARE[0], *SQUARE], "dropped 1 repeated"),
    ],
)
def test_certain_repairs_are_made_and_reported(read: Read, ring: Any, words: str) -> None:
    report = read(polygon(ring))
    assert one(report).geometry.equals(UNIT)
    assert words in str(report.repaired[0])
    assert one(report).geometry.exterior.is_ccw


def test_what_is_right_is_not_touched(read: Read) -> None:
    report = read(polygon(SQUARE, HOLE))
    assert report.repaired == ()
    assert list(one(report).geometry.exterior.coords) == [tuple(p) for p in SQUARE]


def test_a_tiny_loop_is_mended_and_a_bow_tie_is_not() -> None:
    loop = [
        [0, 0],
        [1, 0],
        [1, 1],
        [0.5, 1],
        [0.5 + 1e-6, 1 + 1e-6],
        [0.5 + 1e-6, 1 - 1e-6],
        [0.5, 1 + 5e-7],
        [0, 1],
        [0, 0],
    ]
    geometry, notes = build_polygon([[loop]])
    assert geometry.is_valid
    assert abs(geometry.area - 1) < 1e-6
    assert any("mended self-intersection at latitude" in note for note in notes)
    with pytest.raises(MalformedArea, match=r"self-intersection at latitude 0\.5"):
        build_polygon([[[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]]])


def test_slivers_beside_a_polygon_are_dropped_and_reported() -> None:
    sliver = [[5, 5], [5 + 1e-7, 5], [5 + 1e-7, 5 + 1e-7], [5, 5]]
    geometry, notes = build_polygon([[SQUARE], [sliver]])
    assert geometry.equals(UNIT)
    assert notes == ["dropped 1 parts of less than one square metre"]


def test_positions_with_altitude_and_of_mixed_length() -> None:
    geometry, _ = build_polygon([[[[0, 0, 5], [1, 0], [1, 1, 7], [0, 1], [0, 0]]]])
    assert geometry.equals(UNIT)


@pytest.mark.parametrize(
    "ring",
    [
        [[179, 0], [-179, 0], [-179, 1], [179, 1], [179, 0]],
        [[179, 0], [181, 0], [181, 1], [179, 1], [179, 0]],
        [[-181, 0], [-179, 0], [-179, 1], [-181, 1], [-181, 0]],
    ],
)
def test_a_polygon_across_180_is_cut(ring: Any) -> None:
    geometry, notes = build_polygon([[ring]])
    assert geometry.equals(shapely.MultiPolygon([shapely.box(179, 0, 180, 1), shapely.box(-180, 0, -179, 1)]))
    assert any("cut at 180" in note for note in notes)


def test_holes_are_cut_with_their_polygon() -> None:
    outer = [[170, -10], [-170, -10], [-170, 10], [170, 10], [170, -10]]
    hole = [[178, -1], [178, 1], [-178, 1], [-178, -1], [178, -1]]
    far = [[-175, 3], [-175, 4], [-174, 4], [-174, 3], [-175, 3]]
    geometry, _ = build_polygon([[outer, hole, far]])
    assert geometry.area == pytest.approx(20 * 20 - 4 * 2 - 1)
    assert not shapely.intersects_xy(geometry, 179.5, 0)
    assert not shapely.intersects_xy(geometry, -174.5, 3.5)
    assert geometry.bounds == (-180, -10, 180, 10)


def test_a_ring_beyond_180_on_one_side_is_moved() -> None:
    geometry, notes = build_polygon([[moved(SQUARE, 190)]])
    assert geometry.equals(shapely.box(-170, 0, -169, 1))
    assert notes == ["moved by 360 degrees into -180 to 180"]


@pytest.mark.parametrize(("lat", "pole"), [(70.0, 90.0), (-70.0, -90.0)])
@pytest.mark.parametrize("step", [-45, 45])
def test_a_ring_round_a_pole_holds_it(lat: float, pole: float, step: int) -> None:
    ring = [[(lon + 180) % 360 - 180, lat] for lon in range(10, 10 + 8 * step, step)]
    geometry, notes = build_polygon([[[*ring, ring[0]]]])
    assert shapely.intersects_xy(geometry, 123.0, pole)
    assert geometry.area == pytest.approx(360 * 20)
    assert any("pole" in note for note in notes)


def test_a_ring_round_the_equator_could_mean_both_halves() -> None:
    ring = [[lon, 10.0] for lon in (-170, -50, 70, 170, -170)]
    with pytest.raises(MalformedArea, match="either side"):
        build_polygon([[ring]])


def test_the_whole_world_and_a_polar_cap_as_boxes_are_not_cut() -> None:
    for box in (shapely.box(-180, -90, 180, 90), shapely.box(-180, -90, 180, -60)):
        geometry, notes = build_polygon([[list(box.exterior.coords)]])
        assert geometry.equals(box)
        assert not any("180" in note for note in notes)


@given(
    st.lists(st.tuples(st.floats(-400, 400), st.floats(-100, 100)), max_size=12),
    st.booleans(),
)
@settings(max_examples=300, deadline=None)
def test_whatever_comes_in_is_valid_or_refused(points: list[tuple[float, float]], close: bool) -> None:
    ring = [*points, points[0]] if close and points else points
    try:
        geometry, _ = build_polygon([[ring]])
    except MalformedArea:
        return
    assert geometry.is_valid
    west, south, east, north = geometry.bounds
    assert west >= -180
    assert south >= -90
    assert east <= 180
    assert north <= 90
    assert math.isfinite(geometry.area)


# --- Shapefile --------------------------------------------------------------------------------------------------------

CLOCKWISE, COUNTER = SQUARE[::-1], HOLE[::-1]


def test_shapefile_with_hole_island_and_null_shape(read: Read) -> None:
    island = moved([[x / 5 + 0.4, y / 5 + 0.4] for x, y in CLOCKWISE], 0)
    archive = zipped(
        layer_shp=shp([CLOCKWISE, COUNTER, island], None, [moved(CLOCKWISE, 3)]),
        layer_dbf=dbf(["ID", "NAME", "KIND"], ["zone:a", "Åland (invented)", "zone"], ["b", "", ""], ["c", "C", ""]),
        layer_prj=WGS84_PRJ,
    )
    report = read(archive, "layer.zip")
    assert report.format == "Shapefile"
    first, second = report.areas
    assert (first.id, first.name, second.id) == ("zone:a", "Åland (invented)", "c")
    expected = shapely.MultiPolygon([shapely.Polygon(SQUARE, [HOLE]), shapely.Polygon(island)])
    assert first.geometry.equals(expected)
    assert "feature 2: the feature has no geometry" in str(report.rejected[0])


def test_shapefile_in_a_projection_is_brought_to_wgs_84(read: Read) -> None:
    to_utm = pyproj.Transformer.from_crs("OGC:CRS84", "EPSG:32636", always_xy=True)
    corners = [[33.0, 45.0], [33.0, 46.0], [34.0, 46.0], [34.0, 45.0], [33.0, 45.0]]
    ring = [list(to_utm.transform(x, y)) for x, y in corners]
    prj = pyproj.CRS("EPSG:32636").to_wkt("WKT1_ESRI")
    area = one(read(zipped(layer_shp=shp([ring]), layer_prj=prj), "layer.zip"))
    assert np.allclose(np.sort(shapely.get_coordinates(area.geometry), 0), np.sort(np.array(corners), 0), atol=1e-9)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"layer_shp": shp([CLOCKWISE])}, "has no"),
        ({"layer_shp": shp([CLOCKWISE]), "layer_prj": "nonsense"}, "not understood"),
        ({"layer_shp": shp([CLOCKWISE])[:-8], "layer_prj": WGS84_PRJ}, "length"),
        ({"layer_shp": b"x" * 200, "layer_prj": WGS84_PRJ}, "not a Shapefile"),
        ({"layer_shp": shp([CLOCKWISE], kind=3), "layer_prj": WGS84_PRJ}, "not polygons"),
        ({"layer_shp": shp([CLOCKWISE]), "layer_prj": WGS84_PRJ, "layer_dbf": dbf(["A"], ["x"])[:40]}, "cut short"),
    ],
)
def test_shapefiles_that_cannot_be_read(read: Read, files: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        read(zipped(**files), "layer.zip")


def test_names_in_a_zip_file_lead_nowhere(read: Read, tmp_path: Path) -> None:
    files: dict[str, Any] = {"../../evil_shp": shp([CLOCKWISE]), "../../evil_prj": WGS84_PRJ}
    one(read(zipped(**files), "layer.zip"))
    assert list(tmp_path.rglob("*")) == [tmp_path / "layer.zip"]
    for place in (tmp_path, Path.cwd()):
        assert not [found for folder in (place, place.parent, place.parent.parent) for found in folder.glob("evil*")]


# --- GeoParquet -------------------------------------------------------------------------------------------------------


def test_geoparquet_rows_become_areas(read: Read) -> None:
    bad = [None, b"\x01\x02", shapely.Point(0, 0), shapely.Polygon()]
    data = parquet([UNIT, *bad, shapely.box(2, 2, 3, 3)], id=["a", "b", "c", "d", "e", "f"], country=["UA"] * 6)
    report = read(data, "zones.parquet")
    assert [a.id for a in report.areas] == ["a", "f"]
    assert report.areas[0].country == "UA"
    assert len(report.rejected) == 4


def test_geoparquet_in_a_projection(read: Read) -> None:
    crs = json.loads(pyproj.CRS("EPSG:3857").to_json())
    area = one(read(parquet([shapely.box(0, 0, 111319.49079327358, 1000)], meta={"crs": crs}), "zones.parquet"))
    assert area.geometry.bounds[2] == pytest.approx(1)


@pytest.mark.parametrize(
    ("meta", "words"),
    [({"encoding": "polygon"}, "written as polygon"), ({"edges": "spherical"}, "spherical"), ({"crs": None}, "unknown"),
     ({"crs": "nonsense"}, "not understood")],
)  # fmt: skip
def test_geoparquet_that_means_something_else(read: Read, meta: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read(parquet([UNIT], meta=meta), "zones.parquet")


# --- KML --------------------------------------------------------------------------------------------------------------


def test_kml_with_hole_data_and_time(read: Read) -> None:
    extra = (
        "<TimeSpan><begin>2022-02-24</begin><end>2022-03-01T00:00:00Z</end></TimeSpan>"
        '<ExtendedData><Data name="kind"><value>control</value></Data>'
        '<Data name="tags"><value>a, b</value></Data></ExtendedData>'
    )
    content = kml(placemark(kml_ring(SQUARE) + kml_ring(HOLE, "inner"), extra=extra))
    area = one(read(content, "zones.kml"))
    assert (area.id, area.name, area.kind, area.tags) == ("p1", "Zone (invented)", "control", ("a", "b"))
    assert area.valid_from_ns == parse_instant("2022-02-24")
    assert area.geometry.equals(shapely.Polygon(SQUARE, [HOLE]))
    assert one(read(zipped(doc_kml=content), "zones.kmz")).id == "p1"


def test_kml_placemarks_that_are_no_areas_are_reported(read: Read) -> None:
    point = "<Placemark><Point><coordinates>1,2</coordinates></Point></Placemark>"
    comma = placemark(
        "<outerBoundaryIs><LinearRing><coordinates>0,0 1;0 1,1</coordinates></LinearRing></outerBoundaryIs>"
    )
    report = read(kml(point, comma, placemark(kml_ring(SQUARE))), "zones.kml")
    assert len(report.areas) == 1
    assert "a Point has no area" in str(report.rejected[0])
    assert "position 2 of a ring is `1;0`" in str(report.rejected[1])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('<!DOCTYPE kml [<!ENTITY a "b">]><kml/>', "document type"),
        ("<?xml version='1.0' encoding='UTF-7'?><kml/>", "encoding UTF-7"),
        ('<?xml version="1.0"?><kml/>'.encode("utf-16"), "format|UTF-8"),
        ("<kml><Document></kml>", r"zones.kml:1:\d+: not well-formed"),
        ("<kml>" * 300 + "</kml>" * 300, "nested deeper"),
    ],
)
def test_kml_that_is_refused(read: Read, content: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read(content, "zones.kml")


# --- ED-269, ED-318, MDS ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrap", [lambda z: z, lambda z: {"features": z}, lambda z: {"UASZoneList": z, "formatVersion": "1"}]
)
def test_drone_zones_in_each_wrapping(read: Read, wrap: Callable[[Any], Any]) -> None:
    report = read(wrap([zone()]), "uas.json")
    area = one(report)
    assert report.format == "ED-269"
    assert (area.id, area.country, area.tags) == (
        "TST001",
        "UA",
        ("reason:air_traffic", "restriction:req_authorisation"),
    )
    assert dict(area.properties)["limits"] == "0 M AGL to 120 M AGL"
    assert area.geometry.equals(UNIT)


def test_drone_zone_spellings_and_the_sentinel(read: Read) -> None:
    spelled = zone(restriction="REQ_AUTHORIZATION", reason="EMERGENCY")
    spelled["geometry"] = [
        {"uomDimension": "FT", "lowerLimit": 10, "lowerVerticalRef": "AMSL", "upperLimit": 99999,
         "upperVerticalRef": "AMSL", "horizontalProjection": polygon(SQUARE)}
    ]  # fmt: skip
    area = one(read([spelled], "uas.json"))
    assert area.tags == ("reason:emergency", "restriction:req_authorisation")
    assert dict(area.properties)["limits"] == "10 FT AMSL to unlimited"


@pytest.mark.parametrize("centre", [(30.7, 46.5), (179.99, -16.8), (0.0, 0.0), (15.0, 78.2)])
def test_a_circle_becomes_a_polygon_that_holds_it_closely(read: Read, centre: tuple[float, float]) -> None:
    report = read([zone(geometry=[volume({"type": "Circle", "center": list(centre), "radius": 5000.0})])], "uas.json")
    area = one(report)
    geod = pyproj.Geod(ellps="WGS84")
    azimuths = np.arange(0, 360, 1.0)
    n = len(azimuths)
    for metres, inside in ((4999.0, True), (5010.0, False)):
        lon, lat, _ = geod.fwd(np.full(n, centre[0]), np.full(n, centre[1]), azimuths, np.full(n, metres))
        assert shapely.intersects_xy(area.geometry, (lon + 180) % 360 - 180, lat).all() == inside
    assert "circle of 5000 m" in str(report.repaired[0])


def test_a_circle_over_the_pole_holds_the_pole(read: Read) -> None:
    area = one(read([zone(geometry=[volume({"type": "Circle", "centre": [20, 89.5], "radius": 200_000})])], "uas.json"))
    assert shapely.intersects_xy(area.geometry, -100.0, 90.0)


def test_several_windows_give_several_versions(read: Read) -> None:
    windows = [
        {"permanent": "NO", "startDateTime": "2026-01-01T00:00:00Z", "endDateTime": "2026-02-01T00:00:00Z"},
        {"permanent": "NO", "startDateTime": "2026-01-15T00:00:00Z", "endDateTime": "2026-03-01T00:00:00Z"},
        {"permanent": "NO", "startDateTime": "2026-06-01T00:00:00Z", "endDateTime": "9999-12-31T23:59:59Z"},
    ]
    report = read([zone(applicability=windows)], "uas.json")
    assert [(a.valid_from_ns, a.valid_until_ns) for a in report.area_set.versions("TST001")] == [
        (parse_instant("2026-01-01"), parse_instant("2026-03-01")),
        (parse_instant("2026-06-01"), MAX_NS),
    ]


def test_bad_drone_zones_are_reported_beside_good_ones(read: Read) -> None:
    backwards = [{"permanent": "NO", "startDateTime": "2026-07-22T07:00:00Z", "endDateTime": "2026-07-22T06:50:50Z"}]
    bad = [
        zone("T1", applicability=backwards),
        zone("T2", applicability=[{"startDateTime": "2026-07-22T07:00:00"}]),
        zone("T3", geometry=[volume({"type": "Circle", "center": [1], "radius": 5})]),
        zone("T4", geometry=[volume({"type": "Circle", "center": [1, 2], "radius": -5})]),
        zone("T5", geometry=[volume({"type": "Circle", "center": [1, 99], "radius": 5})]),
        zone("T6", geometry=[]),
        zone("T7", geometry=[volume(None)]),
    ]
    report = read([zone("good"), *bad], "uas.json")
    assert [a.id for a in report.areas] == ["good"]
    assert [r.id for r in report.rejected] == ["T1", "T2", "T3", "T4", "T5", "T6", "T7"]


def test_the_successor_format_is_geojson_with_words(read: Read) -> None:
    circle = {"type": "Point", "coordinates": [30.7, 46.5], "extent": {"subType": "Circle", "radius": 1000.0},
              "layer": {"upper": 120, "upperReference": "AGL", "lower": 0, "uom": "m"}}  # fmt: skip
    properties = {
        "identifier": "TST9", "country": "UKR", "name": [{"text": "Zone (invented)", "lang": "en-GB"}],
        "type": "PROHIBITED", "limitedApplicability": [{"startDateTime": "2026-01-01T00:00:00Z"}], "zoneAuthority": [],
    }  # fmt: skip
    report = read(collection({"type": "Feature", "geometry": circle, "properties": properties}), "uas.json")
    area = one(report)
    assert report.format == "ED-269"
    assert (area.id, area.name, area.tags) == ("TST9", "Zone (invented)", ("restriction:prohibited",))
    assert area.valid_from_ns == parse_instant("2026-01-01")
    assert area.geometry.area > 0


@pytest.mark.parametrize(
    "wrap",
    [
        lambda g: {"version": "2.0.2", "data": {"geographies": [g]}},
        lambda g: {"geographies": [g]},
        lambda g: {"geography": g},
        lambda g: [g],
    ],
)
def test_mds_geography(read: Read, wrap: Callable[[Any], Any]) -> None:
    report = read(wrap(geography()), "mds.json")
    area = one(report)
    assert report.format == "MDS geography"
    assert area.id == "8ad39dc3-005b-4348-9d61-c830c54c161b"
    assert area.tags == ("geography_type:no_parking",)
    assert area.valid_from_ns == 1_600_000_000 * 10**9
    assert area.geometry.equals(shapely.box(0, 0, 1.5, 1))


def test_bad_geographies_are_reported(read: Read) -> None:
    bad = [
        geography(geography_id="g2", effective_date="tomorrow"),
        geography(geography_id="g3", geography_json=None),
        geography(geography_id="g4", geography_json=collection(feature({"type": "Point", "coordinates": [0, 0]}))),
        5,
    ]
    report = read({"geographies": [geography(), *bad]}, "mds.json")
    assert len(report.areas) == 1
    assert len(report.rejected) == 4
    assert all(r.help for r in report.rejected)


KEYS = ("type", "features", "geometry", "geometries", "coordinates", "properties", "id", "name", "crs", "valid_from")
ZONE_KEYS = ("geographies", "geography_json", "effective_date", "identifier", "horizontalProjection", "applicability",
             "startDateTime", "center", "radius", "zoneAuthority", "service_history")  # fmt: skip
TYPES = ("FeatureCollection", "Feature", "Polygon", "MultiPolygon", "Circle", "GeometryCollection", "2022-02-24")
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=True) | st.text(max_size=5) | st.integers() | st.just(SQUARE),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from([*KEYS, *ZONE_KEYS]), inner | st.sampled_from(TYPES), max_size=5)
    ),
    max_leaves=25,
)


@given(ANY_JSON)
@settings(max_examples=300, deadline=None)
def test_no_json_document_breaks_the_import(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_text(json.dumps(value), encoding="utf-8")
    try:
        report = read_areas(path)
    except InputError:
        return
    assert len({r.feature for r in report.rejected}) + len(report.areas) >= report.features


def test_the_example_in_the_documentation(read: Read) -> None:
    text = (Path(__file__).parents[3] / "docs" / "areas.md").read_text(encoding="utf-8")
    properties = json.loads(text.split("```json")[1].split("```")[0])
    area = one(read(feature(polygon(SQUARE), "zone:example", **properties)))
    for when, kind in (
        ("2022-09-01", "never_served"),
        ("2022-10-01", "never_served_request_refused"),
        ("2023-01-01", "served"),
    ):
        answer = service_answer(area, parse_instant(when))
        assert answer.kind == kind
        assert answer.sentence in text


# --- real files -------------------------------------------------------------------------------------------------------


@pytest.mark.shared_data
def test_real_control_areas(shared_data: Path) -> None:
    report = read_areas(
        shared_data / "frontline" / "control-areas-approx-2022-09-15.geojson.gz",
        kind="control",
        id_prefix="control:",
        id_property="control",
    )
    assert report.rejected == ()
    assert {a.id for a in report.areas} == {"control:ukraine", "control:russia", "control:contested"}


@pytest.mark.shared_data
def test_real_lines_are_refused_one_by_one(shared_data: Path) -> None:
    report = read_areas(shared_data / "boundaries" / "ne_10m_admin_0_boundary_lines_land.geojson.gz")
    assert report.areas == ()
    assert len(report.rejected) == report.features == 462
