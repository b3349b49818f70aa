"""A backup of a home: one file that says of every byte in it what it is, made while the service runs.

    registers/TABLE.jsonl.gz    the registers, as of one moment (`store.register_dump`)
    home/…                      every other file of the home, but cache, lock, keys and what is being written
    manifest.json               the last member: digest and length of each, what the log's head was, and whose home it is

What refers to something is copied before what it refers to: registers and other databases, segments, the log's head, its
tiles, manifests of runs, then everything else. What is referred to is only ever added to, so whatever was copied finds what it
names, as after a crash at that moment. Each SQLite file is copied as of one moment. The copied log is checked completely
before the backup counts as made. Where nobody writes, the lock of the writer is held meanwhile.
"""

from __future__ import annotations

import io
import json
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, Final

from groundrule.errors import ConflictError, IntegrityError, StoreError
from groundrule.instant import format_instant
from groundrule.ledger.audit.fsck import fsck
from groundrule.ledger.checkpoint import Checkpoint
from groundrule.ledger.note import Note
from groundrule.pipeline.home_ledger import keys_folder, log_folder, policy_of
from groundrule.store.durable import durable_file
from groundrule.store.erasures import erasures
from groundrule.store.home import HISTORY_MARK, Home
from groundrule.store.leaving import leaving
from groundrule.store.places import ObjectPath, Place, opened
from groundrule.store.register_dump import dump
from groundrule.store.register_versions import HEAD

FORMAT: Final = "groundrule-backup"
VERSION: Final = 1
MANIFEST: Final = "manifest.json"
_TRIES: Final = 3
_CHUNK: Final = 1 << 20
_LOG_FIRST: Final = (".state", "checkpoint", "policy")


@dataclass(frozen=True, slots=True)
class Backup:
    """What was backed up.

    Attributes:
        files: members of the archive.
        bytes: their length [bytes].
        digest: SHA-256 of the manifest, which names every digest [64 hex digits].
        log_size: entries under the head of the log; None without a log.
        held: whether nobody could write meanwhile.
    """

    files: int
    bytes: int
    digest: str
    log_size: int | None
    held: bool


def back_up(home: Home, out: Path, *, now_ns: int) -> Backup:
    """Write a backup of a home.

    Args:
        home: also one that is being written.
        out: the archive; it must not exist.
        now_ns: the time that the manifest names [ns, UTC].
    Raises:
        ConflictError: there is such a file, or the home changed too fast to be copied whole.
        IntegrityError: the log of the home is damaged. StoreError: something cannot be read or written.
    """
    if out.exists():
        raise ConflictError(f"`{out}` exists already", help="name another file; a backup is never written over", path=str(out))
    if home.path.resolve() in out.resolve().parents:
        raise ConflictError(f"`{out}` lies in the home", help="write the backup elsewhere, best onto another machine")
    erased = _erasure_state(home)
    with _held(home) as held, tempfile.TemporaryDirectory(prefix=".groundrule-backup-", dir=out.parent) as staging:
        place = Path(staging)
        size = _copied_log(home, place, held)
        with durable_file(out) as stream:
            made = _written(home, place, stream, now_ns, size, held)
            if not held and (erased[1] or _erasure_state(home) != erased):
                raise ConflictError("rows were erased from the history while it was copied", help="try again")
            return made


def _erasure_state(home: Home) -> tuple[int, bool]:
    return len(erasures(home)), leaving(home.history) is not None


@contextmanager
def _held(home: Home) -> Iterator[bool]:
    try:
        holding = home.writer()
        holding.__enter__()
    except ConflictError:
        yield False
        return
    try:
        yield True
    finally:
        holding.__exit__(None, None, None)


def _copied_log(home: Home, staging: Path, held: bool) -> int | None:
    """Copy databases, segments and the log aside, in this order, and check the log; again where it changed meanwhile."""
    for attempt in range(1, _TRIES + 1):
        shutil.rmtree(staging, ignore_errors=True)
        (staging / "registers").mkdir(parents=True)
        told = {name: asdict(each) for name, each in dump(home.registers_url, staging / "registers").items()}
        (staging / "registers.json").write_text(json.dumps(told))
        for path, name in _files(home, home.path):
            if path.suffix == ".sqlite":
                _copy_sqlite(path, staging / "home" / name)
        if (home.path / "ingest").is_dir():
            _copy_tree(home.path / "ingest", staging / "home" / "ingest")
        log = log_folder(home)
        if not log.is_dir():
            return None
        for first in _LOG_FIRST:
            if (log / first).is_dir():
                _copy_tree(log / first, staging / "home" / "ledger" / first)
            elif (log / first).is_file():
                _copy(log / first, staging / "home" / "ledger" / first)
        _copy_tree(log, staging / "home" / "ledger", keep=True)
        report = fsck(staging / "home" / "ledger", policy_of(home))
        if report.ok:
            head = staging / "home" / "ledger" / "checkpoint"
            return Checkpoint.parse(Note.parse(head.read_bytes()).text).size if head.exists() else 0
        if held or attempt == _TRIES:
            raise IntegrityError(
                f"the log cannot be backed up: {report.faults[0]}",
                help="look at it with: groundrule ledger fsck" + ("" if held else "; or stop the service and try again"),
            )
    raise AssertionError("unreachable")


