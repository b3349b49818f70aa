"""History divided by terminal gives what one machine gives: the same answer of a replay, also where somebody changed something."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundrule.engines.distributed import DistributedReplay, distributed_what_if
from groundrule.errors import InputError, IntegrityError
from groundrule.instant import NS_PER_S
from groundrule.pipeline.comparing import Bounds
from groundrule.pipeline.history import all_observations
from groundrule.pipeline.home import basis_of, store_rulebook
from groundrule.pipeline.home_ledger import LedgerSetup
from groundrule.pipeline.lateness import LATE_NS
from groundrule.pipeline.manifests import manifest_path, read_manifest
from groundrule.pipeline.replaying import Replay, replay
from groundrule.pipeline.tamper import altered_byte, altered_decision
from groundrule.pipeline.whatif import what_if
from groundrule.records import DECISION_SCHEMA
from groundrule.rules.text import read_rulebook
from groundrule.store.history import run_files
from groundrule.store.home import Home
from late_delivery import deliver
from plain_cluster import PlainCluster
from small_home import BOOK, RECORDED, T0, copy_home, make_home, observation, register, run, stream, table

DAY_S = 86_400.0


def fill(home: Home, seed: int) -> None:
    """Several runs: late, repeated and over-late rows, other registers, another rulebook, terminals that nobody knows."""
    parts, _ = deliver(stream(seed, rows=240), seed)
    for number, part in enumerate(parts):
        run(home, part, recorded_at=RECORDED + number * NS_PER_S)
    # Much too late for a terminal that was heard of, and in time for one that was not.
    last = max(int(part["observed_at"].to_numpy().max()) for part in parts)
    beyond = (last - T0 - LATE_NS) / NS_PER_S - 40 * DAY_S
    made = [observation("car", beyond, 5, 5), observation("newcomer", beyond, 5, 5), observation("guest", beyond + 50 * DAY_S, 5, 5)]
    register(home, "accounts", "account_id,party_id,country,state\nacc-b,p2,BE,suspended\n", recorded_at=RECORDED + 50 * NS_PER_S)
    run(home, table(sorted(made, key=lambda row: row["observed_at"])), recorded_at=RECORDED + 60 * NS_PER_S)


def change_rules(home: Home) -> None:
    """Put another rulebook into force, as an ungoverned home may."""
    book = read_rulebook(BOOK.replace("above: 75, release_below: 70", "above: 45, release_below: 40"))
    store_rulebook(home, book)
    (home.rulebooks / "current.json").write_text(json.dumps({"rulebook": book.digest}), encoding="utf-8")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = make_home(tmp_path_factory.mktemp("filled") / "home")
    fill(home, 3)
    change_rules(home)
    run(home, stream(11, rows=120), recorded_at=RECORDED + 70 * NS_PER_S)
    fresh = stream(12, rows=60)
    run(home, fresh.slice(30), recorded_at=RECORDED + 80 * NS_PER_S)
    run(home, fresh, recorded_at=RECORDED + 90 * NS_PER_S)
    return home


@pytest.fixture
def home(filled: Home, tmp_path: Path) -> Home:
    return copy_home(filled, tmp_path / "home")


def both(home: Home, buckets: int = 4, seed: int = 0, **bounds: int) -> tuple[Replay, Replay]:
    return replay(home, **bounds), replay(home, **bounds, decider=DistributedReplay(PlainCluster(seed), buckets))


def test_the_history_has_what_makes_deciding_again_hard(filled: Home) -> None:
    numbers = range(1, 1 + len(list(filled.manifests.glob("run-*.json"))))
    assert sum(len(run_files(filled, "decisions", number, corrections=True)) for number in numbers) >= 3
    assert sum(len(run_files(filled, "over_late", number)) for number in numbers) >= 1
    books = {read_manifest(filled, number)["rulebook"] for number in numbers}
    assert len(books) == 2
    registers = {read_manifest(filled, number)["registers"]["digest"] for number in numbers}
    assert len(registers) >= 2


@pytest.mark.parametrize("buckets", [1, 2, 3, 7, 64])
def test_any_number_of_buckets_gives_the_answer_of_one_machine(filled: Home, buckets: int) -> None:
    alone, divided = both(filled, buckets, seed=buckets)
    assert alone.identical, alone
    assert divided == alone


@settings(max_examples=8)
@given(seed=st.integers(0, 2**32 - 1), buckets=st.integers(1, 9))
def test_random_deliveries_in_any_number_of_buckets(tmp_path_factory: pytest.TempPathFactory, seed: int, buckets: int) -> None:
    home = make_home(tmp_path_factory.mktemp("random") / "home")
    for part in deliver(stream(seed % 1000, rows=90), seed)[0]:
        run(home, part)
    alone, divided = both(home, buckets, seed)
    assert alone.identical, alone
    assert divided == alone
    shutil.rmtree(home.path)


def largest(home: Home, kind: str, number: int, *, corrections: bool = False) -> Path:
    files = run_files(home, kind, number, corrections=corrections)
    return max(files, key=lambda path: pq.ParquetFile(path).metadata.num_rows)


def rewrite(path: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    pq.write_table(change(pq.ParquetFile(path).read()), path)


def without(row: int) -> Callable[[pa.Table], pa.Table]:
    return lambda whole: pa.concat_tables([whole.slice(0, row), whole.slice(row + 1)])


def swapped(row: int, other: int) -> Callable[[pa.Table], pa.Table]:
    def change(whole: pa.Table) -> pa.Table:
        order = np.arange(len(whole))
        order[[row, other]] = order[[other, row]]
        return whole.take(pa.array(order))

    return change


def doubled(row: int) -> Callable[[pa.Table], pa.Table]:
    return lambda whole: pa.concat_tables([whole.slice(0, row + 1), whole.slice(row)])


def renamed(row: int, column: str, value: object) -> Callable[[pa.Table], pa.Table]:
    def change(whole: pa.Table) -> pa.Table:
        values = whole[column].to_pylist()
        values[row] = value
        position = whole.schema.get_field_index(column)
        return whole.set_column(position, whole.schema.field(position), pa.array(values, DECISION_SCHEMA.field(column).type))

    return change


CHANGES: dict[str, Callable[[pa.Table], pa.Table]] = {
    "a row is gone": without(5),
    "the first row is gone": without(0),
    "two rows changed places": swapped(3, 9),
    "a row is there twice": doubled(4),
    "the last row is gone": lambda whole: whole.slice(0, len(whole) - 1),
    "all rows are gone": lambda whole: whole.slice(0, 0),
    "another terminal": renamed(6, "terminal_id", "somebody"),
    "another instant": renamed(6, "observed_at", T0),
    "another validity": renamed(7, "valid_until", T0),
    "other reasons": renamed(2, "reasons", []),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("correction", [False, True], ids=["decisions", "corrections"])
def test_the_first_difference_is_that_of_one_machine(home: Home, change: str, correction: bool) -> None:
    number = next(n for n in range(2, 9) if run_files(home, "decisions", n, corrections=True))
    rewrite(largest(home, "decisions", number, corrections=correction), CHANGES[change])
    alone, divided = both(home)
    assert not alone.identical
    assert alone.difference is not None
    assert divided == alone


@pytest.mark.parametrize("column", ["lat_deg", "terminal_id", "observed_at"])
def test_changed_observations_are_found(home: Home, column: str) -> None:
    def change(whole: pa.Table) -> pa.Table:
        values = whole[column].to_pylist()
        values[8] = {"lat_deg": 2.5, "terminal_id": "somebody", "observed_at": T0 + 1}[column]
        position = whole.schema.get_field_index(column)
        return whole.set_column(position, whole.schema.field(position), pa.array(values, whole.schema.field(position).type))

    rewrite(largest(home, "observations", 2), change)
    alone, divided = both(home)
    assert not alone.identical
    assert divided == alone


def test_two_changes_give_the_earlier_one(home: Home) -> None:
    file = run_files(home, "decisions", 2)[0]
    rewrite(file, renamed(15, "valid_until", T0))
    rewrite(file, renamed(4, "valid_until", T0))
    rewrite(run_files(home, "decisions", 3)[0], renamed(1, "valid_until", T0))
    alone, divided = both(home, 7)
    assert alone.difference is not None
    assert (alone.difference.run, alone.difference.row) == (2, 4)
    assert divided == alone


@pytest.mark.parametrize("what", ["decisions", "observations", "over_late", "manifest", "rulebook", "areas"])
def test_damage_is_told_in_the_same_words(home: Home, what: str) -> None:
    paths = {
        "decisions": lambda: run_files(home, "decisions", 2)[0],
        "observations": lambda: run_files(home, "observations", 2)[0],
        "over_late": lambda: next(path for n in range(1, 9) for path in run_files(home, "over_late", n)),
        "manifest": lambda: manifest_path(home, 2),
        "rulebook": lambda: next(home.rulebooks.glob("*.yaml")),
        "areas": lambda: next(home.areas.glob("*.parquet")),
    }
    with altered_byte(paths[what](), 20):
        alone, divided = both(home)
    assert not alone.identical
    assert divided == alone


def test_a_changed_row_of_the_registers_is_found(home: Home) -> None:
    with closing(sqlite3.connect(home.path / "registers.sqlite")) as connection, connection:
        connection.execute("DROP TRIGGER accounts_fixed")
        connection.execute("UPDATE accounts SET state = 'active'")
    alone, divided = both(home)
    assert not alone.identical
    assert any("rows are not those" in fault for fault in alone.faults)
    assert divided == alone


def test_a_denial_that_became_service_is_found(home: Home) -> None:
    with altered_decision(home, 1):
        alone, divided = both(home, 3)
    assert alone.difference is not None
    assert (alone.difference.stored, alone.difference.recomputed) == ("serve", "deny")
    assert divided == alone


@pytest.mark.parametrize("row", [2, 7])
def test_bounds_leave_out_what_lies_beyond(home: Home, row: int) -> None:
    file = largest(home, "decisions", 1)
    times = pq.ParquetFile(file).read()["observed_at"].to_pylist()
    rewrite(file, renamed(row, "valid_until", T0))
    alone, divided = both(home, from_ns=times[4], until_ns=times[9])
    assert alone.identical == (row == 2)
    assert alone.rows < 20
    assert divided == alone
    if alone.difference is not None:
        files = run_files(home, "decisions", 1)
        before = sum(pq.ParquetFile(path).metadata.num_rows for path in files[: files.index(file)])
        assert alone.difference.row == before + row


def test_private_records_are_compared_with_what_all_buckets_give(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", ledger=LedgerSetup())
    for part in deliver(stream(5, rows=120), 5)[0]:
        run(home, part)
    alone, divided = both(home, 5)
    assert alone.identical, alone
    assert divided == alone
    with closing(sqlite3.connect(home.path / "records.sqlite")) as connection, connection:
        connection.execute("UPDATE record SET terminal_id = 'somebody' WHERE rowid = 7")
    alone, divided = both(home, 5)
    assert not alone.identical
    assert divided == alone


def test_another_program_version_refuses_to_work(filled: Home) -> None:
    with pytest.raises(InputError, match="install the same version on all machines"):
        replay(filled, decider=DistributedReplay(PlainCluster(engine="groundrule/0.0.1"), 2))


def test_an_empty_home_has_nothing_to_replay(tmp_path: Path) -> None:
    alone, divided = both(make_home(tmp_path / "home"))
    assert dataclasses.astuple(divided) == dataclasses.astuple(alone)
    assert divided.identical


@pytest.mark.parametrize("change", [None, "a row is gone", "two rows changed places"])
def test_corrections_in_several_parts_stand_in_the_order_of_one_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str | None
) -> None:
    monkeypatch.setattr("groundrule.pipeline.lateness.CORRECTION_ROWS", 25)
    monkeypatch.setattr("groundrule.engines.stored_order.CORRECTION_ROWS", 25)
    home = make_home(tmp_path / "home")
    fill(home, 3)
    if change:
        number = next(n for n in range(2, 9) if run_files(home, "decisions", n, corrections=True))
        rewrite(largest(home, "decisions", number, corrections=True), CHANGES[change])
    alone, divided = both(home, 5)
    assert alone.identical == (change is None)
    assert divided == alone


@pytest.mark.parametrize("buckets", [1, 3, 8])
@pytest.mark.parametrize("within", [(None, None), (T0 + 600 * NS_PER_S, T0 + 400 * 3600 * NS_PER_S)], ids=["all", "some days"])
def test_a_what_if_in_any_number_of_buckets_is_that_of_one_machine(
    filled: Home, buckets: int, within: tuple[int | None, int | None]
) -> None:
    book = read_rulebook(BOOK)
    before = basis_of(filled, recorded_at_ns=RECORDED + 99 * NS_PER_S)
    after = basis_of(filled, recorded_at_ns=RECORDED + 99 * NS_PER_S, rulebook=book, registers=before.registers)
    alone = what_if(all_observations(filled, from_ns=within[0], until_ns=within[1]), before, after)
    spread = distributed_what_if(
        filled, book, PlainCluster(buckets), recorded_at_ns=RECORDED + 99 * NS_PER_S, bounds=Bounds(*within), buckets=buckets
    )
    assert alone.changed
    assert spread == alone
    assert [list(counter.items()) for counter in spread.by.values()] == [list(counter.items()) for counter in alone.by.values()]


def test_a_what_if_over_damaged_history_says_which_file(home: Home) -> None:
    path = run_files(home, "observations", 2)[0]
    with altered_byte(path, -1), pytest.raises(IntegrityError, match=path.name):
        distributed_what_if(home, read_rulebook(BOOK), PlainCluster(), recorded_at_ns=RECORDED, buckets=2)
