"""Emergencies as decisions see them: an overlay beside the policy, which leaves the policy and its digest as they are.

    ordinary decision ──► overlay ──► decision, with `emergency_permit` or `emergency_deny` and the emergency's id as its rule

An overlay is part of what a decision is a function of (`judge.Basis`), and a run's manifest names it by digest. An
emergency has its effect on what is decided for an instant of its half-open interval, in named areas and for named
terminals. It permits first and denies second: where both hold, the stricter answer does.

What an emergency never does: lift a denial by a sanctions rule or by a list of those who are denied; give service where
the network has never served; deny a protected terminal that it does not name. On the edge of an area it goes as far as
`review`, like a rule.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from groundrule.canon import canonical_json, digest_bytes, parse_canonical
from groundrule.errors import InputError, IntegrityError
from groundrule.govern.signed import format_time, parse_time
from groundrule.reasons import CATALOGUE
from groundrule.records import Outcome, ServiceState
from groundrule.rules.classes import CONTRIBUTING, DECISIVE, STATES, DecisionClass
from groundrule.rules.compile import Decided
from groundrule.rules.evidence import Coded, Membership
from groundrule.rules.model import All, AnyOf, Condition, ListIn, Rule, Rulebook

PERMIT: Final = "permit_only"
PERMIT_REASON: Final = "emergency_permit"
DENY_REASON: Final = "emergency_deny"
RESTRICTED: Final = ("service=emergency_calls",)
"""What an emergency that restricts obliges to: it has no words of its own for it."""
_OUT, _EDGE, _IN = 0, 1, 2
_TARGETS: Final = 4


@dataclass(frozen=True, slots=True)
class Measure:
    """One emergency.

    Attributes:
        id: of the emergency.
        condition: why it was opened.
        permits: it makes answers more permissive; otherwise stricter. Never both.
        areas, terminals: ids that it reaches; empty reaches nothing.
        ops: outcomes that it may give.
        from_ns, until_ns: half-open interval of the instants decided for [ns, UTC].
        review_due_ns: by when others must have reviewed it [ns, UTC].
    """

    id: str
    condition: str
    permits: bool
    areas: frozenset[str]
    terminals: frozenset[str]
    ops: tuple[Outcome, ...]
    from_ns: int
    until_ns: int
    review_due_ns: int

    @property
    def target(self) -> Outcome:
        """The answer that it gives: the most permissive of what it may, or the strictest."""
        return min(self.ops) if self.permits else max(self.ops)

    @property
    def edge_target(self) -> Outcome:
        """The answer that it gives where the position may be outside its areas."""
        return max(self.target, Outcome.REVIEW) if self.permits else min(self.target, Outcome.REVIEW)

    @property
    def reason(self) -> str:
        """Its reason code."""
        return PERMIT_REASON if self.permits else DENY_REASON

    @property
    def value(self) -> dict[str, object]:
        """As JSON."""
        return {
            "id": self.id,
            "condition": self.condition,
            "direction": PERMIT if self.permits else "deny_only",
            "areas": sorted(self.areas),
            "terminals": sorted(self.terminals),
            "ops": sorted(op.word for op in self.ops),
            "from": format_time(self.from_ns),
            "until": format_time(self.until_ns),
            "review_due": format_time(self.review_due_ns),
        }


@dataclass(frozen=True)
class Overlay:
    """The emergencies that decisions of a run are made under, in the order of the log.

    Attributes:
        measures: those that have an effect at some instant.
    """

    measures: tuple[Measure, ...] = ()

    @cached_property
    def data(self) -> bytes:
        """Canonical bytes, which its digest is over."""
        return canonical_json({"v": 1, "emergencies": [each.value for each in self.measures]})

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the bytes (`sha256:` and 64 hex digits)."""
        return digest_bytes(self.data)

    @classmethod
    def parse(cls, data: bytes) -> Overlay:
        """Read an overlay from its bytes.

        Raises:
            IntegrityError: they are not what `data` gives.
        """
        try:
            made = cls(tuple(_measure(each) for each in parse_canonical(data)["emergencies"]))
            intact = made.data == data
        except (KeyError, TypeError, ValueError, AttributeError, InputError):
            intact = False
        if not intact:
            raise IntegrityError("an overlay of emergencies is damaged", help="restore governance/objects from a copy")
        return made

    def rule_names(self, rulebook: Rulebook) -> list[str]:
        """Return what the deciding rule of a row is called, by its number; emergencies come after the default."""
        return [*(rule.id for rule in rulebook.rules), "default", *(each.id for each in self.measures)]


NO_OVERLAY: Final = Overlay()


def _measure(value: dict[str, object]) -> Measure:
    def words(name: str) -> list[str]:
        found = value[name]
        if not isinstance(found, list):
            raise TypeError(name)
        return [str(each) for each in found]

    return Measure(
        str(value["id"]), str(value["condition"]), value["direction"] == PERMIT, frozenset(words("areas")),
        frozenset(words("terminals")), tuple(sorted(Outcome[word.upper()] for word in words("ops"))),
        parse_time(str(value["from"])), parse_time(str(value["until"])), parse_time(str(value["review_due"])),
    )  # fmt: skip


