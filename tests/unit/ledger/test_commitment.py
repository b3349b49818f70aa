"""Commitments: the formats recomputed from their definition with other means, and what must be refused."""

from __future__ import annotations

import hashlib
import hmac
import json
import os

import pytest

from groundrule.canon import canonical_json
from groundrule.errors import InputError
from groundrule.ledger.commitment import (
    COMMITMENTS,
    MAX_FIELDS,
    commit,
    commit_records,
    commitments_of,
    decoys,
    field_salt,
    owner_tag,
    record_key,
    record_leaf,
    seal_commitment,
)

KEY = bytes(range(32))
ID = bytes(range(100, 116))
FIELDS = {
    "terminal_id": b'"ut-0001 (invented)"',
    "position": b'{"lat_e7":485000000,"lon_e7":350000000,"sigma_m":12}',
    "speed_kmh": b"null",
}


def written_out(key: bytes, record_id: bytes, fields: dict[str, bytes]) -> tuple[list[bytes], bytes]:
    """Commitments and leaf, word for word from the specification."""
    k_r = hmac.new(key, b"rec" + record_id, hashlib.sha256).digest()
    found = []
    for name, value in fields.items():
        salt = hmac.new(k_r, name.encode(), hashlib.sha256).digest()
        found.append(
            hashlib.sha256(
                b"groundrule/commit/v1\0" + bytes([len(name)]) + name.encode() + salt + value
            ).digest()
        )
    missing = 24 - len(fields)
    stream = hashlib.shake_256(b"groundrule/decoy/v1\0" + k_r).digest(32 * missing)
    found += [stream[32 * n : 32 * n + 32] for n in range(missing)]
    found.sort()
    return found, hashlib.sha256(b"\0" + b"".join(found)).digest()


@pytest.mark.parametrize("count", [0, 1, 10, MAX_FIELDS])
def test_commitments_are_what_the_definition_says(count: int) -> None:
    fields = {f"field_{n}": canonical_json(["value", n]) for n in range(count)}
    commitments, leaf = written_out(KEY, ID, fields)
    assert commitments_of(KEY, ID, fields) == commitments
    assert record_leaf(commitments) == leaf
    assert commit_records(tuple(fields), [(KEY, ID, list(fields.values()))] * 2) == [leaf, leaf]


def test_fixed_bytes() -> None:
    # Printed once by `written_out`; a change of format cannot pass unseen.
    assert record_leaf(commitments_of(KEY, ID, FIELDS)).hex() == (
        "0055119fed5dc12af67276555ced841c043ff36f5bbf1822b38d4f0d8d8ce180"
    )
    assert (
        seal_commitment(KEY, {"area": "x"}).hex()
        == "6c6c392b09a0561840731def4fb34de5283243d66bc6dca59441f9d72d6e71fe"
    )
    assert (
        owner_tag(KEY, "ut-0001", 7).hex()
        == "8f2a045a8735f1a60a8cc75311c839d5e7b4d466f9b86e4c343d62919191cca4"
    )


def test_parts_give_the_whole() -> None:
    k_r = record_key(KEY, ID)
    each = [commit(name, field_salt(k_r, name), value) for name, value in FIELDS.items()]
    assert sorted(each + decoys(k_r, COMMITMENTS - len(FIELDS))) == commitments_of(KEY, ID, FIELDS)


def test_the_order_of_fields_does_not_matter() -> None:
    backwards = dict(reversed(FIELDS.items()))
    assert commitments_of(KEY, ID, backwards) == commitments_of(KEY, ID, FIELDS)


def test_any_change_changes_the_commitment() -> None:
    salt = field_salt(record_key(KEY, ID), "class")
    before = commit("class", salt, b'"ordinary"')
    assert commit("class", salt, b'"protected"') != before
    assert commit("klass", salt, b'"ordinary"') != before
    for bit in range(256):
        turned = bytearray(salt)
        turned[bit // 8] ^= 1 << bit % 8
        assert commit("class", bytes(turned), b'"ordinary"') != before


def test_names_and_values_cannot_run_into_each_other() -> None:
    # Without the length before the name, these two would hash the same bytes.
    assert commit("a", b"b" + bytes(31), b"\x00x") != commit("ab", bytes(32), b"x")


def test_no_two_salts_of_a_record_are_equal() -> None:
    names = [f"f{n}" for n in range(200)]
    assert len({field_salt(record_key(KEY, ID), name) for name in names}) == 200


def test_a_seal_is_bound_to_salt_and_content() -> None:
    content = {"area": "x", "kind": "military"}
    expected = hashlib.sha256(
        b"groundrule/seal/v1\0" + KEY + json.dumps(content, separators=(",", ":")).encode()
    ).digest()
    assert seal_commitment(KEY, content) == expected
    assert seal_commitment(os.urandom(32), content) != expected
    assert seal_commitment(KEY, {**content, "area": "y"}) != expected


def test_owner_tags_rise_and_differ_by_terminal() -> None:
    expected = hmac.new(KEY, b"ut-0001\0" + (7).to_bytes(8, "big"), hashlib.sha256).digest()
    assert owner_tag(KEY, "ut-0001", 7) == expected
    tags = {owner_tag(KEY, terminal, n) for terminal in ("ut-0001", "ut-0002") for n in range(50)}
    assert len(tags) == 100


@pytest.mark.parametrize("name", ["", "1a", "A", "a-b", "a" * 256, "ä", "a b", "a\n", "_a"])
def test_bad_names_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="not a field name"):
        commit(name, KEY, b"1")
    with pytest.raises(InputError, match="not a field name"):
        commitments_of(KEY, ID, {name: b"1"})


def test_the_longest_name_is_accepted() -> None:
    assert len(commit("a" * 255, KEY, b"1")) == 32


def test_more_than_twenty_fields_are_refused() -> None:
    with pytest.raises(InputError, match="21 fields"):
        commitments_of(KEY, ID, {f"f{n}": b"1" for n in range(21)})


@pytest.mark.parametrize(("key", "record_id"), [(KEY[:31], ID), (KEY + b"x", ID), (KEY, ID[:15]), (b"", ID)])
def test_keys_and_ids_of_another_length_are_refused(key: bytes, record_id: bytes) -> None:
    with pytest.raises(InputError, match="bytes"):
        commitments_of(key, record_id, FIELDS)
    with pytest.raises(InputError, match="bytes"):
        commit_records(["a"], [(key, record_id, [b"1"])])


@pytest.mark.parametrize("salt", [b"", KEY[:16], KEY + KEY])
def test_short_salts_are_refused(salt: bytes) -> None:
    with pytest.raises(InputError, match="salt"):
        commit("a", salt, b"1")
    with pytest.raises(InputError, match="salt"):
        seal_commitment(salt, {})


def test_bulk_refuses_what_does_not_fit() -> None:
    with pytest.raises(InputError, match="2 values for 1 fields"):
        commit_records(["a"], [(KEY, ID, [b"1", b"2"])])
    with pytest.raises(InputError, match="twice"):
        commit_records(["a", "a"], [])


def test_a_leaf_needs_exactly_the_sorted_commitments() -> None:
    good = commitments_of(KEY, ID, FIELDS)
    for bad in (good[:-1], [*good, good[0]], list(reversed(good)), [good[0], *good[:-1]], [b"x", *good[1:]]):
        with pytest.raises(InputError):
            record_leaf(bad)
