"""Random homes from which random terminals are erased are, for all others, homes that these terminals never reported to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from erased_home import NOW, erase, rows_of
from groundrule.engines.distributed import DistributedReplay
from groundrule.pipeline import lateness
from groundrule.pipeline.home_ledger import LedgerSetup
from groundrule.pipeline.manifests import runs
from groundrule.pipeline.replaying import replay
from groundrule.store.home import Home
from late_delivery import deliver
from plain_cluster import PlainCluster
from small_home import RECORDED, final_decisions, make_home, run, stream

NAMES = ("car", "train", "guest", "van", "late payer", "stranger")


def without(part: pa.Table, names: set[str]) -> pa.Table:
    return part.filter(pa.array([row not in names for row in part["terminal_id"].to_pylist()]))


def take(home: Home, part: pa.Table, number: int) -> None:
    if len(part):
        run(home, part, recorded_at=RECORDED + number)


@pytest.mark.parametrize("seed", range(6))
def test_a_home_after_erasures_is_one_that_never_had_those_terminals(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(seed)
    if seed % 2:
        # Corrections in several parts, whose borders depend on who is decided again.
        monkeypatch.setattr(lateness, "CORRECTION_ROWS", 25)
        monkeypatch.setattr("groundrule.engines.stored_order.CORRECTION_ROWS", 25)
    gone = set(rng.choice(NAMES, int(rng.integers(1, 5)), replace=False).tolist())
    home = make_home(tmp_path / "home", ledger=LedgerSetup() if seed % 3 else None)
    never = make_home(tmp_path / "never", ledger=LedgerSetup() if seed % 3 else None)
    parts, _ = deliver(stream(seed, rows=180), seed)
    cut = int(rng.integers(1, len(parts) + 1))
    # Erased in the middle, with late observations of everybody coming after it; at the end, those who came back.
    for number, part in enumerate(parts[:cut]):
        take(home, part, number)
        take(never, without(part, gone), number)
    for place, name in enumerate(sorted(gone)):
        if name in {row["terminal_id"] for row in rows_of(home, "observations")}:
            erase(home, f"terminal:{name}", now_ns=NOW + place)
    for number, part in enumerate(parts[cut:], cut):
        take(home, part, number)
        take(never, part, number)
    found = replay(home)
    assert (found.identical, found.faults, found.difference) == (True, (), None)
    assert replay(home, decider=DistributedReplay(PlainCluster(seed), 3)).identical
    assert final_decisions(home, runs(home)) == final_decisions(never, runs(never))
    assert {row["terminal_id"] for row in rows_of(home, "observations")} == {row["terminal_id"] for row in rows_of(never, "observations")}
    for name in sorted(gone & {row["terminal_id"] for row in rows_of(home, "observations")}):
        erase(home, f"terminal:{name}", now_ns=NOW + 100)
    found = replay(home)
    assert (found.identical, found.faults) == (True, ())
    left = [row for row in final_decisions(never, runs(never)) if row["terminal_id"] not in gone]
    assert final_decisions(home, runs(home)) == left
