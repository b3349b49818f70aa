"""A home whose every free field was filled by somebody who means harm: its dossiers hold text, in a browser, on paper and in tables."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from console import groundrule
from governed_home import START, Clock, decided, desk, quick_folder
from governed_world import DAY, HOUR, ident, outcome_value, own_contact, party, request_value, screening_value
from groundrule.evidence.dossier import Dossier, Reader, SubjectKind
from groundrule.evidence.dossier_json import dossier_json
from groundrule.evidence.render.documents import documents
from groundrule.evidence.render.words import visible
from groundrule.govern.signed import format_time
from groundrule.pipeline.appealing import take_appeal
from groundrule.pipeline.dossiers.openings import redacted
from groundrule.pipeline.home import rulebook_of
from groundrule.pipeline.home_ledger import HomeLedger
from groundrule.pipeline.parties import party_record, put_party
from investigated_home import Case
from read_page import Read, read
from sample_dossier import NO_COAST
from small_home import BOOK, RECORDED, drive, make_home, register, table

RUN = "document.documentElement.setAttribute('data-ran','1')"
FIELDS = (
    "terminal", "kit_number", "custodian", "donor", "purpose", "holder", "company", "person", "ask", "basis", "outcome", "rationale",
    "authority", "area name", "area source", "area property", "rule title", "rule basis", "rule requester", "rule message",
    "rule appeal", "headline", "author", "publisher", "body", "file name", "proposition", "appeal",
)  # fmt: skip


def bad(name: str) -> str:
    """A text for a field: a formula, an element, a script, a template and an override of direction, and which field it is."""
    return f"=1+{FIELDS.index(name):02d}\"'><img src=x onerror={RUN}>{{{{7*7}}}}\u202e{name}"


def shown(name: str) -> str:
    """How the text is read: what a report brings was made visible when it was imported, in another form."""
    text = visible(bad(name))
    return text.replace("[U+202E]", "⟨U+202E⟩") if name in ("headline", "author", "publisher", "body", "file name") else text


def quoted(name: str) -> str:
    return '"' + bad(name).replace('"', '""') + '"'


def _book(version: int, speed: int) -> str:
    plain = {
        "Over Aland nothing faster than 75 km/h is served": bad("rule title"),
        "write to appeals@example.org": json.dumps(bad("rule appeal")),
        '{en: "The terminal moves too fast."}': json.dumps({"en": bad("rule message")}),
    }
    text = BOOK.replace("above: 75, release_below: 70, for_s: 30", f"above: {speed}, release_below: {speed - 5}, for_s: 30")
    text = text.replace("version: 1", f"version: {version}")
    head, mark, tail = text.partition("  - id: too-fast")
    for old, new in plain.items():
        tail = tail.replace(old, json.dumps(new) if old.startswith("Over") else new, 1)
    authority = json.dumps({"basis": bad("rule basis"), "requested_by": bad("rule requester"), "illustrative": True})
    return head + mark + tail.replace('{basis: "an order (invented)", illustrative: true}', authority, 1)


@pytest.fixture(scope="module")
def case() -> Case:
    folder = quick_folder()
    home = make_home(folder / "home", book=_book(1, 75))
    geojson = {
        "type": "FeatureCollection",
        "features": [
            {"type": "Feature", "id": "odd", "geometry": {"type": "Polygon", "coordinates": [[[4, 4], [7, 4], [7, 7], [4, 7], [4, 4]]]},
             "properties": {"name": bad("area name"), "source": bad("area source"), "note": bad("area property"), "kind": "zone"}}
        ],
    }  # fmt: skip
    (folder / "areas.geojson").write_text(json.dumps(geojson), encoding="utf-8")
    done = groundrule("areas", "import", folder / "areas.geojson", "--home", home.path, "--json")
    assert done.code == 0, done
    with home.writer(), HomeLedger.create(home, rulebook=rulebook_of(home).digest, clock=Clock(RECORDED)) as ledger:
        ledger.commit()
    terminal = bad("terminal")
    register(home, "accounts", "account_id,party_id,country,state\nacc-x,p-x,AT,active\n")
    register(home, "parties", f"party_id,name,kind\np-x,{quoted('holder')},person\n")
    some = ("kit_number", "custodian", "donor", "purpose")
    register(home, "terminals", f"terminal_id,account_id,plan,programmes,registration,activation_country,{','.join(some)}\n"
             f"{quoted('terminal')},acc-x,roam,,registered,AT,{','.join(map(quoted, some))}\n")  # fmt: skip
    with home.writer():
        decided(home, table(drive(terminal, 0, 12, lat=5.1, lon=5.7, km_h=97)), at_ns=RECORDED)
    case = Case(home, Clock())
    _govern(case)
    _publish(case, folder)
    return case


def _govern(case: Case) -> None:
    home, ids = case.home, case.ids
    with desk(home, case.clock) as office:
        governance = office.governance
        put_party(home, party_record({"kind": "natural_person", "names": [bad("person")]}, party("p1")))
        put_party(home, party_record({"kind": "legal_entity", "names": [bad("company")]}, party("requester")))
        office.genesis()
        times = dict.fromkeys(("received_at", "recorded_at"), format_time(START)) | {"occurred_at": format_time(START - 5 * DAY)}
        asked = [{"op": "serve", "object": "area/odd", "from": None, "until": None, "detail": bad("ask")}]
        basis = {"kind": "court", "reference": bad("basis")}
        request = request_value("case", ask=asked, on_behalf_of=["self"], legal_basis=basis, **times)
        ids["request"] = request["id"]
        governance.request(request)
        governance.screen(screening_value(party("requester"), START))
        change = office.change("replace", "rulebook", _book(2, 90).encode())
        ids["change"] = office.propose(change, requests=[request["id"]], rationale=bad("rationale"))
        office.approve(ids["change"], "p1", "p2", "p3")
        assert governance.enact(ids["change"]).in_force
        case.clock.now += DAY
        at = format_time(case.clock.now // 1_000_000 * 1_000_000)
        governance.request(outcome_value("case", outcome="proposed", outcome_reason=bad("outcome"), at=at))
        told = own_contact("told", "p1", party("requester"), reported_at=at, topics=["other"],
                           disclosed_to=[{"authority": bad("authority"), "at": at}])  # fmt: skip
        governance.contact(told)
        ids["contact"] = ident("contact", "told")
        appeal = take_appeal(home, bad("terminal"), at_ns=None, text=bad("appeal").encode(), name=bad("person"), received_by=party("g1"),
                             channel="letter", now_ns=case.clock.now)  # fmt: skip
        governance.request(appeal.value)
        case.clock.now += HOUR


def _publish(case: Case, folder: Path) -> None:
    """Somebody's page, about the contact and about the area."""
    texts = {name: bad(name).replace("<", "&lt;").replace('"', "&quot;") for name in ("headline", "author", "publisher", "body")}
    page = folder / f"{bad('file name').replace('/', '_')[:90]}.html"
    page.write_text(
        f"""<!doctype html><html lang="en"><head><title>{texts["headline"]}</title><meta name="author" content="{texts["author"]}">
<meta property="og:site_name" content="{texts["publisher"]}"></head><body><article><h1>{texts["headline"]}</h1>
<p>The trading house (invented) has met the spokesman regularly, according to two former employees who said {texts["body"]} and no more.
The meetings began more than a year ago, they said.</p>
<p>The company denied that {texts["body"]} was ever discussed. A further paragraph says nothing of note about anybody at all.</p>
</article></body></html>""",
        encoding="utf-8",
    )
    home = case.home.path
    assert groundrule("report", "import", page, "--home", home, "--captured-at", "2026-03-21T00:00:00Z", "--json").code == 0
    report = groundrule("report", "list", "--home", home, "--json").json["reports"][0]["id"]
    proposition = groundrule("report", "propose", bad("proposition"), "--by", "reader", "--home", home, "--json")
    assert proposition.code == 0, proposition
    made = re.search(r"proposition-[0-9a-f]{32}", json.dumps(proposition.json))
    assert made is not None
    for row in groundrule("report", "claims", report, "--home", home, "--json").json["claims"]:
        done = groundrule("report", "claim", "confirm", row["id"], "--about", f"contact:{case.ids['contact']}", "--proposition", made[0],
                          "--by", "reader", "--home", home, "--json")  # fmt: skip
        assert done.code == 0, done


