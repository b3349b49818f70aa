"""What becomes of a case: its state, as a fold over what persons did and over its signals; and what that says of detectors.

    open → assigned → confirmed or dismissed → reopened → assigned …

A decision covers the signals that the person saw, which the act names. When a dismissed case gets a signal of a cause or a
terminal that the dismissal did not cover, or one that is stronger than those of its cause that it covered, it is reopened by itself;
more of the same does not. So a case that turns out to be one with another, or grows, never hides behind a decision about less: a
flight never behind a car that was too fast.

Each decided case counts for the kinds of signals that were covered: confirmed, or a false alarm with its reason. These counts are
measured on real cases, beside the rates measured on simulation.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from groundrule.detect.signals import KINDS, Signal
from groundrule.errors import ConflictError, InputError

if TYPE_CHECKING:
    from groundrule.detect.cases import Case

STATES: Final = ("open", "assigned", "confirmed", "dismissed", "reopened")
WHATS: Final = ("assign", "release", "confirm", "dismiss", "reopen", "note")

DISMISSALS: Final = {
    "innocent": "The terminal did what was seen, and nothing is wrong with it: an ambulance, a journalist, a returning owner.",
    "permitted": "It is known and allowed: a programme, a waiver, a test.",
    "disturbed_area": "Satellite navigation was disturbed there.",
    "bad_data": "The observations were wrong.",
    "coerced": "The registrant was forced; the terminals are judged, the person is not.",
    "duplicate": "Another case is about the same.",
    "cannot_tell": "Nobody can tell from what there is.",
}
"""Reasons of a dismissal, each with what it says."""

FALSE_ALARMS: Final = ("innocent", "permitted", "disturbed_area", "bad_data")
"""Dismissals that say that the detector was wrong about its terminal. The others say nothing about detectors."""

_ALLOWED: Final = {
    "open": ("assign", "confirm", "dismiss", "note"),
    "assigned": ("assign", "release", "confirm", "dismiss", "note"),
    "confirmed": ("reopen", "note"),
    "dismissed": ("reopen", "note"),
    "reopened": ("assign", "confirm", "dismiss", "note"),
}
OPEN: Final = tuple(state for state, can in _ALLOWED.items() if "confirm" in can)
"""States of cases that wait for somebody: those in which a case can be decided."""
_AFTER: Final = {"assign": "assigned", "release": "open", "confirm": "confirmed", "dismiss": "dismissed", "reopen": "reopened"}


@dataclass(frozen=True, slots=True)
class Act:
    """What a person did with a case.

    Attributes:
        id: unique.
        case: id of the case, as it was then.
        at_ns: when [ns, UTC].
        by: who.
        what: one of WHATS.
        to: to whom, for `assign`.
        reason: one of DISMISSALS for `dismiss`; free text otherwise.
        covers: ids of the signals that were seen, for `confirm` and `dismiss`.
    """

    id: str
    case: str
    at_ns: int
    by: str
    what: str
    to: str | None = None
    reason: str | None = None
    covers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Course:
    """How a case came to be what it is.

    Attributes:
        state: one of STATES.
        since_ns: since when [ns, UTC].
        assignee: to whom it is assigned, or was.
        reason: of the dismissal or reopening; `new_evidence` where it was reopened by itself.
        covered: ids of the signals that the decision covers.
        acts: that counted, in order. ignored: that did not fit the state in which they came, for instance of two persons at a time.
    """

    state: str
    since_ns: int
    assignee: str | None = None
    reason: str | None = None
    covered: frozenset[str] = frozenset()
    acts: tuple[Act, ...] = ()
    ignored: tuple[Act, ...] = ()

    @property
    def can(self) -> tuple[str, ...]:
        """What can be done now."""
        return _ALLOWED[self.state]


def check_act(act: Act, course: Course) -> None:
    """Refuse an act that makes no sense now.

    Raises:
        InputError: it is not one, or lacks something.
        ConflictError: the case is in a state in which it cannot be done.
    """
    if act.what not in WHATS:
        raise InputError(f"`{act.what}` is nothing that is done with a case", help="wanted one of: " + ", ".join(WHATS))
    if act.what == "assign" and not act.to:
        raise InputError("a case is assigned to somebody", help="name the person")
    if act.what == "dismiss" and act.reason not in DISMISSALS:
        raise InputError(f"`{act.reason}` is no reason of a dismissal", help="wanted one of: " + ", ".join(DISMISSALS))
    if act.what in {"confirm", "dismiss"} and not act.covers:
        raise InputError("a decision names the signals that it covers", help="those that the person saw")
    if act.what not in _ALLOWED[course.state]:
        can = ", ".join(_ALLOWED[course.state])
        raise ConflictError(f"a case that is {course.state} cannot be taken by `{act.what}`", help=f"what can be done: {can}")


def course_of(signals: Sequence[Signal], acts: Iterable[Act]) -> Course:
    """Return the state of a case of these signals after these acts, whatever their order."""
    began = min(one.raised_at for one in signals)
    course = Course("open", began)
    about = {one.id: (one.terminal_id, KINDS[one.kind].cause) for one in signals}
    came = sorted(signals, key=lambda one: (one.raised_at, one.id))
    for act in sorted(acts, key=lambda one: (one.at_ns, one.id)):
        course = _renewed(course, came, about, until_ns=act.at_ns)
        try:
            check_act(act, course)
        except (ConflictError, InputError):
            course = replace(course, ignored=(*course.ignored, act))
            continue
        decided = act.what in {"confirm", "dismiss"}
        course = Course(
            _AFTER.get(act.what, course.state),
            course.since_ns if act.what == "note" else act.at_ns,
            act.to if act.what == "assign" else None if act.what == "release" else course.assignee,
            course.reason if act.what in {"note", "assign"} else act.reason,
            frozenset(act.covers) if decided else course.covered,
            (*course.acts, act),
            course.ignored,
        )
    return _renewed(course, came, about, until_ns=None)


def _renewed(course: Course, came: Sequence[Signal], about: dict[str, tuple[str, str]], *, until_ns: int | None) -> Course:
    """Reopen what was dismissed when something came that the dismissal does not speak of."""
    if course.state != "dismissed":
        return course
    spoken: dict[tuple[str, str], float] = {}
    for one in came:
        if one.id in course.covered:
            spoken[about[one.id]] = max(spoken.get(about[one.id], 0.0), one.strength)
    for one in came:
        if until_ns is not None and one.raised_at > until_ns:
            break
        if one.strength > spoken.get(about[one.id], -1.0):
            since = max(course.since_ns, one.raised_at)
            return replace(course, state="reopened", since_ns=since, reason="new_evidence")
    return course


@dataclass(frozen=True, slots=True)
class Tally:
    """What decided cases say of one kind of signal.

    Attributes:
        confirmed, false_alarms: terminals of decided cases in which it was covered.
        undecided: terminals in cases without a decision, or with one that says nothing about the detector.
    """

    confirmed: int = 0
    false_alarms: int = 0
    undecided: int = 0

    @property
    def share_confirmed(self) -> float | None:
        """Of the decided ones; None where there are none."""
        decided = self.confirmed + self.false_alarms
        return self.confirmed / decided if decided else None


def tally(cases: Iterable[Case]) -> dict[str, Tally]:
    """Return what cases say of each kind of signal, each terminal of a case once for each kind."""
    counts: dict[str, list[int]] = {kind: [0, 0, 0] for kind in KINDS}
    for case in cases:
        course = case.course
        sort = 2
        if course.state == "confirmed":
            sort = 0
        elif course.state == "dismissed" and course.reason in FALSE_ALARMS:
            sort = 1
        covered = {(one.kind, one.terminal_id) for one in case.signals if one.id in course.covered}
        for kind, terminal in {(one.kind, one.terminal_id) for one in case.signals}:
            counts[kind][sort if (kind, terminal) in covered else 2] += 1
    return {kind: Tally(*numbers) for kind, numbers in counts.items() if any(numbers)}