def _written(home: Home, staging: Path, stream: BinaryIO, now_ns: int, size: int | None, held: bool) -> Backup:
    members: dict[str, dict[str, Any]] = {}
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted((staging / "registers").iterdir()):
            members[f"registers/{path.name}"] = _add(archive, f"registers/{path.name}", path)
        staged = staging / "home"
        for path in sorted(each for each in staged.rglob("*") if each.is_file()):
            name = f"home/{path.relative_to(staged).as_posix()}"
            members[name] = _add(archive, name, path)
        # Manifests of runs name files of history, so they come first.
        for folder in (home.manifests, home.path, *([] if home.history_at is None else [home.history_at])):
            found: Iterator[tuple[Place, str]] = _objects(folder) if isinstance(folder, ObjectPath) else _files(home, folder)
            for source, inside in found:
                name = f"home/{inside}"
                if name in members or name.endswith(".sqlite") or name.startswith(("home/ledger/", "home/ingest/")):
                    continue
                members[name] = _add(archive, name, source)
        manifest = {
            "format": FORMAT, "version": VERSION, "made_at": format_instant(now_ns), "home": home.id, "registers": HEAD,
            "tables": json.loads((staging / "registers.json").read_text()), "log_size": size, "held": held, "members": members,
        }  # fmt: skip
        data = json.dumps(manifest, indent=1, sort_keys=True).encode()
        last = tarfile.TarInfo(MANIFEST)
        last.size, last.mode = len(data), 0o600
        archive.addfile(last, io.BytesIO(data))
    return Backup(len(members), sum(each["bytes"] for each in members.values()), sha256(data).hexdigest(), size, held)


class _Hashing:
    """A file that is digested while it is read."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self.sink, self.length = stream, sha256(), 0

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self.sink.update(data)
        self.length += len(data)
        return data


def _add(archive: tarfile.TarFile, name: str, path: Place) -> dict[str, Any]:
    try:
        with opened(path) as (stream, size):
            member = tarfile.TarInfo(name)
            member.size, member.mode = size, 0o600
            hashing = _Hashing(stream)
            archive.addfile(member, hashing)
    except OSError as error:
        raise StoreError(f"cannot back up `{path}`: {error.strerror or error}", help="try again", path=str(path)) from error
    return {"sha256": hashing.sink.hexdigest(), "bytes": hashing.length}


def _files(home: Home, folder: Path) -> Iterator[tuple[Path, str]]:
    """Files that belong into a backup with their names in it, in order; links are followed nowhere and copied nowhere.

    History has the same names wherever it lies.
    """
    elsewhere = home.history_at is not None and folder == home.history_at
    apart = {home.cache, keys_folder(home).resolve(), keys_folder(home)}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not path.is_file() or apart & set(path.parents):
            continue
        name = path.relative_to(folder).as_posix() if elsewhere else path.relative_to(home.path).as_posix()
        if elsewhere or (home.raw in path.parents and not name.startswith("history/")):
            name = f"history/{name}"
        whose = name in {"lock", "home.json", "registers.sqlite", f"history/{HISTORY_MARK}"}
        if whose or name.endswith(("-wal", "-shm", "-journal", ".part")):
            continue
        yield path, name


def _objects(history: ObjectPath) -> Iterator[tuple[ObjectPath, str]]:
    """Objects of a history that belong into a backup, with the names that they have in a directory, in order."""
    for name in sorted(each.name for each in history.below()):
        if name != HISTORY_MARK:
            yield history / name, f"history/{name}"


def _copy_sqlite(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with (
            closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=10.0)) as source,
            closing(sqlite3.connect(target)) as copy,
        ):
            source.backup(copy)
    except sqlite3.Error as error:
        raise StoreError(f"cannot back up `{path}`: {error}", path=str(path)) from error


def _copy(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        shutil.copyfile(path, target, follow_symlinks=False)
    except FileNotFoundError:
        pass  # what goes while it is being copied was taken up elsewhere: a segment by a run, a part of a tile by its whole
    except OSError as error:
        raise StoreError(f"cannot back up `{path}`: {error.strerror}", path=str(path)) from error


def _copy_tree(folder: Path, target: Path, *, keep: bool = False) -> None:
    for path in sorted(folder.rglob("*")):
        there = target / path.relative_to(folder)
        if path.is_file() and not path.is_symlink() and not path.name.endswith((".part", "-wal", "-shm")) and not (keep and there.exists()):
            _copy(path, there)
