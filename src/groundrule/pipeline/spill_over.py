"""Spill-over: who outside an area loses service if the cells that touch it are switched off, rather than terminals in it denied.

The network's cells are taken as H3 cells of one resolution; where they truly are is the operator's knowledge. Positions are those
of each terminal's last observation, with their uncertainty: a terminal is inside, on the edge or outside, as for a rule.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from groundrule.areas.model import Area
from groundrule.detect.h3_words import cells_at
from groundrule.pipeline.area_cells import cells_touching, shapes_of, touches
from groundrule.pipeline.fleet import load_fleet
from groundrule.pipeline.home import basis_of
from groundrule.pipeline.judge import Basis, Judge, Judged
from groundrule.rules.evidence import Membership
from groundrule.store.home import Home

ORDINARY = "ordinary"
UNREGISTERED = "not registered"


@dataclass(frozen=True, slots=True)
class SpillOver:
    """Who is cut with the cells, and who with the terminals.

    Attributes:
        resolution: of the H3 cells.
        cells: that touch the area. border_cells: of those that are not wholly in it.
        terminals: of the home, with a last position. without_position: without.
        inside: certainly in the area: denied by terminal, and cut by cell.
        edge: may be in it: reviewed by terminal, and cut by cell.
        neighbours: outside, and cut by cell all the same.
        by_country: neighbours by the countries that claim their place. by_class: by protected class.
        beside: neighbours' positions, latitude and longitude [degree, shape (neighbours, 2)], for the operator's map only.
    """

    resolution: int
    cells: int
    border_cells: int
    terminals: int
    without_position: int
    inside: int
    edge: int
    neighbours: int
    by_country: Mapping[str, int]
    by_class: Mapping[str, int]
    beside: NDArray[np.float64]


def spill_over(home: Home, area: Area, *, at_ns: int, resolution: int = 5) -> SpillOver:
    """Count who would be cut in a home.

    Args:
        home: whose last observations and registers.
        area: an area of the home.
        at_ns: as of when registers and areas hold [ns, UTC].
        resolution: of the H3 cells that stand for the network's; 5 is 250 km².
    Raises:
        OutOfRange: the area has too many cells.
    """
    basis = basis_of(home, recorded_at_ns=at_ns)
    fleet = load_fleet(home)
    basis.registers.add(fleet.table["terminal_id"])
    judge = Judge(basis)
    judged = judge.judge(fleet.table, as_of_ns=at_ns)
    membership = membership_in(basis, judged, area)
    lat, lon = judged.motion.lat_deg, judged.motion.lon_deg
    cut, cells = cut_with_cells(area.geometry, lat, lon, resolution)
    placed = np.isfinite(lat) & np.isfinite(lon)
    beside = np.flatnonzero(cut & (membership == 0))
    country = Counter(_countries(judge, int(where)) for where in judged.where[beside])
    protected = Counter(_class_of(judge, int(who)) for who in judged.who[beside])
    whole = int(shapely.contains(area.geometry, shapes_of(cells)).sum())
    return SpillOver(
        resolution, len(cells), len(cells) - whole, int(placed.sum()), int((~placed).sum()),
        int((membership == Membership.INSIDE).sum()), int((membership == Membership.EDGE).sum()), len(beside),
        dict(sorted(country.items(), key=lambda item: (-item[1], item[0]))),
        dict(sorted(protected.items(), key=lambda item: (-item[1], item[0]))),
        np.stack([lat[beside], lon[beside]], axis=1),
    )  # fmt: skip


def cut_with_cells(
    area: shapely.Geometry, lat_deg: NDArray[np.float64], lon_deg: NDArray[np.float64], resolution: int
) -> tuple[NDArray[np.bool_], NDArray[np.uint64]]:
    """Return which positions lie in a cell that touches an area, and all cells that touch it.

    Args:
        area: polygons in longitude and latitude [degree].
        lat_deg, lon_deg: positions [degree; NaN unknown, then not cut].
        resolution: of the H3 cells.
    """
    cut = np.zeros(len(lat_deg), bool)
    rows = np.flatnonzero(np.isfinite(lat_deg) & np.isfinite(lon_deg))
    own = cells_at(lat_deg[rows], lon_deg[rows], resolution)
    cut[rows] = touches(area, own)
    return cut, cells_touching(area, resolution)


def membership_in(basis: Basis, judged: Judged, area: Area) -> NDArray[np.uint8]:
    """Return `Membership` of each judged position in one version of an area; 0 is outside, or unknown."""
    index = basis.index
    wanted = {
        number for number, member in enumerate(index.members)
        if member.id == area.id and member.kind != "buffer" and member.valid_from_ns == area.valid_from_ns
    }  # fmt: skip
    codes = judged.location.codes
    of_code = np.zeros(int(codes.max(initial=0)) + 1, np.uint8)
    for code in np.unique(codes[codes >= 0]).tolist():
        for member, membership in index.set_members(code):
            if member in wanted:
                of_code[code] = membership
    return np.where(codes >= 0, of_code[np.maximum(codes, 0)], 0).astype(np.uint8)


def _countries(judge: Judge, where: int) -> str:
    facts = judge.where.values[where]
    if facts is None:
        return "position unknown"
    return " and ".join(sorted({fact.country for fact in facts if fact.country})) or "no country"


def _class_of(judge: Judge, who: int) -> str:
    profile = judge.who.values[who]
    if profile is None:
        return UNREGISTERED
    return profile.protected_class if profile.protected_class not in {None, "none"} else ORDINARY
