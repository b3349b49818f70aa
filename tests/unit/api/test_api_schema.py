"""Whatever the document allows or forbids is sent to every operation of a running service: no fault, and every answer as described."""

from __future__ import annotations

import math
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
import uvicorn
from homes import Served, served
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from groundrule.api.app import make_app
from groundrule.api.document import document
from groundrule.store.home import Home
from small_home import copy_home

LEAST = 1_000
SHARE = {GenerationMode.POSITIVE: 0.65, GenerationMode.NEGATIVE: 0.5}
"""Of the cases of each operation; together more than one, because some routes have nothing that could be wrong."""
ENDLESS = {"/v1/events"}
KNOWN = {
    "terminal": "car", "kind": "terminals", "key": "car", "area_id": "closed", "collection": "areas", "index": "0", "path": "checkpoint",
}  # fmt: skip
CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance, response_schema_conformance,
]  # fmt: skip


@pytest.fixture(scope="module")
def asked(served_template: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(copy_home(served_template, tmp_path_factory.mktemp("schema") / "home")) as made:
        yield made


@pytest.fixture(scope="module")
def address(asked: Served) -> Iterator[str]:
    """Listen on a port of this machine, as in operation."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        config = uvicorn.Config(make_app(asked.service), log_config=None, access_log=False, lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        until = time.monotonic() + 10
        while not server.started and time.monotonic() < until:
            time.sleep(0.02)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join(10)


def test_nothing_that_is_sent_finds_a_fault_or_an_answer_that_is_not_described(asked: Served, address: str) -> None:
    schema = schemathesis.openapi.from_dict(document(asked.client.app))
    schema.config.update(base_url=address)
    headers = asked.key("officer", "administrator")
    sent, faults, session = 0, list[str](), requests.Session()

    def send(case: Any) -> None:
        nonlocal sent
        sent += 1
        if sent % 2:
            # Made-up ids find nothing; half of the questions are about what there is.
            case.path_parameters = {name: KNOWN.get(name, value) for name, value in (case.path_parameters or {}).items()}
        case.call_and_validate(base_url=address, session=session, headers=headers, checks=CHECKS, timeout=20)

    operations = [each for found in schema.get_all_operations() if (each := found.ok()).path not in ENDLESS]
    for operation in operations:
        for mode, share in SHARE.items():
            try:
                strategy = operation.as_strategy(generation_mode=mode)
                tried = settings(
                    max_examples=math.ceil(share * LEAST / len(operations)), database=None, deadline=None, derandomize=True,
                    phases=[Phase.generate], suppress_health_check=list(HealthCheck),
                )(given(case=strategy)(send))  # fmt: skip
                tried()
            except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001 - told at once
                if "Cannot generate" in str(error) or "Unsatisfiable" in type(error).__name__:
                    continue  # a route without parameters has nothing that could be wrong
                faults.append(f"{operation.label} ({mode.value}): {str(error)[:900]}")
    assert not faults, f"{len(faults)} operations\n\n" + "\n\n".join(faults)
    assert sent >= LEAST
