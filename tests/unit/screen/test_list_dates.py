"""Dates as publishers write them."""

from __future__ import annotations

import pytest

from groundrule.screen.dates import days_of, read_date, read_day


@pytest.mark.parametrize(
    ("text", "earliest", "latest", "circa", "precision"),
    [
        ("29 Aug 1987", "1987-08-29", "1987-08-29", False, "day"),
        ("1987-08-29", "1987-08-29", "1987-08-29", False, "day"),
        ("2015-07-01-04:00", "2015-07-01", "2015-07-01", False, "day"),
        ("2026-02-27T00:00:09.554Z", "2026-02-27", "2026-02-27", False, "day"),
        ("29/08/1987", "1987-08-29", "1987-08-29", False, "day"),
        ("dd/mm/1987", "1987-01-01", "1987-12-31", False, "year"),
        ("00/08/1987", "1987-08-01", "1987-08-31", False, "month"),
        ("Feb 1988", "1988-02-01", "1988-02-29", False, "month"),
        ("December 1988", "1988-12-01", "1988-12-31", False, "month"),
        ("1988-12", "1988-12-01", "1988-12-31", False, "month"),
        ("1987", "1987-01-01", "1987-12-31", False, "year"),
        ("circa 1987", "1987-01-01", "1987-12-31", True, "year"),
        ("circa 1979-1982", "1979-01-01", "1982-12-31", True, "span"),
        ("1985 to 1987", "1985-01-01", "1987-12-31", False, "span"),
        ("01 Jan 1970 to 31 Mar 1970", "1970-01-01", "1970-03-31", False, "span"),
        ("between 1985 and 1987", "1985-01-01", "1987-12-31", False, "span"),
        ("1980s", "1980-01-01", "1989-12-31", False, "span"),
    ],
)
def test_a_date_means_some_days(text: str, earliest: str, latest: str, circa: bool, precision: str) -> None:
    found = read_date(text)
    assert found is not None
    assert (found.earliest, found.latest, found.circa, found.precision) == (earliest, latest, circa, precision)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "spring",
        "31 Feb 1962",
        "1987-13",
        "1987 to 1985",
        "32/01/1987",
        "12 Foo 1987",
        "0000",
        "9999-01-01",
        "²⁰²⁴",
        "1 to 2 to 3",
        "1987-08-29-08",
        "9" * 100_000,
        "to",
        "circa",
        "١٩٨٧x",
    ],
)
def test_what_is_no_date_is_none(text: str) -> None:
    assert read_date(text) is None


def test_a_day_is_certain() -> None:
    assert read_day("09/07/2023") == "2023-07-09"
    assert read_day("2023") is None
    assert read_day("circa 09 Jul 2023") is None


def test_numbers_of_a_date() -> None:
    assert days_of("2024", "2") == ("2024-02-01", "2024-02-29")
    assert days_of("2024", "12", "") == ("2024-12-01", "2024-12-31")
    assert days_of("2024", "2", "30") is None
    assert days_of("9" * 5000) is None
