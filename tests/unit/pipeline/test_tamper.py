"""Whatever somebody changes in a home after the fact, `replay` says so: a difference or a fault, never a traceback."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from groundrule.canon import canonical_json
from groundrule.errors import InputError
from groundrule.instant import NS_PER_S
from groundrule.pipeline.manifests import manifest_path
from groundrule.pipeline.runs import LATE_NS, Replay, replay
from groundrule.pipeline.tamper import altered_decision
from groundrule.store.history import run_files
from groundrule.store.home import Home
from small_home import LIST, RECORDED, copy_home, drive, observation, register, run, table

LATEST_S = LATE_NS // NS_PER_S + 1000


@pytest.fixture(scope="module")
def decided(template: Home, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home of three runs: ordinary ones, with corrections, and with rows that came too late."""
    home = copy_home(template, tmp_path_factory.mktemp("decided") / "home")
    register(home, "list_entries", LIST)
    drives = drive("car", 0, 8, lat=5, lon=5, km_h=100)
    run(home, table([*drives[:2], *drives[4:], observation("guest", 0, 5, 5), observation("late payer", 30, 5, 5)]))
    run(home, table([drives[2], drives[3], observation("van", LATEST_S, 2.5, 2.5)]))
    register(home, "terminals", "terminal_id,account_id,plan,registration\nnew,acc-a,roam,registered\n",
             recorded_at=RECORDED + 1)  # fmt: skip
    run(home, table([observation("van", 0, 2.5, 2.5), observation("new", 60, 5, 15)]), recorded_at=RECORDED + 2)
    return home


@pytest.fixture
def home(decided: Home, tmp_path: Path) -> Home:
    return copy_home(decided, tmp_path / "home")


def rewrite(path: Path, change: Callable[[list[dict[str, Any]]], Any]) -> None:
    """Change the rows of a Parquet file."""
    whole = pq.ParquetFile(path).read()
    rows = whole.to_pylist()
    changed = change(rows)
    pq.write_table(pa.Table.from_pylist(rows if changed is None else changed, whole.schema), path)


def decisions(home: Home, number: int = 1, *, corrections: bool = False) -> Path:
    return run_files(home, "decisions", number, corrections=corrections)[0]


def place(row: dict[str, Any]) -> tuple[str, int]:
    return row["terminal_id"], row["observed_at"]


def fault(found: Replay) -> str:
    assert not found.identical
    assert found.faults
    return "; ".join(found.faults)


def test_an_untouched_home_replays_identically(home: Home) -> None:
    found = replay(home)
    assert found == Replay(3, 16, True, None, ())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("outcome", "serve"),
        ("state", "degraded"),
        ("rule", "default"),
        ("reasons", []),
        ("obligations", ["max_down_mbit_s:9"]),
        ("areas", []),
        ("evidence", "sha256:0"),
        ("rulebook", "sha256:0"),
        ("register_revision", 77),
        ("valid_until", 1),
        ("decided_at", 1),
    ],
)
@pytest.mark.parametrize("corrections", [False, True])
def test_the_first_changed_value_is_named(home: Home, field: str, value: object, corrections: bool) -> None:
    number = 2 if corrections else 1
    path = decisions(home, number, corrections=corrections)
    rows = pq.read_table(path).to_pylist()
    row = next(k for k, one in enumerate(rows) if one["outcome"] == "deny")
    rewrite(path, lambda found: [one | ({field: value} if k >= row else {}) for k, one in enumerate(found)])
    found = replay(home)
    assert found.difference is not None
    named = (
        found.difference.run,
        found.difference.terminal_id,
        found.difference.observed_at_ns,
        found.difference.field,
    )
    assert named == (number, *place(rows[row]), field)
    assert (found.difference.stored, found.difference.recomputed) == (str(value), str(rows[row][field]))


def test_a_changed_reason_code_is_named(home: Home) -> None:
    def change(rows: list[dict[str, Any]]) -> None:
        rows[2]["reasons"][0]["code"] = "sanctions"

    rewrite(decisions(home), change)
    found = replay(home).difference
    assert found is not None
    assert (found.row, found.field) == (2, "reasons")
    assert "sanctions" in found.stored


@pytest.mark.parametrize("row", [0, 3, -1])
def test_a_removed_decision_is_named(home: Home, row: int) -> None:
    rows = pq.read_table(decisions(home)).to_pylist()
    rewrite(decisions(home), lambda found: found.pop(row) and None)
    found = replay(home).difference
    assert found is not None
    assert (found.run, found.terminal_id, found.observed_at_ns) == (1, *place(rows[row]))
    assert not replay(home).identical


