"""Messages of a real NATS broker become files: each message in one of them, whatever breaks in between."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from broker import Broker, running
from groundrule.errors import ConflictError, InputError, StoreError
from groundrule.instant import NS_PER_S, format_instant
from groundrule.pipeline.watch import landing
from groundrule.pipeline.watch.broker import BrokerAddress, BrokerSource
from groundrule.pipeline.watch.landing import Landed, Lander, as_given, landing_folder
from groundrule.pipeline.watch.reading import Reading
from groundrule.records import OBSERVATION_SCHEMA
from groundrule.store.observations import open_observations

START_NS = 1_772_445_600_000_000_000


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    with running() as found:
        yield found


@pytest.fixture
def stream(broker: Broker, request: pytest.FixtureRequest) -> str:
    name = f"L{abs(hash(request.node.name)) % 10**9}"
    broker.make(name, f"{name}.>")
    return name


def line(number: int, **more: Any) -> bytes:
    at = format_instant(START_NS + number * 15 * NS_PER_S)
    return json.dumps({"terminal_id": f"t{number % 5}", "observed_at": at, "lat_deg": 1.5, "lon_deg": 2.0, **more}).encode()


def land(broker: Broker, stream: str, folder: Path) -> Landed:
    with landing_folder(folder) as state:
        (state / "work").mkdir(exist_ok=True)
        source = BrokerSource(BrokerAddress.parse(f"{broker.address}/{stream}/land"), state, Reading(state / "work"))
        return Lander(source, folder, stream, once=True).run()


def rows_of(folder: Path) -> Counter[int]:
    """How often each observation is in files that a cluster would look at."""
    found: Counter[int] = Counter()
    for path in sorted(folder.glob("*.parquet")):
        for table, bad in open_observations(path):
            assert not len(bad)
            found.update((at - START_NS) // (15 * NS_PER_S) for at in table["observed_at"].to_pylist())
    return found


def refusals(folder: Path) -> int:
    return sum(len(path.read_bytes().splitlines()) for path in (folder / "_landing" / "rejected").glob("*"))


def test_messages_land_as_files_and_are_acknowledged(broker: Broker, stream: str, tmp_path: Path) -> None:
    broker.publish(f"{stream}.a", [line(0), line(1) + b"\n" + line(2) + b"\n", b"nonsense", b"", line(3)])
    found = land(broker, stream, tmp_path / "in")
    assert (found.files, found.rows, found.rejects.total) == (1, 4, 1)
    assert rows_of(tmp_path / "in") == Counter(range(4))
    assert refusals(tmp_path / "in") == 1
    assert broker.unacknowledged(stream, "land") == 0
    (file,) = (tmp_path / "in").glob("[!._]*")
    assert file.name.startswith(f"{stream}-000000000001-000000000005-")

    assert land(broker, stream, tmp_path / "in").files == 0
    broker.publish(f"{stream}.a", [line(4)])
    assert land(broker, stream, tmp_path / "in").files == 1
    assert rows_of(tmp_path / "in") == Counter(range(5))


def test_messages_of_which_nothing_can_be_used_are_kept_and_make_no_file(broker: Broker, stream: str, tmp_path: Path) -> None:
    broker.publish(f"{stream}.a", [b"nonsense", b'{"terminal_id": "t1"}'])
    found = land(broker, stream, tmp_path)
    assert (found.files, found.rows, found.rejects.total) == (0, 0, 2)
    assert refusals(tmp_path) == 2
    assert broker.unacknowledged(stream, "land") == 0


class Broken(Exception):
    """Stands for a process that ends there."""


STEPS = ("announced", "rejected", "written", "position")


@pytest.mark.parametrize("only_bad", [False, True], ids=["rows", "nothing"])
@pytest.mark.parametrize("step", STEPS)
def test_a_process_that_ends_between_two_steps_loses_nothing_and_doubles_nothing(
    broker: Broker, stream: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, only_bad: bool
) -> None:
    given = [b"nonsense"] if only_bad else [line(0), b"nonsense", line(1)]
    broker.publish(f"{stream}.a", given)
    real = landing.durable_file

    def ends(path: Path) -> Any:
        if step == "announced" or (step == "rejected" and path.suffix == ".parquet"):
            raise Broken
        return real(path)

    def taken(_self: BrokerSource, _arrivals: Any) -> None:
        raise Broken

    def acknowledge(_self: BrokerSource, _messages: Any) -> None:
        raise Broken

    with monkeypatch.context() as patch:
        patch.setattr(landing, "durable_file", ends)
        if step in ("rejected", "written"):
            patch.setattr(BrokerSource, "taken", taken)
        if step == "position":
            patch.setattr(BrokerSource, "_acknowledge", acknowledge)
        with pytest.raises(Broken):
            land(broker, stream, tmp_path)
    (tmp_path / ".old.parquet.1-2.part").write_bytes(b"half")

    broker.publish(f"{stream}.a", [line(2)])
    broker.do(lambda _, streams: streams.delete_consumer(stream, "land"))  # so that the broker sends everything again, and at once
    land(broker, stream, tmp_path)
    assert broker.unacknowledged(stream, "land") == 0
    assert rows_of(tmp_path) == Counter([2] if only_bad else [0, 1, 2])
    assert refusals(tmp_path) == 1
    assert not (tmp_path / ".old.parquet.1-2.part").exists()


def test_a_disk_that_refuses_is_asked_again_and_nothing_is_acknowledged_before(
    broker: Broker, stream: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker.publish(f"{stream}.a", [line(0)])
    real, refused = landing.durable_file, []

    def full(path: Path) -> Any:
        if len(refused) < 3:
            refused.append(broker.unacknowledged(stream, "land"))
            raise StoreError("no space left")
        return real(path)

    monkeypatch.setattr(landing, "durable_file", full)
    found = land(broker, stream, tmp_path)
    assert refused == [1, 1, 1]
    assert (found.tries, found.rows) == (3, 1)
    assert broker.unacknowledged(stream, "land") == 0


def test_what_lands_is_read_again_as_it_was(tmp_path: Path) -> None:
    """Whatever a source can say of an observation is in the file, and read under its own name."""
    rows: dict[str, Any] = {
        "terminal_id": ["a", "b"], "observed_at": [START_NS + 1, START_NS], "lat_deg": [1.25, None], "lon_deg": [-179.5, None],
        "h3_cell": [None, 0x85283473FFFFFFF], "position_sigma_m": [8.5, None], "position_source": ["gnss", "cell"], "alt_m": [100.25, None],
        "speed_m_s": [12.5, None], "course_deg": [359.5, None], "country_reported": ["UA", None], "served": [True, None],
    }  # fmt: skip
    columns = [pa.array(rows.get(field.name, [None, None]), field.type) for field in OBSERVATION_SCHEMA]
    table = pa.table(columns, names=OBSERVATION_SCHEMA.names)
    given = as_given(table)
    assert given.schema.field("observed_at").type == pa.timestamp("ns", "UTC")
    assert set(given.column_names) == set(rows)
    pq.write_table(given, tmp_path / "landed.parquet")
    ((read, bad),) = list(open_observations(tmp_path / "landed.parquet"))
    assert not len(bad)
    for name in rows:
        assert read.column(name).to_pylist() == table.column(name).to_pylist(), name


def test_one_process_lands_files_in_a_folder(tmp_path: Path) -> None:
    with landing_folder(tmp_path / "in"), pytest.raises(ConflictError, match="is writing to"), landing_folder(tmp_path / "in"):
        raise AssertionError
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is no folder"), landing_folder(tmp_path / "file"):
        raise AssertionError
