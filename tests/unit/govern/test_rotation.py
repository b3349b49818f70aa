"""Taking a charter into force, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

import governed_world as gw
from governed_world import DAY, START
from groundrule.errors import ConflictError, InputError
from groundrule.govern.refusal import code_of
from groundrule.govern.rotation import check_genesis, check_rotation, read_charter
from groundrule.govern.signed import format_time

OLD = gw.charter()
ROOT = gw.ROOT_MEMBERS


def successor(**changes: Any) -> dict[str, Any]:
    return gw.charter_value(version=2, policy_digest=None, **changes)


def refused(value: dict[str, Any], *signers: str, now: int = START, old: Any = OLD) -> str:
    envelope = gw.envelope("charter", value, *signers)
    with pytest.raises(ConflictError) as caught:
        check_rotation(old, read_charter(envelope), envelope, now)
    return code_of(caught.value)


def test_genesis_needs_its_own_root_quorum() -> None:
    good = gw.envelope("charter", gw.charter_value(), *ROOT[:4])
    check_genesis(read_charter(good), good, START)
    for signers in (ROOT[:3], gw.POLICY_MEMBERS, ("r1", "r1", "r1", "r1")):
        few = gw.envelope("charter", gw.charter_value(), *signers)
        with pytest.raises(ConflictError) as caught:
            check_genesis(read_charter(few), few, START)
        assert code_of(caught.value) == "root_quorum"


def test_genesis_has_version_one() -> None:
    envelope = gw.envelope("charter", successor(), *ROOT[:4])
    with pytest.raises(ConflictError) as caught:
        check_genesis(read_charter(envelope), envelope, START)
    assert code_of(caught.value) == "charter_version"


def test_rotation_wants_both_quorums() -> None:
    persons = [gw.member(name, None, name + "new") if name in ROOT else gw.member(name) for name in gw.EVERYONE]
    value = successor(persons=persons)
    new_keys = [name + "new" for name in ROOT[:4]]
    both = gw.envelope("charter", value, *ROOT[:4], *new_keys)
    check_rotation(OLD, read_charter(both), both, START)
    assert refused(value, *new_keys) == "root_quorum"  # without the old quorum
    assert refused(value, *ROOT[:4]) == "root_quorum"  # without the new one
    assert refused(value, *ROOT[:3], *new_keys) == "root_quorum"


@pytest.mark.parametrize("version", [3, 9])
def test_a_version_is_never_left_out(version: int) -> None:
    assert refused(successor() | {"version": version}, *ROOT[:4]) == "charter_version"


def test_nobody_goes_back_to_an_older_charter() -> None:
    envelope = gw.envelope("charter", successor(), *ROOT[:4])
    newer = read_charter(envelope)
    assert refused(gw.charter_value(), *ROOT[:4], old=newer) == "charter_version"
    assert refused(successor(), *ROOT[:4], old=newer) == "charter_version"


def test_time_is_judged_for_the_new_one_only() -> None:
    fresh = successor(issued=format_time(START + 310 * DAY), expires=format_time(START + 400 * DAY))
    late = START + 310 * DAY
    assert OLD.expired(late)
    envelope = gw.envelope("charter", fresh, *ROOT[:4])
    check_rotation(OLD, read_charter(envelope), envelope, late)
    assert refused(successor(), *ROOT[:4], now=START + 301 * DAY) == "charter_expired"
    assert refused(fresh, *ROOT[:4], now=START) == "charter_from_future"


def test_expired_keys_do_not_sign() -> None:
    value = gw.charter_value()
    for member in value["persons"]:
        member["keys"][0]["to"] = format_time(START + DAY)
    old = gw.Charter.parse(value)
    assert refused(successor(), *ROOT[:4], now=START + DAY, old=old) == "root_quorum"


def test_the_checked_charter_is_the_signed_one() -> None:
    envelope = gw.envelope("charter", successor(), *ROOT[:4])
    other = read_charter(gw.envelope("charter", successor(expires=format_time(START + 9 * DAY)), *ROOT[:4]))
    with pytest.raises(ConflictError) as caught:
        check_rotation(OLD, other, envelope, START)
    assert code_of(caught.value) == "charter_other"


def test_an_envelope_of_another_type_is_no_charter() -> None:
    with pytest.raises(InputError, match="envelope of type"):
        read_charter(gw.envelope("approval", gw.charter_value(), *ROOT[:4]))
