r"""A replay on Apache Spark beside the same replay without it: on one core, and by two workers beside one.

Input: a home with the shipped rulebook and world, and invented terminals that stand and drive over Europe, in four runs; a tenth of the
observations come a run late, so that their terminals are decided again, and a tenth come twice. Half of the terminals are registered.

Timed: the plain replay as a process of its own; on `local[1]`; and on a standalone cluster of real processes, with one worker of one
core and with two. A session stays open over its replays. The first of a session is told apart: there Java and Python start, compiled
loops are loaded and the bundle is opened. CPU time is that of the asking process with Java and all workers. Clock and CPU both count: the
asking machine takes digests of what is stored while the workers decide, and has no core of its own here.

Checked in the same run: every replay says what the plain one says, and that is that nothing differs.

With tens of millions of observations a replay is long beside what starts it: `--once` replays once in each process or session, start
included. `--sessions` leaves out what is not to be measured; a goal that needs it is then not judged.

    python benchmarks/spark.py --observations 50000000 --terminals 1000000 --late 0.1 --registered 0.1 --once --sessions local
    python benchmarks/spark.py --observations 40000000 --terminals 10000000 --late 0.1 --registered 0.01 --once --sessions workers2 \
        --partitions 100
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

os.environ.update(NUMBA_NUM_THREADS="1", OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import numpy as np
import pyarrow as pa

from groundrule.engines.distributed import DistributedReplay
from groundrule.engines.spark import spark_cluster
from groundrule.instant import NS_PER_S, parse_instant
from groundrule.pipeline.home import create_home
from groundrule.pipeline.replaying import Replay, replay
from groundrule.pipeline.runs import Inputs, decide
from groundrule.records import OBSERVATION_SCHEMA, with_later
from groundrule.store.home import Home
from groundrule.store.register_import import import_register
from groundrule.store.registers import Registers

START_NS = parse_instant("2026-02-10T06:00Z")
RECORDED_NS = parse_instant("2026-02-20T00:00Z")
RUNS, SHARE = 4, 0.1
PLAIN = "plain"
SESSIONS = ("local", "workers1", "workers2")
GOAL_RATE, GOAL_TWO = 0.5, 1.4
TICKS = os.sysconf("SC_CLK_TCK")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--observations", type=int, default=2_000_000)
    parser.add_argument("--terminals", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3, help="replays of each session after its first")
    parser.add_argument("--partitions", type=int, help="buckets of terminals; the default is one for 500,000 observations")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--home", type=Path, help="of an earlier run; or where to make one that stays")
    parser.add_argument("--late", type=float, default=1.0, help="share of the terminals that deliver late and twice; not of a given home")
    parser.add_argument("--registered", type=float, default=0.5, help="share of the terminals that are registered; not of a given home")
    parser.add_argument("--sessions", nargs="+", choices=SESSIONS, default=SESSIONS, help="beside the plain replay; the default is all")
    parser.add_argument("--once", action="store_true", help="one replay in each process and session, its start included")
    parser.add_argument("--as", dest="role", choices=[PLAIN], help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.role == PLAIN:
        return plain(args.home, args.once)
    print(f"python {platform.python_version()}, pyarrow {pa.__version__}; seed {args.seed}; load {os.getloadavg()}")
    with tempfile.TemporaryDirectory(prefix="groundrule-bench-") as folder:
        place = args.home or Path(folder) / "home"
        began = time.perf_counter()
        if not (place / "home.json").exists():
            made(place, args.observations, args.terminals, args.seed, late_terminals=args.late, registered=args.registered)
        home = Home.open(place)
        print(f"home made in {time.perf_counter() - began:.0f} s", flush=True)
        return measured(home, Path(folder), 0 if args.once else args.rounds, args.partitions, args.sessions)


def measured(home: Home, folder: Path, rounds: int, partitions: int | None, wanted: Sequence[str]) -> int:
    """Time everything, print it, and say whether goals were met; with no rounds the first replay of a session is what counts."""
    alone = [as_process(home, not rounds) for _ in range(max(rounds, 1))]
    decisions = alone[0]["decisions"]
    told(PLAIN, alone, decisions)
    runs: dict[str, list[dict[str, float]]] = {}
    if "local" in wanted:
        with cores(folder, None):
            runs["local"] = session("local[1]", home, partitions, rounds, decisions)
        told("local[1]", counted(runs["local"]), decisions)
    for workers in (1, 2):
        if (name := f"workers{workers}") in wanted:
            with cores(folder, workers), standalone(folder / f"cluster{workers}", workers) as (master, others):
                runs[name] = session(master, home, partitions, rounds, decisions, others)
            told(f"{workers} worker{'s' if workers > 1 else ''}", counted(runs[name]), decisions)
    alone += [as_process(home, once=False)] if rounds else []

    def middle(name: str, what: str) -> float:
        return statistics.median(each[what] for each in (alone if name == PLAIN else counted(runs[name])))

    differ = sum(each["differs"] for found in runs.values() for each in found)
    figures: dict[str, Any] = {"benchmark": "spark", "decisions": decisions, "differ": differ}
    met, goals = not differ, []
    if "local" in runs:
        rate_cpu, rate_wall = (middle(PLAIN, what) / middle("local", what) for what in ("cpu_s", "wall_s"))
        print(f"local[1] reaches {rate_cpu:.2f} of the plain rate by CPU time and {rate_wall:.2f} by the clock")
        met &= rate_cpu >= GOAL_RATE
        goals.append(f"at least {GOAL_RATE} of the plain rate by CPU time")
        figures |= {"rate_cpu": round(rate_cpu, 3), "rate_wall": round(rate_wall, 3)}
        figures["session_s"] = round(runs["local"][0]["session_s"], 1)
        if rounds:
            figures["first_more_s"] = round(runs["local"][0]["wall_s"] - middle("local", "wall_s"), 1)
            print(f"the first replay of a session takes {figures['first_more_s']:.0f} s more")
    if {"workers1", "workers2"} <= runs.keys():
        two = middle("workers1", "wall_s") / middle("workers2", "wall_s")
        print(f"two workers are {two:.2f} × one by the clock")
        met &= two >= GOAL_TWO
        goals.append(f"two workers at least {GOAL_TWO} × one")
        figures["two_workers"] = round(two, 3)
    print(f"{differ:.0f} of {sum(map(len, runs.values()))} replays differ")
    print(f"goals: {', '.join([*goals, 'none differs'])}: {'met' if met else 'missed'}")
    figures["plain"] = {"per_s": round(decisions / middle(PLAIN, "wall_s")), "peak_mb": round(middle(PLAIN, "peak_mb"))}
    for name, found in runs.items():
        most = {f"peak_{what}_mb": round(max(each[f"peak_{what}_mb"] for each in found)) for what in ("asking", "java", "python")}
        figures[name] = {"per_s": round(decisions / middle(name, "wall_s")), **most}
    print(json.dumps(figures | {"met": met}))
    return 0 if met else 1


def counted(found: list[dict[str, float]]) -> list[dict[str, float]]:
    """Replays of a session after its first; or that, if it is alone."""
    return found[1:] or found


def told(name: str, found: list[dict[str, float]], decisions: int) -> None:
    walls, cpus = [each["wall_s"] for each in found], [each["cpu_s"] for each in found]
    peaks = ", ".join(f"{key[5:-3]} {max(each[key] for each in found):,.0f}" for key in found[0] if key.startswith("peak_"))
    print(
        f"{name:>9}: {statistics.median(walls):.1f} s ({min(walls):.1f} to {max(walls):.1f}), CPU {statistics.median(cpus):.1f} s,"
        f" {decisions / statistics.median(walls):,.0f} decisions/s; peak MB {peaks}; load {os.getloadavg()[0]:.1f}",
        flush=True,
    )


# --- what is timed ----------------------------------------------------------------------------------------------------


def plain(place: Path, once: bool) -> int:
    """Replay without a cluster; twice where it is not to be once: the first loads compiled loops."""
    import resource

    home = Home.open(place)
    if not once:
        replay(home)
    wall, cpu = time.perf_counter(), time.process_time()
    found = replay(home)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    assert found.identical, found
    said = {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu, "decisions": found.rows, "peak_mb": peak}
    print(json.dumps(said))
    return 0


def as_process(home: Home, once: bool) -> dict[str, Any]:
    """The plain replay in a process of its own."""
    command = [sys.executable, __file__, "--as", PLAIN, "--home", str(home.path), *(["--once"] if once else [])]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


def session(
    master: str, home: Home, partitions: int | None, rounds: int, decisions: int, others: Callable[[], list[int]] = list
) -> list[dict[str, float]]:
    """Replay several times in one session; the first is the first of the session."""
    began, found = time.perf_counter(), []
    with spark_cluster(master) as cluster:
        opened_s = time.perf_counter() - began
        for _ in range(rounds + 1):
            roots = [os.getpid(), *others()]
            with peaks(roots) as seen:
                wall, cpu = time.perf_counter(), cpu_s(roots)
                result = replay(home, decider=DistributedReplay(cluster, partitions))
                took, spent = time.perf_counter() - wall, cpu_s(roots) - cpu
            found.append({"wall_s": took, "cpu_s": spent, "session_s": opened_s, "differs": differs(result, decisions), **seen})
    return found


def differs(result: Replay, decisions: int) -> int:
    return int(not result.identical or result.rows != decisions)


# --- processes --------------------------------------------------------------------------------------------------------


def family(roots: list[int]) -> list[int]:
    """These processes and all that descend from them."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            children.setdefault(int(stat.read_text().rpartition(")")[2].split()[1]), []).append(int(stat.parent.name))
    found = list(dict.fromkeys(roots))
    for each in found:
        found += [child for child in children.get(each, []) if child not in found]
    return found


