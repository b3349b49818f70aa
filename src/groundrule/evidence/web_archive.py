"""Publications inside other files: responses of a web archive (WARC), and the page of a saved web page (MHTML)."""

from __future__ import annotations

import email
import email.policy
import io
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime

from groundrule.errors import InputError, MissingExtra
from groundrule.evidence.characters import visible
from groundrule.evidence.raw_files import FileKind, Limits, kind_of
from groundrule.evidence.report import Problem

_CHUNK = 1 << 16
_FREE = 1_000_000
"""Unpacked bytes below which no ratio is asked for."""
_MULTIPART = re.compile(rb"^Content-Type:\s*multipart/", re.IGNORECASE | re.MULTILINE)
_PART = re.compile(rb"^Content-Type:", re.IGNORECASE | re.MULTILINE)
_READABLE = (FileKind.HTML, FileKind.TEXT, FileKind.PDF)


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes of one publication, and what the file around them says.

    Attributes:
        raw, kind: its bytes and their type.
        charset: encoding that came with it. source_url: address. captured_at_ns: when, ns since 1970 UTC.
        member: id or number inside the file. title: as the file around it says.
        problems: what was odd about it or about the parts that could not be read.
    """

    raw: bytes
    kind: FileKind
    charset: str = ""
    source_url: str = ""
    captured_at_ns: int | None = None
    member: str = ""
    title: str = ""
    problems: tuple[Problem, ...] = ()


def web_archive(raw: bytes, *, file_name: str, limits: Limits, until: float) -> list[Part]:
    """Responses of a web archive that hold HTML, text or PDF, in order.

    Others (pictures, styles, redirects, broken or oversized records) are counted in the problems of the first.

    Raises:
        InputError: broken from the start, or without any such response.
        MissingExtra: the extra `evidence` is not installed.
    """
    try:
        from warcio.archiveiterator import ArchiveIterator  # noqa: PLC0415 - an optional package
        from warcio.exceptions import ArchiveLoadFailed  # noqa: PLC0415
    except ImportError as absent:
        raise MissingExtra("evidence", needed_for="reading web archives") from absent
    parts: list[Part] = []
    problems: list[Problem] = []
    budget = _Budget(len(raw), limits)
    passed = records = 0
    try:
        for record in ArchiveIterator(io.BytesIO(raw)):
            records += 1
            if records > limits.members:
                problems.append(Problem("too_many_members", "", f"only the first {limits.members} records were read"))
                break
            if time.monotonic() > until:
                problems.append(
                    Problem("too_slow", f"record {records}", "the rest was left out: reading it took too long")
                )
                break
            status = record.http_headers.get_statuscode() if record.http_headers else ""
            if record.rec_type not in ("response", "resource") or status not in ("", "200"):
                passed += 1
                continue
            body, said = budget.read(record.content_stream(), f"record {records}")
            problems += said
            part = _response(record, body, records, limits) if body is not None else None
            if part:
                parts.append(part)
            else:
                passed += 1
            if budget.spent:
                break
    except (
        ArchiveLoadFailed,
        EOFError,
        OSError,
        ValueError,
        IndexError,
        KeyError,
        AttributeError,
        TypeError,
    ) as broken:
        # The library's readers raise all of these on broken records; what was read before stays.
        problems.append(
            Problem("broken_archive", f"record {records + 1}", visible(str(broken) or type(broken).__name__, 200))
        )
    if passed:
        problems.append(
            Problem("members_passed_over", "", f"{passed} records hold no page, text or PDF that can be read")
        )
    if not parts:
        why = f": {problems[0].code}, {problems[0].detail}" if problems else ""
        raise InputError(
            f"`{file_name}` is a web archive without a readable response{why}", help="at least one response with HTML, text or PDF",
            file=file_name,
        )  # fmt: skip
    first = parts[0]
    parts[0] = Part(
        first.raw,
        first.kind,
        first.charset,
        first.source_url,
        first.captured_at_ns,
        first.member,
        first.title,
        tuple(problems),
    )
    return parts


class _Budget:
    """How much may be unpacked from one file in all."""

    def __init__(self, packed: int, limits: Limits) -> None:
        self.left = min(4 * limits.unpacked_bytes, max(_FREE, packed * limits.ratio))
        self.limits = limits
        self.spent = False

    def read(self, stream: io.BufferedIOBase, where: str) -> tuple[bytes | None, list[Problem]]:
        """Bytes of one part, or None where it goes beyond the limits."""
        pieces: list[bytes] = []
        size = 0
        while piece := stream.read(_CHUNK):
            size += len(piece)
            self.left -= len(piece)
            if self.left < 0:
                self.spent = True
                return None, [
                    Problem(
                        "zip_bomb", where, f"unpacks to more than {self.limits.ratio} times its size; reading stopped"
                    )
                ]
            if size > self.limits.unpacked_bytes:
                return None, [Problem("too_large", where, f"more than {self.limits.unpacked_bytes} bytes; left out")]
            pieces.append(piece)
        return b"".join(pieces), []


def _response(record: object, body: bytes, number: int, limits: Limits) -> Part | None:
    headers, http = record.rec_headers, record.http_headers  # type: ignore[attr-defined]  # warcio has no annotations
    try:
        kind = kind_of(body, file_name=f"record {number}", limits=limits)
    except InputError:
        return None
    if kind not in _READABLE:
        return None
    declared = (http.get_header("Content-Type") if http else headers.get_header("Content-Type")) or ""
    said = declared.partition(";")[0].strip().lower()
    if (
        kind is FileKind.TEXT and said and not said.startswith("text/plain")
    ):  # scripts, styles and data are text, but no publication
        return None
    return Part(
        body, kind, _charset(declared), headers.get_header("WARC-Target-URI") or "", _warc_time(headers.get_header("WARC-Date") or ""),
        headers.get_header("WARC-Record-ID") or f"record {number}",
    )  # fmt: skip


def _charset(content_type: str) -> str:
    found = re.search(r"charset\s*=\s*[\"']?([\w.:-]{2,40})", content_type, re.IGNORECASE)
    return found[1] if found else ""


def _warc_time(text: str) -> int | None:
    try:
        moment = datetime.fromisoformat(text.strip()[:40])
    except ValueError:
        return None
    return _nanoseconds(moment if moment.tzinfo else moment.replace(tzinfo=UTC))  # the standard says UTC


def _nanoseconds(moment: datetime) -> int:
    since = moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1_000


def saved_page(raw: bytes, *, file_name: str, limits: Limits) -> list[Part]:
    """The page of a saved web page: its root, else its first HTML part. Frames and attachments are counted, not read.

    Raises:
        InputError: too deep, too many parts, or without a page.
    """
    if len(_MULTIPART.findall(raw)) > limits.nesting or len(_PART.findall(raw)) > limits.members:
        raise InputError(
            f"`{file_name}` has too many parts or parts within parts",
            help="save the page anew, as one page",
            file=file_name,
        )
    try:
        whole = email.message_from_bytes(raw, policy=email.policy.compat32)
        found = [(part, part.get_content_type()) for part in _leaves(whole)]
    except (ValueError, LookupError, RecursionError, AttributeError) as broken:
        raise InputError(
            f"`{file_name}` is a broken saved page: {visible(str(broken), 100)}",
            help="save the page anew",
            file=file_name,
        ) from broken
    start = _field(whole.get_param("start"))
    pages = [part for part, kind in found if kind in ("text/html", "application/xhtml+xml")]
    pages.sort(key=lambda part: _field(part.get("Content-ID")) != start or not start)
    bodies = ((part, _payload(part)) for part in pages)
    chosen = next(((part, body) for part, body in bodies if body.strip()), None)
    if chosen is None:
        raise InputError(
            f"`{file_name}` is a saved page without a page in it", help="save the page anew", file=file_name
        )
    part, body = chosen
    problems: tuple[Problem, ...] = ()
    if len(pages) > 1:
        problems = (
            Problem("members_passed_over", "", f"{len(pages) - 1} more pages or frames in the file were not read"),
        )
    address = _field(whole.get("Snapshot-Content-Location")) or _field(part.get("Content-Location"))
    charset = _field(part.get_param("charset"))
    return [
        Part(
            body, FileKind.HTML, charset, address if address.startswith(("http://", "https://")) else "",
            _mail_time(_field(whole.get("Date"))), _field(part.get("Content-ID")), "", problems,
        )
    ]  # fmt: skip


def _leaves(whole: Message) -> Iterator[Message]:
    todo = [whole]
    while todo:
        part = todo.pop(0)
        inner = part.get_payload()
        if part.is_multipart() and isinstance(inner, list):
            todo.extend(each for each in inner if isinstance(each, Message))
        else:
            yield part


def _payload(part: Message) -> bytes:
    try:
        body = part.get_payload(decode=True)
    except (ValueError, LookupError):
        return b""
    return body if isinstance(body, bytes) else b""


def _field(value: object) -> str:
    return str(value).strip() if value is not None else ""


def _mail_time(text: str) -> int | None:
    try:
        moment = parsedate_to_datetime(text[:100])
    except (ValueError, TypeError, IndexError):
        return None
    return _nanoseconds(moment if moment.tzinfo else moment.replace(tzinfo=UTC))  # `-0000` means UTC, its place unknown
