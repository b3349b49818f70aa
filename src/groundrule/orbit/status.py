"""Status: what loaded elements are worth at an instant, constellation by constellation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from groundrule.orbit.elements import Elements, counts, join
from groundrule.orbit.propagate import MAX_AGE_S, MAX_AHEAD_S, Code, Propagator


@dataclass(frozen=True, slots=True)
class ConstellationStatus:
    """One constellation at one instant.

    Attributes:
        constellation: its name.
        satellites: how many have elements. usable: how many of them have a state within the limits of age.
        stale, future, failed: how many have not, because the newest set is too old, because every set is from too far
            in the future, and because SGP4 refuses (decayed, no orbit).
        newest_ns, oldest_ns: newest and oldest epoch of the sets that would be used [ns since 1970, UTC].
        median_age_s: of the same sets [s]; negative if they are from after the instant.
        grades, forms, sources: which occur, sorted.
        generated: all of its satellites are made from published shells.
        incomplete: why satellites are surely missing, or None.
    """

    constellation: str
    satellites: int
    usable: int
    stale: int
    future: int
    failed: int
    newest_ns: int
    oldest_ns: int
    median_age_s: float
    grades: tuple[str, ...]
    forms: tuple[str, ...]
    sources: tuple[str, ...]
    generated: bool
    incomplete: str | None


def status_at(
    elements: Elements, t_ns: int, *, max_age_s: float = MAX_AGE_S, max_ahead_s: float = MAX_AHEAD_S
) -> list[ConstellationStatus]:
    """Return the status of each constellation at an instant, the largest first."""
    used = for_use(elements, t_ns)
    if not len(used):
        return []
    code = Propagator(used, max_age_s=max_age_s, max_ahead_s=max_ahead_s).at(t_ns).code[:, 0]
    age = used.age_s(t_ns)
    found = []
    for name, satellites in counts(used):
        rows = used.constellation == name
        stale, future = (int((code[rows] == which).sum()) for which in (Code.STALE, Code.FUTURE_ELEMENTS))
        usable = int((code[rows] == Code.OK).sum())
        found.append(
            ConstellationStatus(
                constellation=name,
                satellites=satellites,
                usable=usable,
                stale=stale,
                future=future,
                failed=satellites - usable - stale - future,
                newest_ns=int(used.epoch_ns[rows].max()),
                oldest_ns=int(used.epoch_ns[rows].min()),
                median_age_s=float(np.median(age[rows])),
                grades=tuple(sorted(set(used.grade[rows].tolist()))),
                forms=tuple(sorted(set(used.form[rows].tolist()))),
                sources=tuple(sorted(set(used.source[rows].tolist()))),
                generated=bool(used.generated[rows].all()),
                incomplete=used.incomplete(name),
            )
        )
    return found


def for_use(elements: Elements, t_ns: int) -> Elements:
    """Return one set for each satellite: the newest not after an instant, or the earliest one after it."""
    known = elements.as_of(t_ns)
    later = elements.select(~np.isin(elements.catalogue, known.catalogue))
    if not len(later):
        return known
    order = np.lexsort((later.epoch_ns, later.catalogue))
    first = np.concatenate([[True], np.diff(later.catalogue[order]) != 0])
    return join([known, later.select(order[first])])
