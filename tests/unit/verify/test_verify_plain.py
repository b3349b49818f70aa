"""Compiled and plain path: written differently, equal within 1 mm."""

from __future__ import annotations

import numpy as np
import pytest

from groundrule.verify.batch import Priors
from groundrule.verify.plain import solve_one
from groundrule.verify.solve import solve
from made_looks import away_m, make

MILLIMETRE = 1e-3


@pytest.mark.parametrize("light_time", [True, False])
@pytest.mark.parametrize(
    ("slots", "per_slot", "priors"),
    [
        (4, 15, Priors()),
        (20, 15, Priors()),
        (4, 15, Priors(velocity_sigma_m_s=300.0)),
        (1, 15, Priors(cell_lat_deg=43.5, cell_lon_deg=34.0, cell_sigma_m=6e3)),
        (4, 15, Priors(height_sigma_m=0.0, delta_sigma_m=1e6)),
        (4, 15, Priors(fdot_sigma_m_s2=1e-3)),
    ],
)
@pytest.mark.parametrize("seed", [1, 2])
def test_both_paths_agree(light_time: bool, slots: int, per_slot: int, priors: Priors, seed: int) -> None:
    batch = make(43.5, 34.0, slots=slots, per_slot=per_slot, seed=seed, priors=priors)
    fast = solve(batch, 43.55, 34.02, mirrors=False, grid=False, light_time=light_time)
    slow = solve_one(batch, 43.55, 34.02, light_time=light_time)
    gap = away_m(fast.lat_deg[0, 0], fast.lon_deg[0, 0], fast.height_m[0, 0], (slow.lat_deg, slow.lon_deg, slow.height_m))
    assert gap < MILLIMETRE
    assert abs(fast.cost[0, 0] - slow.cost) < 1e-4
    assert np.allclose(fast.state[0, 0, 3:], slow.state[3:], atol=1e-3)
    assert np.allclose(fast.covariance[0, 0], slow.covariance, rtol=1e-3, atol=1e-3 * np.abs(slow.covariance).max())
    assert np.abs(fast.nu_m - slow.nu_m).max() < 0.01


def test_both_paths_agree_at_the_pole_and_on_far_satellites() -> None:
    batch = make(90.0, 0.0)
    fast, slow = solve(batch, 89.9, 50.0, mirrors=False), solve_one(batch, 89.9, 50.0)
    assert away_m(fast.lat_deg[0, 0], fast.lon_deg[0, 0], fast.height_m[0, 0], (slow.lat_deg, slow.lon_deg, slow.height_m)) < MILLIMETRE
