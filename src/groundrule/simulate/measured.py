"""Measure: who is served by which satellite, slot by slot, and what the network then measures.

1. A slot has one serving satellite for each terminal, drawn from those that stand above the mask at both of its ends; another
   one than before where there is one.
2. Light is traced for every instant (`radio`), then attackers do what they do (`attackers`), then come delays, clocks and noise.
3. One table a slot: range and Doppler of each terminal and instant, in order of time.

Source: arXiv 2305.12259 and the specification of verification, sections 2 (slots) and 3.1 (what is measured).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import h3.api.numpy_int as h3
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from groundrule.frames import C_M_S, enu_axes, geodetic_to_ecef
from groundrule.instant import NS_PER_S
from groundrule.orbit.visible import Visible
from groundrule.simulate.attackers import A1, CLASSES, LIES, Values, best_delay, forge
from groundrule.simulate.description import Radio, Scenario
from groundrule.simulate.disturb import Disturbance
from groundrule.simulate.fleet import Fleet
from groundrule.simulate.radio import Physics, trace
from groundrule.simulate.sky import Arcs, Sky
from groundrule.verify.assemble import SLOT_PHASE_NS
from groundrule.verify.measurements import MEASUREMENT_SCHEMA, TRUST

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SOURCE = "simulated"
_STEP_S = 0.5
"""Velocities are differences of places so long before and after [s]."""
_WINDOW_NS = 60 * NS_PER_S


@dataclass(frozen=True, slots=True)
class Measured:
    """Terminals that are measured, with what is hidden in their radio.

    Attributes:
        rows: their numbers in the fleet, ascending [m]. attack: what is done, index into `attackers.CLASSES` [m]. trust: into `TRUST` [m].
        delay_m: residual one-way delay [m]. clock_m_s: offset of the oscillator as a velocity [m].
        hidden_m: delay that an attacker of class A1 hides [m]; not-a-number: the best for its claim, of its first slot.
        all_attack: class of every terminal of the fleet [n].
    """

    rows: Ints
    attack: Ints
    trust: Ints
    delay_m: Floats
    clock_m_s: Floats
    hidden_m: Floats
    all_attack: Ints

    def __len__(self) -> int:
        return len(self.rows)


class Tracks(NamedTuple):
    """Where measured terminals are at the instants of a slot: ECEF [m, m/s; (m, k, 3)], and in degrees [(m, k)]."""

    x_m: Floats
    v_m_s: Floats
    lat_deg: Floats
    lon_deg: Floats
    height_m: Floats


class Places:
    """Places of the measured terminals; those at rest are computed once."""

    def __init__(self, fleet: Fleet, rows: Ints) -> None:
        self.rows = rows
        partners = np.unique(np.concatenate([rows, *(part for a, b, _ in fleet.swaps for part in (a, b))]))
        self._fleet = fleet.only(partners)
        self._at = np.searchsorted(partners, rows)
        swapped = np.unique(np.concatenate([np.zeros(0, np.int64), *(part for a, b, _ in fleet.swaps for part in (a, b))]))
        moves = np.zeros(len(fleet), np.bool_)
        moves[fleet.moving_rows] = True
        moves[swapped] = True
        self._moving = np.flatnonzero(moves[rows])
        self._whole = self._degrees(0.0, 0.0)
        self._x = geodetic_to_ecef(*self._whole)

    def _degrees(self, t_s: float, swapped_at: float) -> tuple[Floats, Floats, Floats]:
        lat, lon, _, _, height = self._fleet.positions(t_s, swapped_at=swapped_at)
        return lat[self._at], lon[self._at], height[self._at]

    def at(self, t_s: float) -> tuple[Floats, Floats, Floats]:
        """Latitude, longitude [degree] and height [m] at a time after the start [s]."""
        return self._degrees(max(0.0, t_s), max(0.0, t_s)) if len(self._moving) else self._whole

    def tracks(self, times_s: Floats) -> Tracks:
        """Places at the instants of a slot, after the start [s; (k,)]."""
        m, k = len(self.rows), len(times_s)
        x, v = np.repeat(self._x[:, None], k, axis=1), np.zeros((m, k, 3))
        lat, lon, height = (np.repeat(column[:, None], k, axis=1) for column in self._whole)
        own = self._moving
        if len(own):
            for j, t in enumerate(times_s.tolist()):
                before, after = max(0.0, t - _STEP_S), t + _STEP_S
                here = self._degrees(t, t)
                lat[own, j], lon[own, j], height[own, j] = (column[own] for column in here)
                x[own, j] = geodetic_to_ecef(*(column[own] for column in here))
                ends = [geodetic_to_ecef(*(column[own] for column in self._degrees(at, t))) for at in (before, after)]
                v[own, j] = (ends[1] - ends[0]) / (after - before)
        return Tracks(x, v, lat, lon, height)


def slots(scenario: Scenario) -> Iterator[tuple[int, Ints]]:
    """Begin of each slot in which something is measured, and the instants [ns, UTC]."""
    radio, start = scenario.radio, scenario.start_ns
    step = round(radio.interval_s * NS_PER_S)
    t = start + np.arange(0, scenario.end_ns - start, step, dtype=np.int64)
    if radio.window_s > 0:
        first = -((SLOT_PHASE_NS - start) // _WINDOW_NS) * _WINDOW_NS + SLOT_PHASE_NS
        after = t - first
        every = round(radio.every_s * NS_PER_S)
        within = after % every if every else after
        t = t[(after >= 0) & (within < round(radio.window_s * NS_PER_S))]
    length = round(radio.handover_s * NS_PER_S)
    number = (t - SLOT_PHASE_NS) // length
    for one in np.unique(number).tolist():
        yield one * length + SLOT_PHASE_NS, t[number == one]


def measure(
    scenario: Scenario, fleet: Fleet, sky: Sky, disturbance: Disturbance, measured: Measured, seed: list[int]
) -> Iterator[pa.Table]:
    """Tables of `MEASUREMENT_SCHEMA`, one a slot, in order of time; `source_row` counts through all."""
    radio = scenario.radio
    places = Places(fleet, measured.rows)
    ids = fleet.columns["terminal_id"][measured.rows]
    here = disturbance.only(measured.rows)
    physics = Physics(radio.light_time, radio.atmosphere, radio.relativity, radio.carrier_hz)
    previous = np.full(len(measured), -1, np.int64)
    hidden = measured.hidden_m.copy()
    noise = _Noise(len(measured), radio.correlation)
    row = 0
    for begin_ns, t_ns in slots(scenario):
        rng = np.random.default_rng([*seed, begin_ns // NS_PER_S])
        times = (t_ns - scenario.start_ns) / NS_PER_S
        ends = begin_ns, begin_ns + round(radio.handover_s * NS_PER_S)
        seen = [sky.seen(*places.at((end - scenario.start_ns) / NS_PER_S), end, scenario.constellation.mask_deg) for end in ends]
        serving = choose(seen[0], seen[1], len(sky), previous, rng)
        previous = np.where(serving >= 0, serving, previous)
        tracks = places.tracks(times)
        values = _values(sky, serving, begin_ns, t_ns, tracks, here, times, measured, hidden, radio, physics)
        heard = np.isfinite(values.true.range_m)
        if disturbance.outages:
            for j, t in enumerate(times.tolist()):
                heard[:, j] &= ~here.silent(t, (tracks.lat_deg[:, j], tracks.lon_deg[:, j]))
        table = _table(scenario, measured, ids, serving, t_ns, times, values, heard, tracks, sky, noise, rng)
        numbers = pa.array(np.arange(row, row + len(table)))
        row += len(table)
        yield table.set_column(MEASUREMENT_SCHEMA.get_field_index("source_row"), MEASUREMENT_SCHEMA.field("source_row"), numbers)


def choose(begin: Visible, end: Visible, satellites: int, previous: Ints, rng: np.random.Generator) -> Ints:
    """Draw a satellite for each terminal from those that it sees at both ends of a slot; -1 where there is none [m]."""
    n = len(begin.offsets) - 1

    def keys(seen: Visible) -> Ints:
        of = np.repeat(np.arange(n, dtype=np.int64), np.diff(seen.offsets))
        return of * satellites + seen.satellite.astype(np.int64)

    both = np.intersect1d(keys(begin), keys(end), assume_unique=True)
    terminal, satellite = both // satellites, both % satellites
    # The one that served before comes last, so that a slot brings another one where there is another.
    chance = rng.random(len(both)) + (satellite == previous[terminal])
    order = np.lexsort((chance, terminal))
    first = np.ones(len(order), np.bool_)
    first[1:] = np.diff(terminal[order]) != 0
    out = np.full(n, -1, np.int64)
    out[terminal[order[first]]] = satellite[order[first]]
    return out


class _Signals(NamedTuple):
    """Values of a slot: as sent by whoever sends them, and what a modem that believes its position compensates."""

    true: Values
    believed: Values | None


def _values(
    sky: Sky, serving: Ints, begin_ns: int, t_ns: Ints, tracks: Tracks, here: Disturbance, times: Floats, measured: Measured,
    hidden: Floats, radio: Radio, physics: Physics,
) -> _Signals:
    used, which = np.unique(serving, return_inverse=True)
    if len(used) and used[0] < 0:
        used, which = used[1:], which - 1
    flown = sky.arcs(used, begin_ns, radio.handover_s)
    up = enu_axes(tracks.lat_deg[:, 0], tracks.lon_deg[:, 0])[:, 2]
    found = trace(flown, which, t_ns, tracks.x_m, tracks.v_m_s, up, tracks.height_m[:, 0], physics)
    true = Values(found.range_m, found.rate_m_s)
    lies = np.isin(measured.attack, LIES)
    if not lies.any() and not radio.precompensated:
        return _Signals(true, None)
    told = sky.arcs(used, begin_ns, radio.handover_s, as_told=True)
    claimed = _claimed(told, which, t_ns, tracks, here, times, radio, physics)
    new = (measured.attack == A1) & np.isnan(hidden) & np.isfinite(true.range_m[:, 0])
    hidden[new] = best_delay(true.range_m[new], claimed.range_m[new])
    sent = forge(measured.attack, true, claimed, hidden)
    return _Signals(sent, claimed if radio.precompensated else None)


def _claimed(
    told: Arcs, which: Ints, t_ns: Ints, tracks: Tracks, here: Disturbance, times: Floats, radio: Radio, physics: Physics
) -> Values:
    """What the claimed place would give by the elements; without precompensation only liars' claims matter."""
    lat, lon = tracks.lat_deg.copy(), tracks.lon_deg.copy()
    if radio.precompensated:
        zero = np.zeros(len(lat))
        for j, t in enumerate(times.tolist()):
            said = here.said(t, (tracks.lat_deg[:, j], tracks.lon_deg[:, j]), (zero, zero), (zero, zero))
            lat[:, j], lon[:, j] = said.lat_deg, said.lon_deg
    liar = here.liar
    lat[liar], lon[liar] = here.claim_lat_deg[liar, None], here.claim_lon_deg[liar, None]
    if not radio.precompensated:
        which = np.where(liar, which, -1)
    x = geodetic_to_ecef(lat, lon, tracks.height_m)
    v = np.where(liar[:, None, None], 0.0, tracks.v_m_s)
    found = trace(told, which, t_ns, x, v, enu_axes(lat[:, 0], lon[:, 0])[:, 2], tracks.height_m[:, 0], physics)
    return Values(found.range_m, found.rate_m_s)


