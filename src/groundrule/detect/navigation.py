"""Signals about one terminal's navigation: satellite navigation switched off, and a reported place that its radio refutes.

`gnss_inhibited`: the terminal says that its satellite navigation is switched off, for `inhibited_s`. It has honest uses against
jamming, so it is a signal and never a verdict, it is weak, and it is not raised of a terminal that was in a disturbed area within
the last `excuse_h` hours: there it is what one should do.

`spoofed_position`: the radio refutes the reported place again and again for `spoofed_s`, with no radio that confirms it between.
One verdict is wrong for one in a thousand honest claims (docs/verify.md); verdicts of several slots are
less often wrong together, but a fault of one terminal's clock or calibration repeats, so strength stays a rule of thumb. A
receiver that is led astray looks the same as an owner who lies; in a disturbed area, where everybody's does, rows are suspended
and count for nothing here.

One byte a terminal; the rest only for those few that something is being watched of.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from groundrule.detect.episodes import Episodes, seen_at
from groundrule.detect.memory import grown
from groundrule.detect.rows import INCONSISTENT, SUSPENDED, Facts, Places, Rows
from groundrule.detect.signals import Signal
from groundrule.records import GNSS_STATES

INHIBITED = GNSS_STATES.index("inhibited")
CONSISTENT = 1
_OPEN = 128
_HOURS = 127


@dataclass(frozen=True, slots=True)
class NavigationSettings:
    """Thresholds; rules of thumb on simulated terminals.

    Attributes:
        inhibited_s: switched off for so long [s].
        excuse_h: after the terminal was in a disturbed area [h], at most 100.
        inhibited, inhibited_at_front: strengths.
        spoofed_s: refuted for so long [s]; three slots of verification of 60 s.
        spoofed_rows: and at so many observations.
        spoofed: strength.
        again_s: told again after so long at the earliest, half of how long it counts [s].
        gap_s: longest time between two observations of one episode [s].
    """

    inhibited_s: float = 300.0
    excuse_h: float = 24.0
    inhibited: float = 0.15
    inhibited_at_front: float = 0.3
    spoofed_s: float = 180.0
    spoofed_rows: int = 4
    spoofed: float = 0.7
    again_s: float = 1_800.0
    gap_s: float = 900.0


class Navigation:
    """Memory of whose navigation is switched off or refuted."""

    def __init__(self, settings: NavigationSettings | None = None, terminals: int = 0) -> None:
        self.settings = s = settings or NavigationSettings()
        self.marks: NDArray[np.uint8] = np.zeros(terminals, np.uint8)
        self._inhibited = Episodes(s.inhibited_s, 4, s.again_s, s.gap_s)
        self._spoofed = Episodes(s.spoofed_s, s.spoofed_rows, s.again_s, s.gap_s)

    @property
    def nbytes(self) -> int:
        """Memory held a terminal [bytes]; open episodes come on top, some hundred bytes each."""
        return self.marks.nbytes

    def grow(self, terminals: int) -> None:
        """Make room for terminals that were not known before."""
        self.marks = grown(self.marks, terminals, lambda more: np.zeros(more, np.uint8))

    def update(self, rows: Rows, facts: Facts, places: Places, name: Callable[[int], str]) -> list[Signal]:
        """Take observations in order of time, and say what they raise; see `Whereabouts.update`."""
        self.grow(len(facts))
        chosen, excused = np.empty(len(rows), np.int64), np.empty(len(rows), np.bool_)
        many = _watch(self.marks, rows.row, rows.t_ns, rows.gnss, rows.verdict, self.settings.excuse_h, chosen, excused)
        signals: list[Signal] = []
        for i, excuse in zip(chosen[:many].tolist(), excused[:many].tolist(), strict=True):
            row, gnss, verdict = int(rows.row[i]), int(rows.gnss[i]), int(rows.verdict[i])
            seen = seen_at(rows, i)
            if gnss == INHIBITED and not excuse:
                episode = self._inhibited.hold(row, seen)
                if episode is not None:
                    place = int(rows.place[i])
                    at_front = place >= 0 and bool(places.front[place])
                    strength = self.settings.inhibited_at_front if at_front else self.settings.inhibited
                    minutes = (seen.observed_at - episode.began_ns) / 60e9
                    signals.append(Signal(
                        "gnss_inhibited", name(row), seen.observed_at, episode.began_ns, strength, seen.lat_deg, seen.lon_deg,
                        found=(("time switched off", minutes, "min"),), offending=self._inhibited.quoted(episode, seen),
                    ))  # fmt: skip
            else:
                self._inhibited.end(row)
            if verdict == INCONSISTENT and gnss != SUSPENDED:
                episode = self._spoofed.hold(row, seen)
                if episode is not None:
                    away = float(rows.radio_distance_m[i])
                    found = (("refuted observations", float(episode.count), ""),)
                    signals.append(Signal(
                        "spoofed_position", name(row), seen.observed_at, episode.began_ns, self.settings.spoofed,
                        seen.lat_deg, seen.lon_deg, offending=self._spoofed.quoted(episode, seen),
                        found=found if np.isnan(away) else (*found, ("radio from claim", away, "m")),
                    ))  # fmt: skip
            elif verdict == CONSISTENT or gnss == SUSPENDED:
                self._spoofed.end(row)
        for row in np.unique(rows.row[chosen[:many]]).tolist():
            if row not in self._inhibited.open and row not in self._spoofed.open:
                self.marks[row] &= _OPEN - 1
        return signals


@njit(cache=True, nogil=True)
def _watch(marks, row, t_ns, gnss, verdict, excuse_h, chosen, excused):  # type: ignore[no-untyped-def]  # compiled; typed by numba
    """Choose the rows that matter, and say of each whether its terminal was in a disturbed area shortly before.

    A mark has the hour of the latest suspended row in seven bits, from 1, and in the eighth whether something is open.
    """
    many = 0
    for i in range(len(row)):
        mark = marks[row[i]]
        plain = gnss[i] != SUSPENDED and gnss[i] != INHIBITED and verdict[i] != INCONSISTENT
        if mark == 0 and plain:
            continue
        hour = (t_ns[i] // 3_600_000_000_000) % _HOURS + 1
        told = mark & (_OPEN - 1)
        if gnss[i] == SUSPENDED:
            told = hour
        elif told != 0 and (hour - told) % _HOURS > excuse_h:
            told = 0
        is_open = mark & _OPEN
        if is_open or (gnss[i] == INHIBITED and told == 0) or (verdict[i] == INCONSISTENT and gnss[i] != SUSPENDED):
            chosen[many] = i
            excused[many] = told != 0
            many += 1
            is_open = _OPEN
        marks[row[i]] = told | is_open
    return many
