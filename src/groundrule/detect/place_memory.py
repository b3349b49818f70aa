"""What the behaviours about places remember of each terminal: one record of 39 bytes, so that a row costs one access to memory.

Positions are taken as samples at least SAMPLE_S apart, so that a burst of reports is one witness and not many.
Times are whole seconds since 1970 (uint32, good until 2106); 0 is never.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit

from groundrule.detect.rows import NOWHERE

SAMPLE_S: Final = 10
"""Least time between two positions that count [s]."""

STEP_S: Final = 120
"""Longest way between two samples that speaks of motion on the ground [s]."""
WALK_M_S: Final = 4.2
"""Slower than that, a terminal does not drive [m/s]; 15 km/h."""

PLACE_DTYPE: Final = np.dtype(
    [
        ("t_seen", "u4"),  # latest observation of all [s]
        ("since_sample", "u2"),  # from the latest sample to t_seen [s]; LONG is that or longer
        ("lat", "f4"), ("lon", "f4"),  # latest sample [degree; NaN none], good to 2 m
        ("country", "i2"), ("next_country", "i2"), ("country_since", "u4"),  # settled, and the one that it may change to
        ("side", "u1"), ("next_side", "u1"), ("side_since", "u4"),
        ("away_day", "u2"),  # day since 1970 since which it is used outside the country of its activation; 0 it is not
        ("first_use", "u4"),  # cell of FIRST_USE_DEG of its first sample, from 1; 0 none
        ("slept_days", "u1"),  # of the sleep that it woke from, until its place says that it does not matter
        ("counts", "u1"),  # samples in a row: bits 0-1 next_country, 2-3 next_side, 4-7 at a front
        ("flags", "u1"),
        ("elsewhere_day", "u1"), ("roaming_day", "u1"),  # day of the latest signal, modulo 255, from 1; 0 none
    ]
)  # fmt: skip

SAMPLE_DTYPE: Final = np.dtype(
    [
        ("row", "i4"), ("place", "i4"), ("t", "i8"), ("index", "i8"),  # [s]; of its observation in the batch
        ("lat", "f8"), ("lon", "f8"), ("speed", "f4"), ("course", "f4"),  # of the way since the sample before [m/s, radian from north]
        ("moving", "u1"), ("seen_home", "u1"), ("away_days", "u2"),
    ]
)  # fmt: skip
"""A terminal's first sample of a minute, where it may be in company: it moves on the ground, or lies still away from home."""

EVENT_DTYPE: Final = np.dtype([("index", "i8"), ("what", "u1")])
"""A row at which a terminal was settled in a country for the first time, or was at a front for the first time."""
EVENT_SETTLED: Final = 1
EVENT_FRONT: Final = 2

LONG: Final = 65_535
FIRST_USE_DEG: Final = 0.1
"""Size of the cells in which the place of first use is kept [degree]: 11 km, which is enough to tell a hundred."""

HOME_SEEN: Final = np.uint8(1)
"""It was seen in the country of its activation."""
FRONT_TOLD: Final = np.uint8(2)
"""Use elsewhere at a front was already told."""
STILL_AT_BORDER: Final = np.uint8(8)
"""It lay still when its country began to change: a border may have moved over it."""
STILL_AT_LINE: Final = np.uint8(16)
"""Likewise of a control line."""
UNSEEN: Final = np.uint8(32)
"""It was never observed before it woke."""
AT_HOME: Final = np.uint8(64)
"""The country that it is settled in is that of its activation: nothing needs to be asked."""

FRONT_SEEN: Final = np.uint8(128)
"""It was at a front."""


def place_memory(terminals: int) -> np.ndarray:
    """Return the memory of terminals that were never seen."""
    memory = np.zeros(terminals, PLACE_DTYPE)
    memory["lat"] = memory["lon"] = np.nan
    memory["country"] = memory["next_country"] = NOWHERE
    memory["since_sample"] = LONG
    return memory


@njit(cache=True, nogil=True)
def day_mark(t: int) -> int:
    """Mark of a day in one byte, never 0."""
    return (t // 86_400) % 255 + 1


@njit(cache=True, nogil=True)
def days_since(mark: int, t: int) -> int:
    """Days since the day of a mark, at most 254; 255 if there is none."""
    return 255 if mark == 0 else (day_mark(t) - mark) % 255


@njit(cache=True, nogil=True)
def first_use_cell(lat: float, lon: float) -> int:
    """Number of the cell of a place of first use, from 1."""
    return int((lat + 90.0) / FIRST_USE_DEG) * 3_600 + int((lon + 180.0) / FIRST_USE_DEG) % 3_600 + 1


def first_use_places(cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the middles of cells of first use [degree; NaN for 0]."""
    number = cells.astype(np.int64) - 1
    known = number >= 0
    lat = np.where(known, (number // 3_600 + 0.5) * FIRST_USE_DEG - 90.0, np.nan)
    lon = np.where(known, (number % 3_600 + 0.5) * FIRST_USE_DEG - 180.0, np.nan)
    return lat, lon
