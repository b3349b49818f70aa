"""The invariants of governance on random histories, right and wrong acts mixed, against a slow and obvious model.

I1 to I14 and I16 of the governance specification; the others are in `test_governance_records.py` and
`test_governance_policy.py`. The number of examples is 500, or GROUNDRULE_EXAMPLES.
"""

from __future__ import annotations

import base64
import contextlib
import copy
import itertools
import json
import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from random_governance import OUTSIDE, PEOPLE, SCRIPTS, SPARE, Player, beginning, charter_value, refold
from slow_governance import Facts, good_signature, root_signed

import governed_world as gw
from governed_world import DAY, HOUR, START, party
from groundrule import signing
from groundrule.canon import canonical_signed
from groundrule.errors import GroundruleError
from groundrule.govern import emergency, quorum
from groundrule.govern.contacts import re_review_set
from groundrule.govern.emergency import Running
from groundrule.govern.objects import Emergency, ListSnapshot, Proposal
from groundrule.govern.rotation import check_rotation, read_charter
from groundrule.govern.signed import format_time
from groundrule.govern.state import State

EXAMPLES = int(os.environ.get("GROUNDRULE_EXAMPLES", "500"))
MANY = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
NUMBER = st.integers(0, 63)
MS = 1_000_000


@pytest.fixture(autouse=True, scope="module")
def signatures_checked_once() -> Iterator[None]:
    """Both sides ask the same library; a signature that was checked once is not checked again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(signing, "verify", lambda _, public, signature, message: good_signature(public, signature, message))
        yield


def slow_answer(facts: Facts, name: str, at_ns: int) -> tuple[bool, bool, set[str], set[str]]:
    return facts.judge(name, at_ns // MS)


def answer(state: State, name: str, at_ns: int) -> tuple[bool, bool, set[str], set[str]]:
    judged = quorum.judge(state, name, at_ns=at_ns)
    return judged.satisfied, judged.quorum, set(judged.counted), {block.code for block in judged.blocks}


@MANY
@given(SCRIPTS, st.sampled_from([0, 1, HOUR, 13 * HOUR, 24 * HOUR, 4 * DAY, -10 * HOUR]))
def test_i1_i3_i4_every_history_equals_the_slow_model(script: Any, later: int) -> None:
    player = Player.new().play(script)
    world, state = player.world, player.world.state
    facts = Facts(world.entries)
    refused = {each.index for each in state.violations}
    slow_refused = {index for index, _, fault in facts.effects if fault and not fault.startswith("again")}
    assert refused <= {index for index, _, fault in facts.effects if fault}
    assert slow_refused <= refused
    assert set(state.proposals) == set(facts.proposals)
    assert set(state.rejected) == set(facts.rejected)
    # I1: every policy in force came by an enactment that the slow model finds satisfied at its index, or by genesis.
    assert state.policy_digest == facts.policy
    assert [gw.POLICY] + [each.enactment.policy_digest_after for each in state.enactments] == [
        policy for _, policy in facts.policies
    ]
    for name in player.proposals:
        fast = answer(state, name, world.now + later)
        assert fast == slow_answer(facts, name, world.now + later)
        # I3 and I4: persons, each once, and nobody who is interested.
        assert not fast[2] & facts.interested(facts.proposals[name]["proposal"])
        assert not fast[2] & {party("g1"), *map(party, OUTSIDE)}
        keys = {each.approval.person for each in state.approvals.get(name, ())}
        assert fast[2] <= keys


@MANY
@given(SCRIPTS, NUMBER)
def test_i12_replaying_the_log_gives_the_same_state_byte_for_byte(script: Any, where: int) -> None:
    player = Player.new().play(script)
    world = player.world
    for index, _, kind, body in world.entries[-4:]:
        with contextlib.suppress(GroundruleError):  # to ask is not to act
            world.state.check(kind, body, world.now, index + 1000)
    # What a log holds is bytes; neither a key's order nor an object of the writer survives them.
    lines = [json.dumps(entry, sort_keys=True).encode() for entry in world.entries]
    log = [tuple(json.loads(line)) for line in lines]
    again = State.fold(log)
    assert canonical_signed(again.value()) == canonical_signed(world.state.value())
    assert again.digest == world.state.digest
    place = where % len(log)
    begun = world.state.as_of(place)
    for entry in log[place:]:
        begun.apply(*entry)
    assert begun.digest == again.digest


@MANY
@given(SCRIPTS, NUMBER)
def test_i1_an_enactment_counts_only_under_the_charter_of_its_place(script: Any, version: int) -> None:
    """Whatever an entry says it rests on, it has no effect unless the slow model finds the same grounds in the log."""
    player = Player.new().play(script)
    world = player.world
    name = player.proposals[version % len(player.proposals)]
    made = quorum.enactment(world.state, name, world.judge(name), world.now).value
    if len(made["approvals"]) < 2:
        made["approvals"] = [{"digest": gw.digest(n), "log_index": n} for n in range(2)]
    twisted = [
        {},
        {"charter_version": made["charter_version"] + 1},
        {"charter_index": made["charter_index"] + 1},
        {"proposal_index": made["proposal_index"] + 1},
        {"policy_digest_after": gw.digest("ghost")},
        {"policy_digest_before": gw.digest("ghost")},
        {"approvals": [*made["approvals"][1:], {"digest": gw.digest("ghost"), "log_index": 1}]},
        {"enacted_at": format_time(max(0, world.now - HOUR))},
    ][version % 8]
    before = world.state.policy_digest
    world.force("enactment", made | twisted)
    facts = Facts(world.entries)
    assert world.state.policy_digest == facts.policy
    assert world.state.policy_digest == before or not twisted


def nonce_of(envelope: dict[str, Any]) -> str:
    return str(json.loads(base64.b64decode(envelope["payload"]))["nonce"])


@MANY
@given(SCRIPTS, NUMBER, NUMBER, NUMBER)
def test_i2_signatures_only_help_except_a_reject_or_recuse(script: Any, who: int, which: int, gone: int) -> None:
    player = Player.new().play(script)
    world = player.world
    name = player.proposals[which % len(player.proposals)]
    before = world.judge(name)
    approvals = [
        at
        for at, (index, _, kind, _) in enumerate(world.entries)
        if kind == "approval" and any(
            each.index == index and each.approval.verdict == "approve" for each in world.state.approvals.get(name, ())
        )
    ]  # fmt: skip
    if approvals:
        at = approvals[gone % len(approvals)]
        index, t_ns, _, body = world.entries[at]
        # A nonce belongs to whoever used it first; without that one, another's approval with the same nonce would be the first.
        others = [each for _, _, kind, each in world.entries if kind == "approval" and each != body]
        assume(nonce_of(body) not in map(nonce_of, others))
        without = refold([*world.entries[:at], (index, t_ns, "heartbeat", {}), *world.entries[at + 1 :]])
        if without.policy_digest == world.state.policy_digest and name in without.proposals:
            after = quorum.judge(without, name, at_ns=world.now)
            assert before.quorum or not after.quorum
            assert before.satisfied or not after.satisfied
    person = (*PEOPLE, *SPARE)[who % 8]
    made = player.envelope(who, player.proposals.index(name), signer=person)
    world.force("approval", made)
    after = world.judge(name)
    assert after.quorum or not before.quorum
    assert after.satisfied or not before.satisfied
    assert before.counted <= after.counted


@MANY
@given(NUMBER, st.lists(st.sampled_from(["", "b"]), min_size=1, max_size=6), st.booleans(), st.integers(0, 5))
def test_i3_a_person_counts_once_whatever_keys_or_encodings(who: int, keys: Any, url_safe: bool, more: int) -> None:
    player = Player.new()
    world, name = player.world, player.proposals[0]
    person = PEOPLE[who % 3]
    for suffix in keys:
        made = world.approval(name, person, signer=person + suffix)
        made["signatures"][0]["keyid"] = f"other {suffix}"
        if url_safe:
            made["signatures"][0]["sig"] = made["signatures"][0]["sig"].translate(str.maketrans("+/", "-_"))
        both = gw.envelope("approval", json.loads(base64.b64decode(made["payload"])), person, person + "b")
        world.force("approval", both if more % 2 else made)
        world.force("approval", made)
    judged = world.judge(name)
    assert judged.counted == {party(person)}
    assert not judged.quorum
    # A person of the other half of the role completes it; another of the same half does not.
    other = PEOPLE[more]
    world.force("approval", world.approval(name, other))
    assert world.judge(name).quorum is ((more >= 3) is not (who % 3 >= 3))


PARTS = ("author", "editor", "requester", "principal", "conveyor", "beneficiary", "recused", "met them", "met their owner")


@MANY
@given(st.lists(st.tuples(st.sampled_from(PARTS), st.integers(0, 5)), max_size=5), st.booleans())
def test_i4_nobody_with_an_interest_counts_and_others_do(parts: list[tuple[str, int]], afterwards: bool) -> None:
    """Everybody signs; whoever has a part in it is left out, and no one else."""
    world = beginning()
    held = {part: [PEOPLE[who] for each, who in parts if each == part] for part in PARTS}
    first = {part: people[0] for part, people in held.items() if people}
    requester = party(first.get("requester", "o0"))
    letter = gw.request_value(
        requester=requester,
        on_behalf_of=[party("o1"), *dict.fromkeys(map(party, held["principal"]))],
        conveyed_by=party(first["conveyor"]) if "conveyor" in first else None,
    )
    world.log("request", letter)
    owner = {"party": party("o2"), "path": [], "share_bp": 4_000, "result": "listed"}
    world.log("screening", gw.screening_value(party("o1"), world.now, "owned", ownership=[owner]))
    older = None
    for number, editor in enumerate(held["editor"]):
        older = world.propose(("draft", number), author=party(editor), supersedes=older)
    name = world.propose(
        author=party(first.get("author", "g1")), requests=[letter["id"]], supersedes=older,
        beneficiaries=[party("o5"), *dict.fromkeys(map(party, held["beneficiary"]))],
    )  # fmt: skip

    def sign() -> None:
        for person in (*PEOPLE, *SPARE):
            world.force("approval", world.approval(name, person))

    if afterwards:  # what comes to light later takes back what was counted
        sign()
    for person in held["recused"]:
        world.force("approval", world.approval(name, person, "recuse"))
    for number, person in enumerate(held["met them"]):
        world.force("contact", gw.own_contact(("met", number), person, party("o1")))
    for number, person in enumerate(held["met their owner"]):
        world.force("contact", gw.own_contact(("owner", number), person, party("o2")))
    if not afterwards:
        sign()
    once = ("author", "requester", "conveyor")
    out = {first[part] for part in once if part in first} | {who for part in PARTS if part not in once for who in held[part]}
    counted = {person for person in PEOPLE if person not in out}
    if 2 * len(out) >= len(PEOPLE):
        counted |= set(SPARE[: len(out)])
    assert world.judge(name).counted == set(map(party, counted))
    assert Facts(world.entries).judge(name, world.now // MS)[2] == set(map(party, counted))


@MANY
@given(SCRIPTS, NUMBER, st.integers(0, 2**20), st.sampled_from([1, 2, 3]) | st.integers(1, 255), st.booleans())
def test_i5_any_changed_byte_voids_all_approvals(script: Any, which: int, at: int, flip: int, of_impact: bool) -> None:
    player = Player.new().play(script)
    world = player.world
    place, entry = [
        (place, entry)
        for place, entry in enumerate(world.entries)
        if entry[2] == "proposal" and entry[0] not in {each.index for each in world.state.violations}
    ][which % len(player.proposals)]
    body = copy.deepcopy(entry[3])
    part = "impact" if of_impact else "proposal"
    data = bytearray(canonical_signed(body[part]))
    for place_of_byte in (at + step for step in range(len(data))):
        changed_data = bytearray(data)
        changed_data[place_of_byte % len(data)] ^= flip
        with contextlib.suppress(ValueError):  # bytes that are no JSON are no entry: the next place
            body[part] = json.loads(bytes(changed_data))
            break
    assume(body != entry[3])
    # The unchanged proposal may be in the log again; only the changed one is of interest.
    rest = [each if each[3] != entry[3] else (*each[:2], "heartbeat", {}) for each in world.entries]
    changed = refold([*rest[:place], (*entry[:3], body), *rest[place + 1 :]])
    old = Proposal.parse(entry[3]["proposal"]).id
    assert old not in changed.proposals
    assert not changed.approvals.get(old)
    for name in changed.proposals.keys() - set(player.proposals):
        assert not quorum.judge(changed, name, at_ns=world.now).counted


@MANY
@given(SCRIPTS, NUMBER)
def test_i6_a_rotation_voids_approvals_until_they_are_signed_again(script: Any, who: int) -> None:
    player = Player.new().play(script)
    world = player.world
    charter = world.state.charter
    assert charter is not None
    assume(not charter.expired(world.now))
    value = charter_value(version=charter.version + 1, issued=world.now)
    world.log("charter", gw.envelope("charter", value, *PEOPLE[3:]))
    for name in player.proposals:
        assert not world.judge(name).counted
    person, name = PEOPLE[who % 6], player.proposals[who % len(player.proposals)]
    made = world.approval(name, person)
    world.force("approval", made)
    class_ = world.state.proposals[name].proposal.class_
    members = charter.role(charter.change_class(class_).role).parties
    out = party(person) in world.judge(name).excluded or party(person) not in members
    assert world.judge(name).counted == (set() if out else {party(person)})


NEW_KEYS = tuple(f"n{n}" for n in range(6))
SIGNERS = st.one_of(
    st.sampled_from([[*PEOPLE], [*PEOPLE], [*PEOPLE, *NEW_KEYS], [*PEOPLE[:3]], [*PEOPLE[3:]], [*NEW_KEYS], [*PEOPLE[:3], *NEW_KEYS[:2]]]),
    st.lists(st.sampled_from([*PEOPLE, "v0", "s0", *NEW_KEYS]), max_size=8, unique=True),
)


@MANY
@given(st.sampled_from([1, 1, 1, -1, 0, 2, 3]), SIGNERS, st.integers(0, 6), st.integers(-2, 70), st.integers(1, 400), st.booleans())
def test_i7_rotation_needs_the_next_version_and_both_quorums(
    step: int, by: list[str], changed: int, days: int, life: int, flip: bool
) -> None:
    world = beginning()
    old = world.state.charter
    assert old is not None
    now = START + days * DAY
    value = charter_value(version=max(1, 1 + step), issued=START)
    value["expires"] = format_time(START + life * DAY)
    for number in range(changed):  # so many root persons of the new charter have other keys
        value["persons"][number] = gw.member(PEOPLE[number], None, f"n{number}")
    envelope = gw.envelope("charter", value, *by)
    if flip:
        other = copy.deepcopy(value)
        other["persons"][-1]["org_unit"] = "another (invented)"
        envelope["payload"] = base64.b64encode(canonical_signed(other)).decode()
    slow_old = json.loads(canonical_signed(old.value))
    slow_new = json.loads(base64.b64decode(envelope["payload"]))
    expected = (
        slow_new["version"] == 2
        and life <= 365
        and now < START + life * DAY
        and now + 5_000 * MS >= START
        and root_signed(slow_old, envelope, now // MS)
        and root_signed(slow_new, envelope, now // MS)
    )
    try:
        parsed = read_charter(envelope)
        check_rotation(old, parsed, envelope, now)
        accepted = True
    except GroundruleError:
        accepted = False
    assert accepted == expected
    if days >= 0:
        world.now = now
        world.force("charter", envelope)
        in_force = world.state.charter
        assert in_force is not None
        assert in_force.version == (2 if accepted else 1)


@MANY
@given(SCRIPTS, st.sampled_from([-MS, 0, 1_000 * MS, DAY, 90 * DAY]), NUMBER)
def test_i7_under_an_expired_charter_there_is_only_its_rotation(script: Any, over: int, who: int) -> None:
    player = Player.new().play(script)
    world, state = player.world, player.world.state
    charter = state.charter
    assert charter is not None
    assume(world.now < charter.expires or over >= 0)
    name, approved = player.proposals[who % len(player.proposals)], False
    if world.now < charter.expires - HOUR:  # one that only the charter's end can stop
        world.now = charter.expires - HOUR
        name = world.propose("in time", author=party("g1"))
        for person in ("p1", "p4", "p5"):
            world.force("approval", world.approval(name, person))
        approved = world.judge(name).satisfied
        assert approved or len(state.contacts) > 0
    world.now = max(world.now, charter.expires + over)
    body = world.proposal_body("late", author=party("g1"))
    before = (set(state.proposals), copy.deepcopy(state.approvals), state.policy_digest, len(state.enactments))
    world.force("proposal", body)
    world.force("approval", world.approval(name, PEOPLE[who % 6]))
    made = quorum.enactment(state, name, world.judge(name), world.now).value
    if len(made["approvals"]) >= 2:
        world.force("enactment", made)
    late = Proposal.parse(body["proposal"]).id
    if over < 0:  # to the last millisecond it is in force
        assert late in state.proposals
        assert not approved or name in state.enacted
    else:
        assert "charter_expired" in {block.code for block in world.judge(name).blocks}
        assert before == (set(state.proposals), state.approvals, state.policy_digest, len(state.enactments))
        assert not any(world.judge(each).satisfied for each in state.proposals)
    world.log("charter", gw.envelope("charter", charter_value(version=charter.version + 1, issued=world.now), *PEOPLE[:3]))
    assert state.charter is not None
    assert state.charter.version == charter.version + 1
    assert not state.charter.expired(world.now)
    world.log("proposal", world.proposal_body("after", author=party("g1")))
    assert not world.judge(name).counted, "what was signed before has to be signed again"


@MANY
@given(SCRIPTS, st.lists(st.integers(-3 * DAY // MS, 40 * DAY // MS), min_size=1, max_size=5))
def test_i8_effect_lies_in_its_half_open_interval(script: Any, offsets: list[int]) -> None:
    player = Player.new()
    for who in (0, 4):
        player.act(3, who, 0, 0)
    player.act(9, 0, 0, 0)
    player.play(script)
    state = player.world.state
    assert state.enactments
    moments = [START + offset * MS for offset in offsets]
    for each in state.enactments:
        made, record = each.enactment, state.proposals[each.enactment.proposal_digest]
        effective = record.proposal.effective
        assert record.t_ns <= made.enacted_at <= each.t_ns + 5_000 * MS
        assert effective.from_ <= made.enacted_at
        assert each.t_ns - made.enacted_at <= 600_000 * MS
        assert effective.until is None or made.enacted_at < effective.until
        ends = [] if effective.until is None else [effective.until - MS, effective.until]
        for moment in (*moments, made.enacted_at - MS, made.enacted_at, *ends):
            holds = made.enacted_at <= moment and (effective.until is None or moment < effective.until)
            assert (made.proposal_digest in state.in_effect(moment)) == holds
    starts = [state.began_ns, *(each.enactment.enacted_at for each in state.enactments)]
    policies = [gw.POLICY, *(each.enactment.policy_digest_after for each in state.enactments)]
    assert starts == sorted(starts)
    for moment in (*moments, *starts, *(start - MS for start in starts)):
        cover = [
            policy
            for policy, start, end in zip(policies, starts, [*starts[1:], None], strict=True)
            if start <= moment and (end is None or moment < end)
        ]
        assert len(cover) == (moment >= state.began_ns)
        assert state.policy_at(moment) == (cover[0] if cover else None)


TICKS = st.lists(
    st.tuples(st.integers(0, 40_000), st.sampled_from([0, -DAY, DAY, -HOUR]), st.booleans()), min_size=1, max_size=12
)


@MANY
@given(st.integers(1, 86_400), TICKS)
def test_i9_an_emergency_ends_at_its_time_with_stepped_clocks_and_restarts(ttl_s: int, ticks: Any) -> None:
    world = beginning()
    value = world.emergency_value("e", openers=[party("p0"), party("p1")], ttl_s=ttl_s)
    world.log("emergency-open", gw.envelope("emergency", value, "p0", "p1"))
    made = Emergency.parse(value)
    running, true_s, step, furthest, ended = Running.load(made), 0, 0, 0, False
    for passed_s, stepped, restart in ticks:
        true_s, step = true_s + passed_s, step + stepped
        furthest = max(furthest, step)
        wall = START + true_s * 10**9 + step
        running = running.tick(wall, passed_s * 10**9)
        if restart:  # what was persisted is all that is left
            running = Running(**{name: getattr(running, name) for name in Running.__slots__})
        if true_s >= ttl_s:
            assert running.over, "no clock prolongs it"
        assert running.over or not ended, "what has ended stays ended"
        ended = running.over
        if furthest == 0:
            assert ended == (true_s >= ttl_s)
        in_force = emergency.active(world.state, wall, {made.id: true_s * 10**9})
        assert bool(in_force) == (true_s < ttl_s and wall - START < ttl_s * 10**9)


@MANY
@given(
    st.integers(1, 72), st.integers(1, 86_400), st.integers(0, 100), st.integers(0, 100),
    st.sampled_from([None, "upheld", "reversed", "partly"]), st.booleans(),
)  # fmt: skip
def test_i10_without_a_review_in_time_an_emergency_reverts(
    due_h: int, ttl_s: int, review_h: int, look_h: int, verdict: str | None, closed: bool
) -> None:
    world = beginning()
    due = format_time(START + due_h * HOUR)
    value = world.emergency_value("e", openers=[party("p0"), party("p1")], ttl_s=ttl_s, review_due=due)
    world.log("emergency-open", gw.envelope("emergency", value, "p0", "p1"))
    name = value["id"]
    reviewed = verdict is not None and review_h <= look_h
    if reviewed:
        world.now = START + review_h * HOUR
        review = world.review_value(name, verdict, reviewers=[party("v0"), party("v1")], due=due)
        world.log("review", gw.envelope("review", review, "v0", "v1"))
    world.now = START + look_h * HOUR
    in_time = reviewed and review_h < due_h
    overdue = look_h >= due_h and not reviewed
    reverted = (look_h >= due_h and not in_time) or (reviewed and verdict == "reversed")
    assert (name in emergency.overdue_reviews(world.state, world.now)) == overdue
    assert (name in emergency.reverts(world.state, world.now)) == reverted
    assert emergency.frozen(world.state, world.now) == overdue
    alive = not reverted and look_h * 3600 < ttl_s
    assert bool(emergency.active(world.state, world.now)) == alive
    if closed:
        end = "reverted" if reverted else "expired" if look_h * 3600 >= ttl_s else "closed"
        body = {"emergency": name, "end": end, "at": format_time(world.now)}
        world.log("emergency-close", gw.envelope("emergency-close", body, "p2") if end == "closed" else body)
        assert not emergency.active(world.state, world.now)
    again = world.emergency_value("other", openers=[party("p2"), party("p3")])
    world.force("emergency-open", gw.envelope("emergency", again, "p2", "p3"))
    assert (again["id"] in world.state.emergencies) is not overdue


MOMENTS = st.sampled_from([DAY // MS - 1, DAY // MS, DAY // MS + 1]) | st.integers(0, 30 * HOUR // MS)
"""Milliseconds, often about a day."""


@MANY
@given(MOMENTS, st.integers(0, 3), st.booleans(), MOMENTS)
def test_i11_an_old_screening_or_a_newer_list_blocks(passed: int, newer: int, in_log: bool, asked: int) -> None:
    player = Player.new()
    world, name = player.world, player.proposals[0]
    for who in ("p0", "p4"):
        world.log("approval", world.approval(name, who))
    known: dict[str, ListSnapshot] = {}
    if newer:
        snapshot = {"source": "list-a", "date": f"2026-03-0{newer}", "sha256": gw.digest(("new", newer))}
        if in_log:
            world.log("screening", gw.screening_value(party("o2"), world.now, "later", snapshots=[snapshot]))
        else:
            known = {"list-a": ListSnapshot.parse(snapshot)}
    world.now += passed * MS
    judged = world.judge(name, lists=known, asked_ns={"list-a": world.now - asked * MS})
    codes = {block.code for block in judged.blocks}
    assert ("screening_old" in codes) == (passed * MS >= DAY)
    assert ("list_newer" in codes) == bool(newer)
    assert ("list_stale" in codes) == (asked * MS > DAY)
    assert judged.quorum
    assert judged.satisfied is not bool(codes)
    if passed * MS < DAY or newer:  # screening again with the newest list lifts it
        fresh = [snapshot] if newer else [{"source": "list-a", "date": "2026-03-01", "sha256": gw.LIST_A}]
        for each in ("o0", "o1"):
            world.log("screening", gw.screening_value(party(each), world.now, ("again", each), snapshots=fresh))
        assert {block.code for block in world.judge(name, lists=known).blocks} <= set()


@MANY
@given(SCRIPTS, st.permutations(range(9)), NUMBER)
def test_i13_independent_entries_in_any_order_give_the_same_state(script: Any, order: list[int], which: int) -> None:
    player = Player.new().play(script)
    world, name = player.world, player.proposals[which % len(player.proposals)]
    said = {each.approval.person for each in world.state.approvals.get(name, ()) if each.approval.verdict != "approve"}
    assume(not said & {party("p0"), party("p4")})  # whoever takes a rejection back depends on when
    outcomes = []
    older_list = {"source": "list-a", "date": "2026-01-01", "sha256": gw.LIST_B}
    bodies: list[tuple[str, dict[str, Any]]] = [
        ("request", gw.request_value("other")),
        ("screening", gw.screening_value(party("o2"), world.now, "x")),
        ("screening", gw.screening_value(party("o9"), world.now, "y", snapshots=[older_list])),
        ("contact", gw.contact_value("one", party("p5"), party("o1"))),
        ("contact", gw.own_contact("two", "p3", party("o8"))),
        ("approval", world.approval(name, "p0")),
        ("approval", world.approval(name, "p1", "reject")),
        ("approval", world.approval(name, "p4")),
        ("rejection", {"what": "approval", "digest": gw.digest(which), "code": "bad_signature", "sentence": "no key"}),
    ]  # fmt: skip
    for each in (range(9), order):
        state, entries = world.state.copy(), list(world.entries)
        for number in each:
            entries.append((len(entries), world.now, *bodies[number]))
            state.apply(*entries[-1])
        judged = quorum.judge(state, name, at_ns=world.now)
        outcomes.append((canonical_signed(state.value(places=False)), judged.satisfied, judged.counted, dict(judged.excluded)))
    assert outcomes[0] == outcomes[1]
    assert answer(state, name, world.now) == slow_answer(Facts(entries), name, world.now)


@MANY
@given(SCRIPTS, st.lists(st.tuples(NUMBER, st.integers(1, 4)), min_size=1, max_size=5))
def test_i14_the_same_entry_again_has_the_effect_of_one(script: Any, again: Any) -> None:
    player = Player.new().play(script)
    world = player.world
    good = [each for each in world.entries if each[0] not in {wrong.index for wrong in world.state.violations}]
    world.now += HOUR
    before = world.state.value()
    judged = [answer(world.state, name, world.now) for name in player.proposals]
    current = world.state.charter
    assert current is not None
    for number, times in again:
        _, _, kind, body = good[number % len(good)]
        if kind == "charter" and read_charter(body).digest != current.digest:
            continue  # an older charter is no repetition but an attempt to go back, and refused
        for _ in range(times):
            world.force(kind, copy.deepcopy(body))
    after = world.state.value()
    refused = after.pop("violations")
    assert refused[: len(before["violations"])] == before.pop("violations")
    assert after == before
    assert [answer(world.state, name, world.now) for name in player.proposals] == judged


@MANY
@given(SCRIPTS, NUMBER, NUMBER, st.integers(0, 400), st.booleans())
def test_i16_a_contact_added_later_changes_nothing_decided_but_lists_it(
    script: Any, who: int, other: int, hours: int, signed: bool
) -> None:
    player = Player.new()
    for each in (0, 4):
        player.act(3, each, 0, 0)
    player.act(9, 0, 0, 0)
    player.play(script)
    world, state = player.world, player.world.state
    decided = (list(state.enactments), state.policy_digest, dict(state.enacted), dict(state.rejected))
    person, counterparty = PEOPLE[who % 6], party(OUTSIDE[other % 3])
    world.now += 30 * DAY
    assume(state.charter is not None and not state.charter.expired(world.now))
    assume(not hours or START - DAY + hours * HOUR <= world.now)
    changes = {
        "occurred_from": format_time(START - DAY + hours * HOUR) if hours else None,
        "occurred_to": None,
        "reported_at": format_time(world.now),
        "pattern": "regular",
    }
    body = (
        gw.own_contact("late", person, counterparty, **changes)
        if signed
        else gw.contact_value("late", party(person), counterparty, basis="press", **changes)
    )
    world.log("contact", body)
    id_ = gw.ident("contact", "late")
    assert decided == (list(state.enactments), state.policy_digest, dict(state.enacted), dict(state.rejected))
    facts = Facts(world.entries)
    found = re_review_set(state, id_)
    assert {(each.index, each.act) for each in found if each.act in ("authorship", "approval")} == facts.again(id_)
    near = {each.index for each in found if each.touches}
    indexes = [each.index for each in found]
    assert indexes == [i for i in indexes if i in near] + [i for i in indexes if i not in near]
    for touches, group in itertools.groupby(found, key=lambda each: each.touches):
        listed = list(group)
        assert [each.index for each in listed] == sorted(each.index for each in listed), touches
    assert id_ in state.re_reviews()
