"""An emergency changes what is served: opened by two, decided, explained, replayed, and over."""

from __future__ import annotations

import csv
import json
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from board import Board, make_board
from console import groundrule
from groundrule.engines.distributed_decide import decide_into
from groundrule.instant import NS_PER_S, format_instant, parse_instant
from groundrule.pipeline.emergency_overlay import Clocks, overlay_faults, overlay_now
from groundrule.pipeline.home_ledger import LedgerSetup, log_folder
from groundrule.pipeline.overlay import Overlay
from groundrule.store.home import Home
from groundrule.store.policy import put_object
from plain_cluster import PlainCluster
from small_home import make_home

INSIDE, OUTSIDE, EDGE = (2.5, 2.5), (5.0, 5.0), (2.5, 3.0)
TTL_S = 900


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Board:
    folder = tmp_path_factory.mktemp("overlay")
    home = make_home(folder / "home", ledger=LedgerSetup())
    board = make_board(home.path, folder)
    board.begin()
    return board


@pytest.fixture
def board(template: Board, tmp_path: Path) -> Board:
    shutil.copytree(template.folder, tmp_path / "case")
    return Board(Home.open(tmp_path / "case" / "home").path, tmp_path / "case", template.parties)


def open_emergency(board: Board, **wanted: Any) -> dict[str, Any]:
    written = {
        "openers": [board.parties["ada"], board.parties["bo"]], "condition": "danger_to_life", "areas": ["closed"],
        "ops": ["serve"], "direction": "permit_only", "ttl_s": TTL_S,
    } | wanted  # fmt: skip
    file = board.folder / "emergency.json"
    board.run("emergency", "draft", board.write("wanted.yaml", written), "--in", "1", "--out", file)
    signatures = []
    for name in ("ada", "bo"):
        signatures.append(board.folder / f"emergency-{name}.sig")
        answer = groundrule("emergency", "sign", file, "--key", board.key(name), "--out", signatures[-1], "--yes")
        assert answer.code == 0, answer
    found: dict[str, Any] = board.run("emergency", "open", *signatures)
    return found


def decide(board: Board, name: str, *rows: tuple[str, int, tuple[float, float]]) -> dict[str, Any]:
    """Decide observations (terminal, instant, place) in one run."""
    file = board.folder / f"{name}.csv"
    with file.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["terminal_id", "observed_at", "lat_deg", "lon_deg", "position_source"])
        writer.writerows([terminal, format_instant(at), *place, "gnss"] for terminal, at, place in rows)
    found: dict[str, Any] = board.run("decide", file)
    return found


def explained(board: Board, terminal: str, at_ns: int, *more: str) -> dict[str, Any]:
    found: dict[str, Any] = board.run("explain", terminal, "--at", format_instant(at_ns), *more)
    return found


def test_who_is_denied_is_served_while_it_lasts_and_not_a_moment_longer(board: Board) -> None:
    began = time.time_ns()
    decide(board, "before", ("car", began - 60 * NS_PER_S, INSIDE))
    policy = board.run("govern", "status")["policy"]
    made = open_emergency(board)
    opened = parse_instant(made["opened_at"])
    over = opened + TTL_S * NS_PER_S
    inside, last = opened + 30 * NS_PER_S, over - 1_000_000
    decided = decide(board, "while", ("car", inside, INSIDE), ("car", last, INSIDE), ("car", over, INSIDE), ("guest", inside, OUTSIDE),
                     ("late payer", inside, INSIDE))  # fmt: skip
    assert decided["reasons"]["emergency_permit"] == 3
    assert decided["reasons"]["no_service_zone"] == 1

    assert explained(board, "car", began - 60 * NS_PER_S)["outcome"] == "deny"
    for instant in (inside, last):
        found = explained(board, "car", instant)
        assert (found["outcome"], found["reason"], found["rule"]) == ("serve", "emergency_permit", made["id"])
        assert [each["rule"] for each in found["applied"]] == [made["id"], "closed-zone"]
        assert "deny by closed-zone" in found["would_have_to_differ"][0]
    assert explained(board, "car", over)["rule"] == "closed-zone"
    assert explained(board, "guest", inside)["reason"] == "served"
    # An account that is suspended is an ordinary denial: danger to life lifts it too.
    assert explained(board, "late payer", inside)["rule"] == made["id"]

    owner = groundrule("explain", "car", "--at", format_instant(inside), "--for", "owner", "--home", board.home)
    assert "because of an emergency that two persons have declared" in owner.out
    assert made["id"] not in owner.out
    assert "closed" not in owner.out

    assert board.run("govern", "status")["policy"] == policy, "an emergency stands beside the policy"
    assert board.run("replay")["identical"]
    manifests = [json.loads(each.read_text()) for each in sorted((board.home / "manifests").glob("run-*.json"))]
    assert ["emergencies" in each for each in manifests] == [False, True]