def dossiers(case: Case) -> Iterator[Dossier]:
    subjects = [(SubjectKind.TERMINAL, bad("terminal")), (SubjectKind.AREA, "odd"), (SubjectKind.PERSON, party("p1")),
                (SubjectKind.CHANGE, case.ids["change"]), (SubjectKind.CONTACT, case.ids["contact"]),
                (SubjectKind.REQUEST, case.ids["request"])]  # fmt: skip
    for kind, subject in subjects:
        yield case.dossier(kind, subject)


@pytest.fixture(scope="module")
def made(case: Case) -> list[tuple[Dossier, dict[str, bytes]]]:
    return [(each, dict(documents(each, outlines=NO_COAST, pdf=False).files)) for each in dossiers(case)]


NEVER = ("area property", "rule message", "appeal", "author", "file name")
"""Fields of which a dossier says nothing."""


def test_each_field_is_somewhere_and_is_text(made: list[tuple[Dossier, dict[str, bytes]]]) -> None:
    pages = [read(files["dossier.html"]) for _, files in made]
    text = re.sub(r"\s+", " ", "".join(each for page in pages for each in page.text))
    assert [name for name in FIELDS if name not in NEVER and shown(name) not in text] == []
    for page in pages:
        assert not {"img", "script", "iframe", "link", "b"} & {tag for tag, _ in page.tags}
        assert not {each for _, some in page.shape for each in some if each.startswith("on") or each in ("src", "srcset", "action")}
        assert {a["href"] for tag, a in page.tags if tag == "a"} <= {f"#{a['id']}" for _, a in page.tags if a.get("id")}
        assert "49" not in [each.strip() for each in page.text], "no template is computed"


