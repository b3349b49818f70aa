"""`groundrule whatif --coverage`: other constellations over an area, and who is cut with its cells."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from groundrule.areas.model import Area
from groundrule.areas.world import load_world
from groundrule.cli.orbits import loaded_elements
from groundrule.cli.output import print_json, print_table, print_text, progress, warn
from groundrule.errors import InputError
from groundrule.instant import format_instant
from groundrule.pipeline.coverage import NOTE, Constellation, Coverage, coverage, providers
from groundrule.pipeline.manifests import runs
from groundrule.pipeline.spill_over import SpillOver, spill_over
from groundrule.store.area_store import load_areas
from groundrule.store.home import Home

_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked about an area.

    Attributes:
        area: its id.
        home: folder of the home. elements: files of elements; None: those of the home.
        at_ns: start [ns, UTC]; None is now. hours, step_s: how long and how often is looked.
        mask_deg: lowest elevation [degree]. points: at most so many.
        constellations: only these; none is all that could carry traffic.
        own: the home's own constellation, which is no other. cell_resolution: H3 resolution of the network's cells.
        map_path: picture to write, or None.
    """

    area: str
    home: Path
    elements: list[Path] | None
    at_ns: int | None
    hours: float
    step_s: float
    mask_deg: float
    points: int
    constellations: tuple[str, ...]
    own: str | None
    cell_resolution: int
    map_path: Path | None


def whatif_coverage(asked: Asked, *, as_json: bool) -> None:
    """Print what other constellations could cover of an area, and the spill-over where there is a home with observations."""
    place = Home.open(asked.home) if (asked.home / "home.json").exists() else None
    now = time.time_ns()
    at_ns = now if asked.at_ns is None else asked.at_ns
    area = _area(place, asked.area, at_ns)
    loaded = providers(loaded_elements(asked.home, asked.elements), asked.constellations)
    if asked.own is not None and asked.own not in set(loaded.constellation.tolist()):
        raise InputError(
            f"no loaded constellation is called `{asked.own}`",
            help="loaded are: " + ", ".join(sorted(set(loaded.constellation.tolist()))), option="--own",
        )  # fmt: skip
    with progress() as report:
        found = coverage(
            area.geometry, loaded, from_ns=at_ns, hours=asked.hours, step_s=asked.step_s, mask_deg=asked.mask_deg,
            points=asked.points, progress=report,
        )  # fmt: skip
    spill = None
    if place is not None and runs(place):
        spill = spill_over(place, area, at_ns=now, resolution=asked.cell_resolution)
    if asked.map_path is not None:
        _draw(asked, area, found, spill)
    if as_json:
        print_json(_dict(asked, area, found, spill))
        return
    _print(asked, area, found, spill)


def _area(place: Home | None, area_id: str, at_ns: int) -> Area:
    areas = load_world() if place is None else load_areas(place)[0]
    found = areas.at(area_id, at_ns)
    if found is None:
        versions = areas.versions(area_id)
        if not versions:
            raise InputError(f"there is no area `{area_id}`", help="see `groundrule areas list`, or import it", option="--coverage")
        found = versions[-1]
    return found


def _kind(row: Constellation, own: str | None) -> str:
    return "own" if row.name == own else "other"


def _dict(asked: Asked, area: Area, found: Coverage, spill: SpillOver | None) -> dict[str, Any]:
    return {
        "area": area.id,
        "note": NOTE,
        "from": format_instant(found.from_ns),
        "until": format_instant(found.until_ns),
        "step_s": found.step_s,
        "mask_deg": found.mask_deg,
        "elements": found.digest,
        "constellations": [
            {
                "constellation": row.name,
                "which": _kind(row, asked.own),
                "satellites": row.satellites,
                "usable": row.usable,
                "generated": row.generated,
                "incomplete": row.incomplete,
                "share_one": round(float(row.one.mean()), 6),
                "share_one_worst_point": round(float(row.one.min()), 6),
                "share_four": round(float(row.four.mean()), 6),
                "share_four_worst_point": round(float(row.four.min()), 6),
                "satellites_at_once": round(float(row.mean.mean()), 3),
                "longest_gap_s": float(row.gap_s.max()),
            }
            for row in found.constellations
        ],
        "points": [
            {
                "lat_deg": round(float(found.lat_deg[i]), 6),
                "lon_deg": round(float(found.lon_deg[i]), 6),
                "h3_cell": f"{int(found.cells[i]):x}",
                "share_one": {row.name: round(float(row.one[i]), 6) for row in found.constellations},
                "share_four": {row.name: round(float(row.four[i]), 6) for row in found.constellations},
            }
            for i in range(len(found.lat_deg))
        ],
        "spill_over": None
        if spill is None
        else {
            "cell_resolution": spill.resolution,
            "cells": spill.cells,
            "border_cells": spill.border_cells,
            "terminals": spill.terminals,
            "without_position": spill.without_position,
            "inside": spill.inside,
            "edge": spill.edge,
            "neighbours_cut": spill.neighbours,
            "by_country": dict(spill.by_country),
            "by_class": dict(spill.by_class),
        },
    }


