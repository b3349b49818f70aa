"""`groundrule oversight`: the report that answers, from data, what parliaments, inspectors and regulators ask."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from groundrule.cli.output import DEFAULT_HOME, HomeOption, OutputJson, print_json, print_text, warn
from groundrule.errors import InputError
from groundrule.evidence.oversight import Edition, Report
from groundrule.evidence.render.oversight_page import oversight_documents, oversight_words
from groundrule.instant import parse_instant
from groundrule.pipeline.oversight.publish import Published, publish
from groundrule.store.home import Home


def oversight(
    since: Annotated[str, typer.Option("--from", help="Begin, a day or an instant in UTC; it is part of the interval.")],
    until: Annotated[str, typer.Option("--until", help="End, which is not part of the interval.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the report.")],
    home: HomeOption = DEFAULT_HOME,
    edition: Annotated[Edition, typer.Option("--edition", help="Full, or public: without names, ids and small groups.")] = Edition.FULL,
    language: Annotated[str, typer.Option("--language", help="Of the page.")] = "en",
    log: Annotated[bool, typer.Option("--log/--no-log", help="Put the digest of the report into the public log.")] = True,
    as_json: OutputJson = False,
) -> None:
    """Answer what parliaments, inspectors and regulators ask, from data: policies, denials, response times, requests, powers, contacts.

    Each figure says how it was counted and what it rests on; each question that the data does not answer is listed with what would be
    needed. The full edition holds names and places: keep it as safe as the home. The public edition is for whole days that ended
    72 hours ago.
    """
    documents = oversight_documents(language)
    if edition is Edition.PUBLIC and not log:
        raise InputError("a public edition is always in the log", help="leave out --no-log")
    made = publish(
        Home.open(home), _instant(since, "--from"), _instant(until, "--until"), out,
        edition=edition, now_ns=time.time_ns(), documents=documents, log=log,
    )  # fmt: skip
    if as_json:
        print_json(_as_dict(made))
        return
    _print(made, language)


def _instant(text: str, option: str) -> int:
    try:
        return parse_instant(text)
    except InputError as error:
        raise InputError(f"{option}: {error.message}", help=error.help) from error


def _as_dict(made: Published) -> dict[str, Any]:
    report = made.report
    return {
        "edition": report.edition.value,
        "questions": len(report.answers),
        "unanswered": list(report.unanswered),
        "figures": {
            each.question: {figure.name: figure.value for figure in each.figures} for each in report.answers if each.figures
        },
        "files": {name: str(path) for name, path in made.files.items()},
        "sha256": made.sha256,
        "log_entry": made.entry,
        "trouble": list(made.trouble),
    }  # fmt: skip


def _print(made: Published, language: str) -> None:
    said, report = oversight_words(language), made.report
    print_text(said("page", "title"), style="bold")
    print_text(said("page", f"edition_{report.edition.value}"))
    for line in _answers(report, language):
        print_text(line)
    if made.entry is not None:
        print_text(f"Entry {made.entry} of the log names this report by digest: {made.sha256}")
    for trouble in made.trouble:
        warn(trouble)
    for path in made.files.values():
        print_text(f"Written: {path}")


def _answers(report: Report, language: str) -> list[str]:
    said = oversight_words(language)
    lines = []
    for answer in report.answers:
        lines.append(f"{said('questions', answer.question)}")
        lines += [f"    {said('figures', each.name)}: {said.amount(each)} {said('units', each.unit)}" for each in answer.figures]
        if not answer.figures and not answer.tables:
            lines += [f"    {said.why(each)}" for each in answer.gaps]
    return lines
