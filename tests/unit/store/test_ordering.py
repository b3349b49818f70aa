"""One order for one set of observations, however they came."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundrule.records import OBSERVATION_SCHEMA
from groundrule.store.ordering import Ordering, in_order

CONTENT = [name for name in OBSERVATION_SCHEMA.names if name not in ("source", "source_row")]
row = st.fixed_dictionaries(
    {
        "terminal_id": st.sampled_from(["a", "b", "ä", "ab"]),
        "observed_at": st.integers(0, 4),
        "lat_deg": st.sampled_from([None, -0.0, 1.5]),
        "speed_m_s": st.sampled_from([None, 2.0]),
        "country_reported": st.sampled_from([None, "UA"]),
        "in_territorial_waters": st.sampled_from([None, False, True]),
        "h3_cell": st.sampled_from([None, 599686042433355775]),
        "alerts": st.sampled_from([None, [], [60], [60, 93]]),
        "signals": st.sampled_from([None, None, ["convoy"], ["convoy", "compound"]]),
        "gnss_state": st.sampled_from([None, None, "suspended", "lost"]),
        "source": st.sampled_from(["f1", "f2"]),
        "source_row": st.integers(1, 3),
    }
)


def table(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, OBSERVATION_SCHEMA)


def contents(ordered: pa.Table) -> list[str]:
    return [repr(one) for one in ordered.select(CONTENT).to_pylist()]


def told(one: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in one.items() if name not in ("source", "source_row", "signals")}
    return kept | {"gnss_state": None if one.get("gnss_state") == "suspended" else one.get("gnss_state"), "lat_deg": repr(kept["lat_deg"])}


def silent(one: dict[str, Any]) -> bool:
    return one.get("signals") is None and one.get("gnss_state") != "suspended"


def said_beside(one: dict[str, Any], rows: list[dict[str, Any]]) -> bool:
    """Is there another that says the same, and has something attached?"""
    return silent(one) and any(not silent(other) and told(other) == told(one) for other in rows)


@settings(max_examples=60, deadline=None)
@given(st.lists(row, max_size=25), st.randoms(use_true_random=False))
def test_the_result_depends_on_the_rows_alone(rows: list[dict[str, Any]], random: Any) -> None:
    first = in_order(table(rows))
    shuffled = rows * 2
    random.shuffle(shuffled)
    assert in_order(table(shuffled)).equals(first)


@settings(max_examples=60, deadline=None)
@given(st.lists(row, max_size=25))
def test_every_distinct_content_stays_once_and_keys_do_not_decrease(rows: list[dict[str, Any]]) -> None:
    ordered = in_order(table(rows))
    assert sorted(contents(ordered)) == sorted({contents(table([one]))[0] for one in rows if not said_beside(one, rows)})
    keys = [(one["observed_at"], one["terminal_id"].encode()) for one in ordered.to_pylist()]
    assert keys == sorted(keys)


def test_of_two_deliveries_the_lower_source_and_row_stays() -> None:
    one = {"terminal_id": "a", "observed_at": 1}
    rows = [
        one | {"source": "b", "source_row": 1},
        one | {"source": "a", "source_row": 9},
        one | {"source": "a", "source_row": 2},
    ]
    kept = in_order(table(rows)).to_pylist()
    assert [(row["source"], row["source_row"]) for row in kept] == [("a", 2)]


def test_a_table_in_order_is_handed_back_untouched() -> None:
    ordered = table([{"terminal_id": "a", "observed_at": 1}, {"terminal_id": "b", "observed_at": 1}])
    assert in_order(ordered) is ordered


def sample(n: int) -> pa.Table:
    rows = [
        {
            "terminal_id": f"ut-{i * 7 % 13}",
            "observed_at": i * 31 % 97,
            "lat_deg": float(i % 3),
            "source": "f",
            "source_row": i,
        }
        for i in range(n)
    ]
    return table(rows)


@pytest.mark.parametrize("batch", [17, 100, 1000])
def test_spilled_chunks_merge_to_what_memory_gives(tmp_path: Path, batch: int) -> None:
    whole = sample(3000)
    with Ordering(tmp_path / "work", batch_rows=50, memory_limit_mb=0) as ordering:
        parts = list(ordering.sorted(whole.slice(k, batch) for k in range(0, 3000, batch)))
        assert (tmp_path / "work").is_dir()
    assert not (tmp_path / "work").exists()
    expected = in_order(whole)
    assert pa.concat_tables(parts).equals(expected)
    assert ordering.duplicates == 3000 - expected.num_rows
    assert max(part.num_rows for part in parts) <= 50


def test_chunks_that_follow_each_other_need_no_merge(tmp_path: Path) -> None:
    ordered = in_order(sample(3000))
    with Ordering(tmp_path / "work", memory_limit_mb=0) as ordering:
        # Batches are cut between instants, so that chunks do not share one.
        cuts = [
            0,
            *(k for k in range(1, len(ordered)) if ordered["observed_at"][k] != ordered["observed_at"][k - 1]),
            len(ordered),
        ]
        parts = list(ordering.sorted(ordered.slice(a, b - a) for a, b in pairwise(cuts)))
    assert pa.concat_tables(parts).equals(ordered)


def test_nothing_in_gives_nothing_out(tmp_path: Path) -> None:
    with Ordering(tmp_path / "work") as ordering:
        assert list(ordering.sorted([])) == []
        assert list(ordering.sorted([OBSERVATION_SCHEMA.empty_table()])) == []
