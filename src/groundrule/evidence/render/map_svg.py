"""The map of a dossier: where a terminal was, what it was answered there, and the areas then in force; drawn as SVG.

Everything is drawn by this module from numbers: no tile, no font file, no address outside. The projection is azimuthal and true to distance
from the middle of the map, so that neither the date line nor a pole tears it. Answers differ by colour and by shape. The basemap is for
looking at, not for deciding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import shapely
from numpy.typing import NDArray

from groundrule.evidence.dossier import AreaVersion, Dossier, TrackPoint
from groundrule.evidence.marks import MARKS, Mark
from groundrule.evidence.outlines import Line, Outlines, shipped_outlines
from groundrule.evidence.render.map_view import EARTH_KM, HEIGHT, WIDTH, View, near
from groundrule.evidence.render.svg import Labels, element, number, shape
from groundrule.evidence.render.words import Words, visible

MIN_RADIUS_KM = 3.0
"""Half the height of a map of one point."""
MAX_RADIUS_KM = 9_000.0
MAX_MARKS = 80
"""Marks of positions drawn one by one; of more, evenly chosen ones and every change of answer."""
MAX_SIGMAS = 40
_LOCATOR_KM = 600.0
"""Half the height of the small map that shows where on earth."""
_SEA, _LAND, _COAST, _BORDER, _LIMIT, _INK, _SOFT = "#E6EEF3", "#FBFAF6", "#8E9AA2", "#A39887", "#B9C6CE", "#1c2126", "#5b6770"
_AREA = ("#7A3E9D", "#0B6E6E", "#8A5A00", "#3D4C9A", "#8C2F4B")
_DASH = ("", "7 3", "2 3", "10 3 2 3", "5 5")
_UNKNOWN = Mark("none", "", "#6B6B6B", "#A8A8A8", "o", 0.75, 0.9)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A map.

    Attributes:
        svg: the picture, an `svg` element to be put into a page.
        legend: (picture of the sign, words), in the language of the map.
        source: of the basemap; empty where none is drawn.
        points: how many positions are marked. insets: how many small maps stand beside the large one.
    """

    svg: str
    legend: tuple[tuple[str, str], ...]
    source: str
    points: int
    insets: int = 0


