"""CAMARA geofencing subscriptions 0.5.0: be told when a device enters or leaves a circle."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import Response, Router, delete, get, post
from litestar.params import JSONBody
from litestar.types import ControllerRouterHandler

from groundrule.api.camara import (
    GEOFENCING,
    CamaraError,
    Correlator,
    Device,
    Echo,
    checked,
    error_document,
    found,
)
from groundrule.api.given import GivenLive, GivenPrincipal, GivenService
from groundrule.api.paths import Id
from groundrule.api.routes.camara_location import Circle
from groundrule.errors import ConflictError, InputError
from groundrule.instant import format_instant, parse_instant
from groundrule.pipeline.live.geofences import ENTERED, LEFT, TOKEN_MARGIN_NS
from groundrule.store.subscriptions import Sink

_HEADER: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")
_VALUE: Final = re.compile(r"[\x20-\x7e]{0,500}")
_OURS: Final = frozenset({
    "host", "user-agent", "content-length", "content-type", "content-encoding", "connection", "transfer-encoding", "te", "trailer",
    "upgrade", "expect", "authorization", "proxy-authorization", "proxy-connection", "keep-alive", "cookie", "x-correlator", "forwarded",
})  # fmt: skip
_PROTOCOLS: Final = ("HTTP", "MQTT3", "MQTT5", "AMQP", "NATS", "KAFKA")
_BEARER: Final = "bearer"
Unset = msgspec.UnsetType


class HttpSettings(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """How it is told.

    Attributes:
        headers: sent along.
        method: POST.
    """

    headers: dict[str, str] | Unset = msgspec.UNSET
    method: Literal["POST"] | Unset = msgspec.UNSET


class SinkCredential(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """What opens the receiver: an access token.

    Attributes:
        credential_type: ACCESSTOKEN.
        access_token: sent along.
        access_token_expires_utc: when it ends; the subscription ends a minute before.
        access_token_type: bearer.
        identifier, secret, refresh_token, refresh_token_endpoint: of other types, which are refused.
    """

    credential_type: str
    access_token: Annotated[str, msgspec.Meta(min_length=1, max_length=4_096)] | Unset = msgspec.UNSET
    access_token_expires_utc: str | Unset = msgspec.UNSET
    access_token_type: str | Unset = msgspec.UNSET
    identifier: str | Unset = msgspec.UNSET
    secret: str | Unset = msgspec.UNSET
    refresh_token: str | Unset = msgspec.UNSET
    refresh_token_endpoint: str | Unset = msgspec.UNSET


class SubscriptionDetail(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """Which device, and which area.

    Attributes:
        area: a circle.
        device: which; in answers by the identifier that is used.
    """

    area: Circle
    device: Device | Unset = msgspec.UNSET


class Config(msgspec.Struct, forbid_unknown_fields=True, rename="camel", omit_defaults=True):
    """What is wanted.

    Attributes:
        subscription_detail: device and area.
        subscription_expire_time: when it ends.
        subscription_max_events: events after which it ends.
        initial_event: tell at once where that is already so.
    """

    subscription_detail: SubscriptionDetail
    subscription_expire_time: str | Unset = msgspec.UNSET
    subscription_max_events: Annotated[int, msgspec.Meta(ge=1)] | Unset = msgspec.UNSET
    initial_event: bool | Unset = msgspec.UNSET


class SubscriptionRequest(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """A wanted subscription.

    Attributes:
        protocol: HTTP.
        sink: https address that is told.
        types: exactly one.
        config: what is wanted.
        sink_credential: what opens the sink.
        protocol_settings: how it is told.
    """

    protocol: str
    sink: Annotated[str, msgspec.Meta(max_length=2_000)]
    types: Annotated[list[str], msgspec.Meta(min_length=1, max_length=100)]
    config: Config
    sink_credential: SinkCredential | Unset = msgspec.UNSET
    protocol_settings: HttpSettings | Unset = msgspec.UNSET


class Subscription(msgspec.Struct, rename="camel", omit_defaults=True):
    """A subscription.

    Attributes:
        id: of it.
        protocol, sink, types, config, protocol_settings: as wanted.
        starts_at, expires_at: from when to when.
        status: ACTIVE; INACTIVE while the address of the device is another's; EXPIRED or DELETED where it ended.
    """

    id: str
    protocol: Literal["HTTP"]
    sink: str
    types: list[str]
    config: Config
    starts_at: str
    status: Literal["ACTIVE", "INACTIVE", "EXPIRED", "DELETED"]
    expires_at: str | Unset = msgspec.UNSET
    protocol_settings: HttpSettings | Unset = msgspec.UNSET


@post(
    "/subscriptions", operation_id="createGeofencingSubscription", sync_to_thread=True,
    summary="Be told when a device enters or leaves a circle (CAMARA geofencing 0.5.0)",
    opt={"permission": "camara:subscribe", "body": SubscriptionRequest, "errors": "own", "openapi": error_document()},
)  # fmt: skip
def subscribe(
    data: JSONBody[SubscriptionRequest], live: GivenLive, principal: GivenPrincipal, service: GivenService,
    correlator: Correlator = None,  # noqa: ARG001 - checked here, given back by `Echo`
) -> Subscription:  # fmt: skip
    """Make a subscription. Its sink is told that it began, of each entering or leaving, and that it ended, as CloudEvents."""
    now, outlet = service.clock(), service.outlet(principal.tenant)
    kind = _kind(data)
    headers = _headers(data.protocol_settings)
    until_ns = _instant(data.config.subscription_expire_time, "config.subscriptionExpireTime", now)
    token, token_until_ns = _token(data.sink_credential, now)
    try:
        allowed = outlet.courier.permits(data.sink)
    except InputError as error:
        raise CamaraError(400, "INVALID_SINK", f"sink: {error.message}") from None
    if not allowed:
        raise CamaraError(400, "INVALID_SINK", "sink: this service sends nothing to that host")
    detail = data.config.subscription_detail
    device = found(live, principal, detail.device, now)
    shown = msgspec.structs.replace(data.config, subscription_detail=SubscriptionDetail(detail.area, device.used))
    most = data.config.subscription_max_events
    try:
        sink = outlet.fences.create(
            principal.id, data.sink, terminal=device.terminal, key=device.key, kind=kind,
            config=msgspec.to_builtins(shown), device=msgspec.to_builtins(device.used), until_ns=until_ns,
            circle=(detail.area.center.latitude, detail.area.center.longitude, detail.area.radius),
            most=None if isinstance(most, Unset) else most, initial=data.config.initial_event is True, headers=headers,
            seal=None if token is None else lambda name: outlet.keys.seal(name, token), token_until_ns=token_until_ns,
        )  # fmt: skip
    except ConflictError as error:
        raise CamaraError(429, "QUOTA_EXCEEDED", error.message) from None
    outlet.courier.wake()
    return _shown(sink)


@get(
    "/subscriptions", operation_id="retrieveGeofencingSubscriptionList", sync_to_thread=True,
    summary="My subscriptions",
    opt={"permission": "camara:subscribe", "errors": "own", "openapi": error_document()},
)  # fmt: skip
def subscriptions(
    principal: GivenPrincipal, service: GivenService, correlator: Correlator = None,  # noqa: ARG001 - checked here, given back by `Echo`
) -> list[Subscription]:  # fmt: skip
    """List the subscriptions that were made with these credentials; one that ended is shown for a day."""
    return [_shown(each) for each in service.outlet(principal.tenant).fences.of(principal.id)]


@get(
    "/subscriptions/{subscriptionId:str}", operation_id="retrieveGeofencingSubscription", sync_to_thread=True,
    summary="One of my subscriptions",
    opt={"permission": "camara:subscribe", "errors": "own", "openapi": error_document()},
)  # fmt: skip
def subscription(
    subscriptionId: Id, principal: GivenPrincipal, service: GivenService,  # noqa: N803 - the document's name
    correlator: Correlator = None,  # noqa: ARG001 - checked here, given back by `Echo`
) -> Subscription:  # fmt: skip
    """Show a subscription."""
    sink = service.outlet(principal.tenant).fences.one(subscriptionId, principal.id)
    if sink is None:
        raise CamaraError(404, "NOT_FOUND", "The specified resource is not found.")
    return _shown(sink)


@delete(
    "/subscriptions/{subscriptionId:str}", operation_id="deleteGeofencingSubscription", status_code=204, sync_to_thread=True,
    summary="End a subscription",
    opt={"permission": "camara:subscribe", "errors": "own", "openapi": error_document()},
)  # fmt: skip
def unsubscribe(
    subscriptionId: Id, principal: GivenPrincipal, service: GivenService,  # noqa: N803 - the document's name
    correlator: Correlator = None,  # noqa: ARG001 - checked here, given back by `Echo`
) -> Response[None]:  # fmt: skip
    """End a subscription; its sink is told so."""
    outlet = service.outlet(principal.tenant)
    if not outlet.fences.delete(subscriptionId, principal.id):
        raise CamaraError(404, "NOT_FOUND", "The specified resource is not found.")
    outlet.courier.wake()
    return Response(None, status_code=204)


def _kind(data: SubscriptionRequest) -> str:
    if data.protocol not in _PROTOCOLS:
        raise CamaraError(400, "INVALID_ARGUMENT", "protocol: HTTP")
    if data.protocol != "HTTP":
        raise CamaraError(400, "INVALID_PROTOCOL", "Only HTTP is supported.")
    if any(each not in (ENTERED, LEFT) for each in data.types):
        raise CamaraError(400, "INVALID_ARGUMENT", f"types: {ENTERED} or {LEFT}")
    if len(data.types) > 1:
        raise CamaraError(422, "MULTIEVENT_SUBSCRIPTION_NOT_SUPPORTED", "Multi event types subscription not managed.")
    return data.types[0]


def _headers(settings: HttpSettings | Unset) -> dict[str, str]:
    if isinstance(settings, Unset) or isinstance(settings.headers, Unset):
        return {}
    for name, value in settings.headers.items():
        reserved = name.lower() in _OURS or name.lower().startswith(("x-forwarded", "sec-", "proxy-"))
        if not _HEADER.fullmatch(name) or not _VALUE.fullmatch(value) or reserved or len(settings.headers) > 20:
            raise CamaraError(400, "INVALID_ARGUMENT", f"protocolSettings.headers: `{name[:64]}` cannot be sent along")
    return dict(settings.headers)


def _token(given: SinkCredential | Unset, now: int) -> tuple[str | None, int | None]:
    """Return the token and when it ends [ns, UTC]."""
    if isinstance(given, Unset):
        return None, None
    if given.credential_type not in ("PLAIN", "ACCESSTOKEN", "REFRESHTOKEN"):
        raise CamaraError(400, "INVALID_ARGUMENT", "sinkCredential.credentialType: ACCESSTOKEN")
    if given.credential_type != "ACCESSTOKEN":
        raise CamaraError(400, "INVALID_CREDENTIAL", "Only Access token is supported.")
    other = (given.identifier, given.secret, given.refresh_token, given.refresh_token_endpoint)
    if not all(isinstance(each, Unset) for each in other):
        raise CamaraError(400, "INVALID_ARGUMENT", "sinkCredential: fields of another type of credential")
    if not isinstance(given.access_token_type, Unset) and given.access_token_type != _BEARER:
        raise CamaraError(400, "INVALID_TOKEN", "Only bearer token is supported.")
    missing = isinstance(given.access_token_type, Unset) or isinstance(given.access_token_expires_utc, Unset)
    if missing or isinstance(given.access_token, Unset):
        raise CamaraError(400, "INVALID_ARGUMENT", "sinkCredential: accessToken, accessTokenExpiresUtc and accessTokenType are needed")
    if not re.fullmatch(r"[\x21-\x7e]+", given.access_token):
        raise CamaraError(400, "INVALID_ARGUMENT", "sinkCredential.accessToken: visible characters without spaces")
    until = _instant(given.access_token_expires_utc, "sinkCredential.accessTokenExpiresUtc", now + TOKEN_MARGIN_NS)
    return given.access_token, until


def _instant(text: str | Unset, field: str, after_ns: int) -> int | None:
    if isinstance(text, Unset):
        return None
    try:
        at = parse_instant(text)
    except InputError as error:
        raise CamaraError(400, "INVALID_ARGUMENT", f"{field}: {error.message}") from None
    if at <= after_ns:
        raise CamaraError(400, "INVALID_ARGUMENT", f"{field}: it is over")
    return at


def _shown(sink: Sink) -> Subscription:
    spec: dict[str, Any] = sink.spec
    ends = [each for each in (spec["until_ns"],) if each is not None]
    headers: dict[str, str] = spec["headers"]
    return Subscription(
        sink.id, "HTTP", sink.address, [spec["kind"]], msgspec.convert(spec["config"], Config), format_instant(sink.made_ns),
        spec["status"], format_instant(min(ends)) if ends else msgspec.UNSET, HttpSettings(headers) if headers else msgspec.UNSET,
    )  # fmt: skip


HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (
    Router(GEOFENCING, route_handlers=[subscribe, subscriptions, subscription, unsubscribe], before_request=checked, middleware=[Echo()]),
)
