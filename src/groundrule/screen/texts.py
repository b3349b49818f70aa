"""Texts of publishers as records hold them: white space joined, nothing that a terminal or canonical JSON cannot take."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from groundrule.instant import MAX_NS
from groundrule.screen.model import Kind, ListEntry, Name, NameKind, SourceFile, Strength

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reading:
    """What a format's reader returns.

    Attributes:
        entries: in the order of the publisher.
        files: what was read.
        published_ns: when the publisher says the list was made, or None [ns since 1970, UTC].
    """

    entries: list[ListEntry]
    files: tuple[SourceFile, ...]
    published_ns: int | None = None


def joined(text: str) -> str:
    """The text with white space joined and stripped."""
    return " ".join(text.split())


def is_sound(text: str) -> bool:
    """Whether the text has no null bytes, other control characters but white space, lone surrogates or U+FFFD.

    U+FFFD stands where bytes were no UTF-8; a name with it is not the published one.
    """
    if "\ufffd" in text:
        return False
    return text.isprintable() or not any(
        (char < " " and char not in "\t\n\r") or "\x7f" <= char < "\xa0" or "\ud800" <= char <= "\udfff"
        for char in text
    )


def bare_imo(number: str) -> str:
    """An IMO number without the letters that some publishers write before it."""
    return number.removeprefix("IMO").strip(" :#.") or number


def unique(items: Iterable[T | None]) -> tuple[T, ...]:
    """The items that are not empty, each once, in order."""
    return tuple(dict.fromkeys(item for item in items if item))


def distinct_names(names: Iterable[Name]) -> tuple[Name, ...]:
    """Names with each text once; the first stays, so that primary and strong ones must come first."""
    held: dict[str, Name] = {}
    for name in names:
        if name.text:
            held.setdefault(name.text, name)
    return tuple(held.values())


def person_name(
    text: str, kind: NameKind = NameKind.PRIMARY, strength: Strength = Strength.STRONG, *, of: Kind = Kind.PERSON
) -> Name:
    """A name that is written `FAMILY, Given` if it is a person's."""
    family, comma, given = text.partition(", ")
    if of is not Kind.PERSON or not comma:
        return Name(text, kind, strength)
    return Name(text, kind, strength, family=family, given=given)


def latest(times: Iterable[int | None]) -> int | None:
    """The latest of some times that are known."""
    return max((time for time in times if time is not None and time != MAX_NS), default=None)
