"""Shelves: what is read of one terminal is the same with them, without them, and with ones that are wrong."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from groundrule.errors import IntegrityError
from groundrule.instant import NS_PER_S
from groundrule.store import history, shelves, shelving
from groundrule.store.history import history_files, read_newest, read_terminals
from groundrule.store.history_writer import HistoryWriter
from groundrule.store.home import Home
from groundrule.store.shelves import Shelf, shelf_folder, shelves_for
from groundrule.store.shelving import shelve
from small_home import T0, observation, table

RUNS = range(1, 13)
KIND = "observations"
NAMES = ["t1", "t10", "t2", "t3", "t30", "t", "ü", "zz", "nobody"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """12 runs of 60 rows over two days; every third with corrections, times and terminals overlapping."""
    made = Home.create(tmp_path / "home")
    monkeypatch.setattr(shelving, "GROUP_ROWS", 16)
    monkeypatch.setattr(shelving, "LEAST_ROWS", 300)
    rng = np.random.default_rng(5)
    for run in RUNS:
        for corrections in (False, True)[: 1 + (run % 3 == 0)]:
            writer = HistoryWriter(made, KIND, run, corrections=corrections)
            times = np.sort(rng.integers(0, 40_000, 60)) + 9_000 * (run - (2 if corrections else 0))
            writer.append(
                table(
                    observation(NAMES[int(k)], int(s), 1.0, 2.0, source_row=int(s), alerts=[run] if s % 5 == 0 else None)
                    for k, s in zip(rng.integers(0, len(NAMES) - 1, 60), times, strict=True)
                )
            )
            writer.close()
    return made


@pytest.fixture(autouse=True)
def _nothing_kept() -> None:
    history._WHOLE.clear()


def everything(home: Home) -> dict[str, pa.Table]:
    history._WHOLE.clear()
    return {name: read_terminals(home, KIND, [name], runs=list(RUNS)) for name in NAMES}


def same(one: dict[str, pa.Table], other: dict[str, pa.Table]) -> bool:
    return all(
        len(one[name]) == len(other[name]) and (not len(one[name]) or one[name].equals(other[name].cast(one[name].schema)))
        for name in NAMES
    )


def used(home: Home, runs: range = RUNS) -> list[Shelf]:
    return shelves_for(home, KIND, history_files(home, KIND, list(runs)))


def test_with_shelves_and_without_the_same_is_read(home: Home) -> None:
    plain = everything(home)
    assert sum(map(len, plain.values())) == 60 * 16
    assert shelve(home, list(RUNS)) > 0
    assert used(home)
    assert sum(len(each.sources) for each in used(home)) > 8
    assert same(plain, everything(home))
    assert shelve(home, list(RUNS)) == 0


def test_of_fewer_runs_nothing_of_the_others_is_read(home: Home) -> None:
    shelve(home, list(RUNS))
    for runs in ([1, 2, 3], [5], [12]):
        found = read_terminals(home, KIND, ["t3"], runs=runs)
        assert set(found.column("run").to_pylist()) <= set(runs) if len(found) else True
    few = read_terminals(home, KIND, ["t3"], runs=list(range(1, 11)))
    history._WHOLE.clear()
    shutil.rmtree(home.cache / "shelves")
    assert few.equals(read_terminals(home, KIND, ["t3"], runs=list(range(1, 11))).cast(few.schema))


def test_runs_that_come_one_after_the_other_are_shelved_and_shelves_are_joined(home: Home) -> None:
    plain = everything(home)
    sizes = []
    for run in RUNS:
        shelve(home, list(range(1, run + 1)))
        sizes.append(len(used(home, range(1, run + 1))))
        assert len(list(shelf_folder(home, KIND).iterdir())) == sizes[-1]
    assert max(sizes) <= 6
    assert same(plain, everything(home))


@pytest.mark.parametrize("shelved", [False, True])
def test_the_newest_are_all_that_there_are_from_an_instant_on(home: Home, shelved: bool) -> None:
    if shelved:
        shelve(home, list(RUNS))
    whole = everything(home)
    for name in ("t3", "ü", "nobody"):
        for wanted in (1, 5, 10**9):
            for begin, end in ((None, None), (T0 + 30_000 * NS_PER_S, None), (None, T0 + 80_000 * NS_PER_S)):
                found, cut = read_newest(home, KIND, name, runs=list(RUNS), rows=wanted, from_ns=begin, until_ns=end)
                expected = whole[name]
                if len(expected):
                    low = max(begin or 0, cut or 0)
                    expected = expected.filter(
                        pa.compute.and_(
                            pa.compute.greater_equal(expected["observed_at"], low),
                            pa.compute.less(expected["observed_at"], end or 2**62),
                        )
                    )
                assert len(found) == len(expected)
                assert not len(found) or found.equals(expected.cast(found.schema))
                assert cut is None or len(found) >= wanted
    narrow, _ = read_newest(home, KIND, "t3", runs=list(RUNS), rows=10**9, columns=["lat_deg"])
    assert narrow.column_names == ["terminal_id", "observed_at", "lat_deg", "run", "correction"]
    assert narrow.column("observed_at").equals(whole["t3"].column("observed_at"))


def test_newest_reads_few_shelves(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelving, "SHELF_ROWS", 300)
    shelve(home, list(RUNS))
    read: list[Path] = []
    plain = Shelf.read
    monkeypatch.setattr(Shelf, "read", lambda self, *given: (read.append(self.path), plain(self, *given))[1])
    read_newest(home, KIND, "t3", runs=list(RUNS), rows=1)
    few = len(read)
    read_newest(home, KIND, "t3", runs=list(RUNS), rows=10**9)
    assert few < len(read) - few


def test_a_file_that_was_written_again_is_read_itself(home: Home) -> None:
    shelve(home, list(RUNS))
    before = len(used(home))
    name = used(home)[0].sources[3].name
    path = home.history / KIND / name
    changed = pa.parquet.ParquetFile(path).read()
    known = path.stat()
    pa.parquet.write_table(changed.set_column(2, "lat_deg", pa.array([7.5] * len(changed))), path)
    os.utime(path, ns=(known.st_atime_ns, known.st_mtime_ns))
    assert len(used(home)) == before - 1
    terminal = changed["terminal_id"][0].as_py()
    assert 7.5 in read_terminals(home, KIND, [terminal], runs=list(RUNS))["lat_deg"].to_pylist()
    shelve(home, list(RUNS))
    assert len(used(home)) >= before
    history._WHOLE.clear()
    assert 7.5 in read_terminals(home, KIND, [terminal], runs=list(RUNS))["lat_deg"].to_pylist()


def test_damaged_shelves_are_removed_and_never_believed(home: Home) -> None:
    plain = everything(home)
    shelve(home, list(RUNS))
    rng = np.random.default_rng(3)
    bad = 0
    for shelf in used(home)[:2]:
        whole = shelf.path.read_bytes()
        for place in rng.integers(0, len(whole), 8).tolist():
            shelf.path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << int(rng.integers(0, 8))]) + whole[place + 1 :])
            try:
                assert same(plain, everything(home))
            except IntegrityError:  # pragma: no cover - the files of history are whole
                pytest.fail("a damaged shelf is no damage of history")
            bad += not shelf.path.exists()
        for cut in (0, len(whole) - 1):
            shelf.path.write_bytes(whole[:cut])
            assert same(plain, everything(home))
            assert not shelf.path.exists()
    assert bad


def test_a_shelf_that_leaves_rows_out_is_none(home: Home) -> None:
    plain = everything(home)
    shelve(home, list(RUNS))
    shelf = used(home)[0]
    file = pa.parquet.ParquetFile(shelf.path)
    pa.parquet.write_table(file.read().slice(1).replace_schema_metadata(file.schema_arrow.metadata), shelf.path)
    assert shelf.path not in [each.path for each in used(home)]
    assert not shelf.path.exists()
    assert same(plain, everything(home))


def test_whoever_cannot_write_the_cache_reads_all_the_same(home: Home) -> None:
    plain = everything(home)
    shutil.rmtree(home.cache)
    assert same(plain, everything(home))


def test_two_do_not_make_shelves_at_once_and_one_can_be_told_to_stop(home: Home) -> None:
    import fcntl

    (home.cache / "shelves").mkdir(parents=True)
    with (home.cache / "shelves" / "lock").open("a+b") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert shelve(home, list(RUNS)) == 0
    assert shelve(home, list(RUNS), stop=lambda: True) == 0
    assert shelve(home, list(RUNS)) > 0


def test_opened_shelves_are_bounded(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelves, "_OPEN", 2)
    monkeypatch.setattr(shelving, "SHELF_ROWS", 300)
    plain = everything(home)
    shelve(home, list(RUNS))
    assert len(used(home)) > 2
    assert same(plain, everything(home))
    assert len(shelves._OPENED._held) <= 2
