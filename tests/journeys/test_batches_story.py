"""Batches by command: signed by the body that submits, cascades that spare the innocent, and no serial in the log."""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from board import Board, make_board
from console import groundrule, refused
from groundrule.canon import canonical_json
from groundrule.instant import NS_PER_DAY
from groundrule.pipeline.cascades import mark_coerced
from groundrule.pipeline.home_ledger import LedgerSetup
from groundrule.store.home import Home
from groundrule.store.policy import lists_digest
from groundrule.store.policy import stated as rows_of
from groundrule.store.registers import POLICY_KINDS, Registers
from small_home import ACCOUNTS, make_home, register, run, stream
from stories import public_bytes

SIGNERS = ("ada", "bo", "cy")
SERIAL = "KITCANARY00{}"
TERMINALS = "terminal_id,account_id,plan,registration,activation_country\n" + "".join(
    f"KITCANARY00{n},acc-{'d' if n < 3 else n},roam,registered,AT\n" for n in range(8)
)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Board:
    folder = tmp_path_factory.mktemp("batches")
    home = make_home(folder / "home", ledger=LedgerSetup())
    register(home, "accounts", ACCOUNTS + "acc-d,dealer-canary,AT,active\n")
    register(home, "terminals", TERMINALS)
    run(home, stream(4))
    board = make_board(home.path, folder)
    board.begin()
    for name in ("council", "forger"):
        assert groundrule("key", "new", folder / f"{name}.key").code == 0
    return board


@pytest.fixture
def board(template: Board, tmp_path: Path) -> Board:
    shutil.copytree(template.folder, tmp_path / "case", ignore=shutil.ignore_patterns("*.seen*"))
    return Board(Home.open(tmp_path / "case" / "home").path, tmp_path / "case", template.parties)


def entry(number: int, holder: str, **more: str) -> dict[str, str]:
    return {"terminal_id": SERIAL.format(number), "holder": holder, "state": "active", "legal_class": "individual"} | more


def signed(board: Board, name: str, diff: dict[str, Any], who: str = "council", list_id: str = "aid") -> Path:
    out = board.folder / f"{name}.signed.json"
    made = groundrule("batch", "sign", board.write(f"{name}.json", diff), "--list", list_id, "--key", board.key(who), "--out", out,
                      "--yes", "--json")  # fmt: skip
    assert made.code == 0, made
    return out


def enact(board: Board, file: Path) -> dict[str, Any]:
    made: dict[str, Any] = board.propose({"list/aid": file})
    board.approve(made["proposal"], *SIGNERS)
    assert board.run("enact", made["proposal"])["in_force"]
    return made


def about(board: Board) -> dict[str, Any]:
    return {"title": "Aid (invented)", "source": "a test", "submitters": [board.key("council").with_suffix(".key.pub").read_text().strip()]}


def stated(board: Board, at_ns: int | None = None) -> dict[str, dict[str, Any]]:
    """Entries of the list by holder, as they hold at an instant."""
    with Registers.open(Home.open(board.home)) as registers:
        found = registers.rows("list_entries", valid_at_ns=at_ns or time.time_ns())
        return {row["holder"]: row for row in found if row["list_id"] == "aid"}


def test_a_list_with_submitters_takes_only_what_one_of_them_signed(board: Board) -> None:
    enact(board, board.write("first.json", {"list": about(board)}))
    diff = {"add": [entry(1, "refugee-1")]}
    draft = board.folder / "proposal.json"

    def said(file: Path) -> str:
        answer = board.try_("propose", draft, "--change", f"list/aid={file}")
        assert answer.code == 2, answer
        return answer.err

    assert "only from bodies that may submit" in said(board.write("plain.json", diff))
    assert "no body that may submit" in said(signed(board, "forged", diff, "forger"))
    assert "not what the submitting body signed" in said(signed(board, "elsewhere", diff, list_id="other"))
    good = signed(board, "good", diff)
    edited = json.loads(good.read_text())
    edited["add"][0]["holder"] = "somebody-else"
    assert "not what the submitting body signed" in said(board.write("edited.json", edited))
    # A batch cannot make its own key good, and a definition without submitters does not open the list.
    own = {"list": about(board) | {"submitters": [board.key("forger").with_suffix(".key.pub").read_text().strip()]}}
    assert "no body that may submit" in said(signed(board, "own", own | diff, "forger"))
    enact(board, board.write("renamed.json", {"list": {"title": "Aid again (invented)"}}))
    assert "only from bodies that may submit" in said(board.write("plain.json", diff))
    made = enact(board, good)
    assert any("submitted by a body that signed it" in line for line in made["changes"])
    assert stated(board)["refugee-1"]["state"] == "active"
    refused(board.try_("propose", draft, "--change", f"list/aid={board.write('bad.json', diff | {'signed': 7})}"), "no envelope")


