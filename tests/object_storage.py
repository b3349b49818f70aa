"""Object storage for tests: a server that speaks S3, in a process of its own on the loopback, with its objects in memory.

The server is moto's (in the extra `test`). Where it is not installed, tests that ask for `storage` are skipped and
say so. It lets everybody in who names some key, so what a storage refuses is shown by `refusing`, which answers as S3 does.
"""

from __future__ import annotations

import itertools
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import pytest

from groundrule.store.places import ObjectPath

BUCKET = "groundrule-tests"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "invented", "AWS_SECRET_ACCESS_KEY": "invented", "AWS_EC2_METADATA_DISABLED": "true"}
_STARTS_S = 60.0


class Storage:
    """A server that runs."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._numbers = itertools.count(1)

    def address(self, bucket: str = BUCKET) -> str:
        """An address below which there is nothing yet."""
        return address(self.port, f"{bucket}/{os.getpid()}/{next(self._numbers)}")

    def place(self) -> ObjectPath:
        """The same, as a place."""
        return ObjectPath.parse(self.address())


def address(port: int, path: str) -> str:
    """The address of a path on a port of this machine."""
    return f"s3://{path}?endpoint_override={quote(f'127.0.0.1:{port}', safe='')}&region=us-east-1&scheme=http"


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def listens(port: int) -> bool:
    """Does somebody listen on a port of this machine?"""
    with socket.socket() as found:
        return found.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def running() -> Iterator[Storage]:
    """A server for the length of the block; credentials are in the environment meanwhile."""
    beside = Path(sys.executable).with_name("moto_server")
    program = str(beside) if beside.exists() else shutil.which("moto_server")
    if program is None:
        pytest.skip("no S3 server: install moto[s3], flask and flask-cors (the extra `test` has them)")
    port = free_port()
    # The settings of the tests are not the server's: it may run on another Python.
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "AWS_"))}
    process = subprocess.Popen(
        [program, "-H", "127.0.0.1", "-p", str(port)], env=clean, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    before = {name: os.environ.get(name) for name in CREDENTIALS}
    os.environ.update(CREDENTIALS)
    try:
        until = time.monotonic() + _STARTS_S
        while not listens(port):
            assert process.poll() is None, "the S3 server ended at once"
            assert time.monotonic() < until, "the S3 server does not listen"
            time.sleep(0.05)
        make_bucket(port)
        yield Storage(port)
    finally:
        process.kill()
        process.wait()
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value


def make_bucket(port: int) -> None:
    """Make the bucket, which the product never does."""
    from pyarrow import fs

    maker = fs.S3FileSystem(endpoint_override=f"127.0.0.1:{port}", scheme="http", region="us-east-1", allow_bucket_creation=True)
    maker.create_dir(BUCKET)


@contextmanager
def refusing(status: int, code: str) -> Iterator[int]:
    """A port on which every request is answered with an error of S3."""

    class Answer(BaseHTTPRequestHandler):
        def _refuse(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no (invented)</Message></Error>".encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(0 if self.command == "HEAD" else len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _refuse  # noqa: N815 - the names that the library asks for

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="session")
def storage() -> Iterator[Storage]:
    """Object storage that works; one server for each worker of a session."""
    with running() as found:
        yield found
