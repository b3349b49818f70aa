"""Cloned identity: one id that alternates between two places or two tracks, of which neither is within reach of the other.

What. Each time a terminal is again at its other place (within reach of where that was last seen, though not of where the terminal
was a moment ago) is a return. Several returns over minutes are two devices, or one that tells two stories: a single bad receiver
jumps to many places, or to one and back for a moment. Both may move. Two radios that take turns in longer shifts are found the same
way, after the first shift has raised an impossible journey.

What it cannot see: two devices so near to each other that one could drive between them. Receivers that are led astray now and
then alternate too; they are innocent, and while their area is disturbed nothing is counted.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CloneSettings:
    """The alternation.

    Attributes:
        returns: to the other place, at least.
        lasting_s: from the first return to the last, at least [s].
        within_s: an alternation that rests for longer begins anew [s].
    """

    returns: int = 3
    lasting_s: float = 300.0
    within_s: float = 43_200.0

    @property
    def values(self) -> tuple[float, ...]:
        """For the compiled pass."""
        return (float(self.returns), self.lasting_s, self.within_s)
