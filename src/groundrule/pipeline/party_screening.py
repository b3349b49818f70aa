"""Parties compared with the lists of a home, as objects of the log: every candidate, and who owns half of whom.

A screening names the lists by date and digest and the algorithm by version. It never clears by itself: a candidate waits until
a registrar has decided it, with a reason; only one that agrees in nothing but a weak name does not. Ownership is rolled
up over the private register of parties to a fixed point: who is held for half or more by listed parties, or by parties
that count as listed, counts as listed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from groundrule.errors import ConflictError, InputError
from groundrule.govern.charter import Limits
from groundrule.govern.objects import PartyRecord, Screening, new_id
from groundrule.govern.signed import NS_PER_HOUR, format_time, whole_ms
from groundrule.govern.state import State
from groundrule.pipeline.parties import all_parties, get_party
from groundrule.screen.match import ALGORITHM, Candidate, NameIndex, Query, Verdict
from groundrule.screen.names import NameKind
from groundrule.store.home import Home
from groundrule.store.sanctions import SanctionsLists

HALF_BP: Final = 5_000
COUNTED: Final = (Verdict.CANDIDATE, Verdict.STRONG_CANDIDATE)
"""Verdicts that wait for a registrar; a name that the publisher calls weak is logged, and waits for nobody."""
_KINDS: Final = {
    "natural_person": NameKind.PERSON,
    "head_of_state_or_government": NameKind.PERSON,
    "legal_entity": NameKind.ENTITY,
    "government_body": NameKind.ENTITY,
    "international_org": NameKind.ENTITY,
}
_BIRTH: Final = "birth_date"


@dataclass(frozen=True, slots=True)
class Screened:
    """One party, compared.

    Attributes:
        screening: for the log.
        found: candidates with everything that speaks for and against them, for the registrar: source and candidate.
    """

    screening: Screening
    found: tuple[tuple[str, Candidate], ...]


def screen_parties(home: Home, state: State, parties: Iterable[str], *, now_ns: int) -> list[Screened]:
    """Compare parties with the newest list of every source that the home holds.

    Args:
        state: for limits, and for what is known of owners.
        parties: ids; each must be in the private register.
        now_ns: the time [ns].
    Raises:
        ConflictError: the home holds no list. InputError: nothing is known of a party.
    """
    assert state.charter is not None
    records = []
    for party in parties:
        record = get_party(home, party)
        if record is None:
            raise InputError(f"nothing is known of `{party}`, so it cannot be screened", help="describe it: groundrule request party")
        records.append(record)
    with SanctionsLists.open(home) as held:
        snapshots = [held.load(each) for _, each in sorted(held.newest_by_source().items())]
    if not snapshots:
        raise ConflictError("this home holds no list to screen with", help="import one: groundrule lists import FILE")
    indexes = [(snapshot, NameIndex(snapshot.entries)) for snapshot in snapshots]
    used = [{**each.ref, "date": each.ref["date"][:10]} for each in snapshots]
    found = [
        tuple((snapshot.source, each) for snapshot, index in indexes for each in index.screen_many([_query(record)])[0])
        for record in records
    ]
    maybe = {record.id: any(each.verdict in COUNTED for _, each in some) for record, some in zip(records, found, strict=True)}
    owners = _ownership(home, state, maybe)
    return [
        Screened(_screening(record.id, used, some, owners.get(record.id, ()), state.charter.limits, now_ns), some)
        for record, some in zip(records, found, strict=True)
    ]


def disposed(screening: Screening, entry_uid: str, *, disposition: str, by: str, reason: str) -> Screening:
    """Return the screening again, under a new id, with one candidate decided by a registrar.

    Raises:
        InputError: there is no such candidate.
    """
    value = screening.value
    uids = [each["entry_uid"] for each in value["candidates"]]
    if entry_uid not in uids:
        raise InputError(f"`{entry_uid[:80]}` is no candidate of `{screening.id}`", help=f"candidates: {', '.join(uids) or 'none'}")
    for each in value["candidates"]:
        if each["entry_uid"] == entry_uid:
            each |= {"disposition": disposition, "by": by, "reason": reason}
    return Screening.parse(value | {"id": new_id("screening", os.urandom(16))})


def _screening(
    party: str,
    used: Sequence[Mapping[str, str]],
    found: Sequence[tuple[str, Candidate]],
    owners: Sequence[Mapping[str, Any]],
    limits: Limits,
    now_ns: int,
) -> Screening:
    best: dict[str, tuple[int, bool]] = {}
    for source, each in found:
        uid = f"{source}:{each.uid}"
        score, counts = best.get(uid, (0, False))
        best[uid] = max(score, min(each.score, 1000)), counts or each.verdict in COUNTED
    at = whole_ms(now_ns)
    return Screening.parse(
        {
            "id": new_id("screening", os.urandom(16)),
            "subject": party,
            "snapshots": list(used),
            "algorithm": ALGORITHM,
            "candidates": [
                {"entry_uid": uid, "score": score, "disposition": "unresolved" if counts else "weak", "by": None, "reason": ""}
                for uid, (score, counts) in sorted(best.items(), key=lambda item: (-item[1][0], item[0]))
            ],
            "ownership": list(owners),
            "performed_at": format_time(at),
            "valid_until": format_time(at + limits.screening_hours * NS_PER_HOUR),
        }
    )


def _query(record: PartyRecord) -> Query:
    identifiers = [(each.scheme, each.value_) for each in record.identifiers]
    return Query(
        tuple(name.text for name in record.names),
        _KINDS.get(record.kind, NameKind.UNKNOWN),
        tuple(value for scheme, value in identifiers if scheme == _BIRTH),
        (record.jurisdiction,) if record.jurisdiction else (),
        tuple((scheme, value) for scheme, value in identifiers if scheme != _BIRTH),
    )


def _ownership(home: Home, state: State, open_now: Mapping[str, bool]) -> dict[str, list[dict[str, Any]]]:
    """Return who holds shares of whom, with whether the holder is, counts as, or may be listed."""
    held: dict[str, list[tuple[str, int]]] = {}
    for record in all_parties(home):
        for control in record.controls:
            if control.kind == "owns" and control.share_bp and control.to is None:
                held.setdefault(control.party, []).append((record.id, control.share_bp))
    status = {party: _status(state, party) for holders in held.values() for party, _ in holders}
    changed = True
    while changed:
        changed = False
        for owned, holders in held.items():
            share = sum(bp for party, bp in holders if status.get(party) == "listed")
            if share >= HALF_BP and status.get(owned) not in ("listed", None):
                status[owned] = "listed"
                changed = True
    return {
        owned: [
            {"party": party, "path": [], "share_bp": min(bp, 10_000),
             "result": "unknown" if open_now.get(party) and status[party] != "listed" else status[party]}
            for party, bp in sorted(holders)
        ]
        for owned, holders in held.items()
    }  # fmt: skip


def _status(state: State, party: str) -> str:
    found = state.screening_of(party)
    if found is None:
        return "unknown"
    if found.screening.listed:
        return "listed"
    return "unknown" if found.screening.unresolved else "not_listed"
