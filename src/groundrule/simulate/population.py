"""The demo's population: how many terminals of which kind, where they are and how they move.

The shares are chosen so that every rule of the shipped rulebook meets somebody, not measured. Kinds that the issue of
Ukraine needs (trains with and without a programme, a hospital's bus, straw registrations, drones) are few, as in life.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundrule.simulate import places
from groundrule.simulate.journeys import Timetable, great_circle, segment_lengths, winding
from groundrule.simulate.places import City, displaced, scatter
from groundrule.simulate.roster import ListPlace, Roster

Floats = NDArray[np.float64]

FRONT = frozenset(
    {"Donetsk", "Luhansk", "Mariupol", "Melitopol", "Horlivka", "Henichesk", "Simferopol", "Sevastopol", "Kerch"}
)
"""Cities of the table that homes on Ukraine's side do not stand in."""

UNSERVED = frozenset(
    (
        "AE",
        "AF",
        "BF",
        "BO",
        "BY",
        "CM",
        "CN",
        "CU",
        "IN",
        "IR",
        "KP",
        "ML",
        "MM",
        "NE",
        "PG",
        "RS",
        "RU",
        "SA",
        "SD",
        "SY",
        "TN",
        "TR",
        "TW",
        "UG",
        "VE",
        "VN",
        "ZA",
    )
)
"""Countries where nobody is at home with this operator (as the shipped rulebook has it)."""

_UPTAKE = {
    "US": 14.0,
    "CA": 22.0,
    "AU": 22.0,
    "NZ": 40.0,
    "GB": 3.0,
    "IE": 8.0,
    "DE": 2.5,
    "FR": 2.5,
    "ES": 2.5,
    "IT": 2.5,
    "MX": 2.0,
    "BR": 2.5,
    "AR": 3.0,
    "CL": 4.0,
    "PL": 2.5,
    "NO": 5.0,
    "SE": 3.0,
    "KE": 1.5,
    "PH": 0.6,
    "BD": 0.05,
    "JP": 0.5,
    "KR": 0.1,
    "ID": 0.4,
    "NG": 0.6,
    "CD": 0.2,
}
"""Terminals per inhabitant of a city's region, relative to 1 elsewhere; invented, after the general picture."""

ALLOWED = ListPlace("ua-allow")
CLOSED = ListPlace("ua-closed")
GREY_COUNTRIES = np.array(["AE", "PL", "KZ", "TR", "GE", "AM"], object)
_NO_AIRLINERS = ((50.0, 75.0, 32.0, 180.0), (44.3, 52.5, 22.0, 41.0))
"""Boxes (south, north, west, east) that the demo's airliners keep out of: Russia and Ukraine."""


