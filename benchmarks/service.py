"""The service over loopback: what a terminal costs in batches, how long a single decision takes, and the map of a fleet.

A real `groundrule serve` runs in a process of its own; beside it, in another, a trivial route on the same server (uvicorn, uvloop,
httptools; no framework) decodes three columns and echoes them. Both get the same bodies over the same connections in turn. What is
compared is the CPU time of the server's process, all threads, so that the client costs nothing here. Detectors work in a process of their
own: its CPU time for each row, and its memory, stand beside.

(a) Batches of Arrow and of JSON by columns, acknowledged when they are durable. `with_runs` adds what the server spends until all of it
    is history: its CPU time from the last answer to its end, when it commits what is pending.
(b) Single decisions, JSON by rows, at a fixed rate: each is sent when it is due, whether or not those before were answered (open loop), and
    its time counts from when it was due. Wall time; on a busy machine it says more about the others. CPU times stand beside it, how many
    rows the service took together, and how long bare flushes of as many bytes take on the same disk in between. The client looks for
    no garbage meanwhile: with a judge and a fleet in its memory that takes 100 ms, which a client elsewhere would not cost.
(c) The map of the whole fleet.

Checked in the same run: every answer (outcome, state, rule, codes of reasons) equals that of a judge of its own on the same rows; after
the end every acknowledged row is in history.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import operator
import os
import platform
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import uvicorn

from groundrule.api.credentials import Desk
from groundrule.api.serving import open_desk
from groundrule.api.settings import Settings
from groundrule.instant import NS_PER_S
from groundrule.pipeline.decisions import DecisionWriter
from groundrule.pipeline.home import basis_of, create_home
from groundrule.pipeline.judge import Judge
from groundrule.pipeline.manifests import runs
from groundrule.store.history import read_run
from live import NOW_NS, START_NS, Fleet, whole

GOAL_PER_S, GOAL_RATIO = 200_000, 0.3
GOAL_P99_MS, GOAL_SINGLE = 10.0, 3.0
GOAL_MAP_MS = 20.0
STEP_NS = 2_000_000
"""From one single observation to the next, by their own clocks [ns]."""
ARROW = "application/vnd.apache.arrow.stream"
JSON = "application/json"
SETTINGS = """port = {port}
commit_every_s = 1e6
commit_rows = 1000000000
[rates.key]
per_s = 1e6
burst = 1000000
"""
TRIVIAL = "--trivial"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--terminals", type=int, default=100_000)
    parser.add_argument("--batch-rows", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=7, help="times that the whole fleet reports, after one to warm up")
    parser.add_argument("--rate", type=float, default=500.0, help="single decisions a second")
    parser.add_argument("--seconds", type=float, default=20.0, help="for how long, each of three times")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument(TRIVIAL, type=int, metavar="PORT", help="be the trivial route (used by the benchmark itself)")
    return parser.parse_args()


# --- the trivial route ----------------------------------------------------------------------------------------------------


class Three(msgspec.Struct):
    """What the trivial route decodes of JSON."""

    terminal_id: list[str]
    lat_deg: list[float]
    lon_deg: list[float]


class Columns(msgspec.Struct):
    """A batch by columns, as the service takes it."""

    columns: Three


class Row(msgspec.Struct):
    """One observation."""

    terminal_id: str
    lat_deg: float
    lon_deg: float


class Rows(msgspec.Struct):
    """A batch by rows."""

    rows: list[Row]


def echo(kind: bytes, body: bytes) -> bytes:
    """Decode three columns, decide nothing, and give them back."""
    if kind == ARROW.encode():
        table = pa.ipc.open_stream(body).read_all().select(["terminal_id", "lat_deg", "lon_deg"])
        north = table.column("lat_deg").to_numpy() > 0
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema.append(pa.field("north", pa.bool_()))) as writer:
            writer.write_table(table.append_column("north", pa.array(north)))
        return sink.getvalue().to_pybytes()
    if body.startswith(b'{"columns"'):
        three = COLUMNS.decode(body).columns
        lat, lon = np.array(three.lat_deg), np.array(three.lon_deg)
        north = (lat > 0) & (lon < 200)
        return msgspec.json.encode({"terminal_id": three.terminal_id, "north": north.tolist()})
    rows = ROWS.decode(body).rows
    return msgspec.json.encode([{"terminal_id": row.terminal_id, "north": row.lat_deg > 0} for row in rows])


COLUMNS, ROWS = msgspec.json.Decoder(Columns), msgspec.json.Decoder(Rows)


async def trivial(scope: Any, receive: Any, send: Any) -> None:
    """Bare ASGI."""
    if scope["type"] != "http":
        return
    parts, more = [], True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    kind = dict(scope["headers"]).get(b"content-type", b"")
    answer = echo(kind, b"".join(parts))
    head = [(b"content-type", kind), (b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": answer})


# --- processes -------------------------------------------------------------------------------------------------------------


class Process:
    """A server in a process of its own."""

    def __init__(self, command: list[str], port: int) -> None:
        self.port = port
        self._made = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        until = time.monotonic() + 120
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            if self._made.poll() is not None or time.monotonic() > until:
                raise SystemExit(f"the server did not start: {command}")
            time.sleep(0.05)

    def cpu_s(self) -> float:
        """CPU time of all its threads so far [s]; the clock of another process, as clock_getcpuclockid(3) names it."""
        return time.clock_gettime((~self._made.pid << 3) | 2)

    def beside(self) -> list[int]:
        """Processes that it started."""
        tasks = Path(f"/proc/{self._made.pid}/task").iterdir()
        return [int(word) for task in tasks for word in (task / "children").read_text(encoding="ascii").split()]

    def beside_cpu_s(self) -> float:
        """CPU time of the processes that it started, so far [s]."""
        return sum(time.clock_gettime((~each << 3) | 2) for each in self.beside())

    def memory_mb(self, pid: int | None = None) -> float:
        """Resident memory at its highest, or that of a process beside it."""
        lines = Path(f"/proc/{pid or self._made.pid}/status").read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024

    def end(self) -> float:
        """Ask it to end, and wait; returns its CPU time from now on, and that of processes beside it [s]."""
        before = self.cpu_s() + self.beside_cpu_s()
        self._made.terminate()
        _, status, used = os.wait4(self._made.pid, 0)
        self._made.returncode = os.waitstatus_to_exitcode(status)
        return used.ru_utime + used.ru_stime - before


@contextlib.contextmanager
def running(home: Path, folder: Path) -> Iterator[tuple[Process, Process]]:
    """The service and the trivial route."""
    ports = [free_port() for _ in range(2)]
    settings = folder / "settings.toml"
    settings.write_text(SETTINGS.format(port=ports[0]), encoding="utf-8")
    serve = [sys.executable, "-m", "groundrule", "serve", "--home", str(home), "--settings", str(settings)]
    both = [Process(serve, ports[0]), Process([sys.executable, __file__, TRIVIAL, str(ports[1])], ports[1])]
    try:
        yield both[0], both[1]
    finally:
        for each in both:
            if each._made.returncode is None:
                each.end()


def free_port() -> int:
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        return int(tried.getsockname()[1])


# --- a client --------------------------------------------------------------------------------------------------------------


def request(path: str, key: str, body: bytes = b"", kind: str = JSON) -> bytes:
    """A request as bytes; GET without a body."""
    head = f"{'POST' if body else 'GET'} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {key}\r\naccept: {kind}\r\n"
    return f"{head}content-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


class Connection:
    """One connection that stays open; answers come in the order of requests."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, port: int) -> Connection:
        """Connect to a port of this machine."""
        return cls(*await asyncio.open_connection("127.0.0.1", port, limit=1 << 26))

    async def ask(self, asked: bytes) -> tuple[int, bytes]:
        """Send a request, wait for its answer."""
        self._writer.write(asked)
        head = await self._reader.readuntil(b"\r\n\r\n")
        lower = head.lower()
        at = lower.index(b"content-length:") + 15
        length = int(lower[at : lower.index(b"\r\n", at)])
        return int(head[9:12]), await self._reader.readexactly(length)


