"""Erasure of history: what leaves, what stays byte for byte, what is on record, and what is refused."""

from __future__ import annotations

import gzip
import json
import shutil
from base64 import b64decode, b64encode
from pathlib import Path

import pyarrow as pa
import pytest

from console import groundrule
from decided_alike import assert_alike, spread, write_given
from erased_home import BASIS, NOW, erase, filled_home, names_in, rows_of
from groundrule.detect.signals import Offending, Signal, table_of
from groundrule.engines.distributed import DistributedReplay
from groundrule.errors import ConflictError, InputError, IntegrityError
from groundrule.instant import NS_PER_S
from groundrule.ledger.audit.fsck import fsck
from groundrule.ledger.audit.receipts import verify_receipt
from groundrule.ledger.commitment import seal_commitment
from groundrule.ledger.entry import Entry
from groundrule.ledger.log import read_log
from groundrule.pipeline import lateness
from groundrule.pipeline.backup import back_up
from groundrule.pipeline.erasing import WHAT
from groundrule.pipeline.home_ledger import HomeLedger, LedgerSetup, log_folder, policy_of
from groundrule.pipeline.live.answers import LiveSettings
from groundrule.pipeline.live.desk import Live
from groundrule.pipeline.manifests import runs
from groundrule.pipeline.receipts import issue_receipt
from groundrule.pipeline.replaying import replay
from groundrule.pipeline.restore import restore
from groundrule.store.erasures import erasure_path, erasures
from groundrule.store.events import Event, EventLog
from groundrule.store.home import Home
from groundrule.store.leaving import MARK
from groundrule.store.shelving import shelve
from groundrule.store.signals import SIGNALS
from groundrule.store.telemetry import keep_reply
from groundrule.store.verifications import VERIFICATIONS
from plain_cluster import PlainCluster
from small_home import RECORDED, T0, copy_home, final_decisions, make_home, observation, run, table

QUIET = LiveSettings(commit_every_s=3_600, check_every_s=3_600)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return filled_home(tmp_path_factory.mktemp("erasing") / "home")


@pytest.fixture
def home(template: Home, tmp_path: Path) -> Home:
    return copy_home(template, tmp_path / "home")


def holds(home: Home) -> None:
    """Every check of the home agrees: on this machine, on a cluster, and in its log."""
    found = replay(home)
    assert (found.faults, found.difference, found.identical) == ((), None, True)
    assert replay(home, decider=DistributedReplay(PlainCluster(1), 3)).identical
    assert fsck(log_folder(home), policy_of(home)).ok


def test_a_terminal_leaves_and_all_other_rows_are_decided_again_byte_for_byte(home: Home) -> None:
    others = {kind: [row for row in rows_of(home, kind) if row["terminal_id"] != "stranger"] for kind in ("observations", "decisions")}
    done = erase(home, "terminal:stranger")
    assert {kind: rows_of(home, kind) for kind in others} == others
    assert done.rows["observations"] > 0
    assert names_in(home, "stranger") == []
    holds(home)


def test_replay_says_how_many_rows_of_which_run_were_erased_when_and_why(home: Home) -> None:
    kinds = ("observations", "decisions")
    before = {(number, kind): sum(row["run"] == number for row in rows_of(home, kind)) for number in runs(home) for kind in kinds}
    erase(home, "terminal:guest")
    after = {key: sum(row["run"] == key[0] for row in rows_of(home, key[1])) for key in before}
    told = groundrule("replay", "--home", home.path, "--json").json
    assert told["identical"]
    said = {(each["run"], kind): rows for each in told["erased"] for kind, rows in each["rows"].items()}
    assert said == {key: before[key] - after[key] for key in before if before[key] != after[key]}
    assert {(each["at"], each["basis"], each["erasure"]) for each in told["erased"]} == {("2026-06-01T00:00:00Z", BASIS, 1)}
    assert "guest" not in json.dumps(told)


def test_what_an_erased_terminal_sends_later_is_decided_as_of_one_never_seen(home: Home, tmp_path: Path) -> None:
    erase(home, "terminal:car")
    never = filled_home(tmp_path / "never", without=["car"])
    later = table([*(observation("car", 400_000 + 15 * n, 5.0, 5.0 + n / 100) for n in range(8)), observation("van", 500_000, 5, 5)])
    late = table([observation("car", 390_000, 5.0, 5.0)])
    for number, part in enumerate((later, late)):
        run(home, part, recorded_at=RECORDED + 100 + number)
        run(never, part, recorded_at=RECORDED + 100 + number)
    lasting = [row for row in final_decisions(home, runs(home)) if row["terminal_id"] == "car"]
    assert len(lasting) == 9
    assert lasting == [row for row in final_decisions(never, runs(never)) if row["terminal_id"] == "car"]
    holds(home)
    assert verify_receipt(issue_receipt(home, "car").proof, policy_of(home)).fields["terminal_id"] == "car"
    erase(home, "terminal:car")
    assert len(replay(home).erased) > len(erasures(home))
    holds(home)