@dataclass(slots=True)
class Population:
    """Adds groups to a roster.

    Attributes:
        roster: where they go.
        rng: source of chance.
        horizon_s: how long the fleet will be watched [s]; journeys start so that most last that long.
        scale: terminals relative to 50,000.
        curves: all paths; a timetable refers to them by index.
    """

    roster: Roster
    rng: np.random.Generator
    horizon_s: float
    scale: float
    curves: list[Floats] = field(default_factory=list)
    lengths_m: list[float] = field(default_factory=list)
    _sets: dict[str, NDArray[np.int64]] = field(default_factory=dict)

    # --- journeys -----------------------------------------------------------------------------------------------------

    def add_path(self, curve: Floats) -> int:
        """Add a path [latitude, longitude in degree; shape (n, 2)]; return its index."""
        self.curves.append(curve)
        self.lengths_m.append(float(segment_lengths(curve[:, 0], curve[:, 1]).sum()))
        return len(self.curves) - 1

    def lanes(self, kind: str) -> NDArray[np.int64]:
        """Paths along all lanes of a kind, two variants of each."""
        if kind not in self._sets:
            land = kind.startswith(("road", "rail"))
            step, sway, wave = (1.0, 0.9 if "road" in kind else 0.4, 23.0) if land else (5.0, 1.5, 140.0)
            self._sets[kind] = np.array(
                [
                    self.add_path(winding(lane.way, step_km=step, sway_km=sway, wave_km=wave, phase=1.7 * variant + k))
                    for k, lane in enumerate(places.lanes(kind))
                    for variant in range(2)
                ]
            )
        return self._sets[kind]

    def town_loops(self) -> NDArray[np.int64]:
        """Round trips through the outskirts of larger cities."""
        if "town" not in self._sets:
            found = []
            for one in places.cities():
                if one.reach_km < 50 or one.country in UNSERVED | {"UA"}:
                    continue
                inland = np.radians(one.inland_deg or 0.0)
                away = 0.0 if one.inland_deg is None else 14.0
                angle = np.linspace(0, 2 * np.pi, 15)
                radius = self.rng.uniform(3.0, 9.0, 15)
                radius[-1] = radius[0]
                lat, lon = displaced(
                    np.full(15, one.lat_deg),
                    np.full(15, one.lon_deg),
                    away * np.cos(inland) + radius * np.cos(angle),
                    away * np.sin(inland) + radius * np.sin(angle),
                )
                found.append(
                    self.add_path(winding(np.column_stack([lat, lon]), step_km=0.3, sway_km=0.08, wave_km=1.5))
                )
            self._sets["town"] = np.array(found)
        return self._sets["town"]

    def routes(self, count: int) -> NDArray[np.int64]:
        """Great circles between large cities, 900 to 9,000 km long."""
        hubs = [
            one for one in places.cities() if one.population >= 1_500_000 and one.country not in UNSERVED | {"UA", "CD"}
        ]
        found: list[int] = []
        while len(found) < count:
            a, b = (hubs[k] for k in self.rng.choice(len(hubs), 2, replace=False))
            curve = great_circle((a.lat_deg, a.lon_deg), (b.lat_deg, b.lon_deg))
            length_km = 20 * len(curve)
            lon = (curve[:, 1] + 180) % 360 - 180
            closed = any(
                ((curve[:, 0] > south) & (curve[:, 0] < north) & (lon > west) & (lon < east)).any()
                for south, north, west, east in _NO_AIRLINERS
            )
            if 900 < length_km < 9000 and not closed:
                found.append(self.add_path(curve))
        return np.array(found)

    def travel(
        self,
        n: int,
        paths: NDArray[np.int64],
        km_h: tuple[float, float],
        *,
        accel: float = 0.8,
        run_min: tuple[float, float] | None = None,
        stop_min: tuple[float, float] = (1.0, 5.0),
        swell: float = 0.08,
        alt_m: tuple[float, float] = (0.0, 0.0),
        by_length: bool = True,
    ) -> Timetable:
        """A timetable for n terminals on some of the paths.

        Args:
            n: how many.
            paths: indices of paths to choose from.
            km_h: range of cruising speeds [km/h].
            accel: acceleration [m/s²].
            run_min: range of the duration of a leg [min]; None for no stops.
            stop_min: range of the duration of a stop [min].
            swell: share by which speed swells.
            alt_m: range of flight heights [m].
            by_length: longer paths carry more traffic.
        """
        rng = self.rng
        lengths = np.array(self.lengths_m)[paths]
        path = rng.choice(paths, n, p=lengths / lengths.sum() if by_length else None)
        length = np.array(self.lengths_m)[path]
        v = rng.uniform(*km_h, n) / 3.6
        room = np.maximum(length - v * (1 + swell) * self.horizon_s - v * v / accel, 0.02 * length)
        run = np.full(n, np.inf) if run_min is None else 60 * rng.uniform(*run_min, n)
        stop = 60 * rng.uniform(*stop_min, n)
        return Timetable(
            path=path.astype(np.int64),
            start_m=rng.uniform(0.0, 1.0, n) * room,
            reverse=rng.random(n) < 0.5,
            cruise_m_s=v,
            accel_m_s2=np.full(n, accel),
            run_s=run,
            stop_s=stop,
            phase_s=rng.uniform(0, 1, n) * np.where(np.isinf(run), 0.0, run + stop),
            swell=np.full(n, swell),
            swell_s=rng.uniform(120, 420, n),
            cruise_alt_m=rng.uniform(*alt_m, n),
        )

    # --- places -------------------------------------------------------------------------------------------------------

    def count(self, at_50k: float, *, least: int = 1, most: int | None = None) -> int:
        """How many of a group, scaled from a fleet of 50,000."""
        n = max(least, round(at_50k * self.scale))
        return n if most is None else min(n, most)

    def near(self, names: list[str], n: int, share: float = 1.0) -> tuple[tuple[Floats, Floats], NDArray[Any]]:
        """Points around the named cities, and the country of each."""
        chosen = tuple(places.city(name) for name in names)
        return self._around(chosen, self.rng.integers(0, len(chosen), n), share)

    def homes(self, n: int, countries: frozenset[str] | None = None) -> tuple[tuple[Floats, Floats], NDArray[Any]]:
        """Points where people live: around all served cities, by population and uptake, without Ukraine."""
        chosen = tuple(
            one
            for one in places.cities()
            if one.country not in UNSERVED | {"UA"} and (countries is None or one.country in countries)
        )
        weight = np.array([_UPTAKE.get(one.country, 1.0) * (one.population**0.6 + 3000) for one in chosen])
        return self._around(chosen, self.rng.choice(len(chosen), n, p=weight / weight.sum()), 1.0)

    def ukraine(self, n: int, *, east: bool = False) -> tuple[Floats, Floats]:
        """Points around Ukrainian cities; `east` chooses those near the front."""
        eastern = ("Kharkiv", "Kramatorsk", "Zaporizhzhia", "Dnipro", "Sumy", "Mykolaiv", "Poltava")
        names = (
            eastern if east else [one.name for one in places.cities() if one.country == "UA" and one.name not in FRONT]
        )
        return self.near(list(names), n)[0]

    def at_spots(self, group: str, n: int, spread_km: float) -> tuple[tuple[Floats, Floats], NDArray[Any]]:
        """Points around the spots of a group, and the country of each."""
        chosen = places.spots(group)
        which = self.rng.integers(0, len(chosen), n)
        lat = np.array([one.lat_deg for one in chosen])[which]
        lon = np.array([one.lon_deg for one in chosen])[which]
        where = displaced(lat, lon, self.rng.normal(0, spread_km, n), self.rng.normal(0, spread_km, n))
        return where, np.array([one.country for one in chosen], object)[which]

    def shift(self, n: int, km: float) -> dict[str, Any]:
        """Sideways displacements, so that traffic on one path is not a string of beads."""
        return {name: self.rng.normal(0, km / places.KM_PER_DEG, n) for name in ("shift_lat_deg", "shift_lon_deg")}

    def _around(
        self, chosen: tuple[City, ...], which: NDArray[np.int64], share: float
    ) -> tuple[tuple[Floats, Floats], NDArray[Any]]:
        country = np.array([one.country for one in chosen], object)[which]
        return scatter(chosen, which, self.rng, share=share), country
