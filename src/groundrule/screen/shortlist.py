"""Which listed names are worth comparing with a name closely: the few of many thousands that could be the same.

1. `rapidfuzz` compares a block of names with all listed ones, by script, on forms made beforehand.
2. Names that share whole words are added through the words that they contain.

Each way gives the closest ones only. A block gives for each name exactly what the name alone would give.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import fuzz
from rapidfuzz.process import cdist

from groundrule.screen.names import NormalName, TokenKind, Writing

SOUND_CUTOFF = 66
"""Likeness of sorted sounds from which a name is looked at closely [0 to 100]."""
ROUGH_CUTOFF = 72
"""The same for consonant classes, between scripts."""
FEW = 3
"""Up to so many names are compared one by one, see `_near`."""
SHARED = 0.45
"""Share of the weight of the lighter name that must be the same words, for the second way of searching."""
CLOSEST = 40
"""Names taken from each way of searching, the best first."""

_SEARCHED = frozenset((TokenKind.NAME, TokenKind.PATRONYMIC))


class ListedNames:
    """Listed names, ready to be searched.

    Args:
        names: the different ones, each with a word; a place is an index into them.

    Attributes:
        sounds: their sorted sounds, in the same order.
    """

    def __init__(self, names: Sequence[NormalName]) -> None:
        self.sounds = [name.sorted_sound for name in names]
        self._roughs = [name.sorted_rough for name in names]
        self._sound_letters, self._rough_letters = _letters(self.sounds), _letters(self._roughs)
        writing = np.fromiter((name.writing for name in names), np.uint8, len(names))
        self._other_script = np.flatnonzero(writing != Writing.ALPHABET)
        self._other_roughs = [self._roughs[place] for place in self._other_script]
        self._other_sounds = [self.sounds[place] for place in self._other_script]
        self._words = _postings(names)
        self._totals = np.array([_searched_weight(name) for name in names], np.float64)

    def __len__(self) -> int:
        """Number of names."""
        return len(self.sounds)

    def shortlist(self, names: Sequence[NormalName]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the pairs that are worth a score: number of the name and place of the listed one, each pair once, ascending."""
        if not names or not self.sounds:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        total = len(self.sounds)
        keys: list[NDArray[np.int64]] = []
        alphabet = [k for k, name in enumerate(names) if name.writing is Writing.ALPHABET]
        others = [k for k, name in enumerate(names) if name.writing is not Writing.ALPHABET]
        every = np.arange(total)
        for which, forms, listed, places, cutoff in (
            (alphabet, "sorted_sound", self.sounds, every, SOUND_CUTOFF),
            (alphabet, "sorted_rough", self._other_roughs, self._other_script, ROUGH_CUTOFF),
            (others, "sorted_rough", self._roughs, every, ROUGH_CUTOFF),
            (others, "sorted_sound", self._other_sounds, self._other_script, SOUND_CUTOFF),
        ):
            if not which or not listed:
                continue
            asked = [getattr(names[k], forms) for k in which]
            counted = {id(self.sounds): self._sound_letters, id(self._roughs): self._rough_letters}.get(id(listed))
            if len(asked) <= FEW and counted is not None:
                for k, form in zip(which, asked, strict=True):
                    keys.append(k * total + _near(form, listed, counted, cutoff))
                continue
            # No score_cutoff: with one, cdist leaves its vectorised path and takes a sixth longer on names.
            table = cdist(asked, listed, scorer=fuzz.ratio, dtype=np.uint8, workers=1)
            for row, k in enumerate(which):
                near = np.flatnonzero(table[row] >= cutoff)
                if len(near) > CLOSEST:
                    near = near[_largest(table[row][near], CLOSEST)]
                keys.append(k * total + places[near])
        for k, name in enumerate(names):
            near = self._sharing(name)
            if len(near):
                keys.append(k * total + near)
        merged = np.unique(np.concatenate(keys)) if keys else np.zeros(0, np.int64)
        return merged // total, merged % total

    def _sharing(self, name: NormalName) -> NDArray[np.int64]:
        """Names that hold words of this one: nearly half of the weight of the lighter name, or more."""
        found = [
            (places, weight) for key, weight in _keys(name).items() if (places := self._words.get(key)) is not None
        ]
        if not found:
            return np.zeros(0, np.int64)
        places = np.concatenate([each for each, _ in found])
        weights = np.concatenate([np.full(len(each), weight) for each, weight in found])
        unique, inverse = np.unique(places, return_inverse=True)
        shared = np.bincount(inverse, weights=weights)
        share = shared / np.minimum(self._totals[unique], _searched_weight(name))
        good = np.flatnonzero(share >= SHARED)
        if len(good) > CLOSEST:
            good = good[_largest(share[good] + 0.05 * shared[good], CLOSEST)]
        near: NDArray[np.int64] = unique[good]
        return near


