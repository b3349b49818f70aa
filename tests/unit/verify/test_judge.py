"""Verdicts in a small world with traced light: honest terminals, scripted attacks A0 to A4, hard cases, wrong input."""

from __future__ import annotations

import functools
import json
import math

import numpy as np
import pytest

from groundrule.errors import GroundruleError
from groundrule.instant import NS_PER_S
from groundrule.verify.assemble import Options, assemble
from groundrule.verify.case import Settings
from groundrule.verify.judge import Judgements, verify_batch
from groundrule.verify.measurements import clean
from groundrule.verify.report import Report, reports
from groundrule.verify.statistics import distance_m
from groundrule.verify.zones import Zone
from radio_world import C_M_S, START_NS, Truth, World, table

MISS_RATE = 0.01
"""Stated: a lie of more than d0 and the minimal detectable offset is missed in 1 of 100."""
LEVEL = {"none": 0, "beam_only": 1, "a0": 2, "a1": 3, "a2": 4}
CLASS_LEVEL = {"A0": 2, "A1": 3, "A1D": 3, "A1R": 3, "A2": 4, "A3": 5}


@functools.cache
def world(seed: int = 3) -> World:
    return World(seed=seed)


def judge(
    w: World,
    terminals: list[Truth],
    *,
    slots: int = 4,
    options: Options | None = None,
    settings: Settings | None = None,
    extra: list[dict] | None = None,
    claims: bool = True,
    zones: tuple[Zone, ...] = (),
    serving: list[int] | None = None,
) -> tuple[list[Report], Judgements]:
    rows = list(extra or [])
    for who in terminals:
        rows += w.measure(who, serving or w.schedule(who.lat_deg, who.lon_deg, slots))
    made = assemble(clean(table(rows)), w.elements, w.claims(terminals, 15 * slots) if claims else None, options)
    judged = verify_batch(made.case, settings, zones=zones)
    return reports(made, judged), judged


def error_m(report: Report, truth: Truth, dt: float = 29.5) -> float:
    """How far the estimate is from where the terminal was in the middle of the window."""
    north = truth.velocity_m_s[1] * dt / 6_371_000.0
    east = truth.velocity_m_s[0] * dt / 6_371_000.0 / math.cos(math.radians(truth.lat_deg))
    best = report.modes[0]
    return float(
        distance_m(best.lat_deg, best.lon_deg, truth.lat_deg + math.degrees(north), truth.lon_deg + math.degrees(east))
    )


def test_honest_terminals_are_consistent_and_where_they_say() -> None:
    truths = [Truth("sea"), Truth("land", 50.0, 30.0, 180.0), Truth("car", 48.0, 25.0, velocity_m_s=(20.0, 10.0))]
    found, _ = judge(world(), truths, options=Options(declared_m=(20.0, 5.0, 5.0)))
    for report, truth in zip(found, sorted(truths, key=lambda one: one.name), strict=True):
        assert (report.verdict, report.assurance, report.grade) == ("consistent", "a1", "A operator"), report.words
        assert error_m(report, truth) < 500.0
        assert report.usable
    assert found[0].speed_m_s == pytest.approx(math.hypot(20, 10), abs=3.5)
    assert found[2].speed_m_s < 5 * found[2].speed_sigma_m_s


def test_a_claim_from_elsewhere_is_inconsistent_and_radio_says_where_it_is() -> None:
    liar = Truth("liar", 47.25, 35.71, claim=(51.25, 22.57))
    (report,), _ = judge(world(), [liar])
    assert (report.verdict, report.conditions[0]) == ("inconsistent", "t3")
    assert error_m(report, liar) < 500.0
    assert report.distance_m == pytest.approx(1_053e3, rel=0.01)
    assert "from the claim" in report.words
    assert report.mattered.startswith("satellite 9")


def test_what_is_tolerated_is_not_called_false() -> None:
    (report,), judged = judge(world(), [Truth("near", 50.0, 30.0, claim=(50.05, 30.0))])
    assert report.verdict == "consistent"
    assert judged.a0.t1[0] > judged.a0.threshold[0] > judged.a0.t3[0]
    (strict,), _ = judge(world(), [Truth("near", 50.0, 30.0, claim=(50.05, 30.0))], settings=Settings(d0_m=5_000.0))
    assert strict.verdict == "inconsistent"


