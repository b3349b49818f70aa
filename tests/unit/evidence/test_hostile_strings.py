"""More than a hundred texts that try to be something else, in every free field of a dossier: text in a browser, on paper, in a table.

A browser runs the page here, with and without the policy that the page gives itself, so that each of the two defences is seen alone.
"""

from __future__ import annotations

import csv
import io
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from crowded_dossier import alone, crowded
from groundrule.errors import MissingExtra
from groundrule.evidence.characters import reveal
from groundrule.evidence.render.page import CONTENT_POLICY, page_html
from groundrule.evidence.render.pdf import page_pdf
from groundrule.evidence.render.tables import statements_csv, timeline_csv
from groundrule.evidence.render.words import visible
from read_page import Read, read
from sample_dossier import ONE_LAND, hostile

MARKER = "document.documentElement.setAttribute('data-ran','1')"
HOSTILE = [each.replace("alert(1)", MARKER) for each in hostile() if len(each) < 300]
FORMULAS = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠", "|", "%")
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
_SHORT = re.compile(r" ?(code|reason):|[0-9a-f]{64}|2026-|party-|[a-z0-9–… ]{0,3}$")
"""Texts that the words of a sentence rightly read as something of their own, or that are found anywhere."""


def dumped(page: bytes, folder: Path) -> str:
    """The document as a browser has it, some seconds after it opened the page."""
    file = folder / "page.html"
    file.write_bytes(page)
    assert BROWSER is not None
    done = subprocess.run(
        [BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
         "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=4000",
         "--dump-dom", file.as_uri()],
        capture_output=True, timeout=120, check=True,
    )  # fmt: skip
    return done.stdout.decode("utf-8", "replace")


