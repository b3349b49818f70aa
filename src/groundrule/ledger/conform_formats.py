"""Checks of single vectors about proofs, notes, keys, checkpoints, cosignatures, policies, proof files and envelopes.

Each function takes the fields of one case and returns what differs, or nothing.
"""

from __future__ import annotations

from groundrule.canon import format_base64
from groundrule.errors import InputError, ProofFailed
from groundrule.ledger.checkpoint import Checkpoint, open_checkpoint
from groundrule.ledger.cosignature import cosignatures
from groundrule.ledger.note import ALGORITHM_OF, VerifierKey, open_note
from groundrule.ledger.policy import Policy
from groundrule.ledger.proof import Proof
from groundrule.ledger.tree import (
    HASH_SIZE,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
    verify_subtree_consistency,
    verify_subtree_inclusion,
)
from groundrule.ledger.vectors import (
    ACCEPT,
    REJECT,
    UNDEFINED,
    BrokenVector,
    Fields,
    FileResult,
    Skip,
    VectorFile,
    refusal,
    verdict,
)
from groundrule.signing import ED25519, check_public_key, open_envelope, pae, verify

FROM_NOTHING = (
    "the source rejects every consistency proof from size 0; the witness protocol, and so this project, "
    "accepts the empty one"
)
OTHER_LENGTH = (
    "the source also takes hashes of other lengths; here every hash must have 32 bytes, and this is checked first"
)


# --- proofs: `wantErr` decides ----------------------------------------------------------------------------------------


def inclusion(case: Fields) -> str | None:
    """`leafIdx`, `treeSize`, `root`, `leafHash`, `proof`."""
    index, size = case.number("leafIdx"), case.number("treeSize")
    leaf, proof, root = case.base64("leafHash"), case.base64_list("proof"), case.base64("root")
    wrong = case.flag("wantErr")
    return verdict(refusal(lambda: verify_inclusion(index, size, leaf, proof, root), ProofFailed), refuse=wrong)


def consistency(case: Fields) -> str | None:
    """`size1`, `size2`, `root1`, `root2`, `proof`."""
    old, new = case.number("size1"), case.number("size2")
    old_root, new_root, proof = case.base64("root1"), case.base64("root2"), case.base64_list("proof")
    wrong = case.flag("wantErr")
    refused = refusal(lambda: verify_consistency(old, new, old_root, new_root, proof), ProofFailed)
    if wrong and refused is None and old == 0 and not proof:
        raise Skip(FROM_NOTHING)
    return _unless_other_length(verdict(refused, refuse=wrong), wrong, old_root, new_root)


def subtree_inclusion(case: Fields) -> str | None:
    """`leafIdx`, `start`, `end`, `root`, `leafHash`, `proof`."""
    index, start, end = case.number("leafIdx"), case.number("start"), case.number("end")
    leaf, proof, root = case.base64("leafHash"), case.base64_list("proof"), case.base64("root")
    wrong = case.flag("wantErr")
    refused = refusal(lambda: verify_subtree_inclusion(index, start, end, leaf, proof, root), ProofFailed)
    return verdict(refused, refuse=wrong)


def subtree_consistency(case: Fields) -> str | None:
    """`start`, `end`, `size`, `root1` (of the subtree), `root2`, `proof`."""
    start, end, size = case.number("start"), case.number("end"), case.number("size")
    part, root, proof = case.base64("root1"), case.base64("root2"), case.base64_list("proof")
    wrong = case.flag("wantErr")
    refused = refusal(lambda: verify_subtree_consistency(start, end, size, part, root, proof), ProofFailed)
    if wrong and refused is None and start == end == 0 and not proof:
        raise Skip(FROM_NOTHING)
    return _unless_other_length(verdict(refused, refuse=wrong), wrong, part, root)


def _unless_other_length(different: str | None, wrong: bool, *roots: bytes) -> str | None:
    if different is not None and not wrong and any(len(root) != HASH_SIZE for root in roots):
        raise Skip(OTHER_LENGTH)
    return different


# --- notes and keys ---------------------------------------------------------------------------------------------------


def vkey(case: Fields) -> str | None:
    """`vkey`, `valid`.

    Keys of types that are not verified here are read, because notes and policies of others name them, and never count;
    the source calls them invalid.
    """
    text, valid = case.text("vkey"), case.flag("valid")
    refused = refusal(lambda: VerifierKey.parse(text), InputError)
    if refused is None:
        key = VerifierKey.parse(text)
        if str(key) != text:
            return "is written back differently"
        if not valid and key.type not in ALGORITHM_OF:
            return None
    return verdict(refused, refuse=not valid)


def note(case: Fields) -> str | None:
    """`note`, `vkeys`, `verified`: names of the keys that signed, or null if the note must not open."""
    data, vkeys = case.utf8("note"), case.texts("vkeys")
    expected = case.texts("verified") if "verified" in case else None
    try:
        _opened, keys = open_note(data, [VerifierKey.parse(text) for text in vkeys])
    except (InputError, ProofFailed) as error:
        return verdict(str(error), refuse=expected is None)
    if expected is None:
        return verdict(None, refuse=True)
    found = [key.name for key in keys]
    return None if sorted(found) == sorted(expected) else f"verified by {found}, and must be by {expected}"


