"""Places in words: in which areas a point lies, and near which city, so that a list of coordinates can be read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, Final

import msgspec
import numpy as np
import shapely
from litestar import get
from litestar.params import QueryParameter
from litestar.types import ControllerRouterHandler

from groundrule.api.given import GivenLive, GivenService
from groundrule.api.problems import Refused
from groundrule.areas.model import Area, AreaSet
from groundrule.frames import geodetic_to_ecef
from groundrule.simulate.places import cities

MOST: Final = 200
"""So many points may be asked about at once."""
FARTHEST_KM: Final = 1_500.0
"""A city farther away than this says nothing about a place [km]."""


class PlaceArea(msgspec.Struct):
    """An area that holds a point.

    Attributes:
        id, name, kind: of the area.
        country: ISO 3166-1 alpha-2, or null.
    """

    id: str
    name: str
    kind: str
    country: str | None


class Near(msgspec.Struct):
    """The nearest city of a short list of large ones.

    Attributes:
        name: in English.
        country: ISO 3166-1 alpha-2.
        distance_km: from the city to the point.
        bearing_deg: from the city to the point [degree clockwise from north].
    """

    name: str
    country: str
    distance_km: float
    bearing_deg: float


class Place(msgspec.Struct):
    """A point in words.

    Attributes:
        lat, lon: as asked [degree].
        areas: that hold it, every claimant, countries first; none on the high seas.
        near: null where no listed city is within 1,500 km.
    """

    lat: float
    lon: float
    areas: list[PlaceArea]
    near: Near | None


@get("/v1/places", opt={"permission": "areas:read"}, sync_to_thread=True, summary="Points in words: their areas, and the nearest city")
def places(
    live: GivenLive,
    service: GivenService,
    point: Annotated[list[str] | None, QueryParameter(name="point", description="`latitude,longitude`; may be repeated.")] = None,
) -> list[Place]:
    """Name places for people, in the order asked. What decides are positions with their doubt, never these words."""
    if point is not None and len(point) > MOST:
        raise Refused(400, f"{len(point)} points are too many", code="malformed", field="point", help=f"ask about {MOST} at once")
    found = [_point(each) for each in point or ()]
    near = _nearest(found)
    now = service.clock()
    return [Place(lat, lon, _holding(live.basis.areas, lat, lon, now), city) for (lat, lon), city in zip(found, near, strict=True)]


def _point(text: str) -> tuple[float, float]:
    parts = text.split(",")
    try:
        lat, lon = (float(each) for each in parts)
    except ValueError:
        lat = lon = math.nan
    if not (abs(lat) <= 90 and abs(lon) <= 180):
        raise Refused(
            400, f"`{text[:40]}` is no point", code="malformed", field="point", help="latitude,longitude in degrees, for instance 48.5,37.9"
        )
    return lat, lon


def _holding(areas: AreaSet, lat: float, lon: float, now_ns: int) -> list[PlaceArea]:
    listed, tree = _tree(areas)
    at = shapely.Point(lon, lat)
    hits = [listed[k] for k in tree.query(at, predicate="within").tolist()]
    held = sorted((each for each in hits if each.is_valid_at(now_ns)), key=lambda each: (each.kind != "country", each.kind, each.id))
    return [PlaceArea(each.id, each.name, each.kind, each.country) for each in held]


@lru_cache(maxsize=4)
def _tree(areas: AreaSet) -> tuple[Sequence[Area], shapely.STRtree]:
    """Return the areas that name a place, and a tree over their boxes."""
    listed = [each for each in areas if each.kind != "land"]
    return listed, shapely.STRtree([each.geometry for each in listed])


@lru_cache(maxsize=1)
def _city_axes() -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    listed = cities()
    return geodetic_to_ecef([each.lat_deg for each in listed], [each.lon_deg for each in listed], np.zeros(len(listed)))


def _nearest(points: Sequence[tuple[float, float]]) -> list[Near | None]:
    if not points:
        return []
    at = geodetic_to_ecef([lat for lat, _ in points], [lon for _, lon in points], np.zeros(len(points)))
    chord = np.linalg.norm(at[:, None, :] - _city_axes()[None, :, :], axis=-1)
    best = chord.argmin(axis=1)
    found: list[Near | None] = []
    for k, (lat, lon) in enumerate(points):
        city = cities()[int(best[k])]
        km = float(chord[k, best[k]]) / 1_000
        bearing = _bearing(city.lat_deg, city.lon_deg, lat, lon)
        found.append(None if km > FARTHEST_KM else Near(city.name, city.country, round(km, 1), bearing))
    return found


def _bearing(lat: float, lon: float, to_lat: float, to_lon: float) -> float:
    """Direction in which a great circle starts, on a sphere [degree clockwise from north]."""
    a, b, turn = math.radians(lat), math.radians(to_lat), math.radians(to_lon - lon)
    east = math.sin(turn) * math.cos(b)
    north = math.cos(a) * math.sin(b) - math.sin(a) * math.cos(b) * math.cos(turn)
    return round(math.degrees(math.atan2(east, north)) % 360, 1)


HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (places,)
