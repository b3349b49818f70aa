"""Checks of witness transcripts: every request goes over real HTTP to a witness that was made for this run."""

from __future__ import annotations

import http.client
import json
import re
import time
from collections.abc import Sequence

from groundrule.errors import InputError, ProofFailed
from groundrule.ledger.checkpoint import Checkpoint, open_checkpoint
from groundrule.ledger.cosignature import cosignatures
from groundrule.ledger.note import ALGORITHM_OF, ED25519, Note, NoteSigner, VerifierKey
from groundrule.ledger.vectors import BrokenVector, Fields, FileResult, Skip, VectorFile
from groundrule.ledger.witness import SIZE_TYPE, AddCheckpoint, MemoryWitnessStore, Witness, origin_hash
from groundrule.ledger.witness_keys import make_signers
from groundrule.ledger.witness_server import WitnessServer
from groundrule.signing import SigningKey

ANSWER_S = 10.0
"""Longest wait for an answer of the witness in this process [s]."""
LITEWITNESS_NAME = "example.com/witness"

_ASSERTION = re.compile(r"body (contains|==) (\".*\")")


class _Client:
    def __init__(self, server: WitnessServer, origin: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=ANSWER_S)
        self._latest = f"/{origin_hash(origin)}/checkpoint"

    def post(self, body: bytes) -> tuple[int, str, bytes]:
        return self._ask("POST", "/add-checkpoint", body)

    def latest(self) -> tuple[int, str, bytes]:
        return self._ask("GET", self._latest, None)

    def close(self) -> None:
        self._connection.close()

    def _ask(self, method: str, path: str, body: bytes | None) -> tuple[int, str, bytes]:
        self._connection.request(method, path, body=body)
        response = self._connection.getresponse()
        return response.status, response.getheader("Content-Type", ""), response.read()


def check_transcript(file: VectorFile, result: FileResult) -> None:
    """`log_vkey`, `origin`, `witness_vkey`, perhaps `witness_seed_hex`; steps with `body`, `status`, `latest_size_after`."""
    top = file.top
    log_key = VerifierKey.parse(top.text("log_vkey"))
    signers = _signers(top)
    keys = [signer.verifier for signer in signers]
    origin = top.text("origin", log_key.name)
    witness = Witness(
        signers[0].name, signers, {log_key.name: [log_key]}, MemoryWitnessStore(), lambda: int(time.time())
    )
    with WitnessServer(witness) as server:
        client = _Client(server, origin)

        def check(case: Fields) -> str | None:
            body, status = case.utf8("body"), case.number("status")
            found, kind, answer = client.post(body)
            if found != status:
                return f"answered {found}, and must be {status}: {answer[:200]!r}"
            if "response" in case and answer != case.utf8("response"):
                return f"the body of the answer is {answer[:200]!r}"
            if found == 409 and kind != SIZE_TYPE:
                return f"the answer is of type `{kind}`, and must be `{SIZE_TYPE}`"
            if found == 200 and (different := cosigned(AddCheckpoint.parse(body).checkpoint, answer, keys)):
                return different
            return _latest(client, log_key, keys, case.number("latest_size_after"))

        result.run_all(file.cases(result), check)
        client.close()


def check_litewitness(file: VectorFile, result: FileResult) -> None:
    """`log_origin`, `log_ed25519_hex`; steps with `body`, `status`, `assert` and perhaps another `spec_status`."""
    top = file.top
    log_key = VerifierKey(top.text("log_origin"), ED25519, top.hex("log_ed25519_hex"))
    signers = make_signers(LITEWITNESS_NAME)
    witness = Witness(
        LITEWITNESS_NAME, signers, {log_key.name: [log_key]}, MemoryWitnessStore(), lambda: int(time.time())
    )
    with WitnessServer(witness) as server:
        client = _Client(server, log_key.name)

        def check(case: Fields) -> str | None:
            body, status = case.utf8("body"), case.number("status")
            expected = case.number("spec_status") if "spec_status" in case else status
            found, _kind, answer = client.post(body)
            if found != expected:
                return f"answered {found}, and must be {expected}: {answer[:200]!r}"
            if found == 200:
                sent = AddCheckpoint.parse(body).checkpoint
                if different := cosigned(sent, answer, [signer.verifier for signer in signers]):
                    return different
            if "assert" in case and not _holds(case, answer):
                return f"{case.text('assert')}: it is {answer[:200]!r}"
            if expected != status:
                raise Skip(f"litewitness answers {status}; the specification, and so this witness, {expected}")
            return None

        result.run_all(file.cases(result), check)
        client.close()


def _signers(top: Fields) -> Sequence[NoteSigner]:
    """Use the seed if it is published; otherwise new keys under the same name."""
    expected = VerifierKey.parse(top.text("witness_vkey"))
    if "witness_seed_hex" not in top:
        return make_signers(expected.name)
    if expected.type not in ALGORITHM_OF:
        raise BrokenVector(f"{top.where}: `witness_vkey` is of type {expected.type}")
    try:
        key = SigningKey.from_seed(ALGORITHM_OF[expected.type], top.hex("witness_seed_hex"))
    except InputError as error:
        raise BrokenVector(f"{top.where}: `witness_seed_hex`: {error.message}") from None
    signer = NoteSigner(expected.name, expected.type, key)
    if signer.verifier != expected:
        raise BrokenVector(f"{top.where}: `witness_seed_hex` is not the seed of `witness_vkey`")
    return (signer,)


def cosigned(checkpoint: bytes, lines: bytes, keys: Sequence[VerifierKey]) -> str | None:
    """Check an answer as a client does: lines put under the text, every key's cosignature must hold."""
    text = Note.parse(checkpoint).text
    try:
        note = Note.parse(text + b"\n" + lines)
    except InputError as error:
        return f"the answer is not made of signature lines: {error}"
    times, failed = cosignatures(note, Checkpoint.parse(text), keys)
    if failed or set(times) != set(keys):
        return f"{len(times)} of {len(keys)} cosignatures hold"
    return None


def _latest(client: _Client, log_key: VerifierKey, keys: Sequence[VerifierKey], size: int) -> str | None:
    status, _kind, data = client.latest()
    if size == 0 and status == 404:
        return None
    if status != 200:
        return f"the latest checkpoint is answered {status}"
    try:
        opened = open_checkpoint(data, [log_key], origin=log_key.name)
    except (InputError, ProofFailed) as error:
        return f"the latest checkpoint does not open: {error}"
    times, failed = cosignatures(opened.note, opened.checkpoint, keys)
    if failed or set(times) != set(keys):
        return "the latest checkpoint is not cosigned"
    return (
        None if opened.checkpoint.size == size else f"the latest size is {opened.checkpoint.size}, and must be {size}"
    )


def _holds(case: Fields, answer: bytes) -> bool:
    match = _ASSERTION.fullmatch(case.text("assert"))
    try:
        expected = json.loads(match[2]) if match else None
    except ValueError:
        expected = None
    if match is None or not isinstance(expected, str):
        raise BrokenVector(f"{case.where}: the assertion `{case.text('assert')[:80]}` is not understood")
    text = answer.decode("utf-8", "replace")
    return text == expected if match[1] == "==" else expected in text
