"""One run after the other on a small home: what is decided, counted, kept and left behind."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from groundrule.errors import ConflictError, InputError, StoreError
from groundrule.instant import NS_PER_S, format_instant
from groundrule.pipeline.counts import Counts
from groundrule.pipeline.home import basis_of
from groundrule.pipeline.manifests import read_manifest, runs
from groundrule.pipeline.runs import LATE_NS, Inputs, decide, replay
from groundrule.pipeline.snapshots import replayed_state
from groundrule.records import DECISION_SCHEMA, OUTCOME_WORDS
from groundrule.rules.text import read_rulebook
from groundrule.store.durable import write_durably
from groundrule.store.history import read_run, run_numbers
from groundrule.store.home import Home
from small_home import (
    ACCOUNTS,
    BOOK,
    RECORDED,
    T0,
    answers,
    copy_home,
    drive,
    final_decisions,
    inputs,
    make_home,
    observation,
    register,
    run,
    stored,
    stream,
    table,
)

HOUR = 3600
LATE_S = LATE_NS // NS_PER_S


def over_late(home: Home, number: int) -> list[str]:
    return [row["terminal_id"] for part in read_run(home, "over_late", number) for row in part.to_pylist()]


# --- what is decided --------------------------------------------------------------------------------------------------


def test_a_speed_limit_is_reached_after_its_time_and_released_below_the_lower_one(home: Home) -> None:
    fast = drive("car", 0, 6, lat=5, lon=5, km_h=100)
    slow = drive("car", 90, 4, lat=5, lon=fast[-1]["lon_deg"] + 0.0026, km_h=40)
    run(home, table([*fast, *slow]))
    found = [(at, outcome) for _, at, outcome, _ in answers(home)]
    assert found[:3] == [(0, "serve"), (15, "serve"), (30, "serve")]
    assert [outcome for at, outcome in found if 45 <= at < 90] == ["deny"] * 3
    assert found[-1][1] == "serve"


def test_an_exempt_terminal_at_the_same_speed_is_served(home: Home) -> None:
    run(home, table(drive("train", 0, 6, lat=5, lon=5, km_h=100)))
    assert {outcome for _, _, outcome, _ in answers(home)} == {"serve"}


def test_a_long_stay_abroad_counts_from_the_first_observation_there(home: Home) -> None:
    run(home, table(observation("guest", day * 86_400, 5, 5) for day in (0, 1, 2, 3)))
    assert [outcome for _, _, outcome, _ in answers(home)] == ["serve", "serve", "serve", "restrict"]


def test_an_unregistered_terminal_is_decided_and_counted_once_a_run(home: Home) -> None:
    counts = run(home, table([observation("stranger", 0, 5, 5), observation("stranger", 60, 5, 5)])).counts
    assert (counts.decided, counts.unregistered) == (2, 1)
    assert [row["reasons"][0]["code"] for row in stored(home, 1)] == ["account_disabled", "account_disabled"]
    assert run(home, table([observation("car", 120, 5, 5)])).counts.unregistered == 0


# --- when -------------------------------------------------------------------------------------------------------------


def test_a_rule_holds_from_its_start_to_just_before_its_end(home: Home) -> None:
    start, end = 2 * HOUR, 3 * HOUR
    run(home, table(observation("car", at, 5, 15) for at in (start - 1e-9, start, end - 1e-9, end)))
    assert [outcome for _, _, outcome, _ in answers(home)] == ["serve", "deny", "deny", "serve"]


def test_as_of_applies_the_rules_of_another_instant(home: Home) -> None:
    instant = T0 + 2 * HOUR * NS_PER_S
    run(home, table([observation("car", 0, 5, 15)]), as_of_ns=instant)
    [row] = stored(home, 1)
    assert (row["outcome"], row["observed_at"], row["decided_at"]) == ("deny", T0, instant)
    assert replay(home).identical


def test_a_register_entry_holds_from_its_start_to_just_before_its_end(home: Home) -> None:
    since, until = format_instant(T0 + 100 * NS_PER_S), format_instant(T0 + 200 * NS_PER_S)
    register(
        home,
        "list_entries",
        "list_id,terminal_id,state,holder,legal_class,valid_from,valid_until\n"
        f"pass,van,active,p1,individual,{since},{until}\n",
    )
    run(home, table(observation("van", at, 2.5, 2.5) for at in (0, 100 - 1e-9, 100, 200 - 1e-9, 200, 300)))
    assert [outcome for _, _, outcome, _ in answers(home)] == ["deny", "deny", "serve", "serve", "deny", "deny"]
    versions = [row["lists_version"] for row in stored(home, 1)]
    assert versions[0] == versions[1] != versions[2] == versions[3]
    assert versions[4] == versions[5] != versions[2]
    assert replay(home).identical


def test_a_list_entry_expires_in_the_middle_of_a_run(home: Home) -> None:
    until = format_instant(T0 + 100 * NS_PER_S)
    header = "list_id,terminal_id,state,holder,legal_class,expires_at"
    register(home, "list_entries", f"{header}\npass,van,active,p1,individual,{until}\n")
    run(home, table(observation("van", at, 2.5, 2.5) for at in (0, 100 - 1e-9, 100, 101)))
    assert [outcome for _, _, outcome, _ in answers(home)] == ["serve", "serve", "deny", "deny"]


# --- late and repeated ------------------------------------------------------------------------------------------------


def test_a_late_fast_fix_changes_what_was_decided_after_it(home: Home) -> None:
    drives = drive("car", 0, 6, lat=5, lon=5, km_h=100)
    run(home, table([drives[0], drives[5], observation("van", 75, 5, 5)]))
    counts = run(home, table(drives[1:5])).counts
    assert (counts.decided, counts.corrected, counts.late) == (4, 1, 4)
    assert [(name, at) for name, at, _, _ in answers(home, 2, corrections=True)] == [
        ("car", at) for at in (15, 30, 45, 60, 75)
    ]
    assert answers(home, 2) == []
    assert replay(home).identical


def test_the_limit_of_lateness_is_72_hours_to_the_nanosecond(home: Home) -> None:
    latest = LATE_S + 1000
    run(home, table([observation("car", latest, 5, 5), observation("van", latest, 5, 5)]))
    counts = run(
        home, table([observation("car", latest - LATE_S, 5, 5), observation("van", latest - LATE_S - 1e-9, 5, 5)])
    ).counts
    assert (counts.decided, counts.corrected, counts.late, counts.over_late) == (1, 1, 1, 1)
    assert over_late(home, 2) == ["van"]
    assert replay(home).identical


def test_a_run_of_nothing_but_over_late_rows_decides_nothing_and_is_on_record(home: Home) -> None:
    run(home, table([observation("car", LATE_S + 10, 5, 5)]))
    done = run(home, table([observation("car", 0, 5, 5), observation("car", 1, 5, 5)]))
    assert (done.counts.decided, done.counts.over_late) == (0, 2)
    assert read_manifest(home, 2)["over_late"]["rows"] == 2
    again = run(home, table([observation("car", 1, 5, 5), observation("car", 0, 5, 5), observation("car", 2, 5, 5)]))
    assert (again.counts.duplicates, again.counts.over_late) == (2, 1)
    found = replay(home)
    assert found.identical, found


def test_repeats_of_what_is_stored_are_dropped_whatever_file_they_come_from(home: Home) -> None:
    rows = [observation("car", at, 5, 5, alerts=[60, 93], course_deg=0.0) for at in (0, 15, 30)]
    run(home, table(rows))
    counts = run(home, table([row | {"source": "other", "source_row": 7, "course_deg": -0.0} for row in rows])).counts
    assert (counts.duplicates, counts.decided, counts.corrected) == (3, 0, 0)


def test_conflicting_rows_are_all_kept_in_one_order(template: Home, tmp_path: Path) -> None:
    rows = [observation("car", 0, lat, 5) for lat in (5.0, 2.5, 7.5)] + [observation("car", 15, 5, 5)]
    finals = []
    for number, parts in enumerate(([rows], [rows[::-1]], [rows[1:], rows[:1]], [rows[:1], rows[3:], rows[1:3]])):
        home = copy_home(template, tmp_path / str(number))
        for part in parts:
            run(home, table(part))
        finals.append(final_decisions(home, runs(home)))
        assert replay(home).identical
    assert len(finals[0]) == 4
    assert all(final == finals[0] for final in finals)


def test_late_rows_after_the_register_changed_are_judged_by_what_is_known_now(home: Home) -> None:
    run(home, table([observation("van", 0, 5, 5), observation("van", 60, 5, 5)]))
    register(
        home, "accounts", ACCOUNTS.replace("acc-a,p1,AT,active", "acc-a,p1,AT,suspended"), recorded_at=RECORDED + 5
    )
    run(home, table([observation("van", 30, 5, 5)]), recorded_at=RECORDED + 10)
    # The suspension holds from when it was recorded, long after these observations.
    assert {outcome for _, _, outcome, _ in answers(home, 2, corrections=True)} == {"serve"}
    revisions = {row["register_revision"] for row in stored(home, 2, corrections=True)}
    assert revisions == {3}
    assert replay(home).identical


@pytest.mark.parametrize("cache", ["kept", "lost"])
def test_memory_is_the_same_with_and_without_the_cache_when_registers_change_between_runs(
    home: Home, cache: str
) -> None:
    stay = [observation("guest", day * 86_400, 5, 5) for day in range(6)]
    run(home, table(stay[:3]))
    since = format_instant(T0)
    header = "terminal_id,account_id,plan,registration,activation_country,valid_from"
    moved = f"{header}\nguest,acc-a,roam,registered,AT,{since}"
    register(home, "terminals", moved, recorded_at=RECORDED + 5)
    if cache == "lost":
        (home.cache / "state.npz").unlink()
    run(home, table(stay[3:]), recorded_at=RECORDED + 10)
    assert [outcome for _, _, outcome, _ in answers(home, 1)] == ["serve", "serve", "serve"]
    # It is at home now, so the stay counted so far ended with its first observation under the new register.
    assert [outcome for _, _, outcome, _ in answers(home, 2)] == ["serve", "serve", "serve"]
    found = replay(home)
    assert found.identical, found


def test_a_run_under_another_rulebook_remembers_the_history_as_that_rulebook_sees_it(home: Home) -> None:
    drives = drive("car", 0, 9, lat=5, lon=5, km_h=60)
    run(home, table(drives[:5]))
    book = read_rulebook(BOOK.replace("above: 75, release_below: 70", "above: 45, release_below: 40"))
    write_durably(home.rulebooks / f"{book.digest.removeprefix('sha256:')}.yaml", book.text.encode())
    basis = basis_of(home, recorded_at_ns=RECORDED, rulebook=book)
    run(home, table(drives[5:7]), basis=basis)
    assert [outcome for _, _, outcome, _ in answers(home, 2)] == ["deny", "deny"]
    (home.cache / "state.npz").unlink()
    run(home, table(drives[7:]), basis=basis_of(home, recorded_at_ns=RECORDED, rulebook=book))
    assert [outcome for _, _, outcome, _ in answers(home, 3)] == ["deny", "deny"]
    found = replay(home)
    assert found.identical, found


# --- crashes and refusals ---------------------------------------------------------------------------------------------


def broken() -> Iterator[pa.Table]:
    yield table([observation("car", 60, 5, 5)])
    raise InputError("the second half is missing")


def test_a_run_that_fails_leaves_nothing_and_the_next_one_takes_its_number(home: Home) -> None:
    run(home, table([observation("car", 0, 5, 5)]))
    with pytest.raises(InputError, match="second half"), home.writer():
        decide(home, inputs_of(broken()), recorded_at_ns=RECORDED)
    assert run_numbers(home) == {1}
    assert not list(home.cache.glob("work-*"))
    assert run(home, table([observation("car", 60, 5, 5)])).number == 2
    assert replay(home).identical


def inputs_of(batches: Iterator[pa.Table]) -> Inputs:
    return Inputs(batches, files=list, rejected=dict)


_KILLED = """
import os, sys
sys.path.insert(0, sys.argv[2])
from small_home import *
from groundrule.store.home import Home
import groundrule.pipeline.runs as runs_module
def die(*_):
    os._exit(9)
