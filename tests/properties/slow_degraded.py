"""Decisions under faults, told one at a time in the words of the specification's table: the judge of `pipeline.degraded`.

Nothing here comes from the code under test but the words of outcomes. Sections are those of the reliability specification.
"""

from __future__ import annotations

from dataclasses import dataclass

ORDER = ("serve", "restrict", "review", "deny")
FAULTS = (
    "policy_store_down",
    "snapshot_invalid",
    "no_snapshot",
    "location_unverifiable",
    "screening_stale",
    "ledger_down",
    "clock_doubtful",
)


@dataclass(frozen=True, slots=True)
class Row:
    """One decision to be made.

    Attributes:
        class_: protected, ordinary, conflict.
        base: what the loaded policy says.
        held: what it said when policy and clock were last right.
        by_list: a sanctions or denylist denial is in force.
        landing: a landing-rights denial of the bootstrap policy applies.
        emergency: emergency traffic.
        known: the snapshot knows the terminal.
        fast: above 100 km/h.
        never_served: the network has never served there.
    """

    class_: str
    base: str
    held: str
    by_list: bool = False
    landing: bool = False
    emergency: bool = False
    known: bool = True
    fast: bool = False
    never_served: bool = False


def decide(row: Row, degree: dict[str, int]) -> str:
    """Section 4.2, step by step."""
    if row.by_list:
        return "deny"  # 5.3 rule 2 overrides everything
    if row.never_served:
        return row.base  # no policy of anybody's, and no outage opens it
    base = row.base
    fresh = not any(degree[name] for name in ("policy_store_down", "snapshot_invalid", "no_snapshot", "clock_doubtful"))
    if base == "deny" and row.held != "deny" and not fresh:
        base = row.held  # 5.3 rule 3
    if degree["clock_doubtful"] and row.class_ == "ordinary":
        base = row.held  # no new interval activates
    if row.class_ == "ordinary" and degree["policy_store_down"] == 2 and not (base == "deny" and row.landing):
        base = "review"  # step 3
    if degree["no_snapshot"] and row.class_ == "protected":
        base = "serve" if row.emergency else "restrict"  # nothing is loaded: emergency traffic only
    cells = [base]
    for name in FAULTS:
        if degree[name]:
            cells += cell(name, degree[name], row)
    places = [ORDER.index(each) for each in cells]
    result = ORDER[min(places) if row.class_ == "protected" else max(places)]
    if row.class_ == "protected" and result == "deny":
        assert row.base == "deny", "5.3 rule 1"
    return result


def cell(name: str, degree: int, row: Row) -> list[str]:
    """A cell of the table of section 5.2; empty where it says "not affected", or that what is loaded decides."""
    match name, row.class_:
        case "policy_store_down", "conflict":
            return [] if row.known else ["restrict"]
        case "snapshot_invalid", "protected":
            return ["serve"] if degree == 2 else []
        case "snapshot_invalid", "ordinary":
            return ["deny"] if degree == 2 and row.landing else []
        case "snapshot_invalid", "conflict":
            return ["deny"] if degree == 2 else []
        case "no_snapshot", "ordinary":
            return ["deny"] if degree == 2 or row.landing else []
        case "no_snapshot", "conflict":
            return ["deny"]
        case "location_unverifiable", "protected":
            return ["serve"]
        case "location_unverifiable", "ordinary":
            return ["restrict"] if degree == 1 else ["review"]
        case "location_unverifiable", "conflict":
            return ["deny"] if row.fast else ["review"]
        case "clock_doubtful", "protected":
            return ["serve"]
        case "clock_doubtful", "conflict":
            return ["deny"] if row.held == "deny" else []
    return []
