"""`groundrule detect`."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import typer

from groundrule.cli.against_truth import against_truth, print_comparison
from groundrule.cli.decide import CLOCK_TOLERANCE_NS
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
from groundrule.instant import NS_PER_DAY, format_instant
from groundrule.pipeline.carriers import Carrier, carrier_of
from groundrule.pipeline.detecting import Detection
from groundrule.pipeline.detectors import detection_of
from groundrule.pipeline.history import all_observations
from groundrule.pipeline.home import basis_of
from groundrule.pipeline.interference import ordered, witnesses_of_home
from groundrule.pipeline.verifying import Attendance, credible, load_verifications
from groundrule.store.durable import write_durably
from groundrule.store.home import Home
from groundrule.store.observation_columns import parse_columns
from groundrule.store.observations import open_observations
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
    as_json: OutputJson = False,
) -> None:
    """Look for terminals that are not what they claim to be, and say what each finding rests on.

    A signal is a finding with its observations and never a verdict: rules combine signals, and nothing is denied on one of them
    (docs/detect.md). Areas of disturbed satellite navigation are looked for first, and positions in them convict nobody. The order
    in which observations were delivered, and repeats, make no difference.
    """
    for name in kind or ():
        if name not in KINDS:
            raise InputError(f"there is no signal `{name}`", help=f"known are {', '.join(KINDS)}", option="--kind")
    if out is not None and (out.suffix.lower() != ".parquet" or out.is_dir()):
        raise InputError(f"{out}: signals are written as Parquet", help="name a file that ends in .parquet", option="--out")
    place = Home.open(home)
    moment = time.time_ns()
    reader = None
    if observations:
        reader = open_observations(
            observations, columns=parse_columns(columns) if columns else None, assume_utc=assume_utc, time_unit=time_unit,
            latest_ns=moment + CLOCK_TOLERANCE_NS,
        )  # fmt: skip
        for path, error in reader.unreadable:
            warn(f"{path} is left out: {error}")
    detection = detection_of(place, basis_of(place, recorded_at_ns=moment), recorded_at_ns=moment)
    known = None if verifications is None else credible(load_verifications(verifications))[0]
    attendance = Attendance(known, witnesses=lambda at_ns: witnesses_of_home(place, at_ns))
    days: set[tuple[int, int]] = set()
    tracks: list[pa.Table] = []
    with progress() as report:
        batches = ordered(place, (table for table, _ in reader), place.cache) if reader is not None else all_observations(place)
        for batch in attendance.attend(batches) if reader is not None else batches:
            report("detect", len(batch))
            detection.update(batch)
            if terminal:
                tracks.append(batch.filter(pc.is_in(batch.column("terminal_id"), value_set=pa.array(terminal))))
            days |= _terminal_days(detection, batch)
        detection.finish()
        detection.conclude()
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
    carriers = [
        carrier_of(mine) for name in dict.fromkeys(terminal or ())
        if len(mine := _chosen(pa.concat_tables(tracks), None, [name]))
    ]  # fmt: skip
    shown = _chosen(table, kind, terminal)
    rejected = 0 if reader is None else reader.counts.total
    about: dict[str, Any] = {
        "observations": detection.observations, "late": detection.late, "rejected": rejected, "terminal_days": len(days),
        "suspended": attendance.suspended, "withdrawn": detection.withdrawn,
        "signals": len(table), "by_kind": dict(detection.counts.most_common()), "out": str(out) if out else None,
    }  # fmt: skip
    if as_json:
        if carriers:
            about["carriers"] = [asdict(each) for each in carriers]
        judged = {} if compared is None else {"truth": compared.value}
        print_json(about | judged | {"shown": [_dict(row) for row in shown.to_pylist()]})
    else:
        _print(detection, table, shown, len(days), rejected, attendance.suspended)
        for each in carriers:
            print_text(_carried(each))
        if compared is not None:
            print_text()
            print_comparison(compared)
        if out is not None:
            print_text(f"Signals: {out}")
    if reader is not None and reader.unreadable:
        raise typer.Exit(2)


def _carried(carrier: Carrier) -> str:
    what = "cells" if carrier.by_cells else "positions"
    if not carrier.probabilities:
        return f"{carrier.terminal_id}: too few positions to say what carries it"
    likely = sorted(carrier.probabilities.items(), key=lambda each: -each[1])[:3]
    said = ", ".join(f"{name.replace('_', ' ')} {100 * share:.0f} %" for name, share in likely)
    return f"{carrier.terminal_id} moves like: {said} ({carrier.fixes:,} {what}; docs/platform-model.md says how often that is wrong)"


def _terminal_days(detection: Detection, batch: pa.Table) -> set[tuple[int, int]]:
    rows = detection.basis.registers.lookup(batch.column("terminal_id")).tolist()
    return set(zip(rows, (batch.column("observed_at").to_numpy() // NS_PER_DAY).tolist(), strict=True))


def _chosen(table: pa.Table, kinds: list[str] | None, terminals: list[str] | None) -> pa.Table:
    for name, wanted in (("kind", kinds), ("terminal_id", terminals)):
        if wanted:
            table = table.filter(pc.is_in(table.column(name), value_set=pa.array(wanted)))
    return table


def _print(detection: Detection, table: pa.Table, shown: pa.Table, days: int, rejected: int, suspended: int) -> None:
    print_text(f"{detection.observations:,} observations on {days:,} terminal-days")
    if detection.late:
        warn(f"{detection.late:,} observations are behind what is known of their terminal and say nothing new")
    if rejected:
        warn(f"{rejected:,} rows could not be used")
    if suspended or detection.withdrawn:
        print_text(f"{suspended:,} observations in disturbed areas convict nobody; {detection.withdrawn:,} findings were withdrawn")
    if not len(table):
        print_text("No signals.")
        return
    terminals: dict[str, set[str]] = {}
    for name, who in zip(table["kind"].to_pylist(), table["terminal_id"].to_pylist(), strict=True):
        terminals.setdefault(name, set()).add(who)
    counts = Counter(detection.counts)
    rows = [
        (name, KINDS[name].cause, f"{counts[name]:,}", f"{len(terminals[name]):,}")
        for name in sorted(terminals, key=lambda each: (-counts[each], each))
    ]
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