@pytest.mark.parametrize("attack", ["A0", "A1", "A1D", "A1R", "A2", "A3"])
@pytest.mark.parametrize("trust", ["ue_reported", "network", "nonce_bound"])
def test_no_scripted_attack_is_consistent_against_its_own_class(attack: str, trust: str) -> None:
    """Four sizes of lie, honest terminals on the same satellites beside each; bound ranges take early sending from A3."""
    w = World(seed=40 + len(attack))
    if attack == "A3" and trust == "nonce_bound":
        attack = "A2"
    wrong = 0
    total = 0
    for k, away in enumerate((0.2, 0.6, 2.0, 5.0)):
        turn = 1.3 * k
        claim = (48.0 + away * math.cos(turn), 30.0 + away * math.sin(turn) / math.cos(math.radians(48)))
        serving = w.schedule(48.0, 30.0, 4)
        liar = Truth(
            "liar", 48.0, 30.0, claim=claim, attack=attack, trust=trust, delay_m=8e3 if attack == "A1" else 0.0
        )
        found, _ = judge(w, [liar, Truth("other", 48.3, 30.5, trust=trust)], serving=serving)
        by_name = {report.terminal: report for report in found}
        total += 1
        fooled = by_name["liar"].verdict == "consistent" and LEVEL[by_name["liar"].assurance] >= CLASS_LEVEL[attack]
        wrong += fooled
        cap = {"ue_reported": 2, "network": 3, "nonce_bound": 4}[trust]
        for report in found:
            assert LEVEL[report.assurance] <= cap
    assert wrong <= MISS_RATE * total


def test_a4_is_invisible_to_radio() -> None:
    """An honest terminal that relays for somebody elsewhere: nothing here can see it, and the documents say so."""
    (report,), _ = judge(world(), [Truth("relay", 50.0, 30.0)])
    assert report.verdict == "consistent"


def test_early_ranges_fire_t4_only_where_others_fit_the_satellite_and_ranges_are_bound() -> None:
    w = World(seed=9)
    serving = w.schedule(48.0, 30.0, 4)
    liar = Truth("liar", 48.0, 30.0, claim=(50.5, 30.0), trust="nonce_bound")
    alone, judged = judge(w, [liar], serving=serving)
    assert judged.t4.fires.any()
    assert "t4" not in alone[0].conditions
    both, _ = judge(w, [liar, Truth("other", 48.3, 30.5)], serving=serving)
    assert both[0].terminal == "liar"
    assert "t4" in both[0].conditions
    assert both[0].class_verdicts["A2"] == "inconsistent"


def test_under_a2_consistent_needs_the_whole_feasible_set_near_the_claim() -> None:
    w = World(seed=11)
    (few,), _ = judge(w, [Truth("t", 48.0, 30.0, trust="attested")], slots=2, options=Options(window_s=60))
    (many,), _ = judge(
        w,
        [Truth("t", 48.0, 30.0, trust="attested")],
        slots=20,
        options=Options(window_s=300),
        settings=Settings(d0_m=40_000.0),
    )
    assert few.class_verdicts["A2"] == "insufficient"
    assert few.assurance != "a2"
    assert many.feasible_furthest_m < few.feasible_furthest_m
    if many.feasible_furthest_m <= 40_000.0:
        assert (many.verdict, many.assurance) == ("consistent", "a2")


# --- hard cases -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("truth", "platform"),
    [
        (Truth("aircraft", 50.0, 30.0, 11_000.0, velocity_m_s=(200.0, 150.0)), "aircraft"),
        (Truth("drone", 50.0, 30.0, 500.0, velocity_m_s=(-50.0, 49.0)), "land"),
        (Truth("ship", 43.5, 34.0, 20.0, velocity_m_s=(8.0, 2.0)), "ship"),
        (Truth("plateau", 33.0, 88.0, 4_500.0), "land"),
        (Truth("antimeridian", 51.0, 179.999, velocity_m_s=(30.0, 0.0)), "land"),
        (Truth("south", -50.0, -70.0, 60.0), "fixed"),
    ],
    ids=lambda value: value.name if isinstance(value, Truth) else "",
)
def test_platforms_and_places(truth: Truth, platform: str) -> None:
    (report,), _ = judge(world(), [truth], options=Options(platform=platform))
    assert report.verdict == "consistent", report.words
    assert error_m(report, truth) < max(500.0, 4 * report.modes[0].major_95_m)
    if platform != "fixed":
        assert report.speed_m_s == pytest.approx(
            math.hypot(*truth.velocity_m_s), abs=max(3.0, 5 * report.speed_sigma_m_s)
        )


