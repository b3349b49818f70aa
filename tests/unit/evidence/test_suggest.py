"""Suggested claims: right stance, source and characters; nothing where the words are not certain."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from groundrule.evidence.reading import read_report
from groundrule.evidence.report import Claim, ClaimKind, ClaimStatus, Report, Stance
from groundrule.evidence.suggest import MAX_SUGGESTIONS, suggest
from marked_articles import FOLDER, read, report_of

FACT, OPINION = ClaimKind.FACT, ClaimKind.OPINION


def one(text: str, language: str) -> Claim:
    """The only suggestion for a body of one paragraph."""
    report = report_of(f"A title (invented)\n\n{text}", language=language)
    (claim,) = suggest(report)
    assert claim.statement == " ".join(report.text[claim.start : claim.end].split())
    assert claim.status is ClaimStatus.SUGGESTED
    assert claim.suggested_by.startswith(f"claims/1:{language}:")
    return claim


SENTENCES = [
    ("en", "Two sources confirmed on Friday that the beam had been moved.", "confirms", (), 2, ""),
    ("en", "The operator said it was not in a position to corroborate the account.", "cannot_corroborate", ("operator",), None, ""),
    ("en", "Several current and former officials said they were not aware of the call.", "unaware", (), 2, ""),
    ("en", "According to the Coast Herald, nobody was told.", "reports", (), None, "Coast Herald"),
    ("en", "The ministry declined to comment.", "declines", ("ministry",), None, ""),
    ("en", "“We did nothing of the sort,” said Ada Brom, who denied that there was a list.", "denies", ("Ada Brom",), None, ""),
    ("en", "The commission did not reply.", "no_reply", ("commission",), None, ""),
    ("en", "Lawmaker Ada Brom said the outage should be investigated.", "calls_for_inquiry", ("Ada Brom",), None, ""),
    ("de", "Zwei Quellen bestätigten den Ausfall.", "confirms", (), 2, ""),
    ("de", "Mehrere Beamte sagten, sie wüssten nichts von einem Anruf.", "unaware", (), 2, ""),
    ("de", "Eine Quelle sagte, dass die Behörde keinen Verstoß zurückverfolgen kann.", "cannot_corroborate", ("Behörde",), 1, ""),
    ("de", "Die Behörde lehnte eine Stellungnahme ab.", "declines", ("Behörde",), None, ""),
    ("de", "Das Ministerium dementierte.", "denies", ("Ministerium",), None, ""),
    ("uk", "Двоє посадовців підтвердили збій.", "confirms", (), 2, ""),
    ("uk", "Речник міністерства відмовився від коментарів.", "declines", ("Речник міністерства",), None, ""),
    ("fr", "Trois responsables ont confirmé la coupure.", "confirms", (), 3, ""),
    ("fr", "Le ministère n'a pas souhaité commenter.", "declines", ("ministère",), None, ""),
    ("es", "Tres funcionarios confirmaron el corte.", "confirms", (), 3, ""),
    ("es", "El ministerio desmintió la noticia.", "denies", ("ministerio",), None, ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("language", "text", "stance", "named", "unnamed", "outlet"), SENTENCES, ids=[each[1][:40] for each in SENTENCES]
)
def test_stance_source_and_characters(
    language: str, text: str, stance: str, named: tuple[str, ...], unnamed: int | None, outlet: str
) -> None:
    claim = one(text, language)
    said = claim.attribution
    assert (claim.kind, claim.stance) == (FACT, Stance(stance))
    assert (said.unnamed_count, said.outlet) == (unnamed, outlet)
    for name in named:
        assert name in " ".join(said.named)
    assert bool(said.named) == bool(named)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "Roads are closed in winter."),
        ("en", "He denied service to nobody."),
        ("en", "The confirmed cases rose."),
        ("en", "If the service was switched off, nobody would notice."),
        ("en", "Was the service switched off?"),
        ("en", "A sign read: “The ministry denied that the bridge is open.”"),
        ("en", "The law forbids such lists."),
        ("de", "Berichte gab es viele."),
        ("de", "Der Hafen liegt im Norden."),
        ("uk", "Порт стоїть на півночі."),
        ("fr", "Le port se trouve au nord."),
        ("es", "El puerto está en el norte."),
    ],
)
def test_what_is_not_certain_gives_nothing(language: str, text: str) -> None:
    assert suggest(report_of(f"A title (invented)\n\n{text}", language=language)) == ()


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "We must not forget this. The minister should resign."),
        ("de", "Die Öffentlichkeit muss Untersuchungen fordern."),
        ("uk", "Це ганьба."),
        ("fr", "C'est un scandale."),
        ("es", "Es un escándalo."),
    ],
)
def test_demands_and_judgements_in_the_own_voice_are_opinion(language: str, text: str) -> None:
    claim = one(text, language)
    assert claim.kind is OPINION
    assert claim.attribution.named == claim.attribution.unnamed == ()


def test_a_demand_of_somebody_named_is_a_claim_about_that_person() -> None:
    claim = one("Die Abgeordnete Ada Brom forderte eine Untersuchung.", "de")
    assert (claim.kind, claim.stance) == (FACT, Stance.CALLS_FOR_INQUIRY)


@pytest.mark.parametrize(
    ("language", "text", "kind", "count"),
    [
        ("en", "He met the owners regularly, two former employees of the company said.", "two former employees of the company", 2),
        ("en", "Two former employees of the company said that he met the owners.", "Two former employees of the company", 2),
        ("en", "He met the owners, according to two former employees of the company.", "two former employees of the company", 2),
        ("en", "According to three officials at the ministry, he met them.", "three officials at the ministry", 3),
        ("de", "Laut zwei früheren Mitarbeitern des Unternehmens traf er sie.", "zwei früheren Mitarbeitern des Unternehmens", 2),
        ("fr", "Selon deux anciens employés de l'entreprise, il les a rencontrés.", "deux anciens employés de l'entreprise", 2),
        ("es", "Según dos antiguos empleados de la empresa, los conoció.", "dos antiguos empleados de la empresa", 2),
    ],
)
def test_the_body_that_unnamed_sources_belong_to_is_no_source(language: str, text: str, kind: str, count: int) -> None:
    said = one(text, language).attribution
    assert (said.named, said.unnamed, said.unnamed_count) == ((), (kind,), count)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("According to two officials and the ministry, he met them.", "ministry"),
        ("According to the ministry, two officials met them.", "ministry"),
        ("The company denied the report of two former employees.", "company"),
    ],
)
def test_a_body_beside_unnamed_sources_is_one(text: str, named: str) -> None:
    assert named in " ".join(one(text, "en").attribution.named)


def test_two_voices_in_one_sentence_are_two_claims() -> None:
    report = report_of(
        "T (invented)\n\nTwo engineers confirmed the outage, and the operator Skyloom denied that it gave an order.",
        language="en",
    )
    first, second = suggest(report)
    assert (first.stance, second.stance) == (Stance.CONFIRMS, Stance.DENIES)
    assert first.end <= second.start
    assert "Skyloom" not in first.statement
    assert second.statement.startswith("and the operator Skyloom")


def test_ids_are_the_same_each_time_and_differ() -> None:
    report, _ = read(FOLDER / "held_out" / "en-1.txt")
    found = suggest(report)
    assert found == suggest(report)
    assert len({claim.id for claim in found}) == len(found)


def test_a_language_without_cues_gives_nothing() -> None:
    assert suggest(report_of("Title\n\nTwo sources confirmed it.", language="tlh")) == ()


@pytest.mark.parametrize(
    "piece", ["two sources ", "said, ", "der die das ", "„", "((((", "A B C ", "Quelle sagte ", "x, y and "]
)
def test_hostile_text_is_bounded(piece: str) -> None:
    begun = time.monotonic()
    for language in ("en", "de", "uk"):
        suggest(report_of("T\n\n" + piece * (30_000 // len(piece)), language=language))
        suggest(report_of("T\n\n" + (piece * 20 + ". ") * 300, language=language))
    assert time.monotonic() - begun < 60
    many = report_of("T\n\n" + "Two sources confirmed it. " * (MAX_SUGGESTIONS + 50), language="en")
    assert len(suggest(many)) == MAX_SUGGESTIONS


# --- articles that nobody tuned on; the campaign prints the whole table -----------------------------------------------


def test_the_held_out_articles_are_read_no_worse_than_before() -> None:
    marked = found = suggested = right = 0
    for path in sorted((FOLDER / "held_out").glob("*.txt")):
        report, marks = read(path)
        claims = suggest(report)
        marked, suggested = marked + len(marks), suggested + len(claims)
        found += sum(any(mark.agrees(claim) for claim in claims) for mark in marks)
        right += sum(any(mark.agrees(claim) for mark in marks) for claim in claims)
    assert marked > 70
    assert found >= 0.8 * marked, (found, marked)
    assert right >= 0.84 * suggested, (right, suggested)


# --- a real page; none of its text is kept here -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def real(shared_data: Path) -> tuple[Report, tuple[Claim, ...]]:
    raw = (shared_data / "reports" / "machine-translated-article.de.txt").read_bytes()
    report = read_report(raw, file_name="article.txt")
    return report, suggest(report)


def pick(claims: tuple[Claim, ...], *words: str, kind: ClaimKind = FACT) -> Claim:
    found = [claim for claim in claims if claim.kind is kind and all(word in claim.statement for word in words)]
    assert len(found) == 1, [claim.statement[:60] for claim in found]
    return found[0]


def test_the_contact_since_2022_is_another_newspapers_report(real: tuple[Report, tuple[Claim, ...]]) -> None:
    claim = pick(real[1], "seit Ende 2022")
    assert claim.stance is Stance.REPORTS
    assert "Journal" in claim.attribution.outlet
    confirmed = pick(real[1], "Geheimdienst", "bestätigt")
    assert confirmed.stance is Stance.CONFIRMS
    assert confirmed.attribution.unnamed_count == 2
    assert any("ehemaligen" in each for each in confirmed.attribution.unnamed)
    assert any(each.startswith("Russe") for each in confirmed.attribution.unnamed)
    assert confirmed.problems == (f"refers_back:{claim.id}",)


def test_the_request_over_an_island_is_confirmed_by_two(real: tuple[Report, tuple[Claim, ...]]) -> None:
    claim = pick(real[1], "Taiwan", "aktivieren")
    assert claim.stance is Stance.CONFIRMS
    assert claim.attribution.unnamed_count == 2


def test_officials_who_knew_nothing(real: tuple[Report, tuple[Claim, ...]]) -> None:
    claim = pick(real[1], "nichts von")
    assert claim.stance is Stance.UNAWARE
    assert claim.attribution.unnamed_count == 2
    assert "Hauses" in claim.attribution.unnamed[0]
    assert claim.attribution.outlet == "WSJ"
    secret = pick(real[1], "Geheimnis")
    assert (secret.stance, secret.attribution.outlet) == (Stance.REPORTS, "WSJ")


def test_no_breach_could_be_traced(real: tuple[Report, tuple[Claim, ...]]) -> None:
    claim = pick(real[1], "zurückverfolgen")
    assert claim.stance is Stance.CANNOT_CORROBORATE
    assert claim.attribution.unnamed_count == 1
    assert claim.attribution.named == ("Regierung",)


def test_the_terminal_on_a_drone_comes_from_another_outlet(real: tuple[Report, tuple[Claim, ...]]) -> None:
    claim = pick(real[1], "abgestürzten")
    assert claim.stance is Stance.REPORTS
    assert claim.attribution.outlet.startswith("Nachrichten")


def test_the_refused_service_is_said_in_the_own_voice(real: tuple[Report, tuple[Claim, ...]]) -> None:
    claim = pick(real[1], "Schwarzen Meer")
    assert claim.stance is Stance.REPORTS
    assert claim.attribution.outlet == ""
    assert claim.attribution.named == ()


def test_what_is_quoted_names_its_outlet(real: tuple[Report, tuple[Claim, ...]]) -> None:
    for word in ("Biografie", "Despoten"):
        claim = pick(real[1], word)
        assert claim.attribution.outlet == "WSJ"
        assert claim.attribution.named


def test_treason_elections_and_what_should_happen_are_opinion(real: tuple[Report, tuple[Claim, ...]]) -> None:
    report, claims = real
    words = (
        "Verrat",
        "gewinnt",
        "Untersuchungen fordern",
        "vor den Kongress",
        "aufgedeckt werden",
        "Daumen",
        "Teppich",
        "schlimm genug",
    )
    for word in words:
        place = report.text.index(word)
        over = [claim for claim in claims if claim.start <= place < claim.end]
        assert [claim.kind for claim in over] == [OPINION], word


def test_every_suggestion_points_into_the_reading(real: tuple[Report, tuple[Claim, ...]]) -> None:
    report, claims = real
    read_spans = [
        span
        for span in report.spans
        if report.text[span.start : span.end].strip() and span.role.value in ("title", "lead", "body", "quote")
    ]
    for claim in claims:
        assert any(span.start <= claim.start and claim.end <= span.end for span in read_spans)
