"""The platform of a track: numbers, the stored forest, the rules that stand in for it, and what real tracks say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from groundrule.detect.features import CELL_FEATURES, FIX_FEATURES, of_cells, of_fixes
from groundrule.detect.h3_words import cells_at, centres
from groundrule.detect.platform import CLASSES, FLEET, PlatformModel, by_rules, reweighted
from groundrule.errors import InputError
from groundrule.simulate import platforms
from groundrule.simulate.platforms import Track, kinds_of, simulate
from moved_rows import real_tracks

ROOT = Path(__file__).resolve().parents[3]


def moving(kind: str, seed: int, seconds: float = 3_600.0) -> Track:
    """The first hour after a track has set off; the first hour of what never does."""
    track = simulate(kind, seed, seconds=seconds + 30_000.0)
    begin = int(track.off_s[0] // 15.0) if len(track.off_s) else 0
    part = slice(begin, begin + int(seconds // 15.0))
    return Track(kind, track.t_s[part], track.lat_deg[part], track.lon_deg[part], track.alt_m[part], track.off_s, track.speed_m_s[part])


def test_simulation_and_detection_name_the_same_classes() -> None:
    assert platforms.CLASSES == CLASSES
    assert set(FLEET) == set(CLASSES)
    assert sum(FLEET.values()) == pytest.approx(1.0)


def test_a_simulated_track_is_the_same_for_the_same_seed() -> None:
    a, b = simulate("bus", 5, seconds=3_600.0), simulate("bus", 5, seconds=3_600.0)
    assert np.array_equal(a.lat_deg, b.lat_deg)
    assert not np.array_equal(a.lat_deg, simulate("bus", 6, seconds=3_600.0).lat_deg)


@pytest.mark.parametrize("name", CLASSES)
def test_simulated_speeds_lie_where_the_published_dynamics_are(name: str) -> None:
    fastest = {"stationary": 1, "pedestrian": 4, "ship": 16, "multirotor": 35, "small_boat": 45, "road": 110, "rail": 140, "airliner": 420}
    for kind in kinds_of(name):
        speed = np.concatenate([simulate(kind, seed, seconds=7_200.0).speed_m_s for seed in range(10)])
        assert speed.max() <= fastest.get(name, 400)
        assert (speed.max() > 1.0) == (name != "stationary")


def test_tracks_are_told_apart_better_than_by_rules() -> None:
    model = PlatformModel.load()
    right = ruled = total = 0
    for name in CLASSES:
        for i in range(20):
            kinds = kinds_of(name)
            track = moving(kinds[i % len(kinds)], 700_000 + i)
            told = model.of_track(track.t_s, track.lat_deg, track.lon_deg, track.alt_m)
            numbers = of_fixes(track.t_s, track.lat_deg, track.lon_deg, track.alt_m)
            assert told is not None
            assert numbers is not None
            assert sum(told.values()) == pytest.approx(1.0)
            assert sum(by_rules(numbers).values()) == pytest.approx(1.0)
            right += max(told, key=told.__getitem__) == name
            ruled += max(rules := by_rules(numbers), key=rules.__getitem__) == name
            total += 1
    assert right / total > 0.75
    assert right > 1.3 * ruled


def test_cells_tell_an_airliner_and_little_else() -> None:
    model = PlatformModel.load()
    track = moving("airliner", 3)
    lat, lon, radius = centres(cells_at(track.lat_deg, track.lon_deg, 5))
    told = model.of_cell_track(track.t_s, lat, lon, float(radius[0]))
    assert told is not None
    assert max(told, key=told.__getitem__) == "airliner"
    still = model.of_cell_track(track.t_s, np.full(len(lat), lat[0]), np.full(len(lat), lon[0]), float(radius[0]))
    assert still is not None
    assert max(still.values()) < 0.5, "one cell does not say what rests in it"


def test_too_few_reports_say_nothing() -> None:
    assert of_fixes(np.arange(3) * 15.0, np.zeros(3), np.zeros(3)) is None
    assert of_fixes(np.arange(20) * 400.0, np.zeros(20), np.zeros(20)) is None
    assert of_cells(np.zeros(1), np.zeros(1), np.zeros(1), 9_900.0) is None


def test_numbers_are_finite_for_every_sort_of_track() -> None:
    rng = np.random.default_rng(1)
    for n in (5, 6, 40):
        for spread in (0.0, 1e-5, 1.0, 80.0):
            t, lat, lon = np.cumsum(rng.uniform(1, 200, n)), rng.uniform(-1, 1, n) * spread, rng.uniform(-1, 1, n) * spread * 2
            for alt in (None, np.full(n, np.nan), rng.uniform(-100, 9_000, n)):
                numbers = of_fixes(t, lat, lon, alt)
                assert numbers is None or (np.isfinite(numbers).all() and len(numbers) == len(FIX_FEATURES))
            numbers = of_cells(t, lat, lon, 9_900.0)
            assert numbers is not None
            assert np.isfinite(numbers).all()
            assert len(numbers) == len(CELL_FEATURES)


def test_other_shares_move_the_answer_to_the_common() -> None:
    even = dict.fromkeys(CLASSES, 1 / len(CLASSES))
    assert reweighted(even, FLEET) == pytest.approx(FLEET)
    assert reweighted({"road": 1.0}, {}) == {"road": 1.0}


def test_a_broken_model_is_refused(tmp_path: Path) -> None:
    shipped = ROOT / "src" / "groundrule" / "detect" / "data" / "platform.npz"
    with np.load(shipped, allow_pickle=False) as arrays:
        stored = {name: arrays[name] for name in arrays.files}
    around = stored | {"fixes_left": np.zeros_like(stored["fixes_left"])}
    outside = stored | {"cells_feature": np.where(stored["cells_feature"] >= 0, 99, -1).astype(np.int16)}
    pickled = stored | {"about": np.array([{}], object)}
    missing = {name: array for name, array in stored.items() if name != "fixes_leaf"}
    for broken in (around, outside, pickled, missing):
        path = tmp_path / "broken.npz"
        np.savez(path, **broken)
        with pytest.raises(InputError):
            PlatformModel.load(path)
    (tmp_path / "text.npz").write_text("no model")
    with pytest.raises(InputError):
        PlatformModel.load(tmp_path / "text.npz")


def test_the_script_trains_a_model_that_reads_without_scikit_learn(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    out, figures = tmp_path / "mine.npz", tmp_path / "figures.json"
    command = [sys.executable, "scripts/train_platform.py", "--tracks", "9", "--trees", "12", "--out", str(out)]
    command += ["--figures", str(figures)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    told = json.loads(figures.read_text())
    assert told["fixes"]["accuracy"] > 0.2
    model = PlatformModel.load(out)
    track = moving("airliner", 4)
    chances = model.of_track(track.t_s, track.lat_deg, track.lon_deg)
    assert chances is not None
    assert max(chances, key=chances.__getitem__) in {"airliner", "light_aircraft"}


def test_own_tracks_of_an_unknown_class_are_refused_with_the_classes_there_are(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    table = pa.table({
        "track_id": ["a"] * 3, "class": ["balloon"] * 3, "lat": [1.0] * 3, "lon": [2.0] * 3,
        "time": pa.array([0, 15_000, 30_000], pa.timestamp("ms", "UTC")),
    })  # fmt: skip
    pq.write_table(table, tmp_path / "own.parquet")
    command = [sys.executable, "scripts/train_platform.py", "--own", str(tmp_path / "own.parquet"), "--out", str(tmp_path / "m.npz")]
    run = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert run.returncode == 1
    assert "class `balloon` of track a is none of stationary," in run.stderr


@pytest.mark.shared_data
def test_real_airliners_walkers_and_moored_ships_are_told_by_their_fixes(shared_data: Path) -> None:
    ids, rows, index = real_tracks(shared_data / "tracks")
    model = PlatformModel.load()
    order = np.argsort(rows.row, kind="stable")
    right = {"airliner": [], "pedestrian": [], "stationary": [], "road": []}
    of = {"aircraft_airliner": "airliner", "pedestrian": "pedestrian", "stationary_moored": "stationary", "bus": "road", "car": "road"}
    for part in np.split(order, np.flatnonzero(np.diff(rows.row[order])) + 1):
        name = of.get(str(index[ids[rows.row[part[0]]]]["class"]))
        if name is None:
            continue
        told = model.of_track(rows.t_ns[part] / 1e9, rows.lat_deg[part], rows.lon_deg[part], rows.alt_m[part].astype(float))
        if told is not None:
            told = reweighted(told, FLEET)
            right[name].append(max(told, key=told.__getitem__) == name)
    assert {name: np.mean(each) > 0.85 for name, each in right.items()} == dict.fromkeys(right, True)
