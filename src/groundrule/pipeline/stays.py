"""Whether a terminal is where a stay counter counts, asked once for each place and country that differ in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundrule.pipeline.coding import PairTable
from groundrule.rules.compile import CompiledRulebook
from groundrule.rules.evidence import AreaFact, Profile
from groundrule.rules.model import Counter, Relation, Where
from groundrule.rules.normal import leaves_of

_NAMED = {"area": "id", "kind": "kind"}


class StayCondition:
    """The condition of one counter over coded places and profiles.

    Args:
        compiled: the rulebook.
        counter: the counter.
        places: distinct places; may grow.
        profiles: distinct profiles; may grow.
    """

    def __init__(
        self,
        compiled: CompiledRulebook,
        counter: Counter,
        places: Sequence[tuple[AreaFact, ...] | None],
        profiles: Sequence[Profile | None],
    ) -> None:
        self._compiled, self._counter = compiled, counter
        self._places, self._profiles = places, profiles
        leaves = leaves_of(counter.condition)
        self._selectors = [leaf.selector for leaf in leaves if isinstance(leaf, Where)]
        self._relations = sorted({leaf.of for leaf in leaves if isinstance(leaf, Relation)})
        self._place_codes = _Growing(places, self._relevant)
        self._profile_codes = _Growing(profiles, self._countries)
        self._table = PairTable(self._answer)

    def truth(self, where: NDArray[np.int32], who: NDArray[np.int32]) -> NDArray[np.int8]:
        """Return the Truth of the condition for each row."""
        return self._table.lookup(self._place_codes.codes()[where], self._profile_codes.codes()[who])

    def _answer(self, place: int, profile: int) -> int:
        facts = self._places[self._place_codes.example[place]]
        return int(
            self._compiled.counter_truth(self._counter, facts, self._profiles[self._profile_codes.example[profile]])
        )

    def _relevant(self, facts: tuple[AreaFact, ...] | None) -> Any:
        """What of a place the condition can depend on: countries, land, and what its selectors name."""
        if facts is None:
            return None
        return tuple(fact for fact in facts if fact.country or fact.kind in {"land", "buffer"} or self._names(fact))

    def _names(self, fact: AreaFact) -> bool:
        for selector in self._selectors:
            prefix, _, rest = selector.partition(":")
            if prefix in _NAMED and getattr(fact, _NAMED[prefix]) == rest:
                return True
            if (prefix == "tag" and rest in fact.tags) or (prefix == "service" and fact.service == rest):
                return True
        return False

    def _countries(self, profile: Profile | None) -> Any:
        if profile is None:
            return None
        fields = {"home_country": "account_country", "activation_country": "activation_country"}
        return tuple(getattr(profile, fields[relation]) for relation in self._relations)


class _Growing:
    """Codes of what matters about each value of a list that grows."""

    def __init__(self, values: Sequence[Any], matters: Any) -> None:
        self._values, self._matters = values, matters
        self._codes = np.zeros(0, np.int32)
        self._known: dict[Any, int] = {}
        self.example: list[int] = []

    def codes(self) -> NDArray[np.int32]:
        """Return one code per value."""
        done = len(self._codes)
        if done < len(self._values):
            fresh = []
            for position in range(done, len(self._values)):
                key = self._matters(self._values[position])
                if key not in self._known:
                    self._known[key] = len(self.example)
                    self.example.append(position)
                fresh.append(self._known[key])
            self._codes = np.concatenate([self._codes, np.array(fresh, np.int32)])
        return self._codes
