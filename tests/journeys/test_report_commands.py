"""`groundrule report` by command alone, and the page about it: what it says is what happens. Everything is invented."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import socket
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from console import groundrule, refused
from groundrule.cli import report as report_command
from groundrule.errors import InputError
from groundrule.evidence.web_record import Fetched, Redirect
from groundrule.instant import parse_instant
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


def answering(*answers: Fetched | str) -> Callable[[str], Fetched]:
    """A network of invented sites; a sentence is a refusal."""
    left = iter(answers)

    def ask(_address: str) -> Fetched:
        answer = next(left)
        if isinstance(answer, str):
            raise InputError(answer, help="try something else")
        return answer

    return ask


def test_addresses_are_asked_only_where_that_was_asked_for(
    home: Path, article: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("warcio", reason="what is fetched is kept as a web archive")
    address = "https://paper.example/a"
    led = Fetched(
        address, "http://www.paper.example/b", (Redirect(301, address, "http://www.paper.example/b"),), "93.184.215.14", 200,
        (("Content-Type", "text/plain; charset=utf-8"), ("Last-Modified", "Tue, 31 Mar 2026 10:00:00 GMT")), ARTICLE.encode(),
        parse_instant("2026-04-01T00:00Z"),
    )  # fmt: skip

    def never(_address: str) -> Fetched:
        raise AssertionError("asked without being told to")

    monkeypatch.setattr(report_command, "from_network", never)
    mixed = groundrule("report", "import", address, article, "--home", home)
    assert mixed.code == 2
    assert "unless told to" in mixed.err
    assert "1 imported, 1 refused" in mixed.out

    monkeypatch.setattr(report_command, "from_network", answering(led, "`x.example` leads to `10.0.0.7`, which is not asked"))
    made = groundrule(
        "report", "import", address, "https://x.example/", article, "--fetch", "--captured-at", "2020-01-01T00:00Z",
        "--home", home, "--json",
    )  # fmt: skip
    assert made.code == 2
    first, second, third = made.json["files"]
    assert second["refused"].startswith("`x.example` leads to")
    assert third["new"] == 1  # now that the time of capture is given, the reading of the file says more
    assert first["fetched"]["redirects"] == [{"status": 301, "address": address, "to": "http://www.paper.example/b"}]
    assert first["fetched"]["headers"]["Last-Modified"] == "Tue, 31 Mar 2026 10:00:00 GMT"
    assert first["fetched"]["body_sha256"] == sha256(ARTICLE.encode()).hexdigest()
    (report,) = first["reports"]
    assert {"redirected", "unprotected"} <= {each["code"] for each in report["problems"]}
    shown = groundrule("report", "show", report["id"], "--home", home, "--json").json
    # The time of a fetch is the time of the fetch, whatever is said of files.
    assert shown["capture"]["captured_at_ns"] == parse_instant("2026-04-01T00:00Z")
    assert shown["capture"]["source_url"] == "http://www.paper.example/b"
    assert shown["capture"]["captured_by"].startswith("groundrule/")
    assert shown["capture"]["media_type"] == "application/warc"
    text = groundrule("report", "show", report["id"], "--home", home)
    assert "it came over http" in text.err
    monkeypatch.setattr(report_command, "from_network", answering(led))
    again = groundrule("report", "import", address, "--fetch", "--home", home)
    assert "(held already)" in again.out
    assert "fetched from http://www.paper.example/b at 2026-04-01T00:00:00Z" in again.out


def test_hostile_addresses_end_before_the_network(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("the world was asked")

    monkeypatch.setattr(socket.socket, "connect", never)
    monkeypatch.setattr(socket, "getaddrinfo", never)
    answer = groundrule(
        "report", "import", "file:///etc/passwd", "http://2130706433/", "https://ada:secret@paper.example/", "http://[::1]/", "--fetch",
        "--home", home, "--json",
    )  # fmt: skip
    assert answer.code == 2
    assert (answer.json["imported"], answer.json["refused"]) == (0, 4)
    assert "secret" not in answer.out + answer.err


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
