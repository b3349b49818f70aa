"""Aircraft and what else carries terminals: an honest one that turns is never called a fault or a liar, and a lie is still seen."""

from __future__ import annotations

import functools
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import small_home as sh
from groundrule.pipeline.platforms import platforms_of_home
from groundrule.pipeline.verifying import verify
from groundrule.simulate.scenario import Generated, generate_scenario
from groundrule.simulate.scenario_file import parse_scenario
from groundrule.store.home import Home
from groundrule.verify.assemble import Options
from groundrule.verify.batch import Batch, Priors
from groundrule.verify.case import Settings
from groundrule.verify.report import Report

N = 30
WAYS = {
    "straight": "flight = [[48.0, 10.0], [52.0, 40.0]]",
    "turning": "route = [[48.0, 10.0], [48.12, 10.12], [48.2, 10.0], [48.3, 10.15], [48.35, 9.95], [48.5, 10.0], [48.6, 10.2]]",
}
HEAD = '[scenario]\ntitle = "aircraft (invented)"\nstart = 2026-06-03T05:00:12Z\nduration_s = 120\n'
AIRCRAFT = 'speed_km_h = [700, 900]\naltitude_m = [9000, 12000]\nplan = "aviation"\n'


@functools.cache
def flown(way: str) -> Generated:
    text = HEAD + f'[[fleet]]\nname = "aircraft"\ncount = {N}\n{WAYS[way]}\n{AIRCRAFT}'
    return generate_scenario(parse_scenario(text, "aircraft", Path()), 1)


def verified(made: Generated, options: Options, claims: pa.Table | None = None) -> list[Report]:
    assert made.elements is not None
    told = made.claims() if claims is None else claims
    return verify(made.measurements, made.elements, told, options, Settings(classes=False)).reports


@pytest.mark.parametrize("way", list(WAYS))
def test_honest_aircraft_are_consistent_or_insufficient(way: str) -> None:
    made = flown(way)
    plans = {row["terminal_id"]: "aircraft" for row in made.terminals.to_pylist()}
    found = verified(made, Options(platforms=plans))
    counts = Counter(report.verdict for report in found)
    assert len(found) == 2 * N
    assert counts["inconsistent"] == 0
    assert counts["fault"] <= 1  # stated: 1 in 1,000 for residuals; on this way some turn harder than an airliner does
    assert counts["consistent"] >= len(found) / 2
    assert {round(report.priors["manoeuvre_m_s2"], 9) for report in found} <= {0.0, 0.3, 3.0}
    # Whoever is confirmed is where radio says, to within its own ellipse (5.3 sigma).
    for report in found:
        if report.verdict == "consistent":
            assert report.distance_m < 2.2 * report.modes[0].major_95_m + 1_000.0
    # Taken for terminals on land, which nothing carries that high, fewer of them can be confirmed.
    on_land = Counter(report.verdict for report in verified(made, Options()))
    assert on_land["consistent"] < counts["consistent"]


def test_an_aircraft_that_claims_another_place_is_still_seen() -> None:
    made = flown("straight")
    claims = made.claims()
    moved = claims.set_column(claims.schema.get_field_index("lat_deg"), "lat_deg", pa.array(claims["lat_deg"].to_numpy() + 0.6))
    counts = Counter(report.verdict for report in verified(made, Options(platform="aircraft"), moved))
    assert counts["inconsistent"] > 0.9 * 2 * N
    assert counts["consistent"] == 0


def test_what_only_a_turn_explains_confirms_nothing() -> None:
    turned = [report for report in verified(flown("turning"), Options(platform="aircraft")) if report.priors["manoeuvre_m_s2"] == 3.0]
    assert turned
    assert {report.verdict for report in turned} == {"insufficient"}
    assert not any(report.usable for report in turned)
    assert all("manoeuvre" in report.conditions and "m/s²" in report.words for report in turned)


def test_manoeuvres_are_noise_that_grows_from_the_middle_and_that_averaging_does_not_remove() -> None:
    looks = np.array([-20.0, -10.0, 0.0, 10.0])
    batch = Batch.build(
        dt_s=looks, r_m=np.full((4, 3), 7e6), v_m_s=np.zeros((4, 3)), look_starts=[0, 2, 4], slot_starts=[0, 2],
        covariance_m2=np.eye(3), priors=Priors(), range_m=np.full(4, 1e6), range_sigma_m=100.0, rate_m_s=np.zeros(4), rate_sigma_m_s=0.2,
    )  # fmt: skip
    loose = batch.manoeuvring([2.0])
    variances = 1.0 / loose.looks[:, [8, 10]]
    assert variances[:, 0] == pytest.approx(100.0**2 + 2 * (looks**2) ** 2)
    assert variances[:, 1] == pytest.approx(0.2**2 + 2 * (2.0 * looks) ** 2)
    assert (batch.manoeuvring(0.0).looks == batch.looks).all()


def test_a_terminals_own_platform_changes_nothing_for_the_others() -> None:
    made = flown("straight")
    names = sorted({report.terminal for report in verified(made, Options())})
    plain, one = verified(made, Options()), verified(made, Options(platforms={names[0]: "aircraft"}))
    same = [a == b or a.inputs == b.inputs for a, b in zip(plain, one, strict=True) if a.terminal != names[0]]
    assert all(same)
    assert [a.inputs != b.inputs for a, b in zip(plain, one, strict=True) if a.terminal == names[0]] == [True, True]


def test_the_plan_in_the_register_says_what_carries_a_terminal(tmp_path: Path) -> None:
    home: Home = sh.make_home(tmp_path / "home", registers=False)
    lines = "plane,aviation\nship,ocean\ncar,roam\nhouse,residential\n"
    sh.register(home, "terminals", "terminal_id,plan\n" + lines)
    asked = ["plane", "ship", "car", "house", "stranger", *(f"many {i}" for i in range(1_200)), "plane"]
    assert platforms_of_home(home, asked, sh.RECORDED) == {"plane": "aircraft", "ship": "ship"}
