"""The log's writer: what it records, signs and publishes, and when it refuses."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from known_signers import ORIGIN, log_signers, signer, witness

from groundrule.errors import ConflictError, GroundruleError, InputError, IntegrityError, ProofFailed, StoreError
from groundrule.ledger.audit.fsck import fsck
from groundrule.ledger.checkpoint import Checkpoint, open_checkpoint
from groundrule.ledger.cosignature import cosign
from groundrule.ledger.disk import PosixDisk
from groundrule.ledger.entry import Entry
from groundrule.ledger.log import Appended, GroupCommit, Item, Log, Published, read_log
from groundrule.ledger.note import Note
from groundrule.ledger.policy import Policy
from groundrule.ledger.tiles import encode_bundle
from groundrule.ledger.tree import leaf_hash, leaf_hashes, root_of, verify_consistency, verify_inclusion

NS = 1_000_000_000
START = 1_790_000_000 * NS
WITNESSES = [witness(number) for number in range(3)]
QUORUM_2 = Policy.format_simple(
    [str(key.verifier) for key in log_signers()], [(f"w{n}", str(key.verifier), None) for n, key in enumerate(WITNESSES)], 2
)
NO_QUORUM = Policy.format_simple([str(key.verifier) for key in log_signers()], [], None)


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log(tmp_path: Path, clock: Clock) -> Iterator[Log]:
    with Log.create(tmp_path / "log", signers=log_signers(), policy=QUORUM_2, clock=clock) as created:
        yield created


def reopen(tmp_path: Path, clock: Clock) -> Log:
    return Log.open(tmp_path / "log", signers=log_signers(), clock=clock)


def items(count: int, stream: str = "governance", start: int = 0) -> list[Item]:
    return [Item("manifest", stream, {"run": start + n, "commitment": "c"}) for n in range(count)]


def cosigning(*numbers: int) -> Callable[[bytes, Callable[[int], list[bytes]]], bytes]:
    def ask(note: bytes, consistency: Callable[[int], list[bytes]]) -> bytes:
        text = Note.parse(note).text
        checkpoint = Checkpoint.parse(text)
        assert consistency(0) == []
        for number in numbers:
            note += cosign(checkpoint, text, WITNESSES[number], 1_790_000_100 + number).format().encode() + b"\n"
        return note

    return ask


def head(note: bytes) -> Checkpoint:
    return Checkpoint.parse(Note.parse(note).text)


class TestAppend:
    def test_gives_indexes_numbers_and_times(self, log: Log, clock: Clock) -> None:
        first = log.append([*items(2, "a"), *items(1, "b")])
        clock.now += 1_500_000_000
        second = log.append(items(1, "a"))
        assert (first.indexes, second.indexes, log.size) == (range(3), range(3, 4), 4)
        entries = [Entry.decode(data) for data in (*first.entries, *second.entries)]
        assert [(entry.stream, entry.seq) for entry in entries] == [("a", 0), ("a", 1), ("b", 0), ("a", 2)]
        assert [entry.t for entry in entries] == ["2026-09-21T14:13:20.000Z"] * 3 + ["2026-09-21T14:13:21.500Z"]
        assert log.root == root_of(leaf_hashes([*first.entries, *second.entries]))

    def test_time_never_goes_back_in_a_stream(self, log: Log, clock: Clock) -> None:
        log.append(items(1, "a"))
        clock.now -= 3600 * NS
        late = [Entry.decode(data) for data in log.append([*items(1, "a"), *items(1, "b")]).entries]
        assert [entry.t for entry in late] == ["2026-09-21T14:13:20.000Z", "2026-09-21T13:13:20.000Z"]

    def test_all_or_nothing(self, log: Log) -> None:
        log.append(items(3))
        for bad in (
            Item("gossip", "governance", {}),
            Item("manifest", "Governance", {"run": 1, "commitment": "c"}),
            Item("manifest", "governance", {"run": 1}),
            Item("review", "governance", {"text": "x" * 60_000}),
            Item("review", "governance", {"number": 1.5}),
        ):
            with pytest.raises(InputError):
                log.append([*items(2), bad])
        with pytest.raises(InputError, match="append 1 to"):
            log.append([])
        assert log.size == 3
        assert log.append(items(1)).indexes == range(3, 4)

    @pytest.mark.parametrize("sizes", [(255, 1, 1), (256, 256, 1), (1, 600), (300, 300, 300), (1, 1, 1, 1)])
    def test_every_size_is_a_tree_of_its_entries(self, log: Log, sizes: tuple[int, ...]) -> None:
        entries: list[bytes] = []
        for count in sizes:
            entries += log.append(items(count, start=len(entries))).entries
            assert log.root == root_of(leaf_hashes(entries)) == log.tree().root()
        assert list(log.tree().entries()) == entries
        for index in {0, len(entries) - 1, len(entries) // 2}:
            path = log.tree().inclusion_path(index)
            verify_inclusion(index, len(entries), leaf_hash(entries[index]), path, log.root)

    def test_which_entries_must_wait_for_the_quorum(self, log: Log) -> None:
        assert not log.append(items(1)).critical
        assert log.append([*items(1), Item("enactment", "governance", {"policy_digest_after": "0" * 64})]).critical

    def test_encoded_entries_must_follow(self, log: Log) -> None:
        log.append(items(1))
        entry = Entry("heartbeat", "governance", 1, "2026-09-21T14:13:20.000Z", {"minute": "2026-09-21T14:13:00.000Z"})
        assert log.append_raw([entry.encode()]).kinds == ("heartbeat",)
        for wrong, error in ((entry.encode(), ConflictError), (b"{}", InputError), (b"any bytes", InputError)):
            with pytest.raises(error):
                log.append_raw([wrong])
        assert log.size == 2

    def test_a_log_of_any_bytes(self, tmp_path: Path, clock: Clock) -> None:
        entries = [b"", b"x", bytes(65_535), b"\n"]
        with Log.create(tmp_path / "raw", signers=log_signers(), policy=NO_QUORUM, clock=clock, raw=True) as raw:
            raw.append_raw(entries)
            with pytest.raises(InputError, match="65,536 bytes"):
                raw.append_raw([bytes(65_536)])
            with pytest.raises(InputError, match="append_raw"):
                raw.append(items(1))
            raw.commit()
        with Log.open(tmp_path / "raw", clock=clock) as raw:
            assert list(raw.tree().entries()) == entries
            assert raw.repairs == ()
        assert fsck(tmp_path / "raw", Policy.parse(NO_QUORUM), raw=True, strict=True).faults == ()


class TestSign:
    def test_signs_with_all_keys_what_is_stored(self, log: Log, tmp_path: Path) -> None:
        log.append(items(3))
        note = log.sign()
        opened = open_checkpoint(note, [key.verifier for key in log_signers()], origin=ORIGIN)
        assert (opened.checkpoint.size, opened.checkpoint.root) == (3, log.root)
        assert len(opened.log_keys_verified) == 2
        stored = json.loads((tmp_path / "log/.state/signed").read_bytes())
        assert stored["size"] == log.signed_size == 3

    def test_an_empty_log_can_be_signed(self, log: Log) -> None:
        assert head(log.sign()).size == 0

    @pytest.mark.parametrize("path", ["tile/entries/000", "tile/entries/001.p/44", "tile/0/000", "tile/0/001.p/44", "tile/1/000.p/1"])
    @pytest.mark.parametrize("signed_before", [0, 3, 280])
    def test_never_over_damage(self, log: Log, tmp_path: Path, path: str, signed_before: int) -> None:
        if signed_before:
            log.append(items(signed_before))
            log.sign()
        log.append(items(300 - signed_before, start=signed_before))
        file = tmp_path / "log" / path
        changed = bytearray(file.read_bytes())
        changed[len(changed) // 2] ^= 4
        file.write_bytes(changed)
        if signed_before == 280 and path in ("tile/entries/000", "tile/0/000"):
            return  # signed long ago and no part of what this signature adds: the full check finds it
        with pytest.raises(IntegrityError):
            log.sign()
        assert log.signed_size == signed_before
        with pytest.raises(StoreError, match="the log has stopped"):
            log.append(items(1))

    def test_never_a_tree_state_that_forgot_something(self, log: Log, tmp_path: Path) -> None:
        log.append(items(3))
        old = (tmp_path / "log/.state/treeState").read_bytes()
        log.append(items(3))
        (tmp_path / "log/.state/treeState").write_bytes(old)
        with pytest.raises(IntegrityError, match="3 entries, and 6 are acknowledged"):
            log.sign()

    def test_needs_the_keys(self, log: Log, tmp_path: Path, clock: Clock) -> None:
        log.close()
        with Log.open(tmp_path / "log", clock=clock) as keyless:
            keyless.append(items(1))
            with pytest.raises(ConflictError, match="without its keys"):
                keyless.sign()


class TestPublish:
    def test_what_the_witnesses_saw_is_published_at_once(self, log: Log) -> None:
        log.append(items(3))
        done = log.commit(cosigning(0, 2))
        assert (done.witnessed, done.accepted, done.published) == (True, True, True)
        assert log.checkpoint() == done.checkpoint
        assert (log.accepted_size, log.status) == (3, "witnessed")

    def test_without_quorum_the_old_one_stays_for_a_while(self, log: Log, clock: Clock) -> None:
        log.append(items(3))
        first = log.commit(cosigning(0, 1)).checkpoint
        log.append(items(2))
        assert not log.commit(cosigning(1)).published
        clock.now += 59 * NS
        assert not log.commit(cosigning(1)).published
        assert (log.checkpoint(), log.accepted_size, log.status) == (first, 3, "witnessed")
        clock.now += 1 * NS
        done = log.commit(cosigning(1))
        assert done == Published(done.checkpoint, witnessed=False, accepted=False, published=True)
        assert (log.checkpoint(), log.accepted_size, log.status) == (done.checkpoint, 3, "unwitnessed")
        assert log.commit(cosigning(1, 2)).witnessed
        assert (log.accepted_size, log.status) == (5, "witnessed")

    def test_a_quorum_that_is_published_is_not_replaced_by_less(self, log: Log, clock: Clock) -> None:
        log.append(items(3))
        first = log.commit(cosigning(0, 1))
        clock.now += 3600 * NS
        assert not log.commit(cosigning(2), patience_s=0).published, "nothing was appended since"
        assert (log.checkpoint(), log.status) == (first.checkpoint, "witnessed")
        log.append(items(1))
        assert log.commit(cosigning(2), patience_s=0).published
        assert log.status == "unwitnessed"

    def test_no_witness_is_never_called_witnessed(self, tmp_path: Path, clock: Clock) -> None:
        with Log.create(tmp_path / "log", signers=log_signers(), policy=NO_QUORUM, clock=clock) as log:
            log.append(items(1))
            done = log.commit()
            assert (done.witnessed, done.accepted, done.published) == (False, True, True)
            assert (log.status, log.accepted_size) == ("unwitnessed", 1)

    def test_only_what_was_signed_here(self, log: Log) -> None:
        log.append(items(3))
        old = log.sign()
        log.append(items(3))
        new = log.sign()
        log.publish(new)
        with pytest.raises(ConflictError, match="never shrinks"):
            log.publish(old)
        other = Checkpoint(ORIGIN, 6, leaf_hash(b"another"))
        from groundrule.ledger.checkpoint import sign_checkpoint

        with pytest.raises(ConflictError, match="none that this log has signed"):
            log.publish(sign_checkpoint(other, log_signers(), time_s=1))
        with pytest.raises(ProofFailed):
            log.publish(sign_checkpoint(Checkpoint(ORIGIN, 6, log.root), [signer(ORIGIN, 1, "stolen")], time_s=1))
        assert log.checkpoint() == new

    def test_consistency_with_every_older_size(self, log: Log) -> None:
        roots = {}
        for _ in range(9):
            log.append(items(31))
            roots[log.size] = log.root
        log.sign()
        for size, root in roots.items():
            verify_consistency(size, log.size, root, log.root, log.consistency_path(size))

    def test_partial_tiles_go_when_the_full_one_is_public(self, log: Log, tmp_path: Path) -> None:
        for count in (200, 50):
            log.append(items(count))
            log.commit(cosigning(0, 1))
        folder = tmp_path / "log/tile/entries/000.p"
        assert sorted(path.name for path in folder.iterdir()) == ["200", "250"]
        log.append(items(50))
        assert folder.is_dir(), "not public yet"
        old = log.checkpoint()
        log.commit(cosigning(0, 1))
        assert not folder.exists()
        assert old is not None
        assert read_log(tmp_path / "log").tree(250).root() == head(old).root, "older sizes are cut from the full tile"


class TestOpen:
    def test_goes_on_where_it_stopped(self, log: Log, tmp_path: Path, clock: Clock) -> None:
        log.append([*items(300, "a"), *items(5, "b")])
        log.commit(cosigning(0, 1))
        log.append(items(1, "a"))
        log.close()
        with reopen(tmp_path, clock) as again:
            assert (again.size, again.signed_size, again.accepted_size, again.status) == (306, 305, 305, "witnessed")
            assert again.repairs == ()
            assert {name: seq for name, (seq, _) in again.positions.items()} == {"a": 301, "b": 5}
            again.append(items(2, "b"))
            again.commit(cosigning(1, 2))
        assert fsck(tmp_path / "log", Policy.parse(QUORUM_2), strict=True).faults == ()

    def test_a_log_is_created_once(self, log: Log, tmp_path: Path, clock: Clock) -> None:
        log.close()
        with pytest.raises(ConflictError, match="there is a log"):
            Log.create(tmp_path / "log", signers=log_signers(), policy=QUORUM_2, clock=clock)
        (tmp_path / "other/tile/0").mkdir(parents=True)
        with pytest.raises(ConflictError, match="no log state"):
            Log.create(tmp_path / "other", signers=log_signers(), policy=QUORUM_2, clock=clock)

    def test_an_interrupted_creation_starts_over(self, log: Log, tmp_path: Path, clock: Clock) -> None:
        log.close()
        (tmp_path / "log/.state/version").unlink()
        with pytest.raises(ConflictError, match="not completely created"):
            reopen(tmp_path, clock)
        with Log.create(tmp_path / "log", signers=log_signers(), policy=QUORUM_2, clock=clock) as again:
            again.append(items(1))

    def test_no_log(self, tmp_path: Path, clock: Clock) -> None:
        (tmp_path / "log").mkdir()
        with pytest.raises(InputError, match="there is no log"):
            reopen(tmp_path, clock)
        assert list((tmp_path / "log").iterdir()) == [], "looking changes nothing"
        with pytest.raises(InputError, match="there is no log"):
            read_log(tmp_path / "log")

    def test_keys_must_be_those_of_the_policy(self, tmp_path: Path, clock: Clock, log: Log) -> None:
        log.close()
        with pytest.raises(InputError, match="does not list the log key"):
            Log.open(tmp_path / "log", signers=[signer(ORIGIN, 1, "another")], clock=clock)
        with pytest.raises(InputError, match="keys of 2 names"):
            Log.create(tmp_path / "new", signers=[*log_signers(), WITNESSES[0]], policy=QUORUM_2, clock=clock)

    def test_leftovers_of_an_unfinished_append_are_removed(self, log: Log, tmp_path: Path, clock: Clock) -> None:
        log.append(items(250))
        log.commit(cosigning(0, 1))
        log.close()
        folder = tmp_path / "log"
        before = {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for path in ("tile/entries/000", "tile/entries/001.p/4", "tile/0/000", "tile/0/001.p/4", "tile/1/000.p/1"):
            (folder / path).parent.mkdir(exist_ok=True, parents=True)
            (folder / path).write_bytes(b"half")
        for path in (".tmp-1-a-1", ".state/.tmp-1-a-2", "tile/0/.tmp-1-a-3", "tile/entries/000.p/.tmp-1-a-4"):
            (folder / path).write_bytes(b"")
        with reopen(tmp_path, clock) as again:
            assert again.repairs == (
                "removed 4 temporary files of an interrupted write",
                "removed 5 files of an unfinished append beyond 250 entries",
            )
            assert {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
            assert not (folder / "tile/1").exists()
            again.append(items(10, start=250))
            again.commit(cosigning(0, 1))
        assert fsck(folder, Policy.parse(QUORUM_2), strict=True).faults == ()

    def test_leftovers_of_several_unfinished_appends_are_removed(self, log: Log, tmp_path: Path, clock: Clock) -> None:
        log.append(items(5))
        log.close()
        for width, data in ((7, b"first attempt"), (9, b"second attempt"), (8, b"third attempt")):
            (tmp_path / f"log/tile/entries/000.p/{width}").write_bytes(data)
        with reopen(tmp_path, clock) as again:
            assert again.repairs == ("removed 3 files of an unfinished append beyond 5 entries",)
            again.append(items(3))

    def test_older_partial_files_are_what_they_were(self, log: Log, tmp_path: Path, clock: Clock) -> None:
        for count in (5, 6, 250, 4):
            log.append(items(count))
        log.close()
        folder = tmp_path / "log/tile"
        right = {name: (folder / name).read_bytes() for name in ("entries/000.p/5", "0/000.p/11", "0/001.p/5", "entries/001.p/5")}
        for name in right:
            (folder / name).write_bytes(b"brought back by a failed fsync")
        with reopen(tmp_path, clock) as again:
            assert again.repairs == ("wrote 4 older partial files anew, among them tile/entries/000.p/5",)
            again.commit(cosigning(0, 1))
        assert {name: (folder / name).read_bytes() for name in right if "001" in name} == {
            name: data for name, data in right.items() if "001" in name
        }
        assert fsck(tmp_path / "log", Policy.parse(QUORUM_2), strict=True).faults == ()

    def test_leftovers_of_a_failed_append_do_not_stay_below_the_next(
        self, log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        log.append(items(5))
        real = PosixDisk.create_once

        def full_at_the_tiles(self: PosixDisk, todo: list[tuple[str, bytes]], **rules: Any) -> None:
            if todo[0][0].startswith("tile/0"):
                raise StoreError("no space", full=True)
            real(self, todo, **rules)

        with monkeypatch.context() as patch:
            patch.setattr(PosixDisk, "create_once", full_at_the_tiles)
            with pytest.raises(StoreError, match="no space"):
                log.append(items(4, start=100))
        assert (tmp_path / "log/tile/entries/000.p/9").exists()
        log.append(items(10, start=5))
        assert not (tmp_path / "log/tile/entries/000.p/9").exists()
        log.commit(cosigning(0, 1))
        assert fsck(tmp_path / "log", Policy.parse(QUORUM_2), strict=True).faults == ()

    @pytest.mark.parametrize("how", ["missing", "damaged", "of another tree"])
    def test_positions_of_streams_are_rebuilt(self, log: Log, tmp_path: Path, clock: Clock, how: str) -> None:
        log.append([*items(300, "a"), *items(2, "b")])
        positions = log.positions
        log.close()
        file = tmp_path / "log/.state/streams"
        if how == "missing":
            file.unlink()
        else:
            value = json.loads(file.read_bytes())
            value["root"] = value["root"][:4] + "AAAA" + value["root"][8:]
            file.write_bytes(b"{}" if how == "damaged" else json.dumps(value, sort_keys=True, separators=(",", ":")).encode())
        with reopen(tmp_path, clock) as again:
            assert again.positions == positions
            (repair,) = again.repairs
            assert "rebuilt the positions of the streams from 302 entries" in repair


REFUSALS: dict[str, tuple[Callable[[Path], object], type[GroundruleError], str]] = {
    "tree state below signed": (
        lambda old: restore(old, ".state/treeState"),
        ConflictError,
        "rolled back: a checkpoint of 310 entries was signed, and the tree state says 300",
    ),
    "tree state below the checkpoint": (
        lambda old: (restore(old, ".state/treeState"), restore(old, ".state/signed")),
        ConflictError,
        "rolled back: a checkpoint of 310 entries is published, and the tree state says 300",
    ),
    "signed below the checkpoint": (lambda old: restore(old, ".state/signed"), ConflictError, "only 300 are noted as signed"),
    "state folder of an older copy": (
        lambda old: (restore(old, ".state/treeState"), restore(old, ".state/signed"), restore(old, "checkpoint")),
        ConflictError,
        "rolled back: `tile/entries/001.p/64` extends `tile/entries/001.p/54`",
    ),
    "tree state damaged": (lambda old: cut(old, ".state/treeState"), IntegrityError, "`.state/treeState` is damaged"),
    "tree state missing": (lambda old: drop(old, ".state/treeState"), IntegrityError, "`.state/treeState` is missing"),
    "signed damaged": (lambda old: cut(old, ".state/signed"), IntegrityError, "`.state/signed` is damaged"),
    "signed missing": (lambda old: drop(old, ".state/signed"), IntegrityError, "`.state/signed` is missing"),
    "policy missing": (lambda old: drop(old, "policy"), IntegrityError, "`policy` is missing"),
    "version damaged": (lambda old: cut(old, ".state/version"), IntegrityError, "`.state/version` is damaged"),
    "checkpoint damaged": (lambda old: spoil(old, "checkpoint"), IntegrityError, "the published checkpoint does not hold"),
    "last tile damaged": (lambda old: spoil(old, "tile/0/001.p/64"), IntegrityError, "root of the tree state"),
    "last bundle damaged": (lambda old: spoil(old, "tile/entries/001.p/64"), IntegrityError, "hash of its leaf"),
    "upper tile damaged": (lambda old: spoil(old, "tile/1/000.p/1"), IntegrityError, "root of the tree state"),
    "full tile missing": (lambda old: drop(old, "tile/0/000"), IntegrityError, "`tile/0/000` is missing"),
    "full bundle missing": (lambda old: drop(old, "tile/entries/000"), IntegrityError, "`tile/entries/000` is missing"),
    "full tile short": (lambda old: cut(old, "tile/0/000"), IntegrityError, "`tile/0/000` has 8,190 bytes"),
    "last bundle missing": (lambda old: drop(old, "tile/entries/001.p/64"), IntegrityError, "`tile/entries/001.p/64` is missing"),
}


def restore(old: Path, name: str) -> None:
    shutil.copy(old / name, old.parent / "log" / name)


def drop(old: Path, name: str) -> None:
    (old.parent / "log" / name).unlink()


def spoil(old: Path, name: str) -> None:
    path = old.parent / "log" / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut(old: Path, name: str) -> None:
    path = old.parent / "log" / name
    path.write_bytes(path.read_bytes()[:-2])


@pytest.mark.parametrize("case", REFUSALS)
def test_opening_refuses_and_says_why(tmp_path: Path, clock: Clock, case: str) -> None:
    with Log.create(tmp_path / "log", signers=log_signers(), policy=QUORUM_2, clock=clock) as log:
        log.append(items(300))
        log.commit(cosigning(0, 1))
        shutil.copytree(tmp_path / "log", tmp_path / "old")
        log.append(items(10))
        log.commit(cosigning(0, 1))
        log.append(items(10))
    damage, error, message = REFUSALS[case]
    damage(tmp_path / "old")
    before = sorted((path, path.read_bytes()) for path in (tmp_path / "log").rglob("*") if path.is_file())
    for _ in range(2):
        with pytest.raises(error, match=message):
            reopen(tmp_path, clock)
    assert sorted((path, path.read_bytes()) for path in (tmp_path / "log").rglob("*") if path.is_file()) == before


def test_opening_refuses_streams_that_do_not_follow(tmp_path: Path, clock: Clock) -> None:
    """An entry that leaves out a number, in a log whose tree is right: whoever wrote it was not this program."""
    with Log.create(tmp_path / "log", signers=log_signers(), policy=NO_QUORUM, clock=clock, raw=True) as log:
        entry = Entry("heartbeat", "a", 1, "2026-09-21T14:13:20.000Z", {"minute": "2026-09-21T14:13:00.000Z"})
        log.append_raw([entry.encode()])
    version = tmp_path / "log/.state/version"
    version.write_bytes(version.read_bytes().replace(b"true", b"false"))
    with pytest.raises(IntegrityError, match=r"entry 0 cannot follow .*seq 1 where 0 must follow"):
        reopen(tmp_path, clock)


def test_a_tile_changed_behind_the_writers_back_stops_it(log: Log, tmp_path: Path) -> None:
    log.append(items(5))
    spoil_path = tmp_path / "log/tile/0/000.p/5"
    spoil_path.write_bytes(bytes(160))
    with pytest.raises(IntegrityError):
        log.append(items(1))
    assert log.stopped is not None


def test_a_bundle_changed_behind_the_writers_back_stops_it(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    log.append(items(5))
    real = PosixDisk.read

    def flipped(self: PosixDisk, path: str, *, cold: bool = False) -> bytes:
        data = real(self, path, cold=cold)
        return data[:-1] + b"!" if path.startswith("tile/entries") else data

    with monkeypatch.context() as patch:
        patch.setattr(PosixDisk, "read", flipped)
        with pytest.raises(IntegrityError, match="did not come back as it was written"):
            log.append(items(1))
    assert log.size == 5


def test_an_interrupted_append_stops_the_log(log: Log, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    log.append(items(5))

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(PosixDisk, "replace", interrupted)
        with pytest.raises(KeyboardInterrupt):
            log.append(items(1))
    with pytest.raises(StoreError, match="interrupted"):
        log.append(items(1))
    log.close()
    with reopen(tmp_path, clock) as again:
        assert again.size == 5


def test_a_closed_log(log: Log) -> None:
    log.close()
    log.close()
    for attempt in (lambda: log.append(items(1)), log.sign):
        with pytest.raises(ConflictError, match="was closed"):
            attempt()


class TestGroupCommit:
    def test_many_threads_few_appends(self, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
        appends: list[int] = []
        real = Log.append

        def counted(self: Log, todo: list[Item]) -> Appended:
            appends.append(len(todo))
            return real(self, todo)

        monkeypatch.setattr(Log, "append", counted)
        group = GroupCommit(log)
        done: dict[int, Appended] = {}
        start = threading.Barrier(8)

        def work(thread: int) -> None:
            start.wait()
            for turn in range(10):
                done[thread * 10 + turn] = group.submit(items(2, f"decisions.{thread}", start=turn * 2))

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(appends) == log.size == 160
        assert len(appends) < 80, "threads that wait are recorded together"
        assert sorted(index for appended in done.values() for index in appended.indexes) == list(range(160))
        for appended in done.values():
            for index, entry in zip(appended.indexes, appended.entries, strict=True):
                assert log.tree().entry(index) == entry

    def test_one_bad_item_harms_nobody_else(self, log: Log) -> None:
        group = GroupCommit(log)
        with pytest.raises(InputError):
            group.submit([Item("gossip", "governance", {})])
        assert group.submit(items(1)).indexes == range(1)

    def test_a_failed_append_is_told_to_all(self, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
        group = GroupCommit(log)

        def fails(*_: object, **__: object) -> None:
            raise StoreError("no space", full=True)

        with monkeypatch.context() as patch:
            patch.setattr(PosixDisk, "create_once", fails)
            with pytest.raises(StoreError, match="no space") as refused:
                group.submit(items(1))
        assert refused.value.context["full"]
        assert group.submit(items(1)).size == 1


def test_readers_need_no_lock(log: Log, tmp_path: Path) -> None:
    log.append(items(3))
    assert read_log(tmp_path / "log").checkpoint is None
    done = log.commit(cosigning(0, 1))
    log.append(items(1))
    reader = read_log(tmp_path / "log")
    assert (reader.origin, reader.checkpoint, reader.integrated_size) == (ORIGIN, done.checkpoint, 4)
    assert reader.tree().size == 3
    assert reader.policy == Policy.parse(QUORUM_2)
    assert reader.read("tile/entries/000.p/3") == encode_bundle(log.tree().entries(0, 3))
