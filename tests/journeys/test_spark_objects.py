"""Spark's workers, processes of their own, read history in object storage, and decide and keep answers there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from console import groundrule
from decided_alike import assert_alike, write_given
from late_delivery import deliver
from object_storage import Storage
from small_home import RECORDED, make_home, run, stream
from spark_places import needs_spark


def on_spark(*arguments: object) -> Any:
    """What a command on a cluster of this machine prints, run as a process of its own."""
    command = [sys.executable, "-m", "groundrule", *map(str, arguments), "--engine", "spark", "--master", "local[2]", "--partitions", "3"]
    made = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    return json.loads(made.stdout)


def test_a_replay_reads_history_and_keeps_answers_in_object_storage(tmp_path: Path, storage: Storage) -> None:
    needs_spark()
    home, kept = make_home(tmp_path / "home", history=storage.address()), storage.place()
    for number, part in enumerate(deliver(stream(5, rows=240), 0)[0]):
        run(home, part, recorded_at=RECORDED + number)
    here = groundrule("replay", "--home", home.path, "--json").json
    assert here["identical"]
    assert on_spark("replay", "--home", home.path, "--checkpoint", kept.address) == here
    assert len(kept.below()) == 3


def test_files_are_decided_into_object_storage(tmp_path: Path, storage: Storage) -> None:
    needs_spark()
    home, out = make_home(tmp_path / "home", history=storage.address()), storage.place()
    files = write_given(tmp_path / "given", "part", stream(3, rows=240))
    made = on_spark("decide", *files, "--home", home.path, "--no-detect", "--out", out.address)
    assert (made["batch"], made["out"]) == (1, out.address)
    assert groundrule("decided", out.address, "--json").json["batches"][0]["decisions"]["rows"] == made["decisions"]["rows"]
    assert made["decisions"]["rows"] > 0
    taken = groundrule("decided", out.address, "--take", "--home", home.path, "--json").json["taken"]
    assert [each["run"] for each in taken] == [1]
    assert groundrule("replay", "--home", home.path, "--json").json["identical"]
    assert_alike(home, out)
