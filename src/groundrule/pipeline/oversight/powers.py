"""Answers from what was decided by persons: policies, changes, emergencies, reviews, refused acts, and the log itself."""

from __future__ import annotations

from collections import Counter
from functools import partial

from groundrule.evidence.dossier import Standing
from groundrule.evidence.oversight import Answer
from groundrule.govern.appeals import is_appeal
from groundrule.govern.effect import effects
from groundrule.govern.emergency import active, overdue_reviews
from groundrule.instant import NS_PER_DAY, format_instant
from groundrule.pipeline.oversight.dealings import overdue_requests
from groundrule.pipeline.oversight.sheet import Desk, Draft, not_answered

WINDOW_DAYS = 30


def _none(desk: Desk, question: str) -> Answer | None:
    if desk.bench.log is None:
        return not_answered(question, "no_log", "log")
    return None if desk.governed else not_answered(question, "no_charter", "charter")


def policies_in_force(desk: Desk) -> list[tuple[int, str, str, int]]:
    """Return (since, policy digest, class, entry) of everything that was in force at some time of the interval."""
    state = desk.log.state
    if not state.charters:
        return []
    first = min(state.charters)
    steps = [(state.began_ns, state.charters[first].policy_digest or "", "charter", first)]
    for each in state.enactments:
        class_ = state.proposals[each.enactment.proposal_digest].proposal.class_
        steps.append((each.enactment.enacted_at, each.enactment.policy_digest_after, class_, each.index))
    begun = [number for number, step in enumerate(steps) if step[0] <= desk.from_ns]
    return [step for step in steps[begun[-1] if begun else 0 :] if step[0] < desk.until_ns]


def changes(desk: Desk) -> Answer:
    """Changes that came into force: class, quorum, and how many stood behind each."""
    if (none := _none(desk, "changes")) is not None:
        return none
    state = desk.log.state
    draft = Draft("changes", "how_changes", sources=desk.log.sources("enactment", "proposal", "approval"))
    done = [each for each in state.enactments if desk.inside(each.t_ns)]
    proposed = [each for each in state.proposals.values() if desk.inside(each.t_ns)]
    draft.figure("enacted", len(done), "changes", open_=True)
    draft.figure("proposed", len(proposed), "changes", open_=True)
    draft.figure("without_request", sum(not state.proposals[each.enactment.proposal_digest].proposal.requests for each in done), "changes",
                 open_=True)  # fmt: skip
    draft.figure("touching_protected", sum(bool(state.proposals[each.enactment.proposal_digest].impact.protected_changed) for each in done),
                 "changes", open_=True)  # fmt: skip
    rows: dict[str, list[int]] = {}
    for each in done:
        proposal = state.proposals[each.enactment.proposal_digest].proposal
        rows.setdefault(proposal.class_, []).append(len(each.enactment.approvals))
    table = []
    for class_, approvals in sorted(rows.items()):
        charter = state.charter
        assert charter is not None
        rule = charter.change_class(class_)
        table.append((class_, len(approvals), rule.role, rule.min_persons, min(approvals), max(approvals)))
    draft.table("by_class", ("class", "number", "role", "fewest_asked", "fewest_given", "most_given"), table, open_=True)
    verdicts = Counter(
        each.approval.verdict for some in state.approvals.values() for each in some if desk.inside(each.t_ns)
    )
    draft.table("verdicts", ("verdict", "number"), sorted(verdicts.items()), open_=True)
    return draft.finished()


