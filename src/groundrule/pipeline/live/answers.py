"""What the live desk gives back: decisions with what they were made under, how stale that is, and what was not taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from groundrule.instant import MIN_NS
from groundrule.pipeline.causes import Staleness
from groundrule.pipeline.classes import CLASS_WORDS
from groundrule.pipeline.live.steps import Took
from groundrule.pipeline.live.words import Words
from groundrule.records import DECISION_SCHEMA

ANSWER_SCHEMA: Final = pa.schema(
    [
        *DECISION_SCHEMA,
        pa.field("class", pa.dictionary(pa.int8(), pa.string()), nullable=False),
        pa.field("late", pa.bool_(), nullable=False),
    ]
)
"""One answer: a decision, the class of its terminal, and whether the observation came after a later one was known.

The answer to a late observation is the terminal's present decision; its `observed_at` is that of the decision."""

CLASSES: Final = pa.array(CLASS_WORDS)


@dataclass(frozen=True, slots=True)
class Stamp:
    """What answers were decided under.

    Attributes:
        policy_digest: of rulebook and areas together [64 hex digits].
        rulebook, areas, lists: digests.
        snapshot_seq: number of the last signed snapshot on record; 0 before the first.
        evaluator: digest of the engine [64 hex digits].
        decided_at_ns: when the service decided [ns, UTC].
    """

    policy_digest: str
    rulebook: str
    areas: str
    lists: str
    snapshot_seq: int
    evaluator: str
    decided_at_ns: int


