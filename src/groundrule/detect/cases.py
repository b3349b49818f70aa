"""Cases: signals about the same thing, for a person to judge.

Two signals are of one case if they are about the same terminal, account, place or convoy while both count; and whatever hangs
together so is one case. This does not depend on the order in which signals come: a case that grows step by step is the one
that is found at once.

A case's id names its first signal, so it is the same whoever computes it. When an earlier signal comes late or two cases turn out
to be one, the id changes; older ids keep pointing to it, because every signal of a case points to its case (`Cases.find`).

What persons do with a case are events (`Act`), and its state is a fold over them and the signals, see `detect.case_states`. What
follows from a case is a proposed change, never a switch.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from groundrule.detect.case_states import Act, Course, course_of
from groundrule.detect.signals import KINDS, Signal
from groundrule.instant import NS_PER_S
from groundrule.records import SIGNAL_WITNESSES

LINKING: Final = ("account", "party", "place", "convoy")
"""Groups that make signals of several terminals one case; others (`border:PL-UA`) only tell."""

ID_DIGITS: Final = 16
"""Digits of the first signal's digest in the id of a case."""


@dataclass(frozen=True, slots=True)
class CaseSettings:
    """How signals hang together.

    Attributes:
        slack_s: signals of one terminal or group hang together up to so long after the earlier one lapsed [s].
        account_s: signals of two terminals of one account hang together up to so long after each other [s]: large accounts have many.
        least_weight: cases that weigh less are kept and not shown to anybody.
    """

    slack_s: float = 3_600.0
    account_s: float = 7_200.0
    least_weight: float = 0.25


