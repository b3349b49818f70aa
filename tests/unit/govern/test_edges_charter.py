"""Every bound and floor of a charter at its limit and one beyond; the numbers stand here once more, as the specification has them."""

from __future__ import annotations

import copy
import dataclasses
import json
from typing import Any

import pytest

import governed_world as gw
from governed_world import DAY, HOUR, START, party
from groundrule.canon import format_base64
from groundrule.errors import InputError
from groundrule.govern import charter as charters
from groundrule.govern.charter import ChangeClass, Charter, Covered, Key, Limits, Member, parse_vkey
from groundrule.govern.expression import k_of
from groundrule.govern.signed import format_time

MS = 1_000_000
VALUE = gw.charter_value()


def changed(**paths: Any) -> dict[str, Any]:
    """The charter with values put at dotted paths, written with two underscores."""
    value = json.loads(json.dumps(VALUE))  # as out of an envelope: equal words, other objects
    for path, put in paths.items():
        at: Any = value
        *steps, last = path.split("__")
        for step in steps:
            at = at[int(step)] if step.isdigit() else at[step]
        at[int(last) if last.isdigit() else last] = put
    made: dict[str, Any] = json.loads(json.dumps(value))
    return made


def fits(**paths: Any) -> Charter:
    return Charter.parse(changed(**paths))


def refused(said: str, **paths: Any) -> None:
    with pytest.raises(InputError, match=said):
        Charter.parse(changed(**paths))


# --- the document ---


def test_it_lives_365_days_and_not_a_millisecond_longer() -> None:
    assert fits(expires=format_time(START + 365 * DAY)).expires == START + 365 * DAY
    refused("365 days", expires=format_time(START + 365 * DAY + MS))
    assert fits(expires=format_time(START + MS)).expired(START + MS)
    refused("after it is issued", expires=format_time(START))
    refused("after it is issued", expires=format_time(START - MS))
    assert not fits().expired(0)
    assert charters.MAX_LIFE_NS == 365 * 24 * 3_600 * 10**9


def test_only_the_first_one_names_the_policy() -> None:
    assert fits().policy_digest == gw.POLICY
    for version in (2, 3, 1000):
        assert fits(version=version, policy_digest=None).version == version
        refused("later versions name none", version=version)
    refused("version 1 names", policy_digest=None)
    refused("version", version=0, policy_digest=None)
    refused("version", version=0)


def test_nothing_of_it_can_be_changed() -> None:
    made = fits()
    parts = (made, made.limits, made.persons[0], made.persons[0].keys[0], made.change_classes["routine"], made.covered_persons[0])
    for part in parts:
        first = dataclasses.fields(part)[0].name
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(part, first, getattr(part, first))
    with pytest.raises(dataclasses.FrozenInstanceError):
        charters.FLOORS["routine"].persons = 1  # type: ignore[misc] # the point
    for table in (charters.FLOORS, charters.ROLE_FLOORS, charters.ROLE_OF_CLASS, charters.DEFAULT_CLASSES):
        with pytest.raises(TypeError):
            table["routine"] = 1  # type: ignore[index] # the point


@pytest.mark.parametrize("cls", [ChangeClass, Charter, Covered, Key, Limits, Member])
def test_its_parts_are_made_by_name(cls: Any) -> None:
    with pytest.raises(TypeError, match="takes 1 positional argument"):
        cls("a")


def test_what_is_asked_often_is_worked_out_once() -> None:
    made = fits()
    assert made.parties is made.parties
    assert made.owners is made.owners
    assert made.parties == {party(name) for name in gw.EVERYONE}
    assert made.trusted == {gw.key(name).public for name in gw.EVERYONE}
    assert fits(covered_persons=[{"party": party(n), "as": n} for n in ("owner", "executive", "role", "instructor")]).owners == {
        party("owner"), party("executive"),
    }  # fmt: skip
    assert fits(covered_persons=[]).owners == frozenset()


# --- keys ---


