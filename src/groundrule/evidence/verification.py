"""Picture of one verification: ground tracks, range circles, claim, estimate with its ellipse, and the mirror.

Left the whole, in an azimuthal projection about the estimate; right what the verdict is about, near the estimate. Colours
are those of Okabe and Ito. The basemap is for looking at, not for deciding.
"""

from __future__ import annotations

import io
import math
import textwrap
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from groundrule.errors import InputError
from groundrule.evidence.outlines import Outlines, shipped_outlines
from groundrule.evidence.plane import INK, Plane, base_map, form_of
from groundrule.evidence.verification_shapes import range_circle
from groundrule.instant import format_instant
from groundrule.verify.report import Report, Satellite

Floats = NDArray[np.float64]

_CLAIM, _ESTIMATE, _MIRROR, _TRACKS = "#D55E00", "#0072B2", "#CC79A7", ("#009E73", "#56B4E9", "#E69F00", "#000000", "#F0E442")


def draw_verification(report: Report, path: Path | str, *, outlines: Outlines | None = None) -> None:
    """Draw one verification.

    Args:
        report: as `verify.report.reports` made it. path: the PNG or SVG to write. outlines: basemap; None: the shipped one.
    Raises:
        InputError: the suffix is neither, or the report has neither an estimate nor a claim nor a satellite.
    """
    target = Path(path)
    form = form_of(target)
    drawn = picture_of(report, form, outlines=outlines)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(drawn)


