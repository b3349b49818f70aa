"""Envelopes at their limits: how many signatures, which alphabet, which type, whose key, and what is returned."""

from __future__ import annotations

import base64
from typing import Any

import pytest

import governed_world as gw
from groundrule.errors import InputError
from groundrule.signing import ED25519, MAX_SIGNATURES, ML_DSA_44, SigningKey, open_envelope, pae, sign_envelope, verify

TYPE = "application/vnd.groundrule.test+json"
KEY, OTHER = gw.key("holder"), gw.key("other")
FAILING = {"keyid": "", "sig": base64.b64encode(bytes(64)).decode()}


def sealed(payload: bytes = b"payload", *keys: SigningKey) -> dict[str, Any]:
    return sign_envelope(payload, TYPE, keys or (KEY,))


def test_an_envelope_is_written_in_the_standard_alphabet_without_a_hint() -> None:
    payload = b"\xfb\xff\xfe"
    assert sign_envelope(payload, TYPE, [KEY, OTHER]) == {
        "payload": "+//+",
        "payloadType": TYPE,
        "signatures": [
            {"keyid": "", "sig": base64.b64encode(key.sign(pae(TYPE, payload))).decode()} for key in (KEY, OTHER)
        ],
    }


def test_a_hundred_signatures_are_read_and_no_more() -> None:
    envelope = sealed()
    envelope["signatures"] = [FAILING] * (MAX_SIGNATURES - 1) + envelope["signatures"]
    assert open_envelope(envelope, [KEY.public], TYPE)[1] == {KEY.public}
    assert MAX_SIGNATURES == 100
    envelope["signatures"].insert(0, FAILING)
    with pytest.raises(InputError, match="101 signatures"):
        open_envelope(envelope, [KEY.public], TYPE)


def test_an_envelope_without_a_signature_is_nobodys() -> None:
    assert open_envelope(sealed() | {"signatures": []}, [KEY.public], TYPE) == (b"payload", frozenset())
    assert open_envelope(sealed() | {"signatures": ()}, [KEY.public], TYPE) == (b"payload", frozenset())


@pytest.mark.parametrize("other", [TYPE[:-1], TYPE + "x", TYPE.replace("test", "aaaa"), TYPE.replace("test", "zzzz"), "", TYPE.upper()])
def test_another_type_is_refused_even_with_a_signature_over_it(other: str) -> None:
    assert open_envelope(sign_envelope(b"{}", other, [KEY]), [KEY.public], other)[1] == {KEY.public}
    with pytest.raises(InputError, match="envelope of type"):
        open_envelope(sign_envelope(b"{}", other, [KEY]), [KEY.public], TYPE)
    swapped = sealed() | {"payloadType": other}
    assert open_envelope(swapped, [KEY.public], other)[1] == frozenset()


def test_the_expected_type_is_compared_as_text_not_as_an_object() -> None:
    same = "".join(["application/vnd.", "groundrule.test+json"])
    assert open_envelope(sealed(), [KEY.public], same)[1] == {KEY.public}


def test_signatures_come_in_both_alphabets_but_not_mixed() -> None:
    for number in range(200):
        payload = b"payload %d" % number
        standard = sealed(payload)["signatures"][0]["sig"]
        if "+" in standard and "/" in standard:
            break
    else:
        raise AssertionError("no signature with both characters")
    safe = standard.replace("+", "-").replace("/", "_")
    for text in (standard, safe):
        opened = open_envelope(sealed(payload) | {"signatures": [{"sig": text}]}, [KEY.public], TYPE)
        assert opened == (payload, {KEY.public})
    for text in (standard.replace("+", "-"), standard.replace("/", "_"), standard.rstrip("="), standard + "\n", standard[:-4]):
        try:
            keys = open_envelope(sealed(payload) | {"signatures": [{"sig": text}]}, [KEY.public], TYPE)[1]
        except InputError:
            continue
        assert keys == frozenset()
        assert text == standard[:-4]  # whole groups of base64, but no signature


def test_every_signature_is_read_before_any_counts() -> None:
    for broken in ({"keyid": "x"}, "text", {"sig": "not base64"}, {"sig": None}, None):
        with pytest.raises(InputError, match="signature"):
            open_envelope(sealed() | {"signatures": [*sealed()["signatures"], broken]}, [KEY.public], TYPE)


def test_each_key_is_found_among_signatures_of_others_in_any_order() -> None:
    third = gw.key("third")
    envelope = sealed(b"payload", OTHER, third, KEY)
    assert open_envelope(envelope, [KEY.public], TYPE)[1] == {KEY.public}
    assert open_envelope(envelope, [KEY.public, OTHER.public], TYPE)[1] == {KEY.public, OTHER.public}
    assert open_envelope(envelope, iter([third.public, third.public]), TYPE)[1] == {third.public}
    assert open_envelope(envelope, [memoryview(KEY.public)], TYPE)[1] == {KEY.public}  # type: ignore[list-item] # any bytes


def test_the_hint_decides_nothing() -> None:
    envelope = sealed(b"payload", KEY)
    for hint in ("", OTHER.public.hex(), KEY.public.hex(), 5, None):
        envelope["signatures"][0]["keyid"] = hint
        assert open_envelope(envelope, [KEY.public, OTHER.public], TYPE)[1] == {KEY.public}


def test_a_signature_over_the_bare_payload_counts_nothing() -> None:
    bare = base64.b64encode(KEY.sign(b"payload")).decode()
    assert open_envelope(sealed() | {"signatures": [{"sig": bare}]}, [KEY.public], TYPE)[1] == frozenset()


@pytest.mark.parametrize("missing", ["payload", "payloadType", "signatures"])
def test_each_part_must_be_there(missing: str) -> None:
    envelope = sealed()
    del envelope[missing]
    with pytest.raises(InputError, match="not a signed envelope"):
        open_envelope(envelope, [KEY.public], TYPE)
    with pytest.raises(InputError, match="not a signed envelope"):
        open_envelope(sealed() | {missing: 7}, [KEY.public], TYPE)


def test_the_payload_is_returned_byte_for_byte_also_when_it_is_empty() -> None:
    for payload in (b"", b"\0", b"a" * 1000, bytes(range(256))):
        assert open_envelope(sealed(payload), [KEY.public], TYPE) == (payload, {KEY.public})


def test_a_trusted_key_of_no_known_length_is_an_error_of_the_caller() -> None:
    with pytest.raises(InputError, match="31 bytes"):
        open_envelope(sealed(), [KEY.public[:-1]], TYPE)


@pytest.mark.parametrize("algorithm", [ED25519, ML_DSA_44])
def test_a_signature_of_one_algorithm_is_none_of_the_other(algorithm: str) -> None:
    key = SigningKey.from_seed(algorithm, bytes(range(32)))
    other = ML_DSA_44 if algorithm == ED25519 else ED25519
    signature = key.sign(b"m")
    assert verify(algorithm, bytearray(key.public), signature, b"m")
    assert not verify(other, key.public, signature, b"m")
    assert not verify("", key.public, b"", b"m")
    assert not verify("", key.public, b"x", b"m")
