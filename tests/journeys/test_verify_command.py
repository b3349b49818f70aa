"""`groundrule verify`: verdicts in words, as JSON, as a file and as a picture; and what a person is told who gives the wrong thing."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from console import groundrule, refused
from groundrule.orbit.elements import Elements
from groundrule.store import Home
from groundrule.store.orbits import save_elements
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
    assert [row["reason"] for row in told["not_used"]] == ["negative_range", "impossible_time"]


def test_wrong_use_is_told(files: Path, tmp_path: Path) -> None:
    home = ("--home", files / "home")
    refused(groundrule("verify", tmp_path / "none.parquet", *home))
    refused(groundrule("verify", files / "measurements.parquet", *home, "--platform", "submarine"))
    refused(groundrule("verify", files / "measurements.parquet", *home, "--ephemeris-m", "20,5"))
    refused(groundrule("verify", files / "measurements.parquet", *home, "--out", tmp_path / "v.txt"))
    refused(groundrule("verify", files / "measurements.parquet", *home, "--plot", tmp_path / "v.gif"))
    refused(groundrule("verify", files / "measurements.parquet", *home, "--terminal", "nobody"))
    (tmp_path / "text.csv").write_text("terminal_id,kind\nx,rtt\n", encoding="utf-8")
    refused(groundrule("verify", tmp_path / "text.csv", *home))
