"""Coverage: for what share of a day each loaded constellation stands over an area. Geometry only.

A satellite counts at a point while it is at or above the mask. That says nothing of licences, gateways, beams, spectrum,
capacity or terminals: another constellation could cover the area, not that it does or may.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from groundrule.errors import InputError, OutOfRange
from groundrule.instant import NS_PER_S
from groundrule.orbit.elements import Elements, counts
from groundrule.orbit.propagate import MAX_AGE_S, MAX_AHEAD_S, Propagator
from groundrule.orbit.status import for_use
from groundrule.orbit.visible import VisibilityIndex
from groundrule.pipeline.area_cells import points_in

FOUR = 4
"""Satellites at once that a receiver would need to find its place by them alone."""
_STATES = 2_000_000

NAVIGATION = frozenset({"gps", "beidou", "galileo", "glonass"})
"""Constellations that carry no traffic, and are no other provider."""

UNSORTED = "other"
"""Satellites of which no constellation is known; they are none together."""

NOTE = "Geometry only: no claim of licence, spectrum, gateways, beams or capacity."


@dataclass(frozen=True, slots=True)
class Constellation:
    """What one constellation would cover.

    Attributes:
        name: of the constellation.
        satellites: with elements. usable: of those with a state at the middle of the time.
        generated: all of them are made from published shells.
        incomplete: why satellites are surely missing, or None.
        one: share of the time with at least one satellite, per point (float64, shape (points,)).
        four: the same with at least four.
        mean: satellites at once on average, per point.
        gap_s: longest time without any, per point [s; in whole steps]; the whole time where there is never one.
    """

    name: str
    satellites: int
    usable: int
    generated: bool
    incomplete: str | None
    one: NDArray[np.float64]
    four: NDArray[np.float64]
    mean: NDArray[np.float64]
    gap_s: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Coverage:
    """Coverage of an area.

    Attributes:
        lat_deg, lon_deg: points [degree]. cells: the H3 cell that each stands for.
        from_ns, until_ns, step_s, mask_deg: when and above which elevation.
        constellations: by name.
        digest: of the elements used.
    """

    lat_deg: NDArray[np.float64]
    lon_deg: NDArray[np.float64]
    cells: NDArray[np.uint64]
    from_ns: int
    until_ns: int
    step_s: float
    mask_deg: float
    constellations: tuple[Constellation, ...]
    digest: str


def providers(elements: Elements, wanted: Sequence[str] = ()) -> Elements:
    """Return the satellites of constellations that could carry traffic, or of those that are named.

    Raises:
        InputError: a named one is not loaded, or none is left.
    """
    loaded = sorted(set(elements.constellation.tolist()))
    if missing := [name for name in wanted if name not in loaded]:
        raise InputError(f"no loaded constellation is called `{missing[0][:60]}`", help="loaded are: " + ", ".join(loaded))
    chosen = list(wanted) or [name for name in loaded if name not in NAVIGATION and name != UNSORTED]
    if not chosen:
        raise InputError("no constellation that could carry traffic is loaded", help="loaded are: " + (", ".join(loaded) or "none"))
    return elements.of_constellation(*chosen)


def coverage(
    area: shapely.Geometry,
    elements: Elements,
    *,
    from_ns: int,
    hours: float = 24.0,
    step_s: float = 120.0,
    mask_deg: float = 25.0,
    points: int = 400,
    max_age_s: float = MAX_AGE_S,
    max_ahead_s: float = MAX_AHEAD_S,
    progress: Callable[[str, int], None] | None = None,
) -> Coverage:
    """Return what each constellation covers of an area.

    Args:
        area: polygons in longitude and latitude [degree].
        elements: of all constellations.
        from_ns: start [ns, UTC].
        hours, step_s: length [h], and how often is looked [s].
        mask_deg: lowest elevation [degree].
        points: at most so many, spread evenly.
        max_age_s, max_ahead_s: limits of the elements' age at the middle of the time [s].
    Raises:
        InputError: there are no elements. StaleElements: none is usable. OutOfRange: hours, step or points.
    """
    if not (0.0 < hours <= 744.0 and 1.0 <= step_s <= 3_600.0 and 1 <= points <= 10_000):
        raise OutOfRange(
            f"{hours:g} hours in steps of {step_s:g} s at {points} points cannot be looked at",
            help="up to 744 hours, steps of 1 to 3,600 s, 1 to 10,000 points",
        )
    if not len(elements):
        raise InputError("there are no elements", help="import some with: groundrule orbits import FILE")
    lat, lon, cells = points_in(area, points)
    steps = max(1, round(hours * 3_600.0 / step_s))
    times = from_ns + np.round(np.arange(steps) * step_s * NS_PER_S).astype(np.int64)
    middle = int(times[len(times) // 2])
    used = for_use(elements, middle)
    used.check_age(middle, max_age_s=max_age_s, max_ahead_s=max_ahead_s)
    # The limits hold at the middle; for a day's half before and after it nothing is refused again.
    fresh = Propagator(used, max_age_s=max_age_s, max_ahead_s=max_ahead_s).at(middle).code[:, 0] == 0
    known = used.select(fresh)
    names = sorted(set(used.constellation.tolist()))
    kind = np.searchsorted(np.array(names), known.constellation.astype(str)).astype(np.int64)
    tally = _Tally.empty(len(lat), len(names))
    if len(known):
        propagator = Propagator(known, max_age_s=None, max_ahead_s=None)
        for first in range(0, steps, max(1, _STATES // len(known))):
            part = times[first : first + max(1, _STATES // len(known))]
            states = propagator.at(part)
            for k in range(len(part)):
                index = VisibilityIndex.build(states.r_m[:, k])
                seen = index.visible(lat, lon, mask_deg=mask_deg)
                point = np.repeat(np.arange(len(lat)), np.diff(seen.offsets))
                pairs = point * len(names) + kind[seen.satellite]
                tally.add(np.bincount(pairs, minlength=len(lat) * len(names)).reshape(len(lat), -1))
            if progress:
                progress("looking at the sky", len(part))
    satellites = dict(counts(used))
    found = []
    for c, name in enumerate(names):
        mine = used.constellation == name
        found.append(
            Constellation(
                name, satellites[name], int((kind == c).sum()), bool(used.generated[mine].all()), used.incomplete(name),
                tally.one[:, c] / steps, tally.four[:, c] / steps, tally.total[:, c] / steps,
                np.maximum(tally.longest[:, c], tally.running[:, c]) * step_s,
            )
        )
    return Coverage(lat, lon, cells, from_ns, from_ns + round(steps * step_s * NS_PER_S), step_s, mask_deg, tuple(found), used.digest)


@dataclass(slots=True)
class _Tally:
    """Counts over the steps, by point and constellation."""

    one: NDArray[np.int64]
    four: NDArray[np.int64]
    total: NDArray[np.int64]
    running: NDArray[np.int64]
    longest: NDArray[np.int64]

    @classmethod
    def empty(cls, points: int, names: int) -> _Tally:
        return cls(*(np.zeros((points, names), np.int64) for _ in range(5)))

    def add(self, seen: NDArray[np.int64]) -> None:
        self.one += seen >= 1
        self.four += seen >= FOUR
        self.total += seen
        self.longest = np.maximum(self.longest, self.running)
        self.running = np.where(seen == 0, self.running + 1, 0)