def checkpoint(case: Fields) -> str | None:
    """`note_b64`, `vkeys`, `expect`; `expected_origin` or the first key's name; if accepted `origin`, `size`, `root`."""
    data, vkeys = case.base64("note_b64"), case.texts("vkeys")
    expect = case.one_of("expect", (ACCEPT, REJECT, UNDEFINED))
    opened: Checkpoint | None = None
    reason = ""
    try:
        keys = [VerifierKey.parse(text) for text in vkeys]
        origin = case.text("expected_origin") if "expected_origin" in case else keys[0].name if keys else None
        opened = open_checkpoint(data, keys, origin=origin).checkpoint
    except (InputError, ProofFailed) as error:
        if isinstance(error, BrokenVector):
            raise
        reason = str(error)
    if expect == UNDEFINED:
        told = f": {case.text('note')}" if "note" in case else ""
        raise Skip(f"{UNDEFINED}{told}; here it is {'accepted' if opened else f'rejected ({reason})'}")
    if opened is None or expect == REJECT:
        return verdict(None if opened else reason, refuse=expect == REJECT)
    found = {"origin": opened.origin, "size": opened.size, "root": format_base64(opened.root)}
    differing = [name for name, value in found.items() if name in case and case.any(name) != value]
    return f"{', '.join(differing)}: read otherwise" if differing else None


def cosignature(case: Fields) -> str | None:
    """`note`, `log_vkey`, `witness_vkeys`, `valid`: name, id and timestamp of each cosignature that counts."""
    data, log_key = case.utf8("note"), VerifierKey.parse(case.text("log_vkey"))
    keys = [VerifierKey.parse(text) for text in case.texts("witness_vkeys")]
    listed = [Fields(f"{case.where}: valid {number}", item) for number, item in enumerate(case.items("valid"), 1)]
    expected = sorted((item.text("name"), item.text("id"), item.number("timestamp")) for item in listed)
    opened = open_checkpoint(data, [log_key])
    times, _failed = cosignatures(opened.note, opened.checkpoint, keys)
    found = sorted((key.name, key.key_id.hex(), time_s) for key, time_s in times.items())
    return None if found == expected else f"valid are {found}, and must be {expected}"


# --- policies, proof files, envelopes ---------------------------------------------------------------------------------


def policy(case: Fields) -> str | None:
    """`policy`, `valid`; `satisfied_by`: pairs of witness names and whether they make a quorum."""
    text, valid = case.utf8("policy"), case.flag("valid")
    different = verdict(refusal(lambda: Policy.parse(text), InputError), refuse=not valid)
    if different is not None or not valid:
        return different
    parsed = Policy.parse(text)
    for pair in case.items("satisfied_by"):
        if (
            not isinstance(pair, list)
            or len(pair) != 2
            or not isinstance(pair[0], list)
            or not isinstance(pair[1], bool)
        ):
            raise BrokenVector(f"{case.where}: `satisfied_by` is not made of names and true or false")
        if parsed.satisfied_by(pair[0]) != pair[1]:
            return f"{pair[0]} {'must' if pair[1] else 'must not'} make a quorum"
    return None


def proof(case: Fields) -> str | None:
    """`proof`, `policy`, `leaf_b64`, `expect`."""
    data, leaf = case.utf8("proof"), case.base64("leaf_b64")
    whom = Policy.parse(case.utf8("policy"))
    wrong = case.one_of("expect", (ACCEPT, REJECT)) == REJECT
    refused = refusal(lambda: Proof.parse(data).verify(leaf_hash(leaf), whom), InputError, ProofFailed)
    if refused is None and Proof.parse(data).format() != data:
        return "is written back differently"
    return verdict(refused, refuse=wrong)


def envelope_encoding(case: Fields) -> str | None:
    """`type`, `body_b64`, `pae_b64`."""
    found = pae(case.text("type"), case.base64("body_b64"))
    return None if found == case.base64("pae_b64") else "the bytes to be signed differ"


def envelope(case: Fields) -> str | None:
    """`envelope`, `trusted_ed25519_hex`, `threshold`, `payload_type`, `expect`."""
    value, trusted, threshold = case.any("envelope"), case.hex_list("trusted_ed25519_hex"), case.number("threshold")
    kind, wrong = case.text("payload_type"), case.one_of("expect", (ACCEPT, REJECT)) == REJECT
    if not isinstance(value, dict):
        raise BrokenVector(f"{case.where}: `envelope` is not an object")
    try:
        _payload, signers = open_envelope(value, trusted, kind)
    except InputError as error:
        return verdict(str(error), refuse=wrong)
    return verdict(None if len(signers) >= threshold else f"{len(signers)} of {threshold} keys signed", refuse=wrong)


def check_envelopes(file: VectorFile, result: FileResult) -> None:
    """A file of envelopes, or the single example of the DSSE protocol document."""
    if "cases" in file.top:
        result.run_all(file.cases(result, "pae"), envelope_encoding)
        result.run_all(file.cases(result), envelope)
        return
    top = file.top
    result.run(
        "pre-authentication encoding",
        lambda: None if pae(top.text("type"), top.utf8("body")) == top.utf8("pae") else "the bytes to be signed differ",
    )


def check_notes(file: VectorFile, result: FileResult) -> None:
    """Notes and keys of the documents that define them."""
    result.run_all(file.cases(result), note)
    result.run_all(file.cases(result, "vkeys"), vkey)


def edge_key(case: Fields) -> str | None:
    """`key`, `sig`, `msg`, `flags`: edge cases of Ed25519.

    A key of low order or in another encoding is never trusted. Under any other key a signature verifies unless its R is in
    another encoding or the equation holds only with the cofactor.
    """
    key, signature, message = case.hex("key"), case.hex("sig"), case.utf8("msg")
    flags = set(case.texts("flags"))
    trusted = not flags & {"low_order_A", "non_canonical_A"}
    different = verdict(refusal(lambda: check_public_key(ED25519, key), InputError), refuse=not trusted)
    if different is not None:
        return f"the key is {different}"
    holds = trusted and not flags & {"non_canonical_R", "low_order_residue"}
    found = verify(ED25519, key, signature, message)
    return None if found == holds else f"the signature {'verifies' if found else 'does not verify'}"
