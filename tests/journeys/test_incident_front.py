"""From a craft near the front to a dossier, by command alone: what a stranger learns who has only the file, and the oversight report
of the same home, counted again by hand.
"""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import time
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from console import groundrule
from groundrule.instant import format_instant
from groundrule.ledger.entry import Entry
from groundrule.ledger.reader import read_log
from groundrule.pipeline.home_ledger import log_folder
from groundrule.store.home import Home
from stories import VERIFIER, play, public_bytes

CHECKER = VERIFIER.parent / "verify_dossier.py"


SINCE = "2000-01-01"


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home that the story leaves; it is played once, since it takes as long as a hundred other tests."""
    return Path(play("front", tmp_path_factory.mktemp("story"))["home"])


def test_the_story_ends_in_a_dossier_that_a_stranger_checks_and_reads(front: Path, tmp_path: Path) -> None:
    home, folder = front, front.parent / "dossier"
    ran = subprocess.run(
        [sys.executable, CHECKER, folder / "dossier.zip", "--policy", home / "ledger" / "policy", "--json"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    found = json.loads(ran.stdout)
    assert (ran.returncode, found["holds"]) == (0, True), ran.stdout + ran.stderr
    assert found["verdict"] == "holds"
    assert found["named_by"].startswith("entry ")
    assert found["openings"] >= 4
    assert {kind for _, kind, _ in found["entries"]} >= {"request", "proposal", "approval", "enactment", "contact", "screening"}
    assert {outcome for _, _, outcome in found["receipts"]} == {"deny", "serve"}
    with zipfile.ZipFile(io.BytesIO((folder / "dossier.zip").read_bytes())) as archive:
        read = json.loads(archive.read("dossier.json"))
    statements = [each for section in read["sections"] for each in section["statements"]]
    keys = {each["phrase"]["key"]: each for each in statements}
    # Who decided, on whose request, through whom; and that for whom is not known.
    roles = {role for party in read["parties"] for role, _ in party["parts"]}
    assert roles >= {"requester", "conveyed", "author", "approved", "covered_alleged", "reporter_alleged"}
    assert keys["request_behalf_unknown"]["standing"] == "unknown"
    # Why it was served: the nearest rule that would have denied it.
    gaps = {each["phrase"]["values"]["gaps"] for each in statements if each["phrase"]["key"] == "why_not_denied"}
    assert "with programme survey" in gaps
    # What the newspaper says is a claim, in every sentence; nobody's dinners are on record.
    told_of = [each for each in statements if each["phrase"]["key"] in ("contact_basis_press", "report_reports", "report_denies")]
    assert len(told_of) == 3
    assert {each["standing"] for each in told_of} == {"claim"}
    assert all(each["sources"] for each in statements if each["standing"] != "unknown")
    # The rule in force, its beginning, and that the second night was answered by a rulebook younger than itself.
    assert {rule["brought_by"] for rule in read["rules"]} >= {"genesis", keys["enactment_made"]["about"][0]}
    assert all(row["rulebook"] and row["decided_ns"] and row["logged_ns"] for row in read["decisions"])
    assert {"rule_younger", "change_other", "preview_differs", "decided_by_change"} <= {each["phrase"]["key"] for each in read["summary"]}
    # Every rule that a sentence rests on is there, the exception in its wording, too.
    assert {rule["rule"] for rule in read["rules"]} == {"strip-speed", "suspended"}
    assert any("unless" in rule["text"] for rule in read["rules"])
    # Beside the allegation stands who denies it.
    assert {"report_denies", "report_no_reply"} <= {each["phrase"]["key"] for each in read["summary"]}
    # What the paper writes stands there, too, and that the statement was signed before the allegation was on record.
    assert {"report_reports", "contact_own_word"} <= {each["phrase"]["key"] for each in read["summary"]}
    assert {each["standing"] for report in read["reports"] for each in report["claims"]} == {"claim"}
    assert {each["kind"] for report in read["reports"] for each in report["claims"]} == {"assertion"}
    # What the change made of the answer was computed, and what it hung on is told first: an entry of the register that nobody signed.
    first = [each["phrase"]["key"] for each in read["summary"]]
    assert {"made_difference", "made_by_exception", "hinge_register", "unknown_entered"} <= set(first)
    assert keys["made_difference"]["phrase"]["values"]["other"] == "code:deny"
    assert {each["phrase"]["values"]["fastest"] for each in statements if each["phrase"]["key"] == "measured_speed_even"} == {144}
    # Answers that were given afterwards are acts of that later time, in the table as in the picture.
    rows = (folder / "dossier.zip").read_bytes()
    with zipfile.ZipFile(io.BytesIO(rows)) as archive:
        table = archive.read("timeline.csv").decode("utf-8-sig").splitlines()
    assert [line[1:20] for line in table[1:]] == sorted(line[1:20] for line in table[1:])
    answered = max(place for place, line in enumerate(table) if "were answered only afterwards" in line)
    assert answered > next(place for place, line in enumerate(table) if "came into force, 3 approvals" in line)
    others = {each["phrase"]["values"]["other"]: each["phrase"]["values"] for each in statements if each["phrase"]["key"] == "others_there"}
    assert (others["ambulance-3"]["outcome"], others["ambulance-3"]["speed"]) == ("code:deny", 90)
    # It was denied only after it had been fast for long enough: not from the beginning of the craft's answer.
    craft = next(row for row in read["decisions"] if row["outcome"] == "serve" and row["count"] > 2)
    assert others["ambulance-3"]["from"] > format_instant(int(craft["first_ns"]))
    assert keys["unknown_holder"]["standing"] == "unknown"
    assert keys["rule_exempts"]["phrase"]["values"]["exempt"] == "with programme survey"
    # The ambulance: the change that follows its denial did not bring it about, and its owner can read what to do.
    said = groundrule("dossier", "terminal", "ambulance-3", "--home", home, "--out", tmp_path / "own", "--no-log", "--no-pdf", "--json")
    assert said.code == 0
    sentences = [each["says"] for each in said.json["summary"]]
    assert any(each.startswith("Change ") and "made no difference to this answer" in each for each in sentences)
    assert any("was in force before change" in each for each in sentences)
    # Both denials are told, which of them was appealed against, and that nobody is on record as having asked for them.
    assert sum(": deny, by rule" in each and each.startswith("What was observed on") for each in sentences) == 2
    assert sum("without a change of mind" in each for each in sentences) == 2
    assert any(each.startswith("Who approved rulebook") for each in sentences)
    order = [next(n for n, each in enumerate(sentences) if each.startswith(start)) for start in (
        "The appeal is against the answer to", "No appeal against the answer to", "Nobody is on record as having asked",
        "Registered as protected (hospital), this terminal was denied at 90 km/h", "What stands on record about change",
        "Steppe Survey Trading (invented) asked to",
    )]  # fmt: skip
    assert order == sorted(order)
    sheet = (tmp_path / "own" / "READ-ME.txt").read_text(encoding="utf-8")
    page = (tmp_path / "own" / "dossier.html").read_text(encoding="utf-8")
    assert "This bundle is not entered in the log." in sheet
    assert "This bundle is not entered in the log." in page[: page.index('id="summary"')]
    assert "We carry the wounded" in page
    assert "The whole case is a demonstration" in page
    ran = subprocess.run(
        [sys.executable, CHECKER, tmp_path / "own" / "dossier.zip", "--policy", home / "ledger" / "policy"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stdout.splitlines()[0]) == (3, "WHOLE, BUT UNVOUCHED.")
    # Names stand in the dossier and not in the log.
    public = public_bytes(home)
    assert b"Ada Muster" not in public
    assert b"craft-9" not in public
    assert groundrule("replay", "--home", home).code == 0


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
