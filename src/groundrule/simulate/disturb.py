"""Disturb: what stands between where terminals are and what they say.

In this order: a liar claims its place whatever happens to its receiver; false signals put every other receiver in their reach
onto one circle, all at once; jamming takes the position away; an outage takes the report away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from groundrule.simulate.description import Spoofing, Zone
from groundrule.simulate.fleet import Said
from groundrule.simulate.places import distance_km, reached

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

_LOST, _INHIBITED = 1, 2
"""Indices into `fleet.GNSS_WORDS`."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A zone with those whom it hits where they come into it.

    Attributes:
        zone: where and when. open_to: terminals that it can hit [n].
    """

    zone: Zone
    open_to: Flags

    def at(self, t_s: float, lat_deg: Floats, lon_deg: Floats) -> Flags:
        """Which terminals it hits at a time [n]."""
        zone = self.zone
        if not zone.from_s <= t_s < zone.until_s:
            return np.zeros(len(self.open_to), np.bool_)
        if zone.centre is None:
            return self.open_to
        return self.open_to & (distance_km(zone.centre, lat_deg, lon_deg) <= zone.radius_km)


@dataclass(frozen=True, slots=True)
class Disturbance:
    """The effects of a scenario on a fleet; see `fleet.Effects`.

    Attributes:
        claim_lat_deg, claim_lon_deg: claimed place of each liar, not-a-number for others [n].
        inhibited: terminals whose satellite navigation is switched off [n].
        spoofing: circles with those they hit. jamming, outages: zones.
        refusals: zones in which no data flows.
        gnss: terminals that have a position of their own from satellites [n].
        phase: where on a circle each receiver is put, unless all are put on one place [n; rad].
    """

    claim_lat_deg: Floats
    claim_lon_deg: Floats
    inhibited: Flags
    gnss: Flags
    phase: Floats
    spoofing: tuple[tuple[Spoofing, Hit], ...]
    jamming: tuple[Hit, ...]
    outages: tuple[Hit, ...]
    refusals: tuple[Hit, ...] = ()

    def only(self, rows: NDArray[np.int64]) -> Disturbance:
        """The same for some of the terminals."""

        def part(hit: Hit) -> Hit:
            return Hit(hit.zone, hit.open_to[rows])

        return Disturbance(
            self.claim_lat_deg[rows], self.claim_lon_deg[rows], self.inhibited[rows], self.gnss[rows], self.phase[rows],
            tuple((circle, part(hit)) for circle, hit in self.spoofing), tuple(map(part, self.jamming)), tuple(map(part, self.outages)),
            tuple(map(part, self.refusals)),
        )

    @property
    def liar(self) -> Flags:
        """Terminals that claim a false place [n]."""
        return ~np.isnan(self.claim_lat_deg)

    def said(self, t_s: float, place: tuple[Floats, Floats], error: tuple[Floats, Floats], motion: tuple[Floats, Floats]) -> Said:
        """What is reported at a time; see `fleet.Effects`."""
        liar = self.liar
        lat = np.where(liar, self.claim_lat_deg, place[0])
        lon = np.where(liar, self.claim_lon_deg, place[1])
        speed, course = np.where(liar, 0.0, motion[0]), np.where(liar, np.nan, motion[1])
        for circle, hit in self.spoofing:
            on = self.moved_by(hit, t_s, place)
            if on.any():
                angle = 2 * np.pi * (t_s - circle.zone.from_s) / circle.period_s + (0.0 if circle.together else self.phase[on])
                lat[on], lon[on] = _on_circle(circle, angle * np.ones(int(on.sum())))
                speed[on] = 2 * np.pi * circle.radius_km * 1000 / circle.period_s
                course[on] = (np.degrees(angle) + 90.0) % 360.0
        lost = self.inhibited.copy()
        state = np.where(self.inhibited, _INHIBITED, 0).astype(np.int8)
        for hit in self.jamming:
            on = hit.at(t_s, *place) & self.gnss & ~liar & ~self.inhibited
            lost |= on
            state[on] = _LOST
        refused = np.zeros(len(lost), np.bool_)
        for hit in self.refusals:
            refused |= hit.at(t_s, *place)
        return Said(lat + error[0], lon + error[1], speed, course, lost, self.silent(t_s, place), state, refused)

    def moved_by(self, hit: Hit, t_s: float, place: tuple[Floats, Floats]) -> Flags:
        """Receivers that false signals of a zone move at a time [n]."""
        return hit.at(t_s, *place) & self.gnss & ~self.liar & ~self.inhibited

    def silent(self, t_s: float, place: tuple[Floats, Floats]) -> Flags:
        """Terminals that nobody hears at a time [n]."""
        out = np.zeros(len(place[0]), np.bool_)
        for hit in self.outages:
            out |= hit.at(t_s, *place)
        return out

    def spoofed(self, t_s: float, place: tuple[Floats, Floats]) -> Flags:
        """Terminals that report a circle instead of their place [n]."""
        out = np.zeros(len(place[0]), np.bool_)
        for _, hit in self.spoofing:
            out |= self.moved_by(hit, t_s, place)
        return out


def open_to(zones: Sequence[Zone], count: int, rng: np.random.Generator) -> tuple[Hit, ...]:
    """Draw whom each zone can hit."""
    return tuple(Hit(zone, rng.random(count) < zone.share) for zone in zones)


def _on_circle(circle: Spoofing, angle: Floats) -> tuple[Floats, Floats]:
    return reached(circle.centre, angle, np.full(len(angle), circle.radius_km))
