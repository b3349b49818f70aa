"""Writing: elements as OMM in JSON, the form that loses nothing and that other programs read."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from groundrule.instant import NS_PER_S, format_instant
from groundrule.orbit.elements import Elements


def to_omm_json(elements: Elements) -> str:
    """Write elements as an array of OMM records, one a line.

    Grades are told by the classification as `orbits import` reads it: C for those fitted to the operator's ephemeris and the
    operator's own, U for others. A covariance goes into the frame RSW.

    Source: CCSDS 502.0-B-3, Table 4-3.
    """
    lines = [json.dumps(_record(elements, row), ensure_ascii=False, allow_nan=False) for row in range(len(elements))]
    return "[\n" + ",\n".join(lines) + "\n]\n"


def _record(elements: Elements, row: int) -> dict[str, Any]:
    out: dict[str, Any] = {
        "OBJECT_NAME": str(elements.name[row]),
        "OBJECT_ID": str(elements.designator[row]),
        "CENTER_NAME": "EARTH",
        "REF_FRAME": "TEME",
        "TIME_SYSTEM": "UTC",
        "MEAN_ELEMENT_THEORY": "SGP4",
        "EPOCH": _epoch(int(elements.epoch_ns[row])),
        "MEAN_MOTION": float(elements.mean_motion_rev_day[row]),
        "ECCENTRICITY": float(elements.eccentricity[row]),
        "INCLINATION": float(elements.inclination_deg[row]),
        "RA_OF_ASC_NODE": float(elements.raan_deg[row]),
        "ARG_OF_PERICENTER": float(elements.arg_perigee_deg[row]),
        "MEAN_ANOMALY": float(elements.mean_anomaly_deg[row]),
        "EPHEMERIS_TYPE": 0,
        "CLASSIFICATION_TYPE": "U" if elements.grade[row] == "raw" else "C",
        "NORAD_CAT_ID": int(elements.catalogue[row]),
        "ELEMENT_SET_NO": int(elements.element_set[row]),
        "REV_AT_EPOCH": int(elements.rev[row]),
        "BSTAR": float(elements.bstar[row]),
        "MEAN_MOTION_DOT": float(elements.ndot[row]),
        "MEAN_MOTION_DDOT": float(elements.nddot[row]),
    }
    if elements.covariance_m2 is not None and np.isfinite(elements.covariance_m2[row]).all():
        # Theirs begin with the radius, and are in km2; ours with along track.
        order = (1, 0, 2)
        p = elements.covariance_m2[row][np.ix_(order, order)] / 1e6
        out["COV_REF_FRAME"] = "RSW"
        out |= {f"C{a}_{b}": float(p[i, j]) for i, a in enumerate("XYZ") for j, b in enumerate("XYZ"[: i + 1])}
    return out


def _epoch(t_ns: int) -> str:
    whole, part = divmod(t_ns, NS_PER_S)
    text = format_instant(whole * NS_PER_S).removesuffix("Z").split(".")[0]
    return f"{text}.{part:09d}"
