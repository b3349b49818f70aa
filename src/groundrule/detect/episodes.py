"""Episodes: what holds for some terminals for a while, kept for those few only.

An episode begins with the first observation of a condition, is due after enough time and observations, and ends when the condition
is seen not to hold, or after a gap. While it lasts it is told again only after a rest.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from groundrule.detect.rows import Rows
from groundrule.detect.signals import MAX_OFFENDING, Offending
from groundrule.instant import NS_PER_S


@dataclass(slots=True)
class Episode:
    """One terminal's.

    Attributes:
        began_ns, latest_ns: first and latest observation [ns, UTC].
        count: observations.
        told_ns: when it was last told [ns, UTC]; None not yet.
        first: the first observations, for the signal.
    """

    began_ns: int
    latest_ns: int
    count: int = 0
    told_ns: int | None = None
    first: list[Offending] = field(default_factory=list)


@dataclass(slots=True)
class Episodes:
    """Episodes of one kind, by terminal's row.

    Attributes:
        least_s, least: time and observations until one is due.
        again_s: rest between two signals of one episode [s].
        gap_s: longest time without an observation of it [s].
    """

    least_s: float
    least: int
    again_s: float
    gap_s: float
    open: dict[int, Episode] = field(default_factory=dict)

    def hold(self, row: int, seen: Offending) -> Episode | None:
        """Take an observation at which the condition holds; return the episode if it is due to be told."""
        t = seen.observed_at
        episode = self.open.get(row)
        if episode is None or t - episode.latest_ns > self.gap_s * NS_PER_S:
            episode = self.open[row] = Episode(t, t)
        episode.latest_ns = t
        episode.count += 1
        if len(episode.first) < MAX_OFFENDING - 1:
            episode.first.append(seen)
        if episode.count < self.least or t - episode.began_ns < self.least_s * NS_PER_S:
            return None
        if episode.told_ns is not None and t - episode.told_ns < self.again_s * NS_PER_S:
            return None
        episode.told_ns = t
        return episode

    def end(self, row: int) -> None:
        """Take an observation at which the condition does not hold."""
        self.open.pop(row, None)

    def quoted(self, episode: Episode, seen: Offending) -> tuple[Offending, ...]:
        """The observations that a signal quotes: the first ones and the one that completed it."""
        first = episode.first if episode.first and episode.first[-1] != seen else episode.first[:-1]
        return (*first, seen)


def seen_at(rows: Rows, i: int) -> Offending:
    """Return one of the rows as a signal quotes it; without a place where it has none."""
    lat, lon, sigma = float(rows.lat_deg[i]), float(rows.lon_deg[i]), float(rows.sigma_m[i])
    if np.isnan(lat):
        return Offending(int(rows.t_ns[i]))
    return Offending(int(rows.t_ns[i]), lat, lon, None if np.isnan(sigma) else sigma)
