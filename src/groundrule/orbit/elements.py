"""Elements: mean orbital elements of many satellites in columns, with where they come from and how old they are.

One row is one element set (general perturbations, to be used with SGP4 and nothing else). Several sets of one satellite
may stand in one table; `as_of` takes the newest that was there at an instant. A TLE has five characters for the number
of a satellite, and numbers jumped from 69999 to 100000 in July 2026, so a constellation known from TLE only is
incomplete and says so.

Source: CCSDS 502.0-B-3 (OMM), Table 4-3; Hoots and Roehrich 1980 (meaning of the elements).
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cache, cached_property
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from groundrule.errors import InputError, StaleElements, UnknownSatellite
from groundrule.instant import NS_PER_S, format_instant

LARGEST_IN_USE_IN_TLE = 69_999
"""Largest number that files of TLE without Alpha-5 carry: the next one given was 100000, in July 2026."""
GRADES = ("operator", "supplemental", "raw")
"""Hints of how good elements are: from the operator's own ephemeris, fitted to it, or public."""
FORMS = ("omm", "tle", "generated")
OTHER = "other"
_GENERATED = "(GENERATED)"
"""Constellation of a satellite whose name no line of the table begins."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Texts = NDArray[np.str_]


@dataclass(frozen=True, eq=False)
class Elements:
    """Element sets in columns of one length.

    Attributes:
        catalogue: catalogue numbers, 1 to 999,999,999.
        name: object names. designator: international designators such as 1998-067A, or empty.
        epoch_ns: epochs [ns since 1970, UTC].
        mean_motion_rev_day: Kozai mean motion [revolutions per day].
        eccentricity: 0 up to 1, not included.
        inclination_deg, raan_deg, arg_perigee_deg, mean_anomaly_deg: angles [degree; TEME of the epoch].
        bstar: drag term [1/Earth radii].
        ndot, nddot: half the first [rev/day2] and a sixth of the second derivative [rev/day3]; SGP4 does not read them.
        element_set, rev: counters as published. classification: U, C or S.
        constellation: as told, or from the name by `constellations.csv`.
        grade: hint, one of `GRADES`. form: one of `FORMS`. source: where the row comes from.
        covariance_m2: (n, 3, 3) of position in the axes S, R, C (along track, radial, cross track) [m2], not-a-number
            where none was given; or None if no row has one.
    """

    catalogue: Ints
    name: Texts
    designator: Texts
    epoch_ns: Ints
    mean_motion_rev_day: Floats
    eccentricity: Floats
    inclination_deg: Floats
    raan_deg: Floats
    arg_perigee_deg: Floats
    mean_anomaly_deg: Floats
    bstar: Floats
    ndot: Floats
    nddot: Floats
    element_set: Ints
    rev: Ints
    classification: Texts
    constellation: Texts
    grade: Texts
    form: Texts
    source: Texts
    covariance_m2: Floats | None = None

    def __post_init__(self) -> None:
        n = len(self.catalogue)
        for name in COLUMNS:
            if len(getattr(self, name)) != n:
                raise InputError(
                    f"column `{name}` has another length than `catalogue`", help="give columns of one length"
                )
        if self.covariance_m2 is not None and self.covariance_m2.shape != (n, 3, 3):
            raise InputError("covariances have the wrong shape", help="give one matrix of 3 by 3 for each element set")

    def __len__(self) -> int:
        return len(self.catalogue)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of what the rows say, whatever their order, file or form.

        A row counts as its catalogue number, epoch and elements, as 14 little-endian numbers of 8 bytes, with its name,
        designator, classification, constellation, grade and covariance; rows are sorted by these bytes.
        """
        numbers = [self.catalogue.astype("<i8"), self.epoch_ns.astype("<i8")]
        numbers += [(getattr(self, name) + 0.0).astype("<f8") for name in _NUMBERS]  # adding 0 makes -0 to 0
        numbers += [self.element_set.astype("<i8"), self.rev.astype("<i8")]
        block = np.stack([column.view("<i8") for column in numbers], axis=1)
        texts = [getattr(self, name).tolist() for name in _TEXTS]
        covariance = self.covariance_m2
        rows = []
        for i, text in enumerate(zip(*texts, strict=True)):
            row = block[i].tobytes() + "\0".join(text).encode()
            if covariance is not None and np.isfinite(covariance[i]).all():
                row += covariance[i].astype("<f8").tobytes()
            rows.append(row)
        whole = hashlib.sha256(b"groundrule elements 1\n")
        for row in sorted(rows):
            whole.update(len(row).to_bytes(4, "little") + row)
        return f"sha256:{whole.hexdigest()}"

    @property
    def generated(self) -> NDArray[np.bool_]:
        """Which rows were made from published shells and are no real satellites."""
        return np.asarray(self.form == "generated")

    def select(self, rows: NDArray[np.bool_] | Ints | Sequence[int]) -> Elements:
        """Return some rows, by a mask or by positions."""
        at = np.asarray(rows)
        if at.dtype != np.bool_:
            at = at.astype(np.int64)
        covariance = None if self.covariance_m2 is None else self.covariance_m2[at]
        return Elements(**{name: getattr(self, name)[at] for name in COLUMNS}, covariance_m2=covariance)

    def of_constellation(self, *names: str) -> Elements:
        """Return the rows of some constellations.

        Raises:
            InputError: none of a name is loaded.
        """
        present = set(self.constellation.tolist())
        for name in names:
            if name not in present:
                known = ", ".join(sorted(present)) or "none"
                raise InputError(f"no satellite of the constellation `{name}` is loaded", help=f"loaded are: {known}")
        return self.select(np.isin(self.constellation, names))

    def latest(self) -> Elements:
        """Return the newest set of each satellite, in order of catalogue number."""
        return self._newest(np.arange(len(self)))

    def as_of(self, t_ns: int) -> Elements:
        """Return the newest set of each satellite whose epoch is not after an instant: what could be known then."""
        return self._newest(np.flatnonzero(self.epoch_ns <= t_ns))

    def nearest(self, t_ns: int) -> Elements:
        """Return the set of each satellite whose epoch is nearest to an instant, before or after: for looking back."""
        order = np.lexsort((np.abs(self.epoch_ns - t_ns), self.catalogue))
        first = np.concatenate([[True], np.diff(self.catalogue[order]) != 0])[: len(order)]
        return self.select(order[first])

    def _newest(self, rows: Ints) -> Elements:
        order = rows[np.lexsort((self.epoch_ns[rows], self.catalogue[rows]))]
        last = np.concatenate([np.diff(self.catalogue[order]) != 0, [True]])[: len(order)]
        return self.select(order[last])

    def rows_of(self, catalogue: Ints | Sequence[int]) -> Ints:
        """Return the row of each catalogue number: the one with the newest epoch, and -1 where there is none."""
        wanted = np.asarray(catalogue, np.int64)
        if not len(self):
            return np.full(wanted.shape, -1, np.int64)
        order = np.lexsort((self.epoch_ns, self.catalogue))
        numbers = self.catalogue[order]
        at = np.searchsorted(numbers, wanted, side="right") - 1
        found = (at >= 0) & (numbers[at] == wanted)
        return np.where(found, order[at], -1)

    def row_of(self, catalogue: int) -> int:
        """Return the row of one catalogue number.

        Raises:
            UnknownSatellite: no loaded set has it.
        """
        row = int(self.rows_of([catalogue])[0])
        if row < 0:
            more = ""
            if catalogue > LARGEST_IN_USE_IN_TLE and (self.form == "tle").any():
                more = "; numbers above 69999 are absent from most TLE files, so import OMM"
            raise UnknownSatellite(
                f"satellite `{catalogue}` has no loaded elements",
                help="import the elements that have it" + more,
                value=catalogue,
            )
        return row

    def age_s(self, t_ns: int | Ints) -> Floats:
        """Return the age of each set at an instant [s]; negative if its epoch is later."""
        return np.asarray((np.asarray(t_ns, np.int64) - self.epoch_ns) / NS_PER_S)

    def check_age(self, t_ns: int, *, max_age_s: float, max_ahead_s: float) -> None:
        """Refuse a table in which no satellite can be used at an instant.

        Raises:
            InputError: the table is empty.
            StaleElements: every set is older than the limit, or every one is from further in the future.
        """
        if not len(self):
            raise InputError("there are no elements", help="import OMM or TLE, or generate a constellation")
        age = self.age_s(t_ns)
        if ((age <= max_age_s) & (age >= -max_ahead_s)).any():
            return
        nearest = int(np.argmin(np.abs(age)))
        days = age[nearest] / 86_400
        when = "before" if days > 0 else "after"
        limit = (max_age_s if days > 0 else max_ahead_s) / 86_400
        raise StaleElements(
            f"the nearest epoch, {format_instant(int(self.epoch_ns[nearest]))}, is {abs(days):.1f} days {when}"
            f" {format_instant(t_ns)}, and the limit is {limit:g} days",
            help="import elements nearer to that time, or raise the limit and accept the error",
            age_s=float(age[nearest]),
            limit_s=max_age_s if days > 0 else max_ahead_s,
        )

    def incomplete(self, constellation: str) -> str | None:
        """Say why a constellation is incomplete, or None if nothing says that it is."""
        rows = self.constellation == constellation
        if (
            not rows.any()
            or (self.form[rows] != "tle").any()
            or int(self.catalogue[rows].max()) > LARGEST_IN_USE_IN_TLE
        ):
            return None
        return "known from TLE only: satellites numbered above 69999 (given since July 2026) are absent"


