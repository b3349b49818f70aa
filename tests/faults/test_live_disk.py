"""A live desk on a disk that is full, and on one that fails: what is refused, what goes on, what is never tried twice."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import small_home as sh
from groundrule.errors import StoreError
from groundrule.pipeline.home_ledger import LedgerSetup
from groundrule.pipeline.live.answers import LiveSettings
from groundrule.pipeline.live.desk import Live
from groundrule.pipeline.manifests import runs
from groundrule.pipeline.replaying import replay
from groundrule.store.history import read_run
from groundrule.store.home import Home

SETTINGS = LiveSettings(commit_every_s=3_600, check_every_s=3_600)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return sh.make_home(tmp_path_factory.mktemp("disk") / "template", ledger=LedgerSetup())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if made.returncode:
        pytest.skip(f"needs the right to mount a tmpfs: {made.stderr.strip()[:100]}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(filler: Path) -> None:
    """Use up all space."""
    with filler.open("wb", buffering=0) as stream, suppress(OSError):
        while True:
            stream.write(bytes(4096))


def submit_until_refused(live: Live, at: int, size: int) -> tuple[int, int, StoreError]:
    """Submit until the disk is full; return where to go on, what was accepted, and how the rest was refused."""
    acked = 0
    while True:
        made = [sh.observation("car", at + k, 5, 1 + k / 1e4) for k in range(size)]
        try:
            acked += live.submit(rows(*made), source="full").result(30).accepted
        except StoreError as error:
            return at, acked, error
        at += size


def rows(*made: dict[str, Any]) -> pa.Table:
    return sh.table(made).drop_columns(["source", "source_row"])


def stored(home: Home) -> int:
    return sum(len(table) for run in runs(home) for table in read_run(home, "observations", run, columns=["terminal_id"]))


@pytest.mark.filterwarnings("ignore::groundrule.areas.gridfile.GridCacheWarning")  # a cache that has no room is said
def test_a_full_disk_refuses_and_resumes_without_repair(template: Home, small_disk: Path) -> None:
    home = sh.copy_home(template, small_disk / "home")
    at, acked, refusals = 0, 0, 0
    with Live.open(home, clock=lambda: sh.RECORDED, settings=SETTINGS) as live:
        for _ in range(3):
            filler = small_disk / "filler"
            acked += live.submit(rows(sh.observation("car", at, 5, 1)), source="full").result(30).accepted
            at += 1
            fill(filler)
            for size in (1, 200):
                at, more, refused = submit_until_refused(live, at, size)
                acked += more
                assert refused.context["full"] is True
                refusals += 1
            # Nothing that was refused is remembered, and everything else goes on.
            asked = live.evaluate(rows(sh.observation("car", at, 5, 1))).result(30)
            assert asked.decisions["late"].to_pylist() == [False]
            assert len(live.fleet()) == 1
            status = live.status()
            assert status.ready
            assert status.counters["refused_by_disk"] > 0
            with pytest.raises(StoreError):
                live.commit().result(60)
            assert not next(check for check in live.status().checks if check.name == "commit").ok
            filler.unlink()
            acked += live.submit(rows(sh.observation("car", at, 5, 1)), source="full").result(30).accepted
            at += 1
            assert live.commit().result(60) is not None
            assert all(check.ok for check in live.status().checks)
    assert refusals == 6
    assert stored(home) == acked
    assert replay(home).identical


def test_a_failed_flush_stops_the_intake_and_is_never_tried_again(
    template: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = sh.copy_home(template, tmp_path / "home")
    real, calls = os.fdatasync, []
    live = Live.open(home, clock=lambda: sh.RECORDED, settings=SETTINGS)
    assert live.submit(rows(sh.observation("car", 0, 5, 1)), source="x").result(30).accepted == 1

    def fail(handle: int) -> None:
        if "segment" in str(Path(f"/proc/self/fd/{handle}").readlink()):
            calls.append(handle)
            raise OSError(errno.EIO, "Input/output error")
        real(handle)

    monkeypatch.setattr(os, "fdatasync", fail)
    with pytest.raises(StoreError) as refused:
        live.submit(rows(sh.observation("car", 15, 6, 1)), source="x").result(30)
    assert refused.value.context["stopped"] is True
    monkeypatch.undo()
    with pytest.raises(StoreError) as again:
        live.submit(rows(sh.observation("car", 30, 6, 1)), source="x").result(30)
    assert again.value.context["stopped"] is True
    assert len(calls) == 1
    status = live.status()
    assert not status.ready
    assert "flushing" in next(check.why for check in status.checks if check.name == "intake")
    # Reads and questions go on, and know nothing of what was not acknowledged.
    assert live.fleet().lat_deg.tolist() == [5.0]
    assert len(live.evaluate(rows(sh.observation("car", 15, 6, 1))).result(30).decisions) == 1
    live.close()
    with Live.open(home, clock=lambda: sh.RECORDED, settings=SETTINGS) as live:
        assert live.submit(rows(sh.observation("car", 45, 5, 1)), source="x").result(30).accepted == 1
    assert stored(home) >= 2
    assert replay(home).identical
