"""Many names as flat arrays: the form in which compiled code reads them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from groundrule.screen.names import NormalName, Writing

MAX_LETTERS = 40
"""Letters of one word that are compared; longer words are cut."""


class Pack(NamedTuple):
    """Many names as flat arrays; the form in which the compiled code reads them.

    Attributes:
        sound: letters of all words, a-z as 0-25, digits as 26-35; shape (letters,).
        sound_at: where each word begins; shape (words + 1,).
        native, native_at: code points of the words as written, for scripts compared in their own letters.
        plain: CRC-32 of the Latin form of each word.
        first: first letter of the Latin form.
        kind, writing, weight: of each word.
        name_at: first word of each name; shape (names + 1,).
        person: of each name, whether it may be a person's.
        order: CRC-32 of each name; the name with the lower one is taken first, so that the order given never matters.
    """

    sound: NDArray[np.uint8]
    sound_at: NDArray[np.int32]
    native: NDArray[np.uint32]
    native_at: NDArray[np.int32]
    plain: NDArray[np.int64]
    first: NDArray[np.uint8]
    kind: NDArray[np.uint8]
    writing: NDArray[np.uint8]
    weight: NDArray[np.float32]
    name_at: NDArray[np.int32]
    person: NDArray[np.uint8]
    order: NDArray[np.int64]


def pack(names: Sequence[NormalName]) -> Pack:
    """Put names into flat arrays."""
    tokens = [token for name in names for token in name.tokens]
    sounds = [token.sound[:MAX_LETTERS].encode("ascii") for token in tokens]
    natives = [
        "" if token.writing is Writing.ALPHABET else token.text[:MAX_LETTERS].replace(" ", "") for token in tokens
    ]
    letters = np.frombuffer(b"".join(sounds), np.uint8)
    return Pack(
        sound=np.where(letters >= 97, letters - 97, letters - 48 + 26).astype(np.uint8),
        sound_at=_starts(len(each) for each in sounds),
        native=np.frombuffer("".join(natives).encode("utf-32-le"), np.uint32),
        native_at=_starts(len(each) for each in natives),
        plain=np.fromiter((crc32(token.latin.encode("ascii")) for token in tokens), np.int64, len(tokens)),
        first=np.fromiter((ord(token.latin[0]) for token in tokens), np.uint8, len(tokens)),
        kind=np.fromiter((token.kind for token in tokens), np.uint8, len(tokens)),
        writing=np.fromiter((token.writing for token in tokens), np.uint8, len(tokens)),
        weight=np.fromiter((token.weight for token in tokens), np.float32, len(tokens)),
        name_at=_starts(len(name.tokens) for name in names),
        person=np.fromiter((name.kind in ("person", "unknown") for name in names), np.uint8, len(names)),
        order=np.fromiter((crc32(name.latin.encode("ascii")) for name in names), np.int64, len(names)),
    )


def _starts(lengths: Iterable[int]) -> NDArray[np.int32]:
    sizes = np.fromiter(lengths, np.int32)
    return np.concatenate([np.zeros(1, np.int32), np.cumsum(sizes, dtype=np.int32)])
