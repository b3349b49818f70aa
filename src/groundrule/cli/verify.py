"""`groundrule verify`."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import typer

from groundrule.cli.attended import (
    EphemerisOption,
    PlatformOption,
    graded,
    options_of,
    print_unused,
)
from groundrule.cli.orbits import FileOption, loaded_elements
from groundrule.cli.output import DEFAULT_HOME, HomeOption, OutputJson, print_json, print_table, print_text, warn
from groundrule.errors import InputError
from groundrule.evidence.verification import draw_verification
from groundrule.instant import format_instant
from groundrule.pipeline.verifying import Verified
from groundrule.pipeline.verifying import verify as verify_them
from groundrule.store.home import Home
from groundrule.store.observations import open_observations
from groundrule.verify.case import Settings
from groundrule.verify.measurements import Issue
from groundrule.verify.reading import read_measurements
from groundrule.verify.report import Report

_SHOWN_VERDICTS = 200
_ORDER = ("inconsistent", "ambiguous", "fault", "consistent", "insufficient")
"""Verdicts, those that a person wants to see first before the others."""


def verify(
    measurements: Annotated[Path, typer.Argument(help="Measurements: Parquet, CSV or JSON lines (docs/verify.md).")],
    home: HomeOption = DEFAULT_HOME,
    elements: FileOption = None,
    claims: Annotated[
        list[Path] | None, typer.Option("--claims", help="Observations with the claimed positions; repeatable.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write the verifications as Parquet, or reports as .jsonl.")] = None,
    plot: Annotated[Path | None, typer.Option("--plot", help="Draw one verification as .png or .svg.")] = None,
    terminal: Annotated[str | None, typer.Option("--terminal", help="Only this terminal.")] = None,
    window_s: Annotated[float, typer.Option("--window-s", min=1, max=3600, help="Length of a verdict's window [s].")] = 60.0,
    platform: PlatformOption = None,
    height_m: Annotated[
        float | None, typer.Option("--height-m", min=-500, max=50_000, help="Known height above the ellipsoid [m].")
    ] = None,
    height_sigma_m: Annotated[float | None, typer.Option("--height-sigma-m", min=0, max=50_000, help="Its sigma [m].")] = None,
    tolerance_km: Annotated[
        float, typer.Option("--tolerance-km", min=0.01, max=20_000, help="Tolerated distance of the claim [km].")
    ] = 10.0,
    alpha: Annotated[float, typer.Option(min=1e-6, max=0.1, help="False-positive rate of a verdict.")] = 1e-4,
    ephemeris_m: EphemerisOption = None,
    min_elevation_deg: Annotated[
        float, typer.Option("--min-elevation-deg", min=-5, max=90, help="At which satellites serve [degree].")
    ] = 5.0,
    robust: Annotated[bool, typer.Option("--robust", help="Bend on delay spikes (Huber).")] = False,
    as_json: OutputJson = False,
) -> None:
    """Test claimed positions against what the network measured, and say against whom the verdict stands.

    Elements come from the home or from --elements. Without --claims positions are estimated and nothing is tested. Exit code
    1: a claim is inconsistent; 2: no measurement could be used.
    """
    if out is not None and out.suffix.lower() not in {".parquet", ".jsonl"}:
        raise InputError(f"{out}: verifications are not written as `{out.suffix}`", help="name .parquet or .jsonl")
    loaded = loaded_elements(home, elements, grade=graded(ephemeris_m))
    measured = read_measurements(measurements)
    whose = _terminals(measured)
    options = options_of(
        _register(home) if platform is None else None, whose, platform=platform, ephemeris_m=ephemeris_m,
        window_s=window_s, height_m=height_m, height_sigma_m=height_sigma_m, min_elevation_deg=min_elevation_deg,
    )
    settings = Settings(d0_m=tolerance_km * 1e3, alpha=alpha, loss="huber" if robust else "least_squares")
    made = verify_them(measured, loaded, _claims(claims), options, settings)
    found = made.reports
    if terminal is not None:
        found = [report for report in found if report.terminal == terminal]
        if not found:
            if terminal not in whose:
                said, cure = f"{measurements.name} has no measurement of terminal `{terminal}`", f"it has {len(whose):,} terminals"
                raise InputError(said, help=f"{cure}: {', '.join(whose[:5])}" if whose else cure, option="--terminal")
            print_unused(made.issues, measurements.name)
            said = f"no measurement of terminal `{terminal}` could be used"
            raise InputError(said, help="see above which rows are not used, and why", option="--terminal")
    if out is not None:
        _write(replace(made, reports=found), out)
    if plot is not None:
        _draw(found, plot)
    if as_json:
        print_json(
            {
                "measurements": made.rows,
                "not_used": [
                    {"row": issue.row + 1, "field": issue.field, "value": issue.value, "reason": issue.reason} for issue in made.issues
                ],
                "elements": made.elements,
                "verifications": [report.as_dict() for report in found],
            }
        )
    else:
        _print(found, made.rows, made.issues, measurements.name)
    if not found:
        raise typer.Exit(2)
    if any(report.verdict == "inconsistent" for report in found):
        raise typer.Exit(1)


def _register(home: Path) -> Home | None:
    """The home, if there is one: with --elements none is needed."""
    try:
        return Home.open(home)
    except InputError:
        return None


def _terminals(measured: pa.Table) -> list[str]:
    if "terminal_id" not in measured.column_names:
        return []
    return [str(name) for name in pc.unique(measured.column("terminal_id")).to_pylist() if name is not None]


def _claims(paths: list[Path] | None) -> pa.Table | None:
    if not paths:
        return None
    reader = open_observations(list(paths))
    for path, error in reader.unreadable:
        warn(f"{path} is left out: {error}")
    tables = [table for table, _ in reader]
    return pa.concat_tables(tables) if tables else None


def _write(made: Verified, out: Path) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.suffix.lower() == ".parquet":
        pq.write_table(made.table(whole=False), out, compression="zstd")
        return
    lines = (json.dumps(report.as_dict(), ensure_ascii=False) + "\n" for report in made.reports)
    out.write_text("".join(lines), encoding="utf-8")


def _draw(found: list[Report], plot: Path) -> None:
    if not found:
        raise InputError("there is no verification to draw", help="see the rows that are not used", option="--plot")
    chosen = min(found, key=lambda report: (_ORDER.index(report.verdict), report.t_ref_ns))
    if len(found) > 1:
        warn(f"drawn is terminal {chosen.terminal} at {format_instant(chosen.t_ref_ns)}; choose with --terminal")
    draw_verification(chosen, plot)


def _from_claim(report: Report) -> str:
    if math.isnan(report.claim_lat_deg):
        return "no claim"
    return f"{report.distance_m / 1e3:,.2f}" if report.usable else ""


def _print(found: list[Report], rows: int, issues: Sequence[Issue], name: str) -> None:
    titles = ["terminal", "time", "verdict", "stands against", "radio position", "95 % ellipse m", "from claim km", "grade", "why"]
    table: list[list[Any]] = []
    for report in found[:_SHOWN_VERDICTS]:
        best = report.modes[0] if report.usable else None
        table.append(
            [
                report.terminal, format_instant(report.t_ref_ns), report.verdict, report.assurance,
                f"{best.lat_deg:.4f} {best.lon_deg:.4f}" if best else f"{len(report.places)} places" if len(report.places) > 1 else "none",
                f"{best.major_95_m:,.0f} × {best.minor_95_m:,.0f}" if best else "",
                _from_claim(report),
                report.grade, ", ".join(report.conditions),
            ]
        )
    if table:
        print_table(titles, table)
    if len(found) > _SHOWN_VERDICTS:
        print_text(f"and {len(found) - _SHOWN_VERDICTS:,} more; --json or --out has all of them")
    if len(found) == 1:
        print_text()
        print_text(found[0].words)
    counts = Counter(report.verdict for report in found)
    told = ": " + ", ".join(f"{counts[word]:,} {word}" for word in _ORDER if counts[word]) if found else ""
    print_text(f"{len(found):,} verifications from {rows:,} measurements{told}.")
    print_unused(issues, name)
