"""Counting witnesses per cell and step, what is usual there, and which cells are suspended when."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
from groundrule.detect.spans import Spans
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
        more = len(self.ids) - self.until.shape[1]
        if more:
            self.troubled = np.concatenate([self.troubled, np.zeros((self.kinds, more))], axis=1)
            self.spoken = np.concatenate([self.spoken, np.zeros((self.kinds, more))], axis=1)
            self.until = np.concatenate([self.until, np.full((self.kinds, more), np.iinfo(np.int64).min)], axis=1)


Welcome = Callable[[NDArray[np.int32], NDArray[np.float64], NDArray[np.float64], int], NDArray[np.bool_]]
"""Which terminals (by row) would be served at a place [degree] and instant [ns, UTC], by all that is known of them but this place."""


class Suspicions:
    """The state of all cells.

    Args:
        settings: how to watch.
        test: the test of one cell.
        kinds: names of the kinds of trouble.
        bits: flag of each kind.
        welcome: is asked of the witnesses of a cell that might be suspended; who would not be served at its home is none. None: all are.

    Attributes:
        tests: cells tested so far.
        late: words that came after their step had been counted.
    """

    def __init__(
        self, settings: InterferenceSettings, test: AreaTest, kinds: Sequence[str], bits: Sequence[int], welcome: Welcome | None = None
    ) -> None:
        self._welcome = welcome
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
        self._held = [[Spans() for _ in kinds] for _ in self._scales]
        self._spared = [Spans() for _ in kinds]
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
        usual = (_total(finest.troubled[k]) + self._settings.prior_rate * _GLOBAL_WEIGHT) / (
            _total(finest.spoken[k]) + _GLOBAL_WEIGHT
        )
        weight = self._settings.prior_weight
        least = self._test.least + self._test.colluders
        counted = []
        asked = np.zeros(len(words), bool)
        for scale in self._scales:
            cell = scale.of_finest[words["cell"]]
            size = len(scale.ids)
            spoken = np.bincount(cell, minlength=size)
            troubled = np.bincount(cell[hit], minlength=size)
            counted.append((spoken, troubled))
            self.tests += int((spoken >= least).sum())
            asked |= (troubled >= least)[cell]
        over = self._below_held(k, end_ns)
        may = self._may_speak(words, asked | over[words["cell"]], end_ns)
        for number, (scale, (_, troubled)) in enumerate(zip(self._scales, counted, strict=True)):
            candidates = troubled >= least
            if candidates.any():
                rate = (scale.troubled[k] + weight * usual) / (scale.spoken[k] + weight)
                cell = scale.of_finest[words["cell"]]
                among = candidates[cell] & may
                self._judge(k, number, words[among], cell[among], hit[among], rate, end_ns, accounts)
        if self._held_any(k, end_ns):
            self._spare(k, words[may], hit[may], end_ns, accounts)
        held_finest = np.zeros(len(finest.ids), bool)
        for scale in self._scales:
            held_finest |= (scale.until[k] > end_ns)[scale.of_finest]
        for number, (scale, (spoken, troubled)) in enumerate(zip(self._scales, counted, strict=True)):
            # What is usual is learnt from calm times only, or a long interference would become what is usual.
            calm = ~held_finest if number == 0 else scale.until[k] <= end_ns
            scale.spoken[k] += np.where(calm, spoken, 0)
            scale.troubled[k] += np.where(calm, troubled, 0)

    def _may_speak(self, words: NDArray[np.void], asked: NDArray[np.bool_], end_ns: int) -> NDArray[np.bool_]:
        """Which words are of terminals that may be witnesses: of those asked for, who would be served where it is at home.

        Whoever is denied there would gain by a suspension, which takes away the ground of the denial.
        """
        may = np.ones(len(words), bool)
        if self._welcome is None or not asked.any():
            return may
        rows = np.flatnonzero(asked)
        part = words[rows]
        may[rows] = self._welcome(part["terminal"], part["home_lat"].astype(np.float64), part["home_lon"].astype(np.float64), end_ns)
        return may

    def _below_held(self, k: int, end_ns: int) -> NDArray[np.bool_]:
        """Finest cells that are not suspended themselves, below coarse ones that are; those of a step before."""
        finest = self._scales[0]
        above = np.zeros(len(finest.ids), bool)
        for scale in self._scales[1:]:
            above |= (scale.until[k] > end_ns)[scale.of_finest]
        return np.asarray(above & (finest.until[k] <= end_ns))

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
        account = accounts[words["terminal"]]
        votes = _votes(cell, account, hit)
        cells, witnesses, troubled = votes.per_cell()
        chance = self._test.chances(troubled, witnesses, rate[cells])
        found = chance <= self._test.alpha
        if number and found.any():
            # Of the accounts that are troubled, most may sit in one finest cell: enough must be elsewhere.
            against = votes.against[votes.of_row]
            most = _most_in_one_part(cell[hit & against], words["cell"][hit & against], account[hit & against], len(rate))
            found &= troubled - most[cells] - self._test.colluders >= self._settings.elsewhere
        if not found.any():
            return
        rows = np.flatnonzero(hit)
        rows = rows[np.argsort(cell[rows], kind="stable")]
        begin = np.searchsorted(cell[rows], cells[found])
        end = np.searchsorted(cell[rows], cells[found], side="right")
        for i, first, last in zip(np.flatnonzero(found).tolist(), begin.tolist(), end.tolist(), strict=True):
            code = int(cells[i])
            facts: dict[str, Any] = {
                "terminals": last - first,
                "share": float(troubled[i] / witnesses[i]),
                "p_value": float(chance[i]),
                "accounts": int(troubled[i]),
                "witnesses": int(witnesses[i]),
                "base_rate": float(rate[code]),
            }
            row = self._find(k, number, code, end_ns, facts)
            if self._bits[k] == JUMPED and row["p_value"] == facts["p_value"]:
                mine = words[rows[first:last]]
                row |= shape_of(mine["lat"], mine["lon"])

    def _spare(
        self, k: int, words: NDArray[np.void], hit: NDArray[np.bool_], end_ns: int, accounts: NDArray[np.int32]
    ) -> None:
        """Spare finest cells whose own witnesses are calm from what was found of the coarse cells above them.

        As many calm witnesses as could be in league are taken away first, so that liars take no protection from an area.
        """
        among = self._below_held(k, end_ns)[words["cell"]]
        if not among.any():
            return
        words = words[among]
        cells, witnesses, troubled = _votes(words["cell"], accounts[words["terminal"]], hit[among]).per_cell()
        left = witnesses - self._test.colluders
        calm = (left >= self._test.least) & (troubled < self._test.share * left)
        known = end_ns + self._lateness
        for code in cells[calm].tolist():
            self._spared[k].prolong(code, known, known + self._step)

    def _find(self, k: int, number: int, code: int, end_ns: int, found: dict[str, Any]) -> dict[str, Any]:
        """Suspend a cell from when the step has been waited for, or prolong its suspension; returns its anomaly."""
        known = end_ns + self._lateness
        until = known + self._hold
        row = self._open.get((k, number, code))
        if row is not None and known <= row["until_ns"]:
            row["until_ns"] = until
            row["terminals"] = max(row["terminals"], found["terminals"])
            if found["p_value"] < row["p_value"]:
                row |= {name: value for name, value in found.items() if name != "terminals"}
        else:
            row = {
                "h3_cell": self._scales[number].ids[code], "from_ns": known, "until_ns": until, "kind": self._kinds[k],
                "began_ns": end_ns - self._step, **found,
            }  # fmt: skip
            self._open[k, number, code] = row
            self._rows.append(row)
        self._hold_cell(k, number, code, known, until)
        return row

    def _hold_cell(self, k: int, number: int, code: int, from_ns: int, until_ns: int) -> None:
        scale = self._scales[number]
        self._held[number][k].prolong(code, from_ns, until_ns)
        scale.until[k, code] = max(until_ns, scale.until[k, code])
        self._last_until = max(self._last_until, until_ns)

    def found(self) -> list[dict[str, Any]]:
        """Return the anomalies found so far."""
        return [dict(row) for row in self._rows]

    def spared(self) -> list[dict[str, Any]]:
        """Return the finest cells that were spared, by kind and time."""
        ids = self._scales[0].ids
        return [
            {"h3_cell": ids[code], "from_ns": from_ns, "until_ns": until_ns, "kind": kind}
            for kind, spans in zip(self._kinds, self._spared, strict=True)
            for code, from_ns, until_ns in spans.rows
        ]

    def forget(self, before_ns: int) -> None:
        """Leave out anomalies that ended before an instant [ns, UTC]; what is usual in the cells stays."""
        self._rows = [row for row in self._rows if row["until_ns"] >= before_ns]
        self._open = {key: row for key, row in self._open.items() if row["until_ns"] >= before_ns}
        for spans in (*(each for kinds in self._held for each in kinds), *self._spared):
            spans.forget(before_ns)

    def load_spared(self, spared: pa.Table) -> None:
        """Take over the cells that were spared elsewhere."""
        for row in sorted(spared.to_pylist(), key=lambda row: (row["from_ns"], row["h3_cell"])):
            code = int(self.codes(np.array([row["h3_cell"]], np.uint64))[0])
            self._spared[self._kinds.index(row["kind"])].prolong(code, row["from_ns"], row["until_ns"])

    def _held_any(self, k: int, end_ns: int) -> bool:
        return any(bool((scale.until[k] > end_ns).any()) for scale in self._scales[1:])

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

    def any_at(self, t_ns: int) -> bool:
        """Say whether anything is suspended at or after an instant [ns, UTC]."""
        return t_ns < self._last_until

    def holds(
        self, place: NDArray[np.int32], t_ns: NDArray[np.int64], settled: NDArray[np.bool_] | None = None
    ) -> NDArray[np.bool_]:
        """Say which rows fall into a suspension.

        Args:
            place: code of each row's finest cell, -1 unknown.
            t_ns: instants [ns, UTC].
            settled: rows whose own navigation is calm, where their terminal has stayed: what was found of a coarse cell by trouble
                with navigation itself does not concern them.
        """
        hit = np.zeros(len(place), bool)
        if not len(place) or int(t_ns.min()) >= self._last_until:
            return hit
        rows = np.flatnonzero(place >= 0)
        finest, t_ns = place[rows], t_ns[rows]
        for k in range(len(self._kinds)):
            above = np.zeros(len(rows), bool)
            for number, scale in enumerate(self._scales[1:], 1):
                above |= self._held[number][k].hold(scale.of_finest[finest], t_ns)
            if settled is not None and self._bits[k] != RADIO:
                above &= ~settled[rows]
            if above.any():
                above &= ~self._spared[k].hold(finest, t_ns)
            hit[rows] |= above | self._held[0][k].hold(finest, t_ns)
        return hit


@dataclass(slots=True)
class _Votes:
    """One vote per cell and account.

    Attributes:
        cell: of each vote.
        against: whether more than half of the account's terminals there are troubled.
        of_row: the vote that each word went into.
    """

    cell: NDArray[np.int64]
    against: NDArray[np.bool_]
    of_row: NDArray[np.int64]

    def per_cell(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Return the cells, ascending, and their votes: all, and those that are troubled."""
        cells, which = np.unique(self.cell, return_inverse=True)
        which = which.ravel()
        return cells, np.bincount(which, minlength=len(cells)), np.bincount(which[self.against], minlength=len(cells))


