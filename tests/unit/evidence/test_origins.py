"""Independent origins, contradictions that are marked and not resolved, and who says what side by side; all invented."""

from __future__ import annotations

from dataclasses import replace

import pytest

from groundrule.errors import InputError
from groundrule.evidence.contradictions import contradictions, interval, marked
from groundrule.evidence.origins import address_key, corroboration, outlet_key
from groundrule.evidence.polarity import polarity
from groundrule.evidence.report import (
    Attribution,
    Claim,
    ClaimKind,
    ClaimStatus,
    Proposition,
    Report,
    Stance,
    Translation,
    TranslationKind,
)
from groundrule.evidence.report_json import encode, parse_claim, parse_report, report_value
from groundrule.evidence.side_by_side import side_by_side
from groundrule.evidence.suggest import suggest
from groundrule.instant import NS_PER_DAY
from marked_articles import FOLDER, read, report_of

ABOUT = Proposition("proposition-" + "a" * 32, "The link was cut (invented).")
LONG = " ".join(
    f"word{number} of the long text about the harbour and its ferries number {number}" for number in range(40)
)


def claim(number: int, report: Report, statement: str = "The link was cut.", **fields: object) -> Claim:
    made = Claim(
        f"claim-{number:032x}", report.id, 0, 5, ClaimKind.FACT, statement, Stance.REPORTS, proposition=ABOUT.id
    )
    return replace(made, **fields)  # type: ignore[arg-type]  # fields of the model


def article(name: str, text: str = "", **fields: str) -> Report:
    return report_of(f"{name} (invented)\n\n{text or name}", language=fields.pop("language", "en"), **fields)


def count(*pairs: tuple[Claim, Report]):
    return corroboration([each for each, _ in pairs], {report.id: report for _, report in pairs})[ABOUT.id]


def test_ten_articles_that_quote_one_newspaper_are_one_origin() -> None:
    spellings = ["The Wide Strait Journal", "WideStraitJournal", "Wide Strait Journal", "WSJ"]
    pairs = []
    for number in range(10):
        report = article(f"copy {number}", publisher=f"Paper {number} (invented)")
        pairs.append((claim(number, report, attribution=Attribution(outlet=spellings[number % 4])), report))
    source = article("the original", publisher="Wide Strait Journal")
    pairs.append((claim(10, source, attribution=Attribution(unnamed=("two sources",), unnamed_count=2)), source))
    found = count(*pairs)
    assert (found.articles, len(found.origins), found.supporting) == (11, 1, 1)
    assert found.origins[0].unnamed_at_least == 2
    assert found.origins[0].joined_by == ("outlet",)
    other = article("another", publisher="Second Paper (invented)")
    assert len(count(*pairs, (claim(11, other), other)).origins) == 2


def test_one_speaker_in_two_papers_is_one_origin_and_two_speakers_are_two() -> None:
    one, two = article("a", publisher="A"), article("b", publisher="B")
    rell, quill = Attribution(named=("Minister Jonas Rell",)), Attribution(named=("Mara Quill",))
    assert len(count((claim(1, one, attribution=rell), one), (claim(2, two, attribution=rell), two)).origins) == 1
    assert len(count((claim(1, one, attribution=rell), one), (claim(2, two, attribution=quill), two)).origins) == 2


def test_the_same_text_and_the_same_address_are_one_origin() -> None:
    one, two = article("a", LONG, publisher="A"), article("b", LONG + " and a line more", publisher="B")
    found = count((claim(1, one), one), (claim(2, two), two))
    assert [origin.joined_by for origin in found.origins] == [("copy",)]
    first = article("c", publisher="C", canonical="https://www.paper.example/a/?utm_source=x")
    second = article("d", publisher="D", canonical="http://paper.example/a#top")
    assert [origin.joined_by for origin in count((claim(1, first), first), (claim(2, second), second)).origins] == [
        ("link",)
    ]


