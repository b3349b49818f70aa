"""An outside publication and what it claims: nouns of the evidence room.

A report is kept as it was captured. Its whole visible text, boilerplate included, is `Report.text`; spans mark what each
stretch of it is, so that what was left out of the reading can always be seen. A claim points at its characters in that text and
says who says it, on whose word, with which stance. Nothing here is a fact of the registers: a claim stays a claim.

Offsets count Unicode code points of `Report.text`, from 0, half-open. Times are nanoseconds since 1970, UTC.
Every type maps to plain JSON by `value` and back by `parse` (module `report_json`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Stance(StrEnum):
    """How a source stands to a claim."""

    REPORTS = "reports"
    CONFIRMS = "confirms"
    DENIES = "denies"
    UNAWARE = "unaware"
    CANNOT_CORROBORATE = "cannot_corroborate"
    DECLINES = "declines"
    NO_REPLY = "no_reply"
    CALLS_FOR_INQUIRY = "calls_for_inquiry"


class SpanRole(StrEnum):
    """What a stretch of text is. The reading of a report is `READ`; everything else is kept beside it."""

    TITLE = "title"
    LEAD = "lead"
    BODY = "body"
    QUOTE = "quote"
    CAPTION = "caption"
    BYLINE = "byline"
    ADVERTISING = "advertising"
    AFFILIATE = "affiliate"
    TRANSLATION = "translation"
    NAVIGATION = "navigation"
    BOILERPLATE = "boilerplate"


READ = frozenset({SpanRole.TITLE, SpanRole.LEAD, SpanRole.BODY, SpanRole.QUOTE})
"""Roles of the reading: what a person quotes from."""


class TranslationKind(StrEnum):
    """Whether a text is a translation, as far as the capture shows."""

    NONE = "none"
    HUMAN = "human"
    MACHINE = "machine"
    UNKNOWN = "unknown"


class ClaimKind(StrEnum):
    """Whether something is put forward as having happened, or as what somebody thinks of it."""

    FACT = "fact"
    OPINION = "opinion"


class ClaimStatus(StrEnum):
    """Who stands behind the reading of a claim: a rule suggested it, a person confirmed, entered or rejected it."""

    SUGGESTED = "suggested"
    CONFIRMED = "confirmed"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a report's text.

    Attributes:
        start, end: half-open, in code points of the report's text.
        role: what it is.
        basis: the rule or library that said so, such as `trafilatura` or `notice:affiliate:de`.
    """

    start: int
    end: int
    role: SpanRole
    basis: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Something odd or hostile in a capture: counted, kept and shown; never executed or followed.

    Attributes:
        code: such as `script_removed`, `bidi_controls`, `entity_expansion`, `too_large`, `undecodable`, `no_text`.
        where: part, line or member it was found in; empty for the whole.
        detail: one sentence; hostile characters in it are escaped visibly.
    """

    code: str
    where: str
    detail: str


@dataclass(frozen=True, slots=True)
class Capture:
    """The bytes as they came.

    Attributes:
        sha256: of the raw bytes, hexadecimal.
        size_bytes: of the raw bytes.
        media_type: as found in the bytes, not as the name says: text/html, text/plain, application/pdf, application/warc or
            multipart/related.
        file_name: base name of the imported file, control characters escaped.
        captured_at_ns: when it was captured, as the file or the importer says, or None; never the time of import.
        captured_by: who or what captured it, or empty.
        source_url: address it was captured from, or empty.
        member: which of several publications in one archive it is, by record id or number; empty where the file holds one.
    """

    sha256: str
    size_bytes: int
    media_type: str
    file_name: str
    captured_at_ns: int | None = None
    captured_by: str = ""
    source_url: str = ""
    member: str = ""


@dataclass(frozen=True, slots=True)
class Translation:
    """What the capture shows about translation.

    Attributes:
        kind: machine, human, none or unknown.
        by: translator or service, or empty.
        from_language: BCP 47 tag of the original, or empty.
        original_url: address of the original, or empty.
        original_captured: whether the original itself lies beside it, by id of its report, or empty.
        notice: span of the notice that says so, or None.
        basis: what it rests on, such as `notice:machine:de`, `hreflang`, `canonical`.
    """

    kind: TranslationKind = TranslationKind.UNKNOWN
    by: str = ""
    from_language: str = ""
    original_url: str = ""
    original_captured: str = ""
    notice: Span | None = None
    basis: tuple[str, ...] = ()

    @property
    def original_missing(self) -> bool:
        """Whether it is a translation whose original is not in the evidence."""
        return self.kind in (TranslationKind.MACHINE, TranslationKind.HUMAN) and not self.original_captured


@dataclass(frozen=True, slots=True)
class Report:
    """An outside publication as imported.

    Attributes:
        id: `report-` and the first 32 hexadecimal digits of the capture's digest: the same bytes are the same report. Of several in one
            archive, of the digest and the member.
        capture: the raw bytes.
        title, publisher, authors: as the page says; empty where it does not.
        published_at, modified_at: as the page says, ISO 8601 date or instant; empty where it does not.
        language: BCP 47 tag of the text as detected; declared_language: as the page says.
        canonical_url: address the page gives for itself.
        translation: what is known about translation.
        text: the whole visible text in reading order, boilerplate included; blocks are separated by a blank line.
        spans: roles of stretches, in order, without overlap, covering every visible character. A quoted passage from another outlet
            is a span of role quote.
        outlets: other outlets it names as its sources, in the page's own spelling, with the span of each naming.
        problems: what was odd.
        extractor: names and versions of what read it.
    """

    id: str
    capture: Capture
    title: str
    publisher: str
    authors: tuple[str, ...]
    published_at: str
    modified_at: str
    language: str
    declared_language: str
    canonical_url: str
    translation: Translation
    text: str
    spans: tuple[Span, ...]
    outlets: tuple[tuple[str, int, int], ...] = ()
    problems: tuple[Problem, ...] = ()
    extractor: str = ""

    @property
    def reading(self) -> str:
        """Return the text without boilerplate: spans of the roles in `READ`, one paragraph each."""
        return "\n\n".join(self.text[span.start : span.end].strip() for span in self.spans if span.role in READ)


@dataclass(frozen=True, slots=True)
class Attribution:
    """On whose word a claim rests.

    Attributes:
        named: persons or bodies by name, as written.
        unnamed: kinds of unnamed sources, such as `intelligence officials`, as written.
        unnamed_count: how many unnamed sources at least, as written (`two sources`); None: not said (`several` counts as 2 at least).
        outlet: other outlet the claim is quoted from, or empty: the report's own.
    """

    named: tuple[str, ...] = ()
    unnamed: tuple[str, ...] = ()
    unnamed_count: int | None = None
    outlet: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a report says that somebody says.

    Attributes:
        id: `claim-` and 32 hexadecimal digits.
        report: id of the report.
        start, end: its characters in the report's text.
        kind: fact or opinion.
        statement: what is claimed, in one sentence of the person who confirmed it, or the text itself while only suggested.
        about: references such as `party:…`, `area:…`, `terminal:…`, `contact:…`, `list_entry:…`, `rule:…`.
        happened: ISO 8601 date, instant or interval of what is claimed, or empty.
        attribution: on whose word.
        stance: of those it is attributed to.
        proposition: id of the proposition that this and other claims speak of, or empty.
        status: suggested, confirmed or rejected.
        suggested_by: rule that found it, with its version; empty when a person entered it.
        decided_by, decided_at_ns: who confirmed, entered or rejected it, and when.
        problems: codes such as `reversed_in_translation`, `contradicts:claim-…`.
    """

    id: str
    report: str
    start: int
    end: int
    kind: ClaimKind
    statement: str
    stance: Stance
    attribution: Attribution = field(default_factory=Attribution)
    about: tuple[str, ...] = ()
    happened: str = ""
    proposition: str = ""
    status: ClaimStatus = ClaimStatus.SUGGESTED
    suggested_by: str = ""
    decided_by: str = ""
    decided_at_ns: int | None = None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Proposition:
    """One thing that several claims speak of, so that who says what can be set side by side.

    Attributes:
        id: `proposition-` and 32 hexadecimal digits.
        sentence: neutral, in the words of the person who set it up.
        about: references, as of claims.
    """

    id: str
    sentence: str
    about: tuple[str, ...] = ()
