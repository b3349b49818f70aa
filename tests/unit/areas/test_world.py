"""The shipped world areas, and the pack format that they come in."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from groundrule.areas import world
from groundrule.areas.features import country_codes
from groundrule.areas.pack import MAGIC, decode_pack, encode_pack
from groundrule.errors import InputError, IntegrityError

PACKS = Path(world.__file__).parent / "world"


def test_codes_vertices_and_validity() -> None:
    countries = [a for a in world.load_world() if a.kind == "country"]
    assert len({a.id for a in countries}) == len(countries) == 250
    geometries = np.array([a.geometry for a in world.load_world()])
    assert shapely.get_num_coordinates(geometries[:250]).sum() >= 1_900_000
    assert shapely.is_valid(geometries).all()
    west, south, east, north = shapely.total_bounds(geometries)
    assert (west, south, east) == (-180, -90, 180)
    assert north < 84


def test_countries_keep_the_place_of_every_vertex_of_the_source() -> None:
    about = world.world_about()["countries"]
    assert about["max_displacement_mm"] == 0
    assert len(about["repaired"]) == 32


def test_coordinates_are_those_that_reading_the_decimals_gives() -> None:
    (liechtenstein,) = (a for a in world.load_world() if a.id == "country:LI")
    for value in shapely.get_coordinates(liechtenstein.geometry)[:200].ravel().tolist():
        assert float(f"{value:.5f}") == value


def test_every_country_is_named_and_tagged_by_its_code() -> None:
    names, three = country_codes()
    for area in world.load_world():
        if area.kind == "country":
            assert area.id == f"country:{area.country}"
            assert area.name == names[area.country or ""]
            assert area.tags == tuple(f"iso3:{c}" for c, two in three.items() if two == area.country)


def test_origin_is_on_every_area() -> None:
    for area in world.load_world():
        assert area.licence == "ODbL-1.0"
        assert area.source.startswith("@geo-maps/")
        assert area.point_of_view
    assert "OpenStreetMap" in world.ATTRIBUTION
    assert "Open Database License" in (PACKS / "LICENSE-ODbL.md").read_text(encoding="utf-8")
    assert all(layer["attribution"] == world.ATTRIBUTION for layer in world.world_about().values())


def test_the_set_is_decoded_once_and_its_digest_is_stable() -> None:
    assert world.load_world() is world.load_world()
    assert world.load_world().digest == world.load_world().digest


def test_packs_stay_small() -> None:
    assert sum(file.stat().st_size for file in PACKS.glob("*.pack")) < 9_000_000


def test_south_pole_is_land_and_no_country() -> None:
    held = [
        a.id for a in world.load_world() if shapely.intersects_xy(a.geometry, 10.0, world.SOUTHERN_LIMIT_DEG - 0.01)
    ]
    assert held == [world.LAND_ID]


# --- the format -------------------------------------------------------------------------------------------------------

DONUT = shapely.MultiPolygon(
    [
        shapely.Polygon([(0, 0), (4, 0), (4, 4), (0, 4)], [[(1, 1), (1, 2), (2, 2), (2, 1)]]),
        shapely.box(-180, -90, -179.5, -89.25),
    ]
)


def small_pack() -> bytes:
    return encode_pack({"source": "test"}, [{"id": "a"}, {"id": "b"}], [DONUT, shapely.box(10, 10, 11, 11)], scale=100)


def test_what_goes_in_comes_out() -> None:
    layer = decode_pack(small_pack())
    assert layer.about == {"source": "test"}
    assert [r["id"] for r in layer.records] == ["a", "b"]
    assert shapely.equals_exact(layer.geometries[0], DONUT, 0)
    assert shapely.equals_exact(layer.geometries[1], shapely.MultiPolygon([shapely.box(10, 10, 11, 11)]), 0)
    assert small_pack() == small_pack()


@given(
    st.lists(
        st.tuples(st.integers(-17_999_999, 17_999_990), st.integers(-8_999_999, 8_999_990), st.integers(1, 9)),
        min_size=1,
        max_size=20,
    )
)
@settings(max_examples=60, deadline=None)
def test_any_boxes_survive_bit_for_bit(corners: list[tuple[int, int, int]]) -> None:
    boxes = [shapely.box(x / 1e5, y / 1e5, (x + s) / 1e5, (y + s) / 1e5) for x, y, s in corners]
    layer = decode_pack(encode_pack({}, [{"id": str(n)} for n in range(len(boxes))], boxes, scale=100_000))
    assert np.array_equal(shapely.get_coordinates(layer.geometries), shapely.get_coordinates(np.array(boxes)))


def test_a_coordinate_off_the_grid_is_refused() -> None:
    with pytest.raises(InputError, match="not on the grid"):
        encode_pack({}, [{"id": "a"}], [shapely.box(0, 0, 1.001, 1)], scale=100)


def test_damage_is_noticed_wherever_it_is() -> None:
    whole = small_pack()
    (length,) = struct.unpack_from("<I", whole, 8)
    header = json.loads(whole[12 : 12 + length])
    lying = json.dumps(header | {"vertices": header["vertices"] + 1}).encode()
    damaged = {
        "empty": b"",
        "not a pack": b"PK\x03\x04" + whole,
        "cut in the header": whole[:40],
        "cut in the columns": whole[:-3],
        "no columns": whole[: 12 + length],
        "wrong counts": MAGIC + struct.pack("<I", len(lying)) + lying + whole[12 + length :],
    }
    for data in damaged.values():
        with pytest.raises(IntegrityError, match=r"`x`|in `x`"):
            decode_pack(data, name="x")
    for position in range(12 + length, len(whole)):
        flipped = bytearray(whole)
        flipped[position] ^= 0x40
        try:
            layer = decode_pack(bytes(flipped))
        except IntegrityError:
            continue
        # A bit that zstd itself does not use may change nothing; the polygons must then be the same.
        assert shapely.equals_exact(layer.geometries[0], DONUT, 0)
