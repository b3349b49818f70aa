"""What a log is given, and what it gives back once that is durable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from groundrule.ledger.entry import CRITICAL, MAX_SEQ, Entry

LAST_TIME = "9999-12-31T23:59:59.999Z"


@dataclass(frozen=True, slots=True)
class Item:
    """What is to be recorded; the log adds number and time.

    Attributes:
        kind, stream, body: as in `Entry`.
    """

    kind: str
    stream: str
    body: dict[str, Any]

    def check(self) -> None:
        """Raise InputError if no log could take it."""
        Entry(self.kind, self.stream, MAX_SEQ, LAST_TIME, self.body).encode()


@dataclass(frozen=True, slots=True)
class Appended:
    """Entries that are durable and integrated.

    Attributes:
        first_index: index of the first.
        entries: their bytes, in order.
        size: entries in the log afterwards; those of others may be among them.
        kinds: kind of each; empty in a raw log.
    """

    first_index: int
    entries: tuple[bytes, ...]
    size: int
    kinds: tuple[str, ...]

    @property
    def critical(self) -> bool:
        """Does one of them make something effective, and must therefore wait until `Log.accepted_size` reaches it?"""
        return not CRITICAL.isdisjoint(self.kinds)

    @property
    def indexes(self) -> range:
        """Their indexes in the log."""
        return range(self.first_index, self.first_index + len(self.entries))

    def part(self, start: int, count: int) -> Appended:
        """Return `count` of them from the one at `start`, as if they had been recorded alone."""
        return Appended(
            self.first_index + start, self.entries[start : start + count], self.size, self.kinds[start : start + count]
        )
