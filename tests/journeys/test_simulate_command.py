"""`groundrule simulate`, and what the other commands make of its files: verdicts by class of attacker, registers, and its help."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from console import groundrule, refused
from groundrule.simulate.scenario_file import shipped

_ORDER = {"none": -1, "a0": 0, "a1": 1, "a2": 2}
_REACH = {"A0": 0, "A1": 1, "A1D": 1, "A1R": 1, "A2": 2, "A3": 3, "A4": 4}
"""How strong an attacker is, on the scale of `assurance`."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every class of attacker, a few terminals each, claiming a place 25 km away; simulated by the command."""
    base = tmp_path_factory.mktemp("simulate")
    text = shipped()["attacks"].read_text(encoding="utf-8")
    text = text.replace("count = 20", "count = 6").replace("claim = [51.25, 22.57]", "claim = [47.45, 35.90]")
    text = text.replace("spread_km = 20", "spread_km = 1").replace("spread_km = 10", "spread_km = 1")
    (base / "near.toml").write_text(text, encoding="utf-8")
    done = groundrule("simulate", base / "near.toml", "--out", base / "sim", "--seed", "11")
    assert done.code == 0, done
    assert "invented" in done.out
    return base


@pytest.fixture(scope="module")
def found(folder: Path) -> list[dict[str, Any]]:
    """Verdicts on them, by the command."""
    sim = folder / "sim"
    done = groundrule(
        "verify", sim / "measurements.parquet", "--elements", sim / "elements.json", "--claims", sim / "observations.parquet",
        "--out", folder / "v.parquet",
    )  # fmt: skip
    assert done.code == 1, done  # claims are inconsistent
    return list(pq.read_table(folder / "v.parquet").to_pylist())


def test_no_lie_is_called_consistent_against_its_own_class(folder: Path, found: list[dict[str, Any]]) -> None:
    sim = folder / "sim"
    truth = {row["terminal_id"]: row for row in pq.read_table(sim / "truth_terminals.parquet").to_pylist()}
    verdicts: dict[str, Counter[tuple[str, str]]] = {}
    for row in found:
        known = truth[row["terminal_id"]]
        verdicts.setdefault(known["fleet"], Counter())[row["verdict"], row["assurance"]] += 1
        if known["attack"] in {"A0", "A1", "A1D", "A1R", "A2"} and row["verdict"] == "consistent":
            assert _ORDER[row["assurance"]] < _REACH[known["attack"]], (known, row["words"])
    assert set(verdicts["honest"]) == {("consistent", "a1")}
    assert {verdict for verdict, _ in verdicts["honest_bound"]} == {"consistent"}
    assert set(verdicts["liar"]) == {("inconsistent", "a1")}
    for name in ("cable", "cable_9_km", "forged_ranges", "forged_doppler"):
        assert {verdict for verdict, _ in verdicts[name]} <= {"fault", "inconsistent", "insufficient"}, name
    # What radio cannot see is said to be so: consistent, but never against that class.
    assert {verdict for verdict, _ in verdicts["early"]} == {"consistent"}
    assert {verdict for verdict, _ in verdicts["relay"]} == {"consistent"}


def test_positions_by_radio_are_where_the_terminals_truly_are(folder: Path, found: list[dict[str, Any]]) -> None:
    truth = {row["terminal_id"]: row for row in pq.read_table(folder / "sim" / "truth.parquet").to_pylist()}
    attack = {row["terminal_id"]: row["attack"] for row in pq.read_table(folder / "sim" / "truth_terminals.parquet").to_pylist()}
    for row in found:
        if row["verdict"] == "inconsistent" and attack[row["terminal_id"]] in {"none", "A0"}:  # of others, radio itself is forged
            known = truth[row["terminal_id"]]
            assert abs(row["lat_deg"] - known["lat_deg"]) < 0.01
            assert abs(row["lon_deg"] - known["lon_deg"]) < 0.01


def test_registers_are_imported_as_they_are(folder: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert groundrule("init", "--home", home).code == 0
    for kind in ("parties", "accounts", "terminals", "list_entries"):
        done = groundrule("register", "import", kind, folder / "sim" / "registers" / f"{kind}.parquet", "--home", home, "--json")
        assert done.code == 0, done
    truth = pq.read_table(folder / "sim" / "truth_terminals.parquet")
    done = groundrule("register", "show", "terminals", "--home", home, "--json")
    assert truth["terminal_id"][0].as_py() in done.out
    assert "liar" not in done.out  # the truth stays out of the register


def test_what_is_shipped_is_listed_shown_and_read_again() -> None:
    listed = groundrule("simulate", "list", "--json")
    assert {one["name"] for one in listed.json} == set(shipped()) >= {"attacks", "claims", "demo", "front"}
    shown = groundrule("simulate", "show", "front")
    assert shown.out == shipped()["front"].read_text(encoding="utf-8")
    assert re.search(r"^front +Near the front", groundrule("simulate", "list").out, re.MULTILINE)


def test_wrong_use_is_told(tmp_path: Path) -> None:
    refused(groundrule("simulate", "show", "moon"), "there is no shipped scenario `moon`", "attacks")
    refused(groundrule("simulate", "claims"), "a simulation needs a directory")
    refused(groundrule("simulate", "nothing", "--out", tmp_path / "s"), "`nothing` is no scenario", "front")
    refused(groundrule("simulate", "claims", "more", "--out", tmp_path / "s"), "one word too many")
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "a.txt").write_text("mine")
    assert groundrule("simulate", "claims", "--out", tmp_path / "own").code != 0
    assert (tmp_path / "own" / "a.txt").read_text() == "mine"
    text = shipped()["claims"].read_text(encoding="utf-8")
    (tmp_path / "far.toml").write_text(text + '[constellation]\nsource = "file"\nfile = "none.tle"\n')
    refused(groundrule("simulate", tmp_path / "far.toml", "--out", tmp_path / "s"), "none.tle` is no file")


def test_satellites_come_from_a_home_or_a_file(folder: Path, tmp_path: Path) -> None:
    home, elements = tmp_path / "home", folder / "sim" / "elements.json"
    assert groundrule("init", "--home", home).code == 0
    head = '[scenario]\ntitle = "t"\nstart = 2026-06-03T05:00:12Z\nduration_s = 30\n[[fleet]]\nname = "one"\ncount = 1\ncentre = [49, 24]\n'
    own = tmp_path / "own.toml"
    own.write_text(head + '[constellation]\nsource = "home"\n')
    refused(groundrule("simulate", own, "--out", tmp_path / "a", "--home", home), "the home has no elements")
    assert groundrule("orbits", "import", elements, "--home", home).code == 0
    assert groundrule("simulate", own, "--out", tmp_path / "a", "--home", home).code == 0
    own.write_text(head)
    assert groundrule("simulate", own, "--out", tmp_path / "b", "--elements", elements).code == 0
    first, second = (pq.read_table(tmp_path / name / "measurements.parquet") for name in "ab")
    assert first.equals(second)
    own.write_text(head.replace("2026-06-03", "2026-01-03"))
    refused(groundrule("simulate", own, "--out", tmp_path / "c", "--elements", elements), "before the start of the scenario")
