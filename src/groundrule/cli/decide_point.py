"""`groundrule decide --point`: decisions from the folder of an enforcement point, with no home."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import typer

from groundrule.cli.counted import counts_dict, print_counts
from groundrule.cli.output import print_json, print_table, print_text, warn
from groundrule.errors import InputError
from groundrule.pipeline.emergency_overlay import Clocks
from groundrule.pipeline.enforcement_point import Point
from groundrule.pipeline.point_desk import ANSWER_SCHEMA, PointDesk
from groundrule.reasons import CATALOGUE
from groundrule.store.durable import durable_file
from groundrule.store.observations import ObservationReader
from groundrule.store.ordering import Ordering

_AGES = (
    ("policy_s", "policy last known to be right", "s ago"),
    ("screening_s", "oldest sanctions list", "s old"),
    ("witness_s", "log last seen by witnesses", "s ago"),
    ("location_s", "oldest position used", "s old"),
    ("clock_offset_ms", "clock against witnesses", "ms"),
)


def decide_at_point(
    folder: Path, reader: ObservationReader, *, at_ns: int, as_of_ns: int | None, out: Path | None, as_json: bool
) -> None:
    """Decide observations from what a point holds, and print what it comes to.

    Args:
        folder: of the enforcement point.
        reader: observations.
        at_ns: now [ns, UTC].
        as_of_ns: apply rules as of this instant [ns, UTC].
        out: Parquet file for the decisions.
        as_json: print one JSON document.
    Raises:
        InputError: there is no such folder, or no row can be used.
    """
    if not folder.is_dir():
        raise InputError(
            f"there is no enforcement point at `{folder}`", help="make one with: groundrule snapshot verify FOLDER --point DIR"
        )
    desk = PointDesk(Point.open(folder), Clocks.now(at_ns))
    rejected = 0

    def read() -> Iterator[pa.Table]:
        nonlocal rejected
        for table, rejects in reader:
            rejected += len(rejects)
            yield table

    with ExitStack() as stack:
        stack.callback(desk.close)
        sink = None
        if out:
            stream = stack.enter_context(durable_file(out))
            sink = stack.enter_context(pq.ParquetWriter(stream, ANSWER_SCHEMA, compression="zstd", compression_level=1))
        work = Path(stack.enter_context(TemporaryDirectory(prefix="groundrule-")))
        ordering = stack.enter_context(Ordering(work / "sorted"))
        for answers in desk.decide_all(ordering.sorted(read()), as_of_ns=as_of_ns):
            if sink:
                sink.write_table(answers)
        desk.tally.counts.duplicates = ordering.duplicates
        if not desk.tally.counts.decided:
            raise InputError("no observation could be used", help="see what is read in docs/observations.md")
    result = _result(desk) | {
        "out": str(out) if out else None,
        "rejected": dict(reader.counts.by_reason),
        "unreadable_files": {str(path): str(error) for path, error in reader.unreadable},
    }
    if as_json:
        print_json(result)
    else:
        _print(desk, out)
        if rejected:
            warn(f"{rejected:,} rows could not be used")
            for reason, rows in sorted(reader.counts.by_reason.items(), key=lambda item: -item[1])[:10]:
                warn(f"  {rows:,} × {reason}")
    if reader.unreadable:
        raise typer.Exit(2)


def _result(desk: PointDesk) -> dict[str, Any]:
    tally = desk.tally
    return {
        "loaded": desk.loaded.name,
        "snapshot_seq": desk.loaded.seq,
        "policy_digest": desk.policy,
        "load_ms": round(desk.load_ms),
        "staleness": desk.staleness.value,
        "degraded": dict(sorted(tally.by_cause.items())),
        "degrees": {cause.value: degree for cause, degree in desk.causes.degrees.items()},
        "classes": tally.classes,
        "changed": tally.changed,
        "served_although_denied_by_policy": tally.opened,
        "not_served_although_not_denied_by_policy": tally.closed,
        "journal_rows": tally.journal,
        "journal_unwritten": tally.unwritten,
        **counts_dict(tally.counts),
    }


def _print(desk: PointDesk, out: Path | None) -> None:
    tally, loaded = desk.tally, desk.loaded
    print_counts(tally.counts)
    what = {"none": "No policy is loaded", "bootstrap": "The bootstrap policy decided"}.get(
        loaded.name, f"Snapshot {loaded.seq} ({loaded.name}) decided"
    )
    print_text(f"{what}: policy {desk.policy[:16]}…, loaded and verified in {desk.load_ms:,.0f} ms", style="bold")
    ages = desk.staleness.value
    print_text("  " + "; ".join(f"{name} unknown" if ages[key] is None else f"{name} {ages[key]:,} {unit}" for key, name, unit in _AGES))
    print_text()
    print_table(
        ["what was down", "degree", "decisions", "meaning"],
        [
            [code, _degree(desk, code), rows, CATALOGUE[code].sentence]
            for code, rows in sorted(tally.by_cause.items(), key=lambda item: (-item[1], item[0]))
        ],
    )
    print_text(
        f"{tally.changed:,} answers are not those of the policy: {tally.opened:,} served although it denies, "
        f"{tally.closed:,} not served although it does not; all others are as the policy says."
    )
    if tally.journal:
        print_text(f"The log is out of reach: {tally.journal:,} rows wait in {desk.point.folder / 'journal.sqlite'} to be merged")
    if tally.unwritten:
        warn(f"{tally.unwritten:,} rows could not be written to the journal: what was decided here will not reach the log")
    if out:
        print_text(f"Decisions: {out}")


def _degree(desk: PointDesk, code: str) -> str:
    found = [degree for cause, degree in desk.causes.degrees.items() if cause.reason == code]
    return str(found[0]) if found else "by terminal"
