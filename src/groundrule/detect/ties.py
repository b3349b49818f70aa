"""What connects terminals besides their account: who sold them, who pays, and how the holder is reached.

These come from registers that not every operator has; without them everything is unknown and nothing follows. A contact (an
e-mail address, a telephone number, a card) never comes here: only a salted digest of it, as good as the contact for saying that
two are the same, and for nothing else. A dealer or payer is a party's id.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from groundrule.detect.rows import Facts
from groundrule.instant import MIN_NS

KINDS: Final = ("account", "party", "contact", "payer", "dealer")
"""What may connect two terminals, the closest first."""


class Members:
    """Which terminals a body has, for many bodies: one sort instead of one search for each."""

    def __init__(self, number: NDArray[np.int32]) -> None:
        known = np.flatnonzero(number >= 0).astype(np.int32)
        self._order = known[np.argsort(number[known], kind="stable")]
        self._number = number[self._order]

    def of(self, number: int) -> NDArray[np.int32]:
        """Rows of a body's terminals, ascending."""
        # Of the column's own type: another would be made of the whole column first.
        begin, end = np.searchsorted(self._number, np.array([number, number + 1], self._number.dtype))
        return self._order[begin:end]


@dataclass(slots=True)
class Ties:
    """One element for each terminal in memory.

    Attributes:
        contact, payer, dealer: numbers (int32; -1 unknown).
        quota: terminals that the holder may have (int32; -1 unknown or unlimited).
        changed_ns: when the account's party, contact or payer last changed [ns, UTC; MIN_NS never or unknown].
        contacts, payers, dealers: digests and ids by number.
    """

    contact: NDArray[np.int32]
    payer: NDArray[np.int32]
    dealer: NDArray[np.int32]
    quota: NDArray[np.int32]
    changed_ns: NDArray[np.int64]
    contacts: Sequence[str] = ()
    payers: Sequence[str] = ()
    dealers: Sequence[str] = ()

    @classmethod
    def unknown(cls, terminals: int) -> Ties:
        """Return the ties of terminals of which nobody knows any."""
        contact, payer, dealer, quota = (np.full(terminals, -1, np.int32) for _ in range(4))
        return cls(contact, payer, dealer, quota, np.full(terminals, MIN_NS, np.int64))

    def __len__(self) -> int:
        return len(self.contact)

    def of_kind(self, kind: str, facts: Facts) -> NDArray[np.int32]:
        """Numbers of the bodies of one of KINDS, one for each terminal."""
        column: NDArray[np.int32] = getattr(facts if kind in {"account", "party"} else self, kind)
        return column

    def name(self, kind: str, number: int, facts: Facts) -> str:
        """Id of a body, with its kind: `account:ACC-1`."""
        names = {
            "account": facts.accounts, "party": facts.parties, "contact": self.contacts, "payer": self.payers, "dealer": self.dealers,
        }[kind]  # fmt: skip
        return f"{kind}:{names[number] if number < len(names) else number}"
