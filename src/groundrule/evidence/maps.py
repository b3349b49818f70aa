"""Pictures of decisions: the world, and Ukraine beside it, as PNG.

Colours are those of Okabe and Ito, which people with the common kinds of colour blindness can tell apart; every outcome
has a shape of its own as well, and stricter outcomes lie on top. The basemap is for looking at, not for deciding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

from groundrule.evidence.marks import KEYS, MARKS, Mark, answer
from groundrule.evidence.outlines import Outlines, shipped_outlines

Points = Mapping[str, Any]
"""Columns by name, of equal length: lists, NumPy arrays or Arrow columns."""

UKRAINE = (43.7, 52.8, 21.3, 41.3)
"""South, north, west and east of the second panel [degree]."""


_SEA, _LAND, _COAST, _BORDER, _LIMIT, _INK = "#E6EEF3", "#FBFAF6", "#A9B4BB", "#B9AFA0", "#C3D3DE", "#222222"
_PROJECTION = pyproj.Transformer.from_crs("EPSG:4326", "+proj=eqearth +lon_0=10", always_xy=True)
_SEAM_DEG = -170.0
"""The world panel is centred on 10° E, so it is cut here, between Alaska and Chukotka."""


def outcome_map_png(
    points: Points, path: Path | str, *, title: str, subtitle: str | None = None, outlines: Outlines | None = None
) -> None:
    """Draw where terminals are and what was decided for them.

    Args:
        points: columns lat_deg, lon_deg [degree], outcome (serve, restrict, review, deny) and, where known, state;
            rows without a position are counted and not drawn.
        path: the PNG to write.
        title: headline.
        subtitle: line below it, or None.
        outlines: basemap; None: the shipped one.
    """
    lat, lon = _numbers(points, "lat_deg"), _numbers(points, "lon_deg")
    answers = _answers(points)
    figure, world, detail = _frame(title, subtitle, outlines or shipped_outlines())
    legend: list[tuple[Mark, int]] = []
    for mark in MARKS:
        rows = np.flatnonzero(answers == mark.key)
        if len(rows):
            legend.append((mark, len(rows)))
            for axes, scale in ((world, 2.0), (detail, 7.0)):
                _scatter(axes, lon[rows], lat[rows], mark, scale)
    nowhere = int((~np.isfinite(lat) | ~np.isfinite(lon)).sum())
    _legend(figure, legend, f"{nowhere:,} without a position are not drawn" if nowhere else None)
    _write(figure, path)


def whatif_map_png(
    changed: Sequence[Mapping[str, Any]],
    path: Path | str,
    *,
    title: str,
    subtitle: str | None = None,
    others: Points | None = None,
    outlines: Outlines | None = None,
) -> None:
    """Draw the terminals whose answer changes under another rulebook, by what it becomes.

    Args:
        changed: one mapping per terminal: lat_deg, lon_deg, before, after.
        path: the PNG to write.
        title: headline.
        subtitle: line below it, or None.
        others: columns lat_deg, lon_deg of terminals that stay as they are, drawn faintly, or None.
        outlines: basemap; None: the shipped one.
    """
    figure, world, detail = _frame(title, subtitle, outlines or shipped_outlines())
    if others is not None:
        quiet = Mark("", "", "#9AA5AC", "#9AA5AC", "o", 0.4, 0.35)
        for axes, scale in ((world, 2.0), (detail, 6.0)):
            _scatter(axes, _numbers(others, "lon_deg"), _numbers(others, "lat_deg"), quiet, scale)
    legend: list[tuple[Mark, int]] = []
    nowhere = 0
    answers = np.array([_from_words(str(item["after"])) for item in changed], np.str_)
    lat = np.array([item["lat_deg"] for item in changed], np.float64)
    lon = np.array([item["lon_deg"] for item in changed], np.float64)
    same = answers == np.array([_from_words(str(item["before"])) for item in changed], np.str_)
    # First, and fainter, those whose strictest answer stays and only comes at other moments.
    for stays in (True, False):
        for mark in MARKS:
            rows = np.flatnonzero((answers == mark.key) & (same == stays))
            if not len(rows):
                continue
            bold = replace(mark, size=0.8 if stays else 1.0, alpha=0.45 if stays else 1.0)
            words = f"{mark.words} before too, at other moments" if stays else f"now {mark.words}"
            legend.insert(0, (replace(bold, words=words), len(rows)))
            nowhere += int((~np.isfinite(lat[rows]) | ~np.isfinite(lon[rows])).sum())
            for axes, scale in ((world, 16.0), (detail, 34.0)):
                _scatter(axes, lon[rows], lat[rows], bold, scale, edge="white")
    _legend(figure, legend, f"{nowhere:,} without a position are not drawn" if nowhere else None)
    _write(figure, path)


def _numbers(points: Points, name: str) -> NDArray[np.float64]:
    values = points[name]
    values = values.to_pylist() if hasattr(values, "to_pylist") else values
    return np.array([np.nan if value is None else value for value in values], np.float64)


def _words(points: Points, name: str) -> NDArray[np.str_]:
    values = points[name]
    values = values.to_pylist() if hasattr(values, "to_pylist") else values
    return np.array(["" if value is None else str(value) for value in values], np.str_)


def _answers(points: Points) -> NDArray[np.str_]:
    outcome = _words(points, "outcome")
    names = points.column_names if hasattr(points, "column_names") else points
    if "state" not in names:
        return outcome
    state = _words(points, "state")
    return np.array([answer(*pair) for pair in zip(outcome.tolist(), state.tolist(), strict=True)], np.str_)


def _from_words(text: str) -> str:
    """The answer in `restrict (pending_registration)`, as what-if reports write it."""
    outcome, _, state = text.partition(" (")
    return answer(outcome, state.rstrip(")"))


def _frame(title: str, subtitle: str | None, outlines: Outlines) -> tuple[Figure, Axes, Axes]:
    figure = Figure(figsize=(16, 6.9), dpi=140, facecolor="white")
    FigureCanvasAgg(figure)
    figure.text(0.012, 0.951, title, fontsize=17, fontweight="bold", color=_INK, va="center")
    if subtitle:
        figure.text(0.012, 0.9, subtitle, fontsize=11, color="#555555", va="center")
    world = figure.add_axes((0.006, 0.115, 0.638, 0.745))
    detail = figure.add_axes((0.652, 0.115, 0.342, 0.745))
    for axes in (world, detail):
        axes.set_xticks([])
        axes.set_yticks([])
    _world_base(world, outlines)
    _detail_base(detail, outlines)
    figure.text(0.992, 0.012, f"Basemap {outlines.attribution}; for looking at, not for deciding", fontsize=8,
                color="#666666", ha="right", va="bottom")  # fmt: skip
    return figure, world, detail


def _world_base(axes: Axes, outlines: Outlines) -> None:
    edge = np.linspace(-90, 90, 181)
    rim = np.concatenate([
        np.column_stack([np.full(181, _SEAM_DEG + 360), edge]), np.column_stack([np.full(181, _SEAM_DEG), edge[::-1]])
    ])  # fmt: skip
    x, y = _PROJECTION.transform(np.clip(rim[:, 0], _SEAM_DEG + 1e-6, _SEAM_DEG + 360 - 1e-6), rim[:, 1])
    axes.fill(x, y, facecolor=_SEA, edgecolor="#BBC7CE", linewidth=0.8, zorder=0)
    rings = [piece for ring in outlines.land for piece in _cut(ring, close=True)]
    axes.add_collection(PolyCollection(rings, facecolors=_LAND, edgecolors=_COAST, linewidths=0.35, zorder=1))
    lines = [piece for line in outlines.borders for piece in _cut(line, close=False)]
    axes.add_collection(LineCollection(lines, colors=_BORDER, linewidths=0.35, zorder=2))
    axes.set_aspect("equal")
    axes.set_xlim(float(np.min(x)) * 1.005, float(np.max(x)) * 1.005)
    axes.set_ylim(_PROJECTION.transform(10, -60)[1], _PROJECTION.transform(10, 84)[1])
    axes.set_frame_on(False)


def _detail_base(axes: Axes, outlines: Outlines) -> None:
    south, north, west, east = UKRAINE
    axes.set_facecolor(_SEA)
    near = [ring for ring in outlines.land if _meets(ring)]
    axes.add_collection(PolyCollection(near, facecolors=_LAND, edgecolors=_COAST, linewidths=0.7, zorder=1))
    axes.add_collection(
        LineCollection(
            [line for line in outlines.sea_limits if _meets(line)], colors=_LIMIT, linewidths=0.7, zorder=1.5
        )
    )
    borders = [line for line in outlines.borders if _meets(line)]
    axes.add_collection(LineCollection(borders, colors=_BORDER, linewidths=0.9, zorder=2))
    axes.set_xlim(west, east)
    axes.set_ylim(south, north)
    axes.set_aspect(1 / np.cos(np.radians((south + north) / 2)))
    for spine in axes.spines.values():
        spine.set_color("#BBC7CE")
    axes.text(
        0.015, 0.975, "Ukraine and the Black Sea", transform=axes.transAxes, fontsize=10, color="#555555", va="top"
    )
    for name, lat, lon in (
        ("Kyiv", 50.45, 30.52), ("Lviv", 49.84, 24.03), ("Kharkiv", 49.99, 36.23), ("Dnipro", 48.47, 35.04),
        ("Odesa", 46.48, 30.73), ("Simferopol", 44.95, 34.1), ("Donetsk", 48.0, 37.8),
    ):  # fmt: skip
        axes.annotate(
            name, (lon, lat), xytext=(3, 3), textcoords="offset points", fontsize=8, color="#444444", zorder=9
        )


def _scatter(
    axes: Axes, lon: NDArray[np.float64], lat: NDArray[np.float64], mark: Mark, scale: float, *, edge: str = "none"
) -> None:
    seen = np.isfinite(lat) & np.isfinite(lon)
    lon, lat = lon[seen], lat[seen]
    if axes.get_aspect() == 1.0:
        x, y = _PROJECTION.transform(_inside(lon), lat)
    else:
        x, y = lon, lat
    outlined = edge != "none"
    height = 3 + (0.1 * KEYS.index(mark.key) if mark.key in KEYS else -0.5)
    axes.scatter(
        x,
        y,
        s=scale * mark.size**2 * 1.6,
        c=mark.colour,
        marker=mark.marker,
        alpha=mark.alpha,
        linewidths=0.5 if outlined else 0,
        edgecolors=edge,
        zorder=height,
    )


def _legend(figure: Figure, entries: Sequence[tuple[Mark, int]], note: str | None) -> None:
    axes = figure.add_axes((0.008, 0.03, 0.98, 0.07))
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    x = 0.006
    for mark, count in entries:
        axes.scatter(
            [x],
            [0.66],
            s=70,
            c=mark.colour,
            marker=mark.marker,
            alpha=max(mark.alpha, 0.8) if mark.key == "serve" else mark.alpha,
        )
        text = f"{mark.words}  {count:,}"
        axes.text(x + 0.009, 0.66, text, fontsize=11.5, color=_INK, va="center")
        x += 0.03 + 0.0066 * len(text)
    if not entries:
        axes.text(x, 0.66, "nothing to draw", fontsize=11.5, color=_INK, va="center")
    if note:
        axes.text(0.0, 0.02, note, fontsize=8.5, color="#666666", va="bottom")


def _inside(lon: NDArray[np.float64]) -> NDArray[np.float64]:
    """Longitudes from the seam eastwards, so that the projection never tears at ±180°."""
    turned = (np.asarray(lon) - _SEAM_DEG) % 360.0 + _SEAM_DEG
    return np.clip(turned, _SEAM_DEG + 1e-6, _SEAM_DEG + 360 - 1e-6)


def _cut(line: NDArray[np.float64], *, close: bool) -> list[NDArray[np.float64]]:
    """Project a line, cut where it crosses the seam."""
    turned = (line[:, 0] - _SEAM_DEG) % 360.0
    jumps = np.flatnonzero(np.abs(np.diff(turned)) > 180.0) + 1
    lon = np.clip(turned + _SEAM_DEG, _SEAM_DEG + 1e-6, _SEAM_DEG + 360 - 1e-6)
    x, y = _PROJECTION.transform(lon, line[:, 1])
    pieces = np.split(np.column_stack([x, y]), jumps)
    if close and len(pieces) > 2:
        pieces = [np.concatenate([pieces[-1], pieces[0]]), *pieces[1:-1]]
    return [piece for piece in pieces if len(piece) > (2 if close else 1)]


def _meets(line: NDArray[np.float64]) -> bool:
    south, north, west, east = UKRAINE
    return bool(
        line[:, 0].max() >= west
        and line[:, 0].min() <= east
        and line[:, 1].max() >= south
        and line[:, 1].min() <= north
    )


def _write(figure: Figure, path: Path | str) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    # No date and no version inside, so that the same decisions give the same picture.
    figure.savefig(path, format="png", metadata={"Software": None})
