"""CAMARA location verification 3.0.0 and location retrieval 0.5.0: where a device is, as the network knows it.

Where the network measured the terminal itself, and the estimate is fresh and usable, it is the answer, whatever the terminal reports.
Else N is the region that holds the last reported position with 95 % probability: around a position of known spread a circle of
2.4477 standard deviations, or the H3 cell. What the registers say of addresses decides which terminal a device is.
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
from groundrule.areas.overlap import Region, around
from groundrule.instant import NS_PER_S, format_instant
from groundrule.pipeline.live import Live
from groundrule.pipeline.live.located import Located, located
from groundrule.pipeline.verifying import oldest_used

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
        match_rate: for PARTIAL, the probability that the network's estimate lies in the circle, or, where there is none, the share of
            the region's area [per cent].
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
    """Verify whether the region in which a device is lies in a circle, apart from it, or partly in it."""
    now = service.clock()
    device = found(live, principal, data.device, now)
    place = _located(live, device.terminal, data.max_age, now, "LOCATION_VERIFICATION")
    verdict, rate = place.match(data.area.center.latitude, data.area.center.longitude, data.area.radius)
    return VerifyLocationResponse(
        verdict, format_instant(place.at_ns), msgspec.UNSET if rate is None else rate, _several(data.device, device.used)
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
    place = _located(live, device.terminal, data.max_age, now, "LOCATION_RETRIEVAL")
    region = place.region
    if region.cell and not region.plain:
        region = around(region)
    if not isinstance(data.max_surface, msgspec.UnsetType) and region.area_m2 > data.max_surface:
        raise CamaraError(
            422, "LOCATION_RETRIEVAL.UNABLE_TO_FULFILL_MAX_SURFACE", "Unable to provide accurate acceptable surface for location"
        )
    return Location(format_instant(place.at_ns), area_of(region), _several(data.device, device.used))


def _located(live: Live, terminal: str, max_age: int | msgspec.UnsetType, now_ns: int, family: str) -> Located:
    """Return where a terminal is.

    Raises:
        CamaraError: the network cannot say, or what it knows is too old.
    """
    position = live.last_positions([terminal]).result(WAIT_S).get(terminal)
    oldest = None if isinstance(max_age, msgspec.UnsetType) else now_ns - max_age * NS_PER_S
    fresh_s = oldest_used(live.basis.rulebook.assumptions).plain_s
    place = located(position, live.measuring.memory.latest(terminal, until_ns=now_ns), fresh_s)
    if oldest is not None and place is not None and place.at_ns < oldest:
        place = place.claimed if place.claimed is not None and place.claimed.at_ns >= oldest else None
        if place is None:
            raise CamaraError(422, f"{family}.UNABLE_TO_FULFILL_MAX_AGE", "Unable to provide expected freshness for location")
    if place is None:
        none = oldest is not None and (position is None or position.at_ns < oldest)
        code, said = ("UNABLE_TO_FULFILL_MAX_AGE", "Unable to provide expected freshness for location") if none else (
            "UNABLE_TO_LOCATE", "The network is unable to locate the device"
        )  # fmt: skip
        raise CamaraError(422, f"{family}.{code}", said)
    return place


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
