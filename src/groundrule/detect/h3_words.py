"""H3 indices as 64-bit words: resolution, parents and children by arithmetic on columns (H3 documentation, "H3 index bit layout")."""

from __future__ import annotations

import h3.api.basic_int as h3
import numpy as np
from h3 import H3BaseException
from numpy.typing import NDArray

MAX_RESOLUTION = 15


def resolution_of(cells: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return the resolution of each cell, 0 to 15."""
    return ((cells >> np.uint64(52)) & np.uint64(15)).astype(np.int64)


def parents(cells: NDArray[np.uint64], resolution: int) -> NDArray[np.uint64]:
    """Return the ancestor of each cell at a resolution that is not finer than its own."""
    below = np.uint64((1 << (3 * (MAX_RESOLUTION - resolution))) - 1)
    return (cells & ~np.uint64(15 << 52)) | np.uint64(resolution << 52) | below


def cells_at(lat_deg: NDArray[np.float64], lon_deg: NDArray[np.float64], resolution: int) -> NDArray[np.uint64]:
    """Return the cell of each point; 0 where there is none."""
    found = np.zeros(len(lat_deg), np.uint64)
    for i, (lat, lon) in enumerate(zip(lat_deg.tolist(), lon_deg.tolist(), strict=True)):
        try:
            found[i] = h3.latlng_to_cell(lat, lon, resolution)
        except H3BaseException:
            continue
    return found


def centres(cells: NDArray[np.uint64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float32]]:
    """Return centre latitude and longitude [degree] and mean circumradius [m] of each cell; NaN for what is not a cell."""
    distinct, inverse = np.unique(cells, return_inverse=True)
    discs = np.full((len(distinct), 3), np.nan)
    for i, cell in enumerate(distinct.tolist()):
        try:
            lat, lon = h3.cell_to_latlng(cell)
            discs[i] = lat, lon, h3.average_hexagon_edge_length(h3.get_resolution(cell), "m")
        except (H3BaseException, OverflowError):
            continue
    discs = discs[inverse.ravel()]
    return discs[:, 0], discs[:, 1], discs[:, 2].astype(np.float32)
