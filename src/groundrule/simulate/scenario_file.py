"""Scenario files: strict reading of TOML into a `Scenario`.

Every bound stands where its key is read; a mistake is told with file, table, key, value and what would be right.
"""

from __future__ import annotations

import tomllib
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from groundrule.errors import InputError
from groundrule.orbit.elements import GRADES
from groundrule.orbit.generate import Shell, published
from groundrule.records import POSITION_SOURCES
from groundrule.rules.attributes import ATTRIBUTES
from groundrule.simulate import attackers, places
from groundrule.simulate.behaviours import read_area, read_conduct
from groundrule.simulate.description import (
    CLOCKS,
    Attack,
    Clone,
    Constellation,
    FleetPlan,
    Radio,
    Scenario,
    Spoofing,
    Straw,
    Swap,
    Zone,
)
from groundrule.simulate.keys import Keys, is_name
from groundrule.simulate.roster import INVENTED, ListPlace
from groundrule.verify.ephemeris import AGE_CLASSES
from groundrule.verify.measurements import TRUST

MAX_FILE_BYTES = 1 << 20
MAX_TERMINALS = 2_000_000
MAX_SEED = 2**53
EPHEMERIS_AGES_H = tuple(row.age_h for row in AGE_CLASSES)
MODES = ("gnss", "fused", "network", "cell", "none", "stale", "silent")
assert set(POSITION_SOURCES) <= set(MODES)  # every source, and two ways of losing it



def shipped() -> dict[str, Traversable]:
    """Scenarios of the package, by name."""
    folder = files("groundrule.simulate").joinpath("data", "scenarios")
    found = [one for one in folder.iterdir() if one.name.endswith(".toml")]
    return {one.name.removesuffix(".toml"): one for one in sorted(found, key=lambda one: one.name)}


def read_scenario(source: Path | str) -> Scenario:
    """Read a scenario file, or a shipped one by its name.

    Raises:
        InputError: there is none, or something in it is not as it must be; the message names file, table, key and value.
    """
    path = Path(source)
    known = shipped()
    if str(source) in known and not path.is_file():
        return parse_scenario(known[str(source)].read_text(encoding="utf-8"), f"{source}.toml", Path.cwd())
    if not path.is_file():
        raise InputError(f"`{source}` is no scenario", help="give a file, or one of: " + ", ".join(known), value=str(source))
    if path.stat().st_size > MAX_FILE_BYTES:
        raise InputError(f"{path}: the file has more than {MAX_FILE_BYTES:,} bytes", help="a scenario is a page of text")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 text", help="write it in UTF-8") from error
    return parse_scenario(text, str(path), path.parent)


def parse_scenario(text: str, file: str, folder: Path) -> Scenario:
    """Read a scenario's text.

    Args:
        text: TOML. file: its name, for errors. folder: where files that it names are looked for.
    """
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{file}: is not TOML: {error}", help="see docs/simulate.md for an example", file=file) from error
    top = Keys(file, "", values)
    head = top.table_of("scenario")
    if head is None:
        raise top.wrong("scenario", "a table [scenario] with title, start and duration_s")
    name = head.name("name", Path(file).stem if is_name(Path(file).stem) else "scenario")
    title, about = head.text("title"), head.text("about", "", most=2000)
    start_ns = head.instant("start")
    duration = head.number("duration_s", 15, 7 * 86_400)
    cadence = head.number("cadence_s", 1, 3600, 15.0)
    seed = head.whole("seed", 0, MAX_SEED, 1)
    history = head.flag("history", False)
    head.done()
    world, world_measured = _world(top)
    fleets: tuple[FleetPlan, ...] = ()
    for keys in top.tables_of("fleet", 200):
        fleets += (_fleet(keys, tuple(one.name for one in fleets)),)
    names = [one.name for one in fleets]
    for number, one in enumerate(names, 1):
        if one in names[: number - 1]:
            raise InputError(f"{file}: [fleet[{number}]] `name` is `{one}`", help="wanted a name that no other fleet has", file=file)
    if world + sum(one.count for one in fleets) > MAX_TERMINALS:
        raise InputError(f"{file}: more than {MAX_TERMINALS:,} terminals", help="wanted fewer", file=file)
    scenario = Scenario(
        file, text, name, title, about, start_ns, duration, cadence, seed, world, world_measured, history,
        _constellation(top, folder), _radio(top), fleets,
        jamming=tuple(_zone(keys, duration) for keys in top.tables_of("jamming", 50)),
        spoofing=tuple(_spoofing(keys, duration) for keys in top.tables_of("spoofing", 50)),
        outages=tuple(_zone(keys, duration, anywhere=True) for keys in top.tables_of("outage", 50)),
        swaps=tuple(_swap(keys, fleets, duration) for keys in top.tables_of("swap", 50)),
        clones=tuple(_clone(keys, fleets) for keys in top.tables_of("clone", 50)),
        refusals=tuple(_zone(keys, duration, anywhere=True) for keys in top.tables_of("refusal", 50)),
        areas=tuple(read_area(keys) for keys in top.tables_of("area", 50)),
    )  # fmt: skip
    top.done()
    if not world and not fleets:
        raise InputError(f"{file}: the scenario has no terminals", help="wanted [world] or at least one [[fleet]]", file=file)
    return scenario


