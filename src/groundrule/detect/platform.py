"""What carries a terminal: the class of a track with probabilities, from fixes about 15 s apart or from H3 cells alone.

A small forest of decision trees, learned from simulated motion only (`scripts/train_platform.py`) and stored as arrays, is read by the
compiled code here; nothing but NumPy and numba is needed. `by_rules` is the same question answered by bands of speed, for
whoever has no model. The answer is a probability under equal shares of the classes: `reweighted` gives it the shares of a fleet.

What it cannot see: docs/platform-model.md has the confusion matrix on real tracks. From cells of resolution 5, whatever is slower than
a car hardly leaves its cell, and multirotors look like people at home.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from groundrule.detect.features import CELL_FEATURES, FIX_FEATURES, Floats, of_cells, of_fixes
from groundrule.errors import InputError

CLASSES: Final = (
    "stationary", "pedestrian", "road", "rail", "ship", "small_boat", "airliner", "light_aircraft", "glider", "fixed_wing_uav",
    "multirotor",
)  # fmt: skip
"""light_aircraft includes helicopters, glider includes paragliders, road includes bicycles."""
UNMANNED: Final = ("fixed_wing_uav", "multirotor")
MODEL = "platform.npz"
FLEET: Final = {
    "stationary": 0.55, "pedestrian": 0.02, "road": 0.20, "rail": 0.03, "ship": 0.06, "small_boat": 0.05, "airliner": 0.05,
    "light_aircraft": 0.02, "glider": 0.005, "fixed_wing_uav": 0.005, "multirotor": 0.01,
}  # fmt: skip
"""Shares of the classes in a fleet: an assumption, for `reweighted`; no operator publishes them."""


@dataclass(frozen=True, slots=True)
class Forest:
    """Decision trees as arrays.

    Attributes:
        features: names of the numbers it takes.
        first: node at which each tree begins.
        feature: number that each node compares; -1 is a leaf.
        threshold: it goes left where the number is at most this.
        left, right: nodes; of a leaf, `left` is its row of `leaf`.
        leaf: share of each class [shape (leaves, classes)].
        temper: probabilities are raised to this power, so that they are as often right as they say.
    """

    features: tuple[str, ...]
    first: NDArray[np.int32]
    feature: NDArray[np.int16]
    threshold: NDArray[np.float32]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    leaf: NDArray[np.float32]
    temper: float

    def probabilities(self, numbers: Floats) -> Floats:
        """Return the probability of each class.

        Args:
            numbers: shape (tracks, features).
        Returns:
            Shape (tracks, classes); each row sums to 1.
        """
        mean = _walk(
            np.ascontiguousarray(numbers, np.float32), self.first, self.feature, self.threshold, self.left, self.right, self.leaf
        )  # fmt: skip
        return tempered(mean, self.temper)


def tempered(shares: Floats, temper: float) -> Floats:
    """Return shares raised to a power and made to sum to 1, with a floor so that nothing is impossible."""
    raised = (shares + 1e-3) ** temper
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


@dataclass(frozen=True, slots=True)
class PlatformModel:
    """Both forests of one training.

    Attributes:
        fixes, cells: of tracks of fixes, and of cells.
        about: how it was trained.
    """

    fixes: Forest
    cells: Forest
    about: str

    @classmethod
    def load(cls, path: Path | None = None) -> PlatformModel:
        """Read a model file; without a path the one of the package.

        Raises:
            InputError: it is not a model of these classes and numbers.
        """
        return _shipped() if path is None else _read(path.read_bytes(), str(path))

    def of_track(self, t_s: Floats, lat_deg: Floats, lon_deg: Floats, alt_m: Floats | None = None) -> dict[str, float] | None:
        """Return the probability of each class from fixes; None if there are too few. Arguments as of `features.of_fixes`."""
        numbers = of_fixes(t_s, lat_deg, lon_deg, alt_m)
        return None if numbers is None else _named(self.fixes.probabilities(numbers[None])[0])

    def of_cell_track(self, t_s: Floats, lat_deg: Floats, lon_deg: Floats, radius_m: float) -> dict[str, float] | None:
        """Return the probability of each class from cells; None if there are too few. Arguments as of `features.of_cells`."""
        numbers = of_cells(t_s, lat_deg, lon_deg, radius_m)
        return None if numbers is None else _named(self.cells.probabilities(numbers[None])[0])


def reweighted(probabilities: dict[str, float], shares: dict[str, float]) -> dict[str, float]:
    """Return probabilities under other shares of the classes than equal ones (Bayes).

    Args:
        probabilities: of each class under equal shares.
        shares: of the classes in a fleet; classes left out have none.
    """
    weighed = {name: value * shares.get(name, 0.0) for name, value in probabilities.items()}
    total = sum(weighed.values())
    return {name: value / total for name, value in weighed.items()} if total > 0 else probabilities


def by_rules(numbers: Floats) -> dict[str, float]:
    """Return probabilities from bands of speed and straightness alone: the fallback, and what the model is compared with.

    Args:
        numbers: FIX_FEATURES of one track.
    """
    f = dict(zip(FIX_FEATURES, numbers.tolist(), strict=True))
    likely: tuple[str, ...]
    if f["speed_90"] < 1.0:
        likely = ("stationary",)
    elif f["speed_90"] < 2.8:
        likely = ("pedestrian",) if f["sharp_share"] > 0.05 else ("ship", "pedestrian")
    elif f["speed_50"] > 140.0:
        likely = ("airliner",)
    elif f["speed_90"] > 60.0:
        likely = ("light_aircraft",)
    elif f["up_50"] > 0.7 and f["turn_50"] > 0.3:
        likely = ("glider", "fixed_wing_uav")
    elif f["slope_90"] > 0.25:
        likely = ("multirotor", "glider")
    elif f["stops_per_hour"] > 6.0:
        likely = ("road", "rail") if f["sharp_share"] > 0.1 else ("rail", "road")
    elif f["gain_95"] < 0.05:
        likely = ("ship", "small_boat")
    elif f["speed_90"] > 33.0:
        likely = ("light_aircraft", "rail", "fixed_wing_uav")
    else:
        likely = ("road", "rail", "small_boat")
    rest = 0.2 / (len(CLASSES) - len(likely))
    first = 0.8 * 2.0 / (len(likely) * (len(likely) + 1))
    return {name: first * (len(likely) - likely.index(name)) if name in likely else rest for name in CLASSES}


def _named(row: Floats) -> dict[str, float]:
    return dict(zip(CLASSES, row.tolist(), strict=True))


@cache
def _shipped() -> PlatformModel:
    path = resources.files("groundrule.detect").joinpath("data", MODEL)
    return _read(path.read_bytes(), MODEL)


def _read(raw: bytes, name: str) -> PlatformModel:
    try:
        with np.load(io.BytesIO(raw), allow_pickle=False) as arrays:
            stored = {key: arrays[key] for key in arrays.files}
        if tuple(stored["classes"].tolist()) != CLASSES:
            raise ValueError("other classes")
        forests = {
            part: Forest(
                tuple(stored[f"{part}_features"].tolist()), stored[f"{part}_first"], stored[f"{part}_feature"], stored[f"{part}_threshold"],
                stored[f"{part}_left"], stored[f"{part}_right"], stored[f"{part}_leaf"].astype(np.float32) / np.float32(65_535.0),
                float(stored[f"{part}_temper"]),
            )
            for part in ("fixes", "cells")
        }  # fmt: skip
        if forests["fixes"].features != FIX_FEATURES or forests["cells"].features != CELL_FEATURES:
            raise ValueError("other numbers")
        for forest in forests.values():
            _check(forest)
        return PlatformModel(forests["fixes"], forests["cells"], str(stored["about"]))
    except (KeyError, ValueError, OSError, EOFError) as error:
        raise InputError(
            f"`{name}` is not a platform model: {error}", help="train one with scripts/train_platform.py", value=name
        ) from error


def _check(forest: Forest) -> None:
    """Refuse arrays that would lead outside of themselves or around in a circle."""
    n = len(forest.feature)
    inner = forest.feature >= 0
    own = np.arange(n)
    sound = (
        len(forest.threshold) == len(forest.left) == len(forest.right) == n
        and bool((forest.feature < len(forest.features)).all())
        and bool(((forest.left > own) & (forest.right > own) & (forest.left < n) & (forest.right < n))[inner].all())
        and bool(((forest.left >= 0) & (forest.left < len(forest.leaf)))[~inner].all())
        and bool(((forest.first >= 0) & (forest.first < n)).all())
        and forest.leaf.shape[1:] == (len(CLASSES),)
    )
    if not sound:
        raise ValueError("its trees are broken")


@njit(cache=True, nogil=True)
def _walk(numbers, first, feature, threshold, left, right, leaf):  # type: ignore[no-untyped-def]  # compiled; typed by numba
    found = np.zeros((len(numbers), leaf.shape[1]))
    for i in range(len(numbers)):
        for tree in range(len(first)):
            node = first[tree]
            while feature[node] >= 0:
                node = left[node] if numbers[i, feature[node]] <= threshold[node] else right[node]
            for k in range(leaf.shape[1]):
                found[i, k] += leaf[left[node], k]
    return found / len(first)
