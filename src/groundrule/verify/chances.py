"""Chances: tails and quantiles of the normal, chi-square and noncentral chi-square distributions, compiled.

SciPy is no dependency of the package; tests compare every function with it. Arguments outside the domain give
not-a-number, never an error, because the kernels call these for whole batches.

Source: Abramowitz and Stegun 6.5.29, 6.5.31 (incomplete gamma), 26.4.25 (noncentral chi-square as a Poisson mixture);
Acklam's rational start for the normal quantile, refined by one step of Halley.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

_SMALL = 1e-16
_TERMS = 2_000


@njit(cache=True, error_model="numpy")
def gamma_upper(a: float, x: float) -> float:
    """Regularised upper incomplete gamma function Q(a, x), for a > 0 and x >= 0."""
    if not (a > 0.0 and x >= 0.0):
        return math.nan
    if x == 0.0:
        return 1.0
    if x == math.inf:
        return 0.0
    front = math.exp(a * math.log(x) - x - math.lgamma(a))
    if x < a + 1.0:
        term = total = 1.0 / a
        for k in range(1, _TERMS):
            term *= x / (a + k)
            total += term
            if term < total * _SMALL:
                break
        return max(0.0, 1.0 - front * total)
    tiny = 1e-300  # Lentz's continued fraction
    b = x + 1.0 - a
    c = 1.0 / tiny
    d = 1.0 / b
    h = d
    for k in range(1, _TERMS):
        step = -k * (k - a)
        b += 2.0
        d = step * d + b
        d = 1.0 / (d if abs(d) > tiny else tiny)
        c = b + step / c
        c = c if abs(c) > tiny else tiny
        h *= d * c
        if abs(d * c - 1.0) < _SMALL:
            break
    return front * h


@njit(cache=True, error_model="numpy")
def chi2_tail(x: float, dof: float) -> float:
    """P(chi-square > x)."""
    if dof == 2.0:
        return math.exp(-0.5 * x) if x > 0.0 else 1.0
    return 1.0 if x <= 0.0 else gamma_upper(0.5 * dof, 0.5 * x)


@njit(cache=True, error_model="numpy")
def normal_tail(z: float) -> float:
    """P(normal > z)."""
    return 0.5 * math.erfc(z / math.sqrt(2.0))


@njit(cache=True, error_model="numpy")
def normal_quantile(p: float) -> float:
    """Return z with P(normal > z) = p, for 0 < p < 1."""
    if not 0.0 < p < 1.0:
        return math.nan
    low = min(p, 1.0 - p)
    t = math.sqrt(-2.0 * math.log(low))
    z = t - (2.515517 + 0.802853 * t + 0.010328 * t * t) / (1.0 + 1.432788 * t + 0.189269 * t * t + 0.001308 * t**3)
    for _ in range(3):
        error = normal_tail(z) - low
        slope = math.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
        step = error / slope
        z += step / (1.0 - 0.5 * z * step)
    return z if p <= 0.5 else -z


@njit(cache=True, error_model="numpy")
def chi2_point(p: float, dof: float) -> float:
    """Return x with P(chi-square > x) = p, for 0 < p < 1 and dof > 0."""
    if not (0.0 < p < 1.0 and dof > 0.0):
        return math.nan
    if dof == 2.0:
        return -2.0 * math.log(p)
    a = 2.0 / (9.0 * dof)
    x = max(dof * (1.0 - a + normal_quantile(p) * math.sqrt(a)) ** 3, 1e-12)
    low, high = 0.0, math.inf
    for _ in range(100):
        tail = chi2_tail(x, dof)
        if tail > p:
            low = x
        else:
            high = x
        density = math.exp((0.5 * dof - 1.0) * math.log(0.5 * x) - 0.5 * x - math.lgamma(0.5 * dof)) * 0.5
        new = x + (tail - p) / density if density > 0.0 else math.inf
        if not low < new < high:
            new = 0.5 * (low + high) if high < math.inf else 2.0 * x
        if abs(new - x) <= 1e-13 * x:
            return new
        x = new
    return x


@njit(cache=True, error_model="numpy")
def noncentral_tail(x: float, dof: float, away: float) -> float:
    """P(noncentral chi-square > x) with noncentrality `away`.

    Accuracy: 1e-10 up to a noncentrality of 2,000; beyond it, where sqrt(away) - sqrt(x) > 9, the value is 1.
    """
    if not (dof > 0.0 and away >= 0.0):
        return math.nan
    if x <= 0.0 or math.sqrt(away) - math.sqrt(x) > 9.0:
        return 1.0
    half = 0.5 * away
    middle = int(half)
    # Terms grow up to the middle of the Poisson weights; both sides are summed until they vanish.
    weight = math.exp(-half + middle * (math.log(half) if half > 0.0 else 0.0) - math.lgamma(middle + 1.0))
    total, w = 0.0, weight
    for j in range(middle, middle + _TERMS):
        total += w * chi2_tail(x, dof + 2.0 * j)
        w *= half / (j + 1.0)
        if w < 1e-14:
            break
    w = weight
    for j in range(middle - 1, -1, -1):
        w *= (j + 1.0) / half
        total += w * chi2_tail(x, dof + 2.0 * j)
        if w < 1e-14:
            break
    return min(total, 1.0)


@njit(cache=True, error_model="numpy")
def noncentrality(threshold: float, dof: float, chance: float) -> float:
    """Return the noncentrality at which a test with this threshold fires with this chance: 35.2 at 13.82, 2, 0.99."""
    low, high = 0.0, (math.sqrt(threshold) + 10.0) ** 2
    for _ in range(200):
        middle = 0.5 * (low + high)
        if noncentral_tail(threshold, dof, middle) < chance:
            low = middle
        else:
            high = middle
        if high - low < 1e-9 * high:
            break
    return 0.5 * (low + high)


@njit(cache=True, error_model="numpy")
def _chi2_tails(x: Floats, dof: Floats) -> Floats:
    out = np.empty(len(x))
    for i in range(len(x)):
        out[i] = chi2_tail(x[i], dof[i]) if x[i] == x[i] else math.nan
    return out


@njit(cache=True, error_model="numpy")
def _chi2_points(p: Floats, dof: Floats) -> Floats:
    out = np.empty(len(p))
    last_p = last_dof = -1.0
    last = math.nan
    for i in range(len(p)):
        if p[i] != last_p or dof[i] != last_dof:  # batches ask for few different points
            last_p, last_dof = p[i], dof[i]
            last = chi2_point(last_p, last_dof)
        out[i] = last
    return out


@njit(cache=True, error_model="numpy")
def _noncentral_tails(x: Floats, dof: Floats, away: Floats) -> Floats:
    out = np.empty(len(x))
    for i in range(len(x)):
        out[i] = noncentral_tail(x[i], dof[i], away[i])
    return out


def _flat(*values: ArrayLike) -> tuple[tuple[int, ...], list[Floats]]:
    arrays = np.broadcast_arrays(*(np.asarray(value, np.float64) for value in values))
    return arrays[0].shape, [np.ascontiguousarray(array).ravel() for array in arrays]


def chi2_tails(x: ArrayLike, dof: ArrayLike) -> Floats:
    """P(chi-square > x) for arrays."""
    shape, arrays = _flat(x, dof)
    return _chi2_tails(*arrays).reshape(shape)


def chi2_points(p: ArrayLike, dof: ArrayLike) -> Floats:
    """Points that chi-square exceeds with chance p, for arrays; not-a-number where dof is not positive."""
    shape, arrays = _flat(p, dof)
    return _chi2_points(*arrays).reshape(shape)


def noncentral_tails(x: ArrayLike, dof: ArrayLike, away: ArrayLike) -> Floats:
    """P(noncentral chi-square > x) for arrays."""
    shape, arrays = _flat(x, dof, away)
    return _noncentral_tails(*arrays).reshape(shape)
