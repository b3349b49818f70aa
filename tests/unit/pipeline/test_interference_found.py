"""Interference in files and homes: who may be a witness, what is published, maps and the command."""

from __future__ import annotations

import json
from pathlib import Path

import h3.api.basic_int as h3
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from matplotlib import image

from groundrule.cli import commands
from groundrule.detect.interference import INTERFERENCE_SCHEMA, find
from groundrule.errors import InputError
from groundrule.evidence.interference_map import draw_interference, picture_of_interference
from groundrule.evidence.outlines import Outlines
from groundrule.instant import NS_PER_DAY, format_instant
from groundrule.pipeline.interference import (
    cell_shape,
    geojson,
    in_countries,
    published,
    read_verifications,
    watch,
    watch_home,
    witnesses_of,
    witnesses_of_home,
    words_of,
)
from groundrule.pipeline.runs import Inputs, decide
from groundrule.pipeline.verifying import Attendance
from groundrule.simulate.witness_fleet import Trouble, WitnessFleet, witness_fleet
from groundrule.store.home import Home
from groundrule.store.registers import Registers
from small_home import RECORDED, observation, register
from small_home import table as observations

START_NS = 1_780_272_000_000_000_000
MINUTE = 60_000_000_000
OUTLINES = Outlines((np.array([[20.0, 40.0], [50.0, 40.0], [50.0, 60.0], [20.0, 60.0], [20.0, 40.0]]),), (), ())


@pytest.fixture(scope="module")
def fleet() -> WitnessFleet:
    return witness_fleet(11, terminals=120, seconds=1_800, spread_m=8_000, troubles=(Trouble(48.0, 33.0, 30_000.0, 900.0, 1_200.0),))


def anomaly(resolution: int, lat: float, lon: float, **more: object) -> dict[str, object]:
    row: dict[str, object] = {
        "h3_cell": h3.latlng_to_cell(lat, lon, resolution), "from_ns": START_NS + 30 * 10**9, "until_ns": START_NS + 10 * MINUTE,
        "kind": "lost", "terminals": 30, "share": 0.87, "p_value": 1e-20, "accounts": 30, "witnesses": 34, "base_rate": 0.01,
        "began_ns": START_NS, "pattern": None, "claimed_lat_deg": None, "claimed_lon_deg": None, "claimed_radius_m": None,
    }  # fmt: skip
    return row | more


def table(*rows: dict[str, object]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=INTERFERENCE_SCHEMA)


# --- watching ---------------------------------------------------------------------------------------------------------


def test_batches_of_a_stream_give_what_the_whole_gives(fleet: WitnessFleet) -> None:
    kept: list[pa.Table] = []
    parts = [fleet.table.slice(first, 1_000) for first in range(0, len(fleet.table), 1_000)]
    found = watch([*parts[:3], fleet.table.slice(0, 0), *parts[3:]], witnesses=lambda _at: fleet.accounts, kept=kept.append)
    assert found.anomalies.table.equals(find(fleet.table, accounts=fleet.accounts).table)
    assert found.anomalies.table.num_rows > 0
    assert found.terminals == 120
    assert found.suspended == sum(word == "suspended" for part in kept for word in part.column("gnss_state").to_pylist()) > 0
    assert (found.from_ns, found.until_ns) == (fleet.table["observed_at"][0].as_py(), fleet.table["observed_at"][-1].as_py())


def test_nothing_to_watch_is_no_interference() -> None:
    found = watch([])
    assert (found.anomalies.table.num_rows, found.terminals, found.from_ns) == (0, 0, None)


