"""What detection found and missed of a simulation whose truth is known, and what it said of the innocent.

A behaviour is found at a terminal that does it when a signal of that kind is raised about it. Whatever is said of an innocent is
false, except what is true and no accusation: that it crossed a border, or that its plan does not allow its speed. Signals about
service are about the operator and accuse no terminal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from groundrule.detect.cases import Case
from groundrule.detect.signals import KINDS, Signal

MOVES_M_S: Final = 5.0
"""From here on a terminal has begun to move [m/s]."""
PLAIN_FACTS: Final = frozenset({"border_crossing", "control_line_crossing", "over_speed", "moving_without_plan", "roaming_beyond_limits"})
"""Signals that state a fact that may be true of innocents too; they are counted apart."""
_ABOUT_NOBODY: Final = frozenset(kind.name for kind in KINDS.values() if kind.cause in {"data", "service"})


@dataclass(frozen=True, slots=True)
class Finding:
    """One behaviour.

    Attributes:
        kind: of the signals. present: terminals that do it. found: of them, those with a signal of that kind.
        in_cases: of them, those in a case that is shown, of whatever kind.
        delay_s: median and longest time from when it began to the first signal [s]; None where nothing was found.
    """

    kind: str
    present: int
    found: int
    in_cases: int
    delay_s: tuple[float, float] | None

    @property
    def missed(self) -> int:
        """Terminals that do it and have no signal of that kind."""
        return self.present - self.found


@dataclass(frozen=True, slots=True)
class Innocents:
    """One kind of innocent terminals.

    Attributes:
        kind: as the simulation names it. terminals: how many.
        accused: those with a signal that is no plain fact; facts: those with a plain fact only.
        in_cases: those in a case that is shown. signals: terminals by kind of signal.
    """

    kind: str
    terminals: int
    accused: int
    facts: int
    in_cases: int
    signals: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Findings by kind in the order of KINDS, and innocents by name; those of whom nothing was said are counted only.

    Attributes:
        findings: of behaviours that are present.
        innocents: kinds of innocents of whom something was said.
        unspoken: innocent terminals of whom nothing was said.
        cases: cases that are shown. false_cases: of them, those about innocents only.
    """

    findings: tuple[Finding, ...]
    innocents: tuple[Innocents, ...]
    unspoken: int
    cases: int
    false_cases: int

    @property
    def value(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "findings": [
                {
                    "kind": one.kind, "present": one.present, "found": one.found, "missed": one.missed, "in_cases": one.in_cases,
                    "delay_median_s": one.delay_s and one.delay_s[0], "delay_longest_s": one.delay_s and one.delay_s[1],
                }
                for one in self.findings
            ],
            "innocents": [
                {
                    "kind": one.kind, "terminals": one.terminals, "accused": one.accused, "facts": one.facts, "in_cases": one.in_cases,
                    "signals": dict(one.signals),
                }
                for one in self.innocents
            ],
            "unspoken": self.unspoken, "cases": self.cases, "false_cases": self.false_cases,
        }  # fmt: skip


def compare(
    signals: Iterable[Signal], cases: Iterable[Case], terminals: pa.Table, start_ns: int, *, began_ns: Mapping[str, int] | None = None
) -> Comparison:
    """Compare signals and cases with the truth.

    Args:
        signals, cases: as detection made them.
        terminals: truth_terminals of a simulation (terminal_id, kind, behaviours, innocent, clone).
        start_ns: start of the simulation [ns, UTC].
        began_ns: when terminals began to do what they do (`began`); others from the start on.
    """
    # A copy carries the id of whom it copies, about whom the signals are.
    truth = {row["terminal_id"]: row for row in terminals.to_pylist() if not row["clone"]}
    raised: dict[str, dict[str, int]] = {}
    for signal in signals:
        mine = raised.setdefault(signal.terminal_id, {})
        mine[signal.kind] = min(signal.raised_at, mine.get(signal.kind, signal.raised_at))
    shown = [case for case in cases if case.shown]
    in_cases = {name for case in shown for name in case.terminals}
    innocent = {name for name, row in truth.items() if row["innocent"]}
    false_cases = sum(all(name in innocent for name in case.terminals) for case in shown)
    findings = []
    for kind in KINDS:
        doing = sorted(name for name, row in truth.items() if kind in (row["behaviours"] or ()))
        if not doing:
            continue
        first = {name: raised[name][kind] for name in doing if kind in raised.get(name, {})}
        waits = [max(0.0, (at - (began_ns or {}).get(name, start_ns)) / 1e9) for name, at in first.items()]
        delay = (float(np.median(waits)), max(waits)) if waits else None
        findings.append(Finding(kind, len(doing), len(first), len(in_cases.intersection(doing)), delay))
    kinds: dict[str, list[str]] = {}
    for name in sorted(innocent):
        kinds.setdefault(truth[name]["kind"], []).append(name)
    innocents, unspoken = [], 0
    for kind, names in sorted(kinds.items()):
        said = {name: raised[name].keys() - _ABOUT_NOBODY for name in names if name in raised}
        said = {name: words for name, words in said.items() if words}
        unspoken += len(names) - len(said)
        if said:
            accused = sum(bool(words - PLAIN_FACTS) for words in said.values())
            counts = {word: sum(word in words for words in said.values()) for word in KINDS}
            innocents.append(Innocents(
                kind, len(names), accused, len(said) - accused, len(in_cases.intersection(names)),
                {word: count for word, count in counts.items() if count},
            ))  # fmt: skip
    return Comparison(tuple(findings), tuple(innocents), unspoken, len(shown), false_cases)


def began(truths: Iterable[pa.Table], start_ns: int) -> dict[str, int]:
    """When each terminal began to move, of those that stood at the start [ns, UTC].

    Args:
        truths: truth of observations, in order of time (`simulate.written.TRUTH_SCHEMA`).
    """
    found: dict[str, int] = {}
    stood: set[str] = set()
    for table in truths:
        columns = (table[name].to_pylist() for name in ("terminal_id", "observed_at", "speed_m_s"))
        for name, at, speed in zip(*columns, strict=True):
            if at < start_ns:
                continue
            if name not in stood:
                stood.add(name)
                if speed >= MOVES_M_S:
                    found[name] = start_ns
            elif name not in found and speed >= MOVES_M_S:
                found[name] = at
    return {name: at for name, at in found.items() if at > start_ns}
