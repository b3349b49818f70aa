"""Canonical bytes and digests: the same content always gives the same bytes.

Objects are written as RFC 8785 JSON with one restriction: no floats, because two writers may print them differently.
Numbers with fractions are scaled to integers or written as text by the caller. What is signed is read back strictly:
bytes that are not exactly what the writer would have written are refused, so that one content has one digest. The same
holds for the two other texts inside signed things, base64 and decimal numbers.

Source: RFC 8785 sections 3.2.2 and 3.2.3; RFC 4648 section 4.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from groundrule.errors import InputError

SCHEME = "sha256:"
MAX_INTEGER = 2**53 - 1
"""Largest integer that every JSON reader keeps exactly (IEEE 754 binary64)."""
MAX_DEPTH = 64
"""Deepest nesting of arrays and objects in signed JSON; no document of Groundrule comes near it."""

# Values are walked before they are written, which finds circles already.
_ENCODER = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, separators=(",", ":"), check_circular=False, allow_nan=False
)
_LITERAL_ORDER = json.JSONEncoder(ensure_ascii=False, sort_keys=False, separators=(",", ":"), check_circular=False)
_ABOVE_BMP = re.compile("[\U00010000-\U0010ffff]")
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,19}")


def canonical_json(value: Any) -> bytes:
    """Write a JSON value as RFC 8785 bytes.

    Args:
        value: dict, list, tuple, str, int within ±(2^53 - 1), bool or None, nested; floats are refused.
    Raises:
        InputError: a float, an integer too large, or a value that JSON does not have.
    Example:
        >>> canonical_json({"b": 1, "a": ["x", None]})
        b'{"a":["x",null],"b":1}'
    """
    try:
        _refuse_unfit(value)
        return _write(value).encode()
    except UnicodeEncodeError as error:
        raise InputError("not canonical JSON: text with a lone surrogate") from error
    except RecursionError as error:
        raise InputError("not canonical JSON: nested too deeply") from error
    except (TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"not canonical JSON: {error}") from error


def canonical_signed(value: Any) -> bytes:
    """Write a JSON value that will be signed or logged: canonical, and never deeper than its readers accept.

    Raises:
        InputError: as `canonical_json`, or nested more than MAX_DEPTH deep.
    """
    data = canonical_json(value)
    if _may_be_deep(data) and _depth(value) > MAX_DEPTH:
        raise InputError(f"JSON nested more than {MAX_DEPTH} deep", help="flatten it or refer to it by digest")
    return data


def parse_canonical(data: bytes) -> Any:
    """Read JSON that must be exactly the bytes that `canonical_signed` would write.

    Duplicate keys, other orders of keys, white space, escapes that need not be, `-0` and a byte-order mark all change
    the bytes and are caught by writing the value again.

    Args:
        data: UTF-8 bytes, any JSON value at the top.
    Returns:
        The value; objects as dict, arrays as list.
    Raises:
        InputError: not canonical JSON, a float, an integer beyond ±(2^53 - 1) or nested more than MAX_DEPTH deep.
    Example:
        >>> parse_canonical(b'{"a":[1,"x"]}')
        {'a': [1, 'x']}
    """
    try:
        text = data.decode()
        value, end = _DECODER.raw_decode(text)
        if end != len(text):
            raise InputError(f"not canonical JSON: more text after the value at character {end}")
        if _may_be_deep(data) and _depth(value) > MAX_DEPTH:
            raise InputError(f"JSON nested more than {MAX_DEPTH} deep")
        if _write(value).encode() != data:
            raise InputError("not canonical JSON", help="write it in RFC 8785 form: sorted unique keys, no spaces")
    except UnicodeDecodeError as error:
        raise InputError(f"not canonical JSON: invalid UTF-8 at byte {error.start}") from None
    except UnicodeEncodeError:
        raise InputError("not canonical JSON: text with a lone surrogate") from None
    except RecursionError:
        raise InputError(f"JSON nested more than {MAX_DEPTH} deep") from None
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"not canonical JSON: {error}") from None
    return value


def parse_base64(text: str, *, what: str = "base64") -> bytes:
    """Read standard base64 that must be exactly what `format_base64` would write (RFC 4648 section 4, padded).

    Args:
        text: the characters, nothing around them.
        what: name of the field, for the message.
    Raises:
        InputError: other alphabet, missing padding, white space, or left-over bits that are not zero.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if format_base64(data) != text:
        raise InputError(f"{what} is not canonical base64", value=text[:60])
    return data


def format_base64(data: bytes) -> str:
    """Write bytes as standard base64 with padding."""
    return base64.b64encode(data).decode("ascii")