def _world(top: Keys) -> tuple[int, float]:
    keys = top.table_of("world")
    if keys is None:
        return 0, 0.0
    terminals = keys.whole("terminals", 500, MAX_TERMINALS)
    measured = keys.number("measured", 0, 1, 0.0)
    keys.done()
    return terminals, measured


def _constellation(top: Keys, folder: Path) -> Constellation:
    keys = top.table_of("constellation") or Keys(top.file, "constellation", {})
    source = keys.choice("source", ("generated", "file", "home"), "generated")
    name = keys.choice("shells", tuple(sorted(published())), None)
    own = []
    for shell in keys.tables_of("shell", 20):
        altitude = shell.number("altitude_km", 160, 40_000)
        inclination = shell.number("inclination_deg", 0, 180)
        planes, per_plane = shell.whole("planes", 1, 1000), shell.whole("per_plane", 1, 1000)
        spread, phasing = shell.number("spread_deg", 1, 360, 360.0), shell.whole("phasing", 0, 10_000, 0)
        own.append(Shell(altitude, inclination, planes, per_plane, spread, phasing))
        shell.done()
    if own and name:
        raise keys.wrong("shells", "either `shells` or tables [[constellation.shell]]")
    path = _file(keys, "file", folder)
    truth = _file(keys, "truth", folder)
    if (source == "file") != (path is not None):
        raise keys.wrong("file", "a file of elements if, and only if, `source` is `file`")
    if source != "generated" and (own or name):
        raise keys.wrong("source", "`generated`, since shells are given")
    made = Constellation(
        name=None if own else name or "starlink", shells=tuple(own), file=path, truth=truth, home=source == "home",
        age_s=3600 * keys.number("age_h", 0, 168, 3.0), mask_deg=keys.number("mask_deg", 0, 85, 25.0),
        grade=keys.choice("grade", GRADES, "operator"),
        error_m=_three(keys.numbers("error_m", 3, 0, 100_000, (20.0, 5.0, 5.0))),
        error_age_h=_age(keys), dut1_s=keys.number("dut1_s", -0.9, 0.9, 0.0),
    )  # fmt: skip
    if truth is not None and (keys.has("error_m") or made.error_age_h is not None):
        raise keys.wrong("truth", "either elements that truly fly or an error, not both")
    keys.done()
    return made


def _three(values: tuple[float, ...]) -> tuple[float, float, float]:
    return values[0], values[1], values[2]


def _age(keys: Keys) -> float | None:
    value = keys.number("error_age_h", 0, 168, None)
    if value is not None and value not in EPHEMERIS_AGES_H:
        raise keys.wrong("error_age_h", "one of the measured ages: " + ", ".join(f"{one:g}" for one in EPHEMERIS_AGES_H))
    return value


def _file(keys: Keys, key: str, folder: Path) -> Path | None:
    text = keys.text(key, None)
    return None if text is None else folder / text


def _radio(top: Keys) -> Radio:
    keys = top.table_of("radio") or Keys(top.file, "radio", {})
    handover = keys.number("handover_s", 5, 120, 15.0)
    interval = keys.number("interval_s", 0.1, 60, 1.0)
    if interval > handover:
        raise keys.wrong("interval_s", "at most handover_s")
    made = Radio(
        interval_s=interval, window_s=keys.number("window_s", 0, 86_400, 0.0), every_s=keys.number("every_s", 0, 86_400, 0.0),
        handover_s=handover,
        range_sigma_m=keys.number("range_sigma_m", 0.01, 100_000, 150.0), rate_sigma_hz=keys.number("rate_sigma_hz", 0.001, 100_000, 10.0),
        carrier_hz=keys.number("carrier_hz", 1e8, 1e11, 14e9), delay_sigma_m=keys.number("delay_sigma_m", 0, 100_000, 30.0),
        clock=keys.choice("clock", tuple(CLOCKS), "free"), drift_m_s2=keys.number("drift_m_s2", -10, 10, 0.0),
        trust=keys.choice("trust", TRUST, "network"), correlation=keys.number("correlation", 0, 0.99, 0.0),
        quantum_m=keys.number("quantum_m", 0, 100_000, 0.0), spike_share=keys.number("spike_share", 0, 0.5, 0.0),
        spike_m=keys.number("spike_m", 0, 1e6, 10_000.0), cell_resolution=keys.whole("cell_resolution", 0, 6, 0),
        precompensated=keys.flag("precompensated", False), light_time=keys.flag("light_time", True),
        atmosphere=keys.flag("atmosphere", True), relativity=keys.flag("relativity", True),
    )  # fmt: skip
    if 0 < made.every_s < made.window_s:
        raise keys.wrong("every_s", "at least window_s, or 0 for without a pause")
    keys.done()
    return made


