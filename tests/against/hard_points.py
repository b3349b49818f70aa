"""Points on which point-in-polygon tests go wrong, made from the polygons themselves."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray


def hard_points(
    geometries: NDArray[np.object_], count: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return about `count` points (lat, lon) [degree] of every kind that is known to be hard.

    Vertices; edge midpoints and other points of edges as float64 allows; one unit in the last place beside vertices and
    edge points; level with a vertex but elsewhere (rays through vertices); on borders and corners of the index's cells;
    the antimeridian, the poles, the equator; inside overlaps of two geometries.
    """
    rng = np.random.default_rng(seed)
    rings = shapely.get_rings(shapely.get_parts(geometries))
    vertices, ring = shapely.get_coordinates(rings, return_index=True)
    follows = np.flatnonzero(ring[1:] == ring[:-1])
    share = max(count // 16, 1)

    def some_vertices(n: int) -> NDArray[np.float64]:
        return vertices[rng.integers(0, len(vertices), n)]

    def some_edges(n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        k = rng.choice(follows, n)
        return vertices[k], vertices[k + 1]

    out = [some_vertices(share)]
    a, b = some_edges(share)
    out.append((a + b) / 2)
    a, b = some_edges(2 * share)
    t = rng.choice([0.25, 0.5, 0.75, 1 / 3, *rng.uniform(0, 1, 5)], len(a))[:, None]
    out.append(a + t * (b - a))
    a, b = some_edges(share)
    on_edge = a + rng.uniform(0, 1, (len(a), 1)) * (b - a)
    toward = np.where(rng.random(on_edge.shape) < 0.5, np.inf, -np.inf)
    out.append(np.nextafter(on_edge, toward))
    near = some_vertices(share)
    out.append(np.nextafter(near, np.where(rng.random(near.shape) < 0.5, np.inf, -np.inf)))
    level = some_vertices(2 * share)  # same latitude or longitude as a vertex, elsewhere nearby
    which = rng.random(len(level)) < 0.5
    level[which, 0] += rng.normal(0, 0.3, which.sum())
    level[~which, 1] += rng.normal(0, 0.3, (~which).sum())
    out.append(level)
    for power in (1, 3, 5, 7, 9, 11, 13):  # cell borders of the index are multiples of powers of two
        grid = some_vertices(share // 3 + 1)
        step = 2.0**-power
        axis = rng.integers(0, 3, len(grid))
        snapped = np.round(grid / step) * step
        out.append(np.where(axis[:, None] == 2, snapped, np.where(np.arange(2) == axis[:, None], snapped, grid)))
    lats = rng.uniform(-90, 90, share // 2)
    lats[: share // 4] = some_vertices(share // 4)[:, 1]
    seam = rng.choice([-180.0, 180.0, np.nextafter(180.0, 0), np.nextafter(-180.0, 0)], len(lats))
    out.append(np.column_stack([seam, lats]))
    lons = rng.uniform(-180, 180, share // 2)
    poles = rng.choice([-90.0, 90.0, np.nextafter(90.0, 0), np.nextafter(-90.0, 0), 0.0, -0.0], len(lons))
    out.append(np.column_stack([lons, poles]))
    spread = some_vertices(share)  # ordinary points near borders, where overlaps and slivers are
    out.append(spread + rng.normal(0, 1e-3, spread.shape))
    ends = np.array([[x, y] for x in (-180.0, 0.0, 180.0) for y in (-90.0, 0.0, 90.0)])
    out.append(np.concatenate([ends, ends * 0.5]))
    lon, lat = np.concatenate(out).T
    return np.clip(lat, -90.0, 90.0), np.clip(lon, -180.0, 180.0)


def shapely_pairs(
    geometries: NDArray[np.object_], lat: NDArray[np.float64], lon: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the sorted (row, geometry) pairs of shapely's `intersects_xy`; lon 180 and -180 are one meridian."""
    parts, owner = shapely.get_parts(geometries, return_index=True)
    tree = shapely.STRtree(parts)
    shapely.prepare(parts)
    pairs = []
    seam = np.flatnonzero(np.abs(lon) == 180.0)
    rows = np.concatenate([np.arange(len(lat)), seam])
    xs, ys = np.concatenate([lon, -lon[seam]]), np.concatenate([lat, lat[seam]])
    for low in range(0, len(rows), 200_000):
        x, y = xs[low : low + 200_000], ys[low : low + 200_000]
        point, part = tree.query(shapely.points(x, y))
        hit = shapely.intersects_xy(parts[part], x[point], y[point])
        pairs.append(np.column_stack([rows[low + point[hit]], owner[part[hit]]]))
    distinct = np.unique(np.concatenate(pairs), axis=0)
    return distinct[:, 0].astype(np.int64), distinct[:, 1].astype(np.int64)
