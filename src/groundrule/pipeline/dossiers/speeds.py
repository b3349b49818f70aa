"""How fast a terminal was, and a refusal that waits until a limit has been passed for long enough: no change of mind."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final

import pyarrow as pa

from groundrule.evidence.dossier import DecisionRow, Phrase, Standing, Times, Value
from groundrule.instant import NS_PER_S, format_instant
from groundrule.pipeline.dossiers.acts import Said
from groundrule.pipeline.dossiers.bench import Bench
from groundrule.pipeline.dossiers.why import leaves, rule_of
from groundrule.pipeline.home import rulebook_of
from groundrule.rules.model import All, Latch

MPS_TO_KMH: Final = 3.6
MAX_TOLD: Final = 20
"""Stretches whose speeds are told: the last ones."""


def speeds_of(seen: pa.Table) -> dict[int, float]:
    """Return the speed [m/s] that was observed at each instant [ns, UTC], where there is one."""
    if not len(seen) or "speed_m_s" not in seen.column_names:
        return {}
    pairs = zip(seen.column("observed_at").to_numpy().tolist(), seen.column("speed_m_s").to_pylist(), strict=True)
    return {int(at): float(speed) for at, speed in pairs if isinstance(speed, float) and not math.isnan(speed)}


def measured(rows: Sequence[DecisionRow], speeds: Mapping[int, float]) -> Iterator[Said]:
    """Yield how fast it was in each of the last stretches of equal answers."""
    for row in rows[-MAX_TOLD:]:
        mine = [round(speed * MPS_TO_KMH) for at, speed in speeds.items() if row.first_ns <= at <= row.last_ns]
        if not mine:
            continue
        values: dict[str, Value] = {
            "from": format_instant(row.first_ns), "to": format_instant(row.last_ns), "fastest": max(mine), "outcome": f"code:{row.outcome}"
        }  # fmt: skip
        if (even := min(mine) == max(mine)) is False:
            values["slowest"] = min(mine)
        key = "measured_speed_even" if even else "measured_speed"
        yield Said(Phrase(key, values), Standing.INFERENCE, Times(observed_at_ns=row.first_ns))


def waits(bench: Bench, rows: Sequence[DecisionRow], speeds: Mapping[int, float]) -> Iterator[Said]:
    """Yield a sentence where an answer changed only because a limit had then been passed for as long as its rule wants."""
    for before, after in list(pairwise(rows))[-MAX_TOLD:]:
        if before.rulebook != after.rulebook or before.outcome == after.outcome or (rule := rule_of(bench, after)) is None:
            continue
        for latch in leaves(All((rule.where, rule.who, rule.what))):
            if not isinstance(latch, Latch) or latch.attribute != "speed_m_s" or not latch.for_s:
                continue
            gap_ns = round(rulebook_of(bench.home, after.rulebook).assumptions.max_gap_s * NS_PER_S)
            since = _above_since(speeds, latch.above, after.first_ns, gap_ns)
            # Only where it was as fast already while it was answered otherwise, and the wait is over at the change.
            if since is None or not before.first_ns <= since <= before.last_ns or after.first_ns - since < latch.for_s * NS_PER_S:
                continue
            values: dict[str, Value] = {
                "before": f"code:{before.outcome}", "after": f"code:{after.outcome}", "rule": after.rule,
                "at": format_instant(after.first_ns), "seconds": round(latch.for_s), "since": format_instant(since),
            }  # fmt: skip
            yield Said(Phrase("rule_waits", values), Standing.INFERENCE, Times(observed_at_ns=after.first_ns))


def _above_since(speeds: Mapping[int, float], limit: float, until_ns: int, gap_ns: int) -> int | None:
    """The first of the observations up to an instant that were all above a limit [m/s], without a gap that says nothing about speed."""
    since = None
    for at in sorted((each for each in speeds if each <= until_ns), reverse=True):
        if speeds[at] <= limit or (since is not None and since - at > gap_ns):
            break
        since = at
    return since
