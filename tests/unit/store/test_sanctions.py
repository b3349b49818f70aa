"""Snapshots are kept as they were, found by source and instant, and never changed. All entries are invented."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from groundrule.errors import ConflictError, InputError, IntegrityError
from groundrule.instant import NS_PER_DAY, parse_instant
from groundrule.screen.model import BrokenRow, Kind, ListEntry, ListSnapshot, Name, SourceFile, SourceRow
from groundrule.store import Home
from groundrule.store.sanctions import SanctionsLists, compare
from groundrule.store.sqlite_file import SqliteFile

DAY1, DAY2, DAY3 = (parse_instant(day) for day in ("2024-05-01", "2024-05-02", "2024-05-03"))
LATER = parse_instant("2024-06-01")


def entry(uid: str, name: str = "GREYMOLE (INVENTED)", *, line: int = 1) -> ListEntry:
    return ListEntry(uid, Kind.ENTITY, (Name(name),), rows=(SourceRow("sdn.csv", line),))


def made(published_ns: int, *uids: str, source: str = "us-ofac-sdn", complete: bool = True) -> ListSnapshot:
    return ListSnapshot(
        source=source,
        published_ns=published_ns,
        format="ofac-csv",
        files=(SourceFile("sdn.csv", "sha256:00", "sha256:00", 10, len(uids)),),
        entries=tuple(entry(uid) for uid in uids),
        broken=(BrokenRow("sdn.csv", 9, "DOB", "31 Feb", "bad_date", "write a date", "1", True),),
        broken_total=1,
        complete=complete,
    )


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.create(tmp_path / "home")


@pytest.fixture
def lists(home: Home) -> Iterator[SanctionsLists]:
    with SanctionsLists.open(home) as opened:
        yield opened


def add(lists: SanctionsLists, snapshot: ListSnapshot, recorded_ns: int = LATER) -> str:
    return lists.add(snapshot, recorded_ns=recorded_ns, actor="tester")[0].digest


def test_a_snapshot_comes_back_as_it_was_also_after_reopening(home: Home, lists: SanctionsLists) -> None:
    snapshot = made(DAY1, "1", "2")
    digest = add(lists, snapshot)
    with SanctionsLists.open(home) as again:
        assert again.load(digest) == snapshot
        held = again.by_digest(digest.removeprefix("sha256:"))
    assert held is not None
    assert (held.ref, held.entries, held.broken, held.actor) == (snapshot.ref, 2, 1, "tester")
    packed = home.path / "lists" / "snapshots" / f"{digest.removeprefix('sha256:')}.gz"
    assert gzip.decompress(packed.read_bytes()) == b"".join(snapshot.lines())


def test_the_same_snapshot_again_has_no_effect(lists: SanctionsLists) -> None:
    first, new = lists.add(made(DAY1, "1"), recorded_ns=LATER, actor="one")
    again, new_again = lists.add(made(DAY1, "1"), recorded_ns=LATER + 1, actor="two")
    assert (new, new_again) == (True, False)
    assert again == first
    assert len(lists.history()) == 1


def test_an_instant_finds_the_list_that_was_published_by_then(lists: SanctionsLists) -> None:
    first, third = add(lists, made(DAY1, "1")), add(lists, made(DAY3, "1", "2"))
    assert lists.snapshot_at("us-ofac-sdn", DAY1 - 1) is None
    for at_ns, digest in ((DAY1, first), (DAY3 - 1, first), (DAY3, third), (LATER, third)):
        found = lists.snapshot_at("us-ofac-sdn", at_ns)
        assert found is not None
        assert found.digest == digest
    assert lists.snapshot_at("eu-fsf", LATER) is None


def test_what_was_imported_late_was_not_known_before(lists: SanctionsLists) -> None:
    first = add(lists, made(DAY1, "1"), DAY1 + 1)
    second = add(lists, made(DAY2, "1", "2"), LATER)
    then, now = lists.newest("us-ofac-sdn", known_at_ns=DAY3), lists.newest("us-ofac-sdn")
    assert then is not None
    assert now is not None
    assert (then.digest, now.digest) == (first, second)
    assert lists.newest("us-ofac-sdn", known_at_ns=DAY1) is None
    known = lists.snapshot_at("us-ofac-sdn", DAY3, known_at_ns=LATER - 1)
    assert known is not None
    assert known.digest == first


def test_of_two_lists_of_one_day_the_later_recorded_holds(lists: SanctionsLists) -> None:
    add(lists, made(DAY1, "1"), DAY2)
    corrected = add(lists, made(DAY1, "1", "2"), DAY3)
    found = lists.snapshot_at("us-ofac-sdn", DAY1)
    assert found is not None
    assert found.digest == corrected
    assert [each.entries for each in lists.history("us-ofac-sdn")] == [1, 2]


def test_the_newest_of_every_source(lists: SanctionsLists) -> None:
    add(lists, made(DAY1, "1"))
    us, eu = add(lists, made(DAY2, "1")), add(lists, made(DAY1, "9", source="eu-fsf"))
    assert {source: held.digest for source, held in lists.newest_by_source().items()} == {
        "us-ofac-sdn": us,
        "eu-fsf": eu,
    }
    assert lists.newest_by_source(known_at_ns=LATER - 1) == {}


def test_an_entry_is_listed_or_not_or_unknown(lists: SanctionsLists) -> None:
    add(lists, made(DAY1, "1"))
    add(lists, made(DAY2, "1", "2"))
    assert lists.entry_at("us-ofac-sdn", "2", DAY1) is None
    assert lists.entry_at("us-ofac-sdn", "2", DAY2) == entry("2").value
    with pytest.raises(InputError) as caught:
        lists.entry_at("us-ofac-sdn", "2", DAY1 - 1)
    assert "no list does not mean not listed" in str(caught.value)


def test_an_incomplete_list_is_kept_only_on_purpose(lists: SanctionsLists) -> None:
    torn = made(DAY1, "1", complete=False)
    with pytest.raises(InputError, match="breaks off after 1 entries"):
        add(lists, torn)
    assert lists.history() == []
    stored, new = lists.add(torn, recorded_ns=LATER, actor="tester", accept_incomplete=True)
    assert new
    assert not stored.complete
    assert not lists.load(stored).complete


def test_a_list_from_the_future_is_refused(lists: SanctionsLists) -> None:
    with pytest.raises(InputError, match="yet to come"):
        add(lists, made(LATER + NS_PER_DAY, "1"))


def test_changed_bytes_are_never_used(home: Home, lists: SanctionsLists) -> None:
    digest = add(lists, made(DAY1, "1", "2"))
    path = home.path / "lists" / "snapshots" / f"{digest.removeprefix('sha256:')}.gz"
    whole = path.read_bytes()
    path.write_bytes(gzip.compress(gzip.decompress(whole).replace(b"GREYMOLE", b"WHITEMOL")))
    with pytest.raises(IntegrityError, match="has been changed"):
        lists.load(digest)
    path.write_bytes(whole[:-9])
    with pytest.raises(IntegrityError, match="cannot be read"):
        lists.load(digest)
    path.unlink()
    with pytest.raises(IntegrityError, match="cannot be read"):
        lists.load(digest)
    with pytest.raises(InputError, match="no snapshot"):
        lists.load("sha256:00")


@pytest.mark.parametrize("statement", ["DELETE FROM snapshot", "UPDATE snapshot SET published_ns = 0"])
def test_the_index_refuses_changes(home: Home, lists: SanctionsLists, statement: str) -> None:
    add(lists, made(DAY1, "1"))
    path = home.path / "lists" / "index.sqlite"
    index = SqliteFile.open(path, kind=0x47524C53, version=1, what="index")
    with pytest.raises(ConflictError, match="never"):
        index.run(statement)
    index.close()
    assert len(lists.history()) == 1


def test_a_file_left_by_a_crash_before_the_index_was_written_does_no_harm(home: Home, lists: SanctionsLists) -> None:
    snapshot = made(DAY1, "1")
    path = home.path / "lists" / "snapshots" / f"{snapshot.digest.removeprefix('sha256:')}.gz"
    path.write_bytes(b"half")
    assert lists.history() == []
    assert lists.load(add(lists, snapshot)) == snapshot


def test_what_changed_between_two_snapshots() -> None:
    before = made(DAY1, "1", "2")
    after = ListSnapshot(
        "us-ofac-sdn",
        DAY2,
        "ofac-csv",
        before.files,
        (entry("2", line=7), entry("3"), entry("1", "RENAMED (INVENTED)")),
    )
    found = compare(before, after)
    assert (found.added, found.removed, found.changed) == (("3",), (), ("1",)), "another line is no change"
    assert compare(after, before).removed == ("3",)
