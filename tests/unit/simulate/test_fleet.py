"""The demo's fleet: reproducible, physically possible, and holding the kinds that the demo speaks of."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from groundrule.areas.world import load_world
from groundrule.errors import OutOfRange
from groundrule.records import OBSERVATION_SCHEMA
from groundrule.simulate.fleet import STALE_AFTER_S, Fleet, generate
from groundrule.simulate.places import KM_PER_DEG


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    return generate(terminals=6_000, minutes=30)


@pytest.fixture(scope="module")
def observations(fleet: Fleet) -> pa.Table:
    return pa.concat_tables(fleet.batches(history=False)).combine_chunks()


def everything(fleet: Fleet, instants_per_batch: int) -> pa.Table:
    return pa.concat_tables(fleet.batches(instants_per_batch=instants_per_batch)).combine_chunks()


def test_same_seed_same_rows_whatever_the_batch_size() -> None:
    one, other = (generate(terminals=700, minutes=4, seed=5) for _ in range(2))
    expected = everything(one, 1)
    for size in (1, 3, 1000):
        assert everything(other, size).equals(expected)
    assert dict(one.registers.items()).keys() == {"parties", "accounts", "terminals", "list_entries"}
    for (_, a), (_, b) in zip(one.registers.items(), other.registers.items(), strict=True):
        assert a.equals(b)
    assert not everything(generate(terminals=700, minutes=4, seed=6), 1).equals(expected)


def test_rows_follow_the_schema_and_come_in_order_of_time(fleet: Fleet) -> None:
    table = everything(fleet, 4)
    assert table.schema.equals(OBSERVATION_SCHEMA)
    times = table["observed_at"].to_numpy()
    assert (np.diff(times) >= 0).all()
    assert np.array_equal(table["source_row"].to_numpy(), np.arange(len(table)))
    assert set(table["source"].unique().to_pylist()) == {"generated"}
    assert table["lat_deg"].null_count == table["lon_deg"].null_count
    both = pa.compute.and_(table["lat_deg"].is_valid(), table["h3_cell"].is_valid())
    assert not pa.compute.any(both).as_py()


def test_every_kind_is_there_in_a_small_fleet_too() -> None:
    small, large = (set(generate(terminals=n, minutes=1).kinds.values()) for n in (600, 20_000))
    assert small == large
    assert {"train_untagged", "hospital_bus", "drone", "army", "grey_occupied", "airliner", "ship", "hospital"} <= small


def test_registers_refer_to_each_other_and_say_that_people_are_invented(fleet: Fleet) -> None:
    registers = fleet.registers
    terminals, accounts = registers.terminals.to_pydict(), registers.accounts.to_pydict()
    parties, entries = registers.parties.to_pydict(), registers.list_entries.to_pydict()
    for ids in (terminals["terminal_id"], accounts["account_id"], parties["party_id"]):
        assert len(set(ids)) == len(ids)
    assert set(terminals["account_id"]) == set(accounts["account_id"])
    assert set(accounts["party_id"]) == set(parties["party_id"])
    assert set(entries["terminal_id"]) <= set(terminals["terminal_id"])
    assert set(entries["holder"]) <= set(parties["party_id"])
    assert all(name.endswith("(invented)") for name in parties["name"])
    assert all(sponsor is None or sponsor.endswith("(invented)") for sponsor in entries["sponsor"])
    kinds = Counter(terminals["kind"])
    assert kinds["not_in_register"] == 0
    assert Counter(fleet.kinds.values())["not_in_register"] > 0
    listed = {
        party
        for party, screening in zip(parties["party_id"], parties["screening"], strict=True)
        if screening == "listed"
    }
    assert listed


def test_things_move_as_such_things_move(fleet: Fleet) -> None:
    kind = fleet.columns["kind"].astype(str)
    speeds, places = [], []
    for k in range(fleet.instants):
        lat, lon, _, speed, _ = fleet.positions(15.0 * k)
        speeds.append(speed * 3.6)
        places.append((lat, lon))
    speed = np.array(speeds)
    limits = {
        "hospital_bus": (60, 75),
        "train_untagged": (60, 75),
        "drone": (145, 196),
        "drone_straw": (145, 196),
        "ship": (0, 45),
        "airliner": (0, 945),
        "van": (0, 125),
        "lorry": (0, 96),
        "car_in_town": (0, 60),
        "train_ukraine": (0, 123),
        "home": (0, 0),
    }
    for name, (low, high) in limits.items():
        found = speed[:, kind == name]
        assert found.size, name
        # The watch ends before a journey does for almost all; those that have arrived stand.
        moving = found[found > 1.0] if low else found
        assert found.max() <= high, name
        assert np.percentile(moving, 5) >= low, name
    # Nobody is anywhere but where his speed brings him.
    lat, lon = (np.array([place[axis] for place in places]) for axis in (0, 1))
    north = np.diff(lat, axis=0) * KM_PER_DEG * 1000
    east = ((np.diff(lon, axis=0) + 180) % 360 - 180) * KM_PER_DEG * 1000 * np.cos(np.radians(lat[:-1]))
    gone = np.hypot(north, east)
    fastest = np.maximum(speed[1:], speed[:-1]) / 3.6 * 15
    # A stop of a few seconds may lie between two instants, and the course may bend: a tenth and 100 m are allowed.
    assert (gone <= 1.1 * fastest + 100.0).all()


def test_the_heroes_of_the_what_if_are_in_ukraine_and_on_land() -> None:
    fleet = generate(terminals=20_000, minutes=30)
    kind = fleet.columns["kind"].astype(str)
    ukraine = next(area.geometry for area in load_world() if area.id == "country:UA")
    shapely.prepare(ukraine)
    for t_s in (0.0, 1800.0):
        lat, lon, *_ = fleet.positions(t_s)
        for name in (
            "hospital_bus",
            "train_untagged",
            "train_ukraine",
            "ambulance",
            "home_ukraine",
            "hospital",
            "army",
        ):
            rows = kind == name
            assert shapely.contains_xy(ukraine, lon[rows], lat[rows]).mean() > 0.995, (name, t_s)
    rows = np.char.startswith(kind, "drone")
    assert shapely.contains_xy(ukraine, lon[rows], lat[rows]).all()


def test_almost_all_homes_stand_on_land() -> None:
    fleet = generate(terminals=5_000, minutes=1)
    rows = np.flatnonzero(fleet.columns["kind"].astype(str) == "home")
    lat, lon = (fleet.columns[name][rows].astype(float) for name in ("lat_deg", "lon_deg"))
    land = next(area.geometry for area in load_world() if area.id == "land")
    shapely.prepare(land)
    assert shapely.contains_xy(land, lon, lat).mean() > 0.99


def test_a_resting_receiver_wanders_but_does_not_seem_to_drive(fleet: Fleet, observations: pa.Table) -> None:
    kind = fleet.columns["kind"].astype(str)
    homes = pa.array(fleet.columns["terminal_id"][kind == "home"][:400].tolist())
    seen = observations.filter(pa.compute.is_in(observations["terminal_id"], homes)).sort_by(
        [("terminal_id", "ascending"), ("observed_at", "ascending")]
    )
    who, t = seen["terminal_id"].to_numpy(), seen["observed_at"].to_numpy()
    lat, lon = seen["lat_deg"].to_numpy(), seen["lon_deg"].to_numpy()
    same = (who[1:] == who[:-1]) & (np.diff(t) == 15_000_000_000)
    step = np.hypot(np.diff(lat), np.diff(lon) * np.cos(np.radians(lat[1:])))[same] * KM_PER_DEG * 1000
    km_h = step / 15 * 3.6
    assert np.percentile(km_h, 50) > 0.2  # it does wander
    assert np.percentile(km_h, 95) < 5.0  # as published logs of consumer receivers do
    assert km_h.max() < 16.0  # below the limit of a plan for a fixed place
    sigma = seen["position_sigma_m"].to_numpy()
    assert sigma.min() >= 3
    assert sigma.max() <= 15


def test_positions_stop_and_terminals_fall_silent_as_their_kind_says(fleet: Fleet, observations: pa.Table) -> None:
    kinds = fleet.kinds
    late = observations.filter(
        pa.compute.greater(observations["observed_at"], fleet.start_ns + int((STALE_AFTER_S + 60) * 1e9))
    )
    names = np.array([kinds[name] for name in late["terminal_id"].to_pylist()])
    source = np.array(late["position_source"].to_pylist())
    assert not (names == "falls_silent").any()
    assert set(source[names == "position_stops"]) == {"none"}
    assert set(source[names == "no_position"]) == {"none"}
    assert set(source[names == "home_by_cell"]) == {"cell"}
    assert set(source[names == "home"]) == {"gnss"}
    early = observations.slice(0, len(fleet) // 2)
    assert "falls_silent" in {kinds[name] for name in early["terminal_id"].to_pylist()}


def test_history_tells_of_long_stays_only(fleet: Fleet) -> None:
    with_history, without = (sum(len(b) for b in fleet.batches(history=flag)) for flag in (True, False))
    first = next(fleet.batches(instants_per_batch=500))
    before = first.filter(pa.compute.less(first["observed_at"], fleet.start_ns))
    assert len(before) == with_history - without
    assert {fleet.kinds[name] for name in before["terminal_id"].to_pylist()} == {
        "roam_abroad_long",
        "coastal_boat_long",
    }
    days = (fleet.start_ns - before["observed_at"].to_numpy().min()) / 86_400e9
    assert 60 < days < 70


@pytest.mark.parametrize("arguments", [{"terminals": 10}, {"minutes": 0}, {"cadence_s": -1}, {"minutes": float("nan")}])
def test_impossible_sizes_are_refused(arguments: dict[str, float]) -> None:
    with pytest.raises(OutOfRange):
        generate(**arguments)  # type: ignore[arg-type]  # one bad value at a time


def test_a_batch_has_at_least_one_instant(fleet: Fleet) -> None:
    with pytest.raises(OutOfRange):
        next(fleet.batches(instants_per_batch=0))


def test_registers_can_be_imported_without_a_rejected_row(tmp_path: Path) -> None:
    from groundrule.store.home import Home
    from groundrule.store.register_import import import_register
    from groundrule.store.registers import Registers

    fleet = generate(terminals=600, minutes=1)
    home = Home.create(tmp_path / "home", home_id="simulated")
    with home.writer():
        registers = Registers.create(home)
        for position, (kind, table) in enumerate(fleet.registers.items()):
            path = tmp_path / f"{kind}.parquet"
            pq.write_table(table, path)
            report = import_register(
                registers,
                kind,
                path,
                recorded_at_ns=fleet.start_ns + position,
                actor="test",
                rejected_folder=home.rejected,
            )
            assert report.rejected == 0, (kind, report.by_reason)
            assert report.inserted == len(table)
        registers.close()
