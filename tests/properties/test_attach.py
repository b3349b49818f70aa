"""Attaching verifications: as a loop over all pairs would do it, whatever their order; what cannot be is never attached."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundrule.errors import InputError, OutOfRange
from groundrule.instant import NS_PER_S
from groundrule.pipeline.verifying import Verifications, attach, credible
from groundrule.records import OBSERVATION_SCHEMA
from groundrule.verify.records import VERIFICATION_SCHEMA
from small_home import T0, observation, table

NAMES = ["t1", "t2", "t3", "tü"]


def verification(name: str, at_s: float, **more: Any) -> dict[str, Any]:
    return {
        "terminal_id": name, "at_ns": T0 + round(at_s * NS_PER_S), "t_ref_ns": T0 + round((at_s - 30) * NS_PER_S), "verdict": "consistent",
        "assurance": "a1", "conditions": [], "lat_deg": 50.0, "lon_deg": 30.0, "sigma_major_m": 70.0, "sigma_minor_m": 20.0,
        "azimuth_deg": 10.0, "alternatives": [], "usable": True, "distance_m": 40.0, "mdo_m": 800.0, "speed_m_s": None,
        "speed_sigma_m_s": None, "grade": "A operator", "words": "", "inputs": f"sha256:{at_s}", "model": "m", "elements": "e", **more,
    }  # fmt: skip


def verifications(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, VERIFICATION_SCHEMA)


def slowly(observations: list[dict[str, Any]], known: list[dict[str, Any]], max_age_s: float, held_s: float) -> list[str | None]:
    found = []
    for row in observations:
        fit = [
            (each["at_ns"], each["inputs"], each["verdict"])
            for each in known
            if each["terminal_id"] == row["terminal_id"] and each["at_ns"] <= row["observed_at"]
        ]
        at_ns, inputs, verdict = max(fit, default=(None, None, None))
        oldest = held_s if verdict == "inconsistent" else max_age_s
        found.append(inputs if at_ns is not None and row["observed_at"] - at_ns <= oldest * NS_PER_S else None)
    return found


_TIMES = st.integers(0, 400)


@settings(max_examples=300, deadline=None)
@given(
    seen=st.lists(st.tuples(st.sampled_from(NAMES), _TIMES), max_size=30),
    known=st.lists(st.tuples(st.sampled_from([*NAMES, "other"]), _TIMES, st.integers(0, 3)), max_size=30),
    max_age_s=st.sampled_from([0.0, 1.0, 60.0, 120.0, 3600.0]),
    held_s=st.sampled_from([None, 90.0, 300.0]),
    cut=st.integers(0, 30),
    seed=st.integers(0, 9),
)
def test_it_is_what_a_loop_finds(
    seen: list[tuple[str, int]], known: list[tuple[str, int, int]], max_age_s: float, held_s: float | None, cut: int, seed: int
) -> None:
    rows = [observation(name, at, 1.0, 2.0, source_row=k) for k, (name, at) in enumerate(seen)]
    words = ("consistent", "inconsistent", "insufficient", "inconsistent")
    given_rows = [verification(name, at, inputs=f"sha256:{digest}", verdict=words[digest]) for name, at, digest in known]
    wanted = slowly(rows, given_rows, max_age_s, max_age_s if held_s is None else held_s)
    ages = {"max_age_s": max_age_s, "held_s": held_s}
    shuffled = [given_rows[k] for k in np.random.default_rng(seed).permutation(len(given_rows))]
    whole = attach(table(rows), verifications(shuffled), **ages)
    assert whole.schema.equals(OBSERVATION_SCHEMA)
    assert [None if each is None else each["inputs"] for each in whole["radio"].to_pylist()] == wanted
    # In pieces, and a second time, it is the same.
    ordered = Verifications.of(verifications(given_rows))
    parts = [attach(table(part), ordered, **ages) for part in (rows[:cut], rows[cut:])]
    assert pa.concat_tables(parts).to_pylist() == whole.to_pylist()
    assert attach(whole, ordered, **ages).to_pylist() == whole.to_pylist()


def test_a_younger_one_takes_the_place_of_an_older_one() -> None:
    rows = table([observation("t1", 100, 1.0, 2.0), observation("t2", 100, 1.0, 2.0)])
    first = attach(rows, verifications([verification("t1", 50), verification("t2", 90)]))
    both = attach(first, verifications([verification("t1", 80), verification("t2", 60)]))
    assert [each["inputs"] for each in both["radio"].to_pylist()] == ["sha256:80", "sha256:90"]


def test_of_what_cannot_be_nothing_is_attached() -> None:
    bad = [
        {"verdict": "guilty"}, {"assurance": "a9"}, {"lat_deg": 91.0}, {"lon_deg": -1e300}, {"lat_deg": None}, {"sigma_major_m": -1.0},
        {"speed_m_s": -3.0}, {"at_ns": -1}, {"alternatives": [{"lat_deg": 0.0, "lon_deg": 0.0, "weight": 0.1}] * 65}, {"grade": "x" * 300},
        {"distance_m": float("inf")},
    ]  # fmt: skip
    rows = [verification(f"b{k}", 10, **each) for k, each in enumerate(bad)]
    kept, ignored = credible(verifications([*rows, verification("t1", 10)]))
    assert kept["terminal_id"].to_pylist() == ["t1"]
    assert sum(ignored.values()) == len(bad)
    seen = table([observation(f"b{k}", 20, 1.0, 2.0) for k in range(len(bad))])
    assert attach(seen, verifications(rows))["radio"].null_count == len(bad)
    none = float("nan")
    nowhere = verification("t1", 10, lat_deg=none, lon_deg=none, sigma_major_m=none, usable=False, mdo_m=None)
    said = attach(table([observation("t1", 20, 1.0, 2.0)]), verifications([nowhere]))["radio"].to_pylist()[0]
    assert (said["lat_deg"], said["sigma_major_m"], said["distance_m"], said["verdict"]) == (None, None, None, "consistent")


def test_a_distance_needs_a_claim() -> None:
    seen = table([observation("t1", 20, 1.0, 2.0), observation("t2", 20, 1.0, 2.0)])
    known = verifications([verification("t1", 10, conditions=["no_claim"], distance_m=0.0), verification("t2", 10, distance_m=0.0)])
    assert [each["distance_m"] for each in attach(seen, known)["radio"].to_pylist()] == [None, 0.0]


def test_wrong_use_is_refused() -> None:
    seen = table([observation("t1", 20, 1.0, 2.0)])
    with pytest.raises(InputError, match="no column `verdict`"):
        attach(seen, pa.table({"terminal_id": ["t1"], "at_ns": [1]}))
    with pytest.raises(InputError, match="`lat_deg` of verifications"):
        attach(seen, verifications([verification("t1", 10)]).set_column(6, "lat_deg", pa.array([["x"]])))
    for age in (-1.0, float("nan"), 1e9):
        with pytest.raises(OutOfRange):
            attach(seen, verifications([]), max_age_s=age)
    assert attach(OBSERVATION_SCHEMA.empty_table(), verifications([verification("t1", 10)])).schema.equals(OBSERVATION_SCHEMA)
