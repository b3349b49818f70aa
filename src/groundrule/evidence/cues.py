"""What words show about a statement: who says it, how they stand to it, and whether it is an opinion.

One `Cues` per language, in a module of its own; the engine that applies them is `suggest`. A cue is a regular expression
with an id, so that every suggestion says which words led to it. Cues are written to be right rather than complete: a
sentence without a certain one gives no suggestion, and a person can always enter the claim by hand.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from groundrule.evidence.report import Stance

VERSION = "claims/1"
"""Version of cues and engine; part of every suggestion's rule."""

UPPER = "A-ZÀ-ÖØ-ÞĀĂĄĆČĐĎĒĖĘĚĞĢĪĶĻŁŃŇŐŘŚŠŞŤŪŮŰŲŹŻŽА-ЯЄІЇҐЁ"
LOWER = "a-zß-öø-ÿāăąćčđďēėęěğģīķļłńňőřśšşťūůűųźżžа-яєіїґё"
WORD = rf"[{UPPER}{LOWER}0-9][{UPPER}{LOWER}0-9’'ʼ-]*"
PROPER_WORD = rf"[{UPPER}][{UPPER}{LOWER}0-9’'ʼ-]+"

KNOWN_OUTLETS = (
    r"Reuters|AFP|Agence France-Presse|Associated Press|dpa|Deutsche Presse-Agentur|EFE|ANSA|Interfax(?:-Ukraine)?|Ukrinform|Укрінформ"
    r"|UNIAN|УНІАН|Укринформ|Інтерфакс(?:-Україна)?|TASS|ТАСС|RIA Novosti|BBC|CNN|NBC|CBS|PTI|Xinhua|Kyodo|Bloomberg|Politico"
    r"|WSJ|NYT|FAZ|SZ|NZZ|ORF|ARD|ZDF|RFI|RTVE"
)
"""Agencies and stations that are known by a bare name. Who is not here is known by a word such as `Times` or `newspaper`."""
OUTLET_ENDINGS = (
    r"Times|Post|Journal|Courier|Herald|Tribune|News|Gazette|Chronicle|Observer|Telegraph|Guardian|Independent|Mirror|Monitor"
    r"|Examiner|Newsweek|Zeitung|Anzeiger|Kurier|Rundschau|Nachrichten|Tagblatt|Tageblatt|Morgenpost|Allgemeine"
    r"|Pravda|Правда|Кур’єр|Кур'єр|Газета|Новини|Вісті|Новости|Courrier|Gazette|Figaro|Dépêche|Correo|Diario|Mundo|País|Heraldo"
)


