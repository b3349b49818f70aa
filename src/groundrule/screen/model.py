"""What a sanctions list says, the same for every publisher: entries, where each came from, and what could not be used.

    ListSnapshot ── source, published, digest
     ├ files      what was read, each with its own digest, so that anybody can compare it with the publisher's
     ├ entries    ListEntry: names, identifiers, dates, countries, programmes …
     └ broken     BrokenRow: line, field, value, reason, and what would be right

The digest of a snapshot is the SHA-256 of its canonical lines (`ListSnapshot.lines`): one manifest, then one line per
entry, then one per broken row. It therefore names the published bytes and how this program understood them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from functools import cached_property
from itertools import islice
from typing import Any, Self

from groundrule.canon import SCHEME, canonical_json
from groundrule.errors import InputError
from groundrule.instant import format_instant, parse_instant

FORMAT_VERSION = 1
VALUE_CHARS = 200
"""Longest value that is shown of a broken row."""


class Kind(StrEnum):
    """What an entry names."""

    PERSON = "person"
    ENTITY = "entity"
    VESSEL = "vessel"
    AIRCRAFT = "aircraft"
    UNKNOWN = "unknown"


class NameKind(StrEnum):
    """How the publisher calls a name."""

    PRIMARY = "primary"
    ALIAS = "alias"
    FORMER = "former"
    NOW = "now"
    ORIGINAL_SCRIPT = "original_script"


class Strength(StrEnum):
    """How far the publisher itself trusts a name; a weak one must never raise a match alone."""

    STRONG = "strong"
    WEAK = "weak"


@dataclass(frozen=True, slots=True)
class Name:
    """One name of an entry.

    Attributes:
        text: as published, white space joined.
        kind, strength: what the publisher says of it.
        family, given: parts, where the publisher separates them; the order in `text` is the publisher's.
        script, lang: where given, as published (ISO 15924 or a word; ISO 639 or a word).
    """

    text: str
    kind: NameKind = NameKind.PRIMARY
    strength: Strength = Strength.STRONG
    family: str | None = None
    given: str | None = None
    script: str | None = None
    lang: str | None = None


@dataclass(frozen=True, slots=True)
class Identifier:
    """A number or address that means one party.

    Attributes:
        scheme: lower case with underscores, the same for all publishers: `passport`, `national_id`, `tax_id`, `imo` …
        value: as published, without the country.
        country: issuer as published (a name or a code), or None.
        label: the publisher's own word for the scheme.
        note: what stands beside the number: issued, expired, in which name.
    """

    scheme: str
    value: str
    country: str | None = None
    label: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class BirthDate:
    """A date that may be a day, a month, a year or a span; publishers know all four.

    Attributes:
        text: as published.
        earliest, latest: first and last day that it can mean, `YYYY-MM-DD`, both included.
        circa: the publisher says that it is about then.
    """

    text: str
    earliest: str
    latest: str
    circa: bool = False

    @property
    def precision(self) -> str:
        """`day`, `month`, `year` or `span`."""
        if self.earliest == self.latest:
            return "day"
        if self.earliest[:4] != self.latest[:4]:
            return "span"
        if self.earliest[5:] == "01-01" and self.latest[5:] == "12-31":
            return "year"
        return "month" if self.earliest[:7] == self.latest[:7] and self.earliest[8:] == "01" else "span"


@dataclass(frozen=True, slots=True)
class Address:
    """A place that the publisher connects with an entry; every part may be missing."""

    street: str | None = None
    city: str | None = None
    region: str | None = None
    postcode: str | None = None
    country: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class SourceRow:
    """Where something came from: file name and line (number of the record, where a file has no lines)."""

    file: str
    line: int


@dataclass(frozen=True, slots=True)
class BrokenRow:
    """A row, or one field of it, that could not be used.

    Attributes:
        file, line: where it stands.
        field: name of the field, or empty for the whole row.
        value: what stands there, cut at VALUE_CHARS characters.
        reason: code, lower case with underscores.
        help: what would be right.
        uid: of the entry that it belongs to, if that could be read.
        entry_kept: the rest of the row was used; only this field is lost.
    """

    file: str
    line: int
    field: str
    value: str
    reason: str
    help: str
    uid: str | None = None
    entry_kept: bool = False


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that was read.

    Attributes:
        name: without its folder.
        sha256: digest of its content as it lay there (compressed, if it was).
        content_sha256: digest of its content without compression.
        size: bytes without compression.
        rows: records that it holds, broken ones included; the end mark of the OFAC files is none.
    """

    name: str
    sha256: str
    content_sha256: str
    size: int
    rows: int


@dataclass(frozen=True, slots=True)
class ListEntry:
    """One party, vessel or aircraft on a list.

    Attributes:
        uid: the publisher's own number; unique in a snapshot.
        kind: what it is.
        names: primary name first.
        birth_places, nationalities, countries, programmes, positions, linked_to, remarks: texts as published.
        gender: `male`, `female` or None.
        listed_on: `YYYY-MM-DD`, or None where the format does not say.
        rows: every row that contributed.
    """

    uid: str
    kind: Kind
    names: tuple[Name, ...]
    identifiers: tuple[Identifier, ...] = ()
    birth_dates: tuple[BirthDate, ...] = ()
    birth_places: tuple[str, ...] = ()
    nationalities: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    programmes: tuple[str, ...] = ()
    positions: tuple[str, ...] = ()
    addresses: tuple[Address, ...] = ()
    linked_to: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    gender: str | None = None
    listed_on: str | None = None
    rows: tuple[SourceRow, ...] = ()

    @property
    def name(self) -> str:
        """The primary name."""
        return self.names[0].text

    @property
    def value(self) -> dict[str, Any]:
        """The entry as JSON, without empty fields."""
        return _compact(self)

    @classmethod
    def parse(cls, value: Mapping[str, Any]) -> Self:
        """Read what `value` wrote.

        Raises:
            InputError: it is something else.
        """
        try:
            given = dict(value)
            for field_name, made in _PARTS.items():
                given[field_name] = tuple(made(item) for item in given.get(field_name, ()))
            for field_name in _TEXTS:
                given[field_name] = tuple(given.get(field_name, ()))
            return cls(**{**given, "kind": Kind(given["kind"])})
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"not an entry of a sanctions list: {error}") from error


