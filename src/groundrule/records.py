"""The shared nouns: one observation, one decision, and the closed sets they use.

Batches travel as Arrow tables with the schemas below; one terminal is a batch of one.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum, StrEnum

import pyarrow as pa


class Outcome(IntEnum):
    """What the network does; ordered from most to least permissive."""

    SERVE = 0
    RESTRICT = 1
    REVIEW = 2
    DENY = 3

    @property
    def word(self) -> str:
        """The lower-case word used in rulebooks and decisions."""
        return self.name.lower()


OUTCOME_WORDS = tuple(outcome.word for outcome in Outcome)


class ServiceState(StrEnum):
    """Why there may be no service although nobody was denied; never merged with each other or with deny."""

    NORMAL = "normal"
    DEGRADED = "degraded"
    PENDING_REGISTRATION = "pending_registration"
    NEVER_SERVED = "never_served"


class PositionSource(StrEnum):
    """Where a position comes from."""

    GNSS = "gnss"
    NETWORK = "network"
    FUSED = "fused"
    CELL = "cell"
    NONE = "none"


POSITION_SOURCES = tuple(source.value for source in PositionSource)
"""Position sources in the order of their integer codes."""

GNSS_STATES = ("normal", "suspended", "lost", "inhibited")
"""How a terminal's satellite navigation fares: `suspended` is set here while an area is disturbed, the others are told by terminals."""

SIGNAL_CAUSES = {
    "drone_flight": "motion",
    "over_speed": "motion",
    "moving_without_plan": "motion",
    "impossible_travel": "identity",
    "cloned_identity": "identity",
    "border_crossing": "place",
    "control_line_crossing": "place",
    "used_elsewhere": "place",
    "dormant_at_front": "place",
    "roaming_beyond_limits": "place",
    "straw_registration": "registration",
    "account_risk": "registration",
    "compound": "company",
    "convoy": "company",
    "gnss_inhibited": "navigation",
    "spoofed_position": "radio",
    "served_against_decision": "service",
    "refused_against_decision": "service",
    "displaced_fix": "data",
}
"""Every kind of signal that detectors raise, and what kind of behaviour it is about."""

SIGNAL_WITNESSES = {
    kind: "position" if cause in ("motion", "identity", "place", "company") else cause for kind, cause in SIGNAL_CAUSES.items()
}
"""What bears witness of each kind: a receiver that is led astray flies like a drone, travels impossibly, crosses borders, wakes up at a
front and stands among others all at once, so whatever needs a terminal's own positions is one witness."""


def independent_causes(kinds: Iterable[str]) -> int:
    """Return how many independent witnesses signals have; bad data is none, and neither is a word that is no kind."""
    return len({SIGNAL_WITNESSES[kind] for kind in kinds if kind in SIGNAL_WITNESSES} - {"data"})


RADIO_TYPE = pa.struct(
    [
        pa.field("verdict", pa.string()),
        pa.field("assurance", pa.string()),  # the strongest attacker against whom the verdict stands
        pa.field("usable", pa.bool_()),  # is there one place, and is it well enough known to decide on?
        pa.field("at_ns", pa.int64()),  # ns since 1970, UTC
        pa.field("lat_deg", pa.float64()),
        pa.field("lon_deg", pa.float64()),
        pa.field("sigma_major_m", pa.float32()),
        pa.field("sigma_minor_m", pa.float32()),
        pa.field("azimuth_deg", pa.float32()),  # of the major axis, clockwise from north
        pa.field(
            "alternatives",
            pa.list_(pa.struct([pa.field("lat_deg", pa.float64()), pa.field("lon_deg", pa.float64()), pa.field("weight", pa.float32())])),
        ),
        pa.field("distance_m", pa.float64()),  # from the claim to the estimate; null without a claim
        pa.field("mdo_m", pa.float64()),
        pa.field("speed_m_s", pa.float32()),
        pa.field("speed_sigma_m_s", pa.float32()),
        pa.field("grade", pa.string()),
        pa.field("inputs", pa.string()),
        pa.field("elements", pa.string()),
    ]
)
"""What radio measurements say of a terminal: a verification as it is attached to an observation (`pipeline.verifying.attach`)."""

