"""Measurements on the live desk: verified beside the intake, made durable, remembered for the observations that come after.

    submit ─► queue ─► one thread: claims gathered, verified, HOME/verifications flushed ─► remembered ─► answered

A window that comes in several batches is verified with all that came of it, each time anew. An answer means that the verifications
are on the disk. A batch is never refused because its orbits are old or not there: its terminals are then verified as insufficient,
with the reason. What a run decides rests on what was attached to its observations when these came, and is stored with them.
"""

from __future__ import annotations

import io
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b, sha256
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from groundrule.errors import ConflictError, GroundruleError, InputError, StoreError
from groundrule.instant import NS_PER_S
from groundrule.pipeline.live.answers import LiveSettings, Rejected
from groundrule.pipeline.live.commands import ending, failed_future
from groundrule.pipeline.live.heard import RadioMemory
from groundrule.pipeline.live.open_windows import OpenWindows
from groundrule.pipeline.platforms import platforms_of_home
from groundrule.pipeline.sky import Sky
from groundrule.pipeline.verifying import credible, verify_measurements
from groundrule.store.events import EventLog
from groundrule.store.home import Home
from groundrule.store.verifications import gather_small, latest_verifications, newest_verifications, write_verifications
from groundrule.verify.assemble import MODEL, Options
from groundrule.verify.measurements import REASONS, Issue, clean
from groundrule.verify.records import VERIFICATION_SCHEMA

_LOG = logging.getLogger(__name__)
MAX_SOURCE: Final = 120
MAX_KEY: Final = 255
MAX_COLUMNS: Final = 64
REMEMBERED_S: Final = 86_400.0
"""How far back from the newest verification the memory is made anew at a start [s]."""
ORBIT_REASONS: Final = {
    "unknown_satellite": "no loaded elements have the satellites that were measured",
    "stale_elements": "the elements of the satellites that were measured are older than the limit",
    "future_elements": "the elements of the satellites that were measured are from too long after the measurements",
    "no_state": "the elements give no state of the satellites that were measured",
    "no_elements": "no orbital elements are loaded",
}
"""Why orbits kept a terminal from being verified."""

ANSWERED: Final = ("terminal_id", "at_ns", "verdict", "assurance", "usable", "conditions", "inputs")


@dataclass(frozen=True, slots=True)
class Measured:
    """The answer to one batch of measurements.

    Attributes:
        verifications: columns `ANSWERED`; one row for each terminal and window.
        accepted: measurements that were used.
        rejected: the others, and why.
        taken_before: the idempotency key was used before with the same content and the first answer is not kept any more: these are
            the last verifications of the terminals.
    """

    verifications: pa.Table
    accepted: int
    rejected: tuple[Rejected, ...]
    taken_before: bool = False


