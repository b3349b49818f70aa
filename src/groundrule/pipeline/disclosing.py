"""Opening fields of private records by an enacted disclosure, for the one recipient that it names.

    recipient: party-…                              a requester or beneficiary of the proposal
    legal_basis: {kind: court, reference: …}        public words: they name nobody
    records:
      - {terminal: UT-1, at: 2026-03-02T10:00Z, fields: [outcome, position]}    the record in force at that time
      - {batch_index: 17, leaf_index: 4, fields: [outcome]}                     or one that is known by its place

What comes out is a folder: one receipt for each record, which the small verifier accepts, the proof of the enactment, the
log's policy, and `disclosure.json`, which says what was ordered and holds no value. A record that was erased cannot be opened.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from groundrule.canon import canonical_json
from groundrule.errors import ConflictError, InputError, IntegrityError
from groundrule.govern.disclosure import CLASS, Opening, Order, order_of
from groundrule.govern.objects import Proposal
from groundrule.govern.refusal import refuse
from groundrule.govern.state import State
from groundrule.instant import format_instant, parse_instant
from groundrule.ledger.checkpoint import Checkpoint
from groundrule.ledger.log import read_log
from groundrule.ledger.note import Note
from groundrule.ledger.proof import Proof
from groundrule.pipeline.home_ledger import keys_folder, log_folder
from groundrule.pipeline.intake import check_fields
from groundrule.pipeline.manifests import runs
from groundrule.pipeline.parties import all_parties
from groundrule.pipeline.private_records import FIELDS
from groundrule.pipeline.receipts import prove_record
from groundrule.store.durable import write_durably
from groundrule.store.entities import ENTITIES, IDENTIFIERS
from groundrule.store.home import Home
from groundrule.store.keys import KeyService
from groundrule.store.policy import in_force, stated
from groundrule.store.records import Record, RecordStore
from groundrule.store.registers import TABLES, Registers

_WANTED: Final = frozenset({"recipient", "legal_basis", "records"})
_BY_TERMINAL: Final = frozenset({"terminal", "at", "fields"})
_BY_PLACE: Final = frozenset({"batch_index", "leaf_index", "fields"})


@dataclass(frozen=True, slots=True)
class Opened:
    """What a disclosure produced.

    Attributes:
        folder: where it lies; private.
        receipts: one file for each record.
        enactment_index: the log's entry that orders it.
        recipient: party id, or a commitment.
    """

    folder: Path
    receipts: tuple[Path, ...]
    enactment_index: int
    recipient: str


def draft_disclosure(home: Home, written: Mapping[str, Any]) -> dict[str, Any]:
    """Make the change that opens fields of records; which terminals it concerns stays in the home.

    Raises:
        InputError: the document is not what it must be, or there is no such record.
        ConflictError: `record_erased`, or the record is not in the log yet.
    """
    check_fields(written, _WANTED, "the disclosure")
    wanted = written.get("records")
    if not isinstance(wanted, list) or not wanted or not all(isinstance(each, Mapping) for each in wanted):
        raise InputError("the disclosure names no records", help="records: [{terminal: …, at: …, fields: […]}]")
    with RecordStore.open(home.path / "records.sqlite", read_only=True) as records:
        openings = [_opening(home, records, each) for each in wanted]
    order = Order.parse(
        {
            "openings": [each.value for each in openings],
            "recipient": written.get("recipient"),
            "legal_basis": written.get("legal_basis") or {"kind": "none_stated", "reference": ""},
        }
    )
    return {"op": "disclose", "object": order.object, "before_sha256": order.before, "after": order.value, "after_sha256": None}


def check_openings(home: Home, proposal: Proposal) -> None:
    """Check that what a proposal wants to open is there and can be opened; a proposal of another kind passes.

    Raises:
        ConflictError: `record_unknown`, `record_erased`, `field_unknown`.
    """
    order = order_of(proposal)
    if order is None:
        return
    with RecordStore.open(home.path / "records.sqlite", read_only=True) as records:
        for opening in order.openings:
            _found(records, opening)


def write_openings(home: Home, state: State, proposal_id: str, folder: Path) -> Opened:
    """Open what an enacted disclosure orders, into a folder for its recipient; again gives the same openings.

    Args:
        state: the fold of the log.
        proposal_id: of the disclosure.
        folder: new or empty.
    Raises:
        ConflictError: `not_a_disclosure`, `not_enacted`, `not_in_force` while witnesses have not seen the enactment;
            `record_erased`, or the folder is in use.
        IntegrityError: a record is not what was committed to.
    """
    logged = state.proposals[proposal_id]
    order = order_of(logged.proposal)
    if order is None or logged.proposal.class_ != CLASS:
        raise refuse("not_a_disclosure", "the proposal opens no records", help="see its class in: groundrule govern status")
    enacted = [each for each in state.enactments if each.enactment.proposal_digest == proposal_id]
    if not enacted:
        raise refuse("not_enacted", "the disclosure is not enacted, so nothing is opened", help="approve and enact it first")
    made, stated_ = enacted[0], in_force(home)
    if stated_ is None or stated_.log_index < made.index:
        raise refuse("not_in_force", "the enactment waits for its witnesses", help="run `groundrule enact` again when they are back")
    if folder.exists() and any(folder.iterdir()):
        raise ConflictError(f"`{folder}` is not empty", help="a dossier goes into a folder of its own")
    receipts: dict[str, bytes] = {}
    with (
        RecordStore.open(home.path / "records.sqlite", read_only=True) as records,
        KeyService.open(keys_folder(home), read_only=True) as keys,
    ):
        # All or nothing: a dossier that lacks a record would look complete.
        for opening in order.openings:
            proof, _, _ = prove_record(home, records, keys, _found(records, opening), opening.fields)
            receipts[f"record-{opening.batch_index}-{opening.leaf_index}.tlog-proof"] = proof
    entry, proof = _entry(home, made.index)
    told = {
        "v": 1, "proposal": proposal_id, "enactment_index": made.index, "order": order.value,
        "requests": list(logged.proposal.requests), "files": sorted(receipts),
    }  # fmt: skip
    files = receipts | {
        "enactment.entry": entry, "enactment.tlog-proof": proof, "disclosure.json": canonical_json(told) + b"\n",
        "policy": (log_folder(home) / "policy").read_bytes(),
    }  # fmt: skip
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    for name, data in sorted(files.items()):
        write_durably(folder / name, data)
        (folder / name).chmod(0o600)
    return Opened(folder, tuple(folder / name for name in sorted(receipts)), made.index, order.recipient)


def order_lines(value: Mapping[str, Any]) -> list[str]:
    """Say in plain words what a disclosure would open; no value is known where this is read."""
    order = Order.parse(value)
    lines = [f"recipient {order.recipient}, basis {order.legal_basis.kind} {order.legal_basis.reference}".rstrip()]
    return lines + [
        f"opens {', '.join(each.fields)} of record {each.leaf_index} in the batch of log entry {each.batch_index}"
        for each in order.openings
    ]


# --- public words ---------------------------------------------------------------------------------------------------------

_PLACES: Final = (
    re.compile(r"-?\d{1,3}\.\d{3,}\s*°?\s*[NSEW]?\s*[,;/ ]\s*-?\d{1,3}\.\d{3,}"),
    re.compile(r"\d{1,3}\s*°\s*\d{1,2}\s*['′’]"),
    re.compile(r"\b8[0-9a-f]{14}\b"),
)
"""Coordinates in degrees, in minutes, and cells of H3."""
_TOKEN: Final = re.compile(r"[^\s,;:()\[\]{}\"'`<>]+")
_PARTS: Final = 400
_NAMED: Final = ("list", "programme", "waiver")
_ENTRY_KEY: Final = re.compile(r"entry-[0-9a-f]{24}")
"""What the importer names an entry by: a digest without a salt of its holder and device."""


def check_public_words(home: Home, texts: Iterable[str]) -> None:
    """Refuse to answer in public words with a place or an identity: a position, an id of a terminal or account, a name.

    It finds what this home knows and what looks like a position; it cannot find a paraphrase.

    Raises:
        ConflictError: `tells_place_or_identity`; the message does not repeat it.
    """
    told = " ".join(texts)
    what = None
    if any(each.search(told) for each in _PLACES):
        what = "a position"
    elif _known_ids(home, told):
        what = "an id of a terminal, an account or a holder"
    elif _known_names(home, told):
        what = "the name of a person"
    if what is not None:
        raise refuse(
            "tells_place_or_identity", f"the answer would tell {what} in the public log",
            help="say why without saying who or where; a recipient gets fields by an enacted disclosure",
        )  # fmt: skip


def check_names(home: Home, proposal: Proposal) -> None:
    """Refuse a proposal whose public object names tell a serial, or hold a digest of one.

    Raises:
        ConflictError: `names_a_device`.
    """
    keys = [(kind, key) for kind, _, key in (change.object.partition("/") for change in proposal.change_set) if kind in _NAMED]
    if any(kind == "waiver" and _ENTRY_KEY.fullmatch(key) for kind, key in keys) or _known_ids(home, " ".join(k for _, k in keys)):
        raise refuse(
            "names_a_device", "the name of the object would name a device or a holder in the public log",
            help="choose a name that says nothing; an entry of a list is taken away by a batch",
        )  # fmt: skip


def _known_ids(home: Home, told: str) -> bool:
    # A short word of letters may be an id, and is an ordinary word too.
    tokens = {token.strip(".!?") for token in _TOKEN.findall(told)}
    tokens = {token for token in tokens if len(token) >= 8 or (len(token) >= 4 and not token.isalpha())}
    if not tokens or not home.has_registers():
        return False
    wanted = sorted(tokens)[:_PARTS]
    columns = {"terminals": ("terminal_id", *IDENTIFIERS[1:]), "accounts": ("account_id", "party_id"),
               "list_entries": (*IDENTIFIERS, "holder")}  # fmt: skip
    with Registers.open(home) as registers, registers.reading() as connection:
        return any(
            stated(connection, kind, TABLES[kind].c[name].in_(wanted))
            for kind, names in columns.items()
            for name in names
            if name == ENTITIES[kind].key or name in ENTITIES[kind].attributes
        )


def _known_names(home: Home, told: str) -> bool:
    plain = told.casefold()
    return any(
        name.text.casefold() in plain
        for record in all_parties(home)
        if record.kind == "natural_person"
        for name in record.names
    )


# --- records --------------------------------------------------------------------------------------------------------------


def _opening(home: Home, records: RecordStore, wanted: Mapping[str, Any]) -> Opening:
    if "terminal" in wanted:
        check_fields(wanted, _BY_TERMINAL, "a record of the disclosure")
        at_ns = None if wanted.get("at") is None else parse_instant(str(wanted["at"]))
        found = records.record_in_force(str(wanted["terminal"]), at_ns, until_run=max(runs(home), default=0))
        if found is None:
            raise InputError("a record of the disclosure is not there", help="check terminal and time; it may have been erased")
        batch = records.batch_of(found.batch_id)
        if batch.log_index is None:
            raise ConflictError("a record waits for its place in the log", help="bring it there with: groundrule ledger checkpoint")
        place = (batch.log_index, found.leaf_index)
    else:
        check_fields(wanted, _BY_PLACE, "a record of the disclosure")
        place = (wanted.get("batch_index"), wanted.get("leaf_index"))  # type: ignore[assignment]  # parsed below
        found = _at(records, *place)
        if found is None:
            raise InputError("a record of the disclosure is not there", help="batch_index is an entry of the log, leaf_index its place")
    fields = wanted.get("fields")
    opening = Opening.parse(
        {"batch_index": place[0], "leaf_index": place[1], "leaf": found.leaf.hex(),
         "fields": sorted(set(fields)) if isinstance(fields, list) and all(isinstance(f, str) for f in fields) else fields}
    )  # fmt: skip
    _found(records, opening)
    return opening


def _at(records: RecordStore, batch_index: object, leaf_index: object) -> Record | None:
    batch = records.batch_at(batch_index) if type(batch_index) is int else None
    if batch is None:
        return None
    return next((each for each in records.batch(batch.batch_id)[1] if each.leaf_index == leaf_index), None)


def _found(records: RecordStore, opening: Opening) -> Record:
    """Return the record that an opening names.

    Raises:
        ConflictError: it is not there, was erased, or has no such field.
    """
    where = f"record {opening.leaf_index} of the batch of log entry {opening.batch_index}"
    found = _at(records, opening.batch_index, opening.leaf_index)
    if found is None or found.leaf.hex() != opening.leaf:
        raise refuse("record_unknown", f"{where} is not the one that the disclosure names", help="draft it again")
    if found.content is None:
        erased = records.duties.erasure_of(found.batch_id, found.leaf_index)
        said = f" on {format_instant(erased.erased_at_ns)}, basis {erased.basis}" if erased else ""
        raise refuse("record_erased", f"{where} was erased{said}", help="nobody can open it any more")
    if strange := sorted(set(opening.fields) - set(FIELDS)):
        raise refuse("field_unknown", f"a record has no field `{strange[0][:40]}`", help=f"it has {', '.join(sorted(FIELDS))}")
    return found


def _entry(home: Home, index: int) -> tuple[bytes, bytes]:
    """Return an entry of the log and its proof under the published checkpoint."""
    log = read_log(log_folder(home))
    checkpoint = log.checkpoint
    size = 0 if checkpoint is None else Checkpoint.parse(Note.parse(checkpoint).text).size
    if checkpoint is None or index >= size:
        raise IntegrityError(f"entry {index} is in force and not published", help="publish with: groundrule ledger checkpoint")
    tree = log.tree(size)
    return tree.entry(index), Proof(index, tuple(tree.inclusion_path(index)), checkpoint).format()


def only_disclosure(wanted: Sequence[str], deleted: Sequence[str]) -> None:
    """Refuse company for a change that stands alone."""
    if wanted or deleted:
        raise InputError("a disclosure stands alone", help="propose the rest separately")
