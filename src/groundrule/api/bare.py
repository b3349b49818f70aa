"""Texts for strangers: a path of this machine tells them nothing but where to attack, so of each only the last part is said."""

from __future__ import annotations

import re
from typing import Final

_QUOTED: Final = re.compile(r"`(?:[A-Za-z]:)?[/\\][^`\n]*[/\\]([^`/\\\n]+)[/\\]?`")
"""A path in quotes, which may hold spaces."""
_PLAIN: Final = re.compile(r"(?<![\w:./`~-])(?:~|[A-Za-z]:)?(?:/[^\s`/:;,()'\"]+)+/([^\s`/:;,()'\"]+)")
"""A path with at least one folder; an address of the web has its scheme before it."""
_ROUTES: Final = ("/v1/", "/ogc/", "/ledger/", "/healthz", "/readyz")


def without_paths(text: str) -> str:
    """Return a text in which of each absolute path the last part stands; routes of the service stay.

    Example:
        >>> without_paths("cannot read `/srv/my home/records.sqlite`: see /var/log/messages, /v1/status and https://example.org/a/b")
        'cannot read `records.sqlite`: see messages, /v1/status and https://example.org/a/b'
    """

    def last(found: re.Match[str]) -> str:
        whole = found[0].strip("`")
        if whole.startswith(_ROUTES):
            return found[0]
        return f"`{found[1]}`" if found[0].startswith("`") else found[1]

    return _PLAIN.sub(last, _QUOTED.sub(last, text)) if "/" in text or "\\" in text else text
