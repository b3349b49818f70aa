"""Published lists as they were: counts equal to those of the publishers' files, point-in-time answers, nothing lost."""

from __future__ import annotations

import csv
import gzip
import io
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from groundrule.instant import parse_instant
from groundrule.screen.lists import find_lists, read_list
from groundrule.screen.model import Kind, ListSnapshot, Strength

SDN_ROWS = {"2022-02-24": 9_123, "2022-02-26": 9_218, "2023-12-28": 13_821}
NAMES = {"names-ofac-sdn": 19_066, "names-eu-fin": 5_994, "names-uk": 15_313, "names-un": 1_002}


@cache
def ofac(shared_data: Path, day: str) -> ListSnapshot:
    (found,), passed = find_lists([shared_data / "sanctions" / f"ofac-sdn-{day}"])
    assert passed == []
    return read_list(found, published_ns=parse_instant(day))


def rows(path: Path) -> list[list[str]]:
    """The rows of a legacy file by the standard library's reader, as an independent count."""
    text = gzip.decompress(path.read_bytes()).decode("latin-1").removesuffix("\x1a")
    return list(csv.reader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("day", SDN_ROWS)
def test_ofac_legacy_lists_are_read_whole(shared_data: Path, day: str) -> None:
    snapshot = ofac(shared_data, day)
    expected = rows(shared_data / "sanctions" / f"ofac-sdn-{day}" / "sdn.csv.gz")
    assert len(snapshot.entries) == len(expected) == SDN_ROWS[day] == snapshot.files[0].rows
    assert [entry.uid for entry in snapshot.entries] == [row[0] for row in expected]
    assert [entry.name for entry in snapshot.entries] == [" ".join(row[1].split()) for row in expected]
    kinds = {"individual": Kind.PERSON, "-0- ": Kind.ENTITY, "vessel": Kind.VESSEL, "aircraft": Kind.AIRCRAFT}
    assert [entry.kind for entry in snapshot.entries] == [kinds[row[2]] for row in expected]
    # All that cannot be used is what the publisher itself cut off at 1,000 characters.
    assert {row.reason for row in snapshot.broken} == {"cut_by_publisher"}
    assert all(row.entry_kept for row in snapshot.broken)
    assert snapshot.complete
    born = sum(1 for row in expected if row[2] == "individual" and "DOB " in row[11])
    assert sum(1 for entry in snapshot.entries if entry.kind is Kind.PERSON and entry.birth_dates) == born


def test_ofac_aliases_and_addresses_are_joined_to_their_entries(shared_data: Path) -> None:
    snapshot = ofac(shared_data, "2023-12-28")
    folder = shared_data / "sanctions" / "ofac-sdn-2023-12-28"
    assert [file.rows for file in snapshot.files] == [13_821, 17_091, 18_990]
    aliases = rows(folder / "alt.csv.gz")
    held = {(entry.uid, name.text) for entry in snapshot.entries for name in entry.names}
    assert {(row[0], " ".join(row[3].split())) for row in aliases} <= held
    counted = Counter(row.file for entry in snapshot.entries for row in entry.rows)
    assert counted["alt.csv.gz"] == 17_091
    assert counted["add.csv.gz"] == sum(1 for row in rows(folder / "add.csv.gz") if {*row[2:5]} != {"-0- "})
    weak = sum(name.strength is Strength.WEAK for entry in snapshot.entries for name in entry.names)
    assert weak > 3_000


def test_two_lists_two_days_apart_differ_in_a_head_of_state(shared_data: Path) -> None:
    """Who that is comes from the data alone."""
    before, after = ofac(shared_data, "2022-02-24"), ofac(shared_data, "2022-02-26")
    added = [entry for entry in after.entries if entry.uid not in before.by_uid]
    heads = [entry for entry in added if any(title.startswith("President of") for title in entry.positions)]
    heads += [
        entry for entry in added if any("; President of " in text for text in entry.remarks) and entry not in heads
    ]
    assert heads, "the later list adds a head of state"
    assert after.digest != before.digest
    for head in heads:
        assert head.kind is Kind.PERSON
        assert head.birth_dates[0].precision == "day"
        assert not any(entry.name == head.name for entry in before.entries)


def test_the_list_of_the_united_nations_is_read_whole(shared_data: Path) -> None:
    (found,), _ = find_lists([shared_data / "sanctions" / "un-sc-consolidated-2026-02-27.xml.gz"])
    snapshot = read_list(found)
    assert Counter(entry.kind for entry in snapshot.entries) == {Kind.PERSON: 730, Kind.ENTITY: 273}
    assert snapshot.published == "2026-02-27T00:00:09.554Z"
    assert snapshot.broken == ()
    assert all(entry.listed_on for entry in snapshot.entries)
    assert sum(each.scheme == "un_ref" for entry in snapshot.entries for each in entry.identifiers) == 1_003
    assert sum(any(name.kind == "original_script" for name in entry.names) for entry in snapshot.entries) > 300


def test_extracts_of_names_are_read_whole(shared_data: Path) -> None:
    found, passed = find_lists([shared_data / "sanctions" / "names-2026-06-11"])
    assert [path.name for path, _ in passed] == ["manifest.json"]
    snapshots = {each.source: read_list(each, published_ns=parse_instant("2026-06-11")) for each in found}
    assert {source: len(snapshot.entries) for source, snapshot in snapshots.items()} == NAMES
    assert all(snapshot.broken_total == 0 and snapshot.complete for snapshot in snapshots.values())
