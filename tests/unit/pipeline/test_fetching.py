"""Fetching of one page: nothing but the public internet is ever asked. No test leaves this machine; names are invented."""

from __future__ import annotations

import gzip
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import hostile_addresses as hostile
import hostile_files
from groundrule.errors import InputError
from groundrule.evidence.reading import read_report, read_reports
from groundrule.evidence.web_address import is_address, not_public, web_address
from groundrule.evidence.web_record import archive
from groundrule.instant import parse_instant
from groundrule.pipeline import fetching
from groundrule.pipeline.fetching import FetchBounds, Network, connect_to, fetch
from groundrule.pipeline.incoming import incoming

NOW = parse_instant("2026-04-01T00:00:00.123456789Z")
PAGE = hostile_files.page("<p>Nobody at the harbour would say more (invented).</p>")
NAME = "paper.example"


@dataclass
class Counting:
    """A resolver and a line that only count, and answer from what they were given."""

    answers: list[bytes] = field(default_factory=list)
    leads: dict[str, tuple[str, ...]] = field(default_factory=lambda: dict(hostile.LEADS))
    resolved: list[str] = field(default_factory=list)
    connected: list[tuple[str, int]] = field(default_factory=list)
    asked: list[bytes] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)

    def resolve(self, host: str, _port: int) -> tuple[str, ...]:
        self.resolved.append(host)
        return self.leads.get(host, (hostile.PUBLIC,))

    def connect(self, machine: str, port: int, _timeout_s: float) -> socket.socket:
        self.connected.append((machine, port))
        if not self.answers:
            raise ConnectionRefusedError(111, "nobody listens")
        ours, theirs = socket.socketpair()
        answer = self.answers.pop(0)

        def serve() -> None:
            with theirs:
                self.asked.append(theirs.recv(65_536))
                try:
                    theirs.sendall(answer)
                except OSError:
                    return  # whoever asked has heard enough

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        self._threads.append(thread)
        return ours

    def network(self) -> Network:
        return Network(self.resolve, self.connect, not_public, plain_tls)


def plain_tls() -> ssl.SSLContext:
    """Stands for protection in tests that are about something else; that it is checked, real certificates show below."""

    class Plain:
        def wrap_socket(self, line: socket.socket, *, server_hostname: str) -> socket.socket:
            assert server_hostname
            return line

    return Plain()  # type: ignore[return-value]  # the one method that is used


def http(status: str = "200 OK", *headers: str, body: bytes = b"") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "", ""]).encode("latin-1") + body


