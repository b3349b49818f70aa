"""Liars of every class with claims up to 60 km away, in worlds that the estimator knows nothing of: how often is a lie missed?

    python tests/campaign/attacks_campaign.py [--seeds N] [--terminals N]

A lie is missed if it is false by more than the tolerance and what the verdict says it could have seen, and the verdict is
`consistent` against the attacker's own class. Exits 1 if that is more often than the stated 1 in 100, for any class, or if an
honest terminal is called inconsistent more often than 1 in 1,000. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from pathlib import Path

from groundrule.pipeline.verifying import verify
from groundrule.simulate.scenario import Generated, generate_scenario
from groundrule.simulate.scenario_file import parse_scenario
from groundrule.verify.statistics import distance_m

TOLERANCE_M = 10_000.0
STATED_MISSES = 0.01
STRENGTH = {"none": -1, "a0": 0, "a1": 1, "a2": 2}
KINDS = {
    "a0": ("A0", "network"), "a1": ("A1", "network"), "a1d": ("A1D", "ue_reported"), "a1r": ("A1R", "network"), "a2": ("A2", "network"),
    "a2_bound": ("A2", "nonce_bound"),
}  # fmt: skip
REACH = {"a0": 0, "a1": 1, "a1d": 1, "a1r": 1, "a2": 2, "a2_bound": 2}


def scenario(terminals: int, seed: int) -> Generated:
    """Liars near one place, another one for each seed, and as many honest ones."""
    lat, lon = 25.0 + 7.0 * (seed % 5), 20.0 + 3.1 * seed
    place = f'count = {terminals}\ncentre = [{lat}, {lon}]\nspread_km = 1\nground_m = 60\n'
    text = '[scenario]\ntitle = "liars of every class (invented)"\nstart = 2026-06-03T05:00:12Z\nduration_s = 60\n'
    text += f'[[fleet]]\nname = "honest"\n{place}'
    for name, (attacker, trust) in KINDS.items():
        attack = f'[fleet.attack]\nclass = "{attacker}"\nclaim = [{lat}, {lon}]\nspread_km = 60\n'
        text += f'[[fleet]]\nname = "{name}"\n{place}trust = "{trust}"\n{attack}'
    return generate_scenario(parse_scenario(text, "attacks_campaign", Path()), seed)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--terminals", type=int, default=300)
    asked = parser.parse_args()
    counts: dict[str, Counter[str]] = {name: Counter() for name in ("honest", *KINDS)}
    for seed in range(asked.seeds):
        made = scenario(asked.terminals, seed)
        assert made.elements is not None
        known = {row["terminal_id"]: row for row in made.terminals.to_pylist()}
        lat, lon, *_ = made.fleet.positions(0.0)
        row_of = {name: row for row, name in enumerate(made.fleet.columns["terminal_id"].tolist())}
        for row in verify(made.measurements, made.elements, made.claims()).table(whole=False).to_pylist():
            truth, at = known[row["terminal_id"]], row_of[row["terminal_id"]]
            name, count = truth["fleet"], counts[truth["fleet"]]
            if name != "honest":
                away = float(distance_m(lat[at], lon[at], truth["claim_lat_deg"], truth["claim_lon_deg"]))
                if away <= TOLERANCE_M + (row["mdo_m"] or 0.0):
                    continue  # what is tolerated, or could not have been seen, is no miss
                count["missed"] += row["verdict"] == "consistent" and STRENGTH[row["assurance"]] >= REACH[name]
            count["windows"] += 1
            count[row["verdict"]] += 1
    shares = {name: count["missed"] / max(1, count["windows"]) for name, count in counts.items() if name != "honest"}
    alarms = counts["honest"]["inconsistent"] / max(1, counts["honest"]["windows"])
    for name, count in counts.items():
        print(name, dict(sorted(count.items())))
    passed = max(shares.values()) <= STATED_MISSES and alarms <= 1e-3
    told = {f"{name}_{word}": number for name, count in counts.items() for word, number in sorted(count.items())}
    print(json.dumps({**told, "worst_miss_rate": round(max(shares.values()), 5), "different": 0 if passed else 1, "passed": passed}))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
