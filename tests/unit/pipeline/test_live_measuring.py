"""Measurements on the live desk: verified, durable, remembered, and part of what decides the observations that come after."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import radio_world
import small_home as sh
from groundrule.errors import ConflictError, InputError, StoreError
from groundrule.instant import NS_PER_S
from groundrule.orbit.generate import generate
from groundrule.pipeline.home_ledger import LedgerSetup
from groundrule.pipeline.live import measuring
from groundrule.pipeline.live.answers import LiveSettings
from groundrule.pipeline.live.desk import Live
from groundrule.pipeline.live.heard import EACH_KEPT, RadioMemory
from groundrule.pipeline.live.open_windows import OpenWindows
from groundrule.pipeline.live.words import Words
from groundrule.pipeline.replaying import replay
from groundrule.pipeline.verifying import RadioAges, attach, verify_measurements
from groundrule.records import OBSERVATION_SCHEMA
from groundrule.store.home import Home
from groundrule.store.orbits import save_elements
from groundrule.store.regular_rows import read_regular
from groundrule.store.verifications import batches, read_verifications
from radio_world import START_NS, Truth, World

QUIET = LiveSettings(commit_every_s=3_600, check_every_s=3_600)
NOW = START_NS + 90 * NS_PER_S
BOOK = sh.BOOK.replace("max_gap_s: 300,", "max_gap_s: 300, radio_position: {use_when: [inconsistent], max_age_s: 120},") + """\
  - id: lies
    title: Whose position radio contradicts is looked at
    tier: zone
    what: {verdict: inconsistent}
    outcome: review
    reason: verification_failed
    unknown: {verdict: serve}
    authority: {basis: "an order (invented)", illustrative: true}
