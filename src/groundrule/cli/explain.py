"""`groundrule explain`."""

from __future__ import annotations

import math
import re
from enum import StrEnum
from typing import Annotated

import typer

from groundrule.cli.output import DEFAULT_HOME, HomeOption, OutputJson, print_json, print_text, warn
from groundrule.cli.rules import instant_option
from groundrule.errors import InputError
from groundrule.instant import format_instant
from groundrule.pipeline.explain import Found, explain_terminal
from groundrule.store.home import Home

_LANGUAGE = re.compile("[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")


class For(StrEnum):
    """For whom an explanation is."""

    OPERATOR = "operator"
    OWNER = "owner"


def explain(
    terminal: Annotated[str, typer.Argument(help="Terminal id.")],
    home: HomeOption = DEFAULT_HOME,
    at: Annotated[
        str | None, typer.Option("--at", help="The last decision up to this time; the default is the latest.")
    ] = None,
    audience: Annotated[
        For, typer.Option("--for", help="Owners see reason, basis, message and appeal; no thresholds.")
    ] = For.OPERATOR,
    language: Annotated[
        str, typer.Option("--language", help="Language of all that is said: en, de or uk; a message may have others.")
    ] = "en",
    as_json: OutputJson = False,
) -> None:
    """Say why a terminal is or is not served, and which rule came nearest to a denial."""
    if _LANGUAGE.fullmatch(language) is None:
        raise InputError(f"`{language[:20]}` is no language", help="a code such as en, de or uk", option="--language")
    place = Home.open(home)
    found = explain_terminal(
        place, terminal, at_ns=instant_option(at, "--at"), audience=audience.value, language=language
    )
    if found.explanation.say.language != language.partition("-")[0].lower():
        warn(f"there are no words in `{language}`: all but a rule's own message is in English")
    if as_json:
        print_json(
            {
                "terminal": found.terminal_id,
                **found.explanation.as_dict(),
                **(place_dict(found) if audience is For.OPERATOR else {}),
            }
        )
        return
    say = found.explanation.say
    print_text(say("at_place", terminal=found.terminal_id, at=format_instant(found.observed_at_ns)))
    if audience is For.OPERATOR:
        print_text(place_sentence(found))
    print_text(found.explanation.as_text())


def place_dict(found: Found) -> dict[str, object]:
    """Position and areas as JSON."""
    known = not math.isnan(found.lat_deg)
    return {
        "position": {"lat_deg": found.lat_deg, "lon_deg": found.lon_deg} if known else None,
        "areas": [{"id": name, "membership": word, "probability": round(p, 4)} for name, word, p in found.areas],
        "radio": None if found.radio is None else {**found.radio, "at": format_instant(found.radio["at_ns"])},
    }


def place_sentence(found: Found) -> str:
    """Position and areas in one line."""
    say = found.explanation.say
    if math.isnan(found.lat_deg):
        return say("position_unknown")
    names = [name if word == "inside" else say("edge_of", area=name, share=f"{p:.0%}") for name, word, p in found.areas]
    where = f"{found.lat_deg:.5f}, {found.lon_deg:.5f}"
    return say("position_in", position=where, areas=", ".join(names) or say("no_area"))
