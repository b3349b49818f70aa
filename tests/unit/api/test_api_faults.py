"""What nobody foresaw: it is told under an id, it is in the log of the service, and the log names no terminal."""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path

import pytest
from api_edge import Time, bearer, client_of, service_at
from litestar import get
from litestar.params import FromPath

from groundrule.api.jobs import Job, Jobs
from groundrule.api.logs import JsonLines, Lines
from groundrule.api.principal import Principal
from groundrule.api.routes import HANDLERS
from groundrule.pipeline.live.answers import Check

SECRET = "terminal-secret"


def fails(_job: Job) -> object:
    try:
        raise KeyError(SECRET)
    except KeyError as error:
        raise ValueError(f"{SECRET} is not known") from error


def assert_says_where_and_not_what(record: logging.LogRecord) -> None:
    text, line = Lines().format(record), json.loads(JsonLines().format(record))
    for said in (text, line["trace"]):
        assert SECRET not in said
        assert "builtins.ValueError" in said
        assert "builtins.KeyError" in said
        assert "in fails" in said
    assert SECRET not in json.dumps(line)


def test_a_job_that_fails_unforeseen_ends_and_is_found_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    jobs = Jobs(Time())
    job = jobs.start("dossier", Principal("key-1", "", ()), fails)
    jobs.close()
    assert job.state == "failed"
    assert job.problem is not None
    assert job.problem.instance.startswith("urn:uuid:")
    assert SECRET not in str(job.problem)
    (record,) = caplog.records
    assert record.__dict__["instance"] == job.problem.instance
    assert record.__dict__["route"] == "dossier"
    assert_says_where_and_not_what(record)


def test_a_request_that_fails_unforeseen_is_found_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    @get("/v1/broken/{name:str}", opt={"permission": "health:read", "open": True})
    async def broken(name: FromPath[str]) -> None:
        del name
        fails(None)  # type: ignore[arg-type]  # it looks at none

    with client_of(service_at(tmp_path), handlers=[*HANDLERS, broken]) as client:
        answer = client.get(f"/v1/broken/{SECRET}")
    assert answer.status_code == 500
    assert SECRET not in answer.text
    (record,) = [each for each in caplog.records if each.exc_info]
    assert record.__dict__["instance"] == answer.json()["instance"]
    assert_says_where_and_not_what(record)


def test_a_circle_of_causes_is_written_once() -> None:
    first, second = ValueError("a"), TypeError("b")
    first.__cause__, second.__cause__ = second, first
    record = logging.LogRecord("x", logging.ERROR, "", 0, "said", None, (ValueError, first, None))
    assert Lines().format(record).splitlines()[1:] == ["builtins.ValueError", "builtins.TypeError"]


def test_ready_is_whoever_decides_and_only_readers_of_the_status_learn_why(tmp_path: Path) -> None:
    service = service_at(tmp_path)
    live = service.homes["default"]
    with client_of(service) as client:
        for vital, status in ((False, 200), (True, 503)):
            live.checks = (Check("witnesses", ok=False, why="/srv/home is not there", vital=vital),)  # type: ignore[attr-defined]  # a stand-in
            answer = client.get("/readyz")
            assert answer.status_code == status
            assert answer.json() == {"ready": not vital, "checks": [{"name": "witnesses", "ok": False, "why": ""}]}
            told = client.get("/readyz", headers=bearer(service, "administrator"))
            assert told.json()["checks"][0]["why"] == "/srv/home is not there"


def test_jobs_end_in_time(caplog: pytest.LogCaptureFixture) -> None:
    clock = Time()
    jobs = Jobs(clock)
    job = jobs.start("x", Principal("key-1", "", ()), lambda _job: time.sleep(0) or {"a": 1})
    jobs.close()
    assert (job.state, job.result, job.ended_ns) == ("done", {"a": 1}, clock.now)
    assert not caplog.records
