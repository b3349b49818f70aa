"""The public edition: what everybody could count, what daily aggregates say, and small tables without small groups.

Three kinds of figures and no other:

1. counts of entries of the public log, which whoever has the log can make as well;
2. what the published daily aggregates of the same days say; nothing is counted again, so nothing follows that did not follow from them;
3. tables of terminals by a property that no daily aggregate has (programme, protected class, who held the place), divided by the same
   rule of suppression as the daily aggregates, against all editions before.

Editions overlap no other: else the difference of two would tell of few. Denied terminals are never counted by a table of the third kind
that sums to all of them, because the difference to the daily aggregates would tell what those leave out.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np

from groundrule.errors import ConflictError, IntegrityError
from groundrule.evidence.dossier import Source, Standing
from groundrule.evidence.oversight import Answer, Figure, Gap, Table
from groundrule.instant import NS_PER_DAY, parse_instant
from groundrule.ledger.aggregate import LIMITS, AggregateFile, Count, Group, GroupDay, Row, divide, exposures, rounded
from groundrule.ledger.entry import format_time
from groundrule.pipeline.aggregates import aggregates_folder, open_sealed
from groundrule.pipeline.journal import accounts_of
from groundrule.pipeline.oversight.counts import NOT_TOLD
from groundrule.pipeline.oversight.service import History
from groundrule.pipeline.oversight.sheet import Desk
from groundrule.pipeline.private_records import Accounts
from groundrule.store.home import Home
from groundrule.store.keys import KeyService

REST = "others_together"
STEPS_S = (0, 15, 60, 600, 3_600, 21_600, 86_400, 604_800)
"""A median is published as the step that it does not exceed [s]."""
MEDIAN: Group = ("response", "median", "")
_SEALED = re.compile(r"oversight-(\d{4}-\d{2}-\d{2})--(\d{4}-\d{2}-\d{2})\.json")
_TABLES: Mapping[Group, tuple[str, str, str]] = {
    ("programmes", "registered", ""): ("programmes", "public_by_programme", "programme"),
    ("occupied", "programmes", ""): ("occupied", "public_by_control", "control"),
    ("collateral", "protected_denied", ""): ("collateral", "public_protected", "protected_class"),
}
"""Group to question, name of the table and its first column."""

Members = dict[str, set[str]]


def edition_path(home: Home, from_ns: int, until_ns: int) -> Path:
    """Return where the exact counts behind a public edition lie."""
    return home.path / "sealed" / f"oversight-{_day(from_ns)}--{_day(until_ns)}.json"


def editions(home: Home, keys: KeyService, from_ns: int, until_ns: int) -> tuple[AggregateFile | None, list[AggregateFile]]:
    """Return the edition of this interval if it was made, and all others.

    Raises:
        ConflictError: another one overlaps it. IntegrityError: one is not what was committed to.
    """
    own, others = None, []
    folder = home.path / "sealed"
    for path in sorted(folder.iterdir()) if folder.exists() else ():
        match = _SEALED.fullmatch(path.name)
        if match is None:
            continue
        since, until = (parse_instant(each) for each in match.groups())
        file, _ = open_sealed(path, keys)
        if (since, until) == (from_ns, until_ns):
            own = file
        elif since < until_ns and from_ns < until:
            raise ConflictError(
                f"a public edition from {match[1]} until {match[2]} overlaps this interval",
                help="the difference of two editions could tell of few terminals; take an interval before or after it",
            )
        else:
            others.append(file)
    return own, others


def count_public(history: History, past: Sequence[AggregateFile], *, issued_ns: int) -> AggregateFile:
    """Count the tables of an edition and leave out what is small.

    Raises:
        ConflictError: together with the editions before it would expose a small group, which its rules exclude.
    """
    desk = history.desk
    accounts = accounts_of(desk.bench.home, desk.bench.now_ns)
    groups: dict[Group, GroupDay] = {}
    rows: list[Row] = []
    for group, pairs in _members(history, accounts).items():
        cells, owners = pairs
        before = [file.groups[group] for file in past if group in file.groups]
        made = divide(cells, owners, before, False, LIMITS)
        groups[group] = made
        rows += [Row(cell, group[0], group[1], rounded(len(cells[cell]))) for cell in sorted(made.alone)]
        if made.rest:
            rows.append(Row(REST, group[0], group[1], rounded(len(set().union(*(cells[cell] for cell in made.rest))))))
    rows += _median(history, accounts)
    file = AggregateFile(f"{_day(desk.from_ns)}--{_day(desk.until_ns)}", format_time(issued_ns), tuple(rows), groups)
    if found := exposures([*past, file]):
        raise ConflictError(
            f"this edition and those before it would expose {len(found)} small groups", help="do not publish; tell the authors"
        )
    return file


def _members(history: History, accounts: Accounts) -> dict[Group, tuple[Members, Members]]:
    """Terminals and their owners by group and cell."""
    found: dict[Group, tuple[Members, Members]] = {group: (defaultdict(set), defaultdict(set)) for group in _TABLES}

    def take(group: Group, cell: str, terminal: str, at_ns: int) -> None:
        terminals, owners = found[group]
        terminals[cell].add(terminal)
        owners[cell].add(accounts.at(terminal, at_ns) or "")  # those without an account count as of one owner

    fleet, counts = history.fleet, history.counts
    named: dict[int, list[str]] = defaultdict(list)
    for code, name in fleet.groups("programmes"):
        named[code].append(name)
    for terminal, code in fleet.at_end:
        for name in named.get(code, ()):
            take(("programmes", "registered", ""), name, terminal, history.desk.until_ns - 1)
    together = [(code, "") for code in named]
    for control in sorted({each.control for each in history.said} - {NOT_TOLD}):
        answers = [code for code, each in enumerate(history.said) if each.control == control]
        for _, terminal, at_ns in counts.tagged_terminals(together, answers):
            take(("occupied", "programmes", ""), control, terminal, at_ns)
    for name, terminal, at_ns in counts.tagged_terminals(fleet.groups("protected"), history.codes(denied=True)):
        take(("collateral", "protected_denied", ""), name, terminal, at_ns)
    return {group: pair for group, pair in found.items() if pair[0]}


def _median(history: History, accounts: Accounts) -> list[Row]:
    """The median time from the first sign to the denial over terminals, each with its longest, as a step; never how many there are."""
    found = history.counts.response()
    longest: dict[int, int] = {}
    for row, seconds in zip(found.terminals.tolist(), found.seconds.tolist(), strict=True):
        longest[row] = max(seconds, longest.get(row, 0))
    if len(longest) < LIMITS.terminals:
        return []
    names = history.counts.names(np.array(list(longest), np.int64))
    owners = {accounts.at(name, history.desk.until_ns - 1) or "" for name in names}
    if not Count(len(names), len(owners)).passes(LIMITS):
        return []
    median = sorted(longest.values())[(len(longest) + 1) // 2 - 1]
    step = next((each for each in STEPS_S if median <= each), None)
    return [Row("more" if step is None else str(step), *MEDIAN[:2], 0)]


# --- answers ----------------------------------------------------------------------------------------------------------


def public_answers(desk: Desk, opened: Mapping[str, Answer], counted: AggregateFile) -> dict[str, Answer]:
    """Return the answers of the public edition.

    Args:
        opened: the answers with what may be published as it is.
        counted: the tables.
    Raises:
        IntegrityError: a published daily aggregate is not what the log names.
    """
    answers = dict(opened)
    for group, (question, name, column) in _TABLES.items():
        rows = tuple((row.area, row.terminals) for row in counted.rows if (row.outcome, row.rule) == group[:2])
        if rows:
            _add(answers, question, Table(name, (column, "terminals_rounded"), rows, open=True))
    for row in counted.rows:
        if (row.outcome, row.rule) == MEDIAN[:2]:
            name = "median_longer" if row.area == "more" else "median_at_most"
            value = STEPS_S[-1] if row.area == "more" else int(row.area)
            answer = answers["response"]
            figure = Figure(name, value, "s", Standing.INFERENCE, open=True)
            answers["response"] = replace(answer, figures=(*answer.figures, figure))
    days, missing = _days(desk)
    for question in ("found", "disabled", "published_disablements"):
        if days:
            _add(answers, question, _of_days(question, days))
            sources = tuple(Source("file", f"aggregate:{day}#{digest}") for day, digest, _ in days)
            answers[question] = replace(answers[question], sources=sources[:200], more=max(0, len(sources) - 200))
        if missing:
            answer = answers[question]
            answers[question] = replace(answer, gaps=(*answer.gaps, Gap("days_not_published", "publish_days", str(missing))))
    return answers


def _add(answers: dict[str, Answer], question: str, table: Table) -> None:
    answer = answers[question]
    cautions = tuple(dict.fromkeys((*answer.cautions, "small_left_out")))
    answers[question] = replace(answer, tables=(*answer.tables, table), cautions=cautions)


def _days(desk: Desk) -> tuple[list[tuple[str, str, list[Row]]], int]:
    """Published rows of each day of the interval with the digest of their file, and how many days have none."""
    found, missing = [], 0
    for start in range(desk.from_ns, desk.until_ns, NS_PER_DAY):
        day = _day(start)
        path = aggregates_folder(desk.bench.home) / f"{day}.json"
        if day not in desk.log.aggregates or not path.exists():
            missing += 1
            continue
        data = path.read_bytes()
        digest = sha256(data).hexdigest()
        if digest != desk.log.aggregates[day]:
            raise IntegrityError(f"`{path}` is not what the log names", help="restore it from a copy", path=str(path))
        rows = [Row(row["area"], row["outcome"], row["rule"], row["terminals"]) for row in json.loads(data)["rows"]]
        found.append((day, digest, rows))
    return found, missing


def _of_days(question: str, days: Iterable[tuple[str, str, list[Row]]]) -> Table:
    """What published rows of days say; sums are lower bounds, because small groups are in no row."""
    by_day: dict[tuple[str, str], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for day, _, rows in days:
        for row in rows:
            by_day[row.outcome, row.rule][day] += row.terminals
    if question == "published_disablements":
        listed = sorted((day, rule, n) for (outcome, rule), held in by_day.items() if outcome == "deny" for day, n in held.items())
        return Table("public_by_day", ("day", "rule", "terminals_at_least"), tuple(listed), open=True)
    wanted = ("deny",) if question == "disabled" else ("restrict", "review", "deny")
    spread = [
        (outcome, rule, len(held), min(held.values()), max(held.values()))
        for (outcome, rule), held in sorted(by_day.items())
        if outcome in wanted
    ]
    return Table("public_by_rule", ("outcome", "rule", "days", "least_a_day", "most_a_day"), tuple(spread), open=True)


def _day(instant_ns: int) -> str:
    return format_time(instant_ns)[:10]
