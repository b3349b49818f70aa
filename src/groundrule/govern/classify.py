"""Which class a change has, computed from what it changes. The author may only raise it.

    charter, disclosure      stand alone
    critical                 whole countries, conflict areas, sanctions exceptions, denials in a declared war
    sensitive                any area, any list, many terminals, one protected terminal
    routine                  everything else

A request on behalf of somebody unknown raises the class by one step.

Source: governance specification, sections 4.3 and 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from groundrule.govern.charter import Charter
from groundrule.govern.objects import Change, Impact

LADDER: Final = ("routine", "sensitive", "critical")
ALWAYS_SENSITIVE: Final = frozenset({"area", "list", "programme"})
"""A programme is a list of terminals by another name."""


def classify(changes: Sequence[Change], impact: Impact, charter: Charter, *, unknown_principal: bool = False) -> str:
    """Return the lowest class that a change set may have.

    Args:
        changes: the change set.
        impact: what it does to the fleet.
        charter: for the number of terminals that counts as many.
        unknown_principal: a request behind it names an unknown principal.
    Returns:
        `routine`, `sensitive`, `critical`, `charter` or `disclosure`.
    """
    types = {change.type for change in changes}
    if "charter" in types:
        return "charter"
    if "record" in types:
        return "disclosure"
    step = 0
    if types & ALWAYS_SENSITIVE or impact.protected_changed or impact.changed >= charter.limits.large_change_terminals:
        step = 1
    if not impact.reach.empty:
        step = 2
    return LADDER[min(step + unknown_principal, len(LADDER) - 1)]


def is_at_least(chosen: str, computed: str) -> bool:
    """Tell whether a chosen class is the computed one or above it; charter and disclosure are only equal to themselves."""
    if chosen in LADDER and computed in LADDER:
        return LADDER.index(chosen) >= LADDER.index(computed)
    return chosen == computed
