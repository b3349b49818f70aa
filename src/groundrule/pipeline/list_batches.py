"""Lists, programmes and waivers as changes: batches of entries with states, and quotas for each legal class.

A batch is one JSON object; its digest is what approvers sign, and its random `salt` keeps that digest from being guessed:

    {"v": 1, "salt": "<32 hex>", "list": {"title": …, "source": …, "quota_individual": …} or null,
     "add": [{"terminal_id": …, "holder": …, "state": …, "legal_class": …, "expires_at_ns": "…"}], "remove": ["entry-…"]}

It may be `signed` by a body that submits (`submitters`), and may hold a `cascade` (`cascades`).

An entry that is added again moves to its new state, as far as states allow. Removing an entry revokes it; nothing is
forgotten. Who holds more devices than a list allows for the holder's legal class gets none of the batch: it is refused as
a whole, so that what was signed is what happens.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import sqlalchemy as sa

from groundrule.canon import canonical_json, digest
from groundrule.errors import InputError
from groundrule.govern.refusal import refuse
from groundrule.instant import MAX_NS
from groundrule.pipeline.cascades import CASCADE, cascade_rows
from groundrule.pipeline.submitters import SIGNED, check_signed, parse_submitters
from groundrule.store.entities import DEFAULT_QUOTAS, ENTITIES, IDENTIFIERS, LEGAL_CLASSES, NEXT_STATES, UNLIMITED
from groundrule.store.policy import Enacting, lists_salt, stated
from groundrule.store.registers import POLICY_KINDS, TABLES, Registers

_SALT = re.compile(r"[0-9a-f]{32,64}")
_KIND_OF = {"list": "lists", "programme": "programmes", "waiver": "list_entries"}
_LIVING = ("submitted", "pending", "active")
_BATCH = frozenset({"v", "salt", "list", "add", "remove"})
SUBMITTERS = "submitters"
_ENTRY = ENTITIES["list_entries"]


@dataclass(frozen=True, slots=True)
class Write:
    """What one register is to state.

    Attributes:
        kind: the register.
        rows: (key, attributes in order, valid_from, valid_until), keys distinct.
    """

    kind: str
    rows: tuple[tuple[Any, ...], ...]


def write_all(enacting: Enacting, writes: Iterable[Write]) -> None:
    """Write what a plan says, each kind as one revision, in the transaction of an enactment."""
    by_kind: dict[str, list[tuple[tuple[Any, ...], ...]]] = {}
    for write in writes:
        by_kind.setdefault(write.kind, []).append(write.rows)
    for kind in POLICY_KINDS:
        if kind in by_kind:
            with enacting.recording(kind) as recording:
                for rows in by_kind[kind]:
                    recording.put(rows)


def list_before(registers: Registers, kind: str, key: str) -> str | None:
    """Return the digest of a list with its entries, of a programme or of an entry as stated now; None if there is none."""
    register = _KIND_OF[kind]
    with registers.reading() as connection:
        found = stated(connection, register, TABLES[register].c[ENTITIES[register].key] == key)
        if kind == "waiver":
            found = [row for row in found if row[1 + list(_ENTRY.attributes).index("state")] != "revoked"]
        entries = []
        if kind == "list":
            entries = stated(connection, "list_entries", TABLES["list_entries"].c.list_id == key)
        salt = lists_salt(connection).hex()
    if not found and not entries:
        return None
    return sha256(canonical_json([salt, [_text(row) for row in found], [_text(row) for row in entries]])).hexdigest()


def _text(row: Sequence[Any]) -> list[str | None]:
    return [None if value is None else str(value) for value in row]


def programme_write(key: str, value: Mapping[str, Any], at_ns: int, until_ns: int | None) -> Write:
    """Return what the register is to state of a programme."""
    names = tuple(ENTITIES["programmes"].attributes)
    _only(value, names, f"programme `{key[:80]}`")
    return Write("programmes", ((key, *(_word(value, name) for name in names), at_ns, until_ns or MAX_NS),))


def waiver_writes(
    registers: Registers,
    key: str,
    value: Mapping[str, Any] | None,
    at_ns: int,
    until_ns: int | None,
    before: Sequence[Write],
) -> tuple[Write, ...]:
    """Return what is to be stated of a waiver: one entry of a list that has an end, or None to revoke it."""
    if value is None:
        with registers.reading() as connection:
            found = stated(connection, "list_entries", TABLES["list_entries"].c.entry_id == key)
        return (Write("list_entries", (_revoked(found[-1], at_ns),)),)
    entry = {name: given for name, given in value.items() if name not in ("v", "salt")}
    if _number(entry, "expires_at_ns") is None and until_ns is None:
        raise refuse("waiver_without_end", f"the waiver `{key[:80]}` has no end", help="give `expires_at_ns`")
    if not _SALT.fullmatch(str(value.get("salt"))):
        raise _no_salt(key)
    entry["entry_id"] = key
    return _entries(registers, str(entry.get("list_id")), [entry], [], at_ns, until_ns, before)


def batch_writes(
    registers: Registers,
    list_id: str,
    value: Mapping[str, Any],
    op: str,
    at_ns: int,
    until_ns: int | None,
    before: Sequence[Write],
) -> tuple[Write, ...]:
    """Return what is to be stated of a list and its entries.

    Args:
        value: the batch.
        op: create or replace.
        before: what the same change set states already.
    Raises:
        ConflictError: an entry cannot take that state, is not on the list, or a holder would be over the quota.
        InputError: the batch is not what it must be.
    """
    if not _BATCH <= value.keys() <= _BATCH | {SIGNED, CASCADE} or value["v"] != 1:
        raise InputError(f"the batch for `{list_id[:80]}` has other fields", help=f"exactly {', '.join(sorted(_BATCH))}")
    if not _SALT.fullmatch(str(value["salt"])):
        raise _no_salt(list_id)
    writes: tuple[Write, ...] = ()
    if value["list"] is not None:
        names = tuple(ENTITIES["lists"].attributes)
        _only(value["list"], names, f"list `{list_id[:80]}`")
        made = {n: _integer(value["list"], n) if n.startswith("quota_") else _word(value["list"], n) for n in names if n != SUBMITTERS}
        if SUBMITTERS in value["list"]:
            made[SUBMITTERS] = parse_submitters(value["list"][SUBMITTERS])
        else:  # to forget to name them must not open the list to everybody
            made[SUBMITTERS] = _submitters(registers, list_id, before)
        writes = (Write("lists", ((list_id, *(made[n] for n in names), at_ns, MAX_NS),)),)
    elif op == "create":
        raise InputError(f"`list/{list_id[:80]}` is created without `list`", help="give title, source and quotas")
    check_signed(list_id, value, _submitters(registers, list_id, before), at_ns)
    cascade = value.get(CASCADE)
    return (
        *writes,
        *_entries(registers, list_id, value["add"], value["remove"], at_ns, until_ns, (*before, *writes), cascade),
    )


def _submitters(registers: Registers, list_id: str, before: Sequence[Write]) -> str | None:
    """Return the keys that may submit to a list as it is stated; a batch cannot name its own."""
    with registers.reading() as connection:
        found = stated(connection, "lists", TABLES["lists"].c.list_id == list_id)
    found += [row for write in before if write.kind == "lists" for row in write.rows if row[0] == list_id]
    return None if not found else found[-1][1 + list(ENTITIES["lists"].attributes).index(SUBMITTERS)]


def _entries(
    registers: Registers,
    list_id: str,
    add: Sequence[Mapping[str, Any]],
    remove: Sequence[str],
    at_ns: int,
    until_ns: int | None,
    before: Sequence[Write],
    cascade: Any = None,
) -> tuple[Write, ...]:
    names = ("entry_id", *_ENTRY.attributes)
    with registers.reading() as connection:
        table = TABLES["list_entries"]
        present = {row[0]: row for row in stated(connection, "list_entries", table.c.list_id == list_id)}
        quotas = _quotas(connection, list_id, before)
    for write in before:
        if write.kind == "list_entries":
            present |= {row[0]: row for row in write.rows if row[1] == list_id}
    rows: dict[str, tuple[Any, ...]] = {}
    for each in add:
        row = _entry_row(list_id, each, at_ns, until_ns)
        held = present.get(row[0])
        state, was = row[names.index("state")], held[names.index("state")] if held else None
        if was is not None and state not in NEXT_STATES[was]:
            raise refuse(
                "step_not_allowed",
                f"an entry of `{list_id[:80]}` cannot go from `{was}` to `{state}`",
                help="submitted, pending, active, revoked, in this order; a revoked entry is submitted again",
                entry=row[0],
            )
        if row[0] in rows:
            raise refuse("entry_twice", "a batch states one entry twice", help="state it once", entry=row[0])
        rows[row[0]] = row
    for key in remove:
        if key not in present:
            raise refuse("entry_unknown", f"an entry to remove is not on the list `{list_id[:80]}`", entry=key)
        if key in rows:
            raise refuse("entry_twice", "a batch adds and removes one entry", help="do one of them", entry=key)
        rows[key] = _revoked(present[key], at_ns)
    if cascade is not None:
        rows |= cascade_rows(present, rows, cascade, at_ns, until_ns)
    _check_quotas(list_id, {**present, **rows}, quotas, at_ns, {row[names.index("holder")] for row in rows.values()})
    ordered = tuple(rows[key] for key in sorted(rows))
    return (Write("list_entries", ordered),) if ordered else ()


def _entry_row(
    list_id: str, each: Mapping[str, Any], at_ns: int, until_ns: int | None
) -> tuple[Any, ...]:
    times = {"submitted_at_ns": "submitted_at", "expires_at_ns": "expires_at"}
    known = {"entry_id", "list_id", *_ENTRY.attributes, *times} - {"submitted_at", "expires_at"}
    _only(each, known, f"an entry of `{list_id[:80]}`")
    made: dict[str, Any] = {name: _word(each, name) for name in _ENTRY.attributes if name not in times.values()}
    made |= {ours: _number(each, theirs) for theirs, ours in times.items()}
    if made["list_id"] not in (None, list_id):
        raise InputError(f"an entry for `{made['list_id'][:80]}` in a batch for `{list_id[:80]}`", help="one list a batch")
    made["list_id"], made["state"] = list_id, made["state"] or "active"
    if made["submitted_at"] is None:
        made["submitted_at"] = at_ns
    if made["state"] not in NEXT_STATES or made["legal_class"] not in LEGAL_CLASSES:
        raise InputError(
            f"an entry of `{list_id[:80]}` has no known state or legal class",
            help=f"states: {', '.join(NEXT_STATES)}; classes: {', '.join(LEGAL_CLASSES)}",
        )
    if not made["holder"] or not any(made[name] for name in IDENTIFIERS):
        raise InputError(f"an entry of `{list_id[:80]}` names no holder or no device", help="give `holder` and an identifier")
    # The importer's rule, so that an entry imported before the charter and one enacted later are the same entry.
    key = _word(each, "entry_id") or (
        "entry-" + digest([made[name] for name in ("list_id", "holder", *IDENTIFIERS)])[7:31]
    )
    return (key, *(made[name] for name in _ENTRY.attributes), at_ns, until_ns or MAX_NS)


def _check_quotas(
    list_id: str,
    entries: Mapping[str, tuple[Any, ...]],
    quotas: Mapping[str, int],
    at_ns: int,
    holders: set[str],
) -> None:
    names = ("entry_id", *_ENTRY.attributes)
    devices: dict[str, set[str]] = {}
    limits: dict[str, int] = {}
    for row in entries.values():
        entry = dict(zip(names, row, strict=False))
        expired = entry["expires_at"] is not None and entry["expires_at"] <= at_ns
        if entry["state"] not in _LIVING or expired or entry["holder"] not in holders:
            continue
        named = next(f"{name}={entry[name]}" for name in IDENTIFIERS if entry[name])
        devices.setdefault(entry["holder"], set()).add(named)
        limit = quotas.get(entry["legal_class"], UNLIMITED)
        kept = limits.get(entry["holder"], limit)
        limits[entry["holder"]] = max(kept, limit) if UNLIMITED not in (kept, limit) else UNLIMITED
    for holder, named_devices in sorted(devices.items()):
        if limits[holder] != UNLIMITED and len(named_devices) > limits[holder]:
            raise refuse(
                "quota_exceeded",
                f"one holder would have {len(named_devices)} devices on `{list_id[:80]}`, and may have {limits[holder]}",
                help="remove entries first, or change the quota of the list",
                list=list_id,
                holder_sha256=sha256(holder.encode()).hexdigest(),
            )


def _quotas(connection: sa.Connection, list_id: str, before: Sequence[Write]) -> dict[str, int]:
    names = ("list_id", *ENTITIES["lists"].attributes)
    found = stated(connection, "lists", TABLES["lists"].c.list_id == list_id)
    found += [row for write in before if write.kind == "lists" for row in write.rows if row[0] == list_id]
    if not found:
        return dict(DEFAULT_QUOTAS)
    row = dict(zip(names, found[-1], strict=False))
    given = {name: row[f"quota_{name}"] for name in LEGAL_CLASSES}
    return {name: DEFAULT_QUOTAS[name] if value is None else int(value) for name, value in given.items()}


def _revoked(row: tuple[Any, ...], at_ns: int) -> tuple[Any, ...]:
    place = 1 + list(_ENTRY.attributes).index("state")
    return (*row[:place], "revoked", *row[place + 1 : -2], at_ns, MAX_NS)


def _only(value: Any, names: Iterable[str], what: str) -> None:
    known = set(names)
    if not isinstance(value, Mapping) or not value.keys() <= known:
        raise InputError(f"{what} has fields that it does not know", help=f"it may have {', '.join(sorted(known))}")


def _word(value: Mapping[str, Any], name: str) -> str | None:
    found = value.get(name)
    if found is not None and not (isinstance(found, str) and 0 < len(found) <= 400):
        raise InputError(f"`{name}` is no text of 1 to 400 characters", field=name)
    return found


def _integer(value: Mapping[str, Any], name: str) -> int | None:
    found = value.get(name)
    if found is not None and (type(found) is not int or not UNLIMITED <= found <= 10**9):
        raise InputError(f"`{name}` is no number of devices", help="an integer, -1 for unlimited", field=name)
    return found


def _number(value: Mapping[str, Any], name: str) -> int | None:
    found = value.get(name)
    if found is None:
        return None
    if not isinstance(found, str) or not found.removeprefix("-").isdigit():
        raise InputError(f"`{name}` is no instant", help="ns since 1970, UTC, as text", field=name)
    return int(found)


def _no_salt(what: str) -> InputError:
    return InputError(f"the content for `{what[:80]}` has no salt", help="32 random hexadecimal digits in `salt`")
