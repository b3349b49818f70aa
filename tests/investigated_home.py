"""A home in which something happened: registers, answers, a request, a change, contacts, an emergency, an appeal and a report.

Every private field holds a canary: a text that occurs nowhere else, so that a test can look for it in what a reader gets.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from console import groundrule
from governed_home import OTHER_BOOK, START, Clock, Desk, base_home, decided, desk, quick_folder
from governed_world import (
    DAY,
    HOUR,
    contact_value,
    envelope,
    ident,
    outcome_value,
    own_contact,
    party,
    request_value,
    screening_value,
)
from groundrule.evidence.dossier import Dossier, Reader, SubjectKind
from groundrule.govern.contacts import public_form
from groundrule.govern.objects import Contact
from groundrule.govern.signed import COMMITTED, format_time
from groundrule.pipeline.appealing import take_appeal
from groundrule.pipeline.dossiers.bench import Bench
from groundrule.pipeline.dossiers.compose import compose
from groundrule.pipeline.parties import commit_parties, commit_terminals, party_record, put_party
from groundrule.store.home import Home
from small_home import BOOK, RECORDED, drive, register, table

COVERED, TRADER, AGENT, PAPER, MINISTRY, OWNER = (party(name) for name in ("p1", "requester", "principal", "paper", "ministry", "client"))
TERMINAL, ACCOUNT = "canary-craft-71", "canary-account-72"
PERSONS = {
    party(name): f"Canaria Surname{name.capitalize()} (invented)"
    for name in ("p1", "p2", "p3", "p4", "p5", "g1", "author", "e1", "e2", "v1", "v2", "v3", "client")
}
BODIES = {TRADER: "Canary Trading House (invented)", AGENT: "Canary Brokers (invented)", PAPER: "Canary Courier (invented)"}
STATE = "Ministry of Canaries (invented)"
LIMIT_BOOK = BOOK.replace("above: 75, release_below: 70, for_s: 30", "above: 71.25, release_below: 68.75, for_s: 30").replace(
    'authority: {basis: "an order (invented)", illustrative: true}\n    message: {en: "The terminal moves too fast."}',
    'authority: {basis: "an order (invented)", requested_by: "canary office 73 (invented)", illustrative: true}\n'
    '    message: {en: "The terminal moves too fast."}',
)
REGISTERED = {"custodian": "canary custodian 74", "donor": "canary donor 75", "purpose": "canary purpose 76", "kit_number": "canary-kit-77"}
HOLDER = "canary holder 78"
CLIENT = "Canaria Client82 (invented)"
LAT, LON = 5.1234567, 5.7654321
ARTICLE = """<!doctype html><html lang="en"><head><title>Canary headline 79 (invented)</title>
<meta property="og:site_name" content="The Canary Gazette 80 (invented)"></head><body><article><h1>Canary headline 79 (invented)</h1>
<p>Canary spokesman 81 (invented) has met the owners of the trading house regularly, according to two former employees of the company.
The meetings began more than a year ago, they said.</p>
<p>The company denied that service was ever discussed. A further paragraph says nothing of note about anybody at all.</p>
</article></body></html>"""
REPORT_WORDS = ("Canary headline 79", "The Canary Gazette 80", "Canary spokesman 81")


@dataclass
class Case:
    """The home, and ids of what happened in it."""

    home: Home
    clock: Clock
    ids: dict[str, str] = field(default_factory=dict)

    def bench(self, reader: Reader = Reader.OPERATOR, *, now_ns: int = 0) -> Bench:
        return Bench.open(self.home, now_ns=now_ns or self.clock.now, reader=reader)

    def dossier(self, kind: SubjectKind, subject: str, reader: Reader = Reader.OPERATOR) -> Dossier:
        return compose(self.bench(reader), kind, subject)

    @property
    def subjects(self) -> list[tuple[SubjectKind, str]]:
        """One subject of each kind, and more of those that tell most."""
        alleged = [(SubjectKind.CONTACT, self.ids["allegation"])] if "allegation" in self.ids else []
        return [
            (SubjectKind.TERMINAL, TERMINAL), (SubjectKind.AREA, "closed"), (SubjectKind.CHANGE, self.ids["change"]),
            (SubjectKind.PERSON, COVERED), (SubjectKind.PERSON, TRADER), (SubjectKind.PERSON, MINISTRY),
            *alleged, (SubjectKind.CONTACT, self.ids["told"]), (SubjectKind.REQUEST, self.ids["request"]),
        ]  # fmt: skip


def make_case(folder: Path | None = None, *, report: bool = True, alleged: bool = True) -> Case:
    """Let it happen; some seconds. Where nothing is alleged, all else is the same."""
    home = base_home((folder or quick_folder()) / "home", book=LIMIT_BOOK)
    register(home, "accounts", f"account_id,party_id,country,state\n{ACCOUNT},canary-register-party,AT,active\n")
    register(home, "terminals", "terminal_id,account_id,plan,programmes,registration,activation_country," + ",".join(REGISTERED) + "\n"
             f"{TERMINAL},{ACCOUNT},roam,,registered,AT," + ",".join(REGISTERED.values()) + "\n")  # fmt: skip
    register(home, "parties", f"party_id,name,kind\ncanary-register-party,{HOLDER},person\n")
    with home.writer():
        decided(home, table(drive(TERMINAL, 0, 12, lat=LAT, lon=LON, km_h=97)), at_ns=RECORDED)
    case = Case(home, Clock())
    with desk(home, case.clock) as office:
        _acts(case, office, alleged=alleged)
        case.clock.now += HOUR
    with home.writer():
        decided(home, table(drive(TERMINAL, 8 * 3600, 8, lat=LAT, lon=LON, km_h=83)), at_ns=case.clock.now)
    if report:
        _report(case, home.path.parent)
    return case


def _acts(case: Case, office: Desk, *, alleged: bool) -> None:
    home, governance, ids = office.home, office.governance, case.ids
    for id_, name in (*PERSONS.items(), *BODIES.items()):
        kind = "natural_person" if id_ in PERSONS else "legal_entity"
        put_party(home, party_record({"kind": kind, "names": [name]}, id_))
    put_party(home, party_record({"kind": "government_body", "names": [STATE]}, MINISTRY))
    office.genesis()
    times = dict.fromkeys(("received_at", "recorded_at"), format_time(START)) | {"occurred_at": format_time(START - 5 * DAY)}
    ask = [{"op": "serve", "object": f"terminal/{TERMINAL}", "from": None, "until": None, "detail": "whatever its speed"},
           {"op": "serve", "object": "area/closed", "from": None, "until": None, "detail": ""}]  # fmt: skip
    request = request_value("case", ask=ask, conveyed_by=MINISTRY, **times)
    ids["request"] = request["id"]
    governance.request(request)
    for subject in (TRADER, AGENT, MINISTRY):
        governance.screen(screening_value(subject, START))
    change = office.change("replace", "rulebook", _other(LIMIT_BOOK).encode())
    ids["change"] = office.propose(change, requests=[request["id"]], beneficiaries=[TRADER], rationale="they asked (invented)")
    office.approve(ids["change"], "p1", "p2")
    governance.approve(office.approval(ids["change"], "p3"))
    assert governance.enact(ids["change"]).in_force
    case.clock.now += DAY
    at = format_time(case.clock.now // 1_000_000 * 1_000_000)
    governance.request(outcome_value("case", outcome="proposed", outcome_reason="enacted (invented)", at=at))
    told = own_contact("told", "p2", TRADER, occurred_from=format_time(START - 9 * DAY), occurred_to=format_time(START - 9 * DAY),
                       reported_at=at, topics=["pricing"])  # fmt: skip
    governance.contact(told)
    ids["told"] = ident("contact", "told")
    if alleged:
        _allege(case, office, at)
    now = case.clock.now // 1_000_000 * 1_000_000
    committed = commit_terminals(home, [TERMINAL])[TERMINAL]
    governance.state.openings[committed] = f"terminal/{TERMINAL}"
    emergency = {
        "id": ident("emergency", "case"), "openers": [party("e1"), party("e2")], "condition": "danger_to_life",
        "scope": {"areas": ["closed"], "terminals": [committed], "ops": ["serve"]}, "direction": "permit_only",
        "opened_at": format_time(now), "ttl_s": 3600, "renewal_of": None,
        "auto_revert_digest": governance.state.policy_digest, "review_due": format_time(now + 3 * DAY),
    }  # fmt: skip
    governance.emergency_open(envelope("emergency", emergency, "e1", "e2"))
    ids["emergency"] = emergency["id"]
    appeal = take_appeal(home, TERMINAL, at_ns=None, text=b"Why? (invented)", name=CLIENT, received_by=party("g1"), channel="letter",
                         now_ns=case.clock.now)  # fmt: skip
    governance.request(appeal.value)
    ids["appeal"] = appeal.id


def _allege(case: Case, office: Desk, at: str) -> None:
    home, governance = office.home, office.governance
    alleged = Contact.parse(
        contact_value("alleged", COVERED, TRADER, reported_by=PAPER, basis="press", occurred_from=format_time(START - 90 * DAY),
                      occurred_to=None, pattern="regular", reported_at=at, topics=["areas"])
    )  # fmt: skip
    salts = commit_parties(home, sorted({COVERED, TRADER, PAPER}))
    public = public_form(alleged, salts)
    pairs = ((public.covered_person, COVERED), (public.counterparty, TRADER), (public.reported_by, PAPER))
    governance.state.openings.update({made: id_ for made, id_ in pairs if made.startswith(COMMITTED)})
    governance.contact(public.value)
    case.ids["allegation"] = alleged.id


def _other(book: str) -> str:
    return book.replace("version: 1", "version: 2").replace("above: 71.25, release_below: 68.75", "above: 89.5, release_below: 84.5")


def _report(case: Case, folder: Path) -> None:
    """A newspaper page about the contact, and a claim that a person confirmed."""
    page = folder / "page.html"
    page.write_text(ARTICLE, encoding="utf-8")
    imported = groundrule("report", "import", page, "--home", case.home.path, "--captured-at", "2026-03-21T00:00:00Z", "--json")
    assert imported.code == 0, imported
    report = groundrule("report", "list", "--home", case.home.path, "--json").json["reports"][0]["id"]
    rows = groundrule("report", "claims", report, "--home", case.home.path, "--json").json["claims"]
    assert rows
    for row in rows:
        done = groundrule("report", "claim", "confirm", row["id"], "--about", f"contact:{case.ids['allegation']}", "--about",
                          f"terminal:{TERMINAL}", "--by", "reader", "--home", case.home.path, "--json")  # fmt: skip
        assert done.code == 0, done
    case.ids["report"] = report


__all__ = ["OTHER_BOOK", "Case", "make_case"]
