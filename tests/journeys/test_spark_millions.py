"""Five million observations of one machine's history, decided again by a real standalone cluster."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from console import groundrule
from groundrule.pipeline.manifests import read_manifest, runs
from groundrule.store.home import Home
from spark_places import needs_spark, standalone

OBSERVATIONS, TERMINALS = 5_000_000, 100_000
BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
# In a process of its own, which gives its memory back.
MAKE = f"""
import sys, pathlib, spark
spark.made(pathlib.Path(sys.argv[1]), {OBSERVATIONS}, {TERMINALS}, 7, late_terminals=0.02, registered=0.1)
"""


def test_a_cluster_decides_five_million_observations_as_one_machine_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs_spark()
    for name in ("PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON", "SPARK_LOCAL_IP"):
        # The session sets what it needs in the environment of its process.
        monkeypatch.setenv(name, os.environ.get(name, ""))
        monkeypatch.delenv(name)
    place = tmp_path / "home"
    search = os.pathsep.join([str(BENCHMARKS), os.environ.get("PYTHONPATH", "")])
    subprocess.run([sys.executable, "-c", MAKE, str(place)], check=True, env={**os.environ, "PYTHONPATH": search})
    home = Home.open(place)
    manifests = [read_manifest(home, run) for run in runs(home)]
    assert sum(manifest["observations"]["rows"] for manifest in manifests) >= OBSERVATIONS
    assert all(manifest["counts"]["corrected"] for manifest in manifests[1:])
    (tmp_path / "spark").mkdir()
    with standalone(tmp_path / "spark") as cluster:
        answer = groundrule("replay", "--home", place, "--json", "--engine", "spark", "--master", cluster.master, "--partitions", 24)
        assert all("Asked to launch executor" in cluster.log(f"worker{number}") for number in (0, 1))
    # Every decision beside the stored one, and every digest and the order of rows beside the manifest of its run.
    assert (answer.code, answer.json["identical"], answer.json["runs"]) == (0, True, len(manifests))
    assert answer.json["decisions"] == sum(manifest["decisions"]["rows"] for manifest in manifests)
