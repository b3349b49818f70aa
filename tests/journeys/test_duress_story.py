"""An approver signs under duress: nobody beside sees it, role review does, and the change is not enacted."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from board import PASSPHRASE, Board, make_board
from console import groundrule, refused
from groundrule.canon import parse_base64
from groundrule.errors import InputError
from groundrule.pipeline.home_ledger import LedgerSetup
from groundrule.signing import open_key
from groundrule.store.home import Home
from small_home import BOOK, make_home, run, stream
from stories import public_bytes

SECOND = "another five invented words"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Board:
    folder = tmp_path_factory.mktemp("duress")
    home = make_home(folder / "home", ledger=LedgerSetup())
    run(home, stream(4))
    board = make_board(home.path, folder)
    board.begin()
    return board


@pytest.fixture
def board(template: Board, tmp_path: Path) -> Board:
    shutil.copytree(template.folder, tmp_path / "case", ignore=shutil.ignore_patterns("*.seen*"))
    return Board(Home.open(tmp_path / "case" / "home").path, tmp_path / "case", template.parties)


def enrol(board: Board, name: str) -> Path:
    (board.folder / "second.txt").write_text(SECOND + "\n")
    code = board.folder / f"{name}.duress"
    made = groundrule("duress", "enrol", board.key(name), "--out", code, "--duress-passphrase-file", board.folder / "second.txt")
    assert made.code == 0, made
    return code


def approve(board: Board, proposal: str, name: str, *, duress: bool) -> dict[str, Any]:
    bundle, out = board.folder / "bundle.zip", board.folder / f"{name}.approval"
    board.run("govern", "export", proposal, "--out", bundle)
    (board.folder / "typed.txt").write_text((SECOND if duress else PASSPHRASE) + "\n")
    made = groundrule("approve", bundle, "--key", board.key(name), "--conflict", "none", "--yes", "--out", out, "--memory",
                      board.folder / f"{name}.seen", "--passphrase-file", board.folder / "typed.txt", "--json")  # fmt: skip
    assert made.code == 0, made
    board.run("govern", "import", out)
    return dict(made.json)


def propose(board: Board) -> str:
    other = board.write("other.yaml", BOOK.replace("above: 75", "above: 90").replace("release_below: 70", "release_below: 85"))
    return str(board.propose({"rulebook": other}, **{"class": "sensitive"})["proposal"])


def test_duress_is_seen_by_role_review_and_by_nobody_else(board: Board) -> None:
    codes = [enrol(board, "ada"), enrol(board, "bo")]
    proposal = propose(board)
    shown = [approve(board, proposal, "ada", duress=True), approve(board, proposal, "bo", duress=False)]
    board.approve(proposal, "cy")
    # What the command shows and what the log holds has one form for both.
    forms = []
    for each in shown:
        envelope = json.loads(Path(each["envelope"]).read_text())
        payload = json.loads(parse_base64(envelope["payload"]))
        payload["seen_checkpoint"]["size"] = 0  # the log grew between the two, perhaps by a digit
        forms.append((sorted(envelope), {name: len(str(value)) for name, value in payload.items()}, sorted(each["approval"])))
    assert forms[0] == forms[1]
    standing = board.try_("govern", "status")
    assert "the quorum holds" in standing.out, "at the time it counts like any other"
    assert b"duress" not in public_bytes(board.home)
    before = public_bytes(board.home)

    found = board.run("duress", "check", *codes, code=1)["duress"]
    assert [(each["person"], each["proposal"]) for each in found] == [(board.parties["ada"], proposal)]
    assert public_bytes(board.home) == before, "to look leaves no trace in the log"
    board.run("duress", "check", codes[1])  # without ada's code nobody can tell

    # Role review opens a review, as it does by lot; then nothing is enacted until it is concluded.
    review = board.run("review", "open", proposal)
    assert "is not concluded" in board.try_("enact", proposal).err
    sign_off(board, review["id"], "reversed")
    assert "review found against" in board.try_("enact", proposal).err
    assert b"duress" not in public_bytes(board.home)
    assert board.run("govern", "check")["differences"] == []


def test_a_review_by_lot_that_finds_nothing_lets_it_pass(board: Board) -> None:
    code = enrol(board, "ada")
    proposal = propose(board)
    approve(board, proposal, "ada", duress=False)
    board.approve(proposal, "bo", "cy")
    assert board.run("duress", "check", code)["duress"] == []
    review = board.run("review", "open", proposal)
    assert board.try_("enact", proposal).code == 2
    sign_off(board, review["id"], "upheld")
    assert board.run("enact", proposal)["in_force"]


def sign_off(board: Board, review: str, verdict: str) -> None:
    out = board.folder / "review.json"
    board.run("review", "draft", review, "--reviewer", board.parties["fay"], "--reviewer", board.parties["gus"], "--verdict", verdict,
              "--findings", "looked at (invented)", "--out", out)  # fmt: skip
    signed = []
    for name in ("fay", "gus"):
        signed.append(board.folder / f"{name}.review")
        made = groundrule("review", "sign", out, "--key", board.key(name), "--out", signed[-1], "--yes", "--json")
        assert made.code == 0, made
    board.run("review", "conclude", *signed)


def test_a_submitting_body_can_say_so_too(board: Board) -> None:
    assert groundrule("key", "new", board.key("council")).code == 0
    code = enrol(board, "council")
    vkey = board.key("council").with_suffix(".key.pub").read_text().strip()
    first = board.propose({"list/aid": board.write("first.json", {"list": {"title": "Aid (invented)", "submitters": [vkey]}})})
    board.approve(first["proposal"], "ada", "bo", "cy")
    board.run("enact", first["proposal"])
    entry = {"terminal_id": "car", "holder": "refugee-1", "state": "active", "legal_class": "individual"}
    found = []
    for passphrase in (PASSPHRASE, SECOND):
        (board.folder / "typed.txt").write_text(passphrase + "\n")
        out = board.folder / "aid.signed.json"
        made = groundrule("batch", "sign", board.write("diff.json", {"add": [entry]}), "--list", "aid", "--key", board.key("council"),
                          "--out", out, "--yes", "--passphrase-file", board.folder / "typed.txt", "--json")  # fmt: skip
        assert made.code == 0, made
        proposal = board.propose({"list/aid": out})["proposal"]
        answer = board.try_("duress", "check", code)
        found.append((answer.code, [each["proposal"] == proposal for each in answer.json["duress"]]))
    assert found == [(0, []), (1, [True])]


def test_every_key_has_two_files_and_neither_tells_which_passphrase_is_for_duress(board: Board) -> None:
    seen: set[str] = set()
    for _ in range(60):  # chance decides which; all of them alike happens once in 2^59 runs
        if len(seen) == 2:
            break
        key = board.key("ada")
        unused = {path.name: path.stat().st_size for path in (key, key.with_name("ada.key.alt"))}
        assert len(set(unused.values())) == 1
        enrol(board, "ada")
        assert {path.name: path.stat().st_size for path in (key, key.with_name("ada.key.alt"))} == unused
        try:
            open_key(key.read_bytes(), SECOND.encode())
            seen.add("second opens the first file")
        except InputError:
            seen.add("second opens the second file")
    assert len(seen) == 2
    (board.folder / "same.txt").write_text(PASSPHRASE + "\n")
    same = ("--out", board.folder / "x", "--duress-passphrase-file", board.folder / "same.txt")
    refused(groundrule("duress", "enrol", board.key("bo"), *same), "the same")
    refused(board.try_("duress", "check", board.key("ada")), "no duress code")
