"""Roles at their limits: sizes, names, thresholds, and how few persons can satisfy them."""

from __future__ import annotations

import dataclasses

import pytest

from governed_world import party
from groundrule.errors import InputError
from groundrule.govern.expression import MAX_BYTES, MAX_NAMES, RoleExpression, k_of

A, B, C, D, E = (party(name) for name in "abcde")
FIVE = "".join(f"person {name} {party(name)}\n" for name in "abcde")


def read(text: str) -> RoleExpression:
    return RoleExpression.parse(text)


def refused(text: str) -> InputError:
    with pytest.raises(InputError) as caught:
        read(text)
    return caught.value


def test_the_usual_role_is_written_out() -> None:
    assert k_of([A, B, C], 2) == f"person p1 {A}\nperson p2 {B}\nperson p3 {C}\ngroup quorum-group 2 p1 p2 p3\nquorum quorum-group\n"
    with pytest.raises(InputError, match="nobody is needed"):
        k_of([A, B], 0)
    with pytest.raises(InputError, match="threshold"):
        k_of([A, B], 3)


def test_what_was_read_is_what_was_written() -> None:
    text = FIVE + "group pair all d e\ngroup q 2 a b c pair\nquorum q\n"
    role = read(text)
    assert role.text == text
    assert list(role.persons.items()) == [(name, party(name)) for name in "abcde"]
    assert role.groups == {"pair": (2, ("d", "e")), "q": (2, ("a", "b", "c", "pair"))}
    assert role.quorum == "q"
    with pytest.raises(dataclasses.FrozenInstanceError):
        role.quorum = "pair"  # type: ignore[misc] # the point


@pytest.mark.parametrize("k", [1, 2, 3, 4, 5])
def test_a_threshold_is_met_exactly_at_its_number(k: int) -> None:
    role = read(k_of([A, B, C, D, E], k))
    everybody = [A, B, C, D, E]
    assert role.minimum == k
    assert role.satisfied_by(everybody[:k])
    assert not role.satisfied_by(everybody[: k - 1])
    assert not role.satisfied_by(everybody[: k - 1] * 2)


def test_the_fewest_persons_take_the_cheapest_members() -> None:
    # All three of a trio, or any two of (d, e, trio): the cheapest two are d and e.
    assert read(FIVE + "group trio all a b c\ngroup q 2 trio d e\nquorum q\n").minimum == 2
    assert read(FIVE + "group trio all a b c\ngroup q 3 trio d e\nquorum q\n").minimum == 5
    assert read(FIVE + "group trio all a b c\ngroup q any trio d e\nquorum q\n").minimum == 1
    assert read(FIVE + "group pair all a b\ngroup trio all c d e\ngroup q any trio pair\nquorum q\n").minimum == 2


def test_one_person_may_be_a_quorum_and_then_acts_alone() -> None:
    role = read(f"person g {A}\nquorum g\n")
    assert role.minimum == 1
    assert role.satisfied_by({A})
    assert not role.satisfied_by({B})
    assert not role.satisfied_by(())
    assert not role.threshold_ok(1)


@pytest.mark.parametrize(("members", "k", "floor", "fit"), [
    (4, 2, 2, True), (4, 2, 3, False), (4, 3, 3, True), (4, 3, 4, False), (4, 4, 4, False), (5, 4, 4, True), (3, 2, 2, True),
    (2, 1, 1, True), (2, 1, 2, False),
])  # fmt: skip
def test_a_floor_is_reached_exactly_and_somebody_is_to_spare(members: int, k: int, floor: int, fit: bool) -> None:
    assert read(k_of([party(n) for n in range(members)], k)).threshold_ok(floor) is fit


def test_without_a_floor_two_are_needed() -> None:
    assert read(k_of([A, B, C], 2)).threshold_ok()
    assert not read(k_of([A, B, C], 1)).threshold_ok()
    assert not read(FIVE + "group q 2 a b c d e\nquorum q\n").threshold_ok(3)


def test_a_text_has_a_longest_length() -> None:
    body = k_of([A, B, C], 2)
    filled = "#" * (MAX_BYTES - len(body) - 1) + "\n" + body
    assert len(filled) == MAX_BYTES == 100_000
    assert read(filled).minimum == 2
    assert "text of lines" in refused("#" + filled).message
    assert "text of lines" in refused(body.removesuffix("\n")).message
    assert "text of lines" in refused("").message


def test_there_are_at_most_512_names() -> None:
    def crowd(persons: int) -> str:
        lines = [f"person p{n} {party(n)}" for n in range(persons)]
        return "\n".join([*lines, f"group q 2 {' '.join(f'p{n}' for n in range(persons))}", "quorum q"]) + "\n"

    assert MAX_NAMES == 512
    assert len(read(crowd(511)).persons) == 511
    assert "too many persons" in refused(crowd(512)).message
    two = [f"person p{n} {party(n)}" for n in range(510)] + ["group in 2 p0 p1", f"group q 2 in {' '.join(f'p{n}' for n in range(2, 510))}"]
    assert read("\n".join([*two, "quorum q"]) + "\n").minimum == 2


