"""The live desk in a disturbed area: suspended before it is written, learnt after, and the same after a restart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import small_home as sh
from groundrule.detect.interference import InterferenceWatch
from groundrule.instant import NS_PER_S
from groundrule.pipeline.interference import witnesses_of_home
from groundrule.pipeline.live.answers import LiveSettings
from groundrule.pipeline.live.desk import Live
from groundrule.pipeline.live.intake import same_content
from groundrule.pipeline.replaying import replay
from groundrule.records import OBSERVATION_SCHEMA
from groundrule.store.history import read_run
from groundrule.store.home import Home

QUIET = LiveSettings(commit_every_s=3_600, check_every_s=3_600)
N, STEPS, LOST_FROM = 30, 70, 55
"""Terminals at rest that report every 15 s, and the step from which 26 of them have no position."""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home, known = sh.make_home(tmp_path_factory.mktemp("disturbed") / "template", registers=False), sh.T0 - 3_600 * NS_PER_S
    accounts = "".join(f"own-{i},p{i},active\n" for i in range(N))
    sh.register(home, "accounts", "account_id,party_id,state\n" + accounts, recorded_at=known)
    terminals = "".join(f"t{i:02d},own-{i}\n" for i in range(N))
    sh.register(home, "terminals", "terminal_id,account_id\n" + terminals, recorded_at=known)
    return home


@pytest.fixture
def home(template: Home, tmp_path: Path) -> Home:
    return sh.copy_home(template, tmp_path / "home")


class Clock:
    """Time as the test has it."""

    def __init__(self) -> None:
        self.now = sh.T0

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def live(home: Home, clock: Clock) -> Iterator[Live]:
    with Live.open(home, clock=clock, settings=QUIET) as made:
        yield made


def step(k: int) -> pa.Table:
    made = []
    for i in range(N):
        lost = k >= LOST_FROM and i < N - 4
        place = (None, None) if lost else (5.0 + 0.0005 * i, 5.0)
        made.append(sh.observation(f"t{i:02d}", 15 * k + i / 100, *place))
    return sh.table(made)


def submit(live: Live, clock: Clock, k: int, table: pa.Table | None = None, **more: str) -> None:
    clock.now = sh.T0 + int(15.9 * NS_PER_S) + k * 15 * NS_PER_S
    table = step(k) if table is None else table
    live.submit(table.drop_columns(["source", "source_row"]), source="test", **more).result(30)


def stored(live: Live) -> pa.Table:
    run = live.commit().result(30)
    assert run is not None
    return pa.concat_tables(read_run(live.home, "observations", run.number)).cast(OBSERVATION_SCHEMA)


def suspended(table: pa.Table) -> dict[tuple[str, int], bool]:
    return {
        (row["terminal_id"], row["observed_at"]): row["gnss_state"] == "suspended"
        for row in table.select(["terminal_id", "observed_at", "gnss_state"]).to_pylist()
    }


def test_what_is_written_is_suspended_as_one_watch_over_the_stream_says(live: Live, clock: Clock, home: Home) -> None:
    for k in range(STEPS):
        submit(live, clock, k)
    written = suspended(stored(live))
    watch = InterferenceWatch(accounts=witnesses_of_home(home, sh.T0))
    wanted = suspended(pa.concat_tables([watch.update(step(k)) for k in range(STEPS)]))
    assert sum(wanted.values()) > 10 * N
    assert written == wanted
    # Also those that kept their positions, of the same area.
    assert written["t29", step(STEPS - 1).column("observed_at")[29].as_py()]
    assert live.status().counters["differences"] == 0
    assert live.status().counters["suspended"] == sum(wanted.values())
    assert {check.name: check.ok for check in live.status().checks}["interference"]


def test_who_is_denied_at_home_speaks_for_no_area(live: Live, clock: Clock) -> None:
    """The same terminals in the closed zone, for which none of them has a pass."""
    for k in range(STEPS):
        table = step(k)
        lat = pc.if_else(pc.is_valid(table["lat_deg"]), pc.subtract(table["lat_deg"], 2.5), table["lat_deg"])
        lon = pc.if_else(pc.is_valid(table["lon_deg"]), pc.subtract(table["lon_deg"], 2.5), table["lon_deg"])
        submit(live, clock, k, table.set_column(2, "lat_deg", lat).set_column(3, "lon_deg", lon))
    assert not any(suspended(stored(live)).values())
    assert {check.name: check.ok for check in live.status().checks}["interference"]


def test_a_replay_of_what_was_suspended_is_the_same_byte_for_byte(live: Live, clock: Clock, home: Home) -> None:
    for k in range(STEPS):
        submit(live, clock, k)
    assert any(suspended(stored(live)).values())
    live.close()
    assert replay(home).identical


def test_after_a_restart_the_area_is_suspended_still(home: Home, clock: Clock) -> None:
    with Live.open(home, clock=clock, settings=QUIET) as live:
        for k in range(LOST_FROM + 5):
            submit(live, clock, k)
    with Live.open(home, clock=clock, settings=QUIET) as live:
        for k in range(LOST_FROM + 5, LOST_FROM + 8):
            submit(live, clock, k)
        assert all(suspended(stored(live)).values())


def test_without_the_watch_nothing_is_suspended(home: Home, clock: Clock) -> None:
    with Live.open(home, clock=clock, settings=LiveSettings(commit_every_s=3_600, check_every_s=3_600, interference=False)) as live:
        for k in range(LOST_FROM - 2, LOST_FROM + 8):
            submit(live, clock, k)
        assert not any(suspended(stored(live)).values())


def test_a_question_suspends_nothing_and_teaches_nothing(live: Live, clock: Clock) -> None:
    taught = live._taker.disturbances
    assert taught is not None
    clock.now = sh.T0 + 10 * NS_PER_S
    live.evaluate(step(0).drop_columns(["source", "source_row"])).result(30)
    assert taught.watch.rows == taught._rows == 0


def test_a_group_of_which_nothing_was_good_is_answered(live: Live, clock: Clock) -> None:
    clock.now = sh.T0
    answered = live.submit(step(40).drop_columns(["source", "source_row"]), source="test").result(30)  # ten minutes ahead of the clock
    assert (answered.accepted, len(answered.rejected)) == (0, N)


def test_a_fault_of_the_watch_keeps_no_observation_out(live: Live, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    submit(live, clock, 0)
    taught = live._taker.disturbances
    assert taught is not None

    def fails(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a fault")

    monkeypatch.setattr(InterferenceWatch, "update", fails)
    for k in range(1, 4):
        submit(live, clock, k)
    assert live.status().counters["accepted"] == 4 * N
    check = next(each for each in live.status().checks if each.name == "interference")
    assert not check.ok
    assert "a fault" in check.why
    assert not check.vital


def test_a_suspended_row_that_comes_again_is_a_repeat(live: Live, clock: Clock) -> None:
    for k in range(LOST_FROM + 6):
        submit(live, clock, k)
    before = live.status().counters
    submit(live, clock, LOST_FROM + 5, step(LOST_FROM + 5))
    after = live.status().counters
    assert after["duplicates"] - before["duplicates"] == N
    first = step(3)
    again = first.set_column(first.column_names.index("gnss_state"), OBSERVATION_SCHEMA.field("gnss_state"), pa.array(["suspended"] * N))
    told = first.set_column(first.column_names.index("gnss_state"), OBSERVATION_SCHEMA.field("gnss_state"), pa.array(["lost"] * N))
    assert same_content(first, again).all()
    assert same_content(again, told).all()
    assert not same_content(first, told).any()


def test_a_few_liars_suspend_nobody(live: Live, clock: Clock) -> None:
    """Seven holders who lose their positions together, among thirty."""
    for k in range(STEPS):
        table = step(min(k, LOST_FROM - 1))
        at = pa.array(np.asarray(table.column("observed_at")) + (k - min(k, LOST_FROM - 1)) * 15 * NS_PER_S, pa.int64())
        table = table.set_column(table.column_names.index("observed_at"), OBSERVATION_SCHEMA.field("observed_at"), at)
        if k >= LOST_FROM:
            mine = pc.less(table.column("terminal_id"), "t07")
            for name in ("lat_deg", "lon_deg"):
                place = table.column_names.index(name)
                gone = pc.if_else(mine, pa.scalar(None, pa.float64()), table.column(name))
                table = table.set_column(place, table.schema.field(name), gone)
        submit(live, clock, k, table)
    assert not any(suspended(stored(live)).values())
