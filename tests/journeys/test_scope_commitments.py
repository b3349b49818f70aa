"""A contact in scope of a proposal: exact for those who judge, invisible to who reads the log, told to the person before signing.

Persons and companies are invented.
"""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest

from board import Board, make_board
from console import groundrule, refused
from groundrule.cli.governing import governed
from groundrule.errors import ConflictError, ProofFailed
from groundrule.govern.contacts import unlisted
from groundrule.govern.refusal import code_of
from groundrule.govern.signed import parse_time
from groundrule.govern.state import State
from groundrule.ledger.entry import Entry
from groundrule.ledger.reader import read_log
from groundrule.pipeline.bundles import open_bundle
from groundrule.pipeline.governance_view import read_state
from groundrule.pipeline.home_ledger import LedgerSetup, log_folder
from groundrule.pipeline.parties import SCOPE_GROUP
from groundrule.store.home import Home
from small_home import BOOK, make_home


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Board, str, str]:
    """A board, a request, and an allegation of the press that Ada has met who asks."""
    folder = tmp_path_factory.mktemp("scope")
    board = make_board(make_home(folder / "home", ledger=LedgerSetup()).path, folder)
    board.begin()
    board.write("trains.yaml", BOOK.replace("unless: [{list: pass}]", "unless: [{list: pass}, {programme: rail}]"))
    board.write("letter.txt", "Let trains pass (invented).")
    request = board.run("request", "open", board.write("request.json", {
        "requester": {"kind": "legal_entity", "names": ["Aland Rail (invented)"]}, "channel": "letter", "purpose": "commercial",
        "received_by": board.parties["reg"], "received_at": "2026-11-01T08:00Z", "text": "letter.txt",
        "ask": [{"op": "serve", "object": "rulebook/small"}],
    }))  # fmt: skip
    contact = board.run("contact", "add", board.write("contact.json", {
        "covered_person": board.parties["ada"], "counterparty": requester(board),
        "counterparty_kind": "legal_entity", "channel": "meeting", "occurred_from": "2026-10-01T08:00Z", "occurred_to": "2026-10-01T09:00Z",
        "reported_by": {"kind": "unknown", "names": ["Daily Muster (invented)"]}, "basis": "press",
    }))  # fmt: skip
    return board, str(request["id"]), str(contact["id"])


def requester(board: Board) -> str:
    (found,) = board.run("request", "list")["requests"]
    return str(found["ids"]["requester"][0])


@pytest.fixture
def case(template: tuple[Board, str, str], tmp_path: Path) -> tuple[Board, str, str]:
    board, request, contact = template
    shutil.copytree(board.folder, tmp_path / "case")
    return Board(Home.open(tmp_path / "case" / "home").path, tmp_path / "case", board.parties), request, contact


def proposed(board: Board, request: str, **more: Any) -> dict[str, Any]:
    return dict(board.propose({"rulebook": board.folder / "trains.yaml"}, requests=[request], **more))


def entries(board: Board) -> list[Entry]:
    log = read_log(log_folder(Home.open(board.home)))
    return [Entry.decode(data) for data in log.tree(log.integrated_size).entries()]


def outsider(board: Board, openings: dict[str, str] | None = None) -> State:
    found = [(index, each) for index, each in enumerate(entries(board)) if each.stream == "governance"]
    return State.fold([(index, parse_time(each.t), each.kind, each.body) for index, each in found], openings=openings)


def exported(board: Board, proposal: str, *more: str) -> Path:
    out = board.folder / f"{'-'.join(more)[-12:]}.zip"
    board.run("govern", "export", proposal, "--out", out, *more)
    return out


def approved(board: Board, bundle: Path, name: str) -> tuple[dict[str, Any], str]:
    answer = groundrule("approve", bundle, "--key", board.key(name), "--conflict", "none", "--yes", "--json",
                        "--memory", board.folder / f"{name}.seen", "--out", board.folder / f"{name}.approval")  # fmt: skip
    assert answer.code == 0, answer
    return dict(answer.json), answer.err


def test_the_log_does_not_tell_whom_an_allegation_is_about(case: tuple[Board, str, str]) -> None:
    board, request, contact = case
    first, second = proposed(board, request), proposed(board, request, rationale="again (invented)")
    assert first["contacts_in_scope"] == second["contacts_in_scope"] == [contact]
    logged = [each.body["proposal"] for each in entries(board) if each.kind == "proposal"]
    scopes = [set(each["contacts_in_scope"]) for each in logged]
    assert [len(each) for each in scopes] == [SCOPE_GROUP, SCOPE_GROUP]
    assert not scopes[0] & scopes[1], "no commitment stands in two proposals"
    assert contact not in json.dumps(logged)
    # Without an allegation it looks the same.
    clean = board.run("request", "open", board.write("other.json", {
        "requester": {"kind": "legal_entity", "names": ["Bland Rail (invented)"]}, "channel": "letter", "purpose": "commercial",
        "received_by": board.parties["reg"], "received_at": "2026-11-01T08:00Z", "text": "letter.txt",
        "ask": [{"op": "serve", "object": "rulebook/small"}],
    }))  # fmt: skip
    assert proposed(board, str(clean["id"]))["contacts_in_scope"] == []
    assert len([each for each in entries(board) if each.kind == "proposal"][-1].body["proposal"]["contacts_in_scope"]) == SCOPE_GROUP


