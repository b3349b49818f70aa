"""What was decided does not depend on how the observations came; and a replay of it gives the same."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from groundrule.pipeline.runs import replay
from groundrule.store.home import Home
from late_delivery import deliver
from small_home import copy_home, final_decisions, make_home, run, stored, stream

STREAM = stream(7, rows=240)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return make_home(tmp_path_factory.mktemp("template") / "home")


@pytest.fixture(scope="module")
def decided(template: Home, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, object]]:
    """Decisions of the stream in order, in one batch."""
    home = copy_home(template, tmp_path_factory.mktemp("ordered") / "home")
    run(home, STREAM)
    return stored(home, 1)


def test_the_stream_has_every_outcome(decided: list[dict[str, object]]) -> None:
    assert {row["outcome"] for row in decided} == {"serve", "restrict", "review", "deny"}
    assert {row["rule"] for row in decided} >= {"too-fast", "suspended", "long-stay", "default"}


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1), batch_rows=st.integers(1, 80), repeats=st.integers(1, 3))
def test_batches_order_and_repeats_within_a_run_change_nothing(
    template: Home,
    decided: list[dict[str, object]],
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    batch_rows: int,
    repeats: int,
) -> None:
    home = copy_home(template, tmp_path_factory.mktemp("shuffled") / "home")
    rows = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(STREAM)), repeats))
    shuffled = STREAM.take(pa.array(rows))
    counts = run(home, *(shuffled.slice(k, batch_rows) for k in range(0, len(shuffled), batch_rows))).counts
    assert stored(home, 1) == decided
    assert counts.duplicates == (repeats - 1) * len(STREAM)
    shutil.rmtree(home.path)


@pytest.mark.parametrize("seed", range(24))
def test_late_repeated_delivery_over_several_runs_gives_the_same_final_decisions(
    template: Home, tmp_path: Path, seed: int
) -> None:
    whole = stream(seed, rows=90)
    once = copy_home(template, tmp_path / "once")
    run(once, whole)
    home = copy_home(template, tmp_path / "late")
    deliveries, moved = deliver(whole, seed)
    counts = [run(home, part).counts for part in deliveries]
    expected = final_decisions(once, [1])
    assert final_decisions(home, range(1, len(deliveries) + 1)) == expected
    assert sum(one.over_late for one in counts) == 0
    assert sum(one.decided for one in counts) == len(whole) == len(expected)
    assert sum(one.duplicates for one in counts) == 2 * len(whole)
    assert moved >= sum(one.late for one in counts)
    if seed % 4 == 0:
        found = replay(home)
        assert found.identical, found
        assert found.runs == len(deliveries)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1), lost=st.sampled_from(["kept", "lost", "cut", "foreign"]))
def test_a_lost_or_foreign_cache_changes_nothing(
    template: Home, tmp_path_factory: pytest.TempPathFactory, seed: int, lost: str
) -> None:
    folder = tmp_path_factory.mktemp("cache")
    whole = stream(seed % 1000, rows=60)
    parts, _ = deliver(whole, seed)
    with_cache, without = copy_home(template, folder / "with"), copy_home(template, folder / "without")
    foreign = (template.path / "cache" / "state.npz").read_bytes() if lost == "foreign" and _spoil(template) else b""
    for number, part in enumerate(parts, start=1):
        run(with_cache, part)
        run(without, part)
        assert stored(with_cache, number) == stored(without, number)
        assert stored(with_cache, number, corrections=True) == stored(without, number, corrections=True)
        cache = without.cache / "state.npz"
        if lost == "lost":
            cache.unlink()
        elif lost == "cut":
            cache.write_bytes(cache.read_bytes()[: seed % 5000])
        elif lost == "foreign":
            cache.write_bytes(foreign)
    shutil.rmtree(folder)


def _spoil(template: Home) -> bool:
    """Leave a state of another run in the template's cache."""
    if not (template.cache / "state.npz").exists():
        other = template.path.parent / "other"
        if not other.exists():
            run(copy_home(template, other), stream(99))
        shutil.copy(other / "cache" / "state.npz", template.cache / "state.npz")
    return True
