"""What other terminals were answered in the same areas at the same time: a rule that hits one and spares another is seen only so."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from groundrule.evidence.dossier import DecisionRow, Phrase, Standing, Times, Value
from groundrule.instant import NS_PER_S, format_instant
from groundrule.pipeline.dossiers.acts import Said
from groundrule.pipeline.dossiers.bench import Bench
from groundrule.pipeline.manifests import runs
from groundrule.store.history import day_files, read_terminals
from groundrule.store.places import dataset_of

MAX_OTHERS = 5
"""Terminals told of; those answered otherwise first."""
LONGEST_NS = 3_600 * NS_PER_S
MAX_FILES = 24
MAX_STRETCHES = 3
"""Stretches told of one other terminal: the last ones."""
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
    ranked = sorted(found.items(), key=lambda pair: (pair[1][-1].outcome == row.outcome, pair[0]))
    return tuple(_said(bench, row, name, each) for name, answers in ranked[:MAX_OTHERS] for each in answers[-MAX_STRETCHES:])


def beside(bench: Bench, rows: Sequence[DecisionRow], protected: str) -> Iterator[Said]:
    """Yield a sentence that sets the last refusal beside one who was served there then, both with their speeds.

    Args:
        protected: class that the terminal is registered as; empty where it is not protected.
    """
    row = next((each for each in reversed(rows) if each.outcome == "deny"), None)
    own = None if row is None else _speed(bench, row.terminal_id, row.last_ns)
    if row is None or own is None:
        return
    faster = [each.phrase.values for each in _beside(bench, row) if each.phrase.key in ("others_there", "others_there_once")]
    served = [each for each in faster if each["outcome"] == "code:serve" and isinstance(each["speed"], int)]
    for each in sorted(served, key=lambda each: (-int(each["speed"] or 0), str(each["other"])))[:1]:
        names = ("other", "speed", "areas", "from", "to")
        values: dict[str, Value] = {name: each[name] for name in names} | {"own": own, "rule": row.rule}
        if protected:
            values["class"] = protected
        key = "beside_protected" if protected else "beside_other"
        yield Said(Phrase(key, values), Standing.INFERENCE, Times(observed_at_ns=row.last_ns), ("answered_otherwise",))


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Equal answers of another terminal, from its first observation to its last."""

    first_ns: int
    last_ns: int
    outcome: str
    rule: str


def _decided(bench: Bench, row: DecisionRow, start: int, places: set[str]) -> dict[str, list[_Stretch]]:
    """Stretches of equal answers of each other terminal in one of some areas, oldest first, within the time of a row."""
    days = {format_instant(at)[:10] for at in (start, row.last_ns)}
    committed = runs(bench.home)
    hours = {f"hour={format_instant(at)[11:13]}" for at in (start, row.last_ns)} | {"hour=00-23"}
    paths = [path for day in sorted(days) for _, _, path in day_files(bench.home, "decisions", day, runs=committed)]
    files = [path for path in paths if path.parent.name in hours]
    if not files or len(files) > MAX_FILES:
        return {}
    field = pc.field
    wanted = (field("observed_at") >= start) & (field("observed_at") <= row.last_ns) & (field("terminal_id") != row.terminal_id)
    columns = ["terminal_id", "observed_at", "outcome", "rule", "areas"]
    table = pa.concat_tables([dataset_of(path).to_table(columns=columns, filter=wanted) for path in files], promote_options="permissive")
    answers: dict[str, dict[int, tuple[str, str]]] = defaultdict(dict)
    for each in table.to_pylist():
        if places & {area["id"] for area in each["areas"]}:
            # Of several decisions about one observation the last run's counts: a correction replaces what it corrects.
            answers[each["terminal_id"]][int(each["observed_at"])] = str(each["outcome"]), str(each["rule"])
    found: dict[str, list[_Stretch]] = defaultdict(list)
    for name, mine in answers.items():
        for at, (outcome, rule) in sorted(mine.items()):
            last = found[name][-1] if found[name] else None
            if last is not None and (last.outcome, last.rule) == (outcome, rule):
                found[name][-1] = replace(last, last_ns=at)
            else:
                found[name].append(_Stretch(at, at, outcome, rule))
    return found


def _speed(bench: Bench, name: str, at_ns: int) -> int | None:
    """Speed at the last observation up to an instant [km/h]; None where it is not known."""
    seen = read_terminals(bench.home, "observations", [name], runs=runs(bench.home), until_ns=at_ns)
    speed = seen.column("speed_m_s")[-1].as_py() if len(seen) and "speed_m_s" in seen.column_names else None
    return round(speed * _MPS_TO_KMH) if isinstance(speed, float) and not math.isnan(speed) else None


def _said(bench: Bench, row: DecisionRow, name: str, stretch: _Stretch) -> Said:
    speed = _speed(bench, name, stretch.last_ns)
    values: dict[str, Value] = {
        "other": name,
        "outcome": f"code:{stretch.outcome}",
        "rule": stretch.rule,
        "areas": ", ".join(each for each in row.areas if not each.startswith(_WIDE)),
        "from": format_instant(stretch.first_ns),
        "to": format_instant(stretch.last_ns),
        "speed": speed,
    }
    flags = ("answered_otherwise",) if stretch.outcome != row.outcome else ()
    once = stretch.first_ns == stretch.last_ns
    key = ("others_there_once" if once else "others_there") if speed is not None else (
        "others_there_once_still" if once else "others_there_still")  # fmt: skip
    return Said(Phrase(key, values), Standing.INFERENCE, Times(observed_at_ns=stretch.last_ns), flags)
