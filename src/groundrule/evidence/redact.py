"""From the whole dossier to the one that a reader may see. What is taken out stays provable: its salted digest remains.

Who sees what is argued in docs/dossiers.md, and stands in the tables of `readers`. The operator's dossier is left as it is; a regulator's
loses what a seal still closes; an owner's and the public one are rebuilt from what these readers may see. Whether anything is alleged
about anybody is told to neither: both dossiers have exactly one redaction for it, also where there is nothing to withhold. The only
exception is the public dossier of the contact itself, whose entry in the log is public and names nobody.

Pure: salts come from the caller, and the openings go back to it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from hashlib import sha256

from groundrule.canon import canonical_json
from groundrule.evidence.dossier import (
    LASTING,
    PARTIES,
    AreaVersion,
    DecisionRow,
    Dossier,
    Party,
    Phrase,
    Reader,
    Redaction,
    RuleText,
    Section,
    Source,
    Statement,
    SubjectKind,
    Times,
    TrackPoint,
    Value,
)
from groundrule.evidence.dossier_json import plain
from groundrule.evidence.readers import (
    ABOUT_A_RULE,
    AGAINST_SOMEBODY,
    ANY_DIGITS,
    CLOSED_READERS,
    CLOSED_VALUES,
    IN_CLOSED_WORDS,
    INTERNAL,
    LIMIT,
    LOGGED,
    OF_A_CONTACT,
    OF_THE_TRACK,
    OWN_TEXTS,
    RULE_NAMES,
    TRACE,
    TRACK_SECTIONS,
    Known,
    Veil,
    is_ref,
    named,
    own_fields,
)

WITHHELD = "…"
NS_PER_DAY = 86_400_000_000_000
DAY = len("2026-01-02")
INSTANTS = frozenset({"at", "from", "to", "since", "decided", "when", "received"})
_ENTRY = re.compile(r"entry:([0-9]{1,18})")
_OURS = re.compile(rf"(?:code|reason):[a-z0-9_:]*|{LASTING}[0-9]+")
"""Values that are words of the catalogue or durations: nobody's own words, which may begin so, but say more."""
_NO_KNOWN = Known()
_STATUS = ("sum_contact_status", "sum_allegation_status")


@dataclass(frozen=True, slots=True)
class Opening:
    """What shows later that a text is the one that was withheld: SHA-256 of salt and text is the digest of the redaction.

    Attributes:
        sha256: as in the redaction. salt: hexadecimal, 32 bytes. text: what was withheld.
        what, where: as in the redaction.
    """

    sha256: str
    salt: str
    text: str
    what: str
    where: str

    @property
    def holds(self) -> bool:
        """Whether text and salt give the digest."""
        return digest_of(bytes.fromhex(self.salt), self.text) == self.sha256


def digest_of(salt: bytes, text: str) -> str:
    """Return the digest of a withheld text, hexadecimal."""
    return sha256(salt + text.encode("utf-8", "surrogatepass")).hexdigest()


def redact(
    dossier: Dossier, reader: Reader, salts: Callable[[], bytes], *, known: Known = _NO_KNOWN
) -> tuple[Dossier, tuple[Opening, ...]]:
    """Return a dossier as a reader may see it, and the openings of what was withheld, which are private.

    Args:
        dossier: composed for the operator.
        salts: gives 32 fresh secret bytes at each call.
        known: what the home knows beyond the dossier.
    """
    if reader is Reader.OPERATOR:
        return replace(dossier, reader=reader), ()
    taken = Taken(salts)
    made = _sealed(dossier, known, taken) if known.sealed else dossier
    if reader in CLOSED_READERS:
        made = _Extract(made, reader, known, taken).made()
    redactions = tuple(Redaction(each.what, each.where, each.sha256, reason, number) for each, reason, number in taken.rows)
    return replace(made, reader=reader, redactions=(*made.redactions, *redactions)), tuple(each for each, _, _ in taken.rows)


class Taken:
    """What has been withheld so far."""

    def __init__(self, salts: Callable[[], bytes]) -> None:
        self._salts = salts
        self.rows: list[tuple[Opening, str, int]] = []

    def out(self, what: str, where: str, text: object, reason: str, *, number: int = 0) -> str:
        """Withhold a text, or a value as canonical JSON; return what stands in its place."""
        written = text if isinstance(text, str) else canonical_json(plain(text)).decode()
        salt = self._salts()
        self.rows.append((Opening(digest_of(salt, written), salt.hex(), written, what, where), reason, number))
        return WITHHELD


