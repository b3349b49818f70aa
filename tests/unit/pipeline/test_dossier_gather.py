"""What is gathered for a subject, and what is not; what is said first, found, and not known."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from governed_home import Desk, base_home, decided, desk
from governed_world import DAY, envelope, ident, outcome_value, own_contact, party, request_value
from groundrule.errors import ConflictError, InputError
from groundrule.evidence.dossier import Dossier, Reader, Standing, SubjectKind, section_order
from groundrule.govern.signed import format_time
from groundrule.pipeline.dossiers.acts import acts
from groundrule.pipeline.dossiers.compose import compose
from groundrule.pipeline.dossiers.gather import gather
from groundrule.pipeline.home import rulebook_of
from groundrule.pipeline.parties import party_record, put_party
from groundrule.store.home import Home
from investigated_home import COVERED, MINISTRY, TERMINAL, TRADER, Case, make_case
from small_home import RECORDED, copy_home, drive, make_home, table

A = SubjectKind


@pytest.fixture(scope="module")
def first() -> Case:
    return make_case(report=False)


@pytest.fixture(scope="module")
def case(first: Case) -> Case:
    """The case goes on: another change that nobody asked for, a second request, a dispute, a review, a refused act, an emergency's end."""
    home = copy_home(first.home, first.home.path.parent / "more")
    case = Case(home, first.clock, dict(first.ids))
    case.clock.now += DAY
    with desk(home, case.clock) as office:
        office.nonces = itertools.count(100)
        _more(case, office)
    return case