def emergencies(desk: Desk) -> Answer:
    """Emergencies: how many, how many in any 30 days, how long, and whether they were reviewed."""
    if (none := _none(desk, "emergencies")) is not None:
        return none
    state = desk.log.state
    found = [each for each in state.emergencies.values() if desk.inside(each.t_ns)]
    draft = Draft("emergencies", "how_emergencies", sources=desk.log.sources("emergency-open", "emergency-close", "review"))
    write = partial(draft.figure, unit="emergencies", open_=True)
    write("opened", len(found))
    write("renewals", sum(each.emergency.renewal_of is not None for each in found))
    opened = sorted(each.emergency.opened_at for each in found)
    busiest = max((sum(at <= other < at + WINDOW_DAYS * NS_PER_DAY for other in opened) for at in opened), default=0)
    write("most_in_30_days", busiest, standing=Standing.INFERENCE)
    write("active_at_end", len(active(state, desk.until_ns)))
    draft.count("by_direction", "direction", (each.emergency.direction for each in found), open_=True)
    ids = {each.emergency.id for each in found}
    lasted = [min(each.until_ns, desk.until_ns) - each.from_ns for each in effects(state) if each.emergency.id in ids]
    draft.seconds("lasted", lasted, open_=True)
    concluded = {each.emergency.id: state.concluded_at(each.emergency.id) for each in found}
    in_time = sum((at := concluded[each.emergency.id]) is not None and at <= each.emergency.review_due for each in found)
    write("reviewed_in_time", in_time)
    write("reviewed_late", sum(at is not None for at in concluded.values()) - in_time)
    write("not_reviewed", sum(at is None for at in concluded.values()))
    verdicts = (verdict for id_ in concluded if (verdict := state.verdict_on(id_)) is not None)
    draft.count("verdicts", "verdict", verdicts, open_=True)
    return draft.finished()


def overdue(desk: Desk) -> Answer:
    """What was overdue when the interval ended."""
    if (none := _none(desk, "overdue")) is not None:
        return none
    state = desk.log.state
    late = overdue_requests(desk)
    reviews = overdue_reviews(state, desk.until_ns)
    draft = Draft("overdue", "how_overdue", sources=desk.log.sources("request", "review"))
    draft.figure("reviews", len(reviews), "reviews", open_=True)
    draft.figure("requests", sum(not is_appeal(state.requests[each].request) for each in late), "requests", open_=True)
    draft.figure("appeals", sum(is_appeal(state.requests[each].request) for each in late), "appeals", open_=True)
    draft.figure("re_reviews", sum(bool(each) for each in state.re_reviews().values()), "contacts")
    draft.table("overdue_reviews", ("review",), ((each,) for each in reviews))
    draft.table("overdue_requests", ("request", "logged"), ((each, format_instant(state.requests[each].t_ns)) for each in late))
    return draft.finished()


def refused_acts(desk: Desk) -> Answer:
    """Acts that were refused, and entries that have no effect."""
    if (none := _none(desk, "refused_acts")) is not None:
        return none
    state = desk.log.state
    wanted = set(desk.log.indexes.get("rejection", ()))
    bodies = [each.body for each in state.entries if each.index in wanted]
    draft = Draft("refused_acts", "how_refused_acts", sources=desk.log.sources("rejection"))
    draft.figure("refused", len(bodies), "acts", open_=True)
    draft.count("by_code", "code", (str(each.get("code")) for each in bodies), open_=True)
    times = {each.index: each.t_ns for each in state.entries}
    # Whoever does not know the parties behind commitments cannot judge each entry, so an outsider may count otherwise.
    draft.figure("without_effect", sum(desk.inside(times.get(each.index, -1)) for each in state.violations), "entries")
    return draft.finished()


def ledger(desk: Desk) -> Answer:
    """How the log was kept."""
    if desk.bench.log is None:
        return not_answered("ledger", "no_log", "log")
    log = desk.log
    draft = Draft("ledger", "how_ledger", cautions=("silence_no_proof",))
    draft.figure("size", log.head.size, "entries", open_=True)
    draft.figure("added", sum(log.kinds.values()), "entries", open_=True)
    draft.table("by_kind", ("entry_kind", "number"), log.kinds.items(), open_=True)
    if log.began_ns is None:
        draft.gap("log_empty", "log")
        return draft.finished()
    draft.figure("minutes", log.minutes, "minutes", open_=True)
    draft.figure("minutes_silent", log.silent, "minutes", open_=True, standing=Standing.INFERENCE)
    draft.figure("findings", len(log.findings), "findings", open_=True, standing=Standing.INFERENCE)
    draft.count("findings_by_kind", "finding", (each.kind for each in log.findings), open_=True)
    if log.began_ns > desk.from_ns:
        draft.gap("log_younger", "log_earlier", format_instant(log.began_ns))
    return draft.finished()


