"""The oversight report for people: the same words in each language, nothing that runs, nothing that a spreadsheet runs."""

from __future__ import annotations

import ast
import csv
import io
import re
from pathlib import Path

import pytest

import groundrule.pipeline.oversight as room
from groundrule.errors import InputError
from groundrule.evidence.dossier import LogHead, Source, Standing
from groundrule.evidence.oversight import (
    MOST_SOURCES,
    QUESTIONS,
    Answer,
    Edition,
    Event,
    Figure,
    Gap,
    Inputs,
    Report,
    Table,
    open_only,
    report_json,
    shorten,
)
from groundrule.evidence.render.oversight_page import CSV_COLUMNS, oversight_csv, oversight_html, oversight_words
from groundrule.evidence.render.words import LANGUAGES

HOSTILE = "<script>alert(1)</script>\u202e=cmd|' /C calc'!A0\n\x07"
FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1")


def report(edition: Edition = Edition.FULL, text: str = HOSTILE) -> Report:
    answers = []
    for each in QUESTIONS:
        answers.append(Answer(each.id, "none", gaps=(Gap("log_younger", "log_earlier", text),)))
    answers[2] = Answer(
        "found",
        "how_found",
        (Figure("with_sign", 1234567, "terminals"), Figure("response_median", None, "s", Standing.INFERENCE)),
        (Table("by_programme", ("programme", "title", "terminals"), tuple((each, text, None) for each in FORMULAS)),),
        (Source("file", text),),
        3,
        ("sign_no_proof",),
    )
    return Report(edition, "home", 0, 86_400 * 10**9, Inputs(LogHead("o", 3, "ab"), 1, "cd", 2, "ef"), tuple(answers))


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_page_loads_and_runs_nothing_and_shows_text_as_text(language: str) -> None:
    page = oversight_html(report(), language=language).decode()
    assert f'<html lang="{language}">' in page
    assert "<script" not in page.lower()
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page
    assert not re.search(r"""(src|href)=["'](?!#)""", page)
    assert "\u202e" not in page
    assert "\x07" not in page
    assert "&lt;script&gt;" in page
    assert all(oversight_words(language)("questions", each.id) in page.replace("&#39;", "'") for each in QUESTIONS)


def test_no_cell_of_the_table_is_a_formula_and_all_of_the_report_is_in_it() -> None:
    rows = list(csv.reader(io.StringIO(oversight_csv(report()).decode())))
    assert tuple(rows[0]) == CSV_COLUMNS
    for cell in (cell for row in rows for cell in row):
        assert not cell.startswith(("=", "+", "-", "@", "\t"))
        assert "\n" not in cell
        assert "\u202e" not in cell
    assert ["found", "figure", "with_sign", "", "", "1234567", "terminals", "recorded", ""] in rows
    assert sum(row[1] == "cell" for row in rows) == 3 * len(FORMULAS)
    assert sum(row[1] == "unknown" for row in rows) == len(QUESTIONS) - 1


def test_every_language_has_the_same_words_with_the_same_places_for_values() -> None:
    first = oversight_words("en").tables
    for language in LANGUAGES:
        tables = oversight_words(language).tables
        assert {name: set(held) for name, held in tables.items()} == {name: set(held) for name, held in first.items()}
        for name, held in tables.items():
            for key, text in held.items():
                assert text.strip(), (language, name, key)
                assert sorted(re.findall(r"\{\w+\}", text)) == sorted(re.findall(r"\{\w+\}", first[name][key])), (language, name, key)
    with pytest.raises(InputError, match="no words"):
        oversight_words("xx")


def test_every_key_that_the_code_says_has_words() -> None:
    """Keys are literals in the code; each must be a word somewhere, or a report could not be shown."""
    words = oversight_words("en").tables
    assert {each.id for each in QUESTIONS} == set(words["questions"])
    assert {each.value for each in Event} == set(words["events"])
    said: dict[str, set[str]] = {"figures": set(), "tables": set(), "why": set(), "need": set(), "units": set(), "columns": set()}
    for path in sorted(Path(room.__file__).parent.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            text = [each.value if isinstance(each, ast.Constant) and isinstance(each.value, str) else None for each in node.args]
            if name in ("figure", "write"):
                said["figures"] |= {text[0]} - {None}  # type: ignore[arg-type]  # no None is left
                said["units"] |= {text[2] if len(text) > 2 else None} - {None}  # type: ignore[arg-type]  # as above
            elif name == "gap" and len(text) >= 2:
                said["why"] |= {text[0]} - {None}  # type: ignore[arg-type]  # as above
                said["need"] |= {text[1]} - {None}  # type: ignore[arg-type]  # as above
            elif name == "not_answered" and len(text) == 3:
                said["why"] |= {text[1]} - {None}  # type: ignore[arg-type]  # as above
                said["need"] |= {text[2]} - {None}  # type: ignore[arg-type]  # as above
            elif name in ("table", "count") and text and text[0] is not None:
                said["tables"].add(text[0])
                columns = node.args[1]
                names = columns.elts if isinstance(columns, ast.Tuple) else [columns]
                said["columns"] |= {each.value for each in names if isinstance(each, ast.Constant)}
    for table, keys in said.items():
        assert keys, table
        assert keys <= set(words[table]), (table, keys - set(words[table]))


def test_what_is_not_open_is_left_out_and_that_is_said() -> None:
    answer = Answer(
        "found", "how_found", (Figure("with_sign", 3, "terminals"), Figure("requests", 2, "requests", open=True)), (),
        (Source("file", "manifest:run-1"), Source("log_entry", "entry:4")),
    )  # fmt: skip
    public = open_only(answer)
    assert [each.name for each in public.figures] == ["requests"]
    assert [each.ref for each in public.sources] == ["entry:4"]
    assert public.gaps == (Gap("withheld", "full_edition"),)
    nothing = open_only(Answer("found", "how_found", (Figure("with_sign", 3, "terminals"),), sources=(Source("log_entry", "entry:4"),)))
    assert nothing.standing is Standing.UNKNOWN
    assert nothing.sources == ()


def test_a_report_is_canonical_and_a_public_one_names_no_register_and_no_history() -> None:
    full, public = report_json(report()), report_json(report(Edition.PUBLIC))
    assert b'"registers"' in full
    assert b'"registers"' not in public
    assert b'"history"' not in public
    assert full == report_json(report())


def test_of_many_sources_the_first_are_named_and_the_others_counted() -> None:
    many = tuple(Source("log_entry", f"entry:{n}") for n in range(MOST_SOURCES + 7))
    assert shorten(many) == (many[:MOST_SOURCES], 7)
    assert shorten(many[:3]) == (many[:3], 0)
