"""What a reader may not see is taken out here, and the operator keeps what shows later what it was.

    HOME/dossiers/<SHA-256 of the manifest>.json    the openings of one bundle; folder 0700, file 0600

Whoever holds a bundle sees the digest of each text that was withheld. Given salt and text, anybody can see that they are the ones.
"""

from __future__ import annotations

import json
import os
import re
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any, Final

from groundrule.canon import canonical_json, parse_canonical
from groundrule.errors import InputError, IntegrityError
from groundrule.evidence.dossier import Dossier, Reader
from groundrule.evidence.readers import CLOSED_READERS, NAMED_TO, Known, Veil, refs_in
from groundrule.evidence.redact import Opening, redact
from groundrule.pipeline.dossiers.bench import Bench
from groundrule.store.durable import write_durably
from groundrule.store.home import Home
from groundrule.store.records import RecordStore

SALT_BYTES: Final = 32
SHORTEST_DIGEST: Final = 8
_ENTRY = re.compile(r"entry:([0-9]{1,18})")
_DIGEST = re.compile(r"[0-9a-f]{8,64}")


def redacted(bench: Bench, whole: Dossier) -> tuple[Dossier, tuple[Opening, ...]]:
    """Return the dossier as the reader of the bench may see it, and the openings of what was withheld."""
    return redact(whole, bench.reader, lambda: os.urandom(SALT_BYTES), known=known_of(bench, whole))


def known_of(bench: Bench, whole: Dossier) -> Known:
    """Collect what decides on redaction and is not in the dossier: names in the register, open seals, telling entries."""
    if bench.reader is Reader.OPERATOR:
        return Known()
    sealed = _still_sealed(bench.home)
    if bench.reader not in CLOSED_READERS:
        return Known(sealed=sealed)
    persons, bodies = set[str](), set[str]()
    for record in bench.parties.values():
        if record.kind not in NAMED_TO[bench.reader]:
            (bodies if record.kind == "legal_entity" else persons).update(name.text for name in record.names)
    known = Known(frozenset(persons), frozenset(bodies), sealed)
    veil = Veil(whole, bench.reader, known)
    texts = {} if bench.log is None else {index: tuple(_strings(bench.log.tree().entry(index))) for index in _cited(whole)}
    telling = {index for index, some in texts.items() if veil.entry_tells(some)}
    # Whoever holds an office stands by id in the charter, which is an entry of the log, too.
    shown = refs_in(text for some in texts.values() for text in some) | frozenset(bench.units)
    return Known(known.persons, known.bodies, sealed, frozenset(telling), shown)


def _still_sealed(home: Home) -> dict[str, str]:
    """Id of each rule or area whose content is sealed and not opened yet, to its commitment."""
    path = home.path / "records.sqlite"
    if not path.exists():
        return {}
    found: dict[str, str] = {}
    with RecordStore.open(path, read_only=True) as records:
        for each in records.duties.sealed():
            content = json.loads(each.content)
            if each.opened_at_ns is None and isinstance(content, dict) and isinstance(content.get("id"), str):
                found[content["id"]] = b64encode(each.commitment).decode()
    return found


def _cited(whole: Dossier) -> set[int]:
    refs = (source.ref for each in (*whole.summary, *whole.statements) for source in each.sources if source.kind == "log_entry")
    return {int(match[1]) for ref in refs if (match := _ENTRY.fullmatch(ref))}


def _strings(entry: bytes) -> Iterator[str]:
    """Every text in an entry, also in the payload of an envelope."""
    yield from _texts(json.loads(entry))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, held in value.items():
            if name == "payload" and isinstance(held, str):
                try:
                    yield from _texts(json.loads(b64decode(held, validate=True)))
                except (NotBase64, ValueError):
                    yield held
            elif name == "terminals" and isinstance(held, list):
                yield from (f"terminal/{each}" for each in held)
            else:
                yield from _texts(held)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


# --- the private file -------------------------------------------------------------------------------------------------


def keep_openings(home: Home, manifest_sha256: str, openings: Iterable[Opening]) -> None:
    """Keep the openings of one bundle where only the operator reads them; nothing is written where nothing was withheld."""
    rows = [asdict(each) for each in openings]
    if not rows:
        return
    folder = home.path / "dossiers"
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{manifest_sha256}.json"
    write_durably(path, canonical_json({"v": 1, "openings": rows}))
    path.chmod(0o600)


def find_openings(home: Home, digest: str) -> list[tuple[str, Opening]]:
    """Return (digest of the manifest, opening) of each redaction whose digest begins so.

    Raises:
        InputError: it is no digest, or nothing here was withheld under it. IntegrityError: a file was changed.
    """
    if _DIGEST.fullmatch(digest) is None:
        raise InputError(f"`{digest[:80]}` is no digest of a redaction", help=f"{SHORTEST_DIGEST} to 64 characters of 0-9a-f")
    found = []
    folder = home.path / "dossiers"
    for path in sorted(folder.glob("*.json")) if folder.is_dir() else ():
        try:
            rows = [Opening(**row) for row in parse_canonical(path.read_bytes())["openings"]]
        except (InputError, KeyError, TypeError) as error:
            raise IntegrityError(f"`{path}` has been changed", help="restore it from a copy") from error
        for each in rows:
            if each.sha256.startswith(digest):
                if not each.holds:
                    raise IntegrityError(f"`{path}` has been changed: the text is not the one withheld", help="restore it from a copy")
                found.append((path.stem, each))
    if not found:
        raise InputError(f"nothing was withheld here under `{digest}`", help="copy the digest from the list of redactions of the dossier")
    return found
