"""Trees, proofs, checkpoints and proof files against Go's golang.org/x/mod/sumdb, which verifies the Go checksum database.

The program beside this file is compiled once per session; it answers every claim with that library's verdict. Both must
say the same of every proof. Of notes, whatever we accept Go must accept; where we are stricter, the only reason may be
base64 that is not canonical or a cosignature's line that is no line.
"""

from __future__ import annotations

import base64
import json
import os
import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from groundrule.errors import InputError, ProofFailed
from groundrule.ledger import note, tiles, tree
from groundrule.ledger.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from groundrule.ledger.cosignature import cosign
from groundrule.ledger.policy import Policy
from groundrule.ledger.proof import Proof
from groundrule.signing import SigningKey

SOURCE = Path(__file__).parent / "go_judge"
GOPATH = Path("/usr/share/gocode")  # where Debian's golang-golang-x-mod-dev lies
ORIGIN = "log.example.org/groundrule"
MOST = 66_000

Claim = dict[str, Any]
Judge = Callable[[list[Claim]], list[bool]]


@pytest.fixture(scope="session")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Judge:
    """Compile the program; returns what gives its verdicts."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("Go is not installed (Debian: golang-go); the judge cannot be compiled")
    if not (GOPATH / "src/golang.org/x/mod/sumdb/tlog").is_dir():
        pytest.skip("golang.org/x/mod is not installed (Debian: golang-golang-x-mod-dev)")
    folder = tmp_path_factory.mktemp("go")
    settings = {"GO111MODULE": "off", "GOPATH": str(GOPATH), "GOCACHE": str(folder / "cache"), "GOFLAGS": "",
                "CGO_ENABLED": "0"}  # fmt: skip
    program = folder / "go_judge"
    subprocess.run(
        [go, "build", "-o", str(program), "."], cwd=SOURCE, env=os.environ | settings, check=True, timeout=300
    )

    def ask(claims: list[Claim]) -> list[bool]:
        text = "".join(json.dumps(claim) + "\n" for claim in claims)
        done = subprocess.run([program], input=text, capture_output=True, text=True, check=True, timeout=120)
        answers = done.stdout.splitlines()
        assert len(answers) == len(claims)
        assert all(answer == "ok" or answer.startswith("bad ") for answer in answers)
        return [answer == "ok" for answer in answers]

    return ask


@pytest.fixture(scope="module")
def log() -> tuple[tiles.TileTree, list[bytes]]:
    """A tree of three tile levels and its leaf hashes."""
    leaves = tree.leaf_hashes(b"%d (invented)" % i for i in range(MOST))
    held = {str(path): data for path, data in tiles.new_tiles(0, {}.__getitem__, leaves)}
    return tiles.TileTree(held.__getitem__, MOST), leaves


def text_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


def holds(check: Callable[..., object], *arguments: object) -> bool:
    try:
        check(*arguments)
    except (ProofFailed, InputError):
        return False
    return True


def flip(value: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(value))
    return value[:at] + bytes([value[at] ^ 1 << rng.randrange(8)]) + value[at + 1 :]


def damaged(proof: list[bytes], rng: random.Random) -> list[bytes]:
    """One of the ways in which a proof can be wrong."""
    way, at = rng.randrange(6), rng.randrange(len(proof) + 1)
    if way == 0:
        return [*proof[:at], rng.randbytes(32), *proof[at:]]
    if not proof:
        return [tree.EMPTY_ROOT]
    at = min(at, len(proof) - 1)
    if way == 1:
        return proof[:at] + proof[at + 1 :]
    if way == 2:
        return [*proof[:at], flip(proof[at], rng), *proof[at + 1 :]]
    if way == 3:
        return [*proof[:at], proof[at][:-1], *proof[at + 1 :]]
    if way == 4:
        return [*proof[:at], proof[at], *proof[at:]]
    return proof[::-1]


def test_leaf_hashes(judge: Judge) -> None:
    rng = random.Random(11)
    entries = [b"", b"\x00", b"\x01", *(rng.randbytes(rng.randrange(3000)) for _ in range(40))]
    claims = [{"op": "leaf", "entry": text_of(e), "leaf": text_of(tree.leaf_hash(e))} for e in entries]
    claims += [{"op": "leaf", "entry": text_of(e + b"x"), "leaf": text_of(tree.leaf_hash(e))} for e in entries]
    assert judge(claims) == [True] * len(entries) + [False] * len(entries)


def test_inclusion_proofs(judge: Judge, log: tuple[tiles.TileTree, list[bytes]]) -> None:
    source, leaves = log
    rng = random.Random(12)
    claims: list[Claim] = []
    ours: list[bool] = []

    def claim(index: int, size: int, leaf: bytes, proof: list[bytes], root: bytes) -> bool:
        ours.append(holds(tree.verify_inclusion, index, size, leaf, proof, root))
        claims.append({"op": "inclusion", "index": index, "size": size, "leaf": text_of(leaf), "root": text_of(root),
                       "proof": [text_of(value) for value in proof]})  # fmt: skip
        return ours[-1]

    sizes = [1, 2, 3, 5, 8, 255, 256, 257, 65_535, 65_536, 65_537, MOST, *(rng.randrange(1, MOST) for _ in range(60))]
    for size in sizes:
        root = source.root_at(size)
        for index in {0, size - 1, rng.randrange(size), rng.randrange(size)}:
            proof = source.inclusion_path(index, size)
            assert claim(index, size, leaves[index], proof, root)
            for _ in range(3):
                claim(index, size, leaves[index], damaged(proof, rng), root)
            claim(index ^ 1, size, leaves[index], proof, root)
            claim(index, size + rng.choice([-1, 1]), leaves[index], proof, root)
            claim(index, size, flip(leaves[index], rng), proof, root)
            claim(index, size, leaves[index], proof, flip(root, rng))
            claim(rng.choice([-1, size, 2**63 - 1, 2**63, 2**64]), size, leaves[index], proof, root)
    assert judge(claims) == ours
    assert ours.count(True) > 200
    assert ours.count(False) > 1500


def test_consistency_proofs(judge: Judge, log: tuple[tiles.TileTree, list[bytes]]) -> None:
    source, _ = log
    rng = random.Random(13)
    claims: list[Claim] = []
    ours: list[bool] = []

    def claim(old: int, new: int, old_root: bytes, new_root: bytes, proof: list[bytes]) -> bool:
        ours.append(holds(tree.verify_consistency, old, new, old_root, new_root, proof))
        claims.append({"op": "consistency", "old": old, "size": new, "old_root": text_of(old_root),
                       "root": text_of(new_root), "proof": [text_of(value) for value in proof]})  # fmt: skip
        return ours[-1]

    sizes = [2, 3, 4, 7, 8, 255, 256, 257, 65_535, 65_536, 65_537, MOST, *(rng.randrange(1, MOST) for _ in range(60))]
    for new in sizes:
        new_root = source.root_at(new)
        for old in {1, new, max(1, new - 1), rng.randrange(1, new + 1), 1 << (new.bit_length() - 1)}:
            old_root, proof = source.root_at(old), source.consistency_path(old, new)
            assert claim(old, new, old_root, new_root, proof)
            for _ in range(3):
                claim(old, new, old_root, new_root, damaged(proof, rng))
            claim(rng.choice([max(1, old - 1), old + 1]), new, old_root, new_root, proof)
            claim(old, new + 1, old_root, new_root, proof)
            claim(old, new, flip(old_root, rng), new_root, proof)
            claim(old, new, old_root, flip(new_root, rng), proof)
            claim(rng.choice([-1, new + 1, 2**63 - 1, 2**63]), new, old_root, new_root, proof)
    assert judge(claims) == ours
    assert ours.count(True) > 250
    assert ours.count(False) > 1500


def keys() -> tuple[list[note.NoteSigner], note.NoteSigner]:
    """A log's two signers and a witness."""
    log_keys = [
        note.NoteSigner(ORIGIN, note.ED25519, SigningKey.from_seed("ed25519", bytes(range(32)))),
        note.NoteSigner(ORIGIN, note.COSIGNATURE_ML_DSA_44, SigningKey.from_seed("ml-dsa-44", bytes(range(1, 33)))),
    ]
    seed = SigningKey.from_seed("ed25519", bytes(range(2, 34)))
    return log_keys, note.NoteSigner("witness.example.net/w1", note.COSIGNATURE_ED25519, seed)


