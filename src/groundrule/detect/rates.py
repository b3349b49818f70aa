"""How often detectors err, as measured: false alarms per terminal-day, recall, and what a signal is worth at a base rate.

The numbers stand in `data/rates.json`, which `benchmarks/detect.py --write-rates` writes: measured on real tracks and on simulated
innocents; docs/detect.md says what was chosen with a view to them. A kind that is not there was not measured, and nothing is claimed of it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib import resources
from typing import Any

from groundrule.errors import InputError


@dataclass(frozen=True, slots=True)
class Rate:
    """False alarms of one kind of signal, counted.

    Attributes:
        kind: of the signal.
        events: false signals that were raised.
        terminal_days: time watched over innocents [d].
        measured_on: what the innocents were.
        found, present: how many cases of misuse were found of how many simulated ones.
    """

    kind: str
    events: int
    terminal_days: float
    measured_on: str
    found: int = 0
    present: int = 0

    @property
    def per_terminal_day(self) -> float:
        """The rate that was counted [1/d]."""
        return self.events / self.terminal_days

    @property
    def upper95(self) -> float:
        """Upper end of the exact one-sided 95 % interval of a Poisson count [1/d] (Garwood 1936)."""
        return poisson_limit(self.events) / self.terminal_days

    @property
    def recall(self) -> float | None:
        """Share of the simulated misuse that was found; None where there was none."""
        return self.found / self.present if self.present else None

    @property
    def words(self) -> str:
        """For people: what was counted, and what can be claimed."""
        return f"{self.events:,} in {self.terminal_days:,.0f} days, at most {self.upper95:.1e}"

    @property
    def value(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "per_terminal_day": self.per_terminal_day, "upper95": self.upper95, "recall": self.recall}

    def posterior(self, base_rate: float) -> float | None:
        """Return the probability that a terminal with this signal is what the signal says (Bayes).

        It is the least that the count allows: the upper end of the false-alarm rate. None where recall was not measured.

        Args:
            base_rate: of terminals, on a day, that are misused so [0 to 1].
        Raises:
            InputError: it is no share.
        """
        if not 0.0 <= base_rate <= 1.0:
            raise InputError(f"the base rate is {base_rate:g}", help="wanted a share from 0 to 1", field="base_rate", value=base_rate)
        if self.recall is None:
            return None
        right, wrong = base_rate * self.recall, (1.0 - base_rate) * min(1.0, self.upper95)
        return right / (right + wrong) if right + wrong > 0 else 0.0


def poisson_limit(events: int, confidence: float = 0.95) -> float:
    """Return the upper end of the exact one-sided interval of the mean of a Poisson count; 3.0 for none (the rule of three)."""
    low, high = float(events), events + 10.0 * math.sqrt(events + 1.0) + 10.0
    for _ in range(80):
        mean = 0.5 * (low + high)
        # P(X <= events): summed from the last term down, as ratios of neighbours.
        term = total = 1.0
        for k in range(events, 0, -1):
            term *= k / mean
            total += term
            if term < 1e-18 * total:
                break
        at_most = math.exp(events * math.log(mean) - mean - math.lgamma(events + 1)) * total
        low, high = (mean, high) if at_most > 1.0 - confidence else (low, mean)
    return 0.5 * (low + high)


def rate_of(kind: str) -> Rate | None:
    """Return the measured rate of a kind of signal; None where it was not measured."""
    return rates().get(kind)


@cache
def rates() -> Mapping[str, Rate]:
    """Return all measured rates, by kind of signal."""
    path = resources.files("groundrule.detect").joinpath("data", "rates.json")
    if not path.is_file():
        return {}
    return {row["kind"]: Rate(**row) for row in json.loads(path.read_text(encoding="utf-8"))["rates"]}
