"""The connector of the telemetry stream, against a local server of that shape: each row once, and what did not come is told."""

from __future__ import annotations

import gzip
import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from groundrule.errors import InputError, StoreError
from groundrule.instant import NS_PER_S
from groundrule.pipeline.live.answers import LiveSettings
from groundrule.pipeline.live.desk import Live
from groundrule.pipeline.manifests import runs
from groundrule.pipeline.watch import stream as module
from groundrule.pipeline.watch.asking import Question, Refused, ask
from groundrule.pipeline.watch.gaps import Gap, Gaps
from groundrule.pipeline.watch.reading import Reading
from groundrule.pipeline.watch.stream import StreamSource
from groundrule.pipeline.watch.stream_settings import StreamSettings, read_stream_settings
from groundrule.pipeline.watch.watcher import Cycle, Watcher
from groundrule.store.alerts import ALERTS
from groundrule.store.history import read_run
from groundrule.store.home import Home
from groundrule.store.watch_positions import Positions
from small_home import copy_home, make_home
from telemetry_server import TOKEN, Telemetry, breaks_off, says_nothing, telemetry, terminal_row

START_NS = 1_772_445_600_000_000_000
SETTINGS = LiveSettings(check_every_s=3_600, interference=False, detection=False)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return make_home(tmp_path_factory.mktemp("template") / "home")


@pytest.fixture
def home(template: Home, tmp_path: Path) -> Home:
    (tmp_path / "work").mkdir()
    return copy_home(template, tmp_path / "home")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Telemetry]:
    monkeypatch.setenv("STREAM_TOKEN", TOKEN)
    monkeypatch.setattr(module, "SLOWEST_S", 0.05)
    with telemetry() as made:
        yield made


def at(number: int) -> int:
    return START_NS + number * 15 * NS_PER_S


def settings_of(server: Telemetry, **more: Any) -> StreamSettings:
    return StreamSettings(server.url, token_env="STREAM_TOKEN", linger_ms=0, **{"batch_size": 10, **more})


@contextmanager
def desk(home: Home) -> Iterator[Live]:
    with Live.open(home, clock=lambda: START_NS + 40 * 86_400 * NS_PER_S, settings=SETTINGS) as live:
        yield live


def source_of(server: Telemetry, home: Home, **more: Any) -> StreamSource:
    stream = {name: more.pop(name) for name in ("batch_size", "retention_h", "request") if name in more}
    return StreamSource(settings_of(server, **stream), home, Reading(home.path.parent / "work"), **{"once": True, **more})


def watch(server: Telemetry, home: Home, **more: Any) -> tuple[Cycle, dict[str, Any]]:
    with desk(home) as live:
        source = source_of(server, home, **more)
        return Watcher(live, source, once=True).run(), dict(source.said())


def stored(home: Home) -> Counter[tuple[str, int]]:
    found: Counter[tuple[str, int]] = Counter()
    for run in runs(home):
        for table in read_run(home, "observations", run, columns=["terminal_id", "observed_at"]):
            found.update(zip(table["terminal_id"].to_pylist(), table["observed_at"].to_pylist(), strict=True))
    return found


def until(true: Callable[[], Any]) -> None:
    for _ in range(400):
        if true():
            return
        time.sleep(0.02)
    raise AssertionError("it did not come to be")


def test_rows_come_once_whatever_the_order_of_columns_and_the_codes(server: Telemetry, home: Home) -> None:
    for number in range(25):
        server.add(terminal_row(f"ut-{number % 4}", at(number)))
    server.add({"UtcTimestampNs": at(1), "DeviceId": "r-1", "Clients": 3}, device="Router")
    server.add({"UtcTimestampNs": at(1), "DeviceId": "ut-1", "Ipv4": ["192.0.2.7"], "AccountNumber": "A"}, device="IpAllocs")
    total, said = watch(server, home, request={"accountNumber": "ACC (invented)"})
    assert (total.rows, total.rejected, total.set_aside) == (25, {}, {"device_Router": 1, "device_IpAllocs": 1})
    assert stored(home) == server.delivered
    assert (said["gaps"], said["lost_replies"]) == (0, 0)
    assert server.asked[0] == {"accountNumber": "ACC (invented)", "batchSize": 10, "maxLingerMs": 0}
    assert server.tokens == {f"Bearer {TOKEN}"}


