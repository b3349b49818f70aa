"""From what a person names to a source: a folder, `-`, or an address."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from groundrule.errors import InputError
from groundrule.pipeline.live.desk import Live
from groundrule.pipeline.watch.arrivals import Source
from groundrule.pipeline.watch.broker import SCHEMES, BrokerAddress, BrokerSource
from groundrule.pipeline.watch.folder import SETTLE_S, FolderSource
from groundrule.pipeline.watch.gaps import Gap
from groundrule.pipeline.watch.lines import LinesSource
from groundrule.pipeline.watch.reading import Reading
from groundrule.pipeline.watch.stream import StreamSource
from groundrule.pipeline.watch.stream_settings import read_stream_settings
from groundrule.store.events import Event
from groundrule.store.home import Home
from groundrule.store.watch_positions import Positions

STDIN = "-"


@dataclass(frozen=True, slots=True)
class Watched:
    """What is to be watched, and how.

    Attributes:
        source: a folder, `-` for standard input, the address of a broker's stream, or a file that describes a telemetry stream.
        columns, assume_utc, time_unit: as for `decide`.
        once: end where the source does.
        settle_s: how long a file must have stood still before an end that does not look like one counts [s].
    """

    source: str
    columns: Mapping[str, str] = field(default_factory=dict)
    assume_utc: bool = False
    time_unit: str | None = None
    once: bool = False
    settle_s: float = SETTLE_S


@contextmanager
def opened(home: Home, watched: Watched, told: Callable[[Gap], None]) -> Iterator[tuple[Source, Reading]]:
    """Open a source; the caller holds the home's write lock.

    Args:
        home: that takes what comes. watched: what is to be watched.
        told: is told each gap of a stream.
    Raises:
        InputError: it is none.
    """
    with tempfile.TemporaryDirectory(prefix="groundrule-watch-", dir=home.cache) as folder:
        reading = Reading(Path(folder), watched.columns, watched.assume_utc, watched.time_unit)
        yield _source(home, watched, reading, told), reading


def is_broker(source: str) -> bool:
    """Is it the address of a broker's stream?"""
    return source.startswith(tuple(f"{scheme}://" for scheme in SCHEMES))


def _is_stream(source: str) -> bool:
    return source.lower().endswith(".toml") and Path(source).is_file()


def check_source(watched: Watched) -> None:
    """Refuse what cannot be a source, before anything is opened.

    Raises:
        InputError: it is none.
    """
    if watched.source == STDIN:
        if sys.stdin is None or sys.stdin.isatty():
            raise InputError("standard input is a terminal", help="send observations into it, or name a folder", option="SOURCE")
        return
    if is_broker(watched.source):
        BrokerAddress.parse(watched.source)
        return
    if _is_stream(watched.source):
        read_stream_settings(Path(watched.source)).token()
        return
    if not Path(watched.source).is_dir():
        raise InputError(
            f"`{watched.source}` is no folder", option="SOURCE",
            help="name an existing folder, `-` for standard input, nats://HOST:PORT/STREAM/CONSUMER, or the file of a stream (.toml);"
            " other files are for `groundrule decide`",
        )  # fmt: skip


def _source(home: Home, watched: Watched, reading: Reading, told: Callable[[Gap], None]) -> Source:
    if watched.source == STDIN:
        return LinesSource(sys.stdin.fileno(), reading)
    if is_broker(watched.source):
        return BrokerSource(BrokerAddress.parse(watched.source), home.path, reading)
    if _is_stream(watched.source):
        return StreamSource(read_stream_settings(Path(watched.source)), home, reading, once=watched.once, told=told)
    folder = Path(watched.source)
    return FolderSource(
        folder, Positions.open(home.path, f"folder:{folder.resolve()}"), reading, once=watched.once, settle_s=watched.settle_s
    )


def announce_gap(live: Live, gap: Gap) -> None:
    """Tell a gap as an event; it names no terminal."""
    once = f"gap:{gap.from_ns}:{gap.until_ns}:{gap.why}"
    live.announce(Event("stream.gap", time.time_ns(), "service", gap.told(), public=True, once=once))
