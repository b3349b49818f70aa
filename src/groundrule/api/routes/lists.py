"""Lists: published sanctions lists with date, digest and age, and the operator's own lists with their entries."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from itertools import islice
from typing import Annotated, Any, Final

import msgspec
from litestar import get
from litestar.params import Parameter
from litestar.types import ControllerRouterHandler

from groundrule.api.given import GivenLive, GivenService
from groundrule.api.governed import view_of
from groundrule.api.paging import Cursor, Limit, Page, decode_cursor, encode_cursor
from groundrule.api.paths import Id, id_of, missing
from groundrule.api.times import instant_of, when
from groundrule.errors import StoreError
from groundrule.govern.quorum import LIST_AGE_NS
from groundrule.instant import NS_PER_S
from groundrule.store.home import Home
from groundrule.store.registers import Registers
from groundrule.store.sanctions import SanctionsLists

At = Annotated[str | None, Parameter(max_length=40, description="As it held at this instant; the default is now.")]
StateFilter = Annotated[str | None, Parameter(max_length=40, description="Only entries that stand so.")]
_NOT_OF_THE_ENTRY: Final = frozenset({"entry_id", "list_id", "version", "revision", "governed"})
_TIMES: Final = frozenset({"valid_from", "valid_until", "recorded_at", "superseded_at", "submitted_at", "expires_at"})


class SanctionsList(msgspec.Struct):
    """The newest snapshot of a published list.

    Attributes:
        source: whose list. format: of its files.
        published_at, recorded_at: by the publisher, and when it came into this home.
        digest: of its content.
        entries, broken: counts; broken rows are kept and shown by `groundrule lists show`.
        complete: false if its file broke off: nobody is cleared by it.
        age_s: since it was published [s].
        asked_at: when the home last made sure that it is the newest, as the log holds it.
        stale: that was longer than a day ago; nothing that rests on a screening can be enacted.
        snapshots: of this source that are kept.
    """

    source: str
    format: str
    published_at: str | None
    recorded_at: str | None
    digest: str
    entries: int
    broken: int
    complete: bool
    age_s: int
    asked_at: str | None
    stale: bool
    snapshots: int


class PolicyList(msgspec.Struct):
    """A list of the operator; only an enactment changes it.

    Attributes:
        id, title, source: as registered; a list that was never described has its id alone.
        entries: by how they stand now.
        quotas: most entries for each legal class.
        signed: it takes entries only from bodies that sign them.
        governed: an enactment wrote it.
    """

    id: str
    title: str | None
    source: str | None
    entries: dict[str, int]
    quotas: dict[str, int]
    signed: bool
    governed: bool


class Lists(msgspec.Struct):
    """All lists of a home."""

    sanctions: list[SanctionsList]
    policy: list[PolicyList]


class ListEntry(msgspec.Struct):
    """An entry of a list of the operator.

    Attributes:
        id: of the entry.
        state, legal_class: how it stands, and on what ground.
        facts: what it names, who holds and who sponsors it, and when it was submitted and ends.
        governed: an enactment wrote it.
    """

    id: str
    state: str
    legal_class: str | None
    facts: dict[str, str | int | float | None]
    governed: bool


@get("/v1/lists", opt={"permission": "lists:read"}, summary="Every list, how old it is, and how it stands", sync_to_thread=True)
def lists(live: GivenLive, service: GivenService) -> Lists:
    """List published lists as they were imported last, and the operator's own."""
    now_ns = service.clock()
    return Lists(_sanctions(live.home, now_ns), _policy(live.home, now_ns))


@get("/v1/lists/{list_id:str}/entries", opt={"permission": "lists:read"}, summary="Entries of a list of the operator", sync_to_thread=True)
def entries(
    live: GivenLive, service: GivenService, list_id: Id, limit: Limit = 100, cursor: Cursor = None, at: At = None,
    stands: StateFilter = None,
) -> Page[ListEntry]:  # fmt: skip
    """List the entries of a list as they hold at an instant, by their ids."""
    name = id_of(list_id, "list")
    at_ns = service.clock() if at is None else instant_of(at, "at")
    after = decode_cursor(cursor, lambda found: isinstance(found, str))
    with Registers.open(live.home) as registers:
        rows = registers.rows("list_entries", valid_at_ns=at_ns)
        wanted = (
            row for row in rows
            if row["list_id"] == name and (stands is None or row["state"] == stands) and (after is None or row["entry_id"] > after)
        )  # fmt: skip
        found = [_entry(row) for row in islice(wanted, limit + 1)]
        if not found and cursor is None and not _exists(registers, name, at_ns):
            raise missing("list", name)
    return Page(found[:limit], encode_cursor(found[limit - 1].id) if len(found) > limit else None)


def _sanctions(home: Home, now_ns: int) -> list[SanctionsList]:
    if not (home.path / "lists").exists():
        return []
    asked = view_of(home).state.lists.asked_ns
    made = []
    with SanctionsLists.open(home) as held:
        for source, each in sorted(held.newest_by_source().items()):
            at = asked.get(source)
            made.append(
                SanctionsList(
                    source, each.format, when(each.published_ns), when(each.recorded_ns), each.digest, each.entries, each.broken,
                    each.complete, (now_ns - each.published_ns) // NS_PER_S, None if at is None else when(at),
                    at is not None and now_ns - at > LIST_AGE_NS, len(held.history(source)),
                )
            )
    return made


def _policy(home: Home, now_ns: int) -> list[PolicyList]:
    counts: dict[str, Counter[str]] = {}
    described: dict[str, dict[str, Any]] = {}
    governed: set[str] = set()
    with suppress(StoreError), Registers.open(home) as registers:
        for row in registers.rows("list_entries", valid_at_ns=now_ns):
            counts.setdefault(row["list_id"], Counter())[row["state"]] += 1
            if row["governed"]:
                governed.add(row["list_id"])
        described = {row["list_id"]: row for row in registers.rows("lists", valid_at_ns=now_ns)}
    made = []
    for name in sorted(counts.keys() | described.keys()):
        row = described.get(name, {})
        quotas = {key.removeprefix("quota_"): int(value) for key, value in row.items() if key.startswith("quota_") and value is not None}
        made.append(
            PolicyList(
                name, row.get("title"), row.get("source"), dict(sorted(counts.get(name, Counter()).items())), quotas,
                bool(row.get("submitters")), name in governed or bool(row.get("governed")),
            )
        )
    return made


def _exists(registers: Registers, name: str, at_ns: int) -> bool:
    if any(True for _ in registers.rows("lists", valid_at_ns=at_ns, keys=[name])):
        return True
    return any(row["list_id"] == name for row in registers.rows("list_entries", valid_at_ns=at_ns))


def _entry(row: dict[str, Any]) -> ListEntry:
    facts = {
        key: when(value) if key in _TIMES and value is not None else value
        for key, value in row.items()
        if key not in _NOT_OF_THE_ENTRY and key not in ("state", "legal_class") and value is not None
    }
    return ListEntry(str(row["entry_id"]), str(row["state"]), row["legal_class"], facts, bool(row["governed"]))


HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (lists, entries)
