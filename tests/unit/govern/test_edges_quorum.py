"""Quorums at their limits: the last instant, the first one beyond, the k-th person, the second group, whoever stands in."""

from __future__ import annotations

import copy
import dataclasses
import json
from typing import Any

import pytest

import governed_world as gw
from governed_world import DAY, HOUR, MINUTE, SECOND, START, World, party
from groundrule.govern import quorum
from groundrule.govern.conflicts import editors, excluded, stand_ins
from groundrule.govern.expression import k_of
from groundrule.govern.objects import ListSnapshot, Proposal
from groundrule.govern.signed import format_time

MS = 1_000_000


@pytest.fixture
def world() -> World:
    return World.governed()


def codes(world: World, name: str, at: int | None = None, **more: Any) -> list[str]:
    judged = quorum.judge(world.state, name, at_ns=world.now if at is None else at, **more)
    return [block.code for block in judged.blocks]


def with_classes(**changes: dict[str, Any]) -> dict[str, Any]:
    classes = copy.deepcopy(gw.charter_value()["change_classes"])
    for name, fields in changes.items():
        classes[name] |= fields
    return {"change_classes": classes}


def snapshot(sha256: str, date: str = "2026-03-01", source: str = "list-a") -> ListSnapshot:
    return ListSnapshot(source=source, date=date, sha256=sha256)


# --- counting ---


def test_a_quorum_holds_at_its_number_of_persons_and_not_one_below() -> None:
    world = World.governed(**with_classes(routine={"min_persons": 3}))
    name = world.propose()
    for count, who in enumerate(("p1", "p2", "p3", "p4"), 1):
        world.approve(name, who)
        judged = world.judge(name)
        assert judged.quorum is judged.satisfied is (count >= 3)
        assert judged.missing == ("" if count >= 3 else f"{count} of 3 persons of role policy approve")
        assert len(judged.counted) == len(judged.approvals) == count


def test_the_larger_of_class_and_role_says_how_many_are_missing() -> None:
    roles = gw.charter_value()["roles"] | {"policy": k_of([party(name) for name in gw.POLICY_MEMBERS], 3)}
    world = World.governed(roles=roles)
    name = world.propose()
    world.approve(name, "p1", "p2")
    assert world.judge(name).missing == "2 of 3 persons of role policy approve"
    world.approve(name, "p3")
    assert world.judge(name).quorum


def test_persons_enough_may_still_not_satisfy_the_role() -> None:
    lines = [f"person {name} {party(name)}" for name in gw.POLICY_MEMBERS]
    text = "\n".join([*lines, "group three 2 p3 p4 p5", "group q 2 p1 p2 three", "quorum q"]) + "\n"
    world = World.governed(roles=gw.charter_value()["roles"] | {"policy": text})
    name = world.propose()
    world.approve(name, "p3", "p4")
    judged = world.judge(name)
    assert not judged.quorum
    assert judged.missing == "the approving persons do not satisfy role policy"
    world.approve(name, "p1")
    assert world.judge(name).quorum


def test_persons_enough_of_just_enough_groups_may_still_not_satisfy_the_role() -> None:
    lines = [f"person {name} {party(name)}" for name in gw.POLICY_MEMBERS]
    text = "\n".join([*lines, "group three 2 p2 p4 p5", "group q 2 p1 p3 three", "quorum q"]) + "\n"
    world = World.governed(roles=gw.charter_value()["roles"] | {"policy": text})
    name = world.propose()
    world.approve(name, "p2", "p5")  # both of group2
    assert world.judge(name).missing == "the approving persons do not satisfy role policy"


def test_more_persons_than_needed_do_not_make_up_for_a_group() -> None:
    persons = [gw.member(name, "last" if name == "p5" else "same") for name in gw.EVERYONE]
    classes = with_classes(critical={"min_groups": 2})
    roles = gw.charter_value()["roles"]
    roles["critical"] = k_of([party(name) for name in (*gw.CRITICAL_MEMBERS, "p5")], 4)
    world = World.governed(persons=persons, roles=roles, **classes)
    name = world.propose(**{"class": "sensitive"})
    world.approve(name, "p1", "p2", "p3", "p4")
    assert world.judge(name).missing == "the approving persons come from 1 of 2 independence groups"


