"""Work that takes longer than a request: started by one, asked about by others, forgotten after a day."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from groundrule.api.principal import Principal
from groundrule.api.problems import Problem, problem_of, problem_of_fault
from groundrule.errors import ConflictError, GroundruleError

MAX_JOBS: Final = 500
MAX_WAITING: Final = 20
KEEP_NS: Final = 24 * 3_600 * 1_000_000_000

State = Literal["queued", "running", "done", "failed"]


@dataclass(slots=True)
class Job:
    """A piece of work.

    Attributes:
        id: random; whoever knows it still needs to be its owner to read it.
        kind: what is done: `whatif`, `dossier`, `analyse`, `oversight`.
        owner, tenant: credentials that started it, and whose home it reads.
        state: how far it is.
        step, done, total: what it is doing; total is 0 where nobody knows it.
        result: JSON of what came out.
        problem: why it failed.
        began_ns, ended_ns: [ns, UTC].
    """

    id: str
    kind: str
    owner: str
    tenant: str
    began_ns: int
    state: State = "queued"
    step: str = ""
    done: int = 0
    total: int = 0
    result: Any = None
    problem: Problem | None = None
    ended_ns: int | None = None
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def progress(self, step: str, done: int, total: int | None = None) -> None:
        """Say how far it is; `done` is added within a step.

        Args:
            step: what is being done.
            done: how much more of it is done.
            total: how much there is; None leaves it as it is.
        """
        with self.lock:
            if step != self.step:
                self.step, self.done, self.total = step, 0, 0
            self.done += done
            if total is not None:
                self.total = total


Work = Callable[[Job], Any]


class Jobs:
    """Runs jobs on threads of their own, a few at a time.

    Args:
        clock: the time [ns, UTC].
        workers: jobs that run at once.
    """

    def __init__(self, clock: Callable[[], int], workers: int = 2) -> None:
        self._clock = clock
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="job")
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._lock = threading.Lock()

    def close(self) -> None:
        """Start nothing more, and wait for what runs."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def start(self, kind: str, principal: Principal, work: Work) -> Job:
        """Start a job.

        Args:
            kind: what is done.
            principal: for whom.
            work: gets the job for saying how far it is, and returns JSON.
        Raises:
            ConflictError: too many are waiting.
        """
        with self._lock:
            self._forget()
            if sum(each.state == "queued" for each in self._jobs.values()) >= MAX_WAITING:
                raise ConflictError("too many jobs are waiting", help="wait until some have ended", refusal="too_many_jobs")
            job = Job(secrets.token_hex(12), kind, principal.id, principal.tenant, self._clock())
            self._jobs[job.id] = job
        self._pool.submit(self._run, job, work)
        return job

    def find(self, job_id: str, principal: Principal) -> Job | None:
        """Return a job of a principal; None if there is none, or it is somebody else's."""
        with self._lock:
            job = self._jobs.get(job_id)
        return job if job and (job.owner, job.tenant) == (principal.id, principal.tenant) else None

    def _run(self, job: Job, work: Work) -> None:
        job.state = "running"
        try:
            job.result = work(job)
            job.state = "done"
        except GroundruleError as error:
            job.problem, job.state = problem_of(error), "failed"
        except Exception as error:  # noqa: BLE001 - the pool would keep it to itself, and the job would run for ever
            job.problem, job.state = problem_of_fault(error, job.kind), "failed"
        finally:
            job.ended_ns = self._clock()

    def _forget(self) -> None:
        now = self._clock()
        for name in [each.id for each in self._jobs.values() if each.ended_ns is not None and now - each.ended_ns > KEEP_NS]:
            del self._jobs[name]
        ended = [each.id for each in self._jobs.values() if each.ended_ns is not None]
        for name in ended[: max(0, len(self._jobs) - MAX_JOBS)]:
            del self._jobs[name]
