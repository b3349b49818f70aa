"""What a map shows of a fleet: single terminals where few are in view, else counts in cells of about one size on the screen.

A batch job over columns: a hundred thousand terminals take some milliseconds, so that a map can ask with each movement.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import h3.api.basic_int as h3
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from groundrule.instant import NS_PER_DAY, format_instant
from groundrule.pipeline.decisions import STATE_WORDS
from groundrule.pipeline.manifests import runs
from groundrule.records import OUTCOME_WORDS
from groundrule.store.history import day_files
from groundrule.store.home import Home
from groundrule.store.places import dataset_of

CATEGORIES: Final = (*OUTCOME_WORDS, *STATE_WORDS[1:])
"""What a terminal is drawn as: its outcome, or the state that says why there is no decision about it."""
MOST_POINTS: Final = 2_000
TILE_PX: Final = 512
CELL_PX: Final = 48
MOST_CELLS: Final = 16_384
MAX_ZOOM: Final = 22.0
LOOK_BACK_NS: Final = NS_PER_DAY
"""A terminal that was not seen for so long before an instant is not on the map of that instant."""
_EDGE_DEG: Final = 85.05112878


@dataclass(frozen=True)
class Scene:
    """A fleet at one moment, by columns.

    Attributes:
        ids: terminals (text, shape (n,)).
        lat_deg, lon_deg: [degree; NaN unknown].
        outcome, state: codes (uint8).
        kind: class of each terminal (uint8), or None where it is not told.
        observed_at_ns: [ns, UTC].
        areas: ids of the areas of each, where they were read.
    """

    ids: pa.Array
    lat_deg: NDArray[np.float64]
    lon_deg: NDArray[np.float64]
    outcome: NDArray[np.uint8]
    state: NDArray[np.uint8]
    observed_at_ns: NDArray[np.int64]
    kind: NDArray[np.uint8] | None = None
    areas: pa.ChunkedArray | None = None

    @property
    def category(self) -> NDArray[np.uint8]:
        """Index into `CATEGORIES` (uint8)."""
        return np.where(self.state == 0, self.outcome, self.state + np.uint8(len(OUTCOME_WORDS) - 1)).astype(np.uint8)


@dataclass(frozen=True, slots=True)
class Window:
    """What is looked at.

    Attributes:
        west, south, east, north: [degree]; west beyond east crosses 180°.
        zoom: of a web map: the world is 512 · 2^zoom pixels wide.
    """

    west: float
    south: float
    east: float
    north: float
    zoom: float

    @property
    def width_deg(self) -> float:
        """From west to east [degree, 0 to 360]."""
        if self.east - self.west >= 360:
            return 360.0
        return (self.east - self.west) % 360.0 or (360.0 if self.east != self.west else 0.0)


@dataclass(frozen=True, slots=True)
class Look:
    """What is in view.

    Attributes:
        total: terminals that are looked at, wherever they are.
        rows: rows of the scene that are in view (int64), where they are few; else None.
        cells: where they are many.
    """

    total: int
    in_view: int
    rows: NDArray[np.int64] | None
    cells: Cells | None


@dataclass(frozen=True, slots=True)
class Cells:
    """Terminals by cell; only cells that hold some.

    Attributes:
        lon, lat: mean position [degree].
        counts: terminals by cell and category (int64, shape (cells, len(CATEGORIES))).
        west, south, east, north: bounds [degree].
    """

    lon: NDArray[np.float64]
    lat: NDArray[np.float64]
    counts: NDArray[np.int64]
    west: NDArray[np.float64]
    south: NDArray[np.float64]
    east: NDArray[np.float64]
    north: NDArray[np.float64]


def look(
    scene: Scene, window: Window, *, seen: NDArray[np.bool_] | None = None, categories: Sequence[int] = (), most_points: int = MOST_POINTS
) -> Look:
    """Look at a part of a fleet.

    Args:
        scene: the fleet.
        window: where.
        seen: who may be seen (bool, shape (n,)); None is everybody.
        categories: only these; none given is all.
        most_points: so many are given one by one.
    """
    category = scene.category
    shown = np.ones(len(category), bool) if seen is None else seen
    if categories:
        shown = shown & np.isin(category, np.array(categories, np.uint8))
    width = window.width_deg
    east_of = np.mod(scene.lon_deg - window.west, 360.0)
    # Unknown positions compare as false.
    inside = shown & (scene.lat_deg >= window.south) & (scene.lat_deg <= window.north) & ((east_of <= width) | (width >= 360.0))
    inside &= ~np.isnan(scene.lon_deg)
    rows = np.flatnonzero(inside)
    total = int(shown.sum())
    if len(rows) <= most_points:
        return Look(total, len(rows), rows, None)
    return Look(total, len(rows), None, _cells(scene.lon_deg[rows], scene.lat_deg[rows], category[rows], window))


def _cells(lon: NDArray[np.float64], lat: NDArray[np.float64], category: NDArray[np.uint8], window: Window) -> Cells:
    zoom = min(max(window.zoom, 0.0), MAX_ZOOM)
    per_world = max(4, round(TILE_PX / CELL_PX * 2.0 ** math.floor(zoom)))
    low, high = (float(_mercator(np.array([each]))[0]) for each in (window.north, window.south))
    while True:
        columns = min(per_world, math.ceil(window.width_deg / 360.0 * per_world) + 1)
        first_row = math.floor(low * per_world)
        height = min(per_world - 1, math.floor(high * per_world)) - first_row + 1
        if columns * height <= MOST_CELLS or per_world <= 4:
            break
        per_world = max(4, per_world // 2)
    # Cells keep their places when the map is moved: they are counted from 180° W and the north.
    first_column = math.floor((window.west + 180.0) / 360.0 * per_world)
    column = np.floor((lon + 180.0) / 360.0 * per_world).astype(np.int64)
    column = np.mod(column - first_column, per_world)
    columns = int(column.max()) + 1
    row = np.clip(np.floor(_mercator(lat) * per_world).astype(np.int64) - first_row, 0, height - 1)
    cell = row * columns + column
    width = len(CATEGORIES)
    counts = np.bincount(cell * width + category, minlength=columns * height * width).reshape(-1, width)
    number = counts.sum(axis=1)
    held = np.flatnonzero(number)
    west_of = (first_column + held % columns) / per_world * 360.0 - 180.0
    north_of = (first_row + held // columns) / per_world
    offset = np.mod(lon - ((first_column + column) / per_world * 360.0 - 180.0), 360.0)
    mean_lon = west_of + (np.bincount(cell, offset, minlength=columns * height)[held] / number[held])
    mean_lat = np.bincount(cell, lat, minlength=columns * height)[held] / number[held]
    step = 360.0 / per_world
    return Cells(
        _wrapped(mean_lon), mean_lat, counts[held], _wrapped(west_of), _latitude(north_of + 1 / per_world),
        _wrapped(west_of) + step, _latitude(north_of),
    )  # fmt: skip


def _mercator(lat_deg: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance from the north on a web map whose side is 1."""
    clipped = np.radians(np.clip(lat_deg, -_EDGE_DEG, _EDGE_DEG))
    return np.clip(0.5 - np.log(np.tan(np.pi / 4 + clipped / 2)) / (2 * np.pi), 0.0, 1.0 - 1e-12)


