"""The page on paper: the same HTML, set as PDF with bookmarks, page numbers and tags for readers who cannot see it.

Nothing is fetched: the page holds everything that it shows, and a request for anything else is refused. WeasyPrint is an optional package.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, NoReturn

from groundrule.errors import MissingExtra

VARIANT = "pdf/ua-1"
"""For people and programs that read by structure (ISO 14289-1)."""


class Refused(Exception):
    """The page asked for something outside itself."""


def can_print() -> bool:
    """Tell whether the package that sets pages is installed."""
    return find_spec("weasyprint") is not None


def page_pdf(page: bytes) -> bytes:
    """Return a page as PDF.

    Args:
        page: HTML as `page.page_html` makes it.
    Raises:
        MissingExtra: the extra `reports` is not installed, or the system's library for text (Pango) is missing.
    """
    try:
        import weasyprint  # noqa: PLC0415 - optional, and slow to load
    except (ImportError, OSError) as absent:  # OSError: the package is there, Pango is not
        raise MissingExtra("reports", needed_for="writing a dossier as PDF") from absent
    with _quiet():
        document = weasyprint.HTML(string=page.decode(), base_url=None, url_fetcher=RefuseAll())
        written: Any = document.write_pdf(pdf_variant=VARIANT, pdf_tags=True, custom_metadata=False)
    return bytes(written)


class RefuseAll:
    """A fetcher that fetches nothing; what a page asks for is left out of it."""

    _fail_on_errors = False  # WeasyPrint 68 and later ask for it

    def __call__(self, url: str, *_: object, **__: object) -> NoReturn:
        """Refuse.

        Raises:
            Refused: always.
        """
        raise Refused(f"a dossier fetches nothing, and not {url[:80]!a}")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep remarks about CSS for screens out of the terminal."""
    log = logging.getLogger("weasyprint")
    before = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(before)