COLUMNS: tuple[str, ...] = tuple(field.name for field in fields(Elements) if field.name != "covariance_m2")
_NUMBERS = (
    "mean_motion_rev_day",
    "eccentricity",
    "inclination_deg",
    "raan_deg",
    "arg_perigee_deg",
    "mean_anomaly_deg",
    "bstar",
    "ndot",
    "nddot",
)
_TEXTS = ("name", "designator", "classification", "constellation", "grade")
_INTEGERS = ("catalogue", "epoch_ns", "element_set", "rev")


def columns_of(rows: Iterable[Sequence[object]], covariances: Floats | None = None) -> Elements:
    """Make a table of rows whose values stand in the order of `COLUMNS`."""
    columns = list(zip(*rows, strict=True)) or [()] * len(COLUMNS)
    made: dict[str, NDArray] = {}
    for name, values in zip(COLUMNS, columns, strict=True):
        kind: type = np.int64 if name in _INTEGERS else np.float64 if name in _NUMBERS else np.str_
        made[name] = np.array(values, dtype=kind)
    return Elements(**made, covariance_m2=covariances)


def join(tables: Sequence[Elements]) -> Elements:
    """Put tables under each other; a set that stands in several (number and epoch) is taken once, from the last table."""
    if not tables:
        return columns_of(())
    made = {name: np.concatenate([getattr(table, name) for table in tables]) for name in COLUMNS}
    covariance = None
    if any(table.covariance_m2 is not None for table in tables):
        covariance = np.concatenate(
            [
                np.full((len(table), 3, 3), np.nan) if table.covariance_m2 is None else table.covariance_m2
                for table in tables
            ]
        )
    whole = Elements(**made, covariance_m2=covariance)
    order = np.lexsort((np.arange(len(whole)), whole.epoch_ns, whole.catalogue))
    last = np.ones(len(order), bool)
    same = (np.diff(whole.catalogue[order]) == 0) & (np.diff(whole.epoch_ns[order]) == 0)
    last[:-1] = ~same
    return whole if last.all() else whole.select(np.sort(order[last]))


