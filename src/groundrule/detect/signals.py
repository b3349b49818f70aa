"""Signals: what one detector found about one terminal, as one table for all detectors.

A signal is a finding with its observations, never a verdict: rules combine signals, and nothing is denied on one of them.
Signals are *independent* where different things bear witness (`records.SIGNAL_WITNESSES`): a drone's flight and an impossible journey
both follow from positions, and a receiver that is led astray makes both, while a straw registration follows from the registers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from groundrule.instant import NS_PER_S
from groundrule.records import SIGNAL_CAUSES

CAUSES: Final = tuple(dict.fromkeys(SIGNAL_CAUSES.values()))
"""What signals are about. `data` says that an observation is bad, and nothing about its terminal."""

_MINUTE, _HOUR, _DAY = 60.0, 3_600.0, 86_400.0


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of signal.

    Attributes:
        name: one of records.SIGNAL_CAUSES, as rules and reports have it.
        lasting_s: how long after its last observation it counts [s].
        learned: is its strength a calibrated probability? Otherwise it is a rule of thumb.
    """

    name: str
    lasting_s: float
    learned: bool = False

    @property
    def cause(self) -> str:
        """What it is about: one of CAUSES."""
        return SIGNAL_CAUSES[self.name]


KINDS: Final[Mapping[str, Kind]] = {
    kind.name: kind
    for kind in (
        Kind("drone_flight", 15 * _MINUTE),
        Kind("over_speed", 2 * _MINUTE),
        Kind("moving_without_plan", 15 * _MINUTE),
        Kind("impossible_travel", _DAY),
        Kind("cloned_identity", _DAY),
        Kind("border_crossing", _DAY),
        Kind("control_line_crossing", _DAY),
        Kind("used_elsewhere", 30 * _DAY),
        Kind("dormant_at_front", 7 * _DAY),
        Kind("roaming_beyond_limits", 7 * _DAY),
        Kind("straw_registration", 30 * _DAY),
        Kind("account_risk", 30 * _DAY),
        Kind("compound", _DAY),
        Kind("convoy", _HOUR),
        Kind("gnss_inhibited", _HOUR),
        Kind("spoofed_position", _HOUR),
        Kind("served_against_decision", _DAY),
        Kind("refused_against_decision", _DAY),
        Kind("displaced_fix", _HOUR),
    )
}
"""All kinds, in the order of their bits in a mask, which is that of records.SIGNAL_CAUSES."""

BIT: Final[Mapping[str, int]] = {name: 1 << place for place, name in enumerate(KINDS)}
"""Bit of each kind in a mask (uint32)."""

OFFENDING_TYPE: Final = pa.struct(
    [
        pa.field("observed_at", pa.int64()),  # ns since 1970, UTC
        pa.field("lat_deg", pa.float64()),
        pa.field("lon_deg", pa.float64()),
        pa.field("position_sigma_m", pa.float32()),
        pa.field("terminal_id", pa.string()),  # of another terminal, where the observation is not this one's
    ]
)
FOUND_TYPE: Final = pa.struct([pa.field("name", pa.string()), pa.field("value", pa.float64()), pa.field("unit", pa.string())])

SIGNAL_SCHEMA: Final = pa.schema(
    [
        pa.field("signal_id", pa.string(), nullable=False),  # sha256 of kind, terminal, group and first observation
        pa.field("kind", pa.string(), nullable=False),
        pa.field("cause", pa.string(), nullable=False),
        pa.field("terminal_id", pa.string(), nullable=False),
        pa.field("raised_at", pa.int64(), nullable=False, metadata={"unit": "ns since 1970, UTC"}),
        pa.field("from_at", pa.int64(), nullable=False, metadata={"unit": "ns since 1970, UTC; the first offending observation"}),
        pa.field("until_at", pa.int64(), nullable=False, metadata={"unit": "ns since 1970, UTC; when it no longer counts"}),
        pa.field("strength", pa.float32(), nullable=False, metadata={"unit": "0 to 1"}),
        pa.field("basis", pa.string(), nullable=False),  # calibrated or rule_of_thumb
        pa.field("lat_deg", pa.float64()),
        pa.field("lon_deg", pa.float64()),
        pa.field("group", pa.string()),  # what it is about beside its terminal: account:…, place:…, convoy:…
        pa.field("found", pa.list_(FOUND_TYPE), nullable=False),
        pa.field("offending", pa.list_(OFFENDING_TYPE), nullable=False),
    ]
)
"""One signal. A false-alarm rate and a posterior belong to its kind, not to the row (`detect.rates`)."""

