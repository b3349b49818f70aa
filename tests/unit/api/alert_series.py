"""For each alert, series under which it must be raised, and series like them under which it must not; in promtool's notation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

OF: Final = 'job="any",instance="one"'


@dataclass(frozen=True)
class Case:
    """Series by selector, a value each minute, and when it is looked.

    Attributes:
        bad: raise it. good: do not.
        at: when.
    """

    bad: dict[str, str]
    good: dict[str, str]
    at: str = "40m"


def one(metric: str, bad: str, good: str, labels: str = "", at: str = "40m") -> Case:
    series = f"{metric}{{{OF}{',' + labels if labels else ''}}}"
    return Case({series: bad}, {series: good}, at)


def _buckets(metric: str, label: str, end: str, below: int) -> dict[str, str]:
    """A histogram of which so many in a hundred fall below an end, and the others just beyond it."""
    rates = {end: below, str(2.5 * float(end)): 100, "+Inf": 100}
    return {f'{metric}{{{OF},{label},le="{le}"}}': f"0+{rate}x60" for le, rate in rates.items()}


_DENY, _SERVE = (f'groundrule_decisions_total{{{OF},outcome="{outcome}",state="normal"}}' for outcome in ("deny", "serve"))
_GOOD, _BROKEN = (f'groundrule_http_requests_total{{{OF},status="{status}"}}' for status in ("200", "500"))
_TAKEN, _REJECTED = f"groundrule_observations_accepted_total{{{OF}}}", f'groundrule_observations_rejected_total{{{OF},reason="not_json"}}'
_LAG, _LOG = f"groundrule_witness_lag_seconds{{{OF}}}", f"groundrule_ledger_entries{{{OF}}}"
_SLOW = ("groundrule_http_request_seconds_bucket", 'route="/v1/observations"', "1.0")
_DISK = ("groundrule_step_seconds_bucket", 'step="write"', "0.5")
_REFUSED = "groundrule_observations_refused_total"

SERIES: Final[dict[str, Case]] = {
    "GroundruleAbsent": one("groundrule_ready", "1x30 stale _x30", "1x60"),
    "GroundruleNotReady": one("groundrule_ready", "1x30 0x30", "1x60"),
    "GroundruleRefusedByDisk": one(_REFUSED, "0x36 5x30", "5x60", 'why="disk"'),
    "GroundruleServerErrors": Case({_GOOD: "0+100x60", _BROKEN: "0+2x60"}, {_GOOD: "0+1000x60", _BROKEN: "0+2x60"}),
    "GroundruleCheckFails": one("groundrule_check_ok", "1x10 0x60", "1x20 0x10 1x60", 'check="store"'),
    "GroundruleDecidesOtherwise": one("groundrule_answers_differing", "0x30 1x30", "0x60"),
    "GroundruleNotRecorded": one("groundrule_check_ok", "1x30 0x30", "1x37 0x30", 'check="commit"'),
    "GroundruleWitnessLag": Case({_LAG: "0+60x60", _LOG: "0+1x60"}, {_LAG: "0+60x60", _LOG: "5x60"}),
    "GroundruleDegraded": one("groundrule_degraded", "0x10 1x60", "0x60", 'cause="ledger_down"'),
    "GroundrulePolicyUnchecked": one("groundrule_policy_checked_age_seconds", "1700+10x60", "300x60"),
    "GroundrulePolicyRunsOut": one("groundrule_policy_checked_age_seconds", "172000+60x60", "1900x60"),
    "GroundruleListsOld": one("groundrule_screening_age_seconds", "71000+60x60", "60000+60x60"),
    "GroundruleObservationsStopped": one("groundrule_newest_observation_age_seconds", "0+60x60", "15x60"),
    "GroundruleRejectsMany": Case({_TAKEN: "0+100x60", _REJECTED: "0+10x60"}, {_TAKEN: "0+100x60", _REJECTED: "0+1x60"}, "45m"),
    "GroundruleBusy": one(_REFUSED, "0+100x60", "100x60", 'why="busy"'),
    "GroundruleDenialsRise": Case(
        {_DENY: "0+2x1440 2900+20x120", _SERVE: "0+100x1600"}, {_DENY: "0+20x1600", _SERVE: "0+100x1600"}, "1500m"
    ),
    "GroundruleAnswersSlow": Case(_buckets(*_SLOW, 90), _buckets(*_SLOW, 100)),
    "GroundruleDiskSlow": Case(_buckets(*_DISK, 90), _buckets(*_DISK, 100)),
    "GroundruleDetectionBehind": one("groundrule_detection_waiting_observations", "5000000x60", "3000000x60"),
    "GroundruleNotDetected": one("groundrule_observations_undetected_total", "0x30 9x30", "9x60"),
    "GroundruleDetectorsRestarted": one("groundrule_detector_restarts_total", "0x30 1x30", "1x60"),
    "GroundruleEventsDead": one("groundrule_deliveries_total", "0x30 1x30", "1x60", 'kind="webhook",result="dead"'),
    "GroundruleEventsLate": one("groundrule_delivery_oldest_age_seconds", "7000+60x60", "0x60", 'kind="webhook"'),
}
