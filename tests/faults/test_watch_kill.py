"""`kill -9` of a watch at random moments: whatever the source, what was sent is in history, once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from live_process import Server
from watch_process import BrokerFeed, Feed, FolderFeed, LinesFeed, StreamFeed, kill_watch, watch_server

from broker import running
from groundrule.pipeline.home_ledger import LedgerSetup
from groundrule.store.home import Home
from groundrule.store.watch_positions import Positions
from small_home import make_home
from telemetry_server import telemetry

KILLS = 4
"""The campaign (`watch_kill_campaign`) counts fifty of each."""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return make_home(tmp_path_factory.mktemp("template") / "home", ledger=LedgerSetup())


@pytest.fixture(scope="module")
def forks() -> Iterator[Server]:
    with watch_server() as found:
        yield found


@pytest.mark.parametrize("kind", ["folder", "lines"])
def test_no_kill_loses_or_doubles_what_was_sent(forks: Server, template: Home, tmp_path: Path, kind: str) -> None:
    feed: Feed = FolderFeed(tmp_path / "in", 7) if kind == "folder" else LinesFeed(tmp_path / "pipe", 7)
    counts = kill_watch(forks, template, tmp_path, feed, kills=KILLS, seed=20261123)
    assert counts.faults == []
    assert (counts.lost, counts.doubled, counts.kills) == (0, 0, KILLS)
    assert counts.acknowledged > 0


def test_no_kill_loses_or_doubles_a_message(forks: Server, template: Home, tmp_path: Path) -> None:
    with running() as broker:
        # Messages whose acknowledgement a kill prevented may still wait for the broker's next try: history holds them already.
        counts = kill_watch(forks, template, tmp_path, BrokerFeed(broker, "KILLED"), kills=KILLS, seed=20261123)
    assert counts.faults == []
    assert (counts.lost, counts.doubled, counts.kills) == (0, 0, KILLS)


def lost_replies(home: Home) -> int:
    """Rows that may be missing: seven for each reply that was told as lost."""
    (name,) = {folder.name for folder in (home.path / "history" / "raw").iterdir()}
    positions = Positions.open(home.path, f"stream:{name}")
    try:
        return 7 * sum(each["why"] == "reply_lost" for each in json.loads(json.dumps(positions.all().get("found", []))))
    finally:
        positions.close()


def test_of_a_stream_that_delivers_once_only_what_is_told_as_lost_is_missing(forks: Server, template: Home, tmp_path: Path) -> None:
    with telemetry() as server:
        counts = kill_watch(forks, template, tmp_path, StreamFeed(server), kills=KILLS, seed=20261123, may_be_lost=lost_replies)
    assert counts.faults == []
    assert (counts.lost, counts.doubled, counts.kills) == (0, 0, KILLS)
