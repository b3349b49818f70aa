"""Roles are nested groups of persons; nobody counts twice and nobody acts alone."""

from __future__ import annotations

import itertools

import pytest

from governed_world import party
from groundrule.errors import InputError
from groundrule.govern.expression import RoleExpression, k_of

A, B, C, D = (party(name) for name in "abcd")
NESTED = f"""# two of three, or the one and both of a pair (invented)
person a {A}
person b\t{B}
person c {C}
person d {D}
group pair all c d
group q 2 a b pair
quorum q
"""


def test_nested_groups_are_satisfied_like_their_meaning() -> None:
    role = RoleExpression.parse(NESTED)
    for count in range(5):
        for present in itertools.combinations((A, B, C, D), count):
            votes = (A in present) + (B in present) + (C in present and D in present)
            assert role.satisfied_by(present) == (votes >= 2)
    assert role.minimum == 2
    assert role.parties == {A, B, C, D}


def test_strangers_do_not_count() -> None:
    assert not RoleExpression.parse(k_of([A, B, C], 2)).satisfied_by([A, D, party("x")])


def test_a_stand_in_counts_instead_of_the_person_and_only_there() -> None:
    role = RoleExpression.parse(k_of([A, B, C], 2))
    assert role.satisfied_by({A, D}, {B: D})
    assert not role.satisfied_by({A, B}, {B: D})
    assert not role.satisfied_by({D}, {B: D})


@pytest.mark.parametrize(
    ("members", "k", "fit"), [(3, 1, False), (2, 2, False), (3, 2, True), (3, 3, False), (5, 3, True)]
)
def test_the_floor_wants_two_persons_and_one_to_spare(members: int, k: int, fit: bool) -> None:
    assert RoleExpression.parse(k_of([party(n) for n in range(members)], k)).threshold_ok() is fit


def test_any_and_all_are_thresholds() -> None:
    text = f"person a {A}\nperson b {B}\ngroup g {{}} a b\nquorum g\n"
    assert RoleExpression.parse(text.format("any")).minimum == 1
    assert RoleExpression.parse(text.format("all")).minimum == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"person a {A}\nquorum none\n", "without a quorum"),
        (f"person a {A}\n", "no quorum line"),
        (f"person a {A}\nquorum a", "text of lines"),
        (f"person a {A}\nperson b {A}\ngroup g 1 a b\nquorum g\n", "two names"),
        (f"person a {A}\ngroup g 2 a a\nquorum g\n", "already a member"),
        (f"person a {A}\nperson b {B}\ngroup g 1 a b\ngroup h 1 a g\nquorum h\n", "already a member"),
        (f"person a {A}\nperson b {B}\nquorum a\n", "does not bear"),
        (f"person a {A}\ngroup g 0 a b\nquorum g\n", "not defined above"),
        (f"person a {A}\nperson b {B}\ngroup g 0 a b\nquorum g\n", "nobody is needed"),
        (f"person a {A}\nperson b {B}\ngroup g 3 a b\nquorum g\n", "decimal number"),
        (f"person a {A}\nperson b {B}\ngroup g 01 a b\nquorum g\n", "decimal number"),
        ("person a party-1\nquorum a\n", "no party"),
        (f"person a {A}\nperson a {B}\nquorum a\n", "taken"),
        (f"person none {A}\nquorum none\n", "taken"),
        (f"person a {A}\nquorum a\nquorum a\n", "second quorum"),
        (f"person a {A}\nperson b {B}\ngroup g 1 a b\nquorum a\n", "member of a group"),
        (f"person a {A}\nquorum b\n", "not defined above"),
        (f"witness a {A}\nquorum a\n", "not understood"),
        (f"person a {A}\r\nquorum a\n", "not allowed"),
        (f"person ä {A}\nquorum a\n", "not allowed"),
    ],
)
def test_wrong_texts_are_refused_with_the_reason(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        RoleExpression.parse(text)


def test_the_line_is_named() -> None:
    with pytest.raises(InputError, match="line 2 of the role"):
        RoleExpression.parse(f"person a {A}\nperson b {A}\nquorum a\n")
