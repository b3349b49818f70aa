"""Picture of coverage: an area in cells, coloured by the share of time with a satellite, one panel a constellation.

Colours go from yellow to dark blue (cividis, which is read alike with the common kinds of colour blindness). The basemap is for
looking at, not for deciding.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h3.api.basic_int as h3
import matplotlib
import numpy as np
import shapely
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from groundrule.evidence.outlines import Outlines, shipped_outlines
from groundrule.evidence.plane import INK, Plane, base_map, form_of

_COLOURS = "cividis_r"
_CUT, _EDGE = "#D55E00", "#222222"
_PANELS = 4


@dataclass(frozen=True, slots=True)
class Panel:
    """One constellation.

    Attributes:
        title: its name, and what is to be said beside it.
        one: share of the time with at least one satellite, per cell (shape (cells,)).
        four: the same with at least four.
    """

    title: str
    one: NDArray[np.float64]
    four: NDArray[np.float64]


def draw_coverage(
    area: shapely.Geometry,
    cells: NDArray[np.uint64],
    panels: Sequence[Panel],
    path: Path | str,
    *,
    title: str,
    subtitle: str,
    neighbours: NDArray[np.float64] | None = None,
    outlines: Outlines | None = None,
) -> None:
    """Draw coverage, the four first panels.

    Args:
        area: polygons in longitude and latitude [degree].
        cells: H3 cells that the shares are of.
        panels: constellations.
        path: the PNG or SVG to write.
        title, subtitle: above the picture.
        neighbours: latitude and longitude of terminals that would be cut with the cells [degree], or None.
        outlines: basemap; None: the shipped one.
    Raises:
        InputError: the suffix is neither.
    """
    target = Path(path)
    form = form_of(target)
    lines = outlines or shipped_outlines()
    shown = list(panels)[:_PANELS]
    columns = 1 if len(shown) <= 1 else 2
    rows = max(1, math.ceil(len(shown) / columns))
    width, height = 7.0 * columns + 1.0, 5.6 * rows + 1.2
    figure = Figure(figsize=(width, height), dpi=130, facecolor="white")
    FigureCanvasAgg(figure)
    figure.text(0.012, 1 - 0.35 / height, title, fontsize=16, fontweight="bold", color=INK, va="center")
    figure.text(0.012, 1 - 0.7 / height, subtitle, fontsize=9.5, color="#555555", va="center")
    plane, size = _view(area)
    colours = ScalarMappable(Normalize(0.0, 100.0), _COLOURS)
    for k, panel in enumerate(shown):
        left, low = (k % columns) * 7.0 / width, 1 - (1.0 + 5.6 * (k // columns + 1) - 0.25) / height
        axes = figure.add_axes((left + 0.1 / width, low, 6.8 / width, 5.1 / height))
        base_map(axes, plane, lines, size)
        _panel(axes, plane, cells, panel, colours)
        _outline(axes, plane, area)
        if neighbours is not None and len(neighbours):
            at = plane(neighbours[:, 0], neighbours[:, 1])
            axes.scatter(at[:, 0], at[:, 1], s=9, c=_CUT, linewidths=0, zorder=8)
        axes.set_title(panel.title, fontsize=10, color=INK, loc="left")
    bar = figure.add_axes(((7.0 * columns + 0.25) / width, 0.6 / height, 0.16 / width, 1 - 1.9 / height))
    figure.colorbar(colours, cax=bar).set_label("share of the time with at least one satellite [%]", fontsize=8.5)
    words = "dashed outline: most of the time fewer than four satellites at once"
    if neighbours is not None and len(neighbours):
        words += "; orange: terminals outside that are cut with the cells"
    figure.text(0.012, 0.1 / height, words, fontsize=8, color="#444444", va="bottom")
    figure.text(0.994, 0.1 / height, f"Basemap {lines.attribution}; for looking at, not for deciding", fontsize=7.5, color="#666666",
                ha="right", va="bottom")  # fmt: skip
    # No date and no version inside, so that the same answer gives the same picture.
    about = {"Software": None} if form == "png" else {"Date": None, "Creator": None}
    drawn = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "coverage"}):
        figure.savefig(drawn, format=form, metadata=about)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(drawn.getvalue())


def _view(area: shapely.Geometry) -> tuple[Plane, float]:
    """A projection about the area, and half the height to show [km]."""
    xy = shapely.get_coordinates(shapely.convex_hull(area) if area.bounds[2] - area.bounds[0] < 180 else area)
    lat, lon = np.radians(xy[:, 1]), np.radians(xy[:, 0])
    mean = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)]).mean(axis=1)
    plane = Plane(math.degrees(math.atan2(mean[2], math.hypot(mean[0], mean[1]))), math.degrees(math.atan2(mean[1], mean[0])))
    at = plane(xy[:, 1], xy[:, 0])
    half = np.nanmax(np.abs(at), axis=0)
    # A panel is 6.8 wide and 5.1 high.
    return plane, max(30.0, 1.12 * max(float(half[1]), float(half[0]) * 5.1 / 6.8))


def _panel(axes: Axes, plane: Plane, cells: NDArray[np.uint64], panel: Panel, colours: ScalarMappable) -> None:
    shapes, chosen = [], []
    for i, cell in enumerate(cells.tolist()):
        edge = np.array(h3.cell_to_boundary(cell), np.float64)
        at = plane(edge[:, 0], edge[:, 1])
        if np.isfinite(at).all():
            shapes.append(at)
            chosen.append(i)
    share = panel.one[chosen] * 100.0
    faces = PolyCollection(shapes, facecolors=colours.to_rgba(share), edgecolors="white", linewidths=0.3, alpha=0.9, zorder=3)
    axes.add_collection(faces, autolim=False)
    few = [shape for shape, i in zip(shapes, chosen, strict=True) if panel.four[i] < 0.5]
    dashes = PolyCollection(few, facecolors="none", edgecolors="#444444", linewidths=0.6, linestyles="--", zorder=4)
    axes.add_collection(dashes, autolim=False)


def _outline(axes: Axes, plane: Plane, area: shapely.Geometry) -> None:
    rings = []
    for part in shapely.get_parts(area):
        xy = shapely.get_coordinates(shapely.simplify(part.exterior, 0.01))
        at = plane(xy[:, 1], xy[:, 0])
        rings.append(at[np.isfinite(at).all(axis=1)])
    axes.add_collection(LineCollection([ring for ring in rings if len(ring) > 1], colors=_EDGE, linewidths=1.1, zorder=6), autolim=False)
