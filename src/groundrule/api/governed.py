"""Governance behind the routes: a look at what the log says, and acts on the thread that writes to the home.

A look folds the log; as long as neither the log nor what opens its commitments here has changed, the same fold is looked at again.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from groundrule.api.problems import Refused
from groundrule.api.state import Service
from groundrule.api.times import instant_of
from groundrule.errors import ConflictError
from groundrule.govern.charter import Charter
from groundrule.govern.objects import ListSnapshot
from groundrule.govern.signed import format_time, whole_ms
from groundrule.govern.state import State
from groundrule.ledger.reader import read_log
from groundrule.pipeline.governance_view import newest_lists
from groundrule.pipeline.governing import Governance, Logged
from groundrule.pipeline.home_ledger import HomeLedger, has_ledger, log_folder
from groundrule.pipeline.live import Live
from groundrule.pipeline.log_fold import kept_state
from groundrule.pipeline.parties import openings_of
from groundrule.store.home import Home

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class View:
    """What governs a home, for a look; nobody changes it.

    Attributes:
        home: whose.
        state: the log folded, with the commitments that open here.
        lists: newest list snapshots of the home, by source.
    """

    home: Home
    state: State
    lists: Mapping[str, ListSnapshot]

    @property
    def charter(self) -> Charter:
        """The charter in force.

        Raises:
            ConflictError: there is none.
        """
        return charter_of(self.state)


POLICY_DOWN: Final = "degraded:policy_store_down"
MOST_KEPT: Final = 16
"""Homes whose folds are kept."""
_EMPTY: Final = State()
_seen: dict[Home, tuple[tuple[Any, ...], View]] = {}
_lock = threading.Lock()


def view_of(home: Home) -> View:
    """Return what governs a home now; empty where it has no log."""
    if not has_ledger(home):
        return View(home, _EMPTY, {})
    beside = (home.path / "governance" / "openings", home.path / "lists" / "index.sqlite", home.path / "lists" / "index.sqlite-wal")
    mark = (read_log(log_folder(home)).integrated_size, *map(_changed, beside))
    with _lock:
        kept = _seen.get(home)
        if kept is None or kept[0] != mark:
            if len(_seen) >= MOST_KEPT:
                _seen.clear()
            kept = _seen[home] = (mark, View(home, kept_state(home), newest_lists(home)))
        return kept[1]


def _changed(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size


def charter_of(state: State) -> Charter:
    """Return the charter in force.

    Raises:
        ConflictError: `no_charter`.
    """
    if state.charter is None:
        raise ConflictError("this home has no charter", help="begin with: groundrule charter draft", refusal="no_charter")
    return state.charter


async def govern(live: Live, service: Service, do: Callable[[Governance], T], *, chartered: bool = True) -> T:
    """Do an act of governance between two groups of observations.

    Args:
        live: the home.
        service: gives the time.
        do: the act; it runs on the thread that writes to the home.
        chartered: the act has no meaning without a charter.
    Raises:
        ConflictError: it is refused; the refusal is in the log.
    """

    def act(home: Home, ledger: HomeLedger | None) -> T:
        opened = opened_for_acts(home, ledger, service.clock)
        if chartered:
            charter_of(opened.state)
        opened.due()
        try:
            return do(opened)
        finally:
            # Also what was refused is published: a refusal that nobody sees is none.
            opened.ledger.try_commit()

    if POLICY_DOWN in live.status().degraded:
        raise Refused(
            503, "the registers of this home are out of reach, so nothing can be governed; decisions go on", code="policy_store_down",
            help="see /v1/status, and try again when they are back",
        )  # fmt: skip
    return await asyncio.wrap_future(live.act(act))


def opened_for_acts(home: Home, ledger: HomeLedger | None, clock: Callable[[], int]) -> Governance:
    """Open the governance of a home; whoever calls holds its write lock.

    Raises:
        ConflictError: the home has no log, or it is out of reach.
    """
    if ledger is None:
        raise ConflictError("this home has no log, or it is out of reach", help="see: groundrule ledger status", refusal="no_log")
    return Governance.open(home, ledger, clock, lists=newest_lists(home), openings=openings_of(home))


def signed_time(text: str | None, field: str) -> str | None:
    """Return a time as signed objects write it; None stays.

    Raises:
        Refused: 400, it is none.
    """
    if text is None:
        return None
    return format_time(whole_ms(instant_of(text, field)))


def one(given: str, known: Mapping[str, T], what: str) -> T:
    """Return what an id names.

    Raises:
        Refused: 404.
    """
    try:
        return known[given]
    except KeyError:
        raise Refused(404, f"there is no {what} `{given[:80]}`", code="missing", help="check the id") from None


def entry_of(logged: Logged) -> int | None:
    """Return the entry of the log that an act made; None where the same was in the log already."""
    return logged.index if logged.index >= 0 else None
