"""Quorums, and every wrong use of an approval: refused with its reason, without effect when it is in a log."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from typing import Any

import pytest

import governed_world as gw
from governed_world import DAY, HOUR, MINUTE, SECOND, START, World, party
from groundrule.canon import canonical_signed
from groundrule.errors import GroundruleError
from groundrule.govern import quorum
from groundrule.govern.objects import ListSnapshot, Proposal
from groundrule.govern.refusal import code_of
from groundrule.govern.signed import format_time
from groundrule.govern.state import State


def refusal(world: World, kind: str, body: dict[str, Any]) -> str:
    """Return why an entry is refused; it must also be without effect when it is in the log."""
    with pytest.raises(GroundruleError) as caught:
        world.state.check(kind, body, world.now, len(world.entries))
    before = world.state.value()
    world.force(kind, body)
    after = world.state.value()
    assert after.pop("violations")[-1][1] == [kind, code_of(caught.value)]
    before.pop("violations")
    assert before == after
    return code_of(caught.value)


def codes(world: World, name: str, **more: Any) -> set[str]:
    return {block.code for block in world.judge(name, **more).blocks}


@pytest.fixture
def world() -> World:
    return World.governed()


def asked(world: World, **changes: Any) -> str:
    """Return a proposal about a request, with everybody screened."""
    world.log("request", gw.request_value())
    screenings = world.screen(party("requester"), party("principal"), party("gainer"))
    return world.propose(
        requests=[gw.ident("request", "request")], beneficiaries=[party("gainer")], screenings=screenings, **changes
    )


def test_two_persons_of_the_role_suffice_for_a_routine_change(world: World) -> None:
    name = asked(world)
    assert world.judge(name).missing == "0 of 2 persons of role policy approve"
    world.approve(name, "p1")
    assert not world.judge(name).satisfied
    world.approve(name, "p2")
    judged = world.judge(name)
    assert judged.satisfied
    assert judged.counted == {party("p1"), party("p2")}
    assert [each.log_index for each in judged.approvals] == [6, 7]
    assert judged.screening_indexes == (2, 3, 4)
    world.enact(name)
    assert world.state.policy_digest == gw.digest(("policy after", "change"))
    assert codes(world, name) == {"already_enacted", "stale_base"}


def test_one_person_with_two_keys_is_one_person() -> None:
    persons = [gw.member(name, None, name, name + "b") if name == "p1" else gw.member(name) for name in gw.EVERYONE]
    world = World.governed(persons=persons)
    name = world.propose()
    world.log("approval", world.approval(name, "p1"))
    world.log("approval", world.approval(name, "p1", signer="p1b"))
    judged = world.judge(name)
    assert judged.counted == {party("p1")}
    assert judged.missing == "1 of 2 persons of role policy approve"


def test_a_sensitive_change_wants_two_independence_groups() -> None:
    persons = [gw.member(name, "same" if name in ("p1", "p2", "p3") else "other") for name in gw.EVERYONE]
    classes = gw.charter_value()["change_classes"]
    classes["critical"]["min_groups"] = 1 + 1
    roles = gw.charter_value()["roles"]
    world = World.governed(
        persons=[each | {"independence_group": "third"} if each["party"] == party("c1") else each for each in persons],
        roles=roles,
        change_classes=classes,
    )
    name = world.propose(**{"class": "sensitive"})
    world.approve(name, "p1", "p2", "p3")
    assert world.judge(name).missing == "the approving persons come from 1 of 2 independence groups"
    world.approve(name, "p4")
    assert world.judge(name).satisfied


def test_a_critical_change_waits_for_its_notice(world: World) -> None:
    name = world.propose(**{"class": "critical"})
    world.approve(name, "c1", "c2", "c3", "c4")
    world.now += DAY - 1_000_000
    assert codes(world, name) == {"notice"}
    world.now += 1_000_000
    assert world.judge(name).satisfied


def test_an_expired_key_is_refused() -> None:
    persons = [gw.member(name) for name in gw.EVERYONE]
    persons[0]["keys"][0]["to"] = format_time(START + HOUR)
    world = World.governed(persons=persons)
    name = world.propose()
    early = world.approval(name, "p1")
    world.now += HOUR
    assert refusal(world, "approval", early) == "key_expired"
    assert refusal(world, "approval", world.approval(name, "p1")) == "key_expired"


def test_a_key_counts_neither_before_its_time() -> None:
    persons = [gw.member(name) for name in gw.EVERYONE]
    persons[0]["keys"][0]["from"] = format_time(START + HOUR)
    world = World.governed(persons=persons)
    name = world.propose()
    backdated = world.approval(name, "p1")
    assert refusal(world, "approval", backdated) == "key_expired"
    world.now += HOUR
    assert refusal(world, "approval", backdated) == "key_expired"
    world.approve(name, "p1")


def test_the_wrong_person_is_refused(world: World) -> None:
    name = world.propose()
    assert refusal(world, "approval", world.approval(name, "p1", signer="p2")) == "wrong_person"
    assert refusal(world, "approval", world.approval(name, "p1", signer="stranger")) == "bad_signature"
    assert refusal(world, "approval", world.approval(name, "c1")) == "not_in_role"
    assert refusal(world, "approval", world.approval(name, "p1", role="root")) == "not_in_role"


def test_an_edited_approval_or_proposal_is_refused(world: World) -> None:
    name = world.propose()
    made = world.approval(name, "p1")
    value = json.loads(b64decode(made["payload"]))
    edited = made | {"payload": b64encode(canonical_signed(value | {"verdict": "recuse"})).decode()}
    assert refusal(world, "approval", edited) == "bad_signature"
    body = world.proposal_body("change", rationale="another reason (invented)")
    world.log("proposal", body)
    other = Proposal.parse(body["proposal"]).id
    world.log("approval", made)
    assert not world.judge(other).counted
    assert refusal(world, "approval", world.approval(name, "p2", proposal_digest=gw.digest("edited"))) == "unknown_proposal"
    assert refusal(world, "approval", world.approval(name, "p2", impact_digest=gw.digest("edited"))) == "other_impact"
    swapped = body | {"impact": body["impact"] | {"fleet_digest": gw.digest("another fleet")}}
    swapped["proposal"] = swapped["proposal"] | {"rationale": "third"}
    assert refusal(world, "proposal", swapped) == "other_impact"


def test_a_replayed_envelope_has_the_effect_of_one(world: World) -> None:
    name = world.propose()
    made = world.approval(name, "p1")
    world.log("approval", made)
    world.now += HOUR
    assert world.state.check("approval", made, world.now) is None
    world.log("approval", made)
    assert len(world.state.approvals[name]) == 1
    assert not world.state.violations


def test_a_nonce_is_used_once(world: World) -> None:
    name = world.propose()
    world.log("approval", world.approval(name, "p1", nonce="7" * 32))
    assert refusal(world, "approval", world.approval(name, "p1", "reject", nonce="7" * 32)) == "nonce_reused"
    assert refusal(world, "approval", world.approval(name, "p2", nonce="7" * 32)) == "nonce_reused"


def test_a_stepped_clock_is_refused(world: World) -> None:
    name = world.propose()
    ahead = {"signed_at": format_time(world.now + 6 * SECOND), "expires": format_time(world.now + DAY)}
    assert refusal(world, "approval", world.approval(name, "p1", **ahead)) == "from_future"
    behind = {"signed_at": format_time(world.now - 6 * SECOND)}
    assert refusal(world, "approval", world.approval(name, "p1", **behind)) == "signed_before_proposal"
    world.approve(name, "p1", "p2")
    assert "clock_stepped" in {each.code for each in quorum.judge(world.state, name, at_ns=world.now - DAY).blocks}
    assert codes(world, name, witness_ns=world.now + 6 * SECOND) == {"clock_stepped"}
    assert codes(world, name, witness_ns=world.now - 5 * SECOND) == set()


def test_an_enactment_is_judged_when_it_is_logged(world: World) -> None:
    name = world.propose()
    world.approve(name, "p1", "p2")
    made = quorum.enactment(world.state, name, world.judge(name), world.now).value
    world.now += 11 * MINUTE
    assert refusal(world, "enactment", made) == "clock_stepped"


def test_an_enactment_names_the_grounds_of_the_log(world: World) -> None:
    name = asked(world)
    world.approve(name, "p1", "p2")
    made = quorum.enactment(world.state, name, world.judge(name), world.now).value
    for change in (
        {"policy_digest_after": gw.digest("ghost rule")},
        {"policy_digest_before": gw.digest("other")},
        {"approvals": [*made["approvals"], {"digest": gw.digest("x"), "log_index": 0}]},
        {"screening_indexes": []},
        {"charter_version": 2},
        {"charter_index": 1},
        {"proposal_index": 1},
    ):
        assert refusal(world, "enactment", made | change) == "other_grounds"
    world.log("enactment", made)
    world.log("enactment", made)
    assert len(world.state.enactments) == 1


def test_an_enactment_without_a_quorum_is_refused(world: World) -> None:
    name = world.propose()
    world.approve(name, "p1")
    made = quorum.enactment(world.state, name, world.judge(name), world.now)
    made = made.value | {"approvals": [*made.value["approvals"], {"digest": gw.digest("x"), "log_index": 0}]}
    assert refusal(world, "enactment", made) == "quorum"
    assert world.state.policy_digest == gw.POLICY


def test_a_checkpoint_must_include_the_proposal_and_be_of_this_log() -> None:
    world = World.governed()
    name = world.propose()
    root = gw.digest("root")
    assert refusal(world, "approval", world.approval(name, "p1", seen_checkpoint={"size": 1, "root": root})) == "not_seen"
    assert refusal(world, "approval", world.approval(name, "p1", seen_checkpoint={"size": 99, "root": root})) == "checkpoint"
    strict = State.fold(world.entries, consistent=lambda _, head: head == bytes.fromhex(gw.digest("true root")))
    with pytest.raises(GroundruleError) as caught:
        strict.check("approval", world.approval(name, "p1"), world.now)
    assert code_of(caught.value) == "checkpoint"
    world.approve(name, "p1", "p2")
    judged = world.judge(name, consistent=lambda *_: False)
    assert judged.excluded[party("p1")] == "checkpoint"
    assert not judged.quorum


@pytest.mark.parametrize("who", ["author", "requester", "principal", "gainer", "intermediary", "editor"])
def test_nobody_decides_the_own_cause(who: str) -> None:
    world = World.governed()
    person = party("p1")
    parties = {name: party(name) for name in ("requester", "principal", "gainer", "intermediary")}
    if who in parties:
        parties[who] = person
    world.log("request", gw.request_value(
        requester=parties["requester"], on_behalf_of=[parties["principal"]], conveyed_by=parties["intermediary"]
    ))  # fmt: skip
    world.screen(*parties.values())
    more: dict[str, Any] = {"author": person} if who == "author" else {}
    if who == "editor":
        more["supersedes"] = world.propose("first", author=person)
    name = world.propose(requests=[gw.ident("request", "request")], beneficiaries=[parties["gainer"]], **more)
    expected = {"gainer": "beneficiary", "intermediary": "principal"}.get(who, who)
    assert refusal(world, "approval", world.approval(name, "p1")) == expected
    assert world.judge(name).excluded[person] == expected
    world.approve(name, "p2", "p3")
    assert world.judge(name).satisfied


def test_a_rejection_withdraws_and_a_recusal_is_final(world: World) -> None:
    name = world.propose()
    world.approve(name, "p1", "p2")
    world.approve(name, "p2", verdict="reject")
    assert world.judge(name).counted == {party("p1")}
    world.approve(name, "p2")
    assert world.judge(name).satisfied
    world.approve(name, "p2", verdict="recuse")
    assert world.judge(name).excluded[party("p2")] == "recused"
    assert refusal(world, "approval", world.approval(name, "p2")) == "recused"


def test_a_rejection_does_not_lapse(world: World) -> None:
    name = world.propose()
    world.approve(name, "p1", "p2")
    world.log("approval", world.approval(name, "p2", "reject", expires=format_time(world.now + MINUTE)))
    world.now += HOUR
    assert world.judge(name).counted == {party("p1")}


def test_a_shorter_approval_does_not_end_a_longer_one(world: World) -> None:
    name = world.propose()
    world.approve(name, "p1", "p2")
    world.log("approval", world.approval(name, "p2", expires=format_time(world.now + MINUTE)))
    world.now += HOUR
    assert world.judge(name).satisfied


def test_approvals_and_proposals_expire(world: World) -> None:
    name = world.propose()
    long = {"expires": format_time(world.now + 300 * DAY)}
    world.log("approval", world.approval(name, "p1", **long))
    world.log("approval", world.approval(name, "p2", **long))
    over = {"signed_at": format_time(world.now - SECOND), "expires": format_time(world.now)}
    assert refusal(world, "approval", world.approval(name, "p3", **over)) == "approval_expired"
    world.now += 3 * DAY - 1_000_000
    assert world.judge(name).satisfied
    world.now += 1_000_000
    assert world.judge(name).excluded[party("p1")] == "approval_expired"
    world.now += 11 * DAY
    assert codes(world, name) == {"proposal_expired"}


def test_an_approval_for_a_later_start_lives_until_then(world: World) -> None:
    start = world.now + 10 * DAY
    name = world.propose(effective={"from": format_time(start), "until": None, "tz": "UTC"})
    for who in ("p1", "p2"):
        world.log("approval", world.approval(name, who, expires=format_time(start + 300 * DAY)))
    assert codes(world, name) == {"not_yet"}
    world.now = start + 3 * DAY - 1_000_000
    assert world.judge(name).satisfied
    world.now += 1_000_000
    assert not world.judge(name).quorum


def test_an_interval_that_has_passed_is_not_enacted(world: World) -> None:
    name = world.propose(effective={"from": format_time(world.now), "until": format_time(world.now + HOUR), "tz": "UTC"})
    world.approve(name, "p1", "p2")
    world.now += HOUR
    assert codes(world, name) == {"too_late"}


def test_too_many_rejections_end_a_proposal_for_good(world: World) -> None:
    name = world.propose()
    world.approve(name, "p1", "p2", "p3", "s1", "s2", "s3", verdict="reject")
    assert not world.state.ended(name, world.now)
    world.approve(name, "p4", verdict="recuse")
    assert world.state.ended(name, world.now)
    assert world.judge(name).rejected
    world.approve(name, "p1", "p2")
    assert codes(world, name) == {"proposal_rejected"}


def test_substitutes_step_in_when_half_of_the_role_is_out(world: World) -> None:
    name = world.propose()
    world.approve(name, "p1", "p2", verdict="recuse")
    world.approve(name, "s1", "p3")
    assert world.judge(name).counted == {party("p3")}  # two of five: no substitute
    world.approve(name, "p4", verdict="recuse")
    assert world.judge(name).counted == {party("p3"), party("s1")}
    assert world.judge(name).satisfied


def test_substitutes_stand_in_order_and_the_threshold_stays(world: World) -> None:
    name = world.propose(author=party("s1"))
    world.approve(name, "p1", "p2", "p3", "p4", verdict="recuse")
    world.approve(name, "s2", "s3")
    assert world.judge(name).counted == {party("s2"), party("s3")}
    world.approve(name, "p5", "s2", verdict="recuse")
    judged = world.judge(name)
    assert judged.rejected
    assert judged.missing == "too few persons are left who could approve it"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"candidates": [{"entry_uid": "1", "score": 900, "disposition": "unresolved", "by": None, "reason": ""}]}, "screening_unresolved"),
        ({"candidates": [{"entry_uid": "1", "score": 990, "disposition": "true", "by": party("g1"), "reason": "same number"}]}, "listed"),
        ({"ownership": [{"party": party("oligarch"), "path": [], "share_bp": 5_000, "result": "listed"}]}, "listed"),
        ({"candidates": [{"entry_uid": "1", "score": 900, "disposition": "false", "by": party("g1"), "reason": "born later"}]}, None),
    ],
)  # fmt: skip
def test_screenings_decide(world: World, changes: dict[str, Any], code: str | None) -> None:
    world.log("screening", gw.screening_value(party("gainer"), world.now, **changes))
    name = world.propose(beneficiaries=[party("gainer")])
    world.approve(name, "p1", "p2")
    assert codes(world, name) == ({code} if code else set())


def test_a_listed_party_is_dealt_with_by_a_critical_change_that_cites_the_licence(world: World) -> None:
    hit = {"entry_uid": "1", "score": 990, "disposition": "true", "by": party("g1"), "reason": "same number"}
    world.log("screening", gw.screening_value(party("gainer"), world.now, candidates=[hit]))
    without = world.propose("a", beneficiaries=[party("gainer")], **{"class": "critical"})
    cited = world.propose("b", beneficiaries=[party("gainer")], licence="licence 1 (invented)", **{"class": "critical"})
    low = world.propose("c", beneficiaries=[party("gainer")], licence="licence 1 (invented)", **{"class": "sensitive"})
    assert "listed" in codes(world, without)
    assert "listed" not in codes(world, cited)
    assert "listed" in codes(world, low)


def test_only_a_registrar_decides_a_candidate(world: World) -> None:
    hit = {"entry_uid": "1", "score": 990, "disposition": "false", "by": party("p1"), "reason": "a friend"}
    assert refusal(world, "screening", gw.screening_value(party("x"), world.now, candidates=[hit])) == "not_registrar"


def test_a_stale_list_or_an_old_or_missing_screening_blocks(world: World) -> None:
    name = world.propose(beneficiaries=[party("gainer")])
    assert codes(world, name) == {"unscreened"}
    world.screen(party("gainer"))
    assert codes(world, name) == set()
    newer = ListSnapshot(source="list-a", date="2026-03-02", sha256=gw.LIST_B)
    assert codes(world, name, lists={"list-a": newer}) == {"list_newer"}
    other = ListSnapshot(source="list-z", date="2026-01-01", sha256=gw.LIST_B)
    assert codes(world, name, lists={"list-z": other}) == {"list_newer"}
    older = ListSnapshot(source="list-a", date="2026-02-01", sha256=gw.LIST_B)
    assert codes(world, name, lists={"list-a": older}) == set()
    assert codes(world, name, asked_ns={"list-a": world.now - 25 * HOUR}) == {"list_stale"}
    world.now += DAY - 1_000_000
    assert codes(world, name) == set()
    world.now += 1_000_000
    assert codes(world, name) == {"screening_old"}


def test_a_backdated_screening_does_not_replace_a_newer_one(world: World) -> None:
    world.screen(party("gainer"), candidates=[{"entry_uid": "1", "score": 900, "disposition": "unresolved", "by": None, "reason": ""}])
    world.log("screening", gw.screening_value(party("gainer"), world.now - HOUR, "clean"))
    name = world.propose(beneficiaries=[party("gainer")])
    assert codes(world, name) == {"screening_unresolved"}


def test_a_proposal_on_another_policy_is_stale(world: World) -> None:
    first, second = world.propose("first"), world.propose("second")
    for name in (first, second):
        world.approve(name, "p1", "p2")
    world.enact(first)
    assert codes(world, second) == {"stale_base"}
    assert refusal(world, "proposal", world.proposal_body("third", base_policy_digest=gw.POLICY)) == "stale_base"


def test_after_a_rotation_approvals_are_signed_again(world: World) -> None:
    name = world.propose()
    old = world.approval(name, "p3")
    world.approve(name, "p1", "p2")
    world.log("charter", gw.envelope("charter", gw.charter_value(version=2, policy_digest=None), *gw.ROOT_MEMBERS[:4]))
    judged = world.judge(name)
    assert not judged.counted
    assert judged.excluded[party("p1")] == "old_charter"
    assert refusal(world, "approval", old) == "old_charter"
    world.approve(name, "p1", "p2")
    assert world.judge(name).satisfied


def test_under_an_expired_charter_only_a_rotation_is_possible(world: World) -> None:
    name = world.propose()
    world.now = START + 300 * DAY
    assert "charter_expired" in codes(world, name)
    assert refusal(world, "proposal", world.proposal_body("late")) == "charter_expired"
    fresh = gw.charter_value(version=2, policy_digest=None, issued=format_time(world.now), expires=format_time(world.now + DAY))
    world.log("charter", gw.envelope("charter", fresh, *gw.ROOT_MEMBERS[:4]))
    world.propose("late")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"author": party("stranger")}, "not_in_charter"),
        ({"supersedes": gw.digest("nothing")}, "unknown_proposal"),
        ({"requests": [gw.ident("request", "nothing")]}, "unknown_request"),
        ({"screenings": [gw.ident("screening", "nothing")]}, "unknown_screening"),
        ({"impact": {"protected_changed": ["clinic"]}}, "class_too_low"),
        ({"class": "charter"}, "class_too_low"),
        ({"expires": format_time(START)}, "too_late"),
        ({"effective": {"from": format_time(START - DAY), "until": format_time(START), "tz": "UTC"}}, "too_late"),
        ({"impact": {"policy_a": gw.digest("other")}}, "stale_base"),
    ],
)
def test_a_wrong_proposal_is_refused(world: World, changes: dict[str, Any], code: str) -> None:
    assert refusal(world, "proposal", world.proposal_body("wrong", **changes)) == code


def test_a_request_for_somebody_unknown_raises_the_class(world: World) -> None:
    world.log("request", gw.request_value(on_behalf_of=["unknown"]))
    body = {"requests": [gw.ident("request", "request")]}
    assert refusal(world, "proposal", world.proposal_body("low", **body)) == "class_too_low"
    world.propose("high", **body, **{"class": "sensitive"})


def test_before_the_charter_there_is_nothing() -> None:
    world = World()
    assert refusal(world, "request", gw.request_value()) == "no_charter"
    assert world.state.policy_at(START) is None


def test_five_seconds_of_clock_are_tolerated_and_no_more(world: World) -> None:
    name = world.propose()
    world.approve(name, "p1", "p2")
    assert codes(world, name, witness_ns=world.now + 5 * SECOND) == set()
    start = world.now
    behind = quorum.judge(world.state, name, at_ns=start - 5 * SECOND)
    assert "clock_stepped" not in {each.code for each in behind.blocks}
    behind = quorum.judge(world.state, name, at_ns=start - 5 * SECOND - 1)
    assert "clock_stepped" in {each.code for each in behind.blocks}
    for seconds, refused in ((5, False), (6, True)):
        signed = {"signed_at": format_time(world.now + seconds * SECOND), "expires": format_time(world.now + DAY)}
        made = world.approval(name, "p3", **signed)
        assert (refusal(world, "approval", made) if refused else world.log("approval", made)) in ("from_future", 4)
