"""Detection over a stream of observations in order of time: detectors, their signals, and the observations that signals count for.

Observations go in as they are accepted and come out with `signals`: the kinds that count at each instant. A signal counts from the
observation that completed it until it lapses. The same observations give the same signals, however the stream is cut into batches.

Where satellite navigation is disturbed, positions jump without anybody's doing: what follows from positions waits, and is withdrawn
(`suspension`).

What the network did is compared with what was decided after the judge (`learn`). Such signals are evidence about the operator;
they make cases, and are never attached to a terminal's observations.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit
from numpy.typing import NDArray

from groundrule.detect.accounts import AccountSettings, account_signals, risks
from groundrule.detect.memory import grown
from groundrule.detect.rows import UNKNOWN, Facts, Places, Rows
from groundrule.detect.signals import BIT, KINDS, Signal, kinds_of, mask_of, table_of
from groundrule.detect.ties import Ties
from groundrule.instant import MIN_NS
from groundrule.pipeline.cells import CellDiscs
from groundrule.pipeline.digests import table_digest
from groundrule.pipeline.heard import heard_of
from groundrule.pipeline.judge import Basis, Judged
from groundrule.pipeline.surroundings import Surroundings
from groundrule.pipeline.suspension import Standing, Suspension
from groundrule.records import OBSERVATION_SCHEMA, POSITION_SOURCES, Outcome, combined

Name = Callable[[int], str]
_SIGNALS: Final = OBSERVATION_SCHEMA.get_field_index("signals")
_ATTACHED: Final = frozenset(kind.name for kind in KINDS.values() if kind.cause != "service")


class Detector(Protocol):
    """Finds signals in observations, with a memory of its own for each terminal."""

    def update(self, rows: Rows, facts: Facts, places: Places, name: Name) -> list[Signal]:
        """Take observations in order of time and return what they complete."""
        ...

    def grow(self, terminals: int) -> None:
        """Make room for so many terminals."""
        ...

    @property
    def nbytes(self) -> int:
        """Memory of terminals [bytes]."""
        ...


class Gathering(Detector, Protocol):
    """Finds signals among many terminals at a time, and tells them when the time is over."""

    def finish(self, name: Name) -> list[Signal]:
        """Return what was held back until time goes on; the stream has ended."""
        ...


@dataclass(slots=True)
class Detection:
    """Detectors at work on one stream.

    Args:
        basis: areas, registers and the rulebook, whose assumptions count.
        facts: what registers say in an epoch of theirs, which holds at an instant [ns, UTC].
        detectors: look at observations of each terminal. gathering: look at many terminals together.
        afterwards: look at observations once they are decided.
        keep: every signal is kept in `signals`; False leaves them to `told`.
        ties: what connects terminals besides their account. account_settings: how risk spreads among terminals of one body.
        spared: kinds of signals of terminals that a person found to be false alarms; they are told and count for no observation.
        told: is given the signals of each batch. undone: is given those told before that are withdrawn.

    Attributes:
        signals: all that were raised, in the order in which they were.
        counts: of them, by kind.
        observations: that were looked at.
        attached: observations that some signal counts for.
        late: observations behind what is known of their terminal, which were left out.
        withdrawn: signals that were withdrawn because their terminal's area turned out to be disturbed.
    """

    basis: Basis
    facts: Callable[[Surroundings, int, int], Facts]
    detectors: Sequence[Detector]
    gathering: Sequence[Gathering] = ()
    afterwards: Sequence[Detector] = ()
    spared: Mapping[str, frozenset[str]] = field(default_factory=dict)
    keep: bool = True
    told: Callable[[list[Signal]], None] | None = None
    undone: Callable[[list[Signal]], None] | None = None
    ties: Callable[[Facts], Ties] = lambda facts: Ties.unknown(len(facts))
    account_settings: AccountSettings = field(default_factory=AccountSettings)
    signals: list[Signal] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    observations: int = 0
    attached: int = 0
    late: int = 0
    withdrawn: int = 0
    surroundings: Surroundings = field(init=False)
    _discs: CellDiscs = field(default_factory=CellDiscs)
    _assumed: NDArray[np.float32] = field(init=False)
    _facts: dict[int, Facts] = field(default_factory=dict)
    _until: dict[int, dict[str, int]] = field(default_factory=dict)
    _latest_ns: int = MIN_NS
    _doubt: Suspension = field(default_factory=Suspension)
    _marked: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))
    _seen: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    _denied: NDArray[np.uint8] = field(default_factory=lambda: np.zeros(0, np.uint8))

    def __post_init__(self) -> None:
        self.surroundings = Surroundings(self.basis)
        self._assumed = np.zeros(len(POSITION_SOURCES) + 1, np.float32)
        for name, sigma_m in self.basis.rulebook.assumptions.position_sigma_m:
            if name in POSITION_SOURCES:
                self._assumed[POSITION_SOURCES.index(name)] = sigma_m

    @property
    def nbytes(self) -> int:
        """Memory of terminals, of detectors, of what stands around them and of what registers say [bytes]."""
        own = self.surroundings.nbytes + self._marked.nbytes + self._seen.nbytes + self._denied.nbytes
        own += sum(known.nbytes for known in self._facts.values())
        return own + sum(each.nbytes for each in self._all())

    def table(self) -> pa.Table:
        """Return what was kept as a table of SIGNAL_SCHEMA."""
        return table_of(self.signals)

    def update(self, table: pa.Table) -> pa.Table:
        """Look at observations and return them with the signals that count.

        Args:
            table: OBSERVATION_SCHEMA, in order of time. Those behind what is known of their terminal say nothing new and are counted.
        """
        table = combined(table)
        if not len(table):
            return table
        row = self.basis.registers.add(table.column("terminal_id"))
        t_ns = table.column("observed_at").to_numpy()
        self._grow(int(row.max()) + 1)
        rows = self._rows(table, row, t_ns)
        fresh = np.empty(len(row), np.bool_)
        late = int(_advance(self._seen, row, t_ns, fresh))
        self.late += late
        self.observations += len(table) - late
        self._latest_ns = max(self._latest_ns, int(t_ns.max()))
        looked = rows if not late else _chosen(rows, fresh)
        found = self._look((*self.detectors, *self.gathering), looked)
        ids = pa.array([each.terminal_id for each in found], pa.string())
        stands = self._doubt.weigh(self.basis.registers.lookup(ids).tolist() if found else [], found, looked)
        self._undo(stands)
        self._tell(stands.told)
        return self._attach(table, row, t_ns, stands.counting)

    def remember(self, batches: Iterable[pa.Table]) -> None:
        """Look at observations of before, in order of time, so that what is remembered of terminals is as it was; nothing is told."""
        keep, told = self.keep, self.told
        self.keep, self.told = False, None
        for batch in batches:
            self.update(batch)
        self.keep, self.told = keep, told
        self.observations = self.attached = self.late = 0
        self.counts.clear()

    def gather(self, rows: Rows) -> None:
        """Look at observations whose terminals were watched elsewhere: those that detectors which gather asked for.

        Args:
            rows: in order of time, from one call to the next too.
        """
        self._grow(int(rows.row.max(initial=-1)) + 1)
        self._latest_ns = max(self._latest_ns, int(rows.t_ns.max(initial=MIN_NS)))
        self._tell(self._look((*self.detectors, *self.gathering), rows))

    def take(self, found: Iterable[Signal], held: Iterable[Signal]) -> None:
        """Tell what was found elsewhere, of terminals all of whose observations were seen there, and hold back what was held there."""
        self._doubt.take(held)
        self._tell(list(found))

    @property
    def held(self) -> list[Signal]:
        """Signals that wait for the watch over disturbed areas."""
        return self._doubt.held

    def finish(self) -> None:
        """End the stream for good: what was held back until time goes on is told."""
        found = [signal for each in self.gathering for signal in each.finish(self._name)]
        self._tell([*self._doubt.end(self._latest_ns), *found])

    def conclude(self) -> None:
        """Tell what follows from all signals together; at the end of a run, whose signals are kept."""
        if self._latest_ns == MIN_NS:
            return
        facts = next(iter(self._facts.values()))

        def row_of(terminal: str) -> int:
            return int(self.basis.registers.lookup(pa.array([terminal], pa.string()))[0])

        found = risks(self.signals, facts, self.ties(facts), row_of, self._latest_ns, settings=self.account_settings)
        self._tell(account_signals(found, self._name, self._latest_ns, settings=self.account_settings))

    def learn(self, judged: Judged) -> None:
        """Compare what the network did with what had been decided before, by rows of one batch that was judged."""
        self.compare(judged.table, judged.rows, judged.decided.outcome)

    def compare(self, table: pa.Table, row: NDArray[np.int32], outcome: NDArray[np.uint8]) -> None:
        """Do the same by observations, the rows of their terminals here, and what was decided; in order of time."""
        if not self.afterwards:
            return
        served = _served(table)
        self._grow(int(row.max(initial=-1)) + 1)
        denied = _before(self._denied, row, (outcome == Outcome.DENY).astype(np.uint8))
        if (served == UNKNOWN).all():
            return
        rows = self._rows(table, row, table.column("observed_at").to_numpy(), denied=denied)
        self._tell(self._look(self.afterwards, rows))

    def _all(self) -> tuple[Detector, ...]:
        return (*self.detectors, *self.gathering, *self.afterwards)

    # --- steps --------------------------------------------------------------------------------------------------------

    def _grow(self, terminals: int) -> None:
        if terminals > len(self._marked):
            room = max(terminals, len(self.basis.registers))
            self._marked = grown(self._marked, room, lambda more: np.zeros(more, np.bool_))
            self._seen = grown(self._seen, room, lambda more: np.full(more, MIN_NS, np.int64))
            self._denied = grown(self._denied, room, lambda more: np.full(more, UNKNOWN, np.uint8))
            for each in self._all():
                each.grow(len(self._marked))

    def _look(self, detectors: Sequence[Detector], rows: Rows) -> list[Signal]:
        found: list[Signal] = []
        epochs = self.basis.registers.epoch_of(rows.t_ns)
        cuts = [0, *(np.flatnonzero(np.diff(epochs)) + 1).tolist(), len(rows)]
        for begin, end in pairwise(cuts):
            if begin == end:
                continue
            part = rows if end - begin == len(rows) else rows.part(begin, end)
            facts = self._facts_in(int(epochs[begin]), int(rows.t_ns[begin]))
            for each in detectors:
                found += each.update(part, facts, self.surroundings.places, self._name)
        return found

    def _undo(self, stands: Standing) -> None:
        """Take back what was told in earlier batches and does not stand any more."""
        self.withdrawn += stands.withdrawn
        if not stands.undone:
            return
        for row, signal, since_ns in stands.undone:
            until = self._until.get(row, {})
            if signal.kind in until:
                until[signal.kind] = min(until[signal.kind], since_ns)
        undone = [signal for _, signal, _ in stands.undone]
        # What is told again of one episode has the same id: an earlier telling stands.
        gone = {(each.id, each.raised_at) for each in undone}
        self.signals = [each for each in self.signals if (each.id, each.raised_at) not in gone]
        self.counts.subtract(each.kind for each in undone)
        if self.undone is not None:
            self.undone(undone)

    def _tell(self, found: list[Signal]) -> None:
        found.sort(key=lambda each: (each.raised_at, each.terminal_id, each.kind, each.from_at))
        self.counts.update(each.kind for each in found)
        if self.keep:
            self.signals += found
        if self.told is not None and found:
            self.told(found)

    def _facts_in(self, epoch: int, at_ns: int) -> Facts:
        known = self._facts.get(epoch)
        if known is None:
            known = self.facts(self.surroundings, epoch, at_ns)
        # One epoch is enough: time goes on.
        self._facts = {epoch: _padded(known, len(self._marked))}
        return self._facts[epoch]

    def _name(self, row: int) -> str:
        return self.basis.registers.name_of(row)

    def _rows(self, table: pa.Table, row: NDArray[np.int32], t_ns: NDArray[np.int64], denied: NDArray[np.uint8] | None = None) -> Rows:
        n = len(table)
        source = _sources(table.column("position_source"))
        lat, lon = (table.column(name).to_numpy().astype(np.float64) for name in ("lat_deg", "lon_deg"))
        sigma = table.column("position_sigma_m").to_numpy().astype(np.float32)
        sigma = np.where(np.isnan(sigma), self._assumed[source], sigma)
        cell, radius = np.zeros(n, np.uint64), np.zeros(n, np.float32)
        cells = table.column("h3_cell")
        if cells.null_count < n:
            said = pc.fill_null(cells, 0).to_numpy().astype(np.uint64)
            by_cell = np.isnan(lat) & (said != 0)
            if by_cell.any():
                cell = np.where(by_cell, said, np.uint64(0))
                lat, lon = lat.copy(), lon.copy()
                lat[by_cell], lon[by_cell], radius[by_cell] = self._discs.of(cell[by_cell])
                sigma[by_cell] = 0.0
        heard = heard_of(table, t_ns)
        nothing = np.zeros(n, np.uint8)
        return Rows(
            row, t_ns, lat, lon, sigma, cell, radius, source,
            table.column("alt_m").to_numpy().astype(np.float32), table.column("speed_m_s").to_numpy().astype(np.float32),
            nothing if heard is None else heard.gnss, nothing if heard is None else heard.verdict,
            np.full(n, np.nan) if heard is None else heard.distance_m,
            self.surroundings.of(row, t_ns, lat, lon, sigma, cell), _served(table),
            np.full(n, UNKNOWN, np.uint8) if denied is None else denied,
        )  # fmt: skip

    def _attach(self, table: pa.Table, row: NDArray[np.int32], t_ns: NDArray[np.int64], found: Sequence[Signal]) -> pa.Table:
        masks = np.zeros(len(table), np.uint32)
        ids = pa.array([each.terminal_id for each in found], pa.string())
        rows = self.basis.registers.lookup(ids).tolist() if len(ids) else []
        about = {place: signal for place, signal in enumerate(found) if signal.kind in _ATTACHED}
        self._marked[[rows[place] for place in about]] = True
        chosen = np.flatnonzero(self._marked[row])
        if len(chosen):
            order = chosen[np.argsort(row[chosen], kind="stable")]
            terminals, begins = np.unique(row[order], return_index=True)
            span = dict(zip(terminals.tolist(), zip(begins.tolist(), [*begins[1:].tolist(), len(order)], strict=True), strict=True))
            for terminal, (begin, end) in span.items():
                self._carry(masks, order[begin:end], t_ns, terminal)
            for place, signal in about.items():
                terminal = rows[place]
                if terminal in span:
                    mine = order[slice(*span[terminal])]
                    when = t_ns[mine]
                    masks[mine[(when >= signal.raised_at) & (when < signal.until_at)]] |= np.uint32(BIT[signal.kind])
        for place, signal in about.items():
            known = self._until.setdefault(rows[place], {})
            known[signal.kind] = max(signal.until_at, known.get(signal.kind, signal.until_at))
            self._marked[rows[place]] = True
        for terminal, mine in self._spared_rows(row, masks).items():
            masks[mine] &= ~np.uint32(mask_of(self.spared[terminal]))
        hit = np.flatnonzero(masks)
        self.attached += len(hit)
        if not len(hit):
            return table
        distinct, which = np.unique(masks[hit], return_inverse=True)
        words = pa.array([*(list(kinds_of(int(mask))) for mask in distinct), None], pa.list_(pa.string()))
        coded = np.full(len(table), len(distinct), np.int32)
        coded[hit] = which
        return table.set_column(_SIGNALS, OBSERVATION_SCHEMA.field(_SIGNALS), words.take(pa.array(coded)))

    def _spared_rows(self, row: NDArray[np.int32], masks: NDArray[np.uint32]) -> dict[str, NDArray[np.int64]]:
        """Rows with signals of terminals that are spared some."""
        hit = np.flatnonzero(masks) if self.spared else np.zeros(0, np.int64)
        found = {}
        for number in np.unique(row[hit]).tolist():
            if (name := self._name(number)) in self.spared:
                found[name] = hit[row[hit] == number]
        return found

    def _carry(self, masks: NDArray[np.uint32], mine: NDArray[np.int64], t_ns: NDArray[np.int64], terminal: int) -> None:
        """Mark rows of one terminal with signals of earlier batches; forget those that have lapsed."""
        known = self._until.get(terminal)
        if not known:
            return
        when = t_ns[mine]
        for kind, until in known.items():
            masks[mine[when < until]] |= np.uint32(BIT[kind])
        last = int(when[-1])
        left = {kind: until for kind, until in known.items() if until > last}
        self._until[terminal] = left
        if not left:
            del self._until[terminal]
            self._marked[terminal] = False


def signals_made(detection: Detection) -> dict[str, object]:
    """Return rows and digest of the signals of a run, for its manifest."""
    table = detection.table()
    return {"rows": len(table), "digest": table_digest([table])}


def _sources(column: pa.ChunkedArray) -> NDArray[np.uint8]:
    codes = pc.fill_null(pc.index_in(column, value_set=_SOURCES), len(POSITION_SOURCES))
    return np.asarray(codes.to_numpy(), np.uint8)


def _served(table: pa.Table) -> NDArray[np.uint8]:
    column = table.column("served")
    if column.null_count == len(column):
        return np.full(len(column), UNKNOWN, np.uint8)
    return np.asarray(pc.fill_null(column.cast(pa.uint8()), UNKNOWN).to_numpy(), np.uint8)


@njit(cache=True, nogil=True)
def _advance(seen, row, t_ns, fresh):  # type: ignore[no-untyped-def]  # compiled; typed by numba
    """Mark rows that are later than all that is known of their terminal, and make their times known; return how many are not."""
    late = 0
    for i in range(len(row)):
        later = t_ns[i] > seen[row[i]]
        fresh[i] = later
        if later:
            seen[row[i]] = t_ns[i]
        else:
            late += 1
    return late


def _before(known: NDArray[np.uint8], row: NDArray[np.int32], value: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the value that each row's terminal had before it, and remember the last."""
    order = np.argsort(row, kind="stable")
    ordered = row[order]
    first = np.ones(len(row), np.bool_)
    first[1:] = ordered[1:] != ordered[:-1]
    before = np.empty(len(row), np.uint8)
    earlier = np.empty(len(row), np.uint8)
    earlier[1:] = value[order][:-1]
    before[order] = np.where(first, known[ordered], earlier)
    known[row] = value  # of repeated rows the last counts
    return before


def _chosen(rows: Rows, mask: NDArray[np.bool_]) -> Rows:
    return Rows(*(getattr(rows, name)[mask] for name in Rows.__slots__))


def _padded(facts: Facts, terminals: int) -> Facts:
    """Return facts with room for terminals that no register knows."""
    if len(facts) >= terminals:
        return facts
    whole = Facts.unknown(terminals)
    for name in Facts.__slots__:
        values = getattr(facts, name)
        if isinstance(values, np.ndarray):
            getattr(whole, name)[: len(values)] = values
        else:
            setattr(whole, name, values)
    return whole


_SOURCES: Final = pa.array(POSITION_SOURCES)
