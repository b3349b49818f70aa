"""Broken input of every kind: a clear reason for each bad row, and every good row beside it used."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h3
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_files import read, reasons

from groundrule.errors import InputError
from groundrule.instant import parse_instant
from groundrule.records import OBSERVATION_SCHEMA
from groundrule.store import open_observations, parse_columns
from groundrule.store.cells import is_cell

T = 1_790_000_000_000_000_000
GOOD = "ut-good,2026-09-21T14:13:20Z,50,30"


def csv(tmp_path: Path, *lines: str, header: str = "terminal_id,observed_at,lat_deg,lon_deg") -> Path:
    path = tmp_path / "seen.csv"
    path.write_text("\n".join([header, *lines, ""]))
    return path


# --- one bad row ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "field", "reason"),
    [
        ("ut-1,2026-09-21T14:13:20Z,91,30", "lat_deg", "out_of_range"),
        ("ut-1,2026-09-21T14:13:20Z,-90.0001,30", "lat_deg", "out_of_range"),
        ("ut-1,2026-09-21T14:13:20Z,50,181", "lon_deg", "out_of_range"),
        ("ut-1,2026-09-21T14:13:20Z,inf,30", "lat_deg", "not_a_number"),
        ("ut-1,2026-09-21T14:13:20Z,fifty,30", "lat_deg", "not_a_number"),
        ("ut-1,2026-09-21T14:13:20Z,,30", "lat_deg", "half_a_position"),
        ("ut-1,2026-09-21T14:13:20Z,50,NaN", "lon_deg", "half_a_position"),
        ("ut-1,2026-09-21T14:13:20,50,30", "observed_at", "time_without_zone"),
        ("ut-1,2026-09-21,50,30", "observed_at", "time_without_zone"),
        ("ut-1,2026-02-30T00:00Z,50,30", "observed_at", "time_unreadable"),
        ("ut-1,yesterday,50,30", "observed_at", "time_unreadable"),
        ("ut-1,99999999999999999999,50,30", "observed_at", "time_unreadable"),
        ("ut-1,1700-01-01T00:00Z,50,30", "observed_at", "time_out_of_range"),
        ("ut-1,,50,30", "observed_at", "time_missing"),
        (",2026-09-21T14:13:20Z,50,30", "terminal_id", "terminal_id_missing"),
        ("  ,2026-09-21T14:13:20Z,50,30", "terminal_id", "terminal_id_missing"),
        ("u\x07t,2026-09-21T14:13:20Z,50,30", "terminal_id", "terminal_id_unprintable"),
        ("u" * 201 + ",2026-09-21T14:13:20Z,50,30", "terminal_id", "terminal_id_too_long"),
        ("ut-1,2026-09-21T14:13:20Z,50", None, "wrong_number_of_fields"),
        ('ut-1,2026-09-21T14:13:20Z,50,"30', None, "quote_not_closed"),
    ],
)
def test_a_bad_row_of_a_csv_file_is_kept_with_its_reason(
    tmp_path: Path, line: str, field: str | None, reason: str
) -> None:
    good, bad, reader = read(csv(tmp_path, GOOD, line, GOOD))
    assert [row["source_row"] for row in good] == [2, 4]
    assert reasons(bad) == [(3, reason)]
    assert bad[0].get("field") == field
    assert "help" in bad[0]
    assert reader.counts.by_reason == {reason: 1}
    # Nothing of the row is lost.
    assert json.dumps(line.split(",", maxsplit=1)[0])[1:-1].strip()[:8] in bad[0]["content"]


@pytest.mark.parametrize(
    ("extra", "value", "reason"),
    [
        ("position_sigma_m", "-1", "out_of_range"),
        ("speed_m_s", "-0.5", "out_of_range"),
        ("course_deg", "361", "out_of_range"),
        ("position_source", "psychic", "position_source_unknown"),
        ("in_territorial_waters", "perhaps", "wrong_type"),
        ("alerts", "60;many", "wrong_type"),
        ("h3_cell", "8528347", "not_an_h3_cell"),
        ("h3_cell", "85283473ffffff0", "not_an_h3_cell"),
        ("h3_cell", "-1", "not_an_h3_cell"),
    ],
)
def test_a_bad_optional_value_rejects_its_row(tmp_path: Path, extra: str, value: str, reason: str) -> None:
    header = f"terminal_id,observed_at,{extra}"
    good, bad, _ = read(csv(tmp_path, f"ut-1,{T},", f"ut-2,{T},{value}", header=header))
    assert [row["terminal_id"] for row in good] == ["ut-1"]
    assert [(row["field"], row["value"], row["reason"]) for row in bad] == [(extra, value, reason)]


def test_the_first_fault_of_a_row_is_told_and_only_that(tmp_path: Path) -> None:
    _, bad, _ = read(csv(tmp_path, ",noon,91,181"))
    assert reasons(bad) == [(2, "terminal_id_missing")]


# --- what is right though it looks odd --------------------------------------------------------------------------------


def test_an_absent_position_is_valid_however_it_is_written(tmp_path: Path) -> None:
    good, bad, _ = read(csv(tmp_path, f"a,{T},,", f"b,{T},NaN,nan", f"c,{T},null,N/A"))
    assert bad == []
    assert [(row["terminal_id"], row["position_source"]) for row in good] == [
        ("a", "none"),
        ("b", "none"),
        ("c", "none"),
    ]
    assert all("lat_deg" not in row for row in good)


def test_a_position_source_follows_from_what_is_given(tmp_path: Path) -> None:
    header = "terminal_id,observed_at,lat_deg,lon_deg,h3_cell,position_source"
    cell = "85283473fffffff"
    good, bad, _ = read(
        csv(
            tmp_path,
            f"a,{T},1,2,,",
            f"b,{T},,,{cell},",
            f"c,{T},1,2,{cell},",
            f"d,{T},1,2,,NETWORK",
            f"e,{T},,,,gnss",
            header=header,
        )
    )
    assert bad == []
    assert [row["position_source"] for row in good] == ["gnss", "cell", "gnss", "network", "none"]
    assert good[1]["h3_cell"] == int(cell, 16)


@pytest.mark.parametrize(
    "written", ["2026-09-21T14:13:20Z", "2026-09-21 16:13:20+02:00", "2026-09-21T14:13:20.000Z", str(T)]
)
def test_the_same_instant_in_every_form(tmp_path: Path, written: str) -> None:
    good, _, _ = read(csv(tmp_path, f"a,{written},1,2", "b,2026-09-21T10:00,1,2"))
    assert good[0]["observed_at"] == T


def test_naive_times_are_used_if_the_caller_says_that_they_are_utc(tmp_path: Path) -> None:
    good, bad, _ = read(csv(tmp_path, "a,2026-09-21T14:13:20,1,2", "b,2026-09-21 14:13:20.5,1,2"), assume_utc=True)
    assert bad == []
    assert [row["observed_at"] for row in good] == [T, T + 500_000_000]


def test_numbers_as_times_take_the_unit_that_is_said(tmp_path: Path) -> None:
    good, _, _ = read(csv(tmp_path, "a,1790000000,1,2", "b,1790000000.25,1,2"), time_unit="s")
    assert [row["observed_at"] for row in good] == [T, T + 250_000_000]


def test_times_in_the_first_hour_of_1970_are_pointed_out(tmp_path: Path) -> None:
    _, _, reader = read(csv(tmp_path, "a,1790000000,1,2"))
    assert any("--time-unit" in note for note in reader.notes)


def test_speed_in_km_h_and_negative_courses_are_converted(tmp_path: Path) -> None:
    good, bad, _ = read(csv(tmp_path, f"a,{T},72,-90", header="terminal_id,observed_at,speed_kmh,course_deg"))
    assert bad == []
    assert good[0]["speed_m_s"] == pytest.approx(20.0)
    assert good[0]["course_deg"] == pytest.approx(270.0)


def test_unknown_alert_codes_are_kept(tmp_path: Path) -> None:
    good, bad, _ = read(
        csv(tmp_path, f'a,{T},"[60, 7777]"', f"b,{T},", f"c,{T},[]", header="terminal_id,observed_at,alerts")
    )
    assert bad == []
    assert [row.get("alerts") for row in good] == [[60, 7777], None, []]


# --- text files -------------------------------------------------------------------------------------------------------


def test_byte_order_mark_carriage_returns_and_blank_lines_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "w.csv"
    path.write_bytes(b"\xef\xbb\xbfterminal_id;observed_at\r\n\r\nut-1;%d\r\n\r\nut-2;%d" % (T, T))
    good, bad, _ = read(path)
    assert bad == []
    assert [(row["terminal_id"], row["source_row"]) for row in good] == [("ut-1", 3), ("ut-2", 5)]


def test_a_line_that_is_not_utf_8_costs_itself_only(tmp_path: Path) -> None:
    path = tmp_path / "latin.csv"
    path.write_bytes(b"terminal_id,observed_at\nut-1,%d\nut-\xff,%d\nut-\0,%d\nut-2,%d\n" % (T, T, T, T))
    good, bad, _ = read(path)
    assert [row["terminal_id"] for row in good] == ["ut-1", "ut-2"]
    assert reasons(bad) == [(3, "not_text"), (4, "not_text")]


def test_utf_16_is_named_with_its_cure(tmp_path: Path) -> None:
    path = tmp_path / "w.csv"
    path.write_text("terminal_id,observed_at\n", encoding="utf-16")
    with pytest.raises(InputError, match="UTF-16") as caught:
        open_observations(path)
    assert caught.value.help == "save it as UTF-8"


@pytest.mark.parametrize("block_bytes", [64, 1000, 8 << 20])
def test_blocks_of_any_size_give_the_same_rows(tmp_path: Path, block_bytes: int) -> None:
    lines = [f"ut-{i},{T + i},{i % 90},{i % 180}" if i % 7 else "x" * 150 for i in range(200)]
    good, bad, _ = read(csv(tmp_path, *lines), block_bytes=block_bytes, max_line_bytes=100)
    assert [row["terminal_id"] for row in good] == [f"ut-{i}" for i in range(200) if i % 7]
    assert reasons(bad) == [(i + 2, "line_too_long") for i in range(0, 200, 7)]


def test_a_line_of_three_hundred_megabytes_is_passed_over_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "huge.csv"
    with path.open("wb") as stream:
        stream.write(b"terminal_id,observed_at\nut-1,%d\n" % T)
        stream.seek(300_000_000, 1)  # a sparse file: a line of zeros that takes no disk
        stream.write(b"\nut-2,%d\n" % T)
    tracemalloc.start()
    good, bad, _ = read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [row["terminal_id"] for row in good] == ["ut-1", "ut-2"]
    assert reasons(bad) == [(3, "line_too_long")]
    assert peak < 64_000_000


def test_a_gzip_file_that_breaks_off_gives_what_precedes_the_break(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    lines = [f"ut-{value},{T}" for value in rng.integers(0, 10**9, 20_000)]
    whole = gzip.compress("\n".join(["terminal_id,observed_at", *lines]).encode())
    (tmp_path / "cut.csv.gz").write_bytes(whole[: len(whole) // 2])
    good, bad, _ = read(tmp_path / "cut.csv.gz")
    assert 5_000 < len(good) < 15_000
    assert [row["terminal_id"] for row in good] == [line.split(",")[0] for line in lines[: len(good)]]
    assert [row["reason"] for row in bad] == ["file_breaks_off"]


def test_an_empty_file_and_a_repeated_column_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("\n\n")
    with pytest.raises(InputError, match="is empty"):
        open_observations(tmp_path / "empty.csv")
    with pytest.raises(InputError, match="2 columns `observed_at`"):
        open_observations(csv(tmp_path, header="terminal_id,observed_at,observed_at"))


def test_json_lines_lose_only_the_lines_that_are_broken(tmp_path: Path) -> None:
    path = tmp_path / "seen.jsonl"
    path.write_text(
        "\n".join(
            [
                json.dumps({"terminal_id": "a", "observed_at": T, "lat_deg": 1.5, "lon_deg": 2}),
                json.dumps({"terminal_id": "b", "observed_at": "2026-09-21T14:13:20Z", "lat_deg": "x", "lon_deg": 2}),
                "no json",
                "[1, 2]",
                json.dumps({"lon_deg": 4, "lat_deg": True, "observed_at": T, "terminal_id": "c"}),
                json.dumps(
                    {
                        "terminal_id": 7,
                        "observed_at": T,
                        "h3_cell": 599686042433355775,
                        "alerts": [60],
                        "colour": {"a": 1},
                    }
                ),
                '{"terminal_id": "d", "observed',
            ]
        )
    )
    good, bad, reader = read(path)
    assert [(row["terminal_id"], row["source_row"], row["observed_at"]) for row in good] == [("a", 1, T), ("7", 6, T)]
    assert good[1]["alerts"] == [60]
    assert reasons(bad) == [
        (2, "not_a_number"),
        (3, "not_json"),
        (4, "not_an_object"),
        (5, "not_a_number"),
        (7, "line_breaks_off"),
    ]
    assert any("`colour`" in note for note in reader.notes)


def test_json_columns_that_appear_later_are_matched_later(tmp_path: Path) -> None:
    path = tmp_path / "seen.jsonl"
    lines = [{"terminal_id": "a", "observed_at": T}] * 40 + [{"terminal_id": "b", "observed_at": T, "lat": 1, "lon": 2}]
    path.write_text("\n".join(map(json.dumps, lines)))
    good, bad, _ = read(path, block_bytes=256)
    assert bad == []
    assert (len(good), good[-1]["lat_deg"], good[-1]["lon_deg"]) == (41, 1.0, 2.0)


# --- Parquet ----------------------------------------------------------------------------------------------------------


def parquet(tmp_path: Path, **columns: Any) -> Path:
    path = tmp_path / "seen.parquet"
    pq.write_table(pa.table(columns), path)
    return path


def test_a_truncated_parquet_file_is_named_before_anything_is_read(tmp_path: Path) -> None:
    path = parquet(tmp_path, terminal_id=["a"], observed_at=[T])
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"seen\.parquet` is not a whole Parquet file") as caught:
        open_observations([path])
    assert caught.value.exit_code == 2


def test_damage_in_the_middle_of_a_parquet_file_is_an_input_error_with_the_rows_before(tmp_path: Path) -> None:
    path = tmp_path / "seen.parquet"
    n = 5_000
    ids = pa.array([f"ut-{i}" for i in range(n)])
    pq.write_table(
        pa.table({"terminal_id": ids, "observed_at": np.full(n, T)}), path, row_group_size=1_000, compression="zstd"
    )
    whole = bytearray(path.read_bytes())
    middle = len(whole) // 2
    whole[middle : middle + 400] = bytes(400)
    path.write_bytes(whole)
    with pytest.raises(InputError, match="not a whole Parquet file") as caught:
        read(path, batch_rows=1_000)
    assert 0 < caught.value.context["rows_read"] < n


def test_a_naive_timestamp_column_is_refused_as_a_whole_with_its_cure(tmp_path: Path) -> None:
    naive = pa.array([datetime(2026, 9, 21, 14, 13, 20)], pa.timestamp("ms"))  # noqa: DTZ001 - the case
    path = parquet(tmp_path, terminal_id=["a"], observed_at=naive)
    with pytest.raises(InputError, match="no zone") as caught:
        open_observations(path)
    assert "--assume-utc" in str(caught.value.help)
    good, _, _ = read(path, assume_utc=True)
    assert good[0]["observed_at"] == T


def test_parquet_types_of_every_kind(tmp_path: Path) -> None:
    n = 3
    path = parquet(
        tmp_path,
        terminal_id=pa.array(["a", "b", "c"]).dictionary_encode(),
        observed_at=pa.array([datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC)] * n, pa.timestamp("ms", "UTC")),
        lat_deg=pa.array([1.0, float("nan"), 91.0], pa.float32()),
        lon_deg=pa.array([2, None, 3], pa.int16()),
        h3_cell=pa.array([None, 599686042433355775, None], pa.uint64()),
        alerts=pa.array([[60], None, []], pa.list_(pa.int64())),
        in_territorial_waters=pa.array([1, 0, None], pa.int8()),
    )
    good, bad, _ = read(path)
    assert [(row["terminal_id"], row["observed_at"], row["position_source"]) for row in good] == [
        ("a", T, "gnss"),
        ("b", T, "cell"),
    ]
    assert [row.get("in_territorial_waters") for row in good] == [True, False]
    assert reasons(bad) == [(3, "out_of_range")]


def test_a_column_of_the_wrong_type_rejects_the_rows_that_give_a_value(tmp_path: Path) -> None:
    path = parquet(tmp_path, terminal_id=["a", "b"], observed_at=[T, T], speed_m_s=[[1.0], None])
    good, bad, _ = read(path)
    assert [row["terminal_id"] for row in good] == ["b"]
    assert [(row["field"], row["reason"]) for row in bad] == [("speed_m_s", "not_a_number")]


def test_batches_are_bounded_and_rows_keep_their_place(tmp_path: Path) -> None:
    path = parquet(tmp_path, terminal_id=[f"ut-{i}" for i in range(2_500)], observed_at=np.full(2_500, T))
    tables = [table for table, _ in open_observations(path, batch_rows=1_000)]
    assert [table.num_rows for table in tables] == [1_000, 1_000, 500]
    assert tables[2]["source_row"][0].as_py() == 2_001
    assert all(table.schema.equals(OBSERVATION_SCHEMA) for table in tables)


# --- columns and files ------------------------------------------------------------------------------------------------


def test_obvious_names_are_taken_and_told(tmp_path: Path) -> None:
    good, _, reader = read(csv(tmp_path, f"a,{T},1,2,9", header="DeviceId,Time,Latitude,lng,mood"))
    assert good[0]["terminal_id"] == "a"
    assert "seen.csv: column `lng` is read as `lon_deg`" in reader.notes
    assert "seen.csv: columns not used: `mood`" in reader.notes


@pytest.mark.parametrize(
    ("header", "columns", "said"),
    [
        ("terminal_id,observed_at,lat,latitude,lon", None, "`lat` and `latitude` could both be `lat_deg`"),
        ("id,observed_at", None, "no column for `terminal_id`; it has `id`"),
        ("terminal_id,when", None, "no column for `observed_at`"),
        ("terminal_id,observed_at", {"tim": "observed_at"}, "has no column `tim`"),
        ("terminal_id,observed_at", {"observed_at": "observed"}, "observations have no column `observed`"),
        ("terminal_id,observed_at,speed_m_s,v", {"v": "speed_km_h"}, "speed is given twice"),
    ],
)
def test_columns_that_cannot_be_matched_are_refused(
    tmp_path: Path, header: str, columns: dict[str, str] | None, said: str
) -> None:
    with pytest.raises(InputError) as caught:
        open_observations(csv(tmp_path, header=header), columns=columns)
    assert said in caught.value.message
    assert caught.value.help


def test_a_mapping_is_read_from_the_command_line_form() -> None:
    assert parse_columns("track_id=terminal_id,time=observed_at") == {"track_id": "terminal_id", "time": "observed_at"}
    with pytest.raises(InputError, match="is not a column mapping"):
        parse_columns("track_id")
    with pytest.raises(InputError, match="both mapped"):
        parse_columns("a=terminal_id,b=terminal_id")


def test_folders_and_several_files_are_read_in_order_and_told_apart(tmp_path: Path) -> None:
    for folder in ("b", "a"):
        (tmp_path / folder).mkdir()
        csv(tmp_path / folder, f"ut-{folder},{T},1,2")
    good, _, _ = read(tmp_path)
    assert [row["terminal_id"] for row in good] == ["ut-a", "ut-b"]
    assert len({row["source"] for row in good}) == 2


@pytest.mark.parametrize("name", ["nothing.csv", "notes.txt"])
def test_files_that_are_absent_or_of_no_known_format_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(InputError, match=name):
        open_observations(tmp_path / name)


def test_h3_cells_are_judged_as_the_library_does() -> None:
    rng = np.random.default_rng(3)
    real = [
        h3.latlng_to_cell(lat, lon, int(res))
        for lat, lon, res in zip(
            rng.uniform(-90, 90, 300), rng.uniform(-180, 180, 300), rng.integers(0, 16, 300), strict=True
        )
    ]
    real += [cell for res in (0, 1, 5) for cell in h3.get_pentagons(res)]
    children = [child for cell in h3.get_pentagons(0) for child in h3.cell_to_children(cell, 2)]
    numbers = np.array([h3.str_to_int(cell) for cell in real + children], np.uint64)
    flipped = numbers ^ (np.uint64(1) << rng.integers(0, 64, len(numbers)).astype(np.uint64))
    both = np.concatenate([numbers, flipped, np.array([0, 2**64 - 1], np.uint64)])
    assert is_cell(both).tolist() == [h3.is_valid_cell(h3.int_to_str(int(cell))) for cell in both]


@pytest.mark.shared_data
def test_every_fix_of_the_real_tracks_is_read(shared_data: Path) -> None:
    reader = open_observations(shared_data / "tracks" / "tracks.parquet", columns={"track_id": "terminal_id"})
    assert sum(table.num_rows for table, _ in reader) == 257_612
    assert reader.counts.total == 0


def test_an_observation_from_the_future_is_rejected_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "future.csv"
    path.write_text("terminal_id,observed_at\nut-1,2026-03-01T12:00Z\nut-1,2099-01-01T00:00Z\n", encoding="utf-8")
    reader = open_observations(path, latest_ns=parse_instant("2026-03-01T13:00Z"))
    assert sum(len(good) for good, _ in reader) == 1
    assert dict(reader.counts.by_reason) == {"time_in_the_future": 1}


def test_a_truncated_file_loses_nothing_good_beside_it(tmp_path: Path) -> None:
    good, bad = tmp_path / "a.csv", tmp_path / "b.parquet"
    good.write_text("terminal_id,observed_at\nut-1,2026-03-01T12:00Z\n", encoding="utf-8")
    bad.write_bytes(b"PAR1 and then nothing")
    reader = open_observations([bad, good])
    assert sum(len(table) for table, _ in reader) == 1
    assert [path.name for path, _ in reader.unreadable] == ["b.parquet"]
    with pytest.raises(InputError, match=r"b\.parquet"):
        open_observations([bad])
