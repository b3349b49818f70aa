"""A machine whose disk loses, reorders and tears what was not synced, when its power fails at a chosen call.

What a process sees is kept apart from what is on the medium. Content is on the medium when `write_new` returns, because
the real one writes with O_SYNC. A changed name (create, link, rename, unlink, mkdir, rmdir) waits in its folder until that
folder is synced. When the power fails, any subset of the waiting changes survives, in every folder for itself, and a file
whose write was under way keeps any subset of its blocks, the others being zero or missing.

A failed fsync is modelled as the kernels behave that made databases stop: what waited stays visible and is never written,
not even by a later fsync that succeeds.
"""

from __future__ import annotations

import errno
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NoReturn


class PowerLoss(BaseException):
    """The machine stopped; nothing of the process goes on."""


@dataclass(eq=False)
class File:
    """An inode."""

    content: bytes = b""
    durable: bytes | None = None  # None: its blocks may be anything


@dataclass(eq=False)
class Folder:
    """A folder as seen, as stored, and the changes that wait: name and what it stands for afterwards, or None."""

    seen: dict[str, File | Folder] = field(default_factory=dict)
    stored: dict[str, File | Folder] = field(default_factory=dict)
    waiting: list[list[tuple[str, File | Folder | None]]] = field(default_factory=list)

    def change(self, *names: tuple[str, File | Folder | None]) -> None:
        """Change names as one atomic call."""
        self._apply(self.seen, names)
        self.waiting.append(list(names))

    def settle(self, changes: list[list[tuple[str, File | Folder | None]]]) -> None:
        for change in changes:
            self._apply(self.stored, change)
        self.waiting.clear()

    @staticmethod
    def _apply(names: dict[str, File | Folder], change: object) -> None:
        for name, target in change:  # type: ignore[attr-defined]  # a list or tuple of pairs
            if target is None:
                names.pop(name, None)
            else:
                names[name] = target


class SimulatedLock:
    def __init__(self, machine: SimulatedMachine, path: str) -> None:
        self.machine, self.path, self.life = machine, path, machine.life

    def release(self) -> None:
        if self.machine.life == self.life:
            self.machine.locks.discard(self.path)


