"""Modes: every place that explains the measurements, not the first one found.

1. From each start down to a minimum, and from its mirror in the plane (s, v) of each satellite. What is mirrored is the
   minimum that the start led to, so that a false start leads to the mirror of the true place all the same.
2. Every mode must explain each satellite by itself, and several looks at one satellite leave the place and its mirror; so the
   planes of two satellites, those with the most looks, are enough. Where the satellites were looked at once or twice only,
   the mirror in the plane through the first and the last of them is tried too: two ranges meet there.
   Where several satellites were seen, a mirror is tried on at most three looks of each first. These are a data set of their
   own: what they contradict by 60 in cost, the whole would contradict too; and where they lead back to the minimum that is
   known, so would the whole. What survives is descended in full. Mirrors far outside the cell are left out.
3. If the best is still above the 99.9 % point of its chi-square, or no mode passes the gate: the best node of an 8x8
   grid over the common footprint, and its mirrors.
4. Hard gate: elevation at every look and distance to the cell. Minima closer than 3 sigma are one. Weights are
   proportional to exp(-J/2) sqrt|P|.

Source: sections 5, 6 (3, 10, 11) and 8 of the specification.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from groundrule.frames import WGS84_A_M, ecef_of, geodetic_of
from groundrule.verify import descend as lm
from groundrule.verify.model import Floats
from groundrule.verify.normal import STATES, Sight

LAT, LON, HEIGHT = 0, 1, 2  # of a mode's row; the rest of the state stands in its own places
COST, WEIGHT, ITERATIONS, FLAGS, MODE_X = 9, 10, 11, 12, 13
MODE_COLUMNS = 16
KEPT = 8  # modes held while searching
STARTS = 8  # starts of one terminal; each brings one mirror per satellite
GRID = 8
MIRRORED = 2  # satellites in whose planes a minimum is mirrored
SAME_THIN_M = 10.0  # descents on the thinned looks that end nearer than this found one minimum
CELL_ROOM_M, CELL_SIGMAS = 50_000.0, 8.0  # a mirror further from the cell's centre cannot be a mode of weight
SPARSE = 2  # looks per satellite up to which it does not place a terminal by itself
THIN = 3  # looks per satellite on which a mirror is tried
THIN_CONTRADICTED = 60.0
MERGE_SIGMA2 = 9.0
BLIND_M = 1_000.0  # two minima nearer than this are one where P is not known
_Z999 = 3.0902323061678132  # standard normal quantile of 0.999


class Room(NamedTuple):
    """Scratch of one search, allocated once for a batch."""

    sat: Floats
    cells: Floats
    cell_starts: NDArray[np.int64]
    thin_sat: Floats
    thin_cells: Floats
    thin_cell_starts: NDArray[np.int64]
    thin_look: Floats
    thin_starts: NDArray[np.int64]
    precision: Floats
    mean: Floats
    nu: Floats
    shift: Floats
    best_nu: Floats
    modes: Floats  # [KEPT + 1, MODE_COLUMNS]; the last row is the minimum found last
    covariances: Floats  # [KEPT + 1, 9, 9]
    point: Floats
    state: Floats
    normal: Floats
    work: Floats
    vectors: Floats
    rows: Floats
    queue: Floats  # starts: latitude, longitude [rad], flags [..., 3]
    axes: Floats  # of the grid [12]
    active: NDArray[np.int64]


@njit(cache=True, error_model="numpy")
def chi2_999(dof: int) -> float:
    """99.9 % point of chi-square (Wilson and Hilferty; 3 % high at 1 degree of freedom, below 0.5 % from 3)."""
    k = max(dof, 1)
    a = 2.0 / (9.0 * k)
    return k * (1.0 - a + _Z999 * math.sqrt(a)) ** 3


@njit(cache=True, error_model="numpy")
def actives(prior: Floats, fixed: bool, out: NDArray[np.int64]) -> tuple[int, int]:
    """Fill the states that are estimated; return how many, and how many scalar priors act on them."""
    count, rows = 0, 0
    if not fixed:
        out[0], out[1], count = 0, 1, 2
        if prior[lm.SC] < math.inf:
            rows += 2
    for index, column in ((2, lm.SH), (3, lm.SD), (4, lm.SF), (5, lm.SFDOT), (6, lm.SV), (7, lm.SV), (8, lm.STAU)):
        if prior[column] > 0.0:
            out[count] = index
            count += 1
            if prior[column] < math.inf:
                rows += 1
    return count, rows


@njit(cache=True, error_model="numpy")
def invert(normal: Floats, active: NDArray[np.int64], factor: Floats, step: Floats, unit: Floats, out: Floats) -> bool:
    """Covariance of the active states; the others get 0. False where the states cannot be observed."""
    out[:, :] = 0.0
    if not lm.factorise(normal, active, 0.0, factor):
        for k in range(len(active)):
            out[active[k], active[k]] = math.inf
        return False
    for c in range(len(active)):
        unit[:] = 0.0
        unit[active[c]] = 1.0
        lm.substitute(factor, unit, active, step)
        for r in range(len(active)):
            out[active[r], active[c]] = step[r]
    for i in range(STATES):
        for j in range(i):
            out[i, j] = out[j, i] = 0.5 * (out[i, j] + out[j, i])
    return True


@njit(cache=True, error_model="numpy")
def mirror(x: float, y: float, z: float, row: Floats) -> tuple[float, float]:
    """Latitude and longitude [rad] of the mirror of a point in the plane of a look's satellite and velocity."""
    s0, s1, s2, v0, v1, v2 = row[1], row[2], row[3], row[4], row[5], row[6]
    w0, w1, w2 = s1 * v2 - s2 * v1, s2 * v0 - s0 * v2, s0 * v1 - s1 * v0
    length2 = w0 * w0 + w1 * w1 + w2 * w2
    k = 2.0 * (x * w0 + y * w1 + z * w2) / length2
    lat, lon, _ = geodetic_of(x - k * w0, y - k * w1, z - k * w2)
    return lat, lon


