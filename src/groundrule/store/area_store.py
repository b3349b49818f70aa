"""Area versions in a home: content-addressed files that are written once and never changed.

An area set is the shipped world areas (named by digest, not copied) and the areas imported into the home, as one
Parquet file of WKB geometries. `areas/current.json` names the set in force.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import shapely

from groundrule.areas.model import Area, AreaSet, ServiceInterval, ServiceRequest
from groundrule.areas.world import load_world
from groundrule.errors import ConflictError, IntegrityError, StoreError
from groundrule.store.durable import write_durably
from groundrule.store.home import Home
from groundrule.store.policy import check_ungoverned, in_force

_POINTER = "current.json"


def _nothing(_areas: AreaSet) -> None:
    """Do nothing before a set comes into force."""


def save_areas(
    home: Home, imported: tuple[Area, ...], *, world: bool, before: Callable[[AreaSet], None] = _nothing
) -> AreaSet:
    """Store a set of areas and make it the one in force.

    Args:
        imported: all areas of the set apart from the shipped world.
        world: whether the shipped world areas belong to the set.
        before: called when the set is stored, and before it comes into force; what it raises keeps the old one in force.
    Returns:
        The whole set.
    Raises:
        ConflictError: the home has a charter, and only an enactment puts areas into force.
    """
    check_ungoverned(home, "areas")
    whole = store_areas(home, imported, world=world)
    before(whole)
    write_durably(home.areas / _POINTER, json.dumps({"areas": whole.digest}).encode())
    return whole


def store_areas(home: Home, imported: tuple[Area, ...], *, world: bool) -> AreaSet:
    """Store a set of areas under its digest, and leave what is in force as it is."""
    whole = load_world() + AreaSet(imported) if world else AreaSet(imported)
    path = home.areas / f"{_hex(whole.digest)}.parquet"
    if not path.exists():
        table = pa.table(
            {
                "about": pa.array([msgspec.json.encode(_about(area)).decode() for area in imported], pa.string()),
                "geometry": pa.array([shapely.to_wkb(area.geometry) for area in imported], pa.binary()),
            }
        ).replace_schema_metadata({"world": load_world().digest if world else ""})
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd")
        write_durably(path, sink.getvalue().to_pybytes())
    return whole


def current_areas_digest(home: Home) -> str:
    """Return the digest of the area set in force: by the last enactment, or by the file where there is no charter."""
    governed = in_force(home)
    if governed is not None:
        return governed.areas
    try:
        return str(json.loads((home.areas / _POINTER).read_bytes())["areas"])
    except (OSError, ValueError, KeyError) as error:
        raise StoreError(f"`{home.areas / _POINTER}` cannot be read", help="restore it from a backup") from error


def load_areas(home: Home, digest: str | None = None) -> tuple[AreaSet, tuple[Area, ...]]:
    """Read an area set and check its digest.

    Args:
        digest: which set; None is the one in force.
    Returns:
        The whole set, and the imported areas alone.
    Raises:
        IntegrityError: the stored set does not have this digest, or was made with other world areas than are shipped.
    """
    wanted = digest or current_areas_digest(home)
    path = home.areas / f"{_hex(wanted)}.parquet"
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise StoreError(f"area set `{path}` cannot be read", help="restore it from a backup") from error
    world = (table.schema.metadata or {}).get(b"world", b"").decode()
    if world and world != load_world().digest:
        raise IntegrityError(
            f"area set {wanted} was made with world areas {world}, and this version ships {load_world().digest}",
            help="use the version of groundrule that wrote it",
        )
    try:
        imported = tuple(
            _area(json.loads(about), shapely.from_wkb(wkb))
            for about, wkb in zip(table["about"].to_pylist(), table["geometry"].to_pylist(), strict=True)
        )
    except (KeyError, TypeError, ValueError, shapely.errors.ShapelyError) as error:
        raise IntegrityError(f"area set `{path}` has been changed: it cannot be read", path=str(path)) from error
    whole = load_world() + AreaSet(imported) if world else AreaSet(imported)
    if whole.digest != wanted:
        raise IntegrityError(f"area set `{path}` has been changed: its digest is {whole.digest}", path=str(path))
    return whole, imported


def add_areas(
    home: Home, fresh: tuple[Area, ...], *, before: Callable[[AreaSet], None] = _nothing
) -> tuple[AreaSet, list[str]]:
    """Add imported areas to the set in force; a version with the same id and interval of validity is replaced.

    Args:
        fresh: the imported areas.
        before: as for `save_areas`.
    Returns:
        The new set, and the ids of versions that were replaced.
    Raises:
        ConflictError: two versions of one area overlap in time, or an id belongs to the shipped world.
    """
    whole, present = load_areas(home)
    has_world = len(whole.areas) != len(present)
    shipped = {area.id for area in load_world().areas} if has_world else set()
    for area in fresh:
        if area.id in shipped:
            raise ConflictError(
                f"`{area.id}` is an area of the shipped world", help="give the imported area another id", area=area.id
            )
    keys = {(a.id, a.valid_from_ns, a.valid_until_ns) for a in fresh}
    kept = [a for a in present if (a.id, a.valid_from_ns, a.valid_until_ns) not in keys]
    replaced = sorted({a.id for a in present} - {a.id for a in kept} | {a.id for a in present if a not in kept})
    merged = (*kept, *fresh)
    by_id: dict[str, list[Area]] = {}
    for area in merged:
        by_id.setdefault(area.id, []).append(area)
    for name, versions in by_id.items():
        ordered = sorted(versions, key=lambda a: a.valid_from_ns)
        for earlier, later in pairwise(ordered):
            if later.valid_from_ns < earlier.valid_until_ns:
                raise ConflictError(
                    f"two versions of area `{name}` overlap in time",
                    help="end the earlier one where the later one begins",
                    area=name,
                )
    return save_areas(home, merged, world=has_world, before=before), replaced


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")


def _about(area: Area) -> dict[str, Any]:
    return {each.name: getattr(area, each.name) for each in fields(Area) if each.name != "geometry"}


def _area(about: dict[str, Any], geometry: Any) -> Area:
    about["service_history"] = tuple(ServiceInterval(**item) for item in about["service_history"])
    about["service_requests"] = tuple(ServiceRequest(**item) for item in about["service_requests"])
    about["tags"] = tuple(about["tags"])
    about["properties"] = tuple((str(a), str(b)) for a, b in about["properties"])
    return Area(geometry=geometry, **about)


def index_cache(home: Home) -> Path:
    """Folder for compiled indexes of this home."""
    folder = home.cache / "index"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
