"""What the CAMARA facades share: the form of their errors, `x-correlator`, and which terminal a `device` is.

On these routes every failure, also one of the guard, of limits or of checks, is `{status, code, message}`, as the CAMARA documents
say it. Requests with fields that are not declared there are refused.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, cast

import msgspec
from litestar import Request, Response
from litestar.enums import ScopeType
from litestar.exceptions import HTTPException, ValidationException
from litestar.middleware import ASGIMiddleware
from litestar.params import HeaderParameter
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from groundrule.api.principal import Principal
from groundrule.api.problems import Refused, status_of
from groundrule.api.seen import sight_of
from groundrule.errors import GroundruleError
from groundrule.pipeline.live import Live
from groundrule.store.addresses import PHONE, canonical_address, ipv4_keys, terminals_at
from groundrule.store.registers import Registers

VERIFICATION: Final = "/location-verification/v3"
RETRIEVAL: Final = "/location-retrieval/v0.5"
GEOFENCING: Final = "/geofencing-subscriptions/v0.5"
FACADES: Final = (VERIFICATION, RETRIEVAL, GEOFENCING)

_CORRELATOR: Final = re.compile(r"[a-zA-Z0-9\-_:;./<>{}]{0,256}")
_BOUND: Final = re.compile(r"Expected `(?:int|float|decimal)` (?:<|>)=? ?-?[0-9.]+|Number out of range")
_CODES: Final[Mapping[int, str]] = {
    400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED",
    406: "NOT_ACCEPTABLE", 409: "CONFLICT", 410: "GONE", 413: "PAYLOAD_TOO_LARGE", 415: "UNSUPPORTED_MEDIA_TYPE",
    422: "SERVICE_NOT_APPLICABLE", 429: "TOO_MANY_REQUESTS", 500: "INTERNAL", 501: "NOT_IMPLEMENTED", 503: "UNAVAILABLE",
    507: "UNAVAILABLE",
}  # fmt: skip
_FAULT: Final = "The service failed; the operator was told."

Correlator = Annotated[
    str | None, HeaderParameter(name="x-correlator", pattern=r"^[a-zA-Z0-9\-_:;.\/<>{}]{0,256}$", description="Given back as it came.")
]


class ErrorInfo(msgspec.Struct):
    """An error of a CAMARA route.

    Attributes:
        status: of HTTP.
        code: for programs.
        message: for people.
    """

    status: int
    code: str
    message: str


class CamaraError(HTTPException):
    """What a CAMARA route refuses to do.

    Args:
        status: of HTTP.
        code: as the CAMARA document names it.
        message: one sentence.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(detail=message, status_code=status)
        self.code = code


ErrorHandler = Callable[[Request[Any, Any, Any], Any], Response[bytes]]


