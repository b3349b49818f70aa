"""A cluster without an engine: slices are kept in memory, and buckets are answered one after the other in this process."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from groundrule.engines.distributed import Asked, Job, answers_of
from groundrule.engines.slices import Slice
from groundrule.pipeline.decisions import ENGINE
from groundrule.pipeline.replaying import Progress


class PlainCluster:
    """See `groundrule.engines.distributed.Cluster`; what it does in no particular order it does in a random one."""

    def __init__(self, seed: int = 0, engine: str = ENGINE) -> None:
        self._rng, self._engine = np.random.default_rng(seed), engine

    def at_once(self) -> int:
        return 2

    def stop(self) -> None:
        """Nothing is ever under way: a job ends before `run` does."""

    def run(self, job: Job, progress: Progress) -> list[bytes]:
        pieces = [piece for read in job.reads for file in read for piece in job.pieces(file)]
        given: list[bytes] = []
        for bucket in (each for each in self._rng.permutation(job.buckets).tolist() if each not in job.done):
            mine = [piece for piece in pieces if piece.bucket == bucket]
            given += self.answered(answers_of(job.bundle.parent, Asked.of(job, self._engine), self._mixed(mine)))
            progress(job.step, job.rows // job.buckets)
        return given

    def answered(self, answers: Iterator[bytes]) -> list[bytes]:
        """Take the answers of one bucket."""
        return list(answers)

    def _mixed(self, pieces: list[Slice]) -> Iterator[Slice]:
        return (pieces[position] for position in self._rng.permutation(len(pieces)).tolist())
