"""The digest of a table depends on its content and on nothing else."""

from __future__ import annotations

import pyarrow as pa
import pytest

from groundrule.pipeline.digests import TableDigest, table_digest

TABLE = pa.table(
    {
        "name": pa.array(["a", None, "", "βγ"]),
        "number": pa.array([1.5, None, float("nan"), -0.0]),
        "list": pa.array([[{"x": "1", "y": 2}], [], None, [{"x": None, "y": 3}, {"x": "4", "y": None}]]),
        "flag": pa.array([True, False, None, True]),
    }
)


def test_batches_slices_and_dictionaries_do_not_change_the_digest() -> None:
    whole = table_digest([TABLE])
    encoded = TABLE.set_column(0, "name", TABLE["name"].dictionary_encode())
    assert table_digest([encoded]) == whole
    clean = TABLE.slice(2)
    padded = pa.concat_tables([TABLE, TABLE]).slice(2, 2)
    assert table_digest([clean]) == table_digest([padded])


def test_any_number_of_batches_without_nulls_gives_the_same_digest() -> None:
    table = pa.table(
        {"id": [f"t{i}" for i in range(1000)], "n": list(range(1000)), "l": [["x"] * (i % 3) for i in range(1000)]}
    )
    for size in (1, 7, 999):
        assert table_digest(table.slice(i, size) for i in range(0, 1000, size)) == table_digest([table])


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("name", ["a", "", "", "βγ"]),
        ("name", ["a", None, "β", "γ"]),
        ("number", [1.5, 0.0, float("nan"), -0.0]),
        ("flag", [True, False, False, True]),
        ("list", [[{"x": "1", "y": 2}], None, [], [{"x": None, "y": 3}, {"x": "4", "y": None}]]),
    ],
)
def test_any_changed_value_changes_the_digest(column: str, values: list[object]) -> None:
    position = TABLE.schema.get_field_index(column)
    changed = TABLE.set_column(position, column, pa.array(values, TABLE.schema.field(column).type))
    assert table_digest([changed]) != table_digest([TABLE])


def test_text_moved_between_neighbours_changes_the_digest() -> None:
    assert table_digest([pa.table({"t": ["ab", "c"]})]) != table_digest([pa.table({"t": ["a", "bc"]})])


def test_an_empty_digest_has_no_rows() -> None:
    assert TableDigest().hexdigest() == table_digest([])