OBSERVATION_SCHEMA = pa.schema(
    [
        pa.field("terminal_id", pa.string(), nullable=False),
        pa.field("observed_at", pa.int64(), nullable=False, metadata={"unit": "ns since 1970, UTC"}),
        pa.field("lat_deg", pa.float64(), metadata={"unit": "degree, WGS 84, -90 to 90"}),
        pa.field("lon_deg", pa.float64(), metadata={"unit": "degree, WGS 84, -180 to 180"}),
        pa.field("h3_cell", pa.uint64(), metadata={"unit": "H3 index"}),
        pa.field("position_sigma_m", pa.float32(), metadata={"unit": "m, one sigma per axis"}),
        pa.field("position_source", pa.string()),
        pa.field("alt_m", pa.float32(), metadata={"unit": "m"}),
        pa.field("alt_datum", pa.string()),
        pa.field("speed_m_s", pa.float32(), metadata={"unit": "m/s, as reported"}),
        pa.field("course_deg", pa.float32(), metadata={"unit": "degree clockwise from north, as reported"}),
        pa.field("country_reported", pa.string()),
        pa.field("in_territorial_waters", pa.bool_()),
        pa.field("software_version", pa.string()),
        pa.field("alerts", pa.list_(pa.int32())),
        pa.field("radio", RADIO_TYPE),
        pa.field("gnss_state", pa.string()),
        pa.field("served", pa.bool_()),  # did the network carry traffic for it since its last observation?
        pa.field("signals", pa.list_(pa.string())),  # kinds of signals that count at this instant; attached here, never told
        pa.field("source", pa.string()),
        pa.field("source_row", pa.int64()),
    ]
)
"""One observation. Position is lat and lon, or a cell, or absent; absent is valid input."""

LATER_COLUMNS = ("radio", "gnss_state", "served", "signals")
"""Columns that observations did not have from the beginning: stored only where they say something, and otherwise null."""

ATTACHED_COLUMNS = ("radio", "signals")
"""Columns that no observation comes with: what is worked out here is attached. (Of `gnss_state`, only `suspended` is.)"""


def without_silent(table: pa.Table) -> pa.Table:
    """Return observations without those later columns that say nothing: nested columns cost much even where they are null."""
    silent = [name for name in LATER_COLUMNS if name in table.column_names and table.column(name).null_count == len(table)]
    return table.drop_columns(silent) if silent else table


def with_later(table: pa.Table) -> pa.Table:
    """Return observations with all their columns in the order of OBSERVATION_SCHEMA; later columns that are missing are null.

    Raises:
        KeyError: another column is missing.
    """
    names = table.column_names
    if names == OBSERVATION_SCHEMA.names:
        return table
    absent = {name: pa.nulls(len(table), OBSERVATION_SCHEMA.field(name).type) for name in LATER_COLUMNS if name not in names}
    fields = [OBSERVATION_SCHEMA.field(name) if name in absent else table.schema.field(name) for name in OBSERVATION_SCHEMA.names]
    columns = [absent[name] if name in absent else table.column(name) for name in OBSERVATION_SCHEMA.names]
    return pa.table(columns, schema=pa.schema(fields))


def taken(table: pa.Table, rows: pa.Array) -> pa.Table:
    """Return rows of observations, by their numbers."""
    return with_later(without_silent(table).take(rows))


def filtered(table: pa.Table, mask: pa.Array) -> pa.Table:
    """Return those rows of observations that a mask chooses."""
    return with_later(without_silent(table).filter(mask))


def combined(table: pa.Table) -> pa.Table:
    """Return observations with one chunk a column."""
    if all(column.num_chunks == 1 for column in table.columns):
        return table
    return with_later(without_silent(table).combine_chunks())

REASON_TYPE = pa.struct(
    [
        pa.field("code", pa.string()),
        pa.field("rule", pa.string()),
        pa.field("class", pa.string()),  # decisive or contributing
    ]
)

AREA_HIT_TYPE = pa.struct(
    [
        pa.field("id", pa.string()),
        pa.field("membership", pa.string()),  # inside or edge
        pa.field("probability", pa.float32()),
    ]
)

DECISION_SCHEMA = pa.schema(
    [
        pa.field("terminal_id", pa.string(), nullable=False),
        pa.field("observed_at", pa.int64(), nullable=False),
        pa.field("decided_at", pa.int64(), nullable=False),
        pa.field("outcome", pa.dictionary(pa.int8(), pa.string()), nullable=False),
        pa.field("state", pa.dictionary(pa.int8(), pa.string()), nullable=False),
        pa.field("rule", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("reasons", pa.list_(REASON_TYPE), nullable=False),
        pa.field("obligations", pa.list_(pa.string()), nullable=False),
        pa.field("areas", pa.list_(AREA_HIT_TYPE), nullable=False),
        pa.field("evidence", pa.string(), nullable=False),
        pa.field("rulebook", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("areas_version", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("lists_version", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("register_revision", pa.int64(), nullable=False),
        pa.field("engine", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("valid_until", pa.int64(), nullable=False),
    ]
)
"""One decision; see docs/decisions.md for the meaning of each column."""