def test_measured_service_becomes_a_column(server: Telemetry, home: Home) -> None:
    server.add(
        terminal_row("ut-1", at(0)), terminal_row("ut-2", at(0), DownlinkThroughput=0.0, UplinkThroughput=0.0, PingDropRateAvg=1.0),
        terminal_row("ut-3", at(0), DownlinkThroughput=0, UplinkThroughput=None), terminal_row("ut-4", at(0), PingDropRateAvg="?"),
    )  # fmt: skip
    watch(server, home)
    found = {
        row["terminal_id"]: row["served"] for run in runs(home)
        for table in read_run(home, "observations", run, columns=["terminal_id", "served"]) for row in table.to_pylist()
    }  # fmt: skip
    assert found == {"ut-1": True, "ut-2": False, "ut-3": None, "ut-4": True}


def test_alerts_open_and_close(server: Telemetry, home: Home) -> None:
    for number, codes in enumerate(([], [60], [60, 7777], None, [7777], [], [60])):
        server.add(terminal_row("ut-1", at(number), ActiveAlert=codes))
    first, said = watch(server, home, batch_size=3, clock=lambda: at(100))
    assert first.rows == 7
    assert (said["alerts_opened"], said["alerts_closed"], said["alerts_open"]) == (3, 2, 1)
    server.add(terminal_row("ut-1", at(8), ActiveAlert=[]))
    watch(server, home, clock=lambda: at(101))
    rows = [(r["code"], r["name"], r["change"], (r["at"] - START_NS) // (15 * NS_PER_S), (r["opened_at"] - START_NS) // (15 * NS_PER_S))
            for r in ALERTS.read(home).to_pylist()]  # fmt: skip
    fast = "disabled_moving_too_fast"
    assert sorted(rows, key=lambda each: (each[3], each[0])) == [
        (60, fast, "opened", 1, 1), (7777, None, "opened", 2, 2), (60, fast, "closed", 4, 1), (7777, None, "closed", 5, 2),
        (60, fast, "opened", 6, 6), (60, fast, "closed", 8, 6),
    ]  # fmt: skip


def test_a_process_that_died_after_the_reply_was_kept_loses_nothing(server: Telemetry, home: Home) -> None:
    for number in range(8):
        server.add(terminal_row("ut-1", at(number), ActiveAlert=[60]))
    with desk(home) as live:
        source = source_of(server, home, once=False)
        arrivals: list[Any] = []
        until(lambda: arrivals.extend(source.take(0.1, 10)) or any(len(each.rows) for each in arrivals))
        live.submit(arrivals[0].rows, source=arrivals[0].source, key=arrivals[0].key).result(60)
        source.close()  # and not told that they were taken
    assert not server.waiting
    total, said = watch(server, home)
    assert (total.rows, total.repeated) == (8, 8)
    assert said["gaps"] == 0
    assert stored(home) == server.delivered
    assert ALERTS.read(home).num_rows == 1


def test_a_reply_that_broke_off_is_told_as_a_gap_and_what_came_of_it_is_kept(server: Telemetry, home: Home) -> None:
    told: list[Gap] = []
    server.add(terminal_row("ut-1", at(0)))
    watch(server, home)
    for number in range(1, 30):
        server.add(terminal_row("ut-1", at(number)))
    server.faults.append(breaks_off)
    total, said = watch(server, home, told=told.append)
    assert (total.rows, said["lost_replies"], said["gaps"]) == (19, 1, 1)
    (gap,) = told
    assert (gap.why, gap.certain, gap.from_ns, gap.until_ns) == ("reply_lost", True, at(0), at(11))
    (broken,) = (home.path / "history" / "raw").glob("*/broken/*.gz")
    assert b"ut-1" in gzip.decompress(broken.read_bytes())
    assert said["last_gap"]["why"] == "reply_lost"
    assert watch(server, home)[1]["gaps"] == 1  # also afterwards


def test_a_question_without_an_answer_is_told_also_by_the_next_process(server: Telemetry, home: Home) -> None:
    server.add(terminal_row("ut-1", at(0)))
    watch(server, home)
    server.add(terminal_row("ut-1", at(1)), terminal_row("ut-2", at(1)))

    # As `kill -9` between the reply and the disk: the server counts it as read, and the home knows of the question alone.
    positions = Positions.open(home.path, f"stream:{settings_of(server).id}")
    positions.put({"asking": time.time_ns()}, at_ns=time.time_ns())
    positions.close()
    server.reply(10)
    server.add(terminal_row("ut-1", at(2)))
    told: list[Gap] = []
    total, said = watch(server, home, told=told.append)
    assert (total.rows, said["gaps"]) == (1, 1)
    assert [(gap.why, gap.certain) for gap in told] == [("reply_lost", False)]


@pytest.mark.parametrize("fault", [429, 500, 503])
def test_a_server_that_refuses_for_a_while_is_asked_again(server: Telemetry, home: Home, fault: int) -> None:
    server.add(terminal_row("ut-1", at(0)))
    server.faults.extend([fault, fault])
    with desk(home) as live:
        source = source_of(server, home, once=False)
        watcher = Watcher(live, source, cycle_s=0.05)
        watcher.said = lambda _, total: watcher.stop() if total.rows else None
        assert watcher.run().rows == 1
    assert (source.said()["failures"], source.said()["gaps"]) == (2, 0)


@pytest.mark.parametrize("fault", [302, 401, 404])
def test_a_server_that_refuses_for_good_ends_what_was_to_be_done_once(server: Telemetry, home: Home, fault: int) -> None:
    server.faults.append(fault)
    with pytest.raises(StoreError, match=str(fault)):
        watch(server, home)
    assert len(server.asked) == 1  # and nobody else is sent the token


def test_hostile_replies_cost_themselves_only(server: Telemetry, home: Home) -> None:
    def says(body: bytes) -> Callable[[Any, bytes], None]:
        def answer(handler: Any, _: bytes) -> None:
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body)

        return answer

    deep = b"[" * 100_000
    many = json.dumps({"data": {"columnNamesByDeviceType": {"u": ["DeviceType"] * 9}, "values": [["u"], 5, None, []]}}).encode()
    server.faults.extend([says(b"\0\xff nonsense"), says(deep), says(many), says(b'{"data": {"values": "none"}}'), says(b"")])
    with desk(home) as live:
        source = source_of(server, home, once=False)
        watcher = Watcher(live, source, cycle_s=0.05)
        server.add(*(terminal_row("ut-9", at(number)) for number in range(3)))  # the first fault eats them: they count as read
        until(lambda: (watcher._step(0.01), not server.faults)[1])
        server.add(terminal_row("ut-1", at(50)))
        watcher.said = lambda _, total: watcher.stop() if total.rows else None
        total = watcher.run()
    assert total.rows == 1
    assert total.rejected["not_json"] >= 1
    assert total.rejected["not_a_telemetry_reply"] >= 1


