"""Emergencies, reviews and the charter over the API: signed elsewhere, with clocks that run, and refusals on record."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from governed_edge import Edge, governed_edge, party

from governed_world import DAY, ROOT_MEMBERS, SECOND, envelope
from groundrule.govern.signed import format_time
from groundrule.ledger.reader import read_log
from groundrule.pipeline.governance_view import read_state
from groundrule.pipeline.home_ledger import log_folder
from groundrule.store.policy import in_force


@pytest.fixture
def edge() -> Iterator[Edge]:
    with governed_edge() as made:
        yield made


def draft(edge: Edge, **more: Any) -> dict[str, Any]:
    conditions = edge.get("/v1/emergencies")["conditions"]
    body = {
        "openers": [party("e1"), party("e2")], "condition": conditions[0], "direction": "permit_only", "ops": ["serve"], "ttl_s": 3_600,
        "areas": ["closed"],
    } | more  # fmt: skip
    made: dict[str, Any] = edge.post("/v1/emergencies/drafts", body, status=200)
    return made


def signed(made: dict[str, Any], *persons: str) -> list[dict[str, Any]]:
    """One envelope of each, as if made on two machines."""
    value = json.loads(base64.b64decode(made["payload"]))
    return [envelope("emergency", value, person) for person in persons]


def answer_of(edge: Edge, terminal: str) -> str:
    table = edge.live.present([terminal]).result()
    return str(table.column("outcome")[0].as_py())


def test_two_persons_open_an_emergency_and_it_holds_at_once_until_it_is_closed(edge: Edge) -> None:
    made = draft(edge)
    opened = edge.post("/v1/emergencies", {"envelopes": signed(made, "e1", "e2")})
    assert (opened["id"], opened["state"], opened["ttl_s"]) == (made["id"], "active", 3_600)
    assert 0 < opened["remaining_s"] <= 3_600
    assert opened["log_index"] > 0
    assert not opened["review"]["overdue"]
    row = {"terminal_id": "guest", "observed_at": edge.now(), "lat_deg": 2.5, "lon_deg": 2.5, "position_source": "gnss", "source": "test"}
    edge.observe([row])
    assert answer_of(edge, "guest") == "serve"
    listed = edge.get("/v1/emergencies")
    assert (listed["active"], listed["opened_in_30_days"], listed["frozen"]) == (1, 1, False)

    end = {"emergency": made["id"], "end": "closed", "at": format_time(edge.now())}
    wrong = end | {"emergency": f"emergency-{7:032x}"}
    assert edge.post(f"/v1/emergencies/{made['id']}/close", envelope("emergency-close", wrong, "e1"), status=422)["field"] == "payload"
    closed = edge.post(f"/v1/emergencies/{made['id']}/close", envelope("emergency-close", end, "e1"), status=200)
    assert (closed["state"], closed["remaining_s"]) == ("closed", 0)
    edge.observe([row | {"observed_at": edge.now() + SECOND}])
    assert answer_of(edge, "guest") == "deny"


def test_one_signature_or_different_bytes_open_nothing(edge: Edge) -> None:
    made = draft(edge)
    one = edge.post("/v1/emergencies", {"envelopes": signed(made, "e1")}, status=409)
    assert one["refusal"] == "openers_unsigned"
    assert "openers_unsigned" in edge.refused()
    other = draft(edge)
    mixed = [*signed(made, "e1"), *signed(other, "e2")]
    assert edge.post("/v1/emergencies", {"envelopes": mixed}, status=422)["field"] == "envelopes"
    assert edge.post("/v1/emergencies", {"envelopes": [envelope("review", {"a": 1}, "e1")]}, status=422)["detail"]
    assert read_state(edge.home).emergencies == {}


def test_what_opens_later_is_handed_in_later(edge: Edge) -> None:
    made = draft(edge, opens_in_s=600)
    answer = edge.client.post("/v1/emergencies", json={"envelopes": signed(made, "e1", "e2")}, headers=edge.as_("officer"))
    assert answer.status_code == 409
    assert 590 <= int(answer.headers["retry-after"]) <= 600
    assert edge.refused() == []
    edge.clock.now += 601 * SECOND
    assert edge.post("/v1/emergencies", {"envelopes": signed(made, "e1", "e2")})["state"] == "active"


def test_terminals_stand_as_commitments_in_the_log_and_for_whoever_may_not_see_them(edge: Edge) -> None:
    made = draft(edge, areas=[], terminals=["guest"])
    assert [each["terminal"] for each in made["openings"]] == ["guest"]
    assert b"guest" not in base64.b64decode(made["payload"])
    opened = edge.post("/v1/emergencies", {"envelopes": signed(made, "e1", "e2")})
    assert opened["terminals"] == ["guest"]
    shown = edge.client.get(f"/v1/emergencies/{made['id']}", headers=edge.as_("regulator", countries=["AT"])).json()
    assert shown["terminals"] != ["guest"]
    assert len(shown["terminals"]) == 1
    assert b"guest" not in b"\n".join(read_log(log_folder(edge.home)).tree().entries())


def test_an_emergency_that_is_not_reviewed_reverts_and_freezes_the_role(edge: Edge) -> None:
    made = draft(edge)
    edge.post("/v1/emergencies", {"envelopes": signed(made, "e1", "e2")})
    edge.clock.now += 4 * DAY
    listed = edge.get("/v1/emergencies")
    assert listed["frozen"]
    assert listed["overdue_reviews"] == [made["id"]]
    (row,) = listed["items"]
    assert row["state"] == "reverted"
    assert row["review"]["overdue"]
    assert row["review"]["remaining_s"] < 0
    assert edge.post("/v1/emergencies", {"envelopes": signed(draft(edge), "e1", "e2")}, status=409)["refusal"] == "role_frozen"


def test_a_review_is_opened_signed_elsewhere_and_concluded(edge: Edge) -> None:
    made = draft(edge)
    edge.post("/v1/emergencies", {"envelopes": signed(made, "e1", "e2")})
    opened = edge.post("/v1/reviews", {"of": made["id"]})
    assert edge.get("/v1/reviews")["items"][0]["kind"] == "emergency"
    body = {"reviewers": [party(name) for name in ("v1", "v2", "v3")], "verdict": "upheld", "findings": "it was needed (invented)"}
    drafted = edge.post(f"/v1/reviews/{opened['id']}/findings", body, status=200)
    value = json.loads(base64.b64decode(drafted["payload"]))
    few = edge.client.post(
        "/v1/reviews/conclusions", json={"envelopes": [envelope("review", value, "v1")]}, headers=edge.as_("officer")
    )
    assert few.status_code == 409
    done = edge.post("/v1/reviews/conclusions", {"envelopes": [envelope("review", value, each) for each in ("v1", "v2", "v3")]})
    assert done["verdict"] == "upheld"
    (row,) = edge.get("/v1/reviews", "auditor")["items"]
    assert (row["state"], row["findings"], row["overdue"]) == ("upheld", "it was needed (invented)", False)
    assert edge.post("/v1/reviews", {"of": "emergency-none"}, status=404)["code"] == "missing"


def test_the_charter_is_read_and_only_its_successor_is_handed_in(edge: Edge) -> None:
    found = edge.get("/v1/charter", "regulator", countries=["AT"])
    assert (found["governed"], found["version"], found["expired"]) == (True, 1, False)
    state = read_state(edge.home)
    assert state.charter is not None
    assert {each["name"] for each in found["classes"]} == set(state.charter.change_classes)
    root = next(each for each in found["roles"] if each["name"] == "root")
    assert (root["minimum"], len(root["members"])) == (4, 7)
    now = edge.now()
    value = state.charter.value | {
        "version": 2, "issued": format_time(now), "expires": format_time(now + 200 * DAY), "policy_digest": None,
    }  # fmt: skip
    few = [envelope("charter", value, *ROOT_MEMBERS[:2])]
    assert edge.client.post("/v1/charter/rotations", json={"envelopes": few}, headers=edge.as_("officer")).status_code == 409
    done = edge.post("/v1/charter/rotations", {"envelopes": [envelope("charter", value, each) for each in ROOT_MEMBERS[:4]]})
    assert done["version"] == 2
    assert [each["version"] for each in edge.get("/v1/charter")["history"]] == [1, 2]
    assert len(edge.get("/v1/refusals")["items"]) == 1
    assert in_force(edge.home) is not None
