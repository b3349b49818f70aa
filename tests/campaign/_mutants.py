"""Which mutants there are: code in scope, changed at one place by the operators of cosmic-ray; and which need no test.

A filter leaves out what is no behaviour or provably the same program. It is a published file, `mutation_filter.toml`, of
rules and of single mutants, each with its reason; a rule or an entry that matches nothing any more is an error.
"""

from __future__ import annotations

import re
import tomllib
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from types import CodeType
from typing import Any

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.plugins import get_operator, operator_names

SOURCE = Path(__file__).resolve().parents[2] / "src" / "groundrule"
FILTER = Path(__file__).with_name("mutation_filter.toml")

SCOPE: Mapping[str, tuple[str, ...]] = {
    "govern/quorum.py": (),
    "govern/charter.py": (),
    "govern/expression.py": (),
    "govern/rotation.py": (),
    "govern/conflicts.py": (),
    "govern/emergency.py": (),
    "govern/objects.py": (
        "MAX_EMERGENCY_S", "MAX_REVIEW_NS", "Interval", "SeenCheckpoint", "_conflicts", "Approval", "ApprovalRef",
        "Enactment", "Scope", "Emergency", "EmergencyClose", "Review",
    ),
    "govern/admission.py": ("MAX_DELAY_NS", "_charter", "_approval", "_check_signature", "_check_binding", "_enactment"),
    "govern/contacts.py": ("months_before", "recent", "recusals"),
    "govern/state.py": ("State.policy_at", "State.in_effect"),
    "signing.py": ("MAX_SIGNATURES", "verify", "pae", "sign_envelope", "open_envelope", "_either_base64"),
}  # fmt: skip
"""Modules, and the names in them; no names: the whole module."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change at one place.

    Attributes:
        module: path below the package.
        operator: of cosmic-ray, without `core/`.
        occurrence: its count in the module.
        name: qualified name of the function, class or constant that it is in; empty for a statement of the module.
        line, column: where; the line counts from 1, the column from 0.
        lines: first and last line of the statement, without the body of a compound one.
        text: the whole line, stripped.
        nodes: types of the syntax nodes from the place outwards.
        step: `+1` or `-1` for a changed number.
        excluded: why it needs no test; empty when it does.
    """

    module: str
    operator: str
    occurrence: int
    name: str
    line: int
    column: int
    lines: tuple[int, int]
    text: str
    nodes: tuple[str, ...]
    step: str = ""
    excluded: str = ""

    @property
    def path(self) -> Path:
        """The module's file."""
        return SOURCE / self.module

    def source(self) -> str | None:
        """Return the mutated text of the module; None when the operator fails there."""
        return _tree(self.path).mutated(self.operator, self.occurrence)

    @property
    def label(self) -> str:
        """Where and what, on one line."""
        return f"{self.module}:{self.line}:{self.column} {self.kind} | {self.text}"

    @property
    def kind(self) -> str:
        """The operator, and of a changed number whether it is one more or one less."""
        return self.operator + self.step


class Tree:
    """The syntax tree of a module, parsed once and mutated again and again; each change is taken back."""

    def __init__(self, path: Path) -> None:
        self.text = path.read_text(encoding="utf-8")
        self.starts = [0]
        for line in self.text.splitlines(keepends=True):
            self.starts.append(self.starts[-1] + len(line))
        self.nodes = list(ast_nodes(get_ast(self.text)))

    def mutated(self, operator: str, occurrence: int) -> str | None:
        """Return the text with one occurrence of an operator applied, as `cosmic_ray.mutating.mutate_code` does.

        None when the operator fails there.
        """
        apply, count = get_operator(f"core/{operator}")(), 0
        for node in self.nodes:
            for index, _ in enumerate(apply.mutation_positions(node)):
                if count == occurrence:
                    return self._apply(apply, node, index)
                count += 1
        raise LookupError(f"{operator} has no occurrence {occurrence}")

    def _apply(self, operator: Any, node: Any, index: int) -> str | None:
        line, column = node.get_start_pos_of_prefix()
        start = self.starts[line - 1] + column
        before = node.get_code()
        assert self.text.startswith(before, start)
        inner = list(ast_nodes(node))
        held = [(each, _slots(each)) for each in inner]
        try:
            made = operator.mutate(node, index)
            after = "" if made is None else made.get_code()
        except AttributeError:
            return None  # `except a.B:` is beyond the operator, which wants a plain name
        finally:
            for each, values in held:
                for name, value in values.items():
                    setattr(each, name, value)
        assert node.get_code() == before
        return self.text[:start] + after + self.text[start + len(before) :]


def _slots(node: Any) -> dict[str, Any]:
    """Return what a node holds, its list of children copied."""
    return {
        name: list(value) if isinstance(value, list) else value
        for name in ("children", "value", "parent", "prefix", "line", "column")
        if (value := getattr(node, name, None)) is not None
    }


@cache
def _tree(path: Path) -> Tree:
    return Tree(path)


def compiled(source: str | None, path: Path) -> CodeType | None:
    """Compile a module without its warnings; None when it is no Python."""
    if source is None:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return compile(source, str(path), "exec", dont_inherit=True)
        except SyntaxError:
            return None


def mutants() -> list[Mutant]:
    """Return all mutants in scope, those that the filter leaves out marked with the reason."""
    found = [each for module, names in SCOPE.items() for each in _of_module(module, names)]
    return _filtered(found)


