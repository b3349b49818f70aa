"""Decision tables under faults: what is held back, and how reasons, rule, state and obligations say what the outage did."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from groundrule.pipeline.bootstrap import bootstrap_of
from groundrule.pipeline.causes import Causes, Staleness
from groundrule.pipeline.classes import Classifier
from groundrule.pipeline.decisions import DecisionWriter
from groundrule.pipeline.degraded import CAUSES, LIMITS, Cause, Facts, degrade
from groundrule.pipeline.degraded_answers import decide_under, told
from groundrule.pipeline.home import basis_of
from groundrule.pipeline.judge import Judge
from groundrule.records import DECISION_SCHEMA, Outcome
from groundrule.rules.compile import compile_rulebook
from groundrule.rules.text import load_rulebook, read_rulebook
from small_home import BOOK, RECORDED, T0, copy_home, make_home, observation, stream, table

HOUR = 3600 * 1_000_000_000


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Judge:
    return Judge(basis_of(make_home(tmp_path_factory.mktemp("answers") / "home"), recorded_at_ns=RECORDED))


def causes(held_ns: int | None = None, **degrees: int) -> Causes:
    return Causes({Cause(name): degree for name, degree in degrees.items()}, Staleness(), held_ns)


def plain(row: dict[str, Any], outcome: int, state: int, mask: int, decisive: int, limit: int) -> dict[str, Any]:
    """One answer, written by hand from what docs/degraded.md says."""
    changed = row["outcome"] != ("serve", "restrict", "review", "deny")[outcome]
    codes = {k: f"degraded:{cause.value}" for k, cause in enumerate(CAUSES)}
    first = [{"code": codes[k], "rule": "outage", "class": "decisive"} for k in codes if decisive >> k & 1]
    last = [{"code": codes[k], "rule": "outage", "class": "contributing"} for k in codes if (mask & ~decisive) >> k & 1]
    kept = [{**each, "class": "contributing"} if changed else each for each in row["reasons"]]
    return row | {
        "outcome": ("serve", "restrict", "review", "deny")[outcome],
        "state": ("normal", "degraded", "pending_registration", "never_served")[state],
        "rule": "outage" if changed else row["rule"],
        "reasons": first + kept + last,
        "obligations": ([] if changed else row["obligations"]) + list(LIMITS[limit]),
    }


@pytest.mark.parametrize("seed", range(3))
def test_tables_say_what_an_outage_did(judge: Judge, seed: int) -> None:
    judged = judge.judge(stream(seed, 240).sort_by("observed_at"))
    before = DecisionWriter(judge).table(judged)
    rng = np.random.default_rng(seed)
    n = len(before)
    degrees = {cause: rng.integers(0, 3, n).astype(np.uint8) for cause in CAUSES}
    classes = rng.integers(0, 3, n).astype(np.uint8)
    facts = Facts(fast=rng.random(n) < 0.5, known=rng.random(n) < 0.5, landing=rng.random(n) < 0.3)
    found = degrade(judged.decided.outcome, judged.decided.state, classes, degrees, facts)
    after = told(before, found)
    assert after.schema.equals(DECISION_SCHEMA)
    after.validate(full=True)
    columns = (found.outcome, found.state, found.causes, found.decisive, found.limit)
    wanted = [plain(row, *(int(each[k]) for each in columns)) for k, row in enumerate(before.to_pylist())]
    assert after.to_pylist() == wanted
    assert found.changed.sum() > n // 10
    # A slice of the table is answered like the whole.
    part = degrade(judged.decided.outcome[5:9], judged.decided.state[5:9], classes[5:9], {k: v[5:9] for k, v in degrees.items()},
                   Facts(fast=facts.fast[5:9], known=facts.known[5:9], landing=facts.landing[5:9]))  # type: ignore[index]  # fmt: skip
    assert told(before.slice(5, 4), part).to_pylist() == wanted[5:9]


def test_where_nothing_is_down_the_table_stays_as_it_is(judge: Judge) -> None:
    judged = judge.judge(table([observation("guest", 90_000, 5.0, 5.0)]))
    before = DecisionWriter(judge).table(judged)
    under = decide_under(judge, judged, Classifier(judge).of(judged), causes())
    assert told(before, under.degraded) is before
    assert under.degraded.counts == {}
    assert under.staleness.location_s == 0


def test_a_denial_that_begins_while_the_store_is_down_waits_for_a_fresh_snapshot(tmp_path: Path) -> None:
    # In Bland nobody is served between 12:00 and 13:00; the store went down at 11:00.
    judge = Judge(basis_of(make_home(tmp_path / "home"), recorded_at_ns=RECORDED))
    judged = judge.judge(table([observation("car", at, 5.0, 15.0) for at in (5_400, 9_000, 12_600)]))
    words = ["serve", "deny", "serve"]
    assert [("serve", "restrict", "review", "deny")[each] for each in judged.decided.outcome] == words
    classes = Classifier(judge).of(judged)

    def outcomes(held_ns: int | None, **degrees: int) -> list[int]:
        return decide_under(judge, judged, classes, causes(held_ns, **degrees)).degraded.outcome.tolist()

    assert outcomes(T0 + HOUR, policy_store_down=1) == [0, 0, 0]
    assert outcomes(T0 + 5 * HOUR // 2, policy_store_down=1) == [0, 3, 0], "it was in force before"
    assert outcomes(T0 + HOUR, screening_stale=2) == [0, 3, 0]
    # Under a doubtful clock an ordinary terminal keeps what held, also where it ends by that clock.
    assert outcomes(T0 + 5 * HOUR // 2, clock_doubtful=1) == [0, 3, 3]
    # Nothing of the memory has moved: the same batch again comes to the same.
    assert outcomes(T0 + HOUR, policy_store_down=1) == [0, 0, 0]


def test_a_listed_terminal_stays_denied_and_a_protected_one_stays_served(tmp_path: Path) -> None:
    from small_home import register

    listed = BOOK.replace(
        "rules:\n",
        """rules:
  - id: listed
    title: Whoever is on the denylist is not served
    tier: account
    who: {list: deny}
    outcome: deny
    reason: sanctions
    unknown: {"*": serve}
    authority: {basis: "a list (invented)", illustrative: true}
