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

from bisect import insort
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from groundrule.detect.place_memory import EVENT_FRONT
from groundrule.detect.rows import NOWHERE, Facts, Places, Rows
from groundrule.detect.signals import Offending, Signal
from groundrule.detect.state import distance_m, distances_m
from groundrule.detect.ties import Members, Ties
from groundrule.detect.whereabouts import Name, Noting
from groundrule.detect.without_memory import WithoutMemory
from groundrule.instant import MAX_NS, MIN_NS, NS_PER_DAY

TiesOf = Callable[[Facts], Ties]
_PATTERNS: Final = {"account": ("bought",), "party": ("place",), "contact": ("place", "quota"), "payer": ("quota",)}
"""What is looked for in the devices of each kind of body."""
MOST_QUOTED: Final = 16
"""Devices whose first uses a signal quotes, its own among them."""


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
class _Told:
    """When devices were told of one pattern: those of `_Body.away` up to `upto`, the longest ago at `oldest_ns`."""

    at_ns: dict[int, int] = field(default_factory=dict)
    upto: int = 0
    oldest_ns: int = MAX_NS


@dataclass(slots=True)
class _Body:
    """One party, contact, payer or account: its devices in use, and when they were told.

    What is asked of all of them is kept up to date, because a body may have ten thousand.

    Attributes:
        away: rows of those that are used far away, as they came to be known. at_front: how many of them are at a front.
        first_ns: the earliest first use among them [ns, UTC]. apart_m: the largest distance from the first of them [m].
        named: those with the first names, as many as a signal may quote.
    """

    used: dict[int, _Used] = field(default_factory=dict)
    away: list[int] = field(default_factory=list)
    at_front: int = 0
    first_ns: int = MAX_NS
    apart_m: float = 0.0
    named: list[tuple[str, int]] = field(default_factory=list)
    told: dict[str, _Told] = field(default_factory=dict)

    def take(self, row: int, seen: Offending, far: bool, front: bool, name: Name) -> None:
        """Learn how a device is used."""
        known = self.used.get(row) or _Used(seen, False, False)
        now = self.used[row] = _Used(known.seen, known.far or far, known.front or front)
        if not now.far:
            return
        self.at_front += now.front - (known.far and known.front)
        if known.far:
            return
        self.away.append(row)
        self.first_ns = min(self.first_ns, now.seen.observed_at)
        first = self.used[self.away[0]].seen
        self.apart_m = max(self.apart_m, float(distance_m(first.lat_deg, first.lon_deg, now.seen.lat_deg, now.seen.lon_deg)))
        insort(self.named, (name(row), row))
        del self.named[MOST_QUOTED + 1 :]


