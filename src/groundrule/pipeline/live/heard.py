"""What radio said last of each terminal, for observations that come after: in memory, bounded, and looked up row by row.

`attach` gives each observation the latest verification of its terminal by then, as `pipeline.verifying.attach` does over whole
tables; a test holds the two against each other. A terminal of which nothing was measured costs one look.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from groundrule.instant import NS_PER_S
from groundrule.pipeline.verifying import RadioAges, Verifications
from groundrule.records import OBSERVATION_SCHEMA

TERMINALS_KEPT: Final = 1_000_000
"""Terminals whose last verifications are kept; the one that was verified longest ago is forgotten first."""
EACH_KEPT: Final = 4
"""Verifications kept of each: an observation may be a little older than the last."""
_ROWS_AT_ONCE: Final = 256
_SPARE_ROWS: Final = 50_000
_MOST_BATCHES: Final = 20_000
_RADIO: Final = OBSERVATION_SCHEMA.get_field_index("radio")


@dataclass(slots=True)
class _Batch:
    """Verifications that came together; `used` of them are referred to."""

    radio: pa.StructArray
    tie: list[str]
    used: int = 0


@dataclass(frozen=True, slots=True)
class _Place:
    """One verification: its time, where it stands, and whether it contradicts the claim."""

    at_ns: int
    batch: int
    row: int
    contradicts: bool


@dataclass(slots=True)
class RadioMemory:
    """The last verifications of terminals.

    Attributes:
        most: terminals that are kept.
        forgotten: terminals that were forgotten because there were more.
        ignored: verifications that say what cannot be, by reason.
        also: is given what is taken in, on the same thread.
    """

    most: int = TERMINALS_KEPT
    forgotten: int = 0
    ignored: dict[str, int] = field(default_factory=dict)
    also: Callable[[pa.Table], object] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _places: dict[str, list[_Place]] = field(default_factory=dict)
    _batches: dict[int, _Batch] = field(default_factory=dict)
    _ids: pa.Array | None = None
    _next: int = 0
    _adding: int = -1
    _held: int = 0
    _used: int = 0

    def __len__(self) -> int:
        return len(self._places)

    def put(self, table: pa.Table) -> int:
        """Take verifications in, and return how many terminals they speak of.

        Args:
            table: VERIFICATION_SCHEMA, in any order; what says what cannot be is counted and left out.
        """
        if self.also is not None:
            self.also(table)
        known = Verifications.of(table)
        ids = known.ids.to_pylist()
        which = known.keys // (len(known.times) + 1)
        with self._lock:
            for reason, rows in known.ignored.items():
                self.ignored[reason] = self.ignored.get(reason, 0) + rows
            if not len(known):
                return 0
            number, self._next = self._next, self._next + 1
            self._adding = number
            # Words are not attached; of two of one instant the digest of what they rest on decides, and equal ones say the same.
            batch = self._batches[number] = _Batch(known.radio, pc.fill_null(known.radio.field("inputs"), "").to_pylist())
            each = zip(which.tolist(), known.at_ns.tolist(), known.contradicts.tolist(), strict=True)
            for row, (code, at_ns, contradicts) in enumerate(each):
                self._add(ids[code], _Place(at_ns, number, row, contradicts), batch)
            while len(self._places) > self.most:
                oldest = next(iter(self._places))
                for place in self._places.pop(oldest):
                    self._drop(place)
                self.forgotten += 1
            self._adding = -1
            if not batch.used:
                del self._batches[number]
            self._held += len(batch.radio) if batch.used else 0
            self._ids = None
        if self._held > 4 * self._used + _SPARE_ROWS or len(self._batches) > _MOST_BATCHES:
            self._compact()
        return len(ids)

    def attach(self, table: pa.Table, chosen: NDArray[np.bool_] | None, ages: RadioAges) -> pa.Table:
        """Give observations the latest verification of their terminal by then.

        Args:
            table: OBSERVATION_SCHEMA with `radio` unknown throughout, as it comes from outside.
            chosen: only these rows (bool, shape (n,)); None is all of them.
            ages: an older verification is not attached.
        Returns:
            The same object where nothing is attached.
        """
        if not self._places or not len(table):
            return table
        limits = round(ages.plain_s * NS_PER_S), round(ages.contradicting_s * NS_PER_S)
        with self._lock:
            rows = self._candidates(table, chosen)
            if not len(rows):
                return table
            some = rows if len(rows) < len(table) else None
            names = (table.column("terminal_id") if some is None else table.column("terminal_id").take(pa.array(some))).to_pylist()
            times = table.column("observed_at").to_numpy()[rows].tolist()
            found: dict[int, tuple[list[int], list[int]]] = {}
            for row, name, observed in zip(rows.tolist(), names, times, strict=True):
                place = self._latest(name, observed, limits)
                if place is not None:
                    held = found.setdefault(place.batch, ([], []))
                    held[0].append(row)
                    held[1].append(place.row)
            if not found:
                return table
            parts = [self._batches[number].radio.take(pa.array(taken)) for number, (_, taken) in found.items()]
        joined = pa.concat_arrays(parts) if len(parts) > 1 else parts[0]
        at = np.full(len(table), -1, np.int64)
        at[np.concatenate([np.array(mine) for mine, _ in found.values()])] = np.arange(len(joined))
        column = joined.take(pa.array(np.maximum(at, 0), mask=at < 0))
        return table.set_column(_RADIO, OBSERVATION_SCHEMA.field(_RADIO), column)

    def latest(self, terminal: str, *, until_ns: int | None = None) -> dict[str, Any] | None:
        """Return the last verification of a terminal (`records.RADIO_TYPE` as values); None where there is none.

        Args:
            until_ns: none that was measured later [ns, UTC].
        """
        with self._lock:
            place = self._latest(terminal, until_ns, None)
            found: dict[str, Any] | None = None if place is None else self._batches[place.batch].radio[place.row].as_py()
            return found

    # --- under the lock ---------------------------------------------------------------------------------------------------

    def _candidates(self, table: pa.Table, chosen: NDArray[np.bool_] | None) -> NDArray[np.int64]:
        if len(table) <= _ROWS_AT_ONCE:
            return np.arange(len(table)) if chosen is None else np.flatnonzero(chosen)
        if self._ids is None:
            self._ids = pa.array(list(self._places), pa.string())
        known = pc.is_in(table.column("terminal_id"), value_set=self._ids).to_numpy(zero_copy_only=False)
        return np.flatnonzero(known if chosen is None else known & chosen)

    def _latest(self, terminal: str, observed_ns: int | None, limits_ns: tuple[int, int] | None) -> _Place | None:
        for place in reversed(self._places.get(terminal, ())):
            if observed_ns is None or place.at_ns <= observed_ns:
                young = limits_ns is None or observed_ns is None or observed_ns - place.at_ns <= limits_ns[place.contradicts]
                return place if young else None
        return None

    def _add(self, name: str, place: _Place, batch: _Batch) -> None:
        held = self._places.pop(name, [])  # put back at the end: it was verified last
        self._places[name] = held
        at = next((i for i, each in enumerate(held) if each.at_ns >= place.at_ns), len(held))
        if at < len(held) and held[at].at_ns == place.at_ns:
            if self._batches[held[at].batch].tie[held[at].row] >= batch.tie[place.row]:
                return
            self._drop(held[at])
            held[at] = place
        else:
            held.insert(at, place)
        batch.used += 1
        self._used += 1
        while len(held) > EACH_KEPT:
            self._drop(held.pop(0))

    def _drop(self, place: _Place) -> None:
        batch = self._batches[place.batch]
        batch.used -= 1
        self._used -= 1
        if not batch.used and place.batch != self._adding:
            self._held -= len(batch.radio)
            del self._batches[place.batch]

    # --- by the one thread that puts in -------------------------------------------------------------------------------------

    def _compact(self) -> None:
        """Copy what is referred to into one batch; nobody else changes anything, so the lock is taken for the exchange alone."""
        wanted: dict[int, list[int]] = {}
        for places in self._places.values():
            for place in places:
                wanted.setdefault(place.batch, []).append(place.row)
        parts, tie, moved = [], list[str](), dict[tuple[int, int], int]()
        for batch, rows in wanted.items():
            held = self._batches[batch]
            parts.append(held.radio.take(pa.array(rows)))
            for row in rows:
                moved[batch, row] = len(tie)
                tie.append(held.tie[row])
        number = self._next
        whole = _Batch(pa.concat_arrays(parts), tie, len(tie))
        after = {
            name: [replace(place, batch=number, row=moved[place.batch, place.row]) for place in places]
            for name, places in self._places.items()
        }
        with self._lock:
            self._next = number + 1
            self._places, self._batches, self._held = after, {number: whole}, len(tie)
