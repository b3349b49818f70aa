# ruff: noqa: E501 - sentences in thirteen languages stand in tables
from __future__ import annotations

import gzip
import hashlib
import sys
import zlib
from pathlib import Path

import pytest

import hostile_files
from groundrule.errors import InputError, MissingExtra
from groundrule.evidence.language import tag
from groundrule.evidence.notices import notice
from groundrule.evidence.outlets import find_outlets, outlet_id
from groundrule.evidence.plain_text import paragraphs
from groundrule.evidence.raw_files import FileKind, Limits, decode, kind_of
from groundrule.evidence.reading import read_report, read_reports
from groundrule.evidence.report import READ, Report, SpanRole, TranslationKind

ARTICLES = Path(__file__).parents[2] / "articles"
MACHINE = {
    "en": "This article was machine translated from the original.", "de": "Dieser Inhalt wurde maschinell aus dem Originalmaterial übersetzt.",
    "fr": "Cet article a été traduit automatiquement.", "es": "Este artículo fue traducido automáticamente.", "it": "Questo articolo è stato tradotto automaticamente.",
    "pl": "Ten artykuł został przetłumaczony automatycznie.", "pt": "Este artigo foi traduzido automaticamente.", "uk": "Цей матеріал перекладено автоматично.",
    "ru": "Этот материал переведён автоматически.", "zh": "本文由机器翻译。", "ja": "この記事は機械翻訳です。", "tr": "Bu makale otomatik olarak çevrilmiştir.", "ar": "تمت ترجمة هذا المقال آلياً.",
}  # fmt: skip
MARKERS = {"en": "Advertisement", "de": "Werbung", "fr": "Publicité", "es": "Publicidad", "it": "Pubblicità", "pl": "Reklama", "pt": "Anúncio", "uk": "На правах реклами",
           "ru": "Реклама", "zh": "广告", "ja": "スポンサーリンク", "tr": "Reklamlar", "ar": "إعلان"}  # fmt: skip


def of_role(report: Report, role: SpanRole) -> list[str]:
    return [report.text[span.start : span.end] for span in report.spans if span.role is role]


def article(kind: str) -> Report:
    return read_report((ARTICLES / f"invented-article.de.{kind}").read_bytes(), file_name=f"a.{kind}")


@pytest.mark.parametrize("kind", ["txt", "html"])
def test_the_invented_article(kind: str) -> None:
    report = article(kind)
    assert report.language == "de"
    assert report.translation.kind is TranslationKind.MACHINE
    assert report.translation.original_missing
    notice_span = report.translation.notice
    assert notice_span
    assert report.text[notice_span.start : notice_span.end].startswith("Dieser Inhalt wurde maschinell")
    assert of_role(report, SpanRole.ADVERTISING) == ["Werbung"] * 6
    assert of_role(report, SpanRole.AFFILIATE) == [
        "Für die Links auf dieser Seite können wir eine Provision verdienen."
    ]
    assert of_role(report, SpanRole.CAPTION) == [
        "Ada Muster",
        "Foto: B. BEISPIEL (erfunden) / Bildagentur Nirgendwo (erfunden)",
    ]
    assert [spelling for spelling, _, _ in report.outlets] == ["LarkenauJournal", "LarkenauJournal", "Südmarker Bote"]
    quoted = [span for span in report.spans if span.role is SpanRole.QUOTE]
    assert len(quoted) == 2
    assert all(span.basis.endswith(":larkenaujournal") for span in quoted)
    for gone in ("Werbung", "Provision", "BEISPIEL", "maschinell", "Meistgelesen", "nicht zu sehen"):
        assert gone not in report.reading
    assert "entscheiden. de" in report.reading  # torn by a link, and kept as captured


def test_page_and_text_give_the_same_reading() -> None:
    assert article("html").reading == article("txt").reading


def test_what_the_page_says_of_itself() -> None:
    report = article("html")
    assert report.publisher == "Küstenblick (erfunden)"
    assert report.authors == ("C. Vorlage (erfunden)",)
    assert (report.published_at, report.modified_at) == ("2032-10-25T18:30:00+02:00", "2032-10-26T08:00:00+02:00")
    assert report.declared_language == "de"
    assert report.canonical_url == "https://kuestenblick.example/de/bericht"
    assert report.translation.original_url == "https://kuestenblick.example/en/report"
    assert report.translation.from_language == "en"
    assert {problem.code for problem in report.problems} == {"hidden_text", "script_removed"}


