"""Sky: where satellites truly fly, which is not where their elements say.

1. What everybody is told are elements. What flies is told elsewhere: the same elements with an error in S, R, C drawn for each
   satellite, or other elements of the same satellites.
2. An error along the track is a shift in time: the satellite is where its elements put it S/v later. Radial and cross-track
   errors move it straight.
3. For a slot, the way of a satellite is a polynomial through exact positions in axes that do not turn, and its velocity is the
   derivative of that way. SGP4's own velocity, which the estimator uses, differs from it by up to 0.08 m/s.

Nothing here is shared with the estimator but SGP4, the frame and the speed of light.

Source: `groundrule.frames` (TEME, sidereal time); arXiv 2605.19850 (the error of public sets is a shift in time).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from groundrule.errors import InputError
from groundrule.frames import OMEGA_EARTH_RAD_S
from groundrule.instant import NS_PER_S
from groundrule.orbit.elements import Elements
from groundrule.orbit.propagate import Propagator
from groundrule.orbit.visible import VisibilityIndex, Visible

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

POINTS = 8
"""Exact positions that the way of a satellite through a slot goes through; the error of the polynomial is below 1 um."""
MARGIN_S = 1.5
"""The way is known so long before and after the slot [s]: more than any flight of a signal."""


@dataclass(frozen=True, slots=True)
class Arcs:
    """Ways of satellites through one slot, in the axes that the Earth has in its middle and that do not turn.

    Attributes:
        middle_ns: middle of the slot [ns, UTC].
        half_s: the variable of the polynomials is the time from the middle over this [s].
        coefficients: of x, y, z, lowest power first [k, POINTS, 3; m].
    """

    middle_ns: int
    half_s: float
    coefficients: Floats


class Sky:
    """Satellites as they are told and as they fly.

    Args:
        told: elements that everybody has; the newest set of each satellite before `at_ns` is used.
        at_ns: start of the scenario [ns, UTC].
        error_m: S, R, C of each told satellite [m; (n, 3)], or None.
        true: elements of the satellites that fly; None: the told ones, with the error.
        dut1_s: UT1 - UTC of the true Earth [s]; the told one has none.
    Raises:
        InputError: no satellite is in both sets of elements.
    """

    def __init__(
        self, told: Elements, at_ns: int, *, error_m: Floats | None = None, true: Elements | None = None, dut1_s: float = 0.0
    ) -> None:
        told = told.as_of(at_ns)
        flown = told
        if true is not None:
            flown = true.nearest(at_ns)
            _, of_told, of_flown = np.intersect1d(told.catalogue, flown.catalogue, return_indices=True)
            if not len(of_told):
                raise InputError("no satellite is in both sets of elements", help="give two sets of one constellation")
            told, flown = told.select(of_told), flown.select(of_flown)
        self.told = told
        self.error_m = np.zeros((len(told), 3)) if error_m is None else error_m
        # What flies has no age: its elements are the truth however old they are.
        self._flown = Propagator(flown, max_age_s=None, max_ahead_s=None, dut1_s=dut1_s)
        self._told = Propagator(told, max_age_s=None, max_ahead_s=None)
        self._late_ns = np.zeros(len(told), np.int64)
        start = self._flown.at([at_ns])
        good = start.code[:, 0] == 0
        speed = np.linalg.norm(_inertial(start.r_m[:, 0], start.v_m_s[:, 0])[good], axis=1)
        self._late_ns[good] = np.rint(self.error_m[good, 0] / speed * NS_PER_S).astype(np.int64)
        self.flies = good

    def __len__(self) -> int:
        return len(self.told)

    def seen(self, lat_deg: Floats, lon_deg: Floats, height_m: Floats, t_ns: int, mask_deg: float) -> Visible:
        """Which satellites stand above the mask, for each place, at one instant."""
        states = self._flown.at([t_ns])
        r = states.r_m[:, 0].copy()
        r[~self.flies] = np.nan
        return VisibilityIndex.build(r).visible(lat_deg, lon_deg, height_m, mask_deg=mask_deg)

    def arcs(self, rows: Ints, begin_ns: int, length_s: float, *, as_told: bool = False) -> Arcs:
        """Ways of some satellites through a slot.

        Args:
            rows: of `told` [k].
            begin_ns: begin of the slot [ns, UTC]. length_s: its length [s].
            as_told: as the elements say rather than as they fly.
        """
        middle = begin_ns + round(0.5 * length_s * NS_PER_S)
        half = 0.5 * length_s + MARGIN_S
        node = np.cos(np.pi * (np.arange(POINTS) + 0.5) / POINTS)
        after = np.rint(node * half * NS_PER_S).astype(np.int64)
        late = np.zeros(len(rows), np.int64) if as_told else self._late_ns[rows]
        propagator = self._told if as_told else self._flown
        times = (middle + late[:, None] + after[None, :]).ravel()
        r = propagator.pairs(np.repeat(rows, POINTS), times).r_m.reshape(len(rows), POINTS, 3)
        # Each position stands in the axes of its own instant; all are wanted in those of the middle, the shift left out.
        r = _turned(r, OMEGA_EARTH_RAD_S * (late[:, None] + after[None, :]) / NS_PER_S)
        if not as_told:
            r = r + self._sideways(r, rows)
        s = after / NS_PER_S / half
        inverse = np.linalg.inv(np.vander(s, POINTS, increasing=True))
        return Arcs(middle, half, np.ascontiguousarray(np.einsum("pq,kqc->kpc", inverse, r)))

    def _sideways(self, r: Floats, rows: Ints) -> Floats:
        """Radial and cross-track error [m; (k, POINTS, 3)]; the plane of the orbit is that of the first and the last position."""
        unit = r / np.linalg.norm(r, axis=2, keepdims=True)
        plane = np.cross(r[:, -1], r[:, 0])  # nodes fall from late to early
        plane /= np.linalg.norm(plane, axis=1, keepdims=True)
        error = self.error_m[rows]
        return error[:, None, 1:2] * unit + error[:, None, 2:3] * plane[:, None, :]


def _turned(r: Floats, angle: Floats) -> Floats:
    """Vectors of axes that have turned on by an angle [rad], in the axes as they stood before."""
    c, s = np.cos(angle), np.sin(angle)
    return np.stack([c * r[..., 0] - s * r[..., 1], s * r[..., 0] + c * r[..., 1], r[..., 2]], axis=-1)


def _inertial(r: Floats, v: Floats) -> Floats:
    return v + np.cross(np.array([0.0, 0.0, OMEGA_EARTH_RAD_S]), r)

