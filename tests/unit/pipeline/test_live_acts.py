"""Acts beside the intake: answers go on, rest on what was in force before, and what was done holds when it is told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import small_home as sh
from governed_home import OTHER_BOOK, Clock, base_home, desk
from groundrule.errors import InputError, StoreError
from groundrule.pipeline.home_ledger import LedgerSetup
from groundrule.pipeline.live.answers import Answered, LiveSettings
from groundrule.pipeline.live.bench import Bench
from groundrule.pipeline.live.desk import Live
from groundrule.pipeline.manifests import read_manifest, runs
from groundrule.pipeline.replaying import replay
from groundrule.store.home import Home
from groundrule.store.register_import import import_register
from groundrule.store.registers import Registers

QUIET = LiveSettings(commit_every_s=3_600, check_every_s=3_600)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return sh.make_home(tmp_path_factory.mktemp("acts") / "template", ledger=LedgerSetup())


@pytest.fixture
def home(template: Home, tmp_path: Path) -> Home:
    return sh.copy_home(template, tmp_path / "home")


@pytest.fixture
def clock() -> Clock:
    return Clock(sh.RECORDED)


@pytest.fixture
def live(home: Home, clock: Clock) -> Iterator[Live]:
    with Live.open(home, clock=clock, settings=QUIET) as made:
        yield made


def submit(live: Live, *made: dict[str, Any]) -> Answered:
    return live.submit(sh.table(made).drop_columns(["source", "source_row"]), source="test").result(30)


def outcome(live: Live, name: str, at_s: float, lat: float = 5, lon: float = 12) -> str:
    return str(submit(live, sh.observation(name, at_s, lat, lon)).decisions["outcome"][0].as_py())


class Held:
    """An act that waits until it is let go."""

    def __init__(self, then: Any = lambda _home, _ledger: None) -> None:
        self.begun, self.go, self._then = threading.Event(), threading.Event(), then

    def __call__(self, home: Home, ledger: Any) -> Any:
        self.begun.set()
        assert self.go.wait(30)
        return self._then(home, ledger)


def register(clock: Clock, rows: str) -> Any:
    def act(home: Home, _ledger: Any) -> None:
        file = home.path.parent / "more.csv"
        file.write_text(rows, encoding="utf-8")
        with Registers.open(home) as registers:
            import_register(registers, "terminals", file, recorded_at_ns=clock(), actor="test", rejected_folder=home.rejected)

    return act


def late_payer(clock: Clock) -> Any:
    """The newcomer's account has not paid: what nobody knew was reviewed or served, and now is denied."""
    return register(clock, "terminal_id,account_id,plan,registration\nnewcomer,acc-b,roam,registered\n")


def test_observations_are_answered_while_an_act_is_under_way(live: Live) -> None:
    outcome(live, "car", 0)
    act = Held(lambda _home, _ledger: 7)
    told = live.act(act)
    assert act.begun.wait(30)
    assert runs(live.home) == [1]
    for k in range(1, 6):
        assert outcome(live, "car", 15 * k) == "serve"
    assert not told.done()
    act.go.set()
    assert told.result(30) == 7
    assert live.commit().result(30) is not None
    assert live.status().counters["differences"] == 0
    assert replay(live.home).identical


def test_what_is_answered_meanwhile_rests_on_what_held_before_and_its_run_too(live: Live, clock: Clock) -> None:
    before = outcome(live, "newcomer", 0)
    mid, end = threading.Event(), threading.Event()

    def act(home: Home, ledger: Any) -> None:
        late_payer(clock)(home, ledger)
        mid.set()
        assert end.wait(30)

    told = live.act(act)
    assert mid.wait(30)
    revision = live.basis.registers.revision
    assert outcome(live, "newcomer", 15) == before, "it is written, and not in force for answers yet"
    end.set()
    told.result(30)
    assert live.basis.registers.revision > revision
    after = outcome(live, "newcomer", 30)
    live.commit().result(30)
    assert live.status().counters["differences"] == 0
    numbers = runs(live.home)
    revisions = [read_manifest(live.home, run)["registers"]["digest"] for run in numbers]
    assert len(set(revisions)) == 2
    assert revisions == sorted(revisions, key=revisions.index)
    assert replay(live.home).identical
    with Registers.open(live.home) as registers:
        assert registers.revision().revision == live.basis.registers.revision
    rows = live.present(["newcomer"]).result(30).to_pylist()
    assert rows[0]["outcome"] == after