def map_svg(dossier: Dossier, said: Words, *, outlines: Outlines | None = None) -> Drawn | None:
    """Draw the map of a dossier.

    Args:
        outlines: basemap; None: the shipped one.
    Returns:
        None where the dossier has neither a position nor an outline of an area.
    """
    areas = [(area, geometry) for area in dossier.areas if (geometry := _outline(area)) is not None]
    view = _view(dossier, [geometry for _, geometry in areas])
    if view is None:
        return None
    widest = View(view.lon_deg, view.lat_deg, view.radius_km if view.radius_km > _LOCATOR_KM else _locator_km(view))
    lines = outlines if outlines is not None else shipped_outlines(windows=tuple(box.bounds for box in widest.windows()))
    base = _Base.of(lines, widest)
    marks = {mark.key: mark for mark in MARKS}
    labels = Labels(WIDTH, HEIGHT)
    insets = list(_insets(view, base, areas, _cut(dossier), labels))
    labels.block(0, 0, 50, 54)
    labels.block(0, HEIGHT - 44, 220, HEIGHT)
    parts = [shape("rect", x=0, y=0, width=WIDTH, height=HEIGHT, fill=_SEA), *base.drawn(view)]
    legend: list[tuple[str, str]] = []
    cut = _cut(dossier)
    for place, (_, geometry) in enumerate(areas):
        parts += _area(view, geometry, place, cut)
    if areas:
        sign = shape("rect", x=2, y=4, width=20, height=10, fill=_AREA[0], fill_opacity=0.1, stroke=_AREA[0], stroke_width=1.5)
        legend.append((_sign(sign), said("page", "map_area")))
    track = [point for point in dossier.track if np.isfinite(point.lat_deg) and np.isfinite(point.lon_deg)]
    chosen, gaps = _chosen(track), _gaps(track)
    at, beside = _places(view, track, gaps)
    parts += _sigmas(view, track, at, chosen)
    parts += _travel(track, at, gaps, marks)
    parts += _ellipses(view, dossier)
    parts += _marks([track[i] for i in chosen], at[chosen], marks)
    _times(track, at, gaps, labels, said)
    for place, (area, geometry) in enumerate(areas):
        _name(view, area, geometry, place, labels)
    present = {point.outcome or "none" for point in track}
    for mark in (*MARKS, _UNKNOWN):
        if mark.key in present:
            legend.append((_sign(_mark(12, 9, mark, 6)), said.word("answers", mark.key)))
    if gaps:
        legend.append((_sign(shape("line", x1=1, y1=9, x2=23, y2=9, stroke=_SOFT, stroke_width=1.4, stroke_dasharray="3 3")),
                       said("page", "map_gap")))  # fmt: skip
    if beside:
        legend.append((_sign(shape("path", d="M2 6h20M2 13h20", stroke=_INK, stroke_width=2)), said("page", "map_beside")))
    if any(point.sigma_m for point in track):
        legend.append((_sign(shape("circle", cx=12, cy=9, r=7, fill=_INK, fill_opacity=0.08, stroke=_SOFT)), said("page", "map_sigma")))
    if dossier.ellipses:
        legend.append((_sign(shape("ellipse", cx=12, cy=9, rx=10, ry=5, fill="none", stroke=_INK)), said("page", "map_ellipse")))
    parts += labels.parts
    parts += [*_scale(view, said), *_north(said), *insets]
    title = element("title", said("page", "map_title"))
    picture = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" width="{WIDTH:.0f}" height="{HEIGHT:.0f}" '
        f'role="img" class="map" font-family="DejaVu Sans, sans-serif">{title}{"".join(parts)}</svg>'
    )
    return Drawn(picture, tuple(legend), visible(lines.attribution), len(chosen), len(insets) // 2)


def _outline(area: AreaVersion) -> shapely.Geometry | None:
    """The outline of an area; None where it is withheld or cannot be read."""
    try:
        geometry = shapely.make_valid(shapely.from_wkb(area.wkb)) if area.wkb else None
    except shapely.errors.GEOSException:
        return None
    return None if geometry is None or geometry.is_empty or not np.isfinite(shapely.get_coordinates(geometry)).all() else geometry


def _view(dossier: Dossier, outlines: Sequence[shapely.Geometry]) -> View | None:
    """A window with everything known of the terminal in it, or else the areas."""
    places = [(point.lon_deg, point.lat_deg, (point.sigma_m or 0) / 1000) for point in dossier.track]
    places += [(each.lon_deg, each.lat_deg, each.major_m / 1000) for each in dossier.ellipses]
    known = np.array([each for each in places if np.isfinite(each).all()], np.float64).reshape(-1, 3)
    margin = 1.5
    if not len(known):
        corners = [shapely.get_coordinates(each) for each in outlines]
        if not corners:
            return None
        flat = np.concatenate(corners)
        known, margin = np.column_stack([flat, np.zeros(len(flat))]), 1.15
    lon, lat = np.radians(known[:, 0]), np.radians(np.clip(known[:, 1], -90, 90))
    ball = np.column_stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
    # The middle of the box around the points in space: the mean would lean to where many stand together.
    middle = (ball.min(axis=0) + ball.max(axis=0)) / 2
    if np.linalg.norm(middle) < 1e-6:
        middle = ball[0]
    middle = middle / np.linalg.norm(middle)
    away = np.arccos(np.clip(ball @ middle, -1, 1)) * EARTH_KM + np.minimum(known[:, 2], 2_000)
    radius = float(min(max(away.max() * margin, MIN_RADIUS_KM), MAX_RADIUS_KM))
    lon_deg, lat_deg = float(np.degrees(np.arctan2(middle[1], middle[0]))), float(np.degrees(np.arcsin(middle[2])))
    return View(lon_deg, lat_deg, _widened(View(lon_deg, lat_deg, radius), outlines))


def _widened(view: View, outlines: Sequence[shapely.Geometry]) -> float:
    """Half the height of a map that also shows the whole of small areas around: at most five times as much as the track needs."""
    needed = [view.radius_km]
    for each in outlines:
        at = view.place(shapely.get_coordinates(each))
        wide, high = np.abs(at - (view.width / 2, view.height / 2)).max(axis=0) / view.scale
        needed.append(1.08 * float(max(high, wide * view.height / view.width)))
    return max(each for each in needed if each <= 5 * view.radius_km)


@dataclass(frozen=True, slots=True)
class _Base:
    """The basemap as far as the widest picture shows it: land as valid polygons, and lines."""

    land: tuple[shapely.Geometry, ...]
    coasts: tuple[Line, ...]
    borders: tuple[Line, ...]
    limits: tuple[Line, ...]

    @classmethod
    def of(cls, outlines: Outlines, widest: View) -> _Base:
        windows = widest.windows()
        coasts = tuple(near(outlines.land, windows))
        # By structure, because crossings of a simplified coast are specks; the other way a continent takes half a second.
        whole = shapely.make_valid([shapely.Polygon(ring) for ring in coasts], method="structure", keep_collapsed=False)
        seen = (shapely.intersection(whole, window) for window in windows)
        land = tuple(part for each in seen for part in each if not part.is_empty)
        return cls(land, coasts, tuple(near(outlines.borders, windows)), tuple(near(outlines.sea_limits, windows)))

    def drawn(self, view: View) -> Iterator[str]:
        """Yield the basemap of a picture."""
        land = "".join(_path(part) for each in self.land for part in view.polygons(each))
        if land:
            yield shape("path", d=land, fill=_LAND, stroke=_LAND, stroke_width=0.6)
        for lines, colour, width in ((self.limits, _LIMIT, 0.8), (self.coasts, _COAST, 0.8), (self.borders, _BORDER, 1.0)):
            drawn = "".join(_line(part) for part in view.lines(lines))
            if drawn:
                yield shape("path", d=drawn, fill="none", stroke=colour, stroke_width=width, stroke_linejoin="round")


def _line(places: NDArray[np.float64]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)


def _path(polygon: shapely.Polygon) -> str:
    return "".join(_line(shapely.get_coordinates(ring)[:-1]) + "Z" for ring in shapely.get_rings(polygon))


def _cut(dossier: Dossier) -> shapely.Geometry | None:
    """Where the outlines of a dossier may have been cut off around its track; such an edge is no border of an area."""
    places = [(point.lon_deg, point.lat_deg) for point in dossier.track if np.isfinite(point.lat_deg) and np.isfinite(point.lon_deg)]
    if not places:
        return None
    west, south, east, north = shapely.MultiPoint(places).bounds
    margin = max(1.0, (east - west) / 2, (north - south) / 2)
    window = shapely.box(max(-180, west - margin), max(-90, south - margin), min(180, east + margin), min(90, north + margin))
    return window.exterior.buffer(1e-6)


def _edges(geometry: shapely.Geometry, cut: shapely.Geometry | None) -> Iterator[Line]:
    edges = shapely.boundary(geometry)
    for part in shapely.get_parts(edges if cut is None else shapely.difference(edges, cut)):
        if shapely.get_num_coordinates(part) > 1:
            yield shapely.get_coordinates(part)


def _area(
    view: View, geometry: shapely.Geometry, place: int, cut: shapely.Geometry | None
) -> Iterator[str]:
    parts = list(view.polygons(geometry))
    if not parts:
        return
    whole = shapely.box(0, 0, WIDTH, HEIGHT)
    colour, dash = _AREA[place % len(_AREA)], _DASH[place % len(_DASH)]
    covers = sum(shapely.intersection(part, whole).area for part in parts) > 0.97 * whole.area
    # An area that fills the picture is named, and not laid over everything.
    if not covers:
        yield shape("path", d="".join(map(_path, parts)), fill=colour, fill_opacity=0.1, fill_rule="evenodd")
    edges = "".join(_line(each) for each in view.lines(_edges(geometry, cut)))
    if edges:
        yield shape("path", d=edges, fill="none", stroke=colour, stroke_width=1.8, stroke_dasharray=dash or None)


def _name(view: View, area: AreaVersion, geometry: shapely.Geometry, place: int, labels: Labels) -> None:
    parts = list(view.polygons(geometry))
    if not parts:
        return
    biggest = max((shapely.intersection(part, shapely.box(12, 12, WIDTH - 12, HEIGHT - 12)) for part in parts), key=lambda part: part.area)
    if biggest.area > 0:
        west, south, east, north = biggest.bounds
        spots = [(max(west + 8, 56), south + 18), (west + 8, north - 8), (west + 8, (south + north) / 2), ((west + east) / 2, south + 18)]
        spots += [(west + 8, south + step * (north - south) / 12) for step in range(1, 12)]
        labels.place(visible(area.name or area.id), spots, colour=_AREA[place % len(_AREA)], size=14, italic=True, must=True)


def _chosen(track: Sequence[TrackPoint]) -> list[int]:
    """Which positions get a mark: all of a few, else evenly chosen ones, both ends and every change of answer."""
    if len(track) <= MAX_MARKS:
        return list(range(len(track)))
    even = set(np.linspace(0, len(track) - 1, MAX_MARKS // 2).astype(int).tolist())
    turns = [i for i in range(1, len(track)) if track[i].outcome != track[i - 1].outcome]
    return sorted(even | set(turns[: MAX_MARKS // 2]) | {0, len(track) - 1})


def _gaps(track: Sequence[TrackPoint]) -> frozenset[int]:
    """Positions before which so much time passed, or another terminal was, that nothing is known of the way to them."""
    if len(track) < 2:
        return frozenset()
    steps = np.diff([point.observed_at_ns for point in track])
    limit = max(10 * float(np.median(steps)), 600e9)
    return frozenset(i for i in range(1, len(track)) if steps[i - 1] > limit or track[i].terminal_id != track[i - 1].terminal_id)


def _places(view: View, track: Sequence[TrackPoint], gaps: frozenset[int]) -> tuple[NDArray[np.float64], bool]:
    """Where each position is drawn, and whether journeys over the same ground had to be put beside each other."""
    at = view.place(np.array([(point.lon_deg, point.lat_deg) for point in track], np.float64).reshape(-1, 2))
    starts = [0, *sorted(gaps), len(track)]
    before: list[NDArray[np.float64]] = []
    moved = 0
    for start, end in list(pairwise(starts))[:6]:
        run = at[start:end]
        same = [each for each in before if len(run) and _apart(run, each) < 8]
        before.append(run.copy())
        if same and np.ptp(run, axis=0).max() > 30:
            moved += 1
            along = run[-1] - run[0]
            length = float(np.hypot(*along))
            across = np.array([-along[1], along[0]]) / length if length > 1 else np.array([0.0, 1.0])
            at[start:end] = run + across * 16 * moved
    return at, moved > 0


def _apart(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """How far the places of one journey are, mostly, from the nearest of another."""
    return float(np.median(np.hypot(*(one[:, None] - other[None]).transpose(2, 0, 1)).min(axis=1)))


def _travel(track: Sequence[TrackPoint], at: NDArray[np.float64], gaps: frozenset[int], marks: dict[str, Mark]) -> Iterator[str]:
    run = 0.0
    for i, other in enumerate(track[1:], 1):
        (x1, y1), (x2, y2) = at[i - 1].tolist(), at[i].tolist()
        length = float(np.hypot(x2 - x1, y2 - y1))
        colour = _SOFT if i in gaps else marks.get(other.outcome, _UNKNOWN).colour
        if length > 0.5:
            yield shape("line", x1=x1, y1=y1, x2=x2, y2=y2, stroke=colour, stroke_width=1.2 if i in gaps else 3,
                        stroke_dasharray="5 4" if i in gaps else None, stroke_linecap="round")  # fmt: skip
        run += 0 if i in gaps else length
        if run >= 46 and length > 6 and i not in gaps:
            run = 0.0
            ux, uy = (x2 - x1) / length, (y2 - y1) / length
            mx, my = (x1 + x2) / 2, (y1 + y2) / 2
            tip = (mx + 7 * ux, my + 7 * uy)
            left, right = (mx - 4 * ux - 5 * uy, my - 4 * uy + 5 * ux), (mx - 4 * ux + 5 * uy, my - 4 * uy - 5 * ux)
            points = " ".join(f"{x:.1f},{y:.1f}" for x, y in (tip, left, right))
            yield shape("polygon", points=points, fill=_INK, stroke="#fff", stroke_width=0.8)


def _sigmas(view: View, track: Sequence[TrackPoint], at: NDArray[np.float64], chosen: Sequence[int]) -> Iterator[str]:
    for i in [i for i in chosen if track[i].sigma_m][:: max(1, len(chosen) // MAX_SIGMAS)]:
        radius = (track[i].sigma_m or 0) / 1000 * view.scale
        if radius > 1.5:
            x, y = at[i].tolist()
            yield shape("circle", cx=x, cy=y, r=min(radius, 2 * WIDTH), fill=_INK, fill_opacity=0.05, stroke=_SOFT, stroke_width=0.8)


def _ellipses(view: View, dossier: Dossier) -> Iterator[str]:
    for each in dossier.ellipses:
        if not np.isfinite([each.lon_deg, each.lat_deg, each.major_m, each.minor_m, each.bearing_deg]).all():
            continue
        (x, y), = view.place(np.array([(each.lon_deg, each.lat_deg)]))
        yield shape("ellipse", cx=x, cy=y, rx=each.minor_m / 1000 * view.scale, ry=each.major_m / 1000 * view.scale, fill="none",
                    stroke=_INK, stroke_width=1.4, transform=f"rotate({number(each.bearing_deg)} {number(x)} {number(y)})")  # fmt: skip
        yield shape("path", d=f"M{x - 4:.1f} {y:.1f}h8M{x:.1f} {y - 4:.1f}v8", stroke=_INK, stroke_width=1.2, fill="none")


def _marks(track: Sequence[TrackPoint], at: NDArray[np.float64], marks: dict[str, Mark]) -> Iterator[str]:
    order = list(marks)
    rank = [order.index(point.outcome) if point.outcome in marks else -1 for point in track]
    for i in sorted(range(len(track)), key=lambda i: rank[i]):
        yield _mark(float(at[i][0]), float(at[i][1]), marks.get(track[i].outcome, _UNKNOWN), 6.5)


def _mark(x: float, y: float, mark: Mark, r: float) -> str:
    common = {"fill": mark.colour, "stroke": "#fff", "stroke_width": 1}
    if mark.marker == "s":
        return shape("rect", x=x - r * 0.9, y=y - r * 0.9, width=1.8 * r, height=1.8 * r, **common)
    corners = {
        "D": ((0, -1.2), (1.2, 0), (0, 1.2), (-1.2, 0)),
        "^": ((0, -1.2), (1.1, 0.9), (-1.1, 0.9)),
        "v": ((0, 1.2), (1.1, -0.9), (-1.1, -0.9)),
        "P": ((-0.4, -1.1), (0.4, -1.1), (0.4, -0.4), (1.1, -0.4), (1.1, 0.4), (0.4, 0.4), (0.4, 1.1), (-0.4, 1.1), (-0.4, 0.4),
              (-1.1, 0.4), (-1.1, -0.4), (-0.4, -0.4)),
        "X": ((0, -0.5), (0.7, -1.2), (1.2, -0.7), (0.5, 0), (1.2, 0.7), (0.7, 1.2), (0, 0.5), (-0.7, 1.2), (-1.2, 0.7), (-0.5, 0),
              (-1.2, -0.7), (-0.7, -1.2)),
    }.get(mark.marker)  # fmt: skip
    if corners is None:
        return shape("circle", cx=x, cy=y, r=r * 0.9, **common)
    return shape("polygon", points=" ".join(f"{x + r * dx:.1f},{y + r * dy:.1f}" for dx, dy in corners), **common)


def _times(track: Sequence[TrackPoint], at: NDArray[np.float64], gaps: frozenset[int], labels: Labels, said: Words) -> None:
    """Write the time at the beginning, at the end, after a gap and where the answer changes."""
    if not track:
        return
    for x, y in at[:: max(1, len(at) // 200)].tolist():
        labels.block(x - 5, y - 5, x + 5, y + 5)
    turns = sorted({i for i in range(1, len(track)) if track[i].outcome != track[i - 1].outcome} | gaps)
    seconds = len(track) > 1 and float(np.median(np.diff([point.observed_at_ns for point in track]))) < 120e9
    shown: set[str] = set()
    for i in dict.fromkeys((0, len(track) - 1, *turns[:10])):
        x, y = at[i].tolist()
        day = said.forms.day(track[i].observed_at_ns)
        clock = said.forms.clock(track[i].observed_at_ns, seconds=seconds)
        spots = [(x + 11, y + 5), (x - 11, y + 5), (x, y - 12), (x, y + 22), (x, y - 12), (x, y + 22), (x + 9, y - 32), (x + 9, y + 42),
                 (x - 9, y - 32), (x - 9, y + 42), (x + 9, y - 52), (x + 9, y + 62), (x - 9, y - 52), (x - 9, y + 62)]  # fmt: skip
        if labels.place(f"{day}, {clock}" if day not in shown or i in gaps else clock, spots, colour=_INK, size=13,
                        ends={1, 4, 5, 8, 9, 12, 13}, anchor=(x, y)):  # fmt: skip
            shown.add(day)


def _sign(inside: str) -> str:
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 18" width="24" height="18" aria-hidden="true">{inside}</svg>'


def _scale(view: View, said: Words) -> Iterator[str]:
    room = 170 / view.scale
    power = 10.0 ** np.floor(np.log10(room))
    length = next(step * power for step in (5, 2, 1) if step * power <= room)
    wide = length * view.scale
    text = f"{said.forms.number(int(length))} km" if length >= 1 else f"{said.forms.number(round(length * 1000))} m"
    x, y = 16, HEIGHT - 14
    yield shape("rect", x=6, y=HEIGHT - 42, width=wide + 24, height=36, fill="#fff", fill_opacity=0.85)
    yield shape("path", d=f"M{x} {y - 7}v7h{wide:.1f}v-7M{x + wide / 2:.1f} {y - 4}v4", fill="none", stroke=_INK, stroke_width=1.6)
    yield element("text", text, x=x, y=y - 11, font_size=13, fill=_INK)


def _north(said: Words) -> Iterator[str]:
    x, y = 26, 30
    yield shape("circle", cx=x, cy=y, r=20, fill="#fff", fill_opacity=0.85)
    yield shape("polygon", points=f"{x},{y - 17} {x + 6},{y + 3} {x},{y - 1} {x - 6},{y + 3}", fill=_INK)
    yield element("text", said("page", "north"), x=x, y=y + 16, font_size=12, font_weight="bold", text_anchor="middle", fill=_INK)


def _locator_km(view: View) -> float:
    return max(_LOCATOR_KM, view.radius_km * 2.5)


def _insets(
    view: View, base: _Base, areas: Sequence[tuple[AreaVersion, shapely.Geometry]], cut: shapely.Geometry | None, labels: Labels
) -> Iterator[str]:
    """Small maps around, with the large one as a frame in them: where on earth, and where in an area too large for it."""
    if view.radius_km > _LOCATOR_KM:
        return
    reach = []
    for area, geometry in areas:
        if area.kind != "country":
            away = np.hypot(*(view.place(shapely.get_coordinates(geometry)) - (view.width / 2, view.height / 2)).T).max() / view.scale
            reach.append(float(away))
    close = [each for each in reach if 3 * view.radius_km < each < 400]
    top = 10.0
    for radius in (_locator_km(view), *sorted(close)[:1]):
        around = View(view.lon_deg, view.lat_deg, radius, width=150, height=104)
        left = WIDTH - around.width - 10
        inside = [shape("rect", x=0, y=0, width=around.width, height=around.height, fill=_SEA), *base.drawn(around)]
        if radius in close:
            for place, (area, geometry) in enumerate(areas):
                if area.kind != "country":
                    inside += _area(around, geometry, place, cut)
        wide, high = max(view.width * around.scale / view.scale, 7), max(view.height * around.scale / view.scale, 5)
        inside.append(shape("rect", x=around.width / 2 - wide / 2, y=around.height / 2 - high / 2, width=wide, height=high, fill="#C8102E",
                            fill_opacity=0.3, stroke="#C8102E", stroke_width=1.5))  # fmt: skip
        size = f'width="{around.width:.0f}" height="{around.height:.0f}"'
        box = f'viewBox="0 0 {around.width:.0f} {around.height:.0f}"'
        yield f'<svg x="{left:.0f}" y="{top:.0f}" {size} {box}>{"".join(inside)}</svg>'
        yield shape("rect", x=left, y=top, width=around.width, height=around.height, fill="none", stroke=_INK, stroke_width=1)
        labels.block(left - 4, 0, WIDTH, top + around.height + 4)
        top += around.height + 8