@pytest.mark.parametrize("row", [0, 3, 7])
def test_an_added_decision_is_named(home: Home, row: int) -> None:
    rewrite(decisions(home), lambda found: found.insert(row + 1, found[row] | {"terminal_id": "planted"}))
    found = replay(home).difference
    assert found is not None
    assert found.row == row + 1
    assert "planted" in (found.stored, found.terminal_id)


def test_an_added_file_of_decisions_is_found(home: Home) -> None:
    path = decisions(home)
    shutil.copy(path, path.with_name(path.name.replace("-000000.", "-000009.")))
    found = replay(home)
    assert found.difference is not None
    assert found.difference.recomputed == "no decision"


@pytest.mark.parametrize(
    "change",
    [
        {"lat_deg": 2.5},
        {"lat_deg": 91.0},
        {"lat_deg": float("nan")},
        {"speed_m_s": 99.0},
        {"alerts": [1]},
        {"country_reported": "XX"},
        {"source_row": 3},
        {"h3_cell": 12345, "lat_deg": None, "lon_deg": None},
        {"observed_at": 1},
        {"terminal_id": "someone else"},
    ],
)
def test_a_changed_observation_is_found(home: Home, change: dict[str, Any]) -> None:
    rewrite(run_files(home, "observations", 1)[0], lambda rows: rows[5].update(change))
    assert "stored observations are not the ones that were decided" in fault(replay(home))


def test_a_removed_observation_is_found(home: Home) -> None:
    rewrite(run_files(home, "observations", 1)[0], lambda rows: rows.pop(2) and None)
    assert "stored observations are not the ones" in fault(replay(home))


def test_a_changed_observation_that_came_too_late_is_found(home: Home) -> None:
    rewrite(run_files(home, "over_late", 3)[0], lambda rows: rows[0].update(lat_deg=7.0))
    assert "came too late are not the ones that were set aside" in fault(replay(home))


@pytest.mark.parametrize("kind", ["observations", "decisions", "over_late"])
@pytest.mark.parametrize("damage", ["truncated", "empty", "other columns", "other types", "removed"])
def test_a_damaged_file_is_a_fault(home: Home, kind: str, damage: str) -> None:
    path = run_files(home, kind, 3)[0]
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:-200])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "other columns":
        pq.write_table(pq.read_table(path, partitioning=None).drop_columns(["terminal_id"]), path)
    elif damage == "other types":
        whole = pq.read_table(path, partitioning=None)
        words = pa.array(["x"] * len(whole))
        pq.write_table(whole.set_column(whole.schema.get_field_index("observed_at"), "observed_at", words), path)
    else:
        path.unlink()
    found = replay(home)
    assert not found.identical
    assert found.faults or found.difference


def test_an_edited_manifest_is_a_fault(home: Home) -> None:
    for number in (1, 2, 3):
        path = manifest_path(home, number)
        intact = path.read_bytes()
        path.write_bytes(intact.replace(b'"governed":false', b'"governed":true '))
        assert "has been changed" in fault(replay(home))
        path.write_bytes(b"")
        assert "has been changed" in fault(replay(home))
        path.write_bytes(b"[1]")
        assert "has been changed" in fault(replay(home))
        path.write_bytes(intact)


@pytest.mark.parametrize(
    ("number", "change"),
    [
        (1, {"counts": {"decided": 1, "corrected": 0, "duplicates": 0, "late": 0, "over_late": 0}}),
        (2, {"inputs": [{"name": "other.csv"}]}),
        (3, {"decisions": {"rows": 2, "digest": "sha256:" + "0" * 64}}),
        (3, {"observations": {"rows": 2, "digest": "sha256:" + "0" * 64}}),
        (3, {"over_late": {"rows": 2, "digest": "sha256:" + "0" * 64}}),
        (3, {"counts": {"decided": 9, "corrected": 0, "duplicates": 0, "late": 0, "over_late": 1}}),
        (3, {"home": "another"}),
        (3, {"engine": "groundrule/99"}),
        (3, {"rulebook": "sha256:" + "0" * 64}),
        (3, {"areas": "sha256:" + "0" * 64}),
        (3, {"recorded_at_ns": str(RECORDED)}),
        (3, {"recorded_at_ns": "yesterday"}),
        (3, {"as_of_ns": str(RECORDED)}),
        (3, {"previous": None}),
        (3, {"registers": None}),
    ],
)
def test_a_manifest_that_was_edited_with_care_is_found(home: Home, number: int, change: dict[str, Any]) -> None:
    path = manifest_path(home, number)
    path.write_bytes(canonical_json(json.loads(path.read_bytes()) | change))
    found = replay(home)
    assert not found.identical
    assert found.faults or found.difference


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_removed_manifest_is_a_fault(home: Home, number: int) -> None:
    manifest_path(home, number).unlink()
    assert f"run {number} has" in fault(replay(home))


