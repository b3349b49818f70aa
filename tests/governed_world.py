"""An invented operator with its persons, keys and charter, and a log of governance that tests write entry by entry."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from groundrule.canon import canonical_json, canonical_signed, format_base64
from groundrule.govern import quorum
from groundrule.govern.charter import DEFAULT_CLASSES, DEFAULT_LIMITS, Charter
from groundrule.govern.expression import k_of
from groundrule.govern.objects import Emergency, Impact, Proposal, Review
from groundrule.govern.signed import NS_PER_HOUR, format_time, parse_time, payload_type
from groundrule.govern.state import State
from groundrule.signing import SigningKey, sign_envelope

HOUR = NS_PER_HOUR
DAY = 24 * HOUR
MINUTE = HOUR // 60
SECOND = MINUTE // 60
START = parse_time("2026-03-02T09:00:00.000Z")  # a Monday
POLICY = hashlib.sha256(b"policy at genesis (invented)").hexdigest()
LIST_A = hashlib.sha256(b"list of Tuesday (invented)").hexdigest()
LIST_B = hashlib.sha256(b"list of Wednesday (invented)").hexdigest()


@cache
def ident(kind: str, name: object) -> str:
    return f"{kind}-{hashlib.sha256(f'{kind} {name} (invented)'.encode()).hexdigest()[:32]}"


def party(name: object) -> str:
    return ident("party", name)


def digest(name: object) -> str:
    return hashlib.sha256(f"{name} (invented)".encode()).hexdigest()


@cache
def key(name: object) -> SigningKey:
    return SigningKey.from_seed("ed25519", hashlib.sha256(f"key of {name} (invented)".encode()).digest())


@cache
def vkey(name: str, signing: SigningKey) -> str:
    key_id = hashlib.sha256(name.encode() + b"\n\x01" + signing.public).hexdigest()[:8]
    encoded = format_base64(b"\x01" + signing.public)
    return f"{name}+{key_id}+{encoded}"


POLICY_MEMBERS = ("p1", "p2", "p3", "p4", "p5")
CRITICAL_MEMBERS = ("c1", "c2", "c3", "c4", "c5", "c6", "c7")
ROOT_MEMBERS = ("r1", "r2", "r3", "r4", "r5", "r6", "r7")
EMERGENCY_MEMBERS = ("e1", "e2", "e3", "e4", "e5")
REVIEW_MEMBERS = ("v1", "v2", "v3", "v4", "v5")
SPARE_MEMBERS = ("s1", "s2", "s3")
EVERYONE = (*POLICY_MEMBERS, *CRITICAL_MEMBERS, *ROOT_MEMBERS, *EMERGENCY_MEMBERS, *REVIEW_MEMBERS, *SPARE_MEMBERS, "g1", "author")


def key_value(name: str, keyname: str = "", **changes: Any) -> dict[str, Any]:
    return {
        "vkey": vkey(name, key(keyname or name)),
        "from": format_time(START - 30 * DAY),
        "to": None,
        "custody": "software",
    } | changes


def member(name: str, group: str | None = None, *keynames: str) -> dict[str, Any]:
    return {
        "party": party(name),
        "keys": [key_value(name, each) for each in (keynames or (name,))],
        "org_unit": "unit (invented)",
        "independence_group": group or f"group{int(name[-1]) % 3 if name[-1].isdigit() else 0}",
    }


def charter_value(**changes: Any) -> dict[str, Any]:
    """Everybody in one role only, so that tests can tell the roles apart."""
    roles = {
        "root": (ROOT_MEMBERS, 4),
        "policy": (POLICY_MEMBERS, 2),
        "critical": (CRITICAL_MEMBERS, 4),
        "emergency": (EMERGENCY_MEMBERS, 2),
        "review": (REVIEW_MEMBERS, 3),
    }
    return {
        "version": 1,
        "issued": format_time(START),
        "expires": format_time(START + 300 * DAY),
        "policy_digest": POLICY,
        "persons": [member(name) for name in EVERYONE],
        "roles": {name: k_of(map(party, members), k) for name, (members, k) in roles.items()}
        | {"registrar": f"person g1 {party('g1')}\nquorum g1\n"},
        "substitutes": {"policy": [party(name) for name in SPARE_MEMBERS]},
        "change_classes": {name: each.value for name, each in DEFAULT_CLASSES.items()},
        "limits": DEFAULT_LIMITS.value,
        "covered_persons": [{"party": party("owner"), "as": "owner"}, {"party": party("p1"), "as": "executive"}],
    } | changes


def envelope(kind: str, value: dict[str, Any], *signers: str) -> dict[str, Any]:
    return sign_envelope(canonical_signed(value), payload_type(kind), [key(name) for name in signers])


def request_value(name: object = "request", **changes: Any) -> dict[str, Any]:
    return {
        "id": ident("request", name),
        "requester": party("requester"),
        "on_behalf_of": [party("principal")],
        "conveyed_by": None,
        "channel": "letter",
        "received_by": party("g1"),
        "occurred_at": format_time(START),
        "received_at": format_time(START),
        "recorded_at": format_time(START),
        "text_sha256": digest("letter"),
        "ask": [{"op": "serve", "object": "area/north (invented)", "from": None, "until": None, "detail": ""}],
        "legal_basis": {"kind": "voluntary", "reference": ""},
        "purpose": "commercial",
        "appeal_of": None,
        "outcome": "pending",
        "outcome_reason": "",
    } | changes


def outcome_value(name: object = "request", outcome: str = "refused", **changes: Any) -> dict[str, Any]:
    return {
        "id": ident("request", name),
        "outcome": outcome,
        "outcome_reason": "because (invented)",
        "conflicts": [],
        "priority": None,
        "at": format_time(START + HOUR),
    } | changes


def screening_value(subject: str, at_ns: int, name: object = None, **changes: Any) -> dict[str, Any]:
    return {
        "id": ident("screening", name if name is not None else (subject, at_ns)),
        "subject": subject,
        "snapshots": [{"source": "list-a", "date": "2026-03-01", "sha256": LIST_A}],
        "algorithm": {"name": "match (invented)", "version": "1"},
        "candidates": [],
        "ownership": [],
        "performed_at": format_time(at_ns),
        "valid_until": format_time(at_ns + DAY),
    } | changes


def contact_value(name: object, covered: str, counterparty: str, **changes: Any) -> dict[str, Any]:
    """A contact that a third party alleges, reported in time."""
    return {
        "id": ident("contact", name),
        "covered_person": covered,
        "counterparty": counterparty,
        "counterparty_kind": "legal_entity",
        "capacity": "private",
        "channel": "meeting",
        "occurred_from": format_time(START - DAY),
        "occurred_to": format_time(START - DAY),
        "pattern": "single",
        "topics": [],
        "ask_made": None,
        "reported_by": party("outsider"),
        "reported_at": format_time(START),
        "basis": "third_party",
        "status": "alleged",
        "evidence": [],
        "disclosed_to": [],
        "sealed_until": None,
    } | changes


def own_contact(name: object, person: str, counterparty: str, **changes: Any) -> dict[str, Any]:
    """The body of a contact that a person reports and signs."""
    own = {"reported_by": party(person), "basis": "self", "status": "self_reported"}
    return envelope("contact", contact_value(name, party(person), counterparty, **(own | changes)), person)


def impact_value(before: str, after: str, **changes: Any) -> dict[str, Any]:
    return {
        "policy_a": before,
        "policy_b": after,
        "fleet_digest": digest("fleet"),
        "counts": {"serve": {"serve": {"consumer": 100}, "deny": {"consumer": 3}}},
        "protected_changed": [],
        "reach": {"countries": [], "conflict_areas": [], "sanctions_exceptions": [], "wartime_denials": 0},
        "k_suppressed": [],
        "runs": [
            {"engine": "compiled", "version": "1", "result_digest": digest("result")},
            {"engine": "reference", "version": "1", "result_digest": digest("result")},
        ],
    } | changes


def change_value(object_: str = "rulebook", **changes: Any) -> dict[str, Any]:
    content = {"invented": object_}
    return {
        "op": "replace",
        "object": object_,
        "before_sha256": digest("before"),
        "after": content,
        "after_sha256": hashlib.sha256(canonical_json(content)).hexdigest(),
    } | changes


@dataclass
class World:
    """A log that is written entry by entry; `now` moves on by hand."""

    now: int = START
    state: State = field(default_factory=State)
    entries: list[tuple[int, int, str, dict[str, Any]]] = field(default_factory=list)
    counter: int = 0

    @classmethod
    def governed(cls, **charter: Any) -> World:
        """Return a world with a charter."""
        if not charter:
            return _governed().copy()
        world = cls()
        world.log("charter", envelope("charter", charter_value(**charter), *ROOT_MEMBERS[:4]))
        return world

    def copy(self) -> World:
        """Return a world that goes on from this one."""
        return World(self.now, self.state.copy(), list(self.entries), self.counter)

    def log(self, kind: str, body: dict[str, Any]) -> int:
        """Append an entry that must be admitted; returns its index."""
        self.state.check(kind, body, self.now, len(self.entries))
        return self.force(kind, body)

    def force(self, kind: str, body: dict[str, Any]) -> int:
        """Append an entry, whatever it is, as somebody could who writes the log."""
        index = len(self.entries)
        self.state.apply(index, self.now, kind, body)
        self.entries.append((index, self.now, kind, body))
        return index

    def screen(self, *parties: str, **changes: Any) -> list[str]:
        """Screen parties now; returns the ids of the screenings."""
        values = [screening_value(each, self.now, (each, self.now, len(self.entries), n), **changes) for n, each in enumerate(parties)]
        for value in values:
            self.log("screening", value)
        return [value["id"] for value in values]

    def proposal_body(self, name: object = "change", **changes: Any) -> dict[str, Any]:
        """Return the body of a proposal on the current policy."""
        impact_changes = changes.pop("impact", {})
        assert self.state.policy_digest is not None
        impact = impact_value(self.state.policy_digest, digest(("policy after", name)), **impact_changes)
        proposal = {
            "base_policy_digest": self.state.policy_digest,
            "change_set": [change_value()],
            "class": "routine",
            "requests": [],
            "beneficiaries": [],
            "author": party("author"),
            "supersedes": None,
            "rationale": f"{name} (invented)",
            "reversal_plan": "put the old rulebook back",
            "effective": {"from": format_time(self.now), "until": None, "tz": "UTC"},
            "expires": None,
            "impact_digest": Impact.parse(impact).digest,
            "screenings": [],
            "contacts_in_scope": [],
            "licence": None,
            "emergency": False,
        } | changes
        return {"proposal": proposal, "impact": impact}

    def propose(self, name: object = "change", **changes: Any) -> str:
        """Log a proposal; returns its id."""
        body = self.proposal_body(name, **changes)
        self.log("proposal", body)
        return Proposal.parse(body["proposal"]).id

    def approval(
        self, proposal_id: str, person: str, verdict: str = "approve", *, signer: str | None = None, **changes: Any
    ) -> dict[str, Any]:
        """Return a signed approval."""
        logged, charter = self.state.proposals[proposal_id], self.state.charter
        assert charter is not None
        self.counter += 1
        value = {
            "proposal_digest": proposal_id,
            "impact_digest": logged.proposal.impact_digest,
            "verdict": verdict,
            "role": charter.change_class(logged.proposal.class_).role,
            "person": party(person),
            "charter_version": charter.version,
            "seen_checkpoint": {"size": max(len(self.entries), 1), "root": digest("root")},
            "conflict_statement": "none",
            "nonce": f"{self.counter:032x}",
            "signed_at": format_time(self.now),
            "expires": format_time(self.now + 3 * DAY),
        } | changes
        return envelope("approval", value, signer or person)

    def approve(self, proposal_id: str, *persons: str, verdict: str = "approve") -> None:
        """Log a verdict of each person."""
        for person in persons:
            self.log("approval", self.approval(proposal_id, person, verdict))

    def judge(self, proposal_id: str, **more: Any) -> quorum.Judgement:
        """Judge a proposal now."""
        return quorum.judge(self.state, proposal_id, at_ns=self.now, **more)

    def enact(self, proposal_id: str) -> int:
        """Enact a proposal."""
        made = quorum.enactment(self.state, proposal_id, self.judge(proposal_id), self.now)
        return self.log("enactment", made.value)

    def emergency_value(self, name: object = "emergency", **changes: Any) -> dict[str, Any]:
        return {
            "id": ident("emergency", name),
            "openers": [party("e1"), party("e2")],
            "condition": "danger_to_life",
            "scope": {"areas": [f"area {name} (invented)"], "terminals": [], "ops": ["serve"]},
            "direction": "permit_only",
            "opened_at": format_time(self.now),
            "ttl_s": 86_400,
            "renewal_of": None,
            "auto_revert_digest": self.state.policy_digest,
            "review_due": format_time(self.now + 3 * DAY),
        } | changes

    def open_emergency(self, name: object = "emergency", *signers: str, **changes: Any) -> str:
        value = self.emergency_value(name, **changes)
        self.log("emergency-open", envelope("emergency", value, *(signers or ("e1", "e2"))))
        return Emergency.parse(value).id

    def review_value(self, of: str, verdict: str | None = "upheld", name: object = "review", **changes: Any) -> dict[str, Any]:
        return {
            "id": ident("review", (name, of)),
            "of": of,
            "reviewers": [party(each) for each in ("v1", "v2", "v3")] if verdict else [],
            "verdict": verdict,
            "findings": "looked at (invented)" if verdict else "",
            "remedy": "",
            "due": format_time(self.now + 3 * DAY),
            "actual": format_time(self.now) if verdict else None,
        } | changes

    def conclude(self, of: str, verdict: str = "upheld", **changes: Any) -> str:
        value = self.review_value(of, verdict, **changes)
        self.log("review", envelope("review", value, "v1", "v2", "v3"))
        return Review.parse(value).id


@cache
def _governed() -> World:
    world = World()
    world.log("charter", envelope("charter", charter_value(), *ROOT_MEMBERS[:4]))
    return world


def charter(**changes: Any) -> Charter:
    return Charter.parse(charter_value(**changes))
