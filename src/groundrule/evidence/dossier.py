"""A dossier: everything on record that bears on one subject, said statement by statement.

Each statement says how it stands: recorded (an entry of the log or a row of the home says so), a claim (somebody outside says so),
an inference (computed here from recorded things, by a stated rule) or unknown (asked, and nothing here answers it). It is said by a
phrase, a key with values, so that the same dossier can be read in each language; and it names what it rests on, so that a reader can
go from a sentence to a proof. Times are nanoseconds since 1970, UTC.

Nothing here draws, reads a home or knows a file format: `pipeline.dossiers` composes, `evidence.render` shows, `evidence.bundle` packs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

Value = str | int | None
"""Value of a phrase: text, a number, an instant as `Instant`-formatted text; None where it is withheld."""
PARTIES = "parties:"
"""Before references of several parties, parted by blanks, that are one value."""
LASTING = "lasting:"
"""Before a duration [ns] that is a value."""


class Standing(StrEnum):
    """How a statement stands."""

    RECORDED = "recorded"
    CLAIM = "claim"
    INFERENCE = "inference"
    UNKNOWN = "unknown"


class Reader(StrEnum):
    """For whom a dossier is made; decides what is redacted."""

    OPERATOR = "operator"
    REGULATOR = "regulator"
    OWNER = "owner"
    PUBLIC = "public"


class SubjectKind(StrEnum):
    """What a dossier can be about."""

    TERMINAL = "terminal"
    AREA = "area"
    CHANGE = "change"
    PERSON = "person"
    CONTACT = "contact"
    REQUEST = "request"
    CASE = "case"


@dataclass(frozen=True, slots=True)
class Times:
    """The four times of a statement [ns], each None where it has none; `happened` is ISO 8601 text where only a date is known."""

    observed_at_ns: int | None = None
    decided_at_ns: int | None = None
    recorded_at_ns: int | None = None
    effective_from_ns: int | None = None
    effective_until_ns: int | None = None
    happened: str = ""

    @property
    def order_ns(self) -> int | None:
        """When it happened, as far as is known: observed, else decided, else effective, else recorded."""
        for each in (self.observed_at_ns, self.decided_at_ns, self.effective_from_ns, self.recorded_at_ns):
            if each is not None:
                return each
        return None


@dataclass(frozen=True, slots=True)
class Source:
    """What a statement rests on.

    Attributes:
        kind: log_entry, receipt, register, rule, area, report, claim, list or file.
        ref: such as `entry:12`, `report-…#120-300`, `rule:<rulebook digest>#<rule id>`.
        file: name of the proof or copy in the bundle; empty where the bundle holds none.
    """

    kind: str
    ref: str
    file: str = ""


@dataclass(frozen=True, slots=True)
class Phrase:
    """A sentence by key, with values; the words are in `evidence.render.words`."""

    key: str
    values: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Statement:
    """One thing that the dossier says.

    Attributes:
        id: `s` and a number, rising through the dossier.
        standing: recorded, claim, inference or unknown.
        phrase: what it says.
        times: when, by the four times.
        sources: what it rests on; only what is unknown has none.
        about: references to parties, areas, terminals, contacts, requests and proposals.
        flags: such as `late`, `overdue`, `contradiction`, `gap`, `machine_translation`, `redacted`.
    """

    id: str
    standing: Standing
    phrase: Phrase
    times: Times = Times()
    sources: tuple[Source, ...] = ()
    about: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """A titled run of statements; `key` is its title's phrase key."""

    key: str
    statements: tuple[Statement, ...]


def section_order(kind: SubjectKind) -> tuple[str, ...]:
    """Return the order of sections, in which a stranger asks about such a subject: statements are numbered and pages laid out so."""
    answers = ("service", "why", "appeal")
    acts = ("asked", "decided")
    first, then = (answers, acts) if kind is SubjectKind.TERMINAL else (acts, answers)
    rest = ("contacts", "reports", "reviews", "emergencies", "screened", "registered")
    return (*first, "unknown", "findings", *then, *rest)


@dataclass(frozen=True, slots=True)
class Party:
    """A person or body that the dossier names.

    Attributes:
        ref: its id or commitment.
        name: as the private register has it; empty where unknown or redacted.
        kind: as the register has it.
        parts: what it did here: (role such as requester, on_behalf_of, author, approved, rejected, recused, abstained,
            excluded, registrar, covered_person, counterparty, reporter, reviewer, opener; statement id).
        office: the unit in which it holds a role by charter; empty where it holds none.
    """

    ref: str
    name: str
    kind: str
    parts: tuple[tuple[str, str], ...]
    office: str = ""