@pytest.mark.parametrize(("who", "groups"), [(("c1", "c4", "c7", "c2"), 2), (("c1", "c2", "c3", "c4"), 3)])
def test_groups_are_counted_not_persons(world: World, who: tuple[str, ...], groups: int) -> None:
    name = world.propose(**{"class": "critical"})
    world.approve(name, *who)
    judged = world.judge(name)
    assert judged.quorum is (groups == 3)
    assert judged.missing == ("" if groups == 3 else "the approving persons come from 2 of 3 independence groups")


def test_the_counted_approvals_are_named_in_the_order_of_the_log(world: World) -> None:
    name = world.propose()
    indexes = {}
    for who in ("p3", "p1", "p2"):
        indexes[who] = world.log("approval", world.approval(name, who))
    newer = world.log("approval", world.approval(name, "p1"))
    judged = world.judge(name)
    assert [each.log_index for each in judged.approvals] == [indexes["p3"], indexes["p2"], newer]
    digests = {each.index: each.digest for each in world.state.approvals[name]}
    assert [each.digest_ for each in judged.approvals] == [digests[each.log_index] for each in judged.approvals]


def test_screenings_relied_on_are_named_in_the_order_of_the_log(world: World) -> None:
    people = sorted(map(party, ("x", "y", "z")), reverse=True)
    world.screen(*people)
    name = world.propose(beneficiaries=people)
    assert world.judge(name).screening_indexes == (1, 2, 3)


def test_the_last_verdict_counts_and_says_why_it_does_not(world: World) -> None:
    name = world.propose()
    short = {"expires": format_time(world.now + MINUTE)}
    world.log("approval", world.approval(name, "p1", **short))
    world.log("approval", world.approval(name, "p2"))
    world.log("approval", world.approval(name, "p2", **short))
    world.approve(name, "p3", verdict="reject")
    world.now += MINUTE
    judged = world.judge(name)
    assert judged.counted == {party("p2")}
    assert judged.excluded == {party("p1"): "approval_expired", party("p3"): "rejected", party("author"): "author"}
    world.approve(name, "p1", "p3")
    judged = world.judge(name)
    assert judged.counted == {party("p1"), party("p2"), party("p3")}
    assert judged.excluded == {party("author"): "author"}


def test_the_first_reason_of_a_person_stays(world: World) -> None:
    name = world.propose()
    world.log("approval", world.approval(name, "p1", expires=format_time(world.now + MINUTE)))
    world.log("approval", world.approval(name, "p1"))
    world.now += MINUTE
    judged = world.judge(name, consistent=lambda *_: False)
    assert judged.excluded[party("p1")] == "approval_expired"


def test_an_excluded_person_is_named_with_the_stronger_reason(world: World) -> None:
    name = world.propose()
    world.approve(name, "p2", verdict="reject")
    other = world.propose("other", author=party("p2"), rationale="own (invented)")
    world.approve(other, "p2", verdict="reject")
    assert world.judge(name).excluded == {party("p2"): "rejected"} | {party("author"): "author"}
    assert world.judge(other).excluded == {party("p2"): "author"}


def test_a_checkpoint_is_asked_for_its_size_and_root(world: World) -> None:
    name = world.propose()
    roots = {"p1": gw.digest("one"), "p2": gw.digest("two")}
    for who, root in roots.items():
        world.log("approval", world.approval(name, who, seen_checkpoint={"size": len(world.entries), "root": root}))
    heads = {(2, bytes.fromhex(roots["p1"])), (3, bytes.fromhex(roots["p2"]))}
    assert world.judge(name, consistent=lambda size, root: (size, root) in heads).quorum
    heads.remove((3, bytes.fromhex(roots["p2"])))
    judged = world.judge(name, consistent=lambda size, root: (size, root) in heads)
    assert judged.excluded == {party("p2"): "checkpoint", party("author"): "author"}
    assert judged.counted == {party("p1")}


def test_a_judgement_cannot_be_changed(world: World) -> None:
    judged = world.judge(world.propose())
    with pytest.raises(dataclasses.FrozenInstanceError):
        judged.satisfied = True  # type: ignore[misc] # the point


def test_an_approval_that_has_expired_may_be_given_again_so_nothing_is_rejected(world: World) -> None:
    name = world.propose()
    for who in ("p1", "p2"):
        world.log("approval", world.approval(name, who, expires=format_time(world.now + MINUTE)))
    world.approve(name, "p3", "p4", "p5", "s1", "s2", "s3", verdict="reject")
    world.now += MINUTE
    judged = world.judge(name)
    assert not judged.rejected
    assert judged.missing == "0 of 2 persons of role policy approve"


