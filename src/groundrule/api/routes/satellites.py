"""Satellites: what the loaded elements are worth, where satellites are, and which of them a place sees."""

from __future__ import annotations

import json
import math
import re
from typing import Annotated, Any, Final, Literal

import msgspec
import numpy as np
from litestar import Request, Response, get
from litestar.params import Parameter
from litestar.types import ControllerRouterHandler
from numpy.typing import NDArray

from groundrule.api.given import GivenPrincipal, GivenService
from groundrule.api.paging import Cursor, decode_cursor, encode_cursor
from groundrule.api.problems import Refused
from groundrule.api.state import Service
from groundrule.api.times import instant_of
from groundrule.instant import format_instant
from groundrule.orbit.elements import OTHER, Elements
from groundrule.orbit.propagate import MEANING
from groundrule.pipeline.sky import Moment

GEOJSON: Final = "application/geo+json"
MOST: Final = 20_000
"""Most satellites of one answer: a whole constellation, so that a map needs one request."""
_DAY_S: Final = 86_400.0

At = Annotated[str | None, Parameter(max_length=40, description="The default is now.")]
Only = Annotated[list[str] | None, Parameter(max_items=20, description="Only these constellations; may be repeated.")]
_Lon = {"ge": -540, "le": 540}
_NUMBER: Final = re.compile(r"[0-9]{1,9}")


class Constellation(msgspec.Struct):
    """What the elements of one constellation are worth at an instant.

    Attributes:
        id: its name, by the habit of catalogues or as it was told at the import.
        satellites: how many have elements; `usable`: how many of them have a position then.
        stale, future, failed: how many have none: newest set too old, every set too far in the future, refused by SGP4.
        newest_epoch, oldest_epoch: of the sets that are used.
        median_age_days: of the same; negative where they are from after the instant.
        grades, forms, sources: which occur.
        generated: made from published shells; none of its satellites is real.
        incomplete: why satellites are surely missing; null if nothing says so.
    """

    id: str
    satellites: int
    usable: int
    stale: int
    future: int
    failed: int
    newest_epoch: str
    oldest_epoch: str
    median_age_days: float
    grades: list[str]
    forms: list[str]
    sources: list[str]
    generated: bool
    incomplete: str | None


class Constellations(msgspec.Struct):
    """All constellations of the home.

    Attributes:
        at: the instant asked about.
        elements: how many sets are loaded.
        digest: of all of them.
        constellations: the largest first.
    """

    at: str
    elements: int
    digest: str
    constellations: list[Constellation]


class Positions(msgspec.Struct):
    """Satellites at an instant, by columns, in order of their numbers.

    Attributes:
        at: the instant asked about.
        total: satellites with a position that were asked for, on all pages.
        without_position: those without one: stale, from the future, decayed.
        constellations: their names; `constellation` counts in them.
        satellite, name: catalogue number and name.
        constellation: which of `constellations`.
        lon, lat: below it [degree]; height_km: above the ellipsoid [km].
        age_h: of its element set [h]; negative where its epoch is later.
        next: cursor of the next page; null at the end.
    """

    at: str
    total: int
    without_position: int
    constellations: list[str]
    satellite: list[int]
    name: list[str]
    constellation: list[int]
    lon: list[float]
    lat: list[float]
    height_km: list[float]
    age_h: list[float]
    next: str | None


class Sighting(msgspec.Struct):
    """One satellite as a place sees it.

    Attributes:
        satellite, name, constellation: which.
        elevation_deg, azimuth_deg: where it stands [degree; from north over east].
        range_km: how far it is [km].
        lon, lat: below it [degree].
        age_h: of its elements [h].
        generated: it is not real.
    """

    satellite: int
    name: str
    constellation: str
    elevation_deg: float
    azimuth_deg: float
    range_km: float
    lon: float
    lat: float
    age_h: float
    generated: bool


class Counted(msgspec.Struct):
    """How many satellites of a constellation a place sees."""

    constellation: str
    seen: int


