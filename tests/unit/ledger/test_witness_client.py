"""Asking witnesses: in parallel, once more after 409, and believing only what verifies."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import pytest
from log_in_memory import LOG, NOW_S, ORIGIN, Clock, MemoryLog

from groundrule.errors import InputError
from groundrule.ledger.note import COSIGNATURE_ED25519, COSIGNATURE_ML_DSA_44, NoteSigner
from groundrule.ledger.policy import Policy
from groundrule.ledger.witness import SIZE_TYPE, AddCheckpoint, MemoryWitnessStore, Witness, origin_hash
from groundrule.ledger.witness_client import (
    MAX_ANSWER_BYTES,
    Answer,
    Opener,
    Retry,
    Submission,
    WitnessClient,
    collect,
    post,
    submit,
)
from groundrule.ledger.witness_server import WitnessServer
from groundrule.signing import SigningKey

FORK = MemoryLog("false")


def signers(number: int) -> tuple[NoteSigner, NoteSigner]:
    name = f"w{number}.invented.example"
    return (
        NoteSigner(name, COSIGNATURE_ED25519, SigningKey.from_seed("ed25519", bytes([100 + number]) * 32)),
        NoteSigner(name, COSIGNATURE_ML_DSA_44, SigningKey.from_seed("ml-dsa-44", bytes([100 + number]) * 32)),
    )


def witness(number: int) -> Witness:
    return Witness(f"w{number}.invented.example", signers(number), {ORIGIN: LOG.keys}, MemoryWitnessStore(), Clock())


def policy(urls: Sequence[str | None], k: int | None = 2, *, kind: int = 0) -> Policy:
    rows = [(f"W{number}", str(signers(number)[kind].verifier), url) for number, url in enumerate(urls)]
    return Policy.parse(Policy.format_simple([str(LOG.keys[0])], rows, k))


def direct(witnesses: dict[str, Witness]) -> Opener:
    """Hand requests to witnesses in this process."""

    def send(url: str, body: bytes, _timeout_s: float) -> Answer:
        response = witnesses[url.removesuffix("/add-checkpoint")].add_checkpoint(body)
        return Answer(response.status, response.content_type, response.body)

    return send


def fixed(answer: Answer) -> Opener:
    return lambda _url, _body, _timeout_s: answer


def ask(opener: Opener, size: int = 9, known: int = 0, log: MemoryLog = LOG) -> Submission:
    found = submit(
        tuple(policy(["http://w0"], 1).witnesses.values()),
        log.checkpoint(size),
        lambda old: log.proof(old, size),
        {"W0": known},
        opener=opener,
    )
    assert set(found.cosignatures) | set(found.errors) == {"W0"}
    return found


# --- what it asks -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [0, 1])
def test_real_witnesses_make_a_quorum(kind: int) -> None:
    with ExitStack() as stack:
        servers = [stack.enter_context(WitnessServer(witness(number))) for number in range(3)]
        whom = policy([server.url for server in servers], 3, kind=kind)
        client = WitnessClient(whom)
        for size in (5, 9, 9):
            cosigned = client(LOG.checkpoint(size), lambda old, size=size: LOG.proof(old, size))
            checked = whom.require(cosigned, strict=True)
            assert dict(checked.times) == dict.fromkeys(("W0", "W1", "W2"), NOW_S)
            assert client.sizes == dict.fromkeys(("W0", "W1", "W2"), size)


def test_a_conflict_is_answered_with_the_proof_it_asks_for() -> None:
    keeper = witness(0)
    keeper.add_checkpoint(LOG.request(0, 5))
    asked: list[int] = []
    send = direct({"http://w0": keeper})

    def watch(url: str, body: bytes, timeout_s: float) -> Answer:
        asked.append(AddCheckpoint.parse(body).old)
        return send(url, body, timeout_s)

    assert ask(watch).sizes == {"W0": 9}
    assert asked == [0, 5]
    asked.clear()
    assert ask(watch, 12, known=9).sizes == {"W0": 12}
    assert asked == [9]
    # A size beyond ours is not proved from; the witness says itself what it has.
    asked.clear()
    assert ask(watch, 9, known=12).errors["W0"].kind == "ahead"
    assert asked == [0]


def test_it_retries_once_only() -> None:
    sizes = iter([3, 4, 5])
    calls: list[bytes] = []

    def moving(_url: str, body: bytes, _timeout_s: float) -> Answer:
        calls.append(body)
        return Answer(409, SIZE_TYPE, b"%d\n" % next(sizes))

    found = ask(moving)
    assert (found.errors["W0"].kind, len(calls), found.sizes) == ("refused", 2, {"W0": 4})


def test_a_log_that_was_rolled_back_hears_it() -> None:
    keeper = witness(0)
    keeper.add_checkpoint(LOG.request(0, 12))
    found = ask(direct({"http://w0": keeper}))
    assert (found.errors["W0"].kind, found.sizes) == ("ahead", {"W0": 12})
    assert "12" in found.errors["W0"].what


def test_a_forked_log_hears_it() -> None:
    keeper = witness(0)
    keeper.add_checkpoint(LOG.request(0, 5))
    assert ask(direct({"http://w0": keeper}), log=FORK).errors["W0"].kind == "inconsistent"


# --- what it believes -------------------------------------------------------------------------------------------------


def test_only_cosignatures_that_verify_are_taken() -> None:
    line = witness(0).add_checkpoint(LOG.request(0, 9)).body
    first, second = line.splitlines(keepends=True)
    other_size = witness(0).add_checkpoint(LOG.request(0, 5)).body
    other_witness = witness(1).add_checkpoint(LOG.request(0, 9)).body
    good = Answer(200, "text/plain", line)
    assert ask(fixed(good)).times == {"W0": NOW_S}
    assert ask(fixed(Answer(200, "", second + other_witness + first))).times == {"W0": NOW_S}
    flipped = first.replace(first[60:61], b"A" if first[60:61] != b"A" else b"B")
    for body in (b"", b"\n", b"hello\n", other_size, other_witness, second, flipped, line + b"junk\n", line * 60,
                 line[:-1], b"\n" + line, "— x\n".encode()):  # fmt: skip
        found = ask(fixed(Answer(200, "text/plain", body)))
        assert found.errors["W0"].kind == "bad-answer", body[:80]
        assert found.cosignatures == {}


@pytest.mark.parametrize(
    "answer",
    [Answer(409, SIZE_TYPE, b"5"), Answer(409, SIZE_TYPE, b"05\n"), Answer(409, SIZE_TYPE, b"-5\n"), Answer(409, "text/html", b"5\n"),
     Answer(409, SIZE_TYPE, b"5\n5\n"), Answer(409, SIZE_TYPE, b"9" * 30 + b"\n")],
)  # fmt: skip
def test_other_conflicts_are_bad_answers(answer: Answer) -> None:
    assert ask(fixed(answer)).errors["W0"].kind == "bad-answer"


@pytest.mark.parametrize("status", [201, 204, 301, 302, 400, 403, 404, 500, 503])
def test_other_answers_are_refusals(status: int) -> None:
    found = ask(fixed(Answer(status, "text/html", b"<b>\x1b[31m no</b>")))
    assert found.errors["W0"].kind == "refused"
    assert "\x1b" not in found.errors["W0"].what


def test_one_bad_witness_does_not_disturb_the_others() -> None:
    good = {f"http://w{number}": witness(number) for number in range(3)}
    send = direct(good)

    def mixed(url: str, body: bytes, timeout_s: float) -> Answer:
        if url.startswith("http://w1"):
            raise ConnectionRefusedError("nobody there")
        if url.startswith("http://w2"):
            raise RuntimeError("a fault of ours")
        return send(url, body, timeout_s)

    whom = policy(["http://w0", "http://w1", "http://w2", None])
    client = WitnessClient(whom, opener=mixed)
    checked = whom.check(client(LOG.checkpoint(9), lambda old: LOG.proof(old, 9)))
    assert set(checked.times) == {"W0"}
    assert not checked.quorum_met
    assert client.last is not None
    assert {name: error.kind for name, error in client.last.errors.items()} == {
        "W1": "unreachable",
        "W2": "bad-answer",
        "W3": "no-url",
    }


def test_a_quorum_does_not_wait_for_the_slow() -> None:
    good = {f"http://w{number}": witness(number) for number in range(2)}
    send = direct(good)
    release = threading.Event()

    def slow(url: str, body: bytes, timeout_s: float) -> Answer:
        if url.startswith("http://w2"):
            release.wait(60)
        return send(url, body, timeout_s)

    whom = policy(["http://w0", "http://w1", "http://w2"])
    cosigned = collect(whom, LOG.checkpoint(9), lambda old: LOG.proof(old, 9), timeout_s=30, opener=slow)
    assert not release.is_set()
    release.set()
    assert set(whom.require(cosigned).times) == {"W0", "W1"}


def test_a_second_cosignature_replaces_the_first() -> None:
    keeper = witness(0)
    whom = policy(["http://w0"], 1)
    client = WitnessClient(whom, opener=direct({"http://w0": keeper}))
    once = client(LOG.checkpoint(9), lambda old: LOG.proof(old, 9))
    keeper._clock.now_s += 100  # type: ignore[attr-defined]  # the clock of the tests
    twice = client(once, lambda old: LOG.proof(old, 9))
    assert twice.count(b"w0.invented.example") == 1
    assert whom.require(twice).times == {"W0": NOW_S + 100}


# --- HTTP -------------------------------------------------------------------------------------------------------------


@contextmanager
def raw_server(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server of one connection that says what the test wants."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(20)

        def run() -> None:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                connection.recv(1 << 16)
                try:
                    answer(connection)
                except OSError:
                    return

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/add-checkpoint"
        finally:
            thread.join()


def test_a_long_answer_is_not_read_to_the_end() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n"

    def endless(connection: socket.socket) -> None:
        connection.sendall(head)
        for _ in range(1000):
            connection.sendall(b"x" * 100_000)

    with raw_server(endless) as url, pytest.raises(http.client.HTTPException, match=str(MAX_ANSWER_BYTES)):
        post(url, b"x", 20)


def test_a_trickle_does_not_hold_the_connection() -> None:
    stop = threading.Event()

    def trickle(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n\r\n")
        while not stop.wait(0.05):
            connection.sendall(b"x")

    with raw_server(trickle) as url:
        with pytest.raises(TimeoutError, match="no whole answer"):
            post(url, b"x", 0.3)
        stop.set()


def test_no_redirect_is_followed_and_no_proxy_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with raw_server(
        lambda connection: connection.sendall(
            b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
        )
    ) as url:
        assert post(url, b"x", 20).status == 302


@pytest.mark.parametrize("rest", [b"", b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx"])
def test_broken_answers_are_errors(rest: bytes) -> None:
    with (
        raw_server(lambda connection: connection.sendall(rest)) as url,
        pytest.raises((OSError, http.client.HTTPException)),
    ):
        post(url, b"x", 20)


@pytest.mark.parametrize(
    "url",
    ["ftp://w/", "file:///etc/passwd", "w.example/x", "http://", "http://user:secret@w/", "http://w/?q", "http://w/#f", "http://w:x/",
     "http://[::1/", ""],
)  # fmt: skip
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(InputError) as refused:
        post(url, b"x", 1)
    assert "secret" not in str(refused.value)
    found = submit(
        tuple(policy([url or None], 1).witnesses.values()), LOG.checkpoint(5), lambda _old: [], {}, timeout_s=1
    )
    assert found.errors["W0"].kind == "no-url"


def test_a_path_in_the_address_is_kept() -> None:
    seen: list[bytes] = []

    def answer(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    def watch(url: str, _body: bytes, _timeout_s: float) -> Answer:
        seen.append(url.encode())
        return Answer(404, "", b"")

    submit(
        tuple(policy(["https://w.example/w1/"], 1).witnesses.values()),
        LOG.checkpoint(5),
        lambda _: [],
        {},
        opener=watch,
    )
    assert seen == [b"https://w.example/w1/add-checkpoint"]
    with raw_server(answer) as url:
        assert post(url, b"x", 20).status == 404


def test_waits_grow_and_are_bounded() -> None:
    retry = Retry()
    waits = [retry.wait_s(failures) for failures in range(40)]
    assert waits == sorted(waits)
    assert (waits[0], waits[1], max(waits)) == (0.0, 1.0, 60.0)
    assert all(retry.wait_s(n, share) <= 60 for n in range(40) for share in (-1.0, 0.0, 0.5, 1.0, 2.0))
    assert retry.wait_s(3, 0.0) == retry.wait_s(3) / 2


def test_the_record_can_be_fetched_where_it_was_submitted() -> None:
    with WitnessServer(witness(0)) as server:
        whom = policy([server.url], 1)
        cosigned = collect(whom, LOG.checkpoint(9), lambda old: LOG.proof(old, 9))
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        connection.request("GET", f"/{origin_hash(ORIGIN)}/checkpoint")
        latest = connection.getresponse().read()
        connection.close()
    assert whom.require(latest).times == whom.require(cosigned).times
