"""Rows for detectors of motion, from tracks: columns that a test does not care about have their unknown value."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import ArrayLike, NDArray

from groundrule.detect.rows import UNKNOWN, Facts, Places, Rows
from groundrule.instant import NS_PER_S
from groundrule.simulate.platforms import Track

START_NS = 1_780_000_000 * NS_PER_S
M_PER_DEG = 111_195.0


def rows_of(
    row: ArrayLike, t_ns: ArrayLike, lat: ArrayLike, lon: ArrayLike, alt: ArrayLike | None = None, *, sigma_m: float = 5.0
) -> Rows:
    """Fixes of terminals, put in order of time."""
    row_, t_ = np.asarray(row, np.int32), np.asarray(t_ns, np.int64)
    order = np.lexsort((row_, t_))
    n = len(row_)

    def full(value: float, kind: type) -> NDArray:
        return np.full(n, value, kind)

    alt_ = full(np.nan, np.float32) if alt is None else np.asarray(alt, np.float32)
    return Rows(
        row_[order], t_[order], np.asarray(lat, float)[order], np.asarray(lon, float)[order], full(sigma_m, np.float32),
        full(0, np.uint64), full(0, np.float32), full(0, np.uint8), alt_[order], full(np.nan, np.float32), full(0, np.uint8),
        full(0, np.uint8), full(np.nan, np.float64), full(-1, np.int32), full(UNKNOWN, np.uint8), full(UNKNOWN, np.uint8),
    )  # fmt: skip


def way_rows(seconds: ArrayLike, north_m: ArrayLike, east_m: ArrayLike | float = 0.0, *, row: int = 0, **more) -> Rows:
    """One terminal's fixes, given in metres from 48° N 35° E."""
    s = np.asarray(seconds, float)
    lat = 48.0 + np.asarray(north_m, float) / M_PER_DEG
    lon = 35.0 + np.broadcast_to(east_m, s.shape) / (M_PER_DEG * np.cos(np.radians(48.0)))
    return rows_of(np.full(len(s), row), START_NS + np.round(s * NS_PER_S).astype(np.int64), lat, lon, **more)


def facts_of(terminals: int, mobile: int = UNKNOWN) -> Facts:
    """Facts of terminals of which only the plan is known."""
    facts = Facts.unknown(terminals)
    facts.mobile[:] = mobile
    return facts


def front_places() -> Places:
    """One place, over a front."""
    return Places(["UA"], np.zeros(1, np.int16), np.ones(1, np.bool_), np.zeros(1, np.int16), np.zeros(1, np.bool_))


def tracks_in(index: Path, *files: Path) -> tuple[list[str], Rows, dict[str, dict[str, object]]]:
    """Ids, rows and index of tracks in files."""
    entries = {row["track_id"]: row for row in pq.read_table(index).to_pylist()}
    table = pa.concat_tables([pq.read_table(file) for file in files], promote_options="permissive")
    ids, row = np.unique(np.array(table.column("track_id").to_pylist()), return_inverse=True)
    t_ns = table.column("time").cast(pa.timestamp("ns", "UTC")).cast(pa.int64()).to_numpy()
    lat, lon = (table.column(name).to_numpy() for name in ("lat", "lon"))
    return ids.tolist(), rows_of(row, t_ns, lat, lon, table.column("alt_m").to_numpy()), entries


def real_tracks(folder: Path, *names: str) -> tuple[list[str], Rows, dict[str, dict[str, object]]]:
    """Ids, rows and index of the optional real tracks."""
    return tracks_in(folder / "tracks_index.parquet", *(folder / name for name in names or ("tracks.parquet",)))


class Real:
    """Real tracks: rows, and class and vehicle of each."""

    def __init__(self, files: Sequence[Path], index: Path) -> None:
        self.ids, self.rows, entries = tracks_in(index, *files)
        self.kind = [str(entries[each]["class"]) for each in self.ids]
        self.group = [str(entries[each]["group"]) for each in self.ids]
        self.days = [float(entries[each]["duration_s"]) / 86_400.0 for each in self.ids]
        order = np.argsort(self.rows.row, kind="stable")
        self.parts = np.split(order, np.flatnonzero(np.diff(self.rows.row[order])) + 1)

    def vehicles(self, tracks: Sequence[int]) -> int:
        """How many vehicles tracks are of."""
        return len({self.group[i] for i in tracks})


def rows_of_tracks(tracks: Sequence[Track], rng: np.random.Generator | None = None) -> Rows:
    """Rows of simulated tracks; with a generator, half of them have no altitude."""
    sizes = [len(each.t_s) for each in tracks]
    alt = np.concatenate([
        each.alt_m if rng is None or rng.random() < 0.5 else np.full(len(each.t_s), np.nan) for each in tracks
    ])  # fmt: skip
    t_ns = START_NS + np.round(np.concatenate([each.t_s for each in tracks]) * NS_PER_S).astype(np.int64)
    lat, lon = (np.concatenate([getattr(each, name) for each in tracks]) for name in ("lat_deg", "lon_deg"))
    return rows_of(np.repeat(np.arange(len(tracks)), sizes), t_ns, lat, lon, alt)