class _Noise:
    """Noise of ranges and rates, which may keep its direction from one instant to the next."""

    def __init__(self, count: int, correlation: float) -> None:
        self._last = np.zeros((2, count))
        self._keep = correlation
        self._first = True

    def draw(self, instants: int, rng: np.random.Generator) -> Floats:
        """Unit noise (2, m, k)."""
        out = rng.standard_normal((2, self._last.shape[1], instants))
        if self._keep > 0:
            fresh = np.sqrt(1.0 - self._keep**2)
            for j in range(instants):
                if not self._first:
                    out[:, :, j] = self._keep * self._last + fresh * out[:, :, j]
                self._first = False
                self._last = out[:, :, j].copy()
        return out


def _table(
    scenario: Scenario, measured: Measured, ids: NDArray[np.object_], serving: Ints, t_ns: Ints, times: Floats, values: _Signals,
    heard: NDArray[np.bool_], tracks: Tracks, sky: Sky, noise: _Noise, rng: np.random.Generator,
) -> pa.Table:
    radio = scenario.radio
    m, k = heard.shape
    unit = noise.draw(k, rng)
    ranges = values.true.range_m + measured.delay_m[:, None] + radio.range_sigma_m * unit[0]
    if radio.spike_share > 0:
        spiked = rng.random((m, k)) < radio.spike_share
        ranges = ranges + np.where(spiked, rng.exponential(radio.spike_m, (m, k)), 0.0)
    clock = measured.clock_m_s[:, None] + radio.drift_m_s2 * times[None, :]
    hertz = -(values.true.rate_m_s + clock) / C_M_S * radio.carrier_hz + radio.rate_sigma_hz * unit[1]
    rtt = 2.0 * ranges / C_M_S
    precomp = np.full((2, m, k), np.nan)
    if values.believed is not None:
        # The modem sends earlier by the flight, and higher by the Doppler, that it expects at the place it believes in.
        precomp[0] = 2.0 * values.believed.range_m / C_M_S
        precomp[1] = values.believed.rate_m_s / C_M_S * radio.carrier_hz
        rtt, hertz = rtt - precomp[0], hertz + precomp[1]
    if radio.quantum_m > 0:
        step = 2.0 * radio.quantum_m / C_M_S
        rtt = np.rint(rtt / step) * step
    # Rows in order of instant, terminal, and range before Doppler.
    order = np.flatnonzero(heard.T.ravel())
    terminal, instant = order % m, order // m
    twice = np.repeat(np.arange(len(order)), 2)
    is_rate = np.tile(np.array([0, 1]), len(order))
    both = np.stack([rtt, hertz])[is_rate, terminal[twice], instant[twice]]
    sigma = np.array([2.0 * radio.range_sigma_m / C_M_S, radio.rate_sigma_hz])
    rows = len(twice)
    text = pa.string()
    numbers = np.array([radio.carrier_hz, radio.delay_sigma_m, 2.0 * radio.quantum_m / C_M_S])
    columns: dict[str, pa.Array] = {
        "terminal_id": pa.array(ids, text).take(pa.array(terminal[twice])),
        "observed_at": pa.array(t_ns[instant[twice]]),
        "satellite": pa.array(sky.told.catalogue[serving[terminal[twice]]]),
        "kind": pa.array(["rtt", "ul_doppler"], text).take(pa.array(is_rate)),
        "value": pa.array(both),
        "sigma": pa.array(sigma[is_rate]),
        "carrier_hz": pa.array(np.full(rows, numbers[0]), mask=is_rate == 0),
        "trust": pa.array(TRUST, text).take(pa.array(measured.trust[terminal[twice]])),
        "source": pa.array([SOURCE], text).take(pa.array(np.zeros(rows, np.int64))),
    }
    if radio.delay_sigma_m > 0:
        columns["cal_sigma_m"] = pa.array(np.full(rows, numbers[1]), mask=is_rate == 1)
    if radio.quantum_m > 0:
        columns["quantum"] = pa.array(np.full(rows, numbers[2]), mask=is_rate == 1)
    if radio.correlation > 0:
        columns["acf_sum"] = pa.array(np.full(rows, radio.correlation / (1.0 - radio.correlation)))
    if values.believed is not None:
        columns["precomp"] = pa.array(precomp[is_rate, terminal[twice], instant[twice]])
    table = _whole(columns, rows)
    if radio.cell_resolution:
        cells = _cells(radio.cell_resolution, np.flatnonzero(heard.any(axis=1)), ids, int(t_ns[0]), tracks, measured)
        return pa.concat_tables([cells, table])
    return table


