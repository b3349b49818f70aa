"""What the registers say about tagged terminals, version by version: programmes, donor, custodian, purpose and protected class."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pyarrow as pa
import sqlalchemy as sa

from groundrule.instant import MAX_NS
from groundrule.pipeline.oversight.counts import IntervalCounts
from groundrule.store.home import Home
from groundrule.store.registers import Registers, holds, table_of

UNPROTECTED = frozenset({"", "none"})


@dataclass(frozen=True, slots=True)
class Tag:
    """What a terminal is tagged with; empty where nothing is stated."""

    programmes: tuple[str, ...]
    donor: str
    custodian: str
    purpose: str
    protected: str


@dataclass(frozen=True, slots=True)
class Fleet:
    """Registered terminals.

    Attributes:
        registered: terminals registered at the end of the interval.
        tags: distinct tags, by code.
        held: (terminal, tag code, since, until) of every version with a tag, in the interval [ns, UTC].
        at_end: (terminal, tag code) of those at the end of the interval.
        programmes: (title, donor, purpose) of each programme at the end of the interval, by id.
        revision, digest: of the registers, as known when they were read.
    """

    registered: int
    tags: tuple[Tag, ...]
    held: tuple[tuple[str, int, int, int], ...]
    at_end: tuple[tuple[str, int], ...]
    programmes: Mapping[str, tuple[str, str, str]]
    revision: int
    digest: str

    def groups(self, about: str) -> list[tuple[int, str]]:
        """Return (tag, group) for `programmes`, `donor`, `custodian`, `purpose` or `protected`; untagged ones are in none."""
        found: list[tuple[int, str]] = []
        for code, tag in enumerate(self.tags):
            if about == "programmes":
                found += [(code, each) for each in tag.programmes]
            elif about == "protected":
                found += [(code, tag.protected)] if tag.protected not in UNPROTECTED else []
            elif value := str(getattr(tag, about)):
                found.append((code, value))
        return found

    def stated(self, tag: Tag, what: str) -> bool:
        """Tell whether `donor` or `purpose` is stated for a terminal or one of its programmes, or its `custodian`."""
        if getattr(tag, what):
            return True
        place = {"donor": 1, "purpose": 2}.get(what)
        return place is not None and any(self.programmes.get(each, ("", "", ""))[place] for each in tag.programmes)


def read_fleet(home: Home, from_ns: int, until_ns: int) -> Fleet:
    """Read the versions that held in [from_ns, until_ns), as they are known now."""
    table = table_of("terminals")
    tagged = sa.or_(*(sa.func.coalesce(table.c[name], "") != "" for name in ("programmes", "donor", "custodian", "purpose")),
                    sa.func.coalesce(table.c.protected_class, "").not_in(sorted(UNPROTECTED)))  # fmt: skip
    names = ("terminal_id", "programmes", "donor", "custodian", "purpose", "protected_class", "valid_from", "valid_until")
    query = sa.select(*(table.c[name] for name in names)).where(
        table.c.superseded_at == MAX_NS, table.c.valid_from < until_ns, table.c.valid_until > from_ns, tagged
    )
    codes: dict[Tag, int] = {}
    held: list[tuple[str, int, int, int]] = []
    at_end: list[tuple[str, int]] = []
    with Registers.open(home) as registers:
        known = registers.revision()
        with registers.reading() as connection:
            number = sa.select(sa.func.count(sa.distinct(table.c.terminal_id))).where(holds(table, until_ns - 1, None))
            registered = int(connection.execute(number).scalar_one())
            ordered = query.order_by(table.c.terminal_id, table.c.valid_from).execution_options(yield_per=10_000)
            for terminal, programmes, donor, custodian, purpose, protected, since, until in connection.execute(ordered):
                tag = Tag(_several(programmes), donor or "", custodian or "", purpose or "", protected or "")
                code = codes.setdefault(tag, len(codes))
                held.append((terminal, code, since, until))
                if since < until_ns <= until:
                    at_end.append((terminal, code))
        titles = {
            str(row["programme_id"]): (str(row["title"] or ""), str(row["donor"] or ""), str(row["purpose"] or ""))
            for row in registers.rows("programmes", valid_at_ns=until_ns - 1)
        }
    return Fleet(registered, tuple(codes), tuple(held), tuple(at_end), titles, known.revision, known.digest)


def _several(text: str | None) -> tuple[str, ...]:
    return tuple(sorted({each.strip() for each in (text or "").split(";")} - {""}))


def tag_decisions(counts: IntervalCounts, fleet: Fleet) -> None:
    """Let decisions be counted by tag."""
    rows = counts.rows_of(pa.array([each[0] for each in fleet.held], pa.string()))
    known = [(int(row), *each[1:]) for row, each in zip(rows.tolist(), fleet.held, strict=True) if row >= 0]
    counts.tag(
        pa.table(
            {
                "t": pa.array([each[0] for each in known], pa.int32()),
                "tag": pa.array([each[1] for each in known], pa.int32()),
                "since": pa.array([each[2] for each in known], pa.int64()),
                "until": pa.array([each[3] for each in known], pa.int64()),
            }
        )
    )


def count_tags(fleet: Fleet, about: str) -> dict[str, int]:
    """Return terminals by programme, donor, custodian, purpose or protected class, at the end of the interval."""
    groups: dict[int, list[str]] = {}
    for code, name in fleet.groups(about):
        groups.setdefault(code, []).append(name)
    return _counted(name for _, code in fleet.at_end for name in groups.get(code, ()))


def _counted(names: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for name in names:
        found[name] = found.get(name, 0) + 1
    return dict(sorted(found.items()))
