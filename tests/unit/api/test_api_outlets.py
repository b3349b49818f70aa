"""Webhooks and the stream of events: who is told what, and how a reader goes on."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from told_service import Told, told, told_home

from groundrule.api.routes.events import MOST_OF_ONE, READERS, follow
from groundrule.store.events import Event
from groundrule.store.home import Home
from receiver import Receiver, receiver

HOOKS = "/v1/webhooks"


@pytest.fixture(scope="module")
def sink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    with receiver(tmp_path_factory.mktemp("receiver")) as made:
        yield made


@pytest.fixture(scope="module")
def service(served_template: Home, sink: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    with told(told_home(served_template, tmp_path_factory.mktemp("told") / "home"), sink) as made:
        yield made


def happen(service: Told, *types: str, private: bool = False) -> None:
    live = service.service.live("default")
    kind, subject = ("terminal", "car") if private else ("run", None)
    live.announce(*[Event(each, service.clock(), kind, {"n": 1}, subject, not private) for each in types])
    live._announcer.drain()


@pytest.fixture
def keeper(service: Told, sink: Receiver) -> Iterator[dict[str, str]]:
    who = service.key("administrator")
    yield who
    for each in service.get(HOOKS, who).json()["items"]:
        service.client.delete(f"{HOOKS}/{each['id']}", headers=who)
    sink.answers, sink.got = [204], []


def test_a_webhook_is_made_shown_told_and_forgotten(service: Told, sink: Receiver, keeper: dict[str, str]) -> None:
    answer = service.post(HOOKS, {"address": sink.address, "types": ["run."]}, keeper)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert made["secret"].startswith("whsec_")
    assert (made["terminals"], made["state"], made["types"], made["public_key"]) == (False, "active", ["run."], None)
    happen(service, "run.committed", "degraded.began")
    (came,) = sink.wait_for(1)
    assert came["type"] == "org.example.groundrule.run.committed"
    assert came["source"].startswith("urn:groundrule:home:")
    sink.wait(lambda: service.get(f"{HOOKS}/{made['id']}", keeper).json()["delivered"] == 1)
    shown = service.get(f"{HOOKS}/{made['id']}", keeper).json()
    assert "secret" not in shown
    assert shown["last_delivered_at"] is not None
    assert service.get(HOOKS, keeper).json() == {"items": [shown], "next": None}
    assert service.client.delete(f"{HOOKS}/{made['id']}", headers=keeper).status_code == 204
    assert service.get(f"{HOOKS}/{made['id']}", keeper).status_code == 404
    happen(service, "run.committed")
    time.sleep(0.15)
    assert len(sink.got) == 1


def test_changes_of_terminals_are_told_only_by_whom_may_read_them(service: Told, sink: Receiver, keeper: dict[str, str]) -> None:
    both = service.key("administrator", "officer")
    plain = service.post(HOOKS, {"address": sink.address + "&plain"}, keeper).json()
    full = service.post(HOOKS, {"address": sink.address + "&full", "signature": "ed25519"}, both).json()
    assert (plain["terminals"], full["terminals"], full["secret"]) == (False, True, None)
    assert full["public_key"].startswith("whpk_")
    happen(service, "terminal.outcome", private=True)
    happen(service, "run.committed")
    sink.wait_for(3)
    time.sleep(0.1)
    told_ = sorted((each.path.rsplit("&", 1)[1], each.event["type"].rsplit(".", 2)[1]) for each in sink.got)
    assert told_ == [("full", "run"), ("full", "terminal"), ("plain", "run")]


def test_dead_letters_are_listed_and_sent_again_and_hold_nothing_back(service: Told, sink: Receiver, keeper: dict[str, str]) -> None:
    both = service.key("administrator", "officer")
    sink.answers = [500]
    made = service.post(HOOKS, {"address": sink.address, "types": ["terminal.", "run."]}, both).json()
    place = f"{HOOKS}/{made['id']}"
    happen(service, "terminal.outcome", private=True)
    happen(service, "run.committed")
    sink.wait(lambda: service.get(place, keeper).json()["dead"] == 2)
    page = service.get(f"{place}/dead-letters?limit=1", both).json()
    assert page["next"] is not None
    (first,) = page["items"]
    assert (first["error"], first["event"]["subject"]) == ("answered 500", "terminal/car")
    (second,) = service.get(f"{place}/dead-letters?limit=1&cursor={page['next']}", both).json()["items"]
    assert second["number"] > first["number"]
    assert [each["event"] for each in service.get(f"{place}/dead-letters", keeper).json()["items"]] == [None, None]
    sink.answers, sink.got = [204], []
    assert service.post(f"{place}/redeliveries", {"numbers": [second["number"]]}, keeper).json() == {"redelivered": 1}
    sink.wait_for(1)
    assert service.post(f"{place}/redeliveries", {}, keeper).json() == {"redelivered": 1}
    assert [each["id"] for each in sink.wait_for(2)] == [second["id"], first["id"]]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"address": "http://localhost/"}, 422, "bad_address"), ({"address": "https://other.example/"}, 422, "host_not_allowed"),
        ({"address": "https://10.0.0.1/"}, 422, "host_not_allowed"), ({"address": "https://user:a@localhost/"}, 422, "bad_address"),
        ({}, 400, None), ({"address": "https://localhost/", "types": []}, 400, None), ({"address": "x", "other": 1}, 400, None),
        ({"address": "https://localhost/", "types": ["UPPER"]}, 400, None),
        ({"address": "https://localhost/", "signature": "md5"}, 400, None),
    ],
)  # fmt: skip
def test_a_webhook_that_cannot_be_is_refused(service: Told, keeper: dict[str, str], body: Any, status: int, code: str | None) -> None:
    answer = service.post(HOOKS, body, keeper)
    assert (answer.status_code, answer.json().get("code")) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_only_whom_a_role_lets_keeps_webhooks(service: Told, sink: Receiver) -> None:
    for role in ("viewer", "analyst", "officer", "auditor"):
        assert service.get(HOOKS, service.key(role)).status_code == 403
        assert service.post(HOOKS, {"address": sink.address}, service.key(role)).status_code == 403


def test_a_webhook_goes_on_after_a_restart(served_template: Home, sink: Receiver, tmp_path: Path) -> None:
    home = told_home(served_template, tmp_path / "home")
    sink.answers, sink.got = [503], []
    with told(home, sink) as made:
        secret = made.post(HOOKS, {"address": sink.address, "types": ["run."]}, made.key("administrator")).json()["secret"]
        happen(made, "run.a")
        sink.wait_for(1)
    sink.answers = [204]
    with told(home, sink) as made:
        happen(made, "run.b")
        sink.wait(lambda: {each["type"][-1] for each in sink.taken} == {"a", "b"})
        (hook,) = made.get(HOOKS, made.key("administrator")).json()["items"]
        assert made.service.outlet("default").keys.secret(hook["id"]) == secret


# --- the stream ---------------------------------------------------------------------------------------------------------------


def parsed(text: str) -> list[dict[str, str]]:
    """Events of a stream; comments are left out."""
    made = []
    for block in text.split("\n\n"):
        lines = [line.split(": ", 1) for line in block.split("\n") if line and not line.startswith(":")]
        if any(name == "data" for name, _ in lines):
            made.append(dict(lines))
    return made


async def read(
    service: Told, seq: int, *, count: int, types: list[str] | None = None, private: bool = True, **more: Any
) -> list[dict[str, str]]:
    live = service.service.live("default")
    text = ""
    stream = follow(live, seq, types=types, private=private, clock=service.clock, ended=lambda: False, **more)
    async with asyncio.timeout(10):
        async for piece in stream:
            text += piece.decode()
            if len(parsed(text)) >= count:
                break
    await stream.aclose()
    return parsed(text)


def last_seq(service: Told) -> int:
    return service.service.live("default").events.bounds()[1]


def test_a_reader_is_told_what_comes_and_goes_on_where_it_was(service: Told) -> None:
    before = last_seq(service)
    happen(service, "run.a", "run.b")
    happen(service, "terminal.outcome", private=True)
    happen(service, "run.c")
    found = asyncio.run(read(service, before, count=4))
    assert [each["event"] for each in found] == ["run.a", "run.b", "terminal.outcome", "run.c"]
    assert [int(each["id"]) for each in found] == [before + n for n in range(1, 5)]
    assert json.loads(found[2]["data"])["subject"] == "car"
    again = asyncio.run(read(service, int(found[1]["id"]), count=2))
    assert again == found[2:]
    assert [each["event"] for each in asyncio.run(read(service, before, count=3, private=False))] == ["run.a", "run.b", "run.c"]
    assert [each["event"] for each in asyncio.run(read(service, before, count=1, types=["run.c"]))] == ["run.c"]


def test_a_reader_that_waits_hears_at_once(service: Told) -> None:
    before = last_seq(service)
    thread = threading.Timer(0.3, lambda: happen(service, "run.later"))
    thread.start()
    began = time.monotonic()
    (found,) = asyncio.run(read(service, before, count=1))
    assert found["event"] == "run.later"
    assert time.monotonic() - began < 1.2
    thread.join()


def test_a_number_of_the_future_or_of_what_is_gone_is_understood(served_template: Home, tmp_path: Path, sink: Receiver) -> None:
    with told(told_home(served_template, tmp_path / "home"), sink) as made:
        happen(made, "run.a", "run.b", "run.c")
        log = made.service.live("default").events
        last = log.bounds()[1]
        log.prune(before_ns=0, most=1)
        found = asyncio.run(read(made, 0, count=2))
        assert [(each["event"], json.loads(each["data"])["data"]) for each in found] == [
            ("events.missed", {"from": 1, "until": last - 1}), ("run.c", {"n": 1}),
        ]  # fmt: skip
        thread = threading.Timer(0.2, lambda: happen(made, "run.d"))
        thread.start()
        assert [each["event"] for each in asyncio.run(read(made, 10**9, count=1))] == ["run.d"]
        thread.join()


def test_a_quiet_stream_beats_and_ends(service: Told) -> None:
    async def beats() -> str:
        live, text = service.service.live("default"), ""
        seq = last_seq(service)
        async for piece in follow(
            live, seq, types=["none.such"], private=True, clock=service.clock, ended=lambda: False, heartbeat_s=0.05, longest_s=0.4
        ):
            text += piece.decode()
        return text

    text = asyncio.run(beats())
    assert text.startswith("retry: 2000\n: hello\n\n")
    assert text.count(f"id: {last_seq(service)}") >= 2
    assert parsed(text) == []


@contextmanager
def listening(service: Told) -> Iterator[str]:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(service.client.app, log_config=None, lifespan="off", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [held]}, daemon=True)
        thread.start()
        until = time.monotonic() + 10
        while not server.started and time.monotonic() < until:
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{held.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)


def test_the_stream_over_the_wire(service: Told) -> None:
    before = last_seq(service)
    happen(service, "run.a")
    happen(service, "terminal.outcome", private=True)
    reader, keeper = service.key("analyst"), service.key("administrator")
    with listening(service) as address, httpx.Client(base_url=address, timeout=10) as client:
        with client.stream("GET", "/v1/events", headers=reader | {"Last-Event-ID": str(before)}) as answer:
            assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, "text/event-stream")
            assert answer.headers["cache-control"] == "no-store"
            lines = answer.iter_lines()
            wanted = ["event: run.a", "event: terminal.outcome"]
            while wanted:
                line = next(lines)
                if line == wanted[0]:
                    wanted.pop(0)
            happen(service, "run.b")
            while next(lines) != "event: run.b":
                pass
        with client.stream("GET", "/v1/events?types=run.", headers=keeper | {"Last-Event-ID": str(before)}) as answer:
            names = []
            for line in answer.iter_lines():
                names += [line] if line.startswith("event: ") else []
                if len(names) == 2:
                    break
            assert names == ["event: run.a", "event: run.b"]
        for path, headers, status in (
            ("/v1/events", {"Last-Event-ID": "soon"}, 400), ("/v1/events", {"Last-Event-ID": "-1"}, 400), ("/v1/events?types=A", {}, 400),
        ):  # fmt: skip
            assert client.get(path, headers=reader | headers).status_code == status
        assert client.get("/v1/events", headers=service.key("viewer")).status_code == 403
        assert client.get("/v1/events").status_code == 401
        until = time.monotonic() + 5
        while READERS._open.total() and time.monotonic() < until:
            time.sleep(0.05)
        assert READERS._open.total() == 0, "readers that left are forgotten"
        with client.stream("GET", "/v1/events", headers=reader) as first:
            lines = first.iter_lines()
            next(lines)
            name = next(iter(READERS._open))
            READERS._open[name] = MOST_OF_ONE
            refused = client.get("/v1/events", headers=reader)
            assert (refused.status_code, refused.json()["code"]) == (429, "too_many_streams")
            READERS._open[name] = 1
