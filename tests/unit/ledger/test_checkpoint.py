"""Checkpoints and cosignatures: who counts as the log, who as a witness, and over what."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from known_signers import ORIGIN, checkpoint_of, cosigned, log_signers, outcome, signer, witness

from groundrule.errors import InputError, ProofFailed
from groundrule.ledger.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from groundrule.ledger.cosignature import cosign, cosignatures, verify_cosignature
from groundrule.ledger.note import (
    COSIGNATURE_ED25519,
    COSIGNATURE_ML_DSA_44,
    ED25519,
    Note,
    Signature,
    VerifierKey,
)
from groundrule.ledger.tree import EMPTY_ROOT
from groundrule.signing import verify

ROOT = bytes(range(32))
ROOT_TEXT = base64.b64encode(ROOT).decode()
LOG_KEYS = [each.verifier for each in log_signers()]
PLAIN, POST_QUANTUM = log_signers()


def opened(data: bytes):
    return open_checkpoint(data, LOG_KEYS)


# Text.


@given(
    st.text(st.characters(codec="utf-8", min_codepoint=32), min_size=1, max_size=20),
    st.integers(1, 2**63 - 1),
    st.binary(min_size=32, max_size=32),
    st.lists(st.text(st.characters(codec="utf-8", min_codepoint=32), min_size=1, max_size=9), max_size=3),
)
def test_checkpoints_round_trip(origin: str, size: int, root: bytes, extensions: list[str]) -> None:
    checkpoint = Checkpoint(origin, size, root, tuple(extensions))
    assert Checkpoint.parse(checkpoint.format()) == checkpoint


def test_the_text_of_a_checkpoint() -> None:
    assert Checkpoint(ORIGIN, 7, ROOT).format() == f"{ORIGIN}\n7\n{ROOT_TEXT}\n".encode()
    assert Checkpoint(ORIGIN, 0, EMPTY_ROOT).format().splitlines()[2] == b"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="


@given(st.binary(max_size=80))
def test_whatever_parses_is_written_back_the_same(tail: bytes) -> None:
    for data in (tail, f"{ORIGIN}\n7\n{ROOT_TEXT}\n".encode() + tail):
        checkpoint = outcome(Checkpoint.parse, data)
        assert checkpoint is InputError or checkpoint.format() == data


@pytest.mark.parametrize(
    "size",
    [
        "",
        "-5",
        "+5",
        "07",
        "00",
        "0x10",
        " 7",
        "7 ",
        "1_000",
        "1e3",
        "7.0",
        "٣",
        "７",
        "²",
        "9223372036854775808",
        "1" * 5000,
    ],
)
def test_sizes_that_are_no_decimal_number(size: str) -> None:
    assert outcome(Checkpoint.parse, f"{ORIGIN}\n{size}\n{ROOT_TEXT}\n".encode()) is InputError


def test_the_largest_size() -> None:
    assert Checkpoint.parse(f"{ORIGIN}\n{2**63 - 1}\n{ROOT_TEXT}\n".encode()).size == 2**63 - 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        f"{ORIGIN}\n7\n",
        f"{ORIGIN}\n7\n{ROOT_TEXT}",
        f"\n7\n{ROOT_TEXT}\n",
        f"{ORIGIN}\n7\n{ROOT_TEXT}\n\n",
        f"{ORIGIN}\n7\n{ROOT_TEXT}\next\n\next\n",
        f"{ORIGIN}\r\n7\r\n{ROOT_TEXT}\r\n",
        f"{ORIGIN}\n7\n{ROOT_TEXT[:-1]}\n",
        f"{ORIGIN}\n7\n{ROOT_TEXT[:-2]}9=\n",  # left-over bits
        f"{ORIGIN}\n7\n{ROOT.hex()}\n",
        f"{ORIGIN}\n7\n{base64.b64encode(ROOT[:31]).decode()}\n",
        f"{ORIGIN}\n7\n{base64.b64encode(ROOT + b'x').decode()}\n",
        f"{ORIGIN}\n7\n{ROOT_TEXT.replace('A', '-')}\n",
        f"{ORIGIN}\n0\n{ROOT_TEXT}\n",
    ],
)
def test_malformed_checkpoints(text: str) -> None:
    assert outcome(Checkpoint.parse, text.encode()) is InputError


def test_checkpoints_that_cannot_be_read_cannot_be_made() -> None:
    for bad in (
        ("", 7, ROOT),
        ("a\nb", 7, ROOT),
        (ORIGIN, -1, ROOT),
        (ORIGIN, 2**63, ROOT),
        (ORIGIN, 7, b""),
        (ORIGIN, 0, ROOT),
    ):
        with pytest.raises(InputError):
            Checkpoint(*bad)
    with pytest.raises(InputError):
        Checkpoint(ORIGIN, 7, ROOT, ("",))


# The log.


def test_the_log_signs_twice() -> None:
    data = sign_checkpoint(checkpoint_of(), log_signers(), time_s=77)
    result = opened(data)
    assert result.checkpoint == checkpoint_of()
    assert result.log_keys_verified == tuple(LOG_KEYS)
    assert result.note.signatures[1].blob[:8] == (77).to_bytes(8, "big")
    for key in LOG_KEYS:
        assert open_checkpoint(data, [key]).log_keys_verified == (key,)


def test_a_log_signs_only_as_itself() -> None:
    for other in (signer("other.example", ED25519), signer(ORIGIN, COSIGNATURE_ED25519)):
        with pytest.raises(InputError, match="cannot sign as the log"):
            sign_checkpoint(checkpoint_of(), [other], time_s=1)
    with pytest.raises(InputError, match="time"):
        sign_checkpoint(checkpoint_of(), log_signers(), time_s=0)


def test_every_changed_byte_of_a_checkpoint_is_refused() -> None:
    data = sign_checkpoint(checkpoint_of(), [PLAIN], time_s=1)
    for place in range(len(data)):
        for bit in range(8):
            changed = data[:place] + bytes((data[place] ^ 1 << bit,)) + data[place + 1 :]
            assert outcome(opened, changed) in (InputError, ProofFailed), (place, bit)
        assert outcome(opened, data[:place]) is InputError


def test_a_changed_byte_never_changes_what_is_believed() -> None:
    # Damage to a name or key id makes a line unknown, and the other line of the log still holds.
    data = sign_checkpoint(checkpoint_of(), log_signers(), time_s=1)
    accepted = 0
    for place in range(len(data)):
        changed = data[:place] + bytes((data[place] ^ 1 << place % 8,)) + data[place + 1 :]
        result = outcome(opened, changed)
        if not isinstance(result, type):
            accepted += 1
            assert result.checkpoint == checkpoint_of()
            assert len(result.log_keys_verified) == 1
    assert 0 < accepted < 120


def test_the_origin_is_checked() -> None:
    data = sign_checkpoint(checkpoint_of(), log_signers(), time_s=1)
    assert open_checkpoint(data, LOG_KEYS, origin=ORIGIN).checkpoint.origin == ORIGIN
    with pytest.raises(ProofFailed, match="is expected"):
        open_checkpoint(data, LOG_KEYS, origin="other.example")
    # The key of one trusted log signs a checkpoint that claims to be of another.
    other = Checkpoint("other.example/log", 7, ROOT)
    forged = Note(other.format(), (PLAIN.signature(PLAIN.key.sign(other.format())),)).format()
    keys = [*LOG_KEYS, signer("other.example/log", ED25519).verifier]
    for origin in (None, ORIGIN, "other.example/log"):
        assert outcome(lambda origin=origin: open_checkpoint(forged, keys, origin=origin)) is ProofFailed


def test_a_wrong_signature_of_any_trusted_log_key_rejects() -> None:
    good = Note.parse(sign_checkpoint(checkpoint_of(), log_signers(), time_s=1))
    for each, size in ((PLAIN, 64), (POST_QUANTUM, 2428)):
        wrong = each.signature(b"\0\0\0\0\0\0\0\1" + bytes(size - 8))
        for lines in ((*good.signatures, wrong), (wrong, *good.signatures)):
            assert outcome(opened, Note(good.text, lines).format()) is ProofFailed


def test_identical_signatures_count_once_and_do_no_harm() -> None:
    good = Note.parse(sign_checkpoint(checkpoint_of(), log_signers(), time_s=1))
    assert opened(Note(good.text, good.signatures * 3).format()).log_keys_verified == tuple(LOG_KEYS)


def test_a_witness_signature_under_the_name_of_the_log_is_not_the_log() -> None:
    same_key = signer(ORIGIN, COSIGNATURE_ED25519)
    data = cosigned(checkpoint_of(), [(same_key, 5)], signers=[signer(ORIGIN, ED25519, "unknown")])
    assert outcome(opened, data) is ProofFailed
    assert outcome(open_checkpoint, data, [same_key.verifier]) is ProofFailed
    assert outcome(open_checkpoint, data, [*LOG_KEYS, same_key.verifier]) is ProofFailed
    beside = cosigned(checkpoint_of(), [(same_key, 5)])
    assert open_checkpoint(beside, [*LOG_KEYS, same_key.verifier]).log_keys_verified == tuple(LOG_KEYS)


def test_no_log_keys_no_log() -> None:
    assert outcome(open_checkpoint, sign_checkpoint(checkpoint_of(), log_signers(), time_s=1), []) is ProofFailed


# Cosignatures.


def test_what_an_ed25519_cosignature_covers() -> None:
    checkpoint, each = checkpoint_of(extensions=("ext 1",)), witness(1)
    line = cosign(checkpoint, checkpoint.format(), each, 1_679_315_147)
    assert line.blob[:8] == (1_679_315_147).to_bytes(8, "big")
    message = b"cosignature/v1\ntime 1679315147\n" + checkpoint.format()
    assert verify("ed25519", each.key.public, line.blob[8:], message)


def test_what_an_ml_dsa_cosignature_covers() -> None:
    checkpoint, each = checkpoint_of(extensions=("ext 1",)), witness(1, COSIGNATURE_ML_DSA_44)
    line = cosign(checkpoint, checkpoint.format(), each, 9)
    message = (
        b"subtree/v1\n\0"
        + bytes((len(each.name),)) + each.name.encode()
        + (9).to_bytes(8, "big")
        + bytes((len(ORIGIN),)) + ORIGIN.encode()
        + bytes(8) + (1000).to_bytes(8, "big") + checkpoint.root
    )  # fmt: skip
    assert len(line.blob) == 8 + 2420
    assert verify("ml-dsa-44", each.key.public, line.blob[8:], message)


@pytest.mark.parametrize("kind", [COSIGNATURE_ED25519, COSIGNATURE_ML_DSA_44])
def test_a_cosignature_holds_for_one_checkpoint_cosigner_and_time(kind: int) -> None:
    checkpoint, each = checkpoint_of(), witness(1, kind)
    note = Note.parse(cosigned(checkpoint, [(each, 500)]))
    line = note.of(each.verifier)[0]
    assert verify_cosignature(note, checkpoint, each.verifier, line) == 500
    others = [
        (checkpoint_of(1001), each.verifier, line),
        (Checkpoint("other.example", 1000, checkpoint.root), each.verifier, line),
        (checkpoint_of(root=ROOT), each.verifier, line),
        (checkpoint, witness(2, kind).verifier, line),
        (checkpoint, each.verifier, Signature("other.example", line.key_id, line.blob)),
        (checkpoint, each.verifier, Signature(line.name, bytes(4), line.blob)),
        (checkpoint, each.verifier, Signature(line.name, line.key_id, (501).to_bytes(8, "big") + line.blob[8:])),
        (checkpoint, each.verifier, Signature(line.name, line.key_id, bytes(8) + line.blob[8:])),
        (checkpoint, each.verifier, Signature(line.name, line.key_id, (2**63).to_bytes(8, "big") + line.blob[8:])),
        (checkpoint, each.verifier, Signature(line.name, line.key_id, line.blob[:-4])),
        (checkpoint, each.verifier, Signature(line.name, line.key_id, line.blob + b"\0")),
        (checkpoint, each.verifier, Signature(line.name, line.key_id, line.blob[:7])),
    ]
    for other, key, signature in others:
        there = Note(other.format(), note.signatures)
        assert outcome(verify_cosignature, there, other, key, signature) is ProofFailed


def test_extension_lines_are_covered_by_ed25519_only() -> None:
    plain, extended = checkpoint_of(), checkpoint_of(extensions=("ext",))
    witnesses = [witness(1), witness(2, COSIGNATURE_ML_DSA_44)]
    lines = tuple(cosign(plain, plain.format(), each, 5) for each in witnesses)
    times, failed = cosignatures(Note(extended.format(), lines), extended, [each.verifier for each in witnesses])
    assert list(times) == [witnesses[1].verifier]
    assert failed == (witnesses[0].verifier,)


def test_the_name_is_covered_by_ml_dsa_only() -> None:
    checkpoint = checkpoint_of()
    for kind, counts in ((COSIGNATURE_ED25519, True), (COSIGNATURE_ML_DSA_44, False)):
        each = witness(1, kind)
        renamed = VerifierKey("renamed.invented.example", kind, each.key.public)
        blob = cosign(checkpoint, checkpoint.format(), each, 5).blob
        line = Signature(renamed.name, renamed.key_id, blob)
        times, failed = cosignatures(Note(checkpoint.format(), (line,)), checkpoint, [renamed])
        assert (renamed in times) is counts
        assert (renamed in failed) is not counts


@pytest.mark.parametrize("time_s", [0, 2**63, 2**64 - 1])
@pytest.mark.parametrize("kind", [COSIGNATURE_ED25519, COSIGNATURE_ML_DSA_44])
def test_times_out_of_range_are_no_cosignature_even_if_signed(kind: int, time_s: int) -> None:
    checkpoint, each, stamp = checkpoint_of(), witness(1, kind), time_s.to_bytes(8, "big")
    if kind == COSIGNATURE_ED25519:
        message = b"cosignature/v1\ntime %d\n" % time_s + checkpoint.format()
    else:
        cosigner, origin = (bytes((len(name),)) + name.encode() for name in (each.name, ORIGIN))
        message = b"subtree/v1\n\0" + cosigner + stamp + origin + bytes(8) + (1000).to_bytes(8, "big") + checkpoint.root
    line = each.signature(stamp + each.key.sign(message))
    times, failed = cosignatures(Note(checkpoint.format(), (line,)), checkpoint, [each.verifier])
    assert (times, failed) == ({}, (each.verifier,))
    with pytest.raises(InputError, match="time"):
        cosign(checkpoint, checkpoint.format(), each, time_s)


def test_each_witness_counts_once_with_its_earliest_time() -> None:
    one, two = witness(1), witness(2)
    note = Note.parse(cosigned(checkpoint_of(), [(one, 50), (one, 40), (one, 60), (two, 45)]))
    keys = [one.verifier, two.verifier, one.verifier]
    assert cosignatures(note, checkpoint_of(), keys) == ({one.verifier: 40, two.verifier: 45}, ())


def test_a_failed_cosignature_is_reported_and_a_good_one_beside_it_counts() -> None:
    one, two = witness(1), witness(2)
    note = Note.parse(cosigned(checkpoint_of(), [(one, 50), (two, 51)]))
    wrong = one.signature(b"\0\0\0\0\0\0\0\7" + bytes(64))
    other = one.signature(b"\0\0\0\0\0\0\0\7" + bytes(63) + b"\1")
    times, failed = cosignatures(
        Note(note.text, (wrong, other, *note.signatures)), checkpoint_of(), [one.verifier, two.verifier]
    )
    assert times == {one.verifier: 50, two.verifier: 51}
    assert failed == (one.verifier,)


def test_a_plain_signature_is_no_cosignature() -> None:
    each, checkpoint = witness(1), checkpoint_of()
    plain = each.signature(each.key.sign(checkpoint.format()))
    assert cosignatures(Note(checkpoint.format(), (plain,)), checkpoint, [each.verifier])[0] == {}
    log_key = PLAIN.verifier
    note = Note.parse(sign_checkpoint(checkpoint, [PLAIN], time_s=1))
    assert cosignatures(note, checkpoint, [log_key]) == ({}, (log_key,))


def test_names_too_long_for_ml_dsa() -> None:
    name = "x" * 256
    with pytest.raises(InputError, match="255"):
        sign_checkpoint(Checkpoint(name, 7, ROOT), [signer(name, COSIGNATURE_ML_DSA_44)], time_s=1)
    long = signer(name, COSIGNATURE_ML_DSA_44)
    line = long.signature((5).to_bytes(8, "big") + bytes(2420))
    assert cosignatures(Note(checkpoint_of().format(), (line,)), checkpoint_of(), [long.verifier])[1] == (
        long.verifier,
    )


# Vectors.


def test_vectors_of_checkpoints(shared_data: Path) -> None:
    cases = json.loads((shared_data / "tlog/generated/checkpoints.json").read_text())["cases"]
    for case in cases:
        keys = [VerifierKey.parse(text) for text in case["vkeys"]]
        data, origin = base64.b64decode(case["note_b64"]), case.get("expected_origin")
        result = outcome(lambda data=data, keys=keys, origin=origin: open_checkpoint(data, keys, origin=origin))
        if case["expect"] == "accept":
            found = result.checkpoint
            expected = (case["origin"], case["size"], base64.b64decode(case["root"]))
            assert (found.origin, found.size, found.root) == expected, case["desc"]
        else:  # where programs differ, this one rejects
            assert result in (InputError, ProofFailed), case["desc"]
    assert len(cases) == 41


def test_vectors_of_cosignatures(shared_data: Path) -> None:
    for case in json.loads((shared_data / "tlog/generated/cosignatures.json").read_text())["cases"]:
        result = open_checkpoint(case["note"].encode(), [VerifierKey.parse(case["log_vkey"])])
        keys = [VerifierKey.parse(text) for text in case["witness_vkeys"]]
        times, _ = cosignatures(result.note, result.checkpoint, keys)
        found = sorted((key.name, key.key_id.hex(), time_s) for key, time_s in times.items())
        expected = sorted((each["name"], each["id"], each["timestamp"]) for each in case["valid"])
        assert found == expected, case["desc"]


def test_a_real_witnessed_checkpoint_parses(shared_data: Path) -> None:
    note = Note.parse((shared_data / "tlog/thirdparty/sunlight/witness-checkpoint.txt").read_bytes())
    checkpoint = Checkpoint.parse(note.text)
    assert (checkpoint.origin, checkpoint.size) == ("rome2026h1.example.org", 300)
    assert int.from_bytes(note.signatures[1].blob[:8], "big") == 1767139200


def test_checkpoints_of_a_real_log(shared_data: Path) -> None:
    folder = shared_data / "tlog/thirdparty/tessera-log"
    key = VerifierKey.parse((folder / "VKEY.txt").read_text().strip())
    sizes = [open_checkpoint(path.read_bytes(), [key]).checkpoint.size for path in folder.glob("checkpoint.*")]
    assert sorted(sizes) == list(range(16))
