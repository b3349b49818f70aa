"""Real places from hand-written tables: cities, spots, and the lanes that traffic follows.

The tables are facts from general geography, good to a kilometre or so for cities and to a few kilometres for lanes;
they serve to place invented terminals plausibly, never to decide anything.

    cities.csv   name, country, position, population [1,000], how far homes scatter [km], and for places on a coast the
                 bearing inland, so that homes don't stand in the sea
    lanes.csv    railways, roads and sea lanes as way points
    spots.csv    harbours, border crossings and other single places, by group
"""

from __future__ import annotations

import csv
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from groundrule.errors import InputError

KM_PER_DEG = 111.195
"""Length of one degree of latitude on the sphere of radius 6,371.0088 km [km]."""

INLAND_SECTOR_DEG = 65.0
"""Homes of a coastal city lie within this angle of its bearing inland [degree]."""


WIDE_FROM_KM = 100.0
"""Inland cities with at least this reach stand for the wide country around them too [km]."""

WIDE_COAST_KM = 60.0
"""Likewise for coastal cities outside Ukraine, whose borders are near [km]."""


@dataclass(frozen=True, slots=True)
class City:
    """One city.

    Attributes:
        name: in English.
        country: ISO 3166-1 alpha-2 (for disputed places, of the claim that the shipped rulebook counts).
        lat_deg, lon_deg: centre [degree].
        population: inhabitants of the metropolitan area, rounded.
        reach_km: homes are placed up to here from the centre [km].
        inland_deg: bearing inland for a coastal city [degree clockwise from north], or None.
    """

    name: str
    country: str
    lat_deg: float
    lon_deg: float
    population: int
    reach_km: float
    inland_deg: float | None


@dataclass(frozen=True, slots=True)
class Spot:
    """A single place of a group (harbour, crossing, compound, occupied, launch, fujian)."""

    group: str
    name: str
    country: str
    lat_deg: float
    lon_deg: float


@dataclass(frozen=True, slots=True)
class Lane:
    """Way points of a railway, road or sea lane.

    Attributes:
        kind: rail, rail-ua, road, road-ua, sea or sea-black.
        country: country of most of a land lane, or empty.
        way: latitude and longitude [degree; shape (n, 2)]; longitudes are unwrapped and may pass 180.
    """

    kind: str
    name: str
    country: str
    way: NDArray[np.float64]


@functools.cache
def cities() -> tuple[City, ...]:
    """All cities, in the order of the table."""
    return tuple(
        City(
            row["name"],
            row["country"],
            float(row["lat"]),
            float(row["lon"]),
            int(row["pop_k"]) * 1000,
            float(row["reach_km"]),
            float(row["inland_deg"]) if row["inland_deg"] else None,
        )
        for row in _rows("cities.csv")
    )


def city(name: str) -> City:
    """The city of that name.

    Raises:
        InputError: there is none.
    """
    found = next((one for one in cities() if one.name == name), None)
    if found is None:
        raise InputError(f"there is no city `{name}`", help="see simulate/data/cities.csv", value=name)
    return found


@functools.cache
def spots(group: str) -> tuple[Spot, ...]:
    """All spots of a group, in the order of the table."""
    return tuple(
        Spot(row["group"], row["name"], row["country"], float(row["lat"]), float(row["lon"]))
        for row in _rows("spots.csv")
        if row["group"] == group
    )


@functools.cache
def lanes(kind: str) -> tuple[Lane, ...]:
    """All lanes of a kind, in the order of the table."""
    return tuple(
        Lane(
            row["kind"],
            row["name"],
            row["country"],
            np.array([pair.split() for pair in row["points"].split(";")], np.float64),
        )
        for row in _rows("lanes.csv")
        if row["kind"] == kind
    )


def scatter(
    where: tuple[City, ...], which: NDArray[np.int64], rng: np.random.Generator, *, share: float = 1.0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Place one point around each chosen city: denser towards the centre, on the side of the land.

    Args:
        where: cities.
        which: index into `where` [shape (n,)].
        rng: source of chance.
        share: scales the reach of each city.
    Returns:
        Latitudes and longitudes [degree; shape (n,)].
    """
    lat = np.array([one.lat_deg for one in where])[which]
    lon = np.array([one.lon_deg for one in where])[which]
    reach = np.array([one.reach_km for one in where])[which] * share
    inland = np.array([np.nan if one.inland_deg is None else one.inland_deg for one in where])[which]
    turn = rng.uniform(-1.0, 1.0, len(which))
    bearing = np.radians(np.where(np.isnan(inland), 180.0 * turn, inland + INLAND_SECTOR_DEG * turn))
    # A third to a half lives in the wide country beyond: all around inland, and straight inland from a coast.
    beyond = rng.uniform(0.0, 1.0, len(which))
    coastal = np.array([one.reach_km >= WIDE_COAST_KM and one.country != "UA" for one in where])[which]
    wide = np.isnan(inland) & (reach >= WIDE_FROM_KM) & (beyond < 0.35)
    behind = ~np.isnan(inland) & coastal & (np.abs(turn) < 0.5) & (beyond < 0.45)
    stretch = np.where(wide, 2.3, np.where(behind, 1.8, 1.0))
    distance = reach * stretch * rng.uniform(0.0, 1.0, len(which)) ** 0.7
    return displaced(lat, lon, distance * np.cos(bearing), distance * np.sin(bearing))


def displaced(
    lat_deg: NDArray[np.float64],
    lon_deg: NDArray[np.float64],
    north_km: NDArray[np.float64],
    east_km: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Move points by small distances [km]; longitudes come back within ±180°."""
    lat = lat_deg + north_km / KM_PER_DEG
    lon = lon_deg + east_km / (KM_PER_DEG * np.maximum(np.cos(np.radians(lat)), 0.05))
    return lat, (lon + 180.0) % 360.0 - 180.0


def reached(
    centre: tuple[float, float], bearing_rad: NDArray[np.float64], far_km: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Places at bearings (from north over east) and distances from one place, on the sphere; good at the poles too [degree]."""
    lat, lon = np.radians(centre[0]), np.radians(centre[1])
    angle = np.radians(far_km / KM_PER_DEG)
    sine = np.clip(np.sin(lat) * np.cos(angle) + np.cos(lat) * np.sin(angle) * np.cos(bearing_rad), -1.0, 1.0)
    turn = np.arctan2(np.sin(bearing_rad) * np.sin(angle) * np.cos(lat), np.cos(angle) - np.sin(lat) * sine)
    return np.degrees(np.arcsin(sine)), (np.degrees(lon + turn) + 180.0) % 360.0 - 180.0


def distance_km(
    centre: tuple[float, float], lat_deg: NDArray[np.float64], lon_deg: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Distances of places from one place, on the sphere (haversine) [km]."""
    a, b = np.radians(centre[0]), np.radians(lat_deg)
    turn = np.radians(lon_deg - centre[1])
    half = np.sin((b - a) / 2) ** 2 + np.cos(a) * np.cos(b) * np.sin(turn / 2) ** 2
    result: NDArray[np.float64] = 2 * np.degrees(np.arcsin(np.sqrt(np.clip(half, 0.0, 1.0)))) * KM_PER_DEG
    return result


def _rows(name: str) -> Iterator[dict[str, str]]:
    text = resources.files("groundrule.simulate").joinpath("data", name).read_text(encoding="utf-8")
    return csv.DictReader(text.splitlines())
