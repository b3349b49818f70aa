"""Logs without a home: make, append, sign and prove; and what these steps share with those of a home."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from groundrule.canon import canonical_json
from groundrule.cli.output import warn
from groundrule.errors import ConflictError, InputError
from groundrule.ledger.log import PATIENCE_S, Item, Log, read_log
from groundrule.ledger.note import NoteSigner
from groundrule.ledger.policy import Policy
from groundrule.ledger.proof import Proof
from groundrule.ledger.witness_client import Retry, WitnessClient
from groundrule.pipeline.home_ledger import GOVERNANCE, Committed, new_signers

BY_HAND = frozenset(
    {"heartbeat", "request", "contact", "contact-update", "screening", "evidence", "review", "correction", "key-event"}
)
"""Kinds that may be appended by hand to the log of a home; the others are written by what they record."""


def make(
    folder: Path, *, keys: Path | None, origin: str | None, policy: Path | None, raw: bool
) -> dict[str, Any]:
    """Make a log and its keys."""
    if keys is None or origin is None:
        raise InputError("a log of its own needs a name and a place for its keys", help="give --origin NAME and --keys FILE")
    if keys.resolve().is_relative_to(folder.resolve()):
        raise InputError(f"`{keys}` lies in the log, which is public", help="keep the keys elsewhere")
    if keys.exists():
        signers = read_keys(keys)
        if {signer.name for signer in signers} != {origin}:
            raise InputError(f"the keys in `{keys}` are of {signers[0].name}", help=f"give keys of {origin}")
    else:
        signers = list(new_signers(origin))
        handle = os.open(keys, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write("".join(f"{signer.format()}\n" for signer in signers))
    vkeys = [str(signer.verifier) for signer in signers]
    text = read_text(policy) if policy else Policy.format_simple(vkeys, (), None)
    with Log.create(folder, signers=signers, policy=text, clock=time.time_ns, raw=raw) as log:
        found = log.commit()
        return {
            "log": str(folder), "origin": log.origin, "keys": str(keys), "vkeys": vkeys, "size": log.size,
            "published": found.published,
        }  # fmt: skip


def read_keys(path: Path) -> list[NoteSigner]:
    """Read the private keys of a log, one a line; InputError if others than their owner can read them."""
    signers = [NoteSigner.parse(line) for line in read_text(path).splitlines() if line]
    if not signers:
        raise InputError(f"`{path}` holds no key", help="make keys with: groundrule ledger init --log DIR --keys FILE")
    if path.stat().st_mode & 0o077:
        raise InputError(f"others than its owner may use `{path}`", help=f"run: chmod 600 {path}")
    return signers


def read_text(path: Path) -> str:
    """Read a text file; InputError if it is none."""
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"`{path}` is no text", help="give a text file in UTF-8") from error


def read_items(file: Path, *, by_hand: bool) -> list[tuple[str, str, dict[str, Any]]]:
    """Read entries to be appended: JSON lines with `kind`, `body` and perhaps `stream`.

    Args:
        by_hand: allow only kinds that nothing else writes.
    Raises:
        InputError: with file and line; then none is to be appended.
    """
    items = []
    for number, line in enumerate(file.read_bytes().splitlines(), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
            kind, body, stream = value["kind"], value["body"], value.get("stream", GOVERNANCE)
            canonical_json(body)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise InputError(
                f"{file}:{number}: no entry ({error})", help='write {"kind":"request","body":{…}} on one line'
            ) from error
        if by_hand and (str(kind) not in BY_HAND or stream != GOVERNANCE):
            raise InputError(
                f"{file}:{number}: entries of kind `{kind!s:.40}` in stream `{stream!s:.40}` are not written by hand",
                help=f"by hand: {', '.join(sorted(BY_HAND))}, in the stream {GOVERNANCE}",
            )
        items.append((kind, stream, body))
    if not items:
        raise InputError(f"`{file}` holds no entry", help="write one JSON object on each line")
    return items


def append(folder: Path, file: Path, *, raw: bool) -> tuple[int, int]:
    """Append a file to a log of its own; return its first index and the new size."""
    with Log.open(folder, clock=time.time_ns) as log:
        if raw:
            entries = file.read_bytes().splitlines()
            if not entries:
                raise InputError(f"`{file}` holds no entry", help="write one entry on each line")
            appended = log.append_raw(entries)
        else:
            appended = log.append([Item(kind, stream, body) for kind, stream, body in read_items(file, by_hand=False)])
        return appended.first_index, appended.size


def commit(folder: Path, *, keys: Path | None, patience_s: int) -> Committed:
    """Sign, witness and publish a log of its own."""
    if keys is None:
        raise InputError("a checkpoint is signed with the log's keys", help="give --keys FILE")
    signers = read_keys(keys)

    def attempt(wait_s: int) -> Committed:
        with Log.open(folder, signers=signers, clock=time.time_ns) as log:
            client = WitnessClient(log.policy) if log.policy.witnesses else None
            found = log.commit(client, patience_s=wait_s)
            errors = client.last.errors if client and client.last else {}
            trouble = tuple(f"{name}: {error.what}" for name, error in sorted(errors.items()))
            return Committed(log.size, found.checkpoint, found.witnessed, found.accepted, found.published, trouble)

    return patiently(attempt, patience_s)


def patiently(attempt: Callable[[int], Committed], patience_s: int) -> Committed:
    """Try for a quorum with growing waits until there is one or patience ends; what is published then says so.

    Args:
        attempt: tries once; given how long the log itself is to wait before it publishes without a quorum [s]. What it locks it
            lets go between two attempts, so that decisions go on.
        patience_s: how long to try [s].
    """
    retry, failures, end_s = Retry(), 0, time.monotonic() + patience_s
    while True:
        left_s = end_s - time.monotonic()
        found = attempt(PATIENCE_S if left_s > 0 else 0)
        if found.accepted or found.published:
            return found
        failures += 1
        wait_s = max(min(retry.wait_s(failures), end_s - time.monotonic()), 0.0)
        for line in found.trouble:
            warn(f"  {line}")
        warn(f"  no quorum of witnesses; trying again in {wait_s:.0f} s")
        time.sleep(wait_s)


def prove(folder: Path, index: int) -> tuple[bytes, bytes]:
    """Return an entry and its proof under the published checkpoint."""
    log = read_log(folder)
    head = log.head
    if head is None or log.checkpoint is None:
        raise ConflictError("nothing is published yet", help="publish with: groundrule ledger checkpoint")
    if index >= head.size:
        raise InputError(f"entry {index} of a log with {head.size:,} published entries", help="they count from 0")
    tree = log.tree()
    return tree.entry(index), Proof(index, tuple(tree.inclusion_path(index)), log.checkpoint).format()
