"""Requests, screenings, contacts, appeals and lists over the API: who is named to whom, and what is on record."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from governed_edge import Edge, governed_edge, party

from governed_world import DAY, HOUR, envelope
from groundrule.govern.signed import format_time
from groundrule.ledger.reader import read_log
from groundrule.pipeline.governance_view import read_state
from groundrule.pipeline.home_ledger import log_folder

LINES = {"kind": "legal_entity", "names": ["Harbour Lines (invented)"]}
MUSTER = {"kind": "natural_person", "names": ["Muster Exempel (invented)"]}


@pytest.fixture
def edge() -> Iterator[Edge]:
    with governed_edge() as made:
        yield made


def request(edge: Edge, **more: Any) -> dict[str, Any]:
    body = {
        "requester": LINES, "on_behalf_of": ["self", MUSTER], "received_by": party("g1"), "channel": "letter", "purpose": "commercial",
        "text": "Please serve the closed zone. Muster Exempel", "ask": [{"op": "serve", "object": "area/closed"}],
    } | more  # fmt: skip
    made: dict[str, Any] = edge.post("/v1/requests", body)
    return made


def whole_log(edge: Edge) -> str:
    return b"\n".join(read_log(log_folder(edge.home)).tree().entries()).decode()


# --- requests ---------------------------------------------------------------------------------------------------------


def test_a_request_is_on_record_without_names_and_shown_with_those_that_a_reader_may_know(edge: Edge) -> None:
    made = request(edge)
    assert made["requester"]["name"] == "Harbour Lines (invented)"
    assert [each["name"] for each in made["on_behalf_of"]] == [None, "Muster Exempel (invented)"]
    assert made["text"].startswith("Please serve")
    assert made["outcome"] == "pending"
    assert not made["overdue"]
    assert "Exempel" not in whole_log(edge)
    assert "Harbour" not in whole_log(edge)
    for role, more in (("analyst", {}), ("regulator", {"countries": ["AT"]})):
        shown = edge.client.get(f"/v1/requests/{made['id']}", headers=edge.as_(role, **more)).json()
        assert shown["requester"]["name"] == "Harbour Lines (invented)"
        assert [each["name"] for each in shown["on_behalf_of"]] == [None, None]
        assert shown["text"] is None
    assert edge.client.get("/v1/requests", headers=edge.as_("viewer")).status_code == 403


def test_the_opposite_is_named_and_an_answer_needs_a_priority(edge: Edge) -> None:
    first = request(edge)
    other = {"kind": "government_body", "names": ["B (invented)"]}
    second = request(edge, ask=[{"op": "refrain", "object": "area/closed"}], requester=other)
    assert second["conflicting"] == [first["id"]]
    path = f"/v1/requests/{second['id']}/outcomes"
    body = {"outcome": "refused", "reason": "the first one binds (invented)", "conflicts": [first["id"]]}
    assert edge.post(path, body, status=422)["detail"]
    done = edge.post(path, body | {"priority": "the order of a court (invented)"})
    assert done["log_index"] > 0
    assert edge.get(f"/v1/requests/{second['id']}")["outcomes"][0]["priority"] == "the order of a court (invented)"
    assert edge.post(path, body | {"priority": "other", "reason": "again"}, status=409)["refusal"] == "request_ended"
    assert "request_ended" in edge.refused()


def test_requests_without_an_answer_become_overdue(edge: Edge) -> None:
    made = request(edge)
    assert edge.get("/v1/requests?overdue=true")["items"] == []
    edge.clock.now += 31 * DAY
    assert [each["id"] for each in edge.get("/v1/requests?overdue=true")["items"]] == [made["id"]]


@pytest.mark.parametrize(
    "change",
    [{"ask": []}, {"channel": "pigeon"}, {"requester": "somebody"}, {"requester": {"kind": "legal_entity", "names": []}}, {"text": ""},
     {"received_by": party("nobody")}, {"occurred_at": "yesterday"}, {"more": 1}],
)  # fmt: skip
def test_a_request_that_cannot_be_taken_in_is_told_why(edge: Edge, change: dict[str, Any]) -> None:
    body = {"requester": LINES, "received_by": party("g1"), "channel": "letter", "purpose": "commercial", "text": "t",
            "ask": [{"op": "serve", "object": "area/closed"}]}  # fmt: skip
    answer = edge.client.post("/v1/requests", json=body | change, headers=edge.as_("officer"))
    assert answer.status_code in (400, 409, 422), answer.text
    assert read_state(edge.home).requests == {}


def test_nobody_is_put_under_the_id_of_somebody_else(edge: Edge) -> None:
    known = request(edge)["requester"]["id"]
    again = {"requester": {"id": known, "kind": "legal_entity", "names": ["Somebody Else (invented)"]}}
    asks = [{"op": "serve", "object": "area/x"}]
    body = {"received_by": party("g1"), "channel": "letter", "purpose": "commercial", "text": "t", "ask": asks}
    assert "known under other names" in edge.post("/v1/requests", body | again, status=409)["detail"]


# --- screening --------------------------------------------------------------------------------------------------------


def test_names_are_compared_with_everything_that_made_the_score_and_nothing_is_kept(edge: Edge) -> None:
    size = read_log(log_folder(edge.home)).integrated_size
    asked = {"names": ["Gavriil Exempel", {"names": ["Nobody Whatsoever (invented)"], "kind": "person"}, "!!!",
                       {"names": ["Gavriil Exempel"], "born": ["1960-03-12"], "countries": ["RU"],
                        "identifiers": [{"scheme": "passport", "value": "X0001234"}]}]}  # fmt: skip
    found = edge.post("/v1/screenings", asked, "analyst", status=200)
    plain, none, bad, known = found["screened"]
    assert found["lists"][0]["source"] == "us-ofac-sdn"
    assert plain["hits"][0]["entry"] == "1"
    assert plain["hits"][0]["features"]["words"]
    assert plain["hits"][0]["features"]["lines"]
    assert none["hits"] == []
    assert bad["problem"]
    assert known["hits"][0]["verdict"] == "strong_candidate"
    assert known["hits"][0]["features"]["birth"][0] == "day"
    assert read_log(log_folder(edge.home)).integrated_size == size
    assert edge.client.post("/v1/screenings", json=asked, headers=edge.as_("viewer")).status_code == 403


def test_everybody_behind_a_request_is_screened_and_a_registrar_decides(edge: Edge) -> None:
    made = request(edge, requester={"kind": "natural_person", "names": ["Gavriil Exempel (invented)"]}, on_behalf_of=["self"])
    (found,) = edge.post(f"/v1/requests/{made['id']}/screenings", {})
    assert found["unresolved"]
    assert found["hits"][0]["features"]["lines"]
    entry = found["candidates"][0]["entry"]
    path = f"/v1/screenings/{found['id']}/dispositions"
    body = {"entry": entry, "as": "false", "by": party("p1"), "reason": "another birth date (invented)"}
    assert edge.post(path, body, status=409)["refusal"] == "not_registrar"
    decided = edge.post(path, body | {"by": party("g1")})
    assert not decided["unresolved"]
    assert decided["candidates"][0]["by"]["id"] == party("g1")
    assert [each["id"] for each in edge.get("/v1/screenings")["items"]] == [decided["id"], found["id"]]
    # A natural person is not named to whoever may not know.
    assert edge.get("/v1/screenings", "analyst")["items"][0]["subject"]["name"] is None
    assert edge.get("/v1/screenings")["items"][0]["subject"]["name"] == "Gavriil Exempel (invented)"


def test_lists_are_told_with_their_age_and_entries(edge: Edge) -> None:
    found = edge.get("/v1/lists", "auditor")
    (sanctions,) = found["sanctions"]
    assert (sanctions["source"], sanctions["entries"], sanctions["complete"]) == ("us-ofac-sdn", 1, True)
    assert sanctions["age_s"] > 0
    assert not sanctions["stale"]
    edge.clock.now += 2 * DAY
    assert edge.get("/v1/lists")["sanctions"][0]["stale"]
    (own,) = found["policy"]
    assert (own["id"], own["entries"]) == ("pass", {"active": 1})
    (entry,) = edge.get("/v1/lists/pass/entries")["items"]
    assert entry["facts"]["terminal_id"] == "van"
    assert edge.get("/v1/lists/pass/entries?stands=revoked")["items"] == []
    assert edge.get("/v1/lists/none/entries", status=404)["code"] == "missing"


# --- contacts ---------------------------------------------------------------------------------------------------------


def contact(edge: Edge, **more: Any) -> dict[str, Any]:
    at = edge.now() - 10 * DAY
    body = {
        "covered_person": party("p1"), "counterparty": {"kind": "natural_person", "names": ["Muster Exempel (invented)"]},
        "reported_by": {"kind": "natural_person", "names": ["Rapporta (invented)"]}, "basis": "third_party", "channel": "meeting",
        "occurred_from": format_time(at), "occurred_to": format_time(at + HOUR),
        "evidence": [{"content": base64.b64encode(b"<p>a page (invented)</p>").decode(), "url": "https://news.example/1", "lang": "en"}],
    } | more  # fmt: skip
    made: dict[str, Any] = edge.post("/v1/contacts", {"contact": body})
    return made


def test_an_allegation_is_no_fact_and_names_nobody_to_whoever_may_not_know(edge: Edge, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        made = contact(edge)
    assert (made["allegation"], made["status"], made["late"]) == (True, "alleged", True)
    assert made["person"]["id"] == party("p1")
    assert made["counterparty"]["name"] == "Muster Exempel (invented)"
    logged = whole_log(edge)
    assert "Exempel" not in logged
    assert "news.example" not in logged
    assert f'"covered_person":"{party("p1")}"' not in logged
    shown = edge.get("/v1/contacts", "analyst")
    (row,) = shown["items"]
    assert all(row[name]["id"].startswith("sha256:") or "commit" in row[name]["id"] for name in ("person", "counterparty", "reported_by"))
    assert "Exempel" not in json.dumps(shown)
    assert party("p1") not in json.dumps(shown)
    assert (row["re_review"], shown["nil_overdue"]) == ([], None)
    assert "Exempel" not in caplog.text
    assert party("p1") not in caplog.text
    assert edge.get("/v1/contacts", "auditor")["items"][0]["counterparty"]["name"] == "Muster Exempel (invented)"
    assert edge.client.get("/v1/contacts", headers=edge.as_("regulator", countries=["AT"])).status_code == 403


def test_what_a_person_signs_about_itself_is_public_by_id(edge: Edge) -> None:
    value = {
        "id": f"contact-{1:032x}", "covered_person": party("p2"), "counterparty": party("ministry"), "counterparty_kind": "government_body",
        "capacity": "official", "channel": "call", "occurred_from": format_time(edge.now() - HOUR), "occurred_to": None,
        "pattern": "single",
        "topics": ["service"], "ask_made": None, "reported_by": party("p2"), "reported_at": format_time(edge.now()), "basis": "self",
        "status": "self_reported", "evidence": [], "disclosed_to": [], "sealed_until": None,
    }  # fmt: skip
    made = edge.post("/v1/contacts", {"envelope": envelope("contact", value, "p2")})
    assert (made["allegation"], made["late"], made["person"]["id"]) == (False, False, party("p2"))
    assert edge.get(f"/v1/contacts/{made['id']}", "analyst")["person"]["id"] == party("p2")


def test_a_denial_by_the_person_makes_it_disputed_and_returns_are_express(edge: Edge) -> None:
    made = contact(edge)
    done = edge.post(f"/v1/contacts/{made['id']}/updates", {"update": {"status": "disputed", "by": party("p1")}})
    assert done["log_index"] > 0
    assert edge.get(f"/v1/contacts/{made['id']}")["status"] == "disputed"
    answer = edge.client.post(
        f"/v1/contacts/{made['id']}/updates", json={"update": {"status": "denied", "by": party("p1")}}, headers=edge.as_("officer")
    )
    assert answer.status_code == 409, answer.text
    nil = {"covered_person": party("p1"), "from": "2025-07-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"}
    signed = envelope("contact", {**nil, "from": "2025-07-01T00:00:00.000Z", "until": "2026-01-01T00:00:00.000Z"}, "p1")
    assert edge.post("/v1/contacts/returns", {"envelope": signed})["log_index"] > 0
    assert edge.get("/v1/contacts")["nil_returns"][0]["person"]["id"] == party("p1")
    assert edge.post("/v1/contacts/returns", {}, status=422)["field"] == "nil_return"


def test_who_is_in_conflict_by_a_contact_is_told_to_those_who_may_know(edge: Edge) -> None:
    person = MUSTER
    asked = request(edge, requester=person, on_behalf_of=["self"])
    contact(edge, counterparty=asked["requester"]["id"])
    added = {"terminal_id": "guest", "state": "active", "holder": "p2", "legal_class": "individual"}
    id_ = edge.propose({"object": "list/pass", "value": {"add": [added]}}, requests=[asked["id"]])["id"]
    known = {each["party"]["id"]: each["reason"] for each in edge.get(f"/v1/proposals/{id_}")["conflicts"]}
    assert known[party("p1")] == "contact"
    hidden = edge.get(f"/v1/proposals/{id_}", "analyst")["conflicts"]
    assert "contact" not in {each["reason"] for each in hidden}
    scope = edge.get(f"/v1/proposals/{id_}")["contacts_in_scope"]
    assert all("contact-" not in each for each in scope)


# --- appeals ----------------------------------------------------------------------------------------------------------


def test_an_owner_appeals_against_a_decision_about_an_own_terminal_and_reads_how_it_stands(edge: Edge) -> None:
    owner = {"accounts": ["acc-b"]}
    body = {"terminal": "guest", "text": "I am not in the zone. Guest (invented)", "name": "Guest (invented)"}
    made = edge.client.post("/v1/own/appeals", json=body, headers=edge.as_("owner", **owner))
    assert made.status_code == 201, made.text
    told = made.json()
    assert (told["terminal"], told["outcome"], told["overdue"]) == ("guest", "pending", False)
    assert told["remaining_s"] == pytest.approx(14 * 86_400, abs=60)
    assert told["decision"]
    assert "closed-zone" not in made.text
    assert "guest" not in whole_log(edge)
    assert edge.get("/v1/appeals")["items"][0]["who"] == "Guest (invented)"
    assert edge.get("/v1/appeals", "analyst")["items"][0]["who"] is None
    assert edge.client.get("/v1/own/appeals", headers=edge.as_("owner", **owner)).json()["items"][0]["id"] == told["id"]

    answered = edge.post(f"/v1/appeals/{told['id']}/outcomes", {"outcome": "corrected", "reason": "mended (invented)"}, status=409)
    assert answered["refusal"] == "not_corrected"
    edge.post(f"/v1/appeals/{told['id']}/outcomes", {"outcome": "refused", "reason": "it was there (invented)"})
    again = edge.client.get(f"/v1/own/appeals/{told['id']}?language=de", headers=edge.as_("owner", **owner)).json()
    assert again["stages"][-1].endswith("it was there (invented)")


def test_nobody_appeals_about_or_reads_of_terminals_of_others(edge: Edge) -> None:
    mine = edge.as_("owner", accounts=["acc-b"])
    theirs = edge.as_("owner", accounts=["acc-a"])
    for terminal in ("car", "nothing"):
        answer = edge.client.post("/v1/own/appeals", json={"terminal": terminal, "text": "t"}, headers=mine)
        assert (answer.status_code, answer.json()["code"]) == (404, "missing")
    made = edge.client.post("/v1/own/appeals", json={"terminal": "guest", "text": "t"}, headers=mine).json()
    assert edge.client.get("/v1/own/appeals", headers=theirs).json()["items"] == []
    assert edge.client.get(f"/v1/own/appeals/{made['id']}", headers=theirs).status_code == 404
    assert edge.client.get("/v1/appeals", headers=mine).status_code == 403
    assert edge.client.post("/v1/own/appeals", json={"terminal": "guest", "text": "t"}, headers=edge.as_("officer")).status_code == 403


def test_an_appeal_by_letter_is_taken_in_by_a_person_and_is_overdue_in_time(edge: Edge) -> None:
    body = {"terminal": "guest", "text": "letter", "received_by": party("g1"), "channel": "letter"}
    made = edge.post("/v1/appeals", body)
    edge.clock.now += 15 * DAY
    (late,) = edge.get("/v1/appeals?overdue=true")["items"]
    assert (late["id"], late["overdue"]) == (made["id"], True)
    assert late["remaining_s"] < 0
    assert edge.post("/v1/appeals", body | {"terminal": "nothing"}, status=422)["help"]
    wrong = edge.post(f"/v1/requests/{made['id']}/outcomes", {"outcome": "refused", "reason": "r"}, status=422)
    assert "/v1/appeals/" in wrong["help"]
