"""Tails and quantiles against SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from groundrule.verify import chances


def test_chi_square_tails_and_points_are_scipys() -> None:
    x, dof = np.meshgrid([0.01, 0.5, 2.0, 9.21, 13.82, 40.0, 120.0, 700.0], [1.0, 2.0, 3.0, 7.0, 118.0, 598.0])
    np.testing.assert_allclose(chances.chi2_tails(x, dof), stats.chi2.sf(x, dof), rtol=1e-10, atol=1e-300)
    p, dof = np.meshgrid([0.5, 0.01, 1e-3, 1e-4, 1e-6], [1.0, 2.0, 3.0, 7.0, 118.0, 598.0])
    np.testing.assert_allclose(chances.chi2_points(p, dof), stats.chi2.isf(p, dof), rtol=1e-9)


def test_noncentral_tails_are_scipys() -> None:
    x, dof, away = np.meshgrid([1.0, 9.21, 13.82, 18.42, 60.0], [2.0, 3.0, 4.0], [0.0, 0.3, 5.0, 35.2, 300.0, 1500.0])
    np.testing.assert_allclose(chances.noncentral_tails(x, dof, away), stats.ncx2.sf(x, dof, away), atol=1e-9)


@pytest.mark.parametrize(("alpha", "stated"), [(1e-2, 27.4), (1e-3, 35.2), (1e-4, 42.6)])
def test_constants_of_the_minimal_detectable_offset_are_the_stated_ones(alpha: float, stated: float) -> None:
    found = chances.noncentrality(chances.chi2_point(alpha, 2.0), 2.0, 0.99)
    assert found == pytest.approx(stated, abs=0.06)


def test_normal_quantile() -> None:
    for p in (0.5, 0.1, 1e-4, 5e-6, 1e-12, 0.9, 0.9999):
        assert chances.normal_quantile(p) == pytest.approx(stats.norm.isf(p), abs=1e-9)
    assert chances.normal_quantile(1e-4 / 20) == pytest.approx(4.42, abs=0.01)


def test_outside_the_domain_is_not_a_number() -> None:
    assert np.isnan(chances.chi2_points(0.0, 2.0))
    assert np.isnan(chances.chi2_points(1e-3, 0.0))
    assert np.isnan(chances.noncentral_tails(1.0, 2.0, -1.0))
    assert np.isnan(chances.chi2_tails(np.nan, 2.0))