@pytest.mark.shared_data
def test_the_real_article(shared_data: Path) -> None:
    file = shared_data / "reports" / "machine-translated-article.de.txt"
    report = read_report(file.read_bytes(), file_name=file.name)
    assert report.language == "de"
    assert report.translation.kind is TranslationKind.MACHINE
    assert report.translation.notice
    assert report.translation.original_missing
    assert report.translation.original_url == ""
    assert len(of_role(report, SpanRole.ADVERTISING)) == 6
    assert len(of_role(report, SpanRole.AFFILIATE)) == 1
    assert len(of_role(report, SpanRole.CAPTION)) == 2
    assert {outlet_id(spelling) for spelling, _, _ in report.outlets} == {"wall-street-journal", "newsweek"}
    quoted = [span for span in report.spans if span.role is SpanRole.QUOTE]
    assert len(quoted) == 4
    assert {span.basis for span in quoted} == {"quote:after_colon:wall-street-journal"}
    assert hashlib.sha256(file.read_bytes()).hexdigest() == report.capture.sha256
    for gone in of_role(report, SpanRole.ADVERTISING) + of_role(report, SpanRole.AFFILIATE):
        assert gone not in report.reading.split("\n\n")


@pytest.mark.parametrize("language", MACHINE)
def test_machine_translation_is_noticed_in_thirteen_languages(language: str) -> None:
    said = notice(MACHINE[language], language)
    assert said
    assert said.machine
    assert said.basis == f"notice:machine:{language}"
    assert notice(MACHINE[language])  # also where the language is not known


@pytest.mark.parametrize("language", MARKERS)
def test_advertising_markers_in_thirteen_languages(language: str) -> None:
    said = notice(MARKERS[language], language)
    assert said
    assert said.role is SpanRole.ADVERTISING


@pytest.mark.parametrize(
    "sentence",
    [
        "Advertising was not what the council (invented) had asked for.",
        "Die Vermittlerin (erfunden) erhielt für den Kauf der Empfänger eine Provision von fünf Prozent.",
        "The broker (invented) took a commission on every purchase, and the link to the ministry was never explained.",
        "Der Vertrag wurde maschinell übersetzt, sagte der Anwalt (erfunden), und niemand las ihn.",
        "By the time the bridge was closed, nobody was left in the harbour office (invented).",
        "Реклама в порту (вигадано) коштувала більше, ніж сам маяк.",
    ],
)
def test_sentences_about_such_things_are_no_notices(sentence: str) -> None:
    assert notice(sentence) is None


@pytest.mark.parametrize(
    ("text", "spelling", "known"),
    [
        ("regelmäßig in Kontakt steht, die WallStreetJournal Berichte.", "WallStreetJournal", "wall-street-journal"),
        ("Nachrichtenwoche kürzlich berichtete auch davon.", "Nachrichtenwoche", "newsweek"),
        ("as the Larkenau Courier (invented) reported on Monday", "Larkenau Courier", "larkenaucourier"),
        ("Про це повідомляє газета «Портовий вісник» (вигадано).", "Портовий вісник", "портовийвісник"),
        ("《华尔街日报》报道说", "华尔街日报", "wall-street-journal"),
    ],
)
def test_outlets_are_found_by_name_also_run_together(text: str, spelling: str, known: str) -> None:
    (hit,) = find_outlets(text)
    assert (hit.spelling, hit.id) == (spelling, known)
    assert text[hit.start : hit.end] == spelling


def test_a_word_is_no_outlet_without_a_word_of_reporting() -> None:
    assert find_outlets("Die Nachrichtenwoche war lang, und er las in der Zeit nichts.") == ()


def test_encodings() -> None:
    ukrainian = "Наказ віддали (вигадано), і ніхто не знав, хто його просив про це того вечора."
    german = "Über die Brücke führen größere Straßen, heißt es (erfunden)."
    for text, raw in (
        (ukrainian, ukrainian.encode("cp1251")), (ukrainian, ukrainian.encode("koi8-u")), (german, german.encode("cp1252")), (german, german.encode("utf-8-sig")),
        (german, german.encode("utf-16")), (ukrainian, ukrainian.encode("utf-16-le")), (german, german.encode("utf-16-be")), (ukrainian, ukrainian.encode()),
    ):  # fmt: skip
        assert decode(raw).text == text
    page = f"<html><head><meta charset=windows-1251></head><body><p>{ukrainian}</p></body></html>".encode("cp1251")
    assert ukrainian in read_report(page, file_name="a").text