def test_a_terminal_that_was_declared_fixed_and_moves_is_found_moving() -> None:
    truth = Truth("mover", 50.0, 30.0, velocity_m_s=(60.0, 30.0))
    (report,), judged = judge(world(), [truth], options=Options(platform="fixed"))
    assert report.moving
    assert judged.a0.t2_passes[0]
    assert report.speed_m_s == pytest.approx(math.hypot(60, 30), abs=4.0)


def test_one_satellite_in_one_slot_leaves_the_mirror_and_a_claim_at_the_mirror_is_not_believed() -> None:
    w = World(seed=5)
    (report,), judged = judge(w, [Truth("t", 43.5, 34.0)], slots=1, options=Options(platform="fixed"))
    assert report.verdict in {"ambiguous", "insufficient"}
    found = judged.a0.found
    if found.count[0] > 1:
        other = (float(found.lat_deg[0, 1]), float(found.lon_deg[0, 1]))
        (again,), _ = judge(w, [Truth("t", 43.5, 34.0, claim=other)], slots=1, options=Options(platform="fixed"))
        assert again.verdict in {"ambiguous", "insufficient", "inconsistent"}
        assert "modes" in again.conditions or again.verdict == "inconsistent"


def test_a_satellite_that_manoeuvred_is_left_out_and_the_verdict_stands() -> None:
    w = World(seed=6)
    serving = w.schedule(50.0, 30.0, 4)
    number = int(w.elements.catalogue[serving[1]])
    w.off_m[number] = (5_000.0, 0.0, 0.0)
    (report,), _ = judge(w, [Truth("t", 50.0, 30.0)], serving=serving, options=Options(platform="fixed"))
    assert [one.catalogue for one in report.satellites if not one.used] == [number]
    assert report.verdict == "consistent", report.words
    assert error_m(report, Truth("t", 50.0, 30.0)) < 1_000.0


def test_random_delays_are_a_fault_and_the_terminals_beside_it_are_not() -> None:
    w = World(seed=7)
    serving = w.schedule(50.0, 30.0, 4)
    found, _ = judge(
        w,
        [Truth("jitter", 50.0, 30.0, attack="A2"), Truth("calm", 50.2, 30.2)],
        serving=serving,
        options=Options(platform="fixed"),
    )
    assert [report.verdict for report in found] == ["consistent", "fault"]
    assert not found[1].reliable
    assert not found[1].usable


def test_a_wrong_satellite_number_in_the_report_is_left_out_or_a_fault() -> None:
    w = World(seed=8)
    serving = w.schedule(50.0, 30.0, 4)
    rows = w.measure(Truth("t", 50.0, 30.0), serving)
    wrong = int(w.elements.catalogue[w.visible(50.0, 30.0, START_NS, START_NS)[0]])
    for row in rows:
        if row["satellite"] == int(w.elements.catalogue[serving[2]]):
            row["satellite"] = wrong if wrong not in {int(w.elements.catalogue[s]) for s in serving} else 900_000_001
    found, _ = judge(w, [], extra=rows, claims=False, options=Options(platform="fixed"))
    assert all(report.verdict == "fault" or not all(one.used for one in report.satellites) for report in found)


def test_a_network_clock_off_by_half_a_second_is_borne_by_its_prior() -> None:
    w = World(seed=12)
    rows = w.measure(Truth("t", 50.0, 30.0), w.schedule(50.0, 30.0, 4))
    for row in rows:
        row["observed_at"] += NS_PER_S // 2
    bare, _ = judge(w, [], extra=[dict(row) for row in rows], claims=False, options=Options(platform="fixed"))
    told, _ = judge(w, [], extra=rows, claims=False, options=Options(platform="fixed", clock_sigma_s=0.5))
    assert bare[0].verdict == "fault" or error_m(bare[0], Truth("t", 50.0, 30.0)) > 1_000.0
    assert error_m(told[0], Truth("t", 50.0, 30.0)) < 3 * told[0].modes[0].major_95_m


