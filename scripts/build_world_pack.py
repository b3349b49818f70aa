"""Build the world areas that the package ships, from two npm packages of OpenStreetMap data.

    1. fetch @geo-maps/countries-maritime-10m and @geo-maps/earth-lands-100m with `npm pack` (or --countries, --land)
    2. land: outer rings only, so that lakes and enclosed seas count as land; united on the source's grid, to the pole
    3. countries: every vertex kept; invalid geometries repaired by the rule in `repair_country`
    4. write countries.pack and land.pack, decode them again, measure, and print the figures

The same sources and libraries give the same bytes. Run it with `make world-pack`; a few minutes on one core.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from shapely.geometry import MultiPolygon, Polygon, box, shape

from groundrule.areas.pack import decode_pack, encode_pack
from groundrule.canon import digest_file

ROOT = Path(__file__).resolve().parents[1]
AREAS = ROOT / "src" / "groundrule" / "areas"
COUNTRIES = ("@geo-maps/countries-maritime-10m", "0.6.0", 100_000)
LAND = ("@geo-maps/earth-lands-100m", "0.6.0", 10_000)
ATTRIBUTION = "© OpenStreetMap contributors, ODbL 1.0"
SOUTH_OF_SOURCE_DEG = -85.05
KM2_PER_SQUARE_DEGREE = 12_364.0  # on the equator, so never too small
SMALLEST_POCKET_KM2 = 1.0
METRES_PER_DEGREE = 111_319.49  # on the equator of WGS 84, where a degree of longitude is longest


def main() -> int:
    """Build both packs and print what was measured."""
    parser = argparse.ArgumentParser(description="Build the shipped world areas.")
    parser.add_argument("--countries", type=Path, help="map.geo.json of the countries package, instead of npm")
    parser.add_argument("--land", type=Path, help="map.geo.json of the land package, instead of npm")
    parser.add_argument("--out", type=Path, default=AREAS / "world")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        land_file = options.land or fetch(LAND, Path(scratch) / "land")
        countries_file = options.countries or fetch(COUNTRIES, Path(scratch) / "countries")
        land = build_land(land_file)
        build_countries(countries_file, land, options.out / "countries.pack")
        write_land(land_file, land, options.out / "land.pack")
    return 0


def fetch(package: tuple[str, str, int], folder: Path) -> Path:
    """Download one npm package by name and version and take its map out of it."""
    name, version, _ = package
    folder.mkdir()
    say(f"fetching {name} {version}")
    subprocess.run(["npm", "pack", "--silent", f"{name}@{version}"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    (archive,) = folder.glob("*.tgz")
    with tarfile.open(archive) as tar:
        member = tar.extractfile("package/map.geo.json")
        assert member is not None
        (folder / "map.geo.json").write_bytes(member.read())
    return folder / "map.geo.json"


def build_land(file: Path) -> list[Polygon]:
    """Unite the land polygons on the source's grid, without lakes, down to the south pole."""
    step = 1 / LAND[2]
    collection = json.loads(file.read_text(encoding="utf-8"))
    shells = [
        Polygon(rings[0])
        for geometry in collection["geometries"]
        for rings in (geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]])
    ]
    parts = np.array([*shells, box(-180, -90, 180, SOUTH_OF_SOURCE_DEG)], dtype=object)
    invalid = ~shapely.is_valid(parts)
    parts[invalid] = shapely.make_valid(parts[invalid])
    say(f"land: {len(shells)} shells of the source, {invalid.sum()} of them repaired")
    united = shapely.get_parts(shapely.union_all(parts, grid_size=step))
    filled = shapely.polygons(shapely.get_exterior_ring(united))
    outer = shapely.get_parts(shapely.union_all(filled, grid_size=step))
    return sorted((on_grid(p, LAND[2]) for p in outer), key=lambda p: p.bounds)


