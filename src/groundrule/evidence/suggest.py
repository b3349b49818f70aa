"""Claims that the words of a report show with certainty, for a person to confirm or reject.

A sentence gives a claim where a predicate such as `confirmed` or `wollte sich nicht äußern` has its source beside it, where a
form such as `according to …` names one, or where the network itself is said to have been switched off, denied or found. Sentences
that judge, demand or foretell in the report's own voice are opinions. Everything else gives nothing: a suggestion that is wrong
costs more than one that is missing.

Each suggestion points at its characters, says the rule that led to it (`claims/1:de:unaware`) and stays `suggested`. What takes
up the sentence before (`this information was confirmed by …`) carries `refers_back:claim-…`. The same report always gives the
same suggestions with the same ids.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256

from groundrule.evidence import cues_de, cues_en, cues_es, cues_fr, cues_uk
from groundrule.evidence.cues import VERSION, Cues
from groundrule.evidence.origins import outlet_key
from groundrule.evidence.report import READ, Attribution, Claim, ClaimKind, Report, SpanRole, Stance
from groundrule.evidence.sentences import Sentence, paragraphs, sentences
from groundrule.evidence.sources import Source, SourceFinder

MAX_SUGGESTIONS = 2_000
"""Most suggestions of one report; a person reads no more, and a hostile text gets no further."""
MAX_CHARACTERS = 500_000
"""How much of a report is looked at for suggestions [code points]; the rest is read by people only."""
LANGUAGES: dict[str, Cues] = {
    each.language: each for each in (cues_de.CUES, cues_en.CUES, cues_es.CUES, cues_fr.CUES, cues_uk.CUES)
}
_SPECIFIC = (
    Stance.CANNOT_CORROBORATE, Stance.UNAWARE, Stance.NO_REPLY, Stance.DECLINES, Stance.DENIES, Stance.CALLS_FOR_INQUIRY,
    Stance.CONFIRMS, Stance.REPORTS,
)  # fmt: skip
_LONG = 160


@dataclass(frozen=True, slots=True)
class _Hit:
    """A cue in a sentence; places are those of the sentence."""

    start: int
    end: int
    stance: Stance
    rule: str
    source: Source | None
    begins: int
    """Where its source or itself begins, whichever is first."""
    closes: bool = False
    """It stands after what it attributes, as in `…, said the mayor`."""
    pronoun: bool = False
    """Its subject is a pronoun: who spoke before."""


def suggest(report: Report) -> tuple[Claim, ...]:
    """Return the claims that rules find in a report, in order of their place; empty for a language without cues."""
    language = (report.language or report.declared_language).split("-")[0].lower()
    cues = LANGUAGES.get(language)
    if cues is None:
        return ()
    found: list[Claim] = []
    for claim in _Reading(report, cues).claims():
        found.append(claim)
        if len(found) == MAX_SUGGESTIONS:
            break
    return tuple(found)


def claim_id(report: str, start: int, end: int, stance: Stance, rule: str) -> str:
    """Return the id of a suggestion: the same place and rule of the same report always have the same."""
    return "claim-" + sha256(f"{report}\n{start}\n{end}\n{stance}\n{rule}".encode()).hexdigest()[:32]


class _Reading:
    """One pass over a report."""

    def __init__(self, report: Report, cues: Cues) -> None:
        self.report, self.cues = report, cues
        self.finder = SourceFinder(report, cues)
        self._last_outlet = ""
        self._publisher = outlet_key(report.publisher)
        self._previous: Claim | None = None
        self._back = _compiled(cues.back)
        self._because = re.compile(rf"(?:^|,\s*)(?:{cues.because})\s+$", re.IGNORECASE)

    def claims(self) -> Iterator[Claim]:
        """Yield suggestions span by span."""
        for span in self.report.spans:
            if span.role not in READ or span.start >= MAX_CHARACTERS:
                continue
            quoted = self._last_outlet if span.role is SpanRole.QUOTE else ""
            for start, end in paragraphs(self.report.text, span.start, min(span.end, MAX_CHARACTERS)):
                yield from self._paragraph(start, end, quoted, title=span.role is SpanRole.TITLE)

    def _paragraph(self, start: int, end: int, quoted: str, *, title: bool) -> Iterator[Claim]:
        listed = sentences(self.report.text, start, end, self.cues.abbreviations)
        told: list[list[Claim]] = []
        judged: list[str] = []
        source: Source | None = None
        for sentence in listed:
            attributed, source = self._attributed(sentence, source, quoted)
            opinion = (
                ""
                if title or quoted or any("hedged" not in each.suggested_by for each in attributed)
                else self._opinion(sentence)
            )
            if not attributed or (opinion and all("hedged" in each.suggested_by for each in attributed)):
                attributed = list(self._own_voice(sentence, quoted, opinion=bool(opinion)))
            if attributed and self._previous is not None and self._back.match(sentence.text):
                attributed[0] = replace(attributed[0], problems=(f"refers_back:{self._previous.id}",))
            told.append(attributed)
            judged.append(opinion)
            self._previous = attributed[-1] if attributed else None
        made = [claim for claims in told for claim in claims]
        yield from sorted([*made, *self._opinions(listed, told, judged)], key=lambda claim: (claim.start, claim.end))

    # --- statements with a source ---------------------------------------------------------------------------------------

    def _attributed(self, sentence: Sentence, before: Source | None, quoted: str) -> tuple[list[Claim], Source | None]:
        """Return the attributed claims of a sentence, and who spoke last in it."""
        self.finder.look_at(sentence.masked, self._last_outlet)
        hits = self._hits(sentence)
        parts = self._joined(hits, sentence.masked, before)
        claims = []
        for number, part in enumerate(parts):
            first = self._begin(sentence.masked, parts, number)
            last = self._begin(sentence.masked, parts, number + 1) if number + 1 < len(parts) else len(sentence.text)
            source = None
            for each in dict.fromkeys(hit.source for hit in part if hit.source is not None):
                source = each if source is None else source.joined(each)
            lead = min(part, key=lambda hit: _SPECIFIC.index(hit.stance))
            attribution = source.attribution if source else Attribution()
            outlet = (
                attribution.outlet
                or (self.finder.told_outlet(sentence.masked, first, last) if source else "")
                or quoted
            )
            if outlet and outlet_key(outlet) == self._publisher:
                outlet = ""  # what somebody told the publisher itself
            piece = sentence.text[first:last].rstrip()
            piece = re.sub(r"[\s,;–—-]+$", "", piece)
            claims.append(
                self._claim(
                    sentence.start + first,
                    sentence.start + first + len(piece),
                    lead.stance,
                    lead.rule,
                    replace(attribution, outlet=outlet),
                )
            )
        self._last_outlet = self.finder.last_outlet or self._last_outlet
        speakers = [hit.source for hit in hits if hit.source is not None and not hit.source.attribution.outlet]
        return claims, speakers[-1] if speakers else None

    def _hits(self, sentence: Sentence) -> list[_Hit]:
        text, finder = sentence.masked, self.finder
        hits: list[_Hit] = []
        taken: list[tuple[int, int]] = []

        def free(first: int, last: int) -> bool:
            return all(last <= start or first >= end for start, end in taken)

        for stance, name, pattern in self.cues.passives:
            for found in pattern.finditer(text):
                source = finder.classify(found.start("src"), found.end("src"))
                if source is None or not free(found.start(), found.end()):
                    continue
                more = found.groupdict().get("more")
                if more:
                    source = source.joined(finder.classify_text(more))
                taken.append((found.start(), found.end()))
                hits.append(_Hit(found.start(), found.end(), stance, name, source, found.start()))
        for stance, name, pattern in self.cues.predicates:
            for found in pattern.finditer(text):
                if not free(found.start(), found.end()):
                    continue
                source = finder.before(found.start()) or finder.after(found.end())
                taken.append((found.start(), found.end()))
                begins = min(found.start(), source.start) if source else found.start()
                late = source is not None and source.start >= found.end()
                pronoun = source is None and finder.pronoun_before(found.start())
                hits.append(_Hit(found.start(), found.end(), stance, name, source, begins, late, pronoun))
        hits = [hit for hit in hits if hit.source is not None or hit.pronoun or self._follows_speech(hits, hit.start)]
        for stance, name, pattern in self.cues.impersonal:
            for found in pattern.finditer(text):
                if free(found.start(), found.end()) and not hits:
                    hits.append(_Hit(found.start(), found.end(), stance, name, None, found.start()))
        return sorted(hits, key=lambda hit: hit.start)

    @staticmethod
    def _follows_speech(hits: Iterable[_Hit], start: int) -> bool:
        speech = (Stance.REPORTS, Stance.CONFIRMS)
        return any(hit.source is not None and hit.stance in speech and hit.start < start for hit in hits)

    def _joined(self, hits: list[_Hit], text: str, before: Source | None) -> list[list[_Hit]]:
        """Put each hit without a source of its own with the one before it; drop what then has none, unless it needs none.

        What stands in indirect speech belongs to its speaker, too: `a source confirmed that the government cannot trace it`.
        """
        needs_none = {name for _, name, _ in self.cues.alone}
        parts: list[list[_Hit]] = []
        early: list[_Hit] = []
        for hit in hits:
            same = parts and hit.source is not None and hit.source == parts[-1][-1].source
            if same or (parts and hit.source is not None and self._in_indirect_speech(text, parts[-1][-1], hit)):
                parts[-1].append(hit)
            elif hit.source is not None or hit.rule in needs_none:
                parts.append([*early, hit])
                early = []
            elif parts:
                parts[-1].append(hit)
            else:
                early.append(hit)  # `did not know of it, officials said`
        taken_up = [hit for hit in early if hit.pronoun and hit.stance is not Stance.REPORTS]
        if not parts and before is not None and taken_up:
            # `She denied it.`, right after who she is.
            return [[replace(taken_up[0], source=before)]]
        return parts

    def _in_indirect_speech(self, text: str, before: _Hit, hit: _Hit) -> bool:
        between = text[before.end : hit.begins]
        return (
            before.stance in (Stance.REPORTS, Stance.CONFIRMS)
            and _compiled(self.cues.indirect).match(between.lstrip(" ,")) is not None
        )

    def _begin(self, text: str, parts: list[list[_Hit]], number: int) -> int:
        """Where the claim of a part begins: at the boundary of clauses before it, or where the sentence does."""
        begins = min(hit.begins for hit in parts[number])
        because = self._because.search(text[:begins])
        if number == 0:
            return begins if because and because.start() > 0 else 0
        floor = max(hit.end for hit in parts[number - 1])
        if parts[number][0].closes:
            end = max(floor, *(hit.begins for hit in parts[number - 1]))
            cut = re.search(r"[,;]\s", text[end:begins])
            return end + cut.end() if cut else begins
        boundary = max(text.rfind(mark, floor, begins) for mark in (", ", "; ", " – ", " — "))
        return begins if boundary < 0 else boundary + len(re.match(r"\W+", text[boundary:])[0])  # type: ignore[index]  # a mark stands there

    # --- the report's own voice -----------------------------------------------------------------------------------------

    def _own_voice(self, sentence: Sentence, quoted: str, *, opinion: bool) -> Iterator[Claim]:
        """Yield what the report itself says was done with the network's service."""
        text = sentence.masked
        if text.rstrip(')»“”" ').endswith("?"):
            return
        act = _compiled(self.cues.acts).search(text)
        if act is None:
            return
        first, last = _clause(text, act.start(), act.end())
        if len(text) <= _LONG and not opinion:
            first, last = 0, len(text)
        clause = text[first:last]
        near = text[max(first, act.start() - 90) : min(last, act.end() + 90)]
        if _compiled(self.cues.service).search(near) is None or _compiled(self.cues.doubt).search(clause) is not None:
            return
        piece = re.sub(r"[\s,;]+$", "", sentence.text[first:last])
        yield self._claim(
            sentence.start + first,
            sentence.start + first + len(piece),
            Stance.REPORTS,
            "own_voice:service",
            Attribution(outlet=quoted),
        )

    def _opinion(self, sentence: Sentence) -> str:
        return next((name for name, pattern in self.cues.opinions if pattern.search(sentence.masked)), "")

    def _opinions(self, listed: list[Sentence], told: list[list[Claim]], judged: list[str]) -> Iterator[Claim]:
        """Yield runs of opinion; in a paragraph that is mostly opinion, what lies between belongs to it."""
        free = [not claims for claims in told]
        count = sum(1 for each in judged if each)
        whole = count >= 2 and 2 * count >= len(listed)
        run: list[int] = []
        for number in range(len(listed) + 1):
            inside = number < len(listed) and (bool(judged[number]) or (whole and free[number]))
            if inside:
                run.append(number)
                continue
            names = [judged[each] for each in run if judged[each]]
            if names:
                yield self._claim(
                    listed[run[0]].start,
                    listed[run[-1]].end,
                    Stance.REPORTS,
                    f"opinion:{names[0]}",
                    Attribution(),
                    ClaimKind.OPINION,
                )
            run = []

    def _claim(
        self,
        start: int,
        end: int,
        stance: Stance,
        name: str,
        attribution: Attribution,
        kind: ClaimKind = ClaimKind.FACT,
    ) -> Claim:
        rule = f"{VERSION}:{self.cues.language}:{name}"
        return Claim(
            id=claim_id(self.report.id, start, end, stance, rule),
            report=self.report.id,
            start=start,
            end=end,
            kind=kind,
            statement=" ".join(self.report.text[start:end].split()),
            stance=stance,
            attribution=attribution,
            suggested_by=rule,
        )


def _clause(text: str, start: int, end: int) -> tuple[int, int]:
    before = max(text.rfind(mark, 0, start) for mark in (", ", "; ", ": "))
    after = [place for mark in (",", ";") if (place := text.find(mark, end)) >= 0]
    return (before + 2 if before >= 0 else 0), (min(after) if after else len(text))


@cache
def _compiled(text: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{text})(?!\w)", re.IGNORECASE)
