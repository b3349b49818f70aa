"""The private register of parties: who stands behind an id in the log. One file for each, so that one can be erased.

    HOME/governance/parties/<party id>.json      PartyRecord; mode 0600
    HOME/governance/openings/<64 hex>.json       {party | contact | terminal, salt} behind a commitment that stands in the log

Nothing of it is in the log. When a file is gone the log still says what an id asked for, and nobody can say who it was.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from groundrule.canon import canonical_json, format_base64, parse_base64, parse_canonical
from groundrule.errors import ConflictError, InputError, IntegrityError
from groundrule.govern.contacts import commit_contact, commit_party, commit_terminal
from groundrule.govern.emergency import TERMINAL
from groundrule.govern.objects import Contact, PartyRecord
from groundrule.govern.signed import COMMITTED
from groundrule.store.durable import write_durably
from groundrule.store.home import Home
from groundrule.store.policy import put_object

_SUFFIX: Final = ".json"
_MOST_BYTES: Final = 4_000_000
SALT_BYTES: Final = 32
SCOPE_GROUP: Final = 8
"""A proposal lists so many contacts in scope that stand as commitments, or a multiple of it, and most of them stand for nothing."""


def parties_folder(home: Home) -> Path:
    """Return the folder of the records; private, and never published."""
    return home.path / "governance" / "parties"


def put_party(home: Home, record: PartyRecord) -> bool:
    """Keep a party; return whether something new was written. A changed record replaces the one before.

    The caller holds the home's write lock.
    """
    path = parties_folder(home) / (record.id + _SUFFIX)
    data = canonical_json(record.value)
    if path.exists() and path.read_bytes() == data:
        return False
    _private(path, data)
    return True


def _private(path: Path, data: bytes) -> None:
    write_durably(path, data)
    path.parent.chmod(0o700)
    path.chmod(0o600)


def _openings_folder(home: Home) -> Path:
    return home.path / "governance" / "openings"


def get_party(home: Home, party: str) -> PartyRecord | None:
    """Return what is known of a party; None where nothing is, or where it was erased.

    Raises:
        IntegrityError: the record was damaged.
    """
    path = parties_folder(home) / (party + _SUFFIX)
    if "/" in party or not path.exists():
        return None
    try:
        return PartyRecord.parse(parse_canonical(path.read_bytes()))
    except InputError as error:
        raise IntegrityError(f"`{path}` has been changed: {error.message}", help="restore it from a copy") from error


def all_parties(home: Home) -> list[PartyRecord]:
    """Return every party that is kept, by id."""
    folder = parties_folder(home)
    names = sorted(path.stem for path in folder.glob("party-*" + _SUFFIX)) if folder.exists() else []
    return [record for name in names if (record := get_party(home, name)) is not None]


def names_of(home: Home, parties: Iterable[str]) -> dict[str, str]:
    """Return the first name of each party that is known, for people to read."""
    found = {}
    for party in parties:
        record = get_party(home, party)
        if record is not None:
            found[party] = record.names[0].text
    return found


def party_record(value: Mapping[str, Any], party: str) -> PartyRecord:
    """Make a record of what a person wrote about a party.

    Args:
        value: `kind`, `names` (texts, or objects with text and script), and perhaps `identifiers`, `jurisdiction` and
            `controls`.
        party: its id.
    Raises:
        InputError: something is missing or is not what it must be.
    """
    known = {"id", "kind", "names", "identifiers", "jurisdiction", "controls"}
    if strange := sorted(set(value) - known):
        raise InputError(f"a party has an unknown field `{strange[0][:40]}`", help=f"known: {', '.join(sorted(known))}")
    names = value.get("names")
    if not isinstance(names, list) or not names:
        raise InputError("a party without a name", help="names: [as written, and in every other spelling known]")
    return PartyRecord.parse(
        {
            "id": party,
            "kind": value.get("kind", "unknown"),
            "names": [_name(each) for each in names],
            "identifiers": value.get("identifiers") or [],
            "jurisdiction": value.get("jurisdiction"),
            "controls": [_control(each) for each in value.get("controls") or []],
        }
    )


def commit_parties(home: Home, parties: Iterable[str]) -> dict[str, bytes]:
    """Draw a salt for each party and keep it, so that the commitment in the log can be opened; return party to salt."""
    salts = {party: os.urandom(SALT_BYTES) for party in parties}
    for party, salt in salts.items():
        commitment = commit_party(party, salt)
        value = {"party": party, "salt": format_base64(salt)}
        _private(_openings_folder(home) / (commitment.removeprefix(COMMITTED) + _SUFFIX), canonical_json(value))
    return salts


def commit_contacts(home: Home, contacts: Iterable[str], *, keep: bool = True) -> dict[str, str | None]:
    """Return a commitment for each contact in scope of a proposal, under a fresh salt, and others that stand for nothing.

    Their number is rounded up to whole groups of `SCOPE_GROUP`, so that it does not tell whether there is an allegation.

    Args:
        home: keeps the openings; the caller holds its write lock.
        contacts: ids.
        keep: False for a trial that is not logged.
    Returns:
        Commitment to the contact, or to None; in no order that tells which is which.
    """
    made: dict[str, str | None] = {}
    for contact in contacts:
        salt = os.urandom(SALT_BYTES)
        commitment = commit_contact(contact, salt)
        made[commitment] = contact
        if keep:
            value = {"contact": contact, "salt": format_base64(salt)}
            _private(_openings_folder(home) / (commitment.removeprefix(COMMITTED) + _SUFFIX), canonical_json(value))
    while not made or len(made) % SCOPE_GROUP:
        made[COMMITTED + os.urandom(SALT_BYTES).hex()] = None
    return dict(sorted(made.items()))


def commit_terminals(home: Home, terminals: Iterable[str]) -> dict[str, str]:
    """Return a commitment for each terminal in the scope of an emergency, and keep the openings; the same one each time.

    The caller holds the home's write lock.
    """
    known = {named: commitment for commitment, named in openings_of(home).items()}
    made = {}
    for terminal in terminals:
        made[terminal] = known.get(TERMINAL + terminal, "")
        if not made[terminal]:
            salt = os.urandom(SALT_BYTES)
            made[terminal] = commit_terminal(terminal, salt)
            value = {"terminal": terminal, "salt": format_base64(salt)}
            _private(_openings_folder(home) / (made[terminal].removeprefix(COMMITTED) + _SUFFIX), canonical_json(value))
    return made


def read_openings(path: Path) -> dict[str, str]:
    """Return what a file of handed-out openings opens, each checked; empty where there is no such file.

    Raises:
        InputError: it is no list of openings, or one does not give its commitment.
    """
    if not path.exists():
        return {}
    found: dict[str, str] = {}
    try:
        with path.open("rb") as stream:
            given = json.loads(stream.read(_MOST_BYTES))
        for each in given:
            commitment = str(each["commitment"])
            named = opened(each, commitment)
            if named is None:
                raise ValueError(commitment)
            found[commitment] = named
    except (ValueError, KeyError, TypeError, RecursionError):
        raise InputError(f"`{path}` does not open what it names", help="bring it again from the home") from None
    return found


def write_openings(home: Home, commitments: Iterable[str], path: Path) -> bool:
    """Write the openings of commitments for somebody who may know them; nothing where none is kept here.

    Returns:
        Whether a file was written.
    """
    given = openings_for(home, commitments)
    if given:
        write_durably(path, canonical_json(given))
        path.chmod(0o600)
    return bool(given)


def openings_for(home: Home, commitments: Iterable[str]) -> list[dict[str, str]]:
    """Return the openings of commitments that are kept here, to be handed to somebody: objects of commitment, what, and salt."""
    found = []
    for commitment in sorted(set(commitments)):
        path = _openings_folder(home) / (commitment.removeprefix(COMMITTED) + _SUFFIX)
        if path.exists():
            found.append({"commitment": commitment, **parse_canonical(path.read_bytes())})
    return found


def opened(value: Mapping[str, Any], commitment: str) -> str | None:
    """Return the party, contact or `terminal/ID` that an opening gives for a commitment; None if it does not give that."""
    try:
        salt = parse_base64(str(value["salt"]))
        if "contact" in value:
            named, made = str(value["contact"]), commit_contact(str(value["contact"]), salt)
        elif "terminal" in value:
            named, made = TERMINAL + str(value["terminal"]), commit_terminal(str(value["terminal"]), salt)
        else:
            named, made = str(value["party"]), commit_party(str(value["party"]), salt)
    except (KeyError, TypeError, AttributeError, InputError):
        return None
    return named if made == commitment else None


def seal_evidence(home: Home, contact: Contact) -> Contact:
    """Return a contact whose evidence stands as salted digests of records in the home.

    The address or the plain digest of a public page would tell whom an allegation is about.
    """
    sealed = []
    for each in contact.evidence:
        record = {"evidence": each.value, "salt": os.urandom(SALT_BYTES).hex(), "v": 1}
        empty = {"url": None, "archived": None, "lang": None, "machine_translated": False, "original": None}
        sealed.append(empty | {"sha256": put_object(home, canonical_json(record))})
    return Contact.parse(contact.value | {"evidence": sealed})


def openings_of(home: Home) -> dict[str, str]:
    """Return the party, contact or `terminal/ID` behind each commitment that can be opened here.

    Raises:
        IntegrityError: an opening does not give its commitment.
    """
    found = {}
    for path in sorted(_openings_folder(home).glob("*" + _SUFFIX)):
        try:
            named = opened(parse_canonical(path.read_bytes()), COMMITTED + path.stem)
        except InputError:
            named = None
        if named is None:
            raise IntegrityError(f"`{path}` has been changed", help="restore it from a copy")
        found[COMMITTED + path.stem] = named
    return found


def check_same(old: PartyRecord, new: PartyRecord) -> None:
    """Refuse to put another party under a known id in passing.

    Raises:
        ConflictError: the two share no name.
    """
    if not {each.text for each in old.names} & {each.text for each in new.names}:
        raise ConflictError(
            f"`{old.id}` is known under other names", help="take a new id, or add the name with: groundrule request party"
        )


def _name(value: Any) -> dict[str, Any]:
    given = dict(value) if isinstance(value, Mapping) else {"text": value}
    text = given.get("text")
    return {"lang": None, "from": None, "to": None, "script": _script(text), **given}


def _control(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise InputError("`controls` of a party is no list of objects", help="{party, kind, share_bp, source}")
    return {"share_bp": None, "from": None, "to": None, **value}


def _script(text: Any) -> str:
    """Guess the script of a name by its letters; what is unknown is `zyyy`, as ISO 15924 has it."""
    blocks = ((0x0370, 0x03FF, "grek"), (0x0400, 0x052F, "cyrl"), (0x0590, 0x05FF, "hebr"), (0x0600, 0x06FF, "arab"),
              (0x4E00, 0x9FFF, "hani"), (0xAC00, 0xD7AF, "hang"), (0x3040, 0x30FF, "jpan"))  # fmt: skip
    for char in str(text):
        if not char.isalpha():
            continue
        return next((name for low, high, name in blocks if low <= ord(char) <= high), "latn" if ord(char) < 0x250 else "zyyy")
    return "zyyy"
