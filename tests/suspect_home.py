"""A home whose history raises signals of every kind that follows from observations: crowds, columns, straw holders, sleepers, jumps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import shapely

from detected_stream import wild_observations
from groundrule.areas.model import Area
from groundrule.instant import NS_PER_S
from groundrule.records import with_later
from groundrule.store.home import Home
from late_delivery import deliver
from radio_rows import radio
from small_home import ACCOUNTS, AREAS, RECORDED, TERMINALS, make_home, observation, register, run, table

M = 1 / 111_195.0
DAY_S = 86_400.0
BEGIN_S = 2 * DAY_S
"""When the crowds gather [s after T0]; what goes on before it has other observations."""
SUSPECT_AREAS = (
    *AREAS, Area("land:AT", "land", "Ground of Aland (invented)", shapely.box(0, 0, 10, 10), country="AT"),
    Area("land:BE", "land", "Ground of Bland (invented)", shapely.box(10, 0, 20, 10), country="BE"),
    Area("front:east", "zone", "Front (invented)", shapely.box(7, 4, 8, 5), tags=("front",)),
    Area("control:west", "control", "West (invented)", shapely.box(0, 0, 7.5, 10)),
    Area("control:east", "control", "East (invented)", shapely.box(7.5, 0, 20, 10)),
)  # fmt: skip
_FLEETS = {
    "camp": 10, "column": 8, "straw": 4, "idle": 2, "sleeper": 2, "jumper": 4, "liar": 2, "still": 2, "roamer": 1, "drone": 1, "crosser": 2
}  # fmt: skip
_STRAW_ACCOUNTS = 2


def suspect_home(path: Path, *, seed: int = 5, deliveries: int | None = 2) -> Home:
    """Make it.

    Args:
        path: where.
        seed: of what is random.
        deliveries: seed of several runs with late and repeated rows; None is one run.
    """
    home = make_home(path, areas=SUSPECT_AREAS)
    accounts, parties, terminals, links = [], [], [], []
    for fleet, count in _FLEETS.items():
        for number in range(count):
            name, holder = f"{fleet}{number}", f"{fleet}{number}"
            if fleet in {"straw", "idle"}:
                holder = f"straw{number % _STRAW_ACCOUNTS}"
            party = "straw" if holder.startswith("straw") else holder
            accounts.append(f"acc-{holder},p-{party},BE,active")
            parties.append(f"p-{party},individual")
            plan = "residential" if fleet == "still" else "roam"
            terminals.append(f"{name},acc-{holder},{plan},,registered,{'AT' if fleet in {'jumper', 'still'} else 'BE'},2025-01-01T00:00Z")
            links.append(f"acc-{holder},dealer")
    # Held by another from the middle on, so that there is more than one epoch of the registers.
    changes = "camp0,acc-camp1,roam,,registered,BE,2025-01-01T00:00Z,2026-03-04T10:12:07Z\n"
    head = "terminal_id,account_id,plan,programmes,registration,activation_country,activated_at"
    register(home, "accounts", "\n".join([*ACCOUNTS.split(), *dict.fromkeys(accounts)]) + "\n")
    register(home, "parties", "\n".join(["party_id,legal_class", *dict.fromkeys(parties)]) + "\n")
    register(home, "terminals", "\n".join([head, *(f"{line}," for line in TERMINALS.splitlines()[1:]), *terminals]) + "\n")
    register(home, "account_links", "\n".join(["account_id,dealer_id", *dict.fromkeys(links)]) + "\n")
    register(home, "terminals", f"{head},valid_from\n{changes}", recorded_at=RECORDED - 60 * NS_PER_S)
    whole = suspect_observations(seed)
    parts = [whole] if deliveries is None else deliver(whole, deliveries)[0]
    for number, part in enumerate(parts):
        run(home, part, recorded_at=RECORDED + number * NS_PER_S)
    return home


def suspect_observations(seed: int) -> pa.Table:
    """Observations in order of time."""
    rng = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []

    def told(name: str, at_s: float, lat: float, lon: float, **more: Any) -> None:
        rows.append(observation(name, BEGIN_S + at_s, lat, lon, position_sigma_m=8.0, **more))

    for number in range(_FLEETS["camp"]):
        lat, lon = 6.0 + M * rng.uniform(0, 200, 2)
        for step in range(100):
            told(f"camp{number}", 15 * step + number, lat, lon)
    for number in range(_FLEETS["column"]):
        for step in range(60):
            told(f"column{number}", 15 * step + number, 1.0 + M * (14.0 * 15 * step - 100 * number), 1.0)
    for fleet in ("straw", "sleeper"):
        for number in range(_FLEETS[fleet]):
            if fleet == "sleeper":
                told(f"sleeper{number}", -BEGIN_S - 40 * DAY_S + number, 5.0, 15.0)
            for step in range(60):
                told(f"{fleet}{number}", 60 * step + 3 * (number // 2), 4.5 + 0.1 * number, 7.2)  # two at one instant
    for number in range(_FLEETS["jumper"]):
        # The last two jump at the end: the one's finding waits beyond its own last report, the other's beyond all reports.
        since = (600, 600, 2_900, 3_300)[number]
        for step in range(48 if number == 2 else 60):
            away = 60 * step >= since
            disturbed = {"gnss_state": "suspended"} if number == 1 and 60 * step > since + 360 else {}
            told(f"jumper{number}", 60 * step + number, 3.5 + (4.0 if away else 0.0), 1.5, **disturbed)
            if away and number != 1:
                for more in range(15, 60, 15):
                    told(f"jumper{number}", 60 * step + number + more, 7.5, 1.5)
    for day in range(100):
        told("roamer0", -day * DAY_S - 60, 2.0, 9.0)
    for step in range(40):
        told("drone0", 15 * step, 4.1, 7.1 + M * 47 * 15 * max(0, step - 10))
    for number in range(_FLEETS["crosser"]):
        for step in range(40):
            told(f"crosser{number}", 60 * step + number, 5.5, 7.45 + M * 10 * 60 * step)
    for number in range(_FLEETS["liar"]):
        for step in range(60):
            at_s = 30 * step + number
            told(f"liar{number}", at_s, 8.5, 3.0, radio=radio(BEGIN_S + at_s - 1, 8.5, 4.0, "inconsistent", distance_m=110_000.0))
    for number in range(_FLEETS["still"]):
        for step in range(60):
            told(f"still{number}", 15 * step + number, 9.0, 2.0 + M * 20 * 15 * max(0, step - 20))
    wild = wild_observations(seed)
    return pa.concat_tables([with_later(table(rows)).cast(wild.schema), wild]).sort_by(
        [("observed_at", "ascending"), ("terminal_id", "ascending")]
    )
