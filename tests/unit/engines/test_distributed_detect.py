"""Signals of a history that was divided by terminal are those of one machine, row for row: of every kind, however it was divided."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console import Answer, groundrule, refused
from detected_stream import fresh_detection, signals_over, wild_observations
from groundrule.detect.signals import KINDS
from groundrule.engines.distributed_detect import distributed_detection
from groundrule.errors import IntegrityError
from groundrule.pipeline.detecting import Detection
from groundrule.pipeline.history import all_observations, first_observed_ns
from groundrule.pipeline.manifests import runs
from groundrule.pipeline.watched import NOTE_SCHEMA, Watched, meet
from groundrule.store.history import run_files
from groundrule.store.home import Home
from late_delivery import deliver
from plain_cluster import PlainCluster
from small_home import RECORDED, copy_home, make_home, run
from suspect_home import suspect_home


@pytest.fixture(scope="module")
def suspects(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = suspect_home(tmp_path_factory.mktemp("suspects") / "home")
    assert len(runs(home)) > 1
    return home


@pytest.fixture(scope="module")
def alone(suspects: Home) -> Detection:
    detection = fresh_detection(suspects)
    signals_over(detection, all_observations(suspects))
    return detection


def divided(home: Home, buckets: int, seed: int = 0) -> Detection:
    return distributed_detection(home, PlainCluster(seed), recorded_at_ns=RECORDED, buckets=buckets)[0]


def assert_same(found: Detection, alone: Detection) -> None:
    assert found.table().to_pylist() == alone.table().to_pylist()
    assert found.table().equals(alone.table())
    counts = ("observations", "late", "withdrawn")
    assert [getattr(found, name) for name in counts] == [getattr(alone, name) for name in counts]


def test_the_history_raises_signals_of_every_kind_that_follows_from_observations(alone: Detection) -> None:
    service = {kind.name for kind in KINDS.values() if kind.cause == "service"}
    assert {each.kind for each in alone.signals} == set(KINDS) - service
    assert alone.withdrawn > 0
    assert len(alone.signals) > 80


@pytest.mark.parametrize("buckets", [1, 2, 7, 64])
def test_any_number_of_buckets_gives_the_signals_of_one_machine(suspects: Home, alone: Detection, buckets: int) -> None:
    assert_same(divided(suspects, buckets, seed=buckets), alone)


def test_one_delivery_and_several_with_late_and_repeated_rows_give_the_same_signals(alone: Detection, tmp_path: Path) -> None:
    once = suspect_home(tmp_path / "once", deliveries=None)
    assert len(runs(once)) == 1
    assert_same(divided(once, 5), alone)


@settings(max_examples=6)
@given(seed=st.integers(0, 2**32 - 1), buckets=st.integers(1, 9))
def test_random_deliveries_in_any_number_of_buckets(tmp_path_factory: pytest.TempPathFactory, seed: int, buckets: int) -> None:
    home = make_home(tmp_path_factory.mktemp("random") / "home")
    for part in deliver(wild_observations(seed), seed)[0]:
        run(home, part)
    one = fresh_detection(home)
    signals_over(one, all_observations(home))
    assert_same(divided(home, buckets, seed), one)
    shutil.rmtree(home.path)


def test_how_notes_are_divided_makes_no_difference_where_they_meet(
    suspects: Home, alone: Detection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("groundrule.pipeline.watched.NOTES_AT_ONCE", 97)

    def mixed(detection: Detection, recalled: object, parts: Sequence[Watched]) -> None:
        meet(detection, recalled, parts[::-1])  # type: ignore[arg-type]  # as it was given

    monkeypatch.setattr("groundrule.engines.distributed_detect.meet", mixed)
    assert_same(divided(suspects, 7), alone)


def test_of_most_observations_nothing_is_noted(suspects: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    noted: list[pa.Table] = []

    def counted(detection: Detection, recalled: object, parts: Sequence[Watched]) -> None:
        noted.extend(each.notes for each in parts)
        meet(detection, recalled, parts)  # type: ignore[arg-type]  # as it was given

    monkeypatch.setattr("groundrule.engines.distributed_detect.meet", counted)
    found = divided(suspects, 1)
    assert noted[0].schema == NOTE_SCHEMA
    assert 0 < len(noted[0]) < found.observations * 0.6


def test_a_part_that_was_answered_is_not_asked_again(suspects: Home, alone: Detection, tmp_path: Path) -> None:
    class Gone(PlainCluster):
        def run(self, *_: object) -> list[bytes]:
            raise AssertionError("nothing is left to ask")

    for cluster in (PlainCluster(), Gone()):
        found, _ = distributed_detection(suspects, cluster, recorded_at_ns=RECORDED, buckets=3, checkpoint=tmp_path)
        assert_same(found, alone)


def test_a_history_that_cannot_be_read_is_told(suspects: Home, tmp_path: Path) -> None:
    home = copy_home(suspects, tmp_path / "home")
    run_files(home, "observations", 2)[-1].write_bytes(b"PAR1")
    with pytest.raises(IntegrityError, match="cannot be read"):
        divided(home, 3)


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.fixture
def plain_spark(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster without Spark behind `--engine spark`."""

    @contextmanager
    def opened(_: str) -> Iterator[PlainCluster]:
        yield PlainCluster(4)

    pytest.importorskip("pyspark", reason="PySpark is not installed; pip install 'groundrule[spark]'")
    monkeypatch.setattr("groundrule.engines.spark.spark_cluster", opened)


