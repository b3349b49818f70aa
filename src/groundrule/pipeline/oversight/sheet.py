"""What answers are written from, and the short forms in which they are written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from groundrule.evidence.dossier import Source, Standing
from groundrule.evidence.oversight import Answer, Cell, Figure, Gap, Table, shorten
from groundrule.instant import NS_PER_S
from groundrule.pipeline.dossiers.bench import Bench
from groundrule.pipeline.oversight.log_view import LogView


@dataclass(frozen=True, slots=True)
class Desk:
    """An opened home and an interval of it [ns, UTC]."""

    bench: Bench
    log: LogView
    from_ns: int
    until_ns: int

    def inside(self, at_ns: int) -> bool:
        """Tell whether an instant lies in the interval."""
        return self.from_ns <= at_ns < self.until_ns

    @property
    def governed(self) -> bool:
        """Whether a charter governed at the end of the interval."""
        return self.log.state.charter is not None


@dataclass(slots=True)
class Draft:
    """An answer in the making."""

    question: str
    how: str
    figures: list[Figure] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    sources: tuple[Source, ...] = ()
    cautions: tuple[str, ...] = ()
    gaps: list[Gap] = field(default_factory=list)

    def figure(
        self, name: str, value: int, unit: str, *, open_: bool = False, standing: Standing = Standing.RECORDED
    ) -> None:
        """Add a number."""
        self.figures.append(Figure(name, value, unit, standing, open_))

    def seconds(self, name: str, values: Sequence[int], *, open_: bool = False) -> None:
        """Add median, 90th percentile and maximum of durations [ns], as inferences; nothing where there are none."""
        for which, value in quantiles([each // NS_PER_S for each in values]):
            self.figure(f"{name}_{which}", value, "s", open_=open_, standing=Standing.INFERENCE)

    def table(self, name: str, columns: Sequence[str], rows: Iterable[Sequence[Cell]], *, open_: bool = False) -> None:
        """Add a table; one without rows is left out."""
        held = tuple(tuple(row) for row in rows)
        if held:
            self.tables.append(Table(name, tuple(columns), held, open_))

    def count(self, name: str, column: str, values: Iterable[str], *, open_: bool = False) -> None:
        """Add a table of how often each value occurs, by value."""
        found = Counter(values)
        self.table(name, (column, "number"), sorted(found.items()), open_=open_)

    def gap(self, why: str, need: str, detail: str = "") -> None:
        """Say what is not answered."""
        self.gaps.append(Gap(why, need, detail))

    def finished(self) -> Answer:
        """Return the answer."""
        named, more = shorten(self.sources)
        return Answer(
            self.question, self.how, tuple(self.figures), tuple(self.tables), named, more, self.cautions, tuple(self.gaps)
        )


def quantiles(values: Sequence[int]) -> list[tuple[str, int]]:
    """Return median, 90th percentile and maximum: the smallest value that so many of all do not exceed."""
    if not values:
        return []
    ordered = sorted(values)
    places = {"median": -(-len(ordered) // 2), "p90": -(-9 * len(ordered) // 10), "longest": len(ordered)}
    return [(name, int(ordered[place - 1])) for name, place in places.items()]


def not_answered(question: str, why: str, need: str) -> Answer:
    """Return an answer that says why there is none."""
    return Answer(question, "none", gaps=(Gap(why, need),))
