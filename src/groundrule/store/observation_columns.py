"""Which column of a file is which column of an observation.

1. What the caller says (`--columns track_id=terminal_id,time=observed_at`) counts, and must exist.
2. A column that already has the right name is taken.
3. Some names are obvious (`lat`, `longitude`, `timestamp` …). They are taken only if exactly one column of the file
   could be meant, and the reader's notes say so. A name without a unit (`speed`, `altitude`) is never taken: the unit
   would be guessed.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from groundrule.errors import InputError
from groundrule.records import ATTACHED_COLUMNS, OBSERVATION_SCHEMA
from groundrule.store.raw import listed, suggest

REQUIRED = ("terminal_id", "observed_at")
TRACING = ("source", "source_row")
TARGETS = (*(name for name in OBSERVATION_SCHEMA.names if name not in (*TRACING, *ATTACHED_COLUMNS)), "speed_km_h")
"""What a source column may be mapped to; `speed_km_h` is converted to `speed_m_s`. What is attached here is never read."""

_ALIASES: Mapping[str, tuple[str, ...]] = {
    "terminal_id": ("terminal", "terminalid", "deviceid", "userterminalid"),
    "observed_at": ("time", "timestamp", "datetime", "timeutc", "observedat", "utctimestampns", "observedatns"),
    "lat_deg": ("lat", "latitude", "latdeg", "latitudedeg"),
    "lon_deg": ("lon", "lng", "long", "longitude", "londeg", "longitudedeg"),
    "h3_cell": ("h3", "h3cell", "h3cellid", "h3index"),
    "position_sigma_m": ("sigmam", "positionsigmam"),
    "position_source": ("positionsource",),
    "alt_m": ("altm", "altitudem"),
    "speed_m_s": ("speedms", "speedmps"),
    "speed_km_h": ("speedkmh", "speedkph"),
    "course_deg": ("course", "coursedeg", "trackdeg"),
    "country_reported": ("countrycode", "countryreported"),
    "in_territorial_waters": ("interritorialwaters",),
    "software_version": ("runningsoftwareversion", "softwareversion"),
    "alerts": ("activealert", "activealerts"),
}
_BY_ALIAS = {alias: target for target, aliases in _ALIASES.items() for alias in aliases}


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """The result of matching.

    Attributes:
        source_of: our name → name in the file.
        notes: what was assumed, for people.
    """

    source_of: Mapping[str, str]
    notes: tuple[str, ...]


def parse_columns(text: str) -> dict[str, str]:
    """Read the command line form `track_id=terminal_id,time=observed_at` (theirs = ours).

    Raises:
        InputError: a part has no `=`, or names a column that observations do not have.
    Example:
        >>> parse_columns("track_id=terminal_id, time=observed_at")
        {'track_id': 'terminal_id', 'time': 'observed_at'}
    """
    found: dict[str, str] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        theirs, equals, ours = (piece.strip() for piece in part.partition("="))
        if not equals or not theirs or not ours:
            raise InputError(
                f"`{part}` is not a column mapping",
                help="write theirs=ours, for instance track_id=terminal_id",
                value=part,
            )
        found[theirs] = ours
    check_targets(found)
    return found


def check_targets(columns: Mapping[str, str]) -> None:
    """Refuse a mapping to unknown names, or of two columns to one name."""
    taken: dict[str, str] = {}
    for theirs, ours in columns.items():
        if ours not in TARGETS:
            raise InputError(f"observations have no column `{ours}`", help=suggest(ours, TARGETS), value=ours)
        if ours in taken:
            raise InputError(
                f"`{taken[ours]}` and `{theirs}` are both mapped to `{ours}`", help="map one of them", value=ours
            )
        taken[ours] = theirs


def match_columns(names: Iterable[str], explicit: Mapping[str, str] | None, *, file: str) -> ColumnMap:
    """Match a file's columns to those of observations.

    Args:
        names: the file's column names.
        explicit: theirs → ours.
        file: name for errors.
    Raises:
        InputError: a required column is missing, a mapped one does not exist, or two columns could be meant.
    """
    available = list(dict.fromkeys(names))
    explicit = explicit or {}
    check_targets(explicit)
    source_of: dict[str, str] = {}
    notes: list[str] = []
    for theirs, ours in explicit.items():
        if theirs not in available:
            raise InputError(
                f"`{file}` has no column `{theirs}`", help=suggest(theirs, available), file=file, field=theirs
            )
        source_of[ours] = theirs
    free = [name for name in available if name not in explicit and name not in TRACING]
    for name in free:
        if name in TARGETS:
            source_of.setdefault(name, name)
    candidates: dict[str, list[str]] = {}
    for name in free:
        target = _BY_ALIAS.get(re.sub(r"[^a-z0-9]", "", name.casefold()))
        if target and target not in source_of and name not in TARGETS:
            candidates.setdefault(target, []).append(name)
    for target, meant in candidates.items():
        if len(meant) > 1:
            meant_names = " and ".join(f"`{name}`" for name in meant)
            raise InputError(
                f"`{file}`: {meant_names} could both be `{target}`",
                help=f"say which: --columns {meant[0]}={target}",
                file=file,
                field=target,
            )
        source_of[target] = meant[0]
        notes.append(f"{file}: column `{meant[0]}` is read as `{target}`")
    if "speed_m_s" in source_of and "speed_km_h" in source_of:
        raise InputError(
            f"`{file}`: speed is given twice", help="map either speed_m_s or speed_km_h", file=file, field="speed_m_s"
        )
    for target in REQUIRED:
        if target not in source_of:
            near = difflib.get_close_matches(target, available, 1, 0.5)
            example = near[0] if near else (available[0] if available else "NAME")
            raise InputError(
                f"`{file}` has no column for `{target}`; it has {listed(available)}",
                help=f"say which it is: --columns {example}={target}",
                file=file,
                field=target,
            )
    ignored = [name for name in available if name not in source_of.values() and name not in TRACING]
    if ignored:
        notes.append(f"{file}: columns not used: {listed(ignored)}")
    return ColumnMap(source_of, tuple(notes))
