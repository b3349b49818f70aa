"""Notes and keys: everything that parses is written back the same, and no mutation passes."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from known_signers import ORIGIN, log_signers, outcome, signer, witness

from groundrule.errors import InputError, ProofFailed
from groundrule.ledger.note import (
    COSIGNATURE_ED25519,
    COSIGNATURE_ML_DSA_44,
    ED25519,
    MAX_NOTE_BYTES,
    Note,
    NoteSigner,
    Signature,
    VerifierKey,
    key_id,
    open_note,
    sign_note,
    verify_text,
)
from groundrule.signing import SigningKey

ALICE, BOB = signer("alice.invented.example", ED25519), signer("bob.invented.example", ED25519)
TEXT = b"first line\n\nthird line\n"
NAMES = st.text(min_size=1, max_size=12).filter(
    lambda name: "+" not in name and not any(char.isspace() or char < " " for char in name)
)


def vkey(name: str, kind: int, public: bytes, identifier: bytes | None = None) -> str:
    identifier = key_id(name, kind, public) if identifier is None else identifier
    return f"{name}+{identifier.hex()}+{base64.b64encode(bytes((kind,)) + public).decode()}"


# Keys.


def test_the_key_of_the_signed_note_specification() -> None:
    text = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
    key = VerifierKey.parse(text)
    assert (key.name, key.type, key.key_id.hex()) == ("example.com/foo", ED25519, "530d903a")
    assert key.format() == str(key) == text


@given(NAMES, st.sampled_from([ED25519, COSIGNATURE_ED25519]), st.binary(min_size=32, max_size=32))
def test_keys_round_trip(name: str, kind: int, seed: bytes) -> None:
    private = NoteSigner(name, kind, SigningKey.from_seed("ed25519", seed))
    assert VerifierKey.parse(private.verifier.format()) == private.verifier
    assert NoteSigner.parse(private.format()) == private
    expected = hashlib.sha256(name.encode() + b"\n" + bytes((kind,)) + private.key.public).digest()[:4]
    assert private.verifier.key_id == expected


def test_the_private_key_is_not_shown() -> None:
    assert ALICE.key.seed.hex() not in repr(ALICE)
    assert base64.b64encode(bytes((ED25519,)) + ALICE.key.seed).decode() not in repr(ALICE)
    damaged = ALICE.format().replace("PRIVATE+KEY+", "PRIVATE+KEY+x")
    with pytest.raises(InputError) as caught:
        NoteSigner.parse(damaged)
    assert damaged.rsplit("+", 1)[1] not in str(caught.value)


@pytest.mark.parametrize("each", [ALICE, witness(1), witness(1, COSIGNATURE_ML_DSA_44)])
def test_every_changed_character_of_a_key_is_refused(each: NoteSigner) -> None:
    text = each.verifier.format()
    step = 1 if len(text) < 200 else 7  # keys of ML-DSA-44 have 1,800 characters
    for place in range(0, len(text), step):
        for char in {"A", "B", "+", "=", " ", "\n", "0", "f", "F", "é", chr(ord(text[place]) ^ 1)} - {text[place]}:
            changed = text[:place] + char + text[place + 1 :]
            assert outcome(VerifierKey.parse, changed) is InputError, changed
        assert outcome(VerifierKey.parse, text[:place] + text[place + 1 :]) is InputError
        assert outcome(VerifierKey.parse, text[:place]) is InputError
        if place:
            assert outcome(VerifierKey.parse, text[place:]) is InputError
    for more in (text + "\n", text + "=", " " + text, text + "+"):
        assert outcome(VerifierKey.parse, more) is InputError


def test_every_changed_character_of_a_private_key_is_refused() -> None:
    text = ALICE.format()
    for place in range(len(text)):
        for char in {"A", "B", "+", "=", " ", chr(ord(text[place]) ^ 1)} - {text[place]}:
            assert outcome(NoteSigner.parse, text[:place] + char + text[place + 1 :]) is InputError
        assert outcome(NoteSigner.parse, text[:place] + text[place + 1 :]) is InputError


@pytest.mark.parametrize(
    "name", ["", "a b", "a+b", "a\u00a0b", "a\u2003b", "a\u2028b", "a\tb", "a\x00b", "a\ud800b", "\x85"]
)
def test_names_that_no_key_may_have(name: str) -> None:
    with pytest.raises(InputError):
        VerifierKey(name, ED25519, ALICE.key.public)


def test_upper_case_hex_of_the_key_id_is_refused() -> None:
    name, digits, rest = ["example.com/foo", "530d903a", "AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"]
    assert outcome(VerifierKey.parse, f"{name}+{digits.upper()}+{rest}") is InputError


@pytest.mark.parametrize(
    ("kind", "public"),
    [
        (ED25519, bytes(31)),
        (ED25519, ALICE.key.public + b"\0"),
        (COSIGNATURE_ED25519, bytes(32)),  # low order
        (ED25519, (2**255 - 19).to_bytes(32, "little")),  # not canonical
        (COSIGNATURE_ML_DSA_44, bytes(32)),
        (COSIGNATURE_ML_DSA_44, bytes(1311)),
    ],
)
def test_keys_that_must_not_be_trusted_are_refused(kind: int, public: bytes) -> None:
    assert outcome(VerifierKey.parse, vkey("a.example", kind, public)) is InputError


def test_keys_of_other_types_are_read_but_never_verify() -> None:
    for kind in (2, 3, 5, 7, 0xFA, 0xFF):
        key = VerifierKey.parse(vkey("alice.invented.example", kind, ALICE.key.public))
        assert VerifierKey.parse(key.format()) == key
        line = Signature(key.name, key.key_id, ALICE.key.sign(TEXT))
        assert outcome(open_note, Note(TEXT, (line,)).format(), [key]) is ProofFailed


def test_the_key_id_of_an_ecdsa_key_is_of_the_key_alone() -> None:
    public = b"der of a key"
    assert key_id("any.example", 2, public) == hashlib.sha256(public).digest()[:4]


def test_a_private_key_fits_its_type() -> None:
    with pytest.raises(InputError, match="type 6"):
        NoteSigner("a.example", COSIGNATURE_ML_DSA_44, ALICE.key)
    with pytest.raises(InputError, match="type 2"):
        NoteSigner("a.example", 2, ALICE.key)


# Notes.


def test_the_note_of_the_signed_note_specification() -> None:
    data = (
        "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ER"
        "YNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
    ).encode()
    key = VerifierKey.parse("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k")
    note, verified = open_note(data, [key])
    assert (note.text, verified) == (b"This is an example message.\n", (key,))
    assert note.format() == data


def test_the_last_empty_line_separates() -> None:
    note, _ = open_note(sign_note(TEXT, [ALICE]), [ALICE.verifier])
    assert note.text == TEXT
    assert open_note(sign_note(b"\n", [ALICE]), [ALICE.verifier])[0].text == b"\n"


@given(st.text(max_size=40), st.integers(1, 3))
def test_notes_round_trip(text: str, count: int) -> None:
    body = "".join(char for char in text if char >= " " or char == "\n").encode("utf-8", "ignore") + b"\n"
    signers = [signer(f"s{number}.example", ED25519) for number in range(count)]
    data = sign_note(body, signers)
    assert Note.parse(data).format() == data
    note, verified = open_note(data, [each.verifier for each in signers])
    assert note.text == body
    assert len(verified) == count


@given(st.binary(max_size=200))
def test_whatever_parses_is_written_back_the_same(tail: bytes) -> None:
    for data in (tail, TEXT + b"\n" + tail, sign_note(TEXT, [ALICE]) + tail):
        note = outcome(Note.parse, data)
        assert note is InputError or note.format() == data


def test_every_changed_byte_of_a_note_is_refused() -> None:
    data = sign_note(TEXT, [ALICE])
    keys = [ALICE.verifier]
    for place in range(len(data)):
        for bit in range(8):
            changed = data[:place] + bytes((data[place] ^ 1 << bit,)) + data[place + 1 :]
            assert outcome(open_note, changed, keys) in (InputError, ProofFailed), (place, bit)
        for piece in (b"", b"\n", b" ", b"A", data[place : place + 1] * 2):
            changed = data[:place] + piece + data[place + 1 :]
            assert changed == data or outcome(open_note, changed, keys) in (InputError, ProofFailed), (place, piece)
        assert outcome(open_note, data[:place], keys) in (InputError, ProofFailed)
        assert outcome(open_note, data[place + 1 :], keys) in (InputError, ProofFailed)


def test_a_line_of_somebody_unknown_is_ignored_however_it_is_changed() -> None:
    data = sign_note(TEXT, [ALICE, BOB])
    for place in range(len(data)):
        changed = data[:place] + bytes((data[place] ^ 1,)) + data[place + 1 :]
        result = outcome(open_note, changed, [ALICE.verifier])
        if isinstance(result, tuple):
            assert result[0].text == TEXT
            assert result[1] == (ALICE.verifier,)


ALICE_LINE = sign_note(TEXT, [ALICE])[len(TEXT) + 1 :].decode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"\n\n",
        TEXT,
        TEXT + b"\n",
        TEXT + b"\n\n",
        TEXT[:-1],
        f"text\n{ALICE_LINE}".encode(),
        f"\n{ALICE_LINE}".encode(),
        f"text\n\n{ALICE_LINE[:-1]}".encode(),
        f"text\n\n{ALICE_LINE}\n".encode(),
        f"text\n\n{ALICE_LINE}x\n".encode(),
        f"text\n\nx\n{ALICE_LINE}".encode(),
        f"text\n\n{ALICE_LINE.replace('—', '-')}".encode(),
        f"text\n\n{ALICE_LINE.replace('— ', '—  ')}".encode(),
        f"text\n\n{ALICE_LINE.replace('— ', '—')}".encode(),
        f"text\n\n {ALICE_LINE}".encode(),
        f"text\n\n{ALICE_LINE[:-1]} \n".encode(),
        f"text\n\n{ALICE_LINE[:-1]}\r\n".encode(),
        f"te\x07xt\n\n{ALICE_LINE}".encode(),
        f"te\txt\n\n{ALICE_LINE}".encode(),
        f"te\x00xt\n\n{ALICE_LINE}".encode(),
        b"te\xffxt\n\n" + ALICE_LINE.encode(),
        b"te\xed\xa0\x80xt\n\n" + ALICE_LINE.encode(),
        "text\n\n— a.example\n".encode(),
        "text\n\n— a.example \n".encode(),
        "text\n\n— a.example AAAAAA==\n".encode(),  # four bytes: key id without a signature
        "text\n\n— a+b AAAAAAA=\n".encode(),
        "text\n\n— a\u00a0b AAAAAAA=\n".encode(),
        "text\n\n— a.example AAAAAAB=\n".encode(),  # left-over bits
        "text\n\n— a.example AAAA-AA=\n".encode(),  # URL-safe alphabet
        "text\n\n— a.example AAAAAAA\n".encode(),  # no padding
    ],
)
def test_malformed_notes(data: bytes) -> None:
    assert outcome(Note.parse, data) is InputError


def test_limits_of_notes() -> None:
    line = ALICE_LINE.encode()
    assert open_note(TEXT + b"\n" + line * 100, [ALICE.verifier])[1] == (ALICE.verifier,)
    assert outcome(Note.parse, TEXT + b"\n" + line * 101) is InputError
    room = MAX_NOTE_BYTES - len(line) - 2
    big = sign_note(b"x" * room + b"\n", [ALICE])
    assert len(big) == MAX_NOTE_BYTES
    assert open_note(big, [ALICE.verifier])[1] == (ALICE.verifier,)
    assert outcome(Note.parse, sign_note(b"x" * (room + 1) + b"\n", [ALICE])) is InputError


def test_names_and_ids_must_both_match() -> None:
    line = Note.parse(sign_note(TEXT, [ALICE])).signatures[0]
    for other in (Signature(BOB.name, line.key_id, line.blob), Signature(ALICE.name, BOB.verifier.key_id, line.blob)):
        data = Note(TEXT, (other,)).format()
        assert outcome(open_note, data, [ALICE.verifier, BOB.verifier]) is ProofFailed
        both = Note(TEXT, (other, line)).format()
        assert open_note(both, [ALICE.verifier])[1] == (ALICE.verifier,)


def test_a_wrong_signature_beside_a_right_one_rejects() -> None:
    line = Note.parse(sign_note(TEXT, [ALICE])).signatures[0]
    wrong = Signature(line.name, line.key_id, bytes(64))
    for order in ((line, wrong), (wrong, line)):
        assert outcome(open_note, Note(TEXT, order).format(), [ALICE.verifier]) is ProofFailed
    assert open_note(Note(TEXT, (line, line, line)).format(), [ALICE.verifier])[1] == (ALICE.verifier,)
    bad_bob = Signature(BOB.name, BOB.verifier.key_id, bytes(64))
    assert outcome(open_note, Note(TEXT, (line, bad_bob)).format(), [ALICE.verifier, BOB.verifier]) is ProofFailed


def test_two_keys_with_one_name_and_id_are_refused() -> None:
    one, two = VerifierKey("a.example", ED25519, ALICE.key.public), VerifierKey("a.example", ED25519, BOB.key.public)
    object.__setattr__(two, "key_id", one.key_id)  # a collision of 32 bits, which anyone can search for
    with pytest.raises(InputError, match="share the id"):
        open_note(sign_note(TEXT, [ALICE]), [one, two])


def test_only_plain_signatures_count_on_plain_notes() -> None:
    for each in (witness(1), log_signers()[1]):
        with pytest.raises(InputError, match="type"):
            sign_note(TEXT, [each])
        data = Note(TEXT, (each.signature(each.key.sign(TEXT)),)).format()
        assert outcome(open_note, data, [each.verifier]) is ProofFailed


def test_a_text_is_covered_by_type_1_only() -> None:
    note = Note.parse(sign_note(TEXT, [ALICE]))
    assert verify_text(note, ALICE.verifier, note.signatures[0])
    for kind in (2, COSIGNATURE_ED25519):
        assert not verify_text(note, VerifierKey(ALICE.name, kind, ALICE.key.public), note.signatures[0])


def test_a_note_cannot_be_made_that_cannot_be_read() -> None:
    line = Signature("a.example", bytes(4), b"x")
    for text in (b"", b"no line feed", b"\xff\n", b"tab\t\n"):
        with pytest.raises(InputError):
            Note(text, (line,))
    with pytest.raises(InputError):
        Note(TEXT, ())
    with pytest.raises(InputError):
        Signature("a.example", bytes(3), b"x")
    with pytest.raises(InputError):
        Signature(ORIGIN, bytes(4), b"")


# Vectors.


def test_vectors_of_notes(shared_data: Path) -> None:
    cases = json.loads((shared_data / "tlog/thirdparty/notes.json").read_text())["cases"]
    for case in cases:
        result = outcome(open_note, case["note"].encode(), [VerifierKey.parse(text) for text in case["vkeys"]])
        names = [key.name for key in result[1]] if isinstance(result, tuple) else None
        assert names == case["verified"], case["desc"]
    assert len(cases) == 7


def test_vectors_of_keys(shared_data: Path) -> None:
    for case in json.loads((shared_data / "tlog/generated/vkeys.json").read_text())["cases"]:
        key = outcome(VerifierKey.parse, case["vkey"])
        assert (key is not InputError) == case["valid"], case["vkey"][:60]
        assert not case["valid"] or key.format() == case["vkey"]
