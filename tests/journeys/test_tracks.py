"""The main job on real input: a decision for each fix of the real tracks under the shipped rulebook."""

from __future__ import annotations

import time
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from groundrule.ledger.audit.fsck import fsck
from groundrule.ledger.audit.receipts import verify_receipt
from groundrule.pipeline.home_ledger import HomeLedger, log_folder, policy_of
from groundrule.pipeline.receipts import issue_receipt
from groundrule.pipeline.runs import Inputs, Run, decide, replay
from groundrule.reasons import CATALOGUE
from groundrule.store.history import read_run
from groundrule.store.home import Home
from groundrule.store.observations import open_observations
from track_register import COLUMNS, make_track_home, reasons_by_class

FIXES = 257_612


@pytest.fixture(scope="module")
def decided(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, Run, dict[str, str]]:
    tracks = shared_data / "tracks" / "tracks.parquet"
    folder = tmp_path_factory.mktemp("tracks")
    now = time.time_ns()
    home, kinds = make_track_home(folder / "home", tracks, now)
    reader = open_observations(tracks, columns=COLUMNS)
    with home.writer(), HomeLedger.open(home) as ledger:
        run = decide(
            home,
            Inputs((table for table, _ in reader), files=list, rejected=lambda: dict(reader.counts.by_reason)),
            recorded_at_ns=now,
            ledger=ledger,
        )
    assert reader.counts.total == 0
    return home, run, kinds


def decisions(home: Home) -> pa.Table:
    return pa.concat_tables(read_run(home, "decisions", 1)).unify_dictionaries()


def test_each_fix_has_one_decision(decided: tuple[Home, Run, dict[str, str]], shared_data: Path) -> None:
    home, run, _ = decided
    assert (run.counts.decided, run.counts.duplicates, run.counts.unregistered) == (FIXES, 0, 0)
    given = pq.read_table(shared_data / "tracks" / "tracks.parquet", columns=["track_id", "time"])
    keys = pa.table(
        {
            "terminal_id": given["track_id"].cast(pa.string()),
            "observed_at": given["time"].cast(pa.timestamp("ns", "UTC")).cast(pa.int64()),
        }
    )
    order = [("observed_at", "ascending"), ("terminal_id", "ascending")]
    assert decisions(home).select(["terminal_id", "observed_at"]).cast(keys.schema).equals(keys.sort_by(order))


def test_each_decision_says_why(decided: tuple[Home, Run, dict[str, str]]) -> None:
    found = decisions(decided[0])
    first = pc.list_element(found["reasons"], 0)
    assert pc.all(pc.equal(pc.struct_field(first, "class"), "decisive")).as_py()
    assert set(pc.unique(pc.struct_field(first, "code")).to_pylist()) <= set(CATALOGUE)
    assert pc.all(pc.greater(found["valid_until"], found["observed_at"])).as_py()


def test_classes_are_answered_as_they_move(decided: tuple[Home, Run, dict[str, str]]) -> None:
    home, _, kinds = decided
    counts = reasons_by_class(decisions(home), kinds)
    assert set(counts) == set(kinds.values())
    stopped = {kind for kind, counted in counts.items() if counted["moving_too_fast_for_policy"]}
    # Gliders fly faster than the 160 km/h of their plan; nothing on wheels or rails did, and aircraft have another plan.
    assert stopped == {"glider"}
    assert {kind for kind, counted in counts.items() if counted["unlicensed_country"]} == {
        "aircraft_special",
        "uav_multirotor",
    }
    assert sum(counted["landing_right"] for counted in counts.values()) > 0.95 * FIXES


def test_the_replay_is_identical(decided: tuple[Home, Run, dict[str, str]]) -> None:
    found = replay(decided[0])
    assert found.identical, found
    assert found.rows == FIXES


def test_decisions_on_real_tracks_can_be_proved(decided: tuple[Home, Run, dict[str, str]]) -> None:
    home, run, _ = decided
    assert run.committed is not None
    assert run.committed.published
    policy = policy_of(home)
    rows = decisions(home).select(["terminal_id", "observed_at", "outcome", "rule"]).to_pylist()
    for row in rows[::6000]:
        verified = verify_receipt(
            issue_receipt(home, row["terminal_id"], at_ns=row["observed_at"]).proof, policy
        )
        assert {name: verified.fields[name] for name in ("terminal_id", "outcome", "rule")} == {
            name: row[name] for name in ("terminal_id", "outcome", "rule")
        }
    assert fsck(log_folder(home), policy).ok
