"""What a fresh reader could take wrongly: answers without their rulebook, a change beside a denial, an allegation in a paper's mouth."""

from __future__ import annotations

import base64
import io
import json
import re
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dossier_mutants import fixed, tool
from governed_home import base_home, decided
from groundrule.evidence.bundle import pack
from groundrule.evidence.dossier import DecisionRow, Dossier, Reader, Standing, SubjectKind, section_order
from groundrule.evidence.redact import redact
from groundrule.evidence.render.page import FAMILIES, page_html
from groundrule.evidence.render.tables import read_me
from groundrule.evidence.render.words import LANGUAGES, names_in, words
from groundrule.evidence.verify_bundle import OPENINGS, verify_bundle
from groundrule.instant import format_instant
from groundrule.pipeline.dossiers import findings
from groundrule.pipeline.dossiers.bench import Bench
from groundrule.pipeline.dossiers.compose import compose
from groundrule.pipeline.dossiers.openings import redacted
from groundrule.pipeline.dossiers.reigns import GENESIS, reigns
from groundrule.pipeline.dossiers.seal import prove, seal
from groundrule.pipeline.dossiers.service import rule_text
from groundrule.pipeline.home import rulebook_of
from investigated_home import COVERED, TERMINAL, Case, make_case
from sample_dossier import NO_COAST
from small_home import RECORDED, drive, table

A = SubjectKind


@pytest.fixture(scope="module")
def case() -> Case:
    return make_case()


@pytest.fixture(scope="module")
def terminal(case: Case) -> Dossier:
    return case.dossier(A.TERMINAL, TERMINAL)


@pytest.fixture(scope="module")
def change(case: Case) -> Dossier:
    return case.dossier(A.CHANGE, case.ids["change"])


def by_key(made: Dossier) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for each in made.statements:
        found.setdefault(each.phrase.key, []).append(each)
    return found


def summary(made: Dossier) -> list[str]:
    return [each.phrase.key for each in made.summary]


def said(made: Dossier, key: str, language: str = "en") -> str:
    each = next(each for each in (*made.statements, *made.summary) if each.phrase.key == key)
    return words(language).say(each.phrase, names_in(made))


# --- answers and the rules behind them --------------------------------------------------------------------------------


def test_each_answer_names_its_rulebook_and_when_it_was_decided_and_logged(case: Case, terminal: Dossier) -> None:
    held = {each.rulebook: each for each in reigns(case.home)}
    assert len({row.rulebook for row in terminal.decisions}) == 2
    answers = next(section.statements for section in terminal.sections if section.key == "service")
    for row, each in zip(terminal.decisions, answers, strict=True):
        assert row.rulebook in held
        assert row.decided_ns is not None
        assert row.logged_ns is not None
        assert each.phrase.values["rulebook"] == row.rulebook.removeprefix("sha256:")
        assert (each.times.decided_at_ns, each.times.recorded_at_ns) == (row.decided_ns, row.logged_ns)


def test_a_rule_has_the_interval_of_its_rulebook_and_what_brought_it(case: Case, terminal: Dossier) -> None:
    first, second = reigns(case.home)
    assert (first.brought_by, first.from_ns, first.until_ns) == (GENESIS, None, second.from_ns)
    assert (second.brought_by, second.until_ns) == (case.ids["change"], None)
    for each in terminal.rules:
        wanted = first if each.rulebook == first.rulebook else second
        assert (each.brought_by, each.in_force_from_ns, each.in_force_until_ns) == (wanted.brought_by, wanted.from_ns, wanted.until_ns)
    page = page_html(terminal, outlines=NO_COAST).decode()
    assert "rulebook in force since before the charter until" in page
    assert "still in force when this was made" in page


