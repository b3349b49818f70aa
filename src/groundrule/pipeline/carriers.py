"""What carries a terminal, as its motion looks: probabilities of platforms, evidence for a person and never a signal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from groundrule.detect.platform import FLEET, PlatformModel, reweighted
from groundrule.instant import NS_PER_S
from groundrule.pipeline.cells import CellDiscs

LEAST_FIXES = 8
"""Fewer say nothing."""


@dataclass(frozen=True, slots=True)
class Carrier:
    """What carries a terminal.

    Attributes:
        terminal_id: whom it is about. fixes: positions that were used. by_cells: are they cells only?
        probabilities: of each class of platform, with the shares of a usual fleet; empty where there are too few positions.
    """

    terminal_id: str
    fixes: int
    by_cells: bool
    probabilities: dict[str, float]


def carrier_of(observations: pa.Table) -> Carrier:
    """Say what one terminal's observations look like.

    Args:
        observations: OBSERVATION_SCHEMA, of one terminal, in order of time. Positions in disturbed areas are left out.
    """
    name = str(observations.column("terminal_id")[0].as_py())
    kept = observations.filter(pc.fill_null(pc.not_equal(observations.column("gnss_state"), "suspended"), True))
    placed = kept.filter(pc.is_valid(kept.column("lat_deg")))
    model = PlatformModel.load()
    if len(placed) >= LEAST_FIXES:
        t_s = _seconds(placed)
        alt = placed.column("alt_m")
        heights = alt.to_numpy().astype(np.float64) if alt.null_count < len(alt) else None
        found = model.of_track(t_s, placed.column("lat_deg").to_numpy(), placed.column("lon_deg").to_numpy(), heights)
        return Carrier(name, len(placed), False, {} if found is None else reweighted(found, FLEET))
    celled = kept.filter(pc.and_(pc.is_null(kept.column("lat_deg")), pc.is_valid(kept.column("h3_cell"))))
    if len(celled) < LEAST_FIXES:
        return Carrier(name, len(placed), False, {})
    lat, lon, radius = CellDiscs().of(celled.column("h3_cell").to_numpy().astype(np.uint64))
    found = model.of_cell_track(_seconds(celled), lat, lon, float(np.median(radius)))
    return Carrier(name, len(celled), True, {} if found is None else reweighted(found, FLEET))


def _seconds(table: pa.Table) -> np.ndarray:
    return table.column("observed_at").to_numpy() / NS_PER_S