_WHERE = ("cities", "spots", "centre", "homes", "lanes", "route", "flight")
_MOVING = ("lanes", "route", "flight")
_SPOTS = ("compound", "crossing", "fujian", "harbour", "launch", "occupied")
_LANES = ("rail", "rail-ua", "road", "road-ua", "sea", "sea-black")
PLANS = ("residential", "business", "roam", "ocean", "aviation")
PROTECTED = ("none", "hospital", "emergency", "search_and_rescue", "humanitarian")


def _fleet(keys: Keys, named: tuple[str, ...]) -> FleetPlan:
    name = keys.name("name")
    count = keys.whole("count", 1, 500_000)
    given = [key for key in _WHERE if keys.has(key)]
    if len(given) != 1:
        raise keys.wrong(given[1] if given else "centre", "exactly one of " + ", ".join(_WHERE))
    where = given[0]
    made = FleetPlan(
        name=name, count=count, where=where, what=_what(keys, where), spread_km=keys.number("spread_km", 0, 2000, 1.0),
        motion=_motion(keys, where in _MOVING), attributes=_attributes(keys), per_holder=keys.whole("per_holder", 1, 100_000, 1),
        lists=tuple(_list_place(one) for one in keys.tables_of("list", 20)), measured=keys.number("measured", 0, 1, 1.0),
        trust=keys.choice("trust", TRUST, None), clock=keys.choice("clock", tuple(CLOCKS), None),
        inhibits_gnss=keys.flag("inhibits_gnss", False), attack=_attack(keys), straw=_straw(keys),
        conduct=read_conduct(keys, moving=where in _MOVING, named=named),
    )  # fmt: skip
    keys.done()
    return made


def _what(keys: Keys, where: str) -> Any:
    if where == "cities":
        named = keys.texts("cities")
        known = {one.name for one in places.cities()}
        if not set(named) <= known:
            raise keys.wrong("cities", "cities of simulate/data/cities.csv")
        return named
    if where == "homes":
        countries = keys.texts("homes")
        served = {one.country for one in places.cities()}
        if countries != ("world",) and not set(countries) <= served:
            raise keys.wrong("homes", '["world"], or codes of countries of simulate/data/cities.csv')
        return countries
    if where == "spots":
        return keys.choice("spots", _SPOTS)
    if where == "lanes":
        return keys.choice("lanes", _LANES)
    if where == "centre":
        return keys.place("centre")
    return keys.way(where)


def _motion(keys: Keys, moving: bool) -> dict[str, Any]:
    asked = ("speed_km_h", "accel_m_s2", "run_min", "stop_min", "swell", "altitude_m")
    if not moving:
        for key in asked:
            if keys.has(key):
                raise keys.wrong(key, "nothing: only fleets with lanes, route or flight move")
        return {}
    low, high = keys.span("altitude_m", 0, 20_000, (0.0, 0.0))
    return {
        "km_h": keys.span("speed_km_h", 1, 1200), "accel": keys.number("accel_m_s2", 0.01, 10, 0.8),
        "run_min": keys.span("run_min", 1, 1440) if keys.has("run_min") else None,
        "stop_min": keys.span("stop_min", 0.1, 1440, (1.0, 5.0)), "swell": keys.number("swell", 0, 0.4, 0.05), "alt_m": (low, high),
    }  # fmt: skip


