"""A cluster reads history in object storage, and decides and keeps answers there: what comes out is what comes out of directories."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from console import groundrule, refused
from decided_alike import alone, assert_alike, spread, write_given
from groundrule.engines.decided_folder import MANIFEST, DecidedFolder
from groundrule.engines.distributed import DistributedReplay, distributed_what_if
from groundrule.errors import ConflictError, IntegrityError, StoreError
from groundrule.pipeline.home import rulebook_of
from groundrule.pipeline.manifests import runs
from groundrule.pipeline.overlay import NO_OVERLAY
from groundrule.pipeline.replaying import replay
from groundrule.store.exclusive import exclusive
from groundrule.store.history import run_files
from groundrule.store.home import Home
from groundrule.store.places import ObjectPath
from late_delivery import deliver
from object_storage import Storage, free_port
from plain_cluster import PlainCluster
from small_home import RECORDED, copy_home, make_home, run, stream


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return make_home(tmp_path_factory.mktemp("template") / "home")


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> list[list[Path]]:
    folder = tmp_path_factory.mktemp("given")
    return [write_given(folder, f"part{number}", each) for number, each in enumerate(deliver(stream(3, rows=240), 3)[0])]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, storage: Storage) -> Home:
    """A home with its history in object storage, and rows that were corrected."""
    home = make_home(tmp_path_factory.mktemp("filled") / "home", history=storage.address())
    for number, part in enumerate(deliver(stream(5, rows=240), 0)[0]):
        run(home, part, recorded_at=RECORDED + number)
    return home


def away(template: Home, path: Path, storage: Storage) -> Home:
    """The same home with its history in object storage."""
    copied = replace(copy_home(template, path), history_at=storage.place())
    shutil.rmtree(path / "history")
    copied.mark_history()
    (path / "home.json").write_bytes(copied.description())
    return Home.open(path)


class Failing(PlainCluster):
    """Breaks down after some buckets."""

    def __init__(self, answers: int) -> None:
        super().__init__()
        self.left, self.asked = answers, 0

    def answered(self, answers: Iterator[bytes]) -> list[bytes]:
        if self.left == 0:
            raise StoreError("the cluster broke down")
        self.left -= 1
        self.asked += 1
        return super().answered(answers)


def test_a_replay_reads_objects_and_finds_what_was_changed(filled: Home) -> None:
    here, there = replay(filled), replay(filled, decider=DistributedReplay(PlainCluster(), 4))
    assert there.identical
    assert there == here
    path = run_files(filled, "decisions", 1)[0]
    kept = path.read_bytes()
    path.write_bytes(kept[:-50])
    try:
        found = replay(filled, decider=DistributedReplay(PlainCluster(), 4))
        assert not found.identical
    finally:
        path.write_bytes(kept)


def test_answers_are_kept_in_object_storage_and_a_broken_job_goes_on_there(filled: Home, storage: Storage) -> None:
    checkpoint = storage.place()
    with pytest.raises(StoreError, match="broke down"):
        replay(filled, decider=DistributedReplay(Failing(2), 4, checkpoint))
    assert len(checkpoint.below()) == 2
    rest = Failing(99)
    assert replay(filled, decider=DistributedReplay(rest, 4, checkpoint)).identical
    assert rest.asked == 2
    book = rulebook_of(filled)
    asked = {"recorded_at_ns": RECORDED, "overlay": NO_OVERLAY, "buckets": 4}
    plain = distributed_what_if(filled, book, PlainCluster(), **asked)
    assert distributed_what_if(filled, book, PlainCluster(), **asked, checkpoint=checkpoint) == plain
    again = Failing(0)
    assert distributed_what_if(filled, book, again, **asked, checkpoint=checkpoint) == plain


def test_batches_in_object_storage_are_the_runs_of_one_machine_and_are_taken(
    template: Home, parts: list[list[Path]], storage: Storage, tmp_path: Path
) -> None:
    one, asked, out = copy_home(template, tmp_path / "alone"), away(template, tmp_path / "asked", storage), storage.place()
    for number, files in enumerate(parts):
        alone(one, files, RECORDED + number)
        spread(asked, files, out, PlainCluster(number), RECORDED + number, 3)
    assert_alike(one, out)
    assert DecidedFolder.open(out).check() > 10
    assert not any("_answers" in each.name for each in out.below())
    made = groundrule("decided", out.address, "--take", "--home", asked.path, "--json").json
    assert [each["run"] for each in made["taken"]] == [number + 1 for number in range(len(parts))]
    assert len(runs(asked)) == len(parts)
    assert_alike(asked, out)
    assert replay(asked).identical


def test_a_batch_that_broke_off_is_not_there_and_goes_on(template: Home, parts: list[list[Path]], storage: Storage, tmp_path: Path) -> None:
    home, out = copy_home(template, tmp_path / "home"), storage.place()
    spread(home, parts[0], out, PlainCluster(), RECORDED, 4)
    with pytest.raises(StoreError, match="broke down"):
        spread(home, parts[1], out, Failing(2), RECORDED + 1)
    assert len(DecidedFolder.open(out).batches) == 1
    rest = Failing(99)
    found = spread(home, parts[1], out, rest, RECORDED + 2)
    assert rest.asked == 2
    assert found.batch.manifest["recorded_at_ns"] == str(RECORDED + 1)
    with pytest.raises(StoreError, match="broke down"):
        spread(home, parts[2], out, Failing(1), RECORDED + 3)
    # Another input begins anew, without what the attempt before has written.
    other = spread(home, parts[3], out, PlainCluster(), RECORDED + 4)
    assert other.batch.manifest["recorded_at_ns"] == str(RECORDED + 4)
    assert DecidedFolder.open(out).check() > 0


@pytest.mark.parametrize("how", ["changed", "removed", "manifest"])
def test_what_was_changed_in_object_storage_is_named(
    template: Home, parts: list[list[Path]], storage: Storage, tmp_path: Path, how: str
) -> None:
    home, out = copy_home(template, tmp_path / "home"), storage.place()
    for number in (0, 1):
        spread(home, parts[number], out, PlainCluster(), RECORDED + number, 2)
    batch = DecidedFolder.open(out).batches[0]
    path = batch.folder / (MANIFEST if how == "manifest" else batch.files[0].name)
    assert isinstance(path, ObjectPath)
    if how == "changed":
        path.write_bytes(path.read_bytes()[:-1] + b"x")
    else:
        path.unlink()
    with pytest.raises(IntegrityError, match=str(path if how != "manifest" else batch.folder)):
        DecidedFolder.open(out).check()
    found = groundrule("decided", out.address)
    assert (found.code, "batch-000001" in found.err) == (1, True)


def test_two_commands_of_one_home_do_not_write_one_prefix(
    template: Home, parts: list[list[Path]], storage: Storage, tmp_path: Path
) -> None:
    home, out = copy_home(template, tmp_path / "home"), storage.place()
    spread(home, parts[0], out, PlainCluster(), RECORDED, 2)
    (lock,) = home.cache.glob("decided-*.lock")
    with exclusive(lock, out), pytest.raises(ConflictError, match="is writing to `s3://"):
        spread(home, parts[1], out, PlainCluster(), RECORDED + 1)


def test_a_worker_that_does_not_reach_the_history_says_so(filled: Home) -> None:
    history = filled.history
    assert isinstance(history, ObjectPath)

    class Elsewhere(PlainCluster):
        def run(self, job, progress):  # type: ignore[no-untyped-def]
            reads = [[replace(f, path=f.path.replace(str(port), str(free_port()))) for f in read] for read in job.reads]
            return super().run(replace(job, reads=reads), progress)

    port = history.query.split("%3A")[1].split("&")[0]
    with pytest.raises(StoreError, match="does not answer"):
        replay(filled, decider=DistributedReplay(Elsewhere(), 2))


def test_what_a_cluster_cannot_write_into_object_storage_is_refused_by_name(filled: Home, tmp_path: Path) -> None:
    (tmp_path / "landing").mkdir()
    (tmp_path / "given.csv").write_text("terminal_id,observed_at,lat,lon\ncar,2026-03-02T10:00:00Z,5,5\n")
    home, cluster = ["--home", filled.path], ["--engine", "spark", "--master", "local[1]", "--no-detect"]
    watched = groundrule("watch", tmp_path / "landing", *home, *cluster, "--out", "s3://bucket/p")
    refused(watched, "a watch cannot write", "name a directory")
    refused(groundrule("decide", tmp_path / "given.csv", *home, "--out", "s3://bucket/p"), "is no file of this machine", "--engine spark")
    refused(groundrule("decide", tmp_path / "given.csv", *home, *cluster, "--out", "s3://a:b@bucket/p"), "holds a user or a secret")
    refused(groundrule("decided", "s3a://bucket/p"), "`s3a://` is not known")
