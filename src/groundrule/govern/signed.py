"""How an object of governance becomes signed JSON and back, strictly.

Each object is a frozen dataclass whose fields carry a codec in their annotation. `parse` wants exactly these fields, and
`value` writes them, so that what was signed is what is read. A field whose name Python reserves ends in an underscore
(`from_`, `class_`).

    JSON value --parse--> object --value--> the same JSON value --canonical_signed--> bytes --SHA-256--> digest
"""

from __future__ import annotations

import re
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256
from typing import Annotated, Any, Final, Generic, Self, TypeVar

from groundrule.canon import MAX_INTEGER, canonical_signed, parse_canonical
from groundrule.errors import InputError

T = TypeVar("T")
NS_PER_MS: Final = 1_000_000
NS_PER_HOUR: Final = 3_600_000_000_000
UNKNOWN: Final = "unknown"
SELF: Final = "self"
COMMITTED: Final = "commitment:"
"""Before the 64 hex digits that stand for a party whose id is not public."""
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_HEX64 = re.compile(r"[0-9a-f]{64}")
_NONCE = re.compile(r"[0-9a-f]{32}")
_ID = re.compile(r"([a-z]+)-[0-9a-f]{32}")
_CODE = re.compile(r"[a-z][a-z0-9_.-]{0,63}")
MAX_TEXT = 20_000
MAX_ITEMS = 2_000


@dataclass(frozen=True, slots=True)
class Codec(Generic[T]):
    """How one value is read from JSON and written back.

    Attributes:
        read: (JSON value, where) to the value; raises InputError.
        write: the value to JSON.
    """

    read: Callable[[Any, str], T]
    write: Callable[[T], Any]


class Signed:
    """Base of objects that are signed or logged."""

    __slots__ = ()

    @classmethod
    def parse(cls, value: object) -> Self:
        """Read the object from its JSON value.

        Raises:
            InputError: a missing or unknown field, or a value that is not what the field holds; the place is named.
        """
        return cls._read(value, cls.__name__.lower())

    @classmethod
    def parse_bytes(cls, data: bytes) -> Self:
        """Read the object from canonical JSON bytes, as they come out of a verified envelope."""
        return cls.parse(parse_canonical(data))

    @classmethod
    def _read(cls, value: object, where: str) -> Self:
        plan = _plan(cls)
        if not isinstance(value, Mapping):
            raise InputError(f"{where} is no object", help=f"fields: {', '.join(name for name, _, _ in plan)}")
        names = {name for name, _, _ in plan}
        if value.keys() != names:
            missing, extra = sorted(names - value.keys()), sorted(map(str, value.keys() - names))
            what = f"lacks `{missing[0]}`" if missing else f"has an unknown field `{extra[0][:40]}`"
            raise InputError(f"{where} {what}", help=f"its fields are {', '.join(sorted(names))}", field=where)
        made = cls(**{attribute: codec.read(value[name], f"{where}.{name}") for name, attribute, codec in plan})
        made.check()
        return made

    def check(self) -> None:
        """Raise InputError when fields contradict each other."""

    @property
    def value(self) -> dict[str, Any]:
        """The JSON value that is signed or logged."""
        return {name: codec.write(getattr(self, attribute)) for name, attribute, codec in _plan(type(self))}

    @property
    def data(self) -> bytes:
        """Canonical bytes: what an envelope carries."""
        return canonical_signed(self.value)

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical bytes [64 hex digits]."""
        return sha256(self.data).hexdigest()


class Kept(Signed):
    """Base of objects whose bytes are asked for often: they are written once. Such classes have no slots."""

    @cached_property
    def _data(self) -> bytes:
        return canonical_signed(self.value)

    @cached_property
    def _digest(self) -> str:
        return sha256(self._data).hexdigest()

    @property
    def data(self) -> bytes:
        """Canonical bytes: what an envelope carries."""
        return self._data

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical bytes [64 hex digits]."""
        return self._digest


_Plan = tuple[tuple[str, str, Codec[Any]], ...]
_PLANS: dict[type, _Plan] = {}
"""Fields of each class: name in JSON, name in Python, codec. Filled once per class."""


def _plan(cls: type) -> _Plan:
    if (made := _PLANS.get(cls)) is None:
        made = _PLANS[cls] = _planned(cls)
    return made


def _planned(cls: type) -> _Plan:
    hints = typing.get_type_hints(cls, include_extras=True)
    plan = []
    for each in fields(cls):
        codec = next(part for part in hints[each.name].__metadata__ if isinstance(part, Codec))
        plan.append((each.name.rstrip("_"), each.name, codec))
    return tuple(plan)


