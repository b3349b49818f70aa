"""Are the entries of a Groundrule log what they must be, one after the other?

Canonical JSON, version and kind known, `seq` without gap or repeat and `t` never decreasing within each stream. This runs
over every entry of a log: whatever was seen to be well formed once (a stream's name, a day) is not looked at again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import Any

from groundrule.canon import parse_canonical
from groundrule.errors import InputError
from groundrule.ledger.entry import KINDS, MAX_BYTES

OnFault = Callable[[int, str, str], None]
"""Takes the index of an entry, `bad-entry`, `gap-seq` or `order`, and what is wrong."""
OnEntry = Callable[[int, dict[str, Any]], None]
"""Takes the index of an entry that is well formed and the entry."""

_KEYS = frozenset({"v", "kind", "stream", "seq", "t", "body"})
_STREAM = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_TIME = re.compile(r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{3}Z")


@dataclass(slots=True)
class StreamEnd:
    """Where a stream stands.

    Attributes:
        next_seq: number that the next entry must have.
        t: time of the last entry, as written.
        kinds: number of entries by kind.
    """

    next_seq: int = 0
    t: str = ""
    kinds: dict[str, int] = field(default_factory=dict)
    seen: int = 0
    """Stretches of unreadable entries before the last entry; after one more, `seq` may have risen unseen."""


class SequenceCheck:
    """Checks entries in the order of the log.

    Args:
        fault: called with each entry that is wrong.
        on_entry: called with each entry that can be read.
        streams: where the streams stand before the first entry; none for the beginning of a log.
    """

    def __init__(
        self,
        fault: OnFault,
        on_entry: OnEntry | None = None,
        streams: dict[str, StreamEnd] | None = None,
    ) -> None:
        self.streams: dict[str, StreamEnd] = streams or {}
        self._fault, self._on_entry = fault, on_entry
        self._gaps = 0

    def missing(self) -> None:
        """Entries could not be read: the next `seq` of each stream may be higher than expected, once."""
        self._gaps += 1

    def feed(self, first: int, entries: Iterable[bytes]) -> None:
        """Check the entries that follow; `first` is the index of the first one."""
        streams, on_entry = self.streams, self._on_entry
        for index, data in enumerate(entries, first):
            try:
                entry = _read(data)
            except InputError as error:
                self._fault(index, "bad-entry", error.message)
                self._gaps += 1
                continue
            stream = streams.get(entry["stream"])
            if stream is None:
                stream = streams[entry["stream"]] = StreamEnd()
            seq, t, kind = entry["seq"], entry["t"], entry["kind"]
            if seq != stream.next_seq and not (seq > stream.next_seq and stream.seen != self._gaps):
                self._fault(index, "gap-seq", _misnumbered(entry["stream"], seq, stream.next_seq))
            if t < stream.t:
                self._fault(
                    index,
                    "order",
                    f"time {t} in stream `{entry['stream']}` is before {stream.t} of the entry before it",
                )
            else:
                stream.t = t
            stream.seen = self._gaps
            stream.next_seq = max(seq + 1, stream.next_seq)
            stream.kinds[kind] = stream.kinds.get(kind, 0) + 1
            if on_entry is not None:
                on_entry(index, entry)


def _read(data: bytes) -> dict[str, Any]:
    if len(data) > MAX_BYTES:
        raise InputError(f"the entry has {len(data)} bytes, more than {MAX_BYTES}")
    entry = parse_canonical(data)
    if type(entry) is not dict or entry.keys() != _KEYS:
        raise InputError("the entry is not an object with exactly v, kind, stream, seq, t and body")
    seq, t = entry["seq"], entry["t"]
    if type(entry["v"]) is not int or entry["v"] != 1:
        raise InputError(f"version `{entry['v']!r:.40}` is not 1")
    if type(entry["kind"]) is not str or entry["kind"] not in KINDS:
        raise InputError(f"kind `{entry['kind']!s:.40}` is unknown")
    if type(seq) is not int or seq < 0:
        raise InputError(f"seq `{seq!r:.40}` is not a whole number from 0")
    if type(entry["stream"]) is not str or not _good_stream(entry["stream"]):
        raise InputError(f"stream `{entry['stream']!s:.80}` is not the name of a stream")
    if type(t) is not str or not _good_day(t[:10]) or _TIME.fullmatch(t, 10) is None:
        raise InputError(f"t `{t!s:.40}` is not a time such as 2026-02-01T00:00:00.000Z")
    if type(entry["body"]) is not dict:
        raise InputError("the body is not an object")
    return entry


@lru_cache(maxsize=1024)
def _good_stream(name: str) -> bool:
    return _STREAM.fullmatch(name) is not None


@lru_cache(maxsize=1024)
def _good_day(day: str) -> bool:
    try:
        return re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", day) is not None and bool(date.fromisoformat(day))
    except ValueError:
        return False


def _misnumbered(stream: str, seq: int, expected: int) -> str:
    what = f"seq {seq} in stream `{stream}` instead of {expected}"
    if seq < expected:
        return f"{what}: a number is used twice"
    return f"{what}: {seq - expected} {'entry is' if seq == expected + 1 else 'entries are'} missing"
