"""What a change set would do to the stored fleet, computed twice and bound by digest to the proposal.

Every terminal's last observation is decided under the policy in force and under the one that the change set leads to, as of
the time from which it is to hold, by two engines: the compiled rulebook over all terminals, and the plain evaluator over each
distinct evidence. They must agree, or no proposal can rest on it. Each observation is judged by itself: how long a terminal
has been fast or abroad is not remembered, and the rules that ask so are named (`unseen`).

Where the truth about terminals is given, the policies are also compared with it: a false denial is a terminal that should be
served and is denied, a false permission one that should not be served and is not denied (restricted and reviewed ones have service).
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from groundrule import __version__
from groundrule.canon import digest
from groundrule.govern.objects import Change, Impact, Reach, Run
from groundrule.govern.refusal import refuse
from groundrule.instant import MAX_NS
from groundrule.ledger.entry import policy_digest
from groundrule.pipeline.changes import Plan, plan
from groundrule.pipeline.fleet import Fleet, load_fleet
from groundrule.pipeline.home import basis_of, index_folder
from groundrule.pipeline.judge import Basis, Judge, Judged, make_basis
from groundrule.pipeline.list_batches import write_all
from groundrule.pipeline.reach import touched_by
from groundrule.pipeline.unseen import Unseen, unseen
from groundrule.records import OUTCOME_WORDS, Outcome
from groundrule.rules.evidence import Profile
from groundrule.rules.model import Rulebook
from groundrule.rules.plain_batch import Memo, plain_outcomes
from groundrule.store.home import Home
from groundrule.store.policy import InForce, enacting, in_force
from groundrule.store.profiles import fold_in_cache
from groundrule.store.register_view import RegisterView
from groundrule.store.registers import Registers
from groundrule.store.timeline import RegisterTimeline

K: Final = 5
"""Cells of fewer terminals are not shown by country, plan or programme."""
ORDINARY: Final = "ordinary"
UNREGISTERED: Final = "not registered"


@dataclass(frozen=True, slots=True)
class Preview:
    """An impact with what people want to see beside it.

    Attributes:
        impact: what is logged with the proposal.
        by: counts of changed terminals by `country`, `plan`, `programme` and `class`; cells of fewer than `K` are left out.
        truth: per policy (`before`, `after`) false denials, false permissions, labelled terminals of the fleet and labelled ones
            that were never observed; empty without labels.
        unseen: rules of either policy that a single observation cannot answer wholly.
        without_position: terminals whose last observation has no position, although an earlier one may have had one.
        terminals: size of the fleet.
        distinct: distinct pieces of evidence that the second engine judged, for both policies together.
    """

    impact: Impact
    by: Mapping[str, Mapping[str, int]]
    truth: Mapping[str, Mapping[str, int]]
    terminals: int
    distinct: int
    unseen: tuple[Unseen, ...]
    without_position: int


@dataclass(slots=True)
class _Result:
    """Outcomes of one engine, with what they are counted by."""

    before: NDArray[np.uint8]
    after: NDArray[np.uint8]
    counts: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)

    def count(self, classes: NDArray[np.int64], names: Sequence[str]) -> None:
        """Count by outcome before, outcome after and class."""
        width, words = len(names), [*OUTCOME_WORDS]
        keys = (self.before.astype(np.int64) * len(words) + self.after) * width + classes
        for key, number in zip(*np.unique(keys, return_counts=True), strict=True):
            pair, kind = divmod(int(key), width)
            first, second = divmod(pair, len(words))
            self.counts.setdefault(words[first], {}).setdefault(words[second], {})[names[kind]] = int(number)


def preview(
    home: Home,
    changes: Sequence[Change],
    *,
    at_ns: int,
    until_ns: int | None = None,
    fleet: Fleet | None = None,
    registers: RegisterTimeline | None = None,
    served: Mapping[str, bool] | None = None,
) -> Preview:
    """Compute what a change set would do, twice.

    Args:
        home: with the fleet and what is in force.
        changes: the change set.
        at_ns: from when it is to hold [ns, UTC].
        until_ns: until when, or None.
        fleet: last observations, if they are in memory already.
        registers: registers as they are, likewise.
        served: the truth, where it is known: whether a terminal should be served, by id.
    Raises:
        ConflictError: the change set does not apply, or `impact_runs_differ`.
        InputError: a content cannot be used.
    """
    with _uncollected():
        held = fleet or load_fleet(home)
        made = plan(home, changes, at_ns=at_ns, until_ns=until_ns)
        before = basis_of(home, recorded_at_ns=MAX_NS - 1, registers=registers or timeline(home, at_ns))
        with _registers_after(home, made, before.registers, at_ns) as changed_registers:
            after = _basis_after(home, made, before, changed_registers)
            return _compared(made, held, before, after, at_ns, served or {})


@contextmanager
def _uncollected() -> Iterator[None]:
    """Leave cyclic garbage for a second: looking through millions of rows again and again for some takes as long as the rest."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def check_impact(
    home: Home, changes: Sequence[Change], given: Impact, *, at_ns: int, until_ns: int | None = None
) -> None:
    """Check that an impact is what this home computes for the change set.

    Raises:
        ConflictError: `other_impact`, and as `preview`.
    """
    found = preview(home, changes, at_ns=at_ns, until_ns=until_ns).impact
    if found != given:
        what = next(name for name in ("policy_a", "policy_b", "fleet_digest", "counts", "runs", "reach", "protected_changed",
                                      "k_suppressed") if getattr(found, name) != getattr(given, name))  # fmt: skip
        raise refuse(
            "other_impact", f"`{what}` of the impact is not what this home computes", help="preview the change again", field=what
        )