# --- what a seal closes -----------------------------------------------------------------------------------------------


def _sealed(dossier: Dossier, known: Known, taken: Taken) -> Dossier:
    """Put the commitment of a seal in the place of each rule and area whose content is still sealed."""
    words = re.compile(r"(?<![\w-])(?:" + "|".join(re.escape(each) for each in sorted(known.sealed)) + r")(?![\w-])")

    texts = {text for rule in dossier.rules if rule.rule in known.sealed for text in (rule.title, rule.basis, rule.requested_by) if text}

    def sign(text: str) -> str:
        return words.sub(lambda found: f"sealed:{known.sealed[found[0]][:16]}", text)

    def statement(each: Statement) -> Statement:
        strings = {name: held for name, held in each.phrase.values.items() if isinstance(held, str)}
        closed = {name: held for name, held in strings.items() if held in texts or words.search(held)}
        about = tuple(sign(ref) for ref in each.about)
        sources = tuple(replace(source, ref=sign(source.ref)) for source in each.sources)
        if not closed:
            return replace(each, about=about, sources=sources)
        values = dict(each.phrase.values)
        for name, held in values.items():
            if name in closed and isinstance(held, str):
                mark = taken.out("sealed", each.id, held, "seal")
                values[name] = mark if held in texts else sign(held)
            elif each.phrase.key in INTERNAL and isinstance(held, str):
                values[name] = taken.out("sealed", each.id, held, "seal")
        return replace(each, phrase=Phrase(each.phrase.key, values), about=about, sources=sources, flags=_flagged(each.flags))

    def rule(each: RuleText) -> RuleText:
        each = replace(each, text_sha256="")  # whoever knows the rest of the file could try what is sealed in it
        if each.rule not in known.sealed:
            return each
        taken.out("sealed", sign(each.rule), each, "seal")
        return replace(each, rule=sign(each.rule), title=WITHHELD, text=WITHHELD, basis=WITHHELD, requested_by="", plain="")

    def area(each: AreaVersion) -> AreaVersion:
        if each.id not in known.sealed:
            return each
        taken.out("sealed", sign(each.id), each, "seal")
        return replace(each, id=sign(each.id), name=WITHHELD, source="", wkb=b"")

    return replace(
        dossier,
        id=sign(dossier.id),
        title=sign(dossier.title),
        summary=tuple(statement(each) for each in dossier.summary),
        sections=tuple(replace(some, statements=tuple(statement(each) for each in some.statements)) for some in dossier.sections),
        rules=tuple(rule(each) for each in dossier.rules),
        areas=tuple(area(each) for each in dossier.areas),
        decisions=tuple(replace(row, rule=sign(row.rule), areas=tuple(sign(each) for each in row.areas)) for row in dossier.decisions),
    )


# --- what an owner and the public see ---------------------------------------------------------------------------------


