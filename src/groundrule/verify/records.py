"""Records: verifications as columns, for files and for attaching them to observations."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pyarrow as pa

from groundrule.verify.report import Report

VERIFICATION_SCHEMA = pa.schema(
    [
        pa.field("terminal_id", pa.string(), nullable=False),
        pa.field("at_ns", pa.int64(), nullable=False, metadata={"unit": "ns since 1970, UTC; last measurement used"}),
        pa.field("t_ref_ns", pa.int64(), nullable=False, metadata={"unit": "ns since 1970, UTC; of the position"}),
        pa.field("verdict", pa.string(), nullable=False),
        pa.field("assurance", pa.string(), nullable=False),
        pa.field("conditions", pa.list_(pa.string()), nullable=False),
        pa.field("lat_deg", pa.float64(), metadata={"unit": "degree"}),
        pa.field("lon_deg", pa.float64(), metadata={"unit": "degree"}),
        pa.field("sigma_major_m", pa.float64(), metadata={"unit": "m, one sigma"}),
        pa.field("sigma_minor_m", pa.float64(), metadata={"unit": "m, one sigma"}),
        pa.field("azimuth_deg", pa.float64(), metadata={"unit": "degree clockwise from north, of the major axis"}),
        pa.field(
            "alternatives",
            pa.list_(pa.struct([pa.field("lat_deg", pa.float64()), pa.field("lon_deg", pa.float64()), pa.field("weight", pa.float64())])),
        ),
        pa.field("usable", pa.bool_(), nullable=False),
        pa.field("distance_m", pa.float64(), metadata={"unit": "m, claim to estimate; 0 if none"}),
        pa.field("mdo_m", pa.float64(), metadata={"unit": "m, minimal detectable offset, worst direction"}),
        pa.field("speed_m_s", pa.float64(), metadata={"unit": "m/s"}),
        pa.field("speed_sigma_m_s", pa.float64(), metadata={"unit": "m/s"}),
        pa.field("grade", pa.string(), nullable=False),
        pa.field("words", pa.string(), nullable=False),
        pa.field("inputs", pa.string(), nullable=False, metadata={"meaning": "digest of what the verdict rests on"}),
        pa.field("model", pa.string(), nullable=False),
        pa.field("elements", pa.string(), metadata={"meaning": "digest of the elements that were loaded"}),
    ]
)
"""One verification. Numbers that are not there are null; a fault has no place, since any would be made up."""


def to_table(found: Sequence[Report], *, elements: str | None = None) -> pa.Table:
    """Return verifications as a table of `VERIFICATION_SCHEMA`, in the order given.

    Args:
        elements: digest of the elements that they rest on.
    """
    rows = []
    for report in found:
        best = report.places[0] if report.places else None
        scale = math.sqrt(5.991464547)
        rows.append(
            {
                "terminal_id": report.terminal,
                "at_ns": report.at_ns,
                "t_ref_ns": report.t_ref_ns,
                "verdict": report.verdict,
                "assurance": report.assurance,
                "conditions": list(report.conditions),
                "lat_deg": best.lat_deg if best else None,
                "lon_deg": best.lon_deg if best else None,
                "sigma_major_m": _finite(best.major_95_m / scale) if best else None,
                "sigma_minor_m": _finite(best.minor_95_m / scale) if best else None,
                "azimuth_deg": _finite(best.azimuth_deg) if best else None,
                "alternatives": [
                    {"lat_deg": mode.lat_deg, "lon_deg": mode.lon_deg, "weight": mode.weight} for mode in report.places[1:]
                ],
                "usable": report.usable,
                "distance_m": (_finite(report.distance_m) or 0.0) if best else 0.0,
                "mdo_m": _finite(report.worst_offset_m),
                "speed_m_s": _finite(report.speed_m_s),
                "speed_sigma_m_s": _finite(report.speed_sigma_m_s),
                "grade": report.grade,
                "words": report.words,
                "inputs": report.inputs,
                "model": report.model,
                "elements": elements,
            }
        )
    return pa.Table.from_pylist(rows, schema=VERIFICATION_SCHEMA)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
