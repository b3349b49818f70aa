"""What a track says of its platform, as numbers: from fixes about 15 s apart, and from H3 cells alone.

Fixes are thinned to `THIN_S` and cut at gaps of more than `GAP_S`; each number is a quantile or a share over the steps, so that one
displaced fix moves none of them far. Altitudes are used where they are given. Speeds are in m/s, turns in rad, times in s.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

THIN_S: Final = 14.0
GAP_S: Final = 300.0
LEAST_STEPS: Final = 4
"""Steps without which nothing is said of a track."""

_ABSENT = -1_000.0
"""Of what cannot be computed, for instance without altitudes; below every value that can."""

FIX_FEATURES: Final = (
    "speed_10", "speed_50", "speed_90", "speed_98", "moving_50", "moving_spread", "still_share", "stops_per_hour", "gain_50", "gain_95",
    "turn_50", "turn_90", "sharp_share", "turn_same", "bend_50", "straight_50", "straight_10", "straight_all", "step_s", "steps_log",
    "reach_log", "up_50", "up_95", "down_95", "slope_90", "alt_range", "alt_50", "alt_rough", "over_rest",
)  # fmt: skip
CELL_FEATURES: Final = (
    "cells_log", "changes_per_hour", "speed_least", "speed_most", "speed_path", "dwell_50", "dwell_most", "straight_path", "revisits",
    "hours_log", "radius_log", "speed_between_90",
)  # fmt: skip
"""Names of the numbers, in their order."""


def thinned(t_s: Floats) -> NDArray[np.int64]:
    """Return the fixes that are at least THIN_S after the last one that was kept."""
    if not len(t_s):
        return np.zeros(0, np.int64)
    kept = [0]
    at = 0
    while True:
        at = int(np.searchsorted(t_s, t_s[at] + THIN_S - 1e-6))
        if at >= len(t_s):
            return np.array(kept, np.int64)
        kept.append(at)


def of_fixes(t_s: Floats, lat_deg: Floats, lon_deg: Floats, alt_m: Floats | None = None) -> Floats | None:
    """Return FIX_FEATURES of one track.

    Args:
        t_s: ascending [s]. lat_deg, lon_deg: [degree]. alt_m: [m; NaN unknown].
    Returns:
        Shape (len(FIX_FEATURES),); None with fewer than LEAST_STEPS usable steps.
    """
    at = thinned(t_s)
    t, x, y = t_s[at], *_plane(lat_deg[at], lon_deg[at])
    dt = np.diff(t)
    good = (dt > 0) & (dt <= GAP_S)
    if good.sum() < LEAST_STEPS:
        return None
    dx, dy = np.diff(x), np.diff(y)
    way = np.hypot(dx, dy)
    v = np.where(good, way / np.where(dt > 0, dt, 1.0), np.nan)
    # A jump that comes back is a bad fix.
    v = np.where(v > 400.0, np.nan, v)
    speeds = v[np.isfinite(v)]
    if len(speeds) < LEAST_STEPS:
        return None
    f = dict.fromkeys(FIX_FEATURES, _ABSENT)
    f["speed_10"], f["speed_50"], f["speed_90"], f["speed_98"] = np.quantile(speeds, [0.1, 0.5, 0.9, 0.98])
    moving = v > 2.0
    f["still_share"] = 1.0 - moving.sum() / len(speeds)
    hours = dt[good].sum() / 3_600.0
    f["stops_per_hour"] = float((moving[:-1] & ~moving[1:] & good[1:]).sum()) / hours
    if moving.any():
        f["moving_50"] = float(np.median(v[moving]))
        f["moving_spread"] = float(np.quantile(v[moving], 0.9) - np.quantile(v[moving], 0.1)) / f["moving_50"]
    both = moving[:-1] & moving[1:]
    gain = np.abs(np.diff(v)) / np.maximum(1.0, 0.5 * (dt[:-1] + dt[1:]))
    known = np.isfinite(gain)
    if known.any():
        f["gain_50"], f["gain_95"] = np.quantile(gain[known], [0.5, 0.95])
    course = np.arctan2(dx, dy)
    turn = (np.diff(course) + np.pi) % (2 * np.pi) - np.pi
    if both.sum() >= 2:
        turns = turn[both]
        f["turn_50"], f["turn_90"] = np.quantile(np.abs(turns), [0.5, 0.9])
        f["sharp_share"] = float((np.abs(turns) > 0.8).mean())
        f["turn_same"] = float(abs(turns.sum()) / max(1e-9, np.abs(turns).sum()))
        f["bend_50"] = float(np.log10(np.median(np.abs(turns) / np.maximum(1.0, 0.5 * (way[:-1] + way[1:])[both])) + 1e-7))
    span = 5
    if len(way) >= span:
        along = np.convolve(way, np.ones(span), "valid")
        net = np.hypot(x[span:] - x[:-span], y[span:] - y[:-span])
        enough = along > 2.0 * span * THIN_S
        if enough.any():
            share = np.minimum(1.0, net[enough] / along[enough])
            f["straight_50"], f["straight_10"] = np.quantile(share, [0.5, 0.1])
    f["straight_all"] = float(min(1.0, np.hypot(x[-1] - x[0], y[-1] - y[0]) / max(1.0, way[good].sum())))
    f["step_s"] = float(np.median(dt[good]))
    f["steps_log"] = float(np.log10(good.sum()))
    f["reach_log"] = float(np.log10(1.0 + np.hypot(x - np.median(x), y - np.median(y)).max()))
    if alt_m is not None:
        _of_altitudes(f, np.asarray(alt_m, np.float64)[at], dt, v)
    return np.array([f[name] for name in FIX_FEATURES])


def _of_altitudes(f: dict[str, float], alt: Floats, dt: Floats, v: Floats) -> None:
    known = np.isfinite(alt[1:]) & np.isfinite(alt[:-1]) & np.isfinite(v)
    if known.sum() < LEAST_STEPS:
        return
    rise = (np.diff(alt) / np.where(dt > 0, dt, 1.0))[known]
    f["up_50"] = float(np.median(np.abs(rise)))
    f["up_95"], f["down_95"] = float(np.quantile(rise, 0.95)), float(-np.quantile(rise, 0.05))
    f["slope_90"] = float(np.quantile(np.abs(rise) / np.maximum(2.0, v[known]), 0.9))
    given = alt[np.isfinite(alt)]
    f["alt_range"] = float(np.quantile(given, 0.98) - np.quantile(given, 0.02))
    f["alt_50"] = float(np.median(given))
    f["alt_rough"] = float(np.median(np.abs(np.diff(rise)))) if len(rise) > 1 else _ABSENT
    still = v < 2.0
    low = alt[1:][still & np.isfinite(alt[1:])]
    f["over_rest"] = float(np.median(given) - np.min(low)) if len(low) else _ABSENT


def of_cells(t_s: Floats, lat_deg: Floats, lon_deg: Floats, radius_m: float) -> Floats | None:
    """Return CELL_FEATURES of one track of which only cells are known.

    Args:
        t_s: ascending [s].
        lat_deg, lon_deg: centres of the cells [degree].
        radius_m: from a cell's centre to its corners [m].
    Returns:
        Shape (len(CELL_FEATURES),); None without two reports.
    """
    if len(t_s) < 2 or t_s[-1] <= t_s[0]:
        return None
    x, y = _plane(lat_deg, lon_deg)
    begin = np.flatnonzero(np.concatenate([[True], np.hypot(np.diff(x), np.diff(y)) > 0.2 * radius_m]))
    end = np.append(begin[1:], len(t_s)) - 1
    bx, by, first, last = x[begin], y[begin], t_s[begin], t_s[end]
    hours = (t_s[-1] - t_s[0]) / 3_600.0
    f = dict.fromkeys(CELL_FEATURES, _ABSENT)
    distinct = len(np.unique(np.round(np.column_stack([bx, by]) / radius_m, 1), axis=0))
    f["cells_log"] = float(np.log10(distinct))
    f["changes_per_hour"] = (len(begin) - 1) / hours
    f["revisits"] = 1.0 - distinct / len(begin)
    f["hours_log"] = float(np.log10(hours))
    f["radius_log"] = float(np.log10(radius_m))
    stay = last - first
    f["dwell_50"], f["dwell_most"] = float(np.median(stay)), float(stay.max())
    f["speed_most"] = 2.0 * radius_m / max(15.0, float(stay[1:-1].min() if len(stay) > 2 else stay.max()))
    if len(begin) > 1:
        hop = np.hypot(np.diff(bx), np.diff(by))
        f["speed_path"] = float(hop.sum() / max(15.0, first[-1] - last[0]))
        f["straight_path"] = float(np.hypot(bx[-1] - bx[0], by[-1] - by[0]) / hop.sum())
        # The least speed between any cell and the third, sixth and twelfth after it.
        least = 0.0
        for ahead in (1, 2, 3, 6, 12):
            if len(begin) <= ahead:
                break
            gap = np.hypot(bx[ahead:] - bx[:-ahead], by[ahead:] - by[:-ahead]) - 2.0 * radius_m
            base = np.maximum(15.0, first[ahead:] - last[:-ahead])
            least = max(least, float((np.maximum(0.0, gap) / base).max()))
        f["speed_least"] = least
        middle = np.diff(0.5 * (first + last))
        f["speed_between_90"] = float(np.quantile(hop / np.maximum(15.0, middle), 0.9))
    else:
        f["speed_least"] = 0.0
    return np.array([f[name] for name in CELL_FEATURES])


def _plane(lat_deg: Floats, lon_deg: Floats) -> tuple[Floats, Floats]:
    """East and north of the first point, along the track [m]: each step with the scale of its own latitude."""
    lon = np.unwrap(np.asarray(lon_deg, np.float64), period=360.0)
    lat = np.asarray(lat_deg, np.float64)
    scale = 111_195.0
    dx = np.diff(lon) * scale * np.cos(np.radians(0.5 * (lat[1:] + lat[:-1])))
    return np.concatenate([[0.0], np.cumsum(dx)]), (lat - lat[:1]) * scale
