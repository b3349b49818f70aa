"""Revocation with cascade: what hangs on a revoked body goes to review with a deadline, and nobody is cut off at once.

    "cascade": {"of": "dealer-9", "due_ns": "…", "entries": ["entry-…"], "spared": ["entry-…"]}

On a body hang the entries that it sponsors, the entries of its accounts, and those of terminals of these accounts. Each of
them stays as it is until the deadline, at most; then it lapses unless a batch has stated it again. Who was coerced is
spared: a straw registrant under threat is no accomplice, and the people behind a registration may be refugees who know
nothing of it. The set is worked out again before the proposal is logged and before it is enacted, so that it is the whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import sqlalchemy as sa

from groundrule.canon import canonical_json, parse_canonical
from groundrule.errors import InputError, IntegrityError
from groundrule.govern.refusal import refuse
from groundrule.instant import MAX_NS, NS_PER_DAY
from groundrule.store.durable import write_durably
from groundrule.store.entities import ENTITIES
from groundrule.store.home import Home
from groundrule.store.policy import stated
from groundrule.store.registers import TABLES

CASCADE: Final = "cascade"
LEAST_NS: Final = 3 * NS_PER_DAY
"""Nobody has less than the time of a review."""
MOST_NS: Final = 30 * NS_PER_DAY
_FIELDS: Final = frozenset({"of", "due_ns", "entries", "spared"})
_LIVING: Final = ("submitted", "pending", "active")
_NAMES: Final = ("entry_id", *ENTITIES["list_entries"].attributes)
_EXPIRES: Final = _NAMES.index("expires_at")

Row = tuple[Any, ...]


def hanging(connection: sa.Connection, rows: Iterable[Row], body: str) -> set[str]:
    """Return the living entries that hang on a body, and are not its own.

    Args:
        rows: entries of one list, as stated.
        body: a party, account or dealer, as entries and accounts name it.
    """
    accounts = {body} | _now(connection, "accounts", "party_id", {body})
    terminals = _now(connection, "terminals", "account_id", accounts)
    found = set()
    for row in rows:
        entry = dict(zip(_NAMES, row, strict=False))
        hangs = entry["sponsor"] == body or entry["account_id"] in accounts or entry["terminal_id"] in terminals
        if hangs and entry["holder"] != body and entry["state"] in _LIVING:
            found.add(entry["entry_id"])
    return found


def _now(connection: sa.Connection, kind: str, name: str, wanted: set[str]) -> set[str]:
    """Return the keys of a register whose newest statement names one of these values."""
    column = TABLES[kind].c[name]
    keys = {row[0] for row in stated(connection, kind, column.in_(sorted(wanted)))}
    place = 1 + list(ENTITIES[kind].attributes).index(name)
    latest = {row[0]: row[place] for row in stated(connection, kind, TABLES[kind].c[ENTITIES[kind].key].in_(sorted(keys)))}
    return {key for key, value in latest.items() if value in wanted}


def draft_cascade(home: Home, connection: sa.Connection, list_id: str, body: str, *, due_ns: int) -> dict[str, Any]:
    """Return the cascade of a batch: the whole set, with who is spared as coerced.

    Raises:
        ConflictError: `nothing_hangs`.
    """
    held_rows = {row[0]: row for row in stated(connection, "list_entries", TABLES["list_entries"].c.list_id == list_id)}
    found = hanging(connection, held_rows.values(), body)
    if not found:
        raise refuse("nothing_hangs", "nothing hangs on it in this list", help="revoke its own entries with `remove`")
    marks = coerced(home)
    held = {key: dict(zip(_NAMES, row, strict=False)) for key, row in held_rows.items()}
    spared = {key for key in found if {held[key]["holder"], held[key]["sponsor"]} & marks.keys()}
    return {"of": body, "due_ns": str(due_ns), "entries": sorted(found - spared), "spared": sorted(spared)}


def cascade_rows(
    present: Mapping[str, Row], stated_now: Mapping[str, Row], given: Any, at_ns: int, until_ns: int | None
) -> dict[str, Row]:
    """Return what a cascade states: its entries end at the deadline, and not before.

    Args:
        present: entries of the list before the batch.
        stated_now: entries that the batch itself states; they are no longer part of the cascade.
        given: `cascade` of the batch.
        at_ns, until_ns: when it holds [ns, UTC].
    Raises:
        ConflictError: `cascade_too_soon`, `entry_unknown`.
        InputError: the cascade is not what it must be.
    """
    due, entries, _ = _read(given)
    if not at_ns + LEAST_NS <= due <= at_ns + MOST_NS:
        raise refuse(
            "cascade_too_soon", "the deadline of a cascade is 3 to 30 days after it takes effect",
            help="nobody loses service before a review could have been held",
        )  # fmt: skip
    if entries - present.keys():
        raise refuse("entry_unknown", "a cascade names an entry that is not on the list", help="draft it again")
    made = {}
    for key in sorted(entries - stated_now.keys()):
        row = present[key]
        ends = due if row[_EXPIRES] is None else min(row[_EXPIRES], due)
        made[key] = (*row[:_EXPIRES], ends, *row[_EXPIRES + 1 : -2], at_ns, until_ns or MAX_NS)
    return made


def check_cascade(connection: sa.Connection, present: Mapping[str, Row], batch: Mapping[str, Any]) -> None:
    """Check that a cascade is all that hangs on the body now; accounts and terminals may change afterwards.

    Raises:
        ConflictError: `cascade_differs`. InputError: the cascade is not what it must be.
    """
    _, entries, spared = _read(batch[CASCADE])
    removed = set(batch.get("remove") or ())
    wanted = hanging(connection, present.values(), str(batch[CASCADE]["of"])) - removed
    if entries & spared or (entries | spared) - removed != wanted:
        raise refuse("cascade_differs", "the cascade is not the set that hangs on it now", help="draft it again")


def _read(given: Any) -> tuple[int, set[str], set[str]]:
    if not isinstance(given, Mapping) or given.keys() != _FIELDS:
        raise InputError("the cascade of a batch has other fields", help=f"exactly {', '.join(sorted(_FIELDS))}")
    try:
        return int(given["due_ns"]), set(given["entries"]), set(given["spared"])
    except (TypeError, ValueError):
        raise InputError("the cascade of a batch cannot be read", help="make it with: groundrule batch cascade") from None


# --- who was coerced --------------------------------------------------------------------------------------------------------


def mark_coerced(home: Home, holder: str, *, basis: str, at_ns: int) -> None:
    """Remember that a holder or sponsor acted under coercion; private, and never published.

    Args:
        basis: id of the concluded review, or digest of the duress report, that says so.
        at_ns: when [ns, UTC].
    """
    marks = coerced(home) | {holder: {"basis": basis, "at_ns": str(at_ns)}}
    path = home.path / "governance" / "coerced.json"
    write_durably(path, canonical_json(marks))
    path.chmod(0o600)


def coerced(home: Home) -> dict[str, Any]:
    """Return who is known to have been coerced, with the basis of each."""
    path = home.path / "governance" / "coerced.json"
    if not path.exists():
        return {}
    try:
        value = parse_canonical(path.read_bytes())
    except InputError:
        value = None
    if not isinstance(value, dict):
        raise IntegrityError(f"`{path}` has been changed", help="restore it from a copy")
    return value
