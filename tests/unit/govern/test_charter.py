"""The charter: bounds and floors in code, one owner per key, strict JSON."""

from __future__ import annotations

import copy
from typing import Any

import pytest

import governed_world as gw
from governed_world import DAY, START, party
from groundrule.errors import InputError
from groundrule.govern.charter import DEFAULT_CLASSES, DEFAULT_LIMITS, FLOORS, Charter, parse_vkey
from groundrule.govern.expression import k_of
from groundrule.govern.signed import format_time


def changed(path: str, value: Any) -> dict[str, Any]:
    charter = copy.deepcopy(gw.charter_value())
    at: Any = charter
    *steps, last = path.split(".")
    for step in steps:
        at = at[int(step)] if step.isdigit() else at[step]
    at[int(last) if last.isdigit() else last] = value
    return charter


def test_it_reads_back_as_it_was_written() -> None:
    charter = gw.charter()
    assert charter.value == gw.charter_value()
    assert Charter.parse_bytes(charter.data) == charter
    assert len(charter.digest) == 64


def test_a_key_belongs_to_its_person_in_its_half_open_interval() -> None:
    value = gw.charter_value()
    value["persons"][0]["keys"][0] |= {"from": format_time(START), "to": format_time(START + DAY)}
    charter, public = Charter.parse(value), gw.key("p1").public
    assert [charter.person_of(public, at) for at in (START - 1, START, START + DAY - 1, START + DAY)] == [
        None, party("p1"), party("p1"), None,
    ]  # fmt: skip
    assert charter.person_of(gw.key("nobody").public, START) is None


def test_questions() -> None:
    charter = gw.charter()
    assert charter.group_of(party("p4")) == "group1"
    assert charter.group_of(party("nobody")) is None
    assert not charter.expired(charter.expires - 1)
    assert charter.expired(charter.expires)
    assert charter.owners == {party("owner"), party("p1")}
    with pytest.raises(InputError, match="no role"):
        charter.role("king")
    with pytest.raises(InputError, match="no class"):
        charter.change_class("secret")


@pytest.mark.parametrize("class_", sorted(FLOORS))
@pytest.mark.parametrize("field", ["min_persons", "min_groups", "notice_hours"])
def test_no_class_goes_below_its_floor(class_: str, field: str) -> None:
    floor = {"min_persons": FLOORS[class_].persons, "min_groups": FLOORS[class_].groups,
             "notice_hours": FLOORS[class_].notice_hours}[field]  # fmt: skip
    if floor <= (field != "notice_hours"):
        return
    Charter.parse(changed(f"change_classes.{class_}.{field}", max(floor, 0)))
    with pytest.raises(InputError, match=f"class `{class_}` needs at least"):
        Charter.parse(changed(f"change_classes.{class_}.{field}", floor - 1))


BOUNDS = {
    "emergency_ttl_hours": (1, 24),
    "emergency_renewals": (0, 1),
    "review_hours": (1, 72),
    "screening_hours": (1, 24),
    "seal_days": (1, 180),
    "seal_extensions": (0, 1),
    "conflict_months": (24, 600),
    "contact_hours": (1, 24),
    "large_change_terminals": (1, 100),
    "snapshot_signers": (2, 100),
}


@pytest.mark.parametrize("limit", sorted(BOUNDS))
def test_no_limit_goes_beyond_its_bounds(limit: str) -> None:
    low, high = BOUNDS[limit]
    for value in (low, high):
        Charter.parse(changed(f"limits.{limit}", value))
    for value in (low - 1, high + 1, float(low), True, str(low), None):
        with pytest.raises(InputError, match=limit):
            Charter.parse(changed(f"limits.{limit}", value))


@pytest.mark.parametrize("role", ["root", "policy", "critical", "emergency", "review"])
def test_a_role_never_lets_one_person_act(role: str) -> None:
    members = list(map(party, gw.CRITICAL_MEMBERS))
    with pytest.raises(InputError, match=f"role `{role}`"):
        Charter.parse(changed(f"roles.{role}", k_of(members, 1)))
    with pytest.raises(InputError, match=f"role `{role}`"):
        Charter.parse(changed(f"roles.{role}", k_of(members, len(members))))


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("expires", format_time(START + 366 * DAY), "365 days"),
        ("expires", format_time(START), "after it is issued"),
        ("policy_digest", None, "version 1 names the policy"),
        ("version", 2, "later versions name none"),
        ("version", 0, "version"),
        ("persons.0", gw.member("p2"), "listed twice|same value twice"),
        ("persons.0.keys.0", gw.key_value("p2"), "belongs to one person"),
        ("persons.0.keys", [], "keys"),
        ("persons.0.keys.0.vkey", "p1+00000000+AAAA", "no vkey"),
        ("persons.0.party", party("stranger"), "has no keys here"),
        ("roles.emergency", k_of(map(party, gw.EMERGENCY_MEMBERS), 3), "exactly 2"),
        ("substitutes", {"registrar": []}, "substitutes"),
        ("substitutes", {"policy": [party("p1")]}, "no member of the role"),
        ("substitutes", {"policy": [party("nobody")]}, "has keys"),
        ("change_classes.charter.role", "policy", "decided by role root"),
        ("change_classes.disclosure.role", "policy", "decided by role review"),
        ("change_classes.routine.role", "registrar", "role"),
        ("change_classes.routine.of_persons", 6, "role `policy` has 5"),
        ("change_classes.routine.min_persons", 5, "asks for 5 of 5"),
        ("change_classes.critical.min_groups", 4, "independence groups"),
        ("covered_persons.1.party", party("owner"), "listed twice"),
        ("surprise", 1, "unknown field"),
        ("limits.emergency_conditions", [], "emergency_conditions"),
        ("issued", "2026-03-02T09:00:00Z", "issued"),
        ("issued", "2026-02-30T09:00:00.000Z", "issued"),
        ("limits.proposal_ttl_days", 91, "proposal_ttl_days"),
        ("limits.approval_ttl_hours", 24 * 30 + 1, "approval_ttl_hours"),
        ("limits.request_days", 366, "request_days"),
        ("change_classes.critical.notice_hours", 24 * 90 + 1, "notice_hours"),
    ],
)
def test_what_is_wrong_is_refused_and_named(path: str, value: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        Charter.parse(changed(path, value))


def test_a_missing_field_is_named() -> None:
    value = gw.charter_value()
    del value["limits"]
    with pytest.raises(InputError, match="lacks `limits`"):
        Charter.parse(value)


def test_a_vkey_is_checked_wholly() -> None:
    good = gw.vkey("p1", gw.key("p1"))
    assert parse_vkey(good) == ("p1", gw.key("p1").public)
    for wrong in ("", "p1", good[:-4], good.replace("p1+", "p2+"), gw.vkey("p 1", gw.key("p1"))):
        with pytest.raises(InputError):
            parse_vkey(wrong)


def test_the_defaults_are_those_of_the_specification() -> None:
    assert DEFAULT_LIMITS.value["approval_ttl_hours"] == 72
    assert (DEFAULT_CLASSES["critical"].min_persons, DEFAULT_CLASSES["critical"].notice_hours) == (4, 24)