def fixed_rules(book: Rulebook) -> frozenset[str]:
    """Return the rules that no emergency lifts: of sanctions, and those that deny whoever is on a list."""
    return frozenset(
        rule.id
        for rule in book.rules
        if rule.outcome is not Outcome.SERVE and (_of_sanctions(rule) or (rule.outcome is Outcome.DENY and _on_list(rule)))
    )


def _of_sanctions(rule: Rule) -> bool:
    found = CATALOGUE.get(rule.reason)
    return rule.tier == "sanctions" or (found is not None and found.group == "sanctions")


def _on_list(rule: Rule) -> bool:
    return any("active" in leaf.states for part in (rule.where, rule.who, rule.what) for leaf in _positive_lists(part))


def _positive_lists(condition: Condition) -> Iterator[ListIn]:
    """Memberships of lists that carry a condition; what stands under `not` does not."""
    if isinstance(condition, ListIn):
        yield condition
    elif isinstance(condition, All | AnyOf):
        for part in condition.parts:
            yield from _positive_lists(part)


@dataclass(slots=True)
class Overlaying:
    """Applies an overlay to the batches of one judge; what it remembers between them saves time and numbers classes.

    Args:
        overlay: not empty.
        book: the rulebook.
    """

    overlay: Overlay
    book: Rulebook
    _fixed_rules: frozenset[str] = field(init=False)
    _classes: OverlaidClasses = field(init=False)
    _plain: NDArray[np.int32] = field(init=False)
    _numbers: dict[int, int] = field(init=False)
    _fixed: dict[int, bool] = field(init=False)
    _areas: list[NDArray[np.uint8]] = field(init=False)
    _named: list[pa.Array] = field(init=False)

    def __post_init__(self) -> None:
        self._fixed_rules = fixed_rules(self.book)
        self._classes = OverlaidClasses(self.overlay)
        self._plain = np.full(0, -1, np.int32)
        self._numbers, self._fixed = {}, {}
        measures = self.overlay.measures
        self._areas = [np.zeros(0, np.uint8) for _ in measures]
        self._named = [pa.array(sorted(each.terminals), pa.string()) for each in measures]

    def apply(self, decided: Decided, terminals: pa.ChunkedArray, now_ns: NDArray[np.int64], where: Coded, who: Coded) -> Decided:
        """Return the decisions of a batch under the emergencies.

        Args:
            decided: the ordinary decisions.
            terminals: ids.
            now_ns: the instants decided for [ns, UTC].
            where: areas of each row.
            who: profile of each row.
        """
        self._classes.ordinary = decided.classes
        klass = self._renumbered(decided.klass, len(decided.classes))
        first, last = int(now_ns.min(initial=0)), int(now_ns.max(initial=0))
        outcome, state, rule, until = decided.outcome, decided.state, decided.rule, decided.valid_until
        order = sorted(range(len(self.overlay.measures)), key=lambda k: (not self.overlay.measures[k].permits, k))
        for number in order:
            each = self.overlay.measures[number]
            if first >= each.until_ns or last < each.from_ns - _longest(until, now_ns):
                continue
            rows, reach = self._reached(number, np.flatnonzero(now_ns < each.until_ns), terminals, where)
            if not len(rows):
                continue
            if outcome is decided.outcome:
                outcome, state, rule, until = outcome.copy(), state.copy(), rule.copy(), until.copy()
            # What is decided shortly before it begins is not to be relied on any longer than until then.
            early = now_ns[rows] < each.from_ns
            until[rows[early]] = np.minimum(until[rows[early]], each.from_ns)
            rows, reach = rows[~early], reach[~early]
            target = np.where(reach == _IN, int(each.target), int(each.edge_target)).astype(np.uint8)
            if each.permits:
                chosen = outcome[rows] > target
                chosen[chosen] = ~self._is_fixed(decided.klass[rows[chosen]])
            else:
                chosen = (outcome[rows] < target) & ((reach == _IN) | (target < Outcome.DENY))
                chosen &= ~self._spared(number, rows, terminals, who)
            rows, target = rows[chosen], target[chosen]
            outcome[rows], state[rows] = target, STATES.index(ServiceState.NORMAL)
            rule[rows] = len(self.book.rules) + 1 + number
            until[rows] = np.minimum(until[rows], each.until_ns)
            klass[rows] = self._altered(decided.klass[rows], number, target)
        return Decided(outcome, rule, state, klass, until, self._classes)

    def _reached(
        self, number: int, rows: NDArray[np.int64], terminals: pa.ChunkedArray, where: Coded
    ) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """Of some rows those that a measure reaches, and whether inside or on the edge."""
        by_area = self._by_area(number, where)
        reach = by_area[where.codes[rows]]
        if len(self._named[number]):
            reach[self._is_named(number, rows, terminals)] = _IN
        found = reach != _OUT
        return rows[found], reach[found]

    def _by_area(self, number: int, where: Coded) -> NDArray[np.uint8]:
        known = self._areas[number]
        if len(known) < len(where.values):
            areas = self.overlay.measures[number].areas
            fresh = [
                max(
                    (_IN if fact.membership is Membership.INSIDE else _EDGE for fact in facts or () if fact.id in areas),
                    default=_OUT,
                )
                for facts in where.values[len(known) :]
            ]
            known = self._areas[number] = np.concatenate([known, np.array(fresh, np.uint8)])
        return known

    def _is_named(self, number: int, rows: NDArray[np.int64], terminals: pa.ChunkedArray) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = pc.is_in(terminals.take(pa.array(rows)), value_set=self._named[number]).to_numpy()
        return found

    def _spared(self, number: int, rows: NDArray[np.int64], terminals: pa.ChunkedArray, who: Coded) -> NDArray[np.bool_]:
        """Protected terminals that are only in an area: nobody thought of them by name."""
        used, local = np.unique(who.codes[rows], return_inverse=True)
        protected = np.array(
            [who.values[code] is not None and who.values[code].protected_class not in (None, "none") for code in used], bool
        )
        spared = protected[local] if len(used) else np.zeros(0, bool)
        if spared.any() and len(self._named[number]):
            spared &= ~self._is_named(number, rows, terminals)
        return spared

    def _is_fixed(self, klass: NDArray[np.int32]) -> NDArray[np.bool_]:
        used, local = np.unique(klass, return_inverse=True)
        for code in used.tolist():
            if code not in self._fixed:
                found = self._classes.ordinary[code]
                self._fixed[code] = found.state is ServiceState.NEVER_SERVED or any(
                    rule in self._fixed_rules for _, rule, _ in found.reasons
                )
        return np.array([self._fixed[code] for code in used.tolist()], bool)[local]

    # --- numbers of classes: those of the rulebook grow while batches come, so both kinds are numbered anew -------------

    def _renumbered(self, klass: NDArray[np.int32], known: int) -> NDArray[np.int32]:
        if known > len(self._plain):
            self._plain = np.concatenate([self._plain, np.full(known + known // 4 - len(self._plain), -1, np.int32)])
        found = self._plain[klass]
        if (found < 0).any():
            for code in np.unique(klass[found < 0]).tolist():
                self._plain[code] = self._classes.add(code, None)
            found = self._plain[klass]
        return found

    def _altered(self, klass: NDArray[np.int32], number: int, target: NDArray[np.uint8]) -> NDArray[np.int32]:
        width = _TARGETS * len(self.overlay.measures)
        used, local = np.unique(klass.astype(np.int64) * width + number * _TARGETS + target, return_inverse=True)
        for key in used.tolist():
            if key not in self._numbers:
                code, rest = divmod(key, width)
                self._numbers[key] = self._classes.add(code, (number, Outcome(rest % _TARGETS)))
        return np.array([self._numbers[key] for key in used.tolist()], np.int32)[local]


class OverlaidClasses(Sequence[DecisionClass]):
    """Decision classes by their own numbers: ordinary ones, and ordinary ones altered by a measure. It grows at the end only."""

    def __init__(self, overlay: Overlay) -> None:
        self.ordinary: Sequence[DecisionClass] = ()
        self._overlay = overlay
        self._items: list[tuple[int, tuple[int, Outcome] | None]] = []
        self._made: dict[int, DecisionClass] = {}

    def add(self, code: int, change: tuple[int, Outcome] | None) -> int:
        """Add a class: its ordinary number, and the measure with the outcome that it gives; return its number."""
        self._items.append((code, change))
        return len(self._items) - 1

    def origin(self, number: int) -> tuple[DecisionClass, Measure | None]:
        """Return the ordinary class behind a number, and the measure that altered it."""
        code, change = self._items[number]
        return self.ordinary[code], None if change is None else self._overlay.measures[change[0]]

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, index: int) -> DecisionClass: ...
    @overload
    def __getitem__(self, index: slice) -> list[DecisionClass]: ...
    def __getitem__(self, index: int | slice) -> DecisionClass | list[DecisionClass]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if index not in self._made:
            code, change = self._items[index]
            ordinary = self.ordinary[code]
            self._made[index] = ordinary if change is None else _under(ordinary, self._overlay.measures[change[0]], change[1])
        return self._made[index]


def _under(ordinary: DecisionClass, measure: Measure, outcome: Outcome) -> DecisionClass:
    """The class that a measure makes of an ordinary one: all that applied still stands there, and decides nothing."""
    reasons = tuple((code, rule, CONTRIBUTING) for code, rule, _ in ordinary.reasons)
    return DecisionClass(
        outcome,
        ServiceState.NORMAL,
        measure.id,
        ((measure.reason, measure.id, DECISIVE), *reasons),
        RESTRICTED if outcome is Outcome.RESTRICT else (),
    )


def _longest(until: NDArray[np.int64], now_ns: NDArray[np.int64]) -> int:
    """For how long the decisions of a batch hold at most [ns]."""
    return int((until - now_ns).max(initial=0))
