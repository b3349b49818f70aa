"""Write the documents that follow from the code: docs/reasons.md, docs/commands.md and docs/access.md.

    python scripts/build_docs.py [--check]

`--check` writes nothing and exits 1 if a file is not what would be written; the test suite does the same.
"""

from __future__ import annotations

import argparse
import inspect
import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, get_args, get_origin, get_type_hints

import typer
from typer.models import OptionInfo

from groundrule.api.app import empty_app
from groundrule.api.roles import matrix, shipped_roles
from groundrule.cli import app
from groundrule.reasons import CATALOGUE, Reason
from groundrule.rules.text import load_rulebook

DOCS = Path(__file__).resolve().parents[1] / "docs"
GENERATED = "<!-- Written by scripts/build_docs.py; change the code, not this file. -->"
SHIPPED = "world-2026"
DECISION_WITHOUT_A_RULE = "default"


def documents() -> dict[str, str]:
    """Return the text of every generated document by file name."""
    return {"reasons.md": reasons(), "commands.md": commands(), "access.md": access()}


def access() -> str:
    """Write every role, and every route with the roles that may use it."""
    roles = shipped_roles()
    lines = [
        GENERATED,
        "# Who may do what",
        "",
        "Roles of the [service](service.md), as [data](../src/groundrule/api/roles.toml); what is named in no role is denied.",
        "Everybody holds `public`. A route that names no permission, or one that no role has, keeps the service from starting.",
        "An owner sees the terminals of the accounts that the key names, a regulator what was decided in the countries that it",
        "names; both get reasons, legal basis, appeal and proof, and never thresholds, margins or detectors. What was denied is",
        "kept: `groundrule access denied`.",
        "",
        "| role | who it is for |",
        "|---|---|",
        *(f"| `{name}` | {role.meaning} |" for name, role in roles.items()),
        "",
        "## Every route",
        "",
        f"| route | permission | {' | '.join(roles)} |",
        f"|---|---|{'---|' * len(roles)}",
    ]
    table = matrix(empty_app())
    for each, allowed in table:
        marks = " | ".join("yes" if name in allowed else "" for name in roles)
        lines.append(f"| `{each.method} {each.path}` | `{each.permission}` | {marks} |")
    return "\n".join(lines) + "\n"


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
        "Every decision names at least one of these codes. The sentence is what an owner reads; it holds no threshold. *Alert* is",
        "the code and name in the operators' telemetry, *terminal* the value that the terminal's own interface shows, both as third",
        f"parties have transcribed them. The last column names the rules of [{SHIPPED}]({SHIPPED}.md) that give the reason, and",
        f"`{DECISION_WITHOUT_A_RULE}` where no rule applies. A reason without an entry there is for other rulebooks, or a qualifier.",
        "",
        "Qualifiers (`edge_of_area`, `position_unknown`, `attribute_unknown`, `stale_evidence`, `rule_error`) stand after the reason of a",
        "rule that could not be settled and say why; see *Doubt* in [rules.md](rules.md).",
        "",
        "Codes of the group *degraded* say that a part of the system was down ([degraded.md](degraded.md)). No rule gives them.",
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
    for words, function in walk(app, ("groundrule",)):
        parameters = parameters_of(function)
        arguments = [parameter for parameter in parameters if not parameter.options]
        lines += ["", f"## {' '.join([*words, *(parameter.shown for parameter in arguments)])}", "", said(function)]
        if parameters:
            lines += ["", "| | meaning | default |", "|---|---|---|"]
            lines += [f"| `{parameter.shown}` | {parameter.about} | {parameter.default} |" for parameter in parameters]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument or option of a command.

    Attributes:
        options: how it is written, `--home`; empty for an argument.
        shown: what stands in the table.
        about: its meaning.
        default: its default, as text of a table.
    """

    options: tuple[str, ...]
    shown: str
    about: str
    default: str


def walk(place: typer.Typer, words: tuple[str, ...]) -> list[tuple[tuple[str, ...], Callable[..., object]]]:
    """Return the functions behind all commands, each with the words that call it."""
    found: list[tuple[tuple[str, ...], Callable[..., object]]] = []
    if place.registered_callback and place.registered_callback.callback:
        found.append((words, place.registered_callback.callback))
    for command in place.registered_commands:
        assert command.callback is not None
        name = command.name or command.callback.__name__.replace("_", "-")
        found.append(((*words, name), command.callback))
    for group in place.registered_groups:
        assert group.typer_instance is not None
        found += walk(group.typer_instance, (*words, str(group.name)))
    return found


def parameters_of(function: Callable[..., object]) -> list[Parameter]:
    """Return arguments and options of a command, arguments first."""
    found = []
    for name, hint in get_type_hints(function, include_extras=True).items():
        if name == "return":
            continue
        default = inspect.signature(function).parameters[name].default
        kind, *notes = get_args(hint) if get_origin(hint) is Annotated else (hint, default)
        info = notes[0]
        if info is default:
            default = info.default
        options: tuple[str, ...] = ()
        if isinstance(info, OptionInfo):
            # In `Annotated`, Typer takes the first name for the default, and sorts it out when the program starts.
            written = () if info.default is default or not isinstance(info.default, str) else (info.default,)
            options = (*written, *(info.param_decls or ())) or (f"--{name.strip('_').replace('_', '-')}",)
            shown = ", ".join(options)
        else:
            needed = default in (inspect.Parameter.empty, ...)
            shown = (info.metavar or name).strip("_").upper() + ("…" if get_origin(kind) is list else "")
            shown = shown if needed else f"[{shown}]"
        about = " ".join((info.help or "").split())
        values = [str(item.value) for part in (kind, *get_args(kind)) if is_enum(part) for item in part]
        about += f" One of {', '.join(f'`{value}`' for value in values)}." if values else ""
        about += f" Also by the variable `{info.envvar}`." if info.envvar else ""
        found.append(Parameter(options, shown, about.replace("|", "\\|"), default_text(default)))
    return sorted(found, key=lambda parameter: bool(parameter.options))


def is_enum(kind: object) -> bool:
    """Is this a closed set of values?"""
    return isinstance(kind, type) and issubclass(kind, Enum)


def said(function: Callable[..., object]) -> str:
    """The first paragraphs of a command's help on one line."""
    return " ".join((inspect.getdoc(function) or "").split())


def default_text(value: object) -> str:
    """A default as it would be written; nothing for what must be given, is off or is not set."""
    if value is None or value is False or value in (inspect.Parameter.empty, ...):
        return ""
    return f"`{value.value if isinstance(value, Enum) else value}`"


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
