"""Every kind of change and record by command: areas, lists, waivers, rotation of the charter, contacts of one's own, nil returns."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest

from board import Board, make_board
from console import groundrule, refused
from groundrule.pipeline.home_ledger import LedgerSetup
from groundrule.store.home import Home
from small_home import BOOK, make_home, run, stream


def stamp(offset_s: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(time.time() + offset_s))


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Board:
    folder = tmp_path_factory.mktemp("commands")
    home = make_home(folder / "home", ledger=LedgerSetup())
    run(home, stream(4))
    board = make_board(home.path, folder)
    board.begin(covered={"di": "executive"})
    return board


@pytest.fixture
def board(template: Board, tmp_path: Path) -> Board:
    shutil.copytree(template.folder, tmp_path / "case", ignore=shutil.ignore_patterns("*.seen*"))
    return Board(Home.open(tmp_path / "case" / "home").path, tmp_path / "case", template.parties)


def zone(board: Board, east: float) -> Path:
    ring = [[4, 4], [east, 4], [east, 5], [4, 5], [4, 4]]
    feature = {"type": "Feature", "properties": {"id": "depot", "kind": "zone", "name": "Depot (invented)"},
               "geometry": {"type": "Polygon", "coordinates": [ring]}}  # fmt: skip
    return board.write(f"zone-{east}.geojson", {"type": "FeatureCollection", "features": [feature]})


def test_an_area_is_made_moved_and_taken_away_by_three_of_two_groups(board: Board) -> None:
    def change(*names: str, **wanted: object) -> list[str]:
        made = board.propose(wanted) if wanted else board.run("propose", board.folder / "proposal.json", "--delete", "area/depot")
        assert made["class"] == "sensitive"
        board.approve(made["proposal"], *names)
        board.run("enact", made["proposal"])
        return [str(line) for line in made["changes"]]

    assert "create area/depot" in change("ada", "bo", "cy", area=zone(board, 5))[0]
    listed = {each["id"] for each in board.run("areas", "list")["areas"]}
    assert "depot" in listed
    moved = change("ada", "bo", "di", area=zone(board, 6))
    assert any("outline changes" in line for line in moved)
    assert "delete area/depot" in change("ada", "bo", "eve")[0]
    assert "depot" not in {each["id"] for each in board.run("areas", "list")["areas"]}
    assert board.run("govern", "check")["differences"] == []


def test_two_of_one_group_are_no_two_groups(board: Board) -> None:
    # Ada and di depend on the same office, and with bo there are three persons, from two groups.
    made = board.propose({"area": zone(board, 5)})
    board.approve(made["proposal"], "ada", "di")
    refused(board.try_("enact", made["proposal"]), "2 of 3 persons")
    board.approve(made["proposal"], "bo")
    assert board.run("enact", made["proposal"])["in_force"]


def test_a_list_takes_a_batch_within_its_quotas(board: Board) -> None:
    entry = {"terminal_id": "car", "holder": "p7", "state": "active", "legal_class": "individual"}
    batch = {"list": {"title": "Pass (invented)", "source": "a test", "quota_individual": 1}, "add": [entry]}
    file = board.write("batch.json", batch)
    made = board.propose({"list/pass": file})
    assert made["class"] == "sensitive"
    assert any("active, individual" in line for line in made["changes"])
    board.approve(made["proposal"], "ada", "bo", "cy")
    assert board.run("enact", made["proposal"])["in_force"]
    over = board.write("over.json", {"add": [entry | {"terminal_id": "van"}]})
    draft = board.folder / "proposal.json"
    refused(board.try_("propose", draft, "--change", f"list/pass={over}"), "would have 2 devices")
    dry = board.run("propose", draft, "--change", f"list/other={file}", "--dry-run")
    assert (dry["index"], dry["standing"], dry["class"]) == (None, "not logged", "sensitive")
    wrong = board.write("wrong.json", {"added": []})
    refused(board.try_("propose", board.folder / "proposal.json", "--change", f"list/pass={wrong}"), "unknown field `added`")
    refused(board.try_("propose", board.folder / "proposal.json"), "nothing would change")
    refused(board.try_("propose", board.folder / "proposal.json", "--change", "rulebook"), "names no file")


def test_a_class_is_raised_and_never_lowered(board: Board) -> None:
    other = board.write("other.yaml", BOOK.replace("unless: [{list: pass}]", "unless: [{list: pass}, {programme: rail}]"))
    made = board.propose({"rulebook": other}, **{"class": "critical"})
    assert (made["class"], made["needs"]["notice_hours"]) == ("critical", 24)
    written = json.loads((board.folder / "proposal.json").read_text()) | {"class": "routine"}
    board.write("lower.json", written)
    refused(board.try_("propose", board.folder / "lower.json", "--change", f"area={zone(board, 5)}"), "may only raise")


def test_the_charter_is_rotated_by_both_quorums(board: Board) -> None:
    draft = board.draft(covered={"di": "executive"})
    draft["limits"] = {"request_days": 20}
    made = board.run("charter", "draft", board.write("next.yaml", draft), "--out", board.folder / "next.json")
    assert made["version"] == 2
    signed = []
    for name in ("ada", "bo", "cy"):
        signed.append(board.folder / f"{name}.next.sig")
        answer = groundrule("charter", "sign", board.folder / "next.json", "--key", board.key(name), "--out", signed[-1], "--yes")
        assert answer.code == 0, answer
    refused(board.try_("charter", "rotate", *signed[:2]), "root persons signed")
    refused(board.try_("charter", "rotate", signed[0], board.folder / "bo.sig"), "signs other bytes")
    assert board.run("charter", "rotate", *signed)["version"] == 2
    assert board.run("charter", "show")["charter"]["limits"]["request_days"] == 20


def test_a_person_tells_a_contact_and_the_absence_of_one(board: Board) -> None:
    told = {
        "covered_person": board.parties["bo"], "counterparty": {"kind": "government_body", "names": ["Ministry Muster (invented)"]},
        "channel": "meeting", "occurred_from": stamp(-7200), "occurred_to": stamp(-3600), "reported_by": board.parties["bo"],
        "basis": "self",
    }  # fmt: skip
    file = board.write("contact.json", told)
    made = board.run("contact", "add", file, "--key", board.key("bo"))
    assert (made["status"], made["late"], made["allegation"]) == ("self_reported", False, False)
    assert made["public"]["covered_person"] == board.parties["bo"]
    # Somebody else's signature vouches for nothing: the report stays an allegation.
    other = board.run("contact", "add", board.write("c.json", told | {"reported_at": stamp(-60)}), "--key", board.key("cy"))
    assert other["allegation"]
    nil = ("contact", "nil", board.parties["cy"], "--from", "2026-01-01", "--until", "2026-07-01")
    assert board.run(*nil, "--key", board.key("cy"))["covered_person"] == board.parties["cy"]
    listed = board.run("contact", "list")
    assert len(listed["contacts"]) == 2
    assert len(listed["nil_returns"]) == 1
    refused(board.try_("contact", "update", made["id"], "--status", "denied", "--by", board.parties["bo"]), "review")
    refused(board.try_("contact", "add", board.write("bad.json", told | {"whom": 1})), "unknown field `whom`")


def test_what_is_known_of_a_party_stays_in_the_home(board: Board) -> None:
    made = board.run("request", "party", board.write("party.json", {"kind": "natural_person", "names": ["Muster Exempel (invented)"]}))
    more = {"id": made["party"], "kind": "natural_person", "names": ["Muster Exempel (invented)", "Мустер Эксемпел (invented)"]}
    assert board.run("request", "party", board.write("party.json", more))["changed"]
    refused(board.try_("request", "party", board.write("party.json", more | {"names": ["Somebody Else (invented)"]})), "other names")
    file = board.home / "governance" / "parties" / f"{made['party']}.json"
    assert file.stat().st_mode & 0o077 == 0
    file.write_bytes(file.read_bytes().replace(b"natural_person", b"natural_parson"))
    answer = board.try_("request", "party", board.folder / "party.json")
    assert answer.code == 1
    assert "has been changed" in answer.err


def test_a_home_without_a_charter_says_so(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", ledger=LedgerSetup()).path
    assert groundrule("charter", "show", "--home", home).code == 1
    assert groundrule("govern", "status", "--home", home, "--json").json["governed"] is False
    (tmp_path / "p.json").write_text("{}")
    refused(groundrule("propose", tmp_path / "p.json", "--home", home), "no charter")
    refused(groundrule("contact", "list", "--home", home), "no charter")
    refused(groundrule("request", "screen", "x", "--home", home), "no charter")
