"""Deliveries: in order, at least once, under ids that stay, to allowed hosts only, whatever receivers do."""

from __future__ import annotations

import hashlib
import hmac
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from groundrule.errors import InputError, IntegrityError
from groundrule.pipeline.fetching import Network
from groundrule.pipeline.live.delivering import Courier, Pace
from groundrule.pipeline.live.sending import (
    SendBounds,
    allowed_hosts,
    permitted,
    send,
    sink_address,
)
from groundrule.pipeline.live.sink_keys import SinkKeys
from groundrule.store.events import Event, EventLog
from groundrule.store.home import Home
from groundrule.store.subscriptions import Sink, SubscriptionStore
from hostile_addresses import LEADS, REFUSED_AS_WRITTEN
from receiver import Receiver, receiver

KEYS = SinkKeys(bytes(32), "home")
QUICK = Pace(first_s=0.01, longest_s=0.05, tries=4, look_s=0.05)


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[Receiver]:
    with receiver(tmp_path) as made:
        yield made


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.create(tmp_path / "home")


class Stage:
    """A store, a log of events and a courier, without anything else of a service."""

    def __init__(self, home: Home, sink: Receiver, **more: Any) -> None:
        self.store, self.log = SubscriptionStore.open(home), EventLog.open(home)
        self.listeners: list[Callable[[Event], None]] = []
        self.courier = Courier(
            self.store, self.log, self._subscribe, KEYS, allowed_hosts([sink.allowed]), source="urn:test", prefix="org.example",
            clock=time.time_ns, **{"network": sink.network, "pace": QUICK, "bounds": SendBounds(seconds=0.6), **more},
        )  # fmt: skip
        self.courier.start()

    def _subscribe(self, callback: Callable[[Event], None]) -> Callable[[], None]:
        self.listeners.append(callback)
        return lambda: self.listeners.remove(callback)

    def happen(self, *types: str, private: bool = False) -> None:
        for event in self.log.append([
            Event(each, time.time_ns(), "terminal" if private else "run", {"n": n}, "a/b" if private else None, not private)
            for n, each in enumerate(types)
        ]):  # fmt: skip
            for listener in self.listeners:
                listener(event)

    def hook(self, sink: Receiver, name: str = "hook-1", **spec: Any) -> Sink:
        made = Sink(
            name, "webhook", "key-1", sink.address, "active", time.time_ns(),
            {"types": None, "signature": "hmac-sha256", "private": False, **spec}, position=self.log.bounds()[1],
        )  # fmt: skip
        self.store.add(made)
        return made

    def now(self, name: str = "hook-1") -> Sink:
        found = self.store.sink(name)
        assert found is not None
        return found

    def close(self) -> None:
        self.courier.close()
        self.store.close()
        self.log.close()


@contextmanager
def stage(home: Home, sink: Receiver, **more: Any) -> Iterator[Stage]:
    made = Stage(home, sink, **more)
    try:
        yield made
    finally:
        made.close()


def test_events_come_in_order_signed_and_each_once(home: Home, sink: Receiver) -> None:
    with stage(home, sink) as made:
        made.happen("before.all")
        made.hook(sink)
        made.happen(*[f"run.n{n}" for n in range(120)])
        came = sink.wait_for(120)
        sink.wait(lambda: made.now().delivered == 120)
    assert [each["type"] for each in came] == [f"org.example.run.n{n}" for n in range(120)]
    assert len({each["id"] for each in came}) == 120
    first = sink.got[0]
    assert first.path == "/hook?x=1"
    assert first.headers["content-type"] == "application/cloudevents+json"
    assert first.headers["host"] == f"localhost:{sink.port}"
    assert set(first.event) == {"specversion", "id", "source", "type", "time", "datacontenttype", "data"}
    message = f"{first.headers['webhook-id']}.{first.headers['webhook-timestamp']}.".encode() + first.body
    secret = b64decode(KEYS.secret("hook-1").removeprefix("whsec_"))
    version, value = first.headers["webhook-signature"].split(",", 1)
    assert (version, b64decode(value)) == ("v1", hmac.digest(secret, message, hashlib.sha256))
    assert abs(int(first.headers["webhook-timestamp"]) - time.time()) < 60
    assert first.headers["webhook-id"] == first.event["id"]