def test_swapped_manifests_are_a_fault(home: Home) -> None:
    first, second = manifest_path(home, 1), manifest_path(home, 2)
    one, two = first.read_bytes(), second.read_bytes()
    first.write_bytes(two)
    second.write_bytes(one)
    assert "has been changed" in fault(replay(home))


@pytest.mark.parametrize("content", ["", "rulebook: [", None])
def test_an_edited_rulebook_is_a_fault(home: Home, content: str | None) -> None:
    [path] = home.rulebooks.glob("*.yaml")
    path.write_text(path.read_text().replace("above: 75", "above: 76") if content is None else content)
    assert "run 1" in fault(replay(home))
    path.unlink()
    assert "run 1: no rulebook" in fault(replay(home))


@pytest.mark.parametrize("damage", ["geometry", "about", "columns", "truncated", "removed"])
def test_an_edited_area_file_is_a_fault(home: Home, damage: str) -> None:
    [path] = home.areas.glob("*.parquet")
    whole = pq.read_table(path)
    if damage == "geometry":
        shapes = [shapely.to_wkb(shapely.box(0, 0, 1, 1))] * len(whole)
        pq.write_table(whole.set_column(1, "geometry", pa.array(shapes)), path)
    elif damage == "about":
        pq.write_table(whole.set_column(0, "about", pa.array(['{"id": 3}'] * len(whole))), path)
    elif damage == "columns":
        pq.write_table(whole.drop_columns(["about"]), path)
    elif damage == "truncated":
        path.write_bytes(path.read_bytes()[:-50])
    else:
        path.unlink()
    assert "run 1: area set" in fault(replay(home))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE terminals SET programmes = 'rail' WHERE terminal_id = 'car'",
        "UPDATE accounts SET state = 'active' WHERE account_id = 'acc-s'",
        "UPDATE terminals SET service_lat_deg = 7 WHERE terminal_id = 'van'",
        "UPDATE list_entries SET state = 'revoked'",
        "UPDATE list_entries SET valid_until = 1772446000000000000",
        "DELETE FROM terminals WHERE terminal_id = 'car'",
        "UPDATE revisions SET digest = 'sha256:0' WHERE revision = 1",
        "DELETE FROM revisions WHERE revision > 1",
        "UPDATE terminals SET plan = NULL",
        "UPDATE accounts SET state = 'unheard of'",
        "DROP TABLE accounts",
    ],
)
def test_an_edited_register_is_found(home: Home, statement: str) -> None:
    with sqlite3.connect(home.path / "registers.sqlite") as database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f"DROP TRIGGER {name}")
        database.execute(statement)
    database.close()
    found = replay(home)
    assert not found.identical
    assert found.faults or found.difference


def test_a_register_that_is_no_database_is_a_fault(home: Home) -> None:
    for path in home.path.glob("registers.sqlite*"):
        path.write_bytes(b"not a database, not at all" * 100)
    assert "run 1: " in fault(replay(home))


def test_bounds_choose_what_is_compared(home: Home) -> None:
    path = decisions(home)
    rows = pq.read_table(path).to_pylist()
    rewrite(path, lambda found: found[4].update(valid_until=1))
    at = rows[4]["observed_at"]
    assert replay(home, from_ns=at + 1).identical
    assert replay(home, until_ns=at).identical
    assert not replay(home, from_ns=at, until_ns=at + 1).identical


def test_the_demonstration_alters_a_denial_and_puts_it_back(home: Home) -> None:
    before = decisions(home).read_bytes()
    with altered_decision(home, 1) as alteration:
        found = replay(home)
        assert found.difference is not None
        assert (found.difference.terminal_id, found.difference.field) == (alteration.terminal_id, "outcome")
        assert (found.difference.stored, found.difference.recomputed) == ("serve", "deny")
    assert decisions(home).read_bytes() == before
    assert replay(home).identical


def test_a_run_without_a_denial_cannot_be_altered(home: Home) -> None:
    with pytest.raises(InputError, match="denied nobody"), altered_decision(home, 3):
        pass
