"""Wrong use by command line: refused with the reason, and the refusal is in the log. Two or three lines of each attack."""

from __future__ import annotations

import json
import shutil
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

from board import Board, make_board
from console import groundrule, refused
from groundrule.pipeline.home_ledger import LedgerSetup, keys_folder, log_folder
from groundrule.store.home import Home
from small_home import BOOK, make_home, run, stream

TRAINS_PASS = BOOK.replace("unless: [{list: pass}]", "unless: [{list: pass}, {programme: rail}]").replace("version: 1", "version: 2")
PERSON = {"id": "inv-1", "schema": "Person", "properties": {"name": ["Doktor Exempel Listed (invented)"], "topics": ["sanction"]}}


def stamp(offset_s: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(time.time() + offset_s))


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Board, str]:
    folder = tmp_path_factory.mktemp("wrong")
    home = make_home(folder / "home", ledger=LedgerSetup())
    run(home, stream(3))
    board = make_board(home.path, folder)
    # The key of cy ran out an hour ago, but the root key of di did not.
    expired = {"from": stamp(-7200), "to": stamp(-3600)}
    draft = board.draft(persons={"cy": expired})
    board.run("charter", "draft", board.write("charter.yaml", draft), "--out", folder / "charter.json")
    signed = [sign_charter(board, name) for name in ("ada", "bo", "di")]
    board.run("charter", "init", *signed)
    proposal = board.propose({"rulebook": board.write("trains.yaml", TRAINS_PASS)})
    return board, str(proposal["proposal"])


def sign_charter(board: Board, name: str) -> Path:
    out = board.folder / f"{name}.sig"
    answer = groundrule("charter", "sign", board.folder / "charter.json", "--key", board.key(name), "--out", out, "--yes")
    assert answer.code == 0, answer
    return out


@pytest.fixture
def case(template: tuple[Board, str], tmp_path: Path) -> tuple[Board, str]:
    board, proposal = template
    shutil.copytree(board.folder, tmp_path / "case", ignore=shutil.ignore_patterns("*.seen*"))
    home = Home.open(tmp_path / "case" / "home")
    assert keys_folder(home).exists()
    return Board(home.path, tmp_path / "case", board.parties), proposal


def codes(board: Board) -> list[str]:
    return [each["code"] for each in board.run("govern", "refusals")["refused"]]


def is_public(board: Board, code: str) -> bool:
    """Is the refusal in what everybody can read of the log?"""
    folder = log_folder(Home.open(board.home))
    return any(f'"code":"{code}"'.encode() in path.read_bytes() for path in (folder / "tile" / "entries").rglob("*") if path.is_file())


def signs(board: Board, name: str, proposal: str, *, conflict: str = "none") -> Path:
    """Let somebody sign at the approver's machine, and return the envelope."""
    bundle, out = board.folder / "bundle.zip", board.folder / f"{name}.approval"
    board.run("govern", "export", proposal, "--out", bundle)
    answer = groundrule("approve", bundle, "--key", board.key(name), "--conflict", conflict, "--yes", "--out", out,
                        "--memory", board.folder / f"{name}.seen.own")  # fmt: skip
    assert answer.code == 0, answer
    return out


def test_an_expired_key(case: tuple[Board, str]) -> None:
    board, proposal = case
    refused(board.try_("govern", "import", signs(board, "cy", proposal)), "not valid at the time of signing")
    assert codes(board) == ["key_expired"]
    assert is_public(board, "key_expired")


def test_the_wrong_person(case: tuple[Board, str]) -> None:
    board, proposal = case
    # Gus reviews; he decides no routine change, whoever he says he is.
    refused(board.try_("govern", "import", signs(board, "gus", proposal)), "decided by role policy")
    # The author of a change is nobody to approve it.
    refused(board.try_("govern", "import", signs(board, "author", proposal)), "decided by role policy")
    stranger = board.folder / "stranger.key"
    assert groundrule("key", "new", stranger).code == 0
    refused(board.try_("govern", "import", signs(board, "stranger", proposal)), "no key of the charter")
    assert codes(board) == ["not_in_role", "not_in_role", "bad_signature"]
    # An envelope whose payload names another person than its signature.
    envelope = json.loads(signs(board, "ada", proposal).read_bytes())
    other = json.loads(signs(board, "bo", proposal).read_bytes())
    board.write("swapped.approval", envelope | {"signatures": other["signatures"]})
    refused(board.try_("govern", "import", board.folder / "swapped.approval"), "no key of the charter")
    assert board.run("govern", "status")["proposals"][0]["approve"] == []


