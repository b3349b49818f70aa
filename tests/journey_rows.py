"""A journey that nobody can make: for tests of what detectors find behind the desk."""

from __future__ import annotations

import pyarrow as pa

from groundrule.instant import NS_PER_S

START_NS = 1_772_445_600_000_000_000
JOURNEY = [(k * 15, 4.0 + 0.0001 * k, 14.0) for k in range(20)] + [(300 + k * 15, 9.0 + 0.0001 * k, 3.0) for k in range(40)]
"""At rest in one place, and then, within seconds, 1,300 km away, for so long that a jump of the receiver is no reason."""


def seen(*places: tuple[int, float, float], who: str = "guest") -> pa.Table:
    """Observations of a terminal: seconds after START_NS, latitude and longitude [degree]."""
    rows = [
        {"terminal_id": who, "observed_at": START_NS + at * NS_PER_S, "lat_deg": lat, "lon_deg": lon, "position_sigma_m": 5.0}
        for at, lat, lon in places
    ]
    return pa.Table.from_pylist(rows)
