"""How far each watched source was taken, so that a process that comes after a crash goes on where the one before ended.

    FOLDER/watch.sqlite       source, name, value: JSON that the source itself understands; FOLDER is a home, or that of landed files

A position is written after what it stands for is durable, and before the sender is told so. A crash in between makes the
next process read something again, which is then known by its key or by its content.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Self

from groundrule.store.sqlite_file import SqliteFile

KIND: Final = 0x47525750
VERSION: Final = 1
_SCHEMA: Final = (
    """CREATE TABLE position (
        source TEXT NOT NULL,
        name TEXT NOT NULL,
        value TEXT NOT NULL,
        at_ns INTEGER NOT NULL,
        PRIMARY KEY (source, name)
    ) WITHOUT ROWID""",
)


class Positions:
    """Positions of one source; the caller is the only writer of the folder. Use `open`."""

    def __init__(self, file: SqliteFile, source: str) -> None:
        self._file, self.source = file, source

    @classmethod
    def open(cls, folder: Path, source: str) -> Self:
        """Open the positions of a source; the file is made where there is none.

        Args:
            folder: that of the home, or where else they lie.
            source: whose.
        Raises:
            StoreError: it cannot be read or made. InputError: it is another kind of file.
        """
        path, what = folder / "watch.sqlite", "record of what was watched"
        return cls(SqliteFile.open_or_create(path, kind=KIND, version=VERSION, what=what, schema=_SCHEMA), source)

    def close(self) -> None:
        """Let the file go."""
        self._file.close()

    def all(self) -> dict[str, Any]:
        """Return every position by name."""
        found = self._file.rows("SELECT name, value FROM position WHERE source=?", (self.source,))
        return {name: json.loads(value) for name, value in found}

    def put(self, values: Mapping[str, Any], *, at_ns: int, without: Iterable[str] = ()) -> None:
        """Write positions durably, and forget others, together.

        Args:
            values: JSON by name.
            at_ns: now [ns, UTC].
            without: names that are forgotten.
        """
        rows = [(self.source, name, json.dumps(value, separators=(",", ":")), at_ns) for name, value in values.items()]
        with self._file.transaction():
            self._file.many("DELETE FROM position WHERE source=? AND name=?", [(self.source, name) for name in without])
            self._file.many("INSERT OR REPLACE INTO position VALUES (?,?,?,?)", rows)

    def forget(self, *, before_ns: int, keep: Iterable[str] = ()) -> int:
        """Forget positions that were last written before an instant [ns, UTC]; return how many.

        Args:
            before_ns: the instant.
            keep: names that stay however old they are.
        """
        kept = set(keep)
        old = self._file.rows("SELECT name FROM position WHERE source=? AND at_ns<?", (self.source, before_ns))
        gone = [(self.source, name) for (name,) in old if name not in kept]
        if gone:
            with self._file.transaction():
                self._file.many("DELETE FROM position WHERE source=? AND name=?", gone)
        return len(gone)
