"""What registers say of terminals, in the arrays that detectors read."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Final

import numpy as np
import pyarrow as pa
import sqlalchemy as sa

from groundrule.detect.rows import FIXED, FLYING, MOVING, UNKNOWN, Facts
from groundrule.detect.ties import Ties
from groundrule.instant import MIN_NS
from groundrule.rules.evidence import Profile
from groundrule.store.entities import DEFAULT_QUOTAS
from groundrule.store.registers import Registers, holds, table_of
from groundrule.store.timeline import RegisterTimeline

FIXED_PLANS: Final = frozenset({"residential", "business"})
"""Plans for one place; whoever has another may move."""
FLYING_PLANS: Final = frozenset({"aviation"})
_ROWS_AT_ONCE: Final = 50_000


def facts_of(
    timeline: RegisterTimeline,
    registers: Registers | None,
    number_of: Callable[[str | None], int],
    *,
    epoch: int,
    valid_at_ns: int,
    recorded_at_ns: int | None = None,
) -> Facts:
    """Return what is known of all terminals of a timeline, in its rows.

    Args:
        timeline: profiles and service addresses over time.
        registers: accounts, parties and first activations; None leaves them unknown.
        number_of: number of a country, as `Places.countries` has it.
        epoch: of the timeline. valid_at_ns: an instant of it [ns, UTC]. recorded_at_ns: what was known by then [ns, UTC]; None is now.
    Raises:
        StoreError: the database failed.
    """
    part = timeline.epoch(epoch)
    facts = Facts.unknown(len(timeline))
    n = len(part.profile_code)
    mobile = np.array([*(_mobile(each) for each in part.profiles), UNKNOWN], np.uint8)
    home = np.array([*(number_of(each.account_country) for each in part.profiles), -1], np.int16)
    activated = np.array([*(number_of(each.activation_country) for each in part.profiles), -1], np.int16)
    protected = np.array([*(each.protected_class not in (None, "none") for each in part.profiles), False], np.bool_)
    # Code -1, not registered, reads the last element.
    code = part.profile_code[:n]
    facts.mobile[:n], facts.account_country[:n], facts.activation_country[:n] = mobile[code], home[code], activated[code]
    facts.protected[:n] = protected[code]
    known = min(len(part.service_lat_deg), len(facts))
    if known == len(facts):
        # Those of the registers themselves: with ten million terminals a copy is 160 megabytes.
        facts.home_lat_deg, facts.home_lon_deg = part.service_lat_deg[:known], part.service_lon_deg[:known]
    else:
        facts.home_lat_deg[:known], facts.home_lon_deg[:known] = part.service_lat_deg[:known], part.service_lon_deg[:known]
    if registers is not None:
        _accounts(facts, timeline, registers, valid_at_ns, recorded_at_ns)
    return facts


def _mobile(profile: Profile) -> int:
    if profile.plan is None:
        return UNKNOWN
    return FIXED if profile.plan in FIXED_PLANS else FLYING if profile.plan in FLYING_PLANS else MOVING


def ties_of(
    facts: Facts, registers: Registers | None, *, valid_at_ns: int, recorded_at_ns: int | None = None
) -> Ties:
    """Return who sold terminals, who pays for them, and whose contacts are the same; what no register says is unknown.

    Args:
        facts: of the same terminals. registers, valid_at_ns, recorded_at_ns: as for `facts_of`.
    Raises:
        StoreError: the database failed.
    """
    ties = Ties.unknown(len(facts))
    if registers is None or not len(facts.accounts):
        return ties
    numbers: dict[str, dict[str, int]] = {"contact": {}, "payer": {}, "dealer": {}}
    number_of = {name: number for number, name in enumerate(facts.accounts)}
    columns = {name: np.full(len(facts.accounts) + 1, -1, np.int32) for name in numbers}
    quota = np.full(len(facts.parties) + 1, -1, np.int32)
    for row in registers.rows("account_links", valid_at_ns=valid_at_ns, recorded_at_ns=recorded_at_ns):
        account = number_of.get(row["account_id"])
        if account is None:
            continue
        for name, column in (("contact", "contact"), ("payer", "payer_id"), ("dealer", "dealer_id")):
            if row[column] is not None:
                columns[name][account] = numbers[name].setdefault(row[column], len(numbers[name]))
    party_of = {name: number for number, name in enumerate(facts.parties)}
    for row in registers.rows("parties", valid_at_ns=valid_at_ns, recorded_at_ns=recorded_at_ns):
        if row["party_id"] in party_of and row["legal_class"] in DEFAULT_QUOTAS:
            quota[party_of[row["party_id"]]] = DEFAULT_QUOTAS[row["legal_class"]]
    ties.contact, ties.payer, ties.dealer = (columns[name][facts.account] for name in ("contact", "payer", "dealer"))
    ties.quota = quota[facts.party]
    ties.contacts, ties.payers, ties.dealers = (list(numbers[name]) for name in ("contact", "payer", "dealer"))
    return ties


def _accounts(facts: Facts, timeline: RegisterTimeline, registers: Registers, valid_at_ns: int, recorded_at_ns: int | None) -> None:
    terminals, accounts = table_of("terminals"), table_of("accounts")
    joined = terminals.outerjoin(
        accounts, sa.and_(accounts.c.account_id == terminals.c.account_id, holds(accounts, valid_at_ns, recorded_at_ns))
    )
    columns = (terminals.c.terminal_id, terminals.c.account_id, accounts.c.party_id, terminals.c.activated_at)
    query = sa.select(*columns).select_from(joined).where(holds(terminals, valid_at_ns, recorded_at_ns)).order_by(terminals.c.terminal_id)
    numbers: tuple[dict[str, int], dict[str, int]] = ({}, {})
    with registers.reading() as connection, closing(connection.execute(query.execution_options(yield_per=_ROWS_AT_ONCE))) as found:
        for chunk in found.partitions(_ROWS_AT_ONCE):
            rows = timeline.lookup(pa.array([each[0] for each in chunk], pa.string()))
            for row, (_, account, party, activated_at) in zip(rows.tolist(), chunk, strict=True):
                if row < 0:
                    continue
                if account is not None:
                    facts.account[row] = numbers[0].setdefault(account, len(numbers[0]))
                if party is not None:
                    facts.party[row] = numbers[1].setdefault(party, len(numbers[1]))
                facts.activated_ns[row] = MIN_NS if activated_at is None else activated_at
    facts.accounts, facts.parties = list(numbers[0]), list(numbers[1])
