"""`groundrule decide`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import typer

from groundrule.canon import digest_file
from groundrule.cli.attended import (
    EphemerisOption,
    PlatformOption,
    attendance_of,
    attended_dict,
    claimed,
    print_attended,
)
from groundrule.cli.counted import counts_dict, print_counts
from groundrule.cli.decide_cluster import check_cluster, decide_on_cluster
from groundrule.cli.decide_point import decide_at_point
from groundrule.cli.engine import Engine, Master, Partitions, cluster_of
from groundrule.cli.ledger import committed_dict, print_committed
from groundrule.cli.orbits import FileOption
from groundrule.cli.output import (
    DEFAULT_HOME,
    HomeOption,
    OutputJson,
    print_json,
    print_text,
    progress,
    warn,
)
from groundrule.cli.rules import instant_option
from groundrule.errors import GroundruleError, InputError
from groundrule.instant import NS_PER_S
from groundrule.pipeline.detectors import asks_for_signals, detection_of
from groundrule.pipeline.home import basis_of, rulebook_of
from groundrule.pipeline.home_ledger import HomeLedger, has_ledger
from groundrule.pipeline.runs import Inputs, Run
from groundrule.pipeline.runs import decide as decide_run
from groundrule.store.home import Home
from groundrule.store.observation_columns import check_targets, parse_columns
from groundrule.store.observations import ObservationReader, check_time_unit, expand_paths, open_observations
from groundrule.store.places import ObjectPath, place_at
from groundrule.store.verifications import write_verifications

CLOCK_TOLERANCE_NS = 3_600 * NS_PER_S
"""How far ahead of ours the clock of a device may go before its observation is set aside [ns]."""


def decide(
    observations: Annotated[
        list[Path], typer.Argument(help="Parquet, CSV, JSON lines or telemetry replies; or folders of them.")
    ],
    home: HomeOption = DEFAULT_HOME,
    out: Annotated[
        str | None,
        typer.Option("--out", help="Also write the decisions into this Parquet file; with --engine, into this folder or s3://bucket/prefix."),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option("--columns", help="Names in the file = our names: track_id=terminal_id,time=observed_at"),
    ] = None,
    as_of: Annotated[
        str | None, typer.Option("--as-of", help="Apply rules and areas as of this time to older data.")
    ] = None,
    assume_utc: Annotated[bool, typer.Option("--assume-utc", help="Take times without a zone as UTC.")] = False,
    time_unit: Annotated[
        str | None, typer.Option("--time-unit", help="Unit of times given as numbers: ns, us, ms, s.")
    ] = None,
    measurements: Annotated[
        Path | None, typer.Option("--measurements", help="Radio measurements of these terminals: verified first, as `verify` does.")
    ] = None,
    verifications: Annotated[
        Path | None, typer.Option("--verifications", help="Verifications that `verify --out FILE.parquet` wrote.")
    ] = None,
    elements: FileOption = None,
    platform: PlatformOption = None,
    ephemeris_m: EphemerisOption = None,
    interference: Annotated[
        bool, typer.Option("--interference", help="Find areas where satellite navigation is disturbed, and suspend positions there.")
    ] = False,
    detect: Annotated[
        bool | None,
        typer.Option(
            "--detect/--no-detect",
            help="Look for terminals that are not what they claim to be, disturbed areas included; as the rulebook asks, if not given.",
        ),
    ] = None,
    point: Annotated[
        Path | None,
        typer.Option("--point", help="Decide from the folder of an enforcement point instead of a home; nothing is committed."),
    ] = None,
    engine: Engine = None,
    master: Master = None,
    partitions: Partitions = None,
    as_json: OutputJson = False,
) -> None:
    """Decide every observation, with reasons, and commit the run to the home.

    With --point the last good snapshot decides, with no home and no connection to anything; what is missing then, and how
    old is what decides, stands in every answer (docs/degraded.md).

    Rows that cannot be used are kept in HOME/rejected with file, row, field and reason, and lose nothing beside them.
    A file that cannot be read at all is left out and named; the others are decided, and the exit code is 2.

    With --measurements or --verifications each observation gets the latest verification of its terminal by then; it is stored
    with it, and rules read verdict, assurance, distance and speed of it (docs/verify.md).

    With --engine spark a cluster decides into the folder --out, and the home is read and not written (docs/scale.md).
    """
    moment = time.time_ns()
    opening = cluster_of(engine, master, partitions)
    if engine is not None:
        if point is not None or measurements or verifications or interference:
            said = "a cluster takes no measurements and is no enforcement point"
            raise InputError(said, help="leave these options out, or --engine", option="--engine")
        from groundrule.engines.given_files import Reading  # noqa: PLC0415 - only clusters need it

        here = Home.open(home)
        folder = check_cluster(here, None if out is None else place_at(out), detect=detect)
        named = parse_columns(columns) if columns else {}
        check_targets(named)
        check_time_unit(time_unit)
        decide_on_cluster(
            here, expand_paths(observations), opening, out=folder,
            reading=Reading(named, assume_utc, time_unit, moment + CLOCK_TOLERANCE_NS),
            recorded_at_ns=moment, as_of_ns=instant_option(as_of, "--as-of"), buckets=partitions, as_json=as_json,
        )  # fmt: skip
        return
    file = None if out is None else place_at(out)
    if isinstance(file, ObjectPath):
        raise InputError(f"`{file}` is no file of this machine", help="name a file; a cluster writes there: --engine spark", option="--out")
    if file is not None and (file.is_dir() or any(each.is_file() for each in file.parents)):
        said = f"cannot write `{file}`: there is a folder, or a file where its folder should be"
        raise InputError(said, help="name a file in a folder", option="--out")
    place = Home.open(home) if point is None else None
    reader = open_observations(
        observations,
        columns=parse_columns(columns) if columns else None,
        assume_utc=assume_utc,
        time_unit=time_unit,
        latest_ns=moment + CLOCK_TOLERANCE_NS,
    )
    for path, error in reader.unreadable:
        warn(f"{path} is left out: {error}")
    if place is None:
        assert point is not None
        if measurements or verifications or interference or detect:
            said = "a point takes no measurements and detects nothing"
            raise InputError(said, help="decide against a home, or leave --point out", option="--point")
        decide_at_point(point, reader, at_ns=moment, as_of_ns=instant_option(as_of, "--as-of"), out=file, as_json=as_json)
        return
    detecting = asks_for_signals(rulebook_of(place)) if detect is None else detect
    rejected_path = place.rejected / f"observations-{moment}.jsonl"
    unread = {path for path, _ in reader.unreadable}
    attendance = attendance_of(
        place, measurements=measurements, verifications=verifications, elements=elements, platform=platform,
        ephemeris_m=ephemeris_m, interference=interference or detecting,
        claims=lambda whose: claimed(observations, whose, columns=columns, assume_utc=assume_utc, time_unit=time_unit),
    )  # fmt: skip
    with place.writer(), _ledger(place) as ledger, progress() as report:
        basis = basis_of(place, recorded_at_ns=moment)
        detection = detection_of(place, basis, recorded_at_ns=moment) if detecting else None
        run = decide_run(
            place,
            Inputs(
                batches=_accepted(reader, rejected_path),
                files=lambda: [
                    {"name": path.name, "digest": digest_file(path), "bytes": path.stat().st_size}
                    for path in (*expand_paths(observations), *(each for each in (measurements, verifications) if each))
                    if path not in unread
                ],
                rejected=lambda: dict(sorted(reader.counts.by_reason.items())),
            ),
            recorded_at_ns=moment,
            as_of_ns=instant_option(as_of, "--as-of"),
            out=file,
            progress=report,
            ledger=ledger,
            basis=basis,
            attendance=attendance,
            detection=detection,
        )
        if attendance is not None and attendance.verifications is not None:
            write_verifications(place, attendance.verifications)
    for note in reader.notes:
        warn(note)
    result = {
        "run": run.number,
        "manifest": run.manifest,
        "decisions": run.decisions,
        "out": str(file) if file else None,
        "rejected": dict(reader.counts.by_reason),
        "unreadable_files": {str(path): str(error) for path, error in reader.unreadable},
        "rejected_rows": str(rejected_path) if reader.counts.total else None,
        "log": committed_dict(run.committed) if run.committed else None,
        **counts_dict(run.counts),
        **({} if attendance is None else attended_dict(attendance)),
        **({} if detection is None else {"signals": dict(detection.counts.most_common()), "withdrawn": detection.withdrawn}),
    }
    if as_json:
        print_json(result)
    else:
        _print(run, reader, rejected_path, file)
        if attendance is not None:
            print_attended(attendance)
        if detection is not None and detection.counts.total():
            raised = ", ".join(f"{count:,} {kind.replace('_', ' ')}" for kind, count in detection.counts.most_common() if count)
            print_text(f"Signals: {raised}")
            print_text("Next: groundrule cases list")
    if reader.unreadable:
        raise typer.Exit(2)


def _print(run: Run, reader: ObservationReader, rejected_path: Path, out: Path | None) -> None:
    print_counts(run.counts)
    if reader.counts.total:
        warn(f"{reader.counts.total:,} rows could not be used; each with its reason in {rejected_path}")
        for reason, rows in sorted(reader.counts.by_reason.items(), key=lambda item: -item[1])[:10]:
            warn(f"  {rows:,} × {reason}")
    if out:
        print_text(f"Decisions: {out}")
    if run.counts.unregistered:
        warn("terminals that are not in the register are reviewed: groundrule register import terminals FILE")
    print_text(f"Run {run.number} committed; manifest {run.manifest}")
    if run.committed:
        print_committed(run.committed)
    print_text("Next: groundrule explain TERMINAL, groundrule ledger prove TERMINAL, groundrule replay")


@contextmanager
def _ledger(place: Home) -> Iterator[HomeLedger | None]:
    """The home's log, or None where there is none or it is out of reach: decisions do not wait for it."""
    if not has_ledger(place):
        yield None
        return
    try:
        ledger = HomeLedger.open(place)
    except GroundruleError as error:
        warn(f"the log is out of reach: {error}")
        warn("the run is decided without it, and enters the log, late, with the next run that finds it")
        yield None
        return
    with ledger:
        yield ledger


def _accepted(reader: ObservationReader, rejected_path: Path) -> Iterator[pa.Table]:
    stream = None
    try:
        for table, rejects in reader:
            if len(rejects):
                if stream is None:
                    stream = rejected_path.open("wb")
                rejects.write_jsonl(stream)
            yield table
    finally:
        if stream:
            stream.close()
