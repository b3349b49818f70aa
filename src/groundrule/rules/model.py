"""The rulebook as frozen records: conditions, rules, precedence. The YAML of `rules.text` reads into these.

A rulebook is immutable and content-addressed: its digest is that of its canonical JSON. Exactly one rule decides, and
which one is total and declared:

1. the rules that apply are found (three-valued: a rule may apply, not apply, or be unsettled by an edge or an unknown);
2. the first tier of `precedence` that holds an applying rule decides;
3. inside a tier the strictest effective outcome decides, then the lower rule id in byte order.

An unsettled rule applies with the outcome that the rule itself states for that doubt (`edge`, `unknown`, `stale`;
`review` where it is silent); `serve` there means that the doubt is given to the terminal: the rule does not apply. With
several doubts in one rule the most lenient of their outcomes counts. A doubt is never stricter than the rule itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from groundrule.instant import MAX_NS, MIN_NS
from groundrule.records import Outcome, ServiceState

# --- conditions -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class All:
    """True if every part is true; the empty All is true."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """True if some part is true; the empty AnyOf is false."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """Kleene negation."""

    part: Condition


@dataclass(frozen=True, slots=True)
class In:
    """The attribute is (or, for a set-valued one, contains) one of the values.

    Attributes:
        attribute: name in `rules.attributes`, for instance `plan`, `programme`, `class`, `signals`.
        values: the accepted values.
    """

    attribute: str
    values: frozenset[str]


@dataclass(frozen=True, slots=True)
class ListIn:
    """The terminal's entry on a list is in one of the states."""

    list_id: str
    states: frozenset[str] = frozenset({"active"})


@dataclass(frozen=True, slots=True)
class Compare:
    """A numeric attribute compared with a constant, in the attribute's base unit.

    Attributes:
        attribute: name in `rules.attributes`, for instance `alt_m`.
        relation: `above` (>), `at_least` (>=), `below` (<), `at_most` (<=).
        value: the constant [unit of the attribute].
    """

    attribute: str
    relation: Literal["above", "at_least", "below", "at_most"]
    value: float


@dataclass(frozen=True, slots=True, order=True)
class Latch:
    """A numeric limit with hysteresis and persistence, kept as state per terminal.

    It switches on when the attribute has been above `above` without a break for `for_s`, and off when it falls below
    `release_below`.

    Attributes:
        attribute: `speed_m_s`.
        above: limit [unit of the attribute].
        release_below: release limit, at most `above`.
        for_s: persistence [s].
    """

    attribute: str
    above: float
    release_below: float
    for_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Where:
    """The position is in what a selector names.

    Selectors: `country:UA`, `land:UA` (its land), `sea:UA` (its territorial sea), `sea:*` (any territorial sea),
    `area:ID`, `kind:KIND`, `tag:TAG`, `landing:STATUS` (countries with that status in the rulebook's landing rights),
    `service:never_served` (and `served`, `ended`, from the area's service history), `high_seas`, `no_country`, `anywhere`.

    Attributes:
        selector: one selector.
        buffer_m: the area is widened by this [m]; only for `area:`, `country:` and `kind:` selectors.
    """

    selector: str
    buffer_m: float = 0.0


@dataclass(frozen=True, slots=True)
class Relation:
    """Where the terminal is, relative to a country of its registration.

    Attributes:
        of: `home_country` (the account's) or `activation_country`.
        inside: True for inside that country, False for outside of it.
    """

    of: Literal["home_country", "activation_country"]
    inside: bool


Condition = All | AnyOf | Not | In | ListIn | Compare | Latch | Where | Relation

# --- rules ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Span:
    """Place in the rulebook's text (1-based line and column)."""

    line: int = 0
    column: int = 0


