"""Groups of near points: single linkage over a grid, compiled.

Two points are linked if they are at most `reach_m` apart and, if asked, move alike. Groups are what links connect. The answer is
that of comparing all pairs, up to `MOST_COMPARED` per neighbouring cell, and does not depend on the order of the points.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

M_PER_DEG: Final = 111_195.0
MOST_COMPARED: Final = 128
"""Points of one cell of the grid that one moving point is compared with; a cell is 0.7 of the reach wide."""

Floats = NDArray[np.float64]


def groups_of(
    lat_deg: Floats,
    lon_deg: Floats,
    reach_m: float,
    *,
    speed_m_s: Floats | None = None,
    course_rad: Floats | None = None,
    speed_share: float = 0.2,
    turn_rad: float = 0.35,
) -> NDArray[np.int64]:
    """Return the number of each point's group, from 0 in the order of the points.

    Args:
        lat_deg, lon_deg: points [degree], not beyond 85 degrees north or south; groups do not reach over the antimeridian.
        reach_m: points at most so far apart are linked [m].
        speed_m_s, course_rad: if given, only points that move alike are linked.
        speed_share: how far two speeds may differ, as a share of the greater. turn_rad: and two courses.
    """
    n = len(lat_deg)
    if n == 0:
        return np.zeros(0, np.int64)
    side = reach_m / np.sqrt(2.0) / M_PER_DEG
    band = np.floor(lat_deg / side).astype(np.int64)
    column = np.floor(lon_deg * np.cos(np.radians((band + 0.5) * side)) / side).astype(np.int64)
    key = band * (1 << 32) + column + (1 << 31)
    moving = speed_m_s is not None and course_rad is not None
    speed = speed_m_s if speed_m_s is not None and moving else np.zeros(n)
    course = course_rad if course_rad is not None and moving else np.zeros(n)
    order = np.lexsort((course, speed, lon_deg, lat_deg, key))
    root = _link(
        key[order], lat_deg[order].astype(np.float64), lon_deg[order].astype(np.float64), speed[order].astype(np.float64),
        course[order].astype(np.float64), side, reach_m, moving, speed_share, turn_rad,
    )  # fmt: skip
    of = np.empty(n, np.int64)
    of[order] = order[root]
    _, first, number = np.unique(of, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first, kind="stable")] = np.arange(len(first))
    return rank[number.ravel()]


@njit(cache=True, nogil=True)
def _root(parent, i):  # type: ignore[no-untyped-def]  # compiled; typed by numba
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@njit(cache=True, nogil=True)
def _link(key, lat, lon, speed, course, side, reach_m, moving, speed_share, turn_rad):  # type: ignore[no-untyped-def]  # compiled
    n = len(key)
    parent = np.arange(n)
    for i in range(n):
        band = key[i] >> 32
        scale = np.cos(np.radians(lat[i]))
        if not moving and i and key[i] == key[i - 1]:
            # What lies in one cell of the grid is near enough.
            parent[_root(parent, i)] = _root(parent, i - 1)
        for up in range(3):
            # Each pair once: cells of this band to the right, and the two bands above.
            middle = np.int64(np.floor(lon[i] * np.cos(np.radians((band + up + 0.5) * side)) / side))
            for column in range(middle if up == 0 else middle - 3, middle + 4):
                if up == 0 and column == middle and not moving:
                    continue
                wanted = (band + up) * (1 << 32) + column + (1 << 31)
                j = np.searchsorted(key, wanted)
                if up == 0 and column == middle:
                    j = i + 1
                compared = 0
                if not moving and j < n and key[j] == wanted and _root(parent, i) == _root(parent, j):
                    continue
                while j < n and key[j] == wanted and compared < MOST_COMPARED:
                    compared += 1 if moving else 0
                    near = np.hypot((lat[j] - lat[i]) * M_PER_DEG, (lon[j] - lon[i]) * M_PER_DEG * scale) <= reach_m
                    if near and moving:
                        turn = abs(course[i] - course[j]) % (2.0 * np.pi)
                        turn = min(turn, 2.0 * np.pi - turn)
                        near = turn <= turn_rad and abs(speed[i] - speed[j]) <= speed_share * max(speed[i], speed[j])
                    if near:
                        a = _root(parent, i)
                        b = _root(parent, j)
                        if a < b:
                            parent[b] = a
                        else:
                            parent[a] = b
                        if not moving:
                            break
                    j += 1
    for i in range(n):
        parent[i] = _root(parent, i)
    return parent
