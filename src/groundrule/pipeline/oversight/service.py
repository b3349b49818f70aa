"""Answers from what was decided about terminals: found, disabled, how fast, at what cost to others, and what was an outage."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from groundrule.errors import GroundruleError
from groundrule.evidence.dossier import Source, Standing
from groundrule.evidence.oversight import Answer
from groundrule.instant import format_instant
from groundrule.pipeline.home import rulebook_of
from groundrule.pipeline.oversight.counts import ELSEWHERE, NOT_TOLD, IntervalCounts
from groundrule.pipeline.oversight.dealings import asked_to_deny, upheld
from groundrule.pipeline.oversight.fleet import Fleet, count_tags
from groundrule.pipeline.oversight.powers import policies_in_force
from groundrule.pipeline.oversight.sheet import Desk, Draft, not_answered, quantiles
from groundrule.reasons import CATALOGUE
from groundrule.records import ServiceState
from groundrule.rules.model import (
    All,
    AnyOf,
    Compare,
    Condition,
    In,
    Latch,
    ListIn,
    Not,
    Relation,
    Rule,
    Rulebook,
    Where,
)

ACCOUNT_GROUPS = frozenset({"account", "quota"})
"""Groups of reasons that are about paying; they must not disable a protected class silently."""
GUARDS = {
    "activation_country": "activation", "registration": "registration", "list": "lists", "account": "account", "screening": "screening",
    "programme": "programme", "purpose": "purpose", "class": "protected",
}  # fmt: skip
"""Attributes that a guardrail on getting or activating a terminal tests, and what it is called."""


class History:
    """What was decided in the interval, with the register beside it."""

    def __init__(self, desk: Desk, counts: IntervalCounts, fleet: Fleet) -> None:
        self.desk, self.counts, self.fleet = desk, counts, fleet
        self.said = counts.said
        self.sources = tuple(Source("file", f"manifest:run-{run}") for run in counts.runs)

    @property
    def empty(self) -> bool:
        """Whether nothing was decided: then nothing was counted, which is not zero."""
        return not self.counts.decisions

    def draft(self, question: str, *cautions: str) -> Draft:
        """Begin an answer that rests on decisions."""
        return Draft(question, f"how_{question}", sources=self.sources, cautions=cautions)

    def codes(self, *, denied: bool = False) -> list[int]:
        """Return answers; only those that denied."""
        return [code for code, each in enumerate(self.said) if each.denied or not denied]

    def distinct(self, chosen: list[int]) -> tuple[int, int]:
        """Return distinct terminals and decisions with one of these answers."""
        return self.counts.terminals_by([(code, "") for code in chosen]).get("", (0, 0))


def coverage(history: History, *, observed: int, over_late: int) -> Answer:
    """What the report rests on."""
    counts = history.counts
    draft = history.draft("coverage", "registers_as_known")
    if history.empty:
        draft.gap("nothing_decided", "observations")
    else:
        draft.figure("decisions", counts.decisions, "decisions")
        draft.figure("superseded", counts.superseded, "decisions")
        draft.figure("terminals", history.distinct(history.codes())[0], "terminals")
        draft.figure("days_with_decisions", len(counts.days), "days")
        draft.figure("observations", observed, "observations")
        draft.figure("over_late", over_late, "observations")
    draft.figure("registered", history.fleet.registered, "terminals")
    draft.gap("unseen", "unseen_need")
    return draft.finished()


def policies(history: History) -> Answer:
    """Policies and versions in force."""
    desk = history.desk
    draft = history.draft("policies")
    if desk.governed:
        steps = policies_in_force(desk)
        draft.sources = tuple(Source("log_entry", f"entry:{index}") for *_, index in steps)
        draft.figure("policies", len({digest for _, digest, _, _ in steps}), "policies", open_=True)
        rows = ((format_instant(since), digest, class_, index) for since, digest, class_, index in steps)
        draft.table("in_force", ("since", "policy", "class", "entry"), rows, open_=True)
    else:
        draft.gap(*(("no_charter", "charter") if desk.bench.log is not None else ("no_log", "log")))
    if history.empty:
        draft.gap("nothing_decided", "observations")
    found = history.counts.terminals_by([(code, each.rulebook) for code, each in enumerate(history.said)])
    draft.table("rulebooks", ("rulebook", "version", "digest", "decisions"), _rulebooks(history, found, draft))
    return draft.finished()


def _rulebooks(history: History, found: dict[str, tuple[int, int]], draft: Draft) -> Iterator[tuple[str | int | None, ...]]:
    for digest, (_, decisions) in found.items():
        try:
            book = rulebook_of(history.desk.bench.home, digest)
        except GroundruleError:
            draft.gap("rulebook_missing", "rulebook_kept", digest)
            yield None, None, digest, decisions
            continue
        yield book.id, book.version, digest, decisions


def _books(history: History, draft: Draft) -> list[Rulebook]:
    """The rulebooks that decided; one that is missing is said."""
    found = []
    for digest in sorted({each.rulebook for each in history.said}):
        try:
            found.append(rulebook_of(history.desk.bench.home, digest))
        except GroundruleError:
            draft.gap("rulebook_missing", "rulebook_kept", digest)
    return found


def found_and_disabled(history: History) -> tuple[Answer, Answer]:
    """Terminals with a sign, and terminals that were denied."""
    if history.empty:
        return tuple(not_answered(each, "nothing_decided", "observations") for each in ("found", "disabled"))  # type: ignore[return-value]  # two
    draft = history.draft("found", "sign_no_proof")
    groups = [(code, each.outcome) for code, each in enumerate(history.said) if each.sign]
    by_outcome = history.counts.terminals_by(groups)
    signs = history.distinct([code for code, _ in groups])[0]
    draft.figure("with_sign", signs, "terminals")
    for outcome in ("restrict", "review", "deny"):
        draft.figure(f"with_{outcome}", by_outcome.get(outcome, (0, 0))[0], "terminals")
    other = history.draft("disabled", "rules_overlap")
    terminals, decisions = history.distinct(history.codes(denied=True))
    other.figure("denied_terminals", terminals, "terminals")
    other.figure("denied_decisions", decisions, "decisions")
    pairs = history.counts.terminals_by(
        [(code, f"{each.rule}\n{each.reason}") for code, each in enumerate(history.said) if each.denied]
    )
    other.table("by_rule", ("rule", "reason", "terminals", "decisions"), ((*key.split("\n"), *each) for key, each in pairs.items()))
    places = history.counts.terminals_by([(code, each.country or "no_country") for code, each in enumerate(history.said) if each.denied])
    other.table("by_country", ("country", "terminals", "decisions"), ((key, *each) for key, each in places.items()))
    return draft.finished(), other.finished()


def response(history: History) -> Answer:
    """Time from the first sign to the denial."""
    if history.empty:
        return not_answered("response", "nothing_decided", "observations")
    found = history.counts.response()
    draft = history.draft("response", "sign_no_proof", "by_observation")
    seconds = found.seconds.tolist()
    draft.figure("series", len(seconds) + found.cut, "series")
    draft.figure("measured", len(seconds), "series")
    draft.figure("cut_off", found.cut, "series")
    for name, value in quantiles(seconds):
        draft.figure(f"response_{name}", value, "s", standing=Standing.INFERENCE)
    if seconds:
        draft.figure("at_once", sum(each == 0 for each in seconds), "series", standing=Standing.INFERENCE)
    else:
        draft.gap("no_series", "longer_interval")
    return draft.finished()


def guardrails(history: History) -> Answer:
    """Rules that stand between getting or activating a terminal and using it."""
    draft = history.draft("guardrails", "rules_no_practice")
    if history.empty:
        return not_answered("guardrails", "nothing_decided", "observations")
    rules: dict[str, set[str]] = {}
    for book in _books(history, draft):
        for rule in book.rules:
            for name in tests_of(rule):
                rules.setdefault(name, set()).add(rule.id)
    groups = [(code, name) for name, ids in rules.items() for code, each in enumerate(history.said) if each.denied and each.rule in ids]
    hit = history.counts.terminals_by(groups)
    draft.figure("rules", len(set().union(*rules.values())), "rules")
    rows = ((name, len(rules.get(name, ())), *hit.get(name, (0, 0))) for name in sorted(set(GUARDS.values())))
    draft.table("guards", ("tests", "rules", "terminals", "decisions"), rows)
    draft.gap("sales", "sales_recorded")
    return draft.finished()


def tests_of(rule: Rule) -> set[str]:
    """Return which of the guardrails' attributes a rule tests."""
    return {GUARDS[each] for each in _attributes(rule.condition()) if each in GUARDS}


