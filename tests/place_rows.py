"""Small worlds for the behaviours about places: a few places by name, rows by time, and memory beside them."""

from __future__ import annotations

import numpy as np

from groundrule.detect.rows import NOWHERE, UNKNOWN, Facts, Places, Rows
from groundrule.instant import NS_PER_S

START_S = 1_780_444_800
"""2026-06-03T00:00Z [s since 1970]."""

Told = list[dict[str, object]]

COUNTRIES = ["UA", "PL", "RU", "GB"]
PLACES = {
    "edge": (NOWHERE, False, 0, False), "ukraine": (0, False, 1, False), "poland": (1, False, 0, False),
    "russia": (2, False, 0, False), "front": (0, True, 1, False), "occupied": (0, False, 2, False), "sea": (0, False, 0, True),
    "front_edge": (NOWHERE, True, 0, False), "britain": (3, False, 0, False), "sea_poland": (1, False, 0, True),
    "held": (0, False, 1, False),
}  # fmt: skip
"""Country, front, side of control, sea."""


def places() -> Places:
    columns = list(zip(*PLACES.values(), strict=True))
    return Places(
        list(COUNTRIES), np.array(columns[0], np.int16), np.array(columns[1]), np.array(columns[2], np.int16), np.array(columns[3]),
        ["", "ua-held", "ru-held"],
    )  # fmt: skip


def facts(terminals: int, *, activation: str | None = None, account: str | None = None, protected: bool = False, **more: object) -> Facts:
    made = Facts.unknown(terminals)
    made.activation_country[:] = NOWHERE if activation is None else COUNTRIES.index(activation)
    made.account_country[:] = NOWHERE if account is None else COUNTRIES.index(account)
    made.protected[:] = protected
    for name, value in more.items():
        getattr(made, name)[:] = value
    return made


def rows_of(told: Told) -> Rows:
    """Rows in order of time; a dict gives t (s after START_S), row, place, lat, lon and what else differs from a plain report."""
    told = sorted(told, key=lambda one: (one["t"], one.get("row", 0)))

    def column(name: str, default: float, dtype: type) -> np.ndarray:
        return np.array([one.get(name, default) for one in told], dtype)

    return Rows(
        column("row", 0, np.int32), np.array([round((START_S + float(one["t"])) * NS_PER_S) for one in told], np.int64),  # type: ignore[arg-type]  # a number
        column("lat", 48.0, np.float64), column("lon", 35.0, np.float64), column("sigma", 5.0, np.float32),
        column("cell", 0, np.uint64), column("radius", 0.0, np.float32), column("source", 0, np.uint8), column("alt", np.nan, np.float32),
        column("speed", np.nan, np.float32), column("gnss", 0, np.uint8), column("verdict", 0, np.uint8),
        column("radio", np.nan, np.float64),
        np.array([list(PLACES).index(str(one["place"])) if one.get("place") else -1 for one in told], np.int32),
        column("served", UNKNOWN, np.uint8), column("denied", UNKNOWN, np.uint8),
    )  # fmt: skip


def stays(place: str, begin_s: float, count: int, *, every_s: float = 15.0, speed_m_s: float = 0.0, **more: object) -> Told:
    """Reports of a terminal at one place; it drives north at a speed, if one is given."""
    lat = float(more.pop("lat", 48.0))  # type: ignore[arg-type]  # a number
    return [
        {"t": begin_s + k * every_s, "place": place, "lat": lat + speed_m_s * k * every_s / 111_195.0, **more} for k in range(count)
    ]


def name(row: int) -> str:
    return f"ut-{row:06d}"