@pytest.fixture(autouse=True)
def nothing_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes round the counting line fails."""

    def refused(*_: object, **__: object) -> None:
        raise AssertionError("it asked the world")

    monkeypatch.setattr(socket, "getaddrinfo", refused)
    monkeypatch.setattr(socket, "create_connection", refused)


# --- where it must not go ---------------------------------------------------------------------------------------------


def test_there_are_enough() -> None:
    assert len(set(hostile.REFUSED_AS_WRITTEN)) + len(hostile.LEADS) + len(hostile.REDIRECTS) >= 150
    assert len(set(hostile.REFUSED_AS_WRITTEN)) >= 60


@pytest.mark.parametrize("address", hostile.REFUSED_AS_WRITTEN)
def test_refused_as_written_without_asking_anybody(address: str) -> None:
    line = Counting([http(body=PAGE)])
    with pytest.raises(InputError) as refusal:
        fetch(address, network=line.network())
    assert (line.resolved, line.connected) == ([], [])
    assert refusal.value.help
    assert "secret" not in str(refusal.value)
    assert not any(each in str(refusal.value) for each in "\r\n\x00")


@pytest.mark.parametrize("host", hostile.LEADS)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_names_that_lead_inside_are_resolved_and_not_asked(host: str, scheme: str) -> None:
    line = Counting([http(body=PAGE)])
    with pytest.raises(InputError, match=r"not asked|leads nowhere"):
        fetch(f"{scheme}://{host}/a", network=line.network())
    assert (line.resolved, line.connected) == ([host], [])


@pytest.mark.parametrize("status", ["301 Moved", "307 Temporary"])
@pytest.mark.parametrize("location", hostile.REDIRECTS)
def test_redirects_pass_the_same_gate(location: str, status: str) -> None:
    line = Counting([http(status, f"Location: {location}"), http(body=PAGE)])
    with pytest.raises(InputError) as refusal:
        fetch(f"https://{NAME}/a", network=line.network())
    assert line.connected == [(hostile.PUBLIC, 443)]
    assert "secret" not in str(refusal.value)


def test_a_name_that_changes_its_mind_is_asked_where_it_was_judged() -> None:
    """The first answer of the resolver is public, every later one is not: it is asked for once, and its first answer is used."""
    line = Counting([http(body=PAGE)])

    def rebinding(host: str, port: int) -> tuple[str, ...]:
        line.resolve(host, port)
        return (hostile.PUBLIC,) if len(line.resolved) == 1 else ("127.0.0.1",)

    found = fetch(f"http://{NAME}/a", network=Network(rebinding, line.connect, not_public, plain_tls))
    assert (line.resolved, line.connected, found.machine) == ([NAME], [(hostile.PUBLIC, 80)], hostile.PUBLIC)
    # The same site once more after a redirect is resolved and judged once more.
    again = Counting([http("302 Found", "Location: /b"), http(body=PAGE)])

    def turning(host: str, port: int) -> tuple[str, ...]:
        again.resolve(host, port)
        return (hostile.PUBLIC,) if len(again.resolved) == 1 else ("127.0.0.1",)

    with pytest.raises(InputError, match="not asked"):
        fetch(f"http://{NAME}/a", network=Network(turning, again.connect, not_public, plain_tls))
    assert again.connected == [(hostile.PUBLIC, 80)]


def test_without_the_switch_nothing_is_asked() -> None:
    for address in (*hostile.REFUSED_AS_WRITTEN, f"https://{NAME}/a"):
        (source,) = incoming([address])
        assert source.fetched is None
        assert source.refused or source.path is not None  # a file of such a name, which is not there
        assert "secret" not in source.refused
    assert is_address(f"https://{NAME}/a")
    assert "--fetch" in incoming([f"https://{NAME}/a"])[0].refused


@pytest.mark.parametrize(
    "machine", ["1.1.1.1", "93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "64:ff9b::101:101", "2a00:1450:4001::1"]
)
def test_the_public_internet_may_be_asked(machine: str) -> None:
    assert not not_public(machine)


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("HTTPS://Paper.Example/A?b=%20c#d", "https://paper.example/A?b=%20c"),
        ("https://paper.example", "https://paper.example/"),
        ("https://paper.example?x", "https://paper.example/?x"),
        ("https://paper.example:443/", "https://paper.example/"),
        ("https://xn--80ak6aa92e.example/новини", "https://xn--80ak6aa92e.example/%D0%BD%D0%BE%D0%B2%D0%B8%D0%BD%D0%B8"),
        ("https://paper.example/a@b:c", "https://paper.example/a@b:c"),
    ],
)
def test_ordinary_addresses_stay_what_they_are(given: str, sent: str) -> None:
    assert web_address(given).text == sent


def test_an_own_address_of_this_machine_is_not_asked() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        with pytest.raises(InputError, match="this machine"):
            connect_to("127.0.0.1", server.getsockname()[1], 1.0)
        with pytest.raises(TimeoutError):
            server.accept()


@pytest.mark.parametrize("address", ["http://loopback.example/", "https://six.example/", "http://mapped.example/"])
def test_nothing_arrives_at_a_server_of_this_machine(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the real ways out but for the resolver, and a real server at the other end."""
    line = Counting()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        monkeypatch.setitem(fetching.web_address.__globals__["_PORTS"], "http", server.getsockname()[1])
        monkeypatch.setitem(fetching.web_address.__globals__["_PORTS"], "https", server.getsockname()[1])
        with pytest.raises(InputError, match="not asked"):
            fetch(address, network=Network(resolve=line.resolve))
        with pytest.raises(TimeoutError):
            server.accept()