@njit(cache=True, error_model="numpy")
def passes_gate(sight: Sight, place: Floats, semi_major_m: float) -> bool:
    """Say whether every serving satellite is high enough and the cell near enough."""
    prior = sight.prior
    least = prior[lm.SIN_EL]
    if least > -1.0:
        for i in range(len(sight.look)):
            if sight.look[i, 8] == 0.0 and sight.look[i, 10] == 0.0:
                continue
            dx, dy, dz = sight.sat[i, 0] - place[0], sight.sat[i, 1] - place[1], sight.sat[i, 2] - place[2]
            up = dx * place[9] + dy * place[10] + dz * place[11]
            if up < least * math.sqrt(dx * dx + dy * dy + dz * dz):
                return False
    if prior[lm.RADIUS] < math.inf:
        dx, dy, dz = place[0] - prior[lm.CELL], place[1] - prior[lm.CELL + 1], place[2] - prior[lm.CELL + 2]
        up = dx * place[9] + dy * place[10] + dz * place[11]
        away = math.sqrt(max(dx * dx + dy * dy + dz * dz - up * up, 0.0))
        return away <= prior[lm.RADIUS] + 3.0 * semi_major_m
    return True


@njit(cache=True, error_model="numpy")
def semi_major(p: Floats) -> float:
    """Square root of the greatest eigenvalue of the horizontal covariance [m]."""
    half = 0.5 * (p[0, 0] + p[1, 1])
    return math.sqrt(half + math.sqrt(0.25 * (p[0, 0] - p[1, 1]) ** 2 + p[0, 1] * p[0, 1]))


