"""Detection divided by terminal: what detectors that watch one terminal find in a part of them, and the rest where all parts meet.

    observations of some terminals ──► Motions, Whereabouts, Navigation ──► Watched: signals, and notes ──┐
    observations of others         ──► …                                ──► Watched ──────────────────────┴─► `meet`
    meet: Company, Registrations, the risk of accounts

What detectors that gather ask of an observation was found by `Whereabouts`: a sample of company, or a first use. So of each
observation for which there is one a note is kept, besides notes that say how time went on: a minute of company is closed by the first
observation after it, whoever's that is. Notes of all parts in order of time and terminal are to those detectors what the whole
stream is, so they raise the same signals.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from groundrule.detect.place_memory import EVENT_DTYPE, EVENT_FRONT, EVENT_SETTLED, SAMPLE_DTYPE
from groundrule.detect.rows import NOWHERE, UNKNOWN, Facts, Places, Rows
from groundrule.detect.signals import Signal
from groundrule.detect.whereabouts import Name, Noting
from groundrule.detect.without_memory import WithoutMemory
from groundrule.instant import NS_PER_DAY, NS_PER_S
from groundrule.pipeline.detecting import Detection
from groundrule.store.timeline import RegisterTimeline

NOTE_SCHEMA: Final = pa.schema(
    [
        pa.field("terminal_id", pa.string(), nullable=False),
        pa.field("observed_at", pa.int64(), nullable=False, metadata={"unit": "ns since 1970, UTC"}),
        pa.field("lat_deg", pa.float64(), nullable=False), pa.field("lon_deg", pa.float64(), nullable=False),
        pa.field("sigma_m", pa.float32(), nullable=False),
        pa.field("country", pa.string()),
        pa.field("what", pa.uint8(), nullable=False),  # bits; none says that time went on
        *(pa.field(name, pa.from_numpy_dtype(SAMPLE_DTYPE[name]), nullable=False)
          for name in ("speed", "course", "moving", "seen_home", "away_days")),
    ]
)  # fmt: skip
"""What is noted of an observation; the columns of a sample are those of SAMPLE_DTYPE."""
_SAMPLE_COLUMNS: Final = NOTE_SCHEMA.names[-5:]
_SAMPLE: Final = 4
_EVENTS: Final = (EVENT_SETTLED, EVENT_FRONT)
"""In the order in which `Whereabouts` tells them of one observation."""
_MINUTE_S: Final = 60
_DAY_BITS: Final = 20
NOTES_AT_ONCE: Final = 1_000_000
"""Notes that are gathered together."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What some terminals show by themselves.

    Attributes:
        observations, late, withdrawn: as in `Detection`.
        signals: that were raised. held: that wait for the watch over disturbed areas.
        notes: NOTE_SCHEMA, in order of time and terminal.
    """

    observations: int
    late: int
    withdrawn: int
    signals: list[Signal]
    held: list[Signal]
    notes: pa.Table


@dataclass(slots=True)
class Notes(WithoutMemory):
    """Takes the place of detectors that gather where only some of the terminals are, and raises nothing.

    Args:
        where: is given every batch first.
        registers: name the terminals.
        lateness_s: how long a minute of company waits [s].
    """

    where: Noting
    registers: RegisterTimeline
    lateness_s: int
    _kept: list[pa.Table] = field(default_factory=list)

    def update(self, rows: Rows, facts: Facts, places: Places, name: Name) -> list[Signal]:  # noqa: ARG002 - like all that gather
        """Note what those that gather need of a batch that `where` was just given; of one epoch of the registers."""
        if not len(rows):
            return []
        samples, events = self.where.company, self.where.events
        # The first of each minute as it is closed, the first of all, because an epoch may begin there, and the last.
        minute = (rows.t_ns // NS_PER_S - self.lateness_s) // _MINUTE_S
        clock = np.concatenate([[0], np.flatnonzero(np.diff(minute)) + 1, [len(rows) - 1]])
        at = np.unique(np.concatenate([clock, samples["index"], events["index"]]))
        what = np.zeros(len(at), np.uint8)
        for mask in _EVENTS:
            what[np.searchsorted(at, events["index"][events["what"] == mask])] |= mask
        sampled = np.searchsorted(at, samples["index"])
        what[sampled] |= _SAMPLE
        made: dict[str, NDArray[np.generic]] = {}
        for column in _SAMPLE_COLUMNS:
            made[column] = np.zeros(len(at), SAMPLE_DTYPE[column])
            made[column][sampled] = samples[column]
        country = np.append(places.country, np.int16(NOWHERE))[rows.place[at]].astype(np.int64)
        named = pa.array([*places.countries, None], pa.string()).take(pa.array(np.where(country < 0, len(places.countries), country)))
        columns = [
            self.registers.ids_of(rows.row[at]), rows.t_ns[at], rows.lat_deg[at], rows.lon_deg[at], rows.sigma_m[at], named, what,
            *made.values(),
        ]  # fmt: skip
        self._kept.append(pa.table([pa.array(each) for each in columns], schema=NOTE_SCHEMA))
        return []

    def watched(self, detection: Detection) -> Watched:
        """Return what a detection that had this in the place of those that gather has found, at the end of its observations."""
        return Watched(
            detection.observations, detection.late, detection.withdrawn, detection.signals, detection.held,
            pa.concat_tables([NOTE_SCHEMA.empty_table(), *self._kept]),
        )  # fmt: skip


@dataclass(slots=True)
class Recalled(WithoutMemory):
    """Takes the place of `Whereabouts` where notes are: gives those that gather what is noted of each batch.

    Attributes:
        company, events: as of `Whereabouts`.
    """

    company: NDArray[np.void] = field(default_factory=lambda: np.empty(0, SAMPLE_DTYPE))
    events: NDArray[np.void] = field(default_factory=lambda: np.empty(0, EVENT_DTYPE))
    _notes: pa.Table = field(default_factory=NOTE_SCHEMA.empty_table)
    _done: int = 0

    def load(self, notes: pa.Table) -> None:
        """Take the notes of the rows that come next."""
        self._notes, self._done = notes, 0

    def update(self, rows: Rows, facts: Facts, places: Places, name: Name) -> list[Signal]:  # noqa: ARG002 - like all detectors
        """Give what is noted of these rows; raises nothing."""
        mine = self._notes.slice(self._done, len(rows))
        self._done += len(rows)
        what = mine.column("what").to_numpy()
        sampled = np.flatnonzero(what & _SAMPLE)
        self.company = np.empty(len(sampled), SAMPLE_DTYPE)
        seconds = rows.t_ns // NS_PER_S
        given: dict[str, NDArray[Any]] = {"row": rows.row, "place": rows.place, "t": seconds, "lat": rows.lat_deg, "lon": rows.lon_deg}
        for column, values in given.items():
            self.company[column] = values[sampled]
        self.company["index"] = sampled
        for column in _SAMPLE_COLUMNS:
            self.company[column] = mine.column(column).to_numpy()[sampled]
        index, which = np.nonzero((what[:, None] & np.array(_EVENTS, np.uint8)) > 0)
        self.events = np.empty(len(index), EVENT_DTYPE)
        self.events["index"], self.events["what"] = index, np.array(_EVENTS, np.uint8)[which]
        return []


def meet(detection: Detection, recalled: Recalled, parts: Sequence[Watched]) -> None:
    """Put together what all parts of the terminals show, and end the detection.

    Args:
        detection: whose one detector is `recalled`; it is as it was made.
        recalled: which its detectors that gather ask.
        parts: each terminal is in one of them, with all of its observations; in any order.
    """
    notes = pa.concat_tables([NOTE_SCHEMA.empty_table(), *(each.notes for each in parts)]).combine_chunks()
    notes = notes.take(pc.sort_indices(notes, sort_keys=[("observed_at", "ascending"), ("terminal_id", "ascending")]))
    for first in range(0, len(notes), NOTES_AT_ONCE):
        some = notes.slice(first, NOTES_AT_ONCE).combine_chunks()
        recalled.load(some)
        detection.gather(_rows(some, detection))
    for each in parts:
        detection.observations += each.observations
        detection.late += each.late
        detection.withdrawn += each.withdrawn
        detection.take(each.signals, each.held)
    detection.finish()
    detection.conclude()


def terminal_days(registers: RegisterTimeline, batches: Iterable[pa.Table]) -> NDArray[np.int64]:
    """Return a number for each terminal and day (UTC) of which there is an observation, ascending.

    Args:
        registers: know the terminals. batches: their observations.
    """
    found = np.zeros(0, np.int64)
    for batch in batches:
        rows = registers.lookup(batch.column("terminal_id")).astype(np.int64)
        found = np.union1d(found, (rows << _DAY_BITS) + batch.column("observed_at").to_numpy() // NS_PER_DAY)
    return found


def _rows(notes: pa.Table, detection: Detection) -> Rows:
    """Notes as the rows of detectors that gather; what these do not ask is unknown."""
    n = len(notes)
    lat, lon, t_ns, sigma = (notes.column(name).to_numpy() for name in ("lat_deg", "lon_deg", "observed_at", "sigma_m"))
    nothing, unknown = np.zeros(n, np.uint8), np.full(n, np.nan, np.float32)
    return Rows(
        detection.basis.registers.add(notes.column("terminal_id")), t_ns, lat, lon, sigma, np.zeros(n, np.uint64), unknown,
        nothing, unknown, unknown, nothing, nothing, np.full(n, np.nan), detection.surroundings.in_countries(notes.column("country")),
        np.full(n, UNKNOWN, np.uint8), np.full(n, UNKNOWN, np.uint8),
    )  # fmt: skip
