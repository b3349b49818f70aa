"""Signed envelopes in files: read, written, and brought together when several persons signed the same bytes."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import typer

from groundrule.cli.key import read_key
from groundrule.errors import InputError
from groundrule.govern.signed import Signed, payload_type
from groundrule.signing import SigningKey, open_envelope, sign_envelope
from groundrule.store.durable import write_durably

MAX_BYTES: Final = 4_000_000


def read_envelope(file: Path) -> dict[str, Any]:
    """Read one envelope; nothing is verified yet.

    Raises:
        InputError: no JSON object with payload, payloadType and signatures.
    """
    with file.open("rb") as stream:
        data = stream.read(MAX_BYTES + 1)
    try:
        value = json.loads(data) if len(data) <= MAX_BYTES else None
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict) or not {"payload", "payloadType", "signatures"} <= value.keys():
        raise InputError(f"`{file}` is no signed envelope", help="give a file that `approve` or `… sign` wrote")
    return value


def merge_envelopes(files: Sequence[Path]) -> dict[str, Any]:
    """Bring the signatures of several envelopes over the same bytes into one.

    Raises:
        InputError: they hold different bytes, or something else than signed envelopes.
    """
    if not files:
        raise InputError("no signature is given", help="name the files that the persons signed")
    first: dict[str, Any] = {}
    signatures: list[Any] = []
    for file in files:
        envelope = read_envelope(file)
        open_envelope(envelope, (), str(envelope["payloadType"]))  # its form; whose signatures hold is judged later
        if not first:
            first = envelope
        elif (envelope["payload"], envelope["payloadType"]) != (first["payload"], first["payloadType"]):
            raise InputError(
                f"`{file}` signs other bytes than `{files[0]}`", help="all sign the same file; compare their digests"
            )
        signatures += [each for each in envelope["signatures"] if each not in signatures]
    return {"payload": first["payload"], "payloadType": first["payloadType"], "signatures": signatures}


def write_envelope(file: Path, envelope: dict[str, Any]) -> None:
    """Write an envelope as one line of JSON."""
    write_durably(file, json.dumps(envelope, sort_keys=True).encode() + b"\n")


def sign_shown(
    made: Signed, kind: str, key: Path, out: Path, *, yes: bool, passphrase_file: Path | None
) -> SigningKey:
    """Sign an object that was shown, once the person has said so, into a file.

    Args:
        kind: of the object, for its payload type.
        yes: the person has said so already.
    Returns:
        The key that signed.
    Raises:
        InputError: nobody is there to ask, or another digest was typed.
    """
    confirm_digest(made.digest, "it", yes=yes)
    signer = read_key(key, passphrase_file)
    write_envelope(out, sign_envelope(made.data, payload_type(kind), [signer]))
    return signer


def confirm_digest(digest: str, what: str, *, yes: bool) -> None:
    """Let the person type how the digest begins, so that nothing is signed by habit."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise InputError("nobody is there to say yes", help="run this at a terminal, or give --yes after reading what is shown")
    typed = typer.prompt(f"To sign {what}, type the first 8 characters of the digest", err=True)
    if typed.strip().lower() != digest[:8]:
        raise InputError("that is not how the digest begins", help="nothing was signed")
