"""The registers over time: what held at each instant, half-open, with one numbering of terminals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from groundrule.instant import NS_PER_S, format_instant
from groundrule.store import timeline
from groundrule.store.home import Home
from groundrule.store.registers import Registers
from groundrule.store.timeline import RegisterTimeline
from register_places import Place
from small_home import ACCOUNTS, LIST, RECORDED, T0, TERMINALS, register


@pytest.fixture
def home(tmp_path: Path, place: Place) -> Home:
    made = place.home(tmp_path / "home")
    register(made, "accounts", ACCOUNTS)
    register(made, "terminals", TERMINALS)
    return made


def load(home: Home, recorded_at: int = RECORDED) -> RegisterTimeline:
    with Registers.open(home) as registers:
        return RegisterTimeline.load(registers, recorded_at_ns=recorded_at)


def plan_at(found: RegisterTimeline, name: str, at: int) -> str | None:
    rows = found.add(pa.array([name]))
    epoch = found.epoch(int(found.epoch_of(np.array([at]))[0]))
    code = int(epoch.profile_codes_of(rows)[0])
    return None if code < 0 else epoch.profiles[code].plan


def change_plan(home: Home, *, since: int, until: int | None = None, recorded_at: int = RECORDED - 5) -> None:
    columns = "terminal_id,account_id,plan,valid_from,valid_until"
    end = "" if until is None else format_instant(until)
    register(home, "terminals", f"{columns}\nvan,acc-a,ocean,{format_instant(since)},{end}\n", recorded_at=recorded_at)


def test_a_plan_holds_in_its_half_open_interval(home: Home) -> None:
    since, until = T0, T0 + 100 * NS_PER_S
    change_plan(home, since=since, until=until)
    found = load(home)
    plans = [plan_at(found, "van", at) for at in (since - 1, since, until - 1, until)]
    assert plans == ["roam", "ocean", "ocean", "roam"]
    assert plan_at(found, "car", since) == "roam"


def test_rows_are_the_same_at_every_instant(home: Home) -> None:
    change_plan(home, since=T0)
    text = f"terminal_id,plan,valid_from\nborn,roam,{format_instant(T0 + NS_PER_S)}\n"
    register(home, "terminals", text, recorded_at=RECORDED - 5)
    found = load(home)
    ids = pa.array(["born", "van", "met", "car"])
    rows = found.add(ids)
    assert found.ids_of(rows).to_pylist() == ids.to_pylist()
    assert plan_at(found, "born", T0) is None
    assert plan_at(found, "born", T0 + NS_PER_S) == "roam"
    assert found.add(ids).tolist() == rows.tolist()


def test_what_was_recorded_later_is_not_known(home: Home) -> None:
    change_plan(home, since=T0, recorded_at=RECORDED + 10)
    assert plan_at(load(home), "van", T0) == "roam"
    assert plan_at(load(home, RECORDED + 10), "van", T0) == "ocean"
    assert load(home).digest != load(home, RECORDED + 10).digest


def test_a_list_entry_ends_when_it_expires(home: Home) -> None:
    columns, values = LIST.strip().split("\n")
    register(home, "list_entries", f"{columns},expires_at\n{values},{format_instant(T0)}\n")
    found = load(home)
    row = found.add(pa.array(["van"]))
    states = []
    for at in (T0 - 1, T0):
        epoch = found.epoch(int(found.epoch_of(np.array([at]))[0]))
        states.append(epoch.profiles[int(epoch.profile_codes_of(row)[0])].lists)
    assert states[0] == (("pass", "active"),)
    assert states[1] != states[0]


def test_unregistered_terminals_are_counted_apart(home: Home) -> None:
    found = load(home)
    rows = found.add(pa.array(["car", "x", "y", "x"]))
    assert found.unregistered == 2
    assert found.unregistered_among(rows[:2]) == 1
    assert found.unregistered_among(rows[:1]) == 0


def test_forgotten_views_are_read_again(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    change_plan(home, since=T0, until=T0 + 100 * NS_PER_S)
    monkeypatch.setattr(timeline, "EPOCH_BYTES", 0)
    found = load(home)
    for _ in range(3):
        for at, plan in ((T0 - 1, "roam"), (T0, "ocean"), (T0 + 100 * NS_PER_S, "roam")):
            assert plan_at(found, "van", at) == plan


def test_the_content_digest_follows_what_rules_see(home: Home) -> None:
    before = load(home).content
    assert load(home).content == before
    with_others = load(home)
    with_others.add(pa.array(["met"]))
    assert with_others.content == before
    change_plan(home, since=T0 + 10**15)
    assert load(home).content != before


def test_an_empty_register_knows_nobody(tmp_path: Path, place: Place) -> None:
    empty = place.home(tmp_path / "empty")
    found = load(empty)
    assert plan_at(found, "car", T0) is None
    assert (found.revision, found.unregistered) == (0, 1)
    assert found.content.startswith("sha256:")
