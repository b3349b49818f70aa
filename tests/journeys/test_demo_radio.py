"""The demo listens: a liar is refused because radio places it elsewhere, and nobody is refused for being jammed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from console import groundrule, refused
from groundrule.simulate.places import distance_km

TOKMAK, LUBLIN, ZAPORIZHZHIA = (47.25, 35.70), (51.25, 22.57), (47.84, 35.14)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def demo(out: Path) -> dict[str, Any]:
    made = groundrule("demo", "--out", out, "--terminals", 560, "--minutes", 3, "--json")
    assert made.code == 0, made
    return dict(made.json)


def away_km(found: dict[str, Any], place: tuple[float, float]) -> float:
    at = found["position"]
    return float(distance_km(place, np.array([at["lat_deg"]]), np.array([at["lon_deg"]]))[0])


def test_a_liar_is_refused_where_radio_places_it(demo: dict[str, Any]) -> None:
    liar = demo["radio"]["liar"]
    assert liar["outcome"] == "deny"
    assert liar["reason"] == "not_on_allow_list"
    assert liar["radio"]["verdict"] == "inconsistent"
    assert away_km(liar, TOKMAK) < 15
    assert 900 < liar["radio"]["distance_m"] / 1000 < 1200
    assert any("radio places it" in line for line in liar["heard"])


def test_a_jammed_terminal_is_served_where_radio_places_it(demo: dict[str, Any]) -> None:
    jammed = demo["radio"]["jammed"]
    assert jammed["outcome"] == "serve"
    assert jammed["reason"] == "on_allow_list"
    assert away_km(jammed, ZAPORIZHZHIA) < 15
    assert any("claims no position" in line for line in jammed["heard"])


def test_nobody_honest_is_refused_and_every_liar_is(demo: dict[str, Any]) -> None:
    verdicts = {kind: Counter(found) for kind, found in demo["radio"]["verdicts"].items()}
    assert verdicts["claims_lublin"] == Counter(inconsistent=6)
    assert not set(verdicts["claims_lublin_delayed"]) & {"consistent"}
    for kind in ("home_jammed", "hospital_jammed", "home_on_circle"):
        assert not set(verdicts[kind]) & {"inconsistent", "fault"}
    kinds = demo["kinds"]
    assert set(kinds["claims_lublin"]) == {"deny"}
    for kind in ("home_jammed", "hospital_jammed", "home_on_circle"):
        assert "deny" not in kinds[kind], kinds[kind]


def test_its_home_and_its_files_are_ordinary(demo: dict[str, Any], out: Path) -> None:
    home = out / "home"
    assert demo["replay"]["identical"] is False  # one decision was altered while it looked
    assert groundrule("replay", "--home", home).code == 0
    liar = demo["radio"]["liar"]["terminal"]
    why = groundrule("explain", liar, "--home", home)
    assert "radio places it" in why.out
    owner = groundrule("explain", liar, "--home", home, "--for", "owner")
    for word in ("km away", "ellipse", "Lublin", "inconsistent"):
        assert word not in owner.out
    again = groundrule(
        "verify", out / "fleet" / "measurements.parquet", "--home", home, "--out", out / "v.parquet", "--json"
    )
    assert again.code in {0, 1}
    # Without claims the same places come out: they rest on radio alone.
    mine = [row for row in pq.read_table(out / "v.parquet").to_pylist() if row["terminal_id"] == liar]
    assert mine[0]["lat_deg"] == pytest.approx(demo["radio"]["liar"]["position"]["lat_deg"], abs=1e-4)
    listed = groundrule("orbits", "status", "--home", home, "--at", "2026-02-10T06:00Z", "--json")
    assert listed.code == 0
    assert "demo-generated" in listed.out


def test_a_fleet_that_is_too_small_is_told(tmp_path: Path) -> None:
    refused(groundrule("demo", "--out", tmp_path / "d", "--terminals", 540), "cannot hold one of every kind", "554 or more")
    assert not (tmp_path / "d").exists()