def by_route(native: Mapping[Any, ErrorHandler]) -> dict[Any, ErrorHandler]:
    """Return handlers of errors that answer in CAMARA's form on its routes, and as given everywhere else."""

    def wrapped(handler: ErrorHandler) -> ErrorHandler:
        def handle(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
            answer = handler(request, error)  # faults are logged there, whatever the form of the answer
            return _in_form(request, error, answer) if is_facade(request.scope["path"]) else answer

        return handle

    return {kind: wrapped(handler) for kind, handler in native.items()}


def is_facade(path: str) -> bool:
    """Does a path belong to one of the facades?"""
    return any(path == each or path.startswith(f"{each}/") for each in FACADES)


def error_document() -> dict[str, Any]:
    """Return what the document of the API says of failures on these routes."""
    schema = {
        "type": "object", "required": ["status", "code", "message"],
        "properties": {"status": {"type": "integer"}, "code": {"type": "string"}, "message": {"type": "string"}},
    }  # fmt: skip
    return {"responses": {"default": {"description": "It failed, and why", "content": {"application/json": {"schema": schema}}}}}


def _in_form(request: Request[Any, Any, Any], error: Exception, answer: Response[bytes]) -> Response[bytes]:
    status = answer.status_code or 500
    code = _CODES.get(status, "INTERNAL" if status >= 500 else "INVALID_ARGUMENT")
    message = _FAULT
    if isinstance(error, CamaraError):
        code, message = error.code, str(error.detail)
    elif isinstance(error, ValidationException):
        message = _said(error)
    elif isinstance(error, HTTPException) and status < 500:
        help_ = error.members.get("help") if isinstance(error, Refused) else None
        message = f"{error.detail}: {help_}" if help_ else str(error.detail)
    elif isinstance(error, GroundruleError) and status_of(error) < 500:
        message = error.message
    kept = {name: value for name, value in answer.headers.items() if name.lower() in ("retry-after", "www-authenticate", "allow")}
    return Response(
        msgspec.json.encode(ErrorInfo(status, code, message)), status_code=status, media_type="application/json",
        headers={"Cache-Control": "no-store", **kept, **echoed(request)},
    )  # fmt: skip


def _said(error: ValidationException) -> str:
    told = [each for each in error.extra if isinstance(each, dict)] if isinstance(error.extra, list) else []
    if not told:
        return "the request is not as the document of this API says"
    return "; ".join(f"{each.get('key', 'request')}: {each.get('message', '')}" for each in told[:5])[:500]


def echoed(request: Request[Any, Any, Any]) -> dict[str, str]:
    """Return the header that tells answers apart, as it came with the request."""
    given = request.headers.get("x-correlator")
    return {"x-correlator": given} if given and _CORRELATOR.fullmatch(given) else {}


async def checked(request: Request[Any, Any, Any]) -> None:
    """Read a request strictly, by what its route names in `opt["body"]`; for `before_request` of CAMARA routes.

    The framework would take `"1"` for 1.

    Raises:
        CamaraError: 415, its body is no JSON; 400, it is not as the document says.
    """
    wanted = request.route_handler.opt.get("body")
    if wanted is None:
        return
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise CamaraError(415, "UNSUPPORTED_MEDIA_TYPE", "The body must be of type application/json.")
    try:
        msgspec.json.decode(await request.body(), type=wanted)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        said = str(error)[:500]
        raise CamaraError(400, _code_of(request, _BOUND.search(said) is not None), said) from None


def _code_of(request: Request[Any, Any, Any], bound: bool) -> str:
    """Of the three documents only that of verification has a code of its own for numbers out of their range."""
    return "OUT_OF_RANGE" if bound and request.scope["path"].startswith(VERIFICATION) else "INVALID_ARGUMENT"


class Echo(ASGIMiddleware):
    """Gives `x-correlator` back as it came."""

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Handle one request."""
        added = [(name.encode(), value.encode()) for name, value in echoed(Request(cast("HTTPScope", scope))).items()]

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(each for each in added if each[0] not in present)]
            await send(message)

        await next_app(scope, receive, sending)


# --- devices ----------------------------------------------------------------------------------------------------------------


class Ipv4Device(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """A device by its IPv4 address.

    Attributes:
        public_address: as the world sees it.
        private_address: as the device sees it.
        public_port: as the world sees it.
    """

    public_address: str
    private_address: str | msgspec.UnsetType = msgspec.UNSET
    public_port: Annotated[int, msgspec.Meta(ge=0, le=65_535)] | msgspec.UnsetType = msgspec.UNSET


class Device(msgspec.Struct, forbid_unknown_fields=True, rename="camel", omit_defaults=True):
    """A device by one or more of its identifiers, of which one is used and given back.

    Attributes:
        phone_number: E.164, with a plus.
        network_access_identifier: not supported.
        ipv4_address, ipv6_address: of the device.
    """

    phone_number: Annotated[str, msgspec.Meta(pattern=r"^\+[1-9][0-9]{4,14}$")] | msgspec.UnsetType = msgspec.UNSET
    network_access_identifier: str | msgspec.UnsetType = msgspec.UNSET
    ipv4_address: Ipv4Device | msgspec.UnsetType = msgspec.UNSET
    ipv6_address: str | msgspec.UnsetType = msgspec.UNSET

    @property
    def given(self) -> int:
        """How many identifiers there are."""
        return sum(getattr(self, name) is not msgspec.UNSET for name in self.__struct_fields__)


class Point(msgspec.Struct, forbid_unknown_fields=True):
    """A place.

    Attributes:
        latitude, longitude: [degree, WGS 84].
    """

    latitude: Annotated[float, msgspec.Meta(ge=-90, le=90)]
    longitude: Annotated[float, msgspec.Meta(ge=-180, le=180)]


@dataclass(frozen=True, slots=True)
class Found:
    """What a device is.

    Attributes:
        terminal: its id.
        key: its address in the register.
        used: the device by the one identifier that was used, as given.
    """

    terminal: str
    key: str
    used: Device


def found(live: Live, principal: Principal, device: Device | msgspec.UnsetType, now_ns: int) -> Found:
    """Return the terminal that a device is.

    Of several identifiers the first that is known is used: IPv4, then IPv6, then the telephone number. They are not compared.

    Args:
        live: the home.
        principal: who asks; what they may not see, nobody knows.
        device: as given.
        now_ns: at which instant [ns, UTC].
    Raises:
        CamaraError: it names no identifier, none that is supported, or none that is known.
    """
    if isinstance(device, msgspec.UnsetType):
        raise CamaraError(422, "MISSING_IDENTIFIER", "The device cannot be identified.")
    candidates = _candidates(device)
    if not candidates:
        if device.given:
            raise CamaraError(422, "UNSUPPORTED_IDENTIFIER", "The identifier provided is not supported.")
        raise CamaraError(400, "INVALID_ARGUMENT", "device: at least one identifier is needed")
    with Registers.open(live.home) as registers:
        known = terminals_at(registers, [key for keys, _ in candidates for key in keys], now_ns)
    sight, fleet = sight_of(live, principal), live.fleet()
    for keys, used in candidates:
        for key in keys:
            name = known.get(key)
            if name and (sight.reader == "operator" or sight.row_of(fleet, name) >= 0 or sight.owns(name, now_ns)):
                return Found(name, key, used)
    raise CamaraError(404, "IDENTIFIER_NOT_FOUND", "Device identifier not found.")


def _candidates(device: Device) -> list[tuple[list[str], Device]]:
    """Return the keys that each identifier may have in the register, with the device by that identifier alone."""
    made: list[tuple[list[str], Device]] = []
    if isinstance(four := device.ipv4_address, Ipv4Device):
        private = None if isinstance(four.private_address, msgspec.UnsetType) else four.private_address
        port = None if isinstance(four.public_port, msgspec.UnsetType) else four.public_port
        if private is None and port is None:
            raise CamaraError(400, "INVALID_ARGUMENT", "device.ipv4Address: privateAddress or publicPort is needed")
        public = _ip(four.public_address, 4, "device.ipv4Address.publicAddress")
        inner = None if private is None else _ip(private, 4, "device.ipv4Address.privateAddress")
        made.append((ipv4_keys(public, inner, port), Device(ipv4_address=four)))
    if isinstance(device.ipv6_address, str):
        key = canonical_address(_ip(device.ipv6_address, 6, "device.ipv6Address"))
        made.append(([] if key is None else [key], Device(ipv6_address=device.ipv6_address)))
    if isinstance(device.phone_number, str):
        if not PHONE.fullmatch(device.phone_number):
            raise CamaraError(400, "INVALID_ARGUMENT", "device.phoneNumber: a plus and 5 to 15 digits")
        made.append(([device.phone_number], Device(phone_number=device.phone_number)))
    return made


def _ip(text: str, version: int, field: str) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        address = None
    if address is None or address.version != version or "%" in text:
        raise CamaraError(400, "INVALID_ARGUMENT", f"{field}: no IPv{version} address")
    return str(address)
