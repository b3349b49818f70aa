"""Screening: whom on a list a name may mean, and why. A candidate is no verdict; persons decide, with a reason."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from typing import Annotated, Final, Literal

import msgspec
from litestar import get, post
from litestar.params import JSONBody
from litestar.types import ControllerRouterHandler

from groundrule.api.given import GivenLive, GivenPrincipal, GivenService
from groundrule.api.governed import govern, one, view_of
from groundrule.api.paging import Cursor, Limit, Page, page_of
from groundrule.api.parties_seen import Parties
from groundrule.api.party_bodies import IdentifierGiven, Word
from groundrule.api.paths import Id, id_of
from groundrule.api.screening_view import Hit, ScreeningView, hit_of, screening_of
from groundrule.errors import ConflictError, InputError
from groundrule.pipeline.governing import Governance
from groundrule.pipeline.party_screening import disposed
from groundrule.screen.match import ALGORITHM, BLOCK, DEFAULT_THRESHOLD, NameIndex, Query
from groundrule.screen.model import ListSnapshot
from groundrule.screen.names import NameKind
from groundrule.store.home import Home
from groundrule.store.sanctions import SanctionsLists

MAX_NAMES: Final = 500
Kind = Literal["person", "entity", "vessel", "unknown"]


class NameGiven(msgspec.Struct, forbid_unknown_fields=True):
    """A party to be compared with the lists.

    Attributes:
        names: in any script and order; the best one counts.
        kind: what it is.
        born: `YYYY`, `YYYY-MM` or `YYYY-MM-DD`.
        countries: codes or names.
        identifiers: scheme and value.
    """

    names: Annotated[list[Word], msgspec.Meta(min_length=1, max_length=20)]
    kind: Kind = "unknown"
    born: Annotated[list[Word], msgspec.Meta(max_length=20)] = []
    countries: Annotated[list[Word], msgspec.Meta(max_length=20)] = []
    identifiers: Annotated[list[IdentifierGiven], msgspec.Meta(max_length=20)] = []


class ToCompare(msgspec.Struct, forbid_unknown_fields=True):
    """Names to be compared with the newest list of every source.

    Attributes:
        names: texts, or parties with what else is known of them.
        threshold: lowest score that makes a candidate [thousandths].
    """

    names: Annotated[list[Word | NameGiven], msgspec.Meta(min_length=1, max_length=MAX_NAMES)]
    threshold: Annotated[int, msgspec.Meta(ge=1, le=1000)] = DEFAULT_THRESHOLD


class ListCompared(msgspec.Struct):
    """A list that names were compared with; by one that breaks off nobody is cleared."""

    source: str
    date: str
    sha256: str
    entries: int
    complete: bool


class Compared(msgspec.Struct):
    """What was found about one party; `problem` says why it was not compared."""

    names: list[str]
    hits: list[Hit]
    problem: str | None = None


class Comparison(msgspec.Struct):
    """What was found. Nothing of it is kept or logged.

    Attributes:
        lists: that were used.
        algorithm, version: that compared.
        threshold: lowest score that made a candidate.
        screened: in the order of the question.
    """

    lists: list[ListCompared]
    algorithm: str
    version: str
    threshold: int
    screened: list[Compared]


class NewDisposition(msgspec.Struct, forbid_unknown_fields=True, rename={"as_": "as"}):
    """What a registrar finds about a candidate.

    Attributes:
        entry: as the screening names it: SOURCE:NUMBER.
        as_: true: it is the same. false: it is somebody else.
        by: party id of the registrar who decides.
        reason: in public words.
    """

    entry: Word
    as_: Literal["true", "false"]
    by: Word
    reason: Word


@post("/v1/screenings", opt={"permission": "screenings:run"}, status_code=200, summary="Whom on a list may these names mean?")
async def compare(data: JSONBody[ToCompare], live: GivenLive) -> Comparison:
    """Compare names with the newest list of every source; each candidate comes with everything that made its score."""
    return await asyncio.to_thread(_compare, live.home, data)


@get("/v1/screenings", opt={"permission": "requests:read"}, summary="Screenings on record, the newest first", sync_to_thread=True)
def screenings(live: GivenLive, principal: GivenPrincipal, limit: Limit = 100, cursor: Cursor = None) -> Page[ScreeningView]:
    """List the logged screenings of parties, with what registrars decided."""
    view = view_of(live.home)
    parties = Parties(live.home, principal, view.state)
    page = page_of(list(reversed(view.state.screenings.values())), limit, cursor)
    return Page([screening_of(each, parties) for each in page.items], page.next)


@post("/v1/screenings/{screening_id:str}/dispositions", opt={"permission": "requests:write"}, status_code=201, summary="Decide a candidate")
async def dispose(
    data: JSONBody[NewDisposition], live: GivenLive, principal: GivenPrincipal, service: GivenService, screening_id: Id
) -> ScreeningView:
    """Put on record whether a candidate is the party: decided by a registrar, never by the program. It makes another screening."""
    name = id_of(screening_id, "screening")

    def act(governance: Governance) -> ScreeningView:
        state = governance.state
        old = one(name, state.screenings, "screening").screening
        made = disposed(old, data.entry, disposition=data.as_, by=data.by, reason=data.reason)
        governance.screen(made.value)
        return screening_of(state.screenings[made.id], Parties(governance.home, principal, state))

    return await govern(live, service, act)


class _Indexes:
    """Names of the newest lists of one home, ready to be searched; made again when a list is another one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._mark: object = None
        self._held: tuple[tuple[ListSnapshot, NameIndex], ...] = ()

    def of(self, home: Home) -> Sequence[tuple[ListSnapshot, NameIndex]]:
        with self._lock, SanctionsLists.open(home) as lists:
            newest = sorted(lists.newest_by_source().items())
            mark = (home, tuple(each.digest for _, each in newest))
            if mark != self._mark:
                snapshots = [lists.load(each) for _, each in newest]
                self._held, self._mark = tuple((each, NameIndex(each.entries)) for each in snapshots), mark
            return self._held


