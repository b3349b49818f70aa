"""What comes from outside: parties, their requests, how they were screened, and contacts with them.

The log holds ids of parties; their names are private records. A party whose id is not public stands as a commitment
(`contacts.commit_party`) until a response or a review opens it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from groundrule.errors import InputError
from groundrule.govern.signed import (
    NS_PER_HOUR,
    SELF,
    UNKNOWN,
    Code,
    Date,
    Digest,
    Party,
    PartyOrNone,
    Person,
    Short,
    ShortOrNone,
    Shorts,
    Signed,
    TextOrEmpty,
    Time,
    TimeOrNone,
    boolean,
    identifier,
    integer,
    many,
    maybe,
    nested,
    one_of,
    party,
)

PARTY_KINDS: Final = (
    "natural_person",
    "legal_entity",
    "government_body",
    "head_of_state_or_government",
    "international_org",
    "unknown",
)
CHANNELS: Final = ("letter", "call", "meeting", "email", "api", "court_order", "intermediary", "other")
ASKS: Final = ("serve", "restrict", "review", "deny", "refrain", "list_add", "list_remove", "disclose", "other")
OUTCOMES: Final = ("pending", "proposed", "refused", "withdrawn", "informally_followed", "corrected")
STATUSES: Final = ("alleged", "self_reported", "corroborated", "disputed", "denied", "withdrawn", "unknown")
DECIDED: Final = ("true", "false")
"""Dispositions of a screening candidate that a registrar answers for."""
MAX_SCREENING_NS: Final = 24 * NS_PER_HOUR

RequestId = Annotated[str, identifier("request")]
ContactId = Annotated[str, identifier("contact")]
ScreeningId = Annotated[str, identifier("screening")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Name(Signed):
    """One spelling of a party's name."""

    text: Short
    script: Code
    lang: ShortOrNone
    from_: TimeOrNone
    to: TimeOrNone


@dataclass(frozen=True, slots=True, kw_only=True)
class Identifier(Signed):
    """A number under which others know a party."""

    scheme: Code
    value_: Short


