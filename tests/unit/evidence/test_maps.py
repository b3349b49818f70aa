"""Pictures: they show what they count, in colours of their own, and come out the same every time."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from matplotlib import image
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from groundrule.evidence import maps
from groundrule.evidence.marks import KEYS, MARKS, answer
from groundrule.evidence.outlines import Outlines
from groundrule.records import OUTCOME_WORDS, ServiceState

SQUARE = np.array([[-20.0, 30.0], [60.0, 30.0], [60.0, 70.0], [-20.0, 70.0], [-20.0, 30.0]])
OUTLINES = Outlines((SQUARE,), (np.array([[20.0, 30.0], [20.0, 70.0]]),), ())


def pixels(path: Path, key: str) -> int:
    """Pixels of the colour of an answer, in the map panels."""
    picture = image.imread(io.BytesIO(path.read_bytes()))[:, :, :3]
    panels = picture[int(0.14 * len(picture)) : int(0.87 * len(picture))]
    wanted = np.array(to_rgb(next(mark.colour for mark in MARKS if mark.key == key)))
    return int((np.abs(panels - wanted).max(axis=2) < 0.12).sum())


def legend_of(figure: Figure) -> str:
    return " | ".join(text.get_text() for axes in figure.axes for text in axes.texts)


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Every figure that is written, kept to be looked at."""
    kept: list[Figure] = []
    write = maps._write
    monkeypatch.setattr(maps, "_write", lambda figure, path: (kept.append(figure), write(figure, path)))
    return kept


def test_each_answer_is_drawn_in_its_colour_and_counted(tmp_path: Path, figures: list[Figure]) -> None:
    path = tmp_path / "map.png"
    points = pa.table(
        {
            "lat_deg": [50.0, 49.0, 48.0, None, 46.0],
            "lon_deg": [30.0, 31.0, 32.0, None, 34.0],
            "outcome": ["deny", "deny", "review", "review", "restrict"],
            "state": ["normal", "normal", "normal", "normal", "pending_registration"],
        }
    )
    maps.outcome_map_png(points, path, title="Five terminals", outlines=OUTLINES)
    assert pixels(path, "deny") > 20
    assert pixels(path, "review") > 10
    assert pixels(path, ServiceState.PENDING_REGISTRATION) > 10
    assert pixels(path, "serve") == 0
    words = legend_of(figures[0])
    assert "denied  2" in words
    assert "served, a person looks  2" in words
    assert "registration pending  1" in words
    assert "1 without a position are not drawn" in words
    assert any("OpenStreetMap" in text.get_text() for text in figures[0].texts)


def test_stricter_answers_lie_on_top(tmp_path: Path) -> None:
    n = 400
    points = {"lat_deg": [50.0] * n, "lon_deg": [30.0] * n, "outcome": ["deny"] + ["serve"] * (n - 1)}
    maps.outcome_map_png(points, tmp_path / "map.png", title="On top", outlines=OUTLINES)
    assert pixels(tmp_path / "map.png", "deny") > 20


def test_the_same_points_give_the_same_bytes(tmp_path: Path) -> None:
    points = {"lat_deg": [50.0], "lon_deg": [30.0], "outcome": ["deny"]}
    for name in ("a.png", "b.png"):
        maps.outcome_map_png(points, tmp_path / name, title="Same", outlines=OUTLINES)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_what_if_tells_new_denials_from_longer_ones(tmp_path: Path, figures: list[Figure]) -> None:
    changed = [
        {"lat_deg": 50.0, "lon_deg": 30.0, "before": "serve", "after": "deny"},
        {"lat_deg": 49.0, "lon_deg": 31.0, "before": "deny", "after": "deny"},
        {
            "lat_deg": float("nan"),
            "lon_deg": float("nan"),
            "before": "deny",
            "after": "restrict (pending_registration)",
        },
    ]
    others = {"lat_deg": [47.0], "lon_deg": [29.0]}
    maps.whatif_map_png(changed, tmp_path / "map.png", title="What if", others=others, outlines=OUTLINES)
    words = legend_of(figures[0])
    assert "now denied  1" in words
    assert "denied before too, at other moments  1" in words
    assert "now registration pending  1" in words
    assert "1 without a position are not drawn" in words


def test_nothing_to_draw_is_drawn_as_such(tmp_path: Path, figures: list[Figure]) -> None:
    maps.whatif_map_png([], tmp_path / "map.png", title="Nobody", outlines=OUTLINES)
    assert "nothing to draw" in legend_of(figures[0])


def test_every_answer_has_a_mark_with_a_colour_and_a_shape_of_its_own() -> None:
    reachable = {answer(outcome, state.value) for outcome in OUTCOME_WORDS for state in ServiceState}
    assert reachable == set(KEYS)
    for name in ("colour", "dark", "marker", "words"):
        assert len({getattr(mark, name) for mark in MARKS}) == len(MARKS), name
