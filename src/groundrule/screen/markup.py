"""XML of list publishers, read strictly: no document type, no entities, bounded depth, record by record.

A document type declaration is refused before anything in it is read, so there is nothing to expand and nothing to
fetch. Namespaces are dropped: publishers change them more often than the names. One record at a time is held.

Source: XML 1.0 sections 2.8 and 4; the standard library's expat, which is told to stop at the first declaration.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import NoReturn
from xml.parsers import expat

from groundrule.errors import InputError
from groundrule.screen.source import Findings, ListFile


@dataclass(slots=True)
class Node:
    """One element: name without namespace, attributes likewise, its own text, and elements in it."""

    tag: str
    attributes: dict[str, str]
    line: int
    text: str = ""
    children: list[Node] = field(default_factory=list)

    def first(self, *path: str) -> Node | None:
        """The first element at a path of names, or None."""
        found: Node | None = self
        for tag in path:
            found = next((child for child in found.children if child.tag == tag), None) if found is not None else None
        return found

    def each(self, *path: str) -> list[Node]:
        """All elements at a path of names, in order."""
        found = [self]
        for tag in path:
            found = [child for node in found for child in node.children if child.tag == tag]
        return found

    def say(self, *path: str) -> str:
        """Text of the first element at a path, white space joined; empty if there is none."""
        found = self.first(*path)
        return " ".join(found.text.split()) if found is not None else ""

    def says(self, *path: str) -> list[str]:
        """Texts of all elements at a path, empty ones left out."""
        return [text for node in self.each(*path) if (text := " ".join(node.text.split()))]

    def get(self, name: str) -> str:
        """An attribute, white space joined; empty if it is not there."""
        return " ".join(self.attributes.get(name, "").split())


def records(file: ListFile, findings: Findings, *, tags: Collection[str]) -> Iterator[Node]:
    """Read the elements with some names, wherever they stand; the root comes first, without what is in it.

    Args:
        file: the file.
        findings: takes the place where the file breaks off or is no longer XML, and records that are too large.
        tags: names of records; one inside another belongs to the outer one.
    Returns:
        Whole elements in order of the file, after one node for the root.
    Raises:
        InputError: the file has a document type or entities, is nested too deeply, or is not XML from the start.
    """
    reader = _Reader(file.name, findings, frozenset(tags))
    fed = 0
    try:
        for block in file.blocks():
            reader.parser.Parse(block, False)
            fed += len(block)
            yield from reader.taken()
            # A token that does not end is held by expat; its place stays where the token began.
            if fed - max(reader.parser.CurrentByteIndex, 0) > findings.limits.record_bytes:
                raise InputError(
                    f"`{file.name}` has a tag or text of more than {findings.limits.record_bytes} bytes",
                    help="no published list has one; check what it is",
                    file=file.name,
                    line=reader.parser.CurrentLineNumber,
                )
        if findings.complete:
            reader.parser.Parse(b"", True)
        yield from reader.taken()
    except (expat.ExpatError, ValueError, LookupError) as error:
        if isinstance(error, InputError):
            raise
        yield from reader.taken()
        line = reader.parser.ErrorLineNumber
        if not reader.has_root:
            raise InputError(
                f"`{file.name}` is not XML: {error}", help="check what it is", file=file.name, line=line
            ) from None
        findings.breaks_off(file.name, line, error)


class _Reader:
    """Turns expat's events into nodes."""

    def __init__(self, name: str, findings: Findings, tags: frozenset[str]) -> None:
        self._name = name
        self._findings = findings
        self._limits = findings.limits
        self._tags = tags
        self._done: list[Node] = []
        self._stack: list[Node] = []
        self._texts: list[list[str]] = []
        self._depth = 0
        self._size = 0
        self._skipping = False
        self.has_root = False
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.EntityDeclHandler = self._entity
        self.parser.ExternalEntityRefHandler = self._external
        self.parser.SkippedEntityHandler = self._entity
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._data

    def taken(self) -> list[Node]:
        """Nodes that are whole, once."""
        done, self._done = self._done, []
        return done

    def _refuse(self, what: str) -> NoReturn:
        raise InputError(
            f"`{self._name}` has {what}",
            help="lists are published without; this file may be an attack",
            file=self._name,
            line=self.parser.CurrentLineNumber,
        )

    def _doctype(self, *_rest: object) -> None:
        self._refuse("a document type declaration")

    def _entity(self, *_rest: object) -> None:
        self._refuse("an entity")

    def _external(self, *_rest: object) -> int:
        self._refuse("an entity")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > self._limits.depth:
            self._refuse(f"elements nested more than {self._limits.depth} deep")
        local = _local(tag)
        if not self.has_root:
            self.has_root = True
            self._done.append(Node(local, _locals(attributes), self.parser.CurrentLineNumber))
        if not self._stack and local not in self._tags:
            return
        if not self._stack:
            self._size, self._skipping = 0, False
        self._size += 64 + len(tag) + sum(len(key) + len(value) for key, value in attributes.items())
        node = Node(local, _locals(attributes), self.parser.CurrentLineNumber)
        if self._stack and not self._too_large():
            self._stack[-1].children.append(node)
        self._stack.append(node)
        self._texts.append([])

    def _end(self, _tag: str) -> None:
        self._depth -= 1
        if not self._stack:
            return
        node, pieces = self._stack.pop(), self._texts.pop()
        if pieces:
            node.text = "".join(pieces)
        if self._stack:
            return
        if self._skipping:
            self._findings.add(
                self._name,
                node.line,
                node.tag,
                f"{self._size} bytes",
                "record_too_large",
                f"a record has at most {self._limits.record_bytes} bytes",
            )
        else:
            self._done.append(node)

    def _data(self, data: str) -> None:
        if self._stack:
            self._size += len(data)
            if not self._too_large():
                self._texts[-1].append(data)

    def _too_large(self) -> bool:
        if self._size > self._limits.record_bytes and not self._skipping:
            self._skipping = True
            # What was held of it is let go; only the outermost node is still needed, for its line.
            for node in self._stack:
                node.children.clear()
            for pieces in self._texts:
                pieces.clear()
        return self._skipping


def _local(tag: str) -> str:
    return tag.rpartition(":")[2]


def _locals(attributes: dict[str, str]) -> dict[str, str]:
    return {_local(name): value for name, value in attributes.items()}
