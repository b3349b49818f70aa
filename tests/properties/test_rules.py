"""Properties of deciding on random rulebooks: equal to the plain evaluator, and a pure function of the row."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import random_rules
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from groundrule.rules.attributes import edge_outcome, stale_outcome
from groundrule.rules.compile import CompiledRulebook, Decided, compile_rulebook
from groundrule.rules.evidence import Coded, EvidenceBatch, Interval
from groundrule.rules.reference import decide_one, row_of, valid_until
from groundrule.rules.text import canonical_tree, read_rulebook, write_rulebook

SEEDS = st.integers(0, 2**32)
QUICK = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def example(seed: int, rows: int = 12) -> tuple[CompiledRulebook, EvidenceBatch]:
    rng = random.Random(seed)
    compiled = compile_rulebook(random_rules.rulebook(rng))
    return compiled, random_rules.batch(rng, rows, len(compiled.latches))


def take(batch: EvidenceBatch, rows: np.ndarray) -> EvidenceBatch:
    return EvidenceBatch(
        batch.now_ns[rows],
        Coded(batch.where.codes[rows], batch.where.values),
        Coded(batch.who.codes[rows], batch.who.values),
        {name: Interval(i.low[rows], i.high[rows]) for name, i in batch.numbers.items()},
        {name: Coded(c.codes[rows], c.values) for name, c in batch.categories.items()},
        None if batch.latches is None else batch.latches[rows],
    )


def contents(decided: Decided) -> list[object]:
    return [(decided.classes[k], int(until)) for k, until in zip(decided.klass, decided.valid_until, strict=True)]


@QUICK
@given(SEEDS)
def test_equal_to_the_plain_evaluator(seed: int) -> None:
    compiled, batch = example(seed)
    decided = compiled.decide(batch)
    for i in range(len(batch)):
        wanted = decide_one(compiled.rulebook, row_of(batch, i, compiled.latches))
        found = decided.classes[decided.klass[i]]
        assert found == wanted
        assert decided.outcome[i] == wanted.outcome
        assert decided.valid_until[i] == valid_until(compiled.rulebook, int(batch.now_ns[i]))


@QUICK
@given(SEEDS, st.data())
def test_a_decision_does_not_depend_on_the_rows_beside_it(seed: int, data: st.DataObject) -> None:
    compiled, batch = example(seed)
    whole = contents(compiled.decide(batch))
    order = np.array(data.draw(st.lists(st.integers(0, len(batch) - 1), min_size=1, max_size=20)))
    again = compile_rulebook(compiled.rulebook)
    assert contents(again.decide(take(batch, order))) == [whole[i] for i in order], "order, size and repetition"
    single = [contents(again.decide(take(batch, np.array([i]))))[0] for i in range(len(batch))]
    assert single == whole, "one row at a time"


@QUICK
@given(SEEDS, st.randoms(use_true_random=False))
def test_the_order_of_the_rules_means_nothing(seed: int, shuffler: random.Random) -> None:
    compiled, batch = example(seed)
    rules = list(compiled.rulebook.rules)
    shuffler.shuffle(rules)
    other = compile_rulebook(replace(compiled.rulebook, rules=tuple(rules)))
    assert contents(other.decide(batch)) == contents(compiled.decide(batch))


@QUICK
@given(SEEDS)
def test_exactly_one_rule_is_decisive_and_it_is_first(seed: int) -> None:
    compiled, batch = example(seed)
    for klass in compiled.decide(batch).classes:
        marks = [mark for _, _, mark in klass.reasons]
        assert marks == ["decisive", *["contributing"] * (len(marks) - 1)]
        assert klass.reasons[0][1] == klass.rule_id


@QUICK
@given(SEEDS)
def test_a_decision_holds_until_its_validity_ends(seed: int) -> None:
    compiled, batch = example(seed, 6)
    decided = compiled.decide(batch)
    later = EvidenceBatch(
        decided.valid_until - 1, batch.where, batch.who, batch.numbers, batch.categories, batch.latches
    )
    before = [klass for klass, _ in contents(decided)]
    assert [klass for klass, _ in contents(compiled.decide(later))] == before


@QUICK
@given(SEEDS)
def test_forgetting_what_was_learnt_changes_nothing(seed: int) -> None:
    compiled, batch = example(seed)
    first = contents(compiled.decide(batch))
    compiled._forget()
    assert contents(compiled.decide(batch)) == first


@settings(max_examples=30, deadline=None, derandomize=True)
@given(SEEDS)
def test_text_and_records_are_two_forms_of_one_rulebook(seed: int) -> None:
    rng = random.Random(seed)
    book = random_rules.rulebook(rng)
    rules = tuple(
        replace(
            rule, edge=edge_outcome(rule), stale=stale_outcome(rule), who=random_rules.leaf(rng),
            unknown=tuple((name, min(value, rule.outcome)) for name, value in rule.unknown),
            where=random_rules.Where("country:UA"), what=random_rules.All(()), unless=(),
        )
        for rule in book.rules
    )  # fmt: skip
    book = replace(book, rules=rules, counters=(random_rules.COUNTER,))
    again = read_rulebook(write_rulebook(book))
    assert canonical_tree(again) == canonical_tree(book)
    assert again.digest == read_rulebook(write_rulebook(again)).digest
