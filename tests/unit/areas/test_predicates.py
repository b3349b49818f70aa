from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from groundrule.areas.predicates import chain_walk, orientation


def exact(ax, ay, bx, by, qx, qy):
    ax, ay, bx, by, qx, qy = (Fraction(float(v)) for v in (ax, ay, bx, by, qx, qy))
    det = (ax - qx) * (by - qy) - (ay - qy) * (bx - qx)
    return (det > 0) - (det < 0)


def near_line(rng):
    a, b = rng.uniform(-180, 180, 2), rng.uniform(-180, 180, 2)
    if rng.random() < 0.5:  # coordinates with few digits: exactly collinear triples occur
        a, b = np.round(a * 4) / 4, np.round(b * 4) / 4
    q = a + rng.choice([0.25, 0.5, rng.random()]) * (b - a)
    if rng.random() < 0.3:
        q = np.nextafter(q, rng.choice([-np.inf, np.inf], 2))
    return a, b, q


def test_orientation_is_that_of_real_arithmetic_near_the_line():
    """106 bits decide every point off the line; some of those on it with all 53 bits in use come out beside it."""
    rng = np.random.default_rng(4)
    on_line = missed = 0
    for _ in range(5000):
        a, b, q = near_line(rng)
        want, got = exact(*a, *b, *q), orientation(*a, *b, *q)
        on_line += want == 0
        missed += want == 0 and got != 0
        assert want in (got, 0)
    assert on_line > 500
    assert missed < 0.02 * on_line


def test_orientation_is_that_of_geos_bit_for_bit():
    rng = np.random.default_rng(5)
    for _ in range(5000):
        a, b, q = near_line(rng)
        corner = np.array([b[0], a[1]])
        if not ((np.minimum(a, b) < q) & (q < np.maximum(a, b))).all():
            continue
        side = orientation(*a, *b, *q)
        inside = side == 0 or side == orientation(*a, *b, *corner)
        assert shapely.intersects_xy(shapely.Polygon([a, b, corner]), *q) == inside


coordinate = st.integers(-6, 6).map(float)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(coordinate, coordinate), min_size=3, max_size=7),
    st.tuples(coordinate, coordinate),
    st.tuples(coordinate, coordinate),
    st.tuples(coordinate, coordinate),
)
def test_every_route_between_two_points_gives_the_same_parity(ring, f, via, t):
    """On a small lattice nearly every point lies on an edge, a vertex or level with one."""
    vertices = np.array([*ring, ring[0]])
    count = len(ring)
    straight = chain_walk(vertices, 0, count, *f, *t) & 1
    detour = (chain_walk(vertices, 0, count, *f, *via) ^ chain_walk(vertices, 0, count, *via, *t)) & 1
    assert straight == detour
    assert straight == chain_walk(vertices, 0, count, *t, *f) & 1


@pytest.mark.parametrize(
    ("point", "on"),
    [
        ((0, 0), True),
        ((4, 4), True),
        ((2, 4), True),
        ((4, 1), True),
        ((0, 3), True),
        ((2, 0), True),
        ((2, 2), False),
        ((5, 4), False),
        ((-1, 0), False),
        ((4, 4.5), False),
        ((np.nextafter(4, 0), 2), False),
    ],
)
def test_boundary_points_are_flagged(point, on):
    square = np.array([[0.0, 0], [4, 0], [4, 4], [0, 4], [0, 0]])
    assert bool(chain_walk(square, 0, 4, -9.0, 7.0, float(point[0]), float(point[1])) & 2) == on
