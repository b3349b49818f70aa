"""Fields of private records are opened by command: asked for, proposed, approved by role review, enacted, verified by others."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from board import Board, make_board
from console import groundrule, refused
from groundrule.pipeline.home_ledger import LedgerSetup
from groundrule.store.home import Home
from small_home import make_home, run, stream
from stories import public_bytes, verified

COURT = "party-" + "c0" * 16
LIST = '{"id": "invented-9", "schema": "Person", "properties": {"name": ["Marshal Exempel Grandios (invented)"]}}\n'


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Board:
    folder = tmp_path_factory.mktemp("disclosure")
    home = make_home(folder / "home", ledger=LedgerSetup())
    run(home, stream(4))
    board = make_board(home.path, folder)
    board.begin()
    (folder / "list.ftm.json").write_text(LIST)
    board.run("lists", "import", folder / "list.ftm.json", "--source", "invented-list", "--published", "2026-01-01")
    return board


@pytest.fixture
def board(template: Board, tmp_path: Path) -> Board:
    shutil.copytree(template.folder, tmp_path / "case", ignore=shutil.ignore_patterns("*.seen*"))
    return Board(Home.open(tmp_path / "case" / "home").path, tmp_path / "case", template.parties)


def ask(board: Board, op: str = "disclose") -> str:
    (board.folder / "letter.txt").write_text("Where was it? (invented)")
    value = {
        "requester": {"id": COURT, "kind": "government_body", "names": ["District Court Muster (invented)"]},
        "on_behalf_of": ["self"], "channel": "court_order", "received_by": board.parties["reg"], "text": "letter.txt",
        "ask": [{"op": op, "object": "one terminal"}], "legal_basis": {"kind": "court", "reference": "order 7 (invented)"},
        "purpose": "law_enforcement",
    }  # fmt: skip
    made = board.run("request", "open", board.write("request.json", value))
    board.run("request", "screen", made["id"])
    return str(made["id"])


def order(board: Board, *fields: str, **more: Any) -> Path:
    records = [{"terminal": "car", "fields": list(fields)}, {"terminal": "train", "fields": ["outcome"]}]
    basis = {"kind": "court", "reference": "order 7 (invented)"}
    value = {"recipient": COURT, "legal_basis": basis, "records": records} | more
    return board.write(f"order-{len(list(board.folder.glob('order-*')))}.json", value)


def draft(board: Board, *requests: str) -> Path:
    written = {"author": board.parties["author"], "rationale": "a court orders it (invented)",
               "reversal_plan": "what was told stays told", "requests": list(requests)}  # fmt: skip
    return board.write(f"draft-{len(requests)}-{''.join(requests)[-8:]}.json", written)


def test_a_court_gets_the_fields_ordered_and_no_others(board: Board, tmp_path: Path) -> None:
    request = ask(board)
    made = board.run("propose", draft(board, request), "--disclose", order(board, "terminal_id", "position"))
    assert made["class"] == "disclosure"
    assert made["changed"] == 0
    assert any("opens position, terminal_id of record" in line for line in made["changes"])
    # Before it is enacted nothing is opened, and the request is not answered.
    refused_write = board.try_("disclosure", "write", made["proposal"], "--out", tmp_path / "early")
    assert refused_write.code == 2
    assert "not enacted" in refused_write.err
    answer = board.try_("request", "close", request, "--outcome", "proposed", "--reason", "as ordered")
    assert answer.code == 2
    assert "enacted disclosure only" in answer.err
    assert not (tmp_path / "early").exists()
    # Policy persons have no say in it, and one reviewer is no quorum.
    board.approve(made["proposal"], "ada", code=2)
    board.approve(made["proposal"], "fay")
    assert "of 2 persons" in board.try_("enact", made["proposal"]).err
    board.approve(made["proposal"], "gus")
    done = board.run("enact", made["proposal"])
    assert done["in_force"]
    assert done["policy_digest_before"] == done["policy_digest_after"]

    opened = board.run("disclosure", "write", made["proposal"], "--out", tmp_path / "court")
    assert len(opened["receipts"]) == 2
    fields: dict[str, Any] = {}
    for receipt in opened["receipts"]:
        told = verified(Path(receipt), board.home)
        fields |= told["fields"]
        again = groundrule("ledger", "verify", receipt, "--policy", tmp_path / "court" / "policy", "--json")
        assert again.code == 0, again
    assert set(fields) == {"terminal_id", "position", "outcome"}
    assert fields["terminal_id"] == "car"
    assert (tmp_path / "court").stat().st_mode & 0o077 == 0
    proof = tmp_path / "court" / "enactment.tlog-proof"
    entry = groundrule("ledger", "verify", proof, "--entry", proof.with_suffix(".entry"), "--policy", tmp_path / "court" / "policy")
    assert entry.code == 0, entry

    assert board.run("request", "close", request, "--outcome", "proposed", "--reason", "as ordered")["outcome"] == "proposed"
    listed = board.run("disclosure", "list")["disclosures"]
    assert listed[0]["order"]["recipient"] == COURT
    assert listed[0]["requests"] == [request]
    public = public_bytes(board.home)
    assert b"position" in public  # which fields were opened is public, and
    position = json.dumps(fields["position"], separators=(",", ":"), sort_keys=True).encode()
    assert position not in public  # what they hold is not
    assert board.run("govern", "check")["differences"] == []
    # Again it gives the same, and never into a folder in use.
    assert board.try_("disclosure", "write", made["proposal"], "--out", tmp_path / "court").code == 2
    board.run("disclosure", "write", made["proposal"], "--out", tmp_path / "again")
    for each in opened["receipts"]:
        assert (tmp_path / "again" / Path(each).name).read_bytes()


def test_a_disclosure_that_is_not_in_order_is_refused_with_the_reason(board: Board) -> None:
    request, other = ask(board), ask(board, "serve")
    good = order(board, "position")
    cases = [
        (draft(board, other), good, "nobody asks for this disclosure"),
        (draft(board, request), order(board, "position", recipient="party-" + "ee" * 16), "neither requester nor beneficiary"),
        (draft(board, request), order(board, "position", legal_basis=None), "stated legal basis"),
        (draft(board, request), order(board, "diary"), "no field `diary`"),
    ]
    for file, wanted, said in cases:
        answer = board.try_("propose", file, "--disclose", wanted)
        assert answer.code == 2, answer
        assert said in answer.err
    refused(board.try_("propose", draft(board, request), "--disclose", good, "--delete", "area/closed"), "stands alone")
    refused(board.try_("propose", draft(board, request), "--disclose", order(board, "position", records=[])), "names no records")
    refused(board.try_("propose", draft(board, request), "--disclose", order(board, "position", whom=1)), "unknown field `whom`")
    nowhere = [{"batch_index": 999_999, "leaf_index": 0, "fields": ["position"]}]
    refused(board.try_("propose", draft(board, request), "--disclose", order(board, records=nowhere)), "not there")
    reasons = {each["code"] for each in board.run("govern", "refusals")["refused"]}
    assert {"no_disclosure_request", "recipient_not_concerned", "disclosure_without_basis"} <= reasons


def test_the_operator_hands_out_no_place_and_no_identity_by_itself(board: Board) -> None:
    told = board.run("ledger", "prove", "car", "--out", board.folder / "car.tlog-proof")["fields"]
    assert "outcome" in told
    assert not {"terminal_id", "account_id", "position", "h3_r7"} & told.keys()
    answer = board.try_("ledger", "prove", "car", "--fields", "outcome,position", "--out", board.folder / "x.tlog-proof")
    assert answer.code == 2
    assert "enacted disclosure only" in answer.err
    assert not (board.folder / "x.tlog-proof").exists()
    owner = board.run("ledger", "prove", "car", "--for", "owner", "--out", board.folder / "own.tlog-proof")["fields"]
    assert owner["terminal_id"] == "car"


@pytest.mark.parametrize(
    "reason", ["it was at 48.1234, 37.9876", "it is late payer's", "cell 872830828ffffff", "seen at 48° 12' north"]
)
def test_an_answer_tells_no_place_in_public_words(board: Board, reason: str) -> None:
    request = ask(board, "serve")
    reason = reason.replace("late payer's", "terminal acc-a")
    answer = board.try_("request", "close", request, "--outcome", "refused", "--reason", reason)
    assert answer.code == 2, answer
    assert "would tell" in answer.err
    assert reason.encode() not in public_bytes(board.home)
    # What was done without an order can always be put on record, and is an alert.
    board.run("request", "close", request, "--outcome", "informally_followed", "--reason", "told by telephone")
    assert board.try_("govern", "status").code == 1


def test_an_erased_record_is_not_opened(board: Board, tmp_path: Path) -> None:
    request = ask(board)
    made = board.run("propose", draft(board, request), "--disclose", order(board, "position"))
    board.approve(made["proposal"], "fay", "gus")
    board.run("ledger", "erase", "account:acc-a", "--basis", "a right (invented)", "--yes")
    answer = board.try_("enact", made["proposal"])
    assert answer.code == 2
    assert "was erased on" in answer.err
    assert board.try_("disclosure", "write", made["proposal"], "--out", tmp_path / "none").code == 2
