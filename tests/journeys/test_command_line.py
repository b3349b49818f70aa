"""The command line from end to end: a home, registers, observations of every quality, answers, and exit codes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from console import groundrule, refused
from groundrule.pipeline.tamper import altered_decision
from groundrule.store.home import Home
from groundrule.store.observations import open_observations
from small_home import ACCOUNTS, AREAS, BOOK, LIST, TERMINALS, stored

HEADER = "terminal_id,observed_at,lat_deg,lon_deg\n"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home made by commands alone."""
    folder = tmp_path_factory.mktemp("made")
    home = folder / "home"
    (folder / "rules.yaml").write_text(BOOK)
    features = [
        {
            "type": "Feature",
            "properties": {"id": area.id, "kind": area.kind, "name": area.name, "country": area.country},
            "geometry": shapely.geometry.mapping(area.geometry),
        }
        for area in AREAS
    ]
    # One feature that nobody can use: its ring has two points.
    features.append(
        {
            "type": "Feature",
            "properties": {"id": "broken", "kind": "zone", "name": "Broken (invented)"},
            "geometry": {"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]},
        }
    )
    (folder / "areas.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    made = groundrule("init", "--home", home, "--rules", folder / "rules.yaml", "--no-world")
    assert made.code == 0, made
    areas = groundrule("areas", "import", folder / "areas.geojson", "--home", home, "--json")
    assert areas.code == 0, areas
    assert sorted(areas.json["imported"]) == sorted(area.id for area in AREAS)
    assert len(areas.json["rejected"]) == 1
    assert "a ring has 2 different positions" in areas.json["rejected"][0]
    for kind, text in (("accounts", ACCOUNTS), ("terminals", TERMINALS), ("list_entries", LIST)):
        (folder / f"{kind}.csv").write_text(text)
        report = groundrule("register", "import", kind, folder / f"{kind}.csv", "--home", home)
        assert report.code == 0, report
    return home


@pytest.fixture
def home(template: Path, tmp_path: Path) -> Path:
    shutil.copytree(template, tmp_path / "home")
    shutil.copytree(template.with_name(f"{template.name}-keys"), tmp_path / "home-keys")
    return tmp_path / "home"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "observations.csv"


def rows(*lines: str) -> str:
    return HEADER + "".join(f"{line}\n" for line in lines)


# --- the main road ----------------------------------------------------------------------------------------------------


def test_from_observations_to_answers(home: Path, file: Path, tmp_path: Path) -> None:
    file.write_text(
        rows(
            "car,2026-03-02T10:00:00Z,2.5,2.5",
            "van,2026-03-02T10:00:00Z,2.5,2.5",
            "late payer,2026-03-02T10:00:00Z,5,5",
            "guest,2026-03-02T10:00:00Z,5,5",
            "stranger,2026-03-02T10:00:00Z,5,5",
        )
    )
    out = tmp_path / "decisions.parquet"
    decided = groundrule("decide", file, "--home", home, "--out", out, "--json")
    assert decided.code == 0, decided
    assert (decided.json["decided"], decided.json["unregistered_terminals"], decided.json["rejected"]) == (5, 1, {})
    answers = {row["terminal_id"]: (row["outcome"], row["rule"]) for row in pq.read_table(out).to_pylist()}
    assert answers["car"] == ("deny", "closed-zone")
    assert answers["van"] == ("serve", "default")
    assert answers["late payer"] == ("deny", "suspended")
    assert answers["stranger"][0] == "review"

    why = groundrule("explain", "car", "--home", home)
    assert why.code == 0
    assert "closed-zone" in why.out
    assert "no_service_zone" in why.out

    replayed = groundrule("replay", "--home", home, "--json")
    assert replayed.code == 0
    assert replayed.json["identical"] is True

    (tmp_path / "open.yaml").write_text(
        BOOK.replace("outcome: deny\n    reason: account_disabled", "outcome: serve\n    reason: served")
    )
    what = groundrule("whatif", "--rules", tmp_path / "open.yaml", "--home", home, "--json")
    assert what.code == 0, what
    assert [item["terminal_id"] for item in what.json["changed"]] == ["late payer", "stranger"]
    same = groundrule("whatif", "--rules", home / "rulebooks" / next((home / "rulebooks").glob("*.yaml")).name,
                      "--home", home, "--json")  # fmt: skip
    assert same.json["changed_terminals"] == same.json["changed_observations"] == 0


def test_text_answers_are_readable(home: Path, file: Path) -> None:
    file.write_text(rows("car,2026-03-02T10:00:00Z,2.5,2.5", "car,2026-03-02T10:00:15Z,91,2.5"))
    decided = groundrule("decide", file, "--home", home)
    assert decided.code == 0
    assert "no_service_zone" in decided.out
    assert "1 rows could not be used" in decided.err
    assert "follow from their observations, byte for byte" in groundrule("replay", "--home", home).out


def test_the_owner_sees_no_threshold_rule_or_distance(home: Path, file: Path) -> None:
    file.write_text(rows("car,2026-03-02T10:00:00Z,2.5,2.5"))
    groundrule("decide", file, "--home", home)
    for options in ((), ("--json",)):
        told = groundrule("explain", "car", "--home", home, "--for", "owner", *options)
        assert told.code == 0
        for secret in ("closed-zone", "too-fast", "75", "km/h", "area:closed", "2.5", " km", "default"):
            assert secret not in told.out, told.out
        assert "There is no service at this place." in told.out
        assert "appeals@example.org" in told.out


def test_an_altered_decision_makes_replay_exit_1_and_name_it(home: Path, file: Path) -> None:
    file.write_text(rows("car,2026-03-02T10:00:00Z,2.5,2.5"))
    groundrule("decide", file, "--home", home)
    with altered_decision(Home.open(home), 1):
        found = groundrule("replay", "--home", home)
        assert found.code == 1
        assert "car" in found.out + found.err
        assert "outcome" in found.out + found.err


def test_as_of_and_columns(home: Path, file: Path) -> None:
    file.write_text("who,when,lat,lon\ncar,2026-03-01T10:00:00Z,5,15\n")
    options = ("--columns", "who=terminal_id,when=observed_at", "--as-of", "2026-03-02T12:00:00Z")
    assert groundrule("decide", file, "--home", home, *options).code == 0
    [row] = stored(Home.open(home), 1)
    assert (row["outcome"], row["rule"]) == ("deny", "bland-window")


def test_the_console_script_and_a_closed_pipe(home: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "groundrule", "explain", "nobody", "--home", str(home)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("groundrule: no observation of terminal `nobody`")


# --- broken input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("car,2026-03-02T10:00:15Z,NaN,NaN", None),
        ("car,2026-03-02T10:00:15Z,91,5", "out_of_range"),
        ("car,2026-03-02T10:00:15Z,5,181", "out_of_range"),
        ("car,2026-03-02T10:00:15Z,north,5", "not_a_number"),
        ("car,2026-03-02T10:00:15Z,5,", "half_a_position"),
        ("car,2026-03-02T10:00:15,5,5", "time_without_zone"),
        ("car,yesterday,5,5", "time_unreadable"),
        ("car,,5,5", "time_missing"),
        (",2026-03-02T10:00:15Z,5,5", "terminal_id_missing"),
        ("x" * 300 + ",2026-03-02T10:00:15Z,5,5", "terminal_id_too_long"),
        ("car,2026-03-02T10:00:15Z,5,5," + "y" * (2 << 20), "line_too_long"),
    ],
)
def test_a_bad_row_loses_nothing_beside_it(home: Path, file: Path, bad: str, reason: str | None) -> None:
    file.write_text(rows("car,2026-03-02T10:00:00Z,5,5", bad, "car,2026-03-02T10:00:30Z,5,5"))
    decided = groundrule("decide", file, "--home", home, "--json")
    assert decided.code == 0, decided
    if reason is None:
        # Not a number is no position; that is valid input.
        assert (decided.json["decided"], decided.json["rejected"]) == (3, {})
        return
    assert decided.json["decided"] == 2
    assert decided.json["rejected"] == {reason: 1}
    [kept] = [json.loads(line) for line in Path(decided.json["rejected_rows"]).read_text().splitlines()]
    assert (kept["reason"], kept["source"], kept["source_row"]) == (reason, file.name, 3)


@pytest.mark.parametrize(
    "content",
    ["", HEADER, rows("car,2026-03-02T10:00:15,5,5", "car,2026-03-02T10:00:30Z,99,5"), "no header\n1\n", "\0\1\2\3"],
)
def test_a_file_with_nothing_usable_is_refused_and_commits_nothing(home: Path, file: Path, content: str) -> None:
    file.write_text(content)
    refused(groundrule("decide", file, "--home", home), "groundrule: ")
    assert not list((home / "manifests").iterdir())
    file.write_text(rows("car,2026-03-02T10:00:00Z,5,5"))
    assert groundrule("decide", file, "--home", home, "--json").json["run"] == 1


def test_what_was_wrong_with_every_row_is_said(home: Path, file: Path) -> None:
    file.write_text(rows("car,2026-03-02T10:00:15,5,5", "car,2026-03-02T10:00:30Z,99,5"))
    answer = groundrule("decide", file, "--home", home)
    refused(answer, "1 × out_of_range", "1 × time_without_zone", "rejected")
    [kept] = (home / "rejected").glob("observations-*.jsonl")
    assert len(kept.read_text().splitlines()) == 2


def test_a_truncated_parquet_file_is_refused(home: Path, file: Path, tmp_path: Path) -> None:
    file.write_text(rows("car,2026-03-02T10:00:00Z,5,5"))
    whole = tmp_path / "whole.parquet"
    pq.write_table(pa.concat_tables(table for table, _ in open_observations(file)), whole)
    assert groundrule("decide", whole, "--home", home, "--json").json["decided"] == 1
    whole.write_bytes(whole.read_bytes()[:-30])
    refused(groundrule("decide", whole, "--home", home), "whole.parquet")
    whole.write_bytes(b"")
    refused(groundrule("decide", whole, "--home", home), "whole.parquet")


def test_wrong_types_in_parquet_are_rejected_row_by_row(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "typed.parquet"
    times = pa.array([1_772_445_600_000_000_000] * 3)
    pq.write_table(
        pa.table({"terminal_id": ["car", "van", "guest"], "observed_at": times, "lat_deg": ["5", "x", "91"], "lon_deg": ["5"] * 3}),
        path,
    )  # fmt: skip
    answer = groundrule("decide", path, "--home", home, "--json").json
    assert (answer["decided"], answer["rejected"]) == (1, {"not_a_number": 1, "out_of_range": 1})


def test_repeated_ids_in_a_register_are_reported(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "terminals.csv"
    path.write_text("terminal_id,plan\nnew,roam\nnew,roam\nnewer,roam\nnew,business\n")
    report = groundrule("register", "import", "terminals", path, "--home", home, "--json")
    assert report.code == 0, report
    assert report.json["inserted"] >= 1
    assert report.json["rejected"] >= 1


def test_a_register_with_a_wrong_header_is_refused(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "terminals.csv"
    path.write_text("terminal,plann\nnew,roam\n")
    refused(groundrule("register", "import", "terminals", path, "--home", home), "terminals.csv")


def test_areas_without_a_usable_feature_are_refused(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "bad.geojson"
    path.write_text(
        '{"type": "FeatureCollection", "features": [{"type": "Feature", "geometry": null, "properties": {}}]}'
    )
    before = groundrule("areas", "list", "--home", home, "--json").json["areas_version"]
    answer = groundrule("areas", "import", path, "--home", home)
    assert answer.code == 2
    assert "Traceback" not in answer.err
    path.write_text('{"type": "FeatureCollection", "features": [')
    refused(groundrule("areas", "import", path, "--home", home), "bad.geojson")
    assert groundrule("areas", "list", "--home", home, "--json").json["areas_version"] == before


def test_a_rule_typo_is_named_with_line_and_column(tmp_path: Path) -> None:
    path = tmp_path / "typo.yaml"
    path.write_text(BOOK.replace("outcome: restrict", "outcome: restrct"))
    line = next(k for k, text in enumerate(path.read_text().splitlines(), 1) if "restrct" in text)
    for command in (("rules", "check", path), ("init", "--home", tmp_path / "none", "--rules", path, "--no-world")):
        refused(groundrule(*command), f"typo.yaml:{line}:14", "restrct", "restrict")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("explain", "nobody"), "no observation of terminal `nobody`"),
        (("explain", "car", "--at", "2020-01-01T00:00:00Z"), "no observation"),
        (("explain", "car", "--at", "noon"), "--at"),
        (("decide", "missing.csv"), "does not exist"),
        (("decide", __file__), "no known format"),
        (("whatif", "--rules", "missing.yaml"), "missing.yaml"),
    ],
)
def test_what_cannot_be_answered_is_refused(home: Path, arguments: tuple[str, ...], said: str) -> None:
    refused(groundrule(*arguments, "--home", home), said)


def test_a_place_that_is_no_home_is_refused(tmp_path: Path, file: Path) -> None:
    file.write_text(rows("car,2026-03-02T10:00:00Z,5,5"))
    for command in (("decide", file), ("explain", "car"), ("replay",)):
        refused(groundrule(*command, "--home", tmp_path), "not a groundrule home", "groundrule init")


def test_a_second_writer_is_refused(home: Path, file: Path) -> None:
    file.write_text(rows("car,2026-03-02T10:00:00Z,5,5"))
    with Home.open(home).writer():
        refused(groundrule("decide", file, "--home", home), "is writing to")
    assert groundrule("decide", file, "--home", home).code == 0


def test_a_home_is_made_once(home: Path) -> None:
    refused(groundrule("init", "--home", home), "is a home already")