def on_cluster(*words: object) -> Answer:
    return groundrule(*words, "--engine", "spark", "--master", "local[2]", "--partitions", 5)


@pytest.mark.usefixtures("plain_spark")
@pytest.mark.parametrize("more", [(), ("--json",), ("--json", "--kind", "convoy", "--terminal", "column3", "--terminal", "drone0")])
def test_the_command_prints_what_it_prints_without_a_cluster(suspects: Home, more: tuple[str, ...]) -> None:
    answer = groundrule("detect", "--home", suspects.path, *more)
    assert answer.code == 0, answer
    assert on_cluster("detect", "--home", suspects.path, *more) == answer


@pytest.mark.usefixtures("plain_spark")
def test_what_is_written_and_kept_is_the_same_byte_for_byte(suspects: Home, tmp_path: Path) -> None:
    one, other = copy_home(suspects, tmp_path / "one"), copy_home(suspects, tmp_path / "other")
    assert groundrule("detect", "--home", one.path, "--out", tmp_path / "one.parquet", "--keep").code == 0
    assert on_cluster("detect", "--home", other.path, "--out", tmp_path / "other.parquet", "--keep").code == 0
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "other.parquet").read_bytes()
    cases = [groundrule("cases", "list", "--home", home.path, "--json").out for home in (one, other)]
    assert cases[0] == cases[1]
    assert len(cases[0]) > 100


@pytest.mark.usefixtures("plain_spark")
def test_a_home_that_has_decided_nothing_has_nothing_to_look_at(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    assert first_observed_ns(home) is None
    refused(on_cluster("detect", "--home", home.path), "there is no observation that can be used")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--engine", "flink", "--master", "local[2]"), "there is no engine `flink`"),
        (("--engine", "spark"), "--engine spark needs a master"),
        (("--master", "local[2]"), "--master is for a cluster; add --engine spark"),
        (("--checkpoint", "kept"), "--checkpoint is for a cluster; add --engine spark"),
        (("given.csv", "--engine", "spark", "--master", "local[2]"), "a cluster looks at what the home has decided, and not at files"),
        (("--verifications", "kept.parquet"), "what the home has decided is looked at with the verifications that it was decided with"),
        (("--engine", "spark", "--master", "local[2]", "--kind", "drone"), "there is no signal `drone`"),
    ],
)
def test_wrong_use_is_told_before_anything_starts(suspects: Home, options: tuple[object, ...], words: str) -> None:
    refused(groundrule("detect", "--home", suspects.path, *options), words)