def test_witnesses_are_established_holders_with_active_accounts(home: Home) -> None:
    old, new = RECORDED - 31 * NS_PER_DAY, RECORDED - 29 * NS_PER_DAY
    register(home, "accounts", "account_id,party_id,state\n1,p,active\n2,p,\n4,q,disabled\n")
    lines = [f"a,1,{format_instant(old)}", f"b,2,{format_instant(old)}", f"new,1,{format_instant(new)}", "unknown age,3,",
             f"nobody's,,{format_instant(old)}", f"disabled,4,{format_instant(old)}"]  # fmt: skip
    register(home, "terminals", "\n".join(["terminal_id,account_id,activated_at", *lines, ""]))
    with Registers.open(home) as registers:
        witnesses = witnesses_of(registers, RECORDED)
    mine = {name: witnesses[name] for name in witnesses if name not in {"car", "train", "guest", "van", "late payer"}}
    assert mine == {"a": "party p", "b": "party p", "unknown age": "account 3"}
    assert witnesses["car"] == witnesses["train"] == "party p1"
    assert "late payer" not in witnesses  # whose account is suspended


def test_terminals_that_the_register_marks_are_no_witnesses(home: Home) -> None:
    register(home, "parties", "party_id,screening\np,clear\nq,listed\n")
    register(home, "accounts", "account_id,party_id,state\n1,p,active\n2,q,active\n")
    register(
        home, "terminals",
        "terminal_id,account_id,registration,cell_state\ngood,1,registered,enabled\nplain,1,,\nrevoked,1,revoked,\noff,1,,disabled\nlisted,2,,\n",
    )  # fmt: skip
    with Registers.open(home) as registers:
        mine = set(witnesses_of(registers, RECORDED)) & {"good", "plain", "revoked", "off", "listed"}
    assert mine == {"good", "plain"}


@pytest.mark.parametrize("registered", [False, True])
def test_nine_terminals_that_are_denied_do_not_suspend_the_area_that_denies_them(home: Home, registered: bool) -> None:
    """In the closed zone a terminal needs a pass. Sixteen residents without one lose their positions together, and stay denied."""
    n, steps, lost_from = 16, 70, 55
    register(home, "accounts", "account_id,party_id,state\n" + "".join(f"own-{i},p{i},active\n" for i in range(n)))
    register(home, "terminals", "terminal_id,account_id\n" + "".join(f"t{i:02d},own-{i}\n" for i in range(n)))
    if registered:
        lines = "".join(f"pass,t{i:02d},active,p{i},individual\n" for i in range(n))
        register(home, "list_entries", "list_id,terminal_id,state,holder,legal_class\n" + lines)
    rows = [
        observation(f"t{i:02d}", 15 * k + i / 100, *((None, None) if k >= lost_from else (2.5 + 0.0005 * i, 2.5)))
        for k in range(steps) for i in range(n)
    ]  # fmt: skip
    attendance = Attendance(witnesses=lambda at_ns: witnesses_of_home(home, at_ns))
    inputs = Inputs(batches=iter([observations(rows)]), files=list, rejected=dict)
    with home.writer():
        decide(home, inputs, recorded_at_ns=RECORDED, attendance=attendance)
    assert (attendance.suspended > 0) is registered
    # The same question of the home's history.
    assert (watch_home(home).suspended > 0) is registered


# --- publishing -------------------------------------------------------------------------------------------------------


def test_small_cells_and_few_holders_are_not_published() -> None:
    assert len(published(table(anomaly(3, 48, 33)))) == 1
    assert len(published(table(anomaly(3, 48, 33, terminals=19)))) == 0
    assert len(published(table(anomaly(3, 48, 33, accounts=4)))) == 0
    # A coarser cell stands for itself.
    assert published(table(anomaly(2, 48, 33))).column("h3_cell").to_pylist() == [h3.latlng_to_cell(48, 33, 2)]


