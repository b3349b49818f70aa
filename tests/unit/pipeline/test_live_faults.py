"""What the live desk says and does when something is not as it was: runs that differ, crashes, other rules, outages, clocks."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import small_home as sh
from governed_home import Clock, base_home, desk
from governed_world import envelope, ident, party
from groundrule.api.logs import Lines
from groundrule.errors import InputError, StoreError
from groundrule.govern.signed import format_time, whole_ms
from groundrule.instant import NS_PER_S
from groundrule.pipeline.causes import Causes, Staleness
from groundrule.pipeline.degraded import Cause
from groundrule.pipeline.governing import Governance
from groundrule.pipeline.home_ledger import HomeLedger, LedgerSetup, ledger_of
from groundrule.pipeline.live.answers import Answered, LiveSettings
from groundrule.pipeline.live.bench import Bench
from groundrule.pipeline.live.desk import Live
from groundrule.pipeline.live.health import Seen
from groundrule.pipeline.manifests import read_manifest, runs
from groundrule.pipeline.overlay import Measure, Overlay
from groundrule.pipeline.replaying import replay
from groundrule.records import Outcome
from groundrule.store.home import Home
from groundrule.store.segments import segments_of

QUIET = LiveSettings(commit_every_s=3_600, check_every_s=3_600)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return sh.make_home(tmp_path_factory.mktemp("live") / "template", ledger=LedgerSetup())


@pytest.fixture
def home(template: Home, tmp_path: Path) -> Home:
    return sh.copy_home(template, tmp_path / "home")


@pytest.fixture
def live(home: Home) -> Iterator[Live]:
    with Live.open(home, clock=lambda: sh.RECORDED, settings=QUIET) as made:
        yield made


def rows(*made: dict[str, Any]) -> pa.Table:
    return sh.table(made).drop_columns(["source", "source_row"])


def submit(live: Live, *made: dict[str, Any], key: str | None = None) -> Answered:
    return live.submit(rows(*made), source="test", key=key).result(30)


def crash(home: Home, *made: dict[str, Any], key: str | None = None) -> Answered:
    """Submit, and end without committing, as a killed process would; its locks and threads are let go."""
    live = Live.open(home, clock=lambda: sh.RECORDED, settings=QUIET)
    answered = submit(live, *made, key=key)
    live.commit_and_wait = lambda: None  # type: ignore[method-assign]  # the process is gone before it can
    live.close()
    assert len(segments_of(home)) == 1
    return answered


def test_a_run_that_differs_from_the_answers_is_counted_and_told(live: Live) -> None:
    submit(live, *sh.drive("car", 0, 12, lat=5, lon=1, km_h=100), sh.observation("guest", 0, 5, 12))
    chunk = live._taker.work.chunks[0]
    chunk.outcome[3] = 2  # as if another program had answered
    live.commit().result(30)
    assert live.status().counters["differences"] == 1
    assert live._announcer.drain()
    (event,) = live.events.after(0, types=["answers.differ"])
    assert event.data == {"run": 1, "answers": 1}
    assert event.public


def test_a_run_that_fails_in_any_way_does_not_end_the_intake(
    live: Live, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device", named)

    named = "car.segment"
    submit(live, sh.observation("car", 0, 5, 1))
    with monkeypatch.context() as broken:
        broken.setattr(live._committer, "commit", fail)
        with pytest.raises(OSError, match="No space left"):
            live.commit().result(30)
        live._commit_due = 0.0  # and of its own accord
        while live.status().counters.get("failed_runs", 0) < 2:
            assert submit(live, sh.observation("van", live.status().counters.get("accepted", 0), 5, 1)).accepted == 1
        assert not next(check for check in live.status().checks if check.name == "commit").ok
    assert named not in "".join(Lines().format(record) for record in caplog.records)
    assert caplog.records
    run = live.commit().result(30)
    assert run is not None
    assert run.counts.decided == live.status().counters["accepted"]
    assert live.status().counters["differences"] == 0


def test_after_a_crash_what_was_acknowledged_is_committed_and_known(home: Home) -> None:
    drive = sh.drive("car", 0, 12, lat=5, lon=1, km_h=100)
    answered = crash(home, *drive, key="k")
    with Live.open(home, clock=lambda: sh.RECORDED, settings=QUIET) as live:
        status = live.status()
        assert (status.counters["recovered_rows"], status.counters["differences"], status.run) == (12, 0, 1)
        assert segments_of(home) == []
        again = submit(live, *drive, key="k")
        assert again.taken_before
        assert again.decisions["outcome"].to_pylist() == [answered.decisions["outcome"][-1].as_py()] * 12
        assert live._announcer.drain()
        assert [event.subject for event in live.events.after(0, types=["terminal.outcome"])] == ["car"]
    assert replay(home).identical


def test_a_segment_that_a_run_holds_already_is_not_decided_again(home: Home) -> None:
    crash(home, sh.observation("car", 0, 5, 1))
    (segment,) = segments_of(home)
    kept = segment.path.read_bytes()
    with Live.open(home, clock=lambda: sh.RECORDED, settings=QUIET):
        pass
    assert runs(home) == [1]
    segment.path.write_bytes(kept)  # a crash came between the manifest and the removal
    with Live.open(home, clock=lambda: sh.RECORDED, settings=QUIET) as live:
        submit(live, sh.observation("car", 15, 5, 1))
        assert [each.number for each in segments_of(home)] == [2]
    assert runs(home) == [1, 2]
    assert read_manifest(home, 2)["counts"]["decided"] == 1


def test_what_was_answered_under_other_registers_is_committed_under_those(home: Home) -> None:
    late = "account_id,party_id,country,state,valid_from\nacc-a,p1,AT,suspended,2026-03-01T00:00Z\n"
    answered = crash(home, sh.observation("car", 0, 5, 1))
    assert answered.decisions["rule"].to_pylist() == ["default"]
    sh.register(home, "accounts", late, recorded_at=sh.RECORDED + 60 * NS_PER_S)
    with Live.open(home, clock=lambda: sh.RECORDED + 120 * NS_PER_S, settings=QUIET) as live:
        assert live.status().counters["recovered_rows"] == 1
        assert submit(live, sh.observation("car", 15, 5, 1)).decisions["rule"].to_pylist() == ["suspended"]
    assert [rule for *_, rule in sh.answers(home, 1)] == ["default"]
    assert [rule for *_, rule in sh.answers(home, 2)] == ["suspended"]
    assert replay(home).identical


def test_under_a_fault_answers_say_so_and_history_holds_the_policy(live: Live) -> None:
    live._health.seen = Seen(causes=Causes({Cause.POLICY_STORE_DOWN: 2}, Staleness()))
    # An ordinary terminal is reviewed under a policy that is too old; one in conflict keeps its denial.
    answered = submit(live, sh.observation("guest", 0, 5, 12), *sh.drive("car", 0, 12, lat=5, lon=1, km_h=100))
    assert answered.degraded == ("degraded:policy_store_down",)
    first, last = answered.decisions.to_pylist()[0], answered.decisions.to_pylist()[-1]
    assert (first["outcome"], first["state"], first["class"]) == ("review", "degraded", "ordinary")
    assert first["reasons"][0]["code"] == "degraded:policy_store_down"
    assert (last["outcome"], last["class"]) == ("deny", "conflict")
    assert live.fleet().outcome[live.fleet().rows_of(["guest"])].tolist() == [Outcome.REVIEW]
    live.commit().result(30)
    assert live.status().counters["differences"] == 0
    assert sh.answers(live.home)[0][2:] == ("serve", "default")


def test_an_emergency_begins_and_ends_by_the_clock(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [sh.RECORDED]
    begin, end = sh.RECORDED + 100 * NS_PER_S, sh.RECORDED + 200 * NS_PER_S
    measure = Measure(
        "emergency-x", "invented", False, frozenset({"country:BE"}), frozenset(), (Outcome.RESTRICT,), begin, end, end
    )
    # The clock that nobody sets may end it earlier than it says.
    told = [Overlay((measure,))]
    monkeypatch.setattr(Bench, "_overlay", lambda _self: told[0])
    with Live.open(home, clock=lambda: now[0], settings=QUIET) as live:
        at_s = (sh.RECORDED - sh.T0) / NS_PER_S

        def rule(after_s: float) -> str:
            now[0] = sh.RECORDED + round(after_s * NS_PER_S)
            found = submit(live, sh.observation("guest", at_s + after_s, 5, 12))
            return str(found.decisions["rule"][0].as_py())

        assert [rule(10), rule(110)] == ["default", "emergency-x"]
        told[0] = Overlay()
        assert rule(210) == "default"
        assert rule(220) == "default"
        live.act(lambda _home, _ledger: None).result(30)  # what time brings is put on record by an act, and this one follows it
        assert live._bench.judge.basis.overlay == Overlay()


def test_health_is_looked_at_and_what_is_wrong_is_named(home: Home) -> None:
    with Live.open(home, clock=lambda: sh.RECORDED, settings=QUIET) as live:
        live._pool.submit(live._look).result(30)
        status = live.status()
        assert all(check.ok for check in status.checks), status.checks
        assert status.ready
        assert status.degraded == ()
        assert status.staleness.policy_s == 0
        (home.path / "registers.sqlite").rename(home.path / "away.sqlite")
        live._pool.submit(live._look).result(30)
        assert "degraded:policy_store_down" in live.status().degraded
        # Decisions do not need the database.
        assert submit(live, sh.observation("car", 0, 5, 1)).degraded == ("degraded:policy_store_down",)
        (home.path / "away.sqlite").rename(home.path / "registers.sqlite")
        live._pool.submit(live._look).result(30)
        assert live.status().degraded == ()
        assert live._announcer.drain()
        assert [event.type for event in live.events.after(0, types=["degraded."])] == ["degraded.began", "degraded.ended"]


def test_without_its_log_a_home_goes_on_deciding(home: Home) -> None:
    keys = home.path.with_name("home-keys")
    keys.rename(keys.with_name("gone"))
    with Live.open(home, clock=lambda: sh.RECORDED, settings=QUIET) as live:
        live._pool.submit(live._look).result(30)
        assert submit(live, sh.observation("car", 0, 5, 1)).degraded == ("degraded:ledger_down",)
        assert live.commit().result(30) is not None
        assert not next(check for check in live.status().checks if check.name == "ledger").ok
    keys.with_name("gone").rename(keys)
    with home.writer(), ledger_of(home) or nullcontext() as ledger:
        assert ledger is not None
        assert ledger.records.run_proof(1) is not None


def test_too_much_at_once_is_refused(home: Home) -> None:
    settings = LiveSettings(commit_every_s=3_600, check_every_s=3_600, queue_rows=5, submission_rows=8)
    with Live.open(home, clock=lambda: sh.RECORDED, settings=settings) as live:
        with pytest.raises(InputError, match="rows in one submission"):
            live.submit(rows(*sh.drive("car", 0, 9, lat=5, lon=1, km_h=1)), source="x").result(30)

        held, go = threading.Event(), threading.Event()

        def hold() -> None:
            held.set()
            go.wait(30)

        act = live._waiting.command(hold)
        assert held.wait(30)
        first = live.submit(rows(*sh.drive("car", 0, 4, lat=5, lon=1, km_h=1)), source="x")
        with pytest.raises(StoreError) as refused:
            live.submit(rows(*sh.drive("van", 0, 4, lat=5, lon=1, km_h=1)), source="x").result(30)
        assert refused.value.context["busy"] is True
        go.set()
        act.result(30)
        assert first.result(30).accepted == 4


def test_submissions_that_wait_are_answered_together_each_with_its_own(home: Home) -> None:

    with Live.open(home, clock=lambda: sh.RECORDED, settings=QUIET) as live:
        held, go = threading.Event(), threading.Event()

        def hold() -> None:
            held.set()
            go.wait(30)

        live._waiting.command(hold)
        assert held.wait(30)
        three = [
            rows(sh.observation("car", 15 * k, 5, 1), sh.observation("van", 15 * k, 95, 1), sh.observation("van", 15 * k, 5, k))
            for k in range(5)
        ]
        futures = [live.submit(each, source="x") for each in three]
        naive = live.submit(pa.table({"terminal_id": ["car"], "observed_at": ["2026-03-02 10:00"]}), source="x")
        go.set()
        for k, future in enumerate(futures):
            answered = future.result(30)
            assert answered.decisions["terminal_id"].to_pylist() == ["car", "van"]
            assert set(answered.decisions["observed_at"].to_pylist()) == {sh.T0 + 15 * k * NS_PER_S}
            assert answered.rows.to_pylist() == [0, 2]
            assert [(each.row, each.reason) for each in answered.rejected] == [(1, "out_of_range")]
        assert [each.reason for each in naive.result(30).rejected] == ["time_without_zone"]
        assert live.status().counters["groups"] < 5
        assert live.status().counters["rejected"] == 6
        live.commit().result(30)
        assert live.status().counters["differences"] == 0


def test_an_emergency_of_the_log_holds_while_it_lasts_and_its_end_is_logged(tmp_path: Path) -> None:
    clock = Clock()
    home = base_home(tmp_path / "governed")
    with desk(home, clock) as before:
        before.genesis()
    guest_at = (2.5, 2.5)

    with Live.open(home, clock=clock, settings=QUIET) as live:

        def answer() -> tuple[str, str]:
            at_s = (clock.now - sh.T0) / NS_PER_S
            row = submit(live, sh.observation("guest", at_s, *guest_at)).decisions.to_pylist()[0]
            return row["outcome"], row["rule"]

        def open_it(home: Home, ledger: HomeLedger | None) -> str:
            assert ledger is not None
            governance, now = Governance.open(home, ledger, clock), whole_ms(clock.now)
            value = {
                "id": ident("emergency", "case"), "openers": [party("e1"), party("e2")], "condition": "danger_to_life",
                "scope": {"areas": ["closed"], "terminals": [], "ops": ["serve"]}, "direction": "permit_only",
                "opened_at": format_time(now), "ttl_s": 900, "renewal_of": None,
                "auto_revert_digest": governance.state.policy_digest, "review_due": format_time(now + 3 * 86_400 * NS_PER_S),
            }  # fmt: skip
            return governance.emergency_open(envelope("emergency", value, "e1", "e2")).id

        assert answer() == ("deny", "closed-zone")
        emergency = live.act(open_it).result(60)
        assert answer() == ("serve", emergency)
        assert live.commit().result(60) is not None
        clock.now += 901 * NS_PER_S
        assert answer() == ("deny", "closed-zone")
        live.commit().result(60)
        live.act(lambda _home, _ledger: None).result(60)  # comes after what the end of the emergency has put in the queue
        assert live.status().counters["differences"] == 0
        assert live._announcer.drain()
        told = [event.type for event in live.events.after(0, types=["log."])]
        assert told == ["log.emergency-open", "log.emergency-close"]
        assert all(event.public for event in live.events.after(0, types=["log."]))
    assert replay(home).identical