def test_a_cell_prior_gates_and_a_wrong_one_is_seen() -> None:
    w = World(seed=13)
    truth = Truth("t", 50.0, 30.0)
    cell = {"terminal_id": "t", "observed_at": START_NS + NS_PER_S, "kind": "beam_cell", "trust": "network"}
    right, _ = judge(w, [truth], extra=[{**cell, "cell_lat_deg": 50.05, "cell_lon_deg": 30.02, "cell_radius_m": 12e3}])
    assert right[0].verdict == "consistent"
    assert right[0].class_verdicts["A3"] == "consistent"
    wrong, _ = judge(w, [truth], extra=[{**cell, "cell_lat_deg": 52.0, "cell_lon_deg": 33.0, "cell_radius_m": 12e3}])
    assert wrong[0].verdict != "consistent"


def test_a_cell_alone_confirms_or_excludes_the_footprint_and_nothing_finer() -> None:
    w = World(seed=14)
    cell = {
        "terminal_id": "t",
        "observed_at": START_NS + NS_PER_S,
        "kind": "beam_cell",
        "cell_lat_deg": 50.0,
        "cell_lon_deg": 30.0,
        "cell_radius_m": 12e3,
    }
    for claim, verdict in (((50.0, 30.1), "consistent"), ((51.0, 30.0), "inconsistent")):
        made = assemble(clean(table([cell])), w.elements, w.claims([Truth("t", *claim)]))
        (report,) = reports(made, verify_batch(made.case))
        assert (report.verdict, report.assurance, report.class_verdicts["A3"]) == ("insufficient", "beam_only", verdict)


def test_delay_spikes_are_bent_away() -> None:
    w = World(seed=15)
    truth = Truth("t", 50.0, 30.0)
    rows = w.measure(truth, w.schedule(50.0, 30.0, 4))
    for k, row in enumerate(rows):
        if row["kind"] == "rtt" and k % 14 == 0:
            row["value"] += 2 * 15e3 / C_M_S
    options = Options(platform="fixed")
    plain, _ = judge(w, [], extra=[dict(row) for row in rows], claims=False, options=options)
    robust, _ = judge(w, [], extra=rows, claims=False, options=options, settings=Settings(loss="huber"))
    assert plain[0].verdict == "fault"
    assert error_m(robust[0], truth) < 400.0


def test_public_elements_need_a_minute_and_say_grade_c() -> None:
    w = World(seed=16, ephemeris_m=(900.0, 30.0, 35.0), grade="raw")
    (short,), _ = judge(w, [Truth("t", 50.0, 30.0)], slots=3, options=Options(platform="fixed"))
    assert (short.verdict, short.grade) == ("insufficient", "C raw")
    assert "window" in short.conditions
    (liar,), _ = judge(w, [Truth("t", 50.0, 30.0, claim=(53.0, 30.0))], options=Options(platform="fixed"))
    assert liar.verdict in {"inconsistent", "insufficient"}
    assert all(test.kind != "chi-square" for test in liar.tests[:3])


def test_a_zone_that_is_needed_and_undecided_makes_a_verdict_ambiguous() -> None:
    w = World(seed=17)
    truth = Truth("t", 50.0, 30.0)
    half = Zone("north of the river", lambda lat, _lon: lat > 50.0, needed=True)
    far = Zone("far away", lambda lat, _lon: lat > 51.0, needed=True)
    (report,), _ = judge(w, [truth], zones=(far,))
    assert report.verdict == "consistent"
    assert report.zones == {"far away": 0.0}
    (edge,), _ = judge(w, [truth], zones=(half, far))
    assert 0.0 < edge.zones["north of the river"] < 1.0
    assert (edge.verdict == "ambiguous") == (0.02 <= edge.zones["north of the river"] <= 0.98)


# --- wrong input ------------------------------------------------------------------------------------------------------


def corrupt(rows: list[dict], how: str) -> list[dict]:
    for k, row in enumerate(rows):
        if how == "negative":
            row["value"] = -abs(row["value"]) if row["kind"] == "rtt" else row["value"]
        elif how == "1970":
            row["observed_at"] -= START_NS
        elif how == "unknown satellite":
            row["satellite"] = 123_456
        elif how == "identical" and row["kind"] == "rtt":
            row["value"] = rows[0]["value"]
        elif how == "not a number":
            row["value"] = math.nan
        elif how == "milliseconds" and row["kind"] == "rtt":
            row["value"] *= 1e3
        elif how == "mixed units" and row["kind"] == "rtt" and k % 4 == 0:
            row["value"] *= 1.0e-3
        elif how == "signs of Doppler" and row["kind"] == "ul_doppler":
            row["value"] = -row["value"]
    return rows[:1] if how == "one measurement" else rows[:2] if how == "one look" else rows


