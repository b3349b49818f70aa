"""Replay and what-if on a real standalone cluster: a master and two workers, separate processes, and the answers of one machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from console import Answer, groundrule, refused
from decided_alike import alone, assert_alike, write_given
from groundrule.engines.distributed import DistributedReplay, Job, ReplayBuckets
from groundrule.engines.slices import files_of, reads_of
from groundrule.errors import StoreError
from groundrule.pipeline.comparing import Bounds
from groundrule.pipeline.manifests import read_manifest, runs
from groundrule.pipeline.replaying import replay
from groundrule.pipeline.tamper import altered_decision
from groundrule.store.home import Home
from groundrule.store.observations import expand_paths
from small_home import copy_home
from spark_places import Standalone, needs_spark, standalone
from suspect_home import suspect_home
from wide_home import drives, wide_home

TERMINALS, STEPS = 2_000, 50


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return wide_home(tmp_path_factory.mktemp("wide") / "home", TERMINALS, STEPS)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standalone]:
    needs_spark()
    with pytest.MonkeyPatch.context() as patch:
        # The session sets what it needs in the environment of its process.
        for name in ("PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON", "SPARK_LOCAL_IP"):
            patch.delenv(name, raising=False)
        with standalone(tmp_path_factory.mktemp("spark")) as made:
            yield made
        for name in ("PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON", "SPARK_LOCAL_IP"):
            os.environ.pop(name, None)


def on(cluster: Standalone, *arguments: object) -> Answer:
    return groundrule(*arguments, "--engine", "spark", "--master", cluster.master, "--partitions", 7)


def test_a_replay_prints_what_one_machine_prints(home: Home, cluster: Standalone) -> None:
    alone = groundrule("replay", "--home", home.path, "--json")
    spread = on(cluster, "replay", "--home", home.path, "--json")
    assert (alone.code, alone.json["identical"], alone.json["runs"]) == (0, True, 4)
    assert alone.json["decisions"] > TERMINALS * STEPS
    assert sum(read_manifest(home, run)["counts"]["corrected"] for run in runs(home)) > 10_000
    assert spread == alone
    # Both workers took part.
    assert all("Asked to launch executor" in cluster.log(f"worker{number}") for number in (0, 1))


def test_a_what_if_prints_what_one_machine_prints_and_draws_the_same_map(home: Home, cluster: Standalone, tmp_path: Path) -> None:
    rules = tmp_path / "other.yaml"
    rules.write_text(next(home.path.parent.glob("*-rules.yaml")).read_text(encoding="utf-8"), encoding="utf-8")
    asked = ("whatif", "--rules", rules, "--home", home.path, "--json")
    alone = groundrule(*asked, "--map", tmp_path / "alone.png")
    spread = on(cluster, *asked, "--map", tmp_path / "spread.png")
    assert alone.code == 0, alone
    assert alone.json["terminals"] == TERMINALS
    assert 100 < alone.json["changed_terminals"] < TERMINALS
    assert spread == alone
    assert (tmp_path / "spread.png").read_bytes() == (tmp_path / "alone.png").read_bytes()


def test_a_cluster_finds_the_signals_that_one_machine_finds(cluster: Standalone, tmp_path: Path) -> None:
    suspects = suspect_home(tmp_path / "home")
    asked = ("detect", "--home", suspects.path, "--terminal", "camp3", "--json", "--out")
    alone = groundrule(*asked, tmp_path / "signals.parquet")
    written = (tmp_path / "signals.parquet").read_bytes()
    assert alone.code == 0, alone
    assert alone.json["signals"] > 80
    for _ in range(2):
        (tmp_path / "signals.parquet").unlink()
        assert on(cluster, *asked, tmp_path / "signals.parquet") == alone
        assert (tmp_path / "signals.parquet").read_bytes() == written


def test_a_cluster_that_gives_no_worker_is_told_as_that(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs_spark()
    monkeypatch.setattr("groundrule.engines.spark_session.WORKERS_S", 2.0)
    with standalone(tmp_path, workers=0) as empty:
        answer = groundrule("replay", "--home", home.path, "--engine", "spark", "--master", empty.master)
    assert answer.code == 3
    assert "gave no executor within 2 s" in answer.err
    assert "java" not in answer.err.lower()


def test_threads_of_this_machine_do_as_well(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    needs_spark()
    from groundrule.engines.spark import spark_cluster

    for name in ("PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON", "SPARK_LOCAL_IP"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
        monkeypatch.delenv(name)
    told: dict[str, int] = {}

    def progress(step: str, rows: int) -> None:
        told[step] = told.get(step, 0) + rows

    with spark_cluster("local[2]") as threads:
        with altered_decision(home, 3):
            alone = replay(home)
            assert alone.difference is not None
            assert replay(home, decider=DistributedReplay(threads, 3), progress=progress) == alone
        # A worker's fault comes in our words: nothing of the home is where the tasks look for it.
        moved = home.path.with_name("moved")
        home.path.rename(moved)
        try:
            with pytest.raises(StoreError, match="is not on the machine"):
                threads.run(_reading(home, Home.open(moved)), progress)
        finally:
            moved.rename(home.path)
    observations = sum(read_manifest(home, run)["observations"]["rows"] for run in runs(home))
    assert told["read"] == told["replay"] == observations


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--engine", "flink", "--master", "local[2]"), "there is no engine `flink`"),
        (("--engine", "spark"), "--engine spark needs a master"),
        (("--master", "local[2]"), "--master is for a cluster; add --engine spark"),
        (("--checkpoint", "kept"), "--checkpoint is for a cluster; add --engine spark"),
        (("--partitions", 3), "--partitions is for a cluster; add --engine spark"),
        (("--engine", "spark", "--master", "127.0.0.1:7077"), "`127.0.0.1:7077` is no address of a Spark master"),
    ],
)
def test_wrong_use_is_told_before_anything_starts(home: Home, options: tuple[object, ...], words: str) -> None:
    refused(groundrule("replay", "--home", home.path, *options), words)
    refused(groundrule("whatif", "--rules", "world-2026", "--home", home.path, *options), words)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--no-detect",), "a cluster writes decisions into a folder"),
        (("--detect", "--out", "out"), "a cluster detects nothing"),
        (("--no-detect", "--out", "out", "--time-unit", "weeks"), "`weeks` is not a unit of time"),
    ],
)
def test_what_a_cluster_does_not_decide_is_told(home: Home, options: tuple[str, ...], words: str, tmp_path: Path) -> None:
    given = write_given(tmp_path, "given", drives(2, 2), 1)
    refused(groundrule("decide", *given, "--home", home.path, *options, "--engine", "spark", "--master", "local[2]"), words)


def test_coverage_is_not_for_a_cluster(home: Home) -> None:
    answer = groundrule("whatif", "--coverage", "country:AT", "--home", home.path, "--engine", "spark", "--master", "local[2]")
    refused(answer, "--coverage is worked out on this machine")


def test_a_master_that_nobody_answers_at_is_told_at_once(home: Home) -> None:
    needs_spark()
    answer = groundrule("replay", "--home", home.path, "--engine", "spark", "--master", "spark://127.0.0.1:9")
    refused(answer, "no Spark master answers at `spark://127.0.0.1:9`")


def test_a_missing_package_names_its_extra(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark", None)
    answer = groundrule("replay", "--home", home.path, "--engine", "spark", "--master", "local[2]")
    refused(answer, "pip install 'groundrule[spark]'")


def test_missing_java_is_told_as_that(home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("pyspark", reason="PySpark is not installed; pip install 'groundrule[spark]'")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    answer = groundrule("replay", "--home", home.path, "--engine", "spark", "--master", "local[2]")
    refused(answer, "Spark needs Java, and there is none")


def _reading(home: Home, moved: Home) -> Job:
    files = [replace(file, path=file.path.replace(str(moved.path), str(home.path))) for file in files_of(moved, [1], decisions=False)]
    bundle = home.path.with_name("empty.bundle.zip")
    bundle.write_bytes(b"")
    return Job("replay", reads_of(files, 2), 2, bundle, ReplayBuckets((1,), Bounds(), frozenset()), 1)


def test_files_are_decided_into_a_folder_as_one_machine_decides_them(home: Home, cluster: Standalone, tmp_path: Path) -> None:
    one, asked = copy_home(home, tmp_path / "alone"), copy_home(home, tmp_path / "asked")
    # Behind what the home has of these terminals, beside it, and after it.
    more = drives(1_000, 60, seed=7)
    given = write_given(tmp_path / "given", "more", pa.concat_tables([more, more.slice(0, 5_000)]), 4)
    answer = on(cluster, "decide", given[0].parent, "--home", asked.path, "--no-detect", "--out", tmp_path / "out", "--json")
    assert answer.code == 0, answer
    read = groundrule("decided", tmp_path / "out", "--json").json
    alone(one, expand_paths(given[0].parent), int(read["batches"][-1]["recorded_at_ns"]))
    assert_alike(one, tmp_path / "out", before=4)
    assert answer.json["duplicates"] >= 5_000
    assert answer.json["corrected"] > 10_000
    # The home that was asked has nothing new, and somebody else's half is refused.
    assert runs(asked) == [1, 2, 3, 4]
    (tmp_path / "out" / "batch-000001" / "_manifest.json").unlink()
    refused(groundrule("decided", tmp_path / "out"), "holds no finished batch")
