"""Sky: where the satellites of a home are at an instant, and which of them a place sees; what was computed is kept for the next question.

Geometry of loaded elements, and no statement of who serves whom: beams, capacity and licences are not known here.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from groundrule.errors import OutOfRange
from groundrule.frames import ecef_to_geodetic
from groundrule.instant import NS_PER_S, parse_instant
from groundrule.orbit.elements import Elements
from groundrule.orbit.propagate import Propagator, States
from groundrule.orbit.status import ConstellationStatus, for_use, status_at
from groundrule.orbit.visible import VisibilityIndex
from groundrule.store.home import Home
from groundrule.store.orbits import FOLDER, load_elements

Floats = NDArray[np.float64]

INSTANTS_KEPT: Final = 12
"""States of so many instants are kept; those of 10,000 satellites take half a megabyte."""
FIRST_NS: Final = parse_instant("1957-10-04T00:00Z")
LAST_NS: Final = parse_instant("2100-01-01T00:00Z")
"""Instants that may be asked about: before there was no satellite, and no element set holds so far."""


@dataclass(frozen=True, slots=True)
class Moment:
    """All satellites at one instant.

    Attributes:
        at_ns: which [ns, UTC].
        elements: one set for each satellite: the newest not after the instant, or the earliest after it.
        lat_deg, lon_deg, height_m: of each satellite over the ellipsoid; not-a-number without a state.
        age_s: of each set [s]; negative where its epoch is later.
        code: of each state (`orbit.propagate.Code`).
        states: Earth-fixed.
    """

    at_ns: int
    elements: Elements
    lat_deg: Floats
    lon_deg: Floats
    height_m: Floats
    age_s: Floats
    code: NDArray[np.uint8]
    states: States

    def __len__(self) -> int:
        return len(self.elements)

    def chosen(self, constellations: Sequence[str] | None) -> NDArray[np.bool_]:
        """Return which satellites have a state and are of some constellations; None is all of them."""
        found = self.code == 0
        if constellations is not None:
            found &= np.isin(self.elements.constellation, list(constellations))
        return found


@dataclass(frozen=True, slots=True)
class Seen:
    """A satellite as a place sees it.

    Attributes:
        row: of the moment.
        elevation_deg, azimuth_deg: above the plane that touches the ellipsoid, and from north over east [degree].
        range_m: distance [m].
    """

    row: int
    elevation_deg: float
    azimuth_deg: float
    range_m: float


class Sky:
    """The satellites of one home.

    Args:
        home: whose elements; what is imported later is found at the next question.
    """

    def __init__(self, home: Home) -> None:
        self._home = home
        self._lock = threading.Lock()
        self._known: tuple[tuple[str, int, int], ...] | None = None
        self._elements: Elements | None = None
        self._moments: OrderedDict[int, Moment] = OrderedDict()
        self._indexes: OrderedDict[int, VisibilityIndex] = OrderedDict()
        self._propagators: OrderedDict[bytes, Propagator] = OrderedDict()

    def elements(self) -> Elements:
        """Return all elements of the home; none is an empty table.

        Raises:
            IntegrityError, StoreError: a file is damaged, or cannot be read.
        """
        with self._lock:
            return self._loaded()

    def status(self, at_ns: int) -> list[ConstellationStatus]:
        """Return what the elements of each constellation are worth at an instant, the largest first."""
        _check(at_ns)
        return status_at(self.elements(), at_ns)

    def at(self, at_ns: int) -> Moment:
        """Return all satellites at an instant."""
        _check(at_ns)
        with self._lock:
            return self._at(at_ns)

    def visible(
        self, lat_deg: float, lon_deg: float, at_ns: int, *, height_m: float = 0.0, mask_deg: float = 25.0,
        constellations: Sequence[str] | None = None,
    ) -> tuple[Moment, list[Seen]]:  # fmt: skip
        """Return which satellites a place sees at or above an elevation, the highest first.

        Args:
            lat_deg, lon_deg, height_m: the place [degree, degree, m above the ellipsoid].
            at_ns: when [ns, UTC].
            mask_deg: lowest elevation [degree].
            constellations: only these; None is all.
        """
        _check(at_ns)
        with self._lock:
            moment = self._at(at_ns)
            if not len(moment):
                return moment, []
            index = self._indexes.get(at_ns)
            if index is None:
                index = self._indexes[at_ns] = VisibilityIndex.build(moment.states.r_m[:, 0])
                _trim(self._indexes)
        found = index.visible(lat_deg, lon_deg, height_m, mask_deg=mask_deg)
        elevation, azimuth, distance = index.geometry(found, lat_deg, lon_deg, height_m)
        wanted = moment.chosen(constellations)
        seen = [
            Seen(row, float(elevation[i]), float(azimuth[i]), float(distance[i]))
            for i, row in enumerate(found.satellite.tolist()) if wanted[row]
        ]  # fmt: skip
        seen.sort(key=lambda each: (-each.elevation_deg, int(moment.elements.catalogue[each.row])))
        return moment, seen

    def track(self, catalogue: int, at_ns: int, *, minutes: float = 100.0, step_s: float = 30.0) -> tuple[Floats, Floats]:
        """Return the ground points below one satellite, half of the time before and half after an instant [degree].

        Raises:
            UnknownSatellite: no loaded set has it.
        """
        _check(at_ns)
        moment = self.at(at_ns)
        row = moment.elements.row_of(catalogue)
        with self._lock:
            propagator = self._propagator(moment.elements)
        half = round(minutes * 30.0 * NS_PER_S)
        times = np.arange(at_ns - half, at_ns + half + 1, round(step_s * NS_PER_S), dtype=np.int64)
        states = propagator.pairs(np.full(len(times), row), times)
        good = states.code == 0
        lat, lon, _ = ecef_to_geodetic(states.r_m[good])
        return lat, lon

    # --- under the lock ---------------------------------------------------------------------------------------------------

    def _loaded(self) -> Elements:
        now = _signature(self._home.path / FOLDER)
        if self._elements is None or now != self._known:
            self._elements = load_elements(self._home)
            self._known = now
            self._moments.clear()
            self._indexes.clear()
            self._propagators.clear()
        return self._elements

    def _at(self, at_ns: int) -> Moment:
        elements = self._loaded()
        if (kept := self._moments.get(at_ns)) is not None:
            self._moments.move_to_end(at_ns)
            return kept
        moment = self._make(elements, at_ns)
        self._moments[at_ns] = moment
        _trim(self._moments)
        return moment

    def _make(self, elements: Elements, at_ns: int) -> Moment:
        used = for_use(elements, at_ns)
        if not len(used):
            nothing = np.zeros(0)
            empty = States(np.zeros((0, 1, 3)), np.zeros((0, 1, 3)), np.zeros((0, 1), np.uint8))
            return Moment(at_ns, used, nothing, nothing, nothing, nothing, np.zeros(0, np.uint8), empty)
        propagator = self._propagator(used)
        states = propagator.at(at_ns)
        lat, lon, height = ecef_to_geodetic(states.r_m[:, 0])
        code = states.code[:, 0]
        for column in (lat, lon, height):
            column[code != 0] = np.nan
        return Moment(at_ns, propagator.elements, lat, lon, height, used.age_s(at_ns), code, states)

    def _propagator(self, used: Elements) -> Propagator:
        """Preparing 10,000 sets takes longer than propagating them; neighbouring instants use the same ones."""
        key = used.catalogue.tobytes() + used.epoch_ns.tobytes()
        found = self._propagators.get(key)
        if found is None:
            found = self._propagators[key] = Propagator(used)
            _trim(self._propagators, 3)
        return found


def _trim(kept: OrderedDict[Any, Any], most: int = INSTANTS_KEPT) -> None:
    while len(kept) > most:
        kept.popitem(last=False)


def _signature(folder: Path) -> tuple[tuple[str, int, int], ...]:
    if not folder.is_dir():
        return ()
    found = ((path.name, path.stat()) for path in folder.glob("*.parquet"))
    return tuple(sorted((name, stat.st_size, stat.st_mtime_ns) for name, stat in found))


def _check(at_ns: int) -> None:
    if not FIRST_NS <= at_ns <= LAST_NS:
        raise OutOfRange("no satellite is computed for that time", help="ask for 1957-10-04 to 2100-01-01", field="at")