@dataclass(frozen=True)
class Cues:
    """Cues of one language. All texts are regular expressions unless said otherwise.

    Attributes:
        language: BCP 47 primary subtag.
        abbreviations: words, without their full stop, that end no sentence.
        counts: quantity words in lower case, and how many they are at least.
        unnamed: nouns for people who speak without a name.
        bodies: nouns of offices, bodies and roles that speak under their own name.
        links: words that go on with a noun, such as `of`, after which its complement stands.
        outlet_nouns: nouns such as `newspaper`.
        outlet_names: names of outlets in this language beside `KNOWN_OUTLETS` and `OUTLET_ENDINGS`.
        articles: determiners that may open a noun phrase.
        capital_nouns: common nouns begin with a capital, so that a capital alone names nobody.
        saying: verbs with which somebody puts something forward.
        stances: (stance, id, predicate), the more specific first; a predicate has a source beside it, or none is suggested.
        by: (stance, id, pattern) of passive forms, with the source as group `src`.
        according: (id, pattern) with the source as group `src`.
        alone: (stance, id, pattern) that are certain without a source.
        stops: words that, between a noun and a verb, show that the noun is not the verb's subject.
        small: function words and auxiliaries, at which a noun phrase begins; adjective: what may stand in one before its noun.
        told: what stands before an outlet that somebody speaks to.
        pronouns: pronouns that take up who spoke last.
        indirect: conjunctions of indirect speech.
        back: openings that take up what was said just before, such as `this information was`.
        because: conjunctions after which the attributed part begins.
        opinion: (id, pattern) of what only an opinion says.
        service: nouns of the network; acts: what is done to them; doubt: what makes such a sentence no claim.
    """

    language: str
    abbreviations: frozenset[str]
    counts: Mapping[str, int]
    unnamed: str
    bodies: str
    links: str
    outlet_nouns: str
    outlet_names: str
    articles: str
    capital_nouns: bool
    saying: str
    stances: tuple[tuple[Stance, str, str], ...]
    by: tuple[tuple[Stance, str, str], ...]
    according: tuple[tuple[str, str], ...]
    alone: tuple[tuple[Stance, str, str], ...]
    stops: str
    small: str
    adjective: str
    told: str
    pronouns: str
    indirect: str
    back: str
    because: str
    opinion: tuple[tuple[str, str], ...]
    service: str
    acts: str
    doubt: str

    @cached_property
    def predicates(self) -> tuple[tuple[Stance, str, re.Pattern[str]], ...]:
        """Return every predicate, the more specific stance first; saying comes last."""
        return (
            *((stance, name, _any_case(text)) for stance, name, text in self.stances),
            # `Berichten` is no verb: where nouns have capitals, verbs of saying have none.
            (
                Stance.REPORTS,
                "says",
                re.compile(rf"(?<!\w)(?:{self.saying})(?!\w)") if self.capital_nouns else _any_case(self.saying),
            ),
        )

    @cached_property
    def passives(self) -> tuple[tuple[Stance, str, re.Pattern[str]], ...]:
        """Return passive forms and `according to`, each with a group `src`."""
        return (
            *((stance, name, _any_case(text)) for stance, name, text in self.by),
            *((Stance.REPORTS, name, _any_case(text)) for name, text in self.according),
        )

    @cached_property
    def impersonal(self) -> tuple[tuple[Stance, str, re.Pattern[str]], ...]:
        """Return what is certain without a source."""
        return tuple((stance, name, _any_case(text)) for stance, name, text in self.alone)

    @cached_property
    def opinions(self) -> tuple[tuple[str, re.Pattern[str]], ...]:
        """Return cues of opinion."""
        return tuple((name, _any_case(text)) for name, text in self.opinion)

    @cached_property
    def unnamed_head(self) -> re.Pattern[str]:
        """Match the noun of unnamed sources with what belongs to it behind it; what stands before is found from there."""
        return re.compile(rf"(?<![\w-])(?i:{self.unnamed})(?!\w){self._complement}")

    @cached_property
    def body_head(self) -> re.Pattern[str]:
        """Match an office, body or role, with a proper name after it where there is one."""
        name = rf"(?:,?\s+[«„“\"]?{PROPER_WORD}(?:\s+{PROPER_WORD}){{0,2}}[»“”\"]?)?"
        return re.compile(rf"(?<![\w-])(?i:{self.bodies})(?!\w){self._complement}{name}")

    @cached_property
    def proper_phrase(self) -> re.Pattern[str]:
        """Match a proper name; of languages with capital nouns, only one of several words or with a capital inside."""
        several = rf"{PROPER_WORD}(?:\s+{PROPER_WORD}){{1,3}}"
        inside = rf"[{UPPER}][{LOWER}]+[{UPPER}][{UPPER}{LOWER}]+|[{UPPER}]{{2,}}[{LOWER}]*"
        single = rf"|{PROPER_WORD}" if not self.capital_nouns else ""
        return re.compile(rf"(?<!\w)(?:{several}|{inside}{single})(?!\w)")

    def outlet_phrase(self, named: tuple[str, ...]) -> re.Pattern[str]:
        """Match an outlet.

        Args:
            named: outlets that the reading of the report has found, in its own spelling.
        Returns:
            Pattern with the bare name as group `name`; the group is empty where only a noun such as `the paper` stands.
        """
        quoted = rf"[«„“\"‘]({PROPER_WORD}(?:\s+{WORD}){{0,3}})[»“”\"’]"
        ending = rf"(?:{PROPER_WORD}\s+){{0,3}}(?:{PROPER_WORD}|)(?:{OUTLET_ENDINGS}|{self.outlet_names})"
        found = "|".join(re.escape(each) for each in sorted(named, key=len, reverse=True) if each.strip())
        known = rf"(?:{found}|{KNOWN_OUTLETS})" if found else rf"(?:{KNOWN_OUTLETS})"
        proper = rf"{PROPER_WORD}(?:\s+(?:of|de|del|du|des|la|le)?\s*{PROPER_WORD}){{0,3}}"
        noun = rf"(?i:{self.outlet_nouns})"
        text = (
            rf"(?<!\w)(?:(?i:{self.articles})\s+)?(?:(?:{noun}\s+)?(?P<a>{known})(?!\w)"
            rf"|{noun}\s+(?:{quoted.replace('(', '(?P<b>', 1)}|(?P<c>{proper}))"
            rf"|(?P<d>{ending}(?:\s+(?:of|de|del|du|des|la|le|von)\s*(?:la\s+)?{PROPER_WORD})*)(?!\w)|(?P<e>{noun})(?!\w))"
        )
        return re.compile(text)

    @cached_property
    def _complement(self) -> str:
        # A preposition or a genitive article, and a name or noun with a capital after it.
        opening = rf"(?i:{self.links})\s+(?!(?i:{self.saying})(?!\w))(?:(?i:{self.articles})\s+)?"
        return rf"(?:\s+{opening}(?:[{LOWER}]+\s+){{0,2}}?{PROPER_WORD}(?:\s+{PROPER_WORD}){{0,2}})?"


def words(text: str) -> frozenset[str]:
    """Return the words of a text."""
    return frozenset(text.split())


def _any_case(text: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{text})(?!\w)", re.IGNORECASE)
