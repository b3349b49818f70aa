"""Observations that raise signals of many kinds, and the signals that a home's history gives in the end."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from groundrule.pipeline.detecting import Detection
from groundrule.pipeline.detectors import detection_of
from groundrule.pipeline.history import all_observations
from groundrule.pipeline.home import basis_of
from groundrule.records import with_later
from groundrule.store.home import Home
from small_home import RECORDED, observation, table

NAMES = ("car", "train", "guest", "van", "late payer", "stranger")


def wild_observations(seed: int, steps: int = 60) -> pa.Table:
    """Terminals that rest, launch, drive, jump and come back, cross borders, sleep, fall silent, and switch navigation off."""
    rng = np.random.default_rng(seed)
    rows = []
    for number, name in enumerate(NAMES):
        at_s, lat, lon = float(rng.uniform(0, 600)), 5.0 + 0.3 * number, float(rng.uniform(9.6, 9.9))
        km_h, state, jumped = 0.0, None, False
        for step in range(steps):
            if step % 8 == 0:
                km_h = float(rng.choice([0, 0, 30, 120, 170, 180, 600]))
                state = str(rng.choice(["normal", "inhibited", "lost"], p=[0.8, 0.15, 0.05])) if rng.random() < 0.3 else None
            if rng.random() < 0.06:
                jumped = not jumped
            gap_s = float(rng.choice([15, 15, 15, 15, 40, 400, 40_000], p=[0.3, 0.2, 0.2, 0.1, 0.1, 0.08, 0.02]))
            at_s += gap_s
            lon += min(km_h / 3.6 * gap_s / 111_320, 0.8) * (1 if lon < 14 else -1)
            place = (None, None) if state == "lost" else (lat + (3.0 if jumped else 0.0), lon)
            said = {} if state is None else {"gnss_state": state}
            rows.append(observation(name, at_s, *place, position_sigma_m=8.0, served=bool(rng.random() < 0.9), **said))
    return with_later(table(rows)).sort_by([("observed_at", "ascending"), ("terminal_id", "ascending")])


def fresh_detection(home: Home) -> Detection:
    return detection_of(home, basis_of(home, recorded_at_ns=RECORDED), recorded_at_ns=RECORDED)


def signals_over(detection: Detection, batches: Iterable[pa.Table]) -> pa.Table:
    """Signals of a whole stream in order of time."""
    for batch in batches:
        detection.update(batch)
    detection.finish()
    detection.conclude()
    return detection.table()


def final_signals(home: Home) -> pa.Table:
    """What the home's stored observations give in the end, in whatever order they came."""
    return signals_over(fresh_detection(home), all_observations(home))
