"""Objects of governance: changes, proposals with their impact, approvals, enactments, emergencies, reviews, refusals.

Requests, screenings and contacts are in `dealings` and named here too, so that one import finds every object. Ids are
`<type>-<32 hex digits>`; the id of a proposal is the digest of its bytes, so that an edit is another proposal.

Source: governance specification sections 4.1 to 4.5.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Any, Final

from groundrule.canon import canonical_json
from groundrule.errors import InputError
from groundrule.govern.dealings import (
    Algorithm,
    Ask,
    Candidate,
    Contact,
    ContactUpdate,
    Disclosure,
    Evidence,
    LegalBasis,
    ListSnapshot,
    NilReturn,
    Ownership,
    PartyRecord,
    Request,
    RequestOutcome,
    Screening,
)
from groundrule.govern.signed import (
    COMMITTED,
    NS_PER_HOUR,
    Code,
    Codec,
    Digest,
    DigestOrNone,
    Kept,
    Nonce,
    Parties,
    Person,
    Persons,
    Short,
    ShortOrNone,
    Shorts,
    Signed,
    Text,
    TextOrEmpty,
    Time,
    TimeOrNone,
    boolean,
    identifier,
    integer,
    json_value,
    many,
    matching,
    maybe,
    nested,
    new_id,
    one_of,
    payload_type,
    table,
)

OBJECT_TYPES: Final = ("rulebook", "area", "service", "list", "programme", "waiver", "charter", "record")
MAX_EMERGENCY_S: Final = 86_400
MAX_REVIEW_NS: Final = 72 * NS_PER_HOUR
_OBJECT = re.compile(rf"({'|'.join(OBJECT_TYPES)})(/[A-Za-z0-9][A-Za-z0-9._:@+-]{{0,127}})?")
_CONTACT = re.compile(rf"contact-[0-9a-f]{{32}}|{COMMITTED}[0-9a-f]{{64}}")
_OUTCOME = re.compile(r"serve|restrict|review|deny|none")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change(Signed):
    """One step of a change set.

    Attributes:
        object: `<type>` or `<type>/<name>`; types are rulebook, area, service, list, programme, waiver, charter, record.
        before_sha256: digest of the object in the base policy; null when it is created.
        after: the content, or `{sha256, size, media_type}` for content stored elsewhere; null when it is deleted.
        after_sha256: digest of the content; null when it is deleted.
    """

    op: Annotated[str, one_of("create", "replace", "delete", "disclose")]
    object: Annotated[str, matching(_OBJECT, f"one of {', '.join(OBJECT_TYPES)}, perhaps with a slash and a name")]
    before_sha256: DigestOrNone
    after: Annotated[Any, json_value()]
    after_sha256: DigestOrNone

    def check(self) -> None:
        """Refuse digests that contradict the operation or the content."""
        before, after = self.before_sha256 is not None, self.after_sha256 is not None
        if (before, after) != {"create": (False, True), "replace": (True, True), "delete": (True, False)}.get(
            self.op, (True, False)
        ):
            raise InputError(
                f"change: `{self.op}` of `{self.object}` with other digests",
                help="create has only after_sha256, replace has both, delete and disclose only before_sha256",
            )
        if self.op in ("create", "replace") and self.content_digest != self.after_sha256:
            raise InputError(f"change: the content of `{self.object}` has another digest", help="recompute after_sha256")
        if self.op == "delete" and self.after is not None:
            raise InputError(f"change: `{self.object}` is deleted with content", help="`after` is null")
        if (self.op == "disclose") is not (self.type == "record"):
            raise InputError("change: `disclose` is for records, and records are only disclosed")

    @property
    def type(self) -> str:
        """What kind of object changes."""
        return self.object.partition("/")[0]

    @property
    def content_digest(self) -> str:
        """Digest of the content after the change: of what it refers to, or of its canonical JSON."""
        after = self.after
        if isinstance(after, Mapping) and after.keys() == {"sha256", "size", "media_type"}:
            return str(after["sha256"])
        return sha256(canonical_json(after)).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval(Signed):
    """Half-open interval in UTC; `until` null has no end."""

    from_: Time
    until: TimeOrNone
    tz: Annotated[str, one_of("UTC")]

    def check(self) -> None:
        """Refuse an empty interval."""
        if self.until is not None and self.until <= self.from_:
            raise InputError("proposal: an empty interval", help="`until` is after `from`")

    def covers(self, at_ns: int) -> bool:
        """Tell whether an instant [ns] lies in the interval."""
        return self.from_ <= at_ns and (self.until is None or at_ns < self.until)


@dataclass(frozen=True, kw_only=True)
class Proposal(Kept):
    """A wanted change; immutable, its id is the digest of its bytes.

    Attributes:
        base_policy_digest: the policy that it changes.
        class_: at least what `classify` computes.
        beneficiaries: who gains.
        supersedes: the proposal that this one edits; all authors along the chain count as editors.
        expires: null for the default of the charter.
        impact_digest: of the impact logged with it.
        contacts_in_scope: contacts of role holders with the parties concerned, found by code: ids where the log names the parties
            of the contact, else commitments (`contacts.commit_contact`), among them some that stand for nothing.
        licence: the licence that allows dealing with a listed party; null when there is none.
    """

    base_policy_digest: Digest
    change_set: Annotated[tuple[Change, ...], many(nested(Change), least=1)]
    class_: Annotated[str, one_of("routine", "sensitive", "critical", "charter", "disclosure")]
    requests: Annotated[tuple[str, ...], many(identifier("request"), most=200)]
    beneficiaries: Parties
    author: Person
    supersedes: DigestOrNone
    rationale: Text
    reversal_plan: Text
    effective: Annotated[Interval, nested(Interval)]
    expires: TimeOrNone
    impact_digest: Digest
    screenings: Annotated[tuple[str, ...], many(identifier("screening"))]
    contacts_in_scope: Annotated[tuple[str, ...], many(matching(_CONTACT, "a contact's id, or its commitment"))]
    licence: ShortOrNone
    emergency: Annotated[bool, boolean()]

    def check(self) -> None:
        """Refuse an emergency in disguise, two changes of one object, and company for what stands alone."""
        if self.emergency:
            raise InputError("proposal: emergency acts are no proposals", help="open an emergency instead")
        if len({change.object for change in self.change_set}) != len(self.change_set):
            raise InputError("proposal: one object is changed twice", help="one change for each object")
        alone = {"charter", "record"} & {change.type for change in self.change_set}
        if alone and len(self.change_set) > 1:
            raise InputError(f"proposal: a change of a {min(alone)} stands alone", help="propose the rest separately")

    @property
    def id(self) -> str:
        """Digest of the canonical bytes [64 hex digits]."""
        return self.digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Run(Signed):
    """One independent computation of an impact."""

    engine: Short
    version: Short
    result_digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach(Signed):
    """What a change touches beyond counts, as computed with the impact; anything here makes the change critical.

    Attributes:
        countries: whole countries whose terminals change.
        conflict_areas: areas declared as conflict areas that the change touches.
        sanctions_exceptions: list entries or waivers that lift a sanctions denial.
        wartime_denials: terminals newly denied in a declared war.
    """

    countries: Shorts
    conflict_areas: Shorts
    sanctions_exceptions: Shorts
    wartime_denials: Annotated[int, integer()]

    @property
    def empty(self) -> bool:
        """Whether nothing makes the change critical."""
        return not (self.countries or self.conflict_areas or self.sanctions_exceptions or self.wartime_denials)


_COUNTS = table(table(table(integer())))


@dataclass(frozen=True, kw_only=True)
class Impact(Kept):
    """What a change set does to the fleet.

    Attributes:
        counts: outcome before → outcome after → class of terminal → number of terminals.
        protected_changed: protected terminals or classes whose outcome changes (hospitals, rescue, emergency calls).
        reach: what makes a change critical.
        k_suppressed: cells left out for privacy.
        runs: at least two independent computations with the same result.
    """

    policy_a: Digest
    policy_b: Digest
    fleet_digest: Digest
    counts: Annotated[Mapping[str, Mapping[str, Mapping[str, int]]], _COUNTS]
    protected_changed: Shorts
    reach: Annotated[Reach, nested(Reach)]
    k_suppressed: Shorts
    runs: Annotated[tuple[Run, ...], many(nested(Run), least=2, most=20, unique=False)]

    def check(self) -> None:
        """Refuse runs that differ or are not independent, and unknown outcomes."""
        if len({run.result_digest for run in self.runs}) != 1:
            raise InputError("impact: the runs differ", help="find out why; both results are evidence")
        if len({(run.engine, run.version) for run in self.runs}) < 2:
            raise InputError("impact: the runs are not independent", help="use two engines")
        for name in (*self.counts, *(after for row in self.counts.values() for after in row)):
            if _OUTCOME.fullmatch(name) is None:
                raise InputError(f"impact: unknown outcome `{name[:40]}`", help="serve, restrict, review, deny or none")

    @property
    def changed(self) -> int:
        """Terminals whose outcome changes."""
        return sum(
            number
            for before, row in self.counts.items()
            for after, cells in row.items()
            if after != before
            for number in cells.values()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenCheckpoint(Signed):
    """The log as an approver saw it; the root in 64 hex digits."""

    size: Annotated[int, integer(1)]
    root: Digest

    @property
    def root_hash(self) -> bytes:
        """The root [32 bytes]."""
        return bytes.fromhex(self.root)


def _conflicts() -> Codec[tuple[str, ...]]:
    listed = many(identifier("contact"), least=1, most=200)
    return Codec(
        lambda value, where: () if value == "none" else listed.read(value, where),
        lambda contacts: list(contacts) or "none",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval(Signed):
    """A verdict of one person about exact bytes; travels in an envelope signed by that person.

    Attributes:
        verdict: `reject` withdraws an own approval, `recuse` is final for the proposal.
        conflict_statement: contacts that may bear on it; empty for the statement `none`.
    """

    proposal_digest: Digest
    impact_digest: Digest
    verdict: Annotated[str, one_of("approve", "reject", "recuse")]
    role: Annotated[str, one_of("root", "policy", "critical", "review")]
    person: Person
    charter_version: Annotated[int, integer(1)]
    seen_checkpoint: Annotated[SeenCheckpoint, nested(SeenCheckpoint)]
    conflict_statement: Annotated[tuple[str, ...], _conflicts()]
    nonce: Nonce
    signed_at: Time
    expires: Time

    def check(self) -> None:
        """Refuse an approval that never counts."""
        if self.expires <= self.signed_at:
            raise InputError("approval: it expires before it is signed", help="`expires` is after `signed_at`")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRef(Signed):
    """An approval relied upon: digest of its payload and place in the log."""

    digest_: Digest
    log_index: Annotated[int, integer()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Enactment(Signed):
    """The moment a proposal takes effect, with the log indexes of everything relied on."""

    proposal_digest: Digest
    approvals: Annotated[tuple[ApprovalRef, ...], many(nested(ApprovalRef), least=2, most=500)]
    charter_version: Annotated[int, integer(1)]
    charter_index: Annotated[int, integer()]
    proposal_index: Annotated[int, integer()]
    screening_indexes: Annotated[tuple[int, ...], many(integer())]
    policy_digest_before: Digest
    policy_digest_after: Digest
    enacted_at: Time


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope(Signed):
    """What an emergency touches; empty lists mean nothing, never everything."""

    areas: Shorts
    terminals: Shorts
    ops: Annotated[tuple[str, ...], many(one_of("serve", "restrict", "review", "deny"))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Emergency(Signed):
    """A narrow, short, one-directional act of two persons; travels in an envelope that both sign."""

    id: Annotated[str, identifier("emergency")]
    openers: Annotated[tuple[str, ...], many(identifier("party"), least=2, most=2)]
    condition: Code
    scope: Annotated[Scope, nested(Scope)]
    direction: Annotated[str, one_of("permit_only", "deny_only")]
    opened_at: Time
    ttl_s: Annotated[int, integer(1, MAX_EMERGENCY_S)]
    renewal_of: Annotated[str | None, maybe(identifier("emergency"))]
    auto_revert_digest: Digest
    review_due: Time

    def check(self) -> None:
        """Refuse a scope of nothing, operations against the direction, and a review due after 72 hours."""
        if not (self.scope.areas or self.scope.terminals) or not self.scope.ops:
            raise InputError("emergency: a scope of nothing", help="name areas or terminals, and operations")
        wrong = {"permit_only": {"deny", "restrict"}, "deny_only": {"serve"}}[self.direction] & set(self.scope.ops)
        if wrong:
            raise InputError(f"emergency: `{min(wrong)}` goes against `{self.direction}`", help="open two emergencies")
        if not self.opened_at < self.review_due <= self.opened_at + MAX_REVIEW_NS:
            raise InputError("emergency: the review is due within 72 hours of the opening")


@dataclass(frozen=True, slots=True, kw_only=True)
class EmergencyClose(Signed):
    """The end of an emergency."""

    emergency: Annotated[str, identifier("emergency")]
    end: Annotated[str, one_of("expired", "reverted", "closed")]
    at: Time


@dataclass(frozen=True, slots=True, kw_only=True)
class Review(Signed):
    """A review, opened without a verdict and concluded with one, in an envelope that the reviewers sign.

    Attributes:
        id: the same when it is opened and when it is concluded.
        of: id of an emergency, a contact or a proposal (its enactment).
        reviewers: who sign; nobody who opened, wrote or approved anything in the case.
        verdict: null while open; `upheld` leaves what was decided, `reversed` calls for a reverting proposal.
    """

    id: Annotated[str, identifier("review")]
    of: Annotated[str, matching(re.compile(r"(emergency|contact)-[0-9a-f]{32}|[0-9a-f]{64}"), "an emergency, contact or proposal")]
    reviewers: Persons
    verdict: Annotated[str | None, maybe(one_of("upheld", "reversed", "partly"))]
    findings: TextOrEmpty
    remedy: TextOrEmpty
    due: Time
    actual: TimeOrNone

    def check(self) -> None:
        """Refuse a verdict without reviewers, findings and time."""
        if self.verdict is not None and not (self.reviewers and self.findings and self.actual is not None):
            raise InputError("review: a verdict needs reviewers, findings and the time it was reached")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection(Signed):
    """A refused act, on record: what was refused by digest, and why. It changes nothing.

    Attributes:
        what: the kind of entry that was refused, or `proposal-ended`.
        digest_: SHA-256 of the refused bytes, or the id of the proposal.
        code: of the refusal.
        sentence: of the refusal; ids and digests only.
    """

    what: Code
    digest_: Digest
    code: Code
    sentence: Short


__all__ = [
    "Algorithm",
    "Approval",
    "ApprovalRef",
    "Ask",
    "Candidate",
    "Change",
    "Contact",
    "ContactUpdate",
    "Disclosure",
    "Emergency",
    "EmergencyClose",
    "Enactment",
    "Evidence",
    "Impact",
    "Interval",
    "LegalBasis",
    "ListSnapshot",
    "NilReturn",
    "Ownership",
    "PartyRecord",
    "Proposal",
    "Reach",
    "Rejection",
    "Request",
    "RequestOutcome",
    "Review",
    "Run",
    "Scope",
    "Screening",
    "SeenCheckpoint",
    "new_id",
    "payload_type",
]