# --- what it brings ---------------------------------------------------------------------------------------------------


def test_what_is_kept_of_an_answer() -> None:
    line = Counting(
        [
            http("301 Moved", "Location: /b", "Set-Cookie: who=you"),
            http("302 Found", "Location: https://www.paper.example/c?d=1"),
            http(
                "200 OK", "Content-Type: text/html; charset=utf-8", "Date: Wed, 01 Apr 2026 00:00:00 GMT", "Set-Cookie: who=you",
                "Last-Modified: Tue, 31 Mar 2026 10:00:00 GMT", "X-Visitor: 10.1.2.3", body=PAGE,
            ),
        ]
    )  # fmt: skip
    found = fetch("https://paper.example/a", network=line.network(), clock=lambda: NOW)
    assert found.body == PAGE
    assert (found.asked, found.address, found.status) == ("https://paper.example/a", "https://www.paper.example/c?d=1", 200)
    assert [(each.status, each.to) for each in found.redirects] == [
        (301, "https://paper.example/b"),
        (302, "https://www.paper.example/c?d=1"),
    ]
    assert [name for name, _ in found.headers] == ["Content-Type", "Date", "Last-Modified"]
    raw = archive(found, agent="groundrule/test")
    assert raw == archive(found, agent="groundrule/test")
    for absent in (b"Cookie", b"10.1.2.3"):
        assert absent not in raw
    report = read_report(raw, file_name=found.file_name)
    assert report.capture.source_url == found.address
    assert report.capture.captured_at_ns == parse_instant("2026-04-01T00:00:00.123Z") == found.captured_at_ns
    assert report.title.startswith("Gate open")
    assert not report.problems
    # Nothing of this machine goes out but the question.
    for asked in line.asked:
        names = [each.split(":")[0].lower() for each in asked.decode().split("\r\n")[1:] if each]
        assert names == ["host", "user-agent", "accept", "accept-encoding", "connection"]
    assert line.asked[2].startswith(b"GET /c?d=1 HTTP/1.1\r\nHost: www.paper.example\r\n")


def test_standard_tools_read_what_is_kept() -> None:
    """The archive's own digests hold for another reader of the format."""
    warcio = pytest.importorskip("warcio.archiveiterator", reason="web archives need the extra `evidence`")
    import io

    line = Counting([http("200 OK", "Content-Type: text/plain", body=b"The gate stayed open (invented).")])
    raw = archive(fetch(f"https://{NAME}/", network=line.network()), agent="groundrule/test")
    (record,) = list(warcio.ArchiveIterator(io.BytesIO(raw), check_digests="raise"))
    assert (record.rec_type, record.rec_headers.get_header("WARC-IP-Address")) == ("response", hostile.PUBLIC)


