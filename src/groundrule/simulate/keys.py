"""Strict reading of a scenario's tables: every key is asked for once, has a type and bounds, and none is left over.

A mistake is told with file, table, key, value and what would be right. `ASKED` keeps which keys were ever asked for, so that the
reference in the documentation can be compared with what is read.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

import numpy as np

from groundrule.errors import InputError
from groundrule.instant import parse_instant
from groundrule.simulate.places import distance_km

ASKED: set[tuple[str, str]] = set()
"""Pairs (table without its number, key)."""
_REQUIRED: Any = object()
MAX_TEXT = 400


class Keys:
    """One table of a scenario file.

    Args:
        file: name of the file. table: where it stands, for instance `fleet[2]`. values: as TOML gives them.
    """

    def __init__(self, file: str, table: str, values: Any) -> None:
        self.file, self.table = file, table
        if not isinstance(values, Mapping):
            raise InputError(
                f"{file}: `{table}` is `{_shown(values)}`", help="wanted a table", file=file, table=table, value=_shown(values)
            )
        self.values = dict(values)
        self._left = set(self.values)

    def wrong(self, key: str, wanted: str) -> InputError:
        """The error for a key's value."""
        value = _shown(self.values[key]) if key in self.values else "missing"
        where = f"[{self.table}] " if self.table else ""
        return InputError(
            f"{self.file}: {where}`{key}` is `{value}`", help=f"wanted {wanted}", file=self.file, table=self.table, key=key, value=value,
            wanted=wanted,
        )

    def has(self, key: str) -> bool:
        """Whether the key stands in the table."""
        self._ask(key)
        return key in self.values

    def number(self, key: str, low: float, high: float, default: Any = _REQUIRED) -> float:
        """A number within bounds."""
        value = self._take(key, default, f"a number from {low:g} to {high:g}")
        if value is default and key not in self.values:
            return value
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or not low <= value <= high:
            raise self.wrong(key, f"a number from {low:g} to {high:g}")
        return float(value)

    def whole(self, key: str, low: int, high: int, default: Any = _REQUIRED) -> int:
        """A whole number within bounds."""
        wanted = f"a whole number from {low:,} to {high:,}"
        value = self._take(key, default, wanted)
        if value is default and key not in self.values:
            return value
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise self.wrong(key, wanted)
        return value

    def numbers(self, key: str, count: int, low: float, high: float, default: Any = _REQUIRED) -> tuple[float, ...]:
        """So many numbers within bounds."""
        wanted = f"{count} numbers from {low:g} to {high:g}"
        value = self._take(key, default, wanted)
        if value is default and key not in self.values:
            return value
        if not isinstance(value, list) or len(value) != count:
            raise self.wrong(key, wanted)
        for one in value:
            if isinstance(one, bool) or not isinstance(one, int | float) or not math.isfinite(one) or not low <= one <= high:
                raise self.wrong(key, wanted)
        return tuple(float(one) for one in value)

    def span(self, key: str, low: float, high: float, default: Any = _REQUIRED) -> tuple[float, float]:
        """Two numbers within bounds, the lower first."""
        first, last = self.numbers(key, 2, low, high, default)
        if first > last:
            raise self.wrong(key, "the lower number first")
        return first, last

    def place(self, key: str, default: Any = _REQUIRED) -> tuple[float, float]:
        """Latitude and longitude [degree]."""
        wanted = "[latitude, longitude] in degrees"
        value = self._take(key, default, wanted)
        if value is default and key not in self.values:
            return value
        return self._place(key, value, wanted)

    def way(self, key: str) -> tuple[tuple[float, float], ...]:
        """Two to two hundred places."""
        wanted = "2 to 200 places, each [latitude, longitude]"
        value = self._take(key, _REQUIRED, wanted)
        if not isinstance(value, list) or not 2 <= len(value) <= 200:
            raise self.wrong(key, wanted)
        places = tuple(self._place(key, one, wanted) for one in value)
        for one, other in pairwise(places):
            if not 0.1 <= float(distance_km(one, np.array([other[0]]), np.array([other[1]]))[0]) <= 19_900.0:
                raise self.wrong(key, "neighbours that are 0.1 to 19,900 km apart")
        return places

    def text(self, key: str, default: Any = _REQUIRED, *, most: int = MAX_TEXT) -> str:
        """One line of text that steers nothing."""
        wanted = f"one line of text, at most {most} characters"
        value = self._take(key, default, wanted)
        if value is default and key not in self.values:
            return value
        if not isinstance(value, str) or not value or len(value) > most or not value.isprintable():
            raise self.wrong(key, wanted)
        return value

    def name(self, key: str, default: Any = _REQUIRED) -> str:
        """A short name of lower-case letters, digits and underscores."""
        wanted = "a name of lower-case letters, digits and _, beginning with a letter"
        value = self._take(key, default, wanted)
        if value is default and key not in self.values:
            return value
        if not is_name(value):
            raise self.wrong(key, wanted)
        return str(value)

    def choice(self, key: str, words: Sequence[str], default: Any = _REQUIRED) -> str:
        """One of some words."""
        wanted = "one of " + ", ".join(words)
        value = self._take(key, default, wanted)
        if value is default and key not in self.values:
            return value
        if not isinstance(value, str) or value not in words:
            raise self.wrong(key, wanted)
        return value

    def texts(self, key: str, default: Any = _REQUIRED, *, most: int = 200) -> tuple[str, ...]:
        """A list of texts, not empty."""
        wanted = f"a list of 1 to {most} texts"
        value = self._take(key, default, wanted)
        if value is default and key not in self.values:
            return value
        fits = isinstance(value, list) and 1 <= len(value) <= most
        if not fits or not all(isinstance(one, str) and one and len(one) <= MAX_TEXT for one in value):
            raise self.wrong(key, wanted)
        return tuple(value)

    def flag(self, key: str, default: Any = _REQUIRED) -> bool:
        """True or false."""
        value = self._take(key, default, "true or false")
        if not isinstance(value, bool):
            raise self.wrong(key, "true or false")
        return value

    def instant(self, key: str, default: Any = _REQUIRED) -> int:
        """A time with its zone [ns since 1970, UTC]."""
        wanted = "a time with its zone, such as 2026-06-03T05:00:12Z"
        value = self._take(key, default, wanted)
        if value is default and key not in self.values:
            return int(value)
        if isinstance(value, datetime) and value.tzinfo is not None:
            value = value.isoformat()
        if not isinstance(value, str):
            raise self.wrong(key, wanted)
        try:
            return parse_instant(value)
        except InputError as error:
            raise self.wrong(key, wanted) from error

    def table_of(self, key: str) -> Keys | None:
        """A table within this one, or None."""
        self._ask(key)
        if key not in self.values:
            return None
        self._left.discard(key)
        return Keys(self.file, f"{self.table}.{key}" if self.table else key, self.values[key])

    def tables_of(self, key: str, most: int) -> Iterator[Keys]:
        """Tables of a list, numbered from 1."""
        self._ask(key)
        value = self.values.get(key, [])
        self._left.discard(key)
        if not isinstance(value, list) or len(value) > most:
            raise self.wrong(key, f"at most {most} tables, each [[{key}]]")
        for number, one in enumerate(value, 1):
            yield Keys(self.file, f"{self.table}.{key}[{number}]" if self.table else f"{key}[{number}]", one)

    def done(self) -> None:
        """Refuse keys that nobody asked for.

        Raises:
            InputError: there is one; the help names the nearest key.
        """
        if not self._left:
            return
        key = min(self._left)
        kind = _kind(self.table)
        known = sorted(name for table, name in ASKED if table == kind)
        near = difflib.get_close_matches(key, known, 1)
        wanted = f"`{near[0]}`?" if near else "one of " + ", ".join(known)
        where = f"[{self.table}] " if self.table else ""
        raise InputError(
            f"{self.file}: {where}`{key}` is no key of this table", help=f"wanted {wanted}", file=self.file, table=self.table, key=key,
            value=_shown(self.values[key]), wanted=wanted,
        )

    def _ask(self, key: str) -> None:
        ASKED.add((_kind(self.table), key))

    def _take(self, key: str, default: Any, wanted: str) -> Any:
        self._ask(key)
        self._left.discard(key)
        if key in self.values:
            return self.values[key]
        if default is _REQUIRED:
            raise self.wrong(key, wanted)
        return default

    def _place(self, key: str, value: Any, wanted: str) -> tuple[float, float]:
        if not isinstance(value, list) or len(value) != 2:
            raise self.wrong(key, wanted)
        for one, most in zip(value, (90.0, 180.0), strict=True):
            if isinstance(one, bool) or not isinstance(one, int | float) or not abs(one) <= most:
                raise self.wrong(key, wanted)
        return float(value[0]), float(value[1])


def is_name(value: Any) -> bool:
    """Whether something is a short name."""
    fits = isinstance(value, str) and 1 <= len(value) <= 40 and value.isascii() and value[0].isalpha()
    return fits and value == value.lower() and value.replace("_", "").isalnum()


def _kind(table: str) -> str:
    return ".".join(part.split("[")[0] for part in table.split("."))


def _shown(value: Any) -> str:
    text = str(value)[:60]
    return "".join(letter if letter.isprintable() else " " for letter in text)