class _Extract:
    """One dossier on its way to an owner or to the public."""

    def __init__(self, dossier: Dossier, reader: Reader, known: Known, taken: Taken) -> None:
        self.dossier, self.reader, self.known, self.taken = dossier, reader, known, taken
        self.veil = Veil(dossier, reader, known)
        self.public = reader is Reader.PUBLIC
        self.own = not self.public and dossier.kind is SubjectKind.TERMINAL
        self.parties = {party.ref: party for party in dossier.parties}
        self.standins: dict[str, str] = {}
        claimed = [each for each in dossier.statements if each.phrase.key.startswith("contact_basis_")]
        self.alleged = {ref for each in claimed for ref in each.about if ref.startswith("contact-")}
        self.alleged_entries = {source.ref for each in claimed for source in each.sources}
        self.subject_alleged = dossier.kind is SubjectKind.CONTACT and dossier.id in self.alleged

    def made(self) -> Dossier:
        """Return the extract."""
        kept, closed = self._sorted()
        ids = {old.id: f"s{number}" for number, old in enumerate((each for _, some in kept for each in some), 1)}
        named_parties, against = self._people(ids, closed)
        sections = tuple(
            Section(key, tuple(self._statement(replace(each, id=ids[each.id]), key) for each in some)) for key, some in kept if some
        )
        summary = self._summary(sections)
        for key, some in closed.items():
            if key and some:
                self.taken.out("statements", key, some, "internal", number=len(some))
        rules = self.dossier.rules
        against += [*closed.get("", ()), *self.dossier.reports]
        if self.subject_alleged:
            against, rules = [*against, *rules], ()
        self.taken.out("allegations", "contacts", against, "allegation")
        id_, title = self._subject()
        return replace(
            self.dossier,
            id=id_,
            title=title,
            summary=summary,
            sections=sections,
            parties=named_parties,
            rules=tuple(self._rule(each) for each in rules),
            decisions=tuple(self._decision(each, ids) for each in self.dossier.decisions),
            reports=(),
            areas=tuple(self._area(each) for each in self.dossier.areas),
            track=self._track(),
            ellipses=self._ellipses(),
        )

    # which statements

    def _sorted(self) -> tuple[list[tuple[str, list[Statement]]], dict[str, list[Statement]]]:
        """Part the statements into those kept and those withheld whole, by section; the key `` is for what is alleged."""
        kept: list[tuple[str, list[Statement]]] = []
        closed: dict[str, list[Statement]] = {}
        for section in self.dossier.sections:
            rows: list[Statement] = []
            for each in section.statements:
                if section.key == "reports" or self._against(each):
                    closed.setdefault("", []).append(each)
                elif each.phrase.key in INTERNAL or (self.public and each.phrase.key in TRACE):
                    closed.setdefault(section.key, []).append(each)
                else:
                    rows.append(each)
            kept.append((section.key, rows))
        left = {held for _, rows in kept for each in rows if each.phrase.key != "unknown_name" for held in each.phrase.values.values()}
        for _, rows in kept:
            unseen = [each for each in rows if each.phrase.key == "unknown_name" and each.phrase.values.get("who") not in left]
            closed.setdefault("", []).extend(unseen)
            rows[:] = [each for each in rows if each not in unseen]
        return kept, closed

    def _against(self, each: Statement) -> bool:
        """Whether a statement could tell that something is alleged, or about whom."""
        key, values = each.phrase.key, each.phrase.values
        refs = {*each.about, *(held for held in values.values() if isinstance(held, str))}
        if self.subject_alleged:
            # The entry of the contact is public: it is told as it stands there, and nothing that was found through its parties.
            about_it = self.dossier.id in refs and (key.startswith(("contact_", "review_")) or key in OF_A_CONTACT)
            return not (self.public and (about_it or key in (*_STATUS, "unknown_unrecorded", "unknown_no_log")))
        if key in AGAINST_SOMEBODY or key.startswith("report_") or values.get("why") == "code:excluded_contact":
            return True
        return bool(refs & self.alleged) or bool({source.ref for source in each.sources} & self.alleged_entries)

    def _summary(self, sections: tuple[Section, ...]) -> tuple[Statement, ...]:
        made: list[Statement] = []
        number = {
            key: sum(each.standing.value == key for section in sections for each in section.statements) for key in ("claim", "unknown")
        }
        for each in self.dossier.summary:
            key = each.phrase.key
            about = {source.ref for source in each.sources} & self.alleged_entries
            shown = self.public and self.subject_alleged and bool(about) and key.startswith(("contact_basis_", *_STATUS))
            if key.startswith("sum_") and key[4:] in number:
                if number[key[4:]]:
                    made.append(replace(each, phrase=Phrase(key, {"number": number[key[4:]]})))
            elif shown or not (key in INTERNAL or (self.public and key in TRACE) or self._against(each)):
                made.append(each)
        return tuple(self._statement(replace(each, id=f"a{n}"), "summary") for n, each in enumerate(made, 1))

    # one statement

    def _statement(self, each: Statement, section: str) -> Statement:
        each = self._in_closed_words(each)
        values = {name: self._value(each, name, held) for name, held in each.phrase.values.items()}
        times = each.times
        if self.public and self.dossier.kind is SubjectKind.TERMINAL and (section in TRACK_SECTIONS or each.phrase.key in OF_THE_TRACK):
            times = _to_the_day(times)
            exact = {name: held for name, held in values.items() if name in INSTANTS and isinstance(held, str)}
            values |= {name: held[:DAY] for name, held in exact.items()}
            if times != each.times or exact:
                self.taken.out("exact_times", each.id, {"times": each.times, "values": exact}, "whose_terminal")
        changed = any(isinstance(held, str) and WITHHELD in held for held in values.values())
        return replace(
            each,
            phrase=Phrase(each.phrase.key, values),
            times=times,
            sources=tuple(self._source(source) for source in each.sources),
            about=tuple(sorted({kept for ref in each.about if (kept := self._about(ref))})),
            flags=_flagged(each.flags) if changed else each.flags,
        )

    def _in_closed_words(self, each: Statement) -> Statement:
        """Return a statement in words that name no rule and no limit, where it has such."""
        if (key := IN_CLOSED_WORDS.get(each.phrase.key)) is None:
            return each
        kept = {name: held for name, held in each.phrase.values.items() if name in CLOSED_VALUES[key]}
        gone = {name: held for name, held in each.phrase.values.items() if name not in kept}
        if gone:
            self.taken.out("rule_name", each.id, gone, "limits")
        return replace(each, phrase=Phrase(key, kept), flags=_flagged(each.flags) if gone else each.flags)

    def _value(self, each: Statement, name: str, held: Value) -> Value:
        key = each.phrase.key
        if held is None or isinstance(held, int):
            return held
        if _OURS.fullmatch(held):
            return held
        if held.startswith(PARTIES) and all(is_ref(ref) for ref in held.removeprefix(PARTIES).split()):
            return PARTIES + " ".join(self._party(ref) for ref in held.removeprefix(PARTIES).split())
        if name in RULE_NAMES:
            return self.taken.out("rule_name", each.id, held, "limits")
        if held in self.parties or is_ref(held):
            hidden = key.startswith("contact_") and not (name == "who" and key in ("contact_self_reported", "contact_basis_self"))
            if not hidden:
                return self._party(held)
            party = self.parties.get(held)
            return self.taken.out("name_of_party", each.id, party.name if party and party.name else held, "counterparty")
        if name == "what" and key in ("terminal_registered", "account_registered"):
            shown = own_fields(held) if self.own else ""
            if shown != held:
                self.taken.out("register", each.id, held, "internal" if self.own else "whose_terminal")
            return shown or WITHHELD
        if name in OWN_TEXTS.get(key, ()) and self.own:
            return held
        if key in ABOUT_A_RULE and LIMIT.search(held):
            return self.taken.out("text", each.id, held, "limits")
        if name in LOGGED.get(key, ()):
            return self.taken.out("text", each.id, held, "names_somebody") if self.veil.tells(held) else held
        return self.taken.out("text", each.id, held, "internal")

    def _source(self, source: Source) -> Source:
        if source.kind == "log_entry":
            found = _ENTRY.fullmatch(source.ref)
            return Source(source.kind, "entry:…") if found is None or int(found[1]) in self.known.telling else source
        if source.kind == "receipt" and not self.public:
            return source
        return Source(source.kind, source.kind)  # of which nothing but its kind is told

    def _about(self, ref: str) -> str:
        if ref in self.parties or is_ref(ref):
            return "" if self.subject_alleged else self._party(ref)
        if self.veil.tells(ref):
            return ""
        areas = {area.id for area in self.dossier.areas} | {area for row in self.dossier.decisions for area in row.areas}
        public = ref.startswith(("request-", "contact-", "review-", "screening-", "area/", "country:")) or re.fullmatch("[0-9a-f]{64}", ref)
        return ref if public or ref in areas or ref == self.dossier.id else ""

    # people

    def _party(self, ref: str) -> str:
        """Return what a party is called here: its reference, or a number that means something in this dossier only."""
        party = self.parties.get(ref)
        if party is not None and named(party, self.reader):
            return ref
        if ref not in self.standins:
            self.standins[ref] = standin = f"withheld-{len(self.standins) + 1}"
            # What the public log shows is not said to be protected here: it only is not repeated beside what is told.
            why = "natural_person" if party is None else _why(party)
            self.taken.out("id_of_party", standin, ref, "id_in_log" if ref in self.known.in_log else why)
            if party is not None and party.name:
                self.taken.out("name_of_party", standin, party.name, _why(party))
        return self.standins[ref]

    def _people(self, ids: dict[str, str], closed: dict[str, list[Statement]]) -> tuple[tuple[Party, ...], list[object]]:
        """Return the parties with the parts that are left, and the parts that tell of allegations."""
        if self.subject_alleged:
            return (), list(self.dossier.parties)
        gone = {each.id for each in closed.get("", ())}
        made, against = [], list[object]()

        def kept(party: Party) -> tuple[tuple[str, str], ...]:
            return tuple((role, ids[statement]) for role, statement in party.parts if statement in ids)

        # In the order of what is left: by the order in the whole dossier one could tell who has a part in what is not.
        for party in sorted(self.dossier.parties, key=lambda each: min((int(at[1:]) for _, at in kept(each)), default=0)):
            parts = kept(party)
            lost = [(role, statement) for role, statement in party.parts if statement in gone]
            if lost:
                against.append({"ref": party.ref, "name": party.name, "parts": [list(each) for each in lost]})
            if parts and named(party, self.reader):
                made.append(replace(party, parts=parts))
            elif parts:
                made.append(Party(self._party(party.ref), party.office, party.kind, parts, party.office))
        return tuple(made), against

    def _subject(self) -> tuple[str, str]:
        made = self.dossier
        if made.kind is SubjectKind.PERSON and not ((party := self.parties.get(made.id)) and named(party, self.reader)):
            # Whoever has no part left here has no kind that is known to be public.
            self.taken.out("subject", "title", {"id": made.id, "title": made.title}, "natural_person")
            office = "" if party is None else party.office
            return self._party(made.id), office or WITHHELD
        if made.kind is SubjectKind.TERMINAL and self.public:
            self.taken.out("subject", "title", {"id": made.id, "title": made.title}, "whose_terminal")
            return "withheld", WITHHELD
        if self.veil.tells(made.title):
            return made.id, self.taken.out("subject", "title", made.title, "names_somebody")
        return made.id, made.title

    # rules, answers, places

    def _rule(self, each: RuleText) -> RuleText:
        where = f"rulebook {each.rulebook[:23]}"
        self.taken.out("rule_text", where, {"rule": each.rule, "text": each.text, "requested_by": each.requested_by}, "limits")
        title, basis = each.title, each.basis
        if ANY_DIGITS.search(title) or self.veil.tells(title):
            title = self.taken.out("rule_title", where, title, "limits")
        if LIMIT.search(basis) or self.veil.tells(basis):
            basis = self.taken.out("rule_basis", where, basis, "limits" if LIMIT.search(basis) else "names_somebody")
        return replace(each, rule="", title=title, text="", basis=basis, requested_by="", text_sha256="", plain="")

    def _decision(self, row: DecisionRow, ids: dict[str, str]) -> DecisionRow:
        statement = ids.get(row.statement, "")
        if self.own:
            return replace(row, rule="", statement=statement)
        self.taken.out("answers", statement or "decisions", row, "whose_terminal")
        first, last = (at // NS_PER_DAY * NS_PER_DAY for at in (row.first_ns, row.last_ns))
        decided, logged = (None if at is None else at // NS_PER_DAY * NS_PER_DAY for at in (row.decided_ns, row.logged_ns))
        return replace(
            row, terminal_id="", first_ns=first, last_ns=last, rule="", run=0, receipt="", statement=statement, decided_ns=decided,
            logged_ns=logged,
        )  # fmt: skip

    def _area(self, each: AreaVersion) -> AreaVersion:
        if self.own:
            return each
        # Of a terminal it is cut to the surroundings of the track, so its middle tells where that was; of others it tells a limit.
        self.taken.out("outline", each.id, each, "whose_terminal" if self.dossier.kind is SubjectKind.TERMINAL else "limits")
        return replace(each, wkb=b"")

    def _track(self) -> tuple[TrackPoint, ...]:
        track = self.dossier.track
        if not track:
            return ()
        if not self.own:
            self.taken.out("position", "track", list(track), "whose_terminal")
            return ()
        if any(point.sigma_m is not None for point in track):
            self.taken.out("margins", "track", [point.sigma_m for point in track], "limits")
        return tuple(replace(point, sigma_m=None) for point in track)

    def _ellipses(self) -> tuple[()]:
        if self.dossier.ellipses:
            self.taken.out("margins", "ellipses", list(self.dossier.ellipses), "limits" if self.own else "whose_terminal")
        return ()


def _why(party: Party) -> str:
    return "natural_person" if party.kind in ("natural_person", "unknown", "") else "no_public_role"


def _flagged(flags: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*flags, "redacted")))


def _to_the_day(times: Times) -> Times:
    def day(at: int | None) -> int | None:
        return None if at is None else at // NS_PER_DAY * NS_PER_DAY

    return Times(
        day(times.observed_at_ns),
        day(times.decided_at_ns),
        day(times.recorded_at_ns),
        day(times.effective_from_ns),
        day(times.effective_until_ns),
        times.happened,
    )
