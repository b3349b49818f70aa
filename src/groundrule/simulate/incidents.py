"""Two nights that are told in different ways: one generated fleet each, under three rival accounts.

Places and dates are real and the rival accounts are those that the press carried. Every terminal, person and company,
every exact minute and every requester is invented and says so. The product passes no verdict on which account is true;
it shows which records would tell them apart, because those are the records that an operator has to keep.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from shapely import affinity
from shapely.geometry import Polygon

from groundrule.areas.model import Area, ServiceInterval, ServiceRequest
from groundrule.errors import InputError
from groundrule.instant import MAX_NS, MIN_NS, NS_PER_DAY, parse_instant
from groundrule.simulate import places
from groundrule.simulate.fleet import Fleet, muster
from groundrule.simulate.journeys import winding
from groundrule.simulate.places import KM_PER_DEG
from groundrule.simulate.population import Population
from groundrule.simulate.roster import INVENTED, Registers, Roster

NOTICE = (
    "Generated: real places and dates, invented terminals, people, requests and minutes. No verdict on real people."
)


@dataclass(frozen=True, slots=True)
class RivalAccount:
    """One way in which the night is told, as the data that would stand in the operator's records if it were true.

    Attributes:
        id: short name.
        title: the account in one sentence.
        told_by: who tells it so, as the press reports.
        areas: areas with the service history that this account implies; they are used beside the world areas.
        registers: the registers that this account implies.
        rules: in words, what this account says about the rules in force.
    """

    id: str
    title: str
    told_by: str
    areas: tuple[Area, ...]
    registers: Registers
    rules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TellingRecord:
    """One kind of record, and what it would hold under each account.

    Attributes:
        record: what to look at.
        under: account id → what it would say.
    """

    record: str
    under: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Incident:
    """A night, its generated fleet and its rival accounts.

    Attributes:
        name: as given on the command line.
        title: for people.
        notice: what is real and what is invented.
        fleet: the terminals and their reports; the same under every account.
        watched: ids of the terminals that the accounts differ about.
        moments: instants worth asking about, by name [ns, UTC].
        accounts: the rival accounts.
        telling: records that tell them apart; none of them holds the same under all accounts.
    """

    name: str
    title: str
    notice: str
    fleet: Fleet
    watched: tuple[str, ...]
    moments: Mapping[str, int]
    accounts: tuple[RivalAccount, ...]
    telling: tuple[TellingRecord, ...]


def load_incident(name: str, *, seed: int = 2026) -> Incident:
    """Generate an incident.

    Args:
        name: one of `INCIDENTS`.
        seed: of the fleet.
    Raises:
        InputError: there is no incident of that name.
    """
    if name not in _MAKERS:
        raise InputError(f"there is no incident `{name}`", help=f"one of {', '.join(INCIDENTS)}", value=name)
    return _MAKERS[name](seed)


def _population(start: str, seed: int, minutes: float) -> Population:
    rng = np.random.default_rng([seed, 7])
    return Population(Roster(rng, parse_instant(start)), rng, 60.0 * minutes, 0.02)


# --- the Black Sea, night of 16 to 17 September 2022 ------------------------------------------------------------------

_CRIMEA = (
    (46.10, 33.60), (45.75, 33.15), (45.35, 32.50), (45.17, 33.15), (44.98, 33.60), (44.62, 33.38), (44.39, 33.75),
    (44.45, 34.15), (44.72, 34.45), (44.80, 35.00), (45.02, 35.40), (45.06, 36.00), (45.10, 36.45), (45.37, 36.62),
    (45.45, 36.10), (45.30, 35.45), (45.75, 34.95), (46.00, 34.80), (46.15, 34.00),
)  # fmt: skip
"""Crimea in nineteen points (latitude, longitude), good to about 5 km."""

_START = "2022-09-16T18:00Z"
_HOURS = 8.0
_CUT = "2022-09-16T23:10Z"
_ASKED = "2022-09-16T21:30Z"
_ZONE = "zone:crimea-coast-100km"


def _zone() -> Polygon:
    """What is within 100 km of the coast of Crimea, in a local plane of equal scale."""
    scale = float(np.cos(np.radians(45.2)))
    outline = Polygon([(lon * scale, lat) for lat, lon in _CRIMEA])
    wide = outline.buffer(100.0 / KM_PER_DEG, quad_segs=16)
    zone = affinity.scale(wide, xfact=1 / scale, yfact=1.0, origin=(0.0, 0.0))
    assert isinstance(zone, Polygon)
    return shapely.set_precision(zone, 1e-6)


def _black_sea(seed: int) -> Incident:
    p = _population(_START, seed, 60 * _HOURS)
    targets = ((44.66, 33.38), (44.68, 33.35), (44.63, 33.36))
    ways = np.array(
        [
            p.add_path(
                winding(np.array([[46.45, 31.00], [45.75, 31.35], [44.95, 32.20], target]), step_km=1, sway_km=0.5)
            )
            for target in targets
        ]
    )
    # The leaders are to be about 70 km from the target when, by one account, the link is lost.
    craft = p.travel(6, ways, (36, 39), accel=0.3, swell=0.05)
    length = np.array(p.lengths_m)[craft.path]
    until_cut_s = (parse_instant(_CUT) - parse_instant(_START)) / 1e9
    craft.start_m[:] = length - 70_000 - craft.cruise_m_s * until_cut_s - 1500.0 * np.arange(6)
    craft.reverse[:] = False
    craft.swell_s[:] = 900.0
    state: dict[str, Any] = {"country": "UA", "party_kind": "state", "legal_class": "critical", "reports_speed": True}
    p.roster.add("sea_craft", craft, plan="ocean", purpose="military", per_holder=6, sigma_m=5.0, **state)
    lanes = p.lanes("sea-black")[:6]
    p.roster.add("ship", p.travel(14, lanes, (18, 30), accel=0.02), plan="ocean", country="TR", reports_speed=True)
    for kind, names, n in (("home_odesa", ["Odesa", "Mykolaiv"], 40), ("home_kherson_side", ["Kropyvnytskyi"], 10)):
        p.roster.add(kind, p.near(names, n)[0], country="UA")
    p.roster.add("hospital", p.near(["Odesa", "Mykolaiv"], 4)[0], plan="business", protected_class="hospital", **state)
    fleet = muster(p, seed=seed, cadence_s=60, minutes=60 * _HOURS)
    cut, asked = parse_instant(_CUT), parse_instant(_ASKED)
    service_start = parse_instant("2022-02-26T00:00Z")
    source = f"rival account, as data {INVENTED}"

    def account(
        key: str, title: str, told_by: str, history: tuple[ServiceInterval, ...], *requests: ServiceRequest
    ) -> RivalAccount:
        area = Area(
            id=_ZONE,
            kind="zone",
            name="Within 100 km of the coast of Crimea",
            geometry=_zone(),
            source=source,
            licence="Apache-2.0",
            point_of_view=title,
            service_history=history,
            service_requests=requests,
        )
        return RivalAccount(key, title, told_by, (area,), fleet.registers)

    never = (ServiceInterval("never_served", MIN_NS, MAX_NS, source),)
    ended = (
        ServiceInterval("never_served", MIN_NS, service_start, source),
        ServiceInterval("served", service_start, cut, source),
        ServiceInterval("ended", cut, MAX_NS, source),
    )
    refused = ServiceRequest(
        asked,
        "switch_on",
        "refused",
        source,
        f"asked by a requester {INVENTED}, refused on the ground of US sanctions law",
    )
    accounts = (
        account(
            "never-served", "Service near Crimea was never on.", "the operator's head, as the press reports", never
        ),
        account(
            "switched-off",
            "Service was on, and was switched off that night within 100 km of the coast.",
            "a biography of September 2023 (100 km); Ukrainian press (link lost 70 km from the target)",
            ended,
        ),
        account(
            "refused",
            "Service was never on; that night it was asked for, and the request was refused.",
            "the operator's head, who adds that US sanctions law stood behind it, as the press reports",
            never,
            refused,
        ),
    )
    telling = (
        TellingRecord(
            "Service history of the zone (areas register)",
            {
                "never-served": "never served, without an end",
                "switched-off": f"served from 2022-02-26, ended at {_CUT}",
                "refused": "never served, without an end",
            },
        ),
        TellingRecord(
            "Requests about the zone (contact register)",
            {
                "never-served": "none that night",
                "switched-off": "perhaps one to switch off, with who asked; none to switch on",
                "refused": f"one to switch on at {_ASKED}, with who asked, who refused and on what ground",
            },
        ),
        TellingRecord(
            "Decisions for the craft inside the zone before the cut",
            {
                "never-served": "restrict, state never_served",
                "switched-off": "serve",
                "refused": "restrict, state never_served",
            },
        ),
        TellingRecord(
            "Decisions for the craft inside the zone after the cut",
            {
                "never-served": "restrict, state never_served",
                "switched-off": "deny, service_ended",
                "refused": "restrict, state never_served",
            },
        ),
        TellingRecord(
            "Reports that arrived from inside the zone",
            {
                "never-served": "none, ever: there was no link to carry them",
                "switched-off": "some before the cut, none after it",
                "refused": "none, ever: there was no link to carry them",
            },
        ),
        TellingRecord(
            "Change of the area (proposal and enactment)",
            {
                "never-served": "none",
                "switched-off": "one, effective at the cut, with approvals or as an emergency with a review",
                "refused": "none; the refusal is a decision on a request, not a change",
            },
        ),
    )
    return Incident(
        "black-sea",
        "Black Sea, night of 16 to 17 September 2022",
        NOTICE,
        fleet,
        _ids_of(fleet, "sea_craft"),
        {"before the request": asked - 1, "before the cut": cut - 1, "after the cut": cut},
        accounts,
        telling,
    )


# --- drones over Dnipro and Kharkiv, January 2026 ---------------------------------------------------------------------


def _drones(seed: int) -> Incident:
    start = "2026-01-26T03:40Z"
    p = _population(start, seed, 30)
    ways = np.array(
        [
            p.add_path(
                winding(np.array([(s.lat_deg, s.lon_deg), (t.lat_deg, t.lon_deg)]), step_km=2, sway_km=0.4, wave_km=60)
            )
            for s in places.spots("launch")
            if s.name in ("Donetsk airport area", "Primorsko-Akhtarsk area")
            for t in (places.city("Dnipro"), places.city("Kharkiv"))
        ]
    )
    drones = p.travel(16, ways, (148, 156), accel=2.0, swell=0.01, alt_m=(250, 1200), by_length=False)
    # The watch begins late enough that all of them are over Ukraine throughout.
    drones.start_m[:] = p.rng.uniform(0.45, 0.6, 16) * np.array(p.lengths_m)[drones.path]
    drones.reverse[:] = False
    p.roster.add(
        "drone", drones, plan="roam", country="AE", sigma_m=4.0, active_days=12.0, reports_speed=p.rng.random(16) < 0.5
    )
    p.roster.add("home", p.near(["Dnipro", "Kharkiv", "Poltava"], 60)[0], country="UA")
    p.roster.add(
        "hospital", p.near(["Dnipro", "Kharkiv"], 4)[0], plan="business", country="UA", protected_class="hospital"
    )
    trains = p.travel(6, p.lanes("rail-ua")[:6], (70, 110), run_min=(10, 30), accel=0.4)
    p.roster.add(
        "train",
        trains,
        plan="roam",
        country="UA",
        programmes="rail",
        per_holder=6,
        party_kind="organisation",
        reports_speed=True,
    )
    p.roster.add("car", p.travel(12, p.lanes("road-ua"), (50, 100), run_min=(10, 30)), plan="roam", country="UA")
    fleet = muster(p, seed=seed, cadence_s=15, minutes=30)
    watched = _ids_of(fleet, "drone")
    begin = parse_instant(start)
    rng = np.random.default_rng([seed, 8])

    def registers(countries: tuple[str, ...], age_days: tuple[float, float], programmes: str = "") -> Registers:
        n = len(watched)
        country = [countries[k % len(countries)] for k in range(n)]
        since = begin - (rng.uniform(*age_days, n) * NS_PER_DAY).astype(np.int64)
        return _retold(fleet.registers, watched, country, since.tolist(), programmes)

    rules = (
        "No rule on speed over Ukraine is in force yet; `ua-speed` takes effect on 2026-02-01.",
        "No allow-list is in force yet; `ua-not-listed` takes effect on 2026-02-05.",
    )
    accounts = (
        RivalAccount(
            "straw",
            "People in Ukraine registered the terminals for others, for money or under threat.",
            "Ukrainian officials, on paid and coerced registrations",
            (),
            registers(("UA",), (3, 25)),
            rules,
        ),
        RivalAccount(
            "abroad",
            "The terminals were activated abroad and brought in through roam.",
            "press reports on middlemen in several countries",
            (),
            registers(("AE", "PL", "KZ"), (30, 200)),
            rules,
        ),
        RivalAccount(
            "no-rule",
            "Ordinary terminals, donated or captured; no rule looked at speed, so nothing stopped them.",
            "the speed limit that followed within days",
            (),
            registers(("UA", "PL"), (700, 1100), "donor-civil"),
            rules,
        ),
    )
    telling = (
        TellingRecord(
            "Country of the account and of first activation",
            {
                "straw": "Ukraine, weeks before",
                "abroad": "another country, months before",
                "no-rule": "Ukraine or a donor's country, years before",
            },
        ),
        TellingRecord(
            "Holders",
            {
                "straw": "many persons, each with one terminal, registered in few places within days",
                "abroad": "few resellers or persons abroad with many terminals each",
                "no-rule": "a donor's programme with a custodian",
            },
        ),
        TellingRecord(
            "First use against place of registration",
            {
                "straw": "first use far from the place of registration, near the front",
                "abroad": "never used in the country of activation",
                "no-rule": "long use near the custodian, then silence, then use elsewhere",
            },
        ),
        TellingRecord(
            "What the list of February 2026 answers for them",
            {
                "straw": "denied here, where no entry is recorded; with a straw registration active until it is revoked",
                "abroad": "not on the list: denied from 2026-02-05 at rest too",
                "no-rule": "not on the list unless the custodian registered them",
            },
        ),
        TellingRecord(
            "What the speed rule of 1 February 2026 answers for them",
            {
                "straw": "denied while faster than 75 km/h; served again at rest",
                "abroad": "denied while faster than 75 km/h; served again at rest, until the list",
                "no-rule": "denied while faster than 75 km/h; served again at rest",
            },
        ),
    )
    return Incident(
        "drones",
        "Drones with terminals, Dnipro and Kharkiv, January 2026",
        NOTICE,
        fleet,
        watched,
        {
            "first report": begin,
            "speed rule in force": parse_instant("2026-02-01T00:00Z"),
            "allow-list in force": parse_instant("2026-02-05T00:00Z"),
        },
        accounts,
        telling,
    )


def _retold(
    registers: Registers, watched: tuple[str, ...], country: list[str], activated_at: list[int], programmes: str
) -> Registers:
    """The registers with another story for some terminals and their accounts."""
    places_of = {terminal: k for k, terminal in enumerate(watched)}
    terminals, accounts = registers.terminals.to_pylist(), registers.accounts.to_pylist()
    country_of: dict[str, str] = {}
    for row in terminals:
        k = places_of.get(row["terminal_id"])
        if k is not None:
            country_of[row["account_id"]] = country[k]
            row |= {"activation_country": country[k], "activated_at": activated_at[k], "programmes": programmes}
    for row in accounts:
        row["country"] = country_of.get(row["account_id"], row["country"])
    return replace(
        registers,
        terminals=pa.Table.from_pylist(terminals, registers.terminals.schema),
        accounts=pa.Table.from_pylist(accounts, registers.accounts.schema),
    )


def _ids_of(fleet: Fleet, kind: str) -> tuple[str, ...]:
    terminals = fleet.registers.terminals
    chosen = terminals.filter(pc.equal(terminals["kind"], kind))
    return tuple(chosen["terminal_id"].to_pylist())


_MAKERS: dict[str, Callable[[int], Incident]] = {"black-sea": _black_sea, "drones": _drones}

INCIDENTS: tuple[str, ...] = tuple(_MAKERS)
"""Names of the incidents."""
