"""`groundrule verify`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.parquet as pq
import typer

from groundrule.cli.orbits import FileOption, loaded_elements
from groundrule.cli.output import DEFAULT_HOME, HomeOption, OutputJson, print_json, print_table, print_text, warn
from groundrule.errors import InputError
from groundrule.evidence.verification import draw_verification
from groundrule.instant import format_instant
from groundrule.pipeline.verifying import Verified
from groundrule.pipeline.verifying import verify as verify_them
from groundrule.store.observations import open_observations
from groundrule.verify.assemble import Options
from groundrule.verify.case import Settings
from groundrule.verify.report import Report

_SHOWN_ISSUES = 20
_SHOWN_VERDICTS = 200


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
    platform: Annotated[str, typer.Option(help="fixed, land, ship or aircraft: whether it moves, and its height.")] = "land",
    height_m: Annotated[float | None, typer.Option("--height-m", help="Known height above the ellipsoid [m].")] = None,
    height_sigma_m: Annotated[float | None, typer.Option("--height-sigma-m", min=0, help="Its sigma [m].")] = None,
    tolerance_km: Annotated[float, typer.Option("--tolerance-km", min=0.01, help="Tolerated distance of the claim [km].")] = 10.0,
    alpha: Annotated[float, typer.Option(min=1e-6, max=0.1, help="False-positive rate of a verdict.")] = 1e-4,
    ephemeris_m: Annotated[
        str | None, typer.Option("--ephemeris-m", help="Sigma of the operator's own ephemeris: along,radial,cross [m].")
    ] = None,
    min_elevation_deg: Annotated[float, typer.Option("--min-elevation-deg", help="At which satellites serve [degree].")] = 5.0,
    robust: Annotated[bool, typer.Option("--robust", help="Bend on delay spikes (Huber).")] = False,
    as_json: OutputJson = False,
) -> None:
    """Test claimed positions against what the network measured, and say against whom the verdict stands.

    Elements come from the home or from --elements. Without --claims positions are estimated and nothing is tested. Exit code
    1: a claim is inconsistent; 2: no measurement could be used.
    """
    if out is not None and out.suffix.lower() not in {".parquet", ".jsonl"}:
        raise InputError(f"{out}: verifications are not written as `{out.suffix}`", help="name .parquet or .jsonl")
    # Who states the accuracy of an ephemeris says that it is the operator's own.
    loaded = loaded_elements(home, elements, grade=None if ephemeris_m is None else "operator")
    options = Options(
        window_s=window_s, platform=platform, height_m=height_m, height_sigma_m=height_sigma_m, declared_m=_three(ephemeris_m),
        min_elevation_deg=min_elevation_deg,
    )
    settings = Settings(d0_m=tolerance_km * 1e3, alpha=alpha, loss="huber" if robust else "least_squares")
    made = verify_them(measurements, loaded, _claims(claims), options, settings)
    found = made.reports
    if terminal is not None:
        found = [report for report in found if report.terminal == terminal]
        if not found:
            raise InputError(f"terminal `{terminal}` has no usable measurement", help="see the rows that are not used", value=terminal)
    if out is not None:
        _write(replace(made, reports=found), out)
    if plot is not None:
        _draw(found, plot)
    if as_json:
        print_json(
            {
                "measurements": made.rows,
                "not_used": [
                    {"row": issue.row, "field": issue.field, "value": issue.value, "reason": issue.reason} for issue in made.issues
                ],
                "elements": made.elements,
                "verifications": [report.as_dict() for report in found],
            }
        )
    else:
        _print(found, made.rows, [str(issue) for issue in made.issues])
    if not found:
        raise typer.Exit(2)
    if any(report.verdict == "inconsistent" for report in found):
        raise typer.Exit(1)


def _three(text: str | None) -> tuple[float, float, float] | None:
    if text is None:
        return None
    try:
        along, radial, cross = (float(part) for part in text.split(","))
    except ValueError as error:
        raise InputError(f"`{text}` is not three numbers", help="write for instance 20,5,5", option="--ephemeris-m") from error
    return along, radial, cross


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
    order = {"inconsistent": 0, "ambiguous": 1, "fault": 2, "consistent": 3, "insufficient": 4}
    chosen = min(found, key=lambda report: (order[report.verdict], report.t_ref_ns))
    if len(found) > 1:
        warn(f"drawn is terminal {chosen.terminal} at {format_instant(chosen.t_ref_ns)}; choose with --terminal")
    draw_verification(chosen, plot)


def _print(found: list[Report], rows: int, issues: list[str]) -> None:
    titles = ["terminal", "time", "verdict", "stands against", "radio position", "95 % ellipse m", "from claim km", "grade", "why"]
    table: list[list[Any]] = []
    for report in found[:_SHOWN_VERDICTS]:
        best = report.modes[0] if report.modes else None
        table.append(
            [
                report.terminal, format_instant(report.t_ref_ns), report.verdict, report.assurance,
                f"{best.lat_deg:.4f} {best.lon_deg:.4f}" if best else "none",
                f"{best.major_95_m:,.0f} × {best.minor_95_m:,.0f}" if best else "",
                f"{report.distance_m / 1e3:,.2f}" if report.distance_m == report.distance_m else "no claim",
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
    print_text(f"{len(found):,} verifications from {rows:,} measurements; {len(issues):,} rows not used.")
    for issue in issues[:_SHOWN_ISSUES]:
        warn(f"  {issue}")
    if len(issues) > _SHOWN_ISSUES:
        warn(f"  and {len(issues) - _SHOWN_ISSUES:,} more; --json lists them")