def test_a_signed_batch_grows_old(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    enact(board, board.write("first.json", {"list": about(board)}))
    before = time.time_ns() - 15 * NS_PER_DAY
    with monkeypatch.context() as patch:
        patch.setattr(time, "time_ns", lambda: before)
        old = signed(board, "old", {"add": [entry(1, "refugee-1")]})
    answer = board.try_("propose", board.folder / "proposal.json", "--change", f"list/aid={old}")
    assert answer.code == 2
    assert "older than 14 days" in answer.err


def fill(board: Board) -> None:
    """A dealer with an entry of its own, its customers by account and by sponsoring, and a stranger."""
    enact(board, board.write("first.json", {"list": {"title": "Aid (invented)", "source": "a test"}, "add": [
        entry(1, "refugee-1"), entry(2, "refugee-2"), entry(4, "dealer-canary"), entry(5, "coerced-1", sponsor="dealer-canary"),
        entry(6, "refugee-6", sponsor="dealer-canary"), entry(7, "stranger"),
    ]}))  # fmt: skip


def test_a_cascade_cuts_nobody_off_at_once_and_spares_the_coerced(board: Board) -> None:
    fill(board)
    mark_coerced(Home.open(board.home), "coerced-1", basis="review-" + "0" * 32, at_ns=time.time_ns())
    held = stated(board)
    out = board.folder / "cascade.json"
    drafted = board.run("batch", "cascade", "dealer-canary", "--list", "aid", "--out", out)
    names = {row["entry_id"]: holder for holder, row in held.items()}
    assert {names[each] for each in drafted["entries"]} == {"refugee-1", "refugee-2", "refugee-6"}
    assert [names[each] for each in drafted["spared"]] == ["coerced-1"]
    batch = json.loads(out.read_text()) | {"remove": [held["dealer-canary"]["entry_id"]]}
    made = enact(board, board.write("cascade.json", batch))
    assert any("3 entries" in line for line in made["changes"])
    assert any("1 spared as coerced" in line for line in made["changes"])
    now, due = stated(board), int(drafted["due_ns"])
    assert now["dealer-canary"]["state"] == "revoked"
    for holder in ("refugee-1", "refugee-2", "refugee-6"):
        assert (now[holder]["state"], now[holder]["expires_at"]) == ("active", due)
    for holder in ("coerced-1", "stranger"):
        assert (now[holder]["state"], now[holder]["expires_at"]) == ("active", None)
    # Who was looked at and found honest is stated again, without an end.
    enact(board, board.write("again.json", {"add": [entry(1, "refugee-1")]}))
    assert stated(board)["refugee-1"]["expires_at"] is None
    assert stated(board)["refugee-2"]["expires_at"] == due
    assert board.run("govern", "check")["differences"] == []


def test_a_cascade_that_leaves_somebody_out_or_hurries_is_refused(board: Board) -> None:
    fill(board)
    out = board.folder / "cascade.json"
    board.run("batch", "cascade", "dealer-canary", "--list", "aid", "--out", out)
    drafted = json.loads(out.read_text())
    friend = drafted["cascade"]["entries"][0]
    cases = {
        "not the set": {"entries": drafted["cascade"]["entries"][1:]},
        "3 to 30 days": {"due_ns": str(time.time_ns() + NS_PER_DAY)},
        "set that hangs on it": {"spared": [friend, "entry-nobody"], "entries": drafted["cascade"]["entries"][1:]},
        "not on the list": {"entries": [*drafted["cascade"]["entries"], "entry-nobody"]},
        "other fields": {"friends": [friend]},
    }
    for said, change in cases.items():
        file = board.write("wrong.json", drafted | {"cascade": drafted["cascade"] | change})
        answer = board.try_("propose", board.folder / "proposal.json", "--change", f"list/aid={file}")
        assert answer.code == 2
        assert said in answer.err
    refused(board.try_("batch", "cascade", "nobody", "--list", "aid", "--out", out), "nothing hangs on it")
    answer = board.try_("batch", "coerced", "coerced-1", "--review", "review-0")
    assert answer.code == 2


def test_no_serial_and_nothing_that_confirms_a_guess_is_in_the_log(board: Board) -> None:
    """Who knows everything but one serial can try them all; nothing public tells which one is right."""
    fill(board)
    board.run("batch", "cascade", "dealer-canary", "--list", "aid", "--out", board.folder / "cascade.json")
    enact(board, board.folder / "cascade.json")
    over = board.write("over.json", {"add": [entry(0, "refugee-1")]})
    refused(board.try_("propose", board.folder / "proposal.json", "--change", f"list/aid={over}"), "would have 2 devices")
    public = public_bytes(board.home)
    for number, holder in itertools.product(range(9), ("dealer-canary", "refugee-1", "coerced-1", "stranger")):
        assert SERIAL.format(number).encode() not in public
        assert holder.encode() not in public
    with Registers.open(Home.open(board.home)) as registers, registers.reading() as connection:
        unsalted = hashlib.sha256()
        for kind in POLICY_KINDS:
            unsalted.update(f"{kind}\n".encode())
            for row in rows_of(connection, kind):
                unsalted.update(repr(row).encode() + b"\n")
        salted = lists_digest(connection)
        entries = rows_of(connection, "list_entries")
    assert salted.encode() in public, "the state of the lists is committed to"
    assert unsalted.hexdigest().encode() not in public
    for row in entries:
        for guess in (row[0], str(row[2]), canonical_json([None if each is None else str(each) for each in row]).decode()):
            assert hashlib.sha256(guess.encode()).hexdigest().encode() not in public
        assert row[0].encode() not in public


def test_an_object_of_a_proposal_is_not_named_by_a_serial(board: Board) -> None:
    fill(board)
    key = next(row["entry_id"] for row in stated(board).values())
    waiver = {"list_id": "aid", "terminal_id": SERIAL.format(3), "holder": "w", "legal_class": "individual",
              "expires_at_ns": str(time.time_ns() + NS_PER_DAY)}  # fmt: skip
    file = board.write("waiver.json", waiver)
    wanted = [("--change", f"waiver/{SERIAL.format(3)}={file}"), ("--delete", f"waiver/{key}")]
    for change in wanted:
        answer = board.try_("propose", board.folder / "proposal.json", *change)
        assert answer.code == 2
        assert "would name" in answer.err
        assert SERIAL.format(3).encode() not in public_bytes(board.home)
