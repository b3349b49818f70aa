"""What may be said in public about a day of decisions, without saying anything about a small group of terminals?

Terminals and account owners are counted per place, outcome and deciding rule. A place is an H3 cell of resolution 3, or the
rest of a country. Within one group (country, outcome, rule):

1. A cell below the limits goes to the rest of its country. In a conflict area every cell does.
2. If the rest is below the limits, further cells follow, smallest first; if it stays below, it is not published.
3. No cell changes sides while both sides can still be compared. A cell that had a row of its own in the window of days and is
   too small today is left out; a cell that was in the rest stays there until its own row would expose nothing, on any
   day of the window. So rows of different days never differ by a small group of cells.
4. Counts are rounded to multiples of 5. There are no totals.

What is published is in `AggregateFile.public`; the exact counts and where each cell went are in `sealed`, which auditors may
open. `exposures` looks at the files of many days as an attacker with perfect patience would.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NamedTuple

from groundrule.canon import canonical_signed, parse_canonical
from groundrule.errors import ConflictError, InputError
from groundrule.instant import NS_PER_DAY, NS_PER_S, parse_instant
from groundrule.ledger.entry import format_time

MIN_TERMINALS = 20
MIN_OWNERS = 5
ROUNDING = 5
RESOLUTION = 3
DELAY_NS = 72 * 3600 * NS_PER_S
"""Between the end of a day and its aggregates; late observations are decided within the same time."""
WINDOW_DAYS = 90

_COUNTRY = re.compile(r"[A-Z]{2}(\+[A-Z]{2})*")
_CELL = re.compile(r"[0-9a-f]{15}")
Group = tuple[str, str, str]
"""Country, outcome and deciding rule; rows of different groups are never added up."""


class Decided(NamedTuple):
    """One final decision of the day, as far as it is counted.

    Attributes:
        terminal, owner: ids; they are counted and go nowhere.
        cell: H3 cell of resolution 3, as text.
        country: code of two letters; several claimants joined with `+` are a place of their own.
        outcome, rule: word and id.
    """

    terminal: str
    owner: str
    cell: str
    country: str
    outcome: str
    rule: str


class Count(NamedTuple):
    """Distinct terminals and distinct owners."""

    terminals: int
    owners: int

    def passes(self, limits: Count) -> bool:
        """Are both at their limit or above?"""
        return self.terminals >= limits.terminals and self.owners >= limits.owners

    def less(self, others: Iterable[Count]) -> Count:
        """At least how many remain when some are taken away; a terminal may be in several cells, so it can be more."""
        gone = list(others)
        return Count(
            self.terminals - sum(each.terminals for each in gone),
            self.owners - sum(each.owners for each in gone),
        )


LIMITS = Count(MIN_TERMINALS, MIN_OWNERS)


@dataclass(frozen=True, slots=True)
class GroupDay:
    """Where the cells of one group went on one day.

    Attributes:
        cells: exact count of each cell.
        alone: cells with a row of their own.
        rest: cells in the row of the rest of the country; empty if it is not published.
        rest_count: exact count of that row, or None.
    """

    cells: Mapping[str, Count]
    alone: frozenset[str]
    rest: frozenset[str]
    rest_count: Count | None


class Row(NamedTuple):
    """One published row; `terminals` is rounded."""

    area: str
    outcome: str
    rule: str
    terminals: int


@dataclass(frozen=True, slots=True)
class AggregateFile:
    """The aggregates of one day: what is published, and what is sealed.

    Attributes:
        day: `YYYY-MM-DD`, UTC.
        issued: time of issue, text.
        rows: what is published, sorted.
        groups: exact counts and destinations.
    """

    day: str
    issued: str
    rows: tuple[Row, ...]
    groups: Mapping[Group, GroupDay]

    def public(self) -> bytes:
        """Return the file that is published."""
        rows = [row._asdict() for row in self.rows]
        return canonical_signed({"v": 1, "day": self.day, "issued": self.issued, "rows": rows})

    @property
    def digest(self) -> str:
        """SHA-256 of the published file, 64 hex digits."""
        return sha256(self.public()).hexdigest()

    def sealed(self) -> dict[str, Any]:
        """Return exact counts and suppression steps, to be committed to and kept under seal."""
        groups = []
        for (country, outcome, rule), group in sorted(self.groups.items()):
            cells = [[cell, *count, _side(group, cell)] for cell, count in sorted(group.cells.items())]
            rest = None if group.rest_count is None else list(group.rest_count)
            groups.append(
                {"country": country, "outcome": outcome, "rule": rule, "cells": cells, "rest": rest}
            )
        rows = [list(row) for row in self.rows]
        return {"v": 1, "day": self.day, "issued": self.issued, "groups": groups, "rows": rows}

    @classmethod
    def from_sealed(cls, data: bytes) -> AggregateFile:
        """Read what `sealed` gave, as canonical JSON; the next days need it.

        Raises:
            InputError: it is something else.
        """
        content = parse_canonical(data)
        try:
            groups: dict[Group, GroupDay] = {}
            for each in content["groups"]:
                side: dict[str, set[str]] = {"alone": set(), "rest": set(), "left out": set()}
                for cell, _, _, where in each["cells"]:
                    side[where].add(cell)
                groups[each["country"], each["outcome"], each["rule"]] = GroupDay(
                    {cell: Count(terminals, owners) for cell, terminals, owners, _ in each["cells"]},
                    frozenset(side["alone"]),
                    frozenset(side["rest"]),
                    None if each["rest"] is None else Count(*each["rest"]),
                )
            return cls(content["day"], content["issued"], tuple(Row(*row) for row in content["rows"]), groups)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                "this is not the sealed part of an aggregate", help="give what was sealed"
            ) from error


class Exposure(NamedTuple):
    """A small group that follows from published rows: which cells, on which day, and how many terminals at least."""

    group: Group
    day: str
    cells: tuple[str, ...]
    terminals: int


def aggregate(
    decided: Iterable[Decided],
    *,
    day: str,
    issued_ns: int,
    conflict: Collection[str] = (),
    previous: Sequence[AggregateFile] = (),
    limits: Count = LIMITS,
) -> AggregateFile:
    """Make the aggregates of one day.

    Args:
        decided: final decisions of the day, in any order; repeats do no harm.
        day: `YYYY-MM-DD`, UTC.
        issued_ns: when they are published [ns, UTC], at least 72 h after the end of the day.
        conflict: countries in which nothing finer than the country is published.
        previous: the files published before; those of the last 90 days count, others are not looked at.
        limits: terminals and owners that a row must have.
    Raises:
        InputError: a bad day, cell or country. ConflictError: too early; or the files together would expose a small group,
            which the steps above exclude, so a previous file is not one that they made.
    """
    start_ns = _day_ns(day)
    if issued_ns < start_ns + NS_PER_DAY + DELAY_NS:
        raise ConflictError(
            f"the aggregates of {day} may not be published yet",
            help="wait until 72 h after the end of the day",
        )
    window = [file for file in previous if 0 < start_ns - _day_ns(file.day) < WINDOW_DAYS * NS_PER_DAY]
    terminals, owners = _collect(decided)
    groups: dict[Group, GroupDay] = {}
    for group, cells in terminals.items():
        past = [file.groups[group] for file in window if group in file.groups]
        in_conflict = not set(conflict).isdisjoint(group[0].split("+"))
        groups[group] = divide(cells, owners[group], past, in_conflict, limits)
    file = AggregateFile(day, format_time(issued_ns), _rows(groups, terminals), groups)
    if found := exposures([*window, file], limits=limits):
        first = found[0]
        raise ConflictError(
            f"the files of {len(window) + 1} days would expose {len(found)} small groups",
            help=f"do not publish; the first is of {first.day}, rule `{first.group[2]}`",
        )
    return file


def exposures(files: Iterable[AggregateFile], *, limits: Count = LIMITS) -> list[Exposure]:
    """Return every small group that follows from the rows of several days.

    The attacker knows all cells, knows which are in the rest, and takes the count of a cell on one day for its count on any
    other. Then a row of the rest, less the cells of it that had rows of their own on other days, tells what remains; and
    that, in turn, tells each of those cells on that day.

    Args:
        files: of one window.
        limits: terminals and owners below which a group is small.
    """
    days: dict[Group, list[tuple[str, GroupDay]]] = defaultdict(list)
    for file in files:
        for group, each in file.groups.items():
            days[group].append((file.day, each))
    found: list[Exposure] = []
    for group, held in days.items():
        ever_alone = frozenset().union(*(each.alone for _, each in held))
        for day, each in held:
            found += [
                Exposure(group, day, (cell,), each.cells[cell].terminals)
                for cell in sorted(each.alone | (each.rest & ever_alone))
                if not each.cells[cell].passes(limits)
            ]
            if each.rest_count is None:
                continue
            known = [each.cells[cell] for cell in each.rest & ever_alone]
            hidden = each.rest - ever_alone
            remain = each.rest_count.less(known)
            if hidden and not remain.passes(limits):
                found.append(Exposure(group, day, tuple(sorted(hidden)), remain.terminals))
    return found


def divide(
    cells: Mapping[str, set[str]],
    owners: Mapping[str, set[str]],
    past: Sequence[GroupDay],
    in_conflict: bool,
    limits: Count,
) -> GroupDay:
    """Decide for each cell of a group: a row of its own, the rest of the country, or neither.

    Args:
        cells: terminals by cell. owners: their owners by cell.
        past: the same group as it was published before.
        in_conflict: no cell has a row of its own.
        limits: terminals and owners that a row must have.
    """
    counts = {cell: Count(len(found), len(owners[cell])) for cell, found in cells.items()}

    def together(some: Iterable[str]) -> Count:
        listed = list(some)
        return Count(
            len(set().union(*(cells[cell] for cell in listed))),
            len(set().union(*(owners[cell] for cell in listed))),
        )

    were_alone = frozenset().union(*(each.alone for each in past))
    were_rest = frozenset().union(*(each.rest for each in past if each.rest_count is not None))
    large = {cell for cell, count in counts.items() if count.passes(limits)}
    # What had a row of its own makes itself known in the rest too, so it may be there only while it is large.
    fit = {cell for cell in counts if cell in large or cell not in were_alone}
    if in_conflict:
        rest, alone = fit, set[str]()
    else:
        rest = {cell for cell in fit if cell in were_rest or cell not in large}
        alone = large - rest
        _promote(rest, alone, counts, past, were_alone, together(rest), limits)
        movable = sorted(alone - were_alone - were_rest, key=lambda cell: (counts[cell], cell))
        while rest and movable and not together(rest).passes(limits):
            rest.add(movable[0])
            alone.discard(movable.pop(0))
    known = rest & were_alone
    if rest > known and not together(rest).less(counts[cell] for cell in known).passes(limits):
        rest = known
    rest_count = together(rest)
    if not rest or not rest_count.passes(limits):
        return GroupDay(counts, frozenset(alone), frozenset(), None)
    return GroupDay(counts, frozenset(alone), frozenset(rest), rest_count)


def _promote(
    rest: set[str],
    alone: set[str],
    counts: Mapping[str, Count],
    past: Sequence[GroupDay],
    were_alone: frozenset[str],
    today: Count,
    limits: Count,
) -> None:
    """Give cells of the rest rows of their own again, largest first, where that exposes nothing on any day of the window."""
    all_of_rest = frozenset(rest)
    for cell in sorted(rest, key=lambda cell: (counts[cell], cell), reverse=True):
        if not any(cell in each.rest for each in past) or not counts[cell].passes(limits):
            continue
        known = were_alone | alone | {cell}
        if rest - known and not today.less(counts[each] for each in known & all_of_rest).passes(limits):
            continue
        if all(_bears(each, known, cell, limits) for each in past if each.rest_count is not None):
            rest.discard(cell)
            alone.add(cell)


def _bears(each: GroupDay, known: Collection[str], cell: str, limits: Count) -> bool:
    """Would nothing small of a past day be exposed if these cells had rows of their own?"""
    if cell in each.rest and not each.cells[cell].passes(limits):
        return False
    assert each.rest_count is not None
    hidden = each.rest.difference(known)
    inside = [each.cells[one] for one in each.rest.intersection(known)]
    return not hidden or each.rest_count.less(inside).passes(limits)


def _collect(
    decided: Iterable[Decided],
) -> tuple[dict[Group, dict[str, set[str]]], dict[Group, dict[str, set[str]]]]:
    """Terminals and owners by group and cell."""
    terminals: dict[Group, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    owners: dict[Group, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    good: set[tuple[str, str]] = set()
    for terminal, owner, cell, country, outcome, rule in decided:
        if (cell, country) not in good:
            _check_place(cell, country)
            good.add((cell, country))
        group = (country, outcome, rule)
        terminals[group][cell].add(terminal)
        owners[group][cell].add(owner)
    return terminals, owners


def _rows(
    groups: Mapping[Group, GroupDay], terminals: Mapping[Group, Mapping[str, set[str]]]
) -> tuple[Row, ...]:
    """The published rows. A cell on a border has one row for the parts that may be published."""
    counted: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for group, each in groups.items():
        country, outcome, rule = group
        for cell in each.alone:
            counted[f"h3:{cell}", outcome, rule] |= terminals[group][cell]
        for cell in each.rest:
            counted[f"country:{country}", outcome, rule] |= terminals[group][cell]
    return tuple(
        sorted(
            Row(*key, rounded(len(found))) for key, found in counted.items()
        )
    )


def rounded(number: int) -> int:
    """Return a count as it is published."""
    return ROUNDING * ((number + ROUNDING // 2) // ROUNDING)


def _side(group: GroupDay, cell: str) -> str:
    if cell in group.alone:
        return "alone"
    return "rest" if cell in group.rest else "left out"


def _check_place(cell: str, country: str) -> None:
    # Bits of an H3 index: 1 reserved, 4 mode (1 for a cell), 3 reserved, 4 resolution, and the rest.
    number = int(cell, 16) if _CELL.fullmatch(cell) else 0
    if number >> 59 != 1 or number >> 52 & 15 != RESOLUTION:
        raise InputError(
            f"`{cell[:40]}` is not an H3 cell of resolution {RESOLUTION}", help="give its parent cell"
        )
    if _COUNTRY.fullmatch(country) is None:
        raise InputError(
            f"`{country[:40]}` is not a country", help="write two letters; join several claimants with +"
        )


def _day_ns(day: str) -> int:
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", day) is None:
        raise InputError(f"`{day[:20]}` is not a day", help="write for instance 2026-03-01")
    return parse_instant(day)
