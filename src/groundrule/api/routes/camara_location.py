"""CAMARA location verification 3.0.0 and location retrieval 0.5.0: where a device is, as the network knows it.

N is the region that holds the last position with 95 % probability: around a position of known spread a circle of 2.4477 standard
deviations, else the H3 cell. What the registers say of addresses decides which terminal a device is.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from litestar import Router, post
from litestar.params import JSONBody
from litestar.types import ControllerRouterHandler

from groundrule.api.camara import (
    RETRIEVAL,
    VERIFICATION,
    CamaraError,
    Correlator,
    Device,
    Echo,
    Point,
    checked,
    error_document,
    found,
)
from groundrule.api.given import GivenLive, GivenPrincipal, GivenService
from groundrule.areas.overlap import Region, around, match
from groundrule.instant import NS_PER_S, format_instant
from groundrule.pipeline.live import LastPosition, Live
from groundrule.pipeline.live.regions import region_of

WAIT_S: Final = 30.0
MaxAge = Annotated[int, msgspec.Meta(ge=0, description="Oldest position that will do [s]; absent is any, 0 is one of this moment.")]


class Circle(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """A circle.

    Attributes:
        area_type: CIRCLE.
        center: of it.
        radius: of it [m].
    """

    area_type: Literal["CIRCLE"]
    center: Point
    radius: Annotated[float, msgspec.Meta(ge=1)]


class FoundCircle(msgspec.Struct, tag_field="areaType", tag="CIRCLE", rename="camel"):
    """A circle in an answer.

    Attributes:
        center: of it.
        radius: of it [m].
    """

    center: Point
    radius: Annotated[float, msgspec.Meta(ge=1)]


class Polygon(msgspec.Struct, tag_field="areaType", tag="POLYGON", rename="camel"):
    """A polygon in an answer.

    Attributes:
        boundary: its corners; the last is joined to the first.
    """

    boundary: Annotated[list[Point], msgspec.Meta(min_length=3, max_length=15)]


class VerifyLocationRequest(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """Is a device within a circle?

    Attributes:
        area: the circle.
        device: which.
        max_age: oldest position that will do [s].
    """

    area: Circle
    device: Device | msgspec.UnsetType = msgspec.UNSET
    max_age: MaxAge | msgspec.UnsetType = msgspec.UNSET


class VerifyLocationResponse(msgspec.Struct, rename="camel", omit_defaults=True):
    """Whether it is.

    Attributes:
        verification_result: TRUE, FALSE or PARTIAL.
        last_location_time: when it was where it is.
        match_rate: share of the network's region that lies in the circle [per cent], for PARTIAL.
        device: by the identifier that was used, where there were several.
    """

    verification_result: Literal["TRUE", "FALSE", "PARTIAL"]
    last_location_time: str
    match_rate: int | msgspec.UnsetType = msgspec.UNSET
    device: Device | msgspec.UnsetType = msgspec.UNSET


class RetrievalLocationRequest(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """Where is a device?

    Attributes:
        device: which.
        max_age: oldest position that will do [s].
        max_surface: largest area that will do [m²].
    """

    device: Device | msgspec.UnsetType = msgspec.UNSET
    max_age: MaxAge | msgspec.UnsetType = msgspec.UNSET
    max_surface: Annotated[int, msgspec.Meta(ge=1)] | msgspec.UnsetType = msgspec.UNSET


class Location(msgspec.Struct, rename="camel", omit_defaults=True):
    """Where it is.

    Attributes:
        last_location_time: when it was there.
        area: in which it is with 95 % probability.
        device: by the identifier that was used, where there were several.
    """

    last_location_time: str
    area: FoundCircle | Polygon
    device: Device | msgspec.UnsetType = msgspec.UNSET


@post(
    "/verify", status_code=200, operation_id="verifyLocation", sync_to_thread=True,
    summary="Is a device within a circle? (CAMARA location-verification 3.0.0)",
    opt={"permission": "camara:verify", "body": VerifyLocationRequest, "errors": "own", "openapi": error_document()},
)  # fmt: skip
def verify(
    data: JSONBody[VerifyLocationRequest], live: GivenLive, principal: GivenPrincipal, service: GivenService,
    correlator: Correlator = None,  # noqa: ARG001 - checked here, given back by `echo`
) -> VerifyLocationResponse:  # fmt: skip
    """Verify whether the region of a device's last position lies in a circle, apart from it, or partly in it."""
    now = service.clock()
    device = found(live, principal, data.device, now)
    position, region = _located(live, device.terminal, data.max_age, now, "LOCATION_VERIFICATION")
    verdict, rate = match(region, data.area.center.latitude, data.area.center.longitude, data.area.radius)
    return VerifyLocationResponse(
        verdict, format_instant(position.at_ns), msgspec.UNSET if rate is None else rate, _several(data.device, device.used)
    )


@post(
    "/retrieve", status_code=200, operation_id="retrieveLocation", sync_to_thread=True,
    summary="Where is a device? (CAMARA location-retrieval 0.5.0)",
    opt={"permission": "camara:retrieve", "body": RetrievalLocationRequest, "errors": "own", "openapi": error_document()},
)  # fmt: skip
def retrieve(
    data: JSONBody[RetrievalLocationRequest], live: GivenLive, principal: GivenPrincipal, service: GivenService,
    correlator: Correlator = None,  # noqa: ARG001 - checked here, given back by `echo`
) -> Location:  # fmt: skip
    """Give the circle, or the cell, in which a device was last."""
    now = service.clock()
    device = found(live, principal, data.device, now)
    position, region = _located(live, device.terminal, data.max_age, now, "LOCATION_RETRIEVAL")
    if region.cell and not region.plain:
        region = around(region)
    if not isinstance(data.max_surface, msgspec.UnsetType) and region.area_m2 > data.max_surface:
        raise CamaraError(
            422, "LOCATION_RETRIEVAL.UNABLE_TO_FULFILL_MAX_SURFACE", "Unable to provide accurate acceptable surface for location"
        )
    return Location(format_instant(position.at_ns), area_of(region), _several(data.device, device.used))


def _located(
    live: Live, terminal: str, max_age: int | msgspec.UnsetType, now_ns: int, family: str
) -> tuple[LastPosition, Region]:
    """Return the last position of a terminal and the region that it means.

    Raises:
        CamaraError: there is none, or it is too old.
    """
    position = live.last_positions([terminal]).result(WAIT_S).get(terminal)
    if not isinstance(max_age, msgspec.UnsetType) and (position is None or now_ns - position.at_ns > max_age * NS_PER_S):
        raise CamaraError(422, f"{family}.UNABLE_TO_FULFILL_MAX_AGE", "Unable to provide expected freshness for location")
    region = None if position is None else region_of(position)
    if position is None or region is None:
        raise CamaraError(422, f"{family}.UNABLE_TO_LOCATE", "The network is unable to locate the device")
    return position, region


def area_of(region: Region) -> FoundCircle | Polygon:
    """Put a region into the form of CAMARA."""
    if region.cell:
        return Polygon([Point(round(lat, 7), round(lon, 7)) for lat, lon in region.corners])
    return FoundCircle(Point(round(region.lat_deg, 7), round(region.lon_deg, 7)), round(region.radius_m, 1))


def _several(device: Device | msgspec.UnsetType, used: Device) -> Device | msgspec.UnsetType:
    return used if isinstance(device, Device) and device.given > 1 else msgspec.UNSET


HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (
    Router(VERIFICATION, route_handlers=[verify], before_request=checked, middleware=[Echo()]),
    Router(RETRIEVAL, route_handlers=[retrieve], before_request=checked, middleware=[Echo()]),
)
