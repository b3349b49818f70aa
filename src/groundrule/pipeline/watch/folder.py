"""A growing folder as a source: files that are dropped, renamed in, appended to or written while they are looked at.

Files of lines (CSV, JSON lines) are read as far as they have whole lines, and again when they grow. Other files (Parquet, gzip, a
telemetry reply) are read once they are whole, which their own ending shows. Hidden files and those of a name that no reader knows are
left alone, so a writer that wants to be sure writes under another name and renames.

What is about to be handed over of a growing file is noted before, and that it was taken after: a process that comes after a crash reads
the very same piece again, under the same key.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from groundrule.errors import InputError
from groundrule.pipeline.watch.arrivals import Arrival, short_digest
from groundrule.pipeline.watch.reading import Reading, pieces
from groundrule.store.observations import SUFFIXES
from groundrule.store.raw import MAX_LINE_BYTES
from groundrule.store.telemetry import MAX_REPLY_BYTES, looks_like_telemetry
from groundrule.store.watch_positions import Positions

PIECE_BYTES: Final = 8 << 20
"""About so much of a growing file is read at a time; a longer line is read whole, up to what a reply may have."""
HEAD_BYTES: Final = 4_096
SETTLE_S: Final = 60.0
"""How long a file must have stood still before an end that does not look like one counts as its end [s]."""
FORGET_NS: Final = 60 * 86_400 * 1_000_000_000
"""Files that are gone are forgotten after so long [ns]."""
_WHOLE: Final = (".parquet", ".pq", ".gz")
_TABLE: Final = (".csv", ".tsv")


@dataclass(slots=True)
class _File:
    """What is known of one file.

    Attributes:
        path: where it is; `name` within the folder.
        known: what its position says.
        stat: as it was when it was last looked at: inode, size, time of change [ns].
        still_since: when it was first seen so [s of the clock that never goes back].
        pending: arrivals of it that are handed over and not taken.
        after: its position once all of them are.
        parts: further arrivals that are not handed over yet.
        waits: why it is not read: its end is missing.
    """

    path: Path
    name: str
    known: dict[str, Any] = field(default_factory=dict)
    stat: tuple[int, int, int] = (0, -1, 0)
    still_since: float = 0.0
    pending: int = 0
    after: dict[str, Any] | None = None
    parts: Iterator[Arrival] | None = None
    waits: str = ""


class FolderSource:
    """Files of a folder and the folders in it.

    Args:
        folder: an existing one.
        positions: of this source.
        reading: how files are read.
        once: nothing more will be added, so that what stands at the end of a file is its end.
        settle_s: see `SETTLE_S`.
        clock: gives the time [ns, UTC].
    """

    def __init__(
        self, folder: Path, positions: Positions, reading: Reading, *, once: bool = False, settle_s: float = SETTLE_S,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:  # fmt: skip
        if not folder.is_dir():
            raise InputError(f"`{folder}` is no folder", help="name an existing folder; single files are for `groundrule decide`")
        self.name = str(folder)
        self._folder, self._positions, self._reading = folder, positions, reading
        self._once, self._settle_s, self._clock = once, settle_s, clock
        self._known: dict[str, dict[str, Any]] = positions.all()
        self._files: dict[str, _File] = {}
        self._ready: list[_File] = []
        self._idle = False
        self._tried: set[tuple[str, int, int, int]] = set()
        self._done = {str(each["digest"]) for each in self._known.values() if each.get("done") and "digest" in each}
        self._counts = {"files": 0, "unreadable": 0, "replaced": 0, "repeated_files": 0}
        positions.forget(before_ns=clock() - FORGET_NS, keep=[name for name, _, _ in self._listed()])

    # --- what the watcher does ----------------------------------------------------------------------------------------------

    @property
    def exhausted(self) -> bool:
        """Is everything taken that is there?"""
        return self._idle

    def take(self, wait_s: float, most_rows: int) -> Sequence[Arrival]:
        """Return what has arrived; looks at the folder once, and waits only where nothing has."""
        found = self._next(most_rows)
        if not found and not self._ready:
            busy = any(each.pending for each in self._files.values())  # what follows in these files is not looked at yet
            self._look()
            found = self._next(most_rows)
            self._idle = not found and not busy
        if not found and not self._once:
            time.sleep(wait_s)
        return found

    def taken(self, arrivals: Sequence[Arrival]) -> None:
        """Write how far files were taken."""
        done: dict[str, Any] = {}
        for each in arrivals:
            file: _File = each.place
            file.pending -= 1
            if file.pending == 0 and file.parts is None and file.after is not None:
                done[file.name] = self._finished(file)
        if done:
            self._positions.put(done, at_ns=self._clock())

    def _finished(self, file: _File) -> dict[str, Any]:
        """Take over what a file's position is after all that was handed over; the caller writes it."""
        assert file.after is not None
        self._known[file.name] = file.known = file.after
        if "digest" in file.after:
            self._done.add(str(file.after["digest"]))
        file.after = None
        return file.known

    def said(self) -> Mapping[str, Any]:
        """Return counts of files, and how many wait for their end."""
        waiting = [each for each in self._files.values() if each.waits]
        behind = sum(max(0, each.stat[1] - int(each.known.get("offset", each.stat[1]))) for each in self._ready)
        told: dict[str, Any] = {**self._counts, "unfinished": len(waiting), "to_read": len(self._ready), "bytes_to_read": behind}
        return told if self._folder.is_dir() else told | {"folder_away": True}

    @property
    def unfinished(self) -> list[str]:
        """Names of files that wait for their end."""
        return [each.name for each in self._files.values() if each.waits]

    def close(self) -> None:
        """Let positions go."""
        self._positions.close()

    # --- looking ------------------------------------------------------------------------------------------------------------

    def _listed(self) -> Iterator[tuple[str, Path, os.stat_result]]:
        """Yield the files that readers know, with their names within the folder."""
        folders = [self._folder]
        while folders:
            try:
                with os.scandir(folders.pop()) as entries:
                    for entry in entries:
                        if entry.name.startswith((".", "_")):
                            continue
                        try:
                            if entry.is_dir(follow_symlinks=False):
                                folders.append(Path(entry.path))
                            elif entry.name.lower().endswith(SUFFIXES) and entry.is_file():
                                within = os.fsencode(Path(entry.path).relative_to(self._folder))
                                yield within.decode("utf-8", "backslashreplace"), Path(entry.path), entry.stat()
                        except OSError:
                            continue  # it is gone again, or nobody may look at it; it is met at the next look
            except OSError:
                continue

    def _look(self) -> None:
        """See which files are new or have changed."""
        now = time.monotonic()
        found: dict[str, _File] = {}
        changed: list[tuple[int, str, _File]] = []
        for name, path, stat in self._listed():
            file = self._files.get(name) or _File(path, name, dict(self._known.get(name, {})))
            found[name] = file
            if file.pending or file.parts is not None:
                continue
            seen = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
            if seen != file.stat:
                file.stat, file.still_since = seen, now
                file.waits = ""
            elif not file.waits:
                continue
            changed.append((stat.st_mtime_ns, name, file))
        for name, file in self._files.items():
            if file.pending or file.parts is not None:
                found.setdefault(name, file)  # gone, and still on its way
        self._files = found
        self._follow_moved(found)
        self._ready = [file for _, _, file in sorted(changed, key=lambda each: each[:2])]

    def _follow_moved(self, found: Mapping[str, _File]) -> None:
        """Go on with files that were renamed where they were left."""
        fresh = {file.stat[0]: file for file in found.values() if not file.known}
        if not fresh:
            return
        for name, known in self._known.items():
            file, there = fresh.get(int(known.get("inode", -1))), found.get(name)
            moved = there is None or there.stat[0] != known.get("inode")
            if file is not None and moved and _same_head(file.path, known):
                file.known = dict(known)

    # --- reading ------------------------------------------------------------------------------------------------------------

    def _next(self, most_rows: int) -> list[Arrival]:
        """Return arrivals up to a number of rows, file by file."""
        made: list[Arrival] = []
        rows = 0
        while rows < most_rows and self._ready:
            file = self._ready[0]
            if file.parts is None:
                try:
                    file.parts = self._begin(file)
                except OSError:
                    file.stat = (0, -1, 0)  # it is gone, or nobody may read it; the next look says
                except InputError as error:
                    self._unreadable(file, error)
                if file.parts is None:
                    self._ready.pop(0)
                    continue
            try:
                arrival = next(file.parts, None)
            except (InputError, OSError) as error:
                self._unreadable(file, error)
                arrival, file.parts, file.after = None, None, None
            if arrival is None:
                file.parts = None
                self._ready.pop(0)
                if file.pending:
                    continue
                if file.after is not None:  # everything was taken before its end was known
                    self._positions.put({file.name: self._finished(file)}, at_ns=self._clock())
                continue
            file.pending += 1
            made.append(arrival)
            rows += len(arrival.rows)
        return made

    def _begin(self, file: _File) -> Iterator[Arrival] | None:
        """Return what is to be handed over of a file now; None where there is nothing."""
        whole = self._is_whole_kind(file.path)
        return self._whole(file) if whole else self._grown(file)

    @staticmethod
    def _is_whole_kind(path: Path) -> bool:
        lower = path.name.lower()
        if lower.endswith(_WHOLE):
            return True
        if not lower.endswith(".json") or not looks_like_telemetry(path):
            return False
        with path.open("rb") as stream:
            line = stream.readline(MAX_REPLY_BYTES)
        return not (line.endswith(b"\n") and _is_json(line))  # one reply on each line is a growing file

    def _whole(self, file: _File) -> Iterator[Arrival] | None:
        known = file.known
        same = known.get("done") and [known.get("inode"), known.get("size"), known.get("changed")] == list(file.stat)
        # What could not be read is tried once by each process: it may have been told which column is which.
        if same and ("unreadable" not in known or (file.name, *file.stat) in self._tried):
            return None
        if not _has_its_end(file.path) and not self._may_end(file):
            file.waits = "its end is missing"
            return None
        file.waits = ""
        with file.path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            stat = os.fstat(stream.fileno())
        file.stat = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
        after = {"done": True, "digest": digest, "inode": stat.st_ino, "size": stat.st_size, "changed": stat.st_mtime_ns}
        if digest in self._done:
            self._counts["repeated_files"] += known.get("digest") != digest
            file.after = after
            self._positions.put({file.name: self._finished(file)}, at_ns=self._clock())
            return None
        self._counts["files"] += 1
        self._counts["replaced"] += bool(known)
        file.after = after

        def arrivals() -> Iterator[Arrival]:
            for number, (rows, rejects) in enumerate(self._reading.file(file.path)):
                yield Arrival(file.path.name, rows, rejects, f"file:{digest}:{number}", file)

        return arrivals()

    def _grown(self, file: _File) -> Iterator[Arrival] | None:
        known = file.known
        with file.path.open("rb") as stream:
            stat = os.fstat(stream.fileno())
            if known and (known.get("inode") != stat.st_ino or stat.st_size < known.get("offset", 0) or not _same_head(file.path, known)):
                self._counts["replaced"] += 1
                known = {}
            start, lines = int(known.get("offset", 0)), int(known.get("lines", 0))
            header = b""
            if file.path.name.lower().endswith(_TABLE):
                header = _header(stream)
                if not header:
                    file.waits = "" if not stat.st_size else "its first line has no end"
                    return None
                if start == 0:
                    start, lines = len(header), header.count(b"\n")
            stream.seek(start)
            data = self._piece(file, stream, start, known.get("intent"))
            stream.seek(0)
            head = stream.read(min(HEAD_BYTES, start + len(data)))
        if not data:
            return None
        end, more = start + len(data), stat.st_size > start + len(data)
        digest = hashlib.sha256(data).hexdigest()
        at = {"inode": stat.st_ino, "offset": start, "lines": lines, "head": hashlib.sha256(head).hexdigest(), "head_bytes": len(head)}
        intent = {"end": end, "digest": digest}
        if known.get("intent") != intent:
            file.known = {**at, "intent": intent}
            self._positions.put({file.name: file.known}, at_ns=self._clock())
        if not known:
            self._counts["files"] += 1
        file.after = {**at, "offset": end, "lines": lines + data.count(b"\n")}
        if more:
            file.stat = (0, -1, 0)  # the next look goes on with it
        name = file.path.name
        key = short_digest(str(start), digest, header)

        def arrivals() -> Iterator[Arrival]:
            read = self._reading.text(data, name=name, header=header, lines_before=lines)
            for number, (rows, rejects) in enumerate(pieces(read)):
                yield Arrival(name, rows, rejects, f"piece:{key}:{number}", file)

        return arrivals()

    def _piece(self, file: _File, stream: Any, start: int, intent: Mapping[str, Any] | None) -> bytes:
        """Read whole lines from where a file was taken; nothing where there are none."""
        if intent is not None:
            data: bytes = stream.read(int(intent["end"]) - start)
            if hashlib.sha256(data).hexdigest() == intent["digest"]:
                return data
            stream.seek(start)
        data = stream.read(PIECE_BYTES)
        cut = data.rfind(b"\n") + 1
        while not cut and len(data) <= MAX_REPLY_BYTES and (more := stream.read(PIECE_BYTES)):
            cut = more.find(b"\n") + 1 + len(data) if b"\n" in more else 0
            data += more
        if cut:
            file.waits = "" if cut == len(data) else "its last line has no end"
            return data[:cut]
        if len(data) > MAX_REPLY_BYTES:
            # Longer than anything that is read: passed over by the reader, which says so.
            file.waits = ""
            return data
        if data and self._may_end(file) and (self._once or file.path.name.lower().endswith(_TABLE) or _is_json(data)):
            file.waits = ""
            return data
        file.waits = "its last line has no end" if data else ""
        return b""

    def _may_end(self, file: _File) -> bool:
        """Has a file stood still for so long that nobody seems to write it any more?"""
        return self._once or time.monotonic() - file.still_since >= self._settle_s

    def _unreadable(self, file: _File, error: Exception) -> None:
        self._counts["unreadable"] += 1
        self._tried.add((file.name, *file.stat))
        inode, size, changed = file.stat
        file.known = {"done": True, "inode": inode, "size": size, "changed": changed, "unreadable": str(error)[:500]}
        file.after = None
        self._positions.put({file.name: file.known}, at_ns=self._clock())
        self._known[file.name] = file.known
        self._reading.notes.append(f"{file.name} cannot be read and is left where it is: {error}")


