"""Counts of decisions, as every command that decides prints them."""

from __future__ import annotations

from typing import Any

from groundrule.cli.output import print_table, print_text
from groundrule.pipeline.counts import Counts
from groundrule.reasons import CATALOGUE


def counts_dict(counts: Counts) -> dict[str, Any]:
    """Counts as JSON."""
    return {
        "decided": counts.decided,
        "corrected": counts.corrected,
        "duplicates": counts.duplicates,
        "late": counts.late,
        "over_late": counts.over_late,
        "unregistered_terminals": counts.unregistered,
        "answers": [
            {"outcome": outcome, "state": state, "rows": rows}
            for (outcome, state), rows in sorted(counts.answers.items())
        ],
        "reasons": dict(sorted(counts.reasons.items())),
    }


def print_counts(counts: Counts) -> None:
    """Print answers and decisive reasons as tables."""
    total = max(1, sum(counts.answers.values()))
    print_table(
        ["answer", "state", "decisions", "share"],
        [
            [outcome, state, rows, f"{rows / total:.1%}"]
            for (outcome, state), rows in sorted(counts.answers.items(), key=lambda item: -item[1])
        ],
    )
    print_text()
    print_table(
        ["decisive reason", "decisions", "meaning"],
        [
            [code, rows, CATALOGUE[code].sentence if code in CATALOGUE else ""]
            for code, rows in sorted(counts.reasons.items(), key=lambda item: -item[1])
        ],
    )
    print_text()
    extras = {
        "decided again after late observations": counts.corrected,
        "exact repeats dropped": counts.duplicates,
        "late, within 72 h": counts.late,
        "too late, stored and not decided": counts.over_late,
        "terminals not in the register": counts.unregistered,
    }
    print_text(
        ", ".join([f"{counts.decided:,} observations decided", *(f"{n:,} {what}" for what, n in extras.items() if n)])
        + "."
    )
