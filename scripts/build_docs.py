"""Write the documents that follow from the code: docs/reasons.md and docs/commands.md.

    python scripts/build_docs.py [--check]

`--check` writes nothing and exits 1 if a file is not what would be written; the test suite does the same.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import typer

from groundrule.cli import app
from groundrule.reasons import CATALOGUE, Reason
from groundrule.rules.text import load_rulebook

DOCS = Path(__file__).resolve().parents[1] / "docs"
GENERATED = "<!-- Written by scripts/build_docs.py; change the code, not this file. -->"
SHIPPED = "world-2026"
DECISION_WITHOUT_A_RULE = "default"


def documents() -> dict[str, str]:
    """Return the text of every generated document by file name."""
    return {"reasons.md": reasons(), "commands.md": commands()}


def reasons() -> str:
    """Write the catalogue of reasons, with the rules of the shipped rulebook that give them."""
    rulebook = load_rulebook(SHIPPED)
    rules = defaultdict(list)
    for rule in rulebook.rules:
        rules[rule.reason].append(rule.id)
    groups: dict[str, list[Reason]] = defaultdict(list)
    for reason in CATALOGUE.values():
        groups[reason.group].append(reason)
    lines = [
        GENERATED,
        "# Reasons",
        "",
        "Every decision names at least one of these codes. The sentence is what an owner reads; it holds no threshold. *Alert* is the",
        "code and name in the operators' telemetry, *terminal* the value that the terminal's own interface shows, both as third parties",
        f"have transcribed them. The last column names the rules of [{SHIPPED}]({SHIPPED}.md) that give the reason; `{DECISION_WITHOUT_A_RULE}`",
        "is what holds where no rule applies. A reason without a rule there may be used by other rulebooks, or is a qualifier.",
        "",
        "Qualifiers (`edge_of_area`, `position_unknown`, `attribute_unknown`, `stale_evidence`, `rule_error`) stand after the reason of a",
        "rule that could not be settled and say why; see *Doubt* in [rules.md](rules.md).",
    ]
    for group, found in groups.items():
        lines += ["", f"## {group}", "", "| code | meaning | alert | terminal | rules |", "|---|---|---|---|---|"]
        for reason in found:
            alert = f"{reason.operator_alert} `{reason.operator_name}`" if reason.operator_alert is not None else ""
            shown = "" if reason.disablement is None else str(reason.disablement)
            given = [f"`{name}`" for name in rules[reason.code]]
            if reason.code == rulebook.default_reason:
                given.append(f"`{DECISION_WITHOUT_A_RULE}`")
            lines.append(f"| `{reason.code}` | {reason.sentence} | {alert} | {shown} | {', '.join(given)} |")
    return "\n".join(lines) + "\n"


def commands() -> str:
    """Write every command with its arguments and options, as the program itself knows them."""
    lines = [
        GENERATED,
        "# Commands",
        "",
        "Exit codes: 0 done; 1 the answer is a refusal or a failed check (`replay` found a difference, a case failed, a guarantee is",
        "refuted); 2 wrong usage or bad input, with file, line and what would be right; 3 an internal error. Progress goes to stderr and",
        "only to a terminal. Every command that prints also prints JSON with `--json`.",
    ]
    for words, command in walk(typer.main.get_command(app), ("groundrule",)):
        arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
        options = [parameter for parameter in command.params if parameter.param_type_name == "option"]
        usage = " ".join([*words, *(shown(argument) for argument in arguments)])
        lines += ["", f"## {usage}" if arguments else f"## {' '.join(words)}", "", " ".join((command.help or "").split())]
        rows = [f"| `{shown(argument)}` | {about(argument)} | {default(argument)} |" for argument in arguments]
        rows += [f"| `{'`, `'.join(option.opts)}` | {about(option)} | {default(option)} |" for option in options]
        if rows:
            lines += ["", "| | meaning | default |", "|---|---|---|", *rows]
    return "\n".join(lines) + "\n"


def walk(command: Any, words: tuple[str, ...]) -> list[tuple[tuple[str, ...], Any]]:
    """Return the command and all below it, each with the words that call it."""
    found = [(words, command)]
    for name, inner in getattr(command, "commands", {}).items():
        found += walk(inner, (*words, name))
    return found


def shown(argument: Any) -> str:
    """An argument as in a usage line."""
    name = (argument.metavar or argument.name).rstrip("_").upper()
    name += "…" if argument.nargs == -1 else ""
    return name if argument.required else f"[{name}]"


def about(parameter: Any) -> str:
    """What a parameter means, with the values it may have and the variable that sets it."""
    text = " ".join((getattr(parameter, "help", None) or "").split())
    choices = getattr(parameter.type, "choices", None)
    if choices:
        values = [getattr(choice, "value", choice) for choice in choices]
        text += f" One of {', '.join(f'`{value}`' for value in values)}."
    if parameter.envvar:
        text += f" Also by the variable `{parameter.envvar}`."
    return text.replace("|", "\\|")


def default(parameter: Any) -> str:
    """The default as it would be written."""
    value = parameter.default
    if value is None or value is False or value == "" or parameter.required or callable(value):
        return ""
    return f"`{getattr(value, 'value', value)}`"


def main() -> int:
    """Write the documents, or check them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    stale = []
    for name, text in documents().items():
        path = DOCS / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if not check:
                path.write_text(text, encoding="utf-8")
    print(f"{'stale' if check else 'written'}: {', '.join(stale) or 'nothing'}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
