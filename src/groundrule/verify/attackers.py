"""Attackers: against whom a verdict stands.

| class | ability |
|---|---|
| A0 | false GNSS, honest modem |
| A1 | and a constant hidden delay; A1D: ranges forged, Doppler honest; A1R: Doppler forged, ranges honest |
| A2 | and any delay added per slot, Doppler forged: what remains is that delay cannot be negative (T4) |
| A3 | and sending early: what remains is the beam |
| A4 | an honest terminal that relays for somebody elsewhere: invisible to radio, and no class here |

Assurance is the strongest class against which the verdict still stands, never above what the declared trust of the values
allows: reported by the terminal A0, measured by the network A1, bound to a nonce or attested A2. A missing flag counts as
reported by the terminal. Good residuals never raise it.

Source: section 11 of the specification.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from groundrule.verify.verdict import Verdict

Ints = NDArray[np.int64]

CLASSES = ("A0", "A1", "A1D", "A1R", "A2", "A3")
A0, A1, A1D, A1R, A2, A3 = range(6)
FREE_DELAY_M = 1e6
"""Prior sigma of the delay against A1: nothing is known of it."""


class Assurance(IntEnum):
    """Against whom a verdict stands; NONE where there is no conclusion."""

    NONE = 0
    BEAM_ONLY = 1
    A0 = 2
    A1 = 3
    A2 = 4

    @property
    def word(self) -> str:
        """Lower case, as in rules and files."""
        return self.name.lower()


_CAP = (A0, A1, A2, A2)  # by index into `measurements.TRUST`


def assurance(verdicts: Ints, final: Ints, trust: Ints) -> Ints:
    """Return the assurance of each verdict.

    Args:
        verdicts: verdict per class [n, 6]. final: the verdict [n].
        trust: weakest trust among the values used, index into `measurements.TRUST`; -1: no range or rate was used [n].
    """
    n = len(final)
    out = np.full(n, int(Assurance.NONE), np.int64)
    concluded = (final == int(Verdict.CONSISTENT)) | (final == int(Verdict.INCONSISTENT))
    cap = np.array((*_CAP, -1))[trust]  # -1 picks the last
    standing = concluded.copy()
    for which, level in ((A0, Assurance.A0), (A1, Assurance.A1), (A2, Assurance.A2)):
        standing &= (verdicts[:, which] == final) & (cap >= which)
        out[standing] = int(level)
    # Only the footprint is confirmed or excluded.
    beam = (trust < 0) & ((verdicts[:, A3] == int(Verdict.INCONSISTENT)) | (verdicts[:, A3] == int(Verdict.CONSISTENT)))
    out[beam] = int(Assurance.BEAM_ONLY)
    return out
