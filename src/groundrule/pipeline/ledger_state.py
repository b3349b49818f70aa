"""Where the log of a home stands: how long it is, who has seen it, and what is due. Reads only, and needs no lock."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from groundrule.instant import NS_PER_DAY, NS_PER_S, format_instant
from groundrule.ledger.log import read_log
from groundrule.pipeline.home_ledger import log_folder, policy_of
from groundrule.store.home import Home
from groundrule.store.record_rows import Sealed
from groundrule.store.records import RecordStore


def state_of(home: Home, *, now_ns: int) -> dict[str, Any]:
    """Return the state of a home's log as JSON values.

    Args:
        now_ns: the present time, against which seals are overdue [ns, UTC].
    Raises:
        InputError: the home has no log. ProofFailed: its published checkpoint is not signed by its keys.
    """
    policy = policy_of(home)
    log = read_log(log_folder(home))
    checked = None if log.checkpoint is None else policy.check(log.checkpoint)
    with RecordStore.open(home.path / "records.sqlite", read_only=True) as records:
        counts = records.counts()
        seals = list(records.duties.sealed())
        holds = [
            {"id": hold.id, "subject": hold.subject, "until": format_instant(hold.until_ns), "reason": hold.reason}
            for hold in records.duties.holds(now_ns)
        ]
    return {
        "origin": policy.logs[0].key.name,
        "entries": log.integrated_size or 0,
        "published": 0 if checked is None else checked.checkpoint.size,
        "quorum": policy.quorum or "none",
        "witnessed": checked is not None and checked.quorum_met and policy.quorum is not None,
        "witnesses": {} if checked is None else {k: format_instant(v * NS_PER_S) for k, v in sorted(checked.times.items())},
        "records": counts,
        "seals": [_seal(item) for item in seals],
        "overdue": [
            {**_seal(item), "days": (now_ns - item.disclose_by_ns) // NS_PER_DAY}
            for item in seals
            if item.opened_at_ns is None and item.disclose_by_ns < now_ns
        ],
        "holds": holds,
    }


def _seal(item: Sealed) -> dict[str, Any]:
    return {
        "commitment": b64encode(item.commitment).decode(),
        "kind": item.kind,
        "disclose_by": format_instant(item.disclose_by_ns),
        "opened_at": None if item.opened_at_ns is None else format_instant(item.opened_at_ns),
    }
