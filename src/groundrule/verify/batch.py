"""Batch: the looks of many terminals as columns, and what is known of each before.

A look is one satellite at one instant t2, with a one-way range, a range rate, or both. The looks of a terminal stand by
satellite ("slot": the nuisance S, R, C is one per slot), slots stand by terminal; two columns of offsets say where each
begins. A sigma of 0 means that the state is known and not estimated, infinity that nothing is known before.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from groundrule.errors import InputError
from groundrule.frames import enu_axes, geodetic_to_ecef
from groundrule.verify import descend, model
from groundrule.verify.model import Floats

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Priors:
    """What is known of terminals before their measurements; every field is one number or one per terminal.

    Attributes:
        height_m, height_sigma_m: ellipsoidal height.
        delta_m, delta_sigma_m: residual one-way delay.
        f_m_s, f_sigma_m_s: oscillator offset as a velocity.
        fdot_sigma_m_s2: its drift; 0: none.
        cell_lat_deg, cell_lon_deg, cell_sigma_m: centre of the cell, sigma per axis (R/2 for a disc of radius R).
        cell_radius_m: hard gate of the cell.
        velocity_sigma_m_s: 0: the terminal stands still; per axis.
        velocity_east_m_s, velocity_north_m_s: claimed velocity, in axes at `axes_lat_deg`, `axes_lon_deg`.
        tau_sigma_s: offset of the network clock, one for all satellites; 0: none.
        min_elevation_deg: least elevation at which a satellite serves; the gate allows 1 degree less.
    """

    height_m: ArrayLike = 0.0
    height_sigma_m: ArrayLike = 100.0
    delta_m: ArrayLike = 0.0
    delta_sigma_m: ArrayLike = 30.0
    f_m_s: ArrayLike = 0.0
    f_sigma_m_s: ArrayLike = 30.0
    fdot_sigma_m_s2: ArrayLike = 0.0
    cell_lat_deg: ArrayLike = 0.0
    cell_lon_deg: ArrayLike = 0.0
    cell_sigma_m: ArrayLike = math.inf
    cell_radius_m: ArrayLike = math.inf
    velocity_sigma_m_s: ArrayLike = 0.0
    velocity_east_m_s: ArrayLike = 0.0
    velocity_north_m_s: ArrayLike = 0.0
    axes_lat_deg: ArrayLike = 0.0
    axes_lon_deg: ArrayLike = 0.0
    tau_sigma_s: ArrayLike = 0.0
    min_elevation_deg: ArrayLike = -90.0

    def matrix(self, count: int) -> Floats:
        """Return the priors of `count` terminals as the kernels read them (count, 18)."""

        def column(value: ArrayLike) -> Floats:
            return np.broadcast_to(np.asarray(value, np.float64), (count,))

        out = np.zeros((count, descend.PRIOR_COLUMNS))
        for index, value in (
            (descend.H0, self.height_m),
            (descend.SH, self.height_sigma_m),
            (descend.D0, self.delta_m),
            (descend.SD, self.delta_sigma_m),
            (descend.F0, self.f_m_s),
            (descend.SF, self.f_sigma_m_s),
            (descend.SFDOT, self.fdot_sigma_m_s2),
            (descend.SC, self.cell_sigma_m),
            (descend.SV, self.velocity_sigma_m_s),
            (descend.STAU, self.tau_sigma_s),
            (descend.RADIUS, self.cell_radius_m),
        ):
            out[:, index] = column(value)
        if np.isnan(out).any() or (out[:, [1, 3, 5, 6, 10, 14, 15, 17]] < 0).any():
            raise InputError("a prior is negative or not a number", help="sigmas and radii are 0, positive or infinite")
        if (out[:, descend.SC] == 0).any():
            raise InputError("a cell prior has sigma 0", help="a place that is known is tested with `profile`, not estimated")
        out[:, descend.CELL : descend.CELL + 3] = geodetic_to_ecef(
            column(self.cell_lat_deg), column(self.cell_lon_deg), column(self.height_m)
        )
        axes = enu_axes(column(self.axes_lat_deg), column(self.axes_lon_deg))
        out[:, descend.V0 : descend.V0 + 3] = (
            column(self.velocity_east_m_s)[:, None] * axes[:, 0] + column(self.velocity_north_m_s)[:, None] * axes[:, 1]
        )
        lowest = np.maximum(column(self.min_elevation_deg) - 1.0, -90.0)
        out[:, descend.SIN_EL] = np.sin(np.radians(lowest))
        return out


@dataclass(frozen=True, slots=True)
class Batch:
    """Looks of many terminals, ready for the kernels.

    Attributes:
        looks: columns `model.LOOK_*` [looks, 12].
        look_starts: first look of each slot, and the end [slots + 1].
        slot_starts: first slot of each terminal, and the end [terminals + 1].
        precision: inverse covariance of S, R, C [slots, 3, 3; 1/m2].
        mean_m: prior mean of S, R, C [slots, 3].
        scale2_m2, dof: Student-t per component; infinite dof: Gaussian by `precision` [slots, 3].
        priors: `Priors.matrix` [terminals, 18].
    """

    looks: Floats
    look_starts: Ints
    slot_starts: Ints
    precision: Floats
    mean_m: Floats
    scale2_m2: Floats
    dof: Floats
    priors: Floats

    @classmethod
    def build(
        cls,
        *,
        dt_s: ArrayLike,
        r_m: ArrayLike,
        v_m_s: ArrayLike,
        look_starts: ArrayLike,
        slot_starts: ArrayLike,
        covariance_m2: ArrayLike,
        priors: Priors,
        range_m: ArrayLike | None = None,
        range_sigma_m: ArrayLike = math.inf,
        rate_m_s: ArrayLike | None = None,
        rate_sigma_m_s: ArrayLike = math.inf,
        leg: ArrayLike = 1,
        mean_m: ArrayLike = 0.0,
        dof: ArrayLike = math.inf,
    ) -> Self:
        """Build a batch from columns.

        Args:
            dt_s: t2 - t_ref [s; (looks,)].
            r_m, v_m_s: satellite at t2 [m, m/s; (looks, 3); ECEF].
            look_starts: first look of each slot, and the end [(slots + 1,)].
            slot_starts: first slot of each terminal, and the end [(terminals + 1,)].
            covariance_m2: of S, R, C [m2; (slots, 3, 3), or (3, 3) for all]; under Student-t the squared scales on its diagonal.
            priors: of the terminals.
            range_m, range_sigma_m: one-way range; not-a-number, or sigma infinite: none [m; (looks,)].
            rate_m_s, rate_sigma_m_s: range rate, positive moving apart; likewise [m/s].
            leg: +1 for the uplink's rate, -1 for the downlink's, 0 for a rate of the instant t2 itself.
            mean_m: prior mean of S, R, C [m; (slots, 3)].
            dof: degrees of freedom of S, R, C; infinite: Gaussian.
        Raises:
            InputError: offsets that do not fit, a state or time that is not a number, a sigma that is not positive.
        """
        dt = np.asarray(dt_s, np.float64)
        count = len(dt)
        slots, terminals = _offsets(look_starts, count, "look_starts"), None
        terminals = _offsets(slot_starts, len(slots) - 1, "slot_starts")
        looks = np.zeros((count, model.LOOK_COLUMNS))
        looks[:, model.LOOK_DT] = dt
        looks[:, model.LOOK_R : model.LOOK_R + 3] = r_m
        looks[:, model.LOOK_V : model.LOOK_V + 3] = v_m_s
        looks[:, model.LOOK_LEG] = leg
        for value, sigma, at in ((range_m, range_sigma_m, model.LOOK_RANGE), (rate_m_s, rate_sigma_m_s, model.LOOK_RATE)):
            if value is None:
                continue
            values = np.broadcast_to(np.asarray(value, np.float64), count)
            sigmas = np.broadcast_to(np.asarray(sigma, np.float64), count)
            there = np.isfinite(values)
            if not (sigmas[there] > 0).all():
                raise InputError("a sigma is not positive", help="leave a value out as not-a-number, or give sigma infinity")
            looks[:, at] = np.where(there, values, 0.0)
            looks[:, at + 1] = np.where(there, 1.0 / np.where(there, sigmas, 1.0) ** 2, 0.0)
        if not np.isfinite(looks).all():
            raise InputError("a time or satellite state is not a number", help="drop looks whose satellite has no state")
        n = len(slots) - 1
        covariance = np.broadcast_to(np.asarray(covariance_m2, np.float64), (n, 3, 3))
        precision = np.ascontiguousarray(np.linalg.inv(covariance))
        return cls(
            looks,
            slots,
            terminals,
            0.5 * (precision + precision.transpose(0, 2, 1)),
            np.ascontiguousarray(np.broadcast_to(np.asarray(mean_m, np.float64), (n, 3))),
            np.ascontiguousarray(np.diagonal(covariance, axis1=1, axis2=2)),
            np.ascontiguousarray(np.broadcast_to(np.asarray(dof, np.float64), (n, 3))),
            priors.matrix(len(terminals) - 1),
        )

    def __len__(self) -> int:
        return len(self.slot_starts) - 1

    @property
    def terminal_of_look(self) -> Ints:
        """Terminal of each look."""
        return np.repeat(np.arange(len(self)), np.diff(self.look_starts[self.slot_starts]))

    @property
    def slot_of_look(self) -> Ints:
        """Slot of each look."""
        return np.repeat(np.arange(len(self.look_starts) - 1), np.diff(self.look_starts))

    def under(self, priors: Priors) -> Self:
        """Return the same looks under other priors (an attacker class, a moving model)."""
        return replace(self, priors=priors.matrix(len(self)))

    def without_slots(self, slots: Sequence[int] | Ints) -> Self:
        """Return the batch with some slots' measurements left out; the slots stay, without weight."""
        looks = self.looks.copy()
        gone = np.isin(self.slot_of_look, np.asarray(slots))
        looks[gone, model.LOOK_RANGE_W] = 0.0
        looks[gone, model.LOOK_RATE_W] = 0.0
        return replace(self, looks=looks)

    def manoeuvring(self, acceleration_m_s2: ArrayLike) -> Self:
        """Return the batch with what the velocity may change within the window as noise of its looks; `dt` is from where it is none.

        An acceleration a moves a terminal by a dt²/2 and changes its velocity by a dt. Looks of one slot are off together, so that
        averaging them gains nothing: their variances are multiplied by how many there are (section 3.3 of the specification, item 7).

        Args:
            acceleration_m_s2: one sigma, of each terminal [(n,)] or of all; 0: none.
        """
        sigma = np.broadcast_to(np.asarray(acceleration_m_s2, np.float64), (len(self),))[self.terminal_of_look]
        looks, slot = self.looks.copy(), self.slot_of_look
        away = np.abs(looks[:, model.LOOK_DT])
        for weight, doubt in ((model.LOOK_RANGE_W, 0.5 * sigma * away**2), (model.LOOK_RATE_W, sigma * away)):
            there = looks[:, weight] > 0
            together = np.bincount(slot[there], minlength=len(self.look_starts) - 1)[slot]
            w = looks[:, weight]
            looks[:, weight] = w / (1.0 + w * together * doubt**2)
        return replace(self, looks=looks)

    def only(self, *, ranges: bool = True, rates: bool = True) -> Self:
        """Return the batch with one kind of measurement left out (attackers who forge the other)."""
        looks = self.looks.copy()
        if not ranges:
            looks[:, model.LOOK_RANGE_W] = 0.0
        if not rates:
            looks[:, model.LOOK_RATE_W] = 0.0
        return replace(self, looks=looks)

    def take(self, terminals: Sequence[int] | Ints) -> Self:
        """Return the batch of some terminals, in the order asked for."""
        wanted = np.asarray(terminals, np.int64)
        slots = _gather(self.slot_starts, wanted)
        looks = _gather(self.look_starts, slots)
        return replace(
            self,
            looks=self.looks[looks],
            look_starts=_starts(np.diff(self.look_starts)[slots]),
            slot_starts=_starts(np.diff(self.slot_starts)[wanted]),
            precision=self.precision[slots],
            mean_m=self.mean_m[slots],
            scale2_m2=self.scale2_m2[slots],
            dof=self.dof[slots],
            priors=self.priors[wanted],
        )


def _starts(counts: Ints) -> Ints:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _gather(starts: Ints, wanted: Ints) -> Ints:
    counts = starts[wanted + 1] - starts[wanted]
    ends = np.cumsum(counts)
    return (np.repeat(starts[wanted] - ends + counts, counts) + np.arange(counts.sum())).astype(np.int64)


def _offsets(value: ArrayLike, end: int, name: str) -> Ints:
    out = np.ascontiguousarray(np.asarray(value, np.int64))
    if out.ndim != 1 or len(out) < 1 or out[0] != 0 or out[-1] != end or (np.diff(out) < 0).any():
        raise InputError(f"`{name}` does not divide {end} rows", help="offsets begin at 0, never fall and end at the count")
    return out