def test_a_reply_longer_than_what_is_read_makes_the_next_ones_smaller(
    server: Telemetry, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(30):
        server.add(terminal_row("ut-1", at(number)))

    def bounded(question: Question) -> bytes:
        return ask(Question(question.settings, question.batch_size, most_bytes=2_500))

    monkeypatch.setattr(module, "PRUNE_S", 0.0)
    total, said = watch(server, home, batch_size=16, asked=bounded)
    assert said["lost_replies"] >= 1
    assert said["gaps"] >= 1
    assert {each["batchSize"] for each in server.asked} >= {16, 8}
    assert 0 < total.rows < 30


def test_raw_replies_are_kept_as_long_as_the_server_keeps_rows(server: Telemetry, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PRUNE_S", 0.0)
    now = time.time_ns()
    server.add(terminal_row("ut-1", at(0)))
    watch(server, home, clock=lambda: now)
    raw = list((home.path / "history" / "raw").glob("*/date=*/*.json.gz"))
    assert raw
    watch(server, home, clock=lambda: now + 7 * 3_600 * NS_PER_S)
    assert all(path.exists() for path in raw)
    watch(server, home, clock=lambda: now + 9 * 3_600 * NS_PER_S)
    assert not any(path.exists() for path in raw)


def test_nobody_asked_for_longer_than_rows_are_kept(server: Telemetry, home: Home) -> None:
    now = time.time_ns()
    server.add(terminal_row("ut-1", now - 60 * NS_PER_S))
    watch(server, home, clock=lambda: now)
    later = now + 20 * 3_600 * NS_PER_S
    server.add(terminal_row("ut-1", later - 8 * 3_600 * NS_PER_S))
    told: list[Gap] = []
    watch(server, home, clock=lambda: later, told=told.append)
    assert [(gap.why, gap.certain) for gap in told] == [("retention", True)]


def test_the_token_is_written_and_told_nowhere(server: Telemetry, home: Home, caplog: pytest.LogCaptureFixture) -> None:
    server.faults.extend([500, says_nothing])
    server.add(terminal_row("ut-1", at(0)), terminal_row("ut-2", at(1)))
    with caplog.at_level(logging.DEBUG), desk(home) as live:
        source = source_of(server, home, once=False)
        watcher = Watcher(live, source, cycle_s=0.05)
        watcher.said = lambda _, __: watcher.stop() if source.said()["failures"] >= 2 else None
        watcher.run()
    assert TOKEN not in caplog.text
    assert TOKEN not in repr(source.said())
    for path in home.path.rglob("*"):
        if path.is_file():
            assert TOKEN.encode() not in path.read_bytes()


# --- settings, and gaps alone ---------------------------------------------------------------------------------------------------


def test_a_file_of_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "stream.toml"
    path.write_text(
        'url = "https://operator.example/stream"\ntoken_file = "secret"\nbatch_size = 500\n[request]\naccountNumber = "A (invented)"\n'
    )
    found = read_stream_settings(path)
    assert found == StreamSettings(
        "https://operator.example/stream", token_file="secret", batch_size=500, request={"accountNumber": "A (invented)"}
    )
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="holds no token"):
        found.token()
    (tmp_path / "secret").write_text("word\n")
    assert found.token() == "word"
    assert found.id == StreamSettings(found.url, token_env="X", batch_size=1, request=dict(found.request)).id


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('url = "http://operator.example/stream"\ntoken_env = "T"', "unprotected"),
        ('url = "https://me:secret@operator.example/stream"\ntoken_env = "T"', "password"),
        ('url = "https://operator.example/stream"', "where the token is"),
        ('url = "https://operator.example/stream"\ntoken = "word"', "unknown field"),
        ('url = "https://operator.example/stream"\ntoken_env = "T"\nbatch_size = 70000', "batch_size"),
        ('url = "https://operator.example/stream"\ntoken_env = "T"\n[request]\nbatchSize = 1', "request"),
        ('url = "ftp://operator.example/stream"\ntoken_env = "T"', "no address"),
        ('token_env = "T"', "no address"),
        ("not toml", "TOML"),
    ],
)
def test_settings_that_cannot_be_used(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "stream.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=said) as found:
        read_stream_settings(path)
    assert "word" not in str(found.value).replace("a password", "")


def test_a_token_with_a_line_break_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("T", "a\r\nX-Other: b")
    with pytest.raises(InputError):
        StreamSettings("https://operator.example", token_env="T").token()


def test_a_server_that_is_away_counts_nothing_as_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("T", "x")
    with pytest.raises(Refused, match="cannot be reached"):
        ask(Question(StreamSettings("http://127.0.0.1:1/", token_env="T"), 10))


def minute(number: float) -> int:
    return START_NS + round(number * 60 * NS_PER_S)


def test_gaps() -> None:
    hours = 8 * 3_600 * NS_PER_S
    gaps = Gaps()

    def replied(at_minute: float, *minutes: float) -> Gap | None:
        return gaps.replied(np.array([minute(each) for each in minutes], np.int64), minute(at_minute), hours)

    assert replied(1, 0.5, 0.9) is None
    assert replied(2, 1.2, 1.8) is None
    assert replied(3) is None
    assert replied(10) is None
    assert replied(11, 9.8) is None  # there was nothing to deliver meanwhile
    found = replied(12, 15)  # rows jump, and time does not
    assert found is not None
    assert (found.why, found.certain) == ("rows_missing", True)
    assert (found.from_ns, found.until_ns) == (minute(9.8), minute(15))
    assert replied(90, 16, 89) is None  # a process that was away, and the server kept everything
    again = Gaps.of(json.loads(json.dumps(gaps.position())))
    assert again == Gaps(gaps.rows_until_ns, gaps.replied_ns, gaps.empty_ns, gaps.doubt)


def test_a_clock_that_is_wrong_makes_no_gap() -> None:
    gaps = Gaps()
    times = np.array([minute(each / 100) for each in range(100)], np.int64)
    times[0], times[1] = minute(-10_000), minute(10_000)
    assert gaps.replied(times, minute(1), 10**18) is None
    later = times + 60 * NS_PER_S
    later[5] = minute(99_999)
    assert gaps.replied(later, minute(2), 10**18) is None
