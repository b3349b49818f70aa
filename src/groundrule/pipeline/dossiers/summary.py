"""What a dossier says first: what happened, on whose request, who decided, and what is only claimed. Each line stands in a section, too."""

from __future__ import annotations

from collections.abc import Iterator

from groundrule.evidence.dossier import Phrase, Section, Source, Standing, Statement, SubjectKind, Value
from groundrule.govern.logged import LoggedContact
from groundrule.instant import format_instant
from groundrule.pipeline.dossiers import findings
from groundrule.pipeline.dossiers.acts import Said
from groundrule.pipeline.dossiers.bench import Bench
from groundrule.pipeline.dossiers.gather import Gathered
from groundrule.pipeline.dossiers.others import beside
from groundrule.pipeline.dossiers.outside import Outside, report_ref
from groundrule.pipeline.dossiers.owner import owners_way
from groundrule.pipeline.dossiers.service import Service
from groundrule.pipeline.dossiers.sheet import Sheet
from groundrule.pipeline.dossiers.why import answered_later, not_approved, reason_of, told

FOR = ("report_reports", "report_confirms")
"""Claims that others bear out or speak against: their words stand in the summary, before those of who does."""
AGAINST = ("report_denies", "report_cannot_corroborate", "report_unaware", "report_no_reply", "report_declines")
"""Claims that do not bear out what others claim: they stand in the summary beside it."""
MAX_AGAINST = 6
IN_SHORT = frozenset(
    {
        "request_asks", "request_asks_plainly", "request_behalf", "request_behalf_unknown", "request_conveyed", "request_basis_none",
    }
)  # fmt: skip
"""Sentences of a request that its summary repeats."""
OWN_IN_SHORT = frozenset(
    {
        "own_contested", "own_contested_at", "own_due", "own_overdue", "own_ended", "own_not_contested", "own_no_appeal",
        "no_request_to_deny",
    }
)  # fmt: skip


def summary(
    bench: Bench,
    gathered: Gathered,
    service: Service | None,
    outside: Outside,
    sections: tuple[Section, ...],
    found: tuple[tuple[str, Said], ...],
) -> Iterator[Statement]:
    """Say first what a stranger asks first: what happened, on whose request, who decided, and what is only claimed."""
    made = list(_heads(bench, gathered, service, outside, found))
    everything = [each for section in sections for each in section.statements]
    for standing in (Standing.CLAIM, Standing.UNKNOWN):
        number = sum(each.standing is standing for each in everything)
        if number:
            made.append((Said(Phrase(f"sum_{standing.value}", {"number": number}), Standing.INFERENCE), ()))
    for number, (said, sources) in enumerate(made, 1):
        yield Statement(f"a{number}", said.standing, said.phrase, said.times, sources, (), said.flags)


def _heads(
    bench: Bench, gathered: Gathered, service: Service | None, outside: Outside, found: tuple[tuple[str, Said], ...]
) -> Iterator[tuple[Said, tuple[Source, ...]]]:
    state = bench.state
    sheet = Sheet(bench, gathered.kind)
    if service is not None:
        yield from _service_heads(bench, sheet, service)
        yield from _appeal_heads(bench, sheet, gathered, service)
    about_contact = gathered.kind in (SubjectKind.CONTACT, SubjectKind.PERSON)
    if about_contact:
        yield from _contact_heads(bench, sheet, gathered, outside)
    for id_ in sorted(gathered.requests, key=lambda each: state.requests[each].index):
        asked = state.requests[id_]
        if asked.request.appeal_of:
            if service is None:  # of a terminal they stand above, beside the answers
                act = next(each for each in gathered.acts if each.index == asked.index)
                yield from ((said, sheet.entry(asked.index)) for said in act.said)
            continue
        first = asked.request.ask[0]
        values: dict[str, Value] = {"who": bench.of(asked.request.requester), "what": f"code:ask_{first.op}", "object": first.object}
        yield Said(Phrase("sum_request", values), Standing.RECORDED), sheet.entry(asked.index)
        act = next(each for each in gathered.acts if each.index == asked.index)
        for said in act.said:
            if said.phrase.key in IN_SHORT:
                yield said, sheet.entry(asked.index)
        if asked.outcomes:
            last = asked.outcomes[-1]
            values = {"outcome": f"code:outcome_{last.outcome}", "reason": last.outcome_reason}
            yield Said(Phrase("sum_outcome", values), Standing.RECORDED), sheet.entry(_outcome_index(gathered, id_, asked.index))
    for id_ in sorted(gathered.proposals, key=lambda each: state.proposals[each].index):
        yield from _proposal_heads(bench, sheet, id_, found)
    if not about_contact:
        yield from _contact_heads(bench, sheet, gathered, outside)
    if gathered.proposals and not gathered.requests:
        yield Said(Phrase("unknown_requester", {}), Standing.UNKNOWN), ()