def timeline(home: Home, at_ns: int) -> RegisterTimeline:
    """Read the registers as they are known now, as they hold at one instant [ns, UTC]."""
    with Registers.open(home) as registers:
        kept = fold_in_cache(home.cache / "fleet", registers, valid_at_ns=at_ns)
        return RegisterTimeline.fixed(RegisterView.load(registers, valid_at_ns=at_ns, remembered=kept))


class _Within(Registers):
    """Registers as one transaction sees them."""

    def __init__(self, connection: sa.Connection) -> None:
        super().__init__(connection.engine)
        self._connection = connection

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        yield self._connection


@contextmanager
def _registers_after(
    home: Home, made: Plan, before: RegisterTimeline, at_ns: int
) -> Iterator[RegisterTimeline]:
    """Registers as they would be: written in a transaction that is taken back."""
    if not made.writes:
        yield before
        return
    with Registers.open(home) as registers:
        view: list[RegisterView] = []
        stated = in_force(home)
        if stated is None:
            raise refuse("no_charter", "lists change by proposal in a home with a charter", help="groundrule charter init")
        trial = InForce(stated.log_index + 1, "", "", "", "", at_ns)
        kept = fold_in_cache(home.cache / "fleet", registers, valid_at_ns=at_ns)
        with enacting(registers, trial, rehearsal=True) as tables:
            write_all(tables, made.writes)
            view.append(RegisterView.load(_Within(tables.connection), valid_at_ns=at_ns, remembered=kept))
        yield RegisterTimeline.fixed(view[0])


def _basis_after(home: Home, made: Plan, before: Basis, registers: RegisterTimeline) -> Basis:
    same_areas = made.areas.digest == before.areas.digest
    areas = before.areas if same_areas else made.areas
    index = before.index if same_areas else None
    return make_basis(made.rulebook, areas, registers, index=index, cache_dir=index_folder(home, areas))


def _compared(
    made: Plan, fleet: Fleet, before: Basis, after: Basis, at_ns: int, served: Mapping[str, bool]
) -> Preview:
    for registers in (before.registers, after.registers):
        registers.add(fleet.table["terminal_id"])  # so that the judges make room once
    first_judge = Judge(before)
    judges = first_judge, Judge(after, first_judge.discs)
    first = judges[0].judge(fleet.table, as_of_ns=at_ns)
    second = judges[1].judge(fleet.table, as_of_ns=at_ns, like=first)
    classes, names = _classes(judges[0], first)
    compiled = _Result(first.decided.outcome.astype(np.uint8), second.decided.outcome.astype(np.uint8))
    memo: Memo = {}
    plain_before, distinct_before = plain_outcomes(before.rulebook, first.evidence, before.compiled.latches, memo)
    plain_after, distinct_after = plain_outcomes(after.rulebook, second.evidence, after.compiled.latches, memo)
    reference = _Result(plain_before, plain_after)
    runs = []
    changed = np.flatnonzero(compiled.before != compiled.after)
    for engine, result in (("compiled", compiled), ("reference", reference)):
        result.count(classes, names)
        moved = np.flatnonzero(result.before != result.after)
        ids = sorted(fleet.table["terminal_id"].take(moved).to_pylist())
        runs.append(Run(engine=engine, version=__version__, result_digest=digest([result.counts, ids])[7:]))
    if runs[0].result_digest != runs[1].result_digest:
        raise refuse(
            "impact_runs_differ",
            f"the two engines differ for {int((compiled.before != plain_before).sum() + (compiled.after != plain_after).sum())} "
            "terminals",
            help="the rulebook cannot be proposed until the fault is found; keep both results",
            compiled=runs[0].result_digest,
            reference=runs[1].result_digest,
        )
    by, small = _by(judges[0], first, changed)
    impact = Impact(
        policy_a=policy_digest(before.rulebook.digest, before.areas.digest),
        policy_b=policy_digest(after.rulebook.digest, after.areas.digest),
        fleet_digest=fleet.digest,
        counts=compiled.counts,
        protected_changed=_protected(judges[0], first, changed),
        reach=_reach(made, before.rulebook, judges[0], first, compiled),
        k_suppressed=small,
        runs=tuple(runs),
    )
    # The impact must read back as it was written, or its digest would say nothing.
    impact = Impact.parse(impact.value)
    placeless = int(np.isnan(first.motion.lat_deg).sum())
    return Preview(
        impact, by, _truth(fleet, compiled, served), len(fleet), distinct_before + distinct_after,
        unseen(before.rulebook, after.rulebook), placeless,
    )  # fmt: skip


