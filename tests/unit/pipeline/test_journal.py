"""A run commits its transitions to the log, and every stored decision can be proved by one of them."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from groundrule.errors import ConflictError, InputError, IntegrityError, ProofFailed
from groundrule.instant import NS_PER_S, parse_instant
from groundrule.ledger.audit.receipts import verify_receipt
from groundrule.ledger.entry import Entry, policy_digest
from groundrule.ledger.log import read_log
from groundrule.pipeline import journal as journal_module
from groundrule.pipeline import runs as runs_module
from groundrule.pipeline.home import import_areas
from groundrule.pipeline.home_ledger import HomeLedger, LedgerSetup, keys_folder, ledger_of, log_folder, policy_of
from groundrule.pipeline.manifests import manifest_path
from groundrule.pipeline.receipts import issue_receipt
from groundrule.pipeline.runs import decide, replay
from groundrule.store.home import Home
from groundrule.store.keys import KeyService
from groundrule.store.records import RecordStore
from late_delivery import deliver
from small_home import (
    AREAS,
    BOOK,
    RECORDED,
    copy_home,
    drive,
    final_decisions,
    inputs,
    make_home,
    observation,
    run,
    stream,
    table,
)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return make_home(tmp_path_factory.mktemp("template") / "home", ledger=LedgerSetup())


@pytest.fixture
def home(template: Home, tmp_path: Path) -> Home:
    return copy_home(template, tmp_path / "home")


def entries(home: Home) -> list[Entry]:
    log = read_log(log_folder(home))
    return [Entry.decode(data) for data in log.tree(log.integrated_size).entries()]


def answer(row: dict[str, Any]) -> tuple[Any, ...]:
    decisive = [(reason["code"], reason["rule"]) for reason in row["reasons"] if reason["class"] == "decisive"]
    return row["outcome"], row["state"], row["rule"], decisive, list(row["obligations"])


def test_genesis_records_keys_and_policy(home: Home) -> None:
    found = entries(home)
    assert [item.kind for item in found] == ["key-event", "key-event", "snapshot-published"]
    assert {item.body["vkey"] for item in found[:2]} == {str(key) for key in policy_of(home).log_keys}
    assert found[2].body["policy_digest"] == policy_digest(found[2].body["rulebook"], found[2].body["areas"])
    assert found[2].body["note"] == "genesis"


def test_a_run_adds_a_batch_and_its_manifest(home: Home) -> None:
    committed = run(home, stream(1)).committed
    assert committed is not None
    assert committed.published
    assert [item.kind for item in entries(home)[3:]] == ["decision-batch", "manifest"]
    assert entries(home)[3].body["policy_digest"] == entries(home)[2].body["policy_digest"]
    assert committed.size == 5


@pytest.mark.parametrize("seed", range(8))
def test_the_record_in_force_says_what_was_decided_for_every_observation(template: Home, tmp_path: Path, seed: int) -> None:
    home = copy_home(template, tmp_path / "home")
    parts, _ = deliver(stream(seed, rows=120), seed)
    for part in parts:
        run(home, part)
    by_instant: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for row in final_decisions(home, range(1, len(parts) + 1)):
        by_instant.setdefault((row["terminal_id"], row["observed_at"]), []).append(row)
    with RecordStore.open(home.path / "records.sqlite") as records:
        for (terminal, observed_ns), rows in by_instant.items():
            found = records.record_in_force(terminal, observed_ns)
            assert found is not None
            assert answer(json.loads(found.content or "")) in [answer(row) for row in rows], (terminal, observed_ns)
        # One record for each change, and no row per observation.
        assert records.counts()["records"] < len(by_instant)
    assert replay(home).identical


def test_every_stored_decision_gives_a_receipt_that_verifies(home: Home) -> None:
    run(home, stream(3))
    policy = policy_of(home)
    for row in final_decisions(home, [1])[::7]:
        issued = issue_receipt(home, row["terminal_id"], at_ns=row["observed_at"])
        verified = verify_receipt(issued.proof, policy)
        assert verified.fields == issued.fields
        assert verified.fields["terminal_id"] == row["terminal_id"]
        assert verified.fields["outcome"] in {
            other["outcome"] for other in final_decisions(home, [1])
            if (other["terminal_id"], other["observed_at"]) == (row["terminal_id"], row["observed_at"])
        }  # fmt: skip
        assert verified.fields["policy"]["rulebook"] == row["rulebook"]
        assert verified.fields["policy"]["areas"] == row["areas_version"]
        assert verified.fields["policy"]["lists"] == row["lists_version"]
        assert verified.fields["register"]["revision"] == row["register_revision"]


def test_an_owner_sees_the_answer_and_not_what_was_measured(home: Home) -> None:
    run(home, table(drive("car", 0, 12, lat=5, lon=3, km_h=100)))
    fields = issue_receipt(home, "car", recipient="owner").fields
    assert (fields["outcome"], fields["reason_codes"]) == ("deny", ["moving_too_fast_for_policy"])
    assert {"speed_kmh", "altitude_m", "inputs_sha256", "rule", "reasons", "corrects"}.isdisjoint(fields)
    with pytest.raises(InputError, match="does not open `speed_kmh`"):
        issue_receipt(home, "car", recipient="owner", fields=["speed_kmh"])
    assert issue_receipt(home, "car", fields=["speed_kmh"]).fields["speed_kmh"][1] >= 100


def test_a_correction_names_the_record_that_it_replaces(home: Home) -> None:
    slow = drive("car", 0, 40, lat=5, lon=3, km_h=20)
    run(home, table(slow))
    first = issue_receipt(home, "car")
    late = [observation("car", 307 + 15 * k, 5, 3.05 + 0.004 * k) for k in range(6)]
    run(home, table(late))
    with RecordStore.open(home.path / "records.sqlite") as records:
        corrections = [json.loads(item.content or "") for item in records.records_of_run(2)]
    assert corrections[0]["corrects"] == {
        "batch_index": first.batch_index, "leaf_index": json.loads(_receipt(first.proof))["leaf_index"],
    }  # fmt: skip
    assert replay(home).identical


def _receipt(proof: bytes) -> bytes:
    from groundrule.ledger.proof import Proof

    return Proof.parse(proof).extra or b""


def test_owner_tags_number_the_records_without_a_gap(home: Home) -> None:
    for seed in range(3):
        run(home, table([observation("van", 3600 * 30 * seed + 60 * k, 2.5 if k % 2 else 5, 2.5) for k in range(6)]))
    from groundrule.ledger.commitment import owner_tag

    with RecordStore.open(home.path / "records.sqlite") as records, KeyService.open(keys_folder(home)) as keys:
        tags = [json.loads(item.content or "")["owner_tag"] for item in records.records_of("van")]
        expected = [owner_tag(keys.index_key("van"), "van", number).hex() for number in range(len(tags))]
    assert len(tags) > 6
    assert tags == expected


def test_full_batches_are_split_and_every_minute_has_an_entry(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "BATCH_RECORDS", 4)
    now = [parse_instant("2026-04-01T10:00:30Z")]

    def clock() -> int:
        now[0] += 20 * NS_PER_S
        return now[0]

    with home.writer(), HomeLedger.open(home, clock=clock) as ledger:
        whole = stream(5)
        batches = [whole.slice(first, 30) for first in range(0, len(whole), 30)]
        decide(home, inputs(*batches), recorded_at_ns=RECORDED, ledger=ledger)
    logged = [item for item in entries(home) if item.kind == "decision-batch"]
    minutes = [parse_instant(item.body["minute"]) // (60 * NS_PER_S) for item in logged]
    assert set(np.diff(minutes)) <= {0, 1}
    assert len(set(minutes)) > 1
    assert max(Counter(minutes).values()) > 1
    assert replay(home).identical
    assert issue_receipt(home, "car").fields["terminal_id"] == "car"


@pytest.mark.parametrize("moment", ["before the manifest", "before the entries", "after the entries"])
def test_a_crash_leaves_nothing_of_an_unfinished_run_and_loses_nothing_of_a_finished_one(
    home: Home, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*_arguments: object, **_options: object) -> None:
        raise Killed

    run(home, stream(1))
    ledger = ledger_of(home)
    assert ledger is not None
    with monkeypatch.context() as patched:
        if moment == "before the manifest":
            patched.setattr(runs_module, "write_manifest", die)
        elif moment == "before the entries":
            patched.setattr(HomeLedger, "flush", die)
        else:
            patched.setattr(RecordStore, "mark_logged", die)
        more = table(drive("car", 400_000, 12, lat=5, lon=3, km_h=100))
        with home.writer(), pytest.raises(Killed), ledger:
            decide(home, inputs(more), recorded_at_ns=RECORDED, ledger=ledger)
    finished = moment != "before the manifest"
    assert manifest_path(home, 2).exists() == finished
    if finished and moment == "before the entries":
        assert "run 2 is not in the log" in replay(home).faults
    ledger = ledger_of(home)
    assert ledger is not None
    with home.writer(), ledger:
        ledger.commit()
    kinds = Counter(item.kind for item in entries(home))
    assert kinds["manifest"] == kinds["decision-batch"] == (2 if finished else 1)
    if not finished:
        run(home, more)
    assert replay(home).identical
    assert verify_receipt(issue_receipt(home, "car").proof, policy_of(home)).fields["outcome"] == "deny"


def test_runs_of_a_home_that_had_no_log_are_recorded_when_it_gets_one(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    run(home, stream(1))
    with home.writer():
        from groundrule.pipeline.home import rulebook_of

        with HomeLedger.create(home, rulebook=rulebook_of(home).digest) as made:
            made.commit()
    assert [item.kind for item in entries(home)][-1] == "manifest"
    run(home, table(drive("car", 400_000, 12, lat=5, lon=3, km_h=100)))
    assert replay(home).identical
    assert issue_receipt(home, "car").fields["outcome"] == "deny"
    with pytest.raises(InputError, match="no record of terminal"):
        issue_receipt(home, "guest")


def test_areas_come_into_force_only_after_the_log_says_so(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from groundrule.store.area_store import current_areas_digest

    before = current_areas_digest(home)
    fresh = replace(AREAS[3], id="another")
    with monkeypatch.context() as patched:
        patched.setattr(HomeLedger, "commit", lambda _self: (_ for _ in ()).throw(ConflictError("refused")))
        with home.writer(), pytest.raises(ConflictError):
            import_areas(home, (fresh,))
    assert current_areas_digest(home) == before
    with home.writer():
        after, _ = import_areas(home, (fresh,))
    last = entries(home)[-1]
    assert (last.kind, last.body["areas"]) == ("snapshot-published", after.digest)


# --- what an insider may try ------------------------------------------------------------------------------------------


def test_manifests_rewritten_as_a_whole_are_found_by_the_log(home: Home) -> None:
    """The chain of manifests alone would not show it: every one is written anew, with all digests right."""
    run(home, stream(1))
    other = copy_home_without_log(home)
    run(other, stream(2))
    for name in ("history", "manifests"):
        shutil.rmtree(home.path / name)
        shutil.copytree(other.path / name, home.path / name)
    shutil.rmtree(home.path / "cache")
    (home.path / "cache").mkdir()
    faults = replay(home).faults
    assert any("its manifest is not the one that entry 4 of the log commits to" in fault for fault in faults)


def copy_home_without_log(home: Home) -> Home:
    other = copy_home(home, home.path.with_name("other"))
    for name in ("history", "manifests", "cache"):
        shutil.rmtree(other.path / name)
        (other.path / name).mkdir()
    shutil.rmtree(log_folder(other))
    for path in other.path.glob("records.sqlite*"):
        path.unlink()
    return other


def edit(home: Home, statement: str) -> None:
    connection = sqlite3.connect(home.path / "records.sqlite")
    connection.execute(statement)
    connection.commit()
    connection.close()


def test_an_edited_record_gives_no_receipt_and_shows_in_replay(home: Home) -> None:
    run(home, table(drive("car", 0, 12, lat=5, lon=3, km_h=100)))
    edit(home, """UPDATE record SET content=replace(content, '"outcome":"deny"', '"outcome":"serve"')""")
    with pytest.raises(IntegrityError, match="is deny by too-fast, and the record committed to the log says serve"):
        issue_receipt(home, "car")
    assert any("a record says serve by too-fast" in fault for fault in replay(home).faults)


def test_an_edited_field_that_no_decision_shows_is_not_what_was_committed(home: Home) -> None:
    run(home, table(drive("car", 0, 12, lat=5, lon=3, km_h=100)))
    edit(home, """UPDATE record SET content=replace(content, '"account_id":"acc-a"', '"account_id":"acc-b"')""")
    with pytest.raises(IntegrityError, match="not what was committed to"):
        issue_receipt(home, "car")


def test_a_removed_record_shows_in_replay(home: Home) -> None:
    run(home, stream(1))
    edit(home, "DELETE FROM record WHERE rowid=(SELECT min(rowid) FROM record)")
    assert any("not those it commits to" in fault for fault in replay(home).faults)


def test_every_field_of_a_record_is_compared_with_its_leaf(home: Home) -> None:
    run(home, table(drive("car", 0, 12, lat=5, lon=3, km_h=100)))
    assert replay(home).identical
    edit(home, """UPDATE record SET content=replace(content, '"lat_e7":5', '"lat_e7":6')""")
    assert any("is not what was committed to" in fault for fault in replay(home).faults)
    edit(home, "UPDATE record SET content='no JSON'")
    assert any("is not what was committed to" in fault for fault in replay(home).faults)


def test_a_record_that_was_emptied_without_an_erasure_shows_in_replay(home: Home) -> None:
    run(home, table(drive("car", 0, 12, lat=5, lon=3, km_h=100)))
    gone = ", ".join(f"{name}=NULL" for name in ("record_id", "subject", "month", "terminal_id", "observed_at", "content"))
    edit(home, f"UPDATE record SET {gone}")
    assert any("nothing says that it was erased" in fault for fault in replay(home).faults)


@pytest.mark.parametrize("gone", ["policy", "folder"])
def test_a_log_that_is_gone_is_no_home_without_a_log(home: Home, gone: str) -> None:
    run(home, stream(1))
    if gone == "policy":
        (log_folder(home) / "policy").unlink()
    else:
        shutil.rmtree(log_folder(home))
    assert any("is gone" in fault for fault in replay(home).faults)
    with pytest.raises(IntegrityError, match="is gone"):
        ledger_of(home)


def outside(hour: float, name: str = "train") -> dict[str, Any]:
    return observation(name, 3600 * hour, 5, 5)


def inside(hour: float) -> dict[str, Any]:
    return observation("train", 3600 * hour, 2.5, 2.5)


def decide_without_log(home: Home, rows: list[dict[str, Any]]) -> None:
    with home.writer():
        decide(home, inputs(table(rows)), recorded_at_ns=RECORDED)


def test_after_a_run_without_the_log_every_answer_is_recorded_anew(home: Home) -> None:
    run(home, table([outside(0)]))
    decide_without_log(home, [inside(1)])
    with pytest.raises(ConflictError, match="run 2 decided this while the log was out of reach"):
        issue_receipt(home, "train")
    run(home, table([outside(2)]))
    # Served, refused without a record, served again: it was not served all the time.
    issued = issue_receipt(home, "train")
    assert issued.fields["outcome"] == "serve"
    assert issued.since_ns == issued.observed_at_ns
    with pytest.raises(ConflictError, match="run 2 decided this while the log was out of reach"):
        issue_receipt(home, "train", at_ns=issued.since_ns - 1)
    assert replay(home).identical


def test_records_of_an_unfinished_run_count_nowhere(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    def die(*_arguments: object) -> None:
        raise Killed

    run(home, table([outside(0)]))
    with monkeypatch.context() as patched:
        patched.setattr(runs_module, "write_manifest", die)
        with pytest.raises(Killed):
            run(home, table([inside(1)]))
    assert issue_receipt(home, "train").fields["outcome"] == "serve"
    # The next run gets the same number, and the log is out of reach.
    decide_without_log(home, [outside(1, "van"), outside(1.5)])
    run(home, table([outside(2)]))
    assert replay(home).identical
    assert issue_receipt(home, "train").fields["outcome"] == "serve"


def test_a_correction_names_what_it_replaces_also_when_its_own_run_has_records_already(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "BATCH_RECORDS", 1)
    run(home, table([outside(0), outside(6)]))
    run(home, table([inside(1), outside(2), inside(3)]))
    with RecordStore.open(home.path / "records.sqlite") as records:
        corrections = [json.loads(item.content or "")["corrects"] for item in records.records_of_run(2)]
    assert len(corrections) > 2
    assert None not in corrections


def test_keys_are_not_kept_in_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROUNDRULE_KEYS", str(tmp_path / "home" / "ledger" / "keys"))
    with pytest.raises(InputError, match="the keys would lie in the home"):
        make_home(tmp_path / "home", ledger=LedgerSetup())
    assert not list(tmp_path.rglob("wrap.key"))


def test_without_the_keys_a_replay_compares_what_it_can_and_says_so(home: Home) -> None:
    run(home, stream(1))
    shutil.rmtree(keys_folder(home))
    found = replay(home)
    assert found.identical
    assert "batches could not be compared" in found.notes[0]
    with pytest.raises(InputError, match="key"):
        issue_receipt(home, "car")


def test_a_log_that_was_rolled_back_is_refused(home: Home) -> None:
    run(home, stream(1))
    shutil.copytree(log_folder(home), home.path / "old")
    run(home, table(drive("car", 400_000, 12, lat=5, lon=3, km_h=100)))
    shutil.rmtree(log_folder(home))
    (home.path / "old").rename(log_folder(home))
    assert any("it was rolled back" in fault for fault in replay(home).faults)
    with home.writer(), pytest.raises(IntegrityError, match="rolled back"):
        ledger_of(home)


def test_a_receipt_of_another_log_does_not_verify(home: Home, tmp_path: Path) -> None:
    run(home, stream(1))
    other = make_home(tmp_path / "other", ledger=LedgerSetup())
    with pytest.raises(ProofFailed):
        verify_receipt(issue_receipt(home, "car").proof, policy_of(other))


def test_the_log_and_its_checkpoint_name_no_terminal_account_or_place(home: Home) -> None:
    run(home, stream(1))
    public = b"".join(path.read_bytes() for path in log_folder(home).rglob("*") if path.is_file())
    for word in (b"car", b"train", b"guest", b"late payer", b"stranger", b"acc-a", b"country:AT", b"closed"):
        # As a word: in signatures any three letters stand beside each other now and then.
        assert re.search(rb"(?<![A-Za-z0-9+/])" + word + rb"(?![A-Za-z0-9+/])", public) is None
    assert BOOK.encode()[:20] not in public
    assert isinstance(stream(1), pa.Table)
