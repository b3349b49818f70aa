"""From what was gathered to a dossier: sections in the order in which a stranger asks, a summary, and who did what.

Nothing is chosen to fit a story: every act that was gathered is in a section, and what is not known is a section of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise

from groundrule.errors import StoreError
from groundrule.evidence.dossier import (
    AreaVersion,
    DecisionRow,
    Dossier,
    Phrase,
    Reader,
    RuleText,
    Section,
    Source,
    Standing,
    SubjectKind,
    Times,
    Value,
)
from groundrule.instant import format_instant
from groundrule.pipeline.dossiers import findings
from groundrule.pipeline.dossiers.acts import Act, Said, acts
from groundrule.pipeline.dossiers.bench import Bench
from groundrule.pipeline.dossiers.changed import changed_answers
from groundrule.pipeline.dossiers.gather import Gathered, gather, resolve
from groundrule.pipeline.dossiers.others import beside, others
from groundrule.pipeline.dossiers.outside import outside_reports, report_ref
from groundrule.pipeline.dossiers.owner import appeals_of, owners_way
from groundrule.pipeline.dossiers.reigns import reigns
from groundrule.pipeline.dossiers.service import Service, area_version, rule_text, service_of
from groundrule.pipeline.dossiers.sheet import Sheet
from groundrule.pipeline.dossiers.summary import summary
from groundrule.pipeline.dossiers.why import answered_later, not_approved, reason_of
from groundrule.pipeline.home import rulebook_of
from groundrule.store.area_store import current_areas_digest, load_areas

_SECTION_OF = {
    "request": "asked", "outcome": "asked", "screening": "screened", "proposal": "decided", "approval": "decided",
    "enactment": "decided", "rejection": "decided", "charter": "decided", "violation": "decided", "contact": "contacts",
    "contact_update": "contacts", "nil_return": "contacts", "review": "reviews", "conclusion": "reviews",
    "emergency": "emergencies", "emergency_close": "emergencies",
}  # fmt: skip


MAX_AREAS = 20
INVENTED = "(invented)"


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
        tuple(summary(bench, gathered, service, outside, sections, (*rules_said, *changed))),
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
    section = "appeal" if act.said and act.said[0].phrase.key == "appeal_received" else _SECTION_OF[act.kind]
    for place, said in enumerate(act.said):
        sheet.write(section, said, sheet.entry(act.index), (act.id, *act.refs), act.parts if place == 0 else ())


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
            "reasons": reason_of(row),
            "areas": ", ".join(row.areas),
            "count": row.count,
            "from": format_instant(row.first_ns),
            "to": format_instant(row.last_ns),
            "rulebook": row.rulebook.removeprefix("sha256:"),
        }
        times = Times(observed_at_ns=row.first_ns, decided_at_ns=row.decided_ns, recorded_at_ns=row.logged_ns)
        key = "answered" if row.count > 1 else "answered_once"
        if answered_later(row):
            key, values["decided"] = f"{key}_later", format_instant(row.decided_ns or 0)
        said = Said(Phrase(key, values), Standing.RECORDED, times)
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
    for said in service.measured:
        sheet.write("findings", said, decisions)
    for id_, said in findings.about_changes(bench, service.rows):
        sheet.write("findings", said, (*sheet.entry(bench.state.proposals[id_].index), *decisions), (id_,))
    for id_, said, sources in service.without:
        section = "unknown" if said.standing is Standing.UNKNOWN else "findings"
        sheet.write(section, said, (*sheet.entry(bench.state.proposals[id_].index), *sources) if sources else (), (id_,))
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
        if service.holder and not bench.state.screened(service.holder):
            ask("holder_not_screened", holder=service.holder)
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


__all__ = ["Reader", "compose"]
