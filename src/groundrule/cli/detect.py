"""`groundrule detect`."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import typer

from groundrule.cli.against_truth import against_truth, print_comparison
from groundrule.cli.decide import CLOCK_TOLERANCE_NS
from groundrule.cli.engine import Checkpoint, Engine, Master, Partitions, checkpoint_at, cluster_of
from groundrule.cli.output import (
    DEFAULT_HOME,
    HomeOption,
    OutputJson,
    print_json,
    print_table,
    print_text,
    progress,
    warn,
)
from groundrule.detect.signals import KINDS
from groundrule.errors import InputError
from groundrule.instant import format_instant
from groundrule.pipeline.carriers import Carrier, carrier_of
from groundrule.pipeline.detecting import Detection
from groundrule.pipeline.detectors import detection_of
from groundrule.pipeline.history import all_observations, observations_of
from groundrule.pipeline.home import basis_of
from groundrule.pipeline.interference import ordered, witnesses_of_home
from groundrule.pipeline.replaying import Progress
from groundrule.pipeline.verifying import Attendance, credible, load_verifications
from groundrule.pipeline.watched import terminal_days
from groundrule.store.durable import write_durably
from groundrule.store.home import Home
from groundrule.store.observation_columns import parse_columns
from groundrule.store.observations import ObservationReader, open_observations
from groundrule.store.signals import SIGNALS

_SHOWN = 20


def detect(
    observations: Annotated[
        list[Path] | None, typer.Argument(help="Observations to look at; without any, those that the home has decided.")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    verifications: Annotated[
        Path | None, typer.Option("--verifications", help="Verifications that `verify --out FILE.parquet` wrote.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write the signals into this Parquet file.")] = None,
    kind: Annotated[list[str] | None, typer.Option("--kind", help="Show signals of this kind only; repeatable.")] = None,
    terminal: Annotated[
        list[str] | None, typer.Option("--terminal", help="Show signals of this terminal only, and what its motion looks like; repeatable.")
    ] = None,
    truth: Annotated[
        Path | None, typer.Option("--truth", help="Folder that `simulate` wrote: say what was found, missed, and said of the innocent.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the signals in the home, for cases and pages.")] = False,
    columns: Annotated[
        str | None, typer.Option("--columns", help="Names in the file = our names: track_id=terminal_id,time=observed_at")
    ] = None,
    assume_utc: Annotated[bool, typer.Option("--assume-utc", help="Take times without a zone as UTC.")] = False,
    time_unit: Annotated[str | None, typer.Option("--time-unit", help="Unit of times given as numbers: ns, us, ms, s.")] = None,
    engine: Engine = None,
    master: Master = None,
    partitions: Partitions = None,
    checkpoint: Checkpoint = None,
    as_json: OutputJson = False,
) -> None:
    """Look for terminals that are not what they claim to be, and say what each finding rests on.

    A signal is a finding with its observations and never a verdict: rules combine signals, and nothing is denied on one of them
    (docs/detect.md). Areas of disturbed satellite navigation are looked for first, and positions in them convict nobody. The order
    in which observations were delivered, and repeats, make no difference. A cluster finds the same signals in what the home has
    decided (docs/scale.md).
    """
    for name in kind or ():
        if name not in KINDS:
            raise InputError(f"there is no signal `{name}`", help=f"known are {', '.join(KINDS)}", option="--kind")
    if out is not None and (out.suffix.lower() != ".parquet" or out.is_dir()):
        raise InputError(f"{out}: signals are written as Parquet", help="name a file that ends in .parquet", option="--out")
    if verifications is not None and not observations:
        raise InputError(
            "what the home has decided is looked at with the verifications that it was decided with",
            help="name the observations that these verifications are of, or leave them out", option="--verifications",
        )  # fmt: skip
    place = Home.open(home)
    moment = time.time_ns()
    wanted = list(dict.fromkeys(terminal or ()))
    reader = None
    if observations and engine is not None:
        raise InputError(
            "a cluster looks at what the home has decided, and not at files",
            help="leave out the files, or --engine", field="OBSERVATIONS",
        )  # fmt: skip
    if observations:
        reader = open_observations(
            observations, columns=parse_columns(columns) if columns else None, assume_utc=assume_utc, time_unit=time_unit,
            latest_ns=moment + CLOCK_TOLERANCE_NS,
        )  # fmt: skip
        for path, error in reader.unreadable:
            warn(f"{path} is left out: {error}")
    with cluster_of(engine, master, partitions, checkpoint) as cluster, progress() as report:
        if cluster is None:
            looked = _look(place, reader, verifications, wanted, moment, report)
        else:
            from groundrule.engines.distributed_detect import distributed_detection  # noqa: PLC0415 - only clusters need it

            detection, days = distributed_detection(
                place, cluster, recorded_at_ns=moment, buckets=partitions, progress=report, checkpoint=checkpoint_at(checkpoint)
            )
            looked = _Looked(detection, days, 0, [observations_of(place, *wanted)] if wanted else [])
    detection = looked.detection
    if not detection.observations:
        raise InputError("there is no observation that can be used", help="see the rejected rows, or decide some first")
    table = detection.table()
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd")
        write_durably(out, sink.getvalue().to_pybytes())
    if keep:
        with place.writer():
            SIGNALS.write(place, table)
    compared = None if truth is None else against_truth(truth, detection.signals, place)
    carriers = [carrier_of(mine) for name in wanted if len(mine := _chosen(pa.concat_tables(looked.tracks), None, [name]))]
    shown = _chosen(table, kind, terminal)
    rejected = 0 if reader is None else reader.counts.total
    about: dict[str, Any] = {
        "observations": detection.observations, "late": detection.late, "rejected": rejected, "terminal_days": looked.days,
        "suspended": looked.suspended, "withdrawn": detection.withdrawn,
        "signals": len(table), "by_kind": _by_kind(table), "out": str(out) if out else None,
    }  # fmt: skip
    if as_json:
        if carriers:
            about["carriers"] = [asdict(each) for each in carriers]
        judged = {} if compared is None else {"truth": compared.value}
        print_json(about | judged | {"shown": [_dict(row) for row in shown.to_pylist()]})
    else:
        _print(looked, table, shown, rejected)
        for each in carriers:
            print_text(_carried(each))
        if compared is not None:
            print_text()
            print_comparison(compared)
        if out is not None:
            print_text(f"Signals: {out}")
    if reader is not None and reader.unreadable:
        raise typer.Exit(2)


@dataclass(frozen=True, slots=True)
class _Looked:
    """What was found.

    Attributes:
        detection: at its end. days: terminal-days.
        suspended: observations in disturbed areas, where these were looked for.
        tracks: observations of the terminals that were asked for.
    """

    detection: Detection
    days: int
    suspended: int
    tracks: list[pa.Table]


def _look(
    place: Home, reader: ObservationReader | None, verifications: Path | None, wanted: list[str], moment: int, report: Progress
) -> _Looked:
    """Look on this machine, at files or else at what the home has decided."""
    detection = detection_of(place, basis_of(place, recorded_at_ns=moment), recorded_at_ns=moment)
    known = None if verifications is None else credible(load_verifications(verifications))[0]
    attendance = Attendance(known, witnesses=lambda at_ns: witnesses_of_home(place, at_ns))
    days: set[int] = set()
    tracks: list[pa.Table] = []
    batches = ordered(place, (table for table, _ in reader), place.cache) if reader is not None else all_observations(place)
    for batch in attendance.attend(batches) if reader is not None else batches:
        report("detect", len(batch))
        detection.update(batch)
        if wanted:
            tracks.append(batch.filter(pc.is_in(batch.column("terminal_id"), value_set=pa.array(wanted))))
        days.update(terminal_days(detection.basis.registers, [batch]).tolist())
    detection.finish()
    detection.conclude()
    return _Looked(detection, len(days), attendance.suspended, tracks)


def _carried(carrier: Carrier) -> str:
    what = "cells" if carrier.by_cells else "positions"
    if not carrier.probabilities:
        return f"{carrier.terminal_id}: too few positions to say what carries it"
    likely = sorted(carrier.probabilities.items(), key=lambda each: -each[1])[:3]
    said = ", ".join(f"{name.replace('_', ' ')} {100 * share:.0f} %" for name, share in likely)
    return f"{carrier.terminal_id} moves like: {said} ({carrier.fixes:,} {what}; docs/platform-model.md says how often that is wrong)"


def _by_kind(table: pa.Table) -> dict[str, int]:
    """How many signals there are of each kind, the most first."""
    counts = Counter(table["kind"].to_pylist())
    return dict(sorted(counts.items(), key=lambda each: (-each[1], each[0])))


def _chosen(table: pa.Table, kinds: list[str] | None, terminals: list[str] | None) -> pa.Table:
    for name, wanted in (("kind", kinds), ("terminal_id", terminals)):
        if wanted:
            table = table.filter(pc.is_in(table.column(name), value_set=pa.array(wanted)))
    return table


def _print(looked: _Looked, table: pa.Table, shown: pa.Table, rejected: int) -> None:
    detection = looked.detection
    print_text(f"{detection.observations:,} observations on {looked.days:,} terminal-days")
    if detection.late:
        warn(f"{detection.late:,} observations are behind what is known of their terminal and say nothing new")
    if rejected:
        warn(f"{rejected:,} rows could not be used")
    if looked.suspended or detection.withdrawn:
        print_text(f"{looked.suspended:,} observations in disturbed areas convict nobody; {detection.withdrawn:,} findings were withdrawn")
    if not len(table):
        print_text("No signals.")
        return
    terminals: dict[str, set[str]] = {}
    for name, who in zip(table["kind"].to_pylist(), table["terminal_id"].to_pylist(), strict=True):
        terminals.setdefault(name, set()).add(who)
    rows = [(name, KINDS[name].cause, f"{count:,}", f"{len(terminals[name]):,}") for name, count in _by_kind(table).items()]
    print_table(("signal", "rests on", "raised", "terminals"), rows)
    for line in _lines(shown):
        print_text(line)
    if len(shown) > _SHOWN:
        print_text(f"and {len(shown) - _SHOWN:,} more; --json, --out, --kind and --terminal show them")


def _lines(table: pa.Table) -> Iterator[str]:
    """The strongest first, and of each terminal and kind the last."""
    last = {(row["terminal_id"], row["kind"]): row for row in table.to_pylist()}
    for row in sorted(last.values(), key=lambda each: (-each["strength"], -each["raised_at"], each["terminal_id"]))[:_SHOWN]:
        where = "" if row["lat_deg"] is None else f" at {row['lat_deg']:.3f}, {row['lon_deg']:.3f}"
        numbers = ", ".join(f"{each['name'].replace('_', ' ')} {each['value']:.4g} {each['unit']}".strip() for each in row["found"])
        group = "" if row["group"] is None else f", {row['group']}"
        said = f": {numbers}" if numbers else ""
        strength = f"{row['strength']:.2f} {row['basis'].replace('_', ' ')}"
        yield f"{format_instant(row['raised_at'])}  {row['terminal_id']}  {row['kind']} ({strength}){where}{group}{said}"


def _dict(row: dict[str, Any]) -> dict[str, Any]:
    for name in ("raised_at", "from_at", "until_at"):
        row[name] = format_instant(row[name])
    row["offending"] = [each | {"observed_at": format_instant(each["observed_at"])} for each in row["offending"]]
    return row
