"""What outsiders published, in a dossier: every claim leads to the statement that says it, and every such statement back to the claim."""

from __future__ import annotations

import re

import pytest

from groundrule.evidence.dossier import Dossier, Reader, Standing, SubjectKind
from groundrule.evidence.render.page import page_html
from groundrule.pipeline.dossiers.compose import compose
from groundrule.pipeline.dossiers.openings import redacted
from investigated_home import TERMINAL, Case, make_case
from sample_dossier import NO_COAST


@pytest.fixture(scope="module")
def case() -> Case:
    return make_case()


@pytest.fixture(scope="module")
def dossier(case: Case) -> Dossier:
    return case.dossier(SubjectKind.CONTACT, case.ids["allegation"])


def test_each_claim_has_the_statement_that_says_it_and_no_other_has_it(dossier: Dossier) -> None:
    statements = {each.id: each for each in dossier.statements}
    rows = [(report.id, claim) for report in dossier.reports for claim in report.claims]
    assert len(rows) >= 2
    for report, claim in rows:
        said = statements[claim.statement]
        assert said.standing is Standing.CLAIM
        assert [source.ref for source in said.sources] == [f"{report}#{claim.id}"]
        assert str(said.phrase.values["statement"]) in claim.quoted
    told = [each.id for section in dossier.sections if section.key == "reports" for each in section.statements
            if each.standing is Standing.CLAIM]  # fmt: skip
    assert sorted(claim.statement for _, claim in rows) == sorted(told)


def test_a_claim_stands_once_on_the_page_and_its_statement_leads_there(dossier: Dossier) -> None:
    """The row that quotes a claim is its statement, too: nothing is printed twice, and each number leads to the quotation."""
    page = page_html(dossier, outlines=NO_COAST).decode()
    for place, report in enumerate(dossier.reports, 1):
        assert f'<div class="report" id="r{place}">' in page
        for number, claim in enumerate(report.claims, 1):
            row = page[page.index(f'<tr class="claim" id="r{place}c{number}">') :]
            assert f'id="{claim.statement}" href="#{claim.statement}"' in row[: row.index("</tr>")]
            assert f'<article id="{claim.statement}"' not in page
            assert page.count(f'id="{claim.statement}"') == 1
    about = next(each for each in dossier.statements if each.phrase.key == "report_imported")
    article = page[page.index(f'<article id="{about.id}"') :]
    assert 'href="#r1"' in article[: article.index("</article>")]


def test_each_stretch_of_answers_has_the_statement_that_tells_of_it(case: Case) -> None:
    made = case.dossier(SubjectKind.TERMINAL, TERMINAL)
    told = next(section.statements for section in made.sections if section.key == "service")
    assert [row.statement for row in made.decisions] == [each.id for each in told]
    assert [row.first_ns for row in made.decisions] == [each.times.observed_at_ns for each in told]
    bench = case.bench(Reader.OWNER)
    left, _ = redacted(bench, compose(bench, SubjectKind.TERMINAL, TERMINAL))
    kept = {each.id: each for each in left.statements}
    assert all(kept[row.statement].phrase.key.startswith("answered") for row in left.decisions)


def test_who_may_not_see_reports_gets_no_anchor_of_one(case: Case) -> None:
    bench = case.bench(Reader.PUBLIC)
    left, _ = redacted(bench, compose(bench, SubjectKind.CONTACT, case.ids["allegation"]))
    assert re.findall(r'id="r\d', page_html(left, outlines=NO_COAST).decode()) == []
