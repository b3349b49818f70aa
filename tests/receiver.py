"""A receiver of deliveries on this machine: it takes, fails, hangs, leads elsewhere, as a test tells it to."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from groundrule.pipeline.fetching import Network


@dataclass
class Got:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass
class Receiver:
    """What came, and what the next are answered with.

    Attributes:
        answers: status, or `hang`, `slow`, `cut`; the last one stays.
        headers: of every answer.
    """

    port: int = 0
    trust: Path = Path()
    got: list[Got] = field(default_factory=list)
    answers: list[int | str] = field(default_factory=lambda: [204])
    headers: dict[str, str] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def address(self) -> str:
        return f"https://localhost:{self.port}/hook?x=1"

    @property
    def allowed(self) -> str:
        return f"localhost:{self.port}@127.0.0.0/8"

    @property
    def network(self) -> Network:
        """Ways out that trust this receiver's certificate, and know its name."""
        return Network(
            resolve=lambda *_: ["127.0.0.1"], tls=lambda: ssl.create_default_context(cafile=str(self.trust)),
        )  # fmt: skip

    @property
    def taken(self) -> list[dict[str, Any]]:
        with self.lock:
            return [each.event for each in self.got]

    def wait(self, condition: Callable[[], bool], seconds: float = 10.0) -> None:
        until = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < until, f"it did not come about; {len(self.got)} came"
            time.sleep(0.01)

    def wait_for(self, count: int) -> list[dict[str, Any]]:
        self.wait(lambda: len(self.got) >= count)
        return self.taken


@contextmanager
def receiver(folder: Path) -> Iterator[Receiver]:
    """A receiver that listens on this machine, with a certificate of its own."""
    made = Receiver(trust=folder / "trust.pem")
    key = _certificate(folder)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            with made.lock:
                made.got.append(Got(self.path, {name.lower(): value for name, value in self.headers.items()}, body))
                answer = made.answers.pop(0) if len(made.answers) > 1 else made.answers[0]
            if answer == "cut":
                self.connection.close()
                return
            if answer == "hang":
                time.sleep(1.5)
                return
            if answer == "slow":
                for byte in b"HTTP/1.1 204 ok\r\n":
                    self.connection.sendall(bytes([byte]))
                    time.sleep(0.1)
                return
            self.send_response(int(answer))
            for name, value in made.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            with made.lock:
                made.got.append(Got("GET " + self.path, {}, b"{}"))

        def log_message(self, *_: Any) -> None:
            return None

        def handle(self) -> None:
            try:
                super().handle()
            except (OSError, ValueError):
                return  # the other side left, which is what some tests are about

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            return None

    server = Server(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.trust, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    made.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _certificate(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - dt.timedelta(hours=1)).not_valid_after(now + dt.timedelta(days=1))
        .add_extension(names, critical=False).add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    (folder / "trust.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    place = folder / "receiver.key"
    place.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return place
