"""One feature of any format, before it is an area: rings of positions and named values.

Readers yield `Feature`s; `area_of` turns one into an `Area`. Values that rules depend on (times, histories) are refused
when they are wrong; values that are only for reading (a country that is no code) are kept as text and reported.
"""

from __future__ import annotations

import csv
import functools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

from groundrule.areas.model import Area, ServiceInterval, ServiceRequest
from groundrule.areas.repair import build_polygon
from groundrule.errors import GroundruleError, MalformedArea, OutOfRange
from groundrule.instant import MAX_NS, MIN_NS, parse_instant

_MAX_TEXT = 4_000
_MAX_PROPERTIES = 200
_NAMES = ("name", "NAME", "Name", "title", "id", "ID", "identifier")
_OWN = frozenset(
    {"id", "kind", "country", "tags", "source", "licence", "license", "point_of_view", "valid_from", "valid_until",
     "service_history", "service_requests", "name"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature as read.

    Attributes:
        number: 1-based place in the file.
        id: identifier given by the format, or None.
        polygons: for each part its rings, each a sequence of positions (longitude, latitude).
        properties: named values; the names of `docs/areas.md` have a meaning.
        line: 1-based line of the file, or None when unknown.
        notes: what the reader had to change, one sentence each.
        problem: why the feature cannot be used, found by the reader, or None.
        winding: whether RFC 7946's order of rings is expected.
    """

    number: int
    id: str | None
    polygons: Sequence[Sequence[Any]]
    properties: Mapping[str, Any]
    line: int | None = None
    notes: tuple[str, ...] = ()
    problem: GroundruleError | None = None
    winding: bool = False


@dataclass(frozen=True, slots=True)
class Defaults:
    """What holds where a feature does not say.

    Attributes:
        kind, source, licence, point_of_view: as in `Area`.
        id_prefix: text before each id, for instance `control:`.
        id_property: name of the property that holds the id, or None.
        valid_from_ns, valid_until_ns: interval of validity [ns, UTC; half-open].
        stem: name of the file without ending, for ids of features that have none.
    """

    kind: str = "zone"
    source: str = ""
    licence: str = "not stated"
    point_of_view: str | None = None
    id_prefix: str = ""
    id_property: str | None = None
    valid_from_ns: int = MIN_NS
    valid_until_ns: int = MAX_NS
    stem: str = field(default="area")


def area_of(feature: Feature, defaults: Defaults) -> tuple[Area, list[str]]:
    """Turn a feature into an area.

    Returns:
        The area, and one sentence per repair.
    Raises:
        GroundruleError: why it cannot be used.
    """
    if feature.problem is not None:
        raise feature.problem
    values = feature.properties
    notes = list(feature.notes)
    area_id = _id(feature, defaults, notes)
    country = _country(values.get("country"), notes)
    geometry, repairs = build_polygon(feature.polygons, winding=feature.winding)
    area = Area(
        id=area_id,
        kind=_kind(values.get("kind"), defaults.kind),
        name=_text(next((values[n] for n in _NAMES if values.get(n) not in (None, "")), feature.id or area_id)),
        geometry=geometry,
        country=country,
        tags=_tags(values.get("tags")),
        source=_text(values.get("source") or defaults.source),
        licence=_text(values.get("licence") or values.get("license") or defaults.licence),
        point_of_view=_text(values["point_of_view"]) if values.get("point_of_view") else defaults.point_of_view,
        valid_from_ns=_instant(values, "valid_from", defaults.valid_from_ns),
        valid_until_ns=_instant(values, "valid_until", defaults.valid_until_ns),
        service_history=tuple(_interval(item) for item in _records(values, "service_history")),
        service_requests=tuple(_request(item) for item in _records(values, "service_requests")),
        properties=_rest(values, country, notes),
    )
    return area, notes + repairs


def _id(feature: Feature, defaults: Defaults, notes: list[str]) -> str:
    raw: Any
    if defaults.id_property is not None:
        raw = feature.properties.get(defaults.id_property)
        if raw in (None, ""):
            raise MalformedArea(
                f"property `{defaults.id_property}` that holds the id is missing",
                help="name one that every feature has",
            )
    else:
        raw = feature.properties.get("id")
        if raw in (None, ""):
            raw = feature.id if feature.id not in (None, "") else f"{defaults.stem}-{feature.number}"
    given = defaults.id_prefix + _text(raw)
    written = re.sub(r"[\s+*,;\"'`\x00-\x1f\x7f]+", "-", given.strip()).strip("-")
    if written != given:
        notes.append(f"id `{given[:60]}` written as `{written[:60]}`")
    return written


def _kind(value: Any, default: str) -> str:
    return re.sub(r"[\s-]+", "_", _text(value).strip().lower()) if value not in (None, "") else default


def _country(value: Any, notes: list[str]) -> str | None:
    if value in (None, ""):
        return None
    code = _text(value).strip().upper()
    two, three = country_codes()
    if code in two:
        return code
    if code in three:
        return three[code]
    notes.append(f"country `{_text(value)[:60]}` is not an ISO code; kept as a property")
    return None


@functools.cache
def country_codes() -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Return names by ISO alpha-2 code, and alpha-2 by alpha-3 code (with XK and XKX for Kosovo)."""
    text = resources.files("groundrule.areas").joinpath("country_codes.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    return {r["iso2"]: r["name"] for r in rows}, {r["iso3"]: r["iso2"] for r in rows}


def _tags(value: Any) -> tuple[str, ...]:
    if value in (None, ""):
        return ()
    items = value if isinstance(value, list | tuple) else str(value).split(",")
    return tuple(_text(item).strip() for item in items if _text(item).strip())


def _instant(values: Mapping[str, Any], name: str, default: int) -> int:
    value = values.get(name)
    if value in (None, ""):
        return default
    if isinstance(value, int) and not isinstance(value, bool):
        return value  # a reader that knows the unit gives nanoseconds
    return read_time(_text(value), name)


def read_time(text: str, name: str) -> int:
    """Read a time with zone [ns, UTC]; a year of 2262 or later is the formats' way of saying "without end"."""
    try:
        return parse_instant(text)
    except OutOfRange:
        if re.match(r"(22[6-9]\d|2[3-9]\d\d|[3-9]\d{3})-", text.strip()):
            return MAX_NS
        raise
    except GroundruleError as error:
        raise MalformedArea(f"{name}: {error.message}", help=error.help, field=name, value=text[:60]) from error


def _records(values: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    value = values.get(name)
    if value in (None, ""):
        return []
    if isinstance(value, str):  # formats without nested values carry JSON
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise MalformedArea(f"{name} is not JSON", help="write a list of records", field=name) from error
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise MalformedArea(f"{name} is not a list of records", help="see docs/areas.md", field=name)
    return value


def _interval(item: Mapping[str, Any]) -> ServiceInterval:
    _only(item, "service_history", {"state", "from", "until", "source"})
    return ServiceInterval(
        state=_choice(item, "state"),
        from_ns=_instant(item, "from", MIN_NS),
        until_ns=_instant(item, "until", MAX_NS),
        source=_required(item, "source", "service_history"),
    )


def _request(item: Mapping[str, Any]) -> ServiceRequest:
    _only(item, "service_requests", {"at", "asked", "answer", "source", "note"})
    return ServiceRequest(
        at_ns=read_time(_required(item, "at", "service_requests"), "at"),
        asked=_choice(item, "asked"),
        answer=_choice(item, "answer"),
        source=_required(item, "source", "service_requests"),
        note=_text(item["note"]) if item.get("note") else None,
    )


def _choice(item: Mapping[str, Any], name: str) -> Any:
    # The record itself refuses a word that it does not know.
    return _text(item.get(name)).strip().lower()


def _required(item: Mapping[str, Any], name: str, where: str) -> str:
    if item.get(name) in (None, ""):
        raise MalformedArea(f"a record of {where} has no `{name}`", help="see docs/areas.md", field=name)
    return _text(item[name])


def _only(item: Mapping[str, Any], where: str, known: set[str]) -> None:
    unknown = sorted(item.keys() - known)
    if unknown:
        raise MalformedArea(f"a record of {where} has `{unknown[0]}`", help=f"known are {', '.join(sorted(known))}")


def _rest(values: Mapping[str, Any], country: str | None, notes: list[str]) -> tuple[tuple[str, str], ...]:
    read = _OWN if country is not None else _OWN - {"country"}
    kept = {k: v for k, v in values.items() if v is not None and k not in read}
    if len(kept) > _MAX_PROPERTIES:
        notes.append(f"kept {_MAX_PROPERTIES} of {len(kept)} properties")
        kept = dict(list(kept.items())[:_MAX_PROPERTIES])
    rows = []
    for name, value in kept.items():
        text = _text(value)
        if len(text) > _MAX_TEXT:
            notes.append(f"property `{name[:60]}` cut to {_MAX_TEXT} characters")
            text = text[:_MAX_TEXT]
        rows.append((str(name)[:200], text))
    return tuple(rows)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)
