"""Train the platform model on simulated motion, or on your own tracks, and write it without pickle.

    python scripts/train_platform.py [--out FILE] [--tracks N] [--trees N] [--seed N] [--own TRACKS.parquet]
                                     [--figures FILE.json] [--plot FILE.png]

Needs scikit-learn (`pip install groundrule[detect-train]`); reading the model needs nothing. Without --own, tracks are simulated
(`groundrule.simulate.platforms`), N of each class, of random length, cadence and knowledge of altitude. A tenth is kept apart and
judges; another tenth sets the tempering. --own takes columns track_id, class, time, lat, lon and optionally alt_m and group, where a
class is one of detect.platform.CLASSES; groups are split, never tracks of one group. Same seed and versions, same file.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from matplotlib.figure import Figure

from groundrule.detect.features import CELL_FEATURES, FIX_FEATURES, of_cells, of_fixes
from groundrule.detect.h3_words import cells_at, centres
from groundrule.detect.platform import CLASSES, MODEL, by_rules, tempered
from groundrule.simulate.platforms import kinds_of, simulate

TARGET = Path(__file__).resolve().parents[1] / "src" / "groundrule" / "detect" / "data" / MODEL
LEAVES, SMALLEST = 160, 6


def simulated(per_class: int, seed: int) -> Iterator[tuple[str, str, dict[str, np.ndarray], int]]:
    """Yield class, group, columns and resolution of cells of simulated tracks."""
    rng = np.random.default_rng(seed)
    for name in CLASSES:
        kinds = kinds_of(name)
        for i in range(per_class):
            kind = kinds[i % len(kinds)]
            cadence = float(rng.choice([15.0, 15.0, 15.0, 20.0, 30.0, 60.0, 120.0]))
            length = float(10 ** rng.uniform(np.log10(180.0), np.log10(21_600.0)))
            while True:
                draw, busy = int(rng.integers(2**31)), float(rng.choice([1, 4]))
                track = simulate(kind, draw, seconds=length + 7_200.0, cadence_s=cadence, busy=busy)
                count = max(8, int(length / cadence))
                if name == "stationary" or not len(track.off_s):
                    begin = 0
                else:
                    # Mostly in motion; sometimes from the rest before it.
                    begin = int(max(0.0, rng.choice(track.off_s) + rng.uniform(-120.0, 2_400.0)) / cadence)
                part = slice(min(begin, max(0, len(track.t_s) - count)), None)
                part = slice(part.start, part.start + count)
                if name == "stationary" or (track.speed_m_s[part] > 0.5).mean() >= 0.25:
                    break
            alt = track.alt_m[part] if rng.random() < 0.6 else np.full(len(track.alt_m[part]), np.nan)
            columns = {"t": track.t_s[part], "lat": track.lat_deg[part], "lon": track.lon_deg[part], "alt": alt}
            yield name, f"{kind}/{i}", columns, int(rng.choice([5, 5, 5, 4, 6, 7]))


def own(path: Path) -> Iterator[tuple[str, str, dict[str, np.ndarray], int]]:
    """Yield the same of tracks in a file."""
    table = pq.read_table(path)
    ids = np.array(table.column("track_id").to_pylist())
    kinds, groups = (np.array(table.column(c if c in table.column_names else "track_id").to_pylist()) for c in ("class", "group"))
    t = table.column("time").cast(pa.timestamp("ns", "UTC")).cast(pa.int64()).to_numpy() / 1e9
    lat, lon = table.column("lat").to_numpy(), table.column("lon").to_numpy()
    alt = table.column("alt_m").to_numpy().astype(float) if "alt_m" in table.column_names else np.full(len(t), np.nan)
    for track in np.unique(ids).tolist():
        rows = np.flatnonzero(ids == track)
        rows = rows[np.argsort(t[rows], kind="stable")]
        if kinds[rows[0]] not in CLASSES:
            sys.exit(f"{path}: class `{kinds[rows[0]]}` of track {track} is none of {', '.join(CLASSES)}")
        yield str(kinds[rows[0]]), str(groups[rows[0]]), {"t": t[rows], "lat": lat[rows], "lon": lon[rows], "alt": alt[rows]}, 5


def numbers(tracks: Iterator[tuple[str, str, dict[str, np.ndarray], int]]) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Features, class and group of each track, from its fixes and from its cells."""
    rows: dict[str, list[tuple[np.ndarray, int, str]]] = {"fixes": [], "cells": []}
    for name, group, c, resolution in tracks:
        found = of_fixes(c["t"], c["lat"], c["lon"], c["alt"])
        if found is not None:
            rows["fixes"].append((found, CLASSES.index(name), group))
        lat, lon, radius = centres(cells_at(c["lat"], c["lon"], resolution))
        found = of_cells(c["t"], lat, lon, float(radius[0]))
        if found is not None:
            rows["cells"].append((found, CLASSES.index(name), group))
    return {
        part: (np.array([r[0] for r in each]), np.array([r[1] for r in each]), np.array([r[2] for r in each]))
        for part, each in rows.items()
    }