def test_a_proposal_is_stale_on_any_other_policy_whichever_sorts_first(world: World) -> None:
    body = json.loads(json.dumps(world.proposal_body()))
    world.log("proposal", body)
    name = Proposal.parse(body["proposal"]).id
    for digest, blocks in ((gw.POLICY, []), ("0" * 64, ["stale_base"]), ("f" * 64, ["stale_base"])):
        world.state.policy_digest = digest
        assert codes(world, name) == blocks


def test_approvals_count_under_their_own_charter_only(world: World) -> None:
    world.state.charter = gw.charter(version=1000, policy_digest=None)
    name = world.propose()
    world.approve(name, "p1", "p2")
    for version, counts in ((1000, True), (999, False), (1001, False)):
        world.state.charter = gw.charter(version=version, policy_digest=None)
        assert world.judge(name).quorum is counts
        assert (world.judge(name).excluded.get(party("p1")) == "old_charter") is not counts


def test_the_time_of_a_judgement_is_given_by_name(world: World) -> None:
    name = world.propose()
    with pytest.raises(TypeError, match="positional"):
        quorum.judge(world.state, name, START)  # type: ignore[misc] # the point


def test_a_proposal_that_is_not_there_is_not_judged(world: World) -> None:
    with pytest.raises(KeyError):
        world.judge(gw.digest("nothing"))


def test_versions_and_indexes_beyond_small_numbers_are_compared_by_value() -> None:
    world = World.governed()
    world.state.charter = gw.charter(version=1000, policy_digest=None)
    world.entries += [(0, START, "filling", {})] * 1000
    name = world.propose()
    world.approve(name, "p1", "p2")
    judged = world.judge(name)
    assert judged.satisfied
    assert [each.log_index for each in judged.approvals] == [1002, 1003]
    world.state.charter_index = int("1000")
    made = quorum.enactment(world.state, name, judged, world.now)
    assert (made.charter_version, made.charter_index, made.proposal_index) == (1000, 1000, 1001)
    world.log("enactment", json.loads(json.dumps(made.value)))
    assert world.state.enacted == {name: world.now}


# --- rejection ---


def test_a_proposal_lives_while_substitutes_could_complete_it(world: World) -> None:
    name = world.propose()
    world.approve(name, "p1", "p2", "p3", "p4", verdict="reject")
    assert name not in world.state.rejected
    world.approve(name, "s1", "s2", verdict="reject")
    assert name not in world.state.rejected  # p5 and s3 in place of p1
    world.approve(name, "s3", verdict="reject")
    assert name in world.state.rejected
    assert quorum.never_again(world.state, name)


def test_who_recused_and_then_rejects_is_out_once(world: World) -> None:
    name = world.propose()
    world.approve(name, "p1", "p2", "p3", "p4", verdict="recuse")
    world.approve(name, "p1", verdict="reject")
    world.approve(name, "s1", "s2", "s3", verdict="recuse")
    world.approve(name, "s1", verdict="reject")
    assert quorum.never_again(world.state, name)
    assert world.judge(name).rejected


def test_who_rejected_is_not_counted_among_those_who_are_left() -> None:
    world = World.governed(**with_classes(routine={"min_persons": 3}))
    name = world.propose()
    world.approve(name, "p1", "p2", "s1", "s2", "s3", verdict="reject")
    assert not quorum.never_again(world.state, name)
    world.approve(name, "p3", verdict="reject")  # p4 and p5 satisfy the role, and the class wants three
    assert quorum.never_again(world.state, name)
    assert name in world.state.rejected


def test_a_withdrawn_rejection_does_not_end_a_proposal(world: World) -> None:
    name = world.propose()
    world.approve(name, "p1", verdict="reject")
    world.approve(name, "p1")
    world.approve(name, "p2", "p3", "s1", "s2", "s3", verdict="reject")
    world.approve(name, "p4", verdict="reject")
    assert not quorum.never_again(world.state, name)  # p1 and p5 are left
    assert not world.judge(name).rejected
    world.approve(name, "p1", verdict="recuse")
    assert quorum.never_again(world.state, name)


