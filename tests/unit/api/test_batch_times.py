"""Times of answers as text: whole columns say what each value alone would say."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from groundrule.api.batches import _instant, _instants
from groundrule.instant import NS_PER_DAY, NS_PER_S

NOW_NS = 1_772_445_600_123_456_789
FAR = st.integers(NOW_NS - 400 * NS_PER_DAY, NOW_NS + 400 * NS_PER_DAY)
NEAR = st.integers(NOW_NS - 20 * NS_PER_S, NOW_NS + 20 * NS_PER_S)


@given(st.one_of(st.lists(NEAR, max_size=60), st.lists(FAR, max_size=12), st.lists(st.just(NOW_NS), max_size=3)))
def test_a_column_of_times_is_written_as_each_of_them_is(times: list[int]) -> None:
    assert _instants(pa.chunked_array([pa.array(times, pa.int64())])) == [_instant(each) for each in times]