class Sightings(msgspec.Struct):
    """What a place sees, the highest first.

    Attributes:
        at, lat, lon, mask_deg: what was asked.
        constellations: how many of each are seen.
        satellites: at or above the mask; `total` counts those that `limit` left out, too.
        without_position: satellites of the home that have no position then.
        incomplete: constellations of which satellites are surely missing, and why.
        meaning: what this is, and what it is not.
    """

    at: str
    lat: float
    lon: float
    mask_deg: float
    total: int
    constellations: list[Counted]
    satellites: list[Sighting]
    without_position: int
    incomplete: dict[str, str]
    meaning: Literal["geometry above the mask; who really serves, beams, capacity and licence are not known here"]


class Track(msgspec.Struct):
    """The ground points below one satellite, in order of time.

    Attributes:
        satellite, name, constellation: which.
        at: the instant in the middle.
        lon, lat: [degree]; longitudes go on beyond 180, so that a line can be drawn.
        age_h: of its elements [h].
    """

    satellite: int
    name: str
    constellation: str
    at: str
    lon: list[float]
    lat: list[float]
    age_h: float


_EXAMPLE_STATUS: Final = {
    "at": "2026-06-03T05:00:00Z", "elements": 588, "digest": "sha256:5e0c…",
    "constellations": [{
        "id": "oneweb-generated", "satellites": 588, "usable": 588, "stale": 0, "future": 0, "failed": 0,
        "newest_epoch": "2026-06-03T00:00:00Z", "oldest_epoch": "2026-06-03T00:00:00Z", "median_age_days": 0.208, "grades": ["raw"],
        "forms": ["generated"], "sources": ["generated"], "generated": True, "incomplete": None,
    }],
}  # fmt: skip
_EXAMPLE_SEEN: Final = {
    "at": "2026-06-03T05:00:00Z", "lat": 46.48, "lon": 30.73, "mask_deg": 25.0, "total": 1,
    "constellations": [{"constellation": "oneweb-generated", "seen": 1}],
    "satellites": [{
        "satellite": 900000217, "name": "ONEWEB 1-5-14 (generated)", "constellation": "oneweb-generated", "elevation_deg": 41.2,
        "azimuth_deg": 201.7, "range_km": 1662.1, "lon": 25.1, "lat": 35.9, "age_h": 5.0, "generated": True,
    }],
    "without_position": 0, "incomplete": {},
    "meaning": "geometry above the mask; who really serves, beams, capacity and licence are not known here",
}  # fmt: skip


def _example(value: object) -> dict[str, Any]:
    return {"responses": {"200": {"content": {"application/json": {"example": value}}}}}


_POSITIONS: Final = {
    "responses": {"200": {"content": {GEOJSON: {"schema": {"type": "object", "required": ["type", "features"]}}}}},
}


@get(
    "/v1/satellites", opt={"permission": "satellites:read", "openapi": _example(_EXAMPLE_STATUS)}, sync_to_thread=True,
    summary="Constellations that are loaded, and what their elements are worth",
)  # fmt: skip
def satellites(principal: GivenPrincipal, service: GivenService, at: At = None) -> Constellations:
    """Say how many satellites of each constellation can be used at an instant, how old their elements are, and what is missing."""
    sky, moment = service.sky(principal.tenant), _moment(service, at)
    elements = sky.elements()
    return Constellations(
        format_instant(moment), len(elements), elements.digest,
        [
            Constellation(
                each.constellation, each.satellites, each.usable, each.stale, each.future, each.failed, format_instant(each.newest_ns),
                format_instant(each.oldest_ns), round(each.median_age_s / _DAY_S, 3), list(each.grades), list(each.forms),
                list(each.sources), each.generated, each.incomplete,
            )
            for each in sky.status(moment)
        ],
    )  # fmt: skip


