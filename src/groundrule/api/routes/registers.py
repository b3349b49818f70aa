"""Registers: what is known of terminals, accounts, parties, plans, programmes and lists; what was known when; and imports."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import Request, get, post
from litestar.params import Parameter, PathParameter
from litestar.types import ControllerRouterHandler

from groundrule.api.given import GivenLive, GivenPrincipal, GivenService
from groundrule.api.paging import Cursor, Limit, Page, decode_cursor, encode_cursor, page_of
from groundrule.api.paths import Id, id_of, missing
from groundrule.api.problems import Refused
from groundrule.api.terminal_facts import REGISTER_TIMES
from groundrule.api.times import instant_of, when
from groundrule.instant import format_instant
from groundrule.pipeline.home_ledger import HomeLedger
from groundrule.pipeline.live import Live
from groundrule.store.entities import ENTITIES
from groundrule.store.holdings import page_after
from groundrule.store.home import Home
from groundrule.store.register_import import ImportReport, import_register
from groundrule.store.registers import POLICY_KINDS, Registers

Kind = Literal["terminals", "accounts", "parties", "plans", "programmes", "lists", "list_entries", "addresses", "account_links"]
Value = str | float | int | bool | None
MAX_BODY: Final = 64 << 20
REJECTED_SHOWN: Final = 100




class Register(msgspec.Struct):
    """One register.

    Attributes:
        kind: its name.
        key: name of the column that tells things apart.
        columns: its other columns.
        policy: it decides who is served: where there is a charter, only an enactment writes it.
    """

    kind: Kind
    key: str
    columns: list[str]
    policy: bool


class Imported(msgspec.Struct):
    """One import that changed something.

    Attributes:
        revision: its number.
        recorded_at: when.
        kind: which register.
        actor, source: who imported what.
        governed: an enacted proposal stands behind it.
        inserted, changed, rejected: rows.
        digest: of all changes up to it.
    """

    revision: int
    recorded_at: str
    kind: str
    actor: str
    source: str
    governed: bool
    inserted: int
    changed: int
    rejected: int
    digest: str


class Registry(msgspec.Struct):
    """All registers, and the last imports.

    Attributes:
        registers: what there is.
        revision: of all of them together; each import makes one.
        imports: newest first, at most a hundred.
    """

    registers: list[Register]
    revision: int
    imports: list[Imported]


class Row(msgspec.Struct):
    """One version of one thing.

    Attributes:
        key: its id.
        values: its columns.
        valid_from, valid_until: when it holds in the world; null is without end.
        recorded_at, superseded_at: when it was known here; null where it still is.
        revision: import that stated it.
        governed: an enacted proposal stands behind it.
    """

    key: str
    values: dict[str, Value]
    valid_from: str | None
    valid_until: str | None
    recorded_at: str
    superseded_at: str | None
    revision: int
    governed: bool


class ImportAnswer(msgspec.Struct):
    """What became of an import.

    Attributes:
        kind: the register.
        revision: that it made, or the one before where nothing changed.
        inserted, changed, unchanged, rejected: rows.
        by_reason: rejected rows by reason.
        rejected_rows: the first hundred of them, each with row, reason, field, value and what would be right.
        notes: what was assumed or left out.
        governed: an enacted proposal stands behind it.
    """

    kind: Kind
    revision: int
    inserted: int
    changed: int
    unchanged: int
    rejected: int
    by_reason: dict[str, int]
    rejected_rows: list[dict[str, Any]]
    notes: list[str]
    governed: bool


@get("/v1/registers", opt={"permission": "registers:read"}, sync_to_thread=True, summary="The registers and their last imports")
def registers_(live: GivenLive) -> Registry:
    """List registers with their columns, and what was imported last."""
    with Registers.open(live.home) as registers:
        found = registers.revisions()
    return Registry(
        [Register(kind, each.key, list(each.attributes), kind in POLICY_KINDS) for kind, each in ENTITIES.items()],  # type: ignore[arg-type]  # closed set
        found[-1].revision if found else 0,
        [
            Imported(
                each.revision, format_instant(each.recorded_at_ns), each.kind, each.actor, each.source, each.governed, each.inserted,
                each.changed, each.rejected, each.digest,
            )
            for each in reversed(found[-100:])
        ],
    )  # fmt: skip


@get("/v1/registers/{kind:str}", opt={"permission": "registers:read"}, sync_to_thread=True, summary="What a register says")
def rows(
    live: GivenLive,
    service: GivenService,
    kind: Annotated[Kind, PathParameter()],
    valid_at: Annotated[str | None, Parameter(max_length=40, description="As it held at this instant; the default is now.")] = None,
    recorded_at: Annotated[str | None, Parameter(max_length=40, description="As it was known at this instant; the default is now.")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[Row]:
    """List the things of a register by key, as they held at one instant and were known at another."""
    held = service.clock() if valid_at is None else instant_of(valid_at, "valid_at")
    known = None if recorded_at is None else instant_of(recorded_at, "recorded_at")
    after = decode_cursor(cursor, lambda found: isinstance(found, str))
    entity = ENTITIES[kind]
    with Registers.open(live.home) as registers:
        found = page_after(registers, kind, valid_at_ns=held, recorded_at_ns=known, after=after, limit=limit + 1)
    items = [_row(each, entity.key) for each in found[:limit]]
    return Page(items, encode_cursor(items[-1].key) if len(found) > limit else None)


@get(
    "/v1/registers/{kind:str}/{key:str}", opt={"permission": "registers:read"}, sync_to_thread=True,
    summary="Everything that was ever known of one thing",
)  # fmt: skip
def history(live: GivenLive, kind: Annotated[Kind, PathParameter()], key: Id, limit: Limit = 100, cursor: Cursor = None) -> Page[Row]:
    """List every version of one thing, in the order in which they were recorded."""
    name = id_of(key, "row")
    with Registers.open(live.home) as registers:
        found = registers.versions(kind, name)
    if not found:
        raise missing("row", name)
    page = page_of(found, limit, cursor)
    return Page([_row(each, ENTITIES[kind].key) for each in page.items], page.next)


_BODY: Final = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object", "required": ["rows"], "additionalProperties": False,
                    "properties": {"rows": {"type": "array", "items": {"type": "object"}}},
                }
            },
            "text/csv": {"schema": {"type": "string"}},
        },
    }
}  # fmt: skip


class _Rows(msgspec.Struct, forbid_unknown_fields=True):
    rows: list[dict[str, Any]]


@post(
    "/v1/registers/{kind:str}", status_code=200, request_max_body_size=MAX_BODY, summary="Import rows into a register",
    opt={"permission": "registers:write", "openapi": _BODY},
)  # fmt: skip
async def import_rows(
    request: Request[Any, Any, Any],
    live: GivenLive,
    principal: GivenPrincipal,
    service: GivenService,
    kind: Annotated[Kind, PathParameter()],
    valid_from: Annotated[
        str | None, Parameter(max_length=40, description="From when rows hold that do not say so; the default is from ever.")
    ] = None,
) -> ImportAnswer:
    """Import CSV with a header, or JSON rows. Every bad row is named with its reason, and nothing that was known is forgotten.

    Registers that decide who is served are refused where a charter governs: they change by enactment.
    """
    since = None if valid_from is None else instant_of(valid_from, "valid_from")
    suffix, data = _upload(await request.body(), request.headers.get("content-type", ""))
    return await asyncio.to_thread(_import, live, kind, suffix, data, since, principal.id, service.clock)


def _upload(body: bytes, content_type: str) -> tuple[str, bytes]:
    media = content_type.partition(";")[0].strip().lower()
    if media == "text/csv":
        return ".csv", body
    if media != "application/json":
        raise Refused(415, f"rows of type `{media[:60]}`", code="media_type", help="application/json or text/csv")
    try:
        found = msgspec.json.decode(body, type=_Rows)
        lines = [json.dumps(row, ensure_ascii=False, allow_nan=False) for row in found.rows]
        return ".jsonl", "\n".join(lines).encode() + b"\n"
    except (msgspec.DecodeError, UnicodeDecodeError, UnicodeEncodeError, ValueError, RecursionError) as error:
        raise Refused(
            400, f"the body holds no rows: {str(error)[:200]}", code="malformed",
            help='{"rows": [{"terminal_id": "t-1", "account_id": "a-1"}]}',
        ) from None  # fmt: skip


def _import(live: Live, kind: Kind, suffix: str, data: bytes, since: int | None, actor: str, clock: Any) -> ImportAnswer:
    with tempfile.TemporaryDirectory(prefix="import-", dir=_workplace(live.home)) as folder:
        path = Path(folder) / f"{kind}{suffix}"
        path.write_bytes(data)

        def act(home: Home, _: HomeLedger | None) -> ImportReport:
            with Registers.open(home) as registers:
                return import_register(
                    registers, kind, path, recorded_at_ns=clock(), actor=actor, rejected_folder=home.rejected, valid_from_ns=since
                )

        report = live.act(act).result()
    rejected: list[dict[str, Any]] = []
    if report.rejected_file is not None:
        with report.rejected_file.open(encoding="utf-8") as lines:
            rejected = [json.loads(line) for line, _ in zip(lines, range(REJECTED_SHOWN), strict=False)]
    return ImportAnswer(
        kind, report.revision, report.inserted, report.changed, report.unchanged, report.rejected, dict(report.by_reason), rejected,
        list(report.notes), report.governed,
    )  # fmt: skip


def _workplace(home: Home) -> Path:
    home.cache.mkdir(parents=True, exist_ok=True)
    return home.cache


def _row(row: Mapping[str, Any], key: str) -> Row:
    about = ("version", "valid_from", "valid_until", "recorded_at", "superseded_at", "revision", "governed")
    return Row(
        row[key],
        {
            name: (None if value is None else when(value)) if name in REGISTER_TIMES else value
            for name, value in row.items()
            if name != key and name not in about
        },
        when(row["valid_from"]), when(row["valid_until"]), format_instant(row["recorded_at"]), when(row["superseded_at"]),
        row["revision"], bool(row["governed"]),
    )  # fmt: skip


HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (registers_, rows, history, import_rows)