MAX_OFFENDING: Final = 16
"""Observations that a signal quotes; more are counted in `found`."""


@dataclass(frozen=True, slots=True)
class Offending:
    """One observation that a signal rests on; see OFFENDING_TYPE."""

    observed_at: int
    lat_deg: float | None = None
    lon_deg: float | None = None
    position_sigma_m: float | None = None
    terminal_id: str | None = None


@dataclass(frozen=True, slots=True)
class Signal:
    """One finding; see SIGNAL_SCHEMA.

    Attributes:
        kind: one of KINDS.
        terminal_id: whom it is about.
        raised_at: the observation that completed it [ns, UTC].
        from_at: the first offending observation [ns, UTC].
        strength: 0 to 1.
        lat_deg, lon_deg: where [degree].
        group: what it is about beside its terminal.
        found: numbers, with their units: ("speed", 141.0, "km/h").
        offending: the observations, at most MAX_OFFENDING.
        lasting_s: how long it counts, where that is not its kind's [s].
    """

    kind: str
    terminal_id: str
    raised_at: int
    from_at: int
    strength: float
    lat_deg: float | None = None
    lon_deg: float | None = None
    group: str | None = None
    found: tuple[tuple[str, float, str], ...] = ()
    offending: tuple[Offending, ...] = ()
    lasting_s: float | None = None

    @property
    def id(self) -> str:
        """Digest of what the signal is about; the same finding from the same observations has the same."""
        text = "\n".join(("signal/1", self.kind, self.terminal_id, self.group or "", str(self.from_at)))
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def until_at(self) -> int:
        """When it no longer counts [ns, UTC]."""
        lasting = KINDS[self.kind].lasting_s if self.lasting_s is None else self.lasting_s
        return self.raised_at + round(lasting * NS_PER_S)

    @property
    def row(self) -> dict[str, Any]:
        """The row of SIGNAL_SCHEMA."""
        kind = KINDS[self.kind]
        return {
            "signal_id": self.id, "kind": self.kind, "cause": kind.cause, "terminal_id": self.terminal_id, "raised_at": self.raised_at,
            "from_at": self.from_at, "until_at": self.until_at, "strength": self.strength,
            "basis": "calibrated" if kind.learned else "rule_of_thumb", "lat_deg": self.lat_deg, "lon_deg": self.lon_deg,
            "group": self.group, "found": [{"name": n, "value": v, "unit": u} for n, v, u in self.found],
            "offending": [
                {
                    "observed_at": each.observed_at, "lat_deg": each.lat_deg, "lon_deg": each.lon_deg,
                    "position_sigma_m": each.position_sigma_m, "terminal_id": each.terminal_id,
                }
                for each in self.offending[:MAX_OFFENDING]
            ],
        }  # fmt: skip


def table_of(signals: Iterable[Signal]) -> pa.Table:
    """Return signals as a table of SIGNAL_SCHEMA, ordered by time, terminal and kind."""
    ordered = sorted(signals, key=lambda each: (each.raised_at, each.terminal_id, each.kind, each.from_at))
    return pa.Table.from_pylist([each.row for each in ordered], schema=SIGNAL_SCHEMA)


def mask_of(kinds: Iterable[str]) -> int:
    """Return the bits of kinds.

    Raises:
        KeyError: there is no such kind.
    """
    mask = 0
    for kind in kinds:
        mask |= BIT[kind]
    return mask


def kinds_of(mask: int) -> tuple[str, ...]:
    """Return the kinds of a mask, in their order."""
    return tuple(kind for kind, bit in BIT.items() if mask & bit)


def signals_of(table: pa.Table) -> list[Signal]:
    """Return the signals of a table of SIGNAL_SCHEMA; the way back of `table_of`."""
    found = []
    for row in table.to_pylist():
        lasting_s = (row["until_at"] - row["raised_at"]) / NS_PER_S
        usual = row["kind"] in KINDS and abs(lasting_s - KINDS[row["kind"]].lasting_s) < 1e-6
        found.append(
            Signal(
                row["kind"], row["terminal_id"], row["raised_at"], row["from_at"], row["strength"], row["lat_deg"], row["lon_deg"],
                row["group"], tuple((each["name"], each["value"], each["unit"]) for each in row["found"]),
                tuple(Offending(**each) for each in row["offending"]), None if usual else lasting_s,
            )
        )  # fmt: skip
    return found
