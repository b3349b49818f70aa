"""The operator's telemetry stream as a source: asked by a thread of its own, each reply durable before anything else is done with it.

    "a question is under way" written ─► asked ─► raw reply, fsynced ─► read ─► rows to the desk ─► reply marked as taken

The server counts a reply as read when it has sent it. So a reply that is in `Home.raw` is read from there, also by a process that
comes after a crash, under the same key; and a question of which nobody knows what came of it is told as a gap. Raw replies are removed once
they are taken and the server would not have them either.
"""

from __future__ import annotations

import gzip
import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa

from groundrule.errors import InputError, StoreError
from groundrule.instant import NS_PER_S
from groundrule.pipeline.watch.alerts import Alerts
from groundrule.pipeline.watch.arrivals import Arrival
from groundrule.pipeline.watch.asking import Lost, Question, Refused, ask
from groundrule.pipeline.watch.gaps import Gap, Gaps
from groundrule.pipeline.watch.reading import Reading, pieces
from groundrule.pipeline.watch.stream_settings import StreamSettings
from groundrule.store.alerts import ALERTS
from groundrule.store.durable import write_durably
from groundrule.store.home import Home
from groundrule.store.telemetry import keep_reply
from groundrule.store.watch_positions import Positions

_LOG = logging.getLogger(__name__)
AHEAD: Final = 4
"""Replies that wait to be read; with more, nothing is asked: the server keeps the rest."""
SLOWEST_S: Final = 60.0
PRUNE_S: Final = 600.0
GAPS_KEPT: Final = 1_000
_DONE: Final = "reply/"


class _Enums(msgspec.Struct):
    enums: dict[str, Any] = {}


class _Head(msgspec.Struct):
    metadata: _Enums = msgspec.field(default_factory=_Enums)


@dataclass(slots=True)
class _Reply:
    """A raw reply that is durable.

    Attributes:
        path: where; `name` within the folder of the stream.
        received_ns: when it came [ns, UTC].
        pending: arrivals of it that are not taken.
        doubt: one before it may have been lost. empty: it has no row.
        changes: alerts that opened and closed in it.
    """

    path: Path
    name: str
    received_ns: int
    pending: int = 0
    doubt: bool = False
    empty: bool = False
    changes: pa.Table | None = None
    gaps: dict[str, Any] | None = None