def test_too_few_groups_are_left_when_only_one_group_is() -> None:
    persons = [gw.member(name, "one" if name in ("p1", "p2", "p3") else None) for name in gw.EVERYONE]
    persons = [each | {"independence_group": "two"} if each["party"] in (party("p4"), party("p5")) else each for each in persons]
    world = World.governed(persons=persons, substitutes={})
    name = world.propose(**{"class": "sensitive"})
    world.approve(name, "p4", verdict="reject")
    assert not world.judge(name).rejected
    world.approve(name, "p5", verdict="reject")
    judged = world.judge(name)
    assert judged.rejected
    assert judged.missing == "too few persons are left who could approve it"
    assert name in world.state.rejected


# --- conflicts ---


@pytest.mark.parametrize("members", [3, 4, 5, 6, 7])
def test_substitutes_step_in_from_exactly_half(members: int) -> None:
    names = gw.CRITICAL_MEMBERS[:members]
    roles = gw.charter_value()["roles"] | {"policy": k_of([party(name) for name in names], 2)}
    classes = with_classes(routine={"of_persons": members}, sensitive={"role": "root"})
    world = World.governed(roles=roles, **classes)
    for absent in range(members + 1):
        out = dict.fromkeys((party(name) for name in reversed(names[:absent])), "contact")
        found = stand_ins(world.state, "policy", out)
        expected = {party(name): party(spare) for name, spare in zip(names[:absent], gw.SPARE_MEMBERS, strict=False)}
        assert found == (expected if absent * 2 >= members else {}), absent


def test_a_substitute_who_is_out_is_passed_over(world: World) -> None:
    out = dict.fromkeys(map(party, ("p1", "p2", "p4", "s1", "s3")), "contact")
    assert stand_ins(world.state, "policy", out) == {party("p1"): party("s2")}
    assert stand_ins(world.state, "critical", dict.fromkeys(map(party, gw.CRITICAL_MEMBERS), "x")) == {}


def test_whom_nobody_replaces_is_only_missing(world: World) -> None:
    name = world.propose(author=party("p1"))
    assert excluded(world.state, name, world.now) == {party("p1"): "author"}
    world.approve(name, "p2", verdict="recuse")
    assert excluded(world.state, name, world.now) == {party("p1"): "author", party("p2"): "recused"}
    world.approve(name, "p3", verdict="reject")
    assert excluded(world.state, name, world.now) == {party("p1"): "author", party("p2"): "recused"}


def test_every_author_along_the_chain_is_an_editor_except_the_last(world: World) -> None:
    first = world.propose("first", author=party("p1"))
    second = world.propose("second", author=party("p2"), supersedes=first)
    third = world.propose("third", author=party("p1"), supersedes=second)
    last = world.propose("last", author=party("p3"), supersedes=third)

    def edited(name: str) -> frozenset[str]:
        return editors(world.state, world.state.proposals[name].proposal)

    assert [edited(name) for name in (first, second, third, last)] == [
        frozenset(), {party("p1")}, {party("p2")}, {party("p1"), party("p2")},
    ]  # fmt: skip


def test_the_chain_and_the_requester_are_named_by_what_they_are(world: World) -> None:
    world.log("request", gw.request_value(requester=party("p1"), on_behalf_of=["self"], conveyed_by=party("p1")))
    world.log("request", gw.request_value("other", requester=party("p2"), on_behalf_of=[party("p3"), party("p2")]))
    world.screen(party("p1"), party("p2"), party("p3"))
    name = world.propose(requests=[gw.ident("request", "request"), gw.ident("request", "other")], beneficiaries=[])
    assert excluded(world.state, name, world.now) == {
        party("p1"): "requester", party("p2"): "requester", party("p3"): "principal", party("author"): "author",
    }  # fmt: skip
    assert quorum.subjects(world.state, world.state.proposals[name].proposal) == {party("p1"), party("p2"), party("p3")}


# --- times ---


def test_notice_ends_at_its_last_hour(world: World) -> None:
    name = world.propose(**{"class": "critical"})
    world.approve(name, "c1", "c2", "c3", "c4")
    at = [START, START + DAY - 1, START + DAY, START + DAY + 1]
    assert [codes(world, name, each) for each in at] == [["notice"], ["notice"], [], []]


