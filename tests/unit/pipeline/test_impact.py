"""The preview of a change is what the change does, computed by two engines that must agree."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely

from governed_home import OTHER_BOOK, RECORDED, START, Desk, base_home, decided, desk
from governed_world import HOUR
from groundrule.areas.model import Area
from groundrule.canon import canonical_json
from groundrule.errors import ConflictError
from groundrule.govern.objects import Change, Impact
from groundrule.pipeline import impact as impacts
from groundrule.pipeline.changes import area_content
from groundrule.pipeline.fleet import last_of_each, load_fleet
from groundrule.pipeline.home import basis_of
from groundrule.pipeline.impact import preview, timeline
from groundrule.pipeline.judge import Judge
from groundrule.records import OUTCOME_WORDS
from groundrule.rules.plain_batch import plain_outcomes
from groundrule.rules.reference import decide_one, row_of
from groundrule.store.home import Home
from small_home import BOOK, copy_home, drive, observation, register, stream, table

NO_AUSTRIA = BOOK.replace("where: {any: [area:closed]}", "where: {any: [country:AT]}")
"""All of the invented country AT is closed."""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = base_home(tmp_path_factory.mktemp("impact") / "home")
    rows = "".join(f"guest {n},acc-b,roam,registered,AT\n" for n in range(12))
    register(home, "terminals", f"terminal_id,account_id,plan,registration,activation_country\n{rows}")
    crowd = [observation(f"guest {n}", 5000 + n, 2.1 + n / 20, 2.5) for n in range(12)]
    with home.writer():
        decided(home, stream(3, rows=240), table(drive("car", 0, 12, lat=5, lon=5, km_h=80)), at_ns=RECORDED)
        decided(home, table(crowd), at_ns=RECORDED + HOUR)
    with desk(home) as opened:
        opened.genesis()
    return home


@pytest.fixture
def office(template: Home, tmp_path: Path) -> Iterator[Desk]:
    with desk(copy_home(template, tmp_path / "home")) as opened:
        opened.clock.now = START + HOUR
        yield opened


def outcomes(home: Home, at_ns: int) -> dict[str, str]:
    """What the fleet is answered under what is in force, by the engine that decides."""
    fleet = load_fleet(home)
    judge = Judge(basis_of(home, recorded_at_ns=at_ns, registers=timeline(home, at_ns)))
    found = judge.judge(fleet.table, as_of_ns=at_ns).decided.outcome
    return dict(zip(fleet.table["terminal_id"].to_pylist(), (OUTCOME_WORDS[word] for word in found), strict=True))


def pairs(before: dict[str, str], after: dict[str, str]) -> dict[str, dict[str, int]]:
    counted: dict[str, dict[str, int]] = {}
    for name, first in before.items():
        row = counted.setdefault(first, {})
        row[after[name]] = row.get(after[name], 0) + 1
    return counted


def summed(impact: Impact) -> dict[str, dict[str, int]]:
    return {a: {b: sum(cells.values()) for b, cells in row.items()} for a, row in impact.counts.items()}


def zone(lat: float = 0, height: float = 10) -> bytes:
    return area_content([Area("closed", "zone", "Closed (invented)", shapely.box(0, lat, 20, lat + height))])


def batch(*terminals: str) -> bytes:
    add = [{"terminal_id": name, "holder": f"h {name}", "legal_class": "individual"} for name in terminals]
    return canonical_json({"v": 1, "salt": "7c" * 16, "list": None, "add": add, "remove": []})


CHANGES: dict[str, list[tuple[str, str, bytes]]] = {
    "rulebook": [("replace", "rulebook", NO_AUSTRIA.encode())],
    "speed": [("replace", "rulebook", OTHER_BOOK.encode())],
    "area": [("replace", "area/closed", zone())],
    "list": [("replace", "list/pass", batch("guest 1", "guest 2"))],
    "all": [
        ("replace", "rulebook", NO_AUSTRIA.encode()),
        ("replace", "area/closed", zone(2, 3)),
        ("replace", "list/pass", batch("guest 3")),
    ],
}


@pytest.mark.parametrize("name", CHANGES)
def test_the_preview_is_what_the_enactment_does(office: Desk, name: str) -> None:
    """I18: the same fleet, before and after the change was really enacted."""
    changes = [office.change(*each) for each in CHANGES[name]]
    value, impact = office.proposal(*changes, **{"class": "sensitive"})
    seen = Impact.parse(impact)
    if not seen.reach.empty:
        value["class"] = "critical"
    proposal = office.governance.propose(value, impact).id
    at = office.governance.state.proposals[proposal].proposal.effective.from_
    before = outcomes(office.home, at)
    if value["class"] == "critical":
        for person in ("c1", "c2", "c3", "c4"):
            office.governance.approve(office.approval(proposal, person))
        office.clock.now += 25 * HOUR
    else:
        office.approve(proposal)
    made = office.governance.enact(proposal)
    assert made.in_force
    after = outcomes(office.home, office.clock.now)
    assert summed(seen) == pairs(before, after)
    assert seen.changed == sum(before[name] != after[name] for name in before)
    assert (seen.changed > 0) == (name != "speed"), "a single observation says nothing of thirty seconds"


def test_both_engines_ran_and_agree(office: Desk) -> None:
    impact = office.impact([office.change(*each) for each in CHANGES["all"]], START + HOUR)
    assert [run.engine for run in impact.runs] == ["compiled", "reference"]
    assert len({run.result_digest for run in impact.runs}) == 1
    assert impact.changed > 0


def test_engines_that_differ_stop_the_proposal(office: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    change = office.change(*CHANGES["rulebook"][0])

    def wrong(*given: Any) -> tuple[np.ndarray, int]:  # type: ignore[type-arg]
        found, distinct = plain_outcomes(*given)
        found[0] = (found[0] + 1) % 4
        return found, distinct

    monkeypatch.setattr(impacts, "plain_outcomes", wrong)
    with pytest.raises(ConflictError) as refused:
        office.impact([change], START + HOUR)
    assert refused.value.context["refusal"] == "impact_runs_differ"


def test_the_same_fleet_gives_the_same_digest_and_another_fleet_another(office: Desk) -> None:
    changes = [office.change(*CHANGES["rulebook"][0])]
    first = office.impact(changes, START + HOUR)
    for path in (office.home.cache / "fleet").iterdir():
        path.unlink()
    assert office.impact(changes, START + HOUR).digest == first.digest, "the cache decides nothing"
    office.governance.ledger.close()
    decided(office.home, table([observation("car", 9000, 2.5, 2.5)]), at_ns=START + 2 * HOUR)
    office.again()
    assert office.impact(changes, START + HOUR).fleet_digest != first.fleet_digest


def test_the_fleet_is_the_last_observation_of_each_terminal(office: Desk) -> None:
    from groundrule.pipeline.history import all_observations

    last: dict[str, int] = {}
    for part in all_observations(office.home):
        for row in part.select(["terminal_id", "observed_at"]).to_pylist():
            last[row["terminal_id"]] = max(last.get(row["terminal_id"], 0), row["observed_at"])
    fleet = load_fleet(office.home)
    assert dict(zip(fleet.table["terminal_id"].to_pylist(), fleet.table["observed_at"].to_pylist(), strict=True)) == last
    assert last_of_each(fleet.table).equals(fleet.table)


def test_a_change_for_a_whole_country_is_critical_whoever_is_there(office: Desk) -> None:
    impact = office.impact([office.change(*CHANGES["rulebook"][0])], START + HOUR)
    assert "AT" in impact.reach.countries
    with pytest.raises(ConflictError) as refused:
        office.propose(office.change(*CHANGES["rulebook"][0]))
    assert refused.value.context["refusal"] == "class_too_low"


def test_an_area_of_conflict_makes_a_change_critical(office: Desk) -> None:
    declared = Area("front", "zone", "Front (invented)", shapely.box(0, 0, 20, 10), tags=("conflict",))
    impact = office.impact([office.change("create", "area/front", area_content([declared]))], START + HOUR)
    assert impact.reach.conflict_areas == ("front",)


def test_a_way_around_sanctions_makes_a_change_critical(office: Desk) -> None:
    ruled = BOOK.replace("reason: account_disabled", "reason: sanctions\n    unless: [{list: pass}]")
    made = office.change("replace", "rulebook", ruled.encode())
    impact = office.impact([made], START + HOUR)
    assert impact.reach.sanctions_exceptions == ()
    value, logged = office.proposal(made)
    proposal = office.governance.propose(value, logged).id
    office.approve(proposal)
    assert office.governance.enact(proposal).in_force
    exception = office.impact([office.change("replace", "list/pass", batch("late payer"))], office.clock.now)
    assert exception.reach.sanctions_exceptions == ("pass",)
    gone = office.impact([office.change("replace", "rulebook", BOOK.encode())], office.clock.now)
    assert gone.reach.sanctions_exceptions == ("rule suspended",)


def test_small_cells_are_named_and_not_counted(office: Desk) -> None:
    changes = [Change.parse(office.change(*each)) for each in CHANGES["list"]]
    found = preview(office.home, changes, at_ns=START + HOUR)
    assert 0 < found.impact.changed < impacts.K
    assert found.by["country"] == {}
    assert any(cell.startswith("country: ") for cell in found.impact.k_suppressed)


def test_labelled_terminals_show_false_denials_and_false_permissions(office: Desk) -> None:
    changes = [Change.parse(office.change(*each)) for each in CHANGES["rulebook"]]
    truth = {f"guest {n}": n % 2 == 0 for n in range(12)} | {"nobody": True}
    found = preview(office.home, changes, at_ns=START + HOUR, served=truth)
    before, after = outcomes(office.home, START + HOUR), found.truth["after"]
    assert found.truth["before"]["labelled"] == 12
    assert found.truth["before"]["false_denials"] == sum(before[f"guest {n}"] == "deny" for n in range(0, 12, 2))
    assert after["false_permissions"] == 0, "everybody in the country is denied"
    assert after["false_denials"] == 6


def test_an_empty_home_has_an_impact_of_nothing(tmp_path: Path) -> None:
    with desk(base_home(tmp_path / "home")) as office:
        office.genesis()
        impact = office.impact([office.change(*CHANGES["speed"][0])], START + HOUR)
        assert impact.counts == {}
        assert impact.changed == 0


def test_the_plain_engine_says_what_the_reference_says(template: Home) -> None:
    fleet = load_fleet(template)
    judge = Judge(basis_of(template, recorded_at_ns=START))
    for _ in range(2):  # the second time with a memory of speed
        judged = judge.judge(fleet.table)
        latches = judge.basis.compiled.latches
        found, distinct = plain_outcomes(judge.basis.rulebook, judged.evidence, latches)
        one_by_one = [int(decide_one(judge.basis.rulebook, row_of(judged.evidence, k, latches)).outcome) for k in range(len(fleet))]
        assert found.tolist() == one_by_one
        assert 0 < distinct <= len(fleet)
