"""On whose word: the noun phrases of a sentence that can be a source, and which of them belongs to a verb."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from groundrule.evidence.cues import PROPER_WORD, Cues
from groundrule.evidence.report import READ, Attribution, Report

_GAP = 90
_MAX_NAME = 160
_MOST_BEFORE = 9
_LAST_WORD = re.compile(r"([\w’'-]+)\s+$")
_AND = frozenset({"and", "und", "et", "y", "та", "і", "й", "sowie"})


@dataclass(frozen=True, slots=True)
class Source:
    """A noun phrase that can be the source of a statement.

    Attributes:
        start, end: its place in the sentence.
        attribution: what it says.
    """

    start: int
    end: int
    attribution: Attribution

    def joined(self, other: Source | None) -> Source:
        """Return both as one: `by officials, but also by …`."""
        if other is None:
            return self
        mine, more = self.attribution, other.attribution
        counts = [each for each in (mine.unnamed_count, more.unnamed_count) if each is not None]
        return Source(
            self.start, self.end,
            Attribution(mine.named + more.named, mine.unnamed + more.unnamed, sum(counts) if counts else None, mine.outlet or more.outlet),
        )  # fmt: skip


class SourceFinder:
    """Finds sources in one sentence after the other; `look_at` sets the sentence.

    Args:
        report: whose names of outlets and capital words are used.
        cues: of its language.
    """

    def __init__(self, report: Report, cues: Cues) -> None:
        self.cues = cues
        least = 1 if cues.capital_nouns else 0
        self._name_after = re.compile(rf"\s+{PROPER_WORD}(?:\s+{PROPER_WORD}){{{least},2}}")
        self._told = re.compile(rf"(?<!\w)(?:{cues.told})\s*$", re.IGNORECASE)
        self._stops = re.compile(rf"(?<!\w)(?:{cues.stops})(?!\w)", re.IGNORECASE)
        self._pronoun = re.compile(rf"(?<!\w)(?:{cues.pronouns})(?:\s+\w+)?\s*$", re.IGNORECASE)
        self._small = re.compile(rf"(?:{cues.small})", re.IGNORECASE)
        self._adjective = re.compile(cues.adjective)
        self._preposition = re.compile(rf"(?:{cues.links})", re.IGNORECASE)
        # The article of a body is part of its phrase, but for one that is written together with the preposition or the noun.
        self._of = re.compile(rf"\s+(?:{cues.links})(?:\s+|(?<=['’]))(?:(?:{cues.articles})(?:\s+|(?<=['’])))?", re.IGNORECASE)
        self._noun = re.compile(rf"(?:{cues.outlet_nouns})", re.IGNORECASE)
        self._article = re.compile(rf"(?:{cues.articles})(?!\w)", re.IGNORECASE)
        listed = [re.sub(r"\([^()]*\)", " ", report.publisher), *(name for name, _, _ in report.outlets[:200])]
        names = {" ".join(name.split()) for name in listed}
        self._outlet = cues.outlet_phrase(
            tuple(name for name in names if len(name) > 2 and not self._noun.fullmatch(self._without_article(name)))
        )
        body = "\n".join(report.text[span.start : span.end] for span in report.spans if span.role in READ)
        # A capital in the middle of a sentence shows that a word is a name wherever it stands.
        self._names = (
            frozenset(re.findall(rf"[{'a-zа-яіїєґ,'}]\s([^\W\d_][\w’'-]+)", body[:400_000]))
            if not cues.capital_nouns
            else frozenset()
        )
        self._text = ""
        self._sources: list[Source] = []
        self._outlets: list[Source] = []
        self.last_outlet = ""

    def look_at(self, text: str, last_outlet: str) -> None:
        """Find the sources of a sentence.

        Args:
            text: masked.
            last_outlet: the outlet that was named last before it, which `the paper` means.
        """
        self._text, self.last_outlet = text, last_outlet
        self._outlets = list(self._find_outlets(text))
        taken = [(each.start, each.end) for each in self._outlets]
        found = list(self._outlets)
        for source in (*self._find_unnamed(text), *self._find_bodies(text), *self._find_names(text)):
            if all(source.end <= start or source.start >= end for start, end in taken):
                taken.append((source.start, source.end))
                found.append(source)
        self._sources = self._whole(text, found)

    def _whole(self, text: str, found: list[Source]) -> list[Source]:
        """Put the body that people belong to with them: `two former employees of the company` are sources, and the company is none."""
        made: list[Source] = []
        for each in sorted(found, key=lambda source: source.start):
            last = made[-1] if made else None
            if last is None or not last.attribution.unnamed or not each.attribution.named:
                made.append(each)
            elif last.end <= each.start and self._of.fullmatch(text[last.end : each.start]):
                written = self._written(text[last.start : each.end])
                made[-1] = Source(last.start, each.end, replace(last.attribution, unnamed=(written,)))
            else:
                made.append(each)
        return made

    def before(self, place: int) -> Source | None:
        """Return the source that is the subject of a predicate beginning at a place, or None."""
        pronoun = self._pronoun.search(self._text[:place])
        for source in reversed([each for each in self._sources if each.end <= place]):
            gap = self._text[source.end : place]
            if len(gap) > _GAP or (pronoun is not None and pronoun.start() >= source.end):
                return None  # too far, or the pronoun is the subject
            if source in self._outlets and self._told.search(self._text[: self._bare(source)]):
                continue  # spoken to, not speaking
            if (
                source.attribution.named
                and not self.cues.capital_nouns
                and self._told.search(self._without_last_article(source.start))
            ):
                continue  # `told the mayor`
            if source.attribution.named and self._after_preposition(source):
                continue  # `the mayor of Karvel`: part of what stands before it
            return source if self._is_link(gap) else None
        return None

    def _after_preposition(self, source: Source) -> bool:
        before = _LAST_WORD.search(self._text, max(0, source.start - 40), source.start)
        return before is not None and self._preposition.fullmatch(before[1]) is not None

    def after(self, place: int) -> Source | None:
        """Return the source that follows a predicate ending at a place, as in `said the mayor`, or None."""
        for source in [each for each in self._sources if each.start >= place][:1]:
            gap = self._text[place : source.start]
            if len(gap.split()) > 2 or re.search(r"[;:.!?·–—]", gap) or self._stops.search(gap):
                return None
            if self._object_follows(place, source):
                return None
            return source
        return None

    def _object_follows(self, place: int, source: Source) -> bool:
        # `…, said the mayor` and `sagte eine Quelle` stand after what is said; `Residents reported soldiers` does not.
        head = self._text[:place].rstrip()
        verb = head.rfind(" ")
        return not re.search(r"[,»“”\"·]\s*(?:\w+['’]?\s*){0,1}$", head[: verb + 1]) and source not in self._outlets

    def classify(self, start: int, end: int) -> Source | None:
        """Return what stands between two places as a source: its parts, or the whole as written."""
        inside = [
            each for each in self._sources if start - 4 <= each.start and each.end <= end + 40 and each.start < end
        ]
        return self._as_source(self._text[start:end], start, end, inside)

    def classify_text(self, text: str) -> Source | None:
        """Return a text apart from the sentence as a source."""
        inside = [*self._find_unnamed(text), *self._find_bodies(text), *self._find_names(text)]
        first = [each for each in inside[1:] if each.start >= inside[0].end]
        return self._as_source(text, 0, len(text), self._whole(text, inside[:1] + first)[:1])

    def _as_source(self, text: str, start: int, end: int, inside: list[Source]) -> Source | None:
        if inside:
            first = inside[0]
            for other in inside[1:]:
                first = first.joined(other)
            return Source(min(start, first.start), end, first.attribution)
        written = self._without_article(text.strip())
        if not written or len(written) > _MAX_NAME or not any(word[:1].isupper() for word in written.split()):
            return None
        if self.cues.capital_nouns:
            return None
        return Source(start, end, Attribution(named=(written,)))

    def pronoun_before(self, place: int) -> bool:
        """Tell whether a pronoun is the subject of a predicate beginning at a place."""
        return self._pronoun.search(self._text[:place]) is not None

    def told_outlet(self, text: str, start: int, end: int) -> str:
        """Return the outlet that somebody speaks to between two places, or an empty text."""
        for source in self._outlets:
            if start <= source.start < end and (
                self._told.search(text[: self._bare(source)]) or self._told.match(text[source.start :])
            ):
                return source.attribution.outlet
        return ""

    def _bare(self, source: Source) -> int:
        """Where a source begins without an article that a dative may be: `dem WSJ`."""
        found = self._article.match(self._text, source.start)
        return found.end() if found and found.end() < source.end else source.start

    def _is_link(self, gap: str) -> bool:
        """Tell whether only what may stand between a subject and its verb does."""
        if re.search(r"[;:!?·–—]|\.\s", gap):
            return False
        bare = gap
        if gap.count(",") == 2:
            bare = gap[: gap.index(",")] + " " + gap[gap.rindex(",") + 1 :]
        elif gap.count(",") > 2 or ("," in gap and gap.strip() != ","):
            return False
        return self._stops.search(bare) is None

    def _find_outlets(self, text: str) -> list[Source]:
        found = []
        for match in self._outlet.finditer(text):
            name = next((match[group] for group in "abcd" if match[group]), "")
            if name and not self._noun.fullmatch(name):
                self.last_outlet = name = " ".join(name.split())
            elif self.last_outlet:
                name = self.last_outlet
            else:
                continue  # `the paper`, and none was named
            found.append(Source(match.start(), match.end(), Attribution(outlet=name)))
        return found

    def _find_unnamed(self, text: str) -> list[Source]:
        found = []
        for match in self.cues.unnamed_head.finditer(text):
            start, count = self._phrase_start(text, match.start())
            name = self._name_after.match(text, match.end())
            if name is not None:  # `lawmaker Ada Brom`
                written = self._without_article(self._written(text[start : name.end()]))
                found.append(Source(start, name.end(), Attribution(named=(written,))))
                continue
            found.append(
                Source(
                    start,
                    match.end(),
                    Attribution(unnamed=(self._written(text[start : match.end()]),), unnamed_count=count),
                )
            )
        return found

    def _find_bodies(self, text: str) -> list[Source]:
        found: list[Source] = []
        for match in self.cues.body_head.finditer(text):
            start, _ = self._phrase_start(text, match.start())
            if found and found[-1].end <= start and not text[found[-1].end : start].strip():
                start = found.pop().start  # `речник міністерства`
            written = self._without_article(self._written(text[start : match.end()]))
            found.append(Source(start, match.end(), Attribution(named=(written,))))
        return found

    def _phrase_start(self, text: str, head: int) -> tuple[int, int | None]:
        """Walk back from the head of a noun phrase to its quantity or article; return where it begins and how many it says."""
        start, place = head, head
        for _ in range(_MOST_BEFORE):
            before = _LAST_WORD.search(text, max(0, place - 40), place)
            if before is None:
                break
            word, place = before[1], before.start(1)
            pair = _LAST_WORD.search(text, max(0, place - 40), place)
            two = f"{pair[1]} {word}".lower() if pair else ""
            if two in self.cues.counts and pair is not None:
                return pair.start(1), self.cues.counts[two]
            if word.lower() in self.cues.counts:
                return place, self.cues.counts[word.lower()]
            if self._article.fullmatch(word):
                return place, None
            if word.lower() in _AND:
                continue  # `current and former officials`: what is before it must be an adjective, too
            if self._small.fullmatch(word) or not self._adjective.fullmatch(word):
                break
            start = place
        return start, None

    def _find_names(self, text: str) -> list[Source]:
        found = []
        for match in self.cues.proper_phrase.finditer(text):
            start, written = match.start(), match[0]
            opens = start == 0 or text[start - 1] in '«„“"('
            first, _, rest = written.partition(" ")
            if opens and self._is_small(first):
                if not rest:
                    continue
                start, written, opens = match.end() - len(rest.lstrip()), rest.lstrip(), False
            if opens and " " not in written and written not in self._names and not re.search(r".[A-ZА-Я]", written):
                continue  # any word has a capital there
            if not self._is_small(written):
                found.append(Source(start, match.end(), Attribution(named=(" ".join(written.split()),))))
        return found

    def _without_last_article(self, place: int) -> str:
        before = _LAST_WORD.search(self._text, max(0, place - 40), place)
        return self._text[: before.start(1) if before and self._article.fullmatch(before[1]) else place]

    def _is_small(self, word: str) -> bool:
        return any(each.fullmatch(word) for each in (self._article, self._stops, self._pronoun, self._small))

    def _written(self, text: str) -> str:
        return " ".join(text.split()).strip(" ,")[:_MAX_NAME]

    def _without_article(self, text: str) -> str:
        found = self._article.match(text)
        return text[found.end() :].strip() if found else text
