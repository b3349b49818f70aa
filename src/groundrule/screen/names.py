"""One form for every spelling of a name: which tokens it has, how they sound, and what kind of word each one is.

1. Cut at MAX_CHARACTERS, NFKC, case folded; marks that nothing reads (joiners, direction marks) removed.
2. Written in Latin letters: Arabic, Hebrew and Hangul by the tables below, everything else by `anyascii`. No system
   library takes part, so that the same name has the same form on every machine.
3. Split into tokens; letters in a row (`G.m.b.H.`) become one word where the name is not a person's.
4. Each token gets its kind (given by `name_words.csv`: particle, honorific, legal form …), its weight as evidence and
   its sound: spelling habits of English, German, French, Dutch, Spanish, Arabic and Slavic Latin script made equal
   (`ou oo u`, `kh`, `sch sh`, `tch ch cz`, `ph f`, `w v`, doubled letters).

Nothing here is a verdict. Sounds are made for comparison and are not a transliteration standard.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from functools import lru_cache
from importlib import resources

from anyascii import anyascii

FORM_VERSION = 1
"""Rises whenever the same name gets another form; part of a screening's `algorithm`."""
MAX_CHARACTERS = 400
"""Longest name that is read whole [characters]; the longest on the published lists of 2026 has 297."""
MAX_TOKENS = 24
"""More words than this in one name are not compared."""


class NameKind(StrEnum):
    """What the name belongs to; it says whether words like `Ltd` or `Sheikh` mean anything."""

    PERSON = "person"
    ENTITY = "entity"
    VESSEL = "vessel"
    UNKNOWN = "unknown"


class Writing(IntEnum):
    """How much of the sound a script writes down."""

    ALPHABET = 0
    ABJAD = 1
    """Arabic, Hebrew, Syriac: short vowels are not written."""
    ROUGH = 2
    """Thai, Lao, Khmer, Burmese, Tibetan, and longer words in Chinese, Japanese, Korean: foreign names approached."""
    SYLLABLES = 3
    """Short words in Chinese, Japanese, Korean: names of these languages, whose vowels count."""


class TokenKind(IntEnum):
    """What a word of a name is; the number is used by the compiled comparison."""

    NAME = 0
    INITIAL = 1
    PARTICLE = 2
    HONORIFIC = 3
    LEGAL_FORM = 4
    STOP = 5
    NUMBER = 6
    PATRONYMIC = 7


WEIGHTS = {
    TokenKind.NAME: 1.0,
    TokenKind.INITIAL: 0.35,
    TokenKind.PARTICLE: 0.15,
    TokenKind.HONORIFIC: 0.05,
    TokenKind.LEGAL_FORM: 0.12,
    TokenKind.STOP: 0.05,
    TokenKind.NUMBER: 0.30,
    TokenKind.PATRONYMIC: 0.9,
}
"""Weight of a word as evidence, before its length counts."""


@dataclass(frozen=True, slots=True)
class Token:
    """One word of a name.

    Attributes:
        text: as written, case folded.
        latin: in the letters a-z and digits.
        sound: `latin` with spelling habits removed.
        rough: classes of consonants only.
        kind: what it is.
        writing: of the script that it was written in.
        weight: as evidence.
    """

    text: str
    latin: str
    sound: str
    rough: str
    kind: TokenKind
    writing: Writing
    weight: float


@dataclass(frozen=True, slots=True)
class NormalName:
    """A name ready for comparison.

    Attributes:
        original: as given, cut at MAX_CHARACTERS.
        tokens: in the order written.
        kind: of what it names.
        writing: the roughest of its tokens.
        cut: something was left out because the name is too long.
    """

    original: str
    tokens: tuple[Token, ...]
    kind: NameKind
    writing: Writing
    cut: bool

    @property
    def latin(self) -> str:
        """The words in Latin letters, in the order written."""
        return " ".join(token.latin for token in self.tokens)

    @property
    def sorted_sound(self) -> str:
        """Sounds of the words that carry weight, sorted: equal for every order of the words."""
        return " ".join(sorted(t.sound for t in self.tokens if t.kind in _CARRY)) or " ".join(
            sorted(t.sound for t in self.tokens)
        )

    @property
    def sorted_rough(self) -> str:
        """Consonant classes of the words that carry weight, sorted."""
        return " ".join(sorted(t.rough for t in self.tokens if t.kind in _CARRY)) or " ".join(
            sorted(t.rough for t in self.tokens)
        )


