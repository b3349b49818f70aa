"""Picture of interference: which cells were suspended, by kind, and when.

Above the map about the largest group of cells, below it the times. Each kind has a colour of Okabe and Ito and a hatching of its
own. The basemap is for looking at, not for deciding.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h3.api.basic_int as h3
import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Polygon

from groundrule.evidence.outlines import Outlines, shipped_outlines
from groundrule.evidence.plane import INK, Floats, Plane, base_map, form_of
from groundrule.instant import format_instant

KINDS: Mapping[str, tuple[str, str, str]] = {
    "lost": ("#0072B2", "//", "positions lost together"),
    "jump": ("#D55E00", "xx", "positions jumped together"),
    "radio_disagrees": ("#CC79A7", "..", "radio contradicts together"),
}
"""Colour, hatching and words of each kind."""

_NEAR_KM = 4_000.0
_LEAST_KM = 60.0


def draw_interference(
    rows: Sequence[Mapping[str, Any]], path: Path | str, *, title: str, subtitle: str = "", outlines: Outlines | None = None
) -> None:
    """Draw anomalies.

    Args:
        rows: anomalies, or what is published of them: h3_cell, from_ns, until_ns, kind, share.
        path: the PNG or SVG to write.
        title, subtitle: above the picture.
        outlines: basemap; None: the shipped one.
    Raises:
        InputError: the suffix is neither.
    """
    target = Path(path)
    form = form_of(target)
    drawn = picture_of_interference(rows, form, title=title, subtitle=subtitle, outlines=outlines)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(drawn)


def picture_of_interference(
    rows: Sequence[Mapping[str, Any]], form: str, *, title: str, subtitle: str = "", outlines: Outlines | None = None
) -> bytes:
    """Return the picture, png or svg; arguments as for `draw_interference`."""
    lines = outlines or shipped_outlines()
    figure = Figure(figsize=(11, 9.2), dpi=130, facecolor="white")
    FigureCanvasAgg(figure)
    figure.text(0.015, 0.967, title, fontsize=16, fontweight="bold", color=INK, va="center")
    figure.text(0.015, 0.935, subtitle, fontsize=10, color="#555555", va="center")
    axes = figure.add_axes((0.012, 0.235, 0.976, 0.675))
    times = figure.add_axes((0.19, 0.065, 0.78, 0.125))
    centres = np.array([h3.cell_to_latlng(row["h3_cell"]) for row in rows], np.float64).reshape(-1, 2)
    middle, near, size = _group(centres, [row["h3_cell"] for row in rows])
    plane = Plane(*middle)
    base_map(axes, plane, lines, size)
    # Coarse cells below, fine ones above.
    for i in sorted(np.flatnonzero(near).tolist(), key=lambda i: h3.get_resolution(rows[i]["h3_cell"])):
        _cell(axes, plane, rows[i])
    shown = [kind for kind in KINDS if any(row["kind"] == kind for row in rows)]
    axes.legend(
        handles=[Patch(facecolor=KINDS[kind][0], alpha=0.45, hatch=KINDS[kind][1], edgecolor=KINDS[kind][0], label=KINDS[kind][2])
                 for kind in shown] or [Patch(facecolor="none", edgecolor="none", label="nothing to show")],
        loc="upper right", fontsize=9, framealpha=0.92,
    )  # fmt: skip
    if not near.all():
        axes.text(0.01, 0.97, f"{int((~near).sum())} cells far away are not on the map", transform=axes.transAxes, fontsize=9,
                  color=INK, va="top")  # fmt: skip
    _times(times, rows, shown)
    figure.text(0.994, 0.008, f"Basemap {lines.attribution}; for looking at, not for deciding", fontsize=7.5, color="#666666",
                ha="right", va="bottom")  # fmt: skip
    # No date and no version inside, so that the same findings give the same picture.
    about = {"Software": None} if form == "png" else {"Date": None, "Creator": None}
    drawn = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "interference", "hatch.linewidth": 0.5}):
        figure.savefig(drawn, format=form, metadata=about)
    return drawn.getvalue()


def _group(centres: Floats, cells: Sequence[int]) -> tuple[tuple[float, float], np.ndarray, float]:
    """Middle [degree] of the largest group of cells, which cells are near it, and half the height to show [km]."""
    if not len(centres):
        return (48.5, 32.0), np.zeros(0, bool), 900.0
    lat, lon = np.radians(centres[:, 0]), np.radians(centres[:, 1])
    unit = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=1)
    close = unit @ unit.T >= math.cos(_NEAR_KM / 2 / 6371.0)
    near = close[int(np.argmax(close.sum(axis=1)))]
    mean = unit[near].sum(axis=0)
    mean /= np.linalg.norm(mean)
    middle = (math.degrees(math.asin(mean[2])), math.degrees(math.atan2(mean[1], mean[0])))
    edges = np.array([corner for cell, each in zip(cells, near, strict=True) if each for corner in h3.cell_to_boundary(cell)])
    at = Plane(*middle)(edges[:, 0], edges[:, 1])
    return middle, near, max(_LEAST_KM, 1.2 * float(np.nanmax(np.abs(at))))


def _cell(axes: Axes, plane: Plane, row: Mapping[str, Any]) -> None:
    edge = np.array(h3.cell_to_boundary(row["h3_cell"]), np.float64)
    at = plane(edge[:, 0], edge[:, 1])
    if not np.isfinite(at).all():
        return
    colour, hatch, _ = KINDS[row["kind"]]
    strength = 0.18 + 0.4 * float(row["share"])
    axes.add_patch(Polygon(at, closed=True, facecolor=colour, alpha=strength, linewidth=0, zorder=4))
    axes.add_patch(Polygon(at, closed=True, facecolor="none", edgecolor=colour, hatch=hatch, linewidth=1.0, alpha=0.8, zorder=5))


def _times(axes: Axes, rows: Sequence[Mapping[str, Any]], shown: Sequence[str]) -> None:
    """When which kind suspended anything."""
    axes.set_yticks(range(len(shown)), [KINDS[kind][2] for kind in shown], fontsize=8.5)
    for spine in axes.spines.values():
        spine.set_color("#BBC7CE")
    if not rows:
        axes.set_xticks([])
        return
    first, last = min(row["from_ns"] for row in rows), max(row["until_ns"] for row in rows)
    for k, kind in enumerate(shown):
        spans = [((row["from_ns"] - first) / 60e9, (row["until_ns"] - row["from_ns"]) / 60e9) for row in rows if row["kind"] == kind]
        axes.broken_barh(spans, (k - 0.32, 0.64), facecolors=KINDS[kind][0], alpha=0.75)
    axes.set_ylim(-0.6, len(shown) - 0.4)
    axes.set_xlim(0, max((last - first) / 60e9, 1.0))
    axes.tick_params(axis="x", labelsize=8.5)
    axes.set_xlabel(f"minutes after {format_instant(first)}; suspended cells", fontsize=8.5, color="#444444")