def test_an_account_takes_all_terminals_with_it_that_belong_or_belonged_to_it(home: Home) -> None:
    done = erase(home, "account:acc-a")
    assert done.record["terminals"] == 3
    assert {row["terminal_id"] for row in rows_of(home, "observations")} == {"guest", "late payer", "stranger"}
    # The registers say who the customers are; they are no history.
    for name in ("car", "train", "van"):
        assert names_in(home, name) == []
    holds(home)


def test_rows_that_are_missing_without_a_record_are_told(home: Home, tmp_path: Path) -> None:
    whole = copy_home(home, tmp_path / "whole")
    erase(home, "terminal:train")
    shutil.rmtree(whole.history / "observations")
    shutil.rmtree(whole.history / "decisions")
    shutil.copytree(home.history / "observations", whole.history / "observations")
    shutil.copytree(home.history / "decisions", whole.history / "decisions")
    assert not replay(whole).identical
    erasure_path(home, 1).unlink()
    assert any("record is not that one" in fault for fault in replay(home).faults)


def test_a_record_that_is_changed_or_was_never_logged_is_told(home: Home) -> None:
    erase(home, "terminal:train")
    path = erasure_path(home, 1)
    told = json.loads(path.read_bytes())
    path.write_bytes(json.dumps({**told, "basis": "another"}, sort_keys=True, separators=(",", ":")).encode())
    assert any("record is not that one" in fault for fault in replay(home).faults)
    path.write_bytes(json.dumps(told).encode())
    assert any("has been changed" in fault for fault in replay(home).faults)


def test_what_was_changed_before_is_not_laundered_by_an_erasure(home: Home) -> None:
    path = next((home.history / "decisions").rglob("run-*.parquet"))
    path.unlink()
    with pytest.raises(IntegrityError, match="nothing is erased"):
        erase(home, "terminal:stranger")
    assert not (home.history / MARK).exists()
    assert erasures(home) == []


def test_a_second_erasure_goes_on_from_the_first(home: Home) -> None:
    first, second = erase(home, "terminal:stranger"), erase(home, "terminal:guest")
    assert second.record["previous"] == first.digest
    holds(home)
    with pytest.raises(InputError, match="nothing is kept"):
        erase(home, "terminal:guest")


def test_the_commitment_opens_to_who_was_erased_with_a_salt_that_is_kept_nowhere(home: Home) -> None:
    done = erase(home, "terminal:stranger")
    assert done.salt is not None
    opened = seal_commitment(b64decode(done.salt), {"subject": "terminal:stranger"})
    assert b64encode(opened).decode() == done.record["subject"]
    assert names_in(home, done.salt) == []


def test_the_log_has_one_entry_with_the_digest_of_the_record_and_no_name(home: Home) -> None:
    done = erase(home, "terminal:stranger")
    log = read_log(log_folder(home))
    entries = [Entry.decode(data) for data in log.tree(log.integrated_size).entries()]
    told = [each.body for each in entries if each.kind == "evidence" and each.body.get("what") == WHAT]
    assert told == [{"basis": BASIS, "number": 1, "sha256": done.digest.removeprefix("sha256:"), "what": WHAT}]


def test_a_legal_hold_on_a_terminal_or_on_any_of_its_accounts_stops_it(home: Home) -> None:
    for subject, asked in (("terminal:car", "account:acc-a"), ("account:acc-a", "terminal:car"), ("terminal:car", "terminal:car")):
        with home.writer(), HomeLedger.open(home) as ledger:
            hold = ledger.records.duties.hold(subject, 2**62, "a proceeding (invented)")
        with pytest.raises(ConflictError, match="a proceeding"):
            erase(home, asked)
        with home.writer(), HomeLedger.open(home) as ledger:
            ledger.records.duties.release(hold.id)
    erase(home, "terminal:car")


