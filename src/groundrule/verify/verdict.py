"""Verdict: what may be concluded, in the order in which conditions decide; every condition met is listed.

| verdict | when |
|---|---|
| FAULT | the residual test fails and no single exclusion repairs it with two satellites left |
| INCONSISTENT | T3 rejects with a p-value that the grade allows, over all modes; or T4 fires on bound ranges |
| AMBIGUOUS | more than one unresolved mode; or the chance of a zone that the rule needs lies between 2 % and 98 % |
| INSUFFICIENT | the ellipse or the minimal detectable offset is above d0, the window is too short, or there is nothing to test |
| CONSISTENT | none of these: a false claim would have been seen |

Source: section 12 of the specification.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


class Verdict(IntEnum):
    """The answer to: is the claim consistent with what the network measured?"""

    CONSISTENT = 0
    INSUFFICIENT = 1
    AMBIGUOUS = 2
    INCONSISTENT = 3
    FAULT = 4

    @property
    def word(self) -> str:
        """Lower case, as in rules and files."""
        return self.name.lower()


class Condition(IntFlag):
    """Conditions of a verdict; several may be met."""

    RESIDUAL = 1 << 0
    T3 = 1 << 1
    T4 = 1 << 2
    MODES = 1 << 3
    ZONE = 1 << 4
    ELLIPSE = 1 << 5
    OFFSET = 1 << 6
    WINDOW = 1 << 7
    UNTESTED = 1 << 8
    NO_ESTIMATE = 1 << 9
    NO_CLAIM = 1 << 10
    FEASIBLE = 1 << 11
    NO_BEAM = 1 << 12
    CLASS = 1 << 13
    MANOEUVRE = 1 << 14


MEANING: dict[Condition, str] = {
    Condition.RESIDUAL: "the measurements contradict each other, and neither a manoeuvre nor leaving out one satellite repairs it",
    Condition.T3: "even the nearest tolerated place to the claim is rejected, over all modes",
    Condition.T4: "a range is too short for the claim, and delay can only be added",
    Condition.MODES: "more than one place explains the measurements",
    Condition.ZONE: "the chance of being in a zone that the rule needs lies between 2 % and 98 %",
    Condition.ELLIPSE: "the 95 % ellipse is larger than the tolerated distance",
    Condition.OFFSET: "a lie of the tolerated size would not surely have been seen",
    Condition.WINDOW: "with public elements of this age the window is too short, or has too few satellites",
    Condition.UNTESTED: "there are no more measurements than unknowns: nothing is left to test them with",
    Condition.NO_ESTIMATE: "no position can be estimated",
    Condition.NO_CLAIM: "there is no claimed position near that time",
    Condition.FEASIBLE: "places further than the tolerated distance from the claim cannot be excluded",
    Condition.NO_BEAM: "no serving cell is known",
    Condition.MANOEUVRE: "the measurements fit only a terminal that turned, braked or climbed meanwhile; forged ones could look the same",
    Condition.CLASS: "against this class nothing measured counts: its trust flag is missing",
}
"""One sentence for each condition."""

_FAULT = Condition.RESIDUAL
_INCONSISTENT = Condition.T3 | Condition.T4
_AMBIGUOUS = Condition.MODES | Condition.ZONE
_INSUFFICIENT = (
    Condition.ELLIPSE | Condition.OFFSET | Condition.WINDOW | Condition.UNTESTED | Condition.NO_ESTIMATE | Condition.NO_CLAIM
    | Condition.FEASIBLE | Condition.NO_BEAM | Condition.CLASS | Condition.MANOEUVRE
)


def decide(conditions: Ints) -> Ints:
    """Return the verdict of each set of conditions, in the order of the table."""
    met = np.asarray(conditions, np.int64)
    out = np.full(met.shape, int(Verdict.CONSISTENT), np.int64)
    for group, verdict in (
        (_INSUFFICIENT, Verdict.INSUFFICIENT),
        (_AMBIGUOUS, Verdict.AMBIGUOUS),
        (_INCONSISTENT, Verdict.INCONSISTENT),
        (_FAULT, Verdict.FAULT),
    ):
        out[(met & int(group)) != 0] = int(verdict)
    return out


def listed(conditions: int) -> tuple[Condition, ...]:
    """Conditions of a set, in the order in which they decide."""
    return tuple(condition for condition in Condition if conditions & int(condition))
