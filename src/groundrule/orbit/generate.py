"""Generate: constellations made from published shells, for use without files; none of their satellites is real.

A Walker pattern: planes spread evenly over right ascension, satellites evenly in each plane, and each plane a step
further than the one before. Rows are marked `generated`, names and constellation say so, and numbers are above
900,000,000, where no catalogue is; each shipped constellation has its own range. Elements have no drag, so that the
shells keep their shape.

Source: Walker, J. Brit. Interplanetary Soc. 37 (1984) 559-572; shells and their sources in `shells.toml`.
"""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from groundrule.errors import InputError, OutOfRange
from groundrule.orbit.elements import Elements, columns_of

FIRST_NUMBER = 900_000_001
MAX_SATELLITES = 1_000_000

# SGP4 reads elements with the constants they are fitted with: WGS 72.
_MU_KM3_S2 = 398_600.8
_RADIUS_KM = 6_378.135
_J2 = 1.082616e-3


@dataclass(frozen=True, slots=True)
class Shell:
    """One Walker pattern.

    Attributes:
        altitude_km: above the equatorial radius [km; 160 to 40,000].
        inclination_deg: 0 to 180.
        planes, per_plane: numbers of planes and of satellites in each, at least 1.
        spread_deg: the planes stand evenly over so many degrees of right ascension.
        phasing: F; neighbouring planes differ by F * 360 / (planes * per_plane) degrees.
    """

    altitude_km: float
    inclination_deg: float
    planes: int
    per_plane: int
    spread_deg: float = 360.0
    phasing: int = 0

    def __post_init__(self) -> None:
        if not (160.0 <= self.altitude_km <= 40_000.0):
            raise OutOfRange(
                f"an altitude of {self.altitude_km} km is no shell",
                help="give 160 to 40,000 km",
                value=self.altitude_km,
            )
        if not (0.0 <= self.inclination_deg <= 180.0 and 0.0 < self.spread_deg <= 360.0):
            raise OutOfRange(
                f"inclination {self.inclination_deg} or spread {self.spread_deg} is no angle of a shell",
                help="inclination 0 to 180 and spread up to 360 degrees",
            )
        if self.planes < 1 or self.per_plane < 1 or self.planes * self.per_plane > MAX_SATELLITES:
            raise OutOfRange(
                f"{self.planes} planes of {self.per_plane} satellites are no shell",
                help=f"at least one of each, and up to {MAX_SATELLITES:,} satellites",
            )

    @property
    def satellites(self) -> int:
        """Number of satellites."""
        return self.planes * self.per_plane


@dataclass(frozen=True, slots=True)
class Published:
    """A constellation of `shells.toml`: its title, where the shells are published, its range of numbers, and the shells."""

    name: str
    title: str
    source: str
    first_number: int
    shells: tuple[Shell, ...]


@cache
def published() -> dict[str, Published]:
    """Return the constellations whose shells are shipped, by name."""
    text = (files("groundrule.orbit") / "shells.toml").read_text(encoding="utf-8")
    return {
        name: Published(
            name,
            about["title"],
            about["source"],
            about["first_number"],
            tuple(Shell(**shell) for shell in about["shells"]),
        )
        for name, about in tomllib.loads(text).items()
    }


def generate(name: str, epoch_ns: int) -> Elements:
    """Make a published constellation.

    Args:
        name: a key of `published()`.
        epoch_ns: epoch of all its elements [ns since 1970, UTC].
    Returns:
        One element set for each satellite; the constellation is the name with `-generated`.
    Raises:
        InputError: the name is not known.
    """
    found = published().get(name)
    if found is None:
        raise InputError(
            f"`{name}` is no constellation with shipped shells",
            help="known are: " + ", ".join(sorted(published())),
            value=name,
        )
    return walker(
        found.shells, epoch_ns, constellation=f"{name}-generated", label=name, first_number=found.first_number
    )


def walker(
    shells: tuple[Shell, ...], epoch_ns: int, *, constellation: str, label: str = "", first_number: int = FIRST_NUMBER
) -> Elements:
    """Make elements for shells of one's own.

    Args:
        constellation: what the rows say. label: begins the names; the default is the constellation.
    """
    if sum(shell.satellites for shell in shells) > MAX_SATELLITES or not shells:
        raise OutOfRange("no shells, or too many satellites", help=f"give 1 to {MAX_SATELLITES:,} satellites")
    rows: list[tuple[object, ...]] = []
    title = (label or constellation).upper()
    for number, shell in enumerate(shells, start=1):
        motion = mean_motion_rev_day(shell.altitude_km, shell.inclination_deg)
        for plane in range(shell.planes):
            for slot in range(shell.per_plane):
                anomaly = 360.0 * slot / shell.per_plane + 360.0 * shell.phasing * plane / shell.satellites
                name = f"{title} {number}-{plane + 1:02}-{slot + 1:02} (generated)"
                raan = shell.spread_deg * plane / shell.planes
                rows.append(
                    (first_number + len(rows), name, "", epoch_ns, motion, 0.0001, shell.inclination_deg, raan, 0.0,
                     anomaly % 360.0, 0.0, 0.0, 0.0, 1, 0, "U", constellation, "raw", "generated", "published shells")
                )  # fmt: skip
    return columns_of(rows)


def mean_motion_rev_day(altitude_km: float, inclination_deg: float) -> float:
    """Return the Kozai mean motion whose mean orbit has an altitude [revolutions per day]."""
    a = _RADIUS_KM + altitude_km
    brouwer = math.sqrt(_MU_KM3_S2 / a**3)
    cos_i = math.cos(math.radians(inclination_deg))
    # SGP4 takes Kozai's mean motion back to Brouwer's by this factor (Hoots and Roehrich 1980, section 6).
    factor = 1.0 + 0.75 * _J2 * (_RADIUS_KM / a) ** 2 * (3.0 * cos_i * cos_i - 1.0)
    return brouwer * factor * 86_400.0 / (2.0 * math.pi)
