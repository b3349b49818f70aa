"""Distinct evidence of a judge, numbered: what the rules saw of an observation, apart from numbers, in one integer.

A key is 23 bits of where, 24 of who, 3 of source and 13 of speed limits (three to the power of 8 < 2 to the 13th). Where radio or
satellite navigation is heard of, the last 16 bits are the number of such a combination instead, and the key is negative.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from groundrule.pipeline.coding import Interner

MAX_WHERE: Final = 1 << 23
MAX_WHO: Final = 1 << 24
MAX_HEARD: Final = 1 << 16
_REST: Final = 0xFFFF


class EvidenceKeys:
    """Numbers distinct evidence in order of first appearance.

    Args:
        limits: speed limits with hysteresis of the rulebook.
    """

    def __init__(self, limits: int) -> None:
        self._limits = limits
        self._keys, self._rests = Interner(), Interner()

    @property
    def keys(self) -> NDArray[np.int64]:
        """The distinct keys in order of first appearance."""
        return self._keys.keys

    def code(
        self,
        where: NDArray[np.int32],
        who: NDArray[np.int32],
        source: NDArray[np.uint8],
        latches: NDArray[np.uint8],
        heard: NDArray[np.int64] | None,
    ) -> NDArray[np.int32]:
        """Return the number of the evidence of each row.

        Args:
            where, who: codes of areas and profiles. source: of the position. latches: truth of each limit, shape (n, limits).
            heard: `Heard.codes`; None where nothing is said of any row.
        Raises:
            OverflowError: there is more distinct evidence than a key holds.
        """
        if int(where.max(initial=0)) >= MAX_WHERE or int(who.max(initial=0)) >= MAX_WHO:
            raise OverflowError("more distinct area sets or register profiles than an evidence key holds")
        key = _keys(where, who, source, latches)
        if heard is not None:
            rows = np.flatnonzero(heard)
            rest = self._rests.code((heard[rows] << 16) | (key[rows] & _REST)).astype(np.int64)
            if len(self._rests.keys) > MAX_HEARD:
                raise OverflowError("more distinct findings of radio and speed limits than an evidence key holds")
            key[rows] = -2 - ((key[rows] & ~np.int64(_REST)) | rest)
        return self._keys.code(key)

    def explained(self, code: int) -> tuple[int, int, int, tuple[int, ...], int]:
        """Take the evidence of a number apart.

        Returns:
            Codes of where, who and position source, the truth of each limit, and what was heard (`Heard.codes`; 0 is nothing).
        """
        key, heard = int(self.keys[code]), 0
        if key < 0:
            key = -2 - key
            whole = int(self._rests.keys[key & _REST])
            key, heard = (key & ~_REST) | (whole & _REST), whole >> 16
        rest = key & 0x1FFF
        latches: list[int] = []
        for _ in range(self._limits):
            rest, digit = divmod(rest, 3)
            latches.append(digit)
        return key >> 40, (key >> 16) & 0xFFFFFF, (key >> 13) & 0x7, tuple(reversed(latches)), heard


@njit(cache=True, nogil=True)
def _keys(where, who, source, latches):  # type: ignore[no-untyped-def]  # compiled; typed by numba
    """Pack the evidence of each row into one integer; see the module."""
    found = np.empty(len(where), np.int64)
    for i in range(len(where)):
        limits = np.int64(0)
        for k in range(latches.shape[1]):
            limits = limits * 3 + latches[i, k]
        found[i] = np.int64(where[i]) << 40 | np.int64(who[i]) << 16 | np.int64(source[i]) << 13 | limits
    return found
