"""What follows from the acts taken together: delays, silence, contradictions and gaps. Each is an inference by a stated rule.

- told and acted: a contact or request was received on one day, and recorded or answered on another;
- silence: members of the deciding role who neither approved nor rejected before it ended;
- not counted: verdicts that did not count, and why;
- contradiction: a statement of no conflict beside a contact on record; a claim that its subject disputes;
- gap: concerned parties that nobody screened; hours in which nothing was observed;
- younger: an answer about what was observed before its rulebook was in force; a preview that the answers did not bear out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import pairwise

from groundrule.evidence.dossier import DecisionRow, Phrase, Standing, Times, Value
from groundrule.govern.contacts import concerned
from groundrule.govern.objects import Approval
from groundrule.govern.quorum import judge
from groundrule.instant import format_instant
from groundrule.pipeline.dossiers.acts import NS_PER_HOUR, Said
from groundrule.pipeline.dossiers.bench import Bench
from groundrule.pipeline.dossiers.gather import Gathered
from groundrule.pipeline.dossiers.reigns import GENESIS, reigns
from groundrule.pipeline.home import rulebook_of
from groundrule.records import OUTCOME_WORDS
from groundrule.rules.model import All, Rule
from groundrule.rules.wording import describe

SILENT_HOURS = 6
"""Hours without an observation from which on a gap is flagged."""
_DAY_NS = 24 * NS_PER_HOUR
MAX_RUNS = 20


def inferred(key: str, values: dict[str, Value], *flags: str, at_ns: int | None = None) -> Said:
    """Return an inference."""
    return Said(Phrase(key, values), Standing.INFERENCE, Times(recorded_at_ns=at_ns), flags)


def about_proposals(bench: Bench, gathered: Gathered) -> Iterator[tuple[str, Said, tuple[tuple[str, str], ...]]]:
    """Yield (proposal, sentence, parts) about who did not count, who said nothing, and what contradicts what."""
    state = bench.state
    for id_ in sorted(gathered.proposals, key=lambda each: state.proposals[each].index):
        logged = state.proposals[id_]
        enacted = next((each for each in state.enactments if each.enactment.proposal_digest == id_), None)
        then = state if enacted is None else state.as_of(enacted.index)
        at_ns = bench.now_ns if enacted is None else enacted.enactment.enacted_at
        judged = judge(then, id_, at_ns=at_ns, lists=then.newest_lists)
        carried = {bench.of(each) for each in _carriers(bench, logged.proposal.requests)}
        for person, why in sorted(judged.excluded.items()):
            # Whoever only carried a request does not stand behind it.
            because = "code:excluded_conveyed" if why == "principal" and person in carried else f"code:excluded_{why}"
            said = inferred("not_counted", {"who": person, "why": because, "proposal": id_[:16]}, at_ns=at_ns)
            yield id_, said, ((person, "excluded"),)
        if enacted is None:
            for why in ([judged.missing] if judged.missing else []) + [block.sentence for block in judged.blocks]:
                values: dict[str, Value] = {"proposal": id_[:16], "why": why}
                yield id_, inferred("not_enacted_because", values, at_ns=at_ns), ()
        if enacted is not None or state.ended(id_, bench.now_ns):
            charter = state.charters[max(index for index in state.charters if index <= logged.index)]
            role = charter.change_class(logged.proposal.class_).role
            spoke = {each.approval.person for each in state.approvals.get(id_, ())} | {logged.proposal.author}
            # Who does not count because of a contact is listed like all others: left out here it would show who that is.
            apart = {person for person, why in judged.excluded.items() if why != "contact"}
            for person in sorted(set(charter.role(role).persons.values()) - spoke - apart):
                values = {"who": person, "role": f"code:role_{role}", "proposal": id_[:16]}
                yield id_, inferred("said_nothing", values, at_ns=at_ns), ((person, "abstained"),)
        for approval in state.approvals.get(id_, ()):
            yield from ((id_, each, ()) for each in _unsaid(bench, id_, approval.approval))


def _carriers(bench: Bench, requests: Iterable[str]) -> Iterator[str]:
    """Who conveyed some requests and is not said to stand behind them."""
    for each in requests:
        logged = bench.state.requests.get(each)
        if logged is not None and logged.request.conveyed_by and logged.request.conveyed_by not in logged.request.on_behalf_of:
            yield logged.request.conveyed_by


def _unsaid(bench: Bench, proposal_id: str, approval: Approval) -> Iterator[Said]:
    """Contacts on record with a concerned party that an approver's statement did not name."""
    state, person, stated = bench.state, approval.person, approval.conflict_statement
    logged = state.proposals[proposal_id]
    outside = {bench.of(each) for each in concerned(state, logged.proposal)}
    for id_, contact in state.contacts.items():
        if id_ in stated or bench.of(contact.contact.covered_person) != person:
            continue
        began = contact.contact.occurred_from
        if bench.of(contact.contact.counterparty) in outside and (began is None or began <= logged.t_ns):
            values: dict[str, Value] = {
                "who": person,
                "contact": id_,
                "proposal": proposal_id[:16],
                "other": bench.of(contact.contact.counterparty),
                "signed": format_instant(approval.signed_at),
                "recorded": format_instant(contact.t_ns),
            }
            # What somebody alleges refutes no statement.
            key, flags = ("statement_against_claim", ()) if contact.allegation else ("statement_against_contact", ("contradiction",))
            yield inferred(key, values, *flags, at_ns=contact.t_ns)


