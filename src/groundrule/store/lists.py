"""Which terminals are on which list, in which state: entries matched by several identifiers, and counted per holder.

1. An entry names a device by terminal id, KIT number, UTID or dish id, in any combination, or a whole account. All
   given identifiers that the register knows must mean one device; an entry that contradicts itself matches nothing
   and is reported.
2. An entry past its end is `expired`.
3. Devices of a holder count in order of submission (then entry id, then terminal id), revoked and expired entries not;
   those beyond the quota of the entry's legal class are `over_quota`.
4. A terminal on a list through several entries has the best state among them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from groundrule.canon import SCHEME
from groundrule.instant import MAX_NS
from groundrule.store.entities import DEFAULT_QUOTAS, LEGAL_CLASSES, UNLIMITED

DEVICE_IDENTIFIERS = ("terminal_id", "kit_number", "utid", "dish_id")
BEST_FIRST = ("active", "pending", "submitted", "over_quota", "expired", "revoked")
_NOTES_SHOWN = 20


@dataclass(slots=True)
class Matcher:
    """Finds the rows of the terminals that entries name.

    Attributes:
        wanted: by identifier, the values that entries give.
        rows: by identifier, value → rows of terminals.
        accounts: row → account, for rows that an entry may mean.
        ids: row → terminal id, likewise.
    """

    wanted: Mapping[str, frozenset[str]]
    rows: dict[str, dict[str, list[int]]] = field(default_factory=dict)
    accounts: dict[int, str | None] = field(default_factory=dict)
    ids: dict[int, str] = field(default_factory=dict)

    @classmethod
    def of(cls, entries: Iterable[Mapping[str, Any]]) -> Matcher:
        """A matcher for what some entries name."""
        names = (*DEVICE_IDENTIFIERS, "account_id")
        listed = list(entries)
        return cls({name: frozenset(entry[name] for entry in listed if entry[name]) for name in names})

    def meet(self, row: int, terminal: Mapping[str, Any]) -> None:
        """Remember a terminal if some entry may mean it."""
        for name, values in self.wanted.items():
            value = terminal[name]
            if value in values:
                self.rows.setdefault(name, {}).setdefault(value, []).append(row)
                self.accounts[row] = terminal["account_id"]
                self.ids[row] = terminal["terminal_id"]

    def match(self, entry: Mapping[str, Any]) -> tuple[list[int], bool]:
        """Rows that an entry means, by terminal id, and whether its identifiers contradict each other."""
        named = [(name, entry[name]) for name in DEVICE_IDENTIFIERS if entry[name]]
        by_account = self.rows.get("account_id", {}).get(entry["account_id"], []) if entry["account_id"] else []
        if not named:
            return sorted(by_account, key=self.ids.__getitem__), False
        met = {row for name, value in named for row in self.rows.get(name, {}).get(value, [])}
        if len(met) > 1:
            return [], True
        for row in met:
            if entry["account_id"] and self.accounts[row] and self.accounts[row] != entry["account_id"]:
                return [], True
        return sorted(met), False


def resolve(
    entries: Sequence[Mapping[str, Any]], quotas: Mapping[str, Mapping[str, int]], matcher: Matcher, *, valid_at_ns: int
) -> tuple[dict[int, tuple[tuple[str, str], ...]], list[str]]:
    """Work out the lists of each terminal.

    Args:
        entries: rows of `list_entries` that hold.
        quotas: list id → legal class → most devices per holder (-1 unlimited).
        matcher: has met all terminals.
        valid_at_ns: the instant that is asked for [ns, UTC].
    Returns:
        Row → sorted pairs (list id, state), for terminals on some list; and notes for people.
    """
    used: dict[tuple[str, str], set[str]] = {}
    states: dict[int, dict[str, str]] = {}
    contradictory: list[str] = []
    for entry in sorted(entries, key=_turn):
        rows, contradiction = matcher.match(entry)
        if contradiction:
            contradictory.append(entry["entry_id"])
            continue
        state = effective_state(entry, valid_at_ns)
        list_id = entry["list_id"]
        quota = quotas.get(list_id, DEFAULT_QUOTAS).get(entry["legal_class"], UNLIMITED)
        devices = used.setdefault((list_id, entry["holder"]), set())
        for row in rows or (None,):
            device = (
                matcher.ids[row]
                if row is not None
                else next(f"{name}={entry[name]}" for name in (*DEVICE_IDENTIFIERS, "account_id") if entry[name])
            )
            given = state
            if state in ("submitted", "pending", "active"):
                if device not in devices and quota != UNLIMITED and len(devices) >= quota:
                    given = "over_quota"
                else:
                    devices.add(device)
            if row is not None:
                held = states.setdefault(row, {})
                if list_id not in held or BEST_FIRST.index(given) < BEST_FIRST.index(held[list_id]):
                    held[list_id] = given
    notes = []
    if contradictory:
        shown = ", ".join(f"`{one}`" for one in contradictory[:_NOTES_SHOWN])
        notes.append(
            f"{len(contradictory)} list entries whose identifiers mean different terminals count for none: {shown}"
        )
    return {row: tuple(sorted(held.items())) for row, held in states.items()}, notes


def effective_state(entry: Mapping[str, Any], valid_at_ns: int) -> str:
    """The state of an entry, `expired` past its end (half-open)."""
    expires = entry["expires_at"]
    if expires is not None and expires <= valid_at_ns and entry["state"] != "revoked":
        return "expired"
    return str(entry["state"])


def quotas_of(lists: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    """Quotas by list and legal class; what a list does not state is the default."""
    return {
        row["list_id"]: {
            name: DEFAULT_QUOTAS[name] if row[f"quota_{name}"] is None else int(row[f"quota_{name}"])
            for name in LEGAL_CLASSES
        }
        for row in lists
    }


def version_of(
    entries: Iterable[Mapping[str, Any]], quotas: Mapping[str, Mapping[str, int]], *, valid_at_ns: int
) -> str:
    """Digest of what decisions can see of the lists: quotas and entries with their effective state."""
    hasher = hashlib.sha256()
    for list_id in sorted(quotas):
        hasher.update(f"{list_id!r} {sorted(quotas[list_id].items())!r}\n".encode())
    names = (*DEVICE_IDENTIFIERS, "account_id", "legal_class", "holder", "submitted_at")
    for entry in sorted(entries, key=lambda entry: str(entry["entry_id"])):
        told = (
            entry["entry_id"],
            entry["list_id"],
            *(entry[name] for name in names),
            effective_state(entry, valid_at_ns),
        )
        hasher.update(f"{told!r}\n".encode())
    return SCHEME + hasher.hexdigest()


def _turn(entry: Mapping[str, Any]) -> tuple[int, str]:
    submitted = entry["submitted_at"]
    return (MAX_NS if submitted is None else submitted, entry["entry_id"])
