"""Answers that were kept are used again where nothing has changed, and only there; half of a file is no answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from groundrule.engines.distributed import DistributedReplay, Job, distributed_what_if
from groundrule.engines.kept_answers import keep, kept
from groundrule.errors import StoreError
from groundrule.instant import NS_PER_S
from groundrule.pipeline.comparing import Bounds
from groundrule.pipeline.replaying import Progress, Replay, replay
from groundrule.pipeline.tamper import altered_decision
from groundrule.rules.text import read_rulebook
from groundrule.store.home import Home
from plain_cluster import PlainCluster
from small_home import BOOK, RECORDED, T0, copy_home
from wide_home import wide_home

BUCKETS = 6


class Failing(PlainCluster):
    """A cluster that breaks down after some answers, and says what it was asked for."""

    def __init__(self, answers: int) -> None:
        super().__init__()
        self._left = answers
        self.asked: list[frozenset[int]] = []

    def run(self, job: Job, progress: Progress) -> list[bytes]:
        self.asked.append(job.done)
        return super().run(job, progress)

    def answered(self, answers: Iterator[bytes]) -> list[bytes]:
        if self._left == 0:
            raise StoreError("the cluster broke down")
        self._left -= 1
        return super().answered(answers)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return wide_home(tmp_path_factory.mktemp("filled") / "home", 60, 20)


@pytest.fixture
def home(filled: Home, tmp_path: Path) -> Home:
    return copy_home(filled, tmp_path / "home")


def divided(home: Home, cluster: PlainCluster, checkpoint: Path, **bounds: int) -> Replay:
    return replay(home, **bounds, decider=DistributedReplay(cluster, BUCKETS, checkpoint))


def files(checkpoint: Path) -> list[Path]:
    return sorted(checkpoint.rglob("*.answers"))


def test_what_was_broken_off_goes_on_where_it_was(home: Home, tmp_path: Path) -> None:
    alone, checkpoint = replay(home), tmp_path / "kept"
    broken = Failing(2)
    with pytest.raises(StoreError, match="broke down"):
        divided(home, broken, checkpoint)
    done = {int(path.stem.removeprefix("bucket-")) for path in files(checkpoint)}
    assert len(done) == 2
    again = Failing(BUCKETS)
    assert divided(home, again, checkpoint) == alone
    assert broken.asked == [frozenset()]
    assert again.asked == [frozenset(done)]
    # Everything is there now, and nobody is asked any more.
    never = Failing(0)
    assert divided(home, never, checkpoint) == alone
    assert never.asked == []


def test_a_file_that_is_not_whole_is_no_answer(home: Home, tmp_path: Path) -> None:
    alone, checkpoint = replay(home), tmp_path / "kept"
    assert divided(home, PlainCluster(), checkpoint) == alone
    whole = files(checkpoint)
    assert len(whole) == BUCKETS
    whole[1].write_bytes(whole[1].read_bytes()[:-1])
    whole[2].write_bytes(b"")
    data = bytearray(whole[4].read_bytes())
    data[40] ^= 1
    whole[4].write_bytes(bytes(data))
    again = Failing(BUCKETS)
    assert divided(home, again, checkpoint) == alone
    assert again.asked == [frozenset({0, 3, 5})]


def test_answers_count_for_the_bytes_of_history_that_they_were_given_for(home: Home, tmp_path: Path) -> None:
    checkpoint = tmp_path / "kept"
    assert divided(home, PlainCluster(), checkpoint).identical
    with altered_decision(home, 1):
        alone, again = replay(home), Failing(BUCKETS)
        assert alone.difference is not None
        assert divided(home, again, checkpoint) == alone
        assert again.asked == [frozenset()]


def test_another_question_has_answers_of_its_own(home: Home, tmp_path: Path) -> None:
    checkpoint = tmp_path / "kept"
    assert divided(home, PlainCluster(), checkpoint).identical
    bounds = {"from_ns": T0 + 600 * NS_PER_S}
    again = Failing(BUCKETS)
    assert divided(home, again, checkpoint, **bounds) == replay(home, **bounds)
    assert again.asked == [frozenset()]


def test_a_what_if_that_is_asked_again_later_is_the_same_question(home: Home, tmp_path: Path) -> None:
    book = read_rulebook(BOOK.replace("above: 75, release_below: 70", "above: 45, release_below: 40"))

    def asked(cluster: PlainCluster, at_ns: int) -> object:
        return distributed_what_if(
            home, book, cluster, recorded_at_ns=at_ns, bounds=Bounds(), buckets=BUCKETS, checkpoint=tmp_path / "kept"
        )

    first = asked(PlainCluster(), RECORDED + 100 * NS_PER_S)
    never = Failing(0)
    assert asked(never, RECORDED + 900 * NS_PER_S) == first
    assert never.asked == []


def test_a_folder_that_a_worker_does_not_see_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is not on this machine"):
        keep(tmp_path / "elsewhere", 3, [b"answer"])


def test_no_answers_are_an_answer(tmp_path: Path) -> None:
    keep(tmp_path, 3, [])
    keep(tmp_path, 1, [b"a", b""])
    assert kept(tmp_path, 5) == {1: [b"a", b""], 3: []}
