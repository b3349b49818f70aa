"""What persons did with cases: append-only, durable, private.

    HOME/cases.sqlite

Cases themselves are not stored: they follow from signals and from these acts (`detect.cases`). An act names who did it, and so it
never enters the public log.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final, Self

from groundrule.detect.case_states import Act
from groundrule.errors import ConflictError, InputError
from groundrule.store.home import Home
from groundrule.store.sqlite_file import SqliteFile

KIND: Final = 0x47524341
VERSION: Final = 1
MAX_TEXT: Final = 2_000
_WHAT: Final = "record of cases"
_SCHEMA: Final = (
    """CREATE TABLE act (
        n INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        case_id TEXT NOT NULL,
        at_ns INTEGER NOT NULL,
        who TEXT NOT NULL,
        what TEXT NOT NULL,
        assigned TEXT,
        reason TEXT,
        covers TEXT NOT NULL
    )""",
    "CREATE TRIGGER act_keep BEFORE DELETE ON act BEGIN SELECT RAISE(ABORT, 'acts are append-only'); END",
    "CREATE TRIGGER act_fixed BEFORE UPDATE ON act BEGIN SELECT RAISE(ABORT, 'acts are append-only'); END",
)


class CaseActs:
    """Acts on the cases of one home; threads may share it."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    @classmethod
    def open(cls, home: Home) -> Self:
        """Open the acts of a home, and make the file where there is none; the caller holds the write lock.

        Raises:
            StoreError: it cannot be read or made. InputError: it is another kind of file.
        """
        return cls(SqliteFile.open_or_create(acts_file(home), kind=KIND, version=VERSION, what=_WHAT, schema=_SCHEMA))

    @classmethod
    def look(cls, home: Home) -> Self | None:
        """Open the acts of a home for reading, beside whoever writes; None where nobody has done anything yet."""
        path = acts_file(home)
        if not path.exists():
            return None
        return cls(SqliteFile.open(path, kind=KIND, version=VERSION, what=_WHAT, read_only=True))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the file go."""
        self._file.close()

    def add(self, act: Act) -> bool:
        """Store an act durably; False where it is there already.

        Raises:
            InputError: a text is too long. ConflictError: another act has its id. StoreError: the disk refused.
        """
        for name, value in (("by", act.by), ("to", act.to), ("reason", act.reason)):
            if value is not None and len(value) > MAX_TEXT:
                raise InputError(f"`{name}` has {len(value):,} characters", help=f"at most {MAX_TEXT:,}", field=name)
        row = (act.id, act.case, act.at_ns, act.by, act.what, act.to, act.reason, json.dumps(list(act.covers)))
        with self._file.transaction():
            known = self._file.rows("SELECT case_id, at_ns, who, what, assigned, reason, covers FROM act WHERE id = ?", (act.id,))
            if known:
                if known[0] != row[1:]:
                    raise ConflictError(f"there is another act `{act.id}`", help="give every act an id of its own", field="id")
                return False
            self._file.run("INSERT INTO act (id, case_id, at_ns, who, what, assigned, reason, covers) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
        return True

    def all(self, after: int = 0) -> list[tuple[int, Act]]:
        """Return acts with their numbers, in the order in which they were stored, behind a number."""
        query = "SELECT n, id, case_id, at_ns, who, what, assigned, reason, covers FROM act WHERE n > ? ORDER BY n"
        found = []
        for number, name, case, at_ns, who, what, to, reason, covers in self._file.rows(query, (after,)):
            found.append((number, Act(name, case, at_ns, who, what, to, reason, tuple(json.loads(covers)))))
        return found


def acts_file(home: Home) -> Path:
    """Return where the acts of a home are."""
    return home.path / "cases.sqlite"
