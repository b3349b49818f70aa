"""What a verification says of a claim that it did not test.

A verdict speaks of the claims of its own minute. It is attached to observations after it, and whoever told the truth for that
minute may then claim another place. The verification is stored as it was made; to the rules `consistent` is carried over only to a
claim that the terminal could have reached from the place that radio gave. Any other claim is contradicted by that place, and is
`inconsistent`.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from groundrule.instant import NS_PER_S
from groundrule.records import RADIO_TYPE
from groundrule.verify.statistics import distance_m

Floats = NDArray[np.float64]

TOLERANCE_M: Final = 10_000.0
"""How far a claim may be from where it was measured, whatever its speed: what a verdict tolerates by default [m]."""
FASTEST_M_S: Final = 300.0
"""How fast a terminal may have gone whose speed was not measured: an airliner with the wind [m/s]."""
HASTE_M_S: Final = 30.0
"""How much faster it may have become since its speed was measured [m/s]."""


def confronted(table: pa.Table) -> Any:
    """Return `radio` of observations, with `inconsistent` where the claim is none that an attached `consistent` can speak of.

    Where satellite navigation is suspended, claims are not the terminals' own doing, do not count, and contradict nothing.

    Args:
        table: OBSERVATION_SCHEMA, as stored; claims without a latitude are not looked at.
    Returns:
        An array of RADIO_TYPE; `distance_m` of changed rows is that of their own claim.
    """
    radio = table.column("radio")
    radio = radio.combine_chunks() if isinstance(radio, pa.ChunkedArray) else radio
    radio = radio.chunk(0) if isinstance(radio, pa.ChunkedArray) else radio
    fields = dict(zip((each.name for each in radio.type), radio.flatten(), strict=True))
    tested = pc.fill_null(pc.and_(pc.equal(fields["verdict"], "consistent"), pc.fill_null(fields["usable"], False)), False)
    suspended = pc.fill_null(pc.equal(table.column("gnss_state"), "suspended"), False).to_numpy()
    rows = np.flatnonzero(tested.to_numpy(zero_copy_only=False) & ~suspended)
    if not len(rows):
        return radio
    lat, lon = (_floats(table.column(name))[rows] for name in ("lat_deg", "lon_deg"))
    apart = distance_m(lat, lon, *(_floats(fields[name])[rows] for name in ("lat_deg", "lon_deg")))
    at_ns = pc.fill_null(fields["at_ns"], 0).to_numpy(zero_copy_only=False)
    age_s = (table.column("observed_at").to_numpy() - at_ns)[rows] / NS_PER_S
    speed = _floats(fields["speed_m_s"])[rows] + 3.0 * np.nan_to_num(_floats(fields["speed_sigma_m_s"])[rows]) + HASTE_M_S
    reach = np.where(np.isnan(speed), FASTEST_M_S, speed) * np.maximum(age_s, 0.0)
    doubt = 3.0 * (np.nan_to_num(_floats(fields["sigma_major_m"])[rows]) + np.nan_to_num(_floats(table.column("position_sigma_m"))[rows]))
    far = apart > np.maximum(TOLERANCE_M, np.nan_to_num(_floats(fields["mdo_m"])[rows])) + doubt + reach
    if not far.any():
        return radio
    changed, distance = np.zeros(len(radio), np.bool_), np.zeros(len(radio))
    changed[rows[far]], distance[rows[far]] = True, apart[far]
    fields["verdict"] = pc.if_else(pa.array(changed), "inconsistent", fields["verdict"])
    fields["distance_m"] = pc.if_else(pa.array(changed), pa.array(distance), fields["distance_m"])
    return pa.StructArray.from_arrays([fields[each.name] for each in RADIO_TYPE], fields=list(RADIO_TYPE), mask=radio.is_null())


def changed_by(table: pa.Table) -> int:
    """Return how many rows claim a place that their `consistent` verification cannot speak of.

    Args:
        table: OBSERVATION_SCHEMA.
    """
    stored = table.column("radio").combine_chunks()
    if stored.null_count == len(table):
        return 0
    before, after = (pc.struct_field(each, "verdict") for each in (stored, confronted(table)))
    return int(pc.sum(pc.not_equal(before, after)).as_py() or 0)


def _floats(column: Any) -> Floats:
    plain = column.to_numpy() if isinstance(column, pa.ChunkedArray) else column.to_numpy(zero_copy_only=False)
    found: Floats = plain.astype(np.float64)
    return found
