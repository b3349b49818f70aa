"""Detection behind the desk: what is found counts from the next observation on, is kept, told, and there again after a restart."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from groundrule.detect.signals import KINDS, Signal, table_of
from groundrule.instant import NS_PER_S
from groundrule.pipeline import looking
from groundrule.pipeline.case_desk import CaseDesk
from groundrule.pipeline.detecting import Detection
from groundrule.pipeline.home_ledger import LedgerSetup
from groundrule.pipeline.live import detection as module
from groundrule.pipeline.live.answers import LiveSettings
from groundrule.pipeline.live.desk import Live
from groundrule.pipeline.manifests import runs
from groundrule.pipeline.replaying import replay
from groundrule.store.findings import Findings
from groundrule.store.history import read_run
from groundrule.store.home import Home
from groundrule.store.register_import import import_register
from groundrule.store.registers import Registers
from groundrule.store.signals import SIGNALS
from journey_rows import JOURNEY, START_NS, seen
from small_home import BOOK, copy_home, make_home

NOW_NS = START_NS + 40 * 86_400 * NS_PER_S
SETTINGS = LiveSettings(check_every_s=3_600, commit_every_s=3_600, interference=False)
RULE = """\
  - id: two-places
    title: An identity that is in two places is not served
    tier: account
    what: {signals: [impossible_travel, cloned_identity]}
    outcome: deny
    reason: account_disabled
    authority: {basis: "terms (invented)", illustrative: true}
