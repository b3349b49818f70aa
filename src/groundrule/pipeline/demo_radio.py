"""The demo's radio: some terminals near a front and on a coast are measured and verified before anything is decided.

The fleet and what is measured of it come from the shipped scenario `demo`; verification and the watch for disturbed satellite
navigation run as in `decide --measurements --interference`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from groundrule.errors import OutOfRange
from groundrule.orbit.writing import to_omm_json
from groundrule.pipeline.explain import Found
from groundrule.pipeline.interference import witnesses_of_home
from groundrule.pipeline.platforms import platforms_of_home
from groundrule.pipeline.verifying import Attendance, verify_measurements
from groundrule.simulate.description import Scenario, Zone
from groundrule.simulate.fleet import LEAST_TERMINALS
from groundrule.simulate.scenario import Generated
from groundrule.simulate.scenario_file import read_scenario
from groundrule.store.home import Home
from groundrule.store.orbits import save_elements
from groundrule.store.verifications import write_verifications
from groundrule.verify.assemble import Options

LIARS = ("claims_lublin", "claims_lublin_delayed")
JAMMED = ("home_jammed", "home_on_circle")


@dataclass(frozen=True, slots=True)
class Listened:
    """What radio said in a demo.

    Attributes:
        attendance: verifications with the watch, as the run used them.
        verdicts: per kind of measured terminal, how many verdicts of each word.
        liar: why one is refused that claims to be elsewhere; None in a demo too short for it.
        jammed: why one is served whose satellite navigation fails; None likewise.
        files: measurements and elements.
    """

    attendance: Attendance
    verdicts: dict[str, Counter[str]]
    liar: Found | None
    jammed: Found | None
    files: dict[str, Path]

    @property
    def areas(self) -> int:
        """Areas in which satellite navigation was found disturbed."""
        return 0 if self.attendance.watch is None else len(self.attendance.watch.anomalies().table)


def demo_scenario(terminals: int, minutes: float) -> Scenario:
    """Return the shipped scenario for a fleet of another size and duration.

    Jamming, outages and refusals happen at the same share of it. False signals begin when the scenario says, or not at all: that
    receivers were led astray together is only told where they were known to be at home, which takes ten minutes. A fleet too
    small for it is without those who misuse terminals and those who only seem to.

    Raises:
        OutOfRange: too few terminals, or no duration.
    """
    read = read_scenario("demo")
    others = sum(fleet.count for fleet in read.fleets)
    if terminals < LEAST_TERMINALS + others:
        plain = tuple(fleet for fleet in read.fleets if not (fleet.conduct.behaviours or fleet.conduct.resembles))
        read = replace(read, fleets=plain, clones=())
        others = sum(fleet.count for fleet in read.fleets)
    if terminals < LEAST_TERMINALS + others:
        raise OutOfRange(
            f"a fleet of {terminals} terminals cannot hold one of every kind",
            help=f"ask for {LEAST_TERMINALS + others} or more", field="terminals", value=terminals,
        )  # fmt: skip
    if not minutes > 0:
        raise OutOfRange("minutes are positive", field="minutes", value=minutes)
    scale = 60.0 * minutes / read.duration_s

    def stretched(zone: Zone) -> Zone:
        return replace(zone, from_s=zone.from_s * scale, until_s=zone.until_s * scale)

    return replace(
        read, world=terminals - others, duration_s=60.0 * minutes, jamming=tuple(map(stretched, read.jamming)),
        spoofing=tuple(replace(one, zone=replace(one.zone, until_s=60.0 * minutes)) for one in read.spoofing),
        outages=tuple(map(stretched, read.outages)), refusals=tuple(map(stretched, read.refusals)),
    )  # fmt: skip


def listen(home: Home, made: Generated, folder: Path) -> tuple[Attendance, dict[str, Path]]:
    """Verify what is measured, keep it in the home, and return what the run is to attend to.

    Args:
        home: the caller holds its write lock. made: the scenario. folder: for the files of measurements and elements.
    """
    files = {"measurements": folder / "measurements.parquet", "elements": folder / "elements.json"}
    assert made.elements is not None
    elements, measurements = made.elements, made.measurements
    pq.write_table(measurements, files["measurements"], compression="zstd")
    files["elements"].write_text(to_omm_json(elements), encoding="utf-8")
    named = measurements.column("terminal_id").unique().to_pylist()
    options = Options(platforms=platforms_of_home(home, named, made.scenario.start_ns))
    verifications, _ = verify_measurements(measurements, elements, made.claims(), options)
    save_elements(home, elements, made.scenario.start_ns)
    write_verifications(home, verifications)
    return Attendance(verifications, witnesses=lambda at_ns: witnesses_of_home(home, at_ns)), files


def chosen(kinds: Mapping[str, str], answers: Mapping[str, str]) -> tuple[str | None, str | None]:
    """Choose a liar who is refused, and a terminal that is served although its satellite navigation fails.

    Args:
        kinds: truth of each terminal. answers: last outcome of each.
    """

    def first(wanted: tuple[str, ...], outcome: str) -> str | None:
        found = (name for kind in wanted for name, known in kinds.items() if known == kind and answers.get(name) == outcome)
        return next(found, None)

    return first(LIARS, "deny"), first(JAMMED, "serve")


def listened(
    attendance: Attendance, kinds: Mapping[str, str], liar: Found | None, jammed: Found | None, files: dict[str, Path]
) -> Listened:
    """Put together what radio said; an explanation in which it said nothing is left out."""
    assert attendance.verifications is not None
    heard = [found if found is not None and found.radio is not None else None for found in (liar, jammed)]
    return Listened(attendance, _verdicts(attendance.verifications, kinds), heard[0], heard[1], files)


def _verdicts(verifications: pa.Table, kinds: Mapping[str, str]) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {}
    for name, verdict in zip(verifications["terminal_id"].to_pylist(), verifications["verdict"].to_pylist(), strict=True):
        found.setdefault(kinds.get(name, "unknown"), Counter())[verdict] += 1
    return dict(sorted(found.items()))
