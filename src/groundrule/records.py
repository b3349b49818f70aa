"""The shared nouns: one observation, one decision, and the closed sets they use.

Batches travel as Arrow tables with the schemas below; one terminal is a batch of one.
"""

from __future__ import annotations

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
        pa.field("source", pa.string()),
        pa.field("source_row", pa.int64()),
    ]
)
"""One observation. Position is lat and lon, or a cell, or absent; absent is valid input."""

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