def _latitude(y: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.degrees(2 * np.arctan(np.exp(np.pi * (1 - 2 * y))) - np.pi / 2)


def _wrapped(lon_deg: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.mod(lon_deg + 180.0, 360.0) - 180.0


def scene_at(home: Home, at_ns: int) -> Scene:
    """Return the fleet as it was decided at an instant: of each terminal the last answer of the day before it.

    Args:
        home: whose history.
        at_ns: [ns, UTC].
    Raises:
        IntegrityError: history cannot be read.
    """
    committed = runs(home)
    days = sorted({format_instant(at)[:10] for at in (at_ns - LOOK_BACK_NS, at_ns)})
    wanted = (pc.field("observed_at") <= at_ns) & (pc.field("observed_at") > at_ns - LOOK_BACK_NS)

    def last(kind: str, columns: list[str], condition: pc.Expression) -> pa.Table:
        parts = [
            dataset_of(path).to_table(columns=columns, filter=condition)
            for day in days
            for _, _, path in day_files(home, kind, day, runs=committed)
        ]
        parts = [each for each in parts if len(each)]
        if not parts:
            return pa.table({name: pa.array([], pa.string() if name == "terminal_id" else pa.int64()) for name in columns})
        # Files come in the order of their runs, corrections after what they correct: of one instant the last holds.
        whole = pa.concat_tables(parts, promote_options="permissive").unify_dictionaries().combine_chunks()
        codes = whole.column("terminal_id").combine_chunks().dictionary_encode().indices.to_numpy()
        order = np.lexsort((np.arange(len(whole)), whole.column("observed_at").to_numpy(), codes))
        ends = np.flatnonzero(np.diff(codes[order], append=-1))
        return whole.take(pa.array(order[ends]))

    decided = last("decisions", ["terminal_id", "observed_at", "outcome", "state", "areas"], wanted)
    placed = wanted & (pc.field("lat_deg").is_valid() | pc.field("h3_cell").is_valid())
    seen = last("observations", ["terminal_id", "observed_at", "lat_deg", "lon_deg", "h3_cell"], placed)
    n = len(decided)
    lat, lon = np.full(n, np.nan), np.full(n, np.nan)
    if n and len(seen):
        place = pc.index_in(decided.column("terminal_id"), value_set=seen.column("terminal_id").combine_chunks())
        known = pc.is_valid(place).to_numpy()
        rows = seen.take(pc.drop_null(place))
        lat[known], lon[known] = positions(rows)
    areas = decided.column("areas") if n else None
    return Scene(
        decided.column("terminal_id").combine_chunks() if n else pa.array([], pa.string()), lat, lon,
        _codes(decided, "outcome", OUTCOME_WORDS), _codes(decided, "state", STATE_WORDS),
        decided.column("observed_at").to_numpy(), None, areas,
    )  # fmt: skip


def positions(table: pa.Table) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return latitude and longitude of observations; the middle of a cell where nothing better is stated [degree; NaN unknown]."""
    lat, lon = (
        table.column(name).cast(pa.float64()).to_numpy(zero_copy_only=False).copy() for name in ("lat_deg", "lon_deg")
    )
    cells = table.column("h3_cell").to_pylist()
    for row in np.flatnonzero(np.isnan(lat)).tolist():
        if cells[row] is not None:
            lat[row], lon[row] = h3.cell_to_latlng(cells[row])
    return lat, lon


def _codes(table: pa.Table, name: str, words: Sequence[str]) -> NDArray[np.uint8]:
    if not len(table):
        return np.zeros(0, np.uint8)
    found = pc.index_in(table.column(name).cast(pa.string()), value_set=pa.array(words))
    return found.to_numpy().astype(np.uint8)