def test_kinds_are_told_from_bytes_whatever_the_name() -> None:
    page = hostile_files.page("")
    for raw, kind in (
        (page, FileKind.HTML), (hostile_files.record(page), FileKind.WEB_ARCHIVE), (gzip.compress(hostile_files.record(page)), FileKind.WEB_ARCHIVE),
        (hostile_files.saved(page), FileKind.SAVED_PAGE), (hostile_files.pdf(b"", filters=""), FileKind.PDF), (b"The gate (invented)", FileKind.TEXT),
    ):  # fmt: skip
        assert kind_of(raw, file_name="a.exe", limits=Limits()) is kind


def test_web_archives_hold_several_reports() -> None:
    one, two = (
        hostile_files.page("<p>First of two (invented), said the office.</p>"),
        hostile_files.page("<p>Second of two (invented), said the office.</p>"),
    )
    raw = b"".join(
        gzip.compress(each)
        for each in (
            hostile_files.record(one, address="https://larkenau.example/1"),
            hostile_files.record(b"\x89PNG", address="https://larkenau.example/p", kind="image/png"),
            hostile_files.record(two, address="https://larkenau.example/2"),
        )
    )
    first, second = read_reports(raw, file_name="x.warc.gz", captured_at_ns=5)
    assert (first.capture.source_url, second.capture.source_url) == (
        "https://larkenau.example/1",
        "https://larkenau.example/2",
    )
    assert first.capture.captured_at_ns == 1_982_341_800_000_000_000
    assert first.id != second.id
    assert first.capture.sha256 == second.capture.sha256 == hashlib.sha256(raw).hexdigest()
    assert "First of two" in first.reading
    assert "Second of two" in second.reading
    assert "members_passed_over" in {problem.code for problem in first.problems}
    with pytest.raises(InputError, match="holds 2 publications"):
        read_report(raw, file_name="x.warc.gz")


def test_saved_pages_say_where_and_when() -> None:
    report = read_report(hostile_files.saved(hostile_files.page("")), file_name="x.mhtml")
    assert report.capture.source_url == "https://larkenau.example/a"
    assert report.capture.captured_at_ns == 1_982_341_800_000_000_000
    assert report.capture.media_type == "multipart/related"
    assert report.title == "Gate open (invented)"


def test_pdf_text() -> None:
    lines = [
        "Gate open (invented)",
        "The northern harbour office kept the gate open all night,",
        "and nobody could say who had asked for it or who",
        "had signed the order.",
    ]
    report = read_report(hostile_files.pdf(zlib.compress(hostile_files.words(lines))), file_name="x.pdf")
    assert "kept the gate open all night, and nobody could say" in report.reading
    assert report.capture.media_type == "application/pdf"


def test_lines_of_wrapped_paragraphs_are_joined_and_others_are_not() -> None:
    wrapped = "The northern harbour office (invented) kept the gate\nopen all night, and nobody there could later on say\nwho had asked for it."
    assert paragraphs(wrapped) == [" ".join(wrapped.split("\n"))]
    assert paragraphs("Name\nPhoto: A. Person (invented)") == ["Name", "Photo: A. Person (invented)"]


def test_language_tags() -> None:
    assert [tag(each) for each in ("de-de", "ZH_hant_tw", "nonsense tag", "")] == ["de-DE", "zh-Hant-TW", "", ""]


def test_everything_left_out_can_be_found_in_the_text() -> None:
    report = article("html")
    kept = {span.role for span in report.spans}
    assert {SpanRole.NAVIGATION, SpanRole.BOILERPLATE, SpanRole.ADVERTISING, SpanRole.TRANSLATION} <= kept - READ
    assert "Meistgelesen" in report.text


def test_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trafilatura", None)
    with pytest.raises(MissingExtra, match=r"groundrule\[evidence\]"):
        read_report(hostile_files.page(""), file_name="x.html")
