"""A run whose history lies in object storage, killed with kill -9 in mid-run: no half of it counts, and the same command decides it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq

from console import groundrule
from decided_alike import GIVEN
from groundrule.pipeline.home_ledger import LedgerSetup
from groundrule.pipeline.manifests import manifest_path, read_manifest, runs
from groundrule.store.history import run_numbers
from groundrule.store.home import Home
from object_storage import Storage
from small_home import make_home, stream

DECIDING = """\
import sys, threading, time
from groundrule.cli import main
from groundrule.store.places import ObjectPath

wrote, write, one = [], ObjectPath.write_bytes, threading.Lock()

def wait_in_the_middle(place, data):
    with one:
        if len(wrote) == 3:
            print("three objects are written", flush=True)
            time.sleep(600)
        wrote.append(place)
        return write(place, data)

ObjectPath.write_bytes = wait_in_the_middle
sys.argv[1:] = ["decide", sys.argv[1], "--home", sys.argv[2]]
main()
"""


def test_a_run_that_is_killed_leaves_no_half_of_it(tmp_path: Path, storage: Storage) -> None:
    home = make_home(tmp_path / "home", ledger=LedgerSetup(), history=storage.address())
    first, second = tmp_path / "first.parquet", tmp_path / "second.parquet"
    rows = stream(3, rows=240).select(list(GIVEN))
    pq.write_table(rows.slice(0, 120), first)
    pq.write_table(rows.slice(120), second)
    assert groundrule("decide", first, "--home", home.path).code == 0
    before = manifest_path(home, 1).read_bytes()
    with subprocess.Popen([sys.executable, "-c", DECIDING, str(second), str(home.path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "three objects" in process.stdout.readline()
        process.kill()
        assert process.wait() == -signal.SIGKILL
    home = Home.open(home.path)
    assert (runs(home), run_numbers(home)) == ([1], {1, 2})
    made = groundrule("decide", second, "--home", home.path, "--json").json
    assert made["run"] == 2
    assert manifest_path(home, 1).read_bytes() == before
    assert read_manifest(home, 2)["counts"]["decided"] > 0
    assert run_numbers(home) == {1, 2}
    assert groundrule("replay", "--home", home.path, "--json").json["identical"]
