"""Areas under interference: found from many, never from a few, and the same however the rows come."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import h3.api.basic_int as h3
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.stats import betabinom

from groundrule.detect.area_test import AreaTest
from groundrule.detect.gnss_track import JUMPED, VOTES, Tracks
from groundrule.detect.h3_words import cells_at, parents, resolution_of
from groundrule.detect.interference import (
    INTERFERENCE_SCHEMA,
    Anomalies,
    InterferenceSettings,
    InterferenceWatch,
    find,
    in_order,
    suspend,
)
from groundrule.simulate.witness_fleet import Everyday, Trouble, WitnessFleet, witness_fleet

START_NS = 1_780_272_000_000_000_000
S = 1_000_000_000
JAM = Trouble(48.0, 33.0, 30_000.0, 1_200.0, 1_800.0)


PATCH = Trouble(48.0, 33.0, 45_000.0, 1_200.0, 1_500.0)


def states(table: pa.Table) -> np.ndarray:
    return np.array([word == "suspended" for word in table.column("gnss_state").to_pylist()])


def key(found: Anomalies) -> list[tuple[object, ...]]:
    return [tuple(row.values()) for row in found.table.to_pylist()]


@pytest.fixture(scope="module")
def jammed() -> WitnessFleet:
    return witness_fleet(3, terminals=150, seconds=2_700, spread_m=9_000, troubles=(JAM,))


@pytest.fixture(scope="module")
def patchy() -> WitnessFleet:
    """A fleet that is wider than the jammed disc, with calm towns at its edge."""
    return witness_fleet(4, terminals=500, seconds=1_800, spread_m=30_000, troubles=(PATCH,))


def still(
    terminals: int, steps: int, *, first: int = 0, lat: float = 48.0, lon: float = 33.0, step_s: float = 15.0
) -> list[dict[str, object]]:
    """Terminals at rest within some hundred metres, which report together."""
    return [
        {
            "terminal_id": f"t-{first + i:04d}", "observed_at": START_NS + int(k * step_s * S) + i,
            "lat_deg": lat + 1e-5 * (i % 50), "lon_deg": lon, "position_sigma_m": 10.0, "position_source": "gnss", "gnss_state": None,
        }
        for k in range(steps) for i in range(terminals)
    ]  # fmt: skip


SCHEMA = pa.schema(
    [("terminal_id", pa.string()), ("observed_at", pa.int64()), ("lat_deg", pa.float64()), ("lon_deg", pa.float64()),
     ("position_sigma_m", pa.float32()), ("position_source", pa.string()), ("gnss_state", pa.string())]
)  # fmt: skip


def table_of(rows: list[dict[str, object]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def lose(rows: list[dict[str, object]], who: set[str], from_s: float, until_s: float = 1e9) -> None:
    for row in rows:
        at = (int(row["observed_at"]) - START_NS) / S  # type: ignore[call-overload]  # an int in a row of objects
        if row["terminal_id"] in who and from_s <= at < until_s:
            row["lat_deg"] = row["lon_deg"] = row["position_sigma_m"] = None
            row["position_source"] = "none"


def move(rows: list[dict[str, object]], who: set[str], from_s: float, lat: float, lon: float) -> None:
    for row in rows:
        at = (int(row["observed_at"]) - START_NS) / S  # type: ignore[call-overload]  # an int in a row of objects
        if row["terminal_id"] in who and at >= from_s:
            row["lat_deg"], row["lon_deg"] = lat, lon


def names(first: int, last: int) -> set[str]:
    return {f"t-{i:04d}" for i in range(first, last)}


# --- what is found ----------------------------------------------------------------------------------------------------


def test_jamming_is_found_soon_and_those_in_it_are_suspended(jammed: WitnessFleet) -> None:
    found = find(jammed.table, accounts=jammed.accounts)
    assert found.table.schema == INTERFERENCE_SCHEMA
    assert set(found.table.column("kind").to_pylist()) == {"lost"}
    seconds = (np.array(found.table.column("from_ns").to_pylist()) - START_NS) / S
    assert 1_200 < seconds.min() <= 1_200 + 60
    hit = states(suspend(jammed.table, found))
    at = (jammed.table.column("observed_at").to_numpy() - START_NS) / S
    assert not hit[at < 1_200].any()
    assert hit[jammed.inside & (at > 1_260)].mean() > 0.97
    assert not hit[at > 1_800 + 60 + 15 + 300 + 15].any()


@pytest.mark.parametrize(("mode", "radius_m"), [("point", 60.0), ("circle", 3_000.0), ("shift", None)])
def test_positions_that_jump_together_are_found_with_their_shape(mode: str, radius_m: float | None) -> None:
    fleet = witness_fleet(
        5, terminals=120, seconds=1_800, spread_m=8_000,
        troubles=(Trouble(48.0, 33.0, 30_000.0, 1_200.0, 1_500.0, mode, 0.95, 46.5, 32.0),),
    )  # fmt: skip
    found = find(fleet.table, accounts=fleet.accounts).table
    assert set(found.column("kind").to_pylist()) == {"jump"}
    best = max(found.to_pylist(), key=lambda row: row["accounts"])
    if radius_m is None:
        assert best["pattern"] == "scattered"
        return
    assert best["pattern"] == mode
    assert best["claimed_radius_m"] == pytest.approx(radius_m, rel=0.1, abs=60)
    assert (best["claimed_lat_deg"], best["claimed_lon_deg"]) == pytest.approx((46.5, 32.0), abs=0.02)


def test_calm_towns_beside_a_jammed_area_are_spared(patchy: WitnessFleet) -> None:
    found = find(patchy.table, accounts=patchy.accounts)
    assert found.spared.num_rows > 0
    hit, alone = states(suspend(patchy.table, found)), states(suspend(patchy.table, found.table))
    at = (patchy.table.column("observed_at").to_numpy() - START_NS) / S
    during = (at > 1_290) & (at < 1_500)
    lost = patchy.table.column("lat_deg").is_null().to_numpy()
    assert hit[patchy.inside & during & lost].mean() > 0.98
    outside = ~patchy.inside & during
    assert hit[outside].sum() < 0.85 * alone[outside].sum()


def test_rows_in_the_spoofed_area_stay_suspended_where_their_positions_were_taken() -> None:
    rows = still(30, 80)
    move(rows, names(0, 30), 900.0, 46.0, 31.0)
    answered = suspend(table_of(rows), find(table_of(rows)))
    hit = states(answered)
    late = np.array([int(row["observed_at"]) >= START_NS + 960 * S for row in rows])  # type: ignore[call-overload]  # as above
    assert hit[late].all()
    assert not hit[~late][: 30 * 60].any()


def test_sigma_that_blows_up_together_is_loss() -> None:
    rows = still(20, 80)
    for row in rows:
        if int(row["observed_at"]) >= START_NS + 900 * S:  # type: ignore[call-overload]  # as above
            row["position_sigma_m"] = 4_000.0
    assert set(find(table_of(rows)).table.column("kind").to_pylist()) == {"lost"}


@pytest.mark.parametrize("seed", range(4))
def test_an_honest_fleet_is_left_alone(seed: int) -> None:
    fleet = witness_fleet(100 + seed, terminals=150, seconds=3_600, spread_m=6_000 * (1 + seed))
    found = find(fleet.table, accounts=fleet.accounts)
    assert found.table.num_rows == 0
    assert found.tests > 100


def test_what_is_usual_in_a_cell_is_no_anomaly() -> None:
    """Half of a valley's terminals lose their positions every other minute: after a while that is usual there."""
    usual = Everyday(lost_share=0.4, lost_s=60.0)
    fleet = witness_fleet(8, terminals=40, seconds=5_400, spread_m=2_000, everyday=usual)
    assert find(fleet.table, accounts=fleet.accounts).table.num_rows == 0


