"""Groups of evidence columns: each turns a block of observations into rows of the pool.

A group keeps what it learnt about distinct values (places, profiles, bands of numbers) from batch to batch, so that
each is judged once. That memory is a cache: forgetting it changes nothing but time.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundrule.rules import kernel
from groundrule.rules.attributes import ATTRIBUTES, profile_value
from groundrule.rules.columns import Cause, RowPool, Tests, ValueIndex
from groundrule.rules.evidence import Interval
from groundrule.rules.leaves import number_truth, word_truth
from groundrule.rules.model import Claim, Compare, In, ListIn, Relation, Where
from groundrule.rules.normal import Effective
from groundrule.rules.selectors import NO, PERHAPS, YES, Place

I32 = NDArray[np.int32]
LATCHES_PER_GROUP = 5
"""3⁵ rows for the combinations of five latches; more latches make more groups."""

NOT_CODED = object()


@dataclass(slots=True)
class PlaceGroup:
    """The place: distinct sets of area facts.

    Attributes:
        tests: tests on the place.
        claims: claims of the rulebook.
        landing: country to landing status.
        index: the distinct places.
        rows: pool row of each place.
        known: whether the place is known and well formed, so that it can be stale.
        counted: countries that count at each place; None if the place is unknown, an error if it is malformed.
        stale_row: pool row of any known but stale place.
    """

    tests: Tests
    claims: tuple[Claim, ...]
    landing: dict[str, str]
    index: ValueIndex
    rows: I32
    known: NDArray[np.bool_]
    counted: list[dict[str, int] | Exception | None]
    stale_row: int

    @classmethod
    def make(cls, tests: Tests, pool: RowPool, claims: tuple[Claim, ...], landing: dict[str, str]) -> PlaceGroup:
        """Begin with no places."""
        stale = np.array([[PERHAPS] * len(tests.leaves)], np.uint8)
        row = pool.add(*tests.rows(pool, stale, np.array([Cause.STALE], np.uint8)))[0]
        return cls(tests, claims, landing, ValueIndex(), np.zeros(0, np.int32), np.zeros(0, np.bool_), [], int(row))

    def learn(self, pool: RowPool, values: Sequence[Any]) -> I32:
        """Return the number of each value, after judging those that are new."""
        ids = self.index.ids_of(values)
        fresh = self.index.values[len(self.counted) :]
        if fresh:
            truths, causes = self.tests.judge(fresh, self._truths)
            self.rows = np.concatenate([self.rows, pool.add(*self.tests.rows(pool, truths, causes))])
            readable = [isinstance(countries, dict) for countries in self.counted[len(self.known) :]]
            self.known = np.concatenate([self.known, np.array(readable)])
        return ids

    def _truths(self, facts: Any) -> tuple[list[int], int]:
        if facts is None:
            self.counted.append(None)
            return [PERHAPS] * len(self.tests.leaves), Cause.POSITION
        try:
            place = Place(facts, self.claims, self.landing)
        except Exception as error:
            self.counted.append(error)
            raise
        self.counted.append(place.counted)
        return [place.truth(leaf) for leaf in self.tests.leaves if isinstance(leaf, Where)], Cause.EDGE


class RelationGroup:
    """The place relative to a country of the registration: one row per status, and a table of place by country.

    Args:
        tests: tests on the relation.
        pool: takes the rows.
        attribute: `account_country` or `activation_country`.
    """

    UNKNOWN_COUNTRY, BROKEN_COUNTRY = 0, 1

    def __init__(self, tests: Tests, pool: RowPool, attribute: str) -> None:
        self.attribute = attribute
        states = [
            (NO, Cause.EDGE),
            (PERHAPS, Cause.EDGE),
            (YES, Cause.EDGE),
            (PERHAPS, Cause.POSITION),
            (PERHAPS, Cause.ATTRIBUTE),
            (PERHAPS, Cause.STALE),
            (PERHAPS, Cause.ERROR),
        ]
        truths = np.array(
            [
                [t if isinstance(leaf, Relation) and leaf.inside else YES - t for leaf in tests.leaves]
                for t, _ in states
            ],
            np.uint8,
        )
        self.rows = pool.add(*tests.rows(pool, truths, np.array([cause for _, cause in states], np.uint8)))
        self.countries: dict[str, int] = {}
        self.of_profile: I32 = np.zeros(0, np.int32)
        self.status: NDArray[np.uint8] = np.zeros((0, 2), np.uint8)

    def learn_profiles(self, profiles: Sequence[Any]) -> None:
        """Note the countries of the profiles that are new."""
        fresh = [self._country(profile) for profile in profiles[len(self.of_profile) :]]
        if fresh:
            self.of_profile = np.concatenate([self.of_profile, np.array(fresh, np.int32)])

    def _country(self, profile: Any) -> int:
        try:
            value = profile_value(profile, self.attribute)
        except Exception:  # noqa: BLE001 - a malformed profile must lead to review, not to a crash
            return self.BROKEN_COUNTRY
        if value is None:
            return self.UNKNOWN_COUNTRY
        return self.countries.setdefault(value, len(self.countries) + 2) if isinstance(value, str) else 1

    def learn_places(self, counted: Sequence[dict[str, int] | Exception | None]) -> None:
        """Fill the table for the places and countries that are new."""
        height, width = self.status.shape
        if len(counted) == height and len(self.countries) + 2 == width:
            return
        table = np.zeros((len(counted), len(self.countries) + 2), np.uint8)
        table[:, self.UNKNOWN_COUNTRY], table[:, self.BROKEN_COUNTRY] = 4, 6
        for place, countries in enumerate(counted):
            if countries is None:
                table[place, :] = 3
            elif isinstance(countries, Exception):
                table[place, :] = 6
            else:
                for country, truth in countries.items():
                    column = self.countries.get(country)
                    if column is not None:
                        table[place, column] = truth
        self.status = table


class ProfileGroup:
    """What the registers say: each attribute is judged once per distinct value, a profile is their conjunction."""

    def __init__(self, columns: Sequence[Tests]) -> None:
        self.columns = columns
        self.index = ValueIndex()
        self.rows: I32 = np.zeros(0, np.int32)
        self._done = 0
        self._memory: list[dict[Hashable, int]] = [{} for _ in columns]
        self._parts: list[list[tuple[NDArray[np.uint64], NDArray[np.uint64]]]] = [[] for _ in columns]

    def learn(self, pool: RowPool, values: Sequence[Any]) -> I32:
        """Return the number of each profile, after judging those that are new."""
        ids = self.index.ids_of(values)
        fresh = self.index.values[self._done :]
        if fresh and self.columns:
            parts = []
            for column in range(len(self.columns)):
                numbers = self._column(pool, column, fresh)
                made = self._parts[column]
                settled = np.concatenate([part[0] for part in made])
                doubt = np.concatenate([part[1] for part in made])
                parts.append((settled[numbers], doubt[numbers]))
            self.rows = np.concatenate([self.rows, pool.combine(parts)])
        self._done = len(self.index.values)
        return ids

    def _column(self, pool: RowPool, column: int, fresh: Sequence[Any]) -> list[int]:
        """Return the number of the attribute's value for each profile; most were met before."""
        name = self.columns[column].column.name
        field = "lists" if name == "list" else ATTRIBUTES[name].field
        unregistered = profile_value(None, name)
        try:
            values = [unregistered if profile is None else getattr(profile, field) for profile in fresh]
            found = list(map(self._memory[column].get, values))
        except (AttributeError, TypeError):  # some profile is malformed; look at each alone
            found = [None] * len(fresh)
        return [self._part(pool, column, fresh[i]) if number is None else number for i, number in enumerate(found)]

    def _part(self, pool: RowPool, column: int, profile: Any) -> int:
        tests = self.columns[column]
        try:
            value = profile_value(profile, tests.column.name)
        except Exception:  # noqa: BLE001 - a malformed profile must lead to review, not to a crash
            value = NOT_CODED
        memory = self._memory[column]
        try:
            number = memory.get(value)
        except TypeError:
            value, number = NOT_CODED, memory.get(NOT_CODED)
        if number is None:
            truths, causes = tests.judge([value], lambda v: _word_truths(tests, v))
            number = memory[value] = len(self._parts[column])
            self._parts[column].append(tests.rows(pool, truths, causes))
        return number


