"""`groundrule screen` on list files; every name is invented."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from groundrule.cli import app
from groundrule.errors import InputError

LISTED = [
    {"id": 1, "full_name": "Gavriil Primerovich Exempel (invented)", "source": "Invented list", "aliases": ["Gavro Exempel"]},
    {"id": 2, "full_name": "Exempelwerke GmbH (invented)", "source": "Invented list", "aliases": []},
]


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    path = tmp_path / "invented.json"
    path.write_text(json.dumps(LISTED), encoding="utf-8")
    return path


def run(listed: Path, *arguments: str) -> Result:
    return CliRunner().invoke(
        app, ["screen", "--list", str(listed), "--published", "2026-01-02T00:00:00Z", *arguments]
    )


def test_candidates_are_printed_with_features_date_and_digest(listed: Path) -> None:
    done = run(listed, "EXEMPEL Gawriil", "Nobody Atall")
    assert done.exit_code == 0, done.output
    assert "2026-01-02" in done.output
    assert "sha256:" in done.output
    assert "EXEMPEL Gawriil: 1 candidate" in done.output
    assert "exempel = exempel (equal, 1000)" in done.output
    assert "Nobody Atall: no candidate" in done.output


def test_json_names_lists_algorithm_and_threshold(listed: Path) -> None:
    told = json.loads(run(listed, "Gavro Exempel", "--json", "--threshold", "900").stdout)
    assert told["threshold"] == 900
    assert told["algorithm"]["name"] == "groundrule-names"
    assert len(told["lists"][0]["sha256"]) == 64
    (candidate,) = told["screened"][0]["candidates"]
    assert (candidate["score"], candidate["verdict"]) == (1000, "candidate")


def test_a_bad_row_is_told_and_loses_no_other(listed: Path, tmp_path: Path) -> None:
    people = tmp_path / "people.csv"
    people.write_text("name,birth_date\nGavro Exempel,1960\n,1970\nMaria Muster,May\n", encoding="utf-8")
    done = run(listed, "--file", str(people), "--json")
    assert done.exit_code == 2
    told = json.loads(done.stdout)
    assert [row["line"] for row in told["not_screened"]] == [3, 4]
    assert [len(row["candidates"]) for row in told["screened"]] == [1]


def test_lines_of_text_are_names(listed: Path, tmp_path: Path) -> None:
    people = tmp_path / "people.txt"
    people.write_text("Gavro Exempel\n\nMaria Muster\n", encoding="utf-8")
    told = json.loads(run(listed, "--file", str(people), "--json").stdout)
    assert [(row["line"], len(row["candidates"])) for row in told["screened"]] == [(1, 1), (3, 0)]


@pytest.mark.parametrize("arguments", [(), ("A B", "C D", "--born", "1960"), ("A B", "--id", "nothing"), ("…",)])
def test_wrong_use_is_refused(listed: Path, arguments: tuple[str, ...]) -> None:
    done = run(listed, *arguments)
    assert isinstance(done.exception, InputError)
