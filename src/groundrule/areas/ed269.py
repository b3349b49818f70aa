"""Read drone zones as aviation authorities publish them: EUROCAE ED-269 and its successor ED-318.

Altitudes, schedules, restriction and reasons are kept as properties and tags; only the horizontal extent becomes
geometry. Publishers vary the spelling, and this reader takes the variants that were seen. 99999 as an upper limit means
unlimited. Circles become polygons that hold the circle and exceed it by at most a thousandth of the radius.

Source: EUROCAE ED-269 (2020), chapter 8 and appendix 2; ED-318 (2023).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyproj

from groundrule.areas.features import Feature, read_time
from groundrule.areas.geojson import polygons_of
from groundrule.errors import GroundruleError, MalformedArea
from groundrule.instant import MAX_NS, MIN_NS

UNLIMITED = 99999
_GEOD = pyproj.Geod(ellps="WGS84")
_CIRCLE_EDGES = 72  # 1 / cos(pi / 72) - 1 is below a thousandth
_MAX_RADIUS_M = 5_000_000
_METRES = {"M": 1.0, "METRE": 1.0, "METER": 1.0, "M.": 1.0, "KM": 1000.0, "NM": 1852.0, "FT": 0.3048}


def is_ed269(value: Any) -> bool:
    """Tell whether a parsed JSON document is a list of drone zones."""
    zones = _zones(value)
    return bool(zones) and isinstance(zones[0], Mapping) and (_is_269(zones[0]) or _is_318(zones[0]))


def read(value: Any) -> Iterator[Feature]:
    """Yield the zones; one with several windows of time gives one version per window."""
    for number, zone in enumerate(_zones(value), start=1):
        if not isinstance(zone, Mapping):
            problem = MalformedArea("the zone is not an object", help="see ED-269, appendix 2")
            yield Feature(number, None, (), {}, problem=problem)
            continue
        merged = dict(zone)
        if _is_318(zone):
            merged = {**_mapping(zone.get("properties")), "geometry": zone.get("geometry")}
        feature_id = _word(merged, "identifier", "id") or None
        notes: list[str] = []
        try:
            polygons = _polygons(merged.get("geometry"), notes)
            windows = _windows(_first(merged, "applicability", "limitedApplicability", "applicableTimePeriod"))
        except GroundruleError as problem:
            yield Feature(number, feature_id, (), {}, problem=problem)
            continue
        properties = _properties(merged)
        for start, end in windows:
            values = properties | {"valid_from": start, "valid_until": end}
            yield Feature(number, feature_id, polygons, values, notes=tuple(notes))


def _zones(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        value = next(
            (value[k] for k in ("features", "UASZoneList", "uasZoneList", "UASZoneVersion") if k in value), None
        )
    return value if isinstance(value, list) else []


def _is_269(zone: Mapping[str, Any]) -> bool:
    volumes = zone.get("geometry", zone.get("airspaceVolume"))
    volumes = volumes if isinstance(volumes, list) else [volumes]
    return any(isinstance(v, Mapping) and "horizontalProjection" in v for v in volumes)


def _is_318(zone: Mapping[str, Any]) -> bool:
    properties = _mapping(zone.get("properties"))
    return "identifier" in properties and not properties.keys().isdisjoint(
        ("restrictionConditions", "limitedApplicability", "zoneAuthority")
    )


# --- geometry ---------------------------------------------------------------------------------------------------------


def _polygons(geometry: Any, notes: list[str]) -> list[Any]:
    volumes = geometry if isinstance(geometry, list) else [geometry]
    parts: list[Any] = []
    for volume in volumes:
        if not isinstance(volume, Mapping):
            raise MalformedArea("the zone has no geometry", help="give a horizontalProjection")
        shape = volume.get("horizontalProjection", volume)
        if not isinstance(shape, Mapping):
            raise MalformedArea("the horizontal projection is not an object", help="give a Polygon or Circle")
        if shape.get("type") == "GeometryCollection":
            parts += _polygons(shape.get("geometries"), notes)
        elif shape.get("type") == "Circle" or _mapping(shape.get("extent")).get("subType") == "Circle":
            parts.append([_circle(shape, notes)])
        else:
            parts += polygons_of(shape, notes)
    return _without_repeats(parts)


def _without_repeats(parts: list[Any]) -> list[Any]:
    """Volumes stacked above each other have the same outline; it counts once."""
    seen: set[str] = set()
    kept = []
    for part in parts:
        key = json.dumps(part, default=str)
        if key not in seen:
            seen.add(key)
            kept.append(part)
    return kept


def _circle(shape: Mapping[str, Any], notes: list[str]) -> list[tuple[float, float]]:
    extent = _mapping(shape.get("extent"))
    centre: Any = _first(shape, "center", "centre") or shape.get("coordinates")
    radius = shape.get("radius", extent.get("radius"))
    try:
        lon, lat, radius_m = _float(centre[0]), _float(centre[1]), _float(radius)
    except (TypeError, IndexError, ValueError, KeyError) as error:
        raise MalformedArea("a circle has no centre or radius", help="give [longitude, latitude] and metres") from error
    unit = str(_first(shape, "uomRadius", "uom") or "M").upper()
    radius_m *= _METRES.get(unit, math.nan)
    if not (abs(lat) <= 90 and abs(lon) <= 180):
        raise MalformedArea(
            f"the centre {lat:g}, {lon:g} of a circle is not a place", help="give [longitude, latitude]"
        )
    if not 0 < radius_m <= _MAX_RADIUS_M:
        raise MalformedArea(f"the radius of a circle is {radius} {unit}", help="give metres, up to 5,000,000")
    azimuths = -np.arange(_CIRCLE_EDGES) * (360 / _CIRCLE_EDGES)
    # The polygon stands around the circle: its edges touch it, so that no point of the circle is lost.
    reach = np.full(_CIRCLE_EDGES, radius_m / math.cos(math.pi / _CIRCLE_EDGES))
    x, y, _ = _GEOD.fwd(np.full(_CIRCLE_EDGES, lon), np.full(_CIRCLE_EDGES, lat), azimuths, reach)
    notes.append(f"wrote a circle of {radius_m:g} m as a polygon of {_CIRCLE_EDGES} edges around it")
    ring = list(zip(x.tolist(), y.tolist(), strict=True))
    return [*ring, ring[0]]


def _float(value: Any) -> float:
    if isinstance(value, bool):
        raise TypeError("a truth value is not a number")
    return float(value)


# --- time and words ---------------------------------------------------------------------------------------------------


def _windows(value: Any) -> list[tuple[int, int]]:
    periods = value if isinstance(value, list) else [value] if value else []
    if not periods:
        return [(MIN_NS, MAX_NS)]
    windows: set[tuple[int, int]] = set()
    for period in periods:
        period = _mapping(period)  # noqa: PLW2901 - the same thing, checked
        permanent = str(period.get("permanent", "")).strip().upper() in ("YES", "TRUE", "Y")
        start, end = period.get("startDateTime"), period.get("endDateTime")
        windows.add(
            (
                read_time(str(start), "startDateTime") if start and not permanent else MIN_NS,
                read_time(str(end), "endDateTime") if end and not permanent else MAX_NS,
            )
        )
    return _merged(sorted(windows))


def _merged(windows: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Unite windows that overlap or touch; one that ends before it starts stays and is refused later."""
    merged: list[tuple[int, int]] = []
    for start, end in windows:
        if merged and end > start and merged[-1][1] > merged[-1][0] and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def _properties(zone: Mapping[str, Any]) -> dict[str, Any]:
    restriction = _spelled(_word(zone, "restriction") or _word(zone, "type", "variant"))
    reasons = zone.get("reason") or []
    reasons = reasons if isinstance(reasons, list) else [reasons]
    tags = [f"restriction:{restriction}"] if restriction else []
    tags += [f"reason:{_spelled(str(reason))}" for reason in reasons]
    read = ("geometry", "id", "identifier", "name", "country", "source", "kind")
    kept = {k: v for k, v in zone.items() if k not in read}
    return kept | {
        "id": _word(zone, "identifier", "id"),
        "name": _plain(zone.get("name")) or _word(zone, "identifier", "id"),
        "country": zone.get("country"),
        "tags": tags,
        "limits": "; ".join(_limits(zone.get("geometry"))) or None,
        "has_schedule": "yes" if '"schedule": [{' in json.dumps(zone, default=str) else None,
    }


