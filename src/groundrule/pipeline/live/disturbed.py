"""Disturbed areas on the live desk: which new observations are suspended, known before they are written.

Nothing is remembered of a row before it is durable: `suspend` answers by what is known already, `learn` takes what was written.
Rows wait until a step of the watch ends, so that a calm fleet costs one comparison for each group. Used by the intake thread
alone, but for `hear`.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from groundrule.detect.interference import InterferenceWatch, in_order
from groundrule.errors import GroundruleError
from groundrule.instant import NS_PER_DAY, NS_PER_S, format_instant
from groundrule.pipeline.interference import witnesses_of_home
from groundrule.pipeline.judge import Judge
from groundrule.pipeline.manifests import runs
from groundrule.pipeline.standing import Standing
from groundrule.records import OBSERVATION_SCHEMA
from groundrule.store.history import day_files
from groundrule.store.home import Home
from groundrule.store.places import dataset_of
from groundrule.store.terminal_index import TerminalIndex
from groundrule.store.verifications import read_verifications

_LOG = logging.getLogger(__name__)
WAITING_ROWS: Final = 50_000
"""Rows that are learnt at the latest, whether a step ends or not."""
WAITING_GROUPS: Final = 256
"""Groups of rows that are learnt at the latest: where each has one row, those of a whole step would keep answers waiting at its end."""
RESTORED_ROWS: Final = 2_000_000
RESTORED_NS: Final = NS_PER_DAY
"""What is learnt anew at a start: the last rows of history, so many and so far back at most."""
HOLDERS_NS: Final = 3_600 * NS_PER_S
"""How old the holders of terminals may be before they are read again [ns]."""
_COLUMNS: Final = ("terminal_id", "observed_at", "lat_deg", "lon_deg", "h3_cell", "position_sigma_m", "position_source", "gnss_state")
_STATE: Final = OBSERVATION_SCHEMA.get_field_index("gnss_state")


class Disturbances:
    """Watches what the desk takes.

    Args:
        home: whose registers say who holds which terminal, and whose history is learnt at the start.
        clock: gives the time [ns, UTC].
        judge: gives the desk's judge, which says who is served where it is at home, and may be a witness; None asks nobody.

    Attributes:
        watch: what is known.
        fault: why holders or history could not be read, or empty: then nobody is a witness, or those before.
    """

    def __init__(self, home: Home, clock: Callable[[], int], judge: Callable[[], Judge] | None = None) -> None:
        self._home, self._clock = home, clock
        self.fault, self._broken = "", False
        self._heard: deque[pa.Table] = deque()
        self._waiting: list[pa.Table] = []
        self._rows = 0
        self._step = -1
        self._read_ns = clock()
        self._reading: threading.Thread | None = None
        self._fresh: Callable[[Sequence[str]], Sequence[str | None]] | None = None
        index = TerminalIndex()
        self.watch = InterferenceWatch(
            accounts=self._holders(), number=index.add, served=None if judge is None else Standing(judge),
            named=lambda numbers: index.take(numbers).to_pylist(),
        )  # fmt: skip
        self._restore()

    def suspend(self, rows: pa.Table, chosen: NDArray[np.bool_] | None) -> tuple[pa.Table, int]:
        """Return a group's rows with `suspended` where their area is disturbed, the same object where none is; and how many.

        Args:
            rows: OBSERVATION_SCHEMA, as they are to be written.
            chosen: only these (bool, shape (n,)); None is all of them.
        """
        if not len(rows) or self._broken:  # of what came none was good
            return rows, 0
        try:
            return self._suspend(rows, chosen)
        except Exception as error:  # noqa: BLE001 - a fault of the watch keeps no observation out
            self._break(error)
            return rows, 0

    def learn(self, rows: pa.Table, chosen: NDArray[np.bool_] | None) -> None:
        """Take rows that are durable; those that are not chosen came late, or twice, and say nothing."""
        if self._broken:
            return
        try:
            self._learn(rows, chosen)
        except Exception as error:  # noqa: BLE001 - as above
            self._break(error)

    def hear(self, verifications: pa.Table) -> None:
        """Take verdicts of the radio; any thread."""
        if len(verifications) and not self._broken:
            self._heard.append(verifications.select(["terminal_id", "at_ns", "verdict", "lat_deg", "lon_deg"]))

    def _break(self, error: Exception) -> None:
        """Stop watching: what is half learnt says nothing, and the desk goes on without."""
        _LOG.error("disturbed areas are not watched any more", exc_info=error)
        self._broken, self.fault = True, f"disturbed areas are not watched until the next start: {error!r}"
        self._waiting, self._rows = [], 0
        self._heard.clear()

    def _suspend(self, rows: pa.Table, chosen: NDArray[np.bool_] | None) -> tuple[pa.Table, int]:
        now = self._clock()
        newest = min(int(pc.max(rows.column("observed_at")).as_py()), now)
        step = int(self.watch.suspicions.steps_ended(np.array([newest]))[0])
        if step > self._step:
            self._step = step
            self._settle()
        answered = self.watch.answer(rows, now_ns=now)
        if answered is rows:
            return rows, 0
        state = answered.column("gnss_state")
        hit = pc.fill_null(pc.equal(state, "suspended"), False)
        if chosen is not None:
            hit = pc.and_(hit, pa.array(chosen))
        count = int(pc.sum(hit).as_py() or 0)
        if not count:
            return rows, 0
        return rows.set_column(_STATE, OBSERVATION_SCHEMA.field(_STATE), pc.if_else(hit, state, rows.column("gnss_state"))), count

    def _learn(self, rows: pa.Table, chosen: NDArray[np.bool_] | None) -> None:
        kept = rows.select(_COLUMNS)
        if chosen is not None and not chosen.all():
            kept = kept.filter(pa.array(chosen))
        if len(kept):
            self._waiting.append(kept)
            self._rows += len(kept)
        if self._rows > WAITING_ROWS or len(self._waiting) >= WAITING_GROUPS:
            self._settle()

    def _settle(self) -> None:
        """Give what waits to the watch."""
        self._renew_holders()
        heard = [self._heard.popleft() for _ in range(len(self._heard))]
        said = pa.concat_tables(heard) if heard else None
        # In one piece: what follows goes through each column several times, chunk by chunk.
        rows = pa.concat_tables(self._waiting).combine_chunks() if self._waiting else OBSERVATION_SCHEMA.empty_table().select(_COLUMNS)
        self._waiting, self._rows = [], 0
        now = self._clock()
        self.watch.update(rows, said, now_ns=now)
        self.watch.forget(now - NS_PER_DAY)

    # --- who holds what -----------------------------------------------------------------------------------------------------

    def _holders(self) -> Callable[[Sequence[str]], Sequence[str | None]]:
        try:
            held: Mapping[str, str] = witnesses_of_home(self._home, self._clock())
        except GroundruleError as error:
            _LOG.error("holders of terminals cannot be read", exc_info=error)
            self.fault = str(error)
            held = {}
        return lambda names: [held.get(name) for name in names]

    def _renew_holders(self) -> None:
        """Read the registers again, beside the intake, and take them when they are there."""
        if self._fresh is not None:
            self.watch.ask_again(self._fresh)
            self._fresh = None
        now = self._clock()
        if now - self._read_ns < HOLDERS_NS or (self._reading is not None and self._reading.is_alive()):
            return
        self._read_ns = now
        self._reading = threading.Thread(target=self._read, name="holders", daemon=True)
        self._reading.start()

    def _read(self) -> None:
        before, self.fault = self.fault, ""
        fresh = self._holders()
        if not self.fault:
            self._fresh = fresh
        if before and (self.fault or self._broken):
            self.fault = before

    # --- at a start -----------------------------------------------------------------------------------------------------------

    def _restore(self) -> None:
        """Learn the last rows of history: who was calm where, what is usual, and what is disturbed."""
        try:
            found = _last_rows(self._home, self._clock())
            since = int(found.column("observed_at")[0].as_py()) if len(found) else self._clock()
            said = read_verifications(self._home, from_ns=since, columns=("verdict", "lat_deg", "lon_deg"))
        except (GroundruleError, OSError, pa.ArrowException) as error:
            _LOG.error("the watch for disturbed areas begins without a past", exc_info=error)
            self.fault = str(error)
            return
        try:
            self.watch.update(found.slice(0, WAITING_ROWS), said if len(said) else None)
            for first in range(WAITING_ROWS, len(found), WAITING_ROWS):
                self.watch.update(found.slice(first, WAITING_ROWS))
        except Exception as error:  # noqa: BLE001 - a fault of the watch keeps no desk closed
            self._break(error)


def _last_rows(home: Home, now_ns: int) -> pa.Table:
    """The last observations of history, in their order; of whole files, so many that the bound is not passed."""
    committed, parts, held = runs(home), list[pa.Table](), 0
    wanted = pc.field("observed_at") > now_ns - RESTORED_NS
    for day in sorted({format_instant(at)[:10] for at in (now_ns - RESTORED_NS, now_ns)}, reverse=True):
        for _, correction, path in reversed(day_files(home, "observations", day, runs=committed)):
            if correction:
                continue
            data = dataset_of(path)
            names = [name for name in _COLUMNS if name in data.schema.names]
            part = data.to_table(columns=names, filter=wanted)
            held += len(part)
            if held > RESTORED_ROWS:
                return _joined(parts)
            parts.append(part)
    return _joined(parts)


def _joined(parts: list[pa.Table]) -> pa.Table:
    fields = pa.schema([OBSERVATION_SCHEMA.field(name) for name in _COLUMNS])
    whole = [part for part in parts if len(part)]
    if not whole:
        return fields.empty_table()
    joined = pa.concat_tables(whole, promote_options="permissive")
    for name in _COLUMNS:
        if name not in joined.column_names:
            joined = joined.append_column(fields.field(name), pa.nulls(len(joined), fields.field(name).type))
    return in_order(joined.select(_COLUMNS).cast(fields))