def signed(size: int, root: bytes) -> bytes:
    """A checkpoint with every kind of signature that ours carry; Go knows one of them and leaves the others aside."""
    log_keys, witness = keys()
    checkpoint = Checkpoint(ORIGIN, size, root)
    data = sign_checkpoint(checkpoint, log_keys, time_s=1_767_225_600)
    return data + cosign(checkpoint, checkpoint.format(), witness, 1_767_225_601).format().encode() + b"\n"


def test_signed_checkpoints(judge: Judge, log: tuple[tiles.TileTree, list[bytes]]) -> None:
    source, _ = log
    vkey = keys()[0][0].verifier
    rng = random.Random(14)
    claims: list[Claim] = []
    ours: list[bool] = []

    def claim(data: bytes, size: int, root: bytes) -> bool:
        ours.append(holds(same, data, size, root))
        claims.append({"op": "checkpoint", "note": text_of(data), "vkeys": [str(vkey)], "size": size,
                       "root": text_of(root)})  # fmt: skip
        return ours[-1]

    def same(data: bytes, size: int, root: bytes) -> None:
        checkpoint = open_checkpoint(data, [vkey], origin=ORIGIN).checkpoint
        if (checkpoint.size, checkpoint.root, checkpoint.extensions) != (size, root, ()):
            raise ProofFailed("another checkpoint, or one with extensions, which sumdb has no words for")

    for size in (0, 1, 2, 300, MOST, *(rng.randrange(MOST) for _ in range(15))):
        root = source.root_at(size)
        data = signed(size, root)
        assert claim(data, size, root)
        head = data.index(b"\n\n") + 2 + 130  # the text, the empty line and the line that Go verifies
        for _ in range(25):
            claim(flip(data[:head], rng) + data[head:], size, root)
        for at in (rng.randrange(head), rng.randrange(head)):
            claim(data[:at] + data[at + 1 :], size, root)
            claim(data[:at] + data[at : at + 1] + data[at:], size, root)
        claim(data[:-1], size, root)
        claim(data + b"\n", size, root)
    go = judge(claims)
    only_ours = [c for c, g, o in zip(claims, go, ours, strict=True) if o and not g]
    assert only_ours == []
    only_go = [base64.b64decode(c["note"]) for c, g, o in zip(claims, go, ours, strict=True) if g and not o]
    assert all(not canonical(data) for data in only_go)
    assert len(only_go) < 20
    assert ours.count(False) > 500


