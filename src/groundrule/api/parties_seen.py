"""By what name parties appear in answers: bodies to everybody inside, natural persons only to those who may know them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from groundrule.api.principal import Principal
from groundrule.evidence.readers import PUBLIC_BODIES
from groundrule.govern.signed import COMMITTED
from groundrule.govern.state import State
from groundrule.pipeline.parties import get_party
from groundrule.store.home import Home

NAMES: Final = "parties:names"
"""Permission to read who natural persons are, and who stands behind a commitment of the log."""
BODIES: Final = PUBLIC_BODIES | {"legal_entity"}


class PartyView(msgspec.Struct):
    """A party.

    Attributes:
        id: as the log names it: an id, or a commitment that stands for one.
        name: where the reader may know it; null otherwise.
        kind: as registered: `natural_person`, `legal_entity` and others; null where it is not known, or not shown.
    """

    id: str
    name: str | None = None
    kind: str | None = None


class Parties:
    """Names parties for one reader.

    Args:
        home: whose private register.
        principal: the reader.
        state: opens commitments for those who may know whom they stand for; None opens none.
    """

    def __init__(self, home: Home, principal: Principal, state: State | None = None) -> None:
        self._home, self._state = home, state
        self.persons = principal.may(NAMES)
        self._named: dict[str, PartyView] = {}

    def of(self, ref: str) -> PartyView:
        """Return a party."""
        found = self._named.get(ref)
        if found is None:
            found = self._named[ref] = self._look(ref)
        return found

    def each(self, refs: Iterable[str]) -> list[PartyView]:
        """Return parties in their order."""
        return [self.of(ref) for ref in refs]

    def known(self, ref: str) -> str:
        """Return the id of a party as the reader may know it: a commitment opened, or as it stands in the log."""
        if self.persons and self._state is not None and ref.startswith(COMMITTED):
            return self._state.party_of(ref)
        return ref

    def _look(self, ref: str) -> PartyView:
        party = self.known(ref)
        record = get_party(self._home, party) if party.startswith("party-") else None
        if record is None or not (self.persons or record.kind in BODIES):
            return PartyView(party)
        return PartyView(party, record.names[0].text, record.kind)