def test_every_rule_that_a_sentence_rests_on_is_shown_in_its_own_wording(case: Case, terminal: Dossier) -> None:
    held = {row.last_ns: row.rulebook for row in terminal.decisions}
    shown = {(rule.rulebook, rule.rule) for rule in terminal.rules}
    cited = [each for each in terminal.statements if each.phrase.key in ("why_not_denied", "why_finding")]
    assert cited
    for each in cited:
        assert (held[each.times.observed_at_ns], each.phrase.values["rule"]) in shown
    book = rulebook_of(case.home, reigns(case.home)[1].rulebook)
    named = next(each for each in terminal.rules if each.rulebook == book.digest)
    assert named.text == rule_text(book, named.rule).text  # type: ignore[union-attr] - the book has this rule


def test_an_answer_older_than_its_rulebook_is_flagged(case: Case) -> None:
    bench, second = case.bench(), reigns(case.home)[1]
    assert second.from_ns is not None
    row = DecisionRow(TERMINAL, second.from_ns - 60, second.from_ns + 60, 2, "serve", "normal", "default", (), (), 2, "", "",
                      second.rulebook, second.from_ns + 90)  # fmt: skip
    (late,) = findings.younger(bench, (row,))
    assert (late.phrase.key, late.standing, late.flags) == ("rule_younger", Standing.INFERENCE, ("younger",))
    assert late.times.decided_at_ns == second.from_ns + 90
    assert not list(findings.younger(bench, (replace(row, first_ns=second.from_ns),)))
    old = replace(row, rulebook=reigns(case.home)[0].rulebook)
    assert not list(findings.younger(bench, (old,))), "a rulebook from before governance has no beginning to be older than"


def test_whether_a_change_altered_the_answer_is_said_first_and_a_preview_is_held_against_it(case: Case) -> None:
    bench, (first, second) = case.bench(), reigns(case.home)
    old = DecisionRow(TERMINAL, 1, 2, 2, "deny", "normal", "too-fast", (), (), 1, "", "", first.rulebook)
    new = replace(old, rulebook=second.rulebook, first_ns=3, last_ns=4)
    same = {each.phrase.key for _, each in findings.about_changes(bench, (old, new))}
    other = [each for _, each in findings.about_changes(bench, (old, replace(new, outcome="serve", rule="default")))]
    assert "change_same" in same
    assert "preview_differs" not in same
    assert "change_other" in {each.phrase.key for each in other}
    moved = any(
        b != a and sum(cells.values()) for b, row in bench.state.proposals[case.ids["change"]].impact.counts.items()
        for a, cells in row.items()
    )  # fmt: skip
    assert ("preview_differs" in {each.phrase.key for each in other}) is not moved
    assert all(each.flags == ("contradiction",) for each in other if each.phrase.key == "preview_differs")
    assert not list(findings.about_changes(bench, (new,))), "nothing to compare with"


def test_a_rule_that_a_change_found_there_is_not_said_to_come_from_it(case: Case) -> None:
    bench, (first, second) = case.bench(), reigns(case.home)
    rules = rulebook_of(case.home, first.rulebook).rules
    words_of = {
        rule.id: next(
            each.phrase.key
            for _, each in findings.about_changes(
                bench,
                tuple(
                    DecisionRow(TERMINAL, n, n, 1, "deny", "normal", rule.id, (), (), 1, "", "", book)
                    for n, book in enumerate((first.rulebook, second.rulebook))
                ),
            )
        )
        for rule in rules
    }
    assert set(words_of.values()) == {"rule_kept", "rule_reworded"}


def test_the_summary_says_whether_the_change_altered_the_answer_and_that_no_person_decided(terminal: Dossier) -> None:
    keys = summary(terminal)
    assert keys.index("change_other") < keys.index("sum_request")
    assert {each for each in keys if each.startswith("decided_by")} == {"decided_by_before", "decided_by_change"}
    for language in LANGUAGES:
        assert "{" not in said(terminal, "decided_by_change", language)