def test_no_proxy_and_no_credentials_of_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://10.0.0.7:3128")
    (tmp_path / ".netrc").write_text(f"machine {NAME} login ada password secret\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    line = Counting([http(body=PAGE)])
    fetch(f"http://{NAME}/a", network=line.network())
    assert line.connected == [(hostile.PUBLIC, 80)]
    assert b"uthorization" not in line.asked[0]


def test_six_redirects_are_too_many_and_five_are_not() -> None:
    def hops(count: int) -> list[bytes]:
        return [*(http("302 Found", f"Location: /{n}") for n in range(count)), http(body=PAGE)]

    assert len(fetch(f"https://{NAME}/a", network=Counting(hops(5)).network()).redirects) == 5
    line = Counting(hops(6))
    with pytest.raises(InputError, match="more than 5 times"):
        fetch(f"https://{NAME}/a", network=line.network())
    assert len(line.connected) == 6


def test_the_next_address_is_tried_and_no_more_than_allowed() -> None:
    leads = {NAME: tuple(f"93.184.215.{n}" for n in range(1, 9))}
    line = Counting(leads=leads)
    with pytest.raises(InputError, match="nobody listens"):
        fetch(f"https://{NAME}/a", network=line.network())
    assert len(line.connected) == FetchBounds().addresses


CHUNKED = "Transfer-Encoding: chunked"
SMALL = FetchBounds(body_bytes=100_000, header_bytes=4_000, seconds=1.0)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", "no whole answer"),
        (b"\x00\x01\x02" * 100, "no whole answer"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "no whole answer"),
        (http("404 Not Found", body=PAGE), "answers 404"),
        (http("500 Oops"), "answers 500"),
        (http("304 Not Modified"), "answers 304"),
        (http("206 Partial Content", body=PAGE), "answers 206"),
        (http("401 Unauthorized", "WWW-Authenticate: Basic"), "answers 401"),
        (http("302 Found"), "answers 302"),
        (http(body=b"x" * 100_001), "more than 100,000 bytes"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 300_000, "more than 100,000 bytes"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\nx", "more than 100,000 bytes"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nonly this", "no whole answer"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 90 + b"Y: " + b"z" * 60_000 + b"\r\n\r\n", "head is longer"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 5_000 + b"\r\n", "no whole answer"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000, "head is longer"),
        (f"HTTP/1.1 200 OK\r\n{CHUNKED}\r\n\r\n".encode() + b"1\r\nx\r\n" * 60_000 + b"0\r\n\r\n", "more than 100,000 bytes"),
        (f"HTTP/1.1 200 OK\r\n{CHUNKED}\r\n\r\nFFFFFFFFFFFF\r\n".encode() + b"x" * 300_000, "more than 100,000 bytes"),
        (f"HTTP/1.1 200 OK\r\n{CHUNKED}\r\n\r\n-5\r\nhello\r\n0\r\n\r\n".encode(), "no whole answer"),
        (f"HTTP/1.1 200 OK\r\n{CHUNKED}\r\n\r\n5\r\nhel".encode(), "no whole answer"),
    ],
)  # fmt: skip
def test_strange_answers_are_refused(answer: bytes, said: str) -> None:
    started = time.monotonic()
    with pytest.raises(InputError, match=said):
        fetch(f"http://{NAME}/a", network=Counting([answer]).network(), bounds=SMALL)
    assert time.monotonic() - started < 3


def test_pieces_become_one_body() -> None:
    body = b"".join(f"{len(piece):x}\r\n".encode() + piece + b"\r\n" for piece in (PAGE[:100], PAGE[100:])) + b"0\r\n\r\n"
    line = Counting([f"HTTP/1.1 200 OK\r\n{CHUNKED}\r\n\r\n".encode() + body])
    assert fetch(f"http://{NAME}/a", network=line.network()).body == PAGE


def test_a_bomb_in_the_answer_is_not_unpacked() -> None:
    packed = gzip.compress(PAGE + b" " * hostile_files.BOMB)
    line = Counting([http("200 OK", "Content-Type: text/html", "Content-Encoding: gzip", body=packed)])
    found = fetch(f"http://{NAME}/a", network=line.network())
    assert found.body == packed
    with pytest.raises(InputError, match="zip_bomb"):
        read_reports(archive(found, agent="x"), file_name="x.warc")
    honest = Counting([http("200 OK", "Content-Type: text/html", "Content-Encoding: gzip", body=gzip.compress(PAGE))])
    (report,) = read_reports(archive(fetch(f"http://{NAME}/a", network=honest.network()), agent="x"), file_name="x.warc")
    assert "gate open" in report.text


