"""A home that takes decisions of a cluster, killed with kill -9 in mid-batch: the batch is not there, and the same command takes it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa

from console import groundrule
from decided_alike import assert_alike, spread, write_given
from groundrule.ledger.audit.receipts import verify_receipt
from groundrule.pipeline.home_ledger import LedgerSetup, policy_of
from groundrule.pipeline.manifests import runs
from groundrule.pipeline.receipts import issue_receipt
from groundrule.store.history import run_numbers
from late_delivery import deliver
from plain_cluster import PlainCluster
from small_home import RECORDED, make_home, stream

TAKING = """\
import sys, time
from groundrule.cli import main
from groundrule.pipeline import runs

write = runs.write_manifest

def wait_in_the_second(home, run, manifest):
    if run == 2:
        print("all but the manifest of the second run is written", flush=True)
        time.sleep(600)
    return write(home, run, manifest)

runs.write_manifest = wait_in_the_second
sys.argv[1:] = ["decided", sys.argv[1], "--take", "--home", sys.argv[2]]
main()
"""


def test_a_take_that_is_killed_goes_on(tmp_path: Path) -> None:
    home, out = make_home(tmp_path / "home", ledger=LedgerSetup()), tmp_path / "out"
    first, *others = deliver(stream(3, rows=240), 0)[0]
    for number, part in enumerate([first, pa.concat_tables(others)]):
        spread(home, write_given(tmp_path / "given", f"part{number}", part), out, PlainCluster(), RECORDED + number, 2)
    command = [sys.executable, "-c", TAKING, str(out), str(home.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "second run" in process.stdout.readline()
        process.kill()
        assert process.wait() == -signal.SIGKILL
    assert (runs(home), run_numbers(home)) == ([1], {1, 2})
    taken = groundrule("decided", out, "--take", "--home", home.path, "--json").json["taken"]
    assert [(each["batch"], each["run"]) for each in taken] == [(2, 2)]
    assert taken[0]["corrected"] > 0
    assert_alike(home, out)
    assert groundrule("replay", "--home", home.path, "--json").json["identical"]
    assert verify_receipt(issue_receipt(home, "car").proof, policy_of(home)).fields["terminal_id"] == "car"