def test_a_thinly_settled_country_is_seen_as_a_whole() -> None:
    """Thirty terminals over 250 km, none near another: only a coarse cell has enough witnesses."""
    wide = Trouble(48.0, 33.0, 400_000.0, 1_200.0, 1_800.0)
    fleet = witness_fleet(9, terminals=30, seconds=1_800, spread_m=60_000, troubles=(wide,), everyday=Everyday(site_size=1))
    found = find(fleet.table, accounts=fleet.accounts).table
    assert found.num_rows > 0
    assert set(resolution_of(found.column("h3_cell").to_numpy()).tolist()) <= {2, 3}


# --- attackers --------------------------------------------------------------------------------------------------------


def attack(honest: int, own: int, *, accounts_of_attacker: int | None = None, kind: str = "lost") -> Anomalies:
    rows = still(honest + own, 60)
    liars = names(honest, honest + own)
    if kind == "lost":
        lose(rows, liars, 750.0)
    else:
        move(rows, liars, 750.0, 46.0, 31.0)
    accounts = {f"t-{i:04d}": f"a-{i}" for i in range(honest + own)}
    if accounts_of_attacker is not None:
        accounts |= {f"t-{honest + i:04d}": f"liar-{i % accounts_of_attacker}" for i in range(own)}
    return find(table_of(rows), accounts=accounts)


