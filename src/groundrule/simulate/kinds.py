"""Every kind of terminal of the demo's fleet, one function per family; each adds its groups to the population.

Three groups carry the demo's what-if (75 → 60 km/h over Ukraine): trains that nobody tagged `rail`, a hospital's buses
that are registered as ordinary vehicles, and cars; tagged trains and ambulances are exempt and stay served.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from groundrule.simulate import places
from groundrule.simulate.journeys import great_circle, winding
from groundrule.simulate.population import ALLOWED, CLOSED, GREY_COUNTRIES, UNSERVED, Population
from groundrule.simulate.roster import ListPlace

COMPANY: dict[str, Any] = {"party_kind": "organisation", "legal_class": "legal_entity"}
CRITICAL: dict[str, Any] = {"party_kind": "organisation", "legal_class": "critical"}
STATE: dict[str, Any] = {"party_kind": "state", "legal_class": "critical"}


def add_road_traffic(p: Population) -> None:
    """Vans, cars and lorries that drive, on roam plans; some of them abroad, some for too long."""
    roads, towns = p.lanes("road"), p.town_loops()
    countries = [lane.country for lane in places.lanes("road") for _ in range(2)]
    home = dict(zip(roads.tolist(), countries, strict=True))
    for kind, n, speeds, runs, stops in (
        ("van", p.count(1500), (60, 110), (8, 40), (3, 25)),
        ("car", p.count(700), (70, 128), (10, 45), (2, 12)),
        ("lorry", p.count(600), (68, 88), (25, 60), (5, 25)),
    ):
        travel = p.travel(n, roads, speeds, run_min=runs, stop_min=stops)
        country = np.array([home[k] for k in travel.path.tolist()], object)
        p.roster.add(
            kind,
            travel,
            plan="roam",
            country=country,
            reports_speed=p.rng.random(n) < 0.5,
            ground_m=250.0,
            **p.shift(n, 0.01),
        )
    n = p.count(600)
    where, country = p.homes(n)
    p.roster.add("van_parked", where, plan="roam", country=country, reports_speed=True)
    n = p.count(800)
    travel = p.travel(n, towns, (25, 52), run_min=(1.5, 6), stop_min=(0.3, 2), accel=1.2, by_length=False)
    town_country = [c.country for c in places.cities() if c.reach_km >= 50 and c.country not in UNSERVED | {"UA"}]
    country = np.array(town_country, object)[np.searchsorted(towns, travel.path)]
    p.roster.add(
        "car_in_town", travel, plan="roam", country=country, reports_speed=p.rng.random(n) < 0.5, ground_m=120.0
    )
    n = p.count(60)
    p.roster.add("car_by_cell", p.travel(n, roads, (60, 120)), plan="roam", country="US", mode="cell", h3_resolution=5)
    n = p.count(40)
    p.roster.add(
        "fixed_plan_on_road",
        p.travel(n, roads, (40, 90)),
        country="US",
        service_lat_deg=np.full(n, 41.2),
        service_lon_deg=np.full(n, -96.2),
        reports_speed=True,
    )
    for kind, n, days in (("roam_abroad", p.count(300), 0), ("roam_abroad_long", p.count(24, most=60), 66)):
        where, _ = p.near(["Madrid", "Seville", "Milan", "Guadalajara", "Mexico City", "Prague"], n)
        p.roster.add(
            kind,
            where,
            plan="roam",
            country=p.rng.choice(np.array(["DE", "GB", "CA", "SE", "NL"], object), n),
            history_days=days,
            active_days=400.0,
        )


def add_rail(p: Population) -> None:
    """Trains of the rail programme, and in Ukraine some that nobody tagged."""
    n = p.count(150)
    travel = p.travel(n, p.lanes("rail"), (80, 210), run_min=(8, 30), stop_min=(1, 4), accel=0.4)
    p.roster.add(
        "train", travel, plan="roam", programmes="rail", country="DE", per_holder=40, reports_speed=True, **COMPANY
    )
    n = p.count(36, least=3)
    travel = p.travel(n, p.lanes("rail-ua"), (78, 118), run_min=(10, 35), stop_min=(1, 4), accel=0.4, swell=0.03)
    p.roster.add(
        "train_ukraine",
        travel,
        plan="roam",
        programmes="rail",
        country="UA",
        per_holder=1000,
        lists=[ALLOWED],
        reports_speed=True,
        **CRITICAL,
    )
    n = p.count(8, least=2, most=12)
    travel = p.travel(n, p.lanes("rail-ua")[:6], (63.5, 71.5), accel=0.4, swell=0.012)  # none near Moldova
    p.roster.add(
        "train_untagged",
        travel,
        plan="roam",
        country="UA",
        per_holder=1000,
        lists=[ALLOWED],
        reports_speed=True,
        **CRITICAL,
    )


def add_sea(p: Population) -> None:
    """Ships on the lanes of the world and the Black Sea, boats near harbours, fishing boats off Fujian."""
    flags = np.array(["NO", "GR", "GB", "SG", "JP", "PA", "DK", "DE", "US", "PH"], object)
    for lanes, n in ((p.lanes("sea"), p.count(1300)), (p.lanes("sea-black"), p.count(90))):
        ocean = round(0.88 * n)
        for kind, k, plan in (("ship", ocean, "ocean"), ("ship_on_roam", n - ocean, "roam")):
            travel = p.travel(k, lanes, (18, 42), accel=0.02, swell=0.03)
            p.roster.add(
                kind,
                travel,
                plan=plan,
                country=p.rng.choice(flags, k),
                per_holder=6,
                reports_speed=p.rng.random(k) < 0.6,
                **p.shift(k, 1.6),
                **COMPANY,
            )
    for kind, n, days in (("coastal_boat", p.count(260), 0), ("coastal_boat_long", p.count(24, most=60), 10)):
        where, country = p.at_spots("harbour", n, 2.0)
        p.roster.add(kind, where, plan="roam", country=country, history_days=days, active_days=300.0, ground_m=1.0)
    n = p.count(24, least=2)
    where, _ = p.at_spots("fujian", n, 3.0)
    p.roster.add(
        "boat_off_fujian", where, plan=p.rng.choice(np.array(["ocean", "roam"], object), n), country="PH", ground_m=1.0
    )


def add_air(p: Population) -> None:
    """Airliners on great circles at 10 to 12 km, a few without an aviation plan, and rescue helicopters."""
    n = p.count(700)
    routes = p.routes(int(np.clip(n, 4, 160)))
    plain = max(1, round(0.06 * n))
    for kind, k, plan in (("airliner", n - plain, "aviation"), ("aircraft_on_roam", plain, "roam")):
        travel = p.travel(k, routes, (750, 930), accel=0.6, swell=0.01, alt_m=(10_000, 12_200))
        p.roster.add(
            kind,
            travel,
            plan=plan,
            country=p.rng.choice(np.array(["US", "GB", "DE", "JP", "BR", "AU"], object), k),
            per_holder=20,
            reports_speed=p.rng.random(k) < 0.7,
            **COMPANY,
        )
    n = p.count(6)
    coast = np.array(
        [
            p.add_path(great_circle(a, b, step_km=5))
            for a, b in (((58.9, 5.6), (60.3, 5.2)), ((57.2, -2.2), (58.5, -3.1)), ((50.1, -5.5), (50.4, -4.1)))
        ]
    )
    p.roster.add(
        "rescue_helicopter",
        p.travel(n, coast, (190, 240), alt_m=(150, 500), run_min=(8, 15)),
        plan="aviation",
        protected_class="search_and_rescue",
        country="GB",
        per_holder=6,
        reports_speed=True,
        **STATE,
    )


def add_ukraine(p: Population) -> None:
    """Homes in every state of registration, hospitals, ambulances, the allow-listed army, and cars."""
    for kind, n, lists, holder, more in (
        ("home_ukraine", p.count(1400, least=4), [ALLOWED], 1, {}),
        ("home_ukraine_pending", p.count(120), [ListPlace("ua-allow", "pending", 2.0)], 1, {}),
        ("home_ukraine_revoked", p.count(20), [ListPlace("ua-allow", "revoked", 1.0)], 1, {}),
        ("home_ukraine_unlisted", p.count(220), [], 1, {}),
        ("home_ukraine_over_quota", p.count(48, least=4), [ALLOWED], 4, {}),
        ("business_ukraine", p.count(260), [ALLOWED], 3, {**COMPANY, "plan": "business"}),
    ):
        p.roster.add(kind, p.ukraine(n), country="UA", per_holder=holder, lists=lists, **more)
    hospital: dict[str, Any] = {"protected_class": "hospital", "plan": "business", "country": "UA", **STATE}
    n = p.count(120, least=2)
    p.roster.add("hospital", p.ukraine(n), lists=[ALLOWED], per_holder=4, **hospital)
    p.roster.add("hospital_unlisted", p.ukraine(p.count(20)), **hospital)
    p.roster.add("hospital_unpaid", p.ukraine(p.count(6)), lists=[ALLOWED], account_state="suspended", **hospital)
    p.roster.add("hospital_dark_cell", p.ukraine(p.count(4)), lists=[ALLOWED], cell_state="disabled", **hospital)
    roads = p.lanes("road-ua")
    n = p.count(3, least=1, most=5)
    p.roster.add(
        "hospital_bus",
        p.travel(n, roads, (64, 68.5), swell=0.015),
        plan="roam",
        country="UA",
        per_holder=10,
        lists=[ALLOWED],
        reports_speed=True,
        **STATE,
    )
    n = p.count(24, least=1)
    p.roster.add(
        "ambulance",
        p.travel(n, roads, (60, 108), run_min=(10, 30), stop_min=(3, 10)),
        plan="roam",
        country="UA",
        protected_class="emergency",
        lists=[ALLOWED],
        per_holder=10,
        reports_speed=True,
        **STATE,
    )
    n = p.count(80, least=2)
    p.roster.add(
        "car_ukraine",
        p.travel(n, roads, (45, 105), run_min=(15, 50), stop_min=(2, 10)),
        plan="roam",
        country="UA",
        lists=[ALLOWED],
        reports_speed=p.rng.random(n) < 0.7,
    )
    army: dict[str, Any] = {"country": "UA", "purpose": "military", **STATE}
    n = p.count(420, least=3)
    p.roster.add("army", p.ukraine(n, east=True), plan="business", per_holder=60, lists=[ALLOWED], **army)
    n = p.count(60, least=1)
    travel = p.travel(n, roads, (35, 88), run_min=(5, 20), stop_min=(2, 10))
    p.roster.add("army_vehicle", travel, plan="roam", per_holder=60, lists=[ALLOWED, CLOSED], **army)
    n = p.count(15, least=1)
    p.roster.add(
        "donated_misused", p.ukraine(n, east=True), plan="business", programmes="donor-civil", lists=[ALLOWED], **army
    )


def add_grey_market(p: Population) -> None:
    """Terminals activated where that is easy and used elsewhere through roam; none of them moves with its account."""

    def grey(n: int) -> dict[str, Any]:
        return {"plan": "roam", "country": p.rng.choice(GREY_COUNTRIES, n), "active_days": p.rng.uniform(40, 500, n)}

    n = p.count(150, least=3)
    p.roster.add("grey_occupied", p.at_spots("occupied", n, 9.0)[0], **grey(n))
    for kind, names, at_50k in (
        ("grey_crimea", ["Simferopol", "Sevastopol", "Kerch"], 25),
        ("grey_russia", ["Moscow", "Rostov-on-Don", "Belgorod"], 50),
        ("grey_iran", ["Tehran", "Isfahan", "Mashhad", "Shiraz"], 70),
        ("grey_sudan", ["Khartoum", "El Fasher", "Nyala"], 40),
        (
            "grey_elsewhere",
            ["Yangon", "Bamako", "Niamey", "Ouagadougou", "Caracas", "Kabul", "Beijing", "Hanoi", "Riyadh"],
            110,
        ),
    ):
        n = p.count(at_50k)
        p.roster.add(kind, p.near(names, n)[0], **grey(n))
    n = p.count(60, least=2)
    p.roster.add("compound", p.at_spots("compound", n, 0.6)[0], per_holder=12, **grey(n))
    n = p.count(60, least=2)
    p.roster.add("home_taiwan", p.near(["Taipei", "Taichung", "Tainan", "Hualien"], n)[0], plan="roam", country="JP")
    p.roster.add("kinmen", p.near(["Kinmen"], p.count(10))[0], plan="roam", country="JP")
    relief: dict[str, Any] = {"plan": "roam", "country": "KE", **COMPANY}
    sponsor = "Example Relief Council (invented)"
    n = p.count(36, least=2)
    p.roster.add(
        "relief_sudan",
        p.near(["El Fasher", "Nyala", "Port Sudan"], n)[0],
        per_holder=6,
        lists=[ListPlace("humanitarian", since_days=200, until_days=120, sponsor=sponsor)],
        **relief,
    )
    p.roster.add(
        "relief_expired",
        p.near(["Nyala"], p.count(6))[0],
        lists=[ListPlace("humanitarian", since_days=400, until_days=-12, sponsor=sponsor)],
        **relief,
    )


def add_drones(p: Population) -> None:
    """Generated one-way drones flying straight to Dnipro and Kharkiv; a third were registered by straw men."""
    n = p.count(18, least=3, most=30)
    starts = places.spots("launch")
    targets = (places.city("Dnipro"), places.city("Kharkiv"))
    ways = np.array(
        [
            p.add_path(
                winding(np.array([[s.lat_deg, s.lon_deg], [t.lat_deg, t.lon_deg]]), step_km=2, sway_km=0.4, wave_km=60)
            )
            for s in starts
            for t in targets
        ]
    )
    straw = max(1, n // 3)
    for kind, k, lists, country in (("drone", n - straw, [], "AE"), ("drone_straw", straw, [ALLOWED], "UA")):
        travel = p.travel(k, ways, (150, 190), accel=2.0, swell=0.02, alt_m=(200, 1500), by_length=False)
        travel.reverse[:] = False
        # At the end of the watch each is so close to its target that it is over Ukraine.
        ahead = p.rng.uniform(4_000, 22_000, k) + 1.03 * travel.cruise_m_s * p.horizon_s
        travel.start_m[:] = np.maximum(0.0, np.array(p.lengths_m)[travel.path] - ahead)
        p.roster.add(
            kind,
            travel,
            plan="roam",
            country=country,
            activation_country="PL",
            lists=lists,
            sigma_m=4.0,
            active_days=p.rng.uniform(3, 20, k),
            reports_speed=p.rng.random(k) < 0.5,
        )


def add_oddities(p: Population) -> None:
    """Every state of account, quota, screening, software and position that a rule speaks of."""

    def at_home(kind: str, at_50k: float, **more: Any) -> None:
        where, country = p.homes(p.count(at_50k))
        p.roster.add(kind, where, **{"country": country, **more})

    at_home("home_suspended", 420, account_state="suspended")
    at_home("home_disabled", 110, account_state="disabled")
    at_home("home_no_account", 60, account_state="none")
    at_home("home_quota_used", 320, quota="exceeded")
    at_home("home_slowed", 520, quota="rate_limited")
    at_home("sanctioned", 12, screening="listed", **COMPANY)
    at_home("screening_open", 60, screening="pending")
    at_home("old_software", 180, software_version="2024.06.11.mr40112")
    at_home("dark_cell", 90, cell_state="disabled")
    at_home("registration_pending", 40, registration="pending")
    at_home("registration_revoked", 12, registration="revoked")
    at_home("not_in_register", 24, registered=False)
    at_home("no_position", 140, mode="none")
    at_home("position_stops", 120, mode="stale")
    at_home("falls_silent", 90, mode="silent")
    at_home("home_by_cell", 1200, mode="cell", h3_resolution=p.rng.choice(np.array([5, 7]), p.count(1200)))
    at_home("home_by_network", 150, mode="network", sigma_m=p.rng.uniform(500, 2000, p.count(150)))
    at_home("home_fused", 900, mode="fused")
    at_home("hospital_elsewhere", 60, plan="business", protected_class="hospital", **STATE)
    n = p.count(120)
    where, country = p.homes(n, frozenset({"US"}))
    _moved_lat, _moved_lon = p.homes(n, frozenset({"US"}))[0]
    p.roster.add("far_from_address", where, country=country, service_lat_deg=_moved_lat, service_lon_deg=_moved_lon)
    n = p.count(70, least=4)
    where, country = p.at_spots("crossing", n, 0.25)
    network = p.rng.random(n) < 0.7
    p.roster.add(
        "at_border",
        where,
        plan="roam",
        country=country,
        mode=np.where(network, "network", "gnss").astype(object),
        sigma_m=np.where(network, p.rng.uniform(400, 2000, n), p.rng.uniform(8, 15, n)),
    )


def add_homes(p: Population, n: int) -> None:
    """Homes and businesses: whatever is left of the fleet."""
    business = n // 13
    where, country = p.homes(business)
    p.roster.add("business", where, plan="business", country=country, per_holder=3, **COMPANY)
    where, country = p.homes(n - business)
    p.roster.add("home", where, country=country)


FAMILIES: tuple[Callable[[Population], None], ...] = (
    add_road_traffic,
    add_rail,
    add_sea,
    add_air,
    add_ukraine,
    add_grey_market,
    add_drones,
    add_oddities,
)
"""All families but the homes, in the order in which chance is drawn for them."""
