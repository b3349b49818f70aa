"""From what was gathered to a dossier: sections in the order in which a stranger asks, a summary, and who did what.

Nothing is chosen to fit a story: every act that was gathered is in a section, and what is not known is a section of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise

from groundrule.errors import StoreError
from groundrule.evidence.dossier import (
    AreaVersion,
    DecisionRow,
    Dossier,
    Party,
    Phrase,
    Reader,
    RuleText,
    Section,
    Source,
    Standing,
    Statement,
    SubjectKind,
    Times,
    Value,
    section_order,
)
from groundrule.instant import format_instant
from groundrule.pipeline.dossiers import findings
from groundrule.pipeline.dossiers.acts import Act, Said, acts
from groundrule.pipeline.dossiers.bench import Bench
from groundrule.pipeline.dossiers.changed import changed_answers
from groundrule.pipeline.dossiers.gather import Gathered, gather, resolve
from groundrule.pipeline.dossiers.others import beside, others
from groundrule.pipeline.dossiers.outside import Outside, outside_reports, report_ref
from groundrule.pipeline.dossiers.owner import appeals_of, owners_way
from groundrule.pipeline.dossiers.reigns import reigns
from groundrule.pipeline.dossiers.service import Service, area_version, rule_text, service_of
from groundrule.pipeline.dossiers.why import not_approved, told
from groundrule.pipeline.home import rulebook_of
from groundrule.store.area_store import current_areas_digest, load_areas

_SECTION_OF = {
    "request": "asked", "outcome": "asked", "screening": "screened", "proposal": "decided", "approval": "decided",
    "enactment": "decided", "rejection": "decided", "charter": "decided", "violation": "decided", "contact": "contacts",
    "contact_update": "contacts", "nil_return": "contacts", "review": "reviews", "conclusion": "reviews",
    "emergency": "emergencies", "emergency_close": "emergencies",
}  # fmt: skip


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
MAX_AREAS = 20
INVENTED = "(invented)"


class Sheet:
    """Statements as they are written, numbered in the order of the sections at the end."""

    def __init__(self, bench: Bench, kind: SubjectKind) -> None:
        self._bench = bench
        self._order = section_order(kind)
        self._sections: dict[str, list[Statement]] = defaultdict(list)
        self._parts: dict[str, list[tuple[str, int, str]]] = defaultdict(list)

    def write(
        self,
        section: str,
        said: Said,
        sources: tuple[Source, ...] = (),
        about: Iterable[str] = (),
        parts: Iterable[tuple[str, str]] = (),
    ) -> None:
        """Add a statement; `parts` are (party, role) that it shows."""
        rows = self._sections[section]
        for party, role in parts:
            self._parts[party].append((section, len(rows), role))
        rows.append(Statement("", said.standing, said.phrase, said.times, sources, tuple(sorted(set(about))), said.flags))

    def entry(self, index: int) -> tuple[Source, ...]:
        """Return the source of an entry of the log; with its proof where the published head covers it."""
        proof = f"proofs/entry-{index}.tlog-proof" if self._bench.proved(index) else ""
        return (Source("log_entry", f"entry:{index}", proof),)

    def finished(self) -> tuple[tuple[Section, ...], tuple[Party, ...]]:
        """Return the sections with numbered statements, and the parties with their parts."""
        number, made, ids = 0, [], dict[tuple[str, int], str]()
        for key in self._order:
            rows = self._sections.get(key)
            if not rows:
                continue
            numbered = []
            for place, row in enumerate(rows):
                number += 1
                ids[key, place] = f"s{number}"
                numbered.append(replace(row, id=f"s{number}"))
            made.append(Section(key, tuple(numbered)))
        parties = [
            Party(
                ref,
                self._bench.name(ref) or self._bench.units.get(ref, ""),
                self._bench.kind(ref),
                tuple(dict.fromkeys((role, ids[section, place]) for section, place, role in parts)),
                self._bench.units.get(ref, ""),
            )
            for ref, parts in self._parts.items()
        ]
        return tuple(made), tuple(sorted(parties, key=lambda party: int(party.parts[0][1][1:])))


def compose(bench: Bench, kind: SubjectKind, given: str, *, as_of_ns: int | None = None) -> Dossier:
    """Make the dossier of a subject.

    Args:
        bench: the home, and for whom.
        kind, given: the subject; ids of things in the log may be cut short.
        as_of_ns: leave out what was observed after this instant [ns, UTC]; acts of governance are all there.
    Raises:
        InputError: no such subject. IntegrityError: something kept has been changed.
    """
    subject = resolve(bench, kind, given)
    service = service_of(bench, subject, until_ns=as_of_ns) if kind is SubjectKind.TERMINAL else None
    every = acts(bench)
    also = (*service.proposals, *(each.request.id for each in appeals_of(bench, subject))) if service else ()
    gathered = gather(bench, every, kind, subject, also=also)
    changed = () if service is not None else tuple(changed_answers(bench, gathered.proposals))
    rules_said = tuple(findings.about_rules(bench, gathered.proposals))
    sheet = Sheet(bench, kind)
    for act in gathered.acts:
        _write(sheet, act)
    _find(bench, sheet, gathered)
    if service is not None:
        _serve(bench, sheet, service)
        _own(bench, sheet, subject, service)
    else:
        _change(bench, sheet, changed)
    for id_, said in rules_said:
        rule = Source("rule", str(said.phrase.values["rule"]))
        sheet.write("findings", said, (*sheet.entry(bench.state.proposals[id_].index), rule), (id_,))
    outside = outside_reports(bench, _refs(kind, subject, gathered, service))
    for said, report, claim in outside.said:
        sheet.write("reports", said, (Source("report", report_ref(report, claim)),), (report,))
    _unknown(bench, sheet, gathered, service)
    sections, parties = sheet.finished()
    rules = tuple(_rules(bench, gathered)) if service is None else service.rules
    return Dossier(
        kind,
        subject,
        _title(bench, kind, subject),
        bench.now_ns,
        bench.reader,
        bench.home.id,
        bench.head,
        tuple(_summary(bench, gathered, service, outside, sections, (*rules_said, *changed))),
        sections,
        as_of_ns,
        parties,
        rules,
        () if service is None else tuple(_numbered(service.rows, sections)),
        outside.numbered(each for section in sections for each in section.statements),
        (),
        tuple(_areas(bench, kind, subject, gathered)) if service is None else service.areas,
        () if service is None else service.track,
        invented=_invented(bench),
    )


def _invented(bench: Bench) -> bool:
    """Tell whether the operator itself is marked as invented: then the whole case is."""
    try:
        return rulebook_of(bench.home).operator.endswith(INVENTED)
    except StoreError:
        return False


def _areas(bench: Bench, kind: SubjectKind, subject: str, gathered: Gathered) -> Iterator[AreaVersion]:
    """Areas that the acts name, as they are now: so that they are called by their names, and drawn."""
    named = {ref.partition("/")[2] for act in gathered.acts for ref in act.refs if ref.startswith("area/")}
    named |= {subject} if kind is SubjectKind.AREA else set()
    if not named:
        return
    with suppress(StoreError):
        found = [each for each in load_areas(bench.home, current_areas_digest(bench.home))[0].areas if each.id in named]
        yield from (area_version(each) for each in found[:MAX_AREAS] if each.kind != "land")


def _refs(kind: SubjectKind, subject: str, gathered: Gathered, service: Service | None) -> set[str]:
    """What outside reports may be linked to that bears on the subject."""
    refs = {f"contact:{each}" for each in gathered.contacts} | {f"party:{each}" for each in gathered.persons}
    if kind in (SubjectKind.AREA, SubjectKind.TERMINAL):
        refs.add(f"{kind.value}:{subject}")
    if service is not None:
        refs |= {f"rule:{rule.rule}" for rule in service.rules}
    return refs


def _title(bench: Bench, kind: SubjectKind, subject: str) -> str:
    if kind is SubjectKind.PERSON:
        return bench.name(subject) or subject
    return subject[:16] if kind is SubjectKind.CHANGE else subject


def _write(sheet: Sheet, act: Act) -> None:
    for place, said in enumerate(act.said):
        sheet.write(_SECTION_OF[act.kind], said, sheet.entry(act.index), (act.id, *act.refs), act.parts if place == 0 else ())


def _find(bench: Bench, sheet: Sheet, gathered: Gathered) -> None:
    state = bench.state
    for id_, said, parts in findings.about_proposals(bench, gathered):
        sheet.write("findings", said, sheet.entry(state.proposals[id_].index), (id_,), parts)
    for id_, said in findings.about_requests(bench, gathered):
        sheet.write("findings", said, sheet.entry(state.requests[id_].index), (id_,))
    for id_, said in findings.about_contacts(bench, gathered):
        index = said.phrase.values.get("index")
        more = sheet.entry(index) if isinstance(index, int) else ()
        sheet.write("findings", said, (*sheet.entry(state.contacts[id_].index), *more), (id_,))


def _serve(bench: Bench, sheet: Sheet, service: Service) -> None:
    for said in service.said:
        sheet.write("registered", said, (Source("register", f"revision:{said.phrase.values['revision']}"),))
    for row in service.rows:
        values: dict[str, Value] = {
            "outcome": f"code:{row.outcome}",
            "state": f"code:state_{row.state}",
            "rule": row.rule,
            "reasons": f"reason:{row.reasons[0]}" if row.reasons else None,
            "areas": ", ".join(row.areas),
            "count": row.count,
            "from": format_instant(row.first_ns),
            "to": format_instant(row.last_ns),
            "rulebook": row.rulebook.removeprefix("sha256:"),
        }
        times = Times(observed_at_ns=row.first_ns, decided_at_ns=row.decided_ns, recorded_at_ns=row.logged_ns)
        said = Said(Phrase("answered" if row.count > 1 else "answered_once", values), Standing.RECORDED, times)
        sheet.write("service", said, (Source("receipt", f"run:{row.run}"),), row.areas)
    for said in service.why:
        sheet.write("why", said, (Source("rule", str(said.phrase.values.get("rule") or "decision")),))
    decisions = (Source("receipt", "decisions"),)
    for run, said in findings.judged_times(service.rows):
        sheet.write("findings", said, (Source("receipt", f"run:{run}"),))
    for said in beside(bench, service.rows, service.protected):
        sheet.write("findings", said, decisions)
    for said in (*findings.about_track(service.rows), *findings.younger(bench, service.rows), *others(bench, service.rows)):
        sheet.write("findings", said, decisions)
    for id_, said in findings.about_changes(bench, service.rows):
        sheet.write("findings", said, (*sheet.entry(bench.state.proposals[id_].index), *decisions), (id_,))
    for id_, said in findings.not_the_cause(bench, service.rows, service.proposals):
        sheet.write("findings", said, (*sheet.entry(bench.state.proposals[id_].index), *decisions), (id_,))


def _own(bench: Bench, sheet: Sheet, terminal_id: str, service: Service) -> None:
    for index, (said, sources, about) in owners_way(bench, terminal_id, service.rows):
        sheet.write("appeal", said, (*(() if index is None else sheet.entry(index)), *sources), about)


def _change(bench: Bench, sheet: Sheet, changed: Iterable[tuple[str, Said]]) -> None:
    for id_, said in changed:
        sheet.write("findings", said, (*sheet.entry(bench.state.proposals[id_].index), Source("receipt", "decisions")), (id_,))


def _numbered(rows: tuple[DecisionRow, ...], sections: tuple[Section, ...]) -> Iterator[DecisionRow]:
    """Stretches of answers, each with the id of the statement that tells of it; the section has one for each, in their order."""
    told = next((section.statements for section in sections if section.key == "service"), ())
    for row, each in zip(rows, told, strict=True):
        yield replace(row, statement=each.id)


def _unknown(bench: Bench, sheet: Sheet, gathered: Gathered, service: Service | None) -> None:
    """What was asked and nothing here answers."""
    state = bench.state

    def ask(key: str, **values: Value) -> None:
        sheet.write("unknown", Said(Phrase(key, values), Standing.UNKNOWN))

    for party in sorted(gathered.persons):
        if not bench.name(party) and party not in bench.units:
            ask("unknown_name", who=party)
    for id_ in sorted(gathered.contacts):
        if state.contacts[id_].allegation:
            ask("unknown_contact_true", contact=id_)
            ask("unknown_contact_said", contact=id_)
    if not gathered.requests and (gathered.proposals or service):
        ask("unknown_requester")
    if service is not None and service.refused and not gathered.proposals:
        ask("unknown_rule_origin")
    if service is not None:
        for _, said in not_approved(bench, service.rows):
            sheet.write("unknown", said)
        # Whose answer a change altered may be who asked for it; whose it left as it was cannot.
        altered = any(said.phrase.key == "change_other" for _, said in findings.about_changes(bench, service.rows))
        if service.holder and altered:
            asking = {bench.of(state.requests[each].request.requester) for each in gathered.requests}
            appealing = {bench.of(each.request.requester) for each in appeals_of(bench, gathered.id)}
            for party in sorted(asking - appealing - {service.holder}):
                ask("unknown_holder", holder=service.holder, who=party)
        ask("unknown_measured")
    if bench.log is None:
        ask("unknown_no_log")
    ask("unknown_unrecorded")


def _rules(bench: Bench, gathered: Gathered) -> Iterator[RuleText]:
    """Rules that a change brought or took away: those whose text differs between the rulebooks before and after."""
    for before, after in pairwise(reigns(bench.home)):
        if after.brought_by not in gathered.proposals:
            continue
        old, new = rulebook_of(bench.home, before.rulebook), rulebook_of(bench.home, after.rulebook)
        for rule_id in dict.fromkeys((*(rule.id for rule in old.rules), *(rule.id for rule in new.rules))):
            texts = rule_text(old, rule_id, before), rule_text(new, rule_id, after)
            if (texts[0] and texts[0].text) != (texts[1] and texts[1].text):
                yield from (each for each in texts if each is not None)


# --- the summary ------------------------------------------------------------------------------------------------------


def _summary(
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
        yield Said(Phrase("sum_contact_status", {"status": f"code:status_{logged.status}"}), Standing.RECORDED), sheet.entry(logged.index)
        number = sum(contact == id_ for contact, *_ in gathered.meanwhile)
        if number:
            yield Said(Phrase("sum_meanwhile", {"number": number}), Standing.INFERENCE), sheet.entry(logged.index)
    if gathered.contacts:
        # Whoever reads of an accusation reads in the same place who denies it, and who said nothing.
        persons = {bench.of(bench.state.contacts[each].contact.covered_person) for each in gathered.contacts}
        for act in gathered.acts:
            if act.kind == "approval" and any(said.phrase.key == "approval_no_conflict" for said in act.said):
                stated = [said for said in act.said if said.phrase.key == "approval_no_conflict"]
                yield from ((said, sheet.entry(act.index)) for said in stated if said.phrase.values["who"] in persons)
        against = [each for each in outside.said if each[2] and each[0].phrase.key in AGAINST]
        for said, report, claim in sorted(against, key=lambda each: AGAINST.index(each[0].phrase.key))[:MAX_AGAINST]:
            yield said, (Source("report", report_ref(report, claim)),)


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
        yield Said(Phrase(f"sum_{each.approval.verdict}", {"who": person}), Standing.RECORDED), sheet.entry(each.index)
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
            "reason": f"reason:{row.reasons[0]}" if row.reasons else None,
        }
        yield Said(Phrase("sum_answer", values), Standing.RECORDED), (Source("receipt", f"run:{row.run}"),)
        if (each := decided.get(format_instant(row.last_ns))) is not None:
            yield each, (Source("rule", str(each.phrase.values["rule"])),)
        if row in unknown:
            yield unknown[row], ()
    for each in findings.younger(bench, service.rows):
        yield each, (Source("receipt", "decisions"),)
    for id_, each in findings.about_changes(bench, service.rows):
        yield each, (*sheet.entry(bench.state.proposals[id_].index), Source("receipt", "decisions"))
    values = {"number": service.decisions, "refused": sum(row.count for row in service.refused)}
    yield Said(Phrase("sum_decisions", values), Standing.RECORDED), (Source("receipt", "decisions"),)


__all__ = ["Reader", "compose"]
