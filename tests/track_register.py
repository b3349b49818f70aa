"""A register made from the classes of the real tracks: one terminal a track, plans as such things would have."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from groundrule.instant import NS_PER_S
from groundrule.pipeline.home import basis_of, create_home
from groundrule.store.home import Home
from groundrule.store.register_import import import_register
from groundrule.store.registers import Registers

COLUMNS = {"track_id": "terminal_id", "time": "observed_at"}
_PLANS = {
    "aircraft": "aviation",
    "helicopter": "aviation",
    "glider": "roam",
    "paraglider": "roam",
    "ship": "ocean",
    "stationary": "residential",
    "uav": "roam",
}
_RAIL = ("train", "tram", "subway")


def plan_of(kind: str) -> str:
    """Plan of a class; what drives or walks has the plan for moving on land."""
    return next((plan for start, plan in _PLANS.items() if kind.startswith(start)), "roam")


def make_track_home(path: Path, tracks: Path, recorded_at_ns: int) -> tuple[Home, dict[str, str]]:
    """Make a home under world-2026 in which every track is a registered terminal of the country it starts in.

    Returns:
        The home, and the class of each track.
    """
    table = pq.read_table(tracks, columns=["track_id", "class", "lat", "lon"])
    ids = np.array(table["track_id"].to_pylist())
    names, first = np.unique(ids, return_index=True)
    kinds = np.array(table["class"].cast("string").to_pylist())[first]
    lat, lon = table["lat"].to_numpy()[first], table["lon"].to_numpy()[first]
    home = create_home(path)
    index = basis_of(home, recorded_at_ns=recorded_at_ns).index
    countries = []
    for code in index.locate_exact(lat, lon):
        members = [index.members[m] for m, _ in index.set_members(int(code))]
        found = sorted({member.country for member in members if member.country and member.kind == "country"})
        countries.append(found[0] if found else "US")
    files = {
        "parties": (["party_id", "kind", "screening"], [["p1", "organisation", "clear"]]),
        "accounts": (
            ["account_id", "party_id", "country", "state", "quota"],
            [[f"acc-{country}", "p1", country, "active", "ok"] for country in sorted(set(countries))],
        ),
        "terminals": (
            ["terminal_id", "account_id", "plan", "programmes", "registration", "activation_country", "cell_state",
             "purpose", "software_version", "service_lat_deg", "service_lon_deg"],
            [
                [name, f"acc-{country}", plan_of(kind), "rail" if kind in _RAIL else "", "registered", country,
                 "enabled", "civil", "2026.06.12.mr81164", f"{y:.6f}", f"{x:.6f}"]
                for name, kind, country, y, x in zip(names, kinds, countries, lat, lon, strict=True)
            ],
        ),
    }  # fmt: skip
    with home.writer(), Registers.open(home) as registers:
        for kind, (header, rows) in files.items():
            file = path.parent / f"{kind}.csv"
            with file.open("w", newline="") as stream:
                csv.writer(stream).writerows([header, *rows])
            report = import_register(
                registers, kind, file, recorded_at_ns=recorded_at_ns - NS_PER_S, actor="test",
                rejected_folder=home.rejected,
            )  # fmt: skip
            assert report.rejected == 0, report
    return home, dict(zip(names.tolist(), kinds.tolist(), strict=True))


def reasons_by_class(decisions: pa.Table, kinds: dict[str, str]) -> dict[str, Counter[str]]:
    """Count decisive reasons of decisions by class of track."""
    reasons = pc.struct_field(pc.list_element(decisions["reasons"], 0), "code").to_pylist()
    counts: dict[str, Counter[str]] = {}
    for name, reason in zip(decisions["terminal_id"].to_pylist(), reasons, strict=True):
        counts.setdefault(kinds[name], Counter())[reason] += 1
    return counts
