"""Errors as answers: problem details (RFC 9457) on native routes.

The one place that maps an error to a status. Extension members name the offending field, line and value, and `help` says what
would be right. What went wrong inside is never shown: it is logged under the id that the answer carries in `instance`.
"""

from __future__ import annotations

import logging
import math
import traceback
import uuid
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from litestar import MediaType, Request, Response
from litestar.exceptions import HTTPException, ValidationException

from groundrule.api.bare import without_paths
from groundrule.errors import (
    ConflictError,
    GroundruleError,
    InputError,
    IntegrityError,
    MissingExtra,
    StoreError,
)

PROBLEM: Final = "application/problem+json"
LOG: Final = logging.getLogger("groundrule.api")

_TITLES: Final = {
    400: "The request cannot be understood",
    401: "Nobody has logged in",
    403: "This role may not do that",
    404: "There is no such thing",
    405: "This method does nothing here",
    406: "None of the accepted media types can be given",
    409: "What is held contradicts the request",
    412: "It has changed meanwhile",
    413: "The request is too large",
    415: "This media type is not read here",
    421: "This request was meant for somebody else",
    422: "The request was understood and cannot be done",
    429: "Too many requests",
    500: "Something went wrong here",
    501: "This part is not installed",
    503: "This part of the service is not available",
    507: "The disk is full",
}


class Problem(msgspec.Struct, omit_defaults=True):
    """What went wrong (RFC 9457).

    Attributes:
        type: names the kind of problem; `about:blank` where the status says it all.
        title: the kind, in one sentence.
        status: of HTTP.
        detail: this very problem, in one sentence.
        instance: where in the logs it is found.
        code: short name of the kind, for programs.
        help: what would be right.
        refusal: code of the rule of governance that refused, where one did.
        file, line, column, field, row: where it is, as far as known.
        value: what was given there, shortened.
        errors: several problems of one request.
    """

    title: str
    status: int
    detail: str = ""
    type: str = "about:blank"
    instance: str | None = None
    code: str | None = None
    help: str | None = None
    refusal: str | None = None
    file: str | None = None
    line: int | None = None
    column: int | None = None
    field: str | None = None
    row: int | None = None
    value: str | None = None
    errors: list[dict[str, Any]] | None = None


class Refused(HTTPException):
    """A request that the edge itself refuses.

    Args:
        status: of HTTP.
        detail: one sentence.
        members: further members of the problem.
    """

    def __init__(self, status: int, detail: str, *, headers: Mapping[str, str] | None = None, **members: Any) -> None:
        super().__init__(detail=detail, status_code=status, headers=dict(headers) if headers else None)
        self.members = members


def status_of(error: GroundruleError) -> int:
    """Return the status of HTTP that an error stands for."""
    if isinstance(error, MissingExtra):
        return 501
    if isinstance(error, InputError):
        return 404 if error.context.get("missing") else 422
    if isinstance(error, ConflictError):
        return 409
    if isinstance(error, IntegrityError):
        return 500
    if isinstance(error, StoreError):
        return 507 if error.context.get("full") else 503
    return 500


def problem_of(error: GroundruleError) -> Problem:
    """Put an error into the form of an answer."""
    status, context = status_of(error), error.context

    def text(name: str) -> str | None:
        return None if context.get(name) in (None, "") else str(context[name])[:200]

    def number(name: str) -> int | None:
        value = context.get(name)
        return value if isinstance(value, int) and value > 0 else None

    # A path of this machine tells a stranger nothing but where to attack.
    file = text("file")
    return Problem(
        _TITLES.get(status, "The request failed"), status, without_paths(error.message), code=error.code,
        help=None if error.help is None else without_paths(error.help),
        refusal=text("refusal"), file=file.rsplit("/", 1)[-1] if file else None, line=number("line"),
        column=number("column"), field=text("field"), row=number("row"), value=text("value"),
    )  # fmt: skip