def test_notice_runs_from_the_entry_in_the_log(world: World) -> None:
    world.now += 5 * HOUR
    name = world.propose(effective={"from": format_time(START), "until": None, "tz": "UTC"}, **{"class": "critical"})
    assert codes(world, name, START + DAY + 5 * HOUR - 1) == ["notice"]
    assert codes(world, name, START + DAY + 5 * HOUR) == []


def test_a_proposal_takes_effect_within_its_interval_only(world: World) -> None:
    until = START + 2 * HOUR
    name = world.propose(effective={"from": format_time(START + HOUR), "until": format_time(until), "tz": "UTC"})
    at = [START, START + HOUR - 1, START + HOUR, until - 1, until, until + DAY]
    assert [codes(world, name, each) for each in at] == [["not_yet"], ["not_yet"], [], [], ["too_late"], ["too_late"]]


def test_a_proposal_expires_after_the_days_of_the_charter(world: World) -> None:
    name = world.propose()
    assert codes(world, name, START + 14 * DAY - 1) == []
    assert codes(world, name, START + 14 * DAY) == ["proposal_expired"]


@pytest.mark.parametrize(("expires", "end"), [(13 * DAY, 13 * DAY), (15 * DAY, 14 * DAY), (14 * DAY, 14 * DAY), (MS, MS)])
def test_a_proposal_may_expire_sooner_and_never_later(world: World, expires: int, end: int) -> None:
    name = world.propose(expires=format_time(START + expires))
    assert codes(world, name, START + end - 1) == []
    for at in (0, 1, DAY):
        assert codes(world, name, START + end + at) == ["proposal_expired"]


def test_a_later_start_is_waited_for(world: World) -> None:
    name = world.propose(effective={"from": format_time(START + 20 * DAY), "until": None, "tz": "UTC"})
    assert codes(world, name, START + 34 * DAY - 1) == []
    assert codes(world, name, START + 34 * DAY) == ["proposal_expired"]
    world.now += HOUR
    past = world.propose("past", effective={"from": format_time(START), "until": None, "tz": "UTC"})
    assert codes(world, past, START + 14 * DAY + HOUR - 1) == []
    assert codes(world, past, START + 14 * DAY + HOUR) == ["proposal_expired"]


@pytest.mark.parametrize(("start", "signed", "expires", "end"), [
    (0, 0, 300 * DAY, 3 * DAY), (0, HOUR, 300 * DAY, 3 * DAY + HOUR), (5 * DAY, 0, 300 * DAY, 8 * DAY), (5 * DAY, 0, DAY, DAY),
    (0, 0, 3 * DAY + MS, 3 * DAY), (0, 0, 3 * DAY - MS, 3 * DAY - MS),
])  # fmt: skip
def test_an_approval_ends_with_its_life_or_as_it_was_signed(world: World, start: int, signed: int, expires: int, end: int) -> None:
    name = world.propose(effective={"from": format_time(START + start), "until": None, "tz": "UTC"})
    world.now += signed
    world.log("approval", world.approval(name, "p1", expires=format_time(START + expires)))
    last = quorum.judge(world.state, name, at_ns=START + end - 1)
    assert last.counted == {party("p1")}
    for at in (end, end + 1, end + 30 * DAY):
        over = quorum.judge(world.state, name, at_ns=START + at)
        assert over.excluded[party("p1")] == "approval_expired"


def test_the_charter_governs_until_before_it_expires() -> None:
    world = World.governed(expires=format_time(START + DAY))
    name = world.propose()
    assert codes(world, name, START + DAY - 1) == []
    for at in (0, 1, DAY):
        assert codes(world, name, START + DAY + at) == ["charter_expired"]


@pytest.mark.parametrize(("off", "fine"), [
    (0, True), (1, True), (-SECOND, True), (5 * SECOND, True), (-5 * SECOND, True), (5 * SECOND + 1, False), (-5 * SECOND - 1, False),
])  # fmt: skip
def test_witnesses_may_differ_by_five_seconds(world: World, off: int, fine: bool) -> None:
    name = world.propose()
    assert codes(world, name, START + MINUTE, witness_ns=START + MINUTE + off) == ([] if fine else ["clock_stepped"])
    assert codes(world, name, START + MINUTE, witness_ns=None) == []


