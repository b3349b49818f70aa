"""The region in which a terminal is, as far as its last position says."""

from __future__ import annotations

from groundrule.areas.overlap import Region, cell_of, circle_of
from groundrule.pipeline.live.answers import LastPosition


def region_of(position: LastPosition) -> Region | None:
    """Return the region that holds a position with 95 % probability; None where nobody knows how good it is."""
    if position.cell:
        return cell_of(position.cell)
    return circle_of(position.lat_deg, position.lon_deg, position.sigma_m) if position.sigma_m > 0.0 else None
