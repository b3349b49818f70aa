"""What does a log show about how it was governed? For a monitor: from the public log alone, nothing of the home is needed.

The monitor of the ledger proves that nothing was taken back. This folds what the entries say: an enactment without its
quorum has no effect here whatever the log holds, a policy that was announced without one is a ghost, and what time
has made overdue is listed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from groundrule.govern.appeals import is_appeal
from groundrule.govern.emergency import COUNTED_DAYS, active, frozen, opened_in, overdue_reviews
from groundrule.govern.requests import alerts as followed_requests
from groundrule.govern.requests import overdue
from groundrule.govern.signed import COMMITTED, parse_time
from groundrule.govern.state import State
from groundrule.ledger.audit.conduct import Finding
from groundrule.ledger.audit.monitor import Alert, MonitorReport
from groundrule.ledger.audit.source import Source
from groundrule.ledger.entry import Entry
from groundrule.ledger.tiles import TileTree

GOVERNANCE: Final = "governance"
NS_PER_S: Final = 1_000_000_000
_MARK: Final = b'"stream":"governance"'
_BATCH: Final = b'"kind":"decision-batch"'
_POLICY: Final = re.compile(rb'"policy_digest":"([0-9a-f]{64})"')


@dataclass(slots=True)
class GovernanceAudit:
    """What was found.

    Attributes:
        findings: facts of the log's history that should not be there: `no-effect`, `unknown-policy` or `old-policy`.
        alerts: what is wrong now: `overdue`, `frozen`, `followed` or `charter`.
        remarks: what could not be judged from outside.
        figures: what is public about it; empty where no charter governs.
    """

    findings: list[Finding] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)


def audit_governance(
    source: Source, size: int, *, now_s: int, openings: Mapping[str, str] | None = None
) -> GovernanceAudit:
    """Fold the governing entries of a log and say what should not be.

    Args:
        source: of the log; its entries were proved to be those under a signed head.
        size: of that head.
        now_s: present time [s since 1970, UTC].
        openings: parties behind commitments, where the auditor knows them; an outsider knows none.
    """
    tree, made, roots = TileTree(source.read, size), GovernanceAudit(), dict[int, bytes]()

    def consistent(seen: int, root: bytes) -> bool:
        if not 0 < seen <= size:
            return False
        if seen not in roots:
            roots[seen] = tree.root_at(seen)
        return roots[seen] == root

    state = State(consistent, openings)
    in_force = _Policies()
    for index, data, entry in _entries(tree):
        if entry is None:
            if state.charter is not None:
                in_force.decided(made, index, data)
            continue
        if entry.kind == "snapshot-published":
            in_force.announced(made, state, index, entry.body)
        violation = state.apply(index, parse_time(entry.t), entry.kind, entry.body)
        if violation is not None:
            what = f"this {entry.kind} has no effect: {violation.sentence} ({violation.code})"
            if _private(state):
                made.remarks.append(f"entry {index}: {what}; contacts keep parties private, so look at the home's own check")
            else:
                made.findings.append(Finding("no-effect", index, what))
        elif entry.kind == "charter" and len(state.charters) == 1:
            in_force.begin(state)
    if state.charter is not None:
        _now(made, state, now_s)
    return made


def with_governance(report: MonitorReport, audit: GovernanceAudit) -> MonitorReport:
    """Add to the report of a monitor what governance shows; facts are remembered until a person has seen them."""
    if report.state is None:
        return report
    known = {finding for finding, _ in report.state.findings}
    fresh = [finding for finding in audit.findings if finding not in known]
    alerts = [Alert(each.kind, each.what, each.index) for each in fresh]
    return replace(
        report,
        alerts=(*report.alerts, *alerts, *audit.alerts),
        remarks=(*report.remarks, *audit.remarks),
        state=replace(report.state, findings=(*report.state.findings, *((each, False) for each in fresh))),
    )


class _Policies:
    """Which policy may be decided under, entry by entry."""

    def __init__(self) -> None:
        self._now: str | None = None
        self._told: set[str] = set()

    def begin(self, state: State) -> None:
        self._now = state.policy_digest

    def announced(self, made: GovernanceAudit, state: State, index: int, body: Mapping[str, Any]) -> None:
        """A policy is announced: under a charter only what a charter or an enactment with its quorum put into force."""
        if state.charter is None:
            return
        by = body.get("enactment_index")
        effective = {each.index: each.enactment.policy_digest_after for each in state.enactments}
        effective[min(state.charters)] = state.charters[min(state.charters)].policy_digest or ""
        digest = str(body["policy_digest"])
        if body.get("governed") is not True or not isinstance(by, int) or effective.get(by) != digest:
            if not _private(state):
                what = f"policy {digest} was announced as in force, and no enactment of this charter brought it into force"
                made.findings.append(Finding("unknown-policy", index, what))
            return
        self._now = digest

    def decided(self, made: GovernanceAudit, index: int, data: bytes) -> None:
        """A batch was decided: under the policy in force, not under an earlier one or one of nobody."""
        found = _POLICY.search(data)
        digest = "" if found is None else found[1].decode()
        if digest != self._now and digest not in self._told:
            self._told.add(digest)
            what = f"decided under policy {digest}, and {self._now} is in force"
            made.findings.append(Finding("old-policy", index, what))


def _entries(tree: TileTree) -> Iterator[tuple[int, bytes, Entry | None]]:
    """Yield the governing entries decoded, and batches of decisions as they are."""
    for index, data in enumerate(tree.entries()):
        if _MARK in data:
            entry = Entry.decode(data)
            if entry.stream == GOVERNANCE:
                yield index, data, entry
                continue
        if _BATCH in data:
            yield index, data, None


def _private(state: State) -> bool:
    """Is a party of a contact known here by its commitment alone? Then who is in conflict cannot be told."""
    return any(state.party_of(each.contact.counterparty).startswith(COMMITTED) for each in state.contacts.values())


def _now(made: GovernanceAudit, state: State, now_s: int) -> None:
    # Whole seconds cut what came within the present one; what is in the log has happened.
    charter, now_ns = state.charter, max(now_s * NS_PER_S, state.last_t_ns)
    assert charter is not None
    reviews = overdue_reviews(state, now_ns)
    made.alerts += [Alert("overdue", f"the review of {case} is overdue") for case in reviews]
    made.alerts += [
        Alert("overdue", f"request {each} has no final outcome and is overdue", state.requests[each].index)
        for each in overdue(state, now_ns)
        if not is_appeal(state.requests[each].request)  # the monitor of the ledger lists those
    ]
    made.alerts += [
        Alert("followed", f"request {each} was followed without an enactment") for each in followed_requests(state)
    ]
    if frozen(state, now_ns):
        made.alerts.append(Alert("frozen", "role emergency is frozen until its review is concluded"))
    if charter.expired(now_ns):
        made.alerts.append(Alert("charter", "the charter has expired; only a rotation is possible"))
    made.figures = {
        "charter": charter.version,
        "policy": state.policy_digest,
        "enactments": len(state.enactments),
        "refused_acts": len(state.rejections),
        "emergencies_active": len(active(state, now_ns)),
        f"emergencies_in_{COUNTED_DAYS}_days": opened_in(state, now_ns),
        "reviews_overdue": len(reviews),
        "contacts_to_re_review": sum(1 for found in state.re_reviews().values() if found),
    }
