"""What `decide` takes beside observations: measurements or verifications, and the watch for disturbed satellite navigation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from groundrule.cli.orbits import loaded_elements
from groundrule.cli.output import print_text, warn
from groundrule.errors import InputError
from groundrule.pipeline.interference import witnesses_of_home
from groundrule.pipeline.verifying import Attendance, credible, load_verifications, verify_measurements
from groundrule.records import OBSERVATION_SCHEMA
from groundrule.store.home import Home
from groundrule.store.observation_columns import parse_columns
from groundrule.store.observations import open_observations
from groundrule.verify.reading import read_measurements

_SHOWN = 10


def attendance_of(
    home: Home,
    *,
    measurements: Path | None,
    verifications: Path | None,
    elements: list[Path] | None,
    interference: bool,
    claims: Callable[[pa.Array], pa.Table],
) -> Attendance | None:
    """Make what says of observations what radio and satellite navigation say; None where nothing is asked for.

    Args:
        measurements, verifications: at most one of them; measurements are verified here.
        elements: of the satellites; None takes those of the home.
        interference: look for disturbed areas, with the holders of terminals in the registers as witnesses.
        claims: gives the observations of some terminals, whose places verification tests; asked for with measurements only.
    Raises:
        InputError: both files are given, or one cannot be used at all.
    """
    if measurements is not None and verifications is not None:
        raise InputError("measurements and verifications are given", help="give one of them", option="--verifications")
    if elements and measurements is None:
        raise InputError("elements without measurements", help="they are for --measurements", option="--elements")
    table = None
    if measurements is not None:
        measured = read_measurements(measurements)
        named = "terminal_id" in measured.column_names
        whose = pc.unique(measured.column("terminal_id")).cast(pa.string()) if named else pa.array([], pa.string())
        table, issues = verify_measurements(measured, loaded_elements(home.path, elements), claims(whose))
        for issue in issues[:_SHOWN]:
            warn(f"{measurements.name}: {issue}")
        if len(issues) > _SHOWN:
            warn(f"{measurements.name}: and {len(issues) - _SHOWN:,} more measurements that are not used")
        if not len(table):
            raise InputError(f"`{measurements}` gives no verification", help="see the rows that are not used", file=str(measurements))
    elif verifications is not None:
        table = load_verifications(verifications)
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
    if attendance.watch is not None:
        found = attendance.watch.anomalies().table
        print_text(f"Satellite navigation: {len(found):,} disturbed areas, {attendance.suspended:,} observations suspended")