def _print(asked: Asked, area: Area, found: Coverage, spill: SpillOver | None) -> None:
    print_text(
        f"{area.name} ({area.id}): {len(found.lat_deg):,} points, {format_instant(found.from_ns)} to {format_instant(found.until_ns)} "
        f"every {found.step_s:g} s, satellites at or above {found.mask_deg:g}°."
    )
    print_text(NOTE)
    print_text()
    shares = ["at least one", "worst point", "at least four", "worst point"]
    print_table(
        ["constellation", "which", "satellites", *shares, "at once", "longest gap", "remark"],
        [
            [
                row.name, _kind(row, asked.own), row.usable, f"{row.one.mean():.1%}", f"{row.one.min():.1%}", f"{row.four.mean():.1%}",
                f"{row.four.min():.1%}", f"{row.mean.mean():.1f}", f"{row.gap_s.max() / 60:.0f} min",
                "generated, not real" if row.generated else row.incomplete or "",
            ]
            for row in found.constellations
        ],
    )
    for row in found.constellations:
        if row.usable < row.satellites:
            warn(f"{row.name}: {row.satellites - row.usable:,} satellites have no usable elements; see `groundrule orbits status`")
    print_text()
    if spill is None:
        print_text("Spill-over is not counted: there is no home with decided observations.")
    else:
        _print_spill(area, spill)
    if asked.map_path:
        print_text(f"Map: {asked.map_path}")


def _print_spill(area: Area, spill: SpillOver) -> None:
    print_text(
        f"Cutting cells instead of denying terminals: {spill.cells:,} H3 cells of resolution {spill.resolution} touch {area.id}, "
        f"{spill.border_cells:,} of them across its border."
    )
    print_text(
        f"Of {spill.terminals:,} terminals with a last position {spill.inside:,} are inside, {spill.edge:,} on the edge, and "
        f"{spill.neighbours:,} outside would lose service with the cells."
    )
    for name, counts in (("country of the neighbours", spill.by_country), ("protected class", spill.by_class)):
        if counts:
            rows = list(counts.items())
            rest = sum(count for _, count in rows[_SHOWN:])
            print_table([name, "terminals"], [list(row) for row in rows[:_SHOWN]] + ([["others", rest]] if rest else []))
    if spill.without_position:
        print_text(f"{spill.without_position:,} terminals without a position are in none of these numbers.")


def _draw(asked: Asked, area: Area, found: Coverage, spill: SpillOver | None) -> None:
    from groundrule.evidence.coverage_map import Panel, draw_coverage  # noqa: PLC0415 - slow to load, and only this draws

    assert asked.map_path is not None
    order = sorted(found.constellations, key=lambda row: (row.name == asked.own, -float(np.mean(row.one)), row.name))
    panels = [
        Panel(
            f"{row.name}{' (own)' if row.name == asked.own else ''}: {row.usable:,} satellites, {row.one.mean():.1%} of the time one, "
            f"{row.four.mean():.1%} four",
            row.one, row.four,
        )
        for row in order
    ]  # fmt: skip
    draw_coverage(
        area.geometry, found.cells, panels, asked.map_path, title=f"Who could cover {area.name}",
        subtitle=f"{format_instant(found.from_ns)}, {asked.hours:g} h, mask {found.mask_deg:g}° · {NOTE}",
        neighbours=None if spill is None else spill.beside,
    )  # fmt: skip