def _attributes(condition: Condition) -> Iterator[str]:
    match condition:
        case All(parts) | AnyOf(parts):
            for part in parts:
                yield from _attributes(part)
        case Not(part):
            yield from _attributes(part)
        case In(attribute, _) | Compare(attribute=attribute) | Latch(attribute=attribute):
            yield attribute
        case ListIn():
            yield "list"
        case Relation(of):
            yield of
        case Where():
            return


def programmes(history: History) -> Answer:
    """Terminals by programme and donor."""
    fleet = history.fleet
    draft = Draft("programmes", "how_programmes", sources=(Source("register", f"revision:{fleet.revision}"),),
                  cautions=("registers_as_known", "programmes_overlap"))  # fmt: skip
    draft.figure("registered", fleet.registered, "terminals")
    tagged = {name for name, code in fleet.at_end if fleet.tags[code].programmes}
    draft.figure("in_a_programme", len(tagged), "terminals")
    seen = {} if history.empty else {
        programme: count for (programme, _), count in history.counts.tagged_by(
            fleet.groups("programmes"), [(code, "") for code in history.codes()]).items()
    }  # fmt: skip
    rows = []
    for name, number in count_tags(fleet, "programmes").items():
        title, donor, purpose = fleet.programmes.get(name, ("", "", ""))
        decided = None if history.empty else seen.get(name, (0, 0))[0]
        rows.append((name, title or None, donor or None, purpose or None, number, decided))
    draft.table("by_programme", ("programme", "title", "donor", "purpose", "terminals", "decided_about"), rows)
    draft.table("by_donor", ("donor", "terminals"), count_tags(fleet, "donor").items())
    draft.table("by_custodian", ("custodian", "terminals"), count_tags(fleet, "custodian").items())
    if not fleet.registered:
        draft.gap("nothing_registered", "registers")
    if history.empty:
        draft.gap("nothing_decided", "observations")
    return draft.finished()


