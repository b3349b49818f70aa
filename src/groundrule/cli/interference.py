"""`groundrule interference`."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.parquet as pq
import shapely
import typer

from groundrule.areas.world import load_world
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
from groundrule.cli.rules import instant_option
from groundrule.errors import InputError
from groundrule.instant import format_instant
from groundrule.pipeline.history import all_observations
from groundrule.pipeline.interference import (
    MIN_OWNERS,
    MIN_TERMINALS,
    Found,
    geojson,
    in_countries,
    ordered,
    published,
    read_verifications,
    served_of_home,
    watch,
    witnesses_of_home,
    words_of,
    write_found,
)
from groundrule.store.area_store import load_areas
from groundrule.store.home import Home
from groundrule.store.observation_columns import parse_columns
from groundrule.store.observations import ObservationReader, open_observations
from groundrule.store.verifications import read_verifications as kept_verifications

_SHOWN = 40
_SUFFIXES = (".geojson", ".json", ".parquet", ".png", ".svg")


def interference(
    observations: Annotated[
        list[Path] | None, typer.Argument(help="Observations to watch; without any, those that the home has decided.")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    verifications: Annotated[
        Path | None, typer.Option("--verifications", help="Verdicts of the radio, as `verify --out` wrote them.")
    ] = None,
    out: Annotated[
        list[Path] | None, typer.Option("--out", help="Write .geojson, .parquet, or a map as .png or .svg; repeatable.")
    ] = None,
    internal: Annotated[
        bool, typer.Option("--internal", help="Show and write every cell and number, for the operator; not for publication.")
    ] = False,
    conflict: Annotated[
        list[str] | None,
        typer.Option("--conflict", help="Country at war, for instance UA: nothing finer than the country is shown; repeatable."),
    ] = None,
    suspended: Annotated[
        Path | None, typer.Option("--suspended", help="Write the observations with gnss_state into this Parquet file.")
    ] = None,
    nameless: Annotated[
        bool, typer.Option("--nameless", help="Take every terminal for a holder of its own; asks for more of them.")
    ] = False,
    from_: Annotated[str | None, typer.Option("--from", help="Only observations at or after this time.")] = None,
    to: Annotated[str | None, typer.Option("--to", help="Only observations before this time.")] = None,
    columns: Annotated[
        str | None, typer.Option("--columns", help="Names in the file = our names: track_id=terminal_id,time=observed_at")
    ] = None,
    assume_utc: Annotated[bool, typer.Option("--assume-utc", help="Take times without a zone as UTC.")] = False,
    time_unit: Annotated[str | None, typer.Option("--time-unit", help="Unit of times given as numbers: ns, us, ms, s.")] = None,
    as_json: OutputJson = False,
) -> None:
    """Find areas where many terminals lose their positions, jump, or are contradicted by the radio at the same time.

    What is shown and written may be published: cells with few terminals are left out, unless --internal. Who holds which
    terminal comes from the home; several terminals of one holder count once.
    """
    for path in out or ():
        if path.suffix.lower() not in _SUFFIXES:
            raise InputError(f"{path}: cannot write `{path.suffix}`", help="name a file that ends in " + ", ".join(_SUFFIXES))
    place = None if observations and nameless else Home.open(home)
    said = read_verifications(verifications) if verifications is not None else None
    begin, end = instant_option(from_, "--from"), instant_option(to, "--to")
    reader = None
    if observations:
        reader = open_observations(
            observations, columns=parse_columns(columns) if columns else None, assume_utc=assume_utc, time_unit=time_unit,
            latest_ns=time.time_ns() + CLOCK_TOLERANCE_NS,
        )  # fmt: skip
        for path, error in reader.unreadable:
            warn(f"{path} is left out: {error}")
    countries = {code: _country(place, code) for code in conflict or ()}
    kept: list[pa.Table] | None = [] if suspended is not None else None
    with tempfile.TemporaryDirectory() as folder, progress() as report:
        if reader is not None:
            batches = ordered(place, _within(reader, begin, end), Path(folder) / "order")
        else:
            assert place is not None
            batches = all_observations(place, from_ns=begin, until_ns=end)
            if said is None:
                said = kept_verifications(place, from_ns=begin, until_ns=end)
        found = watch(
            batches, said, witnesses=None if place is None or nameless else lambda at: witnesses_of_home(place, at),
            served=None if place is None or nameless else served_of_home(place), kept=None if kept is None else kept.append,
            progress=report,
        )  # fmt: skip
    if suspended is not None and kept:
        suspended.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.concat_tables(kept), suspended, compression="zstd")
    shown = found.anomalies.table if internal else published(found.anomalies.table, conflict=tuple(countries.values()))
    hidden = {} if internal else in_countries(published(found.anomalies.table), countries)
    rejected = reader.counts.total if reader is not None else 0
    for path in out or ():
        _write(shown, found, path, internal=internal)
    if as_json:
        print_json(_dict(found, shown, rejected, internal=internal) | {"conflict": hidden})
    else:
        _print(found, shown, rejected, internal=internal)
        for code, count in hidden.items():
            print_text(f"{code}: {count:,} suspended cells, which are not shown: nothing finer than the country is.")
    if reader is not None and reader.unreadable:
        raise typer.Exit(2)


def _country(place: Home | None, code: str) -> shapely.Geometry:
    areas = load_world() if place is None else load_areas(place)[0]
    versions = areas.versions(f"country:{code}")
    if not versions:
        raise InputError(f"there is no country `{code[:20]}`", help="write two capital letters, for instance UA", option="--conflict")
    return shapely.unary_union([area.geometry for area in versions])


def _within(reader: ObservationReader, from_ns: int | None, until_ns: int | None) -> Iterator[pa.Table]:
    for table, _ in reader:
        t_ns = table.column("observed_at").to_numpy()
        inside = (t_ns >= (from_ns if from_ns is not None else t_ns)) & (t_ns < (until_ns if until_ns is not None else t_ns + 1))
        yield table if inside.all() else table.filter(pa.array(inside))


def _write(shown: pa.Table, found: Found, path: Path, *, internal: bool) -> None:
    if path.suffix.lower() not in {".png", ".svg"}:
        write_found(shown, path)
        return
    from groundrule.evidence.interference_map import draw_interference  # noqa: PLC0415 - slow to load, and only this draws

    cells = len({row["h3_cell"] for row in shown.to_pylist()})
    span = "" if found.from_ns is None else f"{format_instant(found.from_ns)} to {format_instant(found.until_ns or 0)} · "
    kind = "internal: every cell" if internal else f"cells with at least {MIN_TERMINALS} troubled terminals of {MIN_OWNERS} holders"
    draw_interference(
        shown.to_pylist(), path, title=f"Interference with satellite navigation: {cells:,} cells",
        subtitle=f"{span}{found.terminals:,} terminals watched · {kind}",
    )  # fmt: skip


def _dict(found: Found, shown: pa.Table, rejected: int, *, internal: bool) -> dict[str, Any]:
    seen = found.anomalies
    test = seen.settings.test if found.witnesses_known else seen.settings.nameless
    return {
        "observations": seen.rows,
        "rejected": rejected,
        "terminals": found.terminals,
        "from": None if found.from_ns is None else format_instant(found.from_ns),
        "until": None if found.until_ns is None else format_instant(found.until_ns),
        "holders_known": found.witnesses_known,
        "suspended_observations": found.suspended,
        "late": seen.late,
        "inhibited": seen.inhibited,
        "tests": seen.tests,
        "false_alarms_allowed": seen.tests * test.alpha,
        "anomalies": len(seen.table) if internal else None,
        "published": not internal,
        "words": [words_of(row) for row in shown.to_pylist()],
        "map": geojson(shown),
    }


def _print(found: Found, shown: pa.Table, rejected: int, *, internal: bool) -> None:
    seen = found.anomalies
    rows = shown.to_pylist()
    for row in rows[:_SHOWN] if len(rows) <= 5 else ():
        print_text(words_of(row))
    if len(rows) > 5:
        titles = ["from", "until", "kind", "cell", "terminals", "share"]
        extra = ["holders", "usual", "chance", "pattern"] if internal else ["pattern"]
        print_table(titles + extra, [_cells(row, internal=internal) for row in rows[:_SHOWN]])
        if len(rows) > _SHOWN:
            print_text(f"and {len(rows) - _SHOWN:,} more; --json or --out has all of them")
    if not rows:
        hidden = " that may be published" if len(seen.table) and not internal else ""
        print_text(f"No area-wide interference{hidden}.")
    print_text()
    print_text(
        f"{seen.rows:,} observations of {found.terminals:,} terminals; {found.suspended:,} suspended, {seen.late:,} too late to count, "
        f"{seen.inhibited:,} with satellite navigation switched off by their terminals (a signal, never a verdict)."
    )
    if rejected:
        warn(f"{rejected:,} rows could not be used")
    if not found.witnesses_known:
        warn("holders are not known: every terminal counts for one, and more of them are asked for")


def _cells(row: dict[str, Any], *, internal: bool) -> list[Any]:
    cells = [format_instant(row["from_ns"]), format_instant(row["until_ns"]), row["kind"], f"{row['h3_cell']:x}", row["terminals"],
             f"{row['share']:.0%}"]  # fmt: skip
    if internal:
        cells += [f"{row['accounts']} of {row['witnesses']}", f"{row['base_rate']:.1%}", f"{row['p_value']:.0e}"]
    return [*cells, row["pattern"] or ""]
