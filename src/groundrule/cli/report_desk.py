"""What the commands about reports share: the reports of a home opened, ids by how they begin, options."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from groundrule.errors import InputError
from groundrule.evidence.report import Claim, Proposition, Report
from groundrule.pipeline.reports import ReportDesk
from groundrule.store.home import Home
from groundrule.store.reports import ReportStore, StoredReading

ByOption = Annotated[str | None, typer.Option("--by", help="Who decides; the user's name if not given.")]
AboutOption = Annotated[
    list[str] | None,
    typer.Option(
        "--about",
        help="What it is about: party:…, area:…, terminal:…, contact:…, list_entry:…, rule:…; must be in the home.",
    ),
]
HappenedOption = Annotated[
    str, typer.Option("--happened", help="Date, instant or interval of what is claimed, ISO 8601.")
]
PropositionOption = Annotated[
    str, typer.Option("--proposition", help="Proposition it speaks of, by id or how it begins.")
]
_STATEMENT = 110


@contextmanager
def opened(home: Path, *, write: bool = False) -> Iterator[ReportDesk]:
    """Open the reports of a home; for writing, nobody else writes to the home meanwhile.

    Raises:
        InputError: there are none to read.
    """
    place = Home.open(home)
    if not write and not ReportStore.exists(place):
        raise InputError(f"`{home}` holds no reports", help="import some: groundrule report import FILE")
    if write:
        with place.writer(), ReportStore.open(place) as store:
            yield ReportDesk(place, store)
        return
    with ReportStore.open(place) as store:
        yield ReportDesk(place, store)


def _chosen(given: str, known: list[str], what: str, see: str) -> str:
    wanted = given if given.startswith(f"{what}-") else f"{what}-{given}"
    found = [each for each in known if each.startswith(wanted)] if given.removeprefix(f"{what}-") else []
    if len(found) != 1:
        raise InputError(
            f"{len(found) or 'no'} {what}s begin with `{given[:80]}`", help=f"give more of the id; see them with: {see}"
        )
    return found[0]


def row_of(desk: ReportDesk, given: str) -> StoredReading:
    """Return the newest reading of the one report whose id is given or begins so."""
    rows = {row.report: row for row in desk.store.reports()}
    return rows[_chosen(given, list(rows), "report", "groundrule report list")]


def claim_of(desk: ReportDesk, given: str) -> Claim:
    """Return the one claim whose id is given or begins so."""
    return desk.claim(
        _chosen(given, [row.body["id"] for row in desk.store.claims()], "claim", "groundrule report claims REPORT")
    )


def proposition_of(desk: ReportDesk, given: str) -> Proposition:
    """Return the one proposition whose id is given or begins so."""
    listed = {each.id: each for each in desk.propositions()}
    return listed[_chosen(given, list(listed), "proposition", "groundrule report compare")]


def characters_of(report: Report, characters: str, text: str) -> tuple[int, int]:
    """Return the characters that are given as numbers or as text.

    Raises:
        InputError: neither or both are given, or the text does not stand there exactly once.
    """
    if bool(characters) == bool(text):
        raise InputError("a claim points at its characters", help="give --characters 120-240 or --text, one of them")
    if characters:
        found = re.fullmatch(r"([0-9]{1,9})-([0-9]{1,9})", characters)
        if found is None:
            raise InputError(f"`{characters[:40]}` are no characters", help="two numbers, half-open, such as 120-240")
        return int(found[1]), int(found[2])
    places = [each.start() for each in re.finditer(re.escape(text), report.text)]
    if len(places) != 1:
        raise InputError(f"the text stands {len(places)} times in the report", help="give more of it, or --characters")
    return places[0], places[0] + len(text)


def short(text: str) -> str:
    """Return a text of one line for a table."""
    return text if len(text) <= _STATEMENT else text[: _STATEMENT - 1] + "…"