@pytest.mark.parametrize("kind", ["lost", "jump"])
@pytest.mark.parametrize("honest", [0, 3, 12])
def test_one_account_less_than_needed_never_suspends_and_the_number_needed_does(honest: int, kind: str) -> None:
    test = InterferenceSettings().test
    needed = test.accounts_needed(honest, rate=0.01)
    assert needed >= test.least + test.colluders
    assert needed >= test.colluders + honest  # never without half of those who are there
    assert attack(honest, needed - 1, kind=kind).table.num_rows == 0
    assert attack(honest, needed + 1, kind=kind).table.num_rows > 0


def test_who_is_not_served_at_home_suspends_nothing_and_spares_nothing() -> None:
    """Twenty terminals of twenty holders that are denied where they stay lose their positions; beside them six that are served."""
    rows = still(26, 60)
    lose(rows, names(0, 20), 750.0)
    accounts = {f"t-{i:04d}": f"a-{i}" for i in range(26)}
    asked: list[tuple[str, float, float]] = []

    def served(terminals: Sequence[str], lat: np.ndarray, lon: np.ndarray, at_ns: int) -> np.ndarray:
        assert at_ns > START_NS
        asked.extend(zip(terminals, lat.tolist(), lon.tolist(), strict=True))
        return np.array([name not in names(0, 20) for name in terminals])

    assert find(table_of(rows), accounts=accounts).table.num_rows > 0
    assert find(table_of(rows), accounts=accounts, served=served).table.num_rows == 0
    assert {round(lon, 3) for _, _, lon in asked} == {33.0}
    assert all(abs(lat - 48.0 - 1e-5 * int(name[2:])) < 1e-5 for name, lat, _ in asked)
    # Where all of them are served the area is suspended as before, in whatever batches the rows come.
    def everybody(terminals: Sequence[str], *_: object) -> np.ndarray:
        return np.ones(len(terminals), bool)

    whole = find(table_of(rows), accounts=accounts, served=everybody)
    assert whole.table.num_rows > 0
    parts = InterferenceWatch(accounts=accounts, served=everybody)
    given = in_order(table_of(rows))
    for first in range(0, len(given), 97):
        parts.update(given.slice(first, 97))
    parts.finish()
    assert key(parts.anomalies()) == key(whole)


def test_a_calm_terminal_at_its_home_is_spared_in_a_coarse_cell_that_others_suspended() -> None:
    """Terminals of five places lose their positions; one alone in a sixth place of the same coarse cell keeps its own, one moves about."""
    places = [(48.0, 33.0), (48.25, 33.0), (48.0, 33.4), (48.25, 33.4), (48.5, 33.2)]
    rows = [row for k, (lat, lon) in enumerate(places) for row in still(6, 70, first=100 * k, lat=lat, lon=lon)]
    lose(rows, set().union(*(names(100 * k, 100 * k + 6) for k in range(5))), 750.0)
    alone, mover = still(1, 70, first=900, lat=48.12, lon=33.2), still(1, 70, first=901, lat=48.12, lon=33.2)
    for k, row in enumerate(mover):
        row["lat_deg"] = 48.12 + 0.0005 * k * (k > 30)
        row["lat_deg"] += 0.03 * (k % 2) * (k > 50)
    table = table_of(rows + alone + mover)
    accounts = {f"t-{i:04d}": f"a-{i}" for i in range(1_000)}
    found = find(table, accounts=accounts)
    coarse = set(resolution_of(found.table.column("h3_cell").to_numpy()).tolist()) - {5}
    assert coarse
    answered = [row for row in suspend(in_order(table), found).to_pylist() if row["gnss_state"] == "suspended"]
    assert "t-0900" not in {row["terminal_id"] for row in answered}
    assert {"t-0000", "t-0901"} <= {row["terminal_id"] for row in answered}
    # A verification that contradicts it is a sign of its own.
    contradicted = in_order(table).append_column("radio", pa.array([{"verdict": "inconsistent"}] * len(table)))
    again = suspend(contradicted, found).to_pylist()
    assert "t-0900" in {row["terminal_id"] for row in again if row["gnss_state"] == "suspended"}


