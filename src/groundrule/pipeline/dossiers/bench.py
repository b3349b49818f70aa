"""What a dossier is composed from: the home opened once for reading, beside whoever writes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from groundrule.errors import InputError
from groundrule.evidence.dossier import LogHead, Reader
from groundrule.govern.charter import Charter
from groundrule.govern.objects import PartyRecord
from groundrule.govern.state import State
from groundrule.ledger.reader import LogReader, read_log
from groundrule.pipeline.governance_view import read_state
from groundrule.pipeline.home_ledger import has_ledger, log_folder
from groundrule.pipeline.parties import all_parties
from groundrule.store.home import Home


@dataclass(frozen=True, slots=True)
class Bench:
    """An opened home.

    Attributes:
        home: the home.
        state: governance as the log has it; empty where there is no log.
        log: the log; None without one. head: its published head.
        parties: the private register of parties, by id.
        units: organisational unit of each person of a charter, by id.
        now_ns: when the dossier is made [ns, UTC].
        reader: for whom.
    """

    home: Home
    state: State
    log: LogReader | None
    head: LogHead
    parties: Mapping[str, PartyRecord]
    units: Mapping[str, str]
    now_ns: int
    reader: Reader

    @classmethod
    def open(cls, home: Home, *, now_ns: int, reader: Reader = Reader.OPERATOR) -> Bench:
        """Read what governs a home and who is known in it.

        Raises:
            IntegrityError: something kept has been changed.
        """
        parties = {record.id: record for record in all_parties(home)}
        if not has_ledger(home):
            return cls(home, State(), None, LogHead(), parties, {}, now_ns, reader)
        log = read_log(log_folder(home))
        published = log.head
        head = LogHead() if published is None else LogHead(published.origin, published.size, published.root.hex())
        state = read_state(home)
        return cls(home, state, log, head, parties, _units(state.charters.values()), now_ns, reader)

    def of(self, ref: str) -> str:
        """Return the party behind a commitment where it can be opened here; everything else stands for itself."""
        return self.state.party_of(ref)

    def name(self, ref: str) -> str:
        """Return the name of a party, or empty."""
        record = self.parties.get(self.of(ref))
        return "" if record is None else record.names[0].text

    def kind(self, ref: str) -> str:
        """Return the kind of a party as registered, or empty."""
        record = self.parties.get(self.of(ref))
        return "" if record is None else record.kind

    def proved(self, index: int) -> bool:
        """Tell whether the published head covers an entry of the log."""
        return index < self.head.size


def _units(charters: Iterable[Charter]) -> dict[str, str]:
    found: dict[str, str] = {}
    for charter in charters:
        for person in charter.value["persons"]:
            found[str(person["party"])] = str(person["org_unit"])
    return found


def one_of(given: str, known: Mapping[str, object], what: str) -> str:
    """Return the only id that begins with what was given.

    Raises:
        InputError: none or several do.
    """
    matches = [each for each in known if each == given] or [each for each in known if len(given) >= 6 and each.startswith(given)]
    if len(matches) == 1:
        return matches[0]
    shown = ", ".join(list(known)[:5]) or "none"
    raise InputError(
        f"{'no' if not matches else 'more than one'} {what} `{given[:80]}`",
        help=f"known: {shown}" if not matches else "give more of its id",
    )
