"""Durable writes on a real folder: once-only files, mutable files, leftovers, locks, file systems that are refused."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from groundrule.errors import ConflictError, IntegrityError, StoreError
from groundrule.ledger.disk import TEMPORARY, PosixCalls, PosixDisk
from groundrule.ledger.mounts import filesystem_type, refuse_unreliable


def never(_: str) -> bool:
    return False


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


class TestCreateOnce:
    def test_writes_all_and_leaves_nothing_else(self, tmp_path: Path) -> None:
        items = [("a", b"1"), ("x/y/b", b"22"), ("x/y/c", b""), ("x/d", bytes(100_000))]
        PosixDisk(tmp_path).create_once(items, replaceable=never)
        assert files(tmp_path) == dict(items)

    def test_the_same_bytes_again_are_a_success(self, tmp_path: Path) -> None:
        disk = PosixDisk(tmp_path)
        disk.create_once([("a", b"1")], replaceable=never)
        disk.create_once([("a", b"1")], replaceable=never)
        assert files(tmp_path) == {"a": b"1"}
        assert disk.stopped is None

    def test_other_bytes_in_what_is_recorded_stop_the_disk(self, tmp_path: Path) -> None:
        disk = PosixDisk(tmp_path)
        disk.create_once([("a", b"1")], replaceable=never)
        with pytest.raises(IntegrityError, match="`a` is there already with other bytes"):
            disk.create_once([("a", b"2")], replaceable=never)
        assert files(tmp_path) == {"a": b"1"}
        with pytest.raises(StoreError, match="nothing more is written"):
            disk.replace("b", b"1")

    def test_a_leftover_is_replaced(self, tmp_path: Path) -> None:
        disk = PosixDisk(tmp_path)
        disk.create_once([("a", b"1"), ("b", b"1")], replaceable=never)
        disk.create_once([("b", b"2")], replaceable=lambda path: path == "b")
        assert files(tmp_path) == {"a": b"1", "b": b"2"}


class TestOrder:
    """What is asked of the system, in which order."""

    @pytest.fixture
    def calls(self, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
        made: list[tuple[str, ...]] = []
        for name in ("write_new", "link", "rename", "unlink", "sync", "make_folder"):
            real = getattr(PosixCalls, name)

            def record(self: PosixCalls, *arguments: object, _name: str = name, _real: object = real) -> None:
                shown = (str(part) if not str(part).startswith(TEMPORARY) else "temporary" for part in arguments)
                made.append((_name, *(part for part in shown if not part.startswith("b'"))))
                _real(self, *arguments)  # type: ignore[operator]  # a method

            monkeypatch.setattr(PosixCalls, name, record)
        return made

    def test_content_before_names_before_folders(self, tmp_path: Path, calls: list[tuple[str, ...]]) -> None:
        (tmp_path / "t").mkdir()
        PosixDisk(tmp_path).create_once([("t/a", b"1"), ("t/b", b"2")], replaceable=never)
        one_file = [("write_new", "t", "temporary"), ("link", "t", "temporary"), ("unlink", "t", "temporary")]
        assert [(name, *rest[:2]) for name, *rest in calls] == [
            ("make_folder", "t"),  # may have been made by a process that died before it was synced
            *one_file,
            *one_file,
            ("sync", ""),
            ("sync", "t"),
        ]

    def test_mutable_files_are_renamed_over(self, tmp_path: Path, calls: list[tuple[str, ...]]) -> None:
        disk = PosixDisk(tmp_path)
        disk.replace("a", b"1")
        disk.replace("a", b"2")
        once = [("write_new", "", "temporary"), ("rename", "", "temporary", "a"), ("sync", "")]
        assert calls == once * 2
        assert files(tmp_path) == {"a": b"2"}

    def test_content_is_written_synchronously(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        flags: list[int] = []
        real = os.open

        def record(path: str, flag: int, *rest: int, dir_fd: int | None = None) -> int:
            flags.append(flag)
            return real(path, flag, *rest, dir_fd=dir_fd)

        monkeypatch.setattr(os, "open", record)
        PosixDisk(tmp_path).replace("a", b"1")
        assert any(flag & os.O_SYNC == os.O_SYNC and flag & os.O_EXCL and flag & os.O_CREAT for flag in flags)


class TestFailures:
    def test_a_failed_fsync_is_not_repeated(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        synced: list[int] = []

        def fails(descriptor: int) -> None:
            synced.append(descriptor)
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        disk = PosixDisk(tmp_path)
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", fails)
            with pytest.raises(StoreError, match="EIO"):
                disk.replace("a", b"1")
        assert len(synced) == 1
        for _ in range(2):
            with pytest.raises(StoreError, match=r"nothing more is written to .*fsync"):
                disk.replace("a", b"2")
        assert PosixDisk(tmp_path).stopped is None, "a new process may go on"

    @pytest.mark.parametrize("call", ["open", "write", "link", "rename"])
    def test_a_full_disk_is_no_reason_to_stop(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
        disk = PosixDisk(tmp_path)
        disk.replace("old", b"old")

        def full(*_: object, **__: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with monkeypatch.context() as patch:
            patch.setattr(os, call, full)
            with pytest.raises(StoreError, match="ENOSPC") as refused:
                disk.create_once([("new", b"new")], replaceable=never) if call == "link" else disk.replace("new", b"new")
        assert refused.value.context["full"]
        assert disk.stopped is None
        disk.replace("new", b"new")
        kept = {name: data for name, data in files(tmp_path).items() if not name.startswith(TEMPORARY)}
        assert kept == {"old": b"old", "new": b"new"}

    def test_a_full_disk_at_fsync_is(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        disk = PosixDisk(tmp_path)
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
            with pytest.raises(StoreError) as failed:
                disk.replace("a", b"1")
        assert not failed.value.context["full"]
        assert disk.stopped is not None

    def test_short_writes_are_continued(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        real = os.write
        monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, bytes(data)[:7]))
        PosixDisk(tmp_path).replace("a", b"longer than seven bytes")
        assert (tmp_path / "a").read_bytes() == b"longer than seven bytes"

    def test_a_missing_file_is_said_to_be_missing(self, tmp_path: Path) -> None:
        disk = PosixDisk(tmp_path)
        with pytest.raises(FileNotFoundError):
            disk.read("nothing/here")
        assert not disk.exists("nothing")
        assert disk.list("nothing") == []

    def test_no_folder(self, tmp_path: Path) -> None:
        with pytest.raises(StoreError, match="is no folder"):
            PosixDisk(tmp_path / "none")


def test_remove_takes_empty_folders_with_it(tmp_path: Path) -> None:
    disk = PosixDisk(tmp_path)
    disk.create_once([("a/b/c", b"1"), ("a/d", b"2"), ("e/f", b"3")], replaceable=never)
    disk.remove(["a/b/c", "e/f"], ["a", "a/b", "e"])
    assert files(tmp_path) == {"a/d": b"2"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a"]
    disk.create_once([("a/b/c", b"4")], replaceable=never)
    assert files(tmp_path) == {"a/b/c": b"4", "a/d": b"2"}


def test_more_folders_than_may_stay_open(tmp_path: Path) -> None:
    disk = PosixDisk(tmp_path)
    items = [(f"{number}/file", b"%d" % number) for number in range(150)]
    disk.create_once(items, replaceable=never)
    assert files(tmp_path) == dict(items)


def test_one_lock_at_a_time(tmp_path: Path) -> None:
    first, second = PosixDisk(tmp_path), PosixDisk(tmp_path)
    held = first.lock("lock")
    with pytest.raises(ConflictError, match="another writer holds `lock`"):
        second.lock("lock")
    held.release()
    held.release()
    second.lock("lock").release()


MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:40 / /mnt/nas rw - nfs4 nas:/export rw
31 22 0:41 / /mnt/with\\040space rw - cifs //nas/share rw
32 22 0:42 / /mnt/bucket rw - fuse.s3fs s3fs rw
33 32 8:2 / /mnt/bucket/local rw - xfs /dev/vdb rw
34 22 0:43 / /mnt/rootless rw - fuse.fuse-overlayfs overlay rw
35 22 0:44 / /mnt/hidden rw - nfs nas:/a rw
36 22 8:3 / /mnt/hidden rw - btrfs /dev/vdc rw
broken line
"""


@pytest.mark.parametrize(
    ("folder", "kind", "refused"),
    [
        ("/home/log", "ext4", False),
        ("/mnt/nas", "nfs4", True),
        ("/mnt/nas/a/b", "nfs4", True),
        ("/mnt/nasty", "ext4", False),
        ("/mnt/with space/log", "cifs", True),
        ("/mnt/bucket/log", "fuse.s3fs", True),
        ("/mnt/bucket/local/log", "xfs", False),
        ("/mnt/rootless/log", "fuse.fuse-overlayfs", False),
        ("/mnt/hidden", "btrfs", False),
    ],
)
def test_file_systems_without_reliable_locks_and_renames_are_refused(folder: str, kind: str, refused: bool) -> None:
    assert filesystem_type(Path(folder), MOUNTS) == kind
    if refused:
        with pytest.raises(ConflictError, match=f"type `{kind}`"):
            refuse_unreliable(Path(folder), mountinfo=MOUNTS)
    else:
        refuse_unreliable(Path(folder), mountinfo=MOUNTS)
