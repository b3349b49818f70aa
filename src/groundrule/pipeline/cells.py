"""H3 cells as discs: centre and largest distance of a point of the cell from it, remembered per cell."""

from __future__ import annotations

import h3.api.basic_int as h3
import numpy as np
from h3 import H3BaseException
from numba import njit
from numpy.typing import NDArray

from groundrule.detect.state import distance_m

_NAN = float("nan")


class CellDiscs:
    """Centres and radii of H3 cells, each worked out once."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[float, float, float]] = {}

    def of(self, cells: NDArray[np.uint64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float32]]:
        """Return centre latitude and longitude [degree] and radius [m] of each cell; NaN for what is not a cell."""
        distinct, inverse = np.unique(cells, return_inverse=True)
        wanted = distinct.tolist()
        self._learn([cell for cell in wanted if cell not in self._known])
        discs = np.array([self._known[cell] for cell in wanted], np.float64).reshape(-1, 3)[inverse]
        return discs[:, 0], discs[:, 1], discs[:, 2].astype(np.float32)

    def _learn(self, cells: list[int]) -> None:
        """Work out discs together: one call of the kernel for all of them."""
        good: list[tuple[int, float, float]] = []
        corners: list[tuple[float, float]] = []
        first = [0]
        for cell in cells:
            try:
                lat, lon = h3.cell_to_latlng(cell)
                corners += h3.cell_to_boundary(cell)
                good.append((cell, lat, lon))
                first.append(len(corners))
            except (H3BaseException, OverflowError):
                self._known[cell] = (_NAN, _NAN, _NAN)
        if good:
            places = np.array([place for _, *place in good])
            radii = _radii(places, np.array(corners), np.array(first))
            for (cell, lat, lon), radius in zip(good, radii.tolist(), strict=True):
                self._known[cell] = (lat, lon, radius)


@njit(cache=True, nogil=True)
def _radii(places, corners, first):  # type: ignore[no-untyped-def]  # compiled; typed by numba
    found = np.zeros(len(places))
    for i in range(len(places)):
        for k in range(first[i], first[i + 1]):
            found[i] = max(found[i], distance_m(places[i, 0], places[i, 1], corners[k, 0], corners[k, 1]))
    return found
