"""Case: what is judged, one row per terminal and window, and what is tolerated."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from groundrule.verify.batch import Batch, Ints
from groundrule.verify.ephemeris import Grade
from groundrule.verify.measurements import TRUST
from groundrule.verify.model import Floats
from groundrule.verify.solve import Loss

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What is tolerated, and how surely.

    Attributes:
        d0_m: tolerated distance of the claim from the truth; 10 km, 5 km strict.
        alpha: false-positive rate of T1, T3 and T4; grade C is judged at 1e-3 (`empirical.ALPHA`).
        alpha_residual: of T2. loss: of range residuals in estimates; "huber" where delay spikes are common.
        moving_sigma_m_s: velocity prior given to a terminal whose static fit fails.
        light_time: False only to meet a simulation that leaves light time out.
        classes: judge all attacker classes, otherwise A0 only.
    """

    d0_m: float = 10_000.0
    alpha: float = 1e-4
    alpha_residual: float = 1e-3
    loss: Loss = "least_squares"
    moving_sigma_m_s: float = 300.0
    light_time: bool = True
    classes: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is judged: looks, claims, and where they come from; one row per terminal and window.

    Attributes:
        batch: looks by satellite. start_lat, start_lon: centre of the cell or the claim [degree; (n,)].
        claim_lat, claim_lon: at t_ref; not-a-number where there is no claim [degree; (n,)].
        claim_height_m, claim_sigma_m: [m; (n,)].
        slot_satellite: catalogue numbers [slots]; slot_grade: of `Grade` [slots]; slot_age_s: of the elements [slots].
        slot_trust: weakest trust of the slot's values, index into `TRUST` [slots].
        window_s: length of each window [n]. fixed: the terminal is declared not to move [n].
        calibration_m: sigma of the equipment delay [n]. min_elevation_deg: at which satellites serve.
        manoeuvre_m_s2: sigma of accelerations that terminals of its kind have within a window, taken into account where measurements do
            not fit each other, or the claim, without [n]; None: none have any.
    """

    batch: Batch
    start_lat: Floats
    start_lon: Floats
    claim_lat: Floats
    claim_lon: Floats
    claim_height_m: Floats
    claim_sigma_m: Floats
    slot_satellite: Ints
    slot_grade: Ints
    slot_age_s: Floats
    slot_trust: Ints
    window_s: Floats
    fixed: Flags
    calibration_m: Floats
    min_elevation_deg: float = -90.0
    manoeuvre_m_s2: Floats | None = None

    @classmethod
    def of(
        cls, batch: Batch, start_lat: Floats, start_lon: Floats, claim_lat: Floats, claim_lon: Floats, *,
        claim_sigma_m: float = 0.0, grade: Grade = Grade.OPERATOR, age_s: float = 0.0, trust: str = "network",
        satellites: Ints | None = None, min_elevation_deg: float = -90.0, fixed: bool = True,
    ) -> Case:
        """Make a case of a batch in which everything is of one kind: for simulations and benchmarks."""
        n, slots = len(batch), len(batch.mean_m)
        dt = batch.looks[:, 0]
        first = batch.look_starts[batch.slot_starts]
        span = np.zeros(n)
        for t in range(n):
            rows = dt[first[t] : first[t + 1]]
            distinct = len(np.unique(rows))
            span[t] = (rows.max() - rows.min()) * distinct / (distinct - 1) if distinct > 1 else 0.0
        return cls(
            batch=batch, start_lat=start_lat, start_lon=start_lon, claim_lat=claim_lat, claim_lon=claim_lon,
            claim_height_m=np.full(n, math.nan), claim_sigma_m=np.full(n, claim_sigma_m),
            slot_satellite=np.arange(slots) if satellites is None else satellites,
            slot_grade=np.full(slots, int(grade)), slot_age_s=np.full(slots, age_s),
            slot_trust=np.full(slots, TRUST.index(trust)), window_s=span, fixed=np.full(n, fixed),
            calibration_m=np.zeros(n), min_elevation_deg=min_elevation_deg,
        )

    def __len__(self) -> int:
        return len(self.batch)

    @property
    def terminal_of_slot(self) -> Ints:
        """Terminal of each slot."""
        return np.repeat(np.arange(len(self)), np.diff(self.batch.slot_starts))
