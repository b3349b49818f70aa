"""`groundrule watch`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from groundrule.cli.decide_cluster import check_cluster
from groundrule.cli.ending import ends_in_order
from groundrule.cli.engine import Engine, Master, Partitions, cluster_of
from groundrule.cli.output import DEFAULT_HOME, HomeOption, print_text, warn
from groundrule.cli.watch_cluster import Landing, check_landing, watch_on_cluster
from groundrule.cli.watch_land import Into, land
from groundrule.errors import ConflictError, InputError
from groundrule.instant import format_instant
from groundrule.pipeline.live import Live, LiveSettings
from groundrule.pipeline.watch.opening import Watched, announce_gap, check_source, opened
from groundrule.pipeline.watch.watcher import Cycle, Watcher
from groundrule.store.home import Home
from groundrule.store.observation_columns import check_targets, parse_columns
from groundrule.store.observations import check_time_unit
from groundrule.store.places import ObjectPath, place_at

AHEAD_S = 3_600.0
"""How far ahead of ours the clock of a device may go before its observation is set aside, as in `decide` [s]."""
KEYS_KEPT_S = 30 * 86_400.0
"""How long what was taken is known by its key: a watch that stood still for so long still takes nothing twice [s]."""


def watch(
    source: Annotated[
        str, typer.Argument(help="A folder that grows, `-` for JSON lines, nats://HOST:PORT/STREAM/CONSUMER, or FILE.toml of a stream.")
    ],
    home: HomeOption = DEFAULT_HOME,
    columns: Annotated[
        str | None, typer.Option("--columns", help="Names in the source = our names: track_id=terminal_id,time=observed_at")
    ] = None,
    assume_utc: Annotated[bool, typer.Option("--assume-utc", help="Take times without a zone as UTC.")] = False,
    time_unit: Annotated[str | None, typer.Option("--time-unit", help="Unit of times given as numbers: ns, us, ms, s.")] = None,
    once: Annotated[bool, typer.Option("--once", help="End when everything that is there has been taken.")] = False,
    cycle_s: Annotated[float, typer.Option("--cycle-s", min=0.05, max=3_600, help="How often a status line is told, in seconds.")] = 15.0,
    settle_s: Annotated[
        float, typer.Option("--settle-s", min=0, max=86_400, help="How long a file stands still before a last line without an end counts.")
    ] = 60.0,
    land_in: Annotated[
        str | None, typer.Option("--land", help="Write what a broker sends as files into this folder, for a cluster; nothing is decided.")
    ] = None,
    out: Annotated[str | None, typer.Option("--out", help="With --engine: the folder for decisions.")] = None,
    detect: Annotated[
        bool | None, typer.Option("--detect/--no-detect", help="With --engine: --no-detect decides without looking for signals.")
    ] = None,
    engine: Engine = None,
    master: Master = None,
    partitions: Partitions = None,
    as_json: Annotated[bool, typer.Option("--json", help="Tell each cycle as one line of JSON, also where no terminal is.")] = False,
) -> None:
    """Decide observations as they arrive, until told to end (Ctrl-C, SIGTERM).

    What arrives is made durable, decided and looked at for signals; then it is acknowledged: the position in the source moves on. After a
    crash the next watch goes on there, and takes nothing twice (docs/watch.md).

    With --land the messages of a broker become files in a folder, each message in one file; no home is needed for that.

    With --engine spark a cluster decides files that land in a folder, batch after batch, into the folder --out (docs/scale.md).
    """
    asked = Watched(source, parse_columns(columns) if columns else {}, assume_utc, time_unit, once, settle_s)
    if land_in is not None:
        check_targets(asked.columns)
        check_time_unit(time_unit)
        deciding = {"--engine": engine, "--master": master, "--partitions": partitions, "--out": out, "--detect": detect}
        given_here = {name: value is not None for name, value in deciding.items()}
        land(asked, Into(land_in, given_here), cycle_s=cycle_s, as_json=as_json)
        return
    opening = cluster_of(engine, master, partitions)
    if engine is None:
        given = [name for name, value in (("--out", out), ("--no-detect", detect)) if value is not None]
        if given:
            raise InputError(f"{given[0]} is for a cluster", help="add --engine spark", field=given[0])
    else:
        from groundrule.engines.given_files import Reading  # noqa: PLC0415 - only clusters need it

        here = Home.open(home)
        landed, decided = check_landing(source), check_cluster(here, None if out is None else place_at(out), detect=detect)
        if isinstance(decided, ObjectPath):
            said = f"a watch cannot write into `{decided}`: Spark keeps there which files it has seen, in a directory"
            raise InputError(said, help="name a directory; or decide what has landed: groundrule decide --engine spark", option="--out")
        check_targets(asked.columns)
        check_time_unit(time_unit)
        landing = Landing(landed, decided, Reading(dict(asked.columns), assume_utc, time_unit), AHEAD_S, partitions, once, cycle_s)
        watch_on_cluster(here, landing, opening, as_json=as_json)
        return
    check_source(asked)
    place = Home.open(home)
    teller = _Teller(as_json=as_json)
    with _desk(place) as live, opened(place, asked, lambda gap: announce_gap(live, gap)) as (found, reading):
        watcher = Watcher(live, found, cycle_s=cycle_s, once=once)
        watcher.said = lambda cycle, total: teller.tell(live, watcher, reading.notes, cycle, total)
        with ends_in_order(watcher.stop):
            total = watcher.run()
    if not as_json and (once or teller.shown):
        print_text(f"Taken: {_words(total)}")


@contextmanager
def _desk(place: Home) -> Iterator[Live]:
    try:
        live = Live.open(place, settings=LiveSettings(ahead_s=AHEAD_S, keys_kept_s=KEYS_KEPT_S))
    except ConflictError as error:
        if "pid" not in error.context:
            raise
        raise ConflictError(
            error.message, help="end it first, or let a service that is running do it: groundrule serve --watch SOURCE", **error.context
        ) from error
    with live:
        yield live


class _Teller:
    """Tells what happened."""

    def __init__(self, *, as_json: bool) -> None:
        self._json = as_json
        self.shown = not as_json and sys.stdout.isatty()
        self._noted = 0

    def tell(self, live: Live, watcher: Watcher, notes: list[str], cycle: Cycle, total: Cycle) -> None:
        """Tell one cycle."""
        for each in notes[self._noted :]:
            warn(each)
        self._noted = len(notes)
        if not self._json and not self.shown:
            return
        status = live.status()
        if self._json:
            said: dict[str, Any] = {
                "at": format_instant(cycle.ended_ns), "cycle": _numbers(cycle), "total": _numbers(total),
                "source": dict(watcher.source.said()),
                "signals": status.counters.get("signals", 0), "pending": status.pending_rows, "run": status.run,
                "degraded": list(status.degraded), "failing": {each.name: each.why for each in status.checks if not each.ok},
            }  # fmt: skip
            print(json.dumps(said, separators=(",", ":")), flush=True)  # noqa: T201 - this is the command's output, line by line
            return
        words = [_words(cycle), *(f"{name.replace('_', ' ')} {count:,}" for name, count in watcher.source.said().items() if count)]
        failing = [f"{each.name}: {each.why}" for each in status.checks if not each.ok]
        print_text("  ".join([format_instant(cycle.ended_ns)[11:19], *words, *failing]))


def _numbers(cycle: Cycle) -> dict[str, Any]:
    return {
        "rows": cycle.rows, "decided": cycle.decided, "denied": cycle.denied, "late": cycle.late, "repeated": cycle.repeated,
        "rejected": dict(cycle.rejected), "set_aside": dict(cycle.set_aside), "lag_s": cycle.lag_s(), "tries": cycle.tries,
    }  # fmt: skip


def _words(cycle: Cycle) -> str:
    lag = cycle.lag_s()
    parts = [f"rows {cycle.rows:,}", f"decided {cycle.decided:,}", f"denied {cycle.denied:,}"]
    for name, count in (("late", cycle.late), ("repeated", cycle.repeated), ("rejected", cycle.rejected.total()),
                        ("set aside", cycle.set_aside.total())):  # fmt: skip
        if count:
            parts.append(f"{name} {count:,}")
    if lag is not None:
        parts.append(f"lag {lag:,.0f} s")
    return "  ".join(parts)
