"""Proposals over the API: drafted, checked offline, signed elsewhere, enacted; every refusal is on record."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from governed_edge import POLICY_MEMBERS, Edge, governed_edge, party

from governed_home import OTHER_BOOK
from groundrule.pipeline.bundles import open_bundle
from groundrule.pipeline.home import rulebook_of
from groundrule.store.policy import get_object

BOOK = OTHER_BOOK.replace("    unless: [{list: pass}]\n", "")
"""Another limit of speed, and nobody passes the closed zone: the van is denied."""
CHANGE = {"object": "rulebook", "text": BOOK}


@pytest.fixture
def edge() -> Iterator[Edge]:
    with governed_edge() as made:
        yield made


def approve(edge: Edge, proposal: str, *persons: str) -> None:
    for person in persons or POLICY_MEMBERS[:3]:
        edge.post(f"/v1/proposals/{proposal}/approvals", edge.approval(proposal, person))


def test_a_change_goes_from_draft_to_force_and_is_told_at_each_step(edge: Edge) -> None:
    before = rulebook_of(edge.home).digest
    made = edge.propose(CHANGE)
    id_ = made["id"]
    assert made["log_index"] > 0
    assert any("75" in line and "90" in line for line in made["changes"])
    assert made["impact"]["changed"] == 1
    assert "0 of" in made["standing"]

    shown = edge.get(f"/v1/proposals/{id_}")
    assert (shown["state"], shown["class"], shown["log_index"]) == ("open", made["class"], made["log_index"])
    assert shown["changes"][0]["object"] == "rulebook"
    assert any("90" in line for line in shown["changes"][0]["lines"])
    assert shown["impact"]["counts"]["serve"]["deny"]
    assert shown["missing"] == f"0 of {shown['needed']} persons of role {shown['needs']['role']} approve"
    assert {each["reason"] for each in shown["conflicts"]} == {"author"}

    for person in POLICY_MEMBERS[:3] if shown["needs"]["role"] == "policy" else ("c1", "c2", "c3", "c4"):
        taken = edge.post(f"/v1/proposals/{id_}/approvals", edge.approval(id_, person))
    again = edge.get(f"/v1/proposals/{id_}")
    assert again["missing"] == ""
    assert all(each["counts"] and each["log_index"] > 0 for each in again["signed"])
    if again["blocks"]:  # notice
        assert taken["standing"] == "; ".join(each["sentence"] for each in again["blocks"])
        edge.clock.now += shown["needs"]["notice_hours"] * 3_600 * 10**9
    assert edge.get(f"/v1/proposals/{id_}")["state"] == "ready"
    done = edge.post(f"/v1/proposals/{id_}/enact", None, status=200)
    assert done["in_force"]
    assert edge.get(f"/v1/proposals/{id_}")["enactment"]["log_index"] == done["log_index"]
    assert rulebook_of(edge.home).digest != before
    # What is in force is judged under at once.
    assert edge.live.basis.rulebook.digest == rulebook_of(edge.home).digest
    assert edge.post(f"/v1/proposals/{id_}/enact", None, status=200)["log_index"] == done["log_index"]


def test_a_trial_shows_the_same_and_logs_nothing(edge: Edge) -> None:
    body = {"author": party("author"), "rationale": "r", "reversal_plan": "p", "changes": [CHANGE]}
    tried = edge.post("/v1/proposals/trials", body, "analyst", status=200)
    assert tried["impact"]["changed"] == 1
    assert tried["log_index"] is None
    assert tried["standing"].startswith("not logged")
    assert edge.get("/v1/proposals")["items"] == []


def test_enacting_without_a_quorum_is_refused_by_name_and_goes_on_record(edge: Edge) -> None:
    id_ = edge.propose(CHANGE)["id"]
    answer = edge.post(f"/v1/proposals/{id_}/enact", None, status=409)
    assert answer["refusal"] in ("notice", "quorum")
    assert "all that stands against it" in answer["help"]
    assert "quorum" in edge.refused()


@pytest.mark.parametrize("wrong", ["stranger", "twice", "other", "bytes", "type"])
def test_a_wrong_envelope_counts_for_nothing(edge: Edge, wrong: str) -> None:
    id_ = edge.propose(CHANGE)["id"]
    path = f"/v1/proposals/{id_}/approvals"
    good = edge.approval(id_, "p1")
    if wrong == "twice":
        first = edge.post(path, good)
        assert edge.post(path, good) == first | {"log_index": None}
        return
    if wrong == "other":
        other = edge.propose(CHANGE | {"text": BOOK.replace("90", "95")})["id"]
        assert edge.post(path, edge.approval(other, "p1"), status=422)["field"] == "payload"
        return
    envelope: dict[str, Any] = {
        "stranger": lambda: edge.approval(id_, "p1", signer="stranger"),
        "bytes": lambda: good | {"payload": "bm90aGluZw=="},
        "type": lambda: good | {"payloadType": "application/vnd.groundrule.review+json"},
    }[wrong]()
    before = len(edge.refused())
    answer = edge.client.post(path, json=envelope, headers=edge.as_("officer"))
    assert answer.status_code in (409, 422), answer.text
    assert len(edge.refused()) == before + 1
    assert edge.get(f"/v1/proposals/{id_}")["signed"] == []


def test_an_author_who_signs_does_not_count_and_is_told_why(edge: Edge) -> None:
    id_ = edge.propose(CHANGE, author=party("p1"))["id"]
    assert edge.post(f"/v1/proposals/{id_}/approvals", edge.approval(id_, "p1"), status=409)["refusal"] == "author"
    assert edge.refused() == ["author"]
    shown = edge.get(f"/v1/proposals/{id_}")
    assert shown["signed"] == []
    told = {"party": {"id": party("p1"), "name": None, "kind": None}, "reason": "author", "sentence": "wrote the proposal"}
    assert told in shown["conflicts"]


def test_the_bundle_is_what_an_approver_checks_offline(edge: Edge) -> None:
    id_ = edge.propose(CHANGE)["id"]
    answer = edge.client.get(f"/v1/proposals/{id_}/bundle?for={party('p2')}", headers=edge.as_("officer"))
    assert answer.headers["content-type"] == "application/zip"
    opened = open_bundle(answer.content)
    assert opened.logged.proposal.id == id_
    assert opened.made_for == party("p2")
    assert edge.get(f"/v1/proposals/{id_}/bundle?for={party('nobody')}", status=404)["field"] == "for"
    assert edge.client.get(f"/v1/proposals/{id_}/bundle", headers=edge.as_("analyst")).status_code == 403


def test_areas_and_lists_are_changed_by_their_content(edge: Edge) -> None:
    square = {"type": "Polygon", "coordinates": [[[4, 4], [5, 4], [5, 5], [4, 5], [4, 4]]]}
    said = {"id": "annex", "name": "Annex (invented)", "kind": "zone"}
    feature = {"type": "Feature", "id": "annex", "properties": said, "geometry": square}
    made = edge.propose({"object": "area", "value": {"type": "FeatureCollection", "features": [feature]}}, rationale="areas (invented)")
    assert any("Annex (invented)" in line for line in made["changes"])
    batch = {"add": [{"terminal_id": "guest", "state": "active", "holder": "p2", "legal_class": "individual"}]}
    listed = edge.propose({"object": "list/pass", "value": batch}, rationale="a list (invented)")
    assert any("guest" in line for line in listed["changes"])


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"object": "rulebook"}, "changes[0]"),
        ({"object": "rulebook", "text": "x", "value": {}}, "changes[0]"),
        ({"object": "rulebook", "text": "rulebook: broken"}, None),
        ({"object": "moon", "value": {}}, None),
        ({"object": "list/pass", "text": "- 1"}, "changes"),
        ({"object": "area/none", "delete": True}, None),
    ],
)
def test_what_cannot_be_proposed_is_told_without_a_path_of_this_machine(edge: Edge, change: dict[str, Any], field: str | None) -> None:
    body = {"author": party("author"), "rationale": "r", "reversal_plan": "p", "changes": [change]}
    answer = edge.client.post("/v1/proposals", json=body, headers=edge.as_("analyst"))
    assert answer.status_code in (409, 422), answer.text
    assert answer.json().get("field") == field or field is None
    assert "/tmp" not in answer.text
    assert "proposal-" not in answer.text


def test_a_regulator_reads_a_proposal_without_limits(edge: Edge) -> None:
    id_ = edge.propose(CHANGE)["id"]
    answer = edge.client.get(f"/v1/proposals/{id_}", headers=edge.as_("regulator", countries=["AT"]))
    shown = answer.json()
    assert shown["changes"][0]["lines"] == []
    assert shown["contacts_in_scope"] == []
    assert "too-fast" not in answer.text
    assert not any(each in answer.text for each in ("75 ", " 90", "km/h"))
    assert get_object(edge.home, shown["changes"][0]["after_sha256"])
    assert edge.client.post(f"/v1/proposals/{id_}/enact", headers=edge.as_("regulator", countries=["AT"])).status_code == 403


def test_a_rejected_proposal_ends_on_record(edge: Edge) -> None:
    id_ = edge.propose(CHANGE)["id"]
    assert edge.post(f"/v1/proposals/{id_}/reject", None, status=409)["refusal"] == "not_ended"
    edge.clock.now += 91 * 24 * 3_600 * 10**9
    assert edge.get(f"/v1/proposals/{id_}")["state"] == "expired"
    assert edge.post(f"/v1/proposals/{id_}/reject", None, status=200)["log_index"] > 0


def test_lists_are_paged_and_unknown_ids_are_missing(edge: Edge) -> None:
    ids = [edge.propose(CHANGE | {"text": BOOK.replace("90", str(90 + k))}, rationale=f"{k}")["id"] for k in range(3)]
    first = edge.get("/v1/proposals?limit=2")
    rest = edge.get(f"/v1/proposals?limit=2&cursor={first['next']}")
    assert [each["id"] for each in first["items"] + rest["items"]] == ids[::-1]
    assert len(edge.get("/v1/proposals?state=open")["items"]) == 3
    assert edge.get("/v1/proposals?state=enacted")["items"] == []
    for path in ("", "/bundle"):
        assert edge.get(f"/v1/proposals/{'0' * 64}{path}", status=404)["code"] == "missing"
    assert edge.post(f"/v1/proposals/{'0' * 64}/enact", None, status=404)["code"] == "missing"
