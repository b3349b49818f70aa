"""Reports, dossiers and oversight over the API: what each reader may have made, and what nobody but its owner may fetch."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
from governed_edge import Edge, edge_over

from governed_home import quick_folder
from governed_world import DAY
from groundrule.evidence.verify_bundle import verify_bundle
from groundrule.instant import format_instant
from groundrule.ledger.reader import read_log
from groundrule.pipeline.home_ledger import log_folder
from investigated_home import ACCOUNT, ARTICLE, BODIES, COVERED, PERSONS, TERMINAL, Case, make_case

OWNER = {"accounts": [ACCOUNT]}
LAND = {"countries": ["AT"]}


@pytest.fixture(scope="module")
def case() -> Case:
    return make_case(quick_folder())


@pytest.fixture(scope="module")
def edge(case: Case) -> Iterator[Edge]:
    with edge_over(case.home, case.clock) as made:
        yield made
    shutil.rmtree(case.home.path.parent, ignore_errors=True)


def dossier(edge: Edge, *roles: str, kind: str = "terminal", id_: str = TERMINAL, grant: dict[str, Any] | None = None, **more: Any) -> Any:
    """Make a dossier and wait."""
    body = {"kind": kind, "id": id_, "pdf": False} | more
    answer = edge.client.post("/v1/dossiers", json=body, headers=edge.as_(*(roles or ("officer",)), **(grant or {})))
    assert answer.status_code == 202, answer.text
    return edge.done(answer.json(), *(roles or ("officer",)), **(grant or {}))


def file_of(edge: Edge, result: dict[str, Any], name: str, *roles: str, **grant: Any) -> Any:
    href = next(each["href"] for each in result["files"] if each["name"] == name)
    return edge.client.get(href, headers=edge.as_(*(roles or ("officer",)), **grant))


# --- dossiers ---------------------------------------------------------------------------------------------------------


def test_a_dossier_is_made_beside_the_desk_named_by_the_log_and_checks(edge: Edge) -> None:
    job = dossier(edge, pdf=True)
    assert job["state"] == "done", job
    made = job["result"]
    assert (made["kind"], made["id"], made["for"]) == ("terminal", TERMINAL, "operator")
    assert made["summary"]
    assert made["log_entry"] is not None
    archive = file_of(edge, made, "dossier.zip")
    assert archive.headers["content-disposition"].startswith("attachment")
    found = verify_bundle(archive.content, (log_folder(edge.home) / "policy").read_bytes())
    assert found.vouched
    page = file_of(edge, made, "dossier.html")
    policy = page.headers["content-security-policy"]
    assert "sandbox" in policy
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "allow-scripts" not in policy
    assert page.headers["x-content-type-options"] == "nosniff"
    assert file_of(edge, made, "dossier.pdf").content.startswith(b"%PDF")
    folder = edge.home.cache / "dossiers" / job["id"]
    assert folder.stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in (folder / "files").iterdir())


def test_nobody_else_fetches_a_file_and_after_a_day_nobody_does(edge: Edge, case: Case) -> None:
    job = dossier(edge)
    href = job["result"]["files"][0]["href"]
    other = {"Authorization": f"Bearer {edge.service.desk.give_key('other', ['officer'])[1]}"}
    assert edge.client.get(href, headers=other).status_code == 404
    for wrong in ("/../about.json", "/about.json", "/%2e%2e%2fabout.json", "/nothing.html"):
        assert edge.client.get(f"/v1/dossiers/{job['id']}{wrong}", headers=edge.as_("officer")).status_code == 404
    assert edge.client.get(f"/v1/dossiers/{'0' * 24}/dossier.html", headers=edge.as_("officer")).status_code == 404
    assert edge.client.get("/v1/dossiers/..%2f..%2fhome.json/dossier.html", headers=edge.as_("officer")).status_code == 404
    assert edge.client.get(href, headers=edge.as_("officer")).status_code == 200
    case.clock.now += DAY
    assert edge.client.get(href, headers=edge.as_("officer")).status_code == 404
    dossier(edge)
    assert not (edge.home.cache / "dossiers" / job["id"]).exists()


def texts_of(archive: bytes) -> str:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return "\n".join(opened.read(name).decode("utf-8", "replace") for name in opened.namelist())


def test_an_owner_gets_the_own_edition_of_an_own_terminal_and_nothing_else(edge: Edge) -> None:
    job = dossier(edge, "owner", grant=OWNER)
    assert job["state"] == "done", job
    made = job["result"]
    assert made["for"] == "owner"
    archive = texts_of(file_of(edge, made, "dossier.zip", "owner", **OWNER).content)
    for secret in ("71.25", "68.75", *PERSONS.values()):
        assert secret not in archive, secret
    mine = edge.as_("owner", **OWNER)
    for body, status in (
        ({"kind": "terminal", "id": TERMINAL, "for": "operator"}, 403),
        ({"kind": "terminal", "id": TERMINAL, "for": "regulator"}, 403),
        ({"kind": "person", "id": COVERED}, 403),
        ({"kind": "terminal", "id": "car"}, 404),
        ({"kind": "terminal", "id": "nothing"}, 404),
    ):
        assert edge.client.post("/v1/dossiers", json=body, headers=mine).status_code == status, body
    theirs = edge.as_("owner", accounts=["acc-b"])
    assert edge.client.post("/v1/dossiers", json={"kind": "terminal", "id": TERMINAL}, headers=theirs).status_code == 404
    assert "/v1/dossiers" in {each.route for each in edge.service.desk.store.denials() if each.status == 403}


def test_a_regulator_gets_no_other_edition_and_no_other_country(edge: Edge) -> None:
    reader, abroad = edge.as_("regulator", **LAND), edge.as_("regulator", countries=["BE"])
    body = {"kind": "terminal", "id": TERMINAL}
    assert edge.client.post("/v1/dossiers", json=body, headers=abroad).status_code == 404
    assert edge.client.post("/v1/dossiers", json=body | {"for": "operator"}, headers=reader).status_code == 403
    assert edge.client.post("/v1/dossiers", json={"kind": "contact", "id": "x"}, headers=reader).status_code == 403
    assert edge.client.post("/v1/dossiers", json={"kind": "area", "id": "country:BE"}, headers=reader).status_code == 404
    job = dossier(edge, "regulator", kind="area", id_="country:AT", grant=LAND)
    assert job["state"] == "done", job
    assert job["result"]["for"] == "regulator"


def test_whoever_may_not_know_persons_gets_no_dossier_that_names_them(edge: Edge, case: Case) -> None:
    job = dossier(edge, "analyst", kind="change", id_=case.ids["change"])
    assert job["state"] == "failed"
    assert job["problem"]["refusal"] == "names_persons"
    assert not any(name in json.dumps(job) for name in PERSONS.values())
    assert dossier(edge, "analyst", kind="change", id_=case.ids["change"], **{"for": "public"})["state"] == "done"
    named = dossier(edge, "auditor", kind="change", id_=case.ids["change"])
    page = file_of(edge, named["result"], "dossier.html", "auditor")
    assert any(name in page.text for name in PERSONS.values())


def test_a_subject_that_is_none_fails_the_job_with_a_reason(edge: Edge) -> None:
    job = dossier(edge, kind="request", id_="request-none")
    assert job["state"] == "failed"
    assert job["problem"]["status"] in (404, 422)


# --- oversight --------------------------------------------------------------------------------------------------------


def interval(edge: Edge) -> dict[str, str]:
    end = edge.clock.now // DAY * DAY - 4 * DAY
    return {"from": format_instant(end - 20 * DAY), "until": format_instant(end)}


def test_a_public_edition_is_first_made_by_an_officer_and_then_given_to_everybody_who_may_ask(edge: Edge, case: Case) -> None:
    case.clock.now += 10 * DAY
    days = interval(edge)
    reader = edge.as_("regulator", **LAND)
    first = edge.client.post("/v1/oversight", json=days, headers=reader)
    assert (first.status_code, "officer" in first.json()["help"]) == (403, True)
    assert edge.client.post("/v1/oversight", json=days | {"edition": "full"}, headers=reader).status_code == 403
    assert edge.client.post("/v1/oversight", json=days | {"edition": "full"}, headers=edge.as_("analyst")).status_code == 403
    made = edge.done(edge.post("/v1/oversight", days, status=202))
    assert made["state"] == "done", made
    assert made["result"]["log_entry"] is not None
    again = edge.client.post("/v1/oversight", json=days, headers=reader)
    assert again.status_code == 202
    same = edge.done(again.json(), "regulator", **LAND)["result"]
    assert same["figures"] == made["result"]["figures"]
    page = next(each for each in same["files"] if each["name"].endswith(".html"))
    shown = edge.client.get(page["href"], headers=reader)
    assert "sandbox" in shown.headers["content-security-policy"]
    assert edge.client.get(page["href"], headers=edge.as_("officer")).status_code == 404
    later = {"from": days["from"], "until": format_instant(edge.clock.now // DAY * DAY - 5 * DAY)}
    overlap = edge.done(edge.post("/v1/oversight", later, status=202))
    assert overlap["state"] == "failed"
    assert "overlaps" in overlap["problem"]["detail"]


def test_a_full_edition_is_for_those_who_may_know_persons(edge: Edge) -> None:
    until = format_instant(edge.clock.now - 1)
    body = {"from": "2026-03-01T00:00:00Z", "until": until, "edition": "full", "language": "de"}
    made = edge.done(edge.post("/v1/oversight", body, "auditor", status=202), "auditor")
    assert made["state"] == "done", made
    assert made["result"]["edition"] == "full"
    assert edge.post("/v1/oversight", body | {"until": "2026-02-01T00:00:00Z"}, status=422)["help"]


# --- reports ----------------------------------------------------------------------------------------------------------


def test_a_report_is_shown_with_claims_that_point_at_their_characters(edge: Edge, case: Case) -> None:
    (row,) = [each for each in edge.get("/v1/reports", "analyst")["items"] if each["id"] == case.ids["report"]]
    assert row["claims"]["confirmed"] > 0
    shown = edge.get(f"/v1/reports/{row['id']}", "analyst")
    assert shown["title"] == row["title"]
    for claim in shown["statements"]:
        assert shown["text"][claim["start"] : claim["end"]] == claim["text"]
        assert claim["stance"]
    assert {each["role"] for each in shown["spans"]} & {"title", "body"}
    assert edge.get("/v1/reports/report-none", "analyst", status=404)["code"] == "missing"


def test_a_report_is_handed_in_as_a_file_read_apart_and_decided_by_a_person(edge: Edge) -> None:
    page = ARTICLE.replace("Canary headline 79", "Another headline 90").encode()
    size = read_log(log_folder(edge.home)).integrated_size or 0
    where = "/v1/reports?name=..%2Fnews.html&captured_at=2026-03-21T00:00:00Z&source_url=https://news.example/1"
    answer = edge.client.post(where, content=page, headers=edge.as_("analyst"))
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert (made["new"], made["logged"]) == (1, True)
    assert made["suggested"] > 0
    assert (read_log(log_folder(edge.home)).integrated_size or 0) > size
    (row,) = made["reports"]
    assert row["recorded_by"].startswith("key-")
    again = edge.client.post(where, content=page, headers=edge.as_("analyst")).json()
    assert (again["new"], again["logged"]) == (0, None)

    shown = edge.get(f"/v1/reports/{row['id']}", "analyst")
    assert shown["file_name"] == "news.html"
    claim = shown["statements"][0]
    said = edge.post("/v1/propositions", {"sentence": "They have met."}, "analyst")
    verdict = {"verdict": "confirm", "proposition": said["id"], "about": [f"terminal:{TERMINAL}"]}
    decided = edge.post(f"/v1/claims/{claim['id']}/decisions", verdict, "analyst")
    assert (decided["status"], decided["proposition"]) == ("confirmed", said["id"])
    side = edge.get(f"/v1/propositions/{said['id']}", "analyst")
    assert [each["claim"]["id"] for each in side["voices"]] == [claim["id"]]
    assert edge.get("/v1/propositions", "analyst")["items"][0]["claims"] == 1
    rejected = edge.post(f"/v1/claims/{claim['id']}/decisions", {"verdict": "reject"}, "analyst")
    assert rejected["status"] == "rejected"
    by_hand = edge.post(f"/v1/reports/{row['id']}/claims", {"start": 0, "end": 7, "stance": "denies"}, "analyst")
    assert by_hand["text"] == "Another"
    assert edge.post(f"/v1/reports/{row['id']}/claims", {"start": 9_999_999, "end": 0}, "analyst", status=422)["help"]
    linked = edge.post("/v1/reports/links", {"subject": row["id"], "ref": f"terminal:{TERMINAL}"}, "analyst")
    assert linked == {"subject": row["id"], "new": True, "links": [f"terminal:{TERMINAL}"]}
    wrong = edge.post("/v1/reports/links", {"subject": row["id"], "ref": "terminal:none"}, "analyst", status=422)
    assert str(edge.home.path) not in json.dumps(wrong)


@pytest.mark.parametrize("body", [b"", b"PK\x03\x04 not an archive", b"\x00" * 2_000])
def test_a_file_that_cannot_be_read_is_refused_and_kept_nowhere(edge: Edge, body: bytes) -> None:
    before = len(edge.get("/v1/reports", "analyst")["items"])
    answer = edge.client.post("/v1/reports?name=x.bin", content=body, headers=edge.as_("analyst"))
    assert answer.status_code == 422, answer.text
    assert "/tmp" not in answer.text
    assert len(edge.get("/v1/reports", "analyst")["items"]) == before


def test_bodies_are_named_and_persons_are_not_to_a_regulator_in_any_list(edge: Edge, case: Case) -> None:
    pages = [
        f"/v1/requests/{case.ids['request']}", "/v1/requests", "/v1/proposals", f"/v1/proposals/{case.ids['change']}", "/v1/emergencies",
        "/v1/charter", "/v1/screenings", "/v1/refusals",
    ]  # fmt: skip
    told = "\n".join(edge.client.get(each, headers=edge.as_("regulator", **LAND)).text for each in pages)
    assert any(name in told for name in BODIES.values())
    for secret in (*PERSONS.values(), "71.25", "68.75", "canary-kit-77", case.ids["allegation"]):
        assert secret not in told, secret
    analyst = "\n".join(edge.client.get(each, headers=edge.as_("analyst")).text for each in (*pages, "/v1/contacts", "/v1/appeals"))
    assert not any(name in analyst for name in PERSONS.values())
