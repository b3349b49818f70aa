"""`groundrule lists`: import, ask what held when, and be told what is wrong. Entries are invented unless data are real."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from console import groundrule, refused
from groundrule.store import Home

FIXTURES = Path(__file__).resolve().parents[1] / "unit" / "screen" / "lists"
ROW = '{uid},"{name}",-0- ,"INV",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- \r\n'


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return Home.create(tmp_path / "home").path


def sdn(folder: Path, *uids: int) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "sdn.csv"
    path.write_text("".join(ROW.format(uid=uid, name=f"GREYMOLE {uid} (INVENTED)") for uid in uids) + "\x1a")
    return path


def test_import_then_ask_for_a_time(home: Path, tmp_path: Path) -> None:
    first = groundrule("lists", "import", sdn(tmp_path / "a", 1, 2), "--published", "2024-05-01", "--home", home)
    assert first.code == 0, first
    assert "us-ofac-sdn of 2024-05-01T00:00:00Z: 2 entries (2 entity), 2 names" in first.out
    second = groundrule("lists", "import", sdn(tmp_path / "b", 2, 3), "--published", "2024-05-03", "--home", home)
    assert "since 2024-05-01T00:00:00Z: 1 added, 1 removed, 0 changed" in second.out
    again = groundrule("lists", "import", tmp_path / "b", "--published", "2024-05-03", "--home", home)
    assert "held already" in again.out

    ask = ("lists", "show", "us-ofac-sdn", "--entry", "3", "--home", home, "--json")
    before, after = groundrule(*ask, "--at", "2024-05-02"), groundrule(*ask, "--at", "2024-05-03")
    assert (before.code, before.json["listed"]) == (1, False)
    assert (after.code, after.json["listed"]) == (0, True)
    assert after.json["entry"]["names"] == [{"text": "GREYMOLE 3 (INVENTED)"}]
    assert before.json["snapshot"]["published"] == "2024-05-01T00:00:00Z"
    text = groundrule("lists", "show", "us-ofac-sdn", "--entry", "3", "--home", home)
    assert "lists 3, entity: GREYMOLE 3 (INVENTED)" in text.out

    one = groundrule("lists", "show", "us-ofac-sdn", "--home", home, "--json").json
    assert (one["entries"], len(one["history"])) == (2, 2)
    assert [each["source"] for each in groundrule("lists", "show", "--home", home, "--json").json] == ["us-ofac-sdn"]
    assert "us-ofac-sdn" in groundrule("lists", "show", "--home", home).out
    assert "All snapshots" in groundrule("lists", "show", "us-ofac-sdn", "--home", home).out


def test_what_was_not_known_then_is_not_shown(home: Path, tmp_path: Path) -> None:
    groundrule("lists", "import", sdn(tmp_path / "a", 1), "--published", "2024-05-01", "--home", home)
    show = ("lists", "show", "us-ofac-sdn", "--at", "2024-05-02", "--home", home)
    assert groundrule(*show).code == 0
    refused(groundrule(*show, "--known-at", "2024-05-02"), "no list `us-ofac-sdn`", "does not mean not listed")


def test_a_folder_of_many_lists_and_something_else(home: Path) -> None:
    answer = groundrule("lists", "import", FIXTURES, "--home", home, "--json")
    told = {each.get("source", each.get("file")): each for each in answer.json["lists"]}
    assert told["eu-fsf"]["entries"] == 2
    assert {row["line"] for row in told["eu-fsf"]["broken_rows"]} == {16, 24}
    assert all(row["help"] for row in told["eu-fsf"]["broken_rows"])
    # The one list that does not say its date loses none beside it.
    assert answer.code == 2
    (without_date,) = [each for each in answer.json["lists"] if "refused" in each]
    assert "does not say when it was published" in without_date["refused"]
    assert len(groundrule("lists", "show", "--home", home, "--json").json) == 3
    text = groundrule("lists", "import", FIXTURES / "uk.xml", "--home", home)
    assert "uk.xml:39: UniqueID ``: no_uid; write the id of the designation" in text.err
    broken = groundrule("lists", "show", "eu-fsf", "--broken", "--home", home)
    assert "eu.xml:16: birthdate `1961-02-30`: bad_date; write YYYY-MM-DD; the entry is kept" in broken.out


def test_wrong_use_is_told(home: Path, tmp_path: Path) -> None:
    path = sdn(tmp_path / "list-2024-05-01", 1)
    refused(groundrule("lists", "import", path, "--home", home), "give --published", "2024-05-01 seems meant")
    refused(groundrule("lists", "import", tmp_path / "gone", "--home", home), "there is no file")
    refused(groundrule("lists", "import", FIXTURES, "--source", "x", "--home", home), "--source names one list")
    refused(groundrule("lists", "show", "--entry", "1", "--home", home), "need a source")
    refused(groundrule("lists", "show", "us-ofac-sdn", "--home", home), "sources here: none")
    (tmp_path / "page.html").write_text("<html/>")
    refused(groundrule("lists", "import", tmp_path / "page.html", "--home", home), "no list to import")
    refused(
        groundrule("lists", "import", path, "--published", "2200-01-01", "--home", home),
        "yet to come",
    )
    hostile = tmp_path / "eu.xml"
    hostile.write_text('<!DOCTYPE export [<!ENTITY a "b">]><export>&a;</export>')
    refused(groundrule("lists", "import", hostile, "--home", home), "document type declaration")


def test_a_torn_list_never_clears_anybody_by_accident(home: Path, tmp_path: Path) -> None:
    whole = sdn(tmp_path / "a", *range(1, 3000)).read_bytes()
    torn = tmp_path / "torn.csv.gz"
    torn.write_bytes(gzip.compress(whole)[:-2000])
    command = ("lists", "import", torn, "--published", "2024-05-01", "--home", home)
    refused(groundrule(*command), "breaks off after", "--incomplete")
    assert groundrule("lists", "show", "--home", home, "--json").json == []
    kept = groundrule(*command, "--incomplete", "--json")
    assert kept.code == 0
    assert kept.json["lists"][0]["complete"] is False


def test_a_list_that_shrinks_much_is_remarked(home: Path, tmp_path: Path) -> None:
    groundrule("lists", "import", sdn(tmp_path / "a", *range(1, 31)), "--published", "2024-05-01", "--home", home)
    less = groundrule(
        "lists", "import", sdn(tmp_path / "b", *range(1, 11)), "--published", "2024-05-02", "--home", home
    )
    assert "20 entries fewer" in less.err


def test_two_published_lists_answer_for_their_own_days(home: Path, shared_data: Path) -> None:
    """The lists of 24 and 26 February 2022; who was added is read from them."""
    for day in ("2022-02-24", "2022-02-26"):
        folder = shared_data / "sanctions" / f"ofac-sdn-{day}"
        answer = groundrule("lists", "import", folder, "--published", day, "--home", home, "--json")
        assert answer.code == 0, answer
    (report,) = answer.json["lists"]
    assert (report["entries"], report["added"], report["removed"]) == (9_218, 95, 0)
    last = gzip.decompress((folder / "sdn.csv.gz").read_bytes()).decode("latin-1").split("\r\n")
    (head,) = [
        line.split(",")[0]
        for line in last
        if '"individual"' in line and "; President of the" in line and int(line.split(",")[0]) > 35_000
    ]
    ask = ("lists", "show", "us-ofac-sdn", "--entry", head, "--home", home, "--json", "--at")
    on = {day: groundrule(*ask, day) for day in ("2022-02-24", "2022-02-25", "2022-02-26", "2026-01-01")}
    assert {day: (answer.code, answer.json["listed"]) for day, answer in on.items()} == {
        "2022-02-24": (1, False),
        "2022-02-25": (1, False),
        "2022-02-26": (0, True),
        "2026-01-01": (0, True),
    }
