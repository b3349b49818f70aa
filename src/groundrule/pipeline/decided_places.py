"""In which country was a decision made? Its areas say so; several claimants of one place are a place of their own."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from groundrule.areas.model import AreaSet
from groundrule.instant import NS_PER_DAY, parse_instant
from groundrule.store.area_store import load_areas
from groundrule.store.home import Home

LIKELY = 0.5
"""A position on an edge is counted for each country that it is in with this probability, or else for the likeliest."""


class DecidedPlaces:
    """Codes the countries of decisions, batch after batch.

    Args:
        home: whose areas the decisions name.
    """

    def __init__(self, home: Home) -> None:
        self._home = home
        self._places: dict[tuple[str, ...], int] = {(): 0}
        self._sets: dict[str, AreaSet] = {}
        self._countries: dict[tuple[str, str], dict[str, tuple[str, bool]]] = {}

    @property
    def names(self) -> list[tuple[str, ...]]:
        """Countries of each code; several where claims overlap."""
        return list(self._places)

    def areas(self, version: str) -> AreaSet:
        """Return the areas that a decision names by their digest."""
        if version not in self._sets:
            self._sets[version], _ = load_areas(self._home, version)
        return self._sets[version]

    def codes(self, table: pa.Table, day: str) -> NDArray[np.int64]:
        """Return the code of the countries of each row; 0 where there is none.

        Args:
            table: decisions with `areas` and `areas_version`.
            day: `YYYY-MM-DD`, UTC, on which they were observed.
        """
        found = np.zeros(len(table), np.int64)
        versions, version = distinct_codes(table.column("areas_version"))
        areas = table.column("areas").combine_chunks()
        offsets = areas.offsets.to_numpy()
        hits = areas.flatten()
        ids, code = distinct_codes(pa.chunked_array([hits.field("id")], pa.string()))
        row = np.repeat(np.arange(len(table)), np.diff(offsets))
        probability = hits.field("probability").to_numpy(zero_copy_only=False)
        for number, name in enumerate(versions):
            about = self._areas_of(name, day)
            known = [about.get(each) for each in ids]
            country = np.array([each[0] if each else "" for each in known], "U2")
            sovereign = np.array([each is not None and each[1] for each in known], bool)
            used = (version[row] == number) & (country[code] != "") if len(ids) else np.zeros(0, bool)
            if not used.any():
                continue
            rows, codes, chances = row[used], code[used], probability[used]
            # Zones and seas tell the country only where no country does.
            first = np.zeros(len(table), bool)
            first[rows[sovereign[codes]]] = True
            kept = sovereign[codes] | ~first[rows]
            rows, codes, chances = rows[kept], codes[kept], chances[kept]
            most = np.zeros(len(table), np.float32)
            np.maximum.at(most, rows, chances)
            kept = (chances >= LIKELY) | (chances >= most[rows])
            self._code_sets(found, rows[kept], country[codes[kept]])
        return found

    def _code_sets(self, found: NDArray[np.int64], rows: NDArray[np.int64], countries: NDArray[np.str_]) -> None:
        """Write the code of each row's set of countries; rows ascend."""
        names, code = np.unique(countries, return_inverse=True)
        each = [self._places.setdefault((str(name),), len(self._places)) for name in names]
        found[rows] = np.array(each)[code]
        repeated = np.unique(rows[1:][(rows[1:] == rows[:-1]) & (code[1:] != code[:-1])])
        starts, ends = np.searchsorted(rows, repeated, "left"), np.searchsorted(rows, repeated, "right")
        for row, start, end in zip(repeated.tolist(), starts.tolist(), ends.tolist(), strict=True):
            several = tuple(str(names[one]) for one in sorted(set(code[start:end].tolist())))
            found[row] = self._places.setdefault(several, len(self._places))

    def _areas_of(self, version: str, day: str) -> dict[str, tuple[str, bool]]:
        """Country of each area of a version, and whether it is a country itself."""
        if (version, day) not in self._countries:
            start = parse_instant(day)
            whole = self.areas(version)
            self._countries[version, day] = {
                area.id: (area.country, area.kind == "country")
                for area in whole
                if area.country and area.valid_from_ns < start + NS_PER_DAY and area.valid_until_ns > start
            }
        return self._countries[version, day]


def distinct_codes(column: pa.ChunkedArray) -> tuple[list[str], NDArray[np.int64]]:
    """Return the distinct texts of a column without nulls, and the place of each row's among them."""
    coded = column.cast(pa.string()).combine_chunks().dictionary_encode()
    return coded.dictionary.to_pylist(), coded.indices.to_numpy().astype(np.int64)
