"""Rows that are on their way out of history: from one instant on nobody reads them, whichever files still hold them.

    HISTORY/erasing.json    an erasure that was begun and is not finished: terminals, ages, and the record that will stand for it

An erasure touches many files, and files change one after the other. So it takes effect with this one file: while it lies there,
readers of history leave out what it names. When every file has been written anew, it goes. A crash in between changes nothing for
readers; the next writer completes it (`pipeline.erasing`).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from groundrule.errors import IntegrityError, StoreError
from groundrule.store.places import ObjectPath, Place

MARK: Final = "erasing.json"
OVER_LATE: Final = "over_late"
_HELD: Final[dict[Path, tuple[tuple[int, int, int], Leaving]]] = {}


@dataclass(frozen=True, slots=True)
class Leaving:
    """What leaves a home.

    Attributes:
        terminals: whole terminals.
        before_ns: by kind (`over_late`, `rejected`, `signals`, …), what is older than an instant goes as well [ns, UTC].
        keep: terminals of which nothing goes because of its age.
        subjects: whose keys for proofs are destroyed: `account:ID`, `terminal:ID`.
        record: what will stand for the erasure; JSON.
    """

    terminals: frozenset[str]
    before_ns: dict[str, int]
    keep: frozenset[str]
    subjects: tuple[str, ...]
    record: dict[str, Any]

    def mask(self, kind: str, terminals: pa.Array | pa.ChunkedArray, times: pa.Array | pa.ChunkedArray | None) -> pa.Array:
        """Which of some rows leave?

        Args:
            kind: of the rows.
            terminals: whose they are.
            times: of the rows [ns, UTC]; None where rows of this kind do not leave because of their age.
        """
        found = pc.is_in(terminals, value_set=pa.array(sorted(self.terminals), pa.string()))
        if kind in self.before_ns and times is not None:
            kept = pc.is_in(terminals, value_set=pa.array(sorted(self.keep), pa.string()))
            found = pc.or_(found, pc.and_(pc.less(times, self.before_ns[kind]), pc.invert(kept)))
        return found

    def encoded(self) -> bytes:
        """The content of the file."""
        told = {
            "terminals": sorted(self.terminals), "before_ns": self.before_ns, "keep": sorted(self.keep),
            "subjects": list(self.subjects), "record": self.record,
        }  # fmt: skip
        return json.dumps(told, ensure_ascii=False).encode("utf-8", "surrogatepass")


def leaving(history: Place) -> Leaving | None:
    """Return what is on its way out of a history; None where nothing is, which is nearly always.

    Raises:
        IntegrityError: the file is damaged. StoreError: it cannot be read.
    """
    if isinstance(history, ObjectPath):
        return None  # nothing is erased from object storage: `pipeline.erasing` refuses it, and no such file is brought there
    path = history / MARK
    try:
        found = path.stat()
        state = (found.st_size, found.st_mtime_ns, found.st_ino)
        held = _HELD.get(path)
        if held is not None and held[0] == state:
            return held[1]
        told = json.loads(path.read_bytes())
        made = Leaving(
            frozenset(told["terminals"]), {str(name): int(at) for name, at in told["before_ns"].items()}, frozenset(told["keep"]),
            tuple(told["subjects"]), dict(told["record"]),
        )  # fmt: skip
    except FileNotFoundError:
        _HELD.pop(path, None)
        return None
    except OSError as error:
        raise StoreError(f"cannot read `{path}`: {error.strerror}", path=str(path)) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise IntegrityError(f"`{path}` is damaged", help="restore it from a backup; it says what leaves", path=str(path)) from error
    _HELD[path] = state, made
    return made


def is_leaving(history: Place, terminal_id: str) -> bool:
    """Is a terminal on its way out?"""
    found = leaving(history)
    return found is not None and terminal_id in found.terminals


def staying(path: Place, columns: list[str] | None, read: Callable[[list[str] | None], pa.Table]) -> pa.Table:
    """Read a file of history without what is on its way out.

    Args:
        path: `HISTORY/KIND/date=…/hour=…/run-….parquet`.
        columns: that are wanted; None is all.
        read: reads these columns of the file.
    """
    if isinstance(path, ObjectPath):
        return read(columns)
    found = leaving(path.parents[3])
    if found is None:
        return read(columns)
    wanted = None if columns is None else list(dict.fromkeys([*columns, "terminal_id", "observed_at"]))
    table = read(wanted)
    if not len(table):
        return table if columns is None else table.select(columns)
    kind = path.parents[2].name
    stays = pc.invert(found.mask(kind, table.column("terminal_id"), table.column("observed_at") if kind == OVER_LATE else None))
    table = table.filter(stays)
    return table if columns is None else table.select(columns)