class Registrations(WithoutMemory):
    """Memory of which devices of which bodies are used where: some hundred bytes for each that is used far away.

    Args:
        whereabouts: says where devices are first used; it is given every batch first.
        settings: see there.
        ties: what connects terminals besides their account; None knows nothing.
    """

    def __init__(self, whereabouts: Noting, settings: StrawSettings | None = None, *, ties: TiesOf | None = None) -> None:
        self.whereabouts = whereabouts
        self.settings = settings or StrawSettings()
        self.ties = ties
        self._known: tuple[Facts, Ties] | None = None
        self._bodies: dict[str, _Body] = {}
        self._again_ns = round(self.settings.again_days * NS_PER_DAY)
        self._forget()

    def _forget(self) -> None:
        """What follows from facts and ties alone is found again when they change."""
        self._held: dict[str, Members] = {}
        self._counts: dict[tuple[str, int], int] = {}
        self._quotas: dict[tuple[str, int], tuple[float, float]] = {}
        self._new: dict[tuple[int, int], list[int]] = {}

    def update(self, rows: Rows, facts: Facts, places: Places, name: Name) -> list[Signal]:
        """Take a batch that `whereabouts` was just given, and say what the first uses in it raise."""
        if not len(rows):
            return []
        if self._known is None or self._known[0] is not facts:
            self._known = facts, Ties.unknown(len(facts)) if self.ties is None else self.ties(facts)
            self._forget()
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
        for kind, patterns in _PATTERNS.items():
            number = int(ties.of_kind(kind, facts)[row])
            if number < 0:
                continue
            key = ties.name(kind, number, facts)
            body = self._bodies.setdefault(key, _Body())
            body.take(row, seen, far, front, name)
            for pattern in patterns:
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
        s, away = self.settings, len(body.away)
        if pattern == "place":
            if away < s.least:
                return 0.0, ()
            devices = self._devices(kind, number)
            if away < s.share * devices:
                return 0.0, ()
            allowed = int(ties.quota[row])
            over = 0 < allowed <= s.few and devices > allowed
            if body.at_front >= s.least_front:
                strength = s.front if over else s.front_within
            else:
                strength = s.spread if over and body.apart_m > s.apart_m else 0.0
            return strength, (
                ("devices of one registrant", float(devices), ""), ("first used far away", float(away), ""),
                ("at a front", float(body.at_front), ""),
            )  # fmt: skip
        if pattern == "quota" and away >= s.least:
            holders, together = self._exhausted(kind, number, facts, ties)
            if holders:
                return s.quota, (("holders with one payer or contact", holders, ""), ("their devices", together, ""))
        if pattern == "bought" and away >= s.least_new:
            new = self._newcomers(number, int(ties.changed_ns[row]), facts)
            used = sum(one in body.used and body.used[one].far for one in new)
            if used >= s.least_new:
                devices_new = ("new devices after the account changed hands", float(len(new)), "")
                return s.bought, (devices_new, ("used far away", float(used), ""))
        return 0.0, ()

    def _devices(self, kind: str, number: int) -> int:
        """How many devices a body has, in use or not."""
        if (kind, number) not in self._counts:
            self._counts[kind, number] = len(self._members(kind).of(number))
        return self._counts[kind, number]

    def _exhausted(self, kind: str, number: int, facts: Facts, ties: Ties) -> tuple[float, float]:
        """How many holders of one payer or contact have all or nearly all that they may, and how many devices: (0, 0) if too few."""
        if (kind, number) not in self._quotas:
            mine = self._members(kind).of(number)
            mine = mine[(facts.party[mine] >= 0) & (ties.quota[mine] > 0)]
            _, first, devices_each = np.unique(facts.party[mine], return_index=True, return_counts=True)
            quota = ties.quota[mine[first]]
            full = (devices_each <= quota) & (devices_each >= np.maximum(1, quota - 1))
            together = float(devices_each[full].sum())
            few = full.sum() < self.settings.least_accounts or together <= 2 * quota[full].max(initial=0)
            self._quotas[kind, number] = (0.0, 0.0) if few else (float(full.sum()), together)
        return self._quotas[kind, number]

    def _newcomers(self, account: int, changed_ns: int, facts: Facts) -> list[int]:
        """Rows of the devices that an account got soon after it changed hands; none where it was young, or never did."""
        if changed_ns == MIN_NS:
            return []
        if (account, changed_ns) not in self._new:
            mine = self._members("account").of(account)
            activated = facts.activated_ns[mine]
            known = activated != MIN_NS
            quiet = known.any() and changed_ns - int(activated[known].min()) >= self.settings.quiet_days * NS_PER_DAY
            soon = activated <= changed_ns + round(self.settings.fresh_days * NS_PER_DAY)
            self._new[account, changed_ns] = mine[known & (activated >= changed_ns) & soon].tolist() if quiet else []
        return self._new[account, changed_ns]

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
        told = body.told.setdefault(pattern, _Told())
        # Those that were told lately are not asked, each time, when they were.
        due = body.away if t - told.oldest_ns >= self._again_ns else body.away[told.upto :]
        told.upto = len(body.away)
        signals = []
        for terminal, row in sorted((name(row), row) for row in due):
            if row in told.at_ns and t - told.at_ns[row] < self._again_ns:
                continue
            told.at_ns[row] = t
            seen = body.used[row].seen
            quoted = []
            for other, number in body.named:
                if number != row:
                    one = body.used[number].seen
                    quoted.append(Offending(one.observed_at, one.lat_deg, one.lon_deg, one.position_sigma_m, other))
            signals.append(Signal(
                "straw_registration", terminal, t, min(t, body.first_ns), strength, seen.lat_deg, seen.lon_deg,
                key if key.startswith(("account", "party")) else None, found, (seen, *quoted)[:MOST_QUOTED],
            ))  # fmt: skip
        if signals:
            told.oldest_ns = min(told.at_ns.values()) if due is body.away else min(told.oldest_ns, t)
        return signals


def _far(
    about: NDArray[np.int32], rows: Rows, index: NDArray[np.int64], facts: Facts, places: Places, far_m: float
) -> NDArray[np.bool_]:
    """Is each first use far from where its device is registered: from its address, or else out of its account's country?"""
    lat, lon = facts.home_lat_deg[about], facts.home_lon_deg[about]
    country, account = places.country[rows.place[index]], facts.account_country[about]
    abroad = (country != NOWHERE) & (account != NOWHERE) & (country != account)
    return np.where(np.isnan(lat), abroad, distances_m(lat, lon, rows.lat_deg[index], rows.lon_deg[index]) > far_m)