def test_a_summary_of_an_answer_leads_to_that_answer_and_the_count_to_all(terminal: Dossier) -> None:
    page = page_html(terminal, outlines=NO_COAST).decode()
    ends = {row.last_ns: row.statement for row in terminal.decisions}
    for each in terminal.summary:
        line = page[page.index('<ol class="summary">') : page.index("</ol>")].split("<li ")[int(each.id[1:])]
        if each.phrase.key.startswith("sum_answer"):
            wanted = next(id_ for at, id_ in ends.items() if words("en").moment_of(str(each.phrase.values["at"])) and
                          f'datetime="{each.phrase.values["at"]}"' in line and _at(terminal, id_) == each.phrase.values["at"])  # fmt: skip
            assert f'href="#{wanted}"' in line
            assert line.count('class="number"') == 1
        if each.phrase.key == "sum_decisions":
            assert all(f'href="#{id_}"' in line for id_ in ends.values())


def _at(made: Dossier, statement: str) -> object:
    each = next(each for each in made.statements if each.id == statement)
    return each.phrase.values["from" if "once" in each.phrase.key else "to"]


def test_one_way_out_is_enough_and_an_exception_is_not_offered(terminal: Dossier) -> None:
    found = by_key(terminal)
    (way,) = found["why_relief"]
    assert str(way.phrase.values["relief"]).startswith("(1) ")
    assert "; (2) " in str(way.phrase.values["relief"])
    assert "exception" not in str(way.phrase.values["relief"])
    assert said(terminal, "why_relief").startswith("Any one of these would have been enough")


def test_other_terminals_of_the_same_place_and_time_are_told_of_to_whom_they_may_be(tmp_path: Path) -> None:
    home = base_home(tmp_path / "home")
    rows = [{**row, "speed_m_s": 5.0} for name in ("car", "guest", "van") for row in drive(name, 0, 4, lat=2.5, lon=2.5, km_h=18)]
    rows += drive("train", 0, 4, lat=8.5, lon=8.5, km_h=18)
    with home.writer():
        decided(home, table(rows), at_ns=RECORDED)
    made = compose(Bench.open(home, now_ns=RECORDED), A.TERMINAL, "car")
    assert made.decisions[-1].outcome == "deny"
    there = {each.phrase.values["other"]: each for each in by_key(made)["others_there"]}
    assert set(there) == {"van", "guest"}, "who was elsewhere is not told of"
    assert there["van"].flags == ("answered_otherwise",)
    assert there["van"].phrase.values["outcome"] == "code:serve"
    assert there["van"].phrase.values["speed"] == 18
    assert there["guest"].flags == ()
    for reader in (Reader.OWNER, Reader.PUBLIC):
        left, _ = redact(made, reader, lambda: bytes(32))
        told = [held for each in (*left.statements, *left.summary) for held in each.phrase.values.values()]
        assert not {"van", "guest"} & set(told)


def test_another_terminal_has_an_answer_only_while_it_had_it(tmp_path: Path) -> None:
    home = base_home(tmp_path / "home")
    rows = [{**row, "speed_m_s": 5.0} for row in drive("car", 0, 8, lat=2.5, lon=2.5, km_h=18)]
    rows += [{**row, "speed_m_s": 5.0} for row in (drive("van", 0, 8, lat=2.5, lon=2.5, km_h=18))[3:6]]
    with home.writer():
        decided(home, table(rows), at_ns=RECORDED)
    made = compose(Bench.open(home, now_ns=RECORDED), A.TERMINAL, "car")
    own = [row for row in made.decisions if row.outcome == "deny"][-1]
    (there,) = by_key(made)["others_there"]
    times = sorted(row["observed_at"] for row in rows if row["terminal_id"] == "van")
    assert there.phrase.values["from"] == format_instant(max(times[0], own.first_ns))
    assert there.phrase.values["to"] == format_instant(times[-1])
    assert there.phrase.values["to"] != format_instant(own.last_ns)
    (beside,) = by_key(made)["beside_other"]
    assert (beside.phrase.values["own"], beside.phrase.values["speed"], beside.phrase.values["other"]) == (18, 18, "van")
    assert "beside_other" in summary(made)
    for reader in (Reader.OWNER, Reader.PUBLIC):
        left, _ = redact(made, reader, lambda: bytes(32))
        assert not {"beside_other", "others_there"} & {each.phrase.key for each in (*left.statements, *left.summary)}


