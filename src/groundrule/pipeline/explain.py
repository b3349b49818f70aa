"""Why was this terminal answered so, at this moment: the stored observations decided again up to then, and explained."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from groundrule.areas.index import AreaIndex
from groundrule.errors import InputError, IntegrityError
from groundrule.evidence.render.words import vocabulary
from groundrule.instant import format_instant
from groundrule.pipeline.confronted import confronted
from groundrule.pipeline.emergency_overlay import overlay_of_run
from groundrule.pipeline.heard_words import heard_words, owner_words
from groundrule.pipeline.history import observations_of
from groundrule.pipeline.home import basis_of
from groundrule.pipeline.judge import Basis, Judge, Judged
from groundrule.pipeline.manifests import read_manifest, runs
from groundrule.pipeline.overlay import Measure, OverlaidClasses
from groundrule.records import OUTCOME_WORDS, Outcome, combined, filtered
from groundrule.rules.classes import DecisionClass
from groundrule.rules.compile import CompiledRulebook
from groundrule.rules.evidence import Interval, Truth
from groundrule.rules.explain import Applied, Audience, Explainer, Explanation
from groundrule.rules.situation import Situation
from groundrule.store.history import read_terminals
from groundrule.store.home import Home
from groundrule.store.timeline import RegisterTimeline

SEARCH_M = 200_000.0
"""How far away an area is still measured [m]."""


@dataclass(frozen=True, slots=True)
class Found:
    """An explanation with the observation that it is about.

    Attributes:
        explanation: the words.
        terminal_id: which terminal.
        observed_at_ns: when [ns, UTC].
        lat_deg, lon_deg: resolved position [degree; NaN if unknown].
        areas: id, membership and probability of each area.
        outcome: the outcome as decided by the compiled rules; always the explanation's.
        stored: the decision is in a run; False for what was answered a moment ago.
        speed_m_s: best single value of its speed [m/s; NaN if unknown].
        alt_m: height that it reported [m; NaN if it reported none].
        radio: the verification that was attached to the observation (`records.RADIO_TYPE`), for the operator; None without one.
    """

    explanation: Explanation
    terminal_id: str
    observed_at_ns: int
    lat_deg: float
    lon_deg: float
    areas: tuple[tuple[str, str, float], ...]
    outcome: str
    stored: bool = True
    radio: Mapping[str, Any] | None = None
    speed_m_s: float = math.nan
    alt_m: float = math.nan


class Pending(Protocol):
    """Observations that were answered and are in no run yet."""

    def of(self, terminal_id: str, *, after_ns: int | None, until_ns: int | None) -> tuple[pa.Table | None, int]:
        """Return those of a terminal in a span of time, and the outcome that the last was answered with."""


def explain_terminal(
    home: Home,
    terminal_id: str,
    *,
    basis: Basis | None = None,
    at_ns: int | None = None,
    audience: Audience = "operator",
    language: str = "en",
    bases: Callable[[Home, Mapping[str, Any]], Basis] | None = None,
    pending: Pending | None = None,
    live: Callable[[], Basis] | None = None,
) -> Found:
    """Explain the last decision of a terminal up to an instant.

    Args:
        home: where its observations are.
        basis: what it was decided under, if that is in memory; None takes the rulebook, areas and registers of the run
            that decided it.
        at_ns: the instant [ns, UTC]; None is the last observation.
        audience: operator or owner.
        language: BCP 47 tag of what is said; what there are no words for is said in English.
        bases: gives what a run rested on, by its manifest, to whoever keeps that; None reads it.
        pending: what a service has answered since the last run.
        live: gives what that was decided under.
    Raises:
        InputError: the home holds no observation of this terminal up to then.
        IntegrityError: the stored decision is not what the observations give.
    """
    table = observations_of(home, terminal_id, until_ns=at_ns)
    answered = None
    if pending is not None and live is not None:
        after_ns = table.column("observed_at")[-1].as_py() if len(table) else None
        more, outcome = pending.of(terminal_id, after_ns=after_ns, until_ns=at_ns)
        if more is not None:
            table, answered, basis = pa.concat_tables([table, more]).combine_chunks(), OUTCOME_WORDS[outcome], live()
    if not len(table):
        when = "" if at_ns is None else f" up to {format_instant(at_ns)}"
        raise InputError(
            f"no observation of terminal `{terminal_id[:80]}`{when}",
            help="check the id, or decide a file that holds it first",
            terminal=terminal_id[:80],
        )
    as_of_ns = None
    stored: set[tuple[str, str]] | None = None
    if basis is None:
        run, stored = _deciding_rows(home, terminal_id, table.column("observed_at")[-1].as_py())
        manifest = read_manifest(home, run)
        as_of_ns = None if manifest["as_of_ns"] is None else int(manifest["as_of_ns"])
        basis = (bases or basis_of_run)(home, manifest)
    judge = Judge(basis)
    judged = judge.judge(table, as_of_ns=as_of_ns)
    found = explain_row(judge, judged, len(table) - 1, Explainer(basis.rulebook), audience=audience, language=language)
    given = (found.outcome, found.explanation.rule_id or "default")
    if stored is not None and given not in stored:
        said = " or ".join(f"{outcome} by {rule}" for outcome, rule in sorted(stored))
        raise IntegrityError(
            f"the decision stored for terminal `{terminal_id[:80]}` at {format_instant(found.observed_at_ns)} is "
            f"{said}, and its observations give {given[0]} by {given[1]}",
            help="run `groundrule replay` to see what was changed",
        )
    if answered is not None and found.outcome != answered:
        raise IntegrityError(
            f"terminal `{terminal_id[:80]}` was answered {answered} at {format_instant(found.observed_at_ns)}, and its observations give "
            f"{given[0]} by {given[1]}",
            help="the next run decides it again and says whether answers differ: groundrule replay",
        )
    return replace(found, stored=answered is None)


def explain_terminals(home: Home, terminal_ids: Sequence[str], basis: Basis) -> dict[str, Found]:
    """Explain the last decisions of some terminals under what they were decided under, and read the history once.

    Args:
        home: where their observations are. terminal_ids: those without observations are left out. basis: in memory.
    """
    table = observations_of(home, *sorted(set(terminal_ids)))
    explainer, found = Explainer(basis.rulebook), {}
    for name in terminal_ids:
        own = filtered(table, pc.equal(table.column("terminal_id"), name))
        if len(own):
            judge = Judge(basis)
            found[name] = explain_row(judge, judge.judge(combined(own)), len(own) - 1, explainer)
    return found


def basis_of_run(home: Home, manifest: Mapping[str, Any], registers: RegisterTimeline | None = None) -> Basis:
    """Read what a run rested on.

    Args:
        home: whose run.
        manifest: of the run.
        registers: as known when it was made, where they are in memory.
    """
    basis = basis_of(
        home, rulebook=manifest["rulebook"], areas=manifest["areas"], recorded_at_ns=int(manifest["recorded_at_ns"]), registers=registers
    )
    return replace(basis, overlay=overlay_of_run(home, manifest))


def _deciding_rows(home: Home, terminal_id: str, observed_at_ns: int) -> tuple[int, set[tuple[str, str]]]:
    """The last run that decided an observation, and what it stored: several answers if observations of one instant differ."""
    found = read_terminals(home, "decisions", [terminal_id], runs=runs(home), at_ns=np.array([observed_at_ns]))
    if not len(found):
        raise IntegrityError(
            f"no decision is stored for terminal `{terminal_id[:80]}` at {format_instant(observed_at_ns)}",
            help="run `groundrule replay` to see what was changed",
        )
    rows: list[dict[str, Any]] = found.select(["run", "outcome", "rule"]).to_pylist()
    last = max(int(row["run"]) for row in rows)
    return last, {(row["outcome"], row["rule"]) for row in rows if row["run"] == last}


def explain_row(
    judge: Judge,
    judged: Judged,
    row: int,
    explainer: Explainer,
    *,
    audience: Audience = "operator",
    language: str = "en",
) -> Found:
    """Explain one row of a judged batch."""
    situation = situation_of(judge, judged, row)
    lat, lon = float(judged.motion.lat_deg[row]), float(judged.motion.lon_deg[row])
    explanation = explainer.explain(
        situation, audience=audience, distances=distances_from(judge.basis.index, lat, lon), language=language,
        say=vocabulary(language),
    )  # fmt: skip
    outcome = OUTCOME_WORDS[int(judged.decided.outcome[row])]
    ordinary, measure = outcome, None
    if isinstance(judged.decided.classes, OverlaidClasses):
        found, measure = judged.decided.classes.origin(int(judged.decided.klass[row]))
        ordinary = found.outcome.word
    # INVARIANT: words and columns come from one meaning of the rules; if they ever differ, no words are better than wrong ones.
    if ordinary != explanation.outcome.word:
        raise AssertionError(f"decided {ordinary}, explained {explanation.outcome.word}")
    if measure is not None:
        explanation = under_emergency(explanation, measure, judged.decided.classes[int(judged.decided.klass[row])])
    radio = None
    if judged.heard is not None and audience == "operator":
        radio = confronted(judged.table.slice(row, 1))[0].as_py()
        explanation = replace(explanation, heard=heard_words(judge.basis.index, judged, row, explanation.say))
    if audience == "owner":
        explanation = replace(explanation, place=owner_words(judged, row, explanation.say))
    return Found(
        explanation,
        judged.table.column("terminal_id")[row].as_py(),
        judged.table.column("observed_at")[row].as_py(),
        lat,
        lon,
        areas_of(judge, judged, row),
        outcome,
        radio=radio,
        speed_m_s=float(judged.motion.speed_m_s[row]),
        alt_m=_reported(judged.table, "alt_m", row),
    )


def _reported(table: pa.Table, name: str, row: int) -> float:
    value = table.column(name)[row].as_py() if name in table.column_names else None
    return math.nan if value is None else float(value)


def under_emergency(ordinary: Explanation, measure: Measure, found: DecisionClass) -> Explanation:
    """Say what an emergency made of a decision, and what it would have been without.

    Args:
        ordinary: the explanation of the rules alone.
        measure: the emergency.
        found: what it made of the decision.
    """
    owner, say = ordinary.audience == "owner", ordinary.say
    until, due = format_instant(measure.until_ns), format_instant(measure.review_due_ns)
    without = say(f"outcome_{ordinary.outcome.word}")
    by = ordinary.rule_id or say("default_rule")
    applied = Applied(
        measure.id, say("emergency_permits" if measure.permits else "emergency_denies", condition=measure.condition), "emergency",
        measure.reason, found.outcome, found.outcome, True,
        (say("emergency_in_force", from_=format_instant(measure.from_ns), until=until, due=due),),
    )  # fmt: skip
    return replace(
        ordinary,
        outcome=found.outcome,
        state=found.state,
        reason=measure.reason,
        rule_id=measure.id,
        basis=say("emergency_basis"),
        requested_by=None,
        source=None,
        message=None,
        language=None,
        appeal=say("emergency_appeal") if found.outcome > Outcome.SERVE else None,
        obligations=found.obligations,
        retry=None,
        applied=() if owner else (applied, *(replace(each, decisive=False) for each in ordinary.applied)),
        nearest=(),
        relief=() if owner else (say("emergency_relief", until=until, outcome=without, rule=by, reason=ordinary.reason),),
        also=(),
    )  # fmt: skip


def situation_of(judge: Judge, judged: Judged, row: int) -> Situation:
    """Return the evidence of one row as the explainer reads it."""
    evidence = judged.evidence
    compiled: CompiledRulebook = judge.basis.compiled
    numbers: dict[str, Any] = {name: _interval(value, row) for name, value in evidence.numbers.items()}
    motion = judged.motion
    numbers.setdefault("speed_m_s", (float(motion.speed_low_m_s[row]), float(motion.speed_high_m_s[row])))
    return Situation(
        now_ns=int(judged.now_ns[row]),
        facts=judge.where.values[judged.where[row]],
        profile=judge.who.values[judged.who[row]],
        numbers=numbers,
        categories={name: column.values[column.codes[row]] for name, column in evidence.categories.items()},
        latches={latch: Truth(int(motion.latches[row, k])) for k, latch in enumerate(compiled.latches)},
    )


def distances_from(index: AreaIndex, lat_deg: float, lon_deg: float) -> Callable[[str], float | None]:
    """Return a function from an area id to the signed distance to its edge [m; negative inside; None if unknown]."""
    if np.isnan(lat_deg):
        return lambda _name: None
    members = {member.id: member.index for member in index.members}

    def measure(name: str) -> float | None:
        position = members.get(name.removeprefix("area:"))
        if position is None:
            return None
        metres = float(index.edge_distance_m(lat_deg, lon_deg, position, SEARCH_M)[0])
        return metres if np.isfinite(metres) else None

    return measure


def areas_of(judge: Judge, judged: Judged, row: int) -> tuple[tuple[str, str, float], ...]:
    """Return id, membership and probability of the areas of one row."""
    code = int(judged.where[row])
    facts, members = judge.where.values[code] or (), judge.where.members[code]
    location = judged.location
    low, high = np.searchsorted(location.edge_rows, [row, row + 1])
    edges = dict(
        zip(location.edge_members[low:high].tolist(), location.edge_probability[low:high].tolist(), strict=True)
    )
    return tuple(
        (fact.id, fact.membership.name.lower(), float(edges.get(member, 1.0)))
        for fact, member in zip(facts, members, strict=True)
    )


def _interval(value: Interval, row: int) -> tuple[float, float]:
    return float(value.low[row]), float(value.high[row])