def test_a_key_is_valid_from_its_first_instant_until_before_its_last() -> None:
    key = Key.parse(gw.key_value("p1") | {"from": format_time(START), "to": format_time(START + MS)})
    assert [key.valid_at(at) for at in (START - 1, START, START + MS - 1, START + MS, START + DAY)] == [False, True, True, False, False]
    endless = Key.parse(gw.key_value("p1") | {"from": format_time(START), "to": None})
    assert [endless.valid_at(at) for at in (START - 1, START, START + 10_000 * DAY)] == [False, True, True]
    for end in (START, START - MS):
        with pytest.raises(InputError, match="never valid"):
            Key.parse(gw.key_value("p1") | {"from": format_time(START), "to": format_time(end)})


def test_a_key_is_held_by_token_hsm_or_software() -> None:
    for custody in ("token", "hsm", "software"):
        assert Key.parse(gw.key_value("p1") | {"custody": custody}).custody == custody
    with pytest.raises(InputError, match="custody"):
        Key.parse(gw.key_value("p1") | {"custody": "paper"})


def vkey_of(name: str, blob: bytes, key_id: str | None = None) -> str:
    from hashlib import sha256

    return f"{name}+{key_id or sha256(name.encode() + chr(10).encode() + blob).hexdigest()[:8]}+{format_base64(blob)}"


def test_a_vkey_is_a_name_its_key_id_and_33_bytes_of_type_1() -> None:
    public = gw.key("p1").public
    assert parse_vkey(vkey_of("p1", b"\x01" + public)) == ("p1", public)
    assert parse_vkey(vkey_of("ä", b"\x01" + public)) == ("ä", public)
    assert parse_vkey(vkey_of("!", b"\x01" + public)) == ("!", public)
    for wrong in (
        vkey_of("", b"\x01" + public), vkey_of("p 1", b"\x01" + public), vkey_of("p\t1", b"\x01" + public),
        vkey_of("p\x001", b"\x01" + public), vkey_of("p\x1f", b"\x01" + public), vkey_of("p1", b"\x01" + public[:-1]),
        vkey_of("p1", b"\x01" + public + b"\0"), vkey_of("p1", b"\x02" + public), vkey_of("p1", b"\x00" + public),
        "p1+00000000+", "p1", "+", "++",
    ):  # fmt: skip
        with pytest.raises(InputError, match="no vkey"):
            parse_vkey(wrong)
    good = vkey_of("p1", b"\x01" + public)
    for wrong in (good.replace("p1+", "p2+"), vkey_of("p1", b"\x01" + public, "00000000"), vkey_of("p1", b"\x01" + public, "zzzzzzzz"),
                  vkey_of("p1", b"\x01" + public, good.split("+")[1].upper() + "x")):  # fmt: skip
        with pytest.raises(InputError, match="belongs to another key"):
            parse_vkey(wrong)
    with pytest.raises(InputError, match="low order"):
        parse_vkey(vkey_of("p1", b"\x01\x01" + bytes(31)))


def test_a_vkey_has_at_most_400_characters_and_its_place_is_named() -> None:
    public = gw.key("p1").public
    room = 400 - len(vkey_of("", b"\x01" + public))
    longest = vkey_of("n" * room, b"\x01" + public)
    assert len(longest) == 400
    assert Key.parse(gw.key_value("p1") | {"vkey": longest}).public == public
    with pytest.raises(InputError, match="400 characters") as caught:
        Key.parse(gw.key_value("p1") | {"vkey": vkey_of("n" * (room + 1), b"\x01" + public)})
    assert caught.value.context["field"] == "key.vkey"
    with pytest.raises(InputError, match=r"roles\.policy: .*line 1"):
        Charter.parse(changed(roles__policy="nonsense\n"))


def test_a_person_has_one_to_sixteen_keys() -> None:
    keys = [gw.key_value("p1", f"p1 key {n}") for n in range(17)]
    made = fits(persons__0__keys=keys[:16])
    assert {made.person_of(gw.key(f"p1 key {n}").public, START) for n in range(16)} == {party("p1")}
    refused("keys", persons__0__keys=keys)
    refused("keys", persons__0__keys=[])


