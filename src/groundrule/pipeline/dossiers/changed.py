"""Whose answers were others under a change than before it, counted over stored decisions; why they were is not told by counting.

A change of the rulebook lies between two reigns. Of each terminal the last answer under the rulebook before is set beside its last
answer under the one that the change brought, in the runs nearest to the change, and no more rows than a dossier can wait for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator
from itertools import pairwise
from typing import Final

import pyarrow as pa

from groundrule.evidence.dossier import Phrase, Standing, Times, Value
from groundrule.pipeline.dossiers.acts import Said
from groundrule.pipeline.dossiers.bench import Bench
from groundrule.pipeline.dossiers.reigns import Reign, reigns
from groundrule.pipeline.manifests import read_manifest, runs
from groundrule.store.history import read_run
from groundrule.store.home import Home

MAX_ROWS: Final = 1_000_000
"""Stored decisions that are read on each side of a change: about a second's work."""
MAX_KINDS: Final = 12
_COLUMNS: Final = ["terminal_id", "observed_at", "outcome"]


def changed_answers(bench: Bench, proposals: Container[str], *, max_rows: int = MAX_ROWS) -> Iterator[tuple[str, Said]]:
    """Yield (proposal, sentence) about the answers before and under each of some changes that brought another rulebook."""
    for before, after in pairwise(reigns(bench.home)):
        if after.brought_by not in proposals or after.from_ns is None:
            continue
        at = Times(recorded_at_ns=after.from_ns)
        short: Value = after.brought_by[:16]
        old, new = _runs_around(bench.home, before, after, max_rows)
        if old is None or new is None:
            values: dict[str, Value] = {"proposal": short, "limit": max_rows}
            yield after.brought_by, Said(Phrase("change_too_many", values), Standing.UNKNOWN, at)
            continue
        was, became = _last_answers(bench.home, old), _last_answers(bench.home, new)
        both = was.keys() & became.keys()
        if not both:
            yield after.brought_by, Said(Phrase("change_not_met", {"proposal": short}), Standing.UNKNOWN, at)
            continue
        moved = Counter((was[each], became[each]) for each in both if was[each] != became[each])
        values = {"proposal": short, "terminals": len(both), "moved": moved.total()}
        yield after.brought_by, Said(Phrase("change_answers", values), Standing.INFERENCE, at)
        counts = bench.state.proposals[after.brought_by].impact.counts
        foreseen = any(first != then and sum(cells.values()) for first, row in counts.items() for then, cells in row.items())
        if moved and not foreseen:
            values = {"proposal": short, "number": moved.total()}
            yield after.brought_by, Said(Phrase("preview_missed", values), Standing.INFERENCE, at, ("contradiction",))
        for (old_answer, new_answer), number in moved.most_common(MAX_KINDS):
            values = {"proposal": short, "number": number, "before": f"code:{old_answer}", "after": f"code:{new_answer}"}
            yield after.brought_by, Said(Phrase("change_moved", values), Standing.INFERENCE, at)


def _runs_around(home: Home, before: Reign, after: Reign, max_rows: int) -> tuple[list[int] | None, list[int] | None]:
    """Runs under the rulebook before a change and under the one after it, the nearest to it; None where one run alone is too much."""
    assert after.from_ns is not None
    old, new = list[tuple[int, int]](), list[tuple[int, int]]()
    for run in runs(home):
        manifest = read_manifest(home, run)
        at, rows = int(manifest["recorded_at_ns"]), int(manifest["decisions"]["rows"])
        if manifest["rulebook"] == before.rulebook and at < after.from_ns:
            old.append((run, rows))
        elif manifest["rulebook"] == after.rulebook and at >= after.from_ns and (after.until_ns is None or at < after.until_ns):
            new.append((run, rows))
    return _nearest(reversed(old), max_rows), _nearest(new, max_rows)


def _nearest(some: Iterable[tuple[int, int]], max_rows: int) -> list[int] | None:
    taken: list[int] = []
    for run, rows in some:
        max_rows -= rows
        if max_rows < 0:
            return sorted(taken) or None
        taken.append(run)
    return sorted(taken)


def _last_answers(home: Home, some: Iterable[int]) -> dict[str, str]:
    """The outcome of the newest observation of each terminal; of several decisions about it the last, since a correction replaces."""
    found: dict[str, tuple[int, str]] = {}
    for run in some:
        for corrections in (False, True):
            for table in read_run(home, "decisions", run, corrections=corrections, columns=_COLUMNS):
                for terminal, at, outcome in _newest(table):
                    held = found.get(terminal)
                    if held is None or at >= held[0]:
                        found[terminal] = at, outcome
    return {terminal: outcome for terminal, (_, outcome) in found.items()}


def _newest(table: pa.Table) -> Iterator[tuple[str, int, str]]:
    """The newest row of each terminal of a table."""
    plain = pa.table(
        {"terminal_id": table.column("terminal_id").cast(pa.string()), "at": table.column("observed_at").cast(pa.int64()),
         "outcome": table.column("outcome").cast(pa.string())}
    )  # fmt: skip
    last = plain.sort_by("at").group_by("terminal_id", use_threads=False).aggregate([("at", "last"), ("outcome", "last")])
    columns = (last.column(name).to_pylist() for name in ("terminal_id", "at_last", "outcome_last"))
    yield from zip(*columns, strict=True)
