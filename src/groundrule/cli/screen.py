"""`groundrule screen`."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from groundrule.cli.output import DEFAULT_HOME, HomeOption, OutputJson, print_json, print_table, print_text, warn
from groundrule.cli.rules import instant_option
from groundrule.errors import InputError
from groundrule.screen.lists import find_lists, read_list
from groundrule.screen.match import ALGORITHM, BLOCK, DEFAULT_THRESHOLD, Candidate, NameIndex, Query
from groundrule.screen.model import ListSnapshot
from groundrule.screen.names import NameKind
from groundrule.store.home import Home
from groundrule.store.sanctions import SanctionsLists

NAME_COLUMNS = ("name", "full_name")
BORN_COLUMNS = ("birth_date", "date_of_birth", "born")
COUNTRY_COLUMNS = ("country", "nationality")
MAX_LINE = 10_000
"""Longest line of a file of names [characters]."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One party of the input, with its line where it came from a file."""

    query: Query
    line: int | None


@dataclass(frozen=True, slots=True)
class Refused:
    """A row of the input that could not be used."""

    line: int
    value: str
    reason: str


def screen(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAMES]...", help="Names, each in quotes.")] = None,
    file: Annotated[
        Path | None,
        typer.Option(help="One name a line, or CSV with a column `name` (and `birth_date`, `country`, `id_<scheme>`)."),
    ] = None,
    lists: Annotated[
        list[Path] | None, typer.Option("--list", help="List files instead of the lists of a home; may be repeated.")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    published: Annotated[
        str | None, typer.Option(help="When the lists of --list were published, if they do not say.")
    ] = None,
    kind: Annotated[NameKind, typer.Option(help="What the names belong to.")] = NameKind.UNKNOWN,
    born: Annotated[list[str] | None, typer.Option(help="Birth date or year of the one name given.")] = None,
    country: Annotated[list[str] | None, typer.Option(help="Country of the one name given.")] = None,
    identifier: Annotated[
        list[str] | None, typer.Option("--id", help="Identifier of the one name given: scheme:value.")
    ] = None,
    threshold: Annotated[
        int, typer.Option(help="Lowest score that makes a candidate [thousandths].", min=1, max=1000)
    ] = DEFAULT_THRESHOLD,
    as_json: OutputJson = False,
) -> None:
    """Say whom on a sanctions list a name may mean, and why; a person disposes of every candidate.

    Exit code 0 whether there are candidates or not: a candidate is no verdict on anybody.
    """
    facts = (born, country, identifier)
    asked, refused = _asked(names or [], file, kind, facts)
    snapshots = _from_files(lists, instant_option(published, "--published")) if lists else _from_home(home)
    indexes = [(snapshot, NameIndex(snapshot.entries)) for snapshot in snapshots]
    answers = list(_answers(asked, indexes, threshold))
    for snapshot in snapshots:
        if not snapshot.complete:
            warn(f"the list {snapshot.source} of {snapshot.published} breaks off: nobody is cleared by it")
    if as_json:
        print_json(_as_json(snapshots, threshold, answers, refused))
    else:
        _print_lists(snapshots, threshold)
        for one, found in answers:
            _print_answer(one, found)
    for row in refused:
        warn(f"line {row.line}: {row.reason}: `{row.value[:80]}`")
    if refused:
        raise typer.Exit(2)


Facts = tuple[list[str] | None, list[str] | None, list[str] | None]
Answer = tuple[Asked, list[tuple[ListSnapshot, Candidate]]]


def _asked(names: Sequence[str], file: Path | None, kind: NameKind, facts: Facts) -> tuple[list[Asked], list[Refused]]:
    if bool(names) == (file is not None):
        raise InputError("give either names or --file", help='for instance: screen "Doktor Exempel (invented)"')
    if any(facts) and len(names) != 1:
        raise InputError("--born, --country and --id belong to one name", help="use a CSV file for several")
    if file is None:
        born, country, identifier = facts
        query = Query(
            tuple(names) if any(facts) else (names[0],),
            kind,
            tuple(born or ()),
            tuple(country or ()),
            tuple(_identifier(each) for each in identifier or ()),
        )
        rest = [Query.of(name, kind) for name in names[1:]]
        return [Asked(each, None) for each in (query, *rest)], []
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"`{file}` is not UTF-8: byte {error.start}", help="save it as UTF-8") from None
    lines = text.splitlines()
    header = next(csv.reader(lines[:1]), [])
    if any(name in header for name in NAME_COLUMNS):
        return _rows(lines, kind)
    good = [Asked(Query.of(line.strip(), kind), number) for number, line in enumerate(lines, 1) if line.strip()]
    if not good:
        raise InputError(f"`{file}` holds no name", help="write one name a line")
    return good, []


