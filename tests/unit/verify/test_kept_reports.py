"""Kept reports come back as they were, and what is none is told from one."""

from __future__ import annotations

import functools
import math
from dataclasses import asdict

import pytest

from groundrule.errors import IntegrityError
from groundrule.verify.assemble import assemble
from groundrule.verify.judge import verify_batch
from groundrule.verify.kept import report_of_json, report_to_json
from groundrule.verify.measurements import clean
from groundrule.verify.report import Report, reports
from radio_world import Truth, World, table


@functools.cache
def made() -> tuple[Report, ...]:
    """An honest terminal, a liar, and one that a single satellite saw for a moment."""
    world = World(seed=3)
    terminals = [Truth("honest"), Truth("liar", claim=(51.25, 22.57)), Truth("short")]
    rows = [row for who in terminals[:2] for row in world.measure(who, world.schedule(who.lat_deg, who.lon_deg, 4))]
    rows += world.measure(terminals[2], world.schedule(43.5, 34.0, 1))[:2]
    cases = assemble(clean(table(rows)), world.elements, world.claims(terminals, 60))
    return tuple(reports(cases, verify_batch(cases.case)))


def same(a: object, b: object) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return a == b or (math.isnan(a) and math.isnan(b))
    if isinstance(a, dict) and isinstance(b, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


@pytest.mark.parametrize("row", range(3))
def test_a_report_comes_back_bit_by_bit(row: int) -> None:
    report = made()[row]
    back = report_of_json(report_to_json(report))
    assert same(asdict(back), asdict(report))
    assert back.as_dict() == report.as_dict()
    assert report_to_json(back) == report_to_json(report)


@pytest.mark.parametrize("text", ["", "{}", "null", "[1]", '{"terminal": 1}', "[" * 100_000, "x" * (5 << 20)])
def test_what_is_no_report_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(IntegrityError, match="kept verification") as told:
        report_of_json(text)
    assert "\n" not in told.value.message


def test_a_report_with_a_part_cut_out_is_refused() -> None:
    text = report_to_json(made()[0])
    for part in ('"lat_deg":', '"verdict":', '"satellites":'):
        with pytest.raises(IntegrityError):
            report_of_json(text.replace(part, '"x":', 1))
