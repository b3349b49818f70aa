"""Outcomes and reasons by class over all fixes of the real tracks under world-2026: one row a class, then a JSON line.

    python tests/campaign/tracks_campaign.py [TRACKS.parquet]

Exits 1 unless each fix has one decision and the replay is identical.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import pyarrow as pa

sys.path.insert(0, str(Path(__file__).parents[1]))

from groundrule.pipeline.home_ledger import HomeLedger
from groundrule.pipeline.runs import Inputs, decide, replay
from groundrule.store.history import read_run
from groundrule.store.observations import open_observations
from track_register import COLUMNS, make_track_home, reasons_by_class

DEFAULT = Path(__file__).resolve().parents[3] / "shared" / "data" / "tracks" / "tracks.parquet"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tracks", nargs="?", type=Path, default=DEFAULT)
    tracks = parser.parse_args().tracks
    if not tracks.exists():
        print(f"skipped: the optional real data set {tracks} is not here")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        now = time.time_ns()
        home, kinds = make_track_home(Path(folder) / "home", tracks, now)
        reader = open_observations(tracks, columns=COLUMNS)
        started = time.perf_counter()
        with home.writer(), HomeLedger.open(home) as ledger:
            run = decide(
                home,
                Inputs((table for table, _ in reader), files=list, rejected=lambda: dict(reader.counts.by_reason)),
                recorded_at_ns=now,
                ledger=ledger,
            )
        seconds = time.perf_counter() - started
        found = pa.concat_tables(read_run(home, "decisions", 1)).unify_dictionaries()
        outcomes: dict[str, Counter[str]] = {}
        for name, outcome in zip(found["terminal_id"].to_pylist(), found["outcome"].to_pylist(), strict=True):
            outcomes.setdefault(kinds[name], Counter())[outcome] += 1
        reasons = reasons_by_class(found, kinds)
        print("| class | fixes | serve | restrict | review | deny | decisive reasons |\n|---|---|---|---|---|---|---|")
        for kind in sorted(outcomes):
            counted = outcomes[kind]
            cells = [f"{counted[word]:,}" for word in ("serve", "restrict", "review", "deny")]
            said = ", ".join(f"{reason} {rows:,}" for reason, rows in reasons[kind].most_common())
            print(f"| {kind} | {counted.total():,} | {' | '.join(cells)} | {said} |")
        replayed = replay(home)
    good = run.counts.decided == reader.rows == len(found) and replayed.identical
    print(
        json.dumps(
            {
                "campaign": "tracks",
                "fixes": reader.rows,
                "decided": run.counts.decided,
                "outcomes": dict(sum(outcomes.values(), Counter())),
                "decide_s": round(seconds, 2),
                "replay_identical": replayed.identical,
                "passed": good,
            }
        )
    )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