def edited(bundle: Path, out: Path, change: dict[str, Any]) -> Path:
    """Write a bundle again with other parts."""
    with zipfile.ZipFile(bundle) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            for part, make in change.items():
                if name.startswith(part):
                    data = make(data)
            new.writestr(name, data)
    return out


def test_an_edited_bundle_is_not_signed(case: tuple[Board, str]) -> None:
    board, proposal = case
    bundle = board.folder / "b.zip"
    board.run("govern", "export", proposal, "--out", bundle)

    def value(change: Any) -> Any:
        def make(data: bytes) -> bytes:
            found = json.loads(data)
            change(found)
            return json.dumps(found).encode()

        return make

    def swapped(found: dict[str, Any]) -> None:
        found["entries"][-1]["entry"] = found["entries"][0]["entry"]

    def older(found: dict[str, Any]) -> None:
        found["checkpoint"] = found["checkpoint"].replace("\n", "\n1", 1)

    for change, code, words in (
        ({"objects/": lambda data: data.replace(b"closed-zone", b"opened-zone")}, 1, "has been changed"),
        ({"bundle.json": value(swapped)}, 1, "does not lead to the root"),
        ({"bundle.json": value(older)}, 1, ""),
        ({"bundle.json": value(lambda found: found["entries"].pop())}, 1, "not in the log"),
        ({"bundle.json": value(lambda found: found.update(proposal="0" * 64))}, 1, "not in the log"),
        ({"bundle.json": lambda data: data[:-20]}, 2, "not a bundle"),
    ):
        file = edited(bundle, board.folder / "edited.zip", change)
        answer = groundrule("approve", file, "--key", board.key("ada"), "--conflict", "none", "--yes", "--out", board.folder / "x")
        assert answer.code == code, (words, answer)
        assert words in answer.err
        assert not (board.folder / "x").exists()
    # With the approver's own copy of the policy, another log is no log.
    strange = board.write("policy", (log_folder(Home.open(board.home)) / "policy").read_text().replace("log localhost", "log otherhost"))
    answer = groundrule("approve", bundle, "--key", board.key("ada"), "--policy", strange, "--conflict", "none", "--yes")
    assert answer.code in (1, 2), answer


def test_a_log_that_was_rolled_back_is_noticed_by_the_approver(case: tuple[Board, str]) -> None:
    board, proposal = case
    old = board.folder / "old.zip"
    board.run("govern", "export", proposal, "--out", old)
    signs(board, "ada", proposal)
    board.run("govern", "import", signs(board, "bo", proposal))
    signs(board, "ada", proposal)
    answer = groundrule("approve", old, "--key", board.key("ada"), "--conflict", "none", "--yes", "--memory",
                        board.folder / "ada.seen.own")  # fmt: skip
    assert answer.code == 1
    assert "rolled back" in answer.err


def test_a_replayed_envelope_has_the_effect_of_one(case: tuple[Board, str]) -> None:
    board, proposal = case
    envelope = signs(board, "ada", proposal)
    first = board.run("govern", "import", envelope)["approvals"][0]
    again = board.run("govern", "import", envelope, envelope)["approvals"]
    assert first["index"] > 0
    assert [each["index"] for each in again] == [-1, -1]
    assert all("1 of 2 persons" in each["standing"] for each in (first, *again))
    # For an edited proposal the same envelope is worth nothing: it is another proposal.
    second = board.propose({"rulebook": board.folder / "trains.yaml"}, rationale="an edited rationale (invented)", supersedes=proposal)
    refused(board.try_("enact", second["proposal"]), "0 of 2 persons")