def cpu_s(roots: list[int]) -> float:
    """CPU time of processes, those that descend from them, and those of these that have ended [s]."""
    total = 0
    for pid in family(roots):
        with suppress(OSError):
            total += sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15]))
    return total / TICKS


@contextmanager
def peaks(roots: list[int]) -> Iterator[dict[str, float]]:
    """Most memory of the asking process, of a Java and of a Python worker within the block, as looked at each quarter of a second [MB]."""
    seen, ends = dict.fromkeys(("peak_asking_mb", "peak_java_mb", "peak_python_mb"), 0.0), threading.Event()

    def look() -> None:
        while not ends.wait(0.25):
            for pid in family(roots):
                with suppress(OSError, IndexError):
                    name = Path(f"/proc/{pid}/comm").read_text().strip()
                    kind = "asking" if pid == os.getpid() else "java" if name == "java" else "python"
                    held = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6
                    seen[f"peak_{kind}_mb"] = max(seen[f"peak_{kind}_mb"], held)

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    try:
        yield seen
    finally:
        ends.set()
        looking.join()


@contextmanager
def cores(folder: Path, most: int | None) -> Iterator[None]:
    """Settings of Spark for the sessions of the block: so many cores of a cluster."""
    place = folder / f"conf{most or 0}"
    place.mkdir()
    lines = ["spark.ui.enabled false", *([f"spark.cores.max {most}"] if most else [])]
    (place / "spark-defaults.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")
    os.environ["SPARK_CONF_DIR"] = str(place)
    try:
        yield
    finally:
        del os.environ["SPARK_CONF_DIR"]


