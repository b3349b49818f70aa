"""Area sets in a home: content-addressed, unchanged once written, checked when read."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import shapely

from groundrule.areas.model import Area, ServiceInterval, ServiceRequest
from groundrule.errors import ConflictError, IntegrityError, StoreError
from groundrule.instant import MAX_NS, MIN_NS
from groundrule.store.area_store import add_areas, current_areas_digest, load_areas, save_areas
from groundrule.store.home import Home

FULL = Area(
    "zone:full", "zone", "Full (invented)", shapely.box(1, 1, 2, 2), country="UA", tags=("a", "b"), source="s",
    licence="CC0-1.0", point_of_view="UA", valid_from_ns=5, valid_until_ns=9,
    service_history=(ServiceInterval("served", MIN_NS, 7, "x"), ServiceInterval("ended", 7, MAX_NS, "y")),
    service_requests=(ServiceRequest(6, "switch_on", "refused", "z", "note"),), properties=(("k", "v"),),
)  # fmt: skip


def zone(name: str, since: int = MIN_NS, until: int = MAX_NS, size: float = 1) -> Area:
    return Area(
        name, "zone", f"{name} (invented)", shapely.box(0, 0, size, size), valid_from_ns=since, valid_until_ns=until
    )


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home.create(tmp_path / "home")
    save_areas(made, (FULL, zone("z")), world=False)
    return made


def test_every_attribute_comes_back(home: Home) -> None:
    whole, imported = load_areas(home)
    assert whole.digest == current_areas_digest(home)
    [back] = [area for area in imported if area.id == "zone:full"]
    for name in (each.name for each in fields(Area)):
        if name != "geometry":
            assert getattr(back, name) == getattr(FULL, name), name
    assert back.geometry.equals(FULL.geometry)


def test_old_sets_stay_readable(home: Home) -> None:
    before = current_areas_digest(home)
    after, replaced = add_areas(home, (zone("new"),))
    assert replaced == []
    assert current_areas_digest(home) == after.digest != before
    assert {area.id for area in load_areas(home, before)[1]} == {"zone:full", "z"}
    assert {area.id for area in load_areas(home)[1]} == {"zone:full", "z", "new"}


def test_the_same_version_is_replaced_and_named(home: Home) -> None:
    whole, replaced = add_areas(home, (zone("z", size=3),))
    assert replaced == ["z"]
    [found] = [area for area in whole.areas if area.id == "z"]
    assert found.geometry.equals(shapely.box(0, 0, 3, 3))
    assert add_areas(home, (zone("z", size=3),))[0].digest == whole.digest


def test_versions_follow_each_other_without_overlap(home: Home) -> None:
    add_areas(home, (zone("v", 0, 10), zone("v", 10, 20)))
    assert len([area for area in load_areas(home)[1] if area.id == "v"]) == 2
    before = current_areas_digest(home)
    with pytest.raises(ConflictError, match="overlap in time"):
        add_areas(home, (zone("v", 19, 30),))
    assert current_areas_digest(home) == before


@pytest.mark.parametrize("damage", ["geometry", "about", "column", "cut", "gone", "pointer"])
def test_a_changed_set_is_not_used(home: Home, damage: str) -> None:
    [path] = home.areas.glob("*.parquet")
    whole = pq.read_table(path)
    if damage == "geometry":
        pq.write_table(whole.set_column(1, "geometry", [whole["geometry"].to_pylist()[::-1]]), path)
    elif damage == "about":
        texts = [json.dumps(json.loads(text) | {"country": "RU"}) for text in whole["about"].to_pylist()]
        pq.write_table(whole.set_column(0, "about", [texts]), path)
    elif damage == "column":
        pq.write_table(whole.rename_columns(["other", "geometry"]), path)
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-20])
    elif damage == "gone":
        path.unlink()
    else:
        (home.areas / "current.json").write_text("{}")
    with pytest.raises((IntegrityError, StoreError)):
        load_areas(home)


def test_the_world_is_named_and_not_copied(tmp_path: Path) -> None:
    made = Home.create(tmp_path / "world")
    whole = save_areas(made, (zone("mine"),), world=True)
    [path] = made.areas.glob("*.parquet")
    assert path.stat().st_size < 10_000
    back, imported = load_areas(made)
    assert back.digest == whole.digest
    assert [area.id for area in imported] == ["mine"]
    assert len(back.areas) > 250
    with pytest.raises(ConflictError, match="shipped world"):
        add_areas(made, (zone("country:UA"),))