_HARMLESS: Final = {
    "Cache-Control": "no-store", "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin", "X-Content-Type-Options": "nosniff",
}  # fmt: skip
"""Headers of every problem, also of those that no route has seen."""


def answer(problem: Problem, headers: Mapping[str, str] | None = None) -> Response[bytes]:
    """Return a problem as a response."""
    return Response(
        msgspec.json.encode(problem), status_code=problem.status, media_type=PROBLEM,
        headers={**_HARMLESS, **(headers or {})},
    )  # fmt: skip


def on_groundrule_error(request: Request[Any, Any, Any], error: GroundruleError) -> Response[bytes]:
    """Answer an error that Groundrule raised on purpose."""
    problem = problem_of(error)
    if problem.status >= 500:
        problem.instance = f"urn:uuid:{uuid.uuid4()}"
        # The message is for the operator's eyes; records of persons are never in it.
        LOG.error("request failed", extra={"instance": problem.instance, "error": error.code, "route": _route(request)})
        if isinstance(error, IntegrityError):
            problem.detail = "what is stored is not what was recorded; the operator has been told"
            problem.help = None
    return answer(problem)


def on_http_error(_: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """Answer an error of the framework, or one of the edge."""
    status = error.status_code
    members = error.members if isinstance(error, Refused) else {}
    problem = Problem(_TITLES.get(status, "The request failed"), status, _sentence(error), **members)
    if isinstance(error, ValidationException) and isinstance(error.extra, list):
        problem.errors = [_plain(each) for each in error.extra[:20] if isinstance(each, dict)]
    return answer(problem, error.headers)


def on_any_error(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Answer a fault of ours: the trace goes to the log, an id to the caller."""
    if isinstance(error, RecursionError | UnicodeDecodeError) and _is_of_decoding(error):
        # The framework knows one way in which JSON can be wrong; nested too deep and not UTF-8 are two more.
        said = "the body is nested too deep" if isinstance(error, RecursionError) else "the body is not UTF-8 text"
        return answer(Problem(_TITLES[400], 400, said, code="malformed", help="send JSON (RFC 8259)"))
    return answer(problem_of_fault(error, _route(request)))


def problem_of_fault(error: Exception, where: str) -> Problem:
    """Log a fault of ours, and return what is told of it: the id under which it is found.

    Args:
        error: what nobody foresaw.
        where: the route, or the kind of job.
    """
    instance = f"urn:uuid:{uuid.uuid4()}"
    LOG.error("internal error", exc_info=error, extra={"instance": instance, "route": where})
    return Problem(
        _TITLES[500], 500, "an error of this program; it was logged", instance=instance, code="internal",
        help="tell the operator the instance",
    )  # fmt: skip


def _is_of_decoding(error: Exception) -> bool:
    """Did it happen while a body was decoded, and in nothing that this program does?"""
    frames = list(traceback.walk_tb(error.__traceback__))
    return bool(frames) and frames[-1][0].f_code.co_name in ("decode_json", "decode_msgpack")


def _route(request: Request[Any, Any, Any]) -> str:
    handler = request.scope.get("route_handler")
    return getattr(handler, "handler_name", "") or "unknown"


def _sentence(error: HTTPException) -> str:
    detail = str(error.detail)
    # Litestar puts method and address before what is wrong; the caller knows both.
    return detail.split(" for ", 1)[0] if detail.startswith("Validation failed") else detail


def _plain(item: Mapping[str, Any]) -> dict[str, Any]:
    return {
        str(key): value if isinstance(value, int | str | bool) or (isinstance(value, float) and math.isfinite(value)) else str(value)
        for key, value in item.items()
    }


HANDLERS: Final[dict[Any, Any]] = {
    GroundruleError: on_groundrule_error,
    HTTPException: on_http_error,
    Exception: on_any_error,
}
"""Exception handlers of the application."""

TYPES: Final = (MediaType.JSON, PROBLEM)