class Measuring:
    """Takes measurements; one thread of its own.

    Args:
        home: its write lock is held.
        events: knows idempotency keys of the past.
        settings, clock: as for the desk.
        claims: gives what some terminals claimed between two instants, as observations.
    Attributes:
        memory: what observations get.
        fault: why the memory could not be made at the start, or empty.
    """

    def __init__(
        self, home: Home, events: EventLog, settings: LiveSettings, clock: Callable[[], int],
        claims: Callable[[pa.Array, int, int], pa.Table],
    ) -> None:  # fmt: skip
        self._home, self._events, self._settings, self._clock, self._claims = home, events, settings, clock, claims
        self.memory, self.fault = RadioMemory(), ""
        self._sky = Sky(home)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="measure")
        self._lock = threading.Lock()
        self._waiting, self._closed = 0, False
        self._answers: OrderedDict[str, tuple[str, Measured]] = OrderedDict()
        self._counters = dict.fromkeys(("measurements", "measurements_rejected", "verifications"), 0)
        self._written = 0
        self._open = OpenWindows()
        self._remember()

    @property
    def counters(self) -> dict[str, int]:
        """What happened since the start."""
        with self._lock:
            return {**self._counters, "verified_terminals": len(self.memory), "verified_forgotten": self.memory.forgotten}

    def submit(self, table: pa.Table, *, source: str, key: str | None = None) -> Future[Measured]:
        """Hand in measurements; the future holds the answer once the verifications are durable.

        Args:
            table: columns of `verify.measurements.MEASUREMENT_SCHEMA`.
            source: who sends them, an id.
            key: the same key again, with the same content, is answered as before.
        Errors on the future:
            InputError: a column is missing, or there are too many rows. ConflictError: the key was used for other content.
            StoreError: nothing was taken; context `busy`: too much waits; `full`: there is no room.
        """
        rows, most = len(table), self._settings.submission_rows
        if rows > most:
            return failed_future(InputError(f"{rows:,} rows in one submission", help=f"at most {most:,}; send several", field="rows"))
        if key is not None and not 0 < len(key) <= MAX_KEY:
            return failed_future(InputError(f"an idempotency key of {len(key)} characters", help=f"1 to {MAX_KEY}", field="key"))
        with self._lock:
            if self._closed:
                return failed_future(ending())
            if self._waiting and self._waiting + rows > self._settings.queue_rows:
                return failed_future(StoreError("too many measurements wait", help="send them again in a while", busy=True))
            self._waiting += rows
            return self._pool.submit(self._take, table, source[:MAX_SOURCE], key)

    def close(self) -> None:
        """Answer what waits, and end."""
        with self._lock:
            self._closed = True
        self._pool.shutdown(wait=True)

    # --- the measuring thread -----------------------------------------------------------------------------------------------

    def _take(self, table: pa.Table, source: str, key: str | None) -> Measured:
        try:
            digest = content = ""
            if key is not None:
                digest = blake2b(b"measurements\0" + source.encode() + b"\0" + key.encode(), digest_size=16).hexdigest()
                content = _content(table)
                if (before := self._answered_before(digest, content, table)) is not None:
                    return before
            answer = self._verify(table)
            if digest:
                keys = [(digest, content, self._clock())]
                self._events.take_keys(keys, forget_before_ns=self._clock() - round(self._settings.keys_kept_s * NS_PER_S))
                self._answers[digest] = (content, answer)
                while len(self._answers) > self._settings.answers_kept:
                    self._answers.popitem(last=False)
            return answer
        finally:
            with self._lock:
                self._waiting -= len(table)

    def _answered_before(self, digest: str, content: str, table: pa.Table) -> Measured | None:
        kept = self._answers.get(digest)
        taken = self._events.taken(digest) if kept is None else kept[0]
        if taken is None:
            return None
        if taken != content:
            raise ConflictError("the idempotency key was used for other content", help="use a new key for each submission")
        if kept is not None:
            return kept[1]
        names = pc.unique(table.column("terminal_id").cast(pa.string())).to_pylist() if "terminal_id" in table.column_names else []
        found = [(name, row) for name in names if name and (row := self.memory.latest(name)) is not None]
        rows = [{"terminal_id": name, **{k: row.get(k) for k in ANSWERED[1:] if k in row}, "conditions": []} for name, row in found]
        return Measured(pa.Table.from_pylist(rows, schema=_ANSWER_SCHEMA), 0, (), taken_before=True)

    def _verify(self, table: pa.Table) -> Measured:
        elements = self._sky.elements()
        try:
            whole = self._open.with_earlier(table)
            read = clean(whole)
            claims, options = None, Options()
            if len(read) or len(read.cell_t_ns):
                times = np.concatenate([read.t2_ns, read.cell_t_ns])
                options = Options(platforms=self._platforms(read.terminals, int(times.max())))
                claims = self._claims(pa.array(read.terminals, pa.string()), int(times.min()), int(times.max()))
            found, known = verify_measurements(whole, elements, claims, options)
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
            raise InputError(
                f"the measurements cannot be read: {str(error).splitlines()[0][:200]}", help="give columns as docs/verify.md names them"
            ) from error
        # Earlier ones stand after those that came now, and were told of when they came.
        issues = [each for each in known if each.row < len(table)]
        self._open.keep(table, np.array([each.row for each in issues], np.int64))
        found = pa.concat_tables([found, self._unverified(read, found, known, bool(len(elements)))])
        latest = self._clock() + round(self._settings.ahead_s * NS_PER_S)
        ahead = pc.greater(found.column("at_ns"), latest)
        names = table.column("terminal_id").cast(pa.string()).to_pylist() if pc.any(ahead).as_py() else []
        refused = [
            Rejected(names.index(name), "ahead_of_clock", "observed_at", None, "measured later than our clock says it is")
            for name in found.filter(ahead).column("terminal_id").to_pylist()
        ]  # fmt: skip
        found, _ = credible(found.filter(pc.invert(ahead)))
        if write_verifications(self._home, found) is not None:
            self._written += 1
        self.memory.put(found)
        rejected = tuple(Rejected(each.row, each.reason, each.field, each.value, REASONS.get(each.reason)) for each in issues)
        struck = len({each.row for each in issues})
        with self._lock:
            self._counters["measurements"] += len(table)
            self._counters["measurements_rejected"] += struck
            self._counters["verifications"] += len(found)
        if self._written >= _SMALL_FILES:
            self._written = 0
            gather_small(self._home)
        return Measured(found.select(list(ANSWERED)).cast(_ANSWER_SCHEMA), len(table) - struck, (*rejected, *refused))

    def _platforms(self, terminals: Sequence[str], at_ns: int) -> dict[str, str]:
        """What plans in the register say of terminals; nothing where it cannot be read, which never refuses measurements."""
        try:
            return platforms_of_home(self._home, terminals, at_ns)
        except GroundruleError:
            _LOG.exception("plans of measured terminals cannot be read")
            return {}

    @staticmethod
    def _unverified(read: Any, found: pa.Table, issues: Sequence[Issue], any_elements: bool) -> pa.Table:
        """Verifications as insufficient of terminals of which orbits left nothing to verify."""
        why = {each.row: each.reason for each in issues if each.reason in ORBIT_REASONS}
        verified = set(found.column("terminal_id").to_pylist())
        last: dict[str, tuple[int, str]] = {}
        for terminal, row, at in zip(read.terminal.tolist(), read.row.tolist(), read.t2_ns.tolist(), strict=True):
            name, reason = read.terminals[terminal], why.get(row)
            if reason is not None and name and name not in verified and at > last.get(name, (-1, ""))[0]:
                last[name] = at, reason if any_elements else "no_elements"
        return pa.Table.from_pylist([_insufficient(name, at, reason) for name, (at, reason) in last.items()], schema=found.schema)

    def _remember(self) -> None:
        """Make the memory as it was; a damaged file is told, and the desk opens without."""
        try:
            newest = newest_verifications(self._home, 1, columns=())
            if len(newest):
                since = newest.column("at_ns")[0].as_py() - round(REMEMBERED_S * NS_PER_S)
                self.memory.put(latest_verifications(self._home, since_ns=since, columns=VERIFICATION_SCHEMA.names))
        except GroundruleError as error:
            self.fault = str(error)


_ANSWER_SCHEMA: Final = pa.schema([pa.field(name, VERIFICATION_SCHEMA.field(name).type) for name in ANSWERED])
_SMALL_FILES: Final = 32


def _insufficient(name: str, at_ns: int, reason: str) -> dict[str, Any]:
    """A verification that says why there is none."""
    inputs = sha256(f"{MODEL}\n{name}\n{at_ns}\n{reason}".encode()).hexdigest()
    return {
        "terminal_id": name, "at_ns": at_ns, "t_ref_ns": at_ns, "verdict": "insufficient", "assurance": "none",
        "conditions": ["no_estimate", reason], "alternatives": [], "usable": False, "distance_m": 0.0, "grade": "none",
        "words": f"Nothing was verified: {ORBIT_REASONS[reason]}.", "inputs": f"sha256:{inputs}", "elements": "", "model": MODEL,
    }  # fmt: skip


def _content(table: pa.Table) -> str:
    """Digest of measurements as they came, for telling whether a key is used again for the same."""
    sink = io.BytesIO()
    whole = table.replace_schema_metadata(None).combine_chunks()
    with pa.ipc.new_stream(sink, whole.schema) as writer:
        writer.write_table(whole)
    return sha256(sink.getvalue()).hexdigest()
