"""Every file call of one append fails once in every way; nothing is lost, nothing is damaged, every error is reported."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from syscall_sweep import CannotTrace, SweepCounts, sweep

FAULTS = ("EIO", "ENOSPC", "SIGKILL")


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> dict[str, SweepCounts]:
    """A sweep for each fault, side by side: each waits for the disk and for its tracer most of the time."""
    folders = [tmp_path_factory.mktemp(fault) for fault in FAULTS]
    try:
        with ThreadPoolExecutor(len(FAULTS)) as beside:
            counted = beside.map(lambda folder, fault: sweep(folder, faults=(fault,)), folders, FAULTS)
            return dict(zip(FAULTS, counted, strict=True))
    except CannotTrace as error:
        pytest.skip(f"needs strace and the right to attach it: {error}")


@pytest.mark.parametrize("fault", FAULTS)
def test_no_failing_call_damages_the_log(fault: str, swept: dict[str, SweepCounts]) -> None:
    counts = swept[fault]
    assert counts.what == []
    assert (counts.silent, counts.lost, counts.damaged) == (0, 0, 0)
    # The window holds what an append is made of:
    for name, least in {"openat": 15, "write": 8, "fsync": 8, "close": 15, "linkat": 2, "renameat": 3, "mkdirat": 1}.items():
        assert counts.calls[name] + counts.calls[f"{name}2"] >= least, counts.calls
    assert counts.runs[fault] == counts.calls.total()
    if fault != "SIGKILL":
        assert counts.surfaced + counts.tolerated == counts.runs[fault]
        assert counts.tolerated <= counts.listings  # and nothing else may pass in silence
        assert counts.listings < counts.calls["close"] / 2
