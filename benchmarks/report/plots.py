"""Plots of the page: bars as SVG, small, with the same bytes for the same results and the same matplotlib.

They have no background of their own. Text follows the reader's light or dark scheme; what is drawn is legible on both.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from report.described import Plot

OURS, PEER, MISSED, LINE = "#2f7fc1", "#8a8a8a", "#d2602a", "#8a8a8a"
"""Legible on both backgrounds."""
LIGHT, DARK = "#24292f", "#d0d7de"
"""Text on a light and on a dark page."""
STYLE = f"<style>text{{fill:{LIGHT}}}@media(prefers-color-scheme:dark){{text{{fill:{DARK}}}}}</style>"
SETTINGS = {"svg.hashsalt": "groundrule", "svg.fonttype": "none", "font.family": "DejaVu Sans", "font.size": 9, "text.color": "black"}


@dataclass(frozen=True)
class Bar:
    """One bar: what it is, how long, in which colour, what stands at its end, and from where to where it was found."""

    label: str
    value: float
    color: str = OURS
    text: str = ""
    low: float | None = None
    high: float | None = None


def bars(title: str, shown: Sequence[Bar], *, log: bool = False, line: float | None = None) -> bytes:
    """Draw horizontal bars, the first on top.

    Args:
        title: what the length means, with its unit.
        shown: the bars.
        log: the axis is logarithmic; bars begin at the goal, so that they lead to one side of it or to the other.
        line: a goal, drawn across.
    """
    with mpl.rc_context({"axes.unicode_minus": False, **SETTINGS}):
        figure = Figure(figsize=(7.2, 0.55 + 0.26 * len(shown)), layout="constrained")
        axes = figure.add_subplot()
        places = range(len(shown))
        least = min((each.low or each.value for each in shown), default=1.0)
        first = 10.0 ** _floor(min(least, line or least)) if log else 0.0
        start = line if log and line else first
        axes.barh(places, [each.value - start for each in shown], left=start, height=0.68, color=[each.color for each in shown])
        for place, each in zip(places, shown, strict=True):
            if each.low is not None and each.high is not None:
                axes.plot([each.low, each.high], [place, place], color=LINE, linewidth=1.2, marker="|", markersize=6)
            end = max(each.value, each.high or 0.0, start)
            axes.annotate(each.text, (end, place), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8)
        if line is not None:
            axes.axvline(line, color=LINE, linewidth=1.0, linestyle=(0, (4, 3)))
        axes.set_yticks(list(places), [each.label for each in shown])
        axes.invert_yaxis()
        axes.margins(y=0.01)
        if log:
            axes.set_xscale("log")
        most = max((max(each.value, each.high or 0.0) for each in shown), default=1.0)
        room = most * (most / first) ** 0.16 if log else most * 1.16
        axes.set_xlim(first, max(room, line * 1.02 if line else 0.0))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")
        axes.set_title(title, fontsize=9, loc="left")
        axes.tick_params(which="both", color=LINE)
        for side, spine in axes.spines.items():
            spine.set_visible(side in ("left", "bottom"))
            spine.set_color(LINE)
        figure.patch.set_visible(False)
        axes.patch.set_visible(False)
        out = io.BytesIO()
        FigureCanvasSVG(figure).print_svg(out, metadata={"Date": None})
    text = out.getvalue().decode("utf-8")
    head, opened, rest = text.partition("<defs>")
    return (head + STYLE + "\n " + opened + rest).encode("utf-8")


def plot_of(values: Mapping[str, Any], plot: Plot) -> bytes:
    """Draw figures of one benchmark beside those of its peers; what was not found is left out."""
    shown = []
    for label, name in plot.bars:
        value = values.get(name)
        if isinstance(value, int | float):
            low, high = values.get(f"{name}_range", (None, None))
            shown.append(Bar(label, float(value), OURS if label in plot.ours else PEER, in_few_digits(value), low, high))
    return bars(plot.title, shown, log=plot.log, line=plot.goal)


def in_few_digits(value: float) -> str:
    """Write a number with four digits that say something, and without an exponent."""
    return f"{value:,.4g}" if value < 1e4 else f"{value:,.0f}"


def _floor(value: float) -> int:
    """The power of ten below a value, far enough for a bar that can be seen."""
    power = math.floor(math.log10(value))
    return power - 1 if value <= 1.2 * 10.0**power else power