def _identifier(text: str) -> tuple[str, str]:
    scheme, colon, value = text.partition(":")
    if not colon or not scheme.strip() or not value.strip():
        raise InputError(f"identifier `{text[:60]}` has no scheme", help="write scheme:value, e.g. passport:X0000000")
    return scheme.strip(), value.strip()


def _rows(lines: Iterable[str], kind: NameKind) -> tuple[list[Asked], list[Refused]]:
    good: list[Asked] = []
    refused: list[Refused] = []
    reader = csv.DictReader(line[:MAX_LINE] for line in lines)
    for row in reader:
        name = next((row[column] for column in NAME_COLUMNS if row.get(column)), "")
        if not name.strip():
            refused.append(Refused(reader.line_num, str(list(row.values())[:3]), "no name"))
            continue
        query = Query(
            (name.strip(),),
            kind,
            tuple(row[column].strip() for column in BORN_COLUMNS if (row.get(column) or "").strip()),
            tuple(row[column].strip() for column in COUNTRY_COLUMNS if (row.get(column) or "").strip()),
            tuple(
                (column.removeprefix("id_"), value.strip())
                for column, value in row.items()
                if isinstance(column, str) and column.startswith("id_") and (value or "").strip()
            ),
        )
        try:
            query.check()
        except InputError as error:
            refused.append(Refused(reader.line_num, name, error.message))
            continue
        good.append(Asked(query, reader.line_num))
    return good, refused


def _from_files(paths: Sequence[Path], published_ns: int | None) -> list[ListSnapshot]:
    found, passed = find_lists(paths)
    for path, reason in passed:
        warn(f"passed over `{path}`: {reason}")
    if not found:
        raise InputError("there is no list to screen against", help="see docs/lists.md for the formats")
    return [read_list(each, published_ns=published_ns) for each in found]


def _from_home(home: Path) -> list[ListSnapshot]:
    with SanctionsLists.open(Home.open(home)) as held:
        snapshots = [held.load(each) for _, each in sorted(held.newest_by_source().items())]
    if not snapshots:
        raise InputError("this home holds no list", help="import one with `groundrule lists import`, or use --list FILE")
    return snapshots


def _answers(
    asked: Sequence[Asked], indexes: Sequence[tuple[ListSnapshot, NameIndex]], threshold: int
) -> Iterator[Answer]:
    for start in range(0, len(asked), BLOCK):
        block = asked[start : start + BLOCK]
        found: list[list[tuple[ListSnapshot, Candidate]]] = [[] for _ in block]
        for snapshot, index in indexes:
            for place, candidates in enumerate(
                index.screen_many([each.query for each in block], threshold=threshold)
            ):
                found[place].extend((snapshot, each) for each in candidates)
        yield from zip(block, found, strict=True)


def _as_json(
    snapshots: Sequence[ListSnapshot], threshold: int, answers: Sequence[Answer], refused: Sequence[Refused]
) -> dict[str, Any]:
    return {
        "lists": [{**each.ref, "entries": len(each.entries), "complete": each.complete} for each in snapshots],
        "algorithm": ALGORITHM,
        "threshold": threshold,
        "screened": [
            {
                "names": list(one.query.names),
                "line": one.line,
                "candidates": [{"list": snapshot.source, **each.value} for snapshot, each in found],
            }
            for one, found in answers
        ],
        "not_screened": [{"line": row.line, "value": row.value, "reason": row.reason} for row in refused],
    }


def _print_lists(snapshots: Sequence[ListSnapshot], threshold: int) -> None:
    print_table(
        ("list", "published", "entries", "digest"),
        [(each.source, each.published, len(each.entries), each.digest) for each in snapshots],
    )
    print_text(f"candidates score {threshold} or more of 1,000; no candidate is a verdict")


def _print_answer(one: Asked, found: Sequence[tuple[ListSnapshot, Candidate]]) -> None:
    print_text()
    print_text(f"{' = '.join(one.query.names)}: {_counted(found)}", style="bold")
    for snapshot, each in found:
        verdict = each.verdict.value.replace("_", " ")
        print_text(f"  {each.score:>4} {verdict}  {snapshot.source} {each.uid}  {each.name}")
        for line in each.features.sentences():
            print_text(f"       {line}")


def _counted(found: Sequence[tuple[ListSnapshot, Candidate]]) -> str:
    if not found:
        return "no candidate"
    return "1 candidate" if len(found) == 1 else f"{len(found)} candidates"


