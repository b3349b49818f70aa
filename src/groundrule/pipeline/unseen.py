"""What the preview of a change cannot see: a last observation alone says nothing of what took time.

A preview judges every terminal where it was last seen, as if it had just been seen there for the first time. Rules that ask how
long a terminal has been somewhere, or how fast it is from one report to the next, answer as they do for a terminal without
a past. Whoever signs is told which rules those are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from groundrule.rules.model import Compare, Latch, Rulebook
from groundrule.rules.normal import leaves_of

ALWAYS: Final = "each terminal is judged where it was last seen, as if it had just been seen there for the first time"
_SPEED: Final = "speed_m_s"


@dataclass(frozen=True, slots=True, order=True)
class Unseen:
    """A rule of which a preview says less than a decision.

    Attributes:
        rule: its id.
        why: what it asks that a single observation cannot answer.
    """

    rule: str
    why: str

    @property
    def sentence(self) -> str:
        """For people."""
        return f"rule {self.rule} asks {self.why}: judged as for a terminal without a past"


def unseen(*books: Rulebook) -> tuple[Unseen, ...]:
    """Return the rules of some rulebooks that a preview cannot see wholly, each once.

    A preview and a decision differ for a terminal only by one of these rules, or because its last observation has no
    position, or because time has brought a rule, an area or a register row into effect or out of it.
    """
    return tuple(sorted({each for book in books for each in _of(book)}))


def unseen_lines(*books: Rulebook) -> list[str]:
    """Say it for people, beginning with what holds for every preview."""
    return [f"NOT SEEN: {ALWAYS}", *(f"NOT SEEN: {each.sentence}" for each in unseen(*books))]


def _of(book: Rulebook) -> Iterable[Unseen]:
    for rule in book.rules:
        for condition in (rule.where, rule.who, rule.what, *rule.unless):
            for leaf in leaves_of(condition):
                match leaf:
                    case Latch():
                        held = f", held for {leaf.for_s:g} s" if leaf.for_s else ""
                        memory = " and not yet released" if leaf.release_below < leaf.above else ""
                        yield Unseen(rule.id, f"how fast it is from one report to the next{held}{memory}")
                    case Compare(attribute, _, _) if attribute.startswith("stay."):
                        yield Unseen(rule.id, f"how long it has stayed ({attribute.split('.')[1]})")
                    case Compare(attribute, _, _) if attribute == _SPEED:
                        yield Unseen(rule.id, "how fast it is from one report to the next")
