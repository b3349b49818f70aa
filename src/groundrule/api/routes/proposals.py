"""Proposals: what would change, for whom, who signed, what is missing. Signing happens on the signers' own devices."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import Response, get, post
from litestar.params import JSONBody, Parameter, QueryParameter
from litestar.types import ControllerRouterHandler

from groundrule.api.given import GivenLive, GivenPrincipal, GivenService
from groundrule.api.governed import View, charter_of, entry_of, govern, one, signed_time, view_of
from groundrule.api.paging import Cursor, Limit, Page, page_of
from groundrule.api.parties_seen import Parties
from groundrule.api.paths import Id, id_of
from groundrule.api.principal import Principal
from groundrule.api.problems import Refused
from groundrule.api.proposal_view import ImpactView, ProposalRow, ProposalView, impact_view, proposal_of, row_of
from groundrule.api.signed_bodies import Envelope, value_of
from groundrule.api.times import when
from groundrule.errors import ConflictError, GroundruleError
from groundrule.govern.objects import Approval
from groundrule.govern.signed import payload_type
from groundrule.pipeline.approving import bundle_for, standing
from groundrule.pipeline.change_words import change_lines
from groundrule.pipeline.disclosing import draft_disclosure, only_disclosure
from groundrule.pipeline.drafting import draft_proposal
from groundrule.pipeline.governing import Governance
from groundrule.pipeline.proposing import contents_of, draft_changes
from groundrule.pipeline.refusing import digest_of
from groundrule.pipeline.unseen import ALWAYS
from groundrule.signing import open_envelope
from groundrule.store.home import Home

MAX_BODY: Final = 32 << 20
MAX_CHANGES: Final = 200
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=20_000)]
Word = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
StateFilter = Annotated[
    Literal["open", "ready", "enacted", "rejected", "expired"] | None,
    QueryParameter(name="state", description="Only those that stand so."),
]
Since = Annotated[list[int] | None, Parameter(description="Sizes of the log that the approver saw before; what came since is proved.")]
For = Annotated[
    str | None,
    QueryParameter(name="for", max_length=100, description="Party id of the approver: opens that person's own contacts, nobody else's."),
]


class NewChange(msgspec.Struct, forbid_unknown_fields=True):
    """One thing to be changed; exactly one of `text`, `value` and `delete`.

    Attributes:
        object: `rulebook`, `area` (every area of a GeoJSON), `area/ID`, `list/ID`, `programme/ID` or `waiver/ID`.
        text: YAML of a rulebook.
        value: the object itself; of areas, GeoJSON.
        delete: take it away.
    """

    object: Word
    text: Annotated[str, msgspec.Meta(max_length=MAX_BODY)] | None = None
    value: dict[str, Any] | None = None
    delete: bool = False


class Effective(msgspec.Struct, forbid_unknown_fields=True, rename={"from_": "from"}):
    """When a change is to hold: from now on, without end, unless it says so."""

    from_: str | None = None
    until: str | None = None


class NewProposal(msgspec.Struct, forbid_unknown_fields=True, rename={"class_": "class"}):
    """A change, in its author's words; everything else is computed.

    Attributes:
        author: party id.
        rationale: why. reversal_plan: how it is undone.
        changes: what; empty where something is disclosed.
        disclose: records to be opened, fields, recipient, legal basis; it stands alone.
        requests, beneficiaries: because of whom.
        effective, expires: when.
        class_: only to raise it.
        licence, supersedes: where there is one.
    """

    author: Word
    rationale: Text
    reversal_plan: Text
    changes: Annotated[list[NewChange], msgspec.Meta(max_length=MAX_CHANGES)] = []
    disclose: dict[str, Any] | None = None
    requests: Annotated[list[Word], msgspec.Meta(max_length=200)] = []
    beneficiaries: Annotated[list[Word], msgspec.Meta(max_length=200)] = []
    effective: Effective | None = None
    expires: str | None = None
    class_: Word | None = None
    licence: Word | None = None
    supersedes: Word | None = None


class Proposed(msgspec.Struct):
    """What became of a draft.

    Attributes:
        id: digest of the proposal; any edit is another one.
        log_index: its entry; null where nothing was logged.
        class_: that it must have.
        changes: in words.
        impact: for whom.
        by: changed terminals by country, plan, programme and class; small cells are left out.
        terminals, without_position: in the preview, and those whose last report has no position.
        contacts_in_scope: contacts that bear on it.
        standing: what is missing.
    """

    id: str
    log_index: int | None
    class_: str = msgspec.field(name="class")
    changes: list[str]
    impact: ImpactView
    by: dict[str, dict[str, int]]
    terminals: int
    without_position: int
    contacts_in_scope: list[str]
    standing: str


class Taken(msgspec.Struct):
    """What became of an approval.

    Attributes:
        proposal: it is about.
        log_index: its entry; null where the same was in the log already.
        standing: where the proposal stands now.
    """

    proposal: str
    log_index: int | None
    standing: str


class Enacted(msgspec.Struct):
    """A proposal that took effect.

    Attributes:
        proposal: its digest.
        log_index, at: of the enactment.
        in_force: false while it waits for the quorum of witnesses.
        witnessed: they have seen it.
        policy_before, policy_after: digests.
        trouble: why witnesses have not seen it.
    """

    proposal: str
    log_index: int
    at: str | None
    in_force: bool
    witnessed: bool
    policy_before: str
    policy_after: str
    trouble: list[str]


class Ended(msgspec.Struct):
    """A proposal that ended without an enactment, on record."""

    proposal: str
    log_index: int | None


@get("/v1/proposals", opt={"permission": "proposals:read"}, summary="Proposals, the newest first", sync_to_thread=True)
def proposals(
    live: GivenLive, principal: GivenPrincipal, service: GivenService, limit: Limit = 100, cursor: Cursor = None, stands: StateFilter = None
) -> Page[ProposalRow]:
    """List proposals with where they stand."""
    view, now_ns = view_of(live.home), service.clock()
    parties = Parties(live.home, principal, view.state)
    if stands is None:
        page = page_of(list(reversed(view.state.proposals)), limit, cursor)
        return Page([row_of(view, each, parties, now_ns) for each in page.items], page.next)
    rows = [row_of(view, each, parties, now_ns) for each in reversed(view.state.proposals)]
    return page_of([each for each in rows if each.state == stands], limit, cursor)


@get("/v1/proposals/{proposal_id:str}", opt={"permission": "proposals:read"}, summary="One proposal", sync_to_thread=True)
def proposal(live: GivenLive, principal: GivenPrincipal, service: GivenService, proposal_id: Id) -> ProposalView:
    """Give a proposal: changes in words, impact, screening, conflicts, who signed, what is missing."""
    view = view_of(live.home)
    name = _known(view, proposal_id)
    return proposal_of(view, name, Parties(live.home, principal, view.state), principal, service.clock())


@get(
    "/v1/proposals/{proposal_id:str}/bundle", summary="The file that an approver checks and signs offline",
    opt={
        "permission": "proposals:export",
        "openapi": {"responses": {"200": {"description": "The bundle", "content": {"application/zip": {"schema": {"type": "string"}}}}}},
    },
    sync_to_thread=True,
)  # fmt: skip
def bundle(
    live: GivenLive, service: GivenService, proposal_id: Id, person: For = None, since: Since = None
) -> Response[bytes]:
    """Give what `groundrule approve` takes. It holds names: keep it safe, and give it to its approver only."""
    view = view_of(live.home)
    name = _known(view, proposal_id)
    if person is not None and person not in view.charter.parties:
        raise Refused(404, f"the charter has no person `{person[:80]}`", code="missing", field="for", help="see GET /v1/charter")
    data = bundle_for(live.home, view.state, name, now_ns=service.clock(), since=since or (), person=person)
    headers = {"Content-Disposition": f'attachment; filename="proposal-{name[:12]}.bundle"', "Cache-Control": "private, no-store"}
    return Response(data, media_type="application/zip", headers=headers)


@post("/v1/proposals", opt={"permission": "proposals:write"}, request_max_body_size=MAX_BODY, status_code=201, summary="Propose a change")
async def propose(data: JSONBody[NewProposal], live: GivenLive, principal: GivenPrincipal, service: GivenService) -> Proposed:
    """Draft a change against what is in force, compute for whom it changes what, and log both. Any edit is another proposal."""
    return await govern(live, service, lambda governance: _propose(governance, data, principal, service.clock(), log=True))


@post(
    "/v1/proposals/trials", opt={"permission": "proposals:write"}, request_max_body_size=MAX_BODY, status_code=200,
    summary="What would this change do? Nothing is logged",
)  # fmt: skip
async def trial(data: JSONBody[NewProposal], live: GivenLive, principal: GivenPrincipal, service: GivenService) -> Proposed:
    """Show class and impact of a draft as a proposal would have them."""
    return await govern(live, service, lambda governance: _propose(governance, data, principal, service.clock(), log=False))


@post(
    "/v1/proposals/{proposal_id:str}/approvals", opt={"permission": "approvals:write"}, status_code=201,
    summary="Hand in a signed verdict",
)  # fmt: skip
async def approve(data: JSONBody[Envelope], live: GivenLive, service: GivenService, proposal_id: Id) -> Taken:
    """Take in what an approver signed on an own device. What is refused is in the log, with the reason; the same again is no news."""
    view = await asyncio.to_thread(view_of, live.home)
    name, envelope = _known(view, proposal_id), value_of(data)
    about = _about(envelope)
    if about not in (name, None):
        said = "the envelope is about another proposal"
        raise Refused(422, said, code="bad_input", field="payload", value=about, help="hand it in where it belongs")

    def act(governance: Governance) -> Taken:
        logged = governance.approve(envelope)
        return Taken(name, entry_of(logged), standing(governance.state, name, governance.lists, service.clock()))

    return await govern(live, service, act)


@post("/v1/proposals/{proposal_id:str}/enact", opt={"permission": "proposals:enact"}, status_code=200, summary="Bring it into force")
async def enact(live: GivenLive, service: GivenService, proposal_id: Id) -> Enacted:
    """Log an approved proposal, let the witnesses see it, then write it; refused with everything that is missing."""
    name = id_of(proposal_id, "proposal")

    def act(governance: Governance) -> Enacted:
        one(name, governance.state.proposals, "proposal")
        try:
            done = governance.enact(name)
        except ConflictError as error:
            all_ = f"all that stands against it: {standing(governance.state, name, governance.lists, service.clock())}"
            error.help = "; ".join(filter(None, (error.help, all_)))
            raise
        made = next(each for each in governance.state.enactments if each.enactment.proposal_digest == name)
        what = made.enactment
        return Enacted(
            name, made.index, when(what.enacted_at), done.in_force, done.witnessed, what.policy_digest_before, what.policy_digest_after,
            list(done.trouble),
        )  # fmt: skip

    return await govern(live, service, act)


@post("/v1/proposals/{proposal_id:str}/reject", opt={"permission": "proposals:enact"}, status_code=200, summary="Put its end on record")
async def reject(live: GivenLive, service: GivenService, proposal_id: Id) -> Ended:
    """Put on record that a proposal ended without an enactment: rejected by its approvers, or expired in silence."""
    name = id_of(proposal_id, "proposal")

    def act(governance: Governance) -> Ended:
        one(name, governance.state.proposals, "proposal")
        return Ended(name, entry_of(governance.reject(name)))

    return await govern(live, service, act)


def _about(envelope: Mapping[str, Any]) -> str | None:
    try:
        return Approval.parse_bytes(open_envelope(envelope, (), payload_type("approval"))[0]).proposal_digest
    except GroundruleError:
        return None  # what is no approval is refused by governance, and goes on record


def _known(view: View, part: str) -> str:
    name = id_of(part, "proposal")
    one(name, view.state.proposals, "proposal")
    return name


def _propose(governance: Governance, given: NewProposal, principal: Principal, now_ns: int, *, log: bool) -> Proposed:
    home = governance.home
    written = _written(given)
    try:
        change_set = _change_set(home, given)
        drafted = draft_proposal(governance, written, change_set, now_ns=now_ns, keep=log)
    except ConflictError as error:
        if log:
            governance.refused("proposal", digest_of(msgspec.to_builtins(given)), error)
        raise
    made, impact = drafted.proposal, drafted.preview.impact
    index = entry_of(governance.propose(made.value, impact.value)) if log else None
    lines = change_lines(made, contents_of(home, made.change_set).get)
    need = charter_of(governance.state).change_class(made.class_)
    stands = f"not logged: it would need {need.min_persons} persons of role {need.role}"
    if log:
        stands = standing(governance.state, made.id, governance.lists, now_ns)
    seen = drafted.preview
    parties = Parties(home, principal)
    return Proposed(
        made.id, index, made.class_, lines, impact_view(impact, [ALWAYS, *(each.sentence for each in seen.unseen)]),
        {by: dict(cells) for by, cells in seen.by.items()}, seen.terminals, seen.without_position,
        list(drafted.scope if parties.persons else made.contacts_in_scope), stands,
    )  # fmt: skip


def _written(given: NewProposal) -> dict[str, Any]:
    """The author's document in the form that commands take."""
    held: dict[str, Any] = {
        "author": given.author, "rationale": given.rationale, "reversal_plan": given.reversal_plan, "requests": given.requests,
        "beneficiaries": given.beneficiaries, "class": given.class_, "licence": given.licence, "supersedes": given.supersedes,
        "expires": signed_time(given.expires, "expires"),
    }  # fmt: skip
    if given.effective is not None:
        held["effective"] = {
            "from": signed_time(given.effective.from_, "effective.from"), "until": signed_time(given.effective.until, "effective.until"),
        }  # fmt: skip
    return {name: value for name, value in held.items() if value is not None}


