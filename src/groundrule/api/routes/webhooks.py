"""Webhooks: addresses that are told what happens, signed, in order, until they take it."""

from __future__ import annotations

import secrets
from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import Response, delete, get, post
from litestar.params import JSONBody
from litestar.types import ControllerRouterHandler

from groundrule.api.given import GivenLive, GivenPrincipal, GivenService
from groundrule.api.outlets import Outlet
from groundrule.api.paging import Cursor, Limit, Page, decode_cursor, encode_cursor
from groundrule.api.paths import Id, id_of, missing
from groundrule.api.problems import Refused
from groundrule.api.routes.events import Type, sees_private
from groundrule.errors import InputError
from groundrule.instant import format_instant
from groundrule.pipeline.live.sink_keys import Signature
from groundrule.store.subscriptions import Sink

MOST: Final = 100


class NewWebhook(msgspec.Struct, forbid_unknown_fields=True):
    """A wanted webhook.

    Attributes:
        address: https, at a host that the settings name.
        types: events that are told; a name that ends in `.` stands for all that begin with it. None is all.
        signature: `hmac-sha256` with a secret that is shown once, or `ed25519` with a public key.
    """

    address: Annotated[str, msgspec.Meta(min_length=1, max_length=2_000)]
    types: Annotated[list[Type], msgspec.Meta(min_length=1, max_length=50)] | None = None
    signature: Signature = "hmac-sha256"


class Webhook(msgspec.Struct):
    """A webhook.

    Attributes:
        id: of it.
        address, types, signature: as wanted.
        terminals: changes of single terminals are told, too, because whoever made it may read terminals.
        public_key: of its signatures with Ed25519.
        state: `active`, or `gone` where the address answered that it is no more.
        made_at: when it was made.
        waiting, dead: pieces that wait, and that were given up.
        failures: tries in a row that failed.
        last_failure: why the last one did.
        next_try_at: when the next is due, after a failure.
        delivered: pieces that were taken.
        last_delivered_at: when the last one was.
    """

    id: str
    address: str
    types: list[str] | None
    signature: Signature
    terminals: bool
    public_key: str | None
    state: Literal["active", "gone"]
    made_at: str
    waiting: int
    dead: int
    failures: int
    last_failure: str | None
    next_try_at: str | None
    delivered: int
    last_delivered_at: str | None


class MadeWebhook(Webhook):
    """A webhook that was just made.

    Attributes:
        secret: of its signatures with HMAC; it is shown this once.
    """

    secret: str | None


class DeadLetter(msgspec.Struct):
    """A piece that was given up.

    Attributes:
        number: names it for redelivery.
        id: of the event.
        made_at, dead_at: when it was stored, and given up.
        error: why.
        event: the CloudEvent; null for readers who may not see all that it tells.
    """

    number: int
    id: str
    made_at: str
    dead_at: str
    error: str
    event: dict[str, Any] | None


class Redelivery(msgspec.Struct, forbid_unknown_fields=True):
    """What is to be sent again.

    Attributes:
        numbers: of dead letters; null is all.
    """

    numbers: Annotated[list[Annotated[int, msgspec.Meta(ge=1, le=2**62)]], msgspec.Meta(max_length=10_000)] | None = None


class Redelivered(msgspec.Struct):
    """What is sent again.

    Attributes:
        redelivered: pieces that wait again.
    """

    redelivered: int


@post(
    "/v1/webhooks", operation_id="makeWebhook", sync_to_thread=True, summary="Have an address told what happens",
    opt={"permission": "webhooks:write"},
)  # fmt: skip
def make(data: JSONBody[NewWebhook], live: GivenLive, principal: GivenPrincipal, service: GivenService) -> MadeWebhook:
    """Make a webhook; it is told of every event from now on.

    Changes of single terminals are told only if whoever makes it may read terminals.
    """
    outlet = service.outlet(principal.tenant)
    try:
        allowed = outlet.courier.permits(data.address)
    except InputError as error:
        raise Refused(422, error.message, code="bad_address", field="address", help=error.help or "") from None
    if not allowed:
        raise Refused(
            422, "this service sends nothing to that host", code="host_not_allowed", field="address",
            help="the settings name the hosts that webhooks may go to: webhook_hosts",
        )  # fmt: skip
    if len(outlet.store.sinks("webhook")) >= MOST:
        raise Refused(409, f"there are {MOST} webhooks already", code="too_many_webhooks", help="delete one")
    spec = {"types": data.types, "signature": data.signature, "private": sees_private(principal)}
    sink = Sink(
        f"hook-{secrets.token_hex(12)}", "webhook", principal.id, data.address, "active", service.clock(), spec,
        position=live.events.bounds()[1],
    )  # fmt: skip
    outlet.store.add(sink)
    outlet.courier.wake()
    shown = _shown(outlet, sink)
    secret = outlet.keys.secret(sink.id) if data.signature == "hmac-sha256" else None
    return MadeWebhook(**msgspec.structs.asdict(shown), secret=secret)


