"""Invented element sets for tests, in every form, and what must be read from them."""

from __future__ import annotations

import json

import numpy as np

from groundrule.instant import parse_instant
from groundrule.orbit.elements import Elements, columns_of
from groundrule.orbit.tle import alpha5, checksum

EPOCH = "2026-06-03T04:00:00.000000"
EPOCH_NS = parse_instant(EPOCH + "Z")
DAY_NS = 86_400_000_000_000

OMM: dict[str, str | float | int] = {
    "OBJECT_NAME": "STARLINK-INVENTED",
    "OBJECT_ID": "2024-001A",
    "EPOCH": EPOCH,
    "MEAN_MOTION": 15.06,
    "ECCENTRICITY": 0.0001234,
    "INCLINATION": 53.05,
    "RA_OF_ASC_NODE": 120.25,
    "ARG_OF_PERICENTER": 80.5,
    "MEAN_ANOMALY": 279.6,
    "EPHEMERIS_TYPE": 0,
    "CLASSIFICATION_TYPE": "U",
    "NORAD_CAT_ID": 144713,
    "ELEMENT_SET_NO": 999,
    "REV_AT_EPOCH": 1234,
    "BSTAR": 0.00012345,
    "MEAN_MOTION_DOT": 0.00001234,
    "MEAN_MOTION_DDOT": 0,
}


def omm(**changes: object) -> dict[str, object]:
    """One message with some fields changed; None leaves one out."""
    return {key: value for key, value in {**OMM, **changes}.items() if value is not None}


def as_json(*messages: dict[str, object]) -> bytes:
    return json.dumps(list(messages), indent=1).encode()


def as_csv(*messages: dict[str, object]) -> bytes:
    lines = [",".join(OMM)] + [",".join(str(message.get(key, "")) for key in OMM) for message in messages]
    return "\r\n".join(lines).encode()


def as_kvn(*messages: dict[str, object]) -> bytes:
    parts = []
    for message in messages:
        parts += ["CCSDS_OMM_VERS = 2.0", "COMMENT invented", "CREATION_DATE =", "REF_FRAME = TEME", ""]
        parts += [f"{key} = {value}" for key, value in message.items()]
    return "\n".join(parts).encode()


def as_xml(*messages: dict[str, object]) -> bytes:
    body = "".join(
        "<omm id='CCSDS_OMM_VERS' version='2.0'><body><segment><data>"
        + "".join(f"<{key}>{value}</{key}>" for key, value in message.items())
        + "</data></segment></body></omm>\n"
        for message in messages
    )
    return f"<?xml version='1.0' encoding='UTF-8'?>\n<ndm>\n{body}</ndm>\n".encode()


def tle(
    number: int = 44713, name: str = "STARLINK-INVENTED", anomaly: float = 279.6, day: str = "26154.16666667"
) -> str:
    one = f"1 {alpha5(number)}U 24001A   {day}  .00001234  00000+0  12345-3 0  999"
    two = f"2 {alpha5(number)}  53.0500 120.2500 0001234  80.5000 {anomaly:8.4f} 15.06000000 1234"
    return f"{name}\n{one}{checksum(one)}\n{two}{checksum(two)}\n"


def orbits(
    *,
    motion: float | np.ndarray = 15.06,
    eccentricity: float | np.ndarray = 1e-4,
    inclination: float | np.ndarray = 53.0,
    count: int = 1,
    epoch_ns: int = EPOCH_NS,
    seed: int = 1,
    form: str = "omm",
    first: int = 50_001,
) -> Elements:
    """Random satellites of one kind."""
    random = np.random.default_rng(seed)
    angles = random.uniform(0, 360, (3, count))
    full = [np.broadcast_to(np.asarray(value, float), count) for value in (motion, eccentricity, inclination)]
    rows = [
        (first + i, f"INVENTED {i}", "", epoch_ns, full[0][i], full[1][i], full[2][i], *angles[:, i], 1e-5, 0.0, 0.0, 1, 1,
         "U", "invented", "raw", form, "made")
        for i in range(count)
    ]  # fmt: skip
    return columns_of(rows)
