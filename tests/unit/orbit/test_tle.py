"""Two-line elements: columns, checksums, Alpha-5, and where reading goes on after a bad set."""

from __future__ import annotations

import pytest
from orbit_files import tle
from sgp4.api import Satrec

from groundrule.instant import format_instant
from groundrule.orbit.reading import read_bytes
from groundrule.orbit.record import Refused, year_of
from groundrule.orbit.tle import LETTERS, alpha5, catalogue_of, checksum, epoch_of


def test_reading_equals_the_package(random_lines: list[str]) -> None:
    """sgp4's own parser reads the same numbers from the same lines."""
    for text in random_lines:
        name, one, two = text.splitlines()
        other = Satrec.twoline2rv(one, two)
        row = read_bytes(text.encode(), "f").elements
        assert row.name.tolist() == [name]
        assert int(row.catalogue[0]) == other.satnum
        assert float(row.eccentricity[0]) == other.ecco
        assert float(row.bstar[0]) == pytest.approx(other.bstar, rel=1e-15)
        assert row.mean_anomaly_deg[0] == pytest.approx(other.mo * 57.29577951308232, abs=1e-12)
        jd = row.epoch_ns[0] / 86400e9 + 2440587.5
        assert jd == pytest.approx(other.jdsatepoch + other.jdsatepochF, abs=1e-9)


@pytest.fixture
def random_lines() -> list[str]:
    cases = (
        (5, 0.0, "24001.00000000"),
        (99_999, 359.9999, "25365.99999999"),
        (100_000, 12.5, "26365.50000000"),
        (339_999, 1.0, "56366.00000001"),
    )
    return [tle(number, f"INVENTED {number}", anomaly, day=day) for number, anomaly, day in cases]


@pytest.mark.parametrize("number", [1, 25544, 69999, 99999, 100000, 109999, 148493, 182931, 234018, 301928, 339999])
def test_numbers_go_there_and_back(number: int) -> None:
    assert catalogue_of(alpha5(number)) == number


@pytest.mark.parametrize(
    "text", ["I0000", "O0000", "a0000", "A000", "AA000", "1234A", "     ", "00000", "-0001", "１2345"]
)
def test_what_is_no_number(text: str) -> None:
    with pytest.raises(Refused):
        catalogue_of(text)


def test_letters_leave_out_those_that_look_like_digits() -> None:
    assert len(LETTERS) == 24
    assert not set("IO") & set(LETTERS)
    with pytest.raises(ValueError, match="five columns"):
        alpha5(340_000)


@pytest.mark.parametrize(("digits", "year"), [(57, 1957), (99, 1999), (0, 2000), (56, 2056)])
def test_two_digits_of_a_year(digits: int, year: int) -> None:
    assert year_of(digits) == year


def test_epoch_of_a_day() -> None:
    assert format_instant(epoch_of("98324.28472222")) == "1998-11-20T06:49:59.999808Z"
    assert format_instant(epoch_of("24366.00000000")) == "2024-12-31T00:00:00Z"
    for bad in ("26366.00000000", "26000.50000000", "261.5", "26263,52959654", "70001.00000000", "57001.00000000"):
        with pytest.raises(Refused):
            epoch_of(bad)


def changed(text: str, line: int, column: int, character: str, *, mend: bool = True) -> str:
    """A set with one column changed and, if asked, a checksum that hides it."""
    lines = text.splitlines()
    row = lines[line]
    row = row[: column - 1] + character + row[column:]
    lines[line] = row[:68] + str(checksum(row)) if mend else row
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("line", "column", "character", "field"),
    [
        (1, 3, "I", "catalogue number"),
        (2, 3, "5", "line 2, catalogue number"),
        (1, 9, "X", "line 1, column 9"),
        (1, 20, "O", "line 1, epoch"),
        (1, 35, "x", "line 1, first derivative"),
        (1, 54, "9", "line 1, drag term"),
        (1, 60, "9", "line 1, drag term"),
        (1, 63, "4", "line 1, ephemeris type"),
        (2, 9, "9", "line 2, inclination"),
        (2, 27, " ", "line 2, eccentricity"),
        (2, 54, "9", "line 2, mean motion"),
        (2, 56, "x", "line 2, mean motion"),
        (2, 53, "-", "line 2, mean motion"),
    ],
)
def test_a_bad_column_is_named_and_the_neighbours_stay(line: int, column: int, character: str, field: str) -> None:
    bad = changed(tle(2), line, column, character)
    read = read_bytes((tle(1) + bad + tle(3)).encode(), "f")
    assert read.elements.catalogue.tolist() == [1, 3]
    assert read.rejected == 1
    assert read.issues[0].field == field
    assert read.issues[0].line in (5, 6)


def test_every_single_change_of_a_digit_is_seen_by_the_checksum() -> None:
    text = tle(2)
    for line in (1, 2):
        for column in range(1, 70):
            was = text.splitlines()[line][column - 1]
            if was.isdigit():
                bad = changed(text, line, column, str((int(was) + 3) % 10), mend=False)
                assert len(read_bytes(bad.encode(), "f").elements) == 0, (line, column)


@pytest.mark.parametrize(
    "remains",
    [
        tle(2).splitlines()[:2],
        [tle(2).splitlines()[0]],
        tle(2).splitlines()[2:],
        [tle(2).splitlines()[1], tle(2).splitlines()[1]],
        [tle(2).splitlines()[1], tle(9).splitlines()[2]],
        ["rubbish", "more rubbish"],
        [tle(2).splitlines()[1][:-1], tle(2).splitlines()[2]],
    ],
)
def test_a_torn_set_never_takes_its_neighbours_along(remains: list[str]) -> None:
    read = read_bytes((tle(1) + "\n".join(remains) + "\n" + tle(3)).encode(), "f")
    assert read.elements.catalogue.tolist() == [1, 3]
    assert read.elements.name.tolist() == ["STARLINK-INVENTED"] * 2
    assert read.issue_count >= 1


def test_sets_without_names_with_marked_names_and_with_windows_lines() -> None:
    bare = "".join(line + "\r\n" for line in tle(1).splitlines()[1:])
    marked = "0 " + tle(100_001, "INVENTED B").replace("\n", "\r\n")
    read = read_bytes((bare + "# remark\r\n\r\n" + marked).encode(), "f")
    assert (read.elements.catalogue.tolist(), read.elements.name.tolist()) == ([1, 100_001], ["", "INVENTED B"])
    assert read.issue_count == 0