_CARRY = frozenset((TokenKind.NAME, TokenKind.PATRONYMIC, TokenKind.NUMBER, TokenKind.INITIAL))


@lru_cache(maxsize=65_536)
def normal_name(text: str, kind: NameKind = NameKind.UNKNOWN) -> NormalName:
    """Return the form in which a name is compared.

    The cost is bounded whatever the text holds: what lies beyond MAX_CHARACTERS or MAX_TOKENS is not read, and `cut`
    says so.

    Args:
        text: a name in any script, in any order, with or without a comma.
        kind: what it names.
    Example:
        >>> normal_name("Schukow, Gavriil (invented)", NameKind.PERSON).latin
        'schukow gavriil invented'
    """
    cut = len(text) > MAX_CHARACTERS
    given = text[:MAX_CHARACTERS]
    folded = unicodedata.normalize("NFKC", given).casefold()[: 2 * MAX_CHARACTERS]
    words: list[tuple[str, str, Writing]] = []
    parts = _words(folded, kind)
    for word in parts:
        writing = _writing(word)
        if writing is Writing.ROUGH and _is_native(word, len(parts) == 1):
            writing = Writing.SYLLABLES
        if len(parts) == 1 and 2 <= len(word) <= 4 and all(_is_character(letter) for letter in word):
            # A Chinese or Korean name that stands alone, family name first: each syllable is a word.
            words.extend((letter, _hangul(letter), writing) for letter in word)
        else:
            words.extend((word, part, writing) for part in _latin(word, kind).split())
    cut = cut or len(words) > MAX_TOKENS
    tokens = _tokens(words[:MAX_TOKENS], kind)
    roughest = max((token.writing for token in tokens), default=Writing.ALPHABET)
    return NormalName(given, tokens, kind, roughest, cut)


def _words(folded: str, kind: NameKind) -> list[str]:
    """Split where no letter, mark or digit stands; apostrophes join, and so do the dots of `G.m.b.H.`."""
    if kind is not NameKind.PERSON:
        folded = folded.replace("&", " and ").replace("+", " and ")
        folded = _DOTTED.sub(lambda found: found.group().replace(".", "") + " ", folded)
        folded = _POSSESSIVE.sub("", folded)
    folded = _SILENT.sub("", folded)
    if folded.isascii():
        return _WORD.findall(folded)
    # Marks belong to the letter before them: vowels of Indian scripts, points of Hebrew, accents without a letter.
    words = "".join(letter if _in_word(letter) else " " for letter in folded).split()
    return [part for word in words for part in _ARTICLE.sub(r"\1 ", word).split()]


def _in_word(letter: str) -> bool:
    return letter.isalnum() or unicodedata.category(letter)[0] == "M"


