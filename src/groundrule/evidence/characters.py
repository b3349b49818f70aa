"""Characters that make a text look like what it is not.

What is done, the same for every kind of capture:

- Overrides and embeddings of writing direction (U+202A–U+202E, U+2066–U+2069) change what a person reads: they stay in the text in
  visible form, as `⟨U+202E⟩`, and are reported as `bidi_controls`.
- Marks of direction (U+200E, U+200F, U+061C), other invisible characters (zero width, soft hyphen, tags, byte order mark) and
  control characters are taken out. Soft hyphens, marks of direction and joiners where a script needs them are ordinary in clean
  text and not reported; the rest is reported as `invisible_characters` and `control_characters`.
- Words that mix Latin with look-alike Cyrillic or Greek letters stay as captured, and are reported as `mixed_scripts`.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from groundrule.evidence.report import Problem

_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
_PLAIN_INVISIBLE = re.compile("[\u00ad\u200e\u200f\u061c]")
_INVISIBLE = re.compile(
    "[\u115f\u1160\u180e\u200b\u2060-\u2064\u206a-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e007f]"
)
# Joiners belong to Arabic, Persian, Indic scripts and emoji; between Latin, Greek or Cyrillic letters they only hide something.
_JOINER = re.compile("(?<=[A-Za-z\u00c0-\u052f])[\u200c\u200d]+|[\u200c\u200d]+(?=[A-Za-z\u00c0-\u052f])")
_CONTROL = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
_BREAKS = re.compile("\r\n|[\r\x0c\x85\u2028\u2029]")
_WORD = re.compile(r"[^\W\d_]{3,}")
_CYRILLIC_TWINS = frozenset("аесорхуіјѕԁһԛԝАВЕКМНОРСТХІЈЅУҮ")
_GREEK_TWINS = frozenset("αικνορτυχΑΒΕΖΗΙΚΜΝΟΡΤΥΧ")
_TWINS = _CYRILLIC_TWINS | _GREEK_TWINS
_UNUSUAL = re.compile("[\u0530-\u058f\u13a0-\u13ff\u2c80-\u2cff\ua4d0-\ua4ff\uab70-\uabbf]")
_STYLED = re.compile("[\uff21-\uff3a\uff41-\uff5a\U0001d400-\U0001d7ff]")
_FOREIGN = re.compile("[\u0370-\u052f]")
_SUSPECT = re.compile(f"{_UNUSUAL.pattern[:-1]}\u0370-\u052f{_STYLED.pattern[1:]}")
_MARK = re.compile(r"\[U\+[0-9A-F]{4,6}\]")
_MARKED = re.compile(rf"[^\W\d_](?:{_MARK.pattern})?")
_RUN = re.compile(rf"(?:{_MARKED.pattern})+")
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Cleaned:
    """Text without invisible characters, and how many of which kind there were."""

    text: str
    bidi: int = 0
    invisible: int = 0
    control: int = 0


def clean(text: str) -> Cleaned:
    """Take out or show what nobody sees; line breaks of every kind become line feeds."""
    text = _BREAKS.sub("\n", text)
    text, control = _CONTROL.subn("", text)
    text, invisible = _INVISIBLE.subn("", text)
    text, joiners = _JOINER.subn("", text)
    text = _PLAIN_INVISIBLE.sub("", text)
    text, bidi = _BIDI.subn(lambda found: f"⟨U+{ord(found[0]):04X}⟩", text)
    return Cleaned(text, bidi, invisible + joiners, control)


def visible(text: str, limit: int = 200) -> str:
    """A text as it may stand in a message: controls and invisible characters escaped, one line, cut to `limit`."""
    shown = "".join(
        each if each.isprintable() and not _INVISIBLE.match(each) else f"⟨U+{ord(each):04X}⟩" for each in text[:limit]
    )
    return shown if len(text) <= limit else f"{shown}…"


def line(text: str, limit: int = 1_000) -> str:
    """One clean line of a field such as a title."""
    return " ".join(clean(text[: 4 * limit]).text.split())[:limit].strip()


def problems_of(cleaned: Cleaned, where: str = "") -> list[Problem]:
    """What `clean` found, as problems."""
    found = []
    if cleaned.bidi:
        found.append(
            Problem("bidi_controls", where, f"{cleaned.bidi} controls of writing direction, shown as ⟨U+…⟩ in the text")
        )
    if cleaned.invisible:
        found.append(Problem("invisible_characters", where, f"{cleaned.invisible} invisible characters taken out"))
    if cleaned.control:
        found.append(Problem("control_characters", where, f"{cleaned.control} control characters taken out"))
    return found


def mixed_scripts(text: str) -> list[Problem]:
    """Words in which every letter of the rarer script looks like a letter of the other."""
    odd: dict[str, int] = {}
    for found in _WORD.finditer(text):
        word = found[0]
        if word.isascii() or not _mixed(word):
            continue
        odd[word] = odd.get(word, 0) + 1
    if not odd:
        return []
    shown = ", ".join(_spelt(word) for word in list(odd)[:_SHOWN])
    return [
        Problem(
            "mixed_scripts",
            "",
            f"{sum(odd.values())} words mix look-alike letters of different scripts, such as {shown}",
        )
    ]


def reveal(text: str) -> str:
    """A text in which each letter that passes for a Latin one has its code point after it, as in `pа[U+0430]ypal`.

    Revealed are letters of another script in a word with Latin ones that they could be taken for; letters of Cyrillic and Greek that
    all look Latin in a text that is otherwise Latin; and full-width or mathematical forms of Latin letters. Text in one's own script
    stays as it is. What has been revealed once is not revealed again.
    """
    if _SUSPECT.search(text) is None:
        return text
    bare = _MARK.sub("", text)
    foreign = [each for each in bare if _FOREIGN.match(each)]
    # Not one letter that only the other script has: nobody writes so, but whoever wants to be read as somebody else.
    everywhere = all(each in _TWINS for each in foreign) and any(each.isalpha() and each < "\u0250" for each in bare)
    return _RUN.sub(lambda found: _revealed(found[0], everywhere=everywhere), text)


def _revealed(run: str, *, everywhere: bool) -> str:
    word = _MARK.sub("", run)
    latin = sum(each < "\u0250" for each in word)
    mixed = latin and latin < len(word)
    ours = mixed and (_mixed(word) or _UNUSUAL.search(word) is not None)
    made = []
    for each in _MARKED.findall(run):
        letter = each[0]
        odd = _STYLED.match(letter) or (everywhere and letter in _TWINS) or (ours and letter >= "\u0250")
        # Of a word that is mostly Cyrillic or Greek the Latin letters are the odd ones.
        if ours and letter < "\u0250" and latin * 2 < len(word):
            odd = True
        elif ours and letter >= "\u0250" and latin * 2 < len(word):
            odd = _STYLED.match(letter)
        made.append(f"{letter}[U+{ord(letter):04X}]" if odd and len(each) == 1 else each)
    return "".join(made)


def _mixed(word: str) -> bool:
    latin = [each for each in word if each < "\u0250"]
    cyrillic = [each for each in word if "\u0400" <= each < "\u0530"]
    greek = [each for each in word if "\u0370" <= each < "\u0400" and each != "µ"]
    if sum(map(bool, (latin, cyrillic, greek))) < 2:
        return False
    twins = all(each in _CYRILLIC_TWINS for each in cyrillic) and all(each in _GREEK_TWINS for each in greek)
    return twins or (len(latin) < len(cyrillic) and all(each in "aceiopxyjsABCEHIKMOPTXYS" for each in latin))


def _spelt(word: str) -> str:
    """A word with its unusual letters named."""
    latin = sum(each < "\u0250" for each in word)
    rare = [each for each in word if (each < "\u0250") != (latin * 2 >= len(word))]
    names = sorted({unicodedata.name(each, f"U+{ord(each):04X}").title() for each in rare})[:3]
    return f"{visible(word, 40)} ({', '.join(names)})"
