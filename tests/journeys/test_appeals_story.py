"""An owner appeals against a decision by command: the clock, the answer, what the owner is told, what the log holds."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from board import Board, make_board
from console import groundrule, refused
from groundrule.pipeline.home_ledger import LedgerSetup
from groundrule.store.home import Home
from small_home import ACCOUNTS, make_home, observation, register, run, table
from stories import public_bytes

HOUR = 3_600
PERSON = "Canary Klagemann (invented)"
LETTER = "The field hospital Canary Clinic (invented) has no link since 10:00."


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Board:
    folder = tmp_path_factory.mktemp("appeals")
    home = make_home(folder / "home", ledger=LedgerSetup(), registers=False)
    register(home, "accounts", ACCOUNTS)
    register(home, "terminals", "terminal_id,account_id,plan,registration,activation_country,protected_class\n"
             "canary-clinic-7,acc-s,business,registered,AT,hospital\ncanary-car-8,acc-s,roam,registered,AT,\n")  # fmt: skip
    run(home, table([observation(name, 0, 5.0, 5.0) for name in ("canary-clinic-7", "canary-car-8")]))
    board = make_board(home.path, folder)
    board.begin()
    (folder / "letter.txt").write_text(LETTER)
    return board


@pytest.fixture
def board(template: Board, tmp_path: Path) -> Board:
    shutil.copytree(template.folder, tmp_path / "case", ignore=shutil.ignore_patterns("*.seen*"))
    return Board(Home.open(tmp_path / "case" / "home").path, tmp_path / "case", template.parties)


def appeal(board: Board, what: object) -> Any:
    return board.run(
        "appeal", "open", what, "--text", board.folder / "letter.txt", "--received-by", board.parties["reg"], "--name", PERSON
    )


def hours_to(due: str) -> float:
    return (time.mktime(time.strptime(due[:19], "%Y-%m-%dT%H:%M:%S")) - time.mktime(time.gmtime())) / HOUR


def test_a_hospital_has_an_answer_in_72_hours_and_others_in_14_days(board: Board) -> None:
    board.run("ledger", "prove", "canary-clinic-7", "--for", "owner", "--out", board.folder / "own.tlog-proof")
    clinic, car = appeal(board, board.folder / "own.tlog-proof"), appeal(board, "canary-car-8")
    assert clinic["terminal"] == "canary-clinic-7"
    assert 71 < hours_to(clinic["due"]) <= 72
    assert 14 * 24 - 1 < hours_to(car["due"]) <= 14 * 24
    listed = {each["terminal"]: each for each in board.run("appeal", "list")["appeals"]}
    assert listed["canary-clinic-7"]["protected"]
    assert not listed["canary-car-8"]["protected"]
    outside = board.run("appeal", "list", "--public")["appeals"]
    assert all("terminal" not in each and "who" not in each for each in outside)
    forged = (board.folder / "own.tlog-proof").read_bytes().replace(b"A", b"B", 1)
    (board.folder / "forged.tlog-proof").write_bytes(forged)
    answer = board.try_("appeal", "open", board.folder / "forged.tlog-proof", "--text", board.folder / "letter.txt",
                        "--received-by", board.parties["reg"])  # fmt: skip
    assert answer.code != 0
    refused(board.try_("appeal", "open", "nobody", "--text", board.folder / "letter.txt", "--received-by", board.parties["reg"]),
            "no decision about this terminal")  # fmt: skip


def test_the_log_tells_that_there_is_an_appeal_and_nothing_of_whose(board: Board) -> None:
    first, second = appeal(board, "canary-clinic-7"), appeal(board, "canary-clinic-7")
    public = public_bytes(board.home)
    assert first["appeal"].encode() in public
    for canary in (b"canary", b"Canary", b"Klagemann", b"acc-s", b"hospital", LETTER.encode()):
        assert canary not in public
    told = board.run("request", "list", "--public")["requests"]
    # Two appeals of one owner share neither party nor commitment.
    assert told[0]["ids"]["requester"] != told[1]["ids"]["requester"]
    assert first["opening"]["commitment"] != second["opening"]["commitment"]
    for file in (board.home / "governance" / "appeals").iterdir():
        assert file.stat().st_mode & 0o077 == 0


def test_the_owner_sees_reason_clock_and_way_on_and_no_threshold(board: Board) -> None:
    made = appeal(board, "canary-car-8")
    told = board.run("appeal", "notice", made["appeal"])
    words = json.dumps([told["decision"], told["next"], told["stages"]])
    assert any("Why:" in line for line in told["decision"])
    assert not any(secret in words for secret in ("75", "km/h", "too-fast", "rule_id", "threshold"))
    assert told["stages"] == ["it waits for an answer"]
    board.run("appeal", "close", made["appeal"], "--outcome", "refused", "--reason", "the account is not in order")
    told = board.run("appeal", "notice", made["appeal"])
    assert told["stages"][1] == "the decision stands, because the account is not in order"
    answer = board.try_("appeal", "close", made["appeal"], "--outcome", "withdrawn", "--reason", "again")
    assert answer.code == 2
    assert "has ended" in answer.err
    text = groundrule("appeal", "notice", made["appeal"], "--home", board.home)
    assert "an answer is due by" in text.out


def test_corrected_means_that_the_terminal_has_another_answer(board: Board) -> None:
    made = appeal(board, "canary-car-8")
    answer = board.try_("appeal", "close", made["appeal"], "--outcome", "corrected", "--reason", "the payment was there")
    assert answer.code == 2
    assert "the same answer as before" in answer.err
    (board.folder / "accounts.csv").write_text(
        "account_id,party_id,country,state,valid_from\nacc-s,p3,AT,active,2026-10-01T00:00Z\n"
    )
    board.run("register", "import", "accounts", board.folder / "accounts.csv")
    (board.folder / "new.csv").write_text("terminal_id,observed_at,lat_deg,lon_deg\ncanary-car-8,2026-11-01T10:00Z,5,5\n")
    board.run("decide", board.folder / "new.csv")
    board.run("appeal", "close", made["appeal"], "--outcome", "corrected", "--reason", "the payment was there")
    assert board.run("appeal", "list")["appeals"][0]["outcome"] == "corrected"
    assert board.run("govern", "check")["differences"] == []


def test_an_appeal_without_an_answer_shows_everywhere(board: Board, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made = appeal(board, "canary-clinic-7")
    board.run("ledger", "checkpoint")
    assert "overdue appeal" not in board.try_("govern", "status").out
    late = time.time_ns() + 73 * HOUR * 10**9
    seen = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(late / 1e9))

    def monitored(*more: object) -> str:
        watch = ("ledger", "monitor", "--log", board.home / "ledger", "--state", tmp_path / "state.json", "--max-age-s", 10**9)
        return groundrule(*watch, *more).out

    assert "appeal request-" not in monitored()
    assert f"appeal {made['appeal']} has had no answer for 1 hours" in monitored("--now", seen)
    with monkeypatch.context() as patch:
        patch.setattr(time, "time_ns", lambda: late)
        status = board.try_("govern", "status")
        assert status.code == 1
        assert f"overdue appeal {made['appeal']}" in status.out
        assert board.try_("appeal", "list", "--overdue").code == 1
    board.run("appeal", "close", made["appeal"], "--outcome", "refused", "--reason", "the account is not in order")
    assert "appeal request-" not in monitored("--now", seen)


def test_only_appeals_are_corrected(board: Board) -> None:
    refused(board.try_("appeal", "notice", "x"), "there is no appeal")
    made = appeal(board, "canary-car-8")
    file = board.home / "governance" / "appeals" / f"{made['appeal']}.json"
    file.write_bytes(file.read_bytes().replace(b"canary-car-8", b"canary-car-8").replace(b'"appealed":[', b'"appealed":[1'))
    answer = board.try_("appeal", "notice", made["appeal"])
    assert answer.code == 1
    assert "not what the log commits to" in answer.err
