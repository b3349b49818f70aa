"""The published JSON Schema is what the generator makes, and judges as the reader does on its own ground."""

from __future__ import annotations

import json

import jsonschema
import pytest
import yaml
from book_text import BOOK

from groundrule.rules import conditions, text
from groundrule.rules.schema import SCHEMA_FILE, rulebook_schema, schema_text
from groundrule.rules.text import load_rulebook, read_rulebook, write_rulebook

SCHEMA = rulebook_schema()


def as_text(book: str) -> object:
    """YAML as the reader sees it: every scalar is text."""
    return yaml.load(book, Loader=yaml.BaseLoader)


def test_the_published_file_is_what_the_generator_makes() -> None:
    assert SCHEMA_FILE.read_text(encoding="utf-8") == schema_text(), "run python -m groundrule.rules.schema"
    jsonschema.Draft202012Validator.check_schema(json.loads(schema_text()))


def test_the_schema_has_the_keys_of_the_reader() -> None:
    assert set(SCHEMA["properties"]) == set(text.BOOK_KEYS)
    assert set(SCHEMA["$defs"]["rule"]["properties"]) == set(text.RULE_KEYS)
    assert set(SCHEMA["$defs"]["condition"]["properties"]) == set(conditions.CONDITION_KEYS)


@pytest.mark.parametrize(
    "book", [BOOK, write_rulebook(read_rulebook(BOOK)), write_rulebook(load_rulebook("world-2026"))]
)
def test_rulebooks_that_are_read_are_valid(book: str) -> None:
    jsonschema.validate(as_text(book), SCHEMA)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("outcome: deny", "outcome: reject"),
        ("tier: security", "teir: security"),
        ("country:UA, area", "contry:UA, area"),
    ],
)
def test_mistakes_of_form_are_invalid(old: str, new: str) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(as_text(BOOK.replace(old, new, 1)), SCHEMA)
