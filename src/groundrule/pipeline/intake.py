"""From what a registrar writes down to the objects of the log: requests, their parties and texts.

    requester: {kind: legal_entity, names: [Harbour Lines (invented)]}      or the id of a known party
    on_behalf_of: [{kind: …, names: […]}]                                    or self, unknown, an id
    conveyed_by: …
    text: letter.txt                                                         kept in the home; the log holds its digest

Names and texts stay in the home. What is public is what the fields of `Request` hold: keep names of persons out of
`detail` and reasons.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from groundrule.errors import InputError
from groundrule.govern.objects import PartyRecord, Request, new_id
from groundrule.govern.signed import SELF, UNKNOWN, format_time, whole_ms
from groundrule.pipeline.parties import party_record

REQUEST_FIELDS: Final = frozenset(
    {
        "requester", "on_behalf_of", "conveyed_by", "channel", "received_by", "occurred_at", "received_at", "text",
        "ask", "legal_basis", "purpose", "appeal_of",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Intake:
    """A request ready for the log.

    Attributes:
        request: with ids in place of names.
        parties: what becomes known of parties.
        text: the original text or the note of the talk.
    """

    request: Request
    parties: tuple[PartyRecord, ...]
    text: bytes


def take_request(draft: Mapping[str, Any], *, read: Callable[[str], bytes], now_ns: int) -> Intake:
    """Make the objects of a written request.

    Args:
        draft: the document; times as signed objects write them.
        read: gives the content of a file that the document names.
        now_ns: when it is recorded [ns].
    Raises:
        InputError: a field is missing, unknown or not what it must be.
    """
    check_fields(draft, REQUEST_FIELDS, "the request")
    if not isinstance(draft.get("text"), str):
        raise InputError("a request without its text", help="text: FILE with the letter, or with a note of the talk")
    text = read(draft["text"])
    found: dict[str, PartyRecord] = {}
    chain = draft.get("on_behalf_of", [SELF])
    if not isinstance(chain, list):
        raise InputError("`on_behalf_of` is no list", help="[self], or the chain to the real principal, in order")
    at = whole_ms(now_ns)
    request = Request.parse(
        {
            "id": new_id("request", os.urandom(16)),
            "requester": take_party(draft.get("requester"), found, "requester"),
            "on_behalf_of": [take_party(each, found, "on_behalf_of", also=(SELF, UNKNOWN)) for each in chain],
            "conveyed_by": None if draft.get("conveyed_by") is None else take_party(draft["conveyed_by"], found, "conveyed_by"),
            "channel": draft.get("channel"),
            "received_by": draft.get("received_by"),
            "occurred_at": draft.get("occurred_at") or draft.get("received_at") or format_time(at),
            "received_at": draft.get("received_at") or format_time(at),
            "recorded_at": format_time(at),
            "text_sha256": sha256(text).hexdigest(),
            "ask": [_ask(each) for each in draft.get("ask") or []],
            "legal_basis": draft.get("legal_basis") or {"kind": "none_stated", "reference": ""},
            "purpose": draft.get("purpose"),
            "appeal_of": draft.get("appeal_of"),
            "outcome": "pending",
            "outcome_reason": "",
        }
    )
    return Intake(request, tuple(found.values()), text)


def take_party(value: Any, found: dict[str, PartyRecord], where: str, *, also: tuple[str, ...] = ()) -> str:
    """Return the id of a party given by id or by description; descriptions go into `found` under a new id.

    A description may hold `id`, to say that it is a party that is known by it.
    """
    if isinstance(value, Mapping):
        party = str(value.get("id") or new_id("party", os.urandom(16)))
        record = party_record(value, party)
        for earlier in found.values():
            if earlier.names == record.names and earlier.kind == record.kind:
                return earlier.id
        found[record.id] = record
        return record.id
    if isinstance(value, str) and (value in also or value.startswith("party-")):
        return value
    raise InputError(
        f"`{where}` is `{value!s:.60}`", help=f"a party id, a description with kind and names{', or ' + ' or '.join(also) if also else ''}"
    )


def check_fields(draft: Mapping[str, Any], known: frozenset[str], what: str) -> None:
    """Refuse a field that nobody would read."""
    if strange := sorted(set(draft) - known):
        raise InputError(f"{what} has an unknown field `{strange[0][:40]}`", help=f"known: {', '.join(sorted(known))}")


def _ask(value: Any) -> Any:
    return {"from": None, "until": None, "detail": "", **value} if isinstance(value, Mapping) else value


