"""Service that does not follow the decisions: served where none was decided, and refused where it was.

What: `Rows.served` is what the network measured (data flowed, or none did), `Rows.denied` the decision in force. A contradiction
that lasts longer than the network needs to follow a decision is told.

Why: this is the only way to see an order that nobody recorded: somebody switches a region off, or a terminal on, beside the
rules. It is evidence about the operator, never about the terminal: it is attached to no observation and denies nobody.

One terminal that is refused is usually a tree before its antenna or a fault, so that is weak; where `together` of
one neighbourhood are refused at a time it is a region's, and gets a group. In an outage terminals are silent and nothing is told; a
fault of a ground station looks the same as an order, and only a person can tell.

One byte a terminal; the rest only for those few that something is being watched of.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from groundrule.detect.episodes import Episode, Episodes, seen_at
from groundrule.detect.memory import grown
from groundrule.detect.rows import UNKNOWN, Facts, Places, Rows
from groundrule.detect.signals import Offending, Signal

_SERVED, _REFUSED = 1, 2


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """Thresholds; rules of thumb.

    Attributes:
        served_grace_s: the network stops service within so long after a denial [s].
        refused_grace_s: it gives service within so long, restarts and short faults included [s].
        served: strength of service against a decision.
        refused, refused_together: strength of refusal of one, and of many of one neighbourhood.
        together: refused ones of one neighbourhood at a time.
        neighbourhood_deg: size of a neighbourhood [degree]; 28 km.
        again_s: told again after so long at the earliest, half of how long it counts [s].
        gap_s: longest time between two observations of one episode [s].
    """

    served_grace_s: float = 180.0
    refused_grace_s: float = 600.0
    served: float = 0.7
    refused: float = 0.1
    refused_together: float = 0.5
    together: int = 10
    neighbourhood_deg: float = 0.25
    again_s: float = 43_200.0
    gap_s: float = 900.0


class Service:
    """Memory of whose service contradicts the decisions."""

    def __init__(self, settings: ServiceSettings | None = None, terminals: int = 0) -> None:
        self.settings = s = settings or ServiceSettings()
        self.marks: NDArray[np.uint8] = np.zeros(terminals, np.uint8)
        self._served = Episodes(s.served_grace_s, 3, s.again_s, s.gap_s)
        self._refused = Episodes(s.refused_grace_s, 3, s.again_s, s.gap_s)
        self._neighbours: dict[tuple[int, int], dict[int, tuple[str, Episode, bool]]] = {}

    @property
    def nbytes(self) -> int:
        """Memory held a terminal [bytes]; open episodes come on top, some hundred bytes each."""
        return self.marks.nbytes

    def grow(self, terminals: int) -> None:
        """Make room for terminals that were not known before."""
        self.marks = grown(self.marks, terminals, lambda more: np.zeros(more, np.uint8))

    def update(
        self,
        rows: Rows,
        facts: Facts,
        places: Places,  # noqa: ARG002 - all detectors are given the same
        name: Callable[[int], str],
    ) -> list[Signal]:
        """Take observations in order of time, each with what was measured and decided; say what they raise."""
        self.grow(len(facts))
        chosen = np.empty(len(rows), np.int64)
        many = _contradictions(self.marks, rows.row, rows.served, rows.denied, chosen)
        signals: list[Signal] = []
        for i in chosen[:many].tolist():
            row, served, denied = int(rows.row[i]), int(rows.served[i]), int(rows.denied[i])
            if UNKNOWN in (served, denied):
                continue
            seen = seen_at(rows, i)
            if served and denied:
                self._refused.end(row)
                episode = self._served.hold(row, seen)
                if episode is not None:
                    minutes = (seen.observed_at - episode.began_ns) / 60e9
                    signals.append(Signal(
                        "served_against_decision", name(row), seen.observed_at, episode.began_ns, self.settings.served,
                        seen.lat_deg, seen.lon_deg, found=(("time served", minutes, "min"),),
                        offending=self._served.quoted(episode, seen),
                    ))  # fmt: skip
            elif not served and not denied:
                self._served.end(row)
                signals += self._refuse(row, seen, name(row))
            else:
                self._served.end(row)
                self._refused.end(row)
        for row in np.unique(rows.row[chosen[:many]]).tolist():
            self.marks[row] = _SERVED * (row in self._served.open) | _REFUSED * (row in self._refused.open)
        return signals

    def _refuse(self, row: int, seen: Offending, name: str) -> list[Signal]:
        episode = self._refused.hold(row, seen)
        if episode is None:
            return []
        s = self.settings
        minutes = (seen.observed_at - episode.began_ns) / 60e9
        signal = Signal(
            "refused_against_decision", name, seen.observed_at, episode.began_ns, s.refused, seen.lat_deg, seen.lon_deg,
            found=(("time refused", minutes, "min"),), offending=self._refused.quoted(episode, seen),
        )  # fmt: skip
        if seen.lat_deg is None or seen.lon_deg is None:
            return [signal]
        cell = (int(np.floor(seen.lat_deg / s.neighbourhood_deg)), int(np.floor(seen.lon_deg / s.neighbourhood_deg)))
        around = self._neighbours.setdefault(cell, {})
        for other in [other for other, (_, told, _) in around.items() if self._refused.open.get(other) is not told]:
            del around[other]
        around[row] = name, episode, False
        if len(around) < s.together:
            return [signal]
        south, west = (part * s.neighbourhood_deg for part in cell)
        signals = []
        for other, (named, told, grouped) in around.items():
            # Those who were told alone are told again, as part of it.
            if not grouped:
                around[other] = named, told, True
                minutes = (seen.observed_at - told.began_ns) / 60e9
                where = told.first[0]
                signals.append(Signal(
                    signal.kind, named, seen.observed_at, told.began_ns, s.refused_together, where.lat_deg, where.lon_deg,
                    f"place:{south:.2f},{west:.2f}",
                    (("time refused", minutes, "min"), ("refused in the neighbourhood", float(len(around)), "")), tuple(told.first),
                ))  # fmt: skip
        return sorted(signals, key=lambda one: one.terminal_id)


@njit(cache=True, nogil=True)
def _contradictions(marks, row, served, denied, chosen):  # type: ignore[no-untyped-def]  # compiled; typed by numba
    """Choose rows whose service contradicts the decision, and rows of terminals for which it lately did."""
    many = 0
    for i in range(len(row)):
        if served[i] == UNKNOWN or denied[i] == UNKNOWN:
            continue
        if served[i] == denied[i]:
            marks[row[i]] = 3
        elif marks[row[i]] == 0:
            continue
        chosen[many] = i
        many += 1
    return many