def payload_type(kind: str) -> str:
    """Return the DSSE payload type of an object, for instance of `approval`."""
    return f"application/vnd.groundrule.{kind}+json"


def new_id(kind: str, random: bytes) -> str:
    """Return the id of a new object.

    Args:
        kind: `party`, `request`, `screening`, `contact`, `emergency` or `review`.
        random: 16 random bytes.
    """
    if len(random) != 16 or not kind.isalpha() or not kind.islower():
        raise InputError("an id is made of a kind and 16 random bytes", help="take them from the operating system")
    return f"{kind}-{random.hex()}"


def format_time(instant_ns: int) -> str:
    """Write an instant [ns since 1970, UTC] as `YYYY-MM-DDThh:mm:ss.sssZ`.

    Raises:
        InputError: not a whole millisecond, which signed JSON cannot hold, or outside the years 1 to 9999.
    """
    milliseconds, rest = divmod(instant_ns, NS_PER_MS)
    if rest:
        raise InputError(f"the time {instant_ns} ns is no whole millisecond", help="cut it with `whole_ms` first")
    try:
        text = datetime.fromtimestamp(milliseconds // 1000, UTC).isoformat()[:19]
    except (ValueError, OverflowError, OSError):
        raise InputError(f"the time {instant_ns} ns cannot be written", help="years 1 to 9999") from None
    return f"{text}.{milliseconds % 1000:03d}Z"


def whole_ms(instant_ns: int) -> int:
    """Return the start of the millisecond of an instant [ns]."""
    return instant_ns - instant_ns % NS_PER_MS


def parse_time(text: object, where: str = "time") -> int:
    """Read `YYYY-MM-DDThh:mm:ss.sssZ` and return the instant [ns since 1970, UTC]."""
    if isinstance(text, str) and _TIME.fullmatch(text) is not None:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            pass
        else:
            whole = moment - datetime(1970, 1, 1, tzinfo=UTC)
            return ((whole.days * 86_400 + whole.seconds) * 1000 + int(text[20:23])) * NS_PER_MS
    raise InputError(f"{where} is `{text!s:.40}`", help="write YYYY-MM-DDThh:mm:ss.sssZ, in UTC", field=where)


# --- codecs -----------------------------------------------------------------------------------------------------------


def _same(value: Any) -> Any:
    return value


def text(maximum: int = MAX_TEXT, *, empty: bool = False) -> Codec[str]:
    """A text of at most so many characters."""

    def read(value: Any, where: str) -> str:
        if not isinstance(value, str) or len(value) > maximum or not (value or empty):
            raise InputError(f"{where} is no text of {int(not empty)} to {maximum} characters", field=where)
        return value

    return Codec(read, _same)


def matching(pattern: re.Pattern[str], what: str, also: Sequence[str] = ()) -> Codec[str]:
    """A text that a pattern matches wholly, or one of a few words."""

    def read(value: Any, where: str) -> str:
        if not isinstance(value, str) or (value not in also and pattern.fullmatch(value) is None):
            raise InputError(f"{where} is `{value!s:.80}`", help=f"it must be {what}", field=where)
        return value

    return Codec(read, _same)


def identifier(*kinds: str) -> Codec[str]:
    """An id of one of these kinds."""

    def read(value: Any, where: str) -> str:
        match = _ID.fullmatch(value) if isinstance(value, str) else None
        if match is None or match[1] not in kinds:
            help_ = f"write {' or '.join(kinds)}- and 32 hexadecimal digits"
            raise InputError(f"{where} is `{value!s:.80}`", help=help_, field=where)
        return str(value)

    return Codec(read, _same)


def party(*, also: Sequence[str] = ()) -> Codec[str]:
    """The id of a party, the commitment of one, or one of the words allowed here."""
    pattern = re.compile(rf"party-[0-9a-f]{{32}}|{COMMITTED}[0-9a-f]{{64}}")
    return matching(pattern, "party- and 32 hexadecimal digits, or commitment: and 64", also)


def one_of(*words: str) -> Codec[str]:
    """One of a closed set of words."""
    return matching(re.compile(r"(?!)"), f"one of {', '.join(words)}", words)


def integer(minimum: int = 0, maximum: int = MAX_INTEGER) -> Codec[int]:
    """An integer between two bounds, both included."""

    def read(value: Any, where: str) -> int:
        if type(value) is not int or not minimum <= value <= maximum:
            raise InputError(f"{where} is `{value!s:.40}`", help=f"an integer from {minimum} to {maximum}", field=where)
        return value

    return Codec(read, _same)


def boolean() -> Codec[bool]:
    """True or false."""

    def read(value: Any, where: str) -> bool:
        if not isinstance(value, bool):
            raise InputError(f"{where} is `{value!s:.40}`", help="true or false", field=where)
        return value

    return Codec(read, _same)


def maybe(codec: Codec[T]) -> Codec[T | None]:
    """The value or null."""
    return Codec(
        lambda value, where: None if value is None else codec.read(value, where),
        lambda value: None if value is None else codec.write(value),
    )


def many(codec: Codec[T], *, least: int = 0, most: int = MAX_ITEMS, unique: bool = True) -> Codec[tuple[T, ...]]:
    """A list; `unique` refuses the same value twice."""

    def read(value: Any, where: str) -> tuple[T, ...]:
        if not isinstance(value, list | tuple) or not least <= len(value) <= most:
            raise InputError(f"{where} is no list of {least} to {most} items", field=where)
        items = tuple(codec.read(item, f"{where}[{at}]") for at, item in enumerate(value))
        if unique and not _all_differ(items, codec):
            raise InputError(f"{where} holds the same value twice", help="list each once", field=where)
        return items

    return Codec(read, lambda items: [codec.write(item) for item in items])


def _all_differ(items: tuple[Any, ...], codec: Codec[Any]) -> bool:
    try:
        return len(set(items)) == len(items)
    except TypeError:  # content that is a JSON object
        return len({canonical_signed(codec.write(item)) for item in items}) == len(items)


def table(codec: Codec[T], keys: Sequence[str] | None = None, *, most: int = MAX_ITEMS) -> Codec[Mapping[str, T]]:
    """An object of like values; with `keys`, of exactly these."""

    def read(value: Any, where: str) -> Mapping[str, T]:
        if not isinstance(value, Mapping) or len(value) > most or not all(isinstance(key, str) for key in value):
            raise InputError(f"{where} is no object of at most {most} values", field=where)
        if keys is not None and value.keys() != set(keys):
            raise InputError(f"{where} has other keys", help=f"exactly {', '.join(keys)}", field=where)
        return {key: codec.read(value[key], f"{where}.{key}") for key in sorted(value)}

    return Codec(read, lambda items: {key: codec.write(item) for key, item in items.items()})


def nested(cls: type[Any]) -> Codec[Any]:
    """Another object."""
    return Codec(cls._read, lambda item: item.value)


def json_value() -> Codec[Any]:
    """Any JSON value without floats; kept as it is."""

    def read(value: Any, where: str) -> Any:
        try:
            canonical_signed(value)
        except InputError as error:
            raise InputError(f"{where}: {error.message}", help=error.help, field=where) from None
        return value

    return Codec(read, _same)


def _read_date(value: Any, where: str) -> str:
    if isinstance(value, str) and _DATE.fullmatch(value) is not None:
        try:
            datetime.fromisoformat(value)
        except ValueError:
            pass
        else:
            return value
    raise InputError(f"{where} is `{value!s:.40}`", help="write YYYY-MM-DD", field=where)


Time = Annotated[int, Codec(parse_time, format_time)]
TimeOrNone = Annotated[int | None, maybe(Codec(parse_time, format_time))]
Date = Annotated[str, Codec(_read_date, _same)]
Digest = Annotated[str, matching(_HEX64, "a SHA-256 in 64 hexadecimal digits")]
DigestOrNone = Annotated[str | None, maybe(matching(_HEX64, "a SHA-256 in 64 hexadecimal digits"))]
Nonce = Annotated[str, matching(_NONCE, "128 random bits in 32 hexadecimal digits")]
Text = Annotated[str, text()]
TextOrEmpty = Annotated[str, text(empty=True)]
Short = Annotated[str, text(400)]
ShortOrNone = Annotated[str | None, maybe(text(400))]
Code = Annotated[str, matching(_CODE, "a word of a-z, 0-9, dot, hyphen and underscore")]
Party = Annotated[str, party()]
PartyOrNone = Annotated[str | None, maybe(party())]
Person = Annotated[str, identifier("party")]
Digests = Annotated[tuple[str, ...], many(matching(_HEX64, "a SHA-256 in 64 hexadecimal digits"))]
Parties = Annotated[tuple[str, ...], many(party())]
Persons = Annotated[tuple[str, ...], many(identifier("party"))]
Shorts = Annotated[tuple[str, ...], many(text(400))]
