"""Screenings as readers see them: the lists that were used, candidates, and who decided about them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from groundrule.api.parties_seen import Parties, PartyView
from groundrule.api.times import when
from groundrule.govern.logged import LoggedScreening
from groundrule.screen.match import Candidate


class ListUsed(msgspec.Struct):
    """A list as a screening used it."""

    source: str
    date: str
    sha256: str


class WordPair(msgspec.Struct):
    """Two words of names that were taken for the same.

    Attributes:
        query, listed: the word that was asked for, and the listed one.
        link: why. likeness: how alike [thousandths].
    """

    query: str
    listed: str
    link: str
    likeness: int


class FeatureView(msgspec.Struct):
    """Why a candidate has its score.

    Attributes:
        name_score: of the names alone [thousandths].
        words, only_query, only_listed, order: how the names were compared.
        birth, country: what the facts say, and what that added [thousandths].
        identifiers: schemes of equal identifiers.
        weak_name: the publisher calls the name weak.
        lines: the same in words.
    """

    name_score: int
    words: list[WordPair]
    only_query: list[str]
    only_listed: list[str]
    order: str | None
    birth: tuple[str, int]
    country: tuple[str, int]
    identifiers: list[str]
    weak_name: bool
    lines: list[str]


class Hit(msgspec.Struct):
    """An entry of a list that somebody may be; no verdict on anybody.

    Attributes:
        source: of the list. entry: number of the publisher. name: that fits best, as published. kind: of the entry.
        asked: name that it fits.
        score: 0 to 1000. verdict: candidate, strong_candidate or weak_name_only.
        programmes: under which it is listed.
        features: why.
    """

    source: str
    entry: str
    name: str
    kind: str
    asked: str
    score: int
    verdict: str
    programmes: list[str]
    features: FeatureView


class CandidateView(msgspec.Struct):
    """A candidate of a logged screening.

    Attributes:
        entry: source and number of the publisher.
        disposition: unresolved, true, false or weak. by, reason: of the registrar who decided.
    """

    entry: str
    score: int
    disposition: str
    by: PartyView | None
    reason: str


class ScreeningView(msgspec.Struct):
    """A screening on record.

    Attributes:
        id, log_index, subject: of what and of whom.
        performed_at, valid_until: when, and until when a proposal may rest on it.
        lists: that were used.
        candidates: and what registrars decided.
        listed, unresolved: whom it stops.
        hits: with the features of their scores, in the answer to the screening itself; the log does not hold them.
    """

    id: str
    log_index: int
    subject: PartyView
    performed_at: str | None
    valid_until: str | None
    lists: list[ListUsed]
    candidates: list[CandidateView]
    listed: bool
    unresolved: bool
    hits: list[Hit] = []


def screening_of(logged: LoggedScreening, parties: Parties, found: Sequence[tuple[str, Candidate]] = ()) -> ScreeningView:
    """Return a screening; `found` are its candidates with their features, where they are known."""
    made = logged.screening
    candidates = [
        CandidateView(each.entry_uid, each.score, each.disposition, None if each.by is None else parties.of(each.by), each.reason)
        for each in made.candidates
    ]
    return ScreeningView(
        made.id, logged.index, parties.of(made.subject), when(made.performed_at), when(made.valid_until),
        [ListUsed(each.source, each.date, each.sha256) for each in made.snapshots], candidates, made.listed, made.unresolved,
        [hit_of(source, each) for source, each in found],
    )  # fmt: skip


def hit_of(source: str, candidate: Candidate) -> Hit:
    """Return a candidate with what made its score."""
    found = candidate.features
    entry: dict[str, Any] = candidate.entry.value
    words = [] if found.name is None else [WordPair(each.query, each.listed, each.link, each.likeness) for each in found.name.words]
    features = FeatureView(
        found.name_score, words, [] if found.name is None else list(found.name.only_query),
        [] if found.name is None else list(found.name.only_listed), None if found.name is None else found.name.order,
        found.birth, found.country, list(found.identifiers), found.weak_name, found.sentences(),
    )  # fmt: skip
    return Hit(
        source, candidate.uid, candidate.name, str(entry["kind"]), candidate.asked, min(candidate.score, 1000),
        candidate.verdict.value, [str(each) for each in entry.get("programmes") or ()], features,
    )  # fmt: skip