def _word_truths(tests: Tests, value: Any) -> tuple[list[int], int]:
    truths = [word_truth(leaf, value) for leaf in tests.leaves if isinstance(leaf, In | ListIn | Compare)]
    return truths, Cause.ATTRIBUTE


class CategoryGroup:
    """A category column such as the verdict."""

    def __init__(self, tests: Tests) -> None:
        self.tests = tests
        self.index = ValueIndex()
        self.rows: I32 = np.zeros(0, np.int32)

    def learn(self, pool: RowPool, values: Sequence[Any]) -> I32:
        """Return the pool row of each value."""
        ids = self.index.ids_of(values)
        fresh = self.index.values[len(self.rows) :]
        if fresh:
            truths, causes = self.tests.judge(fresh, lambda value: _word_truths(self.tests, value))
            self.rows = np.concatenate([self.rows, pool.add(*self.tests.rows(pool, truths, causes))])
        return self.rows[ids]


class NumberGroup:
    """A numeric column: only the bands between the limits that rules name are told apart."""

    def __init__(self, tests: Tests, pool: RowPool) -> None:
        self.tests = tests
        self.compares = [leaf for leaf in tests.leaves if isinstance(leaf, Compare)]
        self.limits = np.unique(np.array([leaf.value for leaf in self.compares], np.float64))
        bands = 2 * len(self.limits) + 1
        self.rows: I32 = np.full((bands, bands), -1, np.int32)
        every = np.arange(bands)
        self.rows[every, every] = self.rows[0, -1] = -2
        self._learn(pool)
        self.points: I32 = np.append(self.rows[every, every], self.rows[0, -1])

    def fill(self, pool: RowPool, interval: Interval | None, start: int, stop: int, out: I32) -> None:
        """Write the pool rows of the observations from start to stop."""
        if interval is None:
            out[:] = self.points[-1]
            return
        low, high = interval.low[start:stop], interval.high[start:stop]
        if interval.low is interval.high:
            kernel.fill_points(low, self.limits, self.points, out)
            return
        if kernel.fill_numbers(low, high, self.limits, self.rows, out):
            self._learn(pool)
            kernel.fill_numbers(low, high, self.limits, self.rows, out)

    def _learn(self, pool: RowPool) -> None:
        pairs = np.argwhere(self.rows == -2)
        truths = np.array(
            [[number_truth(leaf, self._number(a), self._number(b)) for leaf in self.compares] for a, b in pairs],
            np.uint8,
        )
        causes = np.full(len(pairs), Cause.ATTRIBUTE, np.uint8)
        self.rows[pairs[:, 0], pairs[:, 1]] = pool.add(*self.tests.rows(pool, truths, causes))

    def _number(self, band: int) -> float:
        """Return a number that stands for a band."""
        place, on_limit = divmod(int(band), 2)
        if on_limit:
            return float(self.limits[place])
        if place == 0:
            return -np.inf
        if place == len(self.limits):
            return np.inf
        # Any number strictly between two limits stands for all of them.
        return float(np.nextafter(self.limits[place - 1], np.inf))


