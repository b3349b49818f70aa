"""Watching a real NATS broker: what is acknowledged and when, what comes again, and addresses that hold secrets."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker import Broker, running
from groundrule.errors import InputError, MissingExtra, StoreError
from groundrule.instant import NS_PER_S, format_instant
from groundrule.pipeline.live.answers import LiveSettings
from groundrule.pipeline.live.desk import Live
from groundrule.pipeline.manifests import runs
from groundrule.pipeline.watch.broker import BrokerAddress, BrokerSource, Numbers
from groundrule.pipeline.watch.reading import Reading
from groundrule.pipeline.watch.watcher import Cycle, Watcher
from groundrule.store.history import read_run
from groundrule.store.home import Home
from small_home import copy_home, make_home

START_NS = 1_772_445_600_000_000_000
SETTINGS = LiveSettings(check_every_s=3_600, interference=False, detection=False)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return make_home(tmp_path_factory.mktemp("template") / "home")


@pytest.fixture
def home(template: Home, tmp_path: Path) -> Home:
    (tmp_path / "work").mkdir()
    return copy_home(template, tmp_path / "home")


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    with running() as found:
        yield found


@pytest.fixture
def stream(broker: Broker, request: pytest.FixtureRequest) -> str:
    name = f"S{abs(hash(request.node.name)) % 10**9}"
    broker.make(name, f"{name}.>")
    return name


def line(number: int) -> bytes:
    at = format_instant(START_NS + number * 15 * NS_PER_S)
    return json.dumps({"terminal_id": f"t{number % 5}", "observed_at": at, "lat_deg": 1.5, "lon_deg": 2.0}).encode()


@contextmanager
def desk(home: Home) -> Iterator[Live]:
    with Live.open(home, clock=lambda: START_NS + 40 * 86_400 * NS_PER_S, settings=SETTINGS) as live:
        yield live


def source_of(broker: Broker, stream: str, home: Home, query: str = "") -> BrokerSource:
    address = BrokerAddress.parse(f"{broker.address}/{stream}/watch{query}")
    return BrokerSource(address, home.path, Reading(home.path.parent / "work"))


def watch(broker: Broker, stream: str, home: Home) -> tuple[Cycle, Any]:
    with desk(home) as live:
        source = source_of(broker, stream, home)
        return Watcher(live, source, once=True).run(), source.said()


def stored(home: Home) -> Counter[int]:
    found: Counter[int] = Counter()
    for run in runs(home):
        for table in read_run(home, "observations", run, columns=["terminal_id", "observed_at"]):
            found.update((at - START_NS) // (15 * NS_PER_S) for at in table["observed_at"].to_pylist())
    return found


def test_messages_are_taken_and_acknowledged(broker: Broker, stream: str, home: Home) -> None:
    broker.publish(f"{stream}.a", [line(0), line(1) + b"\n" + line(2) + b"\n", b"nonsense", b"", line(3)])
    total, said = watch(broker, stream, home)
    assert (total.rows, total.rejected, said["messages"]) == (4, {"not_json": 1}, 5)
    assert stored(home) == Counter(range(4))
    assert broker.unacknowledged(stream, "watch") == 0
    again, said = watch(broker, stream, home)
    assert (again.rows, said["messages"]) == (0, 0)


def test_replies_of_the_telemetry_stream_come_in_messages_too(broker: Broker, stream: str, home: Home) -> None:
    reply = {
        "data": {
            "columnNamesByDeviceType": {"u": ["DeviceType", "DeviceId", "UtcTimestampNs", "H3CellId"]},
            "values": [["u", "ut-1", START_NS, "85283473fffffff"]],
        },
        "metadata": {"enums": {"DeviceType": {"u": "UserTerminal"}}},
    }
    broker.publish(f"{stream}.a", [json.dumps(reply, indent=1).encode(), line(1)])
    total, _ = watch(broker, stream, home)
    assert (total.rows, total.rejected) == (2, {})


def test_what_was_not_acknowledged_comes_again_and_counts_once(broker: Broker, stream: str, home: Home) -> None:
    broker.publish(f"{stream}.a", [line(number) for number in range(20)])
    with desk(home) as live:
        source = source_of(broker, stream, home)
        for arrival in source.take(2.0, 1000):
            live.submit(arrival.rows, source=arrival.source, key=arrival.key).result(60)
        # As after `kill -9` between the flush and the position: nobody is told.
        source.close()
    assert broker.unacknowledged(stream, "watch") == 20

    async def now(_: Any, streams: Any) -> None:
        info = await streams.consumer_info(stream, "watch")
        info.config.ack_wait = 0.2
        await streams.add_consumer(stream, info.config)

    broker.do(now)
    broker.publish(f"{stream}.a", [line(20)])
    for _ in range(20):  # the broker tries again in its own time
        total, _ = watch(broker, stream, home)
        assert total.decided + total.late + total.repeated == total.rows
        if not broker.unacknowledged(stream, "watch"):
            break
        time.sleep(0.25)
    assert stored(home) == Counter(range(21))
    assert broker.unacknowledged(stream, "watch") == 0


def test_nothing_is_left_only_where_a_look_without_messages_under_way_says_so(broker: Broker, stream: str, home: Home) -> None:
    broker.publish(f"{stream}.a", [line(0), line(1)])
    gone = source_of(broker, stream, home)
    assert gone.take(2.0, 1000)
    gone.close()  # as after `kill -9`: the broker waits for an acknowledgement that never comes
    broker.publish(f"{stream}.a", [line(2)])
    source = source_of(broker, stream, home)
    arrivals = source.take(2.0, 1000)
    assert source.take(0.1, 1000) == ()
    source.taken(arrivals)
    assert not source.exhausted
    assert source.take(0.1, 1000) == ()
    assert not source.exhausted
    source.close()


def test_a_position_that_was_written_makes_a_message_known_at_once(broker: Broker, stream: str, home: Home) -> None:
    broker.publish(f"{stream}.a", [line(number) for number in range(5)])
    with desk(home) as live:
        source = source_of(broker, stream, home)
        arrivals = source.take(2.0, 1000)
        for arrival in arrivals:
            live.submit(arrival.rows, source=arrival.source, key=arrival.key).result(60)
        source._acknowledge = lambda _: None  # type: ignore[method-assign]  # the connection breaks before the broker hears
        source.taken(arrivals)
        source.close()

    async def now(_: Any, streams: Any) -> None:
        info = await streams.consumer_info(stream, "watch")
        info.config.ack_wait = 0.2
        await streams.add_consumer(stream, info.config)

    broker.do(now)
    total, said = watch(broker, stream, home)
    assert (total.rows, said["redelivered"] >= 5) == (0, True)
    assert broker.unacknowledged(stream, "watch") == 0


def test_only_the_subjects_that_are_asked_for_come(broker: Broker, stream: str, home: Home) -> None:
    broker.publish(f"{stream}.a", [line(0)])
    broker.publish(f"{stream}.b", [line(1)])
    with desk(home) as live:
        total = Watcher(live, source_of(broker, stream, home, f"?subject={stream}.b"), once=True).run()
    assert total.rows == 1
    assert stored(home) == Counter([1])


def test_a_broker_that_goes_away_and_comes_back(broker: Broker, stream: str, home: Home) -> None:
    with desk(home) as live:
        source = source_of(broker, stream, home)
        broker.stop()
        assert source.take(0.2, 1000) == ()
        assert source.said()["broker_away"]
        broker.start()
        broker.publish(f"{stream}.a", [line(0)])
        rows = 0
        for _ in range(60):
            arrivals = source.take(0.5, 1000)
            rows += sum(len(each.rows) for each in arrivals)
            source.taken(arrivals)
            if rows:
                break
        assert rows == 1
        assert "broker_away" not in source.said()
        assert live.status().ready
        source.close()


def test_a_stream_or_broker_that_is_not_there_is_named(broker: Broker, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    with desk(home):
        with pytest.raises(InputError, match="no stream `ABSENT`"):
            source_of(broker, "ABSENT", home)
        monkeypatch.setattr("groundrule.pipeline.watch.broker.CONNECT_S", 1.0)  # nobody comes, however long it is waited
        with pytest.raises(StoreError, match="cannot be reached"):
            BrokerSource(BrokerAddress.parse("nats://127.0.0.1:1/S/c"), home.path, Reading(home.path.parent / "work"))


def test_a_consumer_that_does_not_acknowledge_is_refused(broker: Broker, stream: str, home: Home) -> None:
    async def make(_: Any, streams: Any) -> None:
        from nats.js.api import AckPolicy, ConsumerConfig  # an optional package

        await streams.add_consumer(stream, ConsumerConfig(durable_name="watch", ack_policy=AckPolicy.NONE))

    broker.do(make)
    with desk(home), pytest.raises(InputError, match="does not wait for acknowledgements"):
        source_of(broker, stream, home)


def test_without_the_client_the_error_names_what_to_install(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nats", None)
    with pytest.raises(MissingExtra, match=r"groundrule\[nats\]"):
        BrokerSource(BrokerAddress.parse("nats://127.0.0.1:1/S/c"), home.path, Reading(home.path.parent / "work"))


# --- without a broker ---------------------------------------------------------------------------------------------------------


def test_an_address() -> None:
    assert BrokerAddress.parse("nats://host/S/c?subject=a.>") == BrokerAddress("nats://host:4222", "S", "c", "a.>")
    assert BrokerAddress.parse("tls://[::1]:99/S/c") == BrokerAddress("tls://[::1]:99", "S", "c")


@pytest.mark.parametrize(
    "text",
    ["nats://host", "nats://host/S", "nats://host/S/c/d", "nats://host/S/c?x=1", "nats://host:x/S/c", "nats://host/S/c%20d", "nats:///S/c"],
)
def test_an_address_that_is_none(text: str) -> None:
    with pytest.raises(InputError):
        BrokerAddress.parse(text)


def test_an_address_holds_no_password_and_the_error_does_not_repeat_it() -> None:
    with pytest.raises(InputError) as found:
        BrokerAddress.parse("nats://me:secret@host/S/c")
    assert "secret" not in str(found.value)


@given(st.lists(st.lists(st.integers(1, 60), max_size=10), max_size=8), st.integers(0, 60))
def test_numbers_are_those_that_were_added(parts: list[list[int]], until: int) -> None:
    numbers = Numbers()
    for each in parts:
        numbers.add(each)
    wanted = {number for each in parts for number in each}
    assert {number for number in range(70) if number in numbers} == wanted
    assert all(a[1] + 1 < b[0] for a, b in zip(numbers.intervals, numbers.intervals[1:], strict=False))
    numbers.forget(until)
    assert {number for number in range(70) if number in numbers} == {number for number in wanted if number > until}
