"""Archives made to hurt: nothing is unpacked, and time and memory stay bounded by the length of the file."""

from __future__ import annotations

import io
import resource
import struct
import subprocess
import sys
import time
import zipfile
import zlib
from pathlib import Path

import pytest

from console import groundrule
from dossier_mutants import TOOLS, by_tool, by_us, tool
from groundrule.evidence import bundle
from groundrule.evidence.bundle import pack

SECONDS = 5.0
MEGABYTES = 900
"""For the interpreter with its libraries and a file of 30 MB, several times over."""


def local(name: bytes, data: bytes, *, size: int | None = None, method: int = 0) -> bytes:
    size = len(data) if size is None else size
    return b"PK\3\4" + struct.pack("<5H3I2H", 20, 0, method, 0, 33, zlib.crc32(data), len(data), size, len(name), 0) + name + data


def many(number: int) -> bytes:
    """Members without content, and no directory; a reader of directories would see none, one of headers all."""
    return b"".join(local(f"m{n}".encode(), b"") for n in range(number))


def bomb() -> bytes:
    """Ten megabytes of zeros again and again, packed a thousand to one."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for n in range(20):
            archive.writestr(f"bomb{n}", bytes(10_000_000))
    assert len(out.getvalue()) * 900 < 200_000_000
    return out.getvalue()


def overlapping() -> bytes:
    """One body that every entry of the directory points at."""
    body = local(b"a", b"x" * 1_000_000)
    entry = b"PK\1\2\x14\3" + struct.pack("<5H3I2H", 20, 0, 0, 0, 33, 0, 10**6, 10**6, 1, 0) + struct.pack("<3H2I", 0, 0, 0, 0, 0) + b"a"
    return body + entry * 50_000 + b"PK\5\6" + struct.pack("<4H2IH", 0, 0, 50_000, 50_000, len(entry) * 50_000, len(body), 0)


def zip64_directory() -> bytes:
    end = struct.pack("<IQ2H2I4Q", 0x06064B50, 44, 45, 45, 0, 0, 10**12, 10**12, 10**15, 0)
    return end + struct.pack("<2IQI", 0x07064B50, 0, 0, 1) + b"PK\5\6" + struct.pack("<4H2IH", 0, 0, 65535, 65535, 2**32 - 1, 2**32 - 1, 0)


HOSTILE = {
    "a bomb": bomb,
    "a hundred thousand members": lambda: many(100_000),
    "sixty thousand packed in the right form": lambda: pack({f"m{n}": b"" for n in range(60_000)}),
    "four gigabytes declared": lambda: b"PK\3\4" + struct.pack("<5H3I2H", 20, 0, 0, 0, 33, 0, *([2**32 - 1] * 2), 1, 0) + b"a" * 1000,
    "one body for all": overlapping,
    "a directory of 10^12": zip64_directory,
    "deep": lambda: pack({"manifest.json": b"[" * 10_000_000}),
    "wide": lambda: pack({"manifest.json": b'{"files":{' + b",".join(b'"m%d":"0"' % n for n in range(500_000)) + b'},"v":1}'}),
    "long names": lambda: local(b"a" * 65_535, b"") * 200,
}


@pytest.mark.parametrize("name", list(HOSTILE))
def test_it_is_refused_quickly(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data, module = HOSTILE[name](), tool()
    for verdict in (lambda: by_us(data, None), lambda: by_tool(module, data, None)):
        began = time.process_time()
        assert not verdict()
        assert time.process_time() - began < SECONDS
    assert list(tmp_path.iterdir()) == [], "nothing is written"


@pytest.mark.parametrize("name", ["a bomb", "a hundred thousand members", "wide"])
def test_memory_is_bounded(name: str, tmp_path: Path) -> None:
    path = tmp_path / "hostile.zip"
    path.write_bytes(HOSTILE[name]())

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (MEGABYTES << 20, MEGABYTES << 20))

    ran = subprocess.run(
        [sys.executable, TOOLS / "verify_dossier.py", path], capture_output=True, text=True, check=False, preexec_fn=limited, timeout=60
    )
    assert ran.returncode == 1, ran.stderr
    assert ran.stdout.startswith("FAILED: ")
    assert "MemoryError" not in ran.stdout


def test_a_file_without_end_is_read_to_the_limit_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "MAX_BYTES", 1_000)
    answer = groundrule("dossier", "verify", "/dev/zero")
    assert answer.code == 1
    assert "at most 1,000" in answer.err
    module = tool()
    module.LARGEST = 1_000
    assert len(module.read("/dev/zero")) == 1_001
    assert not by_tool(module, bytes(1_001), None)


def test_what_is_no_file_is_said_in_one_line(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.zip", tmp_path):
        answer = groundrule("dossier", "verify", path)
        assert answer.code == 2
        assert "Traceback" not in answer.err