def test_the_clock_may_be_five_seconds_behind_the_log(world: World) -> None:
    name = world.propose()
    world.now += HOUR
    world.log("request", gw.request_value())
    assert codes(world, name, world.now - 5 * SECOND) == []
    assert codes(world, name, world.now - 5 * SECOND - 1) == ["clock_stepped"]
    assert codes(world, name, world.now - 5 * SECOND - 1, witness_ns=world.now - 5 * SECOND) == ["clock_stepped"]


def test_an_enactment_is_cut_to_the_millisecond(world: World) -> None:
    name = world.propose()
    world.approve(name, "p1", "p2")
    made = quorum.enactment(world.state, name, world.judge(name), START + HOUR + 999_999)
    assert made.enacted_at == START + HOUR
    assert (made.policy_digest_before, made.policy_digest_after) == (gw.POLICY, gw.digest(("policy after", "change")))


def test_all_that_blocks_is_listed(world: World) -> None:
    name = world.propose(beneficiaries=[party("gainer")])
    for who in ("p1", "p2"):
        world.approve(name, who)
    at = START + 300 * DAY
    assert codes(world, name, at) == ["charter_expired", "proposal_expired", "unscreened"]
    world.approve(name, "p1", "p2", "p3", "p4", "p5", "s1", "s2", "s3", verdict="reject")
    assert codes(world, name) == ["proposal_rejected", "unscreened"]


# --- screenings and lists ---


@pytest.mark.parametrize(("limit", "valid", "end"), [(1, 24, 1), (24, 24, 24), (24, 2, 2), (5, 5, 5), (6, 5, 5), (5, 6, 5)])
def test_a_screening_is_too_old_at_the_earlier_of_its_limits(limit: int, valid: int, end: int) -> None:
    world = World.governed(limits=gw.charter_value()["limits"] | {"screening_hours": limit})
    world.screen(party("gainer"), valid_until=format_time(START + valid * HOUR))
    name = world.propose(beneficiaries=[party("gainer")])
    assert codes(world, name, START + end * HOUR - 1) == []
    for at in (0, 1, DAY):
        assert codes(world, name, START + end * HOUR + at) == ["screening_old"]


@pytest.mark.parametrize("digest", ["0" * 64, "f" * 64])
def test_any_other_list_of_the_same_source_is_newer_unless_it_is_dated_before(world: World, digest: str) -> None:
    world.screen(party("gainer"))
    name = world.propose(beneficiaries=[party("gainer")])
    for date, blocks in (("2026-02-28", []), ("2026-03-01", ["list_newer"]), ("2026-03-02", ["list_newer"])):
        assert codes(world, name, lists={"list-a": snapshot(digest, date)}) == blocks
    same = bytes.fromhex(gw.LIST_A).hex()  # equal, and another object
    assert codes(world, name, lists={"list-a": snapshot(same, "2026-03-05")}) == []
    assert codes(world, name, lists={"list-b": snapshot(digest, "2020-01-01", "list-b")}) == ["list_newer"]


def test_a_newer_list_in_the_log_blocks_older_screenings(world: World) -> None:
    world.screen(party("gainer"))
    name = world.propose(beneficiaries=[party("gainer")])
    world.screen(party("other"), snapshots=[{"source": "list-a", "date": "2026-03-02", "sha256": gw.LIST_B}])
    assert codes(world, name) == ["list_newer"]
    assert codes(world, name, lists={"list-a": snapshot(gw.LIST_A)}) == ["list_newer"]
    both = quorum.newest_lists(world.state, {"list-b": snapshot(gw.LIST_A, source="list-b")})
    assert {source: each.sha256 for source, each in both.items()} == {"list-a": gw.LIST_B, "list-b": gw.LIST_A}
    assert quorum.newest_lists(world.state, {"list-a": snapshot(gw.LIST_A, "2026-03-02")})["list-a"].sha256 == gw.LIST_A


def test_a_publisher_is_asked_every_24_hours(world: World) -> None:
    name = world.propose()
    at = START + DAY
    assert codes(world, name, at, asked_ns={"list-a": START}) == []
    assert codes(world, name, at, asked_ns={"list-a": START + 1}) == codes(world, name, at, asked_ns={"list-a": at}) == []
    assert codes(world, name, at, asked_ns={"list-a": START - 1}) == ["list_stale"]
    assert codes(world, name, at, asked_ns={"list-b": START - 1, "list-a": START - 1, "list-c": START}) == ["list_stale"] * 2
    blocks = quorum.judge(world.state, name, at_ns=at, asked_ns={"b": 0, "a": 0}).blocks
    assert [block.context for block in blocks] == [{"source": "a"}, {"source": "b"}]
    assert quorum.LIST_AGE_NS == DAY


