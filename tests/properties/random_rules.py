"""Random rulebooks and evidence for property tests and the campaign; every choice comes from one seeded generator."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np

from groundrule import reasons
from groundrule.instant import MAX_NS, MIN_NS
from groundrule.records import Outcome, ServiceState
from groundrule.rules.attributes import ATTRIBUTES, LIST_STATES
from groundrule.rules.evidence import AreaFact, Coded, EvidenceBatch, Interval, Membership, Profile
from groundrule.rules.model import (
    All,
    AnyOf,
    Assumptions,
    Authority,
    Claim,
    Compare,
    Condition,
    Counter,
    In,
    LandingRight,
    Latch,
    ListIn,
    Not,
    Relation,
    Rule,
    Rulebook,
    Where,
)

COUNTRIES = ("UA", "RU", "CN", "TW", "FR")
TIERS = ("first", "second", "third")
WORDS: dict[str, tuple[str, ...]] = {
    "plan": ("roam", "ocean"),
    "account": ("active", "suspended"),
    "account_country": COUNTRIES,
    "activation_country": COUNTRIES,
    "registration": ("registered", "none"),
    "programme": ("rail", "donor"),
    "class": ("hospital", "any", "none"),
    "quota": ("ok", "exceeded"),
    "verdict": ("consistent", "inconsistent", "insufficient"),
    "assurance": ("a0", "a1", "none"),
    "gnss": ("normal", "suspended", "lost"),
    "signals": ("cloned_identity", "any"),
    "motion": ("still", "moving"),
}
COUNTER = Counter("abroad", Relation("home_country", False))
LIMITS = (-1.0, 0.0, 10.0, 20.5)
NUMBERS = ("speed_m_s", "alt_m", "position_age_s", "verified_distance_m", "stay.abroad.elapsed_days")
LATCHES = (Latch("speed_m_s", 20.0, 18.0, 30.0), Latch("speed_m_s", 10.0, 9.0), Latch("speed_m_s", 44.0, 40.0, 5.0))
SELECTORS = (
    "country:UA", "country:RU", "land:UA", "sea:UA", "sea:*", "area:zone-1", "kind:zone", "tag:front",
    "landing:blocked", "landing:not_offered", "landing:licensed", "service:never_served", "high_seas", "no_country",
    "anywhere",
)  # fmt: skip
BUFFERED = ("area:zone-1", "country:UA", "kind:zone")
DOUBTS = ("plan", "list", "position", "speed_m_s", "alt_m", "stay", "*", "account_country", "verdict", "gnss")
MOMENTS = (MIN_NS, 0, 100, 200, 300, MAX_NS)


def leaf(rng: random.Random) -> Condition:
    kind = rng.randrange(8)
    if kind <= 1:
        if rng.random() < 0.15:
            return Where(rng.choice(BUFFERED), 1900.0)
        return Where(rng.choice(SELECTORS))
    if kind == 2:
        return ListIn("vip", frozenset(rng.sample(LIST_STATES, 2)))
    if kind == 3:
        return Compare(rng.choice(NUMBERS), rng.choice(("above", "at_least", "below", "at_most")), rng.choice(LIMITS))
    if kind == 4:
        return rng.choice(LATCHES)
    if kind == 5:
        return Relation(rng.choice(("home_country", "activation_country")), rng.random() < 0.5)
    if kind == 6 and rng.random() < 0.2:
        return Compare("software", rng.choice(("below", "at_least")), 202500010001.0)
    name = rng.choice(tuple(WORDS))
    words = WORDS[name]
    return In(name, frozenset(rng.sample(words, rng.randint(1, len(words)))))


def condition(rng: random.Random, depth: int = 3) -> Condition:
    kind = rng.random()
    if depth == 0 or kind < 0.5:
        return leaf(rng)
    if kind < 0.6:
        return Not(condition(rng, depth - 1))
    parts = tuple(condition(rng, depth - 1) for _ in range(rng.choice((0, 1, 2, 2, 2, 3))))
    return All(parts) if kind < 0.8 else AnyOf(parts)


def rule(rng: random.Random, number: int) -> Rule:
    start, until = sorted(rng.sample(range(len(MOMENTS)), 2)) if rng.random() < 0.4 else (0, len(MOMENTS) - 1)
    outcome = rng.choice(tuple(Outcome))
    doubts = {name: Outcome(rng.randint(0, 3)) for name in rng.sample(DOUBTS, rng.randint(0, 4))}
    return Rule(
        id=f"r{rng.randrange(10_000)}-{number}",
        title="random",
        tier=rng.choice(TIERS),
        outcome=outcome,
        reason=rng.choice(tuple(reasons.RULE_REASONS)),
        where=condition(rng, 2) if rng.random() < 0.7 else All(()),
        who=condition(rng, 2) if rng.random() < 0.5 else All(()),
        what=condition(rng, 2) if rng.random() < 0.5 else All(()),
        unless=tuple(condition(rng, 1) for _ in range(rng.choice((0, 0, 1, 2)))),
        state=rng.choice(tuple(ServiceState)),
        edge=Outcome(rng.randint(0, 3)),
        unknown=tuple(sorted(doubts.items())),
        stale=Outcome(rng.randint(0, 3)),
        obligations=("a=1",) if rng.random() < 0.3 else (),
        effective_from_ns=MOMENTS[start],
        effective_until_ns=MOMENTS[until],
        authority=Authority("random"),
        retry_wait_s=5 if rng.random() < 0.2 else None,
    )


def rulebook(rng: random.Random, most: int = 12) -> Rulebook:
    claims = (
        Claim(("RU", "UA"), ("UA",), "dispute"),
        Claim(("CN", "TW"), rng.choice((("CN",), ("TW",), ("CN", "TW"))), "dispute"),
        Claim(("CN", "TW", "UA"), ("UA",), "dispute"),
    )
    return Rulebook(
        id="random",
        version=1,
        title="random",
        operator="Random Orbit (invented)",
        precedence=TIERS,
        rules=tuple(rule(rng, number) for number in range(rng.randint(0, most))),
        default_outcome=rng.choice((Outcome.SERVE, Outcome.DENY)),
        default_reason="served",
        claims=claims[: rng.randint(0, 3)],
        landing_rights=(LandingRight("UA", "licensed"), LandingRight("RU", "blocked")),
        assumptions=Assumptions(max_position_age_s=15.0, decision_valid_s=1e-7),
    )


def facts(rng: random.Random) -> Any:
    if rng.random() < 0.15:
        return None
    if rng.random() < 0.02:
        return ("not a fact",)
    found = []
    for country in rng.sample(COUNTRIES, rng.choice((0, 1, 1, 2, 3))):
        side = rng.choice(tuple(Membership))
        kind = rng.choice(("country", "country", "territorial_sea"))
        found.append(
            AreaFact(f"{kind}:{country}", kind, country, (), side, rng.choice((None, "served", "never_served")))
        )
        if rng.random() < 0.4:
            found.append(AreaFact(f"land:{country}", "land", country, (), rng.choice(tuple(Membership))))
    if rng.random() < 0.3:
        tags = rng.choice(((), ("front",)))
        found.append(AreaFact("zone-1", "zone", None, tags, rng.choice(tuple(Membership)), None))
    if rng.random() < 0.3:
        found.append(AreaFact("zone-1+1900m", "buffer", None, ("kind:zone",), rng.choice(tuple(Membership))))
    if rng.random() < 0.3:
        found.append(AreaFact("country:UA+1900m", "buffer", "UA", (), rng.choice(tuple(Membership))))
    return tuple(found)


def profile(rng: random.Random) -> Any:
    if rng.random() < 0.15:
        return None

    def word(name: str) -> Any:
        return rng.choice((None, *(w for w in WORDS[name] if w != "any")))

    found = Profile(
        plan=word("plan"),
        account_state=word("account"),
        account_country=word("account_country"),
        activation_country=word("activation_country"),
        registration=word("registration"),
        lists=(("vip", rng.choice(LIST_STATES[:-1])),) if rng.random() < 0.5 else (),
        programmes=tuple(sorted(rng.sample(WORDS["programme"], rng.randint(0, 2)))),
        protected_class=word("class"),
        quota=word("quota"),
        software_version=rng.choice((None, "2024.12.31.mr1", "2026.01.01", "odd")),
    )
    if rng.random() < 0.05:
        broken = rng.choice(("plan", "lists", "programmes", "account_country", "software_version"))
        object.__setattr__(found, broken, rng.choice((7, [["x"]], {"a": 1})))
    return found


def number(rng: random.Random) -> tuple[float, float]:
    values = (*LIMITS, 5.0, 15.0, 30.0, -math.inf, math.inf)
    kind = rng.random()
    if kind < 0.2:
        return math.nan, math.nan
    low = rng.choice(values)
    if kind < 0.6:
        return low, low
    if kind < 0.65:
        return (low, math.nan) if rng.random() < 0.5 else (math.nan, low)
    high = rng.choice(values)
    return min(low, high), max(low, high)


def batch(rng: random.Random, n: int, latches: int) -> EvidenceBatch:
    def coded(values: list[Any]) -> Coded:
        return Coded(np.array([rng.randrange(len(values)) for _ in range(n)], np.int32), values)

    def interval() -> Interval:
        pairs = np.array([number(rng) for _ in range(n)], np.float64).reshape(n, 2)
        low = pairs[:, 0].copy()
        return Interval(low, low if rng.random() < 0.5 else pairs[:, 1].copy())

    present = {name: interval() for name in NUMBERS if rng.random() < 0.9}
    signals = [None, frozenset(), frozenset({"cloned_identity"}), frozenset({"other"})]
    categories = {
        "verdict": coded([None, "consistent", "inconsistent", "insufficient", 3]),
        "assurance": coded([None, "a0", "a1", "none"]),
        "gnss": coded(["normal", "suspended", "lost", "inhibited"]),
        "signals": coded(signals),
        "motion": coded(["moving", "still", None]),
    }
    return EvidenceBatch(
        now_ns=np.array([rng.choice((-50, 0, 99, 100, 150, 200, 299, 300, 10**18)) for _ in range(n)], np.int64),
        where=coded([facts(rng) for _ in range(max(1, n // 2))]),
        who=coded([profile(rng) for _ in range(max(1, n // 2))]),
        numbers=present,
        categories={name: column for name, column in categories.items() if rng.random() < 0.8},
        latches=None
        if rng.random() < 0.1
        else np.array([[rng.choice((0, 1, 2, 7)) for _ in range(latches)] for _ in range(n)], np.uint8).reshape(
            n, latches
        ),
    )


assert set(WORDS) <= set(ATTRIBUTES)
