"""Why, and why not; and the proof."""

from __future__ import annotations

import math
import re
from typing import Annotated, Final, Literal
from urllib.parse import quote

import msgspec
from litestar import MediaType, Response, get
from litestar.params import QueryParameter
from litestar.types import ControllerRouterHandler

from groundrule.api.given import GivenLive, GivenPrincipal, GivenService
from groundrule.api.log_reach import need_log
from groundrule.api.paths import Id, id_of, missing
from groundrule.api.problems import Refused
from groundrule.api.seen import Sight, sight_of
from groundrule.api.spoken import Accepted, Language, language_of, told
from groundrule.api.terminal_facts import AreaHit, At, OutcomeWord, StateWord, area_names, moment
from groundrule.api.times import instant_of
from groundrule.errors import InputError, IntegrityError, StoreError
from groundrule.instant import format_instant
from groundrule.pipeline.explain import Found
from groundrule.pipeline.live import Live
from groundrule.pipeline.receipts import issue_receipt

EXPLAIN_S: Final = 60.0
_FILE_NAME: Final = re.compile(r"[^A-Za-z0-9._-]+")
Audience = Literal["operator", "owner"]
For = Annotated[
    Audience | None, QueryParameter(name="for", description="As whom to read it; owners and regulators read the owner's.")
]


class AppliedRule(msgspec.Struct):
    """A rule that applied.

    Attributes:
        rule, title, tier, reason: of the rule.
        outcome: with which it applied; `stated` is what it says where nothing is in doubt.
        decisive: it decided.
        findings: what was found about its conditions.
    """

    rule: str
    title: str
    tier: str
    reason: str
    outcome: OutcomeWord
    stated: OutcomeWord
    decisive: bool
    findings: list[str]


class NearMiss(msgspec.Struct):
    """A rule that came near.

    Attributes:
        rule, title, outcome: of the rule.
        sentence: what kept it from applying.
        did_not_hold: the same, one by one.
        margin: how near it was; smaller is nearer.
        note: where it applied, and an earlier one decided.
    """

    rule: str
    title: str
    outcome: OutcomeWord
    sentence: str
    did_not_hold: list[str]
    margin: float
    note: str


class Position(msgspec.Struct):
    """A resolved position [degree]."""

    lat_deg: float
    lon_deg: float


class Explanation(msgspec.Struct, omit_defaults=True):
    """One decision explained. Members from `rule` on are for the operator's side alone.

    Attributes:
        terminal, observed_at: what is explained.
        at: the instant at which it was decided.
        audience: `operator` or `owner`; what an owner reads, a regulator reads, too.
        outcome, state, reason, sentence: what was answered, and why in words.
        basis: legal basis.
        message, language: of the rule to the owner, and in which language it is; all else is in `Content-Language`.
        appeal: the way to appeal.
        place: where the place that was judged comes from, for an owner: disturbed navigation, or a place that the network measured.
        obligations: what binds whoever is served.
        receipt: where the proof is.
        rule, title: that decided.
        requested_by, source: who asked for the rule, and where that stands.
        retry: when a new attempt makes sense.
        applied: every rule that applied, the deciding one first.
        nearest: rules that came nearest to a denial.
        relief: what would have to differ.
        also: rules that would still deny.
        areas, position: where the terminal was.
        speed_m_s: how fast it moved, as far as that was known [m/s].
        alt_m: the height that it reported [m].
        heard: what radio and satellite navigation say of the observation, in words.
        verification: id of the verification that was attached to it (`/v1/verifications/{id}`).
        not_in_history_yet: it was answered a moment ago and is in no run yet; its receipt follows.
    """

    terminal: str
    observed_at: str
    at: str
    audience: Audience
    outcome: OutcomeWord
    state: StateWord
    reason: str
    sentence: str
    basis: str
    obligations: list[str]
    receipt: str
    message: str | None = None
    language: str | None = None
    appeal: str | None = None
    place: str | None = None
    rule: str | None = None
    title: str | None = None
    requested_by: str | None = None
    source: str | None = None
    retry: str | None = None
    applied: list[AppliedRule] | None = None
    nearest: list[NearMiss] | None = None
    relief: list[str] | None = None
    also: list[str] | None = None
    areas: list[AreaHit] | None = None
    position: Position | None = None
    speed_m_s: float | None = None
    alt_m: float | None = None
    heard: list[str] | None = None
    verification: str | None = None
    not_in_history_yet: bool = False


@get(
    "/v1/terminals/{terminal:str}/explanation", opt={"permission": "explanations:read"}, sync_to_thread=True,
    summary="Why, and why not",
)  # fmt: skip
def explanation(
    live: GivenLive,
    principal: GivenPrincipal,
    service: GivenService,
    terminal: Id,
    at: At = None,
    language: Language = None,
    accepted: Accepted = None,
    audience: For = None,
) -> Response[Explanation]:
    """Explain a decision from the observations behind it, in the language of its reader; the latest though no run holds it yet."""
    wanted = language_of(language, accepted)
    name, sight = id_of(terminal, "terminal"), sight_of(live, principal)
    if sight.closed and audience == "operator":
        raise Refused(403, "your roles do not read the operator's explanation", code="not_allowed", help="leave `for` out")
    at_ns, now = _asked(live, name, sight, at)
    reader: Audience = "owner" if sight.closed else audience or "operator"
    try:
        explained = service.explainers[principal.tenant].explain(
            name, at_ns=at_ns, audience=reader, language=wanted, unstored=live.unstored().result(EXPLAIN_S) if now else None
        )
        found = explained.result(EXPLAIN_S)
    except InputError as error:
        raise missing("terminal", name) from error
    return told(_explained(found, reader, live), wanted)