def _appeal_heads(bench: Bench, sheet: Sheet, gathered: Gathered, service: Service) -> Iterator[tuple[Said, tuple[Source, ...]]]:
    """Which answers were appealed against, what is due, who was served there, and that what follows did not bring the refusals about."""
    for act in gathered.acts:
        if act.kind == "request" and act.said[0].phrase.key == "appeal_received":
            yield act.said[0], sheet.entry(act.index)
    for index, (said, sources, _) in owners_way(bench, gathered.id, service.rows):
        if said.phrase.key in OWN_IN_SHORT:
            yield said, (*(() if index is None else sheet.entry(index)), *sources)
    for said in beside(bench, service.rows, service.protected):
        yield said, (Source("receipt", "decisions"),)
    for id_, said in findings.not_the_cause(bench, service.rows, service.proposals):
        yield said, (*sheet.entry(bench.state.proposals[id_].index), Source("receipt", "decisions"))


def _outcome_index(gathered: Gathered, request: str, otherwise: int) -> int:
    """The entry that says what became of a request."""
    return next((act.index for act in reversed(gathered.acts) if act.kind == "outcome" and act.id == request), otherwise)


def _contact_heads(bench: Bench, sheet: Sheet, gathered: Gathered, outside: Outside) -> Iterator[tuple[Said, tuple[Source, ...]]]:
    """What is told of contacts with somebody concerned, how it stands, what speaks against it, and what that person did meanwhile."""
    for id_ in sorted(gathered.contacts, key=lambda each: bench.state.contacts[each].index):
        logged = bench.state.contacts[id_]
        act = next(each for each in gathered.acts if each.index == logged.index)
        yield act.said[0], sheet.entry(logged.index)
        status: dict[str, Value] = {"status": f"code:status_{logged.status}"}
        key = "sum_allegation_status" if logged.allegation else "sum_contact_status"
        yield Said(Phrase(key, status), Standing.RECORDED), sheet.entry(logged.index)
        number = sum(contact == id_ for contact, *_ in gathered.meanwhile)
        if number:
            key = "sum_meanwhile_alleged" if logged.allegation else "sum_meanwhile"
            yield Said(Phrase(key, {"number": number}), Standing.INFERENCE), sheet.entry(logged.index)
        if logged.allegation:
            yield from _own_words(bench, sheet, gathered, logged)
    if gathered.contacts:
        # Whoever reads of an accusation reads in the same place its words, who denies it, and who said nothing.
        for some in (FOR, AGAINST):
            said_by = [each for each in outside.said if each[2] and each[0].phrase.key in some]
            for said, report, claim in sorted(said_by, key=lambda each: some.index(each[0].phrase.key))[:MAX_AGAINST]:
                yield said, (Source("report", report_ref(report, claim)),)


def _own_words(
    bench: Bench, sheet: Sheet, gathered: Gathered, logged: LoggedContact
) -> Iterator[tuple[Said, tuple[Source, ...]]]:
    """What somebody whom an allegation names had stated when signing: told to whoever is told of the allegation, and to nobody else."""
    for id_ in sorted(gathered.proposals):
        for each in bench.state.approvals.get(id_, ()):
            if each.approval.person == bench.of(logged.contact.covered_person) and not each.approval.conflict_statement:
                values: dict[str, Value] = {
                    "who": each.approval.person, "proposal": id_[:16], "signed": format_instant(each.approval.signed_at),
                    "recorded": format_instant(logged.t_ns),
                }  # fmt: skip
                yield Said(Phrase("contact_own_word", values), Standing.RECORDED), sheet.entry(each.index)


