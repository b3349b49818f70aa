"""The witness over real HTTP on loopback: transcripts, limits, slow and broken clients, and the command itself."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from log_in_memory import LOG, NAME, ORIGIN, SIGNERS, Clock, MemoryLog, new_witness

from groundrule.errors import ConflictError, StoreError
from groundrule.ledger.conform_witness import check_litewitness, check_transcript
from groundrule.ledger.vectors import FileResult, VectorFile
from groundrule.ledger.witness import MAX_BODY_BYTES, FileWitnessStore, MemoryWitnessStore, Witness, origin_hash
from groundrule.ledger.witness_keys import read_signers
from groundrule.ledger.witness_server import Limits, WitnessServer, serve


@pytest.fixture
def server() -> Iterator[WitnessServer]:
    with WitnessServer(new_witness()) as running:
        yield running


def ask(
    server: WitnessServer, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, str, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    try:
        connection.request(method, path, body=body, headers=headers)
        response = connection.getresponse()
        return response.status, response.getheader("Content-Type", ""), response.read()
    finally:
        connection.close()


def exchange(server: WitnessServer, *parts: bytes) -> bytes:
    """Send raw bytes and return everything that comes back until the connection ends."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        for part in parts:
            connection.sendall(part)
        received = b""
        while block := connection.recv(1 << 16):
            received += block
        return received


# --- transcripts ------------------------------------------------------------------------------------------------------


def test_the_transcript_of_21_steps(shared_data: Path) -> None:
    path = shared_data / "tlog" / "generated" / "witness.json"
    result = FileResult("witness.json")
    check_transcript(VectorFile.read("witness.json", path), result)
    assert (result.passed, result.failed, result.skipped, result.broken) == (21, [], [], [])


def test_a_published_seed_is_used_and_checked(shared_data: Path) -> None:
    path = shared_data / "tlog" / "generated" / "witness.json"
    values = json.loads(path.read_bytes())
    values["witness_vkey"] = str(SIGNERS[0].verifier)
    values["witness_seed_hex"] = SIGNERS[0].key.seed.hex()
    result = FileResult("witness.json")
    check_transcript(VectorFile("witness.json", path, values), result)
    assert (result.passed, result.failed, result.broken) == (21, [], [])
    values["witness_seed_hex"] = "00" * 32
    with pytest.raises(ValueError, match="is not the seed"):
        check_transcript(VectorFile("witness.json", path, values), result)


def test_the_transcript_of_litewitness(shared_data: Path) -> None:
    path = shared_data / "tlog" / "thirdparty" / "witness-litewitness.json"
    result = FileResult("litewitness")
    check_litewitness(VectorFile.read("litewitness", path), result)
    assert (result.passed, result.failed, result.broken) == (8, [], [])
    assert [desc for desc, _reason in result.skipped] == ["cases 3"]


# --- requests ---------------------------------------------------------------------------------------------------------


def test_one_connection_serves_many_requests(server: WitnessServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    for old, new in ((0, 5), (5, 9), (9, 9)):
        connection.request("POST", "/add-checkpoint", body=LOG.request(old, new))
        used = connection.sock
        response = connection.getresponse()
        assert (response.status, response.read().count(b"\n")) == (200, 2)
        assert connection.sock is used
    connection.close()
    status, kind, body = ask(server, "GET", f"/{origin_hash(ORIGIN)}/checkpoint")
    assert (status, kind) == (200, "text/plain; charset=utf-8")
    assert body.startswith(f"{ORIGIN}\n9\n".encode())


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/checkpoint", 404),
        ("GET", f"/{'0' * 64}/checkpoint", 404),
        ("GET", f"/{origin_hash(ORIGIN).upper()}/checkpoint", 404),
        ("GET", f"/{origin_hash(ORIGIN)}/checkpoint?x", 404),
        ("GET", f"/{origin_hash(ORIGIN)}/../checkpoint", 404),
        ("GET", "/add-checkpoint", 405),
        ("POST", "/", 404),
        ("POST", "/add-checkpoint/", 404),
        ("POST", f"/{origin_hash(ORIGIN)}/checkpoint", 405),
        ("PUT", "/add-checkpoint", 501),
        ("DELETE", "/", 501),
    ],
)
def test_other_paths_and_methods(server: WitnessServer, method: str, path: str, status: int) -> None:
    found, _kind, body = ask(server, method, path, b"x" if method != "GET" else None)
    assert found == status
    assert b"<" not in body


