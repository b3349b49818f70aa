"""Who is protected, ordinary or a case of conflict, against a plain reading of the same rows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import shapely

from groundrule.areas.model import Area, AreaSet
from groundrule.instant import NS_PER_S, parse_instant
from groundrule.pipeline.classes import CLASS_WORDS, Classes, Classifier
from groundrule.pipeline.judge import Judge, make_basis
from groundrule.records import OBSERVATION_SCHEMA
from groundrule.rules.evidence import Profile
from groundrule.rules.model import Rulebook
from groundrule.rules.text import load_rulebook, read_rulebook
from groundrule.store.register_view import RegisterView
from groundrule.store.timeline import RegisterTimeline

AT = parse_instant("2026-03-02T10:00Z")
AREAS = (
    Area("country:UA", "country", "Uland (invented)", shapely.box(30, 45, 36, 50), country="UA"),
    Area("country:DE", "country", "Dland (invented)", shapely.box(7, 48, 14, 54), country="DE"),
    Area("front", "zone", "Front (invented)", shapely.box(34, 47, 35, 48), tags=("war",)),
    Area("quarrel", "conflict", "Quarrel (invented)", shapely.box(8, 49, 9, 50)),
)
PROFILES = {
    "plain": Profile(plan="residential", account_state="active", screening="clear"),
    "clinic": Profile(plan="business", account_state="active", screening="clear", protected_class="hospital"),
    "listed": Profile(plan="business", account_state="active", screening="listed"),
    "listed clinic": Profile(screening="listed", protected_class="hospital"),
    "licensed": Profile(screening="listed", lists=(("sanctions-licence", "active"),)),
    "revoked": Profile(plan="roam", lists=(("ua-allow", "revoked"),), screening="clear"),
    "train": Profile(plan="roam", lists=(("ua-allow", "active"),), programmes=("rail",), screening="clear"),
    "sponsored": Profile(plan="roam", lists=(("humanitarian", "active"),), screening="clear"),
}
BERLIN, KYIV, FRONT, QUARREL, NOWHERE = (52.5, 13.4), (49.0, 31.0), (47.5, 34.5), (49.5, 8.5), (None, None)


def classify(
    pairs: list[tuple[str, tuple[float | None, float | None]]], *, at_ns: int = AT, book: Rulebook | None = None
) -> Classes:
    names = list(PROFILES)
    view = RegisterView.from_columns(
        pa.array(names), np.arange(len(names), dtype=np.int32), list(PROFILES.values()),
        service_lat_deg=np.full(len(names), np.nan), service_lon_deg=np.full(len(names), np.nan),
    )  # fmt: skip
    basis = make_basis(book or load_rulebook("world-2026"), AreaSet(AREAS), RegisterTimeline.fixed(view))
    judge = Judge(basis)
    classifier = Classifier(judge)
    found: list[Classes] = []
    for name, (lat, lon) in pairs:  # one at a time: values grow between the calls
        row = {"terminal_id": name, "observed_at": at_ns, "lat_deg": lat, "lon_deg": lon, "position_source": "gnss"}
        found.append(classifier.of(judge.judge(pa.Table.from_pylist([row], OBSERVATION_SCHEMA))))
    return Classes(*(np.concatenate([getattr(each, part) for each in found]) for part in Classes.__slots__))


def words(classes: Classes) -> list[str]:
    return [CLASS_WORDS[code] for code in classes.codes]


def test_whom_an_outage_may_touch() -> None:
    cases = {
        ("plain", BERLIN): "ordinary",
        ("plain", NOWHERE): "ordinary",
        ("plain", QUARREL): "conflict",
        ("plain", KYIV): "conflict",  # the speed limit of a place
        ("stranger", KYIV): "conflict",
        ("stranger", BERLIN): "ordinary",
        ("train", KYIV): "ordinary",  # excepted from it
        ("train", FRONT): "conflict",
        ("clinic", BERLIN): "protected",
        ("clinic", FRONT): "protected",
        ("listed", BERLIN): "conflict",
        ("listed", NOWHERE): "conflict",
        ("listed clinic", BERLIN): "conflict",  # for that denial
        ("licensed", BERLIN): "ordinary",
        ("revoked", KYIV): "conflict",
        ("revoked", BERLIN): "ordinary",
        ("sponsored", BERLIN): "ordinary",  # the list that permits is no denylist
    }
    found = classify(list(cases))
    assert dict(zip(cases, words(found), strict=True)) == cases
    rows = {pair: row for row, pair in enumerate(cases)}
    assert found.denied_by_list[rows["listed", BERLIN]]
    assert found.denied_by_list[rows["listed clinic", BERLIN]]
    assert found.denied_by_list[rows["revoked", KYIV]]
    assert not found.denied_by_list[rows["revoked", BERLIN]]
    assert not found.denied_by_list[rows["stranger", KYIV]]
    assert found.speed_limited[rows["plain", KYIV]]
    assert not found.speed_limited[rows["plain", QUARREL]]
    assert found.protected[rows["listed clinic", BERLIN]]


def test_a_limit_counts_while_it_is_in_force() -> None:
    until = parse_instant("2026-08-01T00:00Z")
    assert words(classify([("plain", KYIV)], at_ns=until - NS_PER_S)) == ["conflict"]
    assert words(classify([("plain", KYIV)], at_ns=until)) == ["ordinary"]


BARE = """\
rulebook: bare
version: 1
title: A rulebook without lists
operator: Example Orbit (invented)
notice: An example, not legal advice.
default: {outcome: serve, reason: served}
precedence: [rules]
rules:
  - id: suspended
    title: Suspended accounts are not served
    tier: rules
    who: {account: suspended}
    outcome: deny
    reason: account_disabled
    authority: {basis: "terms (invented)", illustrative: true}
"""


@pytest.mark.parametrize(("name", "word"), [("listed", "conflict"), ("plain", "ordinary"), ("clinic", "protected")])
def test_the_listed_are_listed_under_a_rulebook_that_does_not_ask(name: str, word: str) -> None:
    assert words(classify([(name, BERLIN)], book=read_rulebook(BARE, file="bare"))) == [word]