def build_countries(file: Path, land: list[Polygon], target: Path) -> None:
    """Repair, encode, decode and measure the countries."""
    with (AREAS / "country_codes.csv").open(encoding="utf-8", newline="") as stream:
        names = {row["iso3"]: (row["iso2"], row["name"]) for row in csv.DictReader(stream)}
    source = {f["properties"]["A3"]: shape(f["geometry"]) for f in json.loads(file.read_text("utf-8"))["features"]}
    missing = sorted(source.keys() - names.keys())
    if missing:
        raise SystemExit(f"codes without a row in country_codes.csv: {missing}")
    codes = sorted(source, key=lambda code: names[code][0])
    tree = shapely.STRtree(land)
    land_array = np.array(land, dtype=object)
    others = {code: shapely.make_valid(geometry) for code, geometry in source.items()}
    for other in others.values():
        shapely.prepare(other)
    repaired, notes, geometries, lost, displacement_m = [], [], [], 0, 0.0
    for code in codes:
        geometry = source[code]
        if not geometry.is_valid:
            repaired.append(code)
            geometry, kept = repair_country(code, geometry, others, tree, land_array)
            notes += kept
        geometries.append(on_grid(geometry, COUNTRIES[2]))
        gone, distance_m = farthest_m(source[code], geometries[-1])
        lost, displacement_m = lost + gone, max(displacement_m, distance_m)
    records = [
        {"id": f"country:{names[c][0]}", "kind": "country", "name": names[c][1], "country": names[c][0],
         "tags": [f"iso3:{c}"]}
        for c in codes
    ]  # fmt: skip
    about = describe(COUNTRIES, file, displacement_m) | {"repaired": repaired, "islands_kept": notes}
    write(target, about, records, geometries, COUNTRIES[2])
    say(f"countries: {lost:,} vertices of the source are gone: inside what was united, or in spikes without area")
    say(f"countries: {len(codes)} codes, {len(repaired)} repaired: {' '.join(repaired)}")
    say(f"countries: nested parts kept because they are land that nobody else holds: {' '.join(notes)}")


def write_land(file: Path, land: list[Polygon], target: Path) -> None:
    """Encode, decode and describe the land."""
    source = [shape(g) for g in json.loads(file.read_text("utf-8"))["geometries"]]
    polygons = shapely.get_parts(np.array(source, dtype=object))
    outlines = MultiPolygon(list(shapely.polygons(shapely.get_exterior_ring(polygons))))
    lost, displacement_m = farthest_m(outlines, MultiPolygon(land))
    say(f"land: {lost:,} vertices of the source are gone: inside what was united, or in spikes without area")
    about = describe(LAND, file, displacement_m) | {
        "changed": "lakes and enclosed seas filled, overlaps united, land added south of 85.05 degrees south"
    }
    record = {"id": "land", "kind": "land", "name": "Land", "tags": []}
    write(target, about, [record], [MultiPolygon(land)], LAND[2])


def repair_country(
    code: str, geometry: MultiPolygon, others: dict[str, Any], land_tree: shapely.STRtree, land: np.ndarray
) -> tuple[Any, list[str]]:
    """Repair one invalid geometry.

    The source writes enclaves (Lesotho, San Marino, the Dutch parts of Baarle) as parts that lie inside another part of
    the same country. Counting crossings (even: outside, odd: inside), as `make_valid` does, makes them the holes that
    they are. But some islands (Phu Quoc, Diego Garcia) are written the same way, and would be lost: a nested part
    that nobody else holds and that is land stays part of the country. What is left are pockets of high sea.

    Returns:
        The repaired geometry, and a note for each nested part that stays.
    """
    parts = list(geometry.geoms) if geometry.geom_type == "MultiPolygon" else [geometry]
    kept, stays = [], []
    for part in parts:
        if not part.is_valid:
            kept.append(part)
            continue
        around = sum(p.area > part.area and p.covers(part) for p in parts if p is not part and p.is_valid)
        own = part.difference(
            MultiPolygon([p for p in parts if p is not part and p.area < part.area and part.covers(p)])
        )
        if around % 2 == 1 and _nobody_elses(code, own, others) and _is_land(own, land_tree, land):
            stays.append(f"{code}({part.centroid.y:.2f},{part.centroid.x:.2f})")
        else:
            kept.append(part)
    return shapely.make_valid(MultiPolygon(kept)), stays


