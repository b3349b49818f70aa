"""Two nights under rival accounts: the same reports, different records."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import shapely

from groundrule.areas.model import service_answer, service_state_at
from groundrule.areas.world import load_world
from groundrule.errors import InputError
from groundrule.simulate.incidents import INCIDENTS, Incident, load_incident


@pytest.fixture(scope="module", params=INCIDENTS)
def incident(request: pytest.FixtureRequest) -> Incident:
    return load_incident(request.param)


def test_each_incident_says_what_is_invented_and_names_its_rival_accounts(incident: Incident) -> None:
    assert "No verdict on real people" in incident.notice
    assert len({account.id for account in incident.accounts}) == 3
    names = incident.fleet.registers.parties["name"].to_pylist()
    assert all(name.endswith("(invented)") for name in names)
    for account in incident.accounts:
        assert account.told_by
        for area in account.areas:
            assert "(invented)" in area.source


def test_every_telling_record_speaks_of_every_account_and_tells_some_apart(incident: Incident) -> None:
    ids = {account.id for account in incident.accounts}
    for telling in incident.telling:
        assert set(telling.under) == ids
        assert len(set(telling.under.values())) > 1, telling.record
    # Together the records tell each pair apart.
    for a in ids:
        for b in ids - {a}:
            assert any(telling.under[a] != telling.under[b] for telling in incident.telling)


def test_the_reports_are_the_same_whenever_they_are_generated(incident: Incident) -> None:
    first, again = (pa.concat_tables(one.fleet.batches()) for one in (incident, load_incident(incident.name)))
    assert first.equals(again)
    assert set(incident.watched) <= set(first["terminal_id"].to_pylist())


def test_an_unknown_incident_is_an_error_that_names_the_known_ones() -> None:
    with pytest.raises(InputError, match="black-sea, drones"):
        load_incident("roswell")


def test_black_sea_gives_three_different_answers_to_was_this_area_ever_served() -> None:
    night = load_incident("black-sea")
    after = night.moments["after the cut"]
    answers = {account.id: service_answer(account.areas[0], after) for account in night.accounts}
    assert {key: answer.kind for key, answer in answers.items()} == {
        "never-served": "never_served",
        "switched-off": "ended",
        "refused": "never_served_request_refused",
    }
    before = night.moments["before the cut"]
    states = {account.id: service_state_at(account.areas[0], before) for account in night.accounts}
    assert states == {"never-served": "never_served", "switched-off": "served", "refused": "never_served"}
    earlier = night.moments["before the request"]
    refused = next(account for account in night.accounts if account.id == "refused")
    assert service_answer(refused.areas[0], earlier).kind == "never_served"


def test_black_sea_craft_come_from_outside_and_are_70_km_off_at_the_cut() -> None:
    night = load_incident("black-sea")
    zone = night.accounts[0].areas[0].geometry
    assert zone.is_valid
    rows = np.flatnonzero(night.fleet.columns["kind"] == "sea_craft")
    lat, lon, *_ = night.fleet.positions(0.0)
    assert not shapely.contains_xy(zone, lon[rows], lat[rows]).any()
    at_cut = (night.moments["after the cut"] - night.fleet.start_ns) / 1e9
    lat, lon, *_ = night.fleet.positions(at_cut)
    assert shapely.contains_xy(zone, lon[rows], lat[rows]).all()
    km = np.hypot(lat[rows] - 44.66, (lon[rows] - 33.37) * np.cos(np.radians(44.66))) * 111.2
    assert km.min() == pytest.approx(70, abs=5)
    # Sevastopol lies in the zone and Odesa does not.
    assert shapely.contains_xy(zone, 33.52, 44.6)
    assert not shapely.contains_xy(zone, 30.72, 46.48)


def test_drones_are_over_ukraine_throughout() -> None:
    night = load_incident("drones")
    ukraine = next(area.geometry for area in load_world() if area.id == "country:UA")
    shapely.prepare(ukraine)
    rows = np.flatnonzero(night.fleet.columns["kind"] == "drone")
    for t_s in range(0, 1801, 300):
        lat, lon, _, _, alt = night.fleet.positions(float(t_s))
        assert shapely.contains_xy(ukraine, lon[rows], lat[rows]).all()
    assert alt[rows].max() <= 1200


def test_drones_differ_only_in_what_the_registers_say_about_the_drones() -> None:
    night = load_incident("drones")
    tables = {account.id: account.registers.terminals.to_pylist() for account in night.accounts}
    for rows in zip(*tables.values(), strict=True):
        same = all(row == rows[0] for row in rows)
        assert same != (rows[0]["terminal_id"] in night.watched)
    countries = {
        account.id: {
            row["activation_country"]
            for row in account.registers.terminals.to_pylist()
            if row["terminal_id"] in night.watched
        }
        for account in night.accounts
    }
    assert countries == {"straw": {"UA"}, "abroad": {"AE", "PL", "KZ"}, "no-rule": {"UA", "PL"}}
