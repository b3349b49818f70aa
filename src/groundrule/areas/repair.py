"""From rings of positions to a valid polygon, repaired only where the repair is certain, else refused with the place.

Certain, and reported: closing a ring, dropping repeated positions, turning a ring round, dropping parts below one
square metre, cutting at 180 degrees, and mending a self-intersection that changes the area by less than a millionth.
Everything else, a bow-tie for instance, could mean two things and is refused.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import MultiPolygon, Polygon, box

from groundrule.errors import MalformedArea

Ring = NDArray[np.float64]
"""Positions of one ring, x longitude and y latitude [degree, WGS 84; shape (n, 2)]."""

MAX_VERTICES = 5_000_000
"""Of one feature; the whole world at 10 m has two million."""
MAX_RINGS = 500_000
SLIVER_M2 = 1.0
AREA_TOLERANCE = 1e-6
"""Largest relative change of area that a certain repair makes."""

_M2_PER_SQUARE_DEGREE = 1.2364e10
_POLAR_DEG = 60.0


@np.errstate(all="ignore")  # GEOS leaves floating-point flags behind, which shapely would report as warnings
def build_polygon(
    polygons: Sequence[Sequence[Any]], *, winding: bool = False
) -> tuple[Polygon | MultiPolygon, list[str]]:
    """Build a valid geometry from nested rings.

    Args:
        polygons: for each part its rings (outer first), each a sequence of positions (longitude, latitude, …).
        winding: report rings that do not follow RFC 7946 (outer rings counter-clockwise).
    Returns:
        The geometry in lon and lat [degree], within -180 to 180, and one sentence per repair.
    Raises:
        MalformedArea: what is wrong, and where.
    """
    notes: list[str] = []
    rings = [[_positions(ring) for ring in part] for part in polygons]
    _check_size(rings)
    parts: list[Polygon] = []
    turned = 0
    for part in rings:
        if not part:
            raise MalformedArea("a polygon has no ring", help="give at least an outer ring")
        cleaned = [_clean(ring, notes) for ring in part]
        turned += sum(_is_ccw(ring) != (number == 0) for number, ring in enumerate(cleaned))
        parts += _cut_at_180(cleaned, notes)
    if winding and turned:
        notes.append(f"turned {turned} ring{'s' if turned > 1 else ''} round (outer rings run counter-clockwise)")
    geometry = _valid([p for p in parts if not p.is_empty], notes)
    return shapely.orient_polygons(geometry), list(dict.fromkeys(notes))


def _positions(ring: Any) -> Ring:
    try:
        if isinstance(ring, np.ndarray):
            array = np.asarray(ring[:, :2], dtype=np.float64)
        elif {type(n) for p in ring for n in p} <= {float, int} and len({len(p) for p in ring}) == 1:
            array = np.array(ring, dtype=np.float64)[:, :2].reshape(-1, 2)
        else:
            array = np.array([(_number(p[0]), _number(p[1])) for p in ring], dtype=np.float64).reshape(-1, 2)
    except (TypeError, ValueError, IndexError, KeyError, OverflowError) as error:
        raise MalformedArea(
            "a ring is not a list of positions", help="a position is [longitude, latitude] in degrees"
        ) from error
    bad = ~np.isfinite(array).all(axis=1)
    if bad.any():
        at = int(bad.argmax()) + 1
        raise MalformedArea(f"position {at} of a ring is not a finite number", help="give numbers in degrees")
    _check_range(array)
    return array


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"`{value!r:.40}` is not a number")
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _check_range(array: Ring) -> None:
    if not len(array):
        return
    lon, lat = array[:, 0], array[:, 1]
    outside = np.abs(lat) > 90
    if outside.any():
        at = int(outside.argmax())
        swapped = bool((np.abs(lon) <= 90).all() and (np.abs(lat) <= 180).all())
        hint = "latitude and longitude look swapped: write longitude first" if swapped else "latitude lies in -90 to 90"
        raise MalformedArea(f"latitude {lat[at]:g} at position {at + 1} of a ring", help=hint, value=float(lat[at]))
    outside = np.abs(lon) > 360
    if outside.any():
        at = int(outside.argmax())
        raise MalformedArea(
            f"longitude {lon[at]:g} at position {at + 1} of a ring",
            help="longitude lies in -180 to 180 degrees; metres of a projection need a file format that names it",
            value=float(lon[at]),
        )


def _check_size(rings: list[list[Ring]]) -> None:
    vertices = sum(len(ring) for part in rings for ring in part)
    count = sum(len(part) for part in rings)
    if vertices > MAX_VERTICES or count > MAX_RINGS:
        raise MalformedArea(
            f"the feature has {vertices:,} positions in {count:,} rings",
            help=f"split it; at most {MAX_VERTICES:,} positions and {MAX_RINGS:,} rings",
        )
    if vertices == 0:
        raise MalformedArea("the polygon is empty", help="leave features without a polygon out")


def _clean(ring: Ring, notes: list[str]) -> Ring:
    if len(ring) and not np.array_equal(ring[0], ring[-1]):
        ring = np.vstack([ring, ring[:1]])
        notes.append("closed a ring that did not end where it began")
    repeated = np.append(False, (ring[1:] == ring[:-1]).all(axis=1))
    if repeated.any():
        ring = ring[~repeated]
        notes.append(f"dropped {int(repeated.sum())} repeated positions")
    if len(ring) < 4:
        raise MalformedArea(
            f"a ring has {max(len(ring) - 1, 0)} different positions",
            help="a ring needs three, and ends where it begins",
        )
    return ring


def _is_ccw(ring: Ring) -> bool:
    x = ring[:, 0] - ring[0, 0]
    y = ring[:, 1] - ring[0, 1]
    return float(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1])) > 0


# --- the antimeridian and the poles -----------------------------------------------------------------------------------


def _cut_at_180(rings: list[Ring], notes: list[str]) -> list[Polygon]:
    """Cut one part at 180 degrees where an edge jumps across it or longitudes run beyond it."""
    outer = rings[0]
    if np.abs(outer[:, 0]).max() <= 180 and not _jumps(outer).any():
        return [Polygon(rings[0], rings[1:])]
    jumped = bool(_jumps(outer).any())
    unwrapped, turns = _unwrap(outer)
    if turns:
        unwrapped = _over_the_pole(unwrapped, notes)
    if np.ptp(unwrapped[:, 0]) > 360 + 1e-9:
        raise MalformedArea(
            "a ring runs more than once round the Earth", help="cut it at 180 degrees, as RFC 7946 says"
        )
    holes = []
    for hole in rings[1:]:
        line, hole_turns = _unwrap(hole)
        if hole_turns:
            raise MalformedArea("a hole holds a pole", help="cut the polygon at 180 degrees, as RFC 7946 says")
        shift = next((s for s in (0, 360, -360, 720, -720) if _within(line[:, 0] + s, unwrapped[:, 0])), 0)
        holes.append(line + np.array([shift, 0.0]))
    whole = Polygon(unwrapped, holes)
    if not whole.is_valid:
        raise MalformedArea(
            f"a ring that crosses 180 degrees intersects itself: {_place(whole)}", help="draw it without crossing edges"
        )
    pieces: list[Polygon] = []
    for turn in range(-2, 3):
        piece = whole.intersection(box(360 * turn - 180, -90, 360 * turn + 180, 90))
        moved = shapely.transform(piece, lambda xy, turn=turn: np.column_stack([xy[:, 0] - 360 * turn, xy[:, 1]]))
        pieces += [p for p in shapely.get_parts(moved).tolist() if isinstance(p, Polygon) and p.area > 0]
    if len(pieces) > 1 or jumped:
        why = " (an edge jumps from one side to the other)" if jumped else ""
        notes.append("cut at 180 degrees of longitude" + why)
    else:
        notes.append("moved by 360 degrees into -180 to 180")
    return pieces


def _jumps(ring: Ring) -> NDArray[np.bool_]:
    """Edges longer than 180 degrees of longitude; one from -180 to 180 itself is a parallel, not a jump."""
    lon = ring[:, 0]
    on_cut = np.abs(lon) == 180
    jumps: NDArray[np.bool_] = (np.abs(np.diff(lon)) > 180) & ~(on_cut[1:] & on_cut[:-1])
    return jumps


def _unwrap(ring: Ring) -> tuple[Ring, int]:
    """Make longitude continuous along the ring; also return how often it goes round the Earth (0, 1 or -1)."""
    step = np.diff(ring[:, 0])
    step = np.where(_jumps(ring), (step + 180) % 360 - 180, step)
    lon = ring[0, 0] + np.append(0, np.cumsum(step))
    return np.column_stack([lon, ring[:, 1]]), round((lon[-1] - lon[0]) / 360)


def _over_the_pole(ring: Ring, notes: list[str]) -> Ring:
    """Lead a ring that goes round the Earth over the pole it holds, if there is no doubt which."""
    lat = ring[:, 1]
    if lat.min() >= _POLAR_DEG:
        pole = 90.0
    elif lat.max() <= -_POLAR_DEG:
        pole = -90.0
    else:
        raise MalformedArea(
            "a ring goes round the Earth, and either side of it could be meant",
            help="cut it at 180 degrees and lead it along the pole that it holds",
        )
    first, last = ring[0, 0], ring[-1, 0]
    notes.append(f"led along the {'north' if pole > 0 else 'south'} pole")
    return np.vstack([ring, [[last, pole], [first, pole]], ring[:1]])


def _within(lon: NDArray[np.float64], outer: NDArray[np.float64]) -> bool:
    return bool(lon.min() >= outer.min() and lon.max() <= outer.max())


# --- validity ---------------------------------------------------------------------------------------------------------


def _valid(parts: list[Polygon], notes: list[str]) -> Polygon | MultiPolygon:
    if not parts:
        raise MalformedArea("the polygon has no area", help="leave features without a polygon out")
    geometry: Any = parts[0] if len(parts) == 1 else MultiPolygon(parts)
    if not geometry.is_valid:
        geometry = _mended(geometry, notes)
    large = [_without_slivers(p, notes) for p in shapely.get_parts(geometry).tolist() if area_m2(p) >= SLIVER_M2]
    dropped = len(shapely.get_parts(geometry)) - len(large)
    if not large:
        raise MalformedArea("the polygon covers less than one square metre", help="is it a line drawn as a polygon?")
    if dropped:
        notes.append(f"dropped {dropped} parts of less than one square metre")
    return large[0] if len(large) == 1 else MultiPolygon(large)


def _mended(geometry: Any, notes: list[str]) -> Any:
    where = _place(geometry)
    by_line = _polygons_of(shapely.make_valid(geometry))
    by_structure = _polygons_of(shapely.make_valid(geometry, method="structure", keep_collapsed=False))
    before = abs(geometry.area)
    largest = max(before, by_line.area, by_structure.area)
    if max(area_m2(by_line), area_m2(by_structure)) < SLIVER_M2:
        return by_line
    if max(abs(by_line.area - before), abs(by_structure.area - before)) > AREA_TOLERANCE * largest:
        raise MalformedArea(f"the polygon is not valid: {where}", help=_advice(where))
    notes.append(f"mended {where} (area unchanged to a millionth)")
    return by_line


def _polygons_of(geometry: Any) -> Any:
    polygons: list[Polygon] = []
    for part in shapely.get_parts(geometry).tolist():
        polygons += [p for p in shapely.get_parts(part).tolist() if isinstance(p, Polygon)]
    return MultiPolygon(polygons)


def _without_slivers(part: Polygon, notes: list[str]) -> Polygon:
    kept = [hole for hole in part.interiors if area_m2(Polygon(hole)) >= SLIVER_M2]
    if len(kept) < len(part.interiors):
        notes.append("dropped holes of less than one square metre")
        return Polygon(part.exterior, kept)
    return part


def area_m2(part: Any) -> float:
    """Area of a small polygon [m², to a percent]."""
    if part.is_empty:
        return 0.0
    middle = (part.bounds[1] + part.bounds[3]) / 2
    return float(part.area) * _M2_PER_SQUARE_DEGREE * max(math.cos(math.radians(middle)), 1e-6)


def _place(geometry: Any) -> str:
    """Write shapely's `Self-intersection[30.5 50.4]` as words with latitude first."""
    reason = str(shapely.is_valid_reason(geometry))
    kind, _, rest = reason.partition("[")
    numbers = rest.rstrip("]").split()
    if len(numbers) < 2:
        return kind.strip().lower()
    return f"{kind.strip().lower()} at latitude {float(numbers[1]):.6f}, longitude {float(numbers[0]):.6f}"


def _advice(where: str) -> str:
    if where.startswith("nested shells") or "lies" in where:
        return "say whether the inner ring is a hole (same polygon) or an island (another polygon, outside the first)"
    return "its edges cross; redraw it, as it could mean two different areas"
