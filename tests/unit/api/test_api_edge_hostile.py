"""A real socket of the service, and those who misuse it: foreign names, ambiguous requests, slow and greedy connections."""

# ruff: noqa: E501 - names and paths are written as they are, side by side

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import pytest
import uvicorn
from api_edge import bearer, client_of, service_at

from groundrule.api.app import make_app
from groundrule.api.connections import MAX_HEAD_BYTES, Connection
from groundrule.api.serving import server_of
from groundrule.api.settings import RateLimit, Settings
from groundrule.api.state import COOKIE, REQUEST_HEADER, Service

RATES = {name: RateLimit(1e6, 1_000_000) for name in ("none", "session", "key", "oidc")}
FOREIGN = (
    "evil.example", "evil.example:8320", "127.0.0.1.evil.example", "localhost.evil.example", "localhost@evil.example", "evil.example\\localhost",
    "127.0.0.1, evil.example", "[::1", "[::ffff:7f00:1]", "0.0.0.0", "2130706433", "0x7f.1", "xn--lcalhost-6cb", "localhost:99999999", "192.0.2.7",
)  # fmt: skip


class Hasty(Connection):
    """Bounds of a connection, short enough for a test."""

    head_s = 0.6
    period_s = 0.3
    least_bytes = 100
    unread_s = 0.6
    most = 12


@contextmanager
def listening(service: Service, connection: type[Connection] = Hasty) -> Iterator[tuple[str, int]]:
    """Listen as `groundrule serve` does."""
    app = make_app(service)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        server: uvicorn.Server = server_of(app, service.settings, connection=connection)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [taken]}, daemon=True)
        thread.start()
        until = time.monotonic() + 10
        while not server.started and time.monotonic() < until:
            time.sleep(0.01)
        yield taken.getsockname()
        server.should_exit = server.force_exit = True
        thread.join(10)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Service:
    return service_at(tmp_path_factory.mktemp("edge"), settings=Settings(rates=RATES))


@pytest.fixture(scope="module")
def at(service: Service) -> Iterator[tuple[str, int]]:
    with listening(service) as address:
        yield address


def sent(at: tuple[str, int], data: bytes, *, wait_s: float = 5.0) -> bytes:
    """Send bytes and read until the other side ends, or is silent."""
    with closing(socket.create_connection(at, timeout=wait_s)) as link:
        link.sendall(data)
        return everything(link)


def everything(link: socket.socket) -> bytes:
    found = b""
    try:
        while part := link.recv(65_536):
            found += part
    except (TimeoutError, ConnectionResetError):
        pass
    return found


def first(link: socket.socket) -> bytes:
    """What comes until there is an answer, on a connection that may stay open."""
    found = b""
    with suppress(TimeoutError, ConnectionResetError):
        while not statuses(found) and (part := link.recv(65_536)):
            found += part
    return found


def statuses(answer: bytes) -> list[int]:
    return [int(each) for each in re.findall(rb"HTTP/1\.1 (\d{3})", answer)]


def request(path: str = "/healthz", *, host: str = "localhost", more: str = "", method: str = "GET") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{more}Connection: close\r\n\r\n".encode("latin-1")


# --- names of the service ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", FOREIGN)
def test_a_foreign_name_is_refused_before_anything_is_shown(service: Service, at: tuple[str, int], host: str) -> None:
    before = len(service.desk.store.denials())
    answer = sent(at, request("/v1/public", host=host))
    assert statuses(answer) in ([421], [400])
    assert b"application/problem+json" in answer
    assert b"content-security-policy: default-src 'none'" in answer
    if statuses(answer) == [421]:  # what is no name at all, the framework refuses before
        assert len(service.desk.store.denials()) == before + 1
        assert service.desk.store.denials()[0].permission == "host"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "LOCALHOST:8320", "127.0.0.1:1", "[::1]:8320"])
def test_the_names_of_this_machine_are_answered(at: tuple[str, int], host: str) -> None:
    assert statuses(sent(at, request(host=host))) == [200]


@pytest.mark.parametrize("more", ["Host: evil.example\r\n", "Host: localhost\r\n"])
def test_two_names_are_none(at: tuple[str, int], more: str) -> None:
    assert statuses(sent(at, request(more=more))) == [400]