""",
        1,
    )
    home = make_home(tmp_path / "home", book=listed)
    rows = "terminal_id,account_id,plan,protected_class,registration,activation_country\nclinic,acc-a,business,hospital,registered,AT\n"
    rows += "car,acc-a,roam,,registered,AT\n"
    register(home, "terminals", rows + "evil clinic,acc-a,business,hospital,registered,AT\n", recorded_at=RECORDED - HOUR)
    register(home, "list_entries", "list_id,terminal_id,state,holder,legal_class\ndeny,car,active,p1,individual\n"
             "deny,evil clinic,active,p2,individual\n", recorded_at=RECORDED - HOUR)  # fmt: skip
    judge = Judge(basis_of(copy_home(home, tmp_path / "copy"), recorded_at_ns=RECORDED))
    judged = judge.judge(table([observation(name, 9_000, 5.0, 5.0) for name in ("car", "clinic", "evil clinic")]))
    classes = Classifier(judge).of(judged)
    for cause in CAUSES:
        for degree in (1, 2):
            degrees = {cause: degree} if cause is not Cause.LOCATION_UNVERIFIABLE else {}
            locations = np.full(3, degree if not degrees else 0, np.uint8)
            found = decide_under(judge, judged, classes, Causes(degrees, Staleness(), RECORDED), locations=locations).degraded
            assert found.outcome[[0, 2]].tolist() == [3, 3], cause
            assert found.outcome[1] < 3, cause
            assert not found.changed[[0, 2]].any(), "they are denied by the list, not by the outage"


def test_the_bootstrap_rulebook_follows_from_the_rulebook() -> None:
    book = load_rulebook("world-2026")
    made = bootstrap_of(book)
    assert made.digest == bootstrap_of(book).digest
    assert {rule.id for rule in made.rules} <= {rule.id for rule in book.rules}
    own = {rule.id: rule for rule in book.rules}
    for rule in made.rules:
        theirs = own[rule.id]
        assert (rule.where, rule.who, rule.what, rule.outcome, rule.reason) == (
            theirs.where, theirs.who, theirs.what, theirs.outcome, theirs.reason,
        )  # fmt: skip
    assert {"country-unlicensed", "country-blocked", "protected-served"} <= {rule.id for rule in made.rules}
    listed = next(rule for rule in made.rules if rule.id == "sanctions-listed")
    assert set(dict(listed.unknown).values()) == {Outcome.SERVE}, "to a point without registers it says nothing"
    assert (made.landing_rights, made.claims) == (book.landing_rights, book.claims)
    compile_rulebook(made)
    from groundrule.errors import InputError

    with pytest.raises(InputError, match="no rule about landing rights"):
        bootstrap_of(read_rulebook(BOOK))


def test_an_empty_batch_is_an_empty_answer(judge: Judge) -> None:
    judged = judge.judge(table([]))
    under = decide_under(judge, judged, Classifier(judge).of(judged), causes(T0, policy_store_down=2))
    assert len(told(DecisionWriter(judge).table(judged), under.degraded)) == 0
    assert pa.types.is_list(DECISION_SCHEMA.field("reasons").type)
