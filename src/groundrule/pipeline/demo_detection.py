"""The demo's detectors: what they found, missed and said of innocents, held against the truth, and three simple policies beside them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from groundrule.areas.importing import read_areas
from groundrule.detect.cases import Case
from groundrule.pipeline.case_desk import CaseDesk
from groundrule.pipeline.detecting import Detection
from groundrule.pipeline.found_and_missed import Comparison, compare
from groundrule.pipeline.history import all_observations
from groundrule.pipeline.home import basis_of, import_areas
from groundrule.pipeline.policies import Policy, compare_policies
from groundrule.simulate.behaviours import areas_geojson
from groundrule.simulate.scenario import Generated
from groundrule.store.home import Home
from groundrule.store.timeline import RegisterTimeline

INVENTED = "invented for the demo"


@dataclass(frozen=True, slots=True)
class Detected:
    """What detectors made of the demo.

    Attributes:
        counts: signals by kind. withdrawn: findings that a disturbed area explained.
        cases: that wait for a person, those that weigh most first.
        truth: what was found and missed. policies: what simple policies would do to the same terminals.
    """

    counts: dict[str, int]
    withdrawn: int
    cases: tuple[Case, ...]
    truth: Comparison
    policies: tuple[Policy, ...]


def bring_areas(home: Home, made: Generated, folder: Path) -> Path | None:
    """Import the areas of the scenario: a front and who holds which side of it, all invented; the caller holds the write lock.

    Returns:
        The file they were imported from; None where the scenario has none.
    """
    if not made.scenario.areas:
        return None
    path = folder / "areas.geojson"
    path.write_text(areas_geojson(made.scenario.areas), encoding="utf-8")
    import_areas(home, tuple(read_areas(path, source=INVENTED).areas))
    return path


def detected(
    home: Home, made: Generated, detection: Detection, registers: RegisterTimeline, *, start_ns: int, recorded_at_ns: int
) -> Detected:
    """Hold what was found against the truth, and compare three simple policies on the same observations.

    Args:
        home: decided. made: the scenario. detection: of the run. registers: of the run.
        start_ns: start of the watch [ns, UTC]. recorded_at_ns: of the run [ns, UTC].
    """
    cases = CaseDesk(home).cases()
    truth = compare(detection.signals, cases, made.terminals, start_ns)
    part = registers.epoch(int(registers.epoch_of(pa.array([start_ns]).to_numpy())[0]))

    def protected(terminal: str) -> bool:
        row = int(registers.lookup(pa.array([terminal], pa.string()))[0])
        if not 0 <= row < len(part.profile_code) or part.profile_code[row] < 0:
            return False
        return part.profiles[part.profile_code[row]].protected_class not in (None, "none")

    def observed() -> Iterable[pa.Table]:
        return all_observations(home)

    policies = compare_policies(
        observed, made.terminals,
        lambda book: basis_of(home, recorded_at_ns=recorded_at_ns, rulebook=book, registers=registers),
        start_ns, protected=protected,
    )  # fmt: skip
    counts = {kind: count for kind, count in detection.counts.most_common() if count}
    return Detected(counts, detection.withdrawn, tuple(cases), truth, tuple(policies))