@dataclass(frozen=True)
class ListSnapshot:
    """One list as it was published at one time.

    Attributes:
        source: which list, for instance `us-ofac-sdn`.
        published_ns: when the publisher says it was made [ns since 1970, UTC].
        format: what it was read as.
        files: what was read.
        entries: in the order of the publisher.
        broken: rows and fields that could not be used, at most MAX_BROKEN of `lists` in detail.
        broken_total: how many there are.
        complete: False if a file breaks off: entries may be missing, so nobody is cleared by this snapshot.
        notes: what a reader must know, one sentence each.
    """

    source: str
    published_ns: int
    format: str
    files: tuple[SourceFile, ...]
    entries: tuple[ListEntry, ...]
    broken: tuple[BrokenRow, ...] = ()
    broken_total: int = 0
    complete: bool = True
    notes: tuple[str, ...] = ()

    @cached_property
    def digest(self) -> str:
        """`sha256:` of the canonical lines."""
        hasher = hashlib.sha256()
        for line in self.lines():
            hasher.update(line)
        return SCHEME + hasher.hexdigest()

    @property
    def published(self) -> str:
        """When it was published, RFC 3339."""
        return format_instant(self.published_ns)

    @property
    def ref(self) -> dict[str, str]:
        """What a screening records of the list it used: source, date and digest."""
        return {"source": self.source, "date": self.published, "sha256": self.digest.removeprefix(SCHEME)}

    @cached_property
    def by_uid(self) -> dict[str, ListEntry]:
        """Entries by their number."""
        return {entry.uid: entry for entry in self.entries}

    @property
    def manifest(self) -> dict[str, Any]:
        """Everything but entries and broken rows."""
        return {
            "v": FORMAT_VERSION,
            "source": self.source,
            "published": self.published,
            "format": self.format,
            "files": [_compact(each) for each in self.files],
            "entries": len(self.entries),
            "broken": len(self.broken),
            "broken_total": self.broken_total,
            "complete": self.complete,
            "notes": list(self.notes),
        }

    def lines(self) -> Iterator[bytes]:
        """The snapshot as canonical JSON lines: manifest, entries, broken rows."""
        yield canonical_json(self.manifest) + b"\n"
        for entry in self.entries:
            yield canonical_json(entry.value) + b"\n"
        for row in self.broken:
            yield canonical_json(_compact(row)) + b"\n"

    @classmethod
    def parse(cls, values: Iterable[Mapping[str, Any]]) -> Self:
        """Read the JSON values of `lines`.

        Raises:
            InputError: they are something else, or are not all there.
        """
        rest = iter(values)
        head = next(rest, {})
        try:
            if head["v"] != FORMAT_VERSION:
                raise InputError(
                    f"list snapshot of version {head['v']}", help=f"this program reads version {FORMAT_VERSION}"
                )
            entries = tuple(ListEntry.parse(each) for each in islice(rest, head["entries"]))
            broken = tuple(BrokenRow(**each) for each in islice(rest, head["broken"]))
            if (len(entries), len(broken)) != (head["entries"], head["broken"]) or next(rest, None) is not None:
                raise InputError("a list snapshot breaks off, or goes on after its end")
            return cls(
                source=head["source"],
                published_ns=parse_instant(head["published"]),
                format=head["format"],
                files=tuple(SourceFile(**each) for each in head["files"]),
                entries=entries,
                broken=broken,
                broken_total=head["broken_total"],
                complete=head["complete"],
                notes=tuple(head["notes"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"not a list snapshot: {error}") from error


_TEXTS = ("birth_places", "nationalities", "countries", "programmes", "positions", "linked_to", "remarks")


def _name(value: Mapping[str, Any]) -> Name:
    given = dict(value)
    given["kind"] = NameKind(given.get("kind", "primary"))
    given["strength"] = Strength(given.get("strength", "strong"))
    return Name(**given)


_PARTS: dict[str, Any] = {
    "names": _name,
    "identifiers": lambda value: Identifier(**value),
    "birth_dates": lambda value: BirthDate(**value),
    "addresses": lambda value: Address(**value),
    "rows": lambda value: SourceRow(**value),
}

_FIELDS: dict[type, tuple[tuple[str, Any], ...]] = {}


def _compact(record: Any) -> dict[str, Any]:
    """A record as JSON without what has its default value; nested records too."""
    described = _FIELDS.get(type(record))
    if described is None:
        described = tuple((field.name, field.default) for field in fields(record))
        _FIELDS[type(record)] = described
    told: dict[str, Any] = {}
    for name, default in described:
        item = getattr(record, name)
        if item == default:
            continue
        if isinstance(item, tuple):
            told[name] = [part if isinstance(part, str) else _compact(part) for part in item]
        elif isinstance(item, StrEnum):
            told[name] = item.value
        else:
            told[name] = item
    return told
