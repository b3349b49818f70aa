"""A home from its backup: everything is verified before anything is made, and nothing is ever written over.

1. The archive is read once: names, digests and lengths are what its manifest says, and nothing else is in it.
2. It is unpacked beside the place of the home; the log is checked completely, also against heads that were seen elsewhere.
3. The registers are made from their lines, in SQLite or in PostgreSQL, and compared with what was backed up.
4. The folder gets its name.
"""

from __future__ import annotations

import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO, Any, Final

from groundrule.errors import ConflictError, InputError, IntegrityError, StoreError
from groundrule.ledger.audit.fsck import fsck
from groundrule.ledger.policy import Policy
from groundrule.pipeline.backup import FORMAT, MANIFEST, VERSION
from groundrule.store.databases import checked_address
from groundrule.store.durable import sync_folder, write_durably
from groundrule.store.home import Home, checked_history
from groundrule.store.leaving import MARK
from groundrule.store.places import Place, put_all
from groundrule.store.register_dump import Dumped, load
from groundrule.store.register_versions import HEAD, VERSIONS, check_place

_CHUNK: Final = 1 << 20
_MAX_MANIFEST: Final = 1 << 28
_ROOMS: Final = ("home", "registers")


@dataclass(frozen=True, slots=True)
class Verified:
    """An archive whose every byte is what its manifest says.

    Attributes:
        home_id: identity of the home.
        made_at: when the backup was made.
        digest: SHA-256 of the manifest [64 hex digits].
        log_size: entries under the head of the log; None without a log.
        tables: what the registers hold.
        files: number of members.
    """

    home_id: str
    made_at: str
    digest: str
    log_size: int | None
    tables: Mapping[str, Dumped]
    files: int


def verify_archive(archive: Path) -> Verified:
    """Read an archive and check all of it.

    Raises:
        IntegrityError: it is damaged, cut off, or holds something else than it says. InputError: it is no backup, or of a later program.
    """
    seen: dict[str, tuple[str, int]] = {}
    manifest: bytes | None = None
    with _opened(archive) as tar:
        for member, stream in _members(tar):
            if manifest is not None:
                raise _damaged("something follows its manifest")
            if member.name == MANIFEST:
                if member.size > _MAX_MANIFEST:
                    raise _damaged("its manifest is too long")
                manifest = stream.read()
                continue
            if member.name in seen:
                raise _damaged("it holds a name twice")
            sink = sha256()
            while data := stream.read(_CHUNK):
                sink.update(data)
            seen[member.name] = (sink.hexdigest(), member.size)
    if manifest is None:
        raise _damaged("it ends before its manifest")
    return _compared(manifest, seen)


def _compared(manifest: bytes, seen: Mapping[str, tuple[str, int]]) -> Verified:
    try:
        told: dict[str, Any] = json.loads(manifest)
        if told["format"] != FORMAT:
            raise InputError("this is no backup of a home", help="name a file that groundrule backup wrote")
        if told["version"] != VERSION or told["registers"] not in VERSIONS:
            raise InputError("this backup is of a later program version", help="restore it with the version that made it, or a later one")
        if told["registers"] != HEAD:
            raise InputError(
                f"this backup has registers of version {told['registers']}, and this program restores {HEAD}",
                help="restore it with the program version that made it, then: groundrule upgrade",
            )
        wanted = {str(name): (str(each["sha256"]), int(each["bytes"])) for name, each in told["members"].items()}
        tables = {str(name): Dumped(int(t["rows"]), str(t["digest"]), int(t["plain_bytes"])) for name, t in told["tables"].items()}
        size = None if told["log_size"] is None else int(told["log_size"])
        found = Verified(str(told["home"]), str(told["made_at"]), sha256(manifest).hexdigest(), size, tables, len(wanted))
    except InputError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged("its manifest cannot be read") from error
    for name in sorted(wanted.keys() | seen.keys()):
        if wanted.get(name) != seen.get(name):
            what = "is missing" if name not in seen else "is not in its manifest" if name not in wanted else "is not what was backed up"
            raise _damaged(f"`{name[:200]}` {what}")
    return found


@dataclass(frozen=True, slots=True)
class Restored:
    """A home that was restored.

    Attributes:
        home: the home.
        archive: what it was made from.
        log_size: entries in its log, or None.
        compared: heads of the log that were seen elsewhere and agree.
    """

    home: Home
    archive: Verified
    log_size: int | None
    compared: int