def test_acts_are_done_one_after_the_other_in_their_order(live: Live) -> None:
    order: list[int] = []
    first = Held(lambda *_: order.append(0))
    told = [live.act(first), *(live.act(lambda *_, k=k: order.append(k)) for k in (1, 2, 3))]
    assert first.begun.wait(30)
    outcome(live, "car", 0)
    assert order == []
    assert told[2].cancel()
    first.go.set()
    told[3].result(30)
    assert order == [0, 1, 3]


def test_an_act_that_fails_is_told_so_and_the_next_goes_on(live: Live, clock: Clock) -> None:
    def fail(home: Home, ledger: Any) -> None:
        late_payer(clock)(home, ledger)
        raise InputError("no")

    revision = live.basis.registers.revision
    with pytest.raises(InputError, match="no"):
        live.act(fail).result(30)
    assert live.basis.registers.revision > revision, "what it had written holds all the same"
    assert live.act(lambda *_: 3).result(30) == 3


def test_an_act_is_not_begun_where_what_is_pending_cannot_become_a_run(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    outcome(live, "car", 0)
    done: list[int] = []

    def broken(*_: object) -> None:
        raise StoreError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(live._committer, "commit", broken)
        with pytest.raises(StoreError, match="the disk is full"):
            live.act(lambda *_: done.append(1)).result(30)
    assert done == []
    live._commit_due = 0.0
    assert live.act(lambda *_: 5).result(30) == 5
    assert live.status().counters["committed"] == 1


def test_a_basis_that_cannot_be_judged_under_leaves_the_old_one_and_is_tried_again(
    live: Live, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    revision = live.basis.registers.revision
    with monkeypatch.context() as patched:
        patched.setattr(Bench, "install", lambda *_: (_ for _ in ()).throw(StoreError("memory is out of reach")))
        live.act(late_payer(clock)).result(30)
        assert outcome(live, "car", 0) == "serve"
        assert not next(each for each in live.status().checks if each.name == "basis").ok
    assert live.basis.registers.revision == revision
    live._look_due = 0.0
    outcome(live, "car", 15)
    live.commit().result(30)
    assert next(each for each in live.status().checks if each.name == "basis").ok
    assert live.basis.registers.revision > revision


def test_closing_does_what_was_asked_for_first(home: Home, clock: Clock) -> None:
    live = Live.open(home, clock=clock, settings=QUIET)
    outcome(live, "car", 0)
    act = Held(lambda *_: 1)
    told = [live.act(act), live.act(lambda *_: 2)]
    assert act.begun.wait(30)
    outcome(live, "car", 15)
    closer = threading.Thread(target=live.close)
    closer.start()
    act.go.set()
    assert [each.result(30) for each in told] == [1, 2]
    closer.join(30)
    assert replay(home).rows == 2


def test_enacted_rules_hold_for_whoever_was_told(tmp_path: Path) -> None:
    home = base_home(tmp_path / "home")
    with desk(home) as governing:
        governing.genesis()
        clock = governing.clock
    with Live.open(home, clock=clock, settings=QUIET) as live:
        submit(live, *sh.drive("car", 0, 12, lat=5, lon=1, km_h=80))

        def enact(given: Home, _ledger: Any) -> str:
            from groundrule.pipeline.governing import Governance

            made = governing.governance = Governance.open(given, _ledger, clock)
            assert made.state.charter is not None
            return governing.pass_through(governing.change("replace", "rulebook", OTHER_BOOK.encode()))

        before = live.basis.rulebook.digest
        live.act(enact).result(60)
        assert live.basis.rulebook.digest != before
        submit(live, *sh.drive("car", 12 * 15, 4, lat=5, lon=1.5, km_h=80))
        live.commit().result(30)
        assert live.status().counters["differences"] == 0
    assert replay(home).identical

