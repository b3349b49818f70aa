"""How answers look, on every map: words, colour, shape, and which lies on top.

Colours follow the palette of Okabe and Ito, which people with the common kinds of colour blindness can tell apart;
every answer has a shape of its own as well.
"""

from __future__ import annotations

from dataclasses import dataclass

from groundrule.records import ServiceState


@dataclass(frozen=True, slots=True)
class Mark:
    """How one answer is drawn.

    Attributes:
        key: outcome, or service state where it is not normal.
        words: for the legend.
        colour, dark: on light and on dark ground.
        marker: shape, in matplotlib's letters: o circle, D diamond, P plus, v and ^ triangles, X cross, s square.
        size, alpha: relative size and opacity.
    """

    key: str
    words: str
    colour: str
    dark: str
    marker: str
    size: float
    alpha: float


MARKS: tuple[Mark, ...] = (
    Mark("serve", "served", "#0072B2", "#4DA3DA", "o", 0.75, 0.55),
    Mark("restrict", "restricted", "#E69F00", "#F0B429", "D", 0.85, 0.9),
    Mark(ServiceState.PENDING_REGISTRATION, "registration pending", "#009E73", "#2CC79B", "P", 1.2, 0.9),
    Mark(ServiceState.DEGRADED, "degraded", "#56B4E9", "#8CD0F5", "v", 1.2, 0.9),
    Mark(ServiceState.NEVER_SERVED, "never served", "#6B6B6B", "#A8A8A8", "X", 1.2, 0.9),
    Mark("review", "served, a person looks", "#CC79A7", "#E29BC4", "^", 1.15, 0.95),
    Mark("deny", "denied", "#C8102E", "#FF5A52", "s", 0.95, 0.95),
)
"""Answers in the order in which they are drawn; later ones lie on top."""

KEYS: tuple[str, ...] = tuple(mark.key for mark in MARKS)
"""Their keys, in the same order."""


def answer(outcome: str, state: str = "") -> str:
    """The key of an answer: the service state where it says more than the outcome, else the outcome.

    Example:
        >>> answer("restrict", "never_served"), answer("deny", "degraded"), answer("serve", "normal")
        ('never_served', 'deny', 'serve')
    """
    return outcome if outcome == "deny" or state in ("", ServiceState.NORMAL.value) else state
