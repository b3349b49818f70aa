"""How much of the region in which something lies is inside a circle: inside, apart, or a share of the region's area.

    N   the region: a circle around a position, or the outline of an H3 cell
    R   the circle that is asked about, of any radius up to the whole Earth

Distances are geodesics on WGS 84, areas are those of the ellipsoid (its equal-area azimuthal projection about the centre of
N). Whether N is inside R or apart from it follows from distances alone; the share only tells how much overlaps:

1. An R that is smaller than N is drawn as a polygon of 720 corners in that projection and cut with N.
2. For a larger one the corners would lie too far apart, and the projection folds on the far side of the Earth. There N is cut into
   small triangles, and the edge of R, which is nearly straight across each, cuts those.

Accuracy: shares to 1e-3 (tests/unit/areas/test_overlap.py); H3 cells are closed by great circles, in pieces of at most 2 km.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

import h3
import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Geod, Proj

GEOD: Final = Geod(ellps="WGS84")
RADIUS_95: Final = 2.4477
"""Radius of the circle that holds 95 % of a normal distribution with equal spread in both directions [standard deviations]."""
MIN_RADIUS_M: Final = 1.0
FARTHEST_M: Final = 20_003_931.4586
"""Distance of two points on opposite sides of the ellipsoid, which is the longest there is [m]."""
_CORNERS: Final = 720
_FOLDS_M: Final = 19_800_000.0
"""From here on, distances from a point lose their order: geodesics meet again on the far side [m]."""
_PIECE_M: Final = 2_000.0
_RINGS: Final = 40
_SPOKES: Final = 240
_EARTH_M: Final = 6_371_008.8

Verdict = Literal["TRUE", "FALSE", "PARTIAL"]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Region:
    """Where something lies with 95 % probability.

    Attributes:
        lat_deg, lon_deg: its centre [degree, WGS 84].
        radius_m: of a circle [m]; 0 for a cell.
        cell: of H3; 0 for a circle.
    """

    lat_deg: float
    lon_deg: float
    radius_m: float = 0.0
    cell: int = 0

    @cached_property
    def ring(self) -> tuple[Floats, Floats]:
        """Longitudes and latitudes of its edge, dense, not closed [degree]."""
        if not self.cell:
            return circle_ring(self.lat_deg, self.lon_deg, self.radius_m)
        corners = np.radians(np.array(h3.cell_to_boundary(_name(self.cell)), np.float64))
        xyz = np.column_stack(
            [np.cos(corners[:, 0]) * np.cos(corners[:, 1]), np.cos(corners[:, 0]) * np.sin(corners[:, 1]), np.sin(corners[:, 0])]
        )
        after = np.roll(xyz, -1, axis=0)
        steps = max(1, math.ceil(float(np.linalg.norm(after - xyz, axis=1).max()) * _EARTH_M / _PIECE_M))
        share = (np.arange(steps) / steps)[None, :, None]
        dense = (xyz[:, None, :] * (1 - share) + after[:, None, :] * share).reshape(-1, 3)
        return (
            np.degrees(np.arctan2(dense[:, 1], dense[:, 0])), np.degrees(np.arctan2(dense[:, 2], np.hypot(dense[:, 0], dense[:, 1]))),
        )  # fmt: skip

    @cached_property
    def _plane(self) -> Proj:
        return Proj(proj="laea", lat_0=self.lat_deg, lon_0=self.lon_deg, ellps="WGS84")

    @cached_property
    def shape(self) -> shapely.Polygon:
        """Its edge in an equal-area plane about its centre [m]."""
        return shapely.Polygon(np.column_stack(self._plane(*self.ring)))

    @cached_property
    def area_m2(self) -> float:
        """Its area [m²]."""
        return float(self.shape.area)

    @property
    def corners(self) -> list[tuple[float, float]]:
        """The corners of a cell as latitude and longitude [degree]."""
        return [(float(lat), float(lon)) for lat, lon in h3.cell_to_boundary(_name(self.cell))]

    @cached_property
    def plain(self) -> bool:
        """Can a cell be drawn on a plain map of latitude and longitude: it holds no pole and does not cross the 180th meridian?"""
        lons = np.array([lon for _, lon in self.corners])
        return bool(lons.max() - lons.min() < 180.0) and self._distance(90.0, 0.0)[1] and self._distance(-90.0, 0.0)[1]

    @cached_property
    def reach_m(self) -> float:
        """Greatest distance of its points from its centre [m]."""
        if not self.cell:
            return self.radius_m
        lons, lats = self.ring
        return float(_distances(self.lat_deg, self.lon_deg, lons, lats).max())

    def _distance(self, lat: float, lon: float) -> tuple[float, bool]:
        """Least distance of a point from the edge [m], and whether it lies outside."""
        lons, lats = self.ring
        inside = False
        centre = float(_distances(self.lat_deg, self.lon_deg, np.array([lon]), np.array([lat]))[0])
        if centre <= self.reach_m:
            inside = bool(shapely.contains_xy(self.shape, *self._plane(lon, lat)))
        # In the plane of directions and distances from the point itself, distances from it are true.
        azimuth, _, distance = GEOD.inv(np.full(len(lons), lon), np.full(len(lats), lat), lons, lats)
        angle = np.radians(azimuth)
        edge = shapely.LinearRing(np.column_stack([distance * np.sin(angle), distance * np.cos(angle)]))
        return float(shapely.distance(edge, shapely.Point(0.0, 0.0))), not inside


def circle_of(lat_deg: float, lon_deg: float, sigma_m: float) -> Region:
    """Return the circle that holds a normally distributed position with 95 % probability.

    Args:
        lat_deg, lon_deg: the position [degree, WGS 84].
        sigma_m: standard deviation per axis [m].
    """
    return Region(lat_deg, lon_deg, max(MIN_RADIUS_M, RADIUS_95 * sigma_m))


def cell_of(cell: int) -> Region:
    """Return the region of an H3 cell."""
    lat, lon = h3.cell_to_latlng(_name(cell))
    return Region(float(lat), float(lon), 0.0, cell)


def around(region: Region) -> Region:
    """Return a circle that holds a region."""
    return Region(region.lat_deg, region.lon_deg, max(MIN_RADIUS_M, math.ceil(region.reach_m)))


def match(region: Region, lat_deg: float, lon_deg: float, radius_m: float) -> tuple[Verdict, int | None]:
    """Tell whether a region lies in a circle.

    Args:
        region: N.
        lat_deg, lon_deg: centre of R [degree, WGS 84].
        radius_m: of R [m]; from about 20,004 km on it is the whole Earth.
    Returns:
        TRUE, FALSE, or PARTIAL with area(R ∩ N) / area(N) in per cent, rounded, from 1 to 99.
    """
    nearest, farthest = _bounds(region, lat_deg, lon_deg)
    if farthest <= radius_m:
        return "TRUE", None
    if nearest > radius_m:
        return "FALSE", None
    return "PARTIAL", min(99, max(1, round(100.0 * share_inside(region, lat_deg, lon_deg, radius_m))))


def share_inside(region: Region, lat_deg: float, lon_deg: float, radius_m: float) -> float:
    """Return area(R ∩ N) / area(N); see `match`."""
    if radius_m >= FARTHEST_M:
        return 1.0
    if radius_m > region.reach_m:
        return _share_by_triangles(region, lat_deg, lon_deg, radius_m)
    apart = float(_distances(region.lat_deg, region.lon_deg, np.array([lon_deg]), np.array([lat_deg]))[0])
    if apart > radius_m + region.reach_m:
        return 0.0
    drawn = shapely.Polygon(np.column_stack(region._plane(*circle_ring(lat_deg, lon_deg, radius_m))))
    return float(shapely.intersection(region.shape, drawn).area) / region.area_m2


def circle_ring(lat_deg: float, lon_deg: float, radius_m: float) -> tuple[Floats, Floats]:
    """Return longitudes and latitudes of the points at a distance [degree]."""
    azimuth = np.arange(_CORNERS) * (360.0 / _CORNERS)
    lons, lats, _ = GEOD.fwd(
        np.full(_CORNERS, lon_deg), np.full(_CORNERS, lat_deg), azimuth, np.full(_CORNERS, radius_m)
    )
    return np.asarray(lons), np.asarray(lats)


def _bounds(region: Region, lat: float, lon: float) -> tuple[float, float]:
    """Return the least and the greatest distance of the points of a region from a point [m]."""
    centre = float(_distances(lat, lon, np.array([region.lon_deg]), np.array([region.lat_deg]))[0])
    if region.cell:
        edge, outside = region._distance(lat, lon)
        nearest, farthest = edge if outside else 0.0, float(_distances(lat, lon, *region.ring).max())
    else:
        nearest, farthest = max(0.0, centre - region.radius_m), centre + region.radius_m
    if centre + region.reach_m > _FOLDS_M:
        opposite_lat, opposite_lon = -lat, (lon + 360.0) % 360.0 - 180.0
        apart = float(_distances(opposite_lat, opposite_lon, np.array([region.lon_deg]), np.array([region.lat_deg]))[0])
        if apart <= region.reach_m and (not region.cell or not region._distance(opposite_lat, opposite_lon)[1]):
            farthest = FARTHEST_M
        else:
            farthest = float(_distances(lat, lon, *region.ring).max())
    return nearest, farthest


def _share_by_triangles(region: Region, lat: float, lon: float, radius_m: float) -> float:
    """Cut N into triangles around its centre, and each where the distance from the centre of R is the radius of R."""
    x, y = (np.asarray(each) for each in region.shape.exterior.coords.xy)
    length = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])
    along = np.linspace(0.0, length[-1], _SPOKES, endpoint=False)
    edge = np.column_stack([np.interp(along, length, x), np.interp(along, length, y)])
    grid = edge[None, :, :] * (np.arange(_RINGS + 1) / _RINGS)[:, None, None]
    lons, lats = region._plane(grid[:, :, 0].ravel(), grid[:, :, 1].ravel(), inverse=True)
    over = (_distances(lat, lon, np.asarray(lons), np.asarray(lats)) - radius_m).reshape(_RINGS + 1, _SPOKES)
    inner, outer = np.arange(_RINGS)[:, None], np.arange(1, _RINGS + 1)[:, None]
    here, following = np.arange(_SPOKES)[None, :], (np.arange(_SPOKES)[None, :] + 1) % _SPOKES
    whole = within = 0.0
    for corners in (((inner, here), (outer, here), (outer, following)), ((inner, here), (outer, following), (inner, following))):
        a, b, c = (grid[rows, columns].reshape(-1, 2) for rows, columns in corners)
        area = 0.5 * np.abs((b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0]))
        values = np.sort(np.column_stack([over[rows, columns].ravel() for rows, columns in corners]), axis=1)
        whole += float(area.sum())
        within += float((area * _below_zero(values)).sum())
    return within / whole


def _below_zero(values: Floats) -> Floats:
    """Return the share of each triangle where a linear function is negative, from its sorted values at the corners (n, 3)."""
    low, middle, high = values[:, 0], values[:, 1], values[:, 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        tip = low * low / ((middle - low) * (high - low))
        rest = 1.0 - high * high / ((high - low) * (high - middle))
    return np.where(high <= 0.0, 1.0, np.where(low > 0.0, 0.0, np.where(middle > 0.0, tip, rest)))


def _distances(lat: float, lon: float, lons: Floats, lats: Floats) -> Floats:
    return np.asarray(GEOD.inv(np.full(len(lons), lon), np.full(len(lats), lat), lons, lats)[2])


def _name(cell: int) -> str:
    return str(h3.int_to_str(cell))