def test_judging_stays_exact(case: tuple[Board, str, str]) -> None:
    board, request, contact = case
    proposal = proposed(board, request)["proposal"]
    state = read_state(Home.open(board.home))
    logged = state.proposals[proposal]
    assert unlisted(state, logged.proposal, logged.t_ns, exact=True) == ()
    assert [state.openings[each] for each in logged.proposal.contacts_in_scope if each in state.openings] == [contact]
    (board.folder / "bundle.zip").write_bytes(exported(board, proposal).read_bytes())
    approved(board, board.folder / "bundle.zip", "ada")
    refused(board.try_("govern", "import", board.folder / "ada.approval"), "does not count: contact")
    # Who has no openings folds the same log without a violation, and so does who has lost one of them.
    assert outsider(board).violations == []
    assert proposal in outsider(board).proposals
    parties = {commitment: named for commitment, named in state.openings.items() if named.startswith("party-")}
    assert outsider(board, parties).violations == []
    assert proposal in outsider(board, parties).proposals


def test_a_proposal_that_hides_or_names_a_contact_is_refused(case: tuple[Board, str, str]) -> None:
    board, request, contact = case
    proposal = proposed(board, request)["proposal"]
    with governed(board.home) as governance:
        logged = governance.state.proposals[proposal]
        value = logged.proposal.value | {"rationale": "the same by hand (invented)"}
        for scope, code in (([], "contacts_missing"), (["commitment:" + "0" * 64], "contacts_missing"), ([contact], "contact_named")):
            with pytest.raises(ConflictError) as caught:
                governance.propose(value | {"contacts_in_scope": scope}, logged.impact.value)
            assert code_of(caught.value) == code


def test_a_bundle_for_the_accused_says_so_before_signing(case: tuple[Board, str, str]) -> None:
    board, request, contact = case
    proposal = proposed(board, request)["proposal"]
    ada, bo = board.parties["ada"], board.parties["bo"]
    told, err = approved(board, exported(board, proposal, "--for", ada), "ada")
    assert (told["made_for"], told["excluded"]) == (ada, "contact")
    assert f"contact {contact} of yours with Aland Rail (invented)" in err
    assert "would NOT count: a contact of yours" in err
    told, err = approved(board, exported(board, proposal, "--for", bo), "bo")
    assert (told["made_for"], told["excluded"]) == (bo, None)
    assert "NOT" not in err
    told, err = approved(board, exported(board, proposal), "cy")
    assert told["made_for"] is None
    assert "was not made for you" in err
    author = board.parties["author"]
    told, err = approved(board, exported(board, proposal, "--for", author), "author")
    assert "would NOT count: you wrote it" in err
    # At the home itself the bundle is made for whoever has the key.
    answer = groundrule("approve", proposal, "--key", board.key("ada"), "--home", board.home, "--conflict", "none", "--yes",
                        "--out", board.folder / "x.approval")  # fmt: skip
    assert "would NOT count" in answer.err
    assert answer.code == 2, "and the home refuses it"


def test_a_bundle_opens_nothing_of_others_and_never_who_reported(case: tuple[Board, str, str]) -> None:
    board, request, contact = case
    proposal = proposed(board, request)["proposal"]
    state = read_state(Home.open(board.home))
    reporter = state.contacts[contact].contact.reported_by
    mine = json.loads(zipfile.ZipFile(exported(board, proposal, "--for", board.parties["ada"])).read("bundle.json"))
    opened = {each["commitment"]: each.get("party") or each.get("contact") for each in mine["for"]["openings"]}
    assert set(opened.values()) == {board.parties["ada"], requester(board), contact}
    assert reporter not in opened
    assert state.party_of(reporter) not in mine["names"]
    other = json.loads(zipfile.ZipFile(exported(board, proposal, "--for", board.parties["bo"])).read("bundle.json"))
    assert other["for"] == {"excluded": None, "openings": [], "person": board.parties["bo"]}
    assert json.loads(zipfile.ZipFile(exported(board, proposal)).read("bundle.json"))["for"] is None
    refused(board.try_("govern", "export", proposal, "--out", board.folder / "n.zip", "--for", "nobody"), "begin with")


def test_a_forged_opening_is_found(case: tuple[Board, str, str], tmp_path: Path) -> None:
    board, request, _ = case
    proposal = proposed(board, request)["proposal"]
    path = exported(board, proposal, "--for", board.parties["ada"])
    with zipfile.ZipFile(path) as archive:
        parts = {info.filename: archive.read(info) for info in archive.infolist()}
    value = json.loads(parts["bundle.json"])
    value["for"]["openings"][0]["salt"] = value["for"]["openings"][1]["salt"]
    with zipfile.ZipFile(tmp_path / "forged.zip", "w") as archive:
        for name, data in (parts | {"bundle.json": json.dumps(value).encode()}).items():
            archive.writestr(name, data)
    with pytest.raises(ProofFailed, match="opening"):
        open_bundle((tmp_path / "forged.zip").read_bytes())
