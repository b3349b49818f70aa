"""`groundrule areas import|list|locate`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from groundrule.areas.importing import read_areas
from groundrule.areas.index import AreaIndex
from groundrule.areas.model import Area, AreaSet, service_answer
from groundrule.areas.world import ATTRIBUTION, load_world
from groundrule.cli.output import DEFAULT_HOME, HomeOption, OutputJson, print_json, print_table, print_text, warn
from groundrule.cli.rules import instant_option
from groundrule.errors import InputError, OutOfRange
from groundrule.instant import MAX_NS, MIN_NS, format_instant
from groundrule.pipeline.home import import_areas, index_folder
from groundrule.store.area_store import load_areas
from groundrule.store.home import Home
from groundrule.store.policy import is_governed

app = typer.Typer(no_args_is_help=True, help="Import, list and look up areas.")


@app.command(name="import")
def import_(
    file: Annotated[Path, typer.Argument(help="GeoJSON, zipped Shapefile, GeoParquet, KML, ED-269 or MDS geography.")],
    home: HomeOption = DEFAULT_HOME,
    kind: Annotated[str, typer.Option(help="Kind of areas whose file does not say.")] = "zone",
    source: Annotated[
        str | None, typer.Option(help="Where the areas come from; the default is the file's name.")
    ] = None,
    licence: Annotated[str, typer.Option(help="Licence of areas whose file does not say.")] = "not stated",
    prefix: Annotated[str | None, typer.Option(help="Text before each id, for instance `control:`.")] = None,
    id_property: Annotated[str | None, typer.Option(help="Property that holds the id.")] = None,
    valid_from: Annotated[str | None, typer.Option(help="Start of validity of areas whose file does not say.")] = None,
    valid_until: Annotated[str | None, typer.Option(help="End of validity of areas whose file does not say.")] = None,
    as_json: OutputJson = False,
) -> None:
    """Import areas into a home; every feature that cannot be used is reported with its reason."""
    report = read_areas(
        file,
        kind=kind,
        source=source or file.name,
        licence=licence,
        id_prefix=prefix or "",
        id_property=id_property,
        valid_from_ns=instant_option(valid_from, "--valid-from") or MIN_NS,
        valid_until_ns=instant_option(valid_until, "--valid-until") or MAX_NS,
    )
    place = Home.open(home)
    with place.writer():
        areas, replaced = import_areas(place, tuple(report.areas)) if report.areas else (load_areas(place)[0], [])
    governed = is_governed(place)
    result: dict[str, Any] = {
        "imported": [area.id for area in report.areas],
        "replaced": replaced,
        "repaired": [str(item) for item in report.repaired],
        "rejected": [str(item) for item in report.rejected],
        "areas_version": areas.digest,
        "governed": governed,
    }
    if as_json:
        print_json(result)
    else:
        print_text(
            f"Imported {len(report.areas)} areas, repaired {len(report.repaired)}, rejected {len(report.rejected)}"
            + ("; in a home with a charter areas change only by enactment." if governed else " (ungoverned).")
        )
        for name in ("repaired", "rejected"):
            for line in result[name]:
                print_text(f"  {name}: {line}", style="yellow")
        print_text(f"  areas_version {areas.digest}")
    if not report.areas:
        raise typer.Exit(2)


@app.command(name="list")
def list_(
    home: HomeOption = DEFAULT_HOME,
    kind: Annotated[str | None, typer.Option(help="Only areas of this kind.")] = None,
    at: Annotated[
        str | None, typer.Option("--at", help="Only versions valid at this time; service as recorded by then.")
    ] = None,
    as_json: OutputJson = False,
) -> None:
    """List areas with their service history: never served, served, ended, or a request refused."""
    areas = _areas_of(home)
    moment = instant_option(at, "--at")
    if moment is None:
        moment = time.time_ns()
    rows = []
    for area in sorted(areas.areas, key=lambda a: (a.kind, a.id, a.valid_from_ns)):
        if kind and area.kind != kind:
            continue
        if at and not area.valid_from_ns <= moment < area.valid_until_ns:
            continue
        rows.append(_describe(area, moment))
    if as_json:
        print_json({"areas_version": areas.digest, "areas": rows})
        return
    print_table(
        ["id", "kind", "name", "valid", "was it served?", "source"],
        [[r["id"], r["kind"], r["name"], r["valid"], r["service"], r["source"]] for r in rows],
    )
    print_text(f"{len(rows)} areas; {areas.digest}; world areas: {ATTRIBUTION}")


@app.command(context_settings={"ignore_unknown_options": True})  # a negative coordinate is no option
def locate(
    lat: Annotated[float, typer.Argument(help="Latitude [degree].")],
    lon: Annotated[float, typer.Argument(help="Longitude [degree].")],
    sigma_m: Annotated[
        float, typer.Option("--sigma-m", min=0, help="Standard deviation of the position per axis [m].")
    ] = 0.0,
    home: HomeOption = DEFAULT_HOME,
    at: Annotated[str | None, typer.Option("--at", help="As of this time; the default is now.")] = None,
    as_json: OutputJson = False,
) -> None:
    """Say which areas hold a place: every claimant, never one guessed."""
    if not (-90 <= lat <= 90 and -180 <= lon <= 180):
        raise OutOfRange(
            f"latitude {lat} and longitude {lon} are not a place", help="latitude -90 to 90, longitude -180 to 180"
        )
    areas = _areas_of(home)
    place = Home.open(home) if (home / "home.json").exists() else None
    index = AreaIndex.build(areas.areas, cache_dir=index_folder(place, areas))
    moment = instant_option(at, "--at")
    if moment is None:
        moment = time.time_ns()
    location = index.locate_points(np.array([lat]), np.array([lon]), np.array([sigma_m], np.float32))
    probability = dict(zip(location.edge_members.tolist(), location.edge_probability.tolist(), strict=True))
    hits = []
    for member_index, membership in index.set_members(int(location.codes[0])):
        member = index.members[member_index]
        if not member.valid_from_ns <= moment < member.valid_until_ns:
            continue
        hits.append(
            {
                "id": member.id,
                "kind": member.kind,
                "membership": "inside" if membership == 1 else "edge",
                "probability": round(probability.get(member_index, 1.0), 3),
                "distance_to_edge_m": _distance_m(index, lat, lon, member_index),
            }
        )
    answer = {
        "lat_deg": lat,
        "lon_deg": lon,
        "at": format_instant(moment),
        "areas": hits,
        "areas_version": areas.digest,
    }
    if as_json:
        print_json(answer)
        return
    if not any(h["kind"] == "country" for h in hits):
        land = any(h["kind"] == "land" for h in hits)
        print_text("In no country: " + ("land that no country of the area set covers." if land else "the high seas."))
    if hits:
        print_table(
            ["area", "kind", "membership", "probability", "to the edge"],
            [[h["id"], h["kind"], h["membership"], h["probability"], _words(h["distance_to_edge_m"])] for h in hits],
        )
    countries = sorted(h["id"] for h in hits if h["kind"] == "country")
    if len(countries) > 1:
        warn(f"{len(countries)} countries hold this place; which claim counts is a line in the rulebook")


def _areas_of(home: Path) -> AreaSet:
    if (home / "home.json").exists():
        return load_areas(Home.open(home))[0]
    if home != DEFAULT_HOME:
        raise InputError(f"`{home}` is not a groundrule home", help=f"make one with: groundrule init --home {home}")
    return load_world()


def _distance_m(index: AreaIndex, lat: float, lon: float, member: int) -> float | None:
    """Signed distance to the edge [m; negative inside], None beyond 200 km."""
    metres = float(index.edge_distance_m(lat, lon, member)[0])
    return round(metres, 1) if np.isfinite(metres) else None


def _words(metres: float | None) -> str:
    if metres is None:
        return "more than 200 km"
    return f"{abs(metres) / 1000:.3f} km {'inside' if metres < 0 else 'outside'}"


def _describe(area: Area, moment_ns: int) -> dict[str, str]:
    start = "" if area.valid_from_ns == MIN_NS else format_instant(area.valid_from_ns)
    end = "" if area.valid_until_ns == MAX_NS else format_instant(area.valid_until_ns)
    return {
        "id": area.id,
        "kind": area.kind,
        "name": area.name,
        "valid": f"{start} to {end}" if start or end else "always",
        "service": service_answer(area, moment_ns).sentence,
        "source": area.source,
        "licence": area.licence,
    }