def test_each_party_is_screened_by_itself(world: World) -> None:
    parties = sorted(map(party, ("x", "y", "z")))
    name = world.propose(beneficiaries=parties)
    world.screen(parties[1])
    judged = world.judge(name)
    assert [(block.code, block.context["party"]) for block in judged.blocks] == [("unscreened", parties[0]), ("unscreened", parties[2])]
    assert judged.screening_indexes == (2,)
    world.screen(parties[0], parties[2])
    assert codes(world, name) == []


HIT = {"entry_uid": "1", "score": 990, "disposition": "true", "by": party("g1"), "reason": "same number (invented)"}


@pytest.mark.parametrize(("changes", "object_", "licence", "blocked"), [
    ("charter", "charter", "licence 1 (invented)", True), ("critical", "rulebook", "licence 1 (invented)", False),
    ("critical", "rulebook", None, True), ("sensitive", "rulebook", "licence 1 (invented)", True),
    ("routine", "rulebook", "licence 1 (invented)", True),
])  # fmt: skip
def test_a_licence_helps_only_a_critical_change(world: World, changes: str, object_: str, licence: str | None, blocked: bool) -> None:
    world.screen(party("gainer"), candidates=[HIT])
    more = {"licence": licence, "change_set": [gw.change_value(object_)], "class": changes}
    body = world.proposal_body(beneficiaries=[party("gainer")], **more)
    body = json.loads(json.dumps(body))  # as from the log: equal words, other objects
    world.log("proposal", body)
    name = Proposal.parse(body["proposal"]).id
    assert ("listed" in codes(world, name)) is blocked


def test_a_block_names_party_and_screening(world: World) -> None:
    ids = world.screen(party("gainer"), candidates=[HIT])
    blocks = world.judge(world.propose(beneficiaries=[party("gainer")])).blocks
    assert [(each.code, each.context) for each in blocks] == [("listed", {"party": party("gainer"), "screening": ids[0]})]


def test_the_class_is_computed_again_when_it_is_judged(world: World) -> None:
    name = world.propose()
    assert codes(world, name) == []
    charter = gw.charter(limits=gw.charter_value()["limits"] | {"large_change_terminals": 3})
    world.state.charter = charter
    assert codes(world, name) == ["class_too_low"]


def test_an_unknown_principal_of_any_request_raises_the_class(world: World) -> None:
    world.log("request", gw.request_value("plain"))
    world.log("request", gw.request_value("dark", on_behalf_of=["unknown"]))
    both = [gw.ident("request", "plain"), gw.ident("request", "dark")]
    for requests, needed in ((both[:1], "routine"), (both[1:], "sensitive"), (both, "sensitive"), ([], "routine")):
        name = world.propose(str(requests), requests=requests, **{"class": "sensitive"})
        assert quorum.required_class(world.state, world.state.proposals[name]) == needed


# --- reviews ---


def test_a_review_holds_up_its_own_proposal_until_it_is_due(world: World) -> None:
    names = sorted(world.propose(each) for each in ("a", "b", "c"))
    world.log("review", world.review_value(names[1], None, due=format_time(START + HOUR)))
    at = [START, START + HOUR - 1, START + HOUR, START + DAY]
    assert [codes(world, names[1], each) for each in at] == [["under_review"], ["under_review"], [], []]
    assert [codes(world, each) for each in (names[0], names[2])] == [[], []]


@pytest.mark.parametrize(("verdict", "blocked"), [("upheld", []), ("partly", ["review_reversed"]), ("reversed", ["review_reversed"])])
def test_a_concluded_review_holds_up_what_it_found_against(world: World, verdict: str, blocked: list[str]) -> None:
    names = sorted(world.propose(each) for each in ("a", "b", "c"))
    world.log("review", world.review_value(names[1], None))
    world.log("review", gw.envelope("review", world.review_value(names[1], verdict), "v1", "v2", "v3"))
    assert codes(world, names[1]) == codes(world, names[1], START + DAY) == blocked
    assert [codes(world, each) for each in (names[0], names[2])] == [[], []]
