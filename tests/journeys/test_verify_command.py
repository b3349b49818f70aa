"""`groundrule verify`: verdicts in words, as JSON, as a file and as a picture; and what a person is told who gives the wrong thing."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from console import groundrule, refused
from groundrule.orbit.elements import Elements
from groundrule.store import Home
from groundrule.store.orbits import save_elements
from groundrule.store.registers import Registers
from groundrule.verify.records import VERIFICATION_SCHEMA
from radio_world import START_NS, Truth, World, table


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("verify")
    world = World(seed=3)
    truths = [Truth("honest"), Truth("liar", 47.25, 35.71, claim=(51.25, 22.57))]
    rows = [row for who in truths for row in world.measure(who, world.schedule(who.lat_deg, who.lon_deg, 4))]
    pq.write_table(table(rows), folder / "measurements.parquet")
    pq.write_table(world.claims(truths), folder / "claims.parquet")
    home = Home.create(folder / "home")
    Registers.create(home).close()
    elements: Elements = world.elements
    with home.writer():
        save_elements(home, elements, START_NS)
    return folder


def test_a_lie_is_told_in_words_written_and_drawn(files: Path, tmp_path: Path) -> None:
    arguments = (
        "verify",
        files / "measurements.parquet",
        "--claims",
        files / "claims.parquet",
        "--home",
        files / "home",
    )
    done = groundrule(*arguments, "--out", tmp_path / "v.parquet", "--plot", tmp_path / "v.svg", "--terminal", "liar")
    assert done.code == 1, done
    assert "inconsistent" in done.out
    assert "km from the claim" in done.out
    written = pq.read_table(tmp_path / "v.parquet")
    assert written.schema.equals(VERIFICATION_SCHEMA)
    assert written["verdict"].to_pylist() == ["inconsistent"]
    drawn = (tmp_path / "v.svg").read_bytes()
    assert b"<svg" in drawn
    groundrule(*arguments, "--plot", tmp_path / "again.svg", "--terminal", "liar")
    assert (tmp_path / "again.svg").read_bytes() == drawn
    groundrule(*arguments, "--plot", tmp_path / "v.png", "--terminal", "honest")
    assert (tmp_path / "v.png").read_bytes().startswith(b"\x89PNG")


def test_json_has_all_verifications_and_rows_that_were_not_used(files: Path, tmp_path: Path) -> None:
    bad = pq.read_table(files / "measurements.parquet").to_pylist()
    bad[0]["value"] = -1.0
    bad[1]["observed_at"] = 0
    pq.write_table(table(bad), tmp_path / "m.parquet")
    done = groundrule(
        "verify", tmp_path / "m.parquet", "--claims", files / "claims.parquet", "--home", files / "home", "--json"
    )
    told = done.json
    assert [one["verdict"] for one in told["verifications"]] == ["consistent", "inconsistent"]
    assert [(row["row"], row["reason"]) for row in told["not_used"]] == [(1, "negative_range"), (2, "impossible_time")]
    used = sorted(row for one in told["verifications"] for each in one["satellites"] for row in each["rows"])
    assert used == list(range(3, len(bad) + 1))  # rows count from 1 everywhere


def test_rows_that_are_not_used_are_told_by_reason(files: Path, tmp_path: Path) -> None:
    bad = pq.read_table(files / "measurements.parquet").to_pylist()
    for k in range(3, 33):
        bad[k]["value"] = -1.0 if bad[k]["kind"] == "rtt" else bad[k]["value"]
    pq.write_table(table(bad), tmp_path / "m.parquet")
    done = groundrule("verify", tmp_path / "m.parquet", "--claims", files / "claims.parquet", "--home", files / "home")
    assert "15 rows of m.parquet could not be used" in done.err
    lines = [line for line in done.err.splitlines() if " × " in line]
    assert sum(int(line.split(" × ")[0].split()[-1]) for line in lines) == 15
    assert any("negative_range" in line and "first row " in line for line in lines)
    assert f"2 verifications from {len(bad)} measurements: 1 inconsistent, 1 consistent." in done.out


def test_a_fault_has_no_place_in_table_words_file_and_picture(files: Path, tmp_path: Path) -> None:
    world = World(seed=3)
    who = Truth("noise", 46.0, 30.0, attack="A2", claim=(49.0, 33.0))
    rows = world.measure(who, world.schedule(who.lat_deg, who.lon_deg, 4))
    pq.write_table(table(rows), tmp_path / "m.parquet")
    pq.write_table(world.claims([who]), tmp_path / "claims.parquet")
    arguments = ("verify", tmp_path / "m.parquet", "--claims", tmp_path / "claims.parquet", "--home", files / "home", "--platform", "fixed")
    done = groundrule(*arguments, "--out", tmp_path / "v.parquet", "--plot", tmp_path / "v.svg")
    assert "1 verifications from 120 measurements: 1 fault." in done.out, done
    assert "Radio gives no place. FAULT" in done.out
    assert "Radio places" not in done.out
    for word in ("km from the claim", "Speed", "46.0", "45.9"):
        assert word not in done.out.replace("from claim km", ""), word
    [row] = pq.read_table(tmp_path / "v.parquet").to_pylist()
    assert (row["verdict"], row["usable"], row["lat_deg"], row["lon_deg"], row["alternatives"]) == ("fault", False, None, None, [])
    drawn = (tmp_path / "v.svg").read_text(encoding="utf-8")
    assert "radio gives no place" in drawn
    assert "<!-- radio -->" not in drawn


def test_wrong_use_is_told(files: Path, tmp_path: Path) -> None:
    home = ("--home", files / "home")
    refused(groundrule("verify", tmp_path / "none.parquet", *home))
    refused(groundrule("verify", files / "measurements.parquet", *home, "--platform", "submarine"))
    refused(groundrule("verify", files / "measurements.parquet", *home, "--ephemeris-m", "20,5"))
    refused(groundrule("verify", files / "measurements.parquet", *home, "--out", tmp_path / "v.txt"))
    refused(groundrule("verify", files / "measurements.parquet", *home, "--plot", tmp_path / "v.gif"))
    refused(groundrule("verify", files / "measurements.parquet", *home, "--terminal", "nobody"))
    here = ("verify", files / "measurements.parquet", *home)
    for height in ("1e300", "nan", "-600"):
        refused(groundrule(*here, "--height-m", height))
    (tmp_path / "folder.parquet").mkdir()
    refused(groundrule("verify", tmp_path / "folder.parquet", *home), "folder.parquet: is a folder")
    refused(groundrule(*here, "--elements", tmp_path), "is a folder")
    refused(groundrule(*here, "--terminal", "nobody"), "has no measurement of terminal `nobody`")
    bad = pq.read_table(files / "measurements.parquet").to_pylist()
    for row in bad:
        row["observed_at"] = 0 if row["terminal_id"] == "liar" else row["observed_at"]
    pq.write_table(table(bad), tmp_path / "half.parquet")
    done = groundrule("verify", tmp_path / "half.parquet", *home, "--terminal", "liar")
    refused(done, "no measurement of terminal `liar` could be used", "impossible_time")
    (tmp_path / "text.csv").write_text("terminal_id,kind\nx,rtt\n", encoding="utf-8")
    refused(groundrule("verify", tmp_path / "text.csv", *home))
