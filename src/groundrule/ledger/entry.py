"""Entries of a Groundrule log: canonical JSON of six fields, numbered without gaps in each stream.

    {"body":{…},"kind":"decision-batch","seq":17,"stream":"decisions.main","t":"2026-02-01T00:01:00.123Z","v":1}

A stream is `governance`, or `decisions.<engine id>` for each engine that decides. Within one, `seq` starts at 0 and rises
by exactly 1, and `t`, the log's clock when it sequenced the entry, never goes back. Entries are never edited: a
`correction` names the index that it corrects. Bodies hold no personal data in clear.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any

from groundrule.canon import MAX_DEPTH, SCHEME, canonical_json, canonical_signed, parse_base64, parse_canonical
from groundrule.errors import ConflictError, InputError

VERSION = 1
MAX_BYTES = 60_000
"""Longest entry [bytes]; larger content is stored elsewhere and named by `{sha256, size, media_type}`."""
MAX_SEQ = 2**53 - 1

KINDS = frozenset(
    {
        "heartbeat",
        "decision-batch",
        "manifest",
        "request",
        "proposal",
        "approval",
        "rejection",
        "enactment",
        "snapshot-published",
        "emergency-open",
        "emergency-close",
        "review",
        "contact",
        "contact-update",
        "screening",
        "charter",
        "key-event",
        "evidence",
        "sealed",
        "unsealed",
        "erasure",
        "correction",
    }
)
CRITICAL = frozenset({"enactment", "charter", "key-event", "emergency-open", "emergency-close", "snapshot-published"})
"""Kinds that make something effective: acknowledged only when the quorum of witnesses has seen them."""

_FIELDS = frozenset({"v", "kind", "stream", "seq", "t", "body"})
_STREAM = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry.

    Attributes:
        kind: one of `KINDS`.
        stream: `[a-z0-9][a-z0-9._-]{0,63}`.
        seq: place in its stream, from 0.
        t: the log's clock, as `format_time` writes it.
        body: content, by kind.
    """

    kind: str
    stream: str
    seq: int
    t: str
    body: dict[str, Any]

    def encode(self) -> bytes:
        """Return the canonical bytes.

        Raises:
            InputError: a field is not what it must be, or the entry is longer than `MAX_BYTES`.
        """
        _check_head(self.kind, self.stream, self.seq, self.t)
        check_body(self.kind, self.body)
        body = canonical_signed(self.body)
        if body.count(b"[") + body.count(b"{") < MAX_DEPTH:
            # The other fields are plain ASCII without escapes, in this order in RFC 8785 form.
            data = b'{"body":%b,"kind":"%b","seq":%d,"stream":"%b","t":"%b","v":%d}' % (
                body,
                self.kind.encode(),
                self.seq,
                self.stream.encode(),
                self.t.encode(),
                VERSION,
            )
        else:  # may be nested deeper with the entry around it than readers accept
            head = {"kind": self.kind, "seq": self.seq, "stream": self.stream, "t": self.t, "v": VERSION}
            data = canonical_signed({"body": self.body, **head})
        _check_length(data)
        return data

    @classmethod
    def decode(cls, data: bytes) -> Entry:
        """Read an entry; the bytes must be exactly what `encode` writes.

        Raises:
            InputError: not canonical JSON, another version, an unknown or missing field, or a wrong value.
        """
        _check_length(data)
        value = parse_canonical(data)
        if not isinstance(value, dict) or value.keys() != _FIELDS:
            raise InputError(
                "an entry has exactly the fields body, kind, seq, stream, t and v",
                help=f"found {', '.join(sorted(value)) or 'none'}" if isinstance(value, dict) else "found no object",
            )
        if type(value["v"]) is not int or value["v"] != VERSION:
            raise InputError(f"entry version `{value['v']!r:.20}`", help=f"this program reads version {VERSION}")
        kind, stream, seq, t, body = value["kind"], value["stream"], value["seq"], value["t"], value["body"]
        _check_head(kind, stream, seq, t)
        check_body(kind, body)
        return cls(kind, stream, seq, t, body)