def _limits(geometry: Any) -> list[str]:
    texts = []
    for volume in geometry if isinstance(geometry, list) else [geometry]:
        layer = _mapping(_mapping(volume).get("layer") or volume)
        lower, upper = _first(layer, "lowerLimit", "lower"), _first(layer, "upperLimit", "upper")
        unit = str(_first(layer, "uomDimensions", "uomDimension", "uom") or "M").upper()
        low_ref = _first(layer, "lowerVerticalReference", "lowerVerticalRef", "lowerReference") or "?"
        high_ref = _first(layer, "upperVerticalReference", "upperVerticalRef", "upperReference") or "?"
        if lower is None and upper is None:
            continue
        top = "unlimited" if upper is None or upper == UNLIMITED else f"{upper} {unit} {high_ref}"
        texts.append(f"{lower if lower is not None else 0} {unit} {low_ref} to {top}")
    return list(dict.fromkeys(texts))


def _plain(name: Any) -> str:
    """ED-318 names are lists of {text, lang}; the first one counts."""
    if isinstance(name, list):
        return str(_mapping(name[0]).get("text", "")) if name else ""
    return str(name) if name not in (None, "") else ""


def _spelled(word: str) -> str:
    return word.strip().lower().replace("authorization", "authorisation").replace(" ", "_")


def _word(values: Mapping[str, Any], *names: str) -> str:
    found = _first(values, *names)
    return "" if found is None or isinstance(found, dict | list) else str(found).strip()


def _first(values: Mapping[str, Any], *names: str) -> Any:
    return next((values[name] for name in names if values.get(name) is not None), None)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
