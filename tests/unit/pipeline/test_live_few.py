"""Observations that come one by one: gathered, flushed and answered together, and answered as the same rows in a table."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import small_home as sh
from groundrule.errors import StoreError
from groundrule.instant import NS_PER_S
from groundrule.pipeline.causes import Causes, Staleness
from groundrule.pipeline.degraded import Cause
from groundrule.pipeline.home_ledger import LedgerSetup
from groundrule.pipeline.live.answers import Answered, Brief, LiveSettings
from groundrule.pipeline.live.desk import Live
from groundrule.pipeline.live.health import Seen
from groundrule.pipeline.live.intake import hand_in, hand_in_few
from groundrule.pipeline.live.words import Words
from groundrule.store.home import Home
from groundrule.store.regular_rows import Regular, read_regular
from groundrule.store.segments import read_frames, segments_of

QUIET = LiveSettings(commit_every_s=3_600, check_every_s=3_600)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return sh.make_home(tmp_path_factory.mktemp("few") / "template", ledger=LedgerSetup())


@pytest.fixture
def home(template: Home, tmp_path: Path) -> Home:
    return sh.copy_home(template, tmp_path / "home")


@pytest.fixture
def live(home: Home) -> Iterator[Live]:
    with Live.open(home, clock=lambda: sh.RECORDED, settings=QUIET) as made:
        yield made


NAMES = ("lat_deg", "lon_deg", "position_sigma_m", "speed_m_s")


def regular(*made: dict[str, Any]) -> Regular:
    rows = [{name: each[name] for name in ("terminal_id", "observed_at", *NAMES) if each.get(name) is not None} for each in made]
    found = read_regular(json.dumps({"rows": rows}).encode())
    assert found is not None
    return found


def few(live: Live, *made: dict[str, Any]) -> Brief:
    waiting = live.submit_few(regular(*made), source="test")
    assert waiting is not None
    return waiting.result(30)


def many(live: Live, *made: dict[str, Any]) -> Answered:
    return live.submit(sh.table(made).drop_columns(["source", "source_row"]), source="test").result(30)


def served_together(live: Live, parts: list[Any]) -> list[Any]:
    """Answer submissions as one group, on the thread that answers."""

    def serve() -> None:
        live._taker.serve(parts)

    live._waiting.command(serve).result(30)
    return [part.future.result(30) for part in parts]


ROUNDS = (
    sh.drive("car", 0, 12, lat=5, lon=1, km_h=100),
    [sh.observation("guest", 3, 5.0, 12.0), sh.observation("stranger", 4, 2.5, 2.5), sh.observation("train", 5, None, None)],
    [sh.observation("car", 165, 5.0, 1.5), sh.observation("car", 20, 5.0, 1.0), sh.observation("guest", 3, 5.0, 12.0)],
    [sh.observation("van", 60, 2.5, 2.5), sh.observation("van", 30, 2.5, 2.5)],
)


def test_they_are_answered_as_a_table_is(live: Live, template: Home, tmp_path: Path) -> None:
    with Live.open(sh.copy_home(template, tmp_path / "other"), clock=lambda: sh.RECORDED, settings=QUIET) as other:
        for made in ROUNDS:
            brief, answered = few(live, *made), many(other, *made)
            assert brief.words == Words.of_table(answered.decisions)
            for each in fields(Brief):
                if each.name != "words":
                    assert getattr(brief, each.name) == getattr(answered, each.name), each.name
        np.testing.assert_array_equal(live.fleet().outcome, other.fleet().outcome)
        runs = [one.commit().result(30) for one in (live, other)]
        assert runs[0] is not None
        assert runs[0].counts == runs[1].counts  # type: ignore[union-attr] # both have made one
    assert live.status().counters["differences"] == 0


def test_under_a_fault_too(live: Live, template: Home, tmp_path: Path) -> None:
    causes = Causes({Cause.SCREENING_STALE: 2}, Staleness(screening_s=10**6))
    with Live.open(sh.copy_home(template, tmp_path / "other"), clock=lambda: sh.RECORDED, settings=QUIET) as other:
        for one in (live, other):
            one._health.seen = Seen(causes=causes)
        made = [sh.observation("car", 0, 5, 1), sh.observation("guest", 3, 5.0, 12.0), sh.observation("van", 30, 2.5, 2.5)]
        brief, answered = few(live, *made), many(other, *made)
        assert brief.degraded == answered.degraded != ()
        assert brief.words == Words.of_table(answered.decisions)


def test_a_group_of_all_kinds_keeps_its_order(live: Live) -> None:
    one = hand_in_few(regular(sh.observation("car", 0, 5, 1)), source="a")
    rows = [sh.observation("car", 15, 5, 1), sh.observation("car", 15, 95, 1), sh.observation("car", 45, 5, 1)]
    table = hand_in(sh.table(rows).drop_columns(["source", "source_row"]), source="b", key="k", most_rows=10)
    late = hand_in_few(regular(sh.observation("car", 30, 5, 1), sh.observation("guest", 1, 5, 12)), source="a")
    first, middle, last = served_together(live, [one, table, late])
    assert isinstance(first, Brief)
    assert [len(each.rejected) for each in (middle,)] == [1]
    assert (middle.accepted, middle.rows.to_pylist()) == (2, [0, 2])
    # Rows of one terminal in one group are taken in order of time, so nothing of it is late.
    assert (first.accepted, last.accepted, last.late) == (1, 2, 0)
    assert last.words.terminal_id == ["car", "guest"]
    assert [at - sh.T0 for at in last.words.observed_at] == [30 * NS_PER_S, 1 * NS_PER_S]
    run = live.commit().result(30)
    assert run is not None
    assert (run.counts.decided, live.status().counters["differences"]) == (5, 0)


def test_those_of_one_source_share_a_frame(live: Live) -> None:
    sources = ["a", "a", "b", "a"]
    parts = [hand_in_few(regular(sh.observation("car", k, 5, 1)), source=source) for k, source in enumerate(sources)]
    served_together(live, parts)
    (segment,) = segments_of(live.home)
    frames = [frame for _, frame in read_frames(segment.path)]
    assert [(frame.metadata["source"], len(frame.rows)) for frame in frames] == [("a", 2), ("b", 1), ("a", 1)]
    assert pa.concat_tables([frame.rows for frame in frames]).column("source").to_pylist() == sources


def test_what_was_acknowledged_is_there_after_a_crash(home: Home, tmp_path: Path) -> None:
    with Live.open(home, clock=lambda: sh.RECORDED, settings=QUIET) as live:
        brief = few(live, *ROUNDS[0])
        left = sh.copy_home(home, tmp_path / "left")
    with Live.open(left, clock=lambda: sh.RECORDED, settings=QUIET) as again:
        counters = again.status().counters
        assert (counters["recovered_rows"], counters["committed"], counters["differences"]) == (12, 12, 0)
        assert few(again, ROUNDS[0][-1]).late == 1  # known of history, but no longer by its content
        assert brief.accepted == 12


def test_one_ahead_of_the_clock_is_left_to_the_table(live: Live) -> None:
    ahead = regular(sh.observation("car", 86_400 * 30, 5, 1))
    assert live.submit_few(ahead, source="test") is None
    assert live.status().counters["submissions"] == 0


def test_what_cannot_be_written_was_never_taken(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise StoreError("no room", full=True)

    with monkeypatch.context() as patched:
        patched.setattr(live._writer, "write", full)
        with pytest.raises(StoreError, match="no room"):
            few(live, sh.observation("car", 0, 5, 1))
    assert few(live, sh.observation("car", 0, 5, 1)).accepted == 1
    live.close()
    with pytest.raises(StoreError, match="ending"):
        few(live, sh.observation("car", 15, 5, 1))


def test_under_load_they_are_gathered_and_alone_nobody_waits(live: Live) -> None:
    few(live, sh.observation("car", 0, 5, 1))
    before = live.status().counters["groups"]
    waiting: list[Future[Brief] | None] = []

    def send(name: str) -> None:
        for k in range(1, 41):
            waiting.append(live.submit_few(regular(sh.observation(f"{name}-{k}", k, 5, 1)), source=name))
            time.sleep(0.0002)

    senders = [threading.Thread(target=send, args=(name,)) for name in "abcd"]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert all(each is not None and each.result(30).accepted == 1 for each in waiting)
    counters = live.status().counters
    assert counters["accepted"] == 161
    assert counters["groups"] - before < 120
