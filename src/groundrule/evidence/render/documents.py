"""Everything of a dossier that people read, by name in its bundle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from groundrule.evidence.dossier import Dossier
from groundrule.evidence.outlines import Outlines
from groundrule.evidence.render.page import page_html
from groundrule.evidence.render.pdf import can_print, page_pdf
from groundrule.evidence.render.tables import read_me, statements_csv, timeline_csv

NO_PDF = "no dossier.pdf: it needs an optional package; install it with: pip install 'groundrule[reports]'"


@dataclass(frozen=True, slots=True)
class Documents:
    """What was made.

    Attributes:
        files: by name.
        missing: what was not made and how it could be, one sentence each.
    """

    files: Mapping[str, bytes]
    missing: tuple[str, ...] = ()


def documents(
    dossier: Dossier,
    *,
    language: str = "en",
    files: Mapping[str, bytes] | None = None,
    pdf: bool = True,
    outlines: Outlines | None = None,
) -> Documents:
    """Make the page, the PDF, the tables and the sheet beside them.

    Args:
        language: of the words.
        files: others of the bundle, whose digests the page lists.
        pdf: whether to make the PDF where the package for it is installed.
        outlines: basemap; None: the shipped one.
    Raises:
        InputError: there are no words in this language.
    """
    page = page_html(dossier, language=language, files=files, outlines=outlines)
    made = {
        "READ-ME.txt": read_me(dossier, language=language, files=files),
        "dossier.html": page,
        "statements.csv": statements_csv(dossier, language=language),
        "timeline.csv": timeline_csv(dossier, language=language),
    }
    if not pdf:
        return Documents(made)
    if not can_print():
        return Documents(made, (NO_PDF,))
    return Documents(made | {"dossier.pdf": page_pdf(page)})