@dataclass(frozen=True, slots=True)
class Case:
    """One case.

    Attributes:
        id: `case-` and digits of its first signal's digest.
        signals: ordered by time, terminal and kind.
        course: its state, and how it came to be so.
        weight: what its independent causes make together, 0 to 1: 1 - product of (1 - the strongest of each cause).
        shown: does it weigh enough for a person?
    """

    id: str
    signals: tuple[Signal, ...]
    course: Course
    weight: float
    shown: bool

    @property
    def terminals(self) -> tuple[str, ...]:
        """Whom it is about, ordered."""
        return tuple(sorted({one.terminal_id for one in self.signals}))

    @property
    def groups(self) -> tuple[str, ...]:
        """Accounts, places and convoys that it is about, ordered."""
        return tuple(sorted({one.group for one in self.signals if one.group is not None and _links(one.group)}))

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of its signals, in the order of KINDS."""
        present = {one.kind for one in self.signals}
        return tuple(kind for kind in KINDS if kind in present)

    @property
    def from_at(self) -> int:
        """The first offending observation [ns, UTC]."""
        return min(one.from_at for one in self.signals)

    @property
    def until_at(self) -> int:
        """When its last signal no longer counts [ns, UTC]."""
        return max(one.until_at for one in self.signals)

    @property
    def timeline(self) -> tuple[tuple[int, str, str], ...]:
        """What happened, in order: instant [ns, UTC], `signal` or the act, and the signal's or the act's id."""
        told = [(one.raised_at, "signal", one.id) for one in self.signals]
        return tuple(sorted(told + [(act.at_ns, act.what, act.id) for act in self.course.acts]))


AccountOf = Callable[[str], str | None]


@dataclass(slots=True)
class Cases:
    """Signals and acts as they come, and the cases that they make.

    Args:
        settings: see there.
        account_of: account of a terminal, or None.
    """

    settings: CaseSettings = field(default_factory=CaseSettings)
    account_of: AccountOf | None = None
    _signals: dict[str, Signal] = field(default_factory=dict)
    _parent: dict[str, str] = field(default_factory=dict)
    _spans: dict[str, list[tuple[int, int, str]]] = field(default_factory=dict)
    _members: dict[str, list[str]] = field(default_factory=dict)
    _acts: dict[str, Act] = field(default_factory=dict)
    _prefix: dict[str, str] = field(default_factory=dict)

    def extend(self, signals: Iterable[Signal], acts: Iterable[Act] = ()) -> set[str]:
        """Take more signals and acts, in any order and as often as they come; return the ids of cases that are new or changed."""
        touched: set[str] = set()
        for signal in signals:
            if KINDS[signal.kind].cause == "data" or signal.id in self._signals:
                continue  # bad data says nothing about anybody
            self._signals[signal.id] = signal
            self._parent[signal.id] = signal.id
            self._members[signal.id] = [signal.id]
            self._prefix[signal.id[:ID_DIGITS]] = signal.id
            for key, end in self._keys(signal):
                self._span(key, signal.raised_at, end, signal.id)
            touched.add(signal.id)
        for act in acts:
            self._acts[act.id] = act
            known = self._prefix.get(act.case.removeprefix("case-"))
            if known is not None:
                touched.add(known)
        return {self._case_id(self._root(one)) for one in touched}

    def find(self, case_id: str) -> Case | None:
        """The case that an id points to, also one that it had before."""
        known = self._prefix.get(case_id.removeprefix("case-"))
        return None if known is None else self._made(self._root(known), self._acts_by_case())

    def all(self, *, shown_only: bool = False) -> list[Case]:
        """All cases, by their first observation."""
        acts = self._acts_by_case()
        made = [self._made(root, acts) for root in self._members if self._parent[root] == root]
        return sorted((one for one in made if one.shown or not shown_only), key=lambda one: (one.from_at, one.id))

    def _keys(self, signal: Signal) -> list[tuple[str, int]]:
        """Things that a signal is about, each with the end of the time in which others about it hang together with this one [ns]."""
        late = signal.until_at + round(self.settings.slack_s * NS_PER_S)
        keys = [(f"terminal:{signal.terminal_id}", late)]
        if _links(signal.group):
            keys.append((str(signal.group), late))
        account = self.account_of(signal.terminal_id) if self.account_of is not None else None
        if account is not None:
            keys.append((f"account:{account}", signal.raised_at + round(self.settings.account_s * NS_PER_S)))
        return keys

    def _span(self, key: str, begin: int, end: int, one: str) -> None:
        """Put a time into the disjoint times of a thing; what it touches is one case."""
        spans = self._spans.setdefault(key, [])
        first = bisect.bisect_left(spans, begin, key=lambda span: span[1])
        last = first
        while last < len(spans) and spans[last][0] <= end:
            begin, end = min(begin, spans[last][0]), max(end, spans[last][1])
            self._join(spans[last][2], one)
            last += 1
        spans[first:last] = [(begin, end, one)]

    def _root(self, one: str) -> str:
        while self._parent[one] != one:
            self._parent[one] = self._parent[self._parent[one]]
            one = self._parent[one]
        return one

    def _join(self, one: str, other: str) -> None:
        a, b = self._root(one), self._root(other)
        if a == b:
            return
        if len(self._members[a]) < len(self._members[b]):
            a, b = b, a
        self._parent[b] = a
        self._members[a] += self._members.pop(b)

    def _case_id(self, root: str) -> str:
        first = min((self._signals[one] for one in self._members[root]), key=lambda one: (one.raised_at, one.id))
        return f"case-{first.id[:ID_DIGITS]}"

    def _acts_by_case(self) -> dict[str, list[Act]]:
        found: dict[str, list[Act]] = {}
        for act in self._acts.values():
            known = self._prefix.get(act.case.removeprefix("case-"))
            if known is not None:
                found.setdefault(self._root(known), []).append(act)
        return found

    def _made(self, root: str, acts: dict[str, list[Act]]) -> Case:
        signals = sorted((self._signals[one] for one in self._members[root]), key=lambda one: (one.raised_at, one.terminal_id, one.kind))
        weight = weight_of(signals)
        course = course_of(signals, acts.get(root, []))
        return Case(self._case_id(root), tuple(signals), course, weight, weight >= self.settings.least_weight or bool(course.acts))


def cases_of(
    signals: Iterable[Signal], acts: Iterable[Act] = (), *, settings: CaseSettings | None = None, account_of: AccountOf | None = None
) -> list[Case]:
    """All cases of signals at once; the same as `Cases` finds step by step."""
    cases = Cases(settings or CaseSettings(), account_of)
    cases.extend(signals, acts)
    return cases.all()


def weight_of(signals: Sequence[Signal]) -> float:
    """What signals weigh together: each witness counts once, by its strongest signal [0 to 1] (records.SIGNAL_WITNESSES)."""
    strongest: dict[str, float] = {}
    for one in signals:
        witness = SIGNAL_WITNESSES[one.kind]
        strongest[witness] = max(strongest.get(witness, 0.0), one.strength)
    doubt = 1.0
    for witness in sorted(strongest):
        doubt *= 1.0 - strongest[witness]
    return round(1.0 - doubt, 6)


def _links(group: str | None) -> bool:
    return group is not None and group.split(":", 1)[0] in LINKING