@get("/v1/webhooks", operation_id="listWebhooks", sync_to_thread=True, summary="Webhooks", opt={"permission": "webhooks:read"})
def webhooks(principal: GivenPrincipal, service: GivenService, limit: Limit = 100, cursor: Cursor = None) -> Page[Webhook]:
    """List webhooks, in the order in which they were made."""
    outlet = service.outlet(principal.tenant)
    after = decode_cursor(cursor, lambda found: isinstance(found, str))
    every = outlet.store.sinks("webhook")
    first = 0 if after is None else next((n + 1 for n, each in enumerate(every) if each.id == after), len(every))
    items = [_shown(outlet, each) for each in every[first : first + limit]]
    return Page(items, encode_cursor(items[-1].id) if items and first + limit < len(every) else None)


@get(
    "/v1/webhooks/{webhook:str}", operation_id="readWebhook", sync_to_thread=True, summary="A webhook, and how it goes",
    opt={"permission": "webhooks:read"},
)  # fmt: skip
def webhook_(webhook: Id, principal: GivenPrincipal, service: GivenService) -> Webhook:
    """Show a webhook."""
    outlet = service.outlet(principal.tenant)
    return _shown(outlet, _sink(outlet, webhook))


@delete(
    "/v1/webhooks/{webhook:str}", operation_id="deleteWebhook", status_code=204, sync_to_thread=True, summary="Tell an address no more",
    opt={"permission": "webhooks:write"},
)  # fmt: skip
def remove(webhook: Id, principal: GivenPrincipal, service: GivenService) -> Response[None]:
    """Forget a webhook with all that waits for it."""
    outlet = service.outlet(principal.tenant)
    outlet.store.remove(_sink(outlet, webhook).id)
    return Response(None, status_code=204)


@get("/v1/webhooks/{webhook:str}/dead-letters", sync_to_thread=True, summary="What was given up", opt={"permission": "webhooks:read"})
def dead_letters(
    webhook: Id, principal: GivenPrincipal, service: GivenService, limit: Limit = 100, cursor: Cursor = None
) -> Page[DeadLetter]:
    """List the pieces that were tried 16 times and never taken, the oldest first; they are kept for 30 days."""
    outlet = service.outlet(principal.tenant)
    sink = _sink(outlet, webhook)
    after = decode_cursor(cursor, lambda found: isinstance(found, int) and not isinstance(found, bool) and 0 <= found < 2**62) or 0
    found = outlet.store.dead(sink.id, after=after, limit=limit + 1)
    open_ = not sink.spec.get("private") or sees_private(principal)
    items = [
        DeadLetter(
            each.number, each.id, format_instant(each.made_ns), format_instant(each.dead_ns or each.made_ns), each.error or "",
            msgspec.json.decode(each.body, type=dict[str, Any]) if open_ else None,
        )
        for each in found[:limit]
    ]  # fmt: skip
    return Page(items, encode_cursor(items[-1].number) if len(found) > limit else None)


@post(
    "/v1/webhooks/{webhook:str}/redeliveries", status_code=200, sync_to_thread=True, summary="Send again what was given up",
    opt={"permission": "webhooks:write"},
)  # fmt: skip
def redeliver(webhook: Id, data: JSONBody[Redelivery], principal: GivenPrincipal, service: GivenService) -> Redelivered:
    """Let dead letters wait again, under the ids that they have, behind all that waits already.

    A webhook that is gone becomes active again.
    """
    outlet = service.outlet(principal.tenant)
    count = outlet.store.redeliver(_sink(outlet, webhook).id, data.numbers)
    outlet.courier.wake()
    return Redelivered(count)


def _sink(outlet: Outlet, part: str) -> Sink:
    name = id_of(part, "webhook")
    sink = outlet.store.sink(name)
    if sink is None or sink.kind != "webhook":
        raise missing("webhook", name)
    return sink


def _shown(outlet: Outlet, sink: Sink) -> Webhook:
    signature = sink.spec["signature"]
    return Webhook(
        sink.id, sink.address, sink.spec["types"], signature, bool(sink.spec["private"]),
        outlet.keys.public if signature == "ed25519" else None, "gone" if sink.state == "gone" else "active", format_instant(sink.made_ns),
        outlet.store.waiting(sink.id), outlet.store.dead_count(sink.id), sink.tries, sink.failed,
        format_instant(sink.next_ns) if sink.tries else None, sink.delivered,
        None if sink.delivered_ns is None else format_instant(sink.delivered_ns),
    )  # fmt: skip


HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (make, webhooks, webhook_, remove, dead_letters, redeliver)