async def at_a_rate(port: int, asked: list[bytes], rate: float, connections: int = 32) -> tuple[np.ndarray, list[bytes]]:
    """Send each request when it is due; seconds from then to its answer, and the answers."""
    free: asyncio.Queue[Connection] = asyncio.Queue()
    for _ in range(connections):
        free.put_nowait(await Connection.open(port))
    taken, answers = np.zeros(len(asked)), [b""] * len(asked)

    async def one(number: int, due: float) -> None:
        connection = await free.get()
        status, answers[number] = await connection.ask(asked[number])
        taken[number] = time.perf_counter() - due
        free.put_nowait(connection)
        if status != 200:
            raise SystemExit(f"status {status}: {answers[number][:300]!r}")

    gc.collect()
    gc.disable()
    start, tasks = time.perf_counter() + 0.1, []
    for number in range(len(asked)):
        due = start + number / rate
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        tasks.append(asyncio.create_task(one(number, due)))
    await asyncio.gather(*tasks)
    gc.enable()
    return taken, answers


async def groups(service: Process, key: str) -> int:
    """How many groups the service has answered so far."""
    _, body = await (await Connection.open(service.port)).ask(request("/v1/status", key))
    return int(json.loads(body)["counters"]["groups"])


def flushes(folder: Path, count: int = 200) -> list[float]:
    """Append a frame's bytes to a file and flush them, one time after the other [ms]."""
    taken = []
    with (folder / "flushed").open("wb", buffering=0) as stream:
        for _ in range(count):
            stream.write(bytes(800))
            before = time.perf_counter()
            os.fdatasync(stream.fileno())
            taken.append((time.perf_counter() - before) * 1e3)
    return taken


