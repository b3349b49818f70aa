"""Interference over the wire: a span is watched once, readers see what their role may, and wrong spans are named."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from homes import Served, served

from groundrule.detect.interference import INTERFERENCE_SCHEMA
from groundrule.errors import OutOfRange
from groundrule.instant import NS_PER_S, format_instant
from groundrule.pipeline import interference_desk
from groundrule.pipeline.interference_desk import InterferenceDesk
from groundrule.store.home import Home
from small_home import T0, copy_home


@pytest.fixture(scope="module")
def seen(served_template: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(copy_home(served_template, tmp_path_factory.mktemp("disturbed") / "home")) as made:
        yield made


def ready(seen: Served, path: str, who: dict[str, str]) -> dict:  # type: ignore[type-arg]  # JSON
    for _ in range(60):
        told = seen.get(path, who)
        assert told.status_code == 200, told.text
        if told.json()["state"] == "ready":
            return dict(told.json())
        time.sleep(0.2)
    raise AssertionError("it is never ready")


def test_a_calm_home_has_no_disturbed_cells(seen: Served) -> None:
    told = ready(seen, "/v1/interference", seen.key("viewer"))
    assert told["cells"] == {"type": "FeatureCollection", "features": []}
    assert told["seen_rows"] > 10
    assert told["terminals"] == 8
    picture = seen.get("/v1/interference/map.svg", seen.key("viewer"))
    assert (picture.status_code, picture.content[:5]) == (200, b"<?xml")


def test_readers_see_what_their_role_may(seen: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    at = T0 // (60 * NS_PER_S) * 60 * NS_PER_S
    row = {
        "h3_cell": 0x851E4D07FFFFFFF, "from_ns": at, "until_ns": at + 600 * NS_PER_S, "kind": "lost", "share": 0.97, "p_value": 1e-20,
        "base_rate": 0.01, "began_ns": at, "pattern": None, "claimed_lat_deg": None, "claimed_lon_deg": None, "claimed_radius_m": None,
    }  # fmt: skip
    few = {**row, "terminals": 9, "accounts": 4, "witnesses": 9}
    many = {**row, "h3_cell": 0x831E4DFFFFFFFFF, "terminals": 40, "accounts": 12, "witnesses": 14}
    desk = seen.service.interference("default")
    watching = desk.watch(at + 3_600 * NS_PER_S, at - 3_600 * NS_PER_S)
    found = watching.future.result(30)
    monkeypatch.setattr(found.anomalies.__class__, "table", pa.Table.from_pylist([few, many], schema=INTERFERENCE_SCHEMA), raising=False)
    path = f"/v1/interference?from={format_instant(watching.from_ns)}&until={format_instant(watching.until_ns)}"
    analyst = ready(seen, path, seen.key("analyst"))
    assert (analyst["internal"], len(analyst["cells"]["features"])) == (True, 2)
    assert analyst["cells"]["features"][0]["properties"]["accounts"] == 4
    viewer = ready(seen, path, seen.key("viewer"))
    assert (viewer["internal"], len(viewer["cells"]["features"])) == (False, 1)
    shown = viewer["cells"]["features"][0]["properties"]
    assert (shown["terminals"], shown["from"]) == (40, format_instant(at))
    assert not {"accounts", "witnesses", "p_value", "base_rate", "claimed_lat_deg"} & set(shown)
    for role, more in (("owner", {"accounts": ["acc-a"]}), ("regulator", {"countries": ["AT"]}), ("ingest", {})):
        assert seen.get("/v1/interference", seen.key(role, **more)).status_code == 403


@pytest.mark.parametrize(
    "query",
    [
        "from=now", "until=2026", "from=2026-03-03T00:00:00Z&until=2026-03-02T00:00:00Z",
        "from=2020-01-01T00:00:00Z&until=2026-03-02T00:00:00Z", "until=" + "9" * 50, "from=1700-01-01T00:00:00Z",
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/v1/interference", "/v1/interference/map.png"])
def test_wrong_spans_are_problems(seen: Served, path: str, query: str) -> None:
    answer = seen.get(f"{path}?{query}", seen.key("viewer"))
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_span_is_watched_once_for_each_state_of_history(served_template: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = copy_home(served_template, tmp_path / "home")
    real, calls = interference_desk.watch_home, []
    monkeypatch.setattr(interference_desk, "watch_home", lambda *a, **k: (calls.append(1), real(*a, **k))[1])
    desk = InterferenceDesk(home)
    first = desk.watch(T0 + 600 * NS_PER_S)
    assert first.future.result(30).anomalies.rows > 0
    assert desk.watch(T0 + 600 * NS_PER_S) is first
    assert len(calls) == 1
    with pytest.raises(OutOfRange):
        desk.watch(T0, T0 - 8 * 86_400 * NS_PER_S)
    desk.close()
    small = InterferenceDesk(home, most_rows=3)
    failed = small.watch(T0 + 600 * NS_PER_S)
    assert "more than 3 observations" in str(failed.future.exception(30))
    small.close()