def tags(history: History) -> Answer:
    """Whether donor, custodian and purpose are stated."""
    fleet = history.fleet
    tagged = [fleet.tags[code] for _, code in fleet.at_end if fleet.tags[code].programmes]
    if not tagged:
        return not_answered("tags", "no_programmes", "programme_tags")
    draft = Draft("tags", "how_tags", sources=(Source("register", f"revision:{fleet.revision}"),), cautions=("registers_as_known",))
    draft.figure("in_a_programme", len(tagged), "terminals")
    for what in ("donor", "custodian", "purpose"):
        draft.figure(f"without_{what}", sum(not fleet.stated(each, what) for each in tagged), "terminals")
    return draft.finished()


def where_used(history: History) -> tuple[Answer, Answer]:
    """Where terminals of programmes were used: by country, and whether there the state or an occupier held."""
    fleet = history.fleet
    questions = ("where_used", "occupied")
    groups = fleet.groups("programmes")
    if not groups or history.empty:
        why = ("nothing_decided", "observations") if groups else ("no_programmes", "programme_tags")
        return tuple(not_answered(each, *why) for each in questions)  # type: ignore[return-value]  # two
    by = history.counts.tagged_by(groups, [(code, each.country or "no_country") for code, each in enumerate(history.said)])
    draft = history.draft("where_used", "granularity_country", "programmes_overlap")
    columns = ("programme", "country", "terminals", "decisions")
    draft.table("by_programme_and_country", columns, ((*key, *each) for key, each in by.items()))
    together = [(code, "") for code in sorted({code for code, _ in groups})]
    total = history.counts.tagged_by(together, [(code, "") for code in history.codes()])
    draft.figure("decided_about", total.get(("", ""), (0, 0))[0], "terminals")
    draft.gap("not_seen", "unseen_need")
    other = history.draft("occupied", "occupied_point", "granularity_area")
    held = history.counts.tagged_by(groups, [(code, each.control) for code, each in enumerate(history.said)])
    known = {key: each for key, each in held.items() if key[1] != NOT_TOLD}
    if len(known) < len(held):
        other.gap("no_control_areas", "control_areas")
    columns = ("programme", "control", "terminals", "decisions")
    other.table("by_programme_and_control", columns, ((*key, *each) for key, each in known.items()))
    if known and all(control == ELSEWHERE for _, control in known):
        other.gap("none_inside", "control_areas_complete")
    return draft.finished(), other.finished()


def purpose(history: History) -> Answer:
    """Limits of purpose, and whom they denied."""
    fleet = history.fleet
    if history.empty:
        return not_answered("purpose", "nothing_decided", "observations")
    draft = history.draft("purpose", "purpose_as_stated")
    draft.table("by_purpose", ("purpose", "terminals"), count_tags(fleet, "purpose").items())
    limited = [code for code, each in enumerate(history.said) if each.reason == "purpose_limit"]
    rules = {rule.id for book in _books(history, draft) for rule in book.rules if rule.reason == "purpose_limit"}
    draft.figure("rules", len(rules), "rules")
    if rules:
        draft.figure("outside_purpose", history.distinct(limited)[0], "terminals")
    else:
        draft.gap("no_purpose_rule", "purpose_rule")
    return draft.finished()


