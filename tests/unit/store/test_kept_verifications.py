"""Verifications in a home: written once, found by terminal, time and digest, and never silently wrong."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from groundrule.errors import InputError, IntegrityError
from groundrule.instant import NS_PER_S
from groundrule.store.findings import Batch, Findings
from groundrule.store.home import Home
from groundrule.store.verifications import (
    batches,
    find_verification,
    gather_small,
    latest_verifications,
    newest_verifications,
    read_verifications,
    write_verifications,
)

T0 = 1_780_000_000 * NS_PER_S


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.create(tmp_path / "home")


def row(name: str, at_s: float, verdict: str = "consistent") -> dict[str, object]:
    digest = f"{abs(hash((name, at_s))):064x}"[-64:]
    return {"terminal_id": name, "at_ns": T0 + round(at_s * NS_PER_S), "inputs": f"sha256:{digest}", "verdict": verdict}


def told(table: pa.Table) -> list[tuple[str, int]]:
    return [(name, (at - T0) // NS_PER_S) for name, at in zip(table["terminal_id"].to_pylist(), table["at_ns"].to_pylist(), strict=True)]


def test_an_empty_home_has_none(home: Home) -> None:
    assert write_verifications(home, pa.Table.from_pylist([row("a", 0)]).slice(0, 0)) is None
    assert not batches(home)
    for table in (read_verifications(home), newest_verifications(home, 5), latest_verifications(home, since_ns=0)):
        assert (len(table), table.column_names) == (0, ["terminal_id", "at_ns", "inputs"])


def test_what_is_written_twice_is_there_once(home: Home) -> None:
    rows = [row("b", 60), row("a", 60), row("a", 0)]
    first = write_verifications(home, pa.Table.from_pylist(rows))
    assert write_verifications(home, pa.Table.from_pylist(rows[::-1])) == first
    write_verifications(home, pa.Table.from_pylist([rows[0], row("c", 120)]))
    assert len(batches(home)) == 2
    assert told(read_verifications(home)) == [("a", 0), ("a", 60), ("b", 60), ("c", 120)]


def test_by_terminal_time_and_digest(home: Home) -> None:
    rows = [row(name, at) for name in ("a", "b", "ü") for at in range(0, 600, 60)]
    for part in (rows[:7], rows[7:20], rows[20:]):
        write_verifications(home, pa.Table.from_pylist(part))
    assert told(read_verifications(home, terminal="ü")) == [("ü", at) for at in range(0, 600, 60)]
    span = read_verifications(home, from_ns=T0 + 60 * NS_PER_S, until_ns=T0 + 120 * NS_PER_S, columns=["verdict", "not there"])
    assert told(span) == [("a", 60), ("b", 60), ("ü", 60)]
    assert span.column_names == ["terminal_id", "at_ns", "inputs", "verdict"]
    wanted = str(rows[8]["inputs"])
    assert told(find_verification(home, wanted)) == [("a", 480)]
    assert told(find_verification(home, wanted.removeprefix("sha256:"))) == [("a", 480)]
    for wrong in ("", "sha256:", "0" * 64, "0" * 63, wanted.upper(), wanted + " "):
        assert not len(find_verification(home, wrong))
    assert told(latest_verifications(home, since_ns=T0)) == [("a", 540), ("b", 540), ("ü", 540)]
    assert not len(latest_verifications(home, since_ns=T0 + 541 * NS_PER_S))


def test_pages_from_the_newest_hold_each_once(home: Home) -> None:
    rows = [row(name, at) for name in ("a", "b", "c") for at in range(0, 300, 15)]
    for start in range(0, len(rows), 11):
        write_verifications(home, pa.Table.from_pylist(rows[start : start + 11]))
    for terminal in (None, "b"):
        found: list[tuple[str, int]] = []
        before = None
        while True:
            page = newest_verifications(home, 7, terminal=terminal, before=before)
            if not len(page):
                break
            found += told(page)
            last = page.slice(len(page) - 1).to_pylist()[0]
            before = (last["at_ns"], last["terminal_id"], last["inputs"])
        want = [(each["terminal_id"], (each["at_ns"] - T0) // NS_PER_S) for each in rows if terminal in (None, each["terminal_id"])]  # type: ignore[operator]  # of a JSON row
        assert found == sorted(want, key=lambda each: (-each[1], each[0]))


def test_what_is_no_verification_is_refused(home: Home) -> None:
    good = pa.Table.from_pylist([row("a", 0)])
    nobody = good.set_column(0, "terminal_id", pa.array([None], pa.string()))
    for bad in (good.drop(["inputs"]), good.set_column(1, "at_ns", pa.array([1.5])), nobody):
        with pytest.raises(InputError):
            write_verifications(home, bad)
    assert not batches(home)


def test_a_damaged_file_is_named_and_strange_ones_are_passed_over(home: Home) -> None:
    write_verifications(home, pa.Table.from_pylist([row("a", 0)]))
    write_verifications(home, pa.Table.from_pylist([row("b", 3_600)]))
    folder = home.path / "verifications"
    (folder / "notes.txt").write_text("x", encoding="utf-8")
    (folder / f"0-0-{'0' * 63}.parquet").write_bytes(b"x")
    (folder / f"{'9' * 30}-0-{'0' * 64}.parquet").write_bytes(b"x")
    assert told(read_verifications(home)) == [("a", 0), ("b", 3_600)]
    path = batches(home)[1].path
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(IntegrityError, match=path.name[:20]):
        read_verifications(home)
    # What is asked of the time before it is answered.
    assert told(read_verifications(home, until_ns=T0 + 60 * NS_PER_S)) == [("a", 0)]


def test_small_files_go_into_one_and_nothing_is_lost(home: Home) -> None:
    rows = [row("a", at) for at in range(0, 20 * 60, 60)]
    for each in rows:
        write_verifications(home, pa.Table.from_pylist([each]))
    write_verifications(home, pa.Table.from_pylist([rows[0], rows[1]]))
    before = told(read_verifications(home))
    assert gather_small(home, least=50) == 0
    assert gather_small(home) == 21
    assert len(batches(home)) == 1
    assert told(read_verifications(home)) == before
    assert gather_small(home) == 0


def test_a_file_that_went_into_another_while_it_was_read_is_found_there(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    for at in range(3):
        write_verifications(home, pa.Table.from_pylist([row("a", 60 * at)]))
    real, listed = Findings.batches, []

    def listing(kind: Findings, place: Home) -> list[Batch]:
        found = real(kind, place)
        if not listed:
            listed.append(found)
            gather_small(place, least=2)
        return found

    monkeypatch.setattr(Findings, "batches", listing)
    assert told(read_verifications(home)) == [("a", 0), ("a", 60), ("a", 120)]
