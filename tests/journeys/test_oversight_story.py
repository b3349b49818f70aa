"""The oversight report by command: on a home with a front incident, counted again by hand; and what is refused."""

from __future__ import annotations

import csv
import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from console import groundrule, refused
from groundrule.instant import format_instant
from groundrule.ledger.entry import Entry
from groundrule.ledger.reader import read_log
from groundrule.pipeline.home_ledger import log_folder
from groundrule.store.home import Home
from small_home import make_home
from stories import play, public_bytes

SINCE = "2000-01-01"


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(play("front", tmp_path_factory.mktemp("oversight"))["home"])


def entries(home: Path, until: str) -> list[Entry]:
    log = read_log(log_folder(Home.open(home)))
    return [entry for entry in map(Entry.decode, log.tree(log.integrated_size).entries()) if entry.t < until.replace("Z", "")]


def answer(report: dict[str, Any], question: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in report["answers"] if each["question"] == question)
    return found | {"values": {each["name"]: each["value"] for each in found["figures"]}}


def test_the_report_of_the_front_counts_what_the_log_holds_and_is_vouched_for(front: Path, tmp_path: Path) -> None:
    until = format_instant(time.time_ns() // 10**9 * 10**9)
    ran = groundrule("oversight", "--from", SINCE, "--until", until, "--home", front, "--out", tmp_path / "a", "--json")
    assert ran.code == 0, ran.err
    told = ran.json
    report = json.loads((tmp_path / "a" / "oversight.json").read_bytes())
    held = entries(front, until)
    assert report["inputs"]["log"]["size"] == len(held)
    kinds = Counter(entry.kind for entry in held)
    assert dict(answer(report, "ledger")["tables"][0]["rows"]) == kinds
    assert answer(report, "changes")["values"]["enacted"] == kinds["enactment"] == 1
    assert answer(report, "administrations")["values"]["requests"] == 1
    assert answer(report, "officials")["values"]["principal_unknown"] == 1
    assert answer(report, "contacts")["values"]["alleged"] == kinds["contact"] == 1
    manifests = [json.loads(path.read_bytes()) for path in sorted((front / "manifests").glob("run-*.json"))]
    assert answer(report, "coverage")["values"]["decisions"] == sum(each["counts"]["decided"] for each in manifests)
    assert report["inputs"]["history"]["runs"] == len(manifests)
    denied = answer(report, "disabled")["values"]
    assert denied["denied_terminals"] >= 1
    assert denied["denied_decisions"] >= denied["denied_terminals"]
    # What it cannot know it lists, and every question is there.
    assert len(report["answers"]) == told["questions"]
    assert {"revenue", "custody", "spill_over", "carried_out", "unrecorded"} <= set(told["unanswered"])
    for each in report["answers"]:
        assert each["figures"] or each["tables"] or each["unknown"], each["question"]
    # The entry names it; its bytes are the same again, also with the entry in the log.
    entry = json.loads((tmp_path / "a" / "oversight-entry.json").read_bytes())
    assert (entry["kind"], entry["body"]) == ("evidence", {"what": "oversight", "sha256": told["sha256"]})
    again = groundrule("oversight", "--from", SINCE, "--until", until, "--home", front, "--out", tmp_path / "b", "--json").json
    assert (again["sha256"], again["log_entry"]) == (told["sha256"], told["log_entry"])
    with (tmp_path / "a" / "oversight.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["question"] for row in rows} == {each["question"] for each in report["answers"]}
    assert b"Ada Muster" not in public_bytes(front)


@pytest.mark.parametrize(("language", "title"), [("de", "Aufsichtsbericht"), ("uk", "Звіт для нагляду")])
def test_other_languages(front: Path, tmp_path: Path, language: str, title: str) -> None:
    ran = groundrule(
        "oversight", "--from", SINCE, "--until", "2026-01-01", "--home", front, "--out", tmp_path / "x", "--language", language, "--no-log"
    )
    assert ran.code == 0, ran.err
    assert title in ran.out
    assert title in (tmp_path / "x" / "oversight.html").read_text(encoding="utf-8")


def test_a_home_without_log_answers_what_it_can_and_shows_no_zero_for_the_rest(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    ran = groundrule("oversight", "--from", SINCE, "--until", "2026-04-01", "--home", home.path, "--out", tmp_path / "r", "--json")
    assert ran.code == 0, ran.err
    assert ran.json["log_entry"] is None
    assert ran.json["trouble"] == ["no log names this report"]
    figures = ran.json["figures"]
    assert set(figures) == {"coverage", "programmes", "tags"}  # what the registers say; nothing was decided, and no log tells more
    assert set(figures["coverage"]) == {"registered"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--from", "2026-03-02", "--until", "2026-03-01"), ("ends before it begins",)),
        (("--from", "2026-03-02", "--until", "2026-03-02"), ("is empty",)),
        (("--from", "2026-03-02", "--until", "2099-01-01"), ("in the future",)),
        (("--from", "yesterday", "--until", "2026-03-02"), ("--from",)),
        (("--from", "2026-03-01", "--until", "2026-03-02", "--language", "xx"), ("no words in `xx`",)),
        (("--from", "2026-03-01", "--until", "2026-03-02", "--edition", "public", "--no-log"), ("always in the log",)),
        (("--from", "2026-03-01", "--until", "2026-03-02", "--edition", "public"), ("no log",)),
        (("--from", "2026-03-01T01:00Z", "--until", "2026-03-02", "--edition", "public"), ("whole days",)),
    ],
)
def test_wrong_use_writes_nothing(tmp_path: Path, arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    home = make_home(tmp_path / "home", registers=False)
    refused(groundrule("oversight", *arguments, "--home", home.path, "--out", tmp_path / "out"), *words)
    assert not (tmp_path / "out").exists()


def test_no_home_is_said(tmp_path: Path) -> None:
    options = ("--from", "2026-03-01", "--until", "2026-03-02", "--home", tmp_path / "no", "--out", tmp_path / "out")
    refused(groundrule("oversight", *options), "home")
