"""What a watched source gives: arrivals, each with rows, rejected rows and the key under which the desk takes it once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final, Protocol

import pyarrow as pa

from groundrule.records import OBSERVATION_SCHEMA
from groundrule.store.rejects import Rejects

ROWS: Final = 65_536
"""Most rows of one arrival: what the desk flushes and judges at once."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """Observations that arrived together.

    Attributes:
        source: what they came from, for instance the name of a file.
        rows: of `OBSERVATION_SCHEMA`.
        rejects: rows that could not be used.
        key: the same key never stands for other content; None where the same would never be read again alike.
        place: what the source itself remembers of it.
    """

    source: str
    rows: pa.Table = field(default_factory=OBSERVATION_SCHEMA.empty_table)
    rejects: Rejects = field(default_factory=Rejects)
    key: str | None = None
    place: Any = None


class Source(Protocol):
    """Something that observations arrive from; used by one thread.

    Attributes:
        name: what it is, for people; never a secret.
    """

    name: str

    @property
    def exhausted(self) -> bool:
        """Will nothing more come before somebody adds something?"""

    def take(self, wait_s: float, most_rows: int) -> Sequence[Arrival]:
        """Return what has arrived.

        Args:
            wait_s: how long to wait where nothing has [s].
            most_rows: about so many at most.
        """

    def taken(self, arrivals: Sequence[Arrival]) -> None:
        """Hear that arrivals are durable: the position is written, and then whoever sent them is told."""

    def said(self) -> Mapping[str, Any]:
        """Return what happened, in counts by name, for the status line."""

    def close(self) -> None:
        """Let everything go; what was not taken stays with whoever sent it."""


def short_digest(*parts: bytes | str) -> str:
    """Return a digest of texts [32 hex digits]; each is told apart from the next."""
    made = blake2b(digest_size=16)
    for part in parts:
        data = part.encode("utf-8", "surrogateescape") if isinstance(part, str) else part
        made.update(len(data).to_bytes(8, "little"))
        made.update(data)
    return made.hexdigest()
