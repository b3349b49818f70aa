"""How many independent origins stand behind a statement: ten articles that quote one newspaper are one.

Two claims on one proposition have the same origin where one of these holds; what is joined to the same thing is joined too.

    outlet      both are quoted from, or published by, one outlet or agency
    source      both rest on one person or body by name
    copy        their reports have the same bytes, or most of the same word sequences
    link        one report gives the other as its original, or both give one canonical address
    retold      a report says on its own what it quotes an outlet for elsewhere

So the count is a lower bound of how many know something by themselves. Opinions and rejected claims do not count.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from urllib.parse import parse_qsl, urlencode, urlsplit

from anyascii import anyascii

from groundrule.evidence.report import Claim, ClaimKind, ClaimStatus, Report, Stance

SHINGLE_WORDS = 5
MAX_SHINGLES = 20_000
"""Most shingles kept of one report; of longer ones, those with the smallest digests, which are the same for the same text."""
MIN_SHINGLES = 20
COPIED = 0.6
"""Share of the shorter report's shingles that the longer one must hold to be a copy."""
_TRACKING = re.compile(r"utm_\w+|fbclid|gclid|ref|ref_src|mc_[ce]id|icid|cmpid")
_ARTICLES = frozenset({"the", "der", "die", "das", "le", "la", "les", "el", "los", "las"})


@dataclass(frozen=True, slots=True)
class Origin:
    """One independent origin.

    Attributes:
        name: the outlet, person or publisher it goes back to, as written first; else the report's id.
        claims, reports: ids, in order.
        stances: how often each stance occurs in its claims.
        named: persons and bodies by name in its claims.
        unnamed_at_least: unnamed sources of the claim that has most of them; several claims may mean the same people.
        joined_by: why its claims are one origin: outlet, source, copy, link, retold; empty for a single claim.
    """

    name: str
    claims: tuple[str, ...]
    reports: tuple[str, ...]
    stances: Mapping[Stance, int]
    named: tuple[str, ...]
    unnamed_at_least: int
    joined_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Corroboration:
    """Who stands behind one proposition.

    Attributes:
        proposition: its id.
        origins: independent ones, the first in order of claims.
        articles: number of reports that speak of it.
        stances: by stance, the number of independent origins that take it.
    """

    proposition: str
    origins: tuple[Origin, ...]
    articles: int
    stances: Mapping[Stance, int]

    @property
    def supporting(self) -> int:
        """Return how many independent origins report or confirm it."""
        return sum(1 for each in self.origins if {Stance.REPORTS, Stance.CONFIRMS} & each.stances.keys())

    @property
    def named(self) -> int:
        """Return how many origins rest on somebody by name."""
        return sum(1 for each in self.origins if each.named)


def corroboration(claims: Iterable[Claim], reports: Mapping[str, Report]) -> dict[str, Corroboration]:
    """Count independent origins by proposition.

    Args:
        claims: claims with a proposition; others, opinions and rejected ones are passed over.
        reports: reports by id; one that is missing is known by its id only.
    """
    by_proposition: dict[str, list[Claim]] = defaultdict(list)
    for claim in claims:
        if claim.proposition and claim.kind is ClaimKind.FACT and claim.status is not ClaimStatus.REJECTED:
            by_proposition[claim.proposition].append(claim)
    wanted = {claim.report for listed in by_proposition.values() for claim in listed}
    copies = _copies({name: report for name, report in reports.items() if name in wanted})
    return {
        name: _of_one(name, sorted(listed, key=lambda claim: (claim.report, claim.start, claim.id)), reports, copies)
        for name, listed in by_proposition.items()
    }


def outlet_key(name: str) -> str:
    """Return what spellings of one outlet have in common: `The Wall Street Journal` and `WallStreetJournal`.

    Example:
        >>> outlet_key("The Northern Courier"), outlet_key("NorthernCourier")
        ('northerncourier', 'northerncourier')
    """
    name = re.sub(r"\([^()]{0,80}\)", " ", name).strip() or name
    bare = name.partition(".")[0] if re.fullmatch(r"\S+\.\w{2,6}", name) else name
    words = re.findall(r"\w+", anyascii(bare).casefold())
    while len(words) > 1 and words[0] in _ARTICLES:
        words = words[1:]
    return "".join(words)


def address_key(url: str) -> str:
    """Return an address without what does not change the page: scheme, `www.`, tracking, fragment, trailing slash."""
    try:
        parts = urlsplit(url.strip())
        host = (parts.hostname or "").removeprefix("www.").removeprefix("amp.")
    except ValueError:
        return ""
    if not host:
        return ""
    query = urlencode(
        sorted((key, value) for key, value in parse_qsl(parts.query) if not _TRACKING.fullmatch(key.lower()))
    )
    return f"{host}{parts.path.rstrip('/')}{'?' + query if query else ''}"


def shingles(text: str) -> frozenset[bytes]:
    """Return digests of the sequences of `SHINGLE_WORDS` words of a text, at most `MAX_SHINGLES`."""
    words = re.findall(r"\w+", text.casefold())
    found = {
        blake2b(" ".join(words[place : place + SHINGLE_WORDS]).encode(), digest_size=8).digest()
        for place in range(len(words) - SHINGLE_WORDS + 1)
    }
    return frozenset(found if len(found) <= MAX_SHINGLES else sorted(found)[:MAX_SHINGLES])


