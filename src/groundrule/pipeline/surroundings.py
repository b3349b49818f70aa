"""Where observations lie, for detectors: countries, fronts and sides, asked of the areas only where a terminal has moved."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit
from numpy.typing import NDArray

from groundrule.detect.rows import NOWHERE, Places
from groundrule.pipeline.coding import WhereCoder
from groundrule.pipeline.judge import Basis
from groundrule.rules.evidence import AreaFact, Membership
from groundrule.rules.selectors import YES, Place, landing_of

MOVED_M: Final = 30.0
"""How far a terminal must have gone from where it was looked for last, for its areas to be asked again [m]."""
FRONT_TAG: Final = "front"
CONTROL_KIND: Final = "control"
_NEVER: Final = np.float32(np.nan)
_M_PER_DEG: Final = 111_195.0
_AHEAD: Final = 64
"""Rows whose memory is fetched together: many misses of the cache at a time instead of one after the other."""
_TABLE: Final = np.dtype([("lat", "f4"), ("lon", "f4"), ("sigma", "f4"), ("areas", "i4")])


class Surroundings:
    """Tells the place of each observation and remembers, for each terminal, the areas that it was found in.

    Args:
        basis: areas and rulebook; which country counts where several are claimed, the rulebook says.
    """

    def __init__(self, basis: Basis) -> None:
        self._index, self._edge = basis.index, basis.rulebook.assumptions.edge_probability
        self._coder = WhereCoder(basis.index, basis.areas.areas)
        self._claims, self._landing = basis.rulebook.claims, landing_of(basis.rulebook)
        self._numbers: dict[str, int] = {}
        self._memory = np.zeros(0, _TABLE)
        self.places = Places()

    @property
    def nbytes(self) -> int:
        """Memory of terminals [bytes]."""
        return self._memory.nbytes

    def number_of(self, country: str | None) -> int:
        """Return the number of a country in `Places.countries`; NOWHERE for None."""
        if country is None:
            return NOWHERE
        if country not in self._numbers:
            self._numbers[country] = len(self.places.countries)
            self.places.countries.append(country)
        return self._numbers[country]

    def in_countries(self, names: pa.Array | pa.ChunkedArray) -> NDArray[np.int32]:
        """Return the number of a place in each country, for rows whose areas were asked elsewhere; such places are countries alone.

        Whoever asks this does not ask `of`.

        Args:
            names: codes of countries; null is none, or none that is certain.
        """
        distinct = pc.unique(names)
        number = np.array([self.number_of(each) for each in distinct.to_pylist()], np.int32)
        # A country's place has its number, and what is nowhere reads the last.
        self.places.country = np.append(np.arange(len(self.places.countries), dtype=np.int16), np.int16(NOWHERE))
        return number[pc.index_in(names, value_set=distinct).to_numpy()]

    def of(
        self,
        row: NDArray[np.int32],
        t_ns: NDArray[np.int64],
        lat_deg: NDArray[np.float64],
        lon_deg: NDArray[np.float64],
        sigma_m: NDArray[np.float32],
        cell: NDArray[np.uint64],
    ) -> NDArray[np.int32]:
        """Return the number of each observation's place in `places`; -1 without a position.

        A terminal that stays within MOVED_M of where it was looked for has the areas of then, as the map is on the day.

        Args:
            row: of the terminal in memory. t_ns: when [ns, UTC], not decreasing within a terminal.
            lat_deg, lon_deg: position or centre of the cell [degree; NaN without]. sigma_m: of it [m]. cell: H3 cell, or 0.
        """
        highest = int(row.max(initial=-1)) + 1
        if highest > len(self._memory):
            grown = np.zeros(max(highest, len(self._memory) + len(self._memory) // 4), _TABLE)
            grown["lat"][len(self._memory) :] = _NEVER
            grown[: len(self._memory)] = self._memory
            self._memory = grown
        areas = np.empty(len(row), np.int32)
        # Rows that moved are numbered; rows that did not point to the one before, of the same terminal.
        asked = np.empty(len(row), np.int32)
        count, _ = _moved(self._memory, row, lat_deg, lon_deg, sigma_m, areas, asked)
        chosen = asked[:count]
        if count:
            found = self._areas(lat_deg[chosen], lon_deg[chosen], sigma_m[chosen], cell[chosen])
            _settle(self._memory, row, areas, chosen, found)
        codes = self._coder.code(areas, t_ns)
        self._describe()
        codes[areas < 0] = -1
        return codes

    def _areas(
        self, lat: NDArray[np.float64], lon: NDArray[np.float64], sigma: NDArray[np.float32], cell: NDArray[np.uint64]
    ) -> NDArray[np.int32]:
        by_cell = cell != 0
        if not by_cell.any():
            return self._index.locate_points(lat, lon, sigma, self._edge).codes
        found = np.empty(len(lat), np.int32)
        found[by_cell] = self._index.locate_cells(cell[by_cell], self._edge).codes
        points = ~by_cell
        found[points] = self._index.locate_points(lat[points], lon[points], sigma[points], self._edge).codes
        return found

    def _describe(self) -> None:
        """Describe the sets of areas that were met for the first time."""
        known = len(self.places.country)
        fresh = self._coder.values[known:]
        if not fresh:
            return
        places = self.places
        country, front, side, sea = [], [], [], []
        for facts in fresh:
            described = Place(facts or (), self._claims, self._landing)
            certain = [code for code, truth in described.counted.items() if truth == YES]
            country.append(self.number_of(certain[0]) if len(certain) == 1 else NOWHERE)
            inside = [fact for fact in facts or () if fact.membership == Membership.INSIDE]
            front.append(any(FRONT_TAG in fact.tags and fact.kind != "buffer" for fact in inside))
            side.append(self._side(inside))
            sea.append(facts is not None and described.land != YES)
        places.country = np.concatenate([places.country, np.array(country, np.int16)])
        places.front = np.concatenate([places.front, np.array(front, np.bool_)])
        places.side = np.concatenate([places.side, np.array(side, np.int16)])
        places.sea = np.concatenate([places.sea, np.array(sea, np.bool_)])

    def _side(self, inside: list[AreaFact]) -> int:
        held = sorted(fact.id for fact in inside if fact.kind == CONTROL_KIND)
        if len(held) != 1:
            return 0
        if held[0] not in self.places.sides:
            self.places.sides.append(held[0])
        return self.places.sides.index(held[0])


@njit(cache=True, nogil=True)
def _moved(memory, row, lat, lon, sigma, areas, asked):  # type: ignore[no-untyped-def]  # compiled; typed by numba
    """Fill `areas` with what is remembered, -1 without a position, -2 - k for the k-th row that is to be asked; return how many are."""
    count = 0
    touched = 0
    for i in range(len(row)):
        if i % _AHEAD == 0:
            for k in range(i, min(i + _AHEAD, len(row))):
                touched += memory[row[k]].areas
        if np.isnan(lat[i]) or np.isnan(lon[i]):
            areas[i] = -1
            continue
        known = memory[row[i]]
        if not np.isnan(known.lat) and abs(sigma[i] - known.sigma) <= 0.5 * known.sigma + 5.0:
            north = (lat[i] - known.lat) * _M_PER_DEG
            east = (lon[i] - known.lon) * _M_PER_DEG
            if north * north + east * east > MOVED_M * MOVED_M:
                # At the equator it would be too far; where it is, it may not be.
                east *= np.cos(np.radians(lat[i]))
            if north * north + east * east <= MOVED_M * MOVED_M:
                areas[i] = known.areas
                continue
        known.lat = np.float32(lat[i])
        known.lon = np.float32(lon[i])
        known.sigma = sigma[i]
        known.areas = np.int32(-2 - count)
        areas[i] = known.areas
        asked[count] = i
        count += 1
    return count, touched


@njit(cache=True, nogil=True)
def _settle(memory, row, areas, asked, found):  # type: ignore[no-untyped-def]  # compiled; typed by numba
    """Put what was found into the rows and into the memory, where numbers of questions stand."""
    for i in range(len(row)):
        if areas[i] <= -2:
            areas[i] = found[-2 - areas[i]]
    for k in range(len(asked)):
        known = memory[row[asked[k]]]
        if known.areas <= -2:
            known.areas = found[-2 - known.areas]