def test_a_public_key_belongs_to_one_person_once() -> None:
    refused("listed twice; a public key", persons__0__keys=[gw.key_value("p1"), gw.key_value("p1") | {"custody": "hsm"}])
    refused("listed twice; a public key", persons__3__keys=[gw.key_value("p4"), gw.key_value("p1-again", "p1")])
    refused(f"`{party('p1')}` is listed twice", persons__1=gw.member("p1", None, "another"))


def test_three_to_five_hundred_persons() -> None:
    few = [gw.member(name, f"g{n}") for n, name in enumerate(("a", "b", "c", "d"))]
    role, classes = k_of([party(n) for n in "abcd"], 3), copy.deepcopy(VALUE["change_classes"])
    for name, each in classes.items():
        each |= {"min_persons": 3, "of_persons": 4, "min_groups": 3 if name == "critical" else 2, "notice_hours": 24}
    small = {
        "roles": dict.fromkeys(("root", "policy", "critical", "review"), role)
        | {"emergency": k_of([party(n) for n in "abc"], 2), "registrar": f"person a {party('a')}\nquorum a\n"},
        "change_classes": classes, "substitutes": {}, "covered_persons": [],
    }  # fmt: skip
    assert len(Charter.parse(VALUE | small | {"persons": few}).persons) == 4
    with pytest.raises(InputError, match="3 to 500"):
        Charter.parse(VALUE | small | {"persons": few[:2]})
    crowd = few + [gw.member("x", "g0", f"crowd {n}") | {"party": party(f"crowd {n}")} for n in range(497)]
    assert len(Charter.parse(VALUE | small | {"persons": crowd[:500]}).persons) == 500
    with pytest.raises(InputError, match="3 to 500"):
        Charter.parse(VALUE | small | {"persons": crowd})


def test_at_most_five_hundred_covered_persons_each_once() -> None:
    covered = [{"party": party(("covered", n)), "as": "role"} for n in range(501)]
    assert len(fits(covered_persons=covered[:500]).covered_persons) == 500
    refused("500", covered_persons=covered)
    refused("covered person is listed twice", covered_persons=[covered[0], covered[0] | {"as": "owner"}])


def test_a_key_is_found_by_its_person_only_while_it_is_valid() -> None:
    made = fits(persons__0__keys=[gw.key_value("p1"), gw.key_value("p1", "old") | {"to": format_time(START)}])
    assert made.person_of(gw.key("p1").public, START) == party("p1")
    assert made.person_of(gw.key("old").public, START - 1) == party("p1")
    assert made.person_of(gw.key("old").public, START) is None
    assert made.person_of(b"", START) is None


# --- roles ---


def test_the_floors_are_those_of_the_specification() -> None:
    assert charters.ROLES == ("root", "policy", "critical", "emergency", "review", "registrar")
    assert charters.CLASSES == ("routine", "sensitive", "critical", "charter", "disclosure")
    assert dict(charters.ROLE_FLOORS) == {"root": 3, "policy": 2, "critical": 3, "emergency": 2, "review": 2}
    assert {name: (each.persons, each.groups, each.notice_hours) for name, each in charters.FLOORS.items()} == {
        "routine": (2, 1, 0), "sensitive": (3, 2, 0), "critical": (3, 2, 24), "charter": (3, 1, 0), "disclosure": (2, 1, 0),
    }  # fmt: skip


@pytest.mark.parametrize(("role", "floor"), [("root", 3), ("policy", 2), ("critical", 3), ("review", 2)])
def test_a_role_reaches_its_floor_exactly(role: str, floor: int) -> None:
    members = [party(name) for name in gw.CRITICAL_MEMBERS]
    assert fits(**{f"roles__{role}": k_of(members, floor)}).role(role).minimum == floor
    assert fits(**{f"roles__{role}": k_of(members, 6)}).role(role).minimum == 6
    refused(f"role `{role}` needs at least {floor} persons", **{f"roles__{role}": k_of(members, floor - 1)})
    refused(f"role `{role}` needs at least {floor} persons", **{f"roles__{role}": k_of(members, 7)})


def test_two_open_an_emergency_neither_one_nor_three() -> None:
    members = [party(name) for name in gw.EMERGENCY_MEMBERS]
    assert fits(roles__emergency=k_of(members, 2)).role("emergency").minimum == 2
    for k in (1, 3, 4):
        refused("role `emergency`", roles__emergency=k_of(members, k))


