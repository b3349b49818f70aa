"""Whether and where traces go: looked at before OpenTelemetry is loaded, which few installations have (`api.tracing`)."""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Final, Protocol, TypeAlias
from urllib.parse import urlsplit

from litestar.types import HTTPScope, Receive, Send

from groundrule.errors import InputError, MissingExtra

EXTRA: Final = "telemetry"
Answer: TypeAlias = Callable[[HTTPScope, Receive, Send], Awaitable[None]]


class Traced(Protocol):
    """Answers a request within a span."""

    async def __call__(self, scope: HTTPScope, receive: Receive, send: Send, answer: Answer) -> None:
        """Answer one request."""


def check_collector(address: str | None) -> None:
    """Refuse an address to which no trace can go.

    Args:
        address: of a collector; None where no traces are wanted.
    Raises:
        InputError: it is no address of a web server, or carries a password, which would be shown wherever settings are.
    """
    if address is None:
        return
    try:
        parts = urlsplit(address)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise InputError(
            "`traces` is no address of an OpenTelemetry collector", field="traces",
            help="name it as in http://127.0.0.1:4318 (OTLP over HTTP); headers go into OTEL_EXPORTER_OTLP_HEADERS",
        )  # fmt: skip


def tracing_to(address: str) -> AbstractContextManager[Traced]:
    """Return what sends traces to a collector while it is open.

    Raises:
        InputError: the address cannot be used. MissingExtra: OpenTelemetry is not installed.
    """
    check_collector(address)
    try:
        made: AbstractContextManager[Traced] = importlib.import_module("groundrule.api.tracing").tracing(address)
    except ModuleNotFoundError as absent:
        if (absent.name or "").partition(".")[0] != "opentelemetry":
            raise
        raise MissingExtra(EXTRA, needed_for="sending traces (`traces` in the settings)") from absent
    return made