def test_persons_and_groups_are_counted_together() -> None:
    def crowd(*groups: str) -> str:
        lines = [f"person p{n} {party(n)}" for n in range(510)]
        rest = " ".join(f"p{n}" for n in range(6, 510))
        return "\n".join([*lines, "group g1 2 p0 p1", *groups, f"group q 2 g1 {rest}", "quorum q"]) + "\n"

    assert "does not bear" in refused(crowd()).message  # 512 names, and p2 to p5 are loose
    assert "too many persons" in refused(crowd("group g2 2 p2 p3")).message


def test_everybody_of_a_large_role_leaves_nobody_to_spare() -> None:
    crowd = [party(n) for n in range(300)]
    assert not read(k_of(crowd, 300)).threshold_ok()
    assert read(k_of(crowd, 299)).threshold_ok()


def test_a_name_has_one_to_eighty_printable_characters() -> None:
    for name in ("!", "~", "x" * 80, "#a"):
        assert read(f"person {name} {A}\nperson b {B}\ngroup q 1 {name} b\nquorum q\n").minimum == 1
    for name in ("x" * 81, "none"):
        assert "taken or not allowed" in refused(f"person {name} {A}\nquorum {name}\n").message
    assert "taken" in refused(f"person a {A}\ngroup a 1 a\nquorum a\n").message
    assert "taken" in refused(f"person a {A}\nperson b {B}\ngroup g 1 a\ngroup g 1 b\nquorum g\n").message


@pytest.mark.parametrize("line", [
    "person", "person a", f"person a {A} b", "group", "group g", "group g 1", "quorum", "quorum a b", "Person a b", "persons a b",
    "quora a", "zzz a", "a a b c",
])  # fmt: skip
def test_a_line_has_exactly_its_words(line: str) -> None:
    found = refused(f"person a {A}\n{line}\nquorum a\n")
    assert found.message.startswith("line 2 of the role: ")
    assert "is not understood" in found.message
    assert found.context["line"] == 2


def test_a_group_of_one_member_is_a_group() -> None:
    assert read(f"person a {A}\ngroup g 1 a\nquorum g\n").minimum == 1
    assert read(f"person a {A}\ngroup g all a\nquorum g\n").minimum == 1


def test_blank_lines_comments_tabs_and_spaces_do_not_matter() -> None:
    role = read(f"\n#\n  # comment\n\t person\ta  {A} \t\n\nperson b {B}\n \ngroup g \t2  a b\nquorum g\n")
    assert role.parties == {A, B}
    assert role.minimum == 2


@pytest.mark.parametrize("character", ["\x00", "\x0b", "\x1f", "\x7f", "\x80", "\r", "ä"])
def test_only_printable_ascii_is_read(character: str) -> None:
    assert "is not allowed" in refused(f"# {character}\nperson a {A}\nquorum a\n").message
    assert read(f"# ~ !\tfine\nperson a {A}\nquorum a\n").minimum == 1


def test_the_quorum_stands_outermost_and_once() -> None:
    base = f"person a {A}\nperson b {B}\ngroup g 2 a b\n"
    assert "already a member" in refused(base + f"quorum g\nperson c {C}\ngroup h 1 g c\n").message
    assert "does not bear" in refused(base + f"person c {C}\nquorum g\n").message
    assert "does not bear" in refused(f"person c {C}\nperson d {D}\ngroup h 1 c d\n" + base + "quorum g\n").message
    assert "second quorum" in refused(base + "quorum g\nquorum g\n").message
    assert "second quorum" in refused(base + f"quorum g\nperson c {C}\nquorum c\n").message
    assert "member of a group" in refused(base + "quorum a\n").message
    assert "without a quorum" in refused(base + "quorum none\n").message
    assert "no quorum line" in refused(base).message
    assert "not defined above" in refused("quorum g\n" + base).message


def test_members_come_before_their_group() -> None:
    assert "`b` is not defined above" in refused(f"person a {A}\ngroup g 1 a b\nperson b {B}\nquorum g\n").message
    assert "`g` is not defined above" in refused(f"person a {A}\ngroup g 1 a g\nquorum g\n").message


@pytest.mark.parametrize("threshold", ["0", "3", "-1", "+1", "1.0", "01", "ANY", "Any", "anyx", "zzz", "", "½"])
def test_a_threshold_is_any_all_or_a_number_of_the_members(threshold: str) -> None:
    refused(f"person a {A}\nperson b {B}\ngroup g {threshold} a b\nquorum g\n")


def test_a_person_has_one_party_and_a_party_one_name() -> None:
    assert "has two names" in refused(f"person a {A}\nperson b {A}\ngroup g 1 a b\nquorum g\n").message
    for wrong in (A.upper(), A[:-1], A + "0", "x" + A, "party-" + "g" * 32):
        assert "is no party" in refused(f"person a {wrong}\nquorum a\n").message


def test_a_substitute_takes_one_place_and_does_not_count_twice() -> None:
    role = read(k_of([A, B, C], 2))
    assert role.satisfied_by({D, E}, {A: D, B: E})
    assert not role.satisfied_by({D}, {A: D, B: E})
    assert not role.satisfied_by({A, B}, {A: D, B: E})
    assert role.satisfied_by({C, D}, {A: D})
    assert role.satisfied_by({A, B}, {})
    assert role.satisfied_by({A, B}, None)
