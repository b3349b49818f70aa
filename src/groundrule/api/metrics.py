"""Counters for Prometheus; no terminal, account, person or area is ever a label."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Final

import numpy as np
import pyarrow as pa
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from groundrule.instant import NS_PER_S
from groundrule.pipeline.live import Answered, Brief, Live

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """Counters of one service; each has a registry of its own, so that two services in a process do not mix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        own = self.registry
        self._kept: dict[tuple[object, ...], Any] = {}
        self.requests = Counter("groundrule_http_requests", "Requests answered", ["route", "method", "status"], registry=own)
        self.durations = Histogram("groundrule_http_request_seconds", "Time to answer", ["route"], buckets=SECONDS, registry=own)
        self.denied = Counter("groundrule_http_denied", "Attempts denied", ["permission", "status"], registry=own)
        self.limited = Counter("groundrule_http_rate_limited", "Requests beyond the limit", ["kind"], registry=own)
        self.decisions = Counter("groundrule_decisions", "Decisions answered", ["outcome", "state"], registry=own)
        self.rejected = Counter("groundrule_observations_rejected", "Observations that could not be used", ["reason"], registry=own)
        self.degraded = Counter("groundrule_decisions_degraded", "Decisions given under a fault", ["cause"], registry=own)
        self.observation_age_s = Gauge("groundrule_newest_observation_age_seconds", "Age of the newest observation", registry=own)
        self.policy_age_s = Gauge("groundrule_policy_checked_age_seconds", "Time since what is in force was found in the log", registry=own)
        self.pending_rows = Gauge("groundrule_pending_observations", "Acknowledged, not yet in a run", registry=own)
        self.witness_lag_s = Gauge("groundrule_witness_lag_seconds", "Time since a quorum of witnesses cosigned", registry=own)
        self.differing = Gauge("groundrule_answers_differing", "Answers that the committed run decided otherwise", registry=own)
        self.again = Gauge("groundrule_decisions_decided_again", "Decisions that the second evaluator decided again", registry=own)
        self.doubted = Gauge("groundrule_decisions_doubted", "Decisions that the second evaluator did not come to", registry=own)

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request and the time that it took [s]."""
        self._of(self.requests, route, method, str(status)).inc()
        self._of(self.durations, route).observe(seconds)

    def _of(self, kind: Counter | Histogram, *labels: str) -> Any:
        """Return one counter of a kind; its own way to it costs more than to count."""
        key = (kind, *labels)
        found = self._kept.get(key)
        if found is None:
            found = self._kept[key] = kind.labels(*labels)
        return found

    def count_brief(self, brief: Brief) -> None:
        """Count the decisions of one short answer."""
        for pair in zip(brief.words.outcome, brief.words.state, strict=True):
            self._of(self.decisions, *pair).inc()
        for cause in brief.degraded:
            self.degraded.labels(cause.removeprefix("degraded:")).inc(len(brief.words))

    def count(self, answered: Answered) -> None:
        """Count the decisions of one answer."""
        table = answered.decisions
        if len(table):
            for outcome, state, number in _pairs(table):
                self.decisions.labels(outcome, state).inc(number)
            for cause in answered.degraded:
                self.degraded.labels(cause.removeprefix("degraded:")).inc(len(table))
        for each in answered.rejected:
            self.rejected.labels(each.reason).inc()

    def measure(self, homes: Iterable[Live], now_ns: int) -> None:
        """Set what is true now; of several homes the worst.

        Args:
            homes: all that are open.
            now_ns: the time [ns, UTC].
        """
        states = [each.status() for each in homes]
        newest = [each.newest_observed_ns for each in states if each.newest_observed_ns is not None]
        self.pending_rows.set(sum(each.pending_rows for each in states))
        self.differing.set(sum(each.counters.get("differences", 0) for each in states))
        self.again.set(sum(each.counters.get("decided_again", 0) for each in states))
        self.doubted.set(sum(each.counters.get("decided_again_otherwise", 0) for each in states))
        self.observation_age_s.set((now_ns - min(newest)) / NS_PER_S if newest else math.nan)
        for gauge, name in ((self.policy_age_s, "policy_s"), (self.witness_lag_s, "witness_s")):
            ages = [age for each in states if (age := getattr(each.staleness, name)) is not None]
            gauge.set(max(ages) if ages else math.nan)

    def text(self) -> bytes:
        """Return them in the text form of Prometheus."""
        return generate_latest(self.registry)


def _pairs(table: pa.Table) -> list[tuple[str, str, int]]:
    """Return how many rows have each outcome and state."""
    if len(table) == 1:
        return [(table.column("outcome")[0].as_py(), table.column("state")[0].as_py(), 1)]
    parts = (table.column(name).unify_dictionaries().combine_chunks() for name in ("outcome", "state"))
    outcomes, states = (each.chunk(0) if isinstance(each, pa.ChunkedArray) else each for each in parts)
    names, words = outcomes.dictionary.to_pylist(), states.dictionary.to_pylist()
    codes = outcomes.indices.to_numpy().astype(np.int64) * len(words) + states.indices.to_numpy()
    counts = np.bincount(codes).tolist()
    return [(names[code // len(words)], words[code % len(words)], number) for code, number in enumerate(counts) if number]
