"""What /metrics says of homes and deliveries: sums of several, the worst of ages and checks, nothing hidden by a restart or a zero."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from told_service import Told, told, told_home

from groundrule.api.metrics import Metrics
from groundrule.instant import NS_PER_S
from groundrule.pipeline.causes import Staleness
from groundrule.pipeline.live import Check, LiveStatus
from groundrule.pipeline.live.steps import BOUNDS_S, Step, Took
from groundrule.store.events import Event
from groundrule.store.home import Home
from groundrule.store.subscriptions import Backlog
from receiver import Receiver, receiver

NOW = 1_000_000 * NS_PER_S


def read(text: bytes) -> dict[str, float]:
    return {
        sample.name + "".join(f",{k}={v}" for k, v in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def of(*states: LiveStatus) -> dict[str, float]:
    homes: Any = {str(n): SimpleNamespace(status=lambda state=state: state) for n, state in enumerate(states)}
    return read(Metrics().text(homes, {}, NOW))


def state(**more: Any) -> LiveStatus:
    fields: dict[str, Any] = {
        "checks": (Check("intake", True, vital=True),), "degraded": (), "staleness": Staleness(), "pending_rows": 0,
        "newest_observed_ns": None,
    }  # fmt: skip
    return LiveStatus(**(fields | more))


def test_of_several_homes_the_worst_counts_and_numbers_are_added() -> None:
    well = state(
        staleness=Staleness(10, 20, 30), newest_observed_ns=NOW - 5 * NS_PER_S, log_size=7, rulebook_ns=NOW - 100 * NS_PER_S,
        rejected={"not_json": 2}, unseen_rows=3, counters={"accepted": 4, "refused_busy": 1}, steps={"write": Took((1,) + (0,) * 15, 0.5)},
    )  # fmt: skip
    ill = state(
        checks=(Check("intake", False, vital=True), Check("clock", False)), degraded=("degraded:ledger_down",), pending_rows=2,
        staleness=Staleness(50, None, None), newest_observed_ns=NOW - 9 * NS_PER_S, rejected={"not_json": 1, "bad_time": 1}, log_size=1,
        counters={"accepted": 6}, steps={"write": Took((0,) * 15 + (1,), 99.0)},
    )  # fmt: skip
    found = of(well, ill)
    assert (found["groundrule_ready"], found["groundrule_check_ok,check=intake"], found["groundrule_check_ok,check=clock"]) == (0, 0, 0)
    assert (found["groundrule_degraded,cause=ledger_down"], found["groundrule_degraded,cause=clock_doubtful"]) == (1, 0)
    assert found["groundrule_newest_observation_age_seconds"] == 9
    assert found["groundrule_policy_checked_age_seconds"] == 50
    assert (found["groundrule_screening_age_seconds"], found["groundrule_witness_lag_seconds"]) == (20, 30)
    assert found["groundrule_rulebook_age_seconds"] == 100
    assert (found["groundrule_ledger_entries"], found["groundrule_pending_observations"]) == (8, 2)
    assert found["groundrule_observations_rejected_total,reason=not_json"] == 3
    assert found["groundrule_observations_rejected_total,reason=bad_time"] == 1
    assert found["groundrule_observations_accepted_total"] == 10
    assert found["groundrule_observations_refused_total,why=busy"] == 1
    assert found["groundrule_observations_refused_total,why=disk"] == 0
    assert found["groundrule_detection_waiting_observations"] == 3
    assert found["groundrule_step_seconds_bucket,le=60.0,step=write"] == 1
    assert found["groundrule_step_seconds_bucket,le=+Inf,step=write"] == 2
    assert found["groundrule_step_seconds_sum,step=write"] == 99.5


def test_what_is_not_known_is_not_a_number() -> None:
    found = of(state())
    unknown = ("newest_observation_age", "policy_checked_age", "witness_lag", "screening_age", "rulebook_age")
    assert all(found[f"groundrule_{name}_seconds"] != found[f"groundrule_{name}_seconds"] for name in unknown)


def test_what_can_be_named_is_there_before_it_happens() -> None:
    found = of(state())
    assert sum(name.startswith("groundrule_decisions_total,") for name in found) == 4 * 4
    assert found["groundrule_decisions_total,outcome=deny,state=normal"] == 0
    assert found["groundrule_decisions_degraded_total,cause=location_unverifiable"] == 0
    assert found["groundrule_runs_total,result=failed"] == 0


def test_a_step_is_counted_by_class_and_also_where_it_fails() -> None:
    step = Step()
    with step.timed():
        pass
    with pytest.raises(ValueError, match="full"), step.timed():
        raise ValueError("full")
    took = step.took()
    assert (len(took.classes), sum(took.classes)) == (len(BOUNDS_S) + 1, 2)
    assert took.sum_s > 0


def test_a_step_may_be_timed_by_several_threads() -> None:
    step = Step()

    def often() -> None:
        for _ in range(2_000):
            with step.timed():
                pass

    threads = [threading.Thread(target=often) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sum(step.took().classes) == 8_000


# --- deliveries ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[Receiver]:
    folder = tmp_path / "receiver"
    folder.mkdir()
    with receiver(folder) as made:
        yield made


def measured(service: Told) -> dict[str, float]:
    return read(service.get("/metrics", service.key("scraper")).content)


def test_deliveries_are_counted_by_what_became_of_them(served_template: Home, sink: Receiver, tmp_path: Path) -> None:
    with told(told_home(served_template, tmp_path / "home"), sink) as service:
        live, keeper = service.service.live("default"), service.key("administrator")
        before = measured(service)
        assert before["groundrule_deliveries_total,kind=geofence,result=dead"] == 0
        assert before["groundrule_delivery_oldest_age_seconds,kind=webhook"] == 0
        made = service.post("/v1/webhooks", {"address": sink.address, "types": ["run."]}, keeper).json()
        live.announce(Event("run.committed", service.clock(), "run", {}, None, True))
        sink.wait(lambda: measured(service)["groundrule_deliveries_total,kind=webhook,result=taken"] == 1)
        sink.answers = [500]
        live.announce(Event("run.committed", service.clock(), "run", {}, None, True))
        sink.wait(lambda: measured(service)["groundrule_deliveries_total,kind=webhook,result=dead"] == 1)
        found = measured(service)
        assert found["groundrule_deliveries_total,kind=webhook,result=failed"] == 3, "tries before the last of four"
        assert (found["groundrule_deliveries_dead,kind=webhook"], found["groundrule_deliveries_waiting,kind=webhook"]) == (1, 0)
        store = service.service.outlet("default").store
        store.tell(made["id"], [("late", "{}")], service.clock() - 90 * NS_PER_S)
        store.failed(made["id"], "away", service.clock() + 3600 * NS_PER_S)
        waiting = store.backlog()["webhook"]
        assert (waiting.waiting, waiting.dead) == (1, 1)
        assert measured(service)["groundrule_delivery_oldest_age_seconds,kind=webhook"] >= 90
        store.give_up(made["id"], store.head(made["id"]).number, "gone", service.clock(), gone=True)
        store.tell(made["id"], [("never", "{}")], service.clock())
        assert store.backlog() == {"webhook": Backlog(0, 2, None), "geofence": Backlog()}, "nobody waits for a sink that is gone"