def test_many_terminals_of_few_accounts_are_few() -> None:
    assert attack(10, 200, accounts_of_attacker=8).table.num_rows == 0


def test_an_attackers_calm_terminals_do_not_outvote_the_area() -> None:
    """Two hundred terminals of one account that stay calm do not keep twenty honest ones from being heard."""
    rows = still(220, 60)
    lose(rows, names(0, 20), 750.0)
    accounts = {f"t-{i:04d}": f"a-{i}" if i < 20 else "one" for i in range(220)}
    assert find(table_of(rows), accounts=accounts).table.num_rows > 0


def test_one_crowded_cell_does_not_speak_for_the_coarse_cell_around_it() -> None:
    """Thirty terminals that lie from one fine cell suspend it, and not their neighbours 40 km away."""
    liars, honest = still(30, 60), still(6, 60, first=100, lat=48.0, lon=33.55)
    coarse = cells_at(np.array([48.0, 48.0]), np.array([33.0, 33.55]), 3)
    assert coarse[0] == coarse[1]
    lose(liars, names(0, 30), 750.0)
    rows = liars + honest
    found = find(table_of(rows))
    assert {int(each) for each in resolution_of(found.table.column("h3_cell").to_numpy())} == {5}
    answered = suspend(table_of(rows), found).to_pylist()
    assert {row["gnss_state"] for row in answered if row["terminal_id"] in names(100, 106)} == {None}
    assert "suspended" in {row["gnss_state"] for row in answered if row["terminal_id"] in names(0, 30)}


def test_a_few_calm_liars_take_no_protection_away() -> None:
    """Three of one will who stay calm in a thin jammed cell do not spare it from what is found around it."""
    places = [(48.0, 33.0), (48.25, 33.0), (48.0, 33.4), (48.25, 33.4), (48.5, 33.2)]
    rows = [row for k, (lat, lon) in enumerate(places) for row in still(6, 60, first=100 * k, lat=lat, lon=lon)]
    lose(rows, set().union(*(names(100 * k, 100 * k + 6) for k in range(5))), 750.0)
    without = suspend(table_of(rows), find(table_of(rows), accounts={f"t-{i:04d}": f"a-{i}" for i in range(500)}))
    calm = still(3, 60, first=10, lat=48.0, lon=33.0)
    accounts = {f"t-{i:04d}": f"a-{i}" for i in range(500)}
    with_liars = suspend(table_of(rows + calm), find(table_of(rows + calm), accounts=accounts))
    mine = [row["gnss_state"] for row in without.to_pylist() if row["terminal_id"] in names(0, 6)]
    assert "suspended" in mine
    assert [row["gnss_state"] for row in with_liars.to_pylist() if row["terminal_id"] in names(0, 6)] == mine


def test_newcomers_are_no_witnesses() -> None:
    """Terminals that are switched on in a place and lose their positions at once suspend nobody."""
    rows = still(10, 60)
    fresh = [row for row in still(60, 60, first=100) if int(row["observed_at"]) >= START_NS + 600 * S]  # type: ignore[call-overload]  # as above
    lose(fresh, names(100, 160), 750.0)
    found = find(table_of(rows + fresh))
    assert found.table.num_rows == 0
    assert found.rows == len(rows) + len(fresh)


