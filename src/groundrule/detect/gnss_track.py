"""What each terminal says of its own satellite navigation, row by row: calm, displaced or lost, and where it was last at home.

A terminal is calm while its positions can follow from each other. It is displaced from an impossible jump on until it is
back or a long time has passed, and lost while it reports without a usable position after it had one. Its home is the place
around which its calm positions stayed; only a terminal that stayed for some time is a witness of its area. This is a pure
function of each terminal's own rows in time order, whatever the batches.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from groundrule.detect.memory import grown
from groundrule.detect.state import distance_m, distances_m
from groundrule.instant import MIN_NS

VOTES, JUMPED, LOST, RADIO, SETTLED, SKIPPED = 1, 2, 4, 8, 16, 128
"""Flags of one row: its terminal is a witness; displaced; lost; radio disagrees; shows a calm position at the home where it has stayed;
came out of order and was not used."""

CALM, DISPLACED, GONE = 1, 2, 3

REPORTED, ABSENT, INHIBITED, NETWORK = 0, 1, 2, 3
"""What a row says: a position of the terminal's own; none although asked; none by the terminal's own choice; the network's."""

TRACK_DTYPE = np.dtype(
    [
        ("t_last", "i8"),
        # Last calm position; where and since when it stayed; last position of all.
        ("t_fix", "i8"), ("lat_fix", "f8"), ("lon_fix", "f8"), ("t_home", "i8"), ("lat_home", "f8"), ("lon_home", "f8"),
        ("t_claim", "i8"), ("lat_claim", "f8"), ("lon_claim", "f8"), ("t_moved", "i8"),
        ("sigma_fix", "f4"), ("usual", "f4"), ("cell", "i4"), ("fresh", "i4"), ("status", "u1"),
    ]
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class TrackLimits:
    """What a terminal can do, and how long it is remembered.

    Attributes:
        reach_m_s: fastest that anything served moves [m/s]; 350 is above airliners.
        reach_from_home_m_s: the same for a terminal that had stayed at its home until its last calm position [m/s].
        slack_m: added to what can be reached, for delays of time stamps [m].
        sigmas: combined standard deviations of two positions added to what can be reached.
        return_m: a displaced terminal is back within this of its last calm position [m].
        roam_m: a home ends when a calm position lies farther from it than this [m].
        residence_s: how long a terminal must have stayed at its home to be a witness [s].
        max_gap_s: after a longer silence a jump says nothing [s].
        memory_s: how long a lost or displaced terminal remains a witness of its area [s].
        passing_s: how long a displaced terminal that did not stay anywhere is held to its last calm position [s].
        blow_up: a position is as good as lost when its sigma is this many times the terminal's usual one …
        blow_up_m: … and above this [m].
        assumed_sigma_m: standard deviation of positions that come without one [m].
    """

    reach_m_s: float = 350.0
    reach_from_home_m_s: float = 100.0
    slack_m: float = 2_000.0
    sigmas: float = 5.0
    return_m: float = 5_000.0
    roam_m: float = 2_000.0
    residence_s: float = 600.0
    max_gap_s: float = 900.0
    memory_s: float = 86_400.0
    passing_s: float = 1_800.0
    blow_up: float = 10.0
    blow_up_m: float = 300.0
    assumed_sigma_m: float = 50.0


@dataclass(slots=True)
class Tracks:
    """Memory of n terminals.

    Attributes:
        rows: structured array of TRACK_DTYPE, shape (n,).
        limits: what a terminal can do.
    """

    rows: NDArray[np.void]
    limits: TrackLimits

    @classmethod
    def empty(cls, limits: TrackLimits) -> Tracks:
        """Return the memory of no terminals."""
        return cls(np.zeros(0, TRACK_DTYPE), limits)

    def grow(self, terminals: int) -> None:
        """Make room for terminals that were not known before."""
        self.rows = grown(self.rows, terminals, _unseen)

    def advance(
        self,
        terminal: NDArray[np.int32],
        t_ns: NDArray[np.int64],
        lat_deg: NDArray[np.float64],
        lon_deg: NDArray[np.float64],
        sigma_m: NDArray[np.float32],
        said: NDArray[np.uint8],
    ) -> tuple[NDArray[np.uint8], NDArray[np.int32], NDArray[np.float64]]:
        """Follow a batch.

        Args:
            terminal: row of each observation's terminal in the memory.
            t_ns: instants [ns, UTC]; rows that go back within a terminal are skipped.
            lat_deg, lon_deg: positions [degree; NaN if absent].
            sigma_m: standard deviation per axis [m; NaN if not given].
            said: REPORTED, ABSENT, INHIBITED or NETWORK.
        Returns:
            flags per row; index of the row's home among those that began in this batch, or -1 for the one remembered as
            `cell`; and those homes: latitude, longitude [degree] and terminal, shape (homes, 3).
        """
        flags, home = np.empty(len(t_ns), np.uint8), np.empty(len(t_ns), np.int32)
        homes = np.empty((len(t_ns), 3))
        limits = self.limits
        count = _advance(
            self.rows, terminal, t_ns, lat_deg, lon_deg, sigma_m, said,
            np.array([limits.reach_m_s, limits.slack_m, limits.sigmas, limits.return_m, limits.roam_m,
                      limits.blow_up, limits.blow_up_m, limits.assumed_sigma_m, limits.reach_from_home_m_s]),
            np.array([limits.residence_s * 1e9, limits.max_gap_s * 1e9, limits.memory_s * 1e9,
                      limits.passing_s * 1e9], np.int64),
            flags, home, homes,
        )  # fmt: skip
        return flags, home, homes[:count]

    def settled(
        self,
        terminal: NDArray[np.int32],
        t_ns: NDArray[np.int64],
        lat_deg: NDArray[np.float64],
        lon_deg: NDArray[np.float64],
        sigma_m: NDArray[np.float32],
    ) -> NDArray[np.bool_]:
        """Say which rows `advance` would flag SETTLED, and learn nothing from them; arguments as there, all REPORTED."""
        tracks, limits = self.rows[terminal], self.limits
        sigma = np.nan_to_num(sigma_m, nan=limits.assumed_sigma_m)
        loud = (tracks["usual"] > 0) & (sigma > limits.blow_up_m) & (sigma > limits.blow_up * tracks["usual"])
        found = (tracks["status"] == CALM) & ~loud & (t_ns >= tracks["t_last"])
        found &= t_ns - np.where(tracks["t_home"] == MIN_NS, t_ns, tracks["t_home"]) >= limits.residence_s * 1e9
        rows = np.flatnonzero(found)
        away = distances_m(tracks["lat_home"][rows], tracks["lon_home"][rows], lat_deg[rows], lon_deg[rows])
        found[rows] = away <= limits.roam_m
        return np.asarray(found)

    def settle(self, homes: NDArray[np.float64], cells: NDArray[np.int32]) -> None:
        """Remember the cells of the homes that a batch began; of several of one terminal the last."""
        terminal = homes[:, 2].astype(np.int64)
        self.rows["cell"][terminal] = cells  # the last of repeated indices stays
        self.rows["fresh"][terminal] = -1


def _unseen(terminals: int) -> NDArray[np.void]:
    """Return the memory of terminals that were never seen."""
    rows = np.zeros(terminals, TRACK_DTYPE)
    for name in ("t_last", "t_fix", "t_home", "t_claim", "t_moved"):
        rows[name] = MIN_NS
    rows["cell"] = rows["fresh"] = -1
    return rows


@njit(cache=True, nogil=True)
def _advance(rows, terminal, t_ns, lat, lon, sigma, said, number, span, out, out_home, homes):  # type: ignore[no-untyped-def]  # compiled; typed by numba
    reach, slack, sigmas, back, roam = number[0], number[1], number[2], number[3], number[4]
    blow, blow_m, assumed, from_home = number[5], number[6], number[7], number[8]
    residence, gap, memory, passing = span[0], span[1], span[2], span[3]
    count = 0
    for i in range(len(t_ns)):
        track = rows[terminal[i]]
        t = t_ns[i]
        flags = np.uint8(0)
        if t < track.t_last:
            out[i] = SKIPPED
            out_home[i] = track.fresh
            continue
        silent = track.t_last == MIN_NS or t - track.t_last > gap
        track.t_last = t
        known = track.t_fix != MIN_NS
        if said[i] == ABSENT:
            if known and t - track.t_fix <= memory:
                flags = np.uint8(LOST)
                if track.status == DISPLACED:
                    flags = np.uint8(LOST | JUMPED)
                else:
                    track.status = GONE
        elif said[i] == REPORTED:
            s = np.float64(sigma[i])
            if np.isnan(s):
                s = assumed
            away = distance_m(track.lat_fix, track.lon_fix, lat[i], lon[i]) if known else 0.0
            doubt = sigmas * np.sqrt(s * s + np.float64(track.sigma_fix) * track.sigma_fix)
            stayed = known and track.t_fix - track.t_home >= residence
            calm = True
            if known and track.status == DISPLACED:
                calm = away <= back + doubt or silent or t - track.t_moved > (memory if stayed else passing)
                if not calm:
                    # A second impossible jump, to where it could be by now, is the way back.
                    hop = distance_m(track.lat_claim, track.lon_claim, lat[i], lon[i])
                    may = slack + doubt
                    calm = (
                        hop > reach * (t - track.t_claim) * 1e-9 + may and away <= reach * (t - track.t_fix) * 1e-9 + may
                    )
                if not calm:
                    flags = np.uint8(JUMPED)
            elif known and not silent and away > (from_home if stayed else reach) * (t - track.t_fix) * 1e-9 + slack + doubt:
                calm = False
                track.status = DISPLACED
                track.t_moved = t
                flags = np.uint8(JUMPED)
            track.t_claim = t
            track.lat_claim = lat[i]
            track.lon_claim = lon[i]
            if calm and known and track.usual > 0.0 and s > blow_m and s > blow * track.usual:
                calm = False
                if t - track.t_fix <= memory:
                    flags = np.uint8(LOST)
                    track.status = GONE
            if calm:
                track.status = CALM
                track.t_fix = t
                track.lat_fix = lat[i]
                track.lon_fix = lon[i]
                track.sigma_fix = s
                track.usual = s if track.usual == 0.0 else track.usual + 0.05 * (s - track.usual)
                if not known or distance_m(track.lat_home, track.lon_home, lat[i], lon[i]) > roam:
                    track.t_home = t
                    track.lat_home = lat[i]
                    track.lon_home = lon[i]
                    track.fresh = count
                    homes[count, 0] = lat[i]
                    homes[count, 1] = lon[i]
                    homes[count, 2] = terminal[i]
                    count += 1
                elif t - track.t_home >= residence:
                    flags |= np.uint8(SETTLED)
        speaks = said[i] == REPORTED or said[i] == ABSENT
        if speaks and track.t_fix != MIN_NS and track.t_fix - track.t_home >= residence and t - track.t_fix <= memory:
            flags |= np.uint8(VOTES)
        out[i] = flags
        out_home[i] = track.fresh
    return count
