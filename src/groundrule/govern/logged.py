"""What the fold remembers of each entry: the object, its place in the log and the log's clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from groundrule.govern.objects import (
    Approval,
    Contact,
    ContactUpdate,
    Emergency,
    EmergencyClose,
    Enactment,
    Impact,
    Proposal,
    Request,
    RequestOutcome,
    Review,
    Screening,
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the stream `governance`, as it came."""

    index: int
    t_ns: int
    kind: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LoggedProposal:
    """A proposal with its impact."""

    index: int
    t_ns: int
    proposal: Proposal
    impact: Impact


@dataclass(frozen=True, slots=True)
class LoggedApproval:
    """An approval whose signature held when it was logged; `digest` is that of its payload."""

    index: int
    t_ns: int
    approval: Approval
    digest: str


@dataclass(frozen=True, slots=True)
class LoggedScreening:
    """A screening."""

    index: int
    t_ns: int
    screening: Screening


@dataclass(frozen=True, slots=True)
class LoggedEnactment:
    """An enactment with the proposal that it enacted."""

    index: int
    t_ns: int
    enactment: Enactment


@dataclass(slots=True)
class LoggedRequest:
    """A request and what became of it."""

    index: int
    t_ns: int
    request: Request
    outcomes: list[RequestOutcome] = field(default_factory=list)

    @property
    def outcome(self) -> str:
        """The last outcome, `pending` before the first."""
        return self.outcomes[-1].outcome if self.outcomes else self.request.outcome


@dataclass(slots=True)
class LoggedContact:
    """A contact and how its status changed.

    Attributes:
        signed: whether who vouches for it signed it: the covered person, or a registrar for official knowledge. What is
            not signed is an allegation, whoever it names as reporter.
    """

    index: int
    t_ns: int
    contact: Contact
    signed: bool
    updates: list[ContactUpdate] = field(default_factory=list)

    @property
    def status(self) -> str:
        """The last status."""
        return self.updates[-1].status if self.updates else self.contact.status

    @property
    def allegation(self) -> bool:
        """Whether nobody answerable vouches for it yet: it may recuse from one proposal and suspends nobody."""
        return not self.signed and not any(update.status == "corroborated" for update in self.updates)


@dataclass(slots=True)
class LoggedEmergency:
    """An emergency and its end."""

    index: int
    t_ns: int
    emergency: Emergency
    closed: EmergencyClose | None = None


@dataclass(slots=True)
class LoggedReview:
    """A review, and its conclusion with the place of that in the log."""

    index: int
    t_ns: int
    review: Review
    concluded: Review | None = None
    concluded_index: int | None = None


@dataclass(frozen=True, slots=True)
class Violation:
    """An entry of the log that had no effect, and why: the log is on record even where it is wrong."""

    index: int
    kind: str
    code: str
    sentence: str
