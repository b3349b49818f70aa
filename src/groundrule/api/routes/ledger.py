"""The log: its head, its witnesses, what it holds, and proofs."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import MediaType, Response, get
from litestar.params import FromPath, Parameter, QueryParameter
from litestar.types import ControllerRouterHandler

from groundrule.api.given import GivenLive, GivenPrincipal, GivenService
from groundrule.api.paging import Cursor, Limit, Page, decode_cursor, encode_cursor
from groundrule.api.problems import Refused
from groundrule.instant import NS_PER_S, format_instant
from groundrule.pipeline.log_watch import OWN, Watched, entries, entry_proof, published

MAX_INDEX: Final = 1 << 53


class Witness(msgspec.Struct):
    """A witness that the log's policy names.

    Attributes:
        name: as the policy names it.
        cosigned_at: when it cosigned the published head; null where it did not.
        ok: it did.
    """

    name: str
    cosigned_at: str | None
    ok: bool


class Gap(msgspec.Struct):
    """Minutes, runs or numbers that are missing in the log.

    Attributes:
        kind: `gap-minute`, `gap-run`, `gap-seq` or `silent-stream`.
        index: entry that shows it.
        what: one sentence.
    """

    kind: str
    index: int | None
    what: str


class Monitor(msgspec.Struct):
    """A monitor of the log, as far as the service knows it.

    Attributes:
        name: whose it is. The operator's own is no substitute for one of somebody else.
        checked_at: when it looked; null where it has not yet.
        size: entries that it saw.
        ok: it found nothing.
        alerts: what it found, one sentence each.
        remarks: what it could not judge.
        fault: why it could not look.
    """

    name: str
    checked_at: str | None
    size: int | None
    ok: bool | None
    alerts: list[str]
    remarks: list[str]
    fault: str | None


class Grown(msgspec.Struct):
    """How long the log was at a time."""

    at: str
    size: int


class Ledger(msgspec.Struct):
    """The log as it is published.

    Attributes:
        origin: its name.
        size, root: entries under the head, and the hash over all of them [hex].
        checkpoint: the signed head as it is; whoever keeps it can tell later whether the log was changed.
        checkpoint_at: when a quorum saw the head, else when the first witness did; null where none did.
        pending: entries that wait to be published.
        witnesses: those of the policy.
        quorum: enough of them cosigned; false also where the policy asks for none.
        policy: whom to trust, in the format of tlog-policy.
        monitors, gaps: what monitors found.
        kinds: entries by kind, as far as the own monitor read.
        growth: how long the log was, at some times.
    """

    origin: str
    size: int
    root: str
    checkpoint: str
    checkpoint_at: str | None
    pending: int
    witnesses: list[Witness]
    quorum: bool
    policy: str
    monitors: list[Monitor]
    gaps: list[Gap]
    kinds: dict[str, int]
    growth: list[Grown]


class Logged(msgspec.Struct):
    """An entry of the log.

    Attributes:
        index: its place.
        kind, stream, seq, t: what it says of itself.
        body: what it holds.
        leaf: its hash in the tree [hex]: SHA-256 of a zero byte and the entry.
        text: the entry as it was hashed.
    """

    index: int
    kind: str
    stream: str
    seq: int
    t: str
    body: dict[str, Any]
    leaf: str
    text: str


@get("/v1/ledger", opt={"permission": "ledger:read"}, sync_to_thread=True, summary="The log's head, witnesses, monitors, gaps and growth")
def ledger(live: GivenLive, principal: GivenPrincipal, service: GivenService) -> Ledger:
    """Say how the log is; everything here can be found out from the public log as well."""
    head, watch = published(live.home), service.watches[principal.tenant]
    watched, fault = watch.look()
    gaps = [] if watched is None else [Gap(each.kind, each.index, each.what) for each in watched.gaps]
    kinds = {} if watched is None or watched.report.state is None else dict(sorted(watched.report.state.conduct.kinds.items()))
    return Ledger(
        head.origin, head.size, head.root.hex(), head.checkpoint.decode("utf-8", "backslashreplace"), _second(head.seen_s),
        head.pending, [Witness(name, _second(at), at is not None) for name, at in sorted(head.witnesses.items())],
        bool(head.witnesses) and head.checked.quorum_met, head.policy, [_monitor(watched, fault)], gaps, kinds,
        [Grown(format_instant(at), size) for at, size in watch.growth(head.size)],
    )  # fmt: skip


@get("/v1/ledger/entries", opt={"permission": "ledger:read"}, sync_to_thread=True, summary="Published entries as they are in the log")
def log_entries(
    live: GivenLive,
    first: Annotated[
        int | None, QueryParameter(name="from", ge=0, lt=MAX_INDEX, description="Place of the first; without it the newest come first.")
    ] = None,
    order: Annotated[Literal["oldest", "newest"] | None, Parameter(description="Which come first; from `from` on, the older ones.")] = None,
    kind: Annotated[str | None, Parameter(pattern="^[a-z][a-z-]{0,39}$", description="Only entries of this kind.")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[Logged]:
    """List entries of the public log. A page of one kind may hold fewer than asked for, and another page follow."""
    newest = (first is None) if order is None else order == "newest"
    place = decode_cursor(cursor, _is_place)
    if place is not None:
        first, newest = place[0], bool(place[1])
    found, following = entries(live.home, start=first, limit=limit, kind=kind, newest_first=newest)
    items = []
    for each in found:
        value = each.value
        text = each.data.decode()
        items.append(Logged(each.index, value["kind"], value["stream"], value["seq"], value["t"], value["body"], each.leaf.hex(), text))
    return Page(items, None if following is None else encode_cursor([following, int(newest)]))


@get(
    "/v1/ledger/proofs/{index:str}", opt={"permission": "ledger:read"}, sync_to_thread=True, media_type=MediaType.TEXT,
    summary="Proof of an entry under the published head (C2SP tlog-proof)",
)  # fmt: skip
def proof(live: GivenLive, index: FromPath[str]) -> Response[bytes]:
    """Prove an entry; whoever has the log's policy and the entry verifies it."""
    if not index.isascii() or not index.isdigit() or len(index) > 15:
        raise Refused(404, f"there is no entry `{index[:40]}`", code="missing", help="a number from 0")
    made = entry_proof(live.home, int(index))
    headers = {"Content-Disposition": f'attachment; filename="entry-{int(index)}.tlog-proof"'}
    return Response(made, media_type="text/plain", headers=headers)


def _is_place(found: Any) -> bool:
    return isinstance(found, list) and len(found) == 2 and type(found[0]) is int and 0 <= found[0] < MAX_INDEX and found[1] in (0, 1)


def _monitor(watched: Watched | None, fault: str) -> Monitor:
    if watched is None:
        return Monitor(OWN, None, None, None, [], [], fault or None)
    report = watched.report
    return Monitor(
        OWN, format_instant(watched.at_ns), report.size, report.ok, [f"{each.kind}: {each.what}" for each in report.alerts],
        list(report.remarks), fault or None,
    )  # fmt: skip


def _second(at_s: int | None) -> str | None:
    return None if at_s is None else format_instant(at_s * NS_PER_S)


HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (ledger, log_entries, proof)