def test_tables_hold_them_as_text(made: list[tuple[Dossier, dict[str, bytes]]]) -> None:
    cells = [
        cell
        for _, files in made
        for name in ("statements.csv", "timeline.csv")
        for row in csv.reader(io.StringIO(files[name].decode("utf-8-sig"), newline=""), strict=True)
        for cell in row
    ]
    assert not [each for each in cells if each.lstrip().startswith(("=", "+", "-", "@"))]
    whole = re.sub(r"\s+", " ", " ".join(cells))
    only_on_the_page = {"area name", "area source", "rule title", "person", "company"}
    assert [name for name in FIELDS if name not in (*NEVER, *only_on_the_page) and shown(name) not in whole] == []


def test_json_gives_them_back_as_they_were(made: list[tuple[Dossier, dict[str, bytes]]]) -> None:
    texts = " ".join(_strings(json.loads(b"[" + b",".join(dossier_json(each) for each, _ in made) + b"]")))
    assert [name for name in ("custodian", "ask", "rationale", "outcome", "area name", "rule title") if bad(name) not in texts] == []


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from _strings(each)


@pytest.mark.parametrize("reader", [Reader.OWNER, Reader.PUBLIC])
def test_a_hostile_name_is_withheld_as_any_other(case: Case, reader: Reader) -> None:
    for whole in dossiers(case):
        left, _ = redacted(case.bench(reader), whole)
        text = re.sub(r"\s+", " ", "".join(_read(left).text))
        hidden = ["person", "holder", "custodian", "donor", "purpose", "rule requester", "headline", "publisher", "body"]
        hidden += ["company", "terminal", "kit_number"] if reader is Reader.PUBLIC else []
        assert [name for name in hidden if shown(name) in text] == [], whole.kind


def _read(dossier: Dossier) -> Read:
    return read(documents(dossier, outlines=NO_COAST, pdf=False).files["dossier.html"])