@contextmanager
def standalone(folder: Path, workers: int) -> Iterator[tuple[str, Callable[[], list[int]]]]:
    """A master and workers of one core each, and what lists their processes; the package from PyPI has no scripts for it."""
    folder.mkdir()
    spark = importlib.util.find_spec("pyspark")
    assert spark is not None
    assert spark.origin is not None
    home = Path(spark.origin).parent
    environment = {
        **os.environ, "SPARK_HOME": str(home), "SPARK_SCALA_VERSION": "2.13", "SPARK_LOCAL_IP": "127.0.0.1", "SPARK_DAEMON_MEMORY": "256m",
        "PYSPARK_PYTHON": sys.executable,
    }  # fmt: skip
    started: list[subprocess.Popen[bytes]] = []

    def start(kind: str, *arguments: str) -> None:
        log = folder / f"{kind}{len(started)}.log"
        with log.open("wb") as sink:
            command = [str(home / "bin" / "spark-class"), f"org.apache.spark.deploy.{kind}", "--host", "127.0.0.1", "--webui-port", "0"]
            started.append(subprocess.Popen([*command, *arguments], env=environment, stdout=sink, stderr=sink, cwd=folder))
        until, wanted = time.monotonic() + 60, b"elected leader" if kind.startswith("master") else b"Successfully registered"
        while wanted not in log.read_bytes():
            if time.monotonic() > until:
                raise SystemExit(f"{kind} did not start: {log.read_text(errors='replace')[-500:]}")
            time.sleep(0.1)

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    try:
        start("master.Master", "--port", str(port))
        for number in range(workers):
            start("worker.Worker", "--cores", "1", "--memory", "1g", "--work-dir", str(folder / f"work{number}"), f"spark://127.0.0.1:{port}")
        yield f"spark://127.0.0.1:{port}", lambda: [each.pid for each in started]
    finally:
        for each in reversed(started):
            each.send_signal(signal.SIGTERM)
        for each in started:
            with suppress(subprocess.TimeoutExpired):
                each.wait(timeout=20)
            if each.poll() is None:
                each.kill()


