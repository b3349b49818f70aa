"""Traces of requests for an OpenTelemetry collector: which route took how long, and never about whom.

A span is named after the template of its route (`GET /v1/terminals/{terminal}`) and carries method, template and status, after the
OpenTelemetry semantic conventions for HTTP. No path, query, address, header, id or text of an error is in it: the framework's own
instrumentation would put path and query there, so it is not used. A caller's `traceparent` (W3C Trace Context) is continued, also
where it says that nothing is to be sampled; `tracestate` and `baggage`, in which a caller may write anything, are dropped.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from urllib.parse import urlsplit

from litestar.types import HTTPScope, Message, Receive, Send
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased
from opentelemetry.trace import SpanKind, StatusCode, use_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from groundrule import __version__
from groundrule.api.collector import Answer
from groundrule.api.guard import route_of

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
TRACES: Final = "/v1/traces"
TIMEOUT_S: Final = 5
"""How long a collector may take to accept a batch [s]; longer, and the batch is lost, never a request."""
_TRACEPARENT: Final = "traceparent"


class Tracing:
    """Makes a span of each request.

    Args:
        provider: of OpenTelemetry.
    """

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer("groundrule", __version__)
        self._propagator = TraceContextTextMapPropagator()

    async def __call__(self, scope: HTTPScope, receive: Receive, send: Send, answer: Answer) -> None:
        """Answer a request within a span."""
        method = scope["method"] if scope["method"] in METHODS else "_OTHER"
        given = [value.decode("latin-1") for name, value in scope["headers"] if name == _TRACEPARENT.encode()]
        # Of two headers nobody can say which one is meant (W3C Trace Context, 3.2.2.5).
        parent = self._propagator.extract({_TRACEPARENT: given[0]} if len(given) == 1 else {})
        span = self._tracer.start_span(method, parent, SpanKind.SERVER, {"http.request.method": method})
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            try:
                await answer(scope, receive, sending)
            except BaseException as error:
                # What an error says may name somebody; of which class it is, does not.
                span.set_attribute("error.type", type(error).__qualname__)
                span.set_status(StatusCode.ERROR)
                raise
            finally:
                route = route_of(scope)
                span.update_name(f"{method} {route}")
                span.set_attribute("http.route", route)
                if status:
                    span.set_attribute("http.response.status_code", status)
                if status >= 500:
                    span.set_attribute("error.type", str(status))
                    span.set_status(StatusCode.ERROR)


@contextmanager
def tracing(address: str, *, processor: SpanProcessor | None = None) -> Iterator[Tracing]:
    """Send traces while this is open; what is on its way is sent at its end.

    Args:
        address: of the collector; `/v1/traces` is added where it has no path.
        processor: takes spans instead of the collector.
    """
    # Nothing of the machine: no host, user or command line.
    provider = TracerProvider(
        resource=Resource({"service.name": "groundrule", "service.version": __version__}), sampler=ParentBased(ALWAYS_ON),
        shutdown_on_exit=False,
    )  # fmt: skip
    endpoint = address if urlsplit(address).path.strip("/") else f"{address.rstrip('/')}{TRACES}"
    provider.add_span_processor(processor or BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint, timeout=TIMEOUT_S)))
    try:
        yield Tracing(provider)
    finally:
        provider.shutdown()
