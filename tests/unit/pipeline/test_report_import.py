"""Reports in a home: kept as they came, never overwritten, never turned into facts of the registers. Everything is invented."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from groundrule.errors import ConflictError, InputError, IntegrityError
from groundrule.evidence.report import ClaimStatus, Stance
from groundrule.instant import parse_instant
from groundrule.ledger.entry import Entry
from groundrule.ledger.reader import read_log
from groundrule.pipeline.home_ledger import LedgerSetup, log_folder
from groundrule.pipeline.reports import ReportDesk, import_reports
from groundrule.store.home import Home
from groundrule.store.reports import ReportStore
from small_home import copy_home, make_home

NOW = parse_instant("2026-04-01T00:00Z")
TEXT = """Link cut at Port Alder (invented)

Two engineers confirmed that service was cut during the raid of 3 March, and nobody has explained it so far.

The operator Skyloom denied that an order had been given. The embassy of Norvia did not reply to any question.
"""
TABLES = ("registers.sqlite", "areas", "rulebooks", "lists", "governance", "history")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return make_home(tmp_path_factory.mktemp("reports") / "home", ledger=LedgerSetup())


@pytest.fixture
def home(template: Home, tmp_path: Path) -> Home:
    return copy_home(template, tmp_path / "home")


@pytest.fixture
def article(tmp_path: Path) -> Path:
    path = tmp_path / "article.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


def ticking() -> Iterator[int]:
    return itertools.count(NOW, 1_000_000)


def take(home: Home, *paths: Path, **options: object):
    clock = ticking()
    with home.writer():
        return import_reports(home, paths, actor="clerk", clock=lambda: next(clock), **options)  # type: ignore[arg-type]  # as given


@pytest.fixture
def desk(home: Home, article: Path) -> Iterator[ReportDesk]:
    take(home, article)
    clock = itertools.count(NOW + 10**12, 1_000_000)
    with home.writer(), ReportStore.open(home) as store:
        yield ReportDesk(home, store, lambda: next(clock))


def contents(home: Home) -> dict[str, str]:
    """Digest of everything that governs or is a fact."""
    found = {}
    for name in TABLES:
        for path in sorted([home.path / name, *(home.path / name).rglob("*")]):
            if path.is_file():
                data = (
                    b"\n".join(line.encode() for line in sqlite3.connect(path).iterdump())
                    if path.suffix == ".sqlite"
                    else path.read_bytes()
                )
                found[str(path.relative_to(home.path))] = sha256(data).hexdigest()
    return found


def test_bytes_are_kept_as_they_came_and_twice_is_once(home: Home, article: Path) -> None:
    first, again = take(home, article), take(home, article)
    assert (first.files[0].new, again.files[0].new, again.files[0].suggested) == (1, 0, 0)
    assert first.files[0].suggested == 3
    with ReportStore.open(home) as store:
        (row,) = store.reports()
        assert store.raw_bytes(row) == article.read_bytes()
        assert row.raw == sha256(article.read_bytes()).hexdigest()


def test_a_bad_file_stops_none_beside_it(home: Home, article: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty.txt"
    empty.write_bytes(b"")
    found = take(home, empty, tmp_path / "missing.txt", tmp_path, Path("https://paper.example/a"), article)
    assert [bool(each.refused) for each in found.files] == [True, True, True, True, False]
    assert "address" in found.files[3].refused


def test_nothing_of_the_registers_lists_areas_or_policy_changes(desk: ReportDesk) -> None:
    before = contents(desk.home)
    assert len(before) > 3
    first, second, third = desk.claims()
    made = desk.propose("The link was cut.", by="ada", about=("area:closed",))
    desk.confirm(
        first.id, by="ada", proposition=made.id, about=("terminal:van", "rule:closed-zone"), happened="2026-03-03"
    )
    desk.reject(second.id, by="ada")
    desk.add(next(iter(desk.reports().values())), 0, 8, by="ada", proposition=made.id)
    desk.link(third.report, "terminal:van", by="ada")
    desk.compare(made)
    assert contents(desk.home) == before


def test_every_decision_is_a_row_of_its_own_and_the_past_can_be_asked(desk: ReportDesk) -> None:
    claim = desk.claims()[0]
    desk.confirm(claim.id, by="ada", stance=Stance.REPORTS)
    desk.reject(claim.id, by="ben")
    history = desk.store.claim_history(claim.id)
    assert [(row.body["status"], row.body["decided_by"]) for row in history] == [
        ("suggested", ""),
        ("confirmed", "ada"),
        ("rejected", "ben"),
    ]
    assert desk.claim(claim.id).status is ClaimStatus.REJECTED
    then = desk.store.claims(report=claim.report, known_at_ns=history[1].recorded_ns)
    assert {row.body["status"] for row in then if row.body["id"] == claim.id} == {"confirmed"}
    with pytest.raises(ConflictError, match="nobody"):
        desk.confirm(claim.id, by=" ")


def test_import_again_does_not_undo_what_a_person_decided(desk: ReportDesk, article: Path) -> None:
    claim = desk.claims()[0]
    desk.reject(claim.id, by="ada")
    result = import_reports(desk.home, [article], actor="clerk", clock=lambda: NOW + 2 * 10**12)
    assert result.files[0].suggested == 0
    assert desk.claim(claim.id).status is ClaimStatus.REJECTED


def test_links_name_what_is_there(desk: ReportDesk) -> None:
    claim = desk.claims()[0]
    for ref in ("terminal:van", "area:closed", "rule:closed-zone"):
        assert desk.link(claim.id, ref, by="ada")
        assert not desk.link(claim.id, ref, by="ada")
    for ref in (
        "terminal:none",
        "area:none",
        "party:none",
        "list_entry:none",
        "list_entry:us/1",
        "contact:none",
        "rule:none",
        "weather:x",
        "closed",
    ):
        with pytest.raises(InputError):
            desk.link(claim.id, ref, by="ada")
    assert desk.link(claim.id, "area:closed", by="ben", holds=False)
    assert [each.ref for each in desk.store.links(subject=claim.id)] == ["terminal:van", "rule:closed-zone"]
    assert [each.subject for each in desk.store.links(ref="terminal:van")] == [claim.id]


def test_wrong_places_times_and_propositions_are_refused(desk: ReportDesk) -> None:
    claim, report = desk.claims()[0], next(iter(desk.reports().values()))
    for start, end in ((5, 5), (-1, 4), (0, len(report.text) + 1)):
        with pytest.raises(InputError):
            desk.add(report, start, end, by="ada")
    for wrong in ({"happened": "last week"}, {"proposition": "proposition-" + "0" * 32}, {"about": ("party:nobody",)}):
        with pytest.raises(InputError):
            desk.confirm(claim.id, by="ada", **wrong)  # type: ignore[arg-type]  # one of each
    with pytest.raises(InputError):
        desk.propose("  ", by="ada")


def test_the_log_says_since_when_and_nothing_of_what_it_says(home: Home, article: Path) -> None:
    result = take(
        home,
        article,
        captured_at_ns=parse_instant("2026-03-07T10:00Z"),
        captured_by="Clipping desk",
        source_url="https://p.example/a",
    )
    assert result.logged
    take(home, article)
    entries = [Entry.decode(data) for data in read_log(log_folder(home)).tree().entries()]
    found = [entry.body for entry in entries if entry.kind == "evidence"]
    raw = article.read_bytes()
    assert found == [
        {
            "captured_at": "2026-03-07T10:00:00.000Z",
            "sha256": sha256(raw).hexdigest(),
            "size": len(raw),
            "what": "outside-report",
        }
    ]


def test_changed_bytes_are_found_and_rows_cannot_be_changed(home: Home, article: Path) -> None:
    take(home, article)
    with ReportStore.open(home) as store:
        (row,) = store.reports()
        for folder, name in (("raw", row.raw), ("readings", f"{row.digest}.gz")):
            path = home.path / "reports" / folder / name
            path.write_bytes(path.read_bytes()[:-9] + b"tampering")
        with pytest.raises(IntegrityError):
            store.raw_bytes(row)
        with pytest.raises(IntegrityError):
            store.load(row)
    connection = sqlite3.connect(home.path / "reports" / "index.sqlite")
    for table in ("reading", "claim"):
        for statement in (f"UPDATE {table} SET actor = 'x'", f"DELETE FROM {table}"):
            with pytest.raises(sqlite3.IntegrityError, match="stays"):
                connection.execute(statement)
    connection.close()


def test_a_home_without_a_log_keeps_reports_too(tmp_path: Path, article: Path) -> None:
    home = make_home(tmp_path / "plain", registers=False)
    assert take(home, article).logged is None
