"""The second evaluator at work in a service: of every run, a share of the decisions is decided again.

    run ─► batches as decided ─► a share, drawn by a secret ─► plain evaluator ─► differences: event, counter, check

It follows the runs, not the answers: each answer is held against its run as it is, so that whoever altered an answer, the
decision of a run or both is noticed by the one comparison or by the other. The secret is made anew at each start and is
nowhere kept.

Source: reliability specification, section 4.8 step 3.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from typing import Final

from groundrule.pipeline.judge import Judge
from groundrule.pipeline.lateness import DecidedBatch
from groundrule.pipeline.live.answers import Check
from groundrule.pipeline.sampled import LEAST_SHARE, Sampler
from groundrule.store.events import Event

_LOG: Final = logging.getLogger(__name__)


class SecondLook:
    """Decides a share of the batches of runs again; runs are followed by one thread, and counts are read by any.

    Args:
        share: of the decisions.
    """

    def __init__(self, share: float = LEAST_SHARE) -> None:
        self._share = share
        self._secret = os.urandom(32)
        self._sampler: Sampler | None = None
        self._judge: Judge | None = None
        self._lock = threading.Lock()
        self._seen = self._again = self._different = self._failed = 0

    def watch(self, judge: Judge, batch: DecidedBatch) -> None:
        """Take a batch of a run. Whatever goes wrong in looking is counted, and harms no run."""
        try:
            if self._sampler is None or self._judge is not judge:
                self._sampler, self._judge = Sampler(judge, self._secret, self._share), judge
            before = self._sampler.found.again
            found = self._sampler.check(batch.judged)
            with self._lock:
                self._seen += len(batch.judged.table)
                self._again += self._sampler.found.again - before
                self._different += len(found)
        except Exception:  # noqa: BLE001 - the run goes on, whatever the second evaluator met; `check` says so
            _LOG.exception("decisions could not be decided again")
            with self._lock:
                self._failed += 1

    def following(self, first: Callable[[Judge, DecidedBatch], None]) -> Callable[[Judge, DecidedBatch], None]:
        """Return what shows each batch to another watcher, and then to this one."""

        def both(judge: Judge, batch: DecidedBatch) -> None:
            first(judge, batch)
            self.watch(judge, batch)

        return both

    def forget(self) -> None:
        """Let the judge of the last run go."""
        self._sampler = self._judge = None

    @property
    def different(self) -> int:
        """Decisions that the second evaluator did not come to, since the start."""
        return self._different

    def counters(self) -> dict[str, int]:
        """Return what happened since the start, by name [rows; batches for failures]."""
        with self._lock:
            return {
                "decisions_seen": self._seen, "decided_again": self._again, "decided_again_otherwise": self._different,
                "failed_second_looks": self._failed,
            }  # fmt: skip

    def check(self) -> Check:
        """Say whether both evaluators come to the same; one difference is remembered until the next start."""
        with self._lock:
            why = f"{self._different} of {self._again} decisions were decided otherwise the second time" if self._different else ""
            if self._failed and not why:
                why = f"{self._failed} batches could not be decided again"
        return Check("second_evaluator", not why, why)


def difference_event(run: int, found: int, now_ns: int) -> Event:
    """Return the alert that some decisions of a run are not what the second evaluator comes to; it names no terminal."""
    return Event("decisions.differ", now_ns, "run", {"run": run, "decisions": found}, public=True, once=f"differ:{run}")
