"""What is said of a verification, in the language of its reader: to the operator's side with distance and size, to others without."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

_DECIMAL = {"de": ",", "uk": ","}


@cache
def sentences(language: str) -> Mapping[str, str]:
    """Return the sentences of a language by key; English where there are none of it."""
    whole = tomllib.loads((files("groundrule.evidence") / "verification_words.toml").read_text(encoding="utf-8"))
    found: Mapping[str, str] = whole.get(language, whole["en"])
    return found


def say_to_operator(
    language: str, *, verdict: str, assurance: str, distance_m: float | None, major_95_m: float | None, minor_95_m: float | None
) -> str:
    """Return what the operator's side is told of a verification.

    Args:
        language: en, de or uk.
        verdict, assurance: words of `verify`.
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
    if verdict in ("consistent", "inconsistent") and assurance in say:
        parts.append(say[assurance])
    return " ".join(parts)


def say_to_owner(language: str, verdict: str) -> tuple[str, str]:
    """Return what an owner or a regulator is told of a verification, and the way to appeal."""
    say = sentences(language)
    return say[f"owner_{verdict}"], say["owner_appeal"]


def length(value_m: float, language: str) -> str:
    """Write a length with two or three digits that count, in m or km."""
    if value_m < 1_000:
        return f"{value_m:.0f} m" if value_m >= 10 else f"{value_m:.1f} m".replace(".", _DECIMAL.get(language, "."))
    kilometres = value_m / 1e3
    digits = 1 if kilometres < 100 else 0
    return f"{kilometres:.{digits}f} km".replace(".", _DECIMAL.get(language, ".")) if kilometres < 1e5 else "> 100000 km"
