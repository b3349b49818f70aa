"""The form in which names are compared. All names are invented or are common words."""

from __future__ import annotations

import time

import pytest

from groundrule.screen.names import (
    MAX_CHARACTERS,
    MAX_TOKENS,
    NameKind,
    TokenKind,
    Writing,
    normal_name,
    rough_of,
    sound_of,
)


def kinds(text: str, kind: NameKind) -> list[tuple[str, str]]:
    return [(token.latin, token.kind.name) for token in normal_name(text, kind).tokens]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("vladislav", "wladislaw"),
        ("petrovich", "petrowitsch"),
        ("petrovich", "petrovitch"),
        ("khalid", "khaalid"),
        ("yusuf", "iusuf"),
        ("shukri", "schukri"),
        ("phillip", "filip"),
        ("hussein", "husein"),
        ("oussama", "usama"),
        ("abdullah", "abdulah"),
    ],
)
def test_spelling_habits_sound_equal(one: str, other: str) -> None:
    assert sound_of(one) == sound_of(other)


@pytest.mark.parametrize(("one", "other"), [("karim", "salim"), ("dora", "nora"), ("kim", "rim")])
def test_different_words_do_not_sound_equal(one: str, other: str) -> None:
    assert sound_of(one) != sound_of(other)


def test_rough_form_keeps_classes_of_consonants() -> None:
    assert rough_of("vladimir") == rough_of("buladimil") == "bltml"


@pytest.mark.parametrize(
    ("text", "latin", "writing"),
    [
        ("Иван Примеров", "ivan primerov", Writing.ALPHABET),
        ("Γιάννης Παράδειγμα", "giannis paradigma", Writing.ALPHABET),
        ("Ντίνος Μπούρας", "dinos buras", Writing.ALPHABET),
        ("Łukasz Żółć", "lukasz zolc", Writing.ALPHABET),
        ("خالد نموذج", "khald nmudhj", Writing.ABJAD),
        ("דוד דוגמה", "dud dugmh", Writing.ABJAD),
        ("김보기", "gim bo gi", Writing.SYLLABLES),
        ("オバケ・タロウ", "obake tarou", Writing.ROUGH),
        ("Ｆｕｌｌｗｉｄｔｈ Name", "fullwidth name", Writing.ALPHABET),
    ],
)
def test_every_script_is_written_in_latin_letters(text: str, latin: str, writing: Writing) -> None:
    name = normal_name(text, NameKind.PERSON)
    assert (name.latin, name.writing) == (latin, writing)


def test_syllables_are_never_taken_for_initials_or_particles() -> None:
    assert kinds("이보기", NameKind.PERSON) == [("i", "NAME"), ("bo", "NAME"), ("gi", "NAME")]
    assert kinds("例子名", NameKind.PERSON) == [("li", "NAME"), ("zi", "NAME"), ("ming", "NAME")]
    assert kinds("子名 例", NameKind.PERSON) == [("ziming", "NAME"), ("li", "NAME")]


def test_the_arabic_article_is_a_word_of_its_own() -> None:
    assert kinds("المثال", NameKind.PERSON) == [("al", "PARTICLE"), ("mthal", "NAME")]


def test_titles_particles_patronymics_and_initials_of_persons() -> None:
    assert kinds("Dr. Jan van der Beispiel", NameKind.PERSON) == [
        ("dr", "HONORIFIC"), ("jan", "NAME"), ("van", "PARTICLE"), ("der", "PARTICLE"), ("beispiel", "NAME"),
    ]  # fmt: skip
    assert kinds("Ibn Ben", NameKind.PERSON) == [("bin", "NAME"), ("bin", "NAME")], "nothing else is left to compare"
    assert kinds("P. Primerovich", NameKind.PERSON) == [("p", "INITIAL"), ("primerovich", "PATRONYMIC")]


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("Exempel G.m.b.H.", "gmbh"),
        ("Exempel Gesellschaft mit beschränkter Haftung", "gmbh"),
        ("Exempel Sp. z o.o.", "sp zoo"),
        ("ООО Пример", "llc"),
        ("Общество с ограниченной ответственностью Пример", "llc"),
        ("Open Joint Stock Company Exempel", "jsc"),
        ("Exempel p.l.c.", "plc"),
        ("Exempel, Incorporated", "inc"),
    ],
)
def test_legal_forms_are_one_word_however_they_are_written(text: str, form: str) -> None:
    found = [token.latin for token in normal_name(text, NameKind.ENTITY).tokens if token.kind is TokenKind.LEGAL_FORM]
    assert found == [form]


def test_a_legal_form_is_a_name_for_a_person() -> None:
    assert kinds("Limited Exempel", NameKind.PERSON)[0] == ("limited", "NAME")


def test_digits_that_stand_for_letters_are_read_as_letters() -> None:
    assert normal_name("Ex3mp3l D0kt0r", NameKind.PERSON).latin == "exempel doktor"
    assert normal_name("Trust 2007-AB1", NameKind.ENTITY).latin == "trust 2007 ab1", "a number stays one"


def test_apostrophes_join_and_hyphens_part() -> None:
    assert normal_name("Ch'oe Yo'ng-X", NameKind.PERSON).latin == "choe yong x"
    assert normal_name("Ch’oe Yo‘ng-X", NameKind.PERSON).latin == "choe yong x"


def test_a_long_name_is_cut_and_says_so() -> None:
    assert normal_name("a" * (MAX_CHARACTERS + 1)).cut
    assert normal_name(" ".join("ab" for _ in range(MAX_TOKENS + 1))).cut
    assert not normal_name(" ".join("ab" for _ in range(MAX_TOKENS))).cut


@pytest.mark.parametrize(
    "hostile",
    [
        "a" + "\u0301" * 100_000,
        "".join(chr(0x300 + k % 100) for k in range(100_000)),
        "ﷺ" * 50_000,
        "a." * 100_000,
        "' " * 100_000,
        "\U000e0041" * 100_000,
        "\ud800" * 10,
        "",
        " \t\n",
        "…—·",
    ],
    ids=["accents", "mixed accents", "ligatures", "dots", "apostrophes", "tags", "surrogates", "empty", "blank", "marks"],
)
def test_hostile_text_costs_little_and_breaks_nothing(hostile: str) -> None:
    normal_name.cache_clear()
    started = time.process_time()
    name = normal_name(hostile, NameKind.UNKNOWN)
    assert time.process_time() - started < 0.5
    assert len(name.tokens) <= MAX_TOKENS
    assert all(token.latin.isascii() and token.latin for token in name.tokens)
