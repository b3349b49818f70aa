"""Elements in a home: they come back as they went in, later imports win, and damage is told."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "orbit"))

from orbit_files import EPOCH_NS, orbits

from groundrule.errors import IntegrityError
from groundrule.orbit.elements import COLUMNS, join
from groundrule.store.home import Home
from groundrule.store.orbits import load_elements, save_elements


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.create(tmp_path / "home")


def test_there_and_back(home: Home) -> None:
    assert len(load_elements(home)) == 0
    table = dataclasses.replace(orbits(count=5), covariance_m2=np.tile(np.diag([400.0, 25, 25]), (5, 1, 1)))
    assert save_elements(home, table, EPOCH_NS)
    assert not save_elements(home, table, EPOCH_NS + 1)
    back = load_elements(home)
    assert back.digest == table.digest
    for name in COLUMNS:
        assert getattr(back, name).tolist() == getattr(table, name).tolist()
    assert np.array_equal(back.covariance_m2, table.covariance_m2)


def test_the_later_import_wins(home: Home) -> None:
    old, new = orbits(count=3, seed=1), orbits(count=2, seed=2)
    save_elements(home, new, EPOCH_NS + 5)
    save_elements(home, old, EPOCH_NS)
    assert load_elements(home).digest == join([old, new]).digest


@pytest.mark.parametrize("damage", ["bytes", "content"])
def test_damage_is_told(home: Home, damage: str) -> None:
    save_elements(home, orbits(count=3), EPOCH_NS)
    path = next((home.path / "orbits").iterdir())
    if damage == "bytes":
        path.write_bytes(path.read_bytes()[:200])
    else:
        other = Home.create(home.path.parent / "other")
        save_elements(other, orbits(count=4), EPOCH_NS)
        path.write_bytes(next((other.path / "orbits").iterdir()).read_bytes())
    with pytest.raises(IntegrityError):
        load_elements(home)
