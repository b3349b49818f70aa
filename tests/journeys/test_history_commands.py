"""History under a charter: what an appeal and an emergency need is not pruned, and every check agrees after an erasure."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import Any

import pytest

from board import Board, make_board
from console import groundrule
from groundrule.pipeline.home_ledger import LedgerSetup
from groundrule.pipeline.replaying import replay
from groundrule.store.home import Home
from small_home import ACCOUNTS, make_home, observation, register, run, table

NAMES = ("clinic-7", "car-8", "passer-9")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Board:
    folder = tmp_path_factory.mktemp("kept")
    home = make_home(folder / "home", ledger=LedgerSetup(), registers=False)
    register(home, "accounts", ACCOUNTS)
    text = "terminal_id,account_id,registration,protected_class\nclinic-7,acc-s,registered,hospital\ncar-8,acc-s,registered,\n"
    register(home, "terminals", text)
    run(home, table([observation(name, 15 * n, 5.0, 5.0) for n in range(4) for name in NAMES]))
    board = make_board(home.path, folder)
    board.begin()
    (folder / "letter.txt").write_text("There is no link since 10:00 (invented).")
    return board


@pytest.fixture
def board(template: Board, tmp_path: Path) -> Board:
    shutil.copytree(template.folder, tmp_path / "case", ignore=shutil.ignore_patterns("*.seen*"))
    return Board(Home.open(tmp_path / "case" / "home").path, tmp_path / "case", template.parties)


def appeal(board: Board, what: str) -> Any:
    return board.run("appeal", "open", what, "--text", board.folder / "letter.txt", "--received-by", board.parties["reg"])


def agree(board: Board) -> None:
    """Every check of the home and of its log agrees."""
    found = replay(Home.open(board.home))
    assert (found.identical, found.faults) == (True, ())
    assert board.run("govern", "check")
    assert board.run("ledger", "fsck")
    assert board.run("explain", "car-8")


def open_emergency(board: Board) -> None:
    wanted = {
        "openers": [board.parties[each] for each in ("ada", "bo")], "condition": "hostile_use_confirmed", "areas": [],
        "terminals": ["clinic-7"], "ops": ["deny"], "direction": "deny_only", "ttl_s": 3600,
    }  # fmt: skip
    board.run("emergency", "draft", board.write("emergency.yaml", wanted), "--out", board.folder / "emergency.json")
    signed = []
    for name in ("ada", "bo"):
        signed.append(board.folder / f"emergency.{name}")
        answer = groundrule("emergency", "sign", board.folder / "emergency.json", "--key", board.key(name), "--out", signed[-1], "--yes")
        assert answer.code == 0, answer
    board.run("emergency", "open", *signed)


def test_what_an_appeal_is_about_is_not_pruned_until_it_has_ended(board: Board) -> None:
    made = appeal(board, "car-8")
    open_emergency(board)
    board.run("history", "retention", "registered=30", "protected=30", "unregistered=30")
    told = board.run("history", "prune")
    assert (told["terminals_by_class"], told["spared"]) == ({"protected": 1, "unregistered": 1}, 1)
    agree(board)
    board.run("appeal", "close", made["appeal"], "--outcome", "refused", "--reason", "the account is not in order")
    assert board.run("history", "prune")["terminals_by_class"] == {"registered": 1}
    assert board.run("history", "prune")["terminals_by_class"] == {}
    assert replay(Home.open(board.home)).identical


def test_an_erasure_under_a_charter_leaves_every_check_as_it_was(board: Board) -> None:
    agree(board)
    told = board.run("history", "erase", "terminal:clinic-7", "--basis", "GDPR Art. 17(1)(b)", "--yes")
    assert told["rows"] == {"observations": 4, "decisions": 4, "over_late": 0}
    assert told["still_named_in"] == ["registers.sqlite"]
    agree(board)
    answer = board.try_("ledger", "prove", "clinic-7", "--out", board.folder / "none.tlog-proof")
    assert answer.code != 0
    assert "no record" in answer.err or "records" in answer.err
    assert board.run("ledger", "heartbeat")
    agree(board)


def test_somebody_who_does_not_say_yes_erases_nothing(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    answer = groundrule("history", "erase", "terminal:clinic-7", "--basis", "GDPR Art. 17(1)(b)", "--home", board.home)
    assert answer.code == 1
    assert board.run("history", "show")["erasures"] == []
    shown = groundrule("history", "show", "--home", board.home).out
    assert "Retention: none is set" in shown
    said = groundrule("history", "erase", "terminal:clinic-7", "--basis", "GDPR Art. 17(1)(b)", "--yes", "--home", board.home)
    assert "The id still stands in registers.sqlite" in said.err
    assert "opens commitment" in said.out
