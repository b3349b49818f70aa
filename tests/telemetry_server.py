"""A local server that speaks the shape of the operator's telemetry stream: each row is delivered once, whatever becomes of the reply."""

from __future__ import annotations

import json
import random
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

COLUMNS = ["UtcTimestampNs", "DeviceId", "DownlinkThroughput", "UplinkThroughput", "PingDropRateAvg", "PingLatencyMsAvg",
           "ObstructionPercentTime", "Uptime", "SignalQuality", "H3CellId", "SecondsUntilSwupdateRebootPossible",
           "RunningSoftwareVersion", "CountryCode", "InTerritorialWaters", "ActiveAlert"]  # fmt: skip
IP_COLUMNS = ["UtcTimestampNs", "DeviceId", "AccountNumber", "Ipv4", "Ipv6Ue", "Ipv6Cpe"]
TOKEN = "secret-of-the-stream"


def terminal_row(who: str, at_ns: int, **more: Any) -> dict[str, Any]:
    """One row of a user terminal, by column."""
    return {
        "UtcTimestampNs": at_ns, "DeviceId": who, "DownlinkThroughput": 12.5, "UplinkThroughput": 1.5, "PingDropRateAvg": 0.0,
        "PingLatencyMsAvg": 31.0, "ObstructionPercentTime": 0.0, "Uptime": 864_000, "SignalQuality": 1.0, "H3CellId": "85754e67fffffff",
        "SecondsUntilSwupdateRebootPossible": 259_200, "RunningSoftwareVersion": "2026.06.12.mr81164", "CountryCode": "AT",
        "InTerritorialWaters": False, "ActiveAlert": [], **more,
    }  # fmt: skip


class Telemetry:
    """The server. Every reply has its columns in another order and its device types under other codes.

    Attributes:
        waiting: rows that were not delivered: device name, and values by column.
        delivered: ids and times of terminals' rows that count as read.
        faults: what the next replies do instead: a status, or a function of the connection's handler and the reply.
        asked: bodies of questions. tokens: that were given.
    """

    def __init__(self, seed: int = 1) -> None:
        self.waiting: deque[tuple[str, dict[str, Any]]] = deque()
        self.delivered: Counter[tuple[str, int]] = Counter()
        self.faults: deque[int | Callable[[Any, bytes], None]] = deque()
        self.asked: list[dict[str, Any]] = []
        self.tokens: set[str] = set()
        self.alerts = {"60": "disabled_moving_too_fast"}
        self._chance = random.Random(seed)
        self._lock = threading.Lock()
        telemetry = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:  # the library's name
                telemetry._answer(self)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/public/v2/telemetry/stream"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def add(self, *rows: dict[str, Any], device: str = "UserTerminal") -> None:
        with self._lock:
            self.waiting.extend((device, row) for row in rows)

    def reply(self, most: int) -> bytes:
        """The next rows, which count as read from now on."""
        with self._lock:
            taken = [self.waiting.popleft() for _ in range(min(most, len(self.waiting)))]
            codes = self._chance.sample("abcdeuri", 3)
            names = dict(zip(("UserTerminal", "Router", "IpAllocs"), codes, strict=True))
            columns = {"UserTerminal": COLUMNS[:], "Router": ["UtcTimestampNs", "DeviceId", "Clients"], "IpAllocs": IP_COLUMNS[:]}
            for each in columns.values():
                self._chance.shuffle(each)
            columns["UserTerminal"].insert(self._chance.randrange(len(COLUMNS)), "NewColumn")
            values = [[names[device], *(row.get(name) for name in columns[device])] for device, row in taken]
            self.delivered.update((row["DeviceId"], row["UtcTimestampNs"]) for device, row in taken if device == "UserTerminal")
        return json.dumps(
            {
                "data": {"columnNamesByDeviceType": {names[k]: ["DeviceType", *v] for k, v in columns.items()}, "values": values},
                "metadata": {"enums": {
                    "DeviceType": {code: name for name, code in names.items()},
                    "AlertsByDeviceType": {names["UserTerminal"]: self.alerts},
                }},
            },
            indent=self._chance.choice((None, 1)),
        ).encode()  # fmt: skip

    def _answer(self, handler: Any) -> None:
        asked = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        self.asked.append(asked)
        self.tokens.add(handler.headers.get("Authorization", ""))
        fault = self.faults.popleft() if self.faults else None
        if isinstance(fault, int):
            handler.send_response(fault)
            if fault == 429:
                handler.send_header("Retry-After", "0")
            if fault in (301, 302, 307):
                handler.send_header("Location", "http://127.0.0.1:1/elsewhere")
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        body = self.reply(asked["batchSize"])
        if fault is not None:
            fault(handler, body)
            return
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)


def breaks_off(handler: Any, body: bytes) -> None:
    """Half of a reply."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body[: len(body) // 2])
    handler.close_connection = True


def says_nothing(handler: Any, _: bytes) -> None:
    """The connection is closed after the question."""
    handler.close_connection = True


@contextmanager
def telemetry(seed: int = 1) -> Iterator[Telemetry]:
    made = Telemetry(seed)
    try:
        yield made
    finally:
        made.close()
