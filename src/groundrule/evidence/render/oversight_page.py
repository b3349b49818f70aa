"""An oversight report for people: one page without scripts, and one table for programs that calculate."""

from __future__ import annotations

import csv
import io
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from itertools import groupby

from jinja2 import Environment, PackageLoader, StrictUndefined

from groundrule.errors import InputError
from groundrule.evidence.oversight import Answer, Cell, Edition, Figure, Gap, Report, Table, event_of
from groundrule.evidence.render.page import CONTENT_POLICY
from groundrule.evidence.render.words import LANGUAGES, visible, words
from groundrule.instant import NS_PER_S, format_instant

CSV_COLUMNS = ("question", "kind", "name", "column", "row", "value", "unit", "standing", "detail")
_CODED = {
    "outcome": ("outcome_", ""), "legal_basis": ("basis_",), "kind": ("kind_", "party_"), "class": ("class_",), "role": ("role_",),
    "verdict": ("",), "direction": ("",), "state": ("",), "control": ("",), "tests": ("",), "country": ("",), "programme": ("",),
    "protected_class": ("",),
}  # fmt: skip
"""Columns that hold codes, and the beginnings of their keys in the words of a dossier."""
MINUTE_S = 60
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class OversightWords:
    """The words of one language.

    Attributes:
        language: BCP 47 tag.
        tables: page, events, questions, how, figures, tables, columns, units, codes, why, need and cautions.
    """

    language: str
    tables: Mapping[str, Mapping[str, str]]

    def __call__(self, table: str, key: str) -> str:
        """Return a word.

        Raises:
            KeyError: the language has no such word.
        """
        return self.tables[table][key]

    def why(self, gap: Gap) -> str:
        """Return the reason of a gap, with its detail as text."""
        return self.tables["why"][gap.why].replace("{detail}", visible(gap.detail))

    def number(self, value: int | None) -> str:
        """Return a number as the language writes it."""
        return self("page", "withheld") if value is None else words(self.language).forms.number(value)

    def amount(self, figure: Figure) -> str:
        """Return the value of a figure without its unit; a long time also in days, hours or minutes."""
        text = self.number(figure.value)
        if figure.unit == "s" and figure.value is not None and figure.value >= MINUTE_S:
            text = f"{words(self.language).forms.lasting(figure.value * NS_PER_S)} = {text}"
        return text

    def cell(self, column: str, value: Cell) -> str:
        """Return a value of a table: a number, a word for a code, or the text as it is."""
        if value is None or isinstance(value, int):
            return self.number(value)
        if column in _CODED:
            if value in self.tables["codes"]:
                return self.tables["codes"][value]
            known = words(self.language).tables["codes"]
            for beginning in _CODED[column]:
                if beginning + value in known:
                    return known[beginning + value]
        if column == "reason":
            return words(self.language).reason(value)
        return visible(value)

    def fill(self, key: str, **values: str) -> str:
        """Return a line of the page with values in it, as text."""
        line = self("page", key)
        for name, value in values.items():
            line = line.replace("{" + name + "}", value)
        return line


@lru_cache(maxsize=len(LANGUAGES))
def oversight_words(language: str = "en") -> OversightWords:
    """Return the words of a language.

    Raises:
        InputError: there are none.
    """
    if language not in LANGUAGES:
        raise InputError(f"no words in `{language[:20]}`", help=f"one of {', '.join(LANGUAGES)}")
    text = (files(__package__) / "words" / f"oversight_{language}.toml").read_text(encoding="utf-8")
    return OversightWords(language, tomllib.loads(text))


def oversight_documents(language: str = "en") -> Callable[[Report], dict[str, bytes]]:
    """Return what makes the documents of a report in a language; the CSV is the same in each.

    Raises:
        InputError: there are no words in this language.
    """
    oversight_words(language)
    return lambda report: {"oversight.html": oversight_html(report, language=language), "oversight.csv": oversight_csv(report)}


def oversight_html(report: Report, *, language: str = "en") -> bytes:
    """Return the page: self-contained, without scripts, everything escaped.

    Raises:
        InputError: there are no words in this language.
    """
    said = oversight_words(language)
    groups = [(event.value, list(answers)) for event, answers in groupby(report.answers, key=lambda each: event_of(each.question))]
    unknown = len(report.unanswered)
    since, until = _shown(report.from_ns), _shown(report.until_ns)
    made = _environment().get_template("oversight.html").render(
        r=report,
        w=said,
        language=language,
        policy=CONTENT_POLICY,
        since=since,
        until=until,
        interval=said.fill("interval", **{"from": format_instant(report.from_ns), "until": format_instant(report.until_ns)}),
        answered=said.fill(
            "answered", answered=str(len(report.answers) - unknown), all=str(len(report.answers)), unknown=str(unknown)
        ),
        groups=groups,
        amount=said.amount,
        cell=said.cell,
        why=said.why,
        more=lambda n: said.fill("more", more=str(n)),
        short=visible,
        inputs=_inputs(report, said),
    )  # fmt: skip
    return made.encode()


def _shown(instant_ns: int) -> str:
    text = format_instant(instant_ns)
    return text.removesuffix("T00:00:00Z")


def _inputs(report: Report, said: OversightWords) -> list[str]:
    given = report.inputs
    log = said.fill("log", origin=visible(given.log.origin), size=str(given.log.size), root=given.log.root) if given.log.size else None
    lines = [log or said("page", "no_log")]
    if report.edition is Edition.FULL:
        lines.append(said.fill("history", runs=str(given.runs), digest=given.runs_sha256))
        lines.append(said.fill("registers", revision=str(given.register_revision), digest=given.register_digest))
    return lines


def oversight_csv(report: Report) -> bytes:
    """Return every figure, cell and gap as a row of text that no spreadsheet takes for a formula."""
    made = io.StringIO()
    out = csv.writer(made, lineterminator="\r\n")
    out.writerow(CSV_COLUMNS)
    for answer in report.answers:
        for row in _rows(answer):
            out.writerow([_plain(each) for each in row])
    return made.getvalue().encode()


def _rows(answer: Answer) -> list[tuple[Cell, ...]]:
    found: list[tuple[Cell, ...]] = [
        (answer.question, "figure", each.name, "", "", each.value, each.unit, each.standing.value, "") for each in answer.figures
    ]
    for table in answer.tables:
        found += _cells(answer.question, table)
    found += [
        (answer.question, "unknown", each.why, "", "", "", "", "unknown", f"{each.need} {each.detail}".strip()) for each in answer.gaps
    ]
    return found


def _cells(question: str, table: Table) -> list[tuple[Cell, ...]]:
    return [
        (question, "cell", table.name, column, number, value, "", "", "")
        for number, row in enumerate(table.rows, 1)
        for column, value in zip(table.columns, row, strict=True)
    ]


def _plain(value: Cell) -> str:
    if value is None:
        return ""
    if isinstance(value, int):
        return str(value)
    text = visible(value).replace("\n", " ")
    return f"'{text}" if text.startswith(_FORMULA) else text


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("groundrule.evidence.render", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