def test_what_a_report_retells_is_no_second_origin_but_what_its_own_sources_say_is() -> None:
    report = article("a", publisher="A")
    quoted = claim(1, report, attribution=Attribution(outlet="Coast Herald"))
    retold = claim(2, report)
    assert len(count((quoted, report), (retold, report)).origins) == 1
    own = claim(3, report, attribution=Attribution(named=("Ada Brom",)), stance=Stance.DENIES)
    assert {stance.value: each for stance, each in count((quoted, report), (own, report)).stances.items()} == {
        "reports": 1,
        "denies": 1,
    }


def test_opinions_and_rejected_claims_do_not_count() -> None:
    report = article("a")
    opinion = claim(1, report, kind=ClaimKind.OPINION)
    rejected = claim(2, report, status=ClaimStatus.REJECTED)
    assert corroboration([opinion, rejected], {report.id: report}) == {}


def test_keys_of_outlets_and_addresses() -> None:
    assert outlet_key("The Coast Herald") == outlet_key("CoastHerald (invented)") == "coastherald"
    assert outlet_key("Кур’єр") == outlet_key("Кур'єр")
    assert address_key("https://www.A.example/x/?b=2&a=1&utm_medium=m#f") == address_key("http://a.example/x?a=1&b=2")
    assert address_key("no address") == address_key("http://[broken") == ""


# --- contradictions ---------------------------------------------------------------------------------------------------


def kinds(*pairs: tuple[Claim, Report]) -> list[str]:
    return sorted(
        each.kind for each in contradictions([each for each, _ in pairs], {report.id: report for _, report in pairs})
    )


def test_stance_dates_and_numbers_that_cannot_both_hold_are_marked() -> None:
    one, two = article("a"), article("b")
    assert kinds((claim(1, one), one), (claim(2, two, stance=Stance.DENIES), two)) == ["opposite_stance"]
    assert kinds((claim(1, one), one), (claim(2, two, stance=Stance.UNAWARE), two)) == []
    assert kinds((claim(1, one, happened="2026-03-03"), one), (claim(2, two, happened="2026-03-05"), two)) == [
        "differing_dates"
    ]
    assert kinds((claim(1, one, happened="2026-03"), one), (claim(2, two, happened="2026-03-05"), two)) == []
    found = kinds((claim(1, one, "It took 2,500 devices."), one), (claim(2, two, "It took 30 devices."), two))
    assert found == ["differing_numbers"]
    assert kinds((claim(1, one, "It took 2,500 devices."), one), (claim(2, two, "It took 2 500 devices."), two)) == []


def test_both_sides_stand_with_their_mark_and_none_is_dropped() -> None:
    one, two = article("a"), article("b")
    claims = (claim(1, one), claim(2, two, stance=Stance.DENIES))
    found = contradictions(claims, {one.id: one, two.id: two})
    first, second = marked(claims, found)
    assert first.problems == (f"contradicts:{second.id}",)
    assert second.problems == (f"contradicts:{first.id}",)
    assert (first.stance, second.stance) == (Stance.REPORTS, Stance.DENIES)


def reversed_pair(*, linked: bool = True) -> tuple[tuple[Claim, Report], tuple[Claim, Report]]:
    minister = "міністр Остап Брама"
    original = article(
        "Оригінал",
        "Міністр Остап Брама сказав, що термінали з білого списку працюють.",
        language="uk",
        canonical="https://p.example/1",
    )
    copy = article(
        "Copy", "Minister Ostap Brama said terminals on the white list are now blocked.", publisher="Copyist"
    )
    address = "https://p.example/1" if linked else ""
    copy = replace(copy, translation=Translation(TranslationKind.MACHINE, from_language="uk", original_url=address))
    return (
        (
            claim(1, original, "термінали з білого списку працюють", attribution=Attribution(named=(minister,))),
            original,
        ),
        (
            claim(
                2,
                copy,
                "terminals on the white list are now blocked",
                attribution=Attribution(named=("Minister Ostap Brama",)),
            ),
            copy,
        ),
    )