def test_the_documented_way_to_verify_takes_what_is_signed_and_nothing_else() -> None:
    text = (Path(__file__).resolve().parents[3] / "docs" / "events.md").read_text("utf-8")
    place: dict[str, Any] = {}
    exec(text.partition("```python\n")[2].partition("```")[0], place)
    verified = place["verified"]
    headers = KEYS.headers("hook-1", "hmac-sha256", "4711", 1_790_000_000, b"{}")
    assert verified(KEYS.secret("hook-1"), headers, b"{}")
    for secret, told, body in (
        (KEYS.secret("hook-2"), headers, b"{}"), (KEYS.secret("hook-1"), headers, b"{ }"),
        (KEYS.secret("hook-1"), headers | {"webhook-id": "4712"}, b"{}"),
        (KEYS.secret("hook-1"), headers | {"webhook-timestamp": "1790000001"}, b"{}"),
    ):  # fmt: skip
        assert not verified(secret, told, body)


def test_a_signature_with_ed25519_holds_under_the_public_key(home: Home, sink: Receiver) -> None:
    with stage(home, sink) as made:
        made.hook(sink, signature="ed25519")
        made.happen("run.committed")
        sink.wait_for(1)
    got = sink.got[0]
    version, value = got.headers["webhook-signature"].split(",", 1)
    key = Ed25519PublicKey.from_public_bytes(b64decode(KEYS.public.removeprefix("whpk_")))
    key.verify(b64decode(value), f"{got.headers['webhook-id']}.{got.headers['webhook-timestamp']}.".encode() + got.body)
    assert version == "v1a"


def test_only_what_was_asked_for_and_may_be_seen_is_told(home: Home, sink: Receiver) -> None:
    with stage(home, sink) as made:
        made.hook(sink, "hook-1", types=["run.", "policy.changed"])
        made.happen("run.committed", "policy.changed", "degraded.began")
        made.happen("terminal.outcome", private=True)
        sink.wait_for(2)
        made.hook(sink, "hook-2", private=True)
        made.happen("terminal.outcome", private=True)
        sink.wait_for(3)
        time.sleep(0.2)
        assert made.now("hook-1").position == 5
    assert [(each["type"], each.get("subject")) for each in sink.taken] == [
        ("org.example.run.committed", None), ("org.example.policy.changed", None), ("org.example.terminal.outcome", "terminal/a%2Fb"),
    ]  # fmt: skip


@pytest.mark.parametrize("trouble", [500, 503, 400, 404, 301, 302, 307, "hang", "slow", "cut", 199])
def test_what_fails_is_tried_again_under_the_same_id_and_the_order_stays(home: Home, sink: Receiver, trouble: int | str) -> None:
    sink.answers = [trouble, 204]
    sink.headers = {"Location": "https://localhost/elsewhere"}
    with stage(home, sink) as made:
        made.hook(sink)
        made.happen("run.a", "run.b")
        came = sink.wait_for(3)
        sink.wait(lambda: made.now().delivered == 2)
        assert (made.now().tries, made.now().failed) == (0, None)
    assert [each["type"][-1] for each in came] == ["a", "a", "b"]
    assert came[0] == came[1]
    assert [each.path for each in sink.got] == ["/hook?x=1"] * 3, "redirects are not followed"


def test_what_is_never_taken_is_laid_aside_and_sent_again_on_request(home: Home, sink: Receiver) -> None:
    sink.answers = [500, 500, 500, 500, 204]
    with stage(home, sink) as made:
        made.hook(sink)
        made.happen("run.a", "run.b")
        sink.wait(lambda: made.now().delivered == 1)
        (dead,) = made.store.dead("hook-1")
        assert (dead.error, dead.id) == ("answered 500", sink.taken[0]["id"])
        assert [each["type"][-1] for each in sink.taken] == ["a"] * 4 + ["b"]
        assert made.store.redeliver("hook-1", [dead.number + 1]) == 0
        assert made.store.redeliver("hook-1", [dead.number]) == 1
        made.courier.wake()
        sink.wait(lambda: made.now().delivered == 2)
        assert made.store.dead("hook-1") == []
    assert sink.taken[-1] == sink.taken[0]