class Streams:
    """Where each stream of a log stands.

    Args:
        positions: next sequence number and last time of each stream; empty for a new log.
    """

    def __init__(self, positions: Mapping[str, tuple[int, str]] | None = None) -> None:
        self._positions: dict[str, tuple[int, str]] = dict(positions or {})

    @property
    def positions(self) -> dict[str, tuple[int, str]]:
        """Next sequence number and last time, by stream; a copy."""
        return dict(self._positions)

    def next(self, stream: str) -> int:
        """Return the sequence number that the next entry of a stream must have."""
        return self._positions.get(stream, (0, ""))[0]

    def last_time(self, stream: str) -> str:
        """Return the time of a stream's last entry, or an empty text."""
        return self._positions.get(stream, (0, ""))[1]

    def check(self, entry: Entry) -> None:
        """Check that an entry is the next of its stream.

        Raises:
            ConflictError: a gap or a repeat in `seq`, or a time that goes back.
        """
        seq, last = self._positions.get(entry.stream, (0, ""))
        if entry.seq != seq:
            raise ConflictError(
                f"stream `{entry.stream}` has seq {entry.seq} where {seq} must follow",
                help="numbers rise by exactly 1",
                stream=entry.stream,
                expected=seq,
                found=entry.seq,
            )
        if entry.t < last:
            raise ConflictError(
                f"stream `{entry.stream}` goes back in time, from {last} to {entry.t}",
                help="times never decrease within a stream",
                stream=entry.stream,
            )

    def advance(self, entry: Entry) -> None:
        """Move past an entry that was checked."""
        self._positions[entry.stream] = (entry.seq + 1, entry.t)

    def copy(self) -> Streams:
        """Return streams at the same place."""
        return Streams(self._positions)


def policy_digest(rulebook: str, areas: str) -> str:
    """Return the digest of a policy [64 hex digits]: the SHA-256 of its manifest, which names rules and areas.

    Args:
        rulebook, areas: their digests, with or without `sha256:` before the 64 hex digits.
    """
    objects = [
        {"id": "areas", "sha256": areas.removeprefix(SCHEME), "type": "area-set"},
        {"id": "rulebook", "sha256": rulebook.removeprefix(SCHEME), "type": "rulebook"},
    ]
    return sha256(canonical_json({"objects": objects, "v": 1})).hexdigest()


def format_time(instant_ns: int) -> str:
    """Write an instant [ns since 1970, UTC] as `YYYY-MM-DDThh:mm:ss.sssZ`; fractions of a millisecond are cut off.

    Raises:
        InputError: outside the years 1 to 9999.
    Example:
        >>> format_time(1_500_999_999)
        '1970-01-01T00:00:01.500Z'
    """
    milliseconds = instant_ns // _NS_PER_MS
    return f"{_second(milliseconds // 1000)}.{milliseconds % 1000:03d}Z"


@lru_cache(maxsize=64)
def _second(second: int) -> str:
    try:
        return datetime.fromtimestamp(second, UTC).isoformat()[:19]
    except (ValueError, OverflowError, OSError):
        raise InputError(f"{second} s since 1970 is no time of an entry", help="give ns since 1970") from None


def check_time(text: object) -> None:
    """Check a time string of signed JSON.

    Raises:
        InputError: not `YYYY-MM-DDThh:mm:ss.sssZ`, or no such moment.
    """
    if not _is_time(text):
        raise InputError(f"`{text!s:.40}` is no time of an entry", help="write YYYY-MM-DDThh:mm:ss.sssZ, in UTC")


@lru_cache(maxsize=4096)
def _is_moment(text: str) -> bool:
    if _TIME.fullmatch(text) is None:
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def check_kind(kind: object) -> None:
    """Raise InputError unless it is one of `KINDS`."""
    if not isinstance(kind, str) or kind not in KINDS:
        raise InputError(f"unknown kind of entry `{kind!s:.40}`", help=f"one of {', '.join(sorted(KINDS))}")


def check_stream(stream: object) -> None:
    """Raise InputError unless it can name a stream."""
    if not isinstance(stream, str) or not _names_stream(stream):
        raise InputError(
            f"`{stream!s:.80}` names no stream",
            help="`governance` or `decisions.<engine id>`: 1 to 64 of a-z, 0-9, dot, hyphen, underscore",
        )


@lru_cache(maxsize=1024)
def _names_stream(text: str) -> bool:
    return _STREAM.fullmatch(text) is not None