@pytest.mark.parametrize(
    "how",
    [
        "negative",
        "1970",
        "unknown satellite",
        "identical",
        "not a number",
        "milliseconds",
        "signs of Doppler",
        "one measurement",
        "one look",
    ],
)
@pytest.mark.parametrize("platform", ["fixed", "land"])
def test_wrong_input_never_gives_a_confident_position(how: str, platform: str) -> None:
    w = World(seed=18)
    truth = Truth("t", 50.0, 30.0)
    rows = corrupt(w.measure(truth, w.schedule(50.0, 30.0, 4)), how)
    try:
        found, _ = judge(w, [], extra=rows, options=Options(platform=platform), claims=False)
    except GroundruleError:
        return
    for report in found:
        unsure = {"fault", "insufficient"} | ({"ambiguous"} if how == "one look" else set())
        assert report.verdict in unsure, report.words
        assert not report.usable or error_m(report, truth) < 3 * report.modes[0].major_95_m


def test_mixed_units_lose_their_rows_only() -> None:
    w = World(seed=18)
    rows = corrupt(w.measure(Truth("t", 50.0, 30.0), w.schedule(50.0, 30.0, 4)), "mixed units")
    intake = clean(table(rows))
    assert {issue.reason for issue in intake.issues} == {"out_of_range"}
    assert len(intake) + len(intake.issues) == len(rows)


def test_elements_from_the_future_or_stale_are_refused() -> None:
    w = World(seed=19)
    rows = w.measure(Truth("t", 50.0, 30.0), w.schedule(50.0, 30.0, 4))
    for days, reason in ((30, "stale_elements"), (-30, "future_elements")):
        moved = [{**row, "observed_at": row["observed_at"] + days * 86_400 * NS_PER_S} for row in rows]
        made = assemble(clean(table(moved)), w.elements)
        assert len(made) == 0
        assert {issue.reason for issue in made.issues} == {reason}


# --- the same bytes ---------------------------------------------------------------------------------------------------


def test_a_terminal_alone_is_judged_as_in_a_batch_and_again_the_same() -> None:
    w = World(seed=20)
    truths = [Truth(f"t{k}", 45.0 + k, 25.0 + k) for k in range(5)]
    rows = {who.name: w.measure(who, w.schedule(who.lat_deg, who.lon_deg, 4)) for who in truths}
    claims = w.claims(truths)

    def told(names: list[str]) -> list[dict]:
        made = assemble(clean(table([row for name in names for row in rows[name]])), w.elements, claims)
        return [
            {k: v for k, v in report.as_dict().items() if k != "satellites"}
            for report in reports(made, verify_batch(made.case))
        ]

    whole = told(list(rows))
    assert whole == told(list(rows))
    for name, one in zip(rows, whole, strict=True):
        assert told([name]) == [one]
    shuffled = [row for name in rows for row in rows[name]]
    np.random.default_rng(0).shuffle(shuffled)
    made = assemble(clean(table(shuffled)), w.elements, claims)
    assert [report.inputs for report in reports(made, verify_batch(made.case))] == [one["inputs"] for one in whole]


def test_as_dict_is_json_and_holds_what_is_always_reported() -> None:
    (report,), _ = judge(world(), [Truth("t", 50.0, 30.0)])
    told = json.loads(json.dumps(report.as_dict(), allow_nan=False))
    for key in (
        "estimates", "t_ref", "velocity", "tests", "could_have_seen", "minimal_detectable_offset_m", "satellites", "anchors",
        "mode_chosen_by",
        "verdict", "verdict_by_class", "assurance", "priors", "model", "inputs", "words", "mattered_most",
    ):  # fmt: skip
        assert key in told
    assert len(told["minimal_detectable_offset_m"]) == 16
    assert [test["test"][:2] for test in told["tests"]] == ["T1", "T2", "T3", "T4", "T6"]