def _of_module(module: str, names: tuple[str, ...]) -> Iterator[Mutant]:
    tree = _tree(SOURCE / module)
    lines, nodes = tree.text.splitlines(), tree.nodes
    for operator in sorted(operator_names()):
        make = get_operator(operator)
        if make.arguments():
            continue  # changes a variable that would have to be named
        occurrence = -1
        for node in nodes:
            for index, (start, _) in enumerate(make().mutation_positions(node)):
                occurrence += 1
                name = _qualified(node)
                if names and not any(name == each or name.startswith(f"{each}.") for each in names):
                    continue
                line, column = start
                yield Mutant(
                    module=module,
                    operator=operator.removeprefix("core/"),
                    occurrence=occurrence,
                    name=name,
                    line=line,
                    column=column,
                    lines=_statement(node, line),
                    text=lines[line - 1].strip(),
                    nodes=_context(node),
                    step=("+1", "-1")[index] if operator == "core/NumberReplacer" else "",
                )


def _ancestors(node: Any) -> Iterator[Any]:
    while node is not None:
        yield node
        node = node.parent


def _qualified(node: Any) -> str:
    around = list(_ancestors(node))
    names = [each.name.value for each in around if each.type in ("funcdef", "classdef")]
    if any(each.type == "decorator" for each in around):
        decorated = next(each for each in around if each.type == "decorated")
        names.insert(0, decorated.children[-1].name.value)
    if not names:
        constant = next((each.children[0] for each in around if each.type == "expr_stmt"), None)
        names = [getattr(constant, "value", "")]
    return ".".join(reversed(names))


def _statement(node: Any, line: int) -> tuple[int, int]:
    inner = next((each for each in _ancestors(node) if each.parent is None or each.parent.type in ("suite", "file_input")), node)
    first = inner.start_pos[0]
    for child in getattr(inner, "children", ()):
        if child.type == "suite":
            if line < child.start_pos[0] + 1:  # a suite begins at the end of the line of its colon
                return first, child.start_pos[0]
            first = child.end_pos[0]
    return first, inner.end_pos[0]


def _context(node: Any) -> tuple[str, ...]:
    """Return the types of the nodes from the place outwards, with what says more than a type."""
    context: list[str] = []
    child = None
    for each in _ancestors(node):
        kind = each.type
        if kind == "funcdef" and child is not None and child is each.annotation:
            kind = "return_annotation"
        if kind in ("tfpdef", "param") and child is not None and len(each.children) > 2 and child is each.children[2]:
            kind = "annotation" if kind == "tfpdef" else kind
        if kind == "annassign" and child is not None and child is each.children[1]:
            kind = "annotation"
        if kind == "atom_expr" and each.children[0].type == "name":
            kind = f"call:{each.children[0].value}"
        if kind == "argument" and each.children[0].type == "name":
            kind = f"argument:{each.children[0].value}"
        context.append(kind)
        child = each
    return tuple(context)


# --- filter -----------------------------------------------------------------------------------------------------------


def _filtered(found: list[Mutant]) -> list[Mutant]:
    rules = tomllib.loads(FILTER.read_text(encoding="utf-8"))
    entries = rules.get("same", [])
    used = [0] * len(entries)
    used_rules = dict.fromkeys(rules["rule"], 0)
    marked: list[Mutant] = []
    for mutant in found:
        reason = ""
        for name in used_rules:
            if RULES[name](mutant):
                used_rules[name] += 1
                reason = name
                break
        for at, entry in enumerate(entries):
            if _matches(entry, mutant):
                used[at] += 1
                reason = reason or "same program"
        marked.append(replace(mutant, excluded=reason))
    unused = [entry["text"] for entry, count in zip(entries, used, strict=True) if not count]
    unused += [name for name, count in used_rules.items() if not count]
    if unused:
        raise SystemExit(f"mutation_filter.toml: these match nothing: {unused}")
    return marked


def _matches(entry: Mapping[str, Any], mutant: Mutant) -> bool:
    if entry["module"] != mutant.module or entry["text"] != mutant.text:
        return False
    if "at" in entry and not mutant.text[mutant.column - _indent(mutant) :].startswith(entry["at"]):
        return False
    return any(fnmatchcase(mutant.kind, pattern) for pattern in entry["operators"])


def _indent(mutant: Mutant) -> int:
    original = _lines(mutant.path)[mutant.line - 1]
    return len(original) - len(original.lstrip())


@cache
def _lines(path: Path) -> list[str]:
    return _tree(path).text.splitlines()


def _in_function(mutant: Mutant) -> bool:
    return "funcdef" in mutant.nodes


RULES = {
    "annotation of a function": lambda m: "return_annotation" in m.nodes
    or ("annotation" in m.nodes and ("param" in m.nodes or _in_function(m))),
    "annotation of a type alias": lambda m: "annotation" in m.nodes and not _in_function(m) and "classdef" not in m.nodes,
    "import for the type checker": lambda m: m.text == "if TYPE_CHECKING:",
    "slots": lambda m: m.operator == "ReplaceTrueWithFalse" and "argument:slots" in m.nodes,
    "cache": lambda m: m.text.startswith("@lru_cache") and m.operator in ("RemoveDecorator", "NumberReplacer"),
    "advice": lambda m: "argument:help" in m.nodes,
    "cut of quoted input": lambda m: m.operator == "NumberReplacer"
    and "fstring_expr" in m.nodes
    and re.match(r"\[:\d+\]", m.text[m.column - _indent(m) - 2 :]) is not None,
}
