"""Which entries of a list a party may be, with everything that speaks for it and against it.

1. `shortlist` finds the listed names that are worth a close look, for a block of names at once.
2. Each name of the shortlist is scored by `likeness`.
3. Dates of birth, countries and identifiers move the score; the verdict follows from fixed rules.

A name alone never confirms anything: the best that it gives is `candidate`, and a person disposes of each. An equal
strong identifier gives `strong_candidate`, whatever the names say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundrule.errors import InputError
from groundrule.screen import model
from groundrule.screen.compare import Likeness, compare
from groundrule.screen.countries import TABLE_VERSION, country_code, country_key, says_something
from groundrule.screen.likeness import score_pairs
from groundrule.screen.names import FORM_VERSION, NameKind, NormalName, normal_name
from groundrule.screen.packs import pack
from groundrule.screen.shortlist import ListedNames

ALGORITHM = {"name": "groundrule-names", "version": f"{FORM_VERSION}.2.{TABLE_VERSION}"}
"""What a screening records as its method."""
DEFAULT_THRESHOLD = 790
"""Score from which a name is a candidate [thousandths]; chosen on one half of labelled pairs, see docs/screening.md."""

BLOCK = 256
"""Names compared at once: 256 x 40,000 scores of one byte are 10 MB."""

BIRTH_EQUAL, BIRTH_YEAR_EQUAL, BIRTH_CONTRADICTS = 30, 15, -200
COUNTRY_EQUAL, COUNTRY_DIFFERS = 15, -30
WEAK_NAME = -60
"""What known facts add to the score of the name [thousandths]."""
NOT_STRONG = frozenset(("email", "phone", "fax", "website", "gender", "other"))
"""Identifiers that several parties share, or that anybody can claim."""


class Verdict(StrEnum):
    """What a comparison amounts to; nothing is ever `confirmed` here."""

    CANDIDATE = "candidate"
    STRONG_CANDIDATE = "strong_candidate"
    WEAK_NAME_ONLY = "weak_name_only"
    """Only a name that the publisher calls weak agrees, and nothing else does: shown, not counted."""


@dataclass(frozen=True, slots=True)
class Query:
    """A party to be screened.

    Attributes:
        names: in any script and order; the best one counts.
        kind: person, entity, vessel or unknown.
        birth_dates: `YYYY`, `YYYY-MM` or `YYYY-MM-DD`.
        countries: codes or names, compared by `countries.country_key`.
        identifiers: (scheme, value) pairs; compared without spaces and punctuation.
    """

    names: tuple[str, ...]
    kind: NameKind = NameKind.UNKNOWN
    birth_dates: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    identifiers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, name: str, kind: NameKind = NameKind.UNKNOWN) -> Query:
        """A query of one name."""
        return cls((name,), kind)

    def check(self) -> None:
        """Refuse what cannot be screened.

        Raises:
            InputError: a birth date that is none, or neither a name nor an identifier.
        """
        for text in self.birth_dates:
            if _DATE.fullmatch(text) is None:
                raise InputError(f"birth date `{text[:40]}` cannot be read", help="write YYYY, YYYY-MM or YYYY-MM-DD")
        if not any(normal_name(text, self.kind).tokens for text in self.names) and not self.identifiers:
            shown = ", ".join(self.names)[:60]
            raise InputError(f"`{shown}` holds no letter or digit", help="a name that says nothing clears nobody")


@dataclass(frozen=True, slots=True)
class Features:
    """Why a candidate has its score.

    Attributes:
        name: the comparison of the names, or None where only an identifier agrees.
        name_score: of the names alone [thousandths].
        birth: `day`, `year`, `contradicts` or `unknown`, with what it added to the score.
        country: `agrees`, `differs` or `unknown`, with what it added.
        identifiers: schemes of equal identifiers.
        weak_name: the publisher calls the name weak.
        cut: a name was too long to be read whole.
    """

    name: Likeness | None
    name_score: int
    birth: tuple[str, int]
    country: tuple[str, int]
    identifiers: tuple[str, ...]
    weak_name: bool
    cut: bool

    @property
    def value(self) -> dict[str, Any]:
        """The features as JSON."""
        return asdict(self)

    def sentences(self) -> list[str]:
        """The features as lines for people."""
        lines: list[str] = []
        if self.name is not None:
            for pair in self.name.words:
                how = pair.link.replace("_", " ")
                lines.append(f"{pair.query} = {pair.listed} ({how}, {pair.likeness})")
            if self.name.only_query:
                lines.append(f"asked only: {' '.join(self.name.only_query)}")
            if self.name.only_listed:
                lines.append(f"listed only: {' '.join(self.name.only_listed)}")
            if self.name.letters is not None:
                lines.append(f"as a whole, without spaces: {self.name.letters / 1000:.1f} letters differ")
            order = self.name.order.replace("_", " ")
            lines.append(f"names alone {self.name_score}, order {order}")
        for what, (found, points) in (("birth", self.birth), ("country", self.country)):
            if found != "unknown":
                lines.append(f"{what}: {found} ({points:+d})")
        if self.identifiers:
            lines.append(f"equal: {', '.join(self.identifiers)}")
        if self.weak_name:
            lines.append(f"the publisher calls this name weak ({WEAK_NAME:+d})")
        if self.cut:
            lines.append("a name was too long to be read whole")
        return lines


@dataclass(frozen=True, slots=True)
class Candidate:
    """An entry that the party may be.

    Attributes:
        uid: of the entry.
        name: of the entry that fits best, as published.
        asked: name of the query that it fits.
        score: [thousandths, 0 to 1000].
        verdict: see Verdict.
        features: what made the score.
        entry: the entry itself.
    """

    uid: str
    name: str
    asked: str
    score: int
    verdict: Verdict
    features: Features
    entry: model.ListEntry = field(repr=False)

    @property
    def value(self) -> dict[str, Any]:
        """The candidate as JSON, without the entry."""
        return {
            "entry_uid": self.uid,
            "name": self.name,
            "asked": self.asked,
            "score": self.score,
            "verdict": self.verdict.value,
            "features": self.features.value,
        }


class NameIndex:
    """The names of a list, ready to be searched.

    Attributes:
        entries: as given.
        listed: the different names, ready to be searched.
        pack: the same in flat arrays, in the same order.

    Example:
        >>> from groundrule.screen.model import Kind, ListEntry, Name
        >>> index = NameIndex([ListEntry("1", Kind.PERSON, (Name("Doktor Exempel (invented)"),))])
        >>> [(each.uid, each.verdict.value) for each in index.screen(Query.of("EXEMPEL, Doktor invented"))]
        [('1', 'candidate')]
    """

    def __init__(self, entries: Iterable[model.ListEntry]) -> None:
        """Normalise every name.

        Args:
            entries: of one list or of several; uids may repeat between lists.
        """
        self.entries = tuple(entries)
        places: dict[NormalName, int] = {}
        names: list[NormalName] = []
        self._holders: list[list[tuple[int, int]]] = []
        for at, entry in enumerate(self.entries):
            kind = _KINDS[entry.kind]
            for number, name in enumerate(entry.names):
                normal = normal_name(name.text, kind)
                if not normal.tokens:
                    continue
                place = places.setdefault(normal, len(names))
                if place == len(names):
                    names.append(normal)
                    self._holders.append([])
                self._holders[place].append((at, number))
        self.pack = pack(names)
        self.listed = ListedNames(names)
        self._identifiers: dict[tuple[str, str], list[int]] = {}
        for at, entry in enumerate(self.entries):
            for scheme, value in {_identifier(each.scheme, each.value) for each in entry.identifiers}:
                if value and scheme not in NOT_STRONG:
                    self._identifiers.setdefault((scheme, value), []).append(at)

    def __len__(self) -> int:
        """Number of different names."""
        return len(self.listed)

    def screen(self, query: Query, *, threshold: int = DEFAULT_THRESHOLD) -> list[Candidate]:
        """Return the entries that one party may be, the likeliest first."""
        return self.screen_many([query], threshold=threshold)[0]

    def screen_many(self, queries: Sequence[Query], *, threshold: int = DEFAULT_THRESHOLD) -> list[list[Candidate]]:
        """Return for each party the entries that it may be, the likeliest first.

        A block of many gives exactly what each one alone would give.

        Args:
            queries: parties.
            threshold: lowest score of a candidate [thousandths]; an equal identifier needs no score.
        Raises:
            InputError: a threshold outside 1 to 1000, or a query that cannot be screened (`Query.check`).
        """
        if not 1 <= threshold <= 1000:
            raise InputError(f"threshold {threshold} is not from 1 to 1000", help="the score is in thousandths")
        found: list[list[Candidate]] = []
        for start in range(0, len(queries), BLOCK):
            found.extend(self._screen_block(queries[start : start + BLOCK], threshold))
        return found

    def scores(self, names: Sequence[NormalName]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]:
        """Shortlist and score: (number of the name, place of the listed name, score [thousandths]) of each pair."""
        left, right = self.listed.shortlist(names)
        if not len(left):
            return left, right, np.zeros(0, np.int32)
        return left, right, score_pairs(pack(names), self.pack, left, right)

    def _screen_block(self, queries: Sequence[Query], threshold: int) -> list[list[Candidate]]:
        names: list[NormalName] = []
        owners: list[int] = []
        for number, query in enumerate(queries):
            query.check()
            for text in query.names:
                normal = normal_name(text, query.kind)
                if normal.tokens:
                    names.append(normal)
                    owners.append(number)
        best: list[dict[int, tuple[int, int, NormalName | None, int]]] = [{} for _ in queries]
        left, right, scores = self.scores(names)
        # What facts can still add is given in advance, so that nothing is lost before they are known.
        reach = threshold - BIRTH_EQUAL - COUNTRY_EQUAL
        for k in np.flatnonzero(scores >= reach):
            number, score, place = owners[left[k]], int(scores[k]), int(right[k])
            for at, which in self._holders[place]:
                held = best[number].get(at)
                value = score + (WEAK_NAME if self._is_weak(at, which) else 0)
                if held is None or value > held[0]:
                    best[number][at] = (value, which, names[left[k]], score)
        answers = []
        for number, query in enumerate(queries):
            hits = best[number]
            equal = self._equal_identifiers(query)
            for at in equal:
                hits.setdefault(at, (0, 0, None, 0))
            made = (self._candidate(query, at, hit, equal.get(at, ()), threshold) for at, hit in hits.items())
            answers.append(sorted((each for each in made if each is not None), key=_likeliest_first))
        return answers

    def _is_weak(self, at: int, which: int) -> bool:
        return self.entries[at].names[which].strength is model.Strength.WEAK

    def _equal_identifiers(self, query: Query) -> dict[int, tuple[str, ...]]:
        found: dict[int, tuple[str, ...]] = {}
        for scheme, value in sorted({_identifier(*each) for each in query.identifiers}):
            if value:
                for at in self._identifiers.get((scheme, value), ()):
                    found[at] = (*found.get(at, ()), scheme)
        return found

    def _candidate(
        self,
        query: Query,
        at: int,
        hit: tuple[int, int, NormalName | None, int],
        equal: tuple[str, ...],
        threshold: int,
    ) -> Candidate | None:
        value, which, asked, name_score = hit
        entry = self.entries[at]
        if not _same_kind(query.kind, _KINDS[entry.kind]) and not equal:
            return None
        birth, country = _birth(query, entry), _country(query, entry)
        score = max(0, min(1000, value + birth[1] + country[1]))
        if equal:
            score = 1000
        elif score < threshold:
            return None
        weak = self._is_weak(at, which)
        if equal:
            verdict = Verdict.STRONG_CANDIDATE
        elif weak and birth[1] <= 0 and country[1] <= 0:
            verdict = Verdict.WEAK_NAME_ONLY
        else:
            verdict = Verdict.CANDIDATE
        listed = normal_name(entry.names[which].text, _KINDS[entry.kind])
        features = Features(
            name=None if asked is None else compare(asked, listed),
            name_score=name_score,
            birth=birth,
            country=country,
            identifiers=equal,
            weak_name=weak,
            cut=listed.cut or (asked is not None and asked.cut),
        )
        name = entry.names[which].text
        return Candidate(entry.uid, name, "" if asked is None else asked.original, score, verdict, features, entry)

_KINDS = {
    model.Kind.PERSON: NameKind.PERSON,
    model.Kind.ENTITY: NameKind.ENTITY,
    model.Kind.VESSEL: NameKind.VESSEL,
    model.Kind.AIRCRAFT: NameKind.VESSEL,
    model.Kind.UNKNOWN: NameKind.UNKNOWN,
}


def _same_kind(one: NameKind, other: NameKind) -> bool:
    return one is other or NameKind.UNKNOWN in (one, other)


def _likeliest_first(candidate: Candidate) -> tuple[int, int, str, str]:
    strong = candidate.verdict is not Verdict.STRONG_CANDIDATE
    return (strong, -candidate.score, candidate.uid, candidate.name)


_PUNCTUATION = re.compile(r"[\W_]+")


def _identifier(scheme: str, value: str) -> tuple[str, str]:
    return scheme.strip().lower(), _PUNCTUATION.sub("", value).casefold()


_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?")


def _birth(query: Query, entry: model.ListEntry) -> tuple[str, int]:
    """Compare dates of birth; the best agreement of any two counts."""
    if not query.birth_dates or not entry.birth_dates:
        return "unknown", 0
    near = False
    year = False
    for text in query.birth_dates:
        for date in entry.birth_dates:
            if len(text) == 10 and date.earliest == date.latest == text:
                return "day", BIRTH_EQUAL
            asked = int(text[:4])
            first, last = int(date.earliest[:4]), int(date.latest[:4])
            year = year or first <= asked <= last
            # One year beside is a slip or another calendar; a publisher's "about" may be five years out.
            slack = 5 if date.circa else 1
            near = near or first - slack <= asked <= last + slack
    if year:
        return "year", BIRTH_YEAR_EQUAL
    return ("near", 0) if near else ("contradicts", BIRTH_CONTRADICTS)


def _country(query: Query, entry: model.ListEntry) -> tuple[str, int]:
    if not query.countries:
        return "unknown", 0
    ours = [each for each in query.countries if says_something(each)]
    theirs = [each for each in (*entry.countries, *entry.nationalities) if says_something(each)]
    if {country_key(each) for each in ours} & {country_key(each) for each in theirs}:
        return "agrees", COUNTRY_EQUAL
    # A region, or a state that is no more, may lie in any country: it agrees with itself and contradicts nothing.
    if not ours or not theirs or any(country_code(each) is None for each in (*ours, *theirs)):
        return "unknown", 0
    return "differs", COUNTRY_DIFFERS
