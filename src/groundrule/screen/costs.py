"""What differs how much: costs of single letters by script, and the tuned figures of the score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from groundrule.screen.names import Writing


class Weights(NamedTuple):
    """The tuned figures of the score; chosen on the tuning half of the labelled pairs, see docs/screening.md."""

    budget_base: float = 0.9
    """Letters that may differ in the shortest word before nothing is left of the likeness."""
    budget_letter: float = 0.42
    """The same for each letter of the word."""
    floor: float = 0.42
    """Likeness of two words below which they are different words."""
    contradiction: float = 1.5
    """Weight of words that are left over on both sides."""
    extra_person: float = 0.14
    """Weight of words that only one side has, in names of persons."""
    extra_entity: float = 0.20
    """The same for companies and bodies."""
    extra_syllables: float = 0.50
    """The same where a name is written in Chinese or Korean characters: these names do not lose parts."""
    single_person: float = 0.45
    """The same where only one word agrees at all; one common given name must not be enough."""
    single_entity: float = 0.25
    """The same for companies and bodies, where one word is often the whole name."""
    whole_best: float = 0.97
    """Score of two names whose letters agree as a whole, spaces apart."""
    whole_letter: float = 0.10
    """What each letter that differs takes from it."""
    whole_shortest: float = 8.0
    """Letters that a whole name needs for this."""
    turned: float = 0.25
    """What is taken where father and son have changed places."""


WEIGHTS = Weights()


def _cost_tables() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Costs of replacing and of leaving out a letter [letters], for each Writing; letters a-z are 0-25, digits 26-35."""
    replace = np.ones((4, 36, 36), np.float32)
    leave = np.ones((4, 36), np.float32)

    def set_cost(letters: str, cost: float, modes: Sequence[int] = (0, 1, 2, 3)) -> None:
        for first in letters:
            for second in letters:
                if first != second:
                    for mode in modes:
                        replace[mode, ord(first) - 97, ord(second) - 97] = min(
                            cost, float(replace[mode, ord(first) - 97, ord(second) - 97])
                        )

    for letters, cost in (
        ("ae", 0.5), ("ei", 0.4), ("ou", 0.35), ("ij", 0.5), ("ao", 0.6), ("aeiou", 0.7), ("uv", 0.6), ("bpvf", 0.6),
        ("vf", 0.5), ("bv", 0.6), ("dt", 0.5), ("kgqx", 0.6), ("kq", 0.4), ("hq", 0.35), ("szwxj", 0.6), ("sz", 0.4),
        ("sw", 0.4), ("xj", 0.4), ("gj", 0.5), ("xw", 0.4), ("lr", 0.8), ("mn", 0.7), ("gh", 0.6),
    ):  # fmt: skip
        set_cost(letters, cost)
    for letters, cost in (("aeiou", 0.2), ("ij", 0.2), ("uv", 0.25), ("ov", 0.3), ("ei", 0.1), ("vf", 0.3), ("bp", 0.3)):
        set_cost(letters, cost, (Writing.ABJAD,))
    for letters, cost in (("gk", 0.15), ("dt", 0.15), ("bp", 0.15), ("jx", 0.15), ("lr", 0.3), ("sw", 0.25)):
        set_cost(letters, cost, (Writing.SYLLABLES,))
    for letters, cost in (
        ("aeiou", 0.2), ("ij", 0.2), ("uv", 0.3), ("bpvf", 0.2), ("dt", 0.15), ("kgq", 0.15), ("kgqhx", 0.4),
        ("szwxj", 0.25), ("lr", 0.2), ("mn", 0.4),
    ):  # fmt: skip
        set_cost(letters, cost, (Writing.ROUGH,))
    for vowel in "aeiou":
        leave[0, ord(vowel) - 97] = leave[Writing.SYLLABLES, ord(vowel) - 97] = 0.7
        leave[Writing.ABJAD, ord(vowel) - 97] = 0.12
        leave[Writing.ROUGH, ord(vowel) - 97] = 0.25
    leave[0, ord("h") - 97] = leave[Writing.SYLLABLES, ord("h") - 97] = 0.4
    for liquid in "lr":  # the same Korean family name is spelt i, li, ri and pak, park
        leave[Writing.SYLLABLES, ord(liquid) - 97] = 0.4
    leave[Writing.ABJAD, ord("h") - 97] = 0.4
    leave[Writing.ROUGH, ord("h") - 97] = 0.25
    leave[Writing.ROUGH, ord("l") - 97] = 0.6
    leave[Writing.ROUGH, ord("r") - 97] = 0.6
    return replace, leave


REPLACE, LEAVE = _cost_tables()
SWAP = 0.8
"""Cost of two neighbouring letters that changed places."""
SPELT_OTHERWISE = 0.12
"""Cost of two words that sound equal and are spelt otherwise [letters]."""
