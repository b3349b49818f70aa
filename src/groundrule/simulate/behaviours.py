"""What makes misuse and innocence in a scenario: departures, columns, pasts, traffic, and areas to which they belong.

The truth says of each fleet what it does (`behaviours`, kinds of signals that should be found) and what it only looks like
(`resembles`). Whoever has no behaviour is innocent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from groundrule.detect.signals import KINDS
from groundrule.simulate.journeys import Timetable
from groundrule.simulate.keys import Keys
from groundrule.simulate.roster import INVENTED

TRAFFIC = ("unknown", "no", "yes")
"""Did data flow for a terminal? In the order of the values -1, 0, 1 in the fleet's column."""

_ENDLESS_S = 36_000.0
WORLD_BEHAVIOURS: Mapping[str, tuple[str, ...]] = {
    "drone": ("drone_flight",), "drone_straw": ("drone_flight",),
    "roam_abroad_long": ("roaming_beyond_limits",),
}  # fmt: skip
"""What kinds of the world's fleet do. Its compounds are held by a few accounts, so that nothing says that they are unrelated."""
WORLD_MISUSE = frozenset(
    {
        *WORLD_BEHAVIOURS, "compound",
        "grey_occupied", "grey_crimea", "grey_russia", "grey_iran", "grey_sudan", "grey_elsewhere", "donated_misused",
        "sanctioned", "fixed_plan_on_road",
    }
)  # fmt: skip
"""Kinds of the world's fleet that are not innocent, whether or not a signal is meant for them."""
AREA_KINDS = ("zone", "control", "land", "country")


@dataclass(frozen=True, slots=True)
class Past:
    """Where a fleet was before the start.

    Attributes:
        centre: place [degree], or None for where it is at the start. spread_km: scatter about it [km].
        days: for so long it reported, twice a day. asleep_days: and then was silent for so long.
    """

    centre: tuple[float, float] | None
    spread_km: float
    days: int
    asleep_days: int


@dataclass(frozen=True, slots=True)
class AreaPlan:
    """An invented area that belongs to a scenario.

    Attributes:
        id, kind, name, tags: as in docs/areas.md. outline: places of its edge [degree].
    """

    id: str
    kind: str
    name: str
    tags: tuple[str, ...]
    outline: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Conduct:
    """What a fleet does and looks like.

    Attributes:
        behaviours, resembles: kinds of signals. past: see there, or None.
        traffic: -1 unknown, 0 none, 1 data flows.
        holders_of: another fleet, whose holders hold this one too, or None.
        departs_s: stands at the start of its way until some time of this interval [s], or None.
        spacing_m: all drive in one column, so far apart [m], or None.
    """

    behaviours: tuple[str, ...] = ()
    resembles: tuple[str, ...] = ()
    past: Past | None = None
    traffic: int = -1
    holders_of: str | None = None
    departs_s: tuple[float, float] | None = None
    spacing_m: float | None = None


def read_conduct(keys: Keys, *, moving: bool, named: tuple[str, ...]) -> Conduct:
    """Read the keys of a fleet that say what it does.

    Args:
        keys: of the fleet. moving: does it move? named: fleets before it.
    """
    told = {}
    for key in ("behaviours", "resembles"):
        told[key] = keys.texts(key, ())
        if not set(told[key]) <= KINDS.keys():
            raise keys.wrong(key, "kinds of signals: " + ", ".join(KINDS))
    if told["behaviours"] and told["resembles"]:
        raise keys.wrong("resembles", "nothing: who does something does not only look like it")
    holders_of = keys.text("holders_of", None)
    if holders_of is not None and holders_of not in named:
        raise keys.wrong("holders_of", "the name of a fleet that stands before this one")
    for key in ("departs_s", "spacing_m"):
        if keys.has(key) and not moving:
            raise keys.wrong(key, "nothing: only fleets with lanes, route or flight move")
    departs = keys.span("departs_s", 0, 86_400) if keys.has("departs_s") else None
    spacing = keys.number("spacing_m", 0.1, 10_000, None)
    if departs is not None and spacing is not None:
        raise keys.wrong("departs_s", "either departs_s or spacing_m")
    traffic = TRAFFIC.index(keys.choice("traffic", TRAFFIC, "unknown")) - 1
    past = _past(keys)
    if past is not None and past.centre is None and moving:
        raise keys.wrong("past", "a `centre` in it: what moves at the start was somewhere else before")
    return Conduct(told["behaviours"], told["resembles"], past, traffic, holders_of, departs, spacing)


def _past(outer: Keys) -> Past | None:
    keys = outer.table_of("past")
    if keys is None:
        return None
    centre, spread_km = keys.place("centre", None), keys.number("spread_km", 0, 2000, 1.0)
    made = Past(centre, spread_km, keys.whole("days", 1, 400), keys.whole("asleep_days", 0, 1000, 0))
    keys.done()
    return made


def read_area(keys: Keys) -> AreaPlan:
    """Read an `[[area]]`."""
    name = keys.text("name", most=120)
    if not name.endswith(INVENTED):
        raise keys.wrong("name", f"a name that ends with `{INVENTED}`: it is no real area")
    outline = keys.way("outline")
    if len(outline) < 3:
        raise keys.wrong("outline", "at least three places")
    made = AreaPlan(keys.text("id", most=80), keys.choice("kind", AREA_KINDS, "zone"), name, keys.texts("tags", ()), outline)
    keys.done()
    return made


def areas_geojson(areas: tuple[AreaPlan, ...]) -> str:
    """Areas as a file for `groundrule areas import`."""
    features: list[dict[str, Any]] = []
    for one in areas:
        ring = [[lon, lat] for lat, lon in (*one.outline, one.outline[0])]
        turn = sum((b[0] - a[0]) * (b[1] + a[1]) for a, b in pairwise(ring))
        about = {"id": one.id, "kind": one.kind, "name": one.name, "tags": list(one.tags), "source": INVENTED, "licence": "CC0-1.0"}
        # Rings run anticlockwise (RFC 7946, 3.1.6).
        shape = {"type": "Polygon", "coordinates": [ring if turn < 0 else ring[::-1]]}
        features.append({"type": "Feature", "properties": about, "geometry": shape})
    return json.dumps({"type": "FeatureCollection", "features": features}, indent=1, ensure_ascii=False) + "\n"


def marshalled(travel: Timetable, conduct: Conduct, rng: np.random.Generator) -> Timetable:
    """The timetable of a fleet that departs at a time, or drives in a column."""
    n = len(travel.path)
    forwards = np.zeros(n, np.bool_)
    if conduct.departs_s is not None:
        # It stands at the end of a leg of no length, whose stop ends when it departs.
        wait = rng.uniform(*conduct.departs_s, n)
        run, stop = np.full(n, _ENDLESS_S), np.full(n, conduct.departs_s[1] + 1.0)
        return replace(travel, start_m=np.zeros(n), reverse=forwards, run_s=run, stop_s=stop, phase_s=run + stop - wait)
    if conduct.spacing_m is not None:
        gaps = conduct.spacing_m * rng.uniform(0.8, 1.2, n)
        first = travel.only(np.zeros(n, np.int64))
        return replace(first, start_m=first.start_m[0] + np.cumsum(gaps) - gaps[0], reverse=forwards)
    return travel
