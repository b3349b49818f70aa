"""A window of the earth: azimuthal and true to distance from its middle, so that neither the date line nor a pole tears it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import shapely
from numpy.typing import NDArray

from groundrule.evidence.outlines import Line

WIDTH, HEIGHT = 720.0, 480.0
EARTH_KM = 6371.0088


class View:
    """A window of the earth: its middle and half its height, and from there to places in the picture."""

    def __init__(self, lon_deg: float, lat_deg: float, radius_km: float, *, width: float = WIDTH, height: float = HEIGHT) -> None:
        self.lon_deg, self.lat_deg, self.radius_km = lon_deg, lat_deg, radius_km
        self.width, self.height = width, height
        self.scale = height / 2 / radius_km
        self.frame = shapely.box(-20, -20, width + 20, height + 20)

    def place(self, lonlat: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return x and y in the picture of longitudes and latitudes [degree; shape (n, 2)]."""
        lon, lat = np.radians(lonlat[:, 0] - self.lon_deg), np.radians(lonlat[:, 1])
        middle = np.radians(self.lat_deg)
        cosine = np.sin(middle) * np.sin(lat) + np.cos(middle) * np.cos(lat) * np.cos(lon)
        angle = np.arccos(np.clip(cosine, -1, 1))
        sine = np.sin(angle)
        factor = np.where(sine > 1e-12, angle / np.where(sine > 1e-12, sine, 1), 1.0) * EARTH_KM * self.scale
        east = factor * np.cos(lat) * np.sin(lon)
        north = factor * (np.cos(middle) * np.sin(lat) - np.sin(middle) * np.cos(lat) * np.cos(lon))
        return np.column_stack([self.width / 2 + east, self.height / 2 - north])

    def windows(self) -> list[shapely.Polygon]:
        """Return boxes of longitude and latitude that hold everything in view: two where the date line crosses it."""
        reach = min(np.degrees(self.radius_km / EARTH_KM) * (np.hypot(self.width, self.height) / self.height) * 1.1, 175.0)
        south, north = self.lat_deg - reach, self.lat_deg + reach
        if north >= 90 or south <= -90:
            return [shapely.box(-180, max(south, -90), 180, min(north, 90))]
        sine = np.sin(np.radians(reach)) / np.cos(np.radians(self.lat_deg))
        turn = 180.0 if reach >= 90 or sine >= 1 else float(np.degrees(np.arcsin(sine)))
        west, east = self.lon_deg - turn, self.lon_deg + turn
        if turn >= 180:
            return [shapely.box(-180, south, 180, north)]
        if west < -180:
            return [shapely.box(-180, south, east, north), shapely.box(west + 360, south, 180, north)]
        if east > 180:
            return [shapely.box(west, south, 180, north), shapely.box(-180, south, east - 360, north)]
        return [shapely.box(west, south, east, north)]

    def lines(self, lines: Iterable[Line]) -> Iterator[NDArray[np.float64]]:
        """Yield lines in the picture, cut to it; stretches along the date line and the poles are no lines."""
        for line in near(lines, self.windows()):
            for window in self.windows():
                for part in shapely.get_parts(shapely.clip_by_rect(shapely.LineString(line), *window.bounds)):
                    if isinstance(part, shapely.LineString) and not part.is_empty:
                        yield from self._cut(shapely.get_coordinates(_fine(part, self)))

    def _cut(self, lonlat: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
        seam = (np.abs(lonlat[:, 0]) > 179.999) | (np.abs(lonlat[:, 1]) > 89.99)
        stops = np.flatnonzero(seam[1:] & seam[:-1]) + 1
        for part in np.split(lonlat, stops):
            if len(part) > 1:
                cut = shapely.intersection(shapely.LineString(self.place(part)), self.frame)
                yield from (shapely.get_coordinates(each) for each in shapely.get_parts(cut) if isinstance(each, shapely.LineString))

    def polygons(self, geometry: shapely.Geometry) -> Iterator[shapely.Polygon]:
        """Yield the parts of an area in the picture, cut to it."""
        for window in self.windows():
            for part in shapely.get_parts(shapely.intersection(geometry, window)):
                if not isinstance(part, shapely.Polygon) or part.is_empty:
                    continue
                fine = _fine(part, self)
                rings = [self.place(shapely.get_coordinates(ring)) for ring in shapely.get_rings(fine)]
                if not rings:
                    continue  # clipped to nothing
                drawn = shapely.intersection(shapely.make_valid(shapely.Polygon(rings[0], rings[1:])), self.frame)
                yield from (each for each in shapely.get_parts(drawn) if isinstance(each, shapely.Polygon) and each.area > 0.3)


def _fine(geometry: shapely.Geometry, view: View) -> shapely.Geometry:
    """Long straight edges of longitude and latitude are curves here; they get more corners."""
    return shapely.segmentize(geometry, max(0.02, float(np.degrees(view.radius_km / EARTH_KM)) / 6))


def near(lines: Iterable[Line], windows: Sequence[shapely.Polygon]) -> Iterator[Line]:
    """Yield the lines that may be in one of some windows."""
    bounds = [window.bounds for window in windows]
    for line in lines:
        (west, south), (east, north) = line.min(axis=0), line.max(axis=0)
        if any(east >= w and west <= e and north >= s and south <= n for w, s, e, n in bounds):
            yield line
