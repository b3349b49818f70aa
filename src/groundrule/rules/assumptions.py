"""Reads the `assumptions` of a rulebook: numbers that turn raw evidence into three-valued evidence."""

from __future__ import annotations

from dataclasses import replace

from groundrule.records import POSITION_SOURCES
from groundrule.rules.canonical import ASSUMPTION_KEYS
from groundrule.rules.model import RADIO_REASONS, Assumptions, RadioPosition
from groundrule.rules.nodes import Node, Reader

_NUMBERS = {
    "edge_probability": (0.0, 0.5),
    "max_gap_s": (1.0, 86_400.0),
    "max_position_age_s": (0.0, 1e9),
    "decision_valid_s": (0.0, 1e9),
}
MAX_RADIO_AGE_S = 3_600.0
"""A place that is older says nothing of a terminal that may have moved [s]."""
MAX_HELD_S = 86_400.0
"""A contradiction is held no longer than this without a new measurement [s]."""


def read_assumptions(reader: Reader, node: Node) -> Assumptions:
    """Read what is assumed; what is left out is as in `Assumptions`. Problems are left with the reader."""
    base = Assumptions()
    inner = reader.mapping(node, ASSUMPTION_KEYS, "`assumptions`")
    sigma = dict(base.position_sigma_m)
    if "position_sigma_m" in inner:
        written = reader.mapping(inner["position_sigma_m"][1], POSITION_SOURCES, "`position_sigma_m`")
        for source, (_, each) in written.items():
            value = reader.number(each, f"sigma of `{source}`", 0.0, 1e7)
            sigma[source] = sigma.get(source, 0.0) if value is None else value
    numbers: dict[str, float] = {}
    for name, (low, high) in _NUMBERS.items():
        value = reader.number(inner[name][1], f"`{name}`", low, high) if name in inner else None
        numbers[name] = getattr(base, name) if value is None else value
    radio = _radio_position(reader, inner["radio_position"][1]) if "radio_position" in inner else None
    return Assumptions(tuple(sorted(sigma.items())), **numbers, radio_position=radio)


def read_detection(reader: Reader, node: Node) -> tuple[tuple[str, tuple[tuple[str, float], ...]], ...]:
    """Read thresholds of detectors, by behaviour and name; which there are, detectors say. Problems are left with the reader."""
    found = []
    for behaviour, (_, inner) in reader.mapping(node, None, "`detection`").items():
        numbers = reader.mapping(inner, None, f"`{behaviour}`")
        read = {name: reader.number(value, f"`{name}` of `{behaviour}`") for name, (_, value) in numbers.items()}
        found.append((behaviour, tuple(sorted((name, value) for name, value in read.items() if value is not None))))
    return tuple(sorted(found))


def _radio_position(reader: Reader, node: Node) -> RadioPosition | None:
    inner = reader.mapping(node, ("use_when", "max_age_s", "hold_inconsistent_s"), "`radio_position`", ("use_when",))
    if "use_when" not in inner:
        return None
    items = reader.one_or_more(inner["use_when"][1], "`use_when`")
    words = {reader.choice(item, RADIO_REASONS, "reason to use the radio position") for item in items}
    found = tuple(sorted(word for word in words if word is not None))
    age = reader.number(inner["max_age_s"][1], "`max_age_s`", 1.0, MAX_RADIO_AGE_S) if "max_age_s" in inner else None
    used = RadioPosition(found) if age is None else RadioPosition(found, age)
    if "hold_inconsistent_s" not in inner:
        return used
    node = inner["hold_inconsistent_s"][1]
    return replace(used, hold_inconsistent_s=reader.number(node, "`hold_inconsistent_s`", used.max_age_s, MAX_HELD_S))
