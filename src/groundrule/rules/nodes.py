"""YAML as a tree of located text, and a reader that collects every problem instead of stopping at the first.

YAML's own typing is switched off: a scalar is the text that stands there, so the country code `NO` stays
`NO`. What makes a document mean something else than it seems to say is refused: duplicate keys, anchors,
aliases, tags, several documents, unbounded size or depth.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import yaml

from groundrule.errors import InputError, MalformedRule
from groundrule.instant import parse_instant

MAX_BYTES = 2_000_000
MAX_DEPTH = 50
MAX_PROBLEMS = 100
"""Later problems are counted, not listed: nobody reads more."""

_NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d{1,3})?")
_LOADER: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(slots=True)
class Node:
    """One scalar, sequence or mapping with its place (1-based)."""

    line: int
    column: int
    text: str | None = None
    items: list[Node] | None = None
    pairs: list[tuple[Node, Node]] | None = None

    @property
    def kind(self) -> str:
        """Say in words what the node is."""
        if self.text is not None:
            return f"`{self.text[:40]}`" if self.text else "nothing"
        return "a list" if self.items is not None else "a mapping"


class RulebookErrors(InputError):
    """Everything that is wrong with one rulebook.

    Args:
        errors: the problems in the order of the text; at least one.
        more: how many further problems were counted but not kept.
    """

    code = "malformed_rulebook"

    def __init__(self, errors: Sequence[MalformedRule], more: int = 0) -> None:
        self.errors = list(errors)
        self.more = more
        total = len(self.errors) + more
        rest = "" if total == 1 else f" (and {total - 1} more)"
        super().__init__(f"{self.errors[0]}{rest}", count=total)

    def __iter__(self) -> Iterator[MalformedRule]:
        return iter(self.errors)


@dataclass(slots=True)
class Reader:
    """Typed access to nodes; each method records a problem and returns None when a value does not fit.

    Attributes:
        file: name for messages.
        problems: what was wrong so far.
    """

    file: str = ""
    problems: list[MalformedRule] = field(default_factory=list)
    more: int = 0

    def problem(self, node: Node, message: str, help: str | None = None) -> None:  # noqa: A002 - the error's field name
        """Record one problem at the place of a node."""
        if len(self.problems) >= MAX_PROBLEMS:
            self.more += 1
            return
        self.problems.append(MalformedRule(message, file=self.file, line=node.line, column=node.column, help=help))

    def raise_problems(self) -> None:
        """Raise `RulebookErrors` if anything was wrong."""
        if self.problems:
            ordered = sorted(self.problems, key=lambda error: (error.line, error.column))
            raise RulebookErrors(ordered, self.more)

    # --- shapes ---------------------------------------------------------------------------------------------

    def mapping(
        self, node: Node, allowed: Iterable[str] | None, what: str, required: Sequence[str] = ()
    ) -> dict[str, tuple[Node, Node]]:
        """Return the pairs of a mapping by key, without those that are not allowed.

        Args:
            node: the mapping.
            allowed: the keys that exist, or None if the keys are names of the author's.
            what: the thing in words, for messages.
            required: keys that must be there.
        """
        if node.pairs is None:
            self.problem(node, f"{what} must be a mapping, found {node.kind}", "write `key: value` lines")
            return {}
        known = None if allowed is None else list(allowed)
        found: dict[str, tuple[Node, Node]] = {}
        for key, value in node.pairs:
            name = key.text
            if name is None:
                self.problem(key, f"a key of {what} must be a word, found {key.kind}")
            elif name in found:
                self.problem(key, f"the key `{name}` stands twice in {what}", f"first in line {found[name][0].line}")
            elif known is not None and name not in known:
                self.problem(key, f"unknown key `{name}` in {what}", did_you_mean(name, known))
            else:
                found[name] = (key, value)
        for name in required:
            if name not in found:
                self.problem(node, f"{what} has no `{name}`", f"add `{name}:`")
        return found

    def sequence(self, node: Node, what: str) -> list[Node]:
        """Return the items of a list."""
        if node.items is None:
            self.problem(
                node,
                f"{what} must be a list, found {node.kind}",
                "write `[a, b]` or lines that begin with `-`",
            )
            return []
        return node.items

    def one_or_more(self, node: Node, what: str) -> list[Node]:
        """Return the items of a non-empty list, or the scalar itself as a list of one."""
        if node.text is not None:
            return [node]
        items = self.sequence(node, what)
        if node.items is not None and not items:
            self.problem(node, f"{what} is an empty list", "name at least one value or remove the line")
        return items

    # --- scalars --------------------------------------------------------------------------------------------

    def text(self, node: Node, what: str) -> str | None:
        """Return a non-empty text."""
        if node.text is None:
            self.problem(node, f"{what} must be text, found {node.kind}")
            return None
        if not node.text.strip():
            self.problem(node, f"{what} is empty", "write a value or remove the line")
            return None
        return node.text.strip()

    def name(self, node: Node, what: str, pattern: str = r"[a-z0-9][a-z0-9_.:-]*") -> str | None:
        """Return a text that fits a pattern."""
        value = self.text(node, what)
        if value is not None and re.fullmatch(pattern, value) is None:
            self.problem(node, f"`{value[:60]}` is not a valid {what}", f"it must match {pattern}")
            return None
        return value

    def choice(self, node: Node, words: Sequence[str], what: str) -> str | None:
        """Return one of the words."""
        value = self.text(node, what)
        if value is not None and value not in words:
            self.problem(node, f"`{value[:60]}` is not a known {what}", did_you_mean(value, words))
            return None
        return value

    def boolean(self, node: Node, what: str) -> bool | None:
        """Return true or false; other spellings are refused, because YAML versions read them differently."""
        value = self.choice(node, ("true", "false"), what)
        return None if value is None else value == "true"

    def number(self, node: Node, what: str, low: float = -math.inf, high: float = math.inf) -> float | None:
        """Return a finite decimal number inside [low, high]."""
        value = self.text(node, what)
        if value is None:
            return None
        if _NUMBER.fullmatch(value) is None or not math.isfinite(float(value)):
            self.problem(
                node,
                f"{what} `{value[:60]}` is not a number",
                "write digits with a decimal point, without unit",
            )
            return None
        number = float(value)
        if not low <= number <= high:
            self.problem(node, f"{what} {value} is out of range", f"it must be from {low:g} to {high:g}")
            return None
        return number

    def integer(self, node: Node, what: str, low: int, high: int = 2**53) -> int | None:
        """Return a whole number inside [low, high]."""
        number = self.number(node, what, low, high)
        if number is not None and not number.is_integer():
            self.problem(node, f"{what} `{node.text}` is not a whole number")
            return None
        return None if number is None else int(number)

    def instant(self, node: Node, what: str) -> int | None:
        """Return a time with a zone, or a date, which means midnight UTC [ns]."""
        value = self.text(node, what)
        if value is None:
            return None
        try:
            return parse_instant(value)
        except InputError as error:
            self.problem(node, f"{what}: {error.message}", error.help)
            return None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Suggest the nearest known words, or list them all if none is near."""
    words = sorted(known)
    near = difflib.get_close_matches(word.lower(), words, n=2, cutoff=0.6)
    if not near:
        near = [w for w in words if w.lower() == word.lower()]
    if near:
        return "did you mean " + " or ".join(f"`{w}`" for w in near)
    return "known are " + ", ".join(words[:40]) + (" …" if len(words) > 40 else "")


