"""A dossier as one self-contained page: no script, no address outside, everything escaped.

The page reads from the top as a stranger asks: what happened, on whose request, who decided, what is only claimed. Every statement
carries a mark of how it stands and a link to what it rests on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from groundrule.evidence.dossier import Dossier, Statement, Times
from groundrule.evidence.render.words import Words, names_in, visible, words
from groundrule.instant import format_instant

CONTENT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""What a browser may load for the page: its own styles and pictures inside it, and nothing from anywhere."""


def page_html(dossier: Dossier, *, language: str = "en", pictures: Mapping[str, str] | None = None) -> bytes:
    """Return the page.

    Args:
        language: of the words; one of `words.LANGUAGES`.
        pictures: SVG documents by place, such as `map`; drawn by `evidence.render`, never taken from outside.
    Raises:
        InputError: there are no words in this language.
    """
    said = words(language)
    names = names_in(dossier)
    made = _environment().get_template("dossier.html").render(
        d=dossier,
        w=said,
        language=language,
        policy=CONTENT_POLICY,
        pictures=dict(pictures or {}),
        say=lambda each: said.say(each.phrase, names),
        name=lambda ref: visible(str(names.get(ref, ref))),
        times=lambda each: times_of(said, each.times),
        timeline=timeline(dossier),
        moment=lambda at: "–" if at is None else format_instant(at),
        short=visible,
    )
    return made.encode()


def timeline(dossier: Dossier) -> list[tuple[int, Statement]]:
    """Return the statements that have a time, in its order."""
    known = [(at, each) for each in dossier.statements if (at := each.times.order_ns) is not None]
    return sorted(known, key=lambda pair: (pair[0], int(pair[1].id[1:])))


def times_of(said: Words, times: Times) -> list[tuple[str, str]]:
    """Return the times of a statement with their names."""
    found: list[tuple[str, Any]] = [
        ("observed", times.observed_at_ns),
        ("decided", times.decided_at_ns),
        ("effective_from", times.effective_from_ns),
        ("effective_until", times.effective_until_ns),
        ("recorded", times.recorded_at_ns),
    ]
    shown = [(said("times", name), format_instant(at)) for name, at in found if at is not None]
    return shown + ([(said("times", "happened"), visible(times.happened))] if times.happened else [])


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("groundrule.evidence.render", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