def _cells(resolution: int, rows: Ints, ids: NDArray[np.object_], t_ns: int, tracks: Tracks, measured: Measured) -> pa.Table:
    """The cell that serves each terminal: a disc round the hexagon of a fixed grid."""
    centres = np.empty((len(rows), 2))
    for position, row in enumerate(rows.tolist()):
        cell = h3.latlng_to_cell(tracks.lat_deg[row, 0], tracks.lon_deg[row, 0], resolution)
        centres[position] = h3.cell_to_latlng(cell)
    # Hexagons differ in size by up to a third from the mean, and the disc holds their corners.
    radius = 1.35 * h3.average_hexagon_edge_length(resolution, "m")
    text = pa.string()
    columns = {
        "terminal_id": pa.array(ids[rows], text),
        "observed_at": pa.array(np.full(len(rows), t_ns)),
        "kind": pa.array(["beam_cell"] * len(rows), text),
        "cell_lat_deg": pa.array(centres[:, 0]), "cell_lon_deg": pa.array(centres[:, 1]),
        "cell_radius_m": pa.array(np.full(len(rows), radius)),
        "trust": pa.array(np.array(TRUST, object)[measured.trust[rows]], text),
        "source": pa.array([SOURCE] * len(rows), text),
    }  # fmt: skip
    return _whole(columns, len(rows))


def _whole(columns: dict[str, pa.Array], rows: int) -> pa.Table:
    full = [columns[field.name] if field.name in columns else pa.nulls(rows, field.type) for field in MEASUREMENT_SCHEMA]
    return pa.table(full, schema=MEASUREMENT_SCHEMA)


assert CLASSES[A1] == "A1"
