"""Batches: constant shape, an order that only the secret explains, paths that verify."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from groundrule.canon import canonical_json
from groundrule.errors import InputError, ProofFailed
from groundrule.ledger.batch import bucket_size, close_batch, public_body
from groundrule.ledger.tree import root_of, verify_inclusion

SECRET = bytes(range(32))


def leaves(count: int) -> list[bytes]:
    return [hashlib.sha256(n.to_bytes(4, "big")).digest() for n in range(count)]


def keyed(message: bytes) -> bytes:
    return hmac.new(SECRET, message, hashlib.sha256).digest()


@pytest.mark.parametrize(
    ("records", "size"), [(0, 256), (1, 256), (256, 256), (257, 512), (512, 512), (40_000, 65_536)]
)
def test_bucket_sizes(records: int, size: int) -> None:
    assert bucket_size(records) == size


@pytest.mark.parametrize("count", [0, 1, 5, 256, 300])
def test_the_tree_is_what_the_definition_says(count: int) -> None:
    given = leaves(count)
    size = 512 if count > 256 else 256
    filled = given + [keyed(b"pad" + j.to_bytes(4, "big")) for j in range(size - count)]
    ordered = sorted(filled, key=lambda leaf: keyed(b"ord" + leaf))
    inner = close_batch(given, SECRET)
    assert inner.bucket_size == size
    assert inner.root == root_of(ordered)
    assert [ordered[at] for at in inner.positions] == given


def test_every_path_verifies_and_no_other() -> None:
    given = leaves(7)
    inner = close_batch(given, SECRET)
    for leaf, at in zip(given, inner.positions, strict=True):
        path = inner.path(at)
        verify_inclusion(at, inner.bucket_size, leaf, path, inner.root)
        with pytest.raises(ProofFailed):
            verify_inclusion(at ^ 1, inner.bucket_size, leaf, path, inner.root)
        with pytest.raises(ProofFailed):
            verify_inclusion(
                at, inner.bucket_size, given[0] if leaf != given[0] else given[1], path, inner.root
            )


def test_the_order_in_which_records_come_does_not_matter() -> None:
    given = leaves(9)
    forward, backward = close_batch(given, SECRET), close_batch(given[::-1], SECRET)
    assert forward.root == backward.root
    assert forward.positions == backward.positions[::-1]


def test_another_secret_gives_another_order_and_root() -> None:
    given = leaves(200)
    one, other = close_batch(given, SECRET), close_batch(given, bytes(32))
    assert one.root != other.root
    assert one.positions != other.positions
    assert list(one.positions) != sorted(one.positions)


def test_entries_of_a_minute_have_one_length_up_to_a_bucket() -> None:
    def entry(count: int) -> bytes:
        inner = close_batch(leaves(count), SECRET)
        body = public_body(
            inner, minute="2026-03-01T00:00:00.000Z", policy_digest="a" * 64, evaluator_digest="b" * 64
        )
        return canonical_json(body)

    assert len({len(entry(count)) for count in (0, 1, 2, 255, 256)}) == 1
    assert b'"bucket_size":256' in entry(256)
    assert b'"bucket_size":512' in entry(257)


def test_what_cannot_be_a_batch_is_refused() -> None:
    with pytest.raises(InputError, match="secret has 31"):
        close_batch([], SECRET[:31])
    with pytest.raises(InputError, match="not 32 bytes"):
        close_batch([b"short"], SECRET)
    with pytest.raises(InputError, match="twice"):
        close_batch(leaves(2) + leaves(1), SECRET)
    with pytest.raises(InputError, match="leaf 256"):
        close_batch([], SECRET).path(256)