@pytest.mark.parametrize(
    "body",
    [b"", b"\0" * 100, b"old 0\n", b"old 0\n\n", b"old 0\n\n\n", b"\n\n", "old 0\n\nü".encode(), b"\xff" * 9,
     b"old 0\n\n" + LOG.checkpoint(5).replace(b"\n5\n", b"\n05\n"), LOG.request(0, 5).replace(b"\n", b"\r\n")],
)  # fmt: skip
def test_malformed_bodies_are_bad_requests(server: WitnessServer, body: bytes) -> None:
    assert ask(server, "POST", "/add-checkpoint", body)[0] == 400


def test_every_cut_of_a_request_is_refused(server: WitnessServer) -> None:
    body = LOG.request(0, 5)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    for end in range(0, len(body), 23):
        connection.request("POST", "/add-checkpoint", body=body[:end])
        response = connection.getresponse()
        assert response.status in (400, 403), end
        response.read()
    connection.close()
    assert server._server.witness.recorded(ORIGIN) is None


# --- limits -----------------------------------------------------------------------------------------------------------


def test_too_large_a_body_is_refused_before_it_is_read(server: WitnessServer) -> None:
    head = b"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nContent-Length: %d\r\n%s\r\n"
    assert exchange(server, head % (MAX_BODY_BYTES + 1, b"Connection: close\r\n"), b"x" * 1000).startswith(
        b"HTTP/1.1 413 "
    )
    expecting = exchange(server, head % (10**11, b"Expect: 100-continue\r\n"))
    assert expecting.startswith(b"HTTP/1.1 413 ")
    assert ask(server, "POST", "/add-checkpoint", LOG.request(0, 5))[0] == 200