def squeezed(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def shown(text: str) -> str:
    return squeezed(visible(text)).strip()


def bare(page: bytes) -> bytes:
    """The page without its policy."""
    made = re.sub(rb'<meta http-equiv="Content-Security-Policy"[^>]*>', b"", page)
    assert made != page
    assert CONTENT_POLICY.encode() not in made
    return made


@pytest.fixture(scope="module")
def page() -> bytes:
    return page_html(crowded(HOSTILE, each_phrase=2), outlines=ONE_LAND)


@pytest.fixture(scope="module")
def harmless() -> Read:
    words = ["a plain word", "b" * 90, "a, b", "2026-11-20T23:10:51Z", "9" * 64, "code:serve", "two\nlines"] * 30
    return read(page_html(crowded(words, each_phrase=2), outlines=ONE_LAND))


def test_there_are_enough_texts_of_each_kind() -> None:
    assert len(set(HOSTILE)) >= 140
    assert sum(MARKER in each for each in HOSTILE) >= 15
    assert sum(each.lstrip(" ").startswith(FORMULAS) for each in HOSTILE) >= 15
    assert sum(visible(each) != each for each in HOSTILE) >= 25
    assert sum("\u0400" < letter < "\u0530" for each in HOSTILE for letter in each) >= 8


# --- in a browser -----------------------------------------------------------------------------------------------------


@needs_browser
def test_the_browser_would_run_them_if_they_were_not_escaped(tmp_path: Path) -> None:
    """Otherwise the tests below would look for a mark that nothing can set."""
    texts = ["<script>" + MARKER + "</script>", "<img src=x onerror=" + MARKER + ">", "<svg onload=" + MARKER + ">"]
    for number, text in enumerate(texts):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert 'data-ran="1"' in dumped(f"<!doctype html><html lang=en><title>x</title><p>{text}</p>".encode(), folder)


@needs_browser
@pytest.mark.parametrize("policy", [True, False])
def test_nothing_runs_and_no_element_is_made_in_a_browser(page: bytes, harmless: Read, tmp_path: Path, *, policy: bool) -> None:
    dom = dumped(page if policy else bare(page), tmp_path)
    assert "data-ran" not in dom.split(">", 3)[1]
    found = read(dom.encode())
    assert not any("data-ran" in attributes for _, attributes in found.tags)
    # A browser writes out a table's body and the sizes of pictures as it read them: elements and attributes are those of the harmless page.
    assert {tag for tag, _ in found.tags} <= {tag for tag, _ in harmless.tags}
    assert {each for _, some in found.shape for each in some} <= {each for _, some in harmless.shape for each in some}
    links = {attributes["href"] for tag, attributes in found.tags if tag == "a"}
    assert all(link is not None and re.fullmatch(r"#[a-z0-9]+", link) for link in links)
    text = squeezed("".join(found.text))
    assert [each for each in HOSTILE if not _SHORT.match(each) and text.count(shown(each)) < 9] == []


@needs_browser
def test_nothing_runs_where_only_one_text_can_stand(tmp_path: Path) -> None:
    text = f"</title></style></script>\"'><img src=x onerror={MARKER}><script>{MARKER}</script>{{{{7*7}}}}\u202e=1"
    dom = dumped(bare(page_html(alone(text), outlines=ONE_LAND)), tmp_path)
    found = read(dom.encode())
    assert not any("data-ran" in attributes for _, attributes in found.tags)
    assert not {"script", "img"} & {tag for tag, _ in found.tags}
    assert squeezed("".join(found.text)).count(shown(text)) >= 20


# --- the page as read without one --------------------------------------------------------------------------------------


@pytest.mark.parametrize("turn", range(6))
def test_every_sentence_of_the_catalogue_holds_them_as_text(turn: int, harmless: Read) -> None:
    texts = HOSTILE[turn::6]
    found = read(page_html(crowded(texts, each_phrase=len(texts) // 6, every_place=False), outlines=ONE_LAND))
    assert set(found.shape) <= set(harmless.shape)
    text = squeezed("".join(found.text))
    assert [each for each in texts if not _SHORT.match(each) and shown(each) not in text] == []


def test_what_cannot_be_seen_or_passes_for_another_letter_is_shown_in_all_three() -> None:
    pairs = {
        "invoice\u202efdp.exe": "invoice[U+202E]fdp.exe",
        "\u2066Ada\u2069": "[U+2066]Ada[U+2069]",
        "zero\u200bwidth": "zero[U+200B]width",
        "p\u0430yp\u0430l": "p\u0430[U+0430]yp\u0430[U+0430]l",
        "\u0410da Muster": "\u0410[U+0410]da Muster",
        "\uff21da": "\uff21[U+FF21]da",
        "\u0391da": "\u0391[U+0391]da",
    }
    made = crowded(list(pairs))
    text = "".join(read(page_html(made, outlines=ONE_LAND)).text)
    table = statements_csv(made).decode("utf-8-sig")
    for given, wanted in pairs.items():
        assert text.count(wanted) >= 9, given
        assert table.count(wanted) >= 3, given
        assert not any(each in text + table for each in given if ord(each) in (0x202E, 0x2066, 0x2069, 0x200B))
    printed = paper(crowded(list(pairs), every_place=False))
    assert [each for each in pairs.values() if letters(re.sub(r"[^ -~]", "", each)) not in letters(re.sub(r"[^ -~]", "", printed[0]))] == []


@pytest.mark.parametrize(
    "text",
    ["Київ і Львів", "Рота «А» 12", "Kyiv (Київ)", "Ада Мустер", "Łódź, Straße, naïve", "Αθήνα", "Αθήνα (Athens)", "µm", "漢字", "1 км"],
)
def test_what_is_written_in_its_own_letters_stays_as_it_is(text: str) -> None:
    assert reveal(text) == text == visible(text)


@pytest.mark.parametrize("text", HOSTILE)
def test_to_show_twice_is_to_show_once(text: str) -> None:
    assert visible(visible(text)) == visible(text)


# --- on paper ---------------------------------------------------------------------------------------------------------


def letters(text: str) -> str:
    return re.sub(r"\s+", "", text)


def paper(dossier: Any) -> tuple[str, list[Any]]:
    """Text of the PDF, and every object in it."""
    pypdf = pytest.importorskip("pypdf")
    try:
        data = page_pdf(page_html(dossier, outlines=ONE_LAND))
    except MissingExtra as absent:
        pytest.skip(absent.message)
    opened = pypdf.PdfReader(io.BytesIO(data))
    objects = [opened.get_object(pypdf.generic.IndirectObject(number, 0, opened)) for number in range(1, opened.trailer["/Size"])]
    return "".join(each.extract_text() for each in opened.pages), objects


def entries(held: Any) -> Any:
    """Every key of every dictionary under an object, with its value; references are not followed, since each object comes by itself."""
    if isinstance(held, dict):
        for key in held:
            yield key, held.raw_get(key)
            yield from entries(held.raw_get(key))
    elif isinstance(held, list):
        for each in held:
            yield from entries(each)


def test_on_paper_they_are_text_and_nothing_acts() -> None:
    # Letters of other scripts come back from a PDF in another form or order; those have their own test above.
    texts = [each for each in HOSTILE if shown(each).isascii() and not _SHORT.match(each)]
    assert len(texts) >= 100
    text, objects = paper(crowded(texts, every_place=False))
    found = letters(text)
    assert [each for each in texts if letters(visible(each)) not in found] == []
    held = [pair for each in objects for pair in entries(each)]
    assert len(held) > 1_000
    acts = {"/JavaScript", "/JS", "/Launch", "/URI", "/OpenAction", "/AA", "/SubmitForm", "/ImportData", "/GoToR", "/GoToE", "/RichMedia",
            "/EmbeddedFiles", "/AcroForm", "/XFA", "/Rendition", "/Movie", "/Sound"}  # fmt: skip
    assert {key for key, _ in held} & acts == set()
    assert {str(value) for key, value in held if key == "/S"} & acts == set()
    links = [each for each in objects if isinstance(each, dict) and each.get("/Subtype") == "/Link"]
    assert len(links) > 100
    assert all("/Dest" in each or each["/A"].get_object()["/S"] == "/GoTo" for each in links), "they lead within the paper"


# --- in tables --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", [statements_csv, timeline_csv])
def test_no_cell_is_computed_and_each_text_comes_back(table: Any) -> None:
    data = table(crowded(HOSTILE, each_phrase=10))
    rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True))
    assert {len(row) for row in rows} == {len(rows[0])}
    assert len(rows) == data.count(b"\r\n") > 1_000
    for cell in (each for row in rows for each in row):
        assert not cell.lstrip(" \u00a0").startswith(FORMULAS)
        assert not re.search(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]", cell)
    cells = {each.removeprefix("'") for row in rows for each in row}
    whole = "\x00".join(cells)
    assert [each for each in HOSTILE if not _SHORT.match(each) and visible(each).replace("\n", " ⏎ ") not in whole] == []
