"""One incident by command line, from the request to the proof; then a second request that is refused and stays visible."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from board import Board, make_board
from console import groundrule
from groundrule.pipeline.home_ledger import LedgerSetup, log_folder
from groundrule.store.home import Home
from small_home import BOOK, make_home

VERIFIER = Path(__file__).parents[2] / "tools" / "groundrule_verify.py"
TRAINS_PASS = BOOK.replace("unless: [{list: pass}]", "unless: [{list: pass}, {programme: rail}]").replace("version: 1", "version: 2")
LISTED = {
    "id": "inv-1", "schema": "Person",
    "properties": {"name": ["Doktor Exempel Listed (invented)"], "topics": ["sanction"], "birthDate": ["1960-01-01"]},
}  # fmt: skip


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Board:
    folder = tmp_path_factory.mktemp("story")
    home = make_home(folder / "home", ledger=LedgerSetup())
    made = make_board(home.path, folder)
    made.begin()
    (folder / "invented.ftm.json").write_text(json.dumps(LISTED) + "\n")
    made.run("lists", "import", folder / "invented.ftm.json", "--source", "invented-list", "--published", "2026-11-01")
    return made


def outcome(board: Board, at: str) -> str:
    """Decide a report of the train in the closed zone, prove it, and say how it was answered."""
    board.run("decide", board.write("o.csv", f"terminal_id,observed_at,lat_deg,lon_deg\ntrain,{at}T11:00:00Z,2.5,2.5\n"))
    proved = board.run("ledger", "prove", "train", "--out", board.folder / f"train-{at}.tlog-proof")
    return str(proved["fields"]["outcome"])


def verified(board: Board, receipt: Path) -> dict[str, object]:
    ran = subprocess.run(
        [sys.executable, VERIFIER, receipt, "--policy", log_folder(Home.open(board.home)) / "policy", "--json"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    found: dict[str, object] = json.loads(ran.stdout)
    return found


def test_from_a_request_to_the_proof_and_a_refused_one_beside_it(board: Board) -> None:
    assert outcome(board, "2026-03-02") == "deny"
    letter = board.write("letter.txt", "Please let our trains (invented) pass the closed zone.")
    asked = {
        "requester": {"kind": "legal_entity", "names": ["Aland Rail (invented)"], "jurisdiction": "SE"},
        "channel": "letter", "received_by": board.parties["reg"], "received_at": "2026-11-01T08:00Z", "text": letter.name,
        "ask": [{"op": "serve", "object": "rulebook/small", "detail": "the closed zone, for trains"}],
        "purpose": "commercial",
    }  # fmt: skip
    request = board.run("request", "open", board.write("request.json", asked))
    screened = board.run("request", "screen", request["id"])
    assert screened["screenings"][0]["candidates"] == []
    proposal = board.propose(
        {"rulebook": board.write("trains.yaml", TRAINS_PASS)}, requests=[request["id"]], rationale="on rails only (invented)"
    )
    assert proposal["class"] == "routine", proposal
    assert any("rail" in line for line in proposal["changes"]), proposal["changes"]
    assert proposal["changed"] == 1
    early = board.try_("enact", proposal["proposal"])
    assert early.code == 2
    assert "0 of 2 persons" in early.err
    first, second = board.approve(proposal["proposal"], "ada", "bo")
    assert "1 of 2 persons" in first.json["approvals"][0]["standing"]
    assert "the quorum holds" in second.json["approvals"][0]["standing"]
    enacted = board.run("enact", proposal["proposal"])
    assert enacted["in_force"]
    assert len(enacted["approvals"]) == 2
    board.run("request", "close", request["id"], "--outcome", "proposed", "--reason", "enacted after two approvals")
    assert outcome(board, "2026-03-09") == "serve"
    for day in ("2026-03-02", "2026-03-09"):
        seen = verified(board, board.folder / f"train-{day}.tlog-proof")
        assert seen["holds"]

    letter.write_text("Please cut off the hospital of a rival (invented).")
    asked |= {
        "requester": {"kind": "natural_person", "names": ["Rival Exempel (invented)"]},
        "ask": [{"op": "deny", "object": "terminal/van", "detail": "no reason stated"}],
    }
    second_request = board.run("request", "open", board.write("second.json", asked))
    refused = board.run("request", "close", second_request["id"], "--outcome", "refused", "--reason", "no legal basis is stated")
    assert refused["outcome"] == "refused"
    listed = {each["id"]: each for each in board.run("request", "list", "--public")["requests"]}
    assert listed[request["id"]]["outcome"] == "proposed"
    assert (listed[second_request["id"]]["outcome"], listed[second_request["id"]]["reason"]) == ("refused", "no legal basis is stated")
    public = b"".join(path.read_bytes() for path in log_folder(Home.open(board.home)).rglob("*") if path.is_file())
    assert b"Exempel" not in public
    assert b"no legal basis is stated" in public
    entry = board.run("ledger", "prove", "--entry", refused["index"], "--out", board.folder / "refused.tlog-proof")
    policy = log_folder(Home.open(board.home)) / "policy"
    checked = groundrule("ledger", "verify", entry["proof"], "--entry", entry["entry"], "--policy", policy)
    assert checked.code == 0, checked
    assert board.run("govern", "check")["differences"] == []
    status = board.run("govern", "status")
    assert status["wrong"] == []
    assert status["refused_acts"] == 1
