"""Where rules stand in the text of their rulebook, and how they are written there."""

from __future__ import annotations

import yaml
from books_small import SMALL

from groundrule.rules.text import read_rulebook
from groundrule.rules.written import written_rules


def test_every_rule_is_cut_out_as_it_is_written() -> None:
    lines = SMALL.splitlines()
    book = read_rulebook(SMALL)
    found = written_rules(SMALL)
    assert list(found) == [rule.id for rule in book.rules]
    for rule in book.rules:
        text, line = found[rule.id]
        assert lines[line - 1].strip() == f"- id: {rule.id}"
        # The mapping begins after the dash; that it is the rule, a reader of YAML says.
        assert yaml.safe_load(text)["title"] == rule.title
        rest = [each.strip() for each in text.splitlines()[1:]]
        assert rest == [each.strip() for each in lines[line : line + len(rest)]]


def test_what_holds_no_rule_gives_none() -> None:
    for text in ("", "rulebook: x\n", "rulebook: x\nrules: []\n", "rules:\n  - title: no id\n"):
        assert dict(written_rules(text)) == {}