class StreamSource:
    """Replies of one telemetry stream.

    Args:
        settings: where it is.
        home: where raw replies, positions and alerts are kept.
        reading: how rows are read.
        once: end with the first reply that has no row.
        asked: asks; for tests.
        told: is told each gap.
        clock: gives the time [ns, UTC].
    """

    def __init__(
        self, settings: StreamSettings, home: Home, reading: Reading, *, once: bool = False, asked: Callable[[Question], bytes] = ask,
        told: Callable[[Gap], None] = lambda _: None, clock: Callable[[], int] = time.time_ns,
    ) -> None:  # fmt: skip
        settings.token()  # said at once, and not after a minute of trying
        self.name = settings.url
        self._settings, self._home, self._reading, self._once, self._clock = settings, home, reading, once, clock
        self._asked, self._told = asked, told
        self._folder = home.raw / settings.id
        self._positions = Positions.open(home.path, f"stream:{settings.id}")
        known = self._positions.all()
        self._gaps = Gaps.of(known.get("gaps"))
        self._gap_list: list[dict[str, Any]] = list(known.get("found", []))
        self._alerts = Alerts(home, clock())
        self._counts = {"replies": 0, "lost_replies": 0, "failures": 0, "alerts_opened": 0, "alerts_closed": 0}
        self._why = ""
        self._fault: Exception | None = None
        self._doubt = self._empty = False
        self._pruned = -PRUNE_S
        self._ready: queue.Queue[_Reply] = queue.Queue(AHEAD)
        self._flying = 0
        self._left = self._untaken(known)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._ask_on, name="stream", daemon=True)
        self._thread.start()

    # --- what the watcher does ----------------------------------------------------------------------------------------------

    @property
    def exhausted(self) -> bool:
        """Did the last reply have no row, and is everything taken?"""
        return self._empty and not self._flying and self._ready.empty() and not self._left

    def take(self, wait_s: float, most_rows: int) -> Sequence[Arrival]:  # noqa: ARG002 - a reply is taken whole
        """Return the rows of one reply."""
        if self._fault is not None:
            raise self._fault
        try:
            reply = self._left.pop(0) if self._left else self._ready.get(timeout=max(wait_s, 0.01))
        except queue.Empty:
            return ()
        self._flying += 1
        made = self._read(reply)
        reply.pending = max(1, len(made))
        return made or [Arrival(self.name, place=reply)]

    def taken(self, arrivals: Sequence[Arrival]) -> None:
        """Mark replies as taken, with what they showed."""
        for each in arrivals:
            reply: _Reply = each.place
            reply.pending -= 1
            if reply.pending:
                continue
            if reply.changes is not None and len(reply.changes):
                ALERTS.write(self._home, reply.changes)
            values: dict[str, Any] = {f"{_DONE}{reply.name}": reply.received_ns}
            if reply.gaps is not None:
                values |= {"gaps": reply.gaps, "found": self._gap_list}
            self._positions.put(values, at_ns=self._clock())
            self._flying -= 1
        self._prune()

    def said(self) -> Mapping[str, Any]:
        """Return counts of replies, gaps and alerts, and why nothing comes."""
        told: dict[str, Any] = {**self._counts, "alerts_open": self._alerts.open, "gaps": len(self._gap_list)}
        if self._gap_list:
            told["last_gap"] = self._gap_list[-1]
        return told | ({"stream_away": self._why} if self._why else {})

    def close(self) -> None:
        """Wait for the reply that is under way: it would be lost; then let go."""
        self._ended.set()
        self._thread.join()
        self._positions.close()

    # --- asking: a thread of its own ------------------------------------------------------------------------------------------

    def _ask_on(self) -> None:
        size, wait_s = self._settings.batch_size, 1.0
        try:
            while not self._ended.is_set():
                if self._ready.full():
                    self._ended.wait(0.1)
                    continue
                began = time.monotonic()
                try:
                    reply = self._ask(size)
                except (Refused, InputError) as error:
                    self._fail(str(error))
                    if self._once:
                        raise StoreError(f"the stream gives no reply: {error}", help="see docs/watch.md") from error
                    long = isinstance(error, InputError) or error.for_long
                    after_s = None if isinstance(error, InputError) else error.after_s
                    wait_s = SLOWEST_S if long else min(2 * wait_s, SLOWEST_S)
                    self._ended.wait(wait_s if after_s is None else min(after_s, 3_600.0))
                    continue
                except Lost as error:
                    self._lose(error)
                    size = max(1, size // 2) if error.too_long else size
                    wait_s = min(2 * wait_s, SLOWEST_S)
                    self._ended.wait(wait_s)
                    continue
                self._why, wait_s, size = "", 1.0, min(2 * size, self._settings.batch_size)
                self._ready.put(reply)
                self._empty = reply.empty
                if self._once and self._empty:
                    return
                if time.monotonic() - began < 1.0 and self._empty:
                    self._ended.wait(1.0)  # a server that does not linger is not asked without a pause
        except Exception as error:  # noqa: BLE001 - told to whoever watches
            self._fault = error

    def _ask(self, size: int) -> _Reply:
        """Ask once; the reply is durable when this returns."""
        self._positions.put({"asking": self._clock()}, at_ns=self._clock())
        try:
            raw = self._asked(Question(self._settings, size))
        except (Refused, InputError):
            self._positions.put({"asking": 0}, at_ns=self._clock())
            raise
        received = self._clock()
        path = keep_reply(self._folder, raw, received_at_ns=received)
        doubt, self._doubt = self._doubt, False
        name = str(path.relative_to(self._folder))
        # A question that was lost stays one until a reply after it is durable; that reply remembers it until it is taken.
        self._positions.put({"asking": 0, "lost": False, **({f"doubt/{name}": True} if doubt else {})}, at_ns=received)
        self._counts["replies"] += 1
        return _Reply(path, name, received, doubt=doubt, empty=len(raw) < 4_096 and not _rows_in(raw))

    def _fail(self, why: str) -> None:
        self._counts["failures"] += 1
        if why != self._why:
            _LOG.warning("the stream gives no reply: %s", why)
        self._why = why

    def _lose(self, error: Lost) -> None:
        """Note that the server may count a reply as read that did not come, and keep what came of it."""
        self._doubt = True
        self._positions.put({"asking": 0, "lost": True}, at_ns=self._clock())
        self._counts["lost_replies"] += 1
        self._fail(error.why)
        if error.part:
            write_durably(self._folder / "broken" / f"{self._clock()}.gz", gzip.compress(error.part, 6, mtime=0))

    # --- reading ------------------------------------------------------------------------------------------------------------

    def _untaken(self, known: Mapping[str, Any]) -> list[_Reply]:
        """Replies that a process before kept and did not hand over, in order."""
        found: list[_Reply] = []
        for path in sorted(self._folder.glob("date=*/*.json.gz"), key=lambda each: each.name):
            name = str(path.relative_to(self._folder))
            stamp = path.name.split("-")[0]
            if f"{_DONE}{name}" not in known and stamp.isdigit():
                found.append(_Reply(path, name, int(stamp), doubt=f"doubt/{name}" in known))
        lost, asking = bool(known.get("lost")), int(known.get("asking", 0))
        if asking and found and found[-1].received_ns >= asking:
            # The reply to the question that was under way had come; only that was not written any more.
            found[-1].doubt |= lost
        else:
            self._doubt = lost or asking > 0
        return found

    def _read(self, reply: _Reply) -> list[Arrival]:
        try:
            raw = gzip.decompress(reply.path.read_bytes())
        except (OSError, EOFError) as error:
            raise StoreError(f"cannot read `{reply.path}`: {error}", path=str(reply.path)) from error
        data = raw.replace(b"\n", b" ").replace(b"\r", b" ").strip()  # between JSON values, since in them they are escaped
        parts = list(pieces(self._reading.text(data + b"\n", name="reply.jsonl"))) if data else []
        rows = [table for table, _ in parts if len(table)]
        whole = pa.concat_tables(rows) if rows else None
        times = self._times(whole)
        self._gaps.doubt |= reply.doubt
        gap = self._gaps.replied(times, reply.received_ns, self._settings.retention_h * 3_600 * NS_PER_S)
        if gap is not None:
            self._gap_list = [*(each for each in self._gap_list if each != gap.told()), gap.told()][-GAPS_KEPT:]
            self._told(gap)
        reply.gaps = self._gaps.position()
        if whole is not None:
            reply.changes = self._alerts.update(whole, _alert_names(data))
            changes = reply.changes["change"].to_pylist()
            self._counts["alerts_opened"] += changes.count("opened")
            self._counts["alerts_closed"] += changes.count("closed")
        return [
            Arrival(f"stream/{reply.path.name}", table, rejects, f"reply:{reply.name}:{place}", reply)
            for place, (table, rejects) in enumerate(parts)
        ]

    @staticmethod
    def _times(rows: pa.Table | None) -> Any:
        return pa.array([], pa.int64()).to_numpy() if rows is None else rows["observed_at"].to_numpy()

    def _prune(self) -> None:
        """Remove raw replies that were taken, once the server would not have them either."""
        now = time.monotonic()
        if now - self._pruned < PRUNE_S:
            return
        self._pruned = now
        before = self._clock() - self._settings.retention_h * 3_600 * NS_PER_S
        known = self._positions.all()
        gone: list[str] = []
        for name, received in known.items():
            if not name.startswith(_DONE) or int(received) >= before:
                continue
            file = name.removeprefix(_DONE)
            (self._folder / file).unlink(missing_ok=True)
            gone += [name, f"doubt/{file}"]
        if gone:
            self._positions.put({}, at_ns=self._clock(), without=gone)


def _alert_names(data: bytes) -> dict[str, str]:
    """Names of alert codes of user terminals, as a reply gives them."""
    try:
        enums = msgspec.json.decode(data, type=_Head).metadata.enums
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    devices, alerts = enums.get("DeviceType"), enums.get("AlertsByDeviceType")
    found: dict[str, str] = {}
    for code, named in (alerts if isinstance(alerts, dict) else {}).items():
        terminal = devices.get(code) == "UserTerminal" if isinstance(devices, dict) else code == "u"
        if terminal and isinstance(named, dict):
            found |= {str(number): str(name) for number, name in named.items()}
    return found


def _rows_in(raw: bytes) -> bool:
    """Has a short reply any row, or is it something else?"""
    try:
        values = msgspec.json.decode(raw)["data"]["values"]
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError):
        return bool(raw.strip())
    return bool(values)
