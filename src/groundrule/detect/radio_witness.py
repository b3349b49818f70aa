"""Verdicts of the radio as words of witnesses: who was found where it said, near there, before it was contradicted."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

from groundrule.detect.gnss_track import RADIO, VOTES, TrackLimits
from groundrule.detect.memory import grown
from groundrule.detect.state import distance_m
from groundrule.detect.words_spoken import EVENT_DTYPE
from groundrule.instant import MIN_NS

NEAR_M = 50_000.0
"""A terminal is a witness of a place if it was consistent within this distance of it [m]; radio positions of a short window
are not better than that."""

_DTYPE = np.dtype([("t_first", "i8"), ("t_ok", "i8"), ("lat_ok", "f8"), ("lon_ok", "f8"), ("t_last", "i8")])


@dataclass(slots=True)
class RadioWitnesses:
    """Remembers of each terminal when and where the radio last agreed with it.

    A terminal that has been contradicted from the first is no witness: many who lie from one place stay many liars.

    Args:
        limits: residence and memory of witnesses.
    """

    limits: TrackLimits
    rows: NDArray[np.void] = field(init=False)

    def __post_init__(self) -> None:
        self.rows = np.zeros(0, _DTYPE)

    def grow(self, terminals: int) -> None:
        """Make room for terminals that were not known before."""
        self.rows = grown(self.rows, terminals, _unseen)

    def take(
        self, terminal: NDArray[np.int32], verifications: pa.Table
    ) -> tuple[NDArray[np.void], NDArray[np.float64], NDArray[np.float64], NDArray[np.int32]]:
        """Turn verdicts into events.

        Only `consistent` and `inconsistent` say something; those that came back in time within a terminal say nothing.

        Args:
            terminal: row of each verdict's terminal.
            verifications: in the order of at_ns.
        Returns:
            events without cells; the place by radio of each [degree; NaN unknown]; its terminal.
        """
        verdict = verifications.column("verdict").to_pylist()
        says = np.array([{"consistent": 1, "inconsistent": 2}.get(word, 0) for word in verdict], np.uint8)
        t_ns = verifications.column("at_ns").to_numpy().astype(np.int64)
        lat = np.array(verifications.column("lat_deg").to_numpy(zero_copy_only=False), np.float64)
        lon = np.array(verifications.column("lon_deg").to_numpy(zero_copy_only=False), np.float64)
        bad = ~(np.abs(lat) <= 90.0) | ~(np.abs(lon) <= 360.0)
        lat[bad], lon[bad] = np.nan, np.nan
        flags = np.zeros(len(t_ns), np.uint8)
        used = _witness(
            self.rows, terminal, t_ns, lat, lon, says, flags,
            np.int64(self.limits.residence_s * 1e9), np.int64(self.limits.memory_s * 1e9), NEAR_M,
        )  # fmt: skip
        events = np.zeros(int(used.sum()), EVENT_DTYPE)
        events["t"], events["terminal"], events["flags"] = t_ns[used], terminal[used], flags[used]
        events["lat"], events["lon"] = events["home_lat"], events["home_lon"] = lat[used], lon[used]
        return events, lat[used], lon[used], terminal[used]


def _unseen(terminals: int) -> NDArray[np.void]:
    """Return the memory of terminals that were never seen."""
    rows = np.zeros(terminals, _DTYPE)
    for name in ("t_first", "t_ok", "t_last"):
        rows[name] = MIN_NS
    return rows


@njit(cache=True, nogil=True)
def _witness(rows, terminal, t_ns, lat, lon, says, flags, residence, memory, near):  # type: ignore[no-untyped-def]  # compiled; typed by numba
    used = np.zeros(len(t_ns), np.bool_)
    for i in range(len(t_ns)):
        seen = rows[terminal[i]]
        t = t_ns[i]
        if says[i] == 0 or t < seen.t_last or np.isnan(lat[i]):
            continue
        seen.t_last = t
        used[i] = True
        known = seen.t_ok != MIN_NS and t - seen.t_ok <= memory
        here = known and distance_m(seen.lat_ok, seen.lon_ok, lat[i], lon[i]) <= near
        if here and seen.t_ok - seen.t_first >= residence:
            flags[i] |= np.uint8(VOTES)
        if says[i] == 2:
            flags[i] |= np.uint8(RADIO)
        else:
            if not here:
                seen.t_first = t
            seen.t_ok = t
            seen.lat_ok = lat[i]
            seen.lon_ok = lon[i]
    return used
