"""Logs: one line for each request and each fault, with routes instead of addresses, and never personal data."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from typing import Final

_KNOWN: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class Lines(logging.Formatter):
    """A record as a line of text, with its named facts behind it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        facts = " ".join(f"{name}={value}" for name, value in _facts(record).items())
        text = f"{self.formatTime(record, '%H:%M:%S')} {record.levelname.lower()} {record.name}: {record.getMessage()}"
        return "\n".join([f"{text} {facts}".rstrip(), *_trace(record)])


class JsonLines(logging.Formatter):
    """A record as a JSON object on one line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        value = {
            "at": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"), "level": record.levelname.lower(), "logger": record.name,
            "message": record.getMessage(), **_facts(record),
        }  # fmt: skip
        if trace := _trace(record):
            value["trace"] = "\n".join(trace)
        return json.dumps(value, ensure_ascii=False, default=str)


def configure_logging(*, as_json: bool) -> None:
    """Send the service's logs to stderr: everything that is wrong, and with JSON every request, too."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if as_json else Lines())
    logger = logging.getLogger("groundrule")
    logger.handlers[:] = [handler]
    logger.setLevel(logging.INFO if as_json else logging.WARNING)
    logger.propagate = False
    # The server says that it starts and ends; a person is told by the command, and faults are told by all.
    logging.getLogger("uvicorn").setLevel(logging.WARNING)


def _trace(record: logging.LogRecord) -> list[str]:
    """Return where a fault came from: types and lines of code, and no message, since that may name a terminal or a person."""
    error = record.exc_info[1] if record.exc_info else None
    lines: list[str] = []
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        lines += [*traceback.format_tb(error.__traceback__), f"{type(error).__module__}.{type(error).__qualname__}"]
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return [line.rstrip("\n") for line in lines]


def _facts(record: logging.LogRecord) -> dict[str, object]:
    return {name: value for name, value in record.__dict__.items() if name not in _KNOWN}