def check_body(kind: str, body: object) -> None:
    """Check that a body has what its kind requires; further keys are allowed.

    Kinds whose objects belong to governance are checked there, where their meaning is known.

    Raises:
        InputError: no object, or a required key is missing or has another type.
    """
    if not isinstance(body, dict):
        raise InputError(f"the body of a `{kind}` entry is no object", help="give a JSON object")
    for key, (what, holds) in _BODIES.get(kind, {}).items():
        if key not in body:
            raise InputError(f"a `{kind}` entry lacks `{key}`", help=f"`{key}` is {what}", kind=kind, field=key)
        if not holds(body[key]):
            raise InputError(
                f"`{key}` of a `{kind}` entry is `{body[key]!r:.60}`",
                help=f"`{key}` is {what}",
                kind=kind,
                field=key,
            )


def _check_head(kind: object, stream: object, seq: object, t: object) -> None:
    check_kind(kind)
    check_stream(stream)
    if type(seq) is not int or not 0 <= seq <= MAX_SEQ:
        raise InputError(f"`{seq!s:.40}` is no sequence number", help="an integer from 0")
    check_time(t)


def _check_length(data: bytes) -> None:
    if len(data) > MAX_BYTES:
        raise InputError(
            f"the entry has {len(data):,} bytes",
            help=f"an entry has at most {MAX_BYTES:,}; store larger content elsewhere and name its sha256, size and media_type",
        )


# --- bodies -----------------------------------------------------------------------------------------------------------


def _is_minute(value: object) -> bool:
    return isinstance(value, str) and value.endswith(":00.000Z") and _is_time(value)


def _is_time(value: object) -> bool:
    return isinstance(value, str) and _is_moment(value)


def _is_time_or_none(value: object) -> bool:
    return value is None or _is_time(value)


def _is_digest(value: object) -> bool:
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None


def _is_hash(value: object) -> bool:
    if not isinstance(value, str) or len(value) != 44:
        return False
    try:
        return len(parse_base64(value)) == 32
    except InputError:
        return False


def _is_bucket(value: object) -> bool:
    return type(value) is int and value >= 256 and value & (value - 1) == 0


def _is_index(value: object) -> bool:
    return type(value) is int and value >= 0


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _is_name(value: object) -> bool:
    return _is_text(value) or _is_index(value)


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def _one_of(values: Iterable[str]) -> tuple[str, Callable[[object], bool]]:
    known = frozenset(values)
    return f"one of {', '.join(sorted(known))}", lambda value: isinstance(value, str) and value in known


_Check = tuple[str, Callable[[object], bool]]
_MINUTE: _Check = ("the start of a minute, YYYY-MM-DDThh:mm:00.000Z", _is_minute)
_HEX: _Check = ("a SHA-256 in 64 hexadecimal digits", _is_digest)
_HASH: _Check = ("32 bytes in base64", _is_hash)
_INDEX: _Check = ("an integer from 0", _is_index)
_TEXT: _Check = ("a text that is not empty", _is_text)

_BODIES: dict[str, dict[str, _Check]] = {
    "heartbeat": {"minute": _MINUTE},
    "decision-batch": {
        "minute": _MINUTE,
        "policy_digest": _HEX,
        "inner_root": _HASH,
        "bucket_size": ("a power of two of at least 256", _is_bucket),
        "evaluator_digest": _HEX,
    },
    "manifest": {"run": ("a text or an integer from 0", _is_name), "commitment": _TEXT},
    "enactment": {"policy_digest_after": _HEX},
    "snapshot-published": {"policy_digest": _HEX},
    "key-event": {
        "vkey": _TEXT,
        "event": _one_of(("added", "rotated", "revoked", "compromised")),
        "from": ("a time or null", _is_time_or_none),
        "to": ("a time or null", _is_time_or_none),
    },
    "sealed": {"commitment": _TEXT, "disclose_by": ("a time, YYYY-MM-DDThh:mm:ss.sssZ", _is_time)},
    "unsealed": {"commitment": _TEXT},
    "erasure": {"batch_index": _INDEX, "leaf_index": _INDEX, "leaf": _HASH, "basis": _TEXT},
    "correction": {"of_index": _INDEX, "reason": _TEXT, "body": ("an object", _is_object)},
}
