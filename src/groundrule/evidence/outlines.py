"""Coasts, borders and limits of territorial seas as lines to look at, simplified from the world areas.

Lines for looking, never for deciding: they are simplified, and a border that two countries draw differently appears
twice.

1. Land: outer rings, simplified; islets smaller than the tolerance vanish.
2. A stretch that two countries share vertex by vertex is a border; one that belongs to a single country is the limit of
   its territorial sea, or one side of a dispute.

Whoever draws a small map asks for what may be seen in it: then far land is left out, and far stretches of borders.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from groundrule.areas.model import AreaSet
from groundrule.areas.world import ATTRIBUTION, LAND_ID, load_world

Line = NDArray[np.float64]
Box = tuple[float, float, float, float]
"""West, south, east and north [degree]."""

_SCALE = 1e7
"""Degrees times this are whole numbers in the source, so equal vertices have equal keys."""


@dataclass(frozen=True, slots=True)
class Outlines:
    """Lines to draw; each is an array of (longitude, latitude) [degree; shape (n, 2)].

    Attributes:
        land: closed rings.
        borders: between countries.
        sea_limits: outer limits of territorial seas, and stretches that only one side of a dispute draws.
        attribution: to be shown beside them.
    """

    land: tuple[Line, ...]
    borders: tuple[Line, ...]
    sea_limits: tuple[Line, ...]
    attribution: str = ATTRIBUTION


@functools.cache
def shipped_outlines(tolerance_deg: float = 0.02, windows: tuple[Box, ...] | None = None) -> Outlines:
    """Outlines of the shipped world areas, made once per process, tolerance and windows; see `world_outlines`."""
    return world_outlines(load_world(), tolerance_deg=tolerance_deg, windows=windows)


def world_outlines(areas: AreaSet, *, tolerance_deg: float = 0.02, windows: Sequence[Box] | None = None) -> Outlines:
    """Simplify the areas of kind `country` and the area `land` to lines.

    Args:
        areas: the world areas, or others of these kinds.
        tolerance_deg: how far a drawn line may be from the true one [degree].
        windows: only what may be in one of these: whole rings of land, and of other lines at least the stretches there.
            None is the whole world.
    """
    land: tuple[Line, ...] = ()
    for area in areas.versions(LAND_ID)[-1:]:
        parts = _near(shapely.get_parts(area.geometry), windows)
        parts = parts[shapely.area(parts) > 4 * tolerance_deg**2]
        rings = shapely.simplify(shapely.get_exterior_ring(parts), tolerance_deg, preserve_topology=False)
        land = tuple(shapely.get_coordinates(ring) for ring in rings if shapely.get_num_coordinates(ring) > 3)
    countries = np.array([area.geometry for area in areas if area.kind == "country"], object)
    borders, limits = _shared_and_lone(countries, windows) if len(countries) else ([], [])
    return Outlines(land, _simplified(borders, tolerance_deg), _simplified(limits, tolerance_deg))


def _near(geometries: NDArray[np.object_], windows: Sequence[Box] | None) -> NDArray[np.object_]:
    """Those of some geometries that may be in one of some windows."""
    if windows is None:
        return geometries
    bounds = shapely.bounds(geometries)
    return geometries[_meet(bounds[:, :2], bounds[:, 2:], windows)]


def _meet(low: Line, high: Line, windows: Sequence[Box]) -> NDArray[np.bool_]:
    """Tell which boxes, given by their corners, meet one of some windows."""
    found = np.zeros(len(low), np.bool_)
    for west, south, east, north in windows:
        found |= ((high >= (west, south)) & (low <= (east, north))).all(axis=1)
    return found


def _shared_and_lone(countries: NDArray[np.object_], windows: Sequence[Box] | None) -> tuple[list[Line], list[Line]]:
    """Cut all rings into stretches of segments that occur twice or more (given once), and those that occur once."""
    rings = _near(shapely.get_rings(_near(shapely.get_parts(countries), windows)), windows)
    xy, ring = shapely.get_coordinates(rings, return_index=True)
    inside = ring[1:] == ring[:-1]
    if windows is not None:
        # All copies of a segment are in the same windows, so what is left out changes no count.
        inside &= _meet(np.minimum(xy[1:], xy[:-1]), np.maximum(xy[1:], xy[:-1]), windows)
    start = np.flatnonzero(inside)
    if not len(start):
        return [], []
    whole = np.rint(xy * _SCALE).astype(np.int64)
    vertex = (whole[:, 0].astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) ^ (
        whole[:, 1].astype(np.uint64) * np.uint64(0xC2B2AE3D27D4EB4F)
    )
    # The sum is the same in both directions of travel.
    _, first, which, count = np.unique(
        vertex[start] + vertex[start + 1], return_index=True, return_inverse=True, return_counts=True
    )
    # 180° is where the source cuts polygons, and no border.
    seam = (np.abs(xy[start, 0]) > 179.9999) & (np.abs(xy[start + 1, 0]) > 179.9999)
    shared = (count[which] > 1) & (first[which] == np.arange(len(start))) & ~seam
    lone = (count[which] == 1) & ~seam
    return _runs(xy, start[shared]), _runs(xy, start[lone])


def _runs(xy: Line, segments: NDArray[np.int64]) -> list[Line]:
    """Join segments that follow each other in the source."""
    if not len(segments):
        return []
    cuts = np.flatnonzero(np.diff(segments) != 1) + 1
    return [xy[part[0] : part[-1] + 2] for part in np.split(segments, cuts)]


def _simplified(lines: list[Line], tolerance_deg: float) -> tuple[Line, ...]:
    long = [line for line in lines if np.ptp(line, axis=0).max() > tolerance_deg]
    if not long:
        return ()
    counts = [len(line) for line in long]
    made = shapely.linestrings(np.concatenate(long), indices=np.repeat(np.arange(len(long)), counts))
    simple = shapely.simplify(made, tolerance_deg, preserve_topology=False)
    return tuple(shapely.get_coordinates(line) for line in simple)
