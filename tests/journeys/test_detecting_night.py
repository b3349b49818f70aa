"""A night with every misuse and innocents beside each: detected, judged against the truth, decided, and kept as cases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from console import groundrule as command


def groundrule(*words: str, code: int = 0) -> str:
    done = command(*words)
    assert done.code == code, done.err[-2_000:]
    return done.out


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("night")
    groundrule("simulate", "night", "--out", str(folder / "sim"))
    home = str(folder / "home")
    groundrule("init", "--home", home)
    groundrule("areas", "import", str(folder / "sim" / "areas.geojson"), "--home", home)
    for path in sorted((folder / "sim" / "registers").glob("*.parquet")):
        groundrule("register", "import", path.stem, str(path), "--home", home)
    return folder


def told(night: Path, *more: str) -> dict[str, Any]:
    words = ("detect", str(night / "sim" / "observations.parquet"), "--home", str(night / "home"), "--truth", str(night / "sim"))
    answer: dict[str, Any] = json.loads(groundrule(*words, *more, "--json"))
    return answer


def test_what_is_done_is_found_and_nobody_in_a_jammed_area_is_accused(night: Path) -> None:
    found = told(night)
    assert found["suspended"] > 1_000
    by_kind = {each["kind"]: each for each in found["truth"]["findings"]}
    sure = ("cloned_identity", "used_elsewhere", "dormant_at_front", "straw_registration", "compound", "convoy", "moving_without_plan")
    for kind in sure:
        assert by_kind[kind]["found"] == by_kind[kind]["present"] > 0, kind
    accused = {each["kind"]: each["accused"] for each in found["truth"]["innocents"]}
    assert not [kind for kind in accused if "jam" in kind or "spoof" in kind or kind.startswith("home")]


def test_what_a_terminal_moves_like_is_told_as_evidence(night: Path) -> None:
    kinds = pq.read_table(night / "sim" / "truth_terminals.parquet", columns=["terminal_id", "kind"]).to_pylist()
    first = {row["kind"]: row["terminal_id"] for row in reversed(kinds)}
    wanted = {"airliner": "airliner", "home": "stationary"}
    carriers = told(night, *(word for kind in wanted for word in ("--terminal", first[kind])))["carriers"]
    for carrier, looks in zip(carriers, wanted.values(), strict=True):
        assert max(carrier["probabilities"], key=carrier["probabilities"].get) == looks
        assert abs(sum(carrier["probabilities"].values()) - 1) < 1e-6


def test_a_terminal_that_was_served_or_refused_against_its_decision_shows_once_it_is_decided(night: Path) -> None:
    sim, home = night / "sim", str(night / "home")
    answer = json.loads(
        groundrule(
            "decide", str(sim / "observations.parquet"), "--measurements", str(sim / "measurements.parquet"),
            "--elements", str(sim / "elements.json"), "--home", home, "--json",
        )
    )  # fmt: skip
    assert answer["signals"]["spoofed_position"] > 0
    assert answer["signals"]["refused_against_decision"] > 0
    cases = json.loads(groundrule("cases", "list", "--home", home, "--json"))["cases"]
    assert len(cases) > 20
    assert cases == sorted(cases, key=lambda each: -each["weight"])
    shown = groundrule("cases", "show", cases[0]["id"], "--home", home)
    assert cases[0]["terminals"][0] in shown
    assert "follow from their observations, byte for byte" in groundrule("replay", "--home", home)


def test_wrong_use_is_told(night: Path) -> None:
    home = str(night / "home")
    observations = str(night / "sim" / "observations.parquet")
    for words in (
        ("detect", observations, "--home", home, "--kind", "drone"), ("detect", observations, "--home", home, "--truth", str(night)),
        ("detect", observations, "--home", home, "--out", str(night / "signals.csv")),
        ("detect", str(night / "none.parquet"), "--home", home),
        ("cases", "show", "case-0", "--home", home), ("cases", "list", "--state", "shut", "--home", home),
        ("cases", "dismiss", "case-0", "--reason", "innocent", "--home", home),
    ):  # fmt: skip
        groundrule(*words, code=2)