def _attributes(keys: Keys) -> dict[str, Any]:
    vocabulary = {name: ATTRIBUTES[name].vocabulary for name in ("account", "quota", "screening", "cell_state")}
    out: dict[str, Any] = {
        "plan": keys.choice("plan", PLANS, "roam"),
        "country": _country(keys, "country", "US"),
        "activation_country": _country(keys, "activation_country", None),
        "programmes": keys.text("programmes", ""),
        "protected_class": keys.choice("protected_class", PROTECTED, "none"),
        "purpose": keys.choice("purpose", ("civil", "military"), "civil"),
        "registration": keys.choice("registration", ("registered", "pending", "revoked"), "registered"),
        "cell_state": keys.choice("cell_state", vocabulary["cell_state"], "enabled"),
        "account_state": keys.choice("account_state", vocabulary["account"], "active"),
        "quota": keys.choice("quota", vocabulary["quota"], "ok"),
        "screening": keys.choice("screening", vocabulary["screening"], "clear"),
        "party_kind": keys.choice("party_kind", ("person", "organisation", "state"), "person"),
        "legal_class": keys.choice("legal_class", ("individual", "legal_entity", "critical"), "individual"),
        "registered": keys.flag("registered", True),
        "active_days": keys.number("active_days", 0, 5000, 0.0),
        "mode": keys.choice("mode", MODES, "gnss"),
        "h3_resolution": keys.whole("h3_resolution", 3, 9, 5),
        "sigma_m": keys.number("sigma_m", 0, 100_000, 0.0),
        "ground_m": keys.number("ground_m", -500, 9000, 0.0),
        "reports_speed": keys.flag("reports_speed", True),
    }
    if keys.has("service"):
        out["service_lat_deg"], out["service_lon_deg"] = keys.place("service")
    return out


def _country(keys: Keys, key: str, default: str | None) -> str | None:
    code = keys.text(key, default, most=2)
    if code is not None and not (len(code) == 2 and code.isascii() and code.isalpha() and code.isupper()):
        raise keys.wrong(key, "a code of two capital letters (ISO 3166-1)")
    return code


def _list_place(keys: Keys) -> ListPlace:
    sponsor = keys.text("sponsor", None)
    if sponsor is not None and not sponsor.endswith(INVENTED):
        raise keys.wrong("sponsor", f"a name that ends with `{INVENTED}`: nobody real stands in a scenario")
    made = ListPlace(
        keys.text("id", most=60), keys.choice("state", ("submitted", "pending", "active", "revoked"), "active"),
        keys.number("since_days", 0, 5000, 6.0), keys.number("until_days", -5000, 5000, None), sponsor,
    )  # fmt: skip
    keys.done()
    return made


def _attack(outer: Keys) -> Attack | None:
    keys = outer.table_of("attack")
    if keys is None:
        return None
    kind = keys.choice("class", attackers.CLASSES[1:])
    lies = attackers.CLASSES.index(kind) in attackers.LIES
    claim, spread, delay, user = None, 0.0, None, None
    if lies:
        claim, spread = keys.place("claim"), keys.number("spread_km", 0, 500, 0.0)
        delay = keys.number("delay_m", 0, 1e6, None) if kind == "A1" else None
    else:
        user = keys.place("user")
    keys.done()
    return Attack(kind, claim, spread, delay, user)


def _straw(outer: Keys) -> Straw | None:
    keys = outer.table_of("straw")
    if keys is None:
        return None
    made = Straw(keys.whole("holders", 1, 100_000), _country(keys, "country", "UA") or "UA")
    keys.done()
    return made


def _zone(keys: Keys, duration: float, *, anywhere: bool = False, close: bool = True) -> Zone:
    everywhere = anywhere and not keys.has("centre")
    made = Zone(
        keys.text("name", most=80), None if everywhere else keys.place("centre"),
        0.0 if everywhere else keys.number("radius_km", 0.1, 20_000), keys.number("from_s", 0, duration, 0.0),
        keys.number("until_s", 0, 7 * 86_400, duration), keys.number("share", 0, 1, 1.0),
    )  # fmt: skip
    if made.until_s <= made.from_s:
        raise keys.wrong("until_s", "a time after from_s")
    if close:
        keys.done()
    return made


def _spoofing(keys: Keys, duration: float) -> Spoofing:
    zone = _zone(keys, duration, close=False)
    circle, radius_km, period_s = keys.place("circle"), keys.number("circle_km", 0.05, 200), keys.number("period_s", 5, 3600, 120.0)
    made = Spoofing(zone, circle, radius_km, period_s, keys.flag("together", False))
    keys.done()
    return made


def _swap(keys: Keys, fleets: tuple[FleetPlan, ...], duration: float) -> Swap:
    named = keys.texts("fleets")
    sizes = {one.name: one.count for one in fleets}
    if len(named) != 2 or len(set(named)) != 2 or not set(named) <= sizes.keys():
        raise keys.wrong("fleets", "two names of fleets of this file")
    made = Swap((named[0], named[1]), keys.whole("pairs", 1, min(sizes[one] for one in named)), keys.number("at_s", 0, duration))
    keys.done()
    return made


def _clone(keys: Keys, fleets: tuple[FleetPlan, ...]) -> Clone:
    sizes = {one.name: one.count for one in fleets}
    fleet = keys.choice("fleet", tuple(sizes))
    made = Clone(fleet, keys.whole("count", 1, sizes[fleet]), keys.place("centre"), keys.number("spread_km", 0, 500, 1.0))
    keys.done()
    return made
