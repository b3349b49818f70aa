"""The second evaluator follows the runs of a service, and says so when it comes to something else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import small_home as sh
from groundrule.pipeline.judge import Judge, Judged
from groundrule.pipeline.live import second_look
from groundrule.pipeline.live.answers import LiveSettings
from groundrule.pipeline.live.desk import Live
from groundrule.pipeline.live.second_look import SecondLook
from groundrule.records import Outcome
from groundrule.store.home import Home

QUIET = LiveSettings(commit_every_s=3_600, check_every_s=3_600)
COUNT = 3_000


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return sh.make_home(tmp_path_factory.mktemp("second") / "template")


@pytest.fixture
def live(template: Home, tmp_path: Path) -> Iterator[Live]:
    with Live.open(sh.copy_home(template, tmp_path / "home"), clock=lambda: sh.RECORDED, settings=QUIET) as made:
        yield made


def report(live: Live) -> None:
    rows = sh.table([sh.observation(f"u{k}", 3, 2.5, 2.5) for k in range(COUNT)]).drop_columns(["source", "source_row"])
    live.submit(rows, source="test").result(30)
    live.commit().result(30)


def second(live: Live) -> Any:
    return next(each for each in live.status().checks if each.name == "second_evaluator")


def test_a_share_of_every_run_is_decided_again_and_comes_to_the_same(live: Live) -> None:
    report(live)
    counters = live.status().counters
    assert counters["decisions_seen"] == COUNT
    assert 0.003 * COUNT < counters["decided_again"] < 0.03 * COUNT
    assert (counters["decided_again_otherwise"], counters["failed_second_looks"]) == (0, 0)
    assert second(live).ok


def test_an_altered_engine_is_found_out_although_answers_and_runs_agree(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Judge.judge

    def altered(self: Judge, *given: Any, **named: Any) -> Judged:
        judged = plain(self, *given, **named)
        outcome = judged.decided.outcome.copy()
        outcome[:] = Outcome.SERVE  # nobody has a pass known to be good: the rules say review
        return replace(judged, decided=replace(judged.decided, outcome=outcome))

    monkeypatch.setattr(Judge, "judge", altered)
    report(live)
    counters = live.status().counters
    assert counters["differences"] == 0
    assert counters["decided_again_otherwise"] == counters["decided_again"] > 0
    assert not second(live).ok
    assert str(counters["decided_again"]) in second(live).why
    assert live.status().ready, "an alert is no outage"
    assert live._announcer.drain()
    (event,) = live.events.after(0, types=["decisions.differ"])
    assert event.data == {"run": 1, "decisions": counters["decided_again_otherwise"]}
    assert event.public
    monkeypatch.undo()
    rows = sh.table([sh.observation("u1", 60, 2.5, 2.5)]).drop_columns(["source", "source_row"])
    live.submit(rows, source="test").result(30)
    live.commit().result(30)
    assert not second(live).ok, "what was found stays said"


def test_a_second_evaluator_that_fails_is_said_and_ends_no_run(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(second_look.Sampler, "check", fail)
    report(live)
    assert live.status().run == 1
    assert live.status().counters["failed_second_looks"] >= 1
    assert not second(live).ok


def test_the_secret_is_another_at_each_start() -> None:
    assert SecondLook()._secret != SecondLook()._secret