def test_fine_cells_are_gathered_into_the_coarse_cell_above_them() -> None:
    parent = h3.latlng_to_cell(48.0, 33.0, 3)
    children = h3.cell_to_children(parent, 5)[:3]
    places = [h3.cell_to_latlng(cell) for cell in children]
    rows = [anomaly(5, *place, terminals=9, accounts=9, until_ns=START_NS + k * MINUTE) for k, place in enumerate(places, 4)]
    found = published(table(*rows)).to_pylist()
    assert [(row["h3_cell"], row["terminals"]) for row in found] == [(parent, 27)]
    assert found[0]["from_ns"] == START_NS
    assert found[0]["until_ns"] == START_NS + 6 * MINUTE
    assert "accounts" not in found[0]
    assert "claimed_lat_deg" not in found[0]
    # Two of them are eighteen terminals: nobody is told.
    assert len(published(table(*rows[:2]))) == 0
    # At times that do not touch, they are not added.
    apart = [row | {"from_ns": START_NS + 20 * k * MINUTE, "until_ns": START_NS + (20 * k + 5) * MINUTE} for k, row in enumerate(rows)]
    assert len(published(table(*apart))) == 0
    # The same cell twice in one group counts once.
    again = [rows[0], rows[0] | {"from_ns": START_NS + MINUTE}, rows[1] | {"from_ns": START_NS + MINUTE}]
    assert len(published(table(*again))) == 0


def test_nothing_published_is_finer_than_it_may_be(fleet: WitnessFleet) -> None:
    shown = published(find(fleet.table, accounts=fleet.accounts).table)
    assert len(shown)
    for row in shown.to_pylist():
        assert h3.get_resolution(row["h3_cell"]) <= 3
        assert row["terminals"] >= 20
        assert row["from_ns"] % MINUTE == row["until_ns"] % MINUTE == 0


def test_of_a_country_at_war_only_the_country_is_told() -> None:
    east, west = shapely.box(30.0, 46.0, 36.0, 50.0), shapely.box(-10.0, 36.0, -6.0, 42.0)
    rows = table(anomaly(3, 48.0, 33.0), anomaly(3, 47.0, 22.0))
    assert len(published(rows)) == 2
    assert published(rows, conflict=[west]).equals(published(rows))
    shown = published(rows, conflict=[west, east]).to_pylist()
    assert [row["h3_cell"] for row in shown] == [h3.latlng_to_cell(47.0, 22.0, 3)]
    # A cell that only reaches over the border is not shown either.
    edge = shapely.box(33.4, 46.0, 36.0, 50.0)
    assert not edge.contains(shapely.Point(h3.cell_to_latlng(h3.latlng_to_cell(48.0, 33.0, 3))[::-1]))
    assert len(published(rows, conflict=[edge])) == 1
    assert in_countries(published(rows), {"UA": east, "PT": west}) == {"UA": 1, "PT": 0}
    assert in_countries(published(table()), {"UA": east}) == {"UA": 0}


def test_geojson_is_valid_and_cut_at_the_antimeridian() -> None:
    shown = geojson(table(anomaly(4, 48.0, 33.0, kind="jump", pattern="point"), anomaly(3, -17.0, 179.9)))
    assert json.loads(json.dumps(shown, allow_nan=False)) == shown
    first, second = shown["features"]
    assert first["properties"]["h3_cell"] == h3.int_to_str(h3.latlng_to_cell(48.0, 33.0, 4))
    assert first["properties"]["from"] == "2026-06-01T00:00:30Z"
    assert shapely.geometry.shape(first["geometry"]).contains(shapely.Point(33.0, 48.0))
    assert second["geometry"]["type"] == "MultiPolygon"
    for feature in shown["features"]:
        shape = shapely.geometry.shape(feature["geometry"])
        assert shape.is_valid
        assert shape.bounds[2] - shape.bounds[0] <= 360
        for part in getattr(shape, "geoms", [shape]):
            assert part.exterior.is_ccw
            assert part.bounds[2] - part.bounds[0] < 10
    assert cell_shape(h3.latlng_to_cell(10, 10, 3))["type"] == "Polygon"


def test_words_say_kind_place_time_and_numbers() -> None:
    said = words_of(anomaly(4, 48.0, 33.0, kind="jump", pattern="circle", claimed_lat_deg=46.5, claimed_lon_deg=32.0, claimed_radius_m=3e3))
    for part in ("jumped together, onto a circle", "30 of 34 holders", "87%", "46.500, 32.000 at 3.0 km", "2026-06-01T00:10:00Z"):
        assert part in said
    short = words_of(published(table(anomaly(3, -33.0, -70.0))).to_pylist()[0])
    assert "° S" in short
    assert "° W" in short
    assert "holders" not in short


