"""The log as it was when the interval ended: how long it is, what it holds, and in which minutes nobody said anything."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from groundrule.evidence.dossier import LogHead, Source
from groundrule.govern.signed import parse_time
from groundrule.govern.state import State
from groundrule.instant import NS_PER_S
from groundrule.ledger.audit.conduct import Conduct, Finding
from groundrule.pipeline.dossiers.bench import Bench

MINUTE_NS = 60 * NS_PER_S


@dataclass(frozen=True, slots=True)
class LogView:
    """What the log says until the end of an interval.

    Attributes:
        head: origin, number of entries before the end, and their root.
        state: governance, folded from those entries. first_index: first entry in the interval; `size` where there is none.
        kinds: entries in the interval, by kind.
        indexes: places of governing entries and of erasures and corrections in the interval, by kind.
        began_ns: time of the first entry [ns, UTC]; None where there is no entry.
        minutes: whole minutes of the interval since the log began; `silent` of them without heartbeat or batch.
            findings: facts of the log in the interval that should not be there, by the audit's own rules.
        aggregates: published daily aggregates that the whole log names: day to SHA-256.
    """

    head: LogHead
    state: State
    kinds: Mapping[str, int] = field(default_factory=dict)
    indexes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    began_ns: int | None = None
    minutes: int = 0
    silent: int = 0
    findings: tuple[Finding, ...] = ()
    aggregates: Mapping[str, str] = field(default_factory=dict)

    def sources(self, *kinds: str) -> tuple[Source, ...]:
        """Return the entries of some kinds in the interval, in their order."""
        found = sorted(index for kind in kinds for index in self.indexes.get(kind, ()))
        return tuple(Source("log_entry", f"entry:{index}") for index in found)


_LISTED = frozenset(
    {"request", "proposal", "approval", "rejection", "enactment", "emergency-open", "emergency-close", "review", "contact",
     "contact-update", "screening", "charter", "erasure", "correction", "snapshot-published"}
)  # fmt: skip


def view_log(bench: Bench, from_ns: int, until_ns: int) -> LogView:
    """Read the entries before `until_ns`; those from `from_ns` on are counted.

    Entries count by the log's own clock. From the first one at or after the end on only daily
    aggregates are noted, which come later by their nature.
    """
    if bench.log is None:
        return LogView(LogHead(), State())
    size = bench.log.integrated_size or bench.head.size
    tree = bench.log.tree(size)
    conduct, kinds, indexes = Conduct(), dict[str, int](), dict[str, list[int]]()
    spoken: set[int] = set()
    aggregates: dict[str, str] = {}
    began_ns: int | None = None
    end, before, over = 0, 0, False
    for index, data in enumerate(tree.entries()):
        entry = json.loads(data)
        t_ns = parse_time(entry["t"])
        if over or t_ns >= until_ns:
            over = True  # daily aggregates are published after the end
            _aggregate(aggregates, entry)
            continue
        end, began_ns = index + 1, t_ns if began_ns is None else began_ns
        conduct.take(index, entry)
        if t_ns < from_ns:
            before = len(conduct.findings)
        kind, body = entry["kind"], entry["body"]
        if kind in ("heartbeat", "decision-batch"):
            spoken.add(parse_time(body["minute"]) // MINUTE_NS)
        _aggregate(aggregates, entry)
        if t_ns >= from_ns:
            kinds[kind] = kinds.get(kind, 0) + 1
            if kind in _LISTED:
                indexes.setdefault(kind, []).append(index)
    minutes, silent = _silence(spoken, began_ns, from_ns, until_ns)
    root = tree.root_at(end).hex() if end else ""
    return LogView(
        LogHead(bench.log.origin or bench.head.origin, end, root),
        bench.state.as_of(end),
        dict(sorted(kinds.items())),
        {kind: tuple(some) for kind, some in indexes.items()},
        began_ns,
        minutes,
        silent,
        tuple(conduct.findings[before:]),
        aggregates,
    )


def _aggregate(found: dict[str, str], entry: Mapping[str, Any]) -> None:
    """Take down what the log says about a published daily aggregate."""
    if entry["kind"] == "evidence" and entry["body"].get("what") == "aggregate":
        found[str(entry["body"].get("day"))] = str(entry["body"].get("sha256"))


def _silence(spoken: set[int], began_ns: int | None, from_ns: int, until_ns: int) -> tuple[int, int]:
    """Whole minutes of the interval since the log began, and how many of them nothing was said about."""
    if began_ns is None:
        return 0, 0
    first = -(-max(from_ns, began_ns) // MINUTE_NS)
    last = until_ns // MINUTE_NS
    minutes = max(0, last - first)
    return minutes, minutes - sum(first <= each < last for each in spoken)