def test_a_translation_that_turns_a_statement_round_is_marked() -> None:
    first, second = reversed_pair()
    assert kinds(first, second) == ["reversed_in_translation"]
    both = marked(
        (first[0], second[0]), contradictions((first[0], second[0]), {first[1].id: first[1], second[1].id: second[1]})
    )
    assert all("reversed_in_translation" in each.problems for each in both)
    # Found from the link and the speaker alone, before anybody has set up a proposition.
    loose = [(replace(each, proposition=""), report) for each, report in (first, second)]
    assert kinds(*loose) == ["reversed_in_translation"]


def test_one_speaker_quoted_in_two_languages_with_opposite_sense_is_marked_without_a_link() -> None:
    first, second = reversed_pair(linked=False)
    assert kinds(first, second) == ["reversed_in_translation"]
    stranger = replace(second[0], attribution=Attribution(named=("Ida Fenn",)))
    assert kinds(first, (stranger, second[1])) == ["opposite_polarity"]


@pytest.mark.parametrize(
    ("text", "sign"),
    [
        ("terminals on the list work", 1), ("terminals on the list are blocked", -1), ("they do not work", -1), ("they are not blocked", 1),
        ("those on the list work and the others are blocked", 0), ("Термінали не працюють", -1), ("Geräte wurden gesperrt", -1),
        ("Les terminaux fonctionnent", 1), ("Los terminales no funcionan", -1), ("Nothing is said.", 0),
    ],
)  # fmt: skip
def test_polarity(text: str, sign: int) -> None:
    assert polarity(text) == sign


def test_intervals() -> None:
    day = interval("2026-03-03")
    assert day is not None
    assert day[1] - day[0] == NS_PER_DAY - 1
    assert interval("") is None
    month, span = interval("2026-12"), interval("2026-03-03/2026-03-04")
    assert month is not None
    assert month[1] - month[0] == 31 * NS_PER_DAY - 1
    assert span is not None
    assert span[1] - span[0] == 2 * NS_PER_DAY - 1
    for wrong in ("yesterday", "2026-03-04/2026-03-03", "2026-13"):
        with pytest.raises(InputError):
            interval(wrong)


def test_side_by_side_holds_every_voice_by_stance() -> None:
    one, two = article("a", publisher="A (invented)"), article("b", publisher="B (invented)")
    claims = [
        claim(1, two, stance=Stance.DENIES, attribution=Attribution(named=("operator Skyloom",))),
        claim(2, one, attribution=Attribution(outlet="Coast Herald")),
        claim(3, two, status=ClaimStatus.REJECTED),
    ]
    found = side_by_side(ABOUT, claims, {one.id: one, two.id: two})
    assert [(row.claim.stance.value, row.who) for row in found.rows] == [
        ("reports", "Coast Herald"),
        ("denies", "operator Skyloom"),
    ]
    assert found.corroboration is not None
    assert len(found.corroboration.origins) == 2
    assert [each.kind for each in found.contradictions] == ["opposite_stance"]


# --- JSON -------------------------------------------------------------------------------------------------------------


def test_reports_and_claims_come_back_as_they_were() -> None:
    for path in sorted((FOLDER / "held_out").glob("*.txt")):
        report, _ = read(path)
        assert parse_report(encode(report)) == report
        for each in suggest(report):
            assert parse_claim(encode(each)) == each


@pytest.mark.parametrize(
    "change",
    [
        {"id": "report-" + "0" * 32}, {"extra": 1}, {"text": 5}, {"text": "short"}, {"spans": None},
        {"spans": [{"start": 5, "end": 2, "role": "body", "basis": ""}]},
        {"spans": [{"start": 0, "end": 2, "role": "hidden", "basis": ""}]},
        {"outlets": [["A", 0, 10**9]]},
    ],
)  # fmt: skip
def test_a_report_that_cannot_be_is_refused(change: dict[str, object]) -> None:
    report, _ = read(FOLDER / "held_out" / "en-1.txt")
    with pytest.raises(InputError):
        parse_report(report_value(report) | change)
    value = report_value(report)
    del value["title"]
    with pytest.raises(InputError):
        parse_report(value)
    for broken in (b"", b"[]", b"{", b"\xff", b"[" * 5_000):
        with pytest.raises(InputError):
            parse_report(broken)