def test_a_registrar_may_act_singly_and_has_no_substitutes() -> None:
    assert fits(roles__registrar=f"person a {party('g1')}\nquorum a\n").role("registrar").minimum == 1
    assert fits(roles__registrar=k_of([party("g1"), party("p1")], 2)).role("registrar").minimum == 2
    refused("has none", substitutes={"registrar": [party("s1")]})
    refused("has none", substitutes={"king": [party("s1")]})
    for role in ("root", "critical", "emergency", "review"):
        assert fits(substitutes={role: [party("s1")]}).substitutes == {role: (party("s1"),)}


def test_a_substitute_has_keys_and_is_no_member() -> None:
    refused("has keys and is no member", substitutes={"policy": [party("s1"), party("stranger")]})
    refused("has keys and is no member", substitutes={"policy": [party("s1"), party("p5")]})
    assert fits(substitutes={"policy": [party("c1")]}).substitutes == {"policy": (party("c1"),)}
    assert fits(substitutes={}).substitutes == {}
    assert fits(substitutes={"policy": []}).substitutes == {"policy": ()}


def test_every_person_of_a_role_has_keys() -> None:
    refused("who has no keys here", roles__policy=k_of([party("p1"), party("p2"), party("stranger")], 2))
    refused("who has no keys here", roles__registrar=f"person a {party('stranger')}\nquorum a\n")


def test_a_role_is_asked_by_name() -> None:
    made = fits()
    assert made.role("policy").parties == {party(name) for name in gw.POLICY_MEMBERS}
    assert made.change_class("critical").notice_hours == 24
    assert made.group_of(party("p1")) == "group1"


# --- classes of change ---


@pytest.mark.parametrize("class_", charters.CLASSES)
@pytest.mark.parametrize("role", ["root", "policy", "critical", "review"])
def test_only_some_roles_decide_a_class(class_: str, role: str) -> None:
    may = {
        "routine": ("policy", "critical", "root"), "sensitive": ("policy", "critical", "root"), "critical": ("critical", "root"),
        "charter": ("root",), "disclosure": ("review",),
    }[class_]  # fmt: skip
    small = {"min_persons": 3, "of_persons": 5, "min_groups": 2}
    put = {f"change_classes__{class_}": VALUE["change_classes"][class_] | small | {"role": role}}
    if role in may:
        assert fits(**put).change_class(class_).role == role
    else:
        refused(f"class `{class_}` is decided by role", **put)


@pytest.mark.parametrize("class_", charters.CLASSES)
def test_each_floor_of_a_class_holds_by_itself(class_: str) -> None:
    floor = charters.FLOORS[class_]
    at_floor = {"min_persons": floor.persons, "min_groups": floor.groups, "notice_hours": floor.notice_hours}
    lowest = VALUE["change_classes"][class_] | at_floor
    assert fits(**{f"change_classes__{class_}": lowest}).change_class(class_).min_persons == floor.persons
    above = {"min_persons": floor.persons + 1, "min_groups": floor.groups, "notice_hours": floor.notice_hours + 1}
    assert fits(**{f"change_classes__{class_}": lowest | above}).change_class(class_).notice_hours == floor.notice_hours + 1
    for field, least in at_floor.items():
        if least - 1 >= (0 if field == "notice_hours" else 1):
            refused(f"class `{class_}` needs at least", **{f"change_classes__{class_}": lowest | {field: least - 1}})


def test_a_class_asks_for_fewer_than_the_role_has() -> None:
    assert fits(change_classes__routine__min_persons=4).change_class("routine").min_persons == 4
    refused("asks for 5 of 5", change_classes__routine__min_persons=5)
    refused("asks for 6 of 5", change_classes__routine__min_persons=6)
    assert fits(change_classes__routine__of_persons=3).change_class("routine").of_persons == 3
    refused("asks for 2 of 2", change_classes__routine__of_persons=2)
    refused("role `policy` has 5 members", change_classes__routine__of_persons=6)