@dataclass(frozen=True, slots=True, kw_only=True)
class Control(Signed):
    """Whom a party controls; shares in basis points."""

    party: Party
    kind: Annotated[str, one_of("owns", "directs", "employs", "family")]
    share_bp: Annotated[int | None, maybe(integer(0, 10_000))]
    from_: TimeOrNone
    to: TimeOrNone
    source: Short


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyRecord(Signed):
    """A person or body, as the private register holds it."""

    id: Person
    kind: Annotated[str, one_of(*PARTY_KINDS)]
    names: Annotated[tuple[Name, ...], many(nested(Name), least=1)]
    identifiers: Annotated[tuple[Identifier, ...], many(nested(Identifier))]
    jurisdiction: ShortOrNone
    controls: Annotated[tuple[Control, ...], many(nested(Control))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask(Signed):
    """One thing that a request asks for; `refrain` asks not to act."""

    op: Annotated[str, one_of(*ASKS)]
    object: Short
    from_: TimeOrNone
    until: TimeOrNone
    detail: TextOrEmpty


@dataclass(frozen=True, slots=True, kw_only=True)
class LegalBasis(Signed):
    """On what a request rests, with the reference to it."""

    kind: Annotated[str, one_of("law", "court", "contract", "treaty", "voluntary", "none_stated")]
    reference: TextOrEmpty


@dataclass(frozen=True, slots=True, kw_only=True)
class Request(Signed):
    """Something that somebody asked of the operator; later entries of kind `request` carry its outcome.

    Attributes:
        on_behalf_of: the chain to the real principal, in order; `self` is the requester, `unknown` raises the class.
        appeal_of: the decision or object that an owner appeals against, or null.
    """

    id: RequestId
    requester: Party
    on_behalf_of: Annotated[tuple[str, ...], many(party(also=(SELF, UNKNOWN)), least=1, most=50)]
    conveyed_by: PartyOrNone
    channel: Annotated[str, one_of(*CHANNELS)]
    received_by: Person
    occurred_at: Time
    received_at: Time
    recorded_at: Time
    text_sha256: Digest
    ask: Annotated[tuple[Ask, ...], many(nested(Ask), least=1, most=200)]
    legal_basis: Annotated[LegalBasis, nested(LegalBasis)]
    purpose: Annotated[str, one_of("military", "law_enforcement", "humanitarian", "commercial", "technical")]
    appeal_of: ShortOrNone
    outcome: Annotated[str, one_of("pending")]
    outcome_reason: TextOrEmpty

    def check(self) -> None:
        """Refuse times out of order."""
        if not self.occurred_at <= self.received_at <= self.recorded_at:
            raise InputError("request: times out of order", help="occurred_at, received_at, recorded_at rise")

    @property
    def chain(self) -> frozenset[str]:
        """Every known party behind the request: the principals and who conveyed it, besides the requester."""
        parties = set(self.on_behalf_of) - {SELF, UNKNOWN, self.requester}
        return frozenset(parties | ({self.conveyed_by} if self.conveyed_by else set()))


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestOutcome(Signed):
    """What became of a request.

    Attributes:
        conflicts: requests that oblige to the contrary.
        priority: which obligation was put first and why; required when there are conflicts.
    """

    id: RequestId
    outcome: Annotated[str, one_of(*OUTCOMES[1:])]
    outcome_reason: Short
    conflicts: Annotated[tuple[str, ...], many(identifier("request"), most=100)]
    priority: ShortOrNone
    at: Time

    def check(self) -> None:
        """Refuse conflicts without the priority chosen."""
        if self.conflicts and not self.priority:
            raise InputError("request: conflicting obligations without a priority", help="say which comes first, and why")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListSnapshot(Signed):
    """A list file as it was used: publisher, date of the list, digest of the file."""

    source: Code
    date: Date
    sha256: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Algorithm(Signed):
    """What compared the names."""

    name: Short
    version: Short


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate(Signed):
    """An entry of a list that may be the subject; the score is in thousandths.

    Attributes:
        disposition: `unresolved` waits for a registrar; `weak` is shown and waits for nobody, because only a name agrees that the
            publisher itself calls weak.
    """

    entry_uid: Short
    score: Annotated[int, integer(0, 1000)]
    disposition: Annotated[str, one_of("true", "false", "unresolved", "weak")]
    by: PartyOrNone
    reason: TextOrEmpty

    def check(self) -> None:
        """Refuse a decision that nobody took or that has no reason."""
        if self.disposition in DECIDED and not (self.by and self.reason):
            raise InputError("screening: a candidate is decided by a person with a reason", help="fill in `by` and `reason`")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ownership(Signed):
    """A party that holds a share of the subject, by the path given, directly or through others."""

    party: Party
    path: Annotated[tuple[str, ...], many(party(), unique=False)]
    share_bp: Annotated[int, integer(0, 10_000)]
    result: Annotated[str, one_of("listed", "not_listed", "unknown")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Screening(Signed):
    """One party compared with the lists."""

    id: ScreeningId
    subject: Party
    snapshots: Annotated[tuple[ListSnapshot, ...], many(nested(ListSnapshot), least=1, most=100)]
    algorithm: Annotated[Algorithm, nested(Algorithm)]
    candidates: Annotated[tuple[Candidate, ...], many(nested(Candidate))]
    ownership: Annotated[tuple[Ownership, ...], many(nested(Ownership))]
    performed_at: Time
    valid_until: Time

    def check(self) -> None:
        """Refuse two snapshots of one source and a validity of more than 24 hours."""
        if len({each.source for each in self.snapshots}) != len(self.snapshots):
            raise InputError("screening: two snapshots of one source", help="use the newest of each")
        if not self.performed_at < self.valid_until <= self.performed_at + MAX_SCREENING_NS:
            raise InputError("screening: valid for more than 24 hours or not at all", help="valid_until follows within 24 hours")

    @property
    def unresolved(self) -> bool:
        """Whether a candidate or an owner waits for a decision."""
        return any(each.disposition == "unresolved" for each in self.candidates)

    @property
    def listed(self) -> bool:
        """Whether the subject is on a list, or listed parties hold half of it."""
        held = sum(each.share_bp for each in self.ownership if each.result == "listed")
        return any(each.disposition == "true" for each in self.candidates) or held >= 5_000

    @property
    def controllers(self) -> frozenset[str]:
        """Listed parties that hold a share of the subject, with every party on the path."""
        found: set[str] = set()
        for each in self.ownership:
            if each.result == "listed":
                found |= {each.party, *each.path}
        return frozenset(found - {self.subject})


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence(Signed):
    """An outside report behind a contact."""

    sha256: Digest
    url: ShortOrNone
    archived: ShortOrNone
    lang: ShortOrNone
    machine_translated: Annotated[bool, boolean()]
    original: ShortOrNone


@dataclass(frozen=True, slots=True, kw_only=True)
class Disclosure(Signed):
    """Whom a contact was told to, and when."""

    authority: Short
    at: Time


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact(Signed):
    """An exchange between somebody on the operator's side and an outside party.

    Attributes:
        covered_person, counterparty: parties, or commitments.
        counterparty_kind: decides with the screenings when the contact is late.
        occurred_from, occurred_to: null for an open end.
        status: `self_reported` for a report of the person itself, otherwise `alleged` or `unknown`; updates change it.
    """

    id: ContactId
    covered_person: Party
    counterparty: Party
    counterparty_kind: Annotated[str, one_of(*PARTY_KINDS)]
    capacity: Annotated[str, one_of("official", "business", "private", "unknown")]
    channel: Annotated[str, one_of(*CHANNELS)]
    occurred_from: TimeOrNone
    occurred_to: TimeOrNone
    pattern: Annotated[str, one_of("single", "regular")]
    topics: Shorts
    ask_made: Annotated[str | None, maybe(identifier("request"))]
    reported_by: Party
    reported_at: Time
    basis: Annotated[str, one_of("self", "third_party", "press", "official", "intelligence")]
    status: Annotated[str, one_of("alleged", "self_reported", "unknown")]
    evidence: Annotated[tuple[Evidence, ...], many(nested(Evidence), most=50)]
    disclosed_to: Annotated[tuple[Disclosure, ...], many(nested(Disclosure), most=50)]
    sealed_until: TimeOrNone

    def check(self) -> None:
        """Refuse times out of order and a self-report of somebody else."""
        start, end = self.occurred_from, self.occurred_to
        if (start is not None and end is not None and end < start) or any(
            each is not None and each > self.reported_at for each in (start, end)
        ):
            raise InputError("contact: times out of order", help="occurred_from, occurred_to, reported_at rise")
        if (self.basis == "self") is not (self.status == "self_reported"):
            raise InputError("contact: status and basis differ", help="basis `self` goes with status `self_reported`")
        if self.basis == "self" and self.reported_by != self.covered_person:
            raise InputError("contact: a self-report by somebody else", help="basis `third_party` is meant")


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactUpdate(Signed):
    """A change of a contact's status or evidence.

    `corroborated` and `denied` rest on a concluded review, `withdrawn` on the reporter, `disputed` on the covered person.
    """

    id: ContactId
    status: Annotated[str, one_of("corroborated", "disputed", "denied", "withdrawn")]
    by: Party
    review: Annotated[str | None, maybe(identifier("review"))]
    evidence: Annotated[tuple[Evidence, ...], many(nested(Evidence), most=50)]
    at: Time


@dataclass(frozen=True, slots=True, kw_only=True)
class NilReturn(Signed):
    """An express "no contact" of a covered person for a half-open interval."""

    covered_person: Person
    from_: Time
    until: Time

    def check(self) -> None:
        """Refuse an empty interval."""
        if self.until <= self.from_:
            raise InputError("nil return: an empty interval", help="`until` is after `from`")

