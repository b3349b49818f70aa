"""Approvals, rotations and enactments at their limits, as they come out of a log: equal words, other objects."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any

import pytest

import governed_world as gw
from governed_world import DAY, HOUR, MINUTE, SECOND, START, World, party
from groundrule.canon import canonical_signed
from groundrule.errors import ConflictError, GroundruleError, InputError
from groundrule.govern import quorum
from groundrule.govern.expression import k_of
from groundrule.govern.refusal import code_of
from groundrule.govern.rotation import _read, check_genesis, check_rotation, read_charter, signers
from groundrule.govern.signed import format_time
from groundrule.govern.state import State

MS = 1_000_000
ROOT = gw.ROOT_MEMBERS


@pytest.fixture
def world() -> World:
    return World.governed()


def outcome(world: World, kind: str, body: dict[str, Any], index: int | None = None) -> str:
    """Return why an entry is refused; `admitted` or `known` when it is not."""
    try:
        found = world.state.check(kind, json.loads(json.dumps(body)), world.now, index)
    except GroundruleError as error:
        return code_of(error)
    return "known" if found is None else "admitted"


def rotation(old: dict[str, Any], new: dict[str, Any], *by: str, now: int = START) -> str:
    envelope = gw.envelope("charter", new, *by)
    try:
        check_rotation(gw.Charter.parse(old), read_charter(envelope), envelope, now)
    except ConflictError as error:
        return code_of(error)
    return "fine"


def successor(version: int = 2, **changes: Any) -> dict[str, Any]:
    return gw.charter_value(version=version, policy_digest=None, **changes)


# --- rotation ---


@pytest.mark.parametrize(("old", "new", "fine"), [
    (1, 2, True), (1, 3, False), (2, 2, False), (2, 3, True), (3, 2, False), (2, 4, False), (299, 300, True),
    (300, 302, False), (4, 5, True),
])  # fmt: skip
def test_the_version_rises_by_one(old: int, new: int, fine: bool) -> None:
    before = successor(old) if old > 1 else gw.charter_value()
    envelope = gw.envelope("charter", successor(new), *ROOT[:4])
    if fine:
        check_rotation(gw.Charter.parse(before), read_charter(envelope), envelope, START)
        return
    with pytest.raises(ConflictError) as caught:
        check_rotation(gw.Charter.parse(before), read_charter(envelope), envelope, START)
    assert code_of(caught.value) == "charter_version"
    assert (caught.value.context["found"], caught.value.context["expected"]) == (new, old + 1)


@pytest.mark.parametrize(("ahead", "code"), [(0, "fine"), (5 * SECOND, "fine"), (5 * SECOND + MS, "charter_from_future"), (-DAY, "fine")])
def test_a_charter_may_be_issued_five_seconds_ahead(ahead: int, code: str) -> None:
    issued = {"issued": format_time(START + ahead), "expires": format_time(START + 9 * DAY)}
    assert rotation(gw.charter_value(), successor(**issued), *ROOT[:4]) == code


def test_a_charter_is_not_taken_into_force_from_its_expiry_on() -> None:
    new = successor(expires=format_time(START + DAY))
    assert rotation(gw.charter_value(), new, *ROOT[:4], now=START + DAY - 1) == "fine"
    assert rotation(gw.charter_value(), new, *ROOT[:4], now=START + DAY) == "charter_expired"
    envelope = gw.envelope("charter", gw.charter_value(expires=format_time(START + DAY)), *ROOT[:4])
    check_genesis(read_charter(envelope), envelope, START + DAY - 1)
    with pytest.raises(ConflictError) as caught:
        check_genesis(read_charter(envelope), envelope, START + DAY)
    assert code_of(caught.value) == "charter_expired"


def test_both_quorums_count_persons_by_the_class_and_by_the_role() -> None:
    classes = gw.charter_value()["change_classes"]
    five = {"change_classes": classes | {"charter": classes["charter"] | {"min_persons": 5}}}
    assert rotation(gw.charter_value(), successor(**five), *ROOT[:4]) == "root_quorum"
    assert rotation(gw.charter_value(), successor(**five), *ROOT[:5]) == "fine"
    assert rotation(gw.charter_value(**five), successor(), *ROOT[:4]) == "root_quorum"
    assert rotation(gw.charter_value(**five), successor(), *ROOT[:6]) == "fine"
    three = {"change_classes": classes | {"charter": classes["charter"] | {"min_persons": 3}}}
    assert rotation(gw.charter_value(**three), successor(**three), *ROOT[:3]) == "root_quorum"
    assert rotation(gw.charter_value(**three), successor(**three), *ROOT[:4]) == "fine"


@pytest.mark.parametrize(("min_groups", "signed", "code"), [
    (2, ("r1", "r4", "r7", "r2"), "fine"), (3, ("r1", "r4", "r7", "r2"), "root_quorum"), (3, ("r1", "r2", "r3", "r4"), "fine"),
    (2, ("r1", "r2", "r3", "r4"), "fine"), (1, ("r1", "r4", "r7", "r2"), "fine"),
])  # fmt: skip
def test_the_root_quorum_spans_its_groups(min_groups: int, signed: tuple[str, ...], code: str) -> None:
    classes = gw.charter_value()["change_classes"]
    classes = classes | {"charter": classes["charter"] | {"min_groups": min_groups}}
    assert rotation(gw.charter_value(change_classes=classes), successor(), *signed) == code


def test_only_persons_of_the_root_role_count() -> None:
    assert rotation(gw.charter_value(), successor(), *ROOT[:3], "p1", "c1", "e1") == "root_quorum"
    assert rotation(gw.charter_value(), successor(), *ROOT[:4], "p1", "stranger") == "fine"
    roles = gw.charter_value()["roles"] | {"root": k_of([party(name) for name in ("c1", "c2", "c3", "c4")], 3)}
    moved = successor(roles=roles, change_classes=gw.charter_value()["change_classes"] | {
        "charter": {"role": "root", "min_persons": 3, "of_persons": 4, "min_groups": 1, "notice_hours": 0},
    })  # fmt: skip
    assert rotation(gw.charter_value(), moved, *ROOT[:4]) == "root_quorum"
    assert rotation(gw.charter_value(), moved, "c1", "c2", "c3") == "root_quorum"
    assert rotation(gw.charter_value(), moved, *ROOT[:4], "c1", "c2", "c3") == "fine"


@pytest.mark.parametrize("days", [1, 2])
def test_another_charter_than_the_signed_one_is_refused_whichever_sorts_first(days: int) -> None:
    one, two = (gw.envelope("charter", successor(expires=format_time(START + each * DAY)), *ROOT[:4]) for each in (days, 3 - days))
    with pytest.raises(ConflictError) as caught:
        check_rotation(gw.charter(), read_charter(one), two, START)
    assert code_of(caught.value) == "charter_other"


def test_a_root_quorum_says_how_many_signed() -> None:
    envelope = gw.envelope("charter", gw.charter_value(), "r1", "r2", "p1")
    with pytest.raises(ConflictError, match="2 of its own root persons signed the charter, 4 must") as caught:
        check_genesis(read_charter(envelope), envelope, START)
    assert caught.value.context["counted"] == 2


def test_signers_are_the_persons_behind_valid_keys() -> None:
    value = gw.charter_value()
    value["persons"][0]["keys"].append(gw.key_value("p1", "p1 old") | {"to": format_time(START)})
    charter = gw.Charter.parse(value)
    both = [gw.key("p1"), gw.key("p1 old"), gw.key("p2"), gw.key("stranger")]
    envelope = gw.sign_envelope(canonical_signed({"a": 1}), gw.payload_type("review"), both)
    assert signers(charter, envelope, "review", START) == (b'{"a":1}', {party("p1"), party("p2")})
    old = gw.sign_envelope(b"{}", gw.payload_type("review"), [gw.key("p1 old")])
    assert signers(charter, old, "review", START - 1)[1] == {party("p1")}
    assert signers(charter, old, "review", START)[1] == frozenset()
    with pytest.raises(InputError, match="envelope of type"):
        signers(charter, old, "contact", START)


def test_the_same_charter_again_has_the_effect_of_one(world: World) -> None:
    again = gw.envelope("charter", gw.charter_value(), *ROOT[:4])
    assert outcome(world, "charter", again) == "known"
    assert outcome(world, "charter", gw.envelope("charter", gw.charter_value(), "stranger")) == "known"
    _read.cache_clear()  # read anew, as after a restart
    assert outcome(world, "charter", again) == "known"
    for day in range(1, 5):  # digests that sort before and after
        other = gw.charter_value(expires=format_time(START + day * DAY))
        assert outcome(world, "charter", gw.envelope("charter", other, *ROOT[:4])) == "charter_version"
    assert outcome(World(), "charter", gw.envelope("charter", gw.charter_value(), *ROOT[:4])) == "admitted"


# --- approvals ---


@pytest.mark.parametrize(("off", "code"), [
    (5 * SECOND, "admitted"), (5 * SECOND + MS, "from_future"), (-5 * SECOND, "admitted"), (-5 * SECOND - MS, "signed_before_proposal"),
])  # fmt: skip
def test_an_approval_is_signed_after_its_proposal_and_not_in_the_future(world: World, off: int, code: str) -> None:
    name = world.propose()
    assert outcome(world, "approval", world.approval(name, "p1", signed_at=format_time(START + off))) == code


def test_an_approval_is_logged_before_it_expires(world: World) -> None:
    name = world.propose()
    made = world.approval(name, "p1", expires=format_time(START + HOUR))
    world.now = START + HOUR - 1
    assert outcome(world, "approval", made) == "admitted"
    for at in (0, 1, DAY):
        world.now = START + HOUR + at
        assert outcome(world, "approval", made) == "approval_expired"


@pytest.mark.parametrize(("size", "index", "code"), [
    (2, 2, "admitted"), (1, 2, "not_seen"), (3, 2, "checkpoint"), (3, 3, "admitted"), (2, None, "admitted"), (900, None, "admitted"),
    (900, 899, "checkpoint"), (900, 900, "admitted"),
])  # fmt: skip
def test_a_checkpoint_includes_the_proposal_and_nothing_that_is_to_come(world: World, size: int, index: int | None, code: str) -> None:
    name = world.propose()
    made = world.approval(name, "p1", seen_checkpoint={"size": size, "root": gw.digest("root")})
    assert outcome(world, "approval", made, index) == code


def test_a_checkpoint_of_long_ago_does_not_include_the_proposal(world: World) -> None:
    for name in ("a", "b", "c"):
        world.log("request", gw.request_value(name))
    name = world.propose()
    for size, code in ((1, "not_seen"), (3, "not_seen"), (4, "not_seen"), (5, "admitted")):
        assert outcome(world, "approval", world.approval(name, "p1", seen_checkpoint={"size": size, "root": gw.digest("root")})) == code


def test_a_log_that_knows_its_heads_asks_for_both_numbers(world: World) -> None:
    name = world.propose()
    world.state = State.fold(world.entries, consistent=lambda size, root: (size, root) == (2, bytes.fromhex(gw.digest("true"))))
    for seen, code in (({"size": 2, "root": gw.digest("true")}, "admitted"), ({"size": 2, "root": gw.digest("false")}, "checkpoint"),
                       ({"size": 3, "root": gw.digest("true")}, "checkpoint")):  # fmt: skip
        assert outcome(world, "approval", world.approval(name, "p1", seen_checkpoint=seen), 9) == code


@pytest.mark.parametrize("change", [
    {"impact_digest": "0" * 64}, {"impact_digest": "f" * 64}, {"charter_version": 2}, {"charter_version": 1000}, {"role": "critical"},
    {"role": "root"}, {"role": "review"}, {"proposal_digest": "0" * 64},
])  # fmt: skip
def test_an_approval_is_of_exactly_this_proposal(world: World, change: dict[str, Any]) -> None:
    name = world.propose()
    code = {"impact_digest": "other_impact", "charter_version": "old_charter", "role": "not_in_role", "proposal_digest": "unknown_proposal"}
    assert outcome(world, "approval", world.approval(name, "p1", **change)) == code[next(iter(change))]
    assert outcome(world, "approval", world.approval(name, "p1")) == "admitted"


def test_an_approval_under_an_older_charter_is_refused_and_under_a_later_one_too() -> None:
    world = World.governed()
    name = world.propose()
    for version, said in ((300, "old_charter"), (301, "admitted"), (302, "old_charter")):
        world.state.charter = gw.charter(version=301, policy_digest=None)
        assert outcome(world, "approval", world.approval(name, "p1", charter_version=version)) == said


def test_members_and_substitutes_of_the_role_approve_and_nobody_else(world: World) -> None:
    name = world.propose()
    expected = {"p1": "admitted", "p5": "admitted", "s1": "admitted", "s3": "admitted", "c1": "not_in_role", "v1": "not_in_role"}
    assert {who: outcome(world, "approval", world.approval(name, who)) for who in expected} == expected
    critical = world.propose("critical", **{"class": "critical"})
    expected = {"c1": "admitted", "p1": "not_in_role", "s1": "not_in_role"}
    assert {who: outcome(world, "approval", world.approval(critical, who)) for who in expected} == expected


def test_who_signs_decides_and_not_how_often_or_beside_whom(world: World) -> None:
    name = world.propose()
    made = world.approval(name, "p2")
    value, signatures = json.loads(b64decode(made["payload"])), made["signatures"]

    def signed(*who: str) -> dict[str, Any]:
        return gw.envelope("approval", value, *who)

    assert outcome(world, "approval", signed("p2", "p2")) == "admitted"
    assert outcome(world, "approval", signed("p1", "p3", "p2")) == "admitted"
    assert outcome(world, "approval", signed("p1", "p3")) == "wrong_person"
    assert outcome(world, "approval", signed("stranger")) == "bad_signature"
    assert outcome(world, "approval", made | {"signatures": []}) == "bad_signature"
    assert outcome(world, "approval", made | {"signatures": signatures * 50}) == "admitted"


@pytest.mark.parametrize(("valid_from", "valid_to", "signed", "logged", "code"), [
    (-DAY, HOUR, 0, HOUR - MS, "admitted"), (-DAY, HOUR, 0, HOUR, "key_expired"), (0, HOUR, 0, 0, "admitted"),
    (MS, HOUR, 0, MS, "key_expired"),
    (0, None, 0, DAY, "admitted"),
])  # fmt: skip
def test_a_key_is_valid_when_it_signs_and_when_that_is_logged(
    valid_from: int, valid_to: int | None, signed: int, logged: int, code: str
) -> None:
    value = gw.charter_value()
    end = None if valid_to is None else format_time(START + valid_to)
    value["persons"][0]["keys"][0] |= {"from": format_time(START + valid_from), "to": end}
    world = World.governed(persons=value["persons"])
    name = world.propose()
    made = world.approval(name, "p1", signed_at=format_time(START + signed))
    world.now = START + logged
    assert outcome(world, "approval", made) == code


def test_two_keys_of_one_person_do_not_cover_for_each_other() -> None:
    value = gw.charter_value()
    value["persons"][0]["keys"] = [
        gw.key_value("p1", "early") | {"to": format_time(START + HOUR)}, gw.key_value("p1", "late") | {"from": format_time(START + HOUR)},
    ]  # fmt: skip
    world = World.governed(persons=value["persons"])
    name = world.propose()
    made = world.approval(name, "p1", signer="early")
    late = world.approval(name, "p1", signer="late")
    world.now += HOUR
    assert outcome(world, "approval", made) == "key_expired"
    assert outcome(world, "approval", late) == "key_expired"
    assert outcome(world, "approval", world.approval(name, "p1", signer="late")) == "admitted"


def test_a_nonce_stands_for_one_approval(world: World) -> None:
    name = world.propose()
    made = world.approval(name, "p1", nonce="5" * 32)
    world.log("approval", made)
    assert outcome(world, "approval", made) == "known"
    for who in ("p2", "p3", "p4", "p5"):  # digests that sort before and after
        assert outcome(world, "approval", world.approval(name, who, nonce="5" * 32)) == "nonce_reused"


def test_a_conflict_statement_names_registered_contacts_with_others(world: World) -> None:
    world.log("contact", gw.contact_value("far", party("p1"), party("stranger")))
    world.log("contact", gw.contact_value("near", party("p5"), party("gainer")))
    world.screen(party("gainer"))
    near, far, none = (gw.ident("contact", each) for each in ("near", "far", "nothing"))
    name = world.propose(beneficiaries=[party("gainer")], contacts_in_scope=[near])
    for stated, code in (([far], "admitted"), ([near], "contact"), ([far, near], "contact"), ([none], "unknown_contact"),
                         ([far, none], "unknown_contact")):  # fmt: skip
        assert outcome(world, "approval", world.approval(name, "p2", conflict_statement=stated)) == code
    others = [gw.ident("contact", each) for each in ("first", "second")]
    with pytest.raises(GroundruleError, match=f"contact `{others[0]}` is not registered"):
        world.state.check("approval", world.approval(name, "p2", conflict_statement=others), world.now)
    for verdict in ("reject", "recuse"):
        assert outcome(world, "approval", world.approval(name, "p2", verdict, conflict_statement=[near])) == "admitted"


def test_who_is_in_conflict_may_still_reject_or_recuse(world: World) -> None:
    name = world.propose(author=party("p1"))
    assert outcome(world, "approval", world.approval(name, "p1")) == "author"
    for verdict in ("reject", "recuse"):
        assert outcome(world, "approval", world.approval(name, "p1", verdict)) == "admitted"


# --- contacts recuse ---


def test_an_allegation_recuses_from_the_first_proposal_only(world: World) -> None:
    world.screen(party("gainer"))
    world.log("contact", gw.contact_value("alleged", party("p1"), party("gainer")))
    scope = {"beneficiaries": [party("gainer")], "contacts_in_scope": [gw.ident("contact", "alleged")]}
    first, second = world.propose("first", **scope), world.propose("second", **scope)
    assert outcome(world, "approval", world.approval(first, "p1")) == "contact"
    assert outcome(world, "approval", world.approval(second, "p1")) == "admitted"
    world.log("contact", gw.own_contact("own", "p2", party("gainer")))
    third = world.propose("third", **scope | {"contacts_in_scope": [gw.ident("contact", each) for each in ("alleged", "own")]})
    for name in (first, second, third):
        assert outcome(world, "approval", world.approval(name, "p2")) == "contact"


# --- enactments ---


@pytest.mark.parametrize(("after", "code"), [
    (0, "admitted"), (600 * SECOND, "admitted"), (600 * SECOND + 1, "clock_stepped"),
    (-5 * SECOND, "admitted"), (-5 * SECOND - 1, "clock_stepped"),
])  # fmt: skip
def test_an_enactment_is_logged_within_ten_minutes_of_its_judgement(world: World, after: int, code: str) -> None:
    name = world.propose()
    world.approve(name, "p1", "p2")
    world.now += MINUTE
    made = quorum.enactment(world.state, name, world.judge(name), world.now).value
    world.now += after
    assert outcome(world, "enactment", made) == code


def test_an_enactment_names_everything_it_relies_on_exactly(world: World) -> None:
    world.screen(party("gainer"))
    name = world.propose(beneficiaries=[party("gainer")])
    world.approve(name, "p1", "p2")
    made = quorum.enactment(world.state, name, world.judge(name), world.now).value
    assert outcome(world, "enactment", made) == "admitted"
    refs = made["approvals"]
    for change in (
        {"charter_version": 2}, {"charter_index": 5}, {"proposal_index": 0}, {"proposal_index": 9}, {"screening_indexes": []},
        {"screening_indexes": [0]}, {"screening_indexes": [1, 2]}, {"policy_digest_before": "0" * 64}, {"policy_digest_before": "f" * 64},
        {"policy_digest_after": "0" * 64}, {"policy_digest_after": "f" * 64}, {"approvals": refs[::-1]},
        {"approvals": [refs[0] | {"log_index": 7}, refs[1]]}, {"approvals": [refs[0] | {"digest": "0" * 64}, refs[1]]},
    ):  # fmt: skip
        assert outcome(world, "enactment", made | change) == "other_grounds", change
    assert outcome(world, "enactment", made | {"proposal_digest": "0" * 64}) == "unknown_proposal"
    world.log("enactment", made)
    assert outcome(world, "enactment", made) == "known"
    later = made | {"enacted_at": format_time(START + MS)}
    assert outcome(world, "enactment", later) == "already_enacted"


def test_an_enactment_names_the_charter_in_force_and_no_earlier_one(world: World) -> None:
    world.now += HOUR
    world.log("request", gw.request_value())
    world.log("charter", gw.envelope("charter", successor(), *ROOT[:4]))
    name = world.propose()
    world.approve(name, "p1", "p2")
    made = quorum.enactment(world.state, name, world.judge(name), world.now).value
    assert (made["charter_version"], made["charter_index"], made["proposal_index"]) == (2, 2, 3)
    for change in ({"charter_version": 1}, {"charter_version": 1, "charter_index": 0}, {"charter_index": 0}, {"charter_index": 1}):
        assert outcome(world, "enactment", made | change) == "other_grounds"
    assert outcome(world, "enactment", made) == "admitted"


def test_an_enactment_without_a_quorum_or_against_a_block_is_refused(world: World) -> None:
    name = world.propose(effective={"from": format_time(START + MINUTE), "until": None, "tz": "UTC"})
    world.approve(name, "p1", "p2")
    world.now += MINUTE
    made = quorum.enactment(world.state, name, world.judge(name), world.now).value
    assert outcome(world, "enactment", made | {"enacted_at": format_time(START + MINUTE - MS)}) == "not_yet"
    world.approve(name, "p2", verdict="reject")
    assert outcome(world, "enactment", made) == "quorum"


def test_an_enactment_is_judged_with_the_heads_that_the_log_knows(world: World) -> None:
    name = world.propose()
    world.approve(name, "p1", "p2")
    made = quorum.enactment(world.state, name, world.judge(name), world.now).value
    for known, code in ((True, "admitted"), (False, "quorum")):
        world.state.consistent = lambda *_, known=known: known
        assert outcome(world, "enactment", made) == code
