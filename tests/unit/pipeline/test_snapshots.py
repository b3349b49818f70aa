"""The cached memory: kept and given back as it was, ignored where it does not belong."""

from __future__ import annotations

import numpy as np
import pytest

from groundrule.pipeline.home import basis_of
from groundrule.pipeline.judge import Judge
from groundrule.pipeline.manifests import latest_digest
from groundrule.pipeline.snapshots import load_state, replayed_state, save_state
from groundrule.store.home import Home
from small_home import RECORDED, copy_home, drive, observation, run, table


@pytest.fixture
def decided(home: Home) -> Home:
    run(home, table([*drive("car", 0, 5, lat=5, lon=5, km_h=100), observation("ünknown ✈", 0, 5, 5)]))
    return home


def judge_of(home: Home) -> Judge:
    return Judge(basis_of(home, recorded_at_ns=RECORDED))


def refuse() -> Judge:
    raise AssertionError("the cache was not used")


def memory(judge: Judge) -> dict[str, bytes]:
    """What is remembered, by terminal."""
    ids = judge.basis.registers.terminal_ids.to_pylist()
    columns = judge.state.columns().values()
    return {name: b"".join(column[row].tobytes() for column in columns) for row, name in enumerate(ids)}


def test_memory_comes_back_by_terminal_whatever_the_row_numbers(decided: Home) -> None:
    first = judge_of(decided)
    load_state(decided, first, refuse)
    other = judge_of(decided)
    other.basis.registers.add(table([observation("newcomer", 0, 1, 1), observation("another", 0, 1, 1)])["terminal_id"])
    load_state(decided, other, refuse)
    found = memory(other)
    assert memory(first).items() <= found.items()
    assert set(found) - set(memory(first)) == {"newcomer", "another"}
    assert "ünknown ✈" in found


def test_what_is_saved_is_what_is_loaded(decided: Home) -> None:
    judge = judge_of(decided)
    load_state(decided, judge, refuse)
    latest = latest_digest(decided)
    assert latest is not None
    save_state(decided, judge, latest)
    again = judge_of(decided)
    load_state(decided, again, refuse)
    assert memory(again) == memory(judge)


def test_rebuilding_gives_what_was_cached(decided: Home) -> None:
    cached = judge_of(decided)
    load_state(decided, cached, refuse)
    rebuilt = replayed_state(decided, basis_of(decided, recorded_at_ns=RECORDED))
    assert memory(rebuilt) == memory(cached)


@pytest.mark.parametrize(
    "damage", ["other manifest", "short column", "other type", "bad ids", "missing column", "bytes"]
)
def test_a_cache_that_does_not_fit_is_not_used(decided: Home, damage: str) -> None:
    path = decided.cache / "state.npz"
    with np.load(path) as stored:
        arrays = dict(stored)
    if damage == "other manifest":
        arrays["manifest"] = np.frombuffer(b"sha256:0", np.uint8)
    elif damage == "short column":
        arrays["stays"] = arrays["stays"][:-1]
    elif damage == "other type":
        arrays["since_ns"] = arrays["since_ns"].astype(float)
    elif damage == "bad ids":
        arrays["id_bytes"] = np.full_like(arrays["id_bytes"], 255)
    elif damage == "missing column":
        del arrays["fixes"]
    np.savez(path, **arrays)
    if damage == "bytes":
        content = bytearray(path.read_bytes())
        for place in range(len(content) // 4, 3 * len(content) // 4, 97):
            content[place] ^= 0xFF
        path.write_bytes(bytes(content))
    used: list[bool] = []

    def rebuild() -> Judge:
        used.append(True)
        return replayed_state(decided, basis_of(decided, recorded_at_ns=RECORDED))

    judge = judge_of(decided)
    load_state(decided, judge, rebuild)
    assert used == [True]
    assert judge.state.last_observed_ns().max() > 0


def test_before_the_first_run_nothing_is_remembered(template: Home, decided: Home) -> None:
    fresh = copy_home(template, decided.path.parent / "fresh")
    (fresh.cache / "state.npz").write_bytes((decided.cache / "state.npz").read_bytes())
    judge = judge_of(fresh)
    load_state(fresh, judge, refuse)
    assert judge.state.last_observed_ns().max() < 0