"""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Home:
    folder = tmp_path_factory.mktemp("template")
    return make_home(folder / "home", book=BOOK.replace("rules:\n", f"rules:\n{RULE}"), ledger=LedgerSetup())


@pytest.fixture
def home(template: Home, tmp_path: Path) -> Home:
    return copy_home(template, tmp_path / "home")


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GATHER_S", 0.01)


@contextmanager
def desk(home: Home, **changes: Any) -> Iterator[Live]:
    with Live.open(home, clock=lambda: NOW_NS, settings=replace(SETTINGS, **changes)) as live:
        yield live


def detected(live: Live) -> Any:
    assert live.detection is not None
    assert live.detection.drain()
    return live.detection


def submit(live: Live, table: pa.Table, key: str | None = None) -> list[str]:
    answered = live.submit(table, source="test", key=key).result(60)
    return [str(word) for word in answered.decisions.column("outcome").to_pylist()]


def stored_signals(home: Home) -> list[tuple[str, int, tuple[str, ...]]]:
    found = []
    for run in runs(home):
        for table in read_run(home, "observations", run, columns=["terminal_id", "observed_at", "signals"]):
            if "signals" in table.column_names:
                found += [(r["terminal_id"], r["observed_at"], tuple(r["signals"])) for r in table.to_pylist() if r["signals"]]
    return sorted(found)


def test_what_is_found_counts_from_the_next_observation_on(home: Home) -> None:
    told: list[Any] = []
    with desk(home) as live:
        live.subscribe(told.append)
        assert set(submit(live, seen(*JOURNEY))) == {"serve"}  # the answer does not wait for detectors
        found = detected(live)
        kinds = set(SIGNALS.read(home)["kind"].to_pylist())
        assert kinds & {"impossible_travel", "cloned_identity"}
        assert found.counters["signals"] >= 1
        assert submit(live, seen((960, 9.004, 3.0))) == ["deny"]
        assert submit(live, seen((960, 9.004, 3.0), who="car")) == ["serve"]
        assert live.status().counters["signalled"] == 1
    assert [event.type for event in told if event.type == "signal.raised"]
    (event, *_) = [event for event in told if event.type == "signal.raised"]
    assert (event.subject, event.public) == ("guest", False)
    assert event.data["kind"] in KINDS
    assert [who for who, _, _ in stored_signals(home)] == ["guest"]
    assert replay(home).identical


def test_a_restart_makes_the_same_memory_and_signals_count_at_once(home: Home) -> None:
    with desk(home) as live:
        submit(live, seen(*JOURNEY))
        detected(live)
        before = SIGNALS.read(home).num_rows
    with desk(home) as live:
        assert submit(live, seen((960, 9.004, 3.0))) == ["deny"]  # whatever is made from history meanwhile
        detected(live)
        assert SIGNALS.read(home).num_rows == before  # nothing is told twice


def test_a_journey_over_a_restart_is_found(home: Home) -> None:
    with desk(home) as live:
        submit(live, seen(*JOURNEY[:25]))
        detected(live)
        assert not SIGNALS.read(home).num_rows
    with desk(home) as live:
        submit(live, seen(*JOURNEY[25:]))
        detected(live)
        assert SIGNALS.read(home).num_rows >= 1


def test_what_a_crash_kept_from_being_told_is_told_by_the_next_start(home: Home) -> None:
    with desk(home, detection=False) as live:
        submit(live, seen(*JOURNEY))
        assert live.detection is None
    assert not SIGNALS.read(home).num_rows
    with desk(home) as live:
        detected(live)
        assert SIGNALS.read(home).num_rows >= 1
        assert submit(live, seen((960, 9.004, 3.0))) == ["deny"]


def test_a_change_of_registers_keeps_what_is_known_of_terminals(home: Home) -> None:
    with desk(home) as live:
        submit(live, seen(*JOURNEY[:25]))
        detected(live)

        def change(_home: Home, _ledger: Any) -> None:
            file = home.path.parent / "more.csv"
            file.write_text("terminal_id,account_id,plan,programmes,registration,activation_country\naaa,acc-a,roam,,registered,AT\n")
            with Registers.open(home) as registers:
                import_register(registers, "terminals", file, recorded_at_ns=NOW_NS, actor="test", rejected_folder=home.rejected)

        live.act(change).result(60)
        submit(live, seen(*JOURNEY[25:]))
        detected(live)
        assert SIGNALS.read(home).num_rows >= 1
        assert submit(live, seen((960, 9.004, 3.0))) == ["deny"]
        assert submit(live, seen((960, 4.0, 3.0), who="aaa")) == ["serve"]


def test_what_waits_while_memory_is_made_and_is_in_history_before_the_next_change_is_told(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, stopped = threading.Event(), threading.Event()
    whole = looking.all_observations

    def held(*args: Any, **named: Any) -> Any:
        stopped.set()
        assert go.wait(60)
        yield from whole(*args, **named)

    def change(terminal: str) -> Any:
        def act(_home: Home, _ledger: Any) -> None:
            file = home.path.parent / f"{terminal}.csv"
            file.write_text(f"terminal_id,account_id,plan,programmes,registration,activation_country\n{terminal},acc-a,roam,,registered,AT\n")
            with Registers.open(home) as registers:
                import_register(registers, "terminals", file, recorded_at_ns=NOW_NS, actor="test", rejected_folder=home.rejected)

        return act

    with desk(home) as live:
        submit(live, seen(*JOURNEY[:5]))
        detected(live)
        live.commit().result(60)
        monkeypatch.setattr(looking, "all_observations", held)
        live.act(change("aaa")).result(60)
        submit(live, seen(JOURNEY[5]))
        assert stopped.wait(60)
        submit(live, seen(*JOURNEY[6:]))
        live.commit().result(60)
        live.act(change("bbb")).result(60)
        go.set()
        detected(live)
        assert SIGNALS.read(home).num_rows >= 1
        assert submit(live, seen((960, 9.004, 3.0))) == ["deny"]


def test_one_fast_clock_does_not_cut_short_what_waits_for_the_watch_over_disturbed_areas(home: Home) -> None:
    now = [START_NS + 605 * NS_PER_S]
    with Live.open(home, clock=lambda: now[0], settings=SETTINGS) as live:
        submit(live, seen(*JOURNEY[:41]))  # the journey is complete at 600 s, and told three minutes later
        submit(live, seen((890, 1.0, 1.0), who="fast"))
        detected(live)
        assert SIGNALS.read(home)["kind"].to_pylist() == ["displaced_fix"]  # of which the watch has known for long
        now[0] = START_NS + 900 * NS_PER_S
        submit(live, seen(*JOURNEY[41:]))
        detected(live)
        assert "impossible_travel" in SIGNALS.read(home)["kind"].to_pylist()
        assert live.detection is not None
        assert live.detection.counters["detected"] == len(JOURNEY) + 1


def test_what_was_told_before_its_area_was_found_disturbed_is_withdrawn_after_a_crash(home: Home) -> None:
    raised = Signal("drone_flight", "guest", START_NS, START_NS, 0.9)
    with desk(home) as live:
        found = detected(live)
        found._looker._told([raised])
        found._hear(found._looker._looked())
        found._looker._catch_up([raised], [raised])
        found._hear(found._looker._looked())
        assert found.counters["withdrawn"] == 1
    assert SIGNALS.withdrawn(home) == {(raised.id, START_NS)}


def test_what_is_withdrawn_counts_no_longer_and_is_read_no_longer(home: Home) -> None:
    raised = Signal("cloned_identity", "guest", START_NS, START_NS, 0.9)
    other = Signal("convoy", "car", START_NS, START_NS, 0.9)
    with home.writer():
        SIGNALS.write(home, table_of([raised, other]))
    with desk(home) as live:
        found = detected(live)
        assert submit(live, seen((15, 4.0, 14.0))) == ["deny"]
        found._looker._undid([raised])
        found._hear(found._looker._looked())
        assert submit(live, seen((30, 4.0, 14.0))) == ["serve"]
    assert set(SIGNALS.read(home)["kind"].to_pylist()) == {"convoy", "account_risk"}
    assert set(SIGNALS.newest(home, 10)["kind"].to_pylist()) == {"convoy", "account_risk"}
    assert SIGNALS.withdrawn(home) == {(raised.id, START_NS)}


def test_files_of_signals_are_put_together_and_what_was_withdrawn_stays_so(home: Home) -> None:
    made = [Signal("cloned_identity", f"guest-{k}", START_NS + k, START_NS + k, 0.9) for k in range(40)]
    with home.writer():
        for one in made:
            SIGNALS.write(home, table_of([one]))
        for one in made[:20]:
            SIGNALS.withdraw(home, [(one.terminal_id, one.id, one.raised_at)], at_ns=NOW_NS)
    with desk(home) as live:
        submit(live, seen((15, 4.0, 14.0)))
        detected(live)
    assert len(SIGNALS.batches(home)) == len(list((home.path / "withdrawals").iterdir())) == 1
    assert set(SIGNALS.read(home)["signal_id"].to_pylist()) == {one.id for one in made[20:]}
    assert Findings.read(Findings("signals", "raised_at", "signal_id", "signals", "detect"), home).num_rows == 40


def test_a_signal_lapses(home: Home) -> None:
    raised = Signal("cloned_identity", "guest", START_NS, START_NS, 0.9)
    with home.writer():
        SIGNALS.write(home, table_of([raised]))
    with desk(home) as live:
        day = 86_400
        outcomes = submit(live, seen((-15, 4.0, 14.0), (0, 4.0, 14.0), (day - 1, 4.0, 14.0), (day, 4.0, 14.0), (day + 15, 4.0, 14.0)))
        assert outcomes == ["serve", "deny", "deny", "serve", "serve"]


def test_a_detector_that_fails_keeps_no_observation_out_and_is_said(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("broken")

    with desk(home) as live:
        detected(live)
        monkeypatch.setattr(Detection, "update", broken)
        assert set(submit(live, seen(*JOURNEY[:3]))) == {"serve"}
        assert live.detection is not None
        assert live.detection.drain()
        assert submit(live, seen((960, 9.004, 3.0))) == ["serve"]
        (check,) = [each for each in live.status().checks if each.name == "detection"]
        assert not check.ok
        assert "broken" in check.why
        assert live.status().ready


def test_observations_wait_while_memory_is_made(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    with desk(home) as live:
        submit(live, seen(*JOURNEY[:25]))
    go, stopped = threading.Event(), threading.Event()
    whole = looking.all_observations

    def held(*args: Any, **named: Any) -> Any:
        stopped.set()
        assert go.wait(60)
        yield from whole(*args, **named)

    monkeypatch.setattr(looking, "all_observations", held)
    with desk(home) as live:
        assert stopped.wait(60)
        submit(live, seen(*JOURNEY[25:]))
        assert live.detection is not None
        assert live.detection.waiting == len(JOURNEY) - 25
        (check,) = [each for each in live.status().checks if each.name == "detection"]
        assert check.ok
        assert "history" in check.why
        go.set()
        detected(live)
        assert SIGNALS.read(home).num_rows >= 1


def test_whoever_was_refused_by_mistake_is_served_as_soon_as_a_person_has_looked(home: Home) -> None:
    with desk(home) as live:
        submit(live, seen(*JOURNEY))
        found = detected(live)
        assert submit(live, seen((960, 9.004, 3.0))) == ["deny"]
        cases = CaseDesk(home)
        case = cases.cases(terminal="guest")[0]
        cases.act(case.id, "dismiss", by="Ira (invented)", at_ns=NOW_NS, reason="innocent")
        found.look_at_cases()
        assert submit(live, seen((975, 9.004, 3.0))) == ["serve"]
        # More of the same is told, and refuses nobody.
        submit(live, seen(*((1_000 + at, lat, lon) for at, lat, lon in JOURNEY[:40])))
        detected(live)
        assert submit(live, seen((2_000, 9.004, 3.0))) == ["serve"]
    with desk(home) as live:
        detected(live)
        assert submit(live, seen((2_015, 9.004, 3.0))) == ["serve"]
        cases.act(case.id, "reopen", by="Ira (invented)", at_ns=NOW_NS + 1)
        assert live.detection is not None
        live.detection.look_at_cases()
        assert submit(live, seen((2_030, 9.004, 3.0))) == ["deny"]


def test_a_damaged_file_of_signals_is_told_and_keeps_nobody_from_being_looked_at(home: Home) -> None:
    with desk(home) as live:
        submit(live, seen(*JOURNEY))
        detected(live)
    path = SIGNALS.batches(home)[0].path
    path.write_bytes(path.read_bytes()[:-7] + b"damaged")
    with desk(home) as live:
        assert live.detection is not None
        assert "signals of before are not known" in live.detection.check().why
        submit(live, seen(*JOURNEY, who="car"))
        assert detected(live).counters["signals"] >= 1
        assert not live.detection.fault
