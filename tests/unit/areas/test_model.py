"""Areas as records: validity, digests, and the four answers about service."""

from __future__ import annotations

import pytest
import shapely

from groundrule.areas.model import (
    Area,
    AreaSet,
    ServiceInterval,
    ServiceRequest,
    area_digest,
    service_answer,
    service_state_at,
)
from groundrule.errors import MalformedArea
from groundrule.instant import MAX_NS, MIN_NS, parse_instant

SQUARE = shapely.box(0, 0, 1, 1)
FEB, APR, OCT = (parse_instant(f"2022-{month}-01") for month in ("02", "04", "10"))


def area(**changes: object) -> Area:
    return Area(**({"id": "zone:a", "kind": "zone", "name": "A", "geometry": SQUARE} | changes))  # type: ignore[arg-type]


def interval(state: str, start: int = MIN_NS, end: int = MAX_NS) -> ServiceInterval:
    return ServiceInterval(state, start, end, "log (invented)")  # type: ignore[arg-type]


def test_validity_is_half_open() -> None:
    version = area(valid_from_ns=FEB, valid_until_ns=APR)
    assert not version.is_valid_at(FEB - 1)
    assert version.is_valid_at(FEB)
    assert version.is_valid_at(APR - 1)
    assert not version.is_valid_at(APR)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"id": "a b"}, "cannot be the id"),
        ({"id": "zone:a+5m"}, "cannot be the id"),
        ({"id": ""}, "cannot be the id"),
        ({"id": "x" * 201}, "cannot be the id"),
        ({"kind": "Zone"}, "cannot be the kind"),
        ({"country": "UKR"}, "alpha-2"),
        ({"valid_from_ns": APR, "valid_until_ns": APR}, "valid until"),
        ({"geometry": shapely.Point(0, 0)}, "no polygon"),
        ({"geometry": shapely.Polygon()}, "no polygon"),
        ({"service_history": (interval("served"), interval("ended"))}, "two things"),
        ({"service_history": (interval("served", FEB, APR), interval("never_served", APR, OCT))}, "after served"),
    ],
)
def test_what_cannot_be_an_area_is_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(MalformedArea, match=words):
        area(**changes)


@pytest.mark.parametrize("state", ["on", "", "SERVED"])
def test_unknown_service_state_is_refused(state: str) -> None:
    with pytest.raises(MalformedArea, match="service state"):
        interval(state)


def test_interval_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(MalformedArea, match="ends at or before"):
        interval("served", APR, FEB)


def test_versions_of_one_id_may_follow_but_not_overlap() -> None:
    old, new = area(valid_until_ns=APR), area(valid_from_ns=APR)
    both = AreaSet((new, old))
    assert both.versions("zone:a") == (old, new)
    assert both.at("zone:a", APR) is new
    assert both.at("zone:a", APR - 1) is old
    assert both.at("zone:b", APR) is None
    with pytest.raises(MalformedArea, match="hold at once"):
        AreaSet((old, area(valid_from_ns=APR - 1)))


def test_digest_depends_on_content_and_not_on_order() -> None:
    one, two = area(), area(id="zone:b")
    assert AreaSet((one, two)).digest == AreaSet((two, one)).digest
    known = AreaSet((one,))
    assert known.digest != (known + AreaSet((two,))).digest == AreaSet((one, two)).digest
    for change in (
        {"name": "B"},
        {"geometry": shapely.box(0, 0, 1, 1.0000001)},
        {"tags": ("x",)},
        {"source": "elsewhere"},
        {"licence": "CC0-1.0"},
        {"point_of_view": "UN"},
        {"valid_until_ns": APR},
        {"service_history": (interval("served"),)},
        {"service_requests": (ServiceRequest(APR, "switch_on", "open", "log"),)},
        {"properties": (("a", "1"),)},
    ):
        assert area_digest(area(**change)) != area_digest(one), change


def test_tags_and_properties_are_sorted() -> None:
    same = area(tags=("b", "a", "a"), properties=(("y", "2"), ("x", "1")))
    assert same.tags == ("a", "b")
    assert same.properties == (("x", "1"), ("y", "2"))


def test_nothing_recorded() -> None:
    answer = service_answer(area(), APR)
    assert (answer.kind, answer.ever_served) == ("no_record", None)
    assert service_state_at(area(), APR) is None


def test_never_served() -> None:
    answer = service_answer(area(service_history=(interval("never_served"),)), APR)
    assert (answer.kind, answer.ever_served, answer.sentence) == ("never_served", False, "Never served.")


def test_request_to_switch_on_refused_is_its_own_answer() -> None:
    asked = ServiceRequest(APR, "switch_on", "refused", "letter (invented)")
    place = area(service_history=(interval("never_served"),), service_requests=(asked,))
    assert service_answer(place, APR - 1).kind == "never_served"
    answer = service_answer(place, APR)
    assert (answer.kind, answer.ever_served, answer.since_ns) == ("never_served_request_refused", False, APR)
    assert answer.sentence == "Never served; request to switch on refused at 2022-04-01T00:00:00Z."
    assert answer.requests == (asked,)


@pytest.mark.parametrize(
    ("asked", "answer"), [("switch_on", "open"), ("switch_on", "granted"), ("switch_off", "refused")]
)
def test_other_requests_are_no_refusal_to_switch_on(asked: str, answer: str) -> None:
    request = ServiceRequest(FEB, asked, answer, "letter (invented)")  # type: ignore[arg-type]
    place = area(service_history=(interval("never_served"),), service_requests=(request,))
    assert service_answer(place, APR).kind == "never_served"
    assert service_answer(place, APR).requests == (request,)


def test_served_since_the_start_of_an_unbroken_run() -> None:
    place = area(service_history=(interval("served", APR, OCT), interval("served", FEB, APR)))
    answer = service_answer(place, APR)
    assert (answer.kind, answer.ever_served, answer.since_ns) == ("served", True, FEB)
    assert answer.sentence == "Served since 2022-02-01T00:00:00Z."


def test_served_then_switched_off() -> None:
    place = area(service_history=(interval("served", FEB, APR), interval("ended", APR)))
    assert service_answer(place, APR - 1).kind == "served"
    answer = service_answer(place, APR)
    assert (answer.kind, answer.ever_served, answer.since_ns, answer.served_from_ns) == ("ended", True, APR, FEB)
    assert answer.sentence == "Served, then switched off at 2022-04-01T00:00:00Z."
    assert service_state_at(place, APR) == "ended"


def test_a_record_that_stops_is_not_taken_for_a_switch_off() -> None:
    place = area(service_history=(interval("served", FEB, APR),))
    answer = service_answer(place, OCT)
    assert (answer.kind, answer.ever_served) == ("no_record", True)
    assert "last recorded service ended with the record" in answer.sentence


def test_what_comes_later_is_not_used() -> None:
    place = area(
        service_history=(interval("never_served", MIN_NS, APR), interval("served", APR)),
        service_requests=(ServiceRequest(OCT, "switch_on", "refused", "letter (invented)"),),
    )
    answer = service_answer(place, FEB)
    assert (answer.kind, answer.requests) == ("never_served", ())