def canonical(data: bytes) -> bool:
    """Whether each signature line's base64 is what encoding its bytes gives."""
    lines = data[data.rindex(b"\n\n") + 2 :].decode().splitlines()
    packed = [line.rsplit(" ", 1)[-1] for line in lines]
    return all(base64.b64encode(base64.b64decode(text)).decode() == text for text in packed)


def test_proof_files_of_a_log(judge: Judge, log: tuple[tiles.TileTree, list[bytes]]) -> None:
    source, _ = log
    log_keys, witness = keys()
    names = [str(signer.verifier) for signer in log_keys]
    policy = Policy.parse(Policy.format_simple(names, [("w1", str(witness.verifier), "http://127.0.0.1:1")], 1))
    rng = random.Random(15)
    claims: list[Claim] = []
    ours: list[bool] = []

    def claim(file: bytes, entry: bytes) -> bool:
        def verify() -> None:
            Proof.parse(file).verify(tree.leaf_hash(entry), policy)

        ours.append(holds(verify))
        claims.append({"op": "proof", "file": text_of(file), "entry": text_of(entry), "vkeys": names[:1]})
        return ours[-1]

    for size in (1, 2, 257, 65_537, MOST, *(rng.randrange(1, MOST) for _ in range(15))):
        data = signed(size, source.root_at(size))
        for index in {0, size - 1, rng.randrange(size)}:
            entry, hashes = b"%d (invented)" % index, source.inclusion_path(index, size)
            extra = rng.choice([None, b"any receipt"])
            assert claim(Proof(index, tuple(hashes), data, extra).format(), entry)
            assert not claim(Proof(index, tuple(hashes), data, extra).format(), entry + b" ")
            assert not claim(Proof(index ^ 1, tuple(hashes), data, extra).format(), entry)
            wrong = [value for value in damaged(hashes, rng) if len(value) == 32]
            assert wrong == hashes or not claim(Proof(index, tuple(wrong), data, extra).format(), entry)
            other = data.replace(b"\n%d\n" % size, b"\n%d\n" % (size + 1), 1)
            assert not claim(Proof(index, tuple(hashes), other, extra).format(), entry)
    assert judge(claims) == ours
    assert ours.count(True) > 40
    assert ours.count(False) > 150
