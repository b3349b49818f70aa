"""Objects of governance read back as they were written, and contradictions are refused."""

from __future__ import annotations

from typing import Any

import pytest

import governed_world as gw
from governed_world import DAY, HOUR, START, World, party
from groundrule.canon import canonical_signed
from groundrule.errors import InputError
from groundrule.govern import objects
from groundrule.govern.objects import Approval, Change, Contact, Emergency, Impact, Proposal, Request, Review, Screening
from groundrule.govern.signed import format_time, new_id, parse_time, whole_ms

WORLD = World.governed()
BODY = WORLD.proposal_body()
APPROVAL: dict[str, Any] = {
    "proposal_digest": gw.digest("p"),
    "impact_digest": gw.digest("i"),
    "verdict": "approve",
    "role": "policy",
    "person": party("p1"),
    "charter_version": 1,
    "seen_checkpoint": {"size": 3, "root": gw.digest("root")},
    "conflict_statement": "none",
    "nonce": "0" * 32,
    "signed_at": format_time(START),
    "expires": format_time(START + HOUR),
}
SAMPLES: list[tuple[Any, dict[str, Any]]] = [
    (Request, gw.request_value()),
    (objects.RequestOutcome, gw.outcome_value()),
    (Screening, gw.screening_value(party("x"), START)),
    (Contact, gw.contact_value("c", party("p1"), party("x"))),
    (Proposal, BODY["proposal"]),
    (Impact, BODY["impact"]),
    (Change, gw.change_value()),
    (Approval, APPROVAL),
    (Approval, APPROVAL | {"conflict_statement": [gw.ident("contact", "c")]}),
    (Emergency, WORLD.emergency_value()),
    (Review, WORLD.review_value(gw.ident("emergency", "e"))),
    (Review, WORLD.review_value(gw.digest("proposal"), None)),
]


@pytest.mark.parametrize(("cls", "value"), SAMPLES)
def test_every_object_reads_back_byte_for_byte(cls: Any, value: dict[str, Any]) -> None:
    made = cls.parse(value)
    assert made.value == value
    assert cls.parse_bytes(made.data) == made
    assert made.data == canonical_signed(value)


@pytest.mark.parametrize(("cls", "value"), SAMPLES)
def test_no_field_may_be_missing_or_strange(cls: Any, value: dict[str, Any]) -> None:
    for name in value:
        with pytest.raises(InputError, match=f"lacks `{name}`"):
            cls.parse({key: each for key, each in value.items() if key != name})
    with pytest.raises(InputError, match="unknown field `extra`"):
        cls.parse(value | {"extra": 1})
    for wrong in (None, [], "x", 1):
        with pytest.raises(InputError, match="no object"):
            cls.parse(wrong)


@pytest.mark.parametrize(("cls", "value"), SAMPLES)
def test_no_field_takes_a_float(cls: Any, value: dict[str, Any]) -> None:
    for name in value:
        with pytest.raises(InputError):
            cls.parse(value | {name: 1.5})


