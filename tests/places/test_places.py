"""Hand-checked places and moments: where each truly is, reasoned from geography, and what the areas say.

`places.csv` holds one place per row with the expected set of areas and the reason in words. Where the shipped areas
differ from what an atlas, a court or a claimant would say, the reason holds the words "Pack says". Rows with a moment
also use control areas with intervals of validity, imported from the optional real data.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from groundrule.areas.importing import read_areas
from groundrule.areas.index import AreaIndex
from groundrule.areas.model import Area
from groundrule.areas.world import load_world
from groundrule.instant import MAX_NS, MIN_NS, parse_instant

FILE = Path(__file__).with_name("places.csv")
CONTROL_DATES = ("2022-03-26", "2022-07-01", "2022-09-02", "2022-09-15", "2022-11-15", "2023-06-02", "2023-12-30")


def rows(*, dated: bool) -> list[dict[str, str]]:
    with FILE.open(encoding="utf-8", newline="") as stream:
        return [row for row in csv.DictReader(stream) if bool(row["at"]) == dated]


def control_areas(shared_data: Path) -> list[Area]:
    ends = [*(parse_instant(date) for date in CONTROL_DATES[1:]), MAX_NS]
    areas: list[Area] = []
    for date, end in zip(CONTROL_DATES, ends, strict=True):
        report = read_areas(
            shared_data / "frontline" / f"control-areas-approx-{date}.geojson.gz",
            kind="control",
            licence="CC-BY-SA-4.0",
            id_prefix="control:",
            id_property="control",
            valid_from_ns=parse_instant(date),
            valid_until_ns=end,
        )
        assert not report.rejected
        areas += report.areas
    return areas


def found(index: AreaIndex, row: dict[str, str]) -> set[str]:
    (code,) = index.locate_exact(np.array([float(row["lat_deg"])]), np.array([float(row["lon_deg"])]))
    instant = parse_instant(row["at"]) if row["at"] else 0
    members = [index.members[member] for member, _ in index.set_members(int(code))]
    return {m.id for m in members if m.valid_from_ns <= instant < m.valid_until_ns}


def wrong(index: AreaIndex, table: list[dict[str, str]]) -> list[str]:
    return [
        f"{row['place']}: expected {sorted(row['areas'].split())}, found {sorted(found(index, row))} ({row['why']})"
        for row in table
        if found(index, row) != set(row["areas"].split())
    ]


@pytest.fixture(scope="module")
def world_index() -> AreaIndex:
    return AreaIndex.build(load_world().areas)


def test_at_least_a_hundred_places_each_with_a_reason() -> None:
    table = rows(dated=False) + rows(dated=True)
    assert len(table) >= 100
    assert len({row["place"] for row in table}) == len(table)
    assert all(len(row["why"]) > 10 for row in table)


def test_places(world_index: AreaIndex) -> None:
    assert wrong(world_index, rows(dated=False)) == []


@pytest.mark.shared_data
def test_moments_under_changing_control(shared_data: Path) -> None:
    near = [a for a in load_world() if a.id in ("country:UA", "country:RU", "land")]
    index = AreaIndex.build([*near, *control_areas(shared_data)])
    assert all(member.valid_from_ns > MIN_NS for member in index.members if member.kind == "control")
    assert wrong(index, rows(dated=True)) == []
