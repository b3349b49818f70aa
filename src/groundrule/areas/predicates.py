"""Planar predicates: on which side of an edge is a point, and which crossings does a walk meet?

A floating-point filter decides the easy cases exactly, and double-double arithmetic (106 bits) the rest. Formula
and order of operations are those of GEOS (`CGAlgorithmsDD`, after Shewchuk 1997), so that the answers equal those of
shapely bit for bit. Points off a line are found on their true side. A point that lies on a line in real arithmetic may
come out beside it if all 53 bits of the coordinates are in use, as in GEOS.

Ties are broken as if every point lay at (x - e, y + e*e) for an infinitely small e. Hence the parity of crossings is
defined for every float64 point, vertices and edges included, and a walk may take any route. That a boundary point
belongs to a closed polygon is found separately (`ON_BOUNDARY`).
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

_SPLIT = 134217729.0  # 2**27 + 1, Dekker's constant
_SAFE_EPSILON = 1e-15  # above the proven bound (3 + 16 u) u of the filter; the value used by GEOS

ON_BOUNDARY = 2
"""Flag bit of `chain_walk`: the end point of the walk lies on an edge or vertex of the chain."""


@njit(cache=True, inline="never")
def _orientation_dd(ax: float, ay: float, bx: float, by: float, qx: float, qy: float) -> int:
    """Sign of the orientation in double-double arithmetic; rarely called, so kept out of line."""
    dx1, dx1_lo = _two_difference(bx, ax)
    dy1, dy1_lo = _two_difference(by, ay)
    dx2, dx2_lo = _two_difference(qx, bx)
    dy2, dy2_lo = _two_difference(qy, by)
    left, left_lo = _multiply(dx1, dx1_lo, dy2, dy2_lo)
    right, right_lo = _multiply(dy1, dy1_lo, dx2, dx2_lo)
    high, low = _add(left, left_lo, -right, -right_lo)
    if high > 0.0 or (high == 0.0 and low > 0.0):
        return 1
    if high < 0.0 or (high == 0.0 and low < 0.0):
        return -1
    return 0


@njit(cache=True)
def _two_difference(p: float, q: float) -> tuple[float, float]:
    return _add(p, 0.0, -q, 0.0)


@njit(cache=True)
def _add(hi: float, lo: float, yhi: float, ylo: float) -> tuple[float, float]:
    s_hi = hi + yhi
    t_hi = lo + ylo
    e = s_hi - hi
    f = t_hi - lo
    s = s_hi - e
    t = t_hi - f
    s = (yhi - e) + (hi - s)
    t = (ylo - f) + (lo - t)
    e = s + t_hi
    h_hi = s_hi + e
    h = e + (s_hi - h_hi)
    e = t + h
    z_hi = h_hi + e
    return z_hi, e + (h_hi - z_hi)


@njit(cache=True)
def _multiply(hi: float, lo: float, yhi: float, ylo: float) -> tuple[float, float]:
    big = _SPLIT * hi
    hx = big - hi
    c = _SPLIT * yhi
    hx = big - hx
    tx = hi - hx
    hy = c - yhi
    big = hi * yhi
    hy = c - hy
    ty = yhi - hy
    c = ((((hx * hy - big) + hx * ty) + tx * hy) + tx * ty) + (hi * ylo + lo * yhi)
    z_hi = big + c
    return z_hi, c + (big - z_hi)


@njit(cache=True)
def orientation(ax: float, ay: float, bx: float, by: float, qx: float, qy: float) -> int:
    """Return 1 if q lies left of the line a to b, -1 if right, 0 if on it.

    Args:
        ax, ay, bx, by, qx, qy: coordinates [degree, or any one unit].
    Accuracy: 106 bits, as in GEOS; see the module's docstring.
    """
    left = (ax - qx) * (by - qy)
    right = (ay - qy) * (bx - qx)
    det = left - right
    if left > 0.0:
        if right <= 0.0:
            return 1 if det > 0.0 else (-1 if det < 0.0 else 0)
        total = left + right
    elif left < 0.0:
        if right >= 0.0:
            return 1 if det > 0.0 else (-1 if det < 0.0 else 0)
        total = -left - right
    else:
        return 1 if det > 0.0 else (-1 if det < 0.0 else 0)
    bound = _SAFE_EPSILON * total
    if det >= bound and det != 0.0:
        return 1
    if -det >= bound and det != 0.0:
        return -1
    return _orientation_dd(ax, ay, bx, by, qx, qy)


@njit(cache=True)
def chain_walk(
    vertices: NDArray[np.float64], start: int, count: int, fx: float, fy: float, tx: float, ty: float
) -> int:
    """Walk from f to t over a chain of edges and tell the crossings.

    The walk goes vertically at x = fx from fy to ty and then horizontally at y = ty from fx to tx.

    Args:
        vertices: (n, 2) lon, lat [degree].
        start, count: the chain is edge `start` to `start + count - 1`; edge i joins vertices i and i + 1.
        fx, fy, tx, ty: begin and end of the walk.
    Returns:
        bit 0: parity of the crossings under the tie rule above; bit 1: t lies on the chain (closed sense).
    """
    flags = 0
    x_low, x_high = (fx, tx) if fx <= tx else (tx, fx)
    y_low, y_high = (fy, ty) if fy <= ty else (ty, fy)
    ax = vertices[start, 0]
    ay = vertices[start, 1]
    if ax == tx and ay == ty:
        flags |= 2
    for k in range(start + 1, start + count + 1):
        bx = vertices[k, 0]
        by = vertices[k, 1]
        if by == ty and (bx == tx or (ay == ty and ((ax < tx) != (bx < tx)))):
            flags |= 2
        # Horizontal leg: edges that straddle its height, unless wholly to one side of it.
        if (ay > ty) != (by > ty) and (ax >= x_low or bx >= x_low) and (ax <= x_high or bx <= x_high):
            side = orientation(ax, ay, bx, by, tx, ty)
            if side == 0:
                flags |= 2
            corner = orientation(ax, ay, bx, by, fx, ty)
            if by > ay:
                flags ^= (side < 0) != (corner < 0)
            else:
                flags ^= (side > 0) != (corner > 0)
        # Vertical leg.
        if (ax >= fx) != (bx >= fx) and (ay >= y_low or by >= y_low) and (ay <= y_high or by <= y_high):
            begin = orientation(ax, ay, bx, by, fx, fy)
            corner = orientation(ax, ay, bx, by, fx, ty)
            if bx > ax:
                rising = by >= ay
                flags ^= (begin > 0 or (begin == 0 and rising)) != (corner > 0 or (corner == 0 and rising))
            else:
                rising = by <= ay
                flags ^= (begin < 0 or (begin == 0 and rising)) != (corner < 0 or (corner == 0 and rising))
        ax = bx
        ay = by
    return flags