@dataclass(frozen=True, slots=True)
class Rejected:
    """One row that was not taken.

    Attributes:
        row: its place in what was submitted, from 0.
        reason: code.
        field: the field that is wrong, or None.
        value: what it said, cut, or None.
        wanted: what would be right, or None.
    """

    row: int
    reason: str
    field: str | None
    value: str | None
    wanted: str | None


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer to one submission.

    Attributes:
        decisions: of `ANSWER_SCHEMA`, a row for each accepted row, in the order in which they were given.
        rows: place of each of them in what was submitted, from 0 (int64).
        stamp: what they were decided under.
        staleness: how old that is.
        degraded: `degraded:<cause>` for each active cause.
        accepted: rows that are durable and new: in order, or late.
        duplicates: rows that were known already, and are not stored twice.
        late: accepted rows that came after a later one of their terminal was known; they count with the next run.
        rejected: rows that were not taken.
        taken_before: the idempotency key was used before, with the same content, and the first answer is not kept any more:
            the rows were taken then, and these are the present decisions.
    """

    decisions: pa.Table
    rows: pa.Array
    stamp: Stamp
    staleness: Staleness
    degraded: tuple[str, ...] = ()
    accepted: int = 0
    duplicates: int = 0
    late: int = 0
    rejected: tuple[Rejected, ...] = ()
    taken_before: bool = False


class NotGood(Exception):
    """The credentials of a submission do not hold; nothing of it was taken."""


@dataclass(frozen=True, slots=True)
class Brief:
    """The answer to a few observations that were plainly right, without a table; else as `Answered`.

    Attributes:
        words: the decisions, a row for each observation, in their order.
    """

    words: Words
    stamp: Stamp
    staleness: Staleness
    degraded: tuple[str, ...]
    accepted: int
    duplicates: int
    late: int


@dataclass(frozen=True, slots=True)
class LastPosition:
    """Where a terminal was last, of all its observations that say so.

    Attributes:
        at_ns: when [ns, UTC].
        lat_deg, lon_deg: where; the middle of the cell where there is one [degree, WGS 84].
        sigma_m: standard deviation per axis [m]; 0 for a cell.
        cell: H3 cell where the position is no finer, else 0.
    """

    at_ns: int
    lat_deg: float
    lon_deg: float
    sigma_m: float
    cell: int


class LastPositions:
    """Where terminals were last.

    Args:
        ids: terminals.
        fixes: memory of each (FIX_DTYPE, shape (n,)); taken as it is, so that whoever copied it is not kept waiting.
    """

    def __init__(self, ids: Sequence[str], fixes: NDArray[np.void]) -> None:
        self._row = {name: row for row, name in enumerate(ids)}
        self._fixes = fixes

    def get(self, terminal: str) -> LastPosition | None:
        """Return where a terminal was; None where it never said so."""
        row = self._row.get(terminal)
        fix = None if row is None else self._fixes[row]
        if fix is None or fix["t_pos"] <= MIN_NS:
            return None
        return LastPosition(
            int(fix["t_pos"]), float(fix["lat_pos"]), float(fix["lon_pos"]), float(fix["sigma_pos"]), int(fix["cell"])
        )


@dataclass(frozen=True, slots=True)
class LiveSettings:
    """How the live desk works.

    Attributes:
        commit_every_s: longest time between runs while observations wait [s].
        commit_rows: waiting rows that begin a run.
        group_rows: most rows that are flushed and judged at once.
        queue_rows: most rows that wait to be flushed; beyond, submissions are refused with context `busy`.
        submission_rows: most rows of one submission.
        ahead_s: an observation further ahead of our clock than this is rejected [s].
        answers_kept: answers that are kept for their idempotency keys.
        keys_kept_s: how long a key is known as taken [s].
        event_days: how long events are kept [days].
        event_rows: most events that are kept.
        check_every_s: how often health is looked at [s].
        interference: look for areas where satellite navigation is disturbed, and suspend positions there.
        detection: look for terminals that are not what they claim to be; signals count for what comes after.
        detection_apart: in a process of its own, so that no answer waits while detectors look.
    """

    commit_every_s: float = 60.0
    commit_rows: int = 1_000_000
    group_rows: int = 65_536
    queue_rows: int = 1_000_000
    submission_rows: int = 1_000_000
    ahead_s: float = 300.0
    answers_kept: int = 2_000
    keys_kept_s: float = 86_400.0
    event_days: float = 30.0
    event_rows: int = 2_000_000
    check_every_s: float = 15.0
    interference: bool = True
    detection: bool = True
    detection_apart: bool = False


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must be well for the service to do its work.

    Attributes:
        name: for instance `intake`, `commit`, `ledger`, `policy`, `clock`.
        ok: it is well.
        why: what is wrong, or what it shows.
        vital: without it the service is not ready.
    """

    name: str
    ok: bool
    why: str = ""
    vital: bool = False


@dataclass(frozen=True, slots=True)
class LiveStatus:
    """How the live desk is.

    Attributes:
        checks: what was looked at.
        degraded: active causes, `degraded:<cause>`.
        staleness: as in answers, without a location.
        pending_rows: acknowledged observations that no run holds yet.
        newest_observed_ns: latest observation of all [ns, UTC]; None before the first.
        counters: what happened since the start, by name.
        stamp: what is decided under now.
        run: number of the last committed run, 0 before the first.
        rejected: observations that were set aside since the start, by reason.
        unseen_rows: answered observations that detectors have not looked at yet.
        log_size: entries of the home's log; None where it has none, or it is out of reach.
        rulebook_ns: since when the rulebook that decides is in force [ns, UTC]; None where nobody enacted it.
        steps: how long the steps behind an answer took, by name.
    """

    checks: tuple[Check, ...]
    degraded: tuple[str, ...]
    staleness: Staleness
    pending_rows: int
    newest_observed_ns: int | None
    counters: dict[str, int] = field(default_factory=dict)
    stamp: Stamp | None = None
    run: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    unseen_rows: int = 0
    log_size: int | None = None
    rulebook_ns: int | None = None
    steps: dict[str, Took] = field(default_factory=dict)

    @property
    def ready(self) -> bool:
        """Does everything work that the service cannot do without?"""
        return all(check.ok for check in self.checks if check.vital)
