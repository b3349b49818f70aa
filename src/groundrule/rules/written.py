"""Where each rule stands in the text of a rulebook, and how it is written there."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

import yaml


class Written(NamedTuple):
    """A rule as it is written.

    Attributes:
        text: its lines, without the end of the last.
        line: of the rulebook, from 1, in which it begins.
    """

    text: str
    line: int


@lru_cache(maxsize=8)
def written_rules(text: str) -> Mapping[str, Written]:
    """Cut the rules out of the text of a rulebook.

    Args:
        text: YAML of a rulebook that was read before, so that nothing in it is unsound.
    Returns:
        Each rule by its id; empty for a text without rules.
    """
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    found: dict[str, Written] = {}
    for key, value in root.value if root is not None else ():
        for node in value.value if key.value == "rules" else ():
            name = next((item.value for label, item in node.value if label.value == "id"), None)
            if name is not None:
                start, end = node.start_mark, node.end_mark
                found[name] = Written(f"{' ' * start.column}{text[start.index : end.index]}".rstrip(), start.line + 1)
    return MappingProxyType(found)
