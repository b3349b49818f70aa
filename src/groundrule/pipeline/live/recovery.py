"""What a crash left: segments to mend, to drop because a run holds them, to commit under what held then, or to go on with."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundrule.instant import MIN_NS
from groundrule.pipeline.erasing import complete_begun
from groundrule.pipeline.home_ledger import HomeLedger
from groundrule.pipeline.live.bench import Bench
from groundrule.pipeline.live.committing import Committer, already_committed, last_segment
from groundrule.store.events import EventLog
from groundrule.store.home import Home
from groundrule.store.segments import Frame, Segment, mend, read_frames, remove, segments_of

_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class Crash:
    """What was found when a home was opened.

    Attributes:
        left: segments that no run holds, in order.
        highest: highest number of a segment that was ever used.
        torn: segments whose end was never acknowledged, and was cut.
        damaged: segments that are kept aside once their whole frames are committed.
    """

    left: list[Segment]
    highest: int
    torn: int
    damaged: tuple[Path, ...]


def found_after_crash(home: Home, events: EventLog, ledger: HomeLedger | None = None) -> Crash:
    """Mend the segments of a home, and remove those that a run holds; the caller holds the write lock.

    A crash may have come after a run was committed and before its idempotency keys were kept: they are kept here, first. An erasure
    that was begun is completed.
    """
    complete_begun(home, ledger)
    mended = mend(home)
    for path in mended.damaged:
        _LOG.error("`%s` is damaged: its whole frames are committed, and the file is kept", path.name)
    found = segments_of(home)
    done = already_committed(home, found)
    for segment in done:
        keep_keys(events, (frame for _, frame in read_frames(segment.path)))
    remove(done, keep=mended.damaged)
    empty = [each for each in found if not each.size]
    remove(empty)
    left = [each for each in found if each not in done and each.size]
    highest = max([last_segment(home), *(each.number for each in found)])
    return Crash(left, highest, mended.torn, tuple(mended.damaged))


def keep_keys(events: EventLog, frames: Iterable[Frame]) -> None:
    """Keep the idempotency keys of frames durably, before the segment that holds them goes."""
    keys = [(str(each.metadata["key"]), str(each.metadata.get("content") or ""), int(each.metadata["received_at_ns"]))
            for each in frames if each.metadata.get("key")]  # fmt: skip
    if keys:
        events.take_keys(keys, forget_before_ns=MIN_NS)


def commit_others(crash: Crash, committer: Committer, bench: Bench, events: EventLog) -> int:
    """Commit what was acknowledged under something that is not in force any more; return how many rows.

    Args:
        crash: its `left` keeps the segments that can be gone on with.
        committer: makes the runs.
        bench: knows what is in force.
        events: keep idempotency keys.
    """
    mine = _key(bench.basis_metadata())
    rows = 0
    rest: list[Segment] = []
    for segment in crash.left:
        frames = [frame for _, frame in read_frames(segment.path)]
        if all(_key(frame.metadata) == mine for frame in frames):
            rest.append(segment)
            continue
        groups: list[list[Frame]] = []
        for frame in frames:
            if not groups or _key(groups[-1][0].metadata) != _key(frame.metadata):
                groups.append([])
            groups[-1].append(frame)
        for number, group in enumerate(groups, 1):
            # The last run of a segment names it: a crash before that commits the first ones again, as repeats.
            committer.recover(group, [segment] if number == len(groups) else [])
        rows += sum(len(frame.rows) for frame in frames)
        keep_keys(events, frames)
        remove([segment], keep=crash.damaged)
    crash.left = rest
    return rows


def _key(metadata: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(metadata[name]) for name in ("rulebook", "areas", "registers"))