def parse_decimal(text: str, *, what: str = "number", maximum: int = 2**63 - 1) -> int:
    """Read a decimal number of ASCII digits without sign, spaces or leading zeros.

    Args:
        text: the digits.
        what: name of the field, for the message.
        maximum: largest value accepted.
    Raises:
        InputError: anything else.
    Example:
        >>> parse_decimal("1234")
        1234
    """
    if _DECIMAL.fullmatch(text) is None or int(text) > maximum:
        raise InputError(
            f"{what} `{text[:40]}` is not a decimal number from 0 to {maximum}",
            help="write ASCII digits without sign, spaces or leading zeros",
            value=text[:40],
        )
    return int(text)


def digest_bytes(data: bytes | memoryview) -> str:
    """Return `sha256:` and the hexadecimal SHA-256 of the bytes."""
    return SCHEME + hashlib.sha256(data).hexdigest()


def digest(value: Any) -> str:
    """Return the digest of the canonical JSON of a value.

    Example:
        >>> digest({})
        'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a'
    """
    return digest_bytes(canonical_json(value))


def digest_file(path: Path) -> str:
    """Return the digest of a file, read in blocks of 1 MiB."""
    hasher = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            hasher.update(block)
    return SCHEME + hasher.hexdigest()


def _read_integer(text: str) -> int:
    # 2^53 - 1 has 16 digits; the length is looked at first, because reading a very long number takes long.
    if len(text) < 16:
        return int(text)
    if len(text) > 17 or not -MAX_INTEGER <= int(text) <= MAX_INTEGER:
        raise InputError(f"integer `{text[:40]}` is beyond ±(2^53 - 1)", help="write it as text")
    return int(text)


def _refuse_number(text: str) -> NoReturn:
    raise InputError(f"float `{text[:40]}` in JSON that is signed", help="scale it to an integer or write text")


_DECODER = json.JSONDecoder(parse_int=_read_integer, parse_float=_refuse_number, parse_constant=_refuse_number)


_ALWAYS_FIT = frozenset((str, bool, type(None)))
_Path = tuple[()] | tuple[Any, str | int]
"""Steps from the top, innermost last; it becomes text only when something is wrong."""


def _refuse_unfit(value: Any, path: _Path = ()) -> None:
    """Refuse what the encoder would write but RFC 8785 or this project does not allow."""
    if type(value) in _ALWAYS_FIT or isinstance(value, str):
        return
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise InputError(f"not canonical JSON: a key at {_shown(path)} is not text")
            _refuse_unfit(item, (path, key))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            _refuse_unfit(item, (path, index))
    elif isinstance(value, int):
        if not -MAX_INTEGER <= value <= MAX_INTEGER:
            raise InputError(f"integer at {_shown(path)} is beyond ±(2^53 - 1)", help="write it as text")
    elif isinstance(value, float):
        raise InputError(
            f"float {value!r} at {_shown(path)} in bytes that are digested",
            help="scale it to an integer or write text",
        )


def _shown(path: _Path) -> str:
    text = ""
    while path:
        path, step = path
        text = (f"[{step}]" if isinstance(step, int) else f".{step}") + text
    return "$" + text


_make_encoder = getattr(json.encoder, "c_make_encoder", None)
if _make_encoder is None:  # an interpreter without the C encoder
    _encode: Callable[[Any], str] = _ENCODER.encode
else:
    # `_ENCODER.encode` makes this object anew at each call, which takes longer than writing a small entry.
    _parts = _make_encoder(None, _ENCODER.default, json.encoder.encode_basestring, None, ":", ",", True, False, False)

    def _encode(value: Any) -> str:
        return "".join(_parts(value, 0))


def _write(value: Any) -> str:
    # The encoder sorts keys by code point; RFC 8785 by UTF-16 unit, which differs only above U+FFFF.
    text = _encode(value)
    if not text.isascii() and _ABOVE_BMP.search(text) is not None:
        text = _LITERAL_ORDER.encode(_in_utf16_order(value))
    return text


def _in_utf16_order(value: Any) -> Any:
    if isinstance(value, dict):
        ordered = sorted(value.items(), key=lambda pair: pair[0].encode("utf-16-be"))
        return {key: _in_utf16_order(item) for key, item in ordered}
    if isinstance(value, list | tuple):
        return [_in_utf16_order(item) for item in value]
    return value


def _may_be_deep(data: bytes) -> bool:
    return data.count(b"[") + data.count(b"{") > MAX_DEPTH


def _depth(value: Any) -> int:
    """Return the number of arrays and objects around the innermost value, without recursion."""
    deepest, todo = 0, [(value, 1)]
    while todo:
        item, level = todo.pop()
        if isinstance(item, dict | list | tuple):
            deepest = max(deepest, level)
            parts = item.values() if isinstance(item, dict) else item
            todo.extend((part, level + 1) for part in parts)
    return deepest
