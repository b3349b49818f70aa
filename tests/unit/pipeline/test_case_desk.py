"""The cases of a home: read on as signals and acts come, acted on once, and counted for the detectors."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from groundrule.detect.cases import cases_of
from groundrule.detect.signals import Offending, Signal, signals_of, table_of
from groundrule.errors import ConflictError, InputError
from groundrule.instant import NS_PER_S
from groundrule.pipeline.case_desk import CaseDesk, case_dict
from groundrule.store.cases import CaseActs
from groundrule.store.home import Home
from groundrule.store.register_import import import_register
from groundrule.store.registers import Registers
from groundrule.store.signals import SIGNALS
from small_home import T0, copy_home, make_home


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return make_home(tmp_path_factory.mktemp("cases") / "home")


@pytest.fixture
def home(template: Home, tmp_path: Path) -> Home:
    return copy_home(template, tmp_path / "home")


def signal(kind: str, terminal: str, at_s: float, **more: object) -> Signal:
    at = T0 + round(at_s * NS_PER_S)
    found, seen = (("speed", 141.5, "km/h"),), (Offending(at, 5.0, 5.0, 8.0),)
    return Signal(kind, terminal, at, at, 0.7, 5.0, 5.0, found=found, offending=seen, **more)


def keep(home: Home, *signals: Signal) -> None:
    with home.writer():
        SIGNALS.write(home, table_of(signals))


def test_signals_come_back_from_their_table_as_they_were() -> None:
    made = [signal("drone_flight", "car", 60), signal("convoy", "van", 90, group="convoy:1", lasting_s=12.5)]
    again = signals_of(table_of(made))
    assert [(one.id, one.until_at, one.found, one.group, one.lasting_s) for one in again] == [
        (one.id, one.until_at, one.found, one.group, one.lasting_s) for one in made
    ]
    assert again[0].offending == made[0].offending


def test_a_desk_reads_on_and_says_the_same_as_one_that_begins_now(home: Home) -> None:
    desk = CaseDesk(home)
    assert desk.cases() == []
    everything = [signal("drone_flight", "car", 60), signal("straw_registration", "car", 90), signal("compound", "van", 5 * 86_400)]
    for one in everything:
        keep(home, one)
        desk.cases()
    with home.writer():
        desk.act(desk.cases(terminal="van")[0].id, "assign", by="Ira (invented)", at_ns=T0, to="Ada (invented)")
    fresh = CaseDesk(home).cases()
    assert desk.cases() == fresh
    assert {case.id for case in fresh} == {case.id for case in cases_of(everything)}
    assert [case.terminals for case in fresh] == [("car",), ("van",)]  # two causes weigh more than one
    assert CaseDesk(home).cases(assignee="Ada (invented)")[0].terminals == ("van",)


def test_a_desk_that_stays_open_knows_who_holds_terminals_now(home: Home) -> None:
    def held_by(account: str, *terminals: str) -> None:
        file = home.path.parent / "held.csv"
        rows = [f"{name},{account},roam,,registered,AT" for name in terminals]
        file.write_text("\n".join(["terminal_id,account_id,plan,programmes,registration,activation_country", *rows]) + "\n")
        with home.writer(), Registers.open(home) as registers:
            import_register(registers, "terminals", file, recorded_at_ns=time.time_ns(), actor="test", rejected_folder=home.rejected)

    desk = CaseDesk(home)
    held_by("acc-a", "first", "third")
    keep(home, signal("drone_flight", "first", 60), signal("drone_flight", "third", 90))
    assert [case.terminals for case in desk.cases()] == [("first", "third")]
    held_by("acc-a", "second")
    keep(home, signal("drone_flight", "second", 120))
    assert desk.cases() == CaseDesk(home).cases()
    assert [case.terminals for case in desk.cases()] == [("first", "second", "third")]
    held_by("acc-b", "third")
    keep(home, signal("drone_flight", "second", 180))
    assert desk.cases() == CaseDesk(home).cases()
    assert sorted(case.terminals for case in desk.cases()) == [("first", "second"), ("third",)]


def test_an_act_is_durable_counted_once_and_refused_where_it_makes_no_sense(home: Home) -> None:
    keep(home, signal("drone_flight", "car", 60))
    desk = CaseDesk(home)
    case = desk.cases()[0]
    with home.writer():
        for _ in range(3):
            after = desk.act(case.id, "dismiss", by="Ira (invented)", at_ns=T0, reason="innocent", act_id="act-1")
        assert after.course.state == "dismissed"
        with pytest.raises(ConflictError, match="dismissed cannot be taken by `confirm`"):
            desk.act(case.id, "confirm", by="Ira (invented)", at_ns=T0 + 1)
        for wrong in ({"what": "dismiss", "reason": "because"}, {"what": "assign"}, {"what": "arrest"}, {"what": "note", "by": " "}):
            with pytest.raises((InputError, ConflictError)):
                desk.act(case.id, **({"by": "Ira (invented)", "at_ns": T0 + 1} | wrong))  # type: ignore[arg-type]  # wrong on purpose
        with pytest.raises(InputError, match="there is no case"):
            desk.act("case-0", "note", by="Ira (invented)", at_ns=T0, reason="?")
        with pytest.raises(InputError, match="characters"):
            desk.act(case.id, "note", by="Ira (invented)", at_ns=T0 + 1, reason="x" * 5_000)
    acts = CaseActs.look(home)
    assert acts is not None
    with acts:
        assert [act.what for _, act in acts.all()] == ["dismiss"]
    assert CaseDesk(home).rates()["drone_flight"].false_alarms == 1


def test_a_dismissal_covers_what_was_seen_and_another_cause_opens_the_case_again(home: Home) -> None:
    keep(home, signal("drone_flight", "car", 60))
    desk = CaseDesk(home)
    case = desk.cases()[0]
    with home.writer():
        desk.act(case.id, "dismiss", by="Ira (invented)", at_ns=T0 + 100 * NS_PER_S, reason="innocent")
    keep(home, signal("over_speed", "car", 200))
    assert desk.find(case.id).course.state == "dismissed"  # more of the same
    keep(home, signal("cloned_identity", "car", 300))
    again = desk.find(case.id)
    assert (again.course.state, again.course.reason) == ("reopened", "new_evidence")
    told = case_dict(again)
    assert [each["kind"] for each in told["signals"]] == ["drone_flight", "over_speed", "cloned_identity"]
    assert told["acts"][0]["by"] == "Ira (invented)"


def test_acts_cannot_be_changed_or_taken_away(home: Home) -> None:
    import sqlite3

    keep(home, signal("drone_flight", "car", 60))
    desk = CaseDesk(home)
    with home.writer():
        desk.act(desk.cases()[0].id, "note", by="Ira (invented)", at_ns=T0, reason="seen")
    with sqlite3.connect(home.path / "cases.sqlite") as connection:
        for statement in ("DELETE FROM act", "UPDATE act SET who = 'nobody'"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                connection.execute(statement)


def test_a_case_of_what_was_withdrawn_is_gone(home: Home) -> None:
    made = [signal("impossible_travel", "car", 60), signal("drone_flight", "guest", 90)]
    keep(home, *made)
    desk = CaseDesk(home)
    assert len(desk.cases()) == 2
    with home.writer():
        SIGNALS.withdraw(home, [("car", made[0].id, made[0].raised_at)], at_ns=T0 + 200 * NS_PER_S)
    assert [case.terminals for case in desk.cases()] == [("guest",)]


def test_what_a_person_found_to_be_a_false_alarm_counts_for_no_rule_until_the_case_is_opened_again(home: Home) -> None:
    made = [signal("drone_flight", "car", 60), signal("straw_registration", "car", 90)]
    keep(home, *made)
    desk = CaseDesk(home)
    case = desk.cases()[0].id
    with home.writer():
        desk.act(case, "dismiss", by="Ira (invented)", at_ns=T0 + 100 * NS_PER_S, reason="cannot_tell")
        assert desk.spared() == {}
        desk.act(case, "reopen", by="Ira (invented)", at_ns=T0 + 110 * NS_PER_S)
        desk.act(case, "dismiss", by="Ira (invented)", at_ns=T0 + 120 * NS_PER_S, reason="innocent")
    assert desk.spared() == {"car": frozenset({"drone_flight", "straw_registration"})}
    keep(home, signal("drone_flight", "car", 200))
    assert desk.spared() == {"car": frozenset({"drone_flight", "straw_registration"})}  # more of the same
    keep(home, signal("spoofed_position", "car", 300))
    assert desk.spared() == {}
