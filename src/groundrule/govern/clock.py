"""Is the clock right enough to write? Judged against the log's last entry and against what its witnesses say.

A clock that is set back would let what is over count again; one that is set ahead would let a notice or a screening
pass that has not. A quorum of witnesses bounds the time from both sides: one witness that lies moves neither bound.

Source: governance specification, section 7.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from groundrule.errors import GroundruleError
from groundrule.govern.objects import Emergency, Rejection
from groundrule.govern.refusal import CLOCK_TOLERANCE_NS, Refusal
from groundrule.govern.signed import Signed, parse_time

NS_PER_S: Final = 1_000_000_000
MAX_DELAY_NS: Final = 600 * NS_PER_S
"""Longest time between judging an enactment and its entry in the log."""
OPENING_NS: Final = 900 * NS_PER_S
"""How long two openers have to sign an emergency, from the time of opening that they sign until its entry in the log.

It runs from the signed time, so whatever the signing takes shortens it and never prolongs it.
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a quorum of witnesses said about the time when they were asked just now.

    Attributes:
        asked_ns, answered_ns: our clock before and after [ns since 1970].
        after_ns: the quorum saw the head at or after this time.
        before_ns: it saw it no later than this, to the second that witnesses state.
    """

    asked_ns: int
    answered_ns: int
    after_ns: int
    before_ns: int


def clock_refusal(now_ns: int, *, last_ns: int, seen_ns: int | None = None, asked: Asked | None = None) -> Refusal | None:
    """Say why nothing may be written by this clock, or None.

    Args:
        now_ns: our clock [ns since 1970].
        last_ns: time of the newest entry that governs.
        seen_ns: time that a quorum of witnesses gave to the newest published head, however long ago.
        asked: their answer just now, where they could be asked.
    """
    if asked is not None and asked.asked_ns > asked.before_ns + NS_PER_S + CLOCK_TOLERANCE_NS:
        return _stepped(asked.asked_ns - asked.before_ns, "ahead of the quorum of witness times")
    if asked is not None and asked.answered_ns < asked.after_ns - CLOCK_TOLERANCE_NS:
        return _stepped(asked.after_ns - asked.answered_ns, "behind the quorum of witness times")
    if now_ns < last_ns - CLOCK_TOLERANCE_NS:
        return _stepped(last_ns - now_ns, "behind the last entry of the log")
    if seen_ns is not None and now_ns < seen_ns - CLOCK_TOLERANCE_NS:
        return _stepped(seen_ns - now_ns, "behind the time at which witnesses saw the log")
    return None


def _stepped(by_ns: int, of_what: str) -> Refusal:
    return Refusal("clock_stepped", f"the clock is {by_ns // NS_PER_S} s {of_what}; at most 5 s are accepted")


def overtaken(kind: str, body: Mapping[str, Any], now_ns: int) -> Rejection | None:
    """Return the rejection that takes the place of an act which waited too long on its way into the log, or None.

    An enactment that is logged long after it was judged, or an emergency long after it was signed, would have no effect.
    Nothing is lost: it was never in the log, the proposal stays open and is judged anew, and the rejection says so.
    """
    try:
        if kind == "enactment" and now_ns - parse_time(body["enacted_at"]) > MAX_DELAY_NS:
            sentence = "judged more than 10 minutes before it could be logged; without effect, to be enacted again"
            return Rejection(what=kind, digest_=body["proposal_digest"], code="logged_too_late", sentence=sentence)
        if kind == "emergency-open":
            payload = b64decode(str(body["payload"]).replace("-", "+").replace("_", "/"))
            value: Signed = Emergency.parse(json.loads(payload))
            assert isinstance(value, Emergency)
            if now_ns - value.opened_at > min(OPENING_NS, value.ttl_s * NS_PER_S):
                sentence = "signed too long before it could be logged; without effect, to be drafted and signed again"
                return Rejection(what=kind, digest_=value.digest, code="logged_too_late", sentence=sentence)
    except (GroundruleError, KeyError, TypeError, ValueError):
        return None  # not what this home queues; the log's fold says what is wrong with it
    return None
