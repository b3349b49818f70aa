"""What is said of a verification, in the language of its reader: to the operator's side with distance and size, to others without."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

_MARKS = {"en": (",", "."), "de": (".", ","), "uk": ("\u00a0", ",")}
"""Between thousands, and before decimals."""


@cache
def sentences(language: str) -> Mapping[str, str]:
    """Return the sentences of a language by key; English where there are none of it."""
    whole = tomllib.loads((files("groundrule.evidence") / "verification_words.toml").read_text(encoding="utf-8"))
    found: Mapping[str, str] = whole.get(language, whole["en"])
    return found


def say_to_operator(
    language: str, *, verdict: str, distance_m: float | None, major_95_m: float | None, minor_95_m: float | None
) -> str:
    """Return what the operator's side is told of a verification.

    Args:
        language: en, de or uk.
        verdict: word of `verify`.
        distance_m: from the claim to the estimate [m]; None without either.
        major_95_m, minor_95_m: axes of the 95 % ellipse [m]; None without an estimate.
    """
    say = sentences(language)
    key = verdict
    if distance_m is None and verdict in ("consistent", "inconsistent"):
        key = "inconsistent_bare" if verdict == "inconsistent" else "owner_consistent"
    parts = [say[key].format(distance=length(distance_m or 0.0, language))]
    if major_95_m is not None and minor_95_m is not None and verdict != "fault":
        parts.append(say["ellipse"].format(major=length(major_95_m, language), minor=length(minor_95_m, language)))
    return " ".join(parts)


def say_to_owner(language: str, verdict: str) -> tuple[str, str]:
    """Return what an owner or a regulator is told of a verification, and the way to appeal."""
    say = sentences(language)
    return say[f"owner_{verdict}"], say["owner_appeal"]


def length(value_m: float, language: str) -> str:
    """Write a length with two or three digits that count, in m or km."""
    if value_m >= 1e8:
        return "> 100000 km"
    number, unit = (value_m, "m") if value_m < 1_000 else (value_m / 1e3, "km")
    text = f"{number:,.{1 if number < (10 if unit == 'm' else 100) else 0}f}"
    thousands, decimal = _MARKS.get(language, _MARKS["en"])
    return text.replace(",", "\0").replace(".", decimal).replace("\0", thousands) + f" {unit}"
