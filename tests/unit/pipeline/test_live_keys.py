"""An idempotency key holds over a crash between the run that took its observations and the keeping of the key."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from groundrule.pipeline.live import Live
from groundrule.pipeline.live.answers import LiveSettings
from groundrule.store.home import Home
from groundrule.store.segments import segments_of
from small_home import RECORDED, copy_home, make_home, observation, table

SETTINGS = LiveSettings(check_every_s=3_600, commit_every_s=3_600, interference=False, detection=False)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return make_home(tmp_path_factory.mktemp("keys") / "home")


def test_a_key_of_a_run_that_was_committed_just_before_a_crash_is_known(template: Home, tmp_path: Path) -> None:
    home = copy_home(template, tmp_path / "home")
    rows = table([observation(name, 60, 5.0, 5.0) for name in ("car", "van")]).select(["terminal_id", "observed_at", "lat_deg", "lon_deg"])
    kept = tmp_path / "kept"
    kept.mkdir()
    with Live.open(home, clock=lambda: RECORDED, settings=SETTINGS) as live:
        assert live.submit(rows, source="test", key="once").result(30).accepted == 2
        segments = [each.path for each in segments_of(home)]
        for path in segments:
            shutil.copy(path, kept / path.name)
        live.commit().result(30)
    # As after `kill -9` between the manifest of the run and the keeping of its keys.
    for path in segments:
        shutil.copy(kept / path.name, path)
    with sqlite3.connect(home.path / "events.sqlite") as connection:
        assert connection.execute("DELETE FROM taken").rowcount == 1
    with Live.open(home, clock=lambda: RECORDED, settings=SETTINGS) as live:
        again = live.submit(rows, source="test", key="once").result(30)
        assert (again.accepted, again.duplicates, again.taken_before) == (0, 2, True)
        assert segments_of(home) == [] or all(each.path not in segments for each in segments_of(home))
