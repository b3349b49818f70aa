"""Watching a folder and standard input: what is taken, what is left until it is whole, and what a second watch makes of it."""

from __future__ import annotations

import gzip
import json
import os
import random
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from groundrule.errors import InputError, StoreError
from groundrule.instant import NS_PER_S, format_instant
from groundrule.pipeline.live.answers import LiveSettings
from groundrule.pipeline.live.desk import Live
from groundrule.pipeline.manifests import runs
from groundrule.pipeline.watch.arrivals import Arrival
from groundrule.pipeline.watch.folder import FolderSource
from groundrule.pipeline.watch.lines import LinesSource
from groundrule.pipeline.watch.reading import Reading
from groundrule.pipeline.watch.watcher import Cycle, Watcher
from groundrule.store.history import read_run
from groundrule.store.home import Home
from groundrule.store.watch_positions import Positions
from small_home import copy_home, make_home

START_NS = 1_772_445_600_000_000_000
SETTINGS = LiveSettings(check_every_s=3_600, interference=False)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return make_home(tmp_path_factory.mktemp("template") / "home")


@pytest.fixture
def home(template: Home, tmp_path: Path) -> Home:
    (tmp_path / "in").mkdir()
    return copy_home(template, tmp_path / "home")


def row(number: int, **more: Any) -> dict[str, Any]:
    at = format_instant(START_NS + number * 15 * NS_PER_S)
    return {"terminal_id": f"t{number % 5}", "observed_at": at, "lat_deg": 1.0 + number % 1000 / 1000, "lon_deg": 2.0, **more}


def lines(*numbers: int) -> str:
    return "".join(json.dumps(row(number)) + "\n" for number in numbers)


@contextmanager
def desk(home: Home) -> Iterator[Live]:
    with Live.open(home, clock=lambda: START_NS + 40 * 86_400 * NS_PER_S, settings=SETTINGS) as live:
        yield live


def watch(home: Home, folder: Path, *, once: bool = True, settle_s: float = 60.0) -> tuple[Cycle, Mapping[str, Any]]:
    """Watch a folder in a process of its own, as far as files can tell."""
    work = folder.parent / "work"
    work.mkdir(exist_ok=True)
    with desk(home) as live:
        source = FolderSource(folder, Positions.open(home.path, "folder"), Reading(work), once=once, settle_s=settle_s)
        watcher = Watcher(live, source, once=True)
        return watcher.run(), source.said()


def stored(home: Home) -> Counter[tuple[str, int]]:
    found: Counter[tuple[str, int]] = Counter()
    for run in runs(home):
        for table in read_run(home, "observations", run, columns=["terminal_id", "observed_at"]):
            found.update(zip(table["terminal_id"].to_pylist(), table["observed_at"].to_pylist(), strict=True))
    return found


def wanted(*numbers: int) -> Counter[tuple[str, int]]:
    return Counter((f"t{number % 5}", START_NS + number * 15 * NS_PER_S) for number in numbers)


def parquet(path: Path, *numbers: int) -> None:
    pq.write_table(pa.Table.from_pylist([row(number) for number in numbers]), path)


