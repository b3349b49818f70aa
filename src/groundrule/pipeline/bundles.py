"""The bundle that an approver takes home: everything that a signature depends on, checked again on the approver's machine.

A zip of two parts; nothing in it is believed:

    bundle.json             {v, proposal, policy, checkpoint, entries: [{index, entry, path}], consistency: [{size, path}],
                             names: {party: name}, for: {person, excluded, openings: [{commitment, salt, party | contact}]} or null}
    objects/<sha256>        content before and after each change

The approver's machine verifies the checkpoint with its own copy of the log's policy, leads every entry to the signed root,
compares with the log as it was seen the last time, folds the entries into the state of governance by the same code as the
home, and recomputes the digests of proposal, impact and content. Names are for people; no digest rests on them.

A bundle that is made for one approver opens the commitments of that person's own contacts which bear on the proposal, and of
nobody else's: who is accused learns before signing that the approval would not count. Who reported it stays closed.
"""

from __future__ import annotations

import io
import json
import zipfile
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from groundrule.canon import canonical_json, parse_base64
from groundrule.errors import ConflictError, GroundruleError, InputError, IntegrityError, ProofFailed
from groundrule.govern.conflicts import excluded
from groundrule.govern.contacts import in_scope, suspensions
from groundrule.govern.logged import Entry as GovernanceEntry
from groundrule.govern.logged import LoggedContact, LoggedProposal
from groundrule.govern.refusal import refuse
from groundrule.govern.signed import COMMITTED, parse_time
from groundrule.govern.state import State
from groundrule.ledger.entry import Entry
from groundrule.ledger.policy import CheckedCheckpoint, Policy
from groundrule.ledger.reader import read_log
from groundrule.ledger.tree import leaf_hash, verify_consistency, verify_inclusion
from groundrule.pipeline.change_words import change_lines, impact_lines
from groundrule.pipeline.home_ledger import GOVERNANCE, log_folder
from groundrule.pipeline.parties import opened, openings_for
from groundrule.pipeline.unseen import unseen_lines
from groundrule.rules.text import read_rulebook
from groundrule.store.home import Home

