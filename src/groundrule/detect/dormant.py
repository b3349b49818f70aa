"""Dormant at a front: it slept for long, and the first thing it does then is to be at a front line.

What: no observation for `sleep_days`, or none at all since an activation that observations go back to; then at a front from its
first sample on, at least `far_m` from where it was last seen.

Why: stocks are bought early, in other names, and unpacked where they are used.

Not raised: a terminal that wakes where it fell asleep (a power cut of weeks, an evacuated house whose owner returns, a farmer's
field in spring), one that is first seen elsewhere, and those of a protected class: relief stores sleep too.

Strength is a rule of thumb.
"""

from __future__ import annotations

from dataclasses import dataclass

from numba import njit


@dataclass(frozen=True, slots=True)
class DormantSettings:
    """Thresholds; rules of thumb on simulated terminals.

    Attributes:
        sleep_days: without an observation [d], below 255.
        far_m: least distance from the place where it was last seen [m]; 11 km is one cell of first use.
        front_samples: samples in a row at a front, at least 10 s apart each [1 to 15].
        seen_before: strength where it is known where it slept from.
        unseen: strength where it was never observed since its activation.
    """

    sleep_days: float = 21.0
    far_m: float = 20_000.0
    front_samples: int = 4
    seen_before: float = 0.5
    unseen: float = 0.35


@njit(cache=True, nogil=True)
def fall_asleep(m, slept_s: float, sleep_days: float) -> None:  # type: ignore[no-untyped-def]  # a record; typed by numba
    """Take the time without an observation, at the observation that ends it."""
    days = slept_s / 86_400.0
    if days >= sleep_days:
        m.slept_days = min(255, int(days))
