"""What an oversight report says about requests, officials, appeals, emergencies, reviews, recusals and contacts: counted by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from governed_home import START, Clock, Desk, base_home, decided, desk, quick_folder
from governed_world import DAY, HOUR, contact_value, envelope, ident, outcome_value, own_contact, party, request_value
from groundrule.evidence.oversight import Answer, Edition, Report
from groundrule.govern.signed import format_time
from groundrule.pipeline.appealing import take_appeal
from groundrule.pipeline.dossiers.bench import Bench
from groundrule.pipeline.home import rulebook_of
from groundrule.pipeline.oversight.report import make_report
from groundrule.pipeline.parties import party_record, put_party
from groundrule.store.home import Home
from small_home import RECORDED, drive, table

MINISTER, MINISTRY, TRADER = party("minister"), party("ministry"), party("requester")
FROM, UNTIL = START + 2 * DAY, START + 40 * DAY


def at(instant_ns: int) -> str:
    return format_time(instant_ns // 1_000_000 * 1_000_000)


class Office:
    """Acts at given days."""

    def __init__(self, office: Desk, clock: Clock) -> None:
        self.office, self.clock, self.governance = office, clock, office.governance

    def day(self, number: float) -> None:
        assert START + round(number * DAY) >= self.clock.now
        self.clock.now = START + round(number * DAY)

    def ask(self, name: str, op: str = "serve", *, basis: str = "law", object_: str = "area/closed", **changes: Any) -> str:
        times = dict.fromkeys(("occurred_at", "received_at", "recorded_at"), at(self.clock.now))
        ask = [{"op": op, "object": object_, "from": None, "until": None, "detail": ""}]
        legal = {"kind": basis, "reference": "" if basis == "none_stated" else f"paper {name} (invented)"}
        value = request_value(name, ask=ask, legal_basis=legal, **({"on_behalf_of": ["self"]} | times | changes))
        self.governance.request(value)
        return str(value["id"])

    def answer(self, name: str, outcome: str, **changes: Any) -> None:
        self.governance.request(outcome_value(name, outcome, at=at(self.clock.now), **changes))

    def emergency(self, name: str, **changes: Any) -> str:
        value = {
            "id": ident("emergency", name), "openers": [party("e1"), party("e2")], "condition": "danger_to_life",
            "scope": {"areas": ["closed"], "terminals": [], "ops": ["serve"]}, "direction": "permit_only", "opened_at": at(self.clock.now),
            "ttl_s": 3600, "renewal_of": None, "auto_revert_digest": self.governance.state.policy_digest,
            "review_due": at(self.clock.now + 3 * DAY),
        } | changes  # fmt: skip
        self.governance.emergency_open(envelope("emergency", value, "e1", "e2"))
        return str(value["id"])

    def conclude(self, of: str, verdict: str) -> None:
        value = {
            "id": ident("review", of), "of": of, "reviewers": [party(each) for each in ("v1", "v2", "v3")], "verdict": verdict,
            "findings": "looked at (invented)", "remedy": "", "due": at(self.clock.now + DAY), "actual": at(self.clock.now),
        }  # fmt: skip
        self.governance.review(envelope("review", value, "v1", "v2", "v3"))

    def appeal(self, terminal: str) -> str:
        taken = take_appeal(self.office.home, terminal, at_ns=None, text=b"Why? (invented)", name=None, received_by=party("g1"),
                            channel="letter", now_ns=self.clock.now)  # fmt: skip
        self.governance.request(taken.value)
        return taken.id

    def answer_appeal(self, appeal: str, outcome: str) -> None:
        value = outcome_value("unused", outcome, at=at(self.clock.now)) | {"id": appeal}
        self.governance.request(value)


@pytest.fixture(scope="module")
def home() -> Home:
    made = base_home(quick_folder() / "home")
    with made.writer():
        driven = [*drive("car", 0, 8, lat=5.0, lon=5.0, km_h=97), *drive("guest", 0, 8, lat=6.0, lon=6.0, km_h=97)]
        decided(made, table(driven), at_ns=RECORDED)
    for id_, kind, name in ((MINISTER, "head_of_state_or_government", "Mina Ruler"), (MINISTRY, "government_body", "Ministry of Nets"),
                            (TRADER, "legal_entity", "Steppe Trading")):  # fmt: skip
        put_party(made, party_record({"kind": kind, "names": [f"{name} (invented)"]}, id_))
    clock = Clock(START)
    with desk(made, clock) as opened:
        _story(Office(opened, clock))
    return made


def _story(office: Office) -> None:
    """Forty days; what lies before the second day and after the fortieth does not count."""
    governance, desk_ = office.governance, office.office
    desk_.genesis()
    office.day(1)
    office.ask("early", requester=MINISTRY)  # before the interval
    office.answer("early", "withdrawn")
    office.day(3)
    office.ask("law", requester=MINISTRY)  # 1: an administration asks to serve, by law
    office.ask("deny", "deny", requester=MINISTRY, basis="court")  # 2: and to deny, by a court: against 1
    office.ask("hush", "refrain", requester=MINISTER, basis="none_stated")  # 3: an official asks not to act
    office.ask("trade", requester=TRADER, basis="contract")  # 4: a company
    office.ask("front", requester=TRADER, on_behalf_of=[MINISTER], basis="none_stated")  # 5: a company for an official
    # 6: a company for nobody knows whom
    office.ask("shade", "refrain", requester=TRADER, on_behalf_of=["unknown"], conveyed_by=MINISTRY, basis="none_stated")
    office.day(4)
    office.answer("deny", "refused", conflicts=[ident("request", "law")], priority="the first (invented)")
    office.answer("hush", "refused")
    office.answer("shade", "informally_followed")
    office.answer("front", "withdrawn")
    office.day(5)
    text = rulebook_of(office.office.home).text.replace("version: 1", "version: 2").replace("above: 75", "above: 74")
    change = desk_.propose(desk_.change("replace", "rulebook", text.encode()), requests=[])  # 2 recusals, 1 rejection, 0 enactments
    for person, verdict in (("p1", "approve"), ("p2", "recuse"), ("p3", "recuse"), ("p4", "reject")):
        governance.approve(desk_.approval(change, person, verdict))
    _emergencies(office)
    _appeals(office)
    _contacts(office)
    office.day(45)
    office.ask("late", "refrain", requester=MINISTER)  # after the interval
    office.conclude(ident("emergency", "three"), "partly")  # while its review is overdue, none can be opened
    office.emergency("after")


def _emergencies(office: Office) -> None:
    """Three within 30 days, a fourth later: reviewed in time, late, never, and not yet due."""
    for number, name, area in ((6, "one", "closed"), (7, "two", "sea:AT"), (8, "three", "country:BE")):
        office.day(number)
        opened = office.emergency(name, scope={"areas": [area], "terminals": [], "ops": ["serve"]})
        office.day(number + 0.05)
        assert len(office.governance.due()) == 1
        if name == "one":
            office.day(number + 0.5)
            office.conclude(opened, "upheld")
    office.day(12)
    office.conclude(ident("emergency", "two"), "reversed")  # due on day 10


def _appeals(office: Office) -> None:
    office.day(13)
    refused = office.appeal("car")
    waiting = office.appeal("guest")
    open_ = office.appeal("car")
    office.day(14)
    office.answer_appeal(refused, "refused")
    assert waiting != open_
    office.day(15)
    office.answer_appeal(open_, "corrected")


def _contacts(office: Office) -> None:
    governance = office.governance
    office.day(30)
    now = office.clock.now
    met = {"occurred_from": at(now - HOUR), "occurred_to": at(now - HOUR), "reported_at": at(now)}
    governance.contact(own_contact("own", "p2", TRADER, **met))
    late = {"occurred_from": at(now - 25 * DAY), "occurred_to": at(now - 25 * DAY), "reported_at": at(now)}
    governance.contact(own_contact("late", "p3", MINISTRY, counterparty_kind="government_body",
                                   disclosed_to=[{"authority": "Board (invented)", "at": at(now)}], **late))  # fmt: skip
    governance.contact(contact_value("told", party("p4"), TRADER, **met))


@pytest.fixture(scope="module")
def report(home: Home) -> Report:
    return make_report(Bench.open(home, now_ns=START + 50 * DAY), FROM, UNTIL).report


def answer(report: Report, question: str) -> Answer:
    return next(each for each in report.answers if each.question == question)


def figures(report: Report, question: str) -> Mapping[str, int]:
    return {each.name: each.value for each in answer(report, question).figures}


def rows(report: Report, question: str, name: str) -> list[tuple[Any, ...]]:
    return [row for each in answer(report, question).tables if each.name == name for row in each.rows]


def test_requests_by_officials_and_those_not_to_act(report: Report) -> None:
    found = figures(report, "officials")
    assert found == {
        "by_officials": 4, "not_to_act": 2, "not_to_act_by_officials": 1, "conveyed": 1, "principal_unknown": 1, "followed_informally": 1,
    }  # fmt: skip
    named = sorted((row[0], row[1], row[3], row[4], row[7]) for row in rows(report, "officials", "official_requests"))
    assert named == [
        ("Mina Ruler (invented)", "head_of_state_or_government", "self", "refrain", "refused"),
        ("Ministry of Nets (invented)", "government_body", "self", "deny", "refused"),
        ("Ministry of Nets (invented)", "government_body", "self", "serve", "pending"),
        ("Steppe Trading (invented)", "legal_entity", "Mina Ruler (invented)", "serve", "withdrawn"),
    ]
    assert {each.why for each in answer(report, "officials").gaps} == {"own_jurisdiction", "unrecorded_asks"}


def test_requests_of_administrations_with_basis_and_clock(report: Report) -> None:
    found = figures(report, "administrations")
    assert found == {"requests": 6, "from_administrations": 3, "unanswered": 2, "overdue": 2, "without_basis": 3}
    assert sorted(rows(report, "administrations", "by_basis")) == [
        ("contract", "pending", 1), ("court", "refused", 1), ("law", "pending", 1), ("none_stated", "informally_followed", 1),
        ("none_stated", "refused", 1), ("none_stated", "withdrawn", 1),
    ]  # fmt: skip
    assert len(rows(report, "administrations", "by_administration")) == 3


def test_refused_requests_and_obligations_against_each_other(report: Report) -> None:
    assert figures(report, "refused_requests") == {"refused": 2}
    assert figures(report, "conflicts") == {"recorded_conflicts": 1}
    [row] = rows(report, "conflicts", "priorities")
    assert row[:4] == (ident("request", "deny"), "court", ident("request", "law"), "refused")


def test_complaints_and_what_became_of_them(report: Report) -> None:
    found = figures(report, "complaints")
    assert {name: found[name] for name in ("received", "upheld", "refused", "withdrawn", "unanswered", "overdue")} == {
        "received": 3, "upheld": 1, "refused": 1, "withdrawn": 0, "unanswered": 1, "overdue": 1,
    }  # fmt: skip
    assert sorted(rows(report, "complaints", "by_outcome")) == [("corrected", 1), ("pending", 1), ("refused", 1)]
    assert [round(found[f"answered_in_{which}"] / 86_400) for which in ("median", "p90", "longest")] == [1, 2, 2]


def test_emergencies_their_length_and_their_reviews(report: Report) -> None:
    found = figures(report, "emergencies")
    counted = ("opened", "renewals", "most_in_30_days", "active_at_end", "reviewed_in_time", "reviewed_late", "not_reviewed")
    assert {name: found[name] for name in counted} == {
        "opened": 3, "renewals": 0, "most_in_30_days": 3, "active_at_end": 0, "reviewed_in_time": 1, "reviewed_late": 1, "not_reviewed": 1,
    }  # fmt: skip
    assert rows(report, "emergencies", "by_direction") == [("permit_only", 3)]
    assert rows(report, "emergencies", "verdicts") == [("reversed", 1), ("upheld", 1)]
    assert {found["lasted_median"], found["lasted_longest"]} <= {3599, 3600}, "an hour from the signature, in the log a moment later"


def test_what_was_overdue_at_the_end(report: Report) -> None:
    found = figures(report, "overdue")
    assert {name: found[name] for name in ("reviews", "requests", "appeals")} == {"reviews": 2, "requests": 2, "appeals": 1}
    # A contact that was told too late is looked into, as an emergency is.
    assert {row[0] for row in rows(report, "overdue", "overdue_reviews")} == {ident("emergency", "three"), ident("contact", "late")}
    assert len(rows(report, "overdue", "overdue_requests")) == 3


def test_recusals_and_other_verdicts(report: Report) -> None:
    assert rows(report, "changes", "verdicts") == [("approve", 1), ("recuse", 2), ("reject", 1)]
    found = figures(report, "changes")
    assert (found["proposed"], found["enacted"]) == (1, 0)


def test_contacts_in_time_late_and_only_alleged(report: Report) -> None:
    found = figures(report, "contacts")
    counted = ("registered", "alleged", "disputed", "with_officials", "told_an_authority", "late")
    assert {name: found[name] for name in counted} == {
        "registered": 3, "alleged": 1, "disputed": 0, "with_officials": 1, "told_an_authority": 1, "late": 1,
    }  # fmt: skip


def test_an_interval_before_and_one_after_have_the_rest(home: Home) -> None:
    bench = Bench.open(home, now_ns=START + 50 * DAY)
    before = make_report(bench, START, FROM).report
    assert figures(before, "officials")["by_officials"] == 1
    assert figures(before, "emergencies")["opened"] == 0
    after = make_report(bench, UNTIL, START + 49 * DAY).report
    assert figures(after, "officials")["not_to_act_by_officials"] == 1
    assert figures(after, "emergencies")["opened"] == 1
    whole = make_report(bench, START, START + 49 * DAY).report
    assert figures(whole, "administrations")["requests"] == 8
    assert whole.edition is Edition.FULL
    assert json.dumps(figures(whole, "officials")) != json.dumps(figures(before, "officials"))
