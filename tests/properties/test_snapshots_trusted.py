"""Which snapshot an enforcement point accepts: compared with a slow model, and with every byte of an accepted one changed."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import governed_world as gw
from governed_world import DAY, HOUR, SECOND, START, party
from groundrule.errors import GroundruleError
from groundrule.govern.charter import Charter
from groundrule.govern.refusal import code_of
from groundrule.govern.signed import format_time
from groundrule.govern.snapshot import PolicyManifest, Snapshot, Trust, judge_emergency, judge_rotation, judge_snapshot

EXAMPLES = 500
POLICY = ("p1", "p2", "p3", "p4", "p5")
# Key names by person: p1 has two keys; v1 is of another role.
KEYS = {"p1": "p1", "p1 again": "p1b", "p2": "p2", "p3": "p3", "other role": "v1", "nobody": "stranger"}


def value(**changes: Any) -> dict[str, Any]:
    manifest = {"v": 1, "objects": [{"id": "areas", "type": "area-set", "sha256": gw.digest("areas")},
                                    {"id": "rulebook", "type": "rulebook", "sha256": gw.digest("rules")}]}  # fmt: skip
    return {
        "policy_digest": PolicyManifest.parse(manifest).policy_digest,
        "manifest": manifest,
        "objects": {name: {"sha256": gw.digest(name), "size": 10, "media_type": "text/plain"} for name in ("areas", "rulebook")},
        "seq": 1,
        "issued": format_time(START),
        "expires": format_time(START + 7 * DAY),
        "enactment_index": 3,
    } | changes


@cache
def charter(version: int = 1, gone: tuple[str, ...] = ()) -> Charter:
    """p1 has two keys; the persons in `gone` have other keys than before."""
    people = [
        gw.member(name, None, *([f"{name} new"] if name in gone else ["p1", "p1b"] if name == "p1" else [name])) for name in gw.EVERYONE
    ]
    return gw.charter(persons=people, version=version, policy_digest=gw.POLICY if version == 1 else None,
                      issued=format_time(START + (version - 1) * DAY))  # fmt: skip


def rotation(new: Charter) -> dict[str, Any]:
    return gw.envelope("charter", new.value, "r1", "r2", "r3", "r4")


def code(trust: Trust, envelope: dict[str, Any], at_ns: int) -> str:
    with pytest.raises(GroundruleError) as caught:
        judge_snapshot(trust, envelope, at_ns)
    return code_of(caught.value)


@dataclass
class Slow:
    """What a point should accept, told in the words of the specification."""

    accepted: list[int] = field(default_factory=list)
    latest_ns: int = 0

    def accepts(self, seq: int, signers: list[str], issued: int, expires: int, now: int) -> bool:
        now = max(now, self.latest_ns)
        persons = {name.split()[0] for name in signers if name in ("p1", "p1 again", "p2", "p3")}
        good = len(persons) >= 2 and issued <= now + 5 * SECOND and now < expires and all(seq > each for each in self.accepted)
        if good:
            self.accepted.append(seq)
            self.latest_ns = now
        return good


STEP = st.tuples(
    st.integers(1, 6), st.lists(st.sampled_from(sorted(KEYS)), max_size=4), st.sampled_from((-DAY, 0, 4 * SECOND, 6 * SECOND, DAY)),
    st.sampled_from((HOUR, DAY, 31 * DAY)), st.sampled_from((-DAY, 0, HOUR, DAY)),
)  # fmt: skip


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(STEP, max_size=12))
def test_any_series_of_snapshots_is_taken_as_the_model_says(steps: list[tuple[int, list[str], int, int, int]]) -> None:
    trust, slow, now = Trust(charter()), Slow(), START
    for seq, signers, shift, life, step in steps:
        now = max(START, now + step)
        issued = now + shift
        made = value(seq=seq, issued=format_time(issued), expires=format_time(issued + life))
        envelope = gw.envelope("snapshot", made, *(KEYS[name] for name in signers))
        wanted = slow.accepts(seq, signers, issued, issued + life, now)
        try:
            snapshot, trust = judge_snapshot(trust, envelope, now)
        except GroundruleError:
            assert not wanted
        else:
            assert wanted
            assert trust.seq == snapshot.seq == seq


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.data())
def test_no_byte_of_it_can_be_changed(data: st.DataObject) -> None:
    envelope = gw.envelope("snapshot", value(), "p1", "p2")
    payload = bytearray(base64.b64decode(envelope["payload"]))
    place = data.draw(st.integers(0, len(payload) - 1))
    payload[place] ^= data.draw(st.integers(1, 255))
    changed = {**envelope, "payload": base64.b64encode(payload).decode()}
    with pytest.raises(GroundruleError):
        judge_snapshot(Trust(charter()), changed, START)


def test_each_refusal_has_its_reason() -> None:
    good = gw.envelope("snapshot", value(), "p1", "p2")
    trust = Trust(charter())
    snapshot, after = judge_snapshot(trust, good, START + HOUR)
    assert code(after, good, START + HOUR) == "seq_not_higher"
    assert code(trust, gw.envelope("snapshot", value(), "p1", "p1b"), START) == "snapshot_signers"
    assert code(trust, gw.envelope("snapshot", value(), "p1", "v1"), START) == "snapshot_signers"
    assert code(trust, gw.envelope("approval", value(), "p1", "p2"), START) == "bad_input"
    assert code(trust, good, START - 6 * SECOND) == "snapshot_from_future"
    assert code(trust, good, START + 7 * DAY) == "snapshot_expired"
    judge_snapshot(trust, good, START + 7 * DAY - 1)
    assert code(after, good, START + 400 * DAY) == "charter_expired"
    # A clock that is set back makes nothing valid again.
    assert code(trust.at(START + 8 * DAY), good, START) == "snapshot_expired"
    assert snapshot.seq == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"policy_digest": gw.digest("another")},
        {"objects": {}},
        {"seq": 0},
        {"expires": format_time(START + 32 * DAY)},
        {"expires": format_time(START)},
        {"manifest": {"v": 1, "objects": []}},
        {"note": "more"},
    ],
)
def test_what_contradicts_itself_is_no_snapshot(changes: dict[str, Any]) -> None:
    with pytest.raises(GroundruleError):
        Snapshot.parse(value(**changes))


def test_replaced_keys_begin_the_numbers_anew_and_let_nothing_old_back() -> None:
    trust = Trust(charter())
    _, stolen = judge_snapshot(trust, gw.envelope("snapshot", value(seq=2**50), "p1", "p2"), START + HOUR)
    honest = gw.envelope("snapshot", value(seq=2), "p3", "p4")
    assert code(stolen, honest, START + HOUR) == "seq_not_higher"
    now = START + DAY
    fresh = judge_rotation(stolen, rotation(charter(2, ("p1",))), now)
    assert (fresh.seq, fresh.since_ns) == (0, START + DAY)
    assert code(fresh, honest, now) == "snapshot_before_rotation"
    late = {"issued": format_time(now), "expires": format_time(now + DAY)}
    assert code(fresh, gw.envelope("snapshot", value(seq=9, **late), "p1", "p2"), now) == "snapshot_signers"
    assert judge_snapshot(fresh, gw.envelope("snapshot", value(seq=3, **late), "p3", "p4"), now)[1].seq == 3


def test_a_rotation_that_takes_no_key_keeps_the_numbers() -> None:
    trust = Trust(charter(), seq=7)
    assert judge_rotation(trust, rotation(charter(2)), START + DAY).seq == 7
    with pytest.raises(GroundruleError) as caught:
        judge_rotation(trust, gw.envelope("charter", charter(2).value, "r1", "r2"), START + DAY)
    assert code_of(caught.value) == "root_quorum"


@pytest.mark.parametrize(
    ("changes", "signers", "at_ns", "reason"),
    [
        ({}, ("e1",), START, "openers_unsigned"),
        ({"openers": [party("e1"), party("p1")]}, ("e1", "p1"), START, "openers_not_in_role"),
        ({"condition": "convenience"}, ("e1", "e2"), START, "condition_unknown"),
        ({}, ("e1", "e2"), START + DAY, "emergency_over"),
        ({}, ("e1", "e2"), START - 6 * SECOND, "clock_stepped"),
        ({"auto_revert_digest": gw.digest("other")}, ("e1", "e2"), START, "stale_base"),
    ],
)
def test_an_emergency_is_loaded_only_as_both_signed_it(changes: dict[str, Any], signers: tuple[str, ...], at_ns: int, reason: str) -> None:
    world = gw.World.governed()
    world.now = START
    made = world.emergency_value() | {"auto_revert_digest": gw.POLICY} | changes
    with pytest.raises(GroundruleError) as caught:
        judge_emergency(Trust(charter()), gw.POLICY, gw.envelope("emergency", made, *signers), at_ns)
    assert code_of(caught.value) == reason
    good = world.emergency_value() | {"auto_revert_digest": gw.POLICY}
    assert judge_emergency(Trust(charter()), gw.POLICY, gw.envelope("emergency", good, "e1", "e2"), START + DAY - 1).id == good["id"]