def test_a_quorum_of_one_with_two_keys(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", ledger=LedgerSetup())
    board = make_board(home.path, tmp_path)
    second = groundrule("key", "new", board.key("ada2"), "--party", board.parties["ada"], "--json")
    assert second.code == 0, second
    board.begin(persons={"ada": {"keys": ["ada.key.pub", "ada2.key.pub"]}})
    proposal = str(board.propose({"rulebook": board.write("trains.yaml", TRAINS_PASS)})["proposal"])
    for name in ("ada", "ada2"):
        found = board.run("govern", "import", signs(board, name, proposal))["approvals"][0]
        assert "1 of 2 persons" in found["standing"]
    refused(board.try_("enact", proposal), "1 of 2 persons of role policy approve")
    assert codes(board) == ["quorum"]
    # A charter in which the same public key belongs to two persons is none.
    draft = board.draft()
    draft["persons"]["bo"]["keys"] = ["ada.key.pub"]
    refused(board.try_("charter", "draft", board.write("two.yaml", draft)), "charter")


def test_a_stale_list_blocks_enactment(case: tuple[Board, str]) -> None:
    board, _ = case
    lists = ("lists", "import", board.folder / "invented.ftm.json", "--source", "invented-list")
    board.write("invented.ftm.json", json.dumps(PERSON) + "\n")
    board.run(*lists, "--published", "2026-11-01")
    board.write("letter.txt", "Let trains pass (invented).")
    request = board.run("request", "open", board.write("request.json", {
        "requester": {"kind": "legal_entity", "names": ["Aland Rail (invented)"]}, "channel": "letter", "purpose": "commercial",
        "received_by": board.parties["reg"], "received_at": stamp(-3600), "text": "letter.txt",
        "ask": [{"op": "serve", "object": "rulebook/small"}],
    }))  # fmt: skip
    proposal = str(board.propose({"rulebook": board.folder / "trains.yaml"}, requests=[request["id"]])["proposal"])
    board.approve(proposal, "ada", "bo")
    refused(board.try_("enact", proposal), "was never screened")
    board.run("request", "screen", request["id"])
    board.write("invented.ftm.json", json.dumps(PERSON | {"id": "inv-2"}) + "\n")
    board.run(*lists, "--published", "2026-11-02")
    refused(board.try_("enact", proposal), "newer than the screening")
    assert codes(board) == ["unscreened", "list_newer"]
    board.run("request", "screen", request["id"])
    assert board.run("enact", proposal)["in_force"]


def test_policy_is_written_by_nothing_else(case: tuple[Board, str]) -> None:
    board, _ = case
    rows = board.write("pass.csv", "list_id,terminal_id,state,holder,legal_class\npass,car,active,p1,individual\n")
    refused(board.try_("register", "import", "list_entries", rows), "only by enactment")
    zone = {"type": "Feature", "properties": {"id": "new", "kind": "zone", "name": "New (invented)"},
            "geometry": {"type": "Polygon", "coordinates": [[[4, 4], [5, 4], [5, 5], [4, 5], [4, 4]]]}}  # fmt: skip
    area = board.write("zone.geojson", {"type": "FeatureCollection", "features": [zone]})
    refused(board.try_("areas", "import", area), "only by enactment")
    assert board.run("govern", "check")["differences"] == []


def test_nobody_signs_by_accident(case: tuple[Board, str]) -> None:
    board, proposal = case
    bundle = board.folder / "b.zip"
    board.run("govern", "export", proposal, "--out", bundle)
    refused(groundrule("approve", bundle, "--key", board.key("ada"), "--yes"), "no statement about conflicts")
    refused(groundrule("approve", bundle, "--key", board.key("ada"), "--conflict", "none"), "nobody is there to say yes")
    refused(groundrule("approve", "no-such", "--key", board.key("ada"), "--home", board.home), "begin with")
    refused(board.try_("request", "close", "x", "--outcome", "refused", "--reason", "none"), "begin with")
    refused(board.try_("govern", "import", board.write("n.approval", {"payload": 1})), "no signed envelope")


def test_an_emergency_is_opened_by_two_and_reviewed_by_others(case: tuple[Board, str]) -> None:
    board, _ = case
    wanted = {
        "openers": [board.parties["ada"], board.parties["bo"]], "condition": "danger_to_life", "areas": ["closed"], "ops": ["serve"],
        "direction": "permit_only", "ttl_s": 600,
    }  # fmt: skip
    file = board.folder / "emergency.json"

    def signed(what: str, *names: str) -> list[Path]:
        found = []
        for name in names:
            found.append(board.folder / f"{what}-{name}.sig")
            answer = groundrule(what, "sign", board.folder / f"{what}.json", "--key", board.key(name), "--out", found[-1], "--yes")
            assert answer.code == 0, answer
        return found

    made = board.run("emergency", "draft", board.write("wanted.yaml", wanted), "--in", "1", "--out", file)
    signatures = signed("emergency", "ada", "bo")
    refused(board.try_("emergency", "open", signatures[0]), "1 of 2 openers")
    opened = board.run("emergency", "open", *signatures)
    assert opened["id"] == made["emergency"]
    board.run("review", "draft", made["emergency"], "--reviewer", board.parties["fay"], "--reviewer", board.parties["gus"],
              "--verdict", "upheld", "--findings", "it was needed (invented)", "--out", board.folder / "review.json")  # fmt: skip
    refused(board.try_("review", "conclude", *signed("review", "fay")), "not every reviewer signed")
    concluded = board.run("review", "conclude", *signed("review", "fay", "gus"))
    assert concluded["verdict"] == "upheld"
    board.run("emergency", "close", made["emergency"], "--key", board.key("ada"))
    assert board.run("emergency", "list")["emergencies"][0]["state"] == "closed"
    assert codes(board) == ["openers_unsigned", "bad_signature"]