"""
HONEST = Truth("guest", 5.0, 5.0, trust="network")
LIAR = Truth("car", 5.0, 15.0, claim=(5.0, 5.0), trust="network")


@functools.cache
def world() -> World:
    return World(seed=5)


@functools.cache
def measured() -> pa.Table:
    w = world()
    rows = [row for who in (HONEST, LIAR) for row in w.measure(who, w.schedule(who.lat_deg, who.lon_deg, 4), step_s=2.0)]
    return radio_world.table(rows)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = sh.make_home(tmp_path_factory.mktemp("measuring") / "template", book=BOOK, ledger=LedgerSetup())
    save_elements(home, world().elements, sh.RECORDED)
    return home


@pytest.fixture
def home(template: Home, tmp_path: Path) -> Home:
    return sh.copy_home(template, tmp_path / "home")


def opened(home: Home, **more: Any) -> Live:
    return Live.open(home, clock=lambda: NOW, settings=QUIET, **more)


@pytest.fixture
def live(home: Home) -> Iterator[Live]:
    with opened(home) as made:
        yield made


def claim(name: str, second: float, lat: float = 5.0, lon: float = 5.0) -> dict[str, Any]:
    at = START_NS + round(second * NS_PER_S)
    return {"terminal_id": name, "observed_at": at, "lat_deg": lat, "lon_deg": lon, "position_sigma_m": 5.0}


def told(live: Live, *rows: dict[str, Any]) -> list[tuple[str, str, str]]:
    answered = live.submit(pa.Table.from_pylist(list(rows)), source="test").result(30)
    return [(row["terminal_id"], row["outcome"], row["rule"]) for row in answered.decisions.to_pylist()]


def test_observations_after_measurements_are_decided_with_what_these_say_and_history_agrees(live: Live) -> None:
    both = [claim(name, at) for at in (0, 15, 30) for name in ("guest", "car")]
    assert {rule for _, _, rule in told(live, *both)} == {"default"}
    answer = live.measuring.submit(measured(), source="gateway", key="one").result(60)
    verdicts = dict(zip(answer.verifications["terminal_id"].to_pylist(), answer.verifications["verdict"].to_pylist(), strict=True))
    assert verdicts == {"guest": "consistent", "car": "inconsistent"}
    assert (answer.rejected, answer.accepted) == ((), len(measured()))
    assert len(batches(live.home)) == 1
    assert told(live, claim("guest", 65), claim("car", 65)) == [("guest", "serve", "default"), ("car", "review", "lies")]
    # The liar is where radio says that it is, and so does its memory.
    place = live.last_positions(["car"]).result(30).get("car")
    assert place is not None
    assert (place.lat_deg, place.lon_deg) == pytest.approx((5.0, 15.0), abs=0.05)
    assert live.commit().result(30) is not None
    assert live.status().counters["differences"] == 0
    checked = replay(live.home)
    assert checked.identical, checked


def test_a_minute_that_comes_slot_by_slot_is_verified_as_a_minute(live: Live) -> None:
    whole = {row["terminal_id"]: row for row in verify_measurements(measured(), world().elements)[0].to_pylist()}
    told(live, *[claim(name, at) for at in (0, 15, 30) for name in ("guest", "car")])
    seconds = (measured().column("observed_at").to_numpy() - START_NS) / NS_PER_S
    answers = []
    for first in (0, 15, 30, 45):
        part = measured().filter(pa.array((seconds >= first) & (seconds < first + 15)))
        answer = live.measuring.submit(part, source="gateway").result(60)
        assert (answer.accepted, answer.rejected) == (len(part), ())
        answers.append({row["terminal_id"]: row for row in answer.verifications.to_pylist()})
    # One satellite leaves its mirror, and what came before is not forgotten.
    assert [each["car"]["verdict"] for each in answers][-1] == "inconsistent"
    assert answers[0]["guest"]["verdict"] != "consistent"
    assert answers[-1]["guest"]["verdict"] == "consistent"
    assert {name: row["at_ns"] for name, row in answers[-1].items()} == {name: row["at_ns"] for name, row in whole.items()}
    # As if it had come at once.
    assert live.measuring.submit(measured(), source="other gateway").result(60).verifications.to_pylist() == list(answers[-1].values())


def test_rows_that_could_not_be_used_are_told_once_and_never_kept(live: Live) -> None:
    rows = measured().to_pylist()
    broken = [{**rows[0], "value": float("nan")}, *rows[1:30]]
    first = live.measuring.submit(radio_world.table(broken), source="gateway").result(60)
    second = live.measuring.submit(radio_world.table(rows[30:60]), source="gateway").result(60)
    assert [each.row for each in first.rejected] == [0]
    assert (second.accepted, second.rejected) == (30, ())


def test_what_is_kept_of_open_windows_is_bounded() -> None:
    kept = OpenWindows(most=100)
    for number in range(300):
        rows = [{"terminal_id": f"t{number % 7}", "observed_at": START_NS + number * NS_PER_S, "kind": "rtt", "value": 1.0}]
        kept.keep(pa.Table.from_pylist(rows), np.zeros(0, np.int64))
        assert len(kept) <= 100
    again = pa.Table.from_pylist([{"terminal_id": "t5", "observed_at": START_NS + 299 * NS_PER_S, "kind": "rtt", "value": 2.0}])
    found = kept.with_earlier(again)
    begin = (START_NS + 299 * NS_PER_S - 12 * NS_PER_S) // (60 * NS_PER_S)
    same = [n for n in range(300) if n % 7 == 5 and (START_NS + n * NS_PER_S - 12 * NS_PER_S) // (60 * NS_PER_S) == begin]
    # What came first is forgotten first, several at once; the last third is always there.
    earlier = found.column("observed_at").to_pylist()[1:]
    assert earlier == [START_NS + n * NS_PER_S for n in same][-len(earlier) :]
    assert len(earlier) >= len([n for n in same if n >= 300 - 100 // 3])


def test_an_older_observation_gets_nothing_that_was_measured_later(live: Live) -> None:
    told(live, claim("car", 0), claim("car", 30))
    live.measuring.submit(measured(), source="gateway").result(60)
    # The last measurement is of second 58; an observation of second 40 knows nothing of it, one of second 300 finds it too old.
    assert told(live, claim("car", 40)) == [("car", "serve", "default")]
    assert told(live, claim("car", 59)) == [("car", "review", "lies")]
    assert told(live, claim("car", 300)) == [("car", "serve", "default")]


def test_single_observations_are_answered_as_the_same_rows_in_a_table(home: Home, template: Home, tmp_path: Path) -> None:
    rows = [claim("guest", 65), claim("car", 65), claim("van", 65), claim("car", 80), claim("guest", 80)]
    answers = []
    for number, place in enumerate((home, sh.copy_home(template, tmp_path / "other"))):
        with opened(place) as live:
            told(live, *[claim(name, at) for at in (0, 15, 30) for name in ("guest", "car")])
            live.measuring.submit(measured(), source="gateway").result(60)
            if number:
                table = live.submit(pa.Table.from_pylist(rows), source="test").result(30).decisions
                answers.append(Words.of_table(table))
            else:
                found = read_regular(json.dumps({"rows": rows}).encode())
                assert found is not None
                waiting = live.submit_few(found, source="test")
                assert waiting is not None
                answers.append(waiting.result(30).words)
            assert live.commit().result(30) is not None
            assert live.status().counters["differences"] == 0
    assert answers[0] == answers[1]
    assert answers[0].rule == ["default", "lies", "default", "lies", "default"]


def test_questions_see_the_same_and_leave_nothing(live: Live) -> None:
    told(live, claim("car", 0), claim("car", 30))
    live.measuring.submit(measured(), source="gateway").result(60)
    asked = live.evaluate(pa.Table.from_pylist([claim("car", 65)])).result(30).decisions.to_pylist()
    assert asked[0]["rule"] == "lies"
    assert told(live, claim("car", 65)) == [("car", "review", "lies")]


def test_what_was_measured_is_remembered_over_a_restart(home: Home) -> None:
    with opened(home) as live:
        told(live, claim("car", 0), claim("car", 30))
        live.measuring.submit(measured(), source="gateway", key="k").result(60)
    with opened(home) as live:
        assert told(live, claim("car", 65)) == [("car", "review", "lies")]
        again = live.measuring.submit(measured(), source="gateway", key="k").result(60)
        assert again.taken_before
        assert set(again.verifications["terminal_id"].to_pylist()) == {"guest", "car"}
        assert len(batches(live.home)) == 1
        with pytest.raises(ConflictError):
            live.measuring.submit(measured().slice(0, 5), source="gateway", key="k").result(60)


def test_claims_are_found_in_the_last_run_after_a_restart(home: Home) -> None:
    with opened(home) as live:
        told(live, *[claim(name, at) for at in (0, 15, 30) for name in ("guest", "car")])
    with opened(home) as live:
        answer = live.measuring.submit(measured(), source="gateway").result(60)
        assert sorted(answer.verifications["verdict"].to_pylist()) == ["consistent", "inconsistent"]
        assert live.commit().result(30) is None
        told(live, claim("car", 65))
        assert live.commit().result(30) is not None
        answer = live.measuring.submit(measured(), source="gateway").result(60)
        assert "no_claim" not in [each for row in answer.verifications["conditions"].to_pylist() for each in row]


@pytest.mark.parametrize(("state", "reason"), [("none", "no_elements"), ("others", "unknown_satellite"), ("old", "stale_elements")])
def test_without_good_orbits_a_batch_is_taken_and_its_terminals_are_insufficient(tmp_path: Path, state: str, reason: str) -> None:
    home = sh.make_home(tmp_path / "home", book=BOOK)
    if state == "others":
        save_elements(home, generate("iridium", START_NS), START_NS)
    if state == "old":
        old = world().elements
        moved = replace(old, epoch_ns=old.epoch_ns - 30 * 86_400 * NS_PER_S)
        save_elements(home, moved, START_NS)
    with opened(home) as live:
        told(live, claim("car", 30))
        answer = live.measuring.submit(measured(), source="gateway").result(60)
        rows = answer.verifications.to_pylist()
        said = [(row["terminal_id"], row["verdict"], row["usable"]) for row in rows]
        assert said == [("car", "insufficient", False), ("guest", "insufficient", False)]
        assert all(reason in row["conditions"] for row in rows)
        assert answer.accepted == 0
        assert len(answer.rejected) == len(measured())
        # Whoever is measured in vain fares no worse than who is not measured.
        assert told(live, claim("car", 65)) == [("car", "serve", "default")]
        kept = read_verifications(live.home, terminal="car").to_pylist()
        assert kept[0]["words"].startswith("Nothing was verified")


def test_bad_rows_lose_nothing_beside_them_and_bad_batches_are_named(live: Live) -> None:
    told(live, claim("guest", 30), claim("car", 30))
    good = measured().to_pylist()
    bad = [
        {**good[0], "value": -1.0, "kind": "range"}, {**good[1], "value": float("nan")}, {**good[2], "observed_at": 0},
        {**good[3], "satellite": 999_999_999}, {**good[4], "kind": "guess"}, {**good[5], "terminal_id": ""},
    ]  # fmt: skip
    answer = live.measuring.submit(radio_world.table([*bad, *good]), source="gateway").result(60)
    assert {each.row for each in answer.rejected} == set(range(6))
    assert answer.accepted == len(good)
    assert sorted(answer.verifications["verdict"].to_pylist()) == ["consistent", "inconsistent"]
    with pytest.raises(InputError, match="observed_at"):
        live.measuring.submit(pa.table({"terminal_id": ["a"]}), source="gateway").result(60)
    for name, strange in (("observed_at", [[1]]), ("terminal_id", [["a"]]), ("value", [{"a": 1}])):
        table = pa.table({"terminal_id": ["a"], "observed_at": [START_NS], "kind": ["rtt"], name: strange})
        try:
            assert len(live.measuring.submit(table, source="gateway").result(60).verifications) == 0
        except InputError as error:
            assert "\n" not in error.message  # noqa: PT017 - either is an answer
    empty = live.measuring.submit(measured().slice(0, 0), source="gateway").result(60)
    assert (len(empty.verifications), empty.accepted) == (0, 0)
    future = measured().set_column(1, "observed_at", pa.array(np.array(measured()["observed_at"]) + 3_600 * NS_PER_S))
    late = live.measuring.submit(future, source="gateway").result(60)
    assert len(late.verifications) == 0
    assert {each.reason for each in late.rejected} >= {"ahead_of_clock"}


def test_too_much_is_refused_and_the_end_is_told(home: Home) -> None:
    live = Live.open(home, clock=lambda: NOW, settings=LiveSettings(commit_every_s=3_600, check_every_s=3_600, submission_rows=10))
    with pytest.raises(InputError, match="11 rows"):
        live.measuring.submit(measured().slice(0, 11), source="gateway").result(60)
    with pytest.raises(InputError):
        live.measuring.submit(measured().slice(0, 5), source="gateway", key="").result(60)
    live.close()
    with pytest.raises(StoreError, match="ending"):
        live.measuring.submit(measured().slice(0, 5), source="gateway").result(60)


# --- the memory --------------------------------------------------------------------------------------------------------------


@functools.cache
def verified() -> pa.Table:
    """Verifications of two terminals; those of others are made of them."""
    table, _ = verify_measurements(measured(), world().elements)
    return table.drop_columns(["report"])


def made_up(rng: np.random.Generator, terminals: int, most: int) -> pa.Table:
    rows = []
    for row in rng.integers(0, len(verified()), rng.integers(1, most)).tolist():
        held = verified().slice(row, 1).to_pylist()[0]
        at = int(rng.integers(0, 40)) * 10
        rows.append({
            **held, "terminal_id": f"t{int(rng.integers(0, terminals))}", "at_ns": START_NS + at * NS_PER_S,
            "inputs": f"sha256:{int(rng.integers(0, 9)):064x}", "lat_deg": float(rng.uniform(-80, 80)),
        })  # fmt: skip
    return pa.Table.from_pylist(rows, schema=verified().schema)


@pytest.mark.parametrize("seed", range(12))
def test_the_memory_attaches_what_whole_tables_would(seed: int) -> None:
    rng = np.random.default_rng(seed)
    memory, kept = RadioMemory(), []
    for _ in range(6):
        table = made_up(rng, 5, 4 if seed % 2 else 40)
        memory.put(table)
        kept.append(table)
        newest = START_NS + 400 * NS_PER_S
        # As a service sees them: not older than the verifications that are kept of each.
        n = int(rng.integers(1, 400 if seed % 3 else 6))
        observed = newest + rng.integers(0, 60, n) * NS_PER_S
        said = {"terminal_id": pa.array([f"t{int(x)}" for x in rng.integers(0, 8, n)]), "observed_at": pa.array(observed)}
        rows = pa.table([said.get(each.name, pa.nulls(n, each.type)) for each in OBSERVATION_SCHEMA], schema=OBSERVATION_SCHEMA)
        want = attach(rows, _one_of_each(pa.concat_tables(kept)), max_age_s=120.0, held_s=600.0)
        got = memory.attach(rows, None, RadioAges(120.0, 600.0))
        assert got.column("radio").combine_chunks().equals(want.column("radio").combine_chunks())
        chosen = rng.random(n) < 0.5
        part = memory.attach(rows, chosen, RadioAges(120.0, 600.0)).column("radio").to_pylist()
        assert part == [each if mine else None for each, mine in zip(want.column("radio").to_pylist(), chosen.tolist(), strict=True)]


def _one_of_each(table: pa.Table) -> pa.Table:
    """Of equal terminal, instant and digest the first that came: equal digests say the same in truth."""
    seen: dict[tuple[Any, ...], int] = {}
    for i, row in enumerate(zip(*(table[name].to_pylist() for name in ("terminal_id", "at_ns", "inputs")), strict=True)):
        seen.setdefault(row, i)
    return table.take(pa.array(sorted(seen.values())))


def test_the_memory_has_bounds() -> None:
    memory = RadioMemory(most=3)
    row = verified().slice(0, 1).to_pylist()[0]
    for k in range(10):
        for name in "abcde":
            memory.put(pa.Table.from_pylist([{**row, "terminal_id": name, "at_ns": START_NS + k * NS_PER_S}], schema=verified().schema))
    assert len(memory) == 3
    assert memory.forgotten == 10 * 5 - 3
    assert memory.latest("a") is None
    assert sum(each.used for each in memory._batches.values()) <= 3 * EACH_KEPT
    assert len(memory._batches) <= 3 * EACH_KEPT
    late = memory.latest("e", until_ns=START_NS + 8 * NS_PER_S)
    assert late is None or late["at_ns"] <= START_NS + 8 * NS_PER_S


def test_what_the_disk_refuses_never_happened(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    told(live, claim("car", 0), claim("car", 30))

    def full(*_: Any) -> None:
        raise StoreError("no room", full=True)

    with monkeypatch.context() as broken:
        broken.setattr(measuring, "write_verifications", full)
        with pytest.raises(StoreError, match="no room"):
            live.measuring.submit(measured(), source="gateway", key="k").result(60)
    assert told(live, claim("car", 65)) == [("car", "serve", "default")]
    # The same key again is the first use of it.
    answer = live.measuring.submit(measured(), source="gateway", key="k").result(60)
    assert not answer.taken_before
    assert told(live, claim("car", 70)) == [("car", "review", "lies")]


def test_measurements_and_observations_at_once_harm_neither(live: Live) -> None:
    told(live, claim("car", 0), claim("car", 30), claim("guest", 30))
    waiting = [live.measuring.submit(measured(), source=f"gateway {k}", key=str(k)) for k in range(6)]
    both = [pa.Table.from_pylist([claim(name, 60 + k / 10) for name in ("car", "guest")]) for k in range(60)]
    answers = [live.submit(table, source="test") for table in both]
    assert all(each.result(60).accepted == 2 for each in answers)
    assert all(len(each.result(60).verifications) == 2 for each in waiting)
    assert told(live, claim("car", 75)) == [("car", "review", "lies")]
    assert live.commit().result(60) is not None
    assert live.status().counters["differences"] == 0
    assert replay(live.home).identical