@get(
    "/v1/terminals/{terminal:str}/receipt", opt={"permission": "receipts:read"}, sync_to_thread=True, media_type=MediaType.TEXT,
    summary="The proof of a decision (C2SP tlog-proof); its `extra` line is the receipt",
)  # fmt: skip
def receipt(live: GivenLive, principal: GivenPrincipal, terminal: Id, at: At = None) -> Response[bytes]:
    """Give the receipt of a stored decision: whoever has the log's policy verifies it, without asking us."""
    name, sight = id_of(terminal, "terminal"), sight_of(live, principal)
    try:
        at_ns = moment(live, name, sight, at)
    except Refused as error:
        if at is None and sight.row_of(live.fleet(), name) >= 0:
            raise _pending("no receipt is made before a run holds the decision") from error
        raise
    recipient: Literal["operator", "owner", "regulator"] = "operator"
    if sight.closed:
        recipient = "owner" if sight.held is not None else "regulator"
    try:
        issued = issue_receipt(live.home, name, at_ns=at_ns, recipient=recipient)
    except (InputError, IntegrityError, StoreError) as error:
        need_log(live.home, error)
        if not isinstance(error, InputError):
            raise
        if sight.row_of(live.fleet(), name) >= 0:
            raise _pending("no receipt is made before a run holds the decision") from error
        raise missing("terminal", name) from error
    file = _FILE_NAME.sub("_", name)[:80] or "terminal"
    return Response(
        issued.proof, media_type="text/plain", headers={"Content-Disposition": f'attachment; filename="{file}.tlog-proof"'}
    )



def _asked(live: Live, name: str, sight: Sight, at: str | None) -> tuple[int | None, bool]:
    """Return the instant of the decision that is asked about, and whether it may be one that no run holds yet."""
    fleet = live.fleet()
    row = sight.row_of(fleet, name)
    newest_ns = int(fleet.observed_at_ns[row]) if row >= 0 else None
    now = newest_ns is not None and (at is None or instant_of(at, "at") >= newest_ns)
    # Who sees a part only sees the present decision here; which of those before is looked for in history.
    return (newest_ns if now and sight.closed else moment(live, name, sight, at)), now


def _pending(said: str) -> Refused:
    return Refused(
        409, said, code="pending", help="ask again when the next run was made; /v1/status says how many rows wait for one",
        headers={"Retry-After": "30"},
    )  # fmt: skip


def _explained(found: Found, reader: Audience, live: Live) -> Explanation:
    said = found.explanation
    made = Explanation(
        found.terminal_id, format_instant(found.observed_at_ns), said.at, reader, said.outcome.word, said.state.value,  # type: ignore[arg-type]  # closed sets
        said.reason, said.reason_sentence, said.basis, list(said.obligations),
        f"/v1/terminals/{_quoted(found.terminal_id)}/receipt?at={format_instant(found.observed_at_ns)}",
        said.message, said.language, said.appeal, said.place, not_in_history_yet=not found.stored,
    )  # fmt: skip
    if reader == "owner":
        return made
    rule = next((each for each in live.basis.rulebook.rules if each.id == said.rule_id), None)
    decided = next((each for each in said.applied if each.decisive), None)
    names = area_names(live.basis.areas)
    made.rule = said.rule_id or "default"
    made.title = decided.title if decided else rule.title if rule else None
    made.requested_by, made.source, made.retry = said.requested_by, said.source, said.retry
    made.applied = [
        AppliedRule(
            each.rule_id, each.title, each.tier, each.reason, each.outcome.word, each.stated.word, each.decisive, list(each.findings)  # type: ignore[arg-type]  # closed sets
        )
        for each in said.applied
    ]
    made.nearest = [
        NearMiss(
            each.rule_id, each.title, each.outcome.word, each.sentence(), [gap.words for gap in each.gaps],  # type: ignore[arg-type]  # closed sets
            round(each.margin, 4) if math.isfinite(each.margin) else 1e9, each.note,
        )
        for each in said.nearest
    ]  # fmt: skip
    made.relief, made.also = list(said.relief), list(said.also)
    made.areas = [AreaHit(name, names.get(name, name), word, round(p, 4)) for name, word, p in found.areas]
    if not math.isnan(found.lat_deg):
        made.position = Position(found.lat_deg, found.lon_deg)
    made.speed_m_s = None if math.isnan(found.speed_m_s) else round(found.speed_m_s, 2)
    made.alt_m = None if math.isnan(found.alt_m) else round(found.alt_m, 1)
    made.heard = list(said.heard) or None
    if found.radio is not None and found.radio.get("inputs"):
        made.verification = str(found.radio["inputs"]).removeprefix("sha256:")
    return made


def _quoted(name: str) -> str:
    return quote(name, safe="")


HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (explanation, receipt)
