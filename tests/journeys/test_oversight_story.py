"""The oversight report by command: what it cannot answer, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from console import groundrule, refused
from small_home import make_home

SINCE = "2000-01-01"


def test_a_home_without_log_answers_what_it_can_and_shows_no_zero_for_the_rest(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    ran = groundrule("oversight", "--from", SINCE, "--until", "2026-04-01", "--home", home.path, "--out", tmp_path / "r", "--json")
    assert ran.code == 0, ran.err
    assert ran.json["log_entry"] is None
    assert ran.json["trouble"] == ["no log names this report"]
    figures = ran.json["figures"]
    assert set(figures) == {"coverage", "programmes", "tags"}  # what the registers say; nothing was decided, and no log tells more
    assert set(figures["coverage"]) == {"registered"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--from", "2026-03-02", "--until", "2026-03-01"), ("ends before it begins",)),
        (("--from", "2026-03-02", "--until", "2026-03-02"), ("is empty",)),
        (("--from", "2026-03-02", "--until", "2099-01-01"), ("in the future",)),
        (("--from", "yesterday", "--until", "2026-03-02"), ("--from",)),
        (("--from", "2026-03-01", "--until", "2026-03-02", "--language", "xx"), ("no words in `xx`",)),
        (("--from", "2026-03-01", "--until", "2026-03-02", "--edition", "public", "--no-log"), ("always in the log",)),
        (("--from", "2026-03-01", "--until", "2026-03-02", "--edition", "public"), ("no log",)),
        (("--from", "2026-03-01T01:00Z", "--until", "2026-03-02", "--edition", "public"), ("whole days",)),
    ],
)
def test_wrong_use_writes_nothing(tmp_path: Path, arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    home = make_home(tmp_path / "home", registers=False)
    refused(groundrule("oversight", *arguments, "--home", home.path, "--out", tmp_path / "out"), *words)
    assert not (tmp_path / "out").exists()


def test_no_home_is_said(tmp_path: Path) -> None:
    options = ("--from", "2026-03-01", "--until", "2026-03-02", "--home", tmp_path / "no", "--out", tmp_path / "out")
    refused(groundrule("oversight", *options), "home")
