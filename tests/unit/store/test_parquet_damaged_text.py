"""Parquet whose text is no text: the reader would take it, and everything behind it would fall over it."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from groundrule.errors import InputError
from groundrule.store.observations import open_observations

GOOD = {"observed_at": ["2026-11-20T11:00:00Z"], "lat_deg": [1.0], "lon_deg": [2.0]}


def test_bytes_that_are_no_text_are_a_damaged_file(tmp_path: Path) -> None:
    # An array that claims to be text; Arrow does not look.
    wrong = pa.Array.from_buffers(pa.string(), 1, pa.array([b"car\xff\xfe"], pa.binary()).buffers())
    pq.write_table(pa.table({"terminal_id": wrong, **GOOD}), tmp_path / "a.parquet", write_statistics=False)
    with pytest.raises(InputError, match="not a whole Parquet file"):
        list(open_observations([tmp_path / "a.parquet"]))


def test_names_of_columns_that_are_no_text_are_a_damaged_file(tmp_path: Path) -> None:
    pq.write_table(pa.table({"terminal_id": ["car"], **GOOD, "zzzzzzzz": [1]}), tmp_path / "a.parquet")
    data = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "a.parquet").write_bytes(data.replace(b"zzzzzzzz", b"zzzz\xff\xfezz"))
    with pytest.raises(InputError, match="not a whole Parquet file"):
        list(open_observations([tmp_path / "a.parquet"]))
