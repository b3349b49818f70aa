"""Keys, signatures and envelopes: what verifies, and above all what must not."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundrule import signing
from groundrule.errors import InputError
from groundrule.signing import SigningKey, check_public_key, open_envelope, pae, sign_envelope, verify

SEED = bytes(range(32))
TYPE = "application/vnd.groundrule.test+json"
P = 2**255 - 19
LOW_ORDER = [  # the eight points of order 1, 2, 4 and 8; order 4 and 8 have two signs of x
    (1).to_bytes(32, "little"),
    (P - 1).to_bytes(32, "little"),
    (0).to_bytes(32, "little"),
    (2**255).to_bytes(32, "little"),
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85"),
    bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
    bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa"),
]
NOT_CANONICAL = [y.to_bytes(32, "little") for y in range(P, 2**255)] + [
    (y | 2**255).to_bytes(32, "little") for y in (*range(P, 2**255), 1, P - 1)
]


@pytest.mark.parametrize("algorithm", signing.ALGORITHMS)
def test_signs_and_verifies(algorithm: str) -> None:
    key = SigningKey.from_seed(algorithm, SEED)
    signature = key.sign(b"message")
    assert len(signature) == signing.SIGNATURE_SIZE[algorithm]
    assert len(key.public) == signing.PUBLIC_SIZE[algorithm]
    assert verify(algorithm, key.public, signature, b"message")
    assert not verify(algorithm, key.public, signature, b"massage")
    assert not verify(algorithm, SigningKey.generate(algorithm).public, signature, b"message")


def test_ed25519_signs_as_rfc_8032_says() -> None:
    # RFC 8032 section 7.1, test 2.
    key = SigningKey.from_seed(
        "ed25519", bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
    )
    assert key.public.hex() == "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    assert key.sign(b"\x72").hex() == (
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )


def test_the_seed_is_not_shown() -> None:
    key = SigningKey.from_seed("ed25519", SEED)
    assert SEED.hex() not in repr(key)
    assert repr(SEED) not in repr(key)
    assert key == SigningKey.from_seed("ed25519", SEED)
    assert key != SigningKey.generate("ed25519")


@pytest.mark.parametrize("seed", [b"", bytes(31), bytes(33)])
def test_a_seed_of_another_length_is_refused(seed: bytes) -> None:
    with pytest.raises(InputError, match="32 bytes"):
        SigningKey.from_seed("ed25519", seed)


def test_an_unknown_algorithm_is_refused() -> None:
    with pytest.raises(InputError, match="unknown"):
        SigningKey.generate("rsa")
    with pytest.raises(InputError, match="unknown"):
        check_public_key("rsa", bytes(32))
    assert not verify("rsa", bytes(32), bytes(64), b"")


@pytest.mark.parametrize("public", [*LOW_ORDER, *NOT_CANONICAL])
def test_keys_that_anyone_could_use_are_refused(public: bytes) -> None:
    with pytest.raises(InputError):
        check_public_key("ed25519", public)


def test_a_low_order_key_verifies_nothing() -> None:
    # R = A = the neutral element and S = 0 satisfy the equation of RFC 8032 for every message.
    neutral = LOW_ORDER[0]
    assert not verify("ed25519", neutral, neutral + bytes(32), b"anything at all")


@given(st.binary(min_size=32, max_size=32))
def test_the_check_of_keys_never_crashes(public: bytes) -> None:
    try:
        check_public_key("ed25519", public)
    except InputError:
        assert not verify("ed25519", public, bytes(64), b"")


def test_half_of_all_encodings_are_no_point() -> None:
    refused = 0
    for number in range(200):
        try:
            check_public_key("ed25519", (number + 2).to_bytes(32, "little"))
        except InputError:
            refused += 1
    assert 60 < refused < 140


@pytest.mark.parametrize("algorithm", signing.ALGORITHMS)
def test_malformed_signatures_are_false_not_errors(algorithm: str) -> None:
    key = SigningKey.from_seed(algorithm, SEED)
    signature = key.sign(b"m")
    for broken in (b"", signature[:-1], signature + b"\0", bytes(len(signature)), b"\xff" * len(signature)):
        assert not verify(algorithm, key.public, broken, b"m")
    for broken in (b"", key.public[:-1], key.public + b"\0", bytes(len(key.public))):
        assert not verify(algorithm, broken, signature, b"m")


def test_a_signature_plus_the_group_order_is_refused() -> None:
    order = 2**252 + 27742317777372353535851937790883648493
    key = SigningKey.from_seed("ed25519", SEED)
    signature = key.sign(b"m")
    shifted = int.from_bytes(signature[32:], "little") + order
    assert not verify("ed25519", key.public, signature[:32] + shifted.to_bytes(32, "little"), b"m")


def test_ed25519_edge_cases_of_cctv(shared_data: Path) -> None:
    cases = json.loads((shared_data / "tlog/thirdparty/ed25519vectors.json").read_text())
    accepted = 0
    for case in cases:
        flags = set(case["flags"] or ())
        public = bytes.fromhex(case["key"])
        weak = bool(flags & {"low_order_A", "non_canonical_A"})
        if weak:
            with pytest.raises(InputError):
                check_public_key("ed25519", public)
        else:
            check_public_key("ed25519", public)
        if verify("ed25519", public, bytes.fromhex(case["sig"]), case["msg"].encode()):
            accepted += 1
            assert not weak
            assert not flags & {"non_canonical_R", "low_order_residue"}
    assert len(cases) == 914
    assert accepted == 86


# Envelopes.


def test_pae_gives_lengths_in_bytes() -> None:
    assert pae("", b"") == b"DSSEv1 0  0 "
    assert pae("tä", b"\x00\xff") == b"DSSEv1 3 t\xc3\xa4 2 \x00\xff"


def test_an_envelope_names_the_keys_that_signed() -> None:
    first, second = SigningKey.from_seed("ed25519", SEED), SigningKey.from_seed("ml-dsa-44", SEED)
    stranger = SigningKey.generate("ed25519")
    envelope = sign_envelope(b"payload", TYPE, [first, second, stranger])
    body, keys = open_envelope(json.loads(json.dumps(envelope)), [first.public, second.public], TYPE)
    assert body == b"payload"
    assert keys == {first.public, second.public}


def test_one_key_counts_once_whatever_its_signatures_are_called() -> None:
    key, other = SigningKey.from_seed("ed25519", SEED), SigningKey.generate("ed25519")
    envelope = sign_envelope(b"payload", TYPE, [key, key, key])
    for number, signature in enumerate(envelope["signatures"]):
        signature["keyid"] = str(number)
    assert open_envelope(envelope, [key.public, key.public, other.public], TYPE)[1] == {key.public}


def test_a_failing_signature_is_skipped() -> None:
    key = SigningKey.from_seed("ed25519", SEED)
    envelope = sign_envelope(b"payload", TYPE, [key])
    envelope["signatures"].insert(0, {"sig": base64.b64encode(bytes(64)).decode()})
    assert open_envelope(envelope, [key.public], TYPE)[1] == {key.public}
    assert open_envelope(envelope, [], TYPE)[1] == frozenset()


def test_both_alphabets_but_not_mixed() -> None:
    key = SigningKey.from_seed("ed25519", SEED)
    payload = b"\xfb\xff\xfe\xfb"  # +//++w== in the standard alphabet
    envelope = sign_envelope(payload, TYPE, [key])
    assert envelope["payload"] == "+//++w=="
    for text in ("+//++w==", "-__--w=="):
        assert open_envelope(envelope | {"payload": text}, [key.public], TYPE) == (payload, {key.public})
    for text in ("+__--w==", "+//++w", "+//++x==", "+//++w==\n", " +//++w==", "+//+ +w==", "é"):
        with pytest.raises(InputError, match="base64"):
            open_envelope(envelope | {"payload": text}, [key.public], TYPE)


@pytest.mark.parametrize(
    "change",
    [
        {"payloadType": "application/vnd.groundrule.other+json"},
        {"payloadType": None},
        {"payload": None},
        {"payload": 5},
        {"signatures": None},
        {"signatures": {"sig": "AAAA"}},
        {"signatures": ["AAAA"]},
        {"signatures": [{"keyid": "a"}]},
        {"signatures": [{"sig": 5}]},
        {"signatures": [{"sig": "AAA"}]},
        {"signatures": [{"sig": "AAAA"}] * 101},
    ],
)
def test_malformed_envelopes_are_refused(change: dict) -> None:
    key = SigningKey.from_seed("ed25519", SEED)
    with pytest.raises(InputError):
        open_envelope(sign_envelope(b"payload", TYPE, [key]) | change, [key.public], TYPE)


@given(st.binary(max_size=60), st.text(max_size=20), st.integers(0, 7), st.data())
def test_any_flipped_bit_of_the_payload_loses_the_signature(body: bytes, kind: str, bit: int, data) -> None:
    key = SigningKey.from_seed("ed25519", SEED)
    envelope = sign_envelope(body, kind, [key])
    assert open_envelope(envelope, [key.public], kind) == (body, {key.public})
    if body:
        place = data.draw(st.integers(0, len(body) - 1))
        changed = body[:place] + bytes((body[place] ^ 1 << bit,)) + body[place + 1 :]
        envelope["payload"] = base64.b64encode(changed).decode()
        assert open_envelope(envelope, [key.public], kind) == (changed, frozenset())


@given(st.tuples(st.text(max_size=6), st.binary(max_size=8)), st.tuples(st.text(max_size=6), st.binary(max_size=8)))
def test_no_two_contents_share_signed_bytes(one: tuple[str, bytes], two: tuple[str, bytes]) -> None:
    assert (pae(*one) == pae(*two)) == (one == two)


def test_dsse_vectors(shared_data: Path) -> None:
    example = json.loads((shared_data / "tlog/thirdparty/dsse.json").read_text())
    assert pae(example["type"], example["body"].encode()) == example["pae"].encode()
    vectors = json.loads((shared_data / "tlog/generated/dsse.json").read_text())
    for case in vectors["pae"]:
        assert pae(case["type"], base64.b64decode(case["body_b64"])) == base64.b64decode(case["pae_b64"])
    for case in vectors["cases"]:
        trusted = [bytes.fromhex(each) for each in case["trusted_ed25519_hex"]]
        try:
            keys = open_envelope(case["envelope"], trusted, case["payload_type"])[1]
        except InputError:
            keys = frozenset()
        assert (len(keys) >= case["threshold"]) == (case["expect"] == "accept"), case["desc"]
