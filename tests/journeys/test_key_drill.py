"""S5, the drill: a key is stolen, revoked or replaced, and from then on it opens nothing and breaks nothing that was proved.

Three kinds of keys: of the service (API keys), of persons (the charter), and of the log. Times are of the clock on the wall.
"""

# ruff: noqa: E402 - imports follow the path of what the tests of the service share

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from board import Board, make_board
from console import groundrule
from groundrule.cli.envelopes import merge_envelopes
from groundrule.errors import ProofFailed
from groundrule.ledger.audit.fsck import fsck
from groundrule.ledger.checkpoint import open_checkpoint
from groundrule.ledger.log import Log
from groundrule.ledger.policy import Policy
from groundrule.ledger.proof import Proof
from groundrule.ledger.tree import leaf_hash, verify_consistency
from groundrule.pipeline.home_ledger import LedgerSetup, log_folder, policy_of
from groundrule.store.home import Home
from small_home import make_home

sys.path[:0] = [str(Path(__file__).parents[1] / "unit" / name) for name in ("api",)]

from homes import Served, make_served_home, served

WITHIN_S = 60.0
"""Until every point that is online refuses a revoked key [s]."""


# --- keys of the service ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(make_served_home(tmp_path_factory.mktemp("drill") / "home")) as made:
        yield made


def test_a_revoked_key_is_refused_from_the_next_request_on(service: Served) -> None:
    given = [service.service.desk.give_key(f"stolen {number}", ["officer", "ingest"]) for number in range(20)]
    kept = service.key("officer")
    for key, text in given:
        headers = {"Authorization": f"Bearer {text}"}
        assert service.get("/v1/session", headers).status_code == 200
        # As somebody at the machine does it, while the service runs.
        answer = groundrule("access", "key", "revoke", key.id, "--home", service.service.homes["default"].home.path)
        assert answer.code == 0, answer
        for method, path in (("GET", "/v1/session"), ("GET", "/v1/terminals"), ("POST", "/v1/observations"), ("GET", "/v1/public")):
            refused = service.client.request(method, path, headers=headers)
            assert refused.status_code == 401, (method, path)
            assert text not in refused.text
    assert service.get("/v1/session", kept).status_code == 200, "the keys of others go on"
    assert len(service.service.desk.store.denials()) >= 20 * 4 - 1


def test_an_answer_that_was_kept_for_a_key_is_not_given_to_the_thief(service: Served) -> None:
    key, text = service.service.desk.give_key("stolen", ["ingest"])
    headers = {"Authorization": f"Bearer {text}", "Idempotency-Key": "drill-1"}
    body = {"rows": [{"terminal_id": "car", "observed_at": "2026-11-20T12:00:00Z", "lat_deg": 5.0, "lon_deg": 5.0}]}
    first = service.client.post("/v1/observations", json=body, headers=headers)
    assert first.status_code < 300, first.text
    assert service.client.post("/v1/observations", json=body, headers=headers).status_code < 300, "its bearer gets it again"
    assert service.service.desk.revoke(key.id)
    assert service.client.post("/v1/observations", json=body, headers=headers).status_code == 401


# --- keys of persons ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Board:
    folder = tmp_path_factory.mktemp("drill-board")
    board = make_board(make_home(folder / "home", ledger=LedgerSetup()).path, folder)
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
    board.run("snapshot", "publish", *signed(board, "snapshot", *names), "--out", board.folder / name)
    return board.folder / name


def taken(board: Board, point: str, source: Path, *more: str) -> Any:
    answer = groundrule("snapshot", "verify", source, "--point", board.folder / point, *more, "--json")
    assert answer.json is not None, answer
    return answer.json


