from __future__ import annotations

import contextlib
import os
import random
import resource
import socket
import time

import pytest

import hostile_files
from groundrule.errors import InputError
from groundrule.evidence.raw_files import Limits, safe_name
from groundrule.evidence.reading import read_reports
from groundrule.evidence.report import Report

CASES = {name: (raw, expected) for name, raw, expected in hostile_files.hostile()}
NAMES = (
    "../../etc/passwd",
    "..\\..\\x.html",
    "/abs/olute.html",
    "a\x00b.html",
    "\u202elmth.exe",
    "con\r\nInjected: 1",
    "..",
    ".",
    "",
    "x" * 5_000,
    "~root/a",
    "%2e%2e%2fa",
    "=cmd|' /C calc'!A0",
)


@pytest.fixture(autouse=True)
def nothing_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any connection, any process, any write is an error."""

    def refused(*_: object, **__: object) -> None:
        raise AssertionError("the import reached out of itself")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)
    monkeypatch.setattr(os, "system", refused)
    monkeypatch.setattr("subprocess.Popen.__init__", refused)


def sound(report: Report) -> None:
    """What holds for every report, whatever it was made of."""
    at = 0
    for span in report.spans:
        assert at <= span.start < span.end <= len(report.text)
        assert not report.text[at : span.start].strip()
        at = span.end
    assert not report.text[at:].strip()
    for spelling, start, end in report.outlets:
        assert report.text[start:end] == spelling
    if report.translation.notice:
        assert report.translation.notice in report.spans
    shown = [
        report.text,
        report.title,
        report.publisher,
        report.capture.file_name,
        report.canonical_url,
        *report.authors,
        *(p.detail for p in report.problems),
    ]
    for text in shown:
        text.encode("utf-8")
        assert not any(each in text for each in "\x00\x1b\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u200b")
    for problem in report.problems:
        assert "\n" not in problem.detail


def test_there_are_at_least_sixty() -> None:
    assert len(CASES) >= 60


@pytest.mark.parametrize("name", CASES)
def test_does_nothing_and_says_so(name: str) -> None:
    raw, expected = CASES[name]
    reports: tuple[Report, ...] = ()
    refusal: InputError | None = None
    started, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        reports = read_reports(raw, file_name=f"{name}.html")
    except InputError as said:
        refusal = said
    codes = {problem.code for report in reports for problem in report.problems}
    if refusal:
        assert expected in ("refused", ""), refusal
        assert refusal.help
        assert "\n" not in refusal.message
    else:
        assert expected in codes or not expected, codes
    for report in reports:
        sound(report)
        assert "OWNED" not in report.text
        assert report.capture.size_bytes == len(raw)
    assert time.process_time() - started < 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 900_000


@pytest.mark.parametrize("name", NAMES)
def test_names_of_files_are_base_names(name: str) -> None:
    kept = safe_name(name)
    assert kept
    assert kept not in (".", "..")
    assert not any(each in kept for each in "/\\\x00\r\n\u202e")
    assert len(kept) <= 260


@pytest.mark.parametrize("seed", range(60))
def test_changed_bytes_are_survived(seed: int) -> None:
    """Bytes of a good file turned, cut and repeated at random."""
    rng = random.Random(seed)
    good = (
        hostile_files.page("<blockquote><p>They never asked us (invented).</p></blockquote>"),
        hostile_files.record(hostile_files.page("")),
        hostile_files.saved(hostile_files.page("")),
        hostile_files.pdf(hostile_files.zlib.compress(hostile_files.words(["The gate stayed open (invented)."] * 5))),
        "Наказ віддали (вигадано), і ніхто не знав, хто просив.\n\nРеклама".encode("cp1251"),
    )  # fmt: skip
    raw = bytearray(good[seed % len(good)])
    for _ in range(rng.randrange(1, 30)):
        place = rng.randrange(len(raw))
        match rng.randrange(3):
            case 0:
                raw[place] = rng.randrange(256)
            case 1:
                del raw[place : place + rng.randrange(1, 20)]
            case _:
                raw[place:place] = raw[place : place + 30] * rng.randrange(1, 4)
        if not raw:
            break
    with contextlib.suppress(InputError):  # the one error that broken bytes may raise
        for report in read_reports(bytes(raw), file_name="changed"):
            sound(report)


def test_limits_are_the_callers() -> None:
    with pytest.raises(InputError, match="more than 100"):
        read_reports(hostile_files.page(""), file_name="a.html", limits=Limits(raw_bytes=100))
    (short,) = read_reports(hostile_files.page(""), file_name="a.html", limits=Limits(text_chars=200))
    assert len(short.text) <= 220
    assert "too_large" in {problem.code for problem in short.problems}
