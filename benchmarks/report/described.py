"""What a person wrote about benchmarks: benchmarks/page.toml, read and checked.

The texts of the page stand there, and which figure is held against which goal. The goals themselves are judged by each benchmark, which
exits with 1; the numbers here repeat them for the table, and a difference between the two is told (`disagreement`).
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from report.results import Result


@dataclass(frozen=True)
class Goal:
    """A figure that is held against a number.

    Attributes:
        figure: dotted name of it.
        name: in words, with its unit.
        at_least, at_most, exactly: the goal; one of them.
    """

    figure: str
    name: str
    at_least: float | None = None
    at_most: float | None = None
    exactly: Any = None

    @property
    def text(self) -> str:
        """The goal as it stands in the table."""
        if self.exactly is not None:
            return "yes" if self.exactly is True else f"{self.exactly:,}"
        return f"≥ {self.at_least:,g}" if self.at_least is not None else f"≤ {self.at_most:,g}"

    def met(self, value: Any) -> bool:
        """Is it met?"""
        if self.exactly is not None:
            return bool(value == self.exactly)
        return bool(value >= self.at_least) if self.at_least is not None else bool(value <= self.at_most)

    def share(self, value: Any) -> float | None:
        """How many times better than the goal; below 1 it is missed. None where that says nothing."""
        if self.exactly is not None or not value:
            return None
        found = value / self.at_least if self.at_least is not None else self.at_most / value  # type: ignore[operator]
        return float(found) if math.isfinite(found) and found > 0 else None


@dataclass(frozen=True)
class Plot:
    """Bars of one benchmark.

    Attributes:
        title: what is shown, with its unit.
        bars: label and dotted name of the figure.
        ours: labels that are drawn as ours; the others are peers.
        log: the axis is logarithmic. goal: a line, None where there is none.
    """

    title: str
    bars: tuple[tuple[str, str], ...]
    ours: tuple[str, ...]
    log: bool = False
    goal: float | None = None


@dataclass(frozen=True)
class Described:
    """One benchmark as a person describes it.

    Attributes:
        name: of the script. what, peer, goal: cells of the first table.
        notes: what is said with its figures.
        goals, plots: what is held and drawn.
        quick: arguments for a look at whether it runs at all.
        with_data: further arguments where the optional data sets are there; `{data}` is their folder.
        separate: why `make bench` leaves it out; empty where it does not.
    """

    name: str
    what: str
    peer: str
    goal: str
    notes: str = ""
    goals: tuple[Goal, ...] = ()
    plots: tuple[Plot, ...] = ()
    quick: tuple[str, ...] = ()
    with_data: tuple[str, ...] = ()
    separate: str = ""


@dataclass(frozen=True)
class Page:
    """The texts of the page.

    Attributes:
        intro, after, figures: before the first table, after it, before the figures.
        benchmarks: in the order of the page.
    """

    intro: str
    after: str
    figures: str
    benchmarks: tuple[Described, ...] = field(default=())

    def of(self, name: str) -> Described | None:
        """Return what is said of a benchmark; None where nobody has said anything yet."""
        return next((each for each in self.benchmarks if each.name == name), None)


def read_page(path: Path) -> Page:
    """Read the texts.

    Raises:
        SystemExit: something is missing or misspelt.
    """
    held = tomllib.loads(path.read_text(encoding="utf-8"))
    try:
        found = tuple(_described(each) for each in held.pop("benchmark", []))
        return Page(**{name: text.strip() for name, text in held.items()}, benchmarks=found)
    except (TypeError, KeyError, AttributeError) as error:
        raise SystemExit(f"{path}: {error}; see benchmarks/report/described.py for what there is") from error


def disagreement(described: Described, result: Result) -> str:
    """Say where the exit code and the goals of the table say different things; empty where they agree."""
    flat = result.flat
    missed = [goal.name for goal in described.goals if goal.figure in flat and not goal.met(flat[goal.figure])]
    if missed and result.exit_code == 0:
        return f"it says that every goal is met, and benchmarks/page.toml that these are missed: {', '.join(missed)}"
    if not missed and result.exit_code and described.goals:
        return "it says that a goal is missed or an answer differs, and no goal in benchmarks/page.toml is"
    return ""


def _described(held: Mapping[str, Any]) -> Described:
    more = dict(held)
    goals = tuple(Goal(**each) for each in more.pop("goals", ()))
    for goal in goals:
        if sum(each is not None for each in (goal.at_least, goal.at_most, goal.exactly)) != 1:
            raise TypeError(f"`{goal.figure}` needs one of at_least, at_most, exactly")
    plots = tuple(
        Plot(**{**each, "bars": tuple((label, figure) for label, figure in each["bars"]), "ours": tuple(each["ours"])})
        for each in more.pop("plots", ())
    )
    texts = {name: value.strip() if isinstance(value, str) else tuple(value) for name, value in more.items()}
    return Described(**texts, goals=goals, plots=plots)
