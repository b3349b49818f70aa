"""Retention: what leaves by its age, what is spared, and that doing it again does nothing."""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path

import pytest

from console import groundrule
from erased_home import filled_home, names_in, rows_of
from groundrule.detect.signals import Signal, table_of
from groundrule.errors import InputError, IntegrityError
from groundrule.instant import NS_PER_DAY
from groundrule.pipeline.case_desk import CaseDesk
from groundrule.pipeline.home_ledger import HomeLedger, ledger_of
from groundrule.pipeline.replaying import replay
from groundrule.pipeline.retention import Pruned, prune
from groundrule.store.erasures import erasures
from groundrule.store.home import Home
from groundrule.store.retention import LEAST_DAYS, read_retention, write_retention
from groundrule.store.segments import encode_frame, ingest_folder
from groundrule.store.signals import SIGNALS
from small_home import RECORDED, T0, copy_home, observation, register, run, table

LAST = T0 + 40 * NS_PER_DAY
NOW = LAST + LEAST_DAYS * NS_PER_DAY


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Everybody was seen long ago but `van` and `drifter`, whom one run saw on the last day."""
    home = filled_home(tmp_path_factory.mktemp("retention") / "home")
    fresh = [observation(name, 40 * 86_400, 5, 5) for name in ("van", "drifter")]
    run(home, table(fresh), recorded_at=RECORDED + 50)
    # The van's clock was wrong: too late to be decided.
    run(home, table([observation("van", 60, 5, 5)]), recorded_at=RECORDED + 51)
    return home


@pytest.fixture
def home(template: Home, tmp_path: Path) -> Home:
    return copy_home(template, tmp_path / "home")


def pruned(home: Home, days: dict[str, int], *, now_ns: int = NOW, dry_run: bool = False) -> Pruned:
    with home.writer(), ledger_of(home) or nullcontext() as ledger:
        write_retention(home, days)
        return prune(home, ledger, now_ns=now_ns, dry_run=dry_run)


def seen(home: Home) -> set[str]:
    return {row["terminal_id"] for row in rows_of(home, "observations")}


def test_terminals_that_were_not_seen_for_long_leave_by_class(home: Home) -> None:
    found = pruned(home, {"unregistered": 10})
    assert found.terminals == {"unregistered": 1}
    assert seen(home) == {"car", "train", "guest", "van", "late payer", "drifter"}
    assert names_in(home, "stranger") == []
    found = pruned(home, {"unregistered": 10, "registered": 10})
    assert found.terminals == {"registered": 4}
    assert seen(home) == {"van", "drifter"}
    assert replay(home).identical
    first, second = erasures(home)
    assert (first.content["basis"], first.content["cause"]) == ("retention: unregistered 10 days", "retention")
    assert second.content["basis"] == "retention: unregistered 10 days, registered 10 days"


def test_protected_terminals_have_a_limit_of_their_own(home: Home) -> None:
    text = "terminal_id,account_id,registration,protected_class\ncar,acc-a,registered,hospital\n"
    register(home, "terminals", text, recorded_at=RECORDED + 60)
    assert pruned(home, {"registered": 10}).terminals == {"registered": 3}
    assert "car" in seen(home)
    assert pruned(home, {"protected": 10}).terminals == {"protected": 1}
    assert "car" not in seen(home)
    assert replay(home).identical


def test_over_late_rows_leave_by_their_age_and_replay_stays_identical(home: Home) -> None:
    assert [row["terminal_id"] for row in rows_of(home, "over_late")] == ["van"]
    found = pruned(home, {"over_late": 30})
    assert found.erased is not None
    assert found.erased.rows == {"observations": 0, "decisions": 0, "over_late": 1}
    assert rows_of(home, "over_late") == []
    told = replay(home)
    assert (told.identical, told.faults) == (True, ())
    assert [dict(each.rows) for each in told.erased] == [{"over_late": 1}]


def test_rows_of_other_kinds_leave_by_their_own_age(home: Home) -> None:
    old, new = (Signal("convoy", "van", at, at - 10, 0.5) for at in (NOW - 20 * NS_PER_DAY, NOW - 2 * NS_PER_DAY))
    paths = [home.rejected / f"observations-{n}.jsonl" for n in (1, 2)]
    for path, age in zip(paths, (20, 2), strict=True):
        path.write_text('{"reason":"x"}\n')
        os.utime(path, ns=(NOW - age * NS_PER_DAY,) * 2)
    with home.writer():
        SIGNALS.write(home, table_of([old, new]))
    with home.writer(), HomeLedger.open(home) as ledger:
        ledger.records.duties.hold("account:acc-b", 2**62, "x")
    pruned(home, {"signals": 10, "rejected": 10})
    assert [row["signal_id"] for row in SIGNALS.read(home).to_pylist()] in ([new.id], [old.id, new.id])
    assert [path.exists() for path in paths] == [False, True]


def test_doing_it_again_does_nothing(home: Home) -> None:
    days = {"unregistered": 10, "registered": 10, "over_late": 10}
    assert pruned(home, days).erased is not None
    log = erasures(home)
    assert pruned(home, days).erased is None
    assert erasures(home) == log


def test_a_dry_run_says_the_same_and_changes_nothing(home: Home) -> None:
    before = rows_of(home, "decisions")
    would = pruned(home, {"registered": 10}, dry_run=True)
    assert rows_of(home, "decisions") == before
    assert erasures(home) == []
    did = pruned(home, {"registered": 10})
    assert did.terminals == would.terminals
    assert did.erased is not None
    assert would.erased is not None
    assert did.erased.record["runs"] == would.erased.record["runs"]


def test_a_legal_hold_spares_a_terminal_and_all_of_an_account(home: Home) -> None:
    with home.writer(), HomeLedger.open(home) as ledger:
        ledger.records.duties.hold("account:acc-a", 2**62, "a proceeding (invented)")
        ledger.records.duties.hold("terminal:stranger", 2**62, "a proceeding (invented)")
    found = pruned(home, {"unregistered": 10, "registered": 10})
    assert (found.terminals, found.spared) == ({"registered": 2}, 3)
    assert seen(home) == {"car", "train", "van", "stranger", "drifter"}


def test_an_open_case_spares_its_terminals(home: Home) -> None:
    at = T0 + NS_PER_DAY
    with home.writer():
        SIGNALS.write(home, table_of([Signal("convoy", "guest", at, at - 10, 0.9)]))
    assert CaseDesk(home).cases(hidden=True)
    found = pruned(home, {"registered": 10, "signals": 10})
    assert found.spared == 1
    assert "guest" in seen(home)
    assert len(SIGNALS.read(home)) == 1


def test_a_terminal_with_rows_that_no_run_has_taken_is_not_unseen(home: Home) -> None:
    folder = ingest_folder(home)
    folder.mkdir()
    parts = encode_frame({"received_at_ns": NOW}, table([observation("stranger", 45 * 86_400, 5, 5)]))
    (folder / "00000001.segment").write_bytes(b"".join(bytes(part) for part in parts))
    found = pruned(home, {"unregistered": 10})
    assert (found.terminals, found.spared) == ({}, 1)


def test_nothing_younger_than_the_least_can_be_asked_for(home: Home) -> None:
    for days in ({"registered": LEAST_DAYS - 1}, {"registered": 10**6}, {"nonsense": 10}):
        with pytest.raises(InputError):
            write_retention(home, days)
    assert pruned(home, {"registered": LEAST_DAYS, "unregistered": LEAST_DAYS}, now_ns=LAST).terminals.get("registered", 0) == 4
    assert seen(home) == {"van", "drifter"}


def test_a_damaged_file_of_limits_prunes_nothing(home: Home) -> None:
    (home.path / "retention.json").write_text('{"v": 1, "days": {"registered": 0}}')
    with pytest.raises(IntegrityError, match="damaged"):
        read_retention(home)
    assert groundrule("history", "prune", "--home", home.path).code != 0
    assert len(seen(home)) == 7


def test_limits_are_set_shown_and_taken_back_by_command(home: Home) -> None:
    set_ = groundrule("history", "retention", "unregistered=30", "over_late=20", "--home", home.path, "--json").json
    assert {name: days for name, days in set_["retention"].items() if days} == {"unregistered": 30, "over_late": 20}
    groundrule("history", "retention", "over_late=ever", "--home", home.path)
    assert read_retention(home) == {"unregistered": 30}
    for wrong in ("unregistered", "unregistered=soon", "nothing=30", "unregistered=3"):
        assert groundrule("history", "retention", wrong, "--home", home.path).code == 2
    told = groundrule("history", "prune", "--home", home.path, "--json").json
    assert told["terminals_by_class"] == {"unregistered": 2}
    shown = groundrule("history", "show", "--home", home.path, "--json").json
    kept = {each["kind"]: each for each in shown["kinds"]}
    assert kept["observations"]["rows"] == len(rows_of(home, "observations"))
    assert kept["observations"]["erased"] == told["rows"]["observations"]
    assert shown["erasures"][0]["cause"] == "retention"
    assert shown["retention"]["unregistered"] == 30