def test_terminals_without_an_account_are_no_witnesses() -> None:
    rows = still(60, 60)
    lose(rows, names(10, 60), 750.0)
    assert find(table_of(rows), accounts={f"t-{i:04d}": f"a-{i}" for i in range(10)}).table.num_rows == 0
    assert find(table_of(rows), accounts={f"t-{i:04d}": f"a-{i}" for i in range(60)}).table.num_rows > 0


def test_inhibited_terminals_suspend_nobody_and_stay_inhibited() -> None:
    rows = still(60, 70)
    for row in rows:
        if int(row["observed_at"]) >= START_NS + 750 * S and row["terminal_id"] in names(10, 60):  # type: ignore[call-overload]  # as above
            row |= {"lat_deg": None, "lon_deg": None, "gnss_state": "inhibited"}
    found = find(table_of(rows))
    assert found.table.num_rows == 0
    assert found.inhibited == sum(row["gnss_state"] == "inhibited" for row in rows)
    lose(rows, names(0, 10), 750.0)
    assert find(table_of(rows)).table.num_rows == 0  # ten, of whom six may lie
    real = still(60, 70)
    lose(real, names(0, 40), 750.0)
    for row in real:
        if row["terminal_id"] == "t-0050":
            row["gnss_state"] = "inhibited"
    answered = suspend(table_of(real), find(table_of(real)))
    said = {(row["terminal_id"], row["gnss_state"]) for row in answered.to_pylist()}
    assert ("t-0050", "inhibited") in said
    assert ("t-0050", "suspended") not in said
    assert ("t-0051", "suspended") in said
    assert ("t-0001", "suspended") in said


def test_positions_of_the_network_are_not_suspended() -> None:
    rows = still(40, 70)
    lose(rows, names(0, 38), 750.0)
    for row in rows:
        if row["terminal_id"] == "t-0039":
            row["position_source"] = "network"
    answered = suspend(table_of(rows), find(table_of(rows))).to_pylist()
    assert {row["gnss_state"] for row in answered if row["terminal_id"] == "t-0039"} == {None}
    assert {row["gnss_state"] for row in answered if row["terminal_id"] == "t-0038"} == {None, "suspended"}


@settings(max_examples=60)
@given(st.data())
def test_no_colluders_matter(data: st.DataObject) -> None:
    """Whatever `colluders` accounts do, the chance is not below that of the honest ones alone."""
    test = AreaTest(colluders=data.draw(st.integers(0, 5)))
    witnesses = data.draw(st.integers(0, 60))
    troubled = data.draw(st.integers(0, witnesses))
    liars = data.draw(st.integers(0, test.colluders))
    rate = np.array([data.draw(st.floats(0, 0.4))])
    honest = AreaTest(colluders=0).chances(np.array([troubled]), np.array([witnesses]), rate)[0]
    with_liars = test.chances(np.array([troubled + liars]), np.array([witnesses + liars]), rate)[0]
    assert with_liars >= honest * (1 - 1e-9)


