# The thread counts must be set before the libraries are imported.
"""Decide, against cedarpy's batch call and a hand-written NumPy kernel on the same rules.

    python benchmarks/decide.py [--rules 200] [--rows 500000] [--cedar-rows 1000] [--rounds 7] [--seed 7]

Rules and rows are generated from the seed: realistic rules over place, plan, lists, account, class, speed, altitude
and time, and distinct rows in random order with text ids. All rules deny, with exceptions, so that Cedar's `forbid …
unless` says the same thing; Cedar knows neither doubt nor tiers nor reasons in order, and is spared all of them.

What is timed (CPU time, one thread):
  whole    from plain columns (Arrow strings, numbers) to decisions with reasons: coding, deciding, writing every class
  coded    the same from coded columns whose distinct values were met before
  numpy    hand-written, from the same coded columns with the same memory of distinct values: each condition once as
           a boolean column, then one conjunction per rule; gives outcome, deciding rule and the bits of the applying
           rules
  cedarpy  is_authorized_batch of 500 with a parsed policy set; building the request dicts is not counted

Nearly every row of the generated fleet has another combination of plan, account, class and lists, which is hard on an
engine that judges distinct values: `whole` rises with the number of rows, and `coded` is what the next batch costs.

Before timing, decision and set of determining rules are compared on every row that Cedar is timed on, and those of
the NumPy kernel on every row. Exit 1 if anything differs or `whole` is less than 100 × cedarpy.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import resource
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

for variable in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ[variable] = "1"

import cedarpy
import numpy as np
import pyarrow as pa

from groundrule.instant import parse_instant
from groundrule.records import Outcome
from groundrule.rules.compile import CompiledRulebook, Decided, compile_rulebook
from groundrule.rules.evidence import AreaFact, Coded, EvidenceBatch, Interval, Membership, Profile
from groundrule.rules.model import All, AnyOf, Authority, Compare, Condition, In, ListIn, Rule, Rulebook, Where

GOAL = 100.0
NUMPY_GOAL = 0.5
CEDAR_BATCH = 500
COUNTRIES = [a + b for a in "ABCDEFGHKL" for b in "AEIOUY"]
PLANS = ["residential", "roam", "business", "ocean", "aviation", "rail"]
ACCOUNTS = ["active", "suspended", "disabled"]
CLASSES = ["none", "none", "none", "none", "hospital", "emergency", "search_and_rescue"]
QUOTAS = ["ok", "ok", "ok", "exceeded"]
LISTS = [f"list-{i}" for i in range(12)]
START, STEP_S = parse_instant("2026-01-01"), 86_400
S = 1_000_000_000


def make_rules(count: int, seed: int) -> Rulebook:
    """Generate rules; each kind of real rule in turn, with its own numbers and places."""
    rng = random.Random(seed)

    def places(most: int) -> Condition:
        codes = sorted(rng.sample(COUNTRIES, rng.randint(1, most)))
        return (
            AnyOf(tuple(Where(f"country:{code}") for code in codes)) if len(codes) > 1 else Where(f"country:{codes[0]}")
        )

    def plans(most: int = 3) -> In:
        return In("plan", frozenset(rng.sample(PLANS, rng.randint(1, most))))

    def make(i: int) -> dict[str, Any]:
        exempt = (In("class", frozenset({"hospital", "emergency"})), ListIn(rng.choice(LISTS)))
        window = rng.randrange(0, 300)
        kinds: list[dict[str, Any]] = [
            {"where": places(3), "what": Compare("speed_m_s", "above", float(rng.randint(4, 40))), "unless": exempt},
            {"where": places(5), "who": plans(), "unless": exempt[:1]},
            {"who": All((plans(), In("account", frozenset({"suspended"})))), "where": places(8)},
            {"where": places(2), "unless": (ListIn(rng.choice(LISTS)), ListIn(rng.choice(LISTS)), exempt[0])},
            {"who": plans(2), "what": Compare("speed_m_s", "at_least", float(rng.randint(20, 90))), "where": places(6)},
            {"what": All((Compare("alt_m", "above", float(rng.randint(100, 3000))), Compare("speed_m_s", "below",
            60.0))),
             "where": places(4), "who": plans(4), "unless": exempt[1:]},
            {"who": In("quota", frozenset({"exceeded"})), "where": places(5), "unless": exempt},
            {"who": In("account_country", frozenset(rng.sample(COUNTRIES, 2))), "where": places(6), "unless":
            exempt[:1]}, {"where": places(4), "who": plans(4), "effective_from_ns": START + window * STEP_S * S,
             "effective_until_ns": START + (window + rng.randint(5, 60)) * STEP_S * S},
            {"who": ListIn(rng.choice(LISTS), frozenset({"revoked"})), "where": places(10)},
        ]  # fmt: skip
        return kinds[i % len(kinds)]

    rules = tuple(
        Rule(f"r{i:04}", f"rule {i}", "all", Outcome.DENY, "blocked_area", authority=Authority("generated"), **make(i))
        for i in range(count)
    )
    return Rulebook("bench", 1, "bench", "Bench Orbit (invented)", ("all",), rules, Outcome.SERVE, "served")


def make_rows(count: int, seed: int) -> dict[str, Any]:
    """Generate plain columns: distinct shuffled rows with text ids."""
    rng = np.random.default_rng(seed)

    def words(values: list[str]) -> pa.Array:
        return pa.DictionaryArray.from_arrays(rng.integers(0, len(values), count), values).cast(pa.string())

    entries = [""] + [f"{name}:{state}" for name in LISTS for state in ("active", "revoked")]
    entries += [f"{LISTS[i]}:active|{LISTS[(i + 3) % 12]}:revoked" for i in range(12)]
    return {
        "terminal_id": pa.array([f"T-{i:09}" for i in rng.permutation(count)]),
        "country": words(["", *COUNTRIES]),
        "plan": words(PLANS),
        "account": words(ACCOUNTS),
        "account_country": words(COUNTRIES[:20]),
        "class": words(CLASSES),
        "quota": words(QUOTAS),
        "lists": words(entries),
        "speed_m_s": rng.integers(0, 100, count).astype(np.float64),
        "alt_m": rng.integers(0, 4000, count).astype(np.float64),
        "now_ns": START + rng.integers(0, 330 * STEP_S, count) * S,
    }


WHO = ("plan", "account", "account_country", "class", "quota", "lists")


def code(rows: dict[str, Any]) -> EvidenceBatch:
    """Turn plain columns into coded evidence, as a pipeline does."""

    def dictionary(name: str) -> tuple[np.ndarray, list[str]]:
        encoded = rows[name].dictionary_encode()
        return encoded.indices.to_numpy(), encoded.dictionary.to_pylist()

    country, countries = dictionary("country")
    facts = [(AreaFact(f"country:{c}", "country", c, (), Membership.INSIDE),) if c else () for c in countries]
    columns = [dictionary(name) for name in WHO]
    mixed = np.zeros(len(country), np.int32)
    size = 1
    for codes, values in columns:
        mixed = mixed * np.int32(len(values)) + codes
        size *= len(values)
    assert size < 2**31
    used = np.zeros(size, np.bool_)
    used[mixed] = True
    keys = np.flatnonzero(used)
    compact = np.zeros(size, np.int32)
    compact[keys] = np.arange(len(keys), dtype=np.int32)
    profiles = []
    split = {text: tuple(sorted(tuple(e.split(":")) for e in text.split("|") if e)) for text in columns[-1][1]}
    for key in keys.tolist():
        words, rest = [], key
        for _, values in reversed(columns):
            rest, place = divmod(rest, len(values))
            words.append(values[place])
        lists, quota, protected, home, account, plan = words
        profiles.append(
            Profile(plan=plan, account_state=account, account_country=home, lists=split[lists],
                    protected_class=protected, quota=quota)
        )  # fmt: skip
    speed, altitude = rows["speed_m_s"], rows["alt_m"]
    return EvidenceBatch(
        rows["now_ns"], Coded(country, facts), Coded(compact[mixed], profiles),
        {"speed_m_s": Interval(speed, speed), "alt_m": Interval(altitude, altitude)},
    )  # fmt: skip


# --- the NumPy peer ---------------------------------------------------------------------------------------------------


class NumpyKernel:
    """What a careful person writes by hand for these rules, on coded columns.

    Tests on places and profiles are kept per distinct value between calls, as the compiled rulebook keeps them; rows
    are worked on in blocks that fit the cache.
    """

    BLOCK = 16_384

    def __init__(self, book: Rulebook) -> None:
        self.book = book
        self.tables: dict[Condition, np.ndarray] = {}

    def decide(self, batch: EvidenceBatch) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return outcome, first applying rule (-1 none) and packed bits of the applying rules."""
        n, rules = len(batch), len(self.book.rules)
        outcome, first = np.empty(n, np.uint8), np.empty(n, np.int32)
        bits = np.empty((-(-rules // 8), n), np.uint8)
        for start in range(0, n, self.BLOCK):
            rows = slice(start, min(n, start + self.BLOCK))
            masks = self._masks(batch, rows)
            bits[:, rows] = np.packbits(masks, axis=0)
            hit = bits[:, rows].any(axis=0)
            first[rows] = np.where(hit, masks.argmax(axis=0), -1)
            outcome[rows] = np.where(hit, 3, 0)
        return outcome, first, bits

    def _masks(self, batch: EvidenceBatch, rows: slice) -> np.ndarray:
        memory: dict[Condition, np.ndarray] = {}
        now = batch.now_ns[rows]
        masks = np.ones((len(self.book.rules), len(now)), np.bool_)
        for i, rule in enumerate(self.book.rules):
            mask = masks[i]
            for part in (rule.where, rule.who, rule.what):
                for leaf in part.parts if isinstance(part, All) else (part,):
                    mask &= self._column(leaf, batch, rows, memory)
            for part in rule.unless:
                mask &= ~self._column(part, batch, rows, memory)
            if rule.effective_from_ns >= START:
                mask &= (now >= rule.effective_from_ns) & (now < rule.effective_until_ns)
        return masks

    def _column(
        self, leaf: Condition, batch: EvidenceBatch, rows: slice, memory: dict[Condition, np.ndarray]
    ) -> np.ndarray:
        if leaf not in memory:
            memory[leaf] = self._make(leaf, batch, rows)
        return memory[leaf]

    def _make(self, leaf: Condition, batch: EvidenceBatch, rows: slice) -> np.ndarray:
        if isinstance(leaf, Compare):
            values = batch.numbers[leaf.attribute].low[rows]
            test = {"above": np.greater, "at_least": np.greater_equal, "below": np.less}[leaf.relation]
            return test(values, leaf.value)
        column = batch.who if isinstance(leaf, In | ListIn) else batch.where
        if leaf not in self.tables:
            self.tables[leaf] = np.array([self._of_value(leaf, value) for value in column.values])
        return self.tables[leaf][column.codes[rows]]

    def _of_value(self, leaf: Condition, value: Any) -> bool:
        if isinstance(leaf, In | ListIn):
            return self._of(leaf, value)
        wanted = {part.selector for part in getattr(leaf, "parts", (leaf,))}
        return any(fact.id in wanted for fact in value)

    @staticmethod
    def _of(leaf: In | ListIn, profile: Profile) -> bool:
        if isinstance(leaf, ListIn):
            return any(name == leaf.list_id and state in leaf.states for name, state in profile.lists)
        fields = {"class": "protected_class", "account": "account_state"}
        return getattr(profile, fields.get(leaf.attribute, leaf.attribute)) in leaf.values


# --- the Cedar peer ---------------------------------------------------------------------------------------------------


def cedar_condition(leaf: Condition) -> str:
    """Write a condition in Cedar."""
    quoted = json.dumps
    if isinstance(leaf, All):
        return " && ".join(cedar_condition(part) for part in leaf.parts) or "true"
    if isinstance(leaf, Compare):
        sign = {"above": ">", "at_least": ">=", "below": "<"}[leaf.relation]
        return f"context.{leaf.attribute} {sign} {int(leaf.value)}"
    if isinstance(leaf, ListIn):
        return " || ".join(f"context.lists.contains({quoted(f'{leaf.list_id}:{s}')})" for s in sorted(leaf.states))
    if isinstance(leaf, In):
        return f"{quoted(sorted(leaf.values))}.contains(context.{leaf.attribute.replace('class', 'protected')})"
    codes = sorted(part.selector.partition(":")[2] for part in getattr(leaf, "parts", (leaf,)))
    return f"{quoted(codes)}.contains(context.country)"


def cedar_policies(book: Rulebook) -> str:
    """Write the rulebook in Cedar: policy 0 permits, policy i + 1 is rule i."""
    lines = ["permit(principal, action, resource);"]
    for rule in book.rules:
        parts = [cedar_condition(part) for part in (rule.where, rule.who, rule.what) if part != All(())]
        if rule.effective_from_ns >= START:
            parts.append(
                f"context.now >= {rule.effective_from_ns // S} && context.now < {rule.effective_until_ns // S}"
            )
        unless = " || ".join(cedar_condition(part) for part in rule.unless)
        ending = f" unless {{ {unless} }}" if unless else ""
        lines.append(f"forbid(principal, action, resource) when {{ {' && '.join(parts)} }}{ending};")
    return "\n".join(lines)


def cedar_requests(rows: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """Write the first rows as Cedar requests."""
    plain = {name: rows[name][:count].to_pylist() for name in ("terminal_id", "country", *WHO)}
    requests = []
    for i in range(count):
        context = {
            "country": plain["country"][i], "plan": plain["plan"][i], "account": plain["account"][i],
            "account_country": plain["account_country"][i], "protected": plain["class"][i], "quota": plain["quota"][i],
            "lists": [entry for entry in plain["lists"][i].split("|") if entry],
            "speed_m_s": int(rows["speed_m_s"][i]), "alt_m": int(rows["alt_m"][i]), "now": int(rows["now_ns"][i]) // S,
        }  # fmt: skip
        principal = f'Terminal::"{plain["terminal_id"][i]}"'
        requests.append(
            {"principal": principal, "action": 'Action::"serve"', "resource": 'Network::"n"', "context": context}
        )
    return requests


def cedar_decide(requests: list[dict[str, Any]], policies: cedarpy.PolicySet) -> list[cedarpy.AuthzResult]:
    """Decide in batches."""
    found = []
    for i in range(0, len(requests), CEDAR_BATCH):
        found += cedarpy.is_authorized_batch(requests[i : i + CEDAR_BATCH], policies, [])
    return found


# --- checks and timing ------------------------------------------------------------------------------------------------


def applying(decided: Decided) -> list[frozenset[int]]:
    """Return the numbers of the applying rules of each class."""
    return [frozenset(int(rule[1:]) for _, rule, _ in klass.reasons if rule != "default") for klass in decided.classes]


def count_differences(decided: Decided, results: list[Any], numpy_result: tuple[np.ndarray, ...], rules: int) -> int:
    """Compare decisions and determining rules; see the module's docstring."""
    sets = applying(decided)
    differ = 0
    for i, result in enumerate(results):
        mine = sets[decided.klass[i]]
        theirs = frozenset(int(name.removeprefix("policy")) - 1 for name in result.diagnostics.reasons) - {-1}
        differ += mine != theirs or bool(mine) == result.allowed
    outcome, first, bits = numpy_result
    table = np.zeros((len(sets), rules), np.uint8)
    for klass, numbers in enumerate(sets):
        table[klass, sorted(numbers)] = 1
    packed = np.packbits(table, axis=1)
    wrong = (bits != packed[decided.klass].T).any(axis=0) | (outcome != decided.outcome) | (first != decided.rule)
    return differ + int(wrong.sum())


def cpu(work: Callable[[], object]) -> float:
    """Return the CPU time of one call [s]."""
    start = time.process_time()
    work()
    return time.process_time() - start


def main() -> int:
    """Check, time, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rules", type=int, default=200)
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--cedar-rows", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    pa.set_cpu_count(1)
    load_before = os.getloadavg()[0]
    book = make_rules(options.rules, options.seed)
    rows = make_rows(options.rows, options.seed)
    compile_s = cpu(lambda: compile_rulebook(book))
    batch = code(rows)
    first_s = cpu(lambda: compile_rulebook(book).decide(batch))
    policies = cedarpy.PolicySet.from_str(cedar_policies(book))
    requests = cedar_requests(rows, options.cedar_rows)
    peer = NumpyKernel(book)

    compiled = compile_rulebook(book)
    decided = compiled.decide(batch)
    results = cedar_decide(requests, policies)
    differ = count_differences(decided, results, peer.decide(batch), options.rules)
    print(f"{differ} of {options.cedar_rows} rows (cedarpy) and {options.rows} rows (numpy) differ; "
          f"{len(decided.classes)} classes; {int((decided.outcome == 3).sum())} denied")  # fmt: skip

    def whole() -> None:
        fresh: CompiledRulebook = compile_rulebook(book)  # nothing learnt before
        result = fresh.decide(code(rows))
        list(result.classes)

    works: dict[str, tuple[Callable[[], object], int]] = {
        "whole": (whole, options.rows),
        "coded": (lambda: list(compiled.decide(batch).classes), options.rows),
        "numpy": (lambda: peer.decide(batch), options.rows),
        "cedarpy": (lambda: cedar_decide(requests, policies), options.cedar_rows),
    }
    rates: dict[str, list[float]] = {name: [] for name in works}
    for number in range(options.rounds):
        for name in list(works) if number % 2 == 0 else list(works)[::-1]:
            work, count = works[name]
            rates[name].append(count / cpu(work))
    ratios = [a / b for a, b in zip(rates["whole"], rates["cedarpy"], strict=True)]
    against_numpy = [a / b for a, b in zip(rates["coded"], rates["numpy"], strict=True)]
    print(
        f"python {platform.python_version()}, numpy {np.__version__}, pyarrow {pa.__version__}; one thread; "
        f"seed {options.seed}"
    )
    print(f"{options.rules} rules; compiling {compile_s:.3f} s, first batch with loading the kernels {first_s:.2f} s")
    for name, values in rates.items():
        print(f"{name:8} {statistics.median(values):14,.0f} decisions/s  ({min(values):,.0f} to {max(values):,.0f})")
    print(
        f"whole / cedarpy  {statistics.median(ratios):,.0f} ({min(ratios):,.0f} to {max(ratios):,.0f}), goal {GOAL:.0f}"
    )
    print(
        f"coded / numpy    {statistics.median(against_numpy):.1f} "
        f"({min(against_numpy):.1f} to {max(against_numpy):.1f})"
    )
    passed = differ == 0 and statistics.median(ratios) >= GOAL and statistics.median(against_numpy) >= NUMPY_GOAL
    summary = {
        "benchmark": "decide", "seed": options.seed, "rules": options.rules, "rows": options.rows,
        "cedar_rows": options.cedar_rows, "differ": differ, "classes": len(decided.classes),
        **{f"{name}_per_s": round(statistics.median(values)) for name, values in rates.items()},
        "ratio_cedarpy": round(statistics.median(ratios), 1), "ratio_numpy": round(statistics.median(against_numpy), 2),
        "ratio_cedarpy_range": [round(min(ratios), 1), round(max(ratios), 1)],
        "ratio_numpy_range": [round(min(against_numpy), 2), round(max(against_numpy), 2)],
        **{f"{name}_per_s_range": [round(min(values)), round(max(values))] for name, values in rates.items()},
        "goal": GOAL, "passed": passed, "load_before": load_before, "load_after": os.getloadavg()[0],
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }  # fmt: skip
    print(json.dumps(summary))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
