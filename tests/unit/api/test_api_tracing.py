"""Traces: a span for each request, by its route; a caller's trace is continued, and nobody is named in any of it."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any
from urllib.parse import quote

import pytest
from homes import STRANGE, Served

from groundrule.api.collector import check_collector, tracing_to
from groundrule.api.settings import Settings, check_settings
from groundrule.errors import InputError, MissingExtra

pytest.importorskip("opentelemetry.sdk")

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from groundrule.api.tracing import tracing

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture
def spans(reading: Served) -> Iterator[InMemorySpanExporter]:
    kept = InMemorySpanExporter()
    app: Any = reading.client.app
    with tracing("http://127.0.0.1:9", processor=SimpleSpanProcessor(kept)) as made:
        app.tracing = made
        try:
            yield kept
        finally:
            app.tracing = None


def told(span: ReadableSpan) -> str:
    """Everything of a span that leaves the house, in one text."""
    return json.dumps([json.loads(span.to_json()), dict(span.resource.attributes), [str(each) for each in span.events]], ensure_ascii=False)


def test_a_span_has_the_route_and_nothing_of_the_request(reading: Served, spans: InMemorySpanExporter) -> None:
    who = {**reading.key("officer", accounts=["acc-canary"]), "User-Agent": "canary-agent", "X-Forwarded-For": "203.0.113.77"}
    name = quote(STRANGE, safe="")
    for path in (f"/v1/terminals/{name}", f"/v1/terminals/{name}/explanation?language=de", "/v1/terminals?q=canary-query", "/canary-path"):
        reading.get(path, who)
    reading.client.post("/v1/appeals", json={"terminal": "canary-terminal", "text": "canary-letter"}, headers=who)
    found = spans.get_finished_spans()
    assert [each.name for each in found] == [
        "GET /v1/terminals/{terminal}", "GET /v1/terminals/{terminal}/explanation", "GET /v1/terminals", "GET /{path}", "POST /v1/appeals",
    ]  # fmt: skip
    secret = who["Authorization"].partition(" ")[2]
    for each in found:
        text = told(each)
        hidden = ("canary", STRANGE, name, "тарілка", secret, secret[:12], "acc-a", "203.0.113", "testserver", "127.0.0.1", "language", "?")
        for word in hidden:
            assert word not in text, (word, text)
        assert each.kind is SpanKind.SERVER
        assert set(each.attributes or {}) <= {"http.request.method", "http.route", "http.response.status_code", "error.type"}
    assert [(each.attributes or {})["http.response.status_code"] for each in found[:4]] == [200] * 4


def test_an_observation_on_its_short_way_is_traced_and_not_named(reading: Served, spans: InMemorySpanExporter) -> None:
    row = {"terminal_id": "canary-terminal", "observed_at": "not a time", "lat_deg": 51.123456, "lon_deg": 1.0}
    answer = reading.client.post("/v1/observations", json={"rows": [row]}, headers=reading.key("ingest"))
    (span,) = spans.get_finished_spans()
    assert span.name == "POST /v1/observations"
    assert (span.attributes or {})["http.response.status_code"] == answer.status_code
    assert "canary" not in told(span)
    assert "51.123" not in told(span)


def test_a_callers_trace_is_continued_and_what_else_it_says_is_dropped(reading: Served, spans: InMemorySpanExporter) -> None:
    parent = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "canary=terminal-7", "baggage": "canary=account-7"}
    assert reading.get("/healthz", parent).status_code == 200
    (span,) = spans.get_finished_spans()
    assert span.context is not None
    assert span.parent is not None
    assert (f"{span.context.trace_id:032x}", f"{span.parent.span_id:016x}") == (TRACE, PARENT)
    assert span.parent.is_remote
    assert "canary" not in told(span)
    assert len(span.context.trace_state) == 0


def test_a_caller_that_samples_nothing_is_not_sampled(reading: Served, spans: InMemorySpanExporter) -> None:
    assert reading.get("/healthz", {"traceparent": f"00-{TRACE}-{PARENT}-00"}).status_code == 200
    assert spans.get_finished_spans() == ()


@pytest.mark.parametrize(
    "given", ["", "canary", f"00-{TRACE}-{PARENT}", f"00-{'0' * 32}-{PARENT}-01", f"ff-{TRACE}-{PARENT}-01", "00-" + "z" * 300]
)
def test_a_broken_traceparent_begins_a_trace_of_its_own(reading: Served, spans: InMemorySpanExporter, given: str) -> None:
    assert reading.get("/healthz", {"traceparent": given}).status_code == 200
    (span,) = spans.get_finished_spans()
    assert span.parent is None
    assert "canary" not in told(span)


def test_an_unknown_method_is_not_repeated_and_a_fault_is_one(
    reading: Served, spans: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading.client.request("CANARY", "/healthz")
    who = reading.key("officer")
    monkeypatch.setattr("groundrule.api.routes.terminals.sight_of", lambda *_: 1 // 0)
    assert reading.get("/v1/terminals", who).status_code == 500
    other, failed = spans.get_finished_spans()
    assert other.name.startswith("_OTHER ")
    assert "CANARY" not in told(other)
    assert failed.status.status_code is StatusCode.ERROR
    assert (failed.attributes or {})["error.type"] == "500"
    assert "division" not in told(failed)


def test_a_collector_gets_them_and_its_absence_hinders_nobody() -> None:
    taken: list[tuple[str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    async def answer(scope: Any, _receive: Any, send: Any) -> None:
        scope["path_template"] = "/v1/terminals/{terminal:str}"
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def nothing(*_: object) -> None:
        return None

    scope: Any = {"type": "http", "method": "GET", "path": "/v1/terminals/canary", "headers": []}
    with HTTPServer(("127.0.0.1", 0), Collector) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        with tracing_to(f"http://127.0.0.1:{server.server_port}") as made:
            run(made(scope, nothing, nothing, answer))  # type: ignore[arg-type]  # functions that do nothing
        server.shutdown()
    ((path, body),) = taken
    assert path == "/v1/traces"
    assert b"/v1/terminals/{terminal" in body
    assert b"canary" not in body


def run(awaited: Any) -> None:
    import asyncio

    asyncio.run(awaited)


@pytest.mark.parametrize(
    "address", ["", "localhost:4318", "ftp://host/", "http://", "http://host:0", "http://host:99999", "http://me:secret@host", "http://h/?a=b"]
)
def test_an_address_that_is_none_is_refused_before_anything_is_opened(address: str) -> None:
    with pytest.raises(InputError) as refused:
        check_settings(Settings(traces=address))
    assert "4318" in str(refused.value.help)
    assert "secret" not in str(refused.value)
    check_collector(None)
    check_collector("https://collector.example:4318/v1/traces")


def test_without_its_packages_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [each for each in sys.modules if each.startswith("opentelemetry") or each == "groundrule.api.tracing"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    real = importlib.import_module

    def absent(name: str, package: str | None = None) -> Any:
        if name == "groundrule.api.tracing":
            raise ModuleNotFoundError("No module named 'opentelemetry'", name="opentelemetry")
        return real(name, package)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(MissingExtra, match="sending traces") as refused:
        tracing_to("http://127.0.0.1:4318")
    assert "groundrule[telemetry]" in str(refused.value.help)