def _header(stream: Any) -> bytes:
    """Return a file up to the end of its first line that is not empty; nothing where that has no end."""
    held = b""
    while line := stream.readline(MAX_LINE_BYTES):
        held += line
        if not line.endswith(b"\n"):
            return b""
        if line.strip(b"\xef\xbb\xbf\r\n "):
            return held
    return b""


def _same_head(path: Path, known: Mapping[str, Any]) -> bool:
    """Does a file begin as what is known of it?"""
    if "head" not in known:
        return False
    try:
        with path.open("rb") as stream:
            head = stream.read(int(known["head_bytes"]))
    except OSError:
        return False
    return hashlib.sha256(head).hexdigest() == known["head"]


def _has_its_end(path: Path) -> bool:
    """Does a file that is read as a whole look whole?"""
    lower = path.name.lower()
    if lower.endswith(".gz"):
        try:
            with gzip.open(path, "rb") as stream:
                while stream.read(1 << 20):
                    pass
        except (EOFError, zlib.error, OSError):
            return False
        return path.stat().st_size > 0
    if lower.endswith((".parquet", ".pq")):
        try:
            pq.read_metadata(path)
        except (pa.ArrowException, OSError):
            return False
        return True
    return path.stat().st_size <= MAX_REPLY_BYTES and _is_json(path.read_bytes())


def _is_json(data: bytes) -> bool:
    try:
        msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True
