"""Signed snapshots at the home: drafted from what is in force, signed elsewhere, put on record and written for enforcement points.

    OUT/snapshot.dsse          the signed snapshot
    OUT/bootstrap.dsse         the bootstrap policy, signed, if there is one
    OUT/objects/SHA-256        the content of its objects
    OUT/charters/N.dsse        every version of the charter, so that a point that missed one can follow
    OUT/emergencies/ID.dsse    emergencies that are running, with the signatures of their openers

Whatever carries this folder to an enforcement point need not be trusted.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from groundrule.errors import ConflictError, InputError
from groundrule.govern.bootstrap import Bootstrap, judge_bootstrap
from groundrule.govern.contacts import suspensions
from groundrule.govern.emergency import active
from groundrule.govern.refusal import refuse
from groundrule.govern.signed import format_time, whole_ms
from groundrule.govern.snapshot import (
    REGISTERS,
    SNAPSHOT_TYPE,
    Content,
    ManifestObject,
    PolicyManifest,
    Snapshot,
    Trust,
    counted,
    judge_snapshot,
)
from groundrule.govern.state import State
from groundrule.ledger.entry import policy_digest
from groundrule.pipeline.bootstrap import bootstrap_of
from groundrule.pipeline.governing import Governance, Logged
from groundrule.pipeline.home import rulebook_of
from groundrule.pipeline.parties import write_openings
from groundrule.signing import open_envelope
from groundrule.store.durable import write_durably
from groundrule.store.home import Home
from groundrule.store.policy import InForce, in_force
from groundrule.store.register_extract import MEDIA_TYPE, write_extract
from groundrule.store.registers import Registers
from groundrule.store.sanctions import SanctionsLists

KIND: Final = "snapshot-published"
SNAPSHOT_FILE: Final = "snapshot.dsse"
DAY_NS: Final = 86_400_000_000_000
DEFAULT_DAYS: Final = 7
BOOTSTRAP_FILE: Final = "bootstrap.dsse"
BOOTSTRAP_DAYS: Final = 3650


def draft_snapshot(home: Home, state: State, *, now_ns: int, days: int = DEFAULT_DAYS) -> Snapshot:
    """Return the snapshot of what is in force, with the next number.

    Args:
        home: whose.
        state: the fold of its log.
        now_ns: the time [ns, UTC].
        days: until it expires.
    Raises:
        ConflictError: `no_charter`.
    """
    stated = _in_force(home)
    issued = whole_ms(now_ns)
    contents = contents_of(home, stated) | {REGISTERS: (registers_at(home, issued), MEDIA_TYPE)}
    digests = {"areas": ("area-set", stated.areas), "rulebook": ("rulebook", stated.rulebook)}
    manifest = PolicyManifest(
        v=1,
        objects=tuple(
            ManifestObject(id=name, type=kind, sha256=digest.removeprefix("sha256:")) for name, (kind, digest) in digests.items()
        ),
    )
    assert manifest.policy_digest == policy_digest(stated.rulebook, stated.areas)
    return Snapshot.parse(
        {
            "policy_digest": manifest.policy_digest,
            "manifest": manifest.value,
            "objects": {
                name: Content(sha256=sha256(data).hexdigest(), size=len(data), media_type=media).value
                for name, (data, media) in contents.items()
            },
            "seq": last_seq(state) + 1,
            "issued": format_time(issued),
            "expires": format_time(issued + days * DAY_NS),
            "enactment_index": stated.log_index,
        }
    )


def draft_bootstrap(home: Home, *, now_ns: int, days: int = BOOTSTRAP_DAYS) -> Bootstrap:
    """Return the bootstrap policy of what is in force; it follows from that alone.

    Raises:
        ConflictError: `no_charter`. InputError: the rulebook has no rule that would be in it.
    """
    stated = _in_force(home)
    contents, book = _bootstrap_contents(home, stated)
    digests = {"areas": ("area-set", stated.areas), "rulebook": ("rulebook", book)}
    manifest = PolicyManifest(
        v=1,
        objects=tuple(
            ManifestObject(id=name, type=kind, sha256=digest.removeprefix("sha256:")) for name, (kind, digest) in digests.items()
        ),
    )
    issued = whole_ms(now_ns)
    return Bootstrap(
        v=1,
        policy_digest=manifest.policy_digest,
        manifest=manifest,
        objects={
            name: Content(sha256=sha256(data).hexdigest(), size=len(data), media_type=media) for name, (data, media) in contents.items()
        },
        of_policy=policy_digest(stated.rulebook, stated.areas),
        issued=issued,
        expires=issued + days * DAY_NS,
    )


def publish_bootstrap(home: Home, state: State, envelope: Mapping[str, Any], out: Path, *, now_ns: int) -> Bootstrap:
    """Write a signed bootstrap policy for new enforcement points; it must be what follows from the policy in force.

    Raises:
        ConflictError: as `bootstrap.judge_bootstrap`; `stale_base` where it does not follow from what is in force.
    """
    if state.charter is None:
        raise refuse("no_charter", "there is no charter")
    made = judge_bootstrap(Trust(state.charter), envelope, now_ns)
    contents, book = _bootstrap_contents(home, _in_force(home))
    held = {name: sha256(data).hexdigest() for name, (data, _) in contents.items()}
    named = {each.id: each.sha256 for each in made.manifest.objects}
    if {name: each.sha256 for name, each in made.objects.items()} != held or named["rulebook"] != book.removeprefix("sha256:"):
        raise refuse("stale_base", "the bootstrap policy does not follow from what is in force by now", help="draft it again")
    for data, _ in contents.values():
        write_durably(out / "objects" / sha256(data).hexdigest(), data)
    _write_charters(state, out)
    write_durably(out / BOOTSTRAP_FILE, _line(envelope))
    return made


def _bootstrap_contents(home: Home, stated: InForce) -> tuple[dict[str, tuple[bytes, str]], str]:
    book = bootstrap_of(rulebook_of(home, stated.rulebook))
    areas = contents_of(home, stated)["areas"]
    return {"areas": areas, "rulebook": (book.text.encode(), "application/yaml")}, book.digest


def contents_of(home: Home, stated: InForce) -> dict[str, tuple[bytes, str]]:
    """Return the bytes and media type of each object in force."""
    rulebook, areas = (each.removeprefix("sha256:") for each in (stated.rulebook, stated.areas))
    return {
        "areas": ((home.areas / f"{areas}.parquet").read_bytes(), "application/vnd.apache.parquet"),
        "rulebook": ((home.rulebooks / f"{rulebook}.yaml").read_bytes(), "application/yaml"),
    }


def registers_at(home: Home, at_ns: int) -> bytes:
    """Return what rules see of the registers at an instant, as known then [ns, UTC]; the same whenever it is asked."""
    screening = {}
    if (home.path / "lists" / "index.sqlite").exists():
        with SanctionsLists.open(home) as lists:
            screening = {source: each.recorded_ns for source, each in lists.newest_by_source(known_at_ns=at_ns).items()}
    with Registers.open(home) as registers:
        return write_extract(registers, at_ns, screening)


def last_seq(state: State) -> int:
    """Return the number of the last snapshot on record; 0 before the first."""
    return max((int(each.body["snapshot_seq"]) for each in state.entries if each.kind == KIND and "snapshot_seq" in each.body), default=0)


def publish(governance: Governance, envelope: Mapping[str, Any], out: Path) -> tuple[Snapshot, Logged]:
    """Put a signed snapshot on record, and write everything that enforcement points load.

    Args:
        governance: of the home.
        envelope: with the signatures of several persons.
        out: folder to write to.
    Returns:
        The snapshot, and its entry.
    Raises:
        ConflictError: as `snapshot.judge_snapshot`; `stale_base` where another policy is in force now; `suspended`. The
            refusal is on record.
    """
    try:
        snapshot = _checked(governance, envelope)
    except (ConflictError, InputError) as error:
        governance.refused(KIND, envelope, error)
        raise
    stated = _in_force(governance.home)
    body = {
        "areas": stated.areas, "enactment_index": stated.log_index, "expires": format_time(snapshot.expires), "governed": True,
        "in_force_from": format_time(whole_ms(stated.enacted_at_ns)), "lists": stated.lists, "note": "signed snapshot",
        "policy_digest": snapshot.policy_digest, "proposal": stated.proposal or None, "rulebook": stated.rulebook,
        "snapshot": snapshot.digest, "snapshot_seq": snapshot.seq,
    }  # fmt: skip
    logged = governance.announce(body)
    write_folder(governance.home, governance.state, envelope, out, now_ns=governance.clock())
    return snapshot, logged


def write_folder(home: Home, state: State, envelope: Mapping[str, Any], out: Path, *, now_ns: int) -> None:
    """Write what enforcement points load; the snapshot last, so that it never names content that is not there."""
    payload, _ = open_envelope(envelope, (), SNAPSHOT_TYPE)
    snapshot = Snapshot.parse_bytes(payload)
    for data in _bytes_of(home, _in_force(home), snapshot).values():
        write_durably(out / "objects" / sha256(data).hexdigest(), data)
    running = {each.id for each in active(state, now_ns)}
    _write_charters(state, out)
    for entry in state.entries:
        if entry.kind == "emergency-open":
            value = json.loads(b64decode(str(entry.body["payload"]).replace("-", "+").replace("_", "/")))
            if value.get("id") in running:
                write_openings(home, value["scope"]["terminals"], out / "emergencies" / f"{value['id']}.openings")
                write_durably(out / "emergencies" / f"{value['id']}.dsse", _line(entry.body))
    write_durably(out / SNAPSHOT_FILE, _line(envelope))


def _write_charters(state: State, out: Path) -> None:
    for entry in state.entries:
        if entry.kind == "charter" and entry.index in state.charters:
            write_durably(out / "charters" / f"{state.charters[entry.index].version}.dsse", _line(entry.body))


def _bytes_of(home: Home, stated: InForce, snapshot: Snapshot) -> dict[str, bytes]:
    found = {name: data for name, (data, _) in contents_of(home, stated).items()}
    return found | ({REGISTERS: registers_at(home, snapshot.issued)} if REGISTERS in snapshot.objects else {})


def _line(envelope: Mapping[str, Any]) -> bytes:
    return json.dumps(dict(envelope), sort_keys=True).encode() + b"\n"


def _checked(governance: Governance, envelope: Mapping[str, Any]) -> Snapshot:
    state = governance.state
    if state.charter is None:
        raise refuse("no_charter", "there is no charter")
    now = governance.clock()
    snapshot, _ = judge_snapshot(Trust(state.charter, last_seq(state)), envelope, now)
    _, keys = open_envelope(envelope, state.charter.trusted, SNAPSHOT_TYPE)
    if len(counted(state.charter, keys, now) - suspensions(state).keys()) < state.charter.limits.snapshot_signers:
        raise refuse("suspended", "a signer is suspended until a review decides", help="let somebody else of role policy sign")
    stated = _in_force(governance.home)
    if (snapshot.policy_digest, snapshot.enactment_index) != (policy_digest(stated.rulebook, stated.areas), stated.log_index):
        raise refuse("stale_base", "another policy is in force by now", help="draft the snapshot again")
    held = {name: sha256(data).hexdigest() for name, data in _bytes_of(governance.home, stated, snapshot).items()}
    if {name: each.sha256 for name, each in snapshot.objects.items()} != held:
        raise refuse("content_differs", "it names other content than the home holds", help="draft the snapshot again")
    return snapshot


def _in_force(home: Home) -> InForce:
    stated = in_force(home)
    if stated is None:
        raise refuse("no_charter", "there is no charter in force", help="begin with: groundrule charter draft")
    return stated


def times_of(snapshot: Snapshot, now_ns: int) -> dict[str, Any]:
    """Return how old a snapshot is and whether it has expired."""
    return {"staleness_s": max(0, now_ns - snapshot.issued) // 1_000_000_000, "expired": now_ns >= snapshot.expires}
