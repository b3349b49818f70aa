"""In which language an answer is: what the request asks for, else what its reader's browser prefers, else English."""

from __future__ import annotations

from typing import Annotated, Final, TypeVar

from litestar import Response
from litestar.params import HeaderParameter, Parameter

from groundrule.evidence.render.words import LANGUAGES, vocabulary

T = TypeVar("T")
DEFAULT: Final = "en"
_MAX_TAGS: Final = 50
"""Languages of one header that are looked at."""

Language = Annotated[
    str | None,
    Parameter(
        pattern="^[a-z]{2,3}$",
        description="Language of the sentences: en, de or uk; the default is what `Accept-Language` prefers, else English. A message of a "
        "rule may have further ones.",
    ),
]
Accepted = Annotated[str | None, HeaderParameter(name="Accept-Language", description="Languages that the reader prefers.")]


def language_of(asked: str | None, accepted: str | None) -> str:
    """Return the language to answer in.

    Args:
        asked: by the request itself; it holds even where there are no words of it, for there may be a message.
        accepted: value of `Accept-Language` (RFC 9110, 12.5.4); what is no such value is passed over.

    Example:
        >>> language_of(None, "fr, de-AT;q=0.8, en;q=0.9, uk;q=0")
        'en'
    """
    if asked is not None:
        return asked
    weighed: list[tuple[float, str]] = []
    for each in (accepted or "").split(",")[:_MAX_TAGS]:
        tag, _, rest = each.partition(";")
        bare = tag.strip().partition("-")[0].lower()
        name, _, number = rest.partition("=")
        try:
            weight = float(number) if name.strip() == "q" else 1.0
        except ValueError:
            continue
        if bare in LANGUAGES and 0 < weight <= 1:
            weighed.append((weight, bare))
    return max(weighed, key=lambda found: found[0])[1] if weighed else DEFAULT


def told(content: T, language: str, *, status_code: int = 200) -> Response[T]:
    """Answer, and say in which language.

    Args:
        language: that was asked for; what it has no words for is in English.
    """
    headers = {"Content-Language": vocabulary(language).language, "Vary": "Accept-Language"}
    return Response(content, status_code=status_code, headers=headers)
