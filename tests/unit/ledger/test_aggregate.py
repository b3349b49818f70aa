"""Aggregates: the limits hold for every row, and nothing small follows from many days, tried by an attacker of its own."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterable

import h3
import pytest

from groundrule.errors import ConflictError, InputError
from groundrule.instant import NS_PER_DAY, NS_PER_S, format_instant, parse_instant
from groundrule.ledger.aggregate import (
    LIMITS,
    AggregateFile,
    Count,
    Decided,
    GroupDay,
    aggregate,
    exposures,
)

DAY = "2026-03-01"
LATE = parse_instant("2026-03-05T00:00Z")
CELLS = sorted(h3.grid_disk(h3.latlng_to_cell(48.5, 35.0, 3), 2))


def group_of(
    cell: str, count: int, *, owners: int = 1000, country: str = "UA", rule: str = "r1", start: int = 0
) -> list[Decided]:
    """Decisions for `count` terminals of at most `owners` owners in one cell."""
    return [
        Decided(f"{cell}-{country}-{n}", f"{cell}-{n % owners}", cell, country, "deny", rule)
        for n in range(start, start + count)
    ]


def made(rows: Iterable[Decided], **options: object) -> AggregateFile:
    return aggregate(rows, **{"day": DAY, "issued_ns": LATE, **options})  # type: ignore[arg-type]  # options of the call


def published(file: AggregateFile) -> dict[str, int]:
    return {row.area: row.terminals for row in file.rows}


def day_after(day: str, count: int = 1) -> str:
    return format_instant(parse_instant(day) + count * NS_PER_DAY)[:10]


def test_what_is_published_is_exactly_this() -> None:
    file = made(
        [*group_of(CELLS[0], 43), *group_of(CELLS[1], 30), *group_of(CELLS[2], 19), *group_of(CELLS[3], 4)]
    )
    assert json.loads(file.public()) == {
        "v": 1,
        "day": DAY,
        "issued": "2026-03-05T00:00:00.000Z",
        "rows": [
            {"area": "country:UA", "outcome": "deny", "rule": "r1", "terminals": 25},
            {"area": f"h3:{CELLS[0]}", "outcome": "deny", "rule": "r1", "terminals": 45},
            {"area": f"h3:{CELLS[1]}", "outcome": "deny", "rule": "r1", "terminals": 30},
        ],
    }


@pytest.mark.parametrize(("count", "owners", "alone"), [(20, 5, True), (19, 19, False), (500, 4, False)])
def test_a_cell_has_a_row_from_twenty_terminals_of_five_owners(count: int, owners: int, alone: bool) -> None:
    file = made([*group_of(CELLS[0], count, owners=owners), *group_of(CELLS[1], 15), *group_of(CELLS[2], 15)])
    assert (f"h3:{CELLS[0]}" in published(file)) is alone


def test_repeats_count_once() -> None:
    assert made(group_of(CELLS[0], 19) * 5).rows == ()


def test_a_small_rest_takes_further_cells_smallest_first() -> None:
    file = made([*group_of(CELLS[0], 60), *group_of(CELLS[1], 41), *group_of(CELLS[2], 3)])
    assert published(file) == {f"h3:{CELLS[0]}": 60, "country:UA": 45}


def test_a_group_too_small_with_all_cells_leaves_no_trace() -> None:
    file = made([*group_of(CELLS[0], 12), *group_of(CELLS[1], 7)])
    assert file.rows == ()
    assert CELLS[0].encode() not in file.public()
    assert file.sealed()["groups"][0]["rest"] is None


def test_a_conflict_area_is_published_by_country_only() -> None:
    rows = [*group_of(CELLS[0], 60), *group_of(CELLS[1], 41), *group_of(CELLS[0], 30, country="RU+UA")]
    file = made(rows, conflict=["UA"])
    assert published(file) == {"country:UA": 100, "country:RU+UA": 30}


def test_one_terminal_in_two_cells_counts_once_in_the_rest() -> None:
    twelve = group_of(CELLS[0], 12)
    moved = [each._replace(cell=CELLS[1]) for each in twelve]
    assert made([*twelve, *moved]).rows == ()


def test_a_border_cell_has_one_row_of_what_may_be_published() -> None:
    both = [*group_of(CELLS[0], 25), *group_of(CELLS[0], 30, country="MD")]
    assert published(made(both)) == {f"h3:{CELLS[0]}": 55}
    assert published(made([*both[:25], *both[-8:]])) == {f"h3:{CELLS[0]}": 25}


def test_not_before_72_hours_after_the_day() -> None:
    ready = parse_instant("2026-03-05T00:00Z")
    assert made([], issued_ns=ready).rows == ()
    with pytest.raises(ConflictError, match="may not be published yet"):
        made([], issued_ns=ready - NS_PER_S)


@pytest.mark.parametrize("cell", ["", h3.latlng_to_cell(48.5, 35.0, 5), "zz", "8001fffffffffff"])
def test_finer_or_other_cells_are_refused(cell: str) -> None:
    with pytest.raises(InputError, match="not an H3 cell of resolution 3"):
        made([Decided("t", "o", cell, "UA", "deny", "r1")])


def test_the_sealed_part_reads_back() -> None:
    from groundrule.canon import canonical_json

    file = made(
        [*group_of(CELLS[0], 43), *group_of(CELLS[1], 30), *group_of(CELLS[2], 19), *group_of(CELLS[3], 4)]
    )
    assert AggregateFile.from_sealed(canonical_json(file.sealed())) == file


def test_a_cell_that_becomes_small_is_left_out_and_not_moved_to_the_rest() -> None:
    first = [
        *group_of(CELLS[0], 40),
        *group_of(CELLS[1], 25),
        *group_of(CELLS[2], 18),
        *group_of(CELLS[3], 18),
    ]
    one = made(first)
    second = [
        *group_of(CELLS[0], 40),
        *group_of(CELLS[1], 19),
        *group_of(CELLS[2], 18),
        *group_of(CELLS[3], 18),
    ]
    moved = made(second, day=day_after(DAY), issued_ns=LATE + NS_PER_DAY)
    kept = made(second, day=day_after(DAY), issued_ns=LATE + NS_PER_DAY, previous=[one])
    assert published(moved)["country:UA"] == 55
    assert [each.cells for each in exposures([one, moved])] == [(CELLS[1],)]
    assert published(kept) == {f"h3:{CELLS[0]}": 40, "country:UA": 35}
    assert exposures([one, kept]) == []


def test_a_cell_of_the_rest_gets_a_row_again_when_that_exposes_nothing() -> None:
    # Moved into the rest to protect a small cell on the first day; later the rest is large without it.
    one = made([*group_of(CELLS[0], 60), *group_of(CELLS[1], 41), *group_of(CELLS[2], 3)])
    second = [
        *group_of(CELLS[0], 60),
        *group_of(CELLS[1], 41),
        *group_of(CELLS[2], 30),
        *group_of(CELLS[3], 12),
    ]
    soon = made(second, day=day_after(DAY), issued_ns=LATE + NS_PER_DAY, previous=[one])
    later = made(second, day=day_after(DAY, 90), issued_ns=LATE + 90 * NS_PER_DAY, previous=[one])
    assert f"h3:{CELLS[1]}" not in published(soon)
    assert f"h3:{CELLS[1]}" in published(later)


def test_files_that_expose_a_group_are_withheld() -> None:
    small = GroupDay(
        {CELLS[0]: Count(30, 9), CELLS[1]: Count(3, 2)},
        frozenset({CELLS[0]}),
        frozenset({CELLS[1]}),
        Count(3, 2),
    )
    bad = AggregateFile(DAY, "2026-03-05T00:00:00.000Z", (), {("UA", "deny", "r1"): small})
    with pytest.raises(ConflictError, match="would expose"):
        made(group_of(CELLS[0], 30), day=day_after(DAY), issued_ns=LATE + NS_PER_DAY, previous=[bad])


# --- the attack on ninety days ----------------------------------------------------------------------------------------


def drifting(rng: random.Random, days: int) -> list[list[Decided]]:
    """Days of decisions in cells whose counts wander around the limit, for two outcomes in two countries."""
    level = {
        (country, rule, cell): rng.choice([2, 8, 17, 19, 21, 24, 60])
        for country in ("UA", "PL")
        for rule in ("r1", "r2")
        for cell in rng.sample(CELLS, 9)
    }
    series = []
    for _ in range(days):
        rows: list[Decided] = []
        for (country, rule, cell), count in level.items():
            level[country, rule, cell] = max(0, count + rng.choice([-2, -1, 0, 0, 1, 2]))
            rows += group_of(cell, count, owners=rng.choice([4, 6, 1000, 1000]), country=country, rule=rule)
        series.append(rows)
    return series


def attacked(files: list[AggregateFile]) -> set[tuple[str, str]]:
    """Small cells (cell, day) that linear algebra finds; knows nothing of `exposures`.

    A row of the published files is a sum over cells. The attacker takes counts as equal on all days, so a small cell of a
    row is exposed if the sum over the row's other cells is a combination of all rows. The rest of a country is everything
    there that has no row of its own and was not left out.
    """
    found: set[tuple[str, str]] = set()
    groups = {group for file in files for group in file.groups}
    for group in groups:
        days = [(file.day, file.groups[group]) for file in files if group in file.groups]
        cells = sorted({cell for _, each in days for cell in each.cells})
        bit = {cell: n for n, cell in enumerate(cells)}
        rows = []
        for day, each in days:
            rows += [(day, each, frozenset({cell})) for cell in each.alone]
            if each.rest_count is not None:
                out = each.cells.keys() - each.alone - each.rest
                rows.append((day, each, frozenset(cells) - each.alone - out))
        basis: dict[int, list[int]] = {}
        for _, _, row in rows:
            vector = reduced([int(cell in row) for cell in cells], basis)
            if (lead := next((n for n, value in enumerate(vector) if value), None)) is not None:
                inverse = pow(vector[lead], -1, PRIME)
                basis[lead] = [value * inverse % PRIME for value in vector]
        for day, each, row in rows:
            for cell in row & each.cells.keys():
                if each.cells[cell].passes(LIMITS):
                    continue
                others = [int(one in row and bit[one] != bit[cell]) for one in cells]
                if not any(reduced(others, basis)):
                    found.add((cell, day))
    return found


PRIME = 2**31 - 1


def reduced(vector: list[int], basis: dict[int, list[int]]) -> list[int]:
    """What is left of a vector after the basis has been taken out; nothing if it is a combination of it."""
    for lead in sorted(basis):
        if factor := vector[lead]:
            vector = [(a - factor * b) % PRIME for a, b in zip(vector, basis[lead], strict=True)]
    return vector


def publish(series: list[list[Decided]], *, look_back: bool) -> list[AggregateFile]:
    files: list[AggregateFile] = []
    for n, rows in enumerate(series):
        conflict = ["PL"] if 40 <= n < 60 else []
        files.append(
            aggregate(
                rows,
                day=day_after(DAY, n),
                issued_ns=LATE + n * NS_PER_DAY,
                conflict=conflict,
                previous=files if look_back else (),
            )
        )
    return files


@pytest.mark.parametrize("seed", range(3))
def test_differencing_ninety_days_recovers_no_small_cell(seed: int) -> None:
    series = drifting(random.Random(seed), 90)
    careless, careful = publish(series, look_back=False), publish(series, look_back=True)
    assert attacked(careless), "the attack must find something where no care is taken"
    assert exposures(careless)
    assert attacked(careful) == set()
    assert exposures(careful) == []
    rows = [row for file in careful for row in file.rows]
    assert len(rows) > 90, "publishing nothing would be safe too, and of no use"


def test_every_row_of_any_day_is_at_the_limits() -> None:
    for file, rows in zip(
        publish(series := drifting(random.Random(9), 30), look_back=True), series, strict=True
    ):
        counted: dict[tuple[str, str, str], set[str]] = defaultdict(set)
        for each in rows:
            side = file.groups[each.country, each.outcome, each.rule]
            if each.cell in side.alone:
                counted[f"h3:{each.cell}", each.outcome, each.rule].add(each.terminal)
            elif each.cell in side.rest:
                counted[f"country:{each.country}", each.outcome, each.rule].add(each.terminal)
        assert {row[:3] for row in file.rows} == counted.keys()
        for row in file.rows:
            exact = len(counted[row[:3]])
            assert exact >= 20
            assert row.terminals % 5 == 0
            assert abs(row.terminals - exact) <= 2
