"""One directory that holds a deployment: registers, areas, rulebooks, history, manifests.

    HOME/home.json          what this is: format, version, id, and where registers and history are unless they are in the home
    HOME/registers.sqlite   terminals, accounts, parties, lists (bitemporal; `store.registers`)
    HOME/areas/ rulebooks/  content-addressed versions
    HOME/history/           observations, decisions, evidence in Parquet (`store.history`)
    HOME/manifests/         one per run
    HOME/erasures/          one record per erasure of history (`store.erasures`)
    HOME/retention.json     for how many days each class of data is kept (`store.retention`)
    HOME/rejected/          every row that an import could not use, with its reason
    HOME/cache/             may be deleted at any time; `shelves` holds copies of history by terminal (`store.shelves`)
    HOME/lock               held by the one writer

History may lie elsewhere, on a larger or a shared disk or in object storage (`store.places`). There, `groundrule-history.json`
names the home that it belongs to, so that a disk that is not mounted, or another's history, is never taken for a history without rows.

Readers need no lock. A second writer is refused at once with the process id of the first.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundrule.errors import ConflictError, GroundruleError, InputError, StoreError
from groundrule.store.databases import checked_address
from groundrule.store.durable import write_durably
from groundrule.store.exclusive import exclusive
from groundrule.store.places import ObjectPath, Place, place_at, put

FORMAT = "groundrule-home"
HISTORY_FORMAT = "groundrule-history"
VERSION = 4
"""Homes with history in object storage are of version 4, those with history in another directory of 3, those with only registers elsewhere
of 2: a program that knows only 1 would make empty ones in the home."""
_EMBEDDED, _REGISTERS_ELSEWHERE, _HISTORY_ELSEWHERE = 1, 2, 3
HISTORY_MARK = "groundrule-history.json"
_FOLDERS = ("areas", "rulebooks", "history", "manifests", "rejected", "cache")


@dataclass(frozen=True, slots=True)
class Home:
    """A home that exists on disk.

    Attributes:
        path: the directory.
        id: identity given at genesis; it is copied into every manifest.
        registers: address of registers in PostgreSQL, without a password; None where they are in SQLite in the home.
        history_at: absolute path of the history, or where in object storage it lies; None where it is in the home.
    """

    path: Path
    id: str
    registers: str | None = None
    history_at: Place | None = None

    @classmethod
    def create(
        cls, path: Path | str, *, home_id: str | None = None, registers: str | None = None, history: Path | str | None = None
    ) -> Home:
        """Make an empty home.

        Args:
            path: a directory that does not exist or is empty.
            home_id: identity; a random UUID if not given.
            registers: address of a PostgreSQL database; None keeps them in SQLite in the home.
            history: a directory that does not exist or is empty, outside of the home, or an empty prefix in object storage by its
                address; None keeps history in the home.
        Raises:
            ConflictError: there is a home already, or a directory holds something else.
            InputError: an address cannot be used; nothing is made.
            StoreError: a folder, or the history, cannot be written or reached.
        """
        folder = Path(path)
        address = None if registers is None else checked_address(registers)
        elsewhere = None if history is None else checked_history(history, folder)
        if (folder / "home.json").exists():
            raise ConflictError(
                f"`{folder}` is a home already",
                help="genesis happens once; use it, or name another place",
                path=str(folder),
            )
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise ConflictError(
                f"`{folder}` is not empty", help="name a directory that does not exist yet", path=str(folder)
            )
        identity = home_id or str(uuid.uuid4())
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name in _FOLDERS:
                if name != "history" or elsewhere is None:
                    (folder / name).mkdir()
            (folder / "lock").touch()
        except OSError as error:
            raise StoreError(f"cannot create `{folder}`: {error.strerror}", path=str(folder)) from error
        made = cls(folder, identity, address, elsewhere)
        try:
            made.mark_history()
        except GroundruleError:
            shutil.rmtree(folder, ignore_errors=True)  # there was nothing, and it can be tried again
            raise
        # INVARIANT: home.json comes last, so that a directory with one is complete.
        write_durably(folder / "home.json", made.description())
        return made

    @classmethod
    def open(cls, path: Path | str) -> Home:
        """Open a home for reading; writing needs `writer()`.

        Raises:
            InputError: the directory is not a home, or one of a later format.
            StoreError: its history lies elsewhere, and is not there.
        """
        folder = Path(path)
        cure = f"make one with: groundrule init --home {folder}"
        try:
            described = json.loads((folder / "home.json").read_bytes())
            found, version, identity = described["format"], described["version"], described["id"]
            registers = described["registers"]["url"] if "registers" in described and version != _EMBEDDED else None
            history: Place | None = Path(described["history"]["path"]) if version == _HISTORY_ELSEWHERE else None
            if version == VERSION:
                history = ObjectPath.parse(described["history"]["address"])
            if version == _REGISTERS_ELSEWHERE and registers is None:
                raise KeyError("registers")
        except (FileNotFoundError, NotADirectoryError):
            raise InputError(f"`{folder}` is not a groundrule home", help=cure, path=str(folder)) from None
        except OSError as error:
            raise StoreError(f"cannot read `{folder}`: {error.strerror}", path=str(folder)) from error
        except (ValueError, KeyError, TypeError):
            raise InputError(
                f"`{folder / 'home.json'}` is damaged", help="restore it from a backup", path=str(folder)
            ) from None
        if found != FORMAT:
            raise InputError(f"`{folder}` is not a groundrule home", help=cure, path=str(folder))
        if version not in (_EMBEDDED, _REGISTERS_ELSEWHERE, _HISTORY_ELSEWHERE, VERSION):
            raise InputError(
                f"`{folder}` has format version {version}, and this program reads up to {VERSION}",
                help="use the program version that wrote it",
                path=str(folder),
            )
        home = cls(folder, str(identity), None if registers is None else checked_address(registers), history)
        home._check_history()
        return home

    def description(self) -> bytes:
        """Return what `home.json` says of this home."""
        told: dict[str, Any] = {"format": FORMAT, "version": _EMBEDDED, "id": self.id}
        if self.registers is not None:
            told |= {"version": _REGISTERS_ELSEWHERE, "registers": {"url": self.registers}}
        if isinstance(self.history_at, ObjectPath):
            told |= {"version": VERSION, "history": {"address": self.history_at.address}}
        elif self.history_at is not None:
            told |= {"version": _HISTORY_ELSEWHERE, "history": {"path": str(self.history_at)}}
        return (json.dumps(told, indent=1) + "\n").encode()

    def mark_history(self) -> None:
        """Make the directory of a history that lies elsewhere, and say there whose it is.

        Raises:
            StoreError: it cannot be made.
        """
        if self.history_at is None:
            return
        if isinstance(self.history_at, Path):
            try:
                self.history_at.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise StoreError(f"cannot create `{self.history_at}`: {error.strerror}", path=str(self.history_at)) from error
        put(self.history_at / HISTORY_MARK, (json.dumps({"format": HISTORY_FORMAT, "home": self.id}, indent=1) + "\n").encode())

    def _check_history(self) -> None:
        """Is the history that lies elsewhere there, and this home's?"""
        if self.history_at is None:
            return
        try:
            told = json.loads((self.history_at / HISTORY_MARK).read_bytes())
            whose = told["home"] if told["format"] == HISTORY_FORMAT else None
        except (OSError, ValueError, KeyError, TypeError):
            raise StoreError(
                f"the history of `{self.path}` lies in `{self.history_at}`, and is not there",
                help=f"{self._bring()}; it is known by its file {HISTORY_MARK}", path=str(self.history_at),
            ) from None  # fmt: skip
        if whose != self.id:
            raise StoreError(
                f"`{self.history_at}` holds the history of another home",
                help=f"{self._bring()}: the history of home {self.id}", path=str(self.history_at),
            )  # fmt: skip

    def _bring(self) -> str:
        """What to do where the history is not there."""
        return "mount what holds it" if isinstance(self.history_at, Path) else "bring the objects back, or restore the home from a backup"

    @contextmanager
    def writer(self) -> Iterator[Home]:
        """Hold the write lock of this home for the length of the block.

        Raises:
            ConflictError: another writer holds it; the context carries its process id, or None if not yet known.
        """
        with exclusive(self.path / "lock", self.path):
            yield self

    def is_being_written(self) -> bool:
        """Does a writer hold the lock at this moment?"""
        try:
            with (self.path / "lock").open("rb") as stream:
                fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        return False

    @property
    def registers_url(self) -> str:
        """SQLAlchemy URL of the registers; without a password."""
        return self.registers or f"sqlite:///{(self.path / 'registers.sqlite').resolve()}"

    def has_registers(self) -> bool:
        """Have the registers been made? Those in PostgreSQL are taken as made where the home names them."""
        return self.registers is not None or (self.path / "registers.sqlite").exists()

    @property
    def areas(self) -> Path:
        """Folder of area versions."""
        return self.path / "areas"

    @property
    def rulebooks(self) -> Path:
        """Folder of rulebooks."""
        return self.path / "rulebooks"

    @property
    def history(self) -> Place:
        """Folder of the Parquet history."""
        return self.history_at or self.path / "history"

    @property
    def raw(self) -> Path:
        """Folder of raw replies of telemetry; always on a disk, since a question is answered once only."""
        return self.history / "raw" if isinstance(self.history, Path) else self.path / "raw"

    @property
    def manifests(self) -> Path:
        """Folder of run manifests."""
        return self.path / "manifests"

    @property
    def rejected(self) -> Path:
        """Folder of rows that imports could not use."""
        return self.path / "rejected"

    @property
    def cache(self) -> Path:
        """Folder that may be deleted at any time."""
        return self.path / "cache"


def checked_history(place: Path | str, home: Path) -> Place:
    """Return the absolute path of a directory, or where in object storage, a home may keep its history.

    Raises:
        InputError: it lies in the home, or the home in it, or the address cannot be used. ConflictError: it is not empty.
        StoreError: the object storage does not answer, or has no such bucket.
    """
    wanted = place_at(place)
    if isinstance(wanted, ObjectPath):
        if wanted.below():
            raise ConflictError(f"`{wanted}` is not empty", help="history needs a prefix of its own with nothing in it", path=str(wanted))
        return wanted
    folder, inside = wanted.resolve(), home.resolve()
    if folder == inside or inside in folder.parents or folder in inside.parents:
        raise InputError(
            f"`{folder}` and the home `{inside}` lie in each other", help="name a directory outside of the home", path=str(folder)
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConflictError(
            f"`{folder}` is not empty", help="history needs a directory of its own that does not exist yet", path=str(folder)
        )
    return folder
