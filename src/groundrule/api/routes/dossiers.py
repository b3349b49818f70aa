"""Dossiers: everything that bears on one subject, in one file that a stranger reads and checks; at most as its reader may see it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec
from litestar import Request, Response, get, post
from litestar.params import JSONBody
from litestar.types import ControllerRouterHandler

from groundrule.api.bare import without_paths
from groundrule.api.denials import denials_noted
from groundrule.api.given import GivenLive, GivenPrincipal, GivenService
from groundrule.api.jobs import Job
from groundrule.api.kept_files import FILE_DOCUMENT, KeptFile, answer, fetch, keep, sweep
from groundrule.api.parties_seen import NAMES
from groundrule.api.party_bodies import Word
from groundrule.api.paths import Id, id_of, missing
from groundrule.api.principal import Principal
from groundrule.api.problems import Refused
from groundrule.api.routes.jobs import JobView, view_of
from groundrule.api.seen import sight_of
from groundrule.api.state import Service
from groundrule.api.times import instant_of
from groundrule.errors import ConflictError
from groundrule.evidence.dossier import Dossier, Reader, SubjectKind
from groundrule.evidence.readers import CLOSED_READERS, PUBLIC_BODIES
from groundrule.evidence.render.words import names_in, words
from groundrule.pipeline.decided_rows import decided_rows
from groundrule.pipeline.dossiers.bench import Bench
from groundrule.pipeline.dossiers.issue import Issued, issue
from groundrule.pipeline.dossiers.seal import Vouched, vouch
from groundrule.pipeline.home_ledger import HomeLedger
from groundrule.pipeline.live import Live
from groundrule.store.home import Home

Kind = Literal["terminal", "area", "change", "person", "contact", "request"]
Edition = Literal["operator", "regulator", "owner", "public"]
EDITIONS: Final[Mapping[str, tuple[Edition, ...]]] = {
    "operator": ("operator", "regulator", "owner", "public"), "regulator": ("regulator",), "owner": ("owner",), "public": (),
}  # fmt: skip
"""Editions that a reader may have made, the fullest first."""
KINDS: Final[Mapping[str, frozenset[str]]] = {
    "operator": frozenset({"terminal", "area", "change", "person", "contact", "request"}),
    "regulator": frozenset({"terminal", "area", "change", "request"}),
    "owner": frozenset({"terminal"}),
    "public": frozenset(),
}  # fmt: skip
NAMED: Final = PUBLIC_BODIES | {"legal_entity"}


class Wanted(msgspec.Struct, forbid_unknown_fields=True, rename={"for_": "for"}):
    """A dossier.

    Attributes:
        kind: of the subject.
        id: of the subject; ids of the log may be cut short.
        for_: for whom it is made; the fullest edition that the reader may see, if not given.
        language: of the words: en, de or uk.
        as_of: leave out what was observed after this time.
        pdf: print it, too.
    """

    kind: Kind
    id: Word
    for_: Edition | None = None
    language: Literal["en", "de", "uk"] = "en"
    as_of: str | None = None
    pdf: bool = True


class Said(msgspec.Struct):
    """A sentence of the summary, and how it stands: recorded, claim, inference or unknown."""

    standing: str
    says: str


class DossierMade(msgspec.Struct, rename={"for_": "for"}):
    """A finished dossier: `result` of its job.

    Attributes:
        kind, id, for_, title: what it is about, and for whom.
        summary: what it says first. statements: how many of each standing.
        files: dossier.html to read, dossier.zip to check, and others.
        until: when the files are thrown away.
        manifest_sha256, log_entry: the entry of the log that names it by digest; null where none does.
        not_proved: what could not be proved. not_made: files that could not be made.
    """

    kind: str
    id: str
    for_: str
    title: str
    summary: list[Said]
    statements: dict[str, int]
    files: list[KeptFile]
    until: str | None
    manifest_sha256: str
    log_entry: int | None
    not_proved: list[str]
    not_made: list[str]


@post("/v1/dossiers", opt={"permission": "dossiers:run"}, status_code=202, summary="Make a dossier")
async def dossier(
    request: Request[Any, Any, Any], data: JSONBody[Wanted], live: GivenLive, principal: GivenPrincipal, service: GivenService
) -> JobView:
    """Start making a dossier. Its job tells what came out; its files are for whoever started it, for a day."""
    as_of_ns = None if data.as_of is None else instant_of(data.as_of, "as_of")
    with denials_noted(service, principal, request, "dossiers:run"):
        edition = _edition(data, principal)
        await asyncio.to_thread(_check_subject, live, principal, data)
    return view_of(service.jobs.start("dossier", principal, lambda job: _make(job, live, service, principal, data, edition, as_of_ns)))


@get(
    "/v1/dossiers/{job_id:str}/{file:str}", summary="A file of a dossier", sync_to_thread=True,
    opt={
        "permission": "dossiers:read",
        "openapi": FILE_DOCUMENT,
    },
)  # fmt: skip
def dossier_file(live: GivenLive, principal: GivenPrincipal, service: GivenService, job_id: Id, file: Id) -> Response[bytes]:
    """Give a file to whoever had the dossier made: a page is shown sandboxed, everything else is saved."""
    name = id_of(file, "file")
    return answer(name, fetch(live.home, "dossiers", id_of(job_id, "dossier"), name, principal, service.clock()))


def vouching_by(live: Live) -> Any:
    """Return what puts a document's digest into the log from beside the thread that writes to the home."""

    def act(home: Home, ledger: HomeLedger | None, body: Mapping[str, Any]) -> Vouched:
        if ledger is None:
            raise ConflictError(f"the log of `{home.id}` is out of reach", help="see: groundrule ledger status")
        return vouch(ledger, body)

    return lambda body: live.act(lambda home, ledger: act(home, ledger, body)).result()