@dataclass(frozen=True, slots=True)
class RuleText:
    """A rule as it stood when it decided.

    Attributes:
        rulebook: its digest. rule: id. title, basis, requested_by: as written.
        text: the rule in the rulebook's own form.
        effective_from_ns, effective_until_ns: half-open, as the rule itself says.
        brought_by: what brought its rulebook into force: the proposal, `genesis` where it was in force when governance began, or empty.
        in_force_from_ns, in_force_until_ns: when the rulebook held under governance, half-open [ns]; None: not yet ended.
        text_sha256: of the rulebook's file, which a proposal names; `rulebook` is the digest of what it means.
        plain: its conditions and exceptions in plain words, in English.
    """

    rulebook: str
    rule: str
    title: str
    text: str
    basis: str
    requested_by: str
    effective_from_ns: int | None
    effective_until_ns: int | None
    brought_by: str = ""
    in_force_from_ns: int | None = None
    in_force_until_ns: int | None = None
    text_sha256: str = ""
    plain: str = ""


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """One stretch of equal answers of a terminal, from its first observation to its last.

    Attributes:
        terminal_id: which terminal.
        first_ns, last_ns: observations, both included. count: how many.
        outcome, state, rule: as decided. reasons: codes, decisive first.
        areas: ids. run: the run that decided the last.
        receipt: name of its receipt in the bundle, or empty.
        statement: id of the statement about it.
        rulebook: digest of the rulebook that decided.
        decided_ns: when the run decided; logged_ns: the log's clock at the first entry of that run; None where no log has it.
    """

    terminal_id: str
    first_ns: int
    last_ns: int
    count: int
    outcome: str
    state: str
    rule: str
    reasons: tuple[str, ...]
    areas: tuple[str, ...]
    run: int
    receipt: str = ""
    statement: str = ""
    rulebook: str = ""
    decided_ns: int | None = None
    logged_ns: int | None = None


@dataclass(frozen=True, slots=True)
class TrackPoint:
    """One position of a terminal; `sigma_m` one sigma per axis or None."""

    terminal_id: str
    observed_at_ns: int
    lat_deg: float
    lon_deg: float
    sigma_m: float | None
    outcome: str


@dataclass(frozen=True, slots=True)
class AreaVersion:
    """An area as it stood; `wkb` is its outline in longitude and latitude (OGC well-known binary)."""

    id: str
    name: str
    kind: str
    source: str
    valid_from_ns: int | None
    valid_until_ns: int | None
    wkb: bytes


@dataclass(frozen=True, slots=True)
class Ellipse:
    """A verified position: centre [degree], half axes [m], bearing of the long axis [degree from north], verdict."""

    observed_at_ns: int
    lat_deg: float
    lon_deg: float
    major_m: float
    minor_m: float
    bearing_deg: float
    verdict: str


@dataclass(frozen=True, slots=True)
class Redaction:
    """What was left out for this reader; the digest lets somebody who is given the text later see that it is the same.

    Attributes:
        what: phrase key of the kind of thing, such as `name_of_party`.
        where: statement or party it was in.
        sha256: of salt and text, hexadecimal; the salt stays with the operator.
        reason: phrase key.
        number: how many things it is, where that tells nothing; else 0.
    """

    what: str
    where: str
    sha256: str
    reason: str
    number: int = 0


@dataclass(frozen=True, slots=True)
class ClaimExtract:
    """A claim of a report, as it is quoted: never a fact, whatever its report calls it.

    Attributes:
        id: of the claim. quoted: the characters of the report. stance: as of `evidence.report`. attribution: on whose word, in words.
        kind: `assertion` or `opinion`.
        wording_confirmed: whether a person confirmed that the report says so; nobody confirmed that it is so.
        statement: id of the statement that says it, or empty.
        standing: always `claim`: for programs that read a claim without its statement.
    """

    id: str
    quoted: str
    stance: str
    attribution: str
    kind: str
    wording_confirmed: bool
    statement: str = ""
    standing: Standing = Standing.CLAIM


@dataclass(frozen=True, slots=True)
class ReportExtract:
    """An outside report as far as it bears on the subject.

    Attributes:
        id, title, publisher, published_at, language, translation, original_missing: as of `evidence.report`.
        origin: key of its independent origin: reports of one origin count once.
        claims: what it claims about the subject.
    """

    id: str
    title: str
    publisher: str
    published_at: str
    language: str
    translation: str
    original_missing: bool
    origin: str
    claims: tuple[ClaimExtract, ...]


@dataclass(frozen=True, slots=True)
class LogHead:
    """The head of the log that the proofs of a dossier lead to: origin, size, root [hexadecimal]; empty origin: no log."""

    origin: str = ""
    size: int = 0
    root: str = ""


@dataclass(frozen=True, slots=True)
class Dossier:
    """A dossier.

    Attributes:
        kind, id, title: the subject; title in plain words, empty where redacted.
        made_at_ns: when; `as_of_ns`: up to when records were read, or None for all.
        reader: for whom.
        home: id of the home. log: head of its log.
        summary: statements said first, in plain words; each is also in a section.
        sections: all statements.
        parties, rules, decisions, reports, redactions: what the sections refer to.
        areas, track, ellipses: for the map.
        invented: whether the operator itself is invented, and so the whole case.
        in_log: whether an entry of the log is to name the bundle of this dossier; its readers are told where none does.
    """

    kind: SubjectKind
    id: str
    title: str
    made_at_ns: int
    reader: Reader
    home: str
    log: LogHead
    summary: tuple[Statement, ...]
    sections: tuple[Section, ...]
    as_of_ns: int | None = None
    parties: tuple[Party, ...] = ()
    rules: tuple[RuleText, ...] = ()
    decisions: tuple[DecisionRow, ...] = ()
    reports: tuple[ReportExtract, ...] = ()
    redactions: tuple[Redaction, ...] = ()
    areas: tuple[AreaVersion, ...] = ()
    track: tuple[TrackPoint, ...] = ()
    ellipses: tuple[Ellipse, ...] = ()
    invented: bool = False
    in_log: bool = True

    @property
    def statements(self) -> tuple[Statement, ...]:
        """All statements, in the order of the sections."""
        return tuple(each for section in self.sections for each in section.statements)
