"""The page: self-contained, without scripts, complete, linked both ways, and nothing but text where others' words stand."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from groundrule.evidence.dossier import SubjectKind
from groundrule.evidence.render.page import CONTENT_POLICY, page_html
from groundrule.evidence.render.words import LANGUAGES, visible, words
from read_page import Read, read
from sample_dossier import ADA, NO_COAST, ONE_LAND, hostile, sample


def squeezed(text: str) -> str:
    return re.sub(r"\s+", " ", text)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_is_whole_and_names_nothing_outside(language: str) -> None:
    page = page_html(sample(), language=language, outlines=ONE_LAND, files={"proofs/entry-9.tlog-proof": b"proof"})
    found, said = read(page), words(language)
    policy = [attributes["content"] for tag, attributes in found.tags if tag == "meta" and "http-equiv" in attributes]
    assert policy == [CONTENT_POLICY]
    assert ("html", {"lang": language}) in found.tags
    assert not {"script", "iframe", "object", "embed", "link", "base", "form", "img"} & {tag for tag, _ in found.tags}
    assert not [
        a
        for _, attributes in found.tags
        for a in attributes
        if a.startswith("on") or a in ("src", "action", "style", "srcset")
    ]
    assert b"url(" not in page
    assert set(re.findall(rb"https?://[^\"<\s]*", page)) == {b"http://www.w3.org/2000/svg"}
    text = squeezed("".join(found.text))
    for key in (
        "summary",
        "people",
        "asked",
        "decided",
        "service",
        "map",
        "why",
        "rules",
        "reports",
        "unknown",
        "timeline",
        "redactions",
        "annex",
    ):
        assert said("titles", key) in text
    for standing in ("recorded", "claim", "inference", "unknown"):
        assert said("standings", standing) in text
    assert "{" not in re.sub(r"id: strip.*", "", text)


@pytest.mark.parametrize("kind", list(SubjectKind))
def test_every_kind_of_subject_has_a_page(kind: SubjectKind) -> None:
    page = page_html(sample(kind=kind), outlines=NO_COAST).decode()
    assert words("en")("titles", f"subject_{kind.value}") in page


def test_every_link_leads_to_a_place_in_the_page_and_ids_are_unique() -> None:
    found = read(page_html(sample(), outlines=NO_COAST))
    ids = Counter(attributes["id"] for _, attributes in found.tags if attributes.get("id"))
    assert not [each for each, count in ids.items() if count > 1]
    links = {attributes["href"] for tag, attributes in found.tags if tag == "a"}
    assert links <= {f"#{each}" for each in ids}
    # There and back: from a sentence to a person, from the person to sentences; from a sentence to a proof, and from the proof.
    assert {"#p1", "#p2", "#s1", "#s7", "#s9", "#f1"} <= links


def test_a_claim_is_told_apart_without_colour() -> None:
    page = page_html(sample(), outlines=NO_COAST).decode()
    claim = page[page.index('<article id="s7"') :]
    claim = claim[: claim.index("</article>")]
    assert 'class="claim"' in claim
    assert "◇" in claim
    assert "Claim" in claim
    assert "border-left-style: dashed" in page


def test_ids_are_short_and_whole_in_their_titles() -> None:
    page = page_html(sample(kind=SubjectKind.CHANGE), outlines=NO_COAST).decode()
    assert f'<abbr title="{"c0ffee00" * 8}">c0ffee00</abbr>' in page
    assert f'<bdi title="{ADA}">Ada Muster (invented)</bdi>' in page
    assert '<time datetime="2026-11-20T23:10:51Z" title="2026-11-20T23:10:51Z">20 Nov 2026, 23:10:51 UTC</time>' in page


def test_a_change_shows_its_rule_before_and_after_line_by_line() -> None:
    changed = page_html(sample(kind=SubjectKind.CHANGE), outlines=NO_COAST).decode()
    assert "<del>− tier: motion</del>" in changed
    assert "<ins>+ tier: place</ins>" in changed
    assert "<ins>" not in page_html(sample(), outlines=NO_COAST).decode()


def test_invented_data_says_so() -> None:
    assert words("en")("page", "invented_some") in page_html(sample(), outlines=NO_COAST).decode()


def test_the_page_lists_digests_and_what_rests_on_them() -> None:
    page = page_html(
        sample(), outlines=NO_COAST, files={"proofs/entry-9.tlog-proof": b"proof", "dossier.json": b"{}"}
    ).decode()
    row = page[page.index("<code>proofs/entry-9.tlog-proof</code>") :]
    row = row[: row.index("</tr>")]
    assert re.search(r"<code class=\"digest\">[0-9a-f]{64}</code>", row)
    assert 'href="#s1"' in row
    assert "<code>dossier.json</code>" in page


def test_an_answer_leads_to_its_receipt_and_back() -> None:
    page = page_html(sample(), outlines=NO_COAST).decode()
    answer = page[page.index('<article id="s9"') :]
    link = re.search(r'href="#(f\d+)"[^>]*>receipt 1[<,]', answer[: answer.index("</article>")])
    assert link is not None
    row = page[page.index(f'<tr id="{link[1]}"') :]
    assert 'href="#s9"' in row[: row.index("</tr>")]


def test_a_terminal_without_a_position_has_a_sentence_instead_of_a_map() -> None:
    page = page_html(sample(with_map=False), outlines=NO_COAST).decode()
    assert words("en")("page", "map_none") in page
    assert 'class="map"' not in page


HOSTILE = hostile()


def test_there_are_enough_hostile_texts() -> None:
    assert len(set(HOSTILE)) >= 140


@pytest.fixture(scope="module")
def harmless() -> Read:
    return read(page_html(sample("a plain word", with_map=False), outlines=NO_COAST))


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_a_hostile_text_is_text_and_makes_no_element_and_no_attribute(number: int, harmless: Read) -> None:
    text = HOSTILE[number]
    found = read(page_html(sample(text, with_map=False), outlines=NO_COAST))
    kinds = Counter(found.shape) - Counter(harmless.shape)
    # A text can leave something out, or be read as an instant or an id; it can bring nothing that the page has not.
    assert not {tag for tag, _ in kinds} - {"time", "abbr", "bdi", "a", "span"}
    assert {tag for tag, _ in found.shape} <= {tag for tag, _ in harmless.shape}
    assert set(found.shape) <= set(harmless.shape)
    links = [attributes["href"] for tag, attributes in found.tags if tag == "a"]
    assert all(link is not None and re.fullmatch(r"#[a-z0-9]+", link) for link in links)
    shown = squeezed(visible(text)).strip()
    if shown and not re.fullmatch(r"[0-9a-f]{64}|2026-.*Z|party-.*|code:.*|reason:", text):
        assert squeezed("".join(found.text)).count(shown) >= 15


@pytest.mark.parametrize("language", LANGUAGES)
def test_hostile_texts_bring_nothing_into_the_map_either(language: str) -> None:
    usual = {
        each
        for text in ("a plain word", "b" * 90)
        for each in read(page_html(sample(text), language=language, outlines=ONE_LAND)).shape
    }
    for text in HOSTILE[::15]:
        found = read(page_html(sample(text, kind=SubjectKind.CHANGE), language=language, outlines=ONE_LAND))
        assert {tag for tag, _ in found.shape} <= {tag for tag, _ in usual} | {"ins", "del", "abbr"}
        assert {a for _, some in found.shape for a in some} <= {a for _, some in usual for a in some}