def _largest(values: NDArray[np.generic], count: int) -> NDArray[np.int64]:
    """Places of the largest values; among equals the first, so that the answer is the same everywhere."""
    order: NDArray[np.int64] = np.argsort(-values.astype(np.float64), kind="stable")[:count]
    return order


def _near(form: str, listed: list[str], counted: _Letters, cutoff: int) -> NDArray[np.int64]:
    """What `cdist` over all listed forms would find for one form, compared only with those that have enough of its letters.

    Handing 40,000 strings to rapidfuzz takes longer than comparing them; for a block that cost is shared.
    """
    counts, sizes = counted
    own = _letters([form])[0][0]
    common = np.minimum(counts, own).sum(axis=1, dtype=np.int64)
    # INVARIANT: the ratio is 200 * (longest common subsequence) / size, which is never above 200 * common / size.
    maybe = np.flatnonzero(200 * common >= (cutoff - 1) * (sizes + int(own.sum(dtype=np.int64))))
    if not len(maybe):
        return maybe
    likeness = cdist([form], [listed[int(k)] for k in maybe], scorer=fuzz.ratio, dtype=np.uint8, workers=1)[0]
    good = np.flatnonzero(likeness >= cutoff)
    if len(good) > CLOSEST:
        good = good[_largest(likeness[good], CLOSEST)]
    near: NDArray[np.int64] = maybe[good]
    return near


_Letters = tuple[NDArray[np.uint16], NDArray[np.int64]]


def _letters(forms: Sequence[str]) -> _Letters:
    """How often each of a-z, the digits together, and the space stand in each form, shape (forms, 28); and how many."""
    letters = np.frombuffer("".join(forms).encode("ascii"), np.uint8).astype(np.int64)
    kinds = np.where(letters >= 97, letters - 97, np.where(letters == 32, 27, 26))
    rows = np.repeat(np.arange(len(forms)), [len(form) for form in forms])
    counts = np.bincount(28 * rows + kinds, minlength=28 * len(forms)).reshape(-1, 28)
    return counts.astype(np.uint16), counts.sum(axis=1)


def _searched_weight(name: NormalName) -> float:
    return max(0.3, sum(token.weight for token in name.tokens if token.kind in _SEARCHED))


def _keys(name: NormalName) -> dict[str, float]:
    """Words by which a name is found, with their weight: as they sound, between scripts by consonants, all without spaces."""
    searched = [token for token in name.tokens if token.kind in _SEARCHED]
    keys = {token.sound: token.weight for token in searched}
    if name.writing is not Writing.ALPHABET:
        keys |= {f"~{token.rough}": token.weight for token in searched if len(token.rough) > 2}
    sounds = [token.sound for token in searched]
    whole = _searched_weight(name)
    return keys | {_joined(sounds): whole, _joined(sounds[1:] + sounds[:1]): whole, _joined(sounds[-1:] + sounds[:-1]): whole}


def _joined(sounds: Sequence[str]) -> str:
    return "=" + "".join(sounds)


def _postings(names: Sequence[NormalName]) -> dict[str, NDArray[np.int64]]:
    words: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        searched = [token for token in name.tokens if token.kind in _SEARCHED]
        keys = {t.sound for t in searched} | {f"~{t.rough}" for t in searched if len(t.rough) > 2}
        for key in keys | {_joined([token.sound for token in searched])}:
            words.setdefault(key, []).append(place)
    return {word: np.array(places, np.int64) for word, places in words.items()}