@pytest.mark.parametrize("reader", [Reader.OPERATOR, Reader.REGULATOR])
@pytest.mark.parametrize("kind", ["terminal", "change", "contact"])
def test_every_line_of_the_summary_leads_to_a_statement_of_its_standing_and_family(case: Case, kind: str, reader: Reader) -> None:
    subject = {"terminal": TERMINAL, "change": case.ids["change"], "contact": case.ids["allegation"]}[kind]
    made, _ = redacted(case.bench(reader), case.dossier(A(kind), subject))
    page = page_html(made, outlines=NO_COAST).decode()
    lines = page[page.index('<ol class="summary">') : page.index("</ol>")].split("<li ")[1:]
    held = {each.id: each for each in made.statements}
    unlinked = set()
    for each, line in zip(made.summary, lines, strict=True):
        links = re.findall(r'class="number" href="#(s[0-9]+)"', line)
        key = each.phrase.key
        answers = ("answered", "answered_once", "answered_later", "answered_once_later")
        family = {"sum_answer": answers[:2], "sum_answer_later": answers[2:], "sum_decisions": answers} | FAMILIES
        for link in links:
            assert held[link].standing is each.standing, (key, link)
            assert held[link].phrase.key in family.get(key, (key,)), (key, link)
            entries = {source.ref for source in each.sources if source.kind == "log_entry"}
            assert not entries or entries & {source.ref for source in held[link].sources}, (key, link)
        if not links:
            unlinked.add(key)
    assert unlinked <= {"sum_claim", "sum_unknown"}


def test_each_distinct_answer_is_told_with_its_rulebook_and_who_approved_it_or_that_this_is_not_known(terminal: Dossier) -> None:
    told = [each for each in terminal.summary if each.phrase.key.startswith("sum_answer")]
    assert {each.phrase.values["rulebook"] for each in told} == {row.rulebook.removeprefix("sha256:") for row in terminal.decisions}
    (unknown,) = [each for each in terminal.summary if each.phrase.key == "unknown_approval"]
    assert unknown.standing is Standing.UNKNOWN
    assert unknown.phrase.values["rulebook"] == reigns_first(terminal)
    runs = by_key(terminal)["judged_at"]
    assert len(runs) == len({row.run for row in terminal.decisions})


def reigns_first(made: Dossier) -> str:
    return made.decisions[0].rulebook.removeprefix("sha256:")


def test_who_is_accused_is_read_beside_the_own_statement(terminal: Dossier) -> None:
    keys = summary(terminal)
    stated = [each for each in by_key(terminal)["approval_no_conflict"] if each.phrase.values["who"] == COVERED]
    assert stated
    assert keys.index("contact_own_word") > keys.index("contact_basis_press")
    own = next(each.phrase.values for each in terminal.summary if each.phrase.key == "contact_own_word")
    assert str(own["signed"]) < str(own["recorded"])


def test_receipts_are_of_the_answer_that_begins_a_stretch() -> None:
    for language, said_ in (("en", "first answer"), ("de", "erste Antwort"), ("uk", "першу відповідь")):
        assert said_ in words(language)("page", "receipts_note")


# --- what the owner can do --------------------------------------------------------------------------------------------


