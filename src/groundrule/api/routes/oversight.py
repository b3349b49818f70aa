"""Oversight: what parliaments, inspectors and regulators ask, answered from data; each figure with how it was counted."""

from __future__ import annotations

import asyncio
from typing import Any, Final, Literal, TypeVar

import msgspec
from litestar import Request, Response, get, post
from litestar.params import JSONBody
from litestar.types import ControllerRouterHandler

from groundrule.api.denials import denials_noted
from groundrule.api.given import GivenLive, GivenPrincipal, GivenService
from groundrule.api.jobs import Job
from groundrule.api.kept_files import FILE_DOCUMENT, KeptFile, answer, fetch, folder_of, keep_written, sweep
from groundrule.api.parties_seen import NAMES
from groundrule.api.paths import Id, id_of
from groundrule.api.principal import Principal
from groundrule.api.problems import Refused
from groundrule.api.routes.jobs import JobView, view_of
from groundrule.api.state import Service
from groundrule.api.times import instant_of
from groundrule.errors import ConflictError
from groundrule.evidence.oversight import Edition
from groundrule.evidence.render.oversight_page import oversight_documents
from groundrule.pipeline.home_ledger import HomeLedger
from groundrule.pipeline.live import Live
from groundrule.pipeline.oversight.publish import Published, publish, was_published
from groundrule.pipeline.oversight.report import check_interval
from groundrule.store.home import Home

T = TypeVar("T")
PUBLISH: Final = "oversight:publish"


class OversightWanted(msgspec.Struct, forbid_unknown_fields=True, rename={"from_": "from"}):
    """A report about an interval.

    Attributes:
        from_, until: it begins at the first and ends before the second; public editions are of whole days that ended 72 hours ago.
        edition: full, with names and places, or public.
        language: of the page: en, de or uk.
    """

    from_: str
    until: str
    edition: Literal["full", "public"] = "public"
    language: Literal["en", "de", "uk"] = "en"


class OversightMade(msgspec.Struct):
    """A finished report: `result` of its job.

    Attributes:
        edition: full or public.
        questions: how many are answered. unanswered: which the data does not answer.
        figures: question, name of the figure, and its value; null where nothing can be said.
        files: the page, the tables and the data. until: when they are thrown away.
        sha256, log_entry: digest of the data, and the entry of the log that names it; null where none does.
        trouble: why none does.
    """

    edition: str
    questions: int
    unanswered: list[str]
    figures: dict[str, dict[str, int | None]]
    files: list[KeptFile]
    until: str | None
    sha256: str
    log_entry: int | None
    trouble: list[str]


@post("/v1/oversight", opt={"permission": "oversight:run"}, status_code=202, summary="Make an oversight report")
async def oversight(
    request: Request[Any, Any, Any], data: JSONBody[OversightWanted], live: GivenLive, principal: GivenPrincipal, service: GivenService
) -> JobView:
    """Start making a report. The full edition is for those who may know persons; a public one that was never made is made by an officer."""
    from_ns, until_ns = instant_of(data.from_, "from"), instant_of(data.until, "until")
    edition = Edition(data.edition)
    check_interval(from_ns, until_ns, edition=edition, now_ns=service.clock())
    with denials_noted(service, principal, request, "oversight:run"):
        await asyncio.to_thread(_check_edition, live.home, principal, edition, from_ns, until_ns)
    return view_of(
        service.jobs.start("oversight", principal, lambda job: _make(job, live, service, principal, data, (from_ns, until_ns)))
    )


@get(
    "/v1/oversight/{job_id:str}/{file:str}", summary="A file of an oversight report", sync_to_thread=True,
    opt={
        "permission": "oversight:run",
        "openapi": FILE_DOCUMENT,
    },
)  # fmt: skip
def oversight_file(live: GivenLive, principal: GivenPrincipal, service: GivenService, job_id: Id, file: Id) -> Response[bytes]:
    """Give a file to whoever had the report made: a page is shown sandboxed, everything else is saved."""
    name = id_of(file, "file")
    return answer(name, fetch(live.home, "oversight", id_of(job_id, "report"), name, principal, service.clock()))


def _check_edition(home: Home, principal: Principal, edition: Edition, from_ns: int, until_ns: int) -> None:
    if edition is Edition.FULL and not (principal.reader == "operator" and principal.may(NAMES)):
        said = "the full edition names persons and places"
        raise Refused(403, said, code="not_allowed", help="make the public edition, or ask an officer")
    # A new public edition decides for good which intervals there are: the difference of two that overlap would tell of few.
    if edition is Edition.PUBLIC and not principal.may(PUBLISH) and not was_published(home, from_ns, until_ns):
        raise Refused(
            403, "no public edition of this interval was made yet, and a first one is for officers to make", code="not_allowed",
            help="ask an officer to publish it",
        )  # fmt: skip


class _Locked:
    """Does something with the log on the thread that writes to the home."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def __call__(self, do: Any, /) -> Any:
        def act(home: Home, ledger: HomeLedger | None) -> Any:
            if ledger is None:
                raise ConflictError(f"the log of `{home.id}` is out of reach", help="see: groundrule ledger status")
            return do(ledger)

        return self._live.act(act).result()


def _make(
    job: Job, live: Live, service: Service, principal: Principal, data: OversightWanted, interval: tuple[int, int]
) -> dict[str, Any]:
    home, now_ns = live.home, service.clock()
    sweep(home, "oversight", now_ns)
    job.progress("count", 0)
    made = publish(
        home, *interval, folder_of(home, "oversight", job.id), edition=Edition(data.edition), now_ns=now_ns,
        documents=oversight_documents(data.language), locked=_Locked(live),
    )  # fmt: skip
    kept = keep_written(home, "oversight", job.id, principal, made.files, service.clock())
    told = _told(made)
    told.files, told.until = kept.files, kept.until
    value: dict[str, Any] = msgspec.to_builtins(told)
    return value


def _told(made: Published) -> OversightMade:
    report = made.report
    figures = {each.question: {figure.name: figure.value for figure in each.figures} for each in report.answers if each.figures}
    return OversightMade(
        report.edition.value, len(report.answers), list(report.unanswered), figures, [], None, made.sha256, made.entry, list(made.trouble)
    )


HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (oversight, oversight_file)