def about_requests(bench: Bench, gathered: Gathered) -> Iterator[tuple[str, Said]]:
    """Yield (request, sentence) about delays and missing screenings."""
    state = bench.state
    for id_ in sorted(gathered.requests, key=lambda each: state.requests[each].index):
        logged = state.requests[id_]
        request = logged.request
        if logged.outcomes:
            days = (logged.outcomes[-1].at - request.received_at) // _DAY_NS
            values: dict[str, Value] = {
                "received": format_instant(request.received_at),
                "answered": format_instant(logged.outcomes[-1].at),
                "days": days,
            }
            yield id_, inferred("told_and_answered", values, at_ns=logged.t_ns)
        # Whoever appeals asks for nothing that a sanctions list could forbid, and stands there by an id for this appeal alone.
        asking = set() if request.appeal_of else {bench.of(request.requester), *map(bench.of, request.chain)}
        for party in sorted(asking):
            if not state.screened(party):
                yield id_, inferred("never_screened", {"who": party}, "gap", at_ns=logged.t_ns)


def about_contacts(bench: Bench, gathered: Gathered) -> Iterator[tuple[str, Said]]:
    """Yield (contact, sentence) about decisions taken before it came to light, and about dispute."""
    state = bench.state
    for contact, index, act, of, touches in gathered.meanwhile:
        if state.contacts[contact].allegation:
            key = "decided_meanwhile_alleged_near" if touches else "decided_meanwhile_alleged"
        else:
            key = "decided_meanwhile_near" if touches else "decided_meanwhile"
        values: dict[str, Value] = {"act": f"code:meanwhile_{act}", "of": of[:16] if len(of) == 64 else of, "index": index}
        flags = ("touches",) if touches else ()
        yield contact, inferred(key, values, *flags, at_ns=state.time_of(index))
    for id_ in sorted(gathered.contacts):
        logged = state.contacts[id_]
        if logged.status == "disputed":
            yield id_, inferred("contact_stands_disputed", {}, "contradiction", at_ns=logged.updates[-1].at)
        if logged.allegation:
            yield id_, inferred("contact_not_vouched", {}, at_ns=logged.t_ns)


def about_track(rows: tuple[DecisionRow, ...]) -> Iterator[Said]:
    """Yield sentences about changes of the answer and hours without an observation."""
    for before, after in pairwise(rows):
        hours = (after.first_ns - before.last_ns) // NS_PER_HOUR
        at = Times(observed_at_ns=after.first_ns)
        if before.outcome != after.outcome:
            values: dict[str, Value] = {
                "before": f"code:{before.outcome}",
                "after": f"code:{after.outcome}",
                "old": before.rule,
                "new": after.rule,
                "at": format_instant(after.first_ns),
            }
            yield Said(Phrase("answer_changed", values), Standing.INFERENCE, at)
        if hours >= SILENT_HOURS:
            values = {"hours": hours, "since": format_instant(before.last_ns)}
            yield Said(Phrase("nothing_observed", values), Standing.INFERENCE, at, ("gap",))


def younger(bench: Bench, rows: tuple[DecisionRow, ...]) -> Iterator[Said]:
    """Yield a sentence for each rulebook that answered observations older than its own coming into force."""
    held = {each.rulebook: each for each in reigns(bench.home)}
    for book in dict.fromkeys(row.rulebook for row in rows):
        reign = held.get(book)
        if reign is None or reign.from_ns is None:
            continue
        late = [row for row in rows if row.rulebook == book and row.first_ns < reign.from_ns]
        if not late:
            continue
        values: dict[str, Value] = {
            "rulebook": book.removeprefix("sha256:"),
            "since": format_instant(reign.from_ns),
            "from": format_instant(late[0].first_ns),
            "to": format_instant(min(late[-1].last_ns, reign.from_ns - 1)),
            "decided": None if late[-1].decided_ns is None else format_instant(late[-1].decided_ns),
        }
        times = Times(observed_at_ns=late[0].first_ns, decided_at_ns=late[-1].decided_ns, recorded_at_ns=late[-1].logged_ns)
        yield Said(Phrase("rule_younger", values), Standing.INFERENCE, times, ("younger",))


