"""Who is in company: the pass by place and minute, behind `compound` and `convoy`.

Each minute of event time is closed `lateness_s` after its end, when an observation that late has come; then the minute's samples
(`Whereabouts.company`, one a terminal) are linked into groups. A group goes on from one minute to the next as the one that most
of its members were in. A member counts once it has been in it for long enough, and the group is told when enough members do.

A minute is closed by the newest observation and by nothing else, and what comes later is counted and left out; so signals do not
depend on how the stream was cut, nor on the order within the window. A signal's `raised_at` is the close of its minute: it is
not known earlier. Bounded: the samples of the open minutes, and those who lie in groups.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from groundrule.detect.compound import CompoundSettings
from groundrule.detect.convoy import ConvoySettings
from groundrule.detect.linking import M_PER_DEG, groups_of
from groundrule.detect.rows import NOWHERE, Facts, Places, Rows
from groundrule.detect.signals import MAX_OFFENDING, Offending, Signal
from groundrule.detect.whereabouts import Name, Noting
from groundrule.detect.without_memory import WithoutMemory
from groundrule.instant import NS_PER_S

_MINUTE = 60
_GAP = 3
"""Minutes after which a member who is not seen in its group has left it: reports are lost, columns halt."""


@dataclass(frozen=True, slots=True)
class CompanySettings:
    """Settings of both, and how long a minute waits for late observations [s]."""

    compound: CompoundSettings = field(default_factory=CompoundSettings)
    convoy: ConvoySettings = field(default_factory=ConvoySettings)
    lateness_s: int = 15


@dataclass(slots=True)
class _Member:
    group: str
    since: int
    latest: int
    told: int = -(10**9)


class Company(WithoutMemory):
    """Memory of the open minutes and of groups.

    Args:
        whereabouts: whose samples are linked; it is given every batch first.
        settings: see there.

    Attributes:
        late: samples that came after their minute was closed.
    """

    def __init__(self, whereabouts: Noting, settings: CompanySettings | None = None) -> None:
        self.whereabouts = whereabouts
        self.settings = settings or CompanySettings()
        self._known: tuple[Facts, Places] | None = None
        self.late = 0
        self._newest = -(10**12)
        self._open: dict[int, list[NDArray[np.void]]] = {}
        self._members: dict[str, dict[int, _Member]] = {"compound": {}, "convoy": {}}

    @property
    def nbytes(self) -> int:
        """Memory of samples held [bytes]; members of groups come on top, some hundred bytes each."""
        return sum(part.nbytes for parts in self._open.values() for part in parts)

    def update(self, rows: Rows, facts: Facts, places: Places, name: Name) -> list[Signal]:
        """Take a batch that `whereabouts` was just given, and say what the minutes that it closes raise."""
        if not len(rows):
            return []
        self._known = facts, places
        samples = self.whereabouts.company
        if len(samples):
            # The newest time before each sample decides whether it is late, so that batches make no difference.
            times = rows.t_ns // NS_PER_S
            newest = np.maximum(np.maximum.accumulate(times), self._newest)
            before = newest[np.searchsorted(times, samples["t"], side="left")]
            minute = samples["t"] // _MINUTE
            timely = (minute + 1) * _MINUTE + self.settings.lateness_s > before
            self.late += int(len(samples) - timely.sum())
            for one in np.unique(minute[timely]).tolist():
                mine = timely & (minute == one)
                self._open.setdefault(one, []).append(samples if mine.all() else samples[mine])
        self._newest = max(self._newest, int(rows.t_ns.max() // NS_PER_S))
        signals: list[Signal] = []
        for one in sorted(self._open):
            if (one + 1) * _MINUTE + self.settings.lateness_s <= self._newest:
                signals += self._close(one, np.concatenate(self._open.pop(one)), facts, places, name)
        return signals

    def finish(self, name: Name) -> list[Signal]:
        """Close all minutes, at the end of a file."""
        signals: list[Signal] = []
        if self._known is None:
            return signals
        facts, places = self._known
        for one in sorted(self._open):
            signals += self._close(one, np.concatenate(self._open.pop(one)), facts, places, name)
        return signals

    def _close(self, minute: int, samples: NDArray[np.void], facts: Facts, places: Places, name: Name) -> list[Signal]:
        rows, place = samples["row"].copy(), np.arange(len(samples))
        first = np.empty(len(facts), np.int64)
        first[rows[::-1]] = place[::-1]  # the first sample of each terminal: of repeated rows the last counts
        foreign = (facts.activation_country[rows] != NOWHERE) & (facts.activation_country[rows] != places.country[samples["place"]])
        shielded, moving = facts.protected[rows], samples["moving"] > 0
        # What lies still at home, and what is protected and lies still, is in no company.
        kept = np.flatnonzero((first[rows] == place) & (moving | (foreign & ~shielded)))
        kept = kept[np.argsort(rows[kept])]
        samples, foreign, shielded, moving = samples[kept], foreign[kept], shielded[kept], moving[kept]
        compound, convoy = self.settings.compound, self.settings.convoy
        still = np.flatnonzero(~moving & foreign & ~shielded)
        signals: list[Signal] = []
        for group in self._dense(samples, still, groups_of(samples["lat"][still], samples["lon"][still], compound.reach_m), compound.least):
            strength = compound.strength(samples[group]) if _extent_m(samples[group]) <= compound.widest_m else 0.0
            if strength and _unrelated(samples["row"][group], facts) >= compound.least_accounts:
                signals += self._told("compound", minute, samples[group], strength, facts, name)
        drives = np.flatnonzero(moving)
        linked = groups_of(
            samples["lat"][drives], samples["lon"][drives], convoy.reach_m, speed_m_s=samples["speed"][drives].astype(np.float64),
            course_rad=samples["course"][drives].astype(np.float64), speed_share=convoy.speed_share, turn_rad=convoy.turn_rad,
        )  # fmt: skip
        for column in self._dense(samples, drives, linked, convoy.least):
            if not convoy.shortest_m <= _extent_m(samples[column]) <= convoy.longest_m or shielded[column].mean() >= convoy.aid_share:
                continue
            group = column[~shielded[column]]
            if len(group) >= convoy.least and _unrelated(samples["row"][group], facts) >= convoy.least_accounts:
                strength = convoy.at_home + (convoy.elsewhere - convoy.at_home) * float(foreign[group].mean())
                signals += self._told("convoy", minute, samples[group], strength, facts, name)
        for members in self._members.values():
            for row in [row for row, member in members.items() if minute - member.latest >= _GAP]:
                del members[row]
        return signals

    @staticmethod
    def _dense(
        samples: NDArray[np.void], chosen: NDArray[np.int64], number: NDArray[np.int64], least: int
    ) -> list[NDArray[np.int64]]:
        """Groups of at least so many, by their numbers among the samples, in the order of their southern ends."""
        if not len(chosen):
            return []
        order = np.argsort(number, kind="stable")
        begins = np.concatenate([[0], np.flatnonzero(np.diff(number[order])) + 1, [len(order)]])
        # Nearly all terminals are alone, so that only those groups are made that count.
        large = np.flatnonzero(np.diff(begins) >= least)
        found = [chosen[order[begins[k] : begins[k + 1]]] for k in large.tolist()]
        return sorted(found, key=lambda group: (float(samples["lat"][group].min()), float(samples["lon"][group].min())))

    def _told(
        self, kind: str, minute: int, samples: NDArray[np.void], strength: float, facts: Facts, name: Name
    ) -> list[Signal]:
        """Carry a group on, and tell it of those members that are due."""
        settings: CompoundSettings | ConvoySettings = getattr(self.settings, kind)
        members = self._members[kind]
        rows = samples["row"].tolist()
        names = {row: name(row) for row in rows}
        votes = Counter(members[row].group for row in rows if row in members and members[row].latest < minute)
        taken = {member.group for member in members.values() if member.latest == minute}
        known = [(-count, group) for group, count in votes.items() if group not in taken]
        group = min(known)[1] if known else self._named(kind, minute, samples, min(names.values()))
        for row in rows:
            member = members.get(row)
            if member is None or member.group != group:
                members[row] = _Member(group, minute, minute)
            else:
                member.latest = minute
        long = [k for k, row in enumerate(rows) if (minute - members[row].since) * _MINUTE >= settings.persist_s]
        if len(long) < settings.least or _unrelated(samples["row"][long], facts) < settings.least_accounts:
            return []
        raised_at = ((minute + 1) * _MINUTE + self.settings.lateness_s) * NS_PER_S
        found = (
            ("terminals together", float(len(long)), ""), ("unrelated accounts", float(_unrelated(samples["row"][long], facts)), ""),
            ("from end to end", round(_extent_m(samples), 0), "m"),
            *((("speed", round(float(np.median(samples["speed"])) * 3.6, 1), "km/h"),) if kind == "convoy" else ()),
        )  # fmt: skip
        signals = []
        quoted = sorted(long, key=lambda k: names[rows[k]])
        for k in long:
            member = members[rows[k]]
            if (minute - member.told) * _MINUTE < settings.again_s:
                continue
            member.told = minute
            others = [other for other in quoted if other != k][: MAX_OFFENDING - 1]
            offending = tuple(
                Offending(
                    int(samples["t"][one]) * NS_PER_S, float(samples["lat"][one]), float(samples["lon"][one]),
                    terminal_id=None if one == k else names[rows[one]],
                )
                for one in (k, *others)
            )  # fmt: skip
            signals.append(Signal(
                kind, names[rows[k]], raised_at, member.since * _MINUTE * NS_PER_S, round(strength, 6), float(samples["lat"][k]),
                float(samples["lon"][k]), group, found, offending,
            ))  # fmt: skip
        return sorted(signals, key=lambda one: one.terminal_id)

    @staticmethod
    def _named(kind: str, minute: int, samples: NDArray[np.void], first: str) -> str:
        """Name of a new group, by when, where and of whom it began."""
        lat, lon = float(np.median(samples["lat"])), float(np.median(samples["lon"]))
        if kind == "compound":
            return f"place:{lat:.3f},{lon:.3f}"
        return f"convoy:{minute}:{first}"


def _extent_m(samples: NDArray[np.void]) -> float:
    """Diagonal of the box around positions [m]; to the last bit the same in whatever order they are."""
    lat, lon = np.sort(samples["lat"]), samples["lon"]
    north = (lat.max() - lat.min()) * M_PER_DEG
    east = (lon.max() - lon.min()) * M_PER_DEG * np.cos(np.radians(lat.mean()))
    return float(np.hypot(north, east))


def _unrelated(rows: NDArray[np.int32], facts: Facts) -> int:
    """How many accounts that nothing known connects: those of one party are one, and all unknown ones too."""
    party, account = facts.party[rows].astype(np.int64), facts.account[rows].astype(np.int64)
    return len(np.unique(np.where(party >= 0, party, np.where(account >= 0, -2 - account, -1))))


