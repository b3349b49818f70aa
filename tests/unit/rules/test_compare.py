"""What changed between two rulebooks, in words."""

from __future__ import annotations

import pytest
from books_small import SMALL

from groundrule.instant import parse_instant
from groundrule.rules.compare import compare
from groundrule.rules.text import read_rulebook, write_rulebook


def _changes(old: str, new: str, *, text: str = SMALL, **kwargs):
    assert old in text
    return compare(read_rulebook(text), read_rulebook(text.replace(old, new, 1)), **kwargs)


def test_the_same_rulebook_has_no_changes():
    assert compare(read_rulebook(SMALL), read_rulebook(SMALL)) == []


def test_order_spelling_and_comments_are_no_changes():
    assert (
        _changes(
            "unless: [{programme: rail}, {list: ua-speed-waiver}]",
            "unless: [{list: ua-speed-waiver}, {programme: [rail]}]  # both",
        )
        == []
    )


def test_numbers_of_a_limit_stand_side_by_side():
    found = _changes("{above: 75, release_below: 70, for_s: 30}", "{above: 60, release_below: 55, for_s: 15}")
    assert [str(change) for change in found] == [
        "* ua-speed: speed above 75 → 60 km/h; release below 70 → 55 km/h; held for 30 → 15 s"
    ]


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("{altitude_m: {above: 3000}}", "{altitude_m: {above: 500}}", "sky: altitude above 3 km → 500 m"),
        ("where: {any: [country:UA]}", "where: {any: [country:UA, sea:RU]}", "ua-speed: where: +sea:RU"),
        ("[{programme: rail}, {list: ua-speed-waiver}]", "[{list: ua-speed-waiver}]",
         "ua-speed: no longer excepted: with programme rail"),
        ("[{programme: rail}, {list", "[{programme: rail}, {class: hospital}, {list",
         "ua-speed: now excepted: protected class is hospital"),
        ("[{programme: rail}, {list", "[{programme: [rail, bus]}, {list", "ua-speed: exception: programme: +bus"),
        ("edge: review", "edge: deny", "ua-speed: edge: review → deny"),
        ("unknown: {speed: serve}", "unknown: {speed: review}", "ua-speed: unknown speed_m_s: serve → review"),
        ("expires: 2026-08-01T00:00Z", "expires: 2026-09-01T00:00Z",
         "ua-speed: expires 2026-08-01T00:00:00Z → 2026-09-01T00:00:00Z"),
        ("[sanctions, protected, rules]", "[protected, sanctions, rules]",
         "precedence: sanctions > protected > rules → protected > sanctions > rules"),
        ("RU: {status: blocked, illustrative: true}", "RU: {status: licensed, illustrative: true}",
         "landing right RU: blocked → licensed"),
        ("  RU: {status: blocked, illustrative: true}\n", "", "landing right RU: removed: blocked"),
        ("counts_as: [UA], source", "counts_as: [RU, UA], source", "claim RU+UA: counts as: `UA` → `RU and UA`"),
        ("default: {outcome: serve, reason: served}", "default: {outcome: review, reason: served}",
         "default: serve (served) → review (served)"),
        ("{max_position_age_s: 900}", "{max_position_age_s: 300}", "assumption max_position_age_s: 900 → 300"),
        ("outcome: restrict", "outcome: deny",
         "sky: outcome: restrict → deny; edge: restrict → review; stale: restrict → review"),
    ],
)  # fmt: skip
def test_what_decides_is_said_in_words_and_starred(old, new, sentence):
    found = _changes(old, new)
    assert [change.sentence for change in found] == [sentence]
    assert found[0].affects_past


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("title: High up nothing is served", "title: High up nobody is served"),
        ('basis: "a request (invented)"', 'basis: "another request (invented)"'),
        ('{en: "A no-service zone applies here."}', '{en: "A zone applies here."}'),
        ("appeal: Write to the operator.", "appeal: Call the operator."),
        ("retry: {wait_s: 60, move_m: 2000}", "retry: {wait_s: 90, move_m: 2000}"),
        ('source: "UN GA resolution 68/262"}', 'source: "another"}'),
        ("version: 1", "version: 2"),
    ],
)
def test_what_is_only_worded_otherwise_is_reported_without_star(old, new):
    found = _changes(old, new)
    assert len(found) == 1
    assert not found[0].affects_past


def test_a_rule_that_begins_later_cannot_change_the_past():
    now = parse_instant("2026-01-01T00:00Z")
    changed = _changes("{above: 75,", "{above: 72,", now_ns=now)
    assert [change.affects_past for change in changed] == [False]
    changed = _changes("{above: 75,", "{above: 72,", now_ns=parse_instant("2026-03-01T00:00Z"))
    assert [change.affects_past for change in changed] == [True]


def test_a_later_expiry_cannot_change_what_was_before_the_earlier_one():
    changed = _changes("expires: 2026-08-01T00:00Z", "expires: 2026-09-01T00:00Z", now_ns=parse_instant("2026-07-01"))
    assert [change.affects_past for change in changed] == [False]


def test_added_and_removed_rules_are_told_whole():
    start = SMALL.index("  - id: zone")
    end = SMALL.index("  - id: sky")
    without = SMALL[:start] + SMALL[end:]
    old, new = read_rulebook(without), read_rulebook(SMALL)
    words = "deny (no_service_zone) in tag:no-service"
    assert [change.sentence for change in compare(old, new)] == [f"zone: added: {words}"]
    assert [change.sentence for change in compare(new, old)] == [f"zone: removed: {words}"]
    assert [change.kind for change in compare(new, old)] == ["removed"]


def test_a_threshold_of_a_detector_is_part_of_the_rulebook_and_of_its_digest():
    stated = SMALL.replace("claims:\n", "detection: {drone_flight: {least_km_h: 90}}\nclaims:\n", 1)
    book = read_rulebook(stated)
    assert book.detection == (("drone_flight", (("least_km_h", 90.0),)),)
    assert book.digest != read_rulebook(SMALL).digest
    assert [str(change) for change in compare(read_rulebook(SMALL), book)] == [
        "* detection drone_flight least_km_h: as shipped → 90"
    ]
    assert read_rulebook(write_rulebook(book)).digest == book.digest