@pytest.mark.parametrize(
    ("subject", "basis", "said"),
    [
        ("terminal:nobody", BASIS, "nothing is kept"), ("account:nobody", BASIS, "nothing is kept"),
        ("car", BASIS, "names no subject"), ("terminal:", BASIS, "names no subject"),
        ("terminal:car", " ", "without a legal basis"), ("terminal:car", "asked by car", "names whom"),
        ("account:acc-a", "for acc-a", "names whom"), ("account:acc-a", "the van, too", "names whom"),
        ("terminal:car", "x" * 501, "characters"),
    ],
)  # fmt: skip
def test_wrong_input_changes_nothing(home: Home, subject: str, basis: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        erase(home, subject, basis=basis)
    assert erasures(home) == []
    assert replay(home).identical


def test_every_other_place_forgets_the_terminal_too(home: Home) -> None:
    own = Signal("convoy", "stranger", NOW, NOW - 10, 0.5, offending=(Offending(NOW - 10, 5, 5),))
    quoted = (Offending(NOW - 10, 5, 5, None, "stranger"), Offending(NOW - 9, 5, 6))
    beside = Signal("convoy", "guest", NOW, NOW - 10, 0.5, offending=quoted)
    columns = {"u": ["DeviceType", "UtcTimestampNs", "DeviceId"]}
    broken = home.history / "raw" / "stream" / "broken" / "1.gz"
    broken.parent.mkdir(parents=True)
    broken.write_bytes(gzip.compress(b"{stranger, and then the line ended"))
    reply = {"data": {"values": [["u", 1, "stranger"], ["u", 2, "guest"]], "columnNamesByDeviceType": columns}}
    with home.writer():
        SIGNALS.write(home, table_of([own, beside]))
        SIGNALS.withdraw(home, [("stranger", own.id, NOW)], at_ns=NOW + 1)
        VERIFICATIONS.write(home, pa.table({"terminal_id": ["stranger", "guest"], "at_ns": [NOW, NOW], "inputs": ["a", "b"]}))
        events = EventLog.open(home)
        events.append([Event("terminal.outcome", NOW, "terminal", {"terminal": name}, name) for name in ("stranger", "guest")])
        events.close()
        keep_reply(home.history / "raw" / "stream", json.dumps(reply).encode(), received_at_ns=NOW)
    rejected = home.rejected / "observations-1.jsonl"
    rejected.write_text(
        '{"kind":"rejected","reason":"x","content":"stranger,5,5"}\n{"kind":"rejected","reason":"x","content":"strangers,5,5"}\n'
        '{"kind":"rejected","reason":"x","value":"stranger"}\n'
    )
    shelve(home, runs(home))
    done = erase(home, "terminal:stranger")
    places = {name: rows for name, rows in done.record["places"].items() if name != "records"}
    assert places == {"signals": 1, "withdrawals": 1, "verifications": 1, "rejected": 2, "raw": 2, "events": 1}
    left = SIGNALS.read(home).to_pylist()
    assert [(row["terminal_id"], [each["lon_deg"] for each in row["offending"]]) for row in left] == [("guest", [6.0])]
    assert left[0]["signal_id"] == beside.id
    assert [row["terminal_id"] for row in VERIFICATIONS.read(home).to_pylist()] == ["guest"]
    assert "strangers" in rejected.read_text()
    rejected.unlink()
    assert names_in(home, "stranger") == []
    kept = next((home.history / "raw").rglob("*.json.gz"))
    assert json.loads(gzip.decompress(kept.read_bytes()))["data"]["values"] == [["u", 2, "guest"]]
    holds(home)


def test_other_commands_go_on(home: Home, tmp_path: Path) -> None:
    erase(home, "terminal:stranger")
    assert groundrule("explain", "stranger", "--home", home.path).code != 0
    assert groundrule("explain", "car", "--home", home.path).code == 0
    assert groundrule("whatif", "--rules", home.path.parent.parent / "none.yaml", "--home", home.path).code == 2
    assert groundrule("ledger", "fsck", "--home", home.path).code == 0
    back_up(home, tmp_path / "home.tar", now_ns=NOW)
    again = restore(tmp_path / "home.tar", tmp_path / "again").home
    shutil.copytree(home.path.with_name(f"{home.path.name}-keys"), again.path.with_name("again-keys"))
    holds(again)
    run(again, table([observation("car", 600_000, 5, 5)]), recorded_at=RECORDED + 200)
    holds(again)


def test_a_home_without_a_log_erases_as_well(tmp_path: Path) -> None:
    home = filled_home(tmp_path / "home", ledger=False)
    erase(home, "terminal:van")
    found = replay(home)
    assert found.identical
    assert found.erased
    assert names_in(home, "van") == []


def test_those_who_remain_keep_the_company_in_which_they_were_decided_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # So few rows at a time that corrections have many parts, each ordered by time for itself.
    monkeypatch.setattr(lateness, "CORRECTION_ROWS", 25)
    monkeypatch.setattr("groundrule.engines.stored_order.CORRECTION_ROWS", 25)
    names = [f"t{n:02d}" for n in range(14)]
    home = make_home(tmp_path / "home", ledger=LedgerSetup())
    run(home, table([observation(name, 100 * n, 5, 5) for n in range(1, 11) for name in names]))
    run(home, table([observation(name, 150, 5, 5) for name in names]), recorded_at=RECORDED + 1)
    for gone in ("t03", "t00", "t07", "t13"):
        erase(home, f"terminal:{gone}")
        holds(home)
    # Had they been forgotten altogether, the others would be decided in other parts, and so in another order.
    assert erasures(home)[-1].runs["2"]["held"]
    monkeypatch.setattr("groundrule.pipeline.stored_history.held_rows", lambda _home, _run: ())
    assert not replay(home).identical
    monkeypatch.undo()
    monkeypatch.setattr(lateness, "CORRECTION_ROWS", 25)
    run(home, table([observation(name, 250, 5, 5) for name in names[:4]]), recorded_at=RECORDED + 2)
    assert replay(home).identical


def test_rows_on_their_way_out_are_read_by_nobody(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(step: str) -> None:
        if step == "begun":
            raise Killed

    shelve(home, runs(home))
    monkeypatch.setattr("groundrule.pipeline.erasing.reached", die)
    with pytest.raises(Killed):
        erase(home, "terminal:stranger")
    monkeypatch.undo()
    assert (home.history / MARK).exists()
    assert not [row for kind in ("observations", "decisions") for row in rows_of(home, kind) if row["terminal_id"] == "stranger"]
    assert groundrule("explain", "stranger", "--home", home.path).code != 0
    found = replay(home)
    assert (found.identical, found.faults) == (True, ())
    assert found.erased
    assert groundrule("history", "show", "--home", home.path, "--json").json["under_way"]
    run(home, table([observation("stranger", 800_000, 5, 5)]), recorded_at=RECORDED + 400)
    assert not (home.history / MARK).exists()
    assert len([row for row in rows_of(home, "observations") if row["terminal_id"] == "stranger"]) == 1
    holds(home)


class Killed(BaseException):
    """What a crash looks like to the code around it."""


def test_rows_that_were_acknowledged_and_are_in_no_run_leave_too(home: Home, tmp_path: Path) -> None:
    left = crashed(home, tmp_path / "left", "stranger", "van")
    assert erase(left, "terminal:stranger").record["places"]["ingest"] == 1
    assert names_in(left, "stranger") == []
    with Live.open(left, clock=lambda: RECORDED + 10**9, settings=QUIET):
        pass
    assert [row["terminal_id"] for row in rows_of(left, "observations") if row["observed_at"] == T0 + 950_000 * NS_PER_S] == ["van"]
    holds(left)


def test_the_service_completes_an_erasure_before_it_takes_anything(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = crashed(home, tmp_path / "left", "stranger", "van")

    def die(step: str) -> None:
        if step == "begun":
            raise Killed

    monkeypatch.setattr("groundrule.pipeline.erasing.reached", die)
    with pytest.raises(Killed):
        erase(left, "terminal:stranger")
    monkeypatch.undo()
    with Live.open(left, clock=lambda: RECORDED + 10**9, settings=QUIET):
        assert not (left.history / MARK).exists()
    assert names_in(left, "stranger") == []
    holds(left)


def crashed(home: Home, path: Path, *names: str) -> Home:
    """The home as a crash of the service leaves it, with a row of each of some terminals acknowledged and in no run."""
    with Live.open(home, clock=lambda: RECORDED + 10**9, settings=QUIET) as live:
        rows = table([observation(name, 950_000, 5, 5) for name in names]).drop_columns(["source", "source_row"])
        live.submit(rows, source="test", key=None).result(30)
        return copy_home(home, path)


def test_a_cluster_goes_on_with_what_is_left(home: Home, tmp_path: Path) -> None:
    erase(home, "terminal:car")
    given = table([observation(name, 400_000 + 60 * n, 5, 5 + n / 50) for n in range(6) for name in ("car", "van", "stranger")])
    out = tmp_path / "out"
    spread(home, write_given(tmp_path / "given", "part", given), out, PlainCluster(), RECORDED + 100, 2)
    taken = groundrule("decided", out, "--take", "--home", home.path, "--json").json["taken"]
    assert [each["batch"] for each in taken] == [1]
    assert_alike(home, out, len(runs(home)) - 1)
    holds(home)


def test_what_a_cluster_decided_with_rows_that_were_erased_since_is_not_taken(home: Home, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(home, table([observation("car", 500_000, 5, 5)]), recorded_at=RECORDED + 99)
    known = runs(home)
    # Too late behind what the home has of the car; not so where it has nothing any more.
    given = table([observation("car", 1, 5, 5), observation("van", 500_000, 5, 5)])
    spread(home, write_given(tmp_path / "given", "part", given), out, PlainCluster(), RECORDED + 100, 2)
    erase(home, "terminal:car")
    assert groundrule("decided", out, "--take", "--home", home.path).code == 1
    assert runs(home) == known
    holds(home)