KINDS: Final = frozenset(
    {
        "request", "proposal", "approval", "rejection", "enactment", "snapshot-published", "emergency-open",
        "emergency-close", "review", "contact", "contact-update", "screening", "charter", "correction", "evidence",
    }
)  # fmt: skip
"""Entries that the state of governance follows from; heartbeats and keys of the log are left out."""
MAX_BYTES: Final = 200_000_000
MAX_OBJECT_BYTES: Final = 100_000_000
_STAMP: Final = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Seen:
    """The log as an approver saw it the last time."""

    origin: str
    size: int
    root: str

    def as_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {"origin": self.origin, "root": self.root, "size": self.size, "v": 1}

    @classmethod
    def parse(cls, data: bytes) -> Seen:
        """Read what `as_dict` wrote."""
        try:
            value = json.loads(data)
            return cls(str(value["origin"]), int(value["size"]), str(value["root"]))
        except (ValueError, KeyError, TypeError) as error:
            raise InputError("the memory of the log is malformed", help="restore it; without it a rolled-back log goes unseen") from error


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose every claim was checked.

    Attributes:
        logged: the proposal with its impact, as the log holds them.
        state: what governs, as the log says.
        checked: the verified checkpoint.
        objects: content by SHA-256.
        names: names of parties, for people; unverified.
        compared: whether the log was compared with an earlier sight of it.
        own_policy: whether the policy is the approver's own copy.
        made_for: the approver for whom it was made, or None.
        said_excluded: why the home says that this person's approval would not count; unverified.
    """

    logged: LoggedProposal
    state: State
    checked: CheckedCheckpoint
    objects: Mapping[str, bytes]
    names: Mapping[str, str]
    compared: bool
    own_policy: bool
    made_for: str | None = None
    said_excluded: str | None = None

    @property
    def seen(self) -> Seen:
        """The log as it is seen now."""
        head = self.checked.checkpoint
        return Seen(head.origin, head.size, head.root.hex())

    def changes(self) -> list[str]:
        """What would change, in words."""
        return change_lines(self.logged.proposal, self.objects.get)

    def impact(self) -> list[str]:
        """For whom, in words, and what the preview could not see."""
        books = [
            read_rulebook(data.decode(), file="the rulebook")
            for change in self.logged.proposal.change_set
            if change.object == "rulebook"
            for name in (change.before_sha256, change.after_sha256)
            if name is not None and (data := self.objects.get(name)) is not None
        ]
        return [*impact_lines(self.logged.impact), *unseen_lines(*books)]

    def contacts_of(self, person: str, at_ns: int) -> list[LoggedContact]:
        """Contacts of a person that bear on the proposal."""
        return [
            each
            for each in in_scope(self.state, self.logged.proposal, at_ns)
            if self.state.party_of(each.contact.covered_person) == person
        ]

    def excluded(self, person: str, at_ns: int) -> str | None:
        """Why an approval of this person would not count, as far as it can be seen here; None where nothing is known."""
        found = excluded(self.state, self.logged.proposal.id, at_ns).get(person)
        return found or (self.said_excluded if person == self.made_for else None)

    def name(self, party: str) -> str:
        """A party for people: its name where one was sent along, and its id."""
        return f"{self.names[party]} ({party})" if party in self.names else party


def make_bundle(
    home: Home,
    proposal_id: str,
    *,
    objects: Mapping[str, bytes],
    names: Mapping[str, str],
    since: Iterable[int] = (),
    made_for: Mapping[str, Any] | None = None,
) -> bytes:
    """Write the bundle of a proposal that the published checkpoint covers.

    Args:
        home: whose log and policy file.
        proposal_id: digest of the proposal.
        objects: content before and after, by SHA-256.
        names: names of the parties concerned, for the approver's eyes.
        since: sizes of the log that approvers may have seen before; a consistency proof is made from each.
        made_for: the part `for`, from `told_to`.
    Raises:
        ConflictError: nothing is published yet, or the checkpoint does not cover the proposal.
    """
    log = read_log(log_folder(home))
    head = log.head
    if head is None or log.checkpoint is None:
        raise ConflictError("nothing is published yet", help="publish with: groundrule ledger checkpoint")
    tree = log.tree()
    entries, found = [], False
    for index, data in enumerate(tree.entries()):
        entry = Entry.decode(data)
        if entry.stream != GOVERNANCE or entry.kind not in KINDS:
            continue
        found = found or (entry.kind == "proposal" and proposal_id in _digests(entry))
        path = [b64encode(node).decode() for node in tree.inclusion_path(index)]
        entries.append({"index": index, "entry": b64encode(data).decode(), "path": path})
    if not found:
        raise refuse("proposal_unseen", f"the published log does not hold proposal {proposal_id[:16]}…",
                     help="publish with: groundrule ledger checkpoint")  # fmt: skip
    consistency = [
        {"size": size, "path": [b64encode(node).decode() for node in tree.consistency_path(size)]}
        for size in sorted({size for size in since if 0 < size <= head.size})
    ]
    value = {
        "v": 1, "proposal": proposal_id, "policy": (log_folder(home) / "policy").read_text("utf-8"),
        "checkpoint": log.checkpoint.decode(), "entries": entries, "consistency": consistency, "names": dict(names),
        "for": made_for,
    }  # fmt: skip
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("bundle.json", _STAMP), json.dumps(value, sort_keys=True), zipfile.ZIP_DEFLATED)
        for name, data in sorted(objects.items()):
            archive.writestr(zipfile.ZipInfo(f"objects/{name}", _STAMP), data, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def open_bundle(data: bytes, *, policy: Policy | None = None, last: Seen | None = None) -> Bundle:
    """Read a bundle and check everything in it.

    Args:
        data: the file.
        policy: the approver's own copy of the log's policy; None takes the one in the bundle, which then proves nothing
            about who keeps the log.
        last: the log as the approver saw it before.
    Raises:
        InputError: no bundle.
        ProofFailed: checkpoint, inclusion, consistency or a digest does not hold: it must not be signed.
    """
    value, objects = _unpack(data)
    try:
        chosen = policy or Policy.parse(value["policy"])
        checked = chosen.require(value["checkpoint"].encode())
        head = checked.checkpoint
        entries = []
        for each in value["entries"]:
            leaf = parse_base64(each["entry"], what="an entry of the bundle")
            path = [parse_base64(node, what="a hash of the bundle") for node in each["path"]]
            verify_inclusion(each["index"], head.size, leaf_hash(leaf), path, head.root)
            entries.append((each["index"], Entry.decode(leaf)))
        proposal_id, names = value["proposal"], value["names"]
        person, said, openings = _made_for(value.get("for"))
        consistency = {each["size"]: each["path"] for each in value["consistency"]}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, GroundruleError):
            raise
        raise InputError("the bundle is malformed", help="ask for it again, by another way") from error
    compared = last is not None and _compare(last, checked, consistency)
    indexes = [index for index, _ in entries]
    if indexes != sorted(set(indexes)):
        raise ProofFailed("the entries of the bundle are out of order or repeated")
    folded = (
        GovernanceEntry(index, parse_time(entry.t), entry.kind, entry.body)
        for index, entry in entries
        if entry.stream == GOVERNANCE
    )
    state = State.fold(folded, openings=openings)
    logged = state.proposals.get(proposal_id) if isinstance(proposal_id, str) else None
    if logged is None:
        raise ProofFailed("the bundle's proposal is not in the log, or had no effect there")
    if logged.proposal.digest != proposal_id or logged.impact.digest != logged.proposal.impact_digest:
        raise ProofFailed("proposal and impact are not what their digests say")
    return Bundle(logged, state, checked, objects, _names(names), compared, policy is not None, person, said)


def told_to(home: Home, state: State, proposal_id: str, person: str, at_ns: int) -> dict[str, Any]:
    """Return what the bundle of one approver says beyond that of others: openings of the own contacts that exclude this person.

    Args:
        home: keeps the openings.
        state: of the home, with all of them.
        proposal_id: digest of the proposal.
        person: party id of the approver.
        at_ns: now [ns].
    """
    proposal = state.proposals[proposal_id].proposal
    bearing = {each.contact.id for each in in_scope(state, proposal, at_ns)} | {suspensions(state).get(person)}
    own = [
        each.contact
        for each in state.contacts.values()
        if each.contact.id in bearing and state.party_of(each.contact.covered_person) == person
    ]
    wanted = {party for each in own for party in (each.covered_person, each.counterparty)}
    wanted |= {each for each in proposal.contacts_in_scope if state.openings.get(each) in {contact.id for contact in own}}
    return {
        "person": person,
        "excluded": excluded(state, proposal_id, at_ns).get(person),
        "openings": openings_for(home, {each for each in wanted if each.startswith(COMMITTED)}),
    }


def _made_for(value: Any) -> tuple[str | None, str | None, dict[str, str]]:
    """Read the part `for`: person, what the home says, and the openings, each checked against its commitment."""
    if value is None:
        return None, None, {}
    found = {}
    for each in value["openings"]:
        named = opened(each, each["commitment"])
        if named is None:
            raise ProofFailed("an opening of the bundle does not give its commitment")
        found[str(each["commitment"])] = named
    said = value["excluded"]
    return str(value["person"]), None if said is None else str(said), found


def _unpack(data: bytes) -> tuple[dict[str, Any], dict[str, bytes]]:
    if len(data) > MAX_BYTES:
        raise InputError(f"a bundle of {len(data):,} bytes", help=f"at most {MAX_BYTES:,}")
    objects: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(info.file_size for info in archive.infolist()) > 10 * MAX_OBJECT_BYTES:
                raise InputError("the bundle unpacks to too much", help="ask for it again, by another way")
            value = json.loads(archive.read("bundle.json"))
            for info in archive.infolist():
                folder, _, name = info.filename.partition("/")
                if folder != "objects":
                    continue
                content = archive.read(info)
                if sha256(content).hexdigest() != name:
                    raise IntegrityError(
                        f"the content {name[:16]}… of the bundle has been changed", help="do not sign; ask for it by another way"
                    )
                objects[name] = content
    except (zipfile.BadZipFile, KeyError, ValueError, RecursionError, EOFError, NotImplementedError) as error:
        if isinstance(error, GroundruleError):
            raise
        raise InputError("not a bundle of a proposal", help="make one with: groundrule govern export PROPOSAL") from error
    if not isinstance(value, dict) or value.get("v") != 1:
        raise InputError("a bundle of another version", help="this program reads version 1")
    return value, objects


def _compare(last: Seen, checked: CheckedCheckpoint, consistency: Mapping[int, Sequence[str]]) -> bool:
    head = checked.checkpoint
    if head.origin != last.origin:
        raise ProofFailed(f"this is the log `{head.origin}`, and last time it was `{last.origin}`")
    if head.size < last.size:
        raise ProofFailed(f"the log has {head.size} entries, and had {last.size} when it was last seen: it was rolled back")
    if last.size not in consistency and head.size != last.size:
        raise InputError(
            f"the bundle cannot be compared with the log as last seen, at {last.size} entries",
            help=f"ask for one made with: groundrule govern export PROPOSAL --since {last.size}",
        )
    path = [parse_base64(node, what="a hash of the bundle") for node in consistency.get(last.size, ())]
    verify_consistency(last.size, head.size, bytes.fromhex(last.root), head.root, path)
    return True


def _digests(entry: Entry) -> set[str]:
    """SHA-256 of each object in the body of an entry."""
    found = {sha256(canonical_json(entry.body)).hexdigest()}
    return found | {
        sha256(canonical_json(each)).hexdigest() for each in entry.body.values() if isinstance(each, dict)
    }


def _names(value: object) -> dict[str, str]:
    return {str(party): str(name) for party, name in value.items()} if isinstance(value, dict) else {}