def _votes(cell: NDArray[np.int32], account: NDArray[np.int32], hit: NDArray[np.bool_]) -> _Votes:
    key, of_row = np.unique((cell.astype(np.int64) << 32) | account, return_inverse=True)
    of_row = of_row.ravel()
    against = 2 * np.bincount(of_row[hit], minlength=len(key)) > np.bincount(of_row, minlength=len(key))
    return _Votes(key >> 32, against, of_row)


def _most_in_one_part(
    cell: NDArray[np.int32], part: NDArray[np.int32], account: NDArray[np.int32], cells: int
) -> NDArray[np.int64]:
    """Return, for each coarse cell, how many of the given accounts the finest cell with most of them has."""
    most = np.zeros(cells, np.int64)
    if len(cell):
        trios = np.unique(np.stack([cell, part, account], axis=1), axis=0)
        first = np.concatenate([[True], (np.diff(trios[:, :2], axis=0) != 0).any(axis=1)])
        counts = np.diff(np.append(np.flatnonzero(first), len(trios)))
        np.maximum.at(most, trios[first, 0], counts)
    return most


def _total(counts: NDArray[np.float64]) -> float:
    """Sum counts of cells, to the last bit the same in whatever order the cells came into view."""
    return float(np.sort(counts[counts != 0]).sum())