def _proposal_heads(
    bench: Bench, sheet: Sheet, id_: str, found: tuple[tuple[str, Said], ...]
) -> Iterator[tuple[Said, tuple[Source, ...]]]:
    state = bench.state
    logged = state.proposals[id_]
    values: dict[str, Value] = {"who": logged.proposal.author, "id": id_[:16], "at": format_instant(logged.t_ns)}
    yield Said(Phrase("sum_proposed", values), Standing.RECORDED), sheet.entry(logged.index)
    for of, said in found:
        if of == id_ and said.phrase.key in ("rule_exempts", "rule_altered"):
            yield said, (*sheet.entry(logged.index), Source("rule", str(said.phrase.values["rule"])))
    verdicts = {each.approval.person: each for each in state.approvals.get(id_, ())}
    for person, each in verdicts.items():
        # Of everybody who signed the same is said: a statement told of one alone would tell whom an allegation names.
        stated = each.approval.verdict == "approve" and not each.approval.conflict_statement
        key = "sum_approve_stated" if stated else f"sum_{each.approval.verdict}"
        yield Said(Phrase(key, {"who": person}), Standing.RECORDED), sheet.entry(each.index)
    enacted = next((each for each in state.enactments if each.enactment.proposal_digest == id_), None)
    if enacted is not None:
        at: dict[str, Value] = {"at": format_instant(enacted.enactment.enacted_at), "id": id_[:16]}
        yield Said(Phrase("sum_enacted", at), Standing.RECORDED), sheet.entry(enacted.index)
    else:
        yield Said(Phrase("sum_not_enacted", {"id": id_[:16]}), Standing.INFERENCE), sheet.entry(logged.index)
    for of, said in found:
        if of == id_ and said.phrase.key in ("preview_missed", "change_moved"):
            yield said, (*sheet.entry(logged.index), Source("receipt", "decisions"))


def _service_heads(bench: Bench, sheet: Sheet, service: Service) -> Iterator[tuple[Said, tuple[Source, ...]]]:
    if not service.rows:
        yield Said(Phrase("sum_no_decision", {}), Standing.RECORDED), ()
        return
    unknown = dict(not_approved(bench, service.rows))
    decided = {str(each.phrase.values["when"]): each for each in service.why if each.phrase.key.startswith("decided_by")}
    for row in told(service.rows):
        values: dict[str, Value] = {
            "outcome": f"code:{row.outcome}",
            "at": format_instant(row.last_ns),
            "rule": row.rule,
            "rulebook": row.rulebook.removeprefix("sha256:"),
            "reason": reason_of(row),
        }
        key = "sum_answer"
        if answered_later(row):
            key, values["decided"] = "sum_answer_later", format_instant(row.decided_ns or 0)
        yield Said(Phrase(key, values), Standing.RECORDED), (Source("receipt", f"run:{row.run}"),)
        if (each := decided.get(format_instant(row.last_ns))) is not None:
            yield each, (Source("rule", str(each.phrase.values["rule"])),)
        if row in unknown:
            yield unknown[row], ()
    for each in findings.younger(bench, service.rows):
        yield each, (Source("receipt", "decisions"),)
    for id_, each, sources in service.without:
        yield each, (*sheet.entry(bench.state.proposals[id_].index), *sources) if sources else ()
    for each in service.measured:
        if each.phrase.key == "rule_waits":
            yield each, (Source("receipt", "decisions"),)
    for id_, each in findings.about_changes(bench, service.rows):
        yield each, (*sheet.entry(bench.state.proposals[id_].index), Source("receipt", "decisions"))
    values = {"number": service.decisions, "refused": sum(row.count for row in service.refused)}
    yield Said(Phrase("sum_decisions", values), Standing.RECORDED), (Source("receipt", "decisions"),)
