"""Counters for Prometheus; no terminal, account, person or area is ever a label.

Requests and answers are counted as they happen; what the open homes count and measure themselves is read when somebody asks.
`monitoring/` holds a dashboard and alert rules that name what is given here, and a test that holds them to it.
"""

from __future__ import annotations

import math
import threading
from collections import Counter as Tally
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from groundrule.instant import NS_PER_S
from groundrule.pipeline.degraded import Cause
from groundrule.pipeline.live import Answered, Brief, Live, LiveStatus
from groundrule.pipeline.live.steps import BOUNDS_S
from groundrule.records import OUTCOME_WORDS, ServiceState
from groundrule.store.subscriptions import SINK_KINDS

if TYPE_CHECKING:
    from groundrule.api.outlets import Outlet

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
CAUSES: Final = tuple(cause.value for cause in Cause if cause is not Cause.LOCATION_UNVERIFIABLE)
"""Causes of degraded decisions that a service can have; a location is verifiable or not for each terminal by itself."""
COUNTED: Final = (
    ("groundrule_observations_accepted", "accepted", "Observations that were acknowledged"),
    ("groundrule_observations_late", "late", "Observations that came after a later one of their terminal, or too late"),
    ("groundrule_observations_repeated", "duplicates", "Observations that were known already"),
    ("groundrule_observations_detected", "detected", "Observations that detectors looked at"),
    ("groundrule_observations_undetected", "undetected", "Observations that were answered and never looked at by detectors"),
    ("groundrule_signals", "signals", "Signals that detectors raised"),
    ("groundrule_signals_withdrawn", "withdrawn", "Signals that detectors took back"),
    ("groundrule_detector_restarts", "detector_restarts", "How often the process of detectors ended and was started anew"),
)
"""Name, counter of the desk, meaning; they begin anew with the service, as Prometheus expects of counters."""
COMPARED: Final = (
    ("groundrule_answers_differing", "differences", "Answers that the committed run decided otherwise, since the start"),
    ("groundrule_decisions_decided_again", "decided_again", "Decisions that the second evaluator decided again, since the start"),
    ("groundrule_decisions_doubted", "decided_again_otherwise", "Decisions that the second evaluator did not come to, since the start"),
)
AGES: Final = (
    ("groundrule_policy_checked_age_seconds", "policy_s", "Time since what is in force was found in the log"),
    ("groundrule_witness_lag_seconds", "witness_s", "Time since a quorum of witnesses cosigned"),
    ("groundrule_screening_age_seconds", "screening_s", "Age of the oldest of the newest sanctions lists"),
)
"""Name, age in `Staleness`, meaning; what is not known is not a number, which no alert takes for a value."""


class Metrics(Collector):
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
        self.degraded = Counter("groundrule_decisions_degraded", "Decisions given under a fault", ["cause"], registry=own)
        # A counter that appears with its first event hides that event from every rate: what can be named is there from the start.
        for outcome in OUTCOME_WORDS:
            for state in ServiceState:
                self._of(self.decisions, outcome, state.value)
        for cause in Cause:
            self._of(self.degraded, cause.value)
        self._measured: Sequence[Metric] = ()
        self._lock = threading.Lock()
        own.register(self)

    def collect(self) -> Iterable[Metric]:
        """Return what was measured last; the registry asks."""
        return self._measured

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

    def text(self, homes: Mapping[str, Live], outlets: Mapping[str, Outlet], now_ns: int) -> bytes:
        """Measure what is true now, and return everything in the text form of Prometheus; of several homes sums, or the worst.

        Args:
            homes: all that are open, by tenant.
            outlets: what tells others what happens in them, by tenant.
            now_ns: the time [ns, UTC].
        """
        with self._lock:
            self._measured = [*_measured([each.status() for each in homes.values()], now_ns), *_deliveries(list(outlets.values()), now_ns)]
            return generate_latest(self.registry)


