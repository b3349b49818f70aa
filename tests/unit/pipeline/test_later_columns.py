"""Columns that observations did not have from the beginning: older tables keep their digest, older files are read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from groundrule.errors import InputError
from groundrule.pipeline.digests import table_digest
from groundrule.pipeline.history import observations_of
from groundrule.pipeline.live.intake import hand_in, same_content
from groundrule.pipeline.private_records import _inputs
from groundrule.records import LATER_COLUMNS, OBSERVATION_SCHEMA, with_later, without_silent
from groundrule.store import history, shelving
from groundrule.store.history import read_exactly, read_terminals, run_files
from groundrule.store.history_writer import HistoryWriter
from groundrule.store.home import Home
from groundrule.store.observation_checks import TimeReading, check_observations
from groundrule.store.ordering import in_order
from radio_rows import radio
from small_home import observation, table

BEFORE = "sha256:b4baee4e89f989937c0cc8bd6fe68ab2b9a9bd8c608a3f63edb207b80c773c9d"
"""Digest of `plain()` without the later columns, made by the version before they existed."""


def plain() -> pa.Table:
    return table(
        observation(f"t{k % 3}", 60.0 * k, 50.0 + k / 8, 30.5 - k / 16, alerts=[k, 60] if k % 2 else None, source_row=k)
        for k in range(40)
    )


def heard(rows: int = 40) -> pa.Table:
    return table(
        observation(
            f"t{k % 3}", 60.0 * k, 50.0, 30.0, source_row=k,
            radio=radio(60.0 * k - 3, 50.0 + k, 30.0, alternatives=[{"lat_deg": 1.0 * k, "lon_deg": 2.0, "weight": 0.25}] * (k % 3))
            if k >= 7 and k % 4 else None,
            gnss_state="lost" if k > 20 else None,
        )
        for k in range(rows)
    )  # fmt: skip


def test_a_table_from_before_keeps_its_digest() -> None:
    whole = plain()
    assert table_digest([whole]) == BEFORE
    assert table_digest([whole.drop_columns(list(LATER_COLUMNS))]) == BEFORE
    assert table_digest([without_silent(whole.slice(0, 11)), whole.slice(11)]) == BEFORE


@pytest.mark.parametrize("size", [1, 3, 39])
def test_the_digest_of_what_radio_says_does_not_depend_on_batches(size: int) -> None:
    whole = heard()
    wanted = table_digest([whole])
    assert wanted != table_digest([plain()])
    assert table_digest(whole.slice(first, size) for first in range(0, 40, size)) == wanted
    # Batches in which a column says nothing may leave it out.
    assert table_digest(without_silent(whole.slice(first, size)) for first in range(0, 40, size)) == wanted
    assert table_digest([in_order(whole.take(pa.array(np.arange(40)[::-1])))]) == wanted


def test_what_radio_says_counts() -> None:
    rows = heard().to_pylist()
    wanted = table_digest([table(rows)])
    rows[9]["radio"]["lat_deg"] += 1e-9
    assert table_digest([table(rows)]) != wanted
    rows[9]["radio"]["lat_deg"] = 50.0 + 9
    assert table_digest([table(rows)]) == wanted
    rows[11]["radio"]["alternatives"] = []
    assert table_digest([table(rows)]) != wanted


def test_files_from_before_and_after_are_read_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home.create(tmp_path / "home")
    old, new = plain(), heard().slice(5, 30)
    for run, rows in ((1, old), (2, new)):
        writer = HistoryWriter(home, "observations", run)
        writer.append(rows)
        writer.close()
    assert not set(LATER_COLUMNS) & set(pq.read_schema(run_files(home, "observations", 1)[0]).names)
    assert pa.concat_tables(read_exactly(home, "observations", 1, OBSERVATION_SCHEMA)).equals(old)
    assert pa.concat_tables(read_exactly(home, "observations", 2, OBSERVATION_SCHEMA)).equals(new)
    both = read_terminals(home, "observations", ["t1", "t2"], runs=[1, 2], columns=OBSERVATION_SCHEMA.names)
    assert both.column_names == OBSERVATION_SCHEMA.names
    wanted = {row["observed_at"]: row["radio"] for row in new.to_pylist() if row["terminal_id"] == "t1" and row["radio"]}
    for shelves in (False, True):
        if shelves:
            monkeypatch.setattr(shelving, "LEAST_FILES", 2)
            assert shelving.shelve(home, [1, 2]) == 1
        history._WHOLE.clear()
        one = with_later(read_terminals(home, "observations", ["t1"], runs=[1, 2]))
        found = {row["observed_at"]: row["radio"] for row in one.to_pylist() if row["radio"]}
        assert found == wanted
        assert len(wanted) > 5
    monkeypatch.setattr("groundrule.pipeline.history.runs", lambda _: [1, 2])
    assert observations_of(home, "t1").schema.names == OBSERVATION_SCHEMA.names


def test_private_records_keep_their_digest_and_cover_what_radio_says() -> None:
    row = {name: value for name, value in heard().to_pylist()[9].items() if name not in ("source", "source_row")}
    bare = {name: value for name, value in row.items() if name not in LATER_COLUMNS}
    silent = _inputs({**row, "radio": None, "gnss_state": None}, "sha256:0")
    assert _inputs(bare, "sha256:0") == silent
    # Digest of this observation by the version before the columns existed.
    assert silent == "97fa905ac40f6b069874fa25654c94edced983b65fc9ac48e7cbd51805f50302"
    assert _inputs({**row, "gnss_state": "lost"}, "sha256:0") != _inputs(row, "sha256:0") != silent
    moved = {**row, "radio": {**row["radio"], "alternatives": [{"lat_deg": 1.0, "lon_deg": 2.0, "weight": 0.5}]}}
    assert _inputs(moved, "sha256:0") != _inputs(row, "sha256:0")


def test_a_terminal_tells_of_its_satellite_navigation_and_not_of_radio() -> None:
    states = pa.array(["lost", "INHIBITED", None, "suspended", "jammed", "normal"])
    given = {
        "terminal_id": pa.array(["t1"] * 6), "observed_at": pa.array(np.arange(6)), "gnss_state": states,
        "radio": pa.array(["anything"] * 6),
    }  # fmt: skip
    rows, rejects = check_observations(given, source="made", source_rows=np.arange(6), time=TimeReading())
    assert rows["gnss_state"].to_pylist() == ["lost", "inhibited", None, "normal"]
    assert rows["radio"].null_count == 4
    assert [each["value"] for each in rejects.records()] == ["suspended", "jammed"]
    with pytest.raises(InputError, match="unknown column `radio`"):
        hand_in(heard(), source="made", key=None, most_rows=100)
    assert len(hand_in(heard().drop_columns(["radio"]), source="made", key=None, most_rows=100)) == 40


def test_rows_that_differ_in_what_radio_says_are_two() -> None:
    one, other = heard(), heard()
    assert same_content(one, other).all()
    rows = other.to_pylist()
    rows[9]["radio"]["verdict"] = "inconsistent"
    changed = table(rows)
    # A service attaches what radio says itself: a repeat need not have it. What a terminal tells is its own.
    assert same_content(one, changed).all()
    told = table([{**row, "gnss_state": "inhibited" if place == 3 else row["gnss_state"]} for place, row in enumerate(rows)])
    assert np.flatnonzero(~same_content(one, told)).tolist() == [3]
    assert len(in_order(pa.concat_tables([one, changed]))) == 41
    assert len(in_order(pa.concat_tables([one, other]))) == 40
