"""Intake of measurements: what is reduced and how, and that every bad row is kept with its reason beside the good ones."""

from __future__ import annotations

import math
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from groundrule.errors import InputError
from groundrule.frames import C_M_S
from groundrule.verify.measurements import MEASUREMENT_SCHEMA, REASONS, clean
from groundrule.verify.reading import read_measurements

T = 1_779_624_012_000_000_000
GOOD = {
    "terminal_id": "a",
    "observed_at": T,
    "satellite": 44714,
    "kind": "rtt",
    "value": 2 * 700e3 / C_M_S,
    "sigma": 1e-6,
}


def one(**changed: object) -> pa.Table:
    row = {**GOOD, **changed}
    return pa.table({name: [value] for name, value in row.items()})


def test_a_round_trip_becomes_a_one_way_range_without_feeder_and_calibration_and_with_what_was_compensated() -> None:
    got = clean(one(value=4e-3, precomp=2e-3, feeder_m=150e3, cal_m=400.0, sigma=1e-6, quantum=520.83e-9))
    assert got.value[0] == pytest.approx(6e-3 * C_M_S / 2 - 150e3 - 400.0)
    assert got.sigma[0] == pytest.approx(math.hypot(1e-6, 520.83e-9 / math.sqrt(12)) * C_M_S / 2)


def test_a_frequency_becomes_a_rate_that_is_positive_moving_apart() -> None:
    got = clean(one(kind="ul_doppler", value=-250e3, precomp=-50e3, carrier_hz=14e9, sigma=10.0, acf_sum=1.5))
    assert got.value[0] == pytest.approx(200e3 * C_M_S / 14e9)
    assert got.sigma[0] == pytest.approx(20.0 * C_M_S / 14e9)


def test_a_time_at_the_satellite_is_moved_by_the_flight() -> None:
    table = pa.concat_tables(
        [
            one(time_of="rx"),
            one(time_of="rx", kind="range_rate", value=120.0, sigma=0.2),
            one(time_of="rx", kind="range_rate", value=1.0, sigma=0.2, satellite=7),
        ],
        promote_options="permissive",
    )
    got = clean(table)
    assert got.t2_ns.tolist() == [T - round(700e3 / C_M_S * 1e9)] * 2
    assert [issue.reason for issue in got.issues] == ["no_range_for_time"]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"terminal_id": ""}, "missing"),
        ({"kind": "ping"}, "unknown_kind"),
        ({"kind": "aoa"}, "not_used"),
        ({"observed_at": 0}, "impossible_time"),
        ({"observed_at": 12_345}, "impossible_time"),
        ({"observed_at": 5_000_000_000_000_000_000}, "impossible_time"),
        ({"value": -4e-3}, "negative_range"),
        ({"value": 4e-3, "feeder_m": 700e3}, "negative_range"),
        ({"kind": "range", "value": 700.0, "sigma": 1.0}, "out_of_range"),  # km taken for m
        ({"value": 4.67, "sigma": 1e-6}, "out_of_range"),  # ms taken for s
        ({"value": math.nan}, "not_a_number"),
        ({"value": math.inf}, "not_a_number"),
        ({"value": None}, "missing"),
        ({"value": "soon"}, "not_a_number"),
        ({"sigma": 0.0}, "bad_sigma"),
        ({"sigma": -1e-6}, "bad_sigma"),
        ({"satellite": -5}, "unknown_satellite"),
        ({"kind": "ul_doppler", "value": 1e5, "sigma": 10.0}, "no_carrier"),
        ({"kind": "ul_doppler", "value": 1e5, "sigma": 10.0, "carrier_hz": 14.0}, "no_carrier"),
        ({"kind": "range_rate", "value": 7e6, "sigma": 10.0}, "out_of_range"),
        ({"locked": False}, "not_locked"),
        ({"kind": "beam_cell", "cell_lat_deg": 95.0, "cell_lon_deg": 0.0, "cell_radius_m": 12e3}, "bad_cell"),
    ],
)  # fmt: skip
def test_a_bad_row_is_kept_with_its_reason_and_the_good_one_beside_it_is_used(changed: dict, reason: str) -> None:
    bad = one(**changed)
    good = one(satellite=5)
    if bad.schema.field("value").type == pa.string():
        good = good.set_column(good.column_names.index("value"), "value", pa.array([str(GOOD["value"])]))
    got = clean(pa.concat_tables([bad, good], promote_options="permissive"))
    assert [(issue.row, issue.reason) for issue in got.issues] == [(0, reason)]
    assert got.row.tolist() == [1]
    assert REASONS[reason] in str(got.issues[0])


def test_doubled_and_unordered_rows() -> None:
    rows = [one(observed_at=T + 2), one(), one(), one(value=2 * 701e3 / C_M_S), one(observed_at=T + 1)]
    got = clean(pa.concat_tables(rows))
    assert got.t2_ns.tolist() == [T, T + 1, T + 2]
    assert [(issue.row, issue.reason) for issue in got.issues] == [(2, "duplicate"), (3, "second_value")]


def test_a_missing_or_unknown_trust_is_the_weakest() -> None:
    rows = [one(), one(satellite=2, trust="sworn"), one(satellite=3, trust="attested")]
    assert clean(pa.concat_tables(rows, promote_options="permissive")).trust.tolist() == [
        0,
        3,
        0,
    ]  # by satellite number: 2, 3, 44714


def test_files_of_every_form_say_the_same(tmp_path: Path) -> None:
    table = pa.concat_tables([one(), one(satellite=2, kind="range_rate", value=-5.0, sigma=0.2)])
    pq.write_table(table, tmp_path / "a.parquet")
    columns = table.column_names
    lines = [
        ",".join(columns),
        *(",".join(str(row[name]) for name in columns) for row in table.to_pylist()),
        "b,2026-05-24T12:00:00Z,3,range,7e5,x",
    ]
    (tmp_path / "a.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (tmp_path / "a.jsonl").write_text(
        "".join(str(row).replace("'", '"') + "\n" for row in table.to_pylist()), encoding="utf-8"
    )
    whole = [clean(read_measurements(tmp_path / f"a.{form}")) for form in ("parquet", "csv", "jsonl")]
    for got in whole[1:]:
        assert got.value.tolist() == whole[0].value.tolist()
        assert got.t2_ns.tolist() == whole[0].t2_ns.tolist()
    assert [issue.reason for issue in whole[1].issues] == ["not_a_number"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", b"x"),
        ("a.csv", b""),
        ("a.jsonl", b"[1]\n"),
        ("a.jsonl", b"{\n"),
        ("a.parquet", b"no"),
        ("a.csv", b"\xff\xfe"),
    ],
)
def test_a_file_that_is_none_is_a_named_error(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError):
        clean(read_measurements(tmp_path / name))


def test_columns_that_every_row_needs() -> None:
    with pytest.raises(InputError, match="observed_at"):
        clean(pa.table({"terminal_id": ["a"], "kind": ["rtt"]}))
    assert len(clean(MEASUREMENT_SCHEMA.empty_table())) == 0
