"""Verification beside the straight line: from measurements to verifications, and from these to the observations they speak of.

`verify_measurements` is the one way from measurements to verifications. `attach` gives each observation the latest verification
of its terminal that was there by then and is not too old; it is stored with the observation, so that whoever judges it later
judges the same. `Attendance` does this, and the suspension of disturbed areas, for a run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from groundrule.detect.interference import InterferenceWatch, Served
from groundrule.errors import InputError, OutOfRange
from groundrule.instant import NS_PER_S
from groundrule.orbit.elements import Elements
from groundrule.pipeline.confronted import changed_by, confronted
from groundrule.records import OBSERVATION_SCHEMA, RADIO_TYPE, with_later
from groundrule.rules.attributes import ATTRIBUTES
from groundrule.rules.model import Assumptions
from groundrule.verify.assemble import Options, assemble
from groundrule.verify.case import Settings
from groundrule.verify.judge import verify_batch
from groundrule.verify.kept import report_to_json
from groundrule.verify.measurements import Issue, clean
from groundrule.verify.reading import read_measurements
from groundrule.verify.records import VERIFICATION_SCHEMA, to_table
from groundrule.verify.report import Report, reports

Flags = NDArray[np.bool_]

MAX_AGE_S: Final = 120.0
"""How old a verification may be that is attached, where the rulebook says nothing [s]."""
MAX_ALTERNATIVES: Final = 64
MAX_TEXT_BYTES: Final = 200
_FEW: Final = 5
_EARTH_M: Final = 2.1e7
"""Nothing on Earth is further from anything than half its girth [m]."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What came of measurements.

    Attributes:
        reports: one for each terminal and window.
        rows: measurements read.
        issues: those that were not used, and why.
        elements: digest of the elements that were loaded.
    """

    reports: list[Report]
    rows: int
    issues: tuple[Issue, ...]
    elements: str

    def table(self, *, whole: bool = True) -> pa.Table:
        """Return the verifications as a table of VERIFICATION_SCHEMA.

        Args:
            whole: with a column `report`, the whole report as JSON, as a home keeps it.
        """
        made = to_table(self.reports, elements=self.elements)
        if not whole:
            return made
        return made.append_column("report", pa.array([report_to_json(report) for report in self.reports], pa.string()))


def verify(
    measurements: Path | pa.Table,
    elements: Elements,
    claims: pa.Table | None = None,
    options: Options | None = None,
    settings: Settings | None = None,
) -> Verified:
    """Verify what measurements say of terminals.

    Args:
        measurements: a file, or a table of them.
        elements: of the satellites.
        claims: observations with the claimed places; None only estimates.
        options: how cases are assembled. settings: what is tolerated.
    Raises:
        InputError: the measurements cannot be read at all.
    """
    intake = clean(read_measurements(measurements) if isinstance(measurements, Path) else measurements)
    assembled = assemble(intake, elements, claims, options)
    judged = verify_batch(assembled.case, settings or Settings())
    return Verified(reports(assembled, judged), intake.rows, assembled.issues, elements.digest)


def verify_measurements(
    measurements: Path | pa.Table,
    elements: Elements,
    claims: pa.Table | None = None,
    options: Options | None = None,
    settings: Settings | None = None,
) -> tuple[pa.Table, tuple[Issue, ...]]:
    """Verify, as `verify` does, and return the verifications with their whole reports, and the measurements that were not used."""
    made = verify(measurements, elements, claims, options, settings)
    return made.table(), made.issues


# --- attaching --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Verifications:
    """Verifications in order, so that the latest of a terminal is found quickly.

    Attributes:
        ids: distinct terminals.
        times: distinct times of last measurements, ascending [ns, UTC].
        keys: place among `ids` and `times` of each verification, ascending (int64).
        at_ns: its last measurement [ns, UTC].
        radio: what is attached, of `records.RADIO_TYPE`.
        contradicts: its verdict is `inconsistent`.
        ignored: rows that say what cannot be, by reason.
    """

    ids: pa.Array
    times: NDArray[np.int64]
    keys: NDArray[np.int64]
    at_ns: NDArray[np.int64]
    radio: pa.StructArray
    contradicts: Flags
    ignored: Mapping[str, int]

    def __len__(self) -> int:
        return len(self.keys)

    @classmethod
    def of(cls, table: pa.Table) -> Verifications:
        """Check and order a table of verifications; of several of one terminal and instant one counts, whatever their order.

        Args:
            table: VERIFICATION_SCHEMA; further columns are not read.
        Raises:
            InputError: a column is missing or of another type.
        """
        good, ignored = _credible(_columns(table))
        table = _columns(table).filter(pa.array(good)).combine_chunks()
        ids = pc.unique(table.column("terminal_id"))
        at_ns = table.column("at_ns").to_numpy()
        times, rank = np.unique(at_ns, return_inverse=True)
        code = pc.index_in(table.column("terminal_id"), value_set=ids).to_numpy().astype(np.int64)
        key = code * (len(times) + 1) + rank
        # Of several of one instant the one with the greatest digest of inputs, then of words: it does not depend on their order.
        tie = pc.rank(pc.binary_join_element_wise(table.column("inputs"), table.column("words"), "\n"), tiebreaker="dense").to_numpy()
        order = np.lexsort((tie, key)) if len(table) else np.zeros(0, np.int64)
        last = np.append(np.diff(key[order]) > 0, True) if len(order) else np.zeros(0, np.bool_)
        order = order[last]
        radio = _radio(table.take(pa.array(order)).combine_chunks())
        return cls(ids, times, key[order], at_ns[order], radio, contradicting(radio), ignored)

    def latest(self, terminal_id: Any, observed_at: NDArray[np.int64], ages: RadioAges) -> NDArray[np.int64]:
        """Return the place of the latest verification of each terminal at an instant; -1 where there is none, or it is too old."""
        found = np.full(len(observed_at), -1, np.int64)
        if not len(self):
            return found
        code = pc.fill_null(pc.index_in(terminal_id, value_set=self.ids), -1).to_numpy().astype(np.int64)
        before = np.searchsorted(self.times, observed_at, side="right")
        at = np.searchsorted(self.keys, code * (len(self.times) + 1) + before, side="left") - 1
        same = (code >= 0) & (at >= 0)
        same &= self.keys[np.maximum(at, 0)] // (len(self.times) + 1) == code
        oldest = np.where(self.contradicts[np.maximum(at, 0)], round(ages.contradicting_s * NS_PER_S), round(ages.plain_s * NS_PER_S))
        same &= observed_at - self.at_ns[np.maximum(at, 0)] <= oldest
        found[same] = at[same]
        return found


def attach(
    table: pa.Table, verifications: pa.Table | Verifications, *, max_age_s: float = MAX_AGE_S, held_s: float | None = None
) -> pa.Table:
    """Give each observation the latest verification of its terminal by then.

    Args:
        table: OBSERVATION_SCHEMA; what stands in `radio` already stays where it is as young.
        verifications: VERIFICATION_SCHEMA, in any order, or the same ordered once for many tables.
        max_age_s: an older verification is not attached [s; 0 to 86,400].
        held_s: the same for the latest of a terminal where it contradicts the claim [s; None is the same].
    Raises:
        InputError: the verifications are none. OutOfRange: the age is.
    """
    ages = RadioAges(max_age_s, max_age_s if held_s is None else held_s)
    if not all(0.0 <= age <= 86_400.0 for age in ages):
        raise OutOfRange(f"an age of {max(ages)} s", help="0 to 86,400 s", value=max(ages))
    known = verifications if isinstance(verifications, Verifications) else Verifications.of(verifications)
    table = with_later(table)
    place = known.latest(table.column("terminal_id"), table.column("observed_at").to_numpy(), ages)
    there = place >= 0
    present = table.column("radio").combine_chunks()
    if present.null_count < len(table):
        held = pc.fill_null(pc.struct_field(present, "at_ns"), -1).to_numpy(zero_copy_only=False)
        there &= known.at_ns[np.maximum(place, 0)] > held if len(known) else False
    if not there.any():
        return table
    joined = pa.concat_arrays([known.radio, present]) if present.null_count < len(table) else known.radio
    kept = np.where(there, place, len(known) + np.arange(len(table)))
    nothing = np.zeros(len(table), np.bool_) if present.null_count < len(table) else ~there
    taken = joined.take(pa.array(np.where(nothing, 0, kept), mask=nothing))
    return table.set_column(table.schema.get_field_index("radio"), OBSERVATION_SCHEMA.field("radio"), taken)


def load_verifications(path: Path) -> pa.Table:
    """Read verifications from a Parquet file that `groundrule verify --out` wrote.

    Raises:
        InputError: it is no such file.
    """
    wrote = "give what `groundrule verify --out FILE.parquet` wrote"
    try:
        table = pq.ParquetFile(path).read()
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: not readable as Parquet", help=wrote, file=str(path)) from error
    if lacking := [name for name in _NEEDED if name not in table.column_names]:
        raise InputError(f"{path}: column `{lacking[0]}` is missing", help=wrote, file=str(path), field=lacking[0])
    return table


def credible(verifications: pa.Table) -> tuple[pa.Table, dict[str, int]]:
    """Return the verifications that say what can be, with all their columns, and how many others there are, by reason.

    Raises:
        InputError: a column is missing or of another type.
    """
    good, ignored = _credible(_columns(verifications))
    return (verifications.filter(pa.array(good)) if ignored else verifications), ignored


class RadioAges(NamedTuple):
    """How old a verification may be that is attached: any, and one that contradicts the claim and holds until the next [s]."""

    plain_s: float
    contradicting_s: float


def oldest_used(assumptions: Assumptions) -> RadioAges:
    """How old a verification may be that is attached under a rulebook."""
    used = assumptions.radio_position
    return RadioAges(MAX_AGE_S, MAX_AGE_S) if used is None else RadioAges(used.max_age_s, used.held_s)


def contradicting(radio: pa.StructArray) -> Flags:
    """Which verifications contradict their claim?"""
    said = pc.fill_null(pc.equal(radio.field("verdict"), "inconsistent"), False)
    return np.asarray(said.to_numpy(zero_copy_only=False))


_NEEDED: Final = tuple(name for name in VERIFICATION_SCHEMA.names if name not in ("elements", "model", "conditions", "t_ref_ns"))
_NUMBERS: Final[Mapping[str, tuple[float, float]]] = {
    "lat_deg": (-90.0, 90.0), "lon_deg": (-180.0, 180.0), "sigma_major_m": (0.0, 1e9), "sigma_minor_m": (0.0, 1e9),
    "azimuth_deg": (-360.0, 360.0), "distance_m": (0.0, _EARTH_M), "mdo_m": (0.0, 1e12), "speed_m_s": (0.0, 1e5),
    "speed_sigma_m_s": (0.0, 1e9),
}  # fmt: skip
_WORDS: Final = {"verdict": ATTRIBUTES["verdict"].vocabulary, "assurance": ATTRIBUTES["assurance"].vocabulary}


def _columns(table: pa.Table) -> pa.Table:
    """Return a table with the columns of VERIFICATION_SCHEMA; those that decide nothing may be missing."""
    columns = []
    for wanted in VERIFICATION_SCHEMA:
        if wanted.name not in table.column_names:
            if wanted.name in _NEEDED:
                raise InputError(f"verifications have no column `{wanted.name}`", help="give what `verify` makes", field=wanted.name)
            columns.append(pa.nulls(len(table), wanted.type))
            continue
        try:
            columns.append(table.column(wanted.name).cast(wanted.type))
        except pa.ArrowException as error:
            raise InputError(
                f"the column `{wanted.name}` of verifications holds {table.schema.field(wanted.name).type}",
                help=f"it must hold {wanted.type}", field=wanted.name,
            ) from error  # fmt: skip
    return pa.table(columns, schema=pa.schema([pa.field(each.name, each.type) for each in VERIFICATION_SCHEMA]))


def _credible(table: pa.Table) -> tuple[Flags, dict[str, int]]:
    """Rows that say what can be, and how many do not, by the first reason."""
    good, ignored = np.ones(len(table), np.bool_), dict[str, int]()

    def refuse(bad: Flags, reason: str) -> None:
        count = int((good & bad).sum())
        if count:
            ignored[reason] = ignored.get(reason, 0) + count
            good[bad] = False

    refuse(pc.is_null(table.column("terminal_id")).to_numpy(), "terminal_id_missing")
    refuse(pc.fill_null(table.column("at_ns"), -1).to_numpy() < 0, "time_out_of_range")
    for name, words in _WORDS.items():
        refuse(~pc.is_in(table.column(name), value_set=pa.array(words)).to_numpy(), f"{name}_unknown")
    for name, (low, high) in _NUMBERS.items():
        values = table.column(name).to_numpy(zero_copy_only=False).astype(np.float64)
        refuse((values < low) | (values > high), f"{name}_out_of_range")
    half = np.asarray(pc.xor(pc.is_null(table.column("lat_deg"), nan_is_null=True), pc.is_null(table.column("lon_deg"), nan_is_null=True)))
    refuse(half, "half_a_position")
    several = pc.fill_null(pc.list_value_length(table.column("alternatives")), 0).to_numpy()
    refuse(several > MAX_ALTERNATIVES, "too_many_alternatives")
    for name in ("terminal_id", "grade", "inputs", "elements"):
        lengths = pc.fill_null(pc.binary_length(table.column(name)), 0).to_numpy()
        refuse(lengths > MAX_TEXT_BYTES, f"{name}_too_long")
    return good, ignored


def _radio(table: pa.Table) -> pa.StructArray:
    """What is attached of each verification: numbers that are none become null, and a distance needs a claim and a place."""
    given = {name: _one_chunk(table.column(name)) for name in table.column_names}
    for name in _NUMBERS:
        given[name] = pc.if_else(pc.is_finite(given[name]), given[name], pa.scalar(None, given[name].type))
    unclaimed = _says(given["conditions"], "no_claim")
    apart = pc.and_(pc.is_valid(given["lat_deg"]), pa.array(~unclaimed))
    given["distance_m"] = pc.if_else(apart, given["distance_m"], pa.scalar(None, pa.float64()))
    given["usable"] = pc.fill_null(given["usable"], False)
    return pa.StructArray.from_arrays(
        [given[each.name].cast(each.type, safe=False) if each.name != "alternatives" else given[each.name].cast(each.type)
         for each in RADIO_TYPE],
        fields=list(RADIO_TYPE),
    )  # fmt: skip


def _says(lists: pa.ListArray, word: str) -> Flags:
    """Which lists hold a word?"""
    found = np.zeros(len(lists), np.bool_)
    parents, words = pc.list_parent_indices(lists).to_numpy(), lists.flatten()
    found[parents[pc.fill_null(pc.equal(words, word), False).to_numpy(zero_copy_only=False)]] = True
    return found


def _one_chunk(column: Any) -> Any:
    joined = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(joined, pa.ChunkedArray):
        return joined.chunk(0) if joined.num_chunks else pa.array([], joined.type)
    return joined


def of_another_fleet(observations: pa.Table, verifications: pa.Table) -> str | None:
    """Say why verifications cannot be of the fleet that observations come from; None where nothing speaks against it.

    They are of another if they name none of its terminals, or if of at least five terminals that they call consistent more than half
    claim, in every observation that would get one, a place that these cannot speak of. One liar, or an hour of spoofing, is not that.

    Args:
        observations: OBSERVATION_SCHEMA, of the terminals that are verified. verifications: VERIFICATION_SCHEMA, credible.
    """
    if not len(verifications):
        return None
    if not len(observations):
        return f"none of its {len(pc.unique(verifications.column('terminal_id'))):,} terminals is observed"
    bare = observations.set_column(observations.schema.get_field_index("radio"), "radio", pa.nulls(len(observations), RADIO_TYPE))
    seen = attach(bare, verifications)
    before = pc.equal(pc.struct_field(seen.column("radio").combine_chunks(), "verdict"), "consistent")
    rows = np.flatnonzero(pc.fill_null(before, False).to_numpy(zero_copy_only=False))
    after = pc.equal(pc.struct_field(confronted(seen), "verdict"), "inconsistent").to_numpy(zero_copy_only=False)[rows].astype(bool)
    names, of_row = np.unique(seen.column("terminal_id").to_numpy(zero_copy_only=False)[rows].astype(str), return_inverse=True)
    against = np.bincount(of_row, weights=after, minlength=len(names)) == np.bincount(of_row, minlength=len(names))
    if len(names) >= _FEW and 2 * int(against.sum()) > len(names):
        return f"{int(against.sum()):,} of {len(names):,} terminals that it calls consistent claim places that cannot be reached from there"
    return None


def _lapsed(table: pa.Table, known: Verifications) -> int:
    """Rows without a verification of terminals of which the last, within a day, contradicted the claim."""
    bare = np.flatnonzero(pc.is_null(table.column("radio")).to_numpy())
    if not len(bare) or not known.contradicts.any():
        return 0
    rows = table.select(["terminal_id", "observed_at"]).take(pa.array(bare))
    place = known.latest(rows.column("terminal_id"), rows.column("observed_at").to_numpy(), RadioAges(86_400.0, 86_400.0))
    return int(known.contradicts[place[place >= 0]].sum())


# --- for a run --------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Attendance:
    """Says of a run's observations, in order of time, what radio and satellite navigation say of them.

    Args:
        verifications: what is known of places by radio; None attaches nothing.
        max_age_s, held_s: an older verification is not attached [s]; as for `attach`.
        witnesses: holders of terminals that may be witnesses of a disturbance at an instant [ns, UTC]; None looks for none.
        served: says who is served where it is at home; others are no witnesses (`pipeline.standing`; set by the run).

    Attributes:
        attached, suspended: rows that got a verification, and that were suspended.
        lapsed: rows that got none any more although the last of their terminal contradicted it, since that is too long ago.
        contradicted: rows that got `consistent` and claim a place that this cannot speak of.
        ignored: verifications that were left out, by reason.
    """

    verifications: pa.Table | None = None
    max_age_s: float = MAX_AGE_S
    held_s: float | None = None
    witnesses: Callable[[int], Mapping[str, str]] | None = None
    served: Served | None = None
    attached: int = 0
    contradicted: int = 0
    lapsed: int = 0
    suspended: int = 0
    watch: InterferenceWatch | None = None
    ignored: Mapping[str, int] = field(default_factory=dict)

    def attend(self, batches: Iterable[pa.Table]) -> Iterator[pa.Table]:
        """Yield observations, in one total order, with `radio` and `gnss_state`."""
        known = None if self.verifications is None else Verifications.of(self.verifications)
        told = self.verifications
        for batch in batches:
            found = batch
            if known is not None:
                found = attach(found, known, max_age_s=self.max_age_s, held_s=self.held_s)
                self.attached += len(found) - found.column("radio").null_count
                self.contradicted += changed_by(found)
                self.lapsed += _lapsed(found, known)
            if self.witnesses is not None:
                if self.watch is None:
                    since = int(found.column("observed_at")[0].as_py())
                    self.watch = InterferenceWatch(accounts=self.witnesses(since), served=self.served)
                found = with_later(self.watch.update(found, told)).cast(OBSERVATION_SCHEMA)
                self.suspended += int(pc.sum(pc.equal(found.column("gnss_state"), "suspended")).as_py() or 0)
                told = None
            yield found
        if self.watch is not None:
            self.watch.finish()
