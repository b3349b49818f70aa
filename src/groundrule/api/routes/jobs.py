"""How far a piece of work is that takes longer than a request."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from litestar import get
from litestar.types import ControllerRouterHandler

from groundrule.api.given import GivenPrincipal, GivenService
from groundrule.api.jobs import Job
from groundrule.api.paths import Id, id_of, missing
from groundrule.api.problems import Problem
from groundrule.api.times import when


class Progress(msgspec.Struct):
    """How far a job is.

    Attributes:
        step: what is being done.
        done: how much of it.
        total: how much there is; 0 where nobody knows.
    """

    step: str
    done: int
    total: int


class JobView(msgspec.Struct):
    """A job.

    Attributes:
        id, kind: which one it is.
        state: queued, running, done or failed.
        progress: how far it is.
        began_at, ended_at: RFC 3339.
        result: what came out, once it is done.
        problem: why it failed.
    """

    id: str
    kind: str
    state: str
    progress: Progress
    began_at: str | None
    ended_at: str | None
    result: Any = None
    problem: Problem | None = None


def view_of(job: Job) -> JobView:
    """Return a job as it is told to its owner."""
    with job.lock:
        progress = Progress(job.step, job.done, job.total)
    ended = None if job.ended_ns is None else when(job.ended_ns)
    return JobView(job.id, job.kind, job.state, progress, when(job.began_ns), ended, job.result, job.problem)


@get("/v1/jobs/{job_id:str}", opt={"permission": "jobs:read"}, summary="How far is this job, and what came out?")
async def job_(service: GivenService, principal: GivenPrincipal, job_id: Id) -> JobView:
    """Tell how far a job is. Only whoever started it can read it; it is forgotten a day after its end."""
    name = id_of(job_id, "job")
    found = service.jobs.find(name, principal)
    if found is None:
        raise missing("job", name)
    return view_of(found)


HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (job_,)
