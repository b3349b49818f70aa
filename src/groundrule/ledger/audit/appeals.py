"""Which appeals of terminal owners wait too long for an answer, from the log alone.

An appeal is a `request` entry with `appeal_of`. It says itself until when an answer is due, and no appeal has more than 14
days (docs/appeals.md). Any outcome counts as an answer here; whether it was a good one is not a monitor's question.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from groundrule.errors import InputError
from groundrule.ledger.entry import check_time

MOST_S = 14 * 86_400
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Appeals:
    """Appeals without an answer so far: index of the entry and due time [s since 1970] by the id of the request."""

    waiting: dict[str, tuple[int, int]] = field(default_factory=dict)

    def take(self, index: int, t_s: int, body: Mapping[str, Any]) -> None:
        """Take up a `request` entry; one that is malformed is not an appeal, and governance refuses it."""
        name = body.get("id")
        if not isinstance(name, str):
            return
        if "requester" not in body:
            self.waiting.pop(name, None)
        elif body.get("appeal_of") is not None and name not in self.waiting:
            self.waiting[name] = (index, min([t_s + MOST_S, *_until(body.get("ask"))]))

    def overdue(self, now_s: int) -> list[tuple[str, int, int]]:
        """Return the id, the entry and the seconds beyond its time of each that is late."""
        return [(name, index, now_s - due) for name, (index, due) in self.waiting.items() if now_s >= due]

    def copy(self) -> Appeals:
        """Return appeals that can be taken further without changing these."""
        return Appeals(dict(self.waiting))


def _until(asks: object) -> list[int]:
    found = []
    for ask in asks if isinstance(asks, list) else ():
        until = ask.get("until") if isinstance(ask, Mapping) and ask.get("op") == "review" else None
        if isinstance(until, str):
            try:
                check_time(until)
            except InputError:
                continue
            since = datetime.fromisoformat(until) - _EPOCH
            found.append(since.days * 86_400 + since.seconds)
    return found
