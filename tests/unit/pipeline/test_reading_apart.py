"""Reading in a process apart: whatever a file does to its reader, it is told, in time, and the files beside it are imported."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

import hostile_files
from groundrule.errors import InputError, StoreError
from groundrule.evidence.raw_files import Limits
from groundrule.evidence.reading import read_reports
from groundrule.evidence.suggest import suggest
from groundrule.pipeline import reading_child
from groundrule.pipeline.reading_apart import ReaderApart, ReadingBounds
from groundrule.pipeline.reports import import_reports
from groundrule.store.home import Home
from groundrule.store.reports import ReportStore

TEXT = b"Two engineers confirmed that service was cut in the night (invented). The operator Skyloom denied that an order had been given."
ANY = 2_000_000_000
WIDE = Limits(raw_bytes=ANY, unpacked_bytes=ANY, ratio=ANY, markup_chars=ANY, text_chars=ANY, seconds=120.0)
"""Limits that let everything in, so that only the bounds hold."""



@pytest.fixture
def altered(tmp_path: Path) -> Callable[[str], tuple[str, ...]]:
    """Command of a reader whose reading is done by other code, for files whose text begins with `harm`."""

    def make(body: str) -> tuple[str, ...]:
        script = tmp_path / "reader.py"
        lines = "\n        ".join(body.splitlines())
        script.write_text(
            "import ctypes, json, os, sys, time\n"
            "from groundrule.evidence import language\n"
            "from groundrule.pipeline import reading_child as child\n"
            "language.detect = lambda _text: 'en'\n"  # its model takes longer to load than all else
            "plain = child.read_reports\n"
            "def reading(raw, **given):\n"
            "    if raw.startswith(b'harm'):\n"
            f"        {lines}\n"
            "    return plain(raw, **given)\n"
            "child.read_reports = reading\n"
            "child.main(int(sys.argv[1]))\n"
        )
        return (sys.executable, "-P", str(script))

    return make


def test_what_is_read_apart_is_what_is_read_here() -> None:
    files = {
        "a.txt": TEXT,
        "a.html": hostile_files.page("<blockquote><p>They never asked us (invented).</p></blockquote>"),
        "a.pdf": hostile_files.pdf(zlib.compress(hostile_files.words(["The gate stayed open (invented)."] * 5))),
        "a.warc": hostile_files.record(hostile_files.page(""))
        + hostile_files.record(TEXT, address="https://b.example/", kind="text/plain"),
    }
    given = {"captured_at_ns": 5, "captured_by": "Desk (invented)", "source_url": "https://paper.example/a"}
    with ReaderApart() as reader:
        first = None
        for name, raw in files.items():
            readings = reader.read(raw, file_name=name, **given)
            here = read_reports(raw, file_name=name, **given)
            assert tuple(each.report for each in readings) == here
            assert [each.claims for each in readings] == [suggest(report) for report in here]
            first = first or reader._process
        assert reader._process is first  # one process for the whole batch
        assert first is not None
    assert first.poll() is not None  # and none afterwards


def test_what_cannot_be_read_is_refused_in_the_same_words() -> None:
    with ReaderApart() as reader:
        for raw in (b"", b"\x7fELF" + bytes(range(256)), b"PK\x03\x04" + bytes(100)):
            with pytest.raises(InputError) as here:
                read_reports(raw, file_name="x")
            with pytest.raises(InputError) as apart:
                reader.read(raw, file_name="x")
            assert (apart.value.message, apart.value.help) == (here.value.message, here.value.help)


HARM = {
    "sleeps": ("time.sleep(600)", "longer than"),
    "turns in circles": ("while True: pass", "longer than"),
    "falls into its own expression": ("import re; re.match(r'(a+)+$', 'a' * 60 + 'b')", "longer than"),
    "holds the lock of the interpreter": ("sum(range(10 ** 12))", "longer than"),
    "turns deaf": ("import signal; signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 60)); time.sleep(600)", "longer than"),
    "takes all memory": ("x = [bytearray(1 << 28) for _ in range(10_000)]", "more memory"),
    "takes it at once": ("x = bytearray(1 << 36)", "more memory"),
    "takes it past Python": (
        "p = ctypes.CDLL(None).malloc; p.restype = ctypes.c_void_p\nif not p(ctypes.c_size_t(1 << 36)): raise MemoryError",
        "more memory",
    ),
    "runs down": ("f = lambda n: f(n + 1) + 1\nf(0)", "nested deeper"),
    "reads where nothing is": ("ctypes.string_at(0)", "signal 11"),
    "is ended": ("os.kill(os.getpid(), 9)", "signal 9"),
    "goes away": ("os._exit(0)", "no answer"),
    "raises what nobody expects": ("raise KeyError('x')", "broke the reader (KeyError)"),
    "prints": ("print('{\"reports\": 9}' * 1000); sys.stdout.flush(); os.write(1, b'x' * 100_000)\nraise KeyError", "broke the reader"),
    "writes files": ("open('/tmp/groundrule-harm', 'wb', 0).write(b'x')", "broke the reader (OSError)"),
    "opens everything": ("x = [open(os.devnull) for _ in range(2_000)]", "broke the reader (OSError)"),
    "answers too much": (
        "child.send = lambda stream, body: stream.write(child.LENGTH.pack(1 << 60)) and stream.flush()\nraise KeyError",
        "no answer",
    ),
    "answers what is no answer": ("child.json.dumps = lambda _: '[1]'\nraise KeyError", "no answer"),
    "promises more than it has": ("child.json.dumps = lambda _: '{\"reports\": 99999999}'\nraise KeyError", "no answer"),
}  # fmt: skip


@pytest.mark.parametrize("harm", HARM)
def test_harm_is_told_in_time_and_the_next_file_is_read(harm: str, altered: Callable[[str], tuple[str, ...]]) -> None:
    body, said = HARM[harm]
    if "memory" in said and not sys.platform.startswith("linux"):
        pytest.skip("only here an address space is bounded")
    bounds = ReadingBounds(seconds=1.0, memory_bytes=500_000_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with ReaderApart(bounds=bounds, program=altered(body)) as reader:
        assert reader.read(TEXT, file_name="good.txt")
        started = time.monotonic()
        with pytest.raises(InputError) as refusal:
            reader.read(b"harm " + TEXT, file_name="../bad.txt")
        assert time.monotonic() - started < bounds.seconds + 1.5
        assert said in str(refusal.value)
        assert refusal.value.help
        assert "\n" not in refusal.value.message
        (reading,) = reader.read(TEXT, file_name="good.txt")
        assert reading.report.text.startswith("Two engineers")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000
    Path("/tmp/groundrule-harm").unlink(missing_ok=True)


def test_a_reader_whose_parent_is_gone_is_ended_by_the_system(altered: Callable[[str], tuple[str, ...]]) -> None:
    """Nobody is left who could end it here; its own bound on work does."""
    with subprocess.Popen([*altered("while True: pass"), "500000000"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        question = {"seconds": 0.1, "file_name": "x", "captured_at_ns": None, "captured_by": "", "source_url": "", "limits": {}}
        for body in (json.dumps(question).encode(), b"harm"):
            reading_child.send(process.stdin, body)
        process.stdin.flush()
        assert process.wait(20) == -signal.SIGXCPU


def test_the_answer_of_a_reader_that_was_taken_over_is_checked(altered: Callable[[str], tuple[str, ...]]) -> None:
    """What comes back goes through the same gate as any JSON of a report: here the id is not that of the bytes."""
    body = "import dataclasses\nreturn tuple(dataclasses.replace(r, id='report-' + '0' * 32) for r in plain(raw, **given))"
    with ReaderApart(program=altered(body)) as reader:
        with pytest.raises(InputError, match="id of its capture"):
            reader.read(b"harm " + TEXT, file_name="bad.txt")
        assert reader.read(TEXT, file_name="good.txt")


def test_nothing_of_the_environment_that_is_secret_reaches_the_reader(
    altered: Callable[[str], tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GROUNDRULE_KEY_PASSPHRASE", "secret")
    names = "raise child.GroundruleError(' '.join(sorted(os.environ)), help='x')"
    with ReaderApart(program=altered(names)) as reader, pytest.raises(InputError) as told:
        reader.read(b"harm", file_name="bad.txt")
    assert "PYTHONPATH" in told.value.message
    assert "PASSPHRASE" not in told.value.message


def test_a_module_in_the_present_folder_is_not_taken_for_the_real_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "json.py").write_text("import pathlib; pathlib.Path('ran').write_text('x')")
    monkeypatch.chdir(tmp_path)
    with ReaderApart() as reader:
        assert reader.read(TEXT, file_name="good.txt")
    assert not (tmp_path / "ran").exists()


def test_a_reader_that_does_not_start_is_told_once_and_quickly(tmp_path: Path) -> None:
    for program in ((str(tmp_path / "absent"),), (sys.executable, "-c", "import time; time.sleep(60)")):
        with ReaderApart(bounds=ReadingBounds(starting_seconds=0.5), program=program) as reader:
            started = time.monotonic()
            for _ in range(20):
                with pytest.raises(StoreError, match="start"):
                    reader.read(TEXT, file_name="good.txt")
            assert time.monotonic() - started < 3


BOMBS = {
    "pdf bomb": (hostile_files.pdf(zlib.compress(b" " * 400_000_000, 1)), ReadingBounds(seconds=20, memory_bytes=700_000_000)),
    "deep page": (b"<html><body>" + b"<b><i>" * 3_000_000 + b"deep", ReadingBounds(seconds=1)),
    "long text": (b"The office (invented) said so, Reuters reports. " * 1_000_000, ReadingBounds(seconds=1)),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_real_files_end_within_the_bounds_where_no_limit_holds(name: str) -> None:
    """The limits of the readers are taken away: what is left is the process, its clock and its memory."""
    raw, bounds = BOMBS[name]
    started = time.monotonic()
    with ReaderApart(WIDE, bounds) as reader:
        try:
            reader.read(raw, file_name="bomb")
        except InputError as refusal:
            assert refusal.help  # noqa: PT017 - whether it is refused or read in time is for the machine's speed to say
        assert reader.read(TEXT, file_name="good.txt")
    assert time.monotonic() - started < bounds.seconds + 6


PATHOLOGICAL = (
    "huge", "gzip_bomb", "nested_gzip", "pdf_bomb", "pdf_double_bomb", "xml_bomb", "deep_div", "deep_table", "deep_json",
    "many_attributes", "saved_deep", "many_records", "pdf_loop", "noise", "style_braces",
)  # fmt: skip


def test_a_batch_of_hostile_files_and_good_ones(tmp_path: Path) -> None:
    home = Home.create(tmp_path / "home")
    cases = {name: (raw, expected) for name, raw, expected in hostile_files.hostile() if name in PATHOLOGICAL}
    assert len(cases) == len(PATHOLOGICAL)
    paths = []
    for number, (name, (raw, _)) in enumerate(cases.items()):
        paths.append(tmp_path / name)
        paths[-1].write_bytes(raw)
        paths.append(tmp_path / f"good-{number}.txt")
        paths[-1].write_bytes(TEXT + f" It was night {number}.".encode())
    (tmp_path / "fifo").unlink(missing_ok=True)
    os.mkfifo(tmp_path / "fifo")
    sparse = tmp_path / "sparse"
    with sparse.open("wb") as stream:
        stream.truncate(1 << 40)
    paths += [tmp_path / "fifo", sparse, Path("/dev/zero")]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with home.writer():
        result = import_reports(home, paths, actor="clerk")
    found = {Path(each.file).name: each for each in result.files}
    assert len(found) == len(paths)
    for name, (_, expected) in cases.items():
        if expected == "refused":
            assert found[name].refused, name
        else:
            codes = {problem.code for report in found[name].reports for problem in report.problems}
            assert found[name].refused or expected in codes or not expected, name
    good = [each for name, each in found.items() if name.startswith("good-")]
    assert len(good) == len(cases)
    assert all(not each.refused and each.new == 1 for each in good)
    assert found["fifo"].refused
    assert found["zero"].refused
    assert "1,099,511,627,776" in found["sparse"].refused
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000
    with ReportStore.open(home) as store:
        assert len(store.reports()) == sum(len(each.reports) for each in result.files)
