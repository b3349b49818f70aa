"""All evidence that a rulebook can tell apart, as a finite space of variables for a solver.

Every fact becomes a variable over the values that some rule or guarantee distinguishes, and one for all others: a
number becomes the bands between the limits, a place a three-valued membership for every selector, a word its mentioned
values, `other` and unknown, time the intervals between the moments at which a rule begins or ends. Two situations that
give all variables the same values are decided alike, so a proof over the variables is a proof over all evidence.

Where real maps allow less than the variables do (they hold every pair of countries possible), the space is wider than
the world: a proof holds all the same, and a counterexample is turned back into evidence (`counterexample`) and decided
again before anyone sees it.

Variables and the tests over them stand in one module, because each must mean by a value what the other does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from groundrule.instant import MAX_NS, MIN_NS
from groundrule.records import Outcome
from groundrule.rules import attributes
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
from groundrule.rules.normal import leaves_of
from groundrule.rules.selectors import NO, PERHAPS, YES, landing_of

OTHER, UNKNOWN = "other", "unknown"
LANDING = ("licensed", "unlicensed", "blocked", "not_offered")
_ORDINARY = {
    "account": "active", "registration": "registered", "screening": "clear", "class": "none", "quota": "ok",
    "cell_state": "enabled", "verdict": "consistent", "position_source": "gnss", "motion": "still",
    "assurance": "a1", "gnss": "normal",
}  # fmt: skip
"""Values that a counterexample takes where nothing else is needed, so that what matters stands out."""

SETTLED = 4
Level = int
"""1 to 3: at least a doubt with this outcome; 4: certainly."""


@dataclass(frozen=True, slots=True)
class Variable:
    """One fact.

    Attributes:
        name: its name in the solver.
        term: the solver's integer constant.
        values: what the integers mean.
        usual: index of the value that counterexamples prefer.
    """

    name: str
    term: Any
    values: tuple[Any, ...]
    usual: int = 0

    def equals(self, value: Any) -> Any:
        """Return the solver's test for one value."""
        return self.term == self.values.index(value)


