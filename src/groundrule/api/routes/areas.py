"""Areas: what they are, whether they were ever served, and their shapes as OGC API – Features (read-only)."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlencode

import msgspec
import numpy as np
import shapely
from litestar import Request, Response, get
from litestar.params import FromPath, Parameter
from litestar.types import ControllerRouterHandler

from groundrule.api.given import GivenLive, GivenService
from groundrule.api.paging import MAX_LIMIT, Cursor, Limit, Page, page_of
from groundrule.api.problems import Refused
from groundrule.api.settings import address
from groundrule.api.state import Service
from groundrule.api.times import instant_of, interval_of, when
from groundrule.areas.model import Area, AreaSet, service_answer
from groundrule.areas.world import ATTRIBUTION
from groundrule.instant import MAX_NS, MIN_NS, format_instant

COLLECTION: Final = "areas"
GEOJSON: Final = "application/geo+json"
_CONFORMS: Final = [
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
]
_CRS84: Final = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"


class AreaRow(msgspec.Struct):
    """An area as it stands.

    Attributes:
        id, kind, name, country: of the version that holds, or of the last one.
        tags: free tags.
        source, licence, point_of_view: where it comes from, and whose view it is.
        valid_from, valid_until: of that version; null is without end.
        versions: how many there are.
        bounds: west, south, east, north [degree].
        service: whether the network ever served it, in words.
        service_kind: the same as a code.
    """

    id: str
    kind: str
    name: str
    country: str | None
    tags: list[str]
    source: str
    licence: str
    point_of_view: str | None
    valid_from: str | None
    valid_until: str | None
    versions: int
    bounds: list[float]
    service: str
    service_kind: str


class Version(msgspec.Struct):
    """One version of an area, with everything that was said about service in it."""

    id: str
    name: str
    valid_from: str | None
    valid_until: str | None
    source: str
    licence: str
    service_history: list[dict[str, str | None]]
    service_requests: list[dict[str, str | None]]


class Link(msgspec.Struct, omit_defaults=True):
    """A link of OGC API – Features."""

    href: str
    rel: str
    type: str | None = None
    title: str | None = None


@get("/v1/areas", opt={"permission": "areas:read"}, summary="Areas in force, without their shapes")
async def areas(
    live: GivenLive,
    service: GivenService,
    kind: Annotated[str | None, Parameter(max_length=40, description="Only areas of this kind, for instance `zone`.")] = None,
    at: Annotated[str | None, Parameter(max_length=40, description="As they stood at this instant; the default is now.")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[AreaRow]:
    """List areas by id, each in the version that holds at the instant, or else in its last one."""
    now = instant_of(at, "at") if at else service.clock()
    chosen = [versions for versions in _listed(live.basis.areas) if kind is None or versions[-1].kind == kind]
    page = page_of(chosen, limit, cursor)
    return Page([_row(versions, now) for versions in page.items], page.next)


@get("/v1/areas/{area_id:str}/versions", opt={"permission": "areas:read"}, summary="Every version of an area, and its record of service")
async def versions(live: GivenLive, area_id: FromPath[str]) -> list[Version]:
    """List the versions of an area in order of time."""
    found = live.basis.areas.versions(area_id)
    if not found:
        raise Refused(404, f"there is no area `{area_id[:80]}`", code="missing", help="see /v1/areas")
    return [
        Version(
            each.id, each.name, when(each.valid_from_ns), when(each.valid_until_ns), each.source, each.licence,
            [{"state": i.state, "from": when(i.from_ns), "until": when(i.until_ns), "source": i.source} for i in each.service_history],
            [
                {"at": when(r.at_ns), "asked": r.asked, "answer": r.answer, "source": r.source, "note": r.note}
                for r in each.service_requests
            ],
        )
        for each in found
    ]  # fmt: skip


# --- OGC API – Features, part 1 -------------------------------------------------------------------------------------------


@get("/ogc", opt={"permission": "areas:read"}, summary="Landing page of OGC API – Features")
async def landing(service: GivenService) -> dict[str, Any]:
    """Say where everything is."""
    base = f"{address(service.settings)}/ogc"
    return {
        "title": "Areas of Groundrule",
        "description": "Areas that rules may name, with their versions. " + ATTRIBUTION,
        "links": _plain([
            Link(base, "self", "application/json", "this document"),
            Link(f"{base}/conformance", "conformance", "application/json", "what this conforms to"),
            Link(f"{base}/collections", "data", "application/json", "the collections"),
            Link(f"{address(service.settings)}/openapi.json", "service-desc", "application/vnd.oai.openapi+json;version=3.1", "the API"),
        ]),
    }  # fmt: skip


@get("/ogc/conformance", opt={"permission": "areas:read"}, summary="What OGC classes this conforms to")
async def conformance() -> dict[str, list[str]]:
    """List conformance classes; `oas30` is not among them, because the description is OpenAPI 3.1."""
    return {"conformsTo": list(_CONFORMS)}


@get("/ogc/collections", opt={"permission": "areas:read"}, summary="The collections")
async def collections(service: GivenService) -> dict[str, Any]:
    """List the one collection."""
    base = f"{address(service.settings)}/ogc/collections"
    return {"links": _plain([Link(base, "self", "application/json")]), "collections": [_collection(service)]}


@get("/ogc/collections/{collection:str}", opt={"permission": "areas:read"}, summary="One collection")
async def collection_(collection: FromPath[str], service: GivenService) -> dict[str, Any]:
    """Describe the collection of areas."""
    _check(collection)
    return _collection(service)




def _geojson(what: str, *members: str) -> dict[str, Any]:
    schema = {"type": "object", "required": ["type", *members]}
    return {"responses": {"200": {"description": what, "content": {GEOJSON: {"schema": schema}}}}}


_ITEMS: Final = _geojson("Features", "features")
_ITEM: Final = _geojson("A feature", "geometry")


@get("/ogc/collections/{collection:str}/items", opt={"permission": "areas:read", "openapi": _ITEMS}, summary="Areas as GeoJSON")
async def items(
    request: Request[Any, Any, Any],
    live: GivenLive,
    service: GivenService,
    collection: FromPath[str],
    bbox: Annotated[str | None, Parameter(max_length=200, description="west,south,east,north; west beyond east crosses 180°.")] = None,
    datetime: Annotated[str | None, Parameter(max_length=100, description="An instant, or `from/until` with `..` for open ends.")] = None,
    kind: Annotated[str | None, Parameter(max_length=40, description="Only areas of this kind.")] = None,
    simplify: Annotated[float, Parameter(ge=0, le=5, description="Tolerance of the drawn lines, for maps alone [degree].")] = 0.0,
    limit: Annotated[int, Parameter(ge=1, le=MAX_LIMIT)] = 100,
    cursor: Cursor = None,
) -> Response[bytes]:
    """List versions of areas that touch a box and hold in an interval."""
    _check(collection)
    box = _box(bbox)
    begin, end = interval_of(datetime, "datetime") if datetime else (MIN_NS, MAX_NS)
    chosen = [
        area for area in live.basis.areas
        if (kind is None or area.kind == kind) and area.valid_from_ns <= end and area.valid_until_ns > begin and _touches(area, box)
    ]  # fmt: skip
    page = page_of(chosen, limit, cursor)
    here = str(request.url)
    links = [Link(here, "self", GEOJSON)]
    if page.next:
        links.append(Link(str(request.url.with_replacements(query=_with_cursor(request, page.next))), "next", GEOJSON))
    body = {
        "type": "FeatureCollection", "features": [_feature(area, simplify) for area in page.items], "links": _plain(links),
        "numberMatched": len(chosen), "numberReturned": len(page.items), "timeStamp": format_instant(service.clock()),
        "attribution": ATTRIBUTION,
    }  # fmt: skip
    return Response(json.dumps(body, allow_nan=False).encode(), media_type=GEOJSON)


@get(
    "/ogc/collections/{collection:str}/items/{feature:str}", opt={"permission": "areas:read", "openapi": _ITEM},
    summary="One area as GeoJSON",
)  # fmt: skip
async def item(live: GivenLive, service: GivenService, collection: FromPath[str], feature: FromPath[str]) -> Response[bytes]:
    """Give the version of an area that its feature id names."""
    _check(collection)
    for area in live.basis.areas:
        if _feature_id(area) == feature or area.id == feature:
            base = f"{address(service.settings)}/ogc/collections/{COLLECTION}"
            links = [Link(f"{base}/items/{feature}", "self", GEOJSON), Link(base, "collection", "application/json")]
            body = _feature(area, 0.0) | {"links": _plain(links)}
            return Response(json.dumps(body, allow_nan=False).encode(), media_type=GEOJSON)
    raise Refused(404, f"there is no feature `{feature[:80]}`", code="missing", help="see …/items")


@lru_cache(maxsize=4)
def _listed(areas: AreaSet) -> list[tuple[Area, ...]]:
    """Return the versions of each area in order of time, by id."""
    by_id: dict[str, list[Area]] = {}
    for area in areas:
        by_id.setdefault(area.id, []).append(area)
    return [tuple(sorted(found, key=lambda a: a.valid_from_ns)) for _, found in sorted(by_id.items())]


def _row(versions: Sequence[Area], now_ns: int) -> AreaRow:
    area = next((each for each in versions if each.is_valid_at(now_ns)), versions[-1])
    said = service_answer(area, now_ns)
    return AreaRow(
        area.id, area.kind, area.name, area.country, list(area.tags), area.source, area.licence, area.point_of_view,
        when(area.valid_from_ns), when(area.valid_until_ns), len(versions), [round(each, 6) for each in area.geometry.bounds],
        said.sentence, said.kind,
    )  # fmt: skip


def _check(collection: str) -> None:
    if collection != COLLECTION:
        raise Refused(404, f"there is no collection `{collection[:80]}`", code="missing", help="there is one: areas")


def _collection(service: Service) -> dict[str, Any]:
    base = f"{address(service.settings)}/ogc/collections/{COLLECTION}"
    return {
        "id": COLLECTION, "title": "Areas", "description": "Areas that rules may name; one feature for each version. " + ATTRIBUTION,
        "extent": {"spatial": {"bbox": [[-180, -90, 180, 90]], "crs": _CRS84}, "temporal": {"interval": [[None, None]]}},
        "itemType": "feature", "crs": [_CRS84],
        "links": _plain([Link(base, "self", "application/json"), Link(f"{base}/items", "items", GEOJSON)]),
    }  # fmt: skip


def _box(text: str | None) -> tuple[float, float, float, float] | None:
    if text is None:
        return None
    try:
        numbers = [float(each) for each in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) == 6:
        numbers = [numbers[0], numbers[1], numbers[3], numbers[4]]
    if (
        len(numbers) != 4
        or not all(map(math.isfinite, numbers))
        or not (-180 <= numbers[0] <= 180 and -180 <= numbers[2] <= 180 and -90 <= numbers[1] <= numbers[3] <= 90)
    ):
        raise Refused(
            400, f"`{text[:80]}` is no box", code="malformed", field="bbox",
            help="west,south,east,north in degrees, for instance 22,44,41,53",
        )  # fmt: skip
    west, south, east, north = numbers
    return west, south, east, north


def _touches(area: Area, box: tuple[float, float, float, float] | None) -> bool:
    if box is None:
        return True
    west, south, east, north = box
    parts = [(west, east)] if west <= east else [(west, 180.0), (-180.0, east)]
    a, b, c, d = area.geometry.bounds
    for low, high in parts:
        near = a <= high and c >= low and b <= north and d >= south
        if near and shapely.intersects(area.geometry, shapely.box(low, south, high, north)):
            return True
    return False


def _feature_id(area: Area) -> str:
    return area.id if area.valid_from_ns == MIN_NS else f"{area.id}@{format_instant(area.valid_from_ns)}"


def _feature(area: Area, tolerance_deg: float) -> dict[str, Any]:
    return {
        "type": "Feature", "id": _feature_id(area), "geometry": _geometry(area, tolerance_deg),
        "properties": {
            "id": area.id, "kind": area.kind, "name": area.name, "country": area.country, "source": area.source, "licence": area.licence,
            "point_of_view": area.point_of_view, "valid_from": when(area.valid_from_ns), "valid_until": when(area.valid_until_ns),
        },
    }  # fmt: skip


@lru_cache(maxsize=600)
def _geometry(area: Area, tolerance_deg: float) -> dict[str, Any]:
    shape = shapely.simplify(area.geometry, tolerance_deg) if tolerance_deg else area.geometry
    # GeoJSON asks for outer rings counter-clockwise (RFC 7946, section 3.1.6).
    shape = shapely.orient_polygons(shape) if hasattr(shapely, "orient_polygons") else shape
    kind: Literal["Polygon", "MultiPolygon"] = "MultiPolygon" if shape.geom_type == "MultiPolygon" else "Polygon"
    polygons = [
        [np.round(np.asarray(ring.coords)[:, :2], 7).tolist() for ring in (part.exterior, *part.interiors)]
        for part in getattr(shape, "geoms", [shape])
    ]
    return {"type": kind, "coordinates": polygons if kind == "MultiPolygon" else polygons[0]}


def _with_cursor(request: Request[Any, Any, Any], cursor: str) -> str:
    kept = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    return urlencode([*kept, ("cursor", cursor)])


def _plain(links: list[Link]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = msgspec.to_builtins(links)
    return found


HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (areas, versions, landing, conformance, collections, collection_, items, item)