# --- what is counted ----------------------------------------------------------------------------------------------------


def _class_of(profile: Profile | None) -> str:
    if profile is None:
        return UNREGISTERED
    return profile.protected_class if profile.protected_class not in (None, "none") else ORDINARY


def _classes(judge: Judge, judged: Judged) -> tuple[NDArray[np.int64], list[str]]:
    of = [_class_of(profile) for profile in judge.who.values]
    names = sorted(set(of))
    codes = np.array([names.index(name) for name in of], np.int64)
    return codes[judged.who], names


def _protected(judge: Judge, judged: Judged, changed: NDArray[np.int64]) -> tuple[str, ...]:
    """Protected classes of which some terminal changes; classes, never terminals."""
    return tuple(sorted({_class_of(judge.who.values[who]) for who in np.unique(judged.who[changed])} - {ORDINARY, UNREGISTERED}))


def _country_words(judge: Judge, where: int) -> tuple[str, ...]:
    facts = judge.where.values[where]
    return () if facts is None else tuple(sorted({fact.country for fact in facts if fact.country}))


def _by(
    judge: Judge, judged: Judged, changed: NDArray[np.int64]
) -> tuple[dict[str, dict[str, int]], tuple[str, ...]]:
    """Count changed terminals by country, plan, programme and class; small cells are named and left out."""
    tallies: dict[str, Counter[str]] = {name: Counter() for name in ("country", "plan", "programme", "class")}
    pairs = judged.where[changed].astype(np.int64) << 32 | judged.who[changed]
    for pair, number in zip(*np.unique(pairs, return_counts=True), strict=True):
        where, who = int(pair) >> 32, int(pair) & 0xFFFFFFFF
        profile = judge.who.values[who]
        tallies["country"][" and ".join(_country_words(judge, where)) or "no country"] += int(number)
        tallies["plan"][(profile.plan if profile else None) or "unknown"] += int(number)
        tallies["programme"][", ".join(profile.programmes) if profile and profile.programmes else "none"] += int(number)
        tallies["class"][_class_of(profile)] += int(number)
    small = tuple(sorted(f"{name}: {cell}" for name in tallies for cell, n in tallies[name].items() if n < K))
    shown = {name: {c: n for c, n in sorted(tally.items()) if n >= K} for name, tally in tallies.items()}
    return shown, small


def _reach(made: Plan, book: Rulebook, judge: Judge, judged: Judged, result: _Result) -> Reach:
    """What makes a change critical: see `reach.touched_by`, and what the fleet shows."""
    moved = result.before != result.after
    totals: Counter[str] = Counter()
    changes: Counter[str] = Counter()
    conflict: set[str] = set()
    wartime = 0
    denied = moved & (result.after == Outcome.DENY)
    keys, inverse = np.unique(judged.where, return_inverse=True)
    counts = np.bincount(inverse.ravel(), minlength=len(keys))
    moved_here = np.bincount(inverse.ravel(), weights=moved, minlength=len(keys)).astype(int)
    denied_here = np.bincount(inverse.ravel(), weights=denied, minlength=len(keys)).astype(int)
    for key, number, shifted, refused in zip(keys, counts, moved_here, denied_here, strict=True):
        facts = judge.where.values[int(key)] or ()
        for country in _country_words(judge, int(key)):
            totals[country] += int(number)
            changes[country] += int(shifted)
        at_war = {fact.id for fact in facts if {"conflict", "war"} & set(fact.tags) or fact.kind == "conflict"}
        if at_war and shifted:
            conflict |= at_war
            wartime += int(refused)
    whole = {country for country, number in totals.items() if changes[country] == number and number >= K}
    known = touched_by(made, book)
    return Reach(
        countries=tuple(sorted(whole | known.countries)),
        conflict_areas=tuple(sorted(conflict | known.conflict_areas)),
        sanctions_exceptions=tuple(sorted(known.sanctions_exceptions)),
        wartime_denials=wartime,
    )


def _truth(fleet: Fleet, result: _Result, served: Mapping[str, bool]) -> dict[str, dict[str, int]]:
    """Compare both policies with the truth about the terminals that are labelled."""
    if not served:
        return {}
    ids = fleet.table["terminal_id"].to_pylist()
    rows = np.array([row for row, name in enumerate(ids) if name in served], np.int64)
    should = np.array([served[ids[row]] for row in rows], bool)
    found = {}
    for name, outcome in (("before", result.before), ("after", result.after)):
        denied = outcome[rows] == Outcome.DENY
        found[name] = {
            "labelled": len(rows),
            "not_observed": len(served) - len(rows),
            "false_denials": int((denied & should).sum()),
            "false_permissions": int((~denied & ~should).sum()),
        }
    return found
