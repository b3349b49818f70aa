"""Are the entries of a Groundrule log what they must be, one after the other?

Canonical JSON, version and kind known, `seq` without gap or repeat and `t` never decreasing within each stream. This runs
over every entry of a log: a stream's name or a day that was well formed once is not looked at again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
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
_DAY = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{3}Z")


@dataclass(slots=True)
class StreamEnd:
    """Where a stream stands.

    Attributes:
        next_seq: number that the next entry must have.
        t: time of the last entry, as written.
    """

    next_seq: int = 0
    t: str = ""
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
        self._day = ""

    def feed(self, first: int, entries: Iterable[bytes | None]) -> None:
        """Check the entries that follow; `first` is the index of the first one.

        After an entry that is None or unreadable, the next `seq` of each stream may be higher than expected, once.
        """
        streams, on_entry = self.streams, self._on_entry
        for index, data in enumerate(entries, first):
            if data is None:
                self._gaps += 1
                continue
            try:
                entry = self._read(data)
            except InputError as error:
                self._fault(index, "bad-entry", error.message)
                self._gaps += 1
                continue
            name, seq, t = entry["stream"], entry["seq"], entry["t"]
            end = streams.get(name)
            if end is None:
                end = streams[name] = StreamEnd()
            if seq != end.next_seq and not (seq > end.next_seq and end.seen != self._gaps):
                self._fault(index, "gap-seq", _misnumbered(name, seq, end.next_seq))
            if t < end.t:
                self._fault(index, "order", f"time {t} in stream `{name}` is before {end.t} of the entry before it")
            else:
                end.t = t
            end.seen = self._gaps
            if seq >= end.next_seq:
                end.next_seq = seq + 1
            if on_entry is not None:
                on_entry(index, entry)

    def _read(self, data: bytes) -> dict[str, Any]:
        if len(data) > MAX_BYTES:
            raise InputError(f"the entry has {len(data)} bytes, more than {MAX_BYTES}")
        entry = parse_canonical(data)
        if type(entry) is not dict or entry.keys() != _KEYS:
            raise InputError("the entry is not an object with exactly v, kind, stream, seq, t and body")
        version, kind, name, seq, t = entry["v"], entry["kind"], entry["stream"], entry["seq"], entry["t"]
        if type(version) is not int or version != 1:
            raise InputError(f"version `{version!r:.40}` is not 1")
        if type(kind) is not str or kind not in KINDS:
            raise InputError(f"kind `{kind!s:.40}` is unknown")
        if type(seq) is not int or seq < 0:
            raise InputError(f"seq `{seq!r:.40}` is not a whole number from 0")
        if type(name) is not str or (name not in self.streams and _STREAM.fullmatch(name) is None):
            raise InputError(f"stream `{name!s:.80}` is not the name of a stream")
        if type(t) is not str or _TIME.fullmatch(t, 10) is None or (t[:10] != self._day and not self._is_day(t[:10])):
            raise InputError(f"t `{t!s:.40}` is not a time such as 2026-02-01T00:00:00.000Z")
        if type(entry["body"]) is not dict:
            raise InputError("the body is not an object")
        return entry

    def _is_day(self, text: str) -> bool:
        try:
            if _DAY.fullmatch(text) is None:
                return False
            date.fromisoformat(text)
        except ValueError:
            return False
        self._day = text  # the next entries will be of the same day
        return True


def _misnumbered(stream: str, seq: int, expected: int) -> str:
    what = f"seq {seq} in stream `{stream}` instead of {expected}"
    if seq < expected:
        return f"{what}: a number is used twice"
    return f"{what}: {seq - expected} {'entry is' if seq == expected + 1 else 'entries are'} missing"