def _edition(data: Wanted, principal: Principal) -> Edition:
    open_to, kinds = EDITIONS[principal.reader], KINDS[principal.reader]
    chosen = data.for_ or (open_to[0] if open_to else "public")
    if chosen not in open_to or data.kind not in kinds:
        said = f"the edition for {chosen} of a {data.kind} is not for you"
        help_ = f"editions: {', '.join(open_to) or 'none'}; subjects: {', '.join(sorted(kinds)) or 'none'}"
        raise Refused(403, said, code="not_allowed", help=help_)
    return chosen


def _check_subject(live: Live, principal: Principal, data: Wanted) -> None:
    """Refuse what the reader does not see, or sees a part of only: a dossier tells all of it.

    Raises:
        Refused: 404 like for what does not exist; 403 where others decide about a part.
    """
    sight = sight_of(live, principal)
    if data.kind == "area" and sight.areas is not None and data.id not in sight.areas:
        raise missing("area", data.id)
    if data.kind != "terminal" or not sight.closed:
        return
    table = decided_rows(live.home, data.id)
    seen = sight.of_decisions(data.id, table)
    if not len(seen):
        raise missing("terminal", data.id)
    if len(seen) != len(table):
        said = "a part of what is on record about this terminal is not for you"
        raise Refused(403, said, code="not_allowed", help="read its decisions one by one, or ask the operator for a dossier")


def _make(
    job: Job, live: Live, service: Service, principal: Principal, data: Wanted, edition: Edition, as_of_ns: int | None
) -> dict[str, Any]:
    home, now_ns = live.home, service.clock()
    sweep(home, "dossiers", now_ns)
    bench = Bench.open(home, now_ns=now_ns, reader=Reader(edition))
    made = issue(
        bench, SubjectKind(data.kind), data.id, as_of_ns=as_of_ns, language=data.language, pdf=data.pdf,
        vouching=vouching_by(live), check=lambda found: _check_names(found, principal), step=lambda step: job.progress(step, 0),
    )  # fmt: skip
    kept = keep(home, "dossiers", job.id, principal, made.files, service.clock())
    told = _told(made, data.language)
    told.files, told.until = kept.files, kept.until
    value: dict[str, Any] = msgspec.to_builtins(told)
    return value


def _check_names(made: Dossier, principal: Principal) -> None:
    """Refuse to name natural persons to whoever may not know them; editions for owners and the public name none."""
    if principal.may(NAMES) or made.reader in CLOSED_READERS:
        return
    if any(each.name and each.kind not in NAMED for each in made.parties):
        raise ConflictError(
            "it would name persons whom you may not know", help="make the edition for the owner or the public, or ask an officer",
            refusal="names_persons",
        )  # fmt: skip


def _told(made: Issued, language: str) -> DossierMade:
    found, said = made.dossier, words(language)
    names = names_in(found, said)
    statements = {
        standing: sum(each.standing.value == standing for each in found.statements)
        for standing in ("recorded", "claim", "inference", "unknown")
    }
    return DossierMade(
        found.kind.value, found.id, found.reader.value, found.title,
        [Said(each.standing.value, said.say(each.phrase, names)) for each in found.summary], statements, [], None,
        made.sealed.manifest_sha256, made.sealed.entry, [without_paths(each) for each in made.sealed.trouble],
        [without_paths(each) for each in made.documents.missing],
    )  # fmt: skip


HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (dossier, dossier_file)
