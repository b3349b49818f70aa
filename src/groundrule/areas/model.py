"""What an area is: polygons with name, origin, point of view, interval of validity and service history.

Several versions of one area share its `id` and differ in their half-open interval of validity. Jurisdiction
is data: two areas may overlap, and a lookup returns both. Geometry is planar in longitude and latitude
(RFC 7946), in degrees on WGS 84, cut at 180°; a boundary point belongs to the area. Coordinates are checked
by the readers, not here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal
from weakref import WeakKeyDictionary

import shapely
from shapely.geometry import MultiPolygon, Polygon

from groundrule.canon import digest, digest_bytes
from groundrule.errors import MalformedArea
from groundrule.instant import MAX_NS, MIN_NS, format_instant

ServiceState = Literal["never_served", "served", "ended"]
RequestKind = Literal["switch_on", "switch_off"]
RequestAnswer = Literal["refused", "granted", "open"]
AnswerKind = Literal["served", "ended", "never_served", "never_served_request_refused", "no_record"]

SERVICE_STATES: tuple[ServiceState, ...] = ("never_served", "served", "ended")
REQUEST_KINDS: tuple[RequestKind, ...] = ("switch_on", "switch_off")
REQUEST_ANSWERS: tuple[RequestAnswer, ...] = ("refused", "granted", "open")

MAX_ID_CHARACTERS = 200
_ID = re.compile(r"[^\s+*,;\"'`\x00-\x1f\x7f]+")
_KIND = re.compile(r"[a-z][a-z0-9_]{0,39}")
_COUNTRY = re.compile(r"[A-Z]{2}")


@dataclass(frozen=True, slots=True)
class ServiceInterval:
    """One statement about whether the network served an area.

    Attributes:
        state: never_served (neither before nor in this interval), served, or ended (served only before it).
        from_ns: start [ns, UTC; included]; MIN_NS is "since ever".
        until_ns: end [ns, UTC; excluded]; MAX_NS is "until further notice".
        source: who says so.
    """

    state: ServiceState
    from_ns: int
    until_ns: int
    source: str

    def __post_init__(self) -> None:
        if self.state not in SERVICE_STATES:
            raise _not_one_of(self.state, "a service state", SERVICE_STATES)
        if not MIN_NS <= self.from_ns < self.until_ns <= MAX_NS:
            raise MalformedArea(
                "a service interval ends at or before its start",
                help="give `until` later than `from`, or leave it out",
            )


@dataclass(frozen=True, slots=True)
class ServiceRequest:
    """A request to switch service in an area on or off, and what became of it.

    Attributes:
        at_ns: when it was made [ns, UTC].
        asked: switch_on or switch_off.
        answer: refused, granted or open.
        source: who says so.
        note: free text, or None.
    """

    at_ns: int
    asked: RequestKind
    answer: RequestAnswer
    source: str
    note: str | None = None

    def __post_init__(self) -> None:
        if self.asked not in REQUEST_KINDS:
            raise _not_one_of(self.asked, "a service request", REQUEST_KINDS)
        if self.answer not in REQUEST_ANSWERS:
            raise _not_one_of(self.answer, "an answer to a request", REQUEST_ANSWERS)


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Area:
    """One version of an area.

    Attributes:
        id: name that rules use, for instance `country:UA`; no white space, `+`, `*`, `,`, `;` or quotes.
        kind: country, land, zone, control, point … (lower case, one word).
        name: name for people, in English.
        geometry: Polygon or MultiPolygon, x longitude and y latitude [degree, WGS 84].
        country: ISO 3166-1 alpha-2 code, or None.
        tags: free tags, sorted, for instance `iso3:UKR`.
        source: where the geometry comes from, with version.
        licence: SPDX name or words.
        point_of_view: whose view of the world it is, or None if nobody's in particular.
        valid_from_ns: start of validity of this version [ns, UTC; included].
        valid_until_ns: end of validity of this version [ns, UTC; excluded].
        service_history: disjoint intervals in order of time.
        service_requests: requests in order of time.
        properties: further columns of the source as text, sorted by name; kept, never interpreted.
    """

    id: str
    kind: str
    name: str
    geometry: Polygon | MultiPolygon
    country: str | None = None
    tags: tuple[str, ...] = ()
    source: str = ""
    licence: str = ""
    point_of_view: str | None = None
    valid_from_ns: int = MIN_NS
    valid_until_ns: int = MAX_NS
    service_history: tuple[ServiceInterval, ...] = ()
    service_requests: tuple[ServiceRequest, ...] = ()
    properties: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.id) or len(self.id) > MAX_ID_CHARACTERS:
            raise MalformedArea(
                f"`{self.id[:60]}` cannot be the id of an area",
                help="use up to 200 characters without white space, `+`, `*`, `,`, `;` or quotes",
                field="id",
                value=self.id[:60],
            )
        if not _KIND.fullmatch(self.kind):
            raise MalformedArea(f"`{self.kind[:60]}` cannot be the kind of an area", help="write one lower-case word")
        if self.country is not None and not _COUNTRY.fullmatch(self.country):
            raise MalformedArea(
                f"`{self.country[:60]}` is not an ISO 3166-1 alpha-2 code", help="write for instance `UA`"
            )
        if not MIN_NS <= self.valid_from_ns < self.valid_until_ns <= MAX_NS:
            raise MalformedArea(
                f"area `{self.id}` is valid until a time at or before its start",
                help="give `valid_until` later than `valid_from`, or leave it out",
            )
        if not isinstance(self.geometry, Polygon | MultiPolygon) or self.geometry.is_empty:
            raise MalformedArea(f"area `{self.id}` has no polygon", help="give a Polygon or MultiPolygon")
        object.__setattr__(self, "tags", tuple(sorted(set(self.tags))))
        object.__setattr__(self, "properties", tuple(sorted(self.properties)))
        object.__setattr__(self, "service_history", _ordered(self.id, self.service_history))
        requests = tuple(sorted(self.service_requests, key=lambda r: r.at_ns))
        object.__setattr__(self, "service_requests", requests)

    def is_valid_at(self, instant_ns: int) -> bool:
        """Tell whether this version holds at an instant [ns, UTC]."""
        return self.valid_from_ns <= instant_ns < self.valid_until_ns


@dataclass(frozen=True, slots=True, eq=False)
class AreaSet:
    """Areas in a fixed order, content-addressed.

    Attributes:
        areas: the versions of all areas; two versions of one id never hold at the same instant.
    """

    areas: tuple[Area, ...]
    _digest: list[str] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        last: dict[str, Area] = {}
        for area in sorted(self.areas, key=lambda a: (a.id, a.valid_from_ns)):
            before = last.get(area.id)
            if before is not None and area.valid_from_ns < before.valid_until_ns:
                raise MalformedArea(
                    f"two versions of area `{area.id}` hold at once, from {_text(area.valid_from_ns)}",
                    help="end the older version when the newer one starts, or give one of them another id",
                )
            last[area.id] = area

    def __len__(self) -> int:
        return len(self.areas)

    def __iter__(self) -> Iterator[Area]:
        return iter(self.areas)

    def __add__(self, other: AreaSet) -> AreaSet:
        return AreaSet(self.areas + other.areas)

    @property
    def digest(self) -> str:
        """`sha256:…` over ids, metadata and geometry, independent of the order of the areas."""
        if not self._digest:
            self._digest.append(digest(sorted(area_digest(area) for area in self.areas)))
        return self._digest[0]

    def versions(self, area_id: str) -> tuple[Area, ...]:
        """All versions of one area in order of time; empty if there is none."""
        return tuple(sorted((a for a in self.areas if a.id == area_id), key=lambda a: a.valid_from_ns))

    def at(self, area_id: str, instant_ns: int) -> Area | None:
        """The version of an area that holds at an instant [ns, UTC], or None."""
        return next((a for a in self.areas if a.id == area_id and a.is_valid_at(instant_ns)), None)


def area_digest(area: Area) -> str:
    """Return the digest of one version of an area: its metadata and the digest of its geometry as 2-D WKB."""
    return digest(
        {
            "id": area.id,
            "kind": area.kind,
            "name": area.name,
            "country": area.country,
            "tags": area.tags,
            "source": area.source,
            "licence": area.licence,
            "point_of_view": area.point_of_view,
            # Instants exceed the integers that JSON readers share, so they are written as text.
            "valid": (str(area.valid_from_ns), str(area.valid_until_ns)),
            "service_history": [(i.state, str(i.from_ns), str(i.until_ns), i.source) for i in area.service_history],
            "service_requests": [(r.asked, r.answer, str(r.at_ns), r.source, r.note) for r in area.service_requests],
            "properties": area.properties,
            "geometry": geometry_digest(area),
        }
    )


_GEOMETRY_DIGESTS: WeakKeyDictionary[Area, str] = WeakKeyDictionary()


def geometry_digest(area: Area) -> str:
    """Return the digest of a geometry as 2-D WKB; worked out once, since areas never change and the world is in many sets."""
    found = _GEOMETRY_DIGESTS.get(area)
    if found is None:
        found = digest_bytes(shapely.to_wkb(area.geometry, byte_order=1, output_dimension=2))
        _GEOMETRY_DIGESTS[area] = found
    return found


@dataclass(frozen=True, slots=True)
class ServiceAnswer:
    """The answer to "was this area ever served?", as the record stands at one instant.

    Attributes:
        kind: `served` (served now), `ended` (served, then switched off), `never_served`,
            `never_served_request_refused`, or `no_record` (nothing is recorded for this instant).
        ever_served: True or False where the record says so, else None.
        since_ns: when the stated condition began [ns, UTC], or None if unknown; for a refused request, when
            it was made.
        served_from_ns: start of the last service before the end, for `ended`; else None.
        source: source of the statement; empty for `no_record`.
        requests: requests made up to the instant, in order of time.
        sentence: the answer in one sentence.
    """

    kind: AnswerKind
    ever_served: bool | None
    since_ns: int | None
    served_from_ns: int | None
    source: str
    requests: tuple[ServiceRequest, ...]
    sentence: str


def service_state_at(area: Area, instant_ns: int) -> ServiceState | None:
    """Return the recorded service state of an area at an instant [ns, UTC], or None if nothing is recorded.

    Example:
        >>> square = shapely.box(0, 0, 1, 1)
        >>> history = (ServiceInterval("served", 0, 10, "log"),)
        >>> service_state_at(Area("zone:a", "zone", "A", square, service_history=history), 10) is None
        True
    """
    interval = _interval_at(area, instant_ns)
    return None if interval is None else interval.state


def service_answer(area: Area, instant_ns: int) -> ServiceAnswer:
    """Say whether an area was ever served, as recorded up to an instant.

    "Never on", "switched off" and "a request to switch on was refused" are three different answers, and
    "nothing is recorded" is a fourth that is never turned into one of them.

    Args:
        area: the area with its service history and requests.
        instant_ns: the instant asked about [ns, UTC]; later intervals and requests are not used.
    """
    requests = tuple(r for r in area.service_requests if r.at_ns <= instant_ns)
    past = [i for i in area.service_history if i.from_ns <= instant_ns]
    served = [i for i in past if i.state == "served"]
    now = _interval_at(area, instant_ns)
    if now is None:
        ever = True if served else None
        words = f"nothing is recorded for {_text(instant_ns)}"
        if served:
            words += f"; the last recorded service ended with the record at {_text(served[-1].until_ns)}"
        sentence = _sentence(words + _refusals(requests))
        return ServiceAnswer("no_record", ever, None, None, "", requests, sentence)
    if now.state == "served":
        start = _start_of_run(past)
        words = "served" + ("" if start == MIN_NS else f" since {_text(start)}")
        return ServiceAnswer("served", True, _known(start), None, now.source, requests, _sentence(words))
    if now.state == "ended":
        off = served[-1].until_ns if served else _start_of_run(past)
        started = _start_of_run(past[: past.index(served[-1]) + 1]) if served else None
        words = f"served, then switched off at {_text(off)}" if off != MIN_NS else "served, then switched off"
        sentence = _sentence(words + _refusals(requests))
        return ServiceAnswer("ended", True, _known(off), _known(started), now.source, requests, sentence)
    refused = [r for r in requests if r.asked == "switch_on" and r.answer == "refused"]
    if refused:
        words = f"never served; request to switch on refused at {_text(refused[-1].at_ns)}"
        kind: AnswerKind = "never_served_request_refused"
        return ServiceAnswer(kind, False, refused[-1].at_ns, None, now.source, requests, _sentence(words))
    return ServiceAnswer("never_served", False, None, None, now.source, requests, "Never served.")


def _ordered(area_id: str, history: tuple[ServiceInterval, ...]) -> tuple[ServiceInterval, ...]:
    ordered = tuple(sorted(history, key=lambda i: i.from_ns))
    served = False
    for position, interval in enumerate(ordered):
        if position and interval.from_ns < ordered[position - 1].until_ns:
            raise MalformedArea(
                f"service history of area `{area_id}` says two things at {_text(interval.from_ns)}",
                help="end each interval where the next one starts",
            )
        if interval.state == "never_served" and served:
            raise MalformedArea(
                f"history of area `{area_id}` says never_served after served, at {_text(interval.from_ns)}",
                help="write `ended` for the time after service",
            )
        served = served or interval.state != "never_served"
    return ordered


def _not_one_of(value: str, what: str, allowed: tuple[str, ...]) -> MalformedArea:
    return MalformedArea(f"`{value}` is not {what}", help=f"one of {', '.join(allowed)}")


def _interval_at(area: Area, instant_ns: int) -> ServiceInterval | None:
    return next((i for i in area.service_history if i.from_ns <= instant_ns < i.until_ns), None)


def _start_of_run(past: list[ServiceInterval]) -> int:
    """Start of the unbroken run of one state that the last interval ends."""
    start = past[-1].from_ns
    for interval in reversed(past[:-1]):
        if interval.state != past[-1].state or interval.until_ns != start:
            break
        start = interval.from_ns
    return start


def _refusals(requests: tuple[ServiceRequest, ...]) -> str:
    refused = [r for r in requests if r.asked == "switch_on" and r.answer == "refused"]
    return f"; request to switch on refused at {_text(refused[-1].at_ns)}" if refused else ""


def _known(instant_ns: int | None) -> int | None:
    return None if instant_ns in (None, MIN_NS) else instant_ns


def _text(instant_ns: int) -> str:
    return "the beginning of time" if instant_ns == MIN_NS else format_instant(instant_ns)


def _sentence(words: str) -> str:
    return words[0].upper() + words[1:] + "."
