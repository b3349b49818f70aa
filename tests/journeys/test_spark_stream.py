"""Files that land are decided once each, late and repeated rows as on one machine, also where the watch is killed in mid-batch."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from console import groundrule, refused
from decided_alike import alone, assert_alike, write_given
from groundrule.engines.decided_folder import DecidedFolder
from groundrule.store.home import Home
from small_home import copy_home, final_decisions, make_home, register
from spark_places import kill_tree, needs_spark
from wide_home import drives

TERMINALS, STEPS = 200, 40
WAIT_S = 120.0


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = make_home(tmp_path_factory.mktemp("template") / "home")
    known = "".join(f"t{number:05d},acc-a,roam,,registered,AT\n" for number in range(0, TERMINALS, 2))
    register(home, "terminals", "terminal_id,account_id,plan,programmes,registration,activation_country\n" + known)
    return home


def parts(whole: pa.Table) -> list[pa.Table]:
    """The observations in four deliveries: a tenth comes one or two deliveries late, and a tenth comes twice; none in order."""
    rng, rows = np.random.default_rng(4), len(whole)
    part = np.arange(rows) * 4 // rows
    late, twice = rng.random(rows) < 0.1, rng.random(rows) < 0.1
    part[late] = np.minimum(part[late] + rng.integers(1, 3, int(late.sum())), 3)
    delivered = [np.flatnonzero((part == number) | (twice & (part == number - 1))) for number in range(4)]
    return [whole.take(pa.array(rng.permutation(each))) for each in delivered]


def land(given: list[Path], landing: Path) -> None:
    """Files appear whole, as whoever writes them has to see to."""
    landing.mkdir(exist_ok=True)
    for path in given:
        hidden = landing / f".{path.name}"
        hidden.write_bytes(path.read_bytes())
        hidden.rename(landing / f"100 % {path.name}")


def wait_for(path: Path, watching: subprocess.Popen[str]) -> None:
    until = time.monotonic() + WAIT_S
    while not path.exists():
        assert watching.poll() is None, watching.communicate()
        assert time.monotonic() < until, f"{path} did not come"
        time.sleep(0.002)


def test_files_that_land_are_decided_once_each_as_on_one_machine(template: Home, tmp_path: Path) -> None:
    needs_spark()
    one, asked = copy_home(template, tmp_path / "alone"), copy_home(template, tmp_path / "asked")
    whole, landing, out = drives(TERMINALS, STEPS), tmp_path / "landing", tmp_path / "out"
    given = [write_given(tmp_path / "given", f"part{number}", part) for number, part in enumerate(parts(whole))]
    asking = (
        "watch", str(landing), "--home", str(asked.path), "--no-detect", "--engine", "spark", "--master", "local[1]", "--partitions", "3",
        "--out", str(out),
    )  # fmt: skip

    land(given[0], landing)
    environment = {name: value for name, value in os.environ.items() if name not in ("PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON")}
    watching = subprocess.Popen(
        [sys.executable, "-m", "groundrule", *asking, "--cycle-s", "0.2"], env=environment, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    wait_for(out / "batch-000001" / "_manifest.json", watching)
    land(given[1], landing)
    wait_for(out / "batch-000002" / "_begun.json", watching)
    kill_tree(watching.pid)
    watching.communicate(timeout=10)
    assert watching.returncode == -9
    assert len(DecidedFolder.open(out).batches) == 1

    land([*given[2], *given[3]], landing)
    (landing / "100 % bad.csv").write_text("terminal_id,observed_at,lat_deg,lon_deg\nt00001,yesterday,5,5\n")
    answer = groundrule(*asking, "--once", "--json")
    assert answer.code == 0, answer
    assert '"rejected":{' in answer.out

    batches = DecidedFolder.open(out).batches
    assert len(batches) >= 3
    names = [each["name"] for batch in batches for each in batch.manifest["inputs"]]
    assert sorted(names) == sorted(path.name for path in landing.iterdir())
    for batch in batches:
        alone(one, [landing / each["name"] for each in batch.manifest["inputs"]], int(batch.manifest["recorded_at_ns"]))
    assert_alike(one, out)
    assert sum(batch.manifest["counts"]["corrected"] for batch in batches) > 500
    assert sum(batch.manifest["counts"]["duplicates"] for batch in batches) > 500

    # And what counts in the end is what the observations in their order give.
    at_once = copy_home(template, tmp_path / "at once")
    alone(at_once, write_given(tmp_path / "given", "whole", whole), int(batches[0].manifest["recorded_at_ns"]))
    last = final_decisions(one, range(1, len(batches) + 1))
    assert len(last) == TERMINALS * STEPS
    assert last == final_decisions(at_once, [1])

    # Nothing new has landed, so nothing is decided.
    again = groundrule(*asking, "--once", "--json")
    assert (again.code, again.out) == (0, "")
    assert len(DecidedFolder.open(out).batches) == len(batches)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--engine", "spark", "--master", "local[1]", "--no-detect"), "a cluster writes decisions into a folder"),
        (("--engine", "spark", "--master", "local[1]", "--detect", "--out", "out"), "a cluster detects nothing"),
        (("--engine", "spark", "--out", "out", "--no-detect"), "--engine spark needs a master"),
        (("--out", "out"), "--out is for a cluster"),
    ],
)
def test_wrong_use_is_told(template: Home, tmp_path: Path, options: tuple[str, ...], words: str) -> None:
    refused(groundrule("watch", tmp_path, "--home", template.path, *options), words)


def test_a_stream_of_messages_is_not_for_a_cluster(template: Home, tmp_path: Path) -> None:
    options = ("--engine", "spark", "--master", "local[1]", "--no-detect", "--out", tmp_path / "out")
    refused(groundrule("watch", "nats://127.0.0.1/a/b", "--home", template.path, *options), "is no folder")
