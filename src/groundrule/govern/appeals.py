"""Appeals of terminal owners: requests with a shorter clock, and with nothing in the log that tells whose they are.

    appeal_of   decision:<SHA-256 of "groundrule/appeal/v1" NUL salt canonical [batch_index, leaf_index, leaf]>
    ask         [{op: review, object: the same, until: when an answer is due}]
    requester   a party id drawn for this appeal alone

The owner and the operator hold the salt. The due time is in the log, so that anybody sees an appeal that waits too long.
An owner of a protected terminal has an answer within 72 hours, because a hospital without service cannot wait longer than a
review of an emergency may take; everybody else within 14 days. Both are limits of this code: a charter cannot lengthen them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from groundrule.canon import canonical_json
from groundrule.errors import InputError
from groundrule.govern.logged import LoggedRequest
from groundrule.govern.objects import Request
from groundrule.govern.refusal import refuse
from groundrule.govern.signed import NS_PER_HOUR

if TYPE_CHECKING:
    from groundrule.govern.state import State

PROTECTED_NS: Final = 72 * NS_PER_HOUR
ORDINARY_NS: Final = 14 * 24 * NS_PER_HOUR
PREFIX: Final = "decision:"
CORRECTED: Final = "corrected"
"""Outcome of an appeal: the evidence was wrong, is mended, and the terminal has another answer now."""
SALT_BYTES: Final = 32
_DOMAIN: Final = b"groundrule/appeal/v1\x00"


@dataclass(frozen=True, slots=True)
class Appealed:
    """The decision that an appeal is about, by its place in the log.

    Attributes:
        batch_index, leaf_index: entry of its batch, and place in it.
        leaf: its leaf hash [64 hex digits].
    """

    batch_index: int
    leaf_index: int
    leaf: str

    def commit(self, salt: bytes) -> str:
        """Return what the log says of it.

        Args:
            salt: 32 random bytes.
        """
        if len(salt) != SALT_BYTES:
            raise InputError("an appeal is committed to with 32 random bytes", help="take them from the operating system")
        return PREFIX + sha256(_DOMAIN + salt + canonical_json([self.batch_index, self.leaf_index, self.leaf])).hexdigest()


def is_appeal(request: Request) -> bool:
    """Tell whether a request is an appeal."""
    return request.appeal_of is not None


def due_ns(logged: LoggedRequest, request_days: int) -> int:
    """Return when a request must have ended [ns]: after the charter's days, an appeal after its own clock."""
    days = logged.t_ns + request_days * 24 * NS_PER_HOUR
    if not is_appeal(logged.request):
        return days
    asked = [ask.until for ask in logged.request.ask if ask.op == "review" and ask.until is not None]
    return min(days, logged.t_ns + ORDINARY_NS, *asked)


def limit_ns(*, protected: bool) -> int:
    """Return how long an answer may take [ns]."""
    return PROTECTED_NS if protected else ORDINARY_NS


def check_corrected(logged: LoggedRequest, outcome: str) -> None:
    """Refuse to correct what is no decision about a terminal.

    Raises:
        ConflictError: `not_an_appeal`.
    """
    if outcome == CORRECTED and not is_appeal(logged.request):
        raise refuse("not_an_appeal", "only an appeal ends with a corrected decision", help="a change needs a proposal")


def appeals(state: State) -> tuple[LoggedRequest, ...]:
    """Return all appeals in the order of the log."""
    return tuple(logged for logged in state.requests.values() if is_appeal(logged.request))


def steps(logged: LoggedRequest) -> Sequence[tuple[str, str]]:
    """Return what became of an appeal: each outcome with its reason, that it waits first; `pipeline.appealing` says it in words."""
    return [("pending", ""), *((each.outcome, each.outcome_reason) for each in logged.outcomes)]
