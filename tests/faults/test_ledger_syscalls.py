"""Every file call of one append fails once in every way; nothing is lost, nothing is damaged, every error is reported."""

from __future__ import annotations

from pathlib import Path

import pytest
from syscall_sweep import CannotTrace, sweep


@pytest.mark.parametrize("fault", ["EIO", "ENOSPC", "SIGKILL"])
def test_no_failing_call_damages_the_log(fault: str, tmp_path: Path) -> None:
    try:
        counts = sweep(tmp_path, faults=(fault,))
    except CannotTrace as error:
        pytest.skip(f"needs strace and the right to attach it: {error}")
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