# --- pictures ---------------------------------------------------------------------------------------------------------


def test_the_map_shows_each_kind_and_is_the_same_every_time(tmp_path: Path) -> None:
    rows = table(anomaly(4, 48.0, 33.0), anomaly(4, 48.6, 34.2, kind="jump"), anomaly(4, -30.0, 20.0, kind="radio_disagrees")).to_pylist()
    draw_interference(rows, tmp_path / "a.png", title="Interference", outlines=OUTLINES)
    draw_interference(rows, tmp_path / "b.png", title="Interference", outlines=OUTLINES)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    blank = picture_of_interference([], "png", title="Interference", outlines=OUTLINES)
    (tmp_path / "c.png").write_bytes(blank)
    shown, empty = (image.imread(tmp_path / name)[:, :, :3] for name in ("a.png", "c.png"))
    # The timeline's bars are drawn over white with three quarters of their colour.
    for colour in ((0.0, 0.447, 0.698), (0.835, 0.369, 0.0)):
        mixed = 0.25 + 0.75 * np.array(colour)
        hits = [int((np.abs(picture - mixed).max(axis=2) < 0.03).sum()) for picture in (shown, empty)]
        assert hits[0] > 500
        assert hits[1] < 50
    assert picture_of_interference(rows, "svg", title="Interference", outlines=OUTLINES).startswith(b"<?xml")
    with pytest.raises(InputError, match="not written"):
        draw_interference(rows, tmp_path / "a.gif", title="Interference")


# --- the command ------------------------------------------------------------------------------------------------------


def run(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    commands("interference")(["interference", *arguments], standalone_mode=False)
    return capsys.readouterr().out


def test_the_command_tells_writes_and_hides(fleet: WitnessFleet, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "observations.parquet"
    shuffled = fleet.table.take(np.random.default_rng(1).permutation(len(fleet.table)))
    pq.write_table(shuffled, source)
    files = [tmp_path / f"map.{kind}" for kind in ("geojson", "png", "parquet")]
    outs = [word for path in files for word in ("--out", str(path))]
    told = json.loads(run([str(source), "--nameless", "--json", *outs, "--suspended", str(tmp_path / "s.parquet")], capsys))
    assert told["observations"] == len(fleet.table)
    assert told["published"] is True
    assert told["anomalies"] is None
    assert told["holders_known"] is False
    assert told["map"] == json.loads(files[0].read_text(encoding="utf-8"))
    assert all(feature["properties"]["terminals"] >= 20 for feature in told["map"]["features"])
    assert files[1].read_bytes()[:4] == b"\x89PNG"
    states = pq.read_table(tmp_path / "s.parquet").column("gnss_state").to_pylist()
    assert states.count("suspended") == told["suspended_observations"] > 0
    inside = json.loads(run([str(source), "--nameless", "--internal", "--json"], capsys))
    assert inside["anomalies"] == len(inside["map"]["features"]) > len(told["map"]["features"])
    war = run([str(source), "--nameless", "--conflict", "UA"], capsys)
    assert "No area-wide interference that may be published." in war
    assert "UA: " in war
    with pytest.raises(InputError, match="no country"):
        run([str(source), "--nameless", "--conflict", "U1"], capsys)
    assert "No area-wide interference." in run([str(source), "--nameless", "--to", "2026-06-01T00:10:00Z"], capsys)
    assert "positions were lost together" in run([str(source), "--nameless"], capsys)
    with pytest.raises(InputError, match="cannot write"):
        run([str(source), "--nameless", "--out", "map.gif"], capsys)


def test_verdicts_are_read_or_refused_by_name(tmp_path: Path) -> None:
    pq.write_table(pa.table({"terminal_id": ["a"], "at_ns": [1]}), tmp_path / "short.parquet")
    with pytest.raises(InputError, match="`verdict` is missing"):
        read_verifications(tmp_path / "short.parquet")
    (tmp_path / "no.parquet").write_bytes(b"no")
    with pytest.raises(InputError, match="not readable"):
        read_verifications(tmp_path / "no.parquet")
