"""Cramér-Rao bound: the covariance that no unbiased estimate of a place can be better than.

The information of looks and priors at the true place, satellites' errors eliminated, inverted. It uses the geometry and the
sigmas only; the measured values do not matter.

Source: section 18.1 of the specification; the bound is sqrt(P_EE + P_NN).
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import ArrayLike

from groundrule.verify import blocks, modes, normal
from groundrule.verify import descend as lm
from groundrule.verify.batch import Batch, Ints
from groundrule.verify.model import Floats
from groundrule.verify.solve import is_extended, make_room


@njit(cache=True, error_model="numpy")
def _bound_all(
    looks: Floats, look_starts: Ints, slot_starts: Ints, precision: Floats, mean: Floats, priors: Floats, places: Floats,
    velocities: Floats, light: bool, out: Floats,
) -> None:
    longest, widest = 0, 0
    for t in range(len(slot_starts) - 1):
        a, b = slot_starts[t], slot_starts[t + 1]
        widest = max(widest, b - a)
        longest = max(longest, look_starts[b] - look_starts[a])
    room = make_room(longest, widest)
    right = np.zeros(12)
    for t in range(len(slot_starts) - 1):
        a, b = slot_starts[t], slot_starts[t + 1]
        first, last = look_starts[a], look_starts[b]
        n, k = last - first, b - a
        offsets = look_starts[a : b + 1] - first
        blocks.lay_out(offsets, room.cell_starts)
        sight = normal.Sight(
            room.sat[:n], room.cells, room.cell_starts, looks[first:last], offsets, precision[a:b], mean[a:b], priors[t], light,
            is_extended(priors[t]), 0,
        )
        lm.put_all(sight, room.vectors[2])
        place, state = room.vectors[0], room.state
        lm.set_place(places[t, 0], places[t, 1], places[t, 2], place)
        state[:] = 0.0
        state[6], state[7] = velocities[t, 0], velocities[t, 1]
        room.normal[:, :] = 0.0
        normal.assemble(sight, place, state, room.nu[:k], room.normal, right, room.work, room.rows)
        lm.add_priors(place, places[t, 2], state, priors[t], sight.extended, room.normal, right)
        size, _ = modes.actives(priors[t], False, room.active)
        modes.invert(room.normal, room.active[:size], room.vectors[8:17], room.vectors[3], room.vectors[4], out[t])


def bound(
    batch: Batch,
    lat_deg: ArrayLike,
    lon_deg: ArrayLike,
    height_m: ArrayLike = 0.0,
    *,
    velocity_m_s: ArrayLike = (0.0, 0.0),
    light_time: bool = True,
) -> Floats:
    """Covariance of E, N, U, delta, f, fdot, v_E, v_N, tau at the true places.

    Args:
        batch: looks and priors; Student-t priors count with their scale.
        lat_deg, lon_deg, height_m: true places [degree, m; (n,)].
        velocity_m_s: true velocity, east and north [m/s; (2,) or (n, 2)].
        light_time: as in `solve`.
    Returns:
        [n, 9, 9; SI]; known states 0, infinite on the diagonal where nothing can be observed.
    """
    n = len(batch)
    places = np.zeros((n, 3))
    places[:, 0], places[:, 1] = np.radians(lat_deg), np.radians(lon_deg)
    places[:, 2] = height_m
    out = np.zeros((n, 9, 9))
    velocities = np.ascontiguousarray(np.broadcast_to(np.asarray(velocity_m_s, np.float64), (n, 2)))
    _bound_all(
        batch.looks, batch.look_starts, batch.slot_starts, batch.precision, batch.mean_m, batch.priors, places, velocities,
        light_time, out,
    )
    return out


def radial(covariance: Floats) -> Floats:
    """Root of the sum of both horizontal variances [m]: sqrt(P_EE + P_NN)."""
    return np.sqrt(covariance[..., 0, 0] + covariance[..., 1, 1])
