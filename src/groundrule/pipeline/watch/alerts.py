"""Alerts that opened and closed: the source tells which are active in each interval, and nothing of what was before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from groundrule.instant import NS_PER_DAY
from groundrule.pipeline.watch.arrivals import short_digest
from groundrule.store.alerts import ALERT_SCHEMA, ALERTS
from groundrule.store.home import Home

REMEMBERED_NS: Final = 90 * NS_PER_DAY
"""Alerts that opened longer ago count as closed at a start [ns]."""


class Alerts:
    """Alerts that are open, by terminal.

    Args:
        home: what was worked out before is read from it.
        now_ns: [ns, UTC].
    """

    def __init__(self, home: Home, now_ns: int) -> None:
        self._open: dict[str, dict[int, int]] = {}
        self._seen: dict[str, int] = {}
        for row in ALERTS.read(home, from_ns=now_ns - REMEMBERED_NS, columns=("code", "change", "opened_at")).to_pylist():
            known = self._open.setdefault(row["terminal_id"], {})
            if row["change"] == "opened":
                known[row["code"]] = row["opened_at"]
            else:
                known.pop(row["code"], None)
            self._seen[row["terminal_id"]] = max(row["at"], self._seen.get(row["terminal_id"], 0))
        self._open = {who: known for who, known in self._open.items() if known}
        self._seen = {who: at for who, at in self._seen.items() if who in self._open}

    @property
    def open(self) -> int:
        """How many are open."""
        return sum(len(each) for each in self._open.values())

    def update(self, rows: pa.Table, names: Mapping[str, str]) -> pa.Table:
        """Take observations and return what opened and closed (ALERT_SCHEMA).

        Args:
            rows: of OBSERVATION_SCHEMA; `alerts` that are unknown change nothing, and neither does what is behind what is known.
            names: of codes, as the reply gives them.
        """
        active = pc.fill_null(pc.greater(pc.list_value_length(rows["alerts"]), 0), False)
        if self._open:
            active = pc.or_(active, pc.is_in(rows["terminal_id"], value_set=pa.array(list(self._open), pa.string())))
        chosen = rows.select(["terminal_id", "observed_at", "alerts"]).filter(active).sort_by("observed_at")
        made: list[dict[str, Any]] = []
        for who, at, codes in zip(*(column.to_pylist() for column in chosen.columns), strict=True):
            if codes is None or at <= self._seen.get(who, -1):
                continue
            known = self._open.get(who, {})
            now = set(codes)
            for code in sorted(now - known.keys()):
                known[code] = at
                made.append(_row(who, at, code, "opened", at, names))
            for code in sorted(known.keys() - now):
                made.append(_row(who, at, code, "closed", known.pop(code), names))
            if known:
                self._open[who], self._seen[who] = known, at
            else:
                self._open.pop(who, None)
                self._seen.pop(who, None)
        return pa.Table.from_pylist(made, schema=ALERT_SCHEMA)


def _row(who: str, at: int, code: int, change: str, opened_at: int, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "terminal_id": who, "at": at, "alert_id": short_digest(who, str(code), str(at), change), "code": code, "name": names.get(str(code)),
        "change": change, "opened_at": opened_at,
    }  # fmt: skip