@dataclass(frozen=True, slots=True)
class Authority:
    """On what basis a rule stands.

    Attributes:
        basis: legal basis in words.
        requested_by: who asked for it, or None.
        source: where this can be looked up, or None.
        date: date of the source (ISO text) or None.
        illustrative: True if the line is an example and not a statement of fact.
    """

    basis: str
    requested_by: str | None = None
    source: str | None = None
    date: str | None = None
    illustrative: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: where, when, who, what → outcome, with its legal basis.

    Attributes:
        id: stable id, `[a-z0-9][a-z0-9-]*`.
        title: one sentence for people.
        tier: a name of the rulebook's `precedence`.
        where, who, what: conditions; the rule applies if all hold and no `unless` does.
        unless: exceptions.
        outcome: effective outcome when settled.
        reason: code of `groundrule.reasons`.
        state: service state that the decision carries (never_served, pending_registration, …).
        edge: outcome while the position may be on either side.
        unknown: outcome by attribute name (or `*`) while the attribute is unknown.
        stale: outcome while the position is older than `max_position_age_s` of the rulebook.
        obligations: what the outcome `restrict` (or any other) obliges to, sorted text `name=value`.
        effective_from_ns, effective_until_ns: half-open interval [ns, UTC].
        emergency: True for an emergency rule, which must expire.
        review_by_ns: when an emergency rule must be reviewed, or None.
        retry: obligation after a denial by place: seconds to wait or metres to move, or None.
    """

    id: str
    title: str
    tier: str
    outcome: Outcome
    reason: str
    where: Condition = All(())
    who: Condition = All(())
    what: Condition = All(())
    unless: tuple[Condition, ...] = ()
    state: ServiceState = ServiceState.NORMAL
    edge: Outcome = Outcome.REVIEW
    unknown: tuple[tuple[str, Outcome], ...] = ()
    stale: Outcome = Outcome.REVIEW
    obligations: tuple[str, ...] = ()
    effective_from_ns: int = MIN_NS
    effective_until_ns: int = MAX_NS
    emergency: bool = False
    review_by_ns: int | None = None
    authority: Authority = Authority(basis="")
    message: tuple[tuple[str, str], ...] = ()
    appeal: str | None = None
    notes: str | None = None
    retry_wait_s: int | None = None
    retry_move_m: int | None = None
    span: Span = field(default=Span(), compare=False)

    def condition(self) -> Condition:
        """The whole condition: where and who and what, and none of `unless`."""
        return All((self.where, self.who, self.what, *(Not(part) for part in self.unless)))


@dataclass(frozen=True, slots=True)
class Claim:
    """How a place that lies in several countries at once is counted.

    Attributes:
        countries: the ISO codes that are found together, sorted.
        counts_as: those of them that count for the selectors `country:`, `land:`, `sea:` and `landing:`.
        relation: `dispute` or `territory` (one state and its territory).
    """

    countries: tuple[str, ...]
    counts_as: tuple[str, ...]
    relation: Literal["dispute", "territory"]
    source: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class LandingRight:
    """Status of one country.

    Attributes:
        country: ISO 3166-1 alpha-2.
        status: licensed, unlicensed, blocked; a country that is not listed has the status `not_offered`.
    """

    country: str
    status: Literal["licensed", "unlicensed", "blocked", "not_offered"]
    source: str | None = None
    date: str | None = None
    illustrative: bool = True


@dataclass(frozen=True, slots=True)
class Counter:
    """A stay counter kept per terminal while its condition is true.

    The pipeline keeps, for each counter: `stay.ID.elapsed_days` (days since the stay began without a break),
    `stay.ID.consecutive_days` (UTC days in a row with at least one observation in it) and `stay.ID.days_in_year`
    (such days in the UTC calendar year).

    Attributes:
        id: name.
        condition: built from Where and Relation only.
    """

    id: str
    condition: Condition


@dataclass(frozen=True, slots=True)
class Guarantee:
    """A promise about every possible decision, proved or refuted by `rules analyse`.

    Attributes:
        id: name.
        when: the situations it speaks of.
        never: the outcome that must not occur there.
        except_reasons: reason codes of deciding rules for which it may.
    """

    id: str
    title: str
    when: Condition
    never: Outcome
    except_reasons: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class RadioPosition:
    """When the place that radio measurements give takes the place of the claimed one.

    Attributes:
        use_when: any of `RADIO_REASONS`, sorted: the state of satellite navigation, a verdict that contradicts the claim, or no claim.
        max_age_s: an older verification gives no place [s].
        hold_inconsistent_s: one that contradicts the claim holds until the terminal is measured again, so long at most [s; None is
            `max_age_s`]: what is measured less often would otherwise be refused and served by turns.
    """

    use_when: tuple[str, ...]
    max_age_s: float = 120.0
    hold_inconsistent_s: float | None = None

    @property
    def held_s(self) -> float:
        """How long a verification that contradicts the claim holds [s]."""
        return self.max_age_s if self.hold_inconsistent_s is None else max(self.max_age_s, self.hold_inconsistent_s)


RADIO_REASONS = ("inconsistent", "inhibited", "lost", "no_position", "suspended")
"""What a rulebook may name under `radio_position: {use_when: …}`."""


@dataclass(frozen=True, slots=True)
class Assumptions:
    """Numbers that turn raw evidence into three-valued evidence.

    Attributes:
        position_sigma_m: standard deviation per axis assumed where an observation gives none, by position source [m].
        edge_probability: an area is `inside` from 1 - p, `outside` up to p, `edge` between [0 to 0.5].
        max_gap_s: two fixes further apart say nothing about speed [s].
        max_position_age_s: a position older than this is stale [s].
        decision_valid_s: how long a decision holds without a new observation [s].
        radio_position: when radio measurements give the place; None is never.
    """

    position_sigma_m: tuple[tuple[str, float], ...] = (
        ("cell", 0.0),
        ("fused", 15.0),
        ("gnss", 15.0),
        ("network", 2000.0),
    )
    edge_probability: float = 0.01
    max_gap_s: float = 300.0
    max_position_age_s: float = 900.0
    decision_valid_s: float = 60.0
    radio_position: RadioPosition | None = None


@dataclass(frozen=True, slots=True)
class Rulebook:
    """An immutable set of rules.

    Attributes:
        id: name, for instance `world-2026`.
        version: counts up.
        precedence: names of the tiers, first decides.
        default: outcome when no rule applies (stated, never implied), with its reason.
        detection: thresholds of detectors that are not as shipped, by behaviour and name.
        digest: `sha256:…` of the canonical JSON.
        text: the YAML it was read from.
    """

    id: str
    version: int
    title: str
    operator: str
    precedence: tuple[str, ...]
    rules: tuple[Rule, ...]
    default_outcome: Outcome
    default_reason: str
    claims: tuple[Claim, ...] = ()
    landing_rights: tuple[LandingRight, ...] = ()
    counters: tuple[Counter, ...] = ()
    guarantees: tuple[Guarantee, ...] = ()
    assumptions: Assumptions = Assumptions()
    detection: tuple[tuple[str, tuple[tuple[str, float], ...]], ...] = ()
    notice: str | None = None
    supersedes: str | None = None
    digest: str = ""
    text: str = field(default="", compare=False, repr=False)
    canonical: Any = field(default=None, compare=False, repr=False)