@njit(cache=True, error_model="numpy")
def same(a: Floats, p: Floats, b: Floats) -> bool:
    """Say whether mode b lies within 3 sigma of mode a, whose covariance is p."""
    sin_lat, cos_lat, sin_lon, cos_lon = math.sin(a[LAT]), math.cos(a[LAT]), math.sin(a[LON]), math.cos(a[LON])
    dx, dy, dz = b[MODE_X] - a[MODE_X], b[MODE_X + 1] - a[MODE_X + 1], b[MODE_X + 2] - a[MODE_X + 2]
    east = -sin_lon * dx + cos_lon * dy
    north = -sin_lat * cos_lon * dx - sin_lat * sin_lon * dy + cos_lat * dz
    area = p[0, 0] * p[1, 1] - p[0, 1] * p[0, 1]
    if not (area > 0.0 and area < math.inf):
        return east * east + north * north < BLIND_M * BLIND_M
    if dx * dx + dy * dy + dz * dz > WGS84_A_M * WGS84_A_M:
        return False  # beyond the horizon the plane at a says nothing
    d2 = (p[1, 1] * east * east - 2.0 * p[0, 1] * east * north + p[0, 0] * north * north) / area
    return d2 < MERGE_SIGMA2


@njit(cache=True, error_model="numpy")
def keep(room: Room, count: int, mode: Floats, covariance: Floats, satellites: int) -> int:
    """Put a minimum among the modes, merged with those within 3 sigma; return how many there are."""
    for m in range(count):
        better = mode[COST] < room.modes[m, COST]
        near = same(mode, covariance, room.modes[m]) if better else same(room.modes[m], room.covariances[m], mode)
        gate = int(mode[FLAGS]) & lm.GATE
        if near and gate == (int(room.modes[m, FLAGS]) & lm.GATE):
            if better:
                _remove(room, m, count)
                return keep_new(room, count - 1, mode, covariance, satellites)
            return count
    return keep_new(room, count, mode, covariance, satellites)


@njit(cache=True, error_model="numpy")
def _before(a: Floats, b: Floats) -> bool:
    """Order of modes: those that pass the gate first, then by cost."""
    out_a, out_b = int(a[FLAGS]) & lm.GATE, int(b[FLAGS]) & lm.GATE
    return out_a < out_b or (out_a == out_b and a[COST] < b[COST])


@njit(cache=True, error_model="numpy")
def _remove(room: Room, at: int, count: int) -> None:
    for m in range(at, count - 1):
        room.modes[m] = room.modes[m + 1]
        room.covariances[m] = room.covariances[m + 1]


@njit(cache=True, error_model="numpy")
def keep_new(room: Room, count: int, mode: Floats, covariance: Floats, satellites: int) -> int:
    """Insert a mode in order; the worst falls out where there are too many."""
    at = count
    while at > 0 and _before(mode, room.modes[at - 1]):
        at -= 1
    if at >= KEPT:
        return count
    count = min(count + 1, KEPT)
    for m in range(count - 1, at, -1):
        room.modes[m] = room.modes[m - 1]
        room.covariances[m] = room.covariances[m - 1]
    room.modes[at] = mode
    room.covariances[at] = covariance
    if at == 0:
        for s in range(satellites):
            for a in range(3):
                room.best_nu[s, a] = room.nu[s, a]
            room.best_nu[s, 0] += room.shift[s]
    return count


@njit(cache=True, error_model="numpy")
def try_start(
    sight: Sight, active: NDArray[np.int64], told: lm.Ephemeris, room: Room, lat: float, lon: float, flags: int, count: int
) -> int:
    """Descend from a start and keep what was found; return how many modes there are."""
    point, state, normal, vectors = room.point, room.state, room.normal, room.vectors
    begin(sight.prior, lat, lon, point, state, vectors[0])
    cost, iterations, good = lm.minimise(
        sight, active, told, point, state, room.nu, room.shift, normal, room.work, vectors, room.rows, math.inf
    )
    if not math.isfinite(cost):
        return count
    mode, covariance = room.modes[KEPT], room.covariances[KEPT]
    seen = invert(normal, active, vectors[8:17], vectors[3], vectors[4], covariance)
    satellites = len(sight.starts) - 1
    flags |= lm.CONVERGED if good else 0
    flags |= 0 if seen else lm.UNOBSERVABLE
    shifted = False
    for s in range(satellites):
        shifted = shifted or room.shift[s] != 0.0
    flags |= lm.SHIFTED if shifted else 0
    place = vectors[0]
    lm.set_place(point[0], point[1], point[2], place)
    major = semi_major(covariance) if seen else math.inf
    if not passes_gate(sight, place, major):
        flags |= lm.GATE
    if seen and blind(sight, place, major):
        flags |= lm.NEAR_TRACK
    if shifted:
        lm.put_all(sight, vectors[2])
    for k in range(3, STATES):
        mode[k] = state[k]
    for k in range(3):
        mode[k] = point[k]
        mode[MODE_X + k] = place[k]
    mode[COST], mode[ITERATIONS], mode[FLAGS] = cost, iterations, flags
    return keep(room, count, mode, covariance, satellites)


