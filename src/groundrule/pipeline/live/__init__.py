"""The pipeline behind a service: observations in, answers out, one intake thread, ordinary runs behind it."""

from __future__ import annotations

from groundrule.pipeline.causes import Staleness
from groundrule.pipeline.live.answers import (
    Answered,
    Brief,
    Check,
    LastPosition,
    LiveSettings,
    LiveStatus,
    NotGood,
    Rejected,
    Stamp,
)
from groundrule.pipeline.live.desk import Live
from groundrule.pipeline.live.fleet_view import FleetView

__all__ = [
    "Answered", "Brief", "Check", "FleetView", "LastPosition", "Live", "LiveSettings", "LiveStatus", "NotGood", "Rejected", "Staleness",
    "Stamp",
]  # fmt: skip
