"""Drone-like flight: a launch that nothing with wheels, rotor or runway makes, or a straight fast flight over a front.

What. One-way attack drones fly 150 to 200 km/h, from a rail or a rocket booster: at rest, and one report later at cruising speed.
They are found by two patterns, each of several estimates in a row:

- **launch**: wholly at rest for a while, then, from one step to the next, three whole steps at one speed within the band, straight.
  Cars, trains, helicopters and aeroplanes gain speed over more than one step of 15 s; a car that does not is slower than the
  band or does not hold it. Where an altitude is given, the flight must climb.
- **cruise over a front**: minutes of straight flight within the band, where an area is tagged as a front and the plan is known
  and not one of aviation. Elsewhere the same motion is that of a helicopter or a light aeroplane, and no signal is raised:
  position alone does not tell them apart.

Why. E10 of the requirements: terminals on drones in January 2026. A speed limit finds trains and no drone of the real tracks.

What it cannot see: a drone that is switched on in flight away from a front; one that is launched from a moving vehicle away from
a front; slow fixed-wing drones, whose start is that of a car; multirotors: a vertical start, told by altitudes, was tried, found one
in twenty-five of simulated ones and was taken for by paragliders more often than is allowed; anything from cells alone.

Sources: press reports of 150 to 190 km/h; published dynamics in docs/platform-model.md. Rates: `detect.rates`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from groundrule.detect.track import FLYING, LOW, STEPS, UNEVEN, climbed_m, shape_of_steps

NOTHING, LAUNCH, CRUISE = 0, 1, 2
"""By which pattern a flight was found."""


@dataclass(frozen=True, slots=True)
class DroneSettings:
    """The patterns.

    Attributes:
        slow_m_s, fast_m_s: band of speed [m/s]; 130 and 215 km/h: reported 150 to 190 km/h, with a margin for wind.
        launch_m_s: slowest after a launch [m/s]; 140 km/h is above every speed limit of roads but the unlimited ones.
        rest_s: at least so long at rest before a launch [s]; longer than a stop at a light, and than a glider seems at rest whose
            circles last as long as a step.
        front_rest_s: the same over a front [s]; there the band begins at slow_m_s.
        still_m_s: fastest in the last step before it [m/s]; resting receivers with a free sky are below. What had begun to roll was
            not launched.
        spread: of the steps after a launch, slowest and fastest differ by at most this share of their mean, over a front by twice it; a
            run on a runway gains more.
        unclear_from, unclear_to: where the step in which it started has this share of the speed, a run on a runway of 2 to 3.3 m/s2
            would look the same, and it is a launch only over a front.
        straight: net over covered way of these steps, at least; 0.97 allows a turn of 30 degrees.
        step_s: longest step by which a launch is judged [s]; in a longer one a car gains speed unseen.
        climb_m: climb since rest at the time of the raise, where altitudes are given [m]; above their noise.
        cruise_s: duration of a straight flight over a front [s].
        cruise_straight: its straightness over five steps.
    """

    slow_m_s: float = 130 / 3.6
    fast_m_s: float = 215 / 3.6
    launch_m_s: float = 140 / 3.6
    rest_s: float = 180.0
    front_rest_s: float = 60.0
    still_m_s: float = 0.8
    spread: float = 0.05
    unclear_from: float = 0.16
    unclear_to: float = 0.72
    straight: float = 0.97
    step_s: float = 22.0
    climb_m: float = 15.0
    cruise_s: float = 120.0
    cruise_straight: float = 0.995

    @property
    def values(self) -> tuple[float, ...]:
        """For the compiled pass, in the order in which `found_by` reads them."""
        return (
            self.slow_m_s, self.launch_m_s, self.fast_m_s, self.rest_s, self.front_rest_s, self.still_m_s, self.spread, self.unclear_from,
            self.unclear_to, self.straight, self.climb_m, self.cruise_s, self.cruise_straight,
        )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy")
def found_by(  # type: ignore[no-untyped-def]  # compiled; typed by numba
    m, in_band_s, front, values
):
    """Say by which pattern the flight of a terminal is found after its newest step.

    Args:
        m: its record.
        in_band_s: how long it has been in the band [s].
        front: is it over a front, on a plan that is known and not one of aviation?
        values: DroneSettings.values.
    """
    (slow, launch, fast, rest_s, front_rest_s, still, spread, unclear_from, unclear_to, straight, climb_m, cruise_s,
     cruise_straight) = values  # fmt: skip
    steps = m.steps & LOW
    climbed = climbed_m(m)
    slowest, mean, fastest, along = shape_of_steps(m, 3)
    level = slowest >= slow and fastest <= fast
    if m.flags & FLYING and level:
        return CRUISE
    rested = m.rest_s >= (front_rest_s if front else rest_s) and not m.flags & UNEVEN
    even = fastest - slowest <= (2.0 if front else 1.0) * spread * mean and along >= straight
    if rested and even and slowest >= (slow if front else launch) and fastest <= fast:
        before, first = 0.0, 0.0
        if steps == 3:
            before, first = _speed(m.e3, m.n3), mean
        elif steps == 4:
            before, first = _speed(m.e4, m.n4), _speed(m.e3, m.n3)
        # A run on a runway covers about half of a step; what was off at once covers any part of it.
        clear = first <= unclear_from * mean or first >= unclear_to * mean
        if steps in {3, 4} and (front or (clear and before <= still)) and (np.isnan(climbed) or climbed >= climb_m):
            return LAUNCH
    if front and level and in_band_s >= cruise_s and shape_of_steps(m, STEPS)[3] >= cruise_straight:
        return CRUISE
    return NOTHING


@njit(cache=True, nogil=True, error_model="numpy")
def _speed(e: int, n: int) -> float:
    return 0.1 * np.sqrt(np.float64(e) * e + np.float64(n) * n)
