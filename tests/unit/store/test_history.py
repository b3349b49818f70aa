"""Parquet history: what is written is read back in the same order, wherever it lies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from groundrule.errors import IntegrityError, StoreError
from groundrule.instant import NS_PER_S
from groundrule.records import OBSERVATION_SCHEMA
from groundrule.store import history_writer
from groundrule.store.history import (
    count_terminals,
    read_exactly,
    read_run,
    read_terminals,
    remove_uncommitted,
    run_files,
    run_numbers,
)
from groundrule.store.history_writer import HistoryWriter
from groundrule.store.home import Home
from groundrule.store.workplace import remove_abandoned, workplace
from small_home import T0, observation, table


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.create(tmp_path / "home")


def rows(count: int, every_s: float = 60, name: str = "t") -> pa.Table:
    return table(observation(f"{name}{k % 7}", k * every_s, 1.0, 2.0, source_row=k) for k in range(count))


def write(home: Home, run: int, *tables: pa.Table, kind: str = "observations", corrections: bool = False) -> int:
    writer = HistoryWriter(home, kind, run, corrections=corrections)
    for one in tables:
        writer.append(one)
    return writer.close()


@pytest.mark.parametrize("hour_rows", [1, 30, 10**6])
@pytest.mark.parametrize("part_rows", [1, 64, 10**6])
def test_rows_come_back_as_they_were_written(
    home: Home, monkeypatch: pytest.MonkeyPatch, hour_rows: int, part_rows: int
) -> None:
    monkeypatch.setattr(history_writer, "HOUR_ROWS", hour_rows)
    monkeypatch.setattr(history_writer, "PART_ROWS", part_rows)
    whole = rows(240, every_s=900)
    assert write(home, 1, whole.slice(0, 100), whole.slice(100, 1), whole.slice(101)) == 240
    back = pa.concat_tables(read_run(home, "observations", 1))
    assert back.equals(whole)
    for path in run_files(home, "observations", 1):
        moments = pa.parquet.ParquetFile(path).read()["observed_at"].to_numpy().astype("datetime64[ns]")
        days, hours = moments.astype("datetime64[D]"), (moments.astype("datetime64[h]").astype(int) % 24)
        assert {f"date={day}" for day in days} == {path.parent.parent.name}
        assert path.parent.name in {f"hour={hours[0]:02d}", "hour=00-23"}
        if path.parent.name != "hour=00-23":
            assert len(set(hours.tolist())) == 1
    if hour_rows == 10**6 and part_rows == 10**6:
        assert len(run_files(home, "observations", 1)) == len(
            set((whole["observed_at"].to_numpy() // (86_400 * NS_PER_S)).tolist())
        )


def test_a_full_hour_is_a_file_of_its_own(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_writer, "HOUR_ROWS", 50)
    write(home, 1, rows(120, every_s=60))
    assert [path.parent.name for path in run_files(home, "observations", 1)] == ["hour=10", "hour=11"]


def test_corrections_may_go_back_in_time_and_are_kept_apart(home: Home) -> None:
    first, second = rows(50, name="b"), rows(50, name="a")
    write(home, 1, first, second, corrections=True)
    write(home, 1, rows(3))
    assert pa.concat_tables(read_run(home, "observations", 1, corrections=True)).equals(
        pa.concat_tables([first, second])
    )
    assert len(pa.concat_tables(read_run(home, "observations", 1))) == 3


def test_more_than_a_million_runs_and_ten_thousand_parts_are_told_apart(home: Home) -> None:
    write(home, 1_234_567, rows(3))
    write(home, 123_456, rows(2))
    assert run_numbers(home) == {123_456, 1_234_567}
    assert [sum(map(len, read_run(home, "observations", run))) for run in (123_456, 1_234_567, 1)] == [2, 3, 0]
    [path] = run_files(home, "observations", 123_456)
    path.rename(path.with_name("run-123456-10000.parquet"))
    assert len(run_files(home, "observations", 123_456)) == 1


def test_terminals_are_read_over_runs_with_where_they_come_from(home: Home) -> None:
    write(home, 1, rows(21))
    write(home, 2, rows(7, every_s=61))
    write(home, 3, rows(7))
    found = read_terminals(home, "observations", ["t1", "t3", "none"], runs=[1, 2])
    assert set(found["terminal_id"].to_pylist()) == {"t1", "t3"}
    keys = list(
        zip(found["observed_at"].to_pylist(), found["terminal_id"].to_pylist(), found["run"].to_pylist(), strict=True)
    )
    assert keys == sorted(keys)
    assert found["run"].to_pylist().count(1) == 6
    assert not any(found["correction"].to_pylist())
    assert (
        max(
            read_terminals(home, "observations", ["t1"], runs=[1], until_ns=T0 + 60 * NS_PER_S)[
                "observed_at"
            ].to_pylist()
        )
        == T0 + 60 * NS_PER_S
    )
    at = read_terminals(home, "observations", ["t1"], runs=[1, 2], at_ns=np.array([T0 + 61 * NS_PER_S]))
    assert at["run"].to_pylist() == [2]
    assert read_terminals(home, "observations", ["none"], runs=[1]).num_rows == 0
    counts = count_terminals(home, "observations", pa.array(["t1", "t3", "none"]), runs=[1, 2])
    assert counts.tolist() == [4, 4, 0]


def test_a_damaged_file_is_an_integrity_error(home: Home) -> None:
    write(home, 1, rows(5))
    [path] = run_files(home, "observations", 1)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(IntegrityError, match="cannot be read"):
        list(read_run(home, "observations", 1))
    with pytest.raises(IntegrityError, match="cannot be read"):
        read_terminals(home, "observations", ["t1"], runs=[1])
    pa.parquet.write_table(pa.table({"x": [1]}), path)
    with pytest.raises(IntegrityError, match="do not have the columns"):
        list(read_exactly(home, "observations", 1, OBSERVATION_SCHEMA))


def test_only_uncommitted_files_are_removed(home: Home) -> None:
    for run in (1, 2, 3):
        write(home, run, rows(2))
        write(home, run, rows(2), kind="decisions", corrections=True)
    assert remove_uncommitted(home, [1, 3]) == 2
    assert run_numbers(home) == {1, 3}


def test_nothing_written_is_no_file(home: Home) -> None:
    assert write(home, 1, OBSERVATION_SCHEMA.empty_table()) == 0
    assert run_files(home, "observations", 1) == []


def test_a_disk_that_refuses_is_a_store_error(home: Home) -> None:
    (home.history / "observations").write_text("in the way")
    with pytest.raises(StoreError, match="cannot write"):
        write(home, 1, rows(1))


def test_work_folders_are_ones_own_and_end_with_their_use(tmp_path: Path) -> None:
    with workplace(tmp_path) as one, workplace(tmp_path) as other:
        assert one != other
        assert remove_abandoned(tmp_path) == 0
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "work-999999999-x").mkdir()
    assert remove_abandoned(tmp_path) == 1
    with pytest.raises(StoreError, match="cannot write"), workplace(tmp_path / "missing"):
        pass
