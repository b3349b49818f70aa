"""Reviews: emergencies, late contacts and enactments, looked at by people who had no part in them."""

from __future__ import annotations

from base64 import b64encode
from typing import Annotated, Final, Literal

import msgspec
from litestar import get, post
from litestar.params import JSONBody
from litestar.types import ControllerRouterHandler

from groundrule.api.given import GivenLive, GivenPrincipal, GivenService
from groundrule.api.governed import charter_of, entry_of, govern, one, view_of
from groundrule.api.paging import Cursor, Limit, Page, page_of
from groundrule.api.parties_seen import Parties, PartyView
from groundrule.api.party_bodies import Word
from groundrule.api.paths import Id, id_of, missing
from groundrule.api.routes.emergencies import SignedTogether
from groundrule.api.signed_bodies import merged
from groundrule.api.times import when
from groundrule.govern.logged import LoggedReview
from groundrule.govern.objects import Review
from groundrule.govern.signed import format_time, payload_type, whole_ms
from groundrule.instant import NS_PER_S
from groundrule.pipeline.governing import Governance
from groundrule.pipeline.reviewing import cases, open_review


class ReviewView(msgspec.Struct):
    """A review.

    Attributes:
        id, log_index: in the log. of: emergency, contact or proposal.
        kind: of the case.
        due, remaining_s, overdue: until when it is due [s; negative: so late].
        state: open, or the verdict: upheld, reversed or partly.
        reviewers, findings, remedy, concluded_at, concluded_index: of a concluded one.
    """

    id: str
    log_index: int
    of: str
    kind: Literal["emergency", "contact", "proposal"]
    due: str | None
    remaining_s: int
    overdue: bool
    state: str
    reviewers: list[PartyView]
    findings: str
    remedy: str
    concluded_at: str | None
    concluded_index: int | None


class NewReview(msgspec.Struct, forbid_unknown_fields=True):
    """Id of an emergency or contact, or digest of a proposal."""

    of: Word


class NewFindings(msgspec.Struct, forbid_unknown_fields=True):
    """What reviewers found, to be signed by them.

    Attributes:
        reviewers: party ids of all who will sign.
        verdict: upheld: it was right. reversed: it was wrong.
        findings, remedy: in public words.
    """

    reviewers: Annotated[list[Word], msgspec.Meta(min_length=1, max_length=50)]
    verdict: Literal["upheld", "reversed", "partly"]
    findings: Annotated[str, msgspec.Meta(min_length=1, max_length=20_000)]
    remedy: Annotated[str, msgspec.Meta(max_length=20_000)] = ""


class Findings(msgspec.Struct):
    """The exact bytes that the reviewers sign: `groundrule review sign`."""

    id: str
    digest: str
    payload: str
    payload_type: str


class ReviewLogged(msgspec.Struct):
    """A review on record; `log_index` is null where it was before."""

    id: str
    log_index: int | None
    due: str | None
    verdict: str | None


@get("/v1/reviews", opt={"permission": "reviews:read"}, summary="Reviews, the newest first", sync_to_thread=True)
def reviews(
    live: GivenLive, principal: GivenPrincipal, service: GivenService, limit: Limit = 100, cursor: Cursor = None
) -> Page[ReviewView]:
    """List reviews: of what, due when, with which verdict."""
    view, now_ns = view_of(live.home), service.clock()
    parties = Parties(live.home, principal, view.state)
    page = page_of(list(reversed(view.state.reviews.values())), limit, cursor)
    return Page([_view(each, parties, now_ns) for each in page.items], page.next)


@post("/v1/reviews", opt={"permission": "reviews:write"}, status_code=201, summary="Open the review of a case")
async def open_(data: JSONBody[NewReview], live: GivenLive, service: GivenService) -> ReviewLogged:
    """Open a review; whoever had a part in the case cannot review it."""

    def act(governance: Governance) -> ReviewLogged:
        charter_of(governance.state)
        if data.of not in cases(governance.state):
            raise missing("case", data.of)
        made = open_review(governance.state, data.of, service.clock())
        return ReviewLogged(made.id, entry_of(governance.review(made.value)), when(made.due), None)

    return await govern(live, service, act)


@post("/v1/reviews/{review_id:str}/findings", opt={"permission": "reviews:write"}, status_code=200, summary="What reviewers sign")
async def findings(data: JSONBody[NewFindings], live: GivenLive, service: GivenService, review_id: Id) -> Findings:
    """Write findings and verdict as the exact bytes that all reviewers sign; nothing is logged."""
    known = one(id_of(review_id, "review"), view_of(live.home).state.reviews, "review").review
    made = Review.parse(
        known.value
        | {"reviewers": data.reviewers, "verdict": data.verdict, "findings": data.findings, "remedy": data.remedy,
           "actual": format_time(whole_ms(service.clock()))}
    )  # fmt: skip
    return Findings(made.id, made.digest, b64encode(made.data).decode(), payload_type("review"))


@post("/v1/reviews/conclusions", opt={"permission": "reviews:write"}, status_code=201, summary="Take in a signed verdict")
async def conclude(data: JSONBody[SignedTogether], live: GivenLive, service: GivenService) -> ReviewLogged:
    """Take in what the reviewers signed. It changes nothing that was decided; `reversed` calls for a proposal that reverts it."""
    envelope = merged(data.envelopes)

    def act(governance: Governance) -> ReviewLogged:
        logged = governance.review(envelope)
        made = governance.state.reviews[logged.id].concluded
        due, verdict = (None, None) if made is None else (when(made.due), made.verdict)
        return ReviewLogged(logged.id, entry_of(logged), due, verdict)

    return await govern(live, service, act)


def _view(logged: LoggedReview, parties: Parties, now_ns: int) -> ReviewView:
    made = logged.concluded or logged.review
    kind: Literal["emergency", "contact", "proposal"] = "proposal"
    if made.of.startswith("emergency-"):
        kind = "emergency"
    elif made.of.startswith("contact-"):
        kind = "contact"
    concluded = logged.concluded
    return ReviewView(
        made.id, logged.index, made.of, kind, when(made.due), (made.due - now_ns) // NS_PER_S,
        concluded is None and now_ns >= made.due, "open" if concluded is None else str(concluded.verdict),
        parties.each(made.reviewers), made.findings, made.remedy,
        None if made.actual is None else when(made.actual), logged.concluded_index,
    )  # fmt: skip


HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (reviews, open_, findings, conclude)
