"""However observations are delivered, in the end they give the same signals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from detected_stream import final_signals, fresh_detection, signals_over, wild_observations
from groundrule.store.home import Home
from late_delivery import deliver
from small_home import copy_home, make_home, run

SEEDS = 20


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return make_home(tmp_path_factory.mktemp("detected") / "template")


@pytest.mark.parametrize("seed", range(SEEDS))
def test_signals_do_not_depend_on_the_delivery(template: Home, tmp_path: Path, seed: int) -> None:
    whole = wild_observations(seed)
    wanted = signals_over(fresh_detection(template), [whole])
    assert len(wanted) > 0
    rng = np.random.default_rng(seed)
    cuts = np.sort(rng.integers(0, len(whole), 7))
    parts = [whole.slice(a, b - a) for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert signals_over(fresh_detection(template), parts).equals(wanted), "cut into batches"
    home = copy_home(template, tmp_path / "late")
    for part in deliver(whole, seed)[0]:
        run(home, part, detection=fresh_detection(home))
    assert final_signals(home).equals(wanted), "late, permuted and three times"


def test_the_stream_of_these_tests_raises_signals_of_many_kinds(template: Home) -> None:
    found = (signals_over(fresh_detection(template), [wild_observations(seed)]) for seed in range(SEEDS))
    kinds = {kind for table in found for kind in table["kind"].to_pylist()}
    assert len(kinds) >= 7, kinds
