"""An emergency for named terminals: the log and whoever reads it see commitments, the openers and the points see names."""

from __future__ import annotations

import json
import shutil
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from board import Board, make_board
from canaries import forms_of_text
from console import groundrule, refused
from groundrule.pipeline.home_ledger import LedgerSetup, log_folder
from groundrule.signing import open_key, sign_envelope
from groundrule.store.home import Home
from small_home import make_home

TERMINAL = "guest-7741-invented"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Board:
    folder = tmp_path_factory.mktemp("terminals")
    board = make_board(make_home(folder / "home", ledger=LedgerSetup()).path, folder)
    board.begin()
    return board


@pytest.fixture
def board(template: Board, tmp_path: Path) -> Board:
    shutil.copytree(template.folder, tmp_path / "case")
    return Board(Home.open(tmp_path / "case" / "home").path, tmp_path / "case", template.parties)


def draft(board: Board, name: str = "emergency", **fields: Any) -> Path:
    wanted = {
        "openers": [board.parties[each] for each in ("ada", "bo")], "condition": "hostile_use_confirmed", "areas": [],
        "terminals": [TERMINAL], "ops": ["deny"], "direction": "deny_only", "ttl_s": 3600,
    }  # fmt: skip
    file = board.folder / f"{name}.json"
    board.run("emergency", "draft", board.write(f"{name}.yaml", wanted | fields), "--out", file)
    return file


def sign(board: Board, file: Path) -> list[Path]:
    signed = []
    for name in ("ada", "bo"):
        signed.append(file.with_suffix(f".{name}"))
        answer = groundrule("emergency", "sign", file, "--key", board.key(name), "--out", signed[-1], "--yes")
        assert answer.code == 0, answer
        assert TERMINAL in answer.out, "who signs reads the name"
    return signed


def test_no_file_of_the_log_holds_the_name_and_the_home_knows_it(board: Board) -> None:
    file = draft(board)
    made = board.run("emergency", "open", *sign(board, file))
    assert [each["scope"]["terminals"] for each in board.run("emergency", "list")["emergencies"]] == [[TERMINAL]]
    public = [path for path in log_folder(Home.open(board.home)).rglob("*") if path.is_file()]
    assert public
    for path in (*public, file):
        # Not on its own, and not inside the base64 of the signed bytes.
        assert not [how for how, form in forms_of_text(TERMINAL) if form in path.read_bytes()], path
    assert made["scope"]["terminals"][0].startswith("commitment:")
    assert board.run("govern", "check")


def test_the_same_terminal_is_the_same_commitment_so_no_other_name_renews(board: Board) -> None:
    made = board.run("emergency", "open", *sign(board, draft(board)))
    again = draft(board, "again")
    assert json.loads(again.read_text())["scope"] == made["scope"]
    answer = board.try_("emergency", "open", *sign(board, again))
    refused(answer, "touched the same")
    renewed = board.run("emergency", "open", *sign(board, draft(board, "renewal", renewal_of=made["id"])))
    assert renewed["renewal_of"] == made["id"]


def test_nobody_signs_what_is_not_named(board: Board) -> None:
    file = draft(board)
    beside = file.with_name("emergency.json.openings")
    given = json.loads(beside.read_text())
    beside.write_text(json.dumps([given[0] | {"terminal": "another"}]))
    for said in ("does not open what it names", "does not say which terminals"):
        answer = groundrule("emergency", "sign", file, "--key", board.key("ada"), "--out", board.folder / "x.sig", "--yes")
        assert answer.code == 2
        assert said in answer.err
        beside.unlink(missing_ok=True)


def test_a_name_in_clear_is_refused_before_it_is_in_the_log(board: Board) -> None:
    file = draft(board)
    value = json.loads(file.read_text())
    value["scope"]["terminals"] = [TERMINAL]
    data = json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
    keys = [open_key(board.key(name).read_bytes(), b"five invented words for tests") for name in ("ada", "bo")]
    envelope = board.write("clear.sig", sign_envelope(data, "application/vnd.groundrule.emergency+json", keys))
    answer = board.try_("emergency", "open", envelope)
    refused(answer, "in clear")
    assert "terminal_in_clear" in json.dumps(board.run("govern", "refusals"))
    for path in log_folder(Home.open(board.home)).rglob("*"):
        assert not path.is_file() or b64encode(TERMINAL.encode())[2:-4] not in path.read_bytes()
        assert not path.is_file() or TERMINAL.encode() not in path.read_bytes()


def test_a_point_gets_the_names_beside_the_signed_commitments(board: Board) -> None:
    made = board.run("emergency", "open", *sign(board, draft(board)))
    board.run("snapshot", "draft", "--out", board.folder / "snapshot.json")
    signed = []
    for name in ("ada", "bo"):
        signed.append(board.folder / f"snapshot-{name}.sig")
        words = ("snapshot", "sign", board.folder / "snapshot.json", "--key", board.key(name), "--out", signed[-1], "--yes")
        assert groundrule(*words).code == 0
    out = board.folder / "published"
    board.run("snapshot", "publish", *signed, "--out", out)
    pin = board.run("charter", "show")["digest"]
    openings = out / "emergencies" / f"{made['id']}.openings"
    kept = openings.read_bytes()
    openings.unlink()
    verify = ("snapshot", "verify", out, "--point", board.folder / "point", "--json")
    answer = groundrule(*verify, "--pin", pin)
    assert (answer.code, answer.json["refused"][0]["code"]) == (1, "content_missing")
    openings.write_bytes(kept)
    answer = groundrule(*verify)
    assert answer.code == 0, answer
    assert answer.json["emergencies"][0]["scope"]["terminals"] == [TERMINAL]
