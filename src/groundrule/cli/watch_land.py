"""`groundrule watch nats://… --land FOLDER`: a broker's messages become files, which a cluster decides."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundrule.cli.ending import ends_in_order
from groundrule.cli.output import print_text, warn
from groundrule.errors import InputError
from groundrule.instant import format_instant
from groundrule.pipeline.watch.broker import BrokerAddress, BrokerSource
from groundrule.pipeline.watch.landing import MOST_WAITING, Landed, Lander, landing_folder
from groundrule.pipeline.watch.opening import Watched, is_broker
from groundrule.pipeline.watch.reading import Reading


@dataclass(frozen=True, slots=True)
class Into:
    """Where files land, and what may not be said beside it.

    Attributes:
        folder: where.
        deciding: options that say how is decided, and whether each was given.
    """

    folder: str
    deciding: Mapping[str, bool]


def check_land(watched: Watched, into: Into) -> tuple[BrokerAddress, Path]:
    """Return what is to land, and where.

    Raises:
        InputError: the source is not a broker's stream, the folder an address, or an option says how to decide.
    """
    for name, given in into.deciding.items():
        if given:
            cure = f"leave {name} out here, and give it to what decides the folder: groundrule watch {into.folder} --engine spark …"
            raise InputError(f"nothing is decided where files land, so {name} has no meaning", help=cure, option=name)
    if not is_broker(watched.source):
        cure = "name nats://HOST:PORT/STREAM/CONSUMER; files land by themselves, and a pipe cannot be read twice"
        raise InputError(f"`{watched.source}` is no broker's stream, and only that is landed as files", help=cure, option="SOURCE")
    if "://" in into.folder:
        cure = "name a directory that the cluster sees: Spark's stream looks for files there"
        raise InputError(f"files do not land in `{into.folder}`", help=cure, option="--land")
    return BrokerAddress.parse(watched.source), Path(into.folder)


def land(watched: Watched, into: Into, *, cycle_s: float, as_json: bool) -> None:
    """Land files until told to end."""
    address, folder = check_land(watched, into)
    shown = not as_json and sys.stdout.isatty()
    with landing_folder(folder) as state, tempfile.TemporaryDirectory(prefix="reading-", dir=state) as work:
        reading = Reading(Path(work), watched.columns, watched.assume_utc, watched.time_unit)
        source = BrokerSource(address, state, reading, most_waiting=MOST_WAITING)
        lander = Lander(source, folder, address.stream, cycle_s=cycle_s, once=watched.once)
        noted = 0

        def tell(cycle: Landed, total: Landed) -> None:
            nonlocal noted
            for each in reading.notes[noted:]:
                warn(each)
            noted = len(reading.notes)
            if as_json:
                said = {
                    "at": format_instant(cycle.ended_ns), "cycle": _numbers(cycle), "total": _numbers(total), "source": dict(source.said()),
                    "fault": lander.fault or None,
                }  # fmt: skip
                print(json.dumps(said, separators=(",", ":")), flush=True)  # noqa: T201 - this is the command's output, line by line
            elif shown:
                told = [f"{name.replace('_', ' ')} {count:,}" for name, count in source.said().items() if isinstance(count, int) and count]
                print_text("  ".join([format_instant(cycle.ended_ns)[11:19], _words(cycle), *told, *([lander.fault] * bool(lander.fault))]))

        lander.said = tell
        with ends_in_order(lander.stop):
            total = lander.run()
    if not as_json and (watched.once or shown):
        print_text(f"Landed: {_words(total)}")


def _numbers(landed: Landed) -> dict[str, Any]:
    return {
        "files": landed.files, "rows": landed.rows, "rejected": dict(landed.rejects.by_reason), "set_aside": dict(landed.rejects.set_aside),
        "lag_s": landed.lag_s(), "tries": landed.tries,
    }  # fmt: skip


def _words(landed: Landed) -> str:
    parts = [f"files {landed.files:,}", f"rows {landed.rows:,}"]
    for name, count in (("rejected", landed.rejects.total), ("set aside", landed.rejects.set_aside.total())):
        if count:
            parts.append(f"{name} {count:,}")
    lag = landed.lag_s()
    return "  ".join(parts if lag is None else [*parts, f"lag {lag:,.0f} s"])
