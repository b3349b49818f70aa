"""What the intake thread does with a group: sorted out, written and flushed, judged, remembered, answered; in this order.

Until the flush has succeeded nothing has happened: whoever sent the rows is told, and memory is as it was.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from groundrule.errors import ConflictError, GroundruleError, StoreError
from groundrule.instant import MIN_NS, NS_PER_S
from groundrule.pipeline.causes import Staleness
from groundrule.pipeline.live.announcing import Announcer
from groundrule.pipeline.live.answers import Answered, Brief, Check, LiveSettings, NotGood, Stamp
from groundrule.pipeline.live.bench import Answers, Bench, location_age_s
from groundrule.pipeline.live.committing import Chunk, Work
from groundrule.pipeline.live.detection import LiveDetection
from groundrule.pipeline.live.disturbed import Disturbances
from groundrule.pipeline.live.health import Health
from groundrule.pipeline.live.heard import RadioMemory
from groundrule.pipeline.live.intake import (
    FRESH,
    KNOWN,
    LATE,
    Group,
    Submission,
    check_together,
    same_content,
    sort_out,
)
from groundrule.pipeline.live.steps import Step, Took
from groundrule.pipeline.live.words import Words
from groundrule.store.events import EventLog
from groundrule.store.segments import Frame, SegmentWriter, encode_frame

Rows = NDArray[np.int32]
COUNTERS: Final = (
    "submissions", "groups", "accepted", "late", "duplicates", "rejected", "repeated_keys", "refused_busy", "refused_by_disk",
    "changes", "runs", "failed_runs", "committed", "corrected", "over_late", "duplicates_in_runs", "differences",
    "recovered_rows", "torn_segments", "damaged_segments", "suspended",
)  # fmt: skip
"""What is counted since the start; rows, unless the name says otherwise."""


class Taker:
    """Takes groups of submissions; used by the intake thread alone, but for counters.

    Args:
        bench: judges.
        writer: makes durable.
        health: says which faults are active.
        announcer: is told what changed.
        events: knows idempotency keys of the past.
        settings, clock: as for the desk.
        radio: knows what radio said last of each terminal.
        disturbances: knows which areas are disturbed; None where nobody looks.
        detection: knows which signals count; None where nobody looks.
    Attributes:
        work: what the next run takes.
        counters: what happened, by name; changed under `lock`.
        rejected: observations that were set aside since the start, by reason; changed under `lock`.
        writing, judging: how long it takes to make a group durable, and to judge it.
        newest_ns: latest observation [ns, UTC], or None.
    """

    def __init__(
        self, bench: Bench, writer: SegmentWriter, health: Health, announcer: Announcer, events: EventLog, settings: LiveSettings,
        clock: Callable[[], int], radio: RadioMemory | None = None, disturbances: Disturbances | None = None,
        detection: LiveDetection | None = None,
    ) -> None:  # fmt: skip
        self._bench, self._writer, self._health, self._announcer = bench, writer, health, announcer
        self._events, self._settings, self._clock = events, settings, clock
        self._radio = RadioMemory() if radio is None else radio  # an empty one is false
        self.disturbances, self.detection = disturbances, detection
        if disturbances is not None:
            self._radio.also = disturbances.hear
        self.work = Work()
        self.lock = threading.Lock()
        self.counters: Counter[str] = Counter(dict.fromkeys(COUNTERS, 0))
        self.rejected: Counter[str] = Counter()
        self.writing, self.judging = Step(), Step()
        seen = bench.frontier[bench.frontier > MIN_NS]
        self.newest_ns: int | None = int(seen.max()) if len(seen) else None
        self._answers: OrderedDict[str, tuple[str, Answered | None]] = OrderedDict()
        self._chunks: dict[int, pa.Table] = {}
        self._chunk = 0
        self._last_chunk = np.zeros(0, np.int64)
        self._last_place = np.zeros(0, np.int32)

    def close(self) -> None:
        """Let detection end what it looks at."""
        if self.detection is not None:
            self.detection.close()

    @property
    def pending(self) -> int:
        """Acknowledged rows that no run holds."""
        return self.work.stored + self._writer.rows

    def checks(self) -> list[Check]:
        """Say whether those who look at what is taken can."""
        found = [Check("interference", not self.disturbances.fault, self.disturbances.fault)] if self.disturbances is not None else []
        return found if self.detection is None else [*found, self.detection.check()]

    def counted(self) -> dict[str, int]:
        """Return the counters, with those of detection."""
        with self.lock:
            return {**self.counters, **({} if self.detection is None else self.detection.counters)}

    def set_aside(self) -> dict[str, int]:
        """Return how many observations were set aside since the start, by reason."""
        with self.lock:
            return dict(self.rejected)

    def took(self) -> dict[str, Took]:
        """Return how long the steps took, with the looks of detection."""
        steps = {"write": self.writing, "judge": self.judging}
        if self.detection is not None:
            steps["detect"] = self.detection.looking
        return {name: step.took() for name, step in steps.items()}

    def count(self, **more: int) -> None:
        """Count what happened."""
        with self.lock:
            self.counters.update(more)

    def reject(self, counts: Mapping[str, int]) -> None:
        """Count rows that were set aside, by reason; the next manifest names them."""
        with self.lock:
            for reason, rows in counts.items():
                self.counters["rejected"] += rows
                self.rejected[reason] += rows
                self.work.rejected[reason] = self.work.rejected.get(reason, 0) + rows

    def next_work(self) -> Work:
        """Hand over what is pending, with the segment that is open, and begin anew."""
        rows = self._writer.rows
        sealed = self._writer.seal()
        with self.lock:
            taken, self.work = self.work, Work()
        if sealed is not None:
            taken.segments.append(sealed)
            taken.stored += rows
        self._chunks = {}
        return taken

    def take_back(self, failed: Work) -> None:
        """Put work before what came since: its run could not be made."""
        with self.lock:
            later = self.work
            for reason, rows in later.rejected.items():
                failed.rejected[reason] = failed.rejected.get(reason, 0) + rows
            self.work = Work(
                failed.segments + later.segments, failed.chunks + later.chunks, failed.late | later.late,
                failed.excused | later.excused, failed.rejected, failed.keys + later.keys, failed.stored + later.stored,
            )  # fmt: skip

    # --- serving ----------------------------------------------------------------------------------------------------------

    def serve(self, parts: Sequence[Submission]) -> None:
        """Answer submissions; what fails is told to those whom it concerns, and harms nobody else."""
        try:
            self._serve(parts)
        except Exception as error:  # noqa: BLE001 - the intake goes on, whatever one group held
            for part in parts:
                if not part.future.done():
                    part.future.set_exception(error)

    def _serve(self, parts: Sequence[Submission]) -> None:
        wanted = [part for part in parts if part.future.set_running_or_notify_cancel()]
        ahead_ns = round(self._settings.ahead_s * NS_PER_S)
        self.reject(check_together(wanted, latest_ns=self._clock() + ahead_ns))
        fresh: list[Submission] = []
        repeated: list[Submission] = []
        keys: set[str] = set()
        good: dict[str, bool] = {}
        for part in wanted:
            if part.future.done():
                continue
            if part.good is not None and not self._holds(part, good):
                continue
            if not part.store:
                self._ask(part)
            elif part.key and part.key in keys:
                repeated.append(part)
            elif not (part.key and self._answer_again(part)):
                keys.add(part.key)
                fresh.append(part)
        if fresh:
            try:
                self._store_and_answer(Group(fresh))
            except Exception as error:  # noqa: BLE001 - every caller waits for an answer
                for part in fresh:
                    if not part.future.done():
                        part.future.set_exception(error)
        for part in repeated:
            if not self._answer_again(part):
                part.future.set_exception(StoreError("the first use of the key failed", help="send it again", busy=True))

    @staticmethod
    def _holds(part: Submission, known: dict[str, bool]) -> bool:
        """Do the credentials of a submission hold? Asked once in a group for each source."""
        found = known.get(part.source)
        if found is None:
            assert part.good is not None
            try:
                found = known[part.source] = part.good()
            except Exception as error:  # noqa: BLE001 - where it cannot be asked, nothing is taken
                part.future.set_exception(error)
                return False
        if not found:
            part.future.set_exception(NotGood())
        return found

    def _ask(self, part: Submission) -> None:
        try:
            table = self._bench.try_out(self._heard(part.rows, None), self._health.seen.causes)
            part.future.set_result(self._answered(part, table, None))
        except Exception as error:  # noqa: BLE001 - the caller waits for an answer
            part.future.set_exception(error)

    def _answer_again(self, part: Submission) -> bool:
        """Answer a submission whose key was used before; False if it was not."""
        known = self._answers.get(part.key)
        if known is None:
            try:
                content = self._events.taken(part.key)
            except GroundruleError as error:
                part.future.set_exception(error)
                return True
            if content is None:
                return False
            known = (content, None)
        self.count(repeated_keys=1)
        if known[0] != part.content:
            part.future.set_exception(
                ConflictError("the idempotency key was used for other content", help="use a new key for each submission")
            )
        elif known[1] is not None:
            part.future.set_result(known[1])
        else:
            try:
                part.future.set_result(self._taken_before(part))
            except Exception as error:  # noqa: BLE001 - the caller waits for an answer
                part.future.set_exception(error)
        return True

    def _taken_before(self, part: Submission) -> Answered:
        ids = part.rows.column("terminal_id").combine_chunks()
        rows = self._bench.rows_of(part.rows.column("terminal_id"))
        known = self._bench.answers.columns["seen"][rows]
        chosen = pa.array(np.flatnonzero(known))
        table = self._bench.present(rows[known], ids.take(chosen))
        now = self._clock()
        return Answered(
            table, pa.array(part.places[known]), self._bench.stamped(now), self._health.seen.staleness(now),
            self._health.seen.reasons, 0, len(part.rows), 0, part.rejected, taken_before=True,
        )  # fmt: skip

    def _store_and_answer(self, group: Group) -> None:
        rows = self._bench.rows_of(group.rows.column("terminal_id"))
        before = self._bench.frontier[rows]
        found, order = self._sorted_out(group, rows)
        # What comes late is left as it is: whether it was known before must not depend on what was measured meanwhile.
        new = (found == FRESH) if found.any() else None
        group.rows = self._heard(group.rows, new)
        suspended = 0
        if self.disturbances is not None:
            group.rows, suspended = self.disturbances.suspend(group.rows, new)
        if self.detection is not None:
            group.rows = self.detection.attach(group.rows, rows, new)
        try:
            self._write(group, found)
        except GroundruleError:
            self._bench.frontier[rows] = before
            self.count(refused_by_disk=len(group))
            raise
        if self.disturbances is not None:
            self.disturbances.learn(group.rows, new)
        answers, location = self._judge(group, rows, found, order)
        late, known = (int((found == kind).sum()) for kind in (LATE, KNOWN)) if found.any() else (0, 0)
        self.count(accepted=len(group) - known, late=late, duplicates=known, submissions=len(group.parts), groups=1, suspended=suspended)
        if group.brief:
            self._answer_briefly(group, answers, found if late or known else None, location)
            return
        table, whole = answers.table, len(group.parts) == 1
        for part, start, end in group.shares():
            mine = found[start:end]
            late, known = int((mine == LATE).sum()), int((mine == KNOWN).sum())
            own = table if whole else table.slice(start, end - start)
            if part.regular is not None:
                part.future.set_result(self._brief(Words.of_table(own), self._about(location), known=known, late=late))
                continue
            answered = self._answered(part, own, location, known=known, late=late)
            if part.key:
                self._keep(part.key, part.content, answered)
            part.future.set_result(answered)

    def _answer_briefly(self, group: Group, answers: Answers, found: NDArray[np.uint8] | None, location: int | None) -> None:
        """Answer a group of rows that came one by one; `found` is None where all of them are new."""
        words, about = answers.words, self._about(location)
        for part, start, end in group.shares():
            late = known = 0
            if found is not None:
                late, known = int((found[start:end] == LATE).sum()), int((found[start:end] == KNOWN).sum())
            part.future.set_result(self._brief(words.cut(start, end), about, known=known, late=late))

    def _heard(self, rows: pa.Table, chosen: NDArray[np.bool_] | None) -> pa.Table:
        """Attach what radio said last; it is written, judged and kept with the observations."""
        return self._radio.attach(rows, chosen, self._bench.radio_ages) if len(self._radio) else rows

    def _sorted_out(self, group: Group, rows: Rows) -> tuple[NDArray[np.uint8], NDArray[np.int64] | None]:
        """Tell new rows from late ones and from exact repeats of what is pending."""
        found, order = sort_out(rows, group.observed, self._bench.frontier)
        if len(self._last_chunk) < len(self._bench.frontier):
            more = len(self._bench.frontier) - len(self._last_chunk)
            self._last_chunk = np.concatenate([self._last_chunk, np.zeros(more, np.int64)])
            self._last_place = np.concatenate([self._last_place, np.zeros(more, np.int32)])
        self._chunk += 1
        fresh = np.flatnonzero(found == FRESH) if order is None else order[found[order] == FRESH]
        self._last_chunk[rows[fresh]] = self._chunk
        self._last_place[rows[fresh]] = fresh
        self._chunks[self._chunk] = group.rows
        late = np.flatnonzero(found == LATE)
        late = late[group.observed[late] == self._bench.frontier[rows[late]]]
        if len(late):
            for number in np.unique(self._last_chunk[rows[late]]).tolist():
                held = self._chunks.get(number)
                if held is None:
                    continue
                mine = late[self._last_chunk[rows[late]] == number]
                same = same_content(
                    group.rows.take(pa.array(mine)), held.take(pa.array(self._last_place[rows[mine]].astype(np.int64)))
                )
                found[mine[same]] = KNOWN
        return found, order

    def _write(self, group: Group, found: NDArray[np.uint8]) -> None:
        """Make all rows durable that are not known already."""
        pieces: list[bytes | pa.Buffer] = []
        stored = 0
        now = str(self._clock())
        basis = self._bench.basis_metadata()
        for part, start, end in _frames_of(group):
            wanted = found[start:end] != KNOWN
            if not wanted.any():
                continue
            rows = group.rows if end - start == len(group) else group.rows.slice(start, end - start)
            if not wanted.all():
                rows = rows.filter(pa.array(wanted))
            metadata = {"received_at_ns": now, "source": part.source, "key": part.key, "content": part.content, **basis}
            pieces += encode_frame(metadata, rows)
            stored += len(rows)
        if pieces:
            with self.writing.timed():
                self._writer.write(pieces, stored)
                self._writer.flush()
        for part in group.parts:
            if part.key:
                self.work.keys.append((part.key, part.content, int(now)))

    def _judge(
        self, group: Group, rows: Rows, found: NDArray[np.uint8], order: NDArray[np.int64] | None
    ) -> tuple[Answers, int | None]:
        """Judge a group that is durable; return the answers in its order, and the age of the oldest position."""
        with self.judging.timed():
            answers = self._bench.answer(
                group.rows, rows, found, order, self._health.seen.causes, keep=True, measured=group.measured
            )
        judgement, changes, location = answers.judgement, answers.changes, None
        if judgement is not None:
            judged = judgement.judged
            self.work.chunks.append(
                Chunk(judged.table, judged.rows, judged.decided.outcome, judged.decided.state, self._bench.rules_of(judged))
            )
            if self.detection is not None:
                self.detection.take(judged.table, judged.decided.outcome)
            location = location_age_s(judged, self._clock())
            newest = int(judged.table.column("observed_at").to_numpy().max())
            self.newest_ns = newest if self.newest_ns is None else max(newest, self.newest_ns)
        if (found == LATE).any():
            self.work.late.update(group.rows.column("terminal_id").filter(pa.array(found == LATE)).to_pylist())
        if changes is not None:
            self._announcer.changed(changes)
            self.count(changes=len(changes.ids))
        return answers, location

    def _answered(self, part: Submission, table: pa.Table, location: int | None, *, known: int = 0, late: int = 0) -> Answered:
        now, seen = self._clock(), self._health.seen
        return Answered(
            table, pa.array(part.places), self._bench.stamped(now), seen.staleness(now, location), seen.reasons,
            len(part.rows) - known if part.store else 0, known, late, part.rejected,
        )  # fmt: skip

    def _about(self, location: int | None) -> tuple[Stamp, Staleness, tuple[str, ...]]:
        """Return what holds for all answers of a group."""
        now, seen = self._clock(), self._health.seen
        return self._bench.stamped(now), seen.staleness(now, location), seen.reasons

    @staticmethod
    def _brief(words: Words, about: tuple[Stamp, Staleness, tuple[str, ...]], *, known: int, late: int) -> Brief:
        return Brief(words, *about, len(words) - known, known, late)

    def _keep(self, key: str, content: str, answered: Answered | None) -> None:
        self._answers[key] = (content, answered)
        while len(self._answers) > self._settings.answers_kept:
            self._answers.popitem(last=False)

    # --- after a crash ------------------------------------------------------------------------------------------------------

    def replay(self, frame: Frame) -> None:
        """Judge what was acknowledged before a crash once more, so that memory, answers and events are as they were."""
        metadata = frame.metadata
        key, content = str(metadata.get("key") or ""), str(metadata.get("content") or "")
        part = Submission(frame.rows, str(metadata["source"]), key, rows=frame.rows, content=content)
        group = Group([part])
        rows = self._bench.rows_of(group.rows.column("terminal_id"))
        found, order = self._sorted_out(group, rows)
        self._judge(group, rows, found, order)
        if self.disturbances is not None:
            self.disturbances.learn(group.rows, found == FRESH)
        if key:
            self._keep(key, content, None)
            self.work.keys.append((key, content, int(metadata["received_at_ns"])))
        self.work.stored += len(frame.rows)
        self.count(recovered_rows=len(frame.rows))


def _frames_of(group: Group) -> Iterator[tuple[Submission, int, int]]:
    """Yield which rows of a group make a frame: a submission each, but rows that came one by one from one source together."""
    held: tuple[Submission, int, int] | None = None
    for part, start, end in group.shares():
        if held is not None and held[0].regular is not None and part.regular is not None and held[0].source == part.source:
            held = held[0], held[1], end
            continue
        if held is not None:
            yield held
        held = part, start, end
    if held is not None:
        yield held
