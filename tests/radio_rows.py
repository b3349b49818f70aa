"""What radio says of a terminal, as it is attached to made observations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from groundrule.instant import NS_PER_S
from small_home import BOOK, T0

ASSUMED = "radio_position: {use_when: [suspended, lost, inconsistent], max_age_s: 120}, "
RULES = """\
  - id: contradicted
    title: A position that radio contradicts is not served here
    tier: zone
    where: {any: [country:AT]}
    what: {verdict: inconsistent, assurance: [a1, a2], verified_distance_km: {above: 20}}
    outcome: restrict
    reason: verification_failed
    obligations: {max_down_mbit_s: 1}
    unknown: {"*": serve}
    authority: {basis: "an order (invented)", illustrative: true}
  - id: disturbed
    title: Where navigation is disturbed and no place is known, a person looks
    tier: zone
    what: {gnss: suspended, position_source: none}
    outcome: review
    reason: unknown_location
    authority: {basis: "an order (invented)", illustrative: true}
"""
RADIO_BOOK = BOOK.replace("assumptions: {", "assumptions: {" + ASSUMED).replace("  - id: bland-window", RULES + "  - id: bland-window")
"""The small rulebook with two rules about radio and satellite navigation, and an assumption of when radio places count."""


def radio(at_s: float, lat: float | None, lon: float | None, verdict: str = "consistent", **more: Any) -> dict[str, Any]:
    """A verification `at_s` seconds after T0; usable where it has a place, unless it is said."""
    return {
        "verdict": verdict,
        "assurance": "a1",
        "usable": lat is not None,
        "at_ns": T0 + round(at_s * NS_PER_S),
        "lat_deg": lat,
        "lon_deg": lon,
        "sigma_major_m": None if lat is None else 70.0,
        "sigma_minor_m": None if lat is None else 25.0,
        "azimuth_deg": None if lat is None else 12.0,
        "alternatives": [],
        "distance_m": None,
        "mdo_m": 900.0,
        "speed_m_s": None,
        "speed_sigma_m_s": None,
        "grade": "a",
        "inputs": "sha256:" + "5" * 64,
        "elements": "sha256:" + "e" * 64,
        **more,
    }


def verified(whole: pa.Table, seed: int) -> pa.Table:
    """Verifications of some of a stream: a little before observations, each with another finding."""
    rng = np.random.default_rng(seed)
    rows = []
    for row in whole.to_pylist():
        if rng.random() < 0.5:
            continue
        said = radio(
            0, rng.uniform(-1, 9), rng.uniform(1, 12), str(rng.choice(["consistent", "inconsistent", "insufficient"])),
            distance_m=float(rng.uniform(0, 1e6)), speed_m_s=float(rng.choice([0.0, 30.0])), speed_sigma_m_s=1.0,
        )  # fmt: skip
        said["at_ns"] = row["observed_at"] - int(rng.integers(0, 200 * 10**9))
        rows.append({"terminal_id": row["terminal_id"], "t_ref_ns": said["at_ns"], "conditions": [], "words": "", "model": "", **said})
    names = list(rows[0])
    return pa.table({name: [row[name] for row in rows] for name in names})