runs_module.write_manifest = die
run(Home.open(sys.argv[1]), table([observation("car", 60, 5, 5), observation("van", 60, 5, 5)]))
"""


def test_files_of_a_killed_run_are_reported_and_removed_by_the_next(home: Home) -> None:
    run(home, table([observation("car", 0, 5, 5)]))
    tests = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", _KILLED, str(home.path), str(tests)], check=False)
    assert done.returncode == 9
    assert run_numbers(home) == {1, 2}
    found = replay(home)
    assert not found.identical
    assert found.faults == ("run 2 has files and no manifest: it was not finished, or its manifest was removed",)
    assert run(home, table([observation("car", 30, 5, 5)])).number == 2
    assert [at for _, at, _, _ in answers(home, 2)] == [30]
    assert replay(home).identical


def test_work_of_dead_processes_is_removed(home: Home) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    (home.cache / f"work-{dead.pid}-x").mkdir()
    run(home, table([observation("car", 0, 5, 5)]))
    assert not list(home.cache.glob("work-*"))


def test_a_second_writer_is_refused(home: Home) -> None:
    with home.writer(), pytest.raises(ConflictError, match="is writing to"):
        run(home, table([observation("car", 0, 5, 5)]))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no zip", b"\x93NUMPY\x01\x00v\x00{'descr'", b"x" * 9999])
def test_a_damaged_cache_is_rebuilt(home: Home, content: bytes) -> None:
    drives = drive("car", 0, 6, lat=5, lon=5, km_h=100)
    run(home, table(drives[:4]))
    (home.cache / "state.npz").write_bytes(content)
    run(home, table(drives[4:]))
    assert [outcome for _, _, outcome, _ in answers(home, 2)] == ["deny", "deny"]


def test_a_cache_that_cannot_be_written_does_not_undo_a_run(home: Home) -> None:
    (home.cache / "state.npz").mkdir()
    assert run(home, table([observation("car", 0, 5, 5)])).number == 1
    assert run(home, table([observation("car", 15, 5, 5)])).number == 2
    assert replay(home).identical


def test_rebuilt_memory_equals_the_cached_one(home: Home) -> None:
    run(home, table(drive("car", 0, 6, lat=5, lon=5, km_h=100)))
    run(home, table([observation("car", 40, 5, 5), observation("guest", 0, 5, 5)]))
    with np.load(home.cache / "state.npz") as cached:
        fixes = {row["t_seen"] for row in cached["fixes"]}
        stays = sorted(cached["stays"]["since"].ravel().tolist())
    rebuilt = replayed_state(home, basis_of(home, recorded_at_ns=RECORDED))
    n = len(rebuilt.basis.registers)
    assert {row["t_seen"] for row in rebuilt.state.fixes[:n]} == fixes
    assert sorted(rebuilt.state.stays["since"][:n].ravel().tolist()) == stays


def test_a_run_without_usable_rows_is_refused_and_commits_nothing(home: Home) -> None:
    with pytest.raises(InputError, match="3 × out_of_range"), home.writer():
        decide(home, inputs(rejected={"out_of_range": 3}), recorded_at_ns=RECORDED)
    with pytest.raises(InputError, match="no observations"):
        run(home, table([]))
    assert runs(home) == []


def test_decisions_are_also_written_to_a_file_whole_or_not_at_all(home: Home, tmp_path: Path) -> None:
    out = tmp_path / "new folder" / "decisions.parquet"
    run(home, table([observation("car", 0, 5, 5), observation("van", 0, 5, 5)]), out=out)
    assert pq.read_table(out).cast(DECISION_SCHEMA).to_pylist() == stored(home, 1)
    with pytest.raises(InputError), home.writer():
        decide(home, inputs_of(broken()), recorded_at_ns=RECORDED, out=tmp_path / "half.parquet")
    assert not (tmp_path / "half.parquet").exists()
    with pytest.raises(StoreError, match="cannot write"):
        run(home, table([observation("car", 15, 5, 5)]), out=tmp_path)
    assert runs(home) == [1]


def test_counts_add_up_over_chunks_with_dictionaries_of_their_own() -> None:
    parts = []
    for words in (OUTCOME_WORDS, OUTCOME_WORDS[::-1]):
        outcome = pa.DictionaryArray.from_arrays(pa.array([0, 0, 3], pa.int8()), pa.array(words))
        state = pa.array(["normal"] * 3).dictionary_encode()
        reasons = pa.array([[{"code": word, "rule": "r", "class": "decisive"}] for word in outcome.to_pylist()])
        parts.append(pa.table({"outcome": outcome, "state": state, "reasons": reasons}))
    counts = Counts()
    counts.add(pa.concat_tables(parts))
    assert counts.answers == {("serve", "normal"): 3, ("deny", "normal"): 3}
    assert counts.reasons == {"serve": 3, "deny": 3}


def test_small_corrections_at_a_time_give_the_same(
    template: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    whole = stream(5)
    finals = []
    for rows in (1, 40, 10**6):
        monkeypatch.setattr("groundrule.pipeline.lateness.CORRECTION_ROWS", rows)
        home = copy_home(template, tmp_path / str(rows))
        run(home, whole.take(pa.array(np.arange(0, len(whole), 2))))
        run(home, whole.take(pa.array(np.arange(1, len(whole), 2))))
        finals.append(final_decisions(home, [1, 2]))
        assert replay(home).identical
    assert finals[0] == finals[1] == finals[2]


def test_a_home_without_registers_decides_and_replays(tmp_path: Path) -> None:
    bare = make_home(tmp_path / "bare", registers=False)
    assert run(bare, table([observation("car", 0, 5, 5)])).counts.unregistered == 1
    assert replay(bare).identical
