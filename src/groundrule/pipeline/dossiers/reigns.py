"""When each rulebook was in force, what brought it, and when each run of decisions was made: what links an answer to who is answerable."""

from __future__ import annotations

import json
from dataclasses import dataclass

from groundrule.instant import parse_instant
from groundrule.pipeline.dossiers.bench import Bench
from groundrule.pipeline.manifests import read_manifest
from groundrule.store.home import Home
from groundrule.store.policy import history
from groundrule.store.records import RecordStore

GENESIS = "genesis"


@dataclass(frozen=True, slots=True)
class Reign:
    """How long a rulebook was in force under a charter.

    Attributes:
        rulebook: its digest.
        brought_by: the proposal that brought it; `genesis` where it was in force when governance began.
        from_ns: since when [ns, UTC]; None where it began before governance. until_ns: its end, None: not yet.
    """

    rulebook: str
    brought_by: str
    from_ns: int | None
    until_ns: int | None


def reigns(home: Home) -> list[Reign]:
    """Return the rulebooks that were in force, oldest first; one that came back has one reign for each time. Empty without a charter."""
    found: list[Reign] = []
    for each in history(home):
        if found and found[-1].rulebook == each.rulebook:
            continue
        if found:
            last = found[-1]
            found[-1] = Reign(last.rulebook, last.brought_by, last.from_ns, each.enacted_at_ns)
        begun = each.enacted_at_ns if each.proposal else None
        found.append(Reign(each.rulebook, each.proposal or GENESIS, begun, None))
    return found


class Runs:
    """When runs decided, and when the log got what they decided."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._times: dict[int, tuple[int | None, int | None]] = {}

    def times(self, run: int) -> tuple[int | None, int | None]:
        """Return when a run decided, and the log's clock at its first entry [ns, UTC]; None where that is not known."""
        if run not in self._times:
            decided = int(read_manifest(self._bench.home, run)["recorded_at_ns"])
            self._times[run] = decided, self._logged(run)
        return self._times[run]

    def _logged(self, run: int) -> int | None:
        path = self._bench.home.path / "records.sqlite"
        if self._bench.log is None or not path.exists():
            return None
        with RecordStore.open(path, read_only=True) as records:
            indexes = [each.log_index for each in records.batches(run=run) if each.log_index is not None]
        if not indexes or min(indexes) >= self._bench.head.size:
            return None
        return parse_instant(json.loads(self._bench.log.tree().entry(min(indexes)))["t"])
