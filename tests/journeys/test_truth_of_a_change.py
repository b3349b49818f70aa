"""A change compared with the truth, by command, against a count made by another way; and what a preview cannot see."""

from __future__ import annotations

import csv
import io
import json
import random
import shutil
from collections import Counter
from pathlib import Path

import pytest

from board import Board, make_board
from console import groundrule, refused
from groundrule.pipeline.home_ledger import LedgerSetup
from groundrule.store.home import Home
from small_home import BOOK, make_home, observation, register, run, stored, stream, table

WIDER = BOOK.replace("where: {any: [area:closed]}", "where: {any: [country:AT]}")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Board:
    folder = tmp_path_factory.mktemp("truth")
    home = make_home(folder / "home", ledger=LedgerSetup())
    rows = "".join(f"guest {n},acc-b,roam,registered,AT\n" for n in range(40))
    register(home, "terminals", f"terminal_id,account_id,plan,registration,activation_country\n{rows}")
    run(home, stream(4), table([observation(f"guest {n}", 500_000 + n, 2.5, n * 0.45) for n in range(40)]))
    board = make_board(home.path, folder)
    board.begin()
    board.write("proposal.json", {"author": board.parties["author"], "rationale": "x (invented)", "reversal_plan": "undo"})
    board.write("wider.yaml", WIDER)
    return board


@pytest.fixture
def board(template: Board, tmp_path: Path) -> Board:
    shutil.copytree(template.folder, tmp_path / "case")
    return Board(Home.open(tmp_path / "case" / "home").path, tmp_path / "case", template.parties)


def outcomes(board: Board, book: str) -> dict[str, str]:
    """How each guest is answered, by `decide` in a home of its own that has another rulebook from the start."""
    folder = board.folder / ("wider" if book == WIDER else "small")
    folder.mkdir()
    other = make_home(folder / "home", book=book)
    rows = "".join(f"guest {n},acc-b,roam,registered,AT\n" for n in range(40))
    register(other, "terminals", f"terminal_id,account_id,plan,registration,activation_country\n{rows}")
    run(other, table([observation(f"guest {n}", 500_000 + n, 2.5, n * 0.45) for n in range(40)]))
    return {row["terminal_id"]: row["outcome"] for row in stored(other, 1)}


def labels(path: Path, truth: dict[str, bool]) -> Path:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["terminal_id", "serve"])
    writer.writerows([name, "yes" if serve else "no"] for name, serve in truth.items())
    path.write_text(out.getvalue())
    return path


@pytest.mark.parametrize("seed", range(3))
def test_counts_are_those_of_deciding_in_two_homes(board: Board, seed: int) -> None:
    rng = random.Random(seed)
    truth = {f"guest {n}": rng.random() < 0.5 for n in range(40) if rng.random() < 0.8} | {"never seen": True}
    made = board.run("propose", board.folder / "proposal.json", "--change", f"rulebook={board.folder / 'wider.yaml'}",
                     "--truth", labels(board.folder / "truth.csv", truth), "--dry-run")  # fmt: skip
    for policy, book in (("before", BOOK), ("after", WIDER)):
        decided = outcomes(board, book)
        wanted = Counter(
            "false_denials" if truth[name] and decided[name] == "deny" else
            "false_permissions" if not truth[name] and decided[name] != "deny" else "right"
            for name in truth if name in decided
        )  # fmt: skip
        assert made["truth"][policy] == {
            "labelled": len(truth) - 1, "not_observed": 1,
            "false_denials": wanted["false_denials"], "false_permissions": wanted["false_permissions"],
        }  # fmt: skip
    assert made["truth"]["before"] != made["truth"]["after"]


def test_labels_are_shown_and_kept_nowhere(board: Board) -> None:
    file = labels(board.folder / "truth.csv", {"guest 1": True, "guest 2": False})
    change = ("--change", f"rulebook={board.folder / 'wider.yaml'}")
    bare = board.run("propose", board.folder / "proposal.json", *change, "--dry-run")
    assert bare["truth"] == {}
    with_truth = board.run("propose", board.folder / "proposal.json", *change, "--dry-run", "--truth", file)
    assert with_truth["impact_digest"] == bare["impact_digest"]
    answer = groundrule("propose", board.folder / "proposal.json", *change, "--truth", file, "--dry-run", "--home", board.home)
    assert "before, where truth is known: 2 labelled, 0 not observed" in answer.out
    assert "false permissions" in answer.out


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("terminal,serve\na,yes\n", "lacks the column"),
        ("terminal_id,serve\na,perhaps\n", ":2: `a`, `perhaps` is no label"),
        ("terminal_id,serve\na,yes\na,no\n", ":3: `a` is labelled yes and no"),
        ("terminal_id,serve\n", "labels no terminal"),
    ],
)
def test_a_bad_label_is_told(board: Board, text: str, words: str) -> None:
    change = ("--change", f"rulebook={board.folder / 'wider.yaml'}", "--dry-run")
    refused(board.try_("propose", board.folder / "proposal.json", *change, "--truth", board.write("bad.csv", text)), words)


def test_author_and_approver_read_what_was_not_seen(board: Board) -> None:
    change = ("--change", f"rulebook={board.folder / 'wider.yaml'}")
    board.write("proposal.json", json.loads((board.folder / "proposal.json").read_text()) | {"class": "critical"})
    made = board.run("propose", board.folder / "proposal.json", *change)
    said = " ".join(made["not_seen"])
    assert "as if it had just been seen there" in said
    assert "rule too-fast asks how fast it is from one report to the next, held for 30 s and not yet released" in said
    assert "rule long-stay asks how long it has stayed (abroad)" in said
    assert "closed-zone" not in said
    board.run("govern", "export", made["proposal"], "--out", board.folder / "b.zip")
    answer = groundrule("approve", board.folder / "b.zip", "--key", board.key("ada"), "--conflict", "none", "--yes",
                        "--out", board.folder / "a.approval")  # fmt: skip
    assert "NOT SEEN: rule long-stay" in answer.out
