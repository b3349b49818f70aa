"""Seals, erasures, holds and heartbeats of a home: bounds, refusals, what is due, and crashes between the steps."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from groundrule.errors import ConflictError, InputError, IntegrityError
from groundrule.instant import NS_PER_DAY, NS_PER_S, format_instant, parse_instant
from groundrule.ledger.audit.fsck import fsck
from groundrule.ledger.audit.receipts import verify_receipt
from groundrule.ledger.commitment import seal_commitment
from groundrule.ledger.entry import Entry
from groundrule.ledger.log import read_log
from groundrule.pipeline.home_ledger import (
    HomeLedger,
    LedgerSetup,
    append_items,
    log_folder,
    new_signers,
    policy_of,
    set_policy,
)
from groundrule.pipeline.ledger_duties import ERASURE_DAYS, SEAL_DAYS, beat, erase, log_due_erasures, seal, unseal
from groundrule.pipeline.ledger_state import state_of
from groundrule.pipeline.receipts import issue_receipt
from groundrule.store.home import Home
from groundrule.store.record_duties import RecordDuties
from groundrule.store.records import RecordStore
from small_home import copy_home, make_home, observation, run, table

NOW = parse_instant("2027-04-01T10:00:30Z")
CONTENT = {"rule": "no service within 5 km of the depot (invented)", "radius_m": 5000}
BASIS = "GDPR Art. 17(1)(b)"


class Killed(BaseException):
    """What a crash looks like to the code around it."""


def die(*_arguments: object, **_options: object) -> None:
    raise Killed


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = make_home(tmp_path_factory.mktemp("duties") / "home", ledger=LedgerSetup())
    names = ("car", "guest", "stranger")
    rows = [observation(names[n % 3], 20 * n, 2.5 if n % 2 else 5, 2.5) for n in range(18)]
    run(home, table(rows))
    return home


@pytest.fixture
def home(template: Home, tmp_path: Path) -> Home:
    return copy_home(template, tmp_path / "home")


def at(home: Home, now: int, act: Callable[[HomeLedger], Any]) -> Any:
    """Do something with the log at a time, and publish."""
    with home.writer(), HomeLedger.open(home, clock=lambda: now) as ledger:
        done = act(ledger)
        ledger.commit()
    return done


def crash(home: Home, now: int, act: Callable[[HomeLedger], Any]) -> None:
    """Do something that is killed on its way, and leave the home as it is then."""
    with home.writer(), HomeLedger.open(home, clock=lambda: now) as ledger, pytest.raises(Killed):
        act(ledger)


def bodies(home: Home, kind: str) -> list[dict[str, Any]]:
    log = read_log(log_folder(home))
    return [entry.body for data in log.tree(log.integrated_size).entries() if (entry := Entry.decode(data)).kind == kind]


def sealing(ledger: HomeLedger, *, days: float = 30, **changed: Any) -> str:
    due = ledger.clock() + round(days * NS_PER_DAY)
    options: dict[str, Any] = {"kind": "military area", "custodians": ["Bar council (invented)"], "disclose_by_ns": due}
    return seal(ledger, CONTENT, **{**options, **changed})


def months(home: Home) -> list[str]:
    with RecordStore.open(home.path / "records.sqlite") as records:
        return records.months_of("account:acc-a")


# --- seals ------------------------------------------------------------------------------------------------------------


def test_a_seal_shows_its_commitment_and_not_its_content(home: Home) -> None:
    commitment = at(home, NOW, sealing)
    assert bodies(home, "sealed") == [{
        "commitment": commitment, "custodians": ["Bar council (invented)"], "disclose_by": "2027-05-01T10:00:30.000Z",
        "kind": "military area",
    }]  # fmt: skip
    public = b"".join(path.read_bytes() for path in log_folder(home).rglob("*") if path.is_file())
    assert b"depot" not in public
    body = at(home, NOW + 1, lambda ledger: unseal(ledger, commitment[:8]))
    assert bodies(home, "unsealed") == [body]
    assert body["content"] == CONTENT
    assert seal_commitment(b64decode(body["salt"]), body["content"]) == b64decode(commitment)


@pytest.mark.parametrize("days", [1e-9, SEAL_DAYS])
def test_a_seal_may_last_until_180_days_ahead(home: Home, days: float) -> None:
    assert at(home, NOW, lambda ledger: sealing(ledger, days=days))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"days": 0}, "sealed until"), ({"days": -1}, "sealed until"), ({"days": SEAL_DAYS + 1e-8}, "sealed until"),
        ({"kind": " "}, "without kind or custodians"), ({"custodians": []}, "without kind or custodians"),
        ({"custodians": ["a", ""]}, "without kind or custodians"),
    ],
)  # fmt: skip
def test_a_seal_without_end_or_keeper_is_refused_and_leaves_nothing(home: Home, changed: dict[str, Any], said: str) -> None:
    with home.writer(), HomeLedger.open(home, clock=lambda: NOW) as ledger:
        with pytest.raises(InputError, match=said):
            sealing(ledger, **changed)
        assert list(ledger.records.duties.sealed()) == []
    assert bodies(home, "sealed") == []


def test_what_is_no_seal_or_open_already_is_not_opened(home: Home) -> None:
    one = at(home, NOW, sealing)
    at(home, NOW, sealing)
    with home.writer(), HomeLedger.open(home, clock=lambda: NOW) as ledger:
        for name, found in (("", 2), ("no such", 0)):
            with pytest.raises(InputError, match=f"{found} seals begin with"):
                unseal(ledger, name)
        unseal(ledger, one)
        with pytest.raises(ConflictError, match="was opened at 2027-04-01T10:00:30Z"):
            unseal(ledger, one)
    assert len(bodies(home, "unsealed")) == 1


def test_a_seal_whose_content_was_exchanged_is_not_opened(home: Home) -> None:
    import sqlite3

    commitment = at(home, NOW, sealing)
    with sqlite3.connect(home.path / "records.sqlite") as connection:
        connection.execute("UPDATE sealed SET content=replace(content, '5000', '9000')")
    connection.close()
    with home.writer(), HomeLedger.open(home) as ledger, pytest.raises(IntegrityError, match="is not what was sealed"):
        unseal(ledger, commitment)
    assert bodies(home, "unsealed") == []


@pytest.mark.parametrize("moment", ["before the entry", "in the outbox", "in the log", "before the mark"])
def test_an_opening_that_a_crash_cut_short_is_logged_once(home: Home, moment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    commitment = at(home, NOW, sealing)
    place = {
        "before the entry": (HomeLedger, "queue"), "in the outbox": (HomeLedger, "flush"),
        "in the log": (RecordStore, "mark_logged"), "before the mark": (RecordDuties, "mark_sealed"),
    }[moment]  # fmt: skip
    with home.writer(), HomeLedger.open(home, clock=lambda: NOW) as ledger, monkeypatch.context() as patched:
        patched.setattr(*place, die)
        with pytest.raises(Killed):
            unseal(ledger, commitment)
    body = at(home, NOW + NS_PER_S, lambda ledger: unseal(ledger, commitment))
    assert bodies(home, "unsealed") == [body]
    assert state_of(home, now_ns=NOW)["seals"][0]["opened_at"] == format_instant(NOW + NS_PER_S)


def test_a_seal_is_overdue_after_its_day_until_it_is_opened(home: Home) -> None:
    commitment = at(home, NOW, lambda ledger: sealing(ledger, days=10))
    due = NOW + 10 * NS_PER_DAY
    assert state_of(home, now_ns=due)["overdue"] == []
    assert [(item["commitment"], item["days"]) for item in state_of(home, now_ns=due + 1)["overdue"]] == [(commitment, 0)]
    late = state_of(home, now_ns=due + 3 * NS_PER_DAY)["overdue"]
    assert [(item["kind"], item["days"]) for item in late] == [("military area", 3)]
    at(home, due + NS_PER_DAY, lambda ledger: unseal(ledger, commitment))
    assert state_of(home, now_ns=due + 3 * NS_PER_DAY)["overdue"] == []


# --- erasure and holds ------------------------------------------------------------------------------------------------


def test_an_erasure_takes_keys_and_records_of_the_subject_alone(home: Home) -> None:
    known = months(home)
    done = at(home, NOW, lambda ledger: erase(ledger, "account:acc-a", months=(), basis=BASIS))
    assert (list(done.months), done.records > 0) == (known, True)
    assert months(home) == []
    with pytest.raises(InputError, match="no record of terminal"):
        issue_receipt(home, "car")
    for other in ("guest", "stranger"):
        assert verify_receipt(issue_receipt(home, other).proof, policy_of(home)).fields["terminal_id"] == other
    with home.writer(), HomeLedger.open(home) as ledger:
        assert ledger.keys.months_of("account:acc-a") == []
        with pytest.raises(InputError, match="nothing is kept about `account:acc-a`"):
            erase(ledger, "account:acc-a", months=(), basis=BASIS)


@pytest.mark.parametrize(
    ("subject", "month", "basis", "said"),
    [
        ("account:nobody", (), BASIS, "nothing is kept about `account:nobody`"),
        ("acc-a", (), BASIS, "nothing is kept about `acc-a`"),
        ("account:acc-a", ("1999-01",), BASIS, "nothing is kept about `account:acc-a` in 1999-01"),
        ("account:acc-a", (), " ", "without a legal basis"),
    ],
)
def test_an_erasure_that_names_nothing_is_refused(
    home: Home, subject: str, month: tuple[str, ...], basis: str, said: str
) -> None:
    before = months(home)
    with home.writer(), HomeLedger.open(home) as ledger, pytest.raises(InputError, match=said):
        erase(ledger, subject, months=month, basis=basis)
    assert months(home) == before


def test_a_hold_forbids_the_erasure_until_its_end(home: Home) -> None:
    end = NOW + 10 * NS_PER_DAY
    with RecordStore.open(home.path / "records.sqlite") as records:
        records.duties.hold("account:acc-a", NOW + NS_PER_DAY, "case 1 (invented)")
        records.duties.hold("account:acc-a", end, "case 2 (invented)")
        records.duties.hold("account:acc-b", end + NS_PER_DAY, "case 3 (invented)")
        with pytest.raises(InputError, match="without a reason"):
            records.duties.hold("account:acc-a", end, " ")
    assert [item["reason"] for item in state_of(home, now_ns=NOW)["holds"]] == [f"case {n} (invented)" for n in (1, 2, 3)]
    with home.writer(), HomeLedger.open(home, clock=lambda: end - 1) as ledger:
        with pytest.raises(ConflictError, match=r"forbids the erasure until 2027-04-11T10:00:30Z: case 2"):
            erase(ledger, "account:acc-a", months=(), basis=BASIS)
        assert ledger.keys.months_of("account:acc-a")
    assert issue_receipt(home, "car").fields["terminal_id"] == "car"
    assert at(home, end, lambda ledger: erase(ledger, "account:acc-a", months=(), basis=BASIS)).records


@pytest.mark.parametrize("moment", ["erase", "scrub"])
def test_an_erasure_that_a_crash_cut_short_is_completed_by_a_second_call(
    home: Home, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = months(home)
    with monkeypatch.context() as patched:
        patched.setattr(RecordDuties, moment, die)
        crash(home, NOW, lambda ledger: erase(ledger, "account:acc-a", months=(), basis=BASIS))
    with home.writer(), HomeLedger.open(home) as ledger:
        assert ledger.keys.months_of("account:acc-a") == [], "keys go first"
    if moment == "erase":
        assert months(home) == known, "the records are still there"
        again = at(home, NOW, lambda ledger: erase(ledger, "account:acc-a", months=(), basis=BASIS))
        assert list(again.months) == known
        assert again.records > 0
    assert months(home) == []
    erased = at(home, NOW + ERASURE_DAYS * NS_PER_DAY, log_due_erasures)
    assert erased == len(bodies(home, "erasure")) > 0
    with home.writer(), HomeLedger.open(home) as ledger, pytest.raises(InputError, match="nothing is kept"):
        erase(ledger, "account:acc-a", months=(), basis=BASIS)
    contents = (home.path / "records.sqlite").read_bytes()
    assert b'"terminal_id":"car"' not in contents, "the bytes are scrubbed, by the next opening at the latest"
    assert b'"terminal_id":"guest"' in contents


def test_erasures_are_logged_once_and_only_when_their_time_has_come(home: Home) -> None:
    done = at(home, NOW, lambda ledger: erase(ledger, "account:acc-a", months=(), basis=BASIS))
    assert bodies(home, "erasure") == []
    for day in range(ERASURE_DAYS + 1):
        now = NOW + day * NS_PER_DAY
        at(home, now, beat)
        with RecordStore.open(home.path / "records.sqlite") as records:
            assert records.duties.due_erasures(now) == []
            due_later = [] if day == ERASURE_DAYS else records.duties.due_erasures(NOW + ERASURE_DAYS * NS_PER_DAY)
            assert len(bodies(home, "erasure")) + len(due_later) == done.records
    logged = bodies(home, "erasure")
    assert len({(body["batch_index"], body["leaf_index"]) for body in logged}) == done.records
    assert {body["basis"] for body in logged} == {BASIS}
    assert all(body.keys() == {"basis", "batch_index", "leaf", "leaf_index"} for body in logged)
    assert fsck(log_folder(home), policy_of(home)).faults == ()


# --- heartbeat and status ---------------------------------------------------------------------------------------------


def test_a_heartbeat_names_its_minute(home: Home) -> None:
    for seconds in (0, 29, 30):
        at(home, NOW + seconds * NS_PER_S, beat)
    assert [body["minute"] for body in bodies(home, "heartbeat")] == [
        "2027-04-01T10:00:00.000Z", "2027-04-01T10:00:00.000Z", "2027-04-01T10:01:00.000Z",
    ]  # fmt: skip


def test_the_state_counts_what_is_there_and_what_waits(home: Home) -> None:
    before = state_of(home, now_ns=NOW)
    assert before["entries"] == before["published"] == read_log(log_folder(home)).integrated_size
    assert (before["quorum"], before["witnessed"], before["records"]["pending"]) == ("none", False, 0)
    with home.writer(), HomeLedger.open(home, clock=lambda: NOW) as ledger:
        beat(ledger)
        assert state_of(home, now_ns=NOW)["records"]["pending"] == 1
        ledger.flush()
    after = state_of(home, now_ns=NOW)
    assert (after["entries"], after["published"]) == (before["entries"] + 1, before["published"])
    erased = at(home, NOW, lambda ledger: erase(ledger, "account:acc-a", months=(), basis=BASIS)).records
    assert state_of(home, now_ns=NOW)["records"]["erased"] == erased


def test_what_no_entry_can_hold_is_refused_and_blocks_nothing(home: Home) -> None:
    long = "x" * 70_000
    day = NOW + NS_PER_DAY
    refused: list[Callable[[HomeLedger], Any]] = [
        lambda ledger: seal(ledger, {"a": long}, kind="a rule", disclose_by_ns=day, custodians=["board"]),
        lambda ledger: seal(ledger, CONTENT, kind=long, disclose_by_ns=day, custodians=["board"]),
        lambda ledger: erase(ledger, "account:acc-a", months=[], basis=long),
        lambda ledger: append_items(ledger, [("request", "governance", {"a": 1}), ("request", "governance", {"a": long})]),
        lambda ledger: ledger.queue("request", {"a": long}),
    ]
    for act in refused:
        with pytest.raises(InputError, match="bytes"):
            at(home, NOW, act)
    before = at(home, NOW, lambda ledger: ledger.log.size)
    at(home, NOW, beat)
    assert at(home, NOW, lambda ledger: ledger.log.size) == before + 1
    assert state_of(home, now_ns=NOW)["seals"] == []


def test_a_receipt_says_when_records_in_between_were_erased(home: Home) -> None:
    two_months_s = 86_400 * 60
    run(home, table([observation("car", two_months_s + 7200 * n, 2.5 if n == 1 else 5, 2.5) for n in range(3)]))
    assert issue_receipt(home, "car").erased == 0
    month = at(home, NOW, lambda ledger: ledger.records.months_of("account:acc-a"))[-1]
    done = at(home, NOW, lambda ledger: erase(ledger, "account:acc-a", months=[month], basis=BASIS))
    assert done.records >= 2
    with pytest.raises(ConflictError, match="records of terminal `car` were erased"):
        issue_receipt(home, "car")
    first = issue_receipt(home, "car", at_ns=parse_instant("2026-03-02T10:00Z"))
    assert first.erased == done.records


def test_the_policy_of_a_home_names_its_log_alone(home: Home) -> None:
    other = new_signers("other.example/log")[0].verifier
    text = (log_folder(home) / "policy").read_bytes()
    with home.writer(), pytest.raises(InputError, match=r"names the log `other\.example/log`"):
        set_policy(home, f"log {other}\n".encode() + text)
    at(home, NOW, beat)
