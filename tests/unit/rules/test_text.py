"""Reading rulebooks: what is accepted, what it means, and that each mistake is named at its place."""

from __future__ import annotations

import pytest
from book_text import BOOK

from groundrule.errors import InputError
from groundrule.instant import parse_instant
from groundrule.records import Outcome
from groundrule.rules.model import All, AnyOf, Compare, In, Latch, ListIn, Not, Relation, Where
from groundrule.rules.text import RulebookErrors, load_rulebook, read_rulebook, write_rulebook


def problems(text: str) -> list[tuple[int, int, str, str]]:
    with pytest.raises(RulebookErrors) as caught:
        read_rulebook(text, file="book.yaml")
    return [(e.line, e.column, e.message, e.help or "") for e in caught.value]


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


def test_every_part_of_the_language_is_read() -> None:
    book = read_rulebook(BOOK)
    speed, norway = book.rules
    assert speed.where == All((AnyOf((Where("country:UA", 1900.0), Where("area:strip", 1900.0))), Not(Where("sea:*"))))
    assert speed.who == All((In("plan", frozenset({"roam"})), In("account", frozenset({"active"}))))
    assert speed.what == Latch("speed_m_s", 75 / 3.6, 70 / 3.6, 30.0)
    assert speed.unless[2] == ListIn("ua-speed-waiver", frozenset({"active"}))
    assert (speed.outcome, speed.edge, speed.unknown) == (Outcome.DENY, Outcome.REVIEW, (("speed_m_s", Outcome.SERVE),))
    assert speed.effective_until_ns == parse_instant("2026-08-01T00:00Z")
    assert (speed.retry_wait_s, speed.retry_move_m, speed.obligations) == (3600, 2000, ("max_down_mbit_s=1",))
    assert dict(speed.message)["uk"] == "Зашвидко."
    assert norway.what == All(
        (
            Compare("stay.abroad.elapsed_days", "above", 60.0),
            Compare("alt_m", "at_least", 0.0),
            Compare("alt_m", "below", 3000.0),
        )
    )
    assert norway.edge == Outcome.RESTRICT, "a doubt is never stricter than the rule"
    assert [right.country for right in book.landing_rights] == ["UA", "NO", "CN"]
    assert book.counters[0].condition == Relation("home_country", inside=False)
    assert book.guarantees[0].when == In("class", frozenset({"any"}))
    assert dict(book.assumptions.position_sigma_m)["gnss"] == 10.0
    assert speed.span.line == line_of(BOOK, "  - id: ua-speed")


def test_no_is_a_country() -> None:
    (norway,) = [rule for rule in read_rulebook(BOOK).rules if rule.id == "norway-roam"]
    assert isinstance(norway.who, All)
    assert In("account_country", frozenset({"NO"})) in norway.who.parts


def test_the_digest_ignores_comments_order_and_units_but_not_meaning() -> None:
    digest = read_rulebook(BOOK).digest
    assert digest.startswith("sha256:")
    assert read_rulebook("# a comment\n" + BOOK.replace("   # a country, not the word no", "")).digest == digest
    swapped = BOOK.replace("who: {plan: [roam], account: active}", "who: {account:   active, plan: roam}")
    assert read_rulebook(swapped).digest == digest
    reordered = BOOK.replace("country:UA, area:strip", "area:strip, country:UA")
    assert read_rulebook(reordered).digest == digest
    for meaning in (("above: 75", "above: 76"), ("outcome: deny", "outcome: review"), ("Too fast.", "Much too fast.")):
        assert read_rulebook(BOOK.replace(*meaning, 1)).digest != digest, meaning


def test_what_is_written_reads_back_the_same() -> None:
    book = read_rulebook(BOOK)
    again = read_rulebook(write_rulebook(book))
    assert again.digest == book.digest
    assert sorted(again.rules, key=lambda r: r.id)[1].what == book.rules[0].what


def test_all_mistakes_are_reported_at_once_in_the_order_of_the_text() -> None:
    text = BOOK.replace("tier: security", "tier: securty").replace("plan: [roam]", "plam: [roam]")
    text = text.replace("reason: roam_restricted", "reason: roam_restrictd").replace(
        "account_country: NO", "account_country: UK"
    )
    found = problems(text)
    assert [line for line, *_ in found] == sorted(
        line_of(text, part) for part in ("securty", "plam", "account_country: UK", "roam_restrictd")
    )
    helps = " ".join(help_ for *_, help_ in found)
    for right in ("`security`", "`plan`", "`roam_restricted`", "`GB`"):
        assert right in helps


