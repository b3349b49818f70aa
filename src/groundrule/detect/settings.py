"""All thresholds of detectors in one place, as shipped or as a rulebook states them.

A rulebook states thresholds by behaviour and name (`detection: {drone_flight: {launch_s: 45}}`), so that a change of them is
proposed, approved and logged like any rule. What it doesn't state is as shipped.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final

from groundrule.detect.accounts import AccountSettings
from groundrule.detect.company import CompanySettings
from groundrule.detect.motions import MotionSettings
from groundrule.detect.navigation import NavigationSettings
from groundrule.detect.service import ServiceSettings
from groundrule.detect.straw import StrawSettings
from groundrule.detect.whereabouts import WhereaboutsSettings
from groundrule.errors import InputError

Stated = Iterable[tuple[str, Iterable[tuple[str, float]]]]
"""Thresholds of a rulebook: behaviours, each with names and numbers."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Thresholds of all detectors; see their modules."""

    motion: MotionSettings = field(default_factory=MotionSettings)
    whereabouts: WhereaboutsSettings = field(default_factory=WhereaboutsSettings)
    navigation: NavigationSettings = field(default_factory=NavigationSettings)
    company: CompanySettings = field(default_factory=CompanySettings)
    straw: StrawSettings = field(default_factory=StrawSettings)
    accounts: AccountSettings = field(default_factory=AccountSettings)
    service: ServiceSettings = field(default_factory=ServiceSettings)


BEHAVIOURS: Final[Mapping[str, tuple[str, str | None]]] = {
    "track": ("motion", "track"),
    "drone_flight": ("motion", "drone"),
    "speed": ("motion", "speed"),
    "travel": ("motion", "travel"),
    "cloned_identity": ("motion", "clone"),
    "crossing": ("whereabouts", "crossing"),
    "used_elsewhere": ("whereabouts", "elsewhere"),
    "dormant_at_front": ("whereabouts", "dormant"),
    "roaming_beyond_limits": ("whereabouts", "roaming"),
    "navigation": ("navigation", None),
    "straw_registration": ("straw", None),
    "account_risk": ("accounts", None),
    "compound": ("company", "compound"),
    "convoy": ("company", "convoy"),
    "service": ("service", None),
}
"""Name of each behaviour in a rulebook: the attribute of `Settings`, and the attribute within it."""


def behaviour(settings: Settings, name: str) -> Any:
    """Return the thresholds of one behaviour, a dataclass."""
    outer, inner = BEHAVIOURS[name]
    found = getattr(settings, outer)
    return found if inner is None else getattr(found, inner)


def settings_of(stated: Stated) -> Settings:
    """Return the thresholds that hold under a rulebook.

    Raises:
        InputError: there is no such behaviour or threshold, or its number is of another kind.
    """
    settings = Settings()
    for name, numbers in stated:
        if name not in BEHAVIOURS:
            raise InputError(f"`detection` knows no behaviour `{name}`", help=_known(name, BEHAVIOURS), field=f"detection.{name}")
        before = behaviour(settings, name)
        names = [each.name for each in fields(before)]
        changes: dict[str, float] = {}
        for key, value in numbers:
            if key not in names:
                raise InputError(f"`{name}` has no threshold `{key}`", help=_known(key, names), field=f"detection.{name}.{key}")
            changes[key] = _number(name, key, value, getattr(before, key))
        outer, inner = BEHAVIOURS[name]
        after = replace(before, **changes)
        whole = after if inner is None else replace(getattr(settings, outer), **{inner: after})
        settings = replace(settings, **{outer: whole})
    return settings


def _number(name: str, key: str, value: float, shipped: float) -> float:
    place = f"detection.{name}.{key}"
    if not math.isfinite(value) or value < 0.0 <= shipped:
        raise InputError(f"`{key}` of `{name}` is {value:g}", help="wanted a number from 0 on", field=place, value=value)
    if isinstance(shipped, int):
        if value != int(value):
            raise InputError(f"`{key}` of `{name}` is {value:g}", help="wanted a whole number", field=place, value=value)
        return int(value)
    return value


def _known(word: str, words: Iterable[str]) -> str:
    listed = sorted(words)
    near = difflib.get_close_matches(word, listed, 1)
    return f"did you mean `{near[0]}`?" if near else f"known are {', '.join(listed)}"