def test_a_class_asks_for_no_more_groups_than_there_are_and_than_it_asks_for_persons() -> None:
    assert fits(change_classes__critical__min_groups=3).change_class("critical").min_groups == 3
    refused("role `critical` has 3", change_classes__critical__min_groups=4)
    apart = [gw.member(name, f"own-{name}") for name in gw.EVERYONE]
    assert fits(persons=apart, change_classes__critical__min_groups=4).change_class("critical").min_groups == 4
    refused("asks for 5 independence groups", persons=apart, change_classes__critical__min_groups=5)
    assert fits(persons=apart, change_classes__routine__min_groups=2).change_class("routine").min_groups == 2
    refused("asks for 3 independence groups", persons=apart, change_classes__routine__min_groups=3)


BOUNDS: list[tuple[Any, dict[str, Any], dict[str, tuple[int, int]]]] = [
    (ChangeClass, VALUE["change_classes"]["routine"], {
        "min_persons": (1, 100), "of_persons": (2, 100), "min_groups": (1, 100), "notice_hours": (0, 2160),
    }),
    (Limits, VALUE["limits"], {
        "emergency_ttl_hours": (1, 24), "emergency_renewals": (0, 1), "review_hours": (1, 72), "screening_hours": (1, 24),
        "seal_days": (1, 180), "seal_extensions": (0, 1), "conflict_months": (24, 600), "approval_ttl_hours": (1, 720),
        "proposal_ttl_days": (1, 90), "request_days": (1, 365), "contact_hours": (1, 24), "large_change_terminals": (1, 100),
        "snapshot_signers": (2, 100),
    }),
]  # fmt: skip


@pytest.mark.parametrize(("cls", "value", "bounds"), BOUNDS)
def test_every_number_has_its_bounds(cls: Any, value: dict[str, Any], bounds: dict[str, tuple[int, int]]) -> None:
    for field, (low, high) in bounds.items():
        for number in (low, high):
            assert cls.parse(value | {field: number}).value[field] == number
        for number in (low - 1, high + 1):
            with pytest.raises(InputError, match=rf"{field} is `{number}`"):
                cls.parse(value | {field: number})
    numbers = {name for name, each in value.items() if type(each) is int}
    assert numbers == set(bounds)


def test_one_to_a_hundred_conditions_of_an_emergency() -> None:
    codes = [f"c{n}" for n in range(101)]
    assert len(fits(limits__emergency_conditions=codes[:100]).limits.emergency_conditions) == 100
    refused("emergency_conditions", limits__emergency_conditions=codes)
    refused("emergency_conditions", limits__emergency_conditions=[])
    assert fits(limits__emergency_conditions=["a"]).limits.emergency_conditions == ("a",)
    assert fits(limits__emergency_conditions=["a" * 64]).limits.emergency_conditions == ("a" * 64,)
    for code in ("a" * 65, "A", "1a", "a-b", ""):
        refused("emergency_conditions", limits__emergency_conditions=[code])


def test_the_defaults_are_those_of_the_specification_wholly() -> None:
    assert charters.DEFAULT_LIMITS.value == {
        "emergency_ttl_hours": 24, "emergency_renewals": 1, "review_hours": 72, "screening_hours": 24, "seal_days": 180,
        "seal_extensions": 1, "conflict_months": 24, "approval_ttl_hours": 72, "proposal_ttl_days": 14, "request_days": 30,
        "contact_hours": 24, "large_change_terminals": 100, "snapshot_signers": 2,
        "emergency_conditions": ["danger_to_life", "hostile_use_confirmed", "wrong_denial_by_fault", "court_order_immediate",
                                 "interference_area_wide"],
    }  # fmt: skip
    fields = ("role", "min_persons", "of_persons", "min_groups", "notice_hours")
    assert {name: tuple(each.value[field] for field in fields) for name, each in charters.DEFAULT_CLASSES.items()} == {
        "routine": ("policy", 2, 5, 1, 0), "sensitive": ("policy", 3, 5, 2, 0), "critical": ("critical", 4, 7, 3, 24),
        "charter": ("root", 4, 7, 1, 0), "disclosure": ("review", 3, 5, 1, 0),
    }  # fmt: skip
    assert charters.DEFAULT_CLASSES["critical"].notice_hours * HOUR == DAY