def _measured(states: Sequence[LiveStatus], now_ns: int) -> Iterable[Metric]:
    """Say how the desks are, and what they counted."""

    def total(name: str) -> int:
        return sum(each.counters.get(name, 0) for each in states)

    yield GaugeMetricFamily("groundrule_ready", "1 while decisions can be taken", float(all(each.ready for each in states)))
    checks: dict[str, bool] = {}
    for check in (check for each in states for check in each.checks):
        checks[check.name] = checks.get(check.name, True) and check.ok
    yield _gauge("groundrule_check_ok", "1 where what is checked is well", "check", checks)
    active = {code.removeprefix("degraded:") for each in states for code in each.degraded}
    yield _gauge("groundrule_degraded", "1 while a part is down", "cause", {cause: cause in active for cause in CAUSES})
    newest = [each.newest_observed_ns for each in states if each.newest_observed_ns is not None]
    age_s = (now_ns - min(newest)) / NS_PER_S if newest else math.nan
    yield GaugeMetricFamily("groundrule_newest_observation_age_seconds", "Age of the newest observation", age_s)
    for metric, name, meaning in AGES:
        yield GaugeMetricFamily(metric, meaning, _worst(getattr(each.staleness, name) for each in states))
    since = (None if each.rulebook_ns is None else (now_ns - each.rulebook_ns) / NS_PER_S for each in states)
    yield GaugeMetricFamily("groundrule_rulebook_age_seconds", "Time since the rulebook came into force", _worst(since))
    for metric, number, meaning in (
        ("groundrule_pending_observations", sum(each.pending_rows for each in states), "Acknowledged, not yet in a run"),
        ("groundrule_detection_waiting_observations", sum(each.unseen_rows for each in states), "Answered, not yet seen by detectors"),
        ("groundrule_ledger_entries", sum(each.log_size or 0 for each in states), "Entries of the log"),
        *((metric, total(name), meaning) for metric, name, meaning in COMPARED),
    ):
        yield GaugeMetricFamily(metric, meaning, number)
    for metric, name, meaning in COUNTED:
        yield CounterMetricFamily(metric, meaning, total(name))
    rejected: Tally[str] = Tally()
    for each in states:
        rejected.update(each.rejected)
    yield _counter("groundrule_observations_rejected", "Observations that could not be used", "reason", rejected)
    refused = {"busy": total("refused_busy"), "disk": total("refused_by_disk")}
    yield _counter("groundrule_observations_refused", "Observations that were not taken, and were to be sent again", "why", refused)
    runs = {"made": total("runs"), "failed": total("failed_runs")}
    yield _counter("groundrule_runs", "Runs that make acknowledged observations history", "result", runs)
    steps = HistogramMetricFamily("groundrule_step_seconds", "Time that one step takes, for all rows of a group", labels=["step"])
    for step in sorted({name for each in states for name in each.steps}):
        took = [each.steps[step] for each in states if step in each.steps]
        counts = accumulate(map(sum, zip(*(each.classes for each in took), strict=True)))
        bounds = [*map(floatToGoString, BOUNDS_S), "+Inf"]
        steps.add_metric([step], list(zip(bounds, map(float, counts), strict=True)), sum(each.sum_s for each in took))
    yield steps


def _deliveries(outlets: Sequence[Outlet], now_ns: int) -> Iterable[Metric]:
    """Say what became of deliveries, and what waits."""
    tries = CounterMetricFamily("groundrule_deliveries", "Tries to deliver an event", labels=["kind", "result"])
    counted: Tally[tuple[str, str]] = Tally()
    for each in outlets:
        counted.update(each.courier.counted())  # adding them would drop what is 0
    for (kind, result), number in counted.items():
        tries.add_metric([kind, result], number)
    yield tries
    backlogs = [each.store.backlog() for each in outlets]
    waiting, dead, ages = ({str(kind): 0.0 for kind in SINK_KINDS} for _ in range(3))
    for backlog in backlogs:
        for kind, found in backlog.items():
            waiting[kind] += found.waiting
            dead[kind] += found.dead
            if found.oldest_ns is not None:
                ages[kind] = max(ages[kind], (now_ns - found.oldest_ns) / NS_PER_S)
    yield _gauge("groundrule_deliveries_waiting", "Events that wait to be delivered", "kind", waiting)
    yield _gauge("groundrule_deliveries_dead", "Events that were given up and are kept", "kind", dead)
    yield _gauge("groundrule_delivery_oldest_age_seconds", "How long the oldest event has waited; 0 where none waits", "kind", ages)


def _gauge(name: str, meaning: str, label: str, values: Mapping[str, float]) -> Metric:
    made = GaugeMetricFamily(name, meaning, labels=[label])
    for value, number in values.items():
        made.add_metric([value], float(number))
    return made


def _counter(name: str, meaning: str, label: str, values: Mapping[str, int]) -> Metric:
    made = CounterMetricFamily(name, meaning, labels=[label])
    for value, number in values.items():
        made.add_metric([value], number)
    return made


def _worst(ages: Iterable[float | None]) -> float:
    """Return the highest age; not a number where none is known."""
    return max((age for age in ages if age is not None), default=math.nan)


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
