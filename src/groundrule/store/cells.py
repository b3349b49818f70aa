"""Is a 64-bit number an H3 cell? The test of the H3 library, for whole columns.

    63  62..59  58..56  55..52      51..45     44..42  …  2..0
    0   mode 1  0       resolution  base cell  digit 1 … digit 15

Digits up to the resolution are 0 to 6, those beyond it 7; a pentagon's first non-zero digit is not 1.
Source: H3 documentation, "H3 index representations"; pentagons are the base cells listed in `baseCells.c`.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

_PENTAGONS = np.zeros(128, np.bool_)
_PENTAGONS[[4, 14, 24, 38, 49, 58, 63, 72, 83, 97, 107, 117]] = True


@njit(cache=True)
def _valid(cells, pentagons, answer):  # type: ignore[no-untyped-def]  # compiled; typed by numba
    for i in range(len(cells)):
        cell = cells[i]
        base = np.int64((cell >> np.uint64(45)) & np.uint64(127))
        resolution = np.int64((cell >> np.uint64(52)) & np.uint64(15))
        ok = (cell >> np.uint64(56)) == np.uint64(8) and base < 122
        leading = np.int64(0)
        for digit_number in range(1, 16):
            digit = np.int64((cell >> np.uint64(3 * (15 - digit_number))) & np.uint64(7))
            if digit_number > resolution:
                ok = ok and digit == 7
            else:
                ok = ok and digit != 7
                if leading == 0:
                    leading = digit
        answer[i] = ok and not (pentagons[base] and leading == 1)


def is_cell(cells: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Return which numbers are H3 cells (bool, shape (n,))."""
    answer = np.empty(len(cells), np.bool_)
    _valid(cells, _PENTAGONS, answer)
    return answer