def test_a_decision_is_not_to_be_relied_on_longer_than_the_emergency(board: Board) -> None:
    made = open_emergency(board, ttl_s=30)
    opened = parse_instant(made["opened_at"])
    out = board.folder / "out.parquet"
    row = f"car,{format_instant(opened + NS_PER_S)},2.5,2.5,gnss\n"
    file = board.write("one.csv", "terminal_id,observed_at,lat_deg,lon_deg,position_source\n" + row)
    board.run("decide", file, "--out", out)
    found = pq.read_table(out).to_pylist()[0]
    assert found["outcome"] == "serve"
    assert found["valid_until"] == opened + 30 * NS_PER_S, "the rulebook would say 60 s"


def test_an_emergency_that_denies_names_whom_it_denies(board: Board) -> None:
    made = open_emergency(board, areas=[], terminals=["guest"], ops=["deny"], direction="deny_only", condition="hostile_use_confirmed")
    at = parse_instant(made["opened_at"]) + NS_PER_S
    decided = decide(board, "while", ("guest", at, OUTSIDE), ("car", at, OUTSIDE))
    assert decided["reasons"] == {"emergency_deny": 1, "served": 1}
    found = explained(board, "guest", at, "--for", "owner")
    assert (found["outcome"], found["reason"]) == ("deny", "emergency_deny")
    assert found["appeal"]
    board.run("emergency", "close", made["id"], "--key", board.key("cy"))
    later = time.time_ns()
    assert decide(board, "after", ("guest", later + NS_PER_S, OUTSIDE))["reasons"] == {"served": 1}
    assert board.run("replay")["identical"]


def test_what_a_cluster_decided_in_an_emergency_enters_the_log_as_that(board: Board) -> None:
    made = open_emergency(board)
    at = parse_instant(made["opened_at"]) + NS_PER_S
    file = board.write(
        "while.csv", f"terminal_id,observed_at,lat_deg,lon_deg,position_source\ncar,{format_instant(at)},2.5,2.5,gnss\n"
    )
    home, now, out = Home.open(board.home), time.time_ns(), board.folder / "decided"
    found = decide_into(home, [file], out, PlainCluster(), recorded_at_ns=now, overlay=overlay_now(home, Clocks.now(now)))
    assert found is not None
    assert found.counts.reasons == {"emergency_permit": 1}
    taken = board.run("decided", out, "--take")["taken"]
    assert [each["reasons"] for each in taken] == [{"emergency_permit": 1}]
    assert json.loads((board.home / "manifests" / "run-000001.json").read_text())["emergencies"] == found.batch.manifest["emergencies"]
    assert explained(board, "car", at)["rule"] == made["id"]
    assert board.run("replay")["identical"]


def test_on_the_edge_a_person_looks(board: Board) -> None:
    made = open_emergency(board)
    at = parse_instant(made["opened_at"]) + NS_PER_S
    decide(board, "edge", ("car", at, EDGE))
    found = explained(board, "car", at)
    assert found["outcome"] == "review"


def test_replay_tells_an_emergency_that_was_invented_or_left_out(board: Board) -> None:
    made = open_emergency(board)
    at = parse_instant(made["opened_at"]) + NS_PER_S
    decide(board, "while", ("car", at, INSIDE))
    manifest = json.loads((board.home / "manifests" / "run-000001.json").read_text())
    name = manifest["emergencies"].removeprefix("sha256:")
    kept = board.home / "governance" / "objects" / name
    kept.write_bytes(kept.read_bytes().replace(b'"closed"', b'"sea:AT"'))
    answer = board.try_("replay")
    assert answer.code == 1
    assert "has been changed" in answer.out


def test_an_emergency_left_out_prolonged_or_invented_is_a_fault(board: Board) -> None:
    open_emergency(board)
    home = Home.open(board.home)
    held = overlay_now(home, Clocks.now())
    (measure,) = held.measures

    def faults(overlay: Overlay) -> list[str]:
        manifest = {"run": 1, "recorded_at_ns": str(time.time_ns()), "emergencies": f"sha256:{put_object(home, overlay.data)}"}
        return overlay_faults(home, [manifest])

    assert faults(held) == []
    assert "without emergency" in faults(Overlay())[0]
    assert faults(Overlay((replace(measure, until_ns=measure.until_ns - NS_PER_S),))) == [], "clocks may shorten it"
    for changed in (
        {"until_ns": measure.until_ns + NS_PER_S}, {"from_ns": measure.from_ns - NS_PER_S}, {"areas": frozenset({"sea:AT"})},
        {"permits": False},
    ):  # fmt: skip
        assert "does not hold like that" in faults(Overlay((replace(measure, **changed),)))[0]
    invented = replace(measure, id=f"emergency-{7:032x}")
    assert "does not hold like that" in faults(Overlay((measure, invented)))[0]


def test_with_the_log_out_of_reach_it_goes_on_and_ends(board: Board) -> None:
    made = open_emergency(board)
    opened = parse_instant(made["opened_at"])
    away = board.folder / "away"
    shutil.move(log_folder(Home.open(board.home)), away)
    found = decide(board, "without", ("car", opened + 2 * NS_PER_S, INSIDE), ("car", opened + TTL_S * NS_PER_S, INSIDE))
    assert found["reasons"] == {"emergency_permit": 1, "no_service_zone": 1}
    shutil.move(away, log_folder(Home.open(board.home)))
    decide(board, "again", ("car", opened + 3 * NS_PER_S, INSIDE))  # the run without a log enters it now
    assert board.run("replay")["identical"]
