"""Kill a watch at random moments, again and again, for each kind of source; what was sent is in history, once.

    python tests/campaign/watch_kill_campaign.py [--kills 50] [--seed 1]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from groundrule.pipeline.home_ledger import LedgerSetup

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "faults")]

import pytest  # noqa: E402 - the path comes first
from test_watch_kill import lost_replies  # noqa: E402
from watch_process import BrokerFeed, FolderFeed, LinesFeed, StreamFeed, kill_watch, watch_server  # noqa: E402

from broker import running  # noqa: E402
from small_home import make_home  # noqa: E402
from telemetry_server import telemetry  # noqa: E402


def main() -> int:
    """Count what was lost or doubled."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    found: dict[str, Any] = {"campaign": "watch_kill"}
    faults: list[str] = []
    with tempfile.TemporaryDirectory() as folder, watch_server() as forks:
        template = make_home(Path(folder) / "template", ledger=LedgerSetup())

        def count(name: str, feed: Any, **more: Any) -> None:
            place = Path(folder) / name
            place.mkdir(exist_ok=True)
            counts = asdict(kill_watch(forks, template, place, feed, kills=asked.kills, seed=asked.seed, **more))
            faults.extend(f"{name}: {each}" for each in counts.pop("faults"))
            print(name, counts, file=sys.stderr, flush=True)
            found[name] = counts | {"lost_or_doubled_different": counts["lost"] + counts["doubled"]}

        count("folder", FolderFeed(Path(folder) / "in", asked.seed))
        count("lines", LinesFeed(Path(folder) / "pipe", asked.seed))
        with telemetry() as server:
            count("stream", StreamFeed(server), may_be_lost=lost_replies)
        try:
            with running() as broker:
                feed = BrokerFeed(broker, "KILLED")
                count("broker", feed)
                found["broker"]["left_at_the_broker_different"] = feed.left()
        except pytest.skip.Exception as missing:
            found["broker"] = str(missing)
    print("\n".join(faults), file=sys.stderr)
    print(json.dumps(found))
    return 1 if faults or any(each["lost"] or each["doubled"] for each in found.values() if isinstance(each, dict)) else 0


if __name__ == "__main__":
    sys.exit(main())