@dataclass(slots=True)
class Space:
    """The variables of one rulebook, and its conditions over them.

    Attributes:
        z3: the solver's module.
        rulebook: the rulebook.
        extra: further conditions whose values must be told apart, for instance of guarantees.
        variables: the facts by name.
        constraints: what no evidence contradicts, as tests of the solver.
        limits: of each number, ascending; its bands lie between them and on them.
        moments: at which a rule begins or ends, ascending [ns, UTC].
        countries: codes that have a variable of their own, in order; the others have one for each landing status.
    """

    z3: Any
    rulebook: Rulebook
    extra: Sequence[Condition] = ()
    variables: dict[str, Variable] = field(default_factory=dict)
    constraints: list[Any] = field(default_factory=list)
    limits: dict[str, list[float]] = field(default_factory=dict)
    moments: list[int] = field(default_factory=list)
    countries: list[str] = field(default_factory=list)
    _landing: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._landing = landing_of(self.rulebook)
        conditions = [rule.condition() for rule in self.rulebook.rules] + list(self.extra)
        leaves = list(dict.fromkeys(leaf for condition in conditions for leaf in leaves_of(condition)))
        edges = {ns for r in self.rulebook.rules for ns in (r.effective_from_ns, r.effective_until_ns)}
        self.moments = sorted(edges - {MIN_NS, MAX_NS})
        self._make("time", tuple(range(len(self.moments) + 1)), len(self.moments))
        self._make("position", ("known", "unknown"))
        self._make("register", ("registered", "unregistered"))
        self._numbers(leaves)
        self._words(leaves)
        self._places(leaves)
        self._relations(leaves)
        self._latches([leaf for leaf in leaves if isinstance(leaf, Latch)])

    # --- variables ------------------------------------------------------------------------------------------------

    def _make(self, name: str, values: tuple[Any, ...], usual: int = 0) -> Variable:
        found = self.variables.get(name)
        if found is None:
            found = self.variables[name] = Variable(name, self.z3.Int(name), values, usual)
            self.constraints += [found.term >= 0, found.term < len(values)]
        return found

    def _numbers(self, leaves: Iterable[Condition]) -> None:
        limits: dict[str, set[float]] = {"position_age_s": {self.rulebook.assumptions.max_position_age_s}}
        for leaf in leaves:
            if isinstance(leaf, Compare):
                limits.setdefault(leaf.attribute, set()).add(leaf.value)
        for name, values in sorted(limits.items()):
            self.limits[name] = sorted(values)
            bands = tuple(range(2 * len(values) + 1))
            low, high = self._make(f"{name} low", bands), self._make(f"{name} high", bands)
            self.constraints.append(low.term <= high.term)
            if name == "software":  # a version is one number or unknown
                unknown = self.z3.And(low.term == 0, high.term == bands[-1])
                self.constraints.append(self.z3.Or(low.term == high.term, unknown))
                self.constraints.append(self.z3.Implies(self._unregistered, unknown))

    def _words(self, leaves: Iterable[Condition]) -> None:
        mentioned: dict[str, set[str]] = {}
        lists: set[str] = set()
        for leaf in leaves:
            if isinstance(leaf, In):
                mentioned.setdefault(leaf.attribute, set()).update(leaf.values - {"any"})
            elif isinstance(leaf, ListIn):
                lists.add(leaf.list_id)
            elif isinstance(leaf, Relation):
                mentioned.setdefault(attributes.attribute_of(leaf), set())
        mentioned.setdefault("registration", set())
        for name, words in sorted(mentioned.items()):
            attribute = attributes.ATTRIBUTES[name]
            if attribute.set_valued:
                for word in sorted(words):
                    self._make(f"{name} {word}", (False, True))
                self._make(f"{name} known", (True, False))
                if attribute.source == "who":
                    self.constraints.append(self._unregistered == (self.variables[f"{name} known"].term == 1))
                continue
            domain = attribute.vocabulary or (OTHER, *sorted(words | ({"none"} if name == "class" else set())))
            values = (*domain, UNKNOWN)
            usual = _ORDINARY.get(name, domain[0])
            variable = self._make(name, values, values.index(usual) if usual in values else 0)
            if attribute.source == "who":
                value = "none" if name == "registration" else UNKNOWN
                self.constraints.append(self.z3.Implies(self._unregistered, variable.equals(value)))
        states = ("none", *(state for state in attributes.LIST_STATES if state != "none"))
        for list_id in sorted(lists):
            self._make(f"list {list_id}", states)

    def _places(self, leaves: Iterable[Condition]) -> None:
        named = {leaf.selector.partition(":") for leaf in leaves if isinstance(leaf, Where) and leaf.buffer_m == 0}
        countries = {code for prefix, _, code in named if prefix in ("country", "land", "sea") and code != "*"}
        for name in ("account_country", "activation_country"):
            if name in self.variables:
                countries |= set(self.variables[name].values) - {OTHER, UNKNOWN}
        claims = self.rulebook.claims
        countries |= {c for claim in claims if countries & set(claim.countries) for c in claim.countries}
        self.countries = sorted(countries)
        tri = (NO, PERHAPS, YES)
        for country in self.countries:
            self._make(f"country {country}", tri)
        for status in LANDING:
            if self.elsewhere(status) is not None:
                self._make(f"countries {status}", tri)
        self._claims()
        self._make("land", tri)
        somewhere = self._make("some country", tri)
        counted = [self.variables[name].term for name in self._counted_names()]
        self.constraints += [somewhere.term >= term for term in counted]
        self.constraints.append(self.z3.Implies(somewhere.term > 0, self.z3.Or([term > 0 for term in counted])))
        for leaf in leaves:
            if isinstance(leaf, Where) and (
                leaf.buffer_m or leaf.selector.partition(":")[0] in ("area", "kind", "tag", "service")
            ):
                self._make(_place_name(leaf), tri)

    def _claims(self) -> None:
        """State what claims exclude: the countries of a claim never all count for certain, unless it counts them all.

        A country that yields does so to one that is there, too. As long as no country yields to itself over others,
        some country counts, so the rule for claims that contradict each other (then all count) is never met.
        """
        claims = self.rulebook.claims
        yields: dict[str, set[str]] = {}
        for claim in claims:
            for country in set(claim.countries) - set(claim.counts_as):
                yields.setdefault(country, set()).update(claim.counts_as)
        if not all(claim.counts_as for claim in claims) or _has_cycle(yields):
            return
        for claim in claims:
            if set(claim.countries) <= set(self.countries) and set(claim.counts_as) != set(claim.countries):
                certain = [self.variables[f"country {country}"].term == YES for country in claim.countries]
                self.constraints.append(self.z3.Not(self.z3.And(certain)))

    def _counted_names(self) -> list[str]:
        names = [f"country {country}" for country in self.countries]
        return names + [f"countries {status}" for status in LANDING if f"countries {status}" in self.variables]

    def elsewhere(self, status: str) -> str | None:
        """Return a country with a landing status that no selector names and no claim speaks of, or None."""
        claimed = {country for claim in self.rulebook.claims for country in claim.countries}
        codes = sorted(attributes.COUNTRIES - set(self.countries))
        having = [code for code in codes if self._landing.get(code, "not_offered") == status]
        return next((code for code in having if code not in claimed), having[0] if having else None)

    def _relations(self, leaves: Iterable[Condition]) -> None:
        z3 = self.z3
        for name in {attributes.attribute_of(leaf) for leaf in leaves if isinstance(leaf, Relation)}:
            inside, country = self._make(f"inside {name}", (NO, PERHAPS, YES), 2), self.variables[name]
            mentioned = set(country.values)
            for code in self.countries:
                if code in mentioned:
                    here = self.variables[f"country {code}"].term
                    self.constraints.append(z3.Implies(country.equals(code), inside.term == here))
            free = [n for n in self._counted_names() if n.partition(" ")[2] not in mentioned]
            for truth in (PERHAPS, YES):
                somewhere = z3.Or([self.variables[n].term == truth for n in free])
                self.constraints.append(z3.Implies(z3.And(country.equals(OTHER), inside.term == truth), somewhere))

    def _latches(self, latches: Sequence[Latch]) -> None:
        for latch in sorted(latches):
            self._make(latch_name(latch), (NO, PERHAPS, YES))
        for strong in latches:
            for weak in latches:
                if (
                    strong != weak
                    and strong.attribute == weak.attribute
                    and weak.above <= strong.above
                    and weak.release_below <= strong.release_below
                    and weak.for_s <= strong.for_s
                ):  # whoever has passed the stronger limit has passed the weaker one
                    held = self.variables[latch_name(strong)].term == YES
                    self.constraints.append(self.z3.Implies(held, self.variables[latch_name(weak)].term == YES))

    def plain_place(self) -> Any:
        """Return the test that no claim is in doubt: some country is as certain as the most certain that counts."""
        somewhere = self.variables["some country"].term
        return self.z3.Or([somewhere == NO, *(somewhere == self.variables[n].term for n in self._counted_names())])

    # --- conditions -----------------------------------------------------------------------------------------------

    @property
    def _unregistered(self) -> Any:
        return self.variables["register"].equals("unregistered")

    @property
    def _no_position(self) -> Any:
        return self.variables["position"].equals("unknown")

    @property
    def _stale(self) -> Any:
        limit = self.limits["position_age_s"].index(self.rulebook.assumptions.max_position_age_s)
        return self.variables["position_age_s low"].term > 2 * limit + 1

    def in_force(self, rule: Rule) -> Any:
        """Return the test that a rule is in force."""
        time = self.variables["time"].term
        first = 0 if rule.effective_from_ns == MIN_NS else self.moments.index(rule.effective_from_ns) + 1
        last = len(self.moments) if rule.effective_until_ns == MAX_NS else self.moments.index(rule.effective_until_ns)
        return self.z3.And(time >= first, time <= last)

    def holds(self, condition: Condition, rule: Rule | None, level: Level, *, negated: bool = False) -> Any:
        """Return the test that a condition holds at least at a level, with a rule's own word for each doubt.

        Args:
            condition: the condition.
            rule: the rule whose word on doubts counts; None counts no doubt.
            level: 1 to 4.
            negated: test the negation instead.
        """
        if isinstance(condition, All | AnyOf):
            parts = [self.holds(part, rule, level, negated=negated) for part in condition.parts]
            return self.z3.And(parts) if isinstance(condition, All) is not negated else self.z3.Or(parts)
        if isinstance(condition, Not):
            return self.holds(condition.part, rule, level, negated=not negated)
        yes, no, doubts = self._leaf(condition)
        settled = no if negated else yes
        if rule is None or level == SETTLED:
            return settled
        counted = [test for test, word in doubts if word(rule) >= level]
        return self.z3.Or([settled, *counted])

    def _leaf(self, leaf: Condition) -> tuple[Any, Any, list[tuple[Any, Callable[[Rule], Outcome]]]]:
        """Return the tests for true, for false and for each doubt, which exclude each other."""
        z3 = self.z3
        match leaf:
            case Where("anywhere"):
                return z3.BoolVal(True), z3.BoolVal(False), []
            case Where():
                return self._placed(*self._place(leaf), [])
            case Relation():
                name = attributes.attribute_of(leaf)
                inside = self.variables[f"inside {name}"].term
                yes, no = inside == YES, inside == NO
                unknown = self.variables[name].equals(UNKNOWN)
                return self._placed(*((yes, no) if leaf.inside else (no, yes)), [(unknown, _unknown(name))])
            case ListIn():
                state = self.variables[f"list {leaf.list_id}"]
                test = z3.Or([state.equals(word) for word in sorted(leaf.states)])
                return self._known(test, self._unregistered, "list")
            case Latch():
                term = self.variables[latch_name(leaf)].term
                return term == YES, term == NO, [(term == PERHAPS, _unknown(leaf.attribute))]
            case In() if attributes.ATTRIBUTES[leaf.attribute].set_valued:
                words = leaf.values
                test = z3.Or([self.variables[f"{leaf.attribute} {word}"].term == 1 for word in sorted(words)])
                return self._known(test, self.variables[f"{leaf.attribute} known"].term == 1, leaf.attribute)
            case In():
                variable = self.variables[leaf.attribute]
                words = leaf.values | (set(variable.values) - {"none", UNKNOWN} if "any" in leaf.values else set())
                test = z3.Or([variable.equals(word) for word in sorted(words) if word in variable.values])
                return self._known(test, variable.equals(UNKNOWN), leaf.attribute)
            case Compare():
                return self._compared(leaf)
        raise AssertionError("only leaves are encoded")

    def _known(
        self, test: Any, unknown: Any, name: str
    ) -> tuple[Any, Any, list[tuple[Any, Callable[[Rule], Outcome]]]]:
        z3 = self.z3
        return z3.And(test, z3.Not(unknown)), z3.And(z3.Not(test), z3.Not(unknown)), [(unknown, _unknown(name))]

    def _placed(
        self, yes: Any, no: Any, first: list[tuple[Any, Callable[[Rule], Outcome]]]
    ) -> tuple[Any, Any, list[tuple[Any, Callable[[Rule], Outcome]]]]:
        z3 = self.z3
        unknown = z3.Or([self._no_position, *(test for test, _ in first)])
        settled = z3.And(z3.Not(unknown), z3.Not(self._stale))
        doubts: list[tuple[Any, Callable[[Rule], Outcome]]] = [
            (self._no_position, _unknown("position")),
            *((z3.And(test, z3.Not(self._no_position)), word) for test, word in first),
            (z3.And(z3.Not(unknown), self._stale), attributes.stale_outcome),
            (z3.And(settled, z3.Not(yes), z3.Not(no)), attributes.edge_outcome),
        ]
        return z3.And(settled, yes), z3.And(settled, no), doubts

    def _place(self, leaf: Where) -> tuple[Any, Any]:
        """Return the tests that the known position is certainly inside and certainly outside."""
        z3 = self.z3
        land, somewhere = self.variables["land"].term, self.variables["some country"].term
        prefix, _, name = leaf.selector.partition(":")
        if leaf.buffer_m or prefix in ("area", "kind", "tag", "service"):
            term = self.variables[_place_name(leaf)].term
            return term == YES, term == NO
        if leaf.selector == "no_country":
            return somewhere == NO, somewhere == YES
        if leaf.selector == "high_seas":
            return z3.And(somewhere == NO, land == NO), z3.Or(somewhere == YES, land == YES)
        if leaf.selector == "sea:*":
            return z3.And(somewhere == YES, land == NO), z3.Or(somewhere == NO, land == YES)
        if prefix == "landing":
            terms = [self.variables[f"country {c}"].term for c in self.countries if self._status(c) == name]
            if f"countries {name}" in self.variables:
                terms.append(self.variables[f"countries {name}"].term)
            return z3.Or([term == YES for term in terms]), z3.And([term == NO for term in terms])
        here = self.variables[f"country {name}"].term
        if prefix == "land":
            return z3.And(here == YES, land == YES), z3.Or(here == NO, land == NO)
        if prefix == "sea":
            return z3.And(here == YES, land == NO), z3.Or(here == NO, land == YES)
        return here == YES, here == NO

    def _status(self, country: str) -> str:
        return self._landing.get(country, "not_offered")

    def _compared(self, leaf: Compare) -> tuple[Any, Any, list[tuple[Any, Callable[[Rule], Outcome]]]]:
        low, high = self.variables[f"{leaf.attribute} low"].term, self.variables[f"{leaf.attribute} high"].term
        at = 2 * self.limits[leaf.attribute].index(leaf.value) + 1  # the band of the limit itself
        yes, no = {
            "above": (low > at, high <= at),
            "at_least": (low >= at, high < at),
            "below": (high < at, low >= at),
            "at_most": (high <= at, low > at),
        }[leaf.relation]
        neither = self.z3.And(self.z3.Not(yes), self.z3.Not(no))
        return yes, no, [(neither, _unknown(leaf.attribute))]


def _has_cycle(graph: dict[str, set[str]]) -> bool:
    """Say whether some node of a directed graph is reachable from itself."""
    for start, first in graph.items():
        reached: set[str] = set()
        queue = sorted(first)
        while queue:
            node = queue.pop()
            if node not in reached:
                reached.add(node)
                queue += sorted(graph.get(node, ()))
        if start in reached:
            return True
    return False


def _unknown(name: str) -> Callable[[Rule], Outcome]:
    return lambda rule: attributes.unknown_outcome(rule, name)


def latch_name(latch: Latch) -> str:
    """Return the name of the variable of a limit with hysteresis."""
    return f"limit {latch.attribute} {latch.above!r} {latch.release_below!r} {latch.for_s!r}"


def _place_name(where: Where) -> str:
    """Return the name of the variable of a place that is no country; it begins with `place `."""
    return f"place {where.selector}" + (f"+{where.buffer_m:g}m" if where.buffer_m else "")
