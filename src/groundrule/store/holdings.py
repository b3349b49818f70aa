"""Questions to the registers that a service asks: whose terminals were they, and when; the next rows of one register."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from groundrule.instant import MAX_NS
from groundrule.store.entities import ENTITIES
from groundrule.store.registers import Registers, holds, table_of

Spans = tuple[tuple[int, int], ...]
"""Half-open intervals [ns, UTC]."""


def held_by(registers: Registers, accounts: Sequence[str]) -> Mapping[str, Spans]:
    """Return the terminals of accounts with the times in which they were theirs, as known now.

    Args:
        registers: open.
        accounts: ids.
    """
    table = table_of("terminals")
    query = (
        sa.select(table.c.terminal_id, table.c.valid_from, table.c.valid_until)
        .where(table.c.superseded_at == MAX_NS, table.c.account_id.in_(accounts))
        .order_by(table.c.terminal_id, table.c.valid_from)
    )
    found: dict[str, list[tuple[int, int]]] = {}
    with registers.reading() as connection:
        for terminal, begin, end in connection.execute(query):
            found.setdefault(terminal, []).append((begin, end))
    return {name: tuple(spans) for name, spans in found.items()}


def page_after(
    registers: Registers, kind: str, *, valid_at_ns: int, recorded_at_ns: int | None, after: str | None, limit: int
) -> list[dict[str, Any]]:
    """Return the next things of a register by key, as they held at one instant and were known at another.

    Args:
        registers: open.
        kind: which register.
        valid_at_ns: when they held [ns, UTC].
        recorded_at_ns: what was known by then [ns, UTC]; None is now.
        after: only keys beyond this one.
        limit: at most so many.
    """
    table = table_of(kind)
    key = table.c[ENTITIES[kind].key]
    query = sa.select(table).where(holds(table, valid_at_ns, recorded_at_ns)).order_by(key).limit(limit)
    if after is not None:
        query = query.where(key > after)
    with registers.reading() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]