def test_no_name_is_refused(at: tuple[str, int]) -> None:
    assert statuses(sent(at, b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n")) == [400]


@pytest.mark.parametrize(
    ("settings", "host", "status"),
    [
        (Settings(origin="https://rules.example", rates=RATES), "rules.example", 200),
        (Settings(origin="https://rules.example", rates=RATES), "other.example", 421),
        (Settings(origin="https://rules.example", behind_proxy=True, rates=RATES), "other.example", 421),
        (Settings(behind_proxy=True, rates=RATES), "rules.example", 200),
        (Settings(host="0.0.0.0", behind_proxy=True, rates=RATES), "rules.example", 200),
    ],
)
def test_the_settings_name_a_service(tmp_path: Path, settings: Settings, host: str, status: int) -> None:
    with client_of(service_at(tmp_path, settings=settings)) as client:
        assert client.get("/healthz", headers={"Host": host}).status_code == status


def test_forwarded_names_change_nothing(at: tuple[str, int]) -> None:
    more = "X-Forwarded-Host: localhost\r\nForwarded: host=localhost\r\nX-Original-Host: localhost\r\n"
    assert statuses(sent(at, request(host="evil.example", more=more))) == [421]


# --- requests that two readers could read differently -------------------------------------------------------------------------

HIDDEN = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = "POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
AMBIGUOUS = {
    "length and chunks": POST + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": POST + "Content-Length: 0\r\nContent-Length: 44\r\n\r\n",
    "a list of lengths": POST + "Content-Length: 0, 44\r\n\r\n",
    "negative length": POST + "Content-Length: -1\r\n\r\n",
    "length with a sign": POST + "Content-Length: +0\r\n\r\n",
    "length in hexadecimal": POST + "Content-Length: 0x2c\r\n\r\n",
    "length beyond 64 bits": POST + "Content-Length: 18446744073709551660\r\n\r\n",
    "unknown encoding": POST + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "encoding after chunks": POST + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "two encodings": POST + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "space before the colon": POST + "Content-Length : 44\r\n\r\n",
    "folded header": POST + "X-A: b\r\n Transfer-Encoding: chunked\r\n\r\n",
    "bare line feed": POST + "Content-Length: 0\nX-A: b\r\n\r\n",
    "bare carriage return": POST + "X-A: b\rContent-Length: 44\r\n\r\n",
    "zero byte in a header": POST + "X-A: b\0c\r\nContent-Length: 0\r\n\r\n",
    "chunk size beyond 64 bits": POST + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
    "negative chunk": POST + "Transfer-Encoding: chunked\r\n\r\n-1\r\n",
    "chunk without its end": POST + "Transfer-Encoding: chunked\r\n\r\n1\r\naXX0\r\n\r\n",
    "no version": "GET /healthz\r\n\r\n",
    "version of another protocol": "GET /healthz HTTP/9.9\r\nHost: localhost\r\n\r\n",
    "another protocol": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "line feed in the address": "GET /health\nz HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "method of blanks": "G E T /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "handshake of TLS": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_an_ambiguous_request_is_refused_and_hides_no_second_one(at: tuple[str, int], name: str) -> None:
    answer = sent(at, AMBIGUOUS[name].encode("latin-1") + HIDDEN, wait_s=3)
    assert not [each for each in statuses(answer) if each < 400 or each >= 500], answer
    assert len(statuses(answer)) == 1, answer
    assert b"groundrule_" not in answer
    assert statuses(sent(at, request())) == [200], "others are served as before"


# --- greed ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        request(more=f"X-A: {'a' * MAX_HEAD_BYTES}\r\n"),
        request(more="".join(f"X-{number}: {'b' * 900}\r\n" for number in range(100))),
        request(more="".join(f"X-{number}: b\r\n" for number in range(1_000))),
        request("/" + "a" * MAX_HEAD_BYTES),
        b"GET /" + b"a" * (1 << 20),
        b"GET /healthz HTTP/1.1\r\nX-A: " + b"a" * (1 << 20),
    ],
    ids=["one header", "many long headers", "a thousand headers", "address", "address without end", "header without end"],
)
def test_a_head_without_measure_is_refused(at: tuple[str, int], data: bytes) -> None:
    with closing(socket.create_connection(at, timeout=5)) as link:
        with suppress(ConnectionResetError, BrokenPipeError):  # it may be ended while it still talks
            link.sendall(data)
        assert statuses(everything(link)) in ([431], [])
    assert statuses(sent(at, request())) == [200]


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_without_measure_is_refused(service: Service, at: tuple[str, int], chunked: bool) -> None:
    size = service.settings.max_body_bytes + 1
    head = POST + ("Transfer-Encoding: chunked\r\n\r\n" if chunked else f"Content-Length: {size}\r\n\r\n")
    body = b"%x\r\n" % size + b" " * size + b"\r\n0\r\n\r\n" if chunked else b" " * size
    with closing(socket.create_connection(at, timeout=5)) as link:
        with suppress(ConnectionResetError, BrokenPipeError):
            link.sendall(head.encode() + body)
        assert statuses(first(link)) in ([413], [])
    with client_of(service) as client:
        assert client.post("/v1/sessions", content=b" " * size, headers={"Content-Type": "application/json"}).status_code == 413


def trickle(link: socket.socket, data: Iterator[bytes], until_s: float) -> float:
    """Send a piece now and then until the other side ends the connection; return when that was [s]."""
    began = time.monotonic()
    link.settimeout(0.05)
    while time.monotonic() - began < until_s:
        try:
            link.sendall(next(data))
            if link.recv(4096) == b"":
                break
        except TimeoutError:
            continue
        except OSError:
            break
    return time.monotonic() - began


def slowly(first: str, piece: str) -> Callable[[], Iterator[bytes]]:
    def pieces() -> Iterator[bytes]:
        yield first.encode()
        while True:
            yield piece.encode()

    return pieces


SLOW = {
    "nothing": slowly("", ""),
    "a head by letters": slowly("GET /", "a"),
    "a head by headers": slowly("GET /healthz HTTP/1.1\r\nHost: localhost\r\n", "X: y\r\n"),
    "a body by bytes": slowly(POST + "Content-Length: 100000\r\n\r\n", " "),
    "a body by chunks": slowly(POST + "Transfer-Encoding: chunked\r\n\r\n", "1\r\n \r\n"),
    "empty lines before a request": slowly("\r\n", "\r\n"),
}


@pytest.mark.parametrize("name", SLOW)
def test_whoever_sends_a_byte_now_and_then_is_ended(at: tuple[str, int], name: str) -> None:
    with closing(socket.create_connection(at)) as link:
        assert trickle(link, SLOW[name](), 6) < 3


def test_the_bounds_in_operation_are_seconds_not_minutes() -> None:
    assert Connection.head_s + Connection.period_s <= 15
    assert Connection.period_s * 2 <= 10
    assert Connection.least_bytes / Connection.period_s >= 1_000, "bytes a second"
    assert Connection.unread_s <= 60
    assert 64 <= Connection.most <= 4_000


def test_a_slow_but_honest_upload_is_not_ended(at: tuple[str, int]) -> None:
    body = b'{"token": "' + b"a" * 150 + b'"}' + b" " * 2_000
    with closing(socket.create_connection(at, timeout=5)) as link:
        link.sendall((POST + f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n").encode())
        for start in range(0, len(body), 100):
            link.sendall(body[start : start + 100])
            time.sleep(0.06)
        assert statuses(everything(link)) == [401]


def test_a_reader_who_does_not_read_is_ended(service: Service) -> None:
    class Small(Hasty):
        def connection_made(self, transport: object) -> None:  # type: ignore[override]
            super().connection_made(transport)  # type: ignore[arg-type]
            self.transport.set_write_buffer_limits(high=1_024)

    with listening(service, Small) as at, closing(socket.socket()) as link:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1_024)
        link.connect(at)
        link.settimeout(10)
        try:
            for _ in range(400):
                link.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n")
        except OSError:
            return  # ended while it was still asking
        time.sleep(2)
        with pytest.raises(OSError):  # noqa: PT011, PT012 - reset or broken, as the kernel says it, and at one of the first
            for _ in range(1_000):
                link.sendall(b"\r\n" * 50)
                time.sleep(0.005)


def test_too_many_connections_are_refused_and_the_others_served(at: tuple[str, int]) -> None:
    with ExitStack() as stack:
        held = [stack.enter_context(closing(socket.create_connection(at, timeout=5))) for _ in range(30)]
        time.sleep(0.1)
        assert [503] in [statuses(everything(each)) for each in held[12:14]]
    time.sleep(0.1)
    assert statuses(sent(at, request())) == [200]


def test_many_connections_that_only_wait_lock_nobody_out(at: tuple[str, int]) -> None:
    with ExitStack() as stack:
        for _ in range(30):
            stack.enter_context(closing(socket.create_connection(at, timeout=5)))
        time.sleep(Hasty.head_s + 2 * Hasty.period_s)
        assert statuses(sent(at, request())) == [200]


def test_nothing_becomes_a_web_socket(at: tuple[str, int]) -> None:
    more = "Upgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
    data = request(more=more).replace(b"Connection: close", b"Connection: Upgrade")
    assert 101 not in statuses(sent(at, data, wait_s=2))


# --- foreign pages, cookies, caches ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/v1/public", "/v1/session", "/healthz", "/", "/openapi.json", "/v1/observations"])
def test_no_foreign_page_may_read_an_answer(tmp_path: Path, path: str) -> None:
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": REQUEST_HEADER}
    with client_of(service_at(tmp_path)) as client:
        for method in ("GET", "POST", "OPTIONS"):
            answer = client.request(method, path, headers=headers)
            assert not [name for name in answer.headers if name.startswith("access-control-")], (method, path)
            assert answer.headers["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_a_form_of_a_foreign_page_changes_nothing(tmp_path: Path, kind: str) -> None:
    service = service_at(tmp_path)
    with client_of(service) as client:
        token = service.desk.give_login({"id": "first", "roles": ["officer", "administrator"]})
        assert client.post("/v1/sessions", json={"token": token}).status_code == 201
        assert client.cookies.get(COOKIE)
        for path in ("/v1/observations", "/v1/screenings", "/v1/proposals", "/v1/requests", "/v1/contacts", "/v1/rulebooks/check"):
            assert client.post(path, content=b"{}", headers={"Content-Type": kind, "Origin": "https://evil.example"}).status_code == 401


def test_the_cookie_is_out_of_reach_of_scripts_and_foreign_pages(tmp_path: Path) -> None:
    service = service_at(tmp_path, settings=Settings(behind_proxy=True))
    with client_of(service) as client:
        token = service.desk.give_login({"id": "first", "roles": ["viewer"]})
        cookie = client.post("/v1/sessions", json={"token": token}).headers["set-cookie"].lower()
    assert {"httponly", "samesite=strict", "secure", "path=/"} <= {each.strip() for each in cookie.split(";")}
    assert "domain=" not in cookie


def test_what_one_reader_may_see_no_cache_keeps(tmp_path: Path) -> None:
    service = service_at(tmp_path)
    with client_of(service) as client:
        assert "private" in client.get("/v1/session", headers=bearer(service, "viewer")).headers["cache-control"]
        assert client.get("/v1/session").headers["cache-control"] == "no-store"
        assert client.get("/v1/session", headers={"Authorization": "Bearer gr1.x.y"}).headers["cache-control"] == "no-store"


TRAVERSALS = (
    "/../home.json", "/..%2fhome.json", "/%2e%2e/home.json", "/%2e%2e%2fhome.json", "/..%5chome.json", "/....//home.json", "/assets/../../home.json",
    "/assets/..%2f..%2fhome.json", "/assets/%2e%2e/%2e%2e/%2e%2e/pyproject.toml", "//etc/passwd", "/%2fetc%2fpasswd", "/assets//etc/passwd", "/ledger/..%2fhome.json",
    "/ledger/tile/../../home.json", "/ledger/tile/0/..%2f..%2fhome.json", "/ledger/%2fetc/passwd", "/ledger/.state/treeState", "/ledger/checkpoint%00.txt",
    "/ledger/tile/0/x000/../000", "/%c0%ae%c0%ae/home.json", "/%252e%252e/home.json", "/..;/home.json", "/file:///etc/passwd", "/assets/\\..\\home.json",
)  # fmt: skip


@pytest.mark.parametrize("path", TRAVERSALS)
def test_no_path_leads_out_of_what_is_served(service: Service, at: tuple[str, int], path: str) -> None:
    secret = service.homes["default"].home.path / "home.json"
    secret.write_text("what nobody may read")
    answer = sent(at, request(path))
    assert statuses(answer)[0] in (200, 400, 404), answer[:200]
    assert b"what nobody may read" not in answer
    assert b"root:" not in answer
    assert b"[build-system]" not in answer
