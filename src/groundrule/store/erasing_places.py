"""Where rows about terminals lie in a home, and how they leave each place: a file is written anew beside the old one, and takes its place.

Doing it again does nothing, so an erasure that was cut off is done again from the beginning. Nothing here decides what leaves: that
is what `store.leaving` says.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from groundrule.errors import ConflictError, IntegrityError, StoreError
from groundrule.records import without_silent
from groundrule.store import events, subscriptions
from groundrule.store.alerts import ALERTS
from groundrule.store.durable import durable_file, sync_folder, write_durably
from groundrule.store.erasures import KINDS
from groundrule.store.findings import Findings
from groundrule.store.home import Home
from groundrule.store.leaving import OVER_LATE, Leaving
from groundrule.store.places import Place
from groundrule.store.segments import encode_frame, read_frames, segments_of
from groundrule.store.signals import SIGNALS, WITHDRAWALS
from groundrule.store.sqlite_file import SqliteFile
from groundrule.store.verifications import VERIFICATIONS

FINDINGS: Final[tuple[Findings, ...]] = (SIGNALS, WITHDRAWALS, VERIFICATIONS, ALERTS)
RAW: Final = "raw"
REJECTED: Final = "rejected"
_KEPT_CACHES: Final = ("index", "own-monitor.json")
"""What lies in the cache and is about no terminal."""
_FEW: Final = 200
"""Ids that are looked for one by one; more are looked up among the words of a text."""
_BREAKS: Final = re.compile(r"[,;|\t\r\n\"{}\[\]]+")
_RECEIVED: Final = re.compile(r"(\d+)[-.]")


# --- history ------------------------------------------------------------------------------------------------------------------


def history_folder(home: Home) -> Path:
    """Return the directory of a history that can be erased from.

    Raises:
        ConflictError: it lies in object storage.
    """
    if isinstance(home.history, Path):
        return home.history
    raise ConflictError(
        f"nothing is erased from `{home.history}`: files in object storage are not written anew",
        help="back the home up, restore it with its history in a directory, and erase there",
    )


def history_paths(home: Home) -> Iterator[tuple[str, Place]]:
    """Yield kind and path of every file of history, in no particular order."""
    for kind in KINDS:
        found: list[Place] = [*(home.history / kind).glob("date=*/hour=*/run-*.parquet")]
        for path in sorted(found, key=str):
            yield kind, path


def rewrite_history(home: Home, leaving: Leaving, *, done: Callable[[Path], object] = lambda _: None) -> int:
    """Write the files of history anew that hold rows that leave; return how many rows have left.

    Args:
        done: told of each file that was changed.
    Raises:
        StoreError: the disk refused. IntegrityError: a file cannot be read.
    """
    rows = 0
    history_folder(home)
    for kind, path in history_paths(home):
        assert isinstance(path, Path)
        gone = _leaving_rows(kind, path, leaving)
        if not gone:
            continue
        table = _parquet(path, None)
        left = table.filter(pc.invert(leaving.mask(kind, table["terminal_id"], table["observed_at"] if kind == OVER_LATE else None)))
        if len(left):
            with durable_file(path) as stream:
                pq.write_table(without_silent(left), stream, compression="zstd", compression_level=1)
        else:
            _remove(path)
        rows += gone
        done(path)
    return rows


def _leaving_rows(kind: str, path: Path, leaving: Leaving) -> int:
    keys = _parquet(path, ["terminal_id", "observed_at"])
    return _true(leaving.mask(kind, keys["terminal_id"], keys["observed_at"] if kind == OVER_LATE else None))


def _parquet(path: Path, columns: list[str] | None) -> pa.Table:
    try:
        return pq.ParquetFile(path).read(columns=columns)
    except (OSError, pa.ArrowException) as error:
        raise IntegrityError(f"`{path}` cannot be read", help="restore it from a backup", path=str(path)) from error


# --- everything else ------------------------------------------------------------------------------------------------------------


def leave_places(home: Home, leaving: Leaving, *, write: bool) -> dict[str, int]:
    """Let rows leave everything but history, logs and private records; return how many rows leave each place.

    Args:
        write: False only counts.
    Raises:
        StoreError: the disk refused. IntegrityError: a file cannot be read.
    """
    found = {each.folder: _findings(home, each, leaving, write=write) for each in FINDINGS}
    found[REJECTED] = _rejected(home, leaving, write=write)
    found[RAW] = _raw(home, leaving, write=write)
    found["ingest"] = _ingest(home, leaving, write=write)
    found["events"] = _sqlite(
        events.events_file(home), events.KIND, events.VERSION, "SELECT seq, data, subject FROM event", "DELETE FROM event WHERE seq=?",
        leaving, write=write,
    )  # fmt: skip
    found["deliveries"] = _sqlite(
        home.path / "subscriptions.sqlite", subscriptions.KIND, subscriptions.VERSION, "SELECT number, body, NULL FROM delivery",
        "DELETE FROM delivery WHERE number=?", leaving, write=write,
    )  # fmt: skip
    return {name: rows for name, rows in found.items() if rows}


def clear_caches(home: Home) -> None:
    """Remove what is remembered of terminals outside of the record; it is made again when it is wanted."""
    for path in home.cache.iterdir() if home.cache.is_dir() else ():
        if path.name in _KEPT_CACHES or path.name.startswith("work-"):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(FileNotFoundError):
                path.unlink()


def _findings(home: Home, kind: Findings, leaving: Leaving, *, write: bool) -> int:
    rows = 0
    for batch in kind.batches(home):
        table = _parquet(batch.path, None)
        gone = leaving.mask(kind.folder, table["terminal_id"], table[kind.time])
        number = _true(gone)
        left = table.filter(pc.invert(gone))
        quoted = _without_quotes(left, leaving.terminals)
        if not number and quoted is left:
            continue
        rows += number
        if write:
            # A row is in the old file, in the new one, or in both, which counts once.
            kept = kind.write(home, quoted)
            if kept != batch.digest:
                _remove(batch.path)
    return rows


def _without_quotes(table: pa.Table, terminals: frozenset[str]) -> pa.Table:
    """Signals about others without the observations of those who leave, which they quote."""
    if "offending" not in table.column_names or not terminals or not len(table):
        return table
    told = table["offending"].to_pylist()
    kept = [[each for each in row or () if each.get("terminal_id") not in terminals] for row in told]
    if kept == [list(row or ()) for row in told]:
        return table
    place = table.schema.get_field_index("offending")
    return table.set_column(place, table.schema.field(place), pa.array(kept, table.schema.field(place).type))


def _rejected(home: Home, leaving: Leaving, *, write: bool) -> int:
    rows = 0
    names = naming(leaving.terminals)
    oldest = leaving.before_ns.get(REJECTED)
    for path in sorted(home.rejected.glob("*.jsonl")) if home.rejected.is_dir() else ():
        found, lines = path.stat(), path.read_bytes().splitlines(keepends=True)
        aged = oldest is not None and found.st_mtime_ns < oldest
        left = [] if aged else [line for line in lines if not _says(line, names)]
        rows += len(lines) - len(left)
        if not write or len(left) == len(lines):
            continue
        if left:
            write_durably(path, b"".join(left))
            os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))  # it is as old as its rows
        else:
            _remove(path)
    return rows


def _says(line: bytes, names: Callable[[str], bool]) -> bool:
    try:
        told = json.loads(line)
    except ValueError:
        return names(line.decode("utf-8", "replace"))
    return any(names(text) for text in _texts(told))


def naming(ids: Iterable[str]) -> Callable[[str], bool]:
    """Return what tells whether a text names one of some ids, as a word of its own."""
    wanted = frozenset(ids)
    if len(wanted) > _FEW:
        return lambda text: text in wanted or any(word.strip() in wanted for word in _BREAKS.split(text))
    if not wanted:
        return lambda _: False
    words = "|".join(re.escape(each) for each in sorted(wanted, key=len, reverse=True))
    return lambda text, pattern=re.compile(rf"(?<![\w-])(?:{words})(?![\w-])"): pattern.search(text) is not None  # type: ignore[misc]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, each in value.items():
            yield str(name)
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


def _raw(home: Home, leaving: Leaving, *, write: bool) -> int:
    """Replies of a stream as they came: rows of those who leave go; what cannot be read goes whole, and so does what is too old."""
    rows = 0
    names = naming(leaving.terminals)
    oldest = leaving.before_ns.get(RAW)
    for path in sorted(home.raw.rglob("*.gz")) if home.raw.is_dir() else ():
        match = _RECEIVED.match(path.name)
        aged = oldest is not None and match is not None and int(match[1]) < oldest
        left, gone = (None, 1) if aged else _reply_without(path, leaving.terminals, names)
        rows += gone
        if write and gone and left is None:
            _remove(path)
        elif write and gone and left is not None:
            write_durably(path, gzip.compress(left, 6, mtime=0))
    return rows


def _reply_without(path: Path, terminals: frozenset[str], names: Callable[[str], bool]) -> tuple[bytes | None, int]:
    """A reply without some terminals, or None where nothing of it can stay, and how many rows go."""
    if not terminals:
        return None, 0
    try:
        data = gzip.decompress(path.read_bytes())
    except (OSError, EOFError):
        return None, 0
    try:
        told = json.loads(data)
        values = told["data"]["values"]
        left = [row for row in values if not (isinstance(row, list) and any(isinstance(x, str) and x in terminals for x in row))]
    except (ValueError, KeyError, TypeError):
        return None, int(names(data.decode("utf-8", "replace")))
    told["data"]["values"] = left
    return json.dumps(told).encode(), len(values) - len(left)


def _ingest(home: Home, leaving: Leaving, *, write: bool) -> int:
    """Rows that were acknowledged and are in no run yet."""
    rows = 0
    for segment in segments_of(home) if leaving.terminals else ():
        frames = [frame for _, frame in read_frames(segment.path)]
        masks = [leaving.mask("observations", frame.rows["terminal_id"], None) for frame in frames]
        gone = sum(_true(mask) for mask in masks)
        rows += gone
        if not gone or not write:
            continue
        with durable_file(segment.path) as stream:
            for frame, mask in zip(frames, masks, strict=True):
                stays = frame.rows.filter(pc.invert(mask))
                for part in encode_frame(frame.metadata, stays) if len(stays) else ():
                    stream.write(part)
    return rows


def _sqlite(path: Path, kind: int, version: int, query: str, delete: str, leaving: Leaving, *, write: bool) -> int:
    if not path.exists() or not leaving.terminals:
        return 0
    file = SqliteFile.open(path, kind=kind, version=version, what=f"`{path.name}`", read_only=not write)
    wanted = leaving.terminals | {f"terminal:{each}" for each in leaving.terminals}
    try:
        gone = [
            (number,) for number, text, subject in file.rows(query)
            if subject in wanted or any(each in wanted for each in _texts(json.loads(text)))
        ]  # fmt: skip
        if write and gone:
            with file.transaction():
                file.many(delete, gone)
                file.scrub_later()
        if write and file.rows("SELECT due FROM scrub"):
            with suppress(ConflictError):  # a reader delays it; it stays due
                file.scrub()
    finally:
        file.close()
    return len(gone)


# --- what is left ---------------------------------------------------------------------------------------------------------------


def still_named(home: Home, ids: Iterable[str]) -> list[str]:
    """Return files of a home, outside of history, log and cache, in which an id still stands in clear, as paths in the home."""
    words = [re.escape(each.encode()) for each in sorted(ids)]
    if not words:
        return []
    named = re.compile(rb"(?<![A-Za-z0-9_-])(?:" + b"|".join(words) + rb")(?![A-Za-z0-9_-])")
    found = []
    for path in sorted(home.path.rglob("*")):
        inside = path.relative_to(home.path)
        if inside.parts[0] in {"history", "ledger", "cache"} or path.is_symlink() or not path.is_file():
            continue
        try:
            data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        except (OSError, EOFError):
            continue
        if named.search(data):
            found.append(inside.as_posix())
    return found


def _true(mask: pa.Array | pa.ChunkedArray) -> int:
    return int(pc.sum(mask).as_py() or 0)


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
        sync_folder(path.parent)
        for folder in (path.parent, path.parent.parent):
            if folder.name.startswith(("hour=", "date=")):
                with suppress(OSError):  # others lie there
                    folder.rmdir()
    except OSError as error:
        raise StoreError(f"cannot remove `{path}`: {error.strerror}", path=str(path)) from error