def restore(
    archive: Path, path: Path, *, registers: str | None = None, pinned: Sequence[bytes] = (), policy: Policy | None = None,
    expected: str | None = None, history: Path | str | None = None,
) -> Restored:  # fmt: skip
    """Make a home from a backup.

    Args:
        archive: the file.
        path: of the home; it must not exist, or be empty.
        registers: address of an empty PostgreSQL database; None puts the registers into SQLite in the home.
        pinned: heads of the log that were seen elsewhere: by witnesses, monitors, in receipts. The log must hold what they signed.
        policy: keys of the log and its witnesses, as known elsewhere; None trusts the policy in the archive.
        expected: digest of the backup, as it was printed when it was made.
        history: an empty directory for the history, outside of the home, or the address of an empty prefix in object storage; None puts
            it into the home, wherever it was before.
    Raises:
        ConflictError: there is something at that place already. IntegrityError: the archive is damaged, is another one, or its log is
        older than a head that was seen, or contradicts it; nothing was made.
    """
    address = None if registers is None else checked_address(registers)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise ConflictError(f"`{path}` is not empty", help="a restored home never takes the place of another; name a new folder")
    elsewhere = None if history is None else checked_history(history, path)
    verified = verify_archive(archive)
    if expected is not None and expected.removeprefix("sha256:") != verified.digest:
        raise IntegrityError("this is another backup than the digest names", help=f"its digest is {verified.digest}")
    if address is not None:
        check_place(address)
    path.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{path.name}.restoring-", dir=path.parent))
    try:
        _unpack(archive, staging)
        made = staging / "home"
        made.mkdir(exist_ok=True)
        size = _checked_log(made / "ledger", verified, pinned, policy)
        for name in ("areas", "rulebooks", "history", "manifests", "rejected", "cache"):
            (made / name).mkdir(exist_ok=True)
        (made / "lock").touch()
        there = Home(made, verified.home_id, address, elsewhere)
        load(there.registers_url, staging / "registers", verified.tables, verified.home_id)
        if elsewhere is not None:
            _carry(made / "history", elsewhere, there)
            there.mark_history()
        # INVARIANT: home.json comes last, so that a directory with one is complete.
        write_durably(made / "home.json", there.description())
        _sync(made)
        if path.exists():
            path.rmdir()
        made.rename(path)
        sync_folder(path.parent)
    except BaseException as error:
        if elsewhere is not None:
            _clear(elsewhere)
        if isinstance(error, OSError):
            raise StoreError(f"cannot restore to `{path}`: {error.strerror or error}", path=str(path)) from error
        raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return Restored(Home(path, verified.home_id, address, elsewhere), verified, size, len(pinned))


def _carry(history: Path, elsewhere: Place, home: Home) -> None:
    """Move what was unpacked to where the history lies from now on."""
    if isinstance(elsewhere, Path):
        shutil.copytree(history, elsewhere, dirs_exist_ok=True)
        _sync(elsewhere)
    else:
        if (history / MARK).exists():
            said = "the backup was made while history was being erased, which object storage does not finish"
            raise ConflictError(said, help="restore it to a directory: the next command that writes there finishes it")
        if (history / "raw").is_dir():
            (history / "raw").rename(home.raw)
        files = sorted(each for each in history.rglob("*") if each.is_file())
        put_all([(each, elsewhere / each.relative_to(history).as_posix()) for each in files])
    shutil.rmtree(history)


def _clear(elsewhere: Place) -> None:
    """Remove what was written to where nothing was; the first error is the one to tell."""
    if isinstance(elsewhere, Path):
        shutil.rmtree(elsewhere, ignore_errors=True)
        return
    with suppress(OSError, StoreError):
        elsewhere.remove_all()


def _checked_log(log: Path, verified: Verified, pinned: Sequence[bytes], policy: Policy | None) -> int | None:
    if not log.is_dir():
        if pinned or verified.log_size is not None:
            raise IntegrityError("the backup holds no log, and there was one", help="take another backup")
        return None
    trusted = policy or Policy.parse((log / "policy").read_bytes())
    report = fsck(log, trusted, pinned=list(pinned))
    if not report.ok:
        raise IntegrityError(
            f"the log in the backup cannot be used: {report.faults[0]}",
            help="a log that is older than a head that others have seen would be a roll-back, and they would see that; take a newer backup"
            if pinned else "take another backup",
        )
    return report.size


def _unpack(archive: Path, staging: Path) -> None:
    with _opened(archive) as tar:
        for member, stream in _members(tar):
            if member.name == MANIFEST:
                continue
            target = staging / member.name
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as out:
                shutil.copyfileobj(stream, out, _CHUNK)
            target.chmod(0o644 if member.name.startswith("home/ledger/tile/") else 0o600)


@contextmanager
def _opened(archive: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(archive, mode="r:") as tar:
            yield tar
    except FileNotFoundError:
        raise InputError(f"`{archive}` does not exist", help="name a file that groundrule backup wrote") from None
    except (tarfile.TarError, EOFError) as error:
        raise _damaged("it cannot be read to its end") from error


def _members(tar: tarfile.TarFile) -> Iterator[tuple[tarfile.TarInfo, IO[bytes]]]:
    """Every member, if it is a plain file with a name that stays inside.

    Raises:
        IntegrityError: it is anything else.
    """
    for member in tar:
        stream = tar.extractfile(member) if member.isreg() else None
        if stream is None or member.issparse() or not _stays_inside(member.name):
            raise _damaged("it holds a link, a device or a name that leads elsewhere")
        yield member, stream


def _stays_inside(name: str) -> bool:
    if name == MANIFEST:
        return True
    parts = name.split("/")
    plain = all(part not in ("", ".", "..") and "\\" not in part and part.isprintable() for part in parts)
    return plain and len(parts) > 1 and parts[0] in _ROOMS and len(name) < 1_000 and (parts[0] == "home" or len(parts) == 2)


def _sync(folder: Path) -> None:
    for parent, _, files in os.walk(folder):
        for name in files:
            handle = os.open(Path(parent) / name, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
        sync_folder(Path(parent))


def _damaged(what: str) -> IntegrityError:
    return IntegrityError(f"the backup cannot be used: {what}", help="take another copy of it; nothing was made")
