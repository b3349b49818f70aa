"""`groundrule watch` as a process: what it prints, how it ends, and who may write to a home."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import groundrule
from groundrule.instant import NS_PER_S, format_instant
from groundrule.pipeline.live.answers import Answered, LiveSettings
from groundrule.pipeline.live.desk import Live
from groundrule.pipeline.watch.beside import WatchBeside
from groundrule.pipeline.watch.opening import Watched
from groundrule.store.home import Home
from small_home import make_home

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(groundrule.__file__).parents[1])}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    (tmp_path / "in").mkdir()
    return make_home(tmp_path / "home")


def rows(*seconds_ago: int) -> str:
    now = time.time_ns()
    return "".join(
        json.dumps({"terminal_id": "car", "observed_at": format_instant(now - ago * NS_PER_S), "lat_deg": 2.5, "lon_deg": 2.5}) + "\n"
        for ago in seconds_ago
    )


def run(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "groundrule", "watch", *arguments]
    return subprocess.run(command, input=given, capture_output=True, text=True, timeout=120, check=False, env=ENVIRONMENT)


def test_a_folder_is_taken_once_and_said_as_json(home: Home, tmp_path: Path) -> None:
    (tmp_path / "in" / "a.jsonl").write_text(rows(60, 45, 30) + "nonsense\n")
    done = run(str(tmp_path / "in"), "--home", str(home.path), "--once", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    total = json.loads(done.stdout.splitlines()[-1])["total"]
    assert (total["rows"], total["decided"], total["denied"], total["rejected"]) == (3, 3, 3, {"not_json": 1})
    assert 25 < total["lag_s"] < 300


def test_without_a_terminal_it_is_silent_but_for_what_was_asked(home: Home) -> None:
    done = run("-", "--home", str(home.path), "--once", given=rows(30, 15))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Taken: rows 2  decided 2  denied 2")


def test_it_ends_in_order_and_a_second_writer_is_told_what_to_do(home: Home, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "groundrule", "watch", str(tmp_path / "in"), "--home", str(home.path), "--json", "--cycle-s", "0.2"]
    watching = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
    try:
        assert watching.stdout is not None
        json.loads(watching.stdout.readline())
        (tmp_path / "in" / "a.jsonl").write_text(rows(15))
        while json.loads(watching.stdout.readline())["total"]["rows"] < 1:
            pass
        second = run(str(tmp_path / "in"), "--home", str(home.path), "--once")
        assert second.returncode == 2
        assert "groundrule serve --watch" in second.stderr
        watching.send_signal(signal.SIGTERM)
        rest, errors = watching.communicate(timeout=60)
    finally:
        watching.kill()
        watching.wait()
    assert (watching.returncode, errors) == (0, "")
    assert json.loads(rest.splitlines()[-1])["total"]["decided"] == 1
    assert not home.is_being_written()


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("/nowhere", "is no folder"),
        ("nats://me:secret@host/S/c", "holds a user or a password"),
        ("nats://host/S", "names no stream and consumer"),
        ("-", "standard input is a terminal"),
    ],
)
def test_what_is_no_source(home: Home, source: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from groundrule.cli import main

    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "argv", ["groundrule", "watch", source, "--home", str(home.path)])
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr().err
    assert ended.value.code == 2
    assert said in told
    assert "secret" not in told


def test_a_service_takes_a_source_beside_what_it_is_sent(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("groundrule.pipeline.watch.beside.AGAIN_S", 0.05)

    def check(live: Live) -> Any:
        (found,) = [each for each in live.status().checks if each.name == "watch"]
        return found

    with Live.open(home, settings=LiveSettings(check_every_s=3_600)) as live:
        answered: list[Answered] = []
        watching = WatchBeside(live, Watched(str(tmp_path / "in")), answered.append)
        (tmp_path / "in" / "a.jsonl").write_text(rows(15))
        for _ in range(400):
            if live.status().counters["accepted"]:
                break
            time.sleep(0.02)
        assert live.status().counters["accepted"] == 1
        assert check(live).ok
        (tmp_path / "in" / "a.jsonl").unlink()
        (tmp_path / "in").rmdir()
        for _ in range(400):
            if not check(live).ok:
                break
            time.sleep(0.02)
        assert "folder away" in check(live).why
        assert live.status().ready
        watching.close()
        assert [each.accepted for each in answered] == [1], "a service counts what it watches"