@get(
    "/v1/satellites/positions", opt={"permission": "satellites:read", "openapi": _POSITIONS}, sync_to_thread=True,
    summary="Where satellites are at an instant",
)  # fmt: skip
def positions(
    request: Request[Any, Any, Any],
    principal: GivenPrincipal,
    service: GivenService,
    at: At = None,
    constellation: Only = None,
    west: Annotated[float, Parameter(**_Lon, description="[degree]; beyond `east` the box crosses 180°.")] = -180.0,
    south: Annotated[float, Parameter(ge=-90, le=90)] = -90.0,
    east: Annotated[float, Parameter(**_Lon)] = 180.0,
    north: Annotated[float, Parameter(ge=-90, le=90)] = 90.0,
    limit: Annotated[int, Parameter(ge=1, le=MOST)] = 1_000,
    cursor: Cursor = None,
) -> Response[Positions] | Response[bytes]:
    """Give the points below satellites and their heights, in a box; as GeoJSON where `Accept` asks for it."""
    moment = service.sky(principal.tenant).at(_moment(service, at))
    wanted = moment.chosen(constellation) & _inside(moment, west, south, east, north)
    every = np.ones(len(moment), bool) if constellation is None else np.isin(moment.elements.constellation, constellation)
    rows = np.flatnonzero(wanted)
    rows = rows[np.argsort(moment.elements.catalogue[rows], kind="stable")]
    after = decode_cursor(cursor, lambda found: isinstance(found, int) and not isinstance(found, bool) and 0 <= found < 1 << 62)
    total = len(rows)
    if after is not None:
        rows = rows[moment.elements.catalogue[rows] > after]
    shown = rows[:limit]
    following = encode_cursor(int(moment.elements.catalogue[shown[-1]])) if len(rows) > limit else None
    missing = int((every & (moment.code != 0)).sum())
    if GEOJSON in request.headers.get("accept", ""):
        return Response(_geojson(moment, shown, total, missing, following), media_type=GEOJSON)
    return Response(_columns(moment, shown, total, missing, following))


@get(
    "/v1/satellites/visible", opt={"permission": "satellites:read", "openapi": _example(_EXAMPLE_SEEN)}, sync_to_thread=True,
    summary="Which satellites a place sees",
)  # fmt: skip
def visible(
    principal: GivenPrincipal,
    service: GivenService,
    lat: Annotated[float, Parameter(ge=-90, le=90, description="[degree]")],
    lon: Annotated[float, Parameter(ge=-180, le=180, description="[degree]")],
    at: At = None,
    mask: Annotated[float, Parameter(ge=-5, le=90, description="Lowest elevation [degree].")] = 25.0,
    height: Annotated[float, Parameter(ge=-10_000, le=100_000, description="Above the ellipsoid [m].")] = 0.0,
    constellation: Only = None,
    limit: Annotated[int, Parameter(ge=1, le=MOST)] = 200,
) -> Sightings:
    """Say which satellites stand at or above an elevation: geometry, and no statement of who serves."""
    sky = service.sky(principal.tenant)
    moment, seen = sky.visible(
        _finite(lat, "lat"), _finite(lon, "lon"), _moment(service, at), height_m=_finite(height, "height"), mask_deg=_finite(mask, "mask"),
        constellations=constellation,
    )  # fmt: skip
    elements = moment.elements
    names = [str(elements.constellation[each.row]) for each in seen]
    counts = {name: names.count(name) for name in sorted(set(names))}
    return Sightings(
        format_instant(moment.at_ns), lat, lon, mask, len(seen), [Counted(*each) for each in counts.items()],
        [
            Sighting(
                int(elements.catalogue[each.row]), str(elements.name[each.row]), name, round(each.elevation_deg, 3),
                round(each.azimuth_deg, 3), round(each.range_m / 1e3, 3), round(float(moment.lon_deg[each.row]), 5),
                round(float(moment.lat_deg[each.row]), 5), round(float(moment.age_s[each.row]) / 3_600, 3),
                bool(elements.form[each.row] == "generated"),
            )
            for each, name in zip(seen[:limit], names, strict=False)
        ],
        int((moment.code != 0).sum()), _incomplete(elements),
        "geometry above the mask; who really serves, beams, capacity and licence are not known here",
    )  # fmt: skip