# --- what is replayed -------------------------------------------------------------------------------------------------


def made(place: Path, observations: int, terminals: int, seed: int, *, late_terminals: float = 1.0, registered: float = 0.5) -> Home:
    """A home with so many observations in several runs.

    Args:
        place: where. observations, terminals: how many. seed: of everything.
        late_terminals: share of the terminals that ever deliver late or twice; they are decided again from their first observation.
        registered: share of the terminals in the registers.
    """
    rng = np.random.default_rng(seed)
    home = create_home(place, rules="world-2026", ledger=None)
    names = np.array([f"ut{number:07d}" for number in range(terminals)])
    rows = "".join(f"{name},acc-1,roam,registered,DE\n" for name in names[:: round(1 / registered)])
    put(home, "accounts", "account_id,party_id,country,state\nacc-1,p1,DE,active\n")
    put(home, "terminals", "terminal_id,account_id,plan,registration,activation_country\n" + rows)
    steps = -(-observations // terminals)
    km_h, course = rng.choice([0, 0, 0, 30, 60, 110], terminals), rng.uniform(0, 2 * np.pi, terminals)
    lat, lon = rng.uniform(37, 59, terminals), rng.uniform(-8, 40, terminals)
    runs, waiting = min(RUNS, steps), OBSERVATION_SCHEMA.empty_table()
    for number in range(runs):
        parts, orders = [], []
        for step in range(number * steps // runs, (number + 1) * steps // runs):
            gone_deg = step * 15 * km_h / 3.6 / 111_000
            order = rng.permutation(terminals)
            orders.append(order)
            columns = {
                "terminal_id": names[order],
                "observed_at": np.sort(START_NS + step * 15 * NS_PER_S + rng.integers(0, 15 * NS_PER_S, terminals)),
                "lat_deg": (lat + gone_deg * np.sin(course))[order],
                "lon_deg": (lon + gone_deg * np.cos(course))[order],
                "position_sigma_m": np.full(terminals, 8, np.float32),
                "position_source": np.full(terminals, "gnss"),
            }
            parts.append(pa.table({name: pa.array(values) for name, values in columns.items()}))
        fresh = whole(pa.concat_tables(parts))
        number_of = np.concatenate(orders)
        may = number_of < late_terminals * terminals
        late = may & (rng.random(len(fresh)) < (SHARE if number < runs - 1 else 0))
        given = pa.concat_tables([waiting, fresh.filter(pa.array(~late))])
        with home.writer():
            decide(home, Inputs(iter([given]), files=list, rejected=dict), recorded_at_ns=RECORDED_NS + number)
        waiting = pa.concat_tables([fresh.filter(pa.array(late)), fresh.filter(pa.array(may & (rng.random(len(fresh)) < SHARE)))])
    return home


def whole(table: pa.Table) -> pa.Table:
    given = {name: table.column(name) for name in table.column_names} | {"source": pa.array(np.full(len(table), "made"))}
    columns = [given.get(field.name, pa.nulls(len(table), field.type)) for field in OBSERVATION_SCHEMA]
    return with_later(pa.table(columns, names=OBSERVATION_SCHEMA.names).cast(OBSERVATION_SCHEMA))


def put(home: Home, kind: str, text: str) -> None:
    file = home.path.parent / f"{kind}.csv"
    file.write_text(text, encoding="utf-8")
    with home.writer(), Registers.open(home) as registers:
        import_register(registers, kind, file, recorded_at_ns=START_NS - NS_PER_S, actor="benchmark", rejected_folder=home.rejected)


if __name__ == "__main__":
    sys.exit(main())
