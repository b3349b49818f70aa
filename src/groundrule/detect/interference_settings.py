"""How areas are watched for interference: all numbers of the watch in one place."""

from __future__ import annotations

from dataclasses import dataclass, field

from groundrule.detect.area_test import AreaTest
from groundrule.detect.gnss_track import TrackLimits


@dataclass(frozen=True, slots=True)
class InterferenceSettings:
    """How areas are watched.

    Attributes:
        resolutions: H3 resolutions of the cells, finest first; 5 is 250 km², 4 is 1,770 km², 3 is 12,400 km², 2 is 87,000 km².
        elsewhere: in cells that are not the finest, troubled witnesses that must be outside the finest cell that has most of
            them, besides the colluders.
        step_s: how often is counted [s].
        window_s: the latest word of a terminal counts for so long [s].
        radio_window_s: a verification counts for so long [s].
        lateness_s: how long a step waits for rows that are under way [s].
        hold_s: how long an area stays suspended after it was last found [s].
        half_life_s: after so long, what was usual counts half [s].
        prior_rate: usual rate of trouble before anything is known.
        prior_weight: words of terminals that the rate of all cells weighs in the rate of one.
        test: the test where accounts are known.
        nameless: the test where they are not, and every terminal must be taken for an account.
        track: what a terminal can do.
    """

    resolutions: tuple[int, ...] = (5, 4, 3, 2)
    elsewhere: int = 3
    step_s: float = 15.0
    window_s: float = 60.0
    radio_window_s: float = 300.0
    lateness_s: float = 15.0
    hold_s: float = 300.0
    half_life_s: float = 21_600.0
    prior_rate: float = 0.01
    prior_weight: float = 500.0
    test: AreaTest = field(default_factory=AreaTest)
    nameless: AreaTest = field(default_factory=lambda: AreaTest(least=5, colluders=6))
    track: TrackLimits = field(default_factory=TrackLimits)
