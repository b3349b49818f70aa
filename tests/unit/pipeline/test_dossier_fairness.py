"""Nobody is accused by how a dossier is made: by what is told of one alone, by a gap in a list, by a word or by a row out of place."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from typing import Any

import pytest

from groundrule.evidence.dossier import (
    Dossier,
    Phrase,
    Reader,
    Section,
    Source,
    Standing,
    Statement,
    SubjectKind,
    Value,
)
from groundrule.evidence.dossier_json import dossier_json
from groundrule.evidence.redact import redact
from groundrule.evidence.render.page import page_html
from groundrule.evidence.render.page_parts import happened_at
from groundrule.evidence.render.tables import read_me, statements_csv, timeline_csv
from groundrule.evidence.render.timeline_svg import LATER, _events
from groundrule.evidence.render.words import LANGUAGES, names_in, words
from groundrule.instant import parse_instant
from groundrule.pipeline.dossiers.compose import compose
from groundrule.pipeline.dossiers.openings import redacted
from groundrule.pipeline.dossiers.seal import prove
from investigated_home import COVERED, TERMINAL, Case, make_case
from sample_dossier import NO_COAST

A = SubjectKind
CLOSED = (Reader.OWNER, Reader.PUBLIC)


@pytest.fixture(scope="module")
def case() -> Case:
    return make_case()


@pytest.fixture(scope="module")
def clean() -> Case:
    """The same home, in which nothing is alleged and no report was imported."""
    return make_case(report=False, alleged=False)


@pytest.fixture(scope="module")
def terminal(case: Case) -> Dossier:
    return case.dossier(A.TERMINAL, TERMINAL)


def closed(case: Case, kind: SubjectKind, subject: str, reader: Reader) -> Dossier:
    bench = case.bench(reader)
    return redacted(bench, compose(bench, kind, subject))[0]


def told(made: Dossier) -> list[Any]:
    """What a dossier says, line by line, with whom each line is about as that reader knows them."""
    names = names_in(made)
    return [
        (each.phrase.key, each.phrase.values.get("who") and names.get(str(each.phrase.values["who"])))
        for each in (*made.summary, *made.statements)
    ]


@pytest.mark.parametrize("reader", CLOSED)
@pytest.mark.parametrize("kind", [A.TERMINAL, A.CHANGE, A.REQUEST, A.AREA])
def test_where_something_is_alleged_owner_and_public_read_the_same_lines_as_where_nothing_is(
    case: Case, clean: Case, kind: SubjectKind, reader: Reader
) -> None:
    """Composed apart, of two homes: so a line that one person alone would get is seen, whatever it says and rests on."""
    subject = {A.TERMINAL: TERMINAL, A.CHANGE: "change", A.REQUEST: "request", A.AREA: "closed"}[kind]
    some, none = (told(closed(each, kind, each.ids.get(subject, subject), reader)) for each in (case, clean))
    assert some == none


@pytest.mark.parametrize("reader", CLOSED)
def test_what_an_approver_stated_about_contacts_is_told_of_nobody(case: Case, reader: Reader) -> None:
    made = closed(case, A.CHANGE, case.ids["change"], reader)
    keys = [each.phrase.key for each in (*made.summary, *made.statements)]
    assert not {"approval_no_conflict", "approval_conflict", "sum_approve_stated", "contact_own_word"} & set(keys)
    assert keys.count("sum_approve") == 3


def test_the_operator_reads_of_everybody_alike_and_of_the_accused_beside_the_accusation(case: Case) -> None:
    summary = [each.phrase for each in case.dossier(A.CHANGE, case.ids["change"]).summary]
    assert len({each.values["who"] for each in summary if each.key == "sum_approve_stated"}) == 3
    [own] = [each for each in summary if each.key == "contact_own_word"]
    assert own.values["who"] == COVERED


def test_an_allegation_presupposes_nothing(case: Case) -> None:
    made = case.dossier(A.CONTACT, case.ids["allegation"])
    names = names_in(made)
    keys = {each.phrase.key: each for each in made.statements if case.ids["allegation"] in each.about}
    assert not {"contact_recorded", "contact_late", "contact_late_hours", "contact_late_unknown", "decided_meanwhile"} & keys.keys()
    late = keys["contact_late_if"]
    assert late.flags == ("alleged_late",)
    assert words("en").say(late.phrase, names).startswith("If it took place as alleged")
    assert keys["contact_ask_unknown"].standing is Standing.UNKNOWN
    mine = {each.id for each in keys.values()}
    roles = {role for party in made.parties for role, statement in party.parts if statement in mine}
    assert {"covered_alleged", "counterparty_alleged", "reporter_alleged"} <= roles
    assert not roles & {"covered_person", "counterparty", "reporter"}
    assert words("en")("codes", "capacity_private") == "in a private capacity"


def test_a_program_that_reads_the_json_cannot_take_a_claim_for_a_fact(case: Case) -> None:
    read = json.loads(dossier_json(case.dossier(A.CONTACT, case.ids["allegation"])))
    claims = [claim for report in read["reports"] for claim in report["claims"]]
    assert claims
    assert {each["standing"] for each in claims} == {"claim"}
    assert {each["kind"] for each in claims} <= {"assertion", "opinion"}
    assert not {"fact", "confirmed"} & {value for each in claims for value in each.values() if isinstance(value, str)}


@pytest.mark.parametrize("reader", CLOSED)
def test_no_protection_is_claimed_for_ids_that_the_log_shows(case: Case, reader: Reader) -> None:
    bench = case.bench(reader)
    made = closed(case, A.CHANGE, case.ids["change"], reader)
    proofs = prove(case.home, made).files
    shown = b"".join(data for name, data in proofs.items() if name.endswith(".json"))
    for unit in bench.units:
        assert unit not in dossier_json(made).decode(), "the text of this edition does not repeat it"
    assert any(unit.encode() in shown for unit in bench.units), "entries of the bundle do"
    rows = [each for each in made.redactions if each.what == "id_of_party"]
    offices = {party.ref for party in made.parties if party.office}
    assert {each.reason for each in rows if each.where in offices} == {"id_in_log"}
    for language in LANGUAGES:
        assert words(language)("page", "names_help_closed") in page_html(made, language=language, outlines=NO_COAST).decode()


def test_people_without_names_are_numbered_from_one_in_their_unit(case: Case) -> None:
    made = closed(case, A.CHANGE, case.ids["change"], Reader.OWNER)
    called = [name for ref, name in names_in(made).items() if ref.startswith("withheld-") and "unit (invented)" in name]
    assert called == [f"Person {number} of unit (invented)" for number in range(1, len(called) + 1)]


def test_answers_given_afterwards_stand_where_they_were_given(terminal: Dossier) -> None:
    """In the table of times, in its CSV and in the picture: an answer that followed a change does not stand before it."""
    late = [each for each in terminal.statements if each.phrase.key in ("answered_later", "answered_once_later")]
    assert late
    for each in late:
        assert happened_at(each) == each.times.decided_at_ns
        assert each.phrase.values["decided"]
    rows = list(csv.DictReader(io.StringIO(timeline_csv(terminal).decode("utf-8-sig"))))
    assert [parse_instant(row["time_utc"]) for row in rows] == sorted(parse_instant(row["time_utc"]) for row in rows)
    shown = {row["id"]: row for row in rows}
    assert all(shown[each.id]["shown"].count(":") == 2 for each in late), "seconds, as on the page"
    events = list(_events(terminal))
    assert sum(each.kind == LATER for each in events) == len(late)
    assert {each.at_ns for each in events if each.lane == "service" and each.link in {one.id for one in late}} == {
        each.times.decided_at_ns for each in late
    }


def test_a_table_names_the_receipt_of_an_answer(case: Case, terminal: Dossier) -> None:
    made = prove(case.home, terminal).dossier
    rows = list(csv.DictReader(io.StringIO(statements_csv(made).decode("utf-8-sig"))))
    answers = [row for row in rows if row["section"] == words("en")("titles", "service")]
    assert answers
    assert all(row["proofs"].startswith("proofs/receipt-") for row in answers)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_sheet_lists_no_file_that_is_not_there_and_says_what_was_left_out(case: Case, terminal: Dossier, language: str) -> None:
    left = closed(case, A.TERMINAL, TERMINAL, Reader.OWNER)
    said = words(language)
    for made, there in ((terminal, True), (left, False)):
        sheet = read_me(made, language=language, files=prove(case.home, made).files).decode()
        for part in ("openings", "rulebooks"):
            assert (said("readme", part) in sheet) is there
            assert (said("readme", f"no_{part}") in sheet) is not there
        assert (said("readme", "whole") in sheet) is there
        assert (said("readme", "left_out") in sheet) is not there


def test_what_was_left_out_says_where_in_words(case: Case) -> None:
    made = closed(case, A.TERMINAL, TERMINAL, Reader.OWNER)
    page = page_html(made, outlines=NO_COAST).decode()
    table = page[page.index('class="redactions"') :]
    table = table[: table.index("</table>")]
    assert ">withheld-" not in table
    assert "name of a rule" in table
    assert "In short, line" in table
    assert 'href="#a1"' not in table or 'id="a1"' in page
    [statements] = {each.number for each in made.redactions if each.what == "statements" and each.where == "findings"}
    assert statements > 0
    assert f"statements ({statements})" in table
    assert {each.number for each in made.redactions if each.what == "allegations"} == {0}


@pytest.mark.parametrize("reader", CLOSED)
def test_a_sentence_points_to_no_wording_or_limit_that_this_reader_has_not(terminal: Dossier, reader: Reader) -> None:
    values: dict[str, Value] = {
        "before": "code:serve", "after": "code:deny", "at": "2026-03-20T00:00:00Z", "rule": "canary-rule", "seconds": 4711,
        "since": "2026-03-19T23:59:00Z", "proposal": "c" * 16,
    }  # fmt: skip
    for key in ("rule_waits", "rule_reworded", "rule_kept", "rule_brought"):
        told = Statement("s1", Standing.INFERENCE, Phrase(key, values), sources=(Source("receipt", "decisions"),))
        whole = replace(terminal, sections=(Section("findings", (told,)),), summary=(replace(told, id="a1"),), parties=())
        left, openings = redact(whole, reader, lambda: bytes(32))
        [said] = left.statements
        assert said.phrase.key == f"{key}_closed"
        assert not {"rule", "seconds", "since"} & said.phrase.values.keys()
        assert {"canary-rule", "4711"} <= {text for each in openings for text in re.findall(r"[\w-]+", each.text)}
        for language in LANGUAGES:
            assert words(language).say(said.phrase, {})
