"""Risk by acquaintance: terminals whose account, party, contact, payer or dealer has others with signals.

What: each terminal with signals that count has a risk of its own, what its independent causes make together
(`detect.cases.weight_of`). A body (account, party, contact, payer, dealer) has the share of risk among its terminals, with `prior`
terminals without risk added, so that one bad terminal of a large dealer says nothing of the dealer. A terminal gets from each of
its bodies that body's risk without its own, times `damp` of the kind of tie; several bodies add as independent doubts, up to
`most`.

Why: who bought ten terminals for an army often bought more; an investigator wants to know where to look next.

Not transitive: risk that came from others goes no farther; nobody is suspect because a friend of a friend is. What a
terminal gets is a weak signal that says where it came from, by body and amount. It is of the cause `registration`, like a
straw registration, so the two are one. Protected terminals give and get nothing.

**Who lent a name, or was forced to, gets nothing.** A straw registration gives no risk, and where a registrant's devices are told
as such, nothing goes through that account and party to its other devices: the registrant's own is at home and is a victim's. Nor does risk
come from plain facts: that a plan does not allow a speed or a stay.

Strength is a rule of thumb.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import fsum
from typing import Final

import numpy as np

from groundrule.detect.cases import weight_of
from groundrule.detect.rows import Facts
from groundrule.detect.signals import KINDS, Signal
from groundrule.detect.ties import KINDS as TIE_KINDS
from groundrule.detect.ties import Members, Ties

_GIVES: Final = frozenset({"motion", "identity", "place", "company", "radio"})
"""Causes that speak of a terminal's use. In whose name it stands, its navigation, the network's service and bad data do not spread."""
_PLAIN: Final = frozenset({"over_speed", "moving_without_plan", "border_crossing", "roaming_beyond_limits"})
"""Facts that a plan does not provide for: they say nothing of who else is with the account."""


@dataclass(frozen=True, slots=True)
class AccountSettings:
    """How risk spreads; rules of thumb.

    Attributes:
        least: terminals with less risk of their own give none.
        prior: terminals without risk that every body is thought to have besides its own.
        account, party, contact, payer, dealer: damping by the kind of tie, 0 to 1.
        most: nobody gets more.
        raised: from here on it is told.
    """

    least: float = 0.4
    prior: float = 2.0
    account: float = 0.6
    party: float = 0.5
    contact: float = 0.5
    payer: float = 0.3
    dealer: float = 0.15
    most: float = 0.4
    raised: float = 0.1


@dataclass(frozen=True, slots=True)
class Share:
    """What one body gave to a terminal.

    Attributes:
        body: its id, with its kind: `account:ACC-1`.
        gave: 0 to 1.
        risky: of its other terminals, with a risk of their own. others: all its other terminals.
    """

    body: str
    gave: float
    risky: int
    others: int


@dataclass(frozen=True, slots=True)
class Risk:
    """What a terminal got from its acquaintance, at most `AccountSettings.most`, with where it came from, the most first."""

    strength: float
    shares: tuple[Share, ...]


def risks(
    signals: Iterable[Signal],
    facts: Facts,
    ties: Ties,
    row_of: Callable[[str], int],
    at_ns: int,
    *,
    settings: AccountSettings | None = None,
) -> dict[int, Risk]:
    """Return the risk that terminals get from others, by row; those that get none are left out.

    Args:
        signals: of any time and order; those that count at `at_ns` are used, and none of this kind.
        facts, ties: what connects terminals. row_of: row of a terminal, or -1.
        at_ns: when [ns, UTC].
    """
    s = settings or AccountSettings()
    signals = list(signals)
    lent = _lent(signals, facts, row_of, at_ns)
    own = _own_risks(signals, facts, row_of, at_ns, s.least)
    shares: dict[int, list[Share]] = {}
    for kind in TIE_KINDS:
        numbers = ties.of_kind(kind, facts)
        risky: dict[int, dict[int, float]] = {}
        for row in sorted(own):
            if numbers[row] >= 0:
                risky.setdefault(int(numbers[row]), {})[row] = own[row]
        members = Members(numbers) if risky else None
        for number, known in risky.items():
            assert members is not None
            mine = members.of(number)
            mine = mine[~facts.protected[mine]]
            total, body = fsum(known.values()), ties.name(kind, number, facts)
            for row in mine.tolist():
                if row not in lent and kind in {"account", "party"} and not lent.keys().isdisjoint(mine.tolist()):
                    continue
                others = len(mine) - 1
                gave = getattr(s, kind) * (total - known.get(row, 0.0)) / (others + s.prior)
                if gave > 1e-9:
                    shares.setdefault(row, []).append(Share(body, gave, len(known) - (row in known), others))
    made = {}
    for row, given in shares.items():
        doubt = float(np.prod([1.0 - one.gave for one in given]))
        made[row] = Risk(min(s.most, 1.0 - doubt), tuple(sorted(given, key=lambda one: (-one.gave, one.body))))
    return made


def account_signals(
    found: dict[int, Risk], name: Callable[[int], str], at_ns: int, *, settings: AccountSettings | None = None
) -> list[Signal]:
    """Return the signals of risks that are high enough, ordered by terminal; each says what it got from its three nearest bodies."""
    s = settings or AccountSettings()
    signals = []
    for row, risk in found.items():
        if risk.strength < s.raised:
            continue
        told: list[tuple[str, float, str]] = []
        for one in risk.shares[:3]:
            kind = one.body.split(":", 1)[0]
            told += [
                (f"from its {kind}", round(one.gave, 3), ""), (f"risky of its {kind}'s others", float(one.risky), ""),
                (f"all of its {kind}'s others", float(one.others), ""),
            ]  # fmt: skip
        group = next((one.body for one in risk.shares if one.body.startswith(("account:", "party:"))), None)
        signals.append(Signal("account_risk", name(row), at_ns, at_ns, round(risk.strength, 4), group=group, found=tuple(told)))
    return sorted(signals, key=lambda one: one.terminal_id)


def _lent(signals: Iterable[Signal], facts: Facts, row_of: Callable[[str], int], at_ns: int) -> dict[int, None]:
    """Rows of devices that are told as registered in another's name."""
    told = (one for one in signals if one.kind == "straw_registration" and one.raised_at <= at_ns < one.until_at)
    return {row: None for one in told if 0 <= (row := row_of(one.terminal_id)) < len(facts)}


def _own_risks(signals: Iterable[Signal], facts: Facts, row_of: Callable[[str], int], at_ns: int, least: float) -> dict[int, float]:
    by_row: dict[int, list[Signal]] = {}
    for one in {one.id: one for one in signals}.values():
        if one.kind in _PLAIN or KINDS[one.kind].cause not in _GIVES or not one.raised_at <= at_ns < one.until_at:
            continue
        row = row_of(one.terminal_id)
        if row >= 0 and not facts.protected[row]:
            by_row.setdefault(row, []).append(one)
    weights = {row: weight_of(sorted(mine, key=lambda one: one.id)) for row, mine in by_row.items()}
    return {row: weight for row, weight in weights.items() if weight >= least}
