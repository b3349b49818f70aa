"""The public log as a service shows it: its head, who saw it, how it grew, and what its own monitor finds.

The monitor is that of `groundrule ledger monitor`: it compares the log with what it saw before. It is the operator's own and shows
what the operator would know first; it is no substitute for a monitor of somebody else, and is named accordingly.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from groundrule.errors import ConflictError, GroundruleError, InputError
from groundrule.govern.signed import parse_time
from groundrule.instant import NS_PER_S
from groundrule.ledger.audit.memory import MonitorState, load_state, save_state
from groundrule.ledger.audit.monitor import Alert, MonitorReport, monitor
from groundrule.ledger.audit.source import source_of
from groundrule.ledger.policy import CheckedCheckpoint, existed_before
from groundrule.ledger.proof import Proof
from groundrule.ledger.reader import LogReader, read_log
from groundrule.ledger.tiles import TileTree
from groundrule.ledger.tree import leaf_hash
from groundrule.pipeline.governance_audit import GovernanceAudit, audit_governance, with_governance
from groundrule.pipeline.home_ledger import log_folder, policy_of
from groundrule.pipeline.parties import openings_of
from groundrule.store.home import Home

OWN: Final = "the operator's own"
EVERY_S: Final = 60.0
"""How often the own monitor runs at most [s]."""
GROWTH_POINTS: Final = 60
MAX_SCAN: Final = 20_000
"""Entries that one question for a kind looks through at most."""
GAPS: Final = frozenset({"gap-minute", "gap-run", "gap-seq", "silent-stream"})


@dataclass(frozen=True, slots=True)
class Published:
    """What is published of a log.

    Attributes:
        size: entries under the head.
        root: of the tree [32 bytes].
        checkpoint: the signed head as it is.
        policy: text that says whom to trust.
        checked: the head under this policy.
        seen_s: when the head was seen by a quorum, else when the first witness saw it [s since 1970]; None where none did.
        pending: entries that wait to be published.
    """

    origin: str
    size: int
    root: bytes
    checkpoint: bytes
    policy: str
    checked: CheckedCheckpoint
    witnesses: Mapping[str, int | None]
    seen_s: int | None
    pending: int


@dataclass(frozen=True, slots=True)
class Shown:
    """One entry of the log.

    Attributes:
        index: its place.
        data: its bytes, as they were hashed.
    """

    index: int
    data: bytes

    @property
    def leaf(self) -> bytes:
        """Its hash in the tree [32 bytes]."""
        return leaf_hash(self.data)

    @property
    def value(self) -> dict[str, Any]:
        """What it says."""
        found: dict[str, Any] = json.loads(self.data)
        return found


@dataclass(frozen=True, slots=True)
class Watched:
    """What the own monitor found.

    Attributes:
        at_ns: when [ns, UTC].
        report: its report.
        figures: of governance.
    """

    at_ns: int
    report: MonitorReport
    figures: Mapping[str, Any]

    @property
    def gaps(self) -> tuple[Alert, ...]:
        """Minutes, runs and numbers that are missing."""
        return tuple(each for each in self.report.alerts if each.kind in GAPS)


def published(home: Home) -> Published:
    """Read what is published of the log of a home.

    Raises:
        ConflictError: the home has no log, or nothing of it is published. ProofFailed: the head is not signed by its keys.
    """
    log = _log(home)
    policy = policy_of(home)
    if log.checkpoint is None:
        raise ConflictError("nothing of the log is published yet", help="publish with: groundrule ledger checkpoint")
    checked = policy.check(log.checkpoint)
    seen = existed_before(checked, policy)
    head = checked.checkpoint
    return Published(
        head.origin, head.size, head.root, log.checkpoint, (log.folder / "policy").read_text("utf-8"), checked,
        {name: checked.times.get(name) for name in policy.witnesses}, seen or min(checked.times.values(), default=None),
        max(0, (log.integrated_size or head.size) - head.size),
    )  # fmt: skip


def entry_proof(home: Home, index: int) -> bytes:
    """Return the proof of an entry under the published head, as a tlog-proof.

    Raises:
        InputError: there is no such published entry. ConflictError: nothing is published.
    """
    log, tree = _published_tree(home)
    if not 0 <= index < tree.size:
        raise _no_entry(index, tree.size)
    assert log.checkpoint is not None
    return Proof(index, tuple(tree.inclusion_path(index)), log.checkpoint).format()


def entries(
    home: Home, *, start: int | None, limit: int, kind: str | None = None, newest_first: bool = True
) -> tuple[list[Shown], int | None]:
    """Return published entries and where to go on; None at the end.

    Args:
        home: whose log.
        start: first index to look at; None is the newest, or the oldest.
        limit: at most so many.
        kind: only entries of this kind.
        newest_first: the direction.
    """
    _, tree = _published_tree(home)
    at = (tree.size - 1 if newest_first else 0) if start is None else min(start, tree.size - 1) if newest_first else start
    found: list[Shown] = []
    wanted = None if kind is None else f'"kind":"{kind}"'.encode()
    scanned = 0
    while 0 <= at < tree.size and len(found) < limit and scanned < MAX_SCAN:
        data = tree.entry(at)
        # The words may stand in a body as well: what is found so is looked at.
        if wanted is None or (wanted in data and json.loads(data)["kind"] == kind):
            found.append(Shown(at, data))
        at += -1 if newest_first else 1
        scanned += 1
    return found, at if 0 <= at < tree.size else None


class LogWatch:
    """Watches the log of one home for a service: runs the own monitor now and then, and remembers when the log grew.

    Args:
        home: whose log.
        clock: the time [ns, UTC].
    """

    def __init__(self, home: Home, clock: Callable[[], int]) -> None:
        self._home, self._clock = home, clock
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="watch")
        self._lock = threading.Lock()
        self._running: Future[None] | None = None
        self._next = 0.0
        self._found: Watched | None = None
        self._fault = ""
        self._times: dict[int, int] = {}

    def close(self) -> None:
        """Watch no more."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def look(self, *, wait_s: float = 0.0) -> tuple[Watched | None, str]:
        """Return what the own monitor found last, and why it could not run, where it could not; it runs again beside.

        Args:
            wait_s: how long to wait for a run that was due [s].
        """
        with self._lock:
            if self._running is None and time.monotonic() >= self._next:
                self._next = time.monotonic() + EVERY_S
                self._running = self._pool.submit(self._run)
            running = self._running
        if running is not None and (wait_s or self._found is None):
            with suppress(TimeoutError):
                running.result(max(wait_s, 2.0))
        return self._found, self._fault

    def growth(self, size: int) -> Iterator[tuple[int, int]]:
        """Yield (when [ns, UTC], number of entries) at some places of a log of this size, oldest first."""
        if not size:
            return
        tree = _log(self._home).tree(size)
        step = max(1, -(-size // GROWTH_POINTS))
        for index in sorted({*range(0, size, step), size - 1}):
            if index not in self._times:
                self._times[index] = parse_time(json.loads(tree.entry(index))["t"])
            yield self._times[index], index + 1

    def _run(self) -> None:
        try:
            self._found, self._fault = self._watched(), ""
        except (GroundruleError, OSError) as error:
            self._fault = getattr(error, "message", "") or type(error).__name__
        finally:
            with self._lock:
                self._running = None

    def _watched(self) -> Watched:
        now = self._clock()
        folder, memory = log_folder(self._home), _memory(self._home)
        state: MonitorState | None = load_state(memory)
        report = monitor(folder, policy_of(self._home), state, now_s=now // NS_PER_S, max_age_s=None)
        audit = GovernanceAudit()
        if report.advanced and report.size is not None:
            audit = audit_governance(source_of(folder), report.size, now_s=now // NS_PER_S, openings=openings_of(self._home))
            report = with_governance(report, audit)
        if report.advanced and report.state is not None:
            memory.parent.mkdir(parents=True, exist_ok=True)
            save_state(memory, report.state)
        return Watched(now, report, audit.figures)


def _memory(home: Home) -> Path:
    return home.cache / "own-monitor.json"


def _log(home: Home) -> LogReader:
    folder = log_folder(home)
    if not folder.is_dir():
        raise ConflictError("this home has no log", help="make one with: groundrule ledger init")
    return read_log(folder)


def _published_tree(home: Home) -> tuple[LogReader, TileTree]:
    log = _log(home)
    if log.checkpoint is None:
        raise ConflictError("nothing of the log is published yet", help="publish with: groundrule ledger checkpoint")
    return log, log.tree()


def _no_entry(index: int, size: int) -> InputError:
    return InputError(f"entry {index} of a log with {size:,} published entries", help="they count from 0", missing=True)