class SimulatedMachine:
    """File calls of a machine, see above.

    Args:
        seed: decides what survives a power loss and which calls fail.
        block: bytes that reach the medium together, 512 or 4096.

    Attributes:
        content_synced: False models a program that forgets to sync what it writes.
        folders_synced: False models a program that forgets to sync its folders.
    """

    def __init__(self, seed: int, *, block: int = 512) -> None:
        self.random = random.Random(f"machine/{seed}")
        self.block = block
        self.content_synced = True
        self.folders_synced = True
        self.root = Folder()
        self.locks: set[str] = set()
        self.calls = 0
        self.life = 0
        self.power_fails_at: int | None = None
        self.dead = False
        self.fault_rate = 0.0
        self.faults = 0

    # --- what the tests do with it ------------------------------------------------------------------------------------

    def restart(self) -> None:
        """Start the process again on the running machine."""
        self.locks.clear()
        self.life += 1

    def lose_power(self) -> None:
        """Keep what was stored and some of what was not, and start the machine again."""
        for folder in list(self._folders(self.root)):
            folder.settle([change for change in folder.waiting if self.random.random() < 0.5])
        self._reboot(self.root)
        self.dead = False
        self.power_fails_at = None
        self.restart()

    def _folders(self, folder: Folder) -> Iterator[Folder]:
        yield folder
        for entry in {id(entry): entry for entry in (*folder.seen.values(), *folder.stored.values())}.values():
            if isinstance(entry, Folder):
                yield from self._folders(entry)

    def _reboot(self, folder: Folder) -> None:
        folder.seen = dict(folder.stored)
        folder.waiting.clear()
        for entry in folder.seen.values():
            if isinstance(entry, Folder):
                self._reboot(entry)
            elif entry.durable is None:
                entry.content = entry.durable = self._torn(entry.content)
            else:
                entry.content = entry.durable

    def _torn(self, content: bytes) -> bytes:
        blocks = [content[at : at + self.block] for at in range(0, len(content), self.block)]
        kept = [block if self.random.random() < 0.5 else bytes(len(block)) for block in blocks]
        return b"".join(kept[: self.random.randint(0, len(kept))])

    def files(self, folder: Folder | None = None, path: str = "") -> Iterator[str]:
        """Yield the paths of all files that a process sees."""
        for name, entry in (self.root if folder is None else folder).seen.items():
            if isinstance(entry, Folder):
                yield from self.files(entry, f"{path}{name}/")
            else:
                yield path + name

    # --- calls --------------------------------------------------------------------------------------------------------

    def _call(self, *, changes: bool = True) -> None:
        if self.dead:
            raise PowerLoss
        self.calls += 1
        if self.power_fails_at is not None and self.calls >= self.power_fails_at:
            self.dead = True
        if self.fault_rate and changes and not self.dead and self.random.random() < self.fault_rate:
            self.faults += 1
            raise OSError(self.random.choice((errno.EIO, errno.EIO, errno.ENOSPC)), "simulated fault")

    def _end(self) -> None:
        if self.dead:
            raise PowerLoss

    def _folder(self, path: str) -> Folder:
        entry: File | Folder = self.root
        for name in path.split("/") if path else ():
            if not isinstance(entry, Folder) or name not in entry.seen:
                self._missing(path)
            entry = entry.seen[name]
        if not isinstance(entry, Folder):
            self._missing(path)
        return entry

    def _file(self, path: str) -> File:
        folder, _, name = path.rpartition("/")
        entry = self._folder(folder).seen.get(name)
        if not isinstance(entry, File):
            self._missing(path)
        return entry

    def _missing(self, path: str) -> NoReturn:
        self._end()
        raise FileNotFoundError(errno.ENOENT, "simulated", path)

    def read(self, path: str, *, cold: bool) -> bytes:  # noqa: ARG002 - both copies are in memory here
        self._call(changes=False)
        self._end()
        return self._file(path).content

    def size_of(self, path: str) -> int:
        self._call(changes=False)
        self._end()
        return len(self._file(path).content)

    def names(self, folder: str) -> list[str]:
        self._call(changes=False)
        self._end()
        try:
            return list(self._folder(folder).seen)
        except FileNotFoundError:
            return []

    def make_folder(self, folder: str) -> None:
        self._call()
        parent, _, name = folder.rpartition("/")
        above = self._folder(parent)
        if name in above.seen:
            self._end()
            raise FileExistsError(errno.EEXIST, "simulated", folder)
        above.change((name, Folder()))
        self._end()

    def write_new(self, folder: str, name: str, data: bytes) -> None:
        self._call()
        above = self._folder(folder)
        if name in above.seen:
            self._end()
            raise FileExistsError(errno.EEXIST, "simulated", name)
        file = File(content=data)
        above.change((name, file))
        self._end()  # power fails during the write: its blocks may be anything
        if self.content_synced:
            file.durable = data

    def link(self, folder: str, name: str, target: str) -> None:
        self._call()
        above = self._folder(folder)
        if target in above.seen:
            self._end()
            raise FileExistsError(errno.EEXIST, "simulated", target)
        above.change((target, above.seen[name]))
        self._end()

    def rename(self, folder: str, name: str, target: str) -> None:
        self._call()
        above = self._folder(folder)
        above.change((target, above.seen[name]), (name, None))
        self._end()

    def unlink(self, folder: str, name: str) -> None:
        self._call()
        above = self._folder(folder)
        if name not in above.seen:
            self._missing(name)
        above.change((name, None))
        self._end()

    def remove_folder(self, folder: str) -> None:
        self._call()
        parent, _, name = folder.rpartition("/")
        assert not self._folder(folder).seen
        self._folder(parent).change((name, None))
        self._end()

    def sync(self, folder: str) -> None:
        entry = self._folder(folder)
        try:
            self._call()
        except OSError:
            # It stays visible and is never written; the next sync of this folder succeeds and says nothing about it.
            entry.waiting.clear()
            raise
        self._end()
        if self.folders_synced:
            entry.settle(list(entry.waiting))

    def lock(self, path: str) -> SimulatedLock:
        self._call(changes=False)
        folder, _, name = path.rpartition("/")
        above = self._folder(folder)
        if name not in above.seen:
            above.change((name, File(durable=b"")))
        self._end()
        if path in self.locks:
            raise BlockingIOError(errno.EWOULDBLOCK, "simulated", path)
        self.locks.add(path)
        return SimulatedLock(self, path)
