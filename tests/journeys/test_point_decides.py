"""A stranger decides from the folder of an enforcement point, with no home: what decides, how stale it is, and what is down."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from board import Board, make_board
from console import groundrule, refused
from groundrule.canon import canonical_json
from groundrule.ledger.entry import Entry
from groundrule.ledger.reader import read_log
from groundrule.pipeline.home_ledger import LedgerSetup, log_folder
from groundrule.store.home import Home
from groundrule.store.journal_file import JournalFile
from small_home import BOOK, make_home, observation, table

LICENSED = BOOK.replace(
    "rules:\n",
    """rules:
  - id: no-licence
    title: There is no licence for Bland (invented)
    tier: zone
    where: {any: [country:BE]}
    outcome: deny
    reason: unlicensed_country
    unknown: {"*": serve}
    authority: {basis: "no licence (invented)", illustrative: true}
""",
    1,
)
OFFLINE = {"degraded:policy_store_down", "degraded:ledger_down", "degraded:clock_doubtful"}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Board:
    folder = tmp_path_factory.mktemp("points")
    home = make_home(folder / "home", book=LICENSED, ledger=LedgerSetup())
    board = make_board(home.path, folder)
    board.begin()
    return board


@pytest.fixture
def board(template: Board, tmp_path: Path) -> Board:
    shutil.copytree(template.folder, tmp_path / "case")
    return Board(Home.open(tmp_path / "case" / "home").path, tmp_path / "case", template.parties)


def signed(board: Board, file: str) -> list[Path]:
    made = []
    for name in ("ada", "bo"):
        made.append(board.folder / f"{file}-{name}.sig")
        answer = groundrule("snapshot", "sign", board.folder / file, "--key", board.key(name), "--out", made[-1], "--yes")
        assert answer.code == 0, answer
    return made


def publish(board: Board, *more: str) -> Path:
    board.run("snapshot", "draft", *more, "--out", board.folder / "drafted.json")
    out = board.folder / "published"
    board.run("snapshot", "publish", *signed(board, "drafted.json"), "--out", out)
    return out


def verify(board: Board, source: Path, code: int = 0) -> Any:
    pin = board.run("charter", "show")["digest"]
    answer = groundrule("snapshot", "verify", source, "--point", board.folder / "point", "--pin", pin, "--json")
    assert answer.code == code, answer
    return answer.json


def observations(board: Board) -> Path:
    rows = [
        observation("car", 0, 5.0, 5.0),
        observation("late payer", 0, 5.0, 6.0),
        observation("guest", 0, 5.0, 15.0),
        observation("van", 0, None, None),
        observation("stranger", 0, 5.0, 5.5),
    ]
    path = board.folder / "seen.parquet"
    pq.write_table(table(rows), path)
    return path


def decide(board: Board, *more: object) -> tuple[Any, dict[str, dict[str, Any]]]:
    out = board.folder / "answers.parquet"
    answer = groundrule("decide", observations(board), "--point", board.folder / "point", "--out", out, *more, "--json")
    assert answer.code == 0, answer
    return answer.json, {row["terminal_id"]: row for row in pq.read_table(out).to_pylist()}


def codes(row: dict[str, Any], word: str) -> list[str]:
    return [each["code"] for each in row["reasons"] if each["class"] == word]


def test_a_point_without_a_home_decides_and_says_what_is_down(board: Board) -> None:
    verify(board, publish(board))
    shutil.move(board.home, board.folder / "out of reach")
    told, rows = decide(board)
    assert (told["loaded"], told["snapshot_seq"], told["decided"]) == ("current", 1, 5)
    assert set(told["degraded"]) == {*OFFLINE, "degraded:location_unverifiable"}
    assert all(told["degraded"][code] == 5 for code in OFFLINE)
    assert told["degraded"]["degraded:location_unverifiable"] == 1
    assert told["staleness"]["policy_s"] < 600
    assert told["staleness"]["clock_offset_ms"] is None
    # The policy decides as long as it is young; what it says stands first.
    assert (rows["car"]["outcome"], rows["car"]["rule"]) == ("serve", "default")
    assert (rows["late payer"]["outcome"], codes(rows["late payer"], "decisive")) == ("deny", ["account_disabled"])
    assert set(codes(rows["late payer"], "contributing")) >= OFFLINE
    assert rows["guest"]["outcome"] == "deny"
    # No position: the policy has somebody look, and so does the outage; that it is one is said beside it.
    van = rows["van"]
    assert (van["outcome"], van["state"], van["rule"]) == ("review", "normal", "closed-zone")
    assert "degraded:location_unverifiable" in codes(van, "contributing")
    assert {row["class"] for row in rows.values()} <= {"ordinary", "conflict", "protected"}
    with JournalFile.open(board.folder / "point") as journal:
        (row,) = journal.waiting()
    assert (row.kind, row.body["bucket_size"], row.body["policy_digest"]) == ("evidence", 256, told["policy_digest"])
    assert "stranger" not in json.dumps(row.body)
    # The home is back: what was decided without it enters the log, once, and nothing else changes.
    shutil.move(board.folder / "out of reach", board.home)
    merge = ("snapshot", "merge", "--point", board.folder / "point")
    assert [board.run(*merge)["merged"] for _ in range(2)] == [1, 0]
    log = read_log(log_folder(Home.open(board.home)))
    decoded = [Entry.decode(data) for data in log.tree(log.integrated_size).entries()]
    entries = [each.body for each in decoded if each.kind == "evidence"]
    assert [(each["batch"], each["degraded"]) for each in entries] == [(row.body["batch"], sorted(told["degraded"]))]
    assert entries[0]["journaled_at"] == entries[0]["decided_at"]
    assert board.run("govern", "check")["differences"] == []
    assert board.run("replay")["identical"]


def test_a_damaged_snapshot_falls_back_to_the_one_before_then_to_the_bootstrap_then_to_nothing(board: Board) -> None:
    out = publish(board)
    publish(board, "--bootstrap")
    assert len(verify(board, out)["accepted"]) == 3
    verify(board, publish(board))
    point = board.folder / "point"
    assert decide(board)[0]["snapshot_seq"] == 2
    current = point / "snapshots" / "current"
    good = current.read_bytes()
    # Cut off; words that nobody accepted here, under the signatures of others; gone.
    payload = json.loads(base64.b64decode(json.loads(good)["payload"])) | {"seq": 7}
    forged = json.dumps(json.loads(good) | {"payload": base64.b64encode(canonical_json(payload)).decode()}).encode()
    for data in (good[:-9], forged, None):
        current.unlink() if data is None else current.write_bytes(data)
        told, _ = decide(board)
        assert (told["loaded"], told["snapshot_seq"], told["degrees"]["snapshot_invalid"]) == ("previous", 1, 1)
    current.write_bytes(good)
    assert decide(board)[0]["loaded"] == "current"
    for name in ("current", "previous"):
        (point / "snapshots" / name).write_bytes(b"{}")
    told, rows = decide(board)
    assert (told["loaded"], told["snapshot_seq"], told["degrees"]["snapshot_invalid"]) == ("bootstrap", 0, 2)
    assert (rows["guest"]["outcome"], codes(rows["guest"], "decisive")) == ("deny", ["unlicensed_country"])
    # Served while somebody looks: its policy is too old, and the answer is not that of a rule.
    car = rows["car"]
    assert (car["outcome"], car["state"], car["rule"]) == ("review", "degraded", "outage")
    assert codes(car, "decisive") == ["degraded:policy_store_down"]
    assert "served" in codes(car, "contributing"), "what the policy says stays beside it"
    (point / "snapshots" / "bootstrap").unlink()
    told, rows = decide(board)
    assert (told["loaded"], told["degrees"]["no_snapshot"]) == ("none", 2)
    assert {(row["outcome"], row["state"]) for row in rows.values()} == {("deny", "degraded")}
    assert told["not_served_although_not_denied_by_policy"] == 5


def test_a_new_point_has_the_bootstrap_policy_alone(board: Board) -> None:
    verify(board, publish(board, "--bootstrap"))
    told, rows = decide(board)
    assert (told["loaded"], told["degrees"]["no_snapshot"]) == ("bootstrap", 1)
    assert rows["guest"]["outcome"] == "deny"
    assert "degraded:no_snapshot" in {each["code"] for each in rows["car"]["reasons"]}


def test_a_snapshot_with_content_of_another_register_is_refused_and_noted(board: Board) -> None:
    out = publish(board)
    verify(board, out)
    second = publish(board)
    envelope = json.loads((second / "snapshot.dsse").read_text())
    (second / "snapshot.dsse").write_text(json.dumps({**envelope, "signatures": envelope["signatures"][:1]}))
    assert [each["code"] for each in verify(board, second, code=1)["refused"]] == ["snapshot_signers"]
    told, _ = decide(board)
    assert (told["loaded"], told["snapshot_seq"], told["degrees"]["snapshot_invalid"]) == ("current", 1, 1)
    (second / "snapshot.dsse").write_text(json.dumps(envelope))
    verify(board, second)
    assert "snapshot_invalid" not in decide(board)[0]["degrees"]


def test_only_the_extracts_of_what_may_be_loaded_are_kept(board: Board) -> None:
    for each in range(3):
        verify(board, publish(board))
        assert len(list((board.folder / "point" / "registers").iterdir())) <= 2, each


def test_people_read_what_is_down(board: Board) -> None:
    verify(board, publish(board))
    answer = groundrule("decide", observations(board), "--point", board.folder / "point")
    assert answer.code == 0, answer
    for words in ("Snapshot 1 (current) decided", "policy last known to be right", "degraded:ledger_down", "by terminal", "wait in"):
        assert words in answer.out, words


def test_a_point_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "seen.parquet"
    pq.write_table(table([observation("car", 0, 5.0, 5.0)]), path)
    refused(groundrule("decide", path, "--point", tmp_path / "nowhere"), "no enforcement point")
