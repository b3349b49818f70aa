"""Two names compared, with everything that made the score: what `groundrule screen` shows of a candidate."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from groundrule.screen.costs import WEIGHTS, Weights
from groundrule.screen.likeness import ABBREVIATION, JOINED, LINK_NAMES, score_one
from groundrule.screen.names import NormalName
from groundrule.screen.packs import pack


@dataclass(frozen=True, slots=True)
class WordPair:
    """What became of one word.

    Attributes:
        query, listed: the words in Latin letters; several where words were joined; empty for a word left over.
        link: one of LINK_NAMES.
        likeness: of the two [thousandths].
    """

    query: str
    listed: str
    link: str
    likeness: int


@dataclass(frozen=True, slots=True)
class Likeness:
    """Two names compared, with everything that made the score.

    Attributes:
        score: [thousandths, 0 to 1000].
        words: paired words, in the order of the first name.
        only_query, only_listed: words of one name without a mate.
        contradiction, extra: weight left over on both sides; on one side only [thousandths of a word].
        letters: distance of the whole names without spaces [thousandths of a letter], None where not compared.
        order: `same`, `rotated` (family name first), `other`, or `reversed_filiation` (A bin B against B bin A).
    """

    score: int
    words: tuple[WordPair, ...]
    only_query: tuple[str, ...]
    only_listed: tuple[str, ...]
    contradiction: int
    extra: int
    letters: int | None
    order: str


def compare(query: NormalName, listed: NormalName, weights: Weights = WEIGHTS) -> Likeness:
    """Compare two names and say what was found.

    Example:
        >>> from groundrule.screen.names import normal_name
        >>> compare(normal_name("Jon Exampel"), normal_name("EXAMPLE, John")).order
        'rotated'
    """
    p, q = pack([query]), pack([listed])
    found = score_one(p, q, weights)
    link_p, like_p, measures = found.link, found.likeness, found.measures
    mates = [int(each) for each in found.mate[: len(query.tokens)]]
    back = [int(each) for each in found.back[: len(listed.tokens)]]
    words, places, seen = [], [], set()
    for i, j in enumerate(mates):
        if j < 0 or i in seen:
            continue
        ours = [k for k, mate in enumerate(mates) if mate == j and (k == i or link_p[k] in (JOINED, ABBREVIATION))]
        theirs = [k for k, mate in enumerate(back) if mate == i] or [j]
        seen.update(ours)
        places.append(theirs[0])
        words.append(
            WordPair(
                " ".join(query.tokens[k].latin for k in ours),
                " ".join(listed.tokens[k].latin for k in theirs),
                LINK_NAMES[int(link_p[i])],
                int(1000 * float(like_p[i]) + 0.5),
            )
        )
    return Likeness(
        score=found.score,
        words=tuple(words),
        only_query=tuple(token.latin for token, mate in zip(query.tokens, mates, strict=True) if mate < 0),
        only_listed=tuple(token.latin for token, mate in zip(listed.tokens, back, strict=True) if mate < 0),
        contradiction=round(1000 * float(measures[1])),
        extra=round(1000 * float(measures[2])),
        letters=round(1000 * float(measures[3])) if measures[3] >= 0 else None,
        order="reversed_filiation" if measures[4] else _order(places),
    )


def _order(places: list[int]) -> str:
    if places == sorted(places):
        return "same"
    falls = sum(first > second for first, second in pairwise(places))
    return "rotated" if falls == 1 and places[-1] < places[0] else "other"
