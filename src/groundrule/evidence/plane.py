"""Maps about a point: an azimuthal projection, and coasts and borders in it. For looking at, not for deciding."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from numpy.typing import NDArray

from groundrule.errors import InputError
from groundrule.evidence.outlines import Outlines

Floats = NDArray[np.float64]

FORMATS = ("png", "svg")
SEA, LAND, COAST, BORDER, INK = "#E6EEF3", "#FBFAF6", "#A9B4BB", "#B9AFA0", "#222222"
EARTH_KM = 6371.0
_FARTHEST = math.radians(165.0)


def form_of(path: Path) -> str:
    """Return the form that the suffix of a picture's file names, `png` or `svg`.

    Raises:
        InputError: it is neither.
    """
    form = path.suffix.lower().lstrip(".")
    if form not in FORMATS:
        raise InputError(f"{path}: pictures are not written as `{form}`", help="name a file that ends in .png or .svg")
    return form


class Plane:
    """Azimuthal equidistant projection about a point [km]; what lies beyond 90 degrees is not drawn."""

    def __init__(self, lat_deg: float, lon_deg: float) -> None:
        self.lat, self.lon = math.radians(lat_deg), math.radians(lon_deg)

    def __call__(self, lat_deg: Floats, lon_deg: Floats, *, limit: float = math.pi / 2) -> Floats:
        """Return east and north [km; shape (n, 2)]; NaN beyond an angle from the middle [radian]."""
        lat, lon = np.radians(np.asarray(lat_deg, np.float64)), np.radians(np.asarray(lon_deg, np.float64)) - self.lon
        cosine = math.sin(self.lat) * np.sin(lat) + math.cos(self.lat) * np.cos(lat) * np.cos(lon)
        angle = np.arccos(np.clip(cosine, -1, 1))
        east = np.cos(lat) * np.sin(lon)
        north = math.cos(self.lat) * np.sin(lat) - math.sin(self.lat) * np.cos(lat) * np.cos(lon)
        size = np.hypot(east, north)
        scale = EARTH_KM * angle / np.where(size > 0, size, 1.0)
        out = np.stack([east * scale, north * scale], axis=-1)
        out[angle > limit] = np.nan
        return out


def base_map(axes: Axes, plane: Plane, lines: Outlines, size: float) -> None:
    """Draw coasts, borders and a scale of length.

    Args:
        axes: of a figure with a size in inches.
        plane: about the middle.
        lines: coasts and borders.
        size: half the height of what is shown [km].
    """
    axes.set_facecolor(SEA)
    axes.set_xticks([])
    axes.set_yticks([])
    pixels = axes.get_window_extent()
    width = size * pixels.width / pixels.height
    axes.set_xlim(-width, width)
    axes.set_ylim(-size, size)
    axes.set_aspect("equal", adjustable="box")
    # Continents go beyond the horizon; only what comes near the other side of the Earth cannot be drawn.
    land = [piece for ring in lines.land if np.isfinite(piece := plane(ring[:, 1], ring[:, 0], limit=_FARTHEST)).all()]
    shown = [piece for piece in land if np.abs(piece).min(axis=0).max() < 4 * size or _around(piece)]
    axes.add_collection(PolyCollection(shown, facecolors=LAND, edgecolors=COAST, linewidths=0.6, zorder=1), autolim=False)
    borders = [piece for line in lines.borders if np.isfinite(piece := plane(line[:, 1], line[:, 0], limit=_FARTHEST)).all()]
    axes.add_collection(LineCollection(borders, colors=BORDER, linewidths=0.7, zorder=2), autolim=False)
    nice = 10.0 ** math.floor(math.log10(size))
    step = next(nice * k for k in (5, 2, 1, 0.5) if nice * k <= size * 0.6)
    x, y = -width + 0.06 * size, -0.93 * size
    axes.plot([x, x + step], [y, y], color=INK, linewidth=2, zorder=12)
    axes.text(x + step / 2, y + 0.02 * size, f"{step:g} km" if step >= 1 else f"{step * 1e3:g} m", fontsize=8, ha="center", zorder=12)
    for spine in axes.spines.values():
        spine.set_color("#BBC7CE")


def _around(piece: Floats) -> bool:
    """Whether a ring's box holds the centre."""
    low, high = piece.min(axis=0), piece.max(axis=0)
    return bool((low <= 0).all() and (high >= 0).all())