def judged_times(rows: tuple[DecisionRow, ...]) -> Iterator[tuple[int, Said]]:
    """Yield (run, sentence) about when a run computed its answers, which is not the time that a receipt calls `decided_at`."""
    for run in list(dict.fromkeys(row.run for row in rows))[-MAX_RUNS:]:
        mine = [row for row in rows if row.run == run and row.decided_ns is not None]
        if mine:
            first, last, decided = mine[0].first_ns, mine[-1].last_ns, mine[-1].decided_ns or 0
            values: dict[str, Value] = {"from": format_instant(first), "to": format_instant(last), "decided": format_instant(decided)}
            times = Times(observed_at_ns=first, decided_at_ns=decided, recorded_at_ns=mine[-1].logged_ns)
            yield run, Said(Phrase("judged_at", values), Standing.INFERENCE, times)


def not_the_cause(bench: Bench, rows: tuple[DecisionRow, ...], proposals: frozenset[str]) -> Iterator[tuple[str, Said]]:
    """Yield (proposal, sentence) for each change after which a terminal was denied by the same rule as before it."""
    for before, after in pairwise(reigns(bench.home)):
        old = next((row for row in reversed(rows) if row.rulebook == before.rulebook), None)
        new = next((row for row in reversed(rows) if row.rulebook == after.rulebook), None)
        if old is None or new is None or after.brought_by not in proposals:
            continue
        if old.outcome == new.outcome == "deny" and old.rule == new.rule:
            yield after.brought_by, inferred("change_not_cause", {"proposal": after.brought_by[:16], "rule": new.rule})


def about_rules(bench: Bench, proposals: frozenset[str]) -> Iterator[tuple[str, Said]]:
    """Yield (proposal, sentence) about what a change does to each rule that it rewords, in the words of the conditions."""
    for before, after in pairwise(reigns(bench.home)):
        if after.brought_by not in proposals:
            continue
        old = {rule.id: rule for rule in rulebook_of(bench.home, before.rulebook).rules}
        for rule in rulebook_of(bench.home, after.rulebook).rules:
            was = old.get(rule.id)
            if was is None or was == rule:
                continue
            values: dict[str, Value] = {"proposal": after.brought_by[:16], "rule": rule.id}
            more = [each for each in rule.unless if each not in was.unless]
            bare = plain_rule(replace(was, unless=()))
            if more and replace(was, unless=rule.unless) == rule and not [each for each in was.unless if each not in rule.unless]:
                values |= {"exempt": " or ".join(describe(each, nested=True) for each in more), "limit": bare}
                yield after.brought_by, inferred("rule_exempts", values)
            elif plain_rule(was) != plain_rule(rule):
                values |= {"before": plain_rule(was), "after": plain_rule(rule)}
                yield after.brought_by, inferred("rule_altered", values)


def about_changes(bench: Bench, rows: tuple[DecisionRow, ...]) -> Iterator[tuple[str, Said]]:
    """Yield (proposal, sentence) about whether a terminal was answered otherwise under a change than under what was before."""
    for before, after in pairwise(reigns(bench.home)):
        old = next((row for row in reversed(rows) if row.rulebook == before.rulebook), None)
        new = next((row for row in reversed(rows) if row.rulebook == after.rulebook), None)
        logged = bench.state.proposals.get(after.brought_by)
        if old is None or new is None or logged is None or after.brought_by == GENESIS:
            continue
        if (key := _rule_before(bench, before.rulebook, after.rulebook, new.rule)) is not None:
            yield after.brought_by, inferred(key, {"rule": new.rule, "proposal": after.brought_by[:16]}, at_ns=logged.t_ns)
        same = (old.outcome, old.rule) == (new.outcome, new.rule)
        values: dict[str, Value] = {"proposal": after.brought_by[:16], "before": f"code:{old.outcome}", "old": old.rule}
        if not same:
            values |= {"after": f"code:{new.outcome}", "new": new.rule}
        yield after.brought_by, inferred("change_same" if same else "change_other", values, at_ns=logged.t_ns)
        counts = logged.impact.counts
        moved = any(before_ != after_ and sum(cells.values()) for before_, row in counts.items() for after_, cells in row.items())
        if old.outcome != new.outcome and not moved:
            values = {"proposal": after.brought_by[:16], "before": f"code:{old.outcome}", "after": f"code:{new.outcome}"}
            yield after.brought_by, inferred("preview_differs", values, "contradiction", at_ns=logged.t_ns)


def _rule_before(bench: Bench, before: str, after: str, rule_id: str) -> str | None:
    """Whether a change brought a rule, or found it there: a rule that decides under a change need not come from it."""
    old, new = (
        next((rule for rule in rulebook_of(bench.home, book).rules if rule.id == rule_id), None) for book in (before, after)
    )
    if new is None:
        return None
    return "rule_brought" if old is None else "rule_kept" if old == new else "rule_reworded"


def plain_rule(rule: Rule) -> str:
    """Return the conditions of a rule and its exceptions in words."""
    parts = [describe(each, nested=True) for each in (rule.where, rule.who, rule.what) if each != All(())]
    said = f"{OUTCOME_WORDS[rule.outcome]} {' and '.join(parts) or 'always'}"
    return f"{said}; except {' or '.join(describe(each, nested=True) for each in rule.unless)}" if rule.unless else said