def test_the_appeal_is_told_with_answer_ground_due_time_and_owner(case: Case, terminal: Dossier) -> None:
    found = by_key(terminal)
    rows = [row for row in terminal.decisions if row.outcome == found["own_contested"][0].phrase.values["outcome"].removeprefix("code:")]
    assert rows
    assert found["own_ground"][0].standing is Standing.CLAIM
    assert found["own_ground"][0].phrase.values["letter"] == "Why? (invented)"
    assert {"own_due", "own_overdue"} & found.keys()
    who = found["own_who"][0].phrase.values
    assert who["account"] == "canary-account-72"
    assert who["holder"] == "canary-register-party"
    assert {"own_due", "own_overdue"} & set(summary(terminal))
    assert summary(terminal).index("own_contested") < summary(terminal).index("sum_request")
    # The entry of the appeal itself names the day: it is on record, and not computed.
    assert {each.standing for each in found.get("own_due", ())} <= {Standing.RECORDED}
    left, _ = redacted(case.bench(Reader.OWNER), terminal)
    text = json.dumps([each.phrase.values for each in left.statements])
    assert "canary-register-party" not in text
    page = page_html(terminal, outlines=NO_COAST).decode()
    assert page.index('id="appeal"') < page.index('id="asked"')
    assert words("en")("page", "own_next_2")[:30] in page


# --- people -----------------------------------------------------------------------------------------------------------


def test_an_allegation_is_the_registers_word_and_who_denies_it_stands_beside_it(terminal: Dossier) -> None:
    for language, word in zip(LANGUAGES, ("register of contacts", "Kontaktregister", "реєстрі контактів"), strict=True):
        assert word in said(terminal, "contact_basis_press", language)
    assert "reports that" not in said(terminal, "contact_basis_press")
    keys = summary(terminal)
    assert keys.index("report_denies") > keys.index("contact_basis_press")
    assert not words("en")("roles", "counterparty").startswith("is the")


def test_claims_in_the_summary_are_told_to_nobody_who_may_not_know_of_them(case: Case) -> None:
    for reader in (Reader.OWNER, Reader.PUBLIC):
        left, _ = redacted(case.bench(reader), compose(case.bench(reader), A.TERMINAL, TERMINAL))
        assert not [key for key in summary(left) if key.startswith(("report_", "contact_basis"))]


def test_as_many_unknowns_are_listed_as_are_counted(case: Case) -> None:
    for kind, subject in case.subjects:
        made = case.dossier(kind, subject)
        counted = next((each.phrase.values["number"] for each in made.summary if each.phrase.key == "sum_unknown"), 0)
        page = page_html(made, outlines=NO_COAST).decode()
        part = page[page.index('<section id="unknown">') :]
        part = part[: part.index("</section>")]
        assert part.count('class="unknown"') == counted, (kind, subject)


def test_statements_are_numbered_as_the_page_shows_them_and_the_unknown_comes_early(case: Case) -> None:
    for kind, subject in case.subjects:
        made = case.dossier(kind, subject)
        keys = [section.key for section in made.sections]
        assert keys == [key for key in section_order(kind) if key in keys]
        page = page_html(made, outlines=NO_COAST).decode()
        places = [page.index(f'<section id="{key}">') for key in keys]
        assert places == sorted(places)
        assert page.index('<section id="unknown">') < page.index('<section id="timeline">')


def test_what_is_not_in_force_is_not_said_to_be_and_a_late_record_names_its_dates(change: Dossier) -> None:
    found = by_key(change)
    assert all(each.times.effective_from_ns is None for each in found["proposal_made"])
    assert str(found["proposal_effective"][0].phrase.values["since"]).startswith("20")
    slow = found["request_slow"][0].phrase.values
    assert str(slow["made"]) < str(slow["recorded"])
    text = said(change, "request_slow")
    assert text.startswith("The request was made on ")
    assert "The preview in the proposal said" in said(change, "impact_none" if "impact_none" in found else "impact_moved")


def test_areas_are_called_by_their_names_in_every_dossier(change: Dossier) -> None:
    assert {area.id for area in change.areas} >= {"closed"}
    name = next(area.name for area in change.areas if area.id == "closed")
    asked = [each.phrase for each in change.statements if each.phrase.key == "request_asks_plainly"]
    assert any(name in words("en").say(each, names_in(change)) for each in asked)