def test_a_receiver_that_is_gone_is_told_nothing_more(home: Home, sink: Receiver) -> None:
    sink.answers = [410, 204]
    with stage(home, sink) as made:
        made.hook(sink)
        made.happen("run.a", "run.b")
        sink.wait(lambda: made.now().state == "gone")
        made.happen("run.c")
        time.sleep(0.2)
        assert len(sink.got) == 1
        assert made.store.redeliver("hook-1", None) == 1
        made.courier.wake()
        came = sink.wait_for(4)
    assert sorted(each["type"][-1] for each in came[1:]) == ["a", "b", "c"]


def test_one_receiver_that_hangs_holds_nobody_else_up(home: Home, sink: Receiver, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with receiver(tmp_path / "other") as other:
        other.answers = ["hang"]
        with stage(home, sink, bounds=SendBounds(seconds=1.2)) as made:
            made.courier._allowed = allowed_hosts([sink.allowed, other.allowed])
            slow = made.hook(sink, "slow")
            made.store.remove("slow")
            made.store.add(replace(slow, address=other.address))
            made.hook(sink, "fast")
            began = time.monotonic()
            made.happen("run.a", "run.b")
            sink.wait_for(2)
            assert time.monotonic() - began < 1.0


def test_a_restart_goes_on_where_it_was(home: Home, sink: Receiver) -> None:
    sink.answers = [500]
    with stage(home, sink, pace=replace(QUICK, tries=1_000)) as made:
        made.hook(sink)
        made.happen("run.a", "run.b")
        sink.wait_for(2)
    sink.answers = [204]
    log = EventLog.open(home)
    log.append([Event("run.c", 1, "run", {}, None, True)])
    log.close()
    before = len(sink.got)
    with stage(home, sink) as made:
        sink.wait(lambda: made.now().delivered == 3)
    came = sink.taken
    assert [each["type"][-1] for each in came[before:]] == ["a", "b", "c"]
    assert came[before]["id"] == came[0]["id"]


def test_whoever_was_away_too_long_is_told_what_is_gone(home: Home, sink: Receiver) -> None:
    with stage(home, sink) as made:
        made.happen("run.a", "run.b", "run.c")
        made.log.prune(before_ns=0, most=1)
        hook = made.hook(sink, "late")
        made.store.remove("late")
        made.store.add(replace(hook, position=0))
        made.courier.wake()
        came = sink.wait_for(2)
    assert [(each["type"], each["data"]) for each in came] == [
        ("org.example.events.missed", {"from": 1, "until": 2}), ("org.example.run.c", {"n": 2}),
    ]  # fmt: skip


def test_waits_grow_are_shortened_by_chance_and_have_an_end() -> None:
    pace = Pace()
    waits = [[pace.wait_ns(tries) / 1e9 for _ in range(50)] for tries in (1, 2, 5, 12, 60)]
    for most, found in zip((1, 2, 16, 2_048, 3_600), waits, strict=True):
        assert most / 2 <= min(found) < max(found) <= most
    assert 120 <= pace.wait_ns(1, 120) / 1e9 <= 121
    assert pace.wait_ns(1, 10**9) / 1e9 <= 3_600


# --- where it may go --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LEADS)
def test_no_name_that_leads_inside_is_ever_connected_to(name: str) -> None:
    reached: list[Any] = []
    network = Network(resolve=lambda *_: LEADS[name], connect=lambda *told: reached.append(told))  # type: ignore[arg-type, func-returns-value]  # never called
    with pytest.raises(InputError):
        send(sink_address(f"https://{name}/"), allowed_hosts([name])[0], {}, b"", network=network)
    assert reached == []


STRANGE = (
    "https://user@hooks.example/", "http://hooks.example/", "https://hooks.example:0/", "https://[::1%25x]/", "https://hooks.example:444/",
)


@pytest.mark.parametrize("text", [*REFUSED_AS_WRITTEN, *STRANGE])
def test_no_hostile_address_is_ever_connected_to(text: str) -> None:
    asked: list[Any] = []
    network = Network(resolve=lambda *told: asked.append(told) or [], connect=lambda *told: asked.append(told))  # type: ignore[arg-type, func-returns-value]  # never called
    try:
        address = sink_address(text)
    except InputError:
        return
    allowed = permitted(address, allowed_hosts(["hooks.example", "hooks.example:8443"]))
    if allowed is not None:
        with pytest.raises((InputError, OSError)):
            send(address, allowed, {}, b"", network=network)
    assert not [each for each in asked if len(each) == 3]


@pytest.mark.parametrize(
    ("entry", "machines", "refused"),
    [
        ("hooks.example", ["127.0.0.1"], True), ("hooks.example", ["93.184.216.34", "10.0.0.1"], True), ("hooks.example", ["::1"], True),
        ("hooks.example", ["::ffff:10.0.0.1"], True), ("hooks.example", ["169.254.169.254"], True),
        ("hooks.example", ["93.184.216.34"], False),
        ("hooks.example@10.20.0.0/16", ["10.20.3.4"], False), ("hooks.example@10.20.0.0/16", ["10.21.3.4"], True),
        ("hooks.example@10.20.0.0/16", ["93.184.216.34"], True), ("hooks.example@fd00::/8", ["fd00::7"], False),
    ],
)  # fmt: skip
def test_a_name_leads_only_where_the_settings_say(entry: str, machines: list[str], refused: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    reached: list[str] = []

    def connect(machine: str, *_: Any) -> Any:
        reached.append(machine)
        raise ConnectionRefusedError

    monkeypatch.setattr("groundrule.pipeline.live.sending._straight", connect)
    network = Network(resolve=lambda *_: machines, connect=connect)
    with pytest.raises(InputError if refused else OSError):
        send(sink_address("https://hooks.example/x"), allowed_hosts([entry])[0], {}, b"", network=network)
    assert reached == ([] if refused else machines[:1])


def test_a_name_is_resolved_once_and_its_certificate_is_checked(sink: Receiver) -> None:
    asked: list[str] = []

    def resolve(host: str, _: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    allowed = allowed_hosts([sink.allowed])[0]
    network = replace(sink.network, resolve=resolve)
    assert send(sink_address(sink.address), allowed, {}, b"{}", network=network).status == 204
    assert asked == ["localhost"]
    with pytest.raises(OSError, match="certificate"):
        send(sink_address(sink.address), allowed, {}, b"{}", network=Network(resolve=resolve))
    other = f"other.example:{sink.port}@127.0.0.0/8"
    with pytest.raises(OSError, match="certificate"):
        send(sink_address(f"https://other.example:{sink.port}/"), allowed_hosts([other])[0], {}, b"{}", network=network)
    assert len(sink.got) == 1


def test_a_header_cannot_begin_another_line(sink: Receiver) -> None:
    with pytest.raises(InputError, match="line break"):
        send(sink_address(sink.address), allowed_hosts([sink.allowed])[0], {"x": "a\r\nb: c"}, b"", network=sink.network)
    assert sink.got == []


@pytest.mark.parametrize(
    "entry", ["https://hooks.example", "hooks.example/x", "*.example", "", "hooks.example@", "hooks.example@10.0.0.1/8", "a b"]
)
def test_settings_that_name_no_host_are_refused(entry: str) -> None:
    with pytest.raises(InputError, match="webhook_hosts"):
        allowed_hosts([entry])


def test_a_host_that_is_taken_out_of_the_settings_is_told_nothing_more(home: Home, sink: Receiver) -> None:
    with stage(home, sink) as made:
        made.hook(sink)
        made.courier._allowed = ()
        made.happen("run.a")
        sink.wait(lambda: bool(made.store.dead("hook-1")))
        assert "settings" in str(made.store.dead("hook-1")[0].error)
    assert sink.got == []


def test_tokens_are_sealed_to_their_sink_and_service() -> None:
    sealed = KEYS.seal("fence-1", "a-token")
    assert b"a-token" not in sealed
    assert KEYS.open("fence-1", sealed) == "a-token"
    for keys, name, text in ((KEYS, "fence-2", sealed), (SinkKeys(bytes(32), "other"), "fence-1", sealed), (KEYS, "fence-1", sealed[:-1])):
        with pytest.raises(IntegrityError):
            keys.open(name, text)
    assert KEYS.secret("a") != KEYS.secret("b")
