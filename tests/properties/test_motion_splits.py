"""Motion: what is raised does not depend on how the observations come, in batches, in order or twice."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from groundrule.detect.motions import Motions
from groundrule.detect.rows import Rows
from groundrule.detect.signals import Signal, table_of
from moved_rows import START_NS, facts_of, front_places, rows_of

TERMINALS = 6


def wild(seed: int) -> Rows:
    """Terminals that do everything: rest, launch, drive, jump and come back, fall silent, lie in disturbed areas, have cells."""
    rng = np.random.default_rng(seed)
    parts = []
    for row in range(TERMINALS):
        n = 120
        s = np.cumsum(rng.choice([1.0, 7.0, 15.0, 15.0, 15.0, 15.0, 15.0, 40.0, 400.0], n))
        v = np.repeat(rng.choice([0.0, 0.0, 3.0, 12.0, 30.0, 45.0, 50.0, 240.0], 12), 10)
        north = np.cumsum(v * np.diff(s, prepend=0.0)) + rng.normal(0, 5.0, n)
        jumped = np.repeat(rng.random(24) < 0.3, 5) & (rng.random() < 0.7)
        parts.append((np.full(n, row), s, 48.0 + north / 111_195.0 + 9.0 * jumped, np.full(n, 35.0)))
    row, s, lat, lon = (np.concatenate(each) for each in zip(*parts, strict=True))
    alt = np.where(rng.random(len(s)) < 0.5, rng.normal(300, 30, len(s)), np.nan)
    rows = rows_of(row, START_NS + (s * 1e9).astype(np.int64), lat, lon, alt)
    rows.gnss[rng.random(len(rows)) < 0.01] = 1
    celled = rows.row == 5
    rows.cell[celled] = 1
    rows.cell_radius_m[celled] = 1_400.0
    rows.lat_deg[rng.random(len(rows)) < 0.03] = np.nan
    rows.place[:] = 0
    return rows


def run(rows: Rows, cuts: list[int]) -> list[Signal]:
    motions = Motions()
    facts = facts_of(TERMINALS)
    facts.mobile[:] = [0, 1, 2, 255, 1, 0]
    signals: list[Signal] = []
    for begin, end in zip([0, *cuts], [*cuts, len(rows)], strict=True):
        motions.grow(TERMINALS)
        signals += motions.update(rows.part(begin, end), facts, front_places(), lambda row: f"ut{row}")
    return signals


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 720), max_size=8))
def test_any_split_raises_the_same(seed: int, cuts: list[int]) -> None:
    rows = wild(seed)
    assert run(rows, sorted(cuts)) == run(rows, [])


def test_the_wild_raise_every_kind() -> None:
    kinds = {each.kind for seed in range(40) for each in run(wild(seed), [])}
    assert kinds == {
        "drone_flight", "over_speed", "moving_without_plan", "displaced_fix", "impossible_travel", "cloned_identity"
    }  # fmt: skip


def test_terminals_are_independent_of_each_other() -> None:
    rows = wild(7)
    alone = [
        signal
        for terminal in range(TERMINALS)
        for signal in run(Rows(*(getattr(rows, name)[rows.row == terminal] for name in rows.__slots__)), [])
    ]
    assert table_of(alone) == table_of(run(rows, []))
