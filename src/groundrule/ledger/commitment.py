"""Which bytes bind a decision to the public log without saying anything about it?

Each field of a record has a commitment of its own, under a salt of its own, so that one field can be opened without
the others. All salts of a record follow from the key of its subject and month; when that key is destroyed, nobody can
tell a commitment of the true value from a commitment of any other.

    key of subject and month K          32 random bytes, kept by the key service only
      └ record key   k_R = HMAC-SHA256(K, "rec" ‖ record id)                     one per record
          ├ salt     s_f = HMAC-SHA256(k_R, field name)                          one per field
          │            └ commitment C_f = SHA-256(domain NUL ‖ u8 length ‖ name ‖ s_f ‖ canonical JSON of the value)
          └ decoys   blocks of SHAKE-256(domain NUL ‖ k_R), as many as are missing to 24
    record leaf = SHA-256(0x00 ‖ the 24 commitments and decoys in ascending order)

Source: the formats of selective disclosure in RFC 9901 (a salt per field, decoy digests), with derived salts.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from hashlib import sha256, shake_256
from itertools import pairwise
from typing import Any

from groundrule.canon import canonical_json
from groundrule.errors import InputError

COMMITMENTS = 24
"""Commitments and decoys of every record; a constant number, so that it says nothing about the record."""
MAX_FIELDS = 20
"""Real fields of a record at most; the rest up to 24 are decoys."""
KEY_BYTES = 32
SALT_BYTES = 32
RECORD_ID_BYTES = 16

_COMMIT = b"groundrule/commit/v1\x00"
_DECOY = b"groundrule/decoy/v1\x00"
_SEAL = b"groundrule/seal/v1\x00"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,254}")
_BLOCK = 64  # bytes of a SHA-256 block, to which HMAC pads its key
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))


def record_key(subject_key: bytes, record_id: bytes) -> bytes:
    """Return the key of one record [32 bytes] from the key of its subject and month.

    Raises:
        InputError: the key has not 32 bytes or the record id not 16.
    """
    _want(subject_key, KEY_BYTES, "the key of a subject")
    _want(record_id, RECORD_ID_BYTES, "a record id")
    return hmac.digest(subject_key, b"rec" + record_id, "sha256")


def field_salt(record_key: bytes, name: str) -> bytes:
    """Return the salt of one field [32 bytes]; whoever holds it and the value can open that field and no other."""
    return hmac.digest(_want(record_key, KEY_BYTES, "a record key"), _prefix(name)[0], "sha256")


def commit(name: str, salt: bytes, value_jcs: bytes) -> bytes:
    """Return the commitment of one field [32 bytes].

    Args:
        name: of the field, `[a-z][a-z0-9_]*`, at most 255 bytes.
        salt: 32 bytes; derived for records, random for a name in a public entry.
        value_jcs: canonical JSON of the value.
    Raises:
        InputError: not such a name, or a salt of another length.
    """
    return sha256(_prefix(name)[1] + _want(salt, SALT_BYTES, "a salt") + value_jcs).digest()


def decoys(record_key: bytes, count: int) -> list[bytes]:
    """Return `count` values [32 bytes each] that nobody without the record key can tell from commitments."""
    stream = shake_256(_DECOY + _want(record_key, KEY_BYTES, "a record key")).digest(32 * count)
    return [stream[at : at + 32] for at in range(0, 32 * count, 32)]


def commitments_of(subject_key: bytes, record_id: bytes, fields: Mapping[str, bytes]) -> list[bytes]:
    """Return the 24 commitments and decoys of a record in ascending order.

    Args:
        subject_key: K of subject and month [32 bytes].
        record_id: 16 random bytes.
        fields: canonical JSON of the value by field name, at most 20.
    Raises:
        InputError: too many fields, a bad name, a key or id of another length.
    """
    return _commitments(record_key(subject_key, record_id), _prefixes(tuple(fields)), fields.values())


def record_leaf(commitments: Sequence[bytes]) -> bytes:
    """Return the leaf of a record in the tree of its batch [32 bytes].

    Raises:
        InputError: not 24 commitments of 32 bytes, or not strictly ascending.
    """
    if len(commitments) != COMMITMENTS or any(len(each) != 32 for each in commitments):
        raise InputError(
            f"{len(commitments)} commitments",
            help=f"a record has exactly {COMMITMENTS} commitments of 32 bytes",
        )
    if any(left >= right for left, right in pairwise(commitments)):
        raise InputError(
            "the commitments are not in ascending order", help="sort them as byte strings, each once"
        )
    return sha256(b"\x00" + b"".join(commitments)).digest()


def commit_records(
    names: Sequence[str], records: Iterable[tuple[bytes, bytes, Collection[bytes]]]
) -> list[bytes]:
    """Return the leaves of many records that have the same fields; what `record_leaf(commitments_of(…))` gives.

    Args:
        names: of the fields, in the order of the values, at most 20.
        records: key of subject and month, record id, canonical JSON of each value.
    Raises:
        InputError: too many fields, a bad name, a key or id of another length.
    """
    prefixes = _prefixes(tuple(names))
    return [
        sha256(b"\x00" + b"".join(_commitments(record_key(key, record_id), prefixes, values))).digest()
        for key, record_id, values in records
    ]


def seal_commitment(salt: bytes, content: Any) -> bytes:
    """Return the commitment of sealed content [32 bytes].

    Args:
        salt: 32 random bytes, kept by the custodians until the seal is opened.
        content: JSON value without floats.
    """
    return sha256(_SEAL + _want(salt, SALT_BYTES, "the salt of a seal") + canonical_json(content)).digest()


def owner_tag(index_key: bytes, terminal_id: str, number: int) -> bytes:
    """Return the tag of record `number` (0, 1, 2, …) of a terminal [32 bytes].

    The owner, who holds the index key, asks for each number in turn and sees a missing record as a gap; nobody else
    can tell that two tags belong to one terminal.
    """
    _want(index_key, KEY_BYTES, "an index key")
    return hmac.digest(index_key, terminal_id.encode() + b"\x00" + number.to_bytes(8, "big"), "sha256")


def _commitments(
    record_key: bytes, prefixes: tuple[tuple[bytes, bytes], ...], values: Collection[bytes]
) -> list[bytes]:
    if len(values) != len(prefixes):
        raise InputError(
            f"{len(values)} values for {len(prefixes)} fields", help="one value per field, in order"
        )
    # HMAC as RFC 2104 defines it, with the two padded blocks hashed once per record instead of once per field: half
    # the time of a call of `hmac.digest`. The test compares both.
    inner = sha256(record_key.translate(_INNER) + b"\x36" * (_BLOCK - KEY_BYTES))
    outer = sha256(record_key.translate(_OUTER) + b"\x5c" * (_BLOCK - KEY_BYTES))
    found = []
    for (name, prefix), value in zip(prefixes, values, strict=True):
        first, second = inner.copy(), outer.copy()
        first.update(name)
        second.update(first.digest())
        found.append(sha256(prefix + second.digest() + value).digest())
    stream = shake_256(_DECOY + record_key).digest(32 * (COMMITMENTS - len(found)))
    found.extend(stream[at : at + 32] for at in range(0, len(stream), 32))
    found.sort()
    return found


@lru_cache(maxsize=4096)
def _prefix(name: str) -> tuple[bytes, bytes]:
    """Bytes of a field name, and what stands before the salt in its commitment."""
    if _NAME.fullmatch(name) is None:
        raise InputError(
            f"`{name[:60]}` is not a field name", help="1 to 255 of a-z, 0-9 and _, beginning with a letter"
        )
    text = name.encode()
    return text, _COMMIT + bytes([len(text)]) + text


@lru_cache(maxsize=64)
def _prefixes(names: tuple[str, ...]) -> tuple[tuple[bytes, bytes], ...]:
    if len(names) > MAX_FIELDS:
        raise InputError(
            f"{len(names)} fields in one record", help=f"at most {MAX_FIELDS}; the rest are decoys"
        )
    if len(set(names)) != len(names):
        raise InputError("a field occurs twice in one record", help="each name once")
    return tuple(_prefix(name) for name in names)


def _want(data: bytes, length: int, what: str) -> bytes:
    if len(data) != length:
        raise InputError(f"{what} has {len(data)} bytes", help=f"it has {length}")
    return data
