"""What an oversight report counts, against plain loops over rows that are all in memory."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import shapely

from groundrule.areas.model import Area
from groundrule.instant import NS_PER_DAY, NS_PER_S, format_instant
from groundrule.pipeline.manifests import runs
from groundrule.pipeline.oversight.counts import ELSEWHERE, NOT_TOLD, OCCUPIED, PARTLY, IntervalCounts
from groundrule.pipeline.oversight.fleet import read_fleet, tag_decisions
from groundrule.store.home import Home
from late_delivery import deliver
from small_home import (
    AREAS,
    BOOK,
    LIST,
    RECORDED,
    T0,
    drive,
    final_decisions,
    make_home,
    observation,
    register,
    run,
    stored,
    stream,
    table,
)

NEVER, ALWAYS = T0 - 30 * NS_PER_DAY, T0 + 60 * NS_PER_DAY
DENIED = {("deny", "normal")}


def rows_in(home: Home, since: int, until: int) -> list[dict[str, Any]]:
    return [row for row in final_decisions(home, runs(home)) if since <= row["observed_at"] < until]


def denied(row: dict[str, Any]) -> bool:
    return (row["outcome"], row["state"]) in DENIED


def sign(row: dict[str, Any]) -> bool:
    return row["outcome"] != "serve" and row["state"] == "normal"


def responses(rows: list[dict[str, Any]]) -> tuple[list[tuple[int, str]], int]:
    """Seconds and terminal of each series, and how many were cut off."""
    by_terminal: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        by_terminal[row["terminal_id"]].append(row)
    found, cut = [], 0
    for name, mine in by_terminal.items():
        mine.sort(key=lambda row: (row["observed_at"], sign(row)))
        began, whole, told = None, False, False
        for row in mine:
            if not sign(row):
                began, whole, told = None, True, False
                continue
            began = row["observed_at"] if began is None else began
            if denied(row) and not told:
                told = True
                if whole:
                    found.append(((row["observed_at"] - began) // NS_PER_S, name))
                else:
                    cut += 1
    return sorted(found), cut


@pytest.mark.parametrize("seed", range(6))
def test_counts_are_those_of_plain_loops_also_over_corrections_and_part_of_a_day(home: Home, tmp_path: Path, seed: int) -> None:
    register(home, "lists", "list_id,title\npass,Pass (invented)\n")
    register(home, "list_entries", LIST)
    for part in deliver(stream(seed), seed)[0]:
        run(home, part)
    for number, (since, until) in enumerate(((NEVER, ALWAYS), (T0 + 900 * NS_PER_S, T0 + 2 * NS_PER_DAY + 7))):
        folder = tmp_path / f"work-{number}"
        folder.mkdir()
        rows = rows_in(home, since, until)
        versions = [row for n in runs(home) for c in (False, True) for row in stored(home, n, corrections=c)]
        every = [row for row in versions if since <= row["observed_at"] < until]
        with IntervalCounts(home, since, until, folder) as counts:
            said = counts.said
            assert counts.decisions == len(rows)
            assert counts.superseded == len(every) - len(rows)
            assert set(counts.days) == {format_instant(row["observed_at"])[:10] for row in every}
            groups = [(code, f"{each.outcome} {each.state} {each.rule} {each.reason}") for code, each in enumerate(said)]
            by_outcome = counts.terminals_by(groups)
            expected: dict[str, list[Any]] = defaultdict(list)
            for row in rows:
                expected[f"{row['outcome']} {row['state']} {row['rule']} {row['reasons'][0]['code']}"].append(row["terminal_id"])
            assert by_outcome == {name: (len(set(ids)), len(ids)) for name, ids in sorted(expected.items())}
            days: dict[tuple[str, str], list[str]] = defaultdict(list)
            for row in rows:
                if denied(row):
                    days[format_instant(row["observed_at"])[:10], row["rule"]].append(row["terminal_id"])
            assert counts.denied_by_day() == [(*key, len(ids), len(set(ids))) for key, ids in sorted(days.items())]
            wanted, cut = responses(rows)
            measured = counts.response()
            names = counts.names(measured.terminals)
            assert (sorted(zip(measured.seconds.tolist(), names, strict=True)), measured.cut) == (wanted, cut)
            first = {}
            last = {}
            for row in rows:
                name, at = row["terminal_id"], row["observed_at"]
                if denied(row):
                    first[name] = min(at, first.get(name, at))
                elif row["outcome"] == "serve" and row["state"] == "normal":
                    last[name] = max(at, last.get(name, at))
            assert counts.restored() == sum(last.get(name, -1) > at for name, at in first.items())
            final = {(row["terminal_id"], row["observed_at"]) for row in rows if denied(row)}
            gone = [(row["terminal_id"], row["observed_at"]) for row in every if denied(row)]
            taken_back = {key for key in gone if key not in final}
            assert counts.reversed()[1] == len({name for name, _ in taken_back})


def test_a_denial_that_a_late_observation_takes_back_is_counted_as_corrected(home: Home, tmp_path: Path) -> None:
    fast = drive("car", 0, 8, lat=5.0, lon=1.0, km_h=120)
    run(home, table([fast[0], *fast[4:]]))
    before = sum(denied(row) for row in rows_in(home, NEVER, ALWAYS))
    assert before
    # What was between shows that it stood and was then carried: a jump, and no speed.
    run(home, table(observation("car", 15.0 * k + 7, 5.0, 1.0, speed_m_s=0.0) for k in range(8)))
    with IntervalCounts(home, NEVER, ALWAYS, tmp_path) as counts:
        after = rows_in(home, NEVER, ALWAYS)
        corrected, terminals = counts.reversed()
        assert corrected == before - sum(denied(row) for row in after if row["observed_at"] % (15 * NS_PER_S) == T0 % (15 * NS_PER_S))
        assert terminals == (1 if corrected else 0)


def test_tags_count_as_they_held_when_it_was_observed(home: Home, tmp_path: Path) -> None:
    later = format_instant(T0 + 3600 * NS_PER_S)
    head = "terminal_id,account_id,plan,programmes,registration,activation_country,protected_class,donor,valid_from,valid_until\n"
    register(home, "terminals", head + f"car,acc-a,roam,aid,registered,AT,hospital,A (invented),2000-01-01,{later}\n", recorded_at=RECORDED)
    register(home, "terminals", head + f"car,acc-a,roam,relief,registered,AT,none,B (invented),{later},\n", recorded_at=RECORDED)
    places = ((0, 2.5), (60, 5), (7200, 2.5))
    run(home, table(observation("car", at, where, where) for at, where in places), recorded_at=RECORDED + 1)
    fleet = read_fleet(home, NEVER, ALWAYS)
    with IntervalCounts(home, NEVER, ALWAYS, tmp_path) as counts:
        tag_decisions(counts, fleet)
        said = counts.said
        outcomes = [(code, each.outcome) for code, each in enumerate(said)]
        found = counts.tagged_by(fleet.groups("programmes"), outcomes)
        assert found == {("aid", "deny"): (1, 1), ("aid", "serve"): (1, 1), ("relief", "deny"): (1, 1)}
        assert counts.tagged_by(fleet.groups("protected"), outcomes) == {("hospital", "deny"): (1, 1), ("hospital", "serve"): (1, 1)}
        assert {fleet.tags[code].donor for name, code in fleet.at_end if name == "car"} == {"B (invented)"}


def test_nothing_in_the_interval_is_nothing_and_not_an_error(home: Home, tmp_path: Path) -> None:
    run(home, table([observation("car", 0, 5, 5)]))
    with IntervalCounts(home, ALWAYS, ALWAYS + NS_PER_DAY, tmp_path) as counts:
        assert (counts.decisions, counts.days, counts.response().cut) == (0, (), 0)


def test_occupied_is_inside_and_partly_is_on_the_edge_or_marked_so(tmp_path: Path) -> None:
    held = (
        Area("front", "control", "Held strip (invented)", shapely.box(4, 4, 5, 5)),
        Area("mixed", "zone", "Mixed strip (invented)", shapely.box(6, 6, 7, 7), tags=("partly_occupied",)),
    )
    book = BOOK.replace("  - id: long-stay", """  - id: front-speed
    title: Nothing flies over the strips
    tier: zone
    where: {any: [area:front, area:mixed]}
    what: {speed_km_h: {above: 500}}
    outcome: deny
    reason: moving_too_fast_for_policy
    authority: {basis: "an order (invented)", illustrative: true}
  - id: long-stay""")
    home = make_home(tmp_path / "held", areas=(*AREAS, *held), book=book)
    places = {"car": (4.5, 4.5), "train": (4.0, 4.5), "guest": (6.5, 6.5), "van": (9.0, 9.0)}
    run(home, table(observation(name, 0, *place) for name, place in places.items()))
    (tmp_path / "work").mkdir()
    with IntervalCounts(home, NEVER, ALWAYS, tmp_path / "work") as counts:
        found = counts.terminals_by([(code, each.control) for code, each in enumerate(counts.said)])
    assert found == {OCCUPIED: (1, 1), PARTLY: (2, 2), ELSEWHERE: (1, 1)}
    plain = make_home(tmp_path / "plain")
    run(plain, table([observation("car", 0, 4.5, 4.5)]))
    (tmp_path / "other").mkdir()
    with IntervalCounts(plain, NEVER, ALWAYS, tmp_path / "other") as counts:
        assert {each.control for each in counts.said} == {NOT_TOLD}