def are_linked(one: Report, other: Report) -> bool:
    """Tell whether one report gives the other as its original, or both the same canonical address."""
    if other.id in (one.translation.original_captured,) or one.id in (other.translation.original_captured,):
        return True
    mine, others = _addresses(one), _addresses(other)
    original = address_key(one.translation.original_url), address_key(other.translation.original_url)
    return (
        bool(mine & others)
        or original[0] in others
        or original[1] in mine
        or (original[0] != "" and original[0] == original[1])
    )


def _addresses(report: Report) -> set[str]:
    return {address_key(each) for each in (report.canonical_url, report.capture.source_url)} - {""}


class _Groups:
    """Union-find over claims."""

    def __init__(self, count: int) -> None:
        self._parent = list(range(count))
        self.reasons: dict[int, set[str]] = defaultdict(set)

    def find(self, item: int) -> int:
        while self._parent[item] != item:
            self._parent[item] = self._parent[self._parent[item]]
            item = self._parent[item]
        return item

    def join(self, one: int, other: int, reason: str) -> None:
        first, second = sorted((self.find(one), self.find(other)))
        if first != second:
            self._parent[second] = first
            self.reasons[first] |= self.reasons.pop(second, set()) | {reason}


def _copies(reports: Mapping[str, Report]) -> list[tuple[str, str, str]]:
    """Return pairs of reports of one text or one address, with the reason."""
    listed = sorted(reports.items())
    sets = {name: shingles(report.reading) for name, report in listed}
    found = []
    for place, (name, report) in enumerate(listed):
        for other, its in listed[place + 1 :]:
            fewer = min(len(sets[name]), len(sets[other]))
            if fewer >= MIN_SHINGLES and len(sets[name] & sets[other]) >= COPIED * fewer:
                found.append((name, other, "copy"))
            elif are_linked(report, its):
                found.append((name, other, "link"))
    return found


def _of_one(
    proposition: str, claims: list[Claim], reports: Mapping[str, Report], copies: Iterable[tuple[str, str, str]]
) -> Corroboration:
    groups = _Groups(len(claims))
    names = [_outlet(claim, reports) for claim in claims]
    same = _acronyms({outlet_key(name): name for name in names if name})
    by_key: dict[tuple[str, str], int] = {}

    def together(kind: str, key: str, place: int) -> None:
        if key:
            groups.join(by_key.setdefault((kind, key), place), place, kind)

    of_report: dict[str, list[int]] = defaultdict(list)
    for place, claim in enumerate(claims):
        key = outlet_key(names[place])
        together("outlet", same.get(key, key), place)
        for person in claim.attribution.named:
            together("source", _name_key(person), place)
        of_report[claim.report].append(place)
    for places in of_report.values():
        quoting = [place for place in places if claims[place].attribution.outlet]
        for place in places:
            said = claims[place].attribution
            if quoting and not (said.outlet or said.named or said.unnamed):
                groups.join(quoting[0], place, "retold")
            elif not (said.outlet or said.named):
                groups.join(places[0] if not quoting or places[0] not in quoting else place, place, "outlet")
    for one, other, reason in copies:
        if one in of_report and other in of_report:
            # A copy repeats everything; a link ties the reports' own words.
            for place in of_report[other]:
                groups.join(of_report[one][0], place, reason)
            for place in of_report[one]:
                groups.join(of_report[one][0], place, reason)
    parts: dict[int, list[int]] = defaultdict(list)
    for place in range(len(claims)):
        parts[groups.find(place)].append(place)
    origins = tuple(
        _origin(
            [claims[place] for place in places], [names[place] for place in places], groups.reasons.get(root, set())
        )
        for root, places in sorted(parts.items())
    )
    stances = Counter(stance for origin in origins for stance in origin.stances)
    return Corroboration(proposition, origins, len(of_report), dict(sorted(stances.items())))


def _origin(claims: list[Claim], names: list[str], reasons: set[str]) -> Origin:
    people = tuple(dict.fromkeys(name for claim in claims for name in claim.attribution.named))
    quoted = [claim.attribution.outlet for claim in claims if claim.attribution.outlet]
    counts = [claim.attribution.unnamed_count or len(claim.attribution.unnamed) for claim in claims]
    return Origin(
        name=next(iter([*quoted, *(name for name in names if name), *people]), claims[0].report),
        claims=tuple(claim.id for claim in claims),
        reports=tuple(dict.fromkeys(claim.report for claim in claims)),
        stances=dict(sorted(Counter(claim.stance for claim in claims).items())),
        named=people,
        unnamed_at_least=max(counts, default=0),
        joined_by=tuple(sorted(reasons)) if len(claims) > 1 else (),
    )


def _outlet(claim: Claim, reports: Mapping[str, Report]) -> str:
    if claim.attribution.outlet:
        return claim.attribution.outlet
    report = reports.get(claim.report)
    return report.publisher if report is not None else ""


def _name_key(name: str) -> str:
    return " ".join(re.findall(r"\w+", anyascii(name).casefold()))


def _acronyms(names: Mapping[str, str]) -> dict[str, str]:
    """Return for `WSJ` the key of the one outlet here whose words begin with these letters."""
    initials: dict[str, set[str]] = defaultdict(set)
    for key, name in names.items():
        words = [
            word for word in re.findall(r"[^\W\d_][^\W\d_A-Z]*", anyascii(name)) if word.casefold() not in _ARTICLES
        ]
        if len(words) >= 2:
            letters = "".join(word[0] for word in words).casefold()
            if letters != key:
                initials[letters].add(key)
    return {key: next(iter(initials[key])) for key in names if len(initials.get(key, ())) == 1}