def test_a_replaced_key_signs_nothing_for_any_point_after_its_next_snapshot(board: Board) -> None:
    points, pin = [f"point-{number}" for number in range(5)], str(board.run("charter", "show")["digest"])
    first = published(board, "first", "ada", "bo")
    for point in points:
        assert taken(board, point, first, "--pin", pin)["snapshot"]["seq"] == 1
    # Ada's key is stolen. What the thief signs with bo, who was fooled, would be taken now:
    forged = board.folder / "forged"
    shutil.copytree(first, forged)
    value = json.loads((board.folder / "snapshot.json").read_text()) | {"seq": 999}
    board.write("snapshot.json", json.dumps(value, sort_keys=True, separators=(",", ":")))
    (forged / "snapshot.dsse").write_text(json.dumps(merge_envelopes(signed(board, "snapshot", "ada", "bo"))))
    assert taken(board, points[0], forged)["snapshot"]["seq"] == 999

    began = time.monotonic()
    assert groundrule("key", "new", board.folder / "ada2.key", "--party", board.parties["ada"], "--json").code == 0
    draft = board.draft(persons={"ada": {"keys": ["ada2.key.pub"]}})
    answer = board.try_("charter", "draft", board.write("charter2.yaml", draft), "--out", board.folder / "charter.json")
    assert answer.code == 0, answer
    board.run("charter", "rotate", *signed(board, "charter", "bo", "cy", "di"))
    fresh = published(board, "fresh", "bo", "cy")
    for point in points:
        taken(board, point, fresh)
    spent = time.monotonic() - began
    assert spent < WITHIN_S, "from the theft being known to every point that is online"
    refused = [taken(board, point, forged) for point in points]
    assert [each["refused"][0]["code"] for each in refused] == ["snapshot_signers"] * len(points)
    # A point that was offline accepts the thief's work until it hears of the new charter, and not after.
    late = "late"
    taken(board, late, first, "--pin", pin)
    taken(board, late, fresh)
    assert taken(board, late, forged)["refused"][0]["code"] == "snapshot_signers"


# --- the key of the log ---------------------------------------------------------------------------------------------------------


def grown(home: Home, folder: Path, count: int) -> bytes:
    """Let the log of a home grow, and return its checkpoint."""
    lines = [json.dumps({"kind": "evidence", "body": {"number": number}}) for number in range(count)]
    (folder / "entries").write_text("\n".join(lines) + "\n")
    for command in (("append", folder / "entries"), ("checkpoint",)):
        answer = groundrule("ledger", *command, "--home", home.path)
        assert answer.code == 0, answer
    return (log_folder(home) / "checkpoint").read_bytes()


def proofs(home: Home, checkpoint: bytes, indexes: range) -> list[tuple[bytes, bytes]]:
    """Return leaf and proof of entries under a checkpoint."""
    with Log.open(log_folder(home), clock=time.time_ns) as log:
        tree, size = log.tree(), log.size
        return [(leaf_hash(tree.entry(index)), Proof(index, tuple(tree.inclusion_path(index, size)), checkpoint, None).format())
                for index in indexes]  # fmt: skip


def test_a_log_gets_new_keys_and_every_old_proof_holds(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", ledger=LedgerSetup())
    readers = {"old": policy_of(home)}
    before = grown(home, tmp_path, 300)
    kept = proofs(home, before, range(300))
    assert len(kept) == 300

    # 1. The policy names both generations, and both sign: whoever knows either key reads on.
    made = groundrule("ledger", "key", "rotate", "--home", home.path, "--json").json
    readers |= {"both": policy_of(home), "new": Policy.parse(Policy.format_simple(made["new"], [], None))}
    during = grown(home, tmp_path, 50)
    for reader in readers.values():
        assert reader.check(during).quorum_met
    origin = made["origin"]
    assert len(open_checkpoint(during, readers["both"].log_keys, origin=origin).log_keys_verified) == 4
    # 2. The old keys are put away; what they signed stays signed.
    ended = groundrule("ledger", "key", "retire", "--reason", "revoked", "--yes", "--home", home.path, "--json").json
    assert (ended["old"], ended["ended"]) == ([], made["old"])
    after = grown(home, tmp_path, 50)
    assert readers["both"].check(after).quorum_met
    assert readers["new"].check(after).quorum_met
    with pytest.raises(ProofFailed):
        readers["old"].check(after)

    invalid = 0
    for leaf, proof in kept:
        try:
            Proof.parse(proof).verify(leaf, readers["both"])
        except ProofFailed:
            invalid += 1
    assert invalid == 0
    with Log.open(log_folder(home), clock=time.time_ns) as log:
        heads = [open_checkpoint(each, readers["both"].log_keys, origin=origin).checkpoint for each in (before, during, after)]
        for first, second in ((heads[0], heads[1]), (heads[1], heads[2]), (heads[0], heads[2])):
            path = log.tree().consistency_path(first.size, second.size)
            verify_consistency(first.size, second.size, first.root, second.root, path)
    assert fsck(log_folder(home), policy_of(home), strict=True).faults == ()
    # Entries of before are proved under the new keys, too, for whoever trusts only them.
    for leaf, proof in proofs(home, after, range(0, 300, 7)):
        Proof.parse(proof).verify(leaf, readers["new"])
