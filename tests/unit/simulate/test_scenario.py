"""A scenario becomes the same bytes again, its truth stands beside each row, and what is told to happen happens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from groundrule.errors import ConflictError, InputError
from groundrule.frames import C_M_S, enu_axes, geodetic_to_ecef
from groundrule.instant import NS_PER_S
from groundrule.orbit.propagate import Propagator
from groundrule.orbit.reading import read_file
from groundrule.records import OBSERVATION_SCHEMA
from groundrule.simulate.places import distance_km
from groundrule.simulate.scenario import Generated, generate_scenario
from groundrule.simulate.scenario_file import parse_scenario
from groundrule.verify.assemble import Options, assemble
from groundrule.verify.case import Settings
from groundrule.verify.judge import verify_batch
from groundrule.verify.measurements import MEASUREMENT_SCHEMA, clean
from groundrule.verify.report import reports

SHELL = """
[[constellation.shell]]
altitude_km = 550
inclination_deg = 53
planes = 72
per_plane = 22
phasing = 17
"""
HEAD = '[scenario]\ntitle = "t"\nstart = 2026-06-03T05:00:12Z\nduration_s = {}\n' + SHELL


def made(body: str, duration_s: int = 60, seed: int = 1) -> Generated:
    return generate_scenario(parse_scenario(HEAD.format(duration_s) + body, "x.toml", Path()), seed)


def fleet(name: str, count: int = 5, more: str = "", centre: str = "[49.8, 24.0]") -> str:
    return f'[[fleet]]\nname = "{name}"\ncount = {count}\ncentre = {centre}\nground_m = 100\n{more}\n'


def observed(scenario: Generated) -> pa.Table:
    return pa.concat_tables(scenario.observations())


def of(scenario: Generated, kind: str) -> list[str]:
    return sorted(name for name, known in scenario.fleet.kinds.items() if known == kind)


def rows_of(table: pa.Table, names: list[str]) -> pa.Table:
    return table.filter(pc.is_in(table["terminal_id"], pa.array(names, pa.string())))


def test_same_seed_same_bytes_and_the_truth_beside_each_row(tmp_path: Path) -> None:
    body = fleet("home") + fleet("liar", 2, '[fleet.attack]\nclass = "A1"\nclaim = [51.2, 22.5]')
    one, other = made(body).write(tmp_path / "a"), made(body).write(tmp_path / "b")
    assert all(path.read_bytes() == other[name].read_bytes() for name, path in one.items())
    elsewhere = made(body, seed=2).write(tmp_path / "c")
    assert elsewhere["measurements"].read_bytes() != one["measurements"].read_bytes()
    observations, truth = pq.read_table(one["observations"]), pq.read_table(one["truth_observations"])
    assert observations.schema.equals(OBSERVATION_SCHEMA)
    assert observations["terminal_id"].equals(truth["terminal_id"])
    assert observations["observed_at"].equals(truth["observed_at"])
    lies = np.array(truth["condition"]) == "false_claim"
    assert lies.sum() == pc.sum(pc.equal(truth["kind"], "liar")).as_py() > 0
    away = np.hypot(*(np.array(observations[n]) - np.array(truth[n]) for n in ("lat_deg", "lon_deg")))
    assert away[lies].min() > 1
    assert away[~lies].max() < 0.01
    # An earlier simulation is replaced, something else is not.
    made(body, seed=2).write(tmp_path / "a")
    assert (tmp_path / "a" / "measurements.parquet").read_bytes() == elsewhere["measurements"].read_bytes()
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "thesis.txt").write_text("mine")
    with pytest.raises(ConflictError, match="not a simulation"):
        made(body).write(tmp_path / "own")


def test_elements_that_are_written_are_those_that_were_used(tmp_path: Path) -> None:
    scenario = made(fleet("home", 1))
    assert scenario.elements is not None
    read = read_file(scenario.write(tmp_path / "s")["elements"])
    assert read.issues == ()
    for name in ("catalogue", "epoch_ns", "mean_motion_rev_day", "raan_deg", "mean_anomaly_deg", "eccentricity"):
        assert np.array_equal(getattr(read.elements, name), getattr(scenario.elements, name))
    assert np.allclose(read.elements.covariance_m2[0], np.diag([400.0, 25.0, 25.0]))


def test_each_slot_has_one_satellite_above_the_mask_and_then_another() -> None:
    scenario = made(fleet("home", 20))
    table = scenario.measurements
    assert table.schema.equals(MEASUREMENT_SCHEMA)
    assert len(table) == 20 * 60 * 2
    assert table["source_row"].to_pylist() == list(range(len(table)))
    served: dict[tuple[str, int], set[int]] = {}
    for one in table.select(["terminal_id", "observed_at", "satellite"]).to_pylist():
        slot = (one["observed_at"] - scenario.scenario.start_ns) // (15 * NS_PER_S)
        served.setdefault((one["terminal_id"], slot), set()).add(one["satellite"])
    assert {len(each) for each in served.values()} == {1}
    after = [(each, served[name, slot + 1]) for (name, slot), each in served.items() if (name, slot + 1) in served]
    assert len(after) == 20 * 3
    assert all(one != other for one, other in after)
    assert scenario.elements is not None
    truth = scenario.fleet.positions(0.0)
    row = {name: k for k, name in enumerate(scenario.fleet.columns["terminal_id"].tolist())}
    rtt = table.filter(pc.equal(table["kind"], "rtt"))
    at = np.array([row[name] for name in rtt["terminal_id"].to_pylist()])
    x = geodetic_to_ecef(truth[0][at], truth[1][at], truth[4][at])
    states = Propagator(scenario.elements).pairs(scenario.elements.rows_of(rtt["satellite"].to_numpy()), rtt["observed_at"].to_numpy())
    gap = states.r_m - x
    up = enu_axes(truth[0][at], truth[1][at])[:, 2]
    assert np.degrees(np.arcsin(np.sum(gap * up, axis=1) / np.linalg.norm(gap, axis=1))).min() > 24.9
    off = 0.5 * C_M_S * rtt["value"].to_numpy() - np.linalg.norm(gap, axis=1)
    assert np.abs(off).max() < 6 * np.hypot(150, 30) + 60
    assert abs(off.mean()) < 60


def test_what_is_measured_can_be_chosen() -> None:
    radio = "[radio]\nwindow_s = 60\nevery_s = 120\ninterval_s = 5\ncell_resolution = 5\nquantum_m = 78\ncorrelation = 0.5\n"
    scenario = made(radio + fleet("home", 6, "measured = 0.5\ntrust = \"attested\""), duration_s=300)
    table = scenario.measurements
    assert len(set(table["terminal_id"].to_pylist())) == 3
    assert set(table["trust"].to_pylist()) == {"attested"}
    after = np.unique((np.array(table["observed_at"]) - scenario.scenario.start_ns) // NS_PER_S)
    assert set((after % 120).tolist()) == set(range(0, 60, 5))
    assert after.max() == 295
    rtt = table.filter(pc.equal(table["kind"], "rtt"))
    steps = np.array(rtt["value"]) / np.array(rtt["quantum"])
    assert np.abs(steps - np.rint(steps)).max() < 1e-6
    assert set(table.filter(pc.not_equal(table["kind"], "beam_cell"))["acf_sum"].to_pylist()) == {1.0}
    cells = table.filter(pc.equal(table["kind"], "beam_cell")).to_pylist()
    places = {name: k for k, name in enumerate(scenario.fleet.columns["terminal_id"].tolist())}
    lat, lon, *_ = scenario.fleet.positions(0.0)
    for cell in cells:
        k = places[cell["terminal_id"]]
        inside = distance_km((cell["cell_lat_deg"], cell["cell_lon_deg"]), lat[k : k + 1], lon[k : k + 1])
        assert inside[0] * 1000 <= cell["cell_radius_m"]
    assert clean(table).issues == ()


def test_a_modem_that_compensates_says_so_and_the_sum_is_the_same() -> None:
    body = fleet("home", 3) + fleet("liar", 2, '[fleet.attack]\nclass = "A0"\nclaim = [51.2, 22.5]')
    bare, done = made(body).measurements, made("[radio]\nprecompensated = true\n" + body).measurements
    plain, reduced = clean(bare), clean(done)
    assert reduced.issues == ()
    assert np.allclose(plain.value, reduced.value, atol=1e-4)
    rtt = done.filter(pc.equal(done["kind"], "rtt"))
    assert np.abs(np.array(rtt["value"])).max() < 0.5 * np.array(rtt["precomp"]).min()


def test_a_moving_terminal_is_measured_where_it_is() -> None:
    way = 'flight = [[50.0, 10.0], [55.0, 30.0]]\nspeed_km_h = [800, 900]\nswell = 0\naltitude_m = [9000, 11000]\n'
    scenario = made(f'[[fleet]]\nname = "plane"\ncount = 20\n{way}', duration_s=120)
    assert scenario.elements is not None
    assembled = assemble(clean(scenario.measurements), scenario.elements, observed(scenario), Options(platform="aircraft"))
    found = reports(assembled, verify_batch(assembled.case, Settings()))
    assert [report.verdict for report in found].count("consistent") >= 38
    for report in found:
        # 222 to 250 m/s, to within what the report says of itself.
        assert report.speed_m_s == pytest.approx(236, abs=14 + 4 * report.speed_sigma_m_s)
        assert report.speed_sigma_m_s < 15


def test_jamming_circles_and_outages_hit_where_and_when_they_are() -> None:
    body = (
        fleet("under", 6) + fleet("far", 6, centre="[52.0, 21.0]") + fleet("by_network", 4, 'mode = "network"')
        + fleet("off", 3, "inhibits_gnss = true") + fleet("liar", 3, '[fleet.attack]\nclass = "A0"\nclaim = [51.2, 22.5]')
        + '[[jamming]]\nname = "j"\ncentre = [49.8, 24.0]\nradius_km = 30\nfrom_s = 30\nuntil_s = 60\n'
        + '[[spoofing]]\nname = "s"\ncentre = [49.8, 24.0]\nradius_km = 30\nfrom_s = 90\nuntil_s = 150\n'
        + "circle = [48.0, 20.0]\ncircle_km = 4\n"
        + '[[outage]]\nname = "o"\ncentre = [52.0, 21.0]\nradius_km = 30\nfrom_s = 60\nuntil_s = 90\n'
    )  # fmt: skip
    scenario = made(body, duration_s=180)
    table = observed(scenario)
    after = (np.array(table["observed_at"]) - scenario.scenario.start_ns) // NS_PER_S
    who = np.array(table["terminal_id"].to_pylist())
    lost = np.array(table["gnss_state"].to_pylist(), object) == "lost"
    jammed = np.isin(who, of(scenario, "under")) & (after >= 30) & (after < 60)
    assert np.array_equal(lost, jammed)
    assert lost.any()
    assert set(table.filter(pa.array(lost))["position_source"].to_pylist()) == {"none"}
    assert table.filter(pa.array(lost))["lat_deg"].null_count == lost.sum()
    off = np.array(table["gnss_state"].to_pylist(), object) == "inhibited"
    assert np.array_equal(off, np.isin(who, of(scenario, "off")))
    circled = np.isin(who, of(scenario, "under")) & (after >= 90) & (after < 150)
    shown = table.filter(pa.array(circled))
    away = distance_km((48.0, 20.0), np.array(shown["lat_deg"]), np.array(shown["lon_deg"]))
    assert np.abs(away - 4).max() < 0.1
    assert np.ptp(np.array(shown["lat_deg"])) > 0.02  # each receiver has its own place on it
    network = rows_of(table, of(scenario, "by_network"))
    assert network["lat_deg"].null_count == 0
    assert pc.min(network["lat_deg"]).as_py() > 49.5
    silent = np.isin(who, of(scenario, "far")) & (after >= 60) & (after < 90)
    assert not silent.any()
    measured = scenario.measurements
    when = (np.array(measured["observed_at"]) - scenario.scenario.start_ns) / NS_PER_S
    assert not (np.isin(measured["terminal_id"].to_pylist(), of(scenario, "far")) & (when >= 60) & (when < 90)).any()
    claims = rows_of(table, of(scenario, "liar"))
    assert claims["lat_deg"].null_count == 0
    assert pc.min(claims["lat_deg"]).as_py() > 51


def test_exchanges_copies_and_straw_men() -> None:
    body = (
        fleet("east", 3, centre="[47.3, 35.7]\nspread_km = 2") + fleet("west", 3, centre="[49.8, 24.0]\nspread_km = 2")
        + fleet("straw", 6, "[fleet.straw]\nholders = 2\ncountry = \"PL\"")
        + '[[swap]]\nfleets = ["east", "west"]\npairs = 2\nat_s = 60\n[[clone]]\nfleet = "west"\ncount = 1\ncentre = [40.0, 20.0]\n'
    )  # fmt: skip
    scenario = made(body, duration_s=120)
    table = observed(scenario)
    assert (np.diff(np.array(table["observed_at"])) >= 0).all()
    names, lat = np.array(table["terminal_id"].to_pylist()), table["lat_deg"].to_numpy()
    after_s = (table["observed_at"].to_numpy() - scenario.scenario.start_ns) / NS_PER_S
    swapped = [pair for pair in scenario.terminals.to_pylist() if pair["swapped_with"]]
    assert len(swapped) == 4
    for one in swapped:
        mine = (names == one["terminal_id"]) & (lat > 41)
        before, later = lat[mine & (after_s < 60)].mean(), lat[mine & (after_s >= 60)].mean()
        assert abs(before - later) > 2
    clones = scenario.terminals.filter(scenario.terminals["clone"])
    assert len(clones) == 1
    name = clones["terminal_id"][0].as_py()
    assert name in of(scenario, "west")
    assert set(after_s[(names == name) & (lat < 41)] % 15) == {7.5}
    # Velocities at the exchange are motion, not the distance between the two places.
    rates = np.abs(clean(scenario.measurements).value[clean(scenario.measurements).is_rate])
    assert rates.max() < 8_000
    terminals = scenario.registers.terminals.to_pylist()
    countries = {each["account_id"]: each["country"] for each in scenario.registers.accounts.to_pylist()}
    straw = [each["account_id"] for each in terminals if each["kind"] == "straw"]
    assert len(set(straw)) == 2
    assert {countries[each] for each in straw} == {"PL"}
    assert len(terminals) == 12  # the copy is in no register
    assert all(party.endswith("(invented)") for party in scenario.registers.parties["name"].to_pylist())


def test_claims_of_those_who_are_measured_are_their_reports() -> None:
    body = (
        fleet("home", 6, "measured = 0.5") + fleet("liar", 2, '[fleet.attack]\nclass = "A0"\nclaim = [51.2, 22.5]')
        + '[[jamming]]\nname = "j"\ncentre = [49.8, 24.0]\nradius_km = 30\nfrom_s = 30\n'
        + '[[fleet]]\nname = "car"\ncount = 3\nlanes = "road-ua"\nspeed_km_h = [60, 90]\n'
    )  # fmt: skip
    scenario = made(body, duration_s=90)
    whole, part = observed(scenario), scenario.claims()
    measured = scenario.fleet.columns["terminal_id"][scenario.measured.rows].tolist()
    assert len(measured) == 8
    assert part.drop_columns("source_row").equals(rows_of(whole, measured).drop_columns("source_row").combine_chunks())


def test_the_ends_of_the_earth_are_places_like_others() -> None:
    body = (
        fleet("pole", 8, centre="[90, 0]\nspread_km = 500") + fleet("dateline", 8, centre="[10, 180]\nspread_km = 200")
        + '[[fleet]]\nname = "ship"\ncount = 4\nroute = [[0, 179], [1, -179]]\nspeed_km_h = [30, 40]\n'
    )  # fmt: skip
    scenario = made(body, duration_s=30)
    table = observed(scenario)
    assert pc.max(table["lat_deg"]).as_py() <= 90
    assert pc.max(pc.abs(table["lon_deg"])).as_py() <= 180
    pole = rows_of(table, of(scenario, "pole"))
    assert distance_km((90.0, 0.0), np.array(pole["lat_deg"]), np.array(pole["lon_deg"])).max() < 501
    line = rows_of(table, of(scenario, "dateline"))
    assert distance_km((10.0, 180.0), np.array(line["lat_deg"]), np.array(line["lon_deg"])).max() < 201
    assert (np.abs(np.array(rows_of(table, of(scenario, "ship"))["lon_deg"])) > 178.9).all()
    assert clean(scenario.measurements).issues == ()


def test_honest_radio_is_judged_honest() -> None:
    """The tests of the claim keep their rates although simulator and estimator share no model of the radio."""
    scenario = made('[[fleet]]\nname = "home"\ncount = 2000\nhomes = ["world"]\nground_m = 100\n')
    assert scenario.elements is not None
    assembled = assemble(clean(scenario.measurements), scenario.elements, observed(scenario), Options(platform="fixed"))
    judged = verify_batch(assembled.case, Settings())
    t1 = judged.a0.t1
    # Terminals of one city share satellites and their errors, so that the mean spreads more than 2,000 draws of their own would.
    assert abs(t1.mean() - 2.0) < 0.25
    assert (t1 > 9.21).sum() <= 40  # 20 expected; 1.5 times that, and 2 sigma
    assert abs((judged.a0.t2 / judged.a0.t2_dof).mean() - 1.0) < 0.02
    assert (judged.verdict == 0).mean() > 0.99


def test_public_elements_two_days_old_are_never_trusted(shared_data: Path, tmp_path: Path) -> None:
    text = f"""
[scenario]
title = "a real pair"
start = 2026-06-05T05:00:12Z
duration_s = 60
[constellation]
source = "file"
file = "{shared_data}/orbits/active-2026-06-03.tle.gz"
truth = "{shared_data}/orbits/active-2026-06-05.tle.gz"
grade = "raw"
"""
    with pytest.raises(InputError, match="either elements that truly fly or an error"):
        parse_scenario(text.replace('grade = "raw"', "error_m = [1, 1, 1]") + fleet("home"), "x.toml", tmp_path)
    scenario = generate_scenario(parse_scenario(text + fleet("home", 12), "x.toml", tmp_path))
    assert scenario.elements is not None
    assert scenario.sky is not None
    assembled = assemble(clean(scenario.measurements), scenario.elements, observed(scenario), Options(platform="fixed"))
    judged = verify_batch(assembled.case, Settings())
    verdicts = np.bincount(judged.verdict, minlength=5)
    assert verdicts[0] == 0  # nothing is called consistent on such elements
