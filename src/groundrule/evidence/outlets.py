"""Other outlets that a text names as its sources.

Known outlets stand in `outlets.csv`, with what translators and machines make of their names; an alias that is also an ordinary
word counts only beside a word of reporting. Newspapers that the table does not know are found by the nouns of mastheads, such
as Courier or Kurier, beside a word of reporting. Names are found also where a capture ran their words together, and are never
repaired: a hit has the page's own spelling.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

_NEAR = 70
"""Characters before and after a name in which a word of reporting makes it a source."""
_LONGEST = 60
_MOST = 200
"""Namings kept of one paragraph."""

_CUE = re.compile(
    r"""\b(?:report(?:s|ed|ing)?|writes?|wrote|told|tells|according\ to|cit(?:es|ed|ing)|quot(?:es|ed|ing)|reveal(?:s|ed)|publish(?:es|ed)
    |said|says|newspaper|magazine|outlet|interview
    |bericht\w*|schr(?:eib|ieb)\w*|laut|zufolge|zitier\w*|melde\w*|enthüll\w*|gegenüber|Zeitung|Magazin
    |rapport\w*|selon|d[’']après|écri\w*|révél\w*|affirm\w*|journal|quotidien|cité\w*
    |informó|informa\w*|según|reveló|revela\w*|escrib\w*|publicó|diario|periódico|dijo|cita\w*
    |riferisce|riferito|secondo|scrive|rivela\w*|riporta\w*|quotidiano
    |donosi\w*|podaje|podał\w*|według|pisze|napisał\w*|poinformował\w*|relat\w*|segundo|noticiou|informou|escreve\w*
    |повідом\w*|пише|пишуть|написал\w*|розповіл\w*|за\ даними|за\ інформацією|видання|газет\w*|журнал\w*
    |сообщ\w*|пишет|пишут|по\ данным|по\ информации|рассказал\w*|издани\w*
    |bildirdi|yazdı|göre|haber\w*|aktardı|gazetesi)\b
    |报道|據|据|表示|称|報道|報じ|によると|伝え|紙|ذكرت|بحسب|وفق|أفادت|صحيفة|نقلت|مجلة""",
    re.IGNORECASE | re.VERBOSE,
)
_MASTHEAD = re.compile(
    r"Journal|Courier|Herald|Tribune|Gazette|Chronicle|Observer|Inquirer|Dispatch|Examiner|Times|Post|Weekly|Daily|Bulletin|Mercury"
    r"|(?<=[a-zäöüß])(?:zeitung|kurier|anzeiger|rundschau|tageblatt|nachrichten|wochenblatt|woche|bote|post)\b"
    r"|Zeitung|Kurier|Anzeiger|Rundschau|Tageblatt|Nachrichten|Wochenblatt|Bote|Abendpost"
)
_BEFORE = re.compile(r"(?:[A-ZÀ-ÞЀ-Я][\w’'&-]{0,24} ?|(?:of|the|de|du|der|die|und|and) ){0,4}$")
_ROMANCE = re.compile(
    r"\b(?:(?:Le|La|Les|El|Il|O|A) |L[’'])?(?:Courrier|Gazette|Dépêche|Tribune|Voix|Écho|Diario|Correo|Heraldo|Gaceta|Periódico"
    r"|Corriere|Gazzetta|Giornale|Correio|Diário|Jornal|Kurier|Głos|Dziennik|Gazeta)(?: (?:de la|de|du|des|del|della|di|do|da|d[’']))?"
    r" ?[A-ZÀ-Þ][\w’'-]{1,30}(?: [A-ZÀ-Þ][\w’'-]{1,30})?"
)
_NAMED_PAPER = re.compile(
    r"(?:\b(?:newspaper|paper|daily|weekly|magazine|Zeitung|Blatt|Magazin|Wochenblatt|journal|quotidien|hebdomadaire|diario|periódico|revista"
    r"|giornale|quotidiano|dziennik\w*|tygodnik\w*|gazet\w*|газет\w*|видання|издани\w*|журнал\w*|тижневик\w*|тижневика?|еженедельник\w*|dergisi"
    r"|gazetesi|jornal)|报纸|报|紙|新聞|صحيفة|مجلة)\s{0,2}[„“\"«‘『「《]([^„“”\"«»‘’『』「」《》\n]{2,60})[“”\"»’』」》]",
    re.IGNORECASE,
)
_ARTICLE = frozenset(
    re.findall(
        r"[\w-]+",
        """the a an die der das den dem des le la les el los las il lo gli i o os as el un une una ein eine eines in im
        for an am bei and und wie as when while according citing says laut nach gegenüber also after""",
    )
)


@dataclass(frozen=True, slots=True)
class OutletHit:
    """A naming of an outlet.

    Attributes:
        spelling: as the page has it. start, end: its characters in the text.
        id: of the table, or made from the spelling of a newspaper the table does not know.
        name: as the table has it, else the spelling.
    """

    spelling: str
    start: int
    end: int
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class _Alias:
    id: str
    name: str
    alias: str
    needs_cue: bool
    first: str
    pattern: re.Pattern[str]


@lru_cache(maxsize=1)
def _aliases() -> tuple[_Alias, ...]:
    text = resources.files("groundrule.evidence").joinpath("outlets.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    made = (
        _Alias(
            row["id"],
            row["name"],
            row["alias"],
            row["needs_cue"] == "1",
            re.split(r"[ \-・]", row["alias"])[0].casefold(),
            _pattern(row["alias"]),
        )
        for row in rows
    )
    return tuple(sorted(made, key=lambda each: -len(each.alias)))


def _pattern(alias: str) -> re.Pattern[str]:
    """A pattern for an alias: its words may be run together; inflection may follow in Cyrillic."""
    words = [re.escape(word) for word in re.split(r"[ \-・]", alias)]
    if alias[0] >= "\u0590":  # scripts without capitals, whose words take prefixes
        return re.compile(r"[ \-・]?".join(words))
    if "\u0400" <= alias[0] < "\u0530":
        return re.compile(r"(?<!\w)" + r"[ \-‑–]?".join(words) + r"\w{0,3}(?!\w)", re.IGNORECASE)
    if len(words) > 1:  # joined words begin with capitals, so what is run together with them can be told apart
        return re.compile(r"(?<![A-ZÀ-Þ])" + r"[\s\-]{0,2}".join(words) + r"(?![A-Z]{2})")
    return re.compile(
        r"(?<![A-ZÀ-Þ\d])" + words[0] + r"(?:s(?!\w)|(?!\w))" if len(alias) > 5 else r"(?<!\w)" + words[0] + r"(?!\w)"
    )


@lru_cache(maxsize=1_024)
def find_outlets(text: str, offset: int = 0, *, extra: tuple[str, ...] = ()) -> tuple[OutletHit, ...]:
    """Every naming of an outlet in a text, in order, without overlap.

    Args:
        text: where to look. offset: added to the places found.
        extra: further names to look for, such as those found elsewhere in the same report.
    """
    taken: list[OutletHit] = []
    folded = text.casefold()
    for each in _aliases():
        if each.first not in folded:
            continue
        for found in each.pattern.finditer(text):
            if not each.needs_cue or _cue_near(text, found.start(), found.end()):
                _take(taken, found.start(), found.end(), text, each.id, each.name)
    for pattern, group in ((_NAMED_PAPER, 1), (_ROMANCE, 0)):
        for found in pattern.finditer(text):
            if group or _cue_near(text, found.start(), found.end()):
                _take(taken, found.start(group), found.end(group), text)
    for number, found in enumerate(_MASTHEAD.finditer(text)):
        if number >= 10 * _MOST:
            break
        start = _start_of(text, found.start())
        if (
            start < found.start()
            and _cue_near(text, start, found.end())
            and not text[found.end() : found.end() + 1].islower()
        ):
            _take(taken, start, found.end(), text)
    for name in extra:
        for found in re.finditer(rf"(?<!\w){re.escape(name)}(?!\w)", text):
            _take(taken, found.start(), found.end(), text)
    taken.sort(key=lambda hit: hit.start)
    return tuple(OutletHit(hit.spelling, hit.start + offset, hit.end + offset, hit.id, hit.name) for hit in taken)


def outlet_id(spelling: str) -> str:
    """Id of an outlet by any spelling: of the table, or made from the name's letters.

    Example:
        >>> outlet_id("WallStreetJournal"), outlet_id("Harbour Courier"), outlet_id("HarbourCourier")
        ('wall-street-journal', 'harbourcourier', 'harbourcourier')
    """
    return _known(spelling)[0]


def outlet_name(spelling: str) -> str:
    """Name of an outlet by any spelling: of the table, else the spelling itself."""
    return _known(spelling)[1]


def _known(spelling: str) -> tuple[str, str]:
    for each in _aliases():
        found = each.pattern.search(spelling)
        if found and found.end() - found.start() >= len(spelling.strip()) - 4:
            return each.id, each.name
    letters = re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", spelling).casefold())
    return letters, spelling


def _cue_near(text: str, start: int, end: int) -> bool:
    before = re.split(r"[.!?。]\s", text[max(0, start - _NEAR) : start])[-1]
    after = re.split(r"[.!?。]\s", text[end : end + _NEAR])[0]
    return any(_CUE.search(part) for part in (before, after))


def _start_of(text: str, end: int) -> int:
    """Start of the capitalised words that stand before, or are run together with, a masthead's noun."""
    low = max(0, end - _LONGEST)
    window = text[low:end]
    found = _BEFORE.search(window)
    start = low + (found.start() if found else len(window))
    if start == end:  # run together: capitals and letters without a space
        while start > low and text[start - 1].isalpha():
            start -= 1
        while start < end and not text[start].isupper():
            start += 1
    words = text[start:end]
    while words.strip():
        first = words.split(maxsplit=1)[0]
        if first.lower() not in _ARTICLE or len(first) == len(words.rstrip()):
            break
        start += len(words) - len(words.lstrip()) + len(first)
        start += len(text[start:end]) - len(text[start:end].lstrip())
        words = text[start:end]
    return start


def _take(taken: list[OutletHit], start: int, end: int, text: str, known: str = "", name: str = "") -> None:
    if len(taken) >= _MOST or any(start < hit.end and hit.start < end for hit in taken):
        return
    spelling = text[start:end]
    key, shown = (known, name) if known else _known(spelling)
    taken.append(OutletHit(spelling, start, end, key, shown))