class LatchGroup:
    """Up to five latches at once, by the combination of their truths."""

    def __init__(self, columns: Sequence[Tests], places: Sequence[int], pool: RowPool) -> None:
        self.places = np.array(places, np.int64)
        count = len(columns)
        combinations = np.indices((3,) * count).reshape(count, -1)
        tri = np.array([NO, YES, PERHAPS], np.uint8)
        parts = []
        for tests, values in zip(columns, combinations, strict=True):
            causes = np.full(len(values), Cause.ATTRIBUTE, np.uint8)
            parts.append(tests.rows(pool, tri[values][:, None], causes))
        self.rows = pool.combine(parts)

    def fill(self, latches: NDArray[np.uint8] | None, start: int, stop: int, out: I32) -> None:
        """Write the pool rows of the observations from start to stop."""
        if latches is None:
            out[:] = self.rows[-1]  # every latch unknown
        else:
            kernel.fill_latches(latches[start:stop], self.places, self.rows, out)


class TimeGroup:
    """The instant: intervals between the moments at which rules begin or end.

    Args:
        tests: tests on the instant.
        pool: takes the rows.
        moments: when any rule begins or ends [ns]; a decision never holds beyond the next of them.
    """

    def __init__(self, tests: Tests, pool: RowPool, moments: set[int]) -> None:
        leaves: list[Any] = list(tests.leaves)  # spans stand beside the leaves of the model
        spans = [leaf for leaf in leaves if isinstance(leaf, Effective)]
        limits = np.iinfo(np.int64)
        self.boundaries = np.array(sorted(moments - {limits.min + 1, limits.max}), np.int64)
        starts = [int(limits.min) + 1, *(int(moment) for moment in self.boundaries)]
        truths = np.array(
            [[YES if span.from_ns <= now < span.until_ns else NO for span in spans] for now in starts], np.uint8
        ).reshape(len(starts), len(spans))
        self.rows = pool.add(*tests.rows(pool, truths, np.zeros(len(starts), np.uint8)))
