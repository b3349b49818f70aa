"""The import of a list is in the log, so that a list that is kept out of date shows. Persons and list entries are invented."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import groundrule.govern.quorum as quorums
from board import Board, make_board
from console import groundrule, refused
from groundrule.govern.list_imports import WHAT
from groundrule.ledger.entry import Entry
from groundrule.ledger.reader import read_log
from groundrule.pipeline.home_ledger import LedgerSetup, log_folder
from groundrule.screen.match import ALGORITHM
from groundrule.store.home import Home
from small_home import BOOK, make_home

PERSON = {
    "id": "inv-1", "schema": "Person",
    "properties": {"name": ["Doktor Exempel Listed (invented)"], "weakAlias": ["Grauer Muster"], "topics": ["sanction"],
                   "birthDate": ["1960-01-01"]},
}  # fmt: skip


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Board:
    folder = tmp_path_factory.mktemp("lists-logged")
    home = make_home(folder / "home", ledger=LedgerSetup())
    board = make_board(home.path, folder)
    board.begin()
    board.write("trains.yaml", BOOK.replace("unless: [{list: pass}]", "unless: [{list: pass}, {programme: rail}]"))
    return board


@pytest.fixture
def board(template: Board, tmp_path: Path) -> Board:
    shutil.copytree(template.folder, tmp_path / "case")
    return Board(Home.open(tmp_path / "case" / "home").path, tmp_path / "case", template.parties)


def bodies(board: Board, kind: str) -> list[dict[str, Any]]:
    log = read_log(log_folder(Home.open(board.home)))
    entries = [Entry.decode(data) for data in log.tree(log.integrated_size).entries()]
    return [entry.body for entry in entries if entry.kind == kind]


def imported(board: Board, people: list[dict[str, Any]], published: str) -> dict[str, Any]:
    board.write("invented.ftm.json", "".join(json.dumps(each) + "\n" for each in people))
    answer = board.run("lists", "import", board.folder / "invented.ftm.json", "--source", "invented-list", "--published", published)
    (report,) = answer["lists"]
    return dict(report)


def asked(board: Board, *names: str) -> str:
    board.write("letter.txt", "Let trains pass (invented).")
    made = board.run("request", "open", board.write("request.json", {
        "requester": {"kind": "natural_person", "names": list(names)}, "channel": "letter", "purpose": "commercial",
        "received_by": board.parties["reg"], "received_at": "2026-11-01T08:00Z", "text": "letter.txt",
        "ask": [{"op": "serve", "object": "rulebook/small"}],
    }))  # fmt: skip
    return str(made["id"])


def test_every_import_is_an_entry_without_names(board: Board) -> None:
    first = imported(board, [PERSON], "2026-11-01")
    again = imported(board, [PERSON], "2026-11-01")
    (one, two) = [body for body in bodies(board, "evidence") if body["what"] == WHAT]
    assert (one["source"], one["published"], one["entries"], one["broken"]) == ("invented-list", "2026-11-01T00:00:00.000Z", 1, 0)
    assert (one["new"], two["new"]) == (True, False)
    assert one["sha256"] == first["digest"].removeprefix("sha256:")
    assert one["files"] == [each["sha256"].removeprefix("sha256:") for each in first["files"]]
    assert again["log_entry"] == first["log_entry"] + 1
    public = b"".join(path.read_bytes() for path in log_folder(Home.open(board.home)).rglob("*") if path.is_file())
    assert b"Exempel" not in public
    assert b"Muster" not in public
    # By hand nobody states an import.
    forged = board.write("forged.jsonl", json.dumps({"kind": "evidence", "body": one | {"sha256": "0" * 64}}) + "\n")
    refused(board.try_("ledger", "append", forged), "not made by hand")


def test_a_home_without_a_log_imports_as_before(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home").path
    (tmp_path / "invented.ftm.json").write_text(json.dumps(PERSON) + "\n")
    answer = groundrule("lists", "import", tmp_path / "invented.ftm.json", "--source", "invented-list", "--published", "2026-11-01",
                        "--home", home, "--json")  # fmt: skip
    assert answer.json["lists"][0]["log_entry"] is None


def test_the_log_alone_says_that_a_screening_is_out_of_date(board: Board) -> None:
    """I11: whoever folds the log, without the home's lists, sees that a newer list was there."""
    imported(board, [PERSON], "2026-11-01")
    request = asked(board, "Aland Rail Person (invented)")
    proposal = str(board.propose({"rulebook": board.folder / "trains.yaml"}, requests=[request])["proposal"])
    board.approve(proposal, "ada", "bo")
    (row,) = board.run("request", "screen", request)["screenings"]
    assert row["algorithm"] == ALGORITHM
    old = row["snapshots"]
    imported(board, [PERSON, PERSON | {"id": "inv-2"}], "2026-11-02")
    # Somebody keeps the outdated list on purpose: the newer one vanishes from the home, and the old one is used again.
    shutil.rmtree(board.home / "lists")
    imported(board, [PERSON], "2026-11-01")
    (row,) = board.run("request", "screen", request)["screenings"]
    assert row["snapshots"] == old
    refused(board.try_("enact", proposal), "of 2026-11-02 is newer than the screening")


def test_a_list_that_nobody_asked_for_again_is_stale(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    imported(board, [PERSON], "2026-11-01")
    request = asked(board, "Aland Rail Person (invented)")
    board.run("request", "screen", request)
    proposal = str(board.propose({"rulebook": board.folder / "trains.yaml"}, requests=[request])["proposal"])
    board.approve(proposal, "ada", "bo")
    monkeypatch.setattr(quorums, "LIST_AGE_NS", -1)
    refused(board.try_("enact", proposal), "was not asked for 24 hours")
    monkeypatch.undo()
    imported(board, [PERSON], "2026-11-01")
    assert board.run("enact", proposal)["in_force"]


def test_a_weak_name_is_on_record_and_waits_for_nobody(board: Board) -> None:
    imported(board, [PERSON], "2026-11-01")
    weak = board.run("request", "screen", asked(board, "Grauer Muster (invented)"))
    (candidate,) = weak["screenings"][0]["candidates"]
    assert (candidate["entry_uid"], candidate["disposition"]) == ("invented-list:inv-1", "weak")
    # A registrar may still find that it is the same person.
    found = board.run("request", "dispose", weak["screenings"][0]["id"], "invented-list:inv-1", "--as", "true",
                      "--by", board.parties["reg"], "--reason", "known by other means")  # fmt: skip
    assert found["listed"]
    strong = board.run("request", "screen", asked(board, "Doktor Exempel Listed (invented)"), code=1)
    assert strong["screenings"][0]["candidates"][0]["disposition"] == "unresolved"


def test_the_two_published_lists_of_february_2022(board: Board, shared_data: Path) -> None:
    """A screening with the list of the 24th holds no longer when that of the 26th is imported."""

    def took(day: str) -> None:
        folder = shared_data / "sanctions" / f"ofac-sdn-{day}"
        assert board.run("lists", "import", folder, "--published", day)["lists"][0]["log_entry"]

    took("2022-02-24")
    request = asked(board, "Zzyzx Qwormf (invented)")
    board.run("request", "screen", request)
    proposal = str(board.propose({"rulebook": board.folder / "trains.yaml"}, requests=[request])["proposal"])
    board.approve(proposal, "ada", "bo")
    took("2022-02-26")
    refused(board.try_("enact", proposal), "list `us-ofac-sdn` of 2022-02-26 is newer")
    board.run("request", "screen", request)
    assert board.run("enact", proposal)["in_force"]