def published_disablements(history: History) -> Answer:
    """Number, date and rule of what was disabled."""
    if history.empty:
        return not_answered("published_disablements", "nothing_decided", "observations")
    draft = history.draft("published_disablements", "rules_overlap")
    draft.figure("denied_terminals", history.distinct(history.codes(denied=True))[0], "terminals")
    rows = ((day, rule, terminals, decisions) for day, rule, decisions, terminals in history.counts.denied_by_day())
    draft.table("by_day", ("day", "rule", "terminals", "decisions"), rows)
    return draft.finished()


def named_terminals(history: History) -> Answer:
    """Terminals that requests name by their serial, and whether they were denied afterwards."""
    named = asked_to_deny(history.desk)
    if named is None:
        return not_answered("named_terminals", *(("no_log", "log") if history.desk.bench.log is None else ("no_charter", "charter")))
    draft = history.draft("named_terminals", "denied_for_other_reasons")
    draft.sources = history.desk.log.sources("request") if named else ()
    since: dict[str, int] = {}
    for name, at_ns in named:
        since[name] = min(at_ns, since.get(name, at_ns))
    draft.figure("named", len(since), "terminals")
    if not since:
        return draft.finished()
    if history.empty:
        draft.gap("nothing_decided", "observations")
        return draft.finished()
    rows = history.counts.rows_of(pa.array(sorted(since), pa.string())).tolist()
    draft.figure("named_decided_about", sum(row >= 0 for row in rows), "terminals")
    denied = history.counts.last_denied([row for row in rows if row >= 0])
    after = sum(row in denied and denied[row] >= since[name] for name, row in zip(sorted(since), rows, strict=True))
    draft.figure("named_denied_after", after, "terminals", standing=Standing.INFERENCE)
    return draft.finished()


def collateral(history: History) -> Answer:
    """Denials that hit others: protected terminals, edges, what was corrected or restored, appeals upheld."""
    if history.empty:
        return not_answered("collateral", "nothing_decided", "observations")
    counts, fleet = history.counts, history.fleet
    draft = history.draft("collateral", "protected_as_registered", "restored_no_error")
    denied = [(code, "") for code in history.codes(denied=True)]
    protected = fleet.groups("protected")
    together = [(code, "") for code, _ in protected]
    if protected:
        draft.figure("protected_denied", counts.tagged_by(together, denied).get(("", ""), (0, 0))[0], "terminals")
        for_account = [(code, "") for code in history.codes(denied=True) if _about_account(history.said[code].reason)]
        draft.figure("protected_denied_for_account", counts.tagged_by(together, for_account).get(("", ""), (0, 0))[0], "terminals")
        rows = ((name, *each) for (name, _), each in counts.tagged_by(protected, denied).items())
        draft.table("protected_by_class", ("protected_class", "terminals", "decisions"), rows)
    else:
        draft.gap("no_protected_classes", "protected_tags")
    edge = [code for code in history.codes(denied=True) if history.said[code].edge]
    draft.figure("denied_on_edge", history.distinct(edge)[0], "terminals")
    corrected, terminals = counts.reversed()
    draft.figure("corrected_decisions", corrected, "decisions")
    draft.figure("corrected_terminals", terminals, "terminals")
    draft.figure("restored", counts.restored(), "terminals")
    appeals = upheld(history.desk)
    if appeals is None:
        draft.gap("appeals_not_known", "charter")
    else:
        draft.figure("appeals_upheld", appeals, "appeals", open_=True)
    if not fleet.registered:
        draft.gap("nothing_registered", "registers")
    return draft.finished()


def _about_account(code: str) -> bool:
    reason = CATALOGUE.get(code)
    return reason is not None and reason.group in ACCOUNT_GROUPS


def outages(history: History) -> Answer:
    """What was no denial: degraded, never served, waiting for registration."""
    if history.empty:
        return not_answered("outages", "nothing_decided", "observations")
    draft = history.draft("outages", "states_apart")
    groups = [(code, each.state) for code, each in enumerate(history.said) if each.state != ServiceState.NORMAL]
    found = history.counts.terminals_by(groups)
    told = {rule.state for book in _books(history, draft) for rule in book.rules}
    rows = [
        (state.value, *(found.get(state.value, (0, 0)) if state in told or state.value in found else (None, None)))
        for state in ServiceState
        if state is not ServiceState.NORMAL
    ]
    if any(row[1] is None for row in rows):
        draft.gap("state_without_rule", "state_rules")
    draft.table("by_state", ("state", "terminals", "decisions"), rows)
    terminals, decisions = history.distinct(history.codes(denied=True))
    draft.figure("denied_terminals", terminals, "terminals")
    draft.figure("denied_decisions", decisions, "decisions")
    draft.gap("outage_elsewhere", "network_telemetry")
    return draft.finished()
