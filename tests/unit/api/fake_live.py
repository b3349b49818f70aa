"""A stand-in for the open home, for tests of the edge alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from groundrule.store.home import Home


@dataclass
class FakeLive:
    path: Path
    checks: tuple[Any, ...] = ()
    name: str = "home-of-tests"
    home: Home = field(init=False)

    def __post_init__(self) -> None:
        self.home = Home(self.path, self.name)

    def status(self) -> Any:
        return SimpleNamespace(checks=self.checks, ready=all(each.ok for each in self.checks if each.vital))

    def measure(self, _metrics: Any) -> None:
        return None
