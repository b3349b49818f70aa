"""What must hold for every pair of names. Names are drawn from invented syllables and from arbitrary text."""

from __future__ import annotations

import time
import unicodedata

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from groundrule.screen.compare import compare
from groundrule.screen.likeness import score_pairs
from groundrule.screen.match import DEFAULT_THRESHOLD, NameIndex, Query
from groundrule.screen.model import Kind, ListEntry, Name
from groundrule.screen.names import NameKind, normal_name
from groundrule.screen.packs import pack

PERSON = NameKind.PERSON
SYLLABLES = ("ba", "ke", "lim", "mon", "nur", "ras", "set", "tiv", "vol", "zad", "dor", "fen", "gal", "hir", "jun", "kor")
WORD = st.lists(st.sampled_from(SYLLABLES), min_size=2, max_size=3).map("".join)
WORDS = st.lists(WORD, min_size=2, max_size=4, unique=True)
TEXT = st.text(max_size=40)
ANY = st.one_of(TEXT, WORDS.map(" ".join))
KIND = st.sampled_from(list(NameKind))
TO_CYRILLIC = str.maketrans("abdefghijklmnorstuvz", "абдефгхийклмнорстувз")
TO_GREEK = str.maketrans(dict(zip("aefiklmnorstuvz", "αεφικλμνορστυβζ", strict=True)) | {"b": "μπ", "d": "ντ", "g": "γκ", "h": "χ"})


def score(one: str, other: str, kind: NameKind = PERSON) -> int:
    return compare(normal_name(one, kind), normal_name(other, kind)).score


@given(ANY, ANY, KIND)
def test_scores_are_bounded_and_symmetrical(one: str, other: str, kind: NameKind) -> None:
    found = score(one, other, kind)
    assert 0 <= found <= 1000
    assert found == score(other, one, kind)


@given(ANY, ANY, KIND)
def test_the_explained_score_is_the_score_of_the_block(one: str, other: str, kind: NameKind) -> None:
    a, b = normal_name(one, kind), normal_name(other, kind)
    zero = np.zeros(1, np.int64)
    told = compare(a, b)
    assert told.score == int(score_pairs(pack([a]), pack([b]), zero, zero)[0])
    ours = [token.latin for token in a.tokens]
    paired = " ".join([*(pair.query for pair in told.words), *told.only_query]).split()
    assert sorted(paired) == sorted(" ".join(ours).split()), "every word is either paired or left over"


@given(WORDS)
def test_a_name_is_itself(words: list[str]) -> None:
    assert score(" ".join(words), " ".join(words)) == 1000


@given(WORDS, st.randoms(use_true_random=False))
def test_the_order_of_the_words_does_not_matter(words: list[str], random: object) -> None:
    turned = list(words)
    random.shuffle(turned)  # type: ignore[attr-defined]  # hypothesis gives a random.Random
    assert score(" ".join(words), " ".join(turned)) == 1000
    assert score(" ".join(words), f"{words[-1]}, {' '.join(words[:-1])}") == 1000


@given(WORDS)
def test_case_accents_and_width_do_not_matter(words: list[str]) -> None:
    plain = " ".join(words)
    accented = "".join(letter + ("\u0301" if letter in "aeiou" else "") for letter in plain)
    wide = "".join(chr(ord(letter) + 0xFEE0) if letter != " " else letter for letter in plain)
    for variant in (plain.upper(), plain.title(), accented, unicodedata.normalize("NFC", accented), wide):
        assert score(plain, variant) == 1000


@given(WORDS)
def test_a_script_and_back_is_the_same_party(words: list[str]) -> None:
    plain = " ".join(words)
    assert score(plain, plain.translate(TO_CYRILLIC)) >= DEFAULT_THRESHOLD
    if "j" not in plain:  # Greek has no letter for it
        assert score(plain, plain.translate(TO_GREEK)) >= DEFAULT_THRESHOLD


@given(WORDS, st.integers(0, 3), st.integers(1, 4))
def test_a_doubled_letter_is_the_same_party(words: list[str], which: int, place: int) -> None:
    word = words[which % len(words)]
    at = place % len(word)
    slipped = word[:at] + word[at] + word[at:]
    assert score(" ".join(words), " ".join(slipped if each == word else each for each in words)) >= DEFAULT_THRESHOLD


@given(st.lists(WORD, min_size=4, max_size=4, unique=True))
def test_words_that_contradict_cost_more_than_words_that_are_missing(words: list[str]) -> None:
    first, second, third, fourth = words
    missing = score(f"{first} {second}", f"{first} {second} {third}")
    contradicting = score(f"{first} {second} {fourth}", f"{first} {second} {third}")
    related = score(f"{first} {fourth} {fourth}", f"{first} {third} {third}") > 0 and score(fourth, third) > 0
    assert missing >= DEFAULT_THRESHOLD
    assert related or contradicting <= missing


@given(st.lists(st.tuples(ANY, KIND), max_size=8), st.lists(ANY, min_size=1, max_size=6))
def test_the_same_question_has_the_same_answer(asked: list[tuple[str, NameKind]], listed: list[str]) -> None:
    entries = [ListEntry(str(k), Kind.PERSON, (Name(text),)) for k, text in enumerate(listed)]
    queries = [Query.of(text, kind) for text, kind in asked if normal_name(text, kind).tokens]
    first = NameIndex(entries).screen_many(queries)
    normal_name.cache_clear()
    other = NameIndex(entries)
    assert first == other.screen_many(queries)
    assert first == [other.screen(query) for query in queries]


@given(WORDS)
def test_a_listed_name_is_always_found(words: list[str]) -> None:
    others = [ListEntry(f"o{k}", Kind.PERSON, (Name(f"{each}x {each}q"),)) for k, each in enumerate(SYLLABLES)]
    index = NameIndex([*others, ListEntry("it", Kind.PERSON, (Name(" ".join(words)),))])
    assert "it" in {each.uid for each in index.screen(Query.of(" ".join(reversed(words)), PERSON))}


def test_hostile_names_are_compared_in_bounded_time() -> None:
    hostile = ["a" + "\u0301" * 100_000, "ab " * 40_000, "a b " * 40_000, "x" * 100_000, "習" * 100_000, "محمد " * 20_000]
    index = NameIndex([ListEntry(str(k), Kind.PERSON, (Name(text),)) for k, text in enumerate(hostile)])
    index.screen(Query.of("Warm Up", PERSON))
    started = time.process_time()
    found = index.screen_many([Query.of(text, PERSON) for text in hostile])
    assert time.process_time() - started < 2.0
    assert all(answer for answer in found)
