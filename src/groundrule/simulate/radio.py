"""Radio: what the network measures of a terminal, by tracing light both ways.

1. The pulse that reaches the terminal at t2 left the satellite at t1 and returns to it at t3. Both flights are found by iteration
   in axes that do not turn, on the way that the satellite truly flies (`sky`).
2. Range is c (t3 - t1) / 2. The uplink's Doppler is that of clocks: geometry at both ends, their motion and their height.
3. Troposphere and ionosphere lengthen each leg. Both, light time and the clocks' relativity, can be left out.

The estimator (`groundrule.verify.model`) expands the same flights in a series around t2, knows no atmosphere, no relativity and
no true satellite. None of its code is used here.

Source: Ashby, Living Rev. Relativity 6 (2003) 1 (clocks); Black and Eisner, J. Geophys. Res. 89 (1984) 2616 (mapping);
ITU-R P.531 (group delay of the ionosphere).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from groundrule.frames import C_M_S, MU_M3_S2, OMEGA_EARTH_RAD_S
from groundrule.simulate.sky import Arcs

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ZENITH_M = 2.4
"""Delay of the troposphere at sea level towards the zenith [m]; scale height 7 km."""
ELECTRONS_PER_M2 = 3.0e17
"""Content of the ionosphere towards the zenith: a day of middling sun."""
_ROUNDS = 6


class Physics(NamedTuple):
    """Which effects are simulated.

    Attributes:
        light_time: both flights are traced; otherwise the satellite stands where it is at t2.
        atmosphere: troposphere and ionosphere. relativity: clocks run as they truly do.
        carrier_hz: of the uplink [Hz].
    """

    light_time: bool = True
    atmosphere: bool = True
    relativity: bool = True
    carrier_hz: float = 14e9


class Traced(NamedTuple):
    """What is measured without noise and without clocks' errors; arrays of one shape.

    Attributes:
        range_m: one way, the mean of both legs [m]. rate_m_s: of the uplink, positive moving apart [m/s].
        elevation_deg: of the satellite over the sphere's horizon [degree].
    """

    range_m: Floats
    rate_m_s: Floats
    elevation_deg: Floats


def trace(
    arcs: Arcs, which: Ints, t_ns: Ints, x_m: Floats, v_m_s: Floats, up: Floats, height_m: Floats, physics: Physics
) -> Traced:
    """Trace the flights of one slot.

    Args:
        arcs: ways of the satellites. which: the one that serves each terminal [n]; -1: none.
        t_ns: instants t2 at the terminals [k; ns, UTC].
        x_m, v_m_s: places and velocities of the terminals, Earth-fixed [n, k, 3; m, m/s].
        up: vertical at each terminal [n, 3]. height_m: above sea [n].
    Returns:
        shape [n, k]; not-a-number where no satellite serves.
    """
    n, k = x_m.shape[:2]
    out = np.full((3, n, k), np.nan)
    after = (t_ns - arcs.middle_ns) / 1e9
    _trace(
        arcs.coefficients, arcs.half_s, which, after, np.ascontiguousarray(x_m), np.ascontiguousarray(v_m_s), up, height_m,
        physics.light_time, physics.atmosphere, physics.relativity, physics.carrier_hz, out,
    )  # fmt: skip
    return Traced(out[0], out[1], out[2])


@njit(cache=True)
def _place(c: Floats, s: float, half: float) -> tuple[float, float, float, float, float, float]:
    """Position and velocity of a way at s, by Horner's scheme for the polynomial and its derivative."""
    last = c.shape[0] - 1
    x, y, z = c[last, 0], c[last, 1], c[last, 2]
    dx, dy, dz = 0.0, 0.0, 0.0
    for p in range(last - 1, -1, -1):
        dx, dy, dz = dx * s + x, dy * s + y, dz * s + z
        x, y, z = x * s + c[p, 0], y * s + c[p, 1], z * s + c[p, 2]
    return x, y, z, dx / half, dy / half, dz / half


