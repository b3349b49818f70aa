"""What a principal may see of terminals and decisions.

    operator's side   everything
    owner             decisions about terminals while they belonged to one of the principal's accounts
    regulator         decisions in the principal's countries, and terminals whose last decision was there

What is not seen does not exist: it is answered like an id that nobody has. Owners and regulators get reason, legal basis, way
to appeal and proof, and nothing that would teach how to stay just below a limit: no rule, margin, signal or area.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from groundrule.api.principal import Principal, Reader
from groundrule.areas.model import AreaSet
from groundrule.pipeline.live import Live
from groundrule.pipeline.live.fleet_view import FleetView
from groundrule.store.holdings import Spans, held_by
from groundrule.store.home import Home
from groundrule.store.registers import Registers

SOVEREIGN: Final = frozenset({"country", "land", "sea"})
"""Kinds of areas that say in whose country a place is."""


@dataclass(frozen=True)
class Sight:
    """What one principal sees in one home.

    Attributes:
        reader: as whom.
        held: terminals of an owner, and when they were the owner's; None where that is no limit.
        areas: ids of the areas of a regulator's countries; None where that is no limit.
    """

    reader: Reader
    held: Mapping[str, Spans] | None = None
    areas: frozenset[str] | None = None

    @property
    def closed(self) -> bool:
        """Does the reader get an extract: without rules, margins, signals and areas?"""
        return self.reader != "operator"

    def of_fleet(self, fleet: FleetView) -> NDArray[np.bool_] | None:
        """Return which terminals of a view are seen (bool, shape (n,)); None is all of them."""
        if self.reader == "operator":
            return None
        seen = np.zeros(len(fleet), bool)
        if self.areas is not None:
            return fleet.inside(self.areas)
        held = self.held or {}
        names = list(held)
        rows = fleet.rows_of(names)
        for name, row in zip(names, rows.tolist(), strict=True):
            if row >= 0 and self._held_at(held[name], int(fleet.observed_at_ns[row])):
                seen[row] = True
        return seen

    def row_of(self, fleet: FleetView, terminal_id: str) -> int:
        """Return the row of a terminal in a view; -1 if it was never decided, or is not seen."""
        row = int(fleet.rows_of([terminal_id])[0])
        if row < 0 or self.reader == "operator":
            return row
        if self.areas is not None:
            return row if self.areas.intersection(fleet.areas_of(row)) else -1
        spans = (self.held or {}).get(terminal_id, ())
        return row if self._held_at(spans, int(fleet.observed_at_ns[row])) else -1

    def of_decisions(self, terminal_id: str, table: pa.Table) -> pa.Table:
        """Return those of a terminal's decisions that are seen.

        Args:
            terminal_id: whose.
            table: with `observed_at` and `areas`.
        """
        if self.reader == "operator" or not len(table):
            return table
        if self.areas is not None:
            return table.filter(pa.array(in_areas(table.column("areas"), self.areas)))
        observed = table.column("observed_at").to_numpy()
        inside = np.zeros(len(table), bool)
        for begin, end in (self.held or {}).get(terminal_id, ()):
            inside |= (observed >= begin) & (observed < end)
        return table.filter(pa.array(inside))

    def owns(self, terminal_id: str, at_ns: int) -> bool:
        """Is a terminal one of the owner's at an instant?"""
        return self.held is not None and self._held_at(self.held.get(terminal_id, ()), at_ns)

    @staticmethod
    def _held_at(spans: Spans, at_ns: int) -> bool:
        return any(begin <= at_ns < end for begin, end in spans)


def sight_of(live: Live, principal: Principal) -> Sight:
    """Return what a principal sees of a home; nothing for whoever has no role that looks at terminals."""
    reader = principal.reader
    if reader == "operator":
        return Sight(reader)
    if reader == "regulator":
        return Sight(reader, areas=areas_of_countries(live.basis.areas, principal.countries))
    if reader == "owner":
        with Registers.open(live.home) as registers:
            revision = registers.revision().revision
        return Sight(reader, held=_held(live.home, revision, principal.accounts))
    return Sight(reader, held={})


@lru_cache(maxsize=64)
def areas_of_countries(areas: AreaSet, countries: frozenset[str]) -> frozenset[str]:
    """Return the ids of the areas of countries: their land, their seas, and what they claim.

    Args:
        areas: in force.
        countries: ISO 3166-1 codes of three letters; of two where the areas have no others.
    """
    tags = {f"iso3:{code}" for code in countries}
    return frozenset(
        each.id for each in areas
        if each.kind in SOVEREIGN and (tags.intersection(each.tags) or each.country in countries)
    )  # fmt: skip


def in_areas(column: pa.ChunkedArray, wanted: frozenset[str]) -> NDArray[np.bool_]:
    """Return which decisions touch one of some areas (bool, shape (n,)).

    Args:
        column: `areas` of decisions.
        wanted: ids of areas.
    """
    whole = column.combine_chunks()
    if isinstance(whole, pa.ChunkedArray):
        whole = pa.concat_arrays(whole.chunks) if whole.num_chunks else pa.array([], column.type)
    found = pc.is_in(whole.flatten().field("id"), value_set=pa.array(sorted(wanted), pa.string()))
    rows = pc.list_parent_indices(whole).to_numpy()
    touched = np.zeros(len(whole), bool)
    touched[rows[found.to_numpy(zero_copy_only=False)]] = True
    return touched


@lru_cache(maxsize=256)
def _held(home: Home, revision: int, accounts: frozenset[str]) -> Mapping[str, Spans]:  # noqa: ARG001 - a part of the cache's key
    """Return the terminals of accounts with the times in which they were theirs, as the registers know it now.

    Args:
        home: whose registers.
        revision: of them; what was read under one holds for it.
        accounts: of the owner.
    """
    with Registers.open(home) as registers:
        return held_by(registers, sorted(accounts))


def decisive(reasons: list[dict[str, Any]]) -> str:
    """Return the code of the decisive reason of a decision."""
    return str(next((each["code"] for each in reasons if each["class"] == "decisive"), reasons[0]["code"] if reasons else ""))