# --- bundles ----------------------------------------------------------------------------------------------------------


def bundled(case: Case, reader: Reader, kind: SubjectKind = A.CHANGE) -> tuple[dict[str, bytes], bytes]:
    bench = case.bench(reader)
    made, _ = redacted(bench, compose(bench, kind, case.ids["change"] if kind is A.CHANGE else TERMINAL))
    proofs = prove(case.home, replace(made, in_log=False))
    archive = seal(case.home, proofs.dossier, proofs, {}, log=False).archive
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}, archive


def test_commitments_are_opened_for_whom_they_may_be_and_checked_by_both(case: Case) -> None:
    files, archive = bundled(case, Reader.OPERATOR)
    opened = json.loads(files[OPENINGS])["openings"]
    assert COVERED in {each.get("party") for each in opened}
    policy = (case.home.path / "ledger" / "policy").read_bytes()
    facts: dict[str, Any] = {}
    tool().verify(archive, policy, facts)
    assert facts["openings"] == verify_bundle(archive, policy).openings >= 3
    for reader in (Reader.OWNER, Reader.PUBLIC):
        assert OPENINGS not in bundled(case, reader)[0]
    other = json.loads(files[OPENINGS])
    other["openings"][0]["salt"] = base64.b64encode(bytes(32)).decode()
    forged = _forged(files | {OPENINGS: json.dumps(other, sort_keys=True, separators=(",", ":")).encode()})
    for verdict in (lambda: tool().verify(forged, policy, {}), lambda: verify_bundle(forged, policy)):
        with pytest.raises(Exception, match="opens"):
            verdict()


def _forged(files: dict[str, bytes]) -> bytes:
    return pack(fixed(files))


def test_a_proposals_digest_is_that_of_a_rulebook_in_the_bundle(case: Case, change: Dossier) -> None:
    digest = by_key(change)["proposal_content"][0].phrase.values["digest"]
    files, _ = bundled(case, Reader.OPERATOR)
    assert f"rulebooks/{digest}.yaml" in files
    assert digest in {rule.text_sha256 for rule in change.rules}


def test_a_bundle_that_no_log_names_says_so_on_its_first_page_and_sheet(change: Dossier) -> None:
    for language in LANGUAGES:
        warning = words(language)("page", "not_in_log")
        for in_log in (True, False):
            made = replace(change, in_log=in_log)
            page = page_html(made, language=language, outlines=NO_COAST).decode()
            assert (warning in page[: page.index('id="summary"')]) is not in_log
            assert (warning in read_me(made, language=language).decode()) is not in_log


def test_the_page_says_for_whom_and_that_nothing_was_left_out(change: Dossier) -> None:
    page = page_html(change, outlines=NO_COAST).decode()
    assert "No sentence was withheld from this reader." in page
    assert "the entries in the bundle hold the rest" in page
    assert "Nothing was left out" not in page


def test_the_whole_case_is_called_invented_where_the_operator_is(change: Dossier, case: Case) -> None:
    assert change.invented is rulebook_of(case.home).operator.endswith("(invented)")


def test_a_rule_is_said_in_words_beside_its_own_form_and_only_to_whom_its_limits_are(case: Case, terminal: Dossier) -> None:
    fast = next(rule for rule in terminal.rules if rule.rule == "too-fast")
    assert fast.plain.startswith("deny ")
    assert "km/h" in fast.plain
    assert "; except with programme rail" in fast.plain
    page = page_html(terminal, outlines=NO_COAST).decode()
    assert words("en")("page", "rule_in_words") in page
    left, _ = redacted(case.bench(Reader.OWNER), compose(case.bench(Reader.OWNER), A.TERMINAL, TERMINAL))
    assert not any(rule.plain or rule.text_sha256 for rule in left.rules)