@njit(cache=True, error_model="numpy")
def blind(sight: Sight, place: Floats, major_m: float) -> bool:
    """Say whether the place lies within 3 sigma of the track plane of every satellite: across it nothing is seen."""
    for s in range(len(sight.starts) - 1):
        row = sight.look[(sight.starts[s] + sight.starts[s + 1]) // 2]
        s0, s1, s2, v0, v1, v2 = row[1], row[2], row[3], row[4], row[5], row[6]
        w0, w1, w2 = s1 * v2 - s2 * v1, s2 * v0 - s0 * v2, s0 * v1 - s1 * v0
        away = (place[0] * w0 + place[1] * w1 + place[2] * w2) / math.sqrt(w0 * w0 + w1 * w1 + w2 * w2)
        if abs(away) > 3.0 * major_m:
            return False
    return True


@njit(cache=True, error_model="numpy")
def begin(prior: Floats, lat: float, lon: float, point: Floats, state: Floats, place: Floats) -> None:
    """Start at a place with every other state at the mean of its prior."""
    point[0], point[1], point[2] = lat, lon, prior[lm.H0]
    state[:] = 0.0
    state[3], state[4] = prior[lm.D0], prior[lm.F0]
    if prior[lm.SV] > 0.0:
        lm.set_place(lat, lon, prior[lm.H0], place)
        for k in range(3):
            state[6] += prior[lm.V0 + k] * place[3 + k]
            state[7] += prior[lm.V0 + k] * place[6 + k]


@njit(cache=True, error_model="numpy")
def thin_out(look: Floats, starts: NDArray[np.int64], room: Room) -> int:
    """Copy at most three looks of each satellite (first, middle, last); return how many."""
    total = 0
    room.thin_starts[0] = 0
    for s in range(len(starts) - 1):
        size = starts[s + 1] - starts[s]
        for k in range(min(size, THIN)):
            at = starts[s] + (k if size <= THIN else k * (size - 1) // (THIN - 1))
            room.thin_look[total] = look[at]
            total += 1
        room.thin_starts[s + 1] = total
    return total


@njit(cache=True, error_model="numpy")
def _thin_cost(
    thin: Sight, active: NDArray[np.int64], told: lm.Ephemeris, room: Room, lat: float, lon: float, bound: float
) -> float:
    """Descend on the thinned looks; the minimum is left in `room.point`."""
    begin(thin.prior, lat, lon, room.point, room.state, room.vectors[0])
    cost, _, _ = lm.minimise(
        thin, active, told, room.point, room.state, room.nu, room.shift, room.normal, room.work, room.vectors,
        room.rows, bound,
    )
    for s in range(len(thin.starts) - 1):
        if room.shift[s] != 0.0:
            lm.put(thin, s, 0.0, room.vectors[2])
    return cost


@njit(cache=True, error_model="numpy")
def _push(room: Room, filled: int, lat: float, lon: float, flags: int) -> int:
    """Put a start into the queue; what does not fit is left out. Return how many there are."""
    if filled < len(room.queue) and math.isfinite(lat) and math.isfinite(lon):
        room.queue[filled, 0], room.queue[filled, 1], room.queue[filled, 2] = lat, lon, flags
        filled += 1
    return filled


@njit(cache=True, error_model="numpy")
def _push_mirrors(sight: Sight, room: Room, filled: int, flags: int) -> int:
    """Queue the mirrors of the minimum found last, in the planes of the satellites with the most looks."""
    x, y, z = ecef_of(room.modes[KEPT, LAT], room.modes[KEPT, LON], sight.prior[lm.H0])
    prior = sight.prior
    reach = CELL_ROOM_M + CELL_SIGMAS * prior[lm.SC]
    satellites = len(sight.starts) - 1
    longest, taken = np.int64(0), 0
    for s in range(satellites):
        longest = max(longest, sight.starts[s + 1] - sight.starts[s])
    while longest > 0 and taken < MIRRORED:
        shorter = np.int64(0)
        for s in range(satellites):
            size = sight.starts[s + 1] - sight.starts[s]
            if size < longest:
                shorter = max(shorter, size)
            elif size == longest and taken < MIRRORED:
                taken += 1
                lat, lon = mirror(x, y, z, sight.look[(sight.starts[s] + sight.starts[s + 1]) // 2])
                mx, my, mz = ecef_of(lat, lon, prior[lm.H0])
                away = (mx - prior[lm.CELL]) ** 2 + (my - prior[lm.CELL + 1]) ** 2 + (mz - prior[lm.CELL + 2]) ** 2
                if away <= reach * reach:
                    filled = _push(room, filled, lat, lon, flags | lm.FROM_MIRROR)
        longest = shorter
    if satellites > 1 and len(sight.look) <= SPARSE * satellites:
        row = room.axes
        for k in range(3):
            row[1 + k], row[4 + k] = sight.look[0, 1 + k], sight.look[len(sight.look) - 1, 1 + k]
        lat, lon = mirror(x, y, z, row)
        filled = _push(room, filled, lat, lon, flags | lm.FROM_MIRROR)
    return filled


@njit(cache=True, error_model="numpy")
def best_node(
    thin: Sight, rest: NDArray[np.int64], told: lm.Ephemeris, room: Room
) -> tuple[bool, float, float]:
    """Best of the 8x8 nodes of the common footprint; latitude and longitude [rad], or False where there is none.

    The footprints' boxes in the plane at the mean direction of the satellites are intersected; a node counts if every
    satellite is above the gate's elevation there.
    """
    looks = len(thin.look)
    c0 = c1 = c2 = 0.0
    for i in range(looks):
        row = thin.look[i]
        length = math.sqrt(row[1] ** 2 + row[2] ** 2 + row[3] ** 2)
        c0 += row[1] / length
        c1 += row[2] / length
        c2 += row[3] / length
    lat, lon, _ = geodetic_of(c0 * WGS84_A_M / looks, c1 * WGS84_A_M / looks, c2 * WGS84_A_M / looks)
    place = room.vectors[0]
    lm.set_place(lat, lon, 0.0, place)
    axes = room.axes
    axes[:] = place
    least = math.asin(max(thin.prior[lm.SIN_EL], 0.0))
    low_e = low_n = -math.inf
    high_e = high_n = math.inf
    for i in range(looks):
        row = thin.look[i]
        length = math.sqrt(row[1] ** 2 + row[2] ** 2 + row[3] ** 2)
        reach = math.acos(min(1.0, WGS84_A_M * math.cos(least) / length)) - least + 0.02
        east = math.asin((row[1] * axes[3] + row[2] * axes[4] + row[3] * axes[5]) / length)
        north = math.asin((row[1] * axes[6] + row[2] * axes[7] + row[3] * axes[8]) / length)
        low_e, high_e = max(low_e, east - reach), min(high_e, east + reach)
        low_n, high_n = max(low_n, north - reach), min(high_n, north + reach)
    if not (low_e < high_e and low_n < high_n):
        return False, 0.0, 0.0
    found, best, best_lat, best_lon = False, math.inf, 0.0, 0.0
    for i in range(GRID):
        for j in range(GRID):
            e = math.sin(low_e + (i + 0.5) * (high_e - low_e) / GRID)
            n = math.sin(low_n + (j + 0.5) * (high_n - low_n) / GRID)
            up = math.sqrt(max(1.0 - e * e - n * n, 0.0))
            x = WGS84_A_M * (e * axes[3] + n * axes[6] + up * axes[9])
            y = WGS84_A_M * (e * axes[4] + n * axes[7] + up * axes[10])
            z = WGS84_A_M * (e * axes[5] + n * axes[8] + up * axes[11])
            node_lat, node_lon, _ = geodetic_of(x, y, z)
            lm.set_place(node_lat, node_lon, thin.prior[lm.H0], place)
            if not passes_gate(thin, place, math.inf):
                continue
            cost = _thin_cost(thin, rest, told, room, node_lat, node_lon, best)
            if cost < best:
                found, best, best_lat, best_lon = True, cost, node_lat, node_lon
    return found, best_lat, best_lon


@njit(cache=True, error_model="numpy")
def search(
    sight: Sight, thin: Sight, active: NDArray[np.int64], told: lm.Ephemeris, room: Room, starts: Floats, mirrors: bool,
    grid: bool, dof: int,
) -> int:
    """Find the modes of one terminal from its starts (latitude, longitude [rad]); they are left in `room.modes`."""
    count, done, filled = np.int64(0), np.int64(0), np.int64(0)  # not literals: each would be compiled for itself
    bound, at_x, at_y, at_z = math.inf, 0.0, 0.0, 0.0
    thinned = len(sight.starts) > 2 and len(thin.look) < len(sight.look)
    for i in range(len(starts)):
        filled = _push(room, filled, starts[i, 0], starts[i, 1], 0)
    while True:
        while done < filled:
            lat, lon, flags = room.queue[done, 0], room.queue[done, 1], int(room.queue[done, 2])
            done += 1
            mirrored = (flags & lm.FROM_MIRROR) != 0
            if mirrored and thinned and count > 0:
                if bound == math.inf:
                    at_lat, at_lon = room.modes[0, LAT], room.modes[0, LON]
                    bound = THIN_CONTRADICTED + _thin_cost(thin, active, told, room, at_lat, at_lon, math.inf)
                    at_x, at_y, at_z = ecef_of(room.point[0], room.point[1], sight.prior[lm.H0])
                if not _thin_cost(thin, active, told, room, lat, lon, bound) <= bound:
                    continue
                lat, lon = room.point[0], room.point[1]
                x, y, z = ecef_of(lat, lon, sight.prior[lm.H0])
                if abs(x - at_x) + abs(y - at_y) + abs(z - at_z) < SAME_THIN_M:
                    continue
            count = try_start(sight, active, told, room, lat, lon, flags, count)
            if mirrors and not mirrored:
                filled = _push_mirrors(sight, room, filled, flags)
        good = count > 0 and room.modes[0, COST] <= chi2_999(dof) and not int(room.modes[0, FLAGS]) & lm.GATE
        if good or not grid:
            return int(count)
        grid = False
        found, lat, lon = best_node(thin, active[2:], told, room)
        if found:
            filled = _push(room, filled, lat, lon, lm.FROM_GRID)


@njit(cache=True, error_model="numpy")
def weigh(room: Room, count: int) -> int:
    """Drop modes outside the gate where one is inside, weigh the rest, and return how many are left."""
    while count > 1 and int(room.modes[count - 1, FLAGS]) & lm.GATE:
        count -= 1
    total = 0.0
    for m in range(count):
        p = room.covariances[m]
        area = p[0, 0] * p[1, 1] - p[0, 1] * p[0, 1]
        size = math.sqrt(area) if 0.0 < area < math.inf else 1.0
        room.modes[m, WEIGHT] = size * math.exp(-0.5 * (room.modes[m, COST] - room.modes[0, COST]))
        total += room.modes[m, WEIGHT]
    for m in range(count):
        room.modes[m, WEIGHT] /= total
    return count
