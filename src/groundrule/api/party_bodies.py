"""Parties in requests: an id of one that is known, or a description of one that is not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import msgspec

from groundrule.api.problems import Refused
from groundrule.govern.objects import PartyRecord
from groundrule.pipeline.parties import check_same, get_party
from groundrule.store.home import Home

Word = Annotated[str, msgspec.Meta(min_length=1, max_length=400)]


class IdentifierGiven(msgspec.Struct, forbid_unknown_fields=True):
    """A number under which others know a party: scheme and value."""

    scheme: Word
    value: Word


class PartyGiven(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A party as somebody describes it; it stays in the home, and the log gets an id.

    Attributes:
        kind: natural_person, legal_entity, government_body, head_of_state_or_government, international_org or unknown.
        names: as written, and in every other spelling that is known.
        id: of a party that is known by it.
        jurisdiction: country.
        identifiers: numbers under which others know it.
    """

    kind: Word
    names: Annotated[list[Word], msgspec.Meta(min_length=1, max_length=50)]
    id: Word | None = None
    jurisdiction: Word | None = None
    identifiers: Annotated[list[IdentifierGiven], msgspec.Meta(max_length=50)] = []


def party_value(given: str | PartyGiven | None) -> Any:
    """Return a party in the form that documents have."""
    return msgspec.to_builtins(given) if isinstance(given, PartyGiven) else given


def check_known(home: Home, records: Iterable[PartyRecord]) -> None:
    """Refuse to put another party under an id that is known, and one that nobody may describe twice in passing.

    Raises:
        ConflictError: the two share no name.
    """
    for record in records:
        if (known := get_party(home, record.id)) is not None:
            check_same(known, record)


def check_exclusive(**given: object) -> str:
    """Return the one name under which something is given.

    Raises:
        Refused: 422, none or several are.
    """
    found = [name for name, value in given.items() if value is not None]
    if len(found) != 1:
        said = f"{len(found)} of {' and '.join(given)} are given"
        raise Refused(422, said, code="bad_input", field=next(iter(given)), help=f"give exactly one of {', '.join(given)}")
    return found[0]
