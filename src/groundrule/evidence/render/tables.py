"""A dossier as tables for spreadsheets, and the sheet that says how to read and check it.

CSV as of RFC 4180, every field quoted, UTF-8 with the mark that makes spreadsheets read it as such. A text that a spreadsheet would compute
gets an apostrophe before it; characters that cannot be seen are named; a line break inside a text becomes a sign: one row is one line.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from groundrule.evidence.dossier import Dossier, Statement
from groundrule.evidence.render.page import shown_at, timeline
from groundrule.evidence.render.page_parts import headline, receipts
from groundrule.evidence.render.words import Words, names_in, visible, words
from groundrule.instant import format_instant

MARK = "\ufeff"
_COMPUTED = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20", "|", "%")
STATEMENT_COLUMNS = ("id", "section", "standing", "says", "observed", "decided", "effective_from", "effective_until", "recorded",
                     "happened", "rests_on", "proofs", "about", "flags")  # fmt: skip
TIMELINE_COLUMNS = ("time_utc", "shown", "standing", "says", "id")


def statements_csv(dossier: Dossier, *, language: str = "en") -> bytes:
    """Return every statement of a dossier, one a row; the names of columns are the same in every language."""
    said = words(language)
    names, proofs = names_in(dossier, said), receipts(dossier)
    rows = [
        _row(each, said("titles", section.key), said, said.say(each.phrase, names), proofs.get(each.id, ""))
        for section in dossier.sections
        for each in section.statements
    ]
    return _csv(STATEMENT_COLUMNS, rows)


def timeline_csv(dossier: Dossier, *, language: str = "en") -> bytes:
    """Return the statements that have a time, in its order."""
    said = words(language)
    names = names_in(dossier, said)
    rows = [
        (format_instant(at), shown_at(said, at, each).text, said("standings", each.standing.value), said.say(each.phrase, names), each.id)
        for at, each in timeline(dossier)
    ]
    return _csv(TIMELINE_COLUMNS, rows)


def read_me(dossier: Dossier, *, language: str = "en", files: Mapping[str, bytes] | None = None) -> bytes:
    """Return the sheet that says in five minutes how a dossier is read and checked.

    Args:
        files: others of the bundle: what is not there for this reader is not listed as if it were.
    """
    said = words(language)
    title = said.fill("readme", "title", title=headline(dossier, said, names_in(dossier, said)))
    names = [name.partition("/")[0] for name in files or ()]
    held = {"openings": "openings.json" in names, "rulebooks": "rulebooks" in names}
    more = [said("readme", part if there else f"no_{part}") for part, there in held.items()]
    text = said.fill(
        "readme",
        "text",
        kind=said("titles", f"subject_{dossier.kind.value}"),
        id=visible(dossier.id),
        made=said.forms.moment(dossier.made_at_ns),
        reader=said("readers", dossier.reader.value),
        left=said("readme", "left_out" if dossier.redactions else "whole"),
        more="\n".join(more),
        vouched=f"  {said('page', 'in_log' if dossier.in_log else 'not_in_log') if dossier.log.origin else said('page', 'no_log')}",
    )
    title = " ".join(title.split())
    return f"{title}\n{'=' * min(len(title), 100)}\n\n{text}".encode()


def _row(each: Statement, section: str, said: Words, sentence: str, receipt: str) -> tuple[str, ...]:
    times = each.times
    instants = (times.observed_at_ns, times.decided_at_ns, times.effective_from_ns, times.effective_until_ns, times.recorded_at_ns)
    return (
        each.id,
        section,
        said("standings", each.standing.value),
        sentence,
        *("" if at is None else format_instant(at) for at in instants),
        times.happened,
        "; ".join(source.ref for source in each.sources),
        "; ".join([*(source.file for source in each.sources if source.file), *([receipt] if receipt else [])]),
        "; ".join(each.about),
        "; ".join(said.word("flags", flag) for flag in each.flags),
    )


def _csv(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    lines = [",".join(_field(each) for each in row) for row in (columns, *rows)]
    return (MARK + "".join(f"{line}\r\n" for line in lines)).encode()


def _field(text: str) -> str:
    """One field: shown as it is, and computed by no spreadsheet."""
    shown = visible(text).replace("\n", " ⏎ ")
    if shown.lstrip(" \u00a0").startswith(_COMPUTED) or text[:1] in ("\t", "\r"):
        shown = f"'{shown}"
    return '"' + shown.replace('"', '""') + '"'