def picture_of(report: Report, form: str, *, outlines: Outlines | None = None) -> bytes:
    """Return the picture of one verification.

    Args:
        report, outlines: as for `draw_verification`. form: png or svg.
    Raises:
        InputError: the report has neither an estimate nor a claim nor a satellite.
    """
    claim = (report.claim_lat_deg, report.claim_lon_deg) if not math.isnan(report.claim_lat_deg) else None
    places = [(mode.lat_deg, mode.lon_deg) for mode in report.places]
    below = [one.track[len(one.track) // 2] for one in report.satellites if one.track]
    centre = places[0] if places else claim or (below[0] if below else None)
    if centre is None:
        raise InputError(f"there is nothing to draw of terminal `{report.terminal}`", help="it has no estimate, claim or satellite")
    plane = Plane(*centre)
    figure = Figure(figsize=(14, 7.6), dpi=130, facecolor="white")
    FigureCanvasAgg(figure)
    colour = {"consistent": "#009E73", "inconsistent": "#D55E00", "fault": "#000000"}.get(report.verdict, "#996600")
    figure.text(0.012, 0.955, report.verdict.upper(), fontsize=18, fontweight="bold", color=colour, va="center")
    who = f"terminal {report.terminal} · {format_instant(report.t_ref_ns)} · {len(report.satellites)} satellites · grade {report.grade}"
    figure.text(0.012, 0.915, f"{who} · stands against {report.assurance.upper()}", fontsize=10.5, color="#444444", va="center")
    whole, near = figure.add_axes((0.006, 0.16, 0.56, 0.72)), figure.add_axes((0.576, 0.16, 0.418, 0.72))
    everything = np.array([*places, *([claim] if claim else []), *below], np.float64)
    at = plane(everything[:, 0], everything[:, 1])
    reach = float(np.nanmax(np.hypot(at[:, 0], at[:, 1]))) * 1.2 + 50.0
    lines = outlines or shipped_outlines()
    for axes, size in ((whole, min(max(reach, 300.0), 6000.0)), (near, _near_km(report, plane, claim))):
        base_map(axes, plane, lines, size)
        for k, one in enumerate(report.satellites):
            _satellite(axes, plane, one, _TRACKS[k % len(_TRACKS)], size, labelled=axes is whole)
        _feasible(axes, plane, report)
        _places(axes, plane, report, claim, size)
    whole.set_title("tracks and range circles", fontsize=9.5, color="#555555", loc="left")
    near.set_title(_what_is_near(report), fontsize=9.5, color="#555555", loc="left")
    words = _wrapped(report.words, 175)
    figure.text(0.012, 0.135, words, fontsize=9.5, color=INK, va="top", linespacing=1.35)
    figure.text(0.994, 0.008, f"Basemap {lines.attribution}; for looking at, not for deciding", fontsize=7.5, color="#666666",
                ha="right", va="bottom")  # fmt: skip
    # No date and no version inside, so that the same verdict gives the same picture.
    about = {"Software": None} if form == "png" else {"Date": None, "Creator": None}
    drawn = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": report.inputs}):
        figure.savefig(drawn, format=form, metadata=about)
    return drawn.getvalue()


def _what_is_near(report: Report) -> str:
    if not report.places:
        return "radio gives no place; claim" if not math.isnan(report.claim_lat_deg) else "radio gives no place"
    return "estimate, 95 % ellipse and claim" if report.usable else "95 % region, no place that can be used; claim"


def _near_km(report: Report, plane: Plane, claim: tuple[float, float] | None) -> float:
    """Half width of the near panel: the ellipse, and the claim if it is not too far to see both."""
    ellipse = 1.6 * report.places[0].major_95_m / 1e3 if report.places and math.isfinite(report.places[0].major_95_m) else 50.0
    size = max(ellipse, 0.2)
    if claim is not None:
        away = float(np.hypot(*plane(np.array([claim[0]]), np.array([claim[1]]))[0]))
        if away < 60 * size:
            size = max(size, 1.25 * away)
    return min(size, 3000.0)


def _satellite(axes: Axes, plane: Plane, one: Satellite, colour: str, size: float, *, labelled: bool) -> None:
    track = plane(np.array([p[0] for p in one.track]), np.array([p[1] for p in one.track]))
    style = "-" if one.used else ":"
    axes.plot(track[:, 0], track[:, 1], color=colour, linewidth=2.2, linestyle=style, zorder=5)
    if len(track) > 1 and np.isfinite(track[-2:]).all() and np.abs(track[-1]).max() < size:
        axes.annotate("", xy=track[-1], xytext=track[-2], arrowprops={"arrowstyle": "-|>", "color": colour, "lw": 2}, zorder=5)
    if labelled and np.isfinite(track[-1]).all() and np.abs(track[-1]).max() < size:
        name = one.name or str(one.catalogue)
        axes.annotate(name, track[-1], xytext=(4, 4), textcoords="offset points", fontsize=7.5, color=colour, zorder=8)
    if math.isfinite(one.range_m):
        circle = range_circle(np.array(one.position_m), one.range_m)
        if circle is not None:
            at = plane(circle[:, 0], circle[:, 1])
            axes.plot(at[:, 0], at[:, 1], color=colour, linewidth=1.0, alpha=0.75 if one.used else 0.35, linestyle=style, zorder=4)


def _feasible(axes: Axes, plane: Plane, report: Report) -> None:
    if report.feasible_edge:
        edge = np.array(report.feasible_edge)
        at = plane(edge[:, 0], edge[:, 1])
        if np.isfinite(at).all():
            axes.fill(at[:, 0], at[:, 1], facecolor="#999999", alpha=0.18, edgecolor="#666666", linewidth=0.8, zorder=3)


def _places(axes: Axes, plane: Plane, report: Report, claim: tuple[float, float] | None, size: float) -> None:
    for m, mode in enumerate(report.places):
        at = plane(np.array([mode.lat_deg]), np.array([mode.lon_deg]))[0]
        if not np.isfinite(at).all():
            continue
        colour = _ESTIMATE if m == 0 else _MIRROR
        if math.isfinite(mode.major_95_m):
            turn = np.linspace(0, 2 * math.pi, 181)
            azimuth = math.radians(mode.azimuth_deg)
            along, across = mode.major_95_m / 1e3 * np.cos(turn), mode.minor_95_m / 1e3 * np.sin(turn)
            axes.fill(
                at[0] + along * math.sin(azimuth) + across * math.cos(azimuth),
                at[1] + along * math.cos(azimuth) - across * math.sin(azimuth),
                facecolor=colour, alpha=0.25 if report.usable else 0.1, edgecolor=colour, linewidth=1.2,
                linestyle="-" if report.usable else "--", zorder=6,
            )
        several = len(report.places) > 1
        if report.usable or several:
            axes.plot(*at, marker="+" if m == 0 else "x", color=colour, markersize=11, markeredgewidth=2, zorder=9)
        if np.abs(at).max() < size:
            words = "radio" if m == 0 else f"other mode, weight {mode.weight:.2g}"
            if not report.usable:
                words = f"possible place, weight {mode.weight:.2g}" if several else "not known well enough"
            axes.annotate(words, at, xytext=(8, -11), textcoords="offset points", fontsize=9, color=colour, zorder=10)
    if claim is not None:
        at = plane(np.array([claim[0]]), np.array([claim[1]]))[0]
        if np.isfinite(at).all():
            axes.plot(*at, marker="o", color=_CLAIM, markersize=8, markerfacecolor="none", markeredgewidth=2, zorder=9)
            away = float(np.hypot(*at))
            if away > 1.2 * size:
                to = at / away * 0.9 * size
                axes.annotate("", xy=to, xytext=0.75 * to, arrowprops={"arrowstyle": "-|>", "color": _CLAIM, "lw": 1.8}, zorder=9)
                words = f"claim, {away:,.0f} km"
                axes.text(0.68 * to[0], 0.68 * to[1], words, fontsize=9, color=_CLAIM, zorder=10, ha="center", va="center")
            elif np.abs(at).max() < size:
                axes.annotate("claim", at, xytext=(8, 6), textcoords="offset points", fontsize=9, color=_CLAIM, zorder=10)


def _wrapped(text: str, width: int) -> str:
    return "\n".join(textwrap.wrap(text, width)[:6])
