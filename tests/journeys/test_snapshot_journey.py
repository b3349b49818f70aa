"""The policy on its way to an enforcement point: drafted, signed by two, published, accepted, and everything else refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from board import Board, make_board
from console import groundrule, refused
from groundrule.cli.envelopes import merge_envelopes
from groundrule.pipeline.home_ledger import LedgerSetup
from groundrule.store.home import Home
from small_home import BOOK, make_home


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Board:
    folder = tmp_path_factory.mktemp("snapshots")
    home = make_home(folder / "home", ledger=LedgerSetup())
    board = make_board(home.path, folder)
    board.begin()
    return board


@pytest.fixture
def board(template: Board, tmp_path: Path) -> Board:
    shutil.copytree(template.folder, tmp_path / "case")
    return Board(Home.open(tmp_path / "case" / "home").path, tmp_path / "case", template.parties)


def signed(board: Board, kind: str, *names: str) -> list[Path]:
    found = []
    for name in names:
        found.append(board.folder / f"{kind}-{name}.sig")
        answer = groundrule(kind, "sign", board.folder / f"{kind}.json", "--key", board.key(name), "--out", found[-1], "--yes")
        assert answer.code == 0, answer
    return found


def published(board: Board, name: str, *names: str) -> Path:
    board.run("snapshot", "draft", "--out", board.folder / "snapshot.json")
    out = board.folder / name
    board.run("snapshot", "publish", *signed(board, "snapshot", *names), "--out", out)
    return out


def pin(board: Board) -> str:
    return str(board.run("charter", "show")["digest"])


def verify(board: Board, source: Path, *more: str, code: int = 0) -> Any:
    answer = groundrule("snapshot", "verify", source, "--point", board.folder / "point", *more, "--json")
    assert answer.code == code, answer
    return answer.json


def codes(answer: Any) -> list[str]:
    return [each["code"] for each in answer["refused"]]


def test_a_point_loads_what_two_persons_signed_and_never_goes_back(board: Board) -> None:
    first = published(board, "first", "ada", "bo")
    point = ("--point", board.folder / "point")
    refused(groundrule("snapshot", "verify", first, *point), "trusts no charter yet")
    refused(groundrule("snapshot", "verify", first, *point, "--pin", "0" * 64), "no charter with the pinned digest")
    found = verify(board, first, "--pin", pin(board))
    assert (found["snapshot"]["seq"], codes(found)) == (1, [])
    assert found["snapshot"]["policy_digest"] == board.run("govern", "status")["policy"]
    assert found["staleness_s"] < 60
    assert verify(board, first)["accepted"] == [], "the same again is nothing new"

    # An enactment, and the snapshot of it.
    book = board.write("rules.yaml", BOOK.replace("above: 75", "above: 80"))
    proposal = board.propose({"rulebook": book})["proposal"]
    board.approve(proposal, "ada", "bo", "cy")
    board.run("enact", proposal)
    second = published(board, "second", "bo", "cy")
    assert verify(board, second)["snapshot"]["seq"] == 2
    back = verify(board, first, code=1)
    assert (codes(back), back["snapshot"]["seq"]) == (["seq_not_higher"], 2)
    assert board.run("govern", "check")["differences"] == []
    assert board.run("replay", code=0)["identical"]


def test_one_signature_of_two_and_a_stranger_to_the_role_are_refused_at_the_home_and_on_record(board: Board) -> None:
    board.run("snapshot", "draft", "--out", board.folder / "snapshot.json")
    out = board.folder / "out"
    refused(board.try_("snapshot", "publish", *signed(board, "snapshot", "ada"), "--out", out), "1 of 2 persons of role policy signed")
    refused(board.try_("snapshot", "publish", *signed(board, "snapshot", "ada", "fay"), "--out", out), "1 of 2 persons of role policy")
    assert not out.exists()
    assert [each["code"] for each in board.run("govern", "refusals")["refused"]] == ["snapshot_signers"] * 2


def test_changed_content_is_refused_and_the_last_good_snapshot_goes_on(board: Board) -> None:
    first = published(board, "first", "ada", "bo")
    verify(board, first, "--pin", pin(board))
    second = published(board, "second", "ada", "bo")
    envelope = json.loads((second / "snapshot.dsse").read_text())
    broken = board.folder / "broken"
    shutil.copytree(second, broken)
    for each in (broken / "objects").iterdir():
        each.write_bytes(each.read_bytes() + b"\n")
    answer = verify(board, broken, code=1)
    assert (codes(answer), answer["snapshot"]["seq"]) == (["content_differs"], 1)
    for name, change in (("payload", lambda text: "eyJ9" + text[4:]), ("payloadType", lambda _: "application/json")):
        (broken / "snapshot.dsse").write_text(json.dumps({**envelope, name: change(envelope[name])}))
        assert len(codes(verify(board, broken, code=1))) == 1
    assert verify(board, second)["snapshot"]["seq"] == 2
    # The file at the point is damaged: the one before goes on.
    current = board.folder / "point" / "snapshots" / "current"
    current.write_bytes(current.read_bytes()[:-40])
    shown = groundrule("snapshot", "show", "--point", board.folder / "point", "--json")
    assert shown.json["snapshot"]["seq"] == 1


def test_an_emergency_loads_beside_the_snapshot(board: Board) -> None:
    wanted = {
        "openers": [board.parties["ada"], board.parties["bo"]], "condition": "danger_to_life", "areas": ["closed"], "ops": ["serve"],
        "direction": "permit_only", "ttl_s": 600,
    }  # fmt: skip
    board.run("emergency", "draft", board.write("wanted.yaml", wanted), "--in", "1", "--out", board.folder / "emergency.json")
    opened = board.run("emergency", "open", *signed(board, "emergency", "ada", "bo"))
    source = published(board, "with", "ada", "cy")
    found = verify(board, source, "--pin", pin(board))
    assert [each["id"] for each in found["emergencies"]] == [opened["id"]]
    assert found["snapshot"]["policy_digest"] == opened["auto_revert_digest"], "an overlay leaves the policy as it is"


def test_a_stolen_key_is_replaced_and_its_high_number_blocks_nothing(board: Board) -> None:
    verify(board, published(board, "first", "ada", "bo"), "--pin", pin(board))
    # Whoever has the keys of ada and bo signs a number that nothing of the home will reach.
    value = json.loads((board.folder / "snapshot.json").read_text()) | {"seq": 2**40}
    board.write("snapshot.json", json.dumps(value, sort_keys=True, separators=(",", ":")))
    forged = board.folder / "forged"
    shutil.copytree(board.folder / "first", forged)
    (forged / "snapshot.dsse").write_text(json.dumps(merge_envelopes(signed(board, "snapshot", "ada", "bo"))))
    assert verify(board, forged)["snapshot"]["seq"] == 2**40
    honest = published(board, "honest", "bo", "cy")
    assert codes(verify(board, honest, code=1)) == ["seq_not_higher"]

    assert groundrule("key", "new", board.folder / "ada2.key", "--party", board.parties["ada"], "--json").code == 0
    draft = board.draft(persons={"ada": {"keys": ["ada2.key.pub"]}})
    answer = board.try_("charter", "draft", board.write("charter2.yaml", draft), "--out", board.folder / "charter.json")
    assert answer.code == 0, answer
    board.run("charter", "rotate", *signed(board, "charter", "bo", "cy", "di"))
    fresh = published(board, "fresh", "bo", "cy")
    found = verify(board, fresh)
    assert "numbers of snapshots begin anew" in found["accepted"][0]
    assert found["snapshot"]["seq"] == 3
    # What was signed before the keys were replaced never comes back: in the new charter each key is trusted from then on.
    assert codes(verify(board, honest, code=1)) == ["snapshot_signers"]
    assert codes(verify(board, forged, code=1)) == ["snapshot_signers"]
