"""`groundrule watch FOLDER --engine spark`: files that land are decided by a cluster, batch after batch."""

from __future__ import annotations

import json
import sys
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from groundrule.cli.ending import ends_in_order
from groundrule.cli.output import print_text
from groundrule.errors import InputError
from groundrule.instant import NS_PER_S, format_instant
from groundrule.pipeline.emergency_overlay import Clocks, overlay_now
from groundrule.store.home import Home

if TYPE_CHECKING:
    from groundrule.engines.distributed import Cluster
    from groundrule.engines.given_files import Reading

FILES_A_BATCH: Final = 1_000
"""Most files of a batch: bounds what is decided, and repeated after a crash, at a time."""


@dataclass(frozen=True, slots=True)
class Landing:
    """What is watched.

    Attributes:
        folder: in which files land.
        out: folder of decisions.
        reading: how files are read.
        ahead_s: how far ahead of ours the clock of a device may go [s].
        buckets: into how many terminals are divided, or None.
        once: end when everything that is there has been taken. every_s: how often is looked [s].
    """

    folder: Path
    out: Path
    reading: Reading
    ahead_s: float
    buckets: int | None
    once: bool
    every_s: float


def check_landing(folder: str) -> Path:
    """Refuse what a cluster does not watch.

    Raises:
        InputError: the source is no folder.
    """
    if not Path(folder).is_dir():
        raise InputError(f"`{folder}` is no folder", help="a cluster watches a folder in which files land", option="SOURCE")
    return Path(folder)


def watch_on_cluster(home: Home, landing: Landing, opening: AbstractContextManager[Cluster | None], *, as_json: bool) -> None:
    """Decide files as they land, until told to end."""
    from groundrule.engines.distributed_decide import decide_into  # noqa: PLC0415 - only clusters need it
    from groundrule.engines.spark import SparkCluster  # noqa: PLC0415 - only clusters need it
    from groundrule.engines.spark_stream import FileStream  # noqa: PLC0415 - only clusters need it

    with opening as cluster:
        assert isinstance(cluster, SparkCluster)
        stream = FileStream(cluster.session, landing.folder, landing.out / "_stream", FILES_A_BATCH)

        def decide(files: list[Path], query: str, number: int) -> None:
            moment = time.time_ns()
            found = decide_into(
                home, files, landing.out, cluster, recorded_at_ns=moment, overlay=overlay_now(home, Clocks.now(moment)),
                reading=replace(landing.reading, latest_ns=moment + round(landing.ahead_s * NS_PER_S)),
                buckets=landing.buckets, stream=(query, number),
            )  # fmt: skip
            if found is None:
                return
            manifest, counts = found.batch.manifest, found.counts
            if as_json:
                said = {
                    "batch": manifest["batch"], "manifest": found.batch.digest, "files": len(files), **manifest["counts"],
                    "rejected": found.rejected, "unreadable_files": found.unreadable,
                }  # fmt: skip
                print(json.dumps(said, separators=(",", ":")), flush=True)  # noqa: T201 - this is the command's output, line by line
            else:
                print_text(
                    f"{format_instant(moment)[11:19]}  batch {manifest['batch']}  files {len(files):,}  decided {counts.decided:,}"
                    f"  corrected {counts.corrected:,}  late {counts.late:,}  repeated {counts.duplicates:,}"
                    f"  rejected {sum(found.rejected.values()):,}"
                )
                sys.stdout.flush()

        with ends_in_order(stream.stop):
            stream.run(decide, once=landing.once, every_s=landing.every_s)
