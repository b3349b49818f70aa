"""The hand-written tables of places, and scattering around them."""

from __future__ import annotations

import re

import numpy as np
import pytest

from groundrule.errors import InputError
from groundrule.simulate import places


def test_the_tables_are_complete_and_plausible() -> None:
    cities = places.cities()
    assert len(cities) >= 200
    assert len({one.name for one in cities}) == len(cities)
    for one in cities:
        assert re.fullmatch("[A-Z]{2}", one.country), one
        assert -56 < one.lat_deg < 66, one
        assert -180 <= one.lon_deg <= 180, one
        assert 2 <= one.reach_km <= 200, one
        assert one.population > 0, one
    for kind in ("rail", "rail-ua", "road", "road-ua", "sea", "sea-black"):
        assert places.lanes(kind), kind
    for group in ("harbour", "crossing", "compound", "occupied", "launch", "fujian"):
        assert places.spots(group), group


def test_an_unknown_city_is_an_error_that_names_it() -> None:
    with pytest.raises(InputError, match="no city `Atlantis`"):
        places.city("Atlantis")


def test_homes_stay_within_reach_and_on_the_side_of_the_land() -> None:
    lima = places.city("Lima")
    assert lima.inland_deg is not None
    lat, lon = places.scatter((lima,), np.zeros(4000, np.int64), np.random.default_rng(1))
    north = (lat - lima.lat_deg) * places.KM_PER_DEG
    east = (lon - lima.lon_deg) * places.KM_PER_DEG * np.cos(np.radians(lat))
    assert np.hypot(north, east).max() <= 1.81 * lima.reach_km
    bearing = np.degrees(np.arctan2(east, north)) - lima.inland_deg
    assert np.abs((bearing + 180) % 360 - 180).max() <= places.INLAND_SECTOR_DEG + 1.0
