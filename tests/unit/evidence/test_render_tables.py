"""Tables for spreadsheets: RFC 4180, nothing that is computed, everything that the page says; and the sheet on how to read it."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import pytest

from groundrule.evidence.dossier import Reader
from groundrule.evidence.render.tables import STATEMENT_COLUMNS, TIMELINE_COLUMNS, read_me, statements_csv, timeline_csv
from groundrule.evidence.render.words import LANGUAGES, names_in, visible, words
from sample_dossier import hostile, sample

HOSTILE = hostile()


def rows(data: bytes) -> list[list[str]]:
    text = data.decode("utf-8-sig")
    assert text.endswith("\r\n")
    assert "\n" not in text.replace("\r\n", "")
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_statement_is_a_row_that_says_what_the_page_says(language: str) -> None:
    dossier, said = sample(), words(language)
    head, *body = rows(statements_csv(dossier, language=language))
    assert tuple(head) == STATEMENT_COLUMNS
    assert [row[0] for row in body] == [each.id for each in dossier.statements]
    assert [row[2] for row in body] == [said("standings", each.standing.value) for each in dossier.statements]
    assert [row[3] for row in body] == [said.say(each.phrase, names_in(dossier)) for each in dossier.statements]
    assert {len(row) for row in body} == {len(STATEMENT_COLUMNS)}
    assert body[0][4] == "2026-11-20T23:10:51Z"


def test_the_timeline_is_in_order_and_holds_what_has_a_time() -> None:
    dossier = sample()
    head, *body = rows(timeline_csv(dossier))
    assert tuple(head) == TIMELINE_COLUMNS
    assert len(body) == sum(each.times.order_ns is not None for each in dossier.statements)
    assert [row[0] for row in body] == sorted(row[0] for row in body)


def test_a_spreadsheet_reads_it_as_utf_8() -> None:
    assert statements_csv(sample()).startswith(b"\xef\xbb\xbf")


@pytest.mark.parametrize("text", HOSTILE)
def test_no_field_is_computed_and_every_text_is_whole(text: str) -> None:
    for data in (statements_csv(sample(text)), timeline_csv(sample(text))):
        _, *body = rows(data)
        for row in body:
            for field in row:
                assert not field.lstrip(" \u00a0").startswith(
                    ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠", "|")
                )
                assert visible(field) == field
    shown = visible(text).replace("\n", " ⏎ ")
    if shown and not shown.startswith(("code:", "reason:", "party-", "2026-", "999")):
        assert any(shown in row[3] for row in rows(statements_csv(sample(text)))[1:])


@pytest.mark.parametrize("field", ["=1+1", "+1", "-1", "@x", "＝1"])
def test_a_formula_gets_an_apostrophe(field: str) -> None:
    (row,) = [row for row in rows(statements_csv(sample(field))) if row[0] == "s11"]
    assert row[3].startswith(f"'{field}: ")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("reader", list(Reader))
def test_the_sheet_says_how_to_read_and_check(language: str, reader: Reader) -> None:
    text = read_me(replace(sample(), reader=reader), language=language).decode()
    assert "python verify_dossier.py dossier.zip --policy policy" in text
    assert all(word.upper() in text for word in words(language).tables["standings"].values())
    assert words(language)("readers", reader.value) in text
    assert "{" not in text
    assert max(map(len, text.splitlines())) <= 160


def test_a_hostile_subject_stays_in_its_line() -> None:
    for text in HOSTILE:
        lines = read_me(sample(text)).decode().splitlines()
        assert set(lines[1]) == {"="}
        assert visible(lines[0]) == lines[0]
