"""What carries a terminal, by its plan: how high it may be and how it may move when its position is verified."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import sqlalchemy as sa

from groundrule.store.home import Home
from groundrule.store.registers import Registers, holds, table_of

PLATFORM_OF_PLAN: Final[Mapping[str, str]] = {"aviation": "aircraft", "ocean": "ship", "maritime": "ship"}
"""Platform (`verify.assemble.PLATFORMS`) of plans of mobility; every other plan says nothing, and a terminal may be carried by car."""
_ASKED: Final = 500


def platforms_of(registers: Registers, terminals: Iterable[str], at_ns: int) -> dict[str, str]:
    """Return the platforms of those terminals of which the register's plan tells one.

    Args:
        terminals: ids. at_ns: as of when [ns, UTC].
    """
    table = table_of("terminals")
    names, found = list(terminals), dict[str, str]()
    with registers.reading() as connection:
        for first in range(0, len(names), _ASKED):
            some = names[first : first + _ASKED]
            asked = sa.select(table.c.terminal_id, table.c.plan).where(
                holds(table, at_ns, None), table.c.terminal_id.in_(some), table.c.plan.in_(list(PLATFORM_OF_PLAN))
            )
            found |= {name: PLATFORM_OF_PLAN[plan] for name, plan in connection.execute(asked)}
    return found


def platforms_of_home(home: Home, terminals: Iterable[str], at_ns: int) -> dict[str, str]:
    """Return `platforms_of` the registers of a home."""
    with Registers.open(home) as registers:
        return platforms_of(registers, terminals, at_ns)
