"""Looking at what was answered: detectors with their memory of terminals, one batch after the other.

Used by one thread, or by a process of its own (`looking_apart`): it reads a home and writes nothing. What it finds is returned, and kept
and told by whoever asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from groundrule.detect.signals import KINDS, Signal, signals_of
from groundrule.errors import GroundruleError
from groundrule.instant import MAX_NS, MIN_NS, NS_PER_S
from groundrule.pipeline.detecting import Detection
from groundrule.pipeline.detectors import detection_of
from groundrule.pipeline.history import all_observations
from groundrule.pipeline.home import basis_of
from groundrule.pipeline.manifests import runs
from groundrule.records import combined
from groundrule.store.home import Home
from groundrule.store.ordering import in_order
from groundrule.store.signals import SIGNALS

PIECE_ROWS: Final = 65_536
"""Rows that are looked at together."""
AHEAD_ROWS: Final = 1_000_000
"""Rows of devices whose clocks are fast wait for ours, so many at most."""
UNTOLD_NS: Final = 3_600 * NS_PER_S
"""Whoever makes memory from history tells signals of its last hour that were not told: a crash, or a change, came before [ns]."""
ACCOUNTS_NS: Final = 3_600 * NS_PER_S
"""How often accounts are weighed by all signals that count [ns]."""
ATTACHED: Final = frozenset(kind.name for kind in KINDS.values() if kind.cause != "service")
"""Kinds that are attached to observations."""
_LONGEST_NS: Final = round(max(kind.lasting_s for kind in KINDS.values()) * NS_PER_S)
_BY_ACCOUNT: Final = "account_risk"

News = tuple[str, str, int, int]
"""A signal that counts: terminal, kind, from and until [ns]; withdrawn, it ends before it begins."""


class Ended(Exception):
    """Nobody waits for what was asked any more."""


class Under(NamedTuple):
    """What observations are looked at under: digests of rulebook and areas, and the revision of the registers."""

    rulebook: str
    areas: str
    registers: int


@dataclass(frozen=True, slots=True)
class Looked:
    """What came of looking.

    Attributes:
        found, undone: signals to keep and tell, and those to withdraw.
        news: of both, in the order in which they came.
        rows: observations that were looked at; those ahead of the clock wait.
        weighed: accounts were weighed, which happens every hour.
        damaged: why signals of before are not known, or empty.
    """

    found: list[Signal]
    undone: list[Signal]
    news: list[News]
    rows: int = 0
    weighed: bool = False
    damaged: str = ""


class Looking(Protocol):
    """Looks at observations; used by one thread."""

    def remember(
        self, under: Under, kept: Iterable[pa.Table], *, of_runs: Sequence[int] | None, now_ns: int, ended: Callable[[], bool]
    ) -> Looked:
        """Make memory of terminals from history, and from what history may not hold yet; see `Looker.remember`."""
        ...

    def look(self, table: pa.Table, outcome: NDArray[np.uint8], *, now_ns: int) -> Looked:
        """Look at observations that were answered; see `Looker.look`."""
        ...

    def close(self) -> None:
        """End it."""
        ...


class Looker:
    """Detectors of one home, at work in the process that asks.

    Args:
        home: it is only read.
    """

    def __init__(self, home: Home) -> None:
        self._home = home
        self._ahead: pa.Table | None = None
        self._detection: Detection | None = None
        self._found: list[Signal] = []
        self._undone: list[Signal] = []
        self._news: list[News] = []
        self._damaged = ""
        self._weighed_ns, self._weighed = MIN_NS, set[str]()

    def close(self) -> None:
        """Nothing is held."""

    def remember(
        self, under: Under, kept: Iterable[pa.Table], *, of_runs: Sequence[int] | None, now_ns: int, ended: Callable[[], bool]
    ) -> Looked:
        """Make memory of terminals from history, and from what history may not hold yet.

        What was made before a change is read under its own registers; rows of terminals are numbered anew.

        Args:
            under: what is judged under.
            kept: observations that were answered of late.
            of_runs: history to read; None is all of it.
            now_ns: the time [ns, UTC].
            ended: nobody waits any more.
        Returns:
            What the last of history holds that was not told, and what was told and does not stand.
        Raises:
            Ended: `ended` said so. GroundruleError: what decisions rest on cannot be read.
        """
        own = basis_of(self._home, recorded_at_ns=now_ns, rulebook=under.rulebook, areas=under.areas)
        made = detection_of(self._home, own, recorded_at_ns=now_ns, spared={})
        found, undone = list[Signal](), list[Signal]()
        self._ahead = None  # what is ahead stands in what is read now
        made.keep, made.told, made.undone = False, found.extend, undone.extend
        known = runs(self._home) if of_runs is None else of_runs
        newest = self._feed(made, all_observations(self._home, of_runs=known), now_ns, ended) if known else MIN_NS
        newest = max(newest, self._feed(made, kept, now_ns, ended))
        made.observations = made.attached = made.late = made.withdrawn = 0
        made.counts.clear()
        made.told, made.undone = self._told, self._undid
        made.signals, self._damaged = standing_signals(self._home)
        self._detection = made
        # What waited when history was read may stand in it already: seen there, it is told as if it had been looked at.
        since = newest - UNTOLD_NS
        self._catch_up([each for each in found if each.raised_at > since], [each for each in undone if each.raised_at > since])
        return self._looked()

    def look(self, table: pa.Table, outcome: NDArray[np.uint8], *, now_ns: int) -> Looked:
        """Look at observations that were answered.

        Args:
            table: of OBSERVATION_SCHEMA, in order of time for each terminal.
            outcome: how each was answered (uint8, shape (n,)).
            now_ns: the time [ns, UTC].
        """
        assert self._detection is not None
        ordered = self._come(table, now_ns)
        for start in range(0, len(ordered), PIECE_ROWS):
            self._detection.update(ordered.slice(start, PIECE_ROWS))
        self._compare(table, outcome)
        newest = min(now_ns, int(pc.max(table.column("observed_at")).as_py()))
        weighed = newest - self._weighed_ns >= ACCOUNTS_NS
        if weighed:
            self._weighed_ns = newest
            self._detection.signals = [each for each in self._detection.signals if each.until_at > newest]
            # An account that is as it was is told again only when half of the time for which it counts is over.
            self._weighed = {
                each.terminal_id for each in self._detection.signals
                if each.kind == _BY_ACCOUNT and 2 * newest < each.raised_at + each.until_at
            }  # fmt: skip
            self._detection.conclude()
        return self._looked(len(ordered), weighed=weighed)

    def _looked(self, rows: int = 0, *, weighed: bool = False) -> Looked:
        found, undone, news, self._found, self._undone, self._news = self._found, self._undone, self._news, [], [], []
        return Looked(found, undone, news, rows, weighed, self._damaged)

    def _feed(self, detection: Detection, tables: Iterable[pa.Table], now_ns: int, ended: Callable[[], bool]) -> int:
        """Show observations to detectors, and return the time of the newest [ns, UTC]."""
        newest = MIN_NS
        for table in tables:
            come = self._come(table, now_ns)
            newest = max(newest, int(pc.max(come.column("observed_at")).as_py() or MIN_NS))
            for start in range(0, len(come), PIECE_ROWS):
                if ended():
                    raise Ended
                detection.update(come.slice(start, PIECE_ROWS))
        return newest

    def _come(self, table: pa.Table, now_ns: int) -> pa.Table:
        """Return observations in order, without those ahead of the clock, which wait: one fast clock moves nobody else's time on.

        Findings that wait for the watch over disturbed areas, and minutes of those in company, go by the newest observation.
        """
        waited = [] if self._ahead is None else [self._ahead]
        ordered = in_order(combined(pa.concat_tables([*waited, table], promote_options="default")))
        until = int(np.searchsorted(ordered.column("observed_at").to_numpy(), now_ns, side="right"))
        until = max(until, len(ordered) - AHEAD_ROWS)
        self._ahead = ordered.slice(until) if until < len(ordered) else None
        return ordered.slice(0, until)

    def _compare(self, table: pa.Table, outcome: NDArray[np.uint8]) -> None:
        """Compare what the network did with what had been decided before."""
        assert self._detection is not None
        order = np.argsort(table.column("observed_at").to_numpy(), kind="stable")
        ordered = combined(table.take(pa.array(order)))
        row = self._detection.basis.registers.lookup(ordered.column("terminal_id"))
        self._detection.compare(ordered, row, outcome[order])

    def _told(self, signals: list[Signal]) -> None:
        """Hear what was found; it counts from now on."""
        signals = [each for each in signals if each.kind != _BY_ACCOUNT or each.terminal_id not in self._weighed]
        self._found += signals
        assert self._detection is not None
        self._detection.signals += signals
        self._news += news_of(signals)

    def _undid(self, signals: list[Signal]) -> None:
        """Hear what is withdrawn; it counts no longer."""
        self._undone += signals
        self._news += [(each.terminal_id, each.kind, each.raised_at, MIN_NS) for each in signals]

    def _catch_up(self, found: list[Signal], undone: list[Signal]) -> None:
        """Tell what is found in the last of history and was not told, and withdraw what was told and does not stand."""
        if self._damaged or (not found and not undone):
            return  # without what was told before, nobody knows what is news
        assert self._detection is not None
        # By id alone: what came out of order was seen otherwise then, and is the same finding.
        held = SIGNALS.read(self._home, from_ns=min(each.raised_at for each in (*found, *undone)) - UNTOLD_NS, columns=())
        standing = set(zip(held["signal_id"].to_pylist(), held["raised_at"].to_pylist(), strict=True))
        known = {*(name for name, _ in standing), *(name for name, _ in SIGNALS.withdrawn(self._home))}
        gone = {(each.id, each.raised_at) for each in undone}
        self._told([each for each in found if each.id not in known and (each.id, each.raised_at) not in gone])
        if doubtful := [each for each in undone if (each.id, each.raised_at) in standing]:
            self._detection.signals = [each for each in self._detection.signals if (each.id, each.raised_at) not in gone]
            self._undid(doubtful)


def news_of(signals: Iterable[Signal]) -> list[News]:
    """Say of signals that they count, where they are attached to observations."""
    return [(each.terminal_id, each.kind, each.raised_at, each.until_at) for each in signals if each.kind in ATTACHED]


def standing_signals(home: Home) -> tuple[list[Signal], str]:
    """Return signals that may still count, and why they cannot be read, or an empty text.

    Time is that of observations, so of the newest among signals. A damaged file keeps nobody from being looked at anew.
    """
    newest = SIGNALS.batches(home)
    if not newest:
        return [], ""
    since = newest[-1].last_ns - _LONGEST_NS
    try:
        return signals_of(SIGNALS.read(home, from_ns=max(since, MIN_NS), until_ns=MAX_NS)), ""
    except GroundruleError as error:
        return [], str(error)
