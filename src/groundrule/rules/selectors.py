"""What a place says about the selectors of a rulebook: countries after claims, land and sea, kinds, tags, buffers.

Truth is three-valued and ordered here: 0 no, 1 perhaps (an edge), 2 yes. The conjunction is the minimum, the
disjunction the maximum, the negation `2 - t`; this is Kleene's logic on plain integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from groundrule.rules.evidence import AreaFact, Membership, Truth
from groundrule.rules.model import Claim, Rulebook, Where

Tri = Literal[0, 1, 2]
NO, PERHAPS, YES = 0, 1, 2
COUNTRY_KINDS = frozenset({"country", "land", "territorial_sea"})
"""Kinds of areas whose `country` says which country a place lies in."""

TRUTH_OF_TRI = (Truth.FALSE, Truth.UNKNOWN, Truth.TRUE)
TRI_OF_TRUTH = (NO, YES, PERHAPS)


class Place:
    """One set of area facts, read once and asked many times.

    Args:
        facts: the areas that the position is inside of or on the edge of; empty for a position in no area.
        claims: the rulebook's claims.
        landing: country to landing status; a country that is not named has `not_offered`.
    Attributes:
        present: country to truth, as the maps say.
        counted: country to truth, after claims.
        land: truth of being on land.
    """

    __slots__ = ("_names", "counted", "land", "present")

    def __init__(self, facts: Sequence[AreaFact], claims: Sequence[Claim], landing: dict[str, str]) -> None:
        names: dict[str, int] = {}
        present: dict[str, int] = {}
        land = NO
        for fact in facts:
            truth = YES if fact.membership == Membership.INSIDE else PERHAPS
            if fact.kind == "buffer":
                _raise_to(names, f"buffer:{fact.id}", truth)
                size = fact.id.rpartition("+")[2]
                for tag in fact.tags:
                    _raise_to(names, f"buffer:{tag}+{size}", truth)
                continue
            _raise_to(names, f"area:{fact.id}", truth)
            _raise_to(names, f"kind:{fact.kind}", truth)
            for tag in fact.tags:
                _raise_to(names, f"tag:{tag}", truth)
            if fact.service is not None:
                _raise_to(names, f"service:{fact.service}", truth)
            if fact.country is not None and fact.kind in COUNTRY_KINDS:
                _raise_to(present, fact.country, truth)
            if fact.kind == "land":
                land = max(land, truth)
        self.present, self.land = present, land
        self.counted = count_countries(present, claims)
        some_country = max(present.values(), default=NO)
        names["anywhere"] = YES
        names["no_country"] = YES - some_country
        names["high_seas"] = min(YES - some_country, YES - land)
        names["sea:*"] = min(some_country, YES - land)
        for country, truth in self.counted.items():
            names[f"country:{country}"] = truth
            # Being on land is physical and no matter of claims, so land is asked of the place, not of the country.
            names[f"land:{country}"] = min(truth, land)
            names[f"sea:{country}"] = min(truth, YES - land)
            _raise_to(names, f"landing:{landing.get(country, 'not_offered')}", truth)
        self._names = names

    def truth(self, where: Where) -> int:
        """Return whether the place is what the selector names."""
        if where.buffer_m > 0:
            prefix, _, rest = where.selector.partition(":")
            name = rest if prefix == "area" else where.selector
            return self._names.get(f"buffer:{name}+{where.buffer_m:g}m", NO)
        return self._names.get(where.selector, NO)


def _raise_to(names: dict[str, int], name: str, truth: int) -> None:
    if truth > names.get(name, NO):
        names[name] = truth


def count_countries(present: dict[str, int], claims: Sequence[Claim]) -> dict[str, int]:
    """Apply claims to the countries of a place.

    A country does not count where all countries of a claim are found together and the claim counts others. On an edge
    this stays open: with RU certain and UA possible, RU is possible too, because it counts only if UA does not.

    Args:
        present: country to truth.
        claims: claims; they all look at what the maps say, so their order means nothing.

    Returns:
        Country to truth, without those that certainly do not count. If claims contradict each other so that nothing
        would count, all countries do.
    """
    if len(present) < 2:
        return dict(present)
    counted = dict(present)
    for claim in claims:
        together = min((present.get(country, NO) for country in claim.countries), default=NO)
        if together == NO:
            continue
        for country in claim.countries:
            if country not in claim.counts_as:
                counted[country] = min(counted[country], YES - together)
    counted = {country: truth for country, truth in counted.items() if truth != NO}
    return counted or dict(present)


def landing_of(book: Rulebook) -> dict[str, str]:
    """Return the landing status by country."""
    return {right.country: right.status for right in book.landing_rights}
