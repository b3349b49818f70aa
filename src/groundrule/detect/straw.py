"""Straw registrations: devices in the names of persons who do not use them.

What, each told of the devices that are used elsewhere and of no others:

* `place`: at least `least` devices of one party or contact were first used far from where they are registered (the service
  address, else the account's country), at least `least_front` of them at a front; or, of a person or sole trader who has more than
  lists allow, in places far from each other;
* `quota`: at least `least_accounts` holders of one payer or contact have each as many devices as they may, or one fewer, and
  together many more than one may have;
* `bought`: an account that was quiet for long changed its party, contact or payer, and then got new devices, used elsewhere.

Why: allow-lists give each holder a few devices, so others' names are what an army must buy, borrow or extort.

Innocents: **a coerced registrant is a victim**: families of prisoners were made to register devices for the other side. A signal is
about a device, its own device at home is never told, and nothing follows for the person. A refugee's family has a few devices
in one new place, none at a front. Donors pay for many: `quota` alone is weak. Railways, companies and relief organisations have
devices in many countries: of them only what is at a front is told, and weakly, because nobody says how many they may have.

Strength is a rule of thumb.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from groundrule.detect.place_memory import EVENT_FRONT
from groundrule.detect.rows import NOWHERE, Facts, Places, Rows
from groundrule.detect.signals import Offending, Signal
from groundrule.detect.state import distance_m
from groundrule.detect.ties import Members, Ties
from groundrule.detect.whereabouts import Name, Whereabouts
from groundrule.instant import MIN_NS, NS_PER_DAY

TiesOf = Callable[[Facts], Ties]
_PATTERNS: Final = ("place", "quota", "bought")


@dataclass(frozen=True, slots=True)
class StrawSettings:
    """Thresholds; rules of thumb on simulated registrations.

    Attributes:
        far_m: distance between registration and first use [m].
        least: devices of one body that are used far away.
        share: of its devices in use.
        least_front: of them at a front. apart_m: or so far from each other [m].
        least_accounts: holders of one payer or contact, for `quota`.
        quiet_days: an account's age when it changes hands [d]. fresh_days: new devices after that [d].
        least_new: new devices of a bought account.
        few: who may have at most so many devices is a person or a sole trader (the lists' quotas).
        front: strength at a front of one who has more than lists allow. front_within: of one who has not, or of whom nobody knows.
        spread, quota, bought: strengths.
        again_days: told again after so long at the earliest, half of how long it counts [d].
    """

    far_m: float = 150_000.0
    least: int = 3
    share: float = 0.5
    least_front: int = 2
    apart_m: float = 100_000.0
    least_accounts: int = 4
    quiet_days: float = 180.0
    fresh_days: float = 60.0
    least_new: int = 2
    few: int = 3
    front: float = 0.5
    front_within: float = 0.25
    spread: float = 0.25
    quota: float = 0.25
    bought: float = 0.35
    again_days: float = 15.0


@dataclass(slots=True)
class _Used:
    """One device in use: since when, where, how."""

    seen: Offending
    far: bool
    front: bool


@dataclass(slots=True)
class _Body:
    """One party, contact, payer or account: its devices in use, and when they were told."""

    used: dict[int, _Used] = field(default_factory=dict)
    told_ns: dict[tuple[str, int], int] = field(default_factory=dict)


class Registrations:
    """Memory of which devices of which bodies are used where.

    Args:
        whereabouts: says where devices are first used; it is given every batch first.
        settings: see there.
        ties: what connects terminals besides their account; None knows nothing.
    """

    def __init__(self, whereabouts: Whereabouts, settings: StrawSettings | None = None, *, ties: TiesOf | None = None) -> None:
        self.whereabouts = whereabouts
        self.settings = settings or StrawSettings()
        self.ties = ties
        self._known: tuple[Facts, Ties] | None = None
        self._bodies: dict[str, _Body] = {}
        self._held: dict[str, Members] = {}

    @property
    def nbytes(self) -> int:
        """Nothing is kept for each terminal; some hundred bytes for each that is used far away."""
        return 0

    def grow(self, terminals: int) -> None:
        """Nothing is kept for each terminal."""

    def finish(self, name: Name) -> list[Signal]:  # noqa: ARG002 - like all that gather
        """Nothing is held back."""
        return []

    def update(self, rows: Rows, facts: Facts, places: Places, name: Name) -> list[Signal]:
        """Take a batch that `whereabouts` was just given, and say what the first uses in it raise."""
        if not len(rows):
            return []
        if self._known is None or self._known[0] is not facts:
            self._known = facts, Ties.unknown(len(facts)) if self.ties is None else self.ties(facts)
            self._held = {}
        ties = self._known[1]
        events = self.whereabouts.events
        if not len(events):
            return []
        about = rows.row[events["index"]]
        far = _far(about, rows, events["index"], facts, places, self.settings.far_m)
        wanted = (far | (events["what"] == EVENT_FRONT)) & ~facts.protected[about]
        signals: list[Signal] = []
        for event, is_far in zip(events[wanted], far[wanted].tolist(), strict=True):
            i = int(event["index"])
            signals += self._use(i, rows, bool(is_far), int(event["what"]) == EVENT_FRONT, facts, ties, name)
        return signals

    def _use(self, i: int, rows: Rows, far: bool, front: bool, facts: Facts, ties: Ties, name: Name) -> list[Signal]:
        row, t = int(rows.row[i]), int(rows.t_ns[i])
        seen = Offending(t, float(rows.lat_deg[i]), float(rows.lon_deg[i]), float(rows.sigma_m[i]))
        signals: list[Signal] = []
        for kind in ("account", "party", "contact", "payer"):
            number = int(ties.of_kind(kind, facts)[row])
            if number < 0:
                continue
            key = ties.name(kind, number, facts)
            body = self._bodies.setdefault(key, _Body())
            known = body.used.get(row)
            body.used[row] = _Used(seen if known is None else known.seen, far or (known is not None and known.far), front)
            if known is not None:
                body.used[row].front |= known.front
            for pattern in _PATTERNS:
                strength, found = self._judged(pattern, kind, number, body, row, facts, ties)
                if strength:
                    signals += self._told(pattern, key, body, t, strength, found, name)
        strongest: dict[str, Signal] = {}
        for one in signals:
            if one.terminal_id not in strongest or one.strength > strongest[one.terminal_id].strength:
                strongest[one.terminal_id] = one
        return [strongest[one] for one in sorted(strongest)]

    def _judged(
        self, pattern: str, kind: str, number: int, body: _Body, row: int, facts: Facts, ties: Ties
    ) -> tuple[float, tuple[tuple[str, float, str], ...]]:
        s = self.settings
        away = [one for one in body.used.values() if one.far]
        if pattern == "place" and kind in {"party", "contact"}:
            devices = len(self._members(kind).of(number)) if len(away) >= s.least else 0
            at_front = sum(one.front for one in away)
            if len(away) < s.least or len(away) < s.share * devices:
                return 0.0, ()
            allowed = int(ties.quota[row])
            over = 0 < allowed <= s.few and devices > allowed
            if at_front >= s.least_front:
                strength = s.front if over else s.front_within
            else:
                strength = s.spread if over and _apart_m([one.seen for one in away]) > s.apart_m else 0.0
            return strength, (
                ("devices of one registrant", float(devices), ""), ("first used far away", float(len(away)), ""),
                ("at a front", float(at_front), ""),
            )  # fmt: skip
        if pattern == "quota" and kind in {"contact", "payer"}:
            if len(away) < s.least:
                return 0.0, ()
            mine = self._members(kind).of(number)
            mine = mine[(facts.party[mine] >= 0) & (ties.quota[mine] > 0)]
            _, first, devices_each = np.unique(facts.party[mine], return_index=True, return_counts=True)
            quota = ties.quota[mine[first]]
            full = (devices_each <= quota) & (devices_each >= np.maximum(1, quota - 1))
            together = float(devices_each[full].sum())
            if full.sum() < s.least_accounts or together <= 2 * quota[full].max(initial=0):
                return 0.0, ()
            return s.quota, (("holders with one payer or contact", float(full.sum()), ""), ("their devices", together, ""))
        if pattern == "bought" and kind == "account":
            changed = int(ties.changed_ns[row])
            if changed == MIN_NS or len(away) < s.least_new:
                return 0.0, ()
            mine = self._members(kind).of(number)
            activated = facts.activated_ns[mine]
            known = activated != MIN_NS
            if not known.any() or changed - int(activated[known].min()) < s.quiet_days * NS_PER_DAY:
                return 0.0, ()
            new = known & (activated >= changed) & (activated <= changed + round(s.fresh_days * NS_PER_DAY))
            used = [one for one in mine[new].tolist() if one in body.used and body.used[one].far]
            if len(used) < s.least_new:
                return 0.0, ()
            devices_new = ("new devices after the account changed hands", float(new.sum()), "")
            return s.bought, (devices_new, ("used far away", float(len(used)), ""))
        return 0.0, ()

    def _members(self, kind: str) -> Members:
        assert self._known is not None
        if kind not in self._held:
            facts, ties = self._known
            self._held[kind] = Members(ties.of_kind(kind, facts))
        return self._held[kind]

    def _told(
        self, pattern: str, key: str, body: _Body, t: int, strength: float, found: tuple[tuple[str, float, str], ...], name: Name
    ) -> list[Signal]:
        """Tell it of each device that is used far away, the earlier ones too."""
        away = {row: one for row, one in body.used.items() if one.far}
        others = sorted((name(row), row) for row in away)
        signals = []
        for terminal, row in others:
            last = body.told_ns.get((pattern, row))
            if last is not None and t - last < self.settings.again_days * NS_PER_DAY:
                continue
            body.told_ns[pattern, row] = t
            seen = away[row].seen
            quoted = [Offending(one.observed_at, one.lat_deg, one.lon_deg, one.position_sigma_m, other)
                      for other, number in others if number != row for one in (away[number].seen,)]  # fmt: skip
            signals.append(Signal(
                "straw_registration", terminal, t, min(t, *(one.seen.observed_at for one in away.values())), strength, seen.lat_deg,
                seen.lon_deg, key if key.startswith(("account", "party")) else None, found, (seen, *quoted)[:16],
            ))  # fmt: skip
        return signals


def _far(
    about: NDArray[np.int32], rows: Rows, index: NDArray[np.int64], facts: Facts, places: Places, far_m: float
) -> NDArray[np.bool_]:
    """Is each first use far from where its device is registered: from its address, or else out of its account's country?"""
    lat, lon = facts.home_lat_deg[about], facts.home_lon_deg[about]
    country, account = places.country[rows.place[index]], facts.account_country[about]
    abroad = (country != NOWHERE) & (account != NOWHERE) & (country != account)
    far = np.array([
        distance_m(a, b, c, d) > far_m
        for a, b, c, d in zip(lat.tolist(), lon.tolist(), rows.lat_deg[index].tolist(), rows.lon_deg[index].tolist(), strict=True)
    ], np.bool_)  # fmt: skip
    return np.where(np.isnan(lat), abroad, far)


def _apart_m(seen: list[Offending]) -> float:
    """Largest distance from the first place [m]."""
    known = [(one.lat_deg, one.lon_deg) for one in seen if one.lat_deg is not None and one.lon_deg is not None]
    return max((float(distance_m(*known[0], lat, lon)) for lat, lon in known), default=0.0)


