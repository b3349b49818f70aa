"""Private records: written whole or not at all, taken back after a crash, found again, erased without a trace."""

from __future__ import annotations

import hashlib
import itertools
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from groundrule.errors import ConflictError, InputError, StoreError
from groundrule.store.record_rows import Sealed
from groundrule.store.records import Batch, Last, Outgoing, Record, RecordStore, RunProof

NOW = 1_770_000_000_000_000_000
MONTH = "2026-03"


def leaf(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def batch(name: str, run: int = 1, records: int = 3) -> Batch:
    return Batch(
        name, run, "decisions.main", "2026-03-01T00:00:00.000Z", records, 256, leaf(name), "a" * 64, "b" * 64
    )


def record(
    batch_id: str, index: int, *, terminal: str = "ut-1", subject: str = "acc-1", at_ns: int = NOW
) -> Record:
    content = f'{{"secret":"canary-{batch_id}-{index}-{"x" * 300}"}}'
    return Record(
        batch_id, index, leaf(f"{batch_id}/{index}"), leaf(content)[:16], subject, MONTH, terminal, at_ns, at_ns, content
    )  # fmt: skip


def out(batch_id: str | None = None, *, kind: str = "decision-batch", run: int | None = 1) -> Outgoing:
    return Outgoing(kind, "decisions.main", f'{{"of":"{batch_id}"}}', run, batch_id)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "records.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[RecordStore]:
    with RecordStore.create(path) as made:
        yield made


def all_bytes(path: Path) -> bytes:
    return b"".join(each.read_bytes() for each in sorted(path.parent.glob(f"{path.name}*")))


# --- writing and reading ----------------------------------------------------------------------------------------------


def test_a_batch_comes_back_with_its_leaves_in_order(store: RecordStore, path: Path) -> None:
    records = [record("b1", index) for index in (200, 3, 77)]
    store.add_batch(batch("b1"), records, [out("b1")])
    with RecordStore.open(path, read_only=True) as reader:
        found, held = reader.batch("b1")
    assert found == batch("b1")
    assert held == sorted(records, key=lambda each: each.leaf_index)
    with pytest.raises(InputError, match="no batch"):
        store.batch("b2")


def test_records_of_a_terminal_up_to_an_instant(store: RecordStore) -> None:
    times = [NOW, NOW + 5, NOW + 5, NOW + 9]
    records = [record("b1", n, at_ns=at) for n, at in enumerate(times)]
    store.add_batch(batch("b1"), [*records, record("b1", 9, terminal="ut-2")])
    assert store.records_of("ut-1") == records
    assert store.records_of("ut-1", NOW + 8) == records[:3]
    assert store.record_at("ut-1", NOW - 1) is None
    assert store.record_at("ut-1", NOW) == records[0]
    assert store.record_at("ut-1", NOW + 8) == records[2], "of one instant, the last written"
    assert store.record_at("ut-1") == records[3]
    assert store.records_of("nobody") == []


def test_a_run_is_written_whole_or_not_at_all(store: RecordStore) -> None:
    with pytest.raises(ConflictError):
        store.add(
            1,
            batches=[batch("b1"), batch("b1")],
            records=[record("b1", 1)],
            outbox=[out("b1")],
            last=[Last("ut-1", b"c" * 16, 1)],
            proof=RunProof(1, b"s" * 32, b"c" * 32),
        )
    with pytest.raises(ConflictError):
        store.add(1, records=[record("no-such-batch", 1)])
    assert store.counts() == {"batches": 0, "records": 0, "erased": 0, "pending": 0}
    assert store.last_classes() == {}
    assert store.run_proof(1) is None


def test_a_failing_iterator_leaves_nothing(store: RecordStore) -> None:
    def broken() -> Iterator[Record]:
        yield record("b1", 1)
        raise OSError("the source broke")

    with pytest.raises(OSError, match="the source broke"):
        store.add(1, batches=[batch("b1")], records=broken())
    assert store.counts()["batches"] == 0
    store.add_batch(batch("b1"), [record("b1", 1)])


def test_a_reader_sees_the_last_commit_while_another_is_written(store: RecordStore, path: Path) -> None:
    store.add_batch(batch("b1"), [record("b1", 1)])

    def slowly() -> Iterator[Record]:
        yield record("b2", 1)
        with RecordStore.open(path, read_only=True) as reader:
            assert reader.counts()["records"] == 1
        yield record("b2", 2)

    store.add(1, batches=[batch("b2")], records=slowly())
    assert store.counts()["records"] == 3


def test_a_reader_cannot_write(store: RecordStore, path: Path) -> None:
    del store
    with RecordStore.open(path, read_only=True) as reader, pytest.raises(StoreError):
        reader.add_batch(batch("b1"), [])


# --- the outbox -------------------------------------------------------------------------------------------------------


def test_entries_leave_the_outbox_in_order_and_once(store: RecordStore, path: Path) -> None:
    store.add(
        1,
        batches=[batch("b1"), batch("b2")],
        outbox=[out("b1"), out("b2")],
        proof=RunProof(1, b"s" * 32, b"c" * 32),
    )
    store.queue([out(kind="manifest")])
    pending = store.pending_outbox()
    assert [(each.kind, each.batch_id) for each in pending] == [
        ("decision-batch", "b1"), ("decision-batch", "b2"), ("manifest", None)
    ]  # fmt: skip
    assert store.pending_outbox(1) == pending[:1]
    store.mark_logged({pending[0].id: 10})
    with RecordStore.open(path) as again:  # as after a crash
        assert again.pending_outbox() == pending[1:]
    store.mark_logged({pending[0].id: 10, pending[1].id: 11, pending[2].id: 12})
    assert store.pending_outbox() == []
    assert [store.batch(name)[0].log_index for name in ("b1", "b2")] == [10, 11]
    assert store.run_proof(1) == RunProof(1, b"s" * 32, b"c" * 32, 12)
    assert store.batch_at(11) == batch("b2")._replace(log_index=11)
    assert store.batch_at(12) is None


def test_an_index_in_the_log_never_changes(store: RecordStore) -> None:
    store.add_batch(batch("b1"), [], [out("b1")])
    (entry,) = store.pending_outbox()
    store.mark_logged({entry.id: 10})
    with pytest.raises(ConflictError, match="has index 10"):
        store.mark_logged({entry.id: 11})
    with pytest.raises(ConflictError, match="does not exist"):
        store.mark_logged({99: 11})
    assert store.batch("b1")[0].log_index == 10


def test_an_id_of_the_outbox_is_never_used_again(store: RecordStore) -> None:
    store.add_batch(batch("b1", run=2), [], [out("b1", run=2)])
    (first,) = store.pending_outbox()
    store.remove_uncommitted([])
    store.add_batch(batch("b2", run=2), [], [out("b2", run=2)])
    assert store.pending_outbox()[0].id > first.id


# --- after a crash ----------------------------------------------------------------------------------------------------


def test_what_a_run_without_a_manifest_left_is_taken_back(store: RecordStore) -> None:
    store.add(
        1,
        batches=[batch("b1")],
        records=[record("b1", 1)],
        outbox=[out("b1")],
        last=[Last("ut-1", b"1" * 16, 4), Last("ut-2", b"2" * 16, 1)],
    )
    before = store.last_classes()
    for part in range(2):
        store.add(
            2,
            batches=[batch(f"c{part}", run=2)],
            records=[record(f"c{part}", 1)],
            outbox=[out(f"c{part}", run=2)],
            last=[Last("ut-1", b"3" * 16, 5 + part), Last(f"new-{part}", b"4" * 16, 1)],
        )
    assert store.last_classes(["ut-1", "new-1", "nobody"]) == {
        "ut-1": Last("ut-1", b"3" * 16, 6), "new-1": Last("new-1", b"4" * 16, 1)
    }  # fmt: skip
    assert sorted(store.remove_uncommitted([1])) == ["c0", "c1"]
    assert store.last_classes() == before
    assert store.counts() == {"batches": 1, "records": 1, "erased": 0, "pending": 1}
    assert store.remove_uncommitted([1]) == []
    assert store.last_classes() == before


def test_a_known_run_is_never_taken_back(store: RecordStore) -> None:
    store.add(1, batches=[batch("b1")], records=[record("b1", 1)], last=[Last("ut-1", b"1" * 16, 1)])
    assert store.remove_uncommitted({1, 2}) == []
    assert store.counts()["records"] == 1
    assert store.last_classes().keys() == {"ut-1"}


def test_what_is_in_the_log_is_not_taken_back(store: RecordStore) -> None:
    store.add_batch(batch("b1", run=2), [record("b1", 1)], [out("b1", run=2)])
    store.mark_logged({store.pending_outbox()[0].id: 7})
    with pytest.raises(ConflictError, match=r"run 2 has no manifest, but entry 7 of the log"):
        store.remove_uncommitted([1])
    assert store.counts()["records"] == 1


# --- erasure ----------------------------------------------------------------------------------------------------------


def erase(store: RecordStore, subject: str, **options: object) -> list[tuple[str, int, bytes]]:
    due = itertools.count(NOW + 100, 100)
    arguments = {"erased_at_ns": NOW, "basis": "GDPR 17", "due_ns": lambda: next(due)}
    return store.duties.erase(subject, MONTH, **{**arguments, **options})  # type: ignore[arg-type]  # the arguments above


@pytest.fixture
def filled(store: RecordStore) -> RecordStore:
    for name in ("b1", "b2"):
        store.add_batch(
            batch(name),
            [record(name, n, subject=f"acc-{n % 3}", terminal=f"ut-{n % 3}") for n in range(60)],
            [out(name)],
        )
    return store


def test_an_erased_record_leaves_its_leaf_and_nothing_else(filled: RecordStore, path: Path) -> None:
    before = {name: filled.batch(name)[1] for name in ("b1", "b2")}
    gone = [each for held in before.values() for each in held if each.subject == "acc-1"]
    assert all(each.content.encode() in all_bytes(path) for each in gone if each.content)
    found = erase(filled, "acc-1")
    assert sorted(found) == sorted((each.batch_id, each.leaf_index, each.leaf) for each in gone)
    after = all_bytes(path)
    for each in gone:
        assert each.content is not None
        assert each.record_id is not None
        assert each.content.encode()[:40] not in after
        assert each.record_id not in after
    assert b"acc-1" not in after
    assert b"ut-1" not in after
    for name, held in before.items():
        now = filled.batch(name)[1]
        assert [each.leaf for each in now] == [each.leaf for each in held]
        for old, new in zip(held, now, strict=True):
            if old.subject == "acc-1":
                assert new == Record(name, old.leaf_index, old.leaf, *[None] * 7, NOW)  # type: ignore[arg-type]  # seven fields
            else:
                assert new == old
    assert filled.records_of("ut-1") == []
    assert len(filled.records_of("ut-2")) == 40


def test_only_the_month_named_is_erased(store: RecordStore) -> None:
    other = record("b1", 2)._replace(month="2026-04")
    store.add_batch(batch("b1"), [record("b1", 1), other])
    assert store.months_of("acc-1") == [MONTH, "2026-04"]
    erase(store, "acc-1")
    assert store.months_of("acc-1") == ["2026-04"]
    assert store.records_of("ut-1") == [other]
    assert store.records_of_subject("acc-1", "2026-04") == [other]
    assert erase(store, "acc-1") == [], "erasing twice does no harm"


def test_erasures_are_logged_when_due_and_their_batch_is_logged(filled: RecordStore) -> None:
    found = erase(filled, "acc-1")
    assert filled.duties.due_erasures(NOW + 10**9) == [], "their batches have no index yet"
    filled.mark_logged({each.id: 10 + each.id for each in filled.pending_outbox()})
    assert filled.duties.due_erasures(NOW) == []
    some = filled.duties.due_erasures(NOW + 300)
    assert len(some) == 3
    assert [each.batch_index for each in some] == [filled.batch(each.batch_id)[0].log_index for each in some]
    filled.queue([out(kind="erasure", run=None)] * 3, erasures=[each.id for each in some])
    assert filled.duties.due_erasures(NOW + 300) == []
    assert len(filled.duties.due_erasures(NOW + 10**9)) == len(found) - 3
    filled.mark_logged({each.id: 90 + n for n, each in enumerate(filled.pending_outbox())})
    told = filled.duties.erasure_of(some[0].batch_id, some[0].leaf_index)
    assert told is not None
    assert (told.basis, told.erased_at_ns, told.log_index) == ("GDPR 17", NOW, 90)
    assert filled.duties.erasure_of("b1", 0) is None
    with pytest.raises(InputError, match="one entry each"):
        filled.queue([out()], erasures=[1, 2])


def test_a_legal_hold_forbids_the_erasure_and_says_why(filled: RecordStore) -> None:
    filled.duties.hold("acc-1", NOW + 50, "case 3/26 (invented)")
    longest = filled.duties.hold("acc-1", NOW + 10**18, "case 4/26 (invented)")
    with pytest.raises(ConflictError, match=r"until 20.*: case 4/26 \(invented\)"):
        erase(filled, "acc-1")
    assert len(filled.records_of("ut-1")) == 40
    assert len(erase(filled, "acc-2")) == 40, "others are not held"
    assert filled.duties.release(longest.id)
    assert not filled.duties.release(longest.id)
    with pytest.raises(ConflictError, match="case 3/26"):
        erase(filled, "acc-1")
    assert [each.reason for each in filled.duties.holds(NOW + 49)] == ["case 3/26 (invented)"]
    assert filled.duties.holds(NOW + 50) == []
    assert len(erase(filled, "acc-1", erased_at_ns=NOW + 50)) == 40
    with pytest.raises(InputError, match="without a reason"):
        filled.duties.hold("acc-1", NOW, " ")


def test_a_scrub_can_wait_for_several_erasures(filled: RecordStore, path: Path) -> None:
    marker = b"canary-b1-1-"
    erase(filled, "acc-1", scrub_now=False)
    erase(filled, "acc-2", scrub_now=False)
    assert marker in all_bytes(path), "else this shows nothing about scrubbing"
    filled.duties.scrub()
    assert marker not in all_bytes(path)


def test_a_scrub_that_a_crash_prevented_is_made_good(filled: RecordStore, path: Path) -> None:
    erase(filled, "acc-1", scrub_now=False)
    filled.close()
    RecordStore.open(path, read_only=True).close()
    RecordStore.open(path).close()
    assert b"canary-b1-1-" not in all_bytes(path)


def test_a_terminal_that_left_is_forgotten(store: RecordStore, path: Path) -> None:
    store.add(1, last=[Last("ut-gone", b"1" * 16, 4), Last("ut-here", b"1" * 16, 4)])
    store.forget_terminal("ut-gone")
    assert store.last_classes().keys() == {"ut-here"}
    assert b"ut-gone" not in all_bytes(path)


# --- seals ------------------------------------------------------------------------------------------------------------


def test_seals_are_listed_by_the_day_on_which_they_open(store: RecordStore) -> None:
    late = Sealed(b"l" * 32, "rule", "{}", b"s" * 32, NOW + 9)
    soon = Sealed(b"s" * 32, "rule", "{}", None, NOW + 5)
    store.duties.add_sealed(late)
    store.duties.add_sealed(soon)
    assert list(store.duties.sealed()) == [soon, late]
    store.duties.mark_sealed(soon.commitment, log_index=4)
    store.duties.mark_sealed(soon.commitment, log_index=7, opened_at_ns=NOW + 6)
    assert list(store.duties.sealed(still_closed=True)) == [late]
    (opened, _) = store.duties.sealed()
    assert (opened.log_index, opened.opened_at_ns) == (4, NOW + 6)
    with pytest.raises(ConflictError):
        store.duties.add_sealed(late)
    with pytest.raises(InputError, match="nothing is sealed"):
        store.duties.mark_sealed(b"x" * 32, log_index=1)


# --- the file ---------------------------------------------------------------------------------------------------------


def test_other_files_are_refused(path: Path) -> None:
    with pytest.raises(InputError, match="no record store"):
        RecordStore.open(path)
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE x (y)")
    connection.close()
    with pytest.raises(InputError, match="not a record store"):
        RecordStore.open(path)
    with pytest.raises(ConflictError, match="exists already"):
        RecordStore.create(path)


def test_another_version_is_refused(store: RecordStore, path: Path) -> None:
    store.close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version=9")
    connection.close()
    with pytest.raises(InputError, match="has version 9"):
        RecordStore.open(path)


def test_the_settings_that_safety_rests_on(store: RecordStore) -> None:
    asked = {
        name: store._database.one(f"PRAGMA {name}")[0]
        for name in ("journal_mode", "synchronous", "secure_delete", "foreign_keys")
    }
    assert asked == {"journal_mode": "wal", "synchronous": 2, "secure_delete": 1, "foreign_keys": 1}


def test_a_full_disk_is_told_and_leaves_nothing(store: RecordStore) -> None:
    pages = store._database.one("PRAGMA page_count")[0]
    store._database.run(f"PRAGMA max_page_count={pages}")
    with pytest.raises(StoreError, match="full"):
        store.add_batch(batch("b1"), [record("b1", n) for n in range(200)])
    assert store.counts()["records"] == 0