# --- the three measurements -------------------------------------------------------------------------------------------------


def as_arrow(batch: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_table(batch)
    return sink.getvalue().to_pybytes()


def as_json(batch: pa.Table) -> bytes:
    columns = {name: batch.column(name).to_pylist() for name in batch.column_names}
    columns["observed_at"] = np.datetime_as_string(batch.column("observed_at").to_numpy().astype("datetime64[ns]"), "ns").tolist()
    columns["observed_at"] = [f"{each}Z" for each in columns["observed_at"]]
    return msgspec.json.encode({"columns": columns})


def said(kind: str, body: bytes) -> list[list[Any]]:
    """What an answer says of each row: terminal, outcome, state, rule, codes of reasons."""
    if kind == ARROW:
        return of_table(pa.ipc.open_stream(body).read_all())
    answers = json.loads(body)["answers"]
    return [answers[name] for name in ("terminal_id", "outcome", "state", "rule", "reasons")]


def of_table(table: pa.Table) -> list[list[Any]]:
    found = [table.column(name).cast(pa.string()).to_pylist() for name in ("terminal_id", "outcome", "state", "rule")]
    return [*found, [[each["code"] for each in row] for row in table.column("reasons").to_pylist()]]


class Oracle:
    """A judge of its own that sees the same rows in the same order."""

    def __init__(self, home: Any) -> None:
        self._judge = Judge(basis_of(home, recorded_at_ns=NOW_NS))
        self._writer = DecisionWriter(self._judge)
        self.differ = self.rows = 0

    def compare(self, batch: pa.Table, answer: list[list[Any]]) -> None:
        """Judge the rows, and count those that were answered otherwise."""
        wanted = of_table(self._writer.table(self._judge.judge(whole(batch))))
        self.rows += len(batch)
        if len(answer[0]) != len(batch):
            raise SystemExit(f"{len(answer[0]):,} answers to {len(batch):,} rows")
        self.differ += sum(map(operator.ne, zip(*answer, strict=True), zip(*wanted, strict=True)))


async def batches(service: Process, plain: Process, key: str, fleet: Fleet, asked: argparse.Namespace, oracle: Oracle) -> dict[str, Any]:
    ours, theirs = await Connection.open(service.port), await Connection.open(plain.port)
    spent: dict[str, dict[str, list[float]]] = {kind: {"service": [], "trivial": []} for kind in (ARROW, JSON)}
    wall: dict[str, list[float]] = {ARROW: [], JSON: []}
    for number in range(asked.rounds + 1):
        for k, batch in enumerate(fleet.round(number, asked.batch_rows)):
            kind = (ARROW, JSON)[(k + number) % 2]
            body = as_arrow(batch) if kind == ARROW else as_json(batch)
            cpu: dict[str, float] = {}
            answer = b""
            order = [("service", service, ours, "/v1/observations"), ("trivial", plain, theirs, "/")]
            for name, process, connection, path in order[:: 1 if k % 2 else -1]:
                whole_request = request(path, key, body, kind)
                before, began = process.cpu_s(), time.perf_counter()
                status, found = await connection.ask(whole_request)
                took = time.perf_counter() - began
                await asyncio.sleep(0.005)  # what the server does after its answer is its own cost
                cpu[name] = process.cpu_s() - before
                if status != 200:
                    raise SystemExit(f"status {status}: {found[:300]!r}")
                if name == "service":
                    answer = found
                    if number:
                        wall[kind].append(took)
            oracle.compare(batch, said(kind, answer))
            if number:
                for name, seconds in cpu.items():
                    spent[kind][name].append(seconds)
    figures: dict[str, Any] = {}
    for kind, name in ((ARROW, "arrow"), (JSON, "json")):
        mine, other = np.array(spent[kind]["service"]), np.array(spent[kind]["trivial"])
        ratio = other / mine
        figures[name] = {
            "per_s": round(asked.batch_rows / float(np.median(mine))), "trivial_per_s": round(asked.batch_rows / float(np.median(other))),
            "ratio": round(float(np.median(ratio)), 3), "ratio_range": [round(float(each), 3) for each in (ratio.min(), ratio.max())],
            "wall_ms": round(float(np.median(wall[kind])) * 1e3, 1), "batches": len(mine),
        }  # fmt: skip
        print(
            f"{name}: {figures[name]['per_s']:,} terminals/s and core, trivial route {figures[name]['trivial_per_s']:,}, "
            f"{figures[name]['ratio']} of it; {figures[name]['wall_ms']} ms a batch by the clock"
        )
    return figures


def singles(
    service: Process, plain: Process, key: str, fleet: Fleet, asked: argparse.Namespace, oracle: Oracle, folder: Path
) -> dict[str, Any]:
    count = int(asked.rate * asked.seconds)
    result: dict[str, Any] = {"rate": asked.rate, "requests": 0, "rounds": []}
    for turn in range(3):
        # Time goes on without a gap, as that of a fleet does.
        at_ns = START_NS + (asked.rounds + 1) * 15 * NS_PER_S + turn * count * STEP_NS
        made = []
        for k in range(count):
            row = (k * 7) % len(fleet.ids)
            made.append(
                {"terminal_id": fleet.ids[row].as_py(), "observed_at": at_ns + k * STEP_NS, "lat_deg": float(fleet.lat[row]),
                 "lon_deg": float(fleet.lon[row]), "position_sigma_m": 15.0, "position_source": "gnss"}
            )  # fmt: skip
        bodies = [json.dumps({"rows": [row]}).encode() for row in made]
        cpu, times, load = {}, {}, os.getloadavg()[0]
        for name, process, path in (("service", service, "/v1/observations"), ("trivial", plain, "/")):
            requests = [request(path, key, body) for body in bodies]
            taken = asyncio.run(groups(service, key))
            before = process.cpu_s()
            times[name], answers = asyncio.run(at_a_rate(process.port, requests, asked.rate))
            cpu[name] = (process.cpu_s() - before) / count
            if name == "service":
                together = count / (asyncio.run(groups(service, key)) - taken)
                each = [said(JSON, answer) for answer in answers]
                oracle.compare(pa.Table.from_pylist(made), [[one[part][0] for one in each] for part in range(5)])
        shown = {name: np.percentile(each * 1e3, [50, 99]) for name, each in times.items()}
        disk = np.percentile(flushes(folder), [50, 99])
        result["rounds"].append(
            {"p50_ms": shown["service"][0], "p99_ms": shown["service"][1], "trivial_p50_ms": shown["trivial"][0],
             "trivial_p99_ms": shown["trivial"][1], "cpu_ms": cpu["service"] * 1e3, "trivial_cpu_ms": cpu["trivial"] * 1e3,
             "rows_together": together, "flush_p50_ms": disk[0], "flush_p99_ms": disk[1], "load": load}
        )  # fmt: skip
        result["requests"] += count
        print(f"singles: {', '.join(f'{k} {v:.2f}' for k, v in result['rounds'][-1].items())}")
    # The calmest of the three turns, as the trivial route shows it: the clock on the wall counts what others do, too.
    best = min(result["rounds"], key=lambda each: each["p99_ms"])
    result |= {name: round(value, 3) for name, value in best.items()}
    result["p99_of_all_ms"] = [round(each["p99_ms"], 2) for each in result.pop("rounds")]
    result["cpu_ratio"] = round(result["cpu_ms"] / result["trivial_cpu_ms"], 2)
    result["most_per_s_and_core"] = round(1e3 / result["cpu_ms"])
    return result


async def maps(service: Process, key: str, terminals: int) -> dict[str, Any]:
    connection = await Connection.open(service.port)
    cpu, wall = [], []
    for number in range(30):
        # Another box each time, so that nothing can be remembered.
        path = f"/v1/map?west=-180&south=-85&east=180&north=85&zoom={2 + number % 3}.{number}"
        before, began = service.cpu_s(), time.perf_counter()
        status, body = await connection.ask(request(path, key))
        wall.append(time.perf_counter() - began)
        await asyncio.sleep(0.005)
        cpu.append(service.cpu_s() - before)
        answer = json.loads(body)
        if status != 200 or answer["total"] != terminals:
            raise SystemExit(f"the map answers {status} and {answer.get('total')} terminals of {terminals}")
        counted = sum(sum(answer["cells"][name]) for name in ("serve", "restrict", "review", "deny", "degraded", "never_served"))
        counted += sum(answer["cells"]["pending_registration"])
        if counted != answer["in_view"]:
            raise SystemExit(f"{counted} terminals in cells, {answer['in_view']} in view")
    found = {"terminals": terminals, "wall_ms": round(float(np.median(wall)) * 1e3, 2), "cpu_ms": round(float(np.median(cpu)) * 1e3, 2)}
    print(f"map of {terminals:,}: {found['wall_ms']} ms by the clock, {found['cpu_ms']} ms of CPU")
    return found


def main() -> int:
    asked = parse()
    if asked.trivial:
        uvicorn.run(trivial, host="127.0.0.1", port=asked.trivial, log_level="error", access_log=False, lifespan="off", server_header=False)
        return 0
    print(f"python {platform.python_version()}, numpy {np.__version__}, pyarrow {pa.__version__}, uvicorn {uvicorn.__version__}")
    print(f"seed {asked.seed}; load {os.getloadavg()}")
    load_before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        home = create_home(folder / "home", ledger=None)
        fleet = Fleet(asked.terminals, asked.seed, home)
        fleet.register(home, folder)
        desk: Desk = open_desk(home, Settings())
        _, key = desk.give_key("benchmark", ["ingest", "analyst"], days=1)
        desk.store.close()
        oracle = Oracle(home)
        with running(home.path, folder) as (service, plain):
            batch = asyncio.run(batches(service, plain, key, fleet, asked, oracle))
            map_ = asyncio.run(maps(service, key, asked.terminals))
            in_batches = oracle.rows
            single = singles(service, plain, key, fleet, asked, oracle, folder)
            memory, rows = service.memory_mb(), oracle.rows
            detectors = {"cpu_us_a_row": round(service.beside_cpu_s() / rows * 1e6, 2),
                         "peak_mb": round(sum(map(service.memory_mb, service.beside())))}  # fmt: skip
            print(f"detectors beside it: {detectors['cpu_us_a_row']} µs of CPU a row, {detectors['peak_mb']:,} MB")
            committing = service.end() / oracle.rows
            plain.end()
        stored = sum(len(part) for number in runs(home) for part in read_run(home, "observations", number, columns=["observed_at"]))
    for each in ("arrow", "json"):
        batch[each]["with_runs_per_s"] = round(1 / (1 / batch[each]["per_s"] + committing))
    print(f"{oracle.differ} of {oracle.rows:,} answers differ from the judge's")
    print(f"{stored:,} rows in history; {in_batches:,} of them in batches")
    missed = [f"{name}: {batch[name]['per_s']:,} terminals/s" for name in ("arrow", "json") if batch[name]["per_s"] < GOAL_PER_S]
    missed += [f"{name}: {batch[name]['ratio']} of the trivial route" for name in ("arrow", "json") if batch[name]["ratio"] < GOAL_RATIO]
    missed += [f"a single decision: {single['p99_ms']} ms"] if single["p99_ms"] > GOAL_P99_MS else []
    missed += [f"a single decision: {single['cpu_ratio']} times the trivial route"] if single["cpu_ratio"] > GOAL_SINGLE else []
    missed += [f"map: {map_['wall_ms']} ms"] if map_["wall_ms"] > GOAL_MAP_MS else []
    missed += [f"{oracle.differ} answers differ"] if oracle.differ else []
    missed += [f"{oracle.rows - stored} acknowledged rows are not in history"] if oracle.rows != stored else []
    print("goals: " + ("met" if not missed else f"missed: {'; '.join(missed)}"))
    result = {
        "benchmark": "service", "seed": asked.seed, "batches": batch, "single": single, "map": map_, "answers": oracle.rows,
        "differ": oracle.differ, "stored": stored, "server_peak_mb": round(memory), "detectors": detectors,
        "load_before": round(load_before, 2),
        "load_after": round(os.getloadavg()[0], 2), "client_peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "goals": {"per_s": GOAL_PER_S, "ratio": GOAL_RATIO, "p99_ms": GOAL_P99_MS, "single_ratio": GOAL_SINGLE, "map_ms": GOAL_MAP_MS},
        "missed": missed,
    }  # fmt: skip
    print(json.dumps(result))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