def test_files_of_every_kind_are_taken_once(home: Home, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    (folder / "a.jsonl").write_text(lines(0, 1, 2))
    parquet(folder / "b.parquet", 3, 4)
    (folder / "deep").mkdir()
    (folder / "deep" / "c.jsonl.gz").write_bytes(gzip.compress(lines(5, 6).encode()))
    (folder / "d.csv").write_text("terminal_id;observed_at;lat_deg;lon_deg\n" + f"t2;{row(7)['observed_at']};1.007;2.0\n")
    (folder / ".hidden.jsonl").write_text(lines(90))
    (folder / "notes.txt").write_text("nothing to read")
    total, said = watch(home, folder)
    assert (total.rows, total.decided, said["files"], said["unreadable"]) == (8, 8, 4, 0)
    assert stored(home) == wanted(*range(8))
    again, said = watch(home, folder)
    assert (again.rows, said["files"]) == (0, 0)
    assert stored(home) == wanted(*range(8))


def test_a_growing_file_is_taken_as_far_as_it_has_whole_lines(home: Home, tmp_path: Path) -> None:
    path = tmp_path / "in" / "grows.jsonl"
    whole = lines(1, 2)
    path.write_text(lines(0) + whole[:-20])
    total, said = watch(home, path.parent, once=False)
    assert (total.rows, said["unfinished"]) == (2, 1)
    with path.open("a") as stream:
        stream.write(whole[-20:] + lines(3))
    total, said = watch(home, path.parent, once=False)
    assert (total.rows, said["unfinished"]) == (2, 0)
    path.rename(path.with_name("moved.jsonl"))
    with path.with_name("moved.jsonl").open("a") as stream:
        stream.write(lines(4))
    path.write_text(lines(5))  # log rotation
    total, _ = watch(home, path.parent, once=False)
    assert total.rows == 2
    assert stored(home) == wanted(*range(6))


def test_a_last_line_without_an_end_counts_when_the_file_stood_still_or_nothing_will_come(home: Home, tmp_path: Path) -> None:
    path = tmp_path / "in" / "table.csv"
    path.write_text("terminal_id,observed_at,lat_deg,lon_deg\n" + f"t0,{row(0)['observed_at']},1.0,2.0")
    assert watch(home, path.parent, once=False)[0].rows == 0
    assert watch(home, path.parent, once=False, settle_s=0.0)[0].rows == 1
    torn = tmp_path / "in" / "torn.jsonl"
    torn.write_text(lines(1)[:30])
    assert watch(home, path.parent, once=False, settle_s=0.0)[0].rejected == {}  # it may yet be written
    assert watch(home, path.parent)[0].rejected == {"line_breaks_off": 1}


def test_a_file_that_is_written_as_a_whole_is_left_until_it_has_its_end(home: Home, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    parquet(tmp_path / "x.parquet", 0, 1)
    data = (tmp_path / "x.parquet").read_bytes()
    (folder / "x.parquet").write_bytes(data[:-10])
    packed = gzip.compress(lines(2).encode())
    (folder / "y.jsonl.gz").write_bytes(packed[:-3])
    total, said = watch(home, folder, once=False)
    assert (total.rows, said["unfinished"]) == (0, 2)
    (folder / "x.parquet").write_bytes(data)
    (folder / "y.jsonl.gz").write_bytes(packed)
    assert watch(home, folder, once=False)[0].rows == 3
    assert stored(home) == wanted(0, 1, 2)


def test_what_comes_again_under_another_name_or_in_another_file_counts_once(home: Home, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    parquet(folder / "a.parquet", 0, 1, 2)
    watch(home, folder)
    (folder / "copy.parquet").write_bytes((folder / "a.parquet").read_bytes())
    (folder / "same.jsonl").write_text(lines(0, 1, 2, 3))
    total, said = watch(home, folder)
    assert said["repeated_files"] == 1
    assert total.rows == 4
    assert stored(home) == wanted(0, 1, 2, 3)


def test_a_replaced_file_is_read_from_its_beginning(home: Home, tmp_path: Path) -> None:
    path = tmp_path / "in" / "a.jsonl"
    path.write_text(lines(0, 1, 2))
    watch(home, path.parent)
    fresh = tmp_path / "fresh"
    fresh.write_text(lines(7))
    fresh.replace(path)
    total, said = watch(home, path.parent)
    assert (total.rows, said["replaced"]) == (1, 1)
    path.write_text(lines(8))  # in place, and shorter or of the same length
    assert watch(home, path.parent)[0].rows == 1
    assert stored(home) == wanted(0, 1, 2, 7, 8)


def test_bad_rows_lose_nothing_beside_them_and_are_kept_once_with_their_line(home: Home, tmp_path: Path) -> None:
    path = tmp_path / "in" / "a.jsonl"
    path.write_text(lines(0) + "no json\n" + lines(1))
    total, _ = watch(home, path.parent)
    with path.open("a") as stream:
        stream.write(json.dumps(row(2, lat_deg=95)) + "\n" + lines(3))
    later, _ = watch(home, path.parent)
    assert (total.rejected, later.rejected) == ({"not_json": 1}, {"out_of_range": 1})
    kept = [json.loads(line) for file in home.rejected.iterdir() for line in file.read_text().splitlines()]
    assert sorted((each["source"], each["source_row"], each["reason"]) for each in kept) == [
        ("a.jsonl", 2, "not_json"), ("a.jsonl", 4, "out_of_range"),
    ]  # fmt: skip
    assert stored(home) == wanted(0, 1, 3)


def test_a_file_that_cannot_be_read_is_named_and_tried_again_by_the_next_watch(home: Home, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    pq.write_table(pa.table({"whose": ["t0"], "when": [START_NS]}), folder / "a.parquet")
    (folder / "b.jsonl").write_text(lines(1))
    total, said = watch(home, folder)
    assert (total.rows, said["unreadable"]) == (1, 1)
    work = tmp_path / "work"
    with desk(home) as live:
        reading = Reading(work, {"whose": "terminal_id", "when": "observed_at"})
        source = FolderSource(folder, Positions.open(home.path, "folder"), reading, once=True)
        assert Watcher(live, source, once=True).run().rows == 1
    assert stored(home) == wanted(1) + Counter([("t0", START_NS)])


def test_a_crash_before_the_position_was_written_takes_nothing_twice(home: Home, tmp_path: Path) -> None:
    path = tmp_path / "in" / "a.jsonl"
    path.write_text(lines(*range(50)))
    work = tmp_path / "work"
    work.mkdir()
    with desk(home) as live:
        source = FolderSource(path.parent, Positions.open(home.path, "folder"), Reading(work))
        for arrival in source.take(0, 1000):
            live.submit(arrival.rows, source=arrival.source, key=arrival.key).result(60)
        source.close()  # and not told that they were taken
    with path.open("a") as stream:
        stream.write(lines(50))
    total, _ = watch(home, path.parent)
    assert (total.rows, total.repeated, total.decided) == (51, 50, 1)
    assert stored(home) == wanted(*range(51))


def test_a_file_larger_than_a_piece_is_taken_piece_by_piece(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("groundrule.pipeline.watch.folder.PIECE_BYTES", 2_000)
    path = tmp_path / "in" / "a.csv"
    rows = [row(number) for number in range(300)]
    path.write_text("terminal_id,observed_at,lat_deg,lon_deg\n" + "".join(
        f"{each['terminal_id']},{each['observed_at']},{each['lat_deg']},{each['lon_deg']}\n" for each in rows))  # fmt: skip
    total, _ = watch(home, path.parent)
    assert (total.rows, total.rejected) == (300, {})
    assert stored(home) == wanted(*range(300))


def test_a_source_must_be_a_folder(home: Home, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="no folder"):
        FolderSource(tmp_path / "file", Positions.open(home.path, "folder"), Reading(tmp_path))


def decided(home: Home) -> list[tuple[Any, ...]]:
    """The last decision of each observation."""
    last: dict[tuple[str, int], tuple[Any, ...]] = {}
    for run, again in product(runs(home), (False, True)):
        for table in read_run(home, "decisions", run, corrections=again, columns=["terminal_id", "observed_at", "outcome", "rule"]):
            for each in table.to_pylist():
                last[each["terminal_id"], each["observed_at"]] = (each["outcome"], each["rule"])
    return sorted((*key, *value) for key, value in last.items())


@pytest.mark.parametrize("seed", range(3))
def test_order_and_repeats_of_delivery_make_no_difference(home: Home, template: Home, tmp_path: Path, seed: int) -> None:
    """Permuted, each three times, a tenth a day late, in files that come one after the other."""
    chance = random.Random(seed)
    (tmp_path / "whole").mkdir()
    (tmp_path / "whole" / "a.jsonl").write_text(lines(*range(120)))
    ordered = copy_home(template, tmp_path / "ordered")
    watch(ordered, tmp_path / "whole")
    late = set(chance.sample(range(120), 12))
    first = [number for number in range(120) if number not in late] * 3
    chance.shuffle(first)
    for place, start in enumerate(range(0, len(first), 60)):
        (tmp_path / "in" / f"{place}.jsonl").write_text(lines(*first[start : start + 60]))
        if place % 3 == 2:
            watch(home, tmp_path / "in")
    (tmp_path / "in" / "late.jsonl").write_text(lines(*chance.sample(sorted(late) * 3, 36)))
    watch(home, tmp_path / "in")
    assert stored(home) == wanted(*range(120))
    assert decided(home) == decided(ordered)


# --- standard input -----------------------------------------------------------------------------------------------------------


def test_lines_from_a_pipe_are_counted_once_they_are_durable(home: Home, tmp_path: Path) -> None:
    reads, writes = os.pipe()
    with desk(home) as live:
        source = LinesSource(reads, Reading(tmp_path))
        os.write(writes, (lines(0, 1) + lines(2)[:20]).encode())
        arrivals = source.take(1.0, 1000)
        assert sum(len(each.rows) for each in arrivals) == 2
        assert source.said() == {"lines": 0}
        source.taken(arrivals)
        assert source.said() == {"lines": 2}
        os.write(writes, (lines(2)[20:] + "nonsense\n" + lines(3)[:-1]).encode())
        os.close(writes)
        total = Watcher(live, source, once=True).run()
    os.close(reads)
    assert (total.rows, total.rejected) == (2, {"not_json": 1})
    assert source.said() == {"lines": 5}
    assert source.exhausted


# --- the loop -----------------------------------------------------------------------------------------------------------------


class Given:
    """A source that gives what it was given."""

    name = "given"

    def __init__(self, *arrivals: Arrival) -> None:
        self.waiting, self.acknowledged, self.closed = list(arrivals), list[Arrival](), False

    @property
    def exhausted(self) -> bool:
        return not self.waiting

    def take(self, wait_s: float, most_rows: int) -> list[Arrival]:  # noqa: ARG002 - all at once
        given, self.waiting = self.waiting, []
        if not given:
            time.sleep(min(wait_s, 0.01))
        return given

    def taken(self, arrivals: Any) -> None:
        self.acknowledged += arrivals

    def said(self) -> Mapping[str, Any]:
        return {}

    def close(self) -> None:
        self.closed = True


def arrival(folder: Path, *numbers: int, key: str | None = None) -> Arrival:
    ((rows, rejects),) = Reading(folder).text(lines(*numbers).encode(), name="x.jsonl")
    return Arrival("given", rows, rejects, key)


def test_a_desk_without_room_is_asked_again_and_nothing_is_acknowledged_before(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with desk(home) as live:
        submit, refusals = live.submit, iter([True, True])
        source = Given(arrival(tmp_path, 0), arrival(tmp_path, 1))

        def refusing(*args: Any, **named: Any) -> Any:
            if next(refusals, False):
                assert source.acknowledged == []
                failed: Future[Any] = Future()
                failed.set_exception(StoreError("there is no room", full=True))
                return failed
            return submit(*args, **named)

        monkeypatch.setattr(live, "submit", refusing)
        total = Watcher(live, source, once=True).run()
    assert (total.rows, total.tries, len(source.acknowledged), source.closed) == (2, 2, 2, True)
    assert stored(home) == wanted(0, 1)


def test_a_desk_that_takes_nothing_more_ends_the_watch_without_an_acknowledgement(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with desk(home) as live:
        failed: Future[Any] = Future()
        failed.set_exception(StoreError("flushing failed", stopped=True))
        monkeypatch.setattr(live, "submit", lambda *_, **__: failed)
        source = Given(arrival(tmp_path, 0))
        with pytest.raises(StoreError, match="flushing failed"):
            Watcher(live, source, once=True).run()
    assert source.acknowledged == []
    assert source.closed


def test_a_key_that_was_used_for_less_is_told_apart_by_content(home: Home, tmp_path: Path) -> None:
    with desk(home) as live:
        Watcher(live, Given(arrival(tmp_path, 0, 1, key="k")), once=True).run()
        total = Watcher(live, Given(arrival(tmp_path, 0, 1, 2, key="k")), once=True).run()
    assert total.rows == 3
    assert stored(home) == wanted(0, 1, 2)


def test_what_the_desk_rejects_is_kept_and_the_rest_is_taken(home: Home, tmp_path: Path) -> None:
    ahead = 41 * 86_400 // 15
    with desk(home) as live:
        total = Watcher(live, Given(arrival(tmp_path, 0, ahead, key="k")), once=True).run()
    assert (total.decided, total.rejected) == (1, {"time_in_the_future": 1})
    (file,) = home.rejected.iterdir()
    assert json.loads(file.read_text())["field"] == "observed_at"


def test_cycles_are_told_and_a_stop_ends_in_order(home: Home, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    with desk(home) as live:
        watcher = Watcher(live, Given(arrival(tmp_path, 0, 1)), cycle_s=0.05)

        def said(cycle: Cycle, total: Cycle) -> None:
            told.append((cycle.rows, total.rows))
            if len(told) == 3:
                watcher.stop()

        watcher.said = said
        watcher.run()
    assert sum(cycle for cycle, _ in told) == 2
    assert told[-1][1] == 2
    assert 3 <= len(told) <= 4
