"""A picture of what happened when: one row for each subject, one column for each day on which something is on record.

Weeks without an event take no room; how long they last is written between the columns. The shape of a mark shows how a statement stands.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from groundrule.evidence.dossier import Dossier, Standing
from groundrule.evidence.marks import MARKS
from groundrule.evidence.render.page_parts import EVENTS, happened_at
from groundrule.evidence.render.page_parts import LATER as ANSWERED_LATER
from groundrule.evidence.render.svg import element, shape
from groundrule.evidence.render.words import Words

WIDTH, LEFT, ROW = 820.0, 196.0, 34.0
LANES = (*EVENTS[:-1], "observed", "service")
"""Rows: a section each, and where answers were given only afterwards one for what they answer."""
MAX_COLUMNS = 7
SLOTS = 10
"""Places in a column; events of more instants share them."""
APART = 32.0
"""How far apart places are at least, so that a mark and the number beside it do not touch the next."""
LONG_NS = 7 * 86_400_000_000_000
"""Gaps from this on are drawn as a break."""
LATER = "later"
"""Kind of the mark of what was observed, and answered only afterwards."""
_INK, _SOFT, _LINE = "#1c2126", "#5b6770", "#d5dade"
COLOURS = {"recorded": "#0b5d3b", "claim": "#a14a00", "inference": "#1f4e8c", "unknown": "#6b3b7a"}
NS_PER_DAY = 86_400_000_000_000


@dataclass(frozen=True, slots=True)
class _Event:
    at_ns: int
    lane: str
    kind: str
    link: str


def timeline_svg(dossier: Dossier, said: Words) -> str | None:
    """Draw the picture.

    Returns:
        None where fewer than two events have a time.
    """
    events = sorted(_events(dossier), key=lambda each: each.at_ns)
    if len(events) < 2:
        return None
    unit, columns = _columns(events, said)
    lanes = [lane for lane in LANES if any(each.lane == lane for each in events)]
    height = 14 + ROW * len(lanes) + 58
    wide = (WIDTH - LEFT - 8) / len(columns)
    parts: list[str] = []
    for row, lane in enumerate(lanes):
        y = 14 + ROW * (row + 0.5)
        parts.append(shape("line", x1=LEFT, y1=y, x2=WIDTH - 6, y2=y, stroke=_LINE, stroke_width=1))
        for k, line in enumerate(_wrapped(said("lanes", lane))):
            parts.append(element("text", line, x=LEFT - 14, y=y + 5 + 15 * k, font_size=14, text_anchor="end", fill=_INK))
    bottom = 14 + ROW * len(lanes)
    for number, (label, some) in enumerate(columns):
        left = LEFT + number * wide
        parts.append(shape("rect", x=left + 3, y=8, width=wide - 6, height=bottom - 4, fill="#5b6770", fill_opacity=0.06))
        for k, line in enumerate(label):
            parts.append(element("text", line, x=left + wide / 2, y=bottom + 20 + 15 * k, font_size=13, text_anchor="middle", fill=_INK))
        if number:
            gap = some[0].at_ns // NS_PER_DAY * NS_PER_DAY - columns[number - 1][1][-1].at_ns // NS_PER_DAY * NS_PER_DAY
            text = "" if unit == "day" and gap <= NS_PER_DAY else said.fill("page", "later", gap=said.forms.lasting(gap))
            parts.append(element("text", text, x=left, y=bottom + 52, font_size=12, text_anchor="middle", fill=_SOFT, font_style="italic"))
            parts.append(shape("path", d=f"M{left - 3:.1f} {bottom + 1:.1f}l3 6l3 -6", fill="none", stroke=_SOFT, stroke_width=1.2))
            if gap >= LONG_NS:
                parts.append(shape("rect", x=left - 5, y=8, width=10.0, height=bottom - 4, fill="#fff"))
                for x in (left - 3, left + 3):
                    tooth = "l3 6l-6 6l3 6" * max(1, int((bottom - 4) // 18))
                    parts.append(shape("path", d=f"M{x:.1f} 8{tooth}", fill="none", stroke=_SOFT, stroke_width=1.2))
        parts += _drawn(some, left, wide, lanes)
    title = element("title", said.fill("page", "picture_title", unit=said("page", f"picture_{unit}")))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:.0f} {height:.0f}" width="{WIDTH:.0f}" height="{height:.0f}" '
        f'role="img" class="picture" font-family="DejaVu Sans, sans-serif">{title}{"".join(parts)}</svg>'
    )


def timeline_legend(dossier: Dossier, said: Words) -> list[tuple[str, str]]:
    """Return the marks in the picture, each as a small drawing, and what they mean."""
    kinds = {each.kind for each in _events(dossier)}
    found = []
    for kind in (*COLOURS, LATER, *(f"answer:{each.key}" for each in MARKS)):
        if kind in kinds:
            text = said("page", "mark_later") if kind == LATER else _meaning(said, kind)
            drawing = mark(kind, 9, 9)
            found.append((f'<svg viewBox="0 0 18 18" width="18" height="18" aria-hidden="true">{drawing}</svg>', text))
    return found


def _meaning(said: Words, kind: str) -> str:
    return said.word("answers", kind[7:]) if kind.startswith("answer:") else said("standings", kind)


def unit_of(dossier: Dossier, said: Words) -> str:
    """Return what a column of the picture is: day, month or year."""
    return _columns(sorted(_events(dossier), key=lambda each: each.at_ns), said)[0]


def _events(dossier: Dossier) -> Iterator[_Event]:
    for section in dossier.sections:
        if section.key == "service":
            continue
        for each in section.statements:
            at = each.times.order_ns
            computed = section.key == "appeal" and each.standing is Standing.INFERENCE
            if section.key in LANES and at is not None and each.standing is not Standing.UNKNOWN and not computed:
                yield _Event(at, section.key, each.standing.value, each.id)
    told = {each.id: each for section in dossier.sections if section.key == "service" for each in section.statements}
    service = {each.times.order_ns: each.id for each in told.values()}
    for row in dossier.decisions:
        mine = told.get(row.statement)
        link = row.statement if mine is not None else service.get(row.first_ns, "")
        answered = None if mine is None or mine.phrase.key not in ANSWERED_LATER else happened_at(mine)
        if answered is not None:
            yield _Event(row.first_ns, "observed", LATER, link)
            yield _Event(answered, "service", f"answer:{row.outcome}", link)
        else:
            yield _Event(row.first_ns, "service", f"answer:{row.outcome}", link)


def _columns(events: list[_Event], said: Words) -> tuple[str, list[tuple[list[str], list[_Event]]]]:
    forms = said.forms
    made: dict[tuple[str, ...], list[_Event]] = {}
    for unit in ("day", "month", "year"):
        made = defaultdict(list)
        for each in events:
            day, month, year = forms.parts(each.at_ns)
            made[{"day": (year, month, day), "month": (year, month), "year": (year,)}[unit]].append(each)
        if len(made) <= MAX_COLUMNS or unit == "year":
            break
    return unit, [([" ".join(reversed(key[1:])), key[0]] if len(key) > 1 else [key[0]], some) for key, some in made.items()]


def _drawn(events: list[_Event], left: float, wide: float, lanes: list[str]) -> Iterator[str]:
    instants = sorted({each.at_ns for each in events})
    count = max(1, min(len(instants), SLOTS, int((wide - 24) // APART)))
    slot = {at: place * count // len(instants) for place, at in enumerate(instants)}
    cells: dict[tuple[str, int, str], list[_Event]] = defaultdict(list)
    for each in events:
        cells[each.lane, slot[each.at_ns], each.kind].append(each)
    stacked: dict[tuple[str, int], int] = defaultdict(int)
    for (lane, place, kind), some in cells.items():
        height = stacked[lane, place]
        stacked[lane, place] += 1
        x = left + 12 + (wide - 24) * (place + 0.5) / count
        y = 14 + ROW * (lanes.index(lane) + 0.5) - 12 * height
        inside = mark(kind, x, y) + (
            element("text", str(len(some)), x=x + 9, y=y - 2, font_size=11, fill=_INK, font_weight="bold") if len(some) > 1 else ""
        )
        yield f'<a href="#{some[0].link}">{inside}</a>' if some[0].link else inside


def mark(kind: str, x: float, y: float) -> str:
    """Return the mark of a standing, or of an answer as `answer:OUTCOME`: each has a shape and a colour of its own."""
    if kind.startswith("answer:"):
        colour = next((each.colour for each in MARKS if each.key == kind[7:]), "#6B6B6B")
        if kind[7:] == "deny":
            return shape("rect", x=x - 6, y=y - 6, width=12.0, height=12.0, fill=colour)
        if kind[7:] == "serve":
            return shape("circle", cx=x, cy=y, r=6.0, fill=colour)
        return shape("polygon", points=f"{x:.1f},{y - 7:.1f} {x + 7:.1f},{y:.1f} {x:.1f},{y + 7:.1f} {x - 7:.1f},{y:.1f}", fill=colour)
    if kind == LATER:
        return shape("circle", cx=x, cy=y, r=5.5, fill="#fff", stroke=_SOFT, stroke_width=1.6, stroke_dasharray="3 2")
    colour = COLOURS[kind]
    if kind == "claim":
        points = f"{x:.1f},{y - 8:.1f} {x + 8:.1f},{y:.1f} {x:.1f},{y + 8:.1f} {x - 8:.1f},{y:.1f}"
        return shape("polygon", points=points, fill="#fff", stroke=colour, stroke_width=2.0, stroke_dasharray="3 2")
    if kind == "inference":
        return shape("rect", x=x - 5, y=y - 5, width=10.0, height=10.0, fill="#fff", stroke=colour, stroke_width=2.0)
    if kind == "unknown":
        return element("text", "?", x=x, y=y + 5, font_size=15, font_weight="bold", text_anchor="middle", fill=colour)
    return shape("circle", cx=x, cy=y, r=5.5, fill=colour)


def _wrapped(text: str) -> list[str]:
    return [text if len(text) <= 24 else text[:23] + "…"]