@pytest.mark.parametrize(
    "headers",
    [b"", b"Transfer-Encoding: chunked\r\n", b"Content-Length: -1\r\n", b"Content-Length: x\r\n",
     b"Content-Length: 1\r\nContent-Length: 2\r\n", b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"],
)  # fmt: skip
def test_a_body_states_its_length_once(server: WitnessServer, headers: bytes) -> None:
    answer = exchange(server, b"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\n" + headers + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 411 ")


def test_a_request_behind_a_get_with_body_is_not_taken(server: WitnessServer) -> None:
    hidden = b"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nContent-Length: 0\r\n\r\n"
    outer = b"GET /x HTTP/1.1\r\nHost: w\r\nContent-Length: %d\r\n\r\n" % len(hidden)
    assert exchange(server, outer + hidden).count(b"HTTP/1.1") == 1


@pytest.mark.parametrize("sent", [b"POST /add", b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: 50\r\n\r\nold 0\n"])
def test_a_slow_client_is_cut_off(sent: bytes) -> None:
    """A trickle of bytes does not move the deadline of a request."""
    with WitnessServer(new_witness(), limits=Limits(request_s=0.3)) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
            connection.sendall(sent)
            stop = threading.Event()

            def trickle() -> None:
                while not stop.wait(0.05):
                    try:
                        connection.sendall(b"x")
                    except OSError:
                        return

            thread = threading.Thread(target=trickle)
            thread.start()
            try:
                received = connection.recv(1 << 16)
            except ConnectionError:
                received = b""
            stop.set()
            thread.join()
        assert received == b""
        assert ask(server, "POST", "/add-checkpoint", LOG.request(0, 5))[0] == 200


def test_connections_are_bounded() -> None:
    with WitnessServer(new_witness(), limits=Limits(connections=2)) as server:
        held = [socket.create_connection(("127.0.0.1", server.port), timeout=20) for _ in range(2)]
        for connection in held:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: w\r\n\r\n")
            assert connection.recv(1 << 16).startswith(b"HTTP/1.1 404 ")
        assert exchange(server).startswith(b"HTTP/1.1 503 ")
        for connection in held:
            connection.close()


def test_garbage_instead_of_http_is_survived(server: WitnessServer) -> None:
    for sent in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 50 + b"\r\n\r\n", b"\r\n\r\n", b"GET\r\n\r\n",
                 b"GET / HTTP/9.9\r\n\r\n", b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n",
                 b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n"):  # fmt: skip
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            try:
                while connection.recv(1 << 16):
                    pass
            except ConnectionError:
                pass
    assert ask(server, "POST", "/add-checkpoint", LOG.request(0, 5))[0] == 200


def test_race_over_http(server: WitnessServer) -> None:
    fork = MemoryLog("false")
    gate = threading.Barrier(12)
    statuses: list[tuple[bool, int]] = []

    def send(number: int) -> None:
        log = LOG if number % 2 else fork
        gate.wait()
        statuses.append((log is LOG, ask(server, "POST", "/add-checkpoint", log.request(0, 5))[0]))

    threads = [threading.Thread(target=send, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [status for _, status in statuses].count(200) == 1
    assert {status for _, status in statuses} == {200, 409}


# --- failures and the end ---------------------------------------------------------------------------------------------


def test_a_failed_disk_ends_the_service_and_a_full_one_does_not() -> None:
    class Failing(MemoryWitnessStore):
        full = True

        def advance(self, *_: object) -> bool:  # type: ignore[override]  # refuses whatever it is given
            raise StoreError("the disk does not take it", full=self.full)

    store = Failing()
    witness = Witness(NAME, SIGNERS, {ORIGIN: LOG.keys}, store, Clock())
    answers: list[int] = []

    def use(port: int) -> None:
        def run() -> None:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            for full in (True, False):
                store.full = full
                connection.request("POST", "/add-checkpoint", body=LOG.request(0, 5))
                response = connection.getresponse()
                response.read()
                answers.append(response.status)
            connection.close()

        threading.Thread(target=run).start()

    with pytest.raises(StoreError, match="does not take it"):
        serve(witness, "127.0.0.1", 0, use)
    assert answers == [503, 503]


def test_closing_ends_idle_connections() -> None:
    with WitnessServer(new_witness()) as server:
        idle = socket.create_connection(("127.0.0.1", server.port), timeout=20)
        idle.sendall(b"GET / HTTP/1.1\r\nHost: w\r\n\r\n")
        received = b""
        while not received.endswith(b"here\n"):
            received += idle.recv(1 << 16)
    with idle:
        assert idle.recv(1) == b""


def test_the_report_knows_nothing_of_clients() -> None:
    told: list[tuple[str, int]] = []
    with WitnessServer(new_witness(), report=lambda *about: told.append(about)) as server:
        ask(server, "POST", "/add-checkpoint", LOG.request(0, 5))
        ask(server, "GET", "/secret-path")
    # Each connection reports after it has answered, in a thread of its own: in which order is not promised.
    assert sorted(told) == [("add-checkpoint", 200), ("other", 404)]


def start_command(folder: Path, *more: str) -> subprocess.Popen[str]:
    ready = folder / "ready.json"
    code = (
        "import typer\nfrom groundrule.cli import ledger_witness\napp = typer.Typer()\n"
        "app.command()(ledger_witness.witness)\napp()"
    )
    arguments = [
        "--name",
        NAME,
        "--keys",
        str(folder / "keys"),
        "--state",
        str(folder / "state"),
        "--ready-file",
        str(ready),
    ]
    keys = [part for key in LOG.keys for part in ("--log", str(key))]
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments, *keys, *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_command_serves_until_it_is_stopped(tmp_path: Path) -> None:
    process = start_command(tmp_path, "--json")
    try:
        assert process.stdout is not None
        told = json.loads("".join(iter(process.stdout.readline, "}\n")) + "}")
        # The file is complete as soon as it exists, and it exists once requests are taken.
        while not (tmp_path / "ready.json").exists():
            assert process.poll() is None
        assert json.loads((tmp_path / "ready.json").read_text()) == told
        connection = http.client.HTTPConnection("127.0.0.1", told["port"], timeout=20)
        connection.request("POST", "/add-checkpoint", body=LOG.request(0, 5))
        assert connection.getresponse().status == 200
        connection.close()
        # The state is locked while the process lives.
        with pytest.raises(ConflictError, match="another process"):
            FileWitnessStore(tmp_path / "state")
    finally:
        process.send_signal(signal.SIGTERM)
        _out, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "1 checkpoints cosigned, 0 refused" in err
    assert not (tmp_path / "ready.json").exists()
    with FileWitnessStore(tmp_path / "state") as kept:
        signers = read_signers(tmp_path / "keys", NAME)
        assert kept.identity() == tuple(told["vkeys"])
        assert Witness(NAME, signers, {ORIGIN: LOG.keys}, kept, Clock()).recorded(ORIGIN).size == 5  # type: ignore[union-attr]
