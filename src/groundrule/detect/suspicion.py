"""Counting witnesses per cell and step, what is usual there, and which cells are suspended when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from groundrule.detect.area_test import AreaTest
from groundrule.detect.claimed_shape import shape_of
from groundrule.detect.gnss_track import JUMPED, RADIO, VOTES
from groundrule.detect.h3_words import cells_at, centres, parents, resolution_of
from groundrule.detect.interference_settings import InterferenceSettings
from groundrule.detect.words_spoken import Stream

_GLOBAL_WEIGHT = 10_000.0  # words that the prior weighs in the rate of all cells


@dataclass(slots=True)
class _Scale:
    """Cells of one resolution: their numbering, what is usual in them, and when they were suspended."""

    resolution: int
    kinds: int
    ids: list[int] = field(default_factory=list)
    code_of: dict[int, int] = field(default_factory=dict)
    of_finest: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    troubled: NDArray[np.float64] = field(init=False)
    spoken: NDArray[np.float64] = field(init=False)
    marked: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))
    until: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self.troubled = np.zeros((self.kinds, 0))
        self.spoken = np.zeros((self.kinds, 0))
        self.until = np.zeros((self.kinds, 0), np.int64)

    def learn(self, finest: NDArray[np.uint64]) -> None:
        """Number the cells over more finest cells, in their order."""
        above = parents(finest, self.resolution)
        codes = np.empty(len(above), np.int32)
        for i, cell in enumerate(above.tolist()):
            if cell not in self.code_of:
                self.code_of[cell] = len(self.ids)
                self.ids.append(cell)
            codes[i] = self.code_of[cell]
        self.of_finest = np.concatenate([self.of_finest, codes])
        more = len(self.ids) - len(self.marked)
        if more:
            self.marked = np.concatenate([self.marked, np.zeros(more, bool)])
            self.troubled = np.concatenate([self.troubled, np.zeros((self.kinds, more))], axis=1)
            self.spoken = np.concatenate([self.spoken, np.zeros((self.kinds, more))], axis=1)
            self.until = np.concatenate([self.until, np.full((self.kinds, more), np.iinfo(np.int64).min)], axis=1)


class Suspicions:
    """The state of all cells.

    Args:
        settings: how to watch.
        test: the test of one cell.
        kinds: names of the kinds of trouble.
        bits: flag of each kind.

    Attributes:
        tests: cells tested so far.
        late: words that came after their step had been counted.
    """

    def __init__(self, settings: InterferenceSettings, test: AreaTest, kinds: Sequence[str], bits: Sequence[int]) -> None:
        self._settings = settings
        self._test = test
        self._kinds = tuple(kinds)
        self._bits = tuple(bits)
        self._step = int(settings.step_s * 1e9)
        self._lateness = int(settings.lateness_s * 1e9)
        self._hold = int(settings.hold_s * 1e9)
        own = tuple(k for k, bit in enumerate(bits) if bit != RADIO)
        radio = tuple(k for k, bit in enumerate(bits) if bit == RADIO)
        self._streams = (
            Stream(int(settings.window_s * 1e9), own),
            Stream(int(settings.radio_window_s * 1e9), radio),
        )
        self._scales = [_Scale(resolution, len(kinds)) for resolution in settings.resolutions]
        self._finest: dict[int, int] = {}
        self._closed: int | None = None
        self._updated_ns: int | None = None
        self._open: dict[tuple[int, int, int], dict[str, Any]] = {}
        self._rows: list[dict[str, Any]] = []
        self._intervals: list[list[list[tuple[int, int, int]]]] = [[[] for _ in kinds] for _ in self._scales]
        self._last_until = np.iinfo(np.int64).min
        self.tests = 0
        self.late = 0

    def codes(self, cells: NDArray[np.uint64]) -> NDArray[np.int32]:
        """Return the code of each finest cell, -1 where there is none; cells never met get new codes in order."""
        known = self._finest
        fresh: list[int] = []
        found = np.empty(len(cells), np.int32)
        for i, cell in enumerate(cells.tolist()):
            if cell == 0:
                found[i] = -1
                continue
            if cell not in known:
                known[cell] = len(known)
                fresh.append(cell)
            found[i] = known[cell]
        if fresh:
            for scale in self._scales:
                scale.learn(np.array(fresh, np.uint64))
        return found

    def steps_ended(self, newest_ns: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the last step that has been waited for when the newest instant is as given."""
        return (newest_ns - self._lateness) // self._step

    def add(self, events: NDArray[np.void]) -> None:
        """Take words of terminals about their own navigation."""
        self._add(self._streams[0], events)

    def add_radio(self, events: NDArray[np.void]) -> None:
        """Take verdicts of the radio."""
        self._add(self._streams[1], events)

    def _add(self, stream: Stream, events: NDArray[np.void]) -> None:
        if self._closed is not None:
            intime = events["t"] >= self._closed * self._step
            self.late += int((~intime).sum())
            events = events[intime]
        if len(events):
            stream.pending.append(events)

    def close(self, step: int, accounts: NDArray[np.int32]) -> None:
        """Count every step up to one, in order.

        Args:
            step: number of the step [steps since 1970, UTC]; its end is step times step_s.
            accounts: account of each terminal, -1 none.
        """
        if self._closed is None:
            first = [t for t in (stream.first_pending() for stream in self._streams) if t is not None]
            self._closed = min(step, *(t // self._step for t in first)) if first else step
        while self._closed < step:
            if not any(len(stream.recent) for stream in self._streams):
                first = [t for t in (stream.first_pending() for stream in self._streams) if t is not None]
                if not first or min(first) // self._step >= step:
                    self._closed = step
                    return
                self._closed = max(self._closed, min(first) // self._step)
            self._closed += 1
            self._count(self._closed * self._step, accounts)

    def close_all(self, accounts: NDArray[np.int32]) -> None:
        """Count everything that is pending."""
        last = [t for t in (stream.last_pending() for stream in self._streams) if t is not None]
        if last:
            self.close(max(last) // self._step + 1, accounts)

    def _count(self, end_ns: int, accounts: NDArray[np.int32]) -> None:
        passed = 0 if self._updated_ns is None else end_ns - self._updated_ns
        self._updated_ns = end_ns
        fading = 2.0 ** (-passed / (self._settings.half_life_s * 1e9))
        for scale in self._scales:
            scale.troubled *= fading
            scale.spoken *= fading
        for stream in self._streams:
            if not stream.pending and not len(stream.recent):
                continue
            words = stream.latest(end_ns)
            words = words[((words["flags"] & VOTES) > 0) & (accounts[words["terminal"]] >= 0)]
            for k in stream.kinds:
                self._count_kind(k, words, end_ns, accounts)

    def _count_kind(self, k: int, words: NDArray[np.void], end_ns: int, accounts: NDArray[np.int32]) -> None:
        hit = (words["flags"] & self._bits[k]) > 0
        finest = self._scales[0]
        usual = (finest.troubled[k].sum() + self._settings.prior_rate * _GLOBAL_WEIGHT) / (
            finest.spoken[k].sum() + _GLOBAL_WEIGHT
        )
        weight = self._settings.prior_weight
        least = self._test.least + self._test.colluders
        counted = []
        for number, scale in enumerate(self._scales):
            cell = scale.of_finest[words["cell"]]
            size = len(scale.ids)
            spoken = np.bincount(cell, minlength=size)
            troubled = np.bincount(cell[hit], minlength=size)
            counted.append((spoken, troubled))
            self.tests += int((spoken >= least).sum())
            candidates = troubled >= least
            if candidates.any():
                rate = (scale.troubled[k] + weight * usual) / (scale.spoken[k] + weight)
                among = candidates[cell]
                self._judge(k, number, words[among], cell[among], hit[among], rate, end_ns, accounts)
        held_finest = np.zeros(len(finest.ids), bool)
        for scale in self._scales:
            held_finest |= (scale.until[k] > end_ns)[scale.of_finest]
        for number, (scale, (spoken, troubled)) in enumerate(zip(self._scales, counted, strict=True)):
            # What is usual is learnt from calm times only, or a long interference would become what is usual.
            calm = ~held_finest if number == 0 else scale.until[k] <= end_ns
            scale.spoken[k] += np.where(calm, spoken, 0)
            scale.troubled[k] += np.where(calm, troubled, 0)

    def _judge(
        self,
        k: int,
        number: int,
        words: NDArray[np.void],
        cell: NDArray[np.int32],
        hit: NDArray[np.bool_],
        rate: NDArray[np.float64],
        end_ns: int,
        accounts: NDArray[np.int32],
    ) -> None:
        """Let each account of the candidate cells speak once, and test them."""
        scale = self._scales[number]
        account = accounts[words["terminal"]].astype(np.int64)
        key, votes = np.unique((cell.astype(np.int64) << 32) | account, return_inverse=True)
        against = 2 * np.bincount(votes, hit, len(key)) > np.bincount(votes, minlength=len(key))
        cells, which = np.unique(key >> 32, return_inverse=True)
        witnesses = np.bincount(which, minlength=len(cells))
        troubled = np.bincount(which, against, len(cells)).astype(np.int64)
        chance = self._test.chances(troubled, witnesses, rate[cells])
        found = chance <= self._test.alpha
        if number and found.any():
            pairs = np.unique((cell[hit].astype(np.int64) << 32) | words["cell"][hit])
            spread = np.zeros(len(scale.ids), np.int64)
            np.add.at(spread, pairs >> 32, 1)
            found &= spread[cells] >= self._settings.parts
        for i in np.flatnonzero(found):
            code = int(cells[i])
            mine = hit & (cell == code)
            row: dict[str, Any] = {
                "terminals": int(mine.sum()),
                "share": float(troubled[i] / witnesses[i]),
                "p_value": float(chance[i]),
                "accounts": int(troubled[i]),
                "witnesses": int(witnesses[i]),
                "base_rate": float(rate[code]),
            }
            if self._bits[k] == JUMPED:
                row |= shape_of(words["lat"][mine], words["lon"][mine])
            self._find(k, number, code, end_ns, row)

    def _find(self, k: int, number: int, code: int, end_ns: int, found: dict[str, Any]) -> None:
        """Suspend a cell from when the step has been waited for, or prolong its suspension."""
        known = end_ns + self._lateness
        until = known + self._hold
        scale = self._scales[number]
        row = self._open.get((k, number, code))
        if row is not None and known <= row["until_ns"]:
            row["until_ns"] = until
            row["terminals"] = max(row["terminals"], found["terminals"])
            if found["p_value"] < row["p_value"]:
                row |= {name: value for name, value in found.items() if name != "terminals"}
        else:
            row = {
                "h3_cell": scale.ids[code], "from_ns": known, "until_ns": until, "kind": self._kinds[k],
                "began_ns": end_ns - self._step, **found,
            }  # fmt: skip
            self._open[k, number, code] = row
            self._rows.append(row)
        self._hold_cell(k, number, code, row["from_ns"], until)

    def _hold_cell(self, k: int, number: int, code: int, from_ns: int, until_ns: int) -> None:
        scale = self._scales[number]
        intervals = self._intervals[number][k]
        if scale.until[k, code] >= from_ns:
            # The same interval, prolonged; it is among the last of the list.
            place = next(i for i in range(len(intervals) - 1, -1, -1) if intervals[i][0] == code)
            intervals[place] = (code, intervals[place][1], until_ns)
        else:
            intervals.append((code, from_ns, until_ns))
        scale.marked[code] = True
        scale.until[k, code] = until_ns
        self._last_until = max(self._last_until, until_ns)

    def found(self) -> list[dict[str, Any]]:
        """Return the anomalies found so far."""
        return [dict(row) for row in self._rows]

    def load(self, anomalies: pa.Table) -> None:
        """Take over the suspensions of anomalies that were found elsewhere."""
        cells = anomalies.column("h3_cell").to_numpy().astype(np.uint64)
        kinds = anomalies.column("kind").to_pylist()
        spans = zip(anomalies.column("from_ns").to_pylist(), anomalies.column("until_ns").to_pylist(), strict=True)
        resolution = resolution_of(cells)
        numbers = {scale.resolution: number for number, scale in enumerate(self._scales)}
        for cell, size, kind, (from_ns, until_ns) in sorted(
            zip(cells.tolist(), resolution.tolist(), kinds, spans, strict=True), key=lambda row: row[3]
        ):
            if size not in numbers or kind not in self._kinds:
                continue
            scale = self._scales[numbers[size]]
            if cell not in scale.code_of:
                lat, lon, _ = centres(np.array([cell], np.uint64))
                self._name(cell, numbers[size], float(lat[0]), float(lon[0]))
            self._hold_cell(self._kinds.index(kind), numbers[size], scale.code_of[cell], from_ns, until_ns)

    def _name(self, cell: int, number: int, lat: float, lon: float) -> None:
        """Give a cell of any resolution a code, by way of the finest cell at its middle."""
        self.codes(cells_at(np.array([lat]), np.array([lon]), self._scales[0].resolution))
        assert cell in self._scales[number].code_of, f"cell {cell:x}"

    def holds(self, place: NDArray[np.int32], t_ns: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Say which rows fall into a suspension.

        Args:
            place: code of each row's finest cell, -1 unknown.
            t_ns: instants [ns, UTC].
        """
        hit = np.zeros(len(place), bool)
        if not len(place) or int(t_ns.min()) >= self._last_until:
            return hit
        for number, scale in enumerate(self._scales):
            if not scale.marked.any():
                continue
            rows = np.flatnonzero(place >= 0)
            code = scale.of_finest[place[rows]]
            rows, code = rows[scale.marked[code]], code[scale.marked[code]]
            if not len(rows):
                continue
            for intervals in self._intervals[number]:
                if intervals:
                    hit[rows] |= _inside(np.array(intervals, np.int64), code, t_ns[rows])
        return hit


def _inside(intervals: NDArray[np.int64], code: NDArray[np.int32], t_ns: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which (code, instant) lie in one of the intervals (code, from, until), which do not overlap within a code."""
    n = len(intervals)
    codes = np.concatenate([intervals[:, 0], code])
    starts = np.concatenate([intervals[:, 1], t_ns])
    order = np.lexsort((np.arange(len(codes)) >= n, starts, codes))
    # The last interval at or before each row in this order; one of another code does not count.
    last = np.maximum.accumulate(np.where(order < n, np.arange(len(order)), -1))
    before = np.where(last >= 0, order[np.maximum(last, 0)], -1)
    query = order >= n
    which, found = order[query] - n, before[query]
    good = found >= 0
    inside = np.zeros(len(code), bool)
    rows, spans = which[good], intervals[found[good]]
    inside[rows] = (spans[:, 0] == code[rows]) & (t_ns[rows] < spans[:, 2])
    return inside
