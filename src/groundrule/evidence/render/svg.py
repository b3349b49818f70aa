"""Small pieces of SVG: elements whose every value is escaped, and labels that keep out of each other's way.

Presentation is by attributes only, so that a picture looks the same in a browser under a strict policy and in a PDF.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from markupsafe import escape


def number(value: float) -> str:
    """Write a coordinate."""
    return f"{value:.1f}".removesuffix(".0")


def _attributes(values: dict[str, object]) -> str:
    return "".join(f' {name.replace("_", "-")}="{escape(_value(name, held))}"' for name, held in values.items() if held is not None)


def _value(name: str, held: object) -> str:
    if not isinstance(held, float):
        return str(held)
    return f"{held:g}" if "opacity" in name else number(held)


def shape(tag: str, **attributes: object) -> str:
    """Return an element without content; underscores of names become dashes, None leaves an attribute out."""
    return f"<{tag}{_attributes(attributes)}/>"


def element(tag: str, text: str, **attributes: object) -> str:
    """Return an element with text in it."""
    return f"<{tag}{_attributes(attributes)}>{escape(text)}</{tag}>"


class Labels:
    """Labels of a picture, each where it hides none of the others."""

    def __init__(self, width: float, height: float) -> None:
        self._width, self._height = width, height
        self._taken: list[tuple[float, float, float, float]] = []
        self.parts: list[str] = []

    def block(self, left: float, top: float, right: float, bottom: float) -> None:
        """Keep a part of the picture free of labels."""
        self._taken.append((left, top, right, bottom))

    def place(
        self,
        text: str,
        spots: Sequence[tuple[float, float]],
        *,
        colour: str,
        size: float,
        ends: Collection[int] = (),
        italic: bool = False,
        must: bool = False,
        anchor: tuple[float, float] | None = None,
    ) -> bool:
        """Put a label at the first spot that is free, and tell whether there was one.

        Args:
            spots: beginnings of its base line; those numbered in `ends` are its end.
            must: put it at the first spot if none is free.
            anchor: what it belongs to; a thin line leads there from spots further off.
        """
        text = text if len(text) <= 60 else text[:59] + "…"
        wide = 0.62 * size * len(text)
        for place, (x, y) in enumerate(spots):
            left = x - wide if place in ends else x
            box = (left, y - size, left + wide, y + 0.3 * size)
            inside = box[0] >= 2 and box[1] >= 2 and box[2] <= self._width - 2 and box[3] <= self._height - 2
            if inside and not any(_meet(box, other) for other in self._taken):
                self._write(text, left, y, colour, size, italic=italic, anchor=anchor if place > 4 else None)
                self._taken.append(box)
                return True
        if must and spots:
            x = max(4.0, min(spots[0][0], self._width - wide - 4))
            self._write(text, x, max(size, min(spots[0][1], self._height - 4)), colour, size, italic=italic, anchor=None)
        return must

    def _write(self, text: str, x: float, y: float, colour: str, size: float, *, italic: bool, anchor: tuple[float, float] | None) -> None:
        if anchor is not None:
            self.parts.append(shape("line", x1=x, y1=y - size / 3, x2=anchor[0], y2=anchor[1], stroke=colour, stroke_width=0.8))
        common = {"x": x, "y": y, "font_size": size, "font_style": "italic" if italic else None}
        halo = element("text", text, **common, fill="#fff", stroke="#fff", stroke_width=4, stroke_linejoin="round", aria_hidden="true")
        self.parts += [halo, element("text", text, **common, fill=colour)]


def _meet(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