@settings(max_examples=80)
@given(st.integers(1, 400), st.floats(0.01, 0.45), st.floats(0.001, 0.2), st.data())
def test_the_chance_is_the_tail_of_the_beta_binomial_law(n: int, rate: float, together: float, data: st.DataObject) -> None:
    k = data.draw(st.integers((n + 1) // 2, n))
    test = AreaTest(least=1, colluders=0, share=0.5, together=together)
    a, b = rate * (1 - together) / together, (1 - rate) * (1 - together) / together
    mine = test.chances(np.array([k]), np.array([n]), np.array([rate]))[0]
    theirs = betabinom.pmf(np.arange(k, n + 1), n, a, b).sum()
    assert mine == pytest.approx(min(1.0, theirs), rel=1e-6, abs=1e-280)


@pytest.mark.parametrize("alpha", [1e-2, 1e-3, 1e-4])
def test_under_its_law_the_chance_is_passed_as_often_as_it_says(alpha: float) -> None:
    """400,000 cells drawn from the law; a rate of whole numbers is at most alpha, and near it where cells are large."""
    random = np.random.default_rng(12)
    test = AreaTest(least=0, colluders=0, share=0.0, together=0.05, least_rate=0.001)
    n, rate = random.integers(100, 400, 400_000), random.uniform(0.02, 0.3, 400_000)
    a, b = rate * 19.0, (1.0 - rate) * 19.0
    k = random.binomial(n, random.beta(a, b))
    passed = float((test.chances(k, n, rate) <= alpha).mean())
    margin = 4 * np.sqrt(alpha / 400_000)
    assert 0.7 * alpha - margin <= passed <= alpha + margin


def test_the_chance_of_a_large_cell_is_a_number() -> None:
    chance = AreaTest().chances(np.array([90_000, 100_000]), np.array([100_000, 100_000]), np.array([0.01, 0.01]))
    assert (chance >= 0).all()
    assert (chance < 1e-97).all()  # 0.1 to the power of 98, of the beta law


# --- the radio --------------------------------------------------------------------------------------------------------


def verdicts(rows: list[tuple[str, float, str, float, float]]) -> pa.Table:
    return pa.table(
        {
            "terminal_id": pa.array([row[0] for row in rows], pa.string()),
            "at_ns": pa.array([START_NS + int(row[1] * S) for row in rows], pa.int64()),
            "verdict": pa.array([row[2] for row in rows], pa.string()),
            "lat_deg": pa.array([row[3] for row in rows], pa.float64()),
            "lon_deg": pa.array([row[4] for row in rows], pa.float64()),
        }
    )


def test_radio_that_disagrees_together_after_it_agreed_is_an_anomaly() -> None:
    rows = still(30, 80)
    said = [(f"t-{i:04d}", 60.0 * k + i / 50, "consistent" if k < 14 else "inconsistent", 48.0, 33.0) for k in range(20) for i in range(30)]
    found = find(table_of(rows), verdicts(said))
    assert set(found.table.column("kind").to_pylist()) == {"radio_disagrees"}
    assert found.table.column("from_ns").to_pylist()[0] >= START_NS + 840 * S
    quiet = [(*row[:2], "ambiguous", *row[3:]) for row in said]
    assert find(table_of(rows), verdicts(quiet)).table.num_rows == 0


def test_many_who_lied_from_the_first_are_many_liars() -> None:
    """Smuggled terminals that all claim another town do not excuse each other, nor do those who agreed elsewhere before."""
    rows = still(60, 80, lat=51.2, lon=22.6)
    lied = [(f"t-{i:04d}", 60.0 * k + i / 70, "inconsistent", 47.2, 35.7) for k in range(20) for i in range(60)]
    assert find(table_of(rows), verdicts(lied)).table.num_rows == 0
    carried = [
        (f"t-{i:04d}", 60.0 * k + i / 70, *(("consistent", 51.2, 22.6) if k < 12 else ("inconsistent", 47.2, 35.7)))
        for k in range(20) for i in range(60)
    ]  # fmt: skip
    assert find(table_of(rows), verdicts(carried)).table.num_rows == 0


# --- the same however the rows come -----------------------------------------------------------------------------------


@settings(max_examples=8)
@given(st.randoms(use_true_random=False))
def test_every_permutation_gives_the_same_anomalies(jammed: WitnessFleet, random: object) -> None:
    order = np.random.default_rng(random.randrange(1 << 30)).permutation(len(jammed.table))  # type: ignore[attr-defined]  # a random.Random
    assert key(find(jammed.table.take(order), accounts=jammed.accounts)) == key(find(jammed.table, accounts=jammed.accounts))


@settings(max_examples=12)
@given(st.lists(st.integers(0, 27_000), max_size=12), st.booleans())
@example([517], True)  # cells come into view in another order
def test_batches_do_not_matter(jammed: WitnessFleet, cuts: list[int], shuffled: bool) -> None:
    """Also where rows come in another order than they were observed in, as long as none is later than is waited for."""
    table = jammed.table
    if shuffled:
        t = table.column("observed_at").to_numpy()
        jitter = np.random.default_rng(sum(cuts)).uniform(0, 14.9e9, 150)
        who = np.unique(np.array(table.column("terminal_id").to_pylist()), return_inverse=True)[1]
        # Each terminal's rows are under way for a time of its own, so that they keep their order.
        table = table.take(np.argsort(t + jitter[who], kind="stable"))
    whole = InterferenceWatch(accounts=jammed.accounts)
    once = whole.update(in_order(table))
    parts = InterferenceWatch(accounts=jammed.accounts)
    edges = sorted({0, len(table), *(cut for cut in cuts if cut < len(table))})
    answers = [parts.update(table.slice(a, b - a)) for a, b in pairwise(edges)]
    whole.finish()
    parts.finish()
    assert key(whole.anomalies()) == key(parts.anomalies())
    assert parts.anomalies().late == 0

    def answered(part: pa.Table) -> dict[tuple[str, int], str | None]:
        return {(row["terminal_id"], row["observed_at"]): row["gnss_state"] for row in part.to_pylist()}

    assert answered(pa.concat_tables(answers)) == answered(once)


def test_suspending_afterwards_says_what_the_watch_said(jammed: WitnessFleet, patchy: WitnessFleet) -> None:
    wide = InterferenceWatch(accounts=patchy.accounts)
    answered = pa.concat_tables([wide.update(patchy.table.slice(first, 7_001)) for first in range(0, len(patchy.table), 7_001)])
    whole = find(patchy.table.take(np.random.default_rng(2).permutation(len(patchy.table))), accounts=patchy.accounts)
    wide.finish()
    assert whole.spared.equals(wide.anomalies().spared)
    assert (states(suspend(patchy.table, whole)) == states(answered)).all()
    watch = InterferenceWatch(accounts=jammed.accounts)
    told = watch.update(jammed.table)
    found = find(jammed.table, accounts=jammed.accounts)
    assert states(told).any()
    assert (states(suspend(jammed.table, found)) == states(told)).all()
    assert not (states(told) & ~states(suspend(jammed.table, found.table))).any()  # which spares no cell


def test_what_comes_later_changes_nothing_before(jammed: WitnessFleet) -> None:
    cut = int(np.searchsorted(jammed.table.column("observed_at").to_numpy(), START_NS + 1_300 * S))
    early = InterferenceWatch(accounts=jammed.accounts).update(jammed.table.slice(0, cut))
    whole = InterferenceWatch(accounts=jammed.accounts).update(jammed.table)
    assert states(early).any()
    assert early.equals(whole.slice(0, cut).combine_chunks())


def test_late_rows_are_answered_and_counted_but_not_tested(jammed: WitnessFleet) -> None:
    watch = InterferenceWatch(accounts=jammed.accounts)
    watch.update(jammed.table)
    again = table_of([row | {"observed_at": START_NS + 1_500 * S} for row in still(1, 1, first=9_000)])
    before = watch.anomalies()
    answer = watch.update(again)
    assert watch.anomalies().late == before.late + 1
    assert states(answer).tolist() == [True]


def test_what_is_forgotten_changes_nothing_later(jammed: WitnessFleet) -> None:
    plain, lean = InterferenceWatch(accounts=jammed.accounts), InterferenceWatch(accounts=jammed.accounts)
    for first in range(0, len(jammed.table), 2_000):
        part = jammed.table.slice(first, 2_000)
        assert plain.update(part).equals(lean.update(part))
        lean.forget(part.column("observed_at")[0].as_py() - 600 * S)
    lean.forget(START_NS + 86_400 * S)
    assert plain.anomalies().table.num_rows > lean.anomalies().table.num_rows == 0


def test_a_terminal_with_a_fast_clock_does_not_make_the_others_late() -> None:
    rows = still(30, 80)
    lose(rows, names(0, 30), 900.0)
    ahead = still(1, 1, first=500)[0] | {"observed_at": START_NS + 3_000 * S}
    watch = InterferenceWatch()
    for k in range(80):
        batch = rows[30 * k : 30 * k + 30]
        if k == 20:
            batch = [ahead, *batch]
        watch.update(table_of(batch), now_ns=START_NS + 15 * k * S + S)
    watch.finish()
    assert watch.anomalies().late == 0
    assert watch.anomalies().table.num_rows > 0


def test_an_own_numbering_of_terminals_gives_the_same(jammed: WitnessFleet) -> None:
    order: dict[str, int] = {}

    def number(ids: pa.Array | pa.ChunkedArray) -> np.ndarray:
        return np.array([order.setdefault(name, 7 + 3 * len(order)) for name in ids.to_pylist()], np.int32)

    plain, own = InterferenceWatch(accounts=jammed.accounts), InterferenceWatch(accounts=jammed.accounts, number=number)
    for first in range(0, len(jammed.table), 5_000):
        part = jammed.table.slice(first, 5_000)
        assert plain.update(part).equals(own.update(part))
    assert key(plain.anomalies()) == key(own.anomalies())


# --- real receivers ---------------------------------------------------------------------------------------------------


def test_no_recorded_receiver_that_had_stayed_is_called_displaced(shared_data: Path) -> None:
    """575 recorded tracks without jamming: three of aircraft hop after a frozen position, and no witness does."""
    recorded = pq.read_table(shared_data / "tracks" / "tracks.parquet").sort_by([("track_id", "ascending"), ("time", "ascending")])
    terminal = recorded.column("track_id").combine_chunks().dictionary_encode().indices.to_numpy().astype(np.int32)
    tracks = Tracks.empty(InterferenceSettings().track)
    tracks.grow(int(terminal.max()) + 1)
    n = len(recorded)
    flags, _, _ = tracks.advance(
        terminal, recorded.column("time").cast(pa.timestamp("ns", "UTC")).cast(pa.int64()).to_numpy(),
        *(recorded.column(name).to_numpy().astype(np.float64) for name in ("lat", "lon")),
        np.full(n, np.nan, np.float32), np.zeros(n, np.uint8),
    )  # fmt: skip
    votes, jumped = (flags & VOTES) > 0, (flags & JUMPED) > 0
    assert n > 250_000
    assert votes.sum() > 20_000
    assert not (votes & jumped).any()
    assert len(np.unique(terminal[jumped])) <= 3


# --- input that is not as it should be --------------------------------------------------------------------------------


def test_nothing_gives_nothing() -> None:
    empty = SCHEMA.empty_table()
    found = find(empty)
    assert found.table.num_rows == 0
    assert suspend(empty, found).num_rows == 0
    assert find(empty, verdicts([])).table.num_rows == 0


def test_strange_places_are_no_places() -> None:
    rows = still(4, 3)
    rows[0] |= {"lat_deg": float("nan"), "lon_deg": 3.0}
    rows[1] |= {"lat_deg": float("inf"), "lon_deg": 3.0}
    rows[2] |= {"lat_deg": 91.0, "lon_deg": 3.0}
    rows[3] |= {"lat_deg": 5.0, "lon_deg": 1e300}
    assert find(table_of(rows)).table.num_rows == 0
    lean = table_of(rows).select(["terminal_id", "observed_at", "lat_deg", "lon_deg"])
    assert suspend(lean, find(lean)).column("gnss_state").null_count == len(lean)


def test_positions_that_are_cells_count() -> None:
    rows = still(30, 80)
    cell = h3.latlng_to_cell(48.0, 33.0, 6)
    lose(rows, names(0, 30), 900.0)
    for row in rows:
        row["h3_cell"] = cell if row["lat_deg"] is not None else None
        row["lat_deg"] = row["lon_deg"] = None
    table = pa.Table.from_pylist(rows, schema=SCHEMA.append(pa.field("h3_cell", pa.uint64())))
    assert set(find(table).table.column("kind").to_pylist()) == {"lost"}
    bad = table.set_column(table.column_names.index("h3_cell"), "h3_cell", pa.array([12345] * len(table), pa.uint64()))
    assert find(bad).table.num_rows == 0


def test_parents_by_arithmetic_are_those_of_h3() -> None:
    random = np.random.default_rng(4)
    lat, lon = np.degrees(np.arcsin(random.uniform(-1, 1, 500))), random.uniform(-180, 180, 500)
    cells = cells_at(lat, lon, 7)
    for resolution in range(8):
        assert parents(cells, resolution).tolist() == [h3.cell_to_parent(int(cell), resolution) for cell in cells]
    assert (resolution_of(cells) == 7).all()


def test_the_memory_grows_and_keeps_what_it_held() -> None:
    tracks = Tracks.empty(InterferenceSettings().track)
    tracks.grow(3)
    tracks.rows["lat_fix"][2] = 5.0
    tracks.grow(100)
    assert tracks.rows["lat_fix"][2] == 5.0
    assert (tracks.rows["cell"] == -1).all()
