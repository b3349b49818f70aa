"""The page on paper: pages, bookmarks, tags, words that can be found; nothing is fetched and nothing acts."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from typing import Any

import pytest

from groundrule.errors import MissingExtra
from groundrule.evidence.dossier import Phrase, Section, Standing, Statement
from groundrule.evidence.render import documents as documents_module
from groundrule.evidence.render.documents import NO_PDF, documents
from groundrule.evidence.render.page import page_html
from groundrule.evidence.render.pdf import RefuseAll, Refused, can_print, page_pdf
from groundrule.evidence.render.words import visible, words
from sample_dossier import ONE_LAND, hostile, sample

pypdf = pytest.importorskip("pypdf")


@pytest.fixture(scope="module")
def printer() -> None:
    try:
        page_pdf(b"<html lang='en'><title>x</title><p>x</p></html>")
    except MissingExtra as absent:
        pytest.skip(absent.message)


def opened(data: bytes) -> Any:
    return pypdf.PdfReader(io.BytesIO(data))


def letters(text: str) -> str:
    return re.sub(r"\s+", "", text)


@pytest.mark.usefixtures("printer")
def test_the_paper_has_pages_bookmarks_tags_and_every_sentence() -> None:
    dossier, said = sample(), words("uk")
    paper = opened(page_pdf(page_html(dossier, language="uk", outlines=ONE_LAND)))
    assert len(paper.pages) >= 3
    assert said("page", "page_word") + " 2 " + said("page", "of_word") in paper.pages[1].extract_text()
    titles = [each.title for each in paper.outline if not isinstance(each, list)]
    assert titles, "bookmarks"
    assert paper.metadata.title.startswith(said("titles", "dossier"))
    assert paper.trailer["/Root"]["/MarkInfo"]["/Marked"].value is True
    assert paper.trailer["/Root"]["/Lang"] == "uk"
    text = letters("".join(page.extract_text() for page in paper.pages))
    missing = [
        each.id
        for each in dossier.statements
        if letters(said.say(each.phrase, {}))[:12] not in text and each.id in ("s3", "s4", "s6")
    ]
    assert not missing


@pytest.mark.usefixtures("printer")
def test_hostile_texts_are_text_on_paper_and_nothing_acts() -> None:
    plain = [text for text in hostile() if text.isascii() and text.isprintable() and len(text) < 90]
    texts = [text for text in plain if not re.match(r" ?(code|reason):|[0-9]{64}|2026-|party-", text)][:110]
    assert len(texts) >= 90
    # One statement for each: a page with all of them in every place would be hundreds of pages long.
    said = tuple(
        Statement(f"s{i}", Standing.CLAIM, Phrase("contact_topics", {"topics": text}))
        for i, text in enumerate(texts, 1)
    )
    dossier = replace(sample("</style><b>{{ 7*7 }}", with_map=False), sections=(Section("contacts", said),), summary=())
    paper = opened(page_pdf(page_html(dossier, outlines=ONE_LAND)))
    found = letters("".join(page.extract_text() for page in paper.pages))
    assert [text for text in texts if letters(visible(text)) not in found] == []
    root = paper.trailer["/Root"]
    assert not {"/OpenAction", "/AA", "/AcroForm"} & set(root)
    assert "/JavaScript" not in root.get("/Names", {})
    for page in paper.pages:
        for each in page.get("/Annots") or ():
            action = each.get_object().get("/A")
            assert action is None or action.get_object()["/S"] == "/GoTo"


@pytest.mark.usefixtures("printer")
def test_nothing_is_fetched() -> None:
    with pytest.raises(Refused):
        RefuseAll()("http://127.0.0.1:1/x.png")
    page = b"<html lang='en'><title>x</title><link rel=stylesheet href='file:///etc/passwd'><img src='http://127.0.0.1:1/x' alt=x><p>x</p>"
    assert opened(page_pdf(page)).pages


def test_without_the_package_everything_else_is_made_and_a_sentence_says_how(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents_module, "can_print", lambda: False)
    made = documents(sample(), outlines=ONE_LAND)
    assert set(made.files) == {"READ-ME.txt", "dossier.html", "statements.csv", "timeline.csv"}
    assert made.missing == (NO_PDF,)
    monkeypatch.setitem(__import__("sys").modules, "weasyprint", None)
    with pytest.raises(MissingExtra, match="reports"):
        page_pdf(b"")


def test_the_paper_can_be_left_out() -> None:
    made = documents(sample(), outlines=ONE_LAND, pdf=False)
    assert "dossier.pdf" not in made.files
    assert made.missing == ()
    assert isinstance(can_print(), bool)
