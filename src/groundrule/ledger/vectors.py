"""Test vectors from outside: read carefully, checked one by one, counted without silence.

A case passes, fails, is skipped with a reason, or cannot be read. A crash of the code under test is a failure of that
case; a vector file that breaks its own schema is said to be broken, by file and case, and stops nothing else.
"""

from __future__ import annotations

import base64
import binascii
import functools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from groundrule.errors import InputError

MAX_FILE_BYTES = 1 << 28
Kind = TypeVar("Kind")
ACCEPT, REJECT, UNDEFINED = "accept", "reject", "implementation-defined"


class BrokenVector(InputError):
    """A vector file that breaks its schema; names file and case."""

    code = "broken_vector"


class Skip(Exception):
    """Raised by a check to leave its case out; its text is the reason."""


@dataclass(frozen=True, slots=True)
class CaseFailure:
    """One case on which this implementation and the vectors differ.

    Args:
        desc: the case, by its number and description.
        what: what was expected and what came.
    """

    desc: str
    what: str


@dataclass(slots=True)
class FileResult:
    """What one vector file showed.

    Args:
        file: path within the folder.
        passed: number of cases.
        failed: cases on which we differ.
        skipped: description and reason of each case left out.
        broken: what is wrong with the file itself, one line each.
        known: False for a file that no check knows; nothing in it was run.
    """

    file: str
    passed: int = 0
    failed: list[CaseFailure] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    known: bool = True

    def run(self, desc: str, check: Callable[[], str | None]) -> None:
        """Run one check and count it; it returns what differs, or nothing."""
        try:
            what = check()
        except Skip as reason:
            self.skipped.append((desc, str(reason)))
        except BrokenVector as error:
            self.broken.append(str(error))
        except Exception as error:  # noqa: BLE001 - a crash of the code under test is a result, and must not end the run
            self.failed.append(CaseFailure(desc, f"crashed: {type(error).__name__}: {error}"))
        else:
            if what:
                self.failed.append(CaseFailure(desc, what))
            else:
                self.passed += 1

    def run_all(self, cases: Iterable[tuple[str, Fields]], check: Callable[[Fields], str | None]) -> None:
        """Run the same check on every case."""
        for desc, case in cases:
            self.run(desc, functools.partial(check, case))


class Fields:
    """An object of a vector file whose fields are read by kind; whatever is missing or of another kind is named.

    Args:
        where: file, and case if there is one, for messages.
        values: decoded JSON object.
    """

    def __init__(self, where: str, values: Any) -> None:
        if not isinstance(values, Mapping):
            raise BrokenVector(f"{where} is not an object")
        self.where = where
        self._values = values

    def __contains__(self, name: str) -> bool:
        return self._values.get(name) is not None

    def any(self, name: str) -> Any:
        """Return a field of any kind; null counts as missing."""
        value = self._values.get(name)
        if value is None:
            raise BrokenVector(f"{self.where} has no field `{name}`")
        return value

    def text(self, name: str, default: str | None = None) -> str:
        """Return a text."""
        return default if default is not None and name not in self else self._kind(name, str)

    def number(self, name: str) -> int:
        """Return an integer."""
        return self._kind(name, int)

    def flag(self, name: str) -> bool:
        """Return true or false."""
        return self._kind(name, bool)

    def items(self, name: str) -> list[Any]:
        """Return an array; null is an empty one."""
        return [] if name not in self else self._kind(name, list)

    def texts(self, name: str) -> list[str]:
        """Return an array of texts."""
        found = self.items(name)
        if not all(isinstance(item, str) for item in found):
            raise BrokenVector(f"{self.where}: `{name}` holds something other than text")
        return found

    def base64(self, name: str) -> bytes:
        """Return the bytes behind a text in base64."""
        return self._base64(name, self.text(name))

    def base64_list(self, name: str) -> list[bytes]:
        """Return the bytes behind an array of texts in base64; null is an empty one."""
        return [self._base64(name, item) for item in self.texts(name)]

    def hex(self, name: str) -> bytes:
        """Return the bytes behind a text in hexadecimal."""
        return self.from_hex(name, self.text(name))

    def hex_list(self, name: str) -> list[bytes]:
        """Return the bytes behind an array of texts in hexadecimal."""
        return [self.from_hex(name, item) for item in self.texts(name)]

    def from_hex(self, name: str, text: str) -> bytes:
        """Decode hexadecimal that belongs to a field."""
        try:
            return bytes.fromhex(text)
        except ValueError:
            raise BrokenVector(f"{self.where}: `{name}` is not hexadecimal") from None

    def one_of(self, name: str, allowed: tuple[str, ...]) -> str:
        """Return a text out of a closed set."""
        value = self.text(name)
        if value not in allowed:
            raise BrokenVector(f"{self.where}: `{name}` is `{value[:40]}`", help=f"one of {', '.join(allowed)}")
        return value

    def utf8(self, name: str) -> bytes:
        """Return a text as UTF-8."""
        try:
            return self.text(name).encode()
        except UnicodeEncodeError:
            raise BrokenVector(f"{self.where}: `{name}` is not text that UTF-8 can hold") from None

    def _base64(self, name: str, text: str) -> bytes:
        try:
            return base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise BrokenVector(f"{self.where}: `{name}` is not base64") from None

    def _kind(self, name: str, kind: type[Kind]) -> Kind:
        value = self.any(name)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise BrokenVector(f"{self.where}: `{name}` is not of the kind {kind.__name__}")
        return value


@dataclass(frozen=True, slots=True)
class VectorFile:
    """A vector file as read.

    Args:
        name: path within the folder, for messages.
        path: on disk.
        values: decoded JSON.
    """

    name: str
    path: Path
    values: Any

    @classmethod
    def read(cls, name: str, path: Path) -> VectorFile:
        """Read a JSON file.

        Raises:
            BrokenVector: too large, not UTF-8 or not JSON.
        """
        if path.stat().st_size > MAX_FILE_BYTES:
            raise BrokenVector(f"{name} has {path.stat().st_size} bytes", help=f"at most {MAX_FILE_BYTES} are read")
        try:
            return cls(name, path, json.loads(path.read_bytes()))
        except (ValueError, RecursionError) as error:
            raise BrokenVector(f"{name} is not JSON: {error}") from None

    @property
    def top(self) -> Fields:
        """The file's own fields."""
        return Fields(self.name, self.values)

    def cases(self, result: FileResult, name: str = "cases") -> Iterator[tuple[str, Fields]]:
        """Yield description and fields of every case; a case that is no object is counted as broken."""
        found = self.values if isinstance(self.values, list) else self.top.any(name)
        if not isinstance(found, list):
            raise BrokenVector(f"{self.name}: `{name}` is not an array")
        for number, values in enumerate(found, start=1):
            where = f"{self.name}: {name} {number}"
            try:
                fields = Fields(where, values)
            except BrokenVector as error:
                result.broken.append(str(error))
                continue
            told = next((values[key] for key in ("file", "desc", "name") if isinstance(values.get(key), str)), "")
            yield f"{name} {number}{f' ({told})' if told else ''}", fields


def refusal(attempt: Callable[[], object], *refusals: type[Exception]) -> str | None:
    """Return why an attempt is refused, or None if it is not; other exceptions pass through as crashes."""
    try:
        attempt()
    except refusals as error:
        return str(error) or type(error).__name__
    return None


def verdict(refused: str | None, *, refuse: bool) -> str | None:
    """Compare a refusal with what was expected; return the difference in words."""
    if refuse:
        return None if refused is not None else "accepted, and must be rejected"
    return None if refused is None else f"rejected, and must be accepted: {refused}"
