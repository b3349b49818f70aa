"""How are the records of one minute bound to one hash, without showing how many or which they are?

1. The leaves of the records are filled up to a power of two, at least 256, with padding that looks the same.
2. All are put in an order that only the batch secret explains.
3. The root of the tree over them is published; a path from one leaf to it is given to whoever may see that record.

The secret and the leaves of the records are all that is needed to build the same tree again, also after the records
themselves have been erased.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from groundrule.canon import format_base64
from groundrule.errors import InputError

MIN_BUCKET = 256
"""Leaves of a batch at least. Whether a minute had 0 or 256 records cannot be seen; docs/privacy.md argues the size."""
SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class InnerTree:
    """The private tree of one batch.

    Attributes:
        root: what is published [32 bytes].
        bucket_size: leaves of the tree, a power of two of at least 256; published too.
        positions: the leaf index of each record's leaf, in the order in which they were given.
        levels: hashes of each level, from the leaves to the root.
    """

    root: bytes
    bucket_size: int
    positions: tuple[int, ...]
    levels: tuple[tuple[bytes, ...], ...] = field(repr=False)

    def path(self, leaf_index: int) -> list[bytes]:
        """Return the hashes from a leaf's sibling upwards, one per level below the root.

        Raises:
            InputError: no such leaf.
        """
        if not 0 <= leaf_index < self.bucket_size:
            raise InputError(f"leaf {leaf_index} of a batch of {self.bucket_size}", help="count from 0")
        return [level[(leaf_index >> depth) ^ 1] for depth, level in enumerate(self.levels[:-1])]


def bucket_size(records: int) -> int:
    """Return the smallest power of two that is at least 256 and at least the number of records."""
    return max(MIN_BUCKET, 1 << (records - 1).bit_length()) if records else MIN_BUCKET


def close_batch(leaves: Sequence[bytes], secret: bytes) -> InnerTree:
    """Build the tree of a batch; the same leaves and secret always give the same tree.

    Args:
        leaves: of the records [32 bytes each], in any order; none for a minute without decisions.
        secret: 32 random bytes, drawn for this batch alone.
    Raises:
        InputError: the secret or a leaf has another length, or a leaf occurs twice.
    """
    if len(secret) != SECRET_BYTES:
        raise InputError(f"a batch secret has {len(secret)} bytes", help=f"it has {SECRET_BYTES}")
    if any(len(leaf) != 32 for leaf in leaves):
        raise InputError("a leaf of a batch has not 32 bytes", help="give what record_leaf returns")
    if len(set(leaves)) != len(leaves):
        raise InputError(
            "a record occurs twice in a batch", help="each record has a random id, and so its own leaf"
        )
    size = bucket_size(len(leaves))
    keyed = hmac.new(secret, digestmod="sha256")
    filled = [*leaves, *(_hmac(keyed, b"pad" + j.to_bytes(4, "big")) for j in range(size - len(leaves)))]
    sort_keys = [_hmac(keyed, b"ord" + leaf) for leaf in filled]
    order = sorted(range(size), key=sort_keys.__getitem__)
    positions = [0] * size
    for place, which in enumerate(order):
        positions[which] = place
    levels = [tuple(filled[which] for which in order)]
    while len(levels[-1]) > 1:
        below = levels[-1]
        levels.append(
            tuple(
                sha256(b"\x01" + left + right).digest()
                for left, right in zip(below[::2], below[1::2], strict=True)
            )
        )
    return InnerTree(levels[-1][0], size, tuple(positions[: len(leaves)]), tuple(levels))


def public_body(
    inner: InnerTree, *, minute: str, policy_digest: str, evaluator_digest: str
) -> dict[str, Any]:
    """Return the body of the public entry of a batch: nothing in it depends on the number of records below a bucket.

    Args:
        inner: the closed batch.
        minute: start of the minute, `YYYY-MM-DDThh:mm:00.000Z`.
        policy_digest: 64 hex digits; the policy of all decisions of the batch.
        evaluator_digest: 64 hex digits; engine version and configuration.
    """
    return {
        "bucket_size": inner.bucket_size,
        "evaluator_digest": evaluator_digest,
        "inner_root": format_base64(inner.root),
        "minute": minute,
        "policy_digest": policy_digest,
    }


def _hmac(keyed: hmac.HMAC, message: bytes) -> bytes:
    """HMAC-SHA256 of a message under a key that was set once."""
    copy = keyed.copy()
    copy.update(message)
    return copy.digest()
