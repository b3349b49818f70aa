"""Memory that holds something of every terminal, and gets more room as terminals come that were not known before."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

_Column = TypeVar("_Column", bound=NDArray)


def room_for(terminals: int, known: int) -> int:
    """Return for how many terminals there is to be room, once there is not enough.

    A quarter more than before at least: terminals come one by one, and each time everything is copied.

    Args:
        terminals: so many are needed. known: for so many there is room.
    """
    return max(terminals, known + known // 4)


def grown(memory: _Column, terminals: int, unseen: Callable[[int], _Column]) -> _Column:
    """Return memory with room for so many terminals, with what it holds; the same where there is room already.

    Args:
        memory: one element a terminal.
        terminals: so many are needed.
        unseen: makes the memory of so many terminals that were never seen.
    """
    known = len(memory)
    if terminals <= known:
        return memory
    return np.concatenate([memory, unseen(room_for(terminals, known) - known)])  # type: ignore[return-value]  # of the same dtype
