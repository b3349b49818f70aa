"""The same files decided by one machine, run after run, and by a cluster, batch after batch, and what both have decided."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from groundrule.canon import digest_file
from groundrule.engines.decided_folder import DECISION_KINDS, DecidedBatch, DecidedFolder
from groundrule.engines.distributed import Cluster
from groundrule.engines.distributed_decide import Decided, decide_into
from groundrule.pipeline.digests import table_digest
from groundrule.pipeline.home_ledger import HomeLedger, has_ledger
from groundrule.pipeline.manifests import read_manifest, runs
from groundrule.pipeline.overlay import NO_OVERLAY
from groundrule.pipeline.runs import Inputs, Run, decide
from groundrule.records import DECISION_SCHEMA, OBSERVATION_SCHEMA
from groundrule.store.history import read_exactly
from groundrule.store.home import Home
from groundrule.store.observations import open_observations

GIVEN = ("terminal_id", "observed_at", "lat_deg", "lon_deg", "position_source", "speed_m_s")


def write_given(folder: Path, name: str, table: pa.Table, files: int = 2) -> list[Path]:
    """Write observations as somebody would hand them in, in several files."""
    folder.mkdir(parents=True, exist_ok=True)
    cuts = np.linspace(0, len(table), files + 1).astype(int)
    paths = [folder / f"{name}-{number}.parquet" for number in range(files)]
    for path, first, end in zip(paths, cuts, cuts[1:], strict=False):
        pq.write_table(table.select(list(GIVEN)).slice(first, end - first), path)
    return paths


def alone(home: Home, given: Sequence[Path], recorded_at: int, ledger: HomeLedger | None = None) -> Run:
    """Decide files on this machine, as `groundrule decide` does."""
    reader = open_observations(given)
    rejected = home.rejected / f"observations-{recorded_at}.jsonl"
    unread = {path for path, _ in reader.unreadable}

    def read() -> Iterator[pa.Table]:
        for table, rejects in reader:
            if len(rejects):
                with rejected.open("ab") as stream:
                    rejects.write_jsonl(stream)
            yield table

    def files() -> list[dict[str, Any]]:
        return [{"name": each.name, "digest": digest_file(each), "bytes": each.stat().st_size} for each in given if each not in unread]

    inputs = Inputs(read(), files=files, rejected=lambda: dict(sorted(reader.counts.by_reason.items())))
    with nullcontext() if ledger is not None else home.writer():
        assert (ledger is not None) == has_ledger(home)
        return decide(home, inputs, recorded_at_ns=recorded_at, ledger=ledger)


def spread(home: Home, given: Sequence[Path], folder: Path, cluster: Cluster, recorded_at: int, buckets: int | None = None) -> Decided:
    """Decide the same on a cluster."""
    found = decide_into(home, given, folder, cluster, recorded_at_ns=recorded_at, overlay=NO_OVERLAY, buckets=buckets)
    assert found is not None
    return found


def assert_alike(home: Home, folder: Path, before: int = 0) -> None:
    """The runs of a home after the first so many are the batches of a folder: same rows, same digests, same counts."""
    numbers, opened = runs(home)[before:], DecidedFolder.open(folder)
    assert len(opened.batches) == len(numbers)
    for run, batch in zip(numbers, opened.batches, strict=True):
        manifest = read_manifest(home, run)
        assert batch.manifest["counts"] == manifest["counts"]
        observed = pa.concat_tables([OBSERVATION_SCHEMA.empty_table(), *read_exactly(home, "observations", run, OBSERVATION_SCHEMA)])
        assert table_digest([untraced(observed)]) == table_digest([untraced(in_time(opened, "observations", batch))])
        decided = [in_time(opened, kind, batch) for kind in ("decisions", "corrections")]
        assert sum(map(len, decided)) == manifest["decisions"]["rows"]
        if sum(map(len, decided)):
            assert table_digest([pa.concat_tables(decided)]) == manifest["decisions"]["digest"]
        for name in ("rulebook", "areas"):
            assert batch.manifest[name] == manifest[name]
        assert batch.manifest["registers"] == manifest["registers"]


def in_time(opened: DecidedFolder, kind: str, batch: DecidedBatch) -> pa.Table:
    """All rows of a kind in the order in which one machine stores them: by time and terminal, equal ones as they stand."""
    found = list(opened.tables(kind, [batch]))
    if not found:
        return (DECISION_SCHEMA if kind in DECISION_KINDS else OBSERVATION_SCHEMA).empty_table()
    whole = pa.concat_tables(found)
    names = whole.column("terminal_id").to_numpy()
    return whole.take(pa.array(np.lexsort((names.astype(str), whole.column("observed_at").to_numpy()))))


def untraced(table: pa.Table) -> pa.Table:
    """Observations without the columns of which rows of equal content have any."""
    return table.drop_columns(["source", "source_row"])