def _change_set(home: Home, given: NewProposal) -> list[dict[str, Any]]:
    deleted = [each.object for each in given.changes if each.delete]
    if given.disclose is not None:
        only_disclosure([each.object for each in given.changes if not each.delete], deleted)
        return [draft_disclosure(home, given.disclose)]
    with tempfile.TemporaryDirectory(prefix="proposal-") as folder:
        wanted = [
            f"{each.object}={_file(Path(folder), place, each)}" for place, each in enumerate(given.changes) if not each.delete
        ]
        try:
            return draft_changes(home, wanted, deleted=deleted, read=_read)
        except GroundruleError as error:
            # What was written down for reading is nothing that the author knows.
            error.message = error.message.replace(f"{folder}/", "")
            raise


def _file(folder: Path, place: int, change: NewChange) -> Path:
    given = [each for each in (change.text, change.value) if each is not None]
    if len(given) != 1 or "=" in change.object:
        said = f"the change of `{change.object[:80]}` gives {len(given)} contents"
        raise Refused(422, said, code="bad_input", field=f"changes[{place}]", help="exactly one of text, value and delete")
    area = change.object.partition("/")[0] == "area"
    path = folder / f"change-{place}{'.geojson' if area else '.txt'}"
    path.write_text(change.text if change.text is not None else json.dumps(change.value), encoding="utf-8")
    return path


def _read(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        value = None
    if not isinstance(value, Mapping):
        raise Refused(422, "the content of a change is no object", code="bad_input", field="changes", help="give it as `value`")
    return dict(value)


HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (proposals, proposal, bundle, propose, trial, approve, enact, reject)
