"""What `decide` takes beside observations: measurements or verifications, and the watch for disturbed satellite navigation."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.compute as pc
import typer

from groundrule.cli.orbits import loaded_elements
from groundrule.cli.output import print_text, warn
from groundrule.errors import InputError
from groundrule.pipeline.interference import witnesses_of_home
from groundrule.pipeline.platforms import platforms_of_home
from groundrule.pipeline.verifying import (
    Attendance,
    credible,
    load_verifications,
    of_another_fleet,
    verify_measurements,
)
from groundrule.records import OBSERVATION_SCHEMA
from groundrule.store.home import Home
from groundrule.store.observation_columns import parse_columns
from groundrule.store.observations import open_observations
from groundrule.verify.assemble import Options
from groundrule.verify.measurements import REASONS, Issue
from groundrule.verify.reading import read_measurements

PlatformOption = Annotated[
    str | None,
    typer.Option(
        "--platform", help="fixed, land, ship or aircraft: whether terminals move, and their height; without it what plans of the home say."
    ),
]
EphemerisOption = Annotated[
    str | None, typer.Option("--ephemeris-m", help="Sigma of the operator's own ephemeris: along,radial,cross [m].")
]


def print_unused(issues: Sequence[Issue], name: str) -> None:
    """Say which rows of measurements are not used: how many for each reason, and the first of them."""
    if not issues:
        return
    warn(f"{len({issue.row for issue in issues}):,} rows of {name} could not be used; --json of `verify` lists them")
    groups: dict[str, list[Issue]] = {}
    for issue in issues:
        groups.setdefault(issue.reason, []).append(issue)
    for reason, rows in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])):
        first = min(rows)
        warn(f"  {len(rows):,} × {reason}: {REASONS[reason]}; first row {first.row + 1}, `{first.field}` is `{first.value}`")


def graded(ephemeris_m: str | None) -> str | None:
    """Who states the accuracy of an ephemeris says that it is the operator's own."""
    return None if ephemeris_m is None else "operator"


def options_of(
    home: Home | None, terminals: Iterable[str], *, platform: str | None, ephemeris_m: str | None, **more: Any
) -> Options:
    """Return how terminals are verified, by the options of a command.

    Args:
        home: whose register says what plan a terminal has, where no platform is given; None: nobody says it.
        more: of `verify.assemble.Options`.
    """
    if platform is None and home is not None:
        more["platforms"] = platforms_of_home(home, terminals, time.time_ns())
    if platform is not None:
        more["platform"] = platform
    return Options(declared_m=_three(ephemeris_m), **more)


def _three(text: str | None) -> tuple[float, float, float] | None:
    if text is None:
        return None
    try:
        along, radial, cross = (float(part) for part in text.split(","))
    except ValueError as error:
        raise InputError(f"`{text}` is not three numbers", help="write for instance 20,5,5", option="--ephemeris-m") from error
    return along, radial, cross


def attendance_of(
    home: Home,
    *,
    measurements: Path | None,
    verifications: Path | None,
    elements: list[Path] | None,
    platform: str | None,
    ephemeris_m: str | None,
    interference: bool,
    claims: Callable[[pa.Array], pa.Table],
) -> Attendance | None:
    """Make what says of observations what radio and satellite navigation say; None where nothing is asked for.

    Args:
        measurements, verifications: at most one of them; measurements are verified here.
        elements: of the satellites; None takes those of the home.
        platform: of the terminals; None takes those that their plans in the register say. ephemeris_m: as the option of `verify`.
        interference: look for disturbed areas, with the holders of terminals in the registers as witnesses.
        claims: gives the observations of some terminals, whose places verification tests; asked for with measurements only.
    Raises:
        InputError: both files are given, or one cannot be used at all.
    """
    if measurements is not None and verifications is not None:
        raise InputError("measurements and verifications are given", help="give one of them", option="--verifications")
    for given, option in ((elements, "--elements"), (platform, "--platform"), (ephemeris_m, "--ephemeris-m")):
        if given and measurements is None:
            raise InputError(f"{option} without measurements", help="it is for --measurements", option=option)
    table = None
    if measurements is not None:
        measured = read_measurements(measurements)
        named = "terminal_id" in measured.column_names
        whose = pc.unique(measured.column("terminal_id")).cast(pa.string()) if named else pa.array([], pa.string())
        loaded = loaded_elements(home.path, elements, grade=graded(ephemeris_m))
        options = options_of(home, whose.to_pylist(), platform=platform, ephemeris_m=ephemeris_m)
        table, issues = verify_measurements(measured, loaded, claims(whose), options)
        print_unused(issues, measurements.name)
        if not len(table):
            raise InputError(f"`{measurements}` gives no verification", help="see the rows that are not used", file=str(measurements))
    elif verifications is not None:
        table = load_verifications(verifications)
        good, _ = credible(table)
        why = of_another_fleet(claims(pc.unique(good.column("terminal_id"))), good)
        if why is not None:
            said = f"`{verifications}` is not of the fleet that is observed: {why}"
            raise InputError(said, help="give what `verify` made of these terminals' own measurements", option="--verifications")
    ignored: dict[str, int] = {}
    if table is not None:
        table, ignored = credible(table)
    if table is None and not interference:
        return None
    witnesses = (lambda at_ns: witnesses_of_home(home, at_ns)) if interference else None
    return Attendance(table, witnesses=witnesses, ignored=ignored)


def claimed(paths: list[Path], whose: pa.Array, *, columns: str | None, assume_utc: bool, time_unit: str | None) -> pa.Table:
    """Read the observations of some terminals a first time: places that verification tests."""
    reader = open_observations(
        paths, columns=parse_columns(columns) if columns else None, assume_utc=assume_utc, time_unit=time_unit
    )
    parts = [table.filter(pc.is_in(table.column("terminal_id"), value_set=whose)) for table, _ in reader]
    return pa.concat_tables([OBSERVATION_SCHEMA.empty_table(), *parts])


def attended_dict(attendance: Attendance) -> dict[str, Any]:
    """Counts for `--json`."""
    found: dict[str, Any] = {"verifications": 0, "verified_rows": attendance.attached, "ignored_verifications": dict(attendance.ignored)}
    found["contradicted_rows"] = attendance.contradicted
    found["lapsed_rows"] = attendance.lapsed
    if attendance.verifications is not None:
        found["verifications"] = len(attendance.verifications)
    if attendance.witnesses is not None:
        found["suspended_rows"] = attendance.suspended
        found["disturbed_areas"] = 0 if attendance.watch is None else len(attendance.watch.anomalies().table)
    return found


def print_attended(attendance: Attendance) -> None:
    """Say it in words."""
    if attendance.verifications is not None:
        print_text(f"{len(attendance.verifications):,} verifications; {attendance.attached:,} observations have one")
        for reason, rows in attendance.ignored.items():
            warn(f"{rows:,} verifications are not used: {reason}")
        if attendance.contradicted:
            warn(
                f"{attendance.contradicted:,} observations claim a place that cannot have been reached from where their `consistent` "
                "verification places them, and are judged as inconsistent; check that these verifications are of this fleet"
            )
        if attendance.lapsed:
            held = attendance.max_age_s if attendance.held_s is None else attendance.held_s
            warn(
                f"{attendance.lapsed:,} observations come more than {held:g} s after a verification that contradicts their terminal, and "
                "are judged by what they claim again; measure more often, or let the rulebook hold it longer (`hold_inconsistent_s`)"
            )
    if attendance.watch is not None:
        found = attendance.watch.anomalies().table
        print_text(f"Satellite navigation: {len(found):,} disturbed areas, {attendance.suspended:,} observations suspended")