def train(x: np.ndarray, y: np.ndarray, groups: np.ndarray, seed: int, trees: int) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Fit one forest; returns its arrays, and what it does on what was kept apart."""
    from sklearn.ensemble import RandomForestClassifier  # noqa: PLC0415 - an extra that only training needs

    rng = np.random.default_rng(seed)
    names = np.unique(groups)
    part = dict(zip(names.tolist(), rng.permutation(len(names)) % 10, strict=True))
    fold = np.array([part[group] for group in groups.tolist()])
    fit, tune, test = fold >= 2, fold == 1, fold == 0
    model = RandomForestClassifier(
        trees, max_leaf_nodes=LEAVES, min_samples_leaf=SMALLEST, max_features=0.35, class_weight="balanced", random_state=seed, n_jobs=1
    ).fit(x[fit], y[fit])
    if list(model.classes_) != list(range(len(CLASSES))):
        sys.exit(f"tracks of every class are needed: {', '.join(CLASSES)}")
    tempers = np.arange(0.6, 4.0, 0.05)
    shares = model.predict_proba(x[tune])
    losses = [-np.log(tempered(shares, power)[np.arange(tune.sum()), y[tune]]).mean() for power in tempers]
    temper = float(tempers[int(np.argmin(losses))])
    arrays = stored(model, temper)
    judged = tempered(model.predict_proba(x[test]), temper)
    right = judged.argmax(axis=1)
    matrix = np.zeros((len(CLASSES), len(CLASSES)), int)
    np.add.at(matrix, (y[test], right), 1)
    sure = judged.max(axis=1)
    bins = np.clip((sure * 10).astype(int), 0, 9)
    calibration = [
        {
            "from": b / 10, "tracks": int((bins == b).sum()), "said": float(sure[bins == b].mean()),
            "right": float((right == y[test])[bins == b].mean()),
        }
        for b in range(10)
        if (bins == b).any()
    ]
    return arrays, {
        "trained_on": int(fit.sum()), "judged_on": int(test.sum()), "accuracy": float((right == y[test]).mean()), "temper": temper,
        "log_loss": float(-np.log(judged[np.arange(len(right)), y[test]]).mean()), "confusion": matrix.tolist(), "calibration": calibration,
        "test": test,
    }  # fmt: skip


def stored(model: Any, temper: float) -> dict[str, np.ndarray]:
    """The forest as arrays; leaves are rows of class shares in steps of 1/65535."""
    first, feature, threshold, left, right, leaf = [], [], [], [], [], []
    nodes = leaves = 0
    for each in model.estimators_:
        tree = each.tree_
        inner = tree.children_left >= 0
        first.append(nodes)
        row = np.cumsum(~inner) - 1 + leaves
        feature.append(np.where(inner, tree.feature, -1))
        # Numbers are compared in single precision, as they were in training.
        threshold.append(np.where(inner, tree.threshold, 0.0))
        left.append(np.where(inner, tree.children_left + nodes, row))
        right.append(np.where(inner, tree.children_right + nodes, 0))
        value = tree.value[~inner, 0, :]
        leaf.append(value / value.sum(axis=1, keepdims=True))
        nodes += len(inner)
        leaves += int((~inner).sum())
    return {
        "first": np.array(first, np.int32), "feature": np.concatenate(feature).astype(np.int16),
        "threshold": np.concatenate(threshold).astype(np.float32), "left": np.concatenate(left).astype(np.int32),
        "right": np.concatenate(right).astype(np.int32), "leaf": np.round(np.concatenate(leaf) * 65_535).astype(np.uint16),
        "temper": np.array(temper),
    }  # fmt: skip


def plot(path: Path, figures: dict[str, Any]) -> None:
    """Draw how often it is right against how sure it says to be."""
    figure = Figure(figsize=(4.2, 4.2))
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    for part, marker in (("fixes", "o"), ("cells", "s")):
        bins = figures[part]["calibration"]
        label = f"from {part} ({figures[part]['judged_on']} tracks)"
        axes.plot([b["said"] for b in bins], [b["right"] for b in bins], marker=marker, label=label)
    axes.set(xlabel="probability that it says", ylabel="share that is right", xlim=(0, 1), ylim=(0, 1), title="Simulated tracks kept apart")
    axes.legend(loc="upper left", frameon=False)
    figure.tight_layout()
    figure.savefig(path, dpi=110, metadata={"Software": ""})


def main() -> None:
    """Train, judge, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=TARGET)
    parser.add_argument("--tracks", type=int, default=1_000, help="simulated tracks of each class")
    parser.add_argument("--trees", type=int, default=120)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--own", type=Path, help="your own tracks instead of simulated ones")
    parser.add_argument("--figures", type=Path, help="write confusion and calibration here")
    parser.add_argument("--plot", type=Path, help="write the calibration plot here")
    asked = parser.parse_args()
    tracks = own(asked.own) if asked.own else simulated(asked.tracks, asked.seed)
    parts = numbers(tracks)
    about = f"{'own tracks' if asked.own else 'simulated tracks only'}, seed {asked.seed}"
    arrays: dict[str, np.ndarray] = {"classes": np.array(CLASSES), "about": np.array(about)}
    figures: dict[str, Any] = {"classes": list(CLASSES), "about": about}
    for part, names in (("fixes", FIX_FEATURES), ("cells", CELL_FEATURES)):
        x, y, groups = parts[part]
        forest, figures[part] = train(x.astype(np.float32), y, groups, asked.seed, asked.trees)
        arrays |= {f"{part}_{key}": value for key, value in forest.items()} | {f"{part}_features": np.array(names)}
        test = figures[part].pop("test")
        if part == "fixes":
            ruled = [CLASSES.index(max((told := by_rules(row)), key=told.__getitem__)) for row in x[test]]
            figures[part]["accuracy_by_rules"] = float((np.array(ruled) == y[test]).mean())
        print(json.dumps({part: {k: v for k, v in figures[part].items() if k not in {"confusion", "calibration"}}}))
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(asked.out, **arrays)
    print(f"{asked.out}: {asked.out.stat().st_size:,} bytes")
    if asked.figures:
        asked.figures.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    if asked.plot:
        plot(asked.plot, figures)


if __name__ == "__main__":
    main()
