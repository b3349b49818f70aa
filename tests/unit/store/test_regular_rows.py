"""Rows that are read value by value are the rows that columns would have made of the same body."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundrule.api.batches import read_batch
from groundrule.pipeline.judge import _numpy, _source_codes
from groundrule.store.observation_checks import TimeReading, check_observations
from groundrule.store.regular_rows import MOST, Regular, columns_of, read_regular


def by_columns(body: bytes) -> tuple[Any, int]:
    table = read_batch(body, "application/json")
    numbers = np.arange(len(table), dtype=np.int64)
    columns = {name: table.column(name) for name in table.column_names}
    rows, rejects = check_observations(columns, source="s", source_rows=numbers, time=TimeReading(None, False, None))
    return rows, len(rejects)


def optional(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


NUMBERS = st.integers(-400, 400) | st.floats(-400, 400) | st.sampled_from([0, -0.0, 5e-324, 360, 90, -90, 180, 1e9, 1e10, 1e39, -1])
WORDS = ["gnss", "GNSS", "none", "cell", "DE", " DE", "DE ", "", "1.2 beta", "\u00e4", "a\tb", "x" * 201]
TEXTS = st.sampled_from(WORDS) | st.text(max_size=5)
TIMES = (
    st.integers(-5, 2**63)
    | st.datetimes().map(lambda at: f"{at.isoformat()}Z")
    | st.sampled_from([
        "2026-02-10T06:00:00Z", "2026-02-10T06:00:00.5Z", "2026-02-10T06:00:00.123456789Z", "2026-02-10T06:00:00+02:00",
        "2026-02-10 06:00:00Z", "2026-02-30T06:00:00Z", "2026-02-10T24:00:00Z", "2026-02-10T23:59:60Z", "2026-02-10T06:00Z",
        "1969-12-31T23:59:59Z", "2262-04-12T00:00:00Z", "2026-02-10", "\u0662026-02-10T06:00:00Z", "2026-02-10T06:00:00.Z",
        1.5, 1e18, True, None,
    ])
)  # fmt: skip
ROW = st.fixed_dictionaries(
    {"terminal_id": st.sampled_from(["t-1", "t 2", " t", "ü", "", "\x00", "x" * 200, 5]) | st.text(max_size=4), "observed_at": TIMES},
    optional={
        **{name: optional(NUMBERS) for name in ("lat_deg", "lon_deg", "position_sigma_m", "alt_m", "speed_m_s", "course_deg")},
        "speed_km_h": optional(NUMBERS),
        **{name: optional(TEXTS) for name in ("position_source", "alt_datum", "country_reported", "software_version")},
        "in_territorial_waters": optional(st.booleans()), "h3_cell": optional(st.sampled_from(["861f05a37ffffff", 5])),
        "alerts": optional(st.just([60])),
    },
)  # fmt: skip
PLAIN = st.fixed_dictionaries(
    {
        "terminal_id": st.sampled_from(["t-1", "ut-00000007", "a/b"]),
        "observed_at": st.integers(0, 2**60) | st.just("2026-02-10T06:00:00.25Z"),
    },
    optional={
        "position_source": optional(st.sampled_from(["gnss", "network", "none"])),
        "speed_m_s": optional(st.integers(0, 9) | st.floats(0, 300)), "position_sigma_m": optional(st.floats(0, 1e6)),
        "alt_m": optional(st.floats(-500, 9_000)), "course_deg": optional(st.floats(0, 359.9)),
        "country_reported": optional(st.sampled_from(["DE", "UA"])), "software_version": optional(st.just("1.2 beta")),
        "alt_datum": optional(st.just("WGS84")),
    },
)  # fmt: skip
PLACES = st.none() | st.tuples(st.integers(-90, 90) | st.floats(-90, 90), st.floats(-180, 180))


@st.composite
def plain_rows(draw: st.DrawFn) -> dict[str, Any]:
    row, place = draw(PLAIN), draw(PLACES)
    return row if place is None else {**row, "lat_deg": place[0], "lon_deg": place[1]}


def same(found: Regular, body: bytes) -> None:
    table, measured = columns_of([found], ["s"])
    wanted, rejected = by_columns(body)
    assert rejected == 0
    assert table.equals(wanted)
    assert table.schema.equals(wanted.schema, check_metadata=True)
    table.validate(full=True)
    for name, values in (("observed_at", measured.observed_at), ("lat_deg", measured.lat_deg), ("lon_deg", measured.lon_deg),
                         ("position_sigma_m", measured.sigma_m), ("speed_m_s", measured.speed_m_s), ("alt_m", measured.alt_m)):  # fmt: skip
        assert values is not None
        of_table = _numpy(wanted, name, values.dtype.type)
        np.testing.assert_array_equal(values, of_table)
        # Compiled functions are compiled for columns that may be written, or for those that may not.
        assert values.flags.writeable == of_table.flags.writeable
    np.testing.assert_array_equal(measured.source, _source_codes(wanted.column("position_source")))


@given(st.lists(ROW, min_size=1, max_size=3))
def test_whatever_is_read_is_what_columns_make_of_it(rows: list[dict[str, Any]]) -> None:
    body = json.dumps({"rows": rows}).encode()
    found = read_regular(body)
    if found is not None:
        same(found, body)


@given(st.lists(plain_rows(), min_size=1, max_size=4))
def test_what_is_plainly_right_is_read(rows: list[dict[str, Any]]) -> None:
    body = json.dumps({"rows": rows}).encode()
    found = read_regular(body)
    assert found is not None
    same(found, body)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"null", b"[]", b"{}", b'{"rows": []}', b'{"rows": null}', b'{"columns": {"terminal_id": ["a"], "observed_at": [1]}}',
        b'{"rows": [{"terminal_id": "a"}]}', b'{"rows": [{"terminal_id": "a", "observed_at": 1, "source": "x"}]}',
        b'{"rows": [{"terminal_id": "a", "observed_at": 1, "lat_deg": 1}]}',
        b'{"rows": [{"terminal_id": "a", "observed_at": 1}], "more": 1}', b'{"rows": [{"terminal_id": "a\xff", "observed_at": 1}]}',
        b'{"rows":' + b"[" * 100_000, b'{"rows": [{"terminal_id": "a", "observed_at": 1e3}]}',
        json.dumps({"rows": [{"terminal_id": "a", "observed_at": 1}] * (MOST + 1)}).encode(),
    ],
)  # fmt: skip
def test_anything_else_is_left_to_the_columns(body: bytes) -> None:
    assert read_regular(body) is None


def test_parts_follow_one_another() -> None:
    bodies = [{"rows": [{"terminal_id": f"t{k}", "observed_at": k + j} for j in range(k)]} for k in (1, 3)]
    parts = [read_regular(json.dumps(body).encode()) for body in bodies]
    table, measured = columns_of([part for part in parts if part is not None], ["one", "other"])
    assert table.column("terminal_id").to_pylist() == ["t1", "t3", "t3", "t3"]
    assert table.column("source").to_pylist() == ["one", "other", "other", "other"]
    assert table.column("source_row").to_pylist() == [0, 0, 1, 2]
    assert measured.observed_at.tolist() == [1, 3, 4, 5]