_DOTTED = re.compile(r"(?<![^\W_])(?:[^\W\d_]\.\s?){2,}(?:[^\W\d_](?![^\W_]))?")
_POSSESSIVE = re.compile(r"['’]s(?![^\W_])")
_SILENT = re.compile(r"['’‘`´ʻʼʽʾʿʹʺ“”\"\u0640\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_WORD = re.compile(r"[a-z0-9]+")
_ARTICLE = re.compile(r"^(ال)(?=\w{3})")
"""The Arabic article, which Latin script writes as a word of its own."""


def _writing(word: str) -> Writing:
    roughest = Writing.ALPHABET
    for letter in word:
        code = ord(letter)
        if code < 0x590:
            continue
        if code < 0x800 or 0xFB1D <= code < 0xFDFE or 0xFE70 <= code < 0xFEFF:
            roughest = max(roughest, Writing.ABJAD)
        elif any(low <= code < high for low, high in _ROUGH):
            return Writing.ROUGH
    return roughest


def _is_native(word: str, alone: bool) -> bool:
    """A family or given name has one or two characters, a full name that stands alone two to four."""
    if any(0x0E00 <= ord(letter) < 0x10A0 or 0x1780 <= ord(letter) < 0x1800 for letter in word):
        return False
    return len(word) <= (4 if alone else 2)


_ROUGH = (
    (0x0E00, 0x10A0), (0x1100, 0x1200), (0x1780, 0x1800), (0x2E80, 0xA000), (0xAC00, 0xD7B0), (0xF900, 0xFB00),
    (0x20000, 0x32000),
)  # fmt: skip


def _latin(word: str, kind: NameKind) -> str:
    """Write one word in a-z and 0-9; several words where the script joins what Latin script separates."""
    if word.isascii():
        written = word
    elif any("\uac00" <= letter <= "\ud7a3" for letter in word):
        written = _hangul(word)
    else:
        for letters, instead in _DIGRAPHS:
            word = word.replace(letters, instead)
        if _writing(word) is Writing.ABJAD:
            # Waw is a consonant at the beginning of a word and mostly a vowel elsewhere.
            word = word[0] + _WAW.sub("u", word[1:])
        written = anyascii(word.translate(_LETTERS)).lower()
    written = _OTHER.sub(" " if " " in written else "", written)
    if kind is not NameKind.VESSEL and written and _MIXED.search(written):
        read = written.translate(_LOOK_ALIKE)
        # Digits inside a word are letters in disguise; a number with letters (`2007ahl1`) is not.
        if sum(each.isdigit() for each in written) * 2 < len(written):
            written = read
    return written


_WAW = re.compile("[وו]")
_OTHER = re.compile(r"[^a-z0-9 ]+")
_MIXED = re.compile(r"[a-z][0-9]+[a-z]")
_LOOK_ALIKE = str.maketrans("01345679", "oieasgtg")

_DIGRAPHS = (
    # Greek writes b, d, g, u with two letters (ISO 843 types the sounds).
    ("μπ", "b"), ("ντ", "d"), ("γκ", "g"), ("γγ", "ng"), ("ου", "u"), ("ού", "u"), ("αυ", "av"), ("αύ", "av"),
    ("ευ", "ev"), ("εύ", "ev"), ("ει", "i"), ("εί", "i"), ("οι", "i"), ("οί", "i"),
    # Cyrillic endings that Latin spellings shorten.
    ("ый", "y"), ("ий", "y"),
)  # fmt: skip

# Arabic and Persian letters as names are usually spelt; long vowels stand for themselves, the ain is silent.
_LETTERS = str.maketrans(
    {
        "ا": "a", "أ": "a", "إ": "i", "آ": "a", "ٱ": "a", "ب": "b", "پ": "p", "ت": "t", "ٹ": "t", "ث": "th", "ج": "j",
        "چ": "ch", "ح": "h", "خ": "kh", "د": "d", "ڈ": "d", "ذ": "dh", "ر": "r", "ڑ": "r", "ز": "z", "ژ": "zh",
        "س": "s", "ش": "sh", "ص": "s", "ض": "d", "ط": "t", "ظ": "z", "ع": "a", "غ": "gh", "ف": "f", "ڤ": "v",
        "ق": "q", "ك": "k", "ک": "k", "گ": "g", "ل": "l", "م": "m", "ن": "n", "ں": "n", "ه": "h", "ہ": "h", "ھ": "h",
        "ة": "a", "و": "w", "ؤ": "u", "ي": "y", "ی": "y", "ى": "a", "ئ": "y", "ے": "e", "ء": "", "ټ": "t", "ډ": "d",
        "ړ": "r", "ږ": "zh", "ښ": "sh", "ګ": "g", "ڼ": "n", "ې": "e", "ۍ": "i", "څ": "ts", "ځ": "dz",
        "א": "a", "ב": "b", "ג": "g", "ד": "d", "ה": "h", "ו": "w", "ז": "z", "ח": "h", "ט": "t", "י": "y", "כ": "k",
        "ך": "k", "ל": "l", "מ": "m", "ם": "m", "נ": "n", "ן": "n", "ס": "s", "ע": "a", "פ": "p", "ף": "f", "צ": "ts",
        "ץ": "ts", "ק": "k", "ר": "r", "ש": "sh", "ת": "t",
        "ー": "", "・": " ", "·": " ",
        "χ": "kh", "х": "kh", "ю": "yu", "я": "ya", "ъ": "", "ь": "", "э": "e", "є": "ye", "ї": "yi",
    }
)  # fmt: skip

_LEADS = ("g", "kk", "n", "d", "tt", "r", "m", "b", "pp", "s", "ss", "", "j", "jj", "ch", "k", "t", "p", "h")
_VOWELS = ("a", "ae", "ya", "yae", "o", "e", "yo", "ye", "o", "wa", "wae", "oe", "yo", "u", "wo", "we", "wi", "yu",
           "u", "ui", "i")  # fmt: skip
_TAILS = ("", "k", "k", "k", "n", "n", "n", "t", "l", "k", "m", "l", "l", "l", "p", "l", "m", "p", "p", "t", "t",
          "ng", "t", "t", "k", "t", "p", "t")  # fmt: skip


def _is_character(letter: str) -> bool:
    return "\u4e00" <= letter <= "\u9fff" or "\uac00" <= letter <= "\ud7a3"


def _hangul(word: str) -> str:
    """Syllables as Korean names are spelt abroad (after McCune and Reischauer, without breves)."""
    parts = []
    for letter in word:
        code = ord(letter) - 0xAC00
        if not 0 <= code < 11_172:
            parts.append(anyascii(letter).lower())
            continue
        lead, rest = divmod(code, 588)
        vowel, tail = divmod(rest, 28)
        parts.append(_LEADS[lead] + _VOWELS[vowel] + _TAILS[tail])
    return "".join(parts)


def sound_of(latin: str) -> str:
    """Return how a Latin spelling sounds, roughly: one letter for each sound, none doubled.

    `x` stands for ch, `w` for sh, `q` for kh, `y` for nothing.

    Example:
        >>> sound_of("wladimirowitsch") == sound_of("vladimirovich")
        True
    """
    spoken = _SPELLINGS.sub(lambda found: _SOUNDS[found.group()], latin)
    spoken = _SOFT_C.sub("s", spoken).translate(_ONE_LETTER)
    spoken = _DOUBLED.sub(r"\1", spoken)
    return spoken or latin


_SOUNDS = {
    "shch": "w", "stsch": "w", "schtsch": "w", "tsch": "x", "tch": "x", "tsj": "x", "tj": "x", "tsh": "x", "dsch": "j",
    "dzh": "j", "dj": "j", "zh": "z", "sch": "w", "sh": "w", "ch": "x", "cz": "x", "kh": "q", "gh": "g", "ph": "f",
    "th": "t", "dh": "d", "ck": "k", "sz": "s", "tz": "ts", "q": "k", "x": "ks", "w": "v", "ou": "u", "oo": "u",
    "ue": "u", "oe": "o", "ae": "a", "ee": "i", "ie": "i", "ij": "i", "iy": "i", "yi": "i", "y": "i", "aa": "a",
    "gy": "di", "ty": "ti", "ii": "i", "uu": "u",
}  # fmt: skip
_SPELLINGS = re.compile("|".join(sorted(_SOUNDS, key=len, reverse=True)))
_SOFT_C = re.compile(r"c(?=[eiy])")
_ONE_LETTER = str.maketrans({"c": "k"})
_DOUBLED = re.compile(r"([a-z])\1+")


def rough_of(sound: str) -> str:
    """Return the classes of the consonants of a sound: labials b, dentals t, sibilants s, gutturals k, l and r l."""
    return sound.translate(_CLASSES)


_CLASSES = str.maketrans({
    **dict.fromkeys("aeiouyh", ""), **dict.fromkeys("bpvf", "b"), **dict.fromkeys("dt", "t"),
    **dict.fromkeys("szxwj", "s"), **dict.fromkeys("kgqc", "k"), **dict.fromkeys("lr", "l"), "m": "m", "n": "n",
})  # fmt: skip


def _tokens(words: list[tuple[str, str, Writing]], kind: NameKind) -> tuple[Token, ...]:
    tokens: list[Token] = []
    place = 0
    while place < len(words):
        text, latin, writing = words[place]
        if writing >= Writing.ROUGH:
            # Syllables that look like `i`, `de` or `mr` are neither initials nor particles nor titles.
            tokens.append(_token(text, latin, writing, TokenKind.NAME))
            place += 1
            continue
        kind_of, canonical, length = _phrase([each[1] for each in words[place : place + _LONGEST]], kind, place)
        if length > 1:
            text = " ".join(each[0] for each in words[place : place + length])
        tokens.append(_token(text, canonical, writing, kind_of))
        place += length
    return tuple(_none_left_out(tokens))


def _none_left_out(tokens: list[Token]) -> list[Token]:
    """A name of nothing but particles and titles (`De La`, `King`) is a name after all."""
    if any(token.kind in _CARRY for token in tokens):
        return tokens
    return [_token(token.text, token.latin, token.writing, TokenKind.NAME) for token in tokens]


def _token(text: str, latin: str, writing: Writing, kind: TokenKind) -> Token:
    sound = latin if kind in (TokenKind.NUMBER, TokenKind.LEGAL_FORM) else sound_of(latin)
    weight = WEIGHTS[kind]
    if kind in (TokenKind.NAME, TokenKind.PATRONYMIC):
        # A short word says less than a long one; beyond eight letters no more is gained.
        weight *= 0.55 + 0.45 * min(len(latin), 8) / 8
    return Token(text, latin, sound, rough_of(sound), kind, writing, round(weight, 4))


def _phrase(words: list[str], kind: NameKind, place: int) -> tuple[TokenKind, str, int]:
    """What the next words are: (kind, canonical form, how many words)."""
    first = words[0]
    if kind is not NameKind.PERSON:
        for length in range(len(words), 0, -1):
            found = _legal_forms().get(" ".join(words[:length]))
            if found is not None and (length > 1 or place > 0 or found in ("llc", "jsc")):
                return TokenKind.LEGAL_FORM, found, length
        if first in _words_of("stop"):
            return TokenKind.STOP, first, 1
    if first.isdigit() or (kind is not NameKind.PERSON and _ROMAN.fullmatch(first)):
        return TokenKind.NUMBER, first, 1
    if kind is NameKind.VESSEL and first in _words_of("vessel_prefix"):
        return TokenKind.HONORIFIC, first, 1
    if kind in (NameKind.PERSON, NameKind.UNKNOWN):
        particle = _words_of("particle").get(first)
        if particle is not None:
            return TokenKind.PARTICLE, particle, 1
        if first in _words_of("honorific"):
            return TokenKind.HONORIFIC, first, 1
        if _PATRONYMIC.fullmatch(first):
            return TokenKind.PATRONYMIC, first, 1
    if len(first) == 1:
        return TokenKind.INITIAL, first, 1
    return TokenKind.NAME, first, 1


_ROMAN = re.compile(r"x{0,3}(?:ix|iv|v?i{0,3})(?<=.)")
_PATRONYMIC = re.compile(
    r"[a-z]{3,}(?:ovich|evich|ovitch|evitch|owitsch|ewitsch|ovic|ovna|evna|ovych|yevich|ovitj|ivna)"
)


@lru_cache(maxsize=1)
def _table() -> dict[str, dict[str, str]]:
    tables: dict[str, dict[str, str]] = {}
    text = resources.files("groundrule.screen").joinpath("name_words.csv").read_text(encoding="utf-8")
    for row in csv.DictReader(text.splitlines()):
        tables.setdefault(row["kind"], {})[row["variant"]] = row["word"]
    return tables


def _words_of(kind: str) -> dict[str, str]:
    return _table()[kind]


def _legal_forms() -> dict[str, str]:
    return _table()["legal_form"]


_LONGEST = 5
"""Most words in one legal form."""