def _nobody_elses(code: str, part: Any, others: dict[str, Any]) -> bool:
    x, y = part.representative_point().coords[0]
    return not any(shapely.intersects_xy(other, x, y) for name, other in others.items() if name != code)


def _is_land(part: Any, tree: shapely.STRtree, land: np.ndarray) -> bool:
    if part.area * KM2_PER_SQUARE_DEGREE < SMALLEST_POCKET_KM2:
        return True  # below what the land layer shows; too small for a pocket of high sea
    near = land[tree.query(part, predicate="intersects")]
    return bool(shapely.area(shapely.intersection(near, part)).sum() > 0.5 * part.area)


def on_grid(geometry: Any, scale: int) -> Any:
    """Write each coordinate as the double nearest to its decimals; drop what is not polygon."""
    if geometry.geom_type == "GeometryCollection":
        geometry = MultiPolygon([p for p in shapely.get_parts(geometry) if p.geom_type == "Polygon"])
    exact = shapely.transform(geometry, lambda xy: np.rint(xy * scale) / scale)
    if not exact.is_valid:
        exact = shapely.set_precision(exact, 1 / scale)
        exact = shapely.transform(exact, lambda xy: np.rint(xy * scale) / scale)
    assert exact.is_valid, shapely.is_valid_reason(exact)
    return exact


def farthest_m(source: Any, built: Any) -> tuple[int, float]:
    """Measure how far vertices of the source lie outside of what was built.

    Returns:
        Number of vertices of the source that are no longer vertices (they lie inside, where parts were united), and the
        largest distance of any of them from the built polygons [m, upper bound].
    """
    ours = {tuple(xy) for xy in shapely.get_coordinates(built)}
    lost = np.array([xy for xy in shapely.get_coordinates(source) if tuple(xy) not in ours]).reshape(-1, 2)
    shapely.prepare(built)
    outside = lost[~shapely.intersects_xy(built, lost)]
    distances = [built.distance(point) for point in shapely.points(outside)]
    return len(lost), max(distances, default=0.0) * METRES_PER_DEGREE


def describe(package: tuple[str, str, int], file: Path, displacement_m: float) -> dict[str, Any]:
    """Metadata of a layer; lengths in millimetres, because digested bytes hold no floats."""
    return {
        "source": f"{package[0]} {package[1]}",
        "source_digest": digest_file(file),
        "licence": "ODbL-1.0",
        "attribution": ATTRIBUTION,
        "extract_date": "not stated by the source",
        "max_displacement_mm": round(displacement_m * 1000),
    }


def write(target: Path, about: dict[str, Any], records: list[Any], geometries: list[Any], scale: int) -> None:
    """Write a pack, then decode it and compare."""
    data = encode_pack(about, records, geometries, scale=scale)
    target.write_bytes(data)
    start = time.perf_counter()
    layer = decode_pack(data, name=target.name)
    seconds = time.perf_counter() - start
    assert all(shapely.equals_exact(a, b, 0) for a, b in zip(layer.geometries, as_multi(geometries), strict=True))
    assert shapely.is_valid(layer.geometries).all()
    vertices = int(shapely.get_num_coordinates(layer.geometries).sum())
    parts = len(shapely.get_parts(layer.geometries))
    say(
        f"{target.name}: {len(data):,} bytes, {len(records)} areas, {parts:,} parts, {vertices:,} vertices, "
        f"displacement at most {about['max_displacement_mm'] / 1000:.3f} m, decoded in {seconds:.2f} s"
    )


def as_multi(geometries: list[Any]) -> list[Any]:
    """Write every geometry as a MultiPolygon."""
    return [g if g.geom_type == "MultiPolygon" else MultiPolygon([g]) for g in geometries]


def say(text: str) -> None:
    """Print one line of progress."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
