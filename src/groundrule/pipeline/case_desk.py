"""The cases of a home: signals that were kept, what persons did, and the cases that follow from both."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from groundrule.detect.case_states import FALSE_ALARMS, Act, Tally, check_act, tally
from groundrule.detect.cases import Case, Cases, CaseSettings
from groundrule.detect.signals import signals_of
from groundrule.errors import ConflictError, InputError
from groundrule.instant import format_instant
from groundrule.store.cases import CaseActs
from groundrule.store.home import Home
from groundrule.store.registers import Registers
from groundrule.store.signals import SIGNALS


@dataclass(slots=True)
class CaseDesk:
    """Looks at the cases of a home, and lets persons act on them.

    What was read is kept, and read on where files or acts have come since. Threads may share it.

    Args:
        home: whose.
        settings: how signals hang together.
    """

    home: Home
    settings: CaseSettings = field(default_factory=CaseSettings)
    _cases: Cases | None = None
    _files: frozenset[str] = frozenset()
    _withdrawn: frozenset[tuple[str, int]] = frozenset()
    _last_act: int = 0
    _accounts: dict[str, str | None] = field(default_factory=dict)
    _revision: int = -1
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def cases(
        self,
        *,
        states: Iterable[str] | None = None,
        kinds: Iterable[str] | None = None,
        terminal: str | None = None,
        assignee: str | None = None,
        hidden: bool = False,
    ) -> list[Case]:
        """Return cases, those that weigh most first and of these the newest.

        Args:
            states: of `case_states.STATES`; None is all. kinds: with a signal of one of these. terminal: about this one.
            assignee: assigned to this person. hidden: also those that weigh too little to be shown to anybody.
        """
        with self._lock:
            found = self._read().all(shown_only=not hidden)
        wanted, of_kinds = None if states is None else set(states), None if kinds is None else set(kinds)
        chosen = [
            case for case in found
            if (wanted is None or case.course.state in wanted)
            and (of_kinds is None or of_kinds & set(case.kinds))
            and (terminal is None or terminal in case.terminals)
            and (assignee is None or case.course.assignee == assignee)
        ]  # fmt: skip
        return sorted(chosen, key=lambda case: (-case.weight, -case.signals[-1].raised_at, case.id))

    def find(self, case_id: str) -> Case:
        """Return a case, also by an id that it had before it grew.

        Raises:
            InputError: there is none.
        """
        with self._lock:
            found = self._read().find(case_id)
        if found is None:
            named = case_id[:80]
            raise InputError(f"there is no case `{named}`", help="`groundrule cases list` names them", field="case", value=named)
        return found

    def act(
        self, case_id: str, what: str, *, by: str, at_ns: int, to: str | None = None, reason: str | None = None,
        seen: Iterable[str] | None = None, act_id: str | None = None,
    ) -> Case:  # fmt: skip
        """Do something with a case, and return it as it is then; the caller holds the home's write lock.

        Args:
            case_id: of the case. what: one of `case_states.WHATS`. by: who does it. at_ns: when [ns, UTC].
            to: whom it is assigned to. reason: of a dismissal one of `case_states.DISMISSALS`, else any text.
            seen: ids of the signals that the person saw; None is all of the case now.
            act_id: the same act again has the same; None is a new one.
        Raises:
            InputError: it makes no sense. ConflictError: the case is in a state in which it cannot be done, or a signal is not of it.
        """
        with self._lock:
            case = self.find(case_id)
            present = {one.id for one in case.signals}
            covers = tuple(sorted(present if seen is None else set(seen))) if what in {"confirm", "dismiss"} else ()
            if strange := sorted(set(covers) - present):
                raise ConflictError(f"the case has no signal `{strange[0][:80]}`", help="look at the case again", field="seen")
            if not by.strip():
                raise InputError("an act names who did it", help="name the person", field="by")
            act = Act(act_id or f"act-{uuid.uuid4().hex}", case.id, at_ns, by, what, to, reason, covers)
            with CaseActs.open(self.home) as acts:
                if any(known.id == act.id for _, known in acts.all()):
                    return case
                check_act(act, case.course)
                acts.add(act)
            return self.find(case.id)

    def rates(self) -> dict[str, Tally]:
        """Return what decided cases say of each kind of signal."""
        with self._lock:
            return tally(self._read().all())

    def spared(self) -> dict[str, frozenset[str]]:
        """Return, for each terminal, the kinds of signals that a person found to be false alarms; they count for no rule.

        As long as the case stays dismissed: a stronger signal, or another cause, opens it again.
        """
        found: dict[str, set[str]] = {}
        with self._lock:
            for case in self._read().all():
                if case.course.state == "dismissed" and case.course.reason in FALSE_ALARMS:
                    for one in case.signals:
                        if one.id in case.course.covered:
                            found.setdefault(one.terminal_id, set()).add(one.kind)
        return {terminal: frozenset(kinds) for terminal, kinds in found.items()}

    # --- reading --------------------------------------------------------------------------------------------------------

    def _read(self) -> Cases:
        files = {each.digest: each for each in SIGNALS.batches(self.home)}
        withdrawn = SIGNALS.withdrawn(self.home)
        cases = self._cases
        if cases is None or not self._files <= files.keys() or withdrawn != self._withdrawn:
            # The first time, or small files went into a larger one, or what was found does not stand any more.
            cases = self._begin(withdrawn)
        if fresh := files.keys() - self._files:
            signals = signals_of(SIGNALS.read(self.home, from_ns=min(files[each].first_ns for each in fresh)))
            if self._changed_hands({one.terminal_id for one in signals}):
                cases, signals = self._begin(withdrawn), signals_of(SIGNALS.read(self.home))
                self._changed_hands({one.terminal_id for one in signals})
            cases.extend(signals)
            self._files = frozenset(files)
        acts = CaseActs.look(self.home)
        if acts is not None:
            with acts:
                stored = acts.all(self._last_act)
            cases.extend((), [act for _, act in stored])
            self._last_act = max((number for number, _ in stored), default=self._last_act)
        return cases

    def _begin(self, withdrawn: frozenset[tuple[str, int]]) -> Cases:
        self._accounts, self._revision = {}, -1
        self._cases, self._files, self._last_act = Cases(self.settings, self._accounts.get), frozenset(), 0
        self._withdrawn = withdrawn
        return self._cases

    def _changed_hands(self, terminals: set[str]) -> bool:
        """Learn whose terminals are, and say whether one that cases know already has another account than it had."""
        with Registers.open(self.home) as registers:
            revision = registers.revision().revision
            asked = terminals - self._accounts.keys() if revision == self._revision else terminals | self._accounts.keys()
            found = accounts_of(registers, asked)
        changed = any(found[name] != self._accounts[name] for name in found.keys() & self._accounts.keys())
        self._accounts.update(found)
        self._revision = revision
        return changed


def accounts_of(registers: Registers, terminals: Iterable[str]) -> dict[str, str | None]:
    """Return the last known account of terminals."""
    known: dict[str, str | None] = dict.fromkeys(terminals)
    known.update({name: account for name, account, _, _ in registers.owners(terminals=sorted(known))})
    return known


def case_dict(case: Case) -> dict[str, Any]:
    """Return a case for JSON, with its signals and its course."""
    course = case.course
    return {
        "id": case.id, "state": course.state, "since": format_instant(course.since_ns), "assignee": course.assignee,
        "reason": course.reason, "weight": case.weight, "shown": case.shown, "kinds": list(case.kinds),
        "terminals": list(case.terminals), "groups": list(case.groups), "from": format_instant(case.from_at),
        "until": format_instant(case.until_at),
        "signals": [
            {
                "id": one.id, "kind": one.kind, "terminal_id": one.terminal_id, "raised_at": format_instant(one.raised_at),
                "from": format_instant(one.from_at), "until": format_instant(one.until_at), "strength": one.strength,
                "lat_deg": one.lat_deg, "lon_deg": one.lon_deg, "group": one.group,
                "found": [{"name": name, "value": value, "unit": unit} for name, value, unit in one.found],
                "offending": [
                    {
                        "observed_at": format_instant(each.observed_at), "lat_deg": each.lat_deg, "lon_deg": each.lon_deg,
                        "terminal_id": each.terminal_id,
                    }
                    for each in one.offending
                ],
            }
            for one in case.signals
        ],
        "timeline": [{"at": format_instant(at_ns), "what": what, "id": name} for at_ns, what, name in case.timeline],
        "acts": [
            {
                "id": act.id, "at": format_instant(act.at_ns), "by": act.by, "what": act.what, "to": act.to, "reason": act.reason,
                "covers": len(act.covers),
            }
            for act in course.acts
        ],
        "ignored": len(course.ignored),
    }  # fmt: skip