@cache
def _prefixes() -> tuple[tuple[str, str], ...]:
    text = (files("groundrule.orbit") / "constellations.csv").read_text(encoding="utf-8")
    return tuple((row["prefix"], row["constellation"]) for row in csv.DictReader(text.splitlines()))


def constellation_of(name: str) -> str:
    """Return the constellation that an object's name tells, or `other`; a name is a habit and no proof.

    Generated satellites say so in their names, and are of a constellation of their own: `STARLINK 1-01-01 (generated)` of
    `starlink-generated`, as `orbit.generate` has it.
    """
    text = name.upper().strip()
    if text.endswith(_GENERATED):
        made = text.removesuffix(_GENERATED).split(" ")[0].rstrip("-").lower()
        return f"{made}-generated" if made else OTHER
    return next((constellation for prefix, constellation in _prefixes() if text.startswith(prefix)), OTHER)


def counts(elements: Elements) -> Iterator[tuple[str, int]]:
    """Yield each constellation with its number of satellites, the largest first."""
    pairs = np.unique(np.stack([elements.constellation, elements.catalogue.astype(np.str_)], axis=1), axis=0)
    names, sizes = (
        np.unique(pairs[:, 0], return_counts=True) if len(pairs) else (np.array([], np.str_), np.array([], int))
    )
    yield from sorted(zip(names.tolist(), sizes.tolist(), strict=True), key=lambda pair: (-pair[1], pair[0]))
