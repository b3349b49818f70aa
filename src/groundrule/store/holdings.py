"""Whose terminals were they, and when? Asked for accounts, over all that is known of the past."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from groundrule.instant import MAX_NS
from groundrule.store.registers import Registers, table_of

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
