"""A small world with radio: generated satellites, terminals at known places, and measurements made by tracing light.

Written apart from the estimator on purpose: both legs of a round trip are iterated in inertial axes, the satellite that is
flown is off its elements by an error that the estimator is only told the size of, and what an attacker does is done to
the values. Everything is drawn from one seed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from groundrule.frames import C_M_S, OMEGA_EARTH_RAD_S, ecef_to_geodetic, enu_axes, geodetic_to_ecef
from groundrule.instant import NS_PER_S, parse_instant
from groundrule.orbit.elements import Elements
from groundrule.orbit.generate import Shell, walker
from groundrule.orbit.propagate import Propagator
from groundrule.verify.model import displace

START_NS = parse_instant("2026-05-24T12:00:12Z")
CARRIER_HZ = 14e9
SHELL = Shell(550.0, 53.0, 72, 22, 360.0, 17)
OPERATOR_M = (20.0, 5.0, 5.0)


@dataclass
class Truth:
    """One terminal as it is.

    Attributes:
        name, lat_deg, lon_deg, height_m: who and where at START_NS; velocity_m_s: east and north.
        claim: latitude and longitude that it reports; None: the truth.
        trust: of its values. attack: A0, A1, A1D, A1R, A2, A3.
        delay_m: hidden delay of A1. delta_m, f_m_s: honest residual delay and oscillator.
    """

    name: str
    lat_deg: float = 43.5
    lon_deg: float = 34.0
    height_m: float = 100.0
    velocity_m_s: tuple[float, float] = (0.0, 0.0)
    claim: tuple[float, float] | None = None
    trust: str = "network"
    attack: str = "A0"
    delay_m: float = 0.0
    delta_m: float = 20.0
    f_m_s: float = 12.0


@dataclass
class World:
    """Satellites, noise and random numbers."""

    seed: int = 1
    range_sigma_m: float = 150.0
    rate_sigma_hz: float = 10.0
    ephemeris_m: tuple[float, float, float] = OPERATOR_M
    grade: str = "operator"
    mask_deg: float = 25.0
    off_m: dict[int, tuple[float, float, float]] = field(default_factory=dict)
    elements: Elements = field(init=False)
    rng: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        made = walker((SHELL,), START_NS - 3 * 3600 * NS_PER_S, constellation="invented")
        n = len(made)
        covariance = (
            np.broadcast_to(np.diag(np.square(self.ephemeris_m)), (n, 3, 3)).copy()
            if self.grade == "operator"
            else None
        )
        self.elements = Elements(
            **{name: getattr(made, name) for name in _COLUMNS if name != "grade"},
            grade=np.full(n, self.grade),
            covariance_m2=covariance,
        )
        self.rng = np.random.default_rng(self.seed)
        self._propagator = Propagator(self.elements)
        self._error: dict[int, np.ndarray] = {}

    def error(self, row: int) -> np.ndarray:
        """S, R, C of a satellite: drawn once, so that every terminal sees the same; `off_m` says otherwise by number."""
        number = int(self.elements.catalogue[row])
        if number in self.off_m:
            return np.array(self.off_m[number])
        if row not in self._error:
            self._error[row] = self.rng.normal(size=3) * np.array(self.ephemeris_m)
        return self._error[row]

    def visible(self, lat: float, lon: float, t_ns: int, until_ns: int) -> np.ndarray:
        """Rows of satellites above the mask at both instants."""
        place, up = geodetic_to_ecef(lat, lon, 0.0), enu_axes(lat, lon)[2]
        high = np.ones(len(self.elements), bool)
        for t in (t_ns, until_ns):
            gap = self._propagator.at([t]).r_m[:, 0] - place
            high &= gap @ up > math.sin(math.radians(self.mask_deg)) * np.linalg.norm(gap, axis=1)
        return np.flatnonzero(high)

    def schedule(self, lat: float, lon: float, slots: int, start_ns: int = START_NS) -> list[int]:
        """One satellite for each slot of 15 s, another one each time where there is one."""
        out: list[int] = []
        for k in range(slots):
            begin = start_ns + k * 15 * NS_PER_S
            seen = self.visible(lat, lon, begin, begin + 15 * NS_PER_S)
            fresh = [row for row in seen if row not in out] or list(seen)
            out.append(int(self.rng.choice(fresh)))
        return out

    def states(self, row: int, t_ns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where a satellite truly is."""
        got = self._propagator.pairs(np.full(len(t_ns), row), t_ns)
        return displace(got.r_m, got.v_m_s, self.error(row))

    def measure(self, who: Truth, serving: list[int], *, start_ns: int = START_NS, step_s: float = 1.0) -> list[dict]:
        """Rows of measurements of one terminal, with what its attacker does to them."""
        rows: list[dict] = []
        jitter = self.rng.uniform(0, 3000.0, len(serving))  # A2: another added delay in each slot
        for k, sat in enumerate(serving):
            t = start_ns + k * 15 * NS_PER_S + (np.arange(0, 15, step_s) * NS_PER_S).astype(np.int64)
            x, v = _where(who, (t - start_ns) / NS_PER_S)
            r, vs = self.states(sat, t)
            rho, rate = traced(r, vs, x, v)
            ranges, rates = rho + who.delta_m, rate + who.f_m_s
            if who.claim is not None and who.attack in {"A1D", "A1R", "A2", "A3"}:
                liar = Truth(who.name, *who.claim, who.height_m)
                claimed, still = _where(liar, (t - start_ns) / NS_PER_S)
                false_rho, false_rate = traced(*self._told(sat, t), claimed, still)
                if who.attack in {"A1D", "A3"}:
                    ranges = false_rho + who.delta_m
                if who.attack == "A2":  # only later than the truth, by one delay for the slot
                    ranges = ranges + max(float(np.mean(false_rho - rho)), 0.0)
                if who.attack in {"A1R", "A2", "A3"}:
                    rates = false_rate + who.f_m_s
            elif who.attack == "A2":
                ranges = ranges + jitter[k]
            ranges = ranges + who.delay_m
            ranges = ranges + self.rng.normal(0, self.range_sigma_m, len(t))
            hertz = -(rates / C_M_S) * CARRIER_HZ + self.rng.normal(0, self.rate_sigma_hz, len(t))
            number = int(self.elements.catalogue[sat])
            for i in range(len(t)):
                common = {"terminal_id": who.name, "observed_at": int(t[i]), "satellite": number, "trust": who.trust}
                rows.append(
                    {
                        **common,
                        "kind": "rtt",
                        "value": 2 * ranges[i] / C_M_S,
                        "sigma": 2 * self.range_sigma_m / C_M_S,
                        "cal_sigma_m": 30.0,
                    }
                )
                rows.append(
                    {
                        **common,
                        "kind": "ul_doppler",
                        "value": hertz[i],
                        "sigma": self.rate_sigma_hz,
                        "carrier_hz": CARRIER_HZ,
                    }
                )
        return rows

    def _told(self, sat: int, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        got = self._propagator.pairs(np.full(len(t), sat), t)
        return got.r_m, got.v_m_s

    def claims(self, terminals: list[Truth], seconds: int = 60, start_ns: int = START_NS) -> pa.Table:
        """Observations every 15 s with what the terminals say of themselves."""
        rows = []
        for who in terminals:
            for dt in range(0, seconds + 1, 15):
                at = who.claim
                if at is None:
                    axes = enu_axes(who.lat_deg, who.lon_deg)
                    way = who.velocity_m_s[0] * axes[0] + who.velocity_m_s[1] * axes[1]
                    lat, lon, _ = ecef_to_geodetic(geodetic_to_ecef(who.lat_deg, who.lon_deg, who.height_m) + dt * way)
                    at = (float(lat), float(lon))
                speed = math.hypot(*who.velocity_m_s)
                rows.append(
                    {
                        "terminal_id": who.name,
                        "observed_at": start_ns + dt * NS_PER_S,
                        "lat_deg": at[0],
                        "lon_deg": at[1],
                        "position_sigma_m": 5.0,
                        "position_source": "gnss",
                        "speed_m_s": speed,
                        "course_deg": math.degrees(math.atan2(*who.velocity_m_s)) % 360.0,
                    }
                )
        return pa.Table.from_pylist(rows)


def traced(r: np.ndarray, v: np.ndarray, x: np.ndarray, vx: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One-way range over both legs and the uplink's rate, traced in axes that do not turn, by iteration."""
    spin = np.array([0.0, 0.0, OMEGA_EARTH_RAD_S])
    vi, xi = v + np.cross(spin, r), vx + np.cross(spin, x)
    a = -3.986004418e14 * r / np.linalg.norm(r, axis=1, keepdims=True) ** 3

    def leg(sign: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        tau = np.zeros((len(r), 1))
        for _ in range(5):
            at = r + sign * tau * vi + 0.5 * tau**2 * a
            length = np.linalg.norm(at - x, axis=1, keepdims=True)
            tau = length / C_M_S
        return length[:, 0], (at - x) / length, vi + sign * tau * a

    down, _, _ = leg(-1.0)
    up, u, moving = leg(1.0)
    return 0.5 * (down + up), np.sum(u * (moving - xi), axis=1)


def _where(who: Truth, dt: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places and velocities [ECEF]: a straight course over the ground, held at its height."""
    start, axes = geodetic_to_ecef(who.lat_deg, who.lon_deg, who.height_m), enu_axes(who.lat_deg, who.lon_deg)
    speed = math.hypot(*who.velocity_m_s)
    way = who.velocity_m_s[0] * axes[0] + who.velocity_m_s[1] * axes[1]
    radius = float(np.linalg.norm(start))
    angle = speed * dt / radius
    unit = way / speed if speed else axes[0]
    # Turned about the centre of curvature, so that the height stays.
    x = start + np.sin(angle)[:, None] * radius * unit - (1 - np.cos(angle))[:, None] * radius * axes[2]
    v = speed * (np.cos(angle)[:, None] * unit - np.sin(angle)[:, None] * axes[2])
    return x, v


def table(rows: list[dict]) -> pa.Table:
    """Rows as a table; columns that a row lacks are empty."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pa.table({name: [row.get(name) for row in rows] for name in names})


_COLUMNS = [
    "catalogue",
    "name",
    "designator",
    "epoch_ns",
    "mean_motion_rev_day",
    "eccentricity",
    "inclination_deg",
    "raan_deg",
    "arg_perigee_deg",
    "mean_anomaly_deg",
    "bstar",
    "ndot",
    "nddot",
    "element_set",
    "rev",
    "classification",
    "constellation",
    "grade",
    "form",
    "source",
]
