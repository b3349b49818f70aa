"""For which instants an emergency has an effect: what the log says, cut short by whatever clock says that it is over.

The log gives a half-open interval: from the opening, but not before the entry was logged, until the time to live is over,
it is closed, its review is missed, or a review reverses it. The clocks of the machine that decides can only shorten
that: an emergency ends when max(wall clock - opened_at, monotonic time since loading) reaches its time to live, also after
a restart and with the wall clock set back.

Source: governance specification, section 6.7.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from groundrule.govern.emergency import NS_PER_S
from groundrule.govern.logged import LoggedEmergency
from groundrule.govern.objects import Emergency
from groundrule.govern.signed import whole_ms

if TYPE_CHECKING:
    from groundrule.govern.state import State


@dataclass(frozen=True, slots=True)
class Effect:
    """An emergency with the half-open interval of its effect [ns, UTC]; empty where it has none."""

    emergency: Emergency
    from_ns: int
    until_ns: int
    logged_ns: int


def effects(state: State) -> Iterator[Effect]:
    """Yield what each emergency of the log has an effect for, in the order of the log; those without any are left out."""
    for logged in state.emergencies.values():
        from_ns, until_ns = max(logged.emergency.opened_at, logged.t_ns), _end(state, logged)
        if from_ns < until_ns:
            yield Effect(logged.emergency, from_ns, until_ns, logged.t_ns)


def _end(state: State, logged: LoggedEmergency) -> int:
    emergency = logged.emergency
    ends = [emergency.opened_at + emergency.ttl_s * NS_PER_S]
    if logged.closed is not None:
        ends.append(logged.closed.at)
    concluded = state.concluded_at(emergency.id)
    if concluded is None or concluded >= emergency.review_due:
        ends.append(emergency.review_due)
    ends += [
        state.time_of(each.concluded_index)
        for each in state.reviews.values()
        if each.review.of == emergency.id and each.concluded is not None and each.concluded_index is not None
        and each.concluded.verdict == "reversed"
    ]  # fmt: skip
    return min(ends)


@dataclass(frozen=True, slots=True)
class Clocked:
    """What a machine that decides keeps of an emergency's time, also over restarts.

    Attributes:
        opened_at_ns, ttl_ns: of the emergency.
        monotonic_ns: time since it was loaded, by a clock that nobody sets, summed over restarts.
        elapsed_ns: the longest time since the opening that any clock has shown; never decreases.
        running_ns: wall clock when it was last seen running [ns, UTC].
        ended_ns: the end in terms of the wall clock; None while it runs. It only moves to earlier.
    """

    opened_at_ns: int
    ttl_ns: int
    monotonic_ns: int = 0
    elapsed_ns: int = 0
    running_ns: int = 0
    ended_ns: int | None = None

    def tick(self, wall_ns: int, monotonic_delta_ns: int, log_ns: int = 0) -> Clocked:
        """Return the record after time has passed.

        Args:
            wall_ns: the wall clock [ns, UTC].
            monotonic_delta_ns: time since the last tick by a clock that nobody sets [ns]; negative counts as 0.
            log_ns: time of the last entry of the log [ns, UTC].
        """
        monotonic = self.monotonic_ns + max(0, monotonic_delta_ns)
        elapsed = max(self.elapsed_ns, monotonic, wall_ns - self.opened_at_ns, log_ns - self.opened_at_ns)
        fresh = replace(self, monotonic_ns=monotonic, elapsed_ns=elapsed)
        if elapsed < self.ttl_ns:
            return replace(fresh, running_ns=wall_ns)
        # When it ran out, read off the wall clock of now. If clocks contradict each other, the shorter answer holds; what
        # was decided while it was seen running stays as it was, unless the clock has been set back behind that.
        end = min(
            max(wall_ns - (elapsed - self.ttl_ns), self.running_ns),
            wall_ns,
            self.opened_at_ns + self.ttl_ns,
            self.opened_at_ns + self.ttl_ns if self.ended_ns is None else self.ended_ns,
        )
        return replace(fresh, ended_ns=end)

    def cut(self, effect: Effect) -> Effect:
        """Return an effect that ends no later than this says."""
        if self.ended_ns is None:
            return effect
        return replace(effect, until_ns=max(effect.from_ns, min(effect.until_ns, whole_ms(self.ended_ns))))
