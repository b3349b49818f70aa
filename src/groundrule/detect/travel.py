"""Impossible travel: a terminal that is far from where it was, sooner than anything could bring it there, and stays there.

What. A fix is out of reach if the way from the last one is longer than the fastest aircraft covers in the time between, with five
standard deviations (or the radii of cells) and an allowance given on top. One fix out of reach says that a fix is bad: it raises
`displaced_fix`, a word about data and nothing about the terminal. Only when the new place holds for minutes and several fixes, none at
the old one between them, and the old one had been established too, did the terminal do what cannot be done.

Two fixes never suffice; neither do jumps of phones under ground (a few kilometres), moored ships or resting receivers, for all these
stay within reach. A stay in a disturbed area voids both places: a receiver that is led astray travels impossibly and is innocent.

Sources: the fastest ground speeds of airliners in a jet stream are near 360 m/s; 400 leaves a margin.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from groundrule.instant import MIN_NS

OTHER_DTYPE = np.dtype(
    [
        ("t", "i8"), ("since", "i8"), ("swapped_since", "i8"),
        ("quiet_displaced", "i8"), ("quiet_impossible", "i8"), ("quiet_cloned", "i8"),
        ("lat", "f8"), ("lon", "f8"), ("err", "f4"), ("fixes", "u2"), ("swaps", "u2"),
    ]
)  # fmt: skip
"""The other place of a terminal that had a fix out of reach: last seen there [ns], the present stay and the alternation since [ns],
until when each kind is not raised again [ns], position [degree], doubt [m], fixes of the present stay, returns to it."""


@dataclass(frozen=True, slots=True)
class TravelSettings:
    """What can be done.

    Attributes:
        fastest_m_s: speed that nothing on board of which a terminal works exceeds [m/s].
        allowance_m: added to every way [m]: wrong clocks of seconds, positions by networks.
        sigmas: of both fixes' doubt (2 sigma each, or a cell's radius) this many times is added.
        fixes: at the new place, without one at the old, at least.
        lasting_s: over so long a time [s]. Disturbed areas are found within two minutes.
        established: fixes that agreed at the old place, at least; up to 7.
    """

    fastest_m_s: float = 400.0
    allowance_m: float = 5_000.0
    sigmas: float = 2.5
    fixes: int = 5
    lasting_s: float = 300.0
    established: int = 3

    @property
    def values(self) -> tuple[float, ...]:
        """For the compiled pass."""
        return (self.fastest_m_s, self.allowance_m, self.sigmas, float(self.fixes), self.lasting_s, float(self.established))


def empty_others(places: int) -> np.ndarray:
    """Return the memory of other places."""
    others = np.zeros(places, OTHER_DTYPE)
    for name in ("t", "since", "swapped_since", "quiet_displaced", "quiet_impossible", "quiet_cloned"):
        others[name] = MIN_NS
    return others


@njit(cache=True, nogil=True, error_model="numpy")
def reach_m(seconds: float, doubt_m: float, fastest_m_s: float, allowance_m: float, sigmas: float) -> float:
    """The longest way that can lie between two fixes [m]."""
    return fastest_m_s * seconds + allowance_m + sigmas * doubt_m