WRONG: list[tuple[Any, dict[str, Any], dict[str, Any], str]] = [
    (Change, gw.change_value(), {"op": "create"}, "other digests"),
    (Change, gw.change_value(), {"after": {"edited": 1}}, "another digest"),
    (Change, gw.change_value(), {"object": "rulebook/../x"}, "object"),
    (Change, gw.change_value(), {"object": "king"}, "object"),
    (Change, gw.change_value(), {"op": "delete", "after_sha256": None}, "with content"),
    (Change, gw.change_value("record/r"), {}, "only disclosed"),
    (Proposal, BODY["proposal"], {"emergency": True}, "open an emergency"),
    (Proposal, BODY["proposal"], {"change_set": []}, "change_set"),
    (Proposal, BODY["proposal"], {"change_set": [gw.change_value(), gw.change_value(before_sha256=gw.digest("z"))]}, "twice"),
    (Proposal, BODY["proposal"], {"change_set": [gw.change_value("charter"), gw.change_value()]}, "stands alone"),
    (Proposal, BODY["proposal"], {"effective": {"from": format_time(START), "until": format_time(START), "tz": "UTC"}}, "empty"),
    (Proposal, BODY["proposal"], {"effective": {"from": format_time(START), "until": None, "tz": "CET"}}, "tz"),
    (Impact, BODY["impact"], {"runs": BODY["impact"]["runs"][:1]}, "runs"),
    (Impact, BODY["impact"], {"runs": [BODY["impact"]["runs"][0]] * 2}, "not independent"),
    (Impact, BODY["impact"], {"counts": {"serve": {"maybe": {"a": 1}}}}, "unknown outcome"),
    (Impact, BODY["impact"], {"counts": {"serve": {"deny": {"a": -1}}}}, "integer"),
    (Approval, APPROVAL, {"expires": format_time(START)}, "before it is signed"),
    (Approval, APPROVAL, {"nonce": "short"}, "nonce"),
    (Approval, APPROVAL, {"conflict_statement": []}, "conflict_statement"),
    (Approval, APPROVAL, {"seen_checkpoint": {"size": 0, "root": gw.digest("root")}}, "size"),
    (Emergency, WORLD.emergency_value(), {"openers": [party("e1")] * 2}, "twice"),
    (Emergency, WORLD.emergency_value(), {"scope": {"areas": [], "terminals": [], "ops": ["serve"]}}, "scope of nothing"),
    (Emergency, WORLD.emergency_value(), {"scope": {"areas": ["a"], "terminals": [], "ops": []}}, "scope of nothing"),
    (Emergency, WORLD.emergency_value(), {"scope": {"areas": ["a"], "terminals": [], "ops": ["deny"]}}, "goes against"),
    (Emergency, WORLD.emergency_value(), {"direction": "deny_only"}, "goes against"),
    (Emergency, WORLD.emergency_value(), {"ttl_s": 86_401}, "ttl_s"),
    (Emergency, WORLD.emergency_value(), {"review_due": format_time(START + 3 * DAY + 10**6)}, "within 72 hours"),
    (Review, WORLD.review_value(gw.digest("x")), {"findings": ""}, "a verdict needs"),
    (Request, gw.request_value(), {"on_behalf_of": []}, "on_behalf_of"),
    (Request, gw.request_value(), {"occurred_at": format_time(START + 1_000_000)}, "out of order"),
    (Request, gw.request_value(), {"outcome": "refused"}, "outcome"),
    (objects.RequestOutcome, gw.outcome_value(), {"conflicts": [gw.ident("request", "o")]}, "without a priority"),
    (Screening, gw.screening_value(party("x"), START), {"valid_until": format_time(START + DAY + 10**6)}, "24 hours"),
    (Screening, gw.screening_value(party("x"), START), {"snapshots": []}, "snapshots"),
    (Contact, gw.contact_value("c", party("p1"), party("x")), {"status": "denied"}, "status"),
    (Contact, gw.contact_value("c", party("p1"), party("x")), {"status": "self_reported"}, "differ"),
    (Contact, gw.contact_value("c", party("p1"), party("x")), {"occurred_to": format_time(START + 10**6)}, "out of order"),
    (Contact, gw.contact_value("c", party("p1"), party("x")), {"basis": "self", "status": "self_reported"}, "somebody else"),
]  # fmt: skip


@pytest.mark.parametrize(("cls", "value", "change", "said"), WRONG)
def test_contradictions_are_refused(cls: Any, value: dict[str, Any], change: dict[str, Any], said: str) -> None:
    cls.parse(value) if cls is not Change or value["object"] == "rulebook" else None
    with pytest.raises(InputError, match=said):
        cls.parse(value | change)


def test_a_candidate_is_decided_by_a_person_with_a_reason() -> None:
    candidate = {"entry_uid": "1", "score": 900, "disposition": "false", "by": None, "reason": "another birth date"}
    with pytest.raises(InputError, match="by a person"):
        Screening.parse(gw.screening_value(party("x"), START, candidates=[candidate]))


def test_large_content_is_named_by_its_digest() -> None:
    reference = {"sha256": gw.digest("file"), "size": 10, "media_type": "application/geo+json"}
    assert Change.parse(gw.change_value(after=reference, after_sha256=gw.digest("file"))).content_digest == gw.digest("file")
    with pytest.raises(InputError, match="another digest"):
        Change.parse(gw.change_value(after=reference))


def test_half_of_a_listed_owner_lists_the_subject() -> None:
    def owned(*shares: int) -> Screening:
        rows = [{"party": party(n), "path": [], "share_bp": share, "result": "listed"} for n, share in enumerate(shares)]
        return Screening.parse(gw.screening_value(party("x"), START, ownership=rows))

    assert not owned(4_999).listed
    assert owned(5_000).listed
    assert owned(2_500, 2_500).listed
    assert owned(2_500).controllers == {party(0)}


def test_times_are_whole_milliseconds() -> None:
    assert parse_time(format_time(START)) == START
    with pytest.raises(InputError, match="whole millisecond"):
        format_time(START + 1)
    assert format_time(whole_ms(START + 999_999)) == format_time(START)


def test_ids_are_of_sixteen_random_bytes() -> None:
    assert new_id("request", bytes(16)) == "request-" + "0" * 32
    with pytest.raises(InputError):
        new_id("request", bytes(15))
