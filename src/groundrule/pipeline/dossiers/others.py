"""What other terminals were answered in the same areas at the same time: a rule that hits one and spares another is seen only so."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from groundrule.evidence.dossier import DecisionRow, Phrase, Standing, Times, Value
from groundrule.instant import NS_PER_S, format_instant
from groundrule.pipeline.dossiers.acts import Said
from groundrule.pipeline.dossiers.bench import Bench
from groundrule.pipeline.manifests import runs
from groundrule.store.history import day_files, read_terminals

MAX_OTHERS = 5
"""Terminals told of; those answered otherwise first."""
LONGEST_NS = 3_600 * NS_PER_S
MAX_FILES = 24
_WIDE = ("country:", "land", "sea")
_MPS_TO_KMH = 3.6


def others(bench: Bench, rows: Sequence[DecisionRow]) -> tuple[Said, ...]:
    """Return sentences about other terminals in the same areas, in the last hour of the last refusal and of the last answer.

    Areas that are a whole country, or all land or sea, do not count as the same place.
    """
    refused = [row for row in rows if row.outcome == "deny"]
    return tuple(said for row in dict.fromkeys((*refused[-1:], *rows[-1:])) for said in _beside(bench, row))


def _beside(bench: Bench, row: DecisionRow) -> tuple[Said, ...]:
    places = {each for each in row.areas if not each.startswith(_WIDE)}
    if not places:
        return ()
    start = max(row.first_ns, row.last_ns - LONGEST_NS)
    found = _decided(bench, row, start, places)
    ranked = sorted(found.items(), key=lambda pair: (pair[1][1] == row.outcome, pair[0]))
    return tuple(_said(bench, row, start, name, *answer) for name, answer in ranked[:MAX_OTHERS])


def _decided(bench: Bench, row: DecisionRow, start: int, places: set[str]) -> dict[str, tuple[int, str, str]]:
    """Last answer of each other terminal that was in one of some areas: (when, outcome, rule)."""
    days = {format_instant(at)[:10] for at in (start, row.last_ns)}
    committed = runs(bench.home)
    hours = {f"hour={format_instant(at)[11:13]}" for at in (start, row.last_ns)} | {"hour=00-23"}
    found = [path for day in sorted(days) for _, _, path in day_files(bench.home, "decisions", day, runs=committed)]
    files = [path for path in found if path.parent.name in hours]
    if not files or len(files) > MAX_FILES:
        return {}
    field = pc.field
    wanted = (field("observed_at") >= start) & (field("observed_at") <= row.last_ns) & (field("terminal_id") != row.terminal_id)
    columns = ["terminal_id", "observed_at", "outcome", "rule", "areas"]
    table: pa.Table = ds.dataset(files, format="parquet").to_table(columns=columns, filter=wanted)
    newest: dict[str, tuple[int, str, str]] = {}
    for each in table.to_pylist():
        if places & {area["id"] for area in each["areas"]}:
            held = newest.get(each["terminal_id"])
            if held is None or held[0] <= each["observed_at"]:
                newest[each["terminal_id"]] = int(each["observed_at"]), str(each["outcome"]), str(each["rule"])
    return newest


def _said(bench: Bench, row: DecisionRow, start: int, name: str, at: int, outcome: str, rule: str) -> Said:
    seen = read_terminals(bench.home, "observations", [name], runs=runs(bench.home), until_ns=at)
    speed = seen.column("speed_m_s")[-1].as_py() if len(seen) and "speed_m_s" in seen.column_names else None
    known = isinstance(speed, float) and not math.isnan(speed)
    values: dict[str, Value] = {
        "other": name,
        "outcome": f"code:{outcome}",
        "rule": rule,
        "areas": ", ".join(each for each in row.areas if not each.startswith(_WIDE)),
        "from": format_instant(start),
        "to": format_instant(row.last_ns),
        "speed": round(speed * _MPS_TO_KMH) if isinstance(speed, float) and known else None,
    }
    flags = ("answered_otherwise",) if outcome != row.outcome else ()
    return Said(Phrase("others_there" if known else "others_there_still", values), Standing.INFERENCE, Times(observed_at_ns=at), flags)