@pytest.mark.parametrize("drip", [b"H", b"HTTP/1.1 200 OK\r\nX: y\r\n", http(body=b"x" * 50_000)[:300]])
def test_time_is_bounded_in_all_and_not_for_each_byte(drip: bytes) -> None:
    """A site that gives one byte after the other never lets a time-out of the line pass."""
    ours, theirs = socket.socketpair()
    done = threading.Event()

    def serve() -> None:
        with theirs:
            theirs.sendall(drip)
            while not done.wait(0.05):
                try:
                    theirs.sendall(b"x")
                except OSError:
                    return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    started = time.monotonic()
    with pytest.raises(InputError, match=r"within 0\.5 s"):
        fetch(
            f"http://{NAME}/a",
            network=Network(lambda _host, _port: [hostile.PUBLIC], lambda *_: ours, not_public, plain_tls),
            bounds=FetchBounds(seconds=0.5),
        )
    assert time.monotonic() - started < 1.5
    done.set()
    thread.join()


def test_a_resolver_that_hangs_is_left_behind() -> None:
    hang = threading.Event()

    def resolve(_host: str, _port: int) -> list[str]:
        hang.wait(10)
        return [hostile.PUBLIC]

    line = Counting()
    started = time.monotonic()
    with pytest.raises(InputError, match=r"within 0\.3 s"):
        fetch(f"http://{NAME}/a", network=Network(resolve, line.connect), bounds=FetchBounds(seconds=0.3))
    assert time.monotonic() - started < 1.5
    assert not line.connected
    hang.set()


# --- protection -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Site:
    """A server with a certificate, on this machine, and who vouches for it."""

    port: int
    authority: Path
    named: list[str | None]

    def network(self, *, trusted: bool = True, refusal: Callable[[str], str] = lambda _machine: "") -> Network:
        def context() -> ssl.SSLContext:
            return ssl.create_default_context(cafile=str(self.authority)) if trusted else ssl.create_default_context()

        def connect(_machine: str, _port: int, timeout_s: float) -> socket.socket:
            line = socket.socket()
            line.settimeout(timeout_s)
            line.connect(("127.0.0.1", self.port))
            return line

        return Network(lambda _host, _port: ["127.0.0.1"], connect, refusal, context)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (tmp_path / "site.pem").write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "site.pem")
    named: list[str | None] = []
    context.sni_callback = lambda _line, given, _context: named.append(given)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        stop = threading.Event()

        def serve() -> None:
            while not stop.is_set():
                try:
                    line, _ = server.accept()
                except TimeoutError:
                    continue
                line.settimeout(2)
                try:
                    with context.wrap_socket(line, server_side=True) as protected:
                        protected.recv(65_536)
                        protected.sendall(http("200 OK", "Content-Type: text/html", body=PAGE))
                except OSError:
                    line.close()

        thread = threading.Thread(target=serve)
        thread.start()
        yield Site(server.getsockname()[1], tmp_path / "site.pem", named)
        stop.set()
        thread.join()


def test_a_page_comes_from_a_real_server_that_proves_its_name(site: Site) -> None:
    found = fetch(f"https://{NAME}/a", network=site.network(), clock=lambda: NOW)
    assert (found.body, found.machine, found.protected) == (PAGE, "127.0.0.1", True)
    assert site.named == [NAME]


@pytest.mark.parametrize(("host", "trusted"), [("other.example", True), (NAME, False)])
def test_a_server_that_proves_nothing_is_not_asked(site: Site, host: str, trusted: bool) -> None:
    with pytest.raises(InputError, match="certificate"):
        fetch(f"https://{host}/a", network=site.network(trusted=trusted))


def test_the_same_server_hears_nothing_where_its_address_is_judged(site: Site) -> None:
    with pytest.raises(InputError, match="not asked"):
        fetch(f"https://{NAME}/a", network=site.network(refusal=not_public))
    assert site.named == []
