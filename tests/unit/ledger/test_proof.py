"""Proof files: what verifies offline, and that no change of one byte makes it say something else."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from known_signers import ORIGIN, checkpoint_of, cosigned, log_signers, outcome, signer, witness

from groundrule.errors import InputError, ProofFailed
from groundrule.ledger.note import ED25519
from groundrule.ledger.policy import Policy
from groundrule.ledger.proof import MAX_PROOF_BYTES, Proof
from groundrule.ledger.tree import leaf_hash, node_hash, root_of

ENTRIES = [b"entry %d" % number for number in range(11)]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]
POLICY = Policy.parse(
    Policy.format_simple(
        [str(each.verifier) for each in log_signers()],
        [(f"W{number}", str(witness(number).verifier), None) for number in range(3)],
        2,
    )
)
CHECKPOINT = cosigned(checkpoint_of(len(LEAVES), root_of(LEAVES)), [(witness(0), 70), (witness(1), 80)])


def path(index: int, leaves: list[bytes]) -> tuple[bytes, ...]:
    """PATH of RFC 6962 section 2.1.1, literally."""
    if len(leaves) == 1:
        return ()
    k = 1 << (len(leaves) - 1).bit_length() - 1
    if index < k:
        return (*path(index, leaves[:k]), root_of(leaves[k:]))
    return (*path(index - k, leaves[k:]), root_of(leaves[:k]))


def proof_of(index: int, extra: bytes | None = None) -> Proof:
    return Proof(index, path(index, LEAVES), CHECKPOINT, extra)


DATA = proof_of(5).format()


@pytest.mark.parametrize("index", range(len(LEAVES)))
def test_every_entry_is_proved(index: int) -> None:
    proof = Proof.parse(proof_of(index, b"salt" if index % 2 else None).format())
    assert proof == proof_of(index, b"salt" if index % 2 else None)
    checked = proof.verify(LEAVES[index], POLICY)
    assert checked.times == {"W0": 70, "W1": 80}
    for other in range(len(LEAVES)):
        if other != index:
            assert outcome(proof.verify, LEAVES[other], POLICY) is ProofFailed


@given(
    st.integers(0, 2**63 - 1),
    st.lists(st.binary(min_size=32, max_size=32), max_size=63),
    st.binary(max_size=50),
    st.none() | st.binary(min_size=1, max_size=50),
)
def test_proofs_round_trip(index: int, hashes: list[bytes], checkpoint: bytes, extra: bytes | None) -> None:
    proof = Proof(index, tuple(hashes), checkpoint, extra)
    assert Proof.parse(proof.format()) == proof


@given(st.binary(max_size=120))
def test_whatever_parses_is_written_back_the_same(tail: bytes) -> None:
    for data in (tail, b"c2sp.org/tlog-proof@v1\n" + tail, b"c2sp.org/tlog-proof@v1\nindex 5\n" + tail):
        proof = outcome(Proof.parse, data)
        assert proof is InputError or proof.format() == data


HASH = base64.b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    "head",
    [
        "",
        "c2sp.org/tlog-proof@v2\nindex 5\n",
        "c2sp.org/tlog-proof@v1 \nindex 5\n",
        "\nc2sp.org/tlog-proof@v1\nindex 5\n",
        "c2sp.org/tlog-proof@v1\n",
        "c2sp.org/tlog-proof@v1\nindex\n",
        "c2sp.org/tlog-proof@v1\nindex \n",
        "c2sp.org/tlog-proof@v1\nindex 05\n",
        "c2sp.org/tlog-proof@v1\nindex -5\n",
        "c2sp.org/tlog-proof@v1\nindex +5\n",
        "c2sp.org/tlog-proof@v1\nindex  5\n",
        "c2sp.org/tlog-proof@v1\nindex 5 \n",
        "c2sp.org/tlog-proof@v1\nindex ٥\n",
        "c2sp.org/tlog-proof@v1\nindex 9223372036854775808\n",
        "c2sp.org/tlog-proof@v1\nindex 5\nindex 5\n",
        "c2sp.org/tlog-proof@v1\nindex 5\nextra AAAA\n",
        "c2sp.org/tlog-proof@v1\nextra AAAA\nextra AAAA\nindex 5\n",
        "c2sp.org/tlog-proof@v1\nextra AAAA\n",
        "c2sp.org/tlog-proof@v1\nextra \nindex 5\n",
        "c2sp.org/tlog-proof@v1\nextra AAA\nindex 5\n",
        "c2sp.org/tlog-proof@v1\nextra AAB=\nindex 5\n",
        "c2sp.org/tlog-proof@v1\nextra A_-A\nindex 5\n",
        f"c2sp.org/tlog-proof@v1\nindex 5\n{HASH[:-1]}\n",
        f"c2sp.org/tlog-proof@v1\nindex 5\n{HASH} \n",
        "c2sp.org/tlog-proof@v1\nindex 5\nAAAA\n",
        f"c2sp.org/tlog-proof@v1\nindex 5\n{HASH[:-2]}B=\n",
        "c2sp.org/tlog-proof@v1\nindex 5\n" + f"{HASH}\n" * 64,
        f"c2sp.org/tlog-proof@v1\r\nindex 5\r\n{HASH}\r\n",
    ],
)
def test_malformed_proofs(head: str) -> None:
    assert outcome(Proof.parse, head.encode() + b"\n" + CHECKPOINT) is InputError


def test_limits_of_proofs() -> None:
    longest = "c2sp.org/tlog-proof@v1\nindex 5\n" + f"{HASH}\n" * 63
    assert len(Proof.parse(longest.encode() + b"\n" + CHECKPOINT).hashes) == 63
    assert outcome(Proof.parse, DATA + bytes(MAX_PROOF_BYTES)) is InputError
    assert outcome(Proof.parse, DATA.replace(b"\n\n", b"\n", 1)) is InputError
    for bad in ((-1, (), b""), (2**63, (), b""), (0, (b"short",), b""), (0, (bytes(32),) * 64, b""), (0, (), b"", b"")):
        with pytest.raises(InputError):
            Proof(*bad)


def test_no_changed_byte_makes_a_proof_say_something_else() -> None:
    believed = 0
    for place in range(len(DATA)):
        changed = DATA[:place] + bytes((DATA[place] ^ 1 << place % 8,)) + DATA[place + 1 :]
        proof = outcome(Proof.parse, changed)
        if isinstance(proof, Proof):
            result = outcome(proof.verify, LEAVES[5], POLICY)
            if not isinstance(result, type):
                # Only a damaged name or id of one of the two log signatures is passed over.
                believed += 1
                assert (proof.index, proof.hashes) == (5, path(5, LEAVES))
                assert result.checkpoint == checkpoint_of(len(LEAVES), root_of(LEAVES))
                assert result.quorum_met
    assert believed < 120
    for end in range(0, len(DATA), 13):
        proof = outcome(Proof.parse, DATA[:end])
        assert proof is InputError or outcome(proof.verify, LEAVES[5], POLICY) in (InputError, ProofFailed)


def test_proofs_that_do_not_hold() -> None:
    good = proof_of(5)
    for wrong in (
        Proof(4, good.hashes, CHECKPOINT),
        Proof(11, good.hashes, CHECKPOINT),
        Proof(2**63 - 1, good.hashes, CHECKPOINT),
        Proof(5, good.hashes[:-1], CHECKPOINT),
        Proof(5, good.hashes[1:], CHECKPOINT),
        Proof(5, (*good.hashes, bytes(32)), CHECKPOINT),
        Proof(5, good.hashes[::-1], CHECKPOINT),
        Proof(5, (), CHECKPOINT),
        Proof(5, good.hashes, cosigned(checkpoint_of(17, root_of(LEAVES)), [(witness(0), 7), (witness(1), 8)])),
        Proof(5, good.hashes, cosigned(checkpoint_of(11, root_of(LEAVES)), [(witness(0), 7)])),
        Proof(5, good.hashes, cosigned(checkpoint_of(11, root_of(LEAVES)), [(witness(0), 7), (witness(3), 8)])),
    ):
        assert outcome(wrong.verify, LEAVES[5], POLICY) is ProofFailed
    for leaf in (b"", LEAVES[5] + b"\0", LEAVES[5][:31], ENTRIES[5], hashlib.sha256(ENTRIES[5]).digest()):
        assert outcome(good.verify, leaf, POLICY) is ProofFailed
    assert outcome(Proof(5, good.hashes, b"no checkpoint").verify, LEAVES[5], POLICY) is InputError


def test_an_inner_node_is_no_entry() -> None:
    # Without the prefix bytes the two leaves of a tree of two could be passed off as one entry.
    pair = LEAVES[:2]
    checkpoint = cosigned(checkpoint_of(1, node_hash(*pair)), [(witness(0), 7), (witness(1), 8)])
    assert outcome(Proof(0, (), checkpoint).verify, leaf_hash(b"".join(pair)), POLICY) is ProofFailed


def test_the_proof_of_another_log_or_key() -> None:
    checkpoint = checkpoint_of(len(LEAVES), root_of(LEAVES))
    witnesses = [(witness(0), 7), (witness(1), 8)]
    foreign = cosigned(checkpoint, witnesses, signers=[signer(ORIGIN, ED25519, "stolen name")])
    assert outcome(Proof(5, path(5, LEAVES), foreign).verify, LEAVES[5], POLICY) is ProofFailed


def test_extra_data_is_not_authenticated() -> None:
    proof = Proof.parse(proof_of(5, b"anything").format())
    assert proof.extra == b"anything"
    assert Proof(5, proof.hashes, proof.checkpoint, b"something else").verify(LEAVES[5], POLICY).quorum_met


def test_strict_refuses_what_a_quorum_makes_up_for() -> None:
    checkpoint = checkpoint_of(len(LEAVES), root_of(LEAVES))
    wrong = witness(2).signature((5).to_bytes(8, "big") + bytes(64))
    data = CHECKPOINT + (wrong.format() + "\n").encode()
    proof = Proof(5, path(5, LEAVES), data)
    assert proof.verify(LEAVES[5], POLICY).failed == ("W2",)
    with pytest.raises(ProofFailed, match="W2"):
        proof.verify(LEAVES[5], POLICY, strict=True)
    assert proof.verify(LEAVES[5], POLICY).checkpoint == checkpoint


def test_vectors_of_proofs(shared_data: Path) -> None:
    cases = json.loads((shared_data / "tlog/generated/proofs.json").read_text())["cases"]
    for case in cases:
        data, leaf = case["proof"].encode(), leaf_hash(base64.b64decode(case["leaf_b64"]))
        policy = Policy.parse(case["policy"])
        result = outcome(lambda data=data, leaf=leaf, policy=policy: Proof.parse(data).verify(leaf, policy))
        assert (result not in (InputError, ProofFailed)) == (case["expect"] == "accept"), case["desc"]
    assert len(cases) == 27
