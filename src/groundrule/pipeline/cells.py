"""H3 cells as discs: centre and largest distance of a point of the cell from it, remembered per cell."""

from __future__ import annotations

import h3.api.basic_int as h3
import numpy as np
from h3 import H3BaseException
from numpy.typing import NDArray

from groundrule.detect.state import distance_m


class CellDiscs:
    """Centres and radii of H3 cells, each worked out once."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[float, float, float]] = {}

    def of(self, cells: NDArray[np.uint64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float32]]:
        """Return centre latitude and longitude [degree] and radius [m] of each cell; NaN for what is not a cell."""
        distinct, inverse = np.unique(cells, return_inverse=True)
        discs = np.array([self._disc(int(cell)) for cell in distinct], np.float64).reshape(-1, 3)[inverse]
        return discs[:, 0], discs[:, 1], discs[:, 2].astype(np.float32)

    def _disc(self, cell: int) -> tuple[float, float, float]:
        if cell not in self._known:
            try:
                lat, lon = h3.cell_to_latlng(cell)
                radius = max(distance_m(lat, lon, *corner) for corner in h3.cell_to_boundary(cell))
            except (H3BaseException, OverflowError):
                lat = lon = radius = float("nan")
            self._known[cell] = (lat, lon, radius)
        return self._known[cell]
