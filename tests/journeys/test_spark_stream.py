"""Files that land are decided once each, late and repeated rows as on one machine, also where the watch is killed in mid-batch."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from broker import running
from console import groundrule, refused
from decided_alike import GIVEN, alone, assert_alike, write_given
from groundrule.engines.decided_folder import DecidedFolder
from groundrule.instant import format_instant
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


def test_messages_of_a_broker_land_as_files_and_are_decided_by_a_cluster_as_on_one_machine(template: Home, tmp_path: Path) -> None:
    """Late and repeated messages, a row that is none, and a landing that is killed: what counts is what one machine makes of it all."""
    needs_spark()
    with running() as broker:
        one, asked = copy_home(template, tmp_path / "alone"), copy_home(template, tmp_path / "asked")
        whole, landing, out = drives(TERMINALS, STEPS), tmp_path / "landing", tmp_path / "out"
        broker.make("T", "t.>")
        broker.make_consumer("T", "land", again_s=2.0)
        land_files = (
            sys.executable, "-m", "groundrule", "watch", f"{broker.address}/T/land", "--land", str(landing), "--cycle-s", "0.2", "--json",
        )  # fmt: skip
        landed_by = subprocess.Popen(land_files, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for part in parts(whole):
            broker.publish("t.a", messages(part))
            until = time.monotonic() + WAIT_S
            before = len(list(landing.glob("*.parquet")))
            while len(list(landing.glob("*.parquet"))) == before and time.monotonic() < until:
                assert landed_by.poll() is None, landed_by.communicate()
                time.sleep(0.01)
            kill_tree(landed_by.pid)  # wherever it is: some are not acknowledged, or not landed
            landed_by.communicate(timeout=10)
            landed_by = subprocess.Popen(land_files, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        broker.publish("t.a", [b"nonsense"])
        wait_for(landing / "_landing" / "rejected", landed_by)
        landed_by.send_signal(signal.SIGTERM)
        told = landed_by.communicate(timeout=60)
        assert landed_by.returncode == 0, told
        until = time.monotonic() + WAIT_S
        while broker.unacknowledged("T", "land") and time.monotonic() < until:  # what the killed ones held comes again
            done = groundrule(*land_files[3:], "--once")
            assert done.code == 0, done
        assert broker.unacknowledged("T", "land") == 0

    landed = sum(len(pq.read_table(path, columns=["terminal_id"])) for path in landing.glob("*.parquet"))
    assert landed == sum(map(len, parts(whole)))
    assert len(list((landing / "_landing" / "rejected").iterdir())) == 1
    answer = groundrule(
        "watch", str(landing), "--home", str(asked.path), "--no-detect", "--engine", "spark", "--master", "local[1]", "--partitions", "3",
        "--out", str(out), "--once", "--json",
    )  # fmt: skip
    assert answer.code == 0, answer
    batches = DecidedFolder.open(out).batches
    for batch in batches:
        alone(one, [landing / each["name"] for each in batch.manifest["inputs"]], int(batch.manifest["recorded_at_ns"]))
    assert_alike(one, out)
    at_once = copy_home(template, tmp_path / "at once")
    alone(at_once, write_given(tmp_path / "given", "whole", whole), int(batches[0].manifest["recorded_at_ns"]))
    assert final_decisions(one, range(1, len(batches) + 1)) == final_decisions(at_once, [1])


def messages(part: pa.Table) -> list[bytes]:
    """Observations as JSON lines, a hundred to a message."""
    names = [name for name in GIVEN if part.column(name).null_count < len(part)]
    rows = part.select(names).to_pylist()
    lines = [json.dumps({**row, "observed_at": format_instant(row["observed_at"])}) for row in rows]
    return ["\n".join(lines[first : first + 100]).encode() for first in range(0, len(lines), 100)]


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ("nothing is decided where files land, so --engine", ("nats://host/S/c", "--land", "in", "--engine", "spark")),
        ("nothing is decided where files land, so --out", ("nats://host/S/c", "--land", "in", "--out", "out")),
        ("is no broker's stream", (".", "--land", "in")),
        ("is no broker's stream", ("-", "--land", "in")),
        ("files do not land in `s3://bucket/in`", ("nats://host/S/c", "--land", "s3://bucket/in")),
        ("holds a user or a password", ("nats://me:secret@host/S/c", "--land", "in")),
        ("is no folder", ("nats://127.0.0.1:1/S/c", "--land", __file__)),
    ],
)
def test_what_cannot_land_is_refused(words: str, options: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    refused(groundrule("watch", *options), words)


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
