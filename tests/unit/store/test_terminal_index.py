"""Exactness of the index from terminal id to row."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundrule.errors import InputError
from groundrule.store.terminal_index import TerminalIndex

ids_of_any_length = st.text(alphabet="ab0é", max_size=20)


@settings(max_examples=80, deadline=None)
@given(st.lists(ids_of_any_length, unique=True, max_size=60), st.lists(ids_of_any_length, max_size=60))
def test_find_equals_a_dict(known: list[str], asked: list[str]) -> None:
    index = TerminalIndex(pa.array(known, pa.string()))
    expected = [known.index(one) if one in known else -1 for one in asked]
    assert index.find(pa.array(asked, pa.string())).tolist() == expected


@settings(max_examples=80, deadline=None)
@given(
    st.lists(ids_of_any_length, unique=True, max_size=20),
    st.lists(st.lists(ids_of_any_length, max_size=30), max_size=5),
)
def test_add_gives_rows_in_order_of_appearance(known: list[str], batches: list[list[str]]) -> None:
    index = TerminalIndex(pa.array(known, pa.string()))
    rows = {one: row for row, one in enumerate(known)}
    for batch in batches:
        expected = [rows.setdefault(one, len(rows)) for one in batch]
        assert index.add(pa.array(batch, pa.string())).tolist() == expected
    assert len(index) == len(rows)
    assert index.ids().to_pylist() == list(rows)


def test_it_grows_past_its_first_table_and_keeps_every_row() -> None:
    index = TerminalIndex(pa.array([f"ut-{i}" for i in range(50)]))
    many = pa.array([f"new-{i:05d}" for i in range(20_000)])
    rows = index.add(many)
    assert rows.tolist() == list(range(50, 20_050))
    assert np.array_equal(index.find(many), rows)
    assert index.find(pa.array(["ut-49", "ut-50"])).tolist() == [49, -1]
    assert index.take(np.array([49, 50, 20_049], np.int32)).to_pylist() == ["ut-49", "new-00000", "new-19999"]


@pytest.mark.parametrize(
    "asked",
    [
        pa.chunked_array([["b"], [], [None, "a"]], pa.string()),
        pa.array(["b", None, "a"]).dictionary_encode(),
        pa.array(["b", None, "a"], pa.large_string()),
        pa.array(["x", "b", None, "a"])[1:],
    ],
)
def test_every_arrow_form_of_text_gives_the_same_rows(asked: pa.Array) -> None:
    index = TerminalIndex(pa.array(["z", "a", "b"])[1:])
    assert index.find(asked).tolist() == [1, -1, 0]
    assert index.add(asked).tolist() == [1, -1, 0]


def test_dictionary_with_unknown_values_adds_them_once() -> None:
    index = TerminalIndex(pa.array(["a"]))
    assert index.add(pa.array(["n", "a", "n"]).dictionary_encode()).tolist() == [1, 0, 1]


def test_a_repeated_id_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="`b` occurs twice"):
        TerminalIndex(pa.array(["a", "b", "c", "b"]))


def test_a_missing_id_is_refused() -> None:
    with pytest.raises(InputError, match="missing"):
        TerminalIndex(pa.array(["a", None]))


def test_memory_stays_below_fifty_bytes_for_each_id_of_the_operators_length() -> None:
    n = 200_000
    index = TerminalIndex(pa.array([f"ut-{i:08d}-00000000-0000abcd" for i in range(n)]))
    # 29 bytes of text, 4 of offset, 8 / 0.7 of table; the rest is a fixed start for unregistered ids.
    assert (index.nbytes - 40_000) / n < 46