MISTAKES = [
    ("version: 1\n", "version: 1\nversion: 2\n", "twice", "version: 2"),
    ("default: {outcome: serve, reason: served}", "default: &d {outcome: serve, reason: served}", "anchor", "&d"),
    ("title: A small rulebook", "title: !!str A small rulebook", "tag", "!!str"),
    ("id: norway-roam", "id: ua-speed", "stands twice", "ua-speed\n    title: Roaming"),
    ("outcome: restrict", "outcome: reject", "not a known outcome", "reject"),
    ("edge: review", "edge: refuse", "not a known outcome", "refuse"),
    ("outcome: restrict", "outcome: restrict\n    edge: deny", "stricter than", "deny\n    reason: roam"),
    ("unknown: {speed: serve}", "unknown: {spead: serve}", "not a fact that can be unknown", "spead"),
    ("unknown: {speed: serve}", "unknown: {speed: serve, speed_km_h: review}", "stated twice", "speed_km_h: review"),
    ("release_below: 70", "release_below: 80", "releases above", "{above: 75, release_below: 80"),
    ("above: 75,", "above: quick,", "not a number", "quick"),
    ("above: 75,", "above: .nan,", "not a number", ".nan"),
    ("from: 2026-02-01T00:00Z, expires", "from: 2026-09-01T00:00Z, expires", "ends before", "{from: 2026-09"),
    ("from: 2026-02-01T00:00Z", "from: 2026-02-01T00:00", "no zone", "2026-02-01T00:00,"),
    ("en: \"Too fast.\"", "english: \"Too fast.\"", "not a valid language", "english"),
    ("authority: {basis: \"terms of service (invented)\", illustrative: true}", "authority: {source: x}", "no `basis`",
     "{source: x}"),
    ("country:UA, area:strip", "country:UA, tag:x", "takes no buffer", "tag:x"),
    ("country:UA, area:strip", "country:UA, contry:UA", "unknown selector", "contry:UA"),
    ("counts_as: [UA]", "counts_as: [CN]", "not in `countries`", "{countries: [RU, UA]"),
    ("CN: {status: unlicensed, illustrative: true}", "CN: {status: unlicensed}", "no source and date",
     "{status: unlicensed}"),
    ("stay: {abroad:", "stay: {abroat:", "unknown counter", "abroat"),
    ("while: {home_country: outside}", "while: {plan: roam}", "more than the place", "{plan: roam}"),
    ("precedence: [sanctions,", "precedence: [plan,", "stands twice", "plan]"),
    ("below: \"2025.01.01\"", "below: \"new\"", "not a version", "\"new\""),
    ("title: Roaming abroad is limited\n", "title:\n", "is empty", None),
    ("wait_s: 3600", "wait_s: 1.5", "not a whole number", "1.5"),
    ("date: 2026-01-20}", "date: 2026-01-20, illustrative: yes}", "not a known", "yes}"),
    ("except_reasons: [sanctions]", "except_reasons: [sanction]", "not a known reason", "sanction]"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "message", "place"), MISTAKES, ids=[m[2] + str(i) for i, m in enumerate(MISTAKES)]
)
def test_each_mistake_is_named_at_its_line(old: str, new: str, message: str, place: str | None) -> None:
    assert BOOK.count(old) >= 1
    text = BOOK.replace(old, new, 1)
    found = problems(text)
    assert len(found) == 1, found
    line, column, said, _ = found[0]
    assert message in said
    if place is not None:
        assert line == line_of(text, place)
        assert text.splitlines()[line - 1][column - 1 :].startswith(place.splitlines()[0][:3])


def test_an_emergency_rule_must_expire_and_be_reviewed() -> None:
    start = "outcome: restrict\n    emergency: true"
    assert "no expiry and review date" in problems(BOOK.replace("outcome: restrict", start))[0][2]
    half = start + "\n    effective: {expires: 2026-08-01}"
    assert problems(BOOK.replace("outcome: restrict", half))
    rule = read_rulebook(BOOK.replace("outcome: restrict", half + "\n    review_by: 2026-03-01")).rules[1]
    assert rule.emergency
    assert rule.review_by_ns == parse_instant("2026-03-01")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("a: [", "not YAML"),
        ("a: \x00", "not YAML"),
        ("- x", "must be a mapping"),
        ("x: &a 1\ny: *a", "anchor"),
        (BOOK + "---\nrulebook: two\n", "second document"),
        ("[" * 80 + "]" * 80, "nested deeper"),
        ("# " + "x" * 2_000_001, "larger than"),
        (BOOK[: BOOK.index("rules:\n")] + "rules: []\n", "has no rules"),
    ],
)
def test_text_that_is_no_rulebook(text: str, message: str) -> None:
    assert any(message in said for _, _, said, _ in problems(text))


def test_no_rules_at_all_must_be_meant() -> None:
    assert read_rulebook(BOOK[: BOOK.index("rules:\n")] + "rules: none\n").rules == ()


def test_errors_read_like_a_compilers() -> None:
    with pytest.raises(RulebookErrors) as caught:
        read_rulebook(BOOK.replace("tier: plan", "tier: plans"), file="world.yaml")
    line = line_of(BOOK, "tier: plan\n")
    assert str(caught.value.errors[0]) == f"world.yaml:{line}:11: `plans` is not a known tier; did you mean `plan`"


def test_a_missing_file_says_so(tmp_path: object) -> None:
    with pytest.raises(InputError, match="cannot read the rulebook"):
        load_rulebook(f"{tmp_path}/none.yaml")


def test_the_shipped_rulebook_loads_by_name() -> None:
    book = load_rulebook("world-2026")
    assert book.id == "world-2026"
    assert read_rulebook(write_rulebook(book)).digest == book.digest