def compose(text: str, reader: Reader) -> Node:
    """Read YAML text into nodes.

    Args:
        text: one YAML document.
        reader: takes the problems and names the file.
    Raises:
        RulebookErrors: it is not YAML, or is too large, too deep, or more than one document; problems that
        leave the tree
            readable (anchors, tags) are recorded in the reader instead.
    """
    start = Node(1, 1)
    if len(text) > MAX_BYTES or len(text.encode("utf-8", "replace")) > MAX_BYTES:
        reader.problem(start, f"the text is larger than {MAX_BYTES} bytes", "split the rulebook")
        reader.raise_problems()
    root: Node | None = None
    stack: list[tuple[Node, Node | None]] = []  # an open collection, and the key that waits for its value
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            mark = event.start_mark
            place = start if mark is None else Node(mark.line + 1, mark.column + 1)
            if isinstance(event, yaml.DocumentStartEvent) and root is not None:
                reader.problem(place, "a second document begins here", "one file holds one rulebook; remove the `---`")
                break
            if isinstance(event, yaml.CollectionEndEvent):
                stack.pop()
                continue
            if not isinstance(event, yaml.NodeEvent):
                continue
            node = _node_of(event, place, reader)
            if not stack:
                root = node
            else:
                _attach(stack, node)
            if isinstance(event, yaml.CollectionStartEvent):
                stack.append((node, None))
                if len(stack) > MAX_DEPTH:
                    reader.problem(place, f"nested deeper than {MAX_DEPTH}", "flatten the condition")
                    break
    except yaml.MarkedYAMLError as error:
        spot = error.problem_mark or error.context_mark
        where = Node(spot.line + 1, spot.column + 1) if spot else start
        reader.problem(where, f"not YAML: {error.problem or error.context}", "check indentation, quotes and brackets")
        reader.raise_problems()
    except yaml.YAMLError as error:
        reader.problem(start, f"not YAML: {str(error).splitlines()[0]}", "write plain UTF-8 text")
        reader.raise_problems()
    if root is None:
        reader.problem(start, "the text is empty", "a rulebook begins with `rulebook: NAME`")
    if reader.problems and (root is None or stack):
        reader.raise_problems()
    assert root is not None
    return root


def _node_of(event: yaml.NodeEvent, node: Node, reader: Reader) -> Node:
    if isinstance(event, yaml.AliasEvent):
        reader.problem(node, f"alias `*{event.anchor}`", "aliases are refused; write the value out")
        node.text = ""
        return node
    if event.anchor is not None:
        reader.problem(node, f"anchor `&{event.anchor}`", "anchors are refused; write the value out where it is used")
    tag = getattr(event, "tag", None)
    if tag is not None:
        reader.problem(node, f"tag `{tag}`", "tags are refused; every scalar is text that the schema types")
    if isinstance(event, yaml.ScalarEvent):
        node.text = event.value
    elif isinstance(event, yaml.SequenceStartEvent):
        node.items = []
    else:
        node.pairs = []
    return node


def _attach(stack: list[tuple[Node, Node | None]], node: Node) -> None:
    parent, key = stack[-1]
    if parent.items is not None:
        parent.items.append(node)
    elif key is None:
        stack[-1] = (parent, node)
    else:
        assert parent.pairs is not None
        parent.pairs.append((key, node))
        stack[-1] = (parent, None)
