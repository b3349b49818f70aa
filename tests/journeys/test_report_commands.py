"""`groundrule report` by command alone, and the page about it: what it says is what happens. Everything is invented."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest

from console import groundrule, refused
from groundrule.store import Home

ROOT = Path(__file__).resolve().parents[2]
ARTICLE = """Link cut at Port Alder (invented)

Two engineers confirmed that service was cut during the raid of 3 March, and nobody has explained it so far.

The operator Skyloom denied that an order had been given. \x1b[31mThe embassy of Norvia did not reply to any question.

We must not accept this. It is a scandal that concerns the whole coast and everybody who lives on it.
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return Home.create(tmp_path / "home").path


@pytest.fixture
def article(tmp_path: Path) -> Path:
    path = tmp_path / "article.txt"
    path.write_text(ARTICLE, encoding="utf-8")
    return path


def test_the_page_says_what_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("trafilatura", reason="HTML needs the extra `evidence`", exc_type=ImportError)
    shutil.copytree(ROOT / "docs" / "example", tmp_path / "docs" / "example")
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "reports.md").read_text(encoding="utf-8")
    commands = 0
    for block in re.findall(r"^```console\n(.*?)^```$", page, re.DOTALL | re.MULTILINE):
        for command, expected in re.findall(r"^\$ groundrule (.*)\n((?:(?!\$ ).*\n?)*)", block, re.MULTILINE):
            answer = groundrule(*shlex.split(command))
            assert answer.code == 0, (command, answer)
            printed = [" ".join(line.split()) for line in (answer.out + answer.err).splitlines()]
            place = 0
            for line in [" ".join(each.split()) for each in expected.splitlines()]:
                if line in ("…", ""):
                    continue
                pattern = re.escape(line).replace("…", ".*")
                found = [number for number, each in enumerate(printed) if re.fullmatch(pattern, each)]
                assert found, (command, line, printed)
                # What goes to stderr comes after everything else here.
                place = found[0]
            assert place >= 0
            commands += 1
    assert commands >= 12


def test_import_read_decide_compare(home: Path, article: Path) -> None:
    made = groundrule("report", "import", article, "--captured-at", "2026-03-07T10:00Z", "--home", home, "--json")
    assert made.code == 0, made
    (file,) = made.json["files"]
    report = file["reports"][0]["id"]
    assert file["suggested"] == 4
    assert made.json["logged"] is None
    shown = groundrule("report", "show", report[:14], "--home", home, "--json").json
    listed = groundrule("report", "claims", report, "--home", home, "--json").json["claims"]
    for claim in listed:
        assert shown["text"][claim["start"] : claim["end"]] == claim["text"]
    assert [claim["stance"] for claim in listed if claim["kind"] == "fact"] == ["confirms", "denies", "no_reply"]
    assert [claim["kind"] for claim in listed] == ["fact", "fact", "fact", "opinion"]

    about = groundrule("report", "propose", "Service was cut.", "--by", "ada", "--home", home, "--json").json["id"]
    assert (
        groundrule("report", "propose", "Service was cut.", "--by", "ben", "--home", home, "--json").json["id"] == about
    )
    for claim in listed[:2]:
        done = groundrule(
            "report",
            "claim",
            "confirm",
            claim["id"][:20],
            "--proposition",
            about,
            "--by",
            "ada",
            "--home",
            home,
            "--json",
        )
        assert (done.json["status"], done.json["decided_by"]) == ("confirmed", "ada")
    assert groundrule("report", "claim", "reject", listed[3]["id"], "--by", "ada", "--home", home).code == 0
    left = groundrule("report", "claims", report, "--home", home, "--json").json["claims"]
    assert len(left) == 3
    assert len(groundrule("report", "claims", report, "--all", "--home", home, "--json").json["claims"]) == 4
    compared = groundrule("report", "compare", about, "--home", home, "--json").json
    assert compared["stances"] == {"confirms": 1, "denies": 1}
    assert [each["kind"] for each in compared["contradictions"]] == ["opposite_stance"]
    text = groundrule("report", "compare", about, "--home", home)
    assert "Contradictions are marked here and not resolved." in text.out
    assert groundrule("report", "compare", "--home", home).out.count("Service was cut.") == 1
    assert groundrule("report", "list", "--home", home, "--json").json["reports"][0]["claims"] == {
        "suggested": 1,
        "confirmed": 2,
        "rejected": 1,
    }


def test_what_steers_a_terminal_is_only_shown(home: Path, article: Path) -> None:
    groundrule("report", "import", article, "--home", home)
    report = groundrule("report", "list", "--home", home, "--json").json["reports"][0]["id"]
    for command in (("show", report), ("show", report, "--full"), ("claims", report), ("list",)):
        answer = groundrule("report", *command, "--home", home)
        assert answer.code == 0
        assert "\x1b" not in answer.out + answer.err


def test_wrong_use_is_told(home: Path, article: Path, tmp_path: Path) -> None:
    refused(
        groundrule("report", "import", "https://paper.example/a", "--home", home), "fetches nothing", "save the page"
    )
    refused(groundrule("report", "list", "--home", home), "holds no reports")
    broken = tmp_path / "broken.txt"
    broken.write_bytes(b"")
    batch = groundrule("report", "import", broken, article, "--home", home)
    assert batch.code == 2
    assert "1 imported, 1 refused" in batch.out
    assert "broken.txt" in batch.err
    report = groundrule("report", "list", "--home", home, "--json").json["reports"][0]["id"]
    refused(groundrule("report", "show", "report-zz", "--home", home), "no reports begin with")
    refused(groundrule("report", "claim", "add", report, "--by", "ada", "--home", home), "points at its characters")
    refused(
        groundrule("report", "claim", "add", report, "--characters", "9-3", "--by", "ada", "--home", home),
        "no characters 9 to 3",
    )
    refused(groundrule("report", "claim", "add", report, "--text", "the", "--by", "ada", "--home", home), "stands")
    refused(groundrule("report", "claim", "confirm", "claim-", "--by", "ada", "--home", home), "claims begin with")
    refused(groundrule("report", "link", report, "weather:rain", "--by", "ada", "--home", home), "weather")
    refused(groundrule("report", "import", article, "--captured-at", "yesterday", "--home", home), "yesterday")
    assert json.loads(groundrule("report", "compare", "--home", home, "--json").out) == {"propositions": []}
