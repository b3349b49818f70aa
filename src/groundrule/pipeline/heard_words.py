"""What radio and satellite navigation say of one observation, in words for the operator.

Where it claims to be, where radio places it, how well, and against whom that stands. Owners never read this: it names sizes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from groundrule.areas.index import AreaIndex
from groundrule.instant import NS_PER_S
from groundrule.pipeline.confronted import confronted
from groundrule.pipeline.heard import NETWORK
from groundrule.pipeline.judge import Judged
from groundrule.records import OUTCOME_WORDS, Outcome
from groundrule.rules import wording
from groundrule.rules.vocabulary import Vocabulary
from groundrule.simulate.places import KM_PER_DEG, cities

ELLIPSE_95: Final = math.sqrt(5.991464547)
"""Semi-axis of the 95 % ellipse in sigmas: chi-square with 2 degrees of freedom."""
NEAR_KM: Final = 20.0
"""A place is `near` a city up to here, and beyond it so far to one side of it, up to `FAR_KM` [km]."""
FAR_KM: Final = 400.0
_WINDS: Final = ("north", "north_east", "east", "south_east", "south", "south_west", "west", "north_west")
_CLOSE_M: Final = 1_000.0


def heard_words(index: AreaIndex, judged: Judged, row: int, say: Vocabulary) -> tuple[str, ...]:
    """Return sentences about one row; none where nothing was said.

    Args:
        index: areas, for the countries of places.
        judged: a batch; row: of it.
        say: words of the language.
    """
    table = judged.table
    radio = confronted(table.slice(row, 1))[0].as_py()
    state = table.column("gnss_state")[row].as_py()
    lines: list[str] = []
    if radio is not None:
        lines.append(_radio(index, table, row, radio, say))
        lines.append(_standing(radio, table.column("observed_at")[row].as_py(), say))
    if state is not None and state != "normal":
        lines.append(say(f"heard_{state}"))
    if judged.heard is not None and lines and _place_used(judged, row, radio):
        lines.append(say("heard_used"))
    if raised := table.column("signals")[row].as_py():
        lines.append(say("heard_signals", values=say.listed(raised, "and")))
    return tuple(lines)


def owner_words(judged: Judged, row: int, say: Vocabulary) -> str | None:
    """Return where the place of one row comes from, in words for its owner and without numbers; None where there is nothing to say.

    Whoever is placed wrongly and not simply served could not even object otherwise; whoever is jammed learns that it is nobody's doing.
    """
    if judged.heard is None:
        return None
    said: list[str] = []
    if judged.table.column("gnss_state")[row].as_py() == "suspended":
        said.append(say("owner_place_disturbed"))
    served = OUTCOME_WORDS[int(judged.decided.outcome[row])] == Outcome.SERVE.word
    if not served and _place_used(judged, row, judged.table.column("radio")[row].as_py()):
        said.append(say("owner_place_measured"))
    return " ".join(said) or None


def _radio(index: AreaIndex, table: Any, row: int, radio: Mapping[str, Any], say: Vocabulary) -> str:
    """`claims X; radio places it D away Y, 95 % ellipse A × B m`."""
    lat, lon = (table.column(name)[row].as_py() for name in ("lat_deg", "lon_deg"))
    claim = say("heard_no_claim") if lat is None else say("heard_claim", place=place_words(index, lat, lon, say))
    if radio["lat_deg"] is not None and radio["alternatives"] and not radio["usable"] and radio["verdict"] != "fault":
        return f"{claim}; {say('heard_many', count=str(1 + len(radio['alternatives'])))}"
    if radio["lat_deg"] is None or not radio["usable"]:
        return f"{claim}; {say('heard_no_place')}"
    place = place_words(index, radio["lat_deg"], radio["lon_deg"], say)
    apart = radio["distance_m"]
    if apart is None:
        found = say("heard_place", place=place)
    elif apart < _CLOSE_M:
        found = say("heard_same", distance=wording.distance(apart, say))
    else:
        found = say("heard_apart", distance=wording.distance(apart, say), place=place)
    if radio["sigma_major_m"] is None or radio["sigma_minor_m"] is None:
        return f"{claim}; {found}"
    major, minor = (_axis(radio[name] * ELLIPSE_95, say) for name in ("sigma_major_m", "sigma_minor_m"))
    return f"{claim}; {found}, {say('heard_ellipse', major=major, minor=minor)}"


def _standing(radio: Mapping[str, Any], observed_at: int, say: Vocabulary) -> str:
    """Verdict, age, and against whom it stands."""
    age = wording.seconds(round((observed_at - radio["at_ns"]) / NS_PER_S), say)
    verdict, assurance = radio["verdict"], radio["assurance"]
    said = say("heard_verdict", verdict=say.word(verdict), age=age)
    if verdict == "inconsistent" and assurance in ("a0", "a1", "a2"):
        return f"{said}; {say(f'heard_false_{assurance}')}"
    if verdict == "consistent" and assurance in ("a0", "a1", "a2"):
        return f"{said}; {say(f'heard_true_{assurance}')}"
    return said


def _place_used(judged: Judged, row: int, radio: Mapping[str, Any] | None) -> bool:
    """Does the place that radio gives decide?"""
    motion = judged.motion
    return (
        radio is not None and int(motion.source[row]) == NETWORK
        and (float(motion.lat_deg[row]), float(motion.lon_deg[row])) == (radio["lat_deg"], radio["lon_deg"])
    )  # fmt: skip


def place_words(index: AreaIndex, lat_deg: float, lon_deg: float, say: Vocabulary) -> str:
    """Write a place: `near Lublin (PL)`, `56 km south of Zaporizhzhia (UA)`, or its coordinates where no known city is near."""
    members = index.set_members(int(index.locate_exact(np.array([lat_deg]), np.array([lon_deg]))[0]))
    codes = sorted({country for member, _ in members if (country := index.members[member].country)})
    there = f" ({', '.join(codes)})" if codes else ""
    north, east = _offsets_km(lat_deg, lon_deg)
    away = np.hypot(north, east)
    nearest = int(np.argmin(away))
    km, name = float(away[nearest]), cities()[nearest].name
    if km > FAR_KM:
        return f"{lat_deg:.4f}, {lon_deg:.4f}{there}"
    if km <= NEAR_KM:
        return say("heard_near", city=name) + there
    wind = _WINDS[round(math.degrees(math.atan2(east[nearest], north[nearest])) / 45.0) % 8]
    return say("heard_beside", distance=wording.distance(km * 1e3, say), direction=say(f"wind_{wind}"), city=name) + there


def _offsets_km(lat_deg: float, lon_deg: float) -> tuple[Any, Any]:
    """From each city to a place, to the north and to the east [km], on a sphere; good enough for words."""
    lat, lon = (np.array([getattr(city, name) for city in cities()]) for name in ("lat_deg", "lon_deg"))
    turned = (lon_deg - lon + 180.0) % 360.0 - 180.0
    return (lat_deg - lat) * KM_PER_DEG, turned * KM_PER_DEG * np.cos(np.radians(0.5 * (lat + lat_deg)))


def _axis(metres: float, say: Vocabulary) -> str:
    return wording.distance(metres, say)
