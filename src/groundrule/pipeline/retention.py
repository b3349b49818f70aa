"""Retention: what is older than somebody said leaves a home, as one erasure.

Rows that no replay needs leave by their own age. Observations and decisions leave with their terminal alone, when it has not been seen
for long enough: what is remembered of a terminal begins with its first observation, so a part of them cannot go.

What is under a legal hold, what an open case or a pending appeal is about, what has not been decided yet, and what was seen since a
running emergency began, stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from groundrule.detect.case_states import OPEN
from groundrule.govern.effect import effects
from groundrule.instant import NS_PER_DAY
from groundrule.ledger.aggregate import DELAY_NS
from groundrule.pipeline.appealing import rows as appeals
from groundrule.pipeline.case_desk import CaseDesk
from groundrule.pipeline.classes import is_protected
from groundrule.pipeline.erasing import RETENTION, Erased, Wanted, carry_out, complete_begun, holds, plan
from groundrule.pipeline.home_ledger import HomeLedger
from groundrule.pipeline.lateness import LATE_NS
from groundrule.pipeline.log_fold import kept_state
from groundrule.store.erasing_places import history_paths
from groundrule.store.history import read_columns
from groundrule.store.home import Home
from groundrule.store.policy import in_force
from groundrule.store.register_view import RegisterView
from groundrule.store.registers import Registers
from groundrule.store.retention import AGES, LEAST_DAYS, PROTECTED, REGISTERED, UNREGISTERED, UNSEEN, read_retention
from groundrule.store.segments import read_frames, segments_of

assert LEAST_DAYS * NS_PER_DAY >= LATE_NS + DELAY_NS + NS_PER_DAY

_SEEN: Final = ("observations", "over_late")
_WITH: Final = {"signals": ("signals", "withdrawals")}
"""Kinds of rows of a class, where they are not called as it is."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """What leaves because of its age.

    Attributes:
        erased: the erasure; None where nothing leaves.
        terminals: how many leave, by class.
        spared: how many would leave by their age, and stay because somebody needs them.
        before_ns: what is older leaves, by class [ns, UTC].
    """

    erased: Erased | None
    terminals: dict[str, int]
    spared: int
    before_ns: dict[str, int]


def prune(home: Home, ledger: HomeLedger | None, *, now_ns: int, dry_run: bool = False) -> Pruned:
    """Let everything leave that is older than the home's retention says; doing it again does nothing.

    Args:
        home: the caller holds its write lock.
        ledger: its log, open; None only where it has none.
        now_ns: the time [ns, UTC].
        dry_run: only work out what would leave.
    Raises:
        IntegrityError: what is stored is not what was decided; nothing leaves. StoreError: the disk refused.
    """
    complete_begun(home, ledger)
    days = read_retention(home)
    since_ns = _emergency_since(home, now_ns)
    before = {name: min(now_ns - number * NS_PER_DAY, since_ns) for name, number in days.items()}
    needed = _needed(home, ledger, now_ns)
    leaving, spared = _unseen(home, {name: at for name, at in before.items() if name in UNSEEN}, needed, now_ns)
    wanted = Wanted(
        frozenset(name for names in leaving.values() for name in names),
        tuple(sorted(f"terminal:{name}" for names in leaving.values() for name in names)),
        {kind: at for name, at in before.items() if name in AGES for kind in _WITH.get(name, (name,))},
        needed,
    )
    counts = {name: len(names) for name, names in leaving.items() if names}
    if not wanted.terminals and not wanted.before_ns:
        return Pruned(None, counts, spared, before)
    basis = "retention: " + ", ".join(f"{name} {number} days" for name, number in days.items())
    planned = plan(home, ledger, wanted, basis=basis, cause=RETENTION, now_ns=now_ns)
    if planned.empty:
        return Pruned(None, counts, spared, before)
    if not dry_run:
        carry_out(home, ledger, wanted, planned)
    return Pruned(planned, counts, spared, before)


def _emergency_since(home: Home, now_ns: int) -> int:
    """When the first of the emergencies that run began [ns, UTC]; now, where none runs."""
    if in_force(home) is None:
        return now_ns
    return min((each.from_ns for each in effects(kept_state(home)) if each.from_ns <= now_ns < each.until_ns), default=now_ns)


def _needed(home: Home, ledger: HomeLedger | None, now_ns: int) -> frozenset[str]:
    """Terminals of which nothing leaves because of its age."""
    needed: set[str] = set()
    held = {subject for subject, _, _ in holds(ledger, now_ns)}
    needed.update(name.partition(":")[2] for name in held if name.startswith("terminal:"))
    if home.has_registers() and any(name.startswith("account:") for name in held):
        with Registers.open(home) as registers:
            needed.update(terminal for terminal, account, _, _ in registers.owners() if f"account:{account}" in held)
    for case in CaseDesk(home).cases(states=OPEN, hidden=True):
        needed.update(case.terminals)
        needed.update(each.terminal_id for one in case.signals for each in one.offending if each.terminal_id is not None)
    if in_force(home) is not None:
        needed.update(str(row["terminal"]) for row in appeals(home, kept_state(home), now_ns) if not row["ended"] and "terminal" in row)
    for segment in segments_of(home):
        for _, frame in read_frames(segment.path):
            needed.update(pc.unique(frame.rows["terminal_id"]).to_pylist())
    return frozenset(needed)


def _unseen(home: Home, before_ns: dict[str, int], needed: frozenset[str], now_ns: int) -> tuple[dict[str, list[str]], int]:
    """Terminals that were not seen for long enough, by class; and how many of them are spared."""
    if not before_ns:
        return {}, 0
    last = _last_seen(home)
    old = last.filter(pc.less(last["observed_at"], max(before_ns.values())))
    names, times = old["terminal_id"].to_pylist(), old["observed_at"].to_pylist()
    classes = dict(zip(names, _classes(home, names, now_ns), strict=True)) if names else {}
    found: dict[str, list[str]] = {}
    spared = 0
    for name, at in zip(names, times, strict=True):
        if at >= before_ns.get(classes[name], at):
            continue
        if name in needed:
            spared += 1
        else:
            found.setdefault(classes[name], []).append(name)
    return found, spared


def _last_seen(home: Home) -> pa.Table:
    """The last observation of each terminal, `terminal_id` and `observed_at` [ns, UTC]."""

    def newest(tables: list[pa.Table]) -> pa.Table:
        whole = pa.concat_tables(tables)
        found = whole.group_by("terminal_id", use_threads=False).aggregate([("observed_at", "max")])
        return pa.table({"terminal_id": found["terminal_id"], "observed_at": found["observed_at_max"]})

    held = newest([pa.table({"terminal_id": pa.array([], pa.string()), "observed_at": pa.array([], pa.int64())})])
    for kind, path in history_paths(home):
        if kind in _SEEN:
            table = read_columns(path, ["terminal_id", "observed_at"])
            part = pa.table({"terminal_id": table["terminal_id"].cast(pa.string()), "observed_at": table["observed_at"].cast(pa.int64())})
            held = newest([held, newest([part])])
    return held


def _classes(home: Home, names: list[str], now_ns: int) -> list[str]:
    if not home.has_registers():
        return [UNREGISTERED] * len(names)
    with Registers.open(home) as registers:
        known = {terminal for terminal, _, _, _ in registers.owners(terminals=names)}
        view = RegisterView.load(registers, valid_at_ns=now_ns)
    rows = view.lookup(pa.array(names, pa.string()))
    profiles = [view.profiles[view.profile_code[row]] if 0 <= row < view.n_registered else None for row in rows.tolist()]
    return [
        PROTECTED if is_protected(profile) else REGISTERED if name in known else UNREGISTERED
        for name, profile in zip(names, profiles, strict=True)
    ]


__all__ = ["Pruned", "prune"]