@get(
    "/v1/satellites/{satellite:str}/track", opt={"permission": "satellites:read"}, sync_to_thread=True,
    summary="The ground track of one satellite",
)  # fmt: skip
def track(
    principal: GivenPrincipal,
    service: GivenService,
    satellite: Annotated[str, Parameter(max_length=20, description="Its catalogue number.")],
    at: At = None,
    minutes: Annotated[float, Parameter(ge=1, le=1_500, description="How much of it; half lies before the instant.")] = 100.0,
) -> Track:
    """Give the points below one satellite every 30 s."""
    sky, moment_ns = service.sky(principal.tenant), _moment(service, at)
    moment = sky.at(moment_ns)
    number = int(satellite) if _NUMBER.fullmatch(satellite) else 0
    rows = np.flatnonzero(moment.elements.catalogue == number)
    if not len(rows):
        raise Refused(404, f"no loaded elements have the satellite `{satellite[:20]}`", code="missing", help="see /v1/satellites/positions")
    row = int(rows[0])
    if moment.code[row] != 0:
        raise Refused(
            422, f"satellite `{satellite}` has no position then: {MEANING[int(moment.code[row])]}", code="no_position",
            field="at", help="ask for a time nearer to its epoch, or import newer elements",
        )  # fmt: skip
    lat, lon = sky.track(number, moment_ns, minutes=_finite(minutes, "minutes"))
    unwrapped = np.degrees(np.unwrap(np.radians(lon)))
    return Track(
        number, str(moment.elements.name[row]), str(moment.elements.constellation[row]), format_instant(moment_ns),
        np.round(unwrapped, 4).tolist(), np.round(lat, 4).tolist(), round(float(moment.age_s[row]) / 3_600, 3),
    )  # fmt: skip


def _moment(service: Service, at: str | None) -> int:
    """The instant asked about; `now` is taken in whole seconds, so that readers of one second share what was computed."""
    if at is not None:
        return instant_of(at, "at")
    now = service.clock()
    return now - now % 1_000_000_000


def _finite(value: float, field: str) -> float:
    if not math.isfinite(value):
        raise Refused(400, f"`{field}` is not a number", code="malformed", field=field, help="give a number")
    return value


def _inside(moment: Moment, west: float, south: float, east: float, north: float) -> NDArray[np.bool_]:
    for name, value in (("west", west), ("south", south), ("east", east), ("north", north)):
        _finite(value, name)
    low, high = min(south, north), max(south, north)
    inside = (moment.lat_deg >= low) & (moment.lat_deg <= high)
    if east - west >= 360.0 or (east == 180.0 and west == -180.0):
        return inside
    turn = (moment.lon_deg - west) % 360.0
    return np.asarray(inside & (turn <= (east - west) % 360.0))


def _columns(moment: Moment, rows: NDArray[np.int64], total: int, missing: int, following: str | None) -> Positions:
    elements = moment.elements
    names, which = np.unique(elements.constellation[rows], return_inverse=True)
    return Positions(
        format_instant(moment.at_ns), total, missing, names.tolist(), elements.catalogue[rows].tolist(), elements.name[rows].tolist(),
        which.tolist(), np.round(moment.lon_deg[rows], 4).tolist(), np.round(moment.lat_deg[rows], 4).tolist(),
        np.round(moment.height_m[rows] / 1e3, 2).tolist(), np.round(moment.age_s[rows] / 3_600, 3).tolist(), following,
    )  # fmt: skip


def _geojson(moment: Moment, rows: NDArray[np.int64], total: int, missing: int, following: str | None) -> bytes:
    made = _columns(moment, rows, total, missing, following)
    features = [
        {
            "type": "Feature", "id": made.satellite[i], "geometry": {"type": "Point", "coordinates": [made.lon[i], made.lat[i]]},
            "properties": {
                "name": made.name[i], "constellation": made.constellations[made.constellation[i]], "height_km": made.height_km[i],
                "age_h": made.age_h[i],
            },
        }
        for i in range(len(rows))
    ]  # fmt: skip
    whole = {
        "type": "FeatureCollection", "features": features, "numberMatched": total, "numberReturned": len(rows),
        "timeStamp": made.at, "without_position": missing, "next": following,
    }  # fmt: skip
    return json.dumps(whole, allow_nan=False).encode()


def _incomplete(elements: Elements) -> dict[str, str]:
    names = sorted(set(elements.constellation.tolist()))
    return {name: why for name in names if name != OTHER and (why := elements.incomplete(name))}


HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (satellites, positions, visible, track)