_indexes: Final = _Indexes()


def _compare(home: Home, asked: ToCompare) -> Comparison:
    indexes = _indexes.of(home) if (home.path / "lists").exists() else ()
    if not indexes:
        raise ConflictError("this home holds no list to compare with", help="import one: groundrule lists import FILE")
    queries = [_query(each) for each in asked.names]
    found: list[Compared] = []
    good: list[tuple[int, Query]] = []
    for place, query in enumerate(queries):
        try:
            query.check()
            good.append((place, query))
            found.append(Compared(list(query.names), []))
        except InputError as error:
            found.append(Compared(list(query.names), [], error.message))  # one that says nothing loses none beside it
    for start in range(0, len(good), BLOCK):
        block = good[start : start + BLOCK]
        for snapshot, index in indexes:
            answers = index.screen_many([query for _, query in block], threshold=asked.threshold)
            for (place, _), candidates in zip(block, answers, strict=True):
                found[place].hits.extend(hit_of(snapshot.source, each) for each in candidates)
    for each in found:
        each.hits.sort(key=lambda hit: (-hit.score, hit.source, hit.entry))
    lists = [ListCompared(each.source, each.ref["date"][:10], each.ref["sha256"], len(each.entries), each.complete) for each, _ in indexes]
    return Comparison(lists, ALGORITHM["name"], ALGORITHM["version"], asked.threshold, found)


def _query(given: str | NameGiven) -> Query:
    if isinstance(given, str):
        return Query.of(given)
    identifiers = tuple((each.scheme, each.value) for each in given.identifiers)
    return Query(tuple(given.names), NameKind(given.kind), tuple(given.born), tuple(given.countries), identifiers)


HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (compare, screenings, dispose)