@njit(cache=True)
def _trace(
    coefficients: Floats, half: float, which: Ints, after: Floats, x_all: Floats, v_all: Floats, up_all: Floats, height: Floats,
    light_time: bool, atmosphere: bool, relativity: bool, carrier_hz: float, out: Floats,
) -> None:  # fmt: skip
    w = OMEGA_EARTH_RAD_S
    for i in range(x_all.shape[0]):
        if which[i] < 0:
            continue
        way = coefficients[which[i]]
        for j in range(x_all.shape[1]):
            t = after[j]
            c, s = math.cos(w * t), math.sin(w * t)
            # The terminal in the axes of the middle of the slot: turned by what the Earth turned since.
            ex, ey, ez = x_all[i, j, 0], x_all[i, j, 1], x_all[i, j, 2]
            px, py, pz = c * ex - s * ey, s * ex + c * ey, ez
            ax, ay = v_all[i, j, 0] - w * ey, v_all[i, j, 1] + w * ex
            vx, vy, vz = c * ax - s * ay, s * ax + c * ay, v_all[i, j, 2]
            down = 0.0
            length_down = 0.0
            up = 0.0
            length_up = 0.0
            qx, qy, qz, wx, wy, wz = _place(way, t / half, half)
            length_up = math.sqrt((qx - px) ** 2 + (qy - py) ** 2 + (qz - pz) ** 2)
            length_down = length_up
            if light_time:
                down = length_down / C_M_S
                for _ in range(_ROUNDS):
                    qx, qy, qz, wx, wy, wz = _place(way, (t - down) / half, half)
                    length_down = math.sqrt((qx - px) ** 2 + (qy - py) ** 2 + (qz - pz) ** 2)
                    down = length_down / C_M_S
                up = length_up / C_M_S
                for _ in range(_ROUNDS):
                    qx, qy, qz, wx, wy, wz = _place(way, (t + up) / half, half)
                    length_up = math.sqrt((qx - px) ** 2 + (qy - py) ** 2 + (qz - pz) ** 2)
                    up = length_up / C_M_S
            ux, uy, uz = (qx - px) / length_up, (qy - py) / length_up, (qz - pz) / length_up
            towards = ux * wx + uy * wy + uz * wz
            own = ux * vx + uy * vy + uz * vz
            if light_time:
                # Received over sent frequency: times of emission and reception stretch against each other.
                ratio = (1.0 - towards / C_M_S) / (1.0 - own / C_M_S)
                if relativity:
                    c2 = C_M_S * C_M_S
                    slow = (vx * vx + vy * vy + vz * vz) / (2.0 * c2) + MU_M3_S2 / (math.sqrt(px * px + py * py + pz * pz) * c2)
                    fast = (wx * wx + wy * wy + wz * wz) / (2.0 * c2) + MU_M3_S2 / (math.sqrt(qx * qx + qy * qy + qz * qz) * c2)
                    ratio *= (1.0 - slow) / (1.0 - fast)
                out[1, i, j] = (1.0 - ratio) * C_M_S
            else:
                out[1, i, j] = towards - own
            nx, ny, nz = c * up_all[i, 0] - s * up_all[i, 1], s * up_all[i, 0] + c * up_all[i, 1], up_all[i, 2]
            sine = min(1.0, max(-1.0, ux * nx + uy * ny + uz * nz))
            out[2, i, j] = math.degrees(math.asin(sine))
            out[0, i, j] = 0.5 * (length_down + length_up)
            if atmosphere:
                steep = max(sine, 0.05)
                zenith = ZENITH_M * math.exp(-max(height[i], 0.0) / 7_000.0)
                dry = zenith * 1.001 / math.sqrt(0.002001 + steep * steep)
                ions = 40.3 * ELECTRONS_PER_M2 / (carrier_hz * carrier_hz) / math.sqrt(1.0 - (0.947 * math.sqrt(1.0 - steep * steep)) ** 2)
                out[0, i, j] += dry + ions