def now_of(case: Case) -> str:
    return format_time(case.clock.now // 1_000_000 * 1_000_000)


def _more(case: Case, office: Desk) -> None:
    home, governance, ids = office.home, office.governance, case.ids
    governance.due()  # the emergency is over
    other = request_value("other", requester=party("stranger"), on_behalf_of=["unknown"], ask=[
        {"op": "deny", "object": "area/elsewhere", "from": None, "until": None, "detail": ""}],
        **dict.fromkeys(("occurred_at", "received_at", "recorded_at"), now_of(case)))  # fmt: skip
    ids["other"] = other["id"]
    governance.request(other)
    governance.request(outcome_value("other", outcome="informally_followed", outcome_reason="by word (invented)", at=now_of(case)))
    text = rulebook_of(home).text.replace("version: 2", "version: 3").replace("above: 89.5, release_below: 84.5", "above: 60")
    ids["unasked"] = office.propose(office.change("replace", "rulebook", text.encode()), rationale="of ourselves (invented)")
    governance.approve(office.approval(ids["unasked"], "p2", "reject"))
    governance.approve(office.approval(ids["unasked"], "p3", "recuse"))
    with pytest.raises(ConflictError):
        governance.approve(office.approval(ids["unasked"], "p4", signer="p5"))
    month_ago = format_time(case.clock.now // DAY * DAY - 30 * DAY)
    governance.contact({"covered_person": party("owner"), "from": month_ago, "until": now_of(case)})
    late = own_contact("late", "p3", party("friend"), occurred_from=format_time(case.clock.now // DAY * DAY - 60 * DAY),
                       occurred_to=format_time(case.clock.now // DAY * DAY - 60 * DAY), reported_at=now_of(case))  # fmt: skip
    governance.contact(late)
    ids["late"] = ident("contact", "late")
    logged = governance.state.contacts[ids["allegation"]].contact
    said_by = {"status": "disputed", "by": logged.covered_person, "review": None, "evidence": [], "at": now_of(case)}
    dispute = {"id": ids["allegation"], **said_by}
    governance.contact_update(envelope("contact-update", dispute, "p1"))


def keys(made: Dossier) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for each in made.statements:
        found.setdefault(each.phrase.key, []).append(each)
    return found


def made(case: Case, kind: SubjectKind, subject: str) -> Dossier:
    return compose(case.bench(), kind, subject)


def gathered(case: Case, kind: SubjectKind, subject: str, reader: Reader = Reader.OPERATOR) -> Any:
    bench = case.bench(reader)
    return gather(bench, acts(bench), kind, subject)


# --- closures ---------------------------------------------------------------------------------------------------------


def test_a_change_brings_its_requests_screenings_verdicts_and_contacts_and_no_other_change(case: Case) -> None:
    found = gathered(case, A.CHANGE, case.ids["change"])
    assert found.proposals == {case.ids["change"]}
    assert found.requests == {case.ids["request"]}
    assert found.contacts == {case.ids["told"], case.ids["allegation"]}
    kinds = {act.kind for act in found.acts}
    assert kinds >= {"request", "outcome", "screening", "proposal", "approval", "enactment", "contact", "contact_update"}
    assert "emergency" not in kinds
    assert case.ids["other"] not in {act.id for act in found.acts}


def test_a_request_brings_the_change_that_answers_it(case: Case) -> None:
    assert gathered(case, A.REQUEST, case.ids["request"]).proposals == {case.ids["change"]}
    other = gathered(case, A.REQUEST, case.ids["other"])
    assert (other.proposals, other.contacts) == (frozenset(), frozenset())
    assert other.requests == {case.ids["other"]}


def test_an_area_brings_what_names_it_and_not_its_neighbour(case: Case) -> None:
    found = gathered(case, A.AREA, "closed")
    assert found.requests == {case.ids["request"]}
    assert {act.kind for act in found.acts} >= {"emergency", "emergency_close"}
    assert gathered(case, A.AREA, "elsewhere").requests == {case.ids["other"]}
    assert gathered(case, A.AREA, "clos").acts == ()


def test_a_terminal_brings_requests_and_emergencies_that_name_it(case: Case) -> None:
    found = gathered(case, A.TERMINAL, TERMINAL)
    assert found.requests == {case.ids["request"]}
    assert "emergency" in {act.kind for act in found.acts}
    assert gathered(case, A.TERMINAL, "another").acts == ()


def test_a_person_brings_every_own_act_but_not_what_others_did_elsewhere(case: Case) -> None:
    found = gathered(case, A.PERSON, party("p2"))
    assert found.contacts >= {case.ids["told"]}
    assert case.ids["late"] not in found.contacts
    assert found.proposals >= {case.ids["change"], case.ids["unasked"]}
    assert case.ids["other"] not in found.requests
    opener = gathered(case, A.PERSON, party("e1"))
    assert {act.kind for act in opener.acts} >= {"emergency"}
    assert opener.proposals == frozenset()
    nil = gathered(case, A.PERSON, party("owner"))
    assert {act.kind for act in nil.acts} == {"nil_return"}


def test_a_contact_brings_what_its_person_decided_meanwhile(case: Case) -> None:
    found = gathered(case, A.CONTACT, case.ids["told"])
    assert case.ids["change"] in {of for _, _, _, of, _ in found.meanwhile}
    assert case.ids["change"] in found.proposals
    assert any(touches for _, _, _, of, touches in found.meanwhile if of == case.ids["change"])


def test_along_an_allegation_nothing_is_gathered_for_whom_it_is_not_told(case: Case) -> None:
    whole, closed = (gathered(case, A.PERSON, TRADER, reader) for reader in (Reader.OPERATOR, Reader.PUBLIC))
    assert case.ids["allegation"] in {each[0] for each in whole.meanwhile}
    assert case.ids["allegation"] not in {each[0] for each in closed.meanwhile}


def test_ids_may_be_cut_short_and_are_never_guessed(case: Case) -> None:
    change = case.ids["change"]
    assert made(case, A.CHANGE, change[:10]).id == change
    assert made(case, A.PERSON, "Canary Trading House (invented)").id == TRADER
    for kind, given in ((A.CHANGE, "ffffff"), (A.CHANGE, change[:3]), (A.REQUEST, "request-"), (A.CONTACT, ""), (A.PERSON, "nobody"),
                        (A.CASE, "x"), (A.TERMINAL, "unknown terminal")):  # fmt: skip
        with pytest.raises(InputError):
            made(case, kind, given)


# --- what is said -----------------------------------------------------------------------------------------------------


def test_sections_come_in_one_order_and_statements_are_numbered(case: Case) -> None:
    for kind, subject in case.subjects:
        found = made(case, kind, subject)
        places = [section_order(kind).index(section.key) for section in found.sections]
        assert places == sorted(set(places))
        assert [each.id for each in found.statements] == [f"s{n}" for n in range(1, len(found.statements) + 1)]
        assert all(each.sources or each.standing is Standing.UNKNOWN for each in found.statements)
        known = {each.id for each in found.statements}
        assert all(statement in known for one in found.parties for _, statement in one.parts)
        assert "unknown" in {section.key for section in found.sections}


def test_the_summary_says_who_asked_through_whom_and_who_decided(case: Case) -> None:
    summary = made(case, A.CHANGE, case.ids["change"]).summary
    said = [each.phrase.key for each in summary]
    assert said.index("sum_request") < said.index("sum_proposed") < said.index("sum_enacted")
    by_key = {each.phrase.key: each.phrase.values for each in summary}
    assert by_key["sum_request"]["who"] == TRADER
    assert by_key["request_conveyed"]["by"] == MINISTRY
    assert sum(key == "sum_approve_stated" for key in said) == 3
    assert said[-2:] == ["sum_claim", "sum_unknown"]
    claims = sum(each.standing is Standing.CLAIM for each in made(case, A.CHANGE, case.ids["change"]).statements)
    assert by_key["sum_claim"]["number"] == claims


def test_what_an_outsider_tells_is_a_claim_and_what_the_person_signed_is_not(case: Case) -> None:
    found = keys(made(case, A.CHANGE, case.ids["change"]))
    assert {each.standing for each in found["contact_basis_press"]} == {Standing.CLAIM}
    assert {each.standing for each in found["contact_self_reported"]} == {Standing.RECORDED}
    roles = {role for one in made(case, A.CHANGE, case.ids["change"]).parties if one.ref == COVERED for role, _ in one.parts}
    assert roles >= {"approved", "covered_alleged"}, "the commitment of the log is opened for the operator"


def test_a_statement_of_no_conflict_beside_a_contact_is_a_contradiction(case: Case) -> None:
    found = keys(made(case, A.CHANGE, case.ids["change"]))
    [against] = found["statement_against_contact"]
    assert against.phrase.values["contact"] == case.ids["told"]
    assert "contradiction" in against.flags
    [claimed] = found["statement_against_claim"]
    assert claimed.phrase.values["contact"] == case.ids["allegation"]
    assert claimed.flags == (), "what somebody alleges contradicts nothing"
    assert str(claimed.phrase.values["signed"]) < str(claimed.phrase.values["recorded"])
    assert all(each.standing is Standing.INFERENCE for each in (against, claimed))


def test_a_dispute_is_a_contradiction_that_the_records_do_not_settle(case: Case) -> None:
    found = keys(made(case, A.CONTACT, case.ids["allegation"]))
    assert found["contact_disputed"]
    assert "contradiction" in found["contact_stands_disputed"][0].flags
    of = {source.ref for source in found["contact_basis_press"][0].sources}
    [status] = [each for each in made(case, A.CONTACT, case.ids["allegation"]).summary
                if each.phrase.key == "sum_allegation_status" and {source.ref for source in each.sources} == of]  # fmt: skip
    assert status.phrase.values["status"] == "code:status_disputed"


def test_a_late_contact_is_said_to_be_late_with_its_days(case: Case) -> None:
    [late] = [each for each in keys(made(case, A.CONTACT, case.ids["late"]))["contact_late"] if case.ids["late"] in each.about]
    assert late.phrase.values["days"] in (60, 61)
    assert late.flags == ("late",)
    assert late.standing is Standing.INFERENCE
    assert "decided_meanwhile" in keys(made(case, A.CONTACT, case.ids["late"]))


def test_delays_silence_and_missing_screenings_are_found(case: Case) -> None:
    found = keys(made(case, A.CHANGE, case.ids["change"]))
    [answered] = found["told_and_answered"]
    assert answered.phrase.values["days"] == 1
    assert found["request_slow"][0].phrase.values["hours"] == 5 * 24
    silent = {each.phrase.values["who"] for each in found["said_nothing"]}
    assert silent == {party("p4"), party("p5")}
    assert not found.get("never_screened")
    other = keys(made(case, A.REQUEST, case.ids["other"]))
    assert [each.phrase.values["who"] for each in other["never_screened"]] == [party("stranger")]
    assert other["request_informal"][0].flags == ("no_enactment",)
    assert other["request_behalf_unknown"][0].standing is Standing.UNKNOWN


def test_a_change_that_is_not_in_force_says_why(case: Case) -> None:
    found = made(case, A.CHANGE, case.ids["unasked"])
    by_key = keys(found)
    assert by_key["not_enacted_because"]
    assert by_key["approval_reject"][0].phrase.values["who"] == party("p2")
    assert by_key["approval_recuse"][0].phrase.values["who"] == party("p3")
    assert {"sum_not_enacted", "unknown_requester"} <= {each.phrase.key for each in found.summary}
    assert by_key["unknown_requester"]


def test_an_emergency_is_told_with_its_scope_and_its_end(case: Case) -> None:
    found = keys(made(case, A.AREA, "closed"))
    [opened] = found["emergency_opened"]
    assert opened.phrase.values["scope"] == f"closed, terminal/{TERMINAL}"
    assert found["emergency_closed"][0].phrase.values["end"] == "code:end_expired"


def test_a_terminal_is_told_with_answers_reasons_rules_track_and_receipts(case: Case) -> None:
    found = made(case, A.TERMINAL, TERMINAL)
    assert {row.outcome for row in found.decisions} >= {"deny"}
    assert sum(row.count for row in found.decisions) == 20 == len(found.track)
    by_key = keys(found)
    assert by_key["why_answer"]
    assert by_key["why_relief"]
    assert any("70" in rule.text or "68.75" in rule.text for rule in found.rules)
    assert by_key["unknown_measured"]
    gap = by_key["nothing_observed"][0]
    assert gap.phrase.values["hours"] >= 3
    assert gap.flags == ("gap",)
    early = compose(case.bench(), A.TERMINAL, TERMINAL, as_of_ns=found.decisions[0].last_ns)
    assert len(early.track) < len(found.track)
    assert early.as_of_ns == found.decisions[0].last_ns


def test_entries_without_effect_are_said_where_they_belong(case: Case) -> None:
    every = acts(case.bench())
    kinds = {act.kind for act in every}
    assert kinds >= {"charter", "request", "outcome", "screening", "proposal", "approval", "enactment", "contact", "contact_update",
                     "nil_return", "emergency", "emergency_close", "rejection"}  # fmt: skip
    assert [act.index for act in every] == sorted(act.index for act in every)
    assert len({(act.index, act.kind) for act in every}) == len(every)
    logged = {entry.index for entry in case.bench().state.entries if entry.kind not in ("manifest", "snapshot-published")}
    assert {act.index for act in every} >= logged - {entry.index for entry in case.bench().state.entries if entry.kind == "key-event"}


# --- homes that hold less ---------------------------------------------------------------------------------------------


def test_a_home_without_a_log_says_that_nothing_can_be_proved(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    case = Case(home, None)  # type: ignore[arg-type]  # the clock is not asked
    found = compose(case.bench(now_ns=1), A.TERMINAL, "car")
    said = keys(found)
    assert said["unknown_no_log"]
    assert found.log.origin == ""
    assert found.summary[0].phrase.key == "sum_no_decision"
    assert said["no_decision"]
    assert said["terminal_registered"]
    area = keys(compose(case.bench(now_ns=1), A.AREA, "closed"))
    assert set(area) == {"unknown_no_log", "unknown_unrecorded"}
    for kind in (A.CHANGE, A.REQUEST, A.CONTACT, A.PERSON):
        with pytest.raises(InputError, match="no "):
            compose(case.bench(now_ns=1), kind, "anything")


def test_an_empty_home_knows_nothing_of_a_terminal(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", registers=False)
    with pytest.raises(InputError, match="nothing is known"):
        compose(Case(home, None).bench(now_ns=1), A.TERMINAL, "car")  # type: ignore[arg-type]  # the clock is not asked


def test_a_home_with_a_log_and_no_charter(first: Case, tmp_path: Path) -> None:
    home = base_home(tmp_path / "home")
    with home.writer():
        decided(home, table(drive("car", 0, 12, lat=5, lon=5, km_h=97)), at_ns=RECORDED)
    found = compose(Case(home, first.clock).bench(), A.TERMINAL, "car")
    said = keys(found)
    assert said["unknown_rule_origin"], "who asked for the rule is not known where nobody governs"
    assert said["unknown_requester"]
    assert found.log.size > 0
    assert "unknown_no_log" not in said


def test_names_come_from_the_register_or_the_charter_or_are_unknown(case: Case) -> None:
    found = {one.ref: one for one in made(case, A.REQUEST, case.ids["other"]).parties}
    assert found[party("stranger")].name == ""
    assert keys(made(case, A.REQUEST, case.ids["other"]))["unknown_name"][0].phrase.values["who"] == party("stranger")
    home: Home = case.home
    with home.writer():
        put_party(home, party_record({"kind": "legal_entity", "names": ["Stranger (invented)"]}, party("stranger")))
    found = {one.ref: one for one in made(case, A.REQUEST, case.ids["other"]).parties}
    assert found[party("stranger")].name == "Stranger (invented)"
