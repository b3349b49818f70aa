"""Choosing terminals by what decided, by how fast they move and by as what they are registered: over the columns of the fleet.

Each filter is one pass over a column, or asks each distinct profile once; nothing is read from a database.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from groundrule.pipeline.live import FleetView
from groundrule.rules.evidence import Profile

MOST: Final = 500
"""So many choices of a kind are listed."""
KM_H: Final = 3.6
"""Kilometres per hour in a metre per second."""
NONE: Final = "none"


class Counted(msgspec.Struct):
    """One thing to choose by.

    Attributes:
        value: as it is asked for.
        terminals: how many have it.
    """

    value: str
    terminals: int


class Choices(msgspec.Struct):
    """By what terminals can be chosen. All but `reasons` is for the operator's side, and empty for others.

    Attributes:
        reasons: codes of decisive reasons.
        rules: ids of deciding rules.
        plans, purposes, programmes, protected: of the register; `none` is without one.
    """

    reasons: list[Counted]
    rules: list[Counted] = msgspec.field(default_factory=list)
    plans: list[Counted] = msgspec.field(default_factory=list)
    purposes: list[Counted] = msgspec.field(default_factory=list)
    programmes: list[Counted] = msgspec.field(default_factory=list)
    protected: list[Counted] = msgspec.field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What terminals have to be; None is no matter.

    Attributes:
        rule: that decided.
        plan, purpose, programme, protected: of the register.
        faster_km_h, slower_km_h: bounds of the speed, themselves left out [km/h]; an unknown speed is neither.
    """

    rule: str | None = None
    plan: str | None = None
    purpose: str | None = None
    programme: str | None = None
    protected: str | None = None
    faster_km_h: float | None = None
    slower_km_h: float | None = None

    def of(self, fleet: FleetView) -> NDArray[np.bool_]:
        """Tell which terminals are so (bool, shape (n,))."""
        found = np.ones(len(fleet), bool)
        if self.rule is not None:
            found &= fleet.rule == place_in(fleet.rules, self.rule)
        if self.faster_km_h is not None:
            found &= fleet.speed_m_s > self.faster_km_h / KM_H
        if self.slower_km_h is not None:
            found &= fleet.speed_m_s < self.slower_km_h / KM_H
        if (self.plan, self.purpose, self.programme, self.protected) != (None, None, None, None):
            found &= fleet.whose(self._fits)
        return found

    def _fits(self, each: Profile) -> bool:
        return (
            self.plan in (None, each.plan or NONE)
            and self.purpose in (None, each.purpose or NONE)
            and (self.programme is None or self.programme in (each.programmes or (NONE,)))
            and self.protected in (None, each.protected_class or NONE)
        )


def place_in(words: Sequence[str], wanted: str) -> int:
    """Return where a word stands; -1 where it does not, which no terminal has."""
    return words.index(wanted) if wanted in words else -1


def counted(words: Sequence[str], codes: NDArray[np.int32], seen: NDArray[np.bool_] | None) -> list[Counted]:
    """Count terminals by a coded column.

    Args:
        words: what the codes mean.
        codes: of each terminal.
        seen: which of them count; None is all.
    """
    found = np.bincount(codes if seen is None else codes[seen], minlength=len(words))
    return _most(zip(words, found.tolist(), strict=False))


def by_kind(fleet: FleetView, values: Callable[[Profile], Iterable[str | None]]) -> list[Counted]:
    """Count terminals by something in their profiles; whoever has it several times is counted for each."""
    held = np.bincount(fleet.profile[fleet.profile >= 0], minlength=len(fleet.registered.profiles))
    found: Counter[str] = Counter()
    for each, terminals in zip(fleet.registered.profiles, held.tolist(), strict=True):
        for value in tuple(values(each)) or (None,):
            found[value or NONE] += terminals
    return _most(found.items())


def _most(found: Iterable[tuple[str, int]]) -> list[Counted]:
    ordered = sorted((pair for pair in found if pair[1]), key=lambda pair: (-pair[1], pair[0]))
    return [Counted(value, terminals) for value, terminals in ordered[:MOST]]
